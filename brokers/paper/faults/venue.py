"""What happens to an account's orders at the exchange without anybody's request: fills, ends, locks, small parts.

The exchange stays consistent: every deed here is one that a real venue may do, so its books remain the truth.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from brokers.paper.book import Book
from brokers.paper.exchange import PaperExchange
from brokers.paper.faults.knob import Door, Effect
from brokers.paper.faults.plan import FaultPlan, Rule
from brokers.paper.ledger import STOPS, Ledger, PaperOrder
from engine.order import OrderState, Role, Side
from engine.port import Clock
from engine.tags import role_of


class FaultyVenue:
    """Acts on one account's orders at the paper exchange, and keeps the spells of lock and small parts."""

    def __init__(self, exchange: PaperExchange, account_id: str, clock: Clock, plan: FaultPlan) -> None:
        self._exchange = exchange
        self._account_id = account_id
        self._clock = clock
        self._plan = plan
        self._started = False

    @property
    def ledger(self) -> Ledger:
        return self._exchange.ledger(self._account_id)

    def start(self) -> None:
        """Set the timers of the plan's spells and listen for triggers; more than once does nothing."""
        if self._started:
            return
        self._started = True
        if not self._plan.is_idle(Door.TRIGGER):
            self._exchange.at_trigger = self._at_trigger
        for rule in self._plan.timed(Door.MATCH):
            self._clock.call_at(rule.from_ns, lambda rule=rule: self._begin(rule))
            self._clock.call_at(self._plan.until(rule.until_ns), lambda rule=rule: self._end(rule))

    # --- orders ---------------------------------------------------------------------------------------------------

    def ours(self, *roles: Role, symbol: str = "") -> list[PaperOrder]:
        """The desk's live orders in the order of their placing."""
        return [
            order
            for order in self.ledger.live.values()
            if (role := role_of(order.tag)) is not None
            and (not roles or role in roles)
            and (not symbol or order.symbol == symbol)
        ]

    def order(self, broker_id: str) -> PaperOrder | None:
        """A live order of the account."""
        return self.ledger.live.get(broker_id)

    def fill(self, order: PaperOrder, qty: int = 0) -> int:
        """Somebody trades with a live order, in full or for `qty` units; returns the units traded."""
        now_ns, units = self._clock.now_ns(), qty or order.remaining_qty
        return self._exchange.execute(self._account_id, order.broker_id, units, self.price_of(order), now_ns)

    def price_of(self, order: PaperOrder) -> int:
        """A price this order may trade at: its trigger, its limit, or the last price when that is better."""
        if order.is_pending_stop:
            return order.trigger_paise
        book = self._exchange.book(order.symbol)
        last = book.tick.ltp_paise if book else 0
        limit = order.limit_paise or order.trigger_paise
        if last <= 0:
            return limit
        return min(limit, last) if order.side is Side.BUY else max(limit, last)

    def part_of(self, order: PaperOrder) -> int:
        """About half of what is left, in whole lots; 0 when one lot is all there is."""
        book = self._exchange.book(order.symbol)
        lot = book.instrument.lot_size if book else 1
        half = order.remaining_qty // 2 // lot * lot
        return half or (lot if order.remaining_qty > lot else 0)

    def end(self, broker_id: str, state: OrderState, text: str) -> bool:
        """The exchange or the broker ends an order."""
        return self._exchange.end(self._account_id, broker_id, state, text, self._clock.now_ns())

    def hold(self, symbol: str, tag: str) -> None:
        """Keep an order on its way: it is accepted and listed, but neither triggers nor trades."""
        book = self._exchange.book(symbol)
        if book is not None:
            book.held.add(tag)

    def release(self, symbol: str, tag: str) -> None:
        """It comes into the book, and meets the market with the next tick."""
        book = self._exchange.book(symbol)
        if book is not None:
            book.held.discard(tag)
            book.rearm()

    def is_held(self, symbol: str, tag: str) -> bool:
        book = self._exchange.book(symbol)
        return book is not None and tag in book.held

    # --- spells ---------------------------------------------------------------------------------------------------

    def _begin(self, rule: Rule) -> None:
        for book in self._books(rule):
            if rule.knob.effect is Effect.LOCK:
                book.locked.add(_locked_side(rule))
            else:
                book.part_qty = rule.amount * book.instrument.lot_size
        self._plan.note(rule.knob, self._clock.now_ns(), f"{rule.symbol or 'every contract'}, {rule.amount}")

    def _end(self, rule: Rule) -> None:
        for book in self._books(rule):
            if rule.knob.effect is Effect.LOCK:
                book.locked.discard(_locked_side(rule))
            else:
                book.part_qty = 0

    def _books(self, rule: Rule) -> Iterator[Book]:
        books: Sequence[Book] = self._exchange.books()
        return (book for book in books if not rule.symbol or book.instrument.symbol == rule.symbol)

    def _at_trigger(self, order: PaperOrder) -> str:
        if order.type not in STOPS:
            return ""
        strike = self._plan.strike(
            Door.TRIGGER, self._clock.now_ns(), role=role_of(order.tag), symbol=order.symbol, what=order.tag
        )
        return strike.text if strike is not None else ""


def _locked_side(rule: Rule) -> Side:
    return Side.SELL if rule.amount < 0 else Side.BUY
