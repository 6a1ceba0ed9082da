"""The binary packets of Dhan's market feed, decoded into integer paise (facts/dhan.md §5a). Pure.

Little-endian; prices are float32 rupees, which are rounded to the contract's tick, so that 152.30000305 is 15230 paise.
Several packets may stand in one frame; each says its own length. The time of the last trade is IST wall clock written
as if it were an epoch.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import Final

import msgspec

from engine.instant import NS_PER_S

HEADER: Final = Struct("<BHBI")
"""Response code, bytes of the packet with this header, segment code, security id."""
TICKER: Final = Struct("<BHBIfI")
QUOTE: Final = Struct("<BHBIfHIfIIIffff")
FULL: Final = Struct("<BHBIfHIfIIIIIIffff")
LEVEL: Final = Struct("<IIHHff")
"""Of the depth of a full packet, five times: bid and ask quantity, bid and ask orders, bid and ask price."""
OPEN_INTEREST: Final = Struct("<BHBII")
PREVIOUS_CLOSE: Final = Struct("<BHBIfI")
DISCONNECT: Final = Struct("<BHBIH")

INDEX_CODE, TICKER_CODE, DEPTH_CODE, QUOTE_CODE, OI_CODE, CLOSE_CODE, STATUS_CODE, FULL_CODE = range(1, 9)
DISCONNECT_CODE: Final = 50
LENGTHS: Final = {
    TICKER_CODE: 16, DEPTH_CODE: 112, QUOTE_CODE: 50, OI_CODE: 12, CLOSE_CODE: 16, STATUS_CODE: 8, FULL_CODE: 162,
    DISCONNECT_CODE: 10,
}  # fmt: skip
_PASSED: Final = frozenset({0, INDEX_CODE, DEPTH_CODE, OI_CODE, CLOSE_CODE, STATUS_CODE})
"""Known, and nothing in them that a tick has: heartbeat, index (no layout is published), old depth, open interest,
previous close, market status."""
_TOUCH: Final = Struct("<BHBIfHI44xIIHHff80x")
"""The part of a full packet that makes a tick: price and time of the last trade, and the first level."""
IST_SHIFT_S: Final = 19_800
_PRICE_MAX: Final = 1e7
"""Rupees. Above it, below zero, or no number: not a price."""

Known = dict[int, tuple[str, int]]
"""`key_of` -> (symbol, tick in paise)."""
OnPrice = Callable[[str, int, int, int, int, int, int], None]
"""Symbol, time of the last trade in ns (0 = none), then paise and units: last, bid, bid quantity, ask, ask quantity."""


class Cut(msgspec.Struct, frozen=True):
    """The server says why it ends the connection (804 to 814)."""

    reason: int


def key_of(segment_code: int, security_id: int) -> int:
    """One number for a contract: an id alone is used again in other segments."""
    return segment_code << 32 | security_id


def decode(frame: bytes, known: Known, on_price: OnPrice, on_odd: Callable[[str, bytes], None]) -> Cut | None:
    """Every packet of one frame. `on_odd` hears what was left out; a wrong length leaves out the rest of the frame.

    Returns why the server cuts the connection, when it says so.
    """
    at, end, cut = 0, len(frame), None
    while at < end:
        if end - at < HEADER.size:
            on_odd("a packet shorter than its header", frame[at:])
            break
        code, length, _, _ = HEADER.unpack_from(frame, at)
        if length < HEADER.size or length > end - at or LENGTHS.get(code, length) != length:
            on_odd(f"a packet of wrong length, code {code}", frame[at:])
            break
        if code == FULL_CODE:
            _full(frame, at, known, on_price, on_odd)
        elif code in (TICKER_CODE, QUOTE_CODE):
            _last(frame, at, code, known, on_price, on_odd)
        elif code == DISCONNECT_CODE:
            cut = Cut(DISCONNECT.unpack_from(frame, at)[4])
        elif code not in _PASSED:
            on_odd(f"a packet of unknown code {code}", frame[at : at + length])
        at += length
    return cut


def trade_ns(raw: int) -> int:
    """The last trade's instant from its IST wall clock; 0 = there was none (a placeholder of 1980 counts as none)."""
    return (raw - IST_SHIFT_S) * NS_PER_S if raw > 946_684_800 else 0


def _full(frame: bytes, at: int, known: Known, on_price: OnPrice, on_odd: Callable[[str, bytes], None]) -> None:
    _, _, segment, number, ltp, _, ltt, bid_qty, ask_qty, _, _, bid, ask = _TOUCH.unpack_from(frame, at)
    contract = known.get(segment << 32 | number)
    if contract is None:
        on_odd("a packet of a contract that was not asked for", frame[at : at + HEADER.size])
        return
    if not (0 <= ltp < _PRICE_MAX and 0 <= bid < _PRICE_MAX and 0 <= ask < _PRICE_MAX):
        on_odd("a packet with an impossible price", frame[at : at + FULL.size])
        return
    symbol, tick = contract
    per_tick = 100 / tick
    on_price(
        symbol,
        trade_ns(ltt),
        int(ltp * per_tick + 0.5) * tick,
        int(bid * per_tick + 0.5) * tick,
        bid_qty,
        int(ask * per_tick + 0.5) * tick,
        ask_qty,
    )


def _last(
    frame: bytes, at: int, code: int, known: Known, on_price: OnPrice, on_odd: Callable[[str, bytes], None]
) -> None:
    """A ticker or a quote: they have no bid and no ask."""
    if code == TICKER_CODE:
        _, _, segment, number, ltp, ltt = TICKER.unpack_from(frame, at)
    else:
        _, _, segment, number, ltp, _, ltt, *_ = QUOTE.unpack_from(frame, at)
    contract = known.get(segment << 32 | number)
    if contract is None:
        on_odd("a packet of a contract that was not asked for", frame[at : at + HEADER.size])
    elif not 0 <= ltp < _PRICE_MAX:
        on_odd("a packet with an impossible price", frame[at : at + LENGTHS[code]])
    else:
        symbol, tick = contract
        on_price(symbol, trade_ns(ltt), int(ltp * (100 / tick) + 0.5) * tick, 0, 0, 0, 0)
