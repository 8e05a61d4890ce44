"""The order of operations: the file's where it can be, what waits for itself bin by bin, loops by name."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtime.engine.ir import Operation
from flowtime.engine.ordering import Component, SameBinCycle, needed_operations, order_operations, producers
from flowtime_kernels import opcodes as op


def add(out: int, *ins: int) -> Operation:
    """An operation that reads its operands in the same bin."""
    return Operation(op.ADD, (out,), ins)


def shift(out: int, source: int) -> Operation:
    """One that reads the bin before."""
    return Operation(op.SHIFT, (out,), (source,), length=1, params=(0.0,), lag=1)


def order(*operations: Operation) -> list[Component | SameBinCycle]:
    """The order of all operations; columns are 0 to 9."""
    return order_operations(operations, range(len(operations)), producers(operations, 10))


ORDERS = [
    pytest.param([add(2, 0, 1), add(3, 2, 2)], [Component((0, 1), False)], id="of-the-file"),
    pytest.param([add(3, 2, 2), add(2, 0, 1)], [Component((1, 0), False)], id="against-the-file"),
    pytest.param([shift(2, 3), add(3, 0, 2)], [Component((0, 1), True)], id="feedback"),
    pytest.param([add(3, 0, 2), shift(2, 3)], [Component((1, 0), True)], id="feedback-against-the-file"),
    pytest.param([shift(2, 2)], [Component((0,), True)], id="looks-back-at-itself"),
    pytest.param(
        [add(1, 0), shift(2, 3), add(3, 1, 2), add(4, 3)],
        [Component((0,), False), Component((1, 2), True), Component((3,), False)],
        id="feedback-between",
    ),
    pytest.param(
        [shift(2, 3), shift(4, 5), add(5, 3, 4), add(3, 0, 2)],
        [Component((0, 3), True), Component((1, 2), True)],
        id="two-loops-in-line",
    ),
    pytest.param([add(2, 2)], [SameBinCycle((0,))], id="reads-itself"),
    pytest.param(
        [add(2, 3), add(3, 2), add(4, 0)], [SameBinCycle((0, 1)), Component((2,), False)], id="loop-within-a-bin"
    ),
    pytest.param(
        [shift(2, 4), add(3, 2, 4), add(4, 3)], [SameBinCycle((1, 2))], id="loop-within-a-bin-inside-of-feedback"
    ),
]


@pytest.mark.parametrize(("operations", "expected"), ORDERS)
def test_order(operations: Sequence[Operation], expected: list[Component | SameBinCycle]) -> None:
    assert order(*operations) == expected


def test_what_is_not_kept_is_there_already() -> None:
    operations = [add(2, 3), add(3, 0), add(4, 2)]
    made_by = producers(operations, 5)
    assert order_operations(operations, [0, 2], made_by) == [Component((0, 2), False)]


@pytest.mark.parametrize(
    ("wanted", "needed"),
    [
        pytest.param([4], [0, 1, 2], id="all-that-it-reads"),
        pytest.param([3], [1], id="an-input-has-no-operation"),
        pytest.param([3, 0], [1], id="wanted-input"),
        pytest.param([], [], id="nothing"),
    ],
)
def test_needed(wanted: list[int], needed: list[int]) -> None:
    operations = [add(2, 3, 0), add(3, 0, 1), add(4, 2), add(5, 4)]
    assert needed_operations(operations, producers(operations, 6), wanted) == needed


def test_a_line_of_queues_is_no_recursion() -> None:
    count = 5000
    operations = [
        part for i in range(count) for part in (shift(3 * i + 1, 3 * i + 2), add(3 * i + 2, 3 * i + 1, 3 * i))
    ]
    operations += [add(3 * i + 3, 3 * i + 2) for i in range(count)]
    made_by = producers(operations, 3 * count + 1)
    found = order_operations(operations[::-1], range(3 * count), [3 * count - 1 - i if i >= 0 else i for i in made_by])
    assert sum(component.is_feedback for component in found if isinstance(component, Component)) == count


@given(st.permutations(range(8)), st.lists(st.lists(st.integers(0, 7), min_size=1, max_size=3), min_size=8, max_size=8))
def test_nothing_runs_before_what_it_reads(places: list[int], reads: list[list[int]]) -> None:
    """Operation i of a chain reads column 0 or some before its own; the file has them in any order."""
    chain = [add(i + 1, *(min(column, i) for column in reads[i])) for i in range(8)]
    components = order(*(chain[place] for place in places))
    assert len(components) == 1
    ran = [places[i] for i in components[0].operations]
    assert all(ran.index(column - 1) < ran.index(i) for i in range(8) for column in chain[i].ins if column > 0)
