"""What an OpenAlgo server takes, as data: the capability rows and the spans that belong to a gateway.

Sources: facts/openalgo.md §0, §2 (limits), §3; shared faults §2 (ambiguity window of a gateway).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from msgspec.structs import replace

from engine.venue_rules import VenueRules


class Mode(StrEnum):
    """A server-wide switch that any client and the web page can flip (facts §0.6)."""

    LIVE = "live"
    ANALYZE = "analyze"


PUSHED: Final = VenueRules(
    name="openalgo",
    orders_per_s=8,  # ORDER_RATE_LIMIT is 10 a second for each of place, modify, cancel
    orders_per_min=180,
    products=frozenset({"MIS", "NRML", "CNC"}),
    carries_tag=False,  # live books have no field of ours; `strategy` comes back in analyze mode only
    pushes_orders=True,
)
POLLED: Final = replace(PUSHED, pushes_orders=False)
"""Where the server has no `subscribe_orders`, or its broker plugin pushes nothing in live mode."""

AMBIGUITY_S: Final = 130.0
"""Exchange seconds: the gateway asks its broker for up to 120 s, whether or not we still listen (facts §2)."""

XTS_PLUGINS: Final = frozenset({"compositedge", "fivepaisaxts", "iifl", "wisdom"})
"""Plugins that push no live order updates, and write the whole order quantity on every fill row (facts §5, §7)."""
CARRIES_PREVIOUS: Final = frozenset({"zerodha"})
"""Plugins that give an order of an unmapped status the status of the row before it (facts §4.2, faults ORD-26)."""
