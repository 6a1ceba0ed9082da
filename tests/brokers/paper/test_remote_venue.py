"""A paper account and its market over a real loopback socket: the four answers, pushes, lost links, and bad company."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import date, time
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.paper import wire
from brokers.paper.account import Latency, PaperAccount
from brokers.paper.exchange import PaperExchange
from brokers.paper.remote_account import RemotePaperAccount
from brokers.paper.remote_link import Backoff, VenueLink, VenueUnusable, venue_address
from brokers.paper.remote_market import RemotePaperMarket
from brokers.paper.rules import PaperRules
from brokers.paper.server import UnknownAccount, VenueServer
from engine import refusals
from engine.clock import LoopClock
from engine.instant import NS_PER_MS, NS_PER_S, at_ist
from engine.instrument import Instrument, OptionType, Segment
from engine.order import OrderState, OrderType, Side, Trade
from engine.port import (
    Acked,
    BrokerPort,
    NotSent,
    OrderChange,
    OrderReport,
    OrderRequest,
    ReadFailed,
    Refused,
    Unknown,
)
from engine.tick import Tick

PUT = "NIFTY01DEC2624500PE"
START_NS = at_ist(date(2026, 11, 25), time(9, 15))
SPEED = 50.0
"""A deadline of half a real second is 25 s of the exchange here, and an account's delays are a millisecond."""
INSTRUMENT = Instrument(
    symbol=PUT,
    exchange="NFO",
    segment=Segment.INDEX_OPTION,
    lot_size=65,
    tick_paise=5,
    freeze_qty=1800,
    underlying="NIFTY",
    expiry=date(2026, 12, 1),
    strike_paise=2_450_000,
    option_type=OptionType.PE,
)


def order(tag: str, side: Side = Side.BUY, limit: int = 10_000, kind: OrderType = OrderType.LIMIT) -> OrderRequest:
    return OrderRequest(
        tag=tag,
        symbol=PUT,
        exchange="NFO",
        product="MIS",
        side=side,
        type=kind,
        qty=65,
        limit_paise=limit,
        trigger_paise=0,
    )


class HandMarket:
    """Prices come when a test says so."""

    def __init__(self) -> None:
        self.listeners: list[Callable[[Tick], None]] = []
        self.last = Tick(PUT, START_NS, 0)
        self.wanted: list[str] = []

    def listen(self, on_tick: Callable[[Tick], None]) -> None:
        self.listeners.append(on_tick)

    async def connect(self) -> None: ...

    async def close(self) -> None: ...

    async def instruments(self) -> list[Instrument]:
        return [INSTRUMENT]

    async def subscribe(self, symbols) -> None:
        self.wanted += symbols

    async def quote(self, symbol: str) -> Tick:
        if symbol != PUT:
            raise ReadFailed(f"no price for {symbol}")
        return self.last

    def say(self, tick: Tick) -> None:
        self.last = tick
        for listener in self.listeners:
            listener(tick)


class TestFloor:
    """A venue without a day: always open, one contract."""

    __test__ = False

    def __init__(self, run: str = "A") -> None:
        loop = asyncio.get_running_loop()
        self.anchor = wire.VenueClock(venue_ns=START_NS, monotonic_ns=round(loop.time() * NS_PER_S), speed=SPEED)
        self.clock = LoopClock.anchored(loop, START_NS, self.anchor.monotonic_ns, SPEED)
        self.exchange = PaperExchange([INSTRUMENT], PaperRules(), lambda symbol, now_ns: True)
        self.market = HandMarket()
        self.market.listen(self.exchange.on_tick)
        self.run = run
        self.ports: dict[str, BrokerPort] = {}

    async def account(self, name: str) -> BrokerPort:
        if name == "closed":
            raise UnknownAccount("account closed: no such account")
        if name not in self.ports:
            port = PaperAccount(f"{name}-{self.run}", self.exchange, self.clock, Random(1), latency=Latency())
            await port.connect()
            self.ports[name] = port
        return self.ports[name]

    def ledger(self) -> wire.VenueLedger:
        kept = self.exchange.ledger(f"paper-{self.run}")
        return wire.VenueLedger(
            venue_ns=self.clock.now_ns(),
            accounts=[
                wire.AccountLedger(
                    name="paper",
                    account_id=kept.account_id,
                    opening_paise=50_000_000,
                    cash_paise=kept.cash_paise,
                    orders=list(kept.orders.values()),
                    trades=list(kept.trades),
                    positions=kept.position_reports(),
                )
            ],
        )


class Client:
    """One desk's side: an account and a market on one link, and what they heard."""

    def __init__(self, port: int, account: str = "paper") -> None:
        self.link = VenueLink(f"127.0.0.1:{port}", account, Random(3), Backoff(first_ms=500, most_ms=1_000))
        self.account = RemotePaperAccount(self.link)
        self.market = RemotePaperMarket(self.link)
        self.news: list[OrderReport | Trade] = []
        self.ticks: list[Tick] = []
        self.words: list[str] = []
        self.account.listen(self.news.append, self.news.append)
        self.market.listen(self.ticks.append)
        self.link.on_link(self.words.append)

    async def open(self) -> Client:
        await self.link.open()
        await self.account.connect()
        await self.market.connect()
        return self

    def tick(self, ltp: int, bid: int, ask: int) -> Tick:
        return Tick(PUT, self.link.clock.now_ns(), ltp, bid, 650, ask, 650)


async def until(holds: Callable[[], bool]) -> None:
    """Turns of the loop and short waits until it holds; real sockets have no virtual time."""
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - it stands for anything at all
            await asyncio.sleep(0.001)


@asynccontextmanager
async def connected(account: str = "paper") -> AsyncIterator[tuple[TestFloor, VenueServer, Client]]:
    floor = TestFloor()
    server = VenueServer(floor)
    await server.start()
    beat = asyncio.create_task(server.beat())
    client = await Client(server.port, account).open()
    try:
        yield floor, server, client
    finally:
        beat.cancel()
        await asyncio.gather(beat, return_exceptions=True)
        await client.link.close()
        await server.close()


Answering = Callable[[dict, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def odd_venue(answer: Answering, *, welcome: bytes = b"", beats: bool = True) -> AsyncIterator[int]:
    """A server that greets well, or with `welcome`, and then does what `answer` says to each request."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        await reader.readline()
        writer.write(welcome or wire.line_of(WELCOME(loop)))
        beating = asyncio.create_task(_beating(writer)) if beats else None
        with suppress(OSError):
            while line := await reader.readline():
                await answer(json.loads(line), writer)
        if beating is not None:
            beating.cancel()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def _beating(writer: asyncio.StreamWriter) -> None:
    while not writer.is_closing():
        writer.write(wire.line_of(wire.Beat()))
        await asyncio.sleep(0.02)


def WELCOME(loop: asyncio.AbstractEventLoop, **changed: object) -> wire.Welcome:
    from engine.venue_rules import VenueRules

    fields = {
        "version": wire.VERSION,
        "account_id": "paper-A",
        "rules": VenueRules(name="paper"),
        "clock": wire.VenueClock(venue_ns=START_NS, monotonic_ns=round(loop.time() * NS_PER_S), speed=SPEED),
        "ambiguity_s": 1.0,
    }
    return wire.Welcome(**{**fields, **changed})


# --- the four answers -------------------------------------------------------------------------------------------------


async def test_an_order_is_acked_found_by_its_tag_and_its_trade_is_pushed() -> None:
    async with connected() as (floor, _, client):
        answer = await client.account.place(order("SD0001"))
        assert isinstance(answer, Acked)
        floor.market.say(client.tick(9_990, 9_985, 9_990))
        await until(lambda: any(isinstance(news, Trade) for news in client.news))
        await until(lambda: any(isinstance(n, OrderReport) and n.state is OrderState.FILLED for n in client.news))

        (row,) = await client.account.read_orders()
        (trade,) = await client.account.read_trades()
        (position,) = await client.account.read_positions()

        assert (row.tag, row.broker_id, row.state, row.filled_qty) == (
            "SD0001",
            answer.broker_id,
            OrderState.FILLED,
            65,
        )
        assert [news for news in client.news if isinstance(news, Trade)] == [trade]
        assert (trade.tag, trade.qty, trade.side) == ("SD0001", 65, Side.BUY)
        assert (position.symbol, position.net_qty) == (PUT, 65)
        assert [row] == floor.exchange.orders("paper-A")


async def test_a_refusal_of_the_venue_keeps_its_code_and_its_words() -> None:
    async with connected() as (_, _, client):
        await client.account.place(order("SD0001"))

        answer = await client.account.place(order("SD0001"))

        assert answer == Refused(refusals.DUPLICATE_TAG, "tag SD0001 was used before")


async def test_a_modify_and_a_cancel_reach_the_order_they_name() -> None:
    async with connected() as (floor, _, client):
        placed = await client.account.place(order("SD0001"))
        assert isinstance(placed, Acked)
        change = OrderChange(
            tag="SD0001", broker_id=placed.broker_id, type=OrderType.LIMIT, qty=130, limit_paise=9_900, trigger_paise=0
        )

        changed = await client.account.modify(change)
        (moved,) = await client.account.read_orders()
        ended = await client.account.cancel("SD0001", placed.broker_id)

        assert (changed, ended) == (placed, placed)
        assert (moved.qty, moved.limit_paise) == (130, 9_900)
        assert [row.state for row in floor.exchange.orders("paper-A")] == [OrderState.CANCELLED]


async def test_without_a_link_nothing_is_sent_and_a_read_fails() -> None:
    async with connected() as (floor, server, client):
        await server.close()
        await until(lambda: bool(client.words))

        answer = await client.account.place(order("SD0001"))

        assert isinstance(answer, NotSent)
        assert "no link to the venue" in answer.reason
        assert floor.exchange.orders("paper-A") == []
        for read in (client.account.read_orders, client.account.read_trades, client.account.read_positions):
            with pytest.raises(ReadFailed, match="no link"):
                await read()


async def _close(request: dict, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def _silent(request: dict, writer: asyncio.StreamWriter) -> None: ...


async def _half_a_line(request: dict, writer: asyncio.StreamWriter) -> None:
    writer.write(b'{"say":"answer","id":')
    writer.close()


async def _html(request: dict, writer: asyncio.StreamWriter) -> None:
    writer.write(b"<html>502 Bad Gateway</html>\n")


async def _ack_without_id(request: dict, writer: asyncio.StreamWriter) -> None:
    writer.write(wire.line_of(wire.Answered(id=request["id"], kind="acked")))


async def _another_kind(request: dict, writer: asyncio.StreamWriter) -> None:
    writer.write(wire.line_of(wire.Subscribed(id=request["id"])))


async def _wrong_types(request: dict, writer: asyncio.StreamWriter) -> None:
    writer.write(json.dumps({"say": "answer", "id": request["id"], "kind": "acked", "text": 7}).encode() + b"\n")


@pytest.mark.row("HRD-07")
@pytest.mark.parametrize(
    "trouble", [_close, _silent, _half_a_line, _html, _ack_without_id, _another_kind, _wrong_types]
)
@pytest.mark.fault("ORD-05", "ORD-07", "ORD-10", "NET-09")
async def test_whatever_breaks_after_the_request_was_written_is_unknown_and_a_read_fails(trouble: Answering) -> None:
    async with odd_venue(trouble) as port:
        client = await Client(port).open()

        answer = await client.account.place(order("SD0001"))

        assert isinstance(answer, Unknown), answer
        await client.link.close()
    async with odd_venue(trouble) as port:
        client = await Client(port).open()
        with pytest.raises(ReadFailed):
            await client.account.read_orders()
        await client.link.close()


async def test_an_answer_to_an_earlier_request_that_was_given_up_is_not_taken_for_a_later_one() -> None:
    late: list[int] = []

    async def answer(request: dict, writer: asyncio.StreamWriter) -> None:
        late.append(request["id"])
        if len(late) == 2:
            writer.write(wire.line_of(wire.Answered(id=late[0], kind="acked", text="FIRST")))
            writer.write(wire.line_of(wire.Answered(id=late[1], kind="acked", text="SECOND")))

    async with odd_venue(answer) as port:
        client = await Client(port).open()
        first = asyncio.create_task(client.account.place(order("SD0001")))
        await until(lambda: len(late) == 1)
        first.cancel()

        assert await client.account.place(order("SD0002")) == Acked("SECOND")
        await client.link.close()


async def test_a_caller_that_gives_up_does_not_stop_an_order_that_is_on_its_way() -> None:
    async with connected() as (floor, _, client):
        giving_up = asyncio.create_task(client.account.place(order("SD0001")))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        giving_up.cancel()

        await until(lambda: bool(floor.exchange.orders("paper-A")))

        (row,) = await client.account.read_orders()
        assert row.tag == "SD0001"


@pytest.mark.fault("ORD-03")
async def test_a_request_that_arrives_after_its_sender_gave_up_is_not_carried_out() -> None:
    async with connected() as (floor, _, client):
        expired_ns = client.link.clock.now_ns() - 1
        late = wire.Place(id=client.link.number(), expires_ns=expired_ns, order=order("SD0001"))

        reply = await client.link.ask(late, wire.Answered)

        assert reply.kind == "not_sent"
        assert floor.exchange.orders("paper-A") == []


@pytest.mark.fault("ORD-12")
async def test_the_window_of_doubt_is_as_long_as_a_request_may_take_to_show() -> None:
    async with connected() as (_, _, client):
        assert client.account.ambiguity_s == wire.deadline_ns(SPEED) / NS_PER_S + 1.0
        assert wire.deadline_ns(1.0) == 5 * NS_PER_S
        assert wire.deadline_ns(SPEED) == 25 * NS_PER_S


# --- the market -------------------------------------------------------------------------------------------------------


async def test_prices_come_for_what_was_asked_and_quotes_on_request() -> None:
    async with connected() as (floor, _, client):
        floor.market.say(client.tick(10_000, 9_995, 10_005))
        assert await client.market.instruments() == [INSTRUMENT]
        await client.market.subscribe([PUT])
        said = client.tick(10_100, 10_095, 10_105)
        floor.market.say(said)
        await until(lambda: bool(client.ticks))

        assert client.ticks == [said]
        assert await client.market.quote(PUT) == said
        with pytest.raises(ReadFailed, match="no price for NOTHING"):
            await client.market.quote("NOTHING")


async def test_both_processes_read_the_same_time() -> None:
    async with connected() as (floor, _, client):
        assert abs(client.link.clock.now_ns() - floor.clock.now_ns()) < 5 * NS_PER_MS * SPEED


# --- lost links -------------------------------------------------------------------------------------------------------


@pytest.mark.fault("MKT-03")
async def test_a_lost_link_is_told_once_and_mended_and_the_prices_are_asked_for_again() -> None:
    async with connected() as (floor, server, client):
        await client.market.subscribe([PUT])
        await client.account.place(order("SD0001"))
        port = server.port
        await server.close()
        await until(lambda: bool(client.words))
        again = VenueServer(floor)
        await again.start(port=port)
        await until(lambda: len(client.words) == 2)

        assert client.words == ["the venue ends", ""]
        assert client.link.down == ""
        assert [row.tag for row in await client.account.read_orders()] == ["SD0001"]
        floor.market.say(client.tick(10_000, 9_995, 10_005))
        await until(lambda: bool(client.ticks))
        await again.close()


@pytest.mark.fault("NET-02", "NET-03")
async def test_a_link_is_tried_for_ever_with_growing_pauses_and_heals_after_fifty_refusals() -> None:
    """No number of tries is the last one: a desk with a position has nobody else to ask."""
    tries = 0

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal tries
        tries += 1
        await reader.readline()
        writer.write(wire.line_of(wire.Goodbye(text="403: not now")))
        writer.close()

    floor = TestFloor()
    server = VenueServer(floor)
    await server.start()
    port = server.port
    client = await Client(port).open()
    await server.close()
    refusing = await asyncio.start_server(refuse, "127.0.0.1", port)
    await until(lambda: tries >= 50)
    assert "403: not now" in client.link.down
    refusing.close()
    again = VenueServer(floor)
    await again.start(port=port)
    await until(lambda: client.link.down == "")

    assert client.words == ["the venue ends", ""], "told once, however often it was tried"
    assert isinstance(await client.account.place(order("SD0001")), Acked)
    pauses = [Backoff().pause_ns(number, Random(1)) for number in (1, 2, 3, 4, 5, 50, 5_000)]
    assert pauses == sorted(pauses) and pauses[-1] <= Backoff().most_ms * NS_PER_MS
    await client.link.close()
    await again.close()


async def test_a_request_that_waits_when_the_link_breaks_ends_at_once() -> None:
    async def never(request: dict, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    async with odd_venue(never) as port:
        client = await Client(port).open()
        async with asyncio.timeout(0.3):  # its own deadline is half a second
            answer = await client.account.place(order("SD0001"))

        assert answer == Unknown("the link to the venue broke: the venue closed the connection") or (
            isinstance(answer, Unknown) and "link to the venue broke" in answer.reason
        )
        await client.link.close()


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"account_id": "paper-B"}, "other books: account paper-B instead of paper-A"),
        ({"clock": wire.VenueClock(venue_ns=START_NS + 60 * NS_PER_S, monotonic_ns=0, speed=SPEED)}, "another clock"),
        ({"clock": wire.VenueClock(venue_ns=START_NS, monotonic_ns=0, speed=1.0)}, "another clock"),
    ],
)
async def test_a_venue_that_comes_back_as_another_one_is_not_traded_with(changed: dict, word: str) -> None:
    greetings: list[bytes] = []
    loop = asyncio.get_running_loop()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        again = bool(greetings)
        greetings.append(b"")
        writer.write(wire.line_of(WELCOME(loop, **(changed if again else {}))))
        if not again:
            await asyncio.sleep(0.02)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    client = await Client(server.sockets[0].getsockname()[1]).open()
    await until(lambda: len(greetings) >= 3)

    assert word in client.link.down
    assert [words for words in client.words if word in words] == [client.link.down]
    assert "" not in client.words
    assert isinstance(await client.account.place(order("SD0001")), NotSent)
    await client.link.close()
    server.close()


@pytest.mark.fault("NET-01", "MKT-02")
async def test_a_venue_that_stands_still_is_a_lost_link() -> None:
    async with odd_venue(_silent, beats=False) as port:
        client = await Client(port).open()
        await until(lambda: bool(client.words))

        assert client.words[0] == "the venue says nothing"
        await client.link.close()


async def test_a_listener_that_fails_costs_the_link_and_not_the_desk() -> None:
    async with connected() as (floor, _, client):
        await client.market.subscribe([PUT])
        client.market.listen(_fail_once := _FailsOnce())
        floor.market.say(client.tick(10_000, 9_995, 10_005))
        await until(lambda: len(client.words) == 2)

        assert client.words == ["ValueError at what the venue said: no such price", ""]
        assert isinstance(await client.account.place(order("SD0001")), Acked)
        assert _fail_once.calls == 1


class _FailsOnce:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, tick: Tick) -> None:
        self.calls += 1
        raise ValueError("no such price")


# --- bad company ------------------------------------------------------------------------------------------------------


async def _sent_away(port: int, line: bytes) -> dict:
    """What the venue says to a connection that begins with this line, before it closes it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(line)
    said = json.loads(await reader.readline())
    assert await reader.read() == b"", "the connection is closed"
    writer.close()
    return said


@pytest.mark.parametrize(
    ("line", "word"),
    [
        (b"GET / HTTP/1.1\r\n", "not a message of strikedesk-paper-venue"),
        (b'{"ask":"hello","protocol":"other","account":"paper"}\n', "protocol 'other'"),
        (b'{"ask":"hello","version":9,"account":"paper"}\n', "version 9: this venue speaks version 1"),
        (b'{"ask":"hello","account":"../etc"}\n', "$.account"),
        (b'{"ask":"hello","account":"closed"}\n', "no such account"),
        (b'{"ask":"place","id":1}\n', "not a message"),
        (b"\xff\xfe\n", "not a message"),
        (b"[" * 5000 + b"\n", "not a message"),
        (b"x" * (wire.REQUEST_BYTES_MAX + 2) + b"\n", "longer than any message"),
    ],
)
@pytest.mark.invariant("C6")
async def test_a_bad_greeting_is_sent_away_with_a_reason_and_harms_nobody(line: bytes, word: str) -> None:
    async with connected() as (_, server, client):
        said = await _sent_away(server.port, line)

        assert said["say"] == "goodbye"
        assert word in said["text"]
        assert said["text"].isprintable()
        assert isinstance(await client.account.place(order("SD0001")), Acked)


async def test_a_bad_request_ends_its_own_connection_only() -> None:
    async with connected() as (_, server, client):
        other = await Client(server.port, "other").open()
        assert other.link._writer is not None
        other.link._writer.write(b'{"ask":"place","id":"seven"}\n')
        await until(lambda: bool(other.words))

        assert "not a message" in other.words[0]
        assert isinstance(await client.account.place(order("SD0001")), Acked)
        await other.link.close()


@pytest.mark.invariant("C6")
async def test_a_flood_of_requests_ends_its_connection_and_not_the_venue() -> None:
    async with connected() as (_, server, client):
        other = await Client(server.port, "other").open()
        assert other.link._writer is not None
        other.link._writer.write(b"".join(wire.line_of(wire.ReadOrders(id=number)) for number in range(1000)))
        await until(lambda: bool(other.words))

        assert other.words[0] == "256 requests wait for their answers"
        assert isinstance(await client.account.place(order("SD0001")), Acked)
        await other.link.close()


async def test_accounts_are_apart_and_two_connections_of_one_account_hear_the_same() -> None:
    async with connected() as (_, server, client):
        twin = await Client(server.port).open()
        other = await Client(server.port, "other").open()
        await client.account.place(order("SD0001"))
        await until(lambda: bool(client.news) and bool(twin.news))

        assert client.news == twin.news
        assert other.news == []
        assert await other.account.read_orders() == []
        assert isinstance(await other.account.place(order("SD0001")), Acked), "tags are an account's own"
        await twin.link.close()
        await other.link.close()


@pytest.mark.invariant("X3")
async def test_a_client_that_reads_nothing_misses_ticks_but_no_update() -> None:
    async with connected() as (floor, server, client):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=wire.REPLY_BYTES_MAX)
        writer.write(wire.line_of(wire.Hello(account="paper")))
        writer.write(wire.line_of(wire.Subscribe(id=1, symbols=[PUT])))
        await until(lambda: PUT in floor.market.wanted)
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        for step in range(60_000):
            floor.market.say(Tick(PUT, START_NS + step, 10_000, 9_995, 650, 10_005, 650))
        await client.account.place(order("SD0001", limit=9_000))
        await until(lambda: bool(client.news))
        reader._transport.resume_reading()  # type: ignore[attr-defined]
        said: list[wire.Said] = []
        while not said or not isinstance(said[-1], wire.OrderPush):
            said.append(wire.read_said(await wire.next_line(reader)))

        ticks = [message for message in said if isinstance(message, wire.TickPush)]
        assert 0 < len(ticks) < 60_000
        assert said[-1].report.tag == "SD0001"
        writer.close()


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.7", "::", "localhost", ""])
@pytest.mark.invariant("C7")
async def test_the_venue_listens_on_loopback_only(host: str) -> None:
    with pytest.raises(ValueError):
        await VenueServer(TestFloor()).start(host)


@pytest.mark.parametrize(
    "text", ["", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536", "10.0.0.1:80", "127.0.0.1:80\n", "example.com:80"]
)
def test_an_address_that_is_not_this_machines_is_refused(text: str) -> None:
    with pytest.raises(VenueUnusable, match="a loopback address with a port") as refused:
        venue_address(text)
    assert str(refused.value).isprintable()


async def test_why_a_venue_cannot_be_used_is_one_sentence() -> None:
    free = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = free.sockets[0].getsockname()[1]
    free.close()
    with pytest.raises(VenueUnusable, match="nobody listens there"):
        await Client(port).open()
    for welcome, words in (
        (b"SSH-2.0-OpenSSH_9.2\r\n", "not a paper venue"),
        (wire.line_of(WELCOME(asyncio.get_running_loop(), version=2)), "speaks version 2, this desk version 1"),
        (wire.line_of(wire.Goodbye(text="no\x1b[31mroom")), "refused: no\\[31mroom"),
        (wire.line_of(wire.Beat()), "no welcome but Beat"),
    ):
        async with odd_venue(_silent, welcome=welcome) as odd:
            with pytest.raises(VenueUnusable, match=words):
                await Client(odd).open()


async def test_the_ledger_over_the_socket_is_the_exchanges_own() -> None:
    async with connected() as (floor, _, client):
        await client.account.place(order("SD0001"))
        floor.market.say(client.tick(9_990, 9_985, 9_990))

        reply = await client.link.ask(wire.ReadLedger(id=client.link.number()), wire.LedgerRead)

        (kept,) = reply.ledger.accounts
        (trade,) = kept.trades
        assert [trade] == list(floor.exchange.trades("paper-A"))
        assert kept.cash_paise == floor.exchange.funds("paper-A").cash_paise == 50_000_000 - 65 * trade.price_paise
        assert [row.tag for row in kept.orders] == ["SD0001"]


# --- the wire itself --------------------------------------------------------------------------------------------------

words = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)
shown = st.text("abcXYZ 019₹-", min_size=1, max_size=40)
answers = st.one_of(
    st.builds(Acked, shown),
    st.builds(NotSent, shown),
    st.builds(Unknown, shown),
    st.builds(Refused, shown, shown, retry_after_s=st.floats(0, 1000, allow_nan=False)),
)


@given(st.integers(0, 2**53), answers)
def test_every_answer_comes_back_as_it_was_given(number: int, answer) -> None:
    said = wire.read_said(wire.line_of(wire.answered(number, answer)))

    assert isinstance(said, wire.Answered)
    assert (said.id, wire.answer_of(said)) == (number, answer)


@given(words)
@pytest.mark.invariant("C2")
def test_an_answers_words_are_printable_whatever_the_venue_says(text: str) -> None:
    said = wire.Answered(id=1, kind="refused", text=text, words=text)

    answer = wire.answer_of(said)

    assert isinstance(answer, Refused)
    assert answer.text.isprintable() and answer.code.isprintable()


@given(st.binary(max_size=300))
@pytest.mark.fault("SEC-04")
@pytest.mark.invariant("C6")
def test_no_bytes_do_more_than_fail_to_be_a_message(line: bytes) -> None:
    for read in (wire.read_hello, wire.read_ask, wire.read_said):
        try:
            read(line)
        except wire.WireError as refused:
            assert str(refused).isprintable()


@given(st.data())
@pytest.mark.invariant("C6")
def test_a_message_cut_short_or_with_a_byte_changed_is_refused_or_still_typed(data: st.DataObject) -> None:
    line = wire.line_of(wire.Place(id=3, expires_ns=START_NS, order=order("SD0001")))[:-1]
    at = data.draw(st.integers(0, len(line) - 1))
    cut = line[:at]
    flipped = line[:at] + bytes([data.draw(st.integers(0, 255))]) + line[at + 1 :]
    with pytest.raises(wire.WireError):
        wire.read_ask(cut)
    with suppress(wire.WireError):
        ask = wire.read_ask(flipped)
        assert msgspec.json.decode(wire.line_of(ask), type=wire.Ask) == ask
