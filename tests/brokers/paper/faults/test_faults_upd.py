"""UPD and TIM: what the broker tells by itself comes early, late, twice, garbled, or not at all."""

from __future__ import annotations

from engine.order import OrderState
from engine.port import Acked

PUT = "NIFTY01DEC2624500PE"


async def _bought(venue) -> None:
    """One entry, filled, and every update of it that is going to come."""
    assert isinstance(await venue.entry(), Acked)
    await venue.wait(10)


def test_upd_01_the_fill_comes_before_the_reply(play) -> None:
    async def act(venue) -> None:
        assert isinstance(await venue.entry(), Acked)
        assert [trade.qty for trade in venue.trades] == [130]

    play(act, {"knob": "ws.fill", "delay_s": 0.5})


def test_upd_02_an_update_comes_twice(play) -> None:
    async def act(venue) -> None:
        await _bought(venue)
        assert [update.state for update in venue.orders] == [OrderState.WORKING, OrderState.FILLED, OrderState.WORKING]
        assert len(venue.trades) == 1

    play(act, {"knob": "ws.dup", "delay_s": 3, "door": "order_update"})


def test_upd_03_an_update_comes_after_a_later_one(play) -> None:
    async def act(venue) -> None:
        await _bought(venue)
        assert [update.state for update in venue.orders] == [OrderState.FILLED, OrderState.WORKING]

    play(act, {"knob": "ws.reorder", "delay_s": 3, "door": "order_update"})


def test_upd_04_the_whole_history_comes_again(play) -> None:
    async def act(venue) -> None:
        await _bought(venue)
        states = [update.state for update in venue.orders]
        assert states == [OrderState.WORKING, OrderState.FILLED, OrderState.WORKING, OrderState.FILLED]

    play(act, {"knob": "ws.replay_all", "nth": 2, "door": "order_update"})


def test_upd_05_one_update_never_comes_and_the_book_has_it(play) -> None:
    async def act(venue) -> None:
        await _bought(venue)
        assert [update.state for update in venue.orders] == [OrderState.WORKING]
        assert (await venue.account.read_orders())[0].state is OrderState.FILLED

    play(act, {"knob": "ws.drop_one", "nth": 2, "door": "order_update"})


def test_upd_06_every_update_of_a_while_is_lost(play) -> None:
    async def act(venue) -> None:
        await _bought(venue)
        assert venue.orders == [] and venue.trades == []
        await venue.wait(60)
        await venue.entry(limit=9_000)
        await venue.wait(1)
        assert len(venue.orders) == 1

    plan = play(act, {"knob": "ws.gap", "at": "10:00", "for_s": 30})
    assert plan.fired == {"UPD-06": 1}, "a span is written down once"


def test_upd_07_somebody_elses_order_is_told_to_us_too(play) -> None:
    async def act(venue) -> None:
        await venue.wait(90)
        assert [(update.tag, update.state) for update in venue.orders] == [
            ("", OrderState.WORKING),
            ("", OrderState.CANCELLED),
        ]

    play(act, {"knob": "ws.foreign", "at": "10:00"})


def test_upd_08_an_order_fills_lot_by_lot(play) -> None:
    async def act(venue) -> None:
        await venue.wait(1)
        await venue.entry()
        assert venue.net() == 65
        venue.show()
        assert venue.net() == 130
        await venue.wait(1)
        assert [trade.qty for trade in venue.trades] == [65, 65]

    play(act, {"knob": "match.partial", "at": "10:00", "for_s": 60})


def test_upd_08_a_resting_order_fills_in_parts_too_and_whole_afterwards(play) -> None:
    async def act(venue) -> None:
        await venue.wait(1)
        await venue.entry(limit=9_000, qty=195)
        venue.show(8_900, 8_910)
        assert venue.net() == 65
        await venue.wait(60)
        venue.show(8_890, 8_900)
        assert venue.net() == 195

    play(act, {"knob": "match.partial", "at": "10:00", "for_s": 60})


def test_upd_09_the_order_fills_in_part_while_the_cancel_is_on_its_way(play) -> None:
    async def act(venue) -> None:
        order = await venue.entry(limit=9_000)
        assert isinstance(await venue.cancel(order), Acked)
        row = venue.row(order)
        assert (row.state, row.filled_qty) == (OrderState.CANCELLED, 65)

    play(act, {"knob": "partial+cancel"})


def test_upd_10_a_record_that_cannot_be_right_comes_before_the_true_one(play) -> None:
    async def act(venue) -> None:
        for _ in range(3):
            await _bought(venue)
        assert [trade.qty for trade in venue.trades] == [130_000, 130, -130, 130, 130, 130]
        assert [trade.price_paise for trade in venue.trades] == [10_005] * 4 + [0, 10_005]
        assert venue.trades[0].trade_id == venue.trades[1].trade_id

    play(act, {"knob": "ws.fill=INVALID", "times": 3, "door": "trade_update"})


def test_upd_10_an_order_row_that_cannot_be_right(play) -> None:
    async def act(venue) -> None:
        await venue.entry(limit=9_000)
        await venue.wait(1)
        assert [update.filled_qty for update in venue.orders] == [130_000, 0]

    play(act, {"knob": "ws.fill=INVALID"})


def test_upd_11_the_order_books_average_differs_from_the_trade_books(play) -> None:
    async def act(venue) -> None:
        await _bought(venue)
        assert [row.average_paise for row in await venue.account.read_orders()] == [10_012]
        assert venue.orders[-1].average_paise == 10_012
        assert [trade.price_paise for trade in await venue.account.read_trades()] == [10_005]

    play(act, {"knob": "broker.px_mismatch", "amount": 7})


def test_upd_12_a_cancelled_order_fills_when_nobody_looks_any_more(play) -> None:
    async def act(venue) -> None:
        order = await venue.entry(limit=9_000)
        assert await venue.cancel(order) == Acked(order.broker_id)
        await venue.wait(1)
        assert venue.orders[-1].state is OrderState.CANCELLED
        assert [row.state for row in await venue.account.read_orders()] == [OrderState.CANCELLED]
        venue.show(8_900, 8_910)
        assert venue.net() == 0
        await venue.wait(60)
        assert venue.net() == 130
        assert venue.orders[-1].state is OrderState.FILLED

    play(act, {"knob": "ghost.fill", "delay_s": 50})


def test_upd_13_the_exchange_takes_a_trade_back(play) -> None:
    async def act(venue) -> None:
        cash = venue.exchange.funds("PAPER1").cash_paise
        await _bought(venue)
        await venue.wait(60)
        assert venue.net() == 0 and list(await venue.account.read_trades()) == []
        assert venue.exchange.funds("PAPER1").cash_paise == cash

    play(act, {"knob": "exch.trade_bust", "at": "10:01"})


def test_tim_09_two_updates_carry_one_instant(play) -> None:
    async def act(venue) -> None:
        await venue.entry(limit=9_000)
        await venue.wait(5)
        await venue.entry(limit=9_000)
        await venue.wait(5)
        assert len({update.broker_id for update in venue.orders}) == 2
        assert len({update.at_ns for update in venue.orders}) == 1

    play(act, {"knob": "ts.equal", "nth": 2, "door": "order_update"})


def test_an_honest_plan_changes_nothing(play) -> None:
    async def act(venue) -> None:
        await _bought(venue)
        assert [update.state for update in venue.orders] == [OrderState.WORKING, OrderState.FILLED]
        assert [trade.qty for trade in venue.trades] == [130]
        assert (await venue.account.read_orders(), await venue.account.read_trades()) == (
            venue.rows(),
            venue.exchange.trades("PAPER1"),
        )
        stop = await venue.stop()
        assert isinstance(await venue.modify(stop, 8_800), Acked)
        assert isinstance(await venue.cancel(stop), Acked)

    assert play(act).log == []
