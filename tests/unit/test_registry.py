"""The list of runs, and finding one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from flowtime.errors import RunNotFoundError, StorageError
from flowtime.runs import find_run, list_runs
from registryfakes import make_run


def test_the_newest_run_comes_first(tmp_path: Path) -> None:
    make_run(tmp_path, "a", "2025-01-01T00:00:00.000Z")
    make_run(tmp_path, "c", "2025-01-02T00:00:00.000Z")
    make_run(tmp_path, "b", "2025-01-02T00:00:00.000Z")
    assert [run.run_id for run in list_runs(tmp_path)] == ["b", "c", "a"]


def test_a_summary_says_what_a_list_shows(tmp_path: Path) -> None:
    make_run(tmp_path, "a", grid={"bins": 288, "binSize": 5}, templateTitle="T", kind="flow", later="field")
    (run,) = list_runs(tmp_path)
    assert (run.bins, run.series_count, run.warning_count, run.problem) == (288, 1, 2, None)
    assert (run.kind, run.template_title, run.path) == ("flow", "T", str(tmp_path / "a"))


def test_hints_are_not_counted_as_warnings(tmp_path: Path) -> None:
    make_run(tmp_path, "a", warnings=[{"severity": "info"}, {"severity": "warning"}, {"severity": "error"}])
    assert [run.warning_count for run in list_runs(tmp_path)] == [2]


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    folder = make_run(tmp_path, "a")
    (folder / "run.json").write_bytes(b"\xef\xbb\xbf" + (folder / "run.json").read_bytes())
    assert [run.problem for run in list_runs(tmp_path)] == [None]


def test_runs_of_other_zones_and_spellings_are_in_order(tmp_path: Path) -> None:
    make_run(tmp_path, "second", "2025-01-01T10:00:00+02:00")
    make_run(tmp_path, "first", "2025-01-01T08:00:00.0000001Z")
    make_run(tmp_path, "third", "2025-01-01T09:59:59Z")
    make_run(tmp_path, "broken", "monday")
    assert [run.run_id for run in list_runs(tmp_path)] == ["third", "first", "second", "broken"]


def test_a_name_that_is_no_text_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"r\xff")).mkdir()
    make_run(tmp_path, "a")
    assert [run.run_id for run in list_runs(tmp_path)] == ["a"]


def test_what_is_no_run_is_not_listed(tmp_path: Path) -> None:
    make_run(tmp_path, ".staging-a-000000-1-1-01234567")
    (tmp_path / "notes").mkdir()
    (tmp_path / "run.json").write_text("{}")
    assert list_runs(tmp_path) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param("{", "can not be read", id="torn"),
        pytest.param("", "can not be read", id="empty"),
        pytest.param('{"runId": "a"}', "createdUtc", id="a field is missing"),
        pytest.param('{"runId": "b", "createdUtc": "x"}', "this is run b", id="another id"),
        pytest.param('{"runId": "a", "createdUtc": "x"}', "no time", id="no time"),
    ],
)
def test_a_run_that_is_not_sound_is_listed_with_its_problem(tmp_path: Path, text: str, problem: str) -> None:
    (make_run(tmp_path, "a") / "run.json").write_text(text)
    (run,) = list_runs(tmp_path)
    assert (run.run_id, run.status) == ("a", "broken")
    assert problem in str(run.problem)


def test_a_root_that_is_not_there_holds_no_runs(tmp_path: Path) -> None:
    assert list_runs(tmp_path / "none") == []


def test_a_root_that_is_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="can not list file"):
        list_runs(tmp_path / "file")


def test_a_run_is_found_by_id_and_by_path(tmp_path: Path) -> None:
    folder = make_run(tmp_path, "a")
    assert find_run(tmp_path, "a") == find_run(tmp_path / "elsewhere", str(folder)) == folder


@pytest.mark.parametrize("text", ["run_2", "..", ".", "", "/", "../a", "a/../a", "\x00"], ids=repr)
def test_what_is_not_there_is_not_found(tmp_path: Path, text: str) -> None:
    make_run(tmp_path / "runs", "run_1")
    with pytest.raises(RunNotFoundError):
        find_run(tmp_path / "runs", text)


def test_an_id_that_looks_alike_is_offered(tmp_path: Path) -> None:
    make_run(tmp_path, "run_20250101")
    with pytest.raises(RunNotFoundError, match=r"did you mean run_20250101\?"):
        find_run(tmp_path, "run_20250102")


def test_a_folder_that_is_no_run_is_neither_found_nor_offered(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    with pytest.raises(RunNotFoundError, match=r"'thesis' is there, and is no run: it holds no run\.json"):
        find_run(tmp_path, "thesis")
    with pytest.raises(RunNotFoundError) as caught:
        find_run(tmp_path, "thesus")
    assert caught.value.hint is not None
    assert "`flowtime runs list` shows" in caught.value.hint


@pytest.mark.parametrize("module", ["flowtime.settings", "flowtime.storage", "flowtime.runs"])
def test_a_listing_loads_no_heavy_library(module: str) -> None:
    script = (
        f"import sys, {module}; print(sorted({{'numpy', 'numba', 'filelock', 'orjson', 'sqlite3'}} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
