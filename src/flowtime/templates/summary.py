"""What programs are told about templates: the JSON of ``flowtime templates`` and, later, of the API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowtime.errors import Fault
from flowtime.model.spec import Wire
from flowtime.templates.spec import ArrayOf, Mode, Parameter, ParameterType, TemplateHeader

if TYPE_CHECKING:
    from flowtime.templates.catalogue import TemplateInfo

__all__ = ["FaultSummary", "ParameterSummary", "TemplateDetails", "TemplateSummary", "details", "summary"]


class FaultSummary(Wire, frozen=True, kw_only=True):
    """One thing that is wrong, and where; the fields of ``errors.Fault``."""

    code: str
    message: str
    file: str | None = None
    line: int | None = None
    column: int | None = None
    path: str | None = None
    hint: str | None = None


class TemplateSummary(Wire, frozen=True, kw_only=True):
    """One entry of a listing; a broken template has faults and no title."""

    id: str
    title: str | None
    version: str | None
    description: str | None
    question: str | None
    tags: tuple[str, ...]
    is_shipped: bool
    faults: tuple[FaultSummary, ...]


class ParameterSummary(Wire, frozen=True, kw_only=True):
    """One parameter: its type, unit, default and bounds (of every element, for an array)."""

    name: str
    type: ParameterType
    title: str | None
    description: str | None
    unit: str | None
    default: object
    min: float | None
    max: float | None
    array_of: ArrayOf | None
    required: bool


class TemplateDetails(Wire, frozen=True, kw_only=True):
    """All that a template says of itself."""

    id: str
    title: str
    version: str
    description: str | None
    narrative: str | None
    question: str | None
    tags: tuple[str, ...]
    capture_key: str | None
    mode: Mode
    start: str | None
    parameters: tuple[ParameterSummary, ...]


def summary(info: TemplateInfo) -> TemplateSummary:
    """Return what a listing says about one file of a folder of templates."""
    metadata = info.header.metadata if info.header else None
    return TemplateSummary(
        id=info.id,
        title=metadata.title if metadata else None,
        version=metadata.version if metadata else None,
        description=metadata.description if metadata else None,
        question=metadata.question if metadata else None,
        tags=metadata.tags if metadata else (),
        is_shipped=info.is_shipped,
        faults=tuple(_fault(fault) for fault in info.faults),
    )


def details(header: TemplateHeader) -> TemplateDetails:
    """Return all that a template says of itself."""
    metadata = header.metadata
    return TemplateDetails(
        id=metadata.id,
        title=metadata.title,
        version=metadata.version,
        description=metadata.description,
        narrative=metadata.narrative,
        question=metadata.question,
        tags=metadata.tags,
        capture_key=metadata.capture_key,
        mode=header.mode,
        start=header.window.start if header.window else None,
        parameters=tuple(_parameter(parameter) for parameter in header.parameters),
    )


def _parameter(parameter: Parameter) -> ParameterSummary:
    return ParameterSummary(
        name=parameter.name,
        type=parameter.type,
        title=parameter.title,
        description=parameter.description,
        unit=parameter.unit,
        default=parameter.default,
        min=parameter.low,
        max=parameter.high,
        array_of=parameter.array_of,
        required=parameter.required,
    )


def _fault(fault: Fault) -> FaultSummary:
    return FaultSummary(**fault._asdict())
