"""What a guardian makes of a broker's three books: which orders are the desk's, and which open units come from them.

Pure. Attribution is by client tag alone: the desk's (`SD...`), a guardian's (`SG...`). Units count as ours as far as
the fills of our tags of today add up to them *and* the broker's position shows them; everything else belongs to the
trader, or to yesterday, and is left alone. Shares no code with the desk's blotter or brackets: one bug must not take
both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec

from engine.order import TERMINAL, Side, Trade
from engine.port import OrderReport, PositionReport
from engine.tags import base36, is_tag
from engine.tick import Tick

Key = tuple[str, str]
"""(symbol, product): what a broker nets."""
_PREFIX: Final = "SG"
_LENGTH_MIN: Final = 12


def guardian_tag(epoch: int, number: int) -> str:
    """Deterministic, and never used twice: every guardian that takes the account has an epoch of its own."""
    return f"{_PREFIX}{base36(epoch, 5)}{base36(number, 5)}X"


def is_ours(tag: str) -> bool:
    return is_tag(tag) or is_guardians(tag)


def is_guardians(tag: str) -> bool:
    return len(tag) >= _LENGTH_MIN and tag.startswith(_PREFIX) and tag.isalnum()


class Books(msgspec.Struct, frozen=True, kw_only=True):
    """The broker's books, read one after the other in this order, and a price for what is open."""

    began_ns: int
    orders: Sequence[OrderReport]
    trades: Sequence[Trade]
    positions: Sequence[PositionReport]
    ticks: Mapping[str, Tick] = {}
    """Newest quote by symbol; a symbol whose quote failed is absent."""


class Holding(msgspec.Struct, frozen=True, kw_only=True):
    """One symbol and product. Quantities are signed units."""

    symbol: str
    product: str
    own_qty: int
    """What today's fills of our tags add up to."""
    foreign_qty: int
    """What today's fills of other tags add up to."""
    broker_qty: int
    live: tuple[OrderReport, ...]
    """Our orders that may still fill."""
    last_paise: int
    """Price of our newest fill; 0 without one."""

    @property
    def key(self) -> Key:
        return self.symbol, self.product

    @property
    def open_qty(self) -> int:
        """Ours, and the broker shows it; never more than either says."""
        if self.own_qty > 0:
            return max(0, min(self.own_qty, self.broker_qty))
        return min(0, max(self.own_qty, self.broker_qty))

    @property
    def unexplained_qty(self) -> int:
        """Units that no fill of today explains: carried over, or one of the books is late."""
        return self.broker_qty - self.own_qty - self.foreign_qty

    @property
    def closing_side(self) -> Side:
        """Of an order that makes the broker's position smaller."""
        return Side.SELL if self.broker_qty > 0 else Side.BUY

    @property
    def closing_qty(self) -> int:
        """What our live orders could still take from the position."""
        return sum(remaining(order) for order in self.live if order.side is self.closing_side)

    @property
    def words(self) -> str:
        return f"{self.symbol} {self.product} {self.broker_qty:+d}"


def remaining(order: OrderReport) -> int:
    return 0 if order.state in TERMINAL else max(0, order.qty - order.filled_qty)


def holdings(books: Books) -> dict[Key, Holding]:
    """Every symbol and product that has to do with us, sorted."""
    order_of = {order.broker_id: order for order in books.orders}
    own: dict[Key, int] = {}
    foreign: dict[Key, int] = {}
    last: dict[Key, tuple[int, int]] = {}
    live: dict[Key, list[OrderReport]] = {}
    traded = traded_by_order(books)
    for order in books.orders:
        key = (order.symbol, order.product)
        filled = max(order.filled_qty, traded.get(order.broker_id, 0)) * order.side.sign
        book = own if is_ours(order.tag) else foreign
        book[key] = book.get(key, 0) + filled
        if is_ours(order.tag) and order.state not in TERMINAL:
            live.setdefault(key, []).append(order)
    for trade in books.trades:
        order = order_of.get(trade.broker_id)
        if order is not None and is_ours(order.tag):
            key = (order.symbol, order.product)
            last[key] = max(last.get(key, (0, 0)), (trade.at_ns, trade.price_paise))
    net = {(row.symbol, row.product): row.net_qty for row in books.positions}
    return {
        key: Holding(
            symbol=key[0],
            product=key[1],
            own_qty=own[key],
            foreign_qty=foreign.get(key, 0),
            broker_qty=net.get(key, 0),
            live=tuple(sorted(live.get(key, ()), key=lambda order: order.broker_id)),
            last_paise=last.get(key, (0, 0))[1],
        )
        for key in sorted(own)
    }


def traded_by_order(books: Books) -> dict[str, int]:
    """Units by broker id, each trade once."""
    counted: set[str] = set()
    total: dict[str, int] = {}
    for trade in books.trades:
        if trade.trade_id not in counted:
            counted.add(trade.trade_id)
            total[trade.broker_id] = total.get(trade.broker_id, 0) + trade.qty
    return total


def contradictions(books: Books, seen: Mapping[str, int]) -> Iterator[str]:
    """Why these books cannot be the whole truth; `seen` holds our orders so far, broker id -> most units filled.

    An order that was there does not vanish, a fill is not taken back, a fill has an order: a list that says otherwise
    is a part of one, or nothing at all (faults §4.7).
    """
    rows = {order.broker_id: order for order in books.orders}
    for broker_id, filled in seen.items():
        row = rows.get(broker_id)
        if row is None:
            yield f"order {broker_id} is not in the order book any more"
        elif row.filled_qty < filled:
            yield f"order {broker_id} had {filled} filled, now {row.filled_qty}"
    for trade in books.trades:
        if is_ours(trade.tag) and trade.broker_id not in rows:
            yield f"trade {trade.trade_id} of ours has no order {trade.broker_id}"
