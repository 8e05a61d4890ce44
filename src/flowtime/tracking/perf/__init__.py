"""The performance gate: cases measured on a head and its base in turns, judged, reported and kept as runs.

Only what a module of cases needs is loaded at once; `suite`, `gate`, `guard`, `compare`, `report` and `store` do the
work.
"""

from __future__ import annotations

from flowtime.tracking.perf.case import Case, Guardrail, Timed, WrongResultError, require

__all__ = ["Case", "Guardrail", "Timed", "WrongResultError", "require"]
