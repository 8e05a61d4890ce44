"""The topology drawn as text: goldens, what is marked, and what is done where a drawing does not fit."""

from __future__ import annotations

import pytest

from flowtime.model import parse_model
from flowtime.model.spec import Topology
from flowtime.templates import list_templates, template
from flowtime.templates.topology_view import draw_topology

WEB_FRONTEND = """\
      ┌─────────┐
      │ WebTier │
      │ service │
      └────┬────┘
           ▼
┌────────────────────┐
│ Backend            │
│ queue + service x4 │
└──────────┬─────────┘
           ▼
     ╭──────────╮
     │ Answered │
     │ sink     │
     ╰──────────╯
"""
MANUFACTURING_LINE = """\
              +-----------------+
              | Press           |
              | queue + service |
              +--------+--------+
                       v
              +-----------------+
              | Welding         |
              | queue + service |
              +--------+--------+
                       v
        +----------------------------+
        | Paint                      |
        | queue + service            |
        | limit 60, overflow to Yard |
        +----+----------------+------+
             : overflow       |
             v                v
+----------------+   +-----------------------+
| Yard           |   | Assembly              |
| queue          |   | queue + service       |
| ^ Paint: lag 1 |   +-+----------+----------+
+----------------+     | weight 4 | weight 96
                       v          v
         +-------------------+   +---------+
         | Rework            |   | Shipped |
         | queue + service   |   | sink    |
         | ^ Assembly: lag 1 |   +---------+
         +-------------------+
"""
HEAD = "schemaVersion: 1\ngrid: {bins: 2, binSize: 1, binUnit: hours}\nnodes: [{id: x, kind: const, values: 1}]\n"
SHIPPED = [info.id for info in list_templates()]


def topology_of(name: str) -> Topology:
    """Return the topology of a shipped template with its defaults."""
    topology = template(name).render().model.spec.topology
    assert topology is not None
    return topology


def topology_with(node: str, more: str = "") -> Topology:
    """Return the topology of a model with a station A with some fields, a sink B, and more below ``topology``."""
    nodes = f"[{{id: A, {node}}}, {{id: B, kind: sink, semantics: {{arrivals: x}}}}]"
    topology = parse_model(f"{HEAD}topology: {{nodes: {nodes}{more}}}\n").spec.topology
    assert topology is not None
    return topology


def test_drawing() -> None:
    assert "\n".join(draw_topology(topology_of("web-frontend"))) + "\n" == WEB_FRONTEND


def test_drawing_in_plain_characters() -> None:
    assert "\n".join(draw_topology(topology_of("manufacturing-line"), ascii_only=True)) + "\n" == MANUFACTURING_LINE


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_drawing_fits_and_names_every_node_once(name: str) -> None:
    topology = topology_of(name)
    lines = draw_topology(topology, width=110)
    words = " ".join(line for line in lines if "shared by" not in line).replace("┊", "│").split("│")
    assert max(map(len, lines)) <= 110
    assert [sum(word.strip() == node.id for word in words) for node in topology.nodes] == [1] * len(topology.nodes)


@pytest.mark.parametrize("name", SHIPPED)
def test_plain_drawing_is_plain(name: str) -> None:
    assert "\n".join(draw_topology(topology_of(name), ascii_only=True)).isascii()


SERVICE = "kind: serviceWithBuffer, semantics: {arrivals: x, capacity: x}"


@pytest.mark.parametrize(
    ("node", "line"),
    [
        pytest.param("semantics: {arrivals: x, served: x}", "│ service │", id="service"),
        pytest.param(SERVICE, "│ queue + service │", id="queue and service"),
        pytest.param(
            SERVICE.replace("capacity: x", "capacity: x, parallelism: 3"), "│ queue + service x3 │", id="servers"
        ),
        pytest.param(
            SERVICE.replace("capacity: x", "capacity: x, parallelism: x"), "│ queue + service x x │", id="shifts"
        ),
        pytest.param("kind: dlq, semantics: {arrivals: x, capacity: x}", "│ dead-letter queue │", id="dlq"),
        pytest.param(f"{SERVICE}, initialCondition: {{queueDepth: 1200}}", "│ starts with 1,200 │", id="stock"),
        pytest.param(f"{SERVICE}, wipLimit: 5", "│ limit 5, overflow lost │", id="limit"),
        pytest.param(f"{SERVICE}, wipLimitSeries: x, wipOverflow: B", "│ limit x, overflow to B │", id="limit series"),
        pytest.param(
            f"{SERVICE}, dispatchSchedule: {{periodBins: 4, phaseOffset: -1}}",
            "│ gate every 4 bins from 3 │",
            id="gate",
        ),
        pytest.param(
            f"{SERVICE}, dispatchSchedule: {{periodBins: 4, accumulate: true}}",
            "│ gate lets all through that waits │",
            id="gate that accumulates",
        ),
        pytest.param(
            "semantics: {arrivals: x, served: x, failures: x, retryEcho: again, maxAttempts: 3}",
            "│ retries, 3 attempts │",
            id="retries",
        ),
        pytest.param(
            "semantics: {arrivals: x, served: x, failures: x, retryEcho: again, retryBudget: 2000}",
            "│ retry budget 2,000 │",
            id="retry budget",
        ),
    ],
)
def test_what_holds_work_back_is_marked(node: str, line: str) -> None:
    lines = [" ".join(line.split()) for line in draw_topology(topology_with(node))]
    assert any(line in drawn for drawn in lines), "\n".join(lines)


@pytest.mark.parametrize(
    ("edge", "words"),
    [
        pytest.param("weight: 3", ["│ weight 3"], id="weight"),
        pytest.param("lag: 2", ["│ lag 2"], id="lag"),
        pytest.param("type: terminal, measure: errors", ["│ terminal", "│ errors"], id="type and measure"),
        pytest.param(
            "type: effort, measure: attempts, multiplier: 2.5", ["┊ effort", "┊ attempts", "┊ x2.5"], id="effort"
        ),
        pytest.param("type: topology", ["┊ link"], id="link"),
        pytest.param("measure: served", [], id="nothing unusual"),
    ],
)
def test_what_is_unusual_about_an_edge_is_told(edge: str, words: list[str]) -> None:
    topology = topology_with(SERVICE, f", edges: [{{from: A, to: B, {edge}}}]")
    drawn = draw_topology(topology)[4:-5]
    assert [line.strip() for line in drawn] == words


@pytest.mark.parametrize(
    ("way", "told"),
    [
        pytest.param("", "in proportion to demand", id="proportional"),
        pytest.param(", allocation: maxMin", "max-min fair", id="fair"),
        pytest.param(", allocation: priority, priorities: [A]", "by priority (A)", id="priority"),
    ],
)
def test_shared_constraint_is_told_below(way: str, told: str) -> None:
    shared = f", constraints: [{{id: Db, semantics: {{arrivals: x, served: x}}{way}}}]"
    lines = draw_topology(topology_with(f"{SERVICE}, constraints: [Db]", shared))
    assert lines[-1] == f"Db: shared by A, {told}; capacity x"
    assert any("│ shares Db" in line for line in lines)


def test_overflow_without_an_edge_is_drawn() -> None:
    lines = draw_topology(topology_with(f"{SERVICE}, wipLimit: 5, wipOverflow: B"))
    assert any(line.strip() == "┊ overflow" for line in lines)


def test_list_where_the_drawing_does_not_fit() -> None:
    lines = draw_topology(topology_of("order-system"), width=30)
    assert lines[:3] == (
        "OrderService (queue + service x4)",
        "  → PaymentService: weight 85",
        "  → Fulfillment: weight 15",
    )


def test_no_nodes_no_lines() -> None:
    assert draw_topology(Topology()) == ()
