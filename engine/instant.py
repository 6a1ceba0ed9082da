"""Instants are integer nanoseconds since the epoch (UTC); the trading day is read in IST (OPS-30).

India keeps UTC+5:30 all year, so a fixed offset is exact and no time-zone database is needed.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone

IST = timezone(timedelta(hours=5, minutes=30), "IST")
NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000
NS_PER_DAY = 86_400 * NS_PER_S
_IST_OFFSET_NS = 19_800 * NS_PER_S
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()


def ns_from_s(seconds: float) -> int:
    """A span in seconds (from config) as integer nanoseconds."""
    return round(seconds * NS_PER_S)


def ist_date(at_ns: int) -> date:
    """The IST calendar date of an instant."""
    return date.fromordinal(_EPOCH_ORDINAL + (at_ns + _IST_OFFSET_NS) // NS_PER_DAY)


def ist_time_ns(at_ns: int) -> int:
    """Nanoseconds since IST midnight."""
    return (at_ns + _IST_OFFSET_NS) % NS_PER_DAY


def at_ist(day: date, clock: time) -> int:
    """The instant of an IST wall-clock time on a day."""
    midnight = (day.toordinal() - _EPOCH_ORDINAL) * NS_PER_DAY - _IST_OFFSET_NS
    since = (clock.hour * 3600 + clock.minute * 60 + clock.second) * NS_PER_S + clock.microsecond * 1000
    return midnight + since


def clock_text(at_ns: int, *, decimals: int = 0) -> str:
    """`10:42:07` or, with decimals, `10:42:07.318` (IST)."""
    since = ist_time_ns(at_ns)
    s, rest = divmod(since, NS_PER_S)
    text = f"{s // 3600:02d}:{s // 60 % 60:02d}:{s % 60:02d}"
    if decimals:
        text += f".{rest // 10 ** (9 - decimals):0{decimals}d}"
    return text


def iso_utc(at_ns: int) -> str:
    """ISO 8601 in UTC with offset, microseconds: the form that is stored and logged (OPS-30)."""
    s, rest = divmod(at_ns, NS_PER_S)
    stamp = datetime.fromtimestamp(s, UTC).replace(microsecond=rest // 1000)
    return stamp.isoformat(timespec="microseconds")


def ns_from_datetime(stamp: datetime) -> int:
    """An aware datetime as an instant. Raises ValueError when it has no offset."""
    if stamp.tzinfo is None:
        raise ValueError(f"{stamp.isoformat()} has no time zone")
    delta = stamp - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * NS_PER_S + delta.microseconds * 1000
