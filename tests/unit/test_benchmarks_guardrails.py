"""The judgement of the guardrails: what fails, what is the host's fault, what is counted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.guardrails import (
    GUARDRAILS,
    Guardrail,
    Sample,
    count_calls,
    expected_calls,
    judge,
    measure,
    middle_p99,
    percentile,
)
from benchmarks.storage_cases import atomic_writer

LIMITS = Guardrail("small", 100, 1000, p99_limit_ms=10.0, p50_limit_ms=1.0)


def sample(*milliseconds: float) -> Sample:
    """Return 500 writes that took each of the given times: as many blocks as times."""
    times = [time for time in milliseconds for _ in range(500)]
    return Sample(times, times)


@pytest.mark.parametrize(
    ("ours", "raw", "verdict"),
    [
        pytest.param(sample(0.5), sample(0.2), "passed", id="within the limits"),
        pytest.param(sample(0.5), sample(9.0), "passed", id="within the limits on an unfit host"),
        pytest.param(sample(11.0), sample(0.2), "failed", id="p99 on a fit host"),
        pytest.param(sample(11.0), sample(2.6), "host_unfit", id="p99 on an unfit host"),
        pytest.param(sample(1.1), sample(0.2), "failed", id="p50 on a fit host"),
        pytest.param(sample(1.1), sample(2.6), "host_unfit", id="p50 on an unfit host"),
        pytest.param(sample(0.5, 0.5, 20.0), sample(0.2), "passed", id="one bad block of three"),
        pytest.param(sample(0.5, 20.0, 20.0), sample(0.2), "failed", id="two bad blocks of three"),
    ],
)
def test_verdict(ours: Sample, raw: Sample, verdict: str) -> None:
    assert judge(LIMITS, ours, raw).verdict == verdict


def test_the_wall_does_not_decide() -> None:
    waited = Sample(wall_ms=[50.0] * 500, net_ms=[0.5] * 500)
    assert judge(LIMITS, waited, sample(0.2)).verdict == "passed"


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


def test_turns_are_measured_and_warm_up_is_not(tmp_path: Path) -> None:
    ours, raw = measure(Guardrail("tiny", 64, 7, p99_limit_ms=10.0), tmp_path)
    assert [len(ours.wall_ms), len(ours.net_ms), len(raw.wall_ms), len(raw.net_ms)] == [7, 7, 7, 7]
    assert min(ours.wall_ms) > 0.0


def test_a_durable_write_syncs_and_renames_as_often_as_it_must(tmp_path: Path) -> None:
    assert count_calls(atomic_writer(tmp_path, b"bytes")) == expected_calls()


def test_an_extra_sync_is_seen(tmp_path: Path) -> None:
    write = atomic_writer(tmp_path, b"bytes")
    counts = count_calls(lambda: (write(), write()))
    assert counts == {name: 2 * count for name, count in expected_calls().items()}


def test_limits_are_the_published_ones() -> None:
    assert [(rail.size_bytes, rail.writes, rail.p50_limit_ms, rail.p99_limit_ms) for rail in GUARDRAILS] == [
        (65_536, 2000, 1.0, 10.0),
        (1_048_576, 500, None, 10.0),
    ]


def test_a_broken_harness_is_not_a_broken_limit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from benchmarks.guardrails import main

    assert main(["--folder", str(tmp_path / "absent")]) == 3
    assert os.fspath(tmp_path) in capsys.readouterr().err
