"""A rehearsal venue whose prices the measurement pushes by hand: one exchange, one account, the venue's own sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Any

from aiohttp import web
from live_desk import FIVE_MS, START_NS

from brokers.paper import wire
from brokers.paper.account import PaperAccount
from brokers.paper.exchange import PaperExchange
from brokers.paper.rules import PaperRules
from brokers.venue.site import Site, VenueTerms
from engine.clock import LoopClock
from engine.instant import NS_PER_S
from engine.instrument import Instrument
from engine.port import BrokerPort, ReadFailed
from engine.tick import Tick
from tui.rehearsal import make_venue

_UNPACED = 1_000_000


class HandFloor:
    """Implements `brokers.paper.server.Floor`, and is its own market. Build it on the running loop."""

    def __init__(self, contracts: Sequence[Instrument]) -> None:
        loop = asyncio.get_running_loop()
        self.contracts = list(contracts)
        self.anchor = wire.VenueClock(venue_ns=START_NS, monotonic_ns=round(loop.time() * NS_PER_S), speed=1.0)
        self.clock = LoopClock.anchored(loop, START_NS, self.anchor.monotonic_ns)
        self.exchange = PaperExchange(self.contracts, PaperRules(funds_paise=10**13), lambda *_: True)
        self.market = self
        self._listeners: list[Any] = [self.exchange.on_tick]
        self._newest: dict[str, Tick] = {}
        self._accounts: dict[str, BrokerPort] = {}

    def push(self, symbol: str, ltp_paise: int) -> None:
        """One tick, to the exchange and to everybody who is connected."""
        tick = Tick(symbol, self.clock.now_ns(), ltp_paise, ltp_paise - 5, 10_000, ltp_paise + 5, 10_000)
        self._newest[symbol] = tick
        for listener in self._listeners:
            listener(tick)

    # --- what a venue asks ------------------------------------------------------------------------------------------

    def listen(self, on_tick: Any) -> None:
        self._listeners.append(on_tick)

    async def subscribe(self, symbols: Sequence[str]) -> None: ...

    async def instruments(self) -> Sequence[Instrument]:
        return self.contracts

    async def quote(self, symbol: str) -> Tick:
        if symbol not in self._newest:
            raise ReadFailed(f"{symbol} has not traded")
        return self._newest[symbol]

    async def account(self, name: str) -> BrokerPort:
        if name not in self._accounts:
            port = PaperAccount(name, self.exchange, self.clock, Random(1), latency=FIVE_MS, orders_per_s_max=_UNPACED)
            await port.connect()
            self._accounts[name] = port
        return self._accounts[name]

    def ledger(self) -> wire.VenueLedger:
        return wire.VenueLedger(venue_ns=self.clock.now_ns(), accounts=[])


async def open_venue(kind: str, floor: HandFloor, on_request: Any = None) -> Site:
    """Listening on loopback. `on_request(request)` is called when the head of a request has arrived."""
    site = make_venue(kind, floor, Random(1), VenueTerms(writes_per_s=_UNPACED), lambda _text: None)  # type: ignore[arg-type]
    if on_request is not None:

        @web.middleware
        async def stamp(request: web.Request, handler: Any) -> Any:
            on_request(request)
            return await handler(request)

        site.app.middlewares.insert(0, stamp)
    await site.start()
    return site
