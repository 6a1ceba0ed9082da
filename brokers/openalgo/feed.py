"""The prices of an OpenAlgo server: stream, quotes, candles, chains. Implements `engine.port_reads.FeedPort`.

Options and shares are streamed in depth mode, which brings the touch; an index, which has none, in price mode.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import date
from random import Random
from typing import Final

from brokers.openalgo import frames, history
from brokers.openalgo.calls import Calls
from brokers.openalgo.frames import Quote
from brokers.openalgo.master import Master, expiry_text
from brokers.openalgo.orders import Wire
from brokers.openalgo.shapes import rows_of
from brokers.openalgo.stream import SILENCE_S, PriceWords, ended, keep_alive
from brokers.wire.oddities import Oddities
from brokers.wire.stream import Stream, StreamRules
from brokers.wire.tools import SessionTools
from engine.instant import ist_date
from engine.instrument import Instrument, Segment
from engine.port import ReadFailed
from engine.port_reads import Candle, ChainRow
from engine.tick import Tick

_CONNECT_S: Final = 10.0
_STRIKES: Final = 50
"""Each side of the money that a chain is asked for; the server takes 100 at most (facts §5)."""


class OpenAlgoFeed:
    """Made by the session."""

    def __init__(
        self,
        calls: Calls,
        master: Callable[[], Awaitable[Master]],
        tools: SessionTools,
        words: Callable[[Oddities, Callable[[Quote], None]], PriceWords],
    ) -> None:
        """`master` gives the day's contracts, and fetches them when the day is another."""
        self._calls = calls
        self._master_of_day = master
        self._tools = tools
        self._oddities = Oddities("OpenAlgo feed", tools.note)
        self._listeners: list[Callable[[Tick], None]] = []
        self._on_link: list[Callable[[str], None]] = []
        self._names: dict[Wire, str] = {}
        self._intervals: object = None
        self._words = words(self._oddities, self._hear)
        self._stream = Stream(
            "openalgo feed", self._words, Random(tools.random.random()), self._link, StreamRules(silence_s=SILENCE_S)
        )
        self._alive: asyncio.Task[None] | None = None

    def listen(self, on_tick: Callable[[Tick], None]) -> None:
        self._listeners.append(on_tick)

    def on_link(self, heard: Callable[[str], None]) -> None:
        self._on_link.append(heard)

    async def connect(self) -> None:
        self._stream.start()
        if self._alive is None:
            self._alive = asyncio.get_running_loop().create_task(keep_alive(self._stream, self._words))
        await self._stream.wait_live(_CONNECT_S)

    async def close(self) -> None:
        alive, self._alive = self._alive, None
        await ended(alive)
        await self._stream.close()

    def revive(self) -> None:
        self._stream.revive()

    def _link(self, why: str) -> None:
        for heard in self._on_link:
            heard(why)

    def _hear(self, quote: Quote) -> None:
        symbol = self._names.get(quote.wire)
        if symbol is not None:  # a higher mode of another client is delivered too (facts §7)
            tick = quote.tick(symbol, self._tools.clock.now_ns())
            for listener in self._listeners:
                listener(tick)

    async def instruments(self) -> Sequence[Instrument]:
        return (await self._master_of_day()).instruments

    async def subscribe(self, symbols: Sequence[str]) -> None:
        """A symbol that the master does not have is told once and left out."""
        master = await self._master_of_day()
        wanted: list[tuple[Wire, int]] = []
        for symbol in symbols:
            wire, instrument = master.wire_of(symbol), master.instrument(symbol)
            if wire is None or instrument is None:
                self._oddities.add("subscription of an unknown symbol", symbol)
                continue
            self._names[wire] = symbol
            wanted.append((wire, frames.LTP if instrument.segment is Segment.INDEX else frames.DEPTH))
        for text in self._words.messages(self._words.want(wanted)):
            await self._stream.send(text)

    async def quote(self, symbol: str) -> Tick:
        wire = await self._wire(symbol)
        body = await self._calls.data("quotes", {"symbol": wire.symbol, "exchange": wire.exchange})
        tick = history.quote_tick(symbol, body.get("data"), self._tools.clock.now_ns())
        if tick is None:
            raise ReadFailed(f"no price for {symbol}")
        return tick

    async def candles(self, symbol: str, minutes: int, from_ns: int, to_ns: int) -> Sequence[Candle]:
        wire = await self._wire(symbol)
        if self._intervals is None:
            self._intervals = (await self._calls.data("intervals")).get("data")
        interval = history.interval_of(minutes, self._intervals)
        if interval is None:
            raise ReadFailed(f"the server has no bars of {minutes} minutes")
        if to_ns <= from_ns:
            return []
        body = await self._calls.data(
            "history",
            {
                "symbol": wire.symbol,
                "exchange": wire.exchange,
                "interval": interval,
                "start_date": ist_date(from_ns).isoformat(),
                "end_date": ist_date(to_ns - 1).isoformat(),
            },
        )
        raws = rows_of(body.get("data"))
        if raws is None:
            raise ReadFailed("the history is no list of bars")
        return history.candles_of(raws, from_ns, to_ns, self._oddities)

    async def expiries(self, underlying: str) -> Sequence[date]:
        """From the day's master."""
        found = (await self._master_of_day()).expiries(underlying)
        if not found:
            raise ReadFailed(f"no options of {underlying} in today's master")
        return found

    async def chain(self, underlying: str, expiry: date) -> Sequence[ChainRow]:
        master = await self._master_of_day()
        options = master.options(underlying, expiry)
        if not options:
            raise ReadFailed(f"no options of {underlying} that expire on {expiry}")
        wire = master.wire_of(underlying)
        body = await self._calls.data(
            "optionchain",
            {
                "underlying": underlying,
                "exchange": wire.exchange if wire is not None else "NSE_INDEX",
                "expiry_date": expiry_text(expiry),
                "strike_count": _STRIKES,
            },
        )
        legs = history.chain_legs(body.get("chain"))
        if not legs:
            raise ReadFailed("the option chain is empty")
        rows: list[ChainRow] = []
        for option in options:
            wired = master.wire_of(option.symbol)
            leg = legs.get(wired.symbol) if wired is not None else None
            if leg is not None:
                rows.append(leg_named(leg, option.symbol))
        return rows

    async def _wire(self, symbol: str) -> Wire:
        wire = (await self._master_of_day()).wire_of(symbol)
        if wire is None:
            raise ReadFailed(f"{symbol} is not in today's master")
        return wire


def leg_named(leg: ChainRow, symbol: str) -> ChainRow:
    """The row under this desk's name of the contract."""
    return ChainRow(
        symbol=symbol, ltp_paise=leg.ltp_paise, bid_paise=leg.bid_paise, ask_paise=leg.ask_paise, volume=leg.volume,
        open_interest=leg.open_interest,
    )  # fmt: skip
