"""Operations that look at one bin only, over a row of bins or a row of scenarios.

A row is ``n`` neighboring values of the one buffer, named by its unsigned offset: a view per row would
cost an atomic count of references, a signed offset a check per value, and either more than the work on
a short row.  ``out`` never overlaps an input.  The branch on the code stands outside the loop, so each
loop is one the compiler can vectorize.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flowtime_kernels import opcodes as op
from flowtime_kernels import scalars
from flowtime_kernels.jit import njit

__all__ = ["binary_row", "grant_row", "if_row", "service_row", "unary_row"]

Row = NDArray[np.float64]
Offset = np.uint64


@njit
def _simple_row(code: int, buf: Row, x: Offset, out: Offset, n: Offset) -> None:
    if code == op.COPY:
        for i in range(n):
            buf[out + i] = buf[x + i]
    elif code == op.NEG:
        for i in range(n):
            buf[out + i] = -buf[x + i]
    elif code == op.ABS:
        for i in range(n):
            buf[out + i] = abs(buf[x + i])
    elif code == op.FLOOR:
        for i in range(n):
            buf[out + i] = np.floor(buf[x + i])
    elif code == op.CEIL:
        for i in range(n):
            buf[out + i] = np.ceil(buf[x + i])
    else:
        for i in range(n):
            buf[out + i] = scalars.copy_sign_round(buf[x + i])


@njit
def unary_row(code: int, buf: Row, x: Offset, out: Offset, n: Offset) -> None:
    """Apply a one-operand operation to each of ``n`` values from ``x`` on, into those from ``out`` on."""
    if code == op.SQRT:
        for i in range(n):
            buf[out + i] = scalars.square_root(buf[x + i])
    elif code == op.EXP:
        for i in range(n):
            buf[out + i] = np.exp(buf[x + i])
    elif code == op.LOG:
        for i in range(n):
            buf[out + i] = scalars.natural_log(buf[x + i])
    elif code == op.NOT:
        for i in range(n):
            buf[out + i] = scalars.negation(buf[x + i])
    elif code == op.SAFE:
        for i in range(n):
            buf[out + i] = scalars.safe(buf[x + i])
    elif code == op.POSITIVE_OR_ONE:
        for i in range(n):
            buf[out + i] = scalars.positive_or_one(buf[x + i])
    elif code == op.ALLOWANCE:
        for i in range(n):
            buf[out + i] = scalars.allowance(buf[x + i])
    else:
        _simple_row(code, buf, x, out, n)


@njit
def _arithmetic_row(code: int, buf: Row, x: Offset, y: Offset, out: Offset, n: Offset) -> None:
    if code == op.ADD:
        for i in range(n):
            buf[out + i] = buf[x + i] + buf[y + i]
    elif code == op.SUB:
        for i in range(n):
            buf[out + i] = buf[x + i] - buf[y + i]
    elif code == op.MUL:
        for i in range(n):
            buf[out + i] = buf[x + i] * buf[y + i]
    elif code == op.DIV:
        for i in range(n):
            buf[out + i] = scalars.divide(buf[x + i], buf[y + i])
    elif code == op.MIN:
        for i in range(n):
            buf[out + i] = scalars.minimum(buf[x + i], buf[y + i])
    elif code == op.MAX:
        for i in range(n):
            buf[out + i] = scalars.maximum(buf[x + i], buf[y + i])
    else:
        for i in range(n):
            buf[out + i] = scalars.modulo(buf[x + i], buf[y + i])


@njit
def _logic_row(code: int, buf: Row, x: Offset, y: Offset, out: Offset, n: Offset) -> None:
    if code == op.LT:
        for i in range(n):
            buf[out + i] = scalars.less(buf[x + i], buf[y + i])
    elif code == op.LE:
        for i in range(n):
            buf[out + i] = scalars.less_equal(buf[x + i], buf[y + i])
    elif code == op.EQ:
        for i in range(n):
            buf[out + i] = scalars.equal(buf[x + i], buf[y + i])
    elif code == op.NE:
        for i in range(n):
            buf[out + i] = scalars.not_equal(buf[x + i], buf[y + i])
    elif code == op.STEP:
        for i in range(n):
            buf[out + i] = scalars.step(buf[x + i], buf[y + i])
    elif code == op.AND:
        for i in range(n):
            buf[out + i] = scalars.both(buf[x + i], buf[y + i])
    else:
        for i in range(n):
            buf[out + i] = scalars.either(buf[x + i], buf[y + i])


@njit
def binary_row(code: int, buf: Row, x: Offset, y: Offset, out: Offset, n: Offset) -> None:
    """Apply a two-operand operation to ``n`` values from ``x`` and ``y`` on, into those from ``out`` on."""
    if code == op.POW:
        for i in range(n):
            buf[out + i] = scalars.power(buf[x + i], buf[y + i])
    elif code == op.RATIO:
        for i in range(n):
            buf[out + i] = scalars.ratio(buf[x + i], buf[y + i])
    elif code == op.PAIR_SUM:
        for i in range(n):
            buf[out + i] = scalars.pair_sum(buf[x + i], buf[y + i])
    elif code == op.CAPPED:
        for i in range(n):
            buf[out + i] = scalars.capped(buf[x + i], buf[y + i])
    elif code <= op.MOD:
        _arithmetic_row(code, buf, x, y, out, n)
    else:
        _logic_row(code, buf, x, y, out, n)


@njit
def if_row(buf: Row, condition: Offset, yes: Offset, no: Offset, out: Offset, n: Offset) -> None:
    """Choose ``yes`` or ``no`` by ``condition``, ``n`` values each, into ``out``."""
    for i in range(n):
        buf[out + i] = scalars.select(buf[condition + i], buf[yes + i], buf[no + i])


@njit
def grant_row(buf: Row, demand: Offset, total: Offset, capacity: Offset, out: Offset, n: Offset) -> None:
    """What each ``demand`` gets of a ``capacity`` shared in proportion, ``n`` values each, into ``out``."""
    for i in range(n):
        buf[out + i] = scalars.grant(buf[demand + i], buf[total + i], buf[capacity + i])


@njit
def service_row(
    buf: Row,
    arrivals: Offset,
    capacity: Offset,
    loss: Offset,
    served: Offset,
    lost: Offset,
    overflow: Offset,
    n: Offset,
) -> None:
    """A service without a buffer: what it can not serve in the bin of arrival is turned away.

    ``n`` values each, amounts per bin.  Fills ``served``, ``lost`` and ``overflow``.
    """
    # One result a loop: the compiler gives up on vectors where more rows might overlap.
    for i in range(n):
        buf[lost + i] = scalars.work_lost(buf[loss + i], scalars.work_present(0.0, buf[arrivals + i]))
    for i in range(n):
        left = scalars.work_present(0.0, buf[arrivals + i]) - buf[lost + i]
        buf[served + i] = scalars.work_served(buf[capacity + i], left)
    for i in range(n):
        left = scalars.work_present(0.0, buf[arrivals + i]) - buf[lost + i]
        buf[overflow + i] = left - buf[served + i]
