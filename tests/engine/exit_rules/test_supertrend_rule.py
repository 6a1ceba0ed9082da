"""`supertrend`: which stop a position has, by trade type and by what the line does."""

from __future__ import annotations

from typing import Any

import pytest

from engine.exit_rules.supertrend import REASON_FLIPBACK, Supertrend
from engine.instant import NS_PER_S
from engine.order import Side
from engine.reading import IndicatorSpec

Open = Any
RULE = Supertrend()
SPEC = RULE.spec
BULL, BEAR = 1, -1


def test_it_asks_for_its_indicator_on_its_candles() -> None:
    assert RULE.needs() == (IndicatorSpec("supertrend", (10, 2.0)),)
    slower = Supertrend(factor_hundredths=250, interval="5m")
    assert slower.needs() == (IndicatorSpec("supertrend", (10, 2.5), 300 * NS_PER_S),)


@pytest.mark.row("RTP-20")
@pytest.mark.parametrize("trade_type", ["Entry2", "Entry3", "Manual"])
@pytest.mark.parametrize(
    ("value", "direction", "stop"),
    [(95_00.0, BULL, 95_00), (92_00.0, BULL, 0), (93_00.0, BULL, 0), (95_00.0, BEAR, 0), (95_00.0, 0, 0)],
)
def test_it_takes_over_only_bullish_and_above_the_fixed_stop(
    open_position: Open, trade_type: str, value: float, direction: int, stop: int
) -> None:
    position = open_position(RULE, trade_type=trade_type)
    position.next_candle()
    position.read(SPEC, value, direction=direction)

    assert position.candle().stop_paise == stop
    assert position.memory.active == bool(stop)


@pytest.mark.row("RTP-22")
@pytest.mark.parametrize(
    ("trade_type", "at_entry", "after_a_candle"),
    [
        ("Entry2", 0, 95_00),  # starts on the fixed stop, changes with the next bullish candle
        ("Entry3", 95_00, 95_00),  # from the entry
        ("Manual", 95_00, 95_00),  # already bullish: from the entry
    ],
)
def test_bullish_at_the_entry_the_trade_type_decides_when_it_counts(
    open_position: Open, trade_type: str, at_entry: int, after_a_candle: int
) -> None:
    position = open_position(RULE, trade_type=trade_type)
    position.read(SPEC, 95_00.0, direction=BULL)

    first = position.ask().stop_paise
    position.next_candle()
    position.read(SPEC, 95_00.0, direction=BULL)

    assert (first, position.candle().stop_paise) == (at_entry, after_a_candle)


@pytest.mark.row("RTP-22")
@pytest.mark.parametrize("trade_type", ["Entry2", "Entry3", "Manual"])
def test_bearish_at_the_entry_every_type_waits_on_the_fixed_stop_until_it_turns(
    open_position: Open, trade_type: str
) -> None:
    position = open_position(RULE, trade_type=trade_type)
    position.read(SPEC, 104_00.0, direction=BEAR)
    assert position.ask().stop_paise == 0

    position.next_candle()
    position.read(SPEC, 96_00.0, direction=BULL, was=BEAR)

    assert position.candle().stop_paise == 96_00


@pytest.mark.row("RTP-20")
def test_a_trade_type_that_is_not_listed_keeps_the_fixed_stop(open_position: Open) -> None:
    position = open_position(Supertrend(trade_types=("Entry3",)), trade_type="Manual")
    position.read(SPEC, 95_00.0, direction=BULL)

    assert position.ask().stop_paise == 0
    assert position.story().inputs == "not for Manual entries"


@pytest.mark.row("RTP-21", "BUG-28")
def test_a_missing_value_keeps_the_last_good_line(open_position: Open) -> None:
    position = open_position(RULE)
    stops: list[int] = []
    for value in (95_00.0, 97_00.0):
        position.next_candle()
        position.read(SPEC, value, direction=BULL)
        stops.append(position.candle().stop_paise)
    position.board.values.clear()

    assert [*stops, position.candle().stop_paise, position.ask().stop_paise] == [95_00, 97_00, 97_00, 97_00]


@pytest.mark.row("RTP-21")
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -5.0, 0.0])
def test_a_value_that_makes_no_sense_is_a_missing_one(open_position: Open, value: float) -> None:
    position = open_position(RULE)
    position.read(SPEC, 95_00.0, direction=BULL)
    position.ask()
    position.next_candle()
    position.read(SPEC, value, direction=BULL)

    assert position.candle().stop_paise == 95_00
    assert position.story().level_paise == 95_00


@pytest.mark.row("RTP-21", "BUG-29")
def test_a_lower_line_never_loosens_the_stop(open_position: Open) -> None:
    position = open_position(RULE)
    for value in (97_00.0, 95_00.0):
        position.next_candle()
        position.read(SPEC, value, direction=BULL)
        position.candle()

    assert position.memory.level_paise == 97_00


@pytest.mark.row("RTP-21", "BUG-29")
@pytest.mark.parametrize(("low", "leave"), [(97_05, ""), (97_00, REASON_FLIPBACK), (96_00, REASON_FLIPBACK)])
def test_a_turn_leaves_only_when_its_candle_reached_the_last_good_line(
    open_position: Open, low: int, leave: str
) -> None:
    position = open_position(RULE)
    position.read(SPEC, 97_00.0, direction=BULL)
    position.ask()
    position.next_candle()
    position.read(SPEC, 104_00.0, direction=BEAR, was=BULL, low=low)

    on_tick, on_candle = position.ask(), position.candle()

    assert (on_tick.stop_paise, on_tick.leave) == (97_00, ""), "never on a tick, never at the bearish line"
    assert (on_candle.stop_paise, on_candle.leave) == (97_00, leave)


@pytest.mark.row("RTP-21")
def test_a_line_that_stays_bearish_is_no_second_turn(open_position: Open) -> None:
    position = open_position(RULE)
    position.read(SPEC, 97_00.0, direction=BULL)
    position.ask()
    for was in (BULL, BEAR):
        position.next_candle()
        position.read(SPEC, 104_00.0, direction=BEAR, was=was, low=97_05 if was == BULL else 90_00)
        answer = position.candle()

    assert (answer.stop_paise, answer.leave) == (97_00, "")


@pytest.mark.row("RTP-21")
def test_a_turn_before_it_was_armed_leaves_nothing(open_position: Open) -> None:
    position = open_position(RULE)
    position.read(SPEC, 104_00.0, direction=BEAR, was=BULL, low=50_00)

    assert (position.candle().leave, position.candle().stop_paise) == ("", 0)


@pytest.mark.row("RTP-20", "RTP-21")
def test_a_short_position_mirrors_all_of_it(open_position: Open) -> None:
    position = open_position(RULE, side=Side.SELL, first_stop=107_00)
    position.read(SPEC, 108_00.0, direction=BEAR)
    assert position.ask().stop_paise == 0  # looser than the fixed stop
    position.read(SPEC, 103_00.0, direction=BEAR)
    assert position.ask().stop_paise == 103_00
    position.next_candle()
    position.read(SPEC, 96_00.0, direction=BULL, was=BEAR, high=103_00)

    assert position.candle().leave == REASON_FLIPBACK
    assert position.candle().stop_paise == 103_00


def test_the_line_is_rounded_to_the_tick(open_position: Open) -> None:
    position = open_position(RULE)
    position.read(SPEC, 95_02.6, direction=BULL)

    assert position.ask().stop_paise == 95_05


@pytest.mark.row("RTP-20")
@pytest.mark.parametrize(
    ("trade_type", "value", "direction", "why"),
    [
        ("Entry3", None, 0, "supertrend(10, 2.0) has no value yet: it has not seen enough 1m candles"),
        ("Entry3", 104_00.0, BEAR, "supertrend(10, 2.0) runs against the position"),
        ("Entry3", 100_50.0, BULL, "supertrend(10, 2.0) stands at 100.50, through the price 100.00"),
        ("Entry2", 95_00.0, BULL, "supertrend(10, 2.0) starts on a fixed stop for Entry2 entries, and there is none"),
        ("Entry3", 95_00.0, BULL, ""),
        ("Manual", 95_00.0, BULL, ""),
    ],
)
def test_as_the_only_stop_it_says_why_it_could_not_protect(
    open_position: Open, trade_type: str, value: float | None, direction: int, why: str
) -> None:
    position = open_position(RULE, trade_type=trade_type, first_stop=0)
    if value is not None:
        position.read(SPEC, value, direction=direction)

    assert RULE.is_stop
    assert RULE.cannot_arm(position.facts, position.board) == why
    if not why:
        assert position.ask().stop_paise == 95_00


def test_beside_a_fixed_stop_nothing_has_to_be_ready(open_position: Open) -> None:
    position = open_position(RULE, trade_type="Entry3")

    assert RULE.cannot_arm(position.facts, position.board) == ""


def test_the_story_tells_line_trend_and_age_of_the_candle(open_position: Open) -> None:
    position = open_position(RULE)
    assert position.story().inputs == "no value yet"
    position.read(SPEC, 95_00.0, direction=BULL)
    position.ask()
    position.now_ns += 37 * NS_PER_S

    story = position.story()

    assert (story.rule, story.is_active, story.level_paise) == ("supertrend(10, 2.0)", True, 95_00)
    assert (story.inputs, story.age_ns) == ("bullish 95.00, fixed stop 93.00", 37 * NS_PER_S)
