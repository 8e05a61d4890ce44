"""What-if values for the inputs of a compiled model."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from flowtime.engine.ir import Flow
from flowtime.errors import ParameterError
from flowtime.model.spec import FloatArray

__all__ = ["Override", "Overrides", "Resolved", "Scale", "resolve_overrides", "unknown_name"]


@dataclass(frozen=True, slots=True)
class Scale:
    """Multiply an input by a factor and keep its shape over time."""

    factor: float


Override: TypeAlias = "float | Scale | ArrayLike"
Overrides: TypeAlias = Mapping[str, Override]


@dataclass(frozen=True, slots=True)
class Resolved:
    """One checked override: the column, and a number for all bins, a factor, or float64 (bins,)."""

    column: int
    value: float | Scale | FloatArray


def resolve_overrides(flow: Flow, overrides: Overrides | None) -> tuple[Resolved, ...]:
    """Check overrides against the inputs of a model.

    Raises ParameterError ``parameter.unknown`` for a name that is no input, ``parameter.shape`` for a
    series of another length than the grid, ``parameter.value`` for infinities and what is no number.
    """
    if not overrides:
        return ()
    return tuple(_resolve(flow, name, value) for name, value in overrides.items())


def _resolve(flow: Flow, name: str, value: Override) -> Resolved:
    column = flow.parameters.get(name)
    if column is None:
        raise unknown_name("parameter", name, tuple(flow.parameters), code="parameter.unknown")
    if isinstance(value, Scale):
        return Resolved(column, Scale(_number(name, value.factor)))
    if isinstance(value, float | int | np.floating | np.integer) and not isinstance(value, bool):
        return Resolved(column, _number(name, value))
    return Resolved(column, _series(name, value, flow.bins))


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, float | int | np.floating | np.integer):
        raise ParameterError(f"the override of {name!r} is no number: {value!r}", code="parameter.value")
    if np.isinf(value):
        raise ParameterError(f"the override of {name!r} is infinite", code="parameter.value")
    return float(value)


def _series(name: str, value: object, bins: int) -> FloatArray:
    try:
        given = np.asarray(value)
        # NumPy would read numbers out of texts, and 1 out of True; None among numbers is a gap.
        if given.dtype.kind not in "iuf" and not (given.dtype.kind == "O" and given.ndim > 0):
            raise TypeError(f"values of type {given.dtype}")
        series = np.asarray(given, dtype=np.float64, order="C")
    except (TypeError, ValueError) as error:
        raise ParameterError(
            f"the override of {name!r} is no number, Scale or series of numbers: {error}", code="parameter.value"
        ) from error
    if series.shape != (bins,):
        shape = " x ".join(map(str, series.shape)) or "a single value"
        raise ParameterError(
            f"the override of {name!r} has shape {shape}, but the grid has {bins} bins", code="parameter.shape"
        )
    if np.isinf(series).any():
        raise ParameterError(f"the override of {name!r} holds an infinite value", code="parameter.value")
    return series


def unknown_name(noun: str, name: str, known: Sequence[str], *, code: str) -> ParameterError:
    """The error for a name that does not exist, with the nearest that do."""
    near = difflib.get_close_matches(name, known, n=3)
    listed = ", ".join(known[:8]) + (" ..." if len(known) > 8 else "")
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are: {listed or 'none'}"
    return ParameterError(f"no {noun} is called {name!r}", code=code, hint=hint)
