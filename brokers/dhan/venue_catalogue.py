"""The venue's contracts under Dhan's names: security ids, segments, trading symbols, and the instrument list as CSV.

Ids are made from the symbol alone (crc32, the next free one when taken), so they are the same in every run; indices
have the numbers that they have at Dhan. As at Dhan, an id is unique within its segment only.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from brokers.dhan.vocabulary import SEGMENT_CODES, SEGMENT_OF_EXCHANGE
from engine.instrument import Instrument, OptionType, Segment

_INDEX_IDS: Final = {"NIFTY": 13, "BANKNIFTY": 25, "FINNIFTY": 27, "SENSEX": 51}
_FIRST_ID, _IDS = 100_000, 900_000
_KINDS: Final = {Segment.INDEX: "INDEX", Segment.EQUITY: "EQUITY", Segment.INDEX_OPTION: "OPTIDX"}
_COMPACT: Final = (
    *("SEM_EXM_EXCH_ID", "SEM_SEGMENT", "SEM_SMST_SECURITY_ID", "SEM_INSTRUMENT_NAME", "SEM_EXPIRY_CODE"),
    *("SEM_TRADING_SYMBOL", "SEM_LOT_UNITS", "SEM_CUSTOM_SYMBOL", "SEM_EXPIRY_DATE", "SEM_STRIKE_PRICE"),
    *("SEM_OPTION_TYPE", "SEM_TICK_SIZE", "SEM_EXPIRY_FLAG", "SEM_EXCH_INSTRUMENT_TYPE", "SEM_SERIES"),
    "SM_SYMBOL_NAME",
)
_STRAYS: Final = (
    "BSE,E,532540,EQUITY,0,TCS,1.0,Tata Consultancy Services,,,,5.0000,NA,ES,A,TCS",
    "MCX,M,430106,FUTCOM,0,GOLD-05Oct2026-FUT,1.0,GOLD OCT FUT,2026-10-05 23:30:00,,XX,100.0000,M,FUTCOM,,GOLD",
)
"""Rows of markets that are not traded here, as the real list is full of."""


class Contract(msgspec.Struct, frozen=True):
    """One instrument with Dhan's key."""

    instrument: Instrument
    segment: str
    security_id: int
    trading_symbol: str

    @property
    def code(self) -> int:
        return SEGMENT_CODES[self.segment]

    @property
    def kind(self) -> str:
        return _KINDS[self.instrument.segment]


class Catalogue:
    """Grows with the market's own list; a contract keeps its id."""

    def __init__(self) -> None:
        self.by_symbol: dict[str, Contract] = {}
        self.by_key: dict[tuple[str, str], Contract] = {}
        """Segment and id, as the wire writes it."""

    def list_all(self, instruments: Iterable[Instrument]) -> None:
        for instrument in instruments:
            if instrument.symbol in self.by_symbol or instrument.segment not in _KINDS:
                continue
            segment = SEGMENT_OF_EXCHANGE[instrument.exchange]
            contract = Contract(instrument, segment, self._free_id(instrument, segment), _trading_symbol(instrument))
            self.by_symbol[instrument.symbol] = contract
            self.by_key[segment, str(contract.security_id)] = contract

    def _free_id(self, instrument: Instrument, segment: str) -> int:
        known = _INDEX_IDS.get(instrument.symbol) if instrument.segment is Segment.INDEX else None
        if known is not None:
            return known
        number = zlib.crc32(instrument.symbol.encode()) % _IDS
        while (segment, str(_FIRST_ID + number)) in self.by_key:
            number = (number + 1) % _IDS
        return _FIRST_ID + number

    def csv(self) -> str:
        """The compact list, with a few rows of other markets."""
        rows = [_row(contract) for contract in self.by_symbol.values()]
        return "\n".join([",".join(_COMPACT), *_STRAYS, *(",".join(row) for row in rows)]) + "\n"


def _row(contract: Contract) -> Sequence[str]:
    instrument = contract.instrument
    exchange = {"NFO": "NSE", "BFO": "BSE"}.get(instrument.exchange, instrument.exchange.removesuffix("_INDEX"))
    tick = f"{instrument.tick_paise}.0000"
    head = (exchange, _letter(instrument), str(contract.security_id), contract.kind, "0", contract.trading_symbol)
    if instrument.expiry is None or instrument.option_type is None:
        kind, series = ("INDEX", "X") if contract.kind == "INDEX" else ("ES", "EQ")
        return (*head, "1.0", instrument.symbol.title(), "", "", "", tick, "NA", kind, series, instrument.symbol)
    word = "CALL" if instrument.option_type is OptionType.CE else "PUT"
    strike = instrument.strike_paise / 100
    custom = f"{instrument.underlying} {instrument.expiry:%d %b} {strike:g} {word}".upper()
    return (
        *(*head, f"{instrument.lot_size}.0", custom, f"{instrument.expiry} 14:30:00", f"{strike:.5f}"),
        *(instrument.option_type.value, tick, "W", "OP", "", ""),
    )


def _letter(instrument: Instrument) -> str:
    return {Segment.INDEX: "I", Segment.EQUITY: "E"}.get(instrument.segment, "D")


def _trading_symbol(instrument: Instrument) -> str:
    if instrument.expiry is None or instrument.option_type is None:
        return instrument.symbol
    strike = f"{instrument.strike_paise / 100:g}"
    return f"{instrument.underlying}-{instrument.expiry:%b%Y}-{strike}-{instrument.option_type.value}"
