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
        self._forming: Bar | None = None

    @property
    def forming(self) -> Bar | None:
        """The unfinished bar; None before its first tick."""
        return self._forming

    def begin_day(self, open_ns: int, close_ns: int, since_ns: int = 0) -> Bar | None:
        """Bars of this day run from `open_ns` to `close_ns`; returns the last bar of the day before, if unfinished.

        A bar that opened before `since_ns` was not seen whole and is never given out.
        """
        finished = self._finish()
        self._open_ns, self._close_ns, self._since_ns = open_ns, close_ns, since_ns
        return finished

    def add(self, at_ns: int, price_paise: int) -> Bar | None:
        """Take one price; returns the bar that it ended, if any. Prices outside the day or out of order are dropped."""
        if not self._open_ns <= at_ns < self._close_ns:
            return None
        start_ns = self._bar_start(at_ns)
        forming = self._forming
        if forming is not None and start_ns < forming.start_ns:
            return None
        if forming is not None and start_ns == forming.start_ns:
            self._forming = Bar(
                start_ns=start_ns,
                open_paise=forming.open_paise,
                high_paise=max(forming.high_paise, price_paise),
                low_paise=min(forming.low_paise, price_paise),
                close_paise=price_paise,
            )
            return None
        finished = self._finish()
        self._forming = Bar(
            start_ns=start_ns,
            open_paise=price_paise,
            high_paise=price_paise,
            low_paise=price_paise,
            close_paise=price_paise,
        )
        return finished

    def close_until(self, now_ns: int) -> Bar | None:
        """End the forming bar when its time is over, tick or no tick."""
        if self._forming is None or now_ns < self._bar_end(self._forming.start_ns):
            return None
        return self._finish()

    def _finish(self) -> Bar | None:
        finished, self._forming = self._forming, None
        return finished if finished is not None and finished.start_ns >= self._since_ns else None

    def _bar_start(self, at_ns: int) -> int:
        if self._interval_ns == DAILY:
            return self._open_ns
        return at_ns - (at_ns - self._open_ns) % self._interval_ns

    def _bar_end(self, start_ns: int) -> int:
        if self._interval_ns == DAILY:
            return self._close_ns
        return min(start_ns + self._interval_ns, self._close_ns)
