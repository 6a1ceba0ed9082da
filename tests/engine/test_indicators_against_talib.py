"""ADX, ATR, EMA and SMA against TA-Lib, SuperTrend against a full recomputation: on walks and on every real bar (G11b).

TA-Lib is given the same paise as doubles. The real bars are read where they lie, beside the project.
"""

from __future__ import annotations

import csv
import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.bars import Bar
from engine.indicators.adx import Adx
from engine.indicators.atr import Atr
from engine.indicators.ema import Ema
from engine.indicators.sma import Sma
from engine.indicators.supertrend import SuperTrend
from engine.money import paise_from_rupees

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
CLOSE_ENOUGH = 1e-9
"""Paise, or points of the ADX."""

Values = list[float | None]


# --- bars to compare on -------------------------------------------------------------------------------------------


def bar_of(number: int, *prices: int) -> Bar:
    return Bar(
        start_ns=number, open_paise=prices[0], high_paise=max(prices), low_paise=min(prices), close_paise=prices[-1]
    )


def walk(seed: int, count: int, step: int, start: int = 1_000_000) -> list[Bar]:
    """A random walk in paise; each bar moves up to `step` around the close before, and some bars are flat."""
    rng, close, bars = random.Random(seed), start, []
    for number in range(count):
        reach = 0 if rng.random() < 0.05 else step
        prices = [max(close + rng.randint(-reach, reach), 5) for _ in range(4)]
        close = prices[-1]
        bars.append(bar_of(number, *prices))
    return bars


def recorded() -> dict[str, list[Bar]]:
    """Every series of the recorded days, holes and all."""
    series: dict[str, list[Bar]] = defaultdict(list)
    for path in sorted(DATA.glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines):
                prices = [paise_from_rupees(row[name]) for name in ("open", "high", "low", "close")]
                bars = series[f"{path.stem} {row['symbol']}"]
                bars.append(bar_of(len(bars), *prices))
    return series


RECORDED = recorded()
needs_data = pytest.mark.skipif(not RECORDED, reason="the recorded days are not beside the project")

bar_lists = st.lists(st.lists(st.integers(1, 2_000), min_size=4, max_size=4), min_size=1, max_size=120).map(
    lambda shapes: [bar_of(number, *shape) for number, shape in enumerate(shapes)]
)


# --- the references -----------------------------------------------------------------------------------------------


def column(bars: list[Bar], name: str) -> numpy.ndarray:
    return numpy.array([getattr(bar, name) for bar in bars], dtype=float)


def ranges_of_talib(function: Callable[..., numpy.ndarray], bars: list[Bar], length: int) -> numpy.ndarray:
    return function(*(column(bars, f"{name}_paise") for name in ("high", "low", "close")), length)


CASES: dict[str, tuple[Callable[[list[Bar], int], Values], Callable[[list[Bar], int], numpy.ndarray]]] = {
    "adx": (
        lambda bars, length: [*map(Adx(length).update, bars)],
        lambda bars, length: ranges_of_talib(talib.ADX, bars, length),
    ),
    "atr": (
        lambda bars, length: [*map(Atr(length).update, bars)],
        lambda bars, length: ranges_of_talib(talib.ATR, bars, length),
    ),
    "ema": (
        lambda bars, length: [*map(Ema(length).update, (bar.close_paise for bar in bars))],
        lambda bars, length: talib.EMA(column(bars, "close_paise"), length),
    ),
    "sma": (
        lambda bars, length: [*map(Sma(length).update, (bar.close_paise for bar in bars))],
        lambda bars, length: talib.SMA(column(bars, "close_paise"), length),
    ),
}


def same_as_talib(kind: str, bars: list[Bar], length: int) -> int:
    """Asserts that both begin with the same bar and agree from there on; returns how many values were compared."""
    ours, theirs = (count(bars, length) for count in CASES[kind])
    compared = 0
    for number, (own, other) in enumerate(zip(ours, theirs, strict=True)):
        where = f"{kind}({length}), bar {number} of {len(bars)}"
        assert (own is None) == bool(numpy.isnan(other)), where
        if own is not None:
            assert abs(own - other) <= CLOSE_ENOUGH, where
            compared += 1
    return compared


def plain_supertrend(bars: list[Bar], period: int, factor: float) -> list[tuple[float, int] | None]:
    """Every line of the definition as a list over all bars: ranges, Wilder's average, bands, carried bands, trend."""
    ranges = [
        max(bar.high_paise - bar.low_paise, abs(bar.high_paise - b.close_paise), abs(bar.low_paise - b.close_paise))
        for b, bar in pairwise(bars)
    ]
    if len(ranges) < period:
        return [None] * len(bars)
    averages = [sum(ranges[:period]) / period]
    for true_range in ranges[period:]:
        averages.append((averages[-1] * (period - 1) + true_range) / period)
    live = bars[period:]
    middles = [(bar.high_paise + bar.low_paise) / 2 for bar in live]
    upper = [middle + factor * average for middle, average in zip(middles, averages, strict=True)]
    lower = [middle - factor * average for middle, average in zip(middles, averages, strict=True)]
    for i in range(1, len(live)):
        close_before = live[i - 1].close_paise
        if upper[i] >= upper[i - 1] and close_before <= upper[i - 1]:
            upper[i] = upper[i - 1]
        if lower[i] <= lower[i - 1] and close_before >= lower[i - 1]:
            lower[i] = lower[i - 1]
    trend = [-1]
    for i in range(1, len(live)):
        falls = trend[-1] == 1 and live[i].close_paise < lower[i]
        rises = trend[-1] == -1 and live[i].close_paise > upper[i]
        trend.append(-1 if falls else 1 if rises else trend[-1])
    lines = [lower[i] if trend[i] == 1 else upper[i] for i in range(len(live))]
    return [None] * period + list(zip(lines, trend, strict=True))


def own_supertrend(bars: list[Bar], period: int, factor: float) -> Iterator[tuple[float, int] | None]:
    own = SuperTrend(period, factor)
    for bar in bars:
        value = own.update(bar)
        assert value == own.value
        yield None if value is None else (value, own.direction)


# --- TA-Lib -------------------------------------------------------------------------------------------------------


@pytest.mark.row("RTP-50")
@needs_data
@pytest.mark.parametrize("kind", CASES)
def test_every_recorded_bar_gives_ta_libs_value_from_its_first_on(kind: str) -> None:
    compared = sum(same_as_talib(kind, bars, length) for bars in RECORDED.values() for length in (2, 4, 7, 10, 14, 50))

    assert compared > 50_000


@pytest.mark.row("RTP-50")
@pytest.mark.parametrize("kind", CASES)
@pytest.mark.parametrize("step", [3, 60, 5_000])
def test_long_random_walks_give_ta_libs_value_from_its_first_on(kind: str, step: int) -> None:
    for seed in range(4):
        assert same_as_talib(kind, walk(seed, 2_000, step), 14) > 1_900


@pytest.mark.row("RTP-50")
@pytest.mark.parametrize("kind", CASES)
@given(bars=bar_lists, length=st.integers(2, 20))
@settings(max_examples=60)
def test_any_bars_give_ta_libs_value_from_its_first_on(kind: str, bars: list[Bar], length: int) -> None:
    same_as_talib(kind, bars, length)


@pytest.mark.parametrize("kind", CASES)
def test_a_market_that_stands_still_for_days_and_then_moves_stays_with_ta_lib(kind: str) -> None:
    moving = walk(7, 120, 50)
    still = [bar_of(number, moving[-1].close_paise) for number in range(1_500)]

    same_as_talib(kind, moving + still + walk(8, 200, 50, moving[-1].close_paise), 14)
    same_as_talib(kind, still + moving, 14)


# --- SuperTrend ---------------------------------------------------------------------------------------------------


@pytest.mark.row("RTP-20", "RTP-50")
@needs_data
@pytest.mark.parametrize(("period", "factor"), [(10, 2.0), (10, 2.5), (10, 3.0), (7, 3.0), (1, 1.0)])
def test_supertrend_equals_the_reference_on_every_recorded_bar_to_the_last_bit(period: int, factor: float) -> None:
    turns = 0
    for name, bars in RECORDED.items():
        expected = plain_supertrend(bars, period, factor)
        assert list(own_supertrend(bars, period, factor)) == expected, name
        turns += sum(a is not None and b is not None and a[1] != b[1] for a, b in pairwise(expected))

    assert turns > 100


@pytest.mark.row("RTP-20", "RTP-50")
@given(bars=bar_lists, period=st.integers(1, 15), factor=st.floats(0.1, 5.0))
def test_supertrend_equals_the_reference_on_any_bars_to_the_last_bit(
    bars: list[Bar], period: int, factor: float
) -> None:
    assert list(own_supertrend(bars, period, factor)) == plain_supertrend(bars, period, factor)


@pytest.mark.parametrize("step", [3, 60, 5_000])
def test_supertrend_equals_the_reference_on_long_walks_to_the_last_bit(step: int) -> None:
    for seed in range(4):
        bars = walk(seed, 2_000, step)
        assert list(own_supertrend(bars, 10, 2.0)) == plain_supertrend(bars, 10, 2.0)


@pytest.mark.row("RTP-20")
def test_supertrend_begins_bearish_with_bar_period_plus_one_and_turns_with_a_close_above_the_band() -> None:
    trend = SuperTrend(10, 2.0)
    quiet = [bar_of(number, 100_00, 101_00, 99_00, 100_00) for number in range(11)]

    assert [trend.update(bar) for bar in quiet] == [None] * 10 + [104_00.0]
    assert trend.direction == -1
    assert trend.update(bar_of(11, 100_00, 104_00, 100_00, 104_00)) == 104_00.0
    assert trend.direction == -1, "a close on the band has not crossed it"

    value = trend.update(bar_of(12, 104_00, 106_00, 104_00, 106_00))

    assert trend.direction == 1
    assert value == trend.value == 105_00 - 2 * 218.0  # ranges 200 x 10, 400, 200: averages 200, 220, 218


@given(bars=bar_lists, period=st.integers(1, 15), factor=st.floats(0.1, 5.0))
def test_the_line_gives_way_only_when_the_trend_turns_or_the_close_was_past_it(
    bars: list[Bar], period: int, factor: float
) -> None:
    lines = [*zip(bars, own_supertrend(bars, period, factor), strict=True)]
    for (bar, line), (_, next_line) in pairwise(lines):
        if line is None or next_line is None or line[1] != next_line[1]:
            continue
        value, direction = line
        if direction * (bar.close_paise - value) >= 0:
            assert direction * (next_line[0] - value) >= 0


def test_a_wild_bar_can_close_past_both_bands_and_leave_a_bearish_line_under_the_price() -> None:
    """TradingView and the reference do the same; a rule that follows the line has to look at the price as well."""
    trend = SuperTrend(10, 2.0)
    for number in range(40):
        trend.update(bar_of(number, 100_00 + 50 * number, 101_00 + 50 * number, 99_00 + 50 * number))
    assert trend.direction == 1

    value = trend.update(bar_of(40, 119_00, 50_00, 112_00))

    assert trend.direction == -1
    assert value is not None and value < 112_00
