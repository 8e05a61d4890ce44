"""Lines by which a program of any language tells its tracker where it is, among whatever else it prints.

A line of its output that begins with ``::``::

    ::step collect            the step before it is completed, and this one begins; without a name, none begins
    ::progress 3/200          items done, and of how many where that is known
    ::metric loss=0.5 lr=1e-3 figures
    ::skip expert no data     a step that will not be done, and why
    ::note text               a remark

Other lines are none of ours, nor are these when what follows makes no sense.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from flowtime.tracking.tracked_step import Step

if TYPE_CHECKING:
    from flowtime.tracking.tracked_run import TrackedRun

__all__ = ["AnnouncedSteps", "AnnouncementReader"]

_MARK = b"::"
_MAX_LINE = 4096
_MAX_STEP = 200
_PROGRESS = re.compile(r"(\d{1,15})(?:\s*/\s*(\d{1,15}))?")
_FIGURE = re.compile(r"([A-Za-z_][\w.:/-]*)=(\S+)")
_WORDS = ("step", "progress", "metric", "skip", "note")


class AnnouncementReader:
    """Finds the announcements of one stream, which comes in pieces of any size; ``found`` gets word and rest."""

    def __init__(self, found: Callable[[str, str], None]) -> None:
        self._found = found
        self._held = b""
        self._is_line_start = True

    def feed(self, data: bytes) -> None:
        """Take in the next piece, which must not be empty."""
        data, self._held = self._held + data, b""
        if _MARK not in data:
            # Nearly all that programs print.  One colon may be half of a mark.
            if data.endswith(b"\n:") or (data == b":" and self._is_line_start):
                self._held, self._is_line_start = b":", True
            else:
                self._is_line_start = data.endswith(b"\n")
            return
        first, *lines = data.split(b"\n")
        if self._is_line_start:
            lines.insert(0, first)
        elif not lines:
            return
        rest = lines.pop()
        for line in lines:
            self._line(line)
        self._is_line_start = rest[:2] in (b"", b":", _MARK) and len(rest) <= _MAX_LINE
        if self._is_line_start:
            self._held = rest

    def finish(self) -> None:
        """Take in a last line that has no end."""
        self._line(self._held)
        self._held = b""

    def _line(self, line: bytes) -> None:
        if not line.startswith(_MARK) or len(line) > _MAX_LINE:
            return
        word, _, rest = line[len(_MARK) :].decode("utf-8", "replace").strip().partition(" ")
        if word in _WORDS:
            self._found(word, rest.strip())


class AnnouncedSteps:
    """Does in a run what a program announces; what the run says of itself stays with its safe or strict mode."""

    def __init__(self, run: TrackedRun) -> None:
        self._run = run
        self._step: Step | None = None

    def __call__(self, word: str, rest: str) -> None:
        """Take in one announcement."""
        if word == "step":
            self._begin(rest)
        elif word == "progress":
            self._progress(rest)
        elif word == "metric":
            self._metric(rest)
        elif word == "skip":
            self._skip(rest)
        elif rest:
            self._run.note(rest)

    def end(self) -> None:
        """Complete the step under way, as the program has ended well."""
        step, self._step = self._step, None
        if step is not None:
            step.__exit__(None, None, None)

    def _begin(self, name: str) -> None:
        self.end()
        if _is_step(name):
            step = self._run.step(name)
            # A run that has ended meanwhile gives steps that record nothing.
            if isinstance(step, Step):
                self._step = step.__enter__()

    def _progress(self, text: str) -> None:
        match = _PROGRESS.fullmatch(text)
        if match is None or self._step is None:
            return
        if match[2] is not None:
            self._step.total = int(match[2])
        self._step.done = int(match[1])

    def _metric(self, text: str) -> None:
        figures: dict[str, Any] = {}
        for name, value in _FIGURE.findall(text):
            with suppress(ValueError):  # what is no number is no figure
                figures[name] = float(value)
        if figures:
            self._run.log(**figures)

    def _skip(self, text: str) -> None:
        name, _, reason = text.partition(" ")
        if _is_step(name):
            self._run.skip(name, reason.strip() or None)


def _is_step(name: str) -> bool:
    return bool(name) and len(name) <= _MAX_STEP and name.isprintable()
