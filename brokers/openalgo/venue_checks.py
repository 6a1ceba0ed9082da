"""The venue's reading of order calls: the server's schema, with its own words for what is wrong. Pure.

Source: facts/openalgo.md §2, §3.1 and the validation replies in the fixtures. Numbers may come as strings: the official
client sends them so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from brokers.wire.numbers import paise_of, whole_of
from engine.order import OrderType, Side

EXCHANGES: Final = (
    "NSE", "NFO", "CDS", "BSE", "BFO", "BCD", "MCX", "NCDEX", "NCO", "NSE_INDEX", "BSE_INDEX", "MCX_INDEX",
    "GLOBAL_INDEX", "CRYPTO",
)  # fmt: skip
_ACTIONS: Final = ("BUY", "SELL", "buy", "sell")
_TYPES: Final = ("MARKET", "LIMIT", "SL", "SL-M")
_PRODUCTS: Final = ("MIS", "NRML", "CNC")
_PLACE: Final = ("apikey", "strategy", "exchange", "symbol", "action", "quantity")
_PLACE_MORE: Final = ("pricetype", "product", "price", "trigger_price", "disclosed_quantity", "underlying_ltp")
_MODIFY: Final = (
    "apikey", "strategy", "exchange", "symbol", "orderid", "action", "product", "pricetype", "price", "quantity",
    "disclosed_quantity", "trigger_price",
)  # fmt: skip
_CANCEL: Final = ("apikey", "strategy", "orderid")
_REQUIRED: Final = "Missing data for required field."


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A place or modify call that passed the schema. Prices in paise."""

    strategy: str
    exchange: str
    symbol: str
    side: Side
    qty: int
    type: OrderType
    product: str
    price_paise: int
    trigger_paise: int
    order_id: str = ""


class Invalid(Exception):
    """What the schema says, in the server's form: the text of a mapping from field to messages."""


def read_place(body: Mapping[str, Any]) -> Asked:
    """Raises Invalid."""
    return _read(body, _PLACE, _PLACE_MORE)


def read_modify(body: Mapping[str, Any]) -> Asked:
    """Raises Invalid."""
    return _read(body, _MODIFY, ())


def read_cancel(body: Mapping[str, Any]) -> str:
    """The order's id. Raises Invalid."""
    errors = _field_errors(body, _CANCEL, ())
    if errors:
        raise Invalid(str(errors))
    return str(body["orderid"])


def _field_errors(body: Mapping[str, Any], needed: tuple[str, ...], more: tuple[str, ...]) -> dict[str, list[str]]:
    errors = {name: [_REQUIRED] for name in needed if name not in body}
    errors |= {str(name)[:64]: ["Unknown field."] for name in body if name not in needed and name not in more}
    return errors


def _read(body: Mapping[str, Any], needed: tuple[str, ...], more: tuple[str, ...]) -> Asked:
    errors = _field_errors(body, needed, more)
    for name, allowed in (("exchange", EXCHANGES), ("action", _ACTIONS), ("pricetype", _TYPES), ("product", _PRODUCTS)):
        if name in body and body[name] not in allowed:
            errors[name] = [f"Must be one of: {', '.join(allowed)}."]
    qty = whole_of(body.get("quantity"))
    if "quantity" in body and (qty is None or qty <= 0):
        errors["quantity"] = ["Quantity must be a positive number."]
    price, trigger = paise_of(body.get("price", 0)), paise_of(body.get("trigger_price", 0))
    for name, paise in (("price", price), ("trigger_price", trigger)):
        if paise is None or paise < 0:
            errors[name] = ["Must be greater than or equal to 0."]
    if errors:
        raise Invalid(str(errors))
    return Asked(
        strategy=str(body["strategy"]),
        exchange=body["exchange"],
        symbol=str(body["symbol"]),
        side=Side(body["action"].upper()),
        qty=qty or 0,
        type=OrderType(body.get("pricetype", "MARKET")),
        product=body.get("product", "MIS"),
        price_paise=price or 0,
        trigger_paise=trigger or 0,
        order_id=str(body.get("orderid", "")),
    )


def price_error(asked: Asked) -> str:
    """What the analyzer says of prices that do not fit the type; empty = they fit."""
    if asked.type in (OrderType.LIMIT, OrderType.SL) and not asked.price_paise:
        return f"{asked.type.value} orders require price"
    if asked.type in (OrderType.SL, OrderType.SL_M) and not asked.trigger_paise:
        return f"{asked.type.value} orders require trigger_price"
    if asked.type is OrderType.SL_M and asked.price_paise:
        return "SL-M orders do not accept a price"
    return ""
