"""The decoder: each type, what it takes, and what it says of what it does not take."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
import pytest
from msgspec import Meta, field

from flowtime.errors import ModelError
from flowtime.model import (
    ConstNode,
    Edge,
    FloatArray,
    Grid,
    ModelSpec,
    NumbersNode,
    Provenance,
    Semantics,
    SeriesFile,
    TopologyNode,
    Wire,
    decode,
    decode_with_faults,
    parse_yaml,
)


class Inner(Wire, kw_only=True):
    """A struct in a struct."""

    name: str
    size: int = 1


class Every(Wire, kw_only=True):
    """One field of every type."""

    text: str = ""
    word: Annotated[str, Meta(pattern="^[a-z]+$")] | None = None
    count: Annotated[int, Meta(ge=0, le=10)] = 0
    share: Annotated[float, Meta(gt=0.0, lt=1.0)] | None = None
    flag: bool = False
    choice: Literal["one", "two"] = "one"
    numbers: FloatArray | None = None
    short: tuple[float, ...] = ()
    words: Annotated[tuple[str, ...], Meta(min_length=2)] | None = None
    inner: Inner | None = None
    inners: tuple[Inner, ...] = ()
    table: dict[str, str] = field(default_factory=dict)
    free: object = None
    mixed: float | str | None = None


def every(text: str) -> Every:
    """The struct of a text."""
    return decode(parse_yaml(text), Every)


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        pytest.param("text: 12", "text", "12", id="number-as-text"),
        pytest.param("text: 1.10", "text", "1.10", id="version-as-text"),
        pytest.param("text: 'null'", "text", "null", id="quoted-null-as-text"),
        pytest.param("text: yes", "text", "yes", id="yes-as-text"),
        pytest.param("text: ''", "text", "", id="empty-text"),
        pytest.param("word: abc", "word", "abc", id="pattern"),
        pytest.param("word: null", "word", None, id="null-is-absent"),
        pytest.param("count: ~", "count", 0, id="null-is-the-default"),
        pytest.param("count: 1e1", "count", 10, id="integer-in-scientific"),
        pytest.param("count: 5.0", "count", 5, id="integer-with-a-point"),
        pytest.param("share: .5", "share", 0.5, id="number"),
        pytest.param("flag: TRUE", "flag", True, id="true"),
        pytest.param("choice: two", "choice", "two", id="choice"),
        pytest.param("short: [1, 2.5]", "short", (1.0, 2.5), id="tuple"),
        pytest.param("short: []", "short", (), id="empty-tuple"),
        pytest.param("words: [a, 1]", "words", ("a", "1"), id="words"),
        pytest.param("inner: {name: a}", "inner", Inner(name="a"), id="struct"),
        pytest.param("inners: [{name: a}, {name: b, size: 2}]", "inners", (Inner(name="a"), Inner(name="b", size=2)),
                     id="structs"),
        pytest.param("table: {graph.hidden: true, n: 1}", "table", {"graph.hidden": "true", "n": "1"}, id="table"),
        pytest.param("free: {a: [1, 1.5, x, true, null, '1', 2.0]}", "free",
                     {"a": [1, 1.5, "x", True, None, "1", 2]}, id="free"),
        pytest.param("mixed: 5", "mixed", 5.0, id="number-before-text"),
        pytest.param("mixed: five", "mixed", "five", id="text"),
        pytest.param("mixed: '5'", "mixed", "5", id="quoted-is-text"),
    ],
)  # fmt: skip
def test_values(text: str, name: str, value: object) -> None:
    read = getattr(every(text), name)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        pytest.param("text: [a]", "model.wrong_type", (1, 7, "$.text"), id="list-as-text"),
        pytest.param("word: A1", "model.bad_value", (1, 7, "$.word"), id="pattern"),
        pytest.param('word: "a\\n"', "model.bad_value", (1, 8, "$.word"), id="pattern-and-a-line-break"),
        pytest.param("count: 11", "model.out_of_range", (1, 8, "$.count"), id="too-large"),
        pytest.param("count: -1", "model.out_of_range", (1, 8, "$.count"), id="too-small"),
        pytest.param("count: 1.5", "model.wrong_type", (1, 8, "$.count"), id="fraction"),
        pytest.param("count: '1'", "model.wrong_type", (1, 9, "$.count"), id="quoted-number"),
        pytest.param("count: true", "model.wrong_type", (1, 8, "$.count"), id="truth-as-number"),
        pytest.param(f"count: {'9' * 5000}", "model.wrong_type", (1, 8, "$.count"), id="huge"),
        pytest.param("count: 1e25", "model.out_of_range", (1, 8, "$.count"), id="large"),
        pytest.param("share: 1", "model.out_of_range", (1, 8, "$.share"), id="open-bound"),
        pytest.param("share: .nan", "model.out_of_range", (1, 8, "$.share"), id="nan"),
        pytest.param("share: 1e999", "model.out_of_range", (1, 8, "$.share"), id="infinite"),
        pytest.param("flag: yes", "model.wrong_type", (1, 7, "$.flag"), id="yes-is-no-truth"),
        pytest.param("choice: One", "model.bad_value", (1, 9, "$.choice"), id="choice-in-another-case"),
        pytest.param("numbers: [1, a]", "model.wrong_type", (1, 14, "$.numbers[1]"), id="word-in-numbers"),
        pytest.param("numbers: [1, '2']", "model.wrong_type", (1, 15, "$.numbers[1]"), id="quoted-in-numbers"),
        pytest.param("numbers: 1", "model.wrong_type", (1, 10, "$.numbers"), id="number-as-list"),
        pytest.param("short: [1, .nan]", "model.out_of_range", (1, 12, "$.short[1]"), id="nan-in-tuple"),
        pytest.param("words: [a]", "model.out_of_range", (1, 8, "$.words"), id="too-few"),
        pytest.param("inner: {size: 1}", "model.missing_field", (1, 8, "$.inner"), id="missing"),
        pytest.param("inner: {name: }", "model.missing_field", (1, 15, "$.inner.name"), id="null-required"),
        pytest.param("inner: []", "model.wrong_type", (1, 8, "$.inner"), id="list-as-struct"),
        pytest.param("table: {a: [1]}", "model.wrong_type", (1, 12, "$.table.a"), id="list-in-table"),
        pytest.param("table: {'a b': [1]}", "model.wrong_type", (1, 16, '$.table["a b"]'), id="odd-key"),
        pytest.param("mixed: [1]", "model.wrong_type", (1, 8, "$.mixed"), id="mixed"),
        pytest.param("mixed: 1e999", "model.out_of_range", (1, 8, "$.mixed"), id="mixed-infinite"),
        pytest.param("other: 1", "model.unknown_field", (1, 1, "$.other"), id="unknown"),
        pytest.param("- 1", "model.wrong_type", (1, 1, "$"), id="root"),
    ],
)
def test_faults(text: str, code: str, place: tuple[int, int, str]) -> None:
    with pytest.raises(ModelError) as caught:
        every(text)
    (fault,) = caught.value.faults
    assert (fault.code, fault.line, fault.column, fault.path) == (code, *place)


def test_all_faults_come_at_once() -> None:
    with pytest.raises(ModelError) as caught:
        every("count: x\nother: 1\ninners: [{name: a, siez: 2}, 5]\nflag: 1")
    assert [fault.line for fault in caught.value.faults] == [1, 2, 3, 3, 4]


def test_a_wrong_optional_field_leaves_the_struct() -> None:
    value, faults = decode_with_faults(parse_yaml("count: x\ntext: a"), Every)
    assert value == Every(text="a")
    assert len(faults) == 1


def test_a_wrong_required_field_leaves_none() -> None:
    value, faults = decode_with_faults(parse_yaml("{name: [], size: 2}"), Inner)
    assert value is None
    assert len(faults) == 1


def test_codes_start_with_the_prefix() -> None:
    _, faults = decode_with_faults(parse_yaml("nmae: a"), Inner, prefix="template")
    assert [fault.code for fault in faults] == ["template.unknown_field"]


def test_plain_mappings_decode_too() -> None:
    assert decode(parse_yaml("{a: 1, b: [x]}"), dict[str, object], "file.yaml") == {"a": 1, "b": ["x"]}


def test_long_numbers_are_handed_over_and_not_copied() -> None:
    tree = parse_yaml(f"numbers: [{', '.join(['1.5'] * 50)}]")
    (_, node) = getattr(tree, "pairs")[0]  # noqa: B009 - any node
    assert isinstance(node, NumbersNode)
    assert decode(tree, Every).numbers is node.values


def test_long_numbers_fit_every_kind_of_list() -> None:
    many = ", ".join(["1.0"] * 49 + ["2.5"])
    read = every(f"{{short: [{many}], words: [{many}], free: [{many}]}}")
    assert read.short == (*[1.0] * 49, 2.5)
    assert read.words == (*["1"] * 49, "2.5")
    assert read.free == [*[1] * 49, 2.5]


def test_a_gap_in_an_array_is_nan() -> None:
    numbers = every("numbers: [1, .nan, 3]").numbers
    np.testing.assert_array_equal(numbers if numbers is not None else [], [1.0, np.nan, 3.0])


@pytest.mark.parametrize("unit", ["Minutes", "MINUTES", "minutes"])
def test_the_unit_of_bins_may_have_any_case(unit: str) -> None:
    assert decode(parse_yaml(f"{{bins: 1, binSize: 1, binUnit: {unit}}}"), Grid).bin_unit == "minutes"


def test_the_kind_of_a_topology_node_may_have_any_case() -> None:
    node = decode(parse_yaml("{id: A, kind: servicewithbuffer, semantics: {arrivals: a}}"), TopologyNode)
    assert node.kind == "serviceWithBuffer"


def test_names_of_fields_on_the_wire() -> None:
    edge = decode(parse_yaml("{from: A, to: B}"), Edge)
    assert (edge.source, edge.target) == ("A", "B")


@pytest.mark.parametrize(
    ("text", "kind"),
    [("5", float), ("[5]", np.ndarray), ("{file: a.csv, column: b}", SeriesFile)],
)
def test_values_of_a_const_have_three_forms(text: str, kind: type) -> None:
    node = decode(parse_yaml(f"{{id: a, kind: const, values: {text}}}"), ConstNode)
    assert isinstance(node.values, kind)


@pytest.mark.parametrize(("text", "value"), [("2", 2.0), ("lanes", "lanes"), ("'2'", "2")])
def test_parallelism_is_a_number_or_a_series(text: str, value: object) -> None:
    assert decode(parse_yaml(f"parallelism: {text}"), Semantics).parallelism == value


def test_parameters_are_free() -> None:
    read = decode(parse_yaml("parameters: {rate: 2.0, name: x, list: [1, 2]}"), Provenance)
    assert read.parameters == {"rate": 2, "name": "x", "list": [1, 2]}


def test_hints_name_where_a_field_belongs() -> None:
    _, faults = decode_with_faults(parse_yaml("{bins: 3}"), ModelSpec)
    assert [fault.hint for fault in faults if fault.path == "$.bins"] == ["it belongs in grid"]
