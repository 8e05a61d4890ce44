"""Hypothesis strategies: random expressions, and random models that are valid by construction.

A model is drawn as a ``Draft``, which can be written as YAML at any horizon and scale.  Its parts are put in an
order first; each reads parts before it in the same bin, and any part, itself too, from earlier bins.  The order of
the file is drawn anew, since it must not matter.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from flowtime.model.expression import (
    FUNCTIONS,
    Binary,
    Call,
    Expression,
    LiteralRule,
    Name,
    Number,
    Unary,
    Vector,
    render,
)
from oracle_names import BUFFER_KINDS, snake
from strategies_draft import Draft

__all__ = ["Draft", "drafts", "expressions", "flow_drafts", "models", "physical_drafts"]

OPERATORS = ("+", "-", "*", "/", "<", "<=", ">", ">=", "==", "!=", "AND", "OR")
PREFIXES = {"minus": "-", "not": "NOT"}
# The first is what shrinking goes to; a third of all inner nodes end there.
SHAPES = ("leaf",) * 12 + OPERATORS + tuple(PREFIXES) + tuple(FUNCTIONS)
KINDS = ("serviceWithBuffer", "queue", "service", "sink")
STATION_IDS = ("Stage{}", "HTTPStage{}", "stage-{}", "{}Stage")
DISTRIBUTIONS = (([10.0, 20.0, 30.0], [0.5, 0.3, 0.2]), ([1.5], [1.0]), ([0.0, 8.0], [0.25, 0.75]))

any_numbers = st.floats(min_value=0.0, allow_nan=False, allow_infinity=False)
small_numbers = st.integers(0, 50).map(float) | st.floats(0.0, 100.0)


# Expressions


@st.composite
def expressions(
    draw: st.DrawFn, names: Sequence[str], *, numbers: st.SearchStrategy[float] = any_numbers
) -> Expression:
    """Trees as the parser makes them, with every operator and function, over these names; offsets are 0."""
    return _grown(draw, _leaves(names, numbers), numbers, depth=4)


def _leaves(names: Sequence[str], numbers: st.SearchStrategy[float]) -> st.SearchStrategy[Expression]:
    return st.builds(Name, st.sampled_from(list(names)), st.just(0)) | st.builds(Number, numbers, st.just(0))


def _grown(
    draw: st.DrawFn, leaves: st.SearchStrategy[Expression], numbers: st.SearchStrategy[float], depth: int
) -> Expression:
    # Drawn by hand: st.recursive over twenty functions takes ten times as long as the tests do.
    shape = draw(st.sampled_from(SHAPES)) if depth else "leaf"
    if shape == "leaf":
        return draw(leaves)
    if shape in OPERATORS:
        left = _grown(draw, leaves, numbers, depth - 1)
        return Binary(shape, left, _grown(draw, leaves, numbers, depth - 1), 0)
    if shape in PREFIXES:
        return Unary(PREFIXES[shape], _grown(draw, leaves, numbers, depth - 1), 0)
    rule = FUNCTIONS[shape]
    arguments: list[Expression] = []
    for place in range(draw(st.integers(rule.least, rule.least + 2 if rule.most is None else rule.most))):
        literal = rule.literal(place)
        arguments.append(draw(_literals(literal, numbers)) if literal else _grown(draw, leaves, numbers, depth - 1))
    return Call(shape, tuple(arguments), 0)


def _literals(rule: LiteralRule, numbers: st.SearchStrategy[float]) -> st.SearchStrategy[Expression]:
    if rule.kind == "integer":
        return st.builds(Number, st.integers(int(rule.least), int(rule.least) + 5).map(float), st.just(0))
    signed = numbers | numbers.map(lambda value: -value)
    if rule.kind == "taps":
        taps = st.lists(signed, max_size=4).map(tuple)
        return st.builds(Vector, taps, st.just(0)) | st.builds(Number, signed, st.just(0))
    bounded = st.floats(rule.least, rule.most, exclude_min=rule.open) if math.isfinite(rule.least) else signed
    return st.builds(Number, bounded, st.just(0))


def _lagged(others: Sequence[str], own: str) -> st.SearchStrategy[Expression]:
    """Trees that read earlier bins alone, of any series; of its own by DELAY and CONV, as SHIFT may not."""
    other = st.builds(Name, st.sampled_from(list(others)), st.just(0))
    pair = st.builds(Binary, st.sampled_from(("+", "-", "*", "/")), other, other, st.just(0))
    read = st.just(Name(own, 0)) | other | pair
    lag = st.integers(1, 5).map(lambda value: Number(float(value), 0))
    taps = st.lists(st.floats(-1.0, 1.0), max_size=3).map(lambda values: Vector((0.0, *values), 0))
    initial = st.builds(Number, small_numbers, st.just(0))
    return st.one_of(
        st.builds(Call, st.just("SHIFT"), st.tuples(other | pair, lag), st.just(0)),
        st.builds(Call, st.just("DELAY"), st.tuples(read, lag, initial), st.just(0)),
        st.builds(Call, st.just("CONV"), st.tuples(read, taps), st.just(0)),
    )


# Models


@dataclass(frozen=True)
class _Part:
    """What is drawn before anything is wired: its kind, its name, what it has and which series it makes."""

    kind: str
    id: str
    makes: tuple[str, ...]
    has: dict[str, Any]


def models() -> st.SearchStrategy[str]:
    """YAML texts of valid models without same-bin cycles: const, pmf, expr, queues and stations of all kinds."""
    return drafts().map(Draft.text)


@st.composite
def drafts(draw: st.DrawFn) -> Draft:
    """Models with expressions and feedback, and gaps in the inputs."""
    kinds = st.sampled_from(("expr", "expr", "node", *KINDS))
    return _wired(draw, draw(st.lists(kinds, min_size=2, max_size=8)))


@st.composite
def flow_drafts(draw: st.DrawFn) -> Draft:
    """Models of queues and stations alone, which are linear in their amounts."""
    kinds = st.sampled_from(("node", *KINDS))
    return _wired(draw, draw(st.lists(kinds, min_size=1, max_size=5)), has_series_parallelism=False)


@st.composite
def physical_drafts(draw: st.DrawFn) -> Draft:
    """Models whose stations all compute what they serve, from amounts of at least 0."""
    kinds = st.sampled_from(("serviceWithBuffer", "queue", "service"))
    chosen = draw(st.lists(kinds, min_size=1, max_size=5))
    return _wired(draw, chosen, has_series_parallelism=False, is_computed=True)


def _wired(
    draw: st.DrawFn,
    kinds: Sequence[str],
    *,
    has_series_parallelism: bool = True,
    is_computed: bool | None = None,
) -> Draft:
    bins = draw(st.integers(1, 40))
    nodes = _inputs(draw, bins)
    parts = [_part(draw, index, kind, is_computed) for index, kind in enumerate(kinds)]
    known = [node["id"] for node in nodes]
    every = known + [name for part in parts for name in part.makes]
    stations = []
    for part in parts:
        if part.kind == "expr":
            nodes.append({"id": part.id, "kind": "expr", "expr": _expression(draw, part.id, known, every)})
        elif part.kind == "node":
            nodes.append(_queue_node(draw, part, known))
        else:
            stations.append(_station(draw, part, known, has_series_parallelism))
        known += part.makes
    size, unit = draw(st.integers(1, 5)), draw(st.sampled_from(("seconds", "minutes", "hours", "days", "weeks")))
    return Draft(bins, size, unit, tuple(draw(st.permutations(nodes))), tuple(draw(st.permutations(stations))))


def _inputs(draw: st.DrawFn, bins: int) -> list[dict[str, Any]]:
    nodes: list[dict[str, Any]] = []
    for index in range(draw(st.integers(1, 3))):
        values = draw(small_numbers | st.lists(small_numbers, min_size=bins, max_size=bins))
        if isinstance(values, list):
            gaps = draw(st.sets(st.integers(0, bins - 1), max_size=2))
            values = [math.nan if t in gaps else value for t, value in enumerate(values)]
        nodes.append({"id": f"c{index}", "kind": "const", "values": values})
    for values, probabilities in draw(st.lists(st.sampled_from(DISTRIBUTIONS), max_size=1)):
        nodes.append({"id": "p0", "kind": "pmf", "pmf": {"values": values, "probabilities": probabilities}})
    return nodes


def _part(draw: st.DrawFn, index: int, kind: str, is_computed: bool | None) -> _Part:
    if kind in ("expr", "node"):
        name = f"{kind}{index}"
        return _Part(kind, name, (name,), {"loss": draw(st.booleans())})
    has: dict[str, Any] = {
        "computed": draw(st.booleans()) if is_computed is None else is_computed,
        "errors": draw(st.booleans()),
        "depth": draw(st.sampled_from(("absent", "self", "given"))),
        "initial": draw(st.none() | small_numbers),
        "parallelism": draw(st.sampled_from(("absent", "number", "series"))),
        "times": draw(st.booleans()),
        "attempts": draw(st.booleans()),
        "failures": draw(st.booleans()),
    }
    name = draw(st.sampled_from(STATION_IDS)).format(index)
    return _Part(kind, name, tuple(_made(kind, name, has, index)), has)


def _made(kind: str, name: str, has: dict[str, Any], index: int) -> list[str]:
    makes = []
    if kind in BUFFER_KINDS:
        makes.append(f"depth{index}" if has["depth"] == "given" else f"{snake(name)}_queue")
    if has["computed"]:
        makes.append(f"{snake(name)}_served")
    if has["computed"] and has["errors"] and kind in BUFFER_KINDS:
        makes.append(f"{snake(name)}_loss")
    if has["computed"] and kind == "service":
        makes.append(f"{snake(name)}_overflow")
    return makes


def _expression(draw: st.DrawFn, own: str, known: Sequence[str], every: Sequence[str]) -> str:
    others = [name for name in every if name != own]
    leaves = _leaves(known, small_numbers) | _lagged(others, own)
    return render(_grown(draw, leaves, small_numbers, depth=3))


def _queue_node(draw: st.DrawFn, part: _Part, known: Sequence[str]) -> dict[str, Any]:
    name = st.sampled_from(list(known))
    node = {"id": part.id, "kind": "serviceWithBuffer", "inflow": draw(name), "outflow": draw(name)}
    return node | ({"loss": draw(name)} if part.has["loss"] else {})


def _station(draw: st.DrawFn, part: _Part, known: Sequence[str], has_series_parallelism: bool) -> dict[str, Any]:
    has, is_buffer = part.has, part.kind in BUFFER_KINDS
    name = st.sampled_from([*known, *(f"series:{name}" for name in known)])
    semantics: dict[str, Any] = {"arrivals": draw(name)}
    if not has["computed"]:
        semantics["served"] = draw(name)
    elif part.kind != "sink":
        semantics["capacity"] = draw(name)
    roles = {
        "errors": has["errors"],
        "attempts": has["attempts"],
        "failures": has["failures"],
        "processingTimeMsSum": has["times"],
        "servedCount": has["times"],
    }
    # A name that nobody declares would be taken for that of attempts to compute.
    declared = st.sampled_from([name for name in known if name[0] in "cp" or name.startswith(("expr", "node"))])
    semantics |= {role: draw(declared if role == "attempts" else name) for role, is_bound in roles.items() if is_bound}
    if has["parallelism"] == "number" or (has["parallelism"] == "series" and not has_series_parallelism):
        semantics["parallelism"] = draw(st.sampled_from((1.0, 2.0, 2.5)))
    elif has["parallelism"] == "series":
        semantics["parallelism"] = draw(name)
    if is_buffer and has["depth"] != "absent":
        semantics["queueDepth"] = "self" if has["depth"] == "self" else part.makes[0]
    station = {"id": part.id, "kind": part.kind, "semantics": semantics}
    if is_buffer and has["initial"] is not None:
        station["initialCondition"] = {"queueDepth": has["initial"]}
    return station
