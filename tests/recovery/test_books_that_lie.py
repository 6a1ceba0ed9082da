"""Recovery on books that fail, are silent, empty, half, doubled, another account's, or contradict the journal."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from engine.operator import Enter
from engine.order import OrderType, Role, Side
from engine.port import PositionReport, ReadFailed

PE = "NIFTY01DEC2624500PE"


async def started(heir_rig) -> asyncio.Task[None]:
    task = asyncio.ensure_future(heir_rig.desk.start())
    await heir_rig.pass_s(0.3)
    return task


def exits(rig) -> dict[str, int]:
    return {o.type.value: o.qty - o.filled_qty for o in rig.working()}


# --- the journal and the broker disagree -------------------------------------------------------------------------


@pytest.mark.row("HRD-16", "LEG-41", "OPS-17")
@pytest.mark.fault("HUM-02")
def test_units_sold_by_hand_while_down_shrink_the_exits(run_desk, seed_setup, by_hand) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        image = await rig.kill()
        by_hand(rig, PE, Side.SELL, 75, 149.0)
        again = await rig.revived(image)
        await again.quiet(4.0, 150.0)

        assert again.net(PE) == 75 and exits(again) == {"LIMIT": 75, "SL": 75}
        assert again.leg(PE).bracket.covered_qty == 75 and not again.desk.mismatch
        assert again.venue.placed() == []

    run_desk(scenario, seed_setup(symbols=(PE,), lots=2))


@pytest.mark.row("HRD-16", "LEG-40")
@pytest.mark.fault("HUM-01")
def test_a_position_closed_by_hand_while_down_loses_its_exits_and_gets_no_new_ones(
    run_desk, seed_setup, by_hand
) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        image = await rig.kill()
        by_hand(rig, PE, Side.SELL, 75, 149.0)
        again = await rig.revived(image)
        await again.quiet(4.0, 150.0)

        assert again.net(PE) == 0 and not again.working() and not again.leg(PE).is_active
        assert again.venue.placed() == []
        assert [row[:2] for row in again.trades()] == [(PE, 0)], "the hand sold at 150.00, what it was bought at"

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("HRD-16")
@pytest.mark.fault("HUM-01")
@pytest.mark.invariant("E2")
def test_a_position_turned_round_by_hand_while_down_is_left_to_the_hand(run_desk, seed_setup, by_hand) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        image = await rig.kill()
        by_hand(rig, PE, Side.SELL, 150, 149.0)
        again = await rig.revived(image)
        await again.quiet(6.0, 150.0)

        assert again.net(PE) == -75 and not again.working() and not again.leg(PE).is_active
        assert again.venue.placed() == []

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("LEG-43")
@pytest.mark.fault("HUM-03")
def test_a_stop_cancelled_by_hand_while_down_is_placed_once_more(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        image = await rig.kill()
        stop = next(o for o in rig.working() if o.type is OrderType.SL)
        rig.exchange.cancel("paper", stop.broker_id, rig.clock.now_ns())
        again = await rig.revived(image)
        await again.quiet(4.0, 150.0)

        assert [request.qty for request in again.venue.placed()] == [75]
        assert again.leg(PE).bracket.covered_qty == 75

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.fault("NET-07")
@pytest.mark.invariant("R4")
def test_nothing_is_armed_for_units_that_the_broker_says_are_gone(run_desk, seed_setup, heir) -> None:
    """The risk desk closed the position and took the exits away: a new stop would open a short."""

    async def scenario(rig):
        await rig.enter(150.0)
        await rig.quiet(15.0, 150.0)
        again = heir(rig, await rig.kill())
        for order in rig.working():
            rig.exchange.cancel("paper", order.broker_id, rig.clock.now_ns())

        async def flat():
            return [PositionReport(symbol=PE, product="MIS", net_qty=0, average_paise=0)]

        again.venue.read_positions = flat
        await again.desk.start()
        await again.quiet(8.0, 150.0)

        assert again.venue.calls == []
        assert not again.leg(PE).is_active and again.said("Position closed externally")

    run_desk(scenario, seed_setup(symbols=(PE,)))


# --- books that do not come --------------------------------------------------------------------------------------


@pytest.mark.parametrize("silence", ["errors", "hangs"])
@pytest.mark.fault("NET-14")
@pytest.mark.invariant("R4", "R7")
def test_books_that_never_come_end_in_protect_only_with_an_alarm_in_bounded_time(
    run_desk, seed_setup, heir, silence
) -> None:
    """Nothing rests for this position: its exit may wait for the books for half a minute, not for ever."""

    async def scenario(rig):
        await rig.enter(150.0)
        again = heir(rig, await rig.kill())
        read = again.venue.read_orders

        async def never():
            await asyncio.Event().wait()

        again.venue.reads_fail = silence == "errors"
        if silence == "hangs":
            again.venue.read_orders = never
        starting = asyncio.ensure_future(again.desk.start())
        await again.quiet(28.0, {PE: 140.0})
        assert again.venue.calls == [] and not starting.done(), "no exit before the first books (R4)"
        await asyncio.wait_for(starting, 40)
        assert any("cannot be read" in alarm.text for alarm in again.desk.alarms.values())
        await again.quiet(2.0, {PE: 140.0})
        assert again.net(PE) == 0
        assert [r.qty for r in again.venue.placed(Role.EXIT)] == [75]
        assert "reconciliation" in again.desk.entry_block(again.clock.now_ns())

        again.venue.reads_fail, again.venue.read_orders = False, read
        await again.quiet(40.0, {PE: 150.0})
        assert again.desk.recovered and not again.leg(PE).is_active
        assert "recovery" not in again.desk.alarms and not again.desk.failures
        assert len(again.venue.placed(Role.EXIT)) == 1

    run_desk(scenario, seed_setup(symbols=(PE,), style="monitored"))


@pytest.mark.invariant("R4", "R7")
def test_an_exit_asked_for_before_the_books_is_kept_and_done_right_after(run_desk, seed_setup, heir) -> None:
    from engine.operator import ExitLeg

    async def scenario(rig):
        await rig.enter(150.0)
        again = heir(rig, await rig.kill())
        again.venue.reads_fail = True
        starting = await started(again)
        again.request(ExitLeg, symbol=PE)
        await again.quiet(2.0, 150.0)
        assert again.venue.calls == []
        again.venue.reads_fail = False
        await starting
        await again.quiet(3.0, 150.0)

        assert again.net(PE) == 0 and not again.working() and not again.leg(PE).is_active

    run_desk(scenario, seed_setup(symbols=(PE,)))


# --- books that are not whole ------------------------------------------------------------------------------------


@pytest.mark.row("LEG-40")
@pytest.mark.fault("NET-07")
@pytest.mark.invariant("R4")
def test_an_empty_position_book_is_not_flat(run_desk, seed_setup, heir) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        again = heir(rig, await rig.kill())
        inner = again.venue.read_positions

        async def empty():
            return []

        again.venue.read_positions = empty
        await again.desk.start()
        await again.quiet(20.0, 150.0)
        assert again.venue.calls == [] and again.leg(PE).bracket.open_qty == 75
        assert exits(again) == {"LIMIT": 75, "SL": 75}
        assert "mismatch" in again.desk.entry_block(again.clock.now_ns())
        again.venue.read_positions = inner
        await again.quiet(3.0, 150.0)

        assert not again.desk.mismatch and again.leg(PE).bracket.covered_qty == 75
        assert again.venue.calls == []

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.parametrize("kept", ["orders of a stranger", "nothing at all"])
@pytest.mark.fault("CFG-05", "NET-07", "STO-18")
@pytest.mark.invariant("R3")
def test_books_of_another_account_change_nothing_and_are_told(run_desk, seed_setup, heir, kept) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        again = heir(rig, await rig.kill())
        venue = again.venue
        right = venue.read_orders, venue.read_trades, venue.read_positions
        strangers = [
            msgspec.structs.replace(report, tag="", broker_id=f"X{report.broker_id}", symbol="BANKNIFTY")
            for report in rig.exchange.orders("paper")
        ]

        async def orders():
            return strangers if kept == "orders of a stranger" else []

        async def trades():
            return []

        async def positions():
            return [PositionReport(symbol="BANKNIFTY", product="MIS", net_qty=30, average_paise=100_00)]

        venue.read_orders, venue.read_trades, venue.read_positions = orders, trades, positions
        await rig.pass_s(10)
        await again.desk.start()
        await again.quiet(60.0, 150.0)
        assert venue.calls == [] and again.leg(PE).bracket.open_qty == 75
        assert "books" in again.desk.alarms and again.desk.mismatch
        venue.read_orders, venue.read_trades, venue.read_positions = right
        await again.quiet(6.0, 150.0)

        assert venue.calls == [] and again.leg(PE).bracket.covered_qty == 75
        assert "books" not in again.desk.alarms and not again.desk.mismatch

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.fault("NET-08")
@pytest.mark.invariant("E1", "P1")
def test_an_order_book_without_our_stop_is_read_for_three_seconds_before_another_is_placed(
    run_desk, seed_setup, heir
) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        again = heir(rig, await rig.kill())
        inner = again.venue.read_orders

        first_stop = next(o for o in rig.working() if o.type is OrderType.SL)
        await rig.pass_s(10)

        async def without_it():
            return [o for o in await inner() if o.tag != first_stop.tag]

        again.venue.read_orders = without_it
        await again.desk.start()
        await again.quiet(2.5, 150.0)
        assert again.venue.calls == []
        await again.quiet(4.0, 150.0)
        assert [(r.side, r.qty) for r in again.venue.placed(Role.STOP)] == [(Side.SELL, 75)]
        again.venue.read_orders = inner
        await again.quiet(40.0, 150.0)

        assert exits(again) == {"LIMIT": 75, "SL": 75}
        assert len([o for o in again.working() if o.type is OrderType.SL]) == 1
        assert not again.desk.failures

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.fault("UPD-02")
@pytest.mark.invariant("A2", "R1")
def test_every_row_doubled_is_every_row_once(run_desk, seed_setup, heir) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        again = heir(rig, await rig.kill())
        orders, trades = again.venue.read_orders, again.venue.read_trades

        async def twice_orders():
            rows = await orders()
            return [*rows, *rows]

        async def twice_trades():
            rows = await trades()
            return [*rows, *rows]

        again.venue.read_orders, again.venue.read_trades = twice_orders, twice_trades
        await again.desk.start()
        await again.quiet(4.0, 150.0)

        assert again.venue.calls == [] and again.leg(PE).bracket.covered_qty == 75 == again.leg(PE).bracket.open_qty

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.fault("NET-07")
@pytest.mark.invariant("R4")
def test_one_failing_book_of_three_is_no_read_at_all(run_desk, seed_setup, heir) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        again = heir(rig, await rig.kill())
        inner, failures = again.venue.read_positions, [2]

        async def failing():
            failures[0] -= 1
            if failures[0] >= 0:
                raise ReadFailed("token expired")
            return await inner()

        again.venue.read_positions = failing
        starting = await started(again)
        again.ticks(150.0)
        again.request(Enter, side=Side.BUY)
        await starting

        assert again.venue.calls == [] and len(again.said("recovery waits: token expired")) == 2
        assert again.desk.main.reader.recovery.summary.tries == 3

    run_desk(scenario, seed_setup(symbols=(PE,)))
