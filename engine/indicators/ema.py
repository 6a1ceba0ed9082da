"""Exponential moving average."""

from __future__ import annotations

from engine.indicators.length import checked_length


class Ema:
    """The plain mean of the first `length` values, then weight 2 / (length + 1): TA-Lib's EMA."""

    def __init__(self, length: int) -> None:
        self._length = checked_length(length)
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
