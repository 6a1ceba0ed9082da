"""When a grid ends itself: hedges that fill on one side only, or that should have filled and do not (GRD-43..45).

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from engine.grid.terms import GridTerms, TradeSide
from engine.instant import NS_PER_S

IMBALANCE = "OCO imbalance"
OVERDUE = "untriggered OCO orders"


def imbalance_qty(terms: GridTerms, upside_oco: int, downside_oco: int) -> int:
    """Hedge fills that count towards the end: the difference in one account, the fuller side in two (GRD-43)."""
    if terms.accounts.is_same_oco:
        return abs(upside_oco - downside_oco)
    return max(upside_oco, downside_oco)


def is_imbalanced(terms: GridTerms, upside_oco: int, downside_oco: int) -> bool:
    return terms.is_hedged and imbalance_qty(terms, upside_oco, downside_oco) >= terms.steps


def overdue_of(terms: GridTerms, due_ns: Iterable[int], now_ns: int) -> int:
    """Hedges of one side that were reached and have not filled, for longer than the grace; all of them in the literal
    mode of the seed (GRD-44, GRD-45)."""
    grace_ns = 0 if terms.literal_termination else terms.untriggered_grace_ns
    return sum(1 for since_ns in due_ns if since_ns and now_ns - since_ns >= grace_ns)


def ending_reason(
    terms: GridTerms, upside_oco: int, downside_oco: int, overdue: Mapping[TradeSide, int], *, is_fresh: bool
) -> str:
    """Why the grid ends now; empty while it goes on. Without a fresh price of token B nothing is overdue (H-12)."""
    if is_imbalanced(terms, upside_oco, downside_oco):
        return IMBALANCE
    worst = max(overdue.values(), default=0)
    if terms.is_hedged and is_fresh and worst >= terms.oco_stop_count:
        return f"{OVERDUE}: {worst} overdue for more than {terms.untriggered_grace_ns / NS_PER_S:g} s"
    return ""
