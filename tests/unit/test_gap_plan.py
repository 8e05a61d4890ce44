"""The file of gaps: what it may say, and every fault of it with its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from flowtime.errors import GapPlanError, exit_status
from flowtime.orchestration.schemas import schema_texts
from flowtime.telemetry.gap_plan import GapPlan, load_gap_plan, parse_gap_plan

FULL = """\
schemaVersion: 1
seed: 42
injections:
  - {kind: zero_fill, nodes: [Orders, "Q*"], metrics: [arrivals], classes: [DEFAULT]}
  - {kind: nan, windows: [{firstBin: 3, lastBin: 5}, {firstBin: 9}]}
  - {kind: drop, windows: [{start: "2025-01-01T03:00:00Z", end: "2025-01-01T05:00:00Z"}]}
  - {kind: partial, id: flaky, share: 0.25, effect: nan}
  - {kind: burst, count: 2, length: 6}
  - {kind: stuck}
  - {kind: spike, factor: 10, add: -1, share: 0.5}
  - {kind: clock_skew, shift: -3}
"""


def faults(rules: str, head: str = "schemaVersion: 1\n") -> list[tuple[str, int | None, str | None]]:
    """The code, line and path of every fault of some injections."""
    with pytest.raises(GapPlanError) as caught:
        parse_gap_plan(f"{head}injections:\n{rules}")
    return [(fault.code, fault.line, fault.path) for fault in caught.value.faults]


def test_a_full_file() -> None:
    plan = parse_gap_plan(FULL, file="gaps.yaml")
    assert (plan.seed, len(plan.spec.injections), plan.file) == (42, 8, "gaps.yaml")
    assert plan.spec.injections[0].nodes == ("Orders", "Q*")
    assert plan.spec.injections[1].windows[1].last_bin is None


@pytest.mark.parametrize(
    ("rule", "code", "path"),
    [
        pytest.param("{kind: hole}", "gaps.unknown_kind", "$.injections[0].kind", id="kind"),
        pytest.param("{kind: drop, node: [A]}", "gaps.unknown_field", "$.injections[0].node", id="field"),
        pytest.param("{kind: drop, nodes: A}", "gaps.wrong_type", "$.injections[0].nodes", id="no list"),
        pytest.param("{kind: drop, nodes: []}", "gaps.out_of_range", "$.injections[0].nodes", id="empty list"),
        pytest.param("{kind: partial}", "gaps.missing_field", "$.injections[0]", id="share missing"),
        pytest.param("{kind: partial, share: 1.5}", "gaps.out_of_range", "$.injections[0].share", id="share"),
        pytest.param("{kind: partial, share: 1, effect: x}", "gaps.bad_value", "$.injections[0].effect", id="effect"),
        pytest.param("{kind: burst, count: 1, length: 0}", "gaps.out_of_range", "$.injections[0].length", id="length"),
        pytest.param("{kind: spike}", "gaps.no_effect", "$.injections[0]", id="spike of nothing"),
        pytest.param("{kind: clock_skew, shift: 0}", "gaps.no_effect", "$.injections[0].shift", id="no skew"),
        pytest.param(
            "{kind: nan, windows: [{firstBin: 4, lastBin: 3}]}",
            "gaps.bad_window",
            "$.injections[0].windows[0].lastBin",
            id="bins backwards",
        ),
        pytest.param(
            "{kind: nan, windows: [{firstBin: 4, end: 2025-01-01}]}",
            "gaps.bad_window",
            "$.injections[0].windows[0]",
            id="bins and times",
        ),
        pytest.param(
            "{kind: nan, windows: [{start: 2025-01-02, end: 2025-01-02}]}",
            "gaps.bad_window",
            "$.injections[0].windows[0].end",
            id="no time",
        ),
        pytest.param(
            "{kind: nan, windows: [{start: noon}]}", "gaps.bad_value", "$.injections[0].windows[0].start", id="no date"
        ),
    ],
)
def test_a_fault_has_its_code_and_place(rule: str, code: str, path: str) -> None:
    assert faults(f"- {rule}\n") == [(code, 3, path)]


def test_all_faults_at_once() -> None:
    rules = "- {kind: spike, id: a}\n- {kind: clock_skew, shift: 0}\n- {kind: drop, id: a, windows: [{start: x}]}\n"
    assert [code for code, _, _ in faults(rules)] == [
        "gaps.no_effect",
        "gaps.no_effect",
        "gaps.duplicate_id",
        "gaps.bad_value",
    ]


@pytest.mark.parametrize(
    ("head", "rules", "code"),
    [
        pytest.param("schemaVersion: 2\n", "- {kind: drop}\n", "gaps.bad_value", id="another version"),
        pytest.param("", "- {kind: drop}\n", "gaps.missing_field", id="no version"),
        pytest.param("schemaVersion: 1\n", "", "gaps.missing_field", id="no injections"),
        pytest.param("schemaVersion: 1\n", "- {kind: drop\n", "model.yaml_syntax", id="no YAML"),
    ],
)
def test_faults_of_the_document(head: str, rules: str, code: str) -> None:
    assert faults(rules, head)[0][0] == code


def test_a_file_is_read_and_named(tmp_path: Path) -> None:
    (tmp_path / "gaps.yaml").write_text(FULL, encoding="utf-8")
    plan = load_gap_plan(tmp_path / "gaps.yaml", shown="mine.yaml")
    assert isinstance(plan, GapPlan)
    assert str(plan.fault("gaps.no_match", "nothing", "$.injections[2]")).startswith("mine.yaml:6:")


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(GapPlanError) as caught:
        load_gap_plan(tmp_path / "gaps.yaml")
    assert caught.value.code == "gaps.not_found"
    assert exit_status(caught.value.code) == 3


def test_no_readable_file(tmp_path: Path) -> None:
    with pytest.raises(GapPlanError) as caught:
        load_gap_plan(tmp_path)
    assert caught.value.code == "gaps.unreadable"
    assert exit_status(caught.value.code) == 1


def fits_schema(document: dict[str, Any]) -> bool:
    """Whether a document is one of the published JSON Schema."""
    schema = json.loads(schema_texts()["gap-plan.schema.json"])
    return bool(jsonschema.Draft202012Validator(schema).is_valid(document))


def test_a_file_satisfies_the_published_schema() -> None:
    assert fits_schema(yaml.safe_load(FULL))


@pytest.mark.parametrize(
    "rule",
    [
        pytest.param({"kind": "hole"}, id="kind"),
        pytest.param({"kind": "drop", "node": ["A"]}, id="field"),
        pytest.param({"kind": "drop", "nodes": []}, id="empty list"),
        pytest.param({"kind": "partial", "share": 2.0}, id="share"),
    ],
)
def test_a_wrong_file_does_not(rule: dict[str, Any]) -> None:
    assert not fits_schema({"schemaVersion": 1, "injections": [rule]})
