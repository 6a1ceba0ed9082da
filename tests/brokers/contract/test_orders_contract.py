"""What every adapter promises about orders over real sockets: four answers, tags, states, fills, positions."""

from __future__ import annotations

from typing import Any

import pytest

from brokers.venue.site import VenueTerms
from engine import refusals
from engine.order import OrderState, OrderType, Side
from engine.port import Acked, NotSent, OrderChange, Refused, Unknown

S = OrderState
pytestmark = pytest.mark.row("OPS-05")


async def test_a_limit_rests_is_moved_and_is_cancelled(rig: Any) -> None:
    request = await rig.request(away_paise=2000)
    placed = await rig.session.account.place(request)

    assert isinstance(placed, Acked) and placed.broker_id
    row = await rig.until_state(request.tag, S.WORKING)
    assert (row.broker_id, row.symbol, row.side, row.qty) == (placed.broker_id, request.symbol, Side.BUY, request.qty)
    assert (row.type, row.limit_paise, row.product, row.filled_qty) == (OrderType.LIMIT, request.limit_paise, "MIS", 0)

    change = OrderChange(
        tag=request.tag, broker_id=placed.broker_id, type=OrderType.LIMIT, qty=request.qty * 2,
        limit_paise=request.limit_paise - 500, trigger_paise=0,
    )  # fmt: skip
    assert isinstance(await rig.session.account.modify(change), Acked)
    await rig.until(lambda: rig.row(request.tag))
    moved = await rig.until_state(request.tag, S.WORKING)
    assert (moved.qty, moved.limit_paise) == (request.qty * 2, request.limit_paise - 500)

    assert isinstance(await rig.session.account.cancel(request.tag, placed.broker_id), Acked)
    gone = await rig.until_state(request.tag, S.CANCELLED)
    assert gone.filled_qty == 0
    again = await rig.session.account.cancel(request.tag, placed.broker_id)
    assert isinstance(again, Refused) and again.code == refusals.ALREADY_FINISHED


async def test_a_marketable_order_fills_and_makes_a_position(rig: Any) -> None:
    request = await rig.request(away_paise=-500)
    assert isinstance(await rig.session.account.place(request), Acked)
    row = await rig.until_state(request.tag, S.FILLED)

    assert row.filled_qty == request.qty and 0 < row.average_paise <= request.limit_paise
    await rig.until(lambda: trades_of(rig, request.tag))
    trades = await trades_of(rig, request.tag)
    assert sum(trade.qty for trade in trades) == request.qty and len({t.trade_id for t in trades}) == len(trades)
    assert {(trade.side, trade.symbol, trade.broker_id) for trade in trades} == {
        (Side.BUY, request.symbol, row.broker_id)
    }
    positions = [p for p in await rig.session.account.read_positions() if p.symbol == request.symbol and p.net_qty]
    assert [(p.net_qty, p.product) for p in positions] == [(request.qty, "MIS")]

    back = await rig.request(side=Side.SELL, away_paise=-500)
    assert isinstance(await rig.session.account.place(back), Acked)
    await rig.until_state(back.tag, S.FILLED)
    assert not [p for p in await rig.session.account.read_positions() if p.symbol == request.symbol and p.net_qty]


async def trades_of(rig: Any, tag: str) -> list[Any]:
    ids = {row.broker_id for row in await rig.session.account.read_orders() if row.tag == tag}
    return [trade for trade in await rig.session.account.read_trades() if trade.broker_id in ids]


async def test_a_marketable_intent_leaves_as_what_the_broker_takes(rig: Any) -> None:
    request = await rig.request(away_paise=-500, type=OrderType.MARKET)
    assert isinstance(await rig.session.account.place(request), Acked)
    await rig.until_state(request.tag, S.FILLED)


async def test_a_stop_waits_for_its_trigger(rig: Any) -> None:
    request = await rig.request(side=Side.SELL, away_paise=-3000, type=OrderType.SL)
    request = await rig.request(
        side=Side.SELL, type=OrderType.SL, limit_paise=request.limit_paise - 500, trigger_paise=request.limit_paise
    )
    placed = await rig.session.account.place(request)
    assert isinstance(placed, Acked)
    row = await rig.until_state(request.tag, S.TRIGGER_PENDING)
    assert (row.type, row.trigger_paise, row.limit_paise) == (
        OrderType.SL, request.trigger_paise, request.limit_paise
    )  # fmt: skip

    exit_now = OrderChange(
        tag=request.tag, broker_id=placed.broker_id, type=OrderType.LIMIT, qty=request.qty,
        limit_paise=request.limit_paise, trigger_paise=0,
    )  # fmt: skip
    assert isinstance(await rig.session.account.modify(exit_now), Acked), "a stop becomes a marketable exit by a change"
    await rig.until_state(request.tag, S.FILLED, S.WORKING)


@pytest.mark.parametrize("how", ["drop", "html"])
async def test_a_lost_reply_is_unknown_and_the_order_is_found_by_its_tag(made_rig: Any, how: str) -> None:
    made_rig.venue.terms = VenueTerms(lost_reply=how)
    await made_rig.open()
    rig = made_rig
    await rig.quote()
    first = await rig.request(away_paise=2500)
    await rig.session.account.place(first)
    await rig.until_state(first.tag, S.WORKING)
    rig.scripted.script.extend(["after", "before"])

    there, lost = await rig.request(away_paise=2000), await rig.request(away_paise=3300)
    assert isinstance(await rig.session.account.place(there), Unknown)
    assert isinstance(await rig.session.account.place(lost), Unknown)
    found = await rig.until_state(there.tag, S.WORKING)
    assert found.broker_id
    assert await rig.row(lost.tag) is None
    assert [request.qty for request in rig.scripted.placed].count(there.qty) == 2, "nothing was sent twice"


async def test_unknown_cancel_and_modify_are_unknown(rig: Any) -> None:
    request = await rig.request(away_paise=2000)
    placed = await rig.session.account.place(request)
    assert isinstance(placed, Acked)
    await rig.until_state(request.tag, S.WORKING)
    rig.scripted.script.extend(["before", "after"])
    change = OrderChange(
        tag=request.tag, broker_id=placed.broker_id, type=OrderType.LIMIT, qty=request.qty,
        limit_paise=request.limit_paise - 100, trigger_paise=0,
    )  # fmt: skip

    assert isinstance(await rig.session.account.modify(change), Unknown)
    assert isinstance(await rig.session.account.cancel(request.tag, placed.broker_id), Unknown)
    await rig.until_state(request.tag, S.CANCELLED)


async def test_a_refusal_is_a_refusal(rig: Any) -> None:
    request = await rig.request(away_paise=2000, symbol="NOSUCH01DEC2624500PE")
    answer = await rig.session.account.place(request)
    assert isinstance(answer, Refused | NotSent), "a symbol that the master does not have is never sent"

    odd = await rig.request(away_paise=2000, qty=1)
    answer = await rig.session.account.place(odd)
    if isinstance(answer, Acked):  # accepted by the gate, refused behind it
        late = await rig.until_state(odd.tag, S.REJECTED)
        assert late.reject_text and late.reject_code == refusals.LOT_SIZE, "an engine decides on the code"
    else:
        assert isinstance(answer, Refused) and answer.text


@pytest.mark.row("LEG-66")
async def test_too_many_writes_in_a_second_are_refused_as_throttled(made_rig: Any) -> None:
    made_rig.venue.terms = VenueTerms(writes_per_s=0)
    await made_rig.open()
    answer = await made_rig.session.account.place(await made_rig.request(away_paise=2000))

    assert isinstance(answer, Refused) and answer.code == refusals.THROTTLED


async def test_an_address_that_may_not_trade_is_refused_and_said(made_rig: Any) -> None:
    made_rig.venue.terms = VenueTerms(trading_allowed=False)
    await made_rig.open()
    answer = await made_rig.session.account.place(await made_rig.request(away_paise=2000))

    assert isinstance(answer, Refused) and answer.code == refusals.NOT_ALLOWED
    assert made_rig.session.state.may_trade is False and made_rig.session.state.reason


async def test_nothing_is_sent_before_the_session_is_open_or_after_it_is_closed(made_rig: Any) -> None:
    await made_rig.open()
    request = await made_rig.request(away_paise=2000)
    early = made_rig.make_session()
    assert isinstance(await early.account.place(request), NotSent)

    await made_rig.session.close()
    assert isinstance(await made_rig.session.account.place(request), NotSent)


@pytest.mark.row("HRD-44")
async def test_updates_are_pushed_where_the_broker_pushes_them(rig: Any) -> None:
    if not rig.session.account.rules.pushes_orders:
        pytest.skip(f"{rig.kind} pushes no order updates: the desk polls")
    request = await rig.request(away_paise=-500)
    await rig.session.account.place(request)
    await rig.until(lambda: any(r.tag == request.tag and r.state is S.FILLED for r in rig.reports))

    filled = [report.filled_qty for report in rig.reports if report.tag == request.tag]
    assert filled[-1] == request.qty
