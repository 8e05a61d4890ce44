"""What the answers about one bin and about a window have in common: what was read, of which nodes, and its warnings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypedDict, TypeVar

from flowtime.state.documents import (
    Analytical,
    Category,
    ClassTruth,
    DispatchInfo,
    EdgeState,
    StateWarning,
    TelemetryInfo,
)
from flowtime.state.edge_answers import edge_answers
from flowtime.state.facts import Choice, choose, class_truths
from flowtime.state.figures import Figures, read_figures
from flowtime.state.findings import about, about_telemetry, by_edge
from flowtime.state.open_run import ConstraintPlace, OpenRun

__all__ = ["NodeHead", "Reading", "read"]

T = TypeVar("T")


class NodeHead(TypedDict):
    """What is said of a topology node whatever the bins are: fields of a ``NodeState`` and of a ``NodeWindow``."""

    id: str
    kind: str
    category: Category
    analytical: Analytical
    class_truth: ClassTruth
    telemetry: TelemetryInfo
    aliases: dict[str, str]
    dispatch_schedule: DispatchInfo | None


@dataclass(frozen=True)
class Reading:
    """The numbers of a stretch of bins, which nodes and classes of them are shown, and what was odd there.

    ``findings`` are the warnings about what is shown, those about edges among them.
    """

    run: OpenRun
    figures: Figures
    choice: Choice
    edges: tuple[EdgeState, ...]
    findings: tuple[StateWarning, ...]
    truths: tuple[ClassTruth, ...]

    @property
    def edge_warnings(self) -> dict[str, tuple[StateWarning, ...]]:
        """The warnings about edges, by edge id."""
        return by_edge(self.findings)

    @property
    def warnings(self) -> tuple[StateWarning, ...]:
        """All other warnings."""
        return tuple(warning for warning in self.findings if warning.edge_id is None)

    def head(self, node: int) -> NodeHead:
        """What is said of a node whatever the bins are."""
        run, station = self.run, self.run.places.stations[node]
        facts = run.facts[node]
        return NodeHead(
            id=station.id,
            kind=station.node.kind,
            category=facts.category,
            analytical=facts.analytical,
            class_truth=self.truths[node],
            telemetry=TelemetryInfo(
                sources=run.sources.get(station.id, ()), warnings=about_telemetry(self.findings, station.id)
            ),
            aliases=station.node.semantics.aliases,
            dispatch_schedule=facts.dispatch,
        )

    def by_class(self, node: int, value: Callable[[str, int], T]) -> dict[str, dict[str, T]]:
        """The values of a node by class id and then name; ``value`` is asked for a name and the part of a class."""
        names, class_ids = self.run.fields.names[node], self.run.places.class_ids
        return {
            class_ids[part - 1]: {name: value(name, part) for name in names[part]}
            for part in self.choice.parts
            if names[part]
        }

    def constraints(self, node: int) -> tuple[ConstraintPlace, ...]:
        """The shared constraints that hold a node, each once."""
        named = dict.fromkeys(self.run.places.stations[node].node.constraints)
        return tuple(self.run.constraints[name] for name in named if name in self.run.constraints)


def read(
    run: OpenRun,
    start: int,
    end: int,
    width: int,
    *,
    nodes: Sequence[str] | None,
    classes: Sequence[str] | None,
) -> Reading:
    """Read bins ``start`` up to ``end`` (not inside), ``width`` to a point; None is all nodes or classes.

    Raises StateError: ``state.unknown_node``, ``state.unknown_class``.
    """
    choice = choose(run.places, nodes, classes)
    figures = read_figures(run.fields, run.reader, run.milliseconds, start, end, width)
    edges = edge_answers(run, figures, choice)
    chosen = {run.places.stations[node].id for node in choice.nodes}
    findings = about(run.findings.within(start, end - 1), chosen, {edge.id for edge in edges})
    return Reading(run, figures, choice, edges, findings, class_truths(run.places, figures.block))
