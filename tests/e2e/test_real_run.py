"""A run by the real engine, from text to a folder that verifies."""

from __future__ import annotations

import json
import os
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from flowtime.bundle import Bundle, open_bundle
from flowtime.model import canonical_bytes, parse_model
from flowtime.orchestration import RunRequest, run_simulation
from flowtime.orchestration.schemas import schema_texts
from flowtime.settings import Settings
from runfakes import DAY_ONE, MODEL_TEXT, a_model

# More is served than came in: an author may say so, and is warned.
OVERSERVED = MODEL_TEXT.replace("capacity: limit", "capacity: limit, served: double")


def real_run(root: Path, text: str) -> Bundle:
    run_simulation(
        RunRequest(source=a_model(text), run_id="one"),
        root=root,
        settings=Settings(),
        clock=lambda: DAY_ONE,
        entropy=os.urandom,
    )
    return open_bundle(root / "one")


@pytest.mark.parametrize(
    ("name", "values", "kind", "role"),
    [
        ("demand", [1.0, 2.0, 3.0, 4.0], "const", "arrivals"),
        ("desk_served", [1.0, 2.0, 2.5, 2.5], "served", "served"),
        ("desk_queue", [0.0, 0.0, 0.5, 2.0], "queue", "queueDepth"),
        ("double", [2.0, 4.0, 6.0, 8.0], "expr", None),
    ],
)
def test_the_numbers_are_those_of_the_model(
    tmp_path: Path, name: str, values: list[float], kind: str, role: str | None
) -> None:
    bundle = real_run(tmp_path, MODEL_TEXT)
    np.testing.assert_array_equal(bundle.series(name), values)
    (entry,) = (entry for entry in bundle.index.series if entry.name == name)
    assert (entry.kind, entry.role) == (kind, role)


def test_it_verifies_and_holds_its_model(tmp_path: Path) -> None:
    bundle = real_run(tmp_path, MODEL_TEXT)
    bundle.verify()
    assert canonical_bytes(parse_model(bundle.model_text)) == canonical_bytes(a_model())


def test_its_warnings_are_written_as_the_schema_says(tmp_path: Path) -> None:
    bundle = real_run(tmp_path, OVERSERVED)
    assert [warning.node_id for warning in bundle.run.warnings] != []
    schema = json.loads(schema_texts()["run.schema.json"])
    jsonschema.validate(json.loads((bundle.path / "run.json").read_bytes()), schema)
