"""What an XTS broker takes (OPS-35): one capability row, and the limits of one session. Pure.

Every broker runs XTS on its own hosts with its own limits and there is no common table of them (facts/xts.md §2): the
figures here are the cautious ones of that page.
"""

from __future__ import annotations

from typing import Final

import msgspec

from engine.venue_rules import VenueRules

XTS_RULES: Final = VenueRules(
    name="xts",
    tag_max=20,
    tag_pattern=r"[A-Za-z0-9-]+",  # orderUniqueIdentifier: longer ones are refused (F-46, BUG-43)
    orders_per_s=8,
    products=frozenset({"MIS", "NRML", "CNC"}),
    takes_market=False,  # MARKET carries no protection here: a marketable intent leaves as LIMIT at its protection
    carries_tag=True,
    pushes_orders=True,
    native_exits="",  # CO and BO orders exist, but not on every install (facts §3)
)

AMBIGUITY_S: Final = 45.0
"""T_AMB of a direct broker, in exchange seconds (faults §2)."""


class SessionLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Real seconds, except where it says otherwise. A call's own deadline is `SessionTools.deadline_s`."""

    master_s: float = 60.0
    """Tens of megabytes."""
    login_s: float = 10.0
    relogin_gap_s: float = 30.0
    """Between two logins with one key: a login ends the session that the key had (facts §1)."""
    displaced_s: float = 600.0
    """A session that is logged out again within so long of our login has another user: it is not fought over."""
    token_life_ns: int = 8 * 3600 * 1_000_000_000
    """Exchange time for which a token is used (GRD-54)."""
    join_s: float = 10.0
    """From the opening of a stream to its greeting."""
    subscriptions_per_s: int = 3
    subscription_batch: int = 50
    quote_batch: int = 50
    """Instruments of one quote request, the server's own cap (facts §7)."""
