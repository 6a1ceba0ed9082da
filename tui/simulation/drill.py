"""Drills: short days made to hurt, for finding a bug in seconds instead of hours (design/simulation.md §5).

Three quarters of an hour with a hostile day's faults, keys every few seconds, price jumps, square-offs and crashes,
then a quarter of an hour in which everything must come to rest.
"""

from __future__ import annotations

from datetime import time as time_of_day
from typing import Final

from tui.simulation.day import DayPlan, Play
from tui.simulation.seed_terms import Profile

FAULTS_END: Final = time_of_day(9, 45)
UNTIL: Final = time_of_day(9, 58)


def drill(seed: int, play: Play = Play.LEGS) -> DayPlan:
    """The drill of a seed."""
    return DayPlan(seed=seed, play=play, profile=Profile.DRILL, faults_end=FAULTS_END, until=UNTIL, closes=True)
