"""What a benchmark case is: what is timed, what its result must be, and where it stands in the table.

The gate reads these attributes by name and needs nothing of flowtime for it: a base from before
`flowtime.tracking.perf.Case` can be timed with the cases of today.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

__all__ = ["Case", "Guardrail", "Size", "Timed", "WrongResultError", "require"]

# `tiny` is for the test that every case still runs; `full` is what the name of the case says.
Size = Literal["tiny", "full"]


class WrongResultError(Exception):
    """A case computed something wrong, so its time says nothing."""


class Timed(NamedTuple):
    """A prepared case.  ``call`` is what is timed; ``check`` gets one result of it, outside the clock."""

    call: Callable[[], Any]
    check: Callable[[Any], None]


@dataclass(frozen=True)
class Guardrail:
    """Limits that a case must keep on any fit host; see `flowtime.tracking.perf.Guardrail`."""

    limits_ms: Mapping[str, float]
    turns: int = 2000
    probe: str | None = None
    probe_limit_ms: float = 2.5
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """One thing to time.

    ``factory(folder, size)`` builds the data from a fixed seed, outside the clock; it may write
    below ``folder``.  Cases of one ``group`` answer one question at one size and stand side by
    side, ours and its peer.  ``calls_per_turn`` makes a turn of about 1 to 5 ms where workers take
    turns; it is fixed, since calibration would make two runs measure different things.
    ``version`` goes up when the case changes meaning, so that it is not compared with its past.
    ``items`` is how many operations one call does, ``sweeps`` how often the gate measures it in an
    episode (None: as often as it was told), ``gc`` leaves the garbage collector on, and ``gate``
    says that the gate measures it on every change.
    """

    name: str
    group: str
    factory: Callable[[Path, Size], Timed]
    calls_per_turn: int = 1
    version: int = 1
    items: int = 1
    sweeps: int | None = None
    gc: bool = False
    gate: bool = False
    guardrail: Guardrail | None = None


def require(is_right: bool, what: str) -> None:
    """Raise ``WrongResultError`` unless the result is right; for the ``check`` of a case."""
    if not is_right:
        raise WrongResultError(what)
