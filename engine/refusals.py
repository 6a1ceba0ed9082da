"""The vocabulary of refusals: adapters translate each broker's codes into these; text never steers control flow."""

from __future__ import annotations

from typing import Final

MARGIN: Final = "margin"
PRICE_BAND: Final = "price_band"
TICK_SIZE: Final = "tick_size"
LOT_SIZE: Final = "lot_size"
FREEZE_QTY: Final = "freeze_qty"
TRIGGER_CROSSED: Final = "trigger_crossed"
STOP_GAP: Final = "stop_gap"
ORDER_TYPE: Final = "order_type"
"""The venue does not take this order type for this contract (SL-M on options)."""
NO_PROTECTION: Final = "no_protection"
"""A bare MARKET order."""
UNKNOWN_SYMBOL: Final = "unknown_symbol"
SESSION_CLOSED: Final = "session_closed"
NO_SUCH_ORDER: Final = "no_such_order"
ALREADY_FINISHED: Final = "already_finished"
"""Cancel or modify of an order that is filled, cancelled or rejected."""
TOO_MANY_CHANGES: Final = "too_many_changes"
THROTTLED: Final = "throttled"
TAG: Final = "tag"
DUPLICATE_TAG: Final = "duplicate_tag"
NOT_ALLOWED: Final = "not_allowed"
"""Account or segment not enabled, IP not registered, position not held."""
OTHER: Final = "other"
