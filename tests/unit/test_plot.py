"""Pictures of a run: that they are drawn, alike each time, and what is said where they can not be."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from flowtime.bundle.plot import plot_run
from flowtime.bundle.view import RunView
from flowtime.errors import FlowtimeError, MissingExtraError
from flowtime.model import Grid

WAVE = np.array([1.0, 5.0, float("nan"), 2.0])
VIEW = RunView(
    Grid(bins=4, bin_size=5, bin_unit="minutes"),
    {
        "Pack": {"arrivals": WAVE, "served": WAVE, "effectiveCapacity": WAVE, "queueDepth": WAVE},
        "Price": {"arrivals": WAVE, "utilization": WAVE},
        "Bare": {},
    },
    (),
)


@pytest.fixture(autouse=True, scope="module")
def _needs_matplotlib() -> None:
    pytest.importorskip("matplotlib", reason="the extra plot is not installed")


@pytest.mark.parametrize(
    ("name", "magic"),
    [
        pytest.param("run.png", b"\x89PNG", id="png"),
        pytest.param("run.svg", b"<?xml", id="svg"),
        pytest.param("run.pdf", b"%PDF", id="pdf"),
    ],
)
def test_every_node_is_drawn(tmp_path: Path, name: str, magic: bytes) -> None:
    plot_run(VIEW, tmp_path / name, title="a run")
    assert (tmp_path / name).read_bytes().startswith(magic)


def test_one_node_makes_a_smaller_picture(tmp_path: Path) -> None:
    plot_run(VIEW, tmp_path / "all.svg", title="a run")
    plot_run(VIEW, tmp_path / "one.svg", title="a run", nodes=["Pack"])
    assert (tmp_path / "one.svg").stat().st_size < (tmp_path / "all.svg").stat().st_size


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_the_same_run_gives_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    plot_run(VIEW, tmp_path / f"one.{suffix}", title="a run")
    plot_run(VIEW, tmp_path / f"two.{suffix}", title="a run")
    assert (tmp_path / f"one.{suffix}").read_bytes() == (tmp_path / f"two.{suffix}").read_bytes()


@pytest.mark.parametrize(
    ("view", "nodes", "name", "code"),
    [
        pytest.param(VIEW, ["Pakc"], "run.png", "parameter.unknown_node", id="no such node"),
        pytest.param(RunView(VIEW.grid, {}, ()), [], "run.png", "parameter.unknown_node", id="no topology"),
        pytest.param(VIEW, [], "run.txt", "storage.failed", id="no such format"),
        pytest.param(VIEW, [], "absent/run.png", "storage.failed", id="no such folder"),
    ],
)
def test_what_can_not_be_drawn(tmp_path: Path, view: RunView, nodes: list[str], name: str, code: str) -> None:
    with pytest.raises(FlowtimeError) as caught:
        plot_run(view, tmp_path / name, title="a run", nodes=nodes)
    assert caught.value.code == code


def test_without_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError) as caught:
        plot_run(VIEW, tmp_path / "run.png", title="a run")
    assert "flowtime[plot]" in str(caught.value)
