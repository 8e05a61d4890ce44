"""Laws of the drawing of boxes and arrows, on any graph."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flowtime.templates.layered import Arrow, Box, draw, ring_arrows

LABELS = st.lists(st.sampled_from(["w", "weight 60", "exhaustedFailures"]), max_size=3).map(tuple)


@st.composite
def graphs(drawer: st.DrawFn) -> tuple[list[Box], list[Arrow]]:
    """Boxes b0, b1 ... with some text, and arrows between any of them, rings and loops included."""
    count = drawer(st.integers(1, 9))
    boxes = [Box((f"b{index}", "x" * drawer(st.integers(0, 12)))) for index in range(count)]
    ends = st.integers(0, count - 1)
    arrows = drawer(st.lists(st.builds(Arrow, ends, ends, LABELS, st.booleans()), max_size=14))
    return boxes, arrows


@given(graphs())
def test_every_box_stands_there_once(graph: tuple[list[Box], list[Arrow]]) -> None:
    boxes, arrows = graph
    words = "\n".join(draw(boxes, arrows)).replace("┊", " ").replace("│", " ").split()
    assert [words.count(box.lines[0]) for box in boxes] == [1] * len(boxes)


@given(graphs())
def test_every_arrow_that_goes_down_ends(graph: tuple[list[Box], list[Arrow]]) -> None:
    boxes, arrows = graph
    heads = "".join(draw(boxes, arrows)).count("▼")
    assert heads == len(arrows) - len(ring_arrows(len(boxes), arrows))


@given(graphs())
def test_no_ring_is_left(graph: tuple[list[Box], list[Arrow]]) -> None:
    boxes, arrows = graph
    rings = ring_arrows(len(boxes), arrows)
    kept = [arrow for index, arrow in enumerate(arrows) if index not in rings]
    assert ring_arrows(len(boxes), kept) == ()


@given(graphs())
def test_same_graph_same_text(graph: tuple[list[Box], list[Arrow]]) -> None:
    assert draw(*graph) == draw(*graph)
