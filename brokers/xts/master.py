"""The instrument master of XTS: `|`-separated text and index lists into contracts, and names both ways. Pure.

Facts/xts.md §9. The columns of a row depend on its InstrumentType: futures have neither strike nor option type. A
contract is named from (Name, expiry's date, strike, type), never from the broker's description. A broken row is counted
and skipped; a contract that is not in the master cannot be traded.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from functools import lru_cache
from typing import Final

import msgspec

from brokers.wire.numbers import paise_of, whole_of
from brokers.wire.oddities import Oddities, sample_of
from brokers.xts import times
from brokers.xts.segments import EXCHANGES, NUMBERS, segment_number
from engine.instrument import Instrument, OptionType, Segment
from engine.option_symbol import is_index_name, option_name

_FUTURE: Final = "1"
_OPTION: Final = "2"
_SPREAD: Final = "4"
_EQUITY: Final = "8"
_OPTION_TYPES: Final = {"3": OptionType.CE, "4": OptionType.PE, "CE": OptionType.CE, "PE": OptionType.PE}
_INDEX_SERIES: Final = frozenset({"OPTIDX", "FUTIDX", "IO", "IF"})
_SHARE_SERIES: Final = ("EQ", "BE", "BZ", "SM", "ST")
"""Of one share's rows the first of these is the share; the others are other markets in it (T0, block, odd lots)."""
_TEST: Final = "NSETEST"
_MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_INDEX_NAMES: Final = {
    "NIFTY 50": "NIFTY",
    "NIFTY BANK": "BANKNIFTY",
    "NIFTY FIN SERVICE": "FINNIFTY",
    "NIFTY FINANCIAL SERVICES": "FINNIFTY",
    "NIFTY MID SELECT": "MIDCPNIFTY",
    "NIFTY MIDCAP SELECT": "MIDCPNIFTY",
    "NIFTY NEXT 50": "NIFTYNXT50",
    "INDIA VIX": "INDIAVIX",
    "SNSX50": "SENSEX50",
}
"""The exchanges' names of indices -> the names of their contracts (facts/market.md §4)."""
_INDEX_EXCHANGES: Final = {1: "NSE_INDEX", 11: "BSE_INDEX"}


# Eighty thousand rows have a few thousand different strikes, ticks, lots and limits.
_paise = lru_cache(maxsize=16_384)(paise_of)
_whole = lru_cache(maxsize=4_096)(whole_of)


class Contract(msgspec.Struct, frozen=True, kw_only=True):
    """One tradable contract or index with the broker's own name of it."""

    segment: str
    """NSECM, NSEFO, BSEFO ..."""
    number: int
    """ExchangeInstrumentID."""
    instrument: Instrument

    @property
    def key(self) -> tuple[int, int]:
        """How market data names it."""
        return NUMBERS[self.segment], self.number


class Master(msgspec.Struct, kw_only=True):
    """One day's contracts. Filled by `read_master` and not changed afterwards."""

    by_symbol: dict[str, Contract] = {}
    by_key: dict[tuple[int, int], Contract] = {}

    def add(self, contract: Contract) -> bool:
        """False when its name or its number is taken: the first one stays."""
        if contract.instrument.symbol in self.by_symbol or contract.key in self.by_key:
            return False
        self.by_symbol[contract.instrument.symbol] = contract
        self.by_key[contract.key] = contract
        return True

    def symbol_of(self, segment: object, number: object, trading_symbol: object) -> str:
        """This desk's name of what a broker's row is about, also when the master does not have it. Never raises."""
        where, which = segment_number(segment), whole_of(number)
        if where is not None and which is not None and (contract := self.by_key.get((where, which))):
            return contract.instrument.symbol
        if isinstance(trading_symbol, str) and trading_symbol.strip():
            return _named(trading_symbol)
        return sample_of(f"{segment}:{number}")

    def expiries(self, underlying: str) -> list[date]:
        """Of its options, nearest first."""
        rows = (contract.instrument for contract in self.by_symbol.values())
        return sorted({row.expiry for row in rows if row.expiry and row.is_option and row.underlying == underlying})

    def chain(self, underlying: str, expiry: date) -> list[Contract]:
        """By strike, CE before PE."""
        found = [
            contract
            for contract in self.by_symbol.values()
            if contract.instrument.is_option
            and contract.instrument.underlying == underlying
            and contract.instrument.expiry == expiry
        ]
        return sorted(found, key=lambda row: (row.instrument.strike_paise, row.instrument.option_type or ""))


def read_master(text: str, indices: Iterable[tuple[int, str]], odd: Oddities) -> Master:
    """`text` of all segments; `indices` are (segment number, `NIFTY 50_26000`)."""
    master = Master(by_symbol={}, by_key={})
    shares: list[tuple[int, Contract]] = []
    for line in text.split("\n"):
        cells = line.rstrip("\r").split("|")
        if cells == [""]:
            continue
        try:
            read = _contract(cells)
        except (ValueError, IndexError):
            odd.add("a broken row of the instrument master", line)
            continue
        if read is None:
            continue
        rank, contract = read
        if rank is not None:
            shares.append((rank, contract))
        elif not master.add(contract):
            odd.add("a second contract of one name or number in the instrument master", line)
    for where, entry in indices:
        if (index := _index(where, entry)) is None:
            odd.add("an index that cannot be read", entry)
        else:
            master.add(index)
    for _, share in sorted(shares, key=lambda pair: pair[0]):  # after the indices: no share has an index's name
        master.add(share)
    return master


def _contract(cells: list[str]) -> tuple[int | None, Contract] | None:
    """(rank among the rows of one share, contract), or None for what this desk does not trade.

    Raises ValueError and IndexError for a broken row.
    """
    segment, kind = cells[0], cells[2]
    if segment not in EXCHANGES or kind == _SPREAD or _TEST in cells[3]:
        return None
    name, series = cells[3].strip(), cells[5]
    if kind == _EQUITY:
        if series not in _SHARE_SERIES or segment != "NSECM":
            return None
        return _SHARE_SERIES.index(series), _make(cells, symbol=name, segment_kind=Segment.EQUITY, underlying=name)
    if kind not in (_OPTION, _FUTURE):
        return None
    expiry = times.day_of(cells[16])
    if expiry is None or not name:
        raise ValueError("no expiry or name")
    if kind == _FUTURE:
        symbol = f"{name}{expiry.day:02d}{_MONTHS[expiry.month - 1]}{expiry.year % 100:02d}FUT"
        return None, _make(cells, symbol=symbol, segment_kind=Segment.FUTURE, underlying=name, expiry=expiry)
    strike, option_type = _paise(cells[17]), _OPTION_TYPES.get(cells[18])
    if strike is None or strike <= 0 or option_type is None:
        raise ValueError("no strike or type")
    is_index = series in _INDEX_SERIES or is_index_name(name)
    return None, _make(
        cells,
        symbol=option_name(name, expiry, strike, option_type),
        segment_kind=Segment.INDEX_OPTION if is_index else Segment.STOCK_OPTION,
        underlying=name,
        expiry=expiry,
        strike_paise=strike,
        option_type=option_type,
    )


def _make(
    cells: list[str],
    *,
    symbol: str,
    segment_kind: Segment,
    underlying: str,
    expiry: date | None = None,
    strike_paise: int = 0,
    option_type: OptionType | None = None,
) -> Contract:
    segment = cells[0]
    number, freeze, tick, lot = whole_of(cells[1]), _whole(cells[10]), _paise(cells[11]), _whole(cells[12])
    if not symbol or not number or number < 0 or not tick or tick < 0 or not lot or lot < 0:
        raise ValueError("no number, tick or lot")
    freeze = max(freeze or 0, 0)
    if freeze and segment.startswith("NSE"):
        freeze -= 1  # NSE's figure is the first that is refused, BSE's the last that is taken
    instrument = Instrument(
        symbol=symbol,
        exchange=EXCHANGES[segment],
        segment=segment_kind,
        lot_size=lot,
        tick_paise=tick,
        freeze_qty=freeze,
        underlying=underlying,
        expiry=expiry,
        strike_paise=strike_paise,
        option_type=option_type,
    )
    return Contract(segment=segment, number=number, instrument=instrument)


def _index(where: int, entry: str) -> Contract | None:
    name, _, number = entry.rpartition("_")
    which = whole_of(number)
    plain = " ".join(name.upper().split())
    if where not in _INDEX_EXCHANGES or which is None or which <= 0 or not plain or len(plain) > 40:
        return None
    symbol = _INDEX_NAMES.get(plain) or "".join(c for c in plain if c.isascii() and (c.isalnum() or c in "&-"))
    if not symbol:
        return None
    instrument = Instrument(
        symbol=symbol,
        exchange=_INDEX_EXCHANGES[where],
        segment=Segment.INDEX,
        lot_size=1,
        tick_paise=5,
        underlying=symbol,
    )
    return Contract(segment="NSECM" if where == 1 else "BSECM", number=which, instrument=instrument)


def _named(trading_symbol: str) -> str:
    """`NIFTY 30JAN2025 PE 23250` in this desk's form; anything else as it stands, printable."""
    parts = trading_symbol.upper().split()
    if len(parts) == 4 and parts[2] in ("CE", "PE") and len(parts[1]) == 9 and parts[1][2:5] in _MONTHS:
        strike, day, year = paise_of(parts[3]), whole_of(parts[1][:2]), whole_of(parts[1][5:])
        if strike and day and year:
            try:
                expiry = date(year, _MONTHS.index(parts[1][2:5]) + 1, day)
                return sample_of(option_name(parts[0], expiry, strike, OptionType(parts[2])))
            except ValueError:
                pass
    return sample_of(trading_symbol.strip())[:60]
