"""Limits that must fill: through the touch, on the tick, inside the exchange's protection; and limits under stops."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.instrument import Instrument, Segment
from engine.order import OrderType, Side
from engine.order_pricing import AUTO_GAP_BPS, ONE_TICK_GAP, marketable_limit, stop_limit, touch_paise
from engine.tick import Tick
from engine.venue_rules import RequestFacts, VenueRules, check_request, lpp_gap_paise

PAISE = st.integers(5, 2_000_00)
SIDES = st.sampled_from(Side)


def quote(ltp: int, bid: int = 0, ask: int = 0) -> Tick:
    return Tick("X", 1, ltp, bid, 1, ask, 1)


@pytest.mark.parametrize(
    ("tick", "buy", "sell"),
    [
        (quote(150_00, 149_95, 150_05), 150_05, 149_95),
        (quote(150_00), 150_00, 150_00),
        (quote(0, 149_95), 0, 149_95),
        (quote(150_00, 151_00, 149_00), 150_00, 150_00),  # crossed: no touch to price from (MKT-08)
        (quote(0), 0, 0),
        (quote(150_00, 149_95, 10**14), 150_00, 149_95),  # a side that cannot be is none
        (quote(150_00, -5, -5), 150_00, 150_00),
        (quote(150_00, 0, 9), 150_00, 150_00),
        (quote(150_00, 50_00, 52_00), 52_00, 50_00),  # both sides agree: the last price is an old one (MKT-09)
        (quote(150_00, 1, 2), 2, 1),  # down to the smallest price there is
    ],
)
def test_the_touch_is_the_other_side_else_the_last_price(tick: Tick, buy: int, sell: int) -> None:
    assert (touch_paise(Side.BUY, tick), touch_paise(Side.SELL, tick)) == (buy, sell)


@pytest.mark.row("LEG-12")
@pytest.mark.parametrize(
    ("side", "tick", "limit"),
    [
        (Side.BUY, quote(150_00, 149_95, 150_05), 154_55),  # 150.05 + 4.50 (3 % in whole paise)
        (Side.SELL, quote(150_00, 149_95, 150_05), 145_45),  # 149.95 - 4.49 = 145.46, down to the tick
        (Side.SELL, quote(5, 5, 10), 5),  # never below one tick
        (Side.BUY, quote(0), 0),
    ],
)
def test_a_marketable_limit_goes_through_the_touch_by_the_protection(
    side: Side, tick: Tick, limit: int, option: Instrument
) -> None:
    assert marketable_limit(side, tick, option, 300) == limit


@given(SIDES, PAISE, st.integers(0, 200), st.integers(0, 10_000))
@pytest.mark.fault("REJ-07")
@pytest.mark.invariant("O7")
def test_a_marketable_limit_is_legal_and_through_the_touch(
    option: Instrument, side: Side, ltp: int, spread: int, protection_bps: int
) -> None:
    tick = quote(ltp, max(ltp - spread, 1), ltp + spread)
    touch = touch_paise(side, tick)
    limit = marketable_limit(side, tick, option, protection_bps)

    assert limit % option.tick_paise == 0 < limit
    assert limit >= touch if side is Side.BUY else limit <= max(touch, option.tick_paise)
    assert abs(limit - touch) < lpp_gap_paise(ltp) + option.tick_paise


@pytest.mark.row("HRD-12")
@pytest.mark.parametrize(
    ("trigger", "gap_bps", "limit"),
    [
        (99_50, AUTO_GAP_BPS, 97_55),  # 2 %: 97.51, up to the tick
        (99_50, ONE_TICK_GAP, 99_45),  # the seed's literal
        (1_00, AUTO_GAP_BPS, 95),  # at least one tick
        (5, ONE_TICK_GAP, 5),  # floor: one tick
    ],
)
def test_the_limit_under_a_stop(option: Instrument, trigger: int, gap_bps: int, limit: int) -> None:
    assert stop_limit(Side.SELL, trigger, option, gap_bps) == limit


def test_a_buying_stop_has_its_limit_above(option: Instrument) -> None:
    assert stop_limit(Side.BUY, 99_50, option, AUTO_GAP_BPS) == 101_45


@pytest.mark.row("HRD-12")
@given(SIDES, st.integers(2, 40_000), st.integers(0, 10_000), st.sampled_from(["NFO", "BFO"]))
@pytest.mark.fault("REJ-03", "REJ-04")
@pytest.mark.invariant("O7")
def test_every_stop_limit_passes_the_venues_own_check(
    option: Instrument, side: Side, ticks: int, gap_bps: int, exchange: str
) -> None:
    """The exchange refuses a gap above its rule (STOP_GAP): the limit must never ask for one."""
    there = msgspec.structs.replace(option, exchange=exchange)
    trigger = ticks * there.tick_paise
    limit = stop_limit(side, trigger, there, gap_bps)
    facts = RequestFacts(tag="A", type=OrderType.SL, qty=25, limit_paise=limit, trigger_paise=trigger, product="MIS")

    assert check_request(facts, there, VenueRules(name="x")) is None
    assert limit > trigger if side is Side.BUY else limit < trigger


def test_protection_of_shares_is_not_cut_to_the_options_band() -> None:
    share = Instrument(symbol="SBIN", exchange="NSE", segment=Segment.EQUITY, lot_size=1, tick_paise=5)

    assert marketable_limit(Side.BUY, quote(100_00), share, 5_000) == 150_00
