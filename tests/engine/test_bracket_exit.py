"""The exit executor: single flight, looked up before it goes again, never given up, and proven by the broker."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from engine import refusals
from engine.bracket_state import BracketTerms, ExitBy
from engine.instant import NS_PER_MS, NS_PER_S
from engine.messages import Msg
from engine.order import Order, OrderState, OrderType, Pending, Role, Side
from engine.outbox import CancelOrder, ModifyOrder, PlaceOrder
from engine.view import BracketState, ExitStyle

TERMS = BracketTerms(target_offset_paise=500, stop_offset_paise=500)


def watched(bench: Any, **changes: Any) -> Any:
    """75 bought at 150.00; nothing rests."""
    changes = {"style": ExitStyle.MONITORED, **changes}
    return bench(msgspec.structs.replace(TERMS, **changes)).filled_entry()


def resting(bench: Any, **changes: Any) -> Any:
    return bench(msgspec.structs.replace(TERMS, **changes)).filled_entry()


def one(world: Any, role: Role) -> Order:
    (order,) = world.orders(role)
    return order


def send(world: Any, outcome: str) -> None:
    world.send(outcome)
    world.deliver_answer()


def flat_by_fills(world: Any) -> None:
    """Everything is sold and told; the broker's positions have been asked for and not read."""
    world.exit()
    world.send()
    world.deliver_answer()
    world.match_market()
    while world.venue.news:
        world.deliver_news()


# --- one exit at a time


@pytest.mark.row("RTP-24", "RTP-16", "I-2")
def test_a_hundred_ticks_below_the_stop_make_one_signal_and_one_order(bench: Any) -> None:
    world = watched(bench)
    world.bracket.on_tick(world.now_ns, world.out)
    signals = []
    for index in range(100):
        world.set_price(145_00 - index)
        world.bracket.on_tick(world.now_ns, world.out)
        signals += world.out.signals
        world.collect()
    world.settle()

    (signal,) = signals
    assert (signal.exit_reason, signal.trigger_paise, signal.stop_paise) == ("Stoploss Hit", 145_00, 145_00)
    assert (signal.order_type, signal.priority) == ("MARKET", "HIGH")
    assert len(world.orders(Role.EXIT)) == 1


@pytest.mark.row("RTP-17")
def test_a_target_is_a_signal_of_medium_priority(bench: Any) -> None:
    world = watched(bench)
    world.set_price(154_95)
    world.bracket.on_tick(world.now_ns, world.out)
    assert world.out.signals == []
    world.set_price(155_00)
    world.bracket.on_tick(world.now_ns, world.out)

    (signal,) = world.out.signals
    assert (signal.exit_reason, signal.target_paise, signal.priority) == ("Target Hit", 155_00, "MEDIUM")


@pytest.mark.row("RTP-24")
@pytest.mark.fault("EXI-17", "HUM-06")
def test_a_second_wish_to_leave_is_told_and_sends_nothing(bench: Any) -> None:
    world = watched(bench)
    world.exit()
    assert not world.exit("Zero Out")
    world.settle()

    symbol = world.body.symbol
    assert world.phrases(Msg.EXIT_DUPLICATE) == [f"Exit already in progress for {symbol}, skipping duplicate"]
    assert len(world.orders(Role.EXIT)) == 1


@pytest.mark.row("RTP-10", "RTP-34")
def test_an_exit_through_a_gap_is_sent_at_once_and_its_slippage_is_an_alert(bench: Any) -> None:
    world = watched(bench, stop_offset_paise=55_00)
    world.tick(100_00)
    world.tick(80_00)  # the stop at 95.00 was never traded
    world.settle()
    world.match_market()
    world.settle()

    trade = world.trips["trade"]
    assert (trade.level_paise, trade.trigger_paise, trade.slippage_paise) == (95_00, 80_00, 15_05)
    assert (len(world.phrases(Msg.SLIPPAGE)), len(world.alerts)) == (1, 1)


@pytest.mark.row("RTP-33")
def test_the_trade_is_booked_at_its_fill_and_the_trigger_is_kept_apart(bench: Any) -> None:
    world = watched(bench, stop_offset_paise=5_00)
    world.tick(145_00)
    world.send()
    world.deliver_answer()
    world.fill(one(world, Role.EXIT), price_paise=144_20)
    world.settle()

    trade = world.trips["trade"]
    assert (trade.exit_value_paise, trade.trigger_paise, trade.slippage_paise) == (75 * 144_20, 145_00, 80)
    symbol = world.body.symbol
    assert world.phrases(Msg.EXIT_EXECUTED) == [f"✅ Exit executed: {symbol} - Stoploss Hit @ 144.20"]
    assert world.phrases(Msg.EXIT_PLACED) == [f"Market exit order placed: {symbol} - Order ID: V2"]


# --- refused and unanswered


@pytest.mark.row("RTP-28")
@pytest.mark.fault("EXI-07", "EXI-08")
@pytest.mark.invariant("P4")
def test_a_refused_exit_goes_again_after_half_a_second_then_alerts_and_never_stops(bench: Any) -> None:
    world = watched(bench)
    began_ns = world.now_ns
    world.exit()
    sent: list[int] = []
    for _ in range(5):
        while not world.queue:
            world.advance(100 * NS_PER_MS)
        sent.append((world.now_ns - began_ns) // NS_PER_MS)
        world.send(refusals.OTHER)
        world.deliver_answer()

    assert sent[:3] == [0, 500, 1000]
    assert sent[3] >= 6000 and sent[4] > sent[3]
    assert world.bracket.has_failed_to_exit
    symbol = world.body.symbol
    assert world.alerts == [f"Failed to exit {symbol} after 3 attempts"]
    assert world.phrases(Msg.EXIT_NOT_PLACED)[0] == f"❌ Failed to place exit order for {symbol}"
    world.advance(10 * NS_PER_S)
    world.settle()
    world.match_market()
    world.settle()
    assert world.is_flat


@pytest.mark.row("RTP-28", "HRD-05", "I-3")
def test_an_unanswered_exit_is_looked_up_and_never_sent_twice(bench: Any) -> None:
    world = watched(bench)
    world.exit()
    send(world, "lost")
    world.venue.news.clear()
    world.advance(20 * NS_PER_S)
    assert (len(world.orders(Role.EXIT)), world.look_ups > 0) == (1, True)

    world.read_books()
    world.deliver_books()
    world.match_market()
    world.settle()
    assert (world.is_flat, world.venue.position) == (True, 0)


@pytest.mark.row("RTP-31", "RTP-32", "BUG-26")
def test_an_exit_that_dies_half_filled_is_followed_by_one_for_the_rest(bench: Any) -> None:
    world = watched(bench)
    world.exit()
    send(world, "ack")
    first = one(world, Role.EXIT)
    world.fill(first, 50)
    world.venue.end(world.venue.orders[first.tag], OrderState.REJECTED, "exchange rejected the rest")
    world.settle()
    world.advance(NS_PER_S)
    world.settle()
    second = world.orders(Role.EXIT)[1]
    assert second.qty == 25
    world.match_market()
    world.settle()

    assert (world.is_flat, world.venue.position) == (True, 0)
    assert world.trips["trade"].gross_paise == world.venue.gross_paise


# --- the proof -------------------------------------------------------------------------------------------------------


@pytest.mark.row("RTP-30", "I-5")
@pytest.mark.fault("EXI-11")
@pytest.mark.invariant("Q1")
def test_fills_alone_do_not_make_flat_the_broker_says_it(bench: Any) -> None:
    world = watched(bench)
    flat_by_fills(world)
    assert (world.body.state, world.bracket.open_qty) == (BracketState.EXITING, 0)
    assert world.trips == {}

    world.read_position()
    assert world.is_flat
    assert world.phrases(Msg.PROVEN_FLAT) == [f"✅ Position validated closed: {world.body.symbol}"]


@pytest.mark.row("RTP-30")
def test_a_read_from_before_the_last_order_ended_proves_nothing(bench: Any) -> None:
    world = watched(bench)
    began_ns = world.now_ns
    world.advance(NS_PER_S)
    flat_by_fills(world)
    world.bracket.on_position(0, began_ns, world.now_ns, world.out)
    world.collect()

    assert not world.is_flat


@pytest.mark.row("RTP-30", "RTP-45")
def test_a_position_that_stays_open_is_counted_then_an_alert_then_exited(bench: Any) -> None:
    """RTP-31, RTP-51: only after the broker has shown it for half a minute, because fills have trade records."""
    world = watched(bench)
    flat_by_fills(world)
    for _ in range(5):
        world.read_position(25)
        world.advance(500 * NS_PER_MS)
    symbol = world.body.symbol
    assert world.phrases(Msg.STILL_OPEN)[-1] == f"Position still open for {symbol}, attempt 5/5"
    assert world.phrases(Msg.NOT_PROVEN) == [f"⚠️ Position validation timeout for {symbol} after 5 attempts"]
    assert len(world.alerts) == 1
    assert len(world.orders(Role.EXIT)) == 1

    world.advance(30 * NS_PER_S)
    world.read_position(25)
    assert world.orders(Role.EXIT)[-1].qty == 25
    assert len(world.phrases(Msg.OWNED_NOT_CLOSED)) == 1


# --- escalation, hands, adoption


@pytest.mark.row("HRD-27", "BUG-23")
def test_an_escalated_exit_is_cancelled_and_its_fill_learned_before_the_rest_goes(bench: Any) -> None:
    world = watched(bench)
    world.exit()
    send(world, "ack")
    first = one(world, Role.EXIT)
    world.fill(first, 50)
    world.bracket.escalate(world.now_ns, world.out)
    world.collect()
    world.settle()

    second = world.orders(Role.EXIT)[1]
    assert (first.state, first.filled_qty, second.qty) == (OrderState.CANCELLED, 50, 25)


@pytest.mark.row("LEG-40", "BUG-07")
@pytest.mark.fault("HUM-01")
def test_a_position_closed_by_hand_cancels_both_exits_and_books_the_hands_price(bench: Any) -> None:
    world = resting(bench)
    world.tick(152_00)
    found = world.close_by_hand(75)
    found()
    world.settle()

    assert world.count(CancelOrder) == 2
    assert world.count(PlaceOrder) == 3
    trade = world.trips["trade"]
    assert (trade.reason, trade.gross_paise, world.is_flat) == ("Closed Externally", 75 * 2_00, True)


@pytest.mark.row("LEG-40")
def test_each_exit_left_behind_is_told_by_its_tag(bench: Any) -> None:
    world = resting(bench)
    stop, target = one(world, Role.STOP), one(world, Role.TARGET)
    world.close_by_hand(75)()
    world.settle()

    assert world.phrases(Msg.CLEANUP) == [
        Msg.CLEANUP.text(symbol=world.body.symbol, tag=order.tag) for order in (stop, target)
    ]
    assert [command.context.rpartition(world.body.symbol)[2] for _, command in world.wrote[3:]] == [
        "_sl_cleanup",
        "_tp_cleanup",
    ]


@pytest.mark.row("HRD-10")
@pytest.mark.parametrize("rest", [0, 1])
def test_an_exit_that_would_close_too_much_keeps_what_is_left_to_close(bench: Any, rest: int) -> None:
    """The last unit is an order of one unit; of nothing there is none."""
    world = watched(bench)
    world.exit()
    world.settle()
    exit_order = one(world, Role.EXIT)
    world.close_by_hand(75 - rest)()
    world.settle()

    assert (exit_order.remaining_qty, exit_order.state is OrderState.CANCELLED) == (rest, not rest)


@pytest.mark.row("LEG-41")
@pytest.mark.fault("HUM-02")
def test_a_position_reduced_by_hand_shrinks_both_exits_by_modify(bench: Any) -> None:
    world = resting(bench)
    found = world.close_by_hand(50)
    found()
    world.settle()

    assert (one(world, Role.STOP).remaining_qty, one(world, Role.TARGET).remaining_qty) == (25, 25)
    assert (world.count(CancelOrder), world.count(PlaceOrder)) == (0, 3)


@pytest.mark.row("LEG-39")
def test_an_adopted_position_gets_levels_and_both_exits_without_an_entry(bench: Any) -> None:
    world = bench(BracketTerms())
    world.bracket.adopt(150_20, world.now_ns, world.out)
    world.collect()
    world.settle()

    assert (world.body.target_paise, world.body.stop_paise) == (152_20, 149_20)
    assert (one(world, Role.STOP).qty, one(world, Role.TARGET).qty, world.orders(Role.ENTRY)) == (75, 75, [])
    world.fill(one(world, Role.TARGET))
    world.settle()
    world.read_position(0)
    assert world.is_flat
    assert world.trips["trade"].gross_paise == 75 * 2_00


@pytest.mark.row("RTP-03")
@pytest.mark.parametrize(("side", "stop"), [(Side.BUY, 120_15), (Side.SELL, 180_25)])
def test_units_found_without_a_stop_of_their_own_get_one_a_fifth_away(bench: Any, side: Side, stop: int) -> None:
    world = bench(BracketTerms(target_offset_paise=0, stop_offset_paise=0), side=side)
    world.bracket.adopt(150_20, world.now_ns, world.out)
    world.collect()

    assert (world.body.stop_paise, world.body.original_stop_paise) == (stop, stop)
    text = Msg.CATASTROPHE_STOP.text(symbol=world.body.symbol, stop=f"{stop // 100}.{stop % 100:02d}")
    assert world.phrases(Msg.CATASTROPHE_STOP) == [text]


@pytest.mark.fault("EXI-15")
def test_units_that_were_converted_get_exits_of_their_new_product(bench: Any) -> None:
    world = resting(bench)
    world.bracket.convert("NRML", world.now_ns, world.out)
    assert world.out.touched_brackets == {"B1"}
    world.collect()
    world.settle()
    world.wake()
    world.settle()

    stops, targets = world.orders(Role.STOP), world.orders(Role.TARGET)
    assert [(order.product, order.is_live) for order in stops] == [("MIS", False), ("NRML", True)]
    assert [(order.product, order.is_live) for order in targets] == [("MIS", False), ("NRML", True)]


# --- the stop becomes the exit


@pytest.mark.fault("EXI-08")
@pytest.mark.invariant("E4")
def test_where_only_the_stop_rests_it_becomes_the_exit_and_nothing_is_ever_naked(bench: Any) -> None:
    """Faults §4.6: one modify instead of a cancel, a wait and a second order."""
    world = resting(bench, style=ExitStyle.HYBRID)
    world.exit("Zero Out")
    world.settle()
    stop = one(world, Role.STOP)
    assert (stop.type, stop.trigger_paise, stop.remaining_qty) == (OrderType.LIMIT, 0, 75)
    assert (world.count(CancelOrder), world.orders(Role.EXIT), world.bracket.covered_qty) == (0, [], 75)

    world.tick(140_00)
    world.advance(2 * NS_PER_S)
    world.settle()
    assert stop.limit_paise < 140_00  # chased
    world.match_market()
    world.settle()
    assert (world.is_flat, world.trips["trade"].reason, world.count(PlaceOrder)) == (True, "Zero Out", 2)


def test_both_exits_resting_the_target_goes_first_and_the_stop_follows(bench: Any) -> None:
    world = resting(bench, exit_by=ExitBy.MODIFY)
    world.exit()
    kinds = [type(command) for _, command in world.wrote][3:]
    assert kinds == [CancelOrder]  # the stop stays a stop until the target is proven gone
    world.settle()
    assert one(world, Role.STOP).type is OrderType.LIMIT
    world.match_market()
    world.settle()
    assert (world.is_flat, world.venue.position) == (True, 0)


@pytest.mark.parametrize("fate", ["swallowed", "lost", refusals.OTHER])
@pytest.mark.fault("ORD-19", "EXI-08")
def test_a_stop_that_will_not_become_the_exit_is_cancelled_and_replaced(bench: Any, fate: str) -> None:
    world = resting(bench, style=ExitStyle.HYBRID)
    world.exit()
    send(world, fate)
    world.venue.news.clear()
    for _ in range(6):
        world.advance(NS_PER_S)
        world.settle()
        world.match_market()
        world.settle()

    assert (world.is_flat, world.venue.position) == (True, 0)
    assert world.trips["trade"].gross_paise == world.venue.gross_paise


# --- the naked clock's limit


@pytest.mark.row("I-4")
def test_a_position_naked_beyond_its_limit_is_left(bench: Any) -> None:
    world = bench(msgspec.structs.replace(TERMS, naked_limit_ns=10 * NS_PER_S))
    entry = world.enter()
    world.settle()
    world.fill(entry)
    world.deliver_news()
    send(world, "swallowed")  # the stop: nobody knows
    world.advance(9 * NS_PER_S)
    assert "naked:B1" in world.alarms
    assert not world.body.exit_reason
    world.advance(2 * NS_PER_S)

    assert world.body.exit_reason == "Unprotected"


# --- slices ----------------------------------------------------------------------------------------------------------


@pytest.mark.row("HRD-10")
@pytest.mark.fault("REJ-02")
@pytest.mark.invariant("O7")
def test_a_quantity_above_the_freeze_limit_is_one_logical_order_in_slices(bench: Any) -> None:
    world = bench(TERMS, qty=5400)
    world.enter()
    world.settle()
    entries = world.orders(Role.ENTRY)
    assert [order.qty for order in entries] == [1800, 1800, 1800]
    for order in entries:
        world.fill(order, price_paise=150_00)
    world.settle()

    assert world.bracket.filled(Role.ENTRY) == 5400
    assert sum(order.remaining_qty for order in world.bracket.live(Role.STOP)) == 5400
    assert max(order.qty for order in world.bracket.mine) == 1800
    assert len(world.phrases(Msg.ORDER_FILLED)) == 1
    world.exit()
    world.settle()
    world.match_market()
    world.settle()
    assert (world.is_flat, world.venue.position) == (True, 0)


def test_a_slice_may_shrink_while_the_cancel_of_another_has_no_effect(bench: Any) -> None:
    """Held back until the other is gone, it would be decided, committed and held back again without an end (ORD-25)."""
    world = bench(TERMS, instrument=bench.frozen)
    for order in (world.enter(), world.orders(Role.ENTRY)[1]):
        world.settle()
        world.fill(order, price_paise=150_00)
    world.settle()
    world.close_by_hand(60)()
    while world.queue:
        world.send("slow_cancel")
        world.deliver_answer()
    stops = world.bracket.live(Role.STOP)

    assert sorted((stop.remaining_qty, stop.pending) for stop in stops) == [(15, Pending.NONE), (25, Pending.CANCEL)]


def test_growing_beyond_what_is_open_stays_here(bench: Any) -> None:
    world = resting(bench)
    stop = one(world, Role.STOP)
    larger = ModifyOrder(tag=stop.tag, type=stop.type, qty=100, limit_paise=1, trigger_paise=2, context="x")

    assert not world.bracket.fits(stop, larger)
    assert world.bracket.fits(stop, msgspec.structs.replace(larger, qty=75))
