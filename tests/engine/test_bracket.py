"""The bracket's rules one by one: what is sent, when, in which size, and what is said."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import refusals
from engine.bracket_state import BracketTerms, BreachedStop, EntryRest, Exhausted, StopType
from engine.exit_rules.lock_fraction import LockFraction
from engine.exit_rules.registry import encode_rules
from engine.instant import NS_PER_MS, NS_PER_S
from engine.instrument import Instrument, Segment
from engine.messages import Msg
from engine.order import Order, OrderState, OrderType, Pending, Role, Side
from engine.outbox import CancelOrder, ModifyOrder, PlaceOrder
from engine.venue_rules import VenueRules
from engine.view import BracketState, ExitStyle, ProtectionWord

TERMS = BracketTerms(target_offset_paise=500, stop_offset_paise=500)
"""LEG-14's example: entry 150.00, target 155.00, stop 145.00."""
EQUITY = Instrument(symbol="SBIN", exchange="NSE", segment=Segment.EQUITY, lot_size=1, tick_paise=5)


def resting(bench: Any, **changes: Any) -> Any:
    """A filled, fully protected bracket of 75 from 150.00."""
    return bench(msgspec.structs.replace(TERMS, **changes)).filled_entry()


def one(world: Any, role: Role) -> Order:
    (order,) = world.orders(role)
    return order


def placed_roles(world: Any) -> list[Role]:
    return [world.blotter.orders[c.tag].role for _, c in world.wrote if isinstance(c, PlaceOrder)]


# --- the undisturbed bracket -----------------------------------------------------------------------------------------


@pytest.mark.row("LEG-12", "LEG-14", "LEG-15", "LEG-16", "LEG-24")
@pytest.mark.invariant("O8")
def test_an_undisturbed_bracket_sends_three_orders_and_one_cancel(bench: Any) -> None:
    """O8."""
    world = resting(bench)
    stop, target = one(world, Role.STOP), one(world, Role.TARGET)
    assert (stop.type, stop.qty, stop.trigger_paise, stop.side) == (OrderType.SL, 75, 145_00, Side.SELL)
    assert (target.type, target.qty, target.limit_paise) == (OrderType.LIMIT, 75, 155_00)
    assert world.bracket.protection(world.now_ns) is ProtectionWord.PROTECTED

    world.fill(target)
    world.settle()

    assert (world.count(PlaceOrder), world.count(CancelOrder), world.count(ModifyOrder)) == (3, 1, 0)
    assert world.is_flat
    trade = world.trips["trade"]
    assert (trade.reason, trade.gross_paise, trade.order_count) == ("Target Hit", 375_00, 3)
    cancels = [c.context for _, c in world.wrote if isinstance(c, CancelOrder)]
    assert cancels == [f"{world.body.symbol}_tp_complete"]


@pytest.mark.row("LEG-25", "LEG-30")
def test_a_filled_stop_cancels_the_target(bench: Any) -> None:
    world = resting(bench)
    world.fill(one(world, Role.STOP), price_paise=144_90)
    world.settle()

    trade = world.trips["trade"]
    assert (trade.reason, trade.gross_paise) == ("Stoploss Hit", -382_50)
    assert [c.context for _, c in world.wrote if isinstance(c, CancelOrder)] == [f"{world.body.symbol}_sl_complete"]


@pytest.mark.row("LEG-16")
def test_a_storm_of_reads_during_placement_adds_no_order(bench: Any) -> None:
    world = bench(TERMS)
    entry = world.enter()
    world.settle()
    world.fill(entry, price_paise=150_00)
    world.deliver_news()
    for _ in range(100):
        world.read_books()
        world.deliver_books()
        world.bracket.ensure_exits(world.now_ns, world.out)
        world.collect()
        world.wake()
    world.settle()

    assert placed_roles(world) == [Role.ENTRY, Role.STOP, Role.TARGET]


@pytest.mark.row("LEG-18")
def test_exits_in_flight_answer_with_their_own_sentence(bench: Any) -> None:
    world = bench(TERMS)
    entry = world.enter()
    world.settle()
    world.fill(entry)
    world.deliver_news()
    before = len(world.wrote)
    world.bracket.ensure_exits(world.now_ns, world.out)
    world.collect()

    assert world.phrases(Msg.EXITS_IN_FLIGHT) == [
        "[INFO] Exit legs already placed, waiting for order IDs to populate..."
    ]
    assert len(world.wrote) == before


@pytest.mark.row("LEG-20")
def test_the_lines_operators_grep(bench: Any) -> None:
    world = resting(bench)
    stop, target = one(world, Role.STOP), one(world, Role.TARGET)

    assert world.phrases(Msg.ORDER_FILLED) == [f"[ORDER] BUY {world.body.symbol} qty=75 @₹150.00"]
    assert world.phrases(Msg.EXITS) == [
        f"[EXITS] TP oid={target.broker_id} @₹155.00 | SL oid={stop.broker_id} @₹145.00"
    ]


@pytest.mark.parametrize("style", ExitStyle)
def test_the_style_decides_only_which_exits_rest(bench: Any, style: ExitStyle) -> None:
    world = resting(bench, style=style)
    rests = {
        ExitStyle.RESTING: [Role.ENTRY, Role.STOP, Role.TARGET],
        ExitStyle.HYBRID: [Role.ENTRY, Role.STOP],
        ExitStyle.MONITORED: [Role.ENTRY],
    }
    assert placed_roles(world) == rests[style]

    world.tick(155_00)
    world.settle()
    if style is ExitStyle.RESTING:
        assert not world.body.exit_reason  # the limit at the broker acts
    elif style is ExitStyle.HYBRID:
        assert (world.body.exit_reason, one(world, Role.STOP).type) == ("Target Hit", OrderType.LIMIT)
    else:
        assert (world.body.exit_reason, one(world, Role.EXIT).qty) == ("Target Hit", 75)


@pytest.mark.parametrize("style", ExitStyle)
def test_a_stop_level_touched_exits_whatever_rests(bench: Any, style: ExitStyle) -> None:
    world = resting(bench, style=style)
    world.tick(144_00)
    for _ in range(5):
        world.match_market()
        world.settle()
        world.advance(NS_PER_S)

    assert world.is_flat
    assert world.venue.position == 0
    assert world.trips["trade"].reason == "Stoploss Hit"


def test_one_tick_through_stop_and_target_takes_the_stop(bench: Any) -> None:
    """Design §5.7; a level both above and below cannot be, so the stop is raised over the target by hand."""
    world = resting(bench, style=ExitStyle.MONITORED)
    world.body.stop_paise = 156_00
    world.tick(155_50)

    assert world.body.exit_reason in ("Stoploss Hit", "Trailing Stop")


# --- entries ---------------------------------------------------------------------------------------------------------


@pytest.mark.row("HRD-01", "HRD-03", "LEG-64")
def test_exits_are_sized_from_fills_and_the_rest_is_cancelled_in_time(bench: Any) -> None:
    world = bench(TERMS, qty=150)
    entry = world.enter()
    world.settle()
    world.fill(entry, 75, 100_50)
    world.settle()

    assert (one(world, Role.STOP).qty, one(world, Role.TARGET).qty) == (75, 75)
    assert world.phrases(Msg.PARTIAL_FILL) == ["[PARTIAL_FILL] Entry filled 75/150 @ ₹100.50"]
    world.advance(4_400 * NS_PER_MS)
    assert entry.pending is Pending.NONE
    world.advance(200 * NS_PER_MS)
    world.settle()
    assert (entry.state, world.bracket.open_qty) == (OrderState.CANCELLED, 75)
    assert world.count(ModifyOrder) == 0


@pytest.mark.row("HRD-03")
@pytest.mark.fault("UPD-08")
@pytest.mark.invariant("P2")
def test_a_growing_entry_enlarges_its_exits_as_it_fills(bench: Any) -> None:
    world = bench(msgspec.structs.replace(TERMS, entry_rest=EntryRest.GROW), qty=150)
    entry = world.enter()
    world.settle()
    world.fill(entry, 75, 100_50)
    world.settle()
    world.advance(8 * NS_PER_S)
    world.fill(entry, 75, 100_50)
    world.settle()

    assert entry.state is OrderState.FILLED
    assert (one(world, Role.STOP).qty, one(world, Role.TARGET).qty) == (150, 150)


@pytest.mark.row("LEG-63")
def test_a_fill_twenty_seconds_late_is_protected_on_sight(bench: Any) -> None:
    world = bench(TERMS)
    world.enter()
    world.send("lost")
    world.deliver_answer()
    assert one(world, Role.ENTRY).state is OrderState.UNKNOWN
    world.venue.news.clear()
    world.advance(20 * NS_PER_S)
    assert not world.is_flat

    world.fill(one(world, Role.ENTRY), price_paise=150_00)
    world.deliver_news()
    assert placed_roles(world) == [Role.ENTRY, Role.STOP, Role.TARGET]


@pytest.mark.row("LEG-13")
def test_an_unfilled_entry_is_looked_up_five_times_in_four_and_a_half_seconds(bench: Any) -> None:
    world = bench(msgspec.structs.replace(TERMS, entry_rest=EntryRest.GROW))
    world.enter()
    world.settle()
    asked: list[int] = []
    start = world.now_ns
    for _ in range(60):
        before = world.look_ups
        world.advance(100 * NS_PER_MS)
        if world.look_ups > before:
            asked.append((world.now_ns - start) // (100 * NS_PER_MS))

    assert asked == [3, 9, 18, 30, 45]


@pytest.mark.fault("ORD-02")
def test_an_entry_that_never_was_ends_the_bracket_without_a_trade(bench: Any) -> None:
    world = bench(TERMS)
    world.enter()
    world.send(refusals.MARGIN)
    world.deliver_answer()

    assert (world.is_flat, world.trips) == (True, {})
    assert world.body.closed_reason == "not entered: margin"


# --- refused exits ---------------------------------------------------------------------------------------------------


def protecting(bench: Any, **changes: Any) -> Any:
    """Entry filled and known; stop and target are queued, unsent."""
    world = bench(msgspec.structs.replace(TERMS, **changes))
    entry = world.enter()
    world.settle()
    world.fill(entry, price_paise=150_00)
    world.deliver_news()
    assert [world.blotter.orders[c.tag].role for c in world.queue] == [Role.STOP, Role.TARGET]
    return world


def answer(world: Any, outcome: str) -> None:
    world.send(outcome)
    world.deliver_answer()


@pytest.mark.row("LEG-29", "HRD-38")
@pytest.mark.parametrize("policy", Exhausted)
@pytest.mark.fault("EXI-05")
@pytest.mark.invariant("P4")
def test_a_stop_refused_three_times_ends_in_an_exit_or_an_alarm(bench: Any, policy: Exhausted) -> None:
    world = protecting(bench, on_exhausted=policy)
    for _ in range(3):
        answer(world, refusals.OTHER)
        answer(world, "ack") if world.queue and world.count(PlaceOrder) == 3 else None
        world.advance(NS_PER_S)
    stops = world.orders(Role.STOP)

    assert len(stops) == 3
    assert world.phrases(Msg.EXITS_EXHAUSTED) == ["[CRITICAL] Max exit legs retries reached - position is UNPROTECTED!"]
    assert len(world.phrases(Msg.SL_REJECTED)) == 3
    world.settle()
    if policy is Exhausted.FLATTEN:
        assert (world.body.exit_reason, one(world, Role.EXIT).qty) == ("Unprotected", 75)
    else:
        world.advance(60 * NS_PER_S)
        assert world.orders(Role.EXIT) == []
        assert {"target:B1", "naked:B1"} <= set(world.alarms)
        assert world.bracket.protection(world.now_ns) is ProtectionWord.NAKED


@pytest.mark.row("LEG-15")
def test_a_refused_target_leaves_the_stop_and_says_so(bench: Any) -> None:
    world = protecting(bench)
    answer(world, "ack")
    answer(world, refusals.OTHER)

    assert world.phrases(Msg.TP_REJECTED) == ["[CRITICAL] TP rejected - position UNPROTECTED on upside!"]
    assert world.bracket.protection(world.now_ns) is ProtectionWord.PROTECTED
    world.advance(350 * NS_PER_MS)
    world.settle()
    assert placed_roles(world) == [Role.ENTRY, Role.STOP, Role.TARGET, Role.TARGET]


@pytest.mark.row("HRD-04")
def test_a_refused_exit_is_tried_again_after_three_tenths_of_a_second_and_then_twice_that(bench: Any) -> None:
    world = protecting(bench)
    for number, wait_ms in ((1, 300), (2, 600)):
        answer(world, refusals.OTHER)
        assert len(world.orders(Role.STOP)) == number
        world.advance((wait_ms - 1) * NS_PER_MS)
        assert len(world.orders(Role.STOP)) == number
        world.advance(NS_PER_MS)
        assert len(world.orders(Role.STOP)) == number + 1
        world.queue.sort(key=lambda command: world.blotter.orders[command.tag].role is not Role.STOP)


@pytest.mark.row("CON-01")
@pytest.mark.fault("EXI-06")
def test_a_target_refused_for_margin_is_watched_here_from_then_on(bench: Any) -> None:
    world = protecting(bench)
    answer(world, "ack")
    answer(world, refusals.MARGIN)
    world.advance(60 * NS_PER_S)

    assert world.body.style is ExitStyle.HYBRID
    assert len(world.orders(Role.TARGET)) == 1
    assert len(world.phrases(Msg.HYBRID)) == 1
    world.tick(155_00)
    assert world.body.exit_reason == "Target Hit"


@pytest.mark.row("HRD-11")
@pytest.mark.parametrize("code", [refusals.TRIGGER_CROSSED])
@pytest.mark.fault("REJ-05")
def test_a_stop_refused_because_its_trigger_is_crossed_is_a_stop_hit(bench: Any, code: str) -> None:
    """REJ-05."""
    world = protecting(bench)
    answer(world, code)
    world.settle()

    assert (world.body.exit_reason, one(world, Role.EXIT).qty) == ("Stoploss Hit", 75)


@pytest.mark.row("HRD-11")
@pytest.mark.parametrize(
    ("policy", "stop_offset", "entry", "ltp", "trigger"),
    [
        (BreachedStop.EXIT_NOW, 100, 100_50, 99_20, 0),
        (BreachedStop.ADJUST, 100, 100_50, 99_20, 99_15),
        (BreachedStop.ADJUST, 500, 5_10, 5, 5),  # trigger 0.10, last price one tick: never below one tick
    ],
)
def test_a_stop_already_through_the_market(
    bench: Any, policy: BreachedStop, stop_offset: int, entry: int, ltp: int, trigger: int
) -> None:
    world = bench(msgspec.structs.replace(TERMS, breached_stop=policy, stop_offset_paise=stop_offset), ltp_paise=entry)
    order = world.enter()
    world.settle()
    world.set_price(ltp)
    world.fill(order, price_paise=entry)
    world.settle()

    if policy is BreachedStop.EXIT_NOW:
        assert world.orders(Role.STOP) == []
        assert (world.body.exit_reason, one(world, Role.EXIT).qty) == ("Stoploss Hit", 75)
        assert world.phrases(Msg.SL_BREACHED_EXIT) == [
            "[WARN] SL trigger 99.50 >= LTP 99.20: stop already hit, exiting now"
        ]
    else:
        assert one(world, Role.STOP).trigger_paise == trigger
        assert world.phrases(Msg.SL_BREACHED)[0].endswith(", adjusting")
        assert world.body.stop_paise >= trigger  # the effective stop is not loosened (I-4)


@pytest.mark.row("HRD-12", "OPS-35")
@pytest.mark.fault("REJ-06")
@pytest.mark.invariant("O7")
def test_no_stop_market_is_ever_sent_for_an_option(bench: Any) -> None:
    world = resting(bench, stop_type=StopType.SL_M)
    stop = one(world, Role.STOP)

    assert (stop.type, stop.trigger_paise, stop.limit_paise) == (OrderType.SL, 145_00, 142_10)


@pytest.mark.row("HRD-12")
@pytest.mark.parametrize(("gap_bps", "limit"), [(200, 97_55), (-1, 99_45)])
def test_a_refused_stop_market_falls_back_to_one_stop_limit(bench: Any, gap_bps: int, limit: int) -> None:
    terms = msgspec.structs.replace(TERMS, stop_gap_bps=gap_bps, stop_offset_paise=100)
    world = bench(terms, instrument=EQUITY, ltp_paise=100_50)
    entry = world.enter()
    world.settle()
    world.fill(entry, price_paise=100_50)
    world.deliver_news()
    answer(world, refusals.ORDER_TYPE)
    world.settle()
    first, second = world.orders(Role.STOP)

    assert (first.type, first.state) == (OrderType.SL_M, OrderState.REJECTED)
    assert (second.type, second.trigger_paise, second.limit_paise) == (OrderType.SL, 99_50, limit)
    assert len(world.phrases(Msg.FALLBACK)) == 1
    assert world.body.stop_rejects == 0


# --- lost exits ------------------------------------------------------------------------------------------------------


@pytest.mark.row("LEG-19")
def test_a_missing_stop_is_placed_again_alone(bench: Any) -> None:
    world = resting(bench)
    world.venue.end(world.venue.orders[one(world, Role.STOP).tag], OrderState.CANCELLED)
    world.settle()

    assert placed_roles(world) == [Role.ENTRY, Role.STOP, Role.TARGET, Role.STOP]
    assert world.count(CancelOrder) == 0
    assert world.phrases(Msg.REARM) == ["[CRITICAL] Position detected without exits! Re-arming protection..."]
    assert world.phrases(Msg.ENSURE_EXITS) == [f"[ENSURE_EXITS] {world.body.symbol} Re-arming protection"]


@pytest.mark.fault("HUM-03", "EXI-04", "EXI-19")
def test_a_stop_taken_away_again_and_again_ends_in_an_exit_not_in_a_storm(bench: Any) -> None:
    """HUM-03, EXI-04."""
    world = resting(bench)
    for _ in range(10):
        stops = world.bracket.live(Role.STOP)
        if not stops or not stops[-1].is_at_broker:
            break
        world.venue.end(world.venue.orders[stops[-1].tag], OrderState.CANCELLED)
        world.settle()

    assert len(world.orders(Role.STOP)) == 3
    assert world.body.exit_reason == "Unprotected"


def test_a_target_taken_away_again_and_again_is_watched_here(bench: Any) -> None:
    world = resting(bench)
    for _ in range(10):
        for target in world.bracket.live(Role.TARGET):
            world.venue.end(world.venue.orders[target.tag], OrderState.CANCELLED)
        world.settle()

    assert len(world.orders(Role.TARGET)) == 3
    assert (world.body.style, world.bracket.protection(world.now_ns)) == (ExitStyle.HYBRID, ProtectionWord.PROTECTED)


# --- partial exits ---------------------------------------------------------------------------------------------------


@pytest.mark.row("HRD-15", "LEG-65")
@pytest.mark.fault("EXI-02")
@pytest.mark.invariant("E1", "E4")
def test_a_partial_target_shrinks_the_stop_by_modify_once(bench: Any) -> None:
    world = resting(bench)
    stop, target = one(world, Role.STOP), one(world, Role.TARGET)
    world.fill(target, 50)
    world.settle()
    for _ in range(10):
        world.read_books()
        world.deliver_books()
        world.wake()

    assert [c for _, c in world.wrote if isinstance(c, ModifyOrder)] == [
        ModifyOrder(
            tag=stop.tag,
            type=OrderType.SL,
            qty=25,
            limit_paise=stop.limit_paise,
            trigger_paise=145_00,
            context=f"{world.body.symbol}_resize",
        )
    ]
    assert (target.remaining_qty, stop.remaining_qty, world.count(CancelOrder)) == (25, 25, 0)
    assert world.phrases(Msg.SYNC_NEEDED) == ["[SYNC_NEEDED] Total exits 50, remaining 25"]
    assert world.phrases(Msg.SYNC) == ["[SYNC] Adjusting exits for remaining qty 25"]
    assert len(world.phrases(Msg.PARTIAL)) == 1

    world.fill(stop)
    world.settle()
    assert (world.is_flat, world.venue.position) == (True, 0)


@pytest.mark.fault("ORD-20")
def test_a_modify_names_the_total_quantity_after_a_partial_fill(bench: Any) -> None:
    """ORD-20: the stop filled 25 of 75, the entry grows by 75: its total becomes 25 + 125."""
    world = bench(msgspec.structs.replace(TERMS, entry_rest=EntryRest.GROW), qty=150)
    entry = world.enter()
    world.settle()
    world.fill(entry, 75, 150_00)
    world.settle()
    stop = one(world, Role.STOP)
    world.fill(stop, 25)
    world.settle()
    world.fill(entry, 75, 150_00)
    world.settle()

    assert (world.bracket.open_qty, stop.qty, stop.remaining_qty) == (125, 150, 125)


# --- both exits filled -----------------------------------------------------------------------------------------------


@pytest.mark.row("LEG-26", "CON-04", "I-1")
@pytest.mark.fault("EXI-01")
@pytest.mark.invariant("E2")
def test_both_exits_filled_buys_the_surplus_back_once(bench: Any) -> None:
    world = resting(bench)
    world.fill(one(world, Role.TARGET))
    world.fill(one(world, Role.STOP), price_paise=145_00)
    world.settle()

    assert world.venue.position == -75
    assert world.phrases(Msg.OCO_FAILURE) == [f"[CRITICAL] {world.body.symbol} Both TP and SL filled! OCO failure"]
    assert "surplus:B1" in world.alarms
    repair = one(world, Role.REPAIR)
    assert (repair.side, repair.qty, repair.type) == (Side.BUY, 75, OrderType.MARKET)

    world.fill(repair, price_paise=146_00)
    world.settle()
    assert (world.is_flat, world.venue.position, world.alarms) == (True, 0, {})
    trade, surplus = world.trips["trade"], world.trips["surplus"]
    assert (trade.reason, trade.gross_paise, trade.qty) == ("Target Hit (OCO Race)", 375_00, 75)
    assert (surplus.gross_paise, surplus.qty, surplus.costs_paise) == (-75_00, 75, 0)
    assert trade.gross_paise + surplus.gross_paise == world.venue.gross_paise


def test_a_surplus_waits_for_the_exit_that_may_add_to_it(bench: Any) -> None:
    """E3: one closing order at a time, and the repair is sized once the exit has ended."""
    world = resting(bench)
    stop = one(world, Role.STOP)
    world.exit()
    answer(world, "ack")  # the target's cancel works
    world.deliver_news()
    while world.queue:  # the stop's answers are lost for good
        assert world.next_command().tag == stop.tag
        answer(world, "swallowed")
    world.advance(2 * NS_PER_S + NS_PER_MS)
    exit_order = one(world, Role.EXIT)
    world.send()
    world.deliver_answer()
    world.fill(stop)
    world.fill(exit_order, 25, 149_00)
    while world.venue.news:
        world.deliver_news()

    assert (world.bracket.open_qty, exit_order.pending) == (-25, Pending.CANCEL)
    assert world.orders(Role.REPAIR) == []
    world.settle()
    assert (exit_order.state, one(world, Role.REPAIR).qty) == (OrderState.CANCELLED, 25)


def test_a_late_entry_fill_takes_the_repair_back_and_opens_nothing(bench: Any) -> None:
    """The trade is over when both exits have filled: what still comes in is closed, not protected anew."""
    world = bench(msgspec.structs.replace(TERMS, entry_rest=EntryRest.GROW), qty=150)
    entry = world.enter()
    world.settle()
    world.fill(entry, 75, 150_00)
    world.settle()
    world.fill(one(world, Role.TARGET))
    world.fill(one(world, Role.STOP))
    while world.venue.news:
        world.deliver_news()
    while world.queue:  # the cancel of the entry's rest is accepted, and its fill is faster
        answer(world, "slow_cancel")
    world.fill(entry, 75, 150_00)
    world.settle()

    assert (world.venue.position, one(world, Role.REPAIR).state) == (0, OrderState.CANCELLED)
    assert world.is_flat
    assert len(world.orders(Role.STOP)) == 1
    assert world.trips["trade"].gross_paise == world.venue.gross_paise


def test_units_that_enter_after_a_surplus_are_sold_at_once(bench: Any) -> None:
    world = bench(msgspec.structs.replace(TERMS, entry_rest=EntryRest.GROW), qty=225)
    entry = world.enter()
    world.settle()
    world.fill(entry, 75, 150_00)
    world.settle()
    world.fill(one(world, Role.TARGET))
    world.fill(one(world, Role.STOP))
    while world.venue.news:
        world.deliver_news()
    while world.queue:
        answer(world, "slow_cancel")
    world.fill(entry, 150, 150_00)
    world.settle()

    assert world.body.exit_reason == "Late Fill"
    assert (len(world.orders(Role.STOP)), one(world, Role.EXIT).qty) == (1, 75)


def test_an_exit_waits_for_an_unanswered_repair_however_long(bench: Any) -> None:
    """E3, O3: a repair that nobody answered for can fill at once; a second marketable order could double it."""
    world = bench(msgspec.structs.replace(TERMS, entry_rest=EntryRest.GROW), qty=225)
    entry = world.enter()
    world.settle()
    world.fill(entry, 75, 150_00)
    world.settle()
    world.fill(one(world, Role.TARGET))
    world.fill(one(world, Role.STOP))
    while world.venue.news:
        world.deliver_news()
    while world.queue:
        answer(world, "late" if world.next_command().tag == one(world, Role.REPAIR).tag else "slow_cancel")
    world.fill(entry, 150, 150_00)
    while world.venue.news:
        world.deliver_news()
    world.advance(60 * NS_PER_S)
    assert (world.bracket.open_qty, one(world, Role.REPAIR).state) == (75, OrderState.UNKNOWN)
    assert world.orders(Role.EXIT) == []

    world.late.clear()
    for _ in range(2):
        world.read_books()
        world.deliver_books()
    world.advance(10 * NS_PER_S)
    assert one(world, Role.EXIT).qty == 75


# --- leaving ---------------------------------------------------------------------------------------------------------


@pytest.mark.row("I-2", "LEG-30", "LEG-49")
@pytest.mark.fault("ORD-25")
@pytest.mark.invariant("E4")
def test_a_stop_protects_until_the_targets_cancel_is_carried_out(bench: Any) -> None:
    """ORD-25: accepted and not done yet. With both cancelled at once the position would hang there without a stop."""
    world = resting(bench)
    target, stop = one(world, Role.TARGET), one(world, Role.STOP)
    world.exit()
    answer(world, "slow_cancel")
    world.advance(60 * NS_PER_S)

    assert (target.pending, stop.state, stop.pending) == (Pending.CANCEL, OrderState.TRIGGER_PENDING, Pending.NONE)
    assert world.orders(Role.EXIT) == []
    assert f"stuck:{world.body.bracket_id}" in world.alarms
    world.match_market()
    world.settle()
    world.match_market()
    world.settle()
    assert (stop.state, world.is_flat, world.venue.position) == (OrderState.CANCELLED, True, 0)


def test_an_exit_waits_for_both_confirmed_cancels_and_is_asked_once(bench: Any) -> None:
    world = resting(bench)
    world.fill(one(world, Role.TARGET), 50)
    world.settle()

    assert [world.exit("EOD Square-Off"), world.exit("Square-Off"), world.exit("Square-Off")] == [True, False, False]
    answer(world, "ack")
    while world.venue.news:
        world.deliver_news()
    answer(world, "slow_cancel")
    assert world.orders(Role.EXIT) == []  # one cancel was accepted and has not ended yet
    world.match_market()
    world.settle()
    assert one(world, Role.EXIT).qty == 25
    world.match_market()
    world.settle()
    assert (world.is_flat, world.trips["trade"].reason, world.venue.position) == (True, "EOD Square-Off", 0)
    contexts = [c.context for _, c in world.wrote if isinstance(c, CancelOrder)]
    assert contexts == [f"{world.body.symbol}_square_off_tp", f"{world.body.symbol}_square_off_sl"]


def test_an_unproven_stop_holds_an_exit_back_for_two_seconds_only(bench: Any) -> None:
    """Design §5.10: a naked loss is unbounded, a surplus is known and bought back."""
    world = protecting(bench)
    answer(world, "lost")
    assert one(world, Role.STOP).state is OrderState.UNKNOWN
    answer(world, refusals.OTHER)
    world.venue.news.clear()
    world.tick(144_00)
    assert world.body.exit_reason == "Stoploss Hit"  # the virtual guard
    world.advance(2 * NS_PER_S - NS_PER_MS)
    assert world.orders(Role.EXIT) == []
    world.advance(2 * NS_PER_MS)
    assert one(world, Role.EXIT).qty == 75


@pytest.mark.fault("EXI-07")
@pytest.mark.invariant("E3", "O3")
def test_an_unanswered_exit_is_never_sent_again(bench: Any) -> None:
    """O3, EXI-07."""
    world = resting(bench, style=ExitStyle.MONITORED)
    world.exit()
    answer(world, "lost")
    world.venue.news.clear()
    for _ in range(60):
        world.advance(NS_PER_S)
        world.wake()

    assert len(world.orders(Role.EXIT)) == 1
    assert world.look_ups > 10


@pytest.mark.fault("ORD-02")
def test_an_exit_proven_absent_is_sent_anew(bench: Any) -> None:
    world = resting(bench, style=ExitStyle.MONITORED)
    world.exit()
    answer(world, "swallowed")
    for _ in range(2):
        world.read_books()
        world.deliver_books()
    world.advance(NS_PER_S)

    assert [order.state for order in world.orders(Role.EXIT)] == [OrderState.REJECTED, OrderState.INTENDED]


def test_an_exit_is_repriced_until_it_fills(bench: Any) -> None:
    """CON-05."""
    world = resting(bench, style=ExitStyle.MONITORED)
    world.exit()
    world.settle()
    first = one(world, Role.EXIT).limit_paise
    world.tick(140_00)
    world.advance(1_100 * NS_PER_MS)
    world.settle()

    assert first == 145_45  # bid 149.95 less 3 %, on the tick
    assert one(world, Role.EXIT).limit_paise == 135_75
    world.match_market()
    world.settle()
    assert world.is_flat


def test_an_exit_larger_than_what_is_left_shrinks_without_waiting_for_the_chase(bench: Any) -> None:
    world = protecting(bench)
    answer(world, "lost")
    answer(world, refusals.OTHER)
    world.venue.news.clear()
    world.exit()
    world.advance(2 * NS_PER_S + NS_PER_MS)
    while world.queue:
        answer(world, "ack")
    world.fill(one(world, Role.STOP), 50)
    while world.venue.news:
        world.deliver_news()
    exit_order = one(world, Role.EXIT)

    assert (exit_order.pending, exit_order.asked_qty) == (Pending.MODIFY, 25)


def test_an_exit_at_the_modify_cap_is_cancelled_and_replaced(bench: Any) -> None:
    """O5."""
    world = resting(bench, style=ExitStyle.MONITORED)
    world.exit()
    world.settle()
    exit_order = one(world, Role.EXIT)
    exit_order.modify_count = world.rules.modify_cap
    world.tick(140_00)
    world.advance(1_100 * NS_PER_MS)
    world.settle()

    assert [order.state for order in world.orders(Role.EXIT)] == [OrderState.CANCELLED, OrderState.WORKING]
    assert world.count(ModifyOrder) == 0


@pytest.mark.parametrize("outcome", [refusals.OTHER, "not_sent", "lost_cancel", "swallowed"])
@pytest.mark.fault("ORD-16", "ORD-17", "EXI-19")
@pytest.mark.invariant("O4")
def test_a_cancel_that_does_not_work_is_asked_again_slowly_and_inside_the_budget(bench: Any, outcome: str) -> None:
    """ORD-16, ORD-17, O4: never a storm, and never given up."""
    world = resting(bench)
    world.exit()
    for _ in range(300):
        while world.queue:
            answer(world, outcome if isinstance(world.next_command(), CancelOrder) else "ack")
        world.read_books()
        world.deliver_books()
        world.advance(NS_PER_S // 5)
    minute_ns = world.now_ns - 60 * NS_PER_S
    assert len([at for at in world.sent_ns if at > minute_ns]) <= 12
    assert 2 <= len([at for at, _ in world.wrote if at > minute_ns]) <= 120  # what never left may be tried each second

    for _ in range(80):
        world.settle()
        world.match_market()
        world.advance(NS_PER_S)
    assert (world.is_flat, world.venue.position) == (True, 0)


# --- jumped stops ----------------------------------------------------------------------------------------------------


@pytest.mark.row("HRD-13")
@pytest.mark.parametrize(("ltp", "waits_ms"), [(140_00, 300), (144_00, 2_000)])
@pytest.mark.fault("EXI-03")
@pytest.mark.invariant("P3")
def test_a_triggered_stop_that_does_not_fill_becomes_marketable(bench: Any, ltp: int, waits_ms: int) -> None:
    """At once when its limit (142.10) is out of the market, else after stop_fill_timeout; one order, not two."""
    world = resting(bench)
    stop = one(world, Role.STOP)
    world.tick(ltp)
    world.advance((waits_ms - 10) * NS_PER_MS)
    assert world.count(ModifyOrder) == 0
    world.advance(20 * NS_PER_MS)
    world.settle()

    assert (stop.type, stop.trigger_paise) == (OrderType.LIMIT, 0)
    assert stop.limit_paise < ltp
    assert len(world.phrases(Msg.STOP_JUMPED)) == 1
    world.tick(ltp - 5)
    assert world.orders(Role.EXIT) == []  # the stop itself is the exit
    world.match_market()
    world.settle()
    assert (world.is_flat, world.count(PlaceOrder)) == (True, 3)


@pytest.mark.fault("EXI-03", "ORD-19")
@pytest.mark.invariant("P3")
def test_a_jumped_stop_that_may_not_be_changed_is_cancelled_for_an_exit(bench: Any) -> None:
    world = resting(bench)
    world.tick(140_00)
    world.advance(400 * NS_PER_MS)
    answer(world, refusals.OTHER)
    world.advance(NS_PER_S)
    world.settle()

    assert one(world, Role.STOP).state is OrderState.CANCELLED
    assert one(world, Role.EXIT).qty == 75


@pytest.mark.fault("EXI-03", "ORD-19")
def test_a_jumped_stop_at_its_modify_cap_is_left_for_an_exit(bench: Any) -> None:
    world = resting(bench)
    stop = one(world, Role.STOP)
    stop.modify_count = world.rules.modify_cap
    world.tick(140_00)
    world.advance(400 * NS_PER_MS)
    world.settle()

    assert (world.body.exit_reason, world.body.exit_level_paise) == ("Stoploss Hit", 145_00)
    assert (stop.state, one(world, Role.EXIT).qty, world.count(ModifyOrder)) == (OrderState.CANCELLED, 75, 0)


@pytest.mark.fault("EXI-03")
def test_a_jumped_stop_waits_for_a_price_to_become_marketable_at(bench: Any) -> None:
    world = resting(bench)
    world.tick(144_00)
    world.price.tick = msgspec.structs.replace(world.price.tick, ltp_paise=0, bid_paise=0, ask_paise=0)
    world.advance(3 * NS_PER_S)
    assert world.count(ModifyOrder) == 0

    world.tick(144_00)
    assert world.count(ModifyOrder) == 1


@pytest.mark.row("HRD-31")
def test_a_stop_that_had_become_the_exit_is_taken_back_and_rests_again(bench: Any) -> None:
    world = resting(bench, style=ExitStyle.HYBRID)
    world.exit()
    world.settle()
    was = one(world, Role.STOP)
    assert (was.type, world.body.stop_is_exit) == (OrderType.LIMIT, True)

    assert world.bracket.stay(world.now_ns, world.out)
    world.collect()
    world.settle()
    before, after = world.orders(Role.STOP)
    assert (before.state, after.type, after.trigger_paise, after.qty) == (
        OrderState.CANCELLED,
        OrderType.SL,
        145_00,
        75,
    )


# --- the trail -------------------------------------------------------------------------------------------------------

TRAIL = {"rules": encode_rules([LockFraction()]), "target_offset_paise": 400, "stop_offset_paise": 100}


@pytest.mark.row("LEG-31", "LEG-32", "LEG-33", "LEG-34")
def test_the_trail_activates_raises_and_never_lowers(bench: Any) -> None:
    world = bench(msgspec.structs.replace(TERMS, **TRAIL), ltp_paise=100_00)
    entry = world.enter()
    world.settle()
    world.fill(entry, price_paise=100_00)
    world.settle()
    levels: list[int] = []
    for ltp in (101_95, 102_00, 101_60, 103_00, 102_60):
        world.tick(ltp)
        world.settle()
        levels.append(one(world, Role.STOP).trigger_paise)

    assert levels == [99_00, 101_50, 101_50, 102_25, 102_25]
    assert world.body.best_paise == 103_00
    symbol = world.body.symbol
    assert world.phrases(Msg.TRAIL_ACTIVE) == [f"[TRAIL] {symbol} ✅ ACTIVATED! Profit ₹2.00"]
    assert world.phrases(Msg.TRAIL_MOVE) == [
        f"[TRAIL] {symbol} 📈 Moving SL: ₹99.00 → ₹101.50",
        f"[TRAIL] {symbol} 📈 Moving SL: ₹101.50 → ₹102.25",
    ]
    assert len(world.orders(Role.STOP)) == 1  # moved by modify, never without a stop


@pytest.mark.row("LEG-34")
def test_a_trail_level_already_through_the_market_exits_at_once(bench: Any) -> None:
    world = bench(msgspec.structs.replace(TERMS, **{**TRAIL, "target_offset_paise": 2000}), ltp_paise=100_00)
    entry = world.enter()
    world.settle()
    world.fill(entry, price_paise=100_00)
    world.settle()
    world.tick(110_00)  # deserves 107.50; the modify is still on its way
    world.tick(104_00)

    assert (world.body.stop_paise, world.body.exit_reason) == (107_50, "Trailing Stop")


@pytest.mark.row("LEG-31")
def test_without_a_trail_the_stop_never_moves(bench: Any) -> None:
    world = resting(bench)
    for ltp in (151_00, 154_00, 150_00, 154_90):
        world.tick(ltp)

    assert (one(world, Role.STOP).trigger_paise, world.count(ModifyOrder)) == (145_00, 0)


@pytest.mark.row("LEG-34")
def test_a_moved_stop_is_for_what_is_left(bench: Any) -> None:
    world = bench(msgspec.structs.replace(TERMS, **TRAIL), ltp_paise=100_00)
    entry = world.enter()
    world.settle()
    world.fill(entry, price_paise=100_00)
    world.settle()
    world.fill(one(world, Role.TARGET), 50)
    world.settle()
    world.tick(103_00)
    world.settle()
    stop = one(world, Role.STOP)

    assert (stop.trigger_paise, stop.remaining_qty) == (102_25, 25)


def test_trailing_uses_half_the_budget_and_leaves_the_rest_for_exits(bench: Any) -> None:
    """O4."""
    world = bench(
        msgspec.structs.replace(TERMS, rules=encode_rules([LockFraction()]), target_offset_paise=20000),
        ltp_paise=100_00,
    )
    entry = world.enter()
    world.settle()
    world.fill(entry, price_paise=100_00)
    world.settle()
    for ltp in range(200_00, 250_00, 100):
        world.tick(ltp)
        world.settle()
        world.advance(100 * NS_PER_MS)
    assert len(world.wrote) == 6

    world.exit()
    world.settle()
    assert one(world, Role.EXIT).qty == 75


@pytest.mark.row("I-4")
@given(st.lists(st.integers(90_00 // 5, 130_00 // 5), min_size=1, max_size=30))
def test_a_stop_only_ever_tightens_on_any_path(bench: Any, path: list[int]) -> None:
    world = bench(msgspec.structs.replace(TERMS, **TRAIL), ltp_paise=100_00)
    entry = world.enter()
    world.settle()
    world.fill(entry, price_paise=100_00)
    world.settle()
    stop = world.body.stop_paise
    for fifth in path:
        world.tick(fifth * 5)
        world.settle()
        assert world.body.stop_paise >= stop
        stop = world.body.stop_paise
    resting_stops = [order.trigger_paise for order in world.bracket.live(Role.STOP) if order.trigger_paise]
    assert resting_stops == sorted(resting_stops)


# --- records, ghosts, refusals of changes ----------------------------------------------------------------------------


@pytest.mark.row("LEG-48")
def test_trade_records_get_two_seconds_after_the_real_flat(bench: Any) -> None:
    """However long the position was held."""
    world = resting(bench)
    world.advance(600 * NS_PER_S)
    target = one(world, Role.TARGET)
    world.fill(target)
    records = [world.venue.news.pop()]  # the trade; the order's own report arrives
    world.settle()
    assert not world.is_flat
    world.advance(1_900 * NS_PER_MS)
    assert not world.is_flat
    world.advance(200 * NS_PER_MS)
    assert world.is_flat
    assert world.trips["trade"].is_provisional
    assert world.trips["trade"].exit_value_paise == 75 * 155_00  # never booked as zero

    world.merge([], records)
    assert not world.trips["trade"].is_provisional


@pytest.mark.row("LEG-48")
def test_records_of_a_second_end_are_waited_for_like_those_of_the_first(bench: Any) -> None:
    """Flat for a moment, while the rest of the entry was still filling, is not the end."""
    world = bench(msgspec.structs.replace(TERMS, entry_rest=EntryRest.GROW), qty=150)
    entry = world.enter()
    world.settle()
    world.fill(entry, 75, 150_00)
    world.settle()
    world.fill(one(world, Role.TARGET))
    while world.venue.news:
        world.deliver_news()
    while world.queue:
        answer(world, "lost_cancel" if world.next_command().tag == entry.tag else "ack")
    world.fill(entry, 75, 150_00)
    world.settle()
    assert world.bracket.open_qty == 75
    world.advance(60 * NS_PER_S)
    world.settle()
    world.fill(world.bracket.live(Role.TARGET)[0])
    world.venue.news.pop()  # its trade record is late
    world.settle()
    world.advance(NS_PER_S)

    assert not world.is_flat


def test_a_ghost_without_a_fill_that_appears_after_the_end_is_cancelled(bench: Any) -> None:
    """ORD-03: on sight, because it could still sell what is no longer held."""
    world = resting(bench, style=ExitStyle.MONITORED)
    world.exit()
    answer(world, "late")
    ghost, late = one(world, Role.EXIT), world.late.pop()
    world.prove_absent(ghost)
    world.advance(NS_PER_S)
    world.settle()
    world.fill(world.orders(Role.EXIT)[1], price_paise=149_00)
    world.settle()
    assert world.is_flat
    world.execute(late)
    world.settle()

    assert (ghost.state, world.is_flat, world.venue.live()) == (OrderState.CANCELLED, True, [])


@pytest.mark.row("I-5")
@pytest.mark.fault("ORD-03", "UPD-12")
def test_a_ghost_that_appears_after_the_end_is_cancelled_and_its_fills_are_repaired(bench: Any) -> None:
    """ORD-03, UPD-12."""
    world = resting(bench, style=ExitStyle.MONITORED)
    world.exit()
    answer(world, "late")
    ghost = one(world, Role.EXIT)
    late = world.late.pop()
    world.prove_absent(ghost)
    world.advance(NS_PER_S)
    world.settle()
    world.fill(world.orders(Role.EXIT)[1], price_paise=149_00)
    world.settle()
    assert world.is_flat

    world.execute(late)
    world.fill(ghost, 25, 149_00)
    world.settle()
    assert "ghost:B1" in world.alarms or world.body.surplus_told
    for _ in range(10):
        world.match_market()
        world.settle()
        world.advance(NS_PER_S)
    assert (world.is_flat, world.venue.position, world.venue.live()) == (True, 0, [])
    assert sum(trip.gross_paise for trip in world.trips.values()) == world.venue.gross_paise


@pytest.mark.fault("ORD-19")
def test_a_refused_modify_is_looked_up_and_tried_again_after_a_second(bench: Any) -> None:
    """ORD-19."""
    world = resting(bench)
    world.fill(one(world, Role.TARGET), 50)
    while world.venue.news:
        world.deliver_news()
    before = world.look_ups
    answer(world, refusals.OTHER)
    for _ in range(20):
        world.wake()
    assert (world.count(ModifyOrder), world.look_ups - before) == (1, 1)
    world.advance(NS_PER_S)
    world.settle()
    assert (world.count(ModifyOrder), one(world, Role.STOP).remaining_qty) == (2, 25)


@pytest.mark.fault("ORD-22")
@pytest.mark.invariant("O5")
def test_a_stop_at_the_modify_cap_is_cancelled_and_placed_again(bench: Any) -> None:
    """ORD-22."""
    world = bench(TERMS, rules=VenueRules(name="few", modifies_per_order=5)).filled_entry()
    world.fill(one(world, Role.TARGET), 50)
    world.settle()
    first, second = world.orders(Role.STOP)

    assert (first.state, second.qty, second.trigger_paise) == (OrderState.CANCELLED, 25, 145_00)
    assert world.phrases(Msg.REARM) == []  # it was us
    assert world.count(ModifyOrder) == 0


def test_watching_here_takes_both_exits_back_and_keeps_both_levels(bench: Any) -> None:
    world = resting(bench)
    world.bracket.watch_here(world.now_ns, world.out)
    world.collect()
    world.settle()

    assert world.venue.live() == []
    assert world.bracket.protection(world.now_ns) is ProtectionWord.LOCAL
    world.tick(144_00)
    assert one(world, Role.EXIT).qty == 75


@pytest.mark.row("I-7")
def test_an_exit_on_a_stale_price_goes_through_a_wider_band(bench: Any) -> None:
    world = resting(bench, style=ExitStyle.MONITORED)
    world.advance(10 * NS_PER_S)
    world.exit()

    assert one(world, Role.EXIT).limit_paise == 136_45  # bid 149.95 less 9 %


@pytest.mark.row("I-4")
def test_an_open_position_without_a_stop_is_an_alarm_after_two_seconds(bench: Any) -> None:
    """P4."""
    world = protecting(bench)
    answer(world, "swallowed")
    assert world.bracket.protection(world.now_ns) is ProtectionWord.UNKNOWN
    world.advance(2 * NS_PER_S)
    assert world.alarms["naked:B1"] == f"{world.body.symbol}: 75 units open without a working stop"
    for _ in range(2):
        world.read_books()
        world.deliver_books()
    world.advance(NS_PER_S)
    world.settle()
    assert (world.bracket.protection(world.now_ns), world.alarms) == (ProtectionWord.PROTECTED, {})


def test_a_bracket_is_flat_before_anything_happens(bench: Any) -> None:
    world = bench(TERMS)

    assert (world.body.state, world.exit(), world.wrote) == (BracketState.FLAT, False, [])
