"""The venue's market data: quotes, bars and option chains in Dhan's form, from the floor's market.

Bars and day figures are of the ticks that this venue has seen; a contract nobody asked for has none, and says so as
Dhan says that a range is empty. Greeks, open interest and yesterday are not simulated: zeros, as illiquid strikes have.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final

import msgspec

from brokers.dhan.venue_catalogue import Catalogue, Contract
from brokers.dhan.venue_packets import DayFigures
from brokers.dhan.vocabulary import object_in, text_of
from brokers.paper.server import Floor
from brokers.wire.numbers import whole_of
from engine.instant import IST, NS_PER_S, ist_date, ns_from_datetime
from engine.instrument import OptionType
from engine.port import ReadFailed
from engine.tick import Tick

_MINUTE_NS: Final = 60 * NS_PER_S
_BARS_MAX: Final = 800
"""Minutes of one contract: two days."""
_IDS_MAX: Final = 1000
"""Instruments of one quote request."""


class Bar(msgspec.Struct):
    start_ns: int
    open_paise: int
    high_paise: int
    low_paise: int
    close_paise: int
    volume: int = 0


class VenueMarket:
    """Hears every tick of the floor; `on_price` is told after it is counted."""

    def __init__(self, floor: Floor, on_price: Callable[[str], None]) -> None:
        self._floor = floor
        self._on_price = on_price
        self.catalogue = Catalogue()
        self.days: dict[str, DayFigures] = {}
        self._day: dict[str, date] = {}
        self._bars: defaultdict[str, deque[Bar]] = defaultdict(lambda: deque(maxlen=_BARS_MAX))

    async def refresh(self) -> None:
        """The market lists new contracts from day to day."""
        self.catalogue.list_all(await self._floor.market.instruments())

    def on_tick(self, tick: Tick) -> None:
        if tick.ltp_paise <= 0:
            return
        today = ist_date(tick.at_ns)
        figures = self.days.get(tick.symbol)
        if figures is None or self._day[tick.symbol] != today:
            self.days[tick.symbol] = DayFigures(tick.ltp_paise, tick.ltp_paise, tick.ltp_paise, tick)
            self._day[tick.symbol] = today
        else:
            figures.take(tick)
        self._count(tick)
        self._on_price(tick.symbol)

    def _count(self, tick: Tick) -> None:
        start = tick.at_ns // _MINUTE_NS * _MINUTE_NS
        bars, paise = self._bars[tick.symbol], tick.ltp_paise
        if not bars or bars[-1].start_ns < start:
            bars.append(Bar(start, paise, paise, paise, paise, 1))
            return
        bar = bars[-1]
        bar.high_paise, bar.low_paise, bar.close_paise = max(bar.high_paise, paise), min(bar.low_paise, paise), paise
        bar.volume += 1

    def contract(self, segment: object, security_id: object) -> Contract | None:
        return self.catalogue.by_key.get((text_of(segment), text_of(security_id)))

    # --- POST /marketfeed/{ltp,ohlc,quote} ----------------------------------------------------------------------------

    async def quotes(self, body: object, mode: str) -> dict[str, Any] | None:
        """Unknown ids are left out without a word. None: the request is not understood."""
        wanted = {key: value for key, value in object_in(body).items() if key != "dhanClientId"}
        if not wanted or not all(isinstance(ids, list) for ids in wanted.values()):
            return None
        if sum(map(len, wanted.values())) > _IDS_MAX:
            return None
        data: dict[str, dict[str, Any]] = {}
        for segment, ids in wanted.items():
            data[segment] = {}
            for security_id in ids:
                contract = self.contract(segment, security_id)
                if contract is not None:
                    data[segment][text_of(security_id)] = await self._quote(contract, mode)
        return {"data": data, "status": "success"}

    async def _quote(self, contract: Contract, mode: str) -> dict[str, Any]:
        tick = await self._floor.market.quote(contract.instrument.symbol)
        ltp = tick.ltp_paise / 100
        if mode == "ltp":
            return {"last_price": ltp}
        day = self.days.get(contract.instrument.symbol) or DayFigures(
            tick.ltp_paise, tick.ltp_paise, tick.ltp_paise, tick
        )
        ohlc = {
            "open": day.open_paise / 100,
            "close": day.open_paise / 100,
            "high": max(day.high_paise, tick.ltp_paise) / 100,
            "low": min(day.low_paise, tick.ltp_paise) / 100,
        }
        if mode == "ohlc":
            return {"last_price": ltp, "ohlc": ohlc}
        return {
            "average_price": ltp,
            "buy_quantity": tick.bid_qty,
            "depth": {"buy": _levels(tick.bid_paise, tick.bid_qty), "sell": _levels(tick.ask_paise, tick.ask_qty)},
            "last_price": ltp,
            "last_quantity": 1,
            "last_trade_time": datetime.fromtimestamp(tick.at_ns // NS_PER_S, IST).strftime("%d/%m/%Y %H:%M:%S"),
            "lower_circuit_limit": 0.05,
            "net_change": round(ltp - ohlc["close"], 2),
            "ohlc": ohlc,
            "oi": 0,
            "oi_day_high": 0,
            "oi_day_low": 0,
            "sell_quantity": tick.ask_qty,
            "upper_circuit_limit": round(ltp * 2 + 100, 2),
            "volume": day.volume,
        }

    # --- POST /charts/... ---------------------------------------------------------------------------------------------

    def bars(self, body: object, *, daily: bool) -> dict[str, list[float]] | None:
        """Columns with the numbers as Dhan writes them, all floats; None: the request is not understood."""
        asked = object_in(body)
        contract = self.contract(asked.get("exchangeSegment"), asked.get("securityId"))
        minutes = 1440 if daily else whole_of(asked.get("interval"))
        from_ns, to_ns = _stamp(asked.get("fromDate")), _stamp(asked.get("toDate"))
        if contract is None or minutes not in (1, 5, 15, 25, 60, 1440) or not from_ns or not to_ns:
            return None
        merged: dict[int, Bar] = {}
        for bar in self._bars[contract.instrument.symbol]:
            if not from_ns <= bar.start_ns < to_ns:
                continue
            start = _bar_start(bar.start_ns, minutes)
            into = merged.get(start)
            if into is None:
                merged[start] = msgspec.structs.replace(bar, start_ns=start)
                continue
            into.high_paise, into.low_paise = max(into.high_paise, bar.high_paise), min(into.low_paise, bar.low_paise)
            into.close_paise, into.volume = bar.close_paise, into.volume + bar.volume
        rows = [merged[start] for start in sorted(merged)]
        return {
            "open": [row.open_paise / 100 for row in rows],
            "high": [row.high_paise / 100 for row in rows],
            "low": [row.low_paise / 100 for row in rows],
            "close": [row.close_paise / 100 for row in rows],
            "volume": [row.volume / 1 for row in rows],
            "timestamp": [row.start_ns / NS_PER_S for row in rows],
            **({"open_interest": [0.0] * len(rows)} if asked.get("oi") else {}),
        }

    # --- POST /optionchain... -----------------------------------------------------------------------------------------

    def _options(self, body: object) -> Sequence[Contract]:
        asked = object_in(body)
        index = self.contract(asked.get("UnderlyingSeg"), asked.get("UnderlyingScrip"))
        name = index.instrument.symbol if index is not None else ""
        rows = self.catalogue.by_symbol.values()
        return [row for row in rows if row.instrument.is_option and row.instrument.underlying == name]

    def expiries(self, body: object) -> dict[str, Any] | None:
        today = ist_date(self._floor.clock.now_ns())
        days = {row.instrument.expiry for row in self._options(body) if row.instrument.expiry is not None}
        return {"data": [str(day) for day in sorted(days) if day >= today], "status": "success"} if days else None

    async def chain(self, body: object) -> dict[str, Any] | None:
        asked = object_in(body)
        rows = [row for row in self._options(body) if str(row.instrument.expiry) == text_of(asked.get("Expiry"))]
        if not rows:
            return None
        oc: dict[str, dict[str, Any]] = {}
        for row in sorted(rows, key=lambda row: row.instrument.strike_paise):
            side = "ce" if row.instrument.option_type is OptionType.CE else "pe"
            key = f"{row.instrument.strike_paise / 100:.6f}"
            try:
                tick = await self._floor.market.quote(row.instrument.symbol)
            except ReadFailed:
                continue
            oc.setdefault(key, {})[side] = _leg(row, tick)
        index = await self._floor.market.quote(rows[0].instrument.underlying)
        return {"data": {"last_price": index.ltp_paise / 100, "oc": oc}, "status": "success"}


def _leg(contract: Contract, tick: Tick) -> Mapping[str, Any]:
    return {
        "average_price": tick.ltp_paise / 100,
        "greeks": {"delta": 0, "theta": 0, "gamma": 0, "vega": 0},
        "implied_volatility": 0,
        "last_price": tick.ltp_paise / 100,
        "oi": 0,
        "previous_close_price": 0,
        "previous_oi": 0,
        "previous_volume": 0,
        "security_id": contract.security_id,
        "top_ask_price": tick.ask_paise / 100,
        "top_ask_quantity": tick.ask_qty,
        "top_bid_price": tick.bid_paise / 100,
        "top_bid_quantity": tick.bid_qty,
        "volume": 0,
    }


def _levels(paise: int, qty: int) -> list[dict[str, Any]]:
    first = {"quantity": qty, "orders": 1 if qty else 0, "price": paise / 100}
    return [first, *({"quantity": 0, "orders": 0, "price": 0} for _ in range(4))]


def _bar_start(start_ns: int, minutes: int) -> int:
    """Of the bar that a minute belongs to: days begin at IST midnight, the others at the session's 09:15."""
    stamp = datetime.fromtimestamp(start_ns // NS_PER_S, IST)
    first = stamp.replace(hour=0, minute=0) if minutes == 1440 else stamp.replace(hour=9, minute=15)
    first_ns = ns_from_datetime(first.replace(second=0, microsecond=0))
    return first_ns + (start_ns - first_ns) // (minutes * _MINUTE_NS) * minutes * _MINUTE_NS


def _stamp(value: object) -> int:
    """A day or a time in IST; 0 = neither."""
    try:
        return ns_from_datetime(datetime.fromisoformat(text_of(value)).replace(tzinfo=IST))
    except ValueError:
        return 0
