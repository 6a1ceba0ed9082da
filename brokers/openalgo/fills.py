"""How much of each order is filled, and at what price, where the order book does not say: live mode. Pure.

A live book has neither filled quantity nor average, some plugins write the whole order quantity on every fill row, and
some give a row the status of the row before it (facts/openalgo.md §4.2, §5; faults ORD-26, ORD-27). So a fill needs a
row of the trade book; where that cannot be trusted the change of the position decides, and where that cannot either the
order is UNKNOWN: never a guess. Analyze mode has all of it in the order book.
"""

from __future__ import annotations

import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from brokers.openalgo.orders import OrderRow, PositionRow, Wire, broker_id_of, side_of, stamp_ns, wire_of
from brokers.openalgo.shapes import object_of
from brokers.wire.numbers import paise_of, whole_of
from engine.money import divide_half_up
from engine.order import TERMINAL, OrderState, Side

_INTRADAY: Final = "MIS"
"""The product that begins every day flat: only its position tells the day's fills."""
_ENDED_UNFILLED: Final = TERMINAL - {OrderState.FILLED}


class TradeRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the trade book."""

    trade_id: str
    """Empty in live mode, which has none."""
    broker_id: str
    wire: Wire
    side: Side
    qty: int
    price_paise: int
    at_ns: int
    strategy: str
    stamp: str
    """The time as it was written: part of what tells two fills apart."""


class Fill(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one order. `qty` None = it cannot be told."""

    state: OrderState
    qty: int | None
    average_paise: int = 0


class BookFill(msgspec.Struct, frozen=True, kw_only=True):
    """One execution to be booked: `trade_id` is the same at every read."""

    trade_id: str
    row: TradeRow
    qty: int
    price_paise: int


def trade_row(raw: object) -> TradeRow | None:
    """None for a row that cannot be understood."""
    row = object_of(raw)
    broker_id, wire, side = broker_id_of(row), wire_of(row), side_of(row)
    qty = whole_of(row.get("quantity"))
    price = paise_of(row.get("price") or row.get("average_price"))
    if not broker_id or wire is None or side is None or not qty or qty < 0 or not price or price < 0:
        return None
    trade_id, strategy, stamp = row.get("tradeid"), row.get("strategy"), row.get("timestamp")
    return TradeRow(
        trade_id=trade_id if isinstance(trade_id, str) else "",
        broker_id=broker_id,
        wire=wire,
        side=side,
        qty=qty,
        price_paise=price,
        at_ns=stamp_ns(stamp),
        strategy=strategy if isinstance(strategy, str) else "",
        stamp=str(stamp)[:64],
    )


def by_order(trades: Iterable[TradeRow]) -> dict[str, list[TradeRow]]:
    found: dict[str, list[TradeRow]] = defaultdict(list)
    for trade in trades:
        found[trade.broker_id].append(trade)
    return dict(found)


def writes_whole_quantity(orders: Iterable[OrderRow], trades: Mapping[str, Sequence[TradeRow]]) -> bool:
    """Proof that this plugin's fill rows carry the order's quantity: they sum to more than was ordered."""
    return any(_sum(trades.get(order.broker_id, ())) > order.terms.qty for order in orders)


def fill_of(order: OrderRow, trades: Sequence[TradeRow], *, whole: bool) -> Fill:
    """From the order's own rows. `whole`: this server's fill rows carry the order's quantity, not the fill's."""
    if order.filled_qty is not None:
        return Fill(state=order.state, qty=order.filled_qty, average_paise=order.average_paise)
    qty, traded = order.terms.qty, _sum(trades)
    if order.state is OrderState.FILLED:
        return Fill(state=order.state, qty=qty if trades else None, average_paise=average_of(trades))
    if not trades:
        unsure = order.state in (OrderState.PART_FILLED, OrderState.UNKNOWN)
        return Fill(state=order.state, qty=None if unsure else 0)
    if whole or traded >= qty:
        return Fill(state=order.state, qty=None, average_paise=average_of(trades))
    state = OrderState.PART_FILLED if order.state is OrderState.WORKING else order.state
    return Fill(state=state, qty=traded, average_paise=average_of(trades))


def settled_by_positions(
    orders: Sequence[OrderRow], fills: Mapping[str, Fill], positions: Sequence[PositionRow]
) -> dict[str, Fill]:
    """What the position book says of orders whose own rows do not: the one order in doubt of an intraday contract.

    Raises nothing and leaves out what it cannot tell: several in doubt, a product that may be carried overnight, a
    difference that no fill of this order explains.
    """
    groups: dict[tuple[Wire, str], list[OrderRow]] = defaultdict(list)
    for order in orders:
        groups[order.terms.wire, order.terms.product].append(order)
    nets = Counter({(row.wire, row.product): 0 for row in positions})
    for row in positions:
        nets[row.wire, row.product] += row.net_qty
    settled: dict[str, Fill] = {}
    for (wire, product), group in groups.items():
        doubtful = [order for order in group if fills[order.broker_id].qty is None]
        if product != _INTRADAY or len(doubtful) != 1:
            continue
        order = doubtful[0]
        sure = sum(other.terms.side.sign * (fills[other.broker_id].qty or 0) for other in group if other is not order)
        fill = _explained(order, fills[order.broker_id], order.terms.side.sign * (nets[wire, product] - sure))
        if fill is not None:
            settled[order.broker_id] = fill
    return settled


def _explained(order: OrderRow, fill: Fill, qty: int) -> Fill | None:
    """The fill that explains a position, if the order's own status allows it."""
    whole = order.terms.qty
    if not 0 <= qty <= whole or order.state is OrderState.UNKNOWN:
        return None
    if order.state is OrderState.FILLED:
        return Fill(state=order.state, qty=qty, average_paise=fill.average_paise) if qty == whole else None
    if order.state in _ENDED_UNFILLED or not qty:
        return Fill(state=order.state, qty=qty, average_paise=fill.average_paise)
    return Fill(state=OrderState.PART_FILLED, qty=qty, average_paise=fill.average_paise)


def average_of(trades: Sequence[TradeRow]) -> int:
    """Weighted by the rows' quantities, which is even where each carries the whole order's; 0 without rows."""
    traded = _sum(trades)
    return divide_half_up(sum(trade.qty * trade.price_paise for trade in trades), traded) if traded else 0


def book_fills(order: OrderRow | None, trades: Sequence[TradeRow], *, whole: bool) -> list[BookFill]:
    """The executions of one order as they can be booked exactly once, each under an id that every read repeats.

    Rows without an id are named by what they say. Where the quantities are not the fills' own, nothing is booked until
    the order is complete, and then the whole order at once: the same id whether one row is there yet or all of them.
    """
    if all(trade.trade_id for trade in trades):
        return [BookFill(trade_id=t.trade_id, row=t, qty=t.qty, price_paise=t.price_paise) for t in trades]
    if order is None:
        return []
    traded, qty = _sum(trades), order.terms.qty
    is_whole = whole or traded > qty or (len(trades) == 1 and traded == qty)
    if not is_whole:
        return [
            BookFill(trade_id=name, row=trade, qty=trade.qty, price_paise=trade.price_paise)
            for name, trade in zip(_names(trades), trades, strict=True)
        ]
    if order.state is not OrderState.FILLED:
        return []
    first = min(trades, key=lambda trade: trade.at_ns)
    name = f"{order.broker_id}-all"
    return [BookFill(trade_id=name, row=first, qty=qty, price_paise=average_of(trades))]


def _names(trades: Sequence[TradeRow]) -> list[str]:
    """An id per row from its content; equal rows are numbered, so that rows which are added change no other's."""
    seen: Counter[str] = Counter()
    names: list[str] = []
    for trade in trades:
        content = zlib.crc32(f"{trade.stamp}|{trade.qty}|{trade.price_paise}".encode())
        name = f"{trade.broker_id}-{content:08x}"
        seen[name] += 1
        names.append(f"{name}-{seen[name]}")
    return names


def _sum(trades: Sequence[TradeRow]) -> int:
    return sum(trade.qty for trade in trades)
