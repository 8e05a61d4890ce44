"""The one registry of benchmark cases: the suite, the tests and the guardrails all read it.

A new family of cases is a module with a tuple of ``Case`` and one line here.
"""

from __future__ import annotations

from benchmarks.case import Case
from benchmarks.engine_cases import ENGINE_CASES
from benchmarks.gap_cases import GAP_CASES
from benchmarks.mixed_cases import MIXED_CASES
from benchmarks.process_cases import PROCESS_CASES
from benchmarks.registry_cases import REGISTRY_CASES
from benchmarks.state_cases import STATE_CASES
from benchmarks.storage_cases import STORAGE_CASES
from benchmarks.window_cases import WINDOW_CASES

__all__ = ["CASES"]

CASES: tuple[Case, ...] = (
    *ENGINE_CASES,
    *GAP_CASES,
    *MIXED_CASES,
    *REGISTRY_CASES,
    *STATE_CASES,
    *STORAGE_CASES,
    *WINDOW_CASES,
    *PROCESS_CASES,
)
