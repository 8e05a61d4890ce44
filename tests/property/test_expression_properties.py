"""Laws of the expression language: texts and trees go back and forth, and no text does harm."""

from __future__ import annotations

import contextlib

from hypothesis import given
from hypothesis import strategies as st

from expression_trees import plain
from flowtime.model.expression import (
    FUNCTIONS,
    Expression,
    ExpressionFault,
    parse_expression,
    references,
    render,
)
from strategies import expressions

NAMES = ("a", "b", "queue_depth", "AND1", "min")
WORDS = (*FUNCTIONS, *NAMES, *"()[],+-*/<>=!^&.$ 0123456789", "==", "<=", "AND", "OR", "NOT", "1e3", " ", "(", ")")


@given(expressions(NAMES))
def test_render_and_parse_round_trip(tree: Expression) -> None:
    assert plain(parse_expression(render(tree))) == plain(tree)


@given(expressions(NAMES))
def test_rendered_text_is_a_fixed_point(tree: Expression) -> None:
    text = render(tree)
    assert render(parse_expression(text)) == text


@given(expressions(NAMES))
def test_references_are_the_names_of_the_text(tree: Expression) -> None:
    text = render(tree)
    read = references(parse_expression(text))
    assert all(text.startswith(reference.id, reference.at) for reference in read)
    assert [reference.at for reference in read] == sorted(reference.at for reference in read)


@given(st.text(max_size=200) | st.lists(st.sampled_from(WORDS), max_size=60).map("".join))
def test_any_text_is_an_expression_or_one_fault(text: str) -> None:
    with contextlib.suppress(ExpressionFault):
        render(parse_expression(text))


@given(st.lists(st.sampled_from(WORDS), max_size=60).map("".join))
def test_faults_point_into_the_text(text: str) -> None:
    offset = 0
    try:
        parse_expression(text)
    except ExpressionFault as fault:
        offset = fault.offset
    assert 0 <= offset <= len(text)
