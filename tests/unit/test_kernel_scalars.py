"""One bin of every operation: compiled and plain, against the slow twins and against answers worked out by hand."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest

import oracle_kernels as twins
from flowtime_kernels import opcodes as op
from kernelforms import FORMS, kernel_modules
from optables import BINARY, SPECIAL, UNARY

# NumPy's own scalars warn of what the kernels expect.
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

NAN, INF = math.nan, math.inf
LEAST = 5e-324
# Beside the special values: neighbors of where rounding, signs and overflow change the answer.
VALUES = (*SPECIAL, -1.0, -7.0, -0.5, -LEAST, 1e308, -1e308, 2.0**53 + 1, 1.5, -0.49999999999999994, 4503599627370497.5)

ONE = [
    pytest.param("safe", twins.safe, id="safe"),
    pytest.param("positive_or_one", UNARY[op.POSITIVE_OR_ONE], id="positive_or_one"),
    pytest.param("square_root", twins.square_root, id="square_root"),
    pytest.param("copy_sign_round", twins.round_half_away, id="round"),
    pytest.param("negation", twins.logical_not, id="not"),
]
TWO = [
    pytest.param("divide", twins.divide, id="divide"),
    pytest.param("minimum", twins.minimum, id="minimum"),
    pytest.param("maximum", twins.maximum, id="maximum"),
    pytest.param("modulo", twins.modulo, id="modulo"),
    pytest.param("less", twins.less, id="less"),
    pytest.param("less_equal", twins.less_equal, id="less_equal"),
    pytest.param("equal", twins.equal, id="equal"),
    pytest.param("not_equal", twins.not_equal, id="not_equal"),
    pytest.param("step", twins.step, id="step"),
    pytest.param("both", twins.logical_and, id="and"),
    pytest.param("either", twins.logical_or, id="or"),
    pytest.param("ratio", BINARY[op.RATIO], id="ratio"),
    pytest.param("pair_sum", BINARY[op.PAIR_SUM], id="pair_sum"),
]
# The last digit of these is the mathematical library's.  Powers compiled only: NumPy takes a root for x ** 0.5, which
# is NaN at -infinity where C's pow is infinite.
INEXACT = [
    pytest.param("natural_log", twins.natural_log, 1, "compiled", id="natural_log-compiled"),
    pytest.param("natural_log", twins.natural_log, 1, "python", id="natural_log-python"),
    pytest.param("power", twins.power, 2, "compiled", id="power-compiled"),
]
THREE = [
    pytest.param("select", twins.select, id="if"),
    pytest.param("next_ema", lambda previous, x, _: twins.ema_step(previous, x, 0.25), id="ema"),
    pytest.param("line_step", lambda q, x, c: _line(q, x, c), id="line"),
]

BY_HAND = [
    pytest.param("modulo", (7.0, -3.0), -2.0, id="mod-has-the-sign-of-the-divisor"),
    pytest.param("modulo", (-7.0, 3.0), 2.0, id="mod-of-a-negative"),
    pytest.param("modulo", (7.0, 0.0), 0.0, id="mod-by-0"),
    pytest.param("modulo", (7.0, LEAST), 0.0, id="mod-by-the-least"),
    pytest.param("modulo", (7.0, 1e-300), math.fmod(7.0, 1e-300), id="mod-by-little"),
    pytest.param("modulo", (INF, 3.0), NAN, id="mod-of-infinity"),
    pytest.param("modulo", (7.0, INF), NAN, id="mod-by-infinity"),
    pytest.param("copy_sign_round", (0.49999999999999994,), 0.0, id="round-just-below-a-half"),
    pytest.param("copy_sign_round", (0.5,), 1.0, id="round-half-up"),
    pytest.param("copy_sign_round", (-0.5,), -1.0, id="round-half-away-from-0"),
    pytest.param("copy_sign_round", (2.5,), 3.0, id="round-is-not-to-even"),
    pytest.param("copy_sign_round", (4503599627370497.5,), 4503599627370498.0, id="round-large"),
    pytest.param("copy_sign_round", (9007199254740993.0,), 9007199254740992.0, id="round-whole"),
    pytest.param("copy_sign_round", (-INF,), -INF, id="round-infinity"),
    pytest.param("copy_sign_round", (NAN,), NAN, id="round-nan"),
    pytest.param("divide", (1.0, 0.0), 0.0, id="divide-by-0"),
    pytest.param("divide", (1.0, -0.0), 0.0, id="divide-by-negative-0"),
    pytest.param("divide", (NAN, 0.0), 0.0, id="divide-nan-by-0"),
    pytest.param("divide", (1.0, NAN), NAN, id="divide-by-nan"),
    pytest.param("divide", (1.0, INF), 0.0, id="divide-by-infinity"),
    pytest.param("divide", (1.0, LEAST), INF, id="divide-by-the-least"),
    pytest.param("minimum", (NAN, 1.0), NAN, id="min-nan-first"),
    pytest.param("minimum", (1.0, NAN), NAN, id="min-nan-second"),
    pytest.param("maximum", (NAN, 1.0), NAN, id="max-nan-first"),
    pytest.param("maximum", (1.0, NAN), NAN, id="max-nan-second"),
    pytest.param("step", (NAN, 0.0), 0.0, id="step-of-nan"),
    pytest.param("step", (0.0, NAN), 0.0, id="step-at-nan"),
    pytest.param("step", (-0.0, 0.0), 1.0, id="step-of-negative-0"),
    pytest.param("either", (1.0, NAN), NAN, id="or-with-nan"),
    pytest.param("both", (0.0, NAN), NAN, id="and-with-nan"),
    pytest.param("negation", (NAN,), NAN, id="not-nan"),
    pytest.param("negation", (-0.0,), 1.0, id="not-negative-0"),
    pytest.param("select", (NAN, 1.0, 2.0), NAN, id="if-nan"),
    pytest.param("select", (-0.0, 1.0, 2.0), 2.0, id="if-negative-0"),
    pytest.param("select", (-3.0, 1.0, 2.0), 1.0, id="if-negative"),
    pytest.param("select", (1.0, 5.0, NAN), 5.0, id="if-does-not-mind-the-other"),
    pytest.param("square_root", (-1.0,), NAN, id="sqrt-below-0"),
    pytest.param("square_root", (-0.0,), -0.0, id="sqrt-negative-0"),
    pytest.param("natural_log", (0.0,), NAN, id="log-0"),
    pytest.param("natural_log", (-1.0,), NAN, id="log-below-0"),
    pytest.param("power", (-8.0, 1.0 / 3.0), NAN, id="pow-root-of-a-negative"),
    pytest.param("power", (0.0, 0.0), 1.0, id="pow-0-0"),
    pytest.param("ratio", (1.0, 0.0), NAN, id="ratio-with-0-is-undefined"),
    pytest.param("ratio", (0.0, 2.0), 0.0, id="ratio-of-0"),
    pytest.param("ratio", (1.0, -2.0), NAN, id="ratio-with-a-negative"),
    pytest.param("ratio", (INF, 2.0), NAN, id="ratio-of-infinity"),
    pytest.param("pair_sum", (NAN, 2.0), 2.0, id="pair-missing-first"),
    pytest.param("pair_sum", (2.0, NAN), 2.0, id="pair-missing-second"),
    pytest.param("pair_sum", (NAN, NAN), NAN, id="pair-missing-both"),
    pytest.param("next_ema", (NAN, NAN, 0.5), NAN, id="ema-before-the-first-sample"),
    pytest.param("next_ema", (NAN, 4.0, 0.5), 4.0, id="ema-at-the-first-sample"),
    pytest.param("next_ema", (4.0, INF, 0.5), 4.0, id="ema-keeps-over-a-gap"),
    pytest.param("next_ema", (4.0, 8.0, 1.0), 8.0, id="ema-of-1-follows"),
    pytest.param("pulse_at", (0, 3, 0, 2.0), 2.0, id="pulse-at-once"),
    pytest.param("pulse_at", (1, 3, 2, 2.0), 0.0, id="pulse-before-its-phase"),
    pytest.param("pulse_at", (2, 3, 2, 2.0), 2.0, id="pulse-at-its-phase"),
    pytest.param("pulse_at", (5, 3, 2, -2.0), -2.0, id="pulse-a-period-later"),
    pytest.param("pulse_at", (6, 3, 2, 2.0), 0.0, id="pulse-between"),
    pytest.param("queue_step", (5.0, 1.0, 9.0, 0.0), 0.0, id="queue-never-below-0"),
    pytest.param("queue_step", (5.0, NAN, INF, NAN), 5.0, id="queue-takes-gaps-as-0"),
    pytest.param("work_served", (INF, 3.0), 3.0, id="capacity-without-limit"),
    pytest.param("work_served", (NAN, 3.0), 0.0, id="capacity-unknown"),
    pytest.param("work_served", (-1.0, 3.0), 0.0, id="capacity-negative"),
    pytest.param("work_lost", (9.0, 3.0), 3.0, id="no-more-is-lost-than-there-is"),
    pytest.param("work_lost", (-1.0, 3.0), 0.0, id="loss-negative"),
    pytest.param("work_present", (2.0, -5.0), 0.0, id="work-never-below-0"),
]


def _line(depth: float, inflow: float, capacity: float) -> tuple[float, float, float]:
    available = inflow + depth
    served = twins.minimum(available, capacity)
    return available, served, twins.queue_step(depth, inflow, served, 0.0)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("name", "twin"), ONE)
def test_scalar_of_one_value_is_its_twin(name: str, twin: Callable[..., float], form: str) -> None:
    kernel = getattr(kernel_modules(form).scalars, name)
    np.testing.assert_array_equal([kernel(x) for x in VALUES], [twin(x) for x in VALUES])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("name", "twin"), TWO)
def test_scalar_of_two_values_is_its_twin(name: str, twin: Callable[..., float], form: str) -> None:
    kernel = getattr(kernel_modules(form).scalars, name)
    pairs = list(itertools.product(VALUES, VALUES))
    np.testing.assert_array_equal([kernel(*pair) for pair in pairs], [twin(*pair) for pair in pairs])


@pytest.mark.parametrize(("name", "twin", "count", "form"), INEXACT)
def test_scalar_of_the_library_is_its_twin(name: str, twin: Callable[..., float], count: int, form: str) -> None:
    kernel = getattr(kernel_modules(form).scalars, name)
    cases = list(itertools.product(VALUES, repeat=count))
    np.testing.assert_allclose([kernel(*case) for case in cases], [twin(*case) for case in cases], rtol=1e-14)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("name", "twin"), THREE)
def test_scalar_of_three_values_is_its_twin(name: str, twin: Callable[..., float], form: str) -> None:
    kernel = getattr(kernel_modules(form).scalars, name)
    # A smoothing factor is a literal: the third value of its cases is always the same.
    third = (0.25,) if name == "next_ema" else SPECIAL
    first = tuple(x for x in SPECIAL if math.isfinite(x)) if name == "line_step" else SPECIAL
    cases = list(itertools.product(first, SPECIAL, third))
    np.testing.assert_array_equal([kernel(*case) for case in cases], [twin(*case) for case in cases])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("name", "twin"),
    [
        pytest.param("queue_step", twins.queue_step, id="queue"),
        pytest.param("serve_step", twins.served_step, id="serve"),
    ],
)
def test_stock_of_a_bin_is_its_twin(name: str, twin: Callable[..., float], form: str) -> None:
    kernel = getattr(kernel_modules(form).scalars, name)
    cases = list(itertools.product((0.0, 2.5, 1e300), SPECIAL, SPECIAL, SPECIAL))
    np.testing.assert_array_equal([kernel(*case) for case in cases], [twin(*case) for case in cases])


@pytest.mark.parametrize("form", FORMS)
def test_pulse_is_its_twin(form: str) -> None:
    kernel = kernel_modules(form).scalars.pulse_at
    cases = list(itertools.product(range(12), (1, 2, 5, 40), (0, 1, 4, 30), (1.0, -2.5)))
    assert [kernel(*case) for case in cases] == [twins.pulse_at(*case) for case in cases]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("name", "arguments", "expected"), BY_HAND)
def test_scalar_worked_out_by_hand(name: str, arguments: tuple[float, ...], expected: float, form: str) -> None:
    value = getattr(kernel_modules(form).scalars, name)(*arguments)
    # As text, which tells -0.0 from 0.0 and finds NaN equal to NaN.
    assert repr(float(value)) == repr(expected)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "loss", [pytest.param(0.0, id="no-loss"), pytest.param(3.0, id="loss"), pytest.param(99.0, id="all-lost")]
)
def test_serving_conserves_flow(loss: float, form: str) -> None:
    served, lost, depth = kernel_modules(form).scalars.serve_step(10.0, 7.0, 12.0, loss)
    assert served + lost + depth == 17.0
    assert min(served, lost, depth) >= 0.0
