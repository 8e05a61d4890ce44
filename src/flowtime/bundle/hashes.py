"""The hashes of a run: over what went in, and never over times, paths or names of files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from flowtime.bundle.documents import CaptureOrigin, Mode, RngEntry
from flowtime.bundle.encoding import canonical_hash
from flowtime.model import Model, canonical_bytes
from flowtime.storage import sha256_bytes

__all__ = ["Origin", "RunHashes", "hash_run"]

ADHOC_TEMPLATE = "adhoc-model"
ADHOC_VERSION = "0.0.0"


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a model came from: a template with its merged parameters, or (the defaults) a file."""

    template_id: str = ADHOC_TEMPLATE
    template_version: str = ADHOC_VERSION
    template_hash: str | None = None
    title: str | None = None
    narrative: str | None = None
    mode: Mode = "simulation"
    parameters: Mapping[str, object] = field(default_factory=dict)
    telemetry_bindings: Mapping[str, str] = field(default_factory=dict)
    capture: CaptureOrigin | None = None

    @property
    def is_template(self) -> bool:
        """Whether a template was rendered."""
        return self.template_hash is not None

    @property
    def is_told(self) -> bool:
        """Whether there is more to tell of the model than its file does: a template, or telemetry."""
        return self.is_template or self.mode == "telemetry"


class RunHashes(NamedTuple):
    """``model`` is the model's meaning, ``input`` the whole request.

    ``scenario`` is the model's meaning, the seed, and whether the run draws from it.
    """

    model: str
    scenario: str
    input: str


def hash_run(model: Model, origin: Origin, rng: RngEntry | None) -> RunHashes:
    """Return the hashes of a run, each ``sha256:<hex>``.

    The input hash of a template run covers the text of the template and every parameter, defaults
    included; that of a plain model covers the model hash.  Both cover the capture that fed a telemetry run.
    """
    model_hash = sha256_bytes(canonical_bytes(model))
    random: dict[str, object] | None = {"kind": rng.kind, "seed": rng.seed} if rng else None
    # Only where it is so: hashes of runs that do not sample stay what they were.
    if random is not None and rng is not None and rng.sampled:
        random["sampled"] = True
    scenario_hash = canonical_hash({"modelHash": model_hash, "rng": random})
    request: dict[str, object] = {"mode": origin.mode, "rng": random}
    if origin.is_template:
        request |= {
            "templateId": origin.template_id,
            "templateVersion": origin.template_version,
            "templateHash": origin.template_hash,
            "parameters": origin.parameters,
            "telemetryBindings": origin.telemetry_bindings,
        }
    else:
        request["modelHash"] = model_hash
    if origin.capture is not None:
        # By what was measured, and neither by the folder that it lies in nor by the day of the capture.
        found = origin.capture
        request["capture"] = {"contentHash": found.content_hash, "resample": found.resample, "gaps": found.gaps}
    return RunHashes(model_hash, scenario_hash, canonical_hash(request))
