"""The event log as its writer sees it: what is taken, what is dropped and why, and what other sessions find."""

from __future__ import annotations

import errno
import gc
import math
import os
import signal
import threading
import time
from decimal import Decimal
from fractions import Fraction
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from diskfakes import count_calls, fail
from flowtime.errors import ParameterError
from flowtime.tracking.log.event_log import DROPPED, QUEUED, EventLog
from flowtime.tracking.log.event_reader import read_events
from flowtime.tracking.log.flusher import Flusher
from flowtime.tracking.log.log_format import Kind
from flowtime.tracking.log.log_report import count_events, scan_log
from flowtime.tracking.log.scalar_reader import last_scalars, read_scalars
from trackfakes import FakeClock, FullDisk, notes, scalars, values, write_notes


class Moody:
    """A value whose number is nobody's business."""

    def __float__(self) -> float:
        raise RuntimeError("not today")


class Nosy:
    """A value that logs another value when it is asked for its number."""

    def __init__(self, log: EventLog) -> None:
        self.log = log

    def __float__(self) -> float:
        self.log.scalars(inner=1.0)
        return 2.0


NUMBERS = [
    pytest.param(0.5, 0.5, id="float"),
    pytest.param(3, 3.0, id="int"),
    pytest.param(True, 1.0, id="bool"),
    pytest.param(np.float32(0.25), 0.25, id="float32"),
    pytest.param(np.int64(-7), -7.0, id="int64"),
    pytest.param(np.array(4.0), 4.0, id="array of no dimension"),
    pytest.param(Decimal("1.5"), 1.5, id="decimal"),
    pytest.param(Fraction(1, 4), 0.25, id="fraction"),
    pytest.param(math.inf, math.inf, id="infinity"),
    pytest.param(-math.inf, -math.inf, id="minus infinity"),
    pytest.param(5e-324, 5e-324, id="smallest"),
]

NO_NUMBERS = [
    pytest.param(None, "a NoneType is no number", id="none"),
    pytest.param("1.0", "a str is no number", id="text"),
    pytest.param(b"1.0", "a bytes is no number", id="bytes"),
    pytest.param(10**400, "an integer too large for a float", id="huge integer"),
    pytest.param([1.0], "a list is no number", id="list"),
    pytest.param(1j, "a complex is no number", id="complex"),
    pytest.param(np.array([1.0, 2.0]), "a ndarray is no number", id="array"),
    pytest.param(Moody(), "a Moody would not become a number: RuntimeError", id="raises"),
]


@pytest.mark.parametrize(("value", "number"), NUMBERS)
def test_numbers_of_all_sorts_are_logged(tmp_path: Path, value: Any, number: float) -> None:
    log = EventLog(tmp_path)
    log.scalars(first=0.0)
    log.scalars(x=value)
    assert values(tmp_path) == [0.0, number]
    assert log.counts == (2, 2, 0, None)


def test_not_a_number_is_a_number(tmp_path: Path) -> None:
    log = EventLog(tmp_path)
    log.scalars(x=math.nan)
    assert math.isnan(values(tmp_path)[0])


@pytest.mark.parametrize(("value", "reason"), NO_NUMBERS)
def test_what_is_no_number_is_dropped_and_the_rest_of_the_call_is_not(tmp_path: Path, value: Any, reason: str) -> None:
    log = EventLog(tmp_path)
    log.scalars(a=1.0, b=2.0)
    log.scalars(a=3.0, x=value, b=4.0)
    log.scalars(x=value)
    assert values(tmp_path) == [1.0, 2.0, 3.0, 4.0]
    assert log.drops() == {reason: 2}
    assert scan_log(tmp_path).holes == 0
    assert count_events(tmp_path) == log.counts.events == 4


def test_one_call_is_one_row(tmp_path: Path) -> None:
    log = EventLog(tmp_path)
    log.scalars(a=1, b=2)
    log.scalars(a=3)
    assert [(event.data["name"], event.data["row"]) for event in scalars(tmp_path)] == [("a", 0), ("b", 0), ("a", 1)]


NAMES = [
    pytest.param("x" * 500, True, id="500 letters"),
    pytest.param("x" * 501, False, id="501 letters"),
    pytest.param("", True, id="empty"),
    pytest.param("Verlust/Straße \U0001f600", True, id="not ascii"),
    pytest.param("\ud800", True, id="half a pair"),
    pytest.param("self", True, id="self"),
    pytest.param('a"b\\\n\x00', True, id="odd letters"),
]


@pytest.mark.parametrize(("name", "is_taken"), NAMES)
def test_names_of_keys(tmp_path: Path, name: str, is_taken: bool) -> None:
    log = EventLog(tmp_path)
    log.scalars(**{name: 1.0})
    assert [event.data["name"] for event in scalars(tmp_path)] == [name] * is_taken
    assert log.counts.dropped == (not is_taken)


def test_a_name_that_was_lost_is_shown_by_its_number(tmp_path: Path) -> None:
    log = EventLog(tmp_path)
    log.scalars(loss=1.0)
    next(tmp_path.glob("*-names-*")).unlink()
    assert [event.data["name"] for event in scalars(tmp_path)] == ["key_1"]
    assert list(last_scalars(tmp_path)) == ["key_1"]


def test_records_have_sequences_of_their_stream(tmp_path: Path) -> None:
    log = EventLog(tmp_path)
    given = [log.append(Kind.RUN, {}), log.append(Kind.STEP, {}), log.append(Kind.NOTE, {}), log.append(Kind.STEP, {})]
    assert given == [1, 2, 1, 3]
    assert [(event.kind, event.sequence) for event in read_events(tmp_path, streams={"control"})] == [
        (Kind.RUN, 1),
        (Kind.STEP, 2),
        (Kind.STEP, 3),
    ]


DATA = [
    pytest.param({"a": [1, {"b": None}]}, {"a": [1, {"b": None}]}, id="nested"),
    pytest.param({"a": math.nan, "b": [math.inf, 1.5]}, {"a": None, "b": [None, 1.5]}, id="no json numbers"),
    pytest.param({"a": np.float64(1.5), "b": np.int64(2)}, {"a": 1.5, "b": 2.0}, id="numpy"),
    pytest.param({"a": Path("x")}, {"a": "x"}, id="path"),
    pytest.param({"a": "\ud800é"}, {"a": "\ud800é"}, id="half a pair"),
]


@pytest.mark.parametrize(("data", "read"), DATA)
def test_data_of_records(tmp_path: Path, data: dict[str, object], read: dict[str, object]) -> None:
    log = EventLog(tmp_path)
    assert log.append(Kind.ADVICE, data) == 1
    assert [event.data for event in read_events(tmp_path)] == [read]


def test_data_that_holds_itself_is_dropped(tmp_path: Path) -> None:
    log = EventLog(tmp_path)
    data: dict[str, object] = {}
    data["self"] = data
    assert log.append(Kind.NOTE, data) == DROPPED
    assert log.counts.dropped == 1
    assert "nested" in str(log.counts.dropped_reason)


def test_a_record_larger_than_a_segment_gets_its_own(tmp_path: Path) -> None:
    log = EventLog(tmp_path, segment_bytes=16 << 10)
    texts = ["small", "x" * 5_000_000, "after"]
    write_notes(log, texts)
    log.close()
    assert notes(tmp_path) == texts
    assert scan_log(tmp_path).gaps == ()


def test_a_record_over_16_mib_is_dropped(tmp_path: Path) -> None:
    log = EventLog(tmp_path)
    write_notes(log, ["x" * (16 << 20), "small"])
    assert notes(tmp_path) == ["small"]
    assert "is over 16777215" in str(log.counts.dropped_reason)


@pytest.mark.parametrize("kind", [Kind.SCALAR, Kind.CARRY, Kind.VOID, 99])
def test_kinds_that_can_not_be_appended_are_refused(tmp_path: Path, kind: int) -> None:
    log = EventLog(tmp_path)
    with pytest.raises(ParameterError):
        log.append(kind, {})


REFUSED = [
    pytest.param({"writer": "Main"}, id="upper case"),
    pytest.param({"writer": "../x"}, id="path"),
    pytest.param({"writer": "x" * 17}, id="long"),
    pytest.param({"writer": ""}, id="empty"),
    pytest.param({"durability": "none"}, id="durability"),
    pytest.param({"segment_bytes": 100}, id="small"),
]


@pytest.mark.parametrize("options", REFUSED)
def test_options_that_can_not_be_are_refused(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(ParameterError):
        EventLog(tmp_path, **options)


def test_nothing_is_made_before_something_is_logged(tmp_path: Path) -> None:
    EventLog(tmp_path).close()
    assert list(tmp_path.iterdir()) == []


def test_segments_grow_and_are_cut_when_sealed(tmp_path: Path) -> None:
    log = EventLog(tmp_path, segment_bytes=256 << 10)
    for number in range(20_000):
        log.scalars(x=number)
    first, second, *_, last = sorted(tmp_path.glob("*-scalars-*"))
    log.close()
    report = scan_log(tmp_path)
    assert second.stat().st_size > first.stat().st_size
    assert last.stat().st_size < 256 << 10
    assert report.bytes <= 42 * 20_000 + 4096
    assert all(segment.is_sealed for segment in report.segments)


def test_after_close_all_is_dropped_and_the_files_stay(tmp_path: Path) -> None:
    log = EventLog(tmp_path)
    log.scalars(x=1)
    write_notes(log, ["a"])
    log.close()
    log.close()
    log.scalars(x=2)
    write_notes(log, ["b"])
    assert (values(tmp_path), notes(tmp_path)) == ([1.0], ["a"])
    assert log.drops() == {"the log is closed": 2}
    assert log.counts == (2, 1, 2, "the log is closed")


def test_the_callable_stays_the_same_through_segments(tmp_path: Path) -> None:
    log = EventLog(tmp_path, segment_bytes=64 << 10)
    call = log.scalars
    for number in range(5000):
        call(x=number)
    assert call is log.scalars
    assert values(tmp_path) == list(range(5000))


def test_resuming_goes_on_with_sequence_rows_and_keys(tmp_path: Path) -> None:
    first = EventLog(tmp_path)
    first.scalars(a=1, b=2)
    write_notes(first, ["one"])
    first.close()
    second = EventLog(tmp_path)
    second.scalars(b=3, c=4)
    write_notes(second, ["two"])
    events = scalars(tmp_path)
    names = [event.data["name"] for event in events]
    assert (first.is_resumed, second.is_resumed) == (False, True)
    assert (names, [event.data["row"] for event in events]) == (["a", "b", "b", "c"], [0, 0, 1, 1])
    assert second.counts == (6, 4, 0, None)
    assert {name: last[:2] for name, last in last_scalars(tmp_path).items()} == {
        "a": (1.0, 0),
        "b": (3.0, 1),
        "c": (4.0, 1),
    }


def test_a_resumed_log_has_no_gaps(tmp_path: Path) -> None:
    for session in range(4):
        log = EventLog(tmp_path)
        log.scalars(x=session, y=session)
        write_notes(log, [str(session)])
        log.close()
    report = scan_log(tmp_path)
    assert (report.gaps, report.damages, report.holes) == ((), (), 0)
    assert (report.events, count_events(tmp_path)) == (12, 12)


def test_the_last_values_survive_sessions_that_do_not_log_them(tmp_path: Path) -> None:
    clock = FakeClock()
    log = EventLog(tmp_path, clock=clock.clock)
    log.scalars(rare=7)
    log.close()
    clock.monotonic_ns = 1  # another boot
    clock.wall_ns += 10**9
    second = EventLog(tmp_path, clock=clock.clock, segment_bytes=64 << 10)
    for number in range(10_000):
        second.scalars(often=number)
    assert last_scalars(tmp_path)["rare"] == (7.0, 0, 1_700_000_000_000_000_000)
    assert last_scalars(tmp_path)["often"][:2] == (9999.0, 10_000)


def test_the_wall_clock_of_scalars_does_not_jump(tmp_path: Path) -> None:
    clock = FakeClock()
    log = EventLog(tmp_path, clock=clock.clock)
    log.scalars(x=1)
    clock.set_wall(-3600)
    clock.pass_time(2)
    log.scalars(x=2)
    first, second = scalars(tmp_path)
    assert second.wall_ns - first.wall_ns == 2 * 10**9


def test_a_full_disk_drops_and_room_brings_the_log_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, disk = FakeClock(), FullDisk(monkeypatch)
    log = EventLog(tmp_path, clock=clock.clock)
    log.scalars(x=1)
    write_notes(log, ["a"])
    disk.has_room = True
    log.scalars(x=2)  # asked too soon
    clock.pass_time(0.2)
    log.scalars(x=3)
    write_notes(log, ["b"])
    assert (values(tmp_path), notes(tmp_path)) == ([3.0], ["b"])
    assert log.counts == (2, 1, 3, os.strerror(28))
    assert scan_log(tmp_path).gaps == ()


def test_a_disk_that_fills_up_at_a_rotation_loses_only_what_came_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, disk = FakeClock(), FullDisk(monkeypatch)
    disk.has_room = True
    log = EventLog(tmp_path, clock=clock.clock, segment_bytes=64 << 10)
    log.scalars(rare=-1)
    for number in range(1000):
        log.scalars(x=number)
    disk.has_room = False
    for number in range(1000, 3000):
        log.scalars(x=number)
    disk.has_room = True
    clock.pass_time(5)
    log.scalars(x=3000)
    log.close()
    report = scan_log(tmp_path)
    assert report.scalars + log.counts.dropped == 3002
    assert values(tmp_path)[-1] == 3000
    assert (report.gaps, report.holes, report.damages) == ((), 0, ())
    assert last_scalars(tmp_path)["rare"][0] == -1


def test_a_full_disk_is_not_asked_at_every_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = FullDisk(monkeypatch)
    log = EventLog(tmp_path)
    for number in range(1000):
        log.scalars(x=number)
    assert log.counts.dropped == 1000
    assert disk.asked <= 10


def test_a_full_disk_leaves_no_empty_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    FullDisk(monkeypatch)
    EventLog(tmp_path).scalars(x=1)
    assert list(tmp_path.iterdir()) == []


def test_without_posix_fallocate_zeros_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "posix_fallocate", raising=False)
    log = EventLog(tmp_path)
    log.scalars(x=1)
    (path,) = tmp_path.glob("*-scalars-*")
    assert path.stat().st_blocks * 512 >= 64 << 10
    assert values(tmp_path) == [1.0]


def test_a_folder_that_is_gone_only_drops(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "gone")
    log.scalars(x=1)
    assert log.append(Kind.NOTE, {}) == DROPPED
    assert log.counts[2:] == (2, os.strerror(2))


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.EMFILE], ids=["read-only", "denied", "too many"])
def test_a_folder_that_takes_no_files_only_drops(tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    log = EventLog(tmp_path)
    fail(monkeypatch, "open", number)
    log.scalars(x=1)
    assert log.append(Kind.NOTE, {}) == DROPPED
    assert log.counts[2:] == (2, os.strerror(number))


def test_a_strict_mode_can_be_made_of_the_drops(tmp_path: Path) -> None:
    def refuse(reason: str) -> None:
        raise ValueError(reason)

    log = EventLog(tmp_path, on_drop=refuse)
    with pytest.raises(ValueError, match="a str is no number"):
        log.scalars(x="1")
    with pytest.raises(ValueError, match="16777215"):
        write_notes(log, ["x" * (16 << 20)])
    log.scalars(x=1)
    assert values(tmp_path) == [1.0]


def test_a_value_may_log_while_it_is_asked_for_its_number(tmp_path: Path) -> None:
    log = EventLog(tmp_path)
    for _ in range(3):
        log.scalars(x=Nosy(log))
    columns = read_scalars(tmp_path)
    assert list(columns["x"].values) == [2.0] * 3
    assert len(columns["inner"].values) >= 3
    assert scan_log(tmp_path).holes == 0


def test_threads_share_a_log(tmp_path: Path) -> None:
    log = EventLog(tmp_path, segment_bytes=128 << 10)

    def work(number: int) -> None:
        for value in range(3000):
            log.scalars(**{f"t{number}": value, "shared": number})
            log.append(Kind.NOTE, {"t": number, "n": value})

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close()
    columns, report = read_scalars(tmp_path), scan_log(tmp_path)
    assert [list(columns[f"t{number}"].values) for number in range(4)] == [list(range(3000))] * 4
    assert len(columns["shared"].values) == 12_000
    assert (report.events, report.gaps, report.holes, report.damages) == (36_000, (), 0, ())
    assert log.counts == (36_000, 24_000, 0, None)


def test_a_log_may_be_closed_while_threads_log(tmp_path: Path) -> None:
    log = EventLog(tmp_path)
    started = threading.Barrier(3)

    def work() -> None:
        started.wait()
        for value in range(20_000):
            log.scalars(x=value)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    started.wait()
    log.close()
    for thread in threads:
        thread.join()
    report = scan_log(tmp_path)
    assert report.scalars + log.counts.dropped == 40_000
    assert report.damages == ()


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="Windows has no timer signals")
def test_a_signal_handler_may_log_at_any_instant(tmp_path: Path) -> None:
    log = EventLog(tmp_path, segment_bytes=64 << 10)
    handled = count()  # a handler may come in while another runs

    def handle(*_: object) -> None:
        number = next(handled)
        log.scalars(handled=number, **{f"key{number % 50}": 1})
        log.append(Kind.NOTE, {"handled": number})

    previous = signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.0005)
    try:
        for value in range(30_000):
            log.scalars(x=value)
            log.append(Kind.NOTE, {"main": value})
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    log.close()
    columns, report = read_scalars(tmp_path), scan_log(tmp_path)
    found = [event.data for event in read_events(tmp_path, streams={"notes"})]
    calls = list(range(next(handled)))
    assert sorted(columns["handled"].values) == calls
    assert sorted(data["handled"] for data in found if "handled" in data) == calls
    assert [data["main"] for data in found if "main" in data] == list(range(30_000))
    assert (report.gaps, report.holes, report.damages) == ((), 0, ())


def test_an_append_within_an_append_is_queued_and_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = EventLog(tmp_path)
    stream = log._streams["notes"]
    write, given = stream._write, []

    def interrupted(entry: Any) -> None:
        if not given:
            given.append(log.append(Kind.NOTE, {"level": "info", "text": "inner"}))
        write(entry)

    monkeypatch.setattr(stream, "_write", interrupted)
    write_notes(log, ["outer"])
    assert given == [QUEUED]
    assert notes(tmp_path) == ["outer", "inner"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows does not fork")
def test_a_forked_child_that_abandons_the_log_writes_nothing(tmp_path: Path) -> None:
    log = EventLog(tmp_path)
    log.scalars(x=1)
    write_notes(log, ["parent"])
    child = os.fork()
    if child == 0:
        log.abandon()
        log.scalars(x=2, y=3)
        write_notes(log, ["child"])
        log.flush()
        log.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    log.scalars(x=4)
    assert (values(tmp_path), notes(tmp_path)) == ([1.0, 4.0], ["parent"])
    assert scan_log(tmp_path).damages == ()


def test_a_child_writer_has_its_own_segments(tmp_path: Path) -> None:
    main, child = EventLog(tmp_path), EventLog(tmp_path, writer="p12-ab3f")
    main.scalars(loss=1)
    child.scalars(other=2, loss=3)
    main.scalars(loss=4)
    assert [(event.writer, event.data["value"]) for event in scalars(tmp_path)] == [
        ("main", 1.0),
        ("p12-ab3f", 2.0),
        ("p12-ab3f", 3.0),
        ("main", 4.0),
    ]
    assert list(read_scalars(tmp_path)["loss"].values) == [1.0, 3.0, 4.0]
    assert last_scalars(tmp_path)["loss"][0] == 4.0
    assert (main.counts.events, child.counts.events, count_events(tmp_path)) == (2, 2, 4)


@pytest.mark.parametrize(("durability", "is_synced"), [("process", False), ("batch", False), ("power", True)])
def test_control_records_are_on_the_disk_at_return_with_power(
    tmp_path: Path, durability: str, is_synced: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Flusher, "_run", lambda _self: None)
    log = EventLog(tmp_path, durability=durability)
    calls = count_calls(monkeypatch, "fsync", "fdatasync")
    log.append(Kind.STEP, {"id": "a"})
    assert bool(calls.total()) == is_synced
    log.close()


@pytest.mark.parametrize(("durability", "is_synced"), [("process", False), ("batch", True), ("power", True)])
def test_all_is_on_the_disk_within_a_moment(
    tmp_path: Path, durability: str, is_synced: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = count_calls(monkeypatch, "fsync", "fdatasync")
    log = EventLog(tmp_path, durability=durability)
    log.scalars(x=1)
    time.sleep(0.3)
    assert bool(calls.total()) == is_synced
    log.close()


def test_flush_syncs_sealed_segments_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = EventLog(tmp_path, segment_bytes=64 << 10)
    for number in range(5000):
        log.scalars(x=number)
    files = len(list(tmp_path.iterdir()))
    calls = count_calls(monkeypatch, "fsync", "fdatasync")
    log.flush()
    assert calls.total() >= files


def test_many_keys_carry_their_last_values(tmp_path: Path) -> None:
    log = EventLog(tmp_path, segment_bytes=64 << 10)
    log.scalars(**{f"k{number}": number for number in range(900)})
    for number in range(10_000):
        log.scalars(x=number)
    last = last_scalars(tmp_path)
    assert [last[f"k{number}"][0] for number in range(900)] == list(range(900))
    assert last["x"][0] == 9999
    assert count_events(tmp_path) == log.counts.events == 10_900
    assert len(scalars(tmp_path)) == 10_900


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="open files are counted where /proc tells them")
def test_logs_that_are_forgotten_leave_no_file_open(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for number in range(20):
        log = EventLog(tmp_path, writer=f"w{number}")
        log.scalars(x=1)
        write_notes(log, ["a"])
    del log
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) <= before + 3
