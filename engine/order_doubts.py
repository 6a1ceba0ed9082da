"""What became of each order that nobody answered for: how often it was looked for, and how the doubt ended. Pure.

The screen tells it beside the order (style/tui.md §7.2, §11), also afterwards: found, or never placed.
"""

from __future__ import annotations

from typing import Final

import msgspec

from engine.blotter import ABSENT
from engine.order import Order, OrderState

_KEPT: Final = 200
"""Doubts remembered; the oldest that have ended go first (X3)."""


class Doubt(msgspec.Struct, kw_only=True):
    """One unanswered order. Instants in exchange nanoseconds, 0 = not yet."""

    since_ns: int
    looks: int = 0
    """Clean reads of the broker's book that did not show it."""
    failed_looks: int = 0
    """Reads without an answer: they prove nothing (faults §4.7)."""
    ended_ns: int = 0
    outcome: str = ""
    """`found, trigger-pending`, `never placed`."""


class OrderDoubts:
    """The newest doubt of each order, by tag."""

    def __init__(self) -> None:
        self._doubts: dict[str, Doubt] = {}
        self.version = 0
        """Grows with every change, so that a picture knows when it is old."""

    def of(self, tag: str) -> Doubt | None:
        return self._doubts.get(tag)

    def note(self, order: Order, now_ns: int) -> None:
        """An order has changed: a doubt begins, ends, or neither."""
        doubt = self._doubts.get(order.tag)
        is_open = doubt is not None and not doubt.outcome
        if order.state is OrderState.UNKNOWN and not is_open:
            self._begin(order)
        elif doubt is not None and is_open and order.state is not OrderState.UNKNOWN:
            self.version += 1
            doubt.ended_ns = now_ns
            doubt.outcome = "never placed" if order.reject_code == ABSENT else f"found, {order.state.value}"

    def looked(self, order: Order, *, failed: bool = False) -> None:
        """A read of the book was asked for its sake: it did not show the order, or gave no answer."""
        doubt = self._doubts.get(order.tag)
        if doubt is None or doubt.outcome:
            doubt = self._begin(order)
        self.version += 1
        if failed:
            doubt.failed_looks += 1
        else:
            doubt.looks += 1

    def _begin(self, order: Order) -> Doubt:
        self.version += 1
        self._doubts.pop(order.tag, None)
        ended = [tag for tag, doubt in self._doubts.items() if doubt.outcome]
        for tag in ended[: max(0, len(self._doubts) + 1 - _KEPT)]:
            del self._doubts[tag]
        doubt = self._doubts[order.tag] = Doubt(since_ns=order.state_ns)
        return doubt
