"""The kernels of gaps in two forms, compiled and plain, as ``kernelforms`` has those of the engine."""

from __future__ import annotations

import sys
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest

from flowtime.telemetry.gap_kernels import load_gap_kernels

__all__ = ["gap_kernels"]


@cache
def gap_kernels(form: str) -> Any:
    """The kernels of gaps, ``compiled`` or ``python``."""
    compiled = load_gap_kernels()
    return compiled if form == "compiled" else _plain()


def _plain() -> ModuleType:
    no_jit = ModuleType("flowtime_kernels.jit")
    no_jit.__dict__["njit"] = lambda function: function
    with pytest.MonkeyPatch.context() as patch:
        patch.delitem(sys.modules, "flowtime_kernels.gaps")
        patch.setitem(sys.modules, "flowtime_kernels.jit", no_jit)
        return import_module("flowtime_kernels.gaps")
