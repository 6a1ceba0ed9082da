"""Each check on positions is shown a world that breaks its invariant, and the window in which it must not speak."""

from __future__ import annotations

import pytest

from engine.instant import NS_PER_S
from engine.order import OrderState, Role
from engine.port import Unknown
from tui.simulation.exit_checks import (
    ExitQty,
    ExitSize,
    Flat,
    InTime,
    NoReverse,
    Protected,
    StopOnlyTightens,
    reversal_cause,
)

PE = "NIFTY01DEC2624500PE"
LOT = 65


@pytest.mark.row("LEG-16")
def test_exits_above_the_position_break_e1_after_the_window(day):
    day.judged_by(ExitQty())
    day.enter()
    day.rest(Role.STOP, 2 * LOT)
    day.pass_s(3)
    assert day.broken == []

    day.pass_s(3)

    assert day.broken == ["E1"]
    assert "130 over 65" in day.texts


def test_a_target_and_a_stop_of_one_position_count_once(day):
    day.judged_by(ExitQty())
    day.enter()
    day.rest(Role.STOP)
    day.rest(Role.TARGET)

    day.pass_s(60)

    assert day.broken == []


def test_a_fill_that_nobody_told_the_desk_of_widens_the_window(day):
    day.judged_by(ExitQty())
    day.enter()
    day.rest(Role.STOP)
    target = day.rest(Role.TARGET)
    day.fill(target, told=False)
    day.pass_s(9)
    assert day.broken == []

    day.pass_s(5)

    assert day.broken == ["E1"]


def test_a_reversal_without_a_cause_breaks_e2_at_once(day):
    day.judged_by(NoReverse())
    day.enter()
    for _ in range(2):
        tag = day.intend(Role.EXIT)
        day.answer(day.send(tag))
        day.fill(tag)

    assert day.broken == ["E2"]
    assert "without a cause" in day.texts


def test_a_double_fill_is_a_cause_and_must_be_repaired_in_time(day):
    day.judged_by(NoReverse())
    day.enter()
    day.fill(day.rest(Role.STOP))
    day.fill(day.rest(Role.TARGET))
    assert day.broken == []
    assert reversal_cause(day.truth, day.truth.groups["B1"]) == "OCO double fill"

    day.pass_s(8)

    assert day.broken == ["E2"]
    assert "not repaired" in day.texts


def test_a_repaired_double_fill_is_in_order(day):
    day.judged_by(NoReverse())
    day.enter()
    day.fill(day.rest(Role.STOP))
    day.fill(day.rest(Role.TARGET))
    day.pass_s(1)
    day.fill(day.rest(Role.REPAIR))

    day.pass_s(60)

    assert day.broken == []
    assert day.truth.groups["B1"].held_qty == 0


def test_a_late_order_without_an_answer_is_a_ghost(day):
    day.judged_by(NoReverse())
    day.enter()
    ghost = day.intend(Role.EXIT)
    day.answer(day.send(ghost), Unknown("timeout"))
    day.fill(day.rest(Role.STOP), told=False)

    day.fill(ghost, told=False)

    assert day.broken == []
    assert reversal_cause(day.truth, day.truth.groups["B1"]) == "ghost"


def test_a_fill_behind_an_end_that_the_broker_told_is_a_cause(day):
    """ORD-18: the broker called the stop cancelled without a fill, and it had filled."""
    day.judged_by(NoReverse())
    day.enter()
    stop = day.rest(Role.STOP)
    day.cancelled(stop)
    day.fill(stop, told=False)

    day.fill(day.rest(Role.EXIT))

    assert day.broken == []
    assert reversal_cause(day.truth, day.truth.groups["B1"]) == "ghost"


@pytest.mark.row("LEG-34")
def test_a_stop_that_loosens_breaks_i4(day):
    day.judged_by(StopOnlyTightens())
    day.enter()
    day.truth.on_bracket_row("B1", "protected", "resting", 9_800, 0)
    day.truth.on_bracket_row("B1", "protected", "resting", 9_900, 0)
    day.look()
    assert day.broken == []

    day.truth.on_bracket_row("B1", "protected", "resting", 9_895, 0)
    day.look()

    assert day.broken == ["I-4"]


def test_a_naked_position_without_an_alarm_breaks_p1(day):
    day.judged_by(Protected())
    day.enter()
    day.pass_s(3)
    assert day.broken == []

    day.pass_s(2)

    assert day.broken == ["P1"]


def test_an_alarm_without_a_cause_excuses_nothing(day):
    day.judged_by(Protected())
    day.enter()
    day.truth.on_alarm_row("naked:B1", day.truth.now_ns, 0, f"{PE}: naked")

    day.pass_s(11)

    assert day.broken == ["P1"]
    assert "no cause" in day.texts


def test_an_exit_that_is_sent_too_large_breaks_e1_at_once(day):
    day.judged_by(ExitSize())
    day.enter()
    day.send(day.intend(Role.STOP), LOT)
    assert day.broken == []

    day.send(day.intend(Role.STOP, bracket="B2"), LOT)

    assert day.broken == ["E1"], "B2 holds nothing"


def test_a_second_stop_beside_a_working_one_breaks_e1_at_once(day):
    day.judged_by(ExitSize())
    day.enter()
    day.rest(Role.STOP)
    day.rest(Role.TARGET)
    assert day.broken == []

    day.send(day.intend(Role.STOP), LOT)

    assert day.broken == ["E1"]


def test_an_exit_grown_by_modify_above_the_position_breaks_e1_at_once(day):
    day.judged_by(ExitSize())
    day.enter()
    stop = day.rest(Role.STOP)
    day.change(stop, broker_id=f"N{stop}", qty=LOT)
    assert day.broken == []

    day.change(stop, broker_id=f"N{stop}", qty=2 * LOT)

    assert day.broken == ["E1"]


def test_an_alarm_says_that_it_is_naked_but_not_for_ever(day):
    day.judged_by(Protected())
    day.enter()
    day.truth.on_fault("ORD-01", "place timed out")
    day.truth.on_alarm_row("naked:B1", day.truth.now_ns, 0, f"{PE}: naked")
    day.pass_s(80)
    assert day.broken == []

    day.pass_s(20)

    assert day.broken == ["P1"]


def test_a_stop_for_a_part_does_not_protect_the_rest(day):
    day.judged_by(Protected())
    day.enter(2 * LOT)
    day.rest(Role.STOP, LOT)

    day.pass_s(5)

    assert day.broken == ["P1"]
    assert "65 of 130" in day.texts


def test_a_monitored_position_rests_no_stop_on_purpose(day):
    day.judged_by(Protected())
    day.enter()
    day.truth.on_bracket_row("B1", "protected", "monitored", 9_800, 0)

    day.pass_s(60)

    assert day.broken == []


def test_a_bracket_called_flat_that_is_not_breaks_q1(day):
    day.judged_by(Flat())
    day.enter()

    day.closed()

    assert day.broken == ["Q1"]


def test_a_bracket_called_flat_with_an_order_left_breaks_q1(day):
    day.judged_by(Flat())
    day.enter()
    day.rest(Role.STOP)
    day.fill(day.rest(Role.TARGET))

    day.closed()

    assert day.broken == ["Q1"]


def test_a_flat_bracket_is_forgotten(day):
    day.judged_by(Flat())
    day.enter()
    stop = day.rest(Role.STOP)
    day.fill(day.rest(Role.TARGET))
    day.order(stop, LOT, 0, OrderState.CANCELLED)

    day.closed()

    assert day.broken == []
    assert day.truth.open_groups == {}


def test_a_position_at_the_brokers_cut_off_breaks_q2(day):
    day.judged_by(InTime(day.truth.now_ns, day.truth.now_ns + 300 * NS_PER_S))
    day.enter()
    day.pass_s(299)
    assert day.broken == []

    day.pass_s(2)

    assert day.broken == ["Q2"]
