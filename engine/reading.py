"""What an exit rule or an entry asks of an instrument's candles, and what it gets: a value with the bar it belongs to.

`IndicatorSpec("supertrend", (10, 2.0))` is `supertrend(10, 2.0)` on one-minute candles. Values are estimates in paise
(floats); they become a price only through `engine.money.round_to_tick`.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from engine.bars import Bar
from engine.instant import NS_PER_S

MINUTE_NS = 60 * NS_PER_S


class IndicatorSpec(msgspec.Struct, frozen=True):
    """One indicator of one instrument. `kind`: `supertrend`, `adx`, `atr`, `ema` or `sma`; `args` as its class takes
    them."""

    kind: str
    args: tuple[int | float, ...]
    interval_ns: int = MINUTE_NS

    def __str__(self) -> str:
        return f"{self.kind}({', '.join(f'{arg:g}' for arg in self.args)})"


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """An indicator's newest value, on closed candles only."""

    value: float
    """In paise, or the indicator's own unit (ADX: 0 to 100)."""
    previous: float | None = None
    """The value one candle earlier; None on the first one."""
    direction: int = 0
    """SuperTrend: 1 bullish, -1 bearish; 0 for indicators without one."""
    previous_direction: int = 0
    missing_bars: int = 0
    """Candles still to come until its start can no longer be felt; a rule does not arm on a guess."""
    bar: Bar
    """The candle that made it."""
    bar_end_ns: int
    """Exchange instant at which that candle closed; its age is shown with the rule."""


class Readings(Protocol):
    """Looks up the newest readings of one instrument."""

    def reading(self, spec: IndicatorSpec) -> Reading | None:
        """None until the indicator has seen enough candles, or when nobody feeds it."""
        ...


class NoReadings:
    """For rules that ask for none, and for positions whose candles are not kept."""

    def reading(self, spec: IndicatorSpec) -> Reading | None:
        return None
