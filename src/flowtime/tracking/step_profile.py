"""A profile of one step as it runs, by pyinstrument (the extra `profile`); ``profiles`` reads it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from flowtime.errors import MissingExtraError
from flowtime.storage.atomic import write_atomic

__all__ = ["StepProfiler"]


class StepProfiler:
    """Samples the thread that made it, until it is saved.  Raises MissingExtraError without pyinstrument."""

    def __init__(self) -> None:
        try:
            from pyinstrument import Profiler
        except ImportError as error:
            raise MissingExtraError("profiles need pyinstrument", hint="pip install 'flowtime[profile]'") from error
        # All of the thread, whatever task it works for: the step's own task may be left and entered again.
        self._profiler: Any = Profiler(async_mode="disabled")
        self._profiler.start()

    def save(self, path: Path) -> None:
        """Stop, and write the session as JSON, whole or not at all; lets StorageError and OSError through."""
        session = self._profiler.stop()
        path.parent.mkdir(exist_ok=True)
        write_atomic(path, json.dumps(session.to_json()).encode(), durability="process")
