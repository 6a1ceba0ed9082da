"""The prices of a paper venue in another process, behind the engine's market port."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from brokers.paper import wire
from brokers.paper.remote_account import read
from brokers.paper.remote_link import NoReply, NotWritten, NoValue, VenueLink
from engine.instrument import Instrument
from engine.tick import Tick


class RemotePaperMarket:
    """Implements `engine.port.MarketPort` on an open link."""

    def __init__(self, link: VenueLink) -> None:
        self._link = link
        self._listeners: list[Callable[[Tick], None]] = []
        link.on_push(self._hear)

    def listen(self, on_tick: Callable[[Tick], None]) -> None:
        self._listeners.append(on_tick)

    async def connect(self) -> None:
        """The link is open already."""

    async def close(self) -> None:
        self._listeners.clear()

    async def instruments(self) -> Sequence[Instrument]:
        """Today's contracts of the venue. Raises ReadFailed."""
        return (await read(self._link, wire.ReadInstruments(id=self._link.number()), wire.Instruments)).rows

    async def subscribe(self, symbols: Sequence[str]) -> None:
        """Now, and again after every reconnect; what cannot be asked for now is asked for then."""
        with suppress(NotWritten, NoReply, NoValue):
            await self._link.subscribe(list(symbols))

    async def quote(self, symbol: str) -> Tick:
        """Raises ReadFailed."""
        return (await read(self._link, wire.ReadQuote(id=self._link.number(), symbol=symbol), wire.Quote)).tick

    def _hear(self, push: wire.Push) -> None:
        if isinstance(push, wire.TickPush):
            for listener in self._listeners:
                listener(push.tick)
