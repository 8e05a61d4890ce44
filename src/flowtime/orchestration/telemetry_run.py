"""From a capture and a template or model to a run of mode telemetry: the capture is checked, fitted and bound.

The answer of every function here is a ``PreparedSource``, which ``run_simulation`` runs like any other.
"""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from flowtime.bundle import Origin
from flowtime.bundle.documents import WarningEntry
from flowtime.model import Model
from flowtime.model.plain import plain
from flowtime.model.spec import Node
from flowtime.orchestration.capture_binding import Binding, BoundRow, Replay, TelemetryRequest
from flowtime.orchestration.capture_parameters import (
    ParameterBindings,
    bind_parameters,
    captured_parameters,
)
from flowtime.orchestration.capture_roles import followers
from flowtime.orchestration.telemetry_warnings import telemetry_warning
from flowtime.telemetry.reader import Capture
from flowtime.telemetry.verify import read_sound
from flowtime.templates import Rendered, Template, render

__all__ = ["BoundRow", "Replay", "TelemetryRequest", "bind_model", "bind_template"]


def bind_template(
    template: Template,
    given: Mapping[str, object],
    request: TelemetryRequest,
    *,
    found: Mapping[str, object] | None = None,
) -> Replay:
    """Render a template and bind a capture to its model.

    Parameters are those given, over those ``found`` in the capture by its files, over those that its run was made
    with (where it was one of this template), over the defaults.  Where the capture knows its parameters and others
    are given, what follows from these is computed and not taken from the capture: a what-if.  Raises
    TelemetryError, TemplateError, ModelError, ParameterError.
    """
    capture = read_sound(request.capture_dir)
    earlier = captured_parameters(template, capture)
    bound = bind_parameters(template, capture, request.bindings)
    known = {**earlier, **(found or {}), **bound.parameters}
    rendered = render(template, {**known, **given, **bound.parameters})
    origin = Origin(
        template_id=rendered.template_id,
        template_version=rendered.template_version,
        template_hash=rendered.template_hash,
        title=rendered.title,
        narrative=rendered.narrative,
        parameters=rendered.parameters,
    )
    changed = _changed(render(template, known).model, rendered.model) if earlier and given else frozenset()
    binding = Binding(rendered.model, capture, request, bound, changed)
    return binding.replay(origin, notes=_template_notes(rendered, capture))


def _changed(before: Model, after: Model) -> frozenset[str]:
    """Return the series of a model that are made in another way than before, and all that follows from them."""
    old = {node.id: _canonical(node) for node in before.spec.nodes}
    changed = [node.id for node in after.spec.nodes if old.get(node.id) != _canonical(node)]
    return followers(after, changed)


def bind_model(model: Model, request: TelemetryRequest) -> Replay:
    """Bind a capture to a model; raises TelemetryError, ModelError, ParameterError."""
    capture = read_sound(request.capture_dir)
    binding = Binding(model, capture, request, ParameterBindings(nodes=request.bindings), frozenset())
    return binding.replay(Origin(), notes=())


def _canonical(node: Node) -> bytes:
    # By its plain form, since structs that hold arrays can not be compared.
    return orjson.dumps(plain(node), option=orjson.OPT_SERIALIZE_NUMPY)


def _template_notes(rendered: Rendered, capture: Capture) -> tuple[WarningEntry, ...]:
    found = capture.manifest.provenance
    if found.template_hash in (None, rendered.template_hash):
        return ()
    told = f"{found.template_id} {found.template_version or ''}".strip()
    message = f"the capture was made by {told}, and not by this {rendered.template_id} {rendered.template_version}"
    return (telemetry_warning("telemetry_template_differs", message),)
