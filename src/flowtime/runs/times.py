"""Times as files carry them."""

from __future__ import annotations

from datetime import UTC, datetime

__all__ = ["parse_utc", "utc_stamp", "utc_text"]


def utc_text(moment: datetime) -> str:
    """Return an aware time as ``2025-01-31T23:59:59.000Z``, fit to be sorted as text."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def utc_stamp(moment: datetime) -> str:
    """Return an aware time as ``20250131T235959Z``, fit for a name."""
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def parse_utc(text: str) -> datetime | None:
    """Return the time that an ISO 8601 text says, UTC where it names no zone; None where it is no time."""
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
