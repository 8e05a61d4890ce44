"""The JSON Schemas of every file, made from the structs: ``python -m flowtime.orchestration.schemas --write``.

A test keeps the committed files in ``schemas/`` equal to what this module makes.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from inspect import cleandoc
from pathlib import Path
from types import MappingProxyType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import msgspec
import numpy as np

from flowtime.bundle.comparison import RunComparison
from flowtime.bundle.documents import IndexFile, ManifestFile, MetadataFile, ProvenanceFile, RunFile
from flowtime.model.spec import ModelSpec
from flowtime.orchestration.envelope import RunEnvelope
from flowtime.runs.query import RunPage
from flowtime.runs.retention import PruneReport
from flowtime.settings import Settings
from flowtime.state.documents import Snapshot, Window
from flowtime.state.overview import GraphAnswer, MetricsAnswer
from flowtime.telemetry.capture import CaptureReport
from flowtime.telemetry.diff import DiffReport
from flowtime.telemetry.gap_plan import GapFile
from flowtime.telemetry.importing import ImportReport
from flowtime.telemetry.manifest import CaptureManifest
from flowtime.telemetry.verify import VerifyReport
from flowtime.templates.spec import TemplateHeader
from flowtime.tracking.perf.outcome import PerfOutcome
from flowtime.tracking.records import (
    PerformanceRecommendation,
    PerformanceTestResult,
    PipelineRunRecord,
    StepExecutionEntry,
    TelemetrySnapshot,
)
from flowtime.tracking.report.resumption import ResumePlan
from flowtime.tracking.report.run_comparison import TrackedComparison
from flowtime.tracking.report.run_report import RunReport
from flowtime.tracking.report.run_status import StatusDocument

__all__ = ["SCHEMAS", "main", "schema_texts", "write_schemas"]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"

SCHEMAS: Mapping[str, type[msgspec.Struct]] = MappingProxyType(
    {
        "model": ModelSpec,
        "template": TemplateHeader,
        "run": RunFile,
        "manifest": ManifestFile,
        "series-index": IndexFile,
        "metadata": MetadataFile,
        "provenance": ProvenanceFile,
        "run-envelope": RunEnvelope,
        "run-page": RunPage,
        "run-comparison": RunComparison,
        "run-status": StatusDocument,
        "run-report": RunReport,
        "tracked-run": PipelineRunRecord,
        "resume-plan": ResumePlan,
        "tracked-comparison": TrackedComparison,
        "prune-report": PruneReport,
        "capture-manifest": CaptureManifest,
        "capture-report": CaptureReport,
        "capture-verify": VerifyReport,
        "capture-diff": DiffReport,
        "capture-import": ImportReport,
        "state": Snapshot,
        "window": Window,
        "graph": GraphAnswer,
        "metrics": MetricsAnswer,
        "gap-plan": GapFile,
        "settings": Settings,
        "perf": PerfOutcome,
        "pipeline-run": PipelineRunRecord,
        "step-execution": StepExecutionEntry,
        "telemetry-snapshot": TelemetrySnapshot,
        "recommendation": PerformanceRecommendation,
        "performance-test": PerformanceTestResult,
    }
)
"""The struct behind each schema file ``<name>.schema.json``."""


def schema_texts() -> dict[str, bytes]:
    """Return the text of each schema by its file name."""
    return {f"{name}.schema.json": _text(name, kind) for name, kind in SCHEMAS.items()}


def write_schemas(folder: Path) -> list[Path]:
    """Write every schema into ``folder`` and return the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, text in schema_texts().items():
        paths.append(folder / name)
        paths[-1].write_bytes(text)
    return paths


def main(arguments: Sequence[str]) -> int:
    """Write the schemas (``--write [FOLDER]``) or say which are out of date; return the exit status."""
    folder = Path(arguments[1]) if len(arguments) > 1 else Path("schemas")
    if arguments[:1] == ["--write"]:
        write_schemas(folder)
        return 0
    stale = [name for name, text in schema_texts().items() if not _holds(folder / name, text)]
    sys.stderr.writelines(f"out of date: {name}\n" for name in stale)
    return 1 if stale else 0


def _text(name: str, kind: type[msgspec.Struct]) -> bytes:
    schema: dict[str, Any] = msgspec.json.schema(_Twins().of(kind))
    root = schema.pop("$ref").rpartition("/")[2]
    definitions = schema.pop("$defs")
    body = definitions.pop(root)
    if kind is TemplateHeader:
        body["properties"] |= _template_body(body["properties"])
    head = {"$schema": _DIALECT, "$id": f"flowtime/{name}.schema.json"}
    tail = {"$defs": dict(sorted(definitions.items()))} if definitions else {}
    return msgspec.json.format(msgspec.json.encode(head | body | tail), indent=2) + b"\n"


def _template_body(header: Mapping[str, object]) -> dict[str, object]:
    """Return the fields of a template that are the model: as in a model, but any scalar may be ``${name}``."""
    described = {"description": "As in model.schema.json, where any scalar may be a placeholder."}
    return {name: described for name in ModelSpec.__struct_encode_fields__ if name not in header}


def _holds(path: Path, text: bytes) -> bool:
    return path.is_file() and path.read_bytes() == text


class _Twins:
    """Structs as msgspec can describe them: arrays become tuples of numbers.

    msgspec allows no custom type beside others in a union, and the values of an input are such a
    union (array, number or file), read by our own decoder.
    """

    def __init__(self) -> None:
        self._made: dict[type[msgspec.Struct], type[msgspec.Struct]] = {}

    def of(self, kind: type[msgspec.Struct]) -> type[msgspec.Struct]:
        """Return the struct with every array in it, and in the structs it holds, replaced."""
        if kind not in self._made:
            self._made[kind] = self._make(kind)
        return self._made[kind]

    def _make(self, kind: type[msgspec.Struct]) -> type[msgspec.Struct]:
        hints = get_type_hints(kind, include_extras=True)
        fields = [
            (field.encode_name, self._type(hints[field.name]), _default(field))
            for field in msgspec.structs.fields(kind)
        ]
        config = kind.__struct_config__
        twin = msgspec.defstruct(
            kind.__name__,
            [(name, hint) if default is ... else (name, hint, default) for name, hint, default in fields],
            forbid_unknown_fields=config.forbid_unknown_fields,
            kw_only=True,
            tag=config.tag,
            tag_field=config.tag_field,
        )
        # Python 3.13 takes the indent out itself; the files must not depend on who wrote them.
        twin.__doc__ = cleandoc(kind.__doc__ or "")
        return twin

    def _type(self, hint: Any) -> Any:
        if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
            return self.of(hint)
        origin, arguments = get_origin(hint), get_args(hint)
        if origin is None:
            return Any if hint is object else hint
        if isinstance(origin, type) and issubclass(origin, np.ndarray):
            return tuple[float, ...]
        if origin is Annotated and any(meta.extra == {"gaps": "null"} for meta in hint.__metadata__):
            return tuple[float | None, ...]
        if origin is Annotated:
            return Annotated[self._type(arguments[0]), *hint.__metadata__]
        if origin in (Union, UnionType):
            return Union[tuple(self._type(argument) for argument in arguments)]  # noqa: UP007 - made at run time
        if origin in (tuple, dict, list):
            return origin[tuple(self._type(argument) for argument in arguments)]
        return hint


def _default(field: msgspec.structs.FieldInfo) -> Any:
    """Return the default of a field, or ``...`` where it must be given."""
    if field.default is not msgspec.NODEFAULT:
        return field.default
    if field.default_factory is not msgspec.NODEFAULT:
        return msgspec.field(default_factory=field.default_factory)
    return ...


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
