"""Moving averages and ranges, one bar at a time in constant work, equal to TA-Lib's definitions.

Indicators are estimates and no money: they are floats, in the unit of what is put in (here paise). The values never
become a price or a quantity without being rounded to a tick by `engine.money`.
"""

from __future__ import annotations

from engine.bars import Bar


class Ema:
    """Exponential moving average: the plain mean of the first `length` values, then weight 2 / (length + 1)."""

    def __init__(self, length: int) -> None:
        if length < 1:
            raise ValueError(f"length {length}: at least 1")
        self._length = length
        self._weight = 2.0 / (length + 1)
        self._count = 0
        self._sum = 0.0
        self._value: float | None = None

    @property
    def value(self) -> float | None:
        """None until `length` values have come."""
        return self._value

    def peek(self, value: float) -> float | None:
        """What `update` would answer; changes nothing."""
        if self._value is not None:
            return self._value + (value - self._value) * self._weight
        if self._count + 1 == self._length:
            return (self._sum + value) / self._length
        return None

    def update(self, value: float) -> float | None:
        self._value = self.peek(value)
        if self._value is None:
            self._count += 1
            self._sum += value
        return self._value


class Atr:
    """Average true range: the mean of the first `length` true ranges, then Wilder's smoothing.

    The first bar has no true range, as there is no close before it; the first value comes with bar length + 1.
    """

    def __init__(self, length: int = 14) -> None:
        if length < 1:
            raise ValueError(f"length {length}: at least 1")
        self._length = length
        self._count = 0
        self._sum = 0.0
        self._close_before_paise: int | None = None
        self._value: float | None = None

    @property
    def value(self) -> float | None:
        """None until `length` true ranges have come."""
        return self._value

    def peek(self, bar: Bar) -> float | None:
        """What `update` would answer; changes nothing."""
        range_paise = self._true_range(bar)
        if range_paise is None:
            return None
        if self._value is not None:
            return (self._value * (self._length - 1) + range_paise) / self._length
        if self._count + 1 == self._length:
            return (self._sum + range_paise) / self._length
        return None

    def update(self, bar: Bar) -> float | None:
        range_paise = self._true_range(bar)
        self._value = self.peek(bar)
        if range_paise is not None and self._value is None:
            self._count += 1
            self._sum += range_paise
        self._close_before_paise = bar.close_paise
        return self._value

    def _true_range(self, bar: Bar) -> int | None:
        """The bar's range, the gap from the close before included; None for the first bar."""
        before_paise = self._close_before_paise
        if before_paise is None:
            return None
        return max(bar.high_paise, before_paise) - min(bar.low_paise, before_paise)
