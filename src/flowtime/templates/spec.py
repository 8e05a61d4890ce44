"""The header of a template as frozen structs; the body stays a tree until it is rendered.

The header (``schemaVersion``, ``generator``, ``mode``, ``metadata``, ``window``, ``parameters``)
says what the template is and what may be set.  Everything else in the file is the body: a model
whose scalars may be placeholders.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta

from flowtime.model.spec import Wire

__all__ = [
    "HEADER_KEYS",
    "TEMPLATE_ID_PATTERN",
    "ArrayOf",
    "Mode",
    "Parameter",
    "ParameterType",
    "TemplateHeader",
    "TemplateMetadata",
    "Window",
]

# Stricter than a run id, since a template id is also a word of the command line and of URLs.
TEMPLATE_ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$"

Mode: TypeAlias = Literal["simulation", "telemetry"]
ParameterType: TypeAlias = Literal["integer", "number", "boolean", "string", "array"]
ArrayOf: TypeAlias = Literal["int", "double"]
TemplateId = Annotated[str, Meta(pattern=TEMPLATE_ID_PATTERN, description="Id of a template, also its file name.")]
ParameterName = Annotated[str, Meta(pattern="^[A-Za-z_][A-Za-z0-9_]*$", description="Name used as `${name}`.")]
Version = Annotated[
    str,
    Meta(
        pattern=r"^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$",
        description="Semantic version: major.minor.patch.",
    ),
]
Text = Annotated[str, Meta(min_length=1)]


class TemplateMetadata(Wire, frozen=True, kw_only=True):
    """What the template is called and what it tells.

    ``question`` is what a person asks it; ``captureKey`` names the telemetry capture that it replays.
    """

    id: TemplateId
    title: Text
    version: Version
    description: str | None = None
    narrative: str | None = None
    question: str | None = None
    tags: tuple[str, ...] = ()
    capture_key: str | None = None


class Window(Wire, frozen=True, kw_only=True):
    """When bin 0 starts; it becomes ``grid.start`` of the model."""

    start: str | None = None
    timezone: Literal["UTC"] = "UTC"


class Parameter(Wire, frozen=True, kw_only=True):
    """One thing that may be set, its type, unit and bounds.

    Bounds have two spellings in the published format (``min`` and ``minimum``); a parameter uses
    one of them.  For an array they hold for every element.  Without a default it must be given.
    """

    name: ParameterName
    type: ParameterType
    title: str | None = None
    description: str | None = None
    unit: str | None = None
    default: object = None
    min: float | None = None
    minimum: float | None = None
    max: float | None = None
    maximum: float | None = None
    array_of: ArrayOf | None = None

    @property
    def low(self) -> float | None:
        """The least value allowed, in the unit of the parameter."""
        return self.minimum if self.minimum is not None else self.min

    @property
    def high(self) -> float | None:
        """The largest value allowed, in the unit of the parameter."""
        return self.maximum if self.maximum is not None else self.max

    @property
    def required(self) -> bool:
        """Whether a value must be given because there is no default."""
        return self.default is None


class TemplateHeader(Wire, frozen=True, kw_only=True):
    """Everything in a template file that is not model."""

    schema_version: Literal[1]
    metadata: TemplateMetadata
    generator: str | None = None
    mode: Mode = "simulation"
    window: Window | None = None
    parameters: tuple[Parameter, ...] = ()


# By their names in the file; all other keys are the model's.
HEADER_KEYS = frozenset({"schemaVersion", "generator", "mode", "metadata", "window", "parameters"})
