"""Small templates for the tests of the templates layer."""

from __future__ import annotations

__all__ = ["HEADER", "codes", "places", "template_text"]

from flowtime.errors import FaultsError

HEADER = """\
schemaVersion: 1
metadata: {id: small, title: Small, version: 1.2.3}
window: {start: "2025-01-01T00:00:00Z", timezone: UTC}
"""

_BODY = """\
grid: {bins: 4, binSize: 5, binUnit: minutes}
nodes:
  - {id: load, kind: const, values: [1, 2, 3, 4]}
"""


def template_text(parameters: str = "", body: str = _BODY, header: str = HEADER) -> str:
    """Return a template: its header, its parameters (YAML items, indented by two) and its body."""
    declared = f"parameters:\n{parameters}" if parameters else ""
    return f"{header}{declared}{body}"


def codes(error: FaultsError) -> list[str]:
    """Return the codes of all faults, in the order of the file."""
    return [fault.code for fault in error.faults]


def places(error: FaultsError) -> list[tuple[str, int | None, int | None]]:
    """Return code, line and column of all faults, in the order of the file."""
    return [(fault.code, fault.line, fault.column) for fault in error.faults]
