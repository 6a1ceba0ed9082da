"""Dhan's instrument list: of its CSV the contracts that this desk trades, and the maps between our names and its ids.

Columns are found by the names in the header, of the compact list or the detailed one (facts/dhan.md §4). Kept are NSE
cash shares of the series EQ, index options of NSE and BSE, and indices; a broken row is counted and left out. The tick
size of the list is in paise. A security id means something only together with its segment.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from types import MappingProxyType
from typing import Final

import msgspec
from msgspec.structs import replace

from brokers.dhan.packets import Known, key_of
from brokers.dhan.vocabulary import NO_VALUE, SEGMENT_CODES, SEGMENT_OF_EXCHANGE
from brokers.freeze_table import with_freeze
from brokers.wire.numbers import paise_of, whole_of
from brokers.wire.oddities import Oddities
from engine.instrument import Instrument, OptionType, Segment
from engine.option_symbol import option_name

_COLUMNS: Final = {
    "exchange": ("SEM_EXM_EXCH_ID", "EXCH_ID"),
    "segment": ("SEM_SEGMENT", "SEGMENT"),
    "id": ("SEM_SMST_SECURITY_ID", "SECURITY_ID"),
    "kind": ("SEM_INSTRUMENT_NAME", "INSTRUMENT"),
    "lot": ("SEM_LOT_UNITS", "LOT_SIZE"),
    "expiry": ("SEM_EXPIRY_DATE", "SM_EXPIRY_DATE"),
    "strike": ("SEM_STRIKE_PRICE", "STRIKE_PRICE"),
    "option": ("SEM_OPTION_TYPE", "OPTION_TYPE"),
    "tick": ("SEM_TICK_SIZE", "TICK_SIZE"),
    "series": ("SEM_SERIES", "SERIES"),
    "name": ("SEM_TRADING_SYMBOL", "SYMBOL_NAME"),
}
_UNDERLYING: Final = "UNDERLYING_SYMBOL"
"""Of the detailed list; in the compact one an option's underlying is the first part of its trading symbol."""
_SYMBOL: Final = re.compile(r"[A-Z0-9][A-Z0-9&-]{0,29}", re.ASCII)
_CASH_NAME: Final = re.compile(r"[A-Z0-9][A-Z0-9&_-]{0,29}", re.ASCII)
_ID: Final = re.compile(r"[1-9][0-9]{0,9}", re.ASCII)
_LINE_MAX: Final = 4096
_DERIVATIVES_OF: Final = {"NSE": "NFO", "BSE": "BFO"}
_INDEX_TICK_PAISE: Final = 1
"""An index is no price: it is shown as it comes."""


class NotAMaster(Exception):
    """The reply has no header of an instrument list."""


class Listed(msgspec.Struct, frozen=True):
    """One contract with Dhan's own key."""

    instrument: Instrument
    segment: str
    security_id: int
    kind: str
    """INDEX, EQUITY or OPTIDX, as chart requests ask it."""


class Master:
    """The day's contracts, by our name and by Dhan's key."""

    def __init__(self, rows: Iterable[Listed], oddities: Oddities) -> None:
        """Two contracts of one name name neither: an order must not go to the wrong one."""
        self.by_symbol: dict[str, Listed] = {}
        twice: set[str] = set()
        for row in rows:
            symbol = row.instrument.symbol
            other = self.by_symbol.setdefault(symbol, row)
            if (other.segment, other.security_id) != (row.segment, row.security_id):
                oddities.add("two contracts of one name", symbol)
                twice.add(symbol)
        for symbol in twice:
            del self.by_symbol[symbol]
        self._names = {(row.segment, str(row.security_id)): name for name, row in self.by_symbol.items()}

    def symbol_of(self, segment: str, security_id: str) -> str:
        """Our name, or empty."""
        return self._names.get((segment, security_id), "")

    def symbol_of_frame(self, exchange: str, letter: str, security_id: str) -> str:
        """The same for an order update, which names exchange and kind apart (`NSE`, `D`)."""
        exchange = _DERIVATIVES_OF.get(exchange, "") if letter == "D" else exchange
        return self.symbol_of(SEGMENT_OF_EXCHANGE.get(exchange, ""), security_id)

    def known(self, symbols: Iterable[str]) -> Known:
        """What the decoder of packets needs of these contracts."""
        found = (self.by_symbol[symbol] for symbol in symbols if symbol in self.by_symbol)
        return {
            key_of(SEGMENT_CODES[row.segment], row.security_id): (row.instrument.symbol, row.instrument.tick_paise)
            for row in found
        }


def is_master(content: bytes) -> bool:
    """Begins as one of Dhan's lists does; an error page does not."""
    return _places(_cells(content[:_LINE_MAX].decode("utf-8", "replace").partition("\n")[0])) is not None


def read_master(content: bytes, oddities: Oddities, freezes: Mapping[str, int] = MappingProxyType({})) -> Master:
    """All of the list. Raises NotAMaster. Takes a second or so for the real one: not on the loop.

    `freezes`: the largest units of one order by underlying, which the list does not name.
    """
    rows = _rows(content, oddities)
    return Master((replace(row, instrument=with_freeze(row.instrument, freezes)) for row in rows), oddities)


def _rows(content: bytes, oddities: Oddities) -> Iterator[Listed]:
    lines = _lines(content)
    names = _cells(next(lines, ""))
    places = _places(names)
    if places is None:
        raise NotAMaster("no header of an instrument list")
    width, underlying = len(names), names.index(_UNDERLYING) if _UNDERLYING in names else -1
    for line in lines:
        cells = _cells(line)
        if len(cells) < width:
            if line.strip():
                oddities.add("an instrument row of too few columns", line)
            continue
        row = {name: cells[place].strip() for name, place in places.items()}
        kind, exchange = row["kind"], row["exchange"]
        if not _is_wanted(kind, exchange, row):
            continue
        row["underlying"] = cells[underlying].strip() if underlying >= 0 else ""
        listed = _listed(row)
        if listed is None:
            oddities.add(f"an instrument row that cannot be read ({kind})", line)
        else:
            yield listed


def _is_wanted(kind: str, exchange: str, row: Mapping[str, str]) -> bool:
    if exchange not in ("NSE", "BSE"):
        return False
    if kind == "EQUITY":
        return exchange == "NSE" and row["segment"] == "E" and row["series"] == "EQ"
    return (kind, row["segment"]) in (("OPTIDX", "D"), ("INDEX", "I"))


def _listed(row: Mapping[str, str]) -> Listed | None:
    exchange = row["exchange"]
    if not _ID.fullmatch(row["id"]):
        return None
    match row["kind"]:
        case "INDEX":
            instrument, segment = _index(row, f"{exchange}_INDEX"), "IDX_I"
        case "EQUITY":
            instrument, segment = _share(row, exchange), SEGMENT_OF_EXCHANGE[exchange]
        case _:
            exchange = _DERIVATIVES_OF[exchange]
            instrument, segment = _option(row, exchange), SEGMENT_OF_EXCHANGE[exchange]
    security_id = int(row["id"])
    if instrument is None or security_id >= 1 << 32:
        return None
    return Listed(instrument, segment, security_id, row["kind"])


def _index(row: Mapping[str, str], exchange: str) -> Instrument | None:
    name = row["name"].upper()
    if not _SYMBOL.fullmatch(name.replace(" ", "-")):
        return None
    return Instrument(
        symbol=name,
        exchange=exchange,
        segment=Segment.INDEX,
        lot_size=1,
        tick_paise=_INDEX_TICK_PAISE,
        underlying=name,
    )


def _share(row: Mapping[str, str], exchange: str) -> Instrument | None:
    name, tick = row["name"].upper(), whole_of(row["tick"])
    if not _CASH_NAME.fullmatch(name) or tick is None or not 0 < tick <= 10_000:
        return None
    return Instrument(
        symbol=name, exchange=exchange, segment=Segment.EQUITY, lot_size=1, tick_paise=tick, underlying=name
    )


def _option(row: Mapping[str, str], exchange: str) -> Instrument | None:
    underlying = row["underlying"].upper()
    if underlying in NO_VALUE:
        underlying = row["name"].upper().rsplit("-", 3)[0]
    lot, tick, strike = whole_of(row["lot"]), whole_of(row["tick"]), paise_of(row["strike"])
    expiry = _day(row["expiry"])
    if lot is None or tick is None or strike is None or expiry is None or row["option"] not in ("CE", "PE"):
        return None
    if not _SYMBOL.fullmatch(underlying) or not (0 < lot <= 1_000_000 and 0 < tick <= 10_000 and strike > 0):
        return None
    option_type = OptionType(row["option"])
    return Instrument(
        symbol=option_name(underlying, expiry, strike, option_type),
        exchange=exchange,
        segment=Segment.INDEX_OPTION,
        lot_size=lot,
        tick_paise=tick,
        underlying=underlying,
        expiry=expiry,
        strike_paise=strike,
        option_type=option_type,
    )


def _day(text: str) -> date | None:
    """`2026-07-28`, also with a time behind it."""
    try:
        day = date.fromisoformat(text[:10])
    except ValueError:
        return None
    return day if day.year >= 2020 else None


def _lines(content: bytes) -> Iterator[str]:
    """Line by line, so that an open quote spoils one row and not the rest of the list."""
    start = 0
    while start < len(content):
        end = content.find(b"\n", start)
        end = len(content) if end < 0 else end
        yield content[start : min(end, start + _LINE_MAX)].decode("utf-8", "replace").rstrip("\r")
        start = end + 1


def _cells(line: str) -> list[str]:
    if '"' not in line:
        return line.split(",")
    try:
        return next(iter(csv.reader([line])))
    except (csv.Error, StopIteration):
        return []


def _places(names: list[str]) -> dict[str, int] | None:
    """Where each column stands; None when one is missing under both of its names."""
    trimmed = [name.strip().lstrip("\ufeff") for name in names]
    found: dict[str, int] = {}
    for key, spellings in _COLUMNS.items():
        place = next((trimmed.index(name) for name in spellings if name in trimmed), -1)
        if place < 0:
            return None
        found[key] = place
    return found
