"""The YAML reader: what it reads, where it says things are, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flowtime.errors import ModelError
from flowtime.model.tree import MappingNode, NumbersNode, ScalarNode, SequenceNode, TreeNode
from flowtime.model.yaml_numbers import integer_of, lift_numbers, number_of, read_numbers
from flowtime.model.yaml_reader import Limits, parse_yaml

DEFAULT = Limits()
LONG = ", ".join(f"{index}.5" for index in range(40))


def child(tree: TreeNode, *steps: str | int) -> TreeNode:
    """The node at some steps below ``tree``."""
    for step in steps:
        pairs = {key.text: value for key, value in getattr(tree, "pairs", ())}
        tree = pairs[step] if isinstance(step, str) else getattr(tree, "items")[step]  # noqa: B009 - any node
    return tree


def place(node: TreeNode) -> tuple[int, int]:
    """Line and column."""
    return node.line, node.column


def fault_of(text: str | bytes, limits: Limits = DEFAULT) -> tuple[str, int | None, int | None]:
    """Code, line and column of the first fault of a text."""
    with pytest.raises(ModelError) as caught:
        parse_yaml(text, limits=limits)
    first = caught.value.faults[0]
    return first.code, first.line, first.column


# Scalars


@pytest.mark.parametrize(
    "text", ["yes", "on", "1_000", "12:30", "0o17", "2025-01-01", "1.0", "null", "~", "true", "0x1F", "=", "a: b"]
)
def test_a_scalar_stays_the_text_that_it_is(text: str) -> None:
    node = child(parse_yaml(f"k: {text}" if ": " not in text else f"k: '{text}'"), "k")
    assert isinstance(node, ScalarNode)
    assert node.text == text


@pytest.mark.parametrize(
    ("text", "content", "quoted", "where"),
    [
        pytest.param("k: abc", "abc", False, (1, 4), id="plain"),
        pytest.param("k: 'a''b'", "a'b", True, (1, 5), id="single-quotes"),
        pytest.param('k: "a\\tb"', "a\tb", True, (1, 5), id="double-quotes"),
        pytest.param("k: |\n\n   a\n   b\n", "\na\nb\n", True, (3, 4), id="literal-block"),
        pytest.param("k: >-\n  a\n  b\n", "a b", True, (2, 3), id="folded-block"),
        pytest.param("k:", "", False, (1, 3), id="empty"),
        pytest.param("k: !!str 12", "12", True, (1, 4), id="tagged-text"),
        pytest.param("k: &x 12", "12", False, (1, 4), id="anchored"),
        pytest.param("\ufeffk: 1", "1", False, (1, 4), id="byte-order-mark"),
        pytest.param("k: 1\r\n", "1", False, (1, 4), id="windows-line-end"),
        pytest.param("%YAML 1.1\n---\nk: 1\n", "1", False, (3, 4), id="directive"),
        pytest.param('{"k": "a/b"}', "a/b", True, (1, 8), id="json"),
    ],
)
def test_scalars(text: str, content: str, quoted: bool, where: tuple[int, int]) -> None:
    assert child(parse_yaml(text), "k") == ScalarNode(content, quoted, *where)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1.0), ("+1", 1.0), ("-1.5", -1.5), (".5", 0.5), ("1.", 1.0), ("1e3", 1000.0), ("007", 7.0),
        ("1E-3", 0.001), (".inf", np.inf), ("-.inf", -np.inf), ("1e999", np.inf), ("9" * 5000, np.inf),
        ("", None), ("1_000", None), ("0x1F", None), ("0o7", None), ("nan", None), ("inf", None), ("1e", None),
        ("--1", None), ("1 2", None), ("\u0661", None), ("1\n", None), ("infinity", None), ("12:30", None),
    ],
)  # fmt: skip
def test_number_of(text: str, value: float | None) -> None:
    assert number_of(text) == value


@pytest.mark.parametrize("text", [".nan", ".NaN", ".NAN"])
def test_not_a_number_is_spelled_with_a_dot(text: str) -> None:
    assert np.isnan(number_of(text) or 0.0)


@pytest.mark.parametrize(
    ("text", "value"),
    [("3", 3), ("3.0", 3), ("1e3", 1000), ("-2", -2), ("3.5", None), (".nan", None), ("x", None), ("9" * 5000, None)],
)
def test_integer_of(text: str, value: int | None) -> None:
    assert integer_of(text) == value


# Numbers in one call


def test_a_long_list_of_numbers_is_one_read_only_array() -> None:
    node = child(parse_yaml(f"a: 1\nv: [{LONG}]\nb: 2"), "v")
    assert isinstance(node, NumbersNode)
    assert place(node) == (2, 4)
    np.testing.assert_array_equal(node.values, np.arange(40) + 0.5)
    assert not node.values.flags.writeable


@pytest.mark.parametrize(
    ("text", "where"),
    [
        pytest.param(f"{{v: [{LONG}], k: 1}}", (1, len(LONG) + 12), id="same-line"),
        pytest.param(f"{{v: [{LONG}], w: [{LONG}], k: 1}}", (1, 2 * len(LONG) + 19), id="two-on-a-line"),
        pytest.param(f"{{v: [{LONG},\n  {LONG}], k: 1}}", (2, len(LONG) + 9), id="over-two-lines"),
        pytest.param(f"v: [{LONG}]\nk: 1", (2, 4), id="line-below"),
        pytest.param("v:\n" + "- 1.5\n" * 40 + "k: 1", (42, 4), id="below-a-block-list"),
        pytest.param(f"# v: [{LONG}]\nk: 1", (2, 4), id="below-a-comment"),
        pytest.param(f"v: [{LONG}] # [{LONG}]\nk: 1", (2, 4), id="below-a-comment-at-the-end"),
    ],
)
def test_places_behind_a_long_list_are_those_of_the_file(text: str, where: tuple[int, int]) -> None:
    assert place(child(parse_yaml(text), "k")) == where


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"k: '[{LONG}]'", id="quoted"),
        pytest.param(f"k: |\n  [{LONG}]\n", id="block"),
        pytest.param(f"k: x [{LONG}]", id="inside-a-plain-scalar"),
        pytest.param("k: |\n  v:\n" + "  - 1\n" * 40, id="block-list-in-a-block"),
    ],
)
def test_numbers_inside_text_stay_text(text: str) -> None:
    node = child(parse_yaml(f"{text}\nv: [{LONG}]"), "k")
    assert isinstance(node, ScalarNode)
    assert "numbersat" not in node.text
    assert ("38.5" in node.text) or ("- 1" in node.text)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"[{LONG}, x]", id="word"),
        pytest.param(f"[{LONG}, .inf]", id="infinity"),
        pytest.param(f"[{LONG}, 1e999]", id="overflow"),
        pytest.param(f"[{LONG}, 1.nan]", id="no-gap"),
        pytest.param(f"[{LONG}, , 1]", id="empty-item"),
        pytest.param(f"[{LONG}, - 1]", id="space-after-sign"),
        pytest.param("[" + "   " * 20 + "]", id="no-items"),
    ],
)
def test_what_is_no_list_of_finite_numbers_is_none(text: str) -> None:
    assert read_numbers(text) is None


@pytest.mark.parametrize("item", ["x", "null", ".inf", "1e999", "'1'", "[1]", "1_000"])
def test_a_list_with_anything_else_is_read_item_by_item(item: str) -> None:
    node = child(parse_yaml(f"v: [{LONG}, {item}]"), "v")
    assert isinstance(node, SequenceNode)
    assert len(node.items) == 41


def test_a_name_in_the_text_is_no_placeholder() -> None:
    tree = parse_yaml(f"numbersat3: [numbersat3]\nnumbersxat: numbersat\nv: [{LONG}]")
    assert child(tree, "numbersat3", 0) == ScalarNode("numbersat3", False, 1, 14)


def test_lifting_leaves_a_text_with_the_same_lines() -> None:
    text = f"a: [{LONG},\n{LONG}]\nb:\n" + "  - 1\n" * 40 + "c: 1\n"
    reduced = lift_numbers(text)
    assert reduced.text.count("\n") == text.count("\n")
    assert len(reduced.numbers) == 2


number_texts = (
    st.floats(allow_nan=False, allow_infinity=False).map(repr)
    | st.integers(-(10**30), 10**30).map(str)
    | st.sampled_from(["-0", "-0.0", "+1", ".5", "1.", "007", ".nan", "1e5", "1E+5", "9007199254740993", "1e-400"])
)


@given(st.lists(number_texts, min_size=40, max_size=60), st.sampled_from([", ", ",", " ,\n "]))
@example(["18446744073709551615"] * 40, ", ")
def test_the_fast_way_gives_the_bytes_of_the_slow_way(texts: list[str], separator: str) -> None:
    fast = child(parse_yaml(f"v: [{separator.join(texts)}]"), "v")
    slow = child(parse_yaml(f"v: [ # item by item\n {separator.join(texts)}]"), "v")
    assert isinstance(fast, NumbersNode)
    assert isinstance(slow, SequenceNode)
    expected = [number_of(getattr(item, "text", "")) for item in slow.items]
    assert fast.values.tobytes() == np.array(expected, dtype=np.float64).tobytes()


# What is refused


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("a: 1\na: 2", ("model.duplicate_field", 2, 1), id="duplicate"),
        pytest.param("{a: 1, 'a': 2}", ("model.duplicate_field", 1, 9), id="duplicate-in-quotes"),
        pytest.param("- &x {a: 1}\n- {<<: *x}", ("model.yaml_merge_key", 2, 4), id="merge-key"),
        pytest.param("? [a]\n: b", ("model.yaml_key", 1, 3), id="list-as-key"),
        pytest.param("- &x [1]\n- {*x : b}", ("model.yaml_key", 2, 4), id="alias-as-key"),
        pytest.param("a: !!python/name:os.system x", ("model.yaml_tag", 1, 4), id="python-tag"),
        pytest.param("a: !mine {b: 1}", ("model.yaml_tag", 1, 4), id="own-tag"),
        pytest.param("a: !!set {b}", ("model.yaml_tag", 1, 4), id="set"),
        pytest.param("a: !!str [b]", ("model.yaml_tag", 1, 4), id="text-tag-on-a-list"),
        pytest.param("a: *x", ("model.yaml_alias", 1, 4), id="unknown-alias"),
        pytest.param("a: &x [*x]", ("model.yaml_alias", 1, 8), id="recursive-alias"),
        pytest.param("a: 1\n---\nb: 2", ("model.yaml_documents", 2, 1), id="two-documents"),
        pytest.param("a:\n\t- b", ("model.yaml_syntax", 2, 1), id="tab"),
        pytest.param("a: b\n\x07c: d", ("model.yaml_syntax", 2, 1), id="control-character"),
        pytest.param("a: \x00", ("model.yaml_syntax", 1, 4), id="nul"),
        pytest.param(b"a: b\nc: \xff", ("model.yaml_encoding", 2, 4), id="not-utf-8"),
        pytest.param("a: b".encode("utf-16"), ("model.yaml_encoding", 1, 1), id="utf-16"),
        pytest.param("a: b\nc: \ud800", ("model.yaml_encoding", 2, 4), id="half-a-pair"),
        pytest.param("a: [1, 2", ("model.yaml_syntax", 2, 1), id="unclosed"),
        pytest.param(f"a: [{LONG}]\nb: [1", ("model.yaml_syntax", 3, 1), id="unclosed-below-numbers"),
        pytest.param("a: 'b", ("model.yaml_syntax", 1, 6), id="unclosed-quote"),
        pytest.param("[" * 100_000, ("model.yaml_too_deep", 1, 65), id="deep-flow"),
        pytest.param("- " * 100_000, ("model.yaml_too_deep", 1, 129), id="deep-block"),
        pytest.param("{a: " * 100_000, ("model.yaml_too_deep", 1, 257), id="deep-mapping"),
    ],
)
def test_refused(text: str | bytes, expected: tuple[str, int, int]) -> None:
    assert fault_of(text) == expected


BOMB = "\n".join(
    ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    + [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]" for level in range(1, 9)]
)
TOWER = "\n".join(["a0: &a0 " + "[" * 30 + "]" * 30, "a1: &a1 " + "[" * 30 + "*a0" + "]" * 30, "a2: [[[[[*a1]]]]]"])


@pytest.mark.parametrize(
    ("text", "limits", "code"),
    [
        pytest.param(BOMB, DEFAULT, "model.yaml_too_many_nodes", id="alias-bomb"),
        pytest.param(TOWER, DEFAULT, "model.yaml_too_deep", id="depth-through-aliases"),
        pytest.param("[1, 2, 3]", Limits(nodes=3), "model.yaml_too_many_nodes", id="nodes"),
        pytest.param("[[1]]", Limits(depth=1), "model.yaml_too_deep", id="depth"),
        pytest.param("abcdef", Limits(bytes=5), "model.yaml_too_large", id="characters"),
        pytest.param("äöü", Limits(bytes=5), "model.yaml_too_large", id="bytes"),
    ],
)
def test_limits(text: str, limits: Limits, code: str) -> None:
    assert fault_of(text, limits)[0] == code


def test_an_alias_is_the_same_node_again() -> None:
    tree = parse_yaml("a: &x {k: 1}\nb: *x")
    assert child(tree, "a") is child(tree, "b")


def test_all_faults_that_do_not_stop_the_reading_come_together() -> None:
    with pytest.raises(ModelError) as caught:
        parse_yaml("a: 1\na: 2\nb: !x 3\nc: {d: 1, d: 2}", file="m.yaml")
    assert [(fault.line, fault.path) for fault in caught.value.faults] == [(2, "$.a"), (3, "$.b"), (4, "$.c.d")]


def test_an_empty_document_is_an_empty_scalar() -> None:
    assert parse_yaml("# nothing\n") == ScalarNode("", False, 1, 1)


def test_keys_keep_the_order_of_the_file() -> None:
    tree = parse_yaml("z: 1\na: 2\nm: 3")
    assert isinstance(tree, MappingNode)
    assert [key.text for key, _ in tree.pairs] == ["z", "a", "m"]


# Hostile text


def parse_or_fault(text: str | bytes) -> tuple[int | None, ...]:
    """Lines of the faults of a text; none where it is a document."""
    try:
        parse_yaml(text, file="x")
    except ModelError as error:
        return tuple(fault.line and fault.column for fault in error.faults)
    return ()


@given(st.text(st.sampled_from(list("[]{}:,-?&*!|>'\"%@`#\n\t ab1.\x00\ud800\u2028")), max_size=60))
def test_any_text_is_a_tree_or_has_a_fault_with_a_place(text: str) -> None:
    assert None not in parse_or_fault(text)


@given(st.binary(max_size=60))
def test_any_bytes_are_a_tree_or_have_a_fault_with_a_place(data: bytes) -> None:
    assert None not in parse_or_fault(data)
