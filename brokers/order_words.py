"""Reads an order's status and filled quantity from a broker's reply, whatever the broker calls them (HRD-02, F-26).

Brokers and gateways disagree on field names, spelling and on what an empty value means. This is the one table of those
words; an adapter hands in its decoded row and gets the engine's vocabulary. A word nobody knows is *unknown*, never a
guess: the order may be live.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from engine.order import OrderState

_STATUS_FIELDS: Final = ("status", "order_status", "orderStatus", "OrderStatus")
_FILLED_FIELDS: Final = ("filled_quantity", "filled_qty", "filledQuantity", "filledqty", "tradedQuantity")
_TOTAL_FIELDS: Final = ("quantity", "qty", "orderQuantity", "OrderQuantity")

_WORDS: Final[dict[str, OrderState]] = {
    **dict.fromkeys(("COMPLETE", "COMPLETED", "FILLED", "EXECUTED", "TRADED"), OrderState.FILLED),
    **dict.fromkeys(("CANCELLED", "CANCELED"), OrderState.CANCELLED),
    "EXPIRED": OrderState.EXPIRED,
    **dict.fromkeys(("OPEN", "NEW", "WORKING", "REPLACED", "MODIFIED", "PENDING"), OrderState.WORKING),
    **dict.fromkeys(("TRIGGER PENDING", "TRIGGER-PENDING", "TRIGGER_PENDING"), OrderState.TRIGGER_PENDING),
}
_PREFIXES: Final = (("REJECT", OrderState.REJECTED), ("PARTIAL", OrderState.PART_FILLED))
_TRANSITIONAL: Final = ("PUT ORDER REQ RECEIVED", "VALIDATION PENDING", "OPEN PENDING", "MODIFY", "CANCEL PENDING")
"""Found, therefore existing; not protective and not finished (faults §3 notes). `PendingCancel` is one too (BUG-44)."""


def status_and_filled(row: Mapping[str, object]) -> tuple[OrderState, int]:
    """(state, cumulative filled units) of one order row. Never raises: garbage is UNKNOWN and 0."""
    filled = units(_first(row, _FILLED_FIELDS))
    total = units(_first(row, _TOTAL_FIELDS))
    state = state_of(_first(row, _STATUS_FIELDS))
    if state is OrderState.WORKING and filled > 0 and (not total or filled < total):
        return OrderState.PART_FILLED, filled
    if state is OrderState.FILLED and not filled:
        filled = total
    return state, filled


def state_of(word: object) -> OrderState:
    """One status word in the engine's vocabulary."""
    text = word.strip().upper() if isinstance(word, str) else ""
    if text in _WORDS:
        return _WORDS[text]
    for prefix, state in _PREFIXES:
        if text.startswith(prefix):
            return state
    if text in ("PENDINGCANCEL", "PENDINGNEW", "PENDINGREPLACE") or any(text.startswith(t) for t in _TRANSITIONAL):
        return OrderState.WORKING
    return OrderState.UNKNOWN


def units(value: object) -> int:
    """A quantity as brokers write it: 75, "75", "75.0", "1,800", "", None. Anything else is 0."""
    if isinstance(value, bool):
        return 0
    if isinstance(value, int):
        return max(value, 0)
    if isinstance(value, str):
        whole, _, part = value.replace(",", "").strip().partition(".")
        if whole.isdecimal() and whole.isascii() and not part.strip("0") and len(whole) <= 12:
            return int(whole)
    return 0


def _first(row: Mapping[str, object], names: tuple[str, ...]) -> object:
    return next((row[name] for name in names if row.get(name) not in (None, "")), None)
