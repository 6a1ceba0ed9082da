"""The forms of order requests (facts/kite.md §2, §3). Pure.

A MARKET order of this desk leaves as a LIMIT at its protection limit. Kite would also take MARKET with
`market_protection`, but computes the limit itself and shows the order as a LIMIT with a price that we did not choose:
with our own limit what rests, what is reported and what the journal holds are one and the same. An SL-M, which only
equity takes, must carry `market_protection`; -1 is the broker's own choice of band.
"""

from __future__ import annotations

import re
from typing import Any, Final

from brokers.kite.master import Listing
from brokers.wire.numbers import rupees_of
from engine.money import rupees_text
from engine.order import OrderType
from engine.port import OrderChange, OrderRequest

VARIETY: Final = "regular"
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_AUTOMATIC: Final = "-1"


def place_form(request: OrderRequest, listing: Listing) -> dict[str, str]:
    """Body of POST /orders/regular."""
    return {
        "exchange": listing.exchange,
        "tradingsymbol": listing.tradingsymbol,
        "transaction_type": request.side.value,
        "product": request.product,
        "tag": request.tag,
        **_terms(request.type, request.qty, request.limit_paise, request.trigger_paise),
    }


def modify_form(change: OrderChange) -> dict[str, str]:
    """Body of PUT /orders/regular/ID. `quantity` is the total, filled part included (facts/kite.md §3: treat as)."""
    return _terms(change.type, change.qty, change.limit_paise, change.trigger_paise)


def order_path(broker_id: str) -> str:
    """Empty for an id that could be anything but an id: it came from outside."""
    return f"/orders/{VARIETY}/{broker_id}" if _ID.fullmatch(broker_id) else ""


def margin_order(request: OrderRequest, listing: Listing) -> list[dict[str, Any]]:
    """Body of POST /margins/orders, which is JSON."""
    kind = wire_type(request.type)
    return [
        {
            "exchange": listing.exchange,
            "tradingsymbol": listing.tradingsymbol,
            "transaction_type": request.side.value,
            "variety": VARIETY,
            "product": request.product,
            "order_type": kind.value,
            "quantity": request.qty,
            "price": rupees_of(request.limit_paise) if kind is not OrderType.SL_M else 0,
            "trigger_price": rupees_of(request.trigger_paise) if kind in _STOPS else 0,
        }
    ]


_STOPS: Final = (OrderType.SL, OrderType.SL_M)


def wire_type(order_type: OrderType) -> OrderType:
    """The type under which an order of this desk travels."""
    return OrderType.LIMIT if order_type is OrderType.MARKET else order_type


def _terms(order_type: OrderType, qty: int, limit_paise: int, trigger_paise: int) -> dict[str, str]:
    kind = wire_type(order_type)
    form = {"order_type": kind.value, "quantity": str(qty), "validity": "DAY"}
    if kind is OrderType.SL_M:
        form["market_protection"] = _AUTOMATIC
    else:
        form["price"] = rupees_text(limit_paise)
    if kind in _STOPS:
        form["trigger_price"] = rupees_text(trigger_paise)
    return form
