"""A short position is a long one in the mirror: every exit buys, the stop lies above, the trail falls (HRD-40)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from engine.bracket_state import BracketTerms, BreachedStop
from engine.exit_rules.lock_fraction import LockFraction
from engine.exit_rules.registry import encode_rules
from engine.instant import NS_PER_MS, NS_PER_S
from engine.messages import Msg
from engine.order import Order, OrderState, OrderType, Role, Side
from engine.outbox import CancelOrder, ModifyOrder, PlaceOrder
from engine.view import ExitStyle, ProtectionWord

TERMS = BracketTerms(target_offset_paise=500, stop_offset_paise=500)


def short(bench: Any, ltp_paise: int = 150_00, **changes: Any) -> Any:
    """Sold 75 at the last price, both exits at rest."""
    world = bench(msgspec.structs.replace(TERMS, **changes), side=Side.SELL, ltp_paise=ltp_paise)
    return world.filled_entry(price_paise=ltp_paise)


def one(world: Any, role: Role) -> Order:
    (order,) = world.orders(role)
    return order


@pytest.mark.row("HRD-40", "LEG-14", "LEG-15", "LEG-24")
def test_a_short_sends_three_orders_and_its_exits_buy(bench: Any) -> None:
    world = short(bench)
    entry, stop, target = one(world, Role.ENTRY), one(world, Role.STOP), one(world, Role.TARGET)

    assert (entry.side, stop.side, target.side) == (Side.SELL, Side.BUY, Side.BUY)
    assert (stop.type, stop.trigger_paise, target.limit_paise) == (OrderType.SL, 155_00, 145_00)
    assert stop.limit_paise > stop.trigger_paise
    assert (world.bracket.open_qty, world.bracket.net_qty) == (75, -75)
    assert world.bracket.protection(world.now_ns) is ProtectionWord.PROTECTED
    assert world.phrases(Msg.STATE)[-1].startswith("STATE=SHORT qty=75 entry=150.00 tp=145.00 sl=155.00")

    world.fill(target)
    world.settle()

    assert (world.count(PlaceOrder), world.count(CancelOrder), world.count(ModifyOrder)) == (3, 1, 0)
    trade = world.trips["trade"]
    assert (trade.side, trade.reason, trade.gross_paise) == ("SHORT", "Target Hit", 375_00)


@pytest.mark.row("HRD-40", "LEG-25")
def test_a_stopped_short_loses_what_the_price_rose(bench: Any) -> None:
    world = short(bench)
    world.fill(one(world, Role.STOP), price_paise=155_10)
    world.settle()

    assert (world.trips["trade"].reason, world.trips["trade"].gross_paise) == ("Stoploss Hit", -382_50)


@pytest.mark.row("HRD-40", "LEG-26")
def test_both_exits_of_a_short_filled_leave_a_surplus_that_is_sold_again(bench: Any) -> None:
    world = short(bench)
    world.fill(one(world, Role.TARGET))
    world.fill(one(world, Role.STOP), price_paise=155_00)
    while world.venue.news:
        world.deliver_news()
    world.settle()
    repair = one(world, Role.REPAIR)
    assert (repair.side, repair.qty) == (Side.SELL, 75)
    world.match_market()
    world.settle()

    assert (world.is_flat, world.venue.position) == (True, 0)
    assert sum(trip.gross_paise for trip in world.trips.values()) == world.venue.gross_paise


@pytest.mark.row("HRD-40", "LEG-31", "LEG-32", "LEG-33", "LEG-34")
def test_the_trail_of_a_short_falls_and_never_rises(bench: Any) -> None:
    rules = encode_rules([LockFraction()])
    world = short(bench, 100_00, rules=rules, target_offset_paise=400, stop_offset_paise=100)
    levels: list[int] = []
    for ltp in (98_05, 98_00, 98_40, 97_00, 97_40):
        world.tick(ltp)
        world.settle()
        levels.append(one(world, Role.STOP).trigger_paise)

    assert levels == [101_00, 98_50, 98_50, 97_75, 97_75]
    assert world.body.best_paise == 97_00


@pytest.mark.row("HRD-40", "HRD-13")
def test_a_jumped_stop_of_a_short_is_bought_through_the_market(bench: Any) -> None:
    world = short(bench)
    stop = one(world, Role.STOP)
    world.venue.trigger(world.venue.orders[stop.tag])
    world.settle()
    world.tick(170_00)
    world.advance(400 * NS_PER_MS)
    world.settle()

    assert (stop.type, stop.side) == (OrderType.LIMIT, Side.BUY)
    assert stop.limit_paise > 170_00
    world.match_market()
    world.settle()
    assert world.is_flat


@pytest.mark.row("HRD-40", "HRD-11")
@pytest.mark.parametrize("how", BreachedStop)
def test_a_stop_that_the_price_has_passed_before_it_rests(bench: Any, how: BreachedStop) -> None:
    world = bench(msgspec.structs.replace(TERMS, breached_stop=how), side=Side.SELL)
    entry = world.enter()
    world.settle()
    world.set_price(156_00)
    world.fill(entry, price_paise=150_00)
    world.settle()

    if how is BreachedStop.EXIT_NOW:
        assert (one(world, Role.EXIT).side, world.body.exit_reason) == (Side.BUY, "Stoploss Hit")
    else:
        assert one(world, Role.STOP).trigger_paise == 156_05


@pytest.mark.row("HRD-40", "HRD-15", "LEG-64")
def test_a_partly_bought_back_target_shrinks_the_stop_by_modify(bench: Any) -> None:
    world = short(bench)
    world.fill(one(world, Role.TARGET), 50)
    world.settle()
    stop = one(world, Role.STOP)

    assert (stop.remaining_qty, one(world, Role.TARGET).remaining_qty, world.count(CancelOrder)) == (25, 25, 0)
    world.fill(stop)
    world.settle()
    assert world.is_flat


@pytest.mark.row("HRD-40", "RTP-10", "RTP-16")
def test_a_watched_short_is_bought_back_at_the_first_price_at_its_stop(bench: Any) -> None:
    world = short(bench, style=ExitStyle.MONITORED)
    for ltp in (151_00, 153_00, 154_95):
        world.tick(ltp)
    assert world.orders(Role.EXIT) == []
    world.tick(155_00)
    world.settle()

    exit_order = one(world, Role.EXIT)
    assert (exit_order.side, exit_order.qty) == (Side.BUY, 75)
    world.match_market()
    world.settle()
    assert (world.is_flat, world.trips["trade"].gross_paise) == (True, -75 * 5_05)


@pytest.mark.row("HRD-40", "HRD-03")
def test_the_unfilled_rest_of_a_short_entry_is_taken_back(bench: Any) -> None:
    world = bench(TERMS, side=Side.SELL)
    entry = world.enter()
    world.settle()
    world.fill(entry, 50)
    world.settle()
    world.advance(5 * NS_PER_S)
    world.settle()

    assert (entry.state, entry.filled_qty) == (OrderState.CANCELLED, 50)
    assert (one(world, Role.STOP).qty, one(world, Role.TARGET).qty) == (50, 50)
