"""What an indicator spec may say, when its first value comes, and from when on its start can no longer be felt."""

from __future__ import annotations

import random

import pytest

from engine.bars import DAILY, Bar
from engine.indicators.kinds import first_value_bars, make_indicator, trusted_bars
from engine.instant import NS_PER_S
from engine.reading import MINUTE_NS, IndicatorSpec

SPECS = [
    IndicatorSpec(kind, args)
    for kind, args in [
        *(("sma", (n,)) for n in (1, 4, 7, 50)),
        *(("ema", (n,)) for n in (1, 3, 20, 50)),
        *(("atr", (n,)) for n in (1, 10, 14)),
        *(("adx", (n,)) for n in (2, 14, 20)),
        *(("supertrend", (n, 2.0)) for n in (1, 7, 10)),
    ]
]


def walk(seed: int, count: int) -> list[Bar]:
    rng, close, bars = random.Random(seed), 1_000_000, []
    for number in range(count):
        prices = [close + rng.randint(-500, 500) for _ in range(4)]
        close = prices[-1]
        bars.append(
            Bar(start_ns=number, open_paise=prices[0], high_paise=max(prices), low_paise=min(prices), close_paise=close)
        )
    return bars


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_the_first_value_comes_with_the_bar_that_is_named(spec: IndicatorSpec) -> None:
    indicator = make_indicator(spec)
    values = [indicator.update(bar) for bar in walk(1, first_value_bars(spec))]

    assert values[:-1] == [None] * (len(values) - 1)
    assert values[-1] is not None
    assert indicator.value == values[-1]


@pytest.mark.row("RTP-50")
@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_nothing_is_trusted_before_thirty_five_bars(spec: IndicatorSpec) -> None:
    assert trusted_bars(spec) >= max(35, first_value_bars(spec))


@pytest.mark.parametrize("spec", [spec for spec in SPECS if spec.kind != "supertrend"], ids=str)
def test_after_the_trusted_number_of_bars_where_it_began_can_hardly_be_felt(spec: IndicatorSpec) -> None:
    """Two indicators, one with 500 bars of an earlier life: the gap at the first value shrinks to 0.1 % of itself."""
    for seed in range(5):
        past, common = walk(seed + 100, 500), walk(seed, trusted_bars(spec))
        old, young = make_indicator(spec), make_indicator(spec)
        for bar in past:
            old.update(bar)
        gaps: list[float] = []
        for bar in common:
            value, fresh = old.update(bar), young.update(bar)
            if value is not None and fresh is not None:
                gaps.append(abs(value - fresh))

        assert gaps[-1] <= max(gaps) * 1e-3 + 1e-9


@pytest.mark.parametrize(
    ("kind", "args", "allowed"),
    [
        ("rsi", (14,), "'rsi': one of adx.length., atr.length., ema.length., sma.length., supertrend.period, factor."),
        ("", (14,), "one of adx"),
        ("SMA", (14,), "one of adx"),
        ("sma", (), r"takes sma\(length\)"),
        ("sma", (4, 7), r"takes sma\(length\)"),
        ("supertrend", (10,), r"takes supertrend\(period, factor\)"),
        ("supertrend", (10, 2.0, 1), r"takes supertrend\(period, factor\)"),
        ("sma", (0,), "a whole number of bars from 1 to 200"),
        ("ema", (-5,), "a whole number of bars from 1 to 200"),
        ("atr", (201,), "a whole number of bars from 1 to 200"),
        ("atr", (10.5,), "a whole number of bars from 1 to 200"),
        ("atr", (float("nan"),), "a whole number of bars from 1 to 200"),
        ("atr", (float("inf"),), "a whole number of bars from 1 to 200"),
        ("atr", (True,), "a whole number of bars from 1 to 200"),
        ("adx", (1,), "a whole number of bars from 2 to 200"),
        ("supertrend", (10, 0), "above 0, at most 20"),
        ("supertrend", (10, -2.0), "above 0, at most 20"),
        ("supertrend", (10, 20.5), "above 0, at most 20"),
        ("supertrend", (10, float("nan")), "above 0, at most 20"),
    ],
)
def test_other_specs_are_refused_with_what_is_allowed(kind: str, args: tuple[float, ...], allowed: str) -> None:
    for ask in (make_indicator, first_value_bars, trusted_bars):
        with pytest.raises(ValueError, match=allowed):
            ask(IndicatorSpec(kind, args))


@pytest.mark.parametrize("interval_ns", [DAILY, 9 * NS_PER_S, -MINUTE_NS, 86_401 * NS_PER_S])
def test_other_intervals_are_refused(interval_ns: int) -> None:
    with pytest.raises(ValueError, match="from 10 seconds to 24 hours"):
        make_indicator(IndicatorSpec("sma", (4,), interval_ns))


def test_a_length_written_with_a_point_is_a_length() -> None:
    assert first_value_bars(IndicatorSpec("sma", (4.0,))) == 4
