"""Two stored runs of the gate side by side: what each measured of its own head."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from flowtime.runs.times import utc_text
from flowtime.tracking.perf.host import matrix_text
from flowtime.tracking.perf.judge import worst
from flowtime.tracking.perf.outcome import HostFacts, PerfOutcome
from flowtime.tracking.perf.results import compared

__all__ = ["compare_outcomes"]

LOOP_LIMIT = 0.03


def compare_outcomes(
    base_run: str, base: PerfOutcome, head: PerfOutcome, *, clock: Callable[[], datetime]
) -> PerfOutcome:
    """Hold the cases of ``head`` against those of ``base``, whose run is called ``base_run``.

    They were measured at different times, so a case is at most a soft breach; notes tell where the host differed.
    """
    matrix = matrix_text(head.head.python or "", head.size)
    results = tuple(compared(base, head.turns, matrix))
    return PerfOutcome(
        kind="compare",
        suite=head.suite,
        verdict=worst([result.status for result in results]),
        created_utc=utc_text(clock()),
        duration_seconds=0.0,
        size=head.size,
        seed=head.seed,
        episodes=head.episodes,
        sweeps=head.sweeps,
        head=head.head,
        base=base.head,
        base_run=base_run,
        host=head.host,
        results=results,
        notes=_notes(base.host, head.host),
    )


def _notes(base: HostFacts, head: HostFacts) -> tuple[str, ...]:
    notes = []
    if (base.cpu, base.cores, base.machine) != (head.cpu, head.cores, head.machine):
        notes.append("the runs were measured on different machines, so their times do not compare")
    # The least of all episodes: what the processor can do, without what disturbed it.
    loops = [min(host.reference_loop_ns, default=0) for host in (base, head)]
    if all(loops) and abs(loops[1] / loops[0] - 1.0) > LOOP_LIMIT:
        notes.append(f"a fixed loop took {loops[1] / loops[0]:.3f} times as long: the host itself changed speed")
    return tuple(notes)
