"""What telemetry commands write and print satisfies the published schemas."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from capturefakes import CLASSES, LIMITED, PLAIN, RETRIES, a_run
from flowtime.cli import main
from flowtime.orchestration.schemas import schema_texts

TEXTS = schema_texts()
GAPS = "schemaVersion: 1\nseed: 1\ninjections: [{kind: drop, windows: [{firstBin: 0, lastBin: 0}]}]\n"


@pytest.mark.parametrize(
    "text",
    [pytest.param(text, id=name) for name, text in [("retries", RETRIES), ("classes", CLASSES), ("none", PLAIN)]],
)
@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ("capture-report", ["capture", "--run-dir", "runs/one", "--output", "other", "--dry-run"]),
        ("capture-verify", ["verify", "kept"]),
        ("capture-diff", ["diff", "runs/one", "kept"]),
    ],
)
def test_answers_satisfy_their_schemas(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    text: str,
    schema: str,
    words: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    a_run(tmp_path, text)
    main(["telemetry", "capture", "--run", "one", "--output", "kept", "--json"])
    capsys.readouterr()
    assert main(["telemetry", *words, "--json"]) == 0
    validator = jsonschema.Draft202012Validator(json.loads(TEXTS[f"{schema}.schema.json"]))
    validator.validate(json.loads(capsys.readouterr().out))


def test_a_manifest_with_gaps_satisfies_its_schema(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gaps.yaml").write_text(GAPS)
    a_run(tmp_path, LIMITED)
    assert main(["telemetry", "capture", "--run", "one", "--output", "kept", "--gaps", "gaps.yaml"]) == 0
    manifest = json.loads((tmp_path / "kept" / "manifest.json").read_bytes())
    assert manifest["injections"]
    jsonschema.Draft202012Validator(json.loads(TEXTS["capture-manifest.schema.json"])).validate(manifest)
