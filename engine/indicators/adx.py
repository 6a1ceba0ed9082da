"""Average directional index: how strong a trend is, whichever way it goes."""

from __future__ import annotations

from engine.bars import Bar
from engine.indicators.atr import true_range
from engine.indicators.length import checked_length

_ZERO = 1e-14
"""TA-Lib takes anything smaller for zero and then leaves the index as it was; so do we."""


class Adx:
    """Wilder's ADX as TA-Lib counts it, from 0 to 100; the first value comes with bar 2 x length.

    Directional moves and true ranges are summed over the first `length` - 1 steps, then smoothed; the mean of the next
    `length` directional indices is the first value, which is then smoothed itself.
    """

    def __init__(self, length: int = 14) -> None:
        self._length = checked_length(length, at_least=2)
        self._steps = 0
        self._before: Bar | None = None
        self._up = 0.0
        self._down = 0.0
        self._range = 0.0
        self._index_sum = 0.0
        self._value: float | None = None

    @property
    def value(self) -> float | None:
        """None until 2 x `length` bars have come."""
        return self._value

    def update(self, bar: Bar) -> float | None:
        before, self._before = self._before, bar
        if before is None:
            return None
        self._steps += 1
        rise = bar.high_paise - before.high_paise
        fall = before.low_paise - bar.low_paise
        up = rise if rise > fall and rise > 0 else 0
        down = fall if fall > rise and fall > 0 else 0
        length = self._length
        if self._steps < length:
            self._up += up
            self._down += down
            self._range += true_range(bar, before.close_paise)
            return None
        self._up = self._up - self._up / length + up
        self._down = self._down - self._down / length + down
        self._range = self._range - self._range / length + true_range(bar, before.close_paise)
        index = self._directional_index()
        if self._value is not None:
            if index is not None:
                self._value = (self._value * (length - 1) + index) / length
            return self._value
        self._index_sum += index or 0.0
        if self._steps == 2 * length - 1:
            self._value = self._index_sum / length
        return self._value

    def _directional_index(self) -> float | None:
        """How one-sided the moves are, from 0 to 100; None when nothing moved."""
        if self._range < _ZERO:
            return None
        up, down = 100.0 * (self._up / self._range), 100.0 * (self._down / self._range)
        both = up + down
        return 100.0 * (abs(up - down) / both) if both >= _ZERO else None
