"""The paper exchange: a pure venue. Ticks and requests go in with their instant; answers, reports and trades come out.

No asyncio, no clock, no file, no randomness: the same calls give the same fills live, in replay and in simulation.
Every change is first recorded (when the account has a recorder) and then told to the sinks; a change that could not be
recorded is told to nobody and retried with the next one. Sinks must not call the exchange back from inside a callback.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from msgspec.structs import replace

from brokers.paper.admission import lpp_refusal, refusal
from brokers.paper.book import Book
from brokers.paper.ledger import STOPS, AccountState, Funds, Ledger, PaperOrder, Recorder, RecordFailed, Sink
from brokers.paper.rules import PaperRules
from engine import refusals
from engine.instant import NS_PER_DAY, ist_date, ist_time_ns
from engine.instrument import Instrument, Segment
from engine.money import ceil_to_tick, divide_half_up, floor_to_tick
from engine.order import OrderState, OrderType, Side, Trade
from engine.port import Acked, OrderChange, OrderReport, OrderRequest, PositionReport, Refused
from engine.tick import NO_TICK, Tick


class PaperExchange:
    """One venue with any number of accounts. Requests and ticks come strictly one at a time."""

    def __init__(
        self,
        instruments: Iterable[Instrument],
        rules: PaperRules,
        is_open: Callable[[str, int], bool],
        sink: Sink | None = None,
    ) -> None:
        self.rules = rules
        self.venue = rules.venue()
        self._is_open = is_open
        self._sink = sink
        self._books: dict[str, Book] = {}
        self._ledgers: dict[str, Ledger] = {}
        self._next_number = 1
        self._day_end_ns = 0
        self.at_trigger: Callable[[PaperOrder], str] | None = None
        """Why the exchange cancels this stop in the moment it triggers; empty = it does not (faults EXI-04)."""
        self.list_instruments(instruments)

    # Wiring

    def list_instruments(self, instruments: Iterable[Instrument]) -> None:
        """Admit contracts to trading; one that is already listed gets today's facts. Index values are not tradable."""
        for instrument in instruments:
            if instrument.segment is Segment.INDEX:
                continue
            book = self._books.get(instrument.symbol)
            if book is None:
                self._books[instrument.symbol] = Book(instrument, self.rules.displayed_size)
            else:
                book.instrument = instrument

    def open_account(self, account_id: str, sink: Sink | None = None, recorder: Recorder | None = None) -> None:
        """Give an account its own sink and recorder; unknown accounts open themselves with `rules.funds_paise`."""
        ledger = self._ledger(account_id)
        ledger.sink = sink or ledger.sink
        ledger.recorder = recorder or ledger.recorder

    def restore(self, state: AccountState, now_ns: int) -> None:
        """Put an account back as it was stored; live orders rest again, DAY orders of an earlier day expire.

        List the instruments first, and open the account with its sink and recorder, so that expiries are told.
        Raises RecordFailed.
        """
        before = self._ledger(state.account_id)
        ledger = self._ledgers[state.account_id] = Ledger(state.account_id, state.cash_paise)
        ledger.sink, ledger.recorder = before.sink, before.recorder
        ledger.trades = list(state.trades)
        ledger.holdings = dict(state.positions)
        for order in state.orders:
            ledger.adopt(order)
            if order.is_live and order.symbol in self._books:
                self._books[order.symbol].add(ledger, order)
        self._next_number = max(self._next_number, state.next_number)
        self._day_end_ns = 0  # look at every order's day again
        for book in self._books.values():
            book.rearm()
        self.roll_day(now_ns)

    # Ticks

    def on_tick(self, tick: Tick) -> None:
        """One market tick. Costs a look-up and a few comparisons while it touches no resting order."""
        book = self._books.get(tick.symbol)
        if book is None:
            return
        ltp = tick.ltp_paise
        hi = book.hi
        if book.lo < ltp < hi and tick.bid_paise < hi and (tick.ask_paise > book.lo or not tick.ask_paise):
            book.tick = tick
            return
        self._match(book, tick)

    def _match(self, book: Book, tick: Tick) -> None:
        """Trigger stops, then trade what the tick reaches, best price first; record and tell."""
        # Without a tick before it, it may be an old trade; a quote without a last price carries none.
        printed = tick.ltp_paise > 0 and book.tick.ltp_paise not in (0, tick.ltp_paise)
        book.show(tick)
        if not self._is_open(tick.symbol, tick.at_ns):
            return
        touched = self._expire_earlier_days(tick.at_ns)
        just_triggered: set[str] = set()
        for ledger, order in book.reached_stops():
            just_triggered.add(order.broker_id)
            touched.append(ledger)
            self._trigger(book, ledger, order, tick.at_ns)
        for ledger, order in book.in_priority():
            # The print that triggers a stop was made before the stop stood in the book.
            fills = book.take(order, printed and order.broker_id not in just_triggered)
            touched += [ledger] if fills else []
            for qty, price_paise in fills:
                self._fill(ledger, order, qty, price_paise, tick.at_ns)
        book.rearm()
        for ledger in touched:
            # What cannot be recorded stays untold; the account's next request or read retries and reports it.
            with suppress(RecordFailed):
                self._settle(ledger, tick.at_ns)

    def _trigger(self, book: Book, ledger: Ledger, order: PaperOrder, at_ns: int) -> None:
        """A reached stop becomes a limit order, or is rejected by the limit protection of this moment."""
        order.triggered = order.aggressive = True
        order.rank = self._number()
        order.changed_ns = at_ns
        if order.type is OrderType.SL_M:
            order.limit_paise = self._stop_market_limit(book, order.side)
        refused = lpp_refusal(order, book, self.rules)
        if self.at_trigger is not None and (reason := self.at_trigger(order)):
            order.state = OrderState.CANCELLED
            order.reject_text = reason
        elif refused is not None:
            order.state = OrderState.REJECTED
            order.reject_text = refused.text
        else:
            order.state = order.resting_state()
        ledger.note(order)

    def _stop_market_limit(self, book: Book, side: Side) -> int:
        ltp, tick_paise = book.tick.ltp_paise, book.instrument.tick_paise
        limit = ltp + side.sign * divide_half_up(ltp * self.rules.stop_protection_bps, 10_000)
        return (
            ceil_to_tick(limit, tick_paise) if side is Side.BUY else max(tick_paise, floor_to_tick(limit, tick_paise))
        )

    # Requests

    def place(self, account_id: str, request: OrderRequest, now_ns: int) -> Acked | Refused:
        """A new order. Raises RecordFailed when it was taken but could not be recorded (the caller answers unknown)."""
        self.roll_day(now_ns)
        ledger = self._ledger(account_id)
        book = self._books.get(request.symbol)
        if book is None or request.exchange != book.instrument.exchange:
            return Refused(refusals.UNKNOWN_SYMBOL, f"{request.exchange}:{request.symbol} is not listed here")
        if not self._is_open(request.symbol, now_ns):
            return Refused(refusals.SESSION_CLOSED, f"{request.symbol}: the market is closed")
        if request.tag in ledger.tags:
            return Refused(refusals.DUPLICATE_TAG, f"tag {request.tag} was used before")
        order = _drafted(request, now_ns)
        refused = refusal(order, book, ledger, self.rules, self.venue)
        if refused is not None:
            return refused
        order.rank = self._number()
        order.broker_id = f"{ist_date(now_ns):%y%m%d}{order.rank:09d}"
        ledger.adopt(order)
        ledger.note(order)
        book.add(ledger, order)
        self._trade_on_arrival(book, ledger, order, now_ns)
        self._settle(ledger, now_ns)
        return Acked(order.broker_id)

    def modify(self, account_id: str, change: OrderChange, now_ns: int) -> Acked | Refused:
        """New total quantity, prices and type of a live order, all or nothing. A stop that has triggered stays a limit.

        Raises RecordFailed as `place` does.
        """
        self.roll_day(now_ns)
        ledger = self._ledger(account_id)
        order = self._live_order(ledger, change.broker_id)
        if isinstance(order, Refused):
            return order
        book = self._books.get(order.symbol)
        if book is None or not self._is_open(order.symbol, now_ns):
            return Refused(refusals.SESSION_CLOSED, f"{order.symbol}: the market is closed")
        if order.modify_count >= self.rules.modifies_max:
            return Refused(refusals.TOO_MANY_CHANGES, f"modified {order.modify_count} times already")
        if change.qty <= order.filled_qty:
            return Refused(refusals.OTHER, f"quantity {change.qty}: {order.filled_qty} already filled")
        draft = _changed(order, change)
        refused = refusal(draft, book, ledger, self.rules, self.venue, replaces=order.broker_id)
        if refused is not None:
            return refused
        self._take_over(order, draft, now_ns)
        ledger.note(order)
        self._trade_on_arrival(book, ledger, order, now_ns)
        self._settle(ledger, now_ns)
        return Acked(order.broker_id)

    def cancel(self, account_id: str, broker_id: str, now_ns: int) -> Acked | Refused:
        """End a live order; taken outside the session too. Raises RecordFailed as `place` does."""
        self.roll_day(now_ns)
        ledger = self._ledger(account_id)
        order = self._live_order(ledger, broker_id)
        if isinstance(order, Refused):
            return order
        order.state = OrderState.CANCELLED
        order.changed_ns = now_ns
        ledger.note(order)
        if order.symbol in self._books:
            self._books[order.symbol].rearm()
        self._settle(ledger, now_ns)
        return Acked(broker_id)

    def _live_order(self, ledger: Ledger, broker_id: str) -> PaperOrder | Refused:
        order = ledger.orders.get(broker_id)
        if order is None:
            return Refused(refusals.NO_SUCH_ORDER, f"no order {broker_id} today")
        if not order.is_live:
            return Refused(refusals.ALREADY_FINISHED, f"order {broker_id} is {order.state.value}")
        return order

    def _take_over(self, order: PaperOrder, draft: PaperOrder, now_ns: int) -> None:
        """Write an accepted change into the order; a new price or a larger quantity costs its place in the queue."""
        repriced = (draft.limit_paise, draft.is_pending_stop) != (order.limit_paise, order.is_pending_stop)
        if repriced or draft.qty > order.qty:
            order.rank = self._number()
        order.aggressive = order.aggressive or repriced
        order.type, order.qty = draft.type, draft.qty
        order.limit_paise, order.trigger_paise = draft.limit_paise, draft.trigger_paise
        order.triggered = draft.triggered
        order.modify_count += 1
        order.changed_ns = now_ns
        order.state = order.resting_state()

    def _trade_on_arrival(self, book: Book, ledger: Ledger, order: PaperOrder, now_ns: int) -> None:
        """A new or changed order meets the touch, if that is fresh enough; then it rests."""
        life_ns = self.rules.book_life_ns
        is_fresh = book.tick is not NO_TICK and (not life_ns or now_ns - book.tick.at_ns <= life_ns)
        if is_fresh and not order.is_pending_stop:
            for qty, price_paise in book.take(order, printed=False):
                self._fill(ledger, order, qty, price_paise, now_ns)
        book.rearm()

    def _fill(self, ledger: Ledger, order: PaperOrder, qty: int, price_paise: int, at_ns: int) -> None:
        order.filled_qty += qty
        order.value_paise += qty * price_paise
        order.changed_ns = at_ns
        order.state = OrderState.FILLED if order.filled_qty == order.qty else OrderState.PART_FILLED
        trade = Trade(
            trade_id=f"T{self._number():09d}",
            broker_id=order.broker_id,
            tag=order.tag,
            symbol=order.symbol,
            side=order.side,
            qty=qty,
            price_paise=price_paise,
            at_ns=at_ns,
        )
        ledger.book_fill(order, trade)

    # Books of an account

    def orders(self, account_id: str) -> list[OrderReport]:
        """The day's orders in the order of their placing."""
        return self._ledger(account_id).reports()

    def trades(self, account_id: str) -> Sequence[Trade]:
        """The day's trades in the order they happened."""
        return list(self._ledger(account_id).trades)

    def positions(self, account_id: str) -> list[PositionReport]:
        return self._ledger(account_id).position_reports()

    def funds(self, account_id: str) -> Funds:
        ledger = self._ledger(account_id)
        return Funds(cash_paise=ledger.cash_paise, blocked_paise=ledger.blocked_paise())

    # For what happens at the venue and not by request (`faults.venue`)

    def ledger(self, account_id: str) -> Ledger:
        """The venue's own records of an account; who changes them calls `settle` afterwards."""
        return self._ledger(account_id)

    def book(self, symbol: str) -> Book | None:
        return self._books.get(symbol)

    def books(self) -> Sequence[Book]:
        return list(self._books.values())

    def execute(self, account_id: str, broker_id: str, qty: int, price_paise: int, now_ns: int) -> int:
        """A counterparty comes for a live order, whatever the ticks show; returns the units traded."""
        ledger = self._ledger(account_id)
        order = ledger.live.get(broker_id)
        units = min(qty, order.remaining_qty) if order is not None else 0
        if order is None or units <= 0:
            return 0
        order.triggered = order.triggered or order.is_pending_stop
        self._fill(ledger, order, units, price_paise, now_ns)
        self._end_change(ledger, order, now_ns)
        return units

    def end(self, account_id: str, broker_id: str, state: OrderState, text: str, now_ns: int) -> bool:
        """The exchange or the broker ends a live order by itself: rejected or cancelled. False when it is over."""
        ledger = self._ledger(account_id)
        order = ledger.live.get(broker_id)
        if order is None:
            return False
        order.state, order.reject_text, order.changed_ns = state, text, now_ns
        ledger.note(order)
        self._end_change(ledger, order, now_ns)
        return True

    def _end_change(self, ledger: Ledger, order: PaperOrder, now_ns: int) -> None:
        if order.symbol in self._books:
            self._books[order.symbol].rearm()
        with suppress(RecordFailed):
            self._settle(ledger, now_ns)

    # Time and records

    def roll_day(self, now_ns: int) -> None:
        """On the first event of a new IST day: DAY orders of earlier days expire and the day's books start empty.

        Raises RecordFailed.
        """
        for ledger in self._expire_earlier_days(now_ns):
            self._settle(ledger, now_ns)

    def _expire_earlier_days(self, now_ns: int) -> list[Ledger]:
        """The accounts that may have changed: all of them on a new day, else none."""
        if now_ns < self._day_end_ns:
            return []
        day_start_ns = now_ns - ist_time_ns(now_ns)
        self._day_end_ns = day_start_ns + NS_PER_DAY
        for ledger in self._ledgers.values():
            for order in list(ledger.live.values()):
                if order.placed_ns < day_start_ns:
                    order.state = OrderState.EXPIRED
                    order.changed_ns = now_ns
                    ledger.note(order)
            ledger.forget_before(day_start_ns)
        for book in self._books.values():
            book.rearm()
        return list(self._ledgers.values())

    def settle(self, account_id: str, now_ns: int) -> None:
        """Retry what could not be recorded. Raises RecordFailed while it still cannot."""
        self.roll_day(now_ns)
        self._settle(self._ledger(account_id), now_ns)

    def _settle(self, ledger: Ledger, now_ns: int) -> None:
        if not ledger.untold:
            return
        for event in ledger.settle(now_ns, self._next_number):
            for sink in (self._sink, ledger.sink):
                if sink is not None:
                    sink(ledger.account_id, event)

    def _ledger(self, account_id: str) -> Ledger:
        ledger = self._ledgers.get(account_id)
        if ledger is None:
            ledger = self._ledgers[account_id] = Ledger(account_id, self.rules.funds_paise)
        return ledger

    def _number(self) -> int:
        number = self._next_number
        self._next_number += 1
        return number


def _drafted(request: OrderRequest, now_ns: int) -> PaperOrder:
    order = PaperOrder(
        broker_id="",
        tag=request.tag,
        symbol=request.symbol,
        exchange=request.exchange,
        product=request.product,
        side=request.side,
        type=request.type,
        qty=request.qty,
        limit_paise=0 if request.type is OrderType.SL_M else request.limit_paise,
        trigger_paise=request.trigger_paise if request.type in STOPS else 0,
        state=OrderState.WORKING,
        placed_ns=now_ns,
        changed_ns=now_ns,
        rank=0,
    )
    order.state = order.resting_state()
    return order


def _changed(order: PaperOrder, change: OrderChange) -> PaperOrder:
    """The order as the change wants it. A triggered stop is a limit order for good: its trigger no longer moves."""
    is_stop = change.type in STOPS
    triggered = order.triggered and is_stop
    trigger_paise = change.trigger_paise if is_stop else 0
    works_at_limit = change.type is not OrderType.SL_M
    return replace(
        order,
        type=change.type,
        qty=change.qty,
        limit_paise=change.limit_paise if works_at_limit else order.limit_paise if triggered else 0,
        trigger_paise=order.trigger_paise if triggered else trigger_paise,
        triggered=triggered,
    )
