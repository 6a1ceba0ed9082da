"""Reads the forms of order requests as Kite's gate does: what it refuses at once, in its own words. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from brokers.kite.venue_rows import KiteError
from brokers.wire.numbers import decimal_of, paise_of, whole_of
from engine.instrument import Instrument
from engine.money import ceil_to_tick, divide_half_up, floor_to_tick
from engine.order import OrderType, Side
from engine.port import OrderReport

PRODUCTS: Final = ("CNC", "NRML", "MIS", "MTF")
_TAG: Final = re.compile(r"[A-Za-z0-9 ]{0,20}")
_TYPES: Final = {kind.value: kind for kind in OrderType}
_BPS: Final = 10_000
_AUTOMATIC: Final = -1
_SLABS: Final = ((1_000, 500), (10_000, 300), (50_000, 200))
"""Below so many paise, so many basis points; above all of them 1 % (facts/market.md §3: the broker's own table)."""
_SLAB_TOP: Final = 100


class Terms(msgspec.Struct, frozen=True):
    """What a place and a modify have in common."""

    type: OrderType
    qty: int
    limit_paise: int
    trigger_paise: int
    protection_bps: int = 0
    """Of a MARKET order; -1 = the broker's choice."""


def wrong(message: str) -> KiteError:
    return KiteError(400, "InputException", message)


def side_of(form: Mapping[str, str]) -> Side:
    try:
        return Side(form.get("transaction_type", ""))
    except ValueError:
        raise wrong("Invalid `transaction_type`.") from None


def tag_of(form: Mapping[str, str]) -> str:
    tag = form.get("tag", "")
    if not _TAG.fullmatch(tag):
        raise wrong("Invalid `tag`: at most 20 letters and digits.")
    return tag


def product_of(form: Mapping[str, str]) -> str:
    if form.get("product") not in PRODUCTS:
        raise wrong("Invalid `product`.")
    return form["product"]


def terms_of(form: Mapping[str, str], before: OrderReport | None = None) -> Terms:
    """Raises KiteError. `before`: what a modify leaves out stays as it is."""
    kind = _TYPES.get(form.get("order_type") or (before.type.value if before is not None else ""))
    if kind is None:
        raise wrong("Invalid `order_type`.")
    if form.get("validity", "DAY") != "DAY":
        raise wrong("Only `validity` DAY is offered in a rehearsal.")
    qty = whole_of(form["quantity"]) if "quantity" in form else before.qty if before is not None else None
    if qty is None or qty <= 0:
        raise wrong("Invalid `quantity`.")
    return Terms(
        kind,
        qty,
        _price(form, "price", before.limit_paise if before is not None else 0)
        if kind in (OrderType.LIMIT, OrderType.SL)
        else 0,
        _price(form, "trigger_price", before.trigger_paise if before is not None else 0)
        if kind in (OrderType.SL, OrderType.SL_M)
        else 0,
        _protection(form) if kind in (OrderType.MARKET, OrderType.SL_M) else 0,
    )


def _price(form: Mapping[str, str], name: str, before: int) -> int:
    paise = paise_of(form[name]) if name in form else before
    if paise is None or paise <= 0:
        raise wrong(f"Invalid `{name}`.")
    return paise


def _protection(form: Mapping[str, str]) -> int:
    """In basis points (facts/kite.md §2)."""
    value = decimal_of(form.get("market_protection", "0"))
    if value is None:
        raise wrong("Invalid request (failed to decode market_protection)")
    if value == _AUTOMATIC:
        return _AUTOMATIC
    if not 0 < value <= 100:
        raise wrong("Market orders without market protection are not allowed via API. Set market_protection.")
    return int(value * 100)


def protected_limit(instrument: Instrument, side: Side, ltp_paise: int, protection_bps: int) -> tuple[int, str]:
    """(limit in paise, percent as the broker labels it) of a MARKET order."""
    bps = protection_bps
    if bps == _AUTOMATIC:
        bps = next((slab for below, slab in _SLABS if ltp_paise < below), _SLAB_TOP)
    far = ltp_paise + side.sign * divide_half_up(ltp_paise * bps, _BPS)
    snap = ceil_to_tick if side is Side.BUY else floor_to_tick
    return max(snap(far, instrument.tick_paise), instrument.tick_paise), f"{bps // 100}.{bps % 100:02d}"
