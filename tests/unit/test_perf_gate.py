"""The whole gate on a small checkout: what is measured, against what, and what can not be."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from flowtime.errors import PerfError
from flowtime.tracking.perf.drive import Means
from flowtime.tracking.perf.gate import GateRequest, run_gate, workplace
from flowtime.tracking.perf.outcome import PerfOutcome
from flowtime.tracking.perf.selfcheck import run_selfcheck
from flowtime.tracking.perf.suite import load_suite
from perffakes import QUICK, edit, git, make_checkout, means


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return make_checkout(tmp_path / "checkout")


def gate(checkout: Path, word: str = "suite.yaml", **fields: object) -> PerfOutcome:
    suite = load_suite(str(checkout / word) if "." in word and ":" not in word else word, root=checkout)
    request = GateRequest(suite, QUICK, **{"base_ref": "HEAD", **fields})
    return run_gate(request, means(checkout.parent, os.environ))


def verdicts(outcome: PerfOutcome) -> dict[str, tuple[str, str | None]]:
    return {result.test_id: (result.status, result.reason) for result in outcome.results}


def test_the_same_code_passes(checkout: Path) -> None:
    outcome = gate(checkout)
    result = outcome.results[0]
    assert (result.status, result.ratio) == ("passed", pytest.approx(1.0, abs=0.05))
    assert outcome.base.sha == outcome.head.sha == git(checkout, "rev-parse", "HEAD")
    assert "the base is the head: this compares a commit with itself" in outcome.notes
    assert git(checkout, "worktree", "list").count("\n") == 0


def test_slower_code_fails_after_confirmation(checkout: Path) -> None:
    edit(checkout / "src/app.py", "0.004", "0.0080")
    outcome = gate(checkout)
    result = outcome.results[0]
    assert (result.status, result.reason, result.evidence["confirming"]) == ("failed", "slower", 2)
    assert result.ratio == pytest.approx(2.0, abs=0.2)
    assert len(outcome.turns[0].episodes) == 4
    assert outcome.head.is_dirty


def test_turns_are_kept_with_their_order_and_seed(checkout: Path) -> None:
    outcome = gate(checkout)
    episode = outcome.turns[0].episodes[0]
    assert {side: len(times) for side, times in episode.net_ns.items()} == {"base": 5, "twin": 5, "head": 5}
    assert [sorted(letters) for letters in episode.order] == [["b", "h", "t"]] * 5
    assert (outcome.seed, len(outcome.host.reference_loop_ns), len(outcome.head.packages)) == (1, 2, 16)


def test_a_registry_is_measured_with_the_cases_of_the_head(checkout: Path) -> None:
    edit(checkout / "toybench/cases.py", '"work", _work', '"renamed", _work')
    assert verdicts(gate(checkout, "toybench.cases:CASES")) == {"renamed": ("passed", None)}


def test_a_base_without_the_cases_is_measured_with_them(checkout: Path) -> None:
    git(checkout, "rm", "--quiet", "-r", "--cached", "toybench", "suite.yaml")
    git(checkout, "commit", "--quiet", "--message=without")
    assert verdicts(gate(checkout, "toybench.cases:CASES")) == {"work": ("passed", None)}


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        pytest.param("src/app.py", "def work", "def work(): pass\ndef fresh", ("no-baseline", "not_in_base"), id="new"),
        pytest.param(
            "suite.yaml", "callsPer", "version: 2, callsPer", ("no-baseline", "version_changed"), id="version"
        ),
    ],
)
def test_what_has_no_baseline_is_shown(
    checkout: Path, file: str, old: str, new: str, expected: tuple[str, str]
) -> None:
    edit(checkout / file, old, new)
    edit(checkout / "suite.yaml", "app:work", "app:fresh" if "app" in file else "app:work")
    outcome = gate(checkout)
    assert verdicts(outcome) == {"work": expected}
    assert outcome.results[0].measured_seconds == pytest.approx(0.004, rel=0.5)


def test_a_base_that_computes_something_else(checkout: Path) -> None:
    edit(checkout / "src/app.py", "return 7", "return 8")
    git(checkout, "commit", "--quiet", "--all", "--message=wrong")
    edit(checkout / "src/app.py", "return 8", "return 7")
    assert verdicts(gate(checkout, "toybench.cases:CASES")) == {"work": ("no-baseline", "base_wrong")}


def test_no_base(checkout: Path) -> None:
    assert verdicts(gate(checkout, base_ref=None)) == {"work": ("no-baseline", "no_base")}


def test_no_merge_base(checkout: Path) -> None:
    git(checkout, "checkout", "--quiet", "--orphan", "other")
    git(checkout, "commit", "--quiet", "--message=alone")
    assert verdicts(gate(checkout, base_ref="main")) == {"work": ("no-baseline", "no_merge_base")}


def test_an_earlier_run_as_base(checkout: Path) -> None:
    earlier = gate(checkout, base_ref=None)
    edit(checkout / "src/app.py", "0.004", "0.0080")
    outcome = gate(checkout, base_ref=None, base_run=("earlier", earlier))
    assert verdicts(outcome) == {"work": ("soft-breach", "not_interleaved")}
    assert outcome.base_run == "earlier"


def test_a_command_runs_in_the_checkout_of_its_side(checkout: Path) -> None:
    command = "[\"{python}\", -c, \"import app; app.work(); open('said', 'w').write(app.__file__)\"]"
    edit(checkout / "suite.yaml", 'callable: "app:work"', f"command: {command}")
    assert verdicts(gate(checkout))["work"][0] in ("passed", "soft-breach")
    assert (checkout / "said").read_text(encoding="utf-8").endswith(os.path.join("work", "head", "src", "app.py"))


@pytest.mark.parametrize(
    ("file", "old", "new", "code"),
    [
        pytest.param("toybench/cases.py", "result == 7", "result == 8", "perf.result", id="wrong result"),
        pytest.param("src/app.py", "return 7", "raise OSError(3)", "perf.case_failed", id="raises"),
        pytest.param("src/app.py", "return 7", "import os; os._exit(3)", "perf.worker", id="dies"),
        pytest.param("toybench/cases.py", "CASES = (", "import nothing\nCASES = (", "perf.suite", id="no import"),
        pytest.param("toybench/cases.py", "from app", "import sys; sys.path.insert(0, 'lib'); from app",
                     "perf.case_failed", id="measures something else"),
    ],
)  # fmt: skip
def test_a_measurement_that_breaks(checkout: Path, file: str, old: str, new: str, code: str) -> None:
    (checkout / "lib").mkdir()
    (checkout / "lib" / "app.py").write_text("def work(): return 7\n", encoding="utf-8")
    edit(checkout / file, old, new)
    with pytest.raises(PerfError) as caught:
        gate(checkout, "toybench.cases:CASES")
    assert caught.value.code == code
    assert git(checkout, "worktree", "list").count("\n") == 0


def test_a_worker_that_stays_silent_is_given_up(checkout: Path) -> None:
    edit(checkout / "src/app.py", "0.004", "60")
    suite = load_suite(str(checkout / "suite.yaml"), root=checkout)
    request = GateRequest(suite, QUICK._replace(timeout_s=1.0))
    with pytest.raises(PerfError, match="gave no answer for 1 s"):
        run_gate(request, means(checkout.parent, os.environ))


@pytest.mark.parametrize("ref", ["nonsense", "--all", ""])
def test_an_unknown_ref(checkout: Path, ref: str) -> None:
    with pytest.raises(PerfError) as caught:
        gate(checkout, base_ref=ref)
    assert caught.value.code == "perf.ref"


def test_two_measurements_do_not_go_on_at_once(checkout: Path) -> None:
    needs: Means = means(checkout.parent, os.environ)
    with workplace(needs.work), pytest.raises(PerfError) as caught:
        gate(checkout)
    assert caught.value.code == "perf.busy"


def test_what_a_killed_measurement_left_is_in_nobodys_way(checkout: Path) -> None:
    work = means(checkout.parent, os.environ).work
    work.mkdir()
    git(checkout, "worktree", "add", "--quiet", "--detach", str(work / "base"), "HEAD")
    (work / "scratch").mkdir()
    assert gate(checkout).verdict == "passed"


def test_runs_in_the_checkout_are_no_change_to_it(checkout: Path) -> None:
    suite = load_suite(str(checkout / "suite.yaml"), root=checkout)
    runs = means(checkout / "results", os.environ)
    assert not run_gate(GateRequest(suite, QUICK), runs).head.is_dirty
    (checkout / "src/more.py").touch()
    assert run_gate(GateRequest(suite, QUICK), runs).head.is_dirty


def test_selfcheck_counts_false_alarms_and_what_is_caught(checkout: Path) -> None:
    suite = load_suite(str(checkout / "suite.yaml"), root=checkout)
    found = run_selfcheck(suite, QUICK, means(checkout.parent, os.environ), suites=1, slow=1.0)
    assert (found.suites, found.failed, found.caught) == (1, 0, 1.0)
    assert found.cases[0].slower == {"failed": 1}
