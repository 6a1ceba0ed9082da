"""Drills: short days made to hurt, for finding a bug in seconds instead of hours (design/simulation.md §5).

Three quarters of an hour with a hostile day's faults, keys every few seconds, price jumps, square-offs and crashes,
then a quarter of an hour in which everything must come to rest. A themed drill does one thing to the desk again and
again: a bug in the answer to one fault seldom shows where all of them strike a little.
"""

from __future__ import annotations

from datetime import time as time_of_day
from random import Random
from typing import Final

from brokers.paper.faults.catalogue import KNOBS
from tui.simulation.day import DayPlan, Play
from tui.simulation.faults import FaultChoice
from tui.simulation.seed_terms import Profile

FAULTS_END: Final = time_of_day(9, 45)
UNTIL: Final = time_of_day(9, 58)


FIRST_THEMED: Final = 10_001
"""From this seed on a drill has a theme: one fault after the other of the catalogue strikes all the time."""
THEMES: Final = tuple(knob.knob for knob in KNOBS.values() if knob.ceiling_bps or knob.per_day)


def drill(seed: int, play: Play = Play.LEGS) -> DayPlan:
    """The drill of a seed; each goes with every play."""
    return DayPlan(
        seed=seed,
        play=play,
        profile=Profile.DRILL,
        faults=FaultChoice(emphasis=theme_of(seed)),
        faults_end=FAULTS_END,
        until=UNTIL,
        closes=True,
    )


def theme_of(seed: int) -> tuple[str, ...]:
    """Empty below FIRST_THEMED; then one knob in the order of the catalogue, and in every other round a second one."""
    if seed < FIRST_THEMED:
        return ()
    rounds, place = divmod(seed - FIRST_THEMED, len(THEMES))
    second = (Random(f"{seed}/theme").choice(THEMES),) if rounds else ()
    return (THEMES[place], *second)
