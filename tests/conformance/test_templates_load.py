"""The published templates load unchanged and render with their defaults."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowtime.model import parse_model
from flowtime.templates import load_template

TEMPLATES = Path(__file__).resolve().parents[2].parent / "shared" / "conformance" / "templates"

pytestmark = pytest.mark.skipif(not TEMPLATES.is_dir(), reason="../shared/conformance/templates is not here")

# id -> version, number of parameters, of nodes and of topology nodes, and the start of the grid.
PUBLISHED = {
    "dependency-constraints-minimal": ("1.0.0", 0, 24, 5, "2025-01-01T00:00:00Z"),
    "it-system-microservices": ("2.0.0", 5, 35, 7, "2025-01-01T00:00:00Z"),
    "supply-chain-incident-retry": ("2.0.0", 3, 28, 7, "2025-03-01T00:00:00Z"),
    "supply-chain-multi-tier-classes": ("3.1.0", 7, 64, 11, "2025-01-01T00:00:00Z"),
    "transportation-basic": ("3.0.1", 8, 54, 12, "2025-01-01T00:00:00Z"),
}


def test_every_published_template_is_known() -> None:
    assert sorted(path.stem for path in TEMPLATES.glob("*.yaml")) == sorted(PUBLISHED)


@pytest.mark.parametrize("name", PUBLISHED)
def test_template_loads_and_renders(name: str) -> None:
    template = load_template(TEMPLATES / f"{name}.yaml")
    spec = template.render().model.spec
    assert spec.topology is not None
    counts = (len(template.parameters), len(spec.nodes), len(spec.topology.nodes))
    assert (template.header.metadata.version, *counts, spec.grid.start) == PUBLISHED[name]


@pytest.mark.parametrize("name", PUBLISHED)
def test_rendered_model_reads_back(name: str) -> None:
    rendered = load_template(TEMPLATES / f"{name}.yaml").render()
    again = parse_model(rendered.yaml())
    assert again.expressions == rendered.model.expressions
    assert again.spec.provenance == rendered.model.spec.provenance


@pytest.mark.parametrize("name", PUBLISHED)
def test_header_of_the_publisher_is_kept(name: str) -> None:
    provenance = load_template(TEMPLATES / f"{name}.yaml").render(seed=4).model.spec.provenance
    assert provenance is not None
    assert (provenance.generator, provenance.template_id, provenance.mode) == ("flowtime-sim", name, "simulation")
