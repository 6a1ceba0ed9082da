"""Whatever is asked and whatever the market does: what must always hold of the paper venue, and of its fast path."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, time

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from brokers.paper.exchange import PaperExchange
from brokers.paper.rules import PaperRules
from engine.instant import NS_PER_MS, at_ist
from engine.instrument import Instrument, Segment
from engine.order import OrderState, OrderType, Side, Trade
from engine.port import Acked, OrderChange, OrderReport, OrderRequest, Refused
from engine.tick import Tick

OPEN_NS = at_ist(date(2026, 11, 25), time(9, 15))
ACCOUNTS = ("ONE", "TWO")
FUNDS = 4_000_000
"""Small enough that margin refusals happen: about six lots."""
BOOKS = [
    Instrument(symbol="PUT", exchange="NFO", segment=Segment.INDEX_OPTION, lot_size=65, tick_paise=5, freeze_qty=1800),
    Instrument(symbol="SHARE", exchange="NSE", segment=Segment.EQUITY, lot_size=1, tick_paise=5),
]
EXCHANGE_OF = {instrument.symbol: instrument.exchange for instrument in BOOKS}

PRICES = st.integers(-10, 10).map(lambda rung: 10_000 + 25 * rung)
QTYS = st.sampled_from([65, 130, 195, 30])
SYMBOLS = st.sampled_from(["PUT", "PUT", "SHARE"])
TYPES = st.sampled_from([OrderType.LIMIT, OrderType.LIMIT, OrderType.SL, OrderType.MARKET, OrderType.SL_M])


class EveryOrderEveryTick(PaperExchange):
    """The slow reference: no band, every resting order is looked at on every tick."""

    def on_tick(self, tick: Tick) -> None:
        book = self._books.get(tick.symbol)
        if book is not None:
            self._match(book, tick)


class PaperVenueMachine(RuleBasedStateMachine):
    """The fast exchange and the slow one get the same calls; after each, both are held to the rules."""

    acked = Bundle("acked")

    @initialize(displayed_size=st.booleans(), second_exit_margin=st.booleans())
    def open(self, displayed_size: bool, second_exit_margin: bool) -> None:
        rules = PaperRules(
            displayed_size=displayed_size, second_exit_margin=second_exit_margin, funds_paise=FUNDS, modifies_max=5
        )
        self.rules = rules
        self.told: list[tuple[str, OrderReport | Trade]] = []
        self.fast = PaperExchange(BOOKS, rules, lambda symbol, now_ns: True, lambda *event: self.told.append(event))
        self.slow = EveryOrderEveryTick(BOOKS, rules, lambda symbol, now_ns: True)
        self.now_ns = OPEN_NS
        self.tags = 0
        self.tick_of: dict[str, Tick] = {}
        self.ltp_before: dict[str, int] = {}
        self.taken: dict[tuple[str, Side], int] = defaultdict(int)
        self.seen_trades = 0
        self.is_arrival = False

    @rule(
        symbol=SYMBOLS,
        ltp=PRICES,
        bid_off=st.integers(0, 4),
        ask_off=st.integers(0, 4),
        qty=st.sampled_from([0, 30, 65, 130]),
        shape=st.sampled_from(["both", "both", "both", "none", "bid", "ask"]),
    )
    def tick(self, symbol: str, ltp: int, bid_off: int, ask_off: int, qty: int, shape: str) -> None:
        bid = ltp - 25 * bid_off if shape in ("both", "bid") else 0
        ask = ltp + 25 * max(ask_off, bid_off == 0) if shape in ("both", "ask") else 0
        self.now_ns += 250 * NS_PER_MS
        tick = Tick(symbol, self.now_ns, ltp, bid, qty if bid else 0, ask, qty if ask else 0)
        self.ltp_before[symbol] = self.tick_of[symbol].ltp_paise if symbol in self.tick_of else 0
        self.tick_of[symbol] = tick
        self.taken[symbol, Side.BUY] = self.taken[symbol, Side.SELL] = 0
        self.is_arrival = False
        self.fast.on_tick(tick)
        self.slow.on_tick(tick)

    @rule(
        target=acked,
        account=st.sampled_from(ACCOUNTS),
        symbol=SYMBOLS,
        side=st.sampled_from(Side),
        kind=TYPES,
        qty=QTYS,
        limit=PRICES,
        trigger=PRICES,
    )
    def place(
        self, account: str, symbol: str, side: Side, kind: OrderType, qty: int, limit: int, trigger: int
    ) -> tuple[str, str, str] | None:
        self.tags += 1
        request = OrderRequest(
            tag=f"T{self.tags}",
            symbol=symbol,
            exchange=EXCHANGE_OF[symbol],
            product="NRML",
            side=side,
            type=kind,
            qty=qty,
            limit_paise=limit,
            trigger_paise=trigger,
        )
        self.is_arrival = True
        answer = self.fast.place(account, request, self.now_ns)
        assert answer == self.slow.place(account, request, self.now_ns)
        return (account, request.tag, answer.broker_id) if isinstance(answer, Acked) else None

    @rule(order=acked, kind=TYPES, qty=QTYS, limit=PRICES, trigger=PRICES)
    def modify(self, order: tuple[str, str, str] | None, kind: OrderType, qty: int, limit: int, trigger: int) -> None:
        if order is None:
            return
        account, tag, broker_id = order
        change = OrderChange(tag=tag, broker_id=broker_id, type=kind, qty=qty, limit_paise=limit, trigger_paise=trigger)
        before = self._row(account, broker_id)
        self.is_arrival = True
        answer = self.fast.modify(account, change, self.now_ns)
        assert answer == self.slow.modify(account, change, self.now_ns)
        if isinstance(answer, Refused):
            assert before == self._row(account, broker_id)

    @rule(order=acked)
    def cancel(self, order: tuple[str, str, str] | None) -> None:
        if order is None:
            return
        account, _, broker_id = order
        filled = self._row(account, broker_id).filled_qty
        answer = self.fast.cancel(account, broker_id, self.now_ns)
        assert answer == self.slow.cancel(account, broker_id, self.now_ns)
        after = self._row(account, broker_id)
        assert filled == after.filled_qty
        assert isinstance(answer, Refused) or after.state is OrderState.CANCELLED

    @rule(seconds=st.integers(1, 8))
    def wait(self, seconds: int) -> None:
        self.now_ns += seconds * 1000 * NS_PER_MS

    def _row(self, account: str, broker_id: str) -> OrderReport:
        return next(row for row in self.fast.orders(account) if row.broker_id == broker_id)

    @invariant()
    def the_band_misses_nothing_that_the_slow_reference_sees(self) -> None:
        for account in ACCOUNTS:
            assert self.fast.orders(account) == self.slow.orders(account)
            assert self.fast.trades(account) == self.slow.trades(account)
            assert self.fast.funds(account) == self.slow.funds(account)

    @invariant()
    def positions_cash_and_orders_are_the_sum_of_trades(self) -> None:
        for account in ACCOUNTS:
            net: dict[str, int] = defaultdict(int)
            filled: dict[str, int] = defaultdict(int)
            cash = FUNDS
            for trade in self.fast.trades(account):
                net[trade.symbol] += trade.side.sign * trade.qty
                filled[trade.broker_id] += trade.qty
                cash -= trade.side.sign * trade.qty * trade.price_paise
            assert {row.symbol: row.net_qty for row in self.fast.positions(account)} == dict(net)
            assert self.fast.funds(account).cash_paise == cash
            for row in self.fast.orders(account):
                assert row.filled_qty == filled[row.broker_id] <= row.qty
                assert (row.state is OrderState.FILLED) == (row.filled_qty == row.qty)

    @invariant()
    def no_fill_is_outside_its_limit_or_beyond_what_was_displayed(self) -> None:
        reports = [(account, event) for account, event in self.told if isinstance(event, Trade)]
        for account, trade in reports[self.seen_trades :]:
            limit = self._row(account, trade.broker_id).limit_paise
            sign = trade.side.sign
            assert (limit - trade.price_paise) * sign >= 0
            tick = self.tick_of[trade.symbol]
            printed = not self.is_arrival and self.ltp_before[trade.symbol] not in (0, tick.ltp_paise)
            went_through = printed and (limit - tick.ltp_paise) * sign > 0
            if not went_through:
                self.taken[trade.symbol, trade.side] += trade.qty
                touch = tick.ask_paise if trade.side is Side.BUY else tick.bid_paise
                touch = touch if tick.bid_paise or tick.ask_paise else tick.ltp_paise
                assert touch and (trade.price_paise - touch) * sign >= 0
        self.seen_trades = len(reports)
        for (symbol, side), taken in self.taken.items():
            tick = self.tick_of[symbol]
            shown = tick.ask_qty if side is Side.BUY else tick.bid_qty
            assert not self.rules.displayed_size or not shown or taken <= shown

    @invariant()
    def reports_never_go_back(self) -> None:
        newest: dict[str, int] = {}
        for _, event in self.told:
            if isinstance(event, OrderReport):
                assert event.filled_qty >= newest.get(event.broker_id, 0)
                newest[event.broker_id] = event.filled_qty

    @invariant()
    def held_back_premium_is_there_unless_a_short_was_covered(self) -> None:
        for account in ACCOUNTS:
            funds = self.fast.funds(account)
            has_sold = any(trade.side is Side.SELL for trade in self.fast.trades(account))
            assert has_sold or funds.available_paise >= 0

    @invariant()
    def no_working_sell_is_naked_where_the_venue_asks_margin(self) -> None:
        if not self.rules.second_exit_margin:
            return
        for account in ACCOUNTS:
            held = {row.symbol: row.net_qty for row in self.fast.positions(account)}
            for symbol in EXCHANGE_OF:
                selling = sum(
                    row.qty - row.filled_qty
                    for row in self.fast.orders(account)
                    if row.symbol == symbol and row.side is Side.SELL and not _ended(row)
                )
                assert selling <= max(0, held.get(symbol, 0))


def _ended(row: OrderReport) -> bool:
    return row.state in (OrderState.FILLED, OrderState.CANCELLED, OrderState.REJECTED, OrderState.EXPIRED)


TestPaperVenue = PaperVenueMachine.TestCase
TestPaperVenue.settings = settings(stateful_step_count=40)
