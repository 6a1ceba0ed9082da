"""Which prices cannot be, which are only unlikely, and the band in which nobody asks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.instrument import Instrument, Segment
from engine.outlier import HIGHEST_PAISE, impossible, is_jump, is_outlier
from engine.price_book import NO_HIGH, NO_LOW, PriceBook
from engine.tick import Tick
from engine.venue_rules import lpp_gap_paise

PAISE = st.integers(1, HIGHEST_PAISE)


def tick(ltp: int, bid: int = 0, ask: int = 0) -> Tick:
    return Tick("P", 1, ltp, bid, 65, ask, 65)


def book() -> PriceBook:
    return PriceBook(Instrument(symbol="P", exchange="NFO", segment=Segment.INDEX_OPTION, lot_size=65, tick_paise=5))


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (tick(0), "a price of 0 paise"),
        (tick(-1), "a price of -1 paise"),
        (tick(10_000, -5, 10_005), "a price of -5 paise"),
        (tick(10_000, 9_995, 10**14), f"a price of {10**14} paise"),
        (tick(HIGHEST_PAISE + 1), f"a price of {HIGHEST_PAISE + 1} paise"),
        (tick(HIGHEST_PAISE), ""),
        (tick(0, 9_995, 0), ""),
        (tick(10_000), ""),
    ],
)
@pytest.mark.fault("MKT-06")
def test_what_no_tick_can_carry_is_named_with_its_figure(made: Tick, says: str) -> None:
    assert impossible(made) == says


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (tick(14_005, 9_995, 10_005), False),
        (tick(14_008, 9_995, 10_005), True),
        (tick(5_900, 9_995, 10_005), True),
        (tick(14_008, 0, 10_005), False),
        (tick(14_008, 10_005, 9_995), False),
    ],
)
def test_a_last_price_is_held_against_a_two_sided_touch_only(made: Tick, expected: bool) -> None:
    assert is_outlier(made) is expected


def test_a_gap_of_forty_percent_is_a_market_and_one_paisa_more_is_a_doubt() -> None:
    assert not is_jump(6_000, 10_000) and not is_jump(14_000, 10_000)
    assert is_jump(5_999, 10_000) and is_jump(14_001, 10_000)
    assert not is_jump(2_500, 500) and is_jump(2_501, 500), "20 rupees up to a price of 50"
    assert not is_jump(1, 0), "the first price"


@given(PAISE, PAISE)
def test_every_price_inside_the_band_of_a_believed_one_is_no_jump_from_it(last: int, ltp: int) -> None:
    prices = book()
    prices.centre(last)

    if prices.low < ltp < prices.high:
        assert not is_jump(ltp, last) and ltp > 0
    elif abs(ltp - last) < lpp_gap_paise(last):
        raise AssertionError("the band is narrower than the doubt")


@given(PAISE, st.integers(0, HIGHEST_PAISE), st.integers(1, 1 << 60))
def test_armed_levels_narrow_the_band_and_are_remembered_when_it_is_centred_anew(
    last: int, low: int, high: int
) -> None:
    prices = book()
    prices.arm(low, high)
    assert not prices.low < last < prices.high, "the first price is looked at"

    touches_nobody = prices.centre(last)

    assert touches_nobody is (low < last < high)
    gap = lpp_gap_paise(last)
    assert (prices.low, prices.high) == (max(low, last - gap), min(high, last + gap))
    prices.arm(NO_LOW, NO_HIGH)
    assert prices.low < last < prices.high
