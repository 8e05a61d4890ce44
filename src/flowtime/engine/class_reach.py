"""Which series have classes, and at which node a series without any of its own gets them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from flowtime.engine.bound_places import bound_places
from flowtime.engine.stations import Station
from flowtime.errors import Fault
from flowtime.model import Model
from flowtime.model.expression import Binary, Call, Expression, Name, Unary, references
from flowtime.model.naming import ALL_CLASSES, base_name, resolve_reference, sends_overflow
from flowtime.model.spec import ExprNode, QueueNode, RouterNode

__all__ = ["ClassReach", "find_classed", "unclassed_parts"]

# What the result of a function is made of: the arguments whose classes it has.
_CLASSED_BY: Mapping[str, slice] = MappingProxyType(
    {
        "MIN": slice(None),
        "MAX": slice(None),
        "CLAMP": slice(None),
        "IF": slice(1, 3),
        "STEP": slice(0),
        "PULSE": slice(0),
    }
)
_WITHOUT = frozenset({"<", "<=", ">", ">=", "==", "!=", "AND", "OR"})


@dataclass(frozen=True)
class ClassReach:
    """``classed`` names every series that has classes; ``heirs`` maps those that take them from the work at a
    node, as nothing else gives them any, to the index of that node."""

    classed: frozenset[str] = frozenset()
    heirs: Mapping[str, int] = field(default_factory=dict)


class _Rule(NamedTuple):
    """Names that are classed as soon as the test says so; it looks at ``sources`` only."""

    names: tuple[str, ...]
    sources: tuple[str, ...]
    holds: Callable[[set[str]], bool]


def find_classed(model: Model, nodes: Sequence[Station], replaced: Iterable[str]) -> ClassReach:
    """Follow the classes from where traffic declares them to all that they reach, in the same bin or later.

    ``replaced`` are declared series whose own expression means nothing.
    """
    if model.spec.classes is None or model.spec.traffic is None:
        return ClassReach()
    seeds = [arrival.node_id for arrival in model.spec.traffic.arrivals]
    rules = [*_of_nodes(model, set(seeds) | set(replaced)), *_of_stations(model, nodes)]
    told = _reached(rules, seeds)
    binders = _binders(nodes, told, _Reach(rules))
    if not binders:
        return ClassReach(frozenset(told))
    mixed = {name: _any((name,), tuple(s.inflow or "" for s in bound)) for name, bound in binders.items()}
    classed = _reached([*rules, *mixed.values()], seeds)
    heirs = {}
    for name, bound in binders.items():
        if name in classed and not _is_told(model, name, rules, mixed, seeds, classed):
            heirs[name] = next(station.index for station in bound if station.inflow in classed)
    return ClassReach(frozenset(classed), MappingProxyType(heirs))


def _binders(nodes: Sequence[Station], told: set[str], reach: _Reach) -> dict[str, list[Station]]:
    """Map what is served or fails at nodes, and has no classes of its own, to the nodes that bind it.

    A node that gets its work from such a series, by however many steps, can not be where that gets its classes.
    """
    found: dict[str, list[Station]] = {}
    for station in nodes:
        for role in ("served", "errors"):
            name = station.bound(role)
            if name is not None and name not in told and station.inflow not in reach.readers(name):
                found.setdefault(name, []).append(station)
    return found


def _is_told(
    model: Model, name: str, rules: Sequence[_Rule], mixed: Mapping[str, _Rule], seeds: Sequence[str], classed: set[str]
) -> bool:
    """Whether what a series reads tells its classes, if not the work at a node does."""
    if name in model.names.declared:
        tree = model.expressions.get(name)
        if tree is None or not any(_series(model, read.id) in classed for read in references(tree)):
            return False
    others = [rule for other, rule in mixed.items() if other != name]
    return name in _reached([*rules, *others], seeds)


def _reached(rules: Iterable[_Rule], seeds: Iterable[str]) -> set[str]:
    reach = _Reach(rules)
    reach.spread(seeds)
    return reach.classed


def unclassed_parts(model: Model, reach: ClassReach) -> Iterator[Fault]:
    """Yield a fault ``compile.no_class_parts`` for each reference to one class of a series that has none."""
    for text, path in bound_places(model) if model.spec.classes is not None else ():
        found = resolve_reference(text, model.names)
        if found is None or found.class_id is None or found.class_id in ALL_CLASSES or found.id in reach.classed:
            continue
        message = f"{text!r} asks for one class of {found.id!r}, of which no classes are known"
        hint = "give its source classes by traffic.arrivals, or leave the class out"
        yield model.fault("compile.no_class_parts", message, path, hint=hint)


class _Reach:
    """The names found so far, and the rules that wait for others."""

    def __init__(self, rules: Iterable[_Rule]) -> None:
        self.classed: set[str] = set()
        self._waiting: dict[str, list[_Rule]] = {}
        for rule in rules:
            for source in dict.fromkeys(rule.sources):
                self._waiting.setdefault(source, []).append(rule)

    def readers(self, name: str) -> set[str]:
        """A series and all that are made of it, by however many steps, whatever their classes."""
        found, fresh = {name}, [name]
        while fresh:
            for rule in self._waiting.get(fresh.pop(), ()):
                for made in rule.names:
                    if made not in found:
                        found.add(made)
                        fresh.append(made)
        return found

    def spread(self, names: Iterable[str]) -> None:
        """Add names and all that follows from them."""
        fresh = [name for name in names if name not in self.classed]
        while fresh:
            name = fresh.pop()
            if name in self.classed:
                continue
            self.classed.add(name)
            for rule in self._waiting.get(name, ()):
                if rule.holds(self.classed):
                    fresh.extend(rule.names)


def _of_nodes(model: Model, given: set[str]) -> Iterator[_Rule]:
    for node in model.spec.nodes:
        if isinstance(node, RouterNode):
            yield _any((node.id, *(route.target for route in node.routes)), (_series(model, node.inputs.queue),))
        elif isinstance(node, QueueNode):
            yield _any((node.id,), (_series(model, node.inflow),))
        elif isinstance(node, ExprNode) and node.id not in given:
            tree = model.expressions[node.id]
            sources = tuple(_series(model, reference.id) for reference in references(tree))
            yield _Rule((node.id,), sources, _expression_rule(model, tree))


def _expression_rule(model: Model, tree: Expression) -> Callable[[set[str]], bool]:
    return lambda classed: _is_classed(model, tree, classed)


def _any(names: tuple[str, ...], sources: tuple[str, ...]) -> _Rule:
    return _Rule(names, sources, lambda classed: not classed.isdisjoint(sources))


def _series(model: Model, text: str) -> str:
    found = resolve_reference(text, model.names)
    return text if found is None or found.id is None else found.id


def _of_stations(model: Model, nodes: Sequence[Station]) -> Iterator[_Rule]:
    senders: dict[str, list[str]] = {}
    for station in nodes:
        if sends_overflow(station.node) and station.made.overflow is not None:
            senders.setdefault(station.node.wip_overflow or "", []).append(station.made.overflow)
    for station in nodes:
        arrivals, made = station.series.get("arrivals"), station.made
        sources = tuple(filter(None, (base_name(arrivals), *senders.get(station.id, ()))))
        own = (made.queue, made.served, made.loss, made.overflow, made.gated_outflow, made.inflow)
        yield _any(tuple(filter(None, (*own, station.inflow))), sources)
        failed = next(
            (base_name(station.series[role]) for role in ("failures", "errors") if role in station.series), None
        )
        retried = tuple(filter(None, (made.retry_echo, made.attempts, made.exhausted_failures)))
        if failed is not None and retried:
            yield _any(retried, (failed,))


def _is_classed(model: Model, tree: Expression, classed: set[str]) -> bool:
    # A stack: chains of operators are as deep as they are long.
    stack = [tree]
    while stack:
        match stack.pop():
            case Name(id=name) if _series(model, name) in classed:
                return True
            case Unary(operator="-", operand=operand):
                stack.append(operand)
            case Binary(operator="/", left=left):
                stack.append(left)
            case Binary(operator=operator, left=left, right=right) if operator not in _WITHOUT:
                stack += (left, right)
            case Call(function=function, arguments=arguments):
                stack += arguments[_CLASSED_BY.get(function, slice(0, 1))]
            case _:
                continue
    return False
