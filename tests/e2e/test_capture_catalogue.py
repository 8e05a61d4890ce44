"""Every shipped template, run and captured: sound, complete, and the run itself to the bit."""

from __future__ import annotations

from pathlib import Path

import pytest

from capturefakes import DAY_ONE, a_capture
from flowtime.bundle import Bundle, open_bundle
from flowtime.orchestration import RunRequest, run_simulation
from flowtime.settings import Settings
from flowtime.telemetry import read_capture
from flowtime.telemetry.diff import diff_capture
from flowtime.telemetry.verify import verify_capture
from flowtime.templates import list_templates, template

TEMPLATES = sorted(info.id for info in list_templates())


def run_template(folder: Path, name: str, *, sample: bool) -> Bundle:
    """Run a template with its defaults."""
    run_simulation(
        RunRequest(source=template(name).render({}), run_id=name, sample=sample, series_csv="never"),
        root=folder / "runs",
        settings=Settings(durability="process"),
        clock=lambda: DAY_ONE,
        entropy=bytes,
    )
    return open_bundle(folder / "runs" / name)


@pytest.mark.parametrize("sample", [pytest.param(False, id="expected"), pytest.param(True, id="sampled")])
@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_is_captured_to_the_bit(tmp_path: Path, name: str, sample: bool) -> None:
    bundle = run_template(tmp_path, name, sample=sample)
    report = a_capture(bundle, tmp_path / "capture")
    compared = diff_capture(bundle, read_capture(tmp_path / "capture"), rtol=0.0, atol=0.0)
    assert verify_capture(tmp_path / "capture").valid
    assert report.manifest.provenance.template_id == name
    assert (compared.within, compared.only_in_run, compared.only_in_capture) == (True, (), ())
    assert len({file.series_id for file in report.files}) == len(report.files)
