"""Instants are UTC nanoseconds; days and clocks are read in IST, whatever the host's zone."""

from __future__ import annotations

import time as host_time
from datetime import UTC, date, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.instant import (
    IST,
    NS_PER_DAY,
    NS_PER_S,
    at_ist,
    clock_text,
    iso_utc,
    ist_date,
    ist_time_ns,
    ns_from_datetime,
    ns_from_s,
)

INSTANTS = st.integers(0, 4_000_000_000 * NS_PER_S)
DAY = date(2026, 11, 25)


@given(INSTANTS)
def test_an_instant_is_its_ist_day_plus_its_time_of_day(at_ns: int) -> None:
    midnight = at_ist(ist_date(at_ns), time())

    assert at_ns == midnight + ist_time_ns(at_ns)
    assert 0 <= ist_time_ns(at_ns) < NS_PER_DAY


@given(INSTANTS)
def test_the_fixed_offset_agrees_with_the_time_zone_database(at_ns: int) -> None:
    stamp = datetime.fromtimestamp(at_ns // NS_PER_S, ZoneInfo("Asia/Kolkata"))

    assert stamp.date() == ist_date(at_ns)
    assert f"{stamp:%H:%M:%S}" == clock_text(at_ns)


@given(st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1)), st.integers(-14, 14))  # noqa: DTZ001 - zone is added
@pytest.mark.fault("TIM-04")
def test_an_aware_datetime_is_one_instant_in_every_zone(stamp: datetime, hours: int) -> None:
    there = stamp.replace(tzinfo=UTC).astimezone(timezone(timedelta(hours=hours)))
    at_ns = ns_from_datetime(there)

    assert datetime.fromisoformat(iso_utc(at_ns)) == there
    assert at_ns % 1000 == 0


def test_a_datetime_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        ns_from_datetime(datetime(2026, 11, 25, 9, 15))  # noqa: DTZ001 - that is the point


@pytest.mark.row("OPS-30")
@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kolkata", "Pacific/Auckland"])
@pytest.mark.fault("TIM-04")
def test_the_host_zone_changes_nothing(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", zone)
    host_time.tzset()
    opening = at_ist(DAY, time(9, 15))

    try:
        assert opening == 1_795_578_300 * NS_PER_S
        assert clock_text(opening) == "09:15:00"
        assert iso_utc(opening) == "2026-11-25T03:45:00.000000+00:00"
        assert DAY == ist_date(at_ist(DAY, time(0, 0, 0))) == ist_date(at_ist(DAY, time(23, 59, 59, 999_999)))
    finally:
        monkeypatch.undo()
        host_time.tzset()


def test_a_clock_shows_decimals_without_rounding_up() -> None:
    late = at_ist(DAY, time(10, 42, 7)) + 999_999_999

    assert [clock_text(late, decimals=n) for n in (0, 1, 3)] == ["10:42:07", "10:42:07.9", "10:42:07.999"]


@pytest.mark.fault("TIM-10")
@pytest.mark.invariant("A6")
def test_spans_from_config_become_whole_nanoseconds() -> None:
    assert [ns_from_s(s) for s in (4.5, 0.3, 0)] == [4_500_000_000, 300_000_000, 0]
    assert IST.tzname(None) == "IST"
