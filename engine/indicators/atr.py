"""Average true range."""

from __future__ import annotations

from engine.bars import Bar
from engine.indicators.length import checked_length


class Atr:
    """The mean of the first `length` true ranges, then Wilder's smoothing: TA-Lib's ATR.

    The first bar has no true range, as there is no close before it; the first value comes with bar length + 1.
    """

    def __init__(self, length: int = 14) -> None:
        self._length = checked_length(length)
        self._count = 0
        self._sum = 0.0
        self._close_before_paise: int | None = None
        self._value: float | None = None

    @property
    def value(self) -> float | None:
        """In paise; None until `length` true ranges have come."""
        return self._value

    def peek(self, bar: Bar) -> float | None:
        """What `update` would answer; changes nothing."""
        before_paise = self._close_before_paise
        return None if before_paise is None else self._next(true_range(bar, before_paise))

    def update(self, bar: Bar) -> float | None:
        before_paise, self._close_before_paise = self._close_before_paise, bar.close_paise
        if before_paise is None:
            return None
        range_paise = true_range(bar, before_paise)
        self._value = self._next(range_paise)
        if self._value is None:
            self._count += 1
            self._sum += range_paise
        return self._value

    def _next(self, range_paise: int) -> float | None:
        if self._value is not None:
            return (self._value * (self._length - 1) + range_paise) / self._length
        if self._count + 1 == self._length:
            return (self._sum + range_paise) / self._length
        return None


def true_range(bar: Bar, close_before_paise: int) -> int:
    """The bar's range, the gap from the close before included."""
    high, low = bar.high_paise, bar.low_paise
    return (high if high > close_before_paise else close_before_paise) - (
        low if low < close_before_paise else close_before_paise
    )
