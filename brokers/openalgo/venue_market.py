"""The venue's data calls: contracts, quotes, depth, bars and chains of the market behind it, as the server writes them.

Source: facts/openalgo.md §5. Bars are made of the ticks that were heard since the venue started. A contract's token is
made from its name, so that it is the same on every run.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from brokers.openalgo.master import expiry_text
from brokers.wire.numbers import rupees_of
from engine.instant import NS_PER_S, ist_date
from engine.instrument import Instrument, Segment
from engine.tick import Tick

_BAR_S: Final = 60
_BARS_MAX: Final = 500
"""Kept of each contract."""
_TYPES: Final = {Segment.FUTURE: "FUT", Segment.EQUITY: "EQ", Segment.INDEX: "INDEX"}
INTERVALS: Final = ("1m", "2m", "3m", "5m", "10m", "15m", "30m", "60m")


class Bar(msgspec.Struct, gc=False):
    """One minute. Prices in paise."""

    start_s: int
    open: int
    high: int
    low: int
    close: int

    def take(self, paise: int) -> None:
        self.high, self.low, self.close = max(self.high, paise), min(self.low, paise), paise


class MarketSide:
    """What the venue knows of contracts and prices."""

    def __init__(self) -> None:
        self._tokens: dict[str, int] = {}
        self._taken: set[int] = set()
        self._bars: dict[str, list[Bar]] = {}
        self.ticks: dict[str, Tick] = {}
        """The newest of each contract."""

    def hear(self, tick: Tick) -> None:
        self.ticks[tick.symbol] = tick
        start_s = tick.at_ns // NS_PER_S // _BAR_S * _BAR_S
        bars = self._bars.setdefault(tick.symbol, [])
        if bars and bars[-1].start_s == start_s:
            bars[-1].take(tick.ltp_paise)
        else:
            bars.append(Bar(start_s, tick.ltp_paise, tick.ltp_paise, tick.ltp_paise, tick.ltp_paise))
            del bars[:-_BARS_MAX]

    def instrument_row(self, instrument: Instrument, *, freeze: bool) -> dict[str, Any]:
        """`instruments` rows have no freeze quantity, those of `symbol` and `search` do."""
        option = instrument.option_type
        kind = option.value if option is not None else _TYPES[instrument.segment]
        row: dict[str, Any] = {
            "brexchange": instrument.exchange,
            "brsymbol": instrument.symbol,
            "exchange": instrument.exchange,
            "expiry": expiry_dashed(instrument),
            "instrumenttype": kind,
            "lotsize": instrument.lot_size,
            "name": instrument.underlying,
            "strike": rupees_of(instrument.strike_paise),
            "symbol": instrument.symbol,
            "tick_size": rupees_of(instrument.tick_paise),
            "token": str(self._token(instrument.symbol)),
        }
        return row | {"freeze_qty": instrument.freeze_qty or 1} if freeze else row

    def _token(self, symbol: str) -> int:
        if symbol not in self._tokens:
            token = zlib.crc32(symbol.encode()) % 900_000 + 100_000
            while token in self._taken:
                token += 1
            self._taken.add(token)
            self._tokens[symbol] = token
        return self._tokens[symbol]

    def bars(self, symbol: str, interval: str, first: str, last: str) -> list[dict[str, Any]]:
        """Of the IST days from `first` to `last`, both included."""
        step_s = int(interval.removesuffix("m")) * _BAR_S
        merged: dict[int, Bar] = {}
        for bar in self._bars.get(symbol, ()):
            if not first <= ist_date(bar.start_s * NS_PER_S).isoformat() <= last:
                continue
            start_s = bar.start_s // step_s * step_s
            whole = merged.setdefault(start_s, Bar(start_s, bar.open, bar.high, bar.low, bar.close))
            for paise in (bar.high, bar.low, bar.close):
                whole.take(paise)
        return [
            {
                "timestamp": bar.start_s, "open": rupees_of(bar.open), "high": rupees_of(bar.high),
                "low": rupees_of(bar.low), "close": rupees_of(bar.close), "volume": 0, "oi": 0,
            }
            for bar in merged.values()
        ]  # fmt: skip


def expiry_dashed(instrument: Instrument) -> str:
    """`24-NOV-26`; empty without one."""
    if instrument.expiry is None:
        return ""
    text = expiry_text(instrument.expiry)
    return f"{text[:2]}-{text[2:5]}-{text[5:]}"


def quote_data(tick: Tick) -> dict[str, Any]:
    ltp = rupees_of(tick.ltp_paise)
    return {
        "ask": rupees_of(tick.ask_paise), "bid": rupees_of(tick.bid_paise), "high": ltp, "low": ltp, "ltp": ltp,
        "oi": 0, "open": ltp, "prev_close": ltp, "volume": 0,
    }  # fmt: skip


def depth_data(tick: Tick) -> dict[str, Any]:
    """Five levels each side, of which the first is real."""
    empty: list[dict[str, Any]] = [{"price": 0, "quantity": 0}] * 4
    ltp = rupees_of(tick.ltp_paise)
    return {
        "asks": [{"price": rupees_of(tick.ask_paise), "quantity": tick.ask_qty}, *empty],
        "bids": [{"price": rupees_of(tick.bid_paise), "quantity": tick.bid_qty}, *empty],
        "high": ltp, "low": ltp, "ltp": ltp, "ltq": 0, "oi": 0, "open": ltp, "prev_close": ltp,
        "totalbuyqty": tick.bid_qty, "totalsellqty": tick.ask_qty, "volume": 0,
    }  # fmt: skip


def chain_reply(
    underlying: Instrument, index: Tick, options: Sequence[tuple[Instrument, Tick]], strike_count: int, now_ns: int
) -> dict[str, Any]:
    """`strike_count` strikes each side of the money."""
    strikes = sorted({option.strike_paise for option, _ in options})
    atm = min(strikes, key=lambda strike: abs(strike - index.ltp_paise))
    middle = strikes.index(atm)
    shown = strikes[max(0, middle - strike_count) : middle + strike_count + 1]
    legs = {(option.strike_paise, str(option.option_type)): (option, tick) for option, tick in options}
    expiry = options[0][0].expiry
    return {
        "status": "success",
        "underlying": underlying.symbol,
        "underlying_symbol": underlying.symbol,
        "underlying_exchange": underlying.exchange,
        "underlying_ltp": rupees_of(index.ltp_paise),
        "expiry_date": expiry_text(expiry) if expiry is not None else "",
        "server_ts": now_ns // NS_PER_S,
        "atm_strike": rupees_of(atm),
        "quotes_included": True,
        "greeks_included": False,
        "chain": [
            {
                "strike": rupees_of(strike),
                "ce": _leg(*legs[strike, "CE"], index) if (strike, "CE") in legs else None,
                "pe": _leg(*legs[strike, "PE"], index) if (strike, "PE") in legs else None,
            }
            for strike in shown
        ],
    }


def _leg(option: Instrument, tick: Tick, index: Tick) -> dict[str, Any]:
    sign = 1 if str(option.option_type) == "CE" else -1
    label = "ITM" if sign * (index.ltp_paise - option.strike_paise) > 0 else "OTM"
    return {
        **quote_data(tick),
        "symbol": option.symbol, "label": label, "bid_qty": tick.bid_qty, "ask_qty": tick.ask_qty,
        "lotsize": option.lot_size, "tick_size": rupees_of(option.tick_paise),
    }  # fmt: skip


def tick_frame(tick: Tick, exchange: str, mode: int, broker: str) -> dict[str, Any]:
    """A `market_data` frame of mode 1, 2 or 3 (facts §7)."""
    ltp = rupees_of(tick.ltp_paise)
    data: dict[str, Any] = {"ltp": ltp, "ltt": 0}
    if mode == 1:
        data["ltq"] = 0
    else:
        data |= {"open": ltp, "high": ltp, "low": ltp, "close": ltp, "volume": 0}
    if mode == 3:
        data |= {
            "oi": 0, "upper_circuit": 0, "lower_circuit": 0,
            "depth": {"buy": _levels(tick.bid_paise, tick.bid_qty), "sell": _levels(tick.ask_paise, tick.ask_qty)},
        }  # fmt: skip
    data |= {"symbol": tick.symbol, "exchange": exchange, "mode": mode, "timestamp": tick.at_ns // 1_000_000}
    return {
        "type": "market_data", "symbol": tick.symbol, "exchange": exchange, "mode": mode, "data": data,
        "broker": broker,
    }  # fmt: skip


def _levels(paise: int, qty: int) -> list[dict[str, Any]]:
    return [{"price": rupees_of(paise), "quantity": qty, "orders": 1}] if paise else []
