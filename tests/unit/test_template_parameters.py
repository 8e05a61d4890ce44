"""Values of template parameters: what fits, what does not, and how a command line's text is read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from flowtime.errors import FlowtimeError, TemplateError
from flowtime.templates import (
    Parameter,
    Template,
    bind,
    given_parameters,
    parse_parameter_text,
    parse_template,
    read_parameter_file,
)
from flowtime.templates.parameters import describe
from templatefakes import codes, template_text


def template_of(*parameters: str) -> Template:
    """Return a template with these parameters (YAML flow mappings)."""
    return parse_template(template_text("".join(f"  - {parameter}\n" for parameter in parameters)))


@pytest.mark.parametrize(
    ("parameter", "given", "value"),
    [
        pytest.param("type: integer", 3, 3, id="integer"),
        pytest.param("type: integer", 3.0, 3, id="whole float"),
        pytest.param("type: integer", np.int64(3), 3, id="numpy integer"),
        pytest.param("type: integer", np.float64(3), 3, id="numpy float"),
        pytest.param("type: integer, min: 3, max: 3", 3, 3, id="bounds are inside"),
        pytest.param("type: number", 3, 3.0, id="number from an integer"),
        pytest.param("type: number", -0.0, 0.0, id="no negative zero"),
        pytest.param("type: boolean", True, True, id="boolean"),
        pytest.param("type: boolean", np.True_, True, id="numpy boolean"),
        pytest.param("type: string", "3", "3", id="text stays text"),
        pytest.param("type: string", "", "", id="empty text"),
        pytest.param("type: array", [1, 2.5], (1.0, 2.5), id="list"),
        pytest.param("type: array", (), (), id="empty tuple"),
        pytest.param("type: array", np.array([1.0, 2.0]), (1.0, 2.0), id="numpy array"),
        pytest.param("type: array, arrayOf: int", [1.0, 2], (1, 2), id="integers"),
    ],
)
def test_value_that_fits(parameter: str, given: object, value: object) -> None:
    bound = bind(template_of(f"{{name: x, {parameter}}}"), {"x": given})
    assert repr(bound) == repr({"x": value})


@pytest.mark.parametrize(
    ("parameter", "given", "code"),
    [
        pytest.param("type: integer", True, "template.parameter_type", id="boolean for an integer"),
        pytest.param("type: integer", "3", "template.parameter_type", id="text for an integer"),
        pytest.param("type: integer", 3.5, "template.parameter_type", id="fraction for an integer"),
        pytest.param("type: integer", float("inf"), "template.parameter_type", id="infinity for an integer"),
        pytest.param("type: number", "3", "template.parameter_type", id="text for a number"),
        pytest.param("type: number", False, "template.parameter_type", id="boolean for a number"),
        pytest.param("type: number", [1], "template.parameter_type", id="list for a number"),
        pytest.param("type: number", float("nan"), "template.parameter_range", id="NaN"),
        pytest.param("type: number", 10**400, "template.parameter_range", id="too large for a float"),
        pytest.param("type: number, min: 0", -1e-9, "template.parameter_range", id="below"),
        pytest.param("type: number, maximum: 1", 1.1, "template.parameter_range", id="above"),
        pytest.param("type: boolean", 1, "template.parameter_type", id="number for a boolean"),
        pytest.param("type: string", 3, "template.parameter_type", id="number for a text"),
        pytest.param("type: array", "1,2", "template.parameter_type", id="text for an array"),
        pytest.param("type: array", [1, "2"], "template.parameter_type", id="text in an array"),
        pytest.param("type: array", [[1], [2]], "template.parameter_type", id="array in an array"),
        pytest.param("type: array, arrayOf: int", [1.5], "template.parameter_type", id="fraction among integers"),
        pytest.param("type: array, max: 2", [1, 3], "template.parameter_range", id="element above"),
        pytest.param("type: number", None, "template.missing_parameter", id="null is no value"),
    ],
)
def test_value_that_does_not_fit(parameter: str, given: object, code: str) -> None:
    with pytest.raises(TemplateError) as caught:
        bind(template_of(f"{{name: x, {parameter}}}"), {"x": given})
    assert codes(caught.value) == [code]


def test_all_faults_are_reported_at_once() -> None:
    template = template_of(
        "{name: rate, type: number, max: 1, default: 0.5}", "{name: bins, type: integer}", "{name: on, type: boolean}"
    )
    with pytest.raises(TemplateError) as caught:
        bind(template, {"rate": 2, "on": 1, "raet": 1})
    assert sorted(codes(caught.value)) == [
        "template.missing_parameter",
        "template.parameter_range",
        "template.parameter_type",
        "template.unknown_parameter",
    ]


def test_defaults_fill_in_and_names_are_sorted() -> None:
    template = template_of("{name: z, type: integer, default: 1}", "{name: a, type: number, default: 2}")
    assert list(bind(template, {"z": 5}).items()) == [("a", 2.0), ("z", 5)]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        pytest.param("rat", "did you mean 'rate'?", id="near"),
        pytest.param("color", "it has bins, rate", id="far"),
    ],
)
def test_unknown_parameter_hints(name: str, hint: str) -> None:
    template = template_of("{name: rate, type: number, default: 1}", "{name: bins, type: integer, default: 1}")
    with pytest.raises(TemplateError) as caught:
        bind(template, {name: 1})
    assert caught.value.faults[0].hint == hint


@pytest.mark.parametrize(
    ("parameter", "text"),
    [
        pytest.param("type: integer, min: 1, max: 8, unit: servers", "an integer from 1 to 8 (servers)", id="integer"),
        pytest.param("type: number, min: 0", "a number of at least 0", id="lower bound"),
        pytest.param("type: number, max: 0.5", "a number of at most 0.5", id="upper bound"),
        pytest.param("type: array, arrayOf: int", "an array of integers", id="array of integers"),
        pytest.param("type: array", "an array of numbers", id="array"),
        pytest.param("type: boolean", "true or false", id="boolean"),
    ],
)
def test_parameter_in_words(parameter: str, text: str) -> None:
    assert describe(template_of(f"{{name: x, {parameter}}}").parameters[0]) == text


@pytest.mark.parametrize(
    ("type_", "text", "value"),
    [
        pytest.param("integer", "3", 3, id="integer"),
        pytest.param("integer", " -3.0 ", -3, id="whole number with a point"),
        pytest.param("number", "1e-3", 0.001, id="scientific"),
        pytest.param("number", ".5", 0.5, id="no leading digit"),
        pytest.param("boolean", "True", True, id="boolean"),
        pytest.param("string", " 3 ", " 3 ", id="text is taken as it is"),
        pytest.param("array", "[1, 2.5]", (1.0, 2.5), id="JSON array"),
        pytest.param("array", "1, 2.5", (1.0, 2.5), id="comma list"),
        pytest.param("array", "", (), id="empty array"),
    ],
)
def test_text_of_a_command_line(type_: str, text: str, value: object) -> None:
    assert parse_parameter_text(Parameter(name="x", type=type_), text) == value  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("type_", "text"),
    [
        pytest.param("integer", "3.5", id="fraction"),
        pytest.param("integer", "1_000", id="underscore"),
        pytest.param("integer", "٣", id="digit of another script"),
        pytest.param("integer", "9" * 500, id="endless"),
        pytest.param("integer", "", id="empty"),
        pytest.param("number", "nan", id="NaN"),
        pytest.param("number", "true", id="word"),
        pytest.param("boolean", "yes", id="yes"),
        pytest.param("array", "1,,2", id="empty element"),
        pytest.param("array", "[1, 2", id="broken JSON"),
        pytest.param("array", "[" * 100_000, id="deep JSON"),
        pytest.param("array", '["1"]', id="text in JSON"),
    ],
)
def test_text_that_does_not_read(type_: str, text: str) -> None:
    with pytest.raises(TemplateError) as caught:
        parse_parameter_text(Parameter(name="x", type=type_), text)  # type: ignore[arg-type]
    assert codes(caught.value) == ["template.parameter_type"]
    assert len(caught.value.faults[0].message) < 150


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('{"rate": 0.5, "tag": "3", "shape": [1, 2]}', id="JSON"),
        pytest.param('rate: 0.5\ntag: "3"\nshape:\n  - 1\n  - 2\n', id="YAML"),
    ],
)
def test_parameter_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "parameters"
    path.write_text(text, "utf-8")
    assert read_parameter_file(path) == {"rate": 0.5, "tag": "3", "shape": [1, 2]}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        pytest.param("[1, 2]", "template.parameter_file", id="no mapping"),
        pytest.param("a: 1\na: 2\n", "model.duplicate_field", id="duplicate"),
        pytest.param("a: [", "model.yaml_syntax", id="broken"),
    ],
)
def test_parameter_file_that_is_none(tmp_path: Path, text: str, code: str) -> None:
    path = tmp_path / "parameters.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(FlowtimeError) as caught:
        read_parameter_file(path)
    assert caught.value.code == code


def test_text_wins_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "parameters.yaml"
    path.write_text("a: 1\nb: 2\n", "utf-8")
    template = template_of("{name: a, type: integer}", "{name: b, type: integer}")
    assert given_parameters(template, {"b": "3"}, path) == {"a": 1, "b": 3}


def test_all_texts_that_do_not_read_are_reported() -> None:
    template = template_of("{name: a, type: integer}", "{name: b, type: boolean}")
    with pytest.raises(TemplateError) as caught:
        given_parameters(template, {"a": "x", "b": "y", "c": "z"}, None)
    assert len(caught.value.faults) == 3


def test_every_fault_of_a_command_line_is_told_at_once() -> None:
    workers, rate = "{name: workers, type: integer, default: 2, minimum: 1}", "{name: rate, type: number, default: 1}"
    template = template_of(workers, rate)
    with pytest.raises(TemplateError) as caught:
        given_parameters(template, {"workers": "0", "rate": "much", "wrokers": "3"}, None)
    found = sorted(fault.code for fault in caught.value.faults)
    assert found == ["template.parameter_range", "template.parameter_type", "template.unknown_parameter"]
