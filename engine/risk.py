"""The risk gate: may refuse an entry, never an exit (design §3). Pure: facts in, a reason or nothing out.

Every reason is one clause a trader reads on the screen after `entries BLOCKED:` (O10).
"""

from __future__ import annotations

from typing import Final

import msgspec

from engine.money import rupees_text


class DeskFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What must be in order before anything is entered, seen at one instant."""

    recovered: bool
    """The first reconciliation is done (R4)."""
    is_paused: bool
    journal_error: str
    session_reason: str
    """Why the market is closed for entries; empty when it is open."""
    order_path_error: str
    square_off_passed: bool
    stopping: bool
    day_net_paise: int
    unknown_orders: int
    mismatch: str
    """A position that differs from the broker's and is not yet explained."""
    bot_broken: str = ""
    """Why the bot that would enter is protect-only (PRC-10)."""
    bot_day_net_paise: int = 0
    """Of that bot alone."""


class RiskLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Configured caps; 0 = no cap."""

    day_loss_paise: int = 0
    lots_max: int = 0
    entries_per_day: int = 0
    unmanaged: bool = False
    """Nothing is entered: position management is switched off (RTP-36)."""


NO_LIMITS: Final = RiskLimits()


def desk_block(facts: DeskFacts, limits: RiskLimits, bot_limits: RiskLimits = NO_LIMITS) -> str:
    """Why no entry of this bot may leave now, or empty. The first reason in order of severity.

    `limits` hold for the desk as a whole, `bot_limits` for the one bot.
    """
    if facts.stopping:
        return "the desk is stopping"
    if facts.bot_broken:
        return facts.bot_broken
    if facts.journal_error:
        return facts.journal_error
    if not facts.recovered:
        return "start-up reconciliation is not done"
    if facts.order_path_error:
        return f"order path: {facts.order_path_error}"
    if facts.mismatch:
        return f"position mismatch: {facts.mismatch}"
    if facts.session_reason:
        return f"session: {facts.session_reason}"
    if facts.square_off_passed:
        return "square-off time has passed"
    if limits.unmanaged:
        return "position_management is switched off"
    if limits.day_loss_paise and facts.day_net_paise <= -limits.day_loss_paise:
        return f"day loss {rupees_text(limits.day_loss_paise, grouped=True)} reached"
    if bot_limits.day_loss_paise and facts.bot_day_net_paise <= -bot_limits.day_loss_paise:
        return f"day loss {rupees_text(bot_limits.day_loss_paise, grouped=True)} of this group reached"
    if facts.unknown_orders:
        return f"{facts.unknown_orders} order(s) without an answer"
    if facts.is_paused:
        return "paused"
    return ""


class EntryFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One leg that is about to be entered."""

    symbol: str
    lots: int
    qty: int
    qty_max: int
    """Largest units in one order; 0 = unknown."""
    price_age_ns: int
    price_age_max_ns: int
    has_price: bool
    entries_today: int


def entry_block(facts: EntryFacts, limits: RiskLimits) -> str:
    """Why this one entry may not leave, or empty."""
    if limits.lots_max and facts.lots > limits.lots_max:
        return f"{facts.lots} lots of {facts.symbol}, at most {limits.lots_max}"
    if limits.entries_per_day and facts.entries_today >= limits.entries_per_day:
        return f"{facts.entries_today} entries today, at most {limits.entries_per_day}"
    if facts.qty_max and facts.qty > facts.qty_max:
        return f"{facts.qty} units of {facts.symbol}, at most {facts.qty_max} in one entry"
    if not facts.has_price:
        return f"no price of {facts.symbol}"
    if facts.price_age_ns > facts.price_age_max_ns:
        return f"price of {facts.symbol} is {facts.price_age_ns / 1e9:.1f} s old"
    return ""
