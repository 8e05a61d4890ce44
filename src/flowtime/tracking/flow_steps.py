"""The steps of a flow run, in the log of its folder: written whole, since the folder is published whole.

The same records as those of a tracked run, of one writer named ``flow``; no lock and no heartbeat, for a flow run that
can be seen has ended.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flowtime.tracking.clock import SYSTEM_CLOCK, Clock
from flowtime.tracking.log.log_format import (
    HEADER_BYTES,
    TIMES,
    Kind,
    Mark,
    SegmentHeader,
    encode_header,
    encode_mark,
    encode_record,
)
from flowtime.tracking.run_files import FLOW_LOG

__all__ = ["FlowSteps"]

_WRITER = "flow"
_STREAM = "control"


class FlowSteps:
    """Keeps the records of the steps of one flow run in memory until its folder is there."""

    def __init__(self, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock
        self._begun = (clock.wall_ns(), clock.monotonic_ns())
        self._records: list[bytes] = []

    @contextmanager
    def step(self, step_id: str) -> Iterator[None]:
        """Record that the block is this step; one that raises ends no step, for then nothing is published."""
        self._add({"id": step_id, "status": "running"})
        yield
        self._add({"id": step_id, "status": "completed"})

    def file(self) -> tuple[str, bytes]:
        """Return the path below the run folder of the log so far, and its bytes: one segment, sealed."""
        records = b"".join(self._records)
        header = SegmentHeader(_STREAM, 0, os.getpid(), 0, *self._begun, _WRITER)
        mark = Mark(True, len(self._records), HEADER_BYTES + len(records), self._clock.wall_ns())
        head = (encode_header(header) + encode_mark(mark)).ljust(HEADER_BYTES, b"\0")
        return FLOW_LOG, head + records

    def _add(self, data: dict[str, Any]) -> None:
        times = TIMES.pack(self._clock.wall_ns(), self._clock.monotonic_ns())
        text = json.dumps(data, separators=(",", ":")).encode()
        self._records.append(encode_record(Kind.STEP, len(self._records), times, text))
