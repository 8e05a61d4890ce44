"""``flowtime run``: what is written, what is printed, and what is refused."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flowtime.cli import main

MODEL = """\
schemaVersion: 1
grid: {bins: 4, binSize: 15, binUnit: minutes, start: "2026-03-01T00:00:00Z"}
nodes:
  - {id: arrivals, kind: const, values: [10, 30, 10, 0]}
  - {id: capacity, kind: const, values: [20, 20, 20, 20]}
topology:
  nodes:
    - id: Pack
      kind: serviceWithBuffer
      semantics: {arrivals: arrivals, capacity: capacity}
"""
SUMMARY = """\
node  arrivals  served   ratio  util. (max)  peak queue               at bin  max wait  warnings  shape
Pack        50      50  100.0%   62% (100%)          10  1, 2026-03-01 00:15   7.5 min         -   ▁█▁▁
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder that holds one model."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.yaml").write_text(MODEL, encoding="utf-8")
    return tmp_path


def envelope(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    """Run with ``--json`` and return what was printed."""
    assert main(["run", *words, "--json"]) == 0
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    return answer


def test_summary_says_the_peak_and_when(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    assert main(["run", "model.yaml", "--run-id", "first"]) == 0
    title, *table, hint, wrote = capsys.readouterr().out.splitlines(keepends=True)
    assert (title, "".join(table), wrote) == ("first\n", SUMMARY, f"wrote {Path('runs') / 'first'}\n")
    # A hint is told, and is none of the warnings of the table.
    assert hint.startswith("info: Pack: ")
    assert (folder / "runs" / "first" / "run.json").is_file()


def test_json_is_the_envelope_of_the_run(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    answer = envelope(capsys, "model.yaml", "--run-id", "first")
    assert (answer["isDryRun"], answer["wasReused"], answer["canReplay"]) == (False, False, True)
    assert answer["metadata"]["runId"] == "first"
    assert answer["artifacts"]["seriesCsv"] is True


def test_model_from_stdin(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(MODEL.encode())))
    assert envelope(capsys, "-")["metadata"]["grid"]["bins"] == 4


def test_template_with_parameters(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    (folder / "p.yaml").write_text("backendWorkers: 3\n", encoding="utf-8")
    words = ["--template-id", "web-frontend", "--mode", "simulation", "--dry-run"]
    default = envelope(capsys, *words)["plan"]["parameters"]
    answer = envelope(capsys, *words, "--param-file", "p.yaml")["plan"]
    assert answer["templateId"] == "web-frontend"
    assert answer["parameters"] == {**default, "backendWorkers": 3}


def test_dry_run_writes_nothing(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    assert main(["run", "model.yaml", "--dry-run", "--run-id", "planned"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("dry run: nothing is written\n")
    assert f"{Path('runs') / 'planned'} (does not exist)" in printed
    assert not (folder / "runs").exists()


def test_deterministic_run_is_reused_and_summarized_alike(capsys: pytest.CaptureFixture[str]) -> None:
    main(["run", "model.yaml", "--deterministic-run-id"])
    wrote = capsys.readouterr().out
    assert main(["run", "model.yaml", "--deterministic-run-id"]) == 0
    assert capsys.readouterr().out == wrote.replace("wrote ", "reused ")


def test_no_csv_leaves_the_matrix(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    answer = envelope(capsys, "model.yaml", "--no-csv", "--out", "elsewhere", "--run-id", "bare")
    assert (answer["artifacts"]["seriesCsv"], answer["artifacts"]["seriesMatrix"]) == (False, True)
    assert sorted(path.name for path in (folder / "elsewhere" / "bare" / "series").iterdir()) == [
        "index.json",
        "series.npy",
    ]


def test_seed_is_recorded(capsys: pytest.CaptureFixture[str]) -> None:
    rng = envelope(capsys, "model.yaml", "--seed", "7")["metadata"]["rng"]
    assert rng == {"kind": "pcg32", "seed": 7, "sampled": False}


PMF = "- {id: arrivals, kind: pmf, pmf: {values: [0, 40], probabilities: [0.5, 0.5]}}"


def test_sample_draws_the_same_again(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    text = MODEL.replace("- {id: arrivals, kind: const, values: [10, 30, 10, 0]}", PMF)
    (folder / "model.yaml").write_text(text, encoding="utf-8")
    plain, drawn = (envelope(capsys, "model.yaml", "--seed", "7", *words) for words in ((), ("--sample",)))
    assert drawn["metadata"]["rng"] == {"kind": "pcg32", "seed": 7, "sampled": True}
    again = envelope(capsys, "model.yaml", "--seed", "7", "--sample", "--deterministic-run-id")
    folders = [folder / "runs" / found["metadata"]["runId"] for found in (plain, drawn, again)]
    expected, first, second = (np.load(path / "series" / "series.npy")[0].tolist() for path in folders)
    assert expected == [20.0] * 4
    assert first == second != expected


def test_sample_without_a_seed_draws_from_0(capsys: pytest.CaptureFixture[str]) -> None:
    rng = envelope(capsys, "model.yaml", "--sample", "--dry-run")["plan"]["rng"]
    assert rng == {"kind": "pcg32", "seed": 0, "sampled": True}


@pytest.mark.parametrize(
    ("inputs", "words", "said"),
    [
        pytest.param("", ["--sample"], "note: nothing was drawn", id="nothing random"),
        pytest.param("", ["--sample", "--json"], "note: nothing was drawn", id="beside JSON"),
        pytest.param("", [], "", id="nothing asked for"),
        pytest.param(PMF.replace("arrivals", "more"), ["--sample"], "", id="a distribution"),
    ],
)
def test_sample_says_where_nothing_is_random(
    capsys: pytest.CaptureFixture[str], folder: Path, inputs: str, words: list[str], said: str
) -> None:
    (folder / "model.yaml").write_text(MODEL.replace("topology:", f"  {inputs}\ntopology:"), encoding="utf-8")
    assert main(["run", "model.yaml", *words]) == 0
    error = capsys.readouterr().err
    assert error.partition(": the model")[0].strip() == said


def test_a_generator_that_can_not_be_drawn_from_is_named(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    (folder / "model.yaml").write_text(f"{MODEL}rng: {{kind: mt19937, seed: 5}}\n", encoding="utf-8")
    assert main(["run", "model.yaml", "--sample"]) == 1
    assert "[parameter.rng_kind]" in capsys.readouterr().err
    assert not (folder / "runs").exists()


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        pytest.param([], 2, "either MODEL or --template-id", id="nothing to run"),
        pytest.param(["model.yaml", "--template-id", "x"], 2, "either MODEL or --template-id", id="two to run"),
        pytest.param(["model.yaml", "--param", "a=1"], 2, "need --template-id", id="parameter of a model"),
        pytest.param(["model.yaml", "--mode", "guess"], 2, "'simulation'", id="no such mode"),
        pytest.param(["absent.yaml"], 3, "absent.yaml", id="no such model"),
        pytest.param(["--template-id", "web-fronted"], 3, "web-frontend", id="no such template"),
        pytest.param(["--template-id", "../up"], 3, "no such template file", id="a path that is none"),
        pytest.param(["model.yaml", "--run-id", "../up"], 2, "storage.unsafe_name", id="run id that leaves the folder"),
    ],
)
def test_what_is_refused(
    capsys: pytest.CaptureFixture[str], folder: Path, words: list[str], status: int, said: str
) -> None:
    assert main(["run", *words]) == status
    output = capsys.readouterr()
    assert said in output.err
    assert output.out == ""
    assert not (folder / "runs").exists()


def test_other_inputs_under_the_same_id_are_a_conflict(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    main(["run", "model.yaml", "--run-id", "same"])
    (folder / "other.yaml").write_text(MODEL.replace("30", "31"), encoding="utf-8")
    assert main(["run", "other.yaml", "--run-id", "same"]) == 4
    assert "run.conflict" in capsys.readouterr().err
    assert main(["run", "other.yaml", "--run-id", "same", "--overwrite"]) == 0


def test_settings_come_from_file_and_environment(
    capsys: pytest.CaptureFixture[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "flowtime.toml").write_text('runs_dir = "from-file"\nseries_csv = "never"\n', encoding="utf-8")
    monkeypatch.setenv("FLOWTIME_RUNS_DIR", "from-environment")
    answer = envelope(capsys, "model.yaml", "--run-id", "first")
    assert (folder / "from-environment" / "first").is_dir()
    assert answer["artifacts"]["seriesCsv"] is False


def test_warnings_follow_the_table(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    served = "  - {id: served, kind: const, values: [20, 20, 20, 40]}\n"
    text = MODEL.replace("topology:", f"{served}topology:").replace("capacity}", "capacity, served: served}")
    (folder / "odd.yaml").write_text(text, encoding="utf-8")
    assert main(["run", "odd.yaml"]) == 0
    printed = capsys.readouterr().out
    assert "warning: Pack: " in printed
    assert "[served_exceeds_capacity]" in printed
