"""Operations over a row of bins, and the recurrences of a block, against the slow twins."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

import oracle_kernels as twins
from flowtime_kernels import opcodes as op
from kernelforms import FORMS, kernel_modules
from optables import BINARY, UNARY, Floats, canonical, line_recurrence, series

# NumPy's own scalars warn of what the kernels expect.
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

NAN, INF = math.nan, math.inf
NAMES = {code: name.lower() for name, code in vars(op).items() if name.isupper() and not name.endswith("_FIRST")}
# NumPy's powers are not C's; see test_kernel_scalars.
UNARY_FORMS = [pytest.param(code, form, id=f"{NAMES[code]}-{form}") for code in UNARY for form in FORMS]
BINARY_FORMS = [
    pytest.param(code, form, id=f"{NAMES[code]}-{form}")
    for code in BINARY
    for form in FORMS
    if (code, form) != (op.POW, "python")
]
LENGTHS = [pytest.param(n, id=f"{n}-values") for n in (1, 4, 17, 67)]
# How blocks may divide 17 bins.
BLOCKS = [pytest.param(n, id=f"blocks-of-{n}") for n in (1, 4, 5, 17)]
GUARD = -777.0


def rows(n: int) -> Floats:
    """A buffer of seven rows of ``n`` values, three of special ones and four to write to, and one value more."""
    return np.concatenate((series(3, n).reshape(-1), np.full(4 * n + 1, GUARD)))


def offset(row: int, n: int) -> np.uint64:
    """Where a row begins."""
    return np.uint64(row * n)


@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize(("code", "form"), UNARY_FORMS)
def test_row_of_one_operand_is_its_twin(code: int, form: str, n: int) -> None:
    buffer = rows(n)
    kernel_modules(form).elementwise.unary_row(code, buffer, offset(1, n), offset(3, n), np.uint64(n))
    expected = [UNARY[code](x) for x in series(3, n)[1].tolist()]
    np.testing.assert_allclose(buffer[3 * n : 4 * n], expected, rtol=1e-14)
    assert np.all(buffer[4 * n :] == GUARD)


@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize(("code", "form"), BINARY_FORMS)
def test_row_of_two_operands_is_its_twin(code: int, form: str, n: int) -> None:
    buffer = rows(n)
    kernel_modules(form).elementwise.binary_row(code, buffer, offset(0, n), offset(2, n), offset(4, n), np.uint64(n))
    expected = [BINARY[code](x, y) for x, y in zip(*series(3, n)[[0, 2]].tolist(), strict=True)]
    np.testing.assert_allclose(buffer[4 * n : 5 * n], expected, rtol=1e-14)
    assert np.all(buffer[5 * n :] == GUARD)


@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("form", FORMS)
def test_if_row_is_its_twin(form: str, n: int) -> None:
    buffer = rows(n)
    places = [offset(row, n) for row in range(4)]
    kernel_modules(form).elementwise.if_row(buffer, *places, np.uint64(n))
    expected = [twins.select(*values) for values in zip(*series(3, n).tolist(), strict=True)]
    np.testing.assert_array_equal(buffer[3 * n : 4 * n], expected)
    assert np.all(buffer[4 * n :] == GUARD)


@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("form", FORMS)
def test_service_row_is_its_twin(form: str, n: int) -> None:
    buffer = rows(n)
    places = [offset(row, n) for row in range(6)]
    kernel_modules(form).elementwise.service_row(buffer, *places, np.uint64(n))
    expected = [twins.served_step(0.0, *values) for values in zip(*series(3, n).tolist(), strict=True)]
    np.testing.assert_array_equal(buffer[3 * n : 6 * n].reshape(3, n).T, expected)
    assert buffer[-1] == GUARD


def blockwise(block: int, write: Callable[[int, int, Floats], None], count: int = 1) -> Floats:
    """What ``write`` makes of 17 bins, block by block: it gets the first bin, the end and all results so far."""
    out = np.full((count, 17), GUARD)
    for first in range(0, 17, block):
        write(first, min(first + block, 17), out)
    return out


X = series(1, 17)[0]
LAGS = [pytest.param(lag, id=f"lag-{lag}") for lag in (0, 1, 3, 16, 17, 40)]
TAPS = [
    pytest.param((), id="no-taps"),
    pytest.param((0.5,), id="one-tap"),
    pytest.param((0.0, 0.6, 0.3, 0.1), id="retries"),
    pytest.param((-1.0, 2.0), id="signed"),
    pytest.param((0.25,) * 30, id="longer-than-the-horizon"),
]
PULSES = [
    pytest.param(1, 0, id="every-bin"),
    pytest.param(3, 0, id="every-third"),
    pytest.param(3, 2, id="phase"),
    pytest.param(3, 7, id="phase-beyond-period"),
    pytest.param(5, 16, id="last-bin"),
    pytest.param(40, 0, id="period-beyond-horizon"),
    pytest.param(2, 40, id="phase-beyond-horizon"),
]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("lag", LAGS)
def test_shift_is_its_twin(lag: int, block: int, form: str) -> None:
    shift = kernel_modules(form).recurrences.shift_block
    out = blockwise(block, lambda t0, t1, out: shift(X[:t1], lag, 9.0, t0, out[0, t0:t1]))
    np.testing.assert_array_equal(out[0], twins.shift(X.tolist(), lag, 9.0))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("taps", TAPS)
def test_convolution_is_its_twin(taps: tuple[float, ...], block: int, form: str) -> None:
    convolve = kernel_modules(form).recurrences.convolve_block
    weights = np.array(taps, dtype=np.float64)
    out = blockwise(block, lambda t0, t1, out: convolve(X[:t1], weights, t0, out[0, t0:t1]))
    np.testing.assert_array_equal(out[0], twins.convolve(X.tolist(), taps))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize(("period", "phase"), PULSES)
def test_pulse_is_its_twin(period: int, phase: int, block: int, form: str) -> None:
    pulse = kernel_modules(form).recurrences.pulse_block
    out = blockwise(block, lambda t0, t1, out: pulse(period, phase, 2.5, t0, out[0, t0:t1]))
    assert out[0].tolist() == twins.pulse(17, period, phase, 2.5)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("block", BLOCKS)
def test_cumulative_sum_is_its_twin(block: int, form: str) -> None:
    accumulate = kernel_modules(form).recurrences.cumulative_block

    def write(t0: int, t1: int, out: Floats) -> None:
        accumulate(X[t0:t1], out[0, t0 - 1] if t0 else 0.0, out[0, t0:t1])

    np.testing.assert_array_equal(blockwise(block, write)[0], twins.cumulative_sum(X.tolist()))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("first", [pytest.param(0, id="sample-first"), pytest.param(1, id="gap-first")])
@pytest.mark.parametrize("alpha", [0.25, 1.0])
def test_smoothing_is_its_twin(alpha: float, first: int, block: int, form: str) -> None:
    smooth = kernel_modules(form).recurrences.ema_block
    x = np.roll(X, -first)

    def write(t0: int, t1: int, out: Floats) -> None:
        smooth(x[t0:t1], alpha, out[0, t0 - 1] if t0 else NAN, out[0, t0:t1])

    np.testing.assert_array_equal(blockwise(block, write)[0], twins.ema(x.tolist(), alpha))


INITIAL = [pytest.param(0.0, id="empty"), pytest.param(12.5, id="initial-depth")]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("initial", INITIAL)
def test_queue_is_its_twin(initial: float, block: int, form: str) -> None:
    queue = kernel_modules(form).recurrences.queue_block
    ins = series(3, 17)

    def write(t0: int, t1: int, out: Floats) -> None:
        queue(*ins[:, t0:t1], out[0, t0 - 1] if t0 else initial, out[0, t0:t1])

    np.testing.assert_array_equal(blockwise(block, write)[0], twins.queue_recurrence(*ins.tolist(), initial))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("initial", INITIAL)
def test_serving_is_its_twin(initial: float, block: int, form: str) -> None:
    serve = kernel_modules(form).recurrences.serve_block
    ins = series(3, 17)

    def write(t0: int, t1: int, out: Floats) -> None:
        serve(*ins[:, t0:t1], out[2, t0 - 1] if t0 else initial, *out[:, t0:t1])

    np.testing.assert_array_equal(blockwise(block, write, 3), twins.served_recurrence(*ins.tolist(), initial))


def test_an_overflown_stock_is_the_same_in_both_forms() -> None:
    ins = np.array([[1e308, 1e308, 1e308, 5.0, 2.0], [INF, 1.0, INF, INF, 1.0], [0.0, 0.0, 0.0, 1.0, 0.0]])
    outs = {form: np.full((3, 5), GUARD) for form in FORMS}
    kernel_modules("compiled").recurrences.serve_block(*ins, 1e308, *outs["compiled"])
    kernel_modules("python").recurrences.serve_block(*ins, 1e308, *outs["python"])
    assert canonical(outs["compiled"]) == canonical(outs["python"])


LINES = [
    pytest.param([[3.0, 9.0, 0.0, 2.0], [4.0, 4.0, 4.0, 0.0]], 0.0, id="tame"),
    pytest.param([[3.0, 9.0, 0.0, 2.0], [4.0, 4.0, 4.0, 0.0]], 5.0, id="initial-depth"),
    pytest.param([[3.0, NAN, 0.0, 2.0], [4.0, 4.0, 4.0, 0.0]], 0.0, id="gap-in-the-inflow"),
    pytest.param([[3.0, 9.0, 0.0, 2.0], [4.0, NAN, 4.0, 0.0]], 0.0, id="gap-in-the-capacity"),
    pytest.param([[3.0, 9.0, 0.0, 2.0], [4.0, INF, 4.0, 0.0]], 0.0, id="no-limit"),
    pytest.param([[3.0, INF, 0.0, 2.0], [4.0, 4.0, 4.0, 0.0]], 0.0, id="infinite-inflow"),
    pytest.param([[-3.0, 9.0, -20.0, 2.0], [4.0, -4.0, 4.0, 0.0]], 0.0, id="negative"),
    pytest.param([[1e149, 9.0, 1e151, 2.0], [4.0, 4.0, 4.0, 0.0]], 0.0, id="large"),
    pytest.param([[3.0, 9.0, 0.0, 2.0], [4.0, 4.0, 4.0, 0.0]], 1e200, id="large-initial-depth"),
    pytest.param([[0.0, -0.0, 0.0, -0.0], [-0.0, 0.0, 0.0, -0.0]], -0.0, id="signs-of-0"),
]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("ins", "initial"), LINES)
def test_fused_line_is_its_four_operations(ins: list[list[float]], initial: float, form: str) -> None:
    out = np.full((3, 4), GUARD)
    kernel_modules(form).recurrences.line_block(*np.array(ins), initial, *out)
    assert canonical(out) == canonical(np.array(line_recurrence(*ins, initial)))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.0, True), (-9e149, True), (1e150, False), (-INF, False), (NAN, False)],
    ids=["zero", "large", "too-large", "infinite", "gap"],
)
def test_tame_is_finite_and_far_from_overflow(value: float, expected: bool, form: str) -> None:
    assert kernel_modules(form).recurrences.is_tame(np.array([1.0, value, 2.0])) == expected
