"""What a capture makes of a template: the request that a template service would be sent, and the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from flowtime.model import dump_model
from flowtime.model.spec import Rng, Wire
from flowtime.orchestration.capture_parameters import SOURCE_PREFIX, MappedParameter, map_parameters
from flowtime.orchestration.telemetry_run import Replay, TelemetryRequest, bind_template
from flowtime.telemetry.verify import read_sound
from flowtime.templates import Template

__all__ = ["Generated", "RunPayload", "TelemetryPayload", "generate"]


class TelemetryPayload(Wire, frozen=True, kw_only=True):
    """Where the capture is, and which of its files parameters name."""

    capture_directory: str
    bindings: dict[str, str]


class RunPayload(Wire, frozen=True, kw_only=True):
    """The body of a request for a run (reference: runs.md 4.1)."""

    template_id: str
    mode: Literal["telemetry"] = "telemetry"
    parameters: dict[str, object]
    telemetry: TelemetryPayload
    rng: Rng | None


@dataclass(frozen=True, kw_only=True)
class Generated:
    """The parameters and where each is from, the payload, and the model with the capture bound to it."""

    mapping: tuple[MappedParameter, ...]
    payload: RunPayload
    replay: Replay

    def model_text(self) -> str:
        """Return the model as YAML that stands alone."""
        return dump_model(self.replay.source.model)


def generate(template: Template, given: Mapping[str, object], request: TelemetryRequest) -> Generated:
    """Map a capture onto the parameters of a template, and render it.

    Raises TemplateError with every value that does not fit its type or bounds, ModelError for an array that is
    not as long as the grid, and what ``bind_template`` raises.
    """
    mapping = map_parameters(template, read_sound(request.capture_dir), given, request.bindings)
    values = {found.name: found.value for found in mapping if found.origin not in ("given", "default")}
    replay = bind_template(template, given, request, found=values)
    bindings = {found.name: found.file for found in mapping if found.file is not None and _names_file(found)}
    payload = RunPayload(
        template_id=template.id,
        parameters={found.name: found.value for found in mapping if found.name not in bindings},
        telemetry=TelemetryPayload(capture_directory=str(request.capture_dir), bindings=bindings),
        rng=replay.source.model.spec.rng,
    )
    return Generated(mapping=mapping, payload=payload, replay=replay)


def _names_file(found: MappedParameter) -> bool:
    """Whether the parameter is the name of a file, which the service puts in by itself."""
    return isinstance(found.value, str) and found.value.startswith(SOURCE_PREFIX)
