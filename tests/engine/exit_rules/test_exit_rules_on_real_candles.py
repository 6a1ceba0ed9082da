"""Rules that need candles, on the desk's own indicator board: fed with ticks, asked as the bracket asks."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.exit_rules.ma_cross import REASON_CROSS, MaCross
from engine.exit_rules.rule import ExitRule
from engine.exit_rules.supertrend import Supertrend
from engine.indicator_board import IndicatorBoard
from engine.instant import NS_PER_S
from engine.order import Side
from engine.reading import MINUTE_NS

Open = Any
SYMBOL = "NIFTY01DEC2624500PE"
OPEN_NS = 1_800_000_000 * NS_PER_S - 1_800_000_000 * NS_PER_S % (300 * NS_PER_S)
WARM_UP = 110
"""Candles before the position is opened."""


def board_for(rule: ExitRule) -> IndicatorBoard:
    board = IndicatorBoard()
    for spec in rule.needs():
        board.want(SYMBOL, spec)
    board.begin_day(SYMBOL, OPEN_NS, OPEN_NS + 375 * MINUTE_NS, OPEN_NS)
    return board


def walk(seed: int, steps: int) -> list[int]:
    """Ticks of 5 s, in paise on the tick."""
    random, price = Random(seed), 150_00
    prices: list[int] = []
    for _ in range(steps):
        price = max(price + 5 * random.randint(-12, 12), 20_00)
        prices.append(price)
    return prices


@pytest.mark.row("RTP-18", "RTP-20")
@given(
    st.builds(
        Supertrend,
        period=st.integers(1, 200),
        factor_hundredths=st.integers(10, 2_000),
        interval=st.sampled_from(["1m", "5m"]),
    )
    | st.builds(MaCross, fast=st.integers(1, 99), slow=st.integers(100, 200), average=st.sampled_from(["sma", "ema"]))
)
def test_the_board_keeps_every_indicator_that_a_rule_may_ask_for(rule: ExitRule) -> None:
    board = board_for(rule)

    assert all(board.missing_bars(SYMBOL, spec) > 0 for spec in rule.needs())


@pytest.mark.row("RTP-20", "RTP-21", "BUG-28", "BUG-29")
@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize("seed", range(4))
def test_on_a_day_of_candles_the_supertrend_stop_is_the_best_line_that_ran_with_the_position(
    open_position: Open, seed: int, side: Side
) -> None:
    rule = Supertrend()
    board = board_for(rule)
    readings = board.readings(SYMBOL)
    prices = walk(seed, 12 * 300)
    entry = prices[12 * WARM_UP]
    position = open_position(
        rule, side=side, entry=entry, ltp=entry, best=entry, first_stop=entry - side.sign * 50_00, board=readings
    )
    best_line = 0.0
    for number, price in enumerate(prices):
        now_ns = OPEN_NS + 5 * NS_PER_S * number
        closed = board.on_tick(SYMBOL, now_ns, price)
        if number < 12 * WARM_UP:
            continue
        position.now_ns = now_ns
        position.see(price)
        answer = position.candle() if closed else position.ask()
        reading = readings.reading(rule.spec)
        assert reading is not None
        if reading.direction == side.sign and side.sign * (reading.value - position.first_stop) > 0:
            best_line = max(best_line, reading.value) if side is Side.BUY else min(best_line or 1e9, reading.value)

        assert abs(answer.stop_paise - best_line) <= 3  # half a tick and the rounding to a paisa

    assert best_line > 0, "the day never ran with the position: the seed tests nothing"


@pytest.mark.row("RTP-18", "RTP-19")
def test_a_rise_and_a_fall_drop_the_target_and_leave_on_a_closed_candle(open_position: Open) -> None:
    rule = MaCross()
    board = board_for(rule)
    position = open_position(rule, board=board.readings(SYMBOL))
    rise = [100_00 + 10 * step for step in range(12 * 15)]
    fall = [rise[-1] - 10 * step for step in range(12 * 15)]
    left: list[tuple[int, bool]] = []
    for number, price in enumerate(rise + fall):
        closed = board.on_tick(SYMBOL, OPEN_NS + 5 * NS_PER_S * number, price)
        position.now_ns = OPEN_NS + 5 * NS_PER_S * number
        position.see(price)
        answer = position.candle() if closed else position.ask()
        assert answer.drops_target == (position.best >= 107_00)
        if answer.leave:
            left.append((number, bool(closed)))
            assert answer.leave == REASON_CROSS

    assert len(left) == 1
    assert left[0][1]
    assert left[0][0] > len(rise)
