"""What the venue remembers of each instrument's day (open, high, low, minute bars), from the floor's ticks. Pure."""

from __future__ import annotations

from collections import deque
from typing import Final

import msgspec

from engine.instant import NS_PER_DAY, NS_PER_S, ist_time_ns
from engine.tick import Tick

_MINUTE_NS: Final = 60 * NS_PER_S
_OPEN_NS: Final = (9 * 3600 + 15 * 60) * NS_PER_S
"""Bars are counted from 09:15 IST."""
_BARS_MAX: Final = 2000


class VenueBar(msgspec.Struct):
    """One bar; `ticks` stands for a volume, which the floor does not have."""

    start_ns: int
    open_paise: int
    high_paise: int
    low_paise: int
    close_paise: int
    ticks: int = 1

    def add(self, other: VenueBar) -> None:
        self.high_paise = max(self.high_paise, other.high_paise)
        self.low_paise = min(self.low_paise, other.low_paise)
        self.close_paise = other.close_paise
        self.ticks += other.ticks


class DayPrices:
    """One instrument; the close of the session before is not known and shown as the open."""

    def __init__(self) -> None:
        self.tick: Tick | None = None
        self.day = VenueBar(0, 0, 0, 0, 0, 0)
        self._minutes: deque[VenueBar] = deque(maxlen=_BARS_MAX)

    def on_tick(self, tick: Tick) -> None:
        self.tick = tick
        day_ns = tick.at_ns - ist_time_ns(tick.at_ns)
        start_ns = tick.at_ns - ist_time_ns(tick.at_ns) % _MINUTE_NS
        ltp = tick.ltp_paise
        if self.day.start_ns != day_ns:
            self.day = VenueBar(day_ns, ltp, ltp, ltp, ltp)
        else:
            self.day.add(VenueBar(day_ns, ltp, ltp, ltp, ltp))
        if self._minutes and self._minutes[-1].start_ns == start_ns:
            self._minutes[-1].add(VenueBar(start_ns, ltp, ltp, ltp, ltp))
        else:
            self._minutes.append(VenueBar(start_ns, ltp, ltp, ltp, ltp))

    def bars(self, minutes: int, from_ns: int, to_ns: int) -> list[VenueBar]:
        """Bars that start within [from, to], as Kite counts them."""
        found: list[VenueBar] = []
        span_ns = minutes * _MINUTE_NS
        for bar in self._minutes:
            day_ns = bar.start_ns - ist_time_ns(bar.start_ns)
            first_ns = day_ns if span_ns >= NS_PER_DAY else day_ns + _OPEN_NS
            start_ns = first_ns + (bar.start_ns - first_ns) // span_ns * span_ns
            if found and found[-1].start_ns == start_ns:
                found[-1].add(bar)
            else:
                found.append(msgspec.structs.replace(bar, start_ns=start_ns))
        return [bar for bar in found if from_ns <= bar.start_ns <= to_ns]
