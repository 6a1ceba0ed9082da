"""Dhan's instrument list: by header names, by segment and id, and a broken row costs only itself."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.dhan.master import Master, NotAMaster, is_master, read_master
from brokers.dhan.venue_catalogue import Catalogue
from brokers.wire.oddities import Oddities
from engine.instrument import Instrument, OptionType, Segment

HEADER = (
    "SEM_EXM_EXCH_ID,SEM_SEGMENT,SEM_SMST_SECURITY_ID,SEM_INSTRUMENT_NAME,SEM_EXPIRY_CODE,SEM_TRADING_SYMBOL,"
    "SEM_LOT_UNITS,SEM_CUSTOM_SYMBOL,SEM_EXPIRY_DATE,SEM_STRIKE_PRICE,SEM_OPTION_TYPE,SEM_TICK_SIZE,SEM_EXPIRY_FLAG,"
    "SEM_EXCH_INSTRUMENT_TYPE,SEM_SERIES,SM_SYMBOL_NAME"
)
SHARE = "NSE,E,1333,EQUITY,0,HDFCBANK,1.0,HDFC Bank,,,,5.0000,NA,ES,EQ,HDFC BANK LTD"
INDEX = "NSE,I,13,INDEX,0,NIFTY,1.0,Nifty 50,,,,5.0000,NA,INDEX,X,NIFTY"
CALL = (
    "NSE,D,49081,OPTIDX,0,NIFTY-Jul2026-25000-CE,75.0,NIFTY 28 JUL 25000 CALL,2026-07-28 14:30:00,25000.00000,CE,"
    "5.0000,W,OP,,"
)
SENSEX = "BSE,D,49081,OPTIDX,0,SENSEX-Jul2026-84500-PE,20.0,x,2026-07-30,84500.00000,PE,5.0000,W,OP,,"
DETAILED = """EXCH_ID,SEGMENT,SECURITY_ID,ISIN,INSTRUMENT,UNDERLYING_SECURITY_ID,UNDERLYING_SYMBOL,SYMBOL_NAME,\
DISPLAY_NAME,INSTRUMENT_TYPE,SERIES,LOT_SIZE,SM_EXPIRY_DATE,STRIKE_PRICE,OPTION_TYPE,TICK_SIZE,EXPIRY_FLAG
NSE,D,49081,NA,OPTIDX,26000,NIFTY,NIFTY-Jul2026-25000-CE,NIFTY 28 JUL 25000 CALL,OP,NA,75.0,2026-07-28,25000.0,CE,5.0,W
NSE,I,13,NA,INDEX,NA,NA,NIFTY,Nifty 50,INDEX,X,1.0,0001-01-01,,,5.0,NA
"""


def read(*rows: str, header: str = HEADER) -> tuple[Master, Oddities]:
    odd = Oddities("dhan", lambda _note: None)
    return read_master("\n".join([header, *rows]).encode(), odd), odd


def test_the_recorded_list(fixtures: Path) -> None:
    odd = Oddities("dhan", lambda _note: None)
    master = read_master((fixtures / "instruments/compact_sample.csv").read_bytes(), odd)

    assert sorted(master.by_symbol) == ["HDFCBANK", "NIFTY", "NIFTY28JUL2625000CE"] and odd.total == 0
    assert master.by_symbol["NIFTY28JUL2625000CE"].instrument == Instrument(
        symbol="NIFTY28JUL2625000CE", exchange="NFO", segment=Segment.INDEX_OPTION, lot_size=75, tick_paise=5,
        underlying="NIFTY", expiry=date(2026, 7, 28), strike_paise=2_500_000, option_type=OptionType.CE,
    )  # fmt: skip
    assert master.by_symbol["HDFCBANK"].instrument.tick_paise == 5, "the list's tick size is in paise"


def test_the_detailed_list_names_the_same_contracts() -> None:
    master = read_master(DETAILED.encode(), Oddities("dhan", lambda _note: None))
    compact, _ = read(CALL, INDEX)

    assert master.by_symbol == compact.by_symbol


def test_columns_may_stand_anywhere() -> None:
    names, cells = HEADER.split(","), CALL.split(",")
    turned, _ = read(",".join(reversed(cells)), header=",".join(reversed(names)))

    assert list(turned.by_symbol) == ["NIFTY28JUL2625000CE"]


@pytest.mark.row("OPT-11")
def test_one_number_in_two_segments_is_two_contracts() -> None:
    master, _ = read(CALL, SENSEX, SHARE)

    assert master.symbol_of("NSE_FNO", "49081") == "NIFTY28JUL2625000CE"
    assert master.symbol_of("BSE_FNO", "49081") == "SENSEX30JUL2684500PE"
    assert master.symbol_of("NSE_EQ", "49081") == ""
    assert master.symbol_of_frame("BSE", "D", "49081") == "SENSEX30JUL2684500PE"
    assert master.symbol_of_frame("NSE", "E", "1333") == "HDFCBANK"
    assert len(master.known(["NIFTY28JUL2625000CE", "SENSEX30JUL2684500PE", "NONE"])) == 2


def test_two_contracts_of_one_name_name_neither() -> None:
    master, odd = read(CALL, CALL.replace("49081", "49082"), SHARE, SHARE)

    assert list(master.by_symbol) == ["HDFCBANK"], "the same row twice is one contract"
    assert odd.counts == {"two contracts of one name": 1}


@pytest.mark.parametrize(
    ("column", "value"),
    [
        (2, "abc"), (2, ""), (2, "0"), (2, "-5"), (2, "99999999999"), (6, "0"), (6, "many"), (6, "1e9"), (8, "soon"),
        (8, ""), (8, "0001-01-01"), (9, "0"), (9, "-0.01"), (9, "nan"), (10, "XX"), (11, "0.05"), (11, "0"), (11, ""),
        (11, "1e12"), (5, "\x1b[31m-Jul2026-25000-CE"), (5, "[red]-Jul2026-25000-CE"),
    ],
)  # fmt: skip
def test_a_broken_row_is_counted_and_the_others_stay(column: int, value: str) -> None:
    cells = CALL.split(",")
    cells[column] = value
    master, odd = read(",".join(cells), SHARE)

    assert list(master.by_symbol) == ["HDFCBANK"]
    assert odd.counts == {"an instrument row that cannot be read (OPTIDX)": 1}


def test_an_open_quote_spoils_one_row() -> None:
    master, odd = read('NSE,D,1,OPTIDX,0,"NIFTY', SHARE, "", CALL)

    assert list(master.by_symbol) == ["HDFCBANK", "NIFTY28JUL2625000CE"]
    assert odd.counts == {"an instrument row of too few columns": 1}


def test_a_quoted_comma_is_part_of_a_name() -> None:
    master, _ = read(SHARE.replace("HDFC Bank,", '"Bank, HDFC",'))

    assert list(master.by_symbol) == ["HDFCBANK"]


def test_only_what_is_traded_here_is_kept() -> None:
    master, odd = read(
        SHARE.replace(",EQ,", ",BE,"), SHARE.replace("NSE,", "BSE,"), CALL.replace("OPTIDX", "OPTSTK"),
        CALL.replace("OPTIDX", "FUTIDX"),
        "MCX,M,430106,FUTCOM,0,GOLD-05Oct2026-FUT,1.0,x,2026-10-05,,XX,100.0,M,F,,GOLD",
    )  # fmt: skip

    assert (list(master.by_symbol), odd.total) == ([], 0)


@pytest.mark.parametrize("content", [b"", b"<html><body>no</body></html>", b"a,b,c\n1,2,3\n", b"\xff\xfe\x00"])
def test_what_is_no_list_is_refused_whole(content: bytes) -> None:
    assert not is_master(content)
    with pytest.raises(NotAMaster):
        read_master(content, Oddities("dhan", lambda _note: None))


@given(st.binary(max_size=300))
def test_no_bytes_raise(rest: bytes) -> None:
    master = read_master(HEADER.encode() + b"\n" + rest + b"\n" + SHARE.encode(), Oddities("d", lambda _note: None))

    assert "HDFCBANK" in master.by_symbol


def test_the_venues_list_is_read_back_as_it_was_made() -> None:
    master, _ = read(SHARE, INDEX, CALL, SENSEX)
    made = [listed.instrument for listed in master.by_symbol.values()]
    catalogue = Catalogue()
    catalogue.list_all(made)

    again = read_master(catalogue.csv().encode(), Oddities("dhan", lambda _note: None))
    assert [row.instrument for row in again.by_symbol.values()] == made
    assert again.by_symbol["NIFTY"].security_id == 13
    assert {(c.segment, c.security_id) for c in catalogue.by_symbol.values()} == {
        (row.segment, row.security_id) for row in again.by_symbol.values()
    }


def test_ids_do_not_depend_on_what_else_is_listed() -> None:
    master, _ = read(SHARE, CALL)
    share, call = (row.instrument for row in master.by_symbol.values())
    one, other = Catalogue(), Catalogue()
    one.list_all([share, call])
    other.list_all([call])
    other.list_all([share, call])

    assert one.by_symbol == other.by_symbol
