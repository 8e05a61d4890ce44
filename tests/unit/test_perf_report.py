"""Results and reports of the gate, made from made-up turns."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import msgspec
import pytest

from flowtime.errors import RunCorruptError, RunNotFoundError
from flowtime.orchestration.schemas import schema_texts
from flowtime.tracking.perf.compare import compare_outcomes
from flowtime.tracking.perf.outcome import PerfOutcome, read_outcome
from flowtime.tracking.perf.report import junit_xml, markdown_text, time_text
from flowtime.tracking.perf.results import REASONS, compared, result_of, without_baseline
from flowtime.tracking.perf.store import keep_outcome, outcome_json, perf_run
from flowtime.tracking.records import PipelineRunRecord
from perffakes import NOON, outcome, turns

MATRIX = "linux-x86_64/py3.12/full"
RESULTS = (
    result_of(turns("even"), MATRIX),
    result_of(turns("worse", 1.2), MATRIX),
    result_of(turns("odd|name", 1.04), MATRIX),
    without_baseline(turns("new"), MATRIX, "not_in_base", "no such module"),
)
WHOLE = outcome(*RESULTS, verdict="failed", notes=("a note",))


def test_result_of_a_case() -> None:
    result = result_of(turns("work", 1.25, items=10), MATRIX)
    assert (result.status, result.reason, result.matrix) == ("failed", "slower", MATRIX)
    assert (result.baseline_seconds, result.measured_seconds) == (pytest.approx(0.001), pytest.approx(0.00125))
    assert (result.throughput_baseline, result.throughput_measured) == (pytest.approx(10_000), pytest.approx(8_000))
    assert (result.ratio, result.evidence["failLimit"]) == (pytest.approx(1.25), pytest.approx(0.05))


def test_markdown_shows_every_case() -> None:
    lines = markdown_text(WHOLE).splitlines()
    assert lines[0] == "# Performance: **FAILED**"
    assert lines[2].startswith("toy at bbbbbbbbbbbb against aaaaaaaaaaaa: 1 passed, 1 soft-breach, 1 failed, 1 no-base")
    assert lines[6:10] == [
        "| even | 1 ms | 1 ms | 1.000 | 1.000 to 1.000 | 1.000 | passed |",
        "| worse | 1 ms | 1.2 ms | 1.200 | 1.200 to 1.200 | 1.000 | **FAILED** (slower) |",
        "| odd\\|name | 1 ms | 1.04 ms | 1.040 | 1.040 to 1.040 | 1.000 | **soft-breach** (slower) |",
        "| new | - | 1 ms | - | - | - | *no-baseline* (not_in_base) |",
    ]
    assert "- a note" in lines


def test_junit_says_failed_soft_and_skipped_apart() -> None:
    suite = ElementTree.fromstring(junit_xml(WHOLE)).find("testsuite")
    cases = {case.get("name"): case for case in suite}
    assert {name: suite.get(name) for name in ("tests", "failures", "skipped")} == {
        "tests": "4", "failures": "1", "skipped": "1"
    }  # fmt: skip
    assert [name for name in cases if cases[name].find("failure") is not None] == ["worse"]
    assert [name for name in cases if cases[name].find("skipped") is not None] == ["new"]
    assert cases["odd|name"].find("properties/property[@name='verdict']").get("value") == "soft-breach"


def test_every_reason_has_a_meaning() -> None:
    given = {result.reason for result in RESULTS if result.reason}
    assert given <= set(dict(REASONS))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        pytest.param(None, "-", id="none"),
        pytest.param(0.0, "0 ns", id="nothing"),
        pytest.param(4.5e-7, "450 ns", id="ns"),
        pytest.param(0.000123, "123 us", id="us"),
        pytest.param(0.00123, "1.23 ms", id="ms"),
        pytest.param(12.3, "12.3 s", id="s"),
        pytest.param(1234.5, "1234 s", id="many s"),
    ],
)
def test_times_are_read_easily(seconds: float | None, text: str) -> None:
    assert time_text(seconds) == text


def test_a_run_is_kept_and_read_again(tmp_path: Path) -> None:
    with perf_run(tmp_path / "runs", "perf toy", run_id="gate", config={"seed": 1}) as run:
        folder = keep_outcome(run, WHOLE)
    record = msgspec.json.decode((folder / "run.json").read_bytes(), type=PipelineRunRecord)
    assert read_outcome(folder) == WHOLE
    assert (record.kind, record.status, record.summary["verdict"]) == ("perf", "completed", "failed")
    assert record.perf_tests == WHOLE.results
    assert {path.name for path in folder.iterdir()} >= {"run.json", "perf.json", "perf.md", "perf.xml"}


def test_what_is_kept_satisfies_its_schema() -> None:
    schema = json.loads(schema_texts()["perf.schema.json"])
    whole = msgspec.structs.replace(WHOLE, turns=(turns("even"), turns("worse", 1.2)))
    jsonschema.Draft202012Validator(schema).validate(json.loads(outcome_json(whole)))


def test_a_run_without_a_measurement(tmp_path: Path) -> None:
    with pytest.raises(RunNotFoundError, match=r"holds no perf\.json"):
        read_outcome(tmp_path)


def test_a_measurement_that_can_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "perf.json").write_text('{"kind": "gate"}', encoding="utf-8")
    with pytest.raises(RunCorruptError):
        read_outcome(tmp_path)


EARLIER: PerfOutcome = outcome(turns=(turns("even"), turns("worse"), turns("other", version=1), turns("gone")))


def test_two_runs_side_by_side() -> None:
    now = (turns("even"), turns("worse", 1.5), turns("other", version=2), turns("new"))
    found = {result.test_id: (result.status, result.reason) for result in compared(EARLIER, now, MATRIX)}
    assert found == {
        "even": ("passed", None),
        "worse": ("soft-breach", "not_interleaved"),
        "other": ("no-baseline", "version_changed"),
        "new": ("no-baseline", "not_in_base"),
        "gone": ("no-baseline", "not_in_head"),
    }


def test_runs_of_other_machines_are_told_apart() -> None:
    host = msgspec.structs.replace(EARLIER.host, cpu="Difference engine", reference_loop_ns=(2000,))
    slow = msgspec.structs.replace(EARLIER.host, reference_loop_ns=(1000,))
    base, head = outcome(host=slow), outcome(host=host)
    notes = compare_outcomes("earlier", base, head, clock=lambda: NOON).notes
    assert any("different machines" in note for note in notes)
    assert any("2.000 times as long" in note for note in notes)
