"""The YAML file that says which gaps to put into telemetry: seeded, checked as a whole, with positions.

What it says is checked here; whether it fits the series that it is meant for, in ``injection``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta

from flowtime.errors import Fault, GapPlanError, ModelError
from flowtime.model.dates import utc_moment
from flowtime.model.decode import decode_with_faults
from flowtime.model.place import Places
from flowtime.model.spec import Seed, Wire
from flowtime.model.yaml_reader import Limits, read_yaml

__all__ = [
    "Burst",
    "ClockSkew",
    "Drop",
    "GapFile",
    "GapPlan",
    "GapWindow",
    "Injection",
    "NanGap",
    "Partial",
    "Selection",
    "Spike",
    "Stuck",
    "ZeroFill",
    "load_gap_plan",
    "parse_gap_plan",
]

Pattern = Annotated[str, Meta(min_length=1, description="A name, or a pattern in which `*` stands for any text.")]
Patterns = Annotated[tuple[Pattern, ...], Meta(min_length=1)]
Bin = Annotated[int, Meta(ge=0)]
Share = Annotated[float, Meta(gt=0.0, le=1.0)]
Effect: TypeAlias = Literal["drop", "nan", "zero"]


class GapWindow(Wire, frozen=True, kw_only=True):
    """Some bins in a row, by index (both inside) or by time (UTC; every bin that ``start`` up to ``end`` touches).

    What is left out is the begin or the end of the horizon.
    """

    first_bin: Bin | None = None
    last_bin: Bin | None = None
    start: str | None = None
    end: str | None = None


class Selection(Wire, frozen=True, kw_only=True):
    """What every injection says: where it happens; a field that is left out, empty here, chooses everything.

    ``id`` names its stream of random numbers, which is the place in the file without one.
    """

    id: Annotated[str, Meta(min_length=1)] | None = None
    nodes: Patterns = ()
    metrics: Patterns = ()
    classes: Patterns = ()
    windows: Annotated[tuple[GapWindow, ...], Meta(min_length=1)] = ()


class ZeroFill(Selection, frozen=True, kw_only=True, tag="zero_fill", tag_field="kind"):
    """Values become 0, as of a collector that writes zeros for what it did not get."""


class NanGap(Selection, frozen=True, kw_only=True, tag="nan", tag_field="kind"):
    """Values become a written ``NaN``."""


class Drop(Selection, frozen=True, kw_only=True, tag="drop", tag_field="kind"):
    """Values go missing."""


class Partial(Selection, frozen=True, kw_only=True, tag="partial", tag_field="kind"):
    """Each bin is hit by itself, with the probability ``share``."""

    share: Share
    effect: Effect = "drop"


class Burst(Selection, frozen=True, kw_only=True, tag="burst", tag_field="kind"):
    """``count`` outages of ``length`` bins at places that are drawn and do not overlap."""

    count: Annotated[int, Meta(ge=1)]
    length: Annotated[int, Meta(ge=1)]
    effect: Effect = "drop"


class Stuck(Selection, frozen=True, kw_only=True, tag="stuck", tag_field="kind"):
    """The last value before the window is repeated in it."""


class Spike(Selection, frozen=True, kw_only=True, tag="spike", tag_field="kind"):
    """Values are multiplied by ``factor``, then ``add`` is added; in a drawn ``share`` of the bins."""

    factor: float = 1.0
    add: float = 0.0
    share: Share = 1.0


class ClockSkew(Selection, frozen=True, kw_only=True, tag="clock_skew", tag_field="kind"):
    """Values arrive ``shift`` bins late (below 0: early); what would come from outside the horizon is missing."""

    shift: int


Injection: TypeAlias = ZeroFill | NanGap | Drop | Partial | Burst | Stuck | Spike | ClockSkew


class GapFile(Wire, frozen=True, kw_only=True):
    """The file: injections in the order in which they happen, and the seed of what is drawn."""

    schema_version: Literal[1]
    injections: Annotated[tuple[Injection, ...], Meta(min_length=1)]
    seed: Seed = 123


@dataclass(frozen=True, eq=False)
class GapPlan:
    """A checked plan, and where in its file (``file`` as the caller named it) everything stands."""

    spec: GapFile
    file: str | None = None
    places: Places | None = field(default=None, repr=False)

    @property
    def seed(self) -> int:
        """The seed of what is drawn."""
        return self.spec.seed

    def fault(self, code: str, message: str, path: str, *, hint: str | None = None) -> Fault:
        """Return a fault at a JSON path such as ``$.injections[2].nodes``."""
        if self.places is None:
            return Fault(code, message, self.file, path=path, hint=hint)
        return self.places.fault(code, message, path, hint=hint)


def load_gap_plan(source: str | os.PathLike[str], *, shown: str | None = None) -> GapPlan:
    """Return the plan in a YAML file; messages call it ``shown``, or by its path as given.

    Raises GapPlanError with every fault (``gaps.*``; ``gaps.not_found`` where there is no such file).
    """
    name = shown or os.fspath(source)
    try:
        with Path(source).open("rb") as stream:
            text = stream.read(Limits().bytes + 1)
    except FileNotFoundError:
        raise GapPlanError([Fault("gaps.not_found", "there is no such file of gaps", name)]) from None
    except OSError as error:
        raise GapPlanError([Fault("gaps.unreadable", f"the file can not be read: {error.strerror}", name)]) from error
    return parse_gap_plan(text, file=name)


def parse_gap_plan(text: str | bytes, *, file: str | None = None) -> GapPlan:
    """Return the plan in a text; raises GapPlanError with every fault (those of YAML itself are ``model.yaml_*``)."""
    try:
        tree, reading = read_yaml(text, file=file)
    except ModelError as error:
        raise GapPlanError(error.faults) from error
    spec, decoding = decode_with_faults(tree, GapFile, file, prefix="gaps")
    found = [*reading, *decoding]
    if spec is None:
        raise GapPlanError(found)
    plan = GapPlan(spec, file, Places(tree, file))
    found += _spec_faults(plan)
    if found:
        raise GapPlanError(found)
    return plan


def _spec_faults(plan: GapPlan) -> Iterator[Fault]:
    seen: set[str] = set()
    for index, injection in enumerate(plan.spec.injections):
        path = f"$.injections[{index}]"
        if injection.id is not None and injection.id in seen:
            yield plan.fault("gaps.duplicate_id", f"two injections have the id {injection.id!r}", f"{path}.id")
        seen.add(injection.id or "")
        yield from _effect_faults(plan, injection, path)
        for place, window in enumerate(injection.windows):
            yield from _window_faults(plan, window, f"{path}.windows[{place}]")


def _effect_faults(plan: GapPlan, injection: Injection, path: str) -> Iterator[Fault]:
    match injection:
        case Spike(factor=1.0, add=0.0):
            hint = "give a factor, an amount to add, or both"
            yield plan.fault("gaps.no_effect", "this spike changes nothing", path, hint=hint)
        case ClockSkew(shift=0):
            yield plan.fault("gaps.no_effect", "a clock that is 0 bins off changes nothing", f"{path}.shift")


def _window_faults(plan: GapPlan, window: GapWindow, path: str) -> Iterator[Fault]:
    first, last = window.first_bin, window.last_bin
    has_bins = first is not None or last is not None
    if has_bins and (window.start is not None or window.end is not None):
        yield plan.fault("gaps.bad_window", "a window is said in bins or in times, not in both", path)
    if first is not None and last is not None and last < first:
        yield plan.fault("gaps.bad_window", "the last bin is before the first", f"{path}.lastBin")
    yield from _time_faults(plan, window, path)


def _time_faults(plan: GapPlan, window: GapWindow, path: str) -> Iterator[Fault]:
    times = {name: text for name in ("start", "end") if (text := getattr(window, name)) is not None}
    moments = {name: moment for name, text in times.items() if (moment := utc_moment(text)) is not None}
    for name in (name for name in times if name not in moments):
        hint = "write it as 2025-01-01T00:00:00Z"
        yield plan.fault("gaps.bad_value", f"the {name} is no date", f"{path}.{name}", hint=hint)
    if len(moments) == 2 and moments["end"] <= moments["start"]:
        yield plan.fault("gaps.bad_window", "the end is not after the start", f"{path}.end")
