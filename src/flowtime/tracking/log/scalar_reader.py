"""Reading scalars: whole columns by name, or the last value of every name from the end of the log."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from flowtime.tracking.log.key_names import KeyNames
from flowtime.tracking.log.log_format import (
    FIXED,
    HEADER_BYTES,
    SCALAR_BODY,
    SCALAR_BYTES,
    SCALAR_STREAM,
    Kind,
    SegmentName,
    list_segments,
)
from flowtime.tracking.log.scalar_slots import CARRY_END, FLAGS_AT, KIND_AT, last_slots, unshuffle
from flowtime.tracking.log.segment_file import SegmentFile, open_segments
from flowtime.tracking.log.segment_reader import Slot, live_end, read_slots

__all__ = ["LastValue", "ScalarColumns", "last_scalars", "last_values", "read_scalars"]

_FIRST_SLOTS = 512
_GROWTH = 4
_MARKED = frozenset({Kind.SCALAR, Kind.CARRY})


class ScalarColumns(NamedTuple):
    """All values of one name in the order of their time; the three columns are of one length."""

    rows: array[int]
    wall_ns: array[int]
    values: array[float]


class LastValue(NamedTuple):
    """The last value of a key, the row of the call that logged it, and when."""

    wall_ns: int
    row: int
    value: float


def read_scalars(folder: Path) -> dict[str, ScalarColumns]:
    """Return the columns of every name, in the order that names were first logged by their writers."""
    names = KeyNames(folder)
    columns: dict[str, ScalarColumns] = {}
    for writer, segments in groupby(list_segments(folder, (SCALAR_STREAM,)), key=attrgetter("writer")):
        found: dict[int, ScalarColumns] = {}
        for file in open_segments(segments):
            _add_columns(file, found)
        for key, column in found.items():
            name = names.name(writer, key)
            columns[name] = _merged(columns[name], column) if name in columns else column
    return columns


def last_scalars(folder: Path) -> dict[str, tuple[float, int, int]]:
    """Return name -> (value, row, wall ns) of the last value of every name.

    Reads the names and the last page of each writer, however long the log is.
    """
    names = KeyNames(folder)
    found: dict[str, LastValue] = {}
    for writer, segments in groupby(list_segments(folder, (SCALAR_STREAM,)), key=attrgetter("writer")):
        known = names.of_writer(writer)
        for key, last in last_values(list(segments), known).items():
            name = names.name(writer, key)
            if name not in found or found[name].wall_ns <= last.wall_ns:
                found[name] = last
    return {name: (last.value, last.row, last.wall_ns) for name, last in found.items()}


def last_values(segments: list[SegmentName], known: Mapping[int, str]) -> dict[int, LastValue]:
    """Return key -> last value of one writer; ``segments`` are those of its scalars, ``known`` the keys to look for.

    Goes back from the end until every known key was seen, or a page began that carries the last values before it.
    """
    found: dict[int, LastValue] = {}
    for file in open_segments(reversed(segments)):
        if file.header is not None and _look_back(file, known, found):
            break
    return found


def _add_columns(file: SegmentFile, found: dict[int, ScalarColumns]) -> None:
    if file.header is None:
        return
    shift = file.header.wall_ns - file.header.monotonic_ns
    for _, kind, _, _, at, key, row, value in read_slots(file):
        if kind != 1:
            continue
        column = found.get(key)
        if column is None:
            column = found[key] = ScalarColumns(array("Q"), array("q"), array("d"))
        column[0].append(row)
        column[1].append(at + shift)
        column[2].append(value)


def _merged(one: ScalarColumns, other: ScalarColumns) -> ScalarColumns:
    """Return the columns of two writers that use one name, by time."""
    rows, walls, values = one.rows + other.rows, one.wall_ns + other.wall_ns, one.values + other.values
    order = sorted(range(len(walls)), key=walls.__getitem__)
    return ScalarColumns(
        array("Q", [rows[i] for i in order]),
        array("q", [walls[i] for i in order]),
        array("d", [values[i] for i in order]),
    )


def _look_back(file: SegmentFile, known: Mapping[int, str], found: dict[int, LastValue]) -> bool:
    """Add what the end of a segment tells of keys that are not found yet; say whether earlier ones matter no more."""
    if file.name.is_compacted:
        return _look_back_blocks(file, known, found)
    end, _ = live_end(file)
    slots = _FIRST_SLOTS
    while True:
        start = max(0, end - slots)
        data = file.read(HEADER_BYTES + start * SCALAR_BYTES, (end - start) * SCALAR_BYTES)
        data = data[: len(data) // SCALAR_BYTES * SCALAR_BYTES]
        here = _values(file, data)
        is_done = _is_carried(data, start) or known.keys() <= here.keys() | found.keys()
        if is_done or start == 0:
            for key, last in here.items():
                found.setdefault(key, last)
            return is_done
        slots *= _GROWTH


def _look_back_blocks(file: SegmentFile, known: Mapping[int, str], found: dict[int, LastValue]) -> bool:
    for head in reversed(file.block_heads()):
        block = file.block(head)
        if block is None:
            continue
        data = unshuffle(block.data, block.records, SCALAR_BYTES)
        for key, last in _values(file, data).items():
            found.setdefault(key, last)
        if _is_carried(data, 1) or known.keys() <= found.keys():
            return True
    return False


def _is_carried(data: bytes, start: int) -> bool:
    """Say whether the slots hold all that a page carries; ``start`` is the number of the first in its segment."""
    ends = data[FLAGS_AT::SCALAR_BYTES]
    at = ends.rfind(CARRY_END)
    kinds = data[KIND_AT::SCALAR_BYTES][: at + 1]
    if at < 0 or kinds[at] != Kind.CARRY:
        return False
    # The carried ones stand together; where they reach to the first slot read, there may be more before.
    return len(kinds.rstrip(bytes([Kind.CARRY]))) > 0 or start == 0


def _values(file: SegmentFile, data: bytes) -> dict[int, LastValue]:
    """Return the last value of each key in whole slots."""
    values: dict[int, LastValue] = {}
    is_checked = file.name.is_compacted
    for key, index in last_slots(memoryview(data)).items():
        slot = _slot(data, index, key, is_checked)
        if slot is None:  # damaged: the one before it will do
            earlier = (_slot(data, at, key, is_checked) for at in range(index - 1, -1, -1))
            slot = next((one for one in earlier if one is not None), None)
        if slot is not None and file.header is not None:
            values[key] = LastValue(file.header.wall_ns + slot[4] - file.header.monotonic_ns, slot[6], slot[7])
    return values


def _slot(data: bytes, index: int, key: int, is_checked: bool) -> Slot | None:
    """Return the slot at ``index`` if it is whole and of ``key``."""
    crc, body = FIXED.unpack_from(data, index * SCALAR_BYTES)
    if not is_checked and crc32(body) != crc:
        return None
    slot: Slot = SCALAR_BODY.unpack(body)
    return slot if slot[1] in _MARKED and slot[5] == key else None
