"""The venue's door: why a request is refused, or None. Pure; `engine.venue_rules` holds the exchange's own rules.

Order of the checks: what the request is (type, price, tick, lot, freeze, tag), then where the market is (band, limit
protection, trigger side), then what the account can pay for.
"""

from __future__ import annotations

from typing import Final

from brokers.paper.book import Book
from brokers.paper.ledger import Ledger, PaperOrder
from brokers.paper.rules import PaperRules
from engine import refusals
from engine.instrument import Instrument, Segment
from engine.money import rupees_text
from engine.order import OrderType, Side
from engine.port import Refused
from engine.tick import NO_TICK
from engine.venue_rules import RequestFacts, VenueRules, check_request, lpp_gap_paise

_OPTIONS: Final = frozenset({Segment.INDEX_OPTION, Segment.STOCK_OPTION})
_PREPAID: Final = frozenset({*_OPTIONS, Segment.EQUITY})
"""Bought with cash in full; a future asks margin, which this venue does not model."""


def refusal(
    order: PaperOrder, book: Book, ledger: Ledger, rules: PaperRules, venue: VenueRules, replaces: str = ""
) -> Refused | None:
    """Why the draft `order` may not work, or None. `replaces` is the broker id it takes the place of (a modify)."""
    return (
        _form_refusal(order, book.instrument, ledger, venue)
        or _market_refusal(order, book, rules)
        or _margin_refusal(order, book.instrument, ledger, rules, replaces)
    )


def lpp_refusal(order: PaperOrder, book: Book, rules: PaperRules) -> Refused | None:
    """Limit-price protection against the last price: one-sided, options only, unchecked before the first trade."""
    reference = book.tick.ltp_paise
    if not rules.lpp or not reference or book.instrument.segment not in _OPTIONS:
        return None
    gap = lpp_gap_paise(reference)
    if (order.limit_paise - reference) * order.side.sign <= gap:
        return None
    limit = f"{order.side.value} limit {rupees_text(order.limit_paise)}"
    return Refused(refusals.PRICE_BAND, f"{limit}: more than {rupees_text(gap)} beyond {rupees_text(reference)}")


def _form_refusal(order: PaperOrder, instrument: Instrument, ledger: Ledger, venue: VenueRules) -> Refused | None:
    qty = order.qty
    if order.qty % instrument.lot_size and order.remaining_qty > 0 and _closes_odd(order, instrument, ledger):
        # Units that no longer make a lot may leave (facts/market.md §4); every other rule still holds for them.
        if instrument.freeze_qty and qty > instrument.max_order_qty:
            return Refused(refusals.FREEZE_QTY, f"quantity {qty}: at most {instrument.max_order_qty} in one order")
        qty = instrument.lot_size
    facts = RequestFacts(
        tag=order.tag,
        type=order.type,
        qty=qty,
        limit_paise=order.limit_paise,
        trigger_paise=order.trigger_paise,
        product=order.product,
    )
    violation = check_request(facts, instrument, venue)
    if violation is not None:
        return Refused(violation.code, violation.text)
    wrong_limit = (order.limit_paise - order.trigger_paise) * order.side.sign < 0
    if order.type is OrderType.SL and wrong_limit and not order.triggered:
        limit, trigger = rupees_text(order.limit_paise), rupees_text(order.trigger_paise)
        return Refused(refusals.STOP_GAP, f"stop limit {limit}: on the wrong side of its trigger {trigger}")
    return None


def _closes_odd(order: PaperOrder, instrument: Instrument, ledger: Ledger) -> bool:
    """What is left to trade takes the odd units out of a position (a short left odd by a surplus counts too)."""
    open_qty = -order.side.sign * ledger.net_qty((order.symbol, order.product))
    lot = instrument.lot_size
    return order.remaining_qty <= open_qty and order.remaining_qty % lot == open_qty % lot


def _market_refusal(order: PaperOrder, book: Book, rules: PaperRules) -> Refused | None:
    prices = [paise for paise in (order.limit_paise, order.trigger_paise) if paise]
    band = rules.price_bands.get(order.symbol)
    if band and any(not band[0] <= paise <= band[1] for paise in prices):
        return Refused(refusals.PRICE_BAND, f"price outside {rupees_text(band[0])} to {rupees_text(band[1])}")
    if order.type is OrderType.MARKET and book.tick is NO_TICK:
        # NSE answers 17181 to a market order in an option that has not traded today.
        return Refused(refusals.ORDER_TYPE, f"MARKET: {order.symbol} has not traded today")
    if order.is_pending_stop:
        ltp = book.tick.ltp_paise
        if ltp and (order.trigger_paise - ltp) * order.side.sign <= 0:
            side = "above" if order.side is Side.BUY else "below"
            trigger = f"{order.side.value} trigger {rupees_text(order.trigger_paise)}"
            return Refused(refusals.TRIGGER_CROSSED, f"{trigger}: must be {side} the last price {rupees_text(ltp)}")
        return None  # the limit of a stop is held against the market when it triggers
    return lpp_refusal(order, book, rules)


def _margin_refusal(
    order: PaperOrder, instrument: Instrument, ledger: Ledger, rules: PaperRules, replaces: str
) -> Refused | None:
    key = (order.symbol, order.product)
    if order.side is Side.BUY and instrument.segment in _PREPAID:
        blocked = ledger.blocked_paise()
        needed = ledger.blocked_paise(without=replaces, extra=order)
        if needed > blocked and needed > ledger.cash_paise:
            free = ledger.cash_paise - blocked
            return Refused(refusals.MARGIN, f"needs {rupees_text(needed - blocked)}, available {rupees_text(free)}")
    if order.side is Side.SELL and rules.second_exit_margin and not rules.short_margin:
        selling = ledger.working_sell_qty(key, without=replaces) + order.remaining_qty
        held = max(0, ledger.net_qty(key))
        if selling > held and selling > ledger.working_sell_qty(key):
            return Refused(refusals.MARGIN, f"working SELLs of {selling} above the position of {held} need margin")
    return None
