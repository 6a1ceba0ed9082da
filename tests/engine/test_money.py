"""Rupees at the edges, paise inside, half-up always."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.money import (
    ceil_to_tick,
    divide_half_up,
    floor_to_tick,
    paise_from_rupees,
    round_to_tick,
    rupees_text,
)

PAISE = st.integers(-(10**12), 10**12)
TICKS = st.sampled_from([1, 5, 10, 25, 100])


@pytest.mark.parametrize(
    ("rupees", "paise"),
    [
        ("150.05", 15005),
        (150, 15000),
        (100.025, 10003),  # the float's shortest text, then half-up: BUG-93
        ("0.005", 1),
        ("-0.005", -1),
        (Decimal("1e3"), 100_000),
        ("1_000", 100_000),
    ],
)
def test_rupees_become_paise_half_up(rupees: str | float, paise: int) -> None:
    assert paise == paise_from_rupees(rupees)


@given(st.one_of(st.floats(-2e9, 2e9), st.integers(-(10**13), 10**13).map(lambda thousandth: thousandth / 1000)))
def test_a_float_becomes_the_paise_of_its_shortest_text(rupees: float) -> None:
    """The short way that most floats take and the decimal one that a tie takes never disagree."""
    assert paise_from_rupees(rupees) == paise_from_rupees(str(rupees))


@pytest.mark.parametrize("text", ["", "ten", "NaN", "inf", "-Infinity", "1,000", float("nan")])
def test_what_is_no_finite_number_is_refused_with_its_own_text(text: str | float) -> None:
    with pytest.raises(ValueError, match="rupees"):
        paise_from_rupees(text)


@given(PAISE)
def test_text_and_paise_are_inverse(paise: int) -> None:
    assert paise == paise_from_rupees(rupees_text(paise))
    assert paise == paise_from_rupees(rupees_text(paise, signed=True))
    assert paise == paise_from_rupees(rupees_text(paise, grouped=True).replace(",", ""))


@given(PAISE, st.integers(1, 10**6))
def test_division_rounds_as_decimal_half_up(numerator: int, denominator: int) -> None:
    exact = (Decimal(numerator) / Decimal(denominator)).quantize(Decimal(1), rounding=ROUND_HALF_UP)

    assert int(exact) == divide_half_up(numerator, denominator)


@given(PAISE, TICKS)
def test_a_rounded_price_is_on_the_tick_and_nearest(paise: int, tick: int) -> None:
    near, low, high = round_to_tick(paise, tick), floor_to_tick(paise, tick), ceil_to_tick(paise, tick)

    assert 0 == near % tick == low % tick == high % tick
    assert low <= paise <= high
    assert high - low == (0 if paise % tick == 0 else tick)
    assert near in (low, high)
    assert 2 * abs(near - paise) <= tick


@pytest.mark.row("LEG-14")
def test_levels_round_half_up_on_the_tick() -> None:
    assert round_to_tick(100_03 + 200, 5) == 102_05
    assert round_to_tick(100_03 - 100, 5) == 99_05
    assert round_to_tick(paise_from_rupees("100.025"), 5) == 100_05


@pytest.mark.parametrize(
    ("paise", "text"),
    [
        (0, "0.00"),
        (5, "0.05"),
        (-5, "-0.05"),
        (99_999, "999.99"),
        (1_00_000, "1,000.00"),
        (12_34_567_89, "12,34,567.89"),
        (-1_00_00_000_00, "-1,00,00,000.00"),
    ],
)
def test_large_amounts_are_grouped_the_indian_way(paise: int, text: str) -> None:
    assert text == rupees_text(paise, grouped=True)


def test_a_sign_is_printed_when_asked_for() -> None:
    assert [rupees_text(paise, signed=True) for paise in (100, 0, -100)] == ["+1.00", "+0.00", "-1.00"]
