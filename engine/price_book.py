"""The newest price of one instrument and the armed band around it: a tick inside the band touches nothing."""

from __future__ import annotations

from engine.instrument import Instrument
from engine.tick import NO_TICK, Tick
from engine.venue_rules import lpp_gap_paise

NO_LOW = 0
NO_HIGH = 1 << 60


class PriceBook:
    """Slots, because the desk reads it on every tick. `low < ltp < high` means that no bracket has to look, and that
    nobody doubts the price."""

    __slots__ = ("_armed", "_sane", "at_ns", "high", "instrument", "is_charted", "low", "previous_paise", "tick")

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.tick: Tick = NO_TICK
        self.at_ns = 0
        """Exchange time of the newest accepted tick; older ones are dropped (M2)."""
        self.previous_paise = 0
        """The last price before the newest, for the direction mark."""
        self.low = NO_HIGH
        self.high = NO_HIGH
        """The first price is looked at."""
        self._armed = (NO_LOW, NO_HIGH)
        self._sane = (NO_HIGH, NO_HIGH)
        self.is_charted = False
        """Somebody wants its candles: every tick counts for them."""

    def arm(self, low: int, high: int) -> None:
        """Prices between these touch nobody's levels."""
        if self._armed != (low, high):
            self._armed = (low, high)
            self._set_band()

    def centre(self, ltp_paise: int) -> bool:
        """A price was believed: nobody doubts those around it. True when it touches nobody's levels."""
        gap = lpp_gap_paise(ltp_paise)
        self._sane = (ltp_paise - gap, ltp_paise + gap)
        self._set_band()
        return self._armed[0] < ltp_paise < self._armed[1]

    def _set_band(self) -> None:
        self.low = max(self._armed[0], self._sane[0])
        self.high = min(self._armed[1], self._sane[1])

    def age_ns(self, now_ns: int) -> int:
        """Age of the newest tick; without one, the age of everything."""
        return now_ns - self.at_ns

    def is_fresh(self, now_ns: int, max_age_ns: int) -> bool:
        return self.at_ns > 0 and now_ns - self.at_ns <= max_age_ns
