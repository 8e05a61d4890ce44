"""The one registry of benchmark cases: the suite, the tests, the gate and the guardrails all read it.

A new family of cases is a module with a tuple of ``Case`` and one line here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from benchmarks.bus_cases import BUS_CASES
from benchmarks.case import Case
from benchmarks.engine_cases import ENGINE_CASES
from benchmarks.gap_cases import GAP_CASES
from benchmarks.mixed_cases import MIXED_CASES
from benchmarks.process_cases import PROCESS_CASES
from benchmarks.registry_cases import REGISTRY_CASES
from benchmarks.state_cases import STATE_CASES
from benchmarks.storage_cases import STORAGE_CASES
from benchmarks.tracker_log_cases import TRACKER_LOG_CASES
from benchmarks.tracker_peer_cases import TRACKER_PEER_CASES
from benchmarks.tracker_run_cases import TRACKER_RUN_CASES
from benchmarks.tracker_sampler_cases import TRACKER_SAMPLER_CASES
from benchmarks.window_cases import WINDOW_CASES

__all__ = ["CASES", "GATED"]

# Which of the older cases the gate measures on every change: one or two of each part, so that a suite takes minutes.
# Calls make a turn of 1 to 5 ms; what is slower gets fewer sweeps.
GATED: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "evaluate_10x288_reused": {"calls_per_turn": 100},
        "evaluate_100x10000_reused": {},
        "sweep_1000_of_100x288_1_thread": {"sweeps": 20},
        "compile_mixed_24": {},
        "template_llm_inference": {},
        "mixed_120x1000_of_8_classes": {"sweeps": 20},
        "fill_linear_1e6_ours_reused": {"calls_per_turn": 2},
        "find_gaps_1e6_ours": {"calls_per_turn": 2},
        "fixed_five_1e6_flowtime": {},
        "rolling_mean_1e6_flowtime": {},
        "window_day_json": {"sweeps": 20},
        "write_atomic_64k": {},
        "import_flowtime": {"sweeps": 10},
        "help": {"sweeps": 10},
    }
)

_EVERY: tuple[Case, ...] = (
    *BUS_CASES,
    *ENGINE_CASES,
    *GAP_CASES,
    *MIXED_CASES,
    *REGISTRY_CASES,
    *STATE_CASES,
    *STORAGE_CASES,
    *TRACKER_LOG_CASES,
    *TRACKER_PEER_CASES,
    *TRACKER_RUN_CASES,
    *TRACKER_SAMPLER_CASES,
    *WINDOW_CASES,
    *PROCESS_CASES,
)

CASES: tuple[Case, ...] = tuple(
    replace(case, gate=True, **GATED[case.name]) if case.name in GATED else case for case in _EVERY
)
