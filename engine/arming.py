"""Whether a position that would be opened now would have a stop; if not, it is refused (RTP-03, RTP-20). Pure."""

from __future__ import annotations

from engine.bracket_state import BracketTerms
from engine.exit_rules.registry import decode_rules
from engine.exit_rules.rule import RuleFacts
from engine.order import Side
from engine.price_book import PriceBook
from engine.reading import Readings

_FULL_BPS = 10_000


def unarmed_reason(terms: BracketTerms, side: Side, price: PriceBook, readings: Readings, now_ns: int) -> str:
    """The first stop rule that could not arm, in its own words; empty when all can, or a fixed stop needs none."""
    stops = [rule for rule in decode_rules(terms.rules).rules if rule.is_stop]
    if not stops:  # neither of them: it would be bought to be sold at once (RTP-03)
        return "" if terms.stop_bps or terms.stop_offset_paise else f"{price.instrument.symbol}: it would have no stop"
    tick = price.tick
    entry = (tick.ask_paise if side is Side.BUY else tick.bid_paise) or tick.ltp_paise
    offset = entry * terms.stop_bps // _FULL_BPS if terms.stop_bps else terms.stop_offset_paise
    first_stop = entry - side.sign * offset if offset else 0
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
    return next((f"{price.instrument.symbol}: {reason}" for reason in reasons if reason), "")
