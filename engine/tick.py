"""A tick: the newest price of one instrument, with the touch when the feed carries it."""

from __future__ import annotations

import msgspec


class Tick(msgspec.Struct, frozen=True, gc=False):
    """Positional on purpose: a replay builds millions of them. Prices in paise, quantities in units; 0 = not given."""

    symbol: str
    at_ns: int
    """Exchange time."""
    ltp_paise: int
    bid_paise: int = 0
    bid_qty: int = 0
    ask_paise: int = 0
    ask_qty: int = 0


NO_TICK = Tick("", 0, 0)
