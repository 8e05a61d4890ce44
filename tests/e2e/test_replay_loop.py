"""Capture, replay, compare: for every template of the catalogue the model gives back what was captured of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from capturefakes import CLASSES, LIMITED, RETRIES
from enginemodels import model_text, station
from flowtime.model import parse_model
from flowtime.telemetry import read_manifest
from flowtime.templates import list_templates, template
from replayfakes import EVERYWHERE, captured, compared, publish, replay_model, replay_template

TEMPLATES = [info.id for info in list_templates()]
POISSON = model_text(
    6,
    {"demand": "{kind: const, values: [6, 6, 0, 6, 60, 6]}", "limit": 4.0},
    station("arrivals: demand, capacity: limit", name="Desk"),
    root=[
        "classes: [{id: Vip}, {id: the-rest}]",
        "traffic:",
        "  arrivals:",
        "    - {nodeId: demand, classId: Vip, pattern: {kind: poisson, ratePerBin: 1}}",
        "    - {nodeId: demand, classId: the-rest, pattern: {kind: poisson, ratePerBin: 2}}",
    ],
)
GENERATED = POISSON.replace("  - id: demand\n", "  - id: other\n").replace("nodeId: demand", "nodeId: calls").replace(
    "arrivals: demand", "arrivals: calls"
)  # fmt: skip


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_clean_run_comes_back_to_the_last_bit(tmp_path: Path, name: str) -> None:
    capture = captured(tmp_path, publish(tmp_path, template(name).render(), "one"))
    replay = replay_template(template(name), capture)
    report = compared(publish(tmp_path, replay, "two"), capture)
    assert [row for row in report.rows if row.differing] == []
    assert (report.within, report.only_in_capture, replay.source.notes) == (True, (), ())
    assert len(replay.source.origin.telemetry_bindings) >= 2


@pytest.mark.parametrize("name", TEMPLATES)
def test_with_gaps_it_differs_only_where_the_manifest_says(tmp_path: Path, name: str) -> None:
    capture = captured(tmp_path, publish(tmp_path, template(name).render(), "one"), EVERYWHERE)
    report = compared(publish(tmp_path, replay_template(template(name), capture), "two"), capture)
    assert sum(row.differing for row in report.rows) > 0
    assert [(row.subject, row.metric) for row in report.rows if row.unexplained] == []


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(CLASSES, id="classes by fixed shares"),
        pytest.param(LIMITED, id="a shared constraint"),
        pytest.param(RETRIES, id="retries"),
        pytest.param(POISSON, id="classes that are drawn around a mean"),
        pytest.param(GENERATED, id="classes that traffic generates"),
    ],
)
@pytest.mark.parametrize("sample", [False, True], ids=["expected", "drawn"])
def test_a_model_comes_back_with_its_classes(tmp_path: Path, text: str, sample: bool) -> None:
    model = parse_model(text)
    capture = captured(tmp_path, publish(tmp_path, model, "one", sample=sample))
    report = compared(publish(tmp_path, replay_model(model, capture), "two"), capture)
    assert [row for row in report.rows if row.differing] == []
    assert (report.within, len(report.rows) > 3) == (True, True)


@pytest.mark.parametrize(
    ("plan", "differs"),
    [
        pytest.param("{kind: zero_fill, nodes: [Desk], metrics: [served]}", False, id="an observation"),
        pytest.param("{kind: zero_fill, nodes: [Desk], metrics: [arrivals]}", True, id="an input"),
    ],
)
def test_kept_gaps_of_an_input_go_through_the_model(tmp_path: Path, plan: str, differs: bool) -> None:
    model = parse_model(CLASSES)
    run = publish(tmp_path, model, "one")
    capture = captured(tmp_path, run, f"schemaVersion: 1\ninjections: [{plan}]")
    replayed = publish(tmp_path, replay_model(model, capture, gaps="keep"), "two")
    assert (replayed.series("desk_served").tolist() != run.series("desk_served").tolist()) is differs


def test_the_chain_from_template_to_replay_holds(tmp_path: Path) -> None:
    shipped = template("http-service")
    run = publish(tmp_path, shipped.render({"servers": 5}), "one")
    manifest = read_manifest(captured(tmp_path, run))
    replayed = publish(tmp_path, replay_template(shipped, tmp_path / "capture"), "two")
    first, second = run.provenance, replayed.provenance
    assert first is not None
    assert second is not None
    # Template -> run -> capture.
    told = manifest.provenance
    assert (told.run_id, told.model_hash, told.input_hash, told.scenario_hash) == (
        run.run.run_id,
        run.run.model_hash,
        run.run.input_hash,
        run.run.scenario_hash,
    )
    assert (
        (shipped.id, shipped.text_hash)
        == (first.template_id, first.template_hash)
        == (told.template_id, told.template_hash)
    )


def test_the_replay_names_its_capture_in_every_file(tmp_path: Path) -> None:
    shipped = template("http-service")
    capture = captured(tmp_path, publish(tmp_path, shipped.render({"servers": 5}), "one"))
    manifest, told = read_manifest(capture), read_manifest(capture).provenance
    replayed = publish(tmp_path, replay_template(shipped, capture), "two")
    origin = replayed.provenance
    assert origin is not None
    assert origin.capture is not None
    named = (replayed.run.capture_hash, replayed.manifest.provenance.capture_hash, origin.capture.content_hash)
    assert named == (manifest.content_hash,) * 3
    found = origin.capture
    assert (found.run_id, found.model_hash, found.input_hash, found.template_hash, origin.parameters) == (
        told.run_id,
        told.model_hash,
        told.input_hash,
        shipped.text_hash,
        told.parameters,
    )


def test_a_replay_tells_its_sources_truthfully(tmp_path: Path) -> None:
    shipped = template("http-service")
    run = publish(tmp_path, shipped.render(), "one")
    replayed = publish(tmp_path, replay_template(shipped, captured(tmp_path, run)), "two")
    files = {"http_capacity": "HttpService_capacity.csv", "requests": "HttpService_arrivals.csv"}
    metadata = replayed.metadata
    assert (run.metadata.has_telemetry_sources, run.metadata.telemetry_sources, run.metadata.mode) == (
        False,
        (),
        "simulation",
    )
    assert (metadata.has_telemetry_sources, metadata.telemetry_sources) == (True, tuple(sorted(files.values())))
    assert (metadata.node_sources, metadata.mode, replayed.run.mode) == (files, "telemetry", "telemetry")
