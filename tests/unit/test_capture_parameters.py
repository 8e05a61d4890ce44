"""Files of a capture as parameters of a template: found, checked, and told where each is from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from capturefakes import rewrite
from flowtime.errors import FaultsError, TemplateError
from flowtime.model import parse_model
from flowtime.orchestration.capture_binding import TelemetryRequest
from flowtime.orchestration.template_payload import Generated, generate
from flowtime.templates import Template, parse_template, template
from replayfakes import captured, publish

TEMPLATE = """\
schemaVersion: 1
metadata: {id: pub, title: Published, version: 1.0.0}
parameters:
  - {name: bins, type: integer, default: 4}
  - {name: demandSource, type: string, default: ""}
  - {name: pattern, type: array, arrayOf: double, default: [1, 2, 3, 4], minimum: 0, maximum: 50}
  - {name: limit, type: number, default: 2, maximum: 50}
  - {name: share, type: number, default: 0.5}
grid: {bins: "${bins}", binSize: 5, binUnit: minutes}
nodes:
  - {id: demand, kind: const, values: 9, source: "${demandSource}"}
  - {id: extra, kind: const, values: "${pattern}"}
  - {id: limit, kind: const, values: "${limit}"}
  - {id: failed, kind: expr, expr: "extra * ${share}"}
topology:
  nodes:
    - {id: Desk, kind: serviceWithBuffer, semantics: {arrivals: demand, errors: failed, capacity: limit}}
    - {id: Other, kind: serviceWithBuffer, semantics: {arrivals: extra, capacity: limit}}
"""


def a_template(**changes: str) -> Template:
    """Return the template, with texts replaced."""
    text = TEMPLATE
    for old, new in changes.items():
        text = text.replace(old, new)
    return parse_template(text)


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    """A capture of a run of the template, its pattern and limit changed."""
    given = {"pattern": [4, 3, 2, 1], "limit": 7, "share": 0.25}
    return captured(tmp_path, publish(tmp_path, parse_template(TEMPLATE).render(given), "one"))


def made(template: Template, capture: Path, given: Any = None, **request: Any) -> Generated:
    """Map the capture onto the template."""
    return generate(template, given or {}, TelemetryRequest(capture_dir=capture, **request))


def test_every_parameter_says_where_it_is_from(capture: Path) -> None:
    mapping = {found.name: found for found in made(parse_template(TEMPLATE), capture, {"share": 0.75}).mapping}
    assert {name: (found.value, found.origin, found.file) for name, found in mapping.items()} == {
        "bins": (4, "grid", None),
        "demandSource": ("file://telemetry/Desk_arrivals.csv", "file", "Desk_arrivals.csv"),
        "pattern": ((4.0, 3.0, 2.0, 1.0), "file", "Other_arrivals.csv"),
        "limit": (7.0, "file", "Desk_capacity.csv"),
        "share": (0.75, "given", None),
    }


def test_the_payload_is_the_request_of_a_service(capture: Path) -> None:
    payload = made(parse_template(TEMPLATE), capture).payload
    assert (payload.template_id, payload.mode) == ("pub", "telemetry")
    assert payload.parameters == {"bins": 4, "pattern": (4.0, 3.0, 2.0, 1.0), "limit": 7.0, "share": 0.25}
    assert payload.telemetry.bindings == {"demandSource": "Desk_arrivals.csv"}
    assert payload.telemetry.capture_directory == str(capture)


def test_the_model_stands_alone(capture: Path) -> None:
    model = parse_model(made(parse_template(TEMPLATE), capture).model_text())
    values = {node.id: getattr(node, "values", None) for node in model.spec.nodes}
    assert values["extra"].tolist() == [4.0, 3.0, 2.0, 1.0]
    assert values["demand"].tolist() == [9.0, 9.0, 9.0, 9.0]


def test_files_are_found_by_node_where_the_capture_is_of_no_run(capture: Path) -> None:
    def from_elsewhere(document: Any) -> None:
        document["files"] = [{**file, "seriesId": None} for file in document["files"]]
        document["provenance"] = {"source": "csv", "capturedAtUtc": document["provenance"]["capturedAtUtc"]}

    rewrite(capture, from_elsewhere)
    mapping = {found.name: found.origin for found in made(parse_template(TEMPLATE), capture).mapping}
    assert mapping == {"bins": "grid", "demandSource": "file", "pattern": "file", "limit": "file", "share": "default"}


def test_a_series_that_varies_is_no_number(capture: Path) -> None:
    template = a_template(**{'values: "${pattern}"': 'values: "${share}"'})
    found = next(mapped for mapped in made(template, capture).mapping if mapped.name == "share")
    assert (found.value, found.origin) == (0.25, "capture")
    assert found.note == "Other_arrivals.csv: parameter 'share' is one number, and the series varies"


NARROW = {"maximum: 50}\n  - {name: limit": "maximum: 3}\n  - {name: limit"}
WHOLE = {"arrayOf: double, default: [1, 2, 3, 4]": "arrayOf: int, default: [1, 2, 3, 4]"}
LOW = {"default: 2, maximum: 50": "default: 2, maximum: 5"}


@pytest.mark.parametrize(
    ("changes", "bindings", "code"),
    [
        pytest.param(NARROW, {}, "template.parameter_range", id="an element out of bounds"),
        pytest.param(WHOLE, {"pattern": "Desk_errors.csv"}, "template.parameter_type", id="not whole numbers"),
        pytest.param({}, {"limit": "Other_arrivals.csv"}, "template.parameter_type", id="no number"),
        pytest.param({'bins: "${bins}"': "bins: 3"}, {}, "model.length_mismatch", id="another length"),
        pytest.param(LOW, {"limit": "Desk_capacity.csv"}, "template.parameter_range", id="a number out of bounds"),
    ],
)
def test_types_lengths_and_bounds_are_checked(
    capture: Path, changes: dict[str, str], bindings: dict[str, str], code: str
) -> None:
    with pytest.raises(FaultsError) as caught:
        made(a_template(**changes), capture, bindings=bindings)
    assert caught.value.code == code


def test_a_template_of_the_catalogue_is_mapped_whole(tmp_path: Path) -> None:
    shipped = template("shared-database")
    folder = captured(tmp_path, publish(tmp_path, shipped.render({"checkoutQueries": 4000}), "one"))
    found = made(shipped, folder)
    files = {m.name: m.file for m in found.mapping if m.origin == "file"}
    assert files["checkoutQueries"] == "Checkout_arrivals.csv"
    assert found.payload.parameters["checkoutQueries"] == 4000.0
    assert found.replay.source.notes == ()


def test_an_unknown_parameter_is_refused(capture: Path) -> None:
    with pytest.raises(TemplateError) as caught:
        made(parse_template(TEMPLATE), capture, {"nobody": 1})
    assert caught.value.code == "template.unknown_parameter"
