"""ORD: the desk asked for something and does not know what became of it."""

from __future__ import annotations

import pytest

from brokers.paper.faults.catalogue import FAULTS
from engine import refusals
from engine.order import OrderState, OrderType, Side
from engine.port import Acked, NotSent, Refused, Unknown

PUT = "NIFTY01DEC2624500PE"


def test_ord_01_the_order_is_placed_and_nobody_says_so(play) -> None:
    async def act(venue) -> None:
        assert isinstance(await venue.entry(), Unknown)
        assert [row.state for row in venue.rows()] == [OrderState.FILLED]
        assert venue.net() == 130

    plan = play(act, {"knob": "api.place=TIMEOUT_AFTER_EXEC"})
    assert plan.fired == {"ORD-01": 1}


def test_ord_02_the_request_never_arrives(play) -> None:
    async def act(venue) -> None:
        assert isinstance(await venue.entry(), Unknown)
        await venue.wait(300)
        assert venue.rows() == []
        assert isinstance(await venue.entry(), Acked)

    play(act, {"knob": "api.place=TIMEOUT_BEFORE_EXEC"})


@pytest.mark.parametrize("delay_s", [10, 70])
def test_ord_03_the_order_arrives_within_or_after_the_window(play, delay_s) -> None:
    async def act(venue) -> None:
        assert venue.account.ambiguity_s == 45
        assert isinstance(await venue.entry(), Unknown)
        await venue.wait(delay_s - 4)
        assert venue.rows() == []
        await venue.wait(2)
        assert [row.state for row in venue.rows()] == [OrderState.FILLED]
        assert [row.state for row in await venue.account.read_orders()] == [OrderState.FILLED]

    play(act, {"knob": "api.place=TIMEOUT_LATE", "delay_s": delay_s})


@pytest.mark.parametrize("knob", ["tcp=REFUSED", "tcp=DNS", "tcp=TLS"])
def test_ord_04_the_failure_before_a_byte_left_is_not_sent(play, knob) -> None:
    async def act(venue) -> None:
        assert isinstance(await venue.entry(), NotSent)
        assert venue.rows() == []

    play(act, {"knob": knob})


@pytest.mark.parametrize(
    ("knob", "rows"), [("tcp=RST_MID_REQUEST", 0), ("tcp=RST_BEFORE_RESPONSE", 1), ("tcp=FIN_BEFORE_RESPONSE", 1)]
)
def test_ord_05_a_broken_connection_is_unknown_whether_done_or_not(play, knob, rows) -> None:
    async def act(venue) -> None:
        answer = await venue.entry()
        assert isinstance(answer, Unknown) and answer.reason
        assert len(venue.rows()) == rows

    play(act, {"knob": knob})


@pytest.mark.parametrize(("knob", "at_once"), [("http=502_HTML_AFTER_EXEC", 1), ("http=500_JSON", 0), ("http=504", 0)])
def test_ord_06_an_error_page_is_unknown_whether_done_or_not(play, knob, at_once) -> None:
    async def act(venue) -> None:
        assert isinstance(await venue.entry(), Unknown)
        assert len(venue.rows()) == at_once
        await venue.wait(30)
        assert len(venue.rows()) == (knob != "http=500_JSON")

    play(act, {"knob": knob})


@pytest.mark.parametrize("knob", [knob.knob for knob in FAULTS["ORD-07"]])
def test_ord_07_a_success_without_an_id_is_unknown_and_the_order_exists(play, knob) -> None:
    async def act(venue) -> None:
        assert isinstance(await venue.entry(), Unknown)
        assert len(venue.rows()) == 1

    play(act, {"knob": knob})


@pytest.mark.parametrize(("knob", "rows"), [("http=307", 0), ("http=302", 1)])
def test_ord_08_a_redirect_is_unknown_and_not_followed(play, knob, rows) -> None:
    async def act(venue) -> None:
        assert isinstance(await venue.entry(), Unknown)
        await venue.wait(60)
        assert len(venue.rows()) == rows

    play(act, {"knob": knob})


def test_ord_09_a_throttle_says_when_to_come_back(play) -> None:
    async def act(venue) -> None:
        assert await venue.entry() == Refused(refusals.THROTTLED, "too many requests", retry_after_s=1.5)
        assert venue.rows() == []

    play(act, {"knob": "http=429", "delay_s": 1.5})


def test_ord_11_the_reply_drips_in_after_every_deadline(play) -> None:
    async def act(venue) -> None:
        request = venue.request("E", Side.BUY, 65, 10_010, OrderType.LIMIT, 0)
        assert isinstance(await venue.ask(venue.account.place(request), deadline_s=14), Unknown)
        assert len(venue.rows()) == 1

    play(act, {"knob": "http=DRIP"})


def test_ord_12_the_gateway_goes_on_after_the_desk_gave_up(play) -> None:
    async def act(venue) -> None:
        assert isinstance(await venue.entry(), Unknown)
        await venue.wait(115)
        assert venue.rows() == []
        await venue.wait(5)
        assert len(venue.rows()) == 1

    play(act, {"knob": "gateway.upstream_timeout", "delay_s": 119})


@pytest.mark.parametrize(("knob", "tag"), [("broker.tag=NONE", ""), ("broker.tag=CONST", "GATEWAY")])
def test_ord_13_books_and_updates_come_without_our_tag(play, knob, tag) -> None:
    async def act(venue) -> None:
        await venue.entry()
        await venue.wait(1)
        assert {row.tag for row in await venue.account.read_orders()} == {tag}
        assert {trade.tag for trade in await venue.account.read_trades()} == {tag}
        assert {update.tag for update in (*venue.orders, *venue.trades)} == {tag}

    play(act, {"knob": knob})


def test_ord_14_a_tag_is_refused(play) -> None:
    async def act(venue) -> None:
        answer = await venue.entry()
        assert isinstance(answer, Refused) and answer.code == refusals.TAG

    play(act, {"knob": "broker.tag_max=20"})


def test_ord_15_one_request_becomes_two_orders_under_one_tag(play) -> None:
    async def act(venue) -> None:
        answer = await venue.entry(limit=9_000)
        rows = await venue.account.read_orders()
        assert len(rows) == 2 and len({row.broker_id for row in rows}) == 2
        assert {row.tag for row in rows} == {venue.row(answer).tag}

    play(act, {"knob": "broker.dup_accept"})


@pytest.mark.parametrize(
    ("knob", "at_once", "later"),
    [
        ("api.cancel=TIMEOUT_AFTER_EXEC", OrderState.CANCELLED, OrderState.CANCELLED),
        ("api.cancel=TIMEOUT_BEFORE_EXEC", OrderState.WORKING, OrderState.WORKING),
        ("api.cancel=TIMEOUT_LATE", OrderState.WORKING, OrderState.CANCELLED),
    ],
)
def test_ord_16_a_cancel_that_nobody_answers(play, knob, at_once, later) -> None:
    async def act(venue) -> None:
        order = await venue.entry(limit=9_000)
        assert isinstance(await venue.cancel(order), Unknown)
        assert venue.row(order).state is at_once
        await venue.wait(20)
        assert venue.row(order).state is later

    play(act, {"knob": knob, "delay_s": 10})


def test_ord_17_the_order_fills_while_the_cancel_is_on_its_way(play) -> None:
    async def act(venue) -> None:
        order = await venue.entry(limit=9_000)
        answer = await venue.cancel(order)
        assert isinstance(answer, Refused) and answer.code == refusals.ALREADY_FINISHED
        assert venue.row(order).state is OrderState.FILLED
        await venue.wait(1)
        assert [trade.price_paise for trade in venue.trades] == [9_000]

    play(act, {"knob": "api.cancel=REJECT_FILLED"})


def test_ord_17_does_not_strike_where_nothing_is_left_to_fill(play) -> None:
    async def act(venue) -> None:
        order = await venue.entry()
        await venue.cancel(order)

    assert play(act, {"knob": "api.cancel=REJECT_FILLED"}).fired == {}


def test_ord_18_the_fill_is_told_after_the_cancel_was_acknowledged(play) -> None:
    async def act(venue) -> None:
        order = await venue.entry(limit=9_000)
        await venue.wait(1)
        assert await venue.cancel(order) == Acked(order.broker_id)
        await venue.wait(0.1)
        assert venue.orders[-1].state is OrderState.CANCELLED and venue.trades == []
        await venue.wait(3)
        assert venue.orders[-1].state is OrderState.FILLED and venue.trades[-1].qty == 130
        assert venue.net() == 130

    play(act, {"knob": "fill_after_cancel_ack", "delay_s": 2})


@pytest.mark.parametrize("code", [refusals.PRICE_BAND, refusals.TOO_MANY_CHANGES, refusals.OTHER])
def test_ord_19_a_change_is_refused_and_the_order_stays(play, code) -> None:
    async def act(venue) -> None:
        order = await venue.entry(limit=9_000)
        answer = await venue.modify(order, 9_100)
        assert isinstance(answer, Refused) and answer.code == code
        assert venue.row(order).limit_paise == 9_000

    play(act, {"knob": "api.modify=REJECT", "code": code})


def test_ord_20_the_order_fills_in_part_before_the_change_arrives(play) -> None:
    async def act(venue) -> None:
        order = await venue.entry(limit=9_000)
        assert isinstance(await venue.modify(order, 9_100), Acked)
        row = venue.row(order)
        assert (row.filled_qty, row.qty, row.limit_paise) == (65, 130, 9_100)

    play(act, {"knob": "fill_during_modify"})


@pytest.mark.parametrize(
    ("knob", "at_once", "later"),
    [
        ("api.modify=TIMEOUT_AFTER_EXEC", 9_100, 9_100),
        ("api.modify=TIMEOUT_BEFORE_EXEC", 9_000, 9_000),
        ("api.modify=TIMEOUT_LATE", 9_000, 9_100),
    ],
)
def test_ord_21_a_change_that_nobody_answers(play, knob, at_once, later) -> None:
    async def act(venue) -> None:
        order = await venue.entry(limit=9_000)
        assert isinstance(await venue.modify(order, 9_100), Unknown)
        assert venue.row(order).limit_paise == at_once
        await venue.wait(20)
        assert venue.row(order).limit_paise == later

    play(act, {"knob": knob, "delay_s": 10})


def test_ord_22_only_so_many_changes_of_one_order(play) -> None:
    async def act(venue) -> None:
        order = await venue.entry(limit=9_000)
        answers = [await venue.modify(order, 9_000 + 5 * number) for number in range(1, 5)]
        assert [isinstance(answer, Acked) for answer in answers] == [True, True, False, False]
        assert isinstance(answers[-1], Refused) and answers[-1].code == refusals.TOO_MANY_CHANGES
        other = await venue.entry(limit=9_000)
        assert isinstance(await venue.modify(other, 9_010), Acked)

    plan = play(act, {"knob": "broker.max_mods", "amount": 2})
    assert plan.fired == {"ORD-22": 1}


def test_ord_24_the_update_comes_before_the_reply(play) -> None:
    async def act(venue) -> None:
        assert isinstance(await venue.entry(), Acked)
        assert venue.trades and venue.elapsed_s > 2

    play(act, {"knob": "ack_via_ws", "delay_s": 2})


def test_ord_25_an_accepted_order_stays_on_its_way_to_the_exchange(play) -> None:
    async def act(venue) -> None:
        stop = await venue.stop()
        assert isinstance(stop, Acked)
        assert [row.state for row in await venue.account.read_orders()] == [OrderState.WORKING]
        venue.show(8_950, 8_960)
        assert venue.row(stop).filled_qty == 0
        await venue.wait(61)
        venue.show(8_940, 8_960)
        assert venue.row(stop).state is OrderState.FILLED

    play(act, {"knob": "oms.link_down", "delay_s": 60})


def test_ord_25_an_accepted_cancel_stays_on_its_way_to_the_exchange(play) -> None:
    async def act(venue) -> None:
        order = await venue.entry(limit=9_000)
        assert await venue.cancel(order) == Acked(order.broker_id)
        await venue.wait(5)
        assert venue.row(order).state is OrderState.WORKING
        await venue.wait(60)
        assert venue.row(order).state is OrderState.CANCELLED

    play(act, {"knob": "oms.link_down(cancel)", "delay_s": 60})


def test_ord_26_an_unfinished_row_carries_the_status_of_the_row_before(play) -> None:
    async def act(venue) -> None:
        await venue.entry()
        await venue.target()
        states = [row.state for row in await venue.account.read_orders()]
        assert states == [OrderState.FILLED, OrderState.FILLED]
        assert [row.state for row in venue.rows()] == [OrderState.FILLED, OrderState.WORKING]

    play(act, {"knob": "gw.status=CARRY_PREVIOUS"})


def test_ord_27_the_order_book_shows_no_filled_quantity(play) -> None:
    async def act(venue) -> None:
        venue.show(qty=65)
        await venue.entry()
        (row,) = await venue.account.read_orders()
        assert (row.state, row.filled_qty) == (OrderState.PART_FILLED, 0)
        assert [trade.qty for trade in await venue.account.read_trades()] == [65]

    play(act, {"knob": "gw.filled=ABSENT"})
