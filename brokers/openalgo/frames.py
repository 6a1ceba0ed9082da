"""Frames of the WebSocket proxy, both ways: what is sent, and what a frame that came means. Pure.

Source: facts/openalgo.md §7. Ticks are decoded in one pass into a typed struct and straight into integer paise; a frame
that does not fit it (numbers as strings, odd types) is read the slow and tolerant way. A zero price is no price.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from brokers.openalgo.orders import OrderRow, Wire, order_row
from brokers.openalgo.rules import Mode
from brokers.openalgo.shapes import object_of, rows_of
from brokers.wire.numbers import paise_of, whole_of
from engine.instant import NS_PER_MS
from engine.tick import Tick

LTP: Final = 1
DEPTH: Final = 3
"""Quote mode (2) is not used: one plugin sends it as all zeros (facts §7)."""
BATCH: Final = 100
"""Contracts of one subscribe message (OPT-09)."""
_RUPEES_MAX: Final = 1e9
_SOONEST_MS: Final = 1_500_000_000_000
"""2017: an older timestamp is in another unit, or none."""
_LATEST_MS: Final = 4_000_000_000_000


class _Level(msgspec.Struct, gc=False):
    price: float = 0.0
    quantity: int = 0


class _Depth(msgspec.Struct, gc=False):
    buy: list[_Level] = []
    sell: list[_Level] = []


class _TickData(msgspec.Struct, gc=False):
    ltp: float = 0.0
    timestamp: int = 0
    depth: _Depth | None = None


class _TickFrame(msgspec.Struct, tag_field="type", tag="market_data", gc=False):
    symbol: str
    exchange: str
    data: _TickData


class Quote(msgspec.Struct, frozen=True, gc=False):
    """The prices of one tick frame, in paise and units; `at_ns` 0 when it has no time."""

    wire: Wire
    at_ns: int
    ltp_paise: int
    bid_paise: int = 0
    bid_qty: int = 0
    ask_paise: int = 0
    ask_qty: int = 0

    def tick(self, symbol: str, now_ns: int) -> Tick:
        return Tick(
            symbol, self.at_ns or now_ns, self.ltp_paise, self.bid_paise, self.bid_qty, self.ask_paise, self.ask_qty
        )


class Update(msgspec.Struct, frozen=True):
    """An order update of the mode it names."""

    mode: str
    row: OrderRow | None
    """None when it cannot be understood."""


class Control(msgspec.Struct, frozen=True, kw_only=True):
    """Everything else: replies to what was sent, and errors, which have a code and no type."""

    type: str
    is_ok: bool
    code: str
    text: str
    body: Mapping[str, Any]


Frame = Quote | Update | Control
_FAST: Final = msgspec.json.Decoder(_TickFrame)
_ANY: Final = msgspec.json.Decoder()


def read_frame(frame: str | bytes) -> Frame | None:
    """None for what is no frame of this protocol, and for a tick without a price. Never raises."""
    try:
        return _quick(_FAST.decode(frame))
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    try:
        body = _ANY.decode(frame)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return _read(object_of(body))


def is_silent(frame: str | bytes) -> bool:
    """A well-formed tick without a price: known of some plugins, no oddity (facts §0.10)."""
    try:
        return not 0 < _FAST.decode(frame).data.ltp < _RUPEES_MAX
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False


def _quick(frame: _TickFrame) -> Quote | None:
    data = frame.data
    if not 0 < data.ltp < _RUPEES_MAX:
        return None
    at_ns = data.timestamp * NS_PER_MS if _SOONEST_MS < data.timestamp < _LATEST_MS else 0
    wire = Wire(frame.exchange, frame.symbol)
    ltp = round(data.ltp * 100)
    depth = data.depth
    if depth is None:
        return Quote(wire, at_ns, ltp)
    bid, bid_qty = _touch(depth.buy)
    ask, ask_qty = _touch(depth.sell)
    return Quote(wire, at_ns, ltp, bid, bid_qty, ask, ask_qty)


def _touch(levels: list[_Level]) -> tuple[int, int]:
    """The first level; none when it is empty or no price."""
    if not levels or not 0 < levels[0].price < _RUPEES_MAX:
        return 0, 0
    return round(levels[0].price * 100), max(0, levels[0].quantity)


def _read(body: Mapping[str, Any]) -> Frame | None:
    kind = body.get("type")
    if kind == "market_data":
        return _slow(body)
    if kind == "order_update":
        mode = body.get("mode")
        return Update(mode if isinstance(mode, str) else "", order_row(body))
    status, code, text = body.get("status"), body.get("code"), body.get("message")
    if not isinstance(status, str) and not isinstance(kind, str):
        return None
    return Control(
        type=kind if isinstance(kind, str) else "",
        is_ok=status in ("success", "partial"),
        code=code if isinstance(code, str) else "",
        text=text if isinstance(text, str) else "",
        body=body,
    )


def _slow(body: Mapping[str, Any]) -> Quote | None:
    """A tick whose numbers are written otherwise."""
    data, symbol, exchange = body.get("data"), body.get("symbol"), body.get("exchange")
    if not isinstance(symbol, str) or not isinstance(exchange, str):
        return None
    facts = object_of(data)
    ltp, stamp = paise_of(facts.get("ltp")), whole_of(facts.get("timestamp")) or 0
    if ltp is None or ltp <= 0:
        return None
    at_ns = stamp * NS_PER_MS if _SOONEST_MS < stamp < _LATEST_MS else 0
    bid, bid_qty = _slow_touch(facts.get("depth"), "buy")
    ask, ask_qty = _slow_touch(facts.get("depth"), "sell")
    return Quote(Wire(exchange, symbol), at_ns, ltp, bid, bid_qty, ask, ask_qty)


def _slow_touch(depth: object, side: str) -> tuple[int, int]:
    levels = rows_of(object_of(depth).get(side))
    level = object_of(levels[0] if levels else None)
    paise, qty = paise_of(level.get("price")), whole_of(level.get("quantity"))
    return (paise, max(0, qty or 0)) if paise is not None and paise > 0 else (0, 0)


# --- what is sent -----------------------------------------------------------------------------------------------------


def authenticate(key: str) -> str:
    return _text({"action": "authenticate", "api_key": key})


def subscribe_orders() -> str:
    return _text({"action": "subscribe_orders"})


def ping() -> str:
    """Its pong is a frame: it tells a server that is there from one that is not."""
    return _text({"action": "ping"})


def subscribe(wires: Iterable[Wire], mode: int) -> list[str]:
    """Messages of at most BATCH contracts each."""
    rows = [{"symbol": wire.symbol, "exchange": wire.exchange} for wire in wires]
    return [
        _text({"action": "subscribe", "symbols": rows[at : at + BATCH], "mode": mode, "depth": 5})
        for at in range(0, len(rows), BATCH)
    ]


def refused_symbols(body: Mapping[str, Any]) -> list[str]:
    """Of a subscribe reply: what the server does not stream, with its reason."""
    found: list[str] = []
    for entry in map(object_of, rows_of(body.get("subscriptions")) or ()):
        if entry.get("status") == "error":
            found.append(f"{entry.get('symbol')}: {entry.get('message')}")
    return found


def is_expected(update: Update, mode: Mode) -> bool:
    return update.mode == mode.value


def _text(body: Mapping[str, object]) -> str:
    return msgspec.json.encode(body).decode()
