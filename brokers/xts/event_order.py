"""Which pushed order events still tell something: they come out of order, doubled, and late (facts/xts.md §4). Pure."""

from __future__ import annotations

from typing import Final

import msgspec

from engine.order import TERMINAL, OrderState
from engine.port import OrderReport

_KEPT_MAX: Final = 5_000
"""Orders; the oldest are forgotten first."""


class _Last(msgspec.Struct, frozen=True):
    sequence: int
    filled_qty: int
    state: OrderState


class EventOrder:
    """Of one login and day. A terminal state is final, except that a fill is heard of later."""

    def __init__(self) -> None:
        self._last: dict[str, _Last] = {}

    def forget(self) -> None:
        """After a reconnect: the numbers may count anew, and the book is read anyway."""
        self._last.clear()

    def accept(self, report: OrderReport, sequence: int) -> bool:
        """False: it is older than what was heard of this order before, or tells less. `sequence` 0 = has none."""
        last = self._last.get(report.broker_id)
        if last is not None:
            if report.filled_qty < last.filled_qty:
                return False
            if sequence and sequence <= last.sequence:
                return False
            if last.state in TERMINAL and report.filled_qty == last.filled_qty:
                return False
        newest = max(sequence, last.sequence if last is not None else 0)
        self._last.pop(report.broker_id, None)
        self._last[report.broker_id] = _Last(newest, report.filled_qty, report.state)
        if len(self._last) > _KEPT_MAX:
            del self._last[next(iter(self._last))]
        return True

    def state_of(self, broker_id: str) -> OrderState | None:
        """The last that was heard."""
        last = self._last.get(broker_id)
        return None if last is None else last.state
