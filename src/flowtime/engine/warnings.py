"""What the numbers of a result say that a real flow could not do, and what is missing to say more.

Each check replays what the plan did; codes are those of engine.md 8.1 and 8.2 and some of ours.  A warning
never changes a number.  Severity ``warning`` means that the numbers contradict each other or the model; what
may be meant so, or is only good to know, is ``info``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from flowtime.engine.backlog_warnings import backlog_warnings
from flowtime.engine.class_warnings import class_warnings, queue_node_class_warnings, router_warnings
from flowtime.engine.edge_rules import EdgeLink, edge_links
from flowtime.engine.edge_warnings import edge_warnings, flow_warnings
from flowtime.engine.node_warnings import node_warnings
from flowtime.engine.retry_warnings import retry_warnings
from flowtime.engine.run_warning import RunWarning
from flowtime.engine.station_view import station_views
from flowtime.engine.structure_warnings import (
    constraint_warnings,
    dependency_warnings,
    dispatch_warnings,
    dlq_warnings,
    is_terminal,
)

if TYPE_CHECKING:
    from flowtime.engine.result import Result

__all__ = ["RunWarning", "find_warnings"]


def find_warnings(result: Result) -> tuple[RunWarning, ...]:
    """Check a result: topology nodes in the order of the model, then edges, constraints and routers.

    Results that keep chosen outputs only are checked as far as their series go.
    """
    # A flow may be infinite, or NaN where data is missing: comparisons with those are false, and that is all.
    with np.errstate(invalid="ignore", over="ignore"):
        return (*_of_nodes(result), *_of_model(result))


def _of_nodes(result: Result) -> Iterator[RunWarning]:
    flow = result.compiled.flow
    links_in: dict[str, list[EdgeLink]] = {}
    links_out: dict[str, list[EdgeLink]] = {}
    for link in edge_links(result.compiled.model.spec, flow.stations):
        links_in.setdefault(link.target.id, []).append(link)
        links_out.setdefault(link.source.id, []).append(link)
    for view in station_views(result):
        incoming, outgoing = (links.get(view.station.id, []) for links in (links_in, links_out))
        flows_in, flows_out = ([flow.edges.edges[link.id] for link in links] for links in (incoming, outgoing))
        yield from node_warnings(view, is_terminal=is_terminal(incoming))
        yield from retry_warnings(view)
        yield from dispatch_warnings(view)
        yield from dlq_warnings(view, incoming, outgoing)
        yield from dependency_warnings(view, incoming)
        yield from flow_warnings(result, view, flows_in, flows_out)
        yield from class_warnings(result, view)
        yield from backlog_warnings(view)


def _of_model(result: Result) -> Iterator[RunWarning]:
    for edge in result.compiled.flow.edges.edges.values():
        yield from edge_warnings(result, edge)
    yield from constraint_warnings(result)
    yield from queue_node_class_warnings(result)
    yield from router_warnings(result)
