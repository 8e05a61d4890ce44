"""What a tracked run says of itself, as structs: the record in run.json, its steps, samples, advice and tests.

Times that end in ``utc`` are ISO 8601 texts in UTC; durations are seconds of a clock that never jumps.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

__all__ = [
    "EndCause",
    "EtaScore",
    "GpuDeviceSample",
    "PerformanceRecommendation",
    "PerformanceTestResult",
    "PerformanceVerdict",
    "PipelineRunRecord",
    "Record",
    "RunKind",
    "RunStatus",
    "Severity",
    "StepExecutionEntry",
    "StepStatus",
    "TelemetrySnapshot",
]

RunKind: TypeAlias = Literal["pipeline", "perf"]
RunStatus: TypeAlias = Literal[
    "pending", "running", "completed", "failed", "cancelled", "preempted", "timeout", "killed", "lost"
]
StepStatus: TypeAlias = Literal["pending", "running", "completed", "failed", "cancelled", "skipped"]
Severity: TypeAlias = Literal["info", "warning", "critical"]
PerformanceVerdict: TypeAlias = Literal["passed", "soft-breach", "failed", "no-baseline"]
Scalar: TypeAlias = str | int | float | bool | None
Seconds = Annotated[float, Meta(ge=0, description="Seconds.")]
Count = Annotated[int, Meta(ge=0)]


class Record(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=False):
    """Base of every record: camelCase in JSON; fields that a later version added are passed over."""


class GpuDeviceSample(Record, frozen=True, kw_only=True):
    """One device, or one MIG slice of one; None where it does not tell."""

    index: Count
    uuid: str | None = None
    name: str | None = None
    util_percent: float | None = None
    memory_used_mb: float | None = None
    memory_total_mb: float | None = None
    temperature_c: float | None = None
    power_w: float | None = None


class TelemetrySnapshot(Record, frozen=True, kw_only=True):
    """What the machine and the process tree did at one moment; None where a metric can not be had, and ``notes``
    says why (``<metric>: <reason>``).

    CPU shares count one full core as 100: ``cpu_percent_process`` of a tree on four busy cores is 400;
    ``cpu_percent_system`` is of all cores, 0 to 100.  ``memory_rss_mb`` is of the process tree, in MiB.
    """

    timestamp_ms: int
    step_id: str | None = None
    frame_idx: int | None = None
    steps_per_sec: float | None = None
    cpu_percent_process: float | None = None
    cpu_percent_system: float | None = None
    cpu_limit_cores: float | None = None
    processes: int | None = None
    memory_rss_mb: float | None = None
    memory_available_mb: float | None = None
    memory_limit_mb: float | None = None
    disk_read_mb_per_sec: float | None = None
    disk_write_mb_per_sec: float | None = None
    disk_free_mb: float | None = None
    net_sent_mb_per_sec: float | None = None
    net_received_mb_per_sec: float | None = None
    gpu_util_percent: float | None = None
    gpu_mem_used_mb: float | None = None
    gpu_mem_total_mb: float | None = None
    gpu_devices: tuple[GpuDeviceSample, ...] = ()
    sampler_ms: float | None = None
    notes: tuple[str, ...] = ()


class PerformanceRecommendation(Record, frozen=True, kw_only=True):
    """One piece of advice: the rule that gave it, what it saw, and what to do.

    ``evidence`` holds figures; ``sample_first`` and ``sample_last`` are the numbers (from 0, in the order of
    recording) of the samples that it rests on, ``first_ms`` and ``last_ms`` their times.
    """

    trigger: str
    severity: Severity
    message: str
    suggested_actions: tuple[str, ...]
    evidence: dict[str, Scalar] = {}
    timestamp_ms: int | None = None
    step_id: str | None = None
    sample_first: Count | None = None
    sample_last: Count | None = None
    first_ms: int | None = None
    last_ms: int | None = None


class PerformanceTestResult(Record, frozen=True, kw_only=True):
    """How one performance test ended, against what was measured of the base (never against a limit).

    Times are net seconds of one call; ``ratio`` is measured over baseline; ``reason`` is a code such as
    ``noisy_twin``, ``host_unfit``, ``not_in_base``.
    """

    test_id: str
    matrix: str
    status: PerformanceVerdict
    reason: str | None = None
    baseline_seconds: Seconds | None = None
    measured_seconds: Seconds | None = None
    ratio: float | None = None
    ratio_low: float | None = None
    ratio_high: float | None = None
    throughput_baseline: float | None = None
    throughput_measured: float | None = None
    duration_seconds: Seconds = 0.0
    evidence: dict[str, Scalar] = {}
    recommendations_ref: tuple[int, ...] = ()


class StepExecutionEntry(Record, frozen=True, kw_only=True):
    """One step, in the order that it was named or first started (``order`` from 1); ``parent`` is the step it is in.

    ``duration_seconds`` adds up all attempts; ``done`` and ``total`` are items of its progress.
    """

    step_id: str
    display_name: str
    order: Annotated[int, Meta(ge=1)]
    status: StepStatus
    parent: str | None = None
    attempts: Count = 0
    started_utc: str | None = None
    ended_utc: str | None = None
    duration_seconds: Seconds | None = None
    done: Count | None = None
    total: Count | None = None
    eta_snapshot_seconds: Seconds | None = None
    reason: str | None = None
    artifacts: tuple[str, ...] = ()
    profile: str | None = None


class EtaScore(Record, frozen=True, kw_only=True):
    """How good the forecasts of a run were, told at its end: relative errors, and whether intervals held."""

    forecasts: Count
    median_error: float | None = None
    after_step_2_error: float | None = None
    interval_coverage: float | None = None


class EndCause(Record, frozen=True, kw_only=True):
    """Why a run ended as it did."""

    exit_code: int | None = None
    signal: str | None = None
    error: str | None = None
    traceback: str | None = None
    log_lines: tuple[str, ...] = ()
    reason: str | None = None


class PipelineRunRecord(Record, frozen=True, kw_only=True):
    """``run.json`` of a tracked run: written at its start and at its end, and by whoever finds it dead.

    ``elapsed_seconds`` adds up all sessions of a run that was resumed; ``sessions`` counts them.
    """

    schema_version: Literal[1] = 1
    run_id: str
    kind: RunKind = "pipeline"
    pipeline: str
    status: RunStatus
    created_utc: str
    completed_utc: str | None = None
    elapsed_seconds: Seconds | None = None
    sessions: Annotated[int, Meta(ge=1)] = 1
    enabled_steps: tuple[str, ...] = ()
    initiator: str | None = None
    scenario: str | None = None
    tags: dict[str, str] = {}
    config: dict[str, msgspec.Raw] = {}
    environment: dict[str, Scalar] = {}
    artifacts: tuple[str, ...] = ()
    summary: dict[str, Scalar] = {}
    steps: tuple[StepExecutionEntry, ...] = ()
    recommendations: tuple[PerformanceRecommendation, ...] = ()
    perf_tests: tuple[PerformanceTestResult, ...] = ()
    end: EndCause | None = None
    eta: EtaScore | None = None
    events: Count = 0
    dropped: Count = 0
