"""Laws of the event log: whatever is cut, changed or interleaved, what is read was written, once and in order."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from flowtime.tracking.log.compaction import compact
from flowtime.tracking.log.event_log import EventLog
from flowtime.tracking.log.event_reader import read_events
from flowtime.tracking.log.follower import Follower
from flowtime.tracking.log.log_format import HEADER_BYTES, Kind
from flowtime.tracking.log.log_report import count_events, scan_log
from flowtime.tracking.log.scalar_reader import last_scalars, read_scalars
from trackfakes import alter, cut, notes, only_segment, scalars, values, write_notes

RECORD_HEAD = 32
TEXTS = st.lists(st.text(max_size=40), min_size=1, max_size=12)
NUMBERS = st.lists(st.floats(allow_nan=False), min_size=1, max_size=40)
BYTES = st.binary(min_size=1, max_size=24)
WRITERS = ("main", "p7-00ff")
NAMES = ("a", "b", "c/d", "é")


@contextmanager
def folder() -> Iterator[Path]:
    """Return a folder of its own for each example."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def note_spans(texts: list[str]) -> list[tuple[int, int]]:
    """Return where the record of each note begins and ends in its segment."""
    sizes = [RECORD_HEAD + len(json.dumps({"level": "info", "text": text}, separators=(",", ":"))) for text in texts]
    starts = [HEADER_BYTES + sum(sizes[:index]) for index in range(len(sizes))]
    return [(start, start + size) for start, size in zip(starts, sizes, strict=True)]


def is_part(found: list[Any], whole: list[Any]) -> bool:
    """Say whether ``found`` is ``whole`` with some left out."""
    rest = iter(whole)
    return all(any(item == other for other in rest) for item in found)


@given(TEXTS, st.data(), st.booleans())
def test_notes_before_a_cut_are_read_and_nothing_else(texts: list[str], data: st.DataObject, is_closed: bool) -> None:
    with folder() as place:
        log = EventLog(place)
        write_notes(log, texts)
        if is_closed:
            log.close()
        path = only_segment(place, "notes")
        spans = note_spans(texts)
        at = data.draw(st.integers(0, spans[-1][1]))
        cut(path, at)
        whole = [text for text, (_, end) in zip(texts, spans, strict=True) if end <= at and at >= HEADER_BYTES]
        report = scan_log(place)
        assert notes(place) == whole
        assert report.events == len(whole)
        rest = path.read_bytes()[max([HEADER_BYTES, *(end for _, end in spans if end <= at)]) :]
        assert report.damages or not rest.strip(b"\0")
        assert not is_closed or at in (0, spans[-1][1]) or report.damages


@given(NUMBERS, st.data())
def test_scalars_before_a_cut_are_read_and_nothing_else(numbers: list[float], data: st.DataObject) -> None:
    with folder() as place:
        log = EventLog(place)
        for number in numbers:
            log.scalars(x=number)
        at = data.draw(st.integers(HEADER_BYTES, HEADER_BYTES + 40 * len(numbers)))
        path = only_segment(place, "scalars")
        cut(path, at)
        whole = (at - HEADER_BYTES) // 40
        report = scan_log(place)
        assert values(place) == numbers[:whole]
        assert report.scalars == count_events(place) == whole
        torn = path.read_bytes()[HEADER_BYTES + 40 * whole :]
        assert [one.bytes for one in report.damages] == [len(torn)] * bool(torn.strip(b"\0"))


@given(TEXTS, BYTES, st.data())
def test_changed_bytes_cost_no_note_before_them(texts: list[str], new: bytes, data: st.DataObject) -> None:
    with folder() as place:
        write_notes(EventLog(place), texts)
        path = only_segment(place, "notes")
        spans = note_spans(texts)
        at = data.draw(st.integers(HEADER_BYTES, spans[-1][1] - 1))
        before = path.read_bytes()
        alter(path, at, new)
        is_changed = path.read_bytes() != before
        found, report = notes(place), scan_log(place)
        whole = [text for text, (_, end) in zip(texts, spans, strict=True) if end <= at]
        assert found[: len(whole)] == whole
        assert is_part(found, texts)
        assert (len(found) < len(texts)) <= is_changed
        assert {one.file for one in report.damages} == ({path.name} if is_changed else set())
        assert all(one.offset <= at + len(new) and one.offset + one.bytes >= at for one in report.damages)


@given(NUMBERS, BYTES, st.data())
def test_changed_bytes_cost_only_the_scalars_that_they_touch(
    numbers: list[float], new: bytes, data: st.DataObject
) -> None:
    with folder() as place:
        log = EventLog(place)
        for number in numbers:
            log.scalars(x=number)
        path = only_segment(place, "scalars")
        end = HEADER_BYTES + 40 * len(numbers)
        at = data.draw(st.integers(HEADER_BYTES, end - 1))
        before = path.read_bytes()
        alter(path, at, new[: end - at])
        after = path.read_bytes()
        spans = [slice(HEADER_BYTES + 40 * i, HEADER_BYTES + 40 * i + 40) for i in range(len(numbers))]
        same = [number for number, span in zip(numbers, spans, strict=True) if before[span] == after[span]]
        report = scan_log(place)
        assert values(place) == same
        assert report.holes * 40 + sum(one.bytes for one in report.damages) >= 40 * (len(numbers) - len(same))


@given(TEXTS, st.integers(0, 200), BYTES)
def test_bytes_behind_the_end_cost_nothing_and_are_never_glued(texts: list[str], skip: int, new: bytes) -> None:
    with folder() as place:
        write_notes(EventLog(place), texts)
        path = only_segment(place, "notes")
        alter(path, note_spans(texts)[-1][1] + skip, new)
        resumed = EventLog(place)
        write_notes(resumed, ["after"])
        repairs = [event.data for event in read_events(place) if event.kind == Kind.REPAIR]
        assert notes(place) == [*texts, "after"]
        assert bool(repairs) == bool(new.strip(b"\0"))
        assert {repair["file"] for repair in repairs} <= {path.name}


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("scalars"), st.sampled_from(WRITERS), st.dictionaries(st.sampled_from(NAMES), st.integers())),
        st.tuples(st.just("burst"), st.sampled_from(WRITERS), st.integers(1, 3000)),
        st.tuples(st.just("note"), st.sampled_from(WRITERS), st.text(max_size=20)),
        st.tuples(st.just("step"), st.sampled_from(WRITERS), st.integers(0, 5000)),
        st.tuples(st.sampled_from(["close", "leave", "flush"]), st.sampled_from(WRITERS), st.none()),
        st.tuples(st.sampled_from(["poll", "compact"]), st.none(), st.none()),
    ),
    max_size=25,
)


class Model:
    """Two writers beside the lists of what they were given: the log must say the same."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.logs: dict[str, EventLog] = {}
        self.given: dict[tuple[str, str], list[Any]] = {}
        self.polled: dict[tuple[str, str], list[Any]] = {}
        self.follower = Follower(place)

    def run(self, name: str, writer: str | None, value: Any) -> None:
        getattr(self, f"do_{name}")(writer, value)

    def log(self, writer: str) -> EventLog:
        if writer not in self.logs:
            self.logs[writer] = EventLog(self.place, writer=writer, segment_bytes=64 << 10)
        return self.logs[writer]

    def add(self, writer: str, stream: str, item: Any) -> None:
        self.given.setdefault((writer, stream), []).append(item)

    def do_scalars(self, writer: str, numbers: dict[str, int]) -> None:
        self.log(writer).scalars(**numbers)
        for name, number in numbers.items():
            if abs(number) < 10**300:
                self.add(writer, "scalars", (name, float(number)))

    def do_burst(self, writer: str, count: int) -> None:
        call = self.log(writer).scalars
        for number in range(count):
            call(burst=number)
            self.add(writer, "scalars", ("burst", float(number)))

    def do_note(self, writer: str, text: str) -> None:
        self.log(writer).append(Kind.NOTE, {"text": text})
        self.add(writer, "notes", {"text": text})

    def do_step(self, writer: str, size: int) -> None:
        self.log(writer).append(Kind.STEP, {"id": "x" * size})
        self.add(writer, "control", {"id": "x" * size})

    def do_close(self, writer: str, _: None) -> None:
        self.log(writer).close()
        del self.logs[writer]

    def do_leave(self, writer: str, _: None) -> None:
        """Open the log anew without closing it, as after a kill."""
        self.logs.pop(writer, None)

    def do_flush(self, writer: str, _: None) -> None:
        self.log(writer).flush()

    def do_poll(self, *_: None) -> None:
        for event in self.follower.poll():
            self.polled.setdefault((event.writer, event.stream), []).append(item_of(event))

    def do_compact(self, *_: None) -> None:
        compact(self.place)


def item_of(event: Any) -> Any:
    """Return what a writer was given of an event."""
    return (event.data["name"], event.data["value"]) if event.kind == Kind.SCALAR else event.data


@given(STEPS)
@settings(max_examples=60)
def test_any_interleaving_reads_as_it_was_written(steps: list[tuple[str, str | None, Any]]) -> None:
    with folder() as place:
        model = Model(place)
        for step in steps:
            model.run(*step)
        model.do_poll()
        found: dict[tuple[str, str], list[Any]] = {}
        for event in read_events(place):
            found.setdefault((event.writer, event.stream), []).append(item_of(event))
        total = sum(map(len, model.given.values()))
        report = scan_log(place)
        assert found == model.given
        assert model.polled == model.given
        assert (report.events, count_events(place)) == (total, total)
        assert (report.gaps, report.holes, report.damages) == ((), 0, ())


@given(STEPS)
@settings(max_examples=40)
def test_columns_and_last_values_agree_with_the_events(steps: list[tuple[str, str | None, Any]]) -> None:
    with folder() as place:
        model = Model(place)
        for step in steps:
            model.run(*step)
        columns: dict[str, list[float]] = {}
        for event in scalars(place):
            columns.setdefault(event.data["name"], []).append(event.data["value"])
        assert {name: sorted(column.values) for name, column in read_scalars(place).items()} == {
            name: sorted(column) for name, column in columns.items()
        }
        assert {name: last[0] for name, last in last_scalars(place).items()} == {
            name: column[-1] for name, column in columns.items()
        }


@given(st.lists(st.floats(), min_size=1, max_size=50))
def test_values_are_kept_to_the_last_bit(numbers: list[float]) -> None:
    with folder() as place:
        log = EventLog(place)
        for number in numbers:
            log.scalars(x=number)
        log.close()
        compact(place)
        found = list(read_scalars(place)["x"].values)
        assert [math.copysign(1, one) for one in found if one == one] == [
            math.copysign(1, one) for one in numbers if one == one
        ]
        assert all(one == other or (one != one and other != other) for one, other in zip(found, numbers, strict=True))
