"""Simple moving average."""

from __future__ import annotations

from collections import deque

from engine.indicators.length import checked_length


class Sma:
    """The plain mean of the last `length` values. Whole numbers (paise) are summed exactly, so nothing drifts."""

    def __init__(self, length: int) -> None:
        self._length = checked_length(length)
        self._window: deque[int] = deque()
        self._sum = 0
        self._value: float | None = None

    @property
    def value(self) -> float | None:
        """None until `length` values have come."""
        return self._value

    def update(self, value: int) -> float | None:
        self._window.append(value)
        self._sum += value
        if len(self._window) > self._length:
            self._sum -= self._window.popleft()
        if len(self._window) == self._length:
            self._value = self._sum / self._length
        return self._value
