"""Tells a price that cannot be from a market: what no contract costs, what no trade could have jumped to (M3, MKT-06).

Pure. One bad tick causes no order and enters no candle. A price that is only unlikely is a doubt, not a verdict: the
next tick that agrees with it, or a quote by request, makes it the market's, so that a real crash is acted on.
"""

from __future__ import annotations

from typing import Final

from engine.tick import Tick
from engine.venue_rules import lpp_gap_paise

HIGHEST_PAISE: Final = 10**9
"""One crore rupees: no contract and no index here comes near (the dearest share trades at about 1.5 lakh)."""


def is_outlier(tick: Tick) -> bool:
    """Further from bid and ask than the exchange lets an order trade; without a two-sided quote nothing is judged."""
    bid, ask, ltp = tick.bid_paise, tick.ask_paise, tick.ltp_paise
    if bid <= 0 or ask < bid:
        return False
    return ltp > ask + lpp_gap_paise(ask) or ltp < bid - lpp_gap_paise(bid)


def impossible(tick: Tick) -> str:
    """What no tick can carry, with the raw figure; empty when it may be true. Zero is "not given" beside a quote."""
    prices = (tick.ltp_paise, tick.bid_paise, tick.ask_paise)
    if min(prices) < 0 or max(prices) > HIGHEST_PAISE:
        return f"a price of {next(paise for paise in prices if not 0 <= paise <= HIGHEST_PAISE)} paise"
    if not max(prices):
        return "a price of 0 paise"
    return ""


def is_jump(paise: int, last_paise: int) -> bool:
    """Further from the last price than the exchange lets an order trade from its own reference. 0 = no last price."""
    return last_paise > 0 and abs(paise - last_paise) > lpp_gap_paise(last_paise)
