"""The judgement of guardrails: what fails, what is the host's fault, what is counted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.case import Case
from benchmarks.cases import CASES, GATED
from flowtime.errors import PerfError
from flowtime.tracking.perf.guard import Guarded, judge_guardrail, mean_best_half, middle_p99, percentile, run_guards
from flowtime.tracking.perf.suite import GuardrailSpec, load_suite
from flowtime.tracking.perf.worker import counted
from perffakes import QUICK, make_checkout, means

RAIL = GuardrailSpec(limits_ms={"p99": 10.0, "p50": 1.0}, counts={"fsync": 2})
DISPATCH = GuardrailSpec(limits_ms={"mean_best_half": 1.0})


def ms(*times: float) -> list[float]:
    """Return 500 turns that took each of the given times: as many blocks as times."""
    return [time for time in times for _ in range(500)]


@pytest.mark.parametrize(
    ("ours", "probe", "fsyncs", "verdict", "reason"),
    [
        pytest.param(ms(0.5), ms(0.2), 2, "passed", None, id="within the limits"),
        pytest.param(ms(0.5), ms(9.0), 2, "passed", None, id="within the limits on an unfit host"),
        pytest.param(ms(11.0), ms(0.2), 2, "failed", "limit_broken", id="p99 on a fit host"),
        pytest.param(ms(11.0), ms(2.6), 2, "soft-breach", "host_unfit", id="p99 on an unfit host"),
        pytest.param(ms(1.1), ms(0.2), 2, "failed", "limit_broken", id="p50 on a fit host"),
        pytest.param(ms(1.1), [], 2, "failed", "limit_broken", id="no probe"),
        pytest.param(ms(0.5, 0.5, 20.0), ms(0.2), 2, "passed", None, id="one bad block of three"),
        pytest.param(ms(0.5, 20.0, 20.0), ms(0.2), 2, "failed", "limit_broken", id="two bad blocks of three"),
        pytest.param(ms(0.5), ms(9.0), 3, "failed", "counts", id="an extra sync on any host"),
    ],
)
def test_verdict(ours: list[float], probe: list[float], fsyncs: int, verdict: str, reason: str | None) -> None:
    measured = Guarded(net_ms=ours, wall_ms=ms(50.0), probe_ms=probe, counts={"fsync": fsyncs})
    assert judge_guardrail(RAIL, measured) == (verdict, reason)


def test_mean_is_of_the_better_half() -> None:
    assert mean_best_half([9.0, 0.5, 0.7, 100.0]) == 0.6
    assert judge_guardrail(DISPATCH, Guarded([9.0, 0.5], [], [], {})) == ("passed", None)


@pytest.mark.parametrize(
    ("share", "value"),
    [
        pytest.param(0.0, 1, id="least"),
        pytest.param(0.5, 50, id="median"),
        pytest.param(0.99, 99, id="p99"),
        pytest.param(1.0, 100, id="most"),
    ],
)
def test_percentile(share: float, value: float) -> None:
    assert percentile(range(100, 0, -1), share) == value


def test_middle_p99_is_of_blocks_of_500() -> None:
    assert middle_p99([1.0] * 494 + [5.0] * 6 + [2.0] * 500 + [9.0] * 500) == 5.0


def test_what_is_written_is_counted(tmp_path: Path) -> None:
    with counted() as counts:
        file = os.open(tmp_path / "x", os.O_WRONLY | os.O_CREAT)
        os.write(file, b"seven..")
        os.close(file)
        os.replace(tmp_path / "x", tmp_path / "y")
    assert counts == {"fsync": 0, "rename": 1, "bytes": 7}


def test_a_run_of_guardrails(tmp_path: Path) -> None:
    suite = load_suite("toybench.cases", root=make_checkout(tmp_path / "checkout"))
    found = run_guards(suite, QUICK, means(tmp_path, os.environ))
    assert [(item.test_id, item.status) for item in found.results] == [("kept", "passed"), ("broken", "failed")]
    assert found.results[0].evidence["p50 net ms"] == pytest.approx(4.0, abs=1.5)
    assert found.verdict == "failed"


def test_no_guardrail_is_an_error(tmp_path: Path) -> None:
    suite = load_suite("toybench.cases", root=make_checkout(tmp_path / "checkout"))
    with pytest.raises(PerfError, match="no case has a guardrail"):
        run_guards(suite, QUICK, means(tmp_path, os.environ), ["work"])


def named(name: str) -> Case:
    return next(case for case in CASES if case.name == name)


@pytest.mark.parametrize(
    ("name", "limits", "turns"),
    [
        pytest.param("write_atomic_64k", {"p99": 10.0, "p50": 1.0}, 2000, id="64 KB"),
        pytest.param("write_atomic_1m", {"p99": 10.0}, 500, id="1 MB"),
        pytest.param("bus_dispatch_to_three", {"mean_best_half": 0.01}, 1000, id="dispatch"),
    ],
)
def test_limits_are_the_published_ones(name: str, limits: dict[str, float], turns: int) -> None:
    rail = named(name).guardrail
    assert (dict(rail.limits_ms), rail.turns) == (limits, turns)


def test_a_durable_write_syncs_and_renames_as_often_as_it_must(tmp_path: Path) -> None:
    case = named("write_atomic_64k")
    call = case.factory(tmp_path, "full").call
    with counted() as counts:
        call()
    assert counts == dict(case.guardrail.counts)


def test_the_gate_takes_cases_that_there_are() -> None:
    assert set(GATED) <= {case.name for case in CASES if case.gate}
