"""What the paper venue checks and how generous it is: one frozen row, so that a test or a config says it once."""

from __future__ import annotations

import msgspec

from engine.instant import NS_PER_S
from engine.venue_rules import VenueRules


class PaperRules(msgspec.Struct, frozen=True, kw_only=True):
    """The venue's switches. Prices in paise, spans in nanoseconds."""

    lpp: bool = True
    """Limit-price protection of options, at entry and again when a stop triggers (facts/market.md §3)."""
    price_bands: dict[str, tuple[int, int]] = {}
    """Symbol -> lowest and highest price taken (circuit limits); a symbol without a row has no band."""
    second_exit_margin: bool = False
    """Working SELLs above the long position need short margin: a broker that sees a new short in the second exit."""
    short_margin: bool = False
    """The account has that margin. Read only with `second_exit_margin`."""
    modifies_max: int = 25
    """Accepted modifies of one order, then too_many_changes (Kite and Dhan: 25)."""
    funds_paise: int = 50_000_000
    """Opening cash of a new account: ₹5,00,000."""
    displayed_size: bool = True
    """A tick's touch trades at most the quantity it displays; off = any quantity."""
    book_life_ns: int = 5 * NS_PER_S
    """Age of the last tick after which its touch no longer trades with a new order; 0 = it always does."""
    stop_protection_bps: int = 500
    """Band of the limit that a triggered SL-M becomes (equity and futures only)."""

    def venue(self) -> VenueRules:
        """The limits row that the engine's gateway paces and checks by."""
        return VenueRules(name="paper", modifies_per_order=self.modifies_max)
