"""The tables of the templates: what a parameter feeds, and which input a captured series may replace."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from flowtime.templates import list_templates, parse_template, template

DOCS = Path(__file__).resolve().parents[2] / "docs"
TABLES = runpy.run_path(str(DOCS / "template_tables.py"))
SHIPPED = [info.id for info in list_templates()]
SMALL = """
schemaVersion: 1
metadata: {id: small, title: Small, version: 1.0.0}
parameters:
  - {name: bins, type: integer, default: 2}
  - {name: counts, type: array, arrayOf: int, default: [1, 2], minimum: 0}
  - {name: share, type: number, default: 1, maximum: 1}
  - {name: source, type: string, default: ""}
  - {name: mean, type: number}
  - {name: unused, type: boolean, default: true}
grid: {bins: "${bins}", binSize: 1, binUnit: hours}
nodes:
  - {id: counts, kind: const, values: "${counts}", source: "${source}"}
  - {id: more, kind: pmf, pmf: {values: ["${mean}"], probabilities: [1]}}
  - {id: part, kind: expr, expr: "counts * ${share}"}
  - {id: hidden, kind: const, values: "${share}", metadata: {graph.hidden: "true"}}
topology:
  nodes:
    - {id: A, semantics: {arrivals: counts, capacity: counts, served: part}}
    - {id: B, kind: sink, semantics: {arrivals: part}}
  edges:
    - {from: A, to: B, weight: "${share}"}
"""


@pytest.mark.parametrize(
    ("name", "feeds", "captured"),
    [
        pytest.param("bins", ("grid",), (), id="grid"),
        pytest.param("counts", ("counts",), ("`counts` (arrivals of A, capacity of A)",), id="array"),
        pytest.param("share", ("part", "hidden", "A->B"), (), id="inside an expression, hidden, on an edge"),
        pytest.param("source", ("counts",), ("`counts` (arrivals of A, capacity of A)",), id="source"),
        pytest.param("mean", ("more",), ("`more`",), id="distribution"),
        pytest.param("unused", (), (), id="nothing"),
    ],
)
def test_what_a_parameter_feeds(name: str, feeds: tuple[str, ...], captured: tuple[str, ...]) -> None:
    small = parse_template(SMALL)
    assert TABLES["feeds"](small, name) == feeds
    assert TABLES["captured"](small, name) == captured


@pytest.mark.parametrize(
    ("index", "cells"),
    [
        pytest.param(1, ("`counts`", "array of int", "-", "`[1, 2]`", "at least 0"), id="array"),
        pytest.param(2, ("`share`", "number", "-", "`1`", "at most 1"), id="number"),
        pytest.param(3, ("`source`", "string", "-", '`""`', "-"), id="empty text"),
        pytest.param(4, ("`mean`", "number", "-", "required", "-"), id="required"),
        pytest.param(5, ("`unused`", "boolean", "-", "`true`", "-"), id="boolean"),
    ],
)
def test_cells(index: int, cells: tuple[str, ...]) -> None:
    small = parse_template(SMALL)
    assert TABLES["row"](small, small.parameters[index])[:5] == cells


@pytest.mark.parametrize("name", SHIPPED)
def test_every_parameter_of_the_catalogue_feeds_something(name: str) -> None:
    found = template(name)
    assert [item.name for item in found.parameters if not TABLES["feeds"](found, item.name)] == []


def test_page_holds_every_template() -> None:
    page = (DOCS / "templates" / "README.md").read_text(encoding="utf-8")
    assert [name for name in SHIPPED if f"\n## {name}\n" not in page] == []
    assert TABLES["catalogue_text"]() in page
