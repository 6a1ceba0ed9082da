"""One number for everything the desk decided: same events, same hash (X5, OPS-32).

Covers each order command's instant, instrument, role, terms and reason. Tags and ids are left out: they name a run, not
a decision, so the same day run twice into one journal gives the same hash.
"""

from __future__ import annotations

import hashlib

from engine.order import Order
from engine.outbox import CancelOrder, ModifyOrder, OrderCommand, PlaceOrder


class DecisionHash:
    """SHA-256 over one line per command, in the order they were decided."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self.count = 0

    def add(self, command: OrderCommand, order: Order, at_ns: int) -> None:
        self._digest.update(_line(command, order, at_ns).encode())
        self.count += 1

    def text(self) -> str:
        """64 hex digits."""
        return self._digest.hexdigest()


def _line(command: OrderCommand, order: Order, at_ns: int) -> str:
    who = f"{at_ns} {order.bot} {order.symbol} {order.role.value} {order.side.value}"
    match command:
        case PlaceOrder():
            terms = f"{order.type.value} {order.qty} {order.limit_paise} {order.trigger_paise} {order.reason}"
            return f"place {who} {terms}\n"
        case ModifyOrder():
            terms = f"{command.type.value} {command.qty} {command.limit_paise} {command.trigger_paise}"
            return f"modify {who} {terms} {command.context}\n"
        case CancelOrder():
            return f"cancel {who} {command.context}\n"
