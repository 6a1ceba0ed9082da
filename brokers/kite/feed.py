"""Kite's prices behind the engine's feed port: ticks, quotes, candles, and chains made from the instrument dump."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date
from typing import Any, Protocol, cast

from brokers.kite.account import LIVE_S, Parts
from brokers.kite.market_reads import INTERVALS, candles_of, chain_row_of, spans_of, tick_of
from brokers.kite.quotes import Quotes
from brokers.kite.rules import HISTORY_PER_S, QUOTES_PER_CALL, QUOTES_PER_S, TOKENS_PER_SOCKET
from brokers.kite.times import stamp_of
from brokers.wire.pace import Pace
from engine.instrument import Instrument
from engine.port import Clock, ReadFailed
from engine.port_reads import Candle, ChainRow
from engine.tick import Tick


class FeedParts(Parts, Protocol):
    """What the feed has of its session besides."""

    @property
    def clock(self) -> Clock: ...

    @property
    def note(self) -> Callable[[str], None]: ...

    @property
    def refresh_master(self) -> Callable[[], Awaitable[None]]:
        """Fetches the dump again when the day has changed; raises ReadFailed."""
        ...


class KiteFeed:
    """Implements `engine.port_reads.FeedPort`."""

    def __init__(self, parts: FeedParts) -> None:
        self._parts = parts
        self._history = Pace(HISTORY_PER_S, 1.0 / parts.time_scale)
        # A hair more than a second: the broker counts by its own clock.
        self._quote_pace = Pace(QUOTES_PER_S, 1.05 / parts.time_scale)
        self.quotes = Quotes(self._quote_pace.turn, self._fetch_quotes, QUOTES_PER_CALL)
        self._listeners: list[Callable[[Tick], None]] = []

    def listen(self, on_tick: Callable[[Tick], None]) -> None:
        self._listeners.append(on_tick)

    def on_link(self, heard: Callable[[str], None]) -> None:
        self._parts.ticker.on_link(heard)

    def _tell(self, tick: Tick) -> None:
        for listener in self._listeners:
            listener(tick)

    async def connect(self) -> None:
        ticker = self._parts.ticker
        ticker.on_tick = self._tell
        ticker.stream.start()
        await ticker.stream.wait_live(LIVE_S)

    async def close(self) -> None:
        self._parts.ticker.on_tick = None
        await self.quotes.close()

    async def instruments(self) -> Sequence[Instrument]:
        await self._parts.refresh_master()
        return self._parts.master.instruments

    async def subscribe(self, symbols: Sequence[str]) -> None:
        """A symbol that today's dump does not have is noted and gets no ticks."""
        listings = self._parts.master.listings
        known = [symbol for symbol in symbols if symbol in listings]
        room = TOKENS_PER_SOCKET - self._parts.ticker.wanted_count
        if len(known) < len(symbols):
            self._parts.note(f"kite: {len(symbols) - len(known)} symbols are not in today's instruments: no ticks")
        if len(known) > room:
            self._parts.note(f"kite: more than {TOKENS_PER_SOCKET} subscriptions: the last get no ticks")
        await self._parts.ticker.subscribe(listings[symbol].token for symbol in known[: max(0, room)])

    async def quote(self, symbol: str) -> Tick:
        item = await self.quotes.ask(self._key(symbol))
        tick = tick_of(symbol, item, self._parts.clock.now_ns())
        if tick is None:
            raise ReadFailed(f"/quote: no price for {symbol}")
        return tick

    async def candles(self, symbol: str, minutes: int, from_ns: int, to_ns: int) -> Sequence[Candle]:
        listing = self._parts.master.listings.get(symbol)
        if listing is None or minutes not in INTERVALS:
            missing = "instrument" if listing is None else f"interval of {minutes} minutes"
            raise ReadFailed(f"candles of {symbol}: no such {missing} at Kite")
        word, days_max = INTERVALS[minutes]
        path = f"/instruments/historical/{listing.token}/{word}"
        found: dict[int, Candle] = {}
        for start_ns, end_ns in spans_of(from_ns, to_ns, days_max):
            query = {"from": stamp_of(start_ns), "to": stamp_of(end_ns), "continuous": "0", "oi": "1"}
            data = await self._parts.rest.read(path, self._history, query=query)
            candles = candles_of(data, self._parts.oddities)
            if candles is None:
                raise ReadFailed(f"{path}: no list of candles")
            found |= {candle.start_ns: candle for candle in candles if from_ns <= candle.start_ns < to_ns}
        return [found[start] for start in sorted(found)]

    async def expiries(self, underlying: str) -> Sequence[date]:
        found = {row.expiry for row in self._parts.master.options(underlying) if row.expiry is not None}
        if not found:
            raise ReadFailed(f"{underlying}: no options in today's instruments of Kite")
        return sorted(found)

    async def chain(self, underlying: str, expiry: date) -> Sequence[ChainRow]:
        """One quote call for 500 contracts."""
        rows = [row for row in self._parts.master.options(underlying) if row.expiry == expiry]
        if not rows:
            raise ReadFailed(f"{underlying} {expiry.isoformat()}: no options in today's instruments of Kite")
        rows.sort(key=lambda row: (row.strike_paise, row.option_type or ""))
        items = await asyncio.gather(*(self.quotes.ask(self._key(row.symbol)) for row in rows))
        return [chain_row_of(row.symbol, item) for row, item in zip(rows, items, strict=True)]

    def _key(self, symbol: str) -> str:
        if why := self._parts.why_closed:
            raise ReadFailed(why)
        listing = self._parts.master.listings.get(symbol)
        if listing is None:
            raise ReadFailed(f"{symbol} is not in today's instruments of Kite")
        return listing.quote_key

    async def _fetch_quotes(self, keys: Sequence[str]) -> Mapping[str, Any]:
        data: Any = await self._parts.rest.read("/quote", self._parts.reads, query=[("i", key) for key in keys])
        if not isinstance(data, dict):
            raise ReadFailed("/quote: no object")
        return cast("dict[str, Any]", data)
