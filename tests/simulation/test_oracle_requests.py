"""Each check on requests is shown a world that breaks its invariant, and one that nearly does."""

from __future__ import annotations

import pytest

from engine.instant import NS_PER_S
from engine.order import OrderState, OrderType, Role
from engine.port import Refused, Unknown
from engine.tick import Tick
from tui.simulation.request_checks import (
    Budget,
    ForeignUntouched,
    FreshPrice,
    IntentBeforeSend,
    ModifyCap,
    Monotone,
    NoBlindResend,
    NoDuplicate,
    OneMarketExit,
    WellFormed,
)

PE = "NIFTY01DEC2624500PE"


def test_a_request_without_a_committed_intent_breaks_o1(day):
    day.judged_by(IntentBeforeSend())

    day.send("SD00009X")

    assert day.broken == ["O1"]


def test_one_intent_covers_one_request_and_a_refused_one_may_go_again(day):
    day.judged_by(IntentBeforeSend())
    tag = day.intend(Role.EXIT)
    day.answer(day.send(tag), Refused("throttled", "slow down"))
    day.send(tag)
    assert day.broken == []

    day.send(tag)

    assert day.broken == ["O1"]


def test_two_orders_of_one_tag_at_the_broker_break_o2(day):
    day.judged_by(NoDuplicate())
    tag = day.intend(Role.STOP)
    day.order(tag, broker_id="N1")
    assert day.broken == []

    day.order(tag, broker_id="N2")

    assert day.broken == ["O2"]


def test_a_second_stop_while_the_first_is_unanswered_breaks_o3(day):
    day.judged_by(NoBlindResend())
    first = day.intend(Role.STOP)
    day.answer(day.send(first), Unknown("timeout"))
    day.pass_s(1)

    day.send(day.intend(Role.STOP))

    assert day.broken == ["O3"]


def test_two_clean_reads_after_the_window_free_the_purpose(day):
    day.judged_by(NoBlindResend())
    first = day.intend(Role.STOP)
    day.answer(day.send(first), Unknown("timeout"))
    for _ in range(2):
        day.pass_s(46)
        day.truth.on_book_read(day.truth.now_ns, [])

    day.send(day.intend(Role.STOP))

    assert day.broken == []
    assert first in day.truth.ghosts


def test_reads_that_began_inside_the_window_free_nothing(day):
    day.judged_by(NoBlindResend())
    day.answer(day.send(day.intend(Role.EXIT)), Unknown("timeout"))
    for _ in range(5):
        day.pass_s(5)
        day.truth.on_book_read(day.truth.now_ns, [])

    day.send(day.intend(Role.EXIT))

    assert day.broken == ["O3"]


@pytest.mark.row("RTP-24")
def test_a_second_marketable_exit_breaks_e3(day):
    day.judged_by(OneMarketExit())
    day.enter()
    day.rest(Role.EXIT)
    assert day.broken == []
    day.pass_s(1)

    day.rest(Role.EXIT)

    assert day.broken == ["E3"]


def test_slices_of_one_decision_are_one_exit(day):
    day.judged_by(OneMarketExit(), NoBlindResend())
    day.enter()
    slices = [day.intend(Role.EXIT), day.intend(Role.EXIT)]

    for tag in slices:
        day.send(tag)

    assert day.broken == []


def test_the_ninth_request_in_a_second_breaks_o4(day):
    day.judged_by(Budget())
    for number in range(8):
        day.send(day.intend(Role.STOP, bracket=f"B{number}"))
    assert day.broken == []

    day.send(day.intend(Role.STOP, bracket="B9"))

    assert day.broken == ["O4"]


def test_an_order_storm_on_one_position_breaks_o4(day):
    day.judged_by(Budget())
    for _ in range(14):
        day.pass_s(3)
        day.send(day.intend(Role.EXIT))

    assert day.broken == ["O4"]
    assert "14 requests in a minute" in day.texts


def test_one_modify_too_many_breaks_o5(day):
    day.judged_by(ModifyCap(2))
    tag = day.intend(Role.STOP)
    broker_id = day.order(tag)
    for _ in range(2):
        day.change(tag, broker_id=broker_id)
    assert day.broken == []

    day.change(tag, broker_id=broker_id)

    assert day.broken == ["O5"]


@pytest.mark.parametrize(
    ("before", "after"),
    [("cancelled", "working"), ("filled", "part-filled"), ("working", "sent"), ("working", "unknown")],
)
def test_an_order_that_goes_back_breaks_o6(day, before, after):
    day.judged_by(Monotone())
    day.truth.on_order_row("SD1E", before, 0)
    day.truth.on_order_row("SD1E", after, 0)

    day.look()

    assert day.broken == ["O6"]


def test_a_ghost_that_appears_does_not_break_o6_but_lost_fills_do(day):
    day.judged_by(Monotone())
    day.truth.on_order_row("SD1S", "rejected", 0)
    day.truth.on_order_row("SD1S", "working", 0)
    day.truth.on_order_row("SD1S", "part-filled", 65)
    day.look()
    assert day.broken == []

    day.truth.on_order_row("SD1S", "part-filled", 0)
    day.look()

    assert day.broken == ["O6"]


@pytest.mark.parametrize(
    "terms",
    [
        {"qty": 64},
        {"qty": 1885},
        {"limit": 10_003},
        {"limit": 0},
        {"type": OrderType.SL_M, "trigger": 10_000},
    ],
)
def test_a_malformed_request_breaks_o7(day, terms):
    day.judged_by(WellFormed())

    day.send(day.intend(Role.ENTRY), **terms)

    assert day.broken == ["O7"]


def test_odd_units_may_leave(day):
    day.judged_by(WellFormed())

    day.send(day.intend(Role.EXIT), qty=30)

    assert day.broken == []


def test_a_cancel_of_somebody_elses_order_breaks_i8(day):
    day.judged_by(ForeignUntouched())
    theirs = day.order("", broker_id="N77")

    day.change(day.intend(Role.STOP), op="cancel", broker_id=theirs)

    assert day.broken == ["I-8"]


def test_an_entry_on_an_old_price_breaks_m1(day):
    day.judged_by(FreshPrice(5 * NS_PER_S))
    day.truth.on_tick(Tick(PE, day.truth.now_ns, 10_000))
    day.pass_s(4)
    day.send(day.intend(Role.ENTRY, bracket="B1"))
    assert day.broken == []
    day.pass_s(2)

    day.send(day.intend(Role.ENTRY, bracket="B2"))

    assert day.broken == ["M1"]


def test_a_cancelled_order_is_no_second_exit(day):
    day.judged_by(OneMarketExit())
    day.enter()
    first = day.rest(Role.EXIT)
    day.cancelled(first)
    day.pass_s(1)

    day.rest(Role.EXIT)

    assert day.broken == []
    assert day.truth.orders[f"N{first}"].state is OrderState.CANCELLED
