"""Market-data frames of XTS into ticks: integer paise, exchange time (facts/xts.md §7, §8). Pure.

Three shapes of one touchline come on one socket: nested in `Touchline`, the same in another order beside each depth
frame, and flat. Prices are JSON numbers; a side with size 0 and price 0 has no quote. Sequence numbers order nothing:
what counts is LastUpdateTime, and at a tie the last that came.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

import msgspec

from brokers.wire.numbers import paise_of, whole_of
from brokers.xts import times
from engine.tick import Tick

TOUCHLINE: Final = 1501
DEPTH: Final = 1502
CANDLE: Final = 1505
OPEN_INTEREST: Final = 1510
LAST_PRICE: Final = 1512
_PRICED: Final = frozenset({TOUCHLINE, DEPTH, LAST_PRICE, 1504})
_NOISE: Final = frozenset({1105, 1505, 1507, 1510, 5018})
"""Property changes (an unasked flood), candles, market status, open interest, other."""
_RUPEES_MAX: Final = 10_000_000
"""No contract of these exchanges costs so much."""
_UNITS_MAX: Final = 10**12


class Quote(msgspec.Struct, frozen=True, kw_only=True):
    """One frame with a price. Paise and units; 0 = not given. `at_ns` 0 = it does not say when."""

    segment: int
    number: int
    at_ns: int
    ltp_paise: int
    bid_paise: int = 0
    bid_qty: int = 0
    ask_paise: int = 0
    ask_qty: int = 0
    volume: int = 0
    has_touch: bool = True
    """False: a last-price frame, which says nothing of bid and ask."""

    def tick(self, symbol: str, now_ns: int) -> Tick:
        return Tick(
            symbol,
            self.at_ns or now_ns,
            self.ltp_paise,
            self.bid_paise,
            self.bid_qty,
            self.ask_paise,
            self.ask_qty,
        )


class FrameUnreadable(Exception):
    """The sentence says what is wrong."""


def event_code(name: str) -> int:
    """1501 of `1501-json-full`; 0 for anything else."""
    code, _, rest = name.partition("-")
    return int(code) if len(code) == 4 and code.isdecimal() and code.isascii() and rest else 0


def quote_of_event(name: str, payload: object) -> Quote | None:
    """The price in one event, or None where there is none to be had. Raises FrameUnreadable."""
    code = event_code(name)
    if code in _NOISE or code == 0:
        return None
    if code not in _PRICED:
        raise FrameUnreadable(f"an event of no known code: {name[:40]}")
    if name.endswith("-partial"):
        return _partial(payload)
    return quote_of(payload)


def quote_of(payload: object) -> Quote:
    """One full frame, or one entry of `listQuotes` after its JSON. Raises FrameUnreadable."""
    if not isinstance(payload, dict):
        raise FrameUnreadable("a quote that is no object")
    frame = cast("dict[str, Any]", payload)
    segment, number = frame.get("ExchangeSegment"), frame.get("ExchangeInstrumentID")
    if type(segment) is not int or type(number) is not int:
        segment, number = whole_of(segment), whole_of(number)
        if segment is None or number is None:
            raise FrameUnreadable("a quote without its instrument")
    inner = frame.get("Touchline")
    touch = cast("dict[str, Any]", inner) if isinstance(inner, dict) else frame
    ltp_paise = _paise(touch.get("LastTradedPrice"))
    at_ns = times.from_1980(touch.get("LastUpdateTime")) or times.from_1980(frame.get("ExchangeTimeStamp"))
    if "BidInfo" not in touch and "AskInfo" not in touch:
        return Quote(segment=segment, number=number, at_ns=at_ns, ltp_paise=ltp_paise, has_touch=False)
    bid_paise, bid_qty = _side(touch.get("BidInfo"))
    ask_paise, ask_qty = _side(touch.get("AskInfo"))
    return Quote(
        segment=segment,
        number=number,
        at_ns=at_ns,
        ltp_paise=ltp_paise,
        bid_paise=bid_paise,
        bid_qty=bid_qty,
        ask_paise=ask_paise,
        ask_qty=ask_qty,
        volume=_units(touch.get("TotalTradedQuantity")),
    )


def open_interest_of(payload: object) -> tuple[int, int, int] | None:
    """(segment, number, units) of a 1510 frame, full or partial (`t:1_46082,o:0`)."""
    if isinstance(payload, str):
        fields = partial_fields(payload)
        where, _, which = fields.get("t", "").partition("_")
        values = whole_of(where), whole_of(which), whole_of(fields.get("o"))
    elif isinstance(payload, dict):
        frame = cast("dict[str, Any]", payload)
        values = tuple(whole_of(frame.get(n)) for n in ("ExchangeSegment", "ExchangeInstrumentID", "OpenInterest"))
    else:
        return None
    segment, number, units = values
    return None if segment is None or number is None or units is None else (segment, number, max(units, 0))


def partial_fields(text: str) -> Mapping[str, str]:
    """`t:1_2885,ltp:2570.8,ltq:25` as a mapping; depth levels keep their last entry."""
    if len(text) > 4096:
        return {}
    return {name: value for name, colon, value in (part.partition(":") for part in text.split(",")) if colon}


def _partial(payload: object) -> Quote | None:
    """A partial frame has only what changed: without a last price it says nothing that a tick could."""
    fields = partial_fields(payload if isinstance(payload, str) else "")
    where, _, which = fields.get("t", "").partition("_")
    segment, number = whole_of(where), whole_of(which)
    if segment is None or number is None:
        raise FrameUnreadable("a partial quote without its instrument")
    if "ltp" not in fields:
        return None
    at_ns = times.from_1980(whole_of(fields.get("lut")))
    ltp_paise = _paise(fields["ltp"])
    return Quote(segment=segment, number=number, at_ns=at_ns, ltp_paise=ltp_paise, has_touch=False)


def _side(value: object) -> tuple[int, int]:
    """Price and size of one side; (0, 0) = no quote there."""
    if not isinstance(value, dict):
        return 0, 0
    side = cast("dict[str, Any]", value)
    price, size = side.get("Price"), _units(side.get("Size"))
    if not price or not size:
        return 0, 0
    return _paise(price), size


def _paise(value: object) -> int:
    """Raises FrameUnreadable for no price, or one that is none."""
    if type(value) is float or type(value) is int:  # not isinstance: a boolean is no price
        if 0 <= value < _RUPEES_MAX:
            return round(value * 100)
    elif isinstance(value, str):
        paise = paise_of(value)
        if paise is not None and 0 <= paise < _RUPEES_MAX * 100:
            return paise
    raise FrameUnreadable("a price that is none")


def _units(value: object) -> int:
    if type(value) is int:
        return value if 0 <= value < _UNITS_MAX else 0
    return min(max(whole_of(value) or 0, 0), _UNITS_MAX)


class NewestOnly:
    """Drops frames that are older than one already heard of the same instrument (facts §8, "Ordering")."""

    def __init__(self) -> None:
        self._newest: dict[tuple[int, int], int] = {}

    def is_old(self, quote: Quote) -> bool:
        key = (quote.segment, quote.number)
        if quote.at_ns < self._newest.get(key, 0):
            return bool(quote.at_ns)  # without a time nothing is known against it
        self._newest[key] = quote.at_ns
        return False
