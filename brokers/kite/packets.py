"""Ticker frames of Kite straight into ticks in integer paise (facts/kite.md §5). Pure, and the hottest code here.

A frame is `int16 count`, then count times `int16 length` and the packet, all big-endian; a packet's kind is its length
alone. Tokens and quantities are unsigned, prices signed. The usual frame holds packets of one kind: it is taken in one
sweep, and only a frame that is anything else is walked packet by packet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from struct import Struct
from typing import Final

from engine.instant import NS_PER_S
from engine.money import divide_half_up
from engine.tick import Tick

LTP, INDEX_QUOTE, INDEX_FULL, QUOTE, FULL = 8, 28, 32, 44, 184
"""Bytes of the five packets."""

_COUNT: Final = Struct(">H")
_FULL_ROW: Final = Struct(">HIi52xIIi52xIi52x")
"""length, token, last price, exchange time, best bid quantity and price, best ask quantity and price."""
_ONE_FULL: Final = Struct(">HHIi52xIIi52xIi52x")
"""A whole frame of one full packet: the most frequent of all."""
_LTP_ROW: Final = Struct(">HIi")
_FULL_BODY: Final = Struct(">Ii52xIIi52xIi52x")
_INDEX_BODY: Final = Struct(">Ii20xI")
_HEAD: Final = Struct(">Ii")

_UNITS_PER_PAISA: Final[dict[int, int]] = {3: 100_000, 6: 100, 12: 100}
"""By segment code (low byte of a token): CDS writes 1e7ths of a rupee, BCD and NCO 1e4ths; all others write paise.

The documentation says 1e7 for all currencies; both official clients read BCD as 1e4 (facts/kite.md §5)."""

Odd = Callable[[str, object], None]
"""Hears the kind of what was skipped, and a sample."""


def units_per_paisa(token: int) -> int:
    """What the prices of this instrument's packets are divided by to give paise."""
    return _UNITS_PER_PAISA.get(token & 0xFF, 1)


def decode_frame(frame: bytes, symbols: Mapping[int, str], now_ns: int, odd: Odd) -> list[Tick]:
    """The ticks of one binary frame, in its order. Never raises; below two bytes it is a heartbeat.

    `now_ns` dates the packets that carry no exchange time. Tokens outside `symbols` are nobody's: skipped in silence,
    as a subscription that was just given up still sends.
    """
    size = len(frame)
    if size < 2:
        return []
    if size == _ONE_FULL.size:
        count, length, token, ltp, at_s, bid_qty, bid, ask_qty, ask = _ONE_FULL.unpack(frame)
        if count == 1 and length == FULL and token & 0xFF not in _UNITS_PER_PAISA:
            symbol = symbols.get(token)
            if symbol is None:
                return []
            return [Tick(symbol, at_s * NS_PER_S if at_s else now_ns, ltp, bid, bid_qty, ask, ask_qty)]
    count = _COUNT.unpack_from(frame)[0]
    if count == 1 and size == 2 + _LTP_ROW.size:
        length, token, ltp = _LTP_ROW.unpack_from(frame, 2)
        if length == LTP and token & 0xFF not in _UNITS_PER_PAISA:
            symbol = symbols.get(token)
            return [] if symbol is None else [Tick(symbol, now_ns, ltp)]
    ticks: list[Tick] | None = None
    if size == 2 + count * _FULL_ROW.size:
        ticks = _full_sweep(frame, symbols, now_ns)
    elif size == 2 + count * _LTP_ROW.size:
        ticks = _ltp_sweep(frame, symbols, now_ns)
    return _walk(frame, count, symbols, now_ns, odd) if ticks is None else ticks


def _full_sweep(frame: bytes, symbols: Mapping[int, str], now_ns: int) -> list[Tick] | None:
    """None for another mixture of the same size, and where a price has another unit."""
    ticks: list[Tick] = []
    find, add, finer = symbols.get, ticks.append, _UNITS_PER_PAISA
    for length, token, ltp, at_s, bid_qty, bid, ask_qty, ask in _FULL_ROW.iter_unpack(memoryview(frame)[2:]):
        if length != FULL or token & 0xFF in finer:
            return None
        symbol = find(token)
        if symbol is not None:
            add(Tick(symbol, at_s * NS_PER_S if at_s else now_ns, ltp, bid, bid_qty, ask, ask_qty))
    return ticks


def _ltp_sweep(frame: bytes, symbols: Mapping[int, str], now_ns: int) -> list[Tick] | None:
    """As above, for frames of last prices alone."""
    ticks: list[Tick] = []
    find, add, finer = symbols.get, ticks.append, _UNITS_PER_PAISA
    for length, token, ltp in _LTP_ROW.iter_unpack(memoryview(frame)[2:]):
        if length != LTP or token & 0xFF in finer:
            return None
        symbol = find(token)
        if symbol is not None:
            add(Tick(symbol, now_ns, ltp))
    return ticks


def _walk(frame: bytes, count: int, symbols: Mapping[int, str], now_ns: int, odd: Odd) -> list[Tick]:
    """Packet by packet: mixed kinds, unknown lengths, a frame that ends too early."""
    ticks: list[Tick] = []
    at, size = 2, len(frame)
    for _ in range(count):
        if at + 2 > size or at + 2 + (length := _COUNT.unpack_from(frame, at)[0]) > size:
            odd("a ticker frame that ends inside a packet", frame[at : at + 16])
            return ticks
        at += 2
        tick = _packet(frame, at, length, symbols, now_ns, odd)
        if tick is not None:
            ticks.append(tick)
        at += length
    if at != size:
        odd("bytes behind the last packet of a ticker frame", frame[at : at + 16])
    return ticks


def _packet(frame: bytes, at: int, length: int, symbols: Mapping[int, str], now_ns: int, odd: Odd) -> Tick | None:
    at_s = bid_qty = bid = ask_qty = ask = 0
    match length:
        case 184:
            token, ltp, at_s, bid_qty, bid, ask_qty, ask = _FULL_BODY.unpack_from(frame, at)
        case 32:
            token, ltp, at_s = _INDEX_BODY.unpack_from(frame, at)
        case 8 | 28 | 44:
            token, ltp = _HEAD.unpack_from(frame, at)
        case _:
            odd(f"a ticker packet of {length} bytes", frame[at : at + 16])
            return None
    symbol = symbols.get(token)
    if symbol is None:
        return None
    per = units_per_paisa(token)
    if per != 1:
        ltp, bid, ask = divide_half_up(ltp, per), divide_half_up(bid, per), divide_half_up(ask, per)
    return Tick(symbol, at_s * NS_PER_S if at_s else now_ns, ltp, bid, bid_qty, ask, ask_qty)
