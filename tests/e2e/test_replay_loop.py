"""Capture, replay, compare: for every template of the catalogue the model gives back what was captured of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from capturefakes import CLASSES, FLOW, LIMITED, RETRIES
from enginemodels import model_text, station
from flowtime.errors import TelemetryError
from flowtime.model import parse_model
from flowtime.telemetry import read_manifest
from flowtime.templates import list_templates, load_template, template
from replayfakes import EVERYWHERE, captured, compared, publish, replay_model, replay_template

PUBLISHED = Path(__file__).resolve().parents[2].parent / "shared" / "conformance" / "templates"
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


@pytest.mark.parametrize("sample", [False, True], ids=["expected", "drawn"])
@pytest.mark.parametrize("name", TEMPLATES)
def test_a_clean_run_comes_back_to_the_last_bit(tmp_path: Path, name: str, sample: bool) -> None:
    capture = captured(tmp_path, publish(tmp_path, template(name).render(), "one", sample=sample))
    replay = replay_template(template(name), capture)
    report = compared(publish(tmp_path, replay, "two"), capture)
    assert [row for row in report.rows if row.differing] == []
    assert (report.within, report.only_in_capture, replay.source.notes) == (True, (), ())
    assert len(replay.source.origin.telemetry_bindings) >= 2


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="the published templates are not here")
@pytest.mark.parametrize("sample", [False, True], ids=["expected", "drawn"])
@pytest.mark.parametrize(
    ("name", "unbound"),
    [
        pytest.param(name, unbound, id=name)
        for name, unbound in (
            ("dependency-constraints-minimal", 0),
            ("it-system-microservices", 1),
            ("supply-chain-incident-retry", 0),
            ("supply-chain-multi-tier-classes", 2),
            ("transportation-basic", 0),
        )
    ],
)
def test_a_published_template_comes_back_to_the_last_bit(tmp_path: Path, name: str, unbound: int, sample: bool) -> None:
    published = load_template(PUBLISHED / f"{name}.yaml")
    capture = captured(tmp_path, publish(tmp_path, published.render(), "one", sample=sample))
    report = compared(publish(tmp_path, replay_template(published, capture), "two"), capture)
    assert [row for row in report.rows if row.differing] == []
    assert (report.within, report.only_in_run) == (True, ())
    # What it draws inside, and no node of its topology binds, is only in the capture of a run that drew it.
    assert sum(row.metric == "value" for row in report.rows) == unbound * sample


# A share of what is in the queue, which is no input, is drawn: nothing else tells how it was.
INSIDE = model_text(
    40,
    {
        "demand": 9.0,
        "luck": "{kind: pmf, pmf: {values: [0, 0.25, 0.5], probabilities: [0.25, 0.5, 0.25]}}",
        "limit": "MIN(8, DELAY(desk_queue, 1, 4) * luck + 2 + calls)",
    },
    station("arrivals: demand, capacity: limit", name="Desk"),
    root=[
        "classes: [{id: Vip}, {id: Rest}]",
        "traffic:",
        "  arrivals:",
        "    - {nodeId: calls, classId: Vip, pattern: {kind: poisson, ratePerBin: 1}}",
        "    - {nodeId: calls, classId: Rest, pattern: {kind: poisson, ratePerBin: 2}}",
        "outputs: [{series: demand}]",
    ],
)


def test_what_is_drawn_inside_comes_back_from_replay_to_replay(tmp_path: Path) -> None:
    model = parse_model(INSIDE)
    run = publish(tmp_path, model, "one", sample=True)
    first = captured(tmp_path, run)
    replayed = publish(tmp_path, replay_model(model, first), "two")
    again = publish(tmp_path, replay_model(model, captured(tmp_path / "again", replayed)), "three")
    assert sorted({file.subject for file in read_manifest(first).files if file.metric == "value"}) == ["calls", "luck"]
    assert len(set(run.series("luck"))) == 3
    assert [row for row in (*compared(replayed, first).rows, *compared(again, first).rows) if row.differing] == []
    assert (compared(replayed, first).within, compared(again, first).within) == (True, True)


def test_another_draw_is_a_difference_of_what_was_drawn(tmp_path: Path) -> None:
    model = parse_model(INSIDE)
    capture = captured(tmp_path, publish(tmp_path, model, "one", sample=True, seed=1))
    report = compared(publish(tmp_path, model, "two", sample=True, seed=2), capture)
    assert ("luck", "value") in {(row.subject, row.metric) for row in report.rows if row.differing}
    assert report.only_in_capture == ()


@pytest.mark.parametrize("name", TEMPLATES)
def test_with_gaps_it_differs_only_where_the_manifest_says(tmp_path: Path, name: str) -> None:
    capture = captured(tmp_path, publish(tmp_path, template(name).render(), "one"), EVERYWHERE)
    report = compared(publish(tmp_path, replay_template(template(name), capture), "two"), capture)
    assert sum(row.differing for row in report.rows) > 0
    assert [(row.subject, row.metric) for row in report.rows if row.unexplained] == []


@pytest.mark.parametrize("shift", [pytest.param(2, id="late"), pytest.param(-3, id="early")])
@pytest.mark.parametrize("name", TEMPLATES)
def test_a_skewed_clock_shows_only_where_it_was_off(tmp_path: Path, name: str, shift: int) -> None:
    run = publish(tmp_path, template(name).render(), "one")
    bins = run.run.grid.bins
    # Over the middle, and over the end of the horizon, beyond which nothing is known.
    first, last = bins // 4, bins // 2
    windows = f"[{{firstBin: {first}, lastBin: {last}}}, {{firstBin: {bins - 5}}}]"
    plan = f"schemaVersion: 1\ninjections: [{{kind: clock_skew, shift: {shift}, windows: {windows}}}]"
    capture = captured(tmp_path, run, plan)
    report = compared(publish(tmp_path, replay_template(template(name), capture), "two"), capture)
    off = {*range(first, last + 1), *range(bins - 5, bins)}
    wrong = {index for row in report.rows for begin, end in row.bins for index in range(begin, end + 1)}
    assert {(record.code, record.bins) for record in read_manifest(capture).injections} == {
        ("clock_skew", ((first, last), (bins - 5, bins - 1)))
    }
    assert wrong
    assert wrong <= off
    assert [(row.subject, row.metric) for row in report.rows if row.unexplained] == []


def test_a_skewed_clock_that_is_believed_goes_through_the_model(tmp_path: Path) -> None:
    model = parse_model(FLOW)
    plan = "{kind: clock_skew, shift: 1, nodes: [Desk], metrics: [arrivals]}"
    capture = captured(tmp_path, publish(tmp_path, model, "one"), f"schemaVersion: 1\ninjections: [{plan}]")
    believed = publish(tmp_path, replay_model(model, capture, gaps="keep"), "two")
    assert np.array_equal(believed.series("demand"), [np.nan, 1.0, 5.0, 0.1], equal_nan=True)
    assert believed.series("desk_served").tolist() == [0.0, 1.0, 2.0, 2.0]
    report = compared(publish(tmp_path, replay_model(model, capture), "three"), capture)
    assert [(row.subject, row.metric, row.bins) for row in report.rows if row.differing] == [
        ("Desk", "arrivals", ((1, 3),))
    ]


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


# Steady numbers, so that long bins hold what short ones do: half the queue grows in each half.
STEADY = model_text(
    8,
    {"demand": 6.0, "limit": 4.0},
    station("arrivals: demand, capacity: limit", name="Desk"),
    station("arrivals: desk_served", kind="sink", name="Done"),
    grid='binSize: 5, binUnit: minutes, start: "2026-03-01T00:00:00Z"',
)


@pytest.mark.parametrize(
    ("text", "resample", "compares"),
    [
        pytest.param(STEADY.replace("bins: 8, binSize: 5", "bins: 4, binSize: 10"), "sum", True, id="longer bins"),
        pytest.param(STEADY.replace("bins: 8, binSize: 5", "bins: 3, binSize: 5"), "mean", True, id="a shorter window"),
        pytest.param(STEADY.replace("bins: 8, binSize: 5", "bins: 8, binSize: 5"), "sum", True, id="the same grid"),
        # A mean of amounts is half of them, and the queue of the second half is not that of both.
        pytest.param(STEADY.replace("bins: 8, binSize: 5", "bins: 4, binSize: 10"), "mean", False, id="mean of depths"),
    ],
)
def test_a_resampled_replay_is_compared_with_the_capture_resampled(
    tmp_path: Path, text: str, resample: str, compares: bool
) -> None:
    capture = captured(tmp_path, publish(tmp_path, parse_model(STEADY), "one"))
    run = publish(tmp_path, replay_model(parse_model(text), capture, resample=resample), "two")
    report = compared(run, capture)
    assert run.provenance is not None
    assert run.provenance.capture is not None
    assert report.resample == run.provenance.capture.resample
    assert (report.within, {row.compared for row in report.rows}) == (compares, {run.run.grid.bins})


def test_gaps_come_to_the_bins_of_a_resampled_replay(tmp_path: Path) -> None:
    plan = "[{kind: zero_fill, windows: [{firstBin: 5, lastBin: 6}]}, {kind: drop, windows: [{lastBin: 0}]}]"
    run = publish(tmp_path, parse_model(STEADY), "one")
    capture = captured(tmp_path, run, f"schemaVersion: 1\ninjections: {plan}")
    longer = parse_model(
        STEADY.replace("bins: 8, binSize: 5", "bins: 4, binSize: 10").replace("6.0", "12.0").replace("4.0", "8.0")
    )
    report = compared(publish(tmp_path, replay_model(longer, capture, resample="sum"), "two"), capture)
    assert {(row.missing, row.unexplained) for row in report.rows} == {(1, 0)}
    assert [row.bins for row in report.rows if row.metric == "arrivals" and row.subject == "Desk"] == [((2, 3),)]


def test_only_the_capture_that_fed_a_run_is_resampled_for_it(tmp_path: Path) -> None:
    fed = captured(tmp_path / "fed", publish(tmp_path, parse_model(STEADY), "one"))
    other = captured(tmp_path / "other", publish(tmp_path, parse_model(STEADY.replace("6.0", "7.0")), "two"))
    longer = parse_model(STEADY.replace("bins: 8, binSize: 5", "bins: 4, binSize: 10"))
    run = publish(tmp_path, replay_model(longer, fed, resample="sum"), "three")
    assert compared(run, fed).within
    with pytest.raises(TelemetryError) as caught:
        compared(run, other)
    assert caught.value.code == "telemetry.grid_mismatch"


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
