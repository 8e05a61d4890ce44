"""The slow obvious engine: a model evaluated bin by bin, straight from its syntax trees.

Every series is asked for its value at a bin and asks others in turn; answers are remembered.  Bins go outermost,
so that whatever looks back finds its answer.  Naming is written anew here, from the specification.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

import oracle_kernels as kernels
from flowtime.model.expression import Binary, Call, Expression, Name, Number, Unary, Vector
from flowtime.model.spec import ConstNode, ExprNode, Node, PmfNode, QueueNode, TopologyNode

if TYPE_CHECKING:
    from flowtime.model import Model

__all__ = [
    "BUFFER_KINDS",
    "Evaluation",
    "SameBinCycle",
    "StationNames",
    "UnsupportedModel",
    "bare",
    "evaluate_model",
    "first_difference",
    "is_sink",
    "snake",
    "spread_snake",
    "station_names",
]

BUFFER_KINDS = ("serviceWithBuffer", "queue", "dlq")


class SameBinCycle(Exception):
    """A value that needs itself; ``names`` are the series of the loop."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(names)
        super().__init__(" -> ".join(self.names))


class UnsupportedModel(Exception):
    """A feature that the oracle does not know."""


class StationNames(NamedTuple):
    """The series that a topology node computes by itself; None where it computes none."""

    queue: str | None
    served: str | None
    loss: str | None
    overflow: str | None


# Names


def snake(text: str) -> str:
    """Snake case with acronyms kept together, any foreign character an underscore."""
    result = ""
    for place, letter in enumerate(text):
        before, after = text[place - 1 : place], text[place + 1 : place + 2]
        is_capital = "A" <= letter <= "Z"
        ends_a_word = before.isascii() and (before.islower() or before.isdigit())
        ends_an_acronym = "A" <= before <= "Z" and after.isascii() and after.islower()
        if is_capital and (ends_a_word or ends_an_acronym):
            result += "_"
        result += letter.lower() if letter.isascii() and letter.isalnum() else "_"
    return f"_{result}" if result[:1].isdigit() else result


def spread_snake(text: str) -> str:
    """The other engine's spelling: an underscore before every capital but the first letter."""
    result = ""
    for letter in text:
        result += f"_{letter}" if "A" <= letter <= "Z" and result else letter
    return snake(result.lower())


def bare(reference: str) -> str:
    """The id in ``id``, ``series:id`` and ``id@class``."""
    return reference.strip().removeprefix("series:").partition("@")[0].strip()


def is_sink(station: TopologyNode) -> bool:
    """Whether flow ends here."""
    return station.kind == "sink" or station.node_role == "sink"


def is_buffered(station: TopologyNode) -> bool:
    """Whether work can wait here."""
    return station.kind in BUFFER_KINDS and not is_sink(station)


def computes_served(station: TopologyNode) -> bool:
    """Whether served follows from the arrivals, nobody having bound it."""
    semantics = station.semantics
    if semantics.served is not None or semantics.arrivals is None:
        return False
    return is_sink(station) or (semantics.capacity is not None and station.kind in (*BUFFER_KINDS, "service"))


def station_names(model: Model) -> list[StationNames]:
    """The synthesized names of each topology node, in the order of the file."""
    declared = {node.id for node in model.spec.nodes}
    stations = model.spec.topology.nodes if model.spec.topology else ()
    given = [_given_queue(station, declared) for station in stations]
    taken = declared | {name for name in given if name}

    def take(station: TopologyNode, role: str, is_wanted: bool) -> str | None:
        if not is_wanted:
            return None
        name, number = f"{snake(station.id)}_{role}", 0
        while name in taken:
            number += 1
            name = f"{snake(station.id)}_{role}_{number}"
        taken.add(name)
        return name

    result = []
    for station, queue in zip(stations, given, strict=True):
        is_buffer, is_computed = is_buffered(station), computes_served(station)
        depth = station.semantics.queue_depth
        wants_queue = is_buffer and (depth is None or bare(depth) == "self")
        wants_loss = is_computed and is_buffer and station.semantics.errors is not None
        wants_overflow = is_computed and station.kind == "service" and not is_sink(station)
        result.append(
            StationNames(
                queue or take(station, "queue", wants_queue),
                take(station, "served", is_computed),
                take(station, "loss", wants_loss),
                take(station, "overflow", wants_overflow),
            )
        )
    return result


def _given_queue(station: TopologyNode, declared: set[str]) -> str | None:
    depth = station.semantics.queue_depth
    if not is_buffered(station) or depth is None:
        return None
    return bare(depth) if bare(depth) not in declared and bare(depth) != "self" else None


# Values

UNARY: Mapping[str, Callable[[float], float]] = {
    "-": lambda a: -a,
    "NOT": kernels.logical_not,
    "FLOOR": kernels.floor,
    "CEIL": kernels.ceiling,
    "ROUND": kernels.round_half_away,
    "ABS": kernels.absolute,
    "SQRT": kernels.square_root,
    "EXP": kernels.exponential,
    "LOG": kernels.natural_log,
}
BINARY: Mapping[str, Callable[[float, float], float]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": kernels.divide,
    "<": kernels.less,
    "<=": kernels.less_equal,
    ">": lambda a, b: kernels.less(b, a),
    ">=": lambda a, b: kernels.less_equal(b, a),
    "==": kernels.equal,
    "!=": kernels.not_equal,
    "AND": kernels.logical_and,
    "OR": kernels.logical_or,
    "MIN": kernels.minimum,
    "MAX": kernels.maximum,
    "MOD": kernels.modulo,
    "STEP": kernels.step,
    "POW": kernels.power,
}


class Evaluation:
    """One evaluation of one model: remembers each value and notices one that needs itself."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.nodes = {node.id: node for node in model.spec.nodes}
        self.stations = list(model.spec.topology.nodes if model.spec.topology else ())
        self.names = station_names(model)
        self.owners: dict[str, tuple[int, str]] = {}
        self.aliases: dict[str, str] = {}
        self.initial: dict[str, float] = {}
        for index, (station, names) in enumerate(zip(self.stations, self.names, strict=True)):
            self._refuse_unsupported(station)
            self.owners |= {name: (index, role) for role, name in names._asdict().items() if name}
            if names.queue:
                self.aliases.setdefault(f"{spread_snake(station.id)}_queue", names.queue)
            queue = self.queue_name(index)
            if queue and station.initial_condition:
                self.initial[queue] = station.initial_condition.queue_depth
        self.known: dict[tuple[str, int], float] = {}
        self.flows: dict[tuple[int, int], dict[str, float]] = {}
        self.memories: dict[tuple[int, int], float] = {}
        self.asking: list[tuple[str, int]] = []

    def queue_name(self, index: int) -> str | None:
        """The series of a station's queue, its own or a declared one; None where it has none."""
        depth = self.stations[index].semantics.queue_depth
        if self.names[index].queue:
            return self.names[index].queue
        return bare(depth) if depth is not None and bare(depth) in self.nodes else None

    def resolve(self, name: str, index: int | None = None) -> str:
        """The series that a name means; ``self`` is the queue of the station that says it."""
        if name in self.nodes or name in self.owners:
            return name
        if name == "self" and index is not None:
            return self.queue_name(index) or name
        return self.aliases[name]

    def read(self, name: str, t: int) -> float:
        """The value of a series at a bin."""
        if (name, t) not in self.known:
            if (name, t) in self.asking:
                start = self.asking.index((name, t))
                raise SameBinCycle(asked for asked, _ in self.asking[start:])
            self.asking.append((name, t))
            self.known[name, t] = float(self._compute(name, t))
            self.asking.pop()
        return self.known[name, t]

    def _compute(self, name: str, t: int) -> float:
        if name in self.owners:
            index, role = self.owners[name]
            return self._flow(index, t)[role]
        return self._declared(self.nodes[name], t)

    def _declared(self, node: Node, t: int) -> float:
        match node:
            case ConstNode(values=float(value) | int(value)):
                return value
            case ConstNode(values=np.ndarray() as values):
                return float(values[t])
            case PmfNode(pmf=pmf):
                mass = sum(pmf.probabilities)
                return sum(v * p for v, p in zip(pmf.values, pmf.probabilities, strict=True)) / mass
            case ExprNode(id=name):
                return self.value(self.model.expressions[name], t)
            case QueueNode(id=name) if node.dispatch_schedule is None:
                before = self.read(name, t - 1) if t else self.initial.get(name, 0.0)
                inflow, outflow = self._bound(node.inflow, t), self._bound(node.outflow, t)
                return kernels.queue_step(before, inflow, outflow, self._bound(node.loss, t))
            case _:
                raise UnsupportedModel(f"{node.id}: {type(node).__name__}")

    def _bound(self, reference: str | None, t: int, index: int | None = None) -> float:
        return 0.0 if reference is None else self.read(self.resolve(bare(reference), index), t)

    # Stations

    def _refuse_unsupported(self, station: TopologyNode) -> None:
        echo = station.semantics.retry_echo
        features = {
            "dispatchSchedule": station.dispatch_schedule is not None,
            "wipLimit": station.wip_limit is not None or station.wip_limit_series is not None,
            "retryEcho": echo is not None and bare(echo) not in self.nodes,
        }
        found = [feature for feature, is_used in features.items() if is_used]
        if found:
            raise UnsupportedModel(f"{station.id}: {', '.join(found)}")

    def _flow(self, index: int, t: int) -> dict[str, float]:
        """What a station does in a bin: queue, served, loss and overflow."""
        if (index, t) not in self.flows:
            station = self.stations[index]
            arrivals = self._bound(station.semantics.arrivals, t, index)
            errors = self._bound(station.semantics.errors, t, index)
            self.flows[index, t] = self._station(index, t, arrivals, errors)
        return self.flows[index, t]

    def _station(self, index: int, t: int, arrivals: float, errors: float) -> dict[str, float]:
        station = self.stations[index]
        if is_sink(station) and computes_served(station):
            return {"served": max(0.0, kernels.safe(arrivals) - kernels.safe(errors))}
        before = 0.0
        queue = self.names[index].queue
        if queue:
            before = self._flow(index, t - 1)["queue"] if t else self.initial.get(queue, 0.0)
        if not computes_served(station):
            served = self._bound(station.semantics.served, t, index)
            return {"queue": kernels.queue_step(before, arrivals, served, errors)}
        done, lost, left = kernels.served_step(before, arrivals, self.capacity(index, t), errors)
        return {"served": done, "loss": lost, "queue": left, "overflow": left}

    def capacity(self, index: int, t: int) -> float:
        """Capacity times parallelism; parallelism that is not a positive number counts 1."""
        semantics = self.stations[index].semantics
        parallelism = semantics.parallelism
        if isinstance(parallelism, str):
            parallelism = self._bound(parallelism, t, index)
        capacity = self._bound(semantics.capacity, t, index)
        if parallelism is None or not math.isfinite(parallelism) or parallelism <= 0:
            return capacity
        return capacity * parallelism

    # Expressions

    def value(self, tree: Expression, t: int) -> float:
        """The value of an expression at a bin; both branches of an IF are evaluated, as in the engine."""
        match tree:
            case Number(value=value):
                return value
            case Name(id=name):
                return self.read(self.resolve(name), t)
            case Unary(operator=operator, operand=operand):
                return UNARY[operator](self.value(operand, t))
            case Binary(operator=operator, left=left, right=right):
                return BINARY[operator](self.value(left, t), self.value(right, t))
            case Call(function="SHIFT" | "DELAY" | "CONV" | "EMA" | "CUMSUM" | "PULSE"):
                return self._with_memory(tree, t)
            case Call(function=function, arguments=arguments):
                return self._without_memory(function, [self.value(argument, t) for argument in arguments])
            case _:
                raise UnsupportedModel(repr(tree))

    def _without_memory(self, function: str, values: list[float]) -> float:
        if function == "IF":
            return kernels.select(*values)
        if function == "CLAMP":
            return kernels.clamp(*values)
        if function in UNARY:
            return UNARY[function](*values)
        result = values[0]
        for value in values[1:]:
            result = BINARY[function](result, value)
        return result

    def _with_memory(self, tree: Call, t: int) -> float:
        match tree.function, tree.arguments:
            case "PULSE", arguments:
                period, phase, amplitude = [literal(a) for a in arguments] + [0.0, 1.0][len(arguments) - 1 :]
                return kernels.pulse_at(t, int(period), int(phase), amplitude)
            case "SHIFT", (source, lag):
                return self._before(source, t - int(literal(lag)), self._initial(source))
            case "DELAY", (source, lag, *init):
                return self._before(source, t - int(literal(lag)), literal(init[0]) if init else 0.0)
            case "CONV", (source, taps):
                return self._convolve(source, taps, t)
            case "EMA", (source, alpha):
                before = self._remembered(tree, t - 1, math.nan)
                return self._remember(tree, t, kernels.ema_step(before, self.value(source, t), literal(alpha)))
            case _, (source,):
                before = self._remembered(tree, t - 1, 0.0)
                return self._remember(tree, t, before + kernels.safe(self.value(source, t)))
        raise UnsupportedModel(repr(tree))

    def _before(self, source: Expression, t: int, initial: float) -> float:
        return self.value(source, t) if t >= 0 else initial

    def _initial(self, source: Expression) -> float:
        return self.initial.get(self.resolve(source.id), 0.0) if isinstance(source, Name) else 0.0

    def _convolve(self, source: Expression, taps: Expression, t: int) -> float:
        weights = taps.values if isinstance(taps, Vector) else (literal(taps),)
        total = 0.0
        for place, weight in enumerate(weights[: t + 1]):
            # A tap of 0 adds nothing and must not ask either: CONV(x, [0, 1]) may look back at its own node.
            if weight != 0.0:
                total += kernels.safe(self.value(source, t - place)) * weight
        return total

    def _remembered(self, tree: Call, t: int, start: float) -> float:
        if t < 0:
            return start
        return self.memories[id(tree), t] if (id(tree), t) in self.memories else self._with_memory(tree, t)

    def _remember(self, tree: Call, t: int, value: float) -> float:
        self.memories[id(tree), t] = value
        return value


def literal(tree: Expression) -> float:
    """The value of an argument that is written out."""
    if not isinstance(tree, Number):
        raise UnsupportedModel(f"{tree} is no literal")
    return tree.value


def evaluate_model(model: Model) -> dict[str, list[float]]:
    """Every declared and synthesized series of a model, bin by bin.

    Raises ``SameBinCycle`` where a value needs itself, ``UnsupportedModel`` for what the oracle does not know.
    """
    evaluation = Evaluation(model)
    names = [*evaluation.nodes, *evaluation.owners]
    series: dict[str, list[float]] = {name: [] for name in names}
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, 20_000))
    try:
        for t in range(model.spec.grid.bins):
            for name in names:
                series[name].append(evaluation.read(name, t))
    finally:
        sys.setrecursionlimit(limit)
    return series


# Comparison


def first_difference(
    expected: Mapping[str, Iterable[float]],
    actual: Mapping[str, Iterable[float]],
    *,
    rtol: float = 1e-12,
    atol: float = 1e-12,
) -> str | None:
    """Say at which bin, and in which series, two results part first; None where they agree."""
    worst: tuple[int, str, str] | None = None
    for name, values in expected.items():
        if name not in actual:
            return f"{name} is missing; there are {', '.join(actual)}"
        ours, theirs = [float(value) for value in values], [float(value) for value in actual[name]]
        if len(ours) != len(theirs):
            return f"{name} has {len(theirs)} bins and not {len(ours)}"
        apart = [t for t, pair in enumerate(zip(ours, theirs, strict=True)) if not _close(*pair, rtol, atol)]
        if apart and (worst is None or apart[0] < worst[0]):
            worst = apart[0], name, f"{theirs[apart[0]]!r} and not {ours[apart[0]]!r}"
    return None if worst is None else f"first at bin {worst[0]}: {worst[1]} is {worst[2]}"


def _close(a: float, b: float, rtol: float, atol: float) -> bool:
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    return a == b or abs(a - b) <= atol + rtol * abs(a)
