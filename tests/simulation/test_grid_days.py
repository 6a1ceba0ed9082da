"""Drills of a grid in every run of the tests, and bugs planted in it that they must find by themselves.

The seeds below the line were found broken by some bug of the past; they stay.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import time

import pytest

from engine.bracket_entry import BracketEntry
from engine.grid.cycles import GridCycles
from engine.grid.hedges import GridHedges
from tui.simulation.day import DayPlan, Play, run_day
from tui.simulation.drill import drill
from tui.simulation.seed_terms import Profile

FIRST = (3,)
FOUND_SOMETHING = (42, 65)


@pytest.mark.row("GRD-31", "GRD-35", "GRD-36", "GRD-52")
@pytest.mark.parametrize("seed", [*FIRST, *FOUND_SOMETHING])
def test_a_drill_of_a_grid_breaks_nothing(seed: int) -> None:
    result = run_day(drill(seed, Play.GRID))

    assert [violation.line() for violation in result.violations] == []


def test_the_same_grid_drill_is_the_same_to_the_last_decision() -> None:
    """X5."""
    first, second = run_day(drill(5, Play.GRID)), run_day(drill(5, Play.GRID))

    assert (first.decision_hash, first.points, first.faults) == (second.decision_hash, second.points, second.faults)
    assert first.crashes > 1


def _nothing(*_args: object, **_more: object) -> None:
    """What a missing line does."""


Bug = tuple[type, str, Callable[..., object], int]
"""What is replaced by what, and the first of eight mornings that showed it: the tests start there, to be quick."""
PLANTED: dict[str, Bug] = {
    "hedges that are due are never sent": (GridHedges, "_open_market", _nothing, 6),
    "a stop entry that was jumped is never re-priced": (BracketEntry, "_chase_entry", _nothing, 3),
    "a hedge stays at the broker after its target has filled": (GridHedges, "_withdraw", _nothing, 1),
    "the counters add up the wrong side": (GridCycles, "net_qty", lambda self, side, *, closed=True: 100, 1),
}


@pytest.mark.parametrize(
    "bug", [pytest.param(bug, marks=[pytest.mark.slow] if number % 2 else []) for number, bug in enumerate(PLANTED)]
)
def test_a_planted_bug_is_found_by_a_few_quiet_mornings(bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without faults, because every fault excuses something for a while."""
    owner, name, wrong, first = PLANTED[bug]
    monkeypatch.setattr(owner, name, wrong)

    def morning(seed: int) -> DayPlan:
        return DayPlan(seed=seed, play=Play.GRID, profile=Profile.CALM, until=time(9, 57))

    found = (result for seed in range(first, 9) if (result := run_day(morning(seed))).violations)

    assert next(found, None) is not None, f"eight mornings did not find: {bug}"
