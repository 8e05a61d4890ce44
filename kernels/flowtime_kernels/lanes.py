"""Many scenarios at once: bins outermost, LANES scenarios side by side in each operation.

A column of one bin is LANES neighboring values.  Only what later bins look back at is kept: each
column is a ring of ``mask + 1`` bins (a power of two), so that a block of scenarios stays in the L2
cache however long the horizon.  Series that no override reaches are read from ``uniform``.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from flowtime_kernels import opcodes as op
from flowtime_kernels import scalars, table
from flowtime_kernels.elementwise import binary_row, grant_row, if_row, service_row, unary_row
from flowtime_kernels.jit import njit

__all__ = ["LANES", "run_lanes"]

Row = NDArray[np.float64]
Grid = NDArray[np.float64]
Indices = NDArray[np.int64]
Offset = np.uint64

# Wide enough that the choice of an operation costs little per scenario, narrow enough for the cache.
LANES = 64
WIDE = np.uint64(LANES)


@njit
def _at(column: int, rings: Indices, t: int) -> Offset:
    """Offset of the lanes of a column at bin t; bins before 0 hold its initial value."""
    return np.uint64(rings[0, column] + (t & rings[1, column]) * LANES)


@njit
def _spread(value: float, buf: Row, out: Offset) -> None:
    for i in range(WIDE):
        buf[out + i] = value


@njit
def _operand(column: int, rings: Indices, uniform: Grid, t: int, scratch: int, buf: Row) -> Offset:
    source = rings[2, column]
    if source < 0:
        place = _at(column, rings, t)
    else:
        place = np.uint64(scratch)
        _spread(uniform[source, t], buf, place)
    return place


@njit
def _convolve(ops: Indices, j: int, rings: Indices, params: Row, t: int, buf: Row, out: Offset) -> None:
    _spread(0.0, buf, out)
    for k in range(min(ops[j, table.LENGTH], t + 1)):
        sample = _at(ops[j, table.IN0], rings, t - k)
        tap = params[ops[j, table.PARAM] + k]
        for i in range(WIDE):
            buf[out + i] += scalars.safe(buf[sample + i]) * tap


@njit
def _accumulate(code: int, alpha: float, first: bool, buf: Row, x: Offset, previous: Offset, out: Offset) -> None:
    if code == op.CUMSUM:
        for i in range(WIDE):
            buf[out + i] = (0.0 if first else buf[previous + i]) + scalars.safe(buf[x + i])
    else:
        for i in range(WIDE):
            level = math.nan if first else buf[previous + i]
            buf[out + i] = scalars.next_ema(level, buf[x + i], alpha)


# Stocks below are updated in place, and one result a loop is written where more rows might overlap: the
# compiler gives up on vectors where it can not tell rows apart.
@njit
def _queue(buf: Row, inflow: Offset, outflow: Offset, loss: Offset, depth: Offset) -> None:
    for i in range(WIDE):
        buf[depth + i] = scalars.queue_step(buf[depth + i], buf[inflow + i], buf[outflow + i], buf[loss + i])


@njit
def _line(buf: Row, x: Offset, y: Offset, served: Offset, depth: Offset) -> None:
    for i in range(WIDE):
        done = scalars.minimum(buf[x + i] + buf[depth + i], buf[y + i])
        buf[depth + i] = scalars.queue_step(buf[depth + i], buf[x + i], done, 0.0)
        buf[served + i] = done


@njit
def _line_within(buf: Row, x: Offset, limit: float, served: Offset, depth: Offset) -> None:
    """A line whose capacity is the same in every scenario, as most are."""
    for i in range(WIDE):
        done = scalars.minimum(buf[x + i] + buf[depth + i], limit)
        buf[depth + i] = scalars.queue_step(buf[depth + i], buf[x + i], done, 0.0)
        buf[served + i] = done


@njit
def _serve(buf: Row, x: Offset, y: Offset, z: Offset, served: Offset, lost: Offset, depth: Offset) -> None:
    for i in range(WIDE):
        buf[lost + i] = scalars.work_lost(buf[z + i], scalars.work_present(buf[depth + i], buf[x + i]))
    for i in range(WIDE):
        left = scalars.work_present(buf[depth + i], buf[x + i]) - buf[lost + i]
        buf[served + i] = scalars.work_served(buf[y + i], left)
    for i in range(WIDE):
        left = scalars.work_present(buf[depth + i], buf[x + i]) - buf[lost + i]
        buf[depth + i] = left - buf[served + i]


@njit
def _run_timed(ops: Indices, j: int, rings: Indices, params: Row, t: int, loads: Grid, buf: Row) -> None:
    code = ops[j, table.CODE]
    source = ops[j, table.IN0]
    length = ops[j, table.LENGTH]
    first = ops[j, table.PARAM]
    out = _at(ops[j, table.OUT0], rings, t)
    if code == op.LANE_LOAD:
        for i in range(WIDE):
            buf[out + i] = loads[length, t, i]
    elif code == op.CONV:
        _convolve(ops, j, rings, params, t, buf, out)
    elif code != op.SHIFT:
        previous = _at(ops[j, table.OUT0], rings, t - 1)
        _accumulate(code, params[first], t == 0, buf, _at(source, rings, t), previous, out)
    elif t < length:
        _spread(params[first], buf, out)
    else:
        unary_row(op.COPY, buf, _at(source, rings, t - length), out, WIDE)


@njit
def _carry(stock: int, rings: Indices, t: int, buf: Row) -> Offset:
    """Offset of a stock's row of bin t, holding what the bin before left."""
    row = _at(stock, rings, t)
    previous = _at(stock, rings, t - 1)
    if previous != row:
        unary_row(op.COPY, buf, previous, row, WIDE)
    return row


@njit
def _run_line(ops: Indices, j: int, rings: Indices, uniform: Grid, t: int, scratch: int, buf: Row) -> None:
    x = _operand(ops[j, table.IN0], rings, uniform, t, scratch, buf)
    served = _at(ops[j, table.OUT1], rings, t)
    depth = _carry(ops[j, table.OUT2], rings, t, buf)
    if ops[j, table.LENGTH] == 1:
        binary_row(op.ADD, buf, x, depth, _at(ops[j, table.OUT0], rings, t), WIDE)
    shared = rings[2, ops[j, table.IN1]]
    if shared >= 0:
        _line_within(buf, x, uniform[shared, t], served, depth)
    else:
        _line(buf, x, _at(ops[j, table.IN1], rings, t), served, depth)


@njit
def _bound_queue(buf: Row, x: Offset, y: Offset, z: Offset, limit: Offset, over: Offset, depth: Offset) -> None:
    _queue(buf, x, y, z, depth)
    _cut(buf, limit, over, depth)


@njit
def _cut(buf: Row, limit: Offset, over: Offset, depth: Offset) -> None:
    for i in range(WIDE):
        buf[over + i] = scalars.over_limit(buf[depth + i], buf[limit + i])
    for i in range(WIDE):
        buf[depth + i] -= buf[over + i]


@njit
def _mix(buf: Row, x: Offset, keep: Offset, present: Offset, depth: Offset) -> None:
    for i in range(WIDE):
        buf[present + i] = scalars.work_present(buf[depth + i], buf[x + i])
    for i in range(WIDE):
        buf[depth + i] = buf[present + i] * buf[keep + i]


@njit
def _demand(buf: Row, depth: Offset, arrivals: Offset, capacity: Offset, loss: Offset, out: Offset) -> None:
    for i in range(WIDE):
        buf[out + i] = scalars.demand_step(buf[depth + i], buf[arrivals + i], buf[capacity + i], buf[loss + i])


@njit
def _lane_value(column: int, rings: Indices, uniform: Grid, t: int, lane: int, buf: Row) -> float:
    source = rings[2, column]
    return float(uniform[source, t] if source >= 0 else buf[_at(column, rings, t) + np.uint64(lane)])


@njit
def _lane_level(demands: Row, capacity: float, rings: Indices, uniform: Grid, t: int, lane: int, buf: Row) -> float:
    """The same steps as ``recurrences.water_level``, whose demands stand elsewhere; of one lane."""
    if not capacity > 0.0:
        return 0.0
    total = 0.0
    for k in range(demands.size):
        total += _lane_value(int(demands[k]), rings, uniform, t, lane, buf)
    if total <= capacity:
        return math.inf
    level = 0.0
    raised = capacity / demands.size
    while raised > level:
        level = raised
        met = 0.0
        more = 0
        for k in range(demands.size):
            demand = _lane_value(int(demands[k]), rings, uniform, t, lane, buf)
            if demand <= level:
                met += demand
            else:
                more += 1
        raised = (capacity - met) / more if more > 0 else level
    return level


@njit
def _run_level(ops: Indices, j: int, rings: Indices, params: Row, uniform: Grid, t: int, buf: Row) -> None:
    first = ops[j, table.PARAM]
    demands = params[first : first + ops[j, table.LENGTH]]
    out = _at(ops[j, table.OUT0], rings, t)
    for lane in range(LANES):
        capacity = _lane_value(ops[j, table.IN0], rings, uniform, t, lane, buf)
        buf[out + np.uint64(lane)] = _lane_level(demands, capacity, rings, uniform, t, lane, buf)


@njit
def _run_bound(
    ops: Indices, j: int, rings: Indices, params: Row, uniform: Grid, t: int, scratch: int, buf: Row
) -> None:
    code = ops[j, table.CODE]
    y = _operand(ops[j, table.IN1], rings, uniform, t, scratch + LANES, buf)
    z = _operand(ops[j, table.IN2], rings, uniform, t, scratch + 2 * LANES, buf)
    w = _operand(ops[j, table.IN3], rings, uniform, t, scratch + 3 * LANES, buf)
    out0 = _at(ops[j, table.OUT0], rings, t)
    if code == op.DEMAND:
        before = np.uint64(scratch)
        if t == 0:
            _spread(params[ops[j, table.PARAM]], buf, before)
        else:
            before = _operand(ops[j, table.IN0], rings, uniform, t - 1, scratch, buf)
        _demand(buf, before, y, z, w, out0)
        return
    x = _operand(ops[j, table.IN0], rings, uniform, t, scratch, buf)
    if code == op.BOUND_SERVE:
        depth = _carry(ops[j, table.OUT3], rings, t, buf)
        over = _at(ops[j, table.OUT2], rings, t)
        _serve(buf, x, y, z, out0, _at(ops[j, table.OUT1], rings, t), depth)
        _cut(buf, w, over, depth)
    elif code == op.MIX:
        _mix(buf, x, y, out0, _carry(ops[j, table.OUT1], rings, t, buf))
    else:
        _bound_queue(buf, x, y, z, w, out0, _carry(ops[j, table.OUT1], rings, t, buf))


@njit
def _run_flow(ops: Indices, j: int, rings: Indices, uniform: Grid, t: int, scratch: int, buf: Row) -> None:
    code = ops[j, table.CODE]
    x = _operand(ops[j, table.IN0], rings, uniform, t, scratch, buf)
    y = _operand(ops[j, table.IN1], rings, uniform, t, scratch + LANES, buf)
    z = _operand(ops[j, table.IN2], rings, uniform, t, scratch + 2 * LANES, buf)
    if code == op.QUEUE:
        _queue(buf, x, y, z, _carry(ops[j, table.OUT0], rings, t, buf))
    else:
        out0 = _at(ops[j, table.OUT0], rings, t)
        out1 = _at(ops[j, table.OUT1], rings, t)
        if code == op.SERVE:
            _serve(buf, x, y, z, out0, out1, _carry(ops[j, table.OUT2], rings, t, buf))
        elif code == op.SERVICE:
            service_row(buf, x, y, z, out0, out1, _at(ops[j, table.OUT2], rings, t), WIDE)
        elif code == op.GRANT:
            grant_row(buf, x, y, z, out0, WIDE)
        else:
            if_row(buf, x, y, z, out0, WIDE)


@njit
def _run_plain(ops: Indices, j: int, rings: Indices, uniform: Grid, t: int, scratch: int, buf: Row) -> None:
    code = ops[j, table.CODE]
    x = _operand(ops[j, table.IN0], rings, uniform, t, scratch, buf)
    out = _at(ops[j, table.OUT0], rings, t)
    if code < op.BINARY_FIRST:
        unary_row(code, buf, x, out, WIDE)
    else:
        y = _operand(ops[j, table.IN1], rings, uniform, t, scratch + LANES, buf)
        binary_row(code, buf, x, y, out, WIDE)


@njit
def run_lanes(
    ops: Indices,
    rings: Indices,
    params: Row,
    uniform: Grid,
    loads: NDArray[np.float64],
    picks: Indices,
    buf: Row,
    out: NDArray[np.float64],
) -> None:
    """Evaluate ``ops`` for up to LANES scenarios and keep the columns ``picks``.

    ``ops`` (ops, table.WIDTH) in order of execution; ``rings`` (3, columns + 1): offset and mask of each
    lane column in ``buf`` and its row in ``uniform`` (-1: it varies), the last column being scratch;
    ``uniform`` (rows, bins); ``loads`` (series, bins, LANES): overrides that are series; ``buf`` has its
    rings filled with the values before bin 0 and its per-scenario scalars in place; ``out`` (scenarios,
    picks, bins) receives the picked columns of the first ``scenarios`` lanes.
    """
    scratch = rings[0, rings.shape[1] - 1]
    for t in range(out.shape[2]):
        for j in range(ops.shape[0]):
            code = ops[j, table.CODE]
            if code < op.IF:
                _run_plain(ops, j, rings, uniform, t, scratch, buf)
            elif op.TIMED_FIRST <= code < op.FLOW_FIRST:
                _run_timed(ops, j, rings, params, t, loads, buf)
            elif code == op.LINE:
                _run_line(ops, j, rings, uniform, t, scratch, buf)
            elif code < op.LINE:
                _run_flow(ops, j, rings, uniform, t, scratch, buf)
            elif code == op.LEVEL:
                _run_level(ops, j, rings, params, uniform, t, buf)
            else:
                _run_bound(ops, j, rings, params, uniform, t, scratch, buf)
        for p in range(picks.size):
            row = _operand(picks[p], rings, uniform, t, scratch, buf)
            for s in range(out.shape[0]):
                out[s, p, t] = buf[row + np.uint64(s)]
