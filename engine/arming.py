"""Whether a position that would be opened now would have a stop; if not, it is refused (RTP-03, RTP-20). Pure."""

from __future__ import annotations

from typing import Final

from engine.bracket_state import BracketTerms
from engine.exit_rules.registry import decode_rules
from engine.exit_rules.rule import RuleFacts
from engine.money import rupees_text
from engine.order import Side
from engine.order_pricing import touch_paise
from engine.price_book import PriceBook
from engine.reading import Readings

_FULL_BPS = 10_000
_NO_STOP: Final = "it would have no stop"


def is_unprotected(reason: str) -> bool:
    """A refusal that somebody must hear of: its position would have had no stop (RTP-03)."""
    return _NO_STOP in reason


def unarmed_reason(terms: BracketTerms, side: Side, price: PriceBook, readings: Readings, now_ns: int) -> str:
    """Why it would have no stop: no fixed one and none of a rule, a fixed one at or below zero, or a stop rule that
    could not arm, in its own words. Empty when it would be protected."""
    if not _has_fixed_stop(terms) and not any(rule.is_stop for rule in decode_rules(terms.rules).rules):
        return f"{price.instrument.symbol}: {_NO_STOP}"  # it would be bought to be sold at once
    reason = _why_no_stop(terms, side, price, readings, now_ns)
    return f"{price.instrument.symbol}: {reason}, {_NO_STOP}" if reason else ""


def _has_fixed_stop(terms: BracketTerms) -> bool:
    return bool(terms.stop_bps or terms.stop_offset_paise)


def _why_no_stop(terms: BracketTerms, side: Side, price: PriceBook, readings: Readings, now_ns: int) -> str:
    stops = [rule for rule in decode_rules(terms.rules).rules if rule.is_stop]
    tick = price.tick
    entry = touch_paise(side, tick)
    offset = entry * terms.stop_bps // _FULL_BPS if terms.stop_bps else terms.stop_offset_paise
    first_stop = entry - side.sign * offset if offset else 0
    if _has_fixed_stop(terms) and entry > 0 and first_stop <= 0:
        return f"its stop would lie at {rupees_text(first_stop)}, from an entry at {rupees_text(entry)}"
    facts = RuleFacts(
        now_ns=now_ns,
        symbol=price.instrument.symbol,
        side=side,
        trade_type=terms.trade_type,
        open_qty=price.instrument.lot_size,
        entry_paise=entry,
        target_offset_paise=entry * terms.target_bps // _FULL_BPS if terms.target_bps else terms.target_offset_paise,
        first_stop_paise=first_stop,
        stop_paise=first_stop,
        best_paise=entry,
        ltp_paise=tick.ltp_paise or entry,
        tick_paise=price.instrument.tick_paise,
        opened_ns=now_ns,
    )
    reasons = (rule.cannot_arm(facts, readings) for rule in stops)
    return next((reason for reason in reasons if reason), "")
