"""SuperTrend: a band of average true ranges that follows the price and never gives way until it is crossed."""

from __future__ import annotations

from math import isfinite

from engine.bars import Bar
from engine.indicators.atr import Atr

BULLISH = 1
BEARISH = -1


class SuperTrend:
    """The lower band while bullish, the upper band while bearish; the first value comes with bar period + 1.

    Bands lie `factor` average true ranges around the bar's middle. A band is carried over while it would move away
    from the price, unless the close before had already passed it. The direction turns when a close lies beyond the
    band of its side; a wild bar can close past both bands, and the new line then lies on the wrong side of the price.

    The first bar with a value counts as bearish, as in TradingView's `ta.supertrend`: a long position is given no stop
    by a trend that has not been seen yet. How long that start can be felt is said in `engine.indicators.kinds`.
    """

    def __init__(self, period: int = 10, factor: float = 3.0) -> None:
        if not isfinite(factor) or factor <= 0:
            raise ValueError(f"factor {factor:g}: above 0")
        self._atr = Atr(period)
        self._factor = factor
        self._upper = 0.0
        self._lower = 0.0
        self._close_before_paise = 0
        self._direction = 0

    @property
    def value(self) -> float | None:
        """In paise; None until period + 1 bars have come."""
        if self._direction == 0:
            return None
        return self._lower if self._direction == BULLISH else self._upper

    @property
    def direction(self) -> int:
        """BULLISH, BEARISH, or 0 before the first value."""
        return self._direction

    def update(self, bar: Bar) -> float | None:
        atr = self._atr.update(bar)
        if atr is None:
            return None
        middle, reach = (bar.high_paise + bar.low_paise) / 2, self._factor * atr
        upper, lower = middle + reach, middle - reach
        close, before = bar.close_paise, self._close_before_paise
        self._close_before_paise = close
        if self._direction == 0:
            self._upper, self._lower, self._direction = upper, lower, BEARISH
            return upper
        if upper < self._upper or before > self._upper:
            self._upper = upper
        if lower > self._lower or before < self._lower:
            self._lower = lower
        if self._direction == BULLISH:
            if close < self._lower:
                self._direction = BEARISH
        elif close > self._upper:
            self._direction = BULLISH
        return self._lower if self._direction == BULLISH else self._upper
