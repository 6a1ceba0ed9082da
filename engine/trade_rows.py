"""The day's trade book, sorted by the position each trade belongs to. Pure.

Trade records name no product, their orders do; and a busy day's book is long while its rows are many, so it is sorted
once for each book that was heard and not walked for every row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from engine.order import Order, Trade
from engine.port import OrderReport
from engine.reconcile import OLD_BOOK_NS, Key, key_of

if TYPE_CHECKING:
    from engine.desk import Desk
    from engine.desk_account import DeskAccount


class TradeRows:
    """The newest trade book, whole."""

    def __init__(self, desk: Desk, account: DeskAccount) -> None:
        self._desk = desk
        self._account = account
        self.all: Sequence[Trade] = ()
        self.heard = 0
        """How many books and pushed records of others came so far."""
        self._others: dict[tuple[str, str], tuple[Trade, int]] = {}
        """Records of orders that are not ours, and when each was seen last: a book may be older than they are."""
        self._start_ns = 0
        self._start_ids: set[str] = set()
        self._products: dict[str, str] = {}
        """Of every order the broker listed, by its id."""
        self._sorted: dict[Key, list[Trade]] = {}
        self._sorted_at = (-1, -1)
        """Of which book, with how many known products."""

    def learn_products(self, reports: Sequence[OrderReport]) -> None:
        """Orders of anybody."""
        for report in reports:
            self._products[report.broker_id] = report.product

    def note(self, trades: Sequence[Trade], others: Sequence[Trade] = ()) -> None:
        """A book was read; `others` are those of its records that are not ours. One that was seen a moment ago and is
        not in it still counts: the book may be served from before it (NET-06)."""
        now_ns = self._desk.clock.now_ns()
        fresh = now_ns - OLD_BOOK_NS
        self._others = {key: seen for key, seen in self._others.items() if seen[1] >= fresh}
        self._others |= {_id_of(trade): (trade, now_ns) for trade in others}
        unseen: list[Trade] = []
        if self._others:  # most days nobody else trades, and the book is long
            held = {_id_of(trade) for trade in trades}
            unseen = [trade for key, (trade, _) in self._others.items() if key not in held]
        self.all = [*trades, *unseen] if unseen else trades
        self.heard += 1

    @property
    def others(self) -> list[Trade]:
        """The records of others that count now."""
        return [trade for trade, _ in self._others.values()]

    def hear(self, trade: Trade) -> None:
        """A record of an order that is not ours was pushed."""
        self._others[_id_of(trade)] = trade, self._desk.clock.now_ns()
        if all(_id_of(known) != _id_of(trade) for known in self.all):
            self.all = [*self.all, trade]
            self.heard += 1

    def remember_start(self, began_ns: int) -> None:
        """The newest book is the one that what was held before the day's trades is reckoned from."""
        self._start_ns = began_ns
        self._start_ids = {trade.trade_id for trade in self.all}

    def take_late(self) -> list[Trade]:
        """Trades older than the start that its book did not show yet, although the positions held them: each once."""
        late = [t for t in self.all if t.at_ns < self._start_ns and t.trade_id not in self._start_ids]
        self._start_ids.update(trade.trade_id for trade in late)
        return late

    def clear(self) -> None:
        """A new day's book starts empty."""
        self._others.clear()
        self.note(())
        self.remember_start(0)
        self._products.clear()

    def of(self, key: Key) -> Sequence[Trade]:
        """The trades of one row."""
        state = self.heard, len(self._products)
        if self._sorted_at != state:
            self._sorted_at, self._sorted = state, {}
            for trade in self.all:
                self._sorted.setdefault(self.key_of(trade), []).append(trade)
        return self._sorted.get(key, ())

    def filled_orders(self) -> dict[Key, list[Order]]:
        """Orders of ours that have traded, those excepted that are in no bracket's books."""
        filled: dict[Key, list[Order]] = {}
        for order in self._account.orders():
            if order.filled_qty and order.bracket_id:
                filled.setdefault(key_of(order.symbol, order.product), []).append(order)
        return filled

    def order_of(self, trade: Trade) -> Order | None:
        """The order of ours that it is about."""
        return self._desk.blotter.find(self._account.account_id, trade)

    def key_of(self, trade: Trade) -> Key:
        """Which row it belongs to."""
        order = self.order_of(trade)
        product = order.product if order else self._products.get(trade.broker_id, "")
        if not product:  # a book without its order: it is counted where we trade
            products = (product for symbol, product in self._account.holdings if symbol == trade.symbol)
            product = next(products, "")
        return key_of(trade.symbol, product)


def _id_of(trade: Trade) -> tuple[str, str]:
    """Trade ids are unique within an exchange at most (facts/kite.md §3)."""
    return trade.broker_id, trade.trade_id
