"""Where a flow run is: it has ended, for its folder is published whole; how long its steps took."""

from __future__ import annotations

from pathlib import Path

import msgspec

from flowtime.errors import RunCorruptError, StorageError
from flowtime.tracking.log.event_reader import read_events
from flowtime.tracking.records import StepExecutionEntry
from flowtime.tracking.step_table import fold_steps

__all__ = ["FlowHead", "flow_head", "flow_steps"]


class FlowHead(msgspec.Struct, frozen=True, rename="camel"):
    """What a status says of a flow run beside its steps: the part of its run.json that is asked for."""

    run_id: str
    template_id: str
    created_utc: str


def flow_head(folder: Path) -> FlowHead:
    """Return the head of a flow run; raises RunCorruptError or StorageError."""
    try:
        return msgspec.json.decode((folder / "run.json").read_bytes(), type=FlowHead)
    except OSError as error:
        raise StorageError(f"can not read run.json of {folder.name}: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise RunCorruptError(f"run.json of {folder.name} is no record of a flow run: {error}") from error


def flow_steps(folder: Path) -> tuple[StepExecutionEntry, ...]:
    """Return the steps of a flow run from its log; those of a damaged one end where it is."""
    table = fold_steps(read_events(folder, streams=("control",)))
    return msgspec.convert(table.documents(None), tuple[StepExecutionEntry, ...])
