"""Binds one capture to one model: which of its series take the place of inputs, and what is odd about that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from flowtime.bundle import Origin, hash_run
from flowtime.bundle.documents import CaptureOrigin, GapChoice, Resampling, WarningEntry
from flowtime.errors import ParameterError, TelemetryError
from flowtime.model import Model
from flowtime.model.spec import ConstNode, ExprNode, FloatArray, PmfNode
from flowtime.orchestration.capture_model import Column, Measured, with_measured
from flowtime.orchestration.capture_parameters import (
    SOURCE_PREFIX,
    ParameterBindings,
    find_file,
)
from flowtime.orchestration.capture_roles import (
    CaptureUse,
    SeriesPart,
    bound_series,
    first_causes,
    followers,
    inputs_of,
    unbound_series,
    uses_of,
)
from flowtime.orchestration.mode_rules import NodeSource, check_sources
from flowtime.orchestration.simulate import PreparedSource
from flowtime.orchestration.telemetry_warnings import captured_warnings, telemetry_warning
from flowtime.telemetry.capture_grid import Fit, fit_grid
from flowtime.telemetry.manifest import CaptureFile
from flowtime.telemetry.reader import Capture

__all__ = ["Binding", "BoundRow", "Replay", "TelemetryRequest"]

RowUse: TypeAlias = Literal["input", "class", "observation", "unknown", "binding"]
# Classes that are further apart from their total than rounding and printing can make them.
_RELATIVE = 1e-6
_ABSOLUTE = 1e-6


@dataclass(frozen=True, kw_only=True)
class TelemetryRequest:
    """A capture, and how to bind it.

    ``bindings`` map a parameter of a template, or a node of a model, to a file of the capture; ``resample`` says
    how series come to the grid of the model where it is another one, None: not at all.

    ``gaps`` is what stands in bins that an input misses, or in which a gap was put in on purpose: ``model``, what
    the model itself has there, or ``keep``: nothing, or the wrong numbers that were put in.
    """

    capture_dir: Path
    bindings: Mapping[str, str] = field(default_factory=dict)
    resample: Resampling | None = None
    gaps: GapChoice = "model"


class BoundRow(NamedTuple):
    """What one file of the capture was used for: the series of the model, and what it is to it."""

    file: str
    node_id: str | None
    metric: str
    class_id: str
    series: str | None
    use: RowUse


@dataclass(frozen=True, kw_only=True)
class Replay:
    """A source that is ready to run, and what each file of the capture was used for."""

    source: PreparedSource
    rows: tuple[BoundRow, ...]


class Binding:
    """Binds one capture to one model."""

    def __init__(
        self,
        model: Model,
        capture: Capture,
        request: TelemetryRequest,
        bound: ParameterBindings,
        changed: frozenset[str],
    ) -> None:
        self._model = model
        self._capture = capture
        self._gaps = request.gaps
        self._fit: Fit = fit_grid(capture.manifest, model.spec.grid, request.resample)
        # By node: the file that was asked for, by the caller or by the `source` of the node.
        self._asked = {**_sources(model), **bound.nodes}
        self._parameters = bound.files
        self._uses = [_kept(use, changed) for use in uses_of(model, capture.manifest)]
        self._changed = changed
        self._injected = capture.injected()
        self._notes: list[WarningEntry] = []

    def replay(self, origin: Origin, *, notes: Sequence[WarningEntry]) -> Replay:
        """Return the model with its measured inputs, and where it is from."""
        measured = {**self._by_manifest(), **self._by_request()}
        for name, found in measured.items():
            self._tell_gaps(name, found.total)
        model = with_measured(self._model, measured)
        files = {name: found.total.source for name, found in measured.items()} | dict(self._parameters)
        told = (
            *notes,
            *captured_warnings(self._capture.manifest, self._fit, self._model),
            *self._differing(origin),
            *self._notes,
            *self._overridden(),
            *self._unknown(),
            *self._unresolved(measured),
        )
        described = _origin(origin, self._capture, (self._fit.how, self._gaps), files)
        source = PreparedSource(model=model, origin=described, notes=told)
        return Replay(source=source, rows=tuple(self._rows(measured)))

    # What is bound

    def _by_manifest(self) -> dict[str, Measured]:
        totals: dict[str, CaptureFile] = {}
        parts: dict[str, dict[str, CaptureFile]] = {}
        for file, part, use in self._uses:
            if use != "input" or part is None or part.name in self._asked:
                continue
            known = totals if part.class_id is None else parts.setdefault(part.name, {})
            key = part.name if part.class_id is None else part.class_id
            first = known.setdefault(key, file)
            if first.hash != file.hash:
                self._conflict(part, first, file)
        names = {**totals, **parts}
        # What no node binds, but the captured run was given, is a cause beside all others: the captured inputs that
        # follow from it stay what was measured.
        unbound = unbound_series(self._uses)
        causes = unbound | first_causes(self._model, [name for name in names if name not in unbound], self._asked)
        return {name: self._measured(name, totals.get(name), parts.get(name, {})) for name in names if name in causes}

    def _measured(self, name: str, total: CaptureFile | None, parts: Mapping[str, CaptureFile]) -> Measured:
        columns = {class_id: self._column(file) for class_id, file in parts.items()}
        class_ids = [declared.id for declared in self._model.spec.classes or ()]
        absent = [class_id for class_id in class_ids if class_id not in columns]
        if columns and absent:
            self._note("class_series_missing", f"{name} was not measured for {', '.join(absent)}: its model splits it")
        if total is not None:
            whole = self._column(total)
            if columns and not absent:
                self._check_sum(name, whole, list(columns.values()))
            return Measured(whole, columns)
        if absent or not columns:
            raise TelemetryError(
                f"{name} was measured for {', '.join(columns)}, and neither as a whole nor for {', '.join(absent)}",
                code="telemetry.no_total",
                hint="capture its total",
            )
        self._note("class_totals_missing", f"{name} was measured by class only: its total is their sum")
        ordered = [columns[class_id] for class_id in class_ids]
        gaps = np.any([column.gaps for column in ordered], axis=0)
        return Measured(Column(sum_of(ordered), gaps, ordered[0].source), columns)

    def _by_request(self) -> dict[str, Measured]:
        inputs, declared = inputs_of(self._model), self._model.names.declared
        found: dict[str, Measured] = {}
        for name, path in self._asked.items():
            node = self._model.spec.nodes[declared[name]] if name in declared else None
            # An expression can be told to, whatever it reads: who asks for that knows better than we do.
            if name not in inputs and not isinstance(node, ConstNode | PmfNode | ExprNode):
                raise ParameterError(
                    f"{name!r} is neither a parameter nor a series that a file could stand in for",
                    code="parameter.unknown",
                    hint=f"inputs are {', '.join(sorted(inputs)[:12])}",
                )
            found[name] = Measured(self._column(find_file(self._capture, path)))
        return found

    def _column(self, file: CaptureFile) -> Column:
        row = self._capture.row(file)
        values = self._fit.apply(self._capture.values[row], file.metric)
        gaps = self._capture.missing[row]
        injected = self._injected.get((file.subject, file.metric, file.class_id))
        if injected is not None:
            gaps = gaps | injected
        kept = self._fit.gaps(gaps) if self._gaps == "model" else np.zeros(values.shape, dtype=np.bool_)
        return Column(values, kept, file.path)

    # What is told of it

    def _tell_gaps(self, name: str, column: Column) -> None:
        if column.gaps.any():
            count = int(np.count_nonzero(column.gaps))
            message = f"{name} was not measured in {count:,} bins, where the model's own values stand ({column.source})"
            self._note("telemetry_gaps_modelled", message, broken=column.gaps)

    def _check_sum(self, name: str, whole: Column, parts: Sequence[Column]) -> None:
        total = sum_of(parts)
        with np.errstate(invalid="ignore"):
            apart = np.abs(total - whole.values) > np.maximum(_ABSOLUTE, np.abs(whole.values) * _RELATIVE)
        apart &= ~np.any([column.gaps for column in (whole, *parts)], axis=0)
        if apart.any():
            message = f"the classes of {name} do not add up to its total, which is what counts"
            self._note("class_conservation_mismatch", message, broken=apart)

    def _conflict(self, part: SeriesPart, first: CaptureFile, other: CaptureFile) -> None:
        message = f"{part.name} was measured twice: {first.path} ({first.metric}) counts, {other.path} does not"
        self._note("telemetry_series_conflict", message, node_id=other.node_id)

    def _note(
        self, code: str, message: str, *, node_id: str | None = None, broken: NDArray[np.bool_] | None = None
    ) -> None:
        self._notes.append(telemetry_warning(code, message, node_id=node_id, broken=broken))

    def _overridden(self) -> Iterator[WarningEntry]:
        """Say which series of the capture gave way to parameters."""
        inputs = inputs_of(self._model)
        gone = dict.fromkeys(part.name for _, part, _ in self._uses if part is not None and part.name in self._changed)
        names = [name for name in gone if name in inputs and name not in self._asked]
        if names:
            message = (
                f"computed from the parameters that were given, and not taken from the capture: {', '.join(names)}"
            )
            yield telemetry_warning("telemetry_parameters_differ", message)

    def _unknown(self) -> Iterator[WarningEntry]:
        for file, _, use in self._uses:
            if use == "unknown":
                message = f"{file.path} ({file.metric} of {file.subject}) is of nothing that the model has"
                yield telemetry_warning("telemetry_series_unknown", message)

    def _differing(self, origin: Origin) -> Iterator[WarningEntry]:
        """Say that the capture is of another model than the one it is bound to."""
        captured = self._capture.manifest.provenance.model_hash
        if captured is not None and captured != hash_run(self._model, origin, None).model:
            message = "the capture was made from another model than this one, or from a replay"
            yield telemetry_warning("telemetry_model_differs", message)

    def _unresolved(self, measured: Mapping[str, Measured]) -> tuple[WarningEntry, ...]:
        inputs = inputs_of(self._model)
        known = followers(self._model, measured)
        sources = tuple(
            NodeSource(node_id, metric, part.name in known)
            for node_id, parts in bound_series(self._model).items()
            for metric, part in parts.items()
            if part.name in inputs
        )
        return check_sources(sources, is_fed=bool(measured or self._parameters))

    def _rows(self, measured: Mapping[str, Measured]) -> Iterator[BoundRow]:
        for file, part, use in self._uses:
            yield BoundRow(
                file.path,
                file.subject,
                file.metric,
                file.class_id,
                None if part is None else part.name,
                _row_use(CaptureUse(file, part, use), measured),
            )
        for name, path in {**self._asked, **self._parameters}.items():
            file = find_file(self._capture, path)
            yield BoundRow(path, file.subject, file.metric, file.class_id, name, "binding")


def _kept(use: CaptureUse, changed: frozenset[str]) -> CaptureUse:
    """Return an entry, as an observation where its series is made in another way than the captured one."""
    is_changed = use.part is not None and use.part.name in changed
    return use._replace(use="observation") if is_changed else use


def _row_use(use: CaptureUse, measured: Mapping[str, Measured]) -> RowUse:
    if use.use != "input" or use.part is None:
        return use.use
    if use.part.class_id is not None:
        return "class"
    found = measured.get(use.part.name)
    return "input" if found is not None and found.total.source == use.file.path else "observation"


def sum_of(columns: Sequence[Column]) -> FloatArray:
    """Return the sum of some columns (bins,), added from left to right."""
    total = columns[0].values
    for column in columns[1:]:
        total = total + column.values
    return total


def _sources(model: Model) -> dict[str, str]:
    """Map nodes whose ``source`` names a file of the capture to that file."""
    found = {}
    for node in model.spec.nodes:
        source = getattr(node, "source", None)
        if source is not None and source.startswith(SOURCE_PREFIX):
            found[node.id] = source.removeprefix(SOURCE_PREFIX)
    return found


def _origin(
    origin: Origin, capture: Capture, chosen: tuple[Resampling | None, GapChoice], files: Mapping[str, str]
) -> Origin:
    found, (how, gaps) = capture.manifest.provenance, chosen
    described = CaptureOrigin(
        content_hash=capture.manifest.content_hash,
        source=found.source,
        run_id=found.run_id,
        model_hash=found.model_hash,
        scenario_hash=found.scenario_hash,
        input_hash=found.input_hash,
        template_id=found.template_id,
        template_version=found.template_version,
        template_hash=found.template_hash,
        captured_at_utc=found.captured_at_utc,
        resample=how,
        gaps=gaps,
    )
    fields = {name: getattr(origin, name) for name in ("template_id", "template_version", "template_hash")}
    return Origin(
        **fields,
        title=origin.title,
        narrative=origin.narrative,
        parameters=origin.parameters,
        mode="telemetry",
        telemetry_bindings=dict(sorted(files.items())),
        capture=described,
    )
