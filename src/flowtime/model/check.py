"""What the parts of a model must mean together: the rules that no single field can break.

``check_model`` runs after decoding, finds all faults at once, and parses the expressions on the way,
since a fault in one is a fault of the file.  Rules of the topology are in ``check_topology``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from flowtime.errors import Fault
from flowtime.model.check_topology import CLASH_FIELDS, check_topology
from flowtime.model.dates import utc_text
from flowtime.model.expression import Expression, ExpressionFault, parse_expression, references
from flowtime.model.expression.syntax import Binary, Call, Name, Number, Unary
from flowtime.model.naming import Synthesized, split_reference, synthesized
from flowtime.model.place import Places
from flowtime.model.profiles import BUILTIN_PROFILES, DAYS_OF_WEEK, HOURS_OF_CLOCKS
from flowtime.model.report import Report
from flowtime.model.spec import (
    ConstNode,
    ExprNode,
    FloatArray,
    ModelSpec,
    PmfNode,
    ProfileSpec,
    QueueNode,
    RouterNode,
    TrafficArrival,
)

__all__ = ["PMF_TOLERANCE", "Checked", "check_model"]

PMF_TOLERANCE = 1e-4

_SERIES_ID = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


@dataclass(frozen=True)
class Checked:
    """What checking found: the faults, and by the way the names and the parsed expressions."""

    faults: tuple[Fault, ...]
    names: Synthesized
    expressions: Mapping[str, Expression]


def check_model(spec: ModelSpec, places: Places) -> Checked:
    """Check a decoded model; nothing is raised, all faults come back."""
    report = Report(spec, synthesized(spec), places)
    expressions: dict[str, Expression] = {}
    report.check_unique((node.id for node in spec.nodes), "$.nodes", "node")
    for index, node in enumerate(spec.nodes):
        path = f"$.nodes[{index}]"
        match node:
            case ConstNode():
                _check_const(report, node, path)
            case ExprNode():
                _check_expr(report, node, path, expressions)
            case PmfNode():
                _check_pmf(report, node, path)
            case RouterNode():
                _check_router(report, node, path)
            case QueueNode():
                _check_queue(report, node, path)
    _check_clashes(report)
    check_topology(report)
    _check_classes(report)
    _check_traffic(report)
    _check_outputs(report)
    _check_dates(report)
    return Checked(tuple(report.faults), report.names, expressions)


def _check_const(report: Report, node: ConstNode, path: str) -> None:
    values = node.values
    # A scalar is finite by its reader; a file that could not be read has its own fault.
    if not isinstance(values, np.ndarray):
        return
    if len(values) != report.spec.grid.bins:
        message = f"{node.id!r} has {len(values):,} values for {report.spec.grid.bins:,} bins"
        report.add("length_mismatch", message, f"{path}.values", "one value for each bin, or a single number for all")
    _check_no_infinity(report, values, f"{path}.values")


def _check_no_infinity(report: Report, values: FloatArray, path: str) -> None:
    infinite = np.flatnonzero(np.isinf(values))
    if infinite.size:
        message = f"{infinite.size:,} values are infinite, the first at index {infinite[0]}"
        report.add("out_of_range", message, f"{path}[{infinite[0]}]", "write .nan for a gap")


# --- expressions ----------------------------------------------------------------------------------------------


def _check_expr(report: Report, node: ExprNode, path: str, expressions: dict[str, Expression]) -> None:
    path = f"{path}.expr"
    try:
        expression = parse_expression(node.expr)
    except ExpressionFault as fault:
        report.faults.append(report.places.fault(fault.code, fault.message, path, hint=fault.hint, offset=fault.offset))
        return
    expressions[node.id] = expression
    reads_itself = False
    for reference in references(expression):
        reads_itself = reads_itself or reference.id == node.id
        if report.names.resolve(reference.id) is None:
            report.unknown_series(reference.id, path, offset=reference.at)
    if reads_itself and not _has_initial_condition(report.spec, node.id):
        _check_self_shift(report, node.id, expression, path)


def _check_self_shift(report: Report, node_id: str, expression: Expression, path: str) -> None:
    for call in _calls(expression):
        match call:
            case Call("SHIFT", (Name(id=name, at=at), Number(value=lag)), _) if name == node_id and lag >= 1:
                report.add(
                    "self_shift_requires_initial_condition",
                    f"{node_id!r} reads its own past, and nothing says what it was before bin 0",
                    path,
                    f"write DELAY({node_id}, {lag:.0f}, 0), or bind it as the queueDepth of a topology node "
                    "with an initialCondition",
                    at,
                )
            case _:
                continue


def _calls(expression: Expression) -> Iterator[Call]:
    # A stack: expressions may be as deep as their parser allows.
    stack: list[Expression] = [expression]
    while stack:
        node = stack.pop()
        match node:
            case Call(arguments=arguments):
                yield node
                stack += reversed(arguments)
            case Binary(left=left, right=right):
                stack += (right, left)
            case Unary(operand=operand):
                stack.append(operand)
            case _:
                continue


def _has_initial_condition(spec: ModelSpec, name: str) -> bool:
    stations = spec.topology.nodes if spec.topology else ()
    return any(
        station.initial_condition is not None
        and (station.id == name or split_reference(station.semantics.queue_depth or "").id == name)
        for station in stations
    )


# --- other nodes ----------------------------------------------------------------------------------------------


def _check_pmf(report: Report, node: PmfNode, path: str) -> None:
    values, weights = node.pmf.values, node.pmf.probabilities
    if len(values) != len(weights):
        message = f"{node.id!r} has {len(values)} values and {len(weights)} probabilities"
        report.add("length_mismatch", message, f"{path}.pmf")
    repeated = next((index for index, value in enumerate(values) if value in values[:index]), None)
    if repeated is not None:
        message = f"the value {values[repeated]:g} is there twice"
        report.add("duplicate_value", message, f"{path}.pmf.values[{repeated}]", "add its probabilities up")
    total = math.fsum(weights)
    if abs(total - 1.0) > PMF_TOLERANCE:
        message = f"the probabilities add up to {total:.6g}, not 1"
        report.add("pmf_sum", message, f"{path}.pmf.probabilities")
    if node.profile is not None:
        _check_profile(report, node.profile, f"{path}.profile")


def _check_profile(report: Report, profile: ProfileSpec, path: str) -> None:
    if profile.kind == "builtin":
        if profile.name is None:
            report.add("missing_field", "the field 'name' is missing", path, f"one of {', '.join(BUILTIN_PROFILES)}")
        else:
            report.check_known(profile.name, BUILTIN_PROFILES, f"{path}.name", "profile")
    elif profile.weights is None:
        report.add("missing_field", "the field 'weights' is missing", path)
    else:
        _check_weights(report, profile.weights, f"{path}.weights")
    if profile.days is not None and profile.weights is not None and profile.weights.size not in HOURS_OF_CLOCKS:
        message = "weights for each bin know no days of the week"
        report.add("bad_value", message, f"{path}.days", "multiply the weights, or give 24 or 168 of them")
    if profile.days is not None and len(profile.days) != DAYS_OF_WEEK:
        message = f"{len(profile.days)} factors for {DAYS_OF_WEEK} days"
        report.add("length_mismatch", message, f"{path}.days", "one factor for each day of the week, Monday first")


def _check_weights(report: Report, weights: FloatArray, path: str) -> None:
    # They are scaled to average 1, which needs a sum.
    if not (weights.size and np.isfinite(weights).all() and (weights >= 0).all() and weights.sum() > 0):
        report.add("out_of_range", "weights must be finite, not negative and not all 0", path)
    elif weights.size not in (report.spec.grid.bins, *HOURS_OF_CLOCKS):
        message = f"{weights.size:,} weights for {report.spec.grid.bins:,} bins"
        report.add(
            "length_mismatch", message, path, "one for each bin, 24 (a day by hours) or 168 (a week from Monday)"
        )


def _check_router(report: Report, node: RouterNode, path: str) -> None:
    report.check_reference(node.inputs.queue, f"{path}.inputs.queue")
    taken: set[str] = set()
    for index, route in enumerate(node.routes):
        place = f"{path}.routes[{index}]"
        if not route.classes and route.weight is None:
            report.add("missing_field", "a route needs classes or a weight", place)
        _check_target(report, route.target, f"{place}.target")
        if route.classes and report.spec.classes is None:
            message = "a route takes classes, and the model declares none"
            report.add("unknown_class", message, f"{place}.classes", "declare them under classes at the root")
        for number, class_id in enumerate(route.classes):
            report.check_class(class_id, f"{place}.classes[{number}]")
            if class_id in taken:
                message = f"the class {class_id!r} has a route already"
                report.add("duplicate_class", message, f"{place}.classes[{number}]")
            taken.add(class_id)


def _check_target(report: Report, target: str, path: str) -> None:
    """A route leads to a series of its own, or to a declared one whose values it takes the place of."""
    if not _SERIES_ID.fullmatch(target):
        report.add("bad_value", f"{target!r} can not be the id of a series", path)
        return
    index, made = report.names.declared.get(target), report.names.series.get(target)
    is_computed = index is not None and isinstance(report.spec.nodes[index], RouterNode | QueueNode)
    if is_computed or (made is not None and made.role != "router_target"):
        message = f"the series {target!r} is computed by another part of the model already"
        report.add("duplicate_series", message, path, "route to a const or expr node, or to a new series")


def _check_queue(report: Report, node: QueueNode, path: str) -> None:
    report.check_reference(node.inflow, f"{path}.inflow")
    report.check_reference(node.outflow, f"{path}.outflow")
    report.check_reference(node.loss, f"{path}.loss")
    if node.dispatch_schedule is not None:
        report.check_reference(node.dispatch_schedule.capacity_series, f"{path}.dispatchSchedule.capacitySeries")


def _check_clashes(report: Report) -> None:
    for clash in report.names.clashes:
        field = CLASH_FIELDS[clash.role]
        stations = report.spec.topology.nodes if report.spec.topology else ()
        message = f"the series {clash.name!r} would belong to {stations[clash.other_index].id!r} and to this node"
        path = f"$.topology.nodes[{clash.node_index}].semantics.{field}"
        report.add("duplicate_series", message, path, "give each node a series of its own")


# --- the rest of the document ---------------------------------------------------------------------------------


def _check_classes(report: Report) -> None:
    report.check_unique((declared.id for declared in report.spec.classes or ()), "$.classes", "class")


def _check_traffic(report: Report) -> None:
    if report.spec.traffic is None:
        return
    declares = report.spec.classes is not None
    for index, arrival in enumerate(report.spec.traffic.arrivals):
        path = f"$.traffic.arrivals[{index}]"
        _check_arrival(report, arrival, path)
        if arrival.class_id is None and declares:
            report.add("missing_field", "the field 'classId' is missing; the model has classes", path)
        elif arrival.class_id is not None and not declares:
            message = f"the class {arrival.class_id!r} is not declared"
            report.add("unknown_class", message, f"{path}.classId", "declare it under classes at the root")
        else:
            report.check_class(arrival.class_id, f"{path}.classId")


def _check_arrival(report: Report, arrival: TrafficArrival, path: str) -> None:
    """Check what arrives where: at a declared series by share, else as a new series, which needs a rate."""
    pattern, name = arrival.pattern, arrival.node_id
    for field, rate in (("ratePerBin", pattern.rate_per_bin), ("rate", pattern.rate)):
        if rate is not None and not 0.0 <= rate < math.inf:
            report.add("out_of_range", f"a rate must be at least 0, not {rate:g}", f"{path}.pattern.{field}")
    if name in report.names.declared:
        if isinstance(report.spec.nodes[report.names.declared[name]], RouterNode | QueueNode):
            message = f"{name!r} is no input: what it holds follows from other series"
            report.add("bad_value", message, f"{path}.nodeId", "name the const, pmf or expr node that feeds it")
        return
    made = report.names.series.get(name)
    if made is not None and made.role != "traffic":
        message = f"the series {name!r} is made by another part of the model already"
        report.add("duplicate_series", message, f"{path}.nodeId", "give what arrives a name of its own")
    elif pattern.rate_per_bin is None and pattern.rate is None:
        # Only here is such a name a fault: with a rate it is that of the series to generate.
        hint = report.like(name, report.names.declared) or "declare the node, or give ratePerBin to generate arrivals"
        report.unknown_series(name, f"{path}.nodeId", hint=hint)


def _check_outputs(report: Report) -> None:
    for index, output in enumerate(report.spec.outputs):
        series = output.series
        if output.as_ is not None and series.endswith("*"):
            hint = "name one series, or leave `as` out"
            report.add("bad_value", "one file name can not serve several series", f"$.outputs[{index}].as", hint)
        if series == "*" or report.names.resolve(series) is not None:
            continue
        path = f"$.outputs[{index}].series"
        if not series.endswith("/*"):
            report.unknown_series(series, path)
        elif not any(name.startswith(series[:-2]) for name in report.names.names):
            report.add("unknown_series", f"no series starts with {series[:-2]!r}", path)


def _check_dates(report: Report) -> None:
    provenance = report.spec.provenance
    moments = (
        (report.spec.grid.start, "$.grid.start"),
        (provenance.generated_at if provenance else None, "$.provenance.generatedAt"),
    )
    for text, path in moments:
        if text is not None and utc_text(text) is None:
            report.add("bad_value", f"{text!r} is not a date-time", path, "write it as 2025-01-01T00:00:00Z")
