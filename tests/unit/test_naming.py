"""Names of series: snake case, references, and the series that a model implies."""

from __future__ import annotations

import pytest

from flowtime.model import ModelSpec, decode, parse_yaml
from flowtime.model.naming import (
    Clash,
    NodeSeries,
    SeriesReference,
    Synthesized,
    alias_snake,
    resolve_reference,
    snake,
    split_endpoint,
    split_reference,
    synthesized,
)

HEAD = "schemaVersion: 1\ngrid: {bins: 3, binSize: 5, binUnit: minutes}\nnodes:\n- {id: a, kind: const, values: 1}\n"


def names_of(topology: str, nodes: str = "") -> Synthesized:
    """The names of a model with some topology nodes."""
    text = f"{HEAD}{nodes}topology:\n  nodes:\n{topology}"
    return synthesized(decode(parse_yaml(text), ModelSpec))


@pytest.mark.parametrize(
    ("text", "ours", "theirs"),
    [
        ("DLQ", "dlq", "d_l_q"),
        ("HTTPService", "http_service", "h_t_t_p_service"),
        ("OrderQueue2", "order_queue2", "order_queue2"),
        ("Queue", "queue", "queue"),
        ("already_snake", "already_snake", "already_snake"),
        ("API_Gateway", "api_gateway", "a_p_i__gateway"),
        ("Main-Street 5", "main_street_5", "main__street_5"),
        ("2nd", "_2nd", "_2nd"),
        ("Ünit", "_nit", "_nit"),
        ("node1A", "node1_a", "node1_a"),
    ],
)
def test_snake(text: str, ours: str, theirs: str) -> None:
    assert snake(text) == ours
    assert alias_snake(text) == theirs


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", SeriesReference("a")),
        (" a ", SeriesReference("a")),
        ("series:a", SeriesReference("a")),
        ("a@Gold", SeriesReference("a", "Gold")),
        ("series:a@Gold", SeriesReference("a", "Gold")),
        ("a@", SeriesReference("a", "")),
        ("self", SeriesReference("self")),
        ("file:a b.csv", SeriesReference(None, None, "a b.csv")),
        ("file://telemetry/a@b.csv", SeriesReference(None, None, "//telemetry/a@b.csv")),
    ],
)
def test_split_reference(text: str, expected: SeriesReference) -> None:
    assert split_reference(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A", ("A", None)),
        ("A:out", ("A", "out")),
        ("B:x", ("B:x", None)),
        ("B:x:in", ("B:x", "in")),
        ("C", None),
        ("C:out", None),
    ],
)
def test_split_endpoint(text: str, expected: tuple[str, str | None] | None) -> None:
    assert split_endpoint(text, ["A", "B:x"]) == expected


BUFFER = "kind: queue, semantics: {arrivals: a, served: a"


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        pytest.param(f"{{id: DLQ, {BUFFER}}}}}", NodeSeries(queue="dlq_queue"), id="queue"),
        pytest.param(f"{{id: Q, {BUFFER}, queueDepth: self}}}}", NodeSeries(queue="q_queue"), id="self"),
        pytest.param(f"{{id: Q, {BUFFER}, queueDepth: depth}}}}", NodeSeries(queue="depth"), id="named"),
        pytest.param(f"{{id: Q, {BUFFER}, queueDepth: 'series:depth'}}}}", NodeSeries(queue="depth"), id="prefixed"),
        pytest.param(f"{{id: Q, {BUFFER}, queueDepth: a}}}}", NodeSeries(), id="declared"),
        pytest.param(f"{{id: Q, {BUFFER}, queueDepth: 'file:q.csv'}}}}", NodeSeries(), id="file"),
        pytest.param(f"{{id: Q, {BUFFER}, retryEcho: echo}}}}", NodeSeries("q_queue", retry_echo="echo"), id="echo"),
        pytest.param(
            f"{{id: Q, {BUFFER}}}, wipLimit: 5}}", NodeSeries("q_queue", overflow="q_overflow"), id="wip-limit"
        ),
        pytest.param(
            f"{{id: Q, {BUFFER}}}, dispatchSchedule: {{periodBins: 2}}}}",
            NodeSeries("q_queue", gated_outflow="q_gated_outflow"),
            id="dispatch",
        ),
        pytest.param(
            "{id: Q, kind: serviceWithBuffer, semantics: {arrivals: a, capacity: a, errors: a}}",
            NodeSeries("q_queue", "q_served", "q_loss"),
            id="computed",
        ),
        pytest.param(
            "{id: S, kind: service, semantics: {arrivals: a, capacity: a, errors: a}}",
            NodeSeries(served="s_served", overflow="s_overflow"),
            id="service",
        ),
        pytest.param("{id: S, kind: sink, semantics: {arrivals: a}}", NodeSeries(served="s_served"), id="sink"),
        pytest.param(
            "{id: S, nodeRole: sink, semantics: {arrivals: a}}", NodeSeries(served="s_served"), id="sink-by-role"
        ),
        pytest.param("{id: S, semantics: {arrivals: a, served: a}}", NodeSeries(), id="all-bound"),
        pytest.param("{id: S, semantics: {arrivals: a}}", NodeSeries(), id="nothing-to-compute-from"),
    ],
)
def test_implied_series(node: str, expected: NodeSeries) -> None:
    assert names_of(f"  - {node}\n").nodes == (expected,)


def test_a_taken_name_gets_a_number() -> None:
    nodes = "- {id: q_queue, kind: const, values: 1}\n- {id: q_queue_1, kind: const, values: 1}\n"
    names = names_of(f"  - {{id: Q, {BUFFER}}}}}\n  - {{id: q, {BUFFER}}}}}\n", nodes)
    assert [series.queue for series in names.nodes] == ["q_queue_2", "q_queue_3"]


def test_a_given_name_comes_before_a_made_up_one() -> None:
    names = names_of(f"  - {{id: Q, {BUFFER}}}}}\n  - {{id: P, {BUFFER}, queueDepth: q_queue}}}}\n")
    assert [series.queue for series in names.nodes] == ["q_queue_1", "q_queue"]


def test_two_nodes_can_not_own_one_series() -> None:
    names = names_of(f"  - {{id: Q, {BUFFER}, queueDepth: d}}}}\n  - {{id: P, {BUFFER}, queueDepth: d}}}}\n")
    assert names.clashes == (Clash("d", "queue", 1, 0),)


def test_the_other_spelling_is_an_alias() -> None:
    names = names_of(f"  - {{id: DLQ, {BUFFER}}}}}\n")
    assert names.resolve("d_l_q_queue") == "dlq_queue"
    assert "d_l_q_queue" not in names.names


def test_an_alias_never_hides_a_declared_node() -> None:
    names = names_of(f"  - {{id: DLQ, {BUFFER}}}}}\n", "- {id: d_l_q_queue, kind: const, values: 1}\n")
    assert names.resolve("d_l_q_queue") == "d_l_q_queue"


def test_undeclared_targets_of_a_router_are_series() -> None:
    router = "- {id: r, kind: router, inputs: {queue: a}, routes: [{target: x, weight: 1}, {target: x, weight: 2}]}\n"
    names = names_of(f"  - {{id: Q, {BUFFER}}}}}\n", router)
    assert list(names.series) == ["x", "q_queue"]
    assert (names.series["x"].role, names.series["x"].node_index) == ("router_target", 1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", "a"),
        ("series:a@Gold", "a"),
        ("self", "dlq_queue"),
        ("dlq_queue", "dlq_queue"),
        ("d_l_q_queue", "dlq_queue"),
        ("A", None),
        ("nothing", None),
    ],
)
def test_resolve_reference(text: str, expected: str | None) -> None:
    names = names_of(f"  - {{id: DLQ, {BUFFER}}}}}\n")
    found = resolve_reference(text, names, "dlq_queue")
    assert (found and found.id) == expected


def test_self_means_nothing_without_a_queue() -> None:
    assert resolve_reference("self", names_of("  - {id: S, semantics: {arrivals: a, served: a}}\n")) is None
