"""A run captured: every part of it, each series once, published whole, and nothing else ever replaced."""

from __future__ import annotations

import json
from collections.abc import Callable
from math import nan
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from capturefakes import (
    CLASSES,
    DAY_TWO,
    FLOW,
    LIMITED,
    PLAIN,
    RETRIES,
    SAMPLED,
    a_capture,
    a_run,
    manifest_of,
    parts_of_capture,
)
from enginemodels import model_text, station
from flowtime.bundle import Bundle, open_bundle
from flowtime.errors import CaptureConflictError, GapPlanError, RunCorruptError, TelemetryError, UnsafeNameError
from flowtime.events import EVENTS, Event, MemoryLog
from flowtime.telemetry import CaptureManifest, read_capture
from flowtime.telemetry.capture import CaptureRequest, capture_run
from flowtime.telemetry.diff import diff_capture
from flowtime.telemetry.gap_plan import parse_gap_plan
from flowtime.telemetry.verify import verify_capture
from runfakes import files_of, rendered, simulate

ALL = "DEFAULT"
TWICE = station("arrivals: demand, capacity: limit", name="Other")


def columns(parts: set[tuple[str | None, str, str]], *subjects: str) -> set[tuple[str | None, str]]:
    """Return the totals that are of some subjects."""
    return {(subject, metric) for subject, metric, class_id in parts if subject in subjects and class_id == ALL}


@pytest.mark.parametrize(
    ("text", "subjects", "expected"),
    [
        pytest.param(
            FLOW,
            ("Desk", "Done"),
            {("Desk", "arrivals"), ("Desk", "served"), ("Desk", "capacity"), ("Desk", "queueDepth"),
             ("Done", "arrivals"), ("Done", "served")},
            id="nodes, implied series too",
        ),
        pytest.param(FLOW, ("out",), {("out", "flowVolume")}, id="edges"),
        pytest.param(
            RETRIES,
            ("Api",),
            {("Api", "arrivals"), ("Api", "served"), ("Api", "errors"), ("Api", "attempts"), ("Api", "failures"),
             ("Api", "retryEcho"), ("Api", "processingTimeMsSum"), ("Api", "servedCount")},
            id="retries and processing time",
        ),
        pytest.param(
            LIMITED,
            ("Shared",),
            {("Shared", "arrivals"), ("Shared", "served"), ("Shared", "demand"), ("Shared", "granted"),
             ("Shared", "shortfall"), ("Shared", "status")},
            id="constraints",
        ),
        pytest.param(PLAIN, ("x", "y"), {("x", "value"), ("y", "value")}, id="series of a model without a topology"),
    ],
)  # fmt: skip
def test_every_part_is_captured(tmp_path: Path, text: str, subjects: tuple[str, ...], expected: set[Any]) -> None:
    report = a_capture(a_run(tmp_path, text), tmp_path / "captures" / "one")
    assert columns(parts_of_capture(report.manifest), *subjects) == expected


def test_every_number_is_that_of_the_run(tmp_path: Path) -> None:
    bundle = a_run(tmp_path)
    a_capture(bundle, tmp_path / "one")
    capture = read_capture(tmp_path / "one")
    found = {file.series_id: capture.values[capture.row(file)].tolist() for file in capture.manifest.files}
    assert found == {name: bundle.series(name).tolist() for name in found}
    assert capture.series("out", "flowVolume", kind="edge").tolist() == bundle.series("desk_served").tolist()
    assert not capture.missing.any()


def test_classes_are_captured_beside_their_total(tmp_path: Path) -> None:
    report = a_capture(a_run(tmp_path, CLASSES), tmp_path / "one")
    found = {class_id for subject, metric, class_id in parts_of_capture(report.manifest) if metric == "arrivals"}
    assert found == {ALL, "Vip", "Rest"}
    assert (report.manifest.supports_class_metrics, report.manifest.classes) == (True, ("Vip", "Rest"))
    assert (tmp_path / "one" / "Desk_arrivals_Vip.csv").read_text() == (
        "bin_index,classId,value\n0,Vip,2\n1,Vip,2\n2,Vip,2\n"
    )


def test_a_shared_series_is_written_once_and_named_for_each_part(tmp_path: Path) -> None:
    text = model_text(
        2, {"demand": 1.0, "limit": 2.0}, station("arrivals: demand, capacity: limit", name="Desk"), TWICE
    )
    report = a_capture(a_run(tmp_path, text), tmp_path / "one")
    named = [(file.node_id, file.path) for file in report.manifest.files if file.series_id == "demand"]
    assert named == [("Desk", "Desk_arrivals.csv"), ("Other", "Desk_arrivals.csv")]
    assert not (tmp_path / "one" / "Other_arrivals.csv").exists()


def test_names_of_files_hold_nothing_odd_and_never_clash(tmp_path: Path) -> None:
    odd = [station("arrivals: a", kind="sink", name=f'"{name}"') for name in ("a b", "a/b", "A_B", "../x")]
    report = a_capture(a_run(tmp_path, model_text(2, {"a": 1.0}, *odd)), tmp_path / "one")
    served = [file.path for file in report.manifest.files if file.metric == "served"]
    assert served == ["a_b_served.csv", "a_b_served~2.csv", "A_B_served~3.csv", ".._x_served.csv"]
    assert {path.name for path in (tmp_path / "one").iterdir()} >= set(served)


def test_long_names_are_cut(tmp_path: Path) -> None:
    text = model_text(2, {"a": 1.0}, station("arrivals: a", kind="sink", name="n" * 300))
    report = a_capture(a_run(tmp_path, text), tmp_path / "one")
    assert max(len(file.path) for file in report.files) < 200


def test_the_manifest_says_what_the_capture_is(tmp_path: Path) -> None:
    bundle = a_run(tmp_path)
    a_capture(bundle, tmp_path / "one")
    manifest = manifest_of(tmp_path / "one")
    assert manifest["window"] == {"startTimeUtc": "2026-03-01T00:00:00Z", "durationMinutes": 20.0}
    assert manifest["grid"] == {"bins": 4, "binSize": 5, "binUnit": "minutes"}
    assert manifest["provenance"] == {
        "runId": "one", "source": "run", "scenarioHash": bundle.run.scenario_hash,
        "modelHash": bundle.run.model_hash, "inputHash": bundle.run.input_hash, "templateId": None,
        "templateVersion": None, "templateHash": None, "parameters": {},
        "capturedAtUtc": "2026-01-01T08:00:00.000Z",
    }  # fmt: skip


def test_the_template_is_named_by_id_version_hash_and_parameters(tmp_path: Path) -> None:
    simulate(tmp_path, run_id="one", source=rendered())
    provenance = a_capture(open_bundle(tmp_path / "one"), tmp_path / "two").manifest.provenance
    assert (provenance.template_id, provenance.template_version) == ("web-frontend", "1.2.0")
    assert provenance.template_hash == "sha256:" + "ab" * 32
    assert provenance.parameters == {"rate": 2.0, "steps": [1, 2]}


def test_a_run_that_samples_is_captured_as_drawn(tmp_path: Path) -> None:
    bundle = a_run(tmp_path, SAMPLED, sample=True, seed=3)
    a_capture(bundle, tmp_path / "one")
    drawn = read_capture(tmp_path / "one").series("Q", "arrivals")
    assert drawn.tolist() == bundle.series("x").tolist()
    assert set(drawn.tolist()) == {0.0, 10.0}


def test_what_is_odd_about_the_numbers_is_told(tmp_path: Path) -> None:
    report = a_capture(a_run(tmp_path, PLAIN), tmp_path / "one")
    found = {(warning.code, warning.node_id, warning.bins) for warning in report.manifest.warnings}
    assert found == {("nan_detected", "x", ((2, 2),)), ("nan_detected", "y", ((2, 2),))}


def test_the_same_content_has_the_same_hash_on_any_day_and_from_any_run(tmp_path: Path) -> None:
    first = a_capture(a_run(tmp_path, run_id="one"), tmp_path / "a")
    second = a_capture(a_run(tmp_path, run_id="two"), tmp_path / "b", day=DAY_TWO)
    other = a_capture(a_run(tmp_path, FLOW.replace("0.1", "0.2"), run_id="three"), tmp_path / "c")
    assert first.manifest.content_hash == second.manifest.content_hash != other.manifest.content_hash


def test_capturing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    bundle = a_run(tmp_path)
    a_capture(bundle, tmp_path / "a")
    a_capture(bundle, tmp_path / "b")
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")


def test_a_dry_run_says_the_same_and_writes_nothing(tmp_path: Path) -> None:
    bundle = a_run(tmp_path)
    planned = a_capture(bundle, tmp_path / "captures" / "one", dry_run=True)
    assert not (tmp_path / "captures").exists()
    done = a_capture(bundle, tmp_path / "captures" / "one")
    assert (planned.files, planned.bytes, planned.manifest) == (done.files, done.bytes, done.manifest)
    assert {file.path: file.bytes for file in planned.files} == {
        path.name: path.stat().st_size for path in (tmp_path / "captures" / "one").glob("*.csv")
    }


def test_a_capture_is_replaced_only_when_asked_to(tmp_path: Path) -> None:
    a_capture(a_run(tmp_path), tmp_path / "one")
    other = a_run(tmp_path, PLAIN, run_id="two")
    with pytest.raises(CaptureConflictError) as caught:
        a_capture(other, tmp_path / "one")
    assert caught.value.code == "telemetry.exists"
    assert a_capture(other, tmp_path / "one", overwrite=True).replaces
    assert {path.name for path in (tmp_path / "one").iterdir()} == {"manifest.json", "x_value.csv", "y_value.csv"}


def notes(folder: Path) -> None:
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")


def empty(folder: Path) -> None:
    folder.mkdir()


def a_file(folder: Path) -> None:
    folder.write_text("mine")


def other_run(folder: Path) -> None:
    simulate(folder.parent, run_id=folder.name)


def a_link(folder: Path) -> None:
    notes(folder.parent / "elsewhere")
    folder.symlink_to(folder.parent / "elsewhere", target_is_directory=True)


def capture_with_notes(folder: Path) -> None:
    a_capture(a_run(folder.parent, run_id="other"), folder)
    (folder / "notes.txt").write_text("mine")


def altered_capture(folder: Path) -> None:
    a_capture(a_run(folder.parent, run_id="other"), folder)
    manifest = folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace("2026-03-01", "2026-03-02"))


def nonsense(folder: Path) -> None:
    folder.mkdir()
    (folder / "manifest.json").write_text("[" * 100_000)


@pytest.mark.parametrize(
    "there", [notes, empty, a_file, other_run, a_link, capture_with_notes, altered_capture, nonsense]
)
def test_nothing_but_a_capture_is_ever_replaced(tmp_path: Path, there: Callable[[Path], None]) -> None:
    there(tmp_path / "target")
    before = files_of(tmp_path / "target")
    with pytest.raises(CaptureConflictError, match="only a capture is ever replaced") as caught:
        a_capture(a_run(tmp_path), tmp_path / "target", overwrite=True)
    assert caught.value.code == "telemetry.not_a_capture"
    assert files_of(tmp_path / "target") == before


@pytest.mark.parametrize("name", [pytest.param(name, id=name) for name in ("..", "a b", ".hidden", "con", "x" * 200)])
def test_an_output_that_is_no_folder_name_is_refused(tmp_path: Path, name: str) -> None:
    bundle = a_run(tmp_path)
    with pytest.raises((UnsafeNameError, CaptureConflictError)):
        a_capture(bundle, tmp_path / "new" / name)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("path", "match"),
    [
        pytest.param("series/series.npy", "does not agree with its hash", id="numbers"),
        pytest.param("series/index.json", "series/index.json", id="index"),
        pytest.param("model/model.yaml", "model/model.yaml", id="model"),
        pytest.param("model/metadata.json", "model/metadata.json", id="metadata"),
    ],
)
def test_an_altered_run_is_not_captured(tmp_path: Path, path: str, match: str) -> None:
    folder = a_run(tmp_path).path
    data = bytearray((folder / path).read_bytes())
    data[-2] ^= 1
    (folder / path).write_bytes(data)
    with pytest.raises(RunCorruptError, match=match):
        a_capture(open_bundle(folder), tmp_path / "one")
    assert not (tmp_path / "one").exists()


@pytest.mark.parametrize("path", ["model/metadata.json", "model/model.yaml"])
def test_a_run_that_lacks_a_file_is_not_captured(tmp_path: Path, path: str) -> None:
    folder = a_run(tmp_path).path
    (folder / path).unlink()
    with pytest.raises(RunCorruptError, match=path):
        a_capture(open_bundle(folder), tmp_path / "one")


def test_a_run_whose_manifest_leaves_a_file_out_is_not_captured(tmp_path: Path) -> None:
    folder = a_run(tmp_path).path
    manifest = json.loads((folder / "manifest.json").read_bytes())
    manifest["files"] = [file for file in manifest["files"] if file["path"] != "series/index.json"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(RunCorruptError, match=r"series/index\.json should hash to None"):
        a_capture(open_bundle(folder), tmp_path / "one")


def test_a_run_without_its_matrix_is_captured_from_its_csv_files(tmp_path: Path) -> None:
    bundle = a_run(tmp_path)
    expected = a_capture(bundle, tmp_path / "a").manifest.content_hash
    (bundle.path / "series" / "series.npy").unlink()
    assert a_capture(open_bundle(bundle.path), tmp_path / "b").manifest.content_hash == expected


def test_a_disk_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = a_run(tmp_path)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("flowtime.storage.staging.write_chunks", full)
    with pytest.raises(Exception, match="no room"):
        a_capture(bundle, tmp_path / "captures" / "one")
    assert list((tmp_path / "captures").iterdir()) == []


def test_a_day_that_is_no_whole_number_of_bins_needs_a_period(tmp_path: Path) -> None:
    text = FLOW.replace("binSize: 5", "binSize: 7")
    with pytest.raises(TelemetryError) as caught:
        a_capture(a_run(tmp_path, text), tmp_path / "one", fill="seasonal")
    assert caught.value.code == "telemetry.fill_period"


@pytest.mark.parametrize(
    ("fill", "expected"),
    [pytest.param("zero", [1.0, -2.0, 0.0], id="zero"), pytest.param("forward", [1.0, -2.0, -2.0], id="forward")],
)
def test_a_fill_reaches_the_numbers_and_is_told(tmp_path: Path, fill: str, expected: list[float]) -> None:
    report = a_capture(a_run(tmp_path, PLAIN), tmp_path / "one", fill=fill)
    assert read_capture(tmp_path / "one").series("x", "value").tolist() == expected
    assert {warning.code for warning in report.manifest.warnings} >= {"nan_detected", "nan_fill"}


GAPS = """\
schemaVersion: 1
seed: 4
injections:
  - {kind: drop, nodes: [Desk], metrics: [arrivals], windows: [{firstBin: 1, lastBin: 2}]}
  - {kind: nan, nodes: [Done], metrics: [served], windows: [{firstBin: 3, lastBin: 3}]}
"""


@pytest.fixture
def gapped(tmp_path: Path) -> tuple[CaptureManifest, Path]:
    """A capture with gaps that were put in on purpose."""
    request = {"gaps": parse_gap_plan(GAPS)}
    return a_capture(a_run(tmp_path), tmp_path / "one", **request).manifest, tmp_path / "one"


def test_gaps_are_put_in_and_recorded(gapped: tuple[CaptureManifest, Path]) -> None:
    manifest, folder = gapped
    records = {(record.kind, record.node_id, record.metric, record.bins) for record in manifest.injections}
    assert records == {("drop", "Desk", "arrivals", ((1, 2),)), ("nan", "Done", "served", ((3, 3),))}
    assert (folder / "Desk_arrivals.csv").read_text() == (
        "bin_index,classId,value\n0,DEFAULT,1\n1,DEFAULT,\n2,DEFAULT,\n3,DEFAULT,0\n"
    )
    assert (folder / "Done_served.csv").read_text().endswith("\n3,DEFAULT,NaN\n")


def test_gaps_are_found_again_and_counted(gapped: tuple[CaptureManifest, Path]) -> None:
    manifest, folder = gapped
    assert {(found.code, found.node_id, found.bins) for found in manifest.warnings} == {
        ("data_gap", "Desk", ((1, 2),)), ("nan_detected", "Done", ((3, 3),)),
    }  # fmt: skip
    assert manifest.find("arrivals", "Desk").points == 2
    assert read_capture(folder).missing.sum() == 2
    assert verify_capture(folder).valid


def test_a_diff_differs_only_where_gaps_were_put_in(gapped: tuple[CaptureManifest, Path]) -> None:
    report = diff_capture(open_bundle(gapped[1].parent / "runs" / "one"), read_capture(gapped[1]))
    found = [
        (row.subject, row.metric, row.missing, row.differing) for row in report.rows if row.differing or row.missing
    ]
    assert found == [("Desk", "arrivals", 2, 0), ("Done", "served", 0, 1)]
    assert sum(row.unexplained for row in report.rows) == 0


@pytest.mark.parametrize(
    ("fill", "expected", "points"),
    [
        pytest.param("none", [1.0, nan, nan, 0.0], 2, id="none"),
        pytest.param("zero", [1.0, 0.0, 0.0, 0.0], 4, id="zero"),
        pytest.param("forward", [1.0, 1.0, 1.0, 0.0], 4, id="forward"),
        pytest.param("linear", [1.0, 2 / 3, 1 / 3, 0.0], 4, id="linear"),
    ],
)
def test_gaps_are_filled_after_they_were_put_in(tmp_path: Path, fill: str, expected: list[float], points: int) -> None:
    manifest = a_capture(a_run(tmp_path), tmp_path / "one", gaps=parse_gap_plan(GAPS), fill=fill).manifest
    np.testing.assert_allclose(read_capture(tmp_path / "one").series("Desk", "arrivals"), expected, rtol=1e-15)
    assert manifest.find("arrivals", "Desk").points == points


def test_gaps_above_the_limit_stay_missing(tmp_path: Path) -> None:
    plan = parse_gap_plan(GAPS)
    manifest = a_capture(a_run(tmp_path), tmp_path / "one", gaps=plan, fill="zero", fill_limit=1).manifest
    assert manifest.find("arrivals", "Desk").points == 2
    assert read_capture(tmp_path / "one").series("Done", "served")[3] == 0.0


def test_gaps_that_choose_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(GapPlanError, match="Nobody"):
        a_capture(a_run(tmp_path), tmp_path / "one", gaps=parse_gap_plan(GAPS.replace("Desk", "Nobody")))
    assert not (tmp_path / "one").exists()


def events_of(bundle: Bundle, output: Path, *, dry_run: bool) -> list[Event]:
    """Capture a run, and return what was told of it."""
    log = MemoryLog()
    request = CaptureRequest(output=output, dry_run=dry_run)
    capture_run(bundle, request, clock=lambda: DAY_TWO, durability="process", events=log)
    return log.events


def test_a_capture_is_told_from_its_start_to_its_end(tmp_path: Path) -> None:
    first, *files, warning, _, last = events_of(a_run(tmp_path, PLAIN), tmp_path / "one", dry_run=False)
    assert first == ("capture_start", {"run_id": "one", "dry_run": False})
    assert [event.fields["path"] for event in files] == ["x_value.csv", "y_value.csv"]
    assert (warning.name, warning.fields["code"], warning.fields["bin_count"]) == ("capture_warning", "nan_detected", 1)
    assert last == ("capture_completed", {"run_id": "one", "files": 2, "warnings": 2})


def test_a_dry_run_tells_of_no_file(tmp_path: Path) -> None:
    told = events_of(a_run(tmp_path, PLAIN), tmp_path / "one", dry_run=True)
    assert [event.name for event in told] == ["capture_start", "capture_warning", "capture_warning"]


@pytest.mark.parametrize("dry_run", [True, False])
def test_events_have_the_fields_that_are_documented(tmp_path: Path, dry_run: bool) -> None:
    for name, fields in events_of(a_run(tmp_path, PLAIN), tmp_path / "one", dry_run=dry_run):
        assert {_camel(field) for field in fields} == set(EVENTS[name].fields)


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(map(str.capitalize, rest))


def test_numbers_are_read_only(tmp_path: Path) -> None:
    a_capture(a_run(tmp_path), tmp_path / "one")
    with pytest.raises(ValueError, match="read-only"):
        read_capture(tmp_path / "one").series("Desk", "arrivals")[0] = np.nan
