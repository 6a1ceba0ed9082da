"""Which rows a panel shows and which of them the cursor is on; pure, from a picture of the desk.

A cursor remembers the *thing* (a symbol, a tag), so that re-sorted rows do not move it to a neighbour.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.order import EXIT_ROLES, OrderState
from engine.view import BracketView, DeskView, LegView, LogLine, OrderView, ProtectionWord
from tui.format import SEVERITY, clean


class Cursor:
    """A position in a list that stays on the same thing; when the thing is gone, on what took its place."""

    def __init__(self) -> None:
        self._key = ""
        self._index = 0

    def locate(self, keys: Sequence[str]) -> int:
        """Index of the thing in `keys`, -1 when there is none."""
        if not keys:
            return -1
        if self._key not in keys:
            self._index = min(self._index, len(keys) - 1)
            self._key = keys[self._index]
        else:
            self._index = keys.index(self._key)
        return self._index

    def move(self, keys: Sequence[str], by: int) -> None:
        index = self.locate(keys)
        if index >= 0:
            self._index = max(0, min(len(keys) - 1, index + by))
            self._key = keys[self._index]

    def put(self, key: str) -> None:
        self._key = key


def top_for_cursor(top: int, index: int, height: int, count: int) -> int:
    """First visible row so that row `index` is inside `height` rows and no row is wasted below the end."""
    if height <= 0:
        return 0
    if index >= 0:
        top = min(top, index)
        top = max(top, index - height + 1)
    return max(0, min(top, count - height))


def shown_orders(view: DeskView, wanted: str) -> list[OrderView]:
    """Orders that match the filter: unknown, working, rejected, other ended; newest first in each group.

    An unknown order is never filtered away (style/tui.md §7).
    """
    spoken = wanted.casefold()
    matching = [
        order
        for order in view.orders
        if not spoken or order.state is OrderState.UNKNOWN or spoken in order_words(order).casefold()
    ]
    return sorted(matching, key=_order_rank)


def _order_rank(order: OrderView) -> int:
    if order.state is OrderState.UNKNOWN:
        return 0
    if order.is_open:
        return 1
    return 2 if order.state is OrderState.REJECTED else 3


def order_words(order: OrderView) -> str:
    """What a filter looks at."""
    return f"{order.tag} {order.name} {order.side} {order.role} {order.state} {order.why} {order.broker_id}"


def log_matches(entry: LogLine, wanted: str) -> bool:
    spoken = wanted.casefold()
    return not spoken or spoken in f"{entry.level} {entry.source} {entry.text}".casefold()


def shown_brackets(view: DeskView) -> list[BracketView]:
    """Brackets with an alarm first."""
    return sorted(view.brackets, key=lambda bracket: not bracket.alarm)


def is_order_of(order: OrderView, leg: LegView) -> bool:
    """Two bots may hold one symbol: an order belongs to one of them."""
    return order.symbol == leg.symbol and order.bot in ("", leg.bot)


def leg_of(view: DeskView, order: OrderView) -> LegView | None:
    return next((leg for leg in view.legs if is_order_of(order, leg)), None)


def leg_named(view: DeskView, name: str, bot: str = "") -> LegView | None:
    return next((leg for leg in view.legs if leg.name == name and bot in ("", leg.bot)), None)


def bot_of(view: DeskView, leg: LegView) -> str:
    """Whose leg a request means; empty while the desk runs only one bot, because then the symbol says it all."""
    return leg.bot if any(other.bot != leg.bot for other in view.legs) else ""


def most_severe_leg(view: DeskView) -> LegView | None:
    """The leg that needs a trader most: unproven or missing protection, the longest naked first."""
    worrying = [leg for leg in view.legs if SEVERITY[leg.protection] < SEVERITY[ProtectionWord.PLACING]]
    return min(worrying, key=lambda leg: (SEVERITY[leg.protection], leg.naked_since_ns), default=None)


def unknown_order(view: DeskView) -> OrderView | None:
    return next((order for order in view.orders if order.state is OrderState.UNKNOWN), None)


def is_protective(order: OrderView) -> bool:
    return order.role in EXIT_ROLES


def open_legs(view: DeskView) -> list[LegView]:
    return [leg for leg in view.legs if leg.open_qty]


def working_orders(view: DeskView) -> list[OrderView]:
    return [order for order in view.orders if order.is_open]


def names_of(legs: Sequence[LegView]) -> str:
    return ", ".join(f"{clean(leg.name)} {abs(leg.open_qty)}" for leg in legs)
