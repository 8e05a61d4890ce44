"""Runs of templates, captures of them, and replays: for the tests of telemetry runs."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from capturefakes import DAY_ONE, DAY_TWO
from flowtime.bundle import Bundle, open_bundle
from flowtime.orchestration import RunRequest, run_simulation
from flowtime.orchestration.telemetry_run import Replay, TelemetryRequest, bind_model, bind_template
from flowtime.settings import Settings
from flowtime.telemetry.capture import CaptureRequest, capture_run
from flowtime.telemetry.diff import DiffReport, diff_capture
from flowtime.telemetry.gap_plan import parse_gap_plan
from flowtime.telemetry.reader import read_capture
from flowtime.templates import Template

__all__ = ["EVERYWHERE", "captured", "compared", "publish", "replay_model", "replay_template"]

# Gaps of every kind that change a number, in every series.
EVERYWHERE = """\
schemaVersion: 1
injections:
  - {kind: partial, share: 0.1}
  - {kind: burst, count: 1, length: 3, effect: nan}
  - {kind: spike, factor: 3, add: 5, share: 0.05}
  - {kind: stuck, windows: [{firstBin: 5, lastBin: 7}]}
"""


def publish(folder: Path, source: Any, run_id: str, **request: Any) -> Bundle:
    """Run a model, a rendered template or a replay in ``folder/runs``, and return the run."""
    counter = itertools.count(1)
    run_simulation(
        RunRequest(source=source.source if isinstance(source, Replay) else source, run_id=run_id, **request),
        root=folder / "runs",
        settings=Settings(durability="process"),
        clock=lambda: DAY_ONE,
        entropy=lambda size: next(counter).to_bytes(size, "big"),
    )
    return open_bundle(folder / "runs" / run_id)


def captured(folder: Path, run: Bundle, gaps: str | None = None) -> Path:
    """Capture a run, with the gaps of a YAML text, and return the folder of the capture."""
    request = CaptureRequest(output=folder / "capture", gaps=None if gaps is None else parse_gap_plan(gaps))
    capture_run(run, request, clock=lambda: DAY_TWO, durability="process")
    return request.output


def replay_template(
    template: Template, capture: Path, given: Mapping[str, object] | None = None, **request: Any
) -> Replay:
    """Bind a capture to a template."""
    return bind_template(template, given or {}, TelemetryRequest(capture_dir=capture, **request))


def replay_model(model: Any, capture: Path, **request: Any) -> Replay:
    """Bind a capture to a model."""
    return bind_model(model, TelemetryRequest(capture_dir=capture, **request))


def compared(run: Bundle, capture: Path) -> DiffReport:
    """Compare a run with a capture to the last bit."""
    return diff_capture(run, read_capture(capture), rtol=0.0, atol=0.0)
