"""`ma_cross`: when the target is dropped, and the one candle on which it leaves."""

from __future__ import annotations

from typing import Any

import pytest

from engine.exit_rules.ma_cross import REASON_CROSS, MaCross
from engine.exit_rules.rule import NOTHING
from engine.order import Side
from engine.reading import IndicatorSpec

Open = Any
RULE = MaCross()
FAST, SLOW = RULE.needs()


def read(position: Open, fast: tuple[float, float], slow: tuple[float, float]) -> None:
    position.next_candle()
    position.read(FAST, fast[1], before=fast[0])
    position.read(SLOW, slow[1], before=slow[0])


@pytest.mark.row("RTP-19")
def test_its_averages_are_simple_of_four_and_seven_candles_unless_told_otherwise() -> None:
    assert RULE.needs() == (IndicatorSpec("sma", (4,)), IndicatorSpec("sma", (7,)))
    assert MaCross(fast=3, average="ema").needs()[0] == IndicatorSpec("ema", (3,))


@pytest.mark.row("RTP-19")
@pytest.mark.parametrize(
    ("trade_type", "high", "dropped"),
    [("Entry2", 106_99, False), ("Entry2", 107_00, True), ("Manual", 107_00, True), ("Entry3", 150_00, False)],
)
def test_at_seven_percent_the_fixed_target_is_dropped(
    open_position: Open, trade_type: str, high: int, dropped: bool
) -> None:
    position = open_position(RULE, trade_type=trade_type)

    assert position.at(high).drops_target is dropped
    assert position.at(101_00).drops_target is dropped, "the highest price counts, and it stays armed"


@pytest.mark.row("RTP-18")
@pytest.mark.parametrize(
    ("fast", "slow", "leave"),
    [
        ((101.0, 99.9), (100.0, 100.0), REASON_CROSS),
        ((100.0, 99.0), (100.0, 100.0), REASON_CROSS),
        ((99.0, 98.0), (100.0, 100.0), ""),
        ((101.0, 100.0), (100.0, 100.0), ""),
    ],
)
def test_it_leaves_on_the_candle_on_which_fast_goes_under_slow(
    open_position: Open, fast: tuple[float, float], slow: tuple[float, float], leave: str
) -> None:
    position = open_position(RULE)
    position.at(107_00)
    read(position, fast, slow)

    assert position.candle().leave == leave


@pytest.mark.row("RTP-18")
def test_it_never_leaves_in_the_middle_of_a_candle(open_position: Open) -> None:
    position = open_position(RULE)
    position.at(107_00)
    read(position, (101.0, 99.0), (100.0, 100.0))

    assert position.at(103_00).leave == ""
    assert position.candle().leave == REASON_CROSS


@pytest.mark.row("RTP-18")
def test_a_cross_before_it_armed_does_not_count(open_position: Open) -> None:
    position = open_position(RULE)
    read(position, (101.0, 99.0), (100.0, 100.0))
    assert position.candle() == NOTHING
    position.now_ns += 1
    position.at(107_00)

    assert position.candle().leave == ""


@pytest.mark.row("RTP-18")
def test_averages_of_different_candles_are_not_compared(open_position: Open) -> None:
    position = open_position(RULE)
    position.at(107_00)
    position.next_candle()
    position.read(FAST, 99.0, before=101.0)
    position.next_candle()
    position.read(SLOW, 100.0, before=100.0)

    assert position.candle().leave == ""


def test_a_missing_average_or_a_first_value_is_no_cross(open_position: Open) -> None:
    position = open_position(RULE)
    position.at(107_00)
    assert position.candle().leave == ""
    position.next_candle()
    position.read(FAST, 99.0)
    position.read(SLOW, 100.0, before=100.0)

    assert position.candle().leave == ""
    assert position.story().is_active


@pytest.mark.row("RTP-18", "RTP-19")
def test_a_short_position_leaves_when_fast_goes_over_slow(open_position: Open) -> None:
    position = open_position(RULE, side=Side.SELL, first_stop=107_00)
    assert not position.at(93_01).drops_target
    assert position.at(93_00).drops_target
    read(position, (99.0, 101.0), (100.0, 100.0))

    assert position.candle().leave == REASON_CROSS


def test_fast_must_be_below_slow() -> None:
    with pytest.raises(ValueError, match="fast must be below slow"):
        MaCross(fast=7, slow=7)


def test_the_story_tells_both_averages(open_position: Open) -> None:
    position = open_position(RULE)
    assert (position.story().inputs, position.story().level_paise) == ("no averages yet", 107_00)
    read(position, (101_00.0, 102_00.0), (100_00.0, 100_50.0))

    assert position.story().inputs == "fast 102.00, slow 100.50, best 100.00"
