"""The venue's instrument dump: the floor's contracts under Kite's names and tokens, as the CSV that Kite serves. Pure.

A token is made from the symbol alone, so that it is the same in every run of the venue: `exchange_token * 256 +
segment code`, the exchange token a checksum that steps on when it is taken (facts/kite.md §4, §5).
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from datetime import timedelta
from io import StringIO
from typing import Final
from zlib import crc32

import msgspec

from brokers.kite.master import INDEX_NAMES, Listing, monthly_code, strike_text, weekly_code
from engine.instrument import Instrument, Segment
from engine.money import rupees_text

HEADER: Final = (
    "instrument_token", "exchange_token", "tradingsymbol", "name", "last_price", "expiry", "strike", "tick_size",
    "lot_size", "instrument_type", "segment", "exchange",
)  # fmt: skip
_CODES: Final = {"NSE": 1, "NFO": 2, "BSE": 4, "BFO": 5}
_INDEX_CODE: Final = 9
_EXCHANGE_TOKENS: Final = 1 << 24
_KITE_INDEX_NAMES: Final = {ours: theirs for theirs, ours in INDEX_NAMES.items()}
_INDEX_SUFFIX: Final = "_INDEX"


class Quoted(msgspec.Struct, frozen=True):
    """One contract of the floor and how Kite calls it."""

    instrument: Instrument
    listing: Listing


class VenueMaster:
    """Grows with the floor's own master; a contract keeps its token."""

    def __init__(self) -> None:
        self._by_symbol: dict[str, Quoted] = {}
        self._by_token: dict[int, Quoted] = {}
        self._by_name: dict[tuple[str, str], Quoted] = {}
        self._today: list[Quoted] = []

    def list_instruments(self, instruments: Iterable[Instrument]) -> None:
        """Today's contracts."""
        self._today = [self._known(instrument) for instrument in sorted(instruments, key=lambda row: row.symbol)]

    def _known(self, instrument: Instrument) -> Quoted:
        before = self._by_symbol.get(instrument.symbol)
        listing = before.listing if before is not None else self._listing(instrument)
        quoted = Quoted(instrument, listing)
        self._by_symbol[instrument.symbol] = quoted
        self._by_token[listing.token] = quoted
        self._by_name[listing.exchange, listing.tradingsymbol] = quoted
        return quoted

    def _listing(self, instrument: Instrument) -> Listing:
        is_index = instrument.segment is Segment.INDEX
        exchange = instrument.exchange.removesuffix(_INDEX_SUFFIX)
        code = _INDEX_CODE if is_index else _CODES[exchange]
        number = crc32(instrument.symbol.encode()) % _EXCHANGE_TOKENS
        while not number or number * 256 + code in self._by_token:
            number = (number + 1) % _EXCHANGE_TOKENS
        return Listing(number * 256 + code, exchange, tradingsymbol_of(instrument))

    def by_symbol(self, symbol: str) -> Quoted | None:
        return self._by_symbol.get(symbol)

    def by_token(self, token: int) -> Quoted | None:
        return self._by_token.get(token)

    def by_name(self, exchange: str, tradingsymbol: str) -> Quoted | None:
        return self._by_name.get((exchange, tradingsymbol))

    def csv(self, exchange: str = "") -> str:
        """The dump, or the part of one exchange."""
        out = StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(HEADER)
        writer.writerows(_row(quoted) for quoted in self._today if exchange in ("", quoted.listing.exchange))
        return out.getvalue()


def tradingsymbol_of(instrument: Instrument) -> str:
    """Kite's symbol: the month for the last expiry of a month, else the week's code (engine.option_symbol)."""
    if instrument.segment is Segment.INDEX:
        return _KITE_INDEX_NAMES.get(instrument.symbol, instrument.symbol)
    if instrument.expiry is None:
        return instrument.symbol
    is_monthly = (instrument.expiry + timedelta(days=7)).month != instrument.expiry.month
    if instrument.option_type is None:
        return f"{instrument.underlying}{monthly_code(instrument.expiry)}FUT"
    code = monthly_code(instrument.expiry) if is_monthly else weekly_code(instrument.expiry)
    return f"{instrument.underlying}{code}{strike_text(instrument.strike_paise)}{instrument.option_type.value}"


def _row(quoted: Quoted) -> tuple[object, ...]:
    instrument, listing = quoted.instrument, quoted.listing
    is_index = instrument.segment is Segment.INDEX
    kind = instrument.option_type.value if instrument.option_type is not None else ""
    kind = kind or ("FUT" if instrument.segment is Segment.FUTURE else "EQ")
    segment = listing.exchange
    if is_index:
        segment = "INDICES"
    elif kind != "EQ":
        segment = f"{listing.exchange}-{'FUT' if kind == 'FUT' else 'OPT'}"
    return (
        listing.token,
        listing.token >> 8,
        listing.tradingsymbol,
        instrument.underlying if instrument.expiry is not None else instrument.symbol,
        0,
        instrument.expiry.isoformat() if instrument.expiry is not None else "",
        strike_text(instrument.strike_paise),
        0 if is_index else rupees_text(instrument.tick_paise),
        0 if is_index else instrument.lot_size,
        kind,
        segment,
        listing.exchange,
    )
