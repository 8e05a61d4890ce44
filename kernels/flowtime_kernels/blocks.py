"""One scenario in blocks of bins: op by op over a block, feedback components bin by bin."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from flowtime_kernels import elementwise, recurrences, table
from flowtime_kernels import opcodes as op
from flowtime_kernels.components import run_component
from flowtime_kernels.jit import njit

__all__ = ["run_plan"]

Row = NDArray[np.float64]
Indices = NDArray[np.int64]


@njit
def _place(column: int, start: Indices, stride: Indices, t0: int, n: int, scratch: int, buf: Row) -> int:
    """Offset of a column's block; a scalar is spread over a scratch row, which stays in the L1 cache."""
    if stride[column] != 0:
        place = int(start[column]) + t0
    else:
        place = scratch
        for i in range(n):
            buf[scratch + i] = buf[start[column]]
    return place


@njit
def _before(column: int, start: Indices, t0: int, initial: float, buf: Row) -> float:
    return initial if t0 == 0 else buf[start[column] + t0 - 1]


@njit
def _run_plain(ops: Indices, j: int, start: Indices, stride: Indices, t0: int, n: int, scratch: int, buf: Row) -> None:
    code = ops[j, table.CODE]
    out = np.uint64(start[ops[j, table.OUT0]] + t0)
    x = np.uint64(_place(ops[j, table.IN0], start, stride, t0, n, scratch, buf))
    if code < op.BINARY_FIRST:
        elementwise.unary_row(code, buf, x, out, np.uint64(n))
    else:
        y = np.uint64(_place(ops[j, table.IN1], start, stride, t0, n, scratch + n, buf))
        elementwise.binary_row(code, buf, x, y, out, np.uint64(n))


@njit
def _run_timed(
    ops: Indices, j: int, start: Indices, stride: Indices, params: Row, t0: int, n: int, scratch: int, buf: Row
) -> None:
    code = ops[j, table.CODE]
    length = ops[j, table.LENGTH]
    first = ops[j, table.PARAM]
    column = ops[j, table.OUT0]
    out = buf[start[column] + t0 : start[column] + t0 + n]
    origin = start[ops[j, table.IN0]]
    if code == op.PULSE:
        recurrences.pulse_block(length, ops[j, table.PHASE], params[first], t0, out)
    elif code == op.SHIFT:
        recurrences.shift_block(buf[origin : origin + t0 + n], length, params[first], t0, out)
    elif code == op.CONV:
        recurrences.convolve_block(buf[origin : origin + t0 + n], params[first : first + length], t0, out)
    else:
        x = _place(ops[j, table.IN0], start, stride, t0, n, scratch, buf)
        if code == op.CUMSUM:
            recurrences.cumulative_block(buf[x : x + n], _before(column, start, t0, 0.0, buf), out)
        else:
            recurrences.ema_block(buf[x : x + n], params[first], _before(column, start, t0, math.nan, buf), out)


@njit
def _run_level(ops: Indices, j: int, start: Indices, stride: Indices, params: Row, t0: int, n: int, buf: Row) -> None:
    first = ops[j, table.PARAM]
    demands = params[first : first + ops[j, table.LENGTH]]
    capacity, out = ops[j, table.IN0], ops[j, table.OUT0]
    for t in range(t0, t0 + n):
        limit = buf[start[capacity] + t * stride[capacity]]
        buf[start[out] + t] = recurrences.water_level(demands, start, stride, t, limit, buf)


@njit
def _run_bound(
    ops: Indices, j: int, start: Indices, stride: Indices, params: Row, t0: int, n: int, scratch: int, buf: Row
) -> None:
    code = ops[j, table.CODE]
    x = _place(ops[j, table.IN0], start, stride, t0, n, scratch, buf)
    y = _place(ops[j, table.IN1], start, stride, t0, n, scratch + n, buf)
    z = _place(ops[j, table.IN2], start, stride, t0, n, scratch + 2 * n, buf)
    w = _place(ops[j, table.IN3], start, stride, t0, n, scratch + 3 * n, buf)
    ins = (buf[x : x + n], buf[y : y + n], buf[z : z + n], buf[w : w + n])
    at0 = start[ops[j, table.OUT0]] + t0
    at1 = start[ops[j, table.OUT1]] + t0
    first = params[ops[j, table.PARAM]]
    if code == op.DEMAND:
        depth = start[ops[j, table.IN0]]
        whole = buf[depth : depth + t0 + n]
        recurrences.demand_block(whole, t0, first, ins[1], ins[2], ins[3], buf[at0 : at0 + n])
    elif code == op.BOUND_SERVE:
        at2 = start[ops[j, table.OUT2]] + t0
        at3 = start[ops[j, table.OUT3]] + t0
        outs = (buf[at0 : at0 + n], buf[at1 : at1 + n], buf[at2 : at2 + n], buf[at3 : at3 + n])
        before = _before(ops[j, table.OUT3], start, t0, first, buf)
        recurrences.bound_serve_block(ins[0], ins[1], ins[2], ins[3], before, outs[0], outs[1], outs[2], outs[3])
    else:
        before = _before(ops[j, table.OUT1], start, t0, first, buf)
        pair = (buf[at0 : at0 + n], buf[at1 : at1 + n])
        if code == op.MIX:
            recurrences.mix_block(ins[0], ins[1], before, pair[0], pair[1])
        else:
            recurrences.bound_queue_block(ins[0], ins[1], ins[2], ins[3], before, pair[0], pair[1])


@njit
def _run_flow(
    ops: Indices, j: int, start: Indices, stride: Indices, params: Row, t0: int, n: int, scratch: int, buf: Row
) -> None:
    code = ops[j, table.CODE]
    x = _place(ops[j, table.IN0], start, stride, t0, n, scratch, buf)
    y = _place(ops[j, table.IN1], start, stride, t0, n, scratch + n, buf)
    z = _place(ops[j, table.IN2], start, stride, t0, n, scratch + 2 * n, buf)
    at0 = start[ops[j, table.OUT0]] + t0
    at1 = start[ops[j, table.OUT1]] + t0
    at2 = start[ops[j, table.OUT2]] + t0
    wide = np.uint64(n)
    if code == op.IF:
        elementwise.if_row(buf, np.uint64(x), np.uint64(y), np.uint64(z), np.uint64(at0), wide)
    elif code == op.GRANT:
        elementwise.grant_row(buf, np.uint64(x), np.uint64(y), np.uint64(z), np.uint64(at0), wide)
    elif code == op.SERVICE:
        elementwise.service_row(
            buf, np.uint64(x), np.uint64(y), np.uint64(z), np.uint64(at0), np.uint64(at1), np.uint64(at2), wide
        )
    else:
        ins = (buf[x : x + n], buf[y : y + n], buf[z : z + n])
        outs = (buf[at0 : at0 + n], buf[at1 : at1 + n], buf[at2 : at2 + n])
        stock = ops[j, table.OUT0] if code == op.QUEUE else ops[j, table.OUT2]
        before = _before(stock, start, t0, params[ops[j, table.PARAM]], buf)
        if code == op.QUEUE:
            recurrences.queue_block(ins[0], ins[1], ins[2], before, outs[0])
        elif code == op.SERVE:
            recurrences.serve_block(ins[0], ins[1], ins[2], before, outs[0], outs[1], outs[2])
        else:
            recurrences.line_block(ins[0], ins[1], before, outs[0], outs[1], outs[2])


@njit
def run_plan(
    ops: Indices,
    steps: Indices,
    columns: Indices,
    params: Row,
    block: int,
    bins: int,
    start: Indices,
    rows: NDArray[np.uint64],
    buf: Row,
) -> None:
    """Evaluate a plan over bins 0 to ``bins`` (exclusive) in blocks of ``block`` bins.

    ``ops`` (ops, table.WIDTH) in order of execution; ``steps`` (steps, 3): first op, end op, and 1 for a
    feedback component; ``columns`` (3, columns + 1): base, stride and local of each column, the last
    one being scratch for four rows of a block; ``params`` (params,); ``start`` int64 (columns + 1,)
    and ``rows`` uint64 (ops, 2 * table.WIDTH) are work space; ``buf`` holds the columns, inputs filled in,
    and receives the rest.
    """
    scratch = columns[0, columns.shape[1] - 1]
    stride = columns[1]
    for t0 in range(0, bins, block):
        n = min(block, bins - t0)
        for column in range(start.size):
            start[column] = columns[0, column] - t0 * columns[2, column]
        for s in range(steps.shape[0]):
            if steps[s, 2] == 1:
                run_component(ops, (steps[s, 0], steps[s, 1]), start, stride, params, t0, t0 + n, rows, buf)
                continue
            for j in range(steps[s, 0], steps[s, 1]):
                code = ops[j, table.CODE]
                if code < op.IF:
                    _run_plain(ops, j, start, stride, t0, n, scratch, buf)
                elif op.TIMED_FIRST <= code < op.FLOW_FIRST:
                    _run_timed(ops, j, start, stride, params, t0, n, scratch, buf)
                elif code <= op.LINE:
                    _run_flow(ops, j, start, stride, params, t0, n, scratch, buf)
                elif code == op.LEVEL:
                    _run_level(ops, j, start, stride, params, t0, n, buf)
                else:
                    _run_bound(ops, j, start, stride, params, t0, n, scratch, buf)
