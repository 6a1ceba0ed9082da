"""One login over real sockets: its start, its death, its ticker, and what it never says."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

import msgspec
import pytest
from websockets.asyncio.client import connect

import brokers.kite.session as session_module
from brokers.kite.login import LOGIN_PAGE, checksum, exchange, login_url, request_token_of
from brokers.kite.quotes import Quotes
from brokers.kite.ticker import Ticker
from brokers.kite.venue_packets import frame as frame_of
from brokers.kite.venue_packets import packet
from brokers.kite.venue_prices import DayPrices
from brokers.venue.site import VenueTerms
from brokers.wire.http import HttpLink
from brokers.wire.oddities import Oddities
from brokers.wire.stream import Address
from brokers.wire.tools import SessionTools
from engine.instant import NS_PER_S
from engine.order import OrderType, Side
from engine.port import Acked, NotSent, OrderRequest, ReadFailed, Refused
from engine.port_reads import SessionRefused
from engine.tick import Tick

pytestmark = pytest.mark.row("OPS-05")
KEY, TOKEN = "rehearsal-kite-api-key", "rehearsal-kite-access-token"


# --- login ------------------------------------------------------------------------------------------------------------


def test_the_login_page_is_named_with_the_key_and_nothing_secret() -> None:
    assert login_url("k&y") == f"{LOGIN_PAGE}?v=3&api_key=k%26y"


@pytest.mark.parametrize(
    ("pasted", "token"),
    [
        ("abcDEF123456", "abcDEF123456"),
        ("  https://app.example/cb?action=login&request_token=abcDEF123456&status=success \n", "abcDEF123456"),
        ("https://app.example/cb?status=cancelled", ""),
        ("https://app.example/cb?request_token=a&request_token=b", ""),
        ("https://app.example/cb?request_token=%3Cscript%3E", ""),
        ("https://[::1/cb?request_token=abcDEF123456", ""),
        ("", ""),
        ("two words", ""),
    ],
)
def test_the_request_token_is_found_in_what_is_pasted(pasted: str, token: str) -> None:
    assert request_token_of(pasted) == token


def test_the_checksum_is_the_documented_one() -> None:
    assert checksum("a", "b", "c") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # of "abc"


async def test_a_request_token_is_exchanged_once_and_a_refusal_names_no_secret(venue: Any) -> None:
    link = HttpLink(f"http://127.0.0.1:{venue.port}", dict, deadline_s=2.0)
    try:
        token = await exchange(link, KEY, "rehearsal-1", "rehearsal-kite-api-secret")
        assert len(token) == 32
        for request_token, secret in [("rehearsal-1", "rehearsal"), ("rehearsal-2", "s3cr3t-wrong")]:
            with pytest.raises(SessionRefused) as refused:
                await exchange(link, KEY, request_token, secret)
            assert secret not in str(refused.value) and "TokenException" in str(refused.value)
    finally:
        await link.close()


async def test_a_new_token_opens_a_session_that_had_died(venue: Any, make_session: Any, until: Any) -> None:
    tokens = {"KITE_API_KEY": KEY, "KITE_ACCESS_TOKEN": TOKEN}
    session = make_session(reveal=lambda name: tokens[name])
    links: list[str] = []
    session.feed.on_link(links.append)
    await session.open()
    await session.feed.connect()
    assert links == [""] and session.account.account_id.startswith("kite-RH")

    venue.end_sessions()
    await until(lambda: not session.state.is_live)
    assert "log in again" in session.state.reason, "the refused ticker was looked into; nobody had to read"
    link = HttpLink(f"http://127.0.0.1:{venue.port}", dict, deadline_s=2.0)
    tokens["KITE_ACCESS_TOKEN"] = await exchange(link, KEY, "rehearsal-9", "rehearsal")
    await link.close()
    await session.open()
    await until(lambda: links[-1] == "" and len(links) >= 3)
    assert session.state.is_live and await session.account.read_orders() == []


# --- death and silence ------------------------------------------------------------------------------------------------


@pytest.mark.fault("SEC-07")
@pytest.mark.row("OPS-12", "LEG-06")
async def test_a_dead_session_asks_nothing_more_and_says_no_secret(venue: Any, make_session: Any, until: Any) -> None:
    notes: list[str] = []
    session = make_session(notes=notes)
    await session.open()
    await session.account.connect()
    venue.end_sessions()
    with pytest.raises(ReadFailed):
        await session.account.read_trades()
    await until(lambda: session.ticker.stream.is_dead)
    asked: list[str] = []
    real = venue._caller

    async def counted(request: Any) -> Any:
        asked.append(request.path)
        return await real(request)

    venue._caller = counted
    said = [*notes, session.state.reason]
    for read in (session.account.read_orders, session.account.read_positions, session.account.read_funds):
        with pytest.raises(ReadFailed) as failure:
            await read()
        said.append(str(failure.value))
    with pytest.raises(ReadFailed):
        await session.feed.quote("NIFTY")
    assert isinstance(await session.account.cancel("T", "261125000000001"), NotSent)

    assert asked == []
    assert not any(KEY in text or TOKEN in text for text in said)


async def test_a_ticker_refused_with_a_living_token_is_tried_again(
    venue: Any, make_session: Any, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_module, "_COOL_OFF_S", 0.1)
    notes: list[str] = []
    session = make_session(notes=notes)
    await session.open()
    address = session._address().url
    others = [await connect(address, proxy=None) for _ in range(3)]
    session.ticker.stream.start()
    await until(lambda: any("tried again" in note for note in notes))
    assert session.state.is_live

    await others[0].close()
    await until(lambda: session.ticker.stream.is_live)
    for other in others[1:]:
        await other.close()


@pytest.mark.fault("NET-05")
async def test_a_venue_that_cannot_be_reached_opens_no_session(venue: Any, make_session: Any) -> None:
    await venue.close()
    session = make_session()
    with pytest.raises(SessionRefused) as refused:
        await session.open()

    assert "cannot be reached" in str(refused.value) and not session.state.is_live


async def test_a_token_of_the_venue_dies_at_six_in_the_morning(venue: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sessions = venue._sessions
    assert sessions.is_alive(KEY, TOKEN) and not sessions.is_alive("real-key", TOKEN)
    assert not sessions.is_alive(KEY, "a-real-token"), "no real credential is ever taken"
    now_ns = sessions._now_ns()
    monkeypatch.setattr(sessions, "_now_ns", lambda: now_ns + 21 * 3600 * 1_000_000_000)

    assert not sessions.is_alive(KEY, TOKEN)


# --- orders -----------------------------------------------------------------------------------------------------------


async def rested(session: Any) -> tuple[OrderRequest, str]:
    rows = await session.feed.instruments()
    option = next(row for row in rows if row.short_name == "24500PE")
    quote = await session.feed.quote(option.symbol)
    request = OrderRequest(
        tag="SDTEST000001E", symbol=option.symbol, exchange="NFO", product="MIS", side=Side.BUY, type=OrderType.LIMIT,
        qty=option.lot_size, limit_paise=(quote.ltp_paise - 2000) // 5 * 5, trigger_paise=0,
    )  # fmt: skip
    placed = await session.account.place(request)
    assert isinstance(placed, Acked)
    return request, placed.broker_id


async def test_an_order_proves_that_trading_is_allowed_and_another_account_sees_none_of_it(make_session: Any) -> None:
    session = make_session()
    await session.open()
    assert session.state.may_trade is None
    request, broker_id = await rested(session)
    assert session.state.may_trade is True
    margin = await session.account.read_margin(request)
    assert margin == request.limit_paise * request.qty

    stranger = make_session(reveal=lambda name: f"rehearsal-other-{name.lower()}")
    await stranger.open()
    assert await stranger.account.read_orders() == []
    refused = await stranger.account.cancel(request.tag, broker_id)
    assert isinstance(refused, Refused) and refused.code == "other", "whose it is, nobody can tell: it is not finished"


async def test_pushed_updates_bear_the_tag_and_broken_ones_change_nothing(make_session: Any, until: Any) -> None:
    notes: list[str] = []
    session = make_session(notes=notes)
    reports: list[Any] = []
    session.account.listen(reports.append, lambda _trade: None)
    await session.open()
    await session.account.connect()
    request, broker_id = await rested(session)
    await until(lambda: any(report.state.value == "working" for report in reports))
    assert {(report.tag, report.broker_id) for report in reports} == {(request.tag, broker_id)}

    before = len(reports)
    for frame in (
        "no json", "[]", "5", '{"type":"order"}', '{"type":"order","data":[1]}', '{"type":"order","data":{"status":7}}',
        '{"type":"error","data":"\\u001b[2J[red]"}', '{"type":"instruments_meta","data":{}}', '{"data":1}', "[" * 9000,
    ):  # fmt: skip
        session.ticker.hear(frame)
        session.ticker.hear(frame)
    assert len(reports) == before and len(notes) == len(set(notes)) and session.oddities.total >= 14
    assert all(note.isprintable() for note in notes)


class Rows:
    """A `Rest` that answers every read with the same data."""

    def __init__(self, data: object) -> None:
        self.data = data

    async def read(self, *_path: Any, **_fields: Any) -> object:
        return self.data


GOOD = {
    "order_id": "2611250000012", "exchange": "NFO", "tradingsymbol": "X", "order_type": "LIMIT", "quantity": 75,
    "transaction_type": "BUY", "product": "MIS", "status": "OPEN", "tag": "SD00010000AE", "price": 5,
}  # fmt: skip


@pytest.mark.fault("NET-09")
@pytest.mark.invariant("R4")
async def test_a_book_that_is_not_understood_is_no_book(make_session: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    session = make_session()
    account = session.account
    for data in (None, {}, "", [GOOD, {**GOOD, "quantity": None}], [GOOD, None], [[]]):
        monkeypatch.setattr(session, "rest", Rows(data))
        with pytest.raises(ReadFailed):
            await account.read_orders()
        with pytest.raises(ReadFailed):
            await account.read_trades()
        with pytest.raises(ReadFailed):
            await account.read_positions()
        with pytest.raises(ReadFailed):
            await account.read_funds()
    monkeypatch.setattr(session, "rest", Rows([GOOD, {**GOOD, "quantity": None, "tag": "byhand"}]))
    assert [row.tag for row in await account.read_orders()] == ["SD00010000AE"], "a stranger's broken row is skipped"


# --- ticker -----------------------------------------------------------------------------------------------------------


class Socket:
    """What `greet` needs of a websocket."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.during: Any = None

    async def send(self, text: str) -> None:
        self.sent.append(msgspec.json.decode(text))
        if self.during is not None:
            during, self.during = self.during, None
            await during()


class Clock:
    at_ns = 5

    def now_ns(self) -> int:
        return self.at_ns


def ticker_of(notes: list[str], clock: Clock | None = None) -> Ticker:
    tools = SessionTools(clock=clock or Clock(), random=Random(1), note=notes.append)  # type: ignore[arg-type]
    names: Mapping[int, str] = {408065: "INFY"}
    return Ticker(
        lambda: Address("ws://127.0.0.1:1"), lambda: names, tools, Oddities("kite", notes.append), lambda: None
    )


@pytest.mark.row("OPT-09")
async def test_subscriptions_leave_in_batches_of_a_hundred_right_after_connecting() -> None:
    ticker, socket = ticker_of([]), Socket()
    await ticker.subscribe(range(250))
    await ticker.greet(socket)  # type: ignore[arg-type]

    subscribed = [each for each in socket.sent if each["a"] == "subscribe"]
    assert [len(each["v"]) for each in subscribed] == [100, 100, 50]
    assert sorted(token for each in subscribed for token in each["v"]) == list(range(250))
    modes = [each["v"] for each in socket.sent if each["a"] == "mode"]
    assert [(mode, len(tokens)) for mode, tokens in modes] == [("full", 100), ("full", 100), ("full", 50)]


@pytest.mark.row("OPT-09")
def test_the_packet_without_a_time_that_a_subscription_begins_with_does_not_make_the_running_second_old() -> None:
    """A full packet says its second and no more; it must count, for it may be the price to leave at."""
    clock = Clock()
    clock.at_ns = 1_795_000_000 * NS_PER_S + 213_000_000
    ticker, heard = ticker_of([], clock), list[Tick]()
    ticker.on_tick = heard.append
    untimed = Tick("INFY", 0, 150_00)
    timed = Tick("INFY", 1_795_000_000 * NS_PER_S, 144_00)
    late = Tick("INFY", 1_794_999_999 * NS_PER_S, 144_00)
    for tick, mode in ((untimed, "quote"), (late, "full"), (timed, "full")):
        ticker.hear(frame_of([packet(408065, tick, DayPrices(), mode)]))

    assert [tick.ltp_paise for tick in heard] == [150_00, 144_00, 144_00]
    assert heard[0].at_ns < heard[1].at_ns < heard[2].at_ns
    assert clock.at_ns - heard[0].at_ns == 2 * NS_PER_S, "young enough to enter by"


@pytest.mark.row("OPT-10")
async def test_what_is_asked_for_while_connecting_is_sent_and_all_of_it_again_with_the_next_connection() -> None:
    ticker, socket = ticker_of([]), Socket()
    await ticker.subscribe([1])
    socket.during = lambda: ticker.subscribe([2])
    await ticker.greet(socket)  # type: ignore[arg-type]
    assert [each["v"] for each in socket.sent if each["a"] == "subscribe"] == [[1], [2]]

    again = Socket()
    await ticker.greet(again)  # type: ignore[arg-type]
    assert [each["v"] for each in again.sent if each["a"] == "subscribe"] == [[1, 2]]


async def test_binary_frames_become_ticks_and_a_heartbeat_none() -> None:
    ticker, ticks = ticker_of([]), list[Tick]()
    ticker.hear(b"\x00")
    ticker.on_tick = ticks.append
    ticker.hear(b"\x00")
    ticker.hear(b"\x00\x01\x00\x08" + (408065).to_bytes(4, "big") + (157315).to_bytes(4, "big"))

    assert ticks == [Tick("INFY", 5 - 2 * NS_PER_S, 157315)]


# --- reads ------------------------------------------------------------------------------------------------------------


@pytest.mark.row("RTP-40")
async def test_quotes_asked_for_together_are_one_call_and_a_failure_is_everybodys() -> None:
    calls: list[Sequence[str]] = []
    gate = asyncio.Event()

    async def fetch(keys: Sequence[str]) -> Mapping[str, Any]:
        calls.append(list(keys))
        if "bad" in keys:
            raise ReadFailed("no")
        return {key: key.upper() for key in keys if key != "gone"}

    quotes = Quotes(gate.wait, fetch, 3)  # type: ignore[arg-type]
    asked = asyncio.gather(*(quotes.ask(key) for key in ("a", "b", "a", "gone", "c")))
    await asyncio.sleep(0)
    gate.set()
    assert await asked == ["A", "B", "A", None, "C"]
    assert calls == [["a", "b", "gone"], ["c"]]

    failed = await asyncio.gather(quotes.ask("bad"), quotes.ask("d"), return_exceptions=True)
    assert [type(each) for each in failed] == [ReadFailed, ReadFailed]
    gate.clear()
    waiting = asyncio.ensure_future(quotes.ask("e"))
    await asyncio.sleep(0)
    await quotes.close()
    with pytest.raises(ReadFailed):
        await waiting


async def test_a_read_limit_holds_the_reads_and_proves_nothing(venue: Any, make_session: Any) -> None:
    session = make_session()
    await session.open()
    venue.terms = VenueTerms(writes_per_s=0)
    answer = await session.account.cancel("T", "261125000000001")

    assert isinstance(answer, Refused) and (answer.code, answer.retry_after_s) == ("throttled", 1.0)
    assert session.state.is_live and session.state.may_trade is None
