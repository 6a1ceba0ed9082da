"""The newest price of one instrument and the armed band around it: a tick inside the band touches nothing."""

from __future__ import annotations

from engine.instrument import Instrument
from engine.tick import NO_TICK, Tick

NO_LOW = 0
NO_HIGH = 1 << 60


class PriceBook:
    """Slots, because the desk reads it on every tick. `low < ltp < high` means no bracket has to look."""

    __slots__ = ("at_ns", "high", "instrument", "is_charted", "low", "previous_paise", "tick")

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.tick: Tick = NO_TICK
        self.at_ns = 0
        """Exchange time of the newest accepted tick; older ones are dropped (M2)."""
        self.previous_paise = 0
        """The last price before the newest, for the direction mark."""
        self.low = NO_LOW
        self.high = NO_HIGH
        self.is_charted = False
        """Somebody wants its candles: every tick counts for them."""

    def age_ns(self, now_ns: int) -> int:
        """Age of the newest tick; without one, the age of everything."""
        return now_ns - self.at_ns

    def is_fresh(self, now_ns: int, max_age_ns: int) -> bool:
        return self.at_ns > 0 and now_ns - self.at_ns <= max_age_ns
