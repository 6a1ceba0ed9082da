"""The scripted morning, killed at every commit and around every request: each run must recover, whatever it was doing.

`strikedesk simulate crashes` runs the other exit styles as well, `--nested` kills the recoveries too
(docs/crash-matrix.md); here it is the day with resting exits, whole, and a sample of the nested ones.
"""

from __future__ import annotations

from functools import cache

import pytest

from engine.view import ExitStyle
from tui.simulation.crash_matrix import NESTED_POINTS, Cell, scripted_day
from tui.simulation.crashes import CrashPoint
from tui.simulation.day import DayResult, run_day
from tui.simulation.forks import killed_at

PARTS = 8
"""The workers share them."""


@cache
def undisturbed() -> DayResult:
    return run_day(scripted_day())


def test_the_scripted_morning_has_everything_in_it_and_breaks_nothing() -> None:
    day = undisturbed()

    assert day.is_clean
    assert day.round_trips >= 5
    assert day.points > 200


@pytest.mark.row("OPS-15", "OPS-17", "LEG-72")
@pytest.mark.fault("STO-01", "STO-02", "STO-03")
@pytest.mark.invariant("R2")
@pytest.mark.parametrize("part", range(PARTS))
def test_every_point_of_the_morning_is_recovered_from(part: int) -> None:
    """Nothing sent twice, nothing bare, every paisa accounted for."""
    points = undisturbed().points
    killed = killed_at(range(part * points // PARTS, (part + 1) * points // PARTS))

    assert [point for point, result in killed.items() if len(result.deaths) != 1] == []
    broken = [
        f"point {point}, {result.deaths[0].work}: {violation.line()}"
        for point, result in killed.items()
        for violation in result.violations
    ]
    assert len(killed) >= points // PARTS
    assert broken == []


def test_a_desk_that_is_killed_twice_in_the_last_seconds_is_waited_for_and_judged() -> None:
    style = ExitStyle.MONITORED
    points = run_day(scripted_day(style=style)).points

    day = run_day(Cell(style=style, point=points - 2, nested=0).plan())

    assert (len(day.deaths), day.violations) == (2, ())


@pytest.mark.fault("STO-04")
@pytest.mark.invariant("R2", "R7")
@pytest.mark.parametrize("nested", range(0, NESTED_POINTS, 3))
def test_a_recovery_that_is_killed_too_is_recovered_from(nested: int) -> None:
    broken: list[str] = []
    for point in range(20 + nested, undisturbed().points, 60):
        result = run_day(Cell(style=ExitStyle.RESTING, point=point, nested=nested).plan())
        assert len(result.deaths) == 2
        broken += [f"point {point}, then {nested}: {v.line()}" for v in result.violations]

    assert broken == []


def test_every_kind_of_point_is_met() -> None:
    killed = killed_at(range(40, 60))

    assert {result.deaths[0].point for result in killed.values()} == set(CrashPoint)


def test_a_copy_that_is_killed_is_the_day_that_is_killed() -> None:
    """To the last decision: what the matrix says of a copy, `strikedesk simulate crashes` says of a run of its own."""
    for point, result in killed_at((7, 100, 210)).items():
        alone = run_day(Cell(style=ExitStyle.RESTING, point=point).plan())
        assert (result.decision_hash, result.deaths, result.round_trips) == (
            alone.decision_hash,
            alone.deaths,
            alone.round_trips,
        )
