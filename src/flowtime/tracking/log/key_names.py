"""The names of the keys of scalars, by writer, read from the log when they are asked for."""

from __future__ import annotations

import json
from pathlib import Path

from flowtime.tracking.log.log_format import Kind, list_segments
from flowtime.tracking.log.segment_file import open_segment
from flowtime.tracking.log.segment_reader import read_records

__all__ = ["KeyNames"]


class KeyNames:
    """The names in the log of ``folder``; a key whose name was lost is called ``key_<number>``.

    Keys are given by each writer for itself.  A key that is not known yet is looked for in the files once more, as
    its writer may have made it meanwhile; names are written before the first value is.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names: dict[str, dict[int, str]] = {}
        self._lost: set[tuple[str, int]] = set()

    def of_writer(self, writer: str) -> dict[int, str]:
        """Return key -> name of a writer, as they are now."""
        self._names[writer] = self._read(writer)
        return self._names[writer]

    def name(self, writer: str, key: int) -> str:
        """Return the name of a key."""
        name = self._names.get(writer, {}).get(key)
        if name is None and (writer, key) not in self._lost:
            name = self.of_writer(writer).get(key)
            if name is None:
                self._lost.add((writer, key))
        return f"key_{key}" if name is None else name

    def _read(self, writer: str) -> dict[int, str]:
        names: dict[int, str] = {}
        for segment in list_segments(self._folder, ("names",)):
            file = open_segment(segment) if segment.writer == writer else None
            if file is None:
                continue
            with file:
                for record in read_records(file):
                    if record.kind == Kind.NAME:
                        data = json.loads(record.text)
                        names[data["id"]] = data["name"]
        return names
