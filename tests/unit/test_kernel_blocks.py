"""Whole plans on one scenario: op by op over blocks of bins, and bin by bin, against the slow twins."""

from __future__ import annotations

import numpy as np
import pytest

from flowtime.engine.ir import Operation
from flowtime_kernels import opcodes as op
from kernelforms import FORMS, kernel_modules
from opcases import OPERATIONS, TAME
from optables import Floats, canonical, expected_columns, run_blocks, series, tame

BLOCKS = [pytest.param(n, id=f"blocks-of-{n}") for n in (1, 5, 17, 64)]
WAYS = [pytest.param(False, id="by-operation"), pytest.param(True, id="by-bin")]
PULSES = [
    pytest.param(Operation(op.PULSE, (3,), (0,), length=1, phase=0, params=(1.0,)), id="every-bin"),
    pytest.param(Operation(op.PULSE, (3,), (0,), length=3, phase=2, params=(-2.5,)), id="phase"),
    pytest.param(Operation(op.PULSE, (3,), (0,), length=40, phase=3, params=(1.0,)), id="once"),
    pytest.param(Operation(op.PULSE, (3,), (0,), length=2, phase=99, params=(1.0,)), id="never"),
]
# q = queue(in, MIN(in + SHIFT(q, 1), capacity)), unfused: each reads a later one's earlier bins.
LINE_BY_HAND = (
    Operation(op.SHIFT, (3,), (6,), length=1, params=(4.0,), lag=1),
    Operation(op.ADD, (4,), (0, 3)),
    Operation(op.MIN, (5,), (4, 1)),
    Operation(op.QUEUE, (6,), (0, 5, 2), params=(4.0,)),
)


def close(actual: Floats, expected: Floats) -> None:
    """Equal, but for the last digits of what the mathematical library gives."""
    np.testing.assert_allclose(actual, expected, rtol=1e-14)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("feedback", WAYS)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_operation_is_its_twin(operation: Operation, feedback: bool, form: str) -> None:
    inputs = series(3, 17)
    result = run_blocks(kernel_modules(form), [operation], inputs, block=5, feedback=feedback)
    close(result, expected_columns([operation], inputs)[3:])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("feedback", WAYS)
@pytest.mark.parametrize("operation", TAME)
def test_operation_on_known_amounts_is_its_twin(operation: Operation, feedback: bool, form: str) -> None:
    inputs = tame(3, 17)
    result = run_blocks(kernel_modules(form), [operation], inputs, block=5, feedback=feedback)
    np.testing.assert_allclose(result, expected_columns([operation], inputs)[3:], rtol=1e-12)


@pytest.mark.parametrize("feedback", WAYS)
@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("operation", [*OPERATIONS, *PULSES, *TAME])
def test_blocks_do_not_change_a_byte(operation: Operation, block: int, feedback: bool) -> None:
    kernels, inputs = kernel_modules("compiled"), series(3, 17)
    whole = run_blocks(kernels, [operation], inputs, block=17)
    assert canonical(run_blocks(kernels, [operation], inputs, block=block, feedback=feedback)) == canonical(whole)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("feedback", WAYS)
@pytest.mark.parametrize("operation", PULSES)
def test_pulse_is_its_twin(operation: Operation, feedback: bool, form: str) -> None:
    inputs = series(3, 17)
    result = run_blocks(kernel_modules(form), [operation], inputs, block=5, feedback=feedback)
    close(result, expected_columns([operation], inputs)[3:])


@pytest.mark.parametrize("feedback", WAYS)
def test_powers_are_their_twin(feedback: bool) -> None:
    operation, inputs = Operation(op.POW, (3,), (0, 1)), series(3, 17)
    result = run_blocks(kernel_modules("compiled"), [operation], inputs, feedback=feedback)
    close(result, expected_columns([operation], inputs)[3:])


@pytest.mark.parametrize("feedback", WAYS)
@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize(
    "operation",
    [
        pytest.param(Operation(op.SUB, (3,), (1, 0)), id="two-operands"),
        pytest.param(Operation(op.NEG, (3,), (1,)), id="one-operand"),
        pytest.param(Operation(op.IF, (3,), (1, 0, 2)), id="three-operands"),
        pytest.param(Operation(op.SERVE, (3, 4, 5), (0, 1, 2), params=(1.0,)), id="stock"),
        pytest.param(Operation(op.LINE, (3, 4, 5), (1, 2), length=1, params=(0.0,)), id="line"),
        pytest.param(Operation(op.EMA, (3,), (1,), params=(0.5,)), id="smoothing"),
    ],
)
def test_scalars_stand_for_every_bin(operation: Operation, block: int, feedback: bool) -> None:
    inputs = np.abs(series(1, 17))
    result = run_blocks(
        kernel_modules("compiled"), [operation], inputs, scalars=(2.0, 0.5), block=block, feedback=feedback
    )
    spread = np.concatenate((inputs, np.full((1, 17), 2.0), np.full((1, 17), 0.5)))
    np.testing.assert_array_equal(result, expected_columns([operation], spread)[3:])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("block", BLOCKS)
def test_feedback_by_bin_is_the_fused_line(block: int, form: str) -> None:
    inputs = np.concatenate((np.abs(series(2, 17)), np.zeros((1, 17))))
    by_hand = run_blocks(kernel_modules(form), LINE_BY_HAND, inputs, block=block, feedback=True)
    line = Operation(op.LINE, (3, 4, 5), (0, 1), length=1, params=(4.0,))
    fused = run_blocks(kernel_modules(form), [line], inputs, block=block)
    assert canonical(by_hand[1:]) == canonical(fused)


@pytest.mark.parametrize("block", BLOCKS)
def test_feedback_and_plain_steps_follow_each_other(block: int) -> None:
    inputs = np.concatenate((np.abs(series(2, 17)), np.zeros((1, 17))))
    after = Operation(op.CUMSUM, (7,), (6,))
    together = run_blocks(kernel_modules("compiled"), [*LINE_BY_HAND, after], inputs, block=block, feedback=True)
    alone = run_blocks(kernel_modules("compiled"), LINE_BY_HAND, inputs, block=block, feedback=True)
    assert canonical(together[:4]) == canonical(alone)
    np.testing.assert_array_equal(together[4], expected_columns([Operation(op.CUMSUM, (1,), (0,))], alone[3:])[1])
