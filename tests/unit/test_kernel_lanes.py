"""Many scenarios side by side: every lane is the slow twin, and the same bytes as that scenario alone."""

from __future__ import annotations

import numpy as np
import pytest

from flowtime.engine.ir import Operation
from flowtime_kernels import opcodes as op
from kernelforms import kernel_modules
from opcases import OPERATIONS, TAME
from optables import Floats, canonical, expected_columns, run_blocks, run_lanes, series, tame


def scenarios(count: int, bins: int = 17) -> Floats:
    """Inputs of several scenarios, (scenarios, 3, bins), no two alike."""
    return np.array([np.roll(series(3, bins), scenario, axis=1) for scenario in range(count)])


@pytest.mark.parametrize("count", [pytest.param(n, id=f"{n}-scenarios") for n in (1, 3, 64)])
@pytest.mark.parametrize("operation", [*OPERATIONS, pytest.param(Operation(op.POW, (3,), (0, 1)), id="pow")])
def test_each_lane_is_its_scenario_alone(operation: Operation, count: int) -> None:
    kernels, given = kernel_modules("compiled"), scenarios(count)
    result = run_lanes(kernels, [operation], given)
    alone = np.array([run_blocks(kernels, [operation], inputs) for inputs in given])
    assert canonical(result) == canonical(alone)


@pytest.mark.parametrize("operation", TAME)
def test_each_lane_of_known_amounts_is_its_scenario_alone(operation: Operation) -> None:
    kernels, given = kernel_modules("compiled"), np.array([np.roll(tame(3, 17), i, axis=1) for i in range(5)])
    alone = np.array([run_blocks(kernels, [operation], inputs) for inputs in given])
    assert canonical(run_lanes(kernels, [operation], given)) == canonical(alone)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_plain_lanes_are_their_twin(operation: Operation) -> None:
    given = scenarios(2)
    result = run_lanes(kernel_modules("python"), [operation], given)
    expected = np.array([expected_columns([operation], inputs)[3:] for inputs in given])
    np.testing.assert_allclose(result, expected, rtol=1e-14)


@pytest.mark.parametrize(
    "operation",
    [
        pytest.param(Operation(op.SUB, (3,), (0, 1)), id="second-of-two"),
        pytest.param(Operation(op.SUB, (3,), (1, 0)), id="first-of-two"),
        pytest.param(Operation(op.SUB, (3,), (1, 2)), id="both"),
        pytest.param(Operation(op.IF, (3,), (0, 1, 2)), id="two-of-three"),
        pytest.param(Operation(op.SERVE, (3, 4, 5), (0, 1, 2), params=(1.0,)), id="stock"),
        pytest.param(Operation(op.LINE, (3, 4, 5), (0, 1), length=1, params=(1.0,)), id="line"),
        pytest.param(Operation(op.SERVICE, (3, 4, 5), (0, 1, 2)), id="service"),
        pytest.param(Operation(op.BOUND_SERVE, (3, 4, 5, 6), (0, 1, 2, 1), params=(1.0,)), id="limited-stock"),
        pytest.param(Operation(op.BOUND_QUEUE, (3, 4), (0, 1, 2, 1), params=(1.0,)), id="limited-queue"),
        pytest.param(Operation(op.DEMAND, (3,), (1, 0, 2, 2), params=(1.0,), lag=1), id="demand"),
    ],
)
def test_shared_series_are_spread_over_the_lanes(operation: Operation) -> None:
    given = np.abs(scenarios(3)[:, :1])
    result = run_lanes(kernel_modules("compiled"), [operation], given, scalars=(2.0, 0.5))
    spread = [np.concatenate((inputs, np.full((1, 17), 2.0), np.full((1, 17), 0.5))) for inputs in given]
    np.testing.assert_array_equal(result, [expected_columns([operation], inputs)[3:] for inputs in spread])


def test_a_level_is_found_among_shared_demands() -> None:
    given = np.array([np.roll(tame(1, 17), i, axis=1) for i in range(3)])
    operation = Operation(op.LEVEL, (3,), (1, 0, 2), length=2)
    result = run_lanes(kernel_modules("compiled"), [operation], given, scalars=(2.0, 0.5))
    spread = [np.concatenate((inputs, np.full((1, 17), 2.0), np.full((1, 17), 0.5))) for inputs in given]
    np.testing.assert_allclose(result, [expected_columns([operation], inputs)[3:] for inputs in spread], rtol=1e-14)


def test_a_line_leaves_out_the_available_work_that_nobody_reads() -> None:
    given = np.abs(scenarios(3))
    kept = Operation(op.LINE, (3, 4, 5), (0, 1), length=1, params=(4.0,))
    kernels = kernel_modules("compiled")
    without = run_lanes(kernels, [kept._replace(length=0)], given)
    assert canonical(without[:, 1:]) == canonical(run_lanes(kernels, [kept], given)[:, 1:])
    assert np.all(without[:, 0] == without[0, 0, 0])
