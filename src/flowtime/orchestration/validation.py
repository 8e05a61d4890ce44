"""Validation in tiers, each holding the one before: the schema, the plan, the numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal, TypeAlias

import msgspec

from flowtime.bundle.documents import WarningEntry
from flowtime.errors import Fault, FaultsError, exit_status
from flowtime.model import Model
from flowtime.model.spec import Wire

__all__ = ["FailOn", "FaultEntry", "Tier", "ValidationReport", "failing_code", "validate_model", "validation_status"]

Tier: TypeAlias = Literal["schema", "compile", "analyse"]
FailOn: TypeAlias = Literal["warning", "error", "never"]


_UNREAD = (".not_found", ".unreadable")


class FaultEntry(Wire, frozen=True, kw_only=True):
    """One thing that is wrong; ``line`` and ``column`` count from 1, ``path`` is a JSON path."""

    code: str
    message: str
    file: str | None
    line: int | None
    column: int | None
    path: str | None
    hint: str | None


class ValidationReport(Wire, frozen=True, kw_only=True):
    """What a tier found; a model with warnings is valid."""

    tier: Tier
    is_valid: bool
    errors: tuple[FaultEntry, ...]
    warnings: tuple[WarningEntry, ...]


def validate_model(load: Callable[[], Model], tier: Tier) -> ValidationReport:
    """Return everything that is wrong, or odd, up to a tier; ``load`` reads the model.

    ``schema`` reads it, ``compile`` also plans it, ``analyse`` also evaluates it and checks the numbers.
    Faults of the model come back in the report; all other errors, such as StorageError, are raised.
    """
    try:
        return _report(tier, warnings=_findings(load(), tier))
    except FaultsError as error:
        return _report(tier, errors=error.faults)


def failing_code(report: ValidationReport, fail_on: FailOn) -> str | None:
    """Return the error code by which what was found fails, or None where it does not.

    ``error``: an invalid model fails; ``warning``: also one with a warning, hints aside; ``never``: no model
    does.  A file that can not be read fails always.
    """
    code = report.errors[0].code if report.errors else None
    if code is not None and (fail_on != "never" or code.endswith(_UNREAD)):
        return code
    is_odd = any(warning.severity != "info" for warning in report.warnings)
    return "model.has_warnings" if fail_on == "warning" and is_odd else None


def validation_status(report: ValidationReport, fail_on: FailOn) -> int:
    """Return the exit status of a validation: 0, or that of the code by which it fails."""
    code = failing_code(report, fail_on)
    return 0 if code is None else exit_status(code)


def _findings(model: Model, tier: Tier) -> tuple[WarningEntry, ...]:
    if tier == "schema":
        return ()
    # Here, since the engine brings numba along, which reading a model does not need.
    from flowtime.engine import compile_model

    compiled = compile_model(model)
    if tier == "compile":
        return ()
    found = compiled.evaluate(with_metrics=True).warnings
    return msgspec.convert(found, tuple[WarningEntry, ...], from_attributes=True)


def _report(tier: Tier, *, errors: Iterable[Fault] = (), warnings: tuple[WarningEntry, ...] = ()) -> ValidationReport:
    entries = tuple(FaultEntry(**fault._asdict()) for fault in errors)
    return ValidationReport(tier=tier, is_valid=not entries, errors=entries, warnings=warnings)
