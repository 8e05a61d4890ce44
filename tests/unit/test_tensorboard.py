"""Mirroring a run for TensorBoard, read back byte by byte and by the classes of tensorboardX."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

import flowtime
from flowtime.cli import main
from flowtime.errors import RunNotFoundError, StorageError
from flowtime.tracking import track_child
from flowtime.tracking.tensorboard import mirror_tensorboard
from flowtime.tracking.tensorboard_file import file_head, scalar_event, text_event

event_pb2 = pytest.importorskip("tensorboardX.proto.event_pb2", reason="tensorboardX is not installed")
record_writer = pytest.importorskip("tensorboardX.record_writer", reason="tensorboardX is not installed")


class Shown(NamedTuple):
    """One value as TensorBoard would show it."""

    tag: str
    value: float | str
    step: int
    wall_time: float


def records(data: bytes) -> list[Any]:
    """Split a file as TensorBoard does, checksums and all."""
    events, at = [], 0
    while at < len(data):
        (size,) = struct.unpack_from("<Q", data, at)
        length, event = data[at : at + 8], data[at + 12 : at + 12 + size]
        crcs = struct.unpack_from("<I", data, at + 8) + struct.unpack_from("<I", data, at + 12 + size)
        assert crcs == (record_writer.masked_crc32c(length), record_writer.masked_crc32c(event))
        events.append(event_pb2.Event.FromString(event))
        at += 16 + size
    return events


def shown(place: Path) -> list[Shown]:
    (path,) = place.glob("events.out.tfevents.*")
    head, *events = records(path.read_bytes())
    assert head.file_version == "brain.Event:2"
    return [
        Shown(value.tag, value.tensor.string_val[0].decode() if value.HasField("tensor") else value.simple_value,
              event.step, event.wall_time)
        for event in events for value in event.summary.value
    ]  # fmt: skip


def tracked(root: Path, figures: int = 3) -> Path:
    with flowtime.track("p", steps=["a", ("b", "Step B")], root=root, sample=False, strict=True) as run:
        with run.step("a"):
            for number in range(figures):
                run.log(loss=number / 2, **{"acc/top 1": 1.0})
        run.skip("b", "no data")
        run.note("hello", level="warning")
    assert run.folder is not None
    return run.folder


def of(values: list[Shown], tag: str) -> list[tuple[float | str, int]]:
    return [(value.value, value.step) for value in values if value.tag == tag]


def test_figures_steps_and_texts_are_mirrored(tmp_path: Path) -> None:
    folder = tracked(tmp_path)
    mirror_tensorboard(folder)
    found = shown(folder / "tensorboard")
    assert [value for value, _ in of(found, "loss")] == [0.0, 0.5, 1.0]
    assert of(found, "steps/a") == [(1.0, 0), (0.0, 1)]
    assert [text for text, _ in of(found, "steps/text_summary")][2:] == ["Step B: skipped: no data"]
    assert of(found, "notes/text_summary") == [("warning: hello", 0)]


def test_times_are_those_of_the_run(tmp_path: Path) -> None:
    from flowtime.tracking.log.event_reader import read_events

    folder = tracked(tmp_path)
    mirror_tensorboard(folder)
    times = {value.wall_time for value in shown(folder / "tensorboard")}
    assert times <= {event.wall_ns / 1e9 for event in read_events(folder)}


def test_samples_are_mirrored(tmp_path: Path) -> None:
    with flowtime.track("p", root=tmp_path) as run:
        pass
    assert run.folder is not None
    mirror_tensorboard(run.folder)
    found = shown(run.folder / "tensorboard")
    assert of(found, "telemetry/memory_rss_mb")[0][0] > 1.0
    assert not of(found, "telemetry/timestamp_ms")


def test_a_second_mirror_adds_nothing(tmp_path: Path) -> None:
    folder = tracked(tmp_path)
    first = mirror_tensorboard(folder)
    size = first.file.stat().st_size
    again = mirror_tensorboard(folder)
    assert (again.scalars, again.texts, again.file.stat().st_size) == (0, 0, size)
    assert first.scalars == 8


def test_a_run_that_goes_on_is_mirrored_on(tmp_path: Path) -> None:
    with flowtime.track("p", root=tmp_path, sample=False) as run:
        for number in range(5):
            run.log(loss=float(number))
            assert run.folder is not None
            mirror_tensorboard(run.folder)
    assert run.folder is not None
    assert mirror_tensorboard(run.folder).status == "completed"
    assert [value for value, _ in of(shown(run.folder / "tensorboard"), "loss")] == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_children_have_tags_of_their_own(tmp_path: Path) -> None:
    with flowtime.track("p", root=tmp_path, sample=False) as run:
        assert run.folder is not None
        with track_child(run.folder) as child:
            child.log(loss=1.0)
    mirror_tensorboard(run.folder)
    tags = {value.tag for value in shown(run.folder / "tensorboard")}
    assert any(tag.startswith(f"p{os.getpid()}-") and tag.endswith("/loss") for tag in tags)


def test_a_logdir_holds_many_runs(tmp_path: Path) -> None:
    one, two = tracked(tmp_path / "runs"), tracked(tmp_path / "runs")
    for folder in (one, two):
        mirror_tensorboard(folder, tmp_path / "logs")
    assert {path.name for path in (tmp_path / "logs").iterdir()} == {one.name, two.name}


@pytest.mark.parametrize("cut", [1, 40, 90, 200])
def test_what_a_killed_mirror_left_is_written_once(tmp_path: Path, cut: int) -> None:
    folder = tracked(tmp_path)
    report = mirror_tensorboard(folder)
    whole = shown(folder / "tensorboard")
    tail = report.file.read_bytes()[-cut:]
    with report.file.open("ab") as file:
        file.write(tail)
    mirror_tensorboard(folder)
    assert shown(folder / "tensorboard") == whole


@pytest.mark.parametrize(
    "harm",
    [
        pytest.param(lambda file: file.unlink(), id="the file is gone"),
        pytest.param(lambda file: os.truncate(file, 10), id="the file is shorter"),
        pytest.param(lambda file: (file.parent / "flowtime-mirror.json").unlink(), id="the mark is gone"),
        pytest.param(lambda file: (file.parent / "flowtime-mirror.json").write_text("{"), id="the mark is torn"),
    ],
)
def test_what_was_harmed_is_made_anew(tmp_path: Path, harm: Any) -> None:
    folder = tracked(tmp_path)
    report = mirror_tensorboard(folder)
    whole = shown(folder / "tensorboard")
    harm(report.file)
    mirror_tensorboard(folder)
    assert shown(folder / "tensorboard") == whole


KILLED = """
import sys, time
from pathlib import Path
from flowtime.tracking import tensorboard
tensorboard._BUFFER_BYTES = 2000
print("ready", flush=True)
tensorboard.mirror_tensorboard(Path(sys.argv[1]))
"""


def test_killed_mirrors_lose_nothing_and_write_nothing_twice(tmp_path: Path) -> None:
    folder = tracked(tmp_path, figures=4000)
    for number in range(12):
        process = subprocess.Popen([sys.executable, "-c", KILLED, str(folder)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.02 * (number + 1))
        process.kill()
        process.wait()
        process.stdout.close()
    mirror_tensorboard(folder)
    assert [value for value, _ in of(shown(folder / "tensorboard"), "loss")] == [number / 2 for number in range(4000)]


def test_following_ends_with_the_run(tmp_path: Path) -> None:
    run = flowtime.track("p", root=tmp_path, sample=False, signals=False).start()
    assert run.folder is not None
    reports = []
    follower = threading.Thread(
        target=lambda: reports.append(mirror_tensorboard(run.folder, follow=True, interval_s=0.02))
    )
    follower.start()
    for number in range(200):
        run.log(loss=float(number))
    run.finish()
    follower.join(20.0)
    assert [report.status for report in reports] == ["completed"]
    assert [value for value, _ in of(shown(run.folder / "tensorboard"), "loss")] == [float(n) for n in range(200)]


def test_two_mirrors_at_once_are_refused(tmp_path: Path) -> None:
    folder = tracked(tmp_path)

    def again(_seconds: float) -> None:
        with pytest.raises(StorageError, match=r"held by another process"):
            mirror_tensorboard(folder)
        document = json.loads((folder / "run.json").read_text())
        (folder / "run.json").write_text(json.dumps({**document, "status": "completed"}))

    document = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**document, "status": "running"}))
    assert mirror_tensorboard(folder, follow=True, sleep=again).status == "completed"


def test_what_is_no_run_can_not_be_mirrored(tmp_path: Path) -> None:
    with pytest.raises(RunNotFoundError):
        mirror_tensorboard(tmp_path)


@given(value=st.floats(width=32), step=st.integers(0, 2**62), wall_ns=st.integers(0, 2**62), tag=st.text(max_size=300))
def test_a_figure_reads_as_it_was_written(value: float, step: int, wall_ns: int, tag: str) -> None:
    (event,) = records(scalar_event(tag, value, step, wall_ns))
    assert (event.step, event.wall_time) == (step, wall_ns / 1e9)
    assert struct.pack("<f", event.summary.value[0].simple_value) == struct.pack("<f", value) or value != value
    assert event.summary.value[0].tag == tag.encode("utf-8", "replace").decode()


@given(text=st.text(max_size=1000), wall_ns=st.integers(0, 2**62))
def test_a_text_reads_as_it_was_written(text: str, wall_ns: int) -> None:
    (event,) = records(text_event("notes", text, 3, wall_ns))
    value = event.summary.value[0]
    assert (value.tensor.string_val[0].decode(), value.metadata.plugin_data.plugin_name) == (text, "text")


def test_figures_too_large_for_tensorboard_are_infinite() -> None:
    events = records(file_head(0) + scalar_event("x", 1e300, 0, 0) + scalar_event("x", -1e300, 0, 0))
    assert [event.summary.value[0].simple_value for event in events[1:]] == [float("inf"), float("-inf")]


def test_the_command_says_what_it_wrote(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tracked(tmp_path)
    assert main(["tensorboard", folder.name, "--runs-dir", str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith("wrote 8 figures and 6 texts to ")
    assert main(["tensorboard", str(folder), "--logdir", str(tmp_path / "logs"), "--follow", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["file"].startswith(str(tmp_path / "logs" / folder.name))
