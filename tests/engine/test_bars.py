"""Bars from ticks: counted from the open, ended by the clock, partial ones left out."""

from __future__ import annotations

from datetime import date, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.bars import DAILY, Bar, BarBuilder, parse_interval
from engine.instant import NS_PER_S, at_ist

DAY = date(2026, 11, 20)
MINUTE = 60 * NS_PER_S
OPEN, CLOSE = at_ist(DAY, time(9, 15)), at_ist(DAY, time(15, 40))


def bar(start_ns: int, *ohlc: int) -> Bar:
    opened, high, low, closed = ohlc
    return Bar(start_ns=start_ns, open_paise=opened, high_paise=high, low_paise=low, close_paise=closed)


def builder(interval_ns: int = 5 * MINUTE, since_ns: int = 0) -> BarBuilder:
    built = BarBuilder(interval_ns)
    built.begin_day(OPEN, CLOSE, since_ns)
    return built


def test_ticks_become_one_bar_that_the_next_bars_tick_ends() -> None:
    bars = builder()
    for second, paise in ((0, 100), (10, 140), (200, 90), (299, 120)):
        assert bars.add(OPEN + second * NS_PER_S, paise) is None

    assert bars.forming == bar(OPEN, 100, 140, 90, 120)
    assert bars.add(OPEN + 5 * MINUTE, 121) == bar(OPEN, 100, 140, 90, 120)
    assert bars.forming == bar(OPEN + 5 * MINUTE, 121, 121, 121, 121)


def test_a_bar_ends_by_the_clock_when_no_tick_comes() -> None:
    bars = builder()
    bars.add(OPEN + MINUTE, 100)

    assert bars.close_until(OPEN + 5 * MINUTE - 1) is None
    assert bars.close_until(OPEN + 5 * MINUTE) == bar(OPEN, 100, 100, 100, 100)
    assert bars.close_until(OPEN + 5 * MINUTE) is None
    assert bars.forming is None


def test_an_interval_without_a_tick_has_no_bar() -> None:
    bars = builder()
    bars.add(OPEN, 100)

    finished = bars.add(OPEN + 20 * MINUTE, 110)

    assert finished == bar(OPEN, 100, 100, 100, 100)
    assert bars.forming is not None
    assert bars.forming.start_ns == OPEN + 20 * MINUTE


def test_a_bar_not_seen_from_its_open_is_never_given_out() -> None:
    bars = builder(since_ns=OPEN + MINUTE)
    bars.add(OPEN + MINUTE, 100)

    assert bars.add(OPEN + 5 * MINUTE, 110) is None
    assert bars.add(OPEN + 10 * MINUTE, 120) == bar(OPEN + 5 * MINUTE, 110, 110, 110, 110)


def test_late_ticks_and_ticks_outside_the_day_are_dropped() -> None:
    bars = builder()
    bars.add(OPEN + 6 * MINUTE, 100)

    assert bars.add(OPEN + MINUTE, 999) is None
    assert bars.add(OPEN - 1, 999) is None
    assert bars.add(CLOSE, 999) is None
    assert bars.forming == bar(OPEN + 5 * MINUTE, 100, 100, 100, 100)


def test_a_price_of_a_bar_that_the_clock_has_ended_comes_too_late() -> None:
    bars = builder()
    bars.add(OPEN + MINUTE, 100)
    bars.close_until(OPEN + 5 * MINUTE)

    assert bars.add(OPEN + 2 * MINUTE, 50) is None
    assert bars.forming is None
    assert bars.add(OPEN + 5 * MINUTE, 110) is None
    assert bars.close_until(OPEN + 10 * MINUTE) == bar(OPEN + 5 * MINUTE, 110, 110, 110, 110)


def test_a_bar_that_passed_without_a_price_is_over_too() -> None:
    bars = builder()
    bars.close_until(OPEN + 7 * MINUTE)

    bars.add(OPEN + 4 * MINUTE, 50)
    assert bars.forming is None
    bars.add(OPEN + 6 * MINUTE, 100)
    assert bars.forming == bar(OPEN + 5 * MINUTE, 100, 100, 100, 100)


def test_the_forming_bar_says_when_it_ends() -> None:
    bars = builder(3600 * NS_PER_S)
    assert bars.forming_end_ns == 0
    bars.add(OPEN, 100)
    assert bars.forming_end_ns == OPEN + 60 * MINUTE
    bars.add(CLOSE - 1, 100)
    assert bars.forming_end_ns == CLOSE
    assert bars.end_of(OPEN - 60 * MINUTE) == OPEN


def test_the_days_last_bar_is_given_out_when_the_next_day_begins() -> None:
    bars = builder()
    bars.add(CLOSE - 1, 100)

    assert bars.begin_day(OPEN + 86_400 * NS_PER_S, CLOSE + 86_400 * NS_PER_S) == bar(
        CLOSE - 5 * MINUTE, 100, 100, 100, 100
    )


def test_the_last_bar_is_cut_by_the_close() -> None:
    bars = builder(3600 * NS_PER_S)
    bars.add(CLOSE - MINUTE, 100)

    assert bars.close_until(CLOSE - 1) is None
    assert bars.close_until(CLOSE) is not None


def test_a_daily_bar_runs_from_open_to_close() -> None:
    bars = builder(DAILY)
    bars.add(OPEN, 100)
    bars.add(CLOSE - 1, 130)

    assert bars.close_until(CLOSE - 1) is None
    assert bars.close_until(CLOSE) == bar(OPEN, 100, 130, 100, 130)


@given(st.lists(st.tuples(st.integers(0, 60_000), st.integers(1, 10**7)), min_size=1, max_size=60))
def test_bars_hold_every_price_of_their_time_and_nothing_else(steps: list[tuple[int, int]]) -> None:
    bars, at_ns = builder(MINUTE), OPEN
    ticks: dict[int, list[int]] = {}
    finished: list[Bar] = []
    for ms, paise in steps:
        at_ns = min(at_ns + ms * 1_000_000, CLOSE - 1)
        ticks.setdefault(at_ns - (at_ns - OPEN) % MINUTE, []).append(paise)
        finished += [ended] if (ended := bars.add(at_ns, paise)) else []
    finished += [ended] if (ended := bars.close_until(CLOSE)) else []

    assert finished == [
        bar(start, prices[0], max(prices), min(prices), prices[-1]) for start, prices in sorted(ticks.items())
    ]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10s", 10), ("30s", 30), ("1m", 60), ("5m", 300), ("15m", 900), ("1h", 3600), ("24h", 86_400)],
)
def test_intervals_are_read(text: str, seconds: int) -> None:
    assert parse_interval(text) == seconds * NS_PER_S


def test_d_is_the_day() -> None:
    assert parse_interval("D") == DAILY


@pytest.mark.parametrize(
    "text", ["", "5", "m", "0m", "05m", "5M", "-5m", "9s", "25h", "5 m", "d", "1d", "99999m", "५m"]
)
def test_other_intervals_are_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(ValueError, match="a bar length from 10s to 24h"):
        parse_interval(text)
