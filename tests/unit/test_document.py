"""The model document: loading, places, writing it again, and the bytes that stand for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import flowtime.model
from flowtime.errors import ModelError, exit_status
from flowtime.model import (
    Limits,
    Model,
    ModelSpec,
    canonical_bytes,
    dump_model,
    load_model,
    model_from_tree,
    parse_model,
    parse_yaml,
)
from flowtime.model.plain import plain
from strategies import models

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
CASES = sorted((SHARED / "conformance" / "cases").glob("*/model.yaml"))

SMALL = "schemaVersion: 1\ngrid: {bins: 1, binSize: 1, binUnit: days}\nnodes:\n- {id: a, kind: const, values: 1}\n"
TEXT = """# a model
schemaVersion: 1
grid: {bins: 3, binSize: 5, binUnit: Minutes, start: "2025-01-01T02:00:00+02:00"}
nodes:
- {id: a, kind: const, values: [1, .nan, 3], metadata: {graph.hidden: "true"}}
- id: e
  kind: expr
  expr: |
    a +
      q_queue
topology:
  nodes:
  - {id: Q, kind: queue, semantics: {arrivals: a, served: e, retryKernel: []}}
provenance: {generator: test, generatedAt: 2025-01-01T00:00:00Z, parameters: {b: 2, a: [1.5, x, null]}}
"""


def same(one: ModelSpec, other: ModelSpec) -> bool:
    """Whether two specs are equal, arrays by their bytes."""
    return lists(plain(one)) == lists(plain(other))


def lists(value: Any) -> Any:
    """Plain values with arrays as bytes."""
    match value:
        case dict():
            return {key: lists(item) for key, item in value.items()}
        case list():
            return [lists(item) for item in value]
        case np.ndarray():
            return value.tobytes()
        case _:
            return value


# Loading


def test_a_model_holds_what_the_file_says() -> None:
    model = parse_model(TEXT, file="m.yaml")
    assert [node.id for node in model.spec.nodes] == ["a", "e"]
    assert list(model.expressions) == ["e"]
    assert model.names.names == ("a", "e", "q_queue")
    assert model.file == "m.yaml"


def test_the_start_is_in_utc() -> None:
    assert parse_model(TEXT).spec.grid.start == "2025-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("2025-01-01", "2025-01-01T00:00:00Z"),
        ("2025-01-01T06:30", "2025-01-01T06:30:00Z"),
        ("2025-01-01 06:30:00Z", "2025-01-01T06:30:00Z"),
        ("2025-01-01T06:30:00.25-01:00", "2025-01-01T07:30:00.250000Z"),
    ],
)
def test_starts(text: str, start: str) -> None:
    model = parse_model(SMALL.replace("days", f"days, start: '{text}'"))
    assert model.spec.grid.start == start


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "2025-13-01", "12:30", "", "now"])
def test_no_starts(text: str) -> None:
    with pytest.raises(ModelError, match="date-time"):
        parse_model(SMALL.replace("days", f"days, start: '{text}'"))


def test_json_is_a_model_too() -> None:
    text = (
        '{"schemaVersion":1,"grid":{"bins":2,"binSize":1,"binUnit":"hours"},'
        '"nodes":[{"id":"a","kind":"const","values":[1,2]}]}'
    )
    assert parse_model(text).spec.grid.bins == 2


def test_a_missing_file_has_its_own_exit_status(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        load_model(tmp_path / "none.yaml")
    assert caught.value.code == "model.not_found"
    assert exit_status(caught.value.code) == 3


def test_a_folder_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        load_model(tmp_path)
    assert caught.value.code == "model.unreadable"


def test_a_large_file_is_not_read_to_its_end(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(TEXT)
    with pytest.raises(ModelError) as caught:
        load_model(tmp_path / "m.yaml", limits=Limits(bytes=100))
    assert caught.value.code == "model.yaml_too_large"


def test_a_file_is_named_as_the_caller_named_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "m.yaml").write_text("a: 1")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError) as caught:
        load_model("m.yaml")
    assert {fault.file for fault in caught.value.faults} == {"m.yaml"}


# Places


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("$", (2, 1)),
        ("$.grid.binUnit", (3, 38)),
        ("$.nodes[0].values", (5, 32)),
        ("$.nodes[0].values[1]", (5, 36)),
        ('$.nodes[0].metadata["graph.hidden"]', (5, 72)),
        ("$.nodes[1]", (6, 3)),
        ("$.nodes[1].expr", (9, 5)),
        ("$.nodes[9]", (5, 1)),
        ("$.nodes[0].none.below", (5, 3)),
        ("nonsense", (2, 1)),
    ],
)
def test_positions(path: str, place: tuple[int, int]) -> None:
    assert parse_model(TEXT).position(path) == place


@pytest.mark.parametrize(("offset", "place"), [(0, (9, 5)), (2, (9, 7)), (6, (10, 7))])
def test_offsets_into_an_expression(offset: int, place: tuple[int, int]) -> None:
    fault = parse_model(TEXT, file="m.yaml").fault("compile.x", "message", "$.nodes[1].expr", offset=offset)
    assert (fault.line, fault.column) == place
    assert (fault.code, fault.file, fault.path) == ("compile.x", "m.yaml", "$.nodes[1].expr")


# Writing


@given(models())
def test_a_written_model_reads_back_the_same(text: str) -> None:
    model = parse_model(text)
    again = parse_model(dump_model(model))
    assert same(again.spec, model.spec)
    assert again.expressions.keys() == model.expressions.keys()
    assert dump_model(again) == dump_model(model)
    assert canonical_bytes(again) == canonical_bytes(model)


any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from(
    ["null", "~", "", "true", "Yes", "1", "1.5", "-", "- a", "a: b", "#", "<<", "\u2028", "\ufeff", "\x00", "\x85",
     "\U0001f600", "a\nb", "'", '"', "\\", "%a", "x" * 2000, "*a", "&a", "!!str", "{", "]", " a ", "2025-01-01", ".nan"]
)  # fmt: skip
free_values = st.recursive(
    any_text | st.booleans() | st.none() | st.integers(-(2**53), 2**53) | st.floats(-1e300, 1e300),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(any_text, children, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(any_text, any_text, max_size=4), st.dictionaries(any_text, free_values, max_size=4))
def test_any_text_survives_writing(metadata: dict[str, str], parameters: dict[str, object]) -> None:
    spec = parse_model(TEXT).spec
    node = msgspec.structs.replace(spec.nodes[0], metadata=metadata)
    provenance = msgspec.structs.replace(spec.provenance or flowtime.model.Provenance(), parameters=parameters)
    nodes = (node, *spec.nodes[1:])
    model = with_spec(parse_model(TEXT), msgspec.structs.replace(spec, nodes=nodes, provenance=provenance))
    again = parse_model(dump_model(model)).spec
    assert again.nodes[0].metadata == metadata
    assert (again.provenance or flowtime.model.Provenance()).parameters == parameters


def with_spec(model: Model, spec: ModelSpec) -> Model:
    """The model with another spec."""
    return Model(spec, model.expressions, model.file, model.names, model.places)


def test_what_is_written_is_for_people() -> None:
    assert dump_model(parse_model(TEXT)) == (
        "schemaVersion: 1\n"
        "grid:\n  bins: 3\n  binSize: 5\n  binUnit: minutes\n"
        '  start: "2025-01-01T00:00:00Z"\n'
        "nodes:\n"
        "  - id: a\n    kind: const\n    values: [1.0, .nan, 3.0]\n"
        '    metadata:\n      graph.hidden: "true"\n'
        '  - id: e\n    kind: expr\n    expr: "a +\\n  q_queue\\n"\n'
        "topology:\n  nodes:\n"
        "    - id: Q\n      kind: queue\n      semantics:\n        arrivals: a\n        served: e\n"
        "        retryKernel: []\n"
        "provenance:\n  generator: test\n"
        '  generatedAt: "2025-01-01T00:00:00Z"\n'
        "  parameters:\n    b: 2\n    a: [1.5, x, null]\n"
    )


def test_defaults_that_say_something_are_written() -> None:
    text = TEXT.replace("provenance:", "  edges: [{from: Q, to: Q}]\nrng: {}\nprovenance:")
    written = dump_model(parse_model(text))
    assert "weight: 1.0\n        type: throughput" in written.replace("      type", "        type")
    assert "rng:\n  kind: pcg32\n  seed: 0\n" in written


@pytest.mark.parametrize("part", ["topology: {}\n", "provenance: {}\n"])
def test_an_empty_part_stays(part: str) -> None:
    model = parse_model(f"{SMALL}{part}")
    assert same(parse_model(dump_model(model)).spec, model.spec)
    assert part in dump_model(model)


def test_values_of_a_file_are_written_in_full(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("value\n1\n2\n3\n")
    model = parse_model(TEXT.replace("[1, .nan, 3]", "{file: x.csv}"), folder=tmp_path)
    assert "values: [1.0, 2.0, 3.0]" in dump_model(model)


@pytest.mark.skipif(not CASES, reason="../shared/conformance is not here")
@pytest.mark.parametrize("path", CASES, ids=[path.parent.name for path in CASES])
def test_published_models_load_and_read_back_the_same(path: Path) -> None:
    model = load_model(path)
    again = parse_model(dump_model(model))
    assert same(again.spec, model.spec)
    assert canonical_bytes(again) == canonical_bytes(model)


# The bytes that stand for a model

SAME = [
    pytest.param(lambda text: text.replace("# a model\n", "\n\n"), id="comments"),
    pytest.param(lambda text: text.replace("bins: 3, binSize: 5", "binSize: 5, bins: 3"), id="order-of-fields"),
    pytest.param(lambda text: text.replace("Minutes", "minutes"), id="case-of-the-unit"),
    pytest.param(lambda text: text.replace("2025-01-01T02:00:00+02:00", "2025-01-01"), id="spelling-of-the-start"),
    pytest.param(lambda text: text.replace("generatedAt: 2025", "generatedAt: 2026"), id="time-of-making"),
    pytest.param(lambda text: text.replace("b: 2, a:", "b: 2.0, a:"), id="spelling-of-a-number"),
    pytest.param(lambda text: text.replace("[1, .nan, 3]", "[1.0, .NaN, 3e0]"), id="spelling-of-values"),
    pytest.param(lambda text: text.replace("b: 2, a: [1.5, x, null]", "a: [1.5, x, ~], b: 2"), id="parameter-order"),
]


@pytest.mark.parametrize("change", SAME)
def test_layout_does_not_change_the_bytes(change: Any) -> None:
    assert change(TEXT) != TEXT
    assert canonical_bytes(parse_model(change(TEXT))) == canonical_bytes(parse_model(TEXT))


OTHER = [
    pytest.param("[1, .nan, 3]", "[1, 2, 3]", id="value"),
    pytest.param("[1, .nan, 3]", "1", id="scalar"),
    pytest.param("2025-01-01T02", "2025-01-01T03", id="start"),
    pytest.param("      q_queue", "      a", id="expression"),
    pytest.param("generator: test", "generator: other", id="generator"),
    pytest.param("b: 2", "b: 3", id="parameter"),
    pytest.param(", retryKernel: []", "", id="empty-kernel"),
    pytest.param('"true"', '"false"', id="metadata"),
]


@pytest.mark.parametrize(("old", "new"), OTHER)
def test_meaning_changes_the_bytes(old: str, new: str) -> None:
    assert canonical_bytes(parse_model(TEXT.replace(old, new))) != canonical_bytes(parse_model(TEXT))


def test_a_provenance_of_nothing_but_a_time_is_none() -> None:
    base = TEXT[: TEXT.index("provenance")]
    timed = parse_model(f"{base}provenance: {{generatedAt: 2025-01-01T00:00:00Z}}\n")
    assert canonical_bytes(timed) == canonical_bytes(parse_model(base))


# Trees


def test_a_tree_gives_the_model_of_its_text() -> None:
    model = model_from_tree(parse_yaml(TEXT), file=None, folder=None)
    assert canonical_bytes(model) == canonical_bytes(parse_model(TEXT))


def test_what_the_package_offers_is_there_and_sorted() -> None:
    names = flowtime.model.__all__
    assert names == sorted(names)
    assert all(hasattr(flowtime.model, name) for name in names)


# Hostile documents


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("[" * 100_000, id="deep"),
        pytest.param("nodes: " + "{a: " * 100_000, id="deep-mappings"),
        pytest.param(f"schemaVersion: {'9' * 100_000}", id="huge-integer"),
        pytest.param(f"grid: {{bins: 1e{'9' * 1000}}}", id="huge-exponent"),
        pytest.param("nodes: [&a [*a]]", id="recursive-alias"),
        pytest.param(b"schemaVersion: 1\x00", id="nul"),
        pytest.param(b"\xfe\xff", id="utf-16"),
        pytest.param("a: " + "(" * 100_000, id="brackets"),
        pytest.param(
            "schemaVersion: 1\ngrid: {bins: 1, binSize: 1, binUnit: days}\nnodes:\n"
            f"- {{id: e, kind: expr, expr: '{'(' * 100_000}'}}\n",
            id="deep-expression",
        ),
    ],
)
def test_hostile_documents_are_faults_with_a_place(text: str | bytes) -> None:
    with pytest.raises(ModelError) as caught:
        parse_model(text)
    assert all(fault.line and fault.column for fault in caught.value.faults)
