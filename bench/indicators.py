"""What a new bar costs: SuperTrend(10, 3) and ADX(14) of our own against TA-Lib counting 500 bars again (G11, G11b).

TA-Lib has no SuperTrend, so its side is its ADX, its ATR and the bands in a plain loop over the 500 bars, as a user of
TA-Lib writes it; the part that is TA-Lib alone is shown too. Both sides see the same walk, in turns; the ratio is the
median of the rounds' ratios. Then the board: a tick nobody wants, a tick inside a candle, a tick that ends two candles
with six indicators on them. Run: python bench/indicators.py [--rounds 9] [--bars 2000]
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import statistics
import time
from collections.abc import Callable

import numpy
import talib
from machine import machine

from engine.bars import Bar
from engine.indicator_board import IndicatorBoard
from engine.indicators.adx import Adx
from engine.indicators.supertrend import BEARISH, BULLISH, SuperTrend
from engine.instant import NS_PER_MS, NS_PER_S
from engine.reading import MINUTE_NS, IndicatorSpec

PERIOD, FACTOR, ADX_LENGTH = 10, 3.0, 14
WINDOW = 500
"""Bars TA-Lib counts again for each new one."""
SYMBOL = "NIFTY01DEC2624500PE"
OPEN_NS = 1_795_405_500 * NS_PER_S  # 2026-11-23 09:15 IST
WANTED = [
    *(IndicatorSpec("supertrend", (PERIOD, FACTOR), n * MINUTE_NS) for n in (1, 5)),
    *(IndicatorSpec("adx", (ADX_LENGTH,), n * MINUTE_NS) for n in (1, 5)),
    IndicatorSpec("sma", (4,)),
    IndicatorSpec("sma", (7,)),
]


def walk(count: int) -> list[Bar]:
    """A seeded walk in paise, moves of up to 0.60 a price."""
    rng, close, bars = random.Random(11), 15_000, []
    for number in range(count):
        prices = [max(close + rng.randint(-60, 60), 5) for _ in range(4)]
        close = prices[-1]
        bars.append(
            Bar(
                start_ns=OPEN_NS + number * MINUTE_NS,
                open_paise=prices[0],
                high_paise=max(prices),
                low_paise=min(prices),
                close_paise=close,
            )
        )
    return bars


def us_per_call(call: Callable[[int], object], numbers: range) -> float:
    began = time.perf_counter_ns()
    for number in numbers:
        call(number)
    return (time.perf_counter_ns() - began) / len(numbers) / 1_000


# --- the two sides --------------------------------------------------------------------------------------------------


class Own:
    def __init__(self, bars: list[Bar]) -> None:
        self._bars = bars
        self.trend, self.adx = SuperTrend(PERIOD, FACTOR), Adx(ADX_LENGTH)

    def on_bar(self, number: int) -> tuple[float | None, float | None]:
        bar = self._bars[number]
        return self.trend.update(bar), self.adx.update(bar)


class Recomputed:
    """TA-Lib over the last WINDOW bars up to and with the new one."""

    def __init__(self, bars: list[Bar]) -> None:
        self._high, self._low, self._close = (
            numpy.array([getattr(bar, f"{name}_paise") for bar in bars], dtype=float)
            for name in ("high", "low", "close")
        )

    def _window(self, number: int) -> tuple[numpy.ndarray, numpy.ndarray, numpy.ndarray]:
        span = slice(max(number + 1 - WINDOW, 0), number + 1)
        return self._high[span], self._low[span], self._close[span]

    def adx_alone(self, number: int) -> float:
        return talib.ADX(*self._window(number), ADX_LENGTH)[-1]

    def on_bar(self, number: int) -> tuple[float, float]:
        high, low, close = self._window(number)
        adx = talib.ADX(high, low, close, ADX_LENGTH)[-1]
        reach = FACTOR * talib.ATR(high, low, close, PERIOD)
        middle = (high + low) / 2
        uppers, lowers = (middle + reach).tolist(), (middle - reach).tolist()
        closes = close.tolist()
        upper, lower, trend = uppers[PERIOD], lowers[PERIOD], BEARISH
        for i in range(PERIOD + 1, len(closes)):
            if uppers[i] < upper or closes[i - 1] > upper:
                upper = uppers[i]
            if lowers[i] > lower or closes[i - 1] < lower:
                lower = lowers[i]
            if trend == BULLISH:
                if closes[i] < lower:
                    trend = BEARISH
            elif closes[i] > upper:
                trend = BULLISH
        return (lower if trend == BULLISH else upper), adx


def show_bars(rounds: int, count: int) -> None:
    bars = walk(WINDOW + count)
    sides: list[list[float]] = [[], [], []]
    ratios: list[float] = []
    for _ in range(rounds):
        own, other = Own(bars), Recomputed(bars)
        for number in range(WINDOW):
            own.on_bar(number)
        fresh = range(WINDOW, len(bars))
        spent = [us_per_call(call, fresh) for call in (own.on_bar, other.on_bar, other.adx_alone)]
        for side, us in zip(sides, spent, strict=True):
            side.append(us)
        ratios.append(spent[1] / spent[0])
    ours, theirs, alone = (statistics.median(side) for side in sides)
    print(
        f"G11  SuperTrend({PERIOD}, {FACTOR:g}) + ADX({ADX_LENGTH}) a new bar: own {ours:.2f} us, TA-Lib over {WINDOW}"
        f" bars {theirs:.1f} us: 1/{statistics.median(ratios):.0f} (goal 1/30, stretch 1/60)"
    )
    print(f"     TA-Lib's ADX alone {alone:.1f} us; medians of {rounds} rounds of {count} bars in turns")


def show_agreement(count: int) -> None:
    bars = walk(count)
    own, other = Own(bars), Recomputed(bars)
    theirs = talib.ADX(other._high, other._low, other._close, ADX_LENGTH)
    worst = 0.0
    for number in range(count):
        _, adx = own.on_bar(number)
        if (adx is None) != bool(numpy.isnan(theirs[number])):
            raise SystemExit(f"bar {number}: one side has an ADX, the other has none")
        worst = max(worst, abs(adx - theirs[number]) if adx is not None else 0.0)
    print(f"G11b ADX against TA-Lib over {count} bars from the first value on: {worst:.1e} apart (goal 1e-9)")


# --- the board ------------------------------------------------------------------------------------------------------


def wanted_board() -> IndicatorBoard:
    board = IndicatorBoard()
    for spec in WANTED:
        board.want(SYMBOL, spec)
    board.begin_day(SYMBOL, OPEN_NS, OPEN_NS + 10_000 * MINUTE_NS, OPEN_NS)
    for interval_ns in (MINUTE_NS, 5 * MINUTE_NS):
        history = [
            Bar(
                start_ns=OPEN_NS - (number + 1) * interval_ns,
                open_paise=15_000,
                high_paise=15_060,
                low_paise=14_940,
                close_paise=15_000 + number % 50,
            )
            for number in range(200)
        ]
        board.seed(SYMBOL, interval_ns, history)
    return board


def show_board(rounds: int, count: int) -> None:
    idle: list[float] = []
    inside: list[float] = []
    ending: list[float] = []
    for _ in range(rounds):
        board, nobody = wanted_board(), IndicatorBoard()
        idle.append(us_per_call(lambda n, board=nobody: board.on_tick(SYMBOL, OPEN_NS + n, 15_000), range(count)))
        inside.append(
            us_per_call(lambda n, board=board: board.on_tick(SYMBOL, OPEN_NS + n * NS_PER_MS, 15_000), range(count))
        )
        board.on_tick(SYMBOL, OPEN_NS + 5 * MINUTE_NS, 15_000)
        ends = range(2, 2 + count // 10)
        ending.append(us_per_call(lambda n, b=board: b.on_tick(SYMBOL, OPEN_NS + 5 * n * MINUTE_NS, 15_000 + n), ends))
    print(
        f"     board, a tick: nobody wants it {statistics.median(idle):.2f} us, inside a candle"
        f" {statistics.median(inside):.2f} us, ending two candles with {len(WANTED)} indicators"
        f" {statistics.median(ending):.1f} us"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="What a new bar costs the indicators, against TA-Lib.")
    parser.add_argument("--rounds", type=int, default=9, help="interleaved rounds (default 9)")
    parser.add_argument("--bars", type=int, default=2_000, help="new bars per round (default 2000)")
    options = parser.parse_args()
    print(machine())
    gc.collect()
    gc.freeze()
    show_bars(options.rounds, options.bars)
    show_agreement(options.bars)
    show_board(options.rounds, options.bars * 10)
    print(f"load at the end {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
