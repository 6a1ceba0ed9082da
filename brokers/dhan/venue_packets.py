"""The venue's side of the feed: ticks packed as Dhan packs them. Pure."""

from __future__ import annotations

from typing import Final

import msgspec

from brokers.dhan.packets import (
    CLOSE_CODE,
    DISCONNECT,
    DISCONNECT_CODE,
    FULL,
    FULL_CODE,
    HEADER,
    IST_SHIFT_S,
    LENGTHS,
    LEVEL,
    OI_CODE,
    OPEN_INTEREST,
    PREVIOUS_CLOSE,
    QUOTE,
    QUOTE_CODE,
    STATUS_CODE,
    TICKER,
    TICKER_CODE,
)
from brokers.dhan.venue_catalogue import Contract
from engine.instant import NS_PER_S
from engine.tick import Tick

TICKER_MODE, QUOTE_MODE, FULL_MODE = 15, 17, 21
"""Request codes; one more takes back."""
_LEVELS: Final = 5


class DayFigures(msgspec.Struct):
    """Of one contract, as far as this venue saw the day. Paise and units."""

    open_paise: int
    high_paise: int
    low_paise: int
    last: Tick
    volume: int = 0

    def take(self, tick: Tick) -> None:
        self.high_paise = max(self.high_paise, tick.ltp_paise)
        self.low_paise = min(self.low_paise, tick.ltp_paise)
        self.last = tick
        self.volume += 1


def packet_of(contract: Contract, mode: int, day: DayFigures) -> bytes:
    """The newest tick in the mode that was asked; of an index there is nothing but its value."""
    tick = day.last
    if mode == TICKER_MODE or contract.segment == "IDX_I":
        return TICKER.pack(*_head(TICKER_CODE, contract), tick.ltp_paise / 100, _time(tick.at_ns))
    start = (tick.ltp_paise / 100, 1, _time(tick.at_ns), tick.ltp_paise / 100, day.volume, tick.ask_qty, tick.bid_qty)
    prices = (day.open_paise / 100, day.open_paise / 100, day.high_paise / 100, day.low_paise / 100)
    if mode == QUOTE_MODE:
        quote = QUOTE.pack(*_head(QUOTE_CODE, contract), *start, *prices)
        interest = OPEN_INTEREST.pack(*_head(OI_CODE, contract), 0) if contract.instrument.is_option else b""
        return quote + interest
    return FULL.pack(*_head(FULL_CODE, contract), *start, 0, 0, 0, *prices) + _depth(contract, tick)


def previous_close(contract: Contract, close_paise: int) -> bytes:
    """Sent on a subscription, for an index only."""
    return PREVIOUS_CLOSE.pack(*_head(CLOSE_CODE, contract), close_paise / 100, 0)


def market_status(segment_code: int) -> bytes:
    return HEADER.pack(STATUS_CODE, LENGTHS[STATUS_CODE], segment_code, 0)


def disconnection(reason: int) -> bytes:
    return DISCONNECT.pack(DISCONNECT_CODE, LENGTHS[DISCONNECT_CODE], 0, 0, reason)


def _head(code: int, contract: Contract) -> tuple[int, int, int, int]:
    return code, LENGTHS[code], contract.code, contract.security_id


def _time(at_ns: int) -> int:
    """IST wall clock written as an epoch, to the second."""
    return at_ns // NS_PER_S + IST_SHIFT_S


def _depth(contract: Contract, tick: Tick) -> bytes:
    """The touch, and four levels behind it that this market does not have: thinner by a tick each."""
    step = contract.instrument.tick_paise
    rows: list[bytes] = []
    for level in range(_LEVELS):
        bid, ask = tick.bid_paise - level * step, tick.ask_paise + level * step
        has_bid, has_ask = tick.bid_qty and bid > 0, tick.ask_qty
        rows.append(
            LEVEL.pack(
                *(tick.bid_qty if has_bid else 0, tick.ask_qty if has_ask else 0, 1 if has_bid else 0),
                *(1 if has_ask else 0, bid / 100 if has_bid else 0.0, ask / 100 if has_ask else 0.0),
            )
        )
    return b"".join(rows)
