"""Serves paper accounts and their market to other processes of this machine, over a loopback socket.

The venue's own work (exchange, accounts, market) is given to it; here is only who is connected, what they asked, and
what is told to whom. A request that has arrived is carried out whether or not its sender is still there, as at any
broker; one that arrives after its sender has given up waiting is not (it says so itself), so that silence ends.
Nothing but loopback is ever listened on: there is no login, and only paper money.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Final, Protocol

from brokers.paper import wire
from engine.instant import NS_PER_S
from engine.order import Trade
from engine.port import Answer, BrokerPort, Clock, MarketPort, NotSent, OrderReport, ReadFailed, Unknown
from engine.tick import Tick

ARRIVED_S: Final = 1
"""A write that arrived in time shows its effect within this much more: the account's own delays, on the clock."""
_HELLO_S: Final = 5.0
"""Real time: a connection that does not greet is not kept."""
_FAREWELL_S: Final = 1.0
"""Real time: a client that does not take the last lines is left without them."""
_BEAT_NS: Final = NS_PER_S
_TICKS_WAITING_MAX: Final = 256 * 1024
"""Bytes that wait for a client; above it ticks are left out, for the newest is worth more than a queue of old ones."""
_WAITING_MAX: Final = 2 * wire.REPLY_BYTES_MAX
"""Bytes that wait for a client; above it the connection ends: updates are never left out silently."""
_CLIENTS_MAX: Final = 32
_ASKING_MAX: Final = 256
"""Unanswered requests of one connection."""


class UnknownAccount(Exception):
    """The venue does not open this account. The text is one sentence for the user."""


class Floor(Protocol):
    """What stands behind the server: one venue with its market and its accounts."""

    @property
    def clock(self) -> Clock: ...

    @property
    def market(self) -> MarketPort: ...

    @property
    def anchor(self) -> wire.VenueClock: ...

    async def account(self, name: str) -> BrokerPort:
        """The account of this name, opened when it is new and connected. Raises UnknownAccount."""
        ...

    def ledger(self) -> wire.VenueLedger: ...


class VenueServer:
    """`start` it, and `close` it; requests of all connections run on the loop's thread."""

    def __init__(self, floor: Floor, on_note: Callable[[str], None] = lambda _text: None) -> None:
        """`on_note` hears one printable sentence about each connection that ended badly."""
        self._floor = floor
        self._on_note = on_note
        self._server: asyncio.Server | None = None
        self._visits: dict[asyncio.Task[None], _Visit] = {}
        self._jobs: set[asyncio.Task[None]] = set()
        self._heard: set[str] = set()
        """Accounts whose pushes are listened to."""

    @property
    def port(self) -> int:
        """The port that is listened on; 0 before the start."""
        return self._server.sockets[0].getsockname()[1] if self._server is not None and self._server.sockets else 0

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Raises ValueError for an address that is not loopback, and OSError when it cannot be listened on."""
        if not ipaddress.ip_address(host).is_loopback:
            raise ValueError(f"{host}: the paper venue listens on loopback only (127.0.0.1 or ::1)")
        self._floor.market.listen(self._on_tick)
        self._server = await asyncio.start_server(self._on_client, host, port, limit=wire.REQUEST_BYTES_MAX)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        visits = dict(self._visits)
        for visit in visits.values():
            visit.bid_goodbye("the venue ends")
            visit.hang_up()
        for job in self._jobs:
            job.cancel()
        if visits:  # not cancelled: asyncio.start_server reports a cancelled connection as an error
            await asyncio.wait(visits, timeout=_FAREWELL_S)
        for visit in self._visits.values():
            visit.hang_up(at_once=True)
        await asyncio.gather(*visits, *self._jobs, return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()

    @property
    def jobs(self) -> list[Callable[[], Coroutine[Any, Any, None]]]:
        """What has to run while it serves."""
        return [self.beat]

    async def beat(self) -> None:
        """Say something to everybody once a second of exchange time; ends only by cancellation."""
        while True:
            await self._floor.clock.sleep_until(self._floor.clock.now_ns() + _BEAT_NS)
            self._tell_all(wire.line_of(wire.Beat()))

    # --- connections ------------------------------------------------------------------------------------------------

    async def _on_client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "asyncio runs this in a task of its own"
        visit = _Visit(writer)
        self._visits[task] = visit
        try:
            if len(self._visits) > _CLIENTS_MAX:
                raise wire.WireError(f"{_CLIENTS_MAX} clients are connected already")
            await self._serve(reader, visit)
        except (wire.WireError, UnknownAccount) as failure:
            visit.bid_goodbye(str(failure))
            self._on_note(f"a client was sent away: {failure}")
        except (OSError, EOFError):
            pass  # it is gone; what it asked for goes on
        finally:
            del self._visits[task]
            await visit.end()

    async def _serve(self, reader: asyncio.StreamReader, visit: _Visit) -> None:
        """One connection from its greeting to its end. Raises WireError, UnknownAccount, OSError, EOFError."""
        try:
            async with asyncio.timeout(_HELLO_S):
                hello = wire.read_hello(await wire.next_line(reader))
        except TimeoutError:
            raise wire.WireError(f"no greeting within {_HELLO_S:g} s") from None
        port = await self._floor.account(hello.account)
        if port.account_id not in self._heard:
            self._heard.add(port.account_id)
            self._hear(port)
        visit.account_id = port.account_id
        visit.send(wire.line_of(self._welcome(port)))
        while True:
            ask = wire.read_ask(await wire.next_line(reader))
            if visit.asking >= _ASKING_MAX:
                raise wire.WireError(f"{_ASKING_MAX} requests wait for their answers")
            visit.asking += 1
            self._run(self._reply(ask, port, visit))

    def _welcome(self, port: BrokerPort) -> wire.Welcome:
        anchor = self._floor.anchor
        return wire.Welcome(
            version=wire.VERSION,
            account_id=port.account_id,
            rules=port.rules,
            clock=anchor,
            ambiguity_s=port.ambiguity_s + ARRIVED_S,
        )

    def _run(self, job: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(job, name="venue request")
        self._jobs.add(task)
        task.add_done_callback(self._jobs.discard)

    # --- requests ---------------------------------------------------------------------------------------------------

    async def _reply(self, ask: wire.Ask, port: BrokerPort, visit: _Visit) -> None:
        try:
            reply = await self._answer(ask, port, visit)
        except ReadFailed as failure:
            reply = wire.Failed(id=ask.id, text=str(failure))
        except Exception as error:  # noqa: BLE001 - whatever the venue raised: a write may have been done, a read failed
            text = f"{type(error).__name__}: {error}"
            self._on_note(f"a request failed: {wire.printable(text)}")
            is_write = isinstance(ask, wire.Write)
            reply = wire.answered(ask.id, Unknown(text)) if is_write else wire.Failed(id=ask.id, text=text)
        finally:
            visit.asking -= 1
        visit.send(wire.line_of(reply))

    async def _answer(self, ask: wire.Ask, port: BrokerPort, visit: _Visit) -> wire.AnyReply:
        """Raises ReadFailed, and whatever the venue raises."""
        market = self._floor.market
        match ask:
            case wire.Place() | wire.Modify() | wire.Cancel():
                return wire.answered(ask.id, await self._write(ask, port))
            case wire.ReadOrders(id=number):
                return wire.Orders(id=number, rows=list(await port.read_orders()))
            case wire.ReadTrades(id=number):
                return wire.Trades(id=number, rows=list(await port.read_trades()))
            case wire.ReadPositions(id=number):
                return wire.Positions(id=number, rows=list(await port.read_positions()))
            case wire.ReadInstruments(id=number):
                return wire.Instruments(id=number, rows=list(await market.instruments()))
            case wire.ReadQuote(id=number, symbol=symbol):
                return wire.Quote(id=number, tick=await market.quote(symbol))
            case wire.Subscribe(id=number, symbols=symbols):
                visit.symbols |= set(symbols)
                await market.subscribe(symbols)
                return wire.Subscribed(id=number)
            case wire.ReadLedger(id=number):
                return wire.LedgerRead(id=number, ledger=self._floor.ledger())

    async def _write(self, ask: wire.Place | wire.Modify | wire.Cancel, port: BrokerPort) -> Answer:
        if self._floor.clock.now_ns() > ask.expires_ns:
            return NotSent("it arrived after its sender had given up, and was not carried out")
        match ask:
            case wire.Place(order=order):
                return await port.place(order)
            case wire.Modify(change=change):
                return await port.modify(change)
            case wire.Cancel(client_tag=tag, broker_id=broker_id):
                return await port.cancel(tag, broker_id)

    # --- pushes -----------------------------------------------------------------------------------------------------

    def _hear(self, port: BrokerPort) -> None:
        """Every connection of an account hears what happens in it."""

        def on_order(report: OrderReport) -> None:
            self._tell(port.account_id, wire.line_of(wire.OrderPush(report=report)))

        def on_trade(trade: Trade) -> None:
            self._tell(port.account_id, wire.line_of(wire.TradePush(trade=trade)))

        port.listen(on_order, on_trade)

    def _tell(self, account_id: str, line: bytes) -> None:
        for visit in list(self._visits.values()):
            if visit.account_id == account_id:
                visit.send(line)

    def _tell_all(self, line: bytes) -> None:
        for visit in list(self._visits.values()):
            if visit.account_id:
                visit.send(line)

    def _on_tick(self, tick: Tick) -> None:
        line = b""
        for visit in self._visits.values():
            if tick.symbol in visit.symbols and visit.waiting_bytes < _TICKS_WAITING_MAX:
                line = line or wire.line_of(wire.TickPush(tick=tick))
                visit.send(line)


class _Visit:
    """One connection: who it is, what it wants to hear, and its side of the socket."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self.account_id = ""
        """Empty until it has been welcomed."""
        self.symbols: set[str] = set()
        self.asking = 0

    @property
    def waiting_bytes(self) -> int:
        return self._writer.transport.get_write_buffer_size()

    def send(self, line: bytes) -> None:
        """Queue a line; never waits, never raises. A client that reads nothing for long loses its connection."""
        if self._writer.is_closing():
            return
        if self.waiting_bytes > _WAITING_MAX:
            self._writer.transport.abort()
            return
        self._writer.write(line)

    def bid_goodbye(self, text: str) -> None:
        self.send(wire.line_of(wire.Goodbye(text=wire.printable(text))))

    def hang_up(self, *, at_once: bool = False) -> None:
        """End the connection after what waits for it, or without."""
        if at_once:
            self._writer.transport.abort()
        else:
            self._writer.close()

    async def end(self) -> None:
        self._writer.close()
        with suppress(OSError, asyncio.CancelledError, TimeoutError):
            async with asyncio.timeout(_HELLO_S):
                await self._writer.wait_closed()
