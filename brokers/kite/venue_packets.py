"""Writes ticker packets and frames as Kite does (facts/kite.md §5). Pure; the reader is `packets.py`."""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import Final

from brokers.kite.packets import units_per_paisa
from brokers.kite.venue_prices import DayPrices
from engine.instant import NS_PER_S
from engine.tick import Tick

HEARTBEAT: Final = b"\x00"
MODES: Final = ("ltp", "quote", "full")
_INDEX_CODE: Final = 9
_COUNT: Final = Struct(">H")
_LTP: Final = Struct(">Ii")
_INDEX: Final = Struct(">Iiiiiii")
_QUOTE: Final = Struct(">IiIiIIIiiii")
_BOOK: Final = Struct(">IIIII")
"""Behind a quote: last trade time, open interest, its high and low, exchange time."""
_LEVEL: Final = Struct(">IiHxx")
_LEVELS: Final = 5
_UINT_MAX: Final = 2**32 - 1


def packet(token: int, tick: Tick, prices: DayPrices, mode: str) -> bytes:
    """One packet in the client's mode; an index has no quantities and no book."""
    per = units_per_paisa(token)
    ltp, day = tick.ltp_paise * per, prices.day
    at_s = min(tick.at_ns // NS_PER_S, _UINT_MAX)
    if mode == "ltp":
        return _LTP.pack(token, ltp)
    opened, high, low = day.open_paise * per, day.high_paise * per, day.low_paise * per
    if token & 0xFF == _INDEX_CODE:
        index = _INDEX.pack(token, ltp, high, low, opened, opened, ltp - opened)
        return index + at_s.to_bytes(4, "big") if mode == "full" else index
    bid_qty, ask_qty = min(tick.bid_qty, _UINT_MAX), min(tick.ask_qty, _UINT_MAX)
    quote = _QUOTE.pack(token, ltp, 0, ltp, 0, bid_qty, ask_qty, opened, high, low, opened)
    if mode == "quote":
        return quote
    depth = b"".join(
        _LEVEL.pack(qty, paise * per, 1 if qty else 0) + bytes(_LEVEL.size * (_LEVELS - 1))
        for qty, paise in ((bid_qty, tick.bid_paise), (ask_qty, tick.ask_paise))
    )
    return quote + _BOOK.pack(at_s, 0, 0, 0, at_s) + depth


def frame(packets: Sequence[bytes]) -> bytes:
    """Packets behind their lengths, behind their count."""
    return _COUNT.pack(len(packets)) + b"".join(_COUNT.pack(len(each)) + each for each in packets)
