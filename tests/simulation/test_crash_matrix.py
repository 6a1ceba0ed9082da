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

PARTS = 12
"""The workers share them; every second one is run by `make slow`, as all are by `make matrix`."""


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
@pytest.mark.parametrize(
    "part", [pytest.param(part, marks=[pytest.mark.slow] if part % 2 else []) for part in range(PARTS)]
)
def test_every_point_of_the_morning_is_recovered_from(part: int) -> None:
    """Nothing sent twice, nothing bare, every paisa accounted for."""
    broken: list[str] = []
    for point in range(part, undisturbed().points, PARTS):
        result = run_day(Cell(style=ExitStyle.RESTING, point=point).plan())
        assert len(result.deaths) == 1
        broken += [f"point {point}, {result.deaths[0].work}: {v.line()}" for v in result.violations]

    assert broken == []


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
    met = {run_day(Cell(style=ExitStyle.RESTING, point=point).plan()).deaths[0].point for point in range(40, 60)}

    assert met == set(CrashPoint)
