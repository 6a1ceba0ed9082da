"""Times as Kite writes them: IST wall-clock without an offset, in candles with +0530. Never the host's zone. Pure."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from typing import Final

from engine.instant import IST, NS_PER_S, at_ist, ist_date, ist_time_ns

_STAMP: Final = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})[ T](\d{2}):(\d{2}):(\d{2})(\+0530|\+05:30)?", re.ASCII
)  # facts/kite.md §1
TOKEN_ENDS: Final = time(6, 0)
"""IST on the next day (facts/kite.md §1)."""


def ns_of(stamp: object) -> int:
    """`2026-11-25 09:15:00` or `2017-12-15T09:15:00+0530` as an instant; 0 for anything else."""
    match = _STAMP.fullmatch(stamp) if isinstance(stamp, str) else None
    if match is None:
        return 0
    year, month, day, hour, minute, second = map(int, match.groups()[:6])
    try:
        return at_ist(date(year, month, day), time(hour, minute, second))
    except ValueError:
        return 0


def stamp_of(at_ns: int) -> str:
    """`2026-11-25 09:15:00`; the part of the running second is dropped."""
    return datetime.fromtimestamp(at_ns // NS_PER_S, IST).strftime("%Y-%m-%d %H:%M:%S")


def candle_stamp_of(at_ns: int) -> str:
    """`2026-11-25T09:15:00+0530`."""
    return datetime.fromtimestamp(at_ns // NS_PER_S, IST).strftime("%Y-%m-%dT%H:%M:%S%z")


def token_end_ns(at_ns: int) -> int:
    """When a token that lives at this instant dies: at the next 06:00 IST."""
    today = ist_date(at_ns)
    is_over = ist_time_ns(at_ns) >= TOKEN_ENDS.hour * 3600 * NS_PER_S
    return at_ist(today + timedelta(days=1) if is_over else today, TOKEN_ENDS)
