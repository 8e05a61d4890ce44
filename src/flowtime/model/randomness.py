"""What is random in a model, the names of the streams that it is drawn from, and which seeds there are."""

from __future__ import annotations

from typing import Final

from flowtime.errors import ParameterError
from flowtime.model.spec import ModelSpec, PmfNode

__all__ = ["MAX_SEED", "arrival_stream", "checked_seed", "drawn_series", "random_inputs", "sampling_seed"]

MAX_SEED: Final = 2_147_483_647


def random_inputs(spec: ModelSpec) -> tuple[str, ...]:
    """Return the names of the streams that a run draws from when it samples, in the order of the file.

    Those of pmf nodes first, called as the nodes are, then those of Poisson arrivals; arrivals of one node and
    class share one.
    """
    names = [node.id for node in spec.nodes if isinstance(node, PmfNode)]
    arrivals = spec.traffic.arrivals if spec.traffic else ()
    names += [
        arrival_stream(spec, entry.node_id, entry.class_id) for entry in arrivals if entry.pattern.kind == "poisson"
    ]
    return tuple(dict.fromkeys(names))


def drawn_series(spec: ModelSpec) -> frozenset[str]:
    """Return the names of the series that a run draws when it samples: pmf nodes, and what Poisson arrivals fill."""
    arrivals = spec.traffic.arrivals if spec.traffic else ()
    drawn = [node.id for node in spec.nodes if isinstance(node, PmfNode)]
    return frozenset((*drawn, *(entry.node_id for entry in arrivals if entry.pattern.kind == "poisson")))


def arrival_stream(spec: ModelSpec, node_id: str, class_id: str | None = None) -> str:
    """Return the name of the stream that Poisson arrivals of a node, or of one class there, are drawn from.

    Counts around the draws of a pmf node must not take the very numbers that those were drawn with.
    """
    if class_id is not None:
        return f"{node_id}@{class_id}"
    is_drawn = any(node.id == node_id and isinstance(node, PmfNode) for node in spec.nodes)
    return f"{node_id}@DEFAULT" if is_drawn else node_id


def checked_seed(seed: int) -> int:
    """Return the seed; raises ParameterError ``parameter.seed`` for one that no run can record."""
    if not 0 <= seed <= MAX_SEED:
        raise ParameterError(f"the seed must be from 0 to {MAX_SEED}, not {seed}", code="parameter.seed")
    return seed


def sampling_seed(spec: ModelSpec, seed: int | None = None) -> int:
    """Return what a run that samples starts from: the seed, else that of the model, else 0.

    Raises ParameterError ``parameter.seed`` for a seed out of bounds, ``parameter.rng_kind`` for a model
    that names a generator other than pcg32: its numbers are not those that we would draw.
    """
    if spec.rng is not None and spec.rng.kind != "pcg32":
        raise ParameterError(
            f"the model names the generator {spec.rng.kind}, and only pcg32 can be drawn from",
            code="parameter.rng_kind",
            hint="write `rng: {kind: pcg32}`, or run without sampling",
        )
    if seed is not None:
        return checked_seed(seed)
    return spec.rng.seed if spec.rng else 0
