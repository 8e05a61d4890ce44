"""``flowtime telemetry import``: what is printed, what the exit status says, and what is refused."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from flowtime.cli import main
from flowtime.cli.telemetry_import import LOADERS
from flowtime.telemetry.loaders import LOADERS as KNOWN
from importfakes import COUNTS, span, write

PRINTED = """\
5 rows of source.csv: 6 bins of 5 minutes from 2025-03-01T00:04:00Z
series                 from  bins    sum              file  bytes
Api.arrivals  column(value)     4  112.5  Api_arrivals.csv     98
warning: Api.arrivals: 2 bins without a value: 2025-03-01T00:14:00Z, 2025-03-01T00:24:00Z [data_gap]
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder that holds a source."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path, COUNTS)
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """Return the exit status and what was printed, stdout before stderr."""
    status = main(["telemetry", "import", *words])
    return status, "".join(capsys.readouterr())


BINS = ("source.csv", "--grid", "5m", "--map", "Api.arrivals=value")


def test_import_says_what_it_found(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    status, text = run(capsys, *BINS)
    place = Path("captures") / "source"
    assert (status, text) == (0, PRINTED + f"wrote 1 file, 98 bytes to {place}\n")
    assert (folder / place / "manifest.json").is_file()


def test_dry_run_writes_nothing(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    status, text = run(capsys, *BINS, "--dry-run")
    assert (status, text.startswith(PRINTED), "would write 1 file" in text) == (0, True, True)
    assert [path.name for path in folder.iterdir()] == ["source.csv"]


def test_json_holds_the_manifest(capsys: pytest.CaptureFixture[str]) -> None:
    status, text = run(capsys, *BINS, "--json", "--output", "there")
    answer = json.loads(text)
    assert status == 0
    assert (answer["rows"], answer["series"][0]["points"], answer["folder"]) == (5, 4, "there")
    assert answer["manifest"] == json.loads((Path("there") / "manifest.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        pytest.param("orders of march.csv.gz", "orders-of-march", id="spaces and two suffixes"),
        pytest.param("..csv", "import", id="nothing left"),
        pytest.param("_x.y_.csv", "x-y", id="marks at the ends"),
    ],
)
def test_capture_is_called_like_the_source(
    capsys: pytest.CaptureFixture[str], folder: Path, name: str, wanted: str
) -> None:
    write(folder, COUNTS, name.removesuffix(".gz"))
    run(capsys, name.removesuffix(".gz"), *BINS[1:], "--loader", "csv")
    assert (folder / "captures" / wanted / "manifest.json").is_file()


def test_spans_need_no_map(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    write(folder, span("a", 0, 1), "spans.jsonl")
    status, text = run(capsys, "spans.jsonl", "--grid", "1m")
    assert (status, "a.processingTimeMsSum" in text) == (0, True)


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        pytest.param([*BINS[:2], "5x", *BINS[3:]], 1, "telemetry.grid_invalid", id="grid"),
        pytest.param([*BINS[:-1], "arrivals"], 1, "telemetry.map_invalid", id="map"),
        pytest.param(["gone.csv", *BINS[1:]], 3, "telemetry.source_not_found", id="no source"),
        pytest.param([*BINS, "--start", "soon"], 1, "telemetry.grid_invalid", id="start"),
        pytest.param([*BINS, "--timezone", "Middle/Earth"], 1, "telemetry.unknown_zone", id="zone"),
        pytest.param([*BINS, "--time", "when"], 1, "telemetry.source_column", id="time column"),
        pytest.param([*BINS, "--start", "2030-01-01"], 1, "telemetry.source_empty", id="nothing in the window"),
        pytest.param([*BINS, "--output", "."], 4, "telemetry.not_a_capture", id="folder of something else"),
        pytest.param([*BINS, "--class-column", "note"], 0, "@a", id="classes"),
        pytest.param([*BINS, "--class-column", "value"], 1, "telemetry.source_class", id="no classes"),
        pytest.param([*BINS, "--where", "note"], 2, "COLUMN=VALUE", id="half a filter"),
        pytest.param([*BINS, "--where", "note=a", "--where", "note=b"], 2, "given twice", id="two filters for one"),
        pytest.param([*BINS, "--where", "note=z"], 1, "telemetry.source_empty", id="no row matches"),
        pytest.param([*BINS, "--loader", "excel"], 2, "excel", id="unknown loader"),
        pytest.param(["source.csv"], 2, "--grid", id="no grid"),
    ],
)
def test_exit_status(capsys: pytest.CaptureFixture[str], words: list[str], status: int, told: str) -> None:
    found, text = run(capsys, *words)
    assert found == status
    assert told in text


def test_stdin_is_a_csv(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(COUNTS.encode())))
    status, text = run(capsys, "-", *BINS[1:])
    assert (status, text.startswith(PRINTED.replace("source.csv", "<stdin>"))) == (0, True)
    assert (folder / "captures" / "stdin" / "manifest.json").is_file()


def test_classes_and_filters_are_told(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    write(folder, "t,k,h\n2025-03-01T00:00Z,x,1\n2025-03-01T00:01Z,y,1\n2025-03-01T00:02Z,y,2\n", "events.csv")
    words = ("--map", "Api.arrivals=count", "--class-column", "k", "--where", "h=1", "--json")
    status, text = run(capsys, "events.csv", "--grid", "5m", *words)
    assert status == 0
    assert {item["classId"]: item["total"] for item in json.loads(text)["series"]} == {"DEFAULT": 2, "x": 1, "y": 1}


def test_second_import_is_refused_and_then_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, *BINS)[0] == 0
    assert run(capsys, *BINS)[0] == 4
    assert run(capsys, *BINS, "--overwrite")[0] == 0


def test_wrong_row_is_told_with_file_and_line_as_json(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    write(folder, COUNTS + "never,1,x\n")
    status, text = run(capsys, *BINS, "--json")
    assert status == 1
    assert '"line": 7' in text
    assert '"file": "source.csv"' in text


def test_command_knows_the_loaders_there_are() -> None:
    assert tuple(KNOWN) == LOADERS
