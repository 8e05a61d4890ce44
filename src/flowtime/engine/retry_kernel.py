"""When failed work comes back: the taps of a retry kernel, and the policy that keeps them sane."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

__all__ = ["DEFAULT_RETRY_KERNEL", "MOST_RETRY_TAPS", "retry_taps"]

DEFAULT_RETRY_KERNEL: Final = (0.0, 0.6, 0.3, 0.1)
MOST_RETRY_TAPS: Final = 32


def retry_taps(given: Sequence[float] | None) -> tuple[float, ...]:
    """Return the taps to use: ``taps[k]`` is the share of failures that is tried again k bins later.

    None or an empty kernel is the default one.  At most 32 taps count; a negative tap or one that is
    not finite is 0; taps that sum to more than 1 are scaled to 1, since nothing fails into more than
    itself (reference: engine.md 2.8).
    """
    taps = tuple(tap if math.isfinite(tap) and tap > 0.0 else 0.0 for tap in (given or DEFAULT_RETRY_KERNEL))
    taps = taps[:MOST_RETRY_TAPS]
    total = math.fsum(taps)
    return tuple(tap / total for tap in taps) if total > 1.0 else taps
