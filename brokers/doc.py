"""Writes docs/brokers.md: what each adapter's broker takes, from the rows the gateway works by (`make docs`)."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Final

from brokers.dhan.rules import RULES as DHAN_RULES
from brokers.kite.rules import KITE_RULES
from brokers.openalgo.rules import PUSHED as OPENALGO_RULES
from brokers.paper.rules import PaperRules
from brokers.xts.rules import XTS_RULES
from engine.venue_rules import VenueRules

_HEAD = """\
# Brokers

Written by `make docs`; do not edit. One column for each account kind: the row of rules that orders are checked and
paced by before they are sent (`brokers/KIND/rules.py`, OPS-35). The adapters were written from published facts and
captured replies and are tested against their own loopback venues (`strikedesk venue KIND`) and the brokers' official
clients; **none has met the real service**, and orders in mode `live` are refused.
"""


def page() -> str:
    """The whole file."""
    rows = (PaperRules().venue(), KITE_RULES, DHAN_RULES, OPENALGO_RULES, XTS_RULES)
    lines = [_HEAD, "| | " + " | ".join(rules.name for rules in rows) + " |", "|---" * (len(rows) + 1) + "|"]
    for name, words in _CAPABILITIES:
        lines.append(f"| {name} | " + " | ".join(words(rules) for rules in rows) + " |")
    return "\n".join(lines) + "\n"


def _yes(is_so: bool) -> str:
    return "yes" if is_so else "no"


_CAPABILITIES: Final[tuple[tuple[str, Callable[[VenueRules], str]], ...]] = (
    ("orders a second, a minute (ours, below the broker's)", lambda r: f"{r.orders_per_s}, {r.orders_per_min}"),
    ("kept free for exits and cancels", lambda r: f"{r.exit_reserve_per_s} a second"),
    ("changes of one order", lambda r: f"{r.modifies_per_order}, ours {r.modify_cap}"),
    ("our tag", lambda r: f"{r.tag_max} of `{r.tag_pattern}`"),
    ("the tag comes back", lambda r: _yes(r.carries_tag)),
    ("order updates are pushed", lambda r: _yes(r.pushes_orders)),
    ("products", lambda r: ", ".join(sorted(r.products))),
    ("marketable orders", lambda r: _yes(r.takes_market)),
    ("a stop can rest at the broker", lambda r: _yes(r.protects_at_broker)),
    ("a bracket of its own (not used yet)", lambda r: r.native_exits or "none"),
)


if __name__ == "__main__":
    sys.stdout.write(page())
