"""Laws of the kernels on random op tables: in blocks, bin by bin and in lanes the same bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from flowtime.engine.ir import Operation
from flowtime_kernels import opcodes as op
from kernelforms import kernel_modules
from optables import BINARY, SPECIAL, UNARY, Floats, canonical, run_blocks, run_lanes

INPUTS = 3
SCALARS = 2
PLAIN = (*UNARY, *BINARY, op.IF, op.SERVICE, op.QUEUE, op.SERVE, op.LINE)
TIMED = (op.SHIFT, op.CONV, op.CUMSUM, op.EMA)
OUTS = {op.SERVICE: 3, op.SERVE: 3, op.LINE: 3}
SAMPLES = st.sampled_from(SPECIAL) | st.floats(width=64)
NUMBERS = st.sampled_from((0.0, 1.0, -0.5, 12.5))


def count_ins(code: int) -> int:
    """How many operands a code takes."""
    if code in UNARY or code in TIMED:
        return 1
    return 2 if code in BINARY or code == op.LINE else 3


@st.composite
def tables(draw: st.DrawFn) -> list[Operation]:
    """Operations in order, each over inputs, scalars and the results of earlier ones."""
    operations: list[Operation] = []
    series = list(range(INPUTS))
    following = INPUTS + SCALARS
    for code in draw(st.lists(st.sampled_from((*PLAIN, *TIMED)), min_size=1, max_size=12)):
        # What looks back wants a series; so does one operand of any other, that its result may vary.
        ins = [draw(st.sampled_from(series))]
        any_column = st.sampled_from([*series, *range(INPUTS, INPUTS + SCALARS)])
        ins += [draw(any_column) for _ in range(count_ins(code) - 1)]
        outs = tuple(range(following, following + OUTS.get(code, 1)))
        operations.append(_operation(draw, code, outs, tuple(ins)))
        series += outs
        following += len(outs)
    return operations


def _operation(draw: st.DrawFn, code: int, outs: tuple[int, ...], ins: tuple[int, ...]) -> Operation:
    if code == op.CONV:
        taps = draw(st.lists(NUMBERS, max_size=4))
        return Operation(code, outs, ins, length=len(taps), params=tuple(taps or [0.0]))
    if code == op.SHIFT:
        return Operation(code, outs, ins, length=draw(st.integers(0, 9)), params=(draw(NUMBERS),))
    if code == op.EMA:
        return Operation(code, outs, ins, params=(draw(st.sampled_from((0.25, 1.0))),))
    if code >= op.FLOW_FIRST:
        return Operation(code, outs, ins, length=int(code == op.LINE), params=(draw(NUMBERS),))
    return Operation(code, outs, ins)


def given_series(draw: Callable[..., Any]) -> Floats:
    """Inputs of one scenario."""
    bins = draw(st.integers(1, 12))
    rows = st.lists(SAMPLES, min_size=bins, max_size=bins)
    return np.array([draw(rows) for _ in range(INPUTS)])


@settings(max_examples=150)
@given(tables(), st.data(), st.integers(1, 13))
def test_by_operation_and_by_bin_the_same_bytes(operations: list[Operation], data: st.DataObject, block: int) -> None:
    inputs, scalars = given_series(data.draw), data.draw(st.tuples(SAMPLES, SAMPLES))
    kernels = kernel_modules("compiled")
    by_operation = run_blocks(kernels, operations, inputs, scalars=scalars, block=block)
    by_bin = run_blocks(kernels, operations, inputs, scalars=scalars, block=block, feedback=True)
    assert canonical(by_operation) == canonical(by_bin)


@settings(max_examples=150)
@given(tables(), st.data())
def test_in_blocks_and_in_lanes_the_same_bytes(operations: list[Operation], data: st.DataObject) -> None:
    inputs, scalars = given_series(data.draw), data.draw(st.tuples(SAMPLES, SAMPLES))
    kernels = kernel_modules("compiled")
    scenarios = np.array([np.roll(inputs, shift, axis=0) for shift in range(INPUTS)])
    alone = [run_blocks(kernels, operations, each, scalars=scalars) for each in scenarios]
    assert canonical(run_lanes(kernels, operations, scenarios, scalars=scalars)) == canonical(np.array(alone))


@settings(max_examples=100)
@given(tables(), st.data(), st.integers(1, 13), st.integers(1, 13))
def test_any_size_of_block_the_same_bytes(
    operations: list[Operation], data: st.DataObject, block: int, other: int
) -> None:
    inputs, scalars = given_series(data.draw), data.draw(st.tuples(SAMPLES, SAMPLES))
    kernels = kernel_modules("compiled")
    first = run_blocks(kernels, operations, inputs, scalars=scalars, block=block)
    assert canonical(first) == canonical(run_blocks(kernels, operations, inputs, scalars=scalars, block=other))
