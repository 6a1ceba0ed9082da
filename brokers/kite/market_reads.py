"""Reads quotes, candles, funds and margins as Kite writes them (facts/kite.md §4). Pure; never raises."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, cast

from brokers.kite.answers import fields_of
from brokers.kite.times import ns_of
from brokers.wire.numbers import paise_of, whole_of
from brokers.wire.oddities import Oddities
from engine.instant import NS_PER_DAY
from engine.port_reads import Candle, ChainRow, Funds
from engine.tick import Tick

INTERVALS: Final[dict[int, tuple[str, int]]] = {
    1: ("minute", 60),
    3: ("3minute", 100),
    5: ("5minute", 100),
    10: ("10minute", 100),
    15: ("15minute", 200),
    30: ("30minute", 200),
    60: ("60minute", 400),
    1440: ("day", 2000),
}
"""Minutes -> Kite's word and the most days of one call (facts/kite.md §4; the spans are the community's)."""
_CANDLE_FIELDS: Final = 6


def tick_of(symbol: str, item: object, now_ns: int) -> Tick | None:
    """One item of GET /quote; None without a last price."""
    fields = fields_of(item)
    ltp = paise_of(fields.get("last_price"))
    if ltp is None or ltp <= 0:
        return None
    depth = fields_of(fields.get("depth"))
    bid, bid_qty = _touch(depth.get("buy"))
    ask, ask_qty = _touch(depth.get("sell"))
    return Tick(symbol, ns_of(fields.get("timestamp")) or now_ns, ltp, bid, bid_qty, ask, ask_qty)


def chain_row_of(symbol: str, item: object) -> ChainRow:
    """One item of GET /quote; zeros for what is missing, also for a contract that the reply leaves out."""
    fields = fields_of(item)
    depth = fields_of(fields.get("depth"))
    return ChainRow(
        symbol=symbol,
        ltp_paise=max(0, paise_of(fields.get("last_price")) or 0),
        bid_paise=_touch(depth.get("buy"))[0],
        ask_paise=_touch(depth.get("sell"))[0],
        volume=max(0, whole_of(fields.get("volume")) or 0),
        open_interest=max(0, whole_of(fields.get("oi")) or 0),
    )


def _touch(side: object) -> tuple[int, int]:
    """(price in paise, units) of the best level; zeros when nobody is there."""
    levels = cast("list[object]", side) if isinstance(side, list) else []
    best = fields_of(levels[0]) if levels else {}
    price, qty = paise_of(best.get("price")), whole_of(best.get("quantity"))
    return (price, qty) if price and qty and price > 0 and qty > 0 else (0, 0)


def candles_of(data: object, odd: Oddities) -> list[Candle] | None:
    """`data` of a historical reply, oldest first, each start once; None when it holds no list of candles."""
    rows: object = fields_of(data).get("candles")
    if not isinstance(rows, list):
        return None
    found: dict[int, Candle] = {}
    for row in cast("list[object]", rows):
        candle = _candle(row)
        if candle is None:
            odd.add("a candle that cannot be read", row)
        else:
            found[candle.start_ns] = candle
    return [found[start] for start in sorted(found)]


def _candle(row: object) -> Candle | None:
    if not isinstance(row, list) or len(cast("list[object]", row)) < _CANDLE_FIELDS:
        return None
    values = cast("list[object]", row)
    start_ns = ns_of(values[0])
    prices = [paise_of(value) for value in values[1:5]]
    if not start_ns or any(price is None or price < 0 for price in prices):
        return None
    opened, high, low, close = (price or 0 for price in prices)
    if not low <= min(opened, close) <= max(opened, close) <= high:
        return None
    return Candle(
        start_ns=start_ns,
        open_paise=opened,
        high_paise=high,
        low_paise=low,
        close_paise=close,
        volume=max(0, whole_of(values[5]) or 0),
        open_interest=max(0, whole_of(values[6]) or 0) if len(values) > _CANDLE_FIELDS else 0,
    )


def spans_of(from_ns: int, to_ns: int, days_max: int) -> Sequence[tuple[int, int]]:
    """[from, to) in pieces that one call may ask for."""
    step = days_max * NS_PER_DAY
    return [(start, min(start + step, to_ns)) for start in range(from_ns, to_ns, step)]


def funds_of(data: object) -> Funds | None:
    """`data` of GET /user/margins/equity. `net` is what new orders may use."""
    fields = fields_of(data)
    net = paise_of(fields.get("net"))
    if net is None:
        return None
    return Funds(
        available_paise=net,
        used_paise=paise_of(fields_of(fields.get("utilised")).get("debits")) or 0,
        collateral_paise=paise_of(fields_of(fields.get("available")).get("collateral")) or 0,
    )


def margin_of(data: object) -> int | None:
    """Paise of the one order in a reply of POST /margins/orders."""
    rows = cast("list[object]", data) if isinstance(data, list) else []
    total = paise_of(fields_of(rows[0]).get("total")) if len(rows) == 1 else None
    return total if total is not None and total >= 0 else None
