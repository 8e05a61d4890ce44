"""Feedback components, bin by bin: ops that wait for each other through earlier bins."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from flowtime_kernels import opcodes as op
from flowtime_kernels import scalars, table
from flowtime_kernels.jit import njit

__all__ = ["plain_value", "run_component"]

Row = NDArray[np.float64]
Indices = NDArray[np.int64]


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
def run_component(
    ops: Indices, first: int, end: int, start: Indices, stride: Indices, params: Row, t0: int, t1: int, buf: Row
) -> None:
    """Run rows ``first`` to ``end`` (exclusive) of ``ops`` bin by bin, for bins t0 to t1, in ``buf``.

    ``start`` and ``stride`` (columns,) say where bin t of a column is: ``start + t * stride``.  Arrays are
    not handed on to functions here: counting their references would cost more than the work itself.
    """
    for t in range(t0, t1):
        for j in range(first, end):
            code = ops[j, table.CODE]
            in0 = ops[j, table.IN0]
            at0 = start[in0] + t * stride[in0]
            x = buf[at0]
            y = buf[start[ops[j, table.IN1]] + t * stride[ops[j, table.IN1]]]
            z = buf[start[ops[j, table.IN2]] + t * stride[ops[j, table.IN2]]]
            out = start[ops[j, table.OUT0]] + t * stride[ops[j, table.OUT0]]
            param = params[ops[j, table.PARAM]]
            if code <= op.IF:
                buf[out] = plain_value(code, x, y, z)
            elif code == op.QUEUE:
                buf[out] = scalars.queue_step(param if t == 0 else buf[out - 1], x, y, z)
            elif code == op.CONV:
                total = 0.0
                for k in range(min(ops[j, table.LENGTH], t + 1)):
                    total += scalars.safe(buf[at0 - k * stride[in0]]) * params[ops[j, table.PARAM] + k]
                buf[out] = total
            elif op.TIMED_FIRST <= code < op.FLOW_FIRST:
                # A lag of the source for SHIFT, else the bin before of the result itself.
                back = at0 - ops[j, table.LENGTH] * stride[in0] if code == op.SHIFT else out - 1
                before = buf[max(back, 0)]
                length = ops[j, table.LENGTH]
                buf[out] = _timed_value(code, x, before, param, t, length, ops[j, table.PHASE])
            else:
                at1 = start[ops[j, table.OUT1]] + t * stride[ops[j, table.OUT1]]
                at2 = start[ops[j, table.OUT2]] + t * stride[ops[j, table.OUT2]]
                before = param if t == 0 else buf[max(at2 - 1, 0)]
                buf[out], buf[at1], buf[at2] = _flow_values(code, before, x, y, z)
