"""`time_exit`: to the second, on the position's day, in the seed's words."""

from __future__ import annotations

from datetime import date, time
from typing import Any

import pytest

from engine.exit_rules.rule import NOTHING
from engine.exit_rules.time_exit import TimeExit
from engine.instant import NS_PER_S, at_ist

Open = Any
DAY = date(2026, 11, 23)
TEN = at_ist(DAY, time(10, 0))
DUE = at_ist(DAY, time(15, 20))


@pytest.mark.row("OPT-67", "RTP-41")
def test_it_leaves_at_the_second_and_not_before(open_position: Open) -> None:
    position = open_position(TimeExit(), opened_ns=TEN, now_ns=DUE - 1)
    assert position.ask() == NOTHING

    position.now_ns = DUE

    assert position.ask().leave == "time-based exit (3:20 PM)"
    assert TimeExit().wake_ns(position.facts, position.memory) == DUE


@pytest.mark.row("OPT-67")
def test_a_position_found_after_the_time_is_left_at_once(open_position: Open) -> None:
    late = at_ist(DAY, time(15, 22))

    assert open_position(TimeExit(), opened_ns=late, now_ns=late).ask().leave


def test_a_position_that_was_missed_yesterday_is_left_at_once(open_position: Open) -> None:
    tomorrow = at_ist(date(2026, 11, 24), time(9, 15))

    assert open_position(TimeExit(), opened_ns=TEN, now_ns=tomorrow).ask().leave


@pytest.mark.row("OPT-67")
@pytest.mark.parametrize(
    ("at", "reason"),
    [
        ((15, 10, 0), "time-based exit (3:10 PM)"),
        ((9, 5, 0), "time-based exit (9:05 AM)"),
        ((12, 0, 0), "time-based exit (12:00 PM)"),
        ((0, 30, 0), "time-based exit (12:30 AM)"),
        ((15, 19, 30), "time-based exit (3:19:30 PM)"),
    ],
)
def test_the_reason_names_the_configured_time(at: tuple[int, int, int], reason: str) -> None:
    hour, minute, second = at

    assert TimeExit(at_s=hour * 3600 + minute * 60 + second).reason == reason


def test_the_story_counts_down(open_position: Open) -> None:
    position = open_position(TimeExit(), opened_ns=TEN, now_ns=DUE - 3_661 * NS_PER_S)

    assert position.story().inputs == "leaves in 1:01:01"
    assert position.story().rule == "time_exit(15:20)"
