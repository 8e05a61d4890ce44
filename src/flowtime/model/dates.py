"""Date-times of models: ISO 8601 text in, the same instant in UTC out."""

from __future__ import annotations

from datetime import UTC, datetime

__all__ = ["utc_moment", "utc_text"]


def utc_text(text: str) -> str | None:
    """Return an ISO 8601 date-time as ``2025-01-01T00:00:00Z``, or None where it is none.

    Without an offset it is UTC; a date alone is its midnight; microseconds are kept where there are any.
    """
    moment = utc_moment(text)
    return None if moment is None else moment.isoformat() + "Z"


def utc_moment(text: str) -> datetime | None:
    """Return the instant of an ISO 8601 date-time in UTC, as a moment without an offset; None where it is none."""
    try:
        moment = datetime.fromisoformat(text.strip())
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment.replace(tzinfo=None)
