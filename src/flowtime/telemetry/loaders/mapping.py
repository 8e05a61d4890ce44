"""What to measure in a source: ``Node.metric=column``, ``Pool.arrivals=count``, ``A->B.flowVolume=sum(calls)``."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from typing import Final, Literal, NamedTuple, TypeAlias

from flowtime.errors import TelemetryError
from flowtime.telemetry.manifest import DEFAULT_CLASS, FileKind

__all__ = ["EDGE_METRICS", "NODE_METRICS", "SHARED_METRICS", "How", "Measure", "Target", "edge_id", "parse_measures"]

How: TypeAlias = Literal["column", "count", "sum", "mean", "min", "max", "last"]

NODE_METRICS: Final = (
    "arrivals",
    "served",
    "errors",
    "externalDemand",
    "queueDepth",
    "capacity",
    "parallelism",
    "attempts",
    "failures",
    "exhaustedFailures",
    "retryEcho",
    "retryBudgetRemaining",
    "processingTimeMsSum",
    "servedCount",
    "inflow",
    "overflow",
    "loss",
    "shortfall",
)
EDGE_METRICS: Final = ("flowVolume", "attemptsVolume", "failuresVolume", "retryVolume")

SHARED_METRICS: Final = ("capacity", "parallelism")
"""What all classes of a node share, so that none has a part of it."""

_ARROW: Final = "->"
_AGGREGATES: Final[tuple[How, ...]] = ("sum", "mean", "min", "max", "last", "column")
_CALL = re.compile(r"(?P<how>[A-Za-z]+)\((?P<column>.*)\)", re.DOTALL)


class Target(NamedTuple):
    """One series of a capture: a metric of a node or of an edge, of all classes or one."""

    kind: FileKind
    subject: str
    metric: str
    class_id: str = DEFAULT_CLASS

    def __str__(self) -> str:
        """Return ``Node.metric``, as it is written in a map, or ``Node.metric@class``."""
        return f"{self.subject}.{self.metric}" + ("" if self.class_id == DEFAULT_CLASS else f"@{self.class_id}")

    def of_class(self, class_id: str) -> Target:
        """Return what a class adds to this series."""
        return self._replace(class_id=class_id)


class Measure(NamedTuple):
    """How one series is made: ``column`` is None for a count of rows.

    ``column`` takes the number of the one row of a bin; all else puts the rows of a bin together.
    """

    target: Target
    how: How
    column: str | None

    @property
    def adds_up(self) -> bool:
        """Whether what each class has makes up the whole: capacity is shared, and a mean is no sum."""
        return self.how in ("count", "sum", "column") and self.target.metric not in SHARED_METRICS

    @property
    def text(self) -> str:
        """Return the right side of a map in its plainest spelling."""
        return "count()" if self.column is None else f"{self.how}({self.column})"


def edge_id(source: str, target: str) -> str:
    """Return the id that an edge has where nobody gave it one."""
    return f"{source}{_ARROW}{target}"


def parse_measures(texts: Iterable[str]) -> tuple[Measure, ...]:
    """Read maps ``Node.metric=...``: a column's name, ``count`` of rows, or ``sum``, ``mean``, ``min``, ``max`` or
    ``last`` of a column's numbers.

    ``column(count)`` is a column of that name.  Raises TelemetryError ``telemetry.map_invalid``, also for a target
    that is mapped twice and for rows that should be bins and events at once.
    """
    measures = tuple(_parse(text) for text in texts)
    seen: set[Target] = set()
    for measure in measures:
        if measure.target in seen:
            raise _wrong(f"{measure.target} is mapped twice")
        seen.add(measure.target)
    kinds = {measure.how == "column" for measure in measures}
    if len(kinds) > 1:
        raise _wrong(
            "a row is either a bin or an event: some maps name a column, others put rows together",
            "import the source twice, or write all maps in one of the two ways",
        )
    return measures


def _parse(text: str) -> Measure:
    left, equals, right = text.partition("=")
    subject, dot, metric = left.strip().rpartition(".")
    if not (equals and dot and subject and right.strip()):
        raise _wrong(f"{text!r} is not NODE.METRIC=COLUMN", "for instance Api.arrivals=count or Api.errors=sum(failed)")
    if not subject.isprintable():
        raise _wrong(f"{subject!r} can not be the id of a node")
    is_edge = _ARROW in subject
    _check_metric(metric, EDGE_METRICS if is_edge else NODE_METRICS)
    how, column = _parse_right(right.strip())
    return Measure(Target("edge" if is_edge else "node", subject, metric), how, column)


def _parse_right(text: str) -> tuple[How, str | None]:
    if text in ("count", "count()"):
        return "count", None
    match = _CALL.fullmatch(text)
    if match is None:
        return "column", text
    how, column = match["how"], match["column"].strip()
    for known in _AGGREGATES:
        if how == known and column:
            return known, column
    hint = f"known are count, {', '.join(_AGGREGATES[:-1])}; a column of such a name is column({text})"
    raise _wrong(f"{text!r} is no way to measure", hint)


def _check_metric(metric: str, known: Sequence[str]) -> None:
    if metric not in known:
        near = difflib.get_close_matches(metric, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
        raise _wrong(f"{metric!r} is no metric", hint)


def _wrong(message: str, hint: str | None = None) -> TelemetryError:
    return TelemetryError(message, code="telemetry.map_invalid", hint=hint)
