"""EXI and REJ: exits that meet each other or nobody, and every explicit no."""

from __future__ import annotations

import pytest

from brokers.paper.faults.catalogue import KNOBS
from engine import refusals
from engine.order import OrderState, OrderType
from engine.port import Acked, Refused, Unknown

PUT = "NIFTY01DEC2624500PE"


async def _protected(venue) -> None:
    assert isinstance(await venue.entry(), Acked)
    assert isinstance(await venue.target(), Acked)
    assert isinstance(await venue.stop(), Acked)


def test_exi_01_target_and_stop_fill_in_the_same_instant(play) -> None:
    async def act(venue) -> None:
        await _protected(venue)
        await venue.wait(61)
        assert venue.net() == -130
        assert [row.state for row in venue.rows()] == [OrderState.FILLED] * 3
        assert [trade.price_paise for trade in venue.trades] == [10_005, 12_000, 9_000]

    play(act, {"knob": "px.spike", "at": "10:01"})


def test_exi_02_the_target_fills_in_part_beside_a_full_stop(play) -> None:
    async def act(venue) -> None:
        await _protected(venue)
        await venue.wait(61)
        assert [row.filled_qty for row in venue.rows()] == [130, 65, 0]
        assert venue.net() == 65

    play(act, {"knob": "match.partial(target)", "at": "10:01"})


def test_exi_03_the_market_jumps_past_the_stops_limit(play) -> None:
    async def act(venue) -> None:
        await venue.entry()
        stop = await venue.stop(trigger=9_500, limit=9_400)
        await venue.wait(30)
        venue.show()
        row = venue.row(stop)
        assert (row.state, row.filled_qty) == (OrderState.WORKING, 0), "triggered and jumped"
        assert venue.ticks[-1].bid_paise == venue.exchange.book(PUT).tick.bid_paise == 7_995
        assert (await venue.market.quote(PUT)).bid_paise == 7_995
        await venue.wait(60)
        venue.show()
        assert venue.ticks[-1].bid_paise == 9_995

    play(act, {"knob": "px.gap", "at": "10:00:20", "for_s": 30, "amount": -20})


def test_exi_04_the_exchange_cancels_the_stop_as_it_triggers(play) -> None:
    async def act(venue) -> None:
        await venue.entry()
        stop = await venue.stop()
        venue.show(8_990, 9_000)
        row = venue.row(stop)
        assert row.state is OrderState.CANCELLED and "16573" in row.reject_text
        assert venue.net() == 130

    play(act, {"knob": "exch.lpp=CANCEL_AT_MATCH"})


def test_exi_05_a_stop_is_accepted_and_rejected_a_moment_later(play) -> None:
    async def act(venue) -> None:
        await venue.entry()
        stop = await venue.stop()
        assert isinstance(stop, Acked) and venue.row(stop).state is OrderState.TRIGGER_PENDING
        await venue.wait(2)
        assert venue.orders[-1].state is OrderState.REJECTED
        assert isinstance(await venue.stop(), Acked)

    play(act, {"knob": "rms.reject(SL)", "delay_s": 1})


def test_exi_06_only_the_second_exit_is_refused_for_margin(play) -> None:
    async def act(venue) -> None:
        await venue.entry()
        assert isinstance(await venue.stop(), Acked)
        answer = await venue.target()
        assert isinstance(answer, Refused) and answer.code == refusals.MARGIN

    play(act, {"knob": "rms.margin(second leg)", "times": 9})


@pytest.mark.parametrize("done", [True, False])
def test_exi_07_nobody_answers_for_a_marketable_exit(play, done) -> None:
    async def act(venue) -> None:
        assert isinstance(await venue.entry(), Acked), "only exits are struck"
        assert isinstance(await venue.exit(), Unknown)
        assert venue.net() == (0 if done else 130)

    play(act, {"knob": f"api.place(X)=TIMEOUT_{'AFTER' if done else 'BEFORE'}_EXEC"})


@pytest.mark.parametrize("knob", ["rms.reject(X)", "rms.reject_later(X)"])
def test_exi_08_a_marketable_exit_is_rejected(play, knob) -> None:
    async def act(venue) -> None:
        await venue.entry()
        answer = await venue.exit()
        assert isinstance(answer, Refused if knob == "rms.reject(X)" else Acked)
        await venue.wait(2)
        assert venue.net() == 130
        assert isinstance(await venue.exit(), Acked) and venue.net() == 0

    play(act, {"knob": knob, "delay_s": 0.5})


def test_exi_12_the_broker_squares_off_everything_itself(play) -> None:
    async def act(venue) -> None:
        await _protected(venue)
        await venue.wait(61)
        assert venue.net() == 0
        assert [row.state for row in venue.rows()][1:3] == [OrderState.CANCELLED] * 2
        assert venue.orders[-1].tag == ""

    play(act, {"knob": "rms.autosquareoff", "at": "10:01"})


def test_exi_13_the_brokers_square_off_does_not_happen(play) -> None:
    async def act(venue) -> None:
        await _protected(venue)
        await venue.wait(61)
        assert venue.net() == 130 and len(venue.rows()) == 3

    assert play(act, {"knob": "rms.autosquareoff=SKIP", "at": "10:01"}).fired == {"EXI-13": 1}


def test_exi_15_the_position_is_converted_to_another_product(play) -> None:
    async def act(venue) -> None:
        await venue.entry()
        await venue.wait(61)
        assert (venue.net(product="NRML"), venue.net(product="MIS")) == (0, 130)
        held = [row for row in await venue.account.read_positions() if row.net_qty]
        assert [(row.product, row.average_paise) for row in held] == [("MIS", 10_005)]

    play(act, {"knob": "pos.convert", "at": "10:01"})


def test_exi_16_nobody_buys_while_the_circuit_is_locked(play) -> None:
    async def act(venue) -> None:
        await venue.entry()
        await venue.wait(61)
        exit_order = await venue.exit()
        venue.show()
        assert venue.row(exit_order).filled_qty == 0 and venue.net() == 130
        assert isinstance(await venue.entry(), Acked) and venue.net() == 260, "the other side trades"
        await venue.wait(60)
        venue.show()
        assert venue.row(exit_order).state is OrderState.FILLED

    play(act, {"knob": "px.lock", "at": "10:01", "for_s": 30, "amount": -1})


async def _refused(venue, ask, knob: str, code: str) -> None:
    answer = await ask()
    assert isinstance(answer, Refused), answer
    assert (answer.code, answer.text) == (code, KNOBS[knob].text)
    assert venue.rows() == []


def test_rej_01_margin(play) -> None:
    play(lambda venue: _refused(venue, venue.entry, "rms.margin", refusals.MARGIN), {"knob": "rms.margin"})


def test_rej_02_freeze_quantity(play) -> None:
    play(lambda venue: _refused(venue, venue.entry, "rms.freeze", refusals.FREEZE_QTY), {"knob": "rms.freeze"})


def test_rej_03_price_band(play) -> None:
    play(lambda venue: _refused(venue, venue.entry, "exch.band", refusals.PRICE_BAND), {"knob": "exch.band"})


@pytest.mark.parametrize(("knob", "code"), [("exch.tick", refusals.TICK_SIZE), ("exch.lot", refusals.LOT_SIZE)])
def test_rej_04_tick_and_lot(play, knob, code) -> None:
    play(lambda venue: _refused(venue, venue.entry, knob, code), {"knob": knob})


def test_rej_05_trigger_already_crossed_for_stops_only(play) -> None:
    async def act(venue) -> None:
        await _refused(venue, venue.stop, "exch.trigger_crossed", refusals.TRIGGER_CROSSED)
        assert isinstance(await venue.entry(), Acked)

    play(act, {"knob": "exch.trigger_crossed"})


def test_rej_06_order_type_not_taken(play) -> None:
    play(lambda venue: _refused(venue, venue.stop, "exch.no_slm", refusals.ORDER_TYPE), {"knob": "exch.no_slm"})


def test_rej_07_market_without_protection(play) -> None:
    play(
        lambda venue: _refused(venue, venue.exit, "exch.no_market", refusals.NO_PROTECTION), {"knob": "exch.no_market"}
    )


def test_rej_08_market_protection_leaves_the_exit_resting_far_away(play) -> None:
    async def act(venue) -> None:
        await venue.entry()
        row = venue.row(await venue.exit())
        assert (row.type, row.state, row.limit_paise) == (OrderType.LIMIT, OrderState.WORKING, 10_495)

    play(act, {"knob": "broker.mpp=-1", "amount": 5})


def test_rej_09_entries_are_banned_and_exits_are_not(play) -> None:
    async def act(venue) -> None:
        assert isinstance(await venue.entry(), Acked)
        await venue.wait(61)
        answer = await venue.entry()
        assert isinstance(answer, Refused) and answer.code == refusals.NOT_ALLOWED
        assert isinstance(await venue.exit(), Acked)

    play(act, {"knob": "exch.ban", "at": "10:01"})


def test_rej_10_the_account_is_blocked_for_every_order(play) -> None:
    async def act(venue) -> None:
        for ask in (venue.entry, venue.exit, venue.stop):
            await _refused(venue, ask, "rms.blocked", refusals.NOT_ALLOWED)

    play(act, {"knob": "rms.blocked", "at": "10:00", "for_s": 60})


@pytest.mark.parametrize(
    "code", sorted(value for name, value in vars(refusals).items() if name.isupper() and isinstance(value, str))
)
def test_rej_11_refused_before_the_book_with_any_code(play, code) -> None:
    play(lambda venue: _refused(venue, venue.entry, "rms.pre_reject", code), {"knob": "rms.pre_reject", "code": code})


def test_rej_12_the_exchange_takes_no_orders(play) -> None:
    play(
        lambda venue: _refused(venue, venue.entry, "session.state", refusals.SESSION_CLOSED), {"knob": "session.state"}
    )


def test_rej_13_the_days_orders_are_used_up(play) -> None:
    async def act(venue) -> None:
        answers = [await venue.entry(limit=9_000) for _ in range(4)]
        assert [isinstance(answer, Acked) for answer in answers] == [True, True, False, False]

    play(act, {"knob": "broker.daily_cap", "amount": 2})


def test_rej_14_more_requests_than_the_second_takes(play) -> None:
    async def act(venue) -> None:
        await venue.wait(0.1)
        answers = [await venue.entry(limit=9_000) for _ in range(4)]
        assert [isinstance(answer, Acked) for answer in answers] == [True, True, False, False]
        refused = answers[2]
        assert isinstance(refused, Refused) and refused.code == refusals.THROTTLED
        assert 0 < refused.retry_after_s < 1
        await venue.wait(refused.retry_after_s)
        assert isinstance(await venue.entry(limit=9_000), Acked)

    play(act, {"knob": "broker.rate", "amount": 2})


def test_rej_15_the_address_is_not_registered(play) -> None:
    play(lambda venue: _refused(venue, venue.entry, "http=403_IP", refusals.NOT_ALLOWED), {"knob": "http=403_IP"})


def test_rej_16_the_same_refusal_ten_times_in_a_row(play) -> None:
    async def act(venue) -> None:
        answers = [await venue.entry(limit=9_000) for _ in range(11)]
        assert [isinstance(answer, Refused) for answer in answers] == [True] * 10 + [False]

    play(act, {"knob": "reject x10"})
