"""What is said of progress, in words: durations, forecasts, and the line at the start and the end of a step."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flowtime.tracking.forecast.eta import Forecast

__all__ = ["bar_text", "duration_text", "eta_text", "step_line"]

_VERBS = {
    "running": "Starting",
    "completed": "Completed",
    "failed": "Failed",
    "cancelled": "Cancelled",
    "skipped": "Skipped",
    "pending": "Waiting for",
}
_MINUTE = 60
_HOUR = 3600
_DAY = 86400


def duration_text(seconds: float | None) -> str:
    """Return ``5s``, ``2m04s``, ``1h02m`` or ``3d04h``; ``unknown`` where it is None."""
    if seconds is None:
        return "unknown"
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole}s"
    if whole < _HOUR:
        return f"{whole // _MINUTE}m{whole % _MINUTE:02d}s"
    if whole < _DAY:
        return f"{whole // _HOUR}h{whole % _HOUR // _MINUTE:02d}m"
    return f"{whole // _DAY}d{whole % _DAY // _HOUR:02d}h"


def eta_text(forecast: Forecast) -> str:
    """Return ``10m (8m12s to 13m)``, or ``unknown``: never a 0 for what is not known."""
    if forecast.seconds is None:
        return "unknown"
    if forecast.basis == "done":
        return "0s"
    return f"{duration_text(forecast.seconds)} ({duration_text(forecast.low)} to {duration_text(forecast.high)})"


def step_line(status: str, place: int, count: int, name: str, elapsed: float | None, forecast: Forecast | None) -> str:
    """Return the line that a step's start or end prints: ``Starting step 2/5 pretrain, elapsed 2m04s, eta 10m``."""
    text = f"{_VERBS.get(status, status)} step {place}/{count} {name}, elapsed {duration_text(elapsed)}"
    return text if forecast is None else f"{text}, eta={eta_text(forecast)}"


def bar_text(done: int, total: int | None, width: int = 20) -> str:
    """Return a bar such as ``[#####...............] 25 %``; without a total the number of items."""
    if not total:
        return f"{done} items"
    share = min(1.0, done / total)
    full = int(share * width)
    return f"[{'#' * full}{'.' * (width - full)}] {share:.0%}".replace("%", " %")
