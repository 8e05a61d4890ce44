"""One operation of every code, over the columns 0, 1 and 2, into those from 3 on."""

from __future__ import annotations

import pytest

from flowtime.engine.ir import Operation
from flowtime_kernels import opcodes as op
from optables import BINARY, UNARY

__all__ = ["OPERATIONS", "TAME", "TIMED"]

NAMES = {code: name.lower() for name, code in vars(op).items() if name.isupper() and not name.endswith("_FIRST")}

TIMED = (
    pytest.param(Operation(op.SHIFT, (3,), (1,), length=0, params=(0.0,)), id="shift-0"),
    pytest.param(Operation(op.SHIFT, (3,), (1,), length=1, params=(5.0,)), id="shift-1"),
    pytest.param(Operation(op.SHIFT, (3,), (1,), length=6, params=(0.0,)), id="shift-6"),
    pytest.param(Operation(op.SHIFT, (3,), (1,), length=90, params=(2.5,)), id="shift-beyond-the-horizon"),
    pytest.param(Operation(op.CONV, (3,), (1,), length=0, params=(0.0,)), id="conv-no-taps"),
    pytest.param(Operation(op.CONV, (3,), (1,), length=3, params=(0.5, -1.0, 2.0)), id="conv-3"),
    pytest.param(Operation(op.CONV, (3,), (1,), length=2, params=(0.0, 1.0)), id="conv-lagged"),
    pytest.param(Operation(op.CONV, (3,), (1,), length=50, params=(0.1,) * 50), id="conv-beyond-the-horizon"),
    pytest.param(Operation(op.CUMSUM, (3,), (1,)), id="cumsum"),
    pytest.param(Operation(op.EMA, (3,), (1,), params=(0.25,)), id="ema"),
)
FLOWS = (
    pytest.param(Operation(op.IF, (3,), (0, 1, 2)), id="if"),
    pytest.param(Operation(op.SERVICE, (3, 4, 5), (0, 1, 2)), id="service"),
    pytest.param(Operation(op.QUEUE, (3,), (0, 1, 2), params=(0.0,)), id="queue"),
    pytest.param(Operation(op.QUEUE, (3,), (0, 1, 2), params=(12.5,)), id="queue-initial-depth"),
    pytest.param(Operation(op.SERVE, (3, 4, 5), (0, 1, 2), params=(0.0,)), id="serve"),
    pytest.param(Operation(op.SERVE, (3, 4, 5), (2, 0, 1), params=(12.5,)), id="serve-initial-depth"),
    pytest.param(Operation(op.LINE, (3, 4, 5), (0, 1), length=1, params=(0.0,)), id="line"),
    pytest.param(Operation(op.LINE, (3, 4, 5), (0, 1), length=1, params=(12.5,)), id="line-initial-depth"),
    pytest.param(Operation(op.GRANT, (3,), (0, 1, 2)), id="grant"),
    pytest.param(Operation(op.BOUND_QUEUE, (3, 4), (0, 1, 2, 1), params=(12.5,)), id="bound-queue"),
    pytest.param(Operation(op.BOUND_SERVE, (3, 4, 5, 6), (0, 1, 2, 0), params=(12.5,)), id="bound-serve"),
    pytest.param(Operation(op.DEMAND, (3,), (0, 1, 2, 1), params=(12.5,), lag=1), id="demand"),
)
# What the plan gives only numbers of at least 0 to.
TAME = (
    pytest.param(Operation(op.MIX, (3, 4), (0, 1), params=(12.5,)), id="mix"),
    pytest.param(Operation(op.LEVEL, (3,), (0, 1, 2, 1), length=3), id="level"),
    pytest.param(Operation(op.LEVEL, (3,), (2, 0), length=1), id="level-of-one"),
)
# Powers are tested apart: plain Python has not C's.
OPERATIONS = (
    *(pytest.param(Operation(code, (3,), (0,)), id=NAMES[code]) for code in UNARY),
    *(pytest.param(Operation(code, (3,), (0, 1)), id=NAMES[code]) for code in BINARY if code != op.POW),
    *FLOWS,
    *TIMED,
)
