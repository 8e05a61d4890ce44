"""Where the files of a flow run lie, relative to its folder."""

from __future__ import annotations

__all__ = ["INDEX", "MANIFEST", "MATRIX", "METADATA", "MODEL", "PROVENANCE", "RUN", "SPEC"]

SPEC = "spec.yaml"
RUN = "run.json"
MANIFEST = "manifest.json"
INDEX = "series/index.json"
MATRIX = "series/series.npy"
MODEL = "model/model.yaml"
METADATA = "model/metadata.json"
PROVENANCE = "model/provenance.json"
