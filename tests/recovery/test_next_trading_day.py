"""A restart on another trading day: totals at zero, yesterday's orders over, yesterday's positions read again."""

from __future__ import annotations

from datetime import date, time

import pytest

from engine.instant import at_ist
from engine.order import OrderState, Role
from engine.port import PositionReport

PE = "NIFTY01DEC2624500PE"
MORNING = at_ist(date(2026, 11, 26), time(9, 16))


def morning_of(rig, *, held: int):
    """The broker's books as they are the next morning: no order and no trade of yesterday, and what was carried."""

    async def nothing():
        return []

    async def positions():
        return [PositionReport(symbol=PE, product="MIS", net_qty=held, average_paise=150_00 if held else 0)]

    rig.venue.read_orders = rig.venue.read_trades = nothing
    rig.venue.read_positions = positions


def end_yesterday(rig) -> None:
    """DAY orders end with the day at the exchange."""
    for order in rig.working():
        rig.exchange.cancel("paper", order.broker_id, rig.clock.now_ns())


@pytest.mark.row("OPS-19", "GRD-53", "OPS-17")
@pytest.mark.fault("TIM-08")
def test_yesterdays_orders_have_expired_and_a_carried_position_is_protected_anew(run_desk, seed_setup, heir) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        image = await rig.kill()
        end_yesterday(rig)
        await rig.clock.sleep_until(MORNING)
        again = heir(rig, image)
        inner = again.venue.read_orders, again.venue.read_trades, again.venue.read_positions
        morning_of(again, held=75)
        await again.desk.start()
        assert again.said("2 order(s) of an earlier day have expired")
        again.venue.read_orders, again.venue.read_trades, again.venue.read_positions = inner
        await again.quiet(5.0, 150.0)
        bracket = again.leg(PE).bracket

        assert bracket.open_qty == bracket.covered_qty == 75 and not again.desk.mismatch
        states = [order.state for order in bracket.orders_of(Role.STOP)]
        assert states == [OrderState.EXPIRED, OrderState.TRIGGER_PENDING]
        assert again.desk.day_net_paise == 0 and again.bot.body.entries_today == 0
        assert not again.desk.entry_block(again.clock.now_ns())

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("OPS-19")
@pytest.mark.fault("REF-03")
@pytest.mark.invariant("R4")
def test_a_position_that_the_broker_closed_overnight_is_closed_here_and_invents_no_loss(
    run_desk, seed_setup, heir
) -> None:
    """No trade explains it and there is no price yet: the books are put right, the money is a person's to look up."""

    async def scenario(rig):
        await rig.enter(150.0)
        image = await rig.kill()
        end_yesterday(rig)
        await rig.clock.sleep_until(MORNING)
        again = heir(rig, image)
        morning_of(again, held=0)
        await again.desk.start()
        await again.pass_s(8.0)

        assert again.venue.calls == []
        assert not again.leg(PE).is_active
        assert again.bot.body.day_net_paise == 0
        assert again.said("Position closed externally") and again.said("booked at the entry, look it up")

    run_desk(scenario, seed_setup(symbols=(PE,)))
