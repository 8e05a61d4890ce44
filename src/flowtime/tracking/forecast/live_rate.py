"""How fast the items of a running step are done, from the times at which it told."""

from __future__ import annotations

from math import exp, log, sqrt

from flowtime.tracking.forecast.durations import Guess

__all__ = ["LiveRate"]

_MOST_POINTS = 64
_LEAST_ITEMS = 2
# What one item says of the time of the next, before there are enough to see how they differ.
_USUAL_VARIANCE = 0.25
_USUAL_WEIGHT = 2.0
_LEAST_SPREAD = 0.02
_BEGUN = 0.5


class LiveRate:
    """Points of (seconds since the step began, items done), thinned out so that there are at most 64 of them."""

    def __init__(self) -> None:
        self._points: list[tuple[float, int]] = [(0.0, 0)]
        self.done = 0
        self.total: int | None = None

    def tell(self, elapsed: float, done: int, total: int | None) -> None:
        """Note how far the step is; one that went back (a new attempt) begins anew."""
        if done < self.done:
            self._points = [(elapsed, done)]
        elif done > self.done:
            self._points.append((elapsed, done))
            if len(self._points) > _MOST_POINTS:
                # Every second one and the last: near points say less than far ones.
                self._points = [*self._points[:-1:2], self._points[-1]]
        self.done = done
        self.total = total

    def per_second(self) -> float | None:
        """Return items a second over the newer half of what is known; None before two items."""
        pace = self._pace(self._middle())
        return None if pace is None else 1.0 / pace

    def whole(self) -> Guess | None:
        """Return how long the whole step takes at this pace; None where its total, or its pace, is not known.

        Its pace is the geometric mean of that of the whole and of the newer half.  Its spread comes from how the
        pieces differ, and from how far the two are apart, for a pace that drifts will drift on.
        """
        first, newer = self._pace(0), self._pace(self._middle())
        if self.total is None or first is None or newer is None or self.done - self._points[0][1] < _LEAST_ITEMS:
            return None
        elapsed = self._points[-1][0]
        left = max(0, self.total - self.done) * sqrt(first * newer)
        if left <= 0.0:
            return Guess(max(elapsed, 1e-9), _LEAST_SPREAD)
        spread = sqrt(self._variance() + (0.5 * log(newer / first)) ** 2)
        return Guess(elapsed + left, max(_LEAST_SPREAD, spread * left / (elapsed + left)))

    def _middle(self) -> int:
        """Return the point nearest to half of the items that were done."""
        half = (self._points[0][1] + self._points[-1][1]) / 2.0
        return min(range(max(1, len(self._points) - 1)), key=lambda place: abs(self._points[place][1] - half))

    def _pace(self, start: int) -> float | None:
        """Return seconds an item from a point to the last one; None where that says nothing."""
        (began, before), (ended, after) = self._points[start], self._points[-1]
        seconds, items = ended - began, float(after - before)
        if not before:
            # What was begun is half done on the average; between two later moments that evens out.
            items += _BEGUN
        return seconds / items if items > 0 and seconds > 0.0 else None

    def _variance(self) -> float:
        """Return the variance of the logarithm of the mean pace, from how the pieces between points differ."""
        paces = [
            (later[0] - earlier[0]) / (later[1] - earlier[1])
            for earlier, later in zip(self._points, self._points[1:], strict=False)
        ]
        count = len(paces)
        mean = sum(paces) / count
        squares = sum((pace / mean - 1.0) ** 2 for pace in paces) if mean > 0.0 else 0.0
        variance = (_USUAL_WEIGHT * _USUAL_VARIANCE + squares) / (_USUAL_WEIGHT + count - 1)
        # Relative, so that one stall among many quick pieces does not make everything unsure.
        return log(1.0 + min(variance, exp(1.0))) / count
