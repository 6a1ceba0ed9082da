"""What Dhan takes, as one row of the capability table (facts/dhan.md §2, §3, §6).

Two calls of Dhan are left out on purpose: exit-all (`DELETE /positions`) and the kill switch act on the whole account,
so they would also cancel the protective orders of other strategies and close positions that are not ours.
"""

from __future__ import annotations

from typing import Final

from engine.venue_rules import VenueRules

RULES: Final = VenueRules(
    name="dhan",
    # 30 in the documents; a probe of the live sandbox had 26 refused. Without dot and space the pages agree.
    tag_max=25,
    tag_pattern=r"[A-Za-z0-9_-]+",
    # 10 a second and 250 a minute are counted.
    orders_per_s=8,
    orders_per_min=180,
    modifies_per_order=25,
    products=frozenset({"MIS", "NRML", "CNC"}),
    native_exits="super order",
)
