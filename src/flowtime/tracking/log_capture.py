"""Lines of the host's own logging, kept as notes of its run."""

from __future__ import annotations

import logging
from collections.abc import Callable

__all__ = ["capture"]


class _NoteHandler(logging.Handler):
    """Hands each record on as a line; what is logged while a line is being kept is left out."""

    def __init__(self, note: Callable[[str, str], None]) -> None:
        super().__init__(logging.INFO)
        self._note = note
        self.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line; our own are in the record already."""
        if not record.name.startswith("flowtime.tracking"):
            self._note(self.format(record), record.levelname.lower())


def capture(note: Callable[[str, str], None]) -> Callable[[], None]:
    """Pass what reaches the root logger, from INFO on, to ``note(text, level)``; returns what ends that."""
    handler = _NoteHandler(note)
    root = logging.getLogger()
    root.addHandler(handler)
    return lambda: root.removeHandler(handler)
