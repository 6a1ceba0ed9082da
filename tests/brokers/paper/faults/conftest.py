"""A desk's view of a misbehaving venue: `play(act, {"knob": ...}, ...)` runs `act(venue)` in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import date, time
from itertools import count
from random import Random
from typing import Any

import pytest
import tomli_w

from brokers.paper.account import Latency, PaperAccount
from brokers.paper.exchange import PaperExchange
from brokers.paper.faults.account import FaultyAccount
from brokers.paper.faults.hand import Hand
from brokers.paper.faults.market import FaultyMarket
from brokers.paper.faults.plan import FaultPlan
from brokers.paper.faults.script import read_script
from brokers.paper.rules import PaperRules
from engine.clock import LoopClock
from engine.instant import NS_PER_S, at_ist, ns_from_s
from engine.instrument import Instrument
from engine.order import OrderType, Side, Trade
from engine.port import Acked, Answer, OrderChange, OrderReport, OrderRequest, Unknown
from engine.tick import Tick
from engine.virtual_time import run_virtual

PUT = "NIFTY01DEC2624500PE"
DAY = date(2026, 11, 25)
TEN = at_ist(DAY, time(10, 0))
LOT = 65


class Feed:
    """An honest market that says what the test wants."""

    def __init__(self, instruments: Sequence[Instrument]) -> None:
        self._instruments = instruments
        self._listeners: list[Callable[[Tick], None]] = []
        self.last: dict[str, Tick] = {}

    def listen(self, on_tick: Callable[[Tick], None]) -> None:
        self._listeners.append(on_tick)

    async def connect(self) -> None: ...

    async def close(self) -> None: ...

    async def instruments(self) -> Sequence[Instrument]:
        return self._instruments

    async def subscribe(self, symbols: Sequence[str]) -> None: ...

    async def quote(self, symbol: str) -> Tick:
        return self.last[symbol]

    def show(self, tick: Tick) -> None:
        self.last[tick.symbol] = tick
        for listener in self._listeners:
            listener(tick)


class Venue:
    """Exchange, account, feed and hands under one plan, and all that a desk would have heard."""

    def __init__(self, instruments: Sequence[Instrument], plan: FaultPlan, rules: PaperRules) -> None:
        self.clock = LoopClock(asyncio.get_running_loop(), TEN)
        self.exchange = PaperExchange(instruments, rules, lambda symbol, now_ns: True)
        latency = Latency(request_ms=(10, 20), push_ms=(5, 10), overtake_pct=0)
        self.plan = plan
        self.account = FaultyAccount(
            PaperAccount("PAPER1", self.exchange, self.clock, Random(1), latency=latency), self.clock, plan
        )
        self.hand = Hand(self.exchange, "PAPER1", self.clock, plan)
        self.feed = Feed(instruments)
        self.market = FaultyMarket(self.feed, self.clock, plan)
        self.market.listen_truth(self.exchange.on_tick)
        self.ticks: list[Tick] = []
        self.market.listen(self.ticks.append)
        self.orders: list[OrderReport] = []
        self.trades: list[Trade] = []
        self.account.listen(self.orders.append, self.trades.append)
        self._tags = count(1)

    # what the test does

    def show(self, bid: int = 9_995, ask: int = 10_005, symbol: str = PUT, qty: int = 650) -> None:
        self.feed.show(Tick(symbol, self.clock.now_ns(), bid, bid, qty, ask, qty))

    async def wait(self, seconds: float) -> None:
        await self.clock.sleep_until(self.clock.now_ns() + ns_from_s(seconds))

    def request(self, letter: str, side: Side, qty: int, limit: int, kind: OrderType, trigger: int) -> OrderRequest:
        return OrderRequest(
            tag=f"SD0001{next(self._tags):05d}{letter}",
            symbol=PUT,
            exchange="NFO",
            product="NRML",
            side=side,
            type=kind,
            qty=qty,
            limit_paise=limit,
            trigger_paise=trigger,
        )

    async def entry(self, limit: int = 10_010, qty: int = 2 * LOT) -> Answer:
        return await self.ask(self.account.place(self.request("E", Side.BUY, qty, limit, OrderType.LIMIT, 0)))

    async def target(self, limit: int = 12_000, qty: int = 2 * LOT) -> Answer:
        return await self.ask(self.account.place(self.request("T", Side.SELL, qty, limit, OrderType.LIMIT, 0)))

    async def stop(self, trigger: int = 9_000, limit: int = 8_900, qty: int = 2 * LOT) -> Answer:
        return await self.ask(self.account.place(self.request("S", Side.SELL, qty, limit, OrderType.SL, trigger)))

    async def exit(self, limit: int = 9_500, qty: int = 2 * LOT) -> Answer:
        return await self.ask(self.account.place(self.request("X", Side.SELL, qty, limit, OrderType.MARKET, 0)))

    async def cancel(self, answer: Answer) -> Answer:
        assert isinstance(answer, Acked), answer
        tag = self.row(answer).tag
        return await self.ask(self.account.cancel(tag, answer.broker_id))

    async def modify(self, answer: Answer, limit: int, qty: int = 2 * LOT) -> Answer:
        assert isinstance(answer, Acked), answer
        row = self.row(answer)
        change = OrderChange(
            tag=row.tag,
            broker_id=row.broker_id,
            type=row.type,
            qty=qty,
            limit_paise=limit,
            trigger_paise=row.trigger_paise,
        )
        return await self.ask(self.account.modify(change))

    async def ask(self, call: Coroutine[Any, Any, Answer], deadline_s: float = 3.0) -> Answer:
        """As the gateway does it: one deadline, and no answer in time is unknown."""
        task = asyncio.ensure_future(call)
        timer = self.clock.call_at(self.clock.now_ns() + ns_from_s(deadline_s), lambda: (task.cancel(), None)[1])
        try:
            return await task
        except asyncio.CancelledError:
            return Unknown("no answer")
        finally:
            timer.cancel()

    # the truth

    def rows(self) -> list[OrderReport]:
        return self.exchange.orders("PAPER1")

    def row(self, answer: Answer) -> OrderReport:
        assert isinstance(answer, Acked), answer
        return next(row for row in self.rows() if row.broker_id == answer.broker_id)

    def net(self, symbol: str = PUT, product: str = "NRML") -> int:
        rows = self.exchange.positions("PAPER1")
        return sum(row.net_qty for row in rows if (row.symbol, row.product) == (symbol, product))

    @property
    def elapsed_s(self) -> float:
        return (self.clock.now_ns() - TEN) / NS_PER_S


Act = Callable[[Venue], Awaitable[None]]


class OpenVenue:
    """Runs a scene at a venue under a plan: `open_venue(act, plan)`."""

    start_ns = TEN

    def __init__(self, instruments: Sequence[Instrument]) -> None:
        self._instruments = instruments

    def __call__(self, act: Act, plan: FaultPlan, *, funds_paise: int = 500_000_000, **rules: Any) -> None:
        async def scene() -> None:
            venue = Venue(self._instruments, plan, PaperRules(book_life_ns=0, funds_paise=funds_paise, **rules))
            await venue.account.connect()
            await venue.market.instruments()
            venue.show()
            venue.hand.start()
            await act(venue)

        run_virtual(scene())


@pytest.fixture
def open_venue(instruments: list[Instrument]) -> OpenVenue:
    return OpenVenue(instruments)


@pytest.fixture
def play(open_venue: OpenVenue) -> Callable[..., FaultPlan]:
    """Runs a scene under the given faults and returns the plan, which knows what fired."""

    def play(act: Act, *faults: dict[str, object], **rules: Any) -> FaultPlan:
        plan = read_script(tomli_w.dumps({"fault": list(faults)}), "test").plan(DAY) if faults else FaultPlan([])
        open_venue(act, plan, **rules)
        return plan

    return play
