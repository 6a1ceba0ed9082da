"""The server's instrument rows as this desk's contracts, and both ways between the two names. Pure.

Sources: facts/openalgo.md §5 (`instruments`), §8 (symbols). The desk names options as OpenAlgo does, so most names are
the same; what differs (a strike written 24292.50) is mapped. A row that cannot be read is counted and skipped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from functools import lru_cache
from typing import Final

import msgspec
from msgspec.structs import replace

from brokers.openalgo.orders import Wire
from brokers.openalgo.shapes import object_of
from brokers.wire.numbers import paise_of, whole_of
from brokers.wire.oddities import Oddities
from engine.instrument import Instrument, OptionType, Segment
from engine.option_symbol import SymbolForm, is_index_name, option_name, parse_option_symbol

EXCHANGES: Final = ("NSE_INDEX", "BSE_INDEX", "NSE", "NFO", "BFO", "BSE")
"""Asked for in this order: where two exchanges have a symbol, the first one has the name."""
FREEZE_NAMES: Final = ("NIFTY", "BANKNIFTY", "FINNIFTY", "MIDCPNIFTY", "NIFTYNXT50", "SENSEX", "BANKEX")
"""Underlyings whose freeze quantity is asked for one by one: `instruments` has none (facts §5)."""
_INDEXES: Final = frozenset({"NSE_INDEX", "BSE_INDEX"})
_DERIVATIVES: Final = frozenset({"NFO", "BFO"})
_LOT_MAX: Final = 1_000_000
_MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_OPTION_TYPES: Final = frozenset(OptionType.__members__)
_Loose = str | int | float | None


class Row(msgspec.Struct, frozen=True):
    """One contract as the server has it; unknown fields are of no interest."""

    symbol: str
    exchange: str
    name: _Loose = ""
    expiry: _Loose = ""
    strike: _Loose = 0
    lotsize: _Loose = 0
    tick_size: _Loose = 0
    instrumenttype: _Loose = ""


class _Reply(msgspec.Struct):
    status: str
    data: list[msgspec.Raw]


class Master:
    """One day's contracts. Immutable once built."""

    def __init__(self, pairs: Iterable[tuple[Wire, Instrument]]) -> None:
        self._by_symbol: dict[str, Instrument] = {}
        self._wires: dict[str, Wire] = {}
        self._names: dict[Wire, str] = {}
        for wire, instrument in pairs:
            if instrument.symbol in self._by_symbol or wire in self._names:
                continue
            self._by_symbol[instrument.symbol] = instrument
            self._wires[instrument.symbol] = wire
            self._names[wire] = instrument.symbol

    @property
    def instruments(self) -> Sequence[Instrument]:
        return list(self._by_symbol.values())

    def instrument(self, symbol: str) -> Instrument | None:
        return self._by_symbol.get(symbol)

    def wire_of(self, symbol: str) -> Wire | None:
        """How the server names this desk's symbol."""
        return self._wires.get(symbol)

    def name_of(self, wire: Wire) -> str:
        """This desk's name; a contract that the master does not have keeps its own."""
        return self._names.get(wire, wire.symbol)

    def symbol_of(self, wire: Wire) -> str | None:
        """As `name_of`, None for a contract that the master does not have."""
        return self._names.get(wire)

    def expiries(self, underlying: str) -> Sequence[date]:
        """Of its options, nearest first."""
        chosen = (i for i in self._by_symbol.values() if i.underlying == underlying and i.is_option)
        return sorted({i.expiry for i in chosen if i.expiry is not None})

    def options(self, underlying: str, expiry: date) -> Sequence[Instrument]:
        """By strike, CE before PE."""
        chosen = (i for i in self._by_symbol.values() if i.is_option)
        found = [i for i in chosen if (i.underlying, i.expiry) == (underlying, expiry)]
        return sorted(found, key=lambda i: (i.strike_paise, str(i.option_type)))

    def with_freeze(self, freeze: Mapping[str, int]) -> Master:
        """The same contracts with the freeze quantity of each underlying."""
        return Master(
            (self._wires[symbol], replace(i, freeze_qty=freeze.get(i.underlying, 0)) if i.is_option else i)
            for symbol, i in self._by_symbol.items()
        )


def decode_rows(body: bytes, oddities: Oddities) -> list[Row]:
    """The rows of one exchange. Raises ValueError when it is no list of rows at all."""
    try:
        reply = msgspec.json.decode(body, type=_Reply)
    except msgspec.DecodeError as error:
        raise ValueError(f"no list of instruments: {type(error).__name__}") from None
    if reply.status != "success":
        raise ValueError("the server has no instruments: log in on its page, and let it load the master contract")
    decoder = msgspec.json.Decoder(Row)
    rows: list[Row] = []
    for raw in reply.data:
        try:
            rows.append(decoder.decode(raw))
        except (msgspec.DecodeError, UnicodeDecodeError):
            oddities.add("instrument row", bytes(raw))
    return rows


def contracts(rows: Iterable[Row], day: date, oddities: Oddities) -> list[tuple[Wire, Instrument]]:
    """What can be traded or watched on this day; contracts that have expired are left out."""
    found: list[tuple[Wire, Instrument]] = []
    for row in rows:
        if row.exchange in _INDEXES or row.exchange in ("NSE", "BSE"):
            instrument = _cash(row)
        elif row.exchange in _DERIVATIVES:
            instrument = _derivative(row)
        else:
            continue
        if instrument is None:
            oddities.add("instrument row", row)
        elif instrument.expiry is None or instrument.expiry >= day:
            found.append((Wire(row.exchange, row.symbol), instrument))
    return found


def freeze_of(data: object) -> int:
    """Of a `symbol` reply's data; 0 when it gives none."""
    value = whole_of(object_of(data).get("freeze_qty"))
    return value if value is not None and value > 1 else 0  # 1 stands for "none" in the server's own table


def expiry_text(expiry: date) -> str:
    """`24NOV26`: what order and chain calls want; replies write `24-NOV-26`."""
    return f"{expiry.day:02d}{_MONTHS[expiry.month - 1]}{expiry.year % 100:02d}"


@lru_cache(maxsize=512)
def expiry_of(text: str) -> date | None:
    """`24-NOV-26`, `24-NOV-2026`; None when it is no date."""
    parts = text.upper().split("-")
    if len(parts) != 3 or parts[1] not in _MONTHS or not (parts[0].isdecimal() and parts[2].isdecimal()):
        return None
    if len(parts[0]) > 2 or len(parts[2]) not in (2, 4):
        return None
    year = int(parts[2]) + (2000 if len(parts[2]) == 2 else 0)
    try:
        return date(year, _MONTHS.index(parts[1]) + 1, int(parts[0]))
    except ValueError:
        return None


def _cash(row: Row) -> Instrument | None:
    is_index = row.exchange in _INDEXES
    tick, lot = paise_of(row.tick_size) or 0, _lot(row)
    if not row.symbol or (not is_index and (tick <= 0 or lot is None)):
        return None
    return Instrument(
        symbol=row.symbol,
        exchange=row.exchange,
        segment=Segment.INDEX if is_index else Segment.EQUITY,
        lot_size=lot or 1,
        tick_paise=max(tick, 1) if not is_index else max(tick, 5),
        underlying=row.symbol,
    )


def _derivative(row: Row) -> Instrument | None:
    lot, tick = _lot(row), paise_of(row.tick_size) or 0
    expiry = expiry_of(row.expiry) if isinstance(row.expiry, str) else None
    name = row.name if isinstance(row.name, str) else ""
    if lot is None or tick <= 0 or expiry is None or not name:
        return None
    if row.symbol.endswith("FUT"):
        return Instrument(
            symbol=row.symbol, exchange=row.exchange, segment=Segment.FUTURE, lot_size=lot, tick_paise=tick,
            underlying=name, expiry=expiry,
        )  # fmt: skip
    strike, kind = paise_of(row.strike), row.symbol[-2:]
    if strike is None or strike <= 0 or kind not in _OPTION_TYPES:
        return None
    symbol = option_name(name, expiry, strike, OptionType(kind))
    if symbol != row.symbol:
        told = parse_option_symbol(row.symbol, form=SymbolForm.OPENALGO)
        if told is None or (told.expiry, told.strike_paise, told.option_type) != (expiry, strike, OptionType(kind)):
            return None  # the name says another contract than the fields
        name, symbol = told.underlying, option_name(told.underlying, expiry, strike, told.option_type)
    return Instrument(
        symbol=symbol,
        exchange=row.exchange,
        segment=Segment.INDEX_OPTION if is_index_name(name) else Segment.STOCK_OPTION,
        lot_size=lot,
        tick_paise=tick,
        underlying=name,
        expiry=expiry,
        strike_paise=strike,
        option_type=OptionType(kind),
    )


def _lot(row: Row) -> int | None:
    lot = whole_of(row.lotsize)
    return lot if lot is not None and 0 < lot <= _LOT_MAX else None
