"""The two websockets: order updates, prices, silence, lost logins; and what a person is told to log in."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from brokers.openalgo.login import broker_of, login_page, mode_told, steps
from brokers.openalgo.rules import Mode
from engine.instrument import Segment
from engine.order import OrderState
from engine.port import Acked, ReadFailed

pytestmark = [pytest.mark.row("OPS-05", "GRD-50", "OPT-10"), pytest.mark.fault("NET-05", "MKT-01")]


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence counts after half a second."""
    monkeypatch.setattr("brokers.openalgo.feed.SILENCE_S", 0.5)
    monkeypatch.setattr("brokers.openalgo.stream.PING_S", 0.1)


async def feed_of(server: Any) -> tuple[Any, list[Any], list[str]]:
    session = server.session()
    ticks: list[Any] = []
    links: list[str] = []
    session.feed.listen(ticks.append)
    session.feed.on_link(links.append)
    await session.open()
    await session.feed.connect()
    return session, ticks, links


async def option_of(session: Any) -> Any:
    rows = await session.feed.instruments()
    return next(row for row in rows if row.segment is Segment.INDEX_OPTION and row.short_name == "24500PE")


@pytest.mark.usefixtures("hurried")
async def test_a_feed_that_never_ticked_is_kept_and_one_that_falls_silent_is_made_anew(server: Any) -> None:
    session, ticks, links = await feed_of(server)
    await asyncio.sleep(1.2)  # longer than the silence that counts
    assert links == [""], "a closed market is no lost feed"

    await session.feed.subscribe([(await option_of(session)).symbol])
    await server.until(lambda: len(ticks) > 25)
    heard, server.venue.proxy.on_tick = server.venue.proxy.on_tick, lambda _tick: None
    await server.until(lambda: len(links) >= 2)
    assert "nothing heard" in links[1]

    server.venue.proxy.on_tick = heard
    seen = len(ticks)
    await server.until(lambda: links[-1] == "" and len(ticks) > seen)


async def test_ticks_carry_the_touch_and_the_venues_time(server: Any) -> None:
    session, ticks, _ = await feed_of(server)
    option = await option_of(session)
    index = next(row for row in await session.feed.instruments() if row.segment is Segment.INDEX)
    await session.feed.subscribe([option.symbol, index.symbol, "NOSUCH"])
    await server.until(lambda: {option.symbol, index.symbol} <= {tick.symbol for tick in ticks})

    tick = next(tick for tick in ticks if tick.symbol == option.symbol)
    assert 0 < tick.bid_paise <= tick.ltp_paise <= tick.ask_paise and tick.bid_qty > 0
    assert abs(tick.at_ns - server.floor.clock.now_ns()) < 60 * 10**9
    assert any("NOSUCH" in note for note in server.notes)
    assert next(tick for tick in ticks if tick.symbol == index.symbol).bid_paise == 0


@pytest.mark.fault("NET-13", "UPD-06")
async def test_a_key_that_dies_ends_the_tries_until_the_session_lives_again(
    server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, _, links = await feed_of(server)
    await session.account.connect()
    server.venue.end_sessions()
    server.venue.cut_streams()
    await server.until(lambda: not session.state.is_live)
    await server.until(lambda: any("refuses the key" in link for link in links))
    assert "rehearsal-" not in " ".join(links + server.notes)

    server.venue._dead.clear()
    monkeypatch.setattr("brokers.openalgo.standing.PROBE_S", 0.0)
    assert list(await session.account.read_orders()) == []
    await server.until(lambda: links[-1] == "" and server.links[-1] == "")
    assert session.account.rules.pushes_orders


@pytest.mark.row("HRD-44")
@pytest.mark.fault("UPD-06")
async def test_a_lost_order_stream_says_so_and_pushes_again(server: Any) -> None:
    session = await server.opened()
    server.venue.cut_streams()
    await server.until(lambda: len(server.links) >= 3 and server.links[-1] == "")
    assert server.links[0] == "" and server.links[1]

    request = await server.request(session)
    placed = await session.account.place(request)
    assert isinstance(placed, Acked)
    await server.until(lambda: any(r.tag == request.tag and r.state is OrderState.WORKING for r in server.reports))


async def test_updates_of_the_other_mode_are_dropped(server: Any) -> None:
    session = await server.opened()
    request = await server.request(session)
    frame = {
        "type": "order_update", "mode": "live", "orderid": "77", "symbol": request.symbol, "exchange": "NFO",
        "action": "BUY", "quantity": 65, "price": 1.0, "trigger_price": 0.0, "pricetype": "LIMIT", "product": "MIS",
        "order_status": "complete", "filled_quantity": 65, "average_price": 1.0,
    }  # fmt: skip
    for mode in ("live", "analyze"):
        server.venue.proxy.on_update("rehearsal-openalgo-api-key", frame | {"mode": mode})
    server.venue.proxy.on_update(
        "rehearsal-openalgo-api-key", {"type": "order_update", "mode": "analyze", "orderid": 5}
    )
    await server.until(lambda: any("order update, skipped" in note for note in server.notes))

    assert [(report.broker_id, report.tag) for report in server.reports] == [("77", "")]


async def test_quotes_of_what_is_not_there_fail(server: Any) -> None:
    session, _, _ = await feed_of(server)
    for read in (
        session.feed.quote("NOSUCH"), session.feed.candles("NOSUCH", 1, 0, 1), session.feed.expiries("NOSUCH"),
        session.feed.candles((await option_of(session)).symbol, 7, 0, 1),
    ):  # fmt: skip
        with pytest.raises(ReadFailed):
            await read


def test_a_person_is_told_where_to_log_in_and_never_the_key() -> None:
    lines = steps("http://127.0.0.1:5000", "OPENALGO_API_KEY")

    assert login_page("http://127.0.0.1:5000/") == "http://127.0.0.1:5000/" and "127.0.0.1:5000" in lines[0]
    assert "OPENALGO_API_KEY" in lines[-1] and len(lines) == 3


@pytest.mark.parametrize(
    ("data", "mode"),
    [
        ({"analyze_mode": True, "mode": "analyze"}, Mode.ANALYZE),
        ({"analyze_mode": False, "mode": "live"}, Mode.LIVE),
        ({"analyze_mode": True, "mode": "live"}, None),
        ({}, None),
        (None, None),
        ({"analyze_mode": "false", "mode": "live"}, None),
    ],
)
def test_a_mode_that_is_not_told_plainly_is_none(data: Any, mode: Mode | None) -> None:
    assert mode_told({"data": data}) is mode
    assert broker_of({"data": data}) == ""
