"""The naked-exposure clock: for every filled unit the time without working protection (P1, P4, I-4). Pure.

A bracket is looked at once per step when the step touched it, and while it is bare; one whose protection hangs on time
alone (a level that is watched here needs a fresh price) when its price has turned stale or fresh
(`engine.exposure_sight.PriceTurns`). An interval begins with the first unprotected unit and ends when the last one is
protected or gone; in between it adds up units times nanoseconds, so a half-covered position counts its bare half. The
interval of a program that died goes on from the instant its bracket remembers.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable
from enum import StrEnum
from typing import Final

import msgspec

from engine.instant import ist_date

_MOST: Final = (1 << 63) - 1
"""What a column of the journal holds."""


class Cause(StrEnum):
    """Why units were bare; the gravest that an interval has seen names it, the last here being the gravest."""

    PLACING = "placing"
    """The stop was on its way."""
    EXITING = "exiting"
    """The stop was taken away for the order that closes the position."""
    ADOPTED = "adopted"
    """Found at the broker without a stop."""
    NO_PRICE = "no price"
    """Watched here, on a price too old to decide on."""
    BUDGET = "budget"
    """The order budget was used up."""
    SURPLUS = "surplus"
    """More was closed than was open."""
    UNKNOWN = "unknown"
    """Nobody knew whether the stop stood."""
    LOST = "lost"
    """The exchange let the stop expire."""
    BY_HAND = "by hand"
    """Somebody else cancelled it."""
    REFUSED = "refused"
    """The stop, or the exit, was refused."""


_GRAVITY: Final[dict[Cause, int]] = {cause: rank for rank, cause in enumerate(Cause)}


def gravest(causes: Iterable[Cause]) -> Cause:
    """Of at least one."""
    return max(causes, key=_GRAVITY.__getitem__)


class Exposure(msgspec.Struct, frozen=True, kw_only=True):
    """One finished interval, and its row in the journal."""

    bracket_id: str
    account: str
    bot: str
    symbol: str
    began_ns: int
    ended_ns: int
    qty: int
    """Most units that were bare at once."""
    unit_ns: int
    """Units times nanoseconds, summed over the interval."""
    cause: Cause
    trading_day: str
    """`YYYY-MM-DD`, IST: the day it ended."""


class Sight(msgspec.Struct, frozen=True, kw_only=True):
    """One look at one bracket."""

    bracket_id: str
    account: str
    bot: str
    symbol: str
    open_qty: int
    """Units held in the position's own direction; below zero for a surplus, which nothing protects."""
    covered_qty: int = 0
    """Units whose stop works at the broker."""
    is_watched: bool = False
    """Its levels are watched here, on a fresh price."""
    hangs_on_time: bool = False
    """It can lose and find its protection without an event: to be looked at when its price turns."""
    cause: Cause = Cause.PLACING
    """Should it be bare."""
    since_ns: int = 0
    """When it became so, where that was before this look; 0 = at this look."""

    @property
    def naked_qty(self) -> int:
        if self.open_qty < 0:
            return -self.open_qty
        return 0 if self.is_watched else max(self.open_qty - self.covered_qty, 0)


class ExposureFigures(msgspec.Struct, frozen=True, kw_only=True):
    """For the screen: what is bare now, and the finished intervals of the trading day."""

    naked_qty: int = 0
    since_ns: int = 0
    """Of the longest one that runs; 0 = nothing is bare."""
    count: int = 0
    p50_ns: int = 0
    p99_ns: int = 0
    worst_ns: int = 0


class _Running(msgspec.Struct, kw_only=True):
    began_ns: int
    counted_ns: int
    """Up to where the sum goes."""
    qty: int
    most: int
    unit_ns: int
    cause: Cause


class ExposureClock:
    """Keeps the running intervals and the day's finished ones."""

    def __init__(self) -> None:
        self._running: dict[str, _Running] = {}
        self._covered_ns: dict[str, int] = {}
        """When an open bracket was last seen with all its units protected: no interval begins before."""
        self._attended: set[str] = set()
        self._day = ""
        self._spans_ns: list[int] = []
        """Of the day, sorted."""

    def look(self, sight: Sight, now_ns: int) -> Exposure | None:
        """Take in one look; the interval that it ends, if it ends one. Time never runs backwards for a bracket."""
        key, qty = sight.bracket_id, sight.naked_qty
        if qty and not sight.hangs_on_time:
            self._attended.add(key)
        else:
            self._attended.discard(key)
        running = self._running.get(key)
        if running is None:
            if qty:
                self._begin(sight, now_ns)
            self._note_covered(key, sight.open_qty, qty, now_ns)
            return None
        now_ns = max(now_ns, running.counted_ns)
        running.unit_ns += running.qty * (now_ns - running.counted_ns)
        running.counted_ns = now_ns
        running.qty = qty
        self._note_covered(key, sight.open_qty, qty, now_ns)
        if qty:
            running.most = max(running.most, qty)
            running.cause = gravest((running.cause, sight.cause))
            return None
        del self._running[key]
        return self._finished(sight, running) if now_ns > running.began_ns else None  # covered in the same instant

    def restore(self, exposures: Iterable[Exposure]) -> None:
        """Count what the journal has of today."""
        for exposure in exposures:
            self._count(exposure)

    @property
    def attended(self) -> set[str]:
        """Bare brackets to be looked at in every step. What hangs on a price is bare until that turns fresh."""
        return self._attended

    def figures(self, now_ns: int) -> ExposureFigures:
        spans = self._spans_ns if self._day == ist_date(now_ns).isoformat() else []
        return ExposureFigures(
            naked_qty=sum(running.qty for running in self._running.values()),
            since_ns=min((running.began_ns for running in self._running.values()), default=0),
            count=len(spans),
            p50_ns=percentile(spans, 50),
            p99_ns=percentile(spans, 99),
            worst_ns=spans[-1] if spans else 0,
        )

    def _begin(self, sight: Sight, now_ns: int) -> None:
        since_ns = min(sight.since_ns or now_ns, now_ns)
        began_ns = min(max(since_ns, self._covered_ns.get(sight.bracket_id, 0)), now_ns)
        qty = sight.naked_qty
        self._running[sight.bracket_id] = _Running(
            began_ns=began_ns,
            counted_ns=now_ns,
            qty=qty,
            most=qty,
            unit_ns=qty * (now_ns - began_ns),
            cause=sight.cause,
        )

    def _note_covered(self, key: str, open_qty: int, naked_qty: int, now_ns: int) -> None:
        if open_qty and not naked_qty:
            self._covered_ns[key] = now_ns
        elif not open_qty:
            self._covered_ns.pop(key, None)

    def _finished(self, sight: Sight, running: _Running) -> Exposure:
        exposure = Exposure(
            bracket_id=sight.bracket_id,
            account=sight.account,
            bot=sight.bot,
            symbol=sight.symbol,
            began_ns=running.began_ns,
            ended_ns=running.counted_ns,
            qty=running.most,
            unit_ns=min(running.unit_ns, _MOST),
            cause=running.cause,
            trading_day=ist_date(running.counted_ns).isoformat(),
        )
        self._count(exposure)
        return exposure

    def _count(self, exposure: Exposure) -> None:
        if exposure.trading_day != self._day:
            self._day, self._spans_ns = exposure.trading_day, []
        insort(self._spans_ns, exposure.ended_ns - exposure.began_ns)


def percentile(ordered: list[int], percent: int) -> int:
    """Nearest rank, as `exposures_by_day_view` takes it; 0 of nothing."""
    return ordered[-(-len(ordered) * percent // 100) - 1] if ordered else 0
