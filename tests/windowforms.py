"""The kernels of windows in two forms, compiled and plain, as ``kernelforms`` has those of the engine."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from types import ModuleType

import numpy as np
import pytest

from flowtime.state import windows
from flowtime.state.windows import fixed, rolling

__all__ = ["FORMS", "use_form"]

FORMS = ("compiled", "python")
NAMES = ("quantiles", "levels", "blocksums", "windows", "rolling")


@contextmanager
def use_form(form: str) -> Iterator[None]:
    """Make ``fixed`` and ``rolling`` use the compiled kernels, or the same sources as plain Python all the way down.

    What Python says about 0 / 0 is not heard in this thread alone, so plain ones want ``threads=1``.
    """
    if form == "compiled":
        yield
        return
    plain = _plain_modules()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(windows, "load_family", lambda name, _: plain[name])
        with np.errstate(all="ignore"):
            yield


@cache
def _plain_modules() -> dict[str, ModuleType]:
    # Load the compiled ones first, so that undoing what follows brings them back.
    fixed(np.zeros((1, 1)), 1, ["sum"])
    rolling(np.zeros((1, 1)), 1, ["sum"])
    no_jit = ModuleType("flowtime_kernels.jit")
    no_jit.__dict__["njit"] = lambda function: function
    with pytest.MonkeyPatch.context() as patch:
        for name in NAMES:
            patch.delitem(sys.modules, f"flowtime_kernels.{name}")
        patch.setitem(sys.modules, "flowtime_kernels.jit", no_jit)
        return {name: import_module(f"flowtime_kernels.{name}") for name in NAMES}
