"""Which made-up markets a desk or a venue shows: an index with its options, two shares, or both side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from brokers.paper.demo_market import DemoMarket
from brokers.paper.pair_market import PairMarket
from engine.config.model import Config
from engine.instrument import Instrument
from engine.port import Clock, MarketPort, ReadFailed
from engine.session import SessionClass
from engine.tick import Tick
from tui.demo_hours import DemoHours

Bands = dict[str, tuple[int, int]]
"""Lowest and highest price of the day in paise, by symbol."""


class MadeMarket(MarketPort, Protocol):
    """A market that lives in this process, and somebody has to drive it."""

    async def run(self) -> None:
        """Ticks for ever; ends only by cancellation."""
        ...


class DemoFloor:
    """Implements `engine.port.MarketPort` over the made markets; each is driven on its own."""

    def __init__(self, markets: Sequence[MadeMarket]) -> None:
        self._markets = tuple(markets)

    @property
    def jobs(self) -> list[Callable[[], object]]:
        """What has to run for prices to move."""
        return [market.run for market in self._markets]

    def price_bands(self) -> Bands:
        """Of the shares; the options of the demo have none."""
        return {
            symbol: band
            for market in self._markets
            if isinstance(market, PairMarket)
            for symbol, band in market.price_bands().items()
        }

    def listen(self, on_tick: Callable[[Tick], None]) -> None:
        for market in self._markets:
            market.listen(on_tick)

    async def connect(self) -> None:
        for market in self._markets:
            await market.connect()

    async def close(self) -> None:
        for market in self._markets:
            await market.close()

    async def instruments(self) -> Sequence[Instrument]:
        return [instrument for market in self._markets for instrument in await market.instruments()]

    async def subscribe(self, symbols: Sequence[str]) -> None:
        """Each market takes what is its own."""
        for market in self._markets:
            known = {instrument.symbol for instrument in await market.instruments()}
            await market.subscribe([symbol for symbol in symbols if symbol in known])

    async def quote(self, symbol: str) -> Tick:
        for market in self._markets:
            if any(instrument.symbol == symbol for instrument in await market.instruments()):
                return await market.quote(symbol)
        raise ReadFailed(f"no price for {symbol} in the demo markets")


def hours_of(config: Config) -> SessionClass:
    """Whose session a demo day of this desk is: that of its options, or of shares where grids trade alone."""
    return SessionClass.OPTIONS if config.has_legs else SessionClass.CASH_WITH_DERIVATIVES


def open_floor(
    seed: int,
    start_ns: int,
    clock: Clock,
    hours: DemoHours,
    on_instruments: Callable[[Sequence[Instrument]], None],
    *,
    options: bool,
    shares: bool,
) -> DemoFloor:
    """`on_instruments` hears each day's master before its first tick."""
    markets: list[MadeMarket] = []
    if options:
        session = hours.session_of(SessionClass.OPTIONS)
        markets.append(DemoMarket(seed, start_ns, clock, session, hours.next_day, on_instruments=on_instruments))
    if shares:
        session = hours.session_of(SessionClass.CASH_WITH_DERIVATIVES)
        markets.append(PairMarket(seed, start_ns, clock, session, hours.next_day, on_instruments=on_instruments))
    return DemoFloor(markets)
