"""The kernels in two forms: compiled, and the same sources as plain Python all the way down.

``kernel.py_func`` alone is plain at its surface only: what it calls is compiled still.  Here the sources are imported
once more with a decorator that does nothing, so that a difference is one between the source and its machine code.
"""

from __future__ import annotations

import sys
from functools import cache
from importlib import import_module
from types import ModuleType, SimpleNamespace

import pytest

from flowtime.engine.kernel_cache import load_kernels

__all__ = ["FORMS", "kernel_modules"]

FORMS = ("compiled", "python")
NAMES = ("scalars", "elementwise", "recurrences", "components", "blocks", "lanes", "random")


@cache
def kernel_modules(form: str) -> SimpleNamespace:
    """The kernel modules by name, ``compiled`` or ``python``."""
    load_kernels()
    compiled = {name: import_module(f"flowtime_kernels.{name}") for name in NAMES}
    return SimpleNamespace(**compiled) if form == "compiled" else _plain_modules()


def _plain_modules() -> SimpleNamespace:
    no_jit = ModuleType("flowtime_kernels.jit")
    no_jit.__dict__["njit"] = lambda function: function
    ours = [name for name in sys.modules if name.partition(".")[0] == "flowtime_kernels"]
    # Every module that is imported here was there before, so undoing the deletions restores all of them.
    with pytest.MonkeyPatch.context() as patch:
        for name in ours:
            patch.delitem(sys.modules, name)
        patch.setitem(sys.modules, "flowtime_kernels.jit", no_jit)
        return SimpleNamespace(**{name: import_module(f"flowtime_kernels.{name}") for name in NAMES})
