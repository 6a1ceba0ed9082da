"""Quotes, candles, option chains and funds as Dhan answers them, read into ours. Pure (facts/dhan.md §4).

Everything here raises ReadFailed for a reply that is not of the documented form; a broken row of a chain or a bar that
contradicts itself is counted and left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any, Final, cast

from brokers.dhan.vocabulary import object_in
from brokers.wire.numbers import paise_of, whole_of
from brokers.wire.oddities import Oddities
from engine.instant import NS_PER_S
from engine.instrument import OptionType
from engine.option_symbol import option_name
from engine.port import ReadFailed
from engine.port_reads import Candle, ChainRow, Funds
from engine.tick import Tick

MINUTES: Final = (1, 5, 15, 25, 60)
"""Lengths of a bar that `POST /charts/intraday` has."""
_ALIASES: Final = ("availabelBalance", "availableBalance")
"""The wire's spelling, and the one it may be mended to."""


def tick_in(data: object, segment: str, security_id: int, symbol: str, at_ns: int) -> Tick:
    """Of `POST /marketfeed/quote`; `at_ns` is when it came. An id that Dhan does not know is left out by it."""
    row = _mapping(_mapping(_mapping(data, "data"), segment), str(security_id))
    ltp = paise_of(row.get("last_price"))
    if not ltp or ltp < 0:
        raise ReadFailed(f"Dhan has no price for {symbol}")
    bid_paise, bid_qty = _best(row.get("depth"), "buy")
    ask_paise, ask_qty = _best(row.get("depth"), "sell")
    return Tick(symbol, at_ns, ltp, bid_paise, bid_qty, ask_paise, ask_qty)


def candles_in(data: object, from_ns: int, to_ns: int, oddities: Oddities) -> list[Candle]:
    """Of a chart reply: columns of equal length, times in true UTC seconds; oldest first, each start once."""
    body = object_in(data)
    columns = [body.get(name) for name in ("timestamp", "open", "high", "low", "close", "volume")]
    if not all(isinstance(column, list) for column in columns) or len({len(column or ()) for column in columns}) != 1:
        raise ReadFailed("Dhan's chart: columns missing or of different length")
    interest = body.get("open_interest")
    extra = cast("list[object]", interest) if isinstance(interest, list) else []
    found: dict[int, Candle] = {}
    for place, row in enumerate(zip(*cast("list[list[object]]", columns), strict=True)):
        candle = _candle(row, extra[place] if place < len(extra) else None)
        if candle is None:
            oddities.add("a bar that cannot be read", row)
        elif from_ns <= candle.start_ns < to_ns:
            found[candle.start_ns] = candle
    return [found[start] for start in sorted(found)]


def expiries_in(data: object) -> list[date]:
    """Of `POST /optionchain/expirylist`, nearest first."""
    rows = object_in(data).get("data")
    if not isinstance(rows, list):
        raise ReadFailed("Dhan's list of expiries: no list")
    days: set[date] = set()
    for row in cast("list[object]", rows):
        try:
            days.add(date.fromisoformat(str(row)[:10]))
        except ValueError:
            raise ReadFailed("Dhan's list of expiries: a day that is none") from None
    return sorted(days)


def chain_in(data: object, underlying: str, expiry: date, oddities: Oddities) -> list[ChainRow]:
    """Of `POST /optionchain`, by strike, CE before PE. Illiquid strikes are zeros; either side may be missing."""
    strikes = _mapping(_mapping(data, "data"), "oc")
    found: list[tuple[int, ChainRow]] = []
    for key, legs in strikes.items():
        strike = paise_of(key)
        if not strike or strike < 0 or not isinstance(legs, dict):
            oddities.add("a strike that cannot be read", key)
            continue
        found += [
            (strike, row) for row in _legs(cast("Mapping[str, object]", legs), underlying, expiry, strike, oddities)
        ]
    return [row for _, row in sorted(found, key=lambda pair: (pair[0], pair[1].symbol[-2:]))]


def funds_in(data: object) -> Funds:
    """Of `GET /fundlimit`."""
    body = object_in(data)
    available = next((paise_of(body[name]) for name in _ALIASES if name in body), None)
    if available is None:
        raise ReadFailed("Dhan's funds: no available balance")
    return Funds(
        available_paise=available,
        used_paise=paise_of(body.get("utilizedAmount")) or 0,
        collateral_paise=paise_of(body.get("collateralAmount")) or 0,
    )


def margin_in(data: object) -> int:
    """Paise, of `POST /margincalculator`."""
    total = paise_of(object_in(data).get("totalMargin"))
    if total is None or total < 0:
        raise ReadFailed("Dhan's margin: no total")
    return total


def _mapping(data: object, name: str) -> Mapping[str, Any]:
    inner = object_in(data).get(name)
    if not isinstance(inner, dict):
        raise ReadFailed(f"Dhan's reply has no {name[:40]}")
    return cast("dict[str, Any]", inner)


def _best(depth: object, side: str) -> tuple[int, int]:
    """Price and quantity of the first level; zeros when there is none."""
    levels = object_in(depth).get(side)
    first = cast("list[object]", levels)[0] if isinstance(levels, list) and levels else None
    level = object_in(first)
    paise, qty = paise_of(level.get("price")), whole_of(level.get("quantity"))
    return (paise, qty) if paise and qty and paise > 0 and qty > 0 else (0, 0)


def _candle(row: Sequence[object], interest: object) -> Candle | None:
    start = whole_of(row[0])
    prices = [paise_of(value) for value in row[1:5]]
    if start is None or start <= 0 or any(paise is None or paise <= 0 for paise in prices):
        return None
    first, high, low, last = cast("list[int]", prices)
    if not low <= min(first, last) <= max(first, last) <= high:
        return None
    return Candle(
        start_ns=start * NS_PER_S,
        open_paise=first,
        high_paise=high,
        low_paise=low,
        close_paise=last,
        volume=max(whole_of(row[5]) or 0, 0),
        open_interest=max(whole_of(interest) or 0, 0),
    )


def _legs(
    legs: Mapping[str, object], underlying: str, expiry: date, strike: int, oddities: Oddities
) -> Iterator[ChainRow]:
    for kind in (OptionType.CE, OptionType.PE):
        leg = legs.get(kind.value.lower())
        if leg is None:
            continue
        if not isinstance(leg, dict):
            oddities.add("a leg of a chain that is no object", leg)
            continue
        row = cast("dict[str, Any]", leg)
        yield ChainRow(
            symbol=option_name(underlying, expiry, strike, kind),
            ltp_paise=max(paise_of(row.get("last_price")) or 0, 0),
            bid_paise=max(paise_of(row.get("top_bid_price")) or 0, 0),
            ask_paise=max(paise_of(row.get("top_ask_price")) or 0, 0),
            volume=max(whole_of(row.get("volume")) or 0, 0),
            open_interest=max(whole_of(row.get("oi")) or 0, 0),
        )
