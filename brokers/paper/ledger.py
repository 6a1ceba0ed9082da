"""What the venue keeps of one account: its orders, trades, positions and cash. Plain records and exact arithmetic.

Cash moves by quantity x price of every fill and by nothing else, so it never drifts from the trades.
Charges are not taken here: the desk books them (facts/market.md §6).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from brokers.refusal_words import refusal_code
from engine.money import divide_half_up
from engine.order import TERMINAL, OrderState, OrderType, Side, Trade
from engine.port import OrderReport, PositionReport

STOPS: Final = frozenset({OrderType.SL, OrderType.SL_M})

PositionKey = tuple[str, str]
"""Symbol and product."""


class RecordFailed(Exception):
    """The account's books cannot be written. Nothing of the change has been told to anybody; it is kept and retried."""


class PaperOrder(msgspec.Struct, kw_only=True):
    """One accepted order, as the venue sees it. Prices in paise, quantities in units, instants in nanoseconds."""

    broker_id: str
    tag: str
    symbol: str
    exchange: str
    product: str
    side: Side
    type: OrderType
    qty: int
    limit_paise: int
    trigger_paise: int
    state: OrderState
    placed_ns: int
    changed_ns: int
    rank: int
    """Time priority: lower trades first at the same price. A trigger, a new price or more quantity takes a new one."""
    triggered: bool = False
    """A stop whose trigger was reached: from then on a plain limit order."""
    aggressive: bool = True
    """Crossing since it arrived: takes the touch at the touch's price. Once it has rested, it trades at its limit."""
    filled_qty: int = 0
    value_paise: int = 0
    """Sum of qty x price of its fills."""
    modify_count: int = 0
    reject_text: str = ""

    @property
    def is_live(self) -> bool:
        return self.state not in TERMINAL

    @property
    def is_pending_stop(self) -> bool:
        """Waits for its trigger. Not the same as its state: a part-filled limit may have been changed into a stop."""
        return self.type in STOPS and not self.triggered

    @property
    def remaining_qty(self) -> int:
        return self.qty - self.filled_qty if self.is_live else 0

    def resting_state(self) -> OrderState:
        """The live state that its kind, trigger and fills imply."""
        if self.filled_qty:
            return OrderState.PART_FILLED
        return OrderState.TRIGGER_PENDING if self.is_pending_stop else OrderState.WORKING

    def report(self) -> OrderReport:
        return OrderReport(
            tag=self.tag,
            broker_id=self.broker_id,
            symbol=self.symbol,
            side=self.side,
            type=self.type,
            product=self.product,
            qty=self.qty,
            limit_paise=self.limit_paise,
            trigger_paise=self.trigger_paise,
            state=self.state,
            filled_qty=self.filled_qty,
            average_paise=divide_half_up(self.value_paise, self.filled_qty) if self.filled_qty else 0,
            reject_text=self.reject_text,
            reject_code=refusal_code(self.reject_text) if self.state is OrderState.REJECTED else "",
            at_ns=self.changed_ns,
        )


class Holding(msgspec.Struct, kw_only=True):
    """Net position of one symbol and product. Its average is what built the open side; a partial close leaves it be."""

    net_qty: int = 0
    basis_qty: int = 0
    """Units whose value is `basis_paise`; at least the open quantity."""
    basis_paise: int = 0

    def apply(self, side: Side, qty: int, price_paise: int) -> None:
        """Book one fill; a fill larger than the open quantity closes it and opens the rest the other way."""
        if self.net_qty * side.sign < 0:
            closing = min(qty, abs(self.net_qty))
            self.net_qty += side.sign * closing
            qty -= closing
        if not qty:
            return
        held = abs(self.net_qty)
        if held != self.basis_qty:
            # Added to after a partial close, or opened anew: bring the basis down to what is held, to the paisa.
            self.basis_paise = divide_half_up(self.basis_paise * held, self.basis_qty)
        self.basis_qty = held + qty
        self.basis_paise += qty * price_paise
        self.net_qty += side.sign * qty

    @property
    def average_paise(self) -> int:
        return divide_half_up(self.basis_paise, self.basis_qty) if self.net_qty else 0


class Funds(msgspec.Struct, frozen=True, kw_only=True):
    """Money of one account: cash, and what working BUY orders hold back of it."""

    cash_paise: int
    blocked_paise: int

    @property
    def available_paise(self) -> int:
        return self.cash_paise - self.blocked_paise


class Change(msgspec.Struct, kw_only=True):
    """One accepted change of one account, as it stands *after* the change: what a store writes in one transaction."""

    at_ns: int
    orders: Sequence[PaperOrder]
    trades: Sequence[Trade]
    positions: Sequence[tuple[PositionKey, Holding]]
    cash_paise: int
    next_number: int


class AccountState(msgspec.Struct, kw_only=True):
    """Everything needed to put an account back on the venue after a restart."""

    account_id: str
    orders: Sequence[PaperOrder]
    trades: Sequence[Trade]
    positions: Sequence[tuple[PositionKey, Holding]]
    cash_paise: int
    next_number: int


Sink = Callable[[str, "OrderReport | Trade"], None]
"""Account id and what happened. Returns at once, never raises, and never calls the exchange back."""

Recorder = Callable[[Change], None]
"""Makes a change durable before anybody hears of it. Raises RecordFailed."""


class Ledger:
    """One account's records on the venue, and the part of them that is not yet recorded and told."""

    def __init__(self, account_id: str, cash_paise: int) -> None:
        self.account_id = account_id
        self.cash_paise = cash_paise
        self.orders: dict[str, PaperOrder] = {}
        self.live: dict[str, PaperOrder] = {}
        self.trades: list[Trade] = []
        self.holdings: dict[PositionKey, Holding] = {}
        self.tags: set[str] = set()
        self.sink: Sink | None = None
        self.recorder: Recorder | None = None
        self.untold: list[OrderReport | Trade] = []
        self._ended: dict[str, OrderReport] = {}
        """Rows of orders that have ended, by broker id: most of a day's book, which is read every few seconds."""
        self._touched: dict[str, PaperOrder] = {}
        self._moved: set[PositionKey] = set()

    def reports(self) -> list[OrderReport]:
        """The day's rows in the order of their placing; of an ended order the same object every time."""
        ended = self._ended
        return [
            row
            if broker_id in ended
            and (row := ended[broker_id]).at_ns == order.changed_ns
            and row.filled_qty == order.filled_qty
            and row.state is order.state
            else self._report_of(order)
            for broker_id, order in self.orders.items()
        ]

    def _report_of(self, order: PaperOrder) -> OrderReport:
        row = order.report()
        if not order.is_live:
            self._ended[order.broker_id] = row
        return row

    def net_qty(self, key: PositionKey) -> int:
        holding = self.holdings.get(key)
        return holding.net_qty if holding else 0

    def forget_before(self, day_start_ns: int) -> None:
        """Drop finished orders and trades of earlier days: a broker's books show the day. Tags stay taken for ever."""
        self.orders = {
            broker_id: order
            for broker_id, order in self.orders.items()
            if order.is_live or order.changed_ns >= day_start_ns
        }
        self.trades = [trade for trade in self.trades if trade.at_ns >= day_start_ns]
        self._ended.clear()

    def adopt(self, order: PaperOrder) -> None:
        """Take in an accepted or restored order."""
        self.orders[order.broker_id] = order
        self.tags.add(order.tag)
        if order.is_live:
            self.live[order.broker_id] = order

    def note(self, order: PaperOrder) -> None:
        """An order changed: to be recorded, then told."""
        if not order.is_live:
            self.live.pop(order.broker_id, None)
        self._touched[order.broker_id] = order
        self.untold.append(order.report())

    def book_fill(self, order: PaperOrder, trade: Trade) -> None:
        """Move position and cash by one fill of `order`, which already carries it."""
        key = (order.symbol, order.product)
        self.holdings.setdefault(key, Holding()).apply(trade.side, trade.qty, trade.price_paise)
        self.cash_paise -= trade.side.sign * trade.qty * trade.price_paise
        self.trades.append(trade)
        self._moved.add(key)
        self.note(order)
        self.untold.append(trade)

    def convert(self, key: PositionKey, product: str) -> None:
        """Move a position to another product, as a trader may ask of his broker; its value goes with it."""
        old = self.holdings[key]
        new = self.holdings.setdefault((key[0], product), Holding())
        side, qty = (Side.BUY if old.net_qty > 0 else Side.SELL), abs(old.net_qty)
        new.apply(side, qty, old.average_paise)
        self.holdings[key] = Holding()
        self._moved |= {key, (key[0], product)}

    def bust(self, trade: Trade, product: str) -> None:
        """Take a trade back: out of the trade book, out of position and cash. Its order keeps what it once reported."""
        self.trades.remove(trade)
        self.holdings[trade.symbol, product].apply(trade.side.opposite, trade.qty, trade.price_paise)
        self.cash_paise += trade.side.sign * trade.qty * trade.price_paise
        self._moved.add((trade.symbol, product))

    def blocked_paise(self, without: str = "", extra: PaperOrder | None = None) -> int:
        """Premium held back by working BUYs, `extra` counted and order `without` not; covering a short needs none."""
        cover: dict[PositionKey, int] = {}
        total = 0
        orders = [order for order in self.live.values() if order.side is Side.BUY and order.broker_id != without]
        for order in [*orders, extra] if extra else orders:
            key = (order.symbol, order.product)
            open_short = cover.setdefault(key, max(0, -self.net_qty(key)))
            covering = min(open_short, order.remaining_qty)
            cover[key] = open_short - covering
            total += (order.remaining_qty - covering) * (order.limit_paise or order.trigger_paise)
        return total

    def working_sell_qty(self, key: PositionKey, without: str = "") -> int:
        """Units that working SELLs of a symbol and product could still sell."""
        return sum(
            order.remaining_qty
            for order in self.live.values()
            if order.side is Side.SELL and (order.symbol, order.product) == key and order.broker_id != without
        )

    def settle(self, at_ns: int, next_number: int) -> list[OrderReport | Trade]:
        """Record what changed, then hand over what is to be told. Raises RecordFailed and keeps everything."""
        if self.recorder is not None and (self._touched or self._moved):
            trades = [event for event in self.untold if isinstance(event, Trade)]
            self.recorder(
                Change(
                    at_ns=at_ns,
                    orders=list(self._touched.values()),
                    trades=trades,
                    positions=[(key, self.holdings[key]) for key in sorted(self._moved)],
                    cash_paise=self.cash_paise,
                    next_number=next_number,
                )
            )
        told, self.untold = self.untold, []
        self._touched, self._moved = {}, set()
        return told

    def position_reports(self) -> list[PositionReport]:
        """Every symbol and product traded, flat ones included, as brokers list them."""
        return [
            PositionReport(symbol=symbol, product=product, net_qty=holding.net_qty, average_paise=holding.average_paise)
            for (symbol, product), holding in sorted(self.holdings.items())
        ]
