"""Reading the event log: damage is passed over and told, live logs are followed, compacted ones read the same."""

from __future__ import annotations

import io
import json
import math
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from diskfakes import fail
from flowtime.errors import StorageError
from flowtime.tracking.log.compaction import compact
from flowtime.tracking.log.event_log import EventLog
from flowtime.tracking.log.event_reader import read_events
from flowtime.tracking.log.follower import Follower
from flowtime.tracking.log.jsonl_export import export_jsonl
from flowtime.tracking.log.log_format import HEADER_BYTES, Kind, list_segments
from flowtime.tracking.log.log_report import Gap, count_events, scan_log
from flowtime.tracking.log.scalar_reader import last_scalars, read_scalars
from flowtime.tracking.log.segment_file import Damage
from trackfakes import FakeClock, alter, cut, notes, only_segment, values, write_notes

RECORD = len('{"level":"info","text":"n0"}') + 32
TEXTS = [f"n{number}" for number in range(6)]


def written(folder: Path, *, is_closed: bool = True) -> EventLog:
    """Write six scalars and six notes of one length."""
    log = EventLog(folder)
    for number in range(6):
        log.scalars(x=number)
    write_notes(log, TEXTS)
    if is_closed:
        log.close()
    return log


def test_a_log_that_is_not_there_is_empty(tmp_path: Path) -> None:
    folder = tmp_path / "none"
    assert (list(read_events(folder)), count_events(folder), last_scalars(folder)) == ([], 0, {})
    assert (read_scalars(folder), scan_log(folder).events, Follower(folder).poll()) == ({}, 0, [])


def test_readers_take_the_run_folder_too(tmp_path: Path) -> None:
    (tmp_path / "tracking").mkdir()
    written(tmp_path / "tracking")
    assert count_events(tmp_path) == count_events(tmp_path / "tracking") == 12


def test_files_of_others_are_passed_over(tmp_path: Path) -> None:
    written(tmp_path)
    for name in ("owner.json", "lock", "main-scalars-1.seg", "main-other-000001.seg", ".main-notes-000001.segz.1.tmp"):
        (tmp_path / name).write_bytes(b"x")
    assert scan_log(tmp_path).damages == ()
    assert count_events(tmp_path) == 12


@pytest.mark.parametrize("is_closed", [True, False], ids=["sealed", "left open"])
@pytest.mark.parametrize("number", range(6))
def test_a_flipped_byte_costs_one_note_and_is_told(tmp_path: Path, number: int, is_closed: bool) -> None:
    written(tmp_path, is_closed=is_closed)
    path = only_segment(tmp_path, "notes")
    at = HEADER_BYTES + number * RECORD
    alter(path, at + 30)
    assert notes(tmp_path) == TEXTS[:number] + TEXTS[number + 1 :]
    assert scan_log(tmp_path).damages == (Damage(path.name, at, RECORD),)


@pytest.mark.parametrize("number", range(6))
def test_a_flipped_byte_costs_one_scalar_and_is_told(tmp_path: Path, number: int) -> None:
    written(tmp_path)
    path = only_segment(tmp_path, "scalars")
    at = HEADER_BYTES + number * 40
    alter(path, at + 35)
    assert values(tmp_path) == [float(value) for value in range(6) if value != number]
    assert scan_log(tmp_path).damages == (Damage(path.name, at, 40),)
    assert last_scalars(tmp_path)["x"][0] == (5 if number < 5 else 4)


def test_a_damaged_length_does_not_cost_what_follows(tmp_path: Path) -> None:
    written(tmp_path)
    path = only_segment(tmp_path, "notes")
    alter(path, HEADER_BYTES + RECORD + 4, b"\xff\xff")
    alter(path, HEADER_BYTES + 2 * RECORD + 4, b"\x00\x00")
    assert notes(tmp_path) == ["n0", *TEXTS[3:]]
    (damage,) = scan_log(tmp_path).damages
    assert damage == Damage(path.name, HEADER_BYTES + RECORD, 2 * RECORD)


def test_a_record_of_another_place_is_not_taken(tmp_path: Path) -> None:
    written(tmp_path)
    path = only_segment(tmp_path, "scalars")
    slots = path.read_bytes()[HEADER_BYTES:]
    alter(path, HEADER_BYTES + 80, slots[:40])
    assert values(tmp_path) == [0, 1, 3, 4, 5]
    assert scan_log(tmp_path).damages == (Damage(path.name, HEADER_BYTES + 80, 40),)


def test_a_cut_seal_is_told_even_between_two_records(tmp_path: Path) -> None:
    written(tmp_path)
    for stream, size in (("notes", RECORD), ("scalars", 40)):
        cut(only_segment(tmp_path, stream), HEADER_BYTES + 4 * size)
    assert (notes(tmp_path), values(tmp_path)) == (TEXTS[:4], [0, 1, 2, 3])
    assert [(one.offset, one.bytes) for one in scan_log(tmp_path).damages] == [
        (HEADER_BYTES + 4 * RECORD, 2 * RECORD),
        (HEADER_BYTES + 4 * 40, 2 * 40),
    ]


@pytest.mark.parametrize("size", [0, 1, 63, 64, 127])
def test_a_header_that_is_cut_is_told(tmp_path: Path, size: int) -> None:
    written(tmp_path)
    path = only_segment(tmp_path, "scalars")
    cut(path, size)
    assert values(tmp_path) == []
    assert scan_log(tmp_path).damages == ((Damage(path.name, 0, size),) if size else ())
    assert notes(tmp_path) == TEXTS


def test_a_header_of_a_later_version_is_not_guessed_at(tmp_path: Path) -> None:
    written(tmp_path)
    path = only_segment(tmp_path, "scalars")
    alter(path, 8, b"\x02\x00")
    assert values(tmp_path) == []
    assert scan_log(tmp_path).damages == (Damage(path.name, 0, path.stat().st_size),)


def test_a_segment_that_is_gone_is_a_gap(tmp_path: Path) -> None:
    for number in range(3):
        log = EventLog(tmp_path)
        log.scalars(x=number)
        log.close()
    first, second, _ = (name.path for name in list_segments(tmp_path, ("scalars",)))
    gone = scan_log(tmp_path).segments[2]
    second.unlink()
    assert scan_log(tmp_path).gaps == (Gap("main", "scalars", gone.first, gone.end - gone.first),)
    assert values(tmp_path) == [0, 2]
    assert first.exists()


def test_a_slot_that_was_never_written_is_a_hole(tmp_path: Path) -> None:
    written(tmp_path, is_closed=False)
    alter(only_segment(tmp_path, "scalars"), HEADER_BYTES + 80, bytes(40))
    report = scan_log(tmp_path)
    assert (values(tmp_path), report.holes, report.damages, report.gaps) == ([0, 1, 3, 4, 5], 1, (), ())


TORN = [
    pytest.param("notes", {"offset": HEADER_BYTES + 6 * RECORD, "bytes": 10}, id="record"),
    pytest.param("scalars", {"offset": HEADER_BYTES + 6 * 40, "bytes": 40}, id="scalar"),
]


@pytest.mark.parametrize(("stream", "told"), TORN)
def test_a_resumed_log_tells_what_is_torn_and_glues_nothing_to_it(
    tmp_path: Path, stream: str, told: dict[str, int]
) -> None:
    written(tmp_path, is_closed=False)
    path = only_segment(tmp_path, stream)
    alter(path, told["offset"], b"torn bytes")
    log = EventLog(tmp_path)
    log.scalars(x=6)
    write_notes(log, ["n6"])
    log.close()
    repairs = [event.data for event in read_events(tmp_path) if event.kind == Kind.REPAIR]
    assert repairs == [{"file": path.name, **told}]
    assert (notes(tmp_path), values(tmp_path)) == ([*TEXTS, "n6"], [0, 1, 2, 3, 4, 5, 6])
    again = EventLog(tmp_path)
    again.close()
    assert len([event for event in read_events(tmp_path) if event.kind == Kind.REPAIR]) == 1
    assert count_events(tmp_path) == again.counts.events == 15


def test_the_mark_of_an_open_segment_may_be_lost(tmp_path: Path) -> None:
    log = EventLog(tmp_path)
    for number in range(9000):
        log.scalars(x=number)
    write_notes(log, TEXTS * 40)
    for name in list_segments(tmp_path):
        alter(name.path, 64)
    assert count_events(tmp_path) == 9000 + 240
    assert last_scalars(tmp_path)["x"][:2] == (8999.0, 8999)


# following


def test_a_follower_gives_each_event_once(tmp_path: Path) -> None:
    log, follower = EventLog(tmp_path, segment_bytes=64 << 10), Follower(tmp_path)
    found = []
    for turn in range(12):
        for number in range(500):
            log.scalars(x=turn * 500 + number)
        write_notes(log, [str(turn)] * 60)
        found += follower.poll()
    log.close()
    found += follower.poll()
    assert [event.data["value"] for event in found if event.kind == Kind.SCALAR] == list(range(6000))
    assert [event.data["text"] for event in found if event.kind == Kind.NOTE] == [
        str(turn) for turn in range(12) for _ in range(60)
    ]
    assert follower.poll() == []


def test_a_follower_sees_new_writers_sessions_and_compacted_segments(tmp_path: Path) -> None:
    follower, found = Follower(tmp_path, {"scalars"}), []
    for session in range(3):
        log, child = EventLog(tmp_path), EventLog(tmp_path, writer=f"p{session}-00aa")
        log.scalars(x=session)
        found += follower.poll()
        log.scalars(x=session + 0.25)
        child.scalars(x=session + 0.5)
        log.close()
        child.close()
        compact(tmp_path)
        found += follower.poll()
    assert [event.data["value"] for event in found] == [0, 0.25, 0.5, 1, 1.25, 1.5, 2, 2.25, 2.5]


@pytest.mark.parametrize("is_compacted", [False, True], ids=["raw", "compacted"])
def test_a_follower_may_begin_at_the_end(tmp_path: Path, is_compacted: bool) -> None:
    written(tmp_path, is_closed=False)
    log = EventLog(tmp_path, writer="p1-0000")
    log.scalars(y=0)
    if is_compacted:
        compact(tmp_path, only_sealed=False)
        log = EventLog(tmp_path, writer="p1-0000")
    follower = Follower(tmp_path, from_start=False)
    log.scalars(y=1)
    write_notes(log, ["new"])
    assert [event.data.get("value", event.data.get("text")) for event in follower.poll()] == [1.0, "new"]


def test_a_follower_waits_for_a_slot_that_is_not_written_yet(tmp_path: Path) -> None:
    clock = FakeClock()
    written(tmp_path, is_closed=False)
    path = only_segment(tmp_path, "scalars")
    slot = path.read_bytes()[HEADER_BYTES + 80 : HEADER_BYTES + 120]
    alter(path, HEADER_BYTES + 80, bytes(40))
    follower = Follower(tmp_path, {"scalars"}, clock=clock.clock)
    first = [event.data["value"] for event in follower.poll()]
    alter(path, HEADER_BYTES + 80, slot)
    assert (first, [event.data["value"] for event in follower.poll()]) == ([0, 1], [2, 3, 4, 5])


def test_a_follower_does_not_wait_for_ever(tmp_path: Path) -> None:
    clock = FakeClock()
    written(tmp_path, is_closed=False)
    alter(only_segment(tmp_path, "scalars"), HEADER_BYTES + 80, bytes(40))
    follower = Follower(tmp_path, {"scalars"}, clock=clock.clock)
    polls = []
    for seconds in (0.0, 0.9, 0.2):
        clock.pass_time(seconds)
        polls.append([event.data["value"] for event in follower.poll()])
    assert polls == [[0, 1], [], [3, 4, 5]]


# compaction


def everything(folder: Path) -> list[object]:
    """Return all that readers tell of a log."""
    columns = read_scalars(folder)
    return [list(read_events(folder)), last_scalars(folder), count_events(folder), columns, scan_log(folder).events]


def test_a_compacted_log_reads_the_same(tmp_path: Path) -> None:
    log = EventLog(tmp_path, segment_bytes=256 << 10)
    for number in range(20_000):
        log.scalars(loss=math.sin(number), **{f"k{number % 7}": number})
    log.scalars(bad=None)
    write_notes(log, ["a", "b" * 300_000, "c"])
    log.close()
    before = everything(tmp_path)
    report = compact(tmp_path)
    assert {path.suffix for path in tmp_path.iterdir()} == {".segz"}
    assert everything(tmp_path) == before
    assert report.bytes_after < 14 * 40_000 < report.bytes_before
    assert compact(tmp_path) == (0, 0, 0, ())


def test_compaction_leaves_what_is_written_alone(tmp_path: Path) -> None:
    log = EventLog(tmp_path, segment_bytes=64 << 10)
    for number in range(4000):
        log.scalars(x=number)
    compact(tmp_path)
    for number in range(4000, 8000):
        log.scalars(x=number)
    assert values(tmp_path) == list(range(8000))
    assert len(list(tmp_path.glob("*.segz"))) == 2


def test_a_dead_log_is_compacted_wholly(tmp_path: Path) -> None:
    written(tmp_path, is_closed=False)
    before = everything(tmp_path)
    compact(tmp_path, only_sealed=False)
    assert list(tmp_path.glob("*.seg")) == []
    assert everything(tmp_path) == before


def test_holes_stay_holes(tmp_path: Path) -> None:
    written(tmp_path, is_closed=False)
    alter(only_segment(tmp_path, "scalars"), HEADER_BYTES + 80, bytes(40))
    compact(tmp_path, only_sealed=False)
    assert (values(tmp_path), scan_log(tmp_path).holes) == ([0, 1, 3, 4, 5], 1)


def test_a_damaged_segment_is_kept_as_it_is(tmp_path: Path) -> None:
    written(tmp_path)
    path = only_segment(tmp_path, "scalars")
    alter(path, HEADER_BYTES + 35)
    assert compact(tmp_path).kept == (path.name,)
    assert path.exists()


def test_where_both_are_there_the_raw_one_is_read(tmp_path: Path) -> None:
    written(tmp_path)
    path = only_segment(tmp_path, "notes")
    raw = path.read_bytes()
    compact(tmp_path)
    path.write_bytes(raw)
    path.with_suffix(".segz").write_bytes(b"half")
    assert notes(tmp_path) == TEXTS
    assert scan_log(tmp_path).damages == ()
    compact(tmp_path)
    assert (path.exists(), notes(tmp_path)) == (False, TEXTS)


@pytest.mark.parametrize("function", ["fsync", "replace"])
def test_a_compaction_that_fails_leaves_the_log(tmp_path: Path, function: str, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path)
    with monkeypatch.context() as patch:
        fail(patch, function, 28)
        with pytest.raises(StorageError):
            compact(tmp_path)
    assert {path.suffix for path in tmp_path.iterdir()} == {".seg"}
    assert notes(tmp_path) == TEXTS


def test_a_damaged_block_is_told_and_the_others_read(tmp_path: Path) -> None:
    log = EventLog(tmp_path)
    for number in range(12_000):
        log.scalars(x=math.sin(number))
    log.close()
    compact(tmp_path)
    path = sorted(tmp_path.glob("*-scalars-*"))[1]
    whole = len(values(tmp_path))
    alter(path, HEADER_BYTES + 500)
    (damage,) = scan_log(tmp_path).damages
    assert (damage.file, damage.offset) == (path.name, HEADER_BYTES)
    assert whole - 4096 <= len(values(tmp_path)) < whole


def test_a_log_can_be_resumed_when_it_was_compacted(tmp_path: Path) -> None:
    written(tmp_path).close()
    compact(tmp_path)
    log = EventLog(tmp_path)
    log.scalars(x=6)
    write_notes(log, ["n6"])
    assert (values(tmp_path), notes(tmp_path)) == ([0, 1, 2, 3, 4, 5, 6], [*TEXTS, "n6"])
    assert scan_log(tmp_path).gaps == ()


# export


def test_a_line_of_json_for_each_event(tmp_path: Path) -> None:
    clock = FakeClock(wall_ns=1_000, monotonic_ns=500)
    log = EventLog(tmp_path, clock=clock.clock)
    log.append(Kind.STEP, {"id": "é"})
    clock.pass_time(1e-6)
    log.scalars(**{'a"b': 0.1})
    log.close()
    out = io.StringIO()
    assert export_jsonl(tmp_path, out) == 2
    assert out.getvalue().splitlines() == [
        r'{"writer":"main","stream":"control","sequence":1,"wallNs":1000,"monotonicNs":500,"kind":"step",'
        r'"data":{"id":"\u00e9"}}',
        r'{"writer":"main","stream":"scalars","sequence":1,"wallNs":2000,"monotonicNs":1500,"kind":"scalar",'
        r'"data":{"name":"a\"b","row":0,"value":0.1}}',
    ]


@pytest.mark.parametrize(
    ("value", "text"), [(math.nan, "NaN"), (math.inf, "Infinity"), (-math.inf, "-Infinity"), (1e300, 1e300)]
)
def test_lines_are_json_whatever_the_value(tmp_path: Path, value: float, text: object) -> None:
    log = EventLog(tmp_path)
    log.scalars(x=value)
    export_jsonl(tmp_path, tmp_path / "out.jsonl")
    refuse: Callable[[str], object] = pytest.fail
    line = json.loads((tmp_path / "out.jsonl").read_text(), parse_constant=refuse)
    assert line["data"]["value"] == text


def test_an_export_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path)
    fail(monkeypatch, "replace", 28)
    with pytest.raises(StorageError):
        export_jsonl(tmp_path, tmp_path / "out.jsonl")
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".seg"] * 3


def test_kinds_of_later_versions_are_shown_by_number(tmp_path: Path) -> None:
    log = EventLog(tmp_path)
    log._streams["control"].append(77, b'{"a":1}')
    export_jsonl(tmp_path, tmp_path / "out.jsonl")
    assert json.loads((tmp_path / "out.jsonl").read_text())["kind"] == "kind_77"
    assert os.listdir(tmp_path)
