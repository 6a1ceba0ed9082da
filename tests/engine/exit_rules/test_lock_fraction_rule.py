"""`lock_fraction`: exact numbers of the leg scalper, for both sides."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.exit_rules.lock_fraction import LockFraction
from engine.exit_rules.rule import NOTHING, RuleFacts, RuleMemory
from engine.order import Side
from engine.reading import NoReadings

Open = Any


@pytest.mark.row("LEG-32")
@pytest.mark.parametrize(
    ("target", "activation_bps", "first"),
    [
        (400, 5_000, 102_00),  # 101.95 no, 102.00 yes
        (400, 10_000, 104_00),
        (400, 0, 100_00),
        (5, 5_000, 100_03),  # a half paisa is not yet half of the target
    ],
)
def test_it_arms_at_its_share_of_the_target_and_not_a_paisa_earlier(
    open_position: Open, target: int, activation_bps: int, first: int
) -> None:
    early = open_position(LockFraction(activation_bps=activation_bps), target_offset=target)
    if first > early.entry:
        assert early.at(first - 1) == NOTHING
        assert early.story().level_paise == first
        assert not early.memory.active

    assert early.at(first).stop_paise > 0
    assert early.memory.active


@pytest.mark.row("LEG-32", "LEG-31")
def test_once_armed_it_stays_armed_and_keeps_the_best_price(open_position: Open) -> None:
    position = open_position(LockFraction())

    stops = [position.stop_at(price) for price in (101_95, 102_00, 101_00, 103_00, 102_60)]

    assert stops == [0, 101_50, 101_50, 102_25, 102_25]


@pytest.mark.row("LEG-33")
@pytest.mark.parametrize(
    ("high", "lock_bps", "stop"),
    [
        (102_00, 7_500, 101_50),
        (103_00, 7_500, 102_25),
        (103_00, 8_000, 102_40),
        (110_00, 7_500, 107_50),
        (102_05, 7_500, 101_55),  # 101.5375 is nearer to 101.55
        (103_00, 0, 100_00),
        (103_00, 10_000, 103_00),
    ],
)
def test_the_stop_locks_its_share_of_the_best_gain(open_position: Open, high: int, lock_bps: int, stop: int) -> None:
    assert open_position(LockFraction(lock_bps=lock_bps)).stop_at(high) == stop


def test_a_short_position_locks_the_same_gain_below_its_entry(open_position: Open) -> None:
    position = open_position(LockFraction(), side=Side.SELL, first_stop=107_00)

    assert [position.stop_at(price) for price in (98_05, 98_00, 99_00, 97_00)] == [0, 98_50, 98_50, 97_75]


def test_without_a_target_it_never_arms_and_says_so(open_position: Open) -> None:
    position = open_position(LockFraction(activation_bps=0), target_offset=0)

    assert position.at(150_00) == NOTHING
    assert position.story().inputs == "no target to take a share of"


@pytest.mark.row("LEG-33")
@given(st.integers(5, 500_00), st.integers(0, 100_00), st.integers(0, 10_000), st.sampled_from([1, 5, 10]))
def test_the_stop_lies_on_the_tick_and_above_the_best_price_by_rounding_only(
    entry: int, up: int, lock: int, tick: int
) -> None:
    facts = RuleFacts(
        now_ns=1,
        symbol="X",
        side=Side.BUY,
        open_qty=1,
        entry_paise=entry,
        target_offset_paise=1,
        first_stop_paise=5,
        stop_paise=5,
        best_paise=entry + up,
        ltp_paise=entry + up,
        tick_paise=tick,
        opened_ns=1,
    )
    rule = LockFraction(activation_bps=0, lock_bps=lock)

    stop = rule.on_price(facts, RuleMemory(), NoReadings()).stop_paise

    assert stop % tick == 0
    assert stop == tick or 2 * (stop - (entry + up)) <= tick


def test_the_story_tells_best_gain_and_where_it_arms(open_position: Open) -> None:
    position = open_position(LockFraction())
    position.at(101_95)

    story = position.story()

    assert (story.rule, story.is_active, story.level_paise) == ("lock_fraction(50 %, 75 %)", False, 102_00)
    assert story.inputs == "best +1.95 of 2.00"
    position.at(103_00)
    assert (position.story().level_paise, position.story().is_active) == (102_25, True)
