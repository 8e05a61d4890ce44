"""What a loader is: a function that reads one kind of source and puts what it measures into bins.

Loaders are named in ``flowtime.telemetry.loaders.registry``; docs/operations/telemetry-import-guide.md shows how
to write one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from flowtime.errors import Fault, TelemetryError
from flowtime.telemetry.loaders.axis import GridStep
from flowtime.telemetry.loaders.mapping import Measure
from flowtime.telemetry.loaders.moments import TimeUnit

if TYPE_CHECKING:
    from flowtime.telemetry.loaders.series_bins import SeriesBins

__all__ = ["ByteStream", "Duplicates", "ImportOptions", "Loader", "OffGrid", "Progress", "SourceError"]

Duplicates: TypeAlias = Literal["error", "first", "last"]
OffGrid: TypeAlias = Literal["error", "floor"]
Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with what is done, how much of it, and how much there is."""


class ByteStream(Protocol):
    """Bytes that can be read once, from the first to the last."""

    def read(self, size: int, /) -> bytes:
        """Return at most ``size`` bytes; none at the end."""


class SourceError(TelemetryError):
    """A source that can not be measured; ``line`` counts lines (rows, where there are none) from 1."""

    code = "telemetry.source_invalid"

    def __init__(
        self,
        code: str = "telemetry.source_invalid",
        message: str = "the source can not be read",
        *,
        file: str | None = None,
        line: int | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, code=code, hint=hint)
        self.file = file
        self.line = line

    @property
    def faults(self) -> tuple[Fault, ...]:
        """The one fault, with its file and line."""
        return (Fault(self.code, self.message, self.file, self.line, hint=self.hint),)


@dataclass(frozen=True)
class ImportOptions:
    """What is wanted of a source.

    ``start`` and ``end`` are nanoseconds since 1970 in UTC; the rows from the one to before the other count.
    ``time_column`` None is found by its name, ``zone`` is that of time stamps that do not say theirs (None: UTC).
    ``class_column`` holds the class of each row; a row counts whose cells in the columns of ``where`` are the texts
    there.  ``stream`` is the source itself where it is no file; its path is then only a name.
    ``duplicates`` and ``off_grid`` are for rows that each are a bin.  ``piece_bytes`` is how much of a text is read at
    once: larger pieces are no quicker, and what is made of one is about twenty times its size.
    """

    step: GridStep
    measures: tuple[Measure, ...] = ()
    start: int | None = None
    end: int | None = None
    time_column: str | None = None
    time_unit: TimeUnit = "auto"
    zone: tzinfo | None = None
    duplicates: Duplicates = "error"
    off_grid: OffGrid = "error"
    class_column: str | None = None
    where: tuple[tuple[str, str], ...] = ()
    stream: ByteStream | None = None
    progress: Progress | None = None
    piece_bytes: int = 2 * 1024 * 1024


class Loader(Protocol):
    """Reads a source and puts what it holds into ``bins``, a batch at a time."""

    def __call__(self, source: Path, options: ImportOptions, bins: SeriesBins) -> None:
        """Raises SourceError, with the line where there is one; data that are merely imperfect are noted."""
