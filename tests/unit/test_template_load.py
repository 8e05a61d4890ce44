"""Loading a template: its header, its parameters, and what is refused before anything is rendered."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowtime.errors import TemplateError
from flowtime.templates import load_template, parse_template
from templatefakes import HEADER, codes, places, template_text

NODES = "grid: {bins: 4, binSize: 5, binUnit: minutes}\nnodes:\n  - {id: a, kind: const, values: %s}\n"


FULL_HEADER = """\
schemaVersion: 1
generator: flowtime-sim
mode: telemetry
metadata:
  id: incident-retry
  title: Incidents
  version: 2.0.1-beta.1
  description: >-
    Folded over
    two lines.
  narrative: |
    First line.
    Second line.
  question: How many?
  tags:
    - one
    - two
  captureKey: incidents
window: {start: 2025-03-01T00:00:00Z, timezone: UTC}
"""


def test_header_is_read() -> None:
    template = parse_template(template_text(header=FULL_HEADER))
    metadata = template.header.metadata
    assert (template.id, metadata.version, metadata.tags) == ("incident-retry", "2.0.1-beta.1", ("one", "two"))
    assert (metadata.description, metadata.narrative) == ("Folded over two lines.", "First line.\nSecond line.\n")
    assert (template.header.mode, template.header.generator) == ("telemetry", "flowtime-sim")
    assert template.window_start is not None


@pytest.mark.parametrize(
    ("parameter", "bounds"),
    [
        pytest.param("{name: n, type: number, min: 1, max: 2}", (1.0, 2.0), id="min and max"),
        pytest.param("{name: n, type: number, minimum: 1, maximum: 2}", (1.0, 2.0), id="minimum and maximum"),
        pytest.param("{name: n, type: integer, min: 0}", (0.0, None), id="zero is a bound"),
        pytest.param("{name: n, type: string}", (None, None), id="none"),
    ],
)
def test_bounds_have_two_spellings(parameter: str, bounds: tuple[float | None, float | None]) -> None:
    (found,) = parse_template(template_text(f"  - {parameter}\n")).parameters
    assert (found.low, found.high) == bounds


@pytest.mark.parametrize(
    ("parameter", "default"),
    [
        pytest.param("{name: a, type: array, default: [1, 2.5]}", [1, 2.5], id="flow list"),
        pytest.param(
            "name: a\n    type: array\n    arrayOf: int\n    default:\n      - 1\n      - 2", [1, 2], id="block list"
        ),
        pytest.param('{name: a, type: string, default: ""}', "", id="empty text"),
        pytest.param('{name: a, type: string, default: "3"}', "3", id="text that looks like a number"),
        pytest.param("{name: a, type: boolean, default: false}", False, id="false"),
        pytest.param("{name: a, type: integer, default: 0}", 0, id="zero"),
        pytest.param("{name: a, type: integer}", None, id="absent"),
    ],
)
def test_defaults(parameter: str, default: object) -> None:
    (found,) = parse_template(template_text(f"  - {parameter}\n")).parameters
    assert found.default == default
    assert found.required == (default is None)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        pytest.param("[1]\n", ("template.not_a_mapping", 1, 1), id="no mapping"),
        pytest.param("a: [\n", ("model.yaml_syntax", 2, 1), id="broken YAML"),
        pytest.param(HEADER.replace("sion: 1\n", "sion: 2\n"), ("template.bad_value", 1, 16), id="schema version"),
        pytest.param(HEADER.replace("id: small", "id: ../small"), ("template.bad_value", 2, 16), id="id"),
        pytest.param(HEADER.replace("1.2.3", "1.2"), ("template.bad_value", 2, 46), id="version"),
        pytest.param(HEADER.replace("UTC}", "CET}"), ("template.bad_value", 3, 51), id="time zone"),
        pytest.param(
            HEADER.replace("2025-01-01T00:00:00Z", "${begin}"), ("template.unknown_placeholder", 3, 18), id="window"
        ),
    ],
)
def test_header_that_is_refused(text: str, fault: tuple[str, int, int]) -> None:
    with pytest.raises(TemplateError) as caught:
        parse_template(text, file="t.yaml")
    assert places(caught.value) == [fault]
    assert caught.value.faults[0].file == "t.yaml"


@pytest.mark.parametrize(
    ("declaration", "code", "column"),
    [
        pytest.param("name: n, type: float", "template.bad_value", 21, id="type"),
        pytest.param("name: n-1, type: integer", "template.bad_value", 12, id="name"),
        pytest.param("name: n, type: integer, step: 1", "template.unknown_field", 30, id="unknown field"),
        pytest.param("name: n, type: integer, default: 1.5", "template.parameter_type", 39, id="type of the default"),
        pytest.param("name: n, type: string, default: 5", "template.parameter_type", 38, id="number for a text"),
        pytest.param("name: n, type: integer, default: 9, max: 8", "template.parameter_range", 39, id="default above"),
        pytest.param("name: n, type: array, default: [9], max: 8", "template.parameter_range", 37, id="element above"),
        pytest.param("name: n, type: integer, min: 9, max: 8", "template.parameter_bounds", 12, id="empty range"),
        pytest.param("name: n, type: integer, min: 1, minimum: 1", "template.parameter_bounds", 35, id="bound twice"),
        pytest.param("name: n, type: string, min: 1", "template.parameter_bounds", 21, id="bound of a text"),
        pytest.param("name: n, type: integer, arrayOf: int", "template.parameter_bounds", 39, id="arrayOf"),
    ],
)
def test_parameter_that_is_refused(declaration: str, code: str, column: int) -> None:
    with pytest.raises(TemplateError) as caught:
        parse_template(template_text(f"  - {{{declaration}}}\n"))
    assert places(caught.value) == [(code, 5, column)]


def test_parameter_declared_twice() -> None:
    with pytest.raises(TemplateError) as caught:
        parse_template(template_text("  - {name: n, type: integer}\n  - {name: n, type: number}\n"))
    assert places(caught.value) == [("template.duplicate_parameter", 6, 12)]


@pytest.mark.parametrize(
    ("values", "code", "column"),
    [
        pytest.param('"${x}"', "template.unknown_placeholder", 35, id="unknown"),
        pytest.param('"1${x y}"', "template.placeholder_syntax", 36, id="no name"),
        pytest.param('"${}"', "template.placeholder_syntax", 35, id="empty"),
        pytest.param('"${x"', "template.placeholder_syntax", 35, id="not closed"),
        pytest.param('1, "${x}": 1', "template.placeholder_in_key", 38, id="in a key"),
    ],
)
def test_placeholder_that_is_refused(values: str, code: str, column: int) -> None:
    with pytest.raises(TemplateError) as caught:
        parse_template(template_text(body=NODES % values))
    assert places(caught.value) == [(code, 6, column)]


def test_all_faults_at_once() -> None:
    parameters = "  - {name: n, type: integer, default: x}\n  - {name: m, type: boolean, min: 1}\n"
    with pytest.raises(TemplateError) as caught:
        parse_template(template_text(parameters, NODES % '"${q}"'))
    expected = ["template.parameter_type", "template.parameter_bounds", "template.unknown_placeholder"]
    assert codes(caught.value) == expected


def test_unknown_placeholder_names_the_nearest() -> None:
    with pytest.raises(TemplateError) as caught:
        parse_template(template_text("  - {name: rate, type: number}\n", NODES % '"${raet}"'))
    assert caught.value.faults[0].hint == "did you mean ${rate}?"


def test_hash_does_not_depend_on_line_ends() -> None:
    text = template_text()
    assert parse_template(text).text_hash == parse_template(text.replace("\n", "\r\n")).text_hash
    assert parse_template(text).text_hash != parse_template(f"{text}# more\n").text_hash


def test_file_and_folder_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(template_text(), "utf-8")
    template = load_template(path)
    assert (template.file, template.folder) == (str(path), tmp_path)


def test_absent_file(tmp_path: Path) -> None:
    with pytest.raises(TemplateError) as caught:
        load_template(tmp_path / "none.yaml")
    assert caught.value.code == "template.not_found"


def test_folder_in_place_of_a_file(tmp_path: Path) -> None:
    with pytest.raises(TemplateError) as caught:
        load_template(tmp_path)
    assert caught.value.code == "template.unreadable"


def test_header_alone_needs_no_body() -> None:
    assert parse_template(HEADER).body.pairs == ()
