"""The instrument dump: this desk's names, both ways, and rows that make no sense."""

from __future__ import annotations

import csv
import io
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.kite.master import Master, MasterBroken, read_master
from brokers.kite.venue_master import HEADER, VenueMaster
from brokers.wire.oddities import Oddities
from engine.instrument import Instrument, OptionType, Segment
from engine.option_symbol import option_name

pytestmark = pytest.mark.row("OPS-05", "OPS-35")
COLUMNS = ",".join(HEADER)


def read(*rows: str, header: str = COLUMNS) -> tuple[Master, Oddities]:
    odd = Oddities("kite", lambda _text: None)
    return read_master("\n".join([header, *rows]).encode(), odd), odd


WEEKLY = "12073986,47164,NIFTY26D0124500PE,NIFTY,0,2026-12-01,24500,0.05,65,PE,NFO-OPT,NFO"
HALF = "11,1,VEDL26NOV292.5CE,VEDL,0,2026-11-24,292.5,0.05,2300,CE,NFO-OPT,NFO"
INDEX = "256265,1001,NIFTY 50,NIFTY 50,0,,0,0,0,EQ,INDICES,NSE"
SHARE = "408065,1594,INFY,INFOSYS,0,,0,0.05,1,EQ,NSE,NSE"
FUTURE = "77,1,NIFTY26NOVFUT,NIFTY,0,2026-11-24,0,0.05,65,FUT,NFO-FUT,NFO"


def test_contracts_bear_this_desks_names_and_are_found_both_ways() -> None:
    master, odd = read(WEEKLY, HALF, INDEX, SHARE, FUTURE)

    assert [row.symbol for row in master.instruments] == [
        "NIFTY01DEC2624500PE", "VEDL24NOV26292.5CE", "NIFTY", "INFY", "NIFTY24NOV26FUT",
    ]  # fmt: skip
    assert [row.segment for row in master.instruments] == [
        Segment.INDEX_OPTION, Segment.STOCK_OPTION, Segment.INDEX, Segment.EQUITY, Segment.FUTURE,
    ]  # fmt: skip
    option = master.instruments[0]
    assert (option.lot_size, option.tick_paise, option.strike_paise, option.option_type, option.freeze_qty) == (
        65, 5, 2450000, OptionType.PE, 0,
    )  # fmt: skip
    assert (option.expiry, option.exchange, option.underlying) == (date(2026, 12, 1), "NFO", "NIFTY")
    assert master.symbols[12073986] == "NIFTY01DEC2624500PE" and master.listings["NIFTY"].quote_key == "NSE:NIFTY 50"
    assert master.symbol_of("NFO", "NIFTY26D0124500PE") == "NIFTY01DEC2624500PE"
    assert master.symbol_of("MCX", "GOLDPETAL") == "GOLDPETAL", "what the desk cannot name keeps the broker's name"
    assert odd.total == 0


def test_a_share_of_both_exchanges_is_the_nses() -> None:
    bse = "1,1,INFY,INFOSYS,0,,0,0.05,1,EQ,BSE,BSE"
    only = "2,1,ONLYBSE,X,0,,0,0.05,1,EQ,BSE,BSE"
    for rows in ((bse, SHARE, only), (SHARE, only, bse)):
        master, _ = read(*rows)
        assert {row.symbol: row.exchange for row in master.instruments} == {"INFY": "NSE", "ONLYBSE": "BSE"}


BROKEN = [
    WEEKLY.replace("2026-12-01", "2026-13-01"),
    WEEKLY.replace("2026-12-01", ""),
    WEEKLY.replace(",24500,", ",NaN,"),
    WEEKLY.replace(",24500,", ",-24500,"),
    WEEKLY.replace(",24500,", ",0,"),
    WEEKLY.replace(",65,", ",0,"),
    WEEKLY.replace(",65,", ",6.5,"),
    WEEKLY.replace(",65,", ",1e14,"),
    WEEKLY.replace("0.05", "0"),
    WEEKLY.replace("12073986", "99999999999"),
    WEEKLY.replace("12073986", "-1"),
    WEEKLY.replace(",PE,", ",XX,"),
    WEEKLY.replace("NIFTY26D0124500PE,NIFTY", "NIFTY26D0124500PE,[red]NIFTY"),
    WEEKLY.replace("NIFTY26D0124500PE,NIFTY", "SOMETHING,"),
    WEEKLY + ",one,too,many",
    "short,row",
]


@pytest.mark.parametrize("row", BROKEN)
def test_a_broken_row_is_counted_and_skipped(row: str) -> None:
    master, odd = read(row, SHARE)

    assert [each.symbol for each in master.instruments] == ["INFY"] and odd.total == 1


def test_other_exchanges_are_not_this_desks() -> None:
    master, odd = read(
        SHARE, "5,1,GOLD26DECFUT,GOLD,0,2026-12-04,0,1,1,FUT,MCX-FUT,MCX", "6,1,X,X,0,,0,0.01,1,EQ,CDS,CDS"
    )

    assert len(master.instruments) == 1 and odd.total == 0


@pytest.mark.parametrize("raw", [b"", b"<html>no</html>", b"\xff\xfe\x00", b"a,b,c\n1,2,3", b'{"status":"error"}'])
def test_what_is_no_dump_is_said_to_be_none(raw: bytes) -> None:
    with pytest.raises(MasterBroken):
        read_master(raw, Oddities("kite", lambda _text: None))


@given(st.lists(st.lists(st.text(max_size=12), max_size=14), max_size=5))
def test_no_rows_break_the_reader(rows: list[list[str]]) -> None:
    out = io.StringIO()
    csv.writer(out).writerows([HEADER, *rows])

    read_master(out.getvalue().encode(), Oddities("kite", lambda _text: None))


def test_the_sample_dump_is_read_whole(fixtures: Path) -> None:
    raw = (fixtures / "instruments_all.csv").read_bytes()
    odd = Oddities("kite", lambda _text: None)
    master = read_master(raw, odd)
    rows = list(csv.DictReader(io.StringIO(raw.decode())))

    for row in rows:
        if row["exchange"] == "NFO":
            symbol = master.symbol_of("NFO", row["tradingsymbol"])
            assert master.listings[symbol].token == int(row["instrument_token"]), row
            mine = next(each for each in master.instruments if each.symbol == symbol)
            assert str(mine.expiry) == row["expiry"] and mine.strike_paise == round(float(row["strike"]) * 100)
            assert mine.lot_size == int(row["lot_size"])
    assert "BANKNIFTY25JAN1823500CE" in master.listings, "its row has no name: the symbol's own date tells"
    assert odd.total == 0


STRIKES = st.integers(1, 4_000_000).map(lambda n: n * 5)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["NIFTY", "BANKNIFTY", "M&M", "BAJAJ-AUTO", "NIFTYNXT50"]),
            st.dates(date(2024, 1, 1), date(2030, 12, 31)),
            STRIKES,
            st.sampled_from(list(OptionType)),
        ),
        unique=True,
        max_size=8,
    )
)
def test_what_the_venue_lists_the_adapter_reads_back(rows: list[tuple[str, date, int, OptionType]]) -> None:
    contracts = [
        Instrument(
            symbol=option_name(*row), exchange="NFO", segment=Segment.INDEX_OPTION, lot_size=65, tick_paise=5,
            underlying=row[0], expiry=row[1], strike_paise=row[2], option_type=row[3],
        )
        for row in rows
    ]  # fmt: skip
    venue = VenueMaster()
    venue.list_instruments(contracts)
    odd = Oddities("kite", lambda _text: None)
    master = read_master(venue.csv().encode(), odd)

    assert odd.total == 0 and {row.symbol for row in master.instruments} == {row.symbol for row in contracts}
    for contract in contracts:
        quoted = venue.by_symbol(contract.symbol)
        assert quoted is not None and master.listings[contract.symbol] == quoted.listing
        assert quoted.listing.token & 0xFF == 2
