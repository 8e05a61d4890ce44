"""Retries of the oracle: what failed comes back by the taps of a kernel, up to a number of attempts and a budget."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import oracle_kernels as kernels
from flowtime.model.spec import Semantics
from oracle_algebra import Parts, added, scaled

if TYPE_CHECKING:
    from oracle import Evaluation

__all__ = ["Retries", "taps_of_kernel"]

DEFAULT_KERNEL = (0.0, 0.6, 0.3, 0.1)
MOST_TAPS = 32


def taps_of_kernel(kernel: Sequence[float] | None) -> list[float]:
    """The taps of a retry kernel by engine.md 2.8: none is negative, and nothing comes back more than whole."""
    taps = [tap if math.isfinite(tap) and tap > 0 else 0.0 for tap in kernel or DEFAULT_KERNEL][:MOST_TAPS]
    total = math.fsum(taps)
    return [tap / total for tap in taps] if total > 1 else taps


class Retries:
    """What comes back at each station of one evaluation."""

    def __init__(self, evaluation: Evaluation) -> None:
        self.evaluation = evaluation

    def _semantics(self, index: int) -> Semantics:
        return self.evaluation.stations[index].semantics

    def source(self, index: int) -> str | None:
        """The binding of what failed: failures, else errors."""
        semantics = self._semantics(index)
        return semantics.failures if semantics.failures is not None else semantics.errors

    def read(self, index: int, role: str, t: int) -> float:
        """A series that the station computes: retry_echo, attempts, exhausted_failures or retry_budget_remaining."""
        if role == "retry_echo":
            return self._own_echo(index, t)
        if role == "attempts":
            return self._own_attempts(index, t)
        if role == "exhausted_failures":
            return self._exhausted(index, t)
        budget = self._budget(index, t)
        return (0.0 if budget is None else budget) - self.echo(index, t)

    # Totals

    def _failed(self, index: int, t: int) -> float:
        return self.evaluation.bound(self.source(index), t, index)

    def _budget(self, index: int, t: int) -> float | None:
        """What may come back in a bin; None without a budget."""
        budget = self._semantics(index).retry_budget
        if isinstance(budget, str):
            budget = self.evaluation.bound(budget, t, index)
        return None if budget is None else max(0.0, kernels.safe(budget))

    def echo(self, index: int, t: int) -> float:
        """What comes back in a bin: the author's series where there is one, else what the kernel gives."""
        bound = self._semantics(index).retry_echo
        if bound is not None and self.evaluation.names[index].retry_echo is None:
            return self.evaluation.bound(bound, t, index)
        return self._own_echo(index, t)

    def raw_echo(self, index: int, t: int) -> float:
        """What would come back without a budget."""
        most = self._semantics(index).max_attempts
        if most is None:
            return self._convolved(lambda before: self._failed(index, before), index, t)
        return sum((self._raw_generation(index, number, t) for number in range(2, most + 1)), 0.0)

    def _own_echo(self, index: int, t: int) -> float:
        raw, budget = self.raw_echo(index, t), self._budget(index, t)
        return raw if budget is None else min(raw, budget)

    def _first(self, index: int, t: int) -> float:
        """The first attempts: what is asked for from outside, else the arrivals."""
        semantics = self._semantics(index)
        wanted = semantics.arrivals if semantics.external_demand is None else semantics.external_demand
        return self.evaluation.bound(wanted if semantics.max_attempts is not None else semantics.arrivals, t, index)

    def attempts(self, index: int, t: int) -> float:
        """All attempts of a bin: the author's series where there is one."""
        bound = self._semantics(index).attempts
        if bound is not None and self.evaluation.names[index].attempts is None:
            return self.evaluation.bound(bound, t, index)
        return self._own_attempts(index, t)

    def _own_attempts(self, index: int, t: int) -> float:
        return self._first(index, t) + self.echo(index, t)

    # Generations: work at its k-th attempt

    def _raw_generation(self, index: int, number: int, t: int) -> float:
        def compute() -> float:
            return self._convolved(lambda before: self._failed_generation(index, number - 1, before), index, t)

        return self.evaluation.ask("raw generation", (index, number), t, compute)

    def _failed_generation(self, index: int, number: int, t: int) -> float:
        """What fails at its k-th attempt in a bin: each generation fails at the same rate."""

        def compute() -> float:
            rate = kernels.divide(self._failed(index, t), self.attempts(index, t))
            if number == 1:
                return self._first(index, t) * rate
            kept = kernels.divide(self._own_echo(index, t), self.raw_echo(index, t))
            kept = 1.0 if self._budget(index, t) is None else kept
            return self._raw_generation(index, number, t) * kept * rate

        return self.evaluation.ask("failed generation", (index, number), t, compute)

    def _exhausted(self, index: int, t: int) -> float:
        """What failed in a bin and will not come back, and what the budget sent away."""
        taps, most, failed = taps_of_kernel(self._semantics(index).retry_kernel), None, self._failed(index, t)
        most = self._semantics(index).max_attempts
        refused = 0.0
        if self._budget(index, t) is not None:
            refused = self.raw_echo(index, t) - self._own_echo(index, t)
        if most is None:
            return failed * (1.0 - math.fsum(taps)) + refused
        again = sum((self._failed_generation(index, number, t) for number in range(1, most)), 0.0)
        return failed - math.fsum(taps) * again + refused

    def _convolved(self, read: object, index: int, t: int) -> float:
        assert callable(read)
        taps = taps_of_kernel(self._semantics(index).retry_kernel)
        return sum(
            (kernels.safe(read(t - place)) * tap for place, tap in enumerate(taps[: t + 1]) if tap != 0.0),
            0.0,
        )

    # Classes

    def parts(self, index: int, role: str, t: int) -> Parts:
        """The parts of a series that the station computes, whose failures are classed."""
        if role == "retry_echo":
            return self._echo_parts(index, t)
        count = len(self.evaluation.class_ids)
        if role == "attempts":
            semantics = self._semantics(index)
            has_demand = semantics.max_attempts is not None and semantics.external_demand is not None
            wanted = semantics.external_demand if has_demand else semantics.arrivals
            first = self.evaluation.bound_parts(wanted, t, index) or (0.0,) * count
            return added([first, self._all_echo_parts(index, t)], count)
        failed = self.evaluation.bound_parts(self.source(index), t, index)
        assert failed is not None
        return scaled(failed, self._failed(index, t), self._exhausted(index, t))

    def _all_echo_parts(self, index: int, t: int) -> Parts:
        bound = self._semantics(index).retry_echo
        if bound is not None and self.evaluation.names[index].retry_echo is None:
            return self.evaluation.bound_parts(bound, t, index) or (0.0,) * len(self.evaluation.class_ids)
        return self._echo_parts(index, t)

    def _echo_parts(self, index: int, t: int) -> Parts:
        taps = taps_of_kernel(self._semantics(index).retry_kernel)
        rows = []
        for place, tap in enumerate(taps[: t + 1]):
            if tap != 0.0:
                failed = self.evaluation.bound_parts(self.source(index), t - place, index)
                assert failed is not None
                rows.append([kernels.safe(part) * tap for part in failed])
        raw = added(rows, len(self.evaluation.class_ids))
        return scaled(raw, sum(raw), self._own_echo(index, t))
