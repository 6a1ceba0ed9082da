"""Times as XTS writes them, read into instants and written from them (facts/xts.md §4, §7, §8). Pure.

All are IST wall-clock times without saying so: seconds since 1980 on the market stream, seconds since 1970 in candles,
ISO or day-first texts in order rows. Nothing here raises: what cannot be read is 0.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from functools import lru_cache
from typing import Final

from engine.instant import IST, NS_PER_S, at_ist, ist_date, ist_time_ns

_IST_S: Final = 19_800
_FROM_1980_S: Final = 315_532_800
"""From 1970-01-01 to 1980-01-01."""
_LAST_S: Final = 4_102_444_800
"""2100-01-01: beyond it a figure is no time."""
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_OPEN_NS: Final = (9 * 3600 + 15 * 60) * NS_PER_S
_ISO: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:\+05:?30)?", re.ASCII
)  # fmt: skip
_DAY_FIRST: Final = re.compile(r"(\d\d)-(\d\d)-(\d{4}) (\d\d):(\d\d):(\d\d)", re.ASCII)
_QUERY: Final = re.compile(r"([A-Z][a-z]{2}) (\d\d) (\d{4}) (\d\d)(\d\d)(\d\d)", re.ASCII)


def from_1980(value: object) -> int:
    """Seconds since 1980-01-01 in IST wall-clock time, as an instant."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < _LAST_S - _FROM_1980_S:
        return 0
    return (value + _FROM_1980_S - _IST_S) * NS_PER_S


def to_1980(at_ns: int) -> int:
    return at_ns // NS_PER_S + _IST_S - _FROM_1980_S


def from_wall_unix(value: object) -> int:
    """Seconds since 1970-01-01 in IST wall-clock time (candles), as an instant."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < _LAST_S:
        return 0
    return (value - _IST_S) * NS_PER_S


def to_wall_unix(at_ns: int) -> int:
    return at_ns // NS_PER_S + _IST_S


def from_text(value: object) -> int:
    """An ISO text of up to nine decimals or a day-first one, both IST wall clock."""
    if not isinstance(value, str) or len(value) > 40:
        return 0
    if match := _ISO.fullmatch(value):
        year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
        micros = int((match[7] or "0").ljust(6, "0")[:6])
    elif match := _DAY_FIRST.fullmatch(value):
        day, month, year, hour, minute, second = (int(part) for part in match.groups())
        micros = 0
    else:
        return 0
    return _instant(year, month, day, hour, minute, second, micros)


def iso_text(at_ns: int) -> str:
    """`2025-01-09T10:09:39.612205`, IST without saying so."""
    return _stamp(at_ns).isoformat(timespec="microseconds").removesuffix("+05:30")


def day_first_text(at_ns: int) -> str:
    """`09-01-2025 10:09:39`."""
    return f"{_stamp(at_ns):%d-%m-%Y %H:%M:%S}"


def query_text(at_ns: int) -> str:
    """`Jan 09 2025 100939`: the bounds of a candle request."""
    stamp = _stamp(at_ns)
    return f"{_MONTHS[stamp.month - 1]} {stamp:%d %Y %H%M%S}"


def from_query_text(value: object) -> int:
    match = _QUERY.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None or match[1] not in _MONTHS:
        return 0
    year, day, hour, minute, second = (int(match[n]) for n in (3, 2, 4, 5, 6))
    return _instant(year, _MONTHS.index(match[1]) + 1, day, hour, minute, second, 0)


def bar_start(at_ns: int, minutes: int) -> int:
    """The start of the bar that holds an instant: servers stamp a bar with its first or its last second.

    Bars of a day count from 09:15, so that an hour's bar is 09:15 to 10:15.
    """
    span_ns = minutes * 60 * NS_PER_S
    opening_ns = at_ns - ist_time_ns(at_ns) + _OPEN_NS
    return opening_ns + (at_ns - opening_ns) // span_ns * span_ns


@lru_cache(maxsize=1024)
def day_of(value: str) -> date | None:
    """The date part of a contract's expiry; its time means nothing (facts §9)."""
    at_ns = from_text(value)
    return ist_date(at_ns) if at_ns else None


def _instant(year: int, month: int, day: int, hour: int, minute: int, second: int, micros: int) -> int:
    try:
        return at_ist(date(year, month, day), time(hour, minute, second, micros))
    except ValueError:
        return 0


def _stamp(at_ns: int) -> datetime:
    seconds, rest = divmod(at_ns, NS_PER_S)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest // 1000).astimezone(IST)
