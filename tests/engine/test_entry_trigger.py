"""The entry trigger: bars counted by the clock, one entry per Nth bar, never late, never twice (LEG-58, LEG-60)."""

from __future__ import annotations

from datetime import date, time
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.bars import DAILY, parse_interval
from engine.entry_trigger import (
    IN_POSITION,
    BarCounted,
    BarsMissed,
    EntryDue,
    EntryTrigger,
    SignalDropped,
    SignalQueued,
    TriggerHours,
    TriggerResult,
    TriggerSettings,
    TriggerState,
    hours_on,
)
from engine.instant import NS_PER_MS, NS_PER_S, at_ist, clock_text

DAY, NEXT_DAY, THIRD_DAY = date(2026, 11, 20), date(2026, 11, 23), date(2026, 11, 25)
FOLLOWING = {DAY: NEXT_DAY, NEXT_DAY: THIRD_DAY, THIRD_DAY: date(2026, 11, 26)}


def at(text: str, day: date = DAY) -> int:
    return at_ist(day, time.fromisoformat(text))


def settings(interval: str = "5m", n: int = 1, **changes: Any) -> TriggerSettings:
    return TriggerSettings(interval_ns=parse_interval(interval), every_n_bars=n, **changes)


def hours(of: TriggerSettings, day: date = DAY) -> TriggerHours:
    following = FOLLOWING[day]
    return hours_on(of, day, at("09:15", day), at("15:40", day), following, at("09:15", following))


def started(of: TriggerSettings, since: str, state: TriggerState | None = None) -> EntryTrigger:
    trigger = EntryTrigger(of, state)
    trigger.begin_day(hours(of), at(since))
    return trigger


def run(trigger: EntryTrigger, until_ns: int, *, in_position: bool = False) -> list[tuple[str, TriggerResult]]:
    """Wake up exactly when asked to, until an instant; each result with its clock time."""
    log: list[tuple[str, TriggerResult]] = []
    while (wake_ns := trigger.next_wake_ns()) is not None and wake_ns <= until_ns:
        log += [(clock_text(wake_ns), result) for result in trigger.on_time(wake_ns, in_position=in_position)]
        following = trigger.next_wake_ns()
        assert following is None or following > wake_ns, "a wake-up that leads nowhere would spin"
    return log


def times_of(log: list[tuple[str, TriggerResult]], kind: type[Any]) -> list[str]:
    return [clock for clock, result in log if isinstance(result, kind)]


@pytest.mark.row("LEG-58", "BUG-22")
def test_three_bars_of_five_minutes_from_0920_enter_at_093501() -> None:
    log = run(started(settings(n=3), "09:20:00"), at("09:36:00"))

    assert [(clock, type(result)) for clock, result in log] == [
        ("09:24:55", BarCounted),
        ("09:29:55", BarCounted),
        ("09:34:55", BarCounted),
        ("09:34:55", SignalQueued),
        ("09:35:01", EntryDue),
    ]
    assert log[3][1] == SignalQueued(at("09:35:01"))
    assert log[4][1] == EntryDue(at("09:35:01"))


@pytest.mark.row("LEG-58")
def test_the_last_bar_before_square_off_queues_nothing() -> None:
    log = run(started(settings(), "15:10:00"), at("16:00:00"))

    assert log == [
        ("15:14:55", BarCounted(at("15:15:00"), 1)),
        ("15:14:55", SignalDropped("next open 15:15:01 is not before the square-off 15:15:00")),
    ]


@pytest.mark.row("LEG-58")
def test_a_whole_day_of_single_bars_counts_71_and_enters_70_times() -> None:
    """From 09:20 to 15:15 there are 71 bars of five minutes; the last has no next open."""
    log = run(started(settings(), "09:00:00"), at("16:00:00"))

    assert len(times_of(log, BarCounted)) == 71
    entries = times_of(log, EntryDue)
    assert len(entries) == 70
    assert (entries[0], entries[-1]) == ("09:25:01", "15:10:01")
    assert len(times_of(log, SignalDropped)) == 1


@pytest.mark.row("LEG-58", "BUG-22")
@pytest.mark.parametrize(
    ("interval", "since", "first"),
    [
        ("5m", "09:20:00", "09:24:55"),
        ("5m", "09:20:01", "09:29:55"),  # the bar of 09:20 is not seen from its open
        ("5m", "11:02:30", "11:09:55"),
        ("5m", "09:00:00", "09:24:55"),  # the bar of 09:15 closes before the session
        ("1m", "10:00:30", "10:01:55"),
        ("15m", "09:00:00", "09:29:55"),  # opens before the session, closes inside it
        ("15m", "09:20:00", "09:44:55"),
        ("1h", "09:00:00", "10:14:55"),
        ("1h", "09:20:00", "11:14:55"),
        ("30s", "10:00:00", "10:00:25"),
        ("10s", "10:00:00", "10:00:05"),
    ],
)
def test_the_first_counted_bar_was_watched_from_its_open(interval: str, since: str, first: str) -> None:
    trigger = started(settings(interval), since)

    assert trigger.next_wake_ns() == at(first)
    assert trigger.on_time(at(first) - 1, in_position=False) == []
    assert isinstance(trigger.on_time(at(first), in_position=False)[0], BarCounted)


@pytest.mark.row("LEG-58")
def test_a_signal_in_position_is_dropped_but_the_bar_counts() -> None:
    trigger = started(settings(n=2), "09:20:00")

    log = run(trigger, at("09:31:00"), in_position=True)

    assert [result for _, result in log] == [
        BarCounted(at("09:25"), 1),
        BarCounted(at("09:30"), 2),
        SignalDropped(IN_POSITION),
    ]
    assert times_of(run(trigger, at("09:41:00")), EntryDue) == ["09:40:01"]


@pytest.mark.row("LEG-58", "LEG-60")
def test_a_position_taken_between_signal_and_open_drops_the_entry() -> None:
    trigger = started(settings(), "09:20:00")
    trigger.on_time(at("09:24:55"), in_position=False)

    assert trigger.on_time(at("09:25:01"), in_position=True) == [SignalDropped(IN_POSITION)]
    assert not trigger.has_pending


@pytest.mark.row("LEG-59")
def test_a_closed_gate_gives_no_signal_and_says_why() -> None:
    trigger = started(settings(), "09:20:00")

    results = trigger.on_time(at("09:24:55"), in_position=False, gate_ok=False, gate_reason="EMA5 not above EMA20")

    assert results == [BarCounted(at("09:25"), 1), SignalDropped("EMA5 not above EMA20")]
    assert not trigger.has_pending


# --- late and repeated wake-ups --------------------------------------------------


@pytest.mark.row("LEG-58")
@pytest.mark.parametrize(
    ("ignore_delta", "late_ms", "fires"),
    [
        (False, 0, True),
        (False, 10_000, True),
        (False, 10_001, False),
        (True, 10_001, True),
        (True, 293_999, True),  # 09:29:54.999, still in the bar it was meant for
        (True, 294_000, False),
    ],
)
def test_a_late_entry_goes_within_ten_seconds_or_while_its_bar_runs(
    ignore_delta: bool, late_ms: int, fires: bool
) -> None:
    trigger = started(settings(ignore_entry_delta=ignore_delta), "09:20:00")
    trigger.on_time(at("09:24:55"), in_position=False)

    results = trigger.on_time(at("09:25:01") + late_ms * NS_PER_MS, in_position=False)

    assert (EntryDue(at("09:25:01")) in results) is fires
    if not fires:
        assert results[0] == SignalDropped(f"entry of 09:25:01 expired, {late_ms} ms late")


@pytest.mark.row("LEG-58")
def test_an_early_wake_up_does_nothing() -> None:
    trigger = started(settings(), "09:20:00")
    trigger.on_time(at("09:24:55"), in_position=False)

    assert trigger.on_time(at("09:25:01") - 1, in_position=False) == []
    assert trigger.has_pending


@pytest.mark.row("LEG-58", "LEG-60")
def test_an_entry_is_due_once_however_often_time_is_told() -> None:
    trigger = started(settings(), "09:20:00")
    trigger.on_time(at("09:24:55"), in_position=False)

    assert trigger.on_time(at("09:24:55"), in_position=False) == []
    assert trigger.on_time(at("09:25:01"), in_position=False) == [EntryDue(at("09:25:01"))]
    assert not trigger.has_pending
    assert trigger.on_time(at("09:25:01"), in_position=False) == []
    assert trigger.on_time(at("09:25:02"), in_position=False) == []


@pytest.mark.row("LEG-60")
def test_a_signal_can_be_given_up_and_then_never_fires() -> None:
    trigger = started(settings(), "09:20:00")
    trigger.on_time(at("09:24:55"), in_position=False)

    assert trigger.clear_pending("paused") == [SignalDropped("paused")]
    assert trigger.clear_pending("paused") == []
    assert trigger.on_time(at("09:25:01"), in_position=False) == []


@pytest.mark.fault("TIM-02")
@pytest.mark.invariant("T1")
def test_a_machine_that_slept_counts_no_bar_it_did_not_see() -> None:
    trigger = started(settings(n=3), "09:20:00")
    run(trigger, at("09:25:00"))

    woken = trigger.on_time(at("10:02:00"), in_position=False)

    # 09:30, 09:35 ... 10:00 closed unseen, and the bar that runs at 10:02 was not seen from its open.
    assert woken == [BarsMissed(7)]
    assert trigger.next_wake_ns() == at("10:09:55")
    assert trigger.on_time(at("10:09:55"), in_position=False) == [BarCounted(at("10:10"), 2)]


def test_a_close_noticed_seconds_late_still_counts_and_enters_at_once() -> None:
    trigger = started(settings(), "09:20:00")

    results = trigger.on_time(at("09:25:04"), in_position=False)

    assert results == [BarCounted(at("09:25"), 1), SignalQueued(at("09:25:01")), EntryDue(at("09:25:01"))]


# --- restart and days -------------------------------------------------------------------------------------------------


def restarted(trigger: EntryTrigger, of: TriggerSettings, since_ns: int, day: date = DAY) -> EntryTrigger:
    """Through bytes, as the journal keeps it."""
    state = msgspec.json.decode(msgspec.json.encode(trigger.state), type=TriggerState)
    again = EntryTrigger(of, state)
    again.begin_day(hours(of, day), since_ns)
    return again


@pytest.mark.row("LEG-58", "LEG-60")
def test_a_restart_keeps_the_count_and_a_valid_signal() -> None:
    of = settings(n=2)
    trigger = started(of, "09:20:00")
    run(trigger, at("09:29:55"))

    again = restarted(trigger, of, at("09:29:58"))

    assert again.state.bars_counted == 2
    assert run(again, at("09:35:30")) == [
        ("09:30:01", EntryDue(at("09:30:01"))),
        ("09:34:55", BarCounted(at("09:35"), 3)),  # seen from its open
    ]


@pytest.mark.row("LEG-60")
def test_a_restart_after_the_window_drops_the_signal() -> None:
    of = settings(ignore_entry_delta=False)
    trigger = started(of, "09:20:00")
    run(trigger, at("09:24:55"))
    state = trigger.state

    again = EntryTrigger(of, state)

    assert again.begin_day(hours(of), at("09:25:30")) == [SignalDropped("entry of 09:25:01 expired, 29000 ms late")]
    assert not again.has_pending


def test_a_restart_does_not_count_a_bar_twice() -> None:
    of = settings()
    trigger = started(of, "09:20:00")
    run(trigger, at("09:24:56"))

    again = restarted(trigger, of, at("09:24:57"))
    log = run(again, at("09:30:00"))

    assert [result for _, result in log] == [
        EntryDue(at("09:25:01")),
        BarCounted(at("09:30"), 2),
        SignalQueued(at("09:30:01")),
    ]


def test_the_count_begins_anew_each_day() -> None:
    of = settings(n=3)
    trigger = started(of, "09:20:00")
    run(trigger, at("09:31:00"))
    assert trigger.state.bars_counted == 2

    trigger.begin_day(hours(of, NEXT_DAY), at("09:00", NEXT_DAY))

    log = run(trigger, at("09:36", NEXT_DAY))
    assert times_of(log, EntryDue) == ["09:35:01"]


def test_before_a_day_is_begun_nothing_happens() -> None:
    trigger = EntryTrigger(settings(), TriggerState(pending_planned_ns=at("09:25:01"), pending_until_ns=at("09:29")))

    assert trigger.next_wake_ns() is None
    assert trigger.on_time(at("09:25:01"), in_position=False) == []


@pytest.mark.row("LEG-58")
def test_the_exchanges_hours_bound_the_configured_session() -> None:
    of = settings()
    muhurat = hours_on(of, DAY, at("13:45"), at("14:45"))
    trigger = EntryTrigger(of)
    trigger.begin_day(muhurat, at("09:00"))

    log = run(trigger, at("16:00"))

    assert times_of(log, BarCounted)[0] == "13:49:55"
    assert times_of(log, EntryDue)[-1] == "14:40:01"
    assert log[-1][1] == SignalDropped("next open 14:45:01 is not before the session's end 14:45:00")


def test_a_session_outside_the_exchanges_hours_has_no_bars() -> None:
    of = settings()
    trigger = EntryTrigger(of)
    trigger.begin_day(hours_on(of, DAY, at("18:00"), at("19:00")), at("09:00"))

    assert trigger.next_wake_ns() is None
    assert trigger.on_time(at("18:30"), in_position=False) == []


def test_without_square_off_the_sessions_end_bounds_entries() -> None:
    of = settings(square_off=None)

    log = run(started(of, "15:05:00"), at("16:00:00"))

    assert times_of(log, EntryDue) == ["15:10:01"]
    assert log[-1][1] == SignalDropped("next open 15:15:01 is not before the session's end 15:15:00")


# --- the daily interval -----------------------------------------------------------------------------------------------


@pytest.mark.row("LEG-58")
def test_the_daily_interval_has_one_close_and_one_open_a_day() -> None:
    of = settings("D")
    trigger = started(of, "09:00:00")

    first_day = run(trigger, at("23:59:59"))
    trigger.begin_day(hours(of, NEXT_DAY), at("09:00", NEXT_DAY))
    second_day = run(trigger, at("23:59", NEXT_DAY))

    assert first_day == [
        ("15:14:55", BarCounted(at("15:15"), 1)),
        ("15:14:55", SignalQueued(at("09:20:01", NEXT_DAY))),
    ]
    assert [(clock, type(result)) for clock, result in second_day] == [
        ("09:20:01", EntryDue),
        ("15:14:55", BarCounted),
        ("15:14:55", SignalQueued),
    ]


def test_daily_counts_go_on_over_days_and_restarts() -> None:
    of = settings("D", n=2)
    trigger = started(of, "13:00:00")  # a late start does not lose the day
    assert [result for _, result in run(trigger, at("16:00"))] == [BarCounted(at("15:15"), 1)]

    again = restarted(trigger, of, at("11:00", NEXT_DAY), NEXT_DAY)

    assert [type(result) for _, result in run(again, at("16:00", NEXT_DAY))] == [BarCounted, SignalQueued]
    assert again.state.bars_counted == 2


def test_a_restart_in_the_evening_keeps_tomorrows_entry() -> None:
    of = settings("D")
    trigger = started(of, "09:00:00")
    run(trigger, at("16:00"))

    again = restarted(trigger, of, at("20:00"))
    again.begin_day(hours(of, NEXT_DAY), at("08:55", NEXT_DAY))

    assert again.on_time(at("09:20:01", NEXT_DAY), in_position=False) == [EntryDue(at("09:20:01", NEXT_DAY))]


def test_a_daily_entry_of_a_skipped_day_expires() -> None:
    of = settings("D")
    trigger = started(of, "09:00:00")
    run(trigger, at("16:00"))

    results = trigger.begin_day(hours(of, THIRD_DAY), at("09:00", THIRD_DAY))

    assert [type(result) for result in results] == [SignalDropped]
    assert not trigger.has_pending


def test_a_daily_entry_does_not_fire_into_a_day_nobody_began() -> None:
    trigger = started(settings("D"), "09:00:00")
    run(trigger, at("16:00"))

    results = trigger.on_time(at("09:20:01", NEXT_DAY), in_position=False)

    assert results == [SignalDropped("entry of 09:20:01: its trading day was not begun")]


def test_a_daily_entry_waits_for_a_session_that_starts_later() -> None:
    of = settings("D", ignore_entry_delta=False)
    trigger = started(of, "09:00:00")
    run(trigger, at("16:00"))

    trigger.begin_day(hours_on(of, NEXT_DAY, at("13:45", NEXT_DAY), at("14:45", NEXT_DAY)), at("09:00", NEXT_DAY))

    assert trigger.on_time(at("09:20:01", NEXT_DAY), in_position=False) == []
    assert trigger.next_wake_ns() == at("13:45:01", NEXT_DAY)
    assert trigger.on_time(at("13:45:11", NEXT_DAY), in_position=False) == [EntryDue(at("13:45:01", NEXT_DAY))]


def test_a_daily_entry_that_the_next_session_cannot_hold_is_dropped() -> None:
    of = settings("D")
    trigger = started(of, "09:00:00")
    run(trigger, at("16:00"))

    evening = hours_on(of, NEXT_DAY, at("18:00", NEXT_DAY), at("19:00", NEXT_DAY))

    assert trigger.begin_day(evening, at("09:00", NEXT_DAY)) == [
        SignalDropped("entry of 18:00:01 does not fit into today's session")
    ]


def test_without_a_known_next_day_the_daily_close_queues_nothing() -> None:
    of = settings("D")
    trigger = EntryTrigger(of)
    trigger.begin_day(hours_on(of, DAY, at("09:15"), at("15:40")), at("09:00"))

    assert run(trigger, at("16:00"))[-1][1] == SignalDropped("the next trading day is not known")


# --- settings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"interval_ns": 5 * NS_PER_S}, "interval of 5 s: at least 10 s, or D"),
        ({"every_n_bars": 0}, "trade_every_n_bars 0: at least 1"),
        ({"session_start": time(15, 15)}, "session_start 15:15:00: must be before session_end 15:15:00"),
    ],
)
def test_settings_that_cannot_work_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        TriggerSettings(**{"interval_ns": DAILY, **changes})

    assert str(caught.value) == message


# --- for all schedules ------------------------------------------------------------------------------------------------


@pytest.mark.row("LEG-58", "LEG-60")
@given(
    interval=st.sampled_from(["10s", "1m", "5m", "15m", "1h"]),
    n=st.integers(1, 4),
    ignore_delta=st.booleans(),
    since=st.integers(0, 6 * 3600),
    steps=st.lists(
        st.tuples(st.integers(0, 900 * 1000), st.booleans(), st.sampled_from(["wake", "jump", "restart"])),
        max_size=40,
    ),
)
@pytest.mark.fault("TIM-03")
def test_no_schedule_of_wake_ups_fires_late_or_twice(
    interval: str, n: int, ignore_delta: bool, since: int, steps: list[tuple[int, bool, str]]
) -> None:
    of = settings(interval, n, ignore_entry_delta=ignore_delta)
    now_ns = at("09:10") + since * NS_PER_S
    trigger = EntryTrigger(of)
    trigger.begin_day(hours(of), now_ns)
    entered: list[int] = []
    counted: list[int] = []
    for ms, in_position, how in steps:
        if how == "wake":
            now_ns = max(now_ns, trigger.next_wake_ns() or now_ns)
        else:
            now_ns += ms * NS_PER_MS
        if how == "restart":
            trigger = restarted(trigger, of, now_ns)
        for result in trigger.on_time(now_ns, in_position=in_position):
            if isinstance(result, EntryDue):
                assert not in_position
                assert at("09:20") <= result.planned_ns <= now_ns < at("15:15")
                limit_ns = of.interval_ns if ignore_delta else 10 * NS_PER_S
                assert now_ns - result.planned_ns <= limit_ns
                entered.append(result.planned_ns)
            elif isinstance(result, BarCounted):
                counted.append(result.boundary_ns)
        following = trigger.next_wake_ns()
        assert following is None or following > now_ns

    assert entered == sorted(set(entered))
    assert counted == sorted(set(counted))
    assert len(entered) <= len(counted) // n
