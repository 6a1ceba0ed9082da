"""Quotes, candles and option chains as the server writes them, into this desk's units. Pure, tolerant.

Source: facts/openalgo.md §5. Candle times are epoch seconds; intervals are those that the server lists.
"""

from __future__ import annotations

from collections.abc import Iterable

from brokers.openalgo.shapes import object_of, rows_of
from brokers.wire.numbers import paise_of, whole_of
from brokers.wire.oddities import Oddities
from engine.instant import NS_PER_S
from engine.port_reads import Candle, ChainRow
from engine.tick import Tick


def interval_of(minutes: int, listed: object) -> str | None:
    """The server's word for bars of so many minutes, of those that it lists; None when it has none."""
    names = {f"{minutes}m"}
    if minutes % 60 == 0:
        names.add(f"{minutes // 60}h")
    data = object_of(listed)
    for group in ("minutes", "hours"):
        for word in rows_of(data.get(group)) or ():
            if isinstance(word, str) and word in names:
                return word
    return None


def candle_of(raw: object) -> Candle | None:
    """None for a bar that cannot be read, has a price of zero, or whose low and high do not hold its other prices."""
    row = object_of(raw)
    start = whole_of(row.get("timestamp"))
    prices = [paise_of(row.get(name)) for name in ("open", "high", "low", "close")]
    if start is None or start <= 0 or any(paise is None or paise <= 0 for paise in prices):
        return None
    opened, high, low, closed = (paise or 0 for paise in prices)
    if not low <= min(opened, closed) <= max(opened, closed) <= high:
        return None
    return Candle(
        start_ns=start * NS_PER_S,
        open_paise=opened,
        high_paise=high,
        low_paise=low,
        close_paise=closed,
        volume=max(0, whole_of(row.get("volume")) or 0),
        open_interest=max(0, whole_of(row.get("oi")) or 0),
    )


def candles_of(raws: Iterable[object], from_ns: int, to_ns: int, oddities: Oddities) -> list[Candle]:
    """Oldest first, one of each instant."""
    found: dict[int, Candle] = {}
    for raw in raws:
        candle = candle_of(raw)
        if candle is None:
            oddities.add("candle", raw)
        elif from_ns <= candle.start_ns < to_ns:
            found[candle.start_ns] = candle
    return [found[start] for start in sorted(found)]


def quote_tick(symbol: str, data: object, now_ns: int) -> Tick | None:
    """None without a price: zeros are what a failed broker call looks like (facts §0.10)."""
    row = object_of(data)
    ltp = paise_of(row.get("ltp"))
    if ltp is None or ltp <= 0:
        return None
    return Tick(symbol, now_ns, ltp, price_or_none(row.get("bid")), 0, price_or_none(row.get("ask")), 0)


def chain_legs(chain: object) -> dict[str, ChainRow]:
    """By the server's symbol; what cannot be read is left out."""
    found: dict[str, ChainRow] = {}
    for raw in rows_of(chain) or ():
        strike = object_of(raw)
        for side in ("ce", "pe"):
            leg = object_of(strike.get(side))
            symbol = leg.get("symbol")
            if isinstance(symbol, str) and symbol:
                found[symbol] = ChainRow(
                    symbol=symbol,
                    ltp_paise=price_or_none(leg.get("ltp")),
                    bid_paise=price_or_none(leg.get("bid")),
                    ask_paise=price_or_none(leg.get("ask")),
                    volume=max(0, whole_of(leg.get("volume")) or 0),
                    open_interest=max(0, whole_of(leg.get("oi")) or 0),
                )
    return found


def price_or_none(value: object) -> int:
    """Paise; 0 for none."""
    return max(0, paise_of(value) or 0)
