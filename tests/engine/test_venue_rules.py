"""What a venue would refuse is caught here, with a reason, before anything is sent."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import refusals
from engine.instrument import Instrument, Segment
from engine.order import OrderType
from engine.venue_rules import RequestFacts, VenueRules, check_request, lpp_gap_paise, stop_gap_max_paise, takes_sl_m

RULES = VenueRules(name="fake")
GOOD = RequestFacts(
    tag="SD000100001S", type=OrderType.SL, qty=75, limit_paise=145_00, trigger_paise=150_00, product="MIS"
)


def broken(option: Instrument, **changes: object) -> tuple[str, str]:
    violation = check_request(msgspec.structs.replace(GOOD, **changes), option, RULES)
    assert violation is not None
    return violation.code, violation.text


def test_a_good_request_breaks_nothing(option: Instrument) -> None:
    assert check_request(GOOD, option, RULES) is None


@pytest.mark.row("OPS-35")
@pytest.mark.parametrize(
    ("changes", "code", "text"),
    [
        ({"tag": "A" * 24}, refusals.TAG, "at most 20"),
        ({"tag": ""}, refusals.TAG, "at most 20"),
        ({"tag": "a-b"}, refusals.TAG, "[A-Za-z0-9]+"),
        ({"tag": "abc\n"}, refusals.TAG, "abc\\n"),
        ({"limit_paise": 145_02}, refusals.TICK_SIZE, "price 145.02: not a multiple of the tick 0.05"),
        ({"trigger_paise": 150_01}, refusals.TICK_SIZE, "trigger price 150.01"),
        ({"type": OrderType.SL_M, "limit_paise": 0}, refusals.ORDER_TYPE, "SL-M: not taken for"),
        ({"type": OrderType.MARKET, "limit_paise": 0}, refusals.NO_PROTECTION, "without a protection limit"),
        ({"limit_paise": 0}, refusals.PRICE_BAND, "price 0.00: must be above zero"),
        ({"trigger_paise": -5}, refusals.PRICE_BAND, "trigger price -0.05"),
        ({"qty": 74}, refusals.LOT_SIZE, "quantity 74: a positive multiple of the lot 25"),
        ({"qty": 0}, refusals.LOT_SIZE, "quantity 0"),
        ({"qty": -25}, refusals.LOT_SIZE, "quantity -25"),
        ({"qty": 1825}, refusals.FREEZE_QTY, "at most 1800"),
        ({"product": "CO"}, refusals.NOT_ALLOWED, "one of CNC, MIS, NRML"),
    ],
)
@pytest.mark.fault("REJ-03", "REJ-04", "REF-08")
@pytest.mark.invariant("O7")
def test_each_broken_rule_is_named_with_the_offending_value(
    option: Instrument, changes: dict[str, object], code: str, text: str
) -> None:
    found = broken(option, **changes)

    assert found[0] == code
    assert text in found[1]


@pytest.mark.row("HRD-12", "OPS-35")
@pytest.mark.parametrize(
    ("exchange", "segment", "taken"),
    [
        ("NFO", Segment.INDEX_OPTION, False),
        ("NFO", Segment.STOCK_OPTION, False),
        ("NFO", Segment.FUTURE, True),
        ("NSE", Segment.EQUITY, True),
        ("BFO", Segment.INDEX_OPTION, False),
        ("BFO", Segment.FUTURE, False),
        ("BSE", Segment.EQUITY, False),
    ],
)
@pytest.mark.fault("REJ-06")
def test_stop_market_is_taken_by_nse_shares_and_futures_only(exchange: str, segment: Segment, taken: bool) -> None:
    contract = Instrument(symbol="X", exchange=exchange, segment=segment, lot_size=1, tick_paise=5)

    assert takes_sl_m(contract) is taken
    facts = msgspec.structs.replace(GOOD, type=OrderType.SL_M, limit_paise=0)
    assert (check_request(facts, contract, RULES) is None) is taken


def test_a_stop_market_needs_no_limit_and_a_limit_no_trigger() -> None:
    share = Instrument(symbol="SBIN", exchange="NSE", segment=Segment.EQUITY, lot_size=1, tick_paise=5)

    assert check_request(msgspec.structs.replace(GOOD, type=OrderType.SL_M, limit_paise=0), share, RULES) is None
    assert check_request(msgspec.structs.replace(GOOD, type=OrderType.LIMIT, trigger_paise=0), share, RULES) is None


@pytest.mark.parametrize(("reference", "gap"), [(5, 20_00), (50_00, 20_00), (50_01, 20_00), (60_00, 24_00)])
def test_the_limit_price_protection_of_options(reference: int, gap: int) -> None:
    assert lpp_gap_paise(reference) == gap


@pytest.mark.parametrize(("trigger", "gap"), [(50_00, 10_00), (50_05, 10_01), (100_00, 20_00)])
def test_the_stop_gap_of_bse_index_options(option: Instrument, trigger: int, gap: int) -> None:
    bse = msgspec.structs.replace(option, exchange="BFO")

    assert (stop_gap_max_paise(bse, trigger), stop_gap_max_paise(option, trigger)) == (gap, 0)
    wide = msgspec.structs.replace(GOOD, trigger_paise=trigger, limit_paise=(trigger - gap) // 5 * 5 - 5)
    violation = check_request(wide, bse, RULES)
    assert violation is not None
    assert violation.code == refusals.STOP_GAP


@pytest.mark.fault("ORD-22")
@pytest.mark.invariant("O5")
def test_our_own_modify_cap_keeps_a_margin_from_the_brokers() -> None:
    """O5."""
    assert VenueRules(name="kite", modifies_per_order=25).modify_cap == 20


@given(
    st.builds(
        RequestFacts,
        tag=st.text(max_size=30),
        type=st.sampled_from(OrderType),
        qty=st.integers(-10_000, 10_000),
        limit_paise=st.integers(-1_000, 10**9),
        trigger_paise=st.integers(-1_000, 10**9),
        product=st.sampled_from(["MIS", "NRML", "CNC", "", "mis"]),
    )
)
def test_what_passes_is_well_formed(option: Instrument, facts: RequestFacts) -> None:
    """O7."""
    if check_request(facts, option, RULES) is None:
        assert 0 < facts.qty <= option.freeze_qty
        assert facts.qty % option.lot_size == 0
        assert facts.limit_paise > 0
        assert facts.limit_paise % option.tick_paise == 0
        assert facts.tag.isascii()
        assert facts.tag.isalnum()
        assert facts.type is not OrderType.SL_M
