"""A session at Dhan: what opens it, what ends it, and what its account and feed do when replies are bad or missing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import date, time
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from aiohttp import web

from brokers.dhan.feed import BATCH_MAX, DhanFeed, batches, request_of
from brokers.dhan.line import DhanLine
from brokers.dhan.session import DhanSession
from brokers.dhan.venue import DhanVenue
from brokers.dhan.venue_catalogue import Catalogue
from brokers.dhan.venue_packets import disconnection
from brokers.venue.site import VenueTerms
from brokers.wire.tools import SessionTools
from engine import refusals
from engine.config.accounts import DhanAccount as Terms
from engine.instant import NS_PER_S, at_ist
from engine.instrument import Instrument, Segment
from engine.order import OrderState, OrderType, Side
from engine.port import Acked, NotSent, OrderChange, OrderRequest, ReadFailed, Refused, Unknown
from engine.port_reads import SessionRefused
from engine.tick import Tick
from tui.paper_floor import PaperFloor

TOKEN = "SECRET-TOKEN-OF-THE-DAY"
SHARE = Instrument(symbol="SBIN", exchange="NSE", segment=Segment.EQUITY, lot_size=1, tick_paise=5, underlying="SBIN")
INDEX = Instrument(symbol="NIFTY", exchange="NSE_INDEX", segment=Segment.INDEX, lot_size=1, tick_paise=5)


class Api:
    """Answers as it is told, by method and path; the last answer of a path stays. Sockets take and keep quiet."""

    def __init__(self) -> None:
        catalogue = Catalogue()
        catalogue.list_all([SHARE, INDEX])
        self.share = catalogue.by_symbol["SBIN"]
        self.said: dict[tuple[str, str], list[tuple[int, Any]]] = {
            ("GET", "/v2/profile"): [(200, {"dhanClientId": "1000000001", "tokenValidity": "26/11/2026 09:00"})],
            ("GET", "/v2/ip/getIP"): [(404, {})],
        }
        self.master = catalogue.csv()
        self.calls: list[tuple[str, str]] = []
        self.bodies: list[Any] = []
        self.heads: list[tuple[str, dict[str, str]]] = []
        self.sockets: list[web.WebSocketResponse] = []
        self.drops_orders = False
        self.upgrades = 0
        self.port = 0

    def say(self, method: str, path: str, *answers: tuple[int, Any]) -> None:
        self.said[method, f"/v2{path}"] = list(answers)

    def count(self, method: str, path: str) -> int:
        return self.calls.count((method, f"/v2{path}"))

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.heads.append((request.path, dict(request.headers)))
        if request.path in ("/feed", "/orders"):
            return await self._socket(request)
        if request.path.endswith(".csv"):
            return web.Response(text=self.master, content_type="text/csv")
        key = (request.method, request.path)
        self.calls.append(key)
        self.bodies.append(msgspec.json.decode(await request.read()) if request.can_read_body else None)
        answers = self.said.get(key, [(404, {"status": 404, "error": "Not Found", "path": request.path})])
        status, body = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(body, bytes):
            return web.Response(status=status, body=body, content_type="text/html")
        return web.Response(status=status, body=msgspec.json.encode(body), content_type="application/json")

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        if request.path == "/orders" and self.drops_orders:
            await socket.receive()
            assert request.transport is not None
            request.transport.abort()
            return socket
        if request.path == "/feed":
            self.upgrades += 1
            self.sockets.append(socket)
        async for _ in socket:
            pass
        return socket


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    made = Api()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.serve)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.port = runner.addresses[0][1]
    yield made
    await runner.cleanup()


def request(**fields: Any) -> OrderRequest:
    base: dict[str, Any] = {
        "tag": "SD0001000001E", "symbol": "SBIN", "exchange": "NSE", "product": "MIS", "side": Side.BUY,
        "type": OrderType.LIMIT, "qty": 10, "limit_paise": 12_000, "trigger_paise": 0,
    }  # fmt: skip
    return OrderRequest(**(base | fields))


def change(**fields: Any) -> OrderChange:
    base: dict[str, Any] = {
        "tag": "SD0001000001E", "broker_id": "112", "type": OrderType.LIMIT, "qty": 10, "limit_paise": 12_000,
        "trigger_paise": 0,
    }  # fmt: skip
    return OrderChange(**(base | fields))


def row(api: Api, **fields: Any) -> dict[str, Any]:
    return {
        "orderId": "112", "correlationId": "SD0001000001E", "orderStatus": "PENDING", "transactionType": "BUY",
        "exchangeSegment": "NSE_EQ", "productType": "INTRADAY", "orderType": "LIMIT",
        "securityId": str(api.share.security_id), "quantity": 10, "price": 120.0, "filledQty": 0,
    } | fields  # fmt: skip


@pytest.fixture
async def session(api: Api, make_session: Callable[..., DhanSession]) -> DhanSession:
    made = make_session(api.port, client_id="1000000001", reveal=lambda _name: TOKEN, deadline_s=2.0)
    await made.open()
    return made


# --- opening and ending -----------------------------------------------------------------------------------------------


@pytest.mark.row("OPS-12")
async def test_the_token_goes_to_the_api_and_nowhere_else(session: DhanSession, api: Api) -> None:
    heads = dict(api.heads)

    assert heads["/v2/profile"]["access-token"] == TOKEN and heads["/v2/profile"]["client-id"] == "1000000001"
    (master,) = [head for path, head in api.heads if path.endswith(".csv")]
    assert TOKEN not in str(master) and "client-id" not in master
    assert session.state.is_live and session.state.expires_ns > 0 and session.state.may_trade is None


async def test_a_token_of_another_client_opens_nothing(api: Api, make_session: Callable[..., DhanSession]) -> None:
    session = make_session(api.port, client_id="1000000002", reveal=lambda _name: TOKEN)

    with pytest.raises(SessionRefused, match="another Dhan client"):
        await session.open()
    assert not session.state.is_live and isinstance(await session.account.place(request()), NotSent)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, {"errorType": "Invalid_Authentication", "errorCode": "DH-901", "errorMessage": "words"}),
        (400, {"errorType": "Order_Error", "errorCode": "DH-906", "errorMessage": "Invalid Token"}),
        (500, {"errorCode": "DH-908", "errorMessage": "words"}),
        (200, b"<html>maintenance</html>"),
        (200, {}),
    ],
)
@pytest.mark.row("OPS-12")
async def test_no_proof_is_no_session_and_no_secret_is_told(
    api: Api, make_session: Callable[..., DhanSession], status: int, body: Any
) -> None:
    api.say("GET", "/profile", (status, body))
    notes: list[str] = []
    session = make_session(api.port, reveal=lambda _name: TOKEN, notes=notes)

    with pytest.raises(SessionRefused) as refused:
        await session.open()
    assert TOKEN not in f"{refused.value!r} {notes} {session.state} {session!r}"
    assert session.state.reason == str(refused.value) and not session.state.is_live


async def test_a_list_that_is_an_error_page_opens_nothing(api: Api, make_session: Callable[..., DhanSession]) -> None:
    api.master = "<html>no list today</html>"
    session = make_session(api.port, reveal=lambda _name: TOKEN)

    with pytest.raises(SessionRefused, match="instrument list"):
        await session.open()


async def test_a_second_start_of_the_day_reads_the_list_from_its_file(
    api: Api, make_session: Callable[..., DhanSession], tmp_path: Path
) -> None:
    for _ in range(2):
        session = make_session(api.port, reveal=lambda _name: TOKEN, cache=tmp_path)
        await session.open()
        assert [row.symbol for row in await session.feed.instruments()] == ["SBIN", "NIFTY"]

    assert sum(path.endswith(".csv") for path, _ in api.heads) == 1


async def test_a_broken_row_of_the_list_is_noted_and_costs_only_itself(
    api: Api, make_session: Callable[..., DhanSession]
) -> None:
    api.master += "NSE,E,abc,EQUITY,0,BROKEN,1.0,x,,,,5.0000,NA,ES,EQ,X\n"
    notes: list[str] = []
    session = make_session(api.port, reveal=lambda _name: TOKEN, notes=notes)
    await session.open()

    assert [note for note in notes if "cannot be read" in note] == notes[:1] and session._line.oddities.total == 1
    assert len(await session.feed.instruments()) == 2


@pytest.mark.row("GRD-54")
async def test_a_dead_token_is_asked_with_once_and_a_new_login_revives(session: DhanSession, api: Api) -> None:
    api.say("GET", "/orders", (401, {"errorCode": "DH-901", "errorMessage": "expired"}), (200, []))
    with pytest.raises(ReadFailed):
        await session.account.read_orders()
    assert not session.state.is_live and "log in again" in session.state.reason

    for _ in range(3):
        with pytest.raises(ReadFailed):
            await session.account.read_orders()
    assert isinstance(await session.account.place(request()), NotSent)
    assert api.count("GET", "/orders") == 1 and api.count("POST", "/orders") == 0

    await session.open()
    assert session.state.is_live and await session.account.read_orders() == []


async def test_an_address_that_may_not_trade_is_known_before_the_first_order(
    api: Api, make_session: Callable[..., DhanSession]
) -> None:
    api.say("GET", "/ip/getIP", (200, {"ordersAllowed": False, "ipMatchStatus": "MISMATCH"}))
    session = make_session(api.port, reveal=lambda _name: TOKEN)
    await session.open()

    assert session.state.is_live and session.state.may_trade is False and "static IP" in session.state.reason
    api.say("POST", "/orders", (400, {"errorCode": "DH-905", "errorMessage": "Invalid IP"}))
    refused = await session.account.place(request())
    assert isinstance(refused, Refused) and refused.code == refusals.NOT_ALLOWED

    api.say("POST", "/orders", (200, {"orderId": "112", "orderStatus": "TRANSIT"}))
    assert await session.account.place(request(tag="SD0001000002E")) == Acked("112"), "nothing is held back"
    assert session.state.may_trade is True and session.state.reason == "", "an order that was taken is proof"


@pytest.mark.row("GRD-54")
async def test_an_order_socket_that_drops_logins_has_the_token_proven(
    session: DhanSession, api: Api, until: Callable[..., Any]
) -> None:
    api.drops_orders = True
    api.say("GET", "/profile", (401, {"errorCode": "DH-901", "errorMessage": "expired"}))
    links: list[str] = []
    session.account.on_link(links.append)
    connecting = asyncio.get_running_loop().create_task(session.account.connect())

    await until(lambda: not session.state.is_live)
    assert api.count("GET", "/profile") == 2 and "" not in links, "it was never live"
    connecting.cancel()
    await asyncio.gather(connecting, return_exceptions=True)


# --- orders -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"symbol": "NOSUCH"}, refusals.UNKNOWN_SYMBOL),
        ({"symbol": "NIFTY", "exchange": "NSE_INDEX"}, refusals.UNKNOWN_SYMBOL),
        ({"exchange": "BSE"}, refusals.UNKNOWN_SYMBOL),
        ({"tag": "x" * 26}, refusals.TAG),
        ({"tag": "a b"}, refusals.TAG),
        ({"product": "BO"}, refusals.NOT_ALLOWED),
        ({"type": OrderType.SL_M, "trigger_paise": 11_000}, refusals.ORDER_TYPE),
        ({"type": OrderType.MARKET, "limit_paise": 0}, refusals.NO_PROTECTION),
        ({"type": OrderType.SL}, refusals.NO_PROTECTION),
    ],
)
@pytest.mark.row("OPS-35")
async def test_what_dhan_would_refuse_without_saying_why_does_not_leave(
    session: DhanSession, api: Api, fields: dict[str, Any], code: str
) -> None:
    answer = await session.account.place(request(**fields))

    assert isinstance(answer, Refused) and answer.code == code
    assert api.count("POST", "/orders") == 0


async def test_an_id_that_is_no_id_goes_into_no_path(session: DhanSession, api: Api) -> None:
    for broker_id in ("", "../positions", "1/2", "a b", "?"):
        assert isinstance(await session.account.cancel("T", broker_id), Refused)
        assert isinstance(await session.account.modify(change(broker_id=broker_id)), Refused)
    assert not any(method in ("PUT", "DELETE") for method, _ in api.calls)


@pytest.mark.fault("ORD-01", "ORD-02")
async def test_an_order_without_an_answer_is_looked_for_by_its_tag(session: DhanSession, api: Api) -> None:
    api.say("POST", "/orders", (500, {"errorCode": "DH-908", "errorMessage": "words"}))
    assert isinstance(await session.account.place(request()), Unknown)
    assert api.count("POST", "/orders") == 1, "never sent again"

    api.say("GET", "/orders", (200, []))
    path = "/orders/external/SD0001000001E"
    for nothing in ((200, []), (400, {"errorCode": "DH-905", "errorMessage": "x"}), (404, {}), (500, b"<html>")):
        api.say("GET", path, nothing)
        assert await session.account.read_orders() == []
    api.say("GET", path, (200, [row(api, correlationId="SD0001000002E")]))
    assert await session.account.read_orders() == [], "another order is not it"
    api.say("GET", path, (200, row(api)))
    (found,) = await session.account.read_orders()
    assert (found.tag, found.broker_id, found.state) == ("SD0001000001E", "112", OrderState.WORKING)

    looked = api.count("GET", path)
    api.say("GET", "/orders", (200, [row(api)]))
    assert len(await session.account.read_orders()) == 1 and api.count("GET", path) == looked


@pytest.mark.parametrize(
    ("status", "code"),
    [("TRADED", refusals.ALREADY_FINISHED), ("CANCELLED", refusals.ALREADY_FINISHED), ("PENDING", refusals.OTHER)],
)
async def test_a_refused_cancel_says_whether_the_order_is_over(
    session: DhanSession, api: Api, status: str, code: str
) -> None:
    api.say("DELETE", "/orders/112", (400, {"errorCode": "DH-906", "errorMessage": "some words"}))
    api.say("GET", "/orders/112", (200, [row(api, orderStatus=status)]))
    answer = await session.account.cancel("T", "112")

    assert isinstance(answer, Refused) and (answer.code, answer.text) == (code, "DH-906 some words")


@pytest.mark.row("HRD-25")
async def test_a_cancel_that_says_cancelled_is_only_taken(session: DhanSession, api: Api) -> None:
    api.say("DELETE", "/orders/112", (202, {"orderId": "112", "orderStatus": "CANCELLED"}))
    api.say("GET", "/orders", (200, [row(api, orderStatus="TRADED", filledQty=10)]))

    assert await session.account.cancel("T", "112") == Acked("112")
    (report,) = await session.account.read_orders()
    assert report.state is OrderState.FILLED, "the book is the truth"


async def test_a_change_carries_the_total_quantity(session: DhanSession, api: Api) -> None:
    api.say("PUT", "/orders/112", (200, {"orderId": "112", "orderStatus": "TRANSIT"}))
    assert await session.account.modify(change(qty=30)) == Acked("112")

    assert api.bodies[-1]["quantity"] == 30 and api.bodies[-1]["dhanClientId"] == "1000000001"


async def test_trades_carry_our_tag_once_the_order_is_known(session: DhanSession, api: Api) -> None:
    trade = {
        "orderId": "112", "exchangeTradeId": "77", "transactionType": "BUY", "exchangeSegment": "NSE_EQ",
        "securityId": str(api.share.security_id), "tradedQuantity": 10, "tradedPrice": 119.95,
        "exchangeTime": "2026-11-25 09:20:00",
    }  # fmt: skip
    api.say("GET", "/trades", (200, [trade]))
    assert [t.tag for t in await session.account.read_trades()] == [""]

    api.say("POST", "/orders", (200, {"orderId": "112", "orderStatus": "TRANSIT"}))
    await session.account.place(request())
    assert [(t.tag, t.price_paise) for t in await session.account.read_trades()] == [("SD0001000001E", 11_995)]


@pytest.mark.row("LEG-66")
async def test_a_throttled_read_waits_and_asks_once_more(session: DhanSession, api: Api) -> None:
    busy = (429, {"errorType": "Rate_Limit", "errorCode": "DH-904", "errorMessage": "words"})
    api.say("GET", "/orders", busy, (200, []))
    assert await session.account.read_orders() == []

    api.say("GET", "/orders", busy)
    before = api.count("GET", "/orders")
    with pytest.raises(ReadFailed, match="too often"):
        await session.account.read_orders()
    assert api.count("GET", "/orders") == before + 2


@pytest.mark.parametrize("body", [(200, None), (200, b"<html>"), (200, {}), (502, b"<html>"), (200, {"data": []})])
@pytest.mark.fault("ORD-11")
async def test_no_book_is_a_failed_read_and_not_an_empty_one(session: DhanSession, api: Api, body: Any) -> None:
    for path, read in (
        ("/orders", session.account.read_orders),
        ("/trades", session.account.read_trades),
        ("/positions", session.account.read_positions),
    ):
        api.say("GET", path, body)
        with pytest.raises(ReadFailed):
            await read()


# --- every way in which a connection breaks ---------------------------------------------------------------------------


@pytest.mark.row("HRD-09")
@pytest.mark.fault("ORD-05", "ORD-06", "ORD-07", "ORD-08", "ORD-11")
async def test_writes_over_a_connection_that_breaks_are_unknown_and_sent_once(
    api: Api, make_session: Callable[..., DhanSession], proxy_to: Any, mode: str, is_done_in: Callable[[str], bool]
) -> None:
    proxy, port = await proxy_to(api.port)
    session = make_session(port, reveal=lambda _name: TOKEN, deadline_s=0.4)
    await session.open()
    for method, path in (("POST", "/orders"), ("PUT", "/orders/112"), ("DELETE", "/orders/112")):
        api.say(method, path, (200, {"orderId": "112", "orderStatus": "TRANSIT"}))
    proxy.mode = mode
    proxy.hang_up()
    answers = await asyncio.gather(
        session.account.place(request()), session.account.modify(change()), session.account.cancel("T", "112")
    )

    assert all(isinstance(answer, Unknown) for answer in answers), answers
    assert proxy.struck == 3
    done = [api.count(*key) for key in (("POST", "/orders"), ("PUT", "/orders/112"), ("DELETE", "/orders/112"))]
    assert done == ([1, 1, 1] if is_done_in(mode) else [0, 0, 0])


@pytest.mark.fault("ORD-04")
async def test_what_nobody_listens_to_was_not_sent(venue: DhanVenue, make_session: Callable[..., DhanSession]) -> None:
    session = make_session(venue.port)
    await session.open()
    await venue.market.refresh()
    await venue.close()

    assert isinstance(await session.account.place(request(symbol="SBIN")), NotSent)
    with pytest.raises(ReadFailed):
        await session.account.read_orders()


# --- the feed ---------------------------------------------------------------------------------------------------------


@pytest.mark.row("OPT-09")
def test_subscriptions_leave_in_batches_of_a_hundred() -> None:
    from brokers.dhan.master import Listed

    shares = [Listed(SHARE, "NSE_EQ", number, "EQUITY") for number in range(1, 250)]
    made = batches([*shares, Listed(INDEX, "IDX_I", 13, "INDEX")])

    assert [len(batch) for batch in made] == [1, 100, 100, 49] and BATCH_MAX == 100
    message = msgspec.json.decode(request_of(made[1]))
    assert (message["RequestCode"], message["InstrumentCount"]) == (21, 100)
    assert message["InstrumentList"][0] == {"ExchangeSegment": "NSE_EQ", "SecurityId": "1"}
    assert msgspec.json.decode(request_of(made[0]))["RequestCode"] == 15, "an index has nothing but its value"


@pytest.mark.row("OPT-10", "OPT-12")
@pytest.mark.parametrize(
    ("reason", "session_lives"),
    [(807, False), (808, False), (809, False), (810, False), (806, True), (805, True)],
)
async def test_a_feed_that_says_why_it_ends_is_believed(
    session: DhanSession, api: Api, until: Callable[..., Any], reason: int, session_lives: bool
) -> None:
    links: list[str] = []
    session.feed.on_link(links.append)
    await session.feed.connect()
    assert links == [""]

    await api.sockets[-1].send_bytes(disconnection(reason))
    await until(lambda: len(links) == 2)
    await asyncio.sleep(0.05)
    assert str(reason) in links[1] and api.upgrades == 1
    assert session.state.is_live is session_lives
    assert not session._feed.is_live


async def test_text_and_garbage_on_the_feed_are_counted_once_told(
    api: Api, make_session: Callable[..., DhanSession], until: Callable[..., Any]
) -> None:
    notes: list[str] = []
    session = make_session(api.port, reveal=lambda _name: TOKEN, notes=notes)
    await session.open()
    await session.feed.connect()
    for _ in range(3):
        await api.sockets[-1].send_str("[red]\x1b[31mhello")
        await api.sockets[-1].send_bytes(b"\x02\xff\xff")

    odd = session._line.oddities
    await until(lambda: odd.total == 6)
    assert len(notes) == 3 and all(note.isprintable() for note in notes), "two of the feed, and the freeze quantities"
    assert session._feed.is_live, "the stream goes on"


class Still:
    """A clock that stands."""

    def __init__(self, now_ns: int) -> None:
        self.ns = now_ns

    def now_ns(self) -> int:
        return self.ns


NOON = at_ist(date(2026, 11, 25), time(12, 0))


def feed_at(clock: Any) -> tuple[DhanFeed, list[Tick]]:
    line = DhanLine(Terms(kind="dhan"), lambda _name: TOKEN, SessionTools(clock=clock, random=Random(1)))
    feed, ticks = DhanFeed(line), []
    feed._wanted = {"SBIN": None, "IRFC": None}  # type: ignore[dict-item]
    feed.listen(ticks.append)
    return feed, ticks


def test_a_quiet_contracts_packet_is_as_new_as_the_feed_is() -> None:
    clock = Still(NOON)
    feed, ticks = feed_at(clock)
    feed._price("NIFTY", NOON - NS_PER_S, 100, 0, 0, 0, 0)
    feed._price("SBIN", NOON - 300 * NS_PER_S, 12_000, 11_995, 5, 12_005, 5)
    assert [tick.at_ns for tick in ticks] == [NOON], "its last trade is old, its book is new"

    clock.ns = NOON + 60 * NS_PER_S
    feed._price("IRFC", NOON + 2 * NS_PER_S, 5_000, 4_995, 5, 5_005, 5)
    assert ticks[-1].at_ns == NOON + 4 * NS_PER_S, "the whole feed is a minute behind: so is its tick"

    feed._price("IRFC", NOON + 10**15, 5_000, 4_995, 5, 5_005, 5)
    assert ticks[-1].at_ns == NOON + 4 * NS_PER_S, "a time from the future moves nothing"


def test_a_side_without_quantity_has_no_price() -> None:
    feed, ticks = feed_at(Still(NOON))
    feed._price("SBIN", 0, 12_000, 0, 0, 12_005, 5)
    feed._price("SBIN", 0, 0, 0, 0, 0, 0)
    feed._price("OTHER", 0, 12_000, 0, 0, 12_005, 5)

    assert ticks == [Tick("SBIN", NOON, 12_000, 0, 0, 12_005, 5)]


@pytest.mark.row("OPT-12")
def test_silence_is_held_against_the_feed_only_while_the_index_must_tick() -> None:
    clock = Still(NOON)
    feed, _ = feed_at(clock)
    assert feed._may_be_silent(), "no index was asked for"
    feed._sent.add("NIFTY")
    assert not feed._may_be_silent()
    for hours in (-3, 4, 72):
        clock.ns = NOON + hours * 3600 * NS_PER_S
        assert feed._may_be_silent(), "before the open, after the close, on Saturday"


async def test_an_interval_or_span_that_dhan_does_not_have_is_not_asked_for(session: DhanSession, api: Api) -> None:
    for minutes, span in ((3, 60), (1440, 60), (1, 91 * 86_400)):
        with pytest.raises(ReadFailed):
            await session.feed.candles("SBIN", minutes, NOON, NOON + span * NS_PER_S)
    assert api.count("POST", "/charts/intraday") == 0

    api.say(
        "POST",
        "/charts/intraday",
        (400, {"internalErrorCode": "RS-9005", "internalErrorMessage": "Data not available"}),
    )
    assert await session.feed.candles("SBIN", 5, NOON, NOON + NS_PER_S) == []
    body = api.bodies[-1]
    assert (body["fromDate"], body["toDate"], body["interval"]) == ("2026-11-25 12:00:00", "2026-11-26 12:00:01", "5")
    api.say("POST", "/charts/intraday", (400, {"errorCode": "DH-905", "errorMessage": "words"}))
    with pytest.raises(ReadFailed):
        await session.feed.candles("SBIN", 5, NOON, NOON + NS_PER_S)


# --- the venue's own manners ------------------------------------------------------------------------------------------


async def test_a_sixth_feed_ends_the_first(
    venue: DhanVenue, make_session: Callable[..., DhanSession], until: Callable[..., Any]
) -> None:
    sessions = [make_session(venue.port, client_id="1000000001") for _ in range(6)]
    links: list[str] = []
    for number, session in enumerate(sessions):
        await session.open()
        if not number:
            session.feed.on_link(links.append)
        await session.feed.connect()

    await until(lambda: len(links) == 2)
    assert links[0] == "" and "805" in links[1]


async def test_a_token_lives_for_a_day_of_the_venues_clock(venue: DhanVenue, floor: PaperFloor) -> None:
    class Later:
        def __init__(self) -> None:
            self.more_ns = 0

        def now_ns(self) -> int:
            return floor.clock.now_ns() + self.more_ns

    clock = venue.logins._clock = Later()  # type: ignore[assignment]
    assert venue.logins.is_alive("rehearsal-token")
    clock.more_ns = 86_401 * NS_PER_S
    assert not venue.logins.is_alive("rehearsal-token")
    venue.terms = VenueTerms(token_expires=False)
    assert venue.logins.is_alive("rehearsal-token")
