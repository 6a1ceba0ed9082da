"""Tells one bad tick from a market: a last price far outside its own touch (M3, MKT-06). Pure."""

from __future__ import annotations

from engine.tick import Tick
from engine.venue_rules import lpp_gap_paise


def is_outlier(tick: Tick) -> bool:
    """Further from bid and ask than the exchange lets an order trade; without a two-sided quote nothing is judged."""
    bid, ask, ltp = tick.bid_paise, tick.ask_paise, tick.ltp_paise
    if bid <= 0 or ask < bid:
        return False
    return ltp > ask + lpp_gap_paise(ask) or ltp < bid - lpp_gap_paise(bid)
