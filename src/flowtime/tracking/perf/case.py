"""What a performance case is: what is timed, what its result must be, how often it is called.

A registry is a module with a tuple of such cases, named ``module:NAME``.  Any object with these attributes will do:
a package that measures itself declares its own class, since its base may not have this one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["Case", "Guardrail", "Timed", "WrongResultError", "require"]


class WrongResultError(Exception):
    """A case computed something wrong, so its time says nothing."""


class Timed(NamedTuple):
    """A prepared case.  ``call`` is what is timed; ``check`` gets one result of it, outside the clock."""

    call: Callable[[], Any]
    check: Callable[[Any], None]


@dataclass(frozen=True)
class Guardrail:
    """Limits that a case must keep on any fit host.

    ``limits_ms`` holds net times by statistic, for one item of a call: ``p50``, ``p99`` (the middle one of blocks of
    500 turns) and ``mean_best_half``.  ``probe`` names a case that shows what the host can do; above
    ``probe_limit_ms`` (its net p99) a broken limit is the host's.  ``counts`` says what one call does, exactly:
    ``fsync``, ``rename``, ``bytes``.
    """

    limits_ms: Mapping[str, float]
    turns: int = 2000
    probe: str | None = None
    probe_limit_ms: float = 2.5
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """One thing to time.

    ``factory(folder, size)`` builds the data from a fixed seed, outside the clock, and may write below ``folder``;
    ``size`` is ``tiny`` or ``full``.  ``calls_per_turn`` makes a turn of about 1 to 5 ms.  ``items`` is how many
    operations one call does.  ``sweeps`` overrides the run's own number, for what is slow; ``gc`` leaves the garbage
    collector on; ``gate`` says whether the gate takes the case unasked.  ``version`` goes up when the case changes
    meaning, so that it is not compared with its past.
    """

    name: str
    factory: Callable[[Path, str], Timed]
    group: str = ""
    calls_per_turn: int = 1
    version: int = 1
    items: int = 1
    sweeps: int | None = None
    gc: bool = False
    gate: bool = True
    limit_soft: float = 0.03
    limit_fail: float = 0.05
    guardrail: Guardrail | None = None


def require(is_right: bool, what: str) -> None:
    """Raise ``WrongResultError`` unless the result is right; for the ``check`` of a case."""
    if not is_right:
        raise WrongResultError(what)
