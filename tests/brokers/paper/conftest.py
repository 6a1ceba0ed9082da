"""A driver of the paper exchange that speaks in rupees-free short calls: `venue.tick(...)`, `venue.buy(...)`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, time
from itertools import count

import pytest

from brokers.paper.exchange import PaperExchange
from brokers.paper.rules import PaperRules
from engine.instant import NS_PER_MS, at_ist
from engine.instrument import Instrument, OptionType, Segment
from engine.order import OrderType, Side, Trade
from engine.port import Acked, OrderChange, OrderReport, OrderRequest, Refused
from engine.tick import Tick

PUT = "NIFTY01DEC2624500PE"
CALL = "NIFTY01DEC2624500CE"
STOCK = "RELIANCE"
SENSEX = "SENSEX03DEC2680000PE"
OPEN_NS = at_ist(date(2026, 11, 25), time(9, 15))
ACCOUNT = "PAPER1"


def option(symbol: str, exchange: str = "NFO", lot: int = 65, freeze: int = 1800) -> Instrument:
    return Instrument(
        symbol=symbol,
        exchange=exchange,
        segment=Segment.INDEX_OPTION,
        lot_size=lot,
        tick_paise=5,
        freeze_qty=freeze,
        underlying="NIFTY",
        expiry=date(2026, 12, 1),
        strike_paise=2_450_000,
        option_type=OptionType(symbol[-2:]),
    )


INSTRUMENTS = [
    option(PUT),
    option(CALL),
    option(SENSEX, exchange="BFO", lot=20, freeze=1000),
    Instrument(symbol=STOCK, exchange="NSE", segment=Segment.EQUITY, lot_size=1, tick_paise=10),
    Instrument(symbol="NIFTY", exchange="NSE", segment=Segment.INDEX, lot_size=1, tick_paise=5),
]


class Venue:
    """One exchange, one account, a hand-driven instant that moves 100 ms a tick."""

    def __init__(self, rules: PaperRules, exchange_type: type[PaperExchange] = PaperExchange) -> None:
        self.events: list[OrderReport | Trade] = []
        self.is_open = True
        self.now_ns = OPEN_NS
        self._tags = count(1)
        self.exchange = exchange_type(
            INSTRUMENTS, rules, lambda symbol, now_ns: self.is_open, lambda account, event: self.events.append(event)
        )

    def tick(self, ltp: int, bid: int = 0, ask: int = 0, qty: int = 650, symbol: str = PUT) -> None:
        self.now_ns += 100 * NS_PER_MS
        self.exchange.on_tick(Tick(symbol, self.now_ns, ltp, bid, qty if bid else 0, ask, qty if ask else 0))

    def quote(self, bid: int, ask: int, qty: int = 650, symbol: str = PUT) -> None:
        """A two-sided tick whose last trade was at the bid."""
        self.tick(bid, bid, ask, qty, symbol)

    def place(
        self,
        side: Side,
        qty: int,
        limit: int,
        kind: OrderType = OrderType.LIMIT,
        trigger: int = 0,
        symbol: str = PUT,
        tag: str = "",
        product: str = "NRML",
        exchange: str = "NFO",
        account: str = ACCOUNT,
    ) -> Acked | Refused:
        request = OrderRequest(
            tag=tag or f"T{next(self._tags)}",
            symbol=symbol,
            exchange=exchange,
            product=product,
            side=side,
            type=kind,
            qty=qty,
            limit_paise=limit,
            trigger_paise=trigger,
        )
        return self.exchange.place(account, request, self.now_ns)

    def buy(self, qty: int, limit: int, **more: object) -> Acked | Refused:
        return self.place(Side.BUY, qty, limit, **more)  # type: ignore[arg-type]

    def sell(self, qty: int, limit: int, **more: object) -> Acked | Refused:
        return self.place(Side.SELL, qty, limit, **more)  # type: ignore[arg-type]

    def stop(self, qty: int, trigger: int, limit: int, side: Side = Side.SELL) -> Acked | Refused:
        return self.place(side, qty, limit, kind=OrderType.SL, trigger=trigger)

    def modify(
        self, answer: Acked | Refused, qty: int, limit: int, kind: OrderType = OrderType.LIMIT, trigger: int = 0
    ) -> Acked | Refused:
        assert isinstance(answer, Acked), answer
        change = OrderChange(
            tag=self.report(answer).tag,
            broker_id=answer.broker_id,
            type=kind,
            qty=qty,
            limit_paise=limit,
            trigger_paise=trigger,
        )
        return self.exchange.modify(ACCOUNT, change, self.now_ns)

    def cancel(self, answer: Acked | Refused) -> Acked | Refused:
        assert isinstance(answer, Acked), answer
        return self.exchange.cancel(ACCOUNT, answer.broker_id, self.now_ns)

    def report(self, answer: Acked | Refused) -> OrderReport:
        assert isinstance(answer, Acked), answer
        return next(row for row in self.exchange.orders(ACCOUNT) if row.broker_id == answer.broker_id)

    def fills(self) -> list[tuple[int, int]]:
        """(qty, price) of every trade so far; SELLs are negative quantities."""
        return [(trade.side.sign * trade.qty, trade.price_paise) for trade in self.exchange.trades(ACCOUNT)]

    def net(self, symbol: str = PUT) -> int:
        return sum(row.net_qty for row in self.exchange.positions(ACCOUNT) if row.symbol == symbol)

    @property
    def cash(self) -> int:
        return self.exchange.funds(ACCOUNT).cash_paise


@pytest.fixture
def venue() -> Venue:
    return Venue(PaperRules())


@pytest.fixture
def venue_with() -> Callable[..., Venue]:
    """A venue under other rules: `venue_with(second_exit_margin=True)`."""
    return lambda **rules: Venue(PaperRules(**rules))


@pytest.fixture
def venue_of() -> Callable[..., Venue]:
    """A venue on another exchange class: `venue_of(SlowExchange, **rules)`."""
    return lambda exchange_type, **rules: Venue(PaperRules(**rules), exchange_type)


@pytest.fixture
def instruments() -> list[Instrument]:
    return INSTRUMENTS


@pytest.fixture
def open_ns() -> int:
    return OPEN_NS
