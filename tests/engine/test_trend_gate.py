"""The trend gate: each condition closes it with its own reason (LEG-59)."""

from __future__ import annotations

from datetime import date, time, timedelta

import pytest

from engine.bars import Bar
from engine.instant import NS_PER_S, at_ist
from engine.trend_gate import GateVerdict, TrendGate, TrendSettings

FIRST_DAY = date(2026, 11, 2)
FIVE_MINUTES = 300 * NS_PER_S
OPEN = GateVerdict(True)


def bar(day: date, number: int, close: int, *, high: int | None = None, low: int | None = None) -> Bar:
    """The `number`th five-minute bar of a day; by default 3 points high and 3 points low around its close."""
    return Bar(
        start_ns=at_ist(day, time(9, 15)) + number * FIVE_MINUTES,
        open_paise=close,
        high_paise=close + 300 if high is None else high,
        low_paise=close - 300 if low is None else low,
        close_paise=close,
    )


def gate_after(days: int, *, step: int = 100, spread: int = 300, **changes: int) -> tuple[TrendGate, int]:
    """A gate fed with whole days of 30 bars, each close `step` above the one before; and the last close."""
    gate, close = TrendGate(TrendSettings(**changes)), 1_000_000
    for n in range(days):
        for number in range(30):
            close += step
            gate.add(bar(FIRST_DAY + timedelta(days=n), number, close, high=close + spread, low=close - spread))
    return gate, close


TODAY = FIRST_DAY + timedelta(days=5)


@pytest.mark.row("LEG-59")
def test_a_rising_market_opens_the_gate_after_five_days() -> None:
    gate, close = gate_after(5)

    assert gate.verdict(TODAY) == OPEN
    assert gate.verdict(TODAY, bar(TODAY, 0, close + 100)) == OPEN


@pytest.mark.row("LEG-59")
@pytest.mark.parametrize("days", [0, 1, 4])
def test_fewer_days_of_bars_keep_it_closed(days: int) -> None:
    gate, _ = gate_after(days)

    assert gate.verdict(TODAY) == GateVerdict(False, f"trend gate: warm-up, {days} of 5 days")


def test_the_day_that_asks_is_no_warm_up_day() -> None:
    gate, close = gate_after(4)
    today = FIRST_DAY + timedelta(days=4)
    for number in range(30):
        gate.add(bar(today, number, close := close + 100))

    assert gate.verdict(today).reason == "trend gate: warm-up, 4 of 5 days"
    assert gate.verdict(today + timedelta(days=1)) == OPEN


@pytest.mark.row("LEG-59")
def test_a_fast_average_not_above_the_slow_one_closes_it_with_the_numbers() -> None:
    gate, _ = gate_after(5, step=-100)

    verdict = gate.verdict(TODAY)

    assert not verdict.is_open
    assert verdict.reason.startswith("trend gate: EMA5 98")
    assert "not above EMA20 98" in verdict.reason


def test_equal_averages_are_not_above() -> None:
    gate, _ = gate_after(5, step=0)

    assert gate.verdict(TODAY).reason == "trend gate: EMA5 10000.00 not above EMA20 10000.00"


@pytest.mark.row("LEG-59")
@pytest.mark.parametrize(("minimum", "is_open"), [(200, True), (201, False)])
def test_the_average_range_must_reach_its_least(minimum: int, is_open: bool) -> None:
    """Every true range is exactly 2.00 points: equal is enough."""
    gate, _ = gate_after(5, step=10, spread=100, atr_min_paise=minimum)

    verdict = gate.verdict(TODAY)

    assert verdict.is_open is is_open
    assert verdict.reason == ("" if is_open else "trend gate: ATR14 2.00 below 2.01")


@pytest.mark.row("LEG-59")
@pytest.mark.parametrize(("above", "is_open"), [(1, True), (0, False), (-1, False)])
def test_the_last_high_must_be_above_the_one_before(above: int, is_open: bool) -> None:
    gate, close = gate_after(5)
    high = close + 300

    verdict = gate.verdict(TODAY, bar(TODAY, 0, close + 100, high=high + above))

    assert verdict.is_open is is_open
    if not is_open:
        assert verdict.reason == f"trend gate: high {(high + above) / 100:.2f} not above {high / 100:.2f}"


def test_asking_with_a_forming_bar_changes_nothing() -> None:
    gate, close = gate_after(5)
    crash = bar(TODAY, 0, close // 2)

    assert not gate.verdict(TODAY, crash).is_open
    assert gate.verdict(TODAY) == OPEN


def test_asking_with_a_forming_bar_equals_asking_after_it() -> None:
    asked, close = gate_after(5)
    fed, _ = gate_after(5)
    for number, moved in enumerate((50, 500, -900, -50, 1200)):
        last = bar(TODAY, number, close + moved)

        before = asked.verdict(TODAY, last)
        asked.add(last)
        fed.add(last)

        assert before == fed.verdict(TODAY)


def test_a_doubled_or_old_bar_is_dropped() -> None:
    gate, close = gate_after(5)
    before = gate.verdict(TODAY)

    for _ in range(40):
        gate.add(bar(FIRST_DAY + timedelta(days=4), 29, close // 2))
        gate.add(bar(FIRST_DAY, 0, close // 2))

    assert gate.verdict(TODAY) == before == OPEN
    assert gate.verdict(TODAY, bar(FIRST_DAY, 0, close // 2)) == OPEN


def test_without_warm_up_days_the_averages_still_need_their_bars() -> None:
    gate = TrendGate(TrendSettings(warmup_days=0))
    assert gate.verdict(FIRST_DAY).reason == "trend gate: too few bars"

    for number in range(19):
        gate.add(bar(FIRST_DAY, number, 10_000 + 100 * number))
    assert gate.verdict(FIRST_DAY).reason == "trend gate: too few bars"
    assert gate.verdict(FIRST_DAY, bar(FIRST_DAY, 19, 12_000)) == OPEN
