"""Feedback components, bin by bin: ops that wait for each other through earlier bins."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from flowtime_kernels import opcodes as op
from flowtime_kernels import scalars, table
from flowtime_kernels.jit import njit
from flowtime_kernels.recurrences import water_level

__all__ = ["plain_value", "run_component"]

Row = NDArray[np.float64]
Indices = NDArray[np.int64]
Places = NDArray[np.uint64]
Place = np.uint64
Span = tuple[int, int]

ZERO = np.uint64(0)
ONE = np.uint64(1)
STRIDE = table.WIDTH


@njit
def _unary_value(code: int, x: float) -> float:
    if code == op.COPY:
        value = x
    elif code == op.NEG:
        value = -x
    elif code == op.ABS:
        value = abs(x)
    elif code == op.SQRT:
        value = scalars.square_root(x)
    elif code == op.EXP:
        value = np.exp(x)
    elif code == op.LOG:
        value = scalars.natural_log(x)
    elif code == op.FLOOR:
        value = np.floor(x)
    elif code == op.CEIL:
        value = np.ceil(x)
    elif code == op.ROUND:
        value = scalars.copy_sign_round(x)
    elif code == op.NOT:
        value = scalars.negation(x)
    elif code == op.SAFE:
        value = scalars.safe(x)
    elif code == op.ALLOWANCE:
        value = scalars.allowance(x)
    else:
        value = scalars.positive_or_one(x)
    return value


@njit
def _arithmetic_value(code: int, x: float, y: float) -> float:
    if code == op.ADD:
        value = x + y
    elif code == op.SUB:
        value = x - y
    elif code == op.MUL:
        value = x * y
    elif code == op.DIV:
        value = scalars.divide(x, y)
    elif code == op.MIN:
        value = scalars.minimum(x, y)
    elif code == op.MAX:
        value = scalars.maximum(x, y)
    elif code == op.MOD:
        value = scalars.modulo(x, y)
    else:
        value = scalars.power(x, y)
    return value


@njit
def _binary_value(code: int, x: float, y: float) -> float:
    if code <= op.POW:
        value = _arithmetic_value(code, x, y)
    elif code == op.LT:
        value = scalars.less(x, y)
    elif code == op.LE:
        value = scalars.less_equal(x, y)
    elif code == op.EQ:
        value = scalars.equal(x, y)
    elif code == op.NE:
        value = scalars.not_equal(x, y)
    elif code == op.STEP:
        value = scalars.step(x, y)
    elif code == op.AND:
        value = scalars.both(x, y)
    elif code == op.OR:
        value = scalars.either(x, y)
    elif code == op.RATIO:
        value = scalars.ratio(x, y)
    elif code == op.CAPPED:
        value = scalars.capped(x, y)
    else:
        value = scalars.pair_sum(x, y)
    return value


@njit
def plain_value(code: int, x: float, y: float, z: float) -> float:
    """One bin of an operation that looks at one bin only and gives one series."""
    if code < op.BINARY_FIRST:
        value = _unary_value(code, x)
    elif code < op.IF:
        value = _binary_value(code, x, y)
    elif code == op.GRANT:
        value = scalars.grant(x, y, z)
    else:
        value = scalars.select(x, y, z)
    return value


@njit
def _flow_values(code: int, before: float, x: float, y: float, z: float) -> tuple[float, float, float]:
    if code == op.SERVICE:
        values = scalars.serve_step(0.0, x, y, z)
    elif code == op.SERVE:
        values = scalars.serve_step(before, x, y, z)
    else:
        values = scalars.line_step(before, x, y)
    return values


@njit
def _timed_value(code: int, x: float, before: float, param: float, t: int, length: int, phase: int) -> float:
    if code == op.SHIFT:
        value = param if t < length else before
    elif code == op.CUMSUM:
        value = (0.0 if t == 0 else before) + scalars.safe(x)
    elif code == op.EMA:
        value = scalars.next_ema(math.nan if t == 0 else before, x, param)
    else:
        value = scalars.pulse_at(t, length, phase, param)
    return value


@njit
def _address(ops: Indices, j: int, start: Indices, stride: Indices, rows: Places) -> None:
    """Write op j into ``rows`` with offsets and strides in place of its columns."""
    for field in range(table.WIDTH):
        is_column = table.OUT0 <= field <= table.IN3
        rows[j, field] = np.uint64(start[ops[j, field]] if is_column else ops[j, field])
        rows[j, table.WIDTH + field] = np.uint64(stride[ops[j, field]] if is_column else 0)


@njit
def _convolve_value(rows: Places, j: int, params: Row, t: Place, buf: Row) -> float:
    total = 0.0
    for k in range(min(rows[j, table.LENGTH], t + ONE)):
        at = rows[j, table.IN0] + (t - k) * rows[j, STRIDE + table.IN0]
        total += scalars.safe(buf[at]) * params[rows[j, table.PARAM] + k]
    return total


@njit
def _timed_step(rows: Places, j: int, params: Row, t: Place, x: float, out: Place, buf: Row) -> float:
    code = int(rows[j, table.CODE])
    length = rows[j, table.LENGTH]
    before = 0.0
    if code == op.SHIFT:
        if t >= length:
            before = buf[rows[j, table.IN0] + (t - length) * rows[j, STRIDE + table.IN0]]
    elif t > ZERO and code != op.PULSE:
        before = buf[out - ONE]
    param = params[rows[j, table.PARAM]]
    return _timed_value(code, x, before, param, int(t), int(length), int(rows[j, table.PHASE]))


@njit
def _bound_step(rows: Places, j: int, code: int, params: Row, t: Place, x: float, y: float, z: float, buf: Row) -> None:
    """Operations with four operands or four results."""
    first = params[rows[j, table.PARAM]]
    w = buf[rows[j, table.IN3] + t * rows[j, STRIDE + table.IN3]]
    at0 = rows[j, table.OUT0] + t * rows[j, STRIDE + table.OUT0]
    at1 = rows[j, table.OUT1] + t * rows[j, STRIDE + table.OUT1]
    if code == op.DEMAND:
        lagged = rows[j, table.IN0] + (t - ONE) * rows[j, STRIDE + table.IN0]
        buf[at0] = scalars.demand_step(first if t == ZERO else buf[lagged], y, z, w)
    elif code == op.BOUND_SERVE:
        at2 = rows[j, table.OUT2] + t * rows[j, STRIDE + table.OUT2]
        at3 = rows[j, table.OUT3] + t * rows[j, STRIDE + table.OUT3]
        before = first if t == ZERO else buf[at3 - ONE]
        buf[at0], buf[at1], depth = scalars.serve_step(before, x, y, z)
        buf[at2] = scalars.over_limit(depth, w)
        buf[at3] = depth - buf[at2]
    else:
        before = first if t == ZERO else buf[at1 - ONE]
        if code == op.MIX:
            buf[at0], buf[at1] = scalars.mix_step(before, x, y)
        else:
            depth = scalars.queue_step(before, x, y, z)
            buf[at0] = scalars.over_limit(depth, w)
            buf[at1] = depth - buf[at0]


@njit
def run_component(
    ops: Indices, span: Span, start: Indices, stride: Indices, params: Row, t0: int, t1: int, rows: Places, buf: Row
) -> None:
    """Run the rows of ``ops`` in ``span`` (first, end) bin by bin, for bins t0 to t1 (exclusive), in ``buf``.

    ``start`` and ``stride`` (columns,) say where bin t of a column is: ``start + t * stride``.  ``rows``
    uint64 (ops, 2 * table.WIDTH) is work space: what a bin looks up stands in one row there, and an
    unsigned offset needs no check for counting from the end.
    """
    for j in range(span[0], span[1]):
        _address(ops, j, start, stride, rows)
    for bin_number in range(t0, t1):
        t = np.uint64(bin_number)
        for j in range(span[0], span[1]):
            code = int(rows[j, table.CODE])
            x = buf[rows[j, table.IN0] + t * rows[j, STRIDE + table.IN0]]
            y = buf[rows[j, table.IN1] + t * rows[j, STRIDE + table.IN1]]
            out = rows[j, table.OUT0] + t * rows[j, STRIDE + table.OUT0]
            if code < op.IF:
                buf[out] = plain_value(code, x, y, 0.0)
            elif code == op.CONV:
                buf[out] = _convolve_value(rows, j, params, t, buf)
            elif op.TIMED_FIRST <= code < op.FLOW_FIRST:
                buf[out] = _timed_step(rows, j, params, t, x, out, buf)
            elif code == op.LEVEL:
                first = ops[j, table.PARAM]
                demands = params[first : first + ops[j, table.LENGTH]]
                buf[out] = water_level(demands, start, stride, bin_number, x, buf)
            elif code > op.LINE:
                z = buf[rows[j, table.IN2] + t * rows[j, STRIDE + table.IN2]]
                _bound_step(rows, j, code, params, t, x, y, z, buf)
            else:
                z = buf[rows[j, table.IN2] + t * rows[j, STRIDE + table.IN2]]
                stock = rows[j, table.OUT0 if code == op.QUEUE else table.OUT2] + t
                before = params[rows[j, table.PARAM]] if t == ZERO or code < op.FLOW_FIRST else buf[stock - ONE]
                if code == op.IF:
                    buf[out] = scalars.select(x, y, z)
                elif code == op.GRANT:
                    buf[out] = scalars.grant(x, y, z)
                elif code == op.QUEUE:
                    buf[out] = scalars.queue_step(before, x, y, z)
                else:
                    at1 = rows[j, table.OUT1] + t * rows[j, STRIDE + table.OUT1]
                    at2 = rows[j, table.OUT2] + t * rows[j, STRIDE + table.OUT2]
                    buf[out], buf[at1], buf[at2] = _flow_values(code, before, x, y, z)
