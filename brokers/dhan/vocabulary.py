"""Dhan's words and ours, side by side: segments, products, order types, statuses and instants (facts/dhan.md §2, §3).

Pure tables and two readers. A word that is not in its table is never guessed.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, cast

from engine.instant import IST, NS_PER_S, ns_from_datetime
from engine.order import OrderState, OrderType, Side

SEGMENT_OF_EXCHANGE: Final = {
    "NSE": "NSE_EQ",
    "BSE": "BSE_EQ",
    "NFO": "NSE_FNO",
    "BFO": "BSE_FNO",
    "NSE_INDEX": "IDX_I",
    "BSE_INDEX": "IDX_I",
}
SEGMENT_CODES: Final = {
    "IDX_I": 0,
    "NSE_EQ": 1,
    "NSE_FNO": 2,
    "NSE_CURRENCY": 3,
    "BSE_EQ": 4,
    "MCX_COMM": 5,
    "BSE_CURRENCY": 7,
    "BSE_FNO": 8,
}
"""As the packets of the feed number them; there is no 6."""
SEGMENT_OF_CODE: Final = {code: name for name, code in SEGMENT_CODES.items()}

DHAN_PRODUCT: Final = {"MIS": "INTRADAY", "NRML": "MARGIN", "CNC": "CNC"}
DESK_PRODUCT: Final = {dhan: desk for desk, dhan in DHAN_PRODUCT.items()} | {"I": "MIS", "M": "NRML", "C": "CNC"}
"""The letters are the order-update socket's."""

DHAN_TYPE: Final = {OrderType.LIMIT: "LIMIT", OrderType.MARKET: "LIMIT", OrderType.SL: "STOP_LOSS"}
"""What leaves. MARKET leaves as a LIMIT at its protection price: Dhan makes one of it anyway since 2026-03, with a
protection of its own choosing. SL-M is not sent at all: a bare STOP_LOSS_MARKET is reported to fill at once."""
DESK_TYPE: Final = {
    "LIMIT": OrderType.LIMIT,
    "MARKET": OrderType.MARKET,
    "STOP_LOSS": OrderType.SL,
    "STOP_LOSS_MARKET": OrderType.SL_M,
    # Of the order-update socket:
    "LMT": OrderType.LIMIT,
    "MKT": OrderType.MARKET,
    "SL": OrderType.SL,
    "SLM": OrderType.SL_M,
}
DESK_SIDE: Final = {"BUY": Side.BUY, "SELL": Side.SELL, "B": Side.BUY, "S": Side.SELL}

_STATES: Final = {
    "TRANSIT": OrderState.WORKING,  # found, therefore existing; not yet at the exchange
    "PENDING": OrderState.WORKING,
    "PART_TRADED": OrderState.PART_FILLED,
    "TRADED": OrderState.FILLED,
    "CANCELLED": OrderState.CANCELLED,
    "REJECTED": OrderState.REJECTED,
    "EXPIRED": OrderState.EXPIRED,
    "TRIGGERED": OrderState.WORKING,
    "CLOSED": OrderState.FILLED,  # a super order whose entry and one exit are done
    "CONFIRM": OrderState.TRIGGER_PENDING,
    "MODIFIED": OrderState.WORKING,  # of the portal's pages; what they mean is not spelled out
    "INACTIVE": OrderState.WORKING,
}
_STOPS: Final = frozenset({OrderType.SL, OrderType.SL_M})
NO_VALUE: Final = frozenset({"", "0", "NA", "0001-01-01", "0001-01-01 00:00:00", "01/01/1980 00:00:00"})
"""What stands where nothing is meant; null is the sixth form."""


def state_of(status: object, order_type: OrderType | None, qty: int, filled_qty: int) -> OrderState:
    """The order's state from its status word and its quantities; a word nobody knows is UNKNOWN, never an end.

    A resting stop is PENDING as a limit is: only its type tells them apart, and a row does not say whether it has
    triggered. A part of a fill has no word of its own on the order-update socket, so it is read from the quantities.
    """
    state = _STATES.get(status.strip().upper(), OrderState.UNKNOWN) if isinstance(status, str) else OrderState.UNKNOWN
    is_partial = 0 < filled_qty < qty
    if state is OrderState.PART_FILLED:
        return state if is_partial else OrderState.UNKNOWN
    if state is OrderState.FILLED:
        return OrderState.PART_FILLED if is_partial else state
    if state is OrderState.WORKING and is_partial:
        return OrderState.PART_FILLED
    if state is OrderState.WORKING and order_type in _STOPS and str(status).strip().upper() == "PENDING":
        return OrderState.TRIGGER_PENDING
    return state


def object_in(value: object) -> dict[str, Any]:
    """A JSON object; anything else is an empty one."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def list_in(value: object) -> list[object]:
    """A JSON list; anything else is an empty one."""
    return cast("list[object]", value) if isinstance(value, list) else []


def text_of(value: object) -> str:
    """A text field without its "no value" forms. Numbers are texts here: ids come as either."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        return ""
    text = value.strip()
    return "" if text in NO_VALUE else text


def instant_of(value: object) -> int:
    """A naive IST `YYYY-MM-DD HH:MM:SS` (also with T and a fraction) as an instant; 0 when there is none."""
    text = text_of(value)
    if not text or len(text) > 40:
        return 0
    try:
        stamp = datetime.fromisoformat(text)
    except ValueError:
        return 0
    if stamp.year < 2000:
        return 0
    return ns_from_datetime(stamp if stamp.tzinfo is not None else stamp.replace(tzinfo=IST))


def wire_time(at_ns: int) -> str:
    """An instant as Dhan writes it in orders and asks it in chart requests: IST, without a zone, to the second."""
    return datetime.fromtimestamp(at_ns // NS_PER_S, IST).strftime("%Y-%m-%d %H:%M:%S")
