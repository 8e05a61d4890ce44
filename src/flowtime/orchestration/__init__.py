"""From a request to a published run folder."""

from __future__ import annotations

from flowtime.orchestration.envelope import RunEnvelope, RunPlan, describe_run
from flowtime.orchestration.simulate import RunRequest, run_simulation

__all__ = ["RunEnvelope", "RunPlan", "RunRequest", "describe_run", "run_simulation"]
