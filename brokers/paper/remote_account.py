"""A paper account at a venue in another process, behind the engine's broker port.

Every write ends in exactly one of the four answers: what could not be written was not sent, what was written and not
answered is unknown, whatever broke (faults §3). Nothing is sent twice here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from brokers.paper import wire
from brokers.paper.remote_link import NoReply, NotWritten, NoValue, R, VenueLink
from engine.instant import NS_PER_S
from engine.order import Trade
from engine.port import (
    Answer,
    NotSent,
    OrderChange,
    OrderReport,
    OrderRequest,
    PositionReport,
    ReadFailed,
    Unknown,
)
from engine.venue_rules import VenueRules


class RemotePaperAccount:
    """Implements `engine.port.BrokerPort` on an open link."""

    def __init__(self, link: VenueLink) -> None:
        self._link = link
        self._on_order: Callable[[OrderReport], None] | None = None
        self._on_trade: Callable[[Trade], None] | None = None
        self._is_open = False
        link.on_push(self._hear)

    @property
    def account_id(self) -> str:
        return wire.printable(self._link.welcome.account_id)

    @property
    def rules(self) -> VenueRules:
        return self._link.welcome.rules

    @property
    def ambiguity_s(self) -> float:
        """A write is waited for until its deadline and not carried out when it arrives after that."""
        return self._link.deadline_ns / NS_PER_S + self._link.welcome.ambiguity_s

    def listen(self, on_order: Callable[[OrderReport], None], on_trade: Callable[[Trade], None]) -> None:
        self._on_order = on_order
        self._on_trade = on_trade

    async def connect(self) -> None:
        """The link is open already; a link that is lost at this moment comes back by itself."""
        self._is_open = True

    async def close(self) -> None:
        """Stops hearing and asking; orders go on resting at the venue. The link is closed by whoever opened it."""
        self._is_open = False

    # Writes

    async def place(self, request: OrderRequest) -> Answer:
        return await self._write(lambda number, expires_ns: wire.Place(id=number, expires_ns=expires_ns, order=request))

    async def modify(self, change: OrderChange) -> Answer:
        return await self._write(
            lambda number, expires_ns: wire.Modify(id=number, expires_ns=expires_ns, change=change)
        )

    async def cancel(self, tag: str, broker_id: str) -> Answer:
        return await self._write(
            lambda number, expires_ns: wire.Cancel(
                id=number, expires_ns=expires_ns, client_tag=tag, broker_id=broker_id
            )
        )

    async def _write(self, made: Callable[[int, int], wire.Ask]) -> Answer:
        if not self._is_open:
            return NotSent("the paper account is not connected")
        request = made(self._link.number(), self._link.clock.now_ns() + self._link.deadline_ns)
        try:
            return wire.answer_of(await self._link.ask(request, wire.Answered))
        except NotWritten as failure:
            return NotSent(str(failure))
        except (NoReply, NoValue) as failure:
            return Unknown(str(failure))

    # Reads

    async def read_orders(self) -> Sequence[OrderReport]:
        return (await self._read(wire.ReadOrders(id=self._link.number()), wire.Orders)).rows

    async def read_trades(self) -> Sequence[Trade]:
        return (await self._read(wire.ReadTrades(id=self._link.number()), wire.Trades)).rows

    async def read_positions(self) -> Sequence[PositionReport]:
        return (await self._read(wire.ReadPositions(id=self._link.number()), wire.Positions)).rows

    async def _read(self, request: wire.Ask, kind: type[R]) -> R:
        """Raises ReadFailed."""
        if not self._is_open:
            raise ReadFailed("the paper account is not connected")
        return await read(self._link, request, kind)

    def _hear(self, push: wire.Push) -> None:
        if not self._is_open:
            return
        match push:
            case wire.OrderPush(report=report):
                if self._on_order is not None:
                    self._on_order(report)
            case wire.TradePush(trade=trade):
                if self._on_trade is not None:
                    self._on_trade(trade)
            case _:
                pass


async def read(link: VenueLink, request: wire.Ask, kind: type[R]) -> R:
    """One read; whatever kept it from a valid answer proves nothing. Raises ReadFailed."""
    try:
        return await link.ask(request, kind)
    except (NotWritten, NoReply, NoValue) as failure:
        raise ReadFailed(str(failure)) from None
