"""Venue rules as data (OPS-35): what an account's broker and exchange take, checked before anything is sent.

The exchange facts come from `facts/market.md` §3 (as of 2026-11-21); the broker's own limits are one `VenueRules` row
per adapter. `check_request` is the single place where a request is held against them.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from engine import refusals
from engine.instrument import Instrument, Segment
from engine.order import OrderType

_NO_SL_M: Final = frozenset({Segment.INDEX_OPTION, Segment.STOCK_OPTION})


class VenueRules(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of one account's broker."""

    name: str
    tag_max: int = 20
    tag_pattern: str = r"[A-Za-z0-9]+"
    orders_per_s: int = 8
    """Paced below the 10 a second that brokers count (LEG-66, F-40)."""
    orders_per_min: int = 180
    exit_reserve_per_s: int = 3
    """Of orders_per_s, kept free for exits and cancels."""
    modifies_per_order: int = 25
    modify_margin: int = 5
    """Our own cap is modifies_per_order - modify_margin (faults §2, O5)."""
    products: frozenset[str] = frozenset({"MIS", "NRML", "CNC"})
    takes_market: bool = True
    """With protection; a bare MARKET leaves nowhere."""
    carries_tag: bool = True
    """Our tag comes back with the order. False: the adapter finds its orders by what it sent and when (ORD-13)."""
    pushes_orders: bool = True
    """Order updates are pushed. False: the desk polls."""
    native_exits: str = ""
    """The broker's own bracket of stop and target, by its name; empty = none (HRD-42)."""
    protects_at_broker: bool = True
    """A stop can rest there and survives this program."""

    @property
    def modify_cap(self) -> int:
        return self.modifies_per_order - self.modify_margin


class Violation(msgspec.Struct, frozen=True):
    """Why a request would be refused: a code of `engine.refusals` and one sentence."""

    code: str
    text: str


def takes_sl_m(instrument: Instrument) -> bool:
    """NSE options take no SL-M since 2021-09-27, BSE takes none at all (facts/market.md §3, F-40)."""
    return instrument.segment not in _NO_SL_M and instrument.exchange not in ("BSE", "BFO")


def lpp_gap_paise(reference_paise: int) -> int:
    """Limit-price protection of options: max(40 %, ₹20); ₹20 up to ₹50 (facts/market.md §3)."""
    return 2000 if reference_paise <= 5000 else max(reference_paise * 40 // 100, 2000)


def stop_gap_max_paise(instrument: Instrument, trigger_paise: int) -> int:
    """BSE index options: |limit - trigger| at most 20 % of the trigger, ₹10 up to ₹50. 0 = no rule known."""
    if instrument.exchange != "BFO":
        return 0
    return 1000 if trigger_paise <= 5000 else trigger_paise * 20 // 100


class RequestFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a place or modify request that the rules look at."""

    tag: str
    type: OrderType
    qty: int
    limit_paise: int
    trigger_paise: int
    product: str


def check_request(facts: RequestFacts, instrument: Instrument, rules: VenueRules) -> Violation | None:
    """The first rule this request breaks, or None. Quantities in units, prices in paise."""
    tag_ok = len(facts.tag) <= rules.tag_max and re.fullmatch(rules.tag_pattern, facts.tag)
    if not tag_ok:
        return Violation(refusals.TAG, f"tag {facts.tag!r}: at most {rules.tag_max} of {rules.tag_pattern}")
    if facts.product not in rules.products:
        return Violation(refusals.NOT_ALLOWED, f"product {facts.product!r}: one of {', '.join(sorted(rules.products))}")
    return _quantity_violation(facts, instrument) or _price_violation(facts, instrument)


def _quantity_violation(facts: RequestFacts, instrument: Instrument) -> Violation | None:
    if facts.qty <= 0 or facts.qty % instrument.lot_size:
        return Violation(
            refusals.LOT_SIZE, f"quantity {facts.qty}: a positive multiple of the lot {instrument.lot_size}"
        )
    if instrument.freeze_qty and facts.qty > instrument.max_order_qty:
        return Violation(refusals.FREEZE_QTY, f"quantity {facts.qty}: at most {instrument.max_order_qty} in one order")
    return None


def _price_violation(facts: RequestFacts, instrument: Instrument) -> Violation | None:
    if facts.type is OrderType.SL_M and not takes_sl_m(instrument):
        return Violation(refusals.ORDER_TYPE, f"SL-M: not taken for {instrument.symbol} on {instrument.exchange}")
    if facts.type is OrderType.MARKET and facts.limit_paise <= 0:
        return Violation(refusals.NO_PROTECTION, "MARKET without a protection limit")
    needs_limit = facts.type is not OrderType.SL_M
    needs_trigger = facts.type in (OrderType.SL, OrderType.SL_M)
    for name, paise, needed in (
        ("price", facts.limit_paise, needs_limit),
        ("trigger price", facts.trigger_paise, needs_trigger),
    ):
        if needed and paise <= 0:
            return Violation(refusals.PRICE_BAND, f"{name} {paise / 100:.2f}: must be above zero")
        if needed and paise % instrument.tick_paise:
            return Violation(
                refusals.TICK_SIZE,
                f"{name} {paise / 100:.2f}: not a multiple of the tick {instrument.tick_paise / 100:.2f}",
            )
    gap_max = stop_gap_max_paise(instrument, facts.trigger_paise)
    if facts.type is OrderType.SL and gap_max and abs(facts.limit_paise - facts.trigger_paise) > gap_max:
        return Violation(refusals.STOP_GAP, f"limit more than {gap_max / 100:.2f} from the trigger")
    return None
