"""The instrument master: recorded contracts to this desk's names and limits, broken rows counted and left out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.wire.oddities import Oddities
from brokers.xts.master import Master, read_master
from engine.instrument import Segment

CASH = (
    "ExchangeSegment", "ExchangeInstrumentID", "InstrumentType", "Name", "Description", "Series", "NameWithSeries",
    "InstrumentID", "PriceBand_High", "PriceBand_Low", "FreezeQty", "TickSize", "LotSize", "Multiplier", "DisplayName",
    "ISIN", "PriceNumerator", "PriceDenominator", "DetailedDescription", "ExtendedSurvlndicator", "Cautionlndicator",
    "GSMIndicator",
)  # fmt: skip
FUTURES = (
    *CASH[:14],
    "UnderlyingInstrumentId",
    "UnderlyingIndexName",
    "ContractExpiration",
    *CASH[14:15],
    *CASH[16:19],
)
OPTIONS = (*FUTURES[:17], "StrikePrice", "OptionType", *FUTURES[17:])
COLUMNS = {"NSECM": CASH, "BSECM": CASH, "NSEFO_options": OPTIONS, "BSEFO_options": OPTIONS}
OPTION = (
    "NSEFO|42815|2|VEDL|VEDL25MAR260PE|OPTSTK|VEDL-OPTSTK|1|20.05|0.05|46001|0.05|1150|1|1100100000000|VEDL|"
    "2025-03-27T14:30:00|292.5|4|VEDL 27MAR2025 PE 292.5|1|1|VEDL25MAR260PE"
)


def read(*lines: str, indices: tuple[tuple[int, str], ...] = ()) -> tuple[Master, Oddities, list[str]]:
    notes: list[str] = []
    odd = Oddities("xts", notes.append)
    return read_master("\n".join(lines), indices, odd), odd, notes


def text_of(row: dict[str, Any], columns: tuple[str, ...]) -> str:
    return "|".join("" if row.get(name) is None else str(row.get(name, "")) for name in columns)


@pytest.fixture
def recorded(fixture_of: Callable[[str], Any]) -> tuple[Master, Oddities]:
    lines = [
        text_of(row, COLUMNS.get(part, FUTURES))
        for part, rows in fixture_of("master/rows_jan2025.json").items()
        for row in rows
    ]
    master, odd, _ = read(*lines, indices=((1, "NIFTY 50_26000"), (1, "NIFTY BANK_26001"), (11, "SENSEX_1")))
    return master, odd


def test_recorded_contracts_get_this_desks_names_and_limits(recorded: tuple[Master, Oddities]) -> None:
    master, odd = recorded
    nifty = master.by_symbol["NIFTY02JAN2519800CE"]
    sensex = master.by_symbol["SENSEX03JAN2584700CE"].instrument

    assert odd.total == 0
    assert (nifty.key, nifty.instrument.lot_size, nifty.instrument.tick_paise) == ((2, 50610), 75, 5)
    assert nifty.instrument.freeze_qty == 1800, "NSE's figure is the first that is refused"
    assert (nifty.instrument.strike_paise, nifty.instrument.expiry) == (1980000, date(2025, 1, 2))
    assert (sensex.exchange, sensex.freeze_qty, sensex.lot_size) == ("BFO", 1000, 10), "BSE's is the last that is taken"
    assert master.by_symbol["VEDL27MAR25260PE"].instrument.segment is Segment.STOCK_OPTION
    assert master.by_symbol["CDSL27FEB25FUT"].instrument.freeze_qty == 14000
    assert master.by_symbol["SBIN"].number == 3045, "not its T0 row"
    assert (
        master.by_symbol["NIFTY"].instrument.segment is Segment.INDEX and master.by_symbol["BANKNIFTY"].number == 26001
    )
    assert not [symbol for symbol in master.by_symbol if "BERGEPAINT" in symbol], "a spread is no contract of ours"


def test_lots_differ_by_expiry_of_one_underlying(recorded: tuple[Master, Oddities]) -> None:
    master, _ = recorded
    lots = {row.instrument.lot_size for row in master.by_symbol.values() if row.instrument.underlying == "NIFTY"}

    assert {25, 75} <= lots


def test_names_go_both_ways(recorded: tuple[Master, Oddities]) -> None:
    master, _ = recorded
    for symbol, contract in master.by_symbol.items():
        assert master.symbol_of(contract.segment, contract.number, "") == symbol
        assert master.symbol_of(contract.key[0], str(contract.number), None) == symbol

    assert master.symbol_of("NSEFO", 1, "NIFTY 30JAN2025 PE 23250") == "NIFTY30JAN2523250PE"
    assert master.symbol_of("NSECD", 1, "USDINR 29JAN2025") == "USDINR 29JAN2025"
    assert master.symbol_of(None, [], None) == "None:[]"


def test_a_fractional_strike_keeps_its_fraction() -> None:
    master, _, _ = read(OPTION)

    assert list(master.by_symbol) == ["VEDL27MAR25292.5PE"]


@pytest.mark.parametrize(
    "broken",
    [
        OPTION.replace("2025-03-27T14:30:00", "soon"),
        OPTION.replace("|292.5|", "|NaN|"),
        OPTION.replace("|4|VEDL ", "|9|VEDL "),
        OPTION.replace("|1150|", "|0|"), OPTION.replace("|42815|", "||"), OPTION.replace("|0.05|1150", "|-0.05|1150"),
        "NSEFO|1|2", "NSEFO|", "NSEFO|5|2|[red]\x1b[2J",
    ],
)  # fmt: skip
def test_a_broken_row_is_counted_told_once_and_skipped(broken: str) -> None:
    master, odd, notes = read(broken, broken, OPTION.replace("292.5", "300"))

    assert list(master.by_symbol) == ["VEDL27MAR25300PE"]
    assert odd.total == 2 and len(notes) == 1 and notes[0].isprintable()


def test_what_the_desk_does_not_trade_is_passed_over_in_silence() -> None:
    spread = "NSEFO|9|4|BERGEPAINT|X|FUTSTK|B-FUTSTK|1|11.3|-11.3|52801|0.05|1320|1|-1||2025-01-30T14:30:00|X|1|1|X"
    tests = OPTION.replace("|VEDL|", "|061NSETEST|")
    master, odd, _ = read(spread, tests, "MCXFO|1|2|GOLD", "", "\r")

    assert master.by_symbol == {} and odd.total == 0


def test_a_second_contract_of_one_name_or_number_does_not_replace_the_first() -> None:
    same_number = OPTION.replace("292.5", "310")
    same_name = OPTION.replace("|42815|", "|42816|")
    master, odd, _ = read(OPTION, same_number, same_name)

    assert [row.number for row in master.by_symbol.values()] == [42815] and odd.total == 2


@pytest.mark.parametrize("entry", ["NIFTY 50", "_26000", "NIFTY 50_", "NIFTY 50_-1", "", "x" * 100 + "_1"])
def test_a_broken_index_is_counted(entry: str) -> None:
    master, odd, _ = read(indices=((1, entry),))

    assert master.by_symbol == {} and odd.total == 1


@given(st.lists(st.text(alphabet="NSEFO|0128.-T:PCE\x1b[]", max_size=120), max_size=6))
def test_no_text_raises(lines: list[str]) -> None:
    read(*lines, *(f"NSEFO|{line}" for line in lines))
