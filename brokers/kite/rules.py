"""What Zerodha takes from one account: the limits row that every request is held against before it leaves (OPS-35).

Rates are below the broker's: 10 order requests a second, 400 or in older texts 200 a minute (facts/kite.md §6, F-40).
"""

from __future__ import annotations

from typing import Final

from engine.venue_rules import VenueRules

KITE_RULES: Final = VenueRules(
    name="kite",
    tag_max=20,
    tag_pattern=r"[A-Za-z0-9]+",
    orders_per_s=8,
    orders_per_min=180,
    modifies_per_order=25,
    products=frozenset({"MIS", "NRML", "CNC"}),
    takes_market=True,
    carries_tag=True,
    pushes_orders=True,
    native_exits="",  # a GTT pair is not bound to the position and fires LIMIT orders of its own: not used
    protects_at_broker=True,
)

AMBIGUITY_S: Final = 45.0
"""Exchange seconds in which an unanswered order may still appear (faults §2: a direct broker)."""
QUOTES_PER_S: Final = 1
"""The broker's own limit: the calls of a second are gathered into one (facts/kite.md §6)."""
QUOTES_PER_CALL: Final = 500
HISTORY_PER_S: Final = 2
READS_PER_S: Final = 8
SUBSCRIBE_BATCH: Final = 100
"""Tokens in one message (OPT-09)."""
TOKENS_PER_SOCKET: Final = 3000
