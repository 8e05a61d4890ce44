"""Op tables for the kernels, run in blocks, bin by bin or in lanes, and what the slow twins make of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace

import numpy as np
from numpy.typing import NDArray

import oracle_kernels as twins
from flowtime.engine.ir import Operation
from flowtime.engine.plan import REMEMBERS, pack_rows
from flowtime_kernels import opcodes as op
from flowtime_kernels import table
from oracle_metrics import ratio

__all__ = [
    "BINARY",
    "SPECIAL",
    "UNARY",
    "Floats",
    "canonical",
    "expected_columns",
    "line_recurrence",
    "run_blocks",
    "run_lanes",
    "series",
    "tame",
]

Floats = NDArray[np.float64]

# What a series may hold that an operation could stumble over; none is so large that a stock overflows.
SPECIAL = (
    1.0, math.nan, 7.0, -0.0, math.inf, 0.49999999999999994, -2.5, 0.0, -math.inf, 2.5, -3.0, 5e-324, 1e300, 0.5, 40.0,
    -1e300, 3.0,
)  # fmt: skip

# What no column may be left with: a value that was read before it was written shows.
UNWRITTEN = -777.0

UNARY: Mapping[int, Callable[[float], float]] = {
    op.COPY: lambda x: x,
    op.NEG: lambda x: -x,
    op.ABS: twins.absolute,
    op.SQRT: twins.square_root,
    op.EXP: twins.exponential,
    op.LOG: twins.natural_log,
    op.FLOOR: twins.floor,
    op.CEIL: twins.ceiling,
    op.ROUND: twins.round_half_away,
    op.NOT: twins.logical_not,
    op.SAFE: twins.safe,
    op.POSITIVE_OR_ONE: lambda x: x if math.isfinite(x) and x > 0.0 else 1.0,
    op.ALLOWANCE: twins.allowance,
}
BINARY: Mapping[int, Callable[[float, float], float]] = {
    op.ADD: lambda x, y: x + y,
    op.SUB: lambda x, y: x - y,
    op.MUL: lambda x, y: x * y,
    op.DIV: twins.divide,
    op.MIN: twins.minimum,
    op.MAX: twins.maximum,
    op.MOD: twins.modulo,
    op.POW: twins.power,
    op.LT: twins.less,
    op.LE: twins.less_equal,
    op.EQ: twins.equal,
    op.NE: twins.not_equal,
    op.STEP: twins.step,
    op.AND: twins.logical_and,
    op.OR: twins.logical_or,
    op.RATIO: ratio,
    op.PAIR_SUM: lambda x, y: y if math.isnan(x) else (x if math.isnan(y) else x + y),
    op.CAPPED: twins.capped,
}


def series(count: int, bins: int) -> Floats:
    """``count`` rows of special values, each begun elsewhere, so that all kinds of values meet."""
    values = np.resize(np.array(SPECIAL), bins)
    return np.array([np.roll(values, 5 * row) for row in range(count)])


def tame(count: int, bins: int) -> Floats:
    """``count`` rows of amounts as they are in a plan: known, and at least 0."""
    return np.abs(np.where(np.isfinite(series(count, bins)), np.clip(series(count, bins), -50.0, 50.0), 4.0))


def canonical(values: Floats) -> bytes:
    """The exact values with one NaN for all, since what made a NaN shows in bits that mean nothing."""
    return np.where(np.isnan(values), np.nan, values).tobytes()


# The twins


def expected_columns(operations: Sequence[Operation], inputs: Floats) -> Floats:
    """Every column, (columns, bins): ``inputs``, then the results of operations in order, by the slow twins."""
    columns = [list(map(float, row)) for row in inputs]
    for operation in operations:
        columns += _results(operation, [columns[i] for i in operation.ins], inputs.shape[1])
    return np.array(columns)


def _results(operation: Operation, ins: list[list[float]], bins: int) -> list[list[float]]:
    code, first = operation.code, (operation.params or (0.0,))[0]
    if code in UNARY:
        return [[UNARY[code](x) for x in ins[0]]]
    if code in BINARY:
        return [[BINARY[code](x, y) for x, y in zip(*ins, strict=True)]]
    timed: dict[int, Callable[[], list[list[float]]]] = {
        op.IF: lambda: [[twins.select(*values) for values in zip(*ins, strict=True)]],
        op.SERVICE: lambda: _columns([twins.served_step(0.0, *values) for values in zip(*ins, strict=True)]),
        op.SHIFT: lambda: [twins.shift(ins[0], operation.length, first)],
        op.CONV: lambda: [twins.convolve(ins[0], operation.params[: operation.length])],
        op.CUMSUM: lambda: [twins.cumulative_sum(ins[0])],
        op.EMA: lambda: [twins.ema(ins[0], first)],
        op.PULSE: lambda: [twins.pulse(bins, operation.length, operation.phase, first)],
        op.QUEUE: lambda: [twins.queue_recurrence(*ins, initial=first)],
        op.SERVE: lambda: list(twins.served_recurrence(*ins, initial=first)),
        op.LINE: lambda: line_recurrence(ins[0], ins[1], first),
        op.GRANT: lambda: [[twins.proportional(*values) for values in zip(*ins, strict=True)]],
        op.BOUND_QUEUE: lambda: _stock(twins.bound_queue_step, ins, first),
        op.BOUND_SERVE: lambda: _stock(twins.bound_served_step, ins, first),
        op.MIX: lambda: _stock(twins.mix_step, ins, first),
        op.DEMAND: lambda: [twins.demand([first, *ins[0]], *ins[1:])],
        op.LEVEL: lambda: [[twins.water_level(c, demands) for c, *demands in zip(*ins, strict=True)]],
    }
    return timed[code]()


def _stock(step: Callable[..., tuple[float, ...]], ins: list[list[float]], depth: float) -> list[list[float]]:
    """What a stock gives that goes on from its own last result, the last of those of a step."""
    rows = []
    for values in zip(*ins, strict=True):
        rows.append(step(depth, *values))
        depth = rows[-1][-1]
    return _columns(rows)


def _columns(rows: Sequence[Sequence[float]]) -> list[list[float]]:
    return [list(column) for column in zip(*rows, strict=True)]


def line_recurrence(inflow: Sequence[float], capacity: Sequence[float], depth: float) -> list[list[float]]:
    """Available, served and depth of the queue line that authors write by hand."""
    rows = []
    for came, most in zip(inflow, capacity, strict=True):
        available = came + depth
        served = twins.minimum(available, most)
        depth = twins.queue_step(depth, came, served, 0.0)
        rows.append((available, served, depth))
    return _columns(rows)


# The kernels


def run_blocks(
    kernels: SimpleNamespace,
    operations: Sequence[Operation],
    inputs: Floats,
    *,
    scalars: Sequence[float] = (),
    block: int = 8,
    feedback: bool = False,
) -> Floats:
    """Every computed column, (columns, bins), of operations over ``inputs`` and ``scalars``, a column each.

    Op by op over blocks of bins, or bin by bin as one feedback component.
    """
    given, bins = inputs.shape
    single = len(scalars)
    made = sum(len(operation.outs) for operation in operations)
    first_made = given * bins + single
    base = [
        *(row * bins for row in range(given)),
        *(given * bins + place for place in range(single)),
        *(first_made + row * bins for row in range(made)),
        first_made + made * bins,
    ]
    stride = [1] * given + [0] * single + [1] * (made + 1)
    layout = np.array([base, stride, [0] * len(base)], dtype=np.int64)
    buffer = np.full(first_made + made * bins + 4 * block, UNWRITTEN)
    buffer[: given * bins] = inputs.reshape(-1)
    buffer[given * bins : first_made] = scalars
    rows, params = pack_rows(operations, np.arange(len(base)))
    steps = np.array([[0, len(operations), int(feedback)]], dtype=np.int64)
    start = np.zeros(len(base), dtype=np.int64)
    work = np.zeros((len(operations), 2 * table.WIDTH), dtype=np.uint64)
    with np.errstate(all="ignore"):
        kernels.blocks.run_plan(rows, steps, layout, params, block, bins, start, work, buffer)
    return buffer[first_made : first_made + made * bins].reshape(made, bins)


def run_lanes(
    kernels: SimpleNamespace,
    operations: Sequence[Operation],
    scenarios: Floats,
    *,
    scalars: Sequence[float] = (),
) -> Floats:
    """Every computed column of every scenario, (scenarios, columns, bins).

    ``scenarios`` (scenarios, inputs, bins) are loaded as series; ``scalars`` are the same for all.
    """
    count, given, bins = scenarios.shape
    lanes = kernels.lanes.LANES
    single = len(scalars)
    made = sum(len(operation.outs) for operation in operations)
    total = given + single + made
    ring = 1 << bins.bit_length()
    offsets = np.arange(total + 1) * ring * lanes
    rows_of_uniform = [*(-1 for _ in range(given)), *range(single), *(-1 for _ in range(made + 1))]
    rings = np.array([offsets, [ring - 1] * (total + 1), rows_of_uniform], dtype=np.int64)
    buffer = np.full(total * ring * lanes + 4 * lanes, UNWRITTEN)
    for operation in operations:
        if operation.code in REMEMBERS and operation.code >= op.FLOW_FIRST:
            stock = operation.outs[-1]
            buffer[offsets[stock] : offsets[stock + 1]] = operation.params[0]
    loads = [Operation(op.LANE_LOAD, (column,), (column,), length=column) for column in range(given)]
    packed, params = pack_rows([*loads, *operations], np.arange(total))
    uniform = np.repeat(np.array([*scalars, 0.0])[:, None], bins, axis=1)
    lane_of = np.minimum(np.arange(lanes), count - 1)
    loaded = np.ascontiguousarray(np.moveaxis(scenarios[lane_of], 0, -1))
    picks = np.arange(given + single, total)
    out = np.full((count, made, bins), UNWRITTEN)
    with np.errstate(all="ignore"):
        kernels.lanes.run_lanes(packed, rings, params, uniform, loaded, picks, buffer, out)
    return out
