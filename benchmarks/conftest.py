"""What the benchmark suite records of the machine: a time without it can not be compared."""

from __future__ import annotations

import os
from importlib.metadata import version
from typing import Any

from benchmarks.trackers import missing_peers

__all__ = ["pytest_benchmark_update_machine_info", "pytest_report_header"]

PACKAGES = ("numpy", "numba", "llvmlite", "msgspec", "orjson")


def _load() -> list[float]:
    # A mean of 1, 5 and 15 minutes; Windows keeps none.
    return [round(mean, 2) for mean in os.getloadavg()] if hasattr(os, "getloadavg") else []


def pytest_benchmark_update_machine_info(config: Any, machine_info: dict[str, Any]) -> None:
    """Add the versions that decide the figures, the cores we may use and the load, to the saved JSON."""
    machine_info["packages"] = {name: version(name) for name in PACKAGES}
    machine_info["cores"] = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    machine_info["load"] = _load()


def pytest_report_header(config: Any) -> list[str]:
    """Say at the top on what the figures were taken, and which peers are left out."""
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return [f"flowtime benchmarks: {packages}; load {_load()}", *(f"left out: {why}" for why in missing_peers())]
