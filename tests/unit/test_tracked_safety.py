"""The tracker never hurts its host: what it can not do is counted, told once, and let out only in strict mode."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from inspect import signature
from pathlib import Path
from typing import Any

import pytest

import flowtime
from flowtime.errors import ParameterError, StorageError
from flowtime.tracking import NullRun, TrackedRun, read_record
from flowtime.tracking.guard import Guard
from flowtime.tracking.live.keeper import ClockWatch
from flowtime.tracking.live.live_page import LivePageWriter, read_live
from trackerfakes import FakeClock, begun, begun_at, document, step_of

HEAVY = {"numpy", "psutil", "msgspec", "orjson", "pynvml", "sqlite3", "asyncio", "logging", "filelock", "numba"}


class Broken:
    """A value of the host that can be made neither text nor number."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.fixture
def wrong_root(tmp_path: Path) -> Path:
    """A root that can not be made: its parent is a file.  (Root may write into read-only folders.)"""
    (tmp_path / "file").write_text("")
    return tmp_path / "file" / "runs"


def loaded_after(program: str) -> set[str]:
    report = "; import sys; print('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program + report], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "program",
    [
        pytest.param("import flowtime.tracking; flowtime.tracking.track", id="the import"),
        pytest.param("import flowtime; flowtime.track('x', enabled=False).log(a=1)", id="a tracker that is off"),
        pytest.param(
            "import sys, flowtime; r = flowtime.track('x', root=sys.argv[0] + 'r', sample=False).start();"
            "r.log(a=1); r.step('a').__enter__()",
            id="a run that goes on",
        ),
    ],
)
def test_a_tracked_program_loads_the_standard_library_only(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert not {name.partition(".")[0] for name in loaded_after(program)} & HEAVY


def test_a_root_that_can_not_be_written_gives_a_run_that_records_nothing(
    wrong_root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="flowtime.tracking"), flowtime.track("demo", root=wrong_root) as run:
        with run.step("a") as step:
            assert list(step.progress(range(2))) == [0, 1]
        run.log(loss=1.0)
        run.summary["x"] = 1
    assert isinstance(run, NullRun)
    assert [record.getMessage()[:24] for record in caplog.records] == ["the run is not tracked: "]


def test_strict_mode_says_that_a_root_can_not_be_written(wrong_root: Path) -> None:
    with pytest.raises(StorageError):
        flowtime.track("demo", root=wrong_root, strict=True).start()


@pytest.mark.parametrize("how", ["argument", "environment"])
def test_a_tracker_that_is_off_touches_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    monkeypatch.setenv("FLOWTIME_TRACKER", "off" if how == "environment" else "")
    tracking = flowtime.track("demo", root=tmp_path / "runs", enabled=how == "environment")
    with tracking as run, run.step("a", total=3) as step:
        step.advance()
        step.total = 4
        run.note("x")
        run.skip("b")
    assert not (tmp_path / "runs").exists()
    assert tracking(len) is len
    assert not run.is_enabled


@pytest.mark.parametrize("name", ["note", "step", "is_done", "skip", "artifact", "performance", "subscribe"])
def test_a_tracker_that_is_off_takes_the_same_arguments(name: str) -> None:
    on, off = (list(signature(getattr(kind, name)).parameters) for kind in (TrackedRun, NullRun))
    assert on == off


def test_calls_with_nonsense_are_counted_and_hurt_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    nonsense: Any = Broken()
    with caplog.at_level(logging.WARNING, logger="flowtime.tracking"), begun(tmp_path, strict=False) as run:
        run.log(loss=nonsense)
        run.note(nonsense)
        run.skip(nonsense)
        run.artifact(nonsense)
        with run.step(nonsense):
            run.log(fine=1.0)
    record = read_record(run.folder or tmp_path)
    assert (record.status, record.dropped) == ("completed", 5)
    assert len(caplog.records) == 1
    assert record.end is not None
    assert "not all was recorded" in (record.end.reason or "")


def test_strict_mode_lets_errors_out(tmp_path: Path) -> None:
    with begun(tmp_path) as run:
        with pytest.raises(RuntimeError, match="no text"):
            run.note(Broken())  # type: ignore[arg-type]
        with pytest.raises(ParameterError):
            run.skip("")


def test_strict_mode_lets_errors_of_the_keeper_out_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowtime.tracking.live.pulse.Pulse.beat", lambda _self: no_room())
    run = begun(tmp_path)
    deadline = time.monotonic() + 5.0
    while not run._keeper_guard.dropped and time.monotonic() < deadline:
        time.sleep(0.01)
    with pytest.raises(OSError, match="No space left"):
        run.finish()
    assert document(run)["status"] == "completed"


def test_errors_of_the_host_pass_through_a_guard() -> None:
    guard = Guard(strict=False)
    with pytest.raises(KeyboardInterrupt), guard:
        raise KeyboardInterrupt
    with guard:
        raise OSError("ours")
    assert (guard.dropped, guard.reason) == (1, "OSError: ours")


def test_a_subscriber_that_raises_costs_no_step(tmp_path: Path) -> None:
    def failing(_kind: str, _payload: object) -> None:
        raise ValueError("theirs")

    with begun(tmp_path) as run:
        run.subscribe(failing)
        for _ in range(5):
            with run.step("a"):
                pass
    assert step_of(run, "a")["attempts"] == 5


def test_a_full_disk_at_the_end_leaves_the_status_on_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = begun(tmp_path, strict=False)
    monkeypatch.setattr("flowtime.storage.atomic.write_chunks", no_room)
    run.finish("failed", reason="x")
    monkeypatch.undo()
    end = read_live(run.folder or tmp_path).end
    assert end is not None
    assert (end.status, document(run)["status"], run.status) == ("failed", "running", "failed")


def no_room(*_arguments: object, **_options: object) -> int:
    raise OSError(28, "No space left on device")


def test_a_run_that_can_not_begin_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowtime.storage.atomic.write_chunks", no_room)
    with pytest.raises(StorageError, match="no room"):
        begun(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_wall_clock_that_is_set_back_changes_no_duration(tmp_path: Path) -> None:
    clock = FakeClock()
    run = begun_at(tmp_path, clock)
    with run.step("a"):
        clock.pass_s(2.0)
        clock.wall_s -= 3600.0
    run.finish()
    found = document(run)
    assert (step_of(run, "a")["durationSeconds"], found["elapsedSeconds"]) == (2.0, 2.0)
    assert found["completedUtc"] < found["createdUtc"]


@pytest.mark.parametrize("jump_s", [3600.0, -3600.0, 1.5])
def test_a_jump_of_the_wall_clock_is_noticed_once(jump_s: float) -> None:
    clock = FakeClock()
    watch = ClockWatch(clock.clock)
    clock.pass_s(100.0)
    assert watch.jump_s() is None
    clock.wall_s += jump_s
    assert watch.jump_s() == pytest.approx(jump_s)
    assert watch.jump_s() is None


def test_the_page_shows_the_last_whole_beat_and_the_first_end(tmp_path: Path) -> None:
    (tmp_path / "tracking").mkdir()
    page = LivePageWriter(tmp_path / "tracking" / "live.bin")
    assert read_live(tmp_path) == (None, None)
    for number in range(5):
        page.beat({"wallNs": number, "monotonicNs": 1, "step": "ä" * 3000, "done": number})
    assert [page.mark_end(status, None, 7) for status in ("failed", "completed")] == [True, False]
    beat, end = read_live(tmp_path)
    assert beat is not None
    assert (beat.number, beat.wall_ns, beat.done, len(beat.step or "")) == (5, 4, 4, 64)
    assert end == ("failed", None, 7)


@pytest.fixture(params=[0, 64, 70, 100, 1536, 1600])
def torn_page(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A page with two beats, one byte of which was changed."""
    (tmp_path / "tracking").mkdir()
    path = tmp_path / "tracking" / "live.bin"
    page = LivePageWriter(path)
    for number in (1, 2):
        page.beat({"wallNs": number, "monotonicNs": 1, "step": "a" * 100})
    page.close()
    data = bytearray(path.read_bytes())
    data[request.param] ^= 0xFF
    path.write_bytes(data)
    return tmp_path


def test_a_torn_page_never_shows_a_wrong_beat(torn_page: Path) -> None:
    beat = read_live(torn_page).beat
    assert beat is None or (beat.number == beat.wall_ns and beat.step == "a" * 100)


def test_what_is_no_page_shows_nothing(tmp_path: Path) -> None:
    assert read_live(tmp_path) == (None, None)
    (tmp_path / "tracking").mkdir()
    for content in (b"", b"x" * 5000, os.urandom(4096)):
        (tmp_path / "tracking" / "live.bin").write_bytes(content)
        assert read_live(tmp_path) == (None, None)
