"""Option symbols: what is one, what is none, and the swap of PE and CE (LEG-01, LEG-02, BUG-01)."""

from __future__ import annotations

import csv
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.instrument import OptionType
from engine.option_symbol import SymbolForm, complement, is_index_name, leg_symbols, parse_option_symbol

SHARED = Path(__file__).resolve().parents[3] / "shared"
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")

OA, WEEKLY, MONTHLY = SymbolForm.OPENALGO, SymbolForm.KITE_WEEKLY, SymbolForm.KITE_MONTHLY


@pytest.mark.row("LEG-01")
@pytest.mark.parametrize(
    ("text", "form", "underlying", "expiry", "strike_paise"),
    [
        ("NIFTY28OCT2525300PE", OA, "NIFTY", date(2025, 10, 28), 2_530_000),
        ("BANKNIFTY24NOV2659000CE", OA, "BANKNIFTY", date(2026, 11, 24), 5_900_000),
        ("SENSEX26NOV26102500CE", OA, "SENSEX", date(2026, 11, 26), 10_250_000),
        ("MIDCPNIFTY24NOV269975PE", OA, "MIDCPNIFTY", date(2026, 11, 24), 997_500),
        ("VEDL25APR24292.5CE", OA, "VEDL", date(2024, 4, 25), 29_250),
        ("M&M28OCT253000PE", OA, "M&M", date(2025, 10, 28), 300_000),
        ("BAJAJ-AUTO28OCT259000PE", OA, "BAJAJ-AUTO", date(2025, 10, 28), 900_000),
        ("RELIANCE28OCT251300CE", OA, "RELIANCE", date(2025, 10, 28), 130_000),
        ("NIFTYNXT5024NOV2665000CE", OA, "NIFTYNXT50", date(2026, 11, 24), 6_500_000),
        ("NIFTY2631724000CE", WEEKLY, "NIFTY", date(2026, 3, 17), 2_400_000),
        ("NIFTY2631724350CE", WEEKLY, "NIFTY", date(2026, 3, 17), 2_435_000),
        ("NIFTY25O2825300PE", WEEKLY, "NIFTY", date(2025, 10, 28), 2_530_000),
        ("NIFTY26N0925300PE", WEEKLY, "NIFTY", date(2026, 11, 9), 2_530_000),
        ("NIFTY26D0825300PE", WEEKLY, "NIFTY", date(2026, 12, 8), 2_530_000),
        ("SENSEX26N1984000PE", WEEKLY, "SENSEX", date(2026, 11, 19), 8_400_000),
        ("NIFTYNXT502632465000CE", WEEKLY, "NIFTYNXT50", date(2026, 3, 24), 6_500_000),
        ("SENSEX502631724000CE", WEEKLY, "SENSEX50", date(2026, 3, 17), 2_400_000),
        ("NIFTY26NOV25300PE", MONTHLY, "NIFTY", None, 2_530_000),
        ("NIFTY26NOV25050PE", MONTHLY, "NIFTY", None, 2_505_000),
        ("SENSEX26NOV102500PE", MONTHLY, "SENSEX", None, 10_250_000),
        ("RELIANCE26NOV1400PE", MONTHLY, "RELIANCE", None, 140_000),
        ("360ONE26NOV1100PE", MONTHLY, "360ONE", None, 110_000),
        ("NIFTYNXT5026NOV65000CE", MONTHLY, "NIFTYNXT50", None, 6_500_000),
    ],
)
@pytest.mark.fault("REF-06")
def test_each_form_is_read_in_full(
    text: str, form: SymbolForm, underlying: str, expiry: date | None, strike_paise: int
) -> None:
    parsed = parse_option_symbol(text)

    assert parsed is not None
    assert (form, underlying, expiry, strike_paise) == (
        parsed.form,
        parsed.underlying,
        parsed.expiry,
        parsed.strike_paise,
    )
    assert text.endswith(parsed.option_type.value)


@pytest.mark.row("LEG-01")
def test_a_monthly_kite_symbol_gives_month_and_year_but_no_day() -> None:
    parsed = parse_option_symbol("NIFTY26NOV25300PE")

    assert parsed is not None
    assert (parsed.year, parsed.month, parsed.expiry) == (2026, 11, None)


@pytest.mark.row("LEG-01", "BUG-01")
@pytest.mark.parametrize(
    "text",
    [
        "",
        "PE",
        "NIFTY",
        "RELIANCE",
        "BAJFINANCE",
        "NIFTY28OCT25FUT",
        "NIFTY25300PE",  # no date
        "28OCT2525300PE",  # no underlying
        "NIFTY28OCT25PE",  # no strike
        "NIFTY28OCT250PE",
        "NIFTY28OCT2500000PE",  # strike 0
        "NIFTY31FEB2525300PE",  # no such date, nor a strike of 25,25,300
        "NIFTY00OCT2525300PE",
        "NIFTY29FEB2625300PE",  # 2026 has no leap day
        "NIFTY28OKT2525300PE",
        "NIFTY2633224000CE",  # 32 March
        "NIFTY28OCT2525300XE",
        "NIFTY28OCT2525300PE.NFO",
        "NIFTY28OCT25-25300PE",
        "NIFTY28OCT2525300.005PE",  # not whole paise
        "NIFTY 28OCT2525300PE",
        "NIFTY28OCT2525300PE\x00",
        "NIFTY२८OCT2525300PE",  # digits of another script
        "A" * 60 + "28OCT2525300PE",
    ],
)
def test_anything_that_is_no_option_contract_has_no_complement(text: str) -> None:
    assert parse_option_symbol(text) is None
    assert complement(text) is None
    assert leg_symbols(text) is None


def test_a_leap_day_is_a_date() -> None:
    parsed = parse_option_symbol("NIFTY29FEB2422000CE")

    assert parsed is not None
    assert date(2024, 2, 29) == parsed.expiry


@pytest.mark.row("LEG-01")
@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("NIFTY28OCT2525300PE", "NIFTY28OCT2525300CE"),
        ("NIFTY28OCT2525300CE", "NIFTY28OCT2525300PE"),
        (" nifty28oct2525300pe ", "NIFTY28OCT2525300CE"),
        ("VEDL25APR24292.5CE", "VEDL25APR24292.5PE"),
        ("NIFTY2631724000CE", "NIFTY2631724000PE"),
        ("nifty26nov25300pe\n", "NIFTY26NOV25300CE"),
    ],
)
def test_the_complement_keeps_the_form(text: str, other: str) -> None:
    assert other == complement(text)


@pytest.mark.row("LEG-02")
def test_the_configured_symbol_is_the_first_leg() -> None:
    assert leg_symbols("nifty28oct2525300pe") == ("NIFTY28OCT2525300PE", "NIFTY28OCT2525300CE")
    assert leg_symbols("NIFTY28OCT2525300CE") == ("NIFTY28OCT2525300CE", "NIFTY28OCT2525300PE")


def test_a_caller_that_knows_the_form_decides_an_overlap() -> None:
    overlapping = "TCS26NOV3020PE"

    as_openalgo = parse_option_symbol(overlapping, form=OA)
    as_kite = parse_option_symbol(overlapping, form=MONTHLY)

    assert as_openalgo is not None
    assert (date(2030, 11, 26), 2_000) == (as_openalgo.expiry, as_openalgo.strike_paise)
    assert as_kite is not None
    assert (as_kite.year, as_kite.expiry, as_kite.strike_paise) == (2026, None, 302_000)
    assert parse_option_symbol("NIFTY2631724000CE", form=OA) is None


@pytest.mark.parametrize("name", ["NIFTY", "BANKNIFTY", "FINNIFTY", "MIDCPNIFTY", "NIFTYNXT50", "SENSEX", "BANKEX"])
def test_index_names_are_known(name: str) -> None:
    assert is_index_name(name)


@pytest.mark.parametrize("name", ["RELIANCE", "NIFT", "", "SENSEXA", "TCS"])
def test_other_names_are_no_index(name: str) -> None:
    assert not is_index_name(name)


index_names = st.sampled_from(["NIFTY", "BANKNIFTY", "FINNIFTY", "MIDCPNIFTY", "NIFTYNXT50", "SENSEX", "BANKEX"])
days = st.dates(date(2020, 1, 1), date(2049, 12, 31))
strikes = st.integers(1_000, 199_999)
types = st.sampled_from(list(OptionType))


@pytest.mark.row("LEG-01")
@given(index_names, days, strikes, types)
@pytest.mark.fault("REF-06")
def test_every_index_symbol_is_read_back_in_every_form(
    name: str, day: date, strike: int, option_type: OptionType
) -> None:
    """The overlap of the OpenAlgo and the monthly form leaves no index contract in doubt."""
    yy, mmm = f"{day.year % 100:02d}", MONTHS[day.month - 1]
    weekly_month = "123456789OND"[day.month - 1]
    for form, middle, expiry in (
        (OA, f"{day.day:02d}{mmm}{yy}", day),
        (WEEKLY, f"{yy}{weekly_month}{day.day:02d}", day),
        (MONTHLY, f"{yy}{mmm}", None),
    ):
        parsed = parse_option_symbol(f"{name}{middle}{strike}{option_type.value}")

        assert parsed is not None
        assert (form, name, expiry, day.year, day.month, strike * 100, option_type) == (
            parsed.form,
            parsed.underlying,
            parsed.expiry,
            parsed.year,
            parsed.month,
            parsed.strike_paise,
            parsed.option_type,
        )


anything = st.one_of(
    st.text(max_size=45),
    st.from_regex(r"[A-Za-z&-]{0,11}[0-9]{0,2}[A-Z0-9]{1,5}[0-9.]{0,8}(PE|CE|pe|ce)", fullmatch=True),
    st.from_regex(r" ?[A-Z]{1,9}[0-3][0-9](JAN|FEB|NOV)2[0-9][0-9]{1,5}(\.[0-9]{1,2})?(PE|CE) ?", fullmatch=True),
)


@pytest.mark.row("LEG-01")
@given(anything)
def test_the_complement_of_the_complement_is_the_normalised_symbol(text: str) -> None:
    other = complement(text)

    if other is not None:
        parsed, back = parse_option_symbol(text), parse_option_symbol(other)
        assert parsed is not None
        assert back is not None
        assert text.strip().upper() == complement(other)
        assert (parsed.form, parsed.underlying, parsed.expiry, parsed.strike_paise) == (
            back.form,
            back.underlying,
            back.expiry,
            back.strike_paise,
        )
        assert parsed.option_type is back.option_type.other


@pytest.mark.skipif(not (SHARED / "data").is_dir(), reason="recorded market data is not beside the project")
@pytest.mark.parametrize("day", ["2026-03-11", "2026-03-12"])
def test_every_recorded_option_is_read_as_the_weekly_contract_of_17_march(day: str) -> None:
    with (SHARED / "data" / f"nifty-options-1min-{day}.csv").open(newline="") as lines:
        symbols = {row["symbol"] for row in csv.DictReader(lines)}
    parsed = {symbol: parse_option_symbol(symbol) for symbol in symbols}

    assert {"NIFTY 50"} == {symbol for symbol, option in parsed.items() if option is None}
    assert {("NIFTY", date(2026, 3, 17))} == {
        (option.underlying, option.expiry) for option in parsed.values() if option is not None
    }
