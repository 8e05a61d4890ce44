"""Failed work that comes back: attempts, echo, exhausted failures and the budget of a node.

Each generation of attempts fails as all attempts do, and its failures come back by the kernel, until the
last attempt that is allowed.  Without a most number of attempts all failures come back as the kernel says
(reference: engine.md 2.8, which leaves attempts and budgets to the author).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from flowtime.engine.context import Amount, LoweringContext
from flowtime.engine.expressions import convolve, whole_row
from flowtime.engine.retry_kernel import retry_taps
from flowtime.engine.stations import Station
from flowtime_kernels import opcodes as op

__all__ = ["lower_retries"]


def lower_retries(context: LoweringContext, station: Station) -> None:
    """Fill the series of retries that the author named and left to the engine, if there are any."""
    made = station.made
    if made.retry_echo or made.attempts or made.exhausted_failures or made.retry_budget_remaining:
        _Retries(context, station).lower()


class _Retries:
    """The retries of one node."""

    def __init__(self, context: LoweringContext, station: Station) -> None:
        self._context = context
        self._builder = context.builder
        self._station = station
        self._made = station.made
        self._owner = f"{station.id} retries"
        self._taps = retry_taps(station.node.semantics.retry_kernel)
        self._source = self._bound("failures") or self._bound("errors") or Amount(self._builder.scalar(0.0))
        # Where attempts are counted, arrivals may hold the retries already: then the author says what is new.
        new = None if station.node.semantics.max_attempts is None else self._bound("externalDemand")
        self._arrivals = new or self._bound("arrivals") or Amount(self._builder.scalar(0.0))
        # The failures that come back, of all generations but the last.
        self._retried: list[int] = []

    def lower(self) -> None:
        """Fill the columns."""
        limit = self._station.node.semantics.max_attempts
        echo = self._plain() if limit is None else self._generations(limit)
        raw, allowed = echo
        self._copy(allowed, self._made.retry_echo)
        self._attempts(allowed)
        self._exhausted(raw, allowed, limit)
        budget = self._budget()
        if self._made.retry_budget_remaining is not None and budget is not None:
            out = self._context.columns[self._made.retry_budget_remaining]
            self._builder.emit(op.SUB, budget, allowed, owner=self._owner, out=out)
        self._classes(allowed)

    def _bound(self, role: str) -> Amount | None:
        return self._context.of_reference(self._station.references.get(role), self._made.queue)

    def _copy(self, column: int, name: str | None) -> None:
        if name is not None:
            self._builder.copy(column, self._context.columns[name])

    def _budget(self) -> int | None:
        given = self._station.node.semantics.retry_budget
        if given is None:
            return None
        bound = self._bound("retryBudget")
        budget = self._builder.scalar(float(given)) if isinstance(given, float | int) else bound and bound.total
        return None if budget is None else self._context.present(budget, self._owner)

    def _plain(self) -> tuple[int, int]:
        """The echo before and after the budget."""
        raw = convolve(self._builder, self._source.total, self._taps, self._owner)
        return raw, self._within_budget(raw)

    def _within_budget(self, raw: int) -> int:
        budget = self._budget()
        return raw if budget is None else self._builder.emit(op.MIN, raw, budget, owner=self._owner)

    def _generations(self, limit: int) -> tuple[int, int]:
        builder, owner = self._builder, self._owner
        attempts = self._bound("attempts")
        # Attempts that nobody bound are arrivals and echo: their column waits for both.
        tried = builder.column(owner) if attempts is None else attempts.total
        rate = builder.emit(op.DIV, self._source.total, tried, owner=owner)
        raws: list[int] = []
        places = [builder.column(owner) for _ in range(limit - 1)]
        for place in range(limit - 1):
            generation = self._arrivals.total if place == 0 else places[place - 1]
            failed = builder.emit(op.MUL, generation, rate, owner=owner)
            self._retried.append(failed)
            raws.append(convolve(builder, whole_row(builder, failed, owner), self._taps, owner))
        raw = self._context.add_up(raws, owner)
        allowed = self._within_budget(raw)
        for column, place in zip(raws, places, strict=True):
            self._scale(column, raw, allowed, place)
        if attempts is None:
            builder.emit(op.ADD, self._arrivals.total, allowed, owner=owner, out=tried)
        return raw, allowed

    def _scale(self, column: int, raw: int, allowed: int, out: int) -> None:
        if raw == allowed:
            self._builder.copy(column, out)
            return
        factor = self._builder.emit(op.DIV, allowed, raw, owner=self._owner)
        self._builder.emit(op.MUL, column, factor, owner=self._owner, out=out)

    def _attempts(self, allowed: int) -> None:
        if self._made.attempts is None:
            return
        bound = None if self._made.retry_echo is not None else self._bound("retryEcho")
        echo = allowed if bound is None else bound.total
        out = self._context.columns[self._made.attempts]
        self._builder.emit(op.ADD, self._arrivals.total, echo, owner=self._owner, out=out)

    def _exhausted(self, raw: int, allowed: int, limit: int | None) -> None:
        name, builder, owner = self._made.exhausted_failures, self._builder, self._owner
        if name is None:
            return
        share = math.fsum(self._taps)
        if limit is None:
            ended = builder.emit(op.MUL, self._source.total, builder.scalar(max(0.0, 1.0 - share)), owner=owner)
        else:
            again = self._context.add_up(self._retried, owner)
            again = builder.emit(op.MUL, again, builder.scalar(share), owner=owner)
            rest = builder.emit(op.SUB, self._source.total, again, owner=owner)
            ended = builder.emit(op.MAX, builder.scalar(0.0), rest, owner=owner)
        if raw != allowed:
            refused = builder.emit(op.SUB, raw, allowed, owner=owner)
            ended = builder.emit(op.ADD, ended, refused, owner=owner)
        builder.copy(ended, self._context.columns[name])

    def _classes(self, allowed: int) -> None:
        source, context = self._source, self._context
        if source.parts is None:
            return
        raws = tuple(convolve(self._builder, part, self._taps, self._owner) for part in source.parts)
        echo = context.scaled(raws, context.add_up(raws, self._owner), allowed, self._owner)
        self._fill(self._made.retry_echo, echo)
        if self._made.attempts is not None:
            arrivals: Sequence[int] = self._arrivals.parts or context.zeros()
            pairs = zip(arrivals, echo, strict=True)
            attempts = tuple(self._builder.emit(op.ADD, *pair, owner=self._owner) for pair in pairs)
            self._fill(self._made.attempts, attempts)
        if self._made.exhausted_failures is not None:
            total = context.columns[self._made.exhausted_failures]
            self._fill(self._made.exhausted_failures, context.scaled(source.parts, source.total, total, self._owner))

    def _fill(self, name: str | None, parts: tuple[int, ...]) -> None:
        if name is not None and name in self._context.classes:
            self._context.fill(parts, self._context.classes[name])
