"""What is wrong with a capture is found, and the file named."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from capturefakes import CLASSES, a_capture, a_run, manifest_of, replace_cells, rewrite
from flowtime.errors import CaptureAlteredError, CaptureNotFoundError, TelemetryError
from flowtime.telemetry import read_capture, read_manifest
from flowtime.telemetry.verify import read_sound, require_sound, verify_capture
from runfakes import simulate

ARRIVALS = "Desk_arrivals.csv"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A sound capture."""
    a_capture(a_run(tmp_path, CLASSES), tmp_path / "one")
    return tmp_path / "one"


def change_number(folder: Path) -> None:
    data = (folder / ARRIVALS).read_bytes()
    (folder / ARRIVALS).write_bytes(data.replace(b"0,DEFAULT,6", b"0,DEFAULT,7"))


def remove(folder: Path) -> None:
    (folder / ARRIVALS).unlink()


def link(folder: Path) -> None:
    (folder / ARRIVALS).rename(folder.parent / "elsewhere.csv")
    (folder / ARRIVALS).symlink_to(folder.parent / "elsewhere.csv")


def make_a_pipe(folder: Path) -> None:
    (folder / ARRIVALS).unlink()
    os.mkfifo(folder / ARRIVALS)


def make_a_folder(folder: Path) -> None:
    (folder / ARRIVALS).unlink()
    (folder / ARRIVALS).mkdir()


@pytest.mark.parametrize(
    "spoil",
    [
        change_number,
        remove,
        pytest.param(link, marks=pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")),
        pytest.param(make_a_pipe, marks=pytest.mark.skipif(os.name == "nt", reason="no pipes in Windows folders")),
        make_a_folder,
    ],
)
def test_an_altered_file_is_named(folder: Path, spoil: Callable[[Path], None]) -> None:
    spoil(folder)
    report = verify_capture(folder)
    assert [(problem.code, problem.path) for problem in report.problems] == [("telemetry.altered", ARRIVALS)]
    with pytest.raises(CaptureAlteredError, match=ARRIVALS):
        read_capture(folder)
    with pytest.raises(CaptureAlteredError, match=ARRIVALS):
        require_sound(folder)


def test_a_sound_capture_is_sound(folder: Path) -> None:
    report = verify_capture(folder)
    assert (report.valid, report.code, report.problems, report.other_files) == (True, None, (), ())
    assert (report.files, report.bins) == (len(list(folder.glob("*.csv"))), 3)
    require_sound(folder)


def test_other_files_are_told_and_are_no_problem(folder: Path) -> None:
    (folder / "notes.txt").write_text("mine")
    report = verify_capture(folder)
    assert (report.valid, report.other_files) == (True, ("notes.txt",))


def test_every_problem_is_found(folder: Path) -> None:
    (folder / ARRIVALS).write_bytes(b"")
    (folder / "Desk_capacity.csv").unlink()
    manifest = folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"durationMinutes": 3.0', '"durationMinutes": 4.0'))
    found = {(problem.code, problem.path) for problem in verify_capture(folder).problems}
    assert found == {
        ("telemetry.altered", ARRIVALS), ("telemetry.altered", "Desk_capacity.csv"),
        ("telemetry.altered", "manifest.json"), ("telemetry.grid_mismatch", "manifest.json"),
    }  # fmt: skip


def first(change: dict[str, Any]) -> Callable[[Any], None]:
    """Return what changes the first file of a manifest."""
    return lambda document: document["files"][0].update(change)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        pytest.param(lambda d: d["files"].append(d["files"][0]), "telemetry.duplicate_part", id="part twice"),
        pytest.param(first({"nodeId": None}), "telemetry.no_subject", id="no node"),
        pytest.param(first({"hash": "sha256:" + "0" * 64}), "telemetry.altered", id="hash"),
        pytest.param(first({"points": 2}), "telemetry.length_mismatch", id="points"),
        pytest.param(first({"classId": "Other"}), "telemetry.unknown_class", id="class that is not listed"),
        pytest.param(lambda d: d["grid"].update(bins=2), "telemetry.bin_out_of_range", id="fewer bins"),
        pytest.param(lambda d: d["grid"].update(bins=4), "telemetry.grid_mismatch", id="more bins"),
        pytest.param(lambda d: d["window"].update(durationMinutes=1), "telemetry.grid_mismatch", id="window"),
    ],
)
def test_a_manifest_that_does_not_fit_its_files(folder: Path, change: Callable[[Any], None], code: str) -> None:
    rewrite(folder, change)
    report = verify_capture(folder)
    assert not report.valid
    assert code in {problem.code for problem in report.problems}
    with pytest.raises(TelemetryError):
        require_sound(folder)


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        pytest.param(b"0,DEFAULT,6", b"0,DEFAULT,six", "telemetry.invalid", id="no number"),
        pytest.param(b"1,DEFAULT", b"0,DEFAULT", "telemetry.duplicate_bin", id="bin twice"),
        pytest.param(b"2,DEFAULT", b"9,DEFAULT", "telemetry.bin_out_of_range", id="bin beyond the grid"),
        pytest.param(b"bin_index,classId", b"bin,class", "telemetry.invalid", id="header"),
    ],
)
def test_a_file_that_is_sealed_and_still_wrong(folder: Path, old: bytes, new: bytes, code: str) -> None:
    replace_cells(folder, ARRIVALS, old, new)
    assert [(found.code, found.path) for found in verify_capture(folder).problems] == [(code, ARRIVALS)]
    with pytest.raises(TelemetryError, match=ARRIVALS) as caught:
        read_capture(folder)
    assert caught.value.code == code


def test_an_altered_manifest_is_refused(folder: Path) -> None:
    manifest = folder / "manifest.json"
    manifest.write_text(
        manifest.read_text()
        .replace('"classCoverage": "', '"classCoverage": "partial')
        .replace("partialfull", "partial")
    )
    with pytest.raises(CaptureAlteredError, match=r"manifest\.json should hash"):
        read_manifest(folder)


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, id=path) for path in ("../secret.csv", "/etc/passwd", "a/b.csv", "..\\x", "", "c:/x")],
)
def test_paths_out_of_the_folder_are_refused(folder: Path, path: str) -> None:
    text = (folder / "manifest.json").read_text().replace(f'"{ARRIVALS}"', f'"{path}"'.replace("\\", "\\\\"))
    (folder / "manifest.json").write_text(text)
    with pytest.raises(TelemetryError, match="path") as caught:
        verify_capture(folder)
    assert caught.value.code == "telemetry.invalid"


@pytest.mark.parametrize("path", [pytest.param(path, id=path) for path in ("..", "con.csv", "a:b", "x.")])
def test_names_that_no_file_may_have_are_refused(folder: Path, path: str) -> None:
    rewrite(folder, first({"path": path}))
    with pytest.raises(TelemetryError, match="can not be a file of a capture"):
        read_capture(folder)
    assert ("telemetry.unsafe_path", path) in {(found.code, found.path) for found in verify_capture(folder).problems}


def no_folder(folder: Path) -> None:
    pass


def no_manifest(folder: Path) -> None:
    folder.mkdir()


def a_file(folder: Path) -> None:
    folder.write_text("x")


@pytest.mark.parametrize("there", [no_folder, no_manifest, a_file])
def test_where_there_is_no_capture(tmp_path: Path, there: Callable[[Path], None]) -> None:
    there(tmp_path / "target")
    with pytest.raises(CaptureNotFoundError, match="is no capture"):
        verify_capture(tmp_path / "target")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{", id="half"),
        pytest.param(b"\xff\xfe", id="not UTF-8"),
        pytest.param(b"[" * 100_000, id="deep"),
        pytest.param(b"{}", id="empty mapping"),
        pytest.param(b'{"schemaVersion": 1}', id="another version"),
    ],
)
def test_a_manifest_that_is_none(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "manifest.json").write_bytes(data)
    with pytest.raises(TelemetryError, match="is not one of a capture") as caught:
        verify_capture(tmp_path)
    assert caught.value.code == "telemetry.invalid"


def test_a_run_folder_is_no_capture(tmp_path: Path) -> None:
    simulate(tmp_path, run_id="one")
    with pytest.raises(TelemetryError, match="is not one of a capture"):
        verify_capture(tmp_path / "one")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        pytest.param(lambda d: d.update(extra=1), "extra", id="unknown field"),
        pytest.param(lambda d: d["grid"].update(bins=0), "bins", id="no bins"),
        pytest.param(lambda d: d["grid"].update(binUnit="moons"), "binUnit", id="unit"),
        pytest.param(lambda d: d["files"][0].update(hash="md5:1"), "hash", id="hash"),
        pytest.param(lambda d: d["provenance"].pop("capturedAtUtc"), "capturedAtUtc", id="missing field"),
    ],
)
def test_a_manifest_with_a_wrong_field(folder: Path, change: Callable[[Any], None], match: str) -> None:
    document = manifest_of(folder)
    change(document)
    (folder / "manifest.json").write_bytes(json.dumps(document).encode())
    with pytest.raises(TelemetryError, match=match):
        read_manifest(folder)


def test_a_series_that_is_not_there(folder: Path) -> None:
    with pytest.raises(CaptureNotFoundError, match="no arrivals of node 'Nobody'") as caught:
        read_capture(folder).series("Nobody", "arrivals")
    assert caught.value.code == "telemetry.series_not_found"


def test_a_sound_capture_is_read_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    original = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: (read.append(path.name), original(path))[1])
    capture = read_sound(folder)
    assert capture.manifest == read_manifest(folder)
    assert sorted(read) == sorted({file.path for file in capture.manifest.files})


def spoil_two(folder: Path) -> None:
    """Seal what is no number, and then change a later file."""
    replace_cells(folder, ARRIVALS, b"0,DEFAULT,6", b"0,DEFAULT,six")
    (folder / "Desk_served.csv").write_bytes(b"")


@pytest.mark.parametrize(
    ("spoil", "code", "match"),
    [
        pytest.param(spoil_two, "telemetry.altered", r"Desk_served\.csv", id="the gravest of two files"),
        pytest.param(
            lambda folder: rewrite(folder, lambda d: d["window"].update(durationMinutes=1)),
            "telemetry.grid_mismatch",
            "window",
            id="only the manifest",
        ),
        pytest.param(
            lambda folder: rewrite(folder, lambda d: d["files"].append(d["files"][0])),
            "telemetry.duplicate_part",
            "named 2 times",
            id="a part twice",
        ),
    ],
)
def test_what_is_not_sound_is_not_read(folder: Path, spoil: Callable[[Path], None], code: str, match: str) -> None:
    spoil(folder)
    with pytest.raises(TelemetryError, match=match) as caught:
        read_sound(folder)
    assert caught.value.code == code == verify_capture(folder).code
