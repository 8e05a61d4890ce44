"""The published JSON Schemas: up to date, and satisfied by what is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
import yaml

from flowtime.bundle.encoding import encode_file
from flowtime.orchestration.schemas import SCHEMAS, main, schema_texts
from flowtime.settings import Settings
from runfakes import MODEL_TEXT, rendered, simulate

COMMITTED = Path(__file__).resolve().parents[2] / "schemas"
TEXTS = schema_texts()
CASES = Path(__file__).resolve().parents[2].parent / "shared" / "conformance" / "cases"


def check(name: str, document: Any) -> None:
    schema = json.loads(TEXTS[f"{name}.schema.json"])
    jsonschema.Draft202012Validator(schema).validate(document)


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_the_committed_schema_is_up_to_date(name: str) -> None:
    assert (COMMITTED / name).read_bytes() == TEXTS[name], "run: python -m flowtime.orchestration.schemas --write"


def test_no_other_schema_is_committed() -> None:
    assert {path.name for path in COMMITTED.iterdir()} == set(TEXTS)


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_a_schema_is_itself_valid(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads(TEXTS[name]))


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        ("run", "run.json"),
        ("manifest", "manifest.json"),
        ("series-index", "series/index.json"),
        ("metadata", "model/metadata.json"),
        ("provenance", "model/provenance.json"),
    ],
)
@pytest.mark.parametrize("series_csv", ["always", "never"])
def test_what_a_run_writes_satisfies_its_schema(tmp_path: Path, schema: str, path: str, series_csv: str) -> None:
    classes = "classes: [{id: A, displayName: Alpha}]\nrng: {seed: 4}\n"
    simulate(tmp_path, source=rendered(MODEL_TEXT + classes), run_id="one", series_csv=series_csv)
    check(schema, json.loads((tmp_path / "one" / path).read_bytes()))


@pytest.mark.parametrize("dry_run", [False, True])
def test_the_envelope_satisfies_its_schema(tmp_path: Path, dry_run: bool) -> None:
    check("run-envelope", json.loads(encode_file(simulate(tmp_path, dry_run=dry_run))))


def test_the_default_settings_satisfy_their_schema() -> None:
    check("settings", msgspec.to_builtins(Settings()))


def test_a_model_satisfies_its_schema() -> None:
    check("model", yaml.safe_load(MODEL_TEXT))


@pytest.mark.skipif(not CASES.is_dir(), reason="the shared conformance cases are not beside this checkout")
@pytest.mark.parametrize("case", sorted(path.name for path in CASES.glob("*")), ids=str)
def test_a_published_model_satisfies_the_schema(case: str) -> None:
    check("model", yaml.safe_load((CASES / case / "model.yaml").read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"schemaVersion": 2}, id="another version"),
        pytest.param({"grid": {"bins": 0, "binSize": 1, "binUnit": "hours"}}, id="no bins"),
        pytest.param({"extra": 1}, id="an unknown field"),
    ],
)
def test_a_wrong_model_does_not(wrong: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        check("model", yaml.safe_load(MODEL_TEXT) | wrong)


def test_the_command_writes_and_checks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check", str(tmp_path)]) == 1
    assert capsys.readouterr().err.count("out of date") == len(SCHEMAS)
    assert main(["--write", str(tmp_path)]) == 0
    assert main(["--check", str(tmp_path)]) == 0
