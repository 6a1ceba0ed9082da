"""Charges: the golden contract-note examples, dated rate changes, brokerage per order, exact sums (OPS-34)."""

from __future__ import annotations

from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.charges import (
    NO_CHARGES,
    NPAISE_PER_PAISA,
    ChargeBook,
    Charges,
    ChargeSegment,
    charge_segment,
    paise_of,
    read_charge_tables,
    total_of,
)
from engine.dated_rows import DataFileError
from engine.instrument import Segment
from engine.order import Side

TODAY = date(2026, 11, 21)
TABLES = read_charge_tables()
BOOK = ChargeBook(TABLES, 2000)
OPTION, FUTURE = ChargeSegment.OPTION, ChargeSegment.FUTURE
INTRADAY, DELIVERY = ChargeSegment.EQUITY_INTRADAY, ChargeSegment.EQUITY_DELIVERY


def rupees(npaise: int, decimals: int = 4) -> str:
    exact = Decimal(npaise) / (NPAISE_PER_PAISA * 100)
    return str(exact.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP))


def round_trip(
    segment: ChargeSegment, exchange: str, qty: int, buy_paise: int, sell_paise: int, on: date = TODAY
) -> Charges:
    return BOOK.for_order(segment, exchange, Side.BUY, qty * buy_paise, on) + BOOK.for_order(
        segment, exchange, Side.SELL, qty * sell_paise, on
    )


@pytest.mark.row("OPS-34")
def test_nifty_golden_vector() -> None:
    """65 units, bought at 120, sold at 150 (facts/market.md §6)."""
    charges = round_trip(OPTION, "NFO", 65, 120_00, 150_00)

    assert rupees(charges.stt_npaise, 3) == "14.625"
    assert rupees(charges.exchange_npaise) == "6.2355"
    assert rupees(charges.sebi_npaise, 5) == "0.01755"
    assert rupees(charges.stamp_npaise) == "0.2340"
    assert rupees(charges.gst_npaise) == "8.3256"
    assert rupees(charges.brokerage_npaise, 2) == "40.00"
    assert rupees(charges.total_npaise) == "69.4376"
    assert charges.total_paise == 6944
    assert charges.is_complete


@pytest.mark.row("OPS-34")
def test_sensex_golden_vector() -> None:
    """20 units, bought at 300, sold at 280, on BSE."""
    charges = round_trip(OPTION, "BFO", 20, 300_00, 280_00)

    assert rupees(charges.stt_npaise) == "8.4000"
    assert rupees(charges.exchange_npaise) == "3.7700"
    assert rupees(charges.sebi_npaise) == "0.0116"
    assert rupees(charges.stamp_npaise) == "0.1800"
    assert rupees(charges.gst_npaise) == "7.8807"
    assert rupees(charges.total_npaise) == "60.2423"


@pytest.mark.row("OPS-34")
def test_intraday_equity_golden_vector() -> None:
    """100 shares, bought at 1,000, sold at 1,005."""
    charges = round_trip(INTRADAY, "NSE", 100, 1000_00, 1005_00)

    assert rupees(charges.stt_npaise) == "25.1250"
    assert rupees(charges.exchange_npaise, 5) == "6.15535"
    assert rupees(charges.sebi_npaise) == "0.2005"
    assert rupees(charges.stamp_npaise) == "3.0000"
    assert rupees(charges.gst_npaise) == "8.3441"
    assert rupees(charges.brokerage_npaise, 2) == "40.00"
    # The exact sum is 82.824903; the facts print it to four decimals.
    assert rupees(charges.total_npaise) == "82.8249"


@pytest.mark.row("OPS-34")
def test_delivery_golden_vector() -> None:
    """100 shares bought at 1,000, no brokerage."""
    charges = BOOK.for_order(DELIVERY, "NSE", Side.BUY, 100 * 1000_00, TODAY)

    assert rupees(charges.stt_npaise, 0) == "100"
    assert rupees(charges.exchange_npaise) == "3.0700"
    assert rupees(charges.sebi_npaise) == "0.1000"
    assert rupees(charges.stamp_npaise) == "15.0000"
    assert rupees(charges.gst_npaise) == "0.5706"
    assert rupees(charges.total_npaise) == "118.7406"


@pytest.mark.row("OPS-34")
def test_exercise_golden_vector() -> None:
    """65 units, index at 25,420, strike 25,300: the buyer pays STT on the intrinsic value and nothing else."""
    charges = BOOK.for_exercise("NFO", 65 * (25_420_00 - 25_300_00), TODAY)

    assert rupees(charges.stt_npaise, 2) == "11.70"
    assert charges.total_npaise == charges.stt_npaise


@pytest.mark.row("OPS-34")
@pytest.mark.parametrize(
    ("segment", "day", "stt"),
    [
        (OPTION, date(2024, 10, 1), "1.0000"),
        (OPTION, date(2026, 3, 31), "1.0000"),
        (OPTION, date(2026, 4, 1), "1.5000"),
        (FUTURE, date(2026, 3, 31), "0.2000"),
        (FUTURE, date(2026, 4, 1), "0.5000"),
        (INTRADAY, date(2026, 4, 1), "0.2500"),
        (DELIVERY, date(2026, 4, 1), "1.0000"),
    ],
)
def test_stt_on_a_sale_of_1000_rupees_changes_on_its_day(segment: ChargeSegment, day: date, stt: str) -> None:
    assert rupees(BOOK.for_order(segment, "NSE", Side.SELL, 1_000_00, day).stt_npaise) == stt


@pytest.mark.parametrize(
    ("day", "stt"), [(date(2026, 3, 31), "1.2500"), (date(2026, 4, 1), "1.5000"), (TODAY, "1.5000")]
)
def test_exercise_stt_changes_on_1_april_2026(day: date, stt: str) -> None:
    assert rupees(BOOK.for_exercise("NFO", 1_000_00, day).stt_npaise) == stt


@pytest.mark.parametrize(
    ("segment", "exchange", "fee"),
    [
        (OPTION, "NFO", "3.5530"),
        (OPTION, "BFO", "3.2500"),
        (FUTURE, "NFO", "0.1830"),
        (FUTURE, "BFO", "0.0000"),
        (INTRADAY, "NSE", "0.3070"),
        (INTRADAY, "BSE", "0.3750"),
        (DELIVERY, "NSE", "0.3070"),
        (DELIVERY, "BSE", "0.3750"),
    ],
)
def test_exchange_charge_of_10_000_rupees_per_segment_and_exchange(
    segment: ChargeSegment, exchange: str, fee: str
) -> None:
    for side in Side:
        assert rupees(BOOK.for_fill(segment, exchange, side, 10_000_00, TODAY).exchange_npaise) == fee


@pytest.mark.parametrize(("segment", "stamp"), [(OPTION, "0.3"), (FUTURE, "0.2"), (INTRADAY, "0.3"), (DELIVERY, "1.5")])
def test_stamp_duty_is_on_the_buy_side_only(segment: ChargeSegment, stamp: str) -> None:
    assert rupees(BOOK.for_fill(segment, "NSE", Side.BUY, 10_000_00, TODAY).stamp_npaise, 1) == stamp
    assert BOOK.for_fill(segment, "NSE", Side.SELL, 10_000_00, TODAY).stamp_npaise == 0


def test_no_stt_on_the_buy_side_except_for_delivery() -> None:
    for segment in ChargeSegment:
        stt = BOOK.for_fill(segment, "NSE", Side.BUY, 10_000_00, TODAY).stt_npaise
        assert rupees(stt, 2) == ("10.00" if segment is DELIVERY else "0.00")


# --- brokerage --------------------------------------------------------------------------------------------------------


@pytest.mark.row("OPS-34")
def test_partial_fills_of_one_order_pay_brokerage_once() -> None:
    values = [25 * 120_00, 25 * 120_05, 15 * 120_10]
    fills = [BOOK.for_fill(OPTION, "NFO", Side.BUY, value, TODAY) for value in values]
    order = BOOK.for_order(OPTION, "NFO", Side.BUY, sum(values), TODAY)

    assert order.brokerage_npaise == 2000 * NPAISE_PER_PAISA
    gst_on_brokerage = 360 * NPAISE_PER_PAISA
    assert total_of(fills).total_npaise + order.brokerage_npaise + gst_on_brokerage == order.total_npaise


def test_ten_slices_pay_brokerage_ten_times() -> None:
    slices = total_of(BOOK.for_order(OPTION, "NFO", Side.BUY, 1755 * 100_00, TODAY) for _ in range(10))

    assert slices.brokerage_npaise == 10 * 2000 * NPAISE_PER_PAISA


@pytest.mark.parametrize("segment", list(ChargeSegment))
def test_an_order_without_a_fill_costs_nothing(segment: ChargeSegment) -> None:
    assert BOOK.for_order(segment, "NSE", Side.BUY, 0, TODAY) == NO_CHARGES


@pytest.mark.parametrize(
    ("segment", "value_paise", "brokerage"),
    [
        (OPTION, 100_00, "20.00"),
        (INTRADAY, 10_000_00, "3.00"),  # 0.03 % is less than 20
        (INTRADAY, 66_666_66, "20.00"),
        (INTRADAY, 10_00_000_00, "20.00"),
        (FUTURE, 10_000_00, "3.00"),
        (DELIVERY, 10_00_000_00, "0.00"),
    ],
)
def test_futures_and_intraday_pay_the_smaller_of_flat_and_percent(
    segment: ChargeSegment, value_paise: int, brokerage: str
) -> None:
    assert rupees(BOOK.for_order(segment, "NSE", Side.BUY, value_paise, TODAY).brokerage_npaise, 2) == brokerage


def test_the_brokers_own_brokerage_is_used() -> None:
    free = ChargeBook(TABLES, 0)
    dear = ChargeBook(TABLES, 5000, delivery_brokerage_paise_per_order=1500, brokerage_max_pct="0")

    assert free.for_order(OPTION, "NFO", Side.BUY, 1_000_00, TODAY).brokerage_npaise == 0
    assert rupees(dear.for_order(INTRADAY, "NSE", Side.BUY, 1_00, TODAY).brokerage_npaise, 0) == "50"
    assert rupees(dear.for_order(DELIVERY, "NSE", Side.BUY, 1_00, TODAY).brokerage_npaise, 0) == "15"
    with pytest.raises(ValueError, match="must not be negative"):
        ChargeBook(TABLES, -1)


# --- exactness --------------------------------------------------------------------------------------------------------

values_paise = st.integers(1, 10**13)
segments = st.sampled_from(list(ChargeSegment))
exchanges = st.sampled_from(["NSE", "BSE", "NFO", "BFO"])
sides = st.sampled_from(list(Side))


@pytest.mark.row("OPS-34")
@given(segments, exchanges, sides, st.lists(values_paise, min_size=1, max_size=20))
def test_fills_add_up_to_their_order_exactly(
    segment: ChargeSegment, exchange: str, side: Side, values: list[int]
) -> None:
    fills = total_of(BOOK.for_fill(segment, exchange, side, value, TODAY) for value in values)

    assert fills == BOOK.for_fill(segment, exchange, side, sum(values), TODAY)


@given(segments, exchanges, sides, values_paise)
def test_every_item_equals_exact_decimal_arithmetic(
    segment: ChargeSegment, exchange: str, side: Side, value: int
) -> None:
    charges = BOOK.for_order(segment, exchange, side, value, TODAY)
    gst_base = charges.exchange_npaise + charges.sebi_npaise + charges.brokerage_npaise

    assert charges.gst_npaise * 100 == gst_base * 18
    assert charges.sebi_npaise == value * NPAISE_PER_PAISA // 1_000_000
    assert charges.total_paise == paise_of(charges.total_npaise)
    assert abs(charges.total_paise * NPAISE_PER_PAISA - charges.total_npaise) * 2 <= NPAISE_PER_PAISA


def test_half_a_paisa_is_rounded_up() -> None:
    assert paise_of(NPAISE_PER_PAISA // 2) == 1
    assert paise_of(NPAISE_PER_PAISA // 2 - 1) == 0


# --- unknown days, segments, files ------------------------------------------------------------------------------------


def test_a_day_without_rates_gives_an_incomplete_sum_and_says_so() -> None:
    before = BOOK.for_order(OPTION, "NFO", Side.SELL, 1_000_00, date(2024, 9, 30))
    known = BOOK.for_order(OPTION, "NFO", Side.SELL, 1_000_00, TODAY)

    assert before == Charges(is_complete=False)
    assert not (known + before).is_complete
    assert (known + before).total_npaise == known.total_npaise
    assert not BOOK.for_order(OPTION, "MCX", Side.SELL, 1_000_00, TODAY).is_complete
    assert not BOOK.for_exercise("NFO", 1_000_00, date(2024, 9, 30)).is_complete


@pytest.mark.parametrize(
    ("segment", "product", "expected"),
    [
        (Segment.INDEX_OPTION, "MIS", OPTION),
        (Segment.STOCK_OPTION, "NRML", OPTION),
        (Segment.FUTURE, "NRML", FUTURE),
        (Segment.EQUITY, "MIS", INTRADAY),
        (Segment.EQUITY, "CNC", DELIVERY),
    ],
)
def test_segment_and_product_choose_the_rates(segment: Segment, product: str, expected: ChargeSegment) -> None:
    assert charge_segment(segment, product) is expected


def test_an_index_value_has_no_charges() -> None:
    with pytest.raises(ValueError, match="not traded"):
        charge_segment(Segment.INDEX, "MIS")


def test_the_users_own_row_replaces_the_packaged_one_from_its_day(tmp_path: Path) -> None:
    path = tmp_path / "charges.toml"
    path.write_text('[[stt]]\neffective_from = 2026-12-01\nsegment = "option"\nsell_pct = "0.2"\n')
    book = ChargeBook(read_charge_tables(path))

    assert rupees(book.for_fill(OPTION, "NFO", Side.SELL, 1_000_00, date(2026, 11, 30)).stt_npaise) == "1.5000"
    assert rupees(book.for_fill(OPTION, "NFO", Side.SELL, 1_000_00, date(2026, 12, 1)).stt_npaise) == "2.0000"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[sebi]]\neffective_from = 2026-12-01\npct = 'ten'\n", "sebi[0].pct 'ten': not a decimal number of percent"),
        (
            "[[sebi]]\neffective_from = 2026-12-01\npct = '-1'\n",
            "sebi[0].pct '-1': a percent from 0 to 100 with at most five decimals",
        ),
        (
            "[[sebi]]\neffective_from = 2026-12-01\npct = '1e900000'\n",
            "sebi[0].pct '1e900000': a percent from 0 to 100 with at most five decimals",
        ),
        (
            "[[sebi]]\neffective_from = 2026-12-01\npct = 'NaN'\n",
            "sebi[0].pct 'NaN': not a decimal number of percent",
        ),
        (
            "[[stt]]\neffective_from = 2026-12-01\nsegment = 'option'\nsell_pct = '0.123456'\n",
            "stt[0].sell_pct '0.123456': a percent from 0 to 100 with at most five decimals",
        ),
        ("[[sebi]]\neffective_from = 2026-12-01\npct = 0.1\n", "sebi[0].pct: expected `str`, got `float`"),
        ("[[gst]]\neffective_from = 2026-12-01\npct = 180\n", "gst[0].pct 180: a whole percent from 0 to 100"),
        (
            "[[stamp]]\neffective_from = 2026-12-01\nsegment = 'options'\nbuy_pct = '0'\n",
            "stamp[0].segment: invalid enum value 'options'",
        ),
    ],
)
def test_a_mistake_in_the_users_rates_names_file_and_key(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "charges.toml"
    path.write_text(text)

    with pytest.raises(DataFileError) as caught:
        read_charge_tables(path)

    assert str(caught.value) == f"{path}: {message}"
