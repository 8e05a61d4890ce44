"""What to say of series that wait for each other within one bin."""

from __future__ import annotations

from collections.abc import Sequence

from flowtime.engine.ir import Flow
from flowtime.engine.ordering import SameBinCycle
from flowtime.errors import Fault
from flowtime.model import Model

__all__ = ["cycle_fault"]


def cycle_fault(model: Model, flow: Flow, cycle: SameBinCycle) -> Fault:
    """Return the fault ``compile.same_bin_cycle`` that names the series of a loop, and how to open it."""
    ring = [flow.operations[i] for i in cycle.operations]
    # Each operation waits for the next, by the one of its results that it reads; several may belong to one series.
    read = [
        next(c for c in before.ins if c in after.outs) for before, after in zip([ring[-1], *ring], ring, strict=False)
    ]
    owners = [flow.columns[column].owner for column in read]
    names = list(dict.fromkeys(name for name in owners if name in flow.names))
    names = names or list(dict.fromkeys(owners))
    index = next((i for i, node in enumerate(model.spec.nodes) if node.id in names), None)
    return model.fault(
        "compile.same_bin_cycle",
        f"these series wait for each other within one bin: {' -> '.join([*names, names[0]])}",
        "$.nodes" if index is None else f"$.nodes[{index}]",
        hint=_way_out(flow, owners),
    )


def _way_out(flow: Flow, owners: Sequence[str]) -> str:
    for station in flow.stations:
        if station.made.retry_echo in owners or f"{station.id} retries" in owners:
            return (
                f"the retryKernel of {station.id} lets failures come back in the bin in which they happen: "
                "begin it with 0, as in [0, 0.6, 0.3, 0.1]"
            )
    return "let one of them read an earlier bin, with SHIFT(x, 1) or DELAY(x, 1)"
