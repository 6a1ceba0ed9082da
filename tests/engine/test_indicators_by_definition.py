"""EMA, ATR and SMA against plain slow references of their definitions; first values, gaps, peeking."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.bars import Bar
from engine.indicators.adx import Adx
from engine.indicators.atr import Atr
from engine.indicators.ema import Ema
from engine.indicators.sma import Sma
from engine.indicators.supertrend import SuperTrend


def slow_ema(values: list[int], length: int) -> float | None:
    """TA-Lib EMA: SMA of the first `length` values as seed, k = 2 / (length + 1), from the start every time."""
    if len(values) < length:
        return None
    k, ema = 2 / (length + 1), sum(values[:length]) / length
    for value in values[length:]:
        ema = value * k + ema * (1 - k)
    return ema


def slow_atr(bars: list[Bar], length: int) -> float | None:
    """TA-Lib ATR: true ranges from the second bar, mean of the first `length` as seed, Wilder's smoothing."""
    ranges = [
        max(bar.high_paise - bar.low_paise, abs(bar.high_paise - before), abs(bar.low_paise - before))
        for bar, before in zip(bars[1:], (b.close_paise for b in bars), strict=False)
    ]
    if len(ranges) < length:
        return None
    atr = sum(ranges[:length]) / length
    for true_range in ranges[length:]:
        atr = (atr * (length - 1) + true_range) / length
    return atr


def bar_of(number: int, prices: tuple[int, int, int, int]) -> Bar:
    return Bar(
        start_ns=number, open_paise=prices[0], high_paise=max(prices), low_paise=min(prices), close_paise=prices[3]
    )


prices = st.integers(1, 10_000_000)
lengths = st.integers(1, 20)


@given(st.lists(prices, max_size=60), lengths)
def test_ema_equals_the_reference_after_every_value(values: list[int], length: int) -> None:
    ema = Ema(length)
    for count, value in enumerate(values, start=1):
        peeked = ema.peek(value)

        assert ema.update(value) == peeked == ema.value
        assert ema.value == pytest.approx(slow_ema(values[:count], length), rel=1e-9)


@given(st.lists(st.tuples(prices, prices, prices, prices), max_size=60), lengths)
def test_atr_equals_the_reference_after_every_bar(shapes: list[tuple[int, int, int, int]], length: int) -> None:
    bars = [bar_of(number, shape) for number, shape in enumerate(shapes)]
    atr = Atr(length)
    for count, bar in enumerate(bars, start=1):
        peeked = atr.peek(bar)

        assert atr.update(bar) == peeked == atr.value
        assert atr.value == pytest.approx(slow_atr(bars[:count], length), rel=1e-9)


def test_the_first_values_come_with_their_bar() -> None:
    ema, atr = Ema(5), Atr(14)
    bars = [bar_of(n, (100 + n, 110 + n, 90 + n, 105 + n)) for n in range(20)]

    emas = [ema.update(bar.close_paise) for bar in bars]
    atrs = [atr.update(bar) for bar in bars]

    assert [value is None for value in emas[:5]] == [True] * 4 + [False]
    assert emas[4] == pytest.approx(107.0)
    assert [value is None for value in atrs[:15]] == [True] * 14 + [False]
    assert atrs[14] == pytest.approx(20.0)


def test_a_gap_belongs_to_the_true_range() -> None:
    atr = Atr(1)
    atr.update(bar_of(0, (100, 100, 100, 100)))

    assert atr.update(bar_of(1, (150, 155, 145, 150))) == pytest.approx(55.0)
    assert atr.update(bar_of(2, (90, 95, 85, 90))) == pytest.approx(65.0)


@given(st.lists(prices, max_size=60), lengths)
def test_sma_is_the_exact_mean_of_the_last_values(values: list[int], length: int) -> None:
    sma = Sma(length)
    for count, value in enumerate(values, start=1):
        assert sma.update(value) == (sum(values[count - length : count]) / length if count >= length else None)


def test_a_flat_market_has_no_range_and_no_trend() -> None:
    atr, adx = Atr(3), Adx(3)
    flat = [bar_of(n, (100, 100, 100, 100)) for n in range(40)]

    assert [atr.update(bar) for bar in flat][3:] == [0.0] * 37
    assert [adx.update(bar) for bar in flat][5:] == [0.0] * 35


def test_a_market_that_only_rises_is_all_trend() -> None:
    adx = Adx(3)
    rising = [bar_of(n, (100 + 10 * n, 112 + 10 * n, 99 + 10 * n, 110 + 10 * n)) for n in range(20)]

    values = [adx.update(bar) for bar in rising]

    assert values[:5] == [None] * 5
    assert values[5:] == pytest.approx([100.0] * 15)


@pytest.mark.parametrize("kind", [Ema, Sma, Atr, SuperTrend])
def test_a_length_below_one_is_refused(kind: type[Ema] | type[Sma] | type[Atr] | type[SuperTrend]) -> None:
    with pytest.raises(ValueError, match="length 0: at least 1"):
        kind(0)


def test_an_adx_of_one_bar_is_refused_as_ta_lib_refuses_it() -> None:
    with pytest.raises(ValueError, match="length 1: at least 2"):
        Adx(1)


@pytest.mark.parametrize("factor", [0.0, -1.0, float("nan"), float("inf")])
def test_a_supertrend_without_a_usable_factor_is_refused(factor: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        SuperTrend(10, factor)
