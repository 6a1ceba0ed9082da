"""Black-76 against published and independently derived values, put-call parity, and the smile's shape."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.paper.black76 import Smile, normal_cdf, price
from engine.instrument import OptionType

CE, PE = OptionType.CE, OptionType.PE


@pytest.mark.parametrize(
    ("kind", "forward", "strike", "years", "vol", "rate", "expected"),
    [
        # J. Hull, "Options, Futures, and Other Derivatives": put on a crude-oil future, four months.
        (PE, 20.0, 20.0, 4 / 12, 0.25, 0.09, 1.1166),
        # Hull: call on a gold future, six months.
        (CE, 620.0, 600.0, 0.5, 0.20, 0.05, 44.19),
        # At the money without rate: F (2 N(s/2) - 1), s = vol sqrt(T) = 0.2; N(0.1) = 0.539827837.
        (CE, 100.0, 100.0, 1.0, 0.2, 0.0, 7.9655674),
        (PE, 100.0, 100.0, 1.0, 0.2, 0.0, 7.9655674),
        # The Black-Scholes textbook case S 42, K 40, r 10 %, vol 20 %, T 0.5 (Hull: 4.76 and 0.81), as a forward.
        (CE, 42 * math.exp(0.05), 40.0, 0.5, 0.2, 0.1, 4.7594),
        (PE, 42 * math.exp(0.05), 40.0, 0.5, 0.2, 0.1, 0.8086),
        # At expiry, and with no volatility left.
        (CE, 105.0, 100.0, 0.0, 0.2, 0.1, 5.0),
        (PE, 105.0, 100.0, 0.0, 0.2, 0.1, 0.0),
        (PE, 95.0, 100.0, 1.0, 0.0, 0.0, 5.0),
    ],
)
def test_known_values(kind, forward, strike, years, vol, rate, expected) -> None:
    assert price(kind, forward, strike, years, vol, rate) == pytest.approx(expected, rel=2e-4, abs=1e-9)


FORWARDS = st.floats(15_000, 35_000)
STRIKES = st.floats(15_000, 35_000)
YEARS = st.floats(1e-6, 2.0)
VOLS = st.floats(0.01, 1.5)
RATES = st.floats(0.0, 0.15)


@given(FORWARDS, STRIKES, YEARS, VOLS, RATES)
def test_put_call_parity(forward, strike, years, vol, rate) -> None:
    difference = price(CE, forward, strike, years, vol, rate) - price(PE, forward, strike, years, vol, rate)

    assert difference == pytest.approx(math.exp(-rate * years) * (forward - strike), abs=1e-6)


@given(FORWARDS, STRIKES, YEARS, VOLS, st.sampled_from([CE, PE]))
def test_a_price_lies_between_intrinsic_value_and_its_bound(forward, strike, years, vol, kind) -> None:
    value = price(kind, forward, strike, years, vol)
    intrinsic = max(0.0, forward - strike if kind is CE else strike - forward)

    assert intrinsic - 1e-6 <= value <= (forward if kind is CE else strike) + 1e-6


@given(FORWARDS, STRIKES, YEARS, VOLS, st.sampled_from([CE, PE]))
def test_more_volatility_never_makes_an_option_cheaper(forward, strike, years, vol, kind) -> None:
    assert price(kind, forward, strike, years, vol * 1.1) >= price(kind, forward, strike, years, vol) - 1e-7


def test_the_normal_distribution_keeps_its_left_tail() -> None:
    assert normal_cdf(0.0) == 0.5
    assert normal_cdf(1.96) == pytest.approx(0.9750021, abs=1e-7)
    assert normal_cdf(-10.0) == pytest.approx(7.6198530e-24, rel=1e-6)


def test_the_smile_lifts_low_strikes_more_than_high_ones_and_leaves_the_middle() -> None:
    smile = Smile()
    vols = {strike: smile.vol(0.13, 24_500, strike, 6 / 365) for strike in (24_000, 24_500, 25_000)}

    assert vols[24_500] == pytest.approx(0.13)
    assert vols[24_000] > vols[24_500]
    assert vols[24_000] > vols[25_000]
    assert 0.13 * 0.6 <= smile.vol(0.13, 24_500, 60_000, 0.0) <= 0.13 * 2.0
