"""Cuts ticks into open-high-low-close bars of one interval, counted from the day's open.

Bars end by the clock as well as by the next tick: no tick need ever come (facts/market.md §0.13). An interval without
a tick has no bar. Prices in paise, instants in nanoseconds.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from engine.instant import NS_PER_DAY, NS_PER_S

DAILY: Final = 0
"""The interval `D`: one bar a day, from the open to the close."""

# An entry trigger looks 5 s before a bar's end and 1 s after it: a shorter bar has no room for both.
SHORTEST_INTERVAL_NS: Final = 10 * NS_PER_S

_INTERVAL: Final = re.compile(r"([1-9][0-9]{0,3})([smh])")
_UNIT_S: Final = {"s": 1, "m": 60, "h": 3600}


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """One bar; `start_ns` belongs to it, `start_ns` + interval does not."""

    start_ns: int
    open_paise: int
    high_paise: int
    low_paise: int
    close_paise: int


def parse_interval(text: str) -> int:
    """`30s`, `5m`, `1h` in nanoseconds, `D` as DAILY. Raises ValueError with what is allowed."""
    if text == "D":
        return DAILY
    match = _INTERVAL.fullmatch(text)
    interval_ns = int(match[1]) * _UNIT_S[match[2]] * NS_PER_S if match else 0
    if not SHORTEST_INTERVAL_NS <= interval_ns <= NS_PER_DAY:
        raise ValueError(f"interval {text!r}: a bar length from 10s to 24h such as 30s, 5m or 1h, or D for the day")
    return interval_ns


class BarBuilder:
    """The bars of one instrument; `begin_day` first, then ticks in time order."""

    def __init__(self, interval_ns: int) -> None:
        self._interval_ns = interval_ns
        self._open_ns = 0
        self._close_ns = 0
        self._since_ns = 0
        self._start_ns = 0
        self._end_ns = 0
        self._over_ns = 0
        """A price from before this instant comes too late."""
        self._is_forming = False
        self._open_paise = self._high_paise = self._low_paise = self._close_paise = 0

    @property
    def forming(self) -> Bar | None:
        """The unfinished bar; None before its first tick."""
        return self._bar() if self._is_forming else None

    @property
    def forming_end_ns(self) -> int:
        """The instant at which the unfinished bar ends; 0 without one."""
        return self._end_ns if self._is_forming else 0

    def begin_day(self, open_ns: int, close_ns: int, since_ns: int = 0) -> Bar | None:
        """Bars of this day run from `open_ns` to `close_ns`; returns the last bar of the day before, if unfinished.

        A bar that opened before `since_ns` was not seen whole and is never given out.
        """
        finished = self._finish()
        self._open_ns, self._close_ns, self._since_ns = open_ns, close_ns, since_ns
        return finished

    def add(self, at_ns: int, price_paise: int) -> Bar | None:
        """Take one price; returns the bar that it ended, if any.

        Prices outside the day, out of order or of a bar that has already ended by the clock are dropped.
        """
        if self._is_forming and self._start_ns <= at_ns < self._end_ns:
            if price_paise > self._high_paise:
                self._high_paise = price_paise
            elif price_paise < self._low_paise:
                self._low_paise = price_paise
            self._close_paise = price_paise
            return None
        if at_ns < self._over_ns or not self._open_ns <= at_ns < self._close_ns:
            return None
        finished = self._finish()
        self._start_ns = self._over_ns = self._bar_start(at_ns)
        self._end_ns = self.end_of(self._start_ns)
        self._open_paise = self._high_paise = self._low_paise = self._close_paise = price_paise
        self._is_forming = True
        return finished

    def close_until(self, now_ns: int) -> Bar | None:
        """End the forming bar when its time is over, tick or no tick."""
        if self._is_forming and now_ns < self._end_ns:
            return None
        finished = self._finish()
        if now_ns >= self._open_ns:
            over_ns = self._bar_start(now_ns) if now_ns < self._close_ns else self._close_ns
            self._over_ns = max(self._over_ns, over_ns)
        return finished

    def end_of(self, start_ns: int) -> int:
        """The instant at which a bar that starts here is over; the close cuts the day's last one."""
        if self._interval_ns == DAILY:
            return self._close_ns
        if start_ns < self._open_ns:
            return start_ns + self._interval_ns
        return min(start_ns + self._interval_ns, self._close_ns)

    def _finish(self) -> Bar | None:
        """The forming bar, unless it was not seen whole; there is none afterwards."""
        if not self._is_forming:
            return None
        self._is_forming, self._over_ns = False, self._end_ns
        return self._bar() if self._start_ns >= self._since_ns else None

    def _bar(self) -> Bar:
        return Bar(
            start_ns=self._start_ns,
            open_paise=self._open_paise,
            high_paise=self._high_paise,
            low_paise=self._low_paise,
            close_paise=self._close_paise,
        )

    def _bar_start(self, at_ns: int) -> int:
        if self._interval_ns == DAILY:
            return self._open_ns
        return at_ns - (at_ns - self._open_ns) % self._interval_ns
