"""Every rule in a trader's words, the prices it asks to be shown, and where it would arm: exact, rule by rule."""

from __future__ import annotations

from typing import Any

import pytest

from engine.exit_rules.breakeven import Breakeven
from engine.exit_rules.lock_fraction import LockFraction
from engine.exit_rules.ma_cross import REASON_CROSS, MaCross
from engine.exit_rules.min_lock import MinLock
from engine.exit_rules.pct_below_hwm import PctBelowHwm
from engine.exit_rules.rule import ExitRule, Proposal, RuleFacts, RuleMemory, hold_best
from engine.exit_rules.supertrend import Supertrend
from engine.exit_rules.time_exit import TimeExit
from engine.order import Side
from engine.price_book import NO_HIGH, NO_LOW
from engine.reading import Readings

Open = Any
LAKH = 1_00_000_00
"""A lakh of rupees in paise: its words show whether figures are grouped as in India."""


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (Breakeven(), "after a gain of 10 % the stop moves to the entry"),
        (
            Breakeven(gain_bps=0, gain_paise=5_00, offset_paise=1_50),
            "after a gain of ₹5.00 per unit the stop moves ₹1.50 beyond the entry",
        ),
        (LockFraction(), "from 50 % of the target on, the stop locks 75 % of the best gain"),
        (
            MaCross(),
            "after a gain of 7 % the fixed target is dropped, and the position is left when sma(4) crosses sma(7) "
            "against it on 1m candles (Entry2, Manual entries)",
        ),
        (
            MinLock(lock_paise=600_00),
            "once the position has gained ₹1,000.00, the stop keeps at least ₹600.00 of it",
        ),
        (
            MinLock(gain_paise=2 * LAKH, lock_paise=LAKH),
            "once the position has gained ₹2,00,000.00, the stop keeps at least ₹1,00,000.00 of it",
        ),
        (PctBelowHwm(), "after a gain of 10 % the stop stays 3 % behind the best price"),
        (
            PctBelowHwm(after_bps=0, after_paise=1_000_00, basis="pnl"),
            "after a gain of ₹1000.00 in all the stop stays 3 % behind the best gain",
        ),
        (
            Supertrend(),
            "while supertrend(10, 2.0) on 1m candles runs with the position, the stop follows its line",
        ),
        (
            Supertrend(trade_types=("Entry3",), interval="5m"),
            "while supertrend(10, 2.0, 5m, Entry3) on 5m candles runs with the position, the stop follows its line "
            "(Entry3 entries)",
        ),
        (TimeExit(), "time-based exit (3:20 PM): whatever is open is left from then on"),
        (TimeExit(at_s=9 * 3600 + 30), "time-based exit (9:00:30 AM): whatever is open is left from then on"),
        (TimeExit(at_s=12 * 3600), "time-based exit (12:00 PM): whatever is open is left from then on"),
    ],
)
def test_a_rule_says_what_it_does(rule: ExitRule, words: str) -> None:
    assert rule.words() == words


@pytest.mark.parametrize(
    ("rule", "facts", "armed_at", "band_armed"),
    [
        (Breakeven(), {}, 110_00, (NO_LOW, NO_HIGH)),
        (LockFraction(), {"target_offset": 400}, 102_00, (NO_LOW, 102_01)),
        (MinLock(lock_paise=600_00), {"qty": 100}, 110_00, (NO_LOW, NO_HIGH)),
        (PctBelowHwm(), {}, 110_00, (NO_LOW, 110_01)),
        (PctBelowHwm(after_bps=0, after_paise=100_00), {"qty": 10}, 110_00, (NO_LOW, 110_01)),
        (MaCross(), {}, 107_00, (NO_LOW, NO_HIGH)),
    ],
)
@pytest.mark.parametrize("side", Side)
def test_a_rule_asks_for_the_price_that_arms_it_and_then_for_those_that_move_it(
    open_position: Open, rule: ExitRule, facts: dict[str, int], armed_at: int, band_armed: tuple[int, int], side: Side
) -> None:
    def mirrored(band: tuple[int, int]) -> tuple[int, int]:
        """Of a short position from the same entry."""
        low, high = band
        return 200_00 - high if high != NO_HIGH else NO_LOW, 200_00 - low if low != NO_LOW else NO_HIGH

    position = open_position(rule, side=side, **facts)
    arming = armed_at if side is Side.BUY else 200_00 - armed_at
    before = (NO_LOW, armed_at)
    assert rule.band(position.facts, position.memory) == (before if side is Side.BUY else mirrored(before))
    assert rule.arms_at(position.facts) == arming

    position.at(arming)
    assert position.memory.active
    assert rule.band(position.facts, position.memory) == (band_armed if side is Side.BUY else mirrored(band_armed))


def test_a_rule_that_cannot_arm_asks_for_no_price(open_position: Open) -> None:
    for rule, facts in ((LockFraction(), {"target_offset": 0}), (MaCross(), {"trade_type": "Entry3"})):
        position = open_position(rule, **facts)
        assert rule.band(position.facts, position.memory) == (NO_LOW, NO_HIGH)
        assert rule.arms_at(position.facts) == 0
        position.at(150_00)
        assert not position.memory.active


def test_the_story_says_what_is_missing_and_what_is_there(open_position: Open) -> None:
    lock = open_position(LockFraction(), target_offset=400)
    assert lock.story().inputs == "best +0.00 of 2.00"
    lock.at(103_00)
    assert lock.story().inputs == "best +3.00"
    assert open_position(LockFraction(), target_offset=0).story().inputs == "no target to take a share of"
    hwm = open_position(PctBelowHwm())
    assert hwm.story().inputs == "best 100.00 of 110.00"
    hwm.at(111_00)
    assert hwm.story().inputs == "3 % behind best 111.00"
    assert open_position(MaCross(), trade_type="Entry3").story().inputs == "not for Entry3 entries"
    armed = open_position(MaCross())
    armed.at(107_00)
    assert armed.story().inputs == "no averages"


def test_leaving_by_a_cross_the_target_stays_dropped(open_position: Open) -> None:
    position = open_position(MaCross())
    position.at(107_00)
    fast, slow = position.rule.needs()
    position.next_candle()
    position.read(slow, 100.0, before=100.0)
    assert position.candle() == Proposal(drops_target=True), "one average alone is no cross"
    position.read(fast, 99.0, before=101.0)

    assert position.candle() == Proposal(drops_target=True, leave=REASON_CROSS)


@pytest.mark.parametrize("side", Side)
def test_without_a_price_there_is_no_gain_and_no_best_gain(open_position: Open, side: Side) -> None:
    position = open_position(Breakeven(), side=side)
    position.ltp = position.best = 0
    assert (position.facts.gain_paise, position.facts.best_gain_paise) == (0, 0)

    position.ltp, position.best = 1, 2
    assert (position.facts.gain_paise, position.facts.best_gain_paise) == (side.sign * -99_99, side.sign * -99_98)


@pytest.mark.row("I-4")
@pytest.mark.parametrize(("side", "looser", "tighter"), [(Side.BUY, 99_00, 102_00), (Side.SELL, 101_00, 98_00)])
def test_the_level_a_rule_holds_never_loosens(open_position: Open, side: Side, looser: int, tighter: int) -> None:
    position = open_position(Breakeven(), side=side)
    proposed = [hold_best(position.facts, position.memory, paise) for paise in (100_00, looser, tighter, 100_00)]

    assert [proposal.stop_paise for proposal in proposed] == [100_00, 100_00, tighter, tighter]
    assert position.memory.level_paise == tighter


class Plain(ExitRule, frozen=True, kw_only=True):
    """Overrides what every rule must: its answer to a price."""

    def on_price(self, facts: RuleFacts, memory: RuleMemory, readings: Readings) -> Proposal:
        memory.mark_paise += 1
        return Proposal(stop_paise=memory.mark_paise)


def test_a_rule_that_says_no_more_is_asked_by_prices_and_candles_and_waits_for_nothing(open_position: Open) -> None:
    position = open_position(Plain())

    assert [position.at(100_00).stop_paise, position.candle().stop_paise] == [1, 2]
    assert position.band() == (NO_LOW, NO_HIGH)
    assert (position.rule.wake_ns(position.facts, position.memory), position.rule.arms_at(position.facts)) == (0, 0)
    assert (position.story().inputs, position.story().level_paise, position.story().age_ns) == ("", 0, 0)
    assert (position.rule.needs(), position.rule.cannot_arm(position.facts, position.board)) == ((), "")


def test_percent_count_the_best_price_and_rupees_the_price_of_now(open_position: Open) -> None:
    for rule, arms in ((PctBelowHwm(), True), (PctBelowHwm(after_bps=0, after_paise=100_00), False)):
        position = open_position(rule, qty=10)
        position.see(110_00)
        position.at(105_00)
        assert position.memory.active is arms


def test_what_arms_a_rule_and_what_it_keeps_is_of_all_units_down_to_the_last(open_position: Open) -> None:
    for qty, arms_at in ((1, 1_100_00), (2, 600_00), (0, 1_100_00)):
        position = open_position(MinLock(lock_paise=600_00), qty=qty)
        assert position.rule.arms_at(position.facts) == arms_at
        hwm = open_position(PctBelowHwm(after_bps=0, after_paise=1_000_00), qty=qty)
        assert hwm.rule.arms_at(hwm.facts) == arms_at
