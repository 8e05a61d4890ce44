"""Laws of what is derived from flows, on random networks and loads; the slow twins agree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import given, note, settings
from hypothesis import strategies as st

from enginemodels import model_text, station
from flowtime.engine import Result, compile_model
from flowtime.model import parse_model
from oracle_flow import DrawnEdge, bound_bins, cumulated, drain_bins, edge_flows, retry_volumes, stuck_bins

BINS = 6
volumes = st.lists(st.integers(0, 40).map(float), min_size=BINS, max_size=BINS)
weights = st.sampled_from([1.0, 1.0, 1.0, 1.0, 0.5, 3.0, -1.0])
multipliers = st.sampled_from([1.0, 1.0, 1.0, 0.5, 2.0])
lags = st.sampled_from([0, 0, 0, 1, 4, 9])


@dataclass(frozen=True)
class Network:
    """Services without queues, all of whose series are given, and edges from lower to higher numbers."""

    served: dict[str, list[float]]
    arrivals: dict[str, list[float]]
    edges: tuple[DrawnEdge, ...]
    echo: list[float]

    def text(self) -> str:
        """The model; the last station has a retry echo."""
        nodes = {f"s{name}": values for name, values in self.served.items()}
        nodes |= {f"a{name}": values for name, values in self.arrivals.items()} | {"echo": self.echo}
        last = list(self.served)[-1]
        stations = [
            station(f"arrivals: a{name}, served: s{name}{', retryEcho: echo' if name == last else ''}", name=name)
            for name in self.served
        ]
        return model_text(BINS, nodes, *stations, edges=[edge.text() for edge in self.edges])


@st.composite
def networks(draw: st.DrawFn) -> Network:
    """Some stations and some edges between them, at most one between the same two."""
    names = [f"N{i}" for i in range(draw(st.integers(2, 5)))]
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    chosen = draw(st.lists(st.sampled_from(pairs), min_size=1, unique=True))
    edges = tuple(
        DrawnEdge(f"e{i}", *pair, draw(weights), draw(multipliers), draw(lags)) for i, pair in enumerate(chosen)
    )
    return Network({n: draw(volumes) for n in names}, {n: draw(volumes) for n in names}, edges, draw(volumes))


def evaluated(text: str) -> Result:
    """The result of a model."""
    note(text)
    return compile_model(parse_model(text)).evaluate()


@settings(max_examples=80)
@given(networks())
def test_flows_over_edges_are_those_of_the_oracle(network: Network) -> None:
    found = evaluated(network.text()).edges
    flows = edge_flows(network.edges, network.served, network.arrivals)
    for name, expected in flows.items():
        np.testing.assert_allclose(found[name]["flowVolume"], expected, rtol=1e-12, atol=1e-12, err_msg=name)
    retries = retry_volumes(network.edges, flows, list(network.served)[-1], network.echo)
    for name, expected in retries.items():
        np.testing.assert_allclose(found[name]["retryVolume"], expected, rtol=1e-12, atol=1e-12, err_msg=name)


@settings(max_examples=40)
@given(networks())
def test_shares_of_what_is_served_sum_to_it(network: Network) -> None:
    found = evaluated(network.text()).edges
    for name, served in network.served.items():
        own = [edge for edge in found.values() if edge.info.source == name and edge.info.share is not None]
        sent = [edge.info.share for edge in own if edge.info.share is not None]
        assert not own or sum(sent) <= 1.0 + 1e-12
        late = [edge["flowVolume"].sum() for edge in own]
        assert sum(late) <= max((edge.info.multiplier for edge in own), default=0.0) * sum(served) + 1e-9


@st.composite
def queue_texts(draw: st.DrawFn) -> str:
    """A queue with any load, capacity and depth to begin with."""
    rest = f", initialCondition: {{queueDepth: {draw(st.integers(0, 30))}}}"
    nodes = {"a": draw(volumes), "c": draw(volumes), "e": [v / 10 for v in draw(volumes)]}
    return model_text(BINS, nodes, station("arrivals: a, capacity: c, errors: e", rest=rest))


@settings(max_examples=80)
@given(queue_texts())
def test_a_queue_is_analyzed_as_by_the_oracle(text: str) -> None:
    result = evaluated(text)
    depth, served, capacity = (result[name].tolist() for name in ("q_queue", "q_served", "c"))
    blocked, starved = stuck_bins(depth, capacity, served)
    found = result.blocking("Q")
    assert (found.blocked.tolist(), found.starved.tolist()) == (blocked, starved)
    assert result.drain_time("Q").computed.tolist() == drain_bins(depth)
    assert result.bottlenecks()[0].bound_share == sum(bound_bins(capacity, served)) / BINS


@settings(max_examples=80)
@given(queue_texts())
def test_what_came_has_gone_or_is_there(text: str) -> None:
    result = evaluated(text)
    flow = result.cumulative_flow("Q")
    np.testing.assert_allclose(flow.arrivals, cumulated(result["a"].tolist()))
    np.testing.assert_allclose(flow.initial + flow.arrivals - flow.departures, flow.in_progress, atol=1e-9)
    whole = result.cumulative_flow()
    np.testing.assert_allclose(whole.in_progress, flow.in_progress)
    np.testing.assert_allclose(whole.departures, flow.departures, atol=1e-9)


@settings(max_examples=40)
@given(queue_texts())
def test_a_computed_queue_is_never_warned_about(text: str) -> None:
    severe = [warning for warning in evaluated(text).warnings if warning.severity != "info"]
    assert [warning.code for warning in severe if warning.code != "loss_exceeds_available"] == []
