"""Rendering: placeholders filled in on the tree, the header dropped, the provenance added."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flowtime.errors import ModelError, TemplateError
from flowtime.model import Provenance, load_model, parse_model
from flowtime.templates import Rendered, parse_template, render
from templatefakes import places, template_text

GRID = "grid: {bins: 4, binSize: 5, binUnit: minutes}\n"
NODES = f"{GRID}nodes:\n  - {{id: load, kind: const, values: [1, 2, 3, 4]}}\n"


def rendered(parameters: str, body: str, **given: object) -> Rendered:
    """Render a small template with these parameters and this body."""
    return render(parse_template(template_text(parameters, body), file="t.yaml"), given)


def first_node(parameters: str, node: str, **given: object) -> Any:
    """Render a template with one node and return that node's struct."""
    return rendered(parameters, f"{GRID}nodes:\n  - {{id: load, {node}}}\n", **given).model.spec.nodes[0]


@pytest.mark.parametrize(
    ("placeholder", "given", "text"),
    [
        pytest.param("2 * ${x}", 0.1, "2 * 0.1", id="shortest number"),
        pytest.param("2 * ${x}", 3.0, "2 * 3", id="whole number"),
        pytest.param("1 - ${x}", -2.5, "1 - (-2.5)", id="negative number"),
        pytest.param("1 -${x}", -1e-7, "1 -(-1e-07)", id="negative scientific"),
        pytest.param("${x}", 5, "5", id="whole scalar"),
        pytest.param("${x} + ${x}", 5, "5 + 5", id="twice"),
        pytest.param("${ x } + 1", 5, "5 + 1", id="blanks inside"),
    ],
)
def test_number_in_an_expression(placeholder: str, given: float, text: str) -> None:
    node = first_node("  - {name: x, type: number}\n", f'kind: expr, expr: "{placeholder}"', x=given)
    assert node.expr == text


@pytest.mark.parametrize(
    ("type_", "given", "text"),
    [
        pytest.param("boolean", True, "IF(1, 2, 3)", id="true is 1"),
        pytest.param("boolean", False, "IF(0, 2, 3)", id="false is 0"),
        pytest.param("integer", -4, "IF((-4), 2, 3)", id="negative integer"),
    ],
)
def test_other_types_in_an_expression(type_: str, given: object, text: str) -> None:
    node = first_node(f"  - {{name: x, type: {type_}}}\n", 'kind: expr, expr: "IF(${x}, 2, 3)"', x=given)
    assert node.expr == text


def test_name_of_a_series_in_an_expression() -> None:
    body = f"{NODES}  - {{id: twice, kind: expr, expr: '2 * ${{source}}'}}\n"
    model = rendered("  - {name: source, type: string}\n", body, source="load").model
    assert getattr(model.spec.nodes[1], "expr", None) == "2 * load"


@pytest.mark.parametrize(
    ("written", "text"),
    [
        pytest.param('"${x}"', "3", id="quoted"),
        pytest.param("${x}", "3", id="plain"),
    ],
)
@pytest.mark.parametrize("style", ["flow", "block"])
def test_string_stays_a_string(written: str, text: str, style: str) -> None:
    # A plain ${x} can not stand in a flow mapping: its brace would end it.
    source = f"\n    source: {written}\n" if style == "block" else '\n    metadata: {a: "${x}"}\n    source: "${x}"\n'
    body = f"{GRID}nodes:\n  - id: load\n    kind: const\n    values: 1{source}"
    node: Any = rendered("  - {name: x, type: string}\n", body, x="3").model.spec.nodes[0]
    assert node.source == text


def test_string_inside_a_text_keeps_it_a_string() -> None:
    body = f"{GRID}nodes:\n  - id: load\n    kind: const\n    values: 1\n    source: ${{x}}1\n"
    node: Any = rendered("  - {name: x, type: string}\n", body, x="2").model.spec.nodes[0]
    assert node.source == "21"


def test_escaped_placeholder_is_literal() -> None:
    node = first_node("  - {name: x, type: number, default: 1}\n", 'kind: const, values: 1, source: "a$${x}${x}"')
    assert node.source == "a${x}1"


def test_whole_array() -> None:
    node = first_node("  - {name: x, type: array}\n", 'kind: const, values: "${x}"', x=[4, 3.5, 2, 1])
    assert node.values.tolist() == [4.0, 3.5, 2.0, 1.0]


def test_array_of_a_wrong_length_is_a_fault_in_the_template() -> None:
    with pytest.raises(ModelError) as caught:
        first_node("  - {name: x, type: array}\n", 'kind: const, values: "${x}"', x=[1, 2])
    (fault,) = caught.value.faults
    assert (fault.file, fault.line) == ("t.yaml", 8)


@pytest.mark.parametrize(
    ("type_", "given", "node", "column"),
    [
        pytest.param("array", [1], 'kind: expr, expr: "2 * ${x}"', 39, id="array in an expression"),
        pytest.param("array", [1], 'kind: expr, expr: "${x}"', 35, id="array as an expression"),
        pytest.param("array", [1], 'kind: const, values: 1, source: "a${x}"', 50, id="array in a text"),
        pytest.param("string", "a b", 'kind: expr, expr: "2 * ${x}"', 39, id="text in an expression"),
        pytest.param("string", "", 'kind: expr, expr: "2 * ${x}"', 39, id="empty text in an expression"),
    ],
)
def test_value_that_can_not_stand_there(type_: str, given: object, node: str, column: int) -> None:
    with pytest.raises(TemplateError) as caught:
        first_node(f"  - {{name: x, type: {type_}}}\n", node, x=given)
    assert places(caught.value) == [("template.placeholder_type", 8, column)]


def test_fault_of_the_model_points_into_the_template() -> None:
    with pytest.raises(ModelError) as caught:
        first_node("  - {name: x, type: number}\n", 'kind: expr, expr: "laod * ${x}"', x=1)
    (fault,) = caught.value.faults
    assert (fault.file, fault.line, fault.path) == ("t.yaml", 8, "$.nodes[0].expr")


def test_text_is_never_read_as_yaml() -> None:
    hostile = "x\n  - {id: extra, kind: const, values: 1}\n# "
    node = first_node("  - {name: x, type: string}\n", 'kind: const, values: 1, source: "${x}"', x=hostile)
    assert node.source == hostile


def test_placeholder_in_a_value_is_not_filled_in_again() -> None:
    node = first_node("  - {name: x, type: string}\n", 'kind: const, values: 1, source: "${x}"', x="${x}")
    assert node.source == "${x}"


def test_window_start_becomes_grid_start() -> None:
    assert rendered("", NODES).model.spec.grid.start == "2025-01-01T00:00:00Z"


def test_start_of_the_grid_wins() -> None:
    body = NODES.replace("minutes}", 'minutes, start: "2024-05-06T00:00:00Z"}')
    assert rendered("", body).model.spec.grid.start == "2024-05-06T00:00:00Z"


def test_start_may_be_a_parameter() -> None:
    text = template_text("  - {name: begin, type: string}\n", NODES).replace("2025-01-01T00:00:00Z", "${begin}")
    found = parse_template(text).render({"begin": "2023-01-01T00:00:00Z"})
    assert found.model.spec.grid.start == "2023-01-01T00:00:00Z"


def test_provenance_says_what_the_model_was_made_from() -> None:
    parameters = "  - {name: b, type: array, default: [1, 2]}\n  - {name: a, type: number, default: 0.5}\n"
    body = f"{NODES}provenance: {{generator: other}}\n"
    expected = Provenance(
        generator="flowtime",
        template_id="small",
        template_version="1.2.3",
        mode="simulation",
        parameters={"a": 0.5, "b": [1, 2]},
    )
    assert rendered(parameters, body).model.spec.provenance == expected


def test_inert_fields_are_dropped_knowingly() -> None:
    node: Any = first_node("", 'kind: expr, expr: "1", dependencies: [load]')
    assert node.expr == "1"
    assert first_node("", 'kind: const, values: 1, source: ""').source is None
    assert first_node("", 'kind: const, values: 1, source: "file://x.csv"').source == "file://x.csv"


@pytest.mark.parametrize(
    ("rng", "seed", "expected"),
    [
        pytest.param("rng: {kind: pcg32, seed: 7}\n", None, 7, id="of the template"),
        pytest.param("rng: {kind: pcg32, seed: 7}\n", 8, 8, id="replaced"),
        pytest.param("", 9, 9, id="added"),
    ],
)
def test_seed(rng: str, seed: int | None, expected: int) -> None:
    found = render(parse_template(template_text(body=NODES + rng)), seed=seed).model.spec.rng
    assert found is not None
    assert found.seed == expected


@pytest.mark.parametrize("seed", [-1, 2**31])
def test_seed_out_of_range(seed: int) -> None:
    with pytest.raises(TemplateError) as caught:
        render(parse_template(template_text()), seed=seed)
    assert caught.value.code == "template.seed_range"


def test_rendered_says_what_it_is() -> None:
    template = parse_template(template_text("  - {name: x, type: integer, default: 1}\n"))
    found = template.render({"x": 2})
    assert (found.template_id, found.template_version, found.title) == ("small", "1.2.3", "Small")
    assert (found.parameters, found.template_hash) == ({"x": 2}, template.text_hash)


def test_yaml_stands_alone(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "values.csv").write_text("bin_index,value\n0,1\n1,2.5\n2,3\n3,4\n", "utf-8")
    body = f"{GRID}nodes:\n  - {{id: load, kind: const, values: {{file: values.csv, column: value}}}}\n"
    template = parse_template(template_text(body=body), folder=tmp_path / "in")
    (tmp_path / "model.yaml").write_text(template.render().yaml(), "utf-8")
    node: Any = load_model(tmp_path / "model.yaml").spec.nodes[0]
    np.testing.assert_array_equal(node.values, [1.0, 2.5, 3.0, 4.0])


def test_rendering_twice_gives_the_same_text() -> None:
    template = parse_template(template_text("  - {name: x, type: number, default: 0.1}\n"))
    text = template.render().yaml()
    assert template.render().yaml() == text
    assert parse_model(text).spec.provenance == template.render().model.spec.provenance
