"""Profiles of steps: made while the step runs, read later in several forms."""

from __future__ import annotations

import builtins
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import flowtime
from flowtime.cli import main
from flowtime.errors import MissingExtraError, RunCorruptError, RunNotFoundError
from flowtime.tracking.profiles import profiled_steps, render_profile

pytest.importorskip("pyinstrument", reason="pyinstrument is not installed")


def busy_work() -> None:
    end = time.monotonic() + 0.05
    while time.monotonic() < end:
        sum(range(1000))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run with the profile of a step whose name is no file name."""
    with flowtime.track("p", root=tmp_path, sample=False, strict=True) as run:
        with run.step("crunch/all", profile=True):
            busy_work()
        with run.step("plain"):
            pass
    assert run.folder is not None
    return run.folder


@pytest.fixture
def without_pyinstrument(monkeypatch: pytest.MonkeyPatch) -> None:
    real: Callable[..., Any] = builtins.__import__

    def refuse(name: str, *arguments: Any) -> Any:
        if name.partition(".")[0] == "pyinstrument":
            raise ImportError(name)
        return real(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", refuse)


def test_a_step_has_a_profile(folder: Path) -> None:
    assert profiled_steps(folder) == ["crunch/all"]
    steps = json.loads((folder / "run.json").read_text())["steps"]
    assert [bool(step["profile"]) for step in steps] == [True, False]
    assert (folder / steps[0]["profile"]).is_file()


def test_the_text_shows_where_time_went(folder: Path) -> None:
    text = render_profile(folder, "crunch/all")
    assert "busy_work" in text
    assert f"step crunch/all of run {folder.name}" in text
    assert render_profile(folder, "crunch/all", unicode=False).isascii()


def test_other_forms_are_what_they_say(folder: Path) -> None:
    assert render_profile(folder, "crunch/all", "html").startswith("<!DOCTYPE html>")
    assert "speedscope" in json.loads(render_profile(folder, "crunch/all", "speedscope"))["$schema"]
    assert json.loads(render_profile(folder, "crunch/all", "json"))["root_frame"]


def test_a_live_run_has_its_profiles_too(tmp_path: Path) -> None:
    with flowtime.track("p", root=tmp_path, sample=False) as run:
        with run.step("crunch", profile=True):
            busy_work()
        assert run.folder is not None
        assert profiled_steps(run.folder) == ["crunch"]
        assert "busy_work" in render_profile(run.folder, "crunch")


@pytest.mark.parametrize(
    ("step", "hint"),
    [
        pytest.param("crunch/al", "did you mean 'crunch/all'?", id="nearly"),
        pytest.param("x", "there are profiles of crunch/all", id="others"),
    ],
)
def test_a_step_without_a_profile_is_not_found(folder: Path, step: str, hint: str) -> None:
    with pytest.raises(RunNotFoundError) as caught:
        render_profile(folder, step)
    assert (caught.value.code, caught.value.hint) == ("run.profile_not_found", hint)


def test_a_file_that_is_no_profile_is_corrupt(folder: Path) -> None:
    (path,) = (folder / "profiles").iterdir()
    path.write_text("{}")
    with pytest.raises(RunCorruptError):
        render_profile(folder, "crunch/all")


@pytest.mark.usefixtures("without_pyinstrument")
def test_without_the_extra_strict_runs_say_so(tmp_path: Path) -> None:
    with (
        pytest.raises(MissingExtraError, match=r"flowtime\[profile\]"),
        flowtime.track("p", root=tmp_path, sample=False, strict=True) as run,
        run.step("crunch", profile=True),
    ):
        pass


@pytest.mark.usefixtures("without_pyinstrument")
def test_without_the_extra_other_runs_go_on(tmp_path: Path) -> None:
    with flowtime.track("p", root=tmp_path, sample=False) as run, run.step("crunch", profile=True):
        pass
    assert run.folder is not None
    record = json.loads((run.folder / "run.json").read_text())
    assert (record["status"], record["steps"][0]["status"], record["dropped"]) == ("completed", "completed", 1)
    assert "pyinstrument" in record["end"]["reason"]


def test_without_the_extra_nothing_is_shown(folder: Path, without_pyinstrument: None) -> None:
    with pytest.raises(MissingExtraError):
        render_profile(folder, "crunch/all")


def test_the_command_shows_and_writes(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = ("--runs-dir", str(folder.parent))
    assert main(["runs", "profile", folder.name, *root]) == 0
    assert capsys.readouterr().out == "crunch/all\n"
    assert main(["runs", "profile", folder.name, "crunch/all", *root]) == 0
    assert "busy_work" in capsys.readouterr().out
    target = tmp_path / "profile.html"
    assert main(["runs", "profile", folder.name, "crunch/all", "--format", "html", "-o", str(target), *root]) == 0
    assert target.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
