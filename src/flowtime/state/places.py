"""Which row of ``series.npy`` plays which part at which topology node, for all flow and for each class.

Found once when a run is opened, so that reading a bin is a look into arrays.  Tables have the shape (nodes,
parts): part 0 is all flow, the others the classes in their order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from flowtime.engine.gates import queue_schedules, station_schedule
from flowtime.engine.retry_kernel import retry_taps
from flowtime.engine.stations import Station
from flowtime.model.naming import is_sink
from flowtime.model.spec import DispatchSchedule, ModelSpec

__all__ = ["ABSENT", "NOTHING", "BoolTable", "Places", "RowTable", "find_places"]

RowTable = NDArray[np.int64]
BoolTable = NDArray[np.bool_]

# In the place of a row: the node has no such part, or this class has nothing of it.
ABSENT: Final = -1
NOTHING: Final = -2

_ROLES: Final = (
    "arrivals",
    "served",
    "errors",
    "attempts",
    "failures",
    "exhaustedFailures",
    "retryEcho",
    "retryBudgetRemaining",
    "externalDemand",
    "queueDepth",
    "capacity",
    "parallelism",
    "processingTimeMsSum",
    "servedCount",
    "loss",
    "overflow",
    "inflow",
    "shortfall",
)
# What classes share.
_SHARED: Final = ("capacity", "parallelism")


@dataclass(frozen=True)
class Places:
    """The parts of all nodes.

    ``rows`` maps a role to the row of each node and part; roles that no node has are left out.  ``spent`` and
    ``counted`` give the service time, ``failed`` what fails, ``coming`` what comes in (arrivals, and what overflows
    from other nodes), ``gauge`` what tells whether anything moves.
    """

    stations: tuple[Station, ...]
    class_ids: tuple[str, ...]
    schedules: tuple[DispatchSchedule | None, ...]
    rows: Mapping[str, RowTable]
    spent: RowTable
    counted: RowTable
    failed: RowTable
    coming: RowTable
    gauge: RowTable

    @property
    def shape(self) -> tuple[int, int]:
        """Nodes and parts."""
        return len(self.stations), 1 + len(self.class_ids)

    def table(self, role: str) -> RowTable:
        """The rows of a role, ``ABSENT`` everywhere where no node has it; (nodes, parts)."""
        found = self.rows.get(role)
        return np.full(self.shape, ABSENT, dtype=np.int64) if found is None else found

    @cached_property
    def has(self) -> Mapping[str, BoolTable]:
        """Which nodes and parts have which derived value, by its name on the wire; (nodes, parts)."""
        served, arrivals = self.table("served") != ABSENT, self.coming != ABSENT
        service, queue = self._each(lambda s: s.has_service), self._each(lambda s: s.has_queue)
        waits = served & queue & (self.table("queueDepth") != ABSENT)
        works = served & service & (self.spent != ABSENT) & (self.counted != ABSENT)
        failed = served & service & (self.failed != ABSENT)
        attempts = served & service & ((self.table("attempts") != ABSENT) | failed)
        return {
            "utilization": served & (self.table("capacity") != ABSENT),
            "queueTimeMs": waits,
            "latencyMinutes": waits,
            "serviceTimeMs": works,
            "cycleTimeMs": waits | works,
            "flowEfficiency": works,
            "throughputRatio": served & arrivals & ~self._each(lambda s: is_sink(s.node)),
            "failures": failed,
            "retryEcho": failed & (self.table("retryEcho") == ABSENT),
            "attempts": attempts,
            "retryTax": attempts,
        }

    @cached_property
    def taps(self) -> tuple[tuple[float, ...], ...]:
        """The retry kernel of each node; empty where its retry echo is not derived."""
        derived = np.any(self.has["retryEcho"], axis=1)
        kernels = (retry_taps(station.node.semantics.retry_kernel) for station in self.stations)
        return tuple(kernel if wanted else () for kernel, wanted in zip(kernels, np.asarray(derived), strict=True))

    def _each(self, question: Callable[[Station], bool]) -> BoolTable:
        """Ask something of every node; (nodes, 1)."""
        return np.array([question(station) for station in self.stations], dtype=np.bool_)[:, None]


def find_places(
    spec: ModelSpec, stations: tuple[Station, ...], class_ids: tuple[str, ...], rows: Mapping[str, int]
) -> Places:
    """Return the parts of the nodes; ``rows`` maps the name of each series of the run to its row."""
    tables = {role: _role_table(stations, class_ids, rows, role) for role in _ROLES}
    for role in _SHARED:
        tables[role][:, 1:] = tables[role][:, :1]
    spent, counted = tables["processingTimeMsSum"].copy(), tables["servedCount"].copy()
    # Times that nobody counted by class are the same for all of them.
    shared = (spent == ABSENT) | (counted == ABSENT)
    spent, counted = (np.where(shared, table[:, :1], table) for table in (spent, counted))
    sinks = np.array([is_sink(station.node) for station in stations], dtype=np.bool_)[:, None]
    # A sink takes all that comes in, by the name of that; its classes are those of that name.
    overflown = np.array(["inflow" in station.series for station in stations], dtype=np.bool_)[:, None]
    taken = np.where(overflown, tables["inflow"], tables["arrivals"])
    queues = queue_schedules(spec)
    return Places(
        stations=stations,
        class_ids=class_ids,
        schedules=tuple(station_schedule(station, queues) for station in stations),
        rows={role: table for role, table in tables.items() if (table != ABSENT).any()},
        spent=spent,
        counted=counted,
        failed=_first(tables["failures"], tables["loss"], tables["errors"]),
        coming=_first(tables["inflow"], tables["arrivals"]),
        gauge=np.where(sinks, taken, tables["served"]),
    )


def _role_table(stations: Sequence[Station], class_ids: Sequence[str], rows: Mapping[str, int], role: str) -> RowTable:
    table = np.full((len(stations), 1 + len(class_ids)), ABSENT, dtype=np.int64)
    for index, station in enumerate(stations):
        name = station.series.get(role)
        if name is not None:
            table[index, 0] = rows.get(name, ABSENT)
            table[index, 1:] = [_class_row(name, class_id, rows) for class_id in class_ids]
    return table


def _class_row(name: str, class_id: str, rows: Mapping[str, int]) -> int:
    _, at, own = name.rpartition("@")
    if not at:
        return rows.get(f"{name}@{class_id}", ABSENT)
    return rows.get(name, ABSENT) if own == class_id else NOTHING


def _first(*tables: RowTable) -> RowTable:
    """The first of several tables that has a row."""
    found = tables[-1]
    for table in reversed(tables[:-1]):
        found = np.where(table != ABSENT, table, found)
    return found
