"""The bracket's own orders: what is counted against its budget, when a silent order is looked up, what a restored
bracket knows already, and small answers that callers rely on."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from engine import refusals
from engine.bracket import Bracket
from engine.bracket_orders import (
    WRITES_PER_DAY,
    WRITES_PER_MIN,
    WRITES_PER_MIN_CANCEL,
    WRITES_PER_MIN_OPTIONAL,
    WRITES_PER_MIN_ROUTINE,
)
from engine.bracket_state import BracketTerms, EntryRest, ExitBy
from engine.instant import NS_PER_MS, NS_PER_S
from engine.messages import Msg
from engine.order import OrderState, Role, Side
from engine.outbox import CancelOrder
from engine.price_book import NO_HIGH, NO_LOW
from engine.tags import TagMaker

TERMS = BracketTerms(target_offset_paise=5_00, stop_offset_paise=5_00)
MINUTE_NS = 60 * NS_PER_S


def resting(bench: Any, **changes: Any) -> Any:
    return bench(msgspec.structs.replace(TERMS, **changes)).filled_entry()


def test_an_order_begins_its_state_when_it_was_decided(bench: Any) -> None:
    world = bench(TERMS)
    entry = world.enter()

    assert (entry.state, entry.intended_ns, entry.state_ns) == (OrderState.INTENDED, world.now_ns, world.now_ns)
    assert (entry.account, entry.bracket_id, entry.bot, entry.product) == ("FAKE", "B1", "legs", "MIS")


@pytest.mark.invariant("O4")
@pytest.mark.parametrize(
    ("limit", "per_day"),
    [(WRITES_PER_MIN_OPTIONAL, 20), (WRITES_PER_MIN_ROUTINE, 26), (WRITES_PER_MIN_CANCEL, 36), (WRITES_PER_MIN, 40)],
)
def test_the_days_budget_is_shared_out_as_the_minutes_is(bench: Any, limit: int, per_day: int) -> None:
    world = bench(TERMS)
    asks = []
    for used_today in (per_day - 1, per_day):
        world.body.writes = [world.now_ns]
        world.body.writes_today = used_today
        asks.append(world.bracket.may_write(world.now_ns, world.out, limit=limit))

    assert asks == [True, False]
    assert WRITES_PER_DAY == 40


@pytest.mark.invariant("O4")
def test_the_minutes_budget_is_free_again_when_its_oldest_write_is_a_minute_old(bench: Any) -> None:
    world = bench(TERMS)
    began = world.now_ns
    world.body.writes = [began + n for n in range(WRITES_PER_MIN)]
    ask = world.bracket.may_write

    assert not ask(began + MINUTE_NS - 1, world.out, limit=WRITES_PER_MIN)
    assert world.bracket.write_waits and world.bracket.budget_wake_ns == began + MINUTE_NS
    assert ask(began + MINUTE_NS, world.out, limit=WRITES_PER_MIN)
    assert len(world.body.writes) == WRITES_PER_MIN - 1


def test_a_used_up_budget_is_told_once_until_half_of_it_is_free(bench: Any) -> None:
    world = bench(TERMS)
    world.body.writes = [world.now_ns + n for n in range(WRITES_PER_MIN)]
    for _ in range(3):
        world.bracket.may_write(world.now_ns, world.out)
    world.collect()
    told = Msg.BUDGET.text(symbol=world.body.symbol, detail="12 writes a minute")
    assert world.phrases(Msg.BUDGET) == [told]

    world.body.writes = world.body.writes[:WRITES_PER_MIN_OPTIONAL]
    assert world.bracket.may_write(world.now_ns, world.out) and world.bracket.budget_told, "half of it is in use"
    world.body.writes = world.body.writes[: WRITES_PER_MIN_OPTIONAL - 1]
    assert world.bracket.may_write(world.now_ns, world.out) and not world.bracket.budget_told


def test_trailing_that_has_to_wait_is_no_alarm(bench: Any) -> None:
    world = bench(TERMS)
    world.body.writes = [world.now_ns + n for n in range(WRITES_PER_MIN_OPTIONAL)]

    assert not world.bracket.may_write(world.now_ns, world.out, limit=WRITES_PER_MIN_OPTIONAL)
    assert (world.out.said, world.out.alarms, world.bracket.write_waits) == ([], {}, True)


def test_what_never_left_is_not_counted(bench: Any) -> None:
    world = bench(TERMS)
    world.enter()
    assert (len(world.body.writes), world.body.writes_today) == (1, 1)
    world.bracket.uncount_write()
    world.bracket.uncount_write()

    assert (len(world.body.writes), world.body.writes_today) == (0, 0)


@pytest.mark.parametrize(("outcome", "counted"), [("not_sent", 1), (refusals.OTHER, 2), ("ack", 2)])
def test_a_request_that_never_left_this_machine_is_not_counted_against_the_budget(
    bench: Any, outcome: str, counted: int
) -> None:
    world = bench(TERMS)
    entry = world.enter()
    world.settle()
    world.fill(entry)
    world.deliver_news()
    world.queue = world.queue[:1]
    world.body.writes_today -= 1  # the target's
    world.body.writes.pop()
    world.send(outcome)
    world.deliver_answer()

    assert (len(world.body.writes), world.body.writes_today) == (counted, counted)


@pytest.mark.fault("ORD-02")
def test_a_silent_order_is_looked_up_soon_then_slower_and_at_last_every_three_seconds(bench: Any) -> None:
    world = bench(TERMS)
    entry = world.enter()
    since = world.now_ns
    waits: list[int] = []
    for _ in range(20):
        due = world.bracket.look_up_due_ns(entry, since)
        waits.append((due - max(world.now_ns, since)) // NS_PER_MS)
        world.now_ns = due
        world.bracket.look_up(entry, due, world.out)

    assert waits[1] == 2 * waits[0], "the n-th wait is n times the first"
    assert waits == [min(waits[0] * n, 3_000) for n in range(1, 21)]
    assert waits[-1] == 3_000
    assert world.bracket.look_up_due_ns(entry, world.now_ns + 1) == world.now_ns + 1 + waits[0] * NS_PER_MS, (
        "new silence"
    )


def test_a_restored_bracket_does_not_count_old_refusals_again_and_counts_new_ones(bench: Any) -> None:
    world = bench(TERMS).filled_entry()
    stop, target = world.orders(Role.STOP)[0], world.orders(Role.TARGET)[0]
    stop.state = OrderState.REJECTED
    again = Bracket(world.body, world.price, world.rules, TagMaker(2), world.blotter.orders)

    assert again.refusals_seen == {stop.tag}
    assert again.told_placed == {order.tag for order in again.mine}
    again.absorb(stop, world.now_ns, world.out)
    assert (world.body.stop_rejects, world.out.said) == (0, [])
    target.state, target.reject_code = OrderState.REJECTED, refusals.OTHER
    again.absorb(target, world.now_ns, world.out)
    assert world.body.target_rejects == 1


# --- small answers that callers rely on -------------------------------------------------------------------------------


def test_callers_learn_how_many_orders_were_asked_to_be_cancelled(bench: Any) -> None:
    assert resting(bench).bracket.watch_here(0, bench(TERMS).out) == 2
    waiting = bench(msgspec.structs.replace(TERMS, entry_rest=EntryRest.GROW))
    waiting.enter()
    waiting.settle()
    cancels = [waiting.bracket.cancel_entry(waiting.now_ns, waiting.out) for _ in range(2)]

    assert (cancels, waiting.body.entry_cancelled_by_us) == ([1, 0], True)


def test_a_tick_without_a_price_touches_nothing(bench: Any) -> None:
    world = resting(bench)
    world.tick(0)

    assert (world.body.exit_reason, world.count(CancelOrder), world.body.stop_touched_ns) == ("", 0, 0)


@pytest.mark.parametrize("side", Side)
def test_a_price_strictly_between_stop_and_target_changes_nothing(bench: Any, side: Side) -> None:
    world = bench(TERMS, side=side).filled_entry()
    assert world.bracket.band() == (145_00, 155_00)
    touched = []
    for ltp in (145_00, 145_05, 154_95, 155_00):
        world.set_price(ltp)
        touched.append(world.bracket.is_touched())
    assert touched == [True, False, False, True]

    world.body.stop_touched_ns = 1
    assert world.bracket.band() == (NO_HIGH, NO_HIGH), "every tick counts"
    world.body.stop_touched_ns, world.body.exit_reason = 0, "x"
    assert world.bracket.band() == (NO_LOW, NO_HIGH)
    without = bench(BracketTerms(target_offset_paise=0, stop_offset_paise=5_00), side=side).filled_entry()
    assert without.bracket.band() == ((145_00, NO_HIGH) if side is Side.BUY else (0, 155_00))


def test_an_exit_at_the_touched_target_is_held_against_the_target(bench: Any) -> None:
    world = resting(bench, market_on_target=True)
    world.tick(155_50)
    world.settle()
    world.match_market()
    world.settle()

    trade = world.trips["trade"]
    assert (trade.reason, trade.level_paise, trade.trigger_paise) == ("Target Hit", 155_00, 155_50)


def test_exits_left_over_are_named_by_what_ended_the_trade(bench: Any) -> None:
    contexts: list[list[str]] = []
    for role in (Role.TARGET, Role.STOP, None):
        world = resting(bench)
        if role is None:
            world.close_by_hand(75)()
        else:
            world.fill(world.orders(role)[0])
        world.settle()
        contexts.append([command.context.rpartition("Y01DEC2624500PE_")[2] for _, command in world.wrote[3:]])

    assert contexts == [["tp_complete"], ["sl_complete"], ["sl_cleanup", "tp_cleanup"]]


@pytest.mark.row("LEG-48")
def test_trade_records_that_are_late_are_asked_for_after_half_a_second(bench: Any) -> None:
    world = resting(bench)
    world.fill(world.orders(Role.TARGET)[0])
    world.venue.news.pop()
    world.settle()
    before = world.look_ups
    world.advance(490 * NS_PER_MS)
    world.wake()
    assert world.look_ups == before
    world.advance(20 * NS_PER_MS)
    assert world.look_ups > before


@pytest.mark.invariant("O4", "E1")
@pytest.mark.parametrize("used", range(WRITES_PER_MIN_CANCEL - 1))
def test_however_much_of_the_minute_is_used_both_exits_are_taken_back_when_the_position_is_closed_elsewhere(
    bench: Any, used: int
) -> None:
    """Writes for a smaller position must not use up what the cancels need (hostile day 43: a stop that could not be
    cancelled any more sold what the trader had sold himself)."""
    world = resting(bench)
    stop, target = world.orders(Role.STOP)[0], world.orders(Role.TARGET)[0]
    world.body.writes = [world.now_ns] * used
    smaller = world.close_by_hand(25)
    smaller()
    world.settle()
    gone = world.close_by_hand(world.venue.position)
    gone()
    world.settle()

    assert stop.is_terminal and target.is_terminal
    assert len(world.body.writes) < WRITES_PER_MIN
    assert world.venue.position == 0 and not world.venue.live()


@pytest.mark.invariant("O4", "E1")
def test_an_exit_that_is_too_large_and_may_not_be_changed_any_more_is_cancelled(bench: Any) -> None:
    world = resting(bench)
    (target,) = world.orders(Role.TARGET)
    world.body.writes = [world.now_ns] * (WRITES_PER_MIN_CANCEL - 2)
    world.close_by_hand(25)()
    world.settle()

    assert target.state is OrderState.CANCELLED
    assert sum(order.remaining_qty for order in world.orders(Role.STOP) if order.is_live) <= world.venue.position
    assert world.phrases(Msg.BUDGET), "told, for it is only watched here now"


@pytest.mark.invariant("O4", "E1")
def test_a_stop_that_may_not_become_the_exit_any_more_makes_way_for_an_order_of_its_own(bench: Any) -> None:
    world = resting(bench, target_offset_paise=0, exit_by=ExitBy.MODIFY)
    (stop,) = world.orders(Role.STOP)
    world.body.writes = [world.now_ns] * (WRITES_PER_MIN_CANCEL - 1)
    world.exit()
    world.settle()

    assert stop.state is OrderState.CANCELLED
    assert sum(order.qty for order in world.orders(Role.EXIT)) == stop.qty
    assert len(world.body.writes) == WRITES_PER_MIN
