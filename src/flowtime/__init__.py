"""flowtime models service flows on a grid of time bins and computes what happens in every bin.

>>> import flowtime
>>> result = flowtime.evaluate("model.yaml")  # doctest: +SKIP
>>> result["checkout_queue"].max()  # doctest: +SKIP

Names are loaded when first used: ``import flowtime`` alone imports neither NumPy nor Numba.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flowtime.engine import Scale
    from flowtime.errors import FlowtimeError
    from flowtime.library import (
        capture,
        compile,
        diff,
        evaluate,
        evaluate_many,
        open_capture,
        open_run,
        template,
    )
    from flowtime.model import load_model, parse_model
    from flowtime.tracking import current_run, track, track_child

__version__ = "0.1.0"

__all__ = [
    "FlowtimeError",
    "Scale",
    "__version__",
    "capture",
    "compile",
    "current_run",
    "diff",
    "evaluate",
    "evaluate_many",
    "load_model",
    "open_capture",
    "open_run",
    "parse_model",
    "template",
    "track",
    "track_child",
]

_HOMES = (
    ("flowtime.errors", ("FlowtimeError",)),
    ("flowtime.engine", ("Scale",)),
    ("flowtime.model", ("load_model", "parse_model")),
    ("flowtime.tracking", ("current_run", "track", "track_child")),
    (
        "flowtime.library",
        ("capture", "compile", "diff", "evaluate", "evaluate_many", "open_capture", "open_run", "template"),
    ),
)


def __getattr__(name: str) -> object:
    for module, names in _HOMES:
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module 'flowtime' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
