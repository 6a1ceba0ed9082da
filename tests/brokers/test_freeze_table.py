"""Freeze quantities where a broker's list names none: a larger exit would be refused whole (facts/market.md §4)."""

from __future__ import annotations

from datetime import date

import pytest

from brokers.dhan.master import read_master as read_dhan
from brokers.freeze_table import freeze_note, known_freezes
from brokers.kite.master import read_master as read_kite
from brokers.kite.venue_master import HEADER
from brokers.wire.oddities import Oddities

pytestmark = pytest.mark.row("HRD-10", "OPS-05")
DAY = date(2026, 11, 25)
KITE = (
    ",".join(HEADER),
    "12073986,47164,NIFTY26D0124500PE,NIFTY,0,2026-12-01,24500,0.05,65,PE,NFO-OPT,NFO",
    "11,1,VEDL26NOV292.5CE,VEDL,0,2026-11-24,292.5,0.05,2300,CE,NFO-OPT,NFO",
    "77,1,NIFTY26NOVFUT,NIFTY,0,2026-11-24,0,0.05,65,FUT,NFO-FUT,NFO",
    "256265,1001,NIFTY 50,NIFTY 50,0,,0,0,0,EQ,INDICES,NSE",
)
DHAN = (
    "EXCH_ID,SEGMENT,SECURITY_ID,ISIN,INSTRUMENT,UNDERLYING_SECURITY_ID,UNDERLYING_SYMBOL,SYMBOL_NAME,DISPLAY_NAME,"
    "INSTRUMENT_TYPE,SERIES,LOT_SIZE,SM_EXPIRY_DATE,STRIKE_PRICE,OPTION_TYPE,TICK_SIZE,EXPIRY_FLAG",
    "NSE,D,49081,NA,OPTIDX,26000,NIFTY,NIFTY-Dec2026-24500-PE,X,OP,NA,65.0,2026-12-01,24500.0,PE,5.0,W",
)


def test_an_index_option_of_kite_and_dhan_has_the_exchanges_figure_and_is_cut_in_whole_lots() -> None:
    freezes = known_freezes(DAY)
    kite = read_kite("\n".join(KITE).encode(), Oddities("kite", lambda _text: None), freezes)
    dhan = read_dhan("\n".join(DHAN).encode(), Oddities("dhan", lambda _text: None), freezes)

    option = kite.instruments[0]
    assert (option.freeze_qty, option.max_order_qty) == (1800, 1755), "27 lots of 65"
    assert dhan.by_symbol["NIFTY01DEC2624500PE"].instrument == option
    assert [each.freeze_qty for each in kite.instruments[1:]] == [0, 0, 0], "no figure is known of these"


def test_a_day_that_no_figure_covers_has_none() -> None:
    assert known_freezes(date(1999, 1, 1)) == {}
    assert "NIFTY 1800" in freeze_note("Kite", known_freezes(DAY))
