"""Drills: short days made to hurt, for finding a bug in seconds instead of hours (design/simulation.md §5).

Three quarters of an hour with a hostile day's faults, keys every few seconds, price jumps, square-offs and crashes,
then a quarter of an hour in which everything must come to rest. A themed drill does one thing to the desk again and
again: a bug in the answer to one fault seldom shows where all of them strike a little. A lone drill does nothing else:
in a quiet market, with wide exits and nobody at the keys but to enter, so that a position lives for minutes and what
the desk fails to do has no other excuse.
"""

from __future__ import annotations

from datetime import time as time_of_day
from random import Random
from typing import Final

from msgspec.structs import replace

from brokers.paper.demo_market import DEMO_DAY
from brokers.paper.faults.catalogue import KNOBS
from brokers.paper.index_path import PathModel
from engine.instant import NS_PER_S, at_ist
from tui.simulation.day import DayPlan, Play
from tui.simulation.faults import FaultChoice
from tui.simulation.seed_terms import Key, Press, Profile, SeedTerms, seed_terms

OPENS: Final = time_of_day(9, 15)
FAULTS_END: Final = time_of_day(9, 45)
UNTIL: Final = time_of_day(9, 58)


FIRST_THEMED: Final = 10_001
"""From this seed on a drill has a theme: one fault after the other of the catalogue strikes all the time."""
THEMES: Final = tuple(knob.knob for knob in KNOBS.values() if knob.ceiling_bps or knob.per_day)


FIRST_LONE: Final = 20_001
"""From this seed on a drill has its theme and nothing else."""
_ENTER_EVERY_NS: Final = 75 * NS_PER_S


def drill(seed: int, play: Play = Play.LEGS) -> DayPlan:
    """The drill of a seed; each goes with every play."""
    if seed >= FIRST_LONE:
        return _lone_drill(seed, play)
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
    """Empty below FIRST_THEMED; then one knob in the order of the catalogue, and in later rounds a second one."""
    if seed < FIRST_THEMED:
        return ()
    rounds, place = divmod(seed - (FIRST_LONE if seed >= FIRST_LONE else FIRST_THEMED), len(THEMES))
    second = (Random(f"{seed}/theme").choice(THEMES),) if rounds else ()
    return (THEMES[place], *second)


def _lone_drill(seed: int, play: Play) -> DayPlan:
    theme = theme_of(seed)
    return DayPlan(
        seed=seed,
        play=play,
        profile=Profile.DRILL,
        terms=_lone_terms(seed),
        crashes=(),
        faults=FaultChoice(only=theme, emphasis=theme),
        faults_end=FAULTS_END,
        until=UNTIL,
        closes=True,
    )


def _lone_terms(seed: int) -> SeedTerms:
    open_ns, quiet_ns = at_ist(DEMO_DAY, OPENS), at_ist(DEMO_DAY, FAULTS_END)
    terms = seed_terms(seed, Profile.DRILL, open_ns, quiet_ns)
    bracket = replace(terms.bracket, target_offset_paise=900, stop_offset_paise=800, rules=())
    enter = [Press(at_ns, Key.ENTER, 0) for at_ns in range(open_ns + _ENTER_EVERY_NS, quiet_ns, _ENTER_EVERY_NS)]
    leave = [press for press in terms.presses if press.at_ns > quiet_ns]
    return replace(terms, bracket=bracket, path=PathModel(), presses=(*enter, *leave))
