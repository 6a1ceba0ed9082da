"""The optional trend gate of bar signals: says whether an entry may be queued, and if not, why (LEG-59, F-19).

Open when the fast average lies above the slow one, the average true range is large enough and the last high is above
the one before, after a warm-up of whole days. It is asked 5 s before a bar ends, so it is asked with the forming bar,
which then counts as the last one. Pure; fed with the bars of the group's underlying or primary leg.
"""

from __future__ import annotations

from datetime import date

import msgspec

from engine.bars import Bar
from engine.indicators.atr import Atr
from engine.indicators.ema import Ema
from engine.instant import ist_date

ATR_LENGTH = 14


class TrendSettings(msgspec.Struct, frozen=True, kw_only=True):
    """From config (`[legs.trend_gate]`)."""

    ema_fast: int = 5
    ema_slow: int = 20
    atr_min_paise: int = 200
    warmup_days: int = 5
    """Days with bars before the day that asks."""


class GateVerdict(msgspec.Struct, frozen=True):
    """`reason` says in one clause why the gate is closed; empty when it is open."""

    is_open: bool
    reason: str = ""


class TrendGate:
    """One group's gate; feed `add` with finished bars in order, history first."""

    def __init__(self, settings: TrendSettings) -> None:
        self._settings = settings
        self._fast = Ema(settings.ema_fast)
        self._slow = Ema(settings.ema_slow)
        self._atr = Atr(ATR_LENGTH)
        self._last: Bar | None = None
        self._high_before_paise: int | None = None
        self._days_finished = 0
        """Days whose last bar is known because a bar of a later day came."""

    def add(self, bar: Bar) -> None:
        """Take a finished bar; one that is not after the last is dropped (a replayed or doubled bar)."""
        if self._last is not None:
            if bar.start_ns <= self._last.start_ns:
                return
            self._days_finished += ist_date(bar.start_ns) != ist_date(self._last.start_ns)
            self._high_before_paise = self._last.high_paise
        self._fast.update(bar.close_paise)
        self._slow.update(bar.close_paise)
        self._atr.update(bar)
        self._last = bar

    def verdict(self, today: date, forming: Bar | None = None) -> GateVerdict:
        """May an entry be queued now? `forming` is the bar about to end; without it the last finished bar counts."""
        if forming is not None and self._last is not None and forming.start_ns <= self._last.start_ns:
            forming = None
        last = forming or self._last
        high_before_paise = self._high_before_paise
        if forming is not None and self._last is not None:
            high_before_paise = self._last.high_paise
        reason = self._warmup_reason(today) or self._trend_reason(forming) or _high_reason(last, high_before_paise)
        return GateVerdict(not reason, reason)

    def _warmup_reason(self, today: date) -> str:
        days = self._days_finished
        if self._last is not None and ist_date(self._last.start_ns) != today:
            days += 1
        wanted = self._settings.warmup_days
        return f"trend gate: warm-up, {days} of {wanted} days" if days < wanted else ""

    def _trend_reason(self, forming: Bar | None) -> str:
        settings = self._settings
        fast = self._fast.value if forming is None else self._fast.peek(forming.close_paise)
        slow = self._slow.value if forming is None else self._slow.peek(forming.close_paise)
        atr = self._atr.value if forming is None else self._atr.peek(forming)
        if fast is None or slow is None or atr is None:
            return "trend gate: too few bars"
        if fast <= slow:
            return (
                f"trend gate: EMA{settings.ema_fast} {_points(fast)} not above EMA{settings.ema_slow} {_points(slow)}"
            )
        if atr < settings.atr_min_paise:
            return f"trend gate: ATR{ATR_LENGTH} {_points(atr)} below {_points(settings.atr_min_paise)}"
        return ""


def _high_reason(last: Bar | None, high_before_paise: int | None) -> str:
    if last is None or high_before_paise is None:
        return "trend gate: too few bars"
    if last.high_paise <= high_before_paise:
        return f"trend gate: high {_points(last.high_paise)} not above {_points(high_before_paise)}"
    return ""


def _points(paise: float) -> str:
    return f"{paise / 100:.2f}"
