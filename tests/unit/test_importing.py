"""From a source to a capture: what is written, what the manifest says, and the three real data sets."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from flowtime.errors import CaptureConflictError, TelemetryError
from flowtime.storage import sha256_file
from flowtime.telemetry.importing import ImportRequest, import_telemetry
from flowtime.telemetry.loaders import LOADERS, ImportOptions, SeriesBins, Target
from flowtime.telemetry.loaders.notes import NOTES
from flowtime.telemetry.loaders.zones import find_zone
from flowtime.telemetry.reader import read_capture
from flowtime.telemetry.verify import verify_capture
from importfakes import COUNTS, REAL, imported, manifest_warnings, moment, options, otlp, write

BINS = "Api.arrivals=value"
NEEDS_REAL = pytest.mark.skipif(not REAL.is_dir(), reason="needs the data sets of ../shared/data/real")
# Read off the file: the bins between rows that are ten minutes apart.
GAPS_OF_THE_LOAD_BALANCER = [
    "2014-04-10T11:34:00Z",
    "2014-04-13T03:44:00Z",
    "2014-04-14T00:04:00Z",
    "2014-04-16T05:04:00Z",
    "2014-04-16T11:04:00Z",
    "2014-04-17T15:14:00Z",
    "2014-04-18T07:54:00Z",
    "2014-04-20T04:14:00Z",
]
DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_capture_holds_what_the_source_does(tmp_path: Path) -> None:
    imported(write(tmp_path, COUNTS), options(BINS), tmp_path)
    capture = read_capture(tmp_path / "captures" / "one")
    assert capture.series("Api", "arrivals")[[0, 1, 3, 5]].tolist() == [5.0, 7.5, 0.0, 100.0]
    assert capture.missing.tolist() == [[False, False, True, False, True, False]]
    assert capture.manifest.window.start_time_utc == "2025-03-01T00:04:00Z"
    assert verify_capture(tmp_path / "captures" / "one").valid


def test_gaps_are_named_in_the_manifest(tmp_path: Path) -> None:
    report = imported(write(tmp_path, COUNTS), options(BINS), tmp_path)
    (warning,) = report.manifest.warnings
    assert (warning.code, warning.node_id, warning.metric) == ("data_gap", "Api", "arrivals")
    assert (warning.bins, warning.bin_count) == (((2, 2), (4, 4)), 2)
    assert warning.message == "2 bins without a value: 2025-03-01T00:14:00Z, 2025-03-01T00:24:00Z"


def test_origin_tells_how_to_import_again(tmp_path: Path) -> None:
    path = write(tmp_path, COUNTS)
    wanted = options(BINS, zone=find_zone("Europe/Berlin"), end=moment("2025-03-01T00:20:00"))
    origin = imported(path, wanted, tmp_path).manifest.provenance
    assert origin.source == "csv"
    assert origin.parameters == {
        "file": "source.csv",
        "fileHash": sha256_file(path),
        "rows": 5,
        "grid": "5m",
        "maps": {"Api.arrivals": "column(value)"},
        "end": "2025-03-01T00:20:00Z",
        "timeZone": "Europe/Berlin",
    }


def test_equal_imports_have_equal_hashes_on_any_day(tmp_path: Path) -> None:
    path = write(tmp_path, COUNTS)
    first = imported(path, options(BINS), tmp_path).manifest
    request = ImportRequest(source=path, output=tmp_path / "captures" / "two", options=options(BINS))
    second = import_telemetry(request, clock=lambda: datetime(2027, 1, 1, tzinfo=UTC), durability="process").manifest
    assert first.content_hash == second.content_hash
    assert first.provenance.captured_at_utc != second.provenance.captured_at_utc


def test_dry_run_says_the_same_and_writes_nothing(tmp_path: Path) -> None:
    path = write(tmp_path, COUNTS)
    dry = imported(path, options(BINS), tmp_path, dry_run=True)
    assert not (tmp_path / "captures").exists()
    assert dry.manifest == imported(path, options(BINS), tmp_path).manifest


def test_capture_that_is_there_is_replaced_on_request(tmp_path: Path) -> None:
    path = write(tmp_path, COUNTS)
    imported(path, options(BINS), tmp_path)
    with pytest.raises(CaptureConflictError) as caught:
        imported(path, options(BINS), tmp_path)
    assert caught.value.code == "telemetry.exists"
    assert imported(path, options("Api.served=value"), tmp_path, overwrite=True).replaces
    assert [file.metric for file in read_capture(tmp_path / "captures" / "one").manifest.files] == ["served"]


@pytest.mark.parametrize("name", ["note.txt", "manifest.json"])
def test_what_is_no_capture_stays(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "captures" / "one"
    folder.mkdir(parents=True)
    (folder / name).write_text("{}", encoding="utf-8")
    with pytest.raises(CaptureConflictError) as caught:
        imported(write(tmp_path, COUNTS), options(BINS), tmp_path, overwrite=True)
    assert caught.value.code == "telemetry.not_a_capture"
    assert (folder / name).read_text(encoding="utf-8") == "{}"


def test_source_that_is_wrong_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(TelemetryError):
        imported(write(tmp_path, COUNTS + "never,1,x\n"), options(BINS), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["source.csv"]


def test_window_that_is_none(tmp_path: Path) -> None:
    wanted = options(BINS, start=moment("2025-03-01T00:05:00"), end=moment("2025-03-01T00:05:00"))
    with pytest.raises(TelemetryError) as caught:
        imported(write(tmp_path, COUNTS), wanted, tmp_path)
    assert caught.value.code == "telemetry.grid_invalid"


def test_edges_are_of_edges(tmp_path: Path) -> None:
    call = {
        "traceId": "t",
        "spanId": "1",
        "startTimeUnixNano": "1735689600000000000",
        "endTimeUnixNano": "1735689601000000000",
    }
    path = write(tmp_path, otlp({"a": [call], "b": [call | {"spanId": "2", "parentSpanId": "1"}]}), "source.jsonl")
    imported(path, options(), tmp_path)
    capture = read_capture(tmp_path / "captures" / "one")
    assert capture.series("a->b", "flowVolume", kind="edge").tolist() == [1.0]


def test_loader_of_ones_own(tmp_path: Path) -> None:
    def load(source: Path, wanted: ImportOptions, bins: SeriesBins) -> None:
        """Read lines with the hour of an order."""
        hours = np.array(source.read_text(encoding="utf-8").split(), dtype=np.int64)
        located = bins.locate(hours * 3_600_000_000_000, lambda row: row + 1)
        bins.add(Target("node", "Shop", "arrivals"), "count", located)

    path = write(tmp_path, "8\n9\n9\n", "orders.log")
    report = imported(path, options(grid="1h"), tmp_path, loader=load, loader_name="orders")
    assert read_capture(tmp_path / "captures" / "one").series("Shop", "arrivals").tolist() == [1.0, 2.0]
    assert (report.loader, report.manifest.provenance.source) == ("orders", "orders")


def test_sums_beyond_all_numbers_are_null(tmp_path: Path) -> None:
    report = imported(write(tmp_path, "t,value\n2025-03-01T00:00Z,inf\n"), options(BINS), tmp_path)
    assert report.series[0].total is None
    assert manifest_warnings(report) == {"infinite_value": ((0, 0),)}


@pytest.mark.parametrize("code", [*NOTES])
def test_every_note_is_in_the_guide(code: str) -> None:
    assert f"| `{code}` |" in (DOCS / "operations" / "telemetry-import-guide.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [*LOADERS])
def test_every_loader_is_in_the_guide(name: str) -> None:
    assert f"| `{name}` |" in (DOCS / "operations" / "telemetry-import-guide.md").read_text(encoding="utf-8")


@NEEDS_REAL
def test_real_load_balancer_is_aligned_and_its_eight_gaps_are_named(tmp_path: Path) -> None:
    report = imported(REAL / "elb_request_count_8c0756.csv", options("LB.arrivals=value"), tmp_path)
    gaps = next(warning for warning in report.manifest.warnings if warning.code == "data_gap")
    assert (report.manifest.window.start_time_utc, report.manifest.grid.bins) == ("2014-04-10T00:04:00Z", 4040)
    assert (gaps.bin_count, len(gaps.bins), report.series[0].points) == (8, 8, 4032)
    assert gaps.message.partition(": ")[2].split(", ") == GAPS_OF_THE_LOAD_BALANCER


@NEEDS_REAL
def test_real_taxis_have_no_gap(tmp_path: Path) -> None:
    report = imported(REAL / "nyc_taxi.csv", options("City.arrivals=value", grid="30m"), tmp_path)
    assert (report.manifest.grid.bins, report.series[0].total) == (10_320, 156_219_716.0)
    assert set(manifest_warnings(report)) == {"time_zone_assumed"}


@NEEDS_REAL
def test_real_language_model_gives_what_the_catalogue_holds(tmp_path: Path) -> None:
    wanted = options(
        "Pool.arrivals=count",
        "Pool.processingTimeMsSum=sum(GeneratedTokens)",
        "Pool.capacity=sum(ContextTokens)",
        grid="30s",
    )
    imported(REAL / "AzureLLMInferenceTrace_code.csv", wanted, tmp_path)
    capture = read_capture(tmp_path / "captures" / "one")
    packaged = Path(__file__).resolve().parents[2] / "src/flowtime/templates/catalog/data/azure_llm_code.csv"
    table = np.loadtxt(packaged, delimiter=",", skiprows=1)
    assert np.array_equal(capture.values[[0, 2, 1]], table[:, 1:].T)
