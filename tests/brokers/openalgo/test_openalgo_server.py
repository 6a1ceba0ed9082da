"""The adapter at its venue: what a gateway does besides answering: modes, dead links, approval queues, lost logins."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from brokers.venue.site import VenueTerms
from engine import refusals
from engine.order import OrderState, OrderType, Side
from engine.port import Acked, NotSent, OrderChange, ReadFailed, Refused, Unknown
from engine.port_reads import KnownOrder, SessionRefused

pytestmark = pytest.mark.row("OPS-05")
S = OrderState


async def row_of(session: Any, tag: str) -> Any:
    return next((row for row in await session.account.read_orders() if row.tag == tag), None)


@pytest.mark.fault("CFG-05")
@pytest.mark.parametrize(("server_mode", "expected"), [("live", "analyze"), ("analyze", "live")])
async def test_a_server_in_the_other_mode_is_not_opened(server: Any, server_mode: str, expected: str) -> None:
    server.venue.mode = server_mode
    with pytest.raises(SessionRefused, match=f"in {server_mode} mode .* expects {expected}"):
        await server.session(expected).open()
    assert not server.sessions[0].state.is_live


@pytest.mark.fault("CFG-05", "NET-13")
@pytest.mark.parametrize("begin", ["analyze", "live"])
async def test_a_switch_of_the_mode_in_the_day_stops_orders_until_it_is_back(server: Any, begin: str) -> None:
    server.venue.mode = begin
    session = await server.opened()
    request = await server.request(session)
    server.venue.mode = {"analyze": "live", "live": "analyze"}[begin]

    with pytest.raises(ReadFailed):
        await session.account.read_orders()
    assert not session.state.is_live and session.state.may_trade is False and "mode" in session.state.reason
    assert isinstance(await session.account.place(request), NotSent), "nothing is sent into the wrong world"

    server.venue.mode = begin
    await session.account.read_orders()
    assert session.state.is_live and isinstance(await session.account.place(request), Acked)


@pytest.mark.fault("ORD-07")
async def test_an_order_that_waits_for_approval_is_unknown_and_orders_end(server: Any) -> None:
    session = await server.opened()
    server.venue.semi_auto = True
    answer = await session.account.place(await server.request(session))

    assert isinstance(answer, Unknown) and "approve" in answer.reason
    assert session.state.may_trade is False and session.state.is_live
    server.venue.semi_auto = False
    assert isinstance(await session.account.place(await server.request(session)), Acked)
    assert session.state.may_trade is None, "the person gave the key back its freedom"


@pytest.mark.fault("ORD-07", "NET-07")
async def test_a_dead_broker_link_is_neither_flat_nor_an_empty_book(live_server: Any) -> None:
    server = live_server
    session = await server.opened()
    resting = await server.request(session)
    placed = await session.account.place(resting)
    assert isinstance(placed, Acked) and await row_of(session, resting.tag)
    server.venue.broker_down = True

    for read in (session.account.read_orders, session.account.read_trades, session.account.read_positions):
        with pytest.raises(ReadFailed):
            await read()
    with pytest.raises(ReadFailed):
        await session.account.read_funds()
    server.venue.broker_down = False
    assert await row_of(session, resting.tag)


@pytest.mark.fault("NET-07")
async def test_an_empty_live_book_is_believed_only_beside_funds(live_server: Any) -> None:
    session = await live_server.opened()
    assert list(await session.account.read_orders()) == []
    live_server.venue.broker_down = True

    with pytest.raises(ReadFailed, match="funds"):
        await session.account.read_orders()
    with pytest.raises(ReadFailed, match="funds"):
        await session.account.read_trades()


@pytest.mark.fault("ORD-07")
async def test_success_without_an_order_id_is_unknown_and_blocks_its_twin(live_server: Any) -> None:
    server = live_server
    session = await server.opened()
    request = await server.request(session)
    server.venue.broker_down = True
    assert isinstance(await session.account.place(request), Unknown)
    server.venue.broker_down = False

    twin = replace(request, tag="SDTWIN000001E")
    blocked = await session.account.place(twin)
    assert isinstance(blocked, NotSent) and "identical order" in blocked.reason
    assert await row_of(session, request.tag) is None
    other = replace(twin, tag="SDTWIN000002E", limit_paise=request.limit_paise - 50)
    assert isinstance(await session.account.place(other), Acked)


@pytest.mark.fault("ORD-13", "STO-02")
async def test_after_a_restart_the_journal_tells_which_rows_are_ours(live_server: Any) -> None:
    server = live_server
    first = await server.opened()
    request, lost = await server.request(first), await server.request(first, away_paise=4500)
    placed = await first.account.place(request)
    assert isinstance(placed, Acked) and isinstance(await first.account.place(lost), Acked)
    sent_ns = server.floor.clock.now_ns()

    second = server.session()
    await second.open()
    second.account.recall(
        [
            KnownOrder(tag=request.tag, broker_id=placed.broker_id, request=request, sent_ns=sent_ns),
            KnownOrder(tag=lost.tag, broker_id="", request=lost, sent_ns=sent_ns),
        ]
    )
    await second.account.connect()

    found = {row.tag: row for row in await second.account.read_orders()}
    assert set(found) == {request.tag, lost.tag} and found[request.tag].broker_id == placed.broker_id
    change = OrderChange(
        tag=lost.tag, broker_id=found[lost.tag].broker_id, type=OrderType.LIMIT, qty=lost.qty,
        limit_paise=lost.limit_paise - 50, trigger_paise=0,
    )  # fmt: skip
    assert isinstance(await second.account.modify(change), Acked), "with the facts of the journal"


async def test_an_order_that_nobody_told_about_can_be_changed_from_the_book(live_server: Any) -> None:
    server = live_server
    first = await server.opened()
    request = await server.request(first)
    placed = await first.account.place(request)
    assert isinstance(placed, Acked)
    second = server.session()
    await second.open()
    change = OrderChange(
        tag=request.tag, broker_id=placed.broker_id, type=OrderType.LIMIT, qty=request.qty,
        limit_paise=request.limit_paise - 50, trigger_paise=0,
    )  # fmt: skip

    assert isinstance(await second.account.modify(change), Acked)
    unknown = await second.account.modify(replace(change, broker_id="999"))
    assert isinstance(unknown, Refused) and unknown.code == refusals.NO_SUCH_ORDER


@pytest.mark.fault("ORD-27")
async def test_a_partly_filled_live_order_has_the_quantity_of_its_position(live_server: Any) -> None:
    server = live_server
    session = await server.opened()
    request = await server.request(session, qty=65 * 20)
    assert isinstance(await session.account.place(request), Acked)
    row = await row_of(session, request.tag)
    name = next(iter(server.floor._ports))  # the floor's own hand: a counterparty takes a part
    account = server.floor._ports[name]
    account.exchange.execute(account.account_id, row.broker_id, 130, request.limit_paise, server.floor.clock.now_ns())

    part = await row_of(session, request.tag)
    assert (part.state, part.filled_qty) == (S.PART_FILLED, 130)
    assert list(await session.account.read_trades()) == [], "the rows carry 1300 each: nothing to book yet"
    assert isinstance(await session.account.cancel(request.tag, row.broker_id), Acked)
    ended = await row_of(session, request.tag)
    assert (ended.state, ended.filled_qty) == (S.CANCELLED, 130)


@pytest.mark.fault("ORD-17")
async def test_a_live_no_to_a_finished_order_is_explained_from_the_book(live_server: Any) -> None:
    session = await live_server.opened()
    request = await live_server.request(session)
    placed = await session.account.place(request)
    assert isinstance(placed, Acked)
    await session.account.cancel(request.tag, placed.broker_id)
    again = await session.account.cancel(request.tag, placed.broker_id)

    assert isinstance(again, Refused) and again.code == refusals.ALREADY_FINISHED


@pytest.mark.row("HRD-44")
@pytest.mark.fault("UPD-01")
async def test_updates_that_come_before_the_reply_have_their_tag(server: Any) -> None:
    session = await server.opened()
    for _ in range(8):
        request = await server.request(session, away_paise=-500)
        assert isinstance(await session.account.place(request), Acked)
        await server.until(lambda tag=request.tag: any(r.tag == tag and r.state is S.FILLED for r in server.reports))
    assert all(report.tag for report in server.reports), "not one was told without its tag"
    assert all(report.limit_paise for report in server.reports)


async def test_orders_of_others_are_reported_without_a_tag_of_ours(server: Any) -> None:
    session = await server.opened()
    request = await server.request(session)
    key = "rehearsal-openalgo-api-key"
    body = {
        "apikey": key, "strategy": "by_hand", "symbol": request.symbol, "exchange": "NFO", "action": "BUY",
        "quantity": 65, "pricetype": "LIMIT", "product": "MIS", "price": request.limit_paise / 100,
    }  # fmt: skip
    async with httpx.AsyncClient() as client:
        reply = await client.post(f"http://{server.address}/api/v1/placeorder", json=body)
    assert reply.status_code == 200

    (row,) = await session.account.read_orders()
    assert row.tag == "" and row.broker_id == reply.json()["orderid"]
    await server.until(lambda: any(r.broker_id == row.broker_id and not r.tag for r in server.reports))


async def test_a_server_without_order_updates_is_polled(server: Any) -> None:
    server.venue.proxy.has_order_updates = False
    session = await server.opened()

    assert session.account.rules.pushes_orders is False and server.links == [""]
    assert session.account.rules.carries_tag is False


async def test_the_plugin_without_order_updates_is_polled_in_live_mode(live_server: Any) -> None:
    session = await live_server.opened()

    assert session.account.rules.pushes_orders is False


@pytest.mark.fault("NET-12")
async def test_a_session_that_a_person_opens_again_lives_again(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    session = await server.opened()
    request = await server.request(session)
    server.venue.end_sessions()
    with pytest.raises(ReadFailed):
        await session.account.read_orders()
    assert isinstance(await session.account.place(request), NotSent)
    with pytest.raises(ReadFailed, match="log in"):
        await session.account.read_orders()
    assert sum("refuses the key" in note for note in server.notes) == 1, "told once"

    async with httpx.AsyncClient() as client:
        await client.get(f"http://{server.address}/")
    monkeypatch.setattr("brokers.openalgo.standing.PROBE_S", 0.0)
    assert list(await session.account.read_orders()) == []
    assert session.state.is_live and isinstance(await session.account.place(request), Acked)


async def test_a_market_intent_leaves_as_its_protection_limit(server: Any) -> None:
    session = await server.opened()
    request = await server.request(session, away_paise=-500, type=OrderType.MARKET)
    assert isinstance(await session.account.place(request), Acked)
    row = await row_of(session, request.tag)
    assert (row.type, row.limit_paise) == (OrderType.LIMIT, request.limit_paise)

    bare = await session.account.place(replace(request, tag="SDBARE000001E", limit_paise=0))
    assert isinstance(bare, Refused) and bare.code == refusals.NO_PROTECTION


async def test_a_change_of_type_that_the_analyzer_ignores_is_a_refusal(
    server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await server.opened()
    base = await server.request(session, away_paise=3000)
    request = replace(
        base, side=Side.SELL, type=OrderType.SL, trigger_paise=base.limit_paise, limit_paise=base.limit_paise - 500
    )
    placed = await session.account.place(request)
    assert isinstance(placed, Acked)

    async def ignored(_request: Any, _account: str, body: Any) -> Any:
        return server.venue._ok({"orderid": body["orderid"], "message": "Order modified successfully"})

    monkeypatch.setitem(server.venue._handlers, "modifyorder", ignored)
    change = OrderChange(
        tag=request.tag, broker_id=placed.broker_id, type=OrderType.LIMIT, qty=request.qty,
        limit_paise=request.limit_paise, trigger_paise=0,
    )  # fmt: skip
    answer = await session.account.modify(change)
    assert isinstance(answer, Refused) and answer.code == refusals.ORDER_TYPE


@pytest.mark.parametrize("broken", [{"orderid": 5}, {"orderid": "x", "quantity": "?"}, "row", None])
async def test_an_unreadable_row_that_may_be_ours_fails_the_read(
    live_server: Any, monkeypatch: pytest.MonkeyPatch, broken: Any
) -> None:
    server = live_server
    session = await server.opened()
    request = await server.request(session)
    server.venue.broker_down = True
    assert isinstance(await session.account.place(request), Unknown)
    server.venue.broker_down = False

    async def book(_request: Any, _account: str, _body: Any) -> Any:
        return server.venue._ok({"data": {"orders": [broken], "statistics": {}}})

    monkeypatch.setitem(server.venue._handlers, "orderbook", book)
    with pytest.raises(ReadFailed):
        await session.account.read_orders()


async def test_an_unreadable_row_of_a_known_order_is_unknown_not_absent(
    live_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = live_server
    session = await server.opened()
    request = await server.request(session)
    placed = await session.account.place(request)
    assert isinstance(placed, Acked)

    async def book(_request: Any, _account: str, _body: Any) -> Any:
        return server.venue._ok({"data": {"orders": [{"orderid": placed.broker_id, "quantity": "?"}, {"orderid": 7}]}})

    monkeypatch.setitem(server.venue._handlers, "orderbook", book)
    (row,) = await session.account.read_orders()
    assert (row.tag, row.state, row.qty) == (request.tag, S.UNKNOWN, request.qty)


@pytest.mark.fault("ORD-09")
async def test_the_limiter_counts_in_its_own_form(server: Any) -> None:
    session = await server.opened()
    server.venue.terms = VenueTerms(writes_per_s=0)
    answer = await session.account.place(await server.request(session))

    assert isinstance(answer, Refused) and (answer.code, answer.text, answer.retry_after_s) == (
        refusals.THROTTLED, "0 per 1 second", 1.0,
    )  # fmt: skip


async def test_the_days_contracts_are_kept_in_files(server: Any, tmp_path: Any) -> None:
    first = server.session(cache=tmp_path)
    await first.open()
    names = sorted(path.name.split("-")[1] for path in tmp_path.iterdir())
    assert "nfo" in names and "nse" in names
    server.venue._refresh = lambda: asyncio.sleep(0)
    server.venue._instruments = {}
    second = server.session(cache=tmp_path)
    await second.open()

    assert len(await second.feed.instruments()) == len(await first.feed.instruments()) > 40
    option = next(i for i in await first.feed.instruments() if i.is_option)
    assert option.freeze_qty == 1800


async def test_margin_is_a_failed_read_where_the_plugin_has_none(server: Any) -> None:
    session = await server.opened()
    with pytest.raises(ReadFailed, match="501"):
        await session.account.read_margin(await server.request(session))


def test_nothing_of_the_account_shows_the_key(server: Any) -> None:
    session = server.session()

    assert "rehearsal" not in repr(session) + repr(session.state) + repr(vars(session.account))
