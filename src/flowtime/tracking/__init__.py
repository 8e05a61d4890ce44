"""The run tracker: what a batch pipeline does, how far it is, how it ended, and what became of earlier ones.

Names are loaded when first used; importing this package loads the standard library only.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flowtime.tracking.child_run import ChildRun
    from flowtime.tracking.entry import Tracking, current_run, track, track_child
    from flowtime.tracking.live.liveness import bury, effective_status, judge
    from flowtime.tracking.null_run import NullRun
    from flowtime.tracking.run_files import RunFiles, is_tracked, read_record
    from flowtime.tracking.tensorboard import mirror_tensorboard
    from flowtime.tracking.tracked_run import TrackedRun
    from flowtime.tracking.tracked_step import Step

__all__ = [
    "ChildRun",
    "NullRun",
    "RunFiles",
    "Step",
    "TrackedRun",
    "Tracking",
    "bury",
    "current_run",
    "effective_status",
    "is_tracked",
    "judge",
    "mirror_tensorboard",
    "read_record",
    "track",
    "track_child",
]

_HOMES = (
    ("flowtime.tracking.child_run", ("ChildRun",)),
    ("flowtime.tracking.live.liveness", ("bury", "effective_status", "judge")),
    ("flowtime.tracking.null_run", ("NullRun",)),
    ("flowtime.tracking.run_files", ("RunFiles", "is_tracked", "read_record")),
    ("flowtime.tracking.entry", ("Tracking", "current_run", "track", "track_child")),
    ("flowtime.tracking.tensorboard", ("mirror_tensorboard",)),
    ("flowtime.tracking.tracked_run", ("TrackedRun",)),
    ("flowtime.tracking.tracked_step", ("Step",)),
)


def __getattr__(name: str) -> object:
    for module, names in _HOMES:
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module 'flowtime.tracking' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
