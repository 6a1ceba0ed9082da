"""Kite's instrument dump: today's contracts under this desk's names, and both ways between names and tokens. Pure.

Tokens and trading symbols are Kite's; this desk calls an option by underlying, expiry, strike and type (`option_name`),
a share by its NSE symbol and an index by the name its options bear. A row that cannot be understood is counted and
skipped; other exchanges (commodities, currencies) are not this desk's (facts/kite.md §4).
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from functools import lru_cache
from types import MappingProxyType
from typing import Final

import msgspec

from brokers.freeze_table import with_freeze
from brokers.wire.numbers import paise_of, whole_of
from brokers.wire.oddities import Oddities
from engine.instrument import Instrument, OptionType, Segment
from engine.option_symbol import is_index_name, option_name

INDEX_NAMES: Final[dict[str, str]] = {
    "NIFTY 50": "NIFTY",
    "NIFTY BANK": "BANKNIFTY",
    "NIFTY FIN SERVICE": "FINNIFTY",
    "NIFTY MID SELECT": "MIDCPNIFTY",
    "NIFTY NEXT 50": "NIFTYNXT50",
    "INDIA VIX": "INDIAVIX",
    "SENSEX": "SENSEX",
    "BANKEX": "BANKEX",
}
"""The dump's name of an index -> the name its options and this desk bear. Others lose their spaces."""

_COLUMNS: Final = frozenset(
    ("instrument_token", "tradingsymbol", "name", "expiry", "strike", "tick_size", "lot_size", "instrument_type",
     "segment", "exchange")
)  # fmt: skip
_MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_WEEKLY_MONTHS: Final = "123456789OND"
_DERIVATIVES: Final = frozenset({"NFO", "BFO"})
_NAME: Final = re.compile(r"[A-Z0-9][A-Z0-9&_-]{0,39}", re.ASCII)
_TOKEN_MAX: Final = 2**32 - 1
_TOKEN_DIGITS: Final = 10
_MEMO: Final = 8192
"""Strikes, lots and days repeat over a hundred thousand rows: each text is read once."""
_LOT_MAX: Final = 10**7


class MasterBroken(Exception):
    """The dump is none: its header or its encoding is not what it must be."""


class Listing(msgspec.Struct, frozen=True, gc=False):
    """How Kite calls one contract."""

    token: int
    exchange: str
    tradingsymbol: str

    @property
    def quote_key(self) -> str:
        return f"{self.exchange}:{self.tradingsymbol}"


class Master:
    """One day's contracts."""

    def __init__(self, rows: Iterable[tuple[Listing, Instrument]] = ()) -> None:
        self.instruments: list[Instrument] = []
        self.listings: dict[str, Listing] = {}
        """By this desk's symbol."""
        self.symbols: dict[int, str] = {}
        """By Kite's token."""
        self._by_name: dict[tuple[str, str], str] = {}
        for listing, instrument in rows:
            self.instruments.append(instrument)
            self.listings[instrument.symbol] = listing
            self.symbols[listing.token] = instrument.symbol
            self._by_name[listing.exchange, listing.tradingsymbol] = instrument.symbol

    def symbol_of(self, exchange: str, tradingsymbol: str) -> str:
        """This desk's name of what an order row calls so; Kite's own when the master has none (not ours, then)."""
        return self._by_name.get((exchange, tradingsymbol), tradingsymbol)

    def options(self, underlying: str) -> Iterator[Instrument]:
        return (row for row in self.instruments if row.is_option and row.underlying == underlying)


def read_master(raw: bytes, odd: Oddities, freezes: Mapping[str, int] = MappingProxyType({})) -> Master:
    """All rows that this desk can name. Raises MasterBroken for what is no dump at all.

    `freezes`: the largest units of one order by underlying, which the dump does not name.
    """
    try:
        lines = raw.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise MasterBroken("the instrument dump is no UTF-8 text") from None
    reader = csv.reader(lines)
    try:
        header = next(reader, list[str]())
    except csv.Error:
        header = []
    if not set(header) >= _COLUMNS:
        raise MasterBroken("the instrument dump has another header")
    found: dict[str, tuple[Listing, Instrument]] = {}
    later: list[tuple[Listing, Instrument]] = []
    while True:
        try:
            values = next(reader, None)
        except csv.Error:
            odd.add("a row of the instrument dump that is no CSV", reader.line_num)
            continue
        if values is None:
            break
        if not values:
            continue
        row = dict(zip(header, values, strict=False))
        if len(values) != len(header) or (read := _read_row(row)) is None:
            odd.add("a row of the instrument dump that cannot be read", ",".join(values))
        elif isinstance(read, tuple):
            read = (read[0], with_freeze(read[1], freezes))
            # A share of both exchanges is the NSE's here; the index comes before a fund of the same name.
            if read[0].exchange == "BSE" and read[1].segment is Segment.EQUITY:
                later.append(read)
            elif read[1].segment is Segment.INDEX or read[1].symbol not in found:
                found[read[1].symbol] = read
    for read in later:
        found.setdefault(read[1].symbol, read)
    return Master(found.values())


def _read_row(row: Mapping[str, str]) -> tuple[Listing, Instrument] | bool | None:
    """The contract; False when it is none of this desk's; None when the row makes no sense."""
    exchange, kind = row["exchange"], row["instrument_type"]
    is_index = row["segment"] == "INDICES"
    if exchange in _DERIVATIVES:
        if kind not in ("CE", "PE", "FUT"):
            return None
    elif exchange not in ("NSE", "BSE") or (kind != "EQ" and not is_index):
        return False
    number, name = row["instrument_token"], row["tradingsymbol"]
    token = int(number) if number.isascii() and number.isdecimal() and len(number) <= _TOKEN_DIGITS else 0
    lot, tick = _whole(row["lot_size"]), _paise(row["tick_size"])
    if not 0 < token <= _TOKEN_MAX or not name.isprintable() or not name.isascii():
        return None
    listing = Listing(token, exchange, name)
    if is_index:
        return _index(listing)
    if lot is None or not 0 < lot <= _LOT_MAX or tick is None or not tick > 0:
        return None
    if exchange in _DERIVATIVES:
        return _derivative(listing, row, lot, tick)
    if not _NAME.fullmatch(name):
        return False
    share = Instrument(
        symbol=name, exchange=exchange, segment=Segment.EQUITY, lot_size=lot, tick_paise=tick, underlying=name
    )
    return listing, share


def _index(listing: Listing) -> tuple[Listing, Instrument] | bool:
    symbol = INDEX_NAMES.get(listing.tradingsymbol, listing.tradingsymbol.replace(" ", ""))
    if not _NAME.fullmatch(symbol):
        return False
    index = Instrument(
        symbol=symbol,
        exchange=f"{listing.exchange}_INDEX",
        segment=Segment.INDEX,
        lot_size=1,
        tick_paise=5,
        underlying=symbol,
    )
    return listing, index


def _derivative(listing: Listing, row: Mapping[str, str], lot: int, tick: int) -> tuple[Listing, Instrument] | None:
    strike, kind, expiry = _paise(row["strike"] or "0"), row["instrument_type"], _day(row["expiry"])
    if expiry is None or strike is None or strike < 0 or (kind != "FUT" and not strike):
        return None
    tail = kind if kind == "FUT" else f"{strike_text(strike)}{kind}"
    underlying = row["name"] or _underlying(listing.tradingsymbol, expiry, tail)
    if not _NAME.fullmatch(underlying):
        return None
    option_type = None if kind == "FUT" else OptionType(kind)
    symbol = (
        f"{underlying}{expiry.day:02d}{_MONTHS[expiry.month - 1]}{expiry.year % 100:02d}FUT"
        if option_type is None
        else option_name(underlying, expiry, strike, option_type)
    )
    segment = Segment.INDEX_OPTION if _is_index(underlying) else Segment.STOCK_OPTION
    contract = Instrument(
        symbol=symbol,
        exchange=listing.exchange,
        segment=Segment.FUTURE if option_type is None else segment,
        lot_size=lot,
        tick_paise=tick,
        underlying=underlying,
        expiry=expiry,
        strike_paise=strike,
        option_type=option_type,
    )
    return listing, contract


@lru_cache(_MEMO)
def _paise(text: str) -> int | None:
    return paise_of(text)


@lru_cache(_MEMO)
def _whole(text: str) -> int | None:
    return whole_of(text)


@lru_cache(_MEMO)
def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


@lru_cache(_MEMO)
def _is_index(underlying: str) -> bool:
    return is_index_name(underlying)


def _underlying(tradingsymbol: str, expiry: date, tail: str) -> str:
    """What stands before the date in Kite's symbol, for rows without a name; empty when its date is not `expiry`."""
    for form in (monthly_code(expiry), weekly_code(expiry)):
        if tradingsymbol.endswith(form + tail):
            return tradingsymbol[: -len(form + tail)]
    return ""


def monthly_code(expiry: date) -> str:
    """`26NOV` (engine.option_symbol has the forms)."""
    return f"{expiry.year % 100:02d}{_MONTHS[expiry.month - 1]}"


def weekly_code(expiry: date) -> str:
    """`26D01`: the month as 1-9, O, N or D."""
    return f"{expiry.year % 100:02d}{_WEEKLY_MONTHS[expiry.month - 1]}{expiry.day:02d}"


def strike_text(strike_paise: int) -> str:
    rupees, paise = divmod(strike_paise, 100)
    return f"{rupees}.{paise:02d}".rstrip("0") if paise else str(rupees)
