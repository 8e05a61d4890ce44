"""Which series of a capture take the place of inputs, and what is told of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from capturefakes import CLASSES, FLOW, LIMITED, a_run, rewrite
from enginemodels import model_text, station
from flowtime.errors import CaptureAlteredError, CaptureNotFoundError, FlowtimeError, ParameterError, TelemetryError
from flowtime.model import parse_model
from flowtime.orchestration.capture_roles import first_causes, followers, inputs_of
from flowtime.orchestration.telemetry_run import Replay
from flowtime.storage import sha256_bytes
from flowtime.templates import parse_template, shipped_folder, template
from replayfakes import captured, publish, replay_model, replay_template

DERIVED = model_text(
    3,
    {"base": [1.0, 2.0, 3.0], "demand": "base * 2", "failed": "demand * 0.5", "seen": "q_served + base", "limit": 2.0},
    station("arrivals: demand, errors: failed, capacity: limit, servedCount: seen"),
)
ROUTED = model_text(
    2,
    {"demand": [4.0, 4.0], "split": "{kind: router, inputs: {queue: demand}, routes: [{target: left, weight: 1}]}",
     "left": 0.0, "limit": 9.0},
    station("arrivals: left, capacity: limit", name="Left"),
)  # fmt: skip
ELSEWHERE = model_text(
    4,
    {"tickets": [1.0, 2.0, 3.0, 4.0], "most": 2.0},
    station("arrivals: tickets, capacity: most", name="Counter"),
    grid="binSize: 5, binUnit: minutes",
)
CIRCLE = model_text(3, {"a": "DELAY(b, 1, 1)", "b": "a + 1", "c": "b * 2"}, station("arrivals: a", kind="sink"))
PUBLISHED = """\
schemaVersion: 1
metadata: {id: pub, title: Published, version: 1.0.0}
parameters:
  - {name: demandSource, type: string, default: ""}
  - {name: pattern, type: array, arrayOf: double, default: [1, 2, 3, 4], minimum: 0}
  - {name: limit, type: number, default: 2, maximum: 50}
grid: {bins: 4, binSize: 5, binUnit: minutes}
nodes:
  - {id: demand, kind: const, values: [9, 9, 9, 9], source: "${demandSource}"}
  - {id: extra, kind: const, values: "${pattern}"}
  - {id: limit, kind: const, values: "${limit}"}
  - {id: all, kind: expr, expr: "demand + extra"}
topology:
  nodes:
    - {id: Desk, kind: serviceWithBuffer, semantics: {arrivals: all, capacity: limit}}
"""


def codes(replay: Replay) -> list[str]:
    return [note.code for note in replay.source.notes]


def uses(replay: Replay) -> dict[str, str]:
    """Return what each total of the capture was used for, by its series."""
    return {str(row.series): row.use for row in replay.rows if row.class_id == "DEFAULT" and row.series}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(FLOW, {"demand", "limit"}, id="consts"),
        pytest.param(CLASSES, {"demand", "limit"}, id="what traffic splits"),
        pytest.param(DERIVED, {"base", "demand", "failed", "limit"}, id="expressions of inputs"),
        pytest.param(LIMITED, {"a", "b", "each", "both", "all"}, id="the capacity of a constraint"),
        pytest.param(CIRCLE, {"a", "b", "c"}, id="a circle over time"),
        pytest.param(ROUTED, {"demand", "limit"}, id="not what a router fills"),
    ],
)
def test_inputs_are_what_the_model_takes_from_outside(text: str, expected: set[str]) -> None:
    assert inputs_of(parse_model(text)) == expected


@pytest.mark.parametrize(
    ("names", "kept", "expected"),
    [
        pytest.param(["demand", "failed"], [], {"demand"}, id="not what follows"),
        pytest.param(["failed"], [], {"failed"}, id="what follows, where nothing else is there"),
        pytest.param(["failed", "limit"], ["demand"], {"limit"}, id="not what follows from what was asked for"),
        pytest.param(["failed", "demand"], ["failed"], {"failed", "demand"}, id="what was asked for"),
    ],
)
def test_what_follows_from_an_input_is_computed(names: list[str], kept: list[str], expected: set[str]) -> None:
    assert first_causes(parse_model(DERIVED), names, kept) == expected


def test_of_a_circle_the_first_counts() -> None:
    model = parse_model(CIRCLE)
    assert first_causes(model, ["c", "b", "a"]) == {"a"}
    assert followers(model, ["a"]) == {"a", "b", "c"}


def test_a_captured_series_takes_the_place_of_its_node(tmp_path: Path) -> None:
    capture = captured(tmp_path, a_run(tmp_path))
    other = parse_model(FLOW.replace("[1.0, 5.0, 0.1, 0.0]", "[9.0, 9.0, 9.0, 9.0]"))
    replay = replay_model(other, capture)
    run = publish(tmp_path, replay, "two")
    assert run.series("demand").tolist() == [1.0, 5.0, 0.1, 0.0]
    assert run.series("desk_served").tolist() == [1.0, 2.0, 2.0, 1.1]
    assert uses(replay) == {
        "demand": "input", "limit": "input", "desk_served": "observation", "desk_queue": "observation",
        "done_served": "observation",
    }  # fmt: skip
    assert codes(replay) == ["telemetry_model_differs"]


def test_a_file_can_be_bound_to_any_series(tmp_path: Path) -> None:
    capture = captured(tmp_path, a_run(tmp_path))
    replay = replay_model(parse_model(FLOW), capture, bindings={"demand": "Desk_capacity"})
    assert publish(tmp_path, replay, "two").series("demand").tolist() == [2.0, 2.0, 2.0, 2.0]
    assert replay.source.origin.telemetry_bindings["demand"] == "Desk_capacity.csv"


@pytest.mark.parametrize(
    ("bindings", "error"),
    [
        pytest.param({"demand": "nothing.csv"}, CaptureNotFoundError, id="a file that is not there"),
        pytest.param({"desk_queue": "Desk_served.csv"}, ParameterError, id="what the topology computes"),
        pytest.param({"nobody": "Desk_served.csv"}, ParameterError, id="what is not there"),
        pytest.param({"demand": "../Desk_served.csv"}, CaptureNotFoundError, id="a path"),
    ],
)
def test_a_wrong_binding_is_refused(tmp_path: Path, bindings: dict[str, str], error: type[FlowtimeError]) -> None:
    capture = captured(tmp_path, a_run(tmp_path))
    with pytest.raises(error):
        replay_model(parse_model(FLOW), capture, bindings=bindings)


def test_an_altered_capture_is_refused_by_name(tmp_path: Path) -> None:
    capture = captured(tmp_path, a_run(tmp_path))
    (capture / "Desk_served.csv").write_text("bin_index,classId,value\n")
    with pytest.raises(CaptureAlteredError, match=r"Desk_served\.csv"):
        replay_model(parse_model(FLOW), capture)


def test_a_capture_that_is_of_nothing_here_says_so(tmp_path: Path) -> None:
    capture = captured(tmp_path, a_run(tmp_path))
    replay = replay_model(parse_model(ELSEWHERE), capture)
    assert "telemetry_sources_missing" in codes(replay)
    assert codes(replay).count("telemetry_series_unknown") == len(replay.rows)
    assert [note.node_id for note in replay.source.notes if note.code == "telemetry_sources_unresolved"] == ["Counter"]


def test_names_of_nodes_do_where_the_capture_knows_no_series(tmp_path: Path) -> None:
    capture = captured(tmp_path, a_run(tmp_path))

    def without_series(document: Any) -> None:
        document["files"] = [{**file, "seriesId": None} for file in document["files"]]

    rewrite(capture, without_series)
    replay = replay_model(parse_model(FLOW), capture)
    assert sorted(replay.source.origin.telemetry_bindings) == ["demand", "limit"]


GAPS = """\
schemaVersion: 1
injections:
  - {kind: drop, nodes: [Desk], metrics: [arrivals], windows: [{firstBin: 1, lastBin: 2}]}
"""


@pytest.mark.parametrize(
    ("gaps", "expected", "code"),
    [
        pytest.param("model", [1.0, 5.0, 0.1, 0.0], "telemetry_gaps_modelled", id="the model's own values"),
        pytest.param("keep", [1.0, None, None, 0.0], "telemetry_series_invalid", id="kept"),
    ],
)
def test_gaps_are_never_filled_in_silence(tmp_path: Path, gaps: Any, expected: list[Any], code: str) -> None:
    model = parse_model(FLOW)
    capture = captured(tmp_path, publish(tmp_path, model, "one"), GAPS)
    run = publish(tmp_path, replay_model(model, capture, gaps=gaps), "two")
    found = run.series("demand")
    assert np.where(np.isnan(found), None, found).tolist() == expected
    assert [(note.bins, note.bin_count) for note in run.run.warnings if note.code == code] == [(((1, 2),), 2)]


@pytest.mark.parametrize(
    ("classes", "code"),
    [
        pytest.param({"Vip": [2, 2, 2], "Rest": [4, 4, 9]}, "class_conservation_mismatch", id="not the total"),
        pytest.param({"Vip": [2, 2, 2]}, "class_series_missing", id="one is missing"),
    ],
)
def test_what_is_odd_about_classes_is_told(tmp_path: Path, classes: dict[str, list[float]], code: str) -> None:
    capture = captured(tmp_path, a_run(tmp_path, CLASSES))
    replace_classes(capture, classes, with_total=True)
    replay = replay_model(parse_model(CLASSES), capture)
    assert code in codes(replay)
    assert publish(tmp_path, replay, "two").series("demand").tolist() == [6.0, 6.0, 6.0]


def test_captured_classes_keep_shares_of_their_own(tmp_path: Path) -> None:
    capture = captured(tmp_path, a_run(tmp_path, CLASSES))
    replace_classes(capture, {"Vip": [1.0, 2.0, 3.0], "Rest": [5.0, 4.0, 3.0]}, with_total=True)
    run = publish(tmp_path, replay_model(parse_model(CLASSES), capture), "two")
    assert run.series("demand@Vip").tolist() == [1.0, 2.0, 3.0]
    assert run.series("demand@Rest").tolist() == [5.0, 4.0, 3.0]
    assert run.run.class_coverage == "full"


def test_a_total_is_the_sum_of_its_classes_where_it_was_not_captured(tmp_path: Path) -> None:
    capture = captured(tmp_path, a_run(tmp_path, CLASSES))
    replace_classes(capture, {"Vip": [1.0, 2.0, 3.0], "Rest": [5.0, 5.0, 5.0]}, with_total=False)
    replay = replay_model(parse_model(CLASSES), capture)
    assert "class_totals_missing" in codes(replay)
    assert publish(tmp_path, replay, "two").series("demand").tolist() == [6.0, 7.0, 8.0]


def test_some_classes_alone_are_no_total(tmp_path: Path) -> None:
    capture = captured(tmp_path, a_run(tmp_path, CLASSES))
    replace_classes(capture, {"Vip": [1.0, 2.0, 3.0]}, with_total=False)
    with pytest.raises(TelemetryError) as caught:
        replay_model(parse_model(CLASSES), capture)
    assert caught.value.code == "telemetry.no_total"


def replace_classes(capture: Path, classes: dict[str, list[float]], *, with_total: bool) -> None:
    """Give the series ``demand`` of a capture other classes, and take its total away or leave it."""
    hashes = {}
    for class_id, values in classes.items():
        rows = "".join(f"{bin_index},{class_id},{value}\n" for bin_index, value in enumerate(values))
        data = f"bin_index,classId,value\n{rows}".encode()
        (capture / f"Desk_arrivals_{class_id}.csv").write_bytes(data)
        hashes[class_id] = {"hash": sha256_bytes(data)}
    wanted = {*classes, *(["DEFAULT"] if with_total else [])}

    def change(document: Any) -> None:
        arrivals = [{**f, **hashes.get(f["classId"], {})} for f in document["files"] if f["metric"] == "arrivals"]
        others = [file for file in document["files"] if file["metric"] != "arrivals"]
        document["files"] = [*others, *(file for file in arrivals if file["classId"] in wanted)]

    rewrite(capture, change)


def test_another_capture_makes_another_run(tmp_path: Path) -> None:
    model = parse_model(FLOW)
    run = publish(tmp_path, model, "one")
    hashes = [
        publish(tmp_path, replay_model(model, captured(tmp_path / name, run, gaps), **how), f"run{name}").run.input_hash
        for name, gaps, how in (("a", None, {}), ("b", GAPS, {}), ("c", GAPS, {"gaps": "keep"}))
    ]
    assert len({run.run.input_hash, *hashes}) == 4


# --- templates --------------------------------------------------------------------------------------------------


def test_parameters_are_those_of_the_captured_run(tmp_path: Path) -> None:
    shipped = template("http-service")
    capture = captured(tmp_path, publish(tmp_path, shipped.render({"servers": 7, "bins": 48}), "one"))
    origin = replay_template(shipped, capture).source.origin
    assert (origin.parameters["servers"], origin.parameters["bins"]) == (7, 48)


def test_a_parameter_that_is_given_is_a_what_if(tmp_path: Path) -> None:
    shipped = template("http-service")
    capture = captured(tmp_path, publish(tmp_path, shipped.render(), "one"))
    replay = replay_template(shipped, capture, {"servers": 8})
    assert sorted(replay.source.origin.telemetry_bindings) == ["requests"]
    assert "telemetry_parameters_differ" in codes(replay)
    assert publish(tmp_path, replay, "two").series("http_capacity").max() == 480.0


def test_a_parameter_that_is_given_as_it_was_changes_nothing(tmp_path: Path) -> None:
    shipped = template("http-service")
    capture = captured(tmp_path, publish(tmp_path, shipped.render(), "one"))
    assert replay_template(shipped, capture, {"servers": 4}).source.notes == ()


def test_another_template_is_told(tmp_path: Path) -> None:
    shipped = template("http-service")
    capture = captured(tmp_path, publish(tmp_path, shipped.render(), "one"))
    text = "\n".join(["# changed", shipped_text("http-service")])
    assert "telemetry_template_differs" in codes(replay_template(parse_template(text), capture))


def shipped_text(name: str) -> str:
    """Return the text of a template of the catalogue."""
    return (shipped_folder() / f"{name}.yaml").read_text(encoding="utf-8")


def test_the_source_of_a_node_has_an_effect(tmp_path: Path) -> None:
    published = parse_template(PUBLISHED)
    capture = captured(tmp_path, publish(tmp_path, published.render(), "one"))
    replay = replay_template(published, capture, bindings={"demandSource": "Desk_served.csv"})
    run = publish(tmp_path, replay, "two")
    assert run.series("demand").tolist() == [2.0, 2.0, 2.0, 2.0]
    assert run.series("all").tolist() == [3.0, 4.0, 5.0, 6.0]
    assert run.metadata.node_sources["demand"] == "Desk_served.csv"
    assert replay.source.origin.parameters["demandSource"] == "file://telemetry/Desk_served.csv"


def test_an_array_parameter_takes_a_file(tmp_path: Path) -> None:
    published = parse_template(PUBLISHED)
    capture = captured(tmp_path, publish(tmp_path, published.render(), "one"))
    replay = replay_template(published, capture, bindings={"pattern": "Desk_arrivals", "demand": "Desk_served"})
    assert replay.source.origin.parameters["pattern"] == (10.0, 11.0, 12.0, 13.0)
    assert publish(tmp_path, replay, "two").series("all").tolist() == [12.0, 13.0, 14.0, 15.0]


# --- what the capture says of itself ------------------------------------------------------------------------------

TOLD = """\
schemaVersion: 1
injections:
  - {kind: drop, nodes: [Desk], metrics: [arrivals], windows: [{firstBin: 1, lastBin: 2}]}
  - {kind: nan, nodes: [out], metrics: [flowVolume], windows: [{firstBin: 3}]}
"""


def test_warnings_of_the_capture_are_those_of_its_replay_once(tmp_path: Path) -> None:
    model = parse_model(FLOW)
    capture = captured(tmp_path, publish(tmp_path, model, "one"), TOLD)
    run = publish(tmp_path, replay_model(model, capture), "two")
    told = [note for note in run.run.warnings if note.message.startswith("in the capture")]
    assert [(note.code, note.message, note.severity, note.node_id, note.bins, note.bin_count) for note in told] == [
        ("data_gap", "in the capture, arrivals: 2 bins without a value", "warning", "Desk", ((1, 2),), 2),
        ("nan_detected", "in the capture, flowVolume: edge out: 1 bin with NaN", "warning", None, ((3, 3),), 1),
    ]


@pytest.mark.parametrize(
    ("bins", "size", "expected"),
    [
        pytest.param(2, 10, [(((0, 1),), 2)], id="longer bins"),
        pytest.param(2, 5, [(((1, 1),), 1)], id="a part of the window"),
        pytest.param(1, 5, [], id="not the part that it is about"),
    ],
)
def test_warnings_of_the_capture_come_to_the_grid_of_the_run(
    tmp_path: Path, bins: int, size: int, expected: list[Any]
) -> None:
    capture = captured(tmp_path, publish(tmp_path, parse_model(FLOW), "one"), GAPS)
    text = FLOW.replace("bins: 4, binSize: 5", f"bins: {bins}, binSize: {size}")
    model = parse_model(text.replace("[1.0, 5.0, 0.1, 0.0]", str([1.0] * bins)))
    notes = replay_model(model, capture, resample="sum").source.notes
    assert [(note.bins, note.bin_count) for note in notes if note.code == "data_gap"] == expected


def test_a_warning_of_a_node_that_the_model_has_not_names_it(tmp_path: Path) -> None:
    capture = captured(tmp_path, publish(tmp_path, parse_model(FLOW), "one"), GAPS)
    notes = replay_model(parse_model(ELSEWHERE), capture).source.notes
    found = [(note.node_id, note.message) for note in notes if note.code == "data_gap"]
    assert found == [(None, "in the capture, Desk.arrivals: 2 bins without a value")]
