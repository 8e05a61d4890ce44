"""Log events, counters and histograms: what they write, and what a run tells of itself."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from diskfakes import fill_disk_after
from flowtime.errors import RunConflictError, StorageError, UnsafeNameError
from flowtime.events import (
    EVENTS,
    INSTRUMENTS,
    BoundLog,
    Event,
    JsonLog,
    MemoryLog,
    MemoryMeter,
    Observer,
    SilentLog,
    SilentMeter,
    StandardLog,
)
from runfakes import DAY_ONE, MODEL_TEXT, FakeEngine, a_model, rendered, simulate

PAGE = Path(__file__).resolve().parents[2] / "docs" / "operations" / "logs-and-metrics.md"
RUN_ID = "run_20250101T080000Z_00000001"


class Watched:
    """A run with everything that it told; its timer goes on by a quarter of a second at each look."""

    def __init__(self, root: Path, fails: type[Exception] | None = None, **request: Any) -> None:
        self.log, self.meter = MemoryLog(), MemoryMeter()
        ticks = count()
        observer = Observer(self.log, self.meter, lambda: next(ticks) / 4)
        if fails is None:
            simulate(root, observer=observer, **request)
            return
        with pytest.raises(fails):
            simulate(root, observer=observer, **request)

    @property
    def names(self) -> list[str]:
        return [event.name for event in self.log.events]

    def fields(self, name: str) -> Mapping[str, object]:
        (event,) = (event for event in self.log.events if event.name == name)
        return event.fields

    @property
    def counted(self) -> list[tuple[str, Mapping[str, str], int]]:
        return [tuple(counter) for counter in self.meter.counters()]


def json_lines(*events: Event) -> list[Any]:
    """Write events as JSON lines, and read them back."""
    lines: list[str] = []
    log = JsonLog(lines.append, lambda: DAY_ONE)
    for event in events:
        log.log(event.name, **event.fields)
    return [json.loads(line) for line in "".join(lines).splitlines()]


def test_a_run_tells_its_steps_in_their_order(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    assert watched.names == ["run_start", "run_validation", "run_evaluation", "run_artifacts", "run_completed"]
    common = {"run_id": RUN_ID, "template_id": "adhoc-model", "mode": "simulation"}
    assert [event.fields for event in watched.log.events if not common.items() <= event.fields.items()] == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("run_start", {"dry_run": False}, id="start"),
        pytest.param("run_validation", {"nodes": 1}, id="validation"),
        pytest.param(
            "run_evaluation", {"bins": 4, "bin_size": 5, "bin_unit": "minutes", "elapsed_ms": 250.0}, id="evaluation"
        ),
        pytest.param("run_completed", {"dry_run": False, "was_reused": False, "warnings": 1}, id="completed"),
    ],
)
def test_what_an_event_says(tmp_path: Path, name: str, expected: dict[str, object]) -> None:
    common = {"run_id": RUN_ID, "template_id": "adhoc-model", "mode": "simulation"}
    assert Watched(tmp_path).fields(name) == {**common, **expected}


def test_the_artifacts_are_those_on_the_disk(tmp_path: Path) -> None:
    told = Watched(tmp_path, run_id="one", seed=7).fields("run_artifacts")
    sizes = [path.stat().st_size for path in (tmp_path / "one").rglob("*") if path.is_file()]
    assert (told["seed"], told["files"], told["bytes"]) == (7, len(sizes), sum(sizes))


def test_a_run_of_a_template_is_labeled_by_it(tmp_path: Path) -> None:
    watched = Watched(tmp_path, source=rendered())
    labels = {"templateId": "web-frontend", "mode": "simulation"}
    assert watched.counted == [("run_created_total", labels, 1)]
    (duration,) = watched.meter.histograms()
    assert (duration.name, duration.labels) == ("simulation_evaluation_duration_ms", labels)
    assert (duration.observations, duration.sum) == (1, 250.0)


def test_a_reused_run_is_told_and_not_counted(tmp_path: Path) -> None:
    simulate(tmp_path, run_id="one")
    watched = Watched(tmp_path, run_id="one")
    assert watched.names == ["run_start", "run_completed"]
    assert watched.fields("run_completed")["was_reused"] is True
    assert (watched.counted, watched.meter.histograms()) == ([], ())


@pytest.mark.parametrize(
    ("request_fields", "run_id"), [({}, None), ({"run_id": "one"}, "one")], ids=["id left to chance", "named"]
)
def test_a_dry_run_is_told_and_not_counted(tmp_path: Path, request_fields: dict[str, Any], run_id: str | None) -> None:
    watched = Watched(tmp_path, dry_run=True, **request_fields)
    assert watched.names == ["run_start", "run_validation", "run_completed"]
    assert {event.fields["run_id"] for event in watched.log.events} == {run_id}
    assert {event.fields.get("dry_run", True) for event in watched.log.events} == {True}
    assert watched.counted == []


@pytest.mark.parametrize(
    ("request_fields", "error", "told", "names"),
    [
        pytest.param(
            {"run_id": "../up"},
            UnsafeNameError,
            ("../up", "storage.unsafe_name"),
            ["run_failed"],
            id="before it starts",
        ),
        pytest.param(
            {"run_id": "one", "seed": 3},
            RunConflictError,
            ("one", "run.conflict"),
            ["run_start", "run_failed"],
            id="conflict",
        ),
        pytest.param(
            {"engine": FakeEngine(lambda _arrays: 1 // 0 and None)},
            ZeroDivisionError,
            (RUN_ID, "ZeroDivisionError"),
            ["run_start", "run_validation", "run_failed"],
            id="in the evaluation",
        ),
    ],
)
def test_a_failure_is_told_and_counted(
    tmp_path: Path, request_fields: dict[str, Any], error: type[Exception], told: tuple[str, str], names: list[str]
) -> None:
    simulate(tmp_path, run_id="one")
    watched = Watched(tmp_path, fails=error, **request_fields)
    assert watched.names == names
    failed = watched.fields("run_failed")
    assert (failed["run_id"], failed["code"]) == told
    assert watched.counted == [("run_failed_total", {"templateId": "adhoc-model", "mode": "simulation"}, 1)]


def test_a_dry_run_that_fails_is_not_counted(tmp_path: Path) -> None:
    watched = Watched(tmp_path, fails=UnsafeNameError, run_id="..", dry_run=True)
    assert (watched.names, watched.counted) == (["run_failed"], [])


def test_a_run_that_another_process_published_is_not_counted_twice(tmp_path: Path) -> None:
    engine = FakeEngine(lambda _arrays: simulate(tmp_path, run_id="one") and None)
    watched = Watched(tmp_path, run_id="one", engine=engine)
    assert watched.fields("run_completed")["was_reused"] is True
    assert watched.counted == []


def test_a_run_folder_is_the_same_whoever_listens(tmp_path: Path) -> None:
    simulate(tmp_path / "silent", run_id="one", model=a_model(MODEL_TEXT))
    Watched(tmp_path / "told", run_id="one", model=a_model(MODEL_TEXT))
    silent, told = (tmp_path / place / "one" / "manifest.json" for place in ("silent", "told"))
    assert silent.read_bytes() == told.read_bytes()


def test_all_that_is_told_of_a_run_is_in_the_table_of_events(tmp_path: Path) -> None:
    told = [
        *Watched(tmp_path).log.events,
        *Watched(tmp_path, dry_run=True).log.events,
        *Watched(tmp_path, fails=UnsafeNameError, run_id="..").log.events,
    ]
    written = {line["event"]: tuple(line)[4:] for line in json_lines(*told)}
    assert written == {name: EVENTS[name].fields for name in written}
    assert set(written) == {name for name in EVENTS if name.startswith("run_")}


def test_a_line_of_json_an_event() -> None:
    (line,) = json_lines(Event("run_failed", {"run_id": "one", "code": "run.conflict"}))
    assert line == {
        "time": "2025-01-01T08:00:00.000Z",
        "level": "error",
        "event": "run_failed",
        "eventId": 4500,
        "runId": "one",
        "code": "run.conflict",
    }


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("a\nb \u2028", "a\nb \u2028", id="text of several lines"),
        pytest.param(float("nan"), None, id="NaN"),
        pytest.param(Path("runs"), "runs", id="what is no JSON"),
        pytest.param((1, 2), [1, 2], id="several"),
    ],
)
def test_a_value_stays_on_its_line(value: object, expected: object) -> None:
    lines: list[str] = []
    JsonLog(lines.append, lambda: DAY_ONE).log("run_start", run_id=value)
    assert [line.count("\n") for line in lines] == [1]
    assert json.loads(lines[0])["runId"] == expected


def test_an_event_that_is_in_no_table_is_written_all_the_same() -> None:
    (line,) = json_lines(Event("tea_is_ready", {"cups": 2}))
    assert (line["event"], line["eventId"], line["level"], line["cups"]) == ("tea_is_ready", 0, "info", 2)


def test_bound_fields_are_added_and_can_be_overridden() -> None:
    memory = MemoryLog()
    BoundLog(BoundLog(memory, run_id="one", mode="simulation"), mode="telemetry").log("run_start", dry_run=True)
    assert memory.events == [Event("run_start", {"run_id": "one", "mode": "telemetry", "dry_run": True})]


def test_events_reach_the_logging_of_python(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "an.application")
    log = StandardLog(logging.getLogger("an.application"))
    log.log("run_start", run_id="one")
    log.log("run_failed", run_id="one", message="100 %s")
    (record,) = caplog.records
    assert (record.levelname, record.event, record.fields["runId"]) == ("ERROR", "run_failed", "one")
    assert record.getMessage() == 'run_failed {"runId":"one","message":"100 %s"}'


def test_silence() -> None:
    SilentLog().log("run_start", run_id="one")
    SilentMeter().count("run_created_total", {})
    SilentMeter().observe("simulation_evaluation_duration_ms", 1.0, {})


@pytest.mark.parametrize(("value", "bucket"), [(0.0, 0), (0.1, 0), (0.11, 1), (10_000.0, 15), (10_001.0, 16)], ids=str)
def test_a_value_falls_into_the_bucket_that_it_does_not_exceed(value: float, bucket: int) -> None:
    meter = MemoryMeter()
    meter.observe("simulation_evaluation_duration_ms", value, {"mode": "simulation"})
    (found,) = meter.histograms()
    assert found.buckets.index(1) == bucket
    assert (len(found.buckets), found.observations) == (len(found.bounds) + 1, 1)


def test_figures_are_apart_by_their_labels_in_any_order() -> None:
    meter = MemoryMeter()
    meter.count("run_created_total", {"templateId": "b", "mode": "simulation"})
    meter.count("run_created_total", {"mode": "simulation", "templateId": "b"}, 2)
    meter.count("run_created_total", {"templateId": "a", "mode": "simulation"})
    assert [(dict(found.labels)["templateId"], found.value) for found in meter.counters()] == [("a", 1), ("b", 3)]


def test_counting_in_several_threads_loses_nothing() -> None:
    meter = MemoryMeter()

    def work() -> None:
        for value in range(2000):
            meter.count("run_created_total", {})
            meter.observe("other", float(value % 3), {})

    threads = [Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found.value for found in meter.counters()] == [8000]
    assert [(found.observations, found.buckets) for found in meter.histograms()] == [(8000, (8000,))]


@pytest.mark.parametrize("name", EVENTS)
def test_every_event_and_field_is_documented(name: str) -> None:
    (row,) = (line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith(f"| `{name}` "))
    kind = EVENTS[name]
    assert f"| {kind.id} | {kind.level} |" in row
    assert [field for field in kind.fields if f"`{field}`" not in row] == []
    assert kind.meaning in row


@pytest.mark.parametrize("name", INSTRUMENTS)
def test_every_instrument_is_documented(name: str) -> None:
    (row,) = (line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith(f"| `{name}` "))
    instrument = INSTRUMENTS[name]
    assert f"| {instrument.kind} |" in row
    assert [label for label in instrument.labels if f"`{label}`" not in row] == []
    assert instrument.meaning in row


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill_disk_after(monkeypatch, 1000)
    watched = Watched(tmp_path, fails=StorageError)
    assert watched.fields("run_failed")["code"] == "storage.full"
    assert "run_artifacts" not in watched.names
