"""A run whose folder is replaced, deleted or restored while it is open: answers are of one run, never of two."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flowtime.bundle import Bundle, open_bundle
from flowtime.errors import RunCorruptError, RunNotFoundError
from flowtime.state import OpenRun, encode_answer, open_run_state, read_graph, read_metrics, read_state, read_window
from flowtime.state import open_run as opening
from statefakes import written

MODEL = """\
schemaVersion: 1
grid: {bins: %(bins)d, binSize: 5, binUnit: minutes, start: "2025-01-01T00:00:00Z"}
rng: {kind: pcg32, seed: %(bins)d}
nodes:
  - {id: orders, kind: const, values: %(value)s}
  - {id: hands, kind: const, values: 4}
topology:
  nodes:
    - {id: %(name)s, kind: serviceWithBuffer, semantics: {arrivals: orders, capacity: hands}}
"""
# Fewer bins and other nodes, so that a mixture could not even be read.
OLD = MODEL % {"bins": 6, "name": "Old", "value": 5}
NEW = MODEL % {"bins": 3, "name": "New", "value": 7}
ASKED: dict[str, Callable[[OpenRun], Any]] = {
    "state": lambda run: read_state(run, 2),
    "window": read_window,
    "full window": lambda run: read_window(run, mode="full"),
    "graph": lambda run: read_graph(run, mode="full"),
    "metrics": read_metrics,
}
QUESTIONS = [pytest.param(ask, id=name) for name, ask in ASKED.items()]


def replace(run: OpenRun) -> None:
    written(run.bundle.path.parent, NEW, overwrite=True)


@pytest.fixture
def old(tmp_path: Path) -> OpenRun:
    return written(tmp_path / "runs", OLD)


@pytest.fixture
def kept(tmp_path: Path) -> OpenRun:
    """The same run in a folder that nobody touches."""
    return written(tmp_path / "kept", OLD)


@pytest.mark.parametrize("ask", QUESTIONS)
def test_an_open_run_that_is_replaced_answers_as_before(
    old: OpenRun, kept: OpenRun, ask: Callable[[OpenRun], Any]
) -> None:
    replace(old)
    assert encode_answer(ask(old)) == encode_answer(ask(kept))


@pytest.mark.parametrize("ask", QUESTIONS)
def test_a_question_before_the_folder_is_replaced_changes_no_later_one(
    old: OpenRun, kept: OpenRun, ask: Callable[[OpenRun], Any]
) -> None:
    read_state(old, 0)
    replace(old)
    assert encode_answer(ask(old)) == encode_answer(ask(kept))


def test_an_open_run_notices_that_it_was_replaced(old: OpenRun) -> None:
    before = old.is_current
    replace(old)
    assert before
    assert not old.is_current
    assert [node.id for node in read_state(open_run_state(old.bundle.path), 0).nodes] == ["New"]


def test_a_run_that_is_deleted_answers_until_it_is_closed(old: OpenRun, kept: OpenRun) -> None:
    shutil.rmtree(old.bundle.path)
    assert not old.is_current
    assert encode_answer(read_window(old)) == encode_answer(read_window(kept))


def test_a_run_that_is_moved_away_and_back_is_current_again(old: OpenRun) -> None:
    aside = old.bundle.path.with_name("aside")
    old.bundle.path.rename(aside)
    was_current = old.is_current
    aside.rename(old.bundle.path)
    assert not was_current
    assert old.is_current


class Swapping:
    """Opens a bundle as usual, and replaces its folder once run.json was read: by the next text, if there is one."""

    def __init__(self, texts: Iterator[str]) -> None:
        self.texts = texts

    def __call__(self, path: Path) -> Bundle:
        bundle = open_bundle(path)
        for text in self.texts:
            # By hand: a run that is written is opened by the same function.
            shutil.copytree(path, path.parent / "next")
            shutil.rmtree(path)
            (path.parent / "next").rename(path)
            (path / "model" / "model.yaml").write_text(text)
            break
        return bundle


@pytest.mark.parametrize(
    "text", [pytest.param(OLD, id="which can be read"), pytest.param("no model", id="which can not")]
)
def test_a_folder_that_is_replaced_while_it_is_opened_is_read_anew(
    old: OpenRun, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    swapping = Swapping(iter([text, OLD]))
    monkeypatch.setattr(opening, "open_bundle", swapping)
    run = open_run_state(old.bundle.path)
    assert run.is_current
    assert next(swapping.texts, "all were used") == "all were used"


def test_a_folder_that_is_replaced_again_and_again_is_given_up(old: OpenRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "open_bundle", Swapping(iter([OLD] * 100)))
    with pytest.raises(RunCorruptError, match="was replaced 5 times while it was read") as caught:
        open_run_state(old.bundle.path)
    assert caught.value.code == "run.corrupt"


def test_a_folder_that_goes_while_it_is_opened_is_not_found(old: OpenRun, monkeypatch: pytest.MonkeyPatch) -> None:
    def vanishing(path: Path) -> Bundle:
        bundle = open_bundle(path)
        shutil.rmtree(path)
        return bundle

    monkeypatch.setattr(opening, "open_bundle", vanishing)
    with pytest.raises(RunNotFoundError):
        open_run_state(old.bundle.path)
