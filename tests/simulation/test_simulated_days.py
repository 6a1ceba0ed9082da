"""Short days from a seed: the real desk at the misbehaving venue, judged at every event, the same every time."""

from __future__ import annotations

from datetime import time

import pytest

from tui.simulation.day import DayPlan, run_day
from tui.simulation.days import run_days
from tui.simulation.seed_terms import Profile

EARLY = time(9, 26)


@pytest.mark.parametrize("profile", Profile)
@pytest.mark.row("I-1", "I-2", "I-3", "I-4", "I-5", "I-6", "I-7", "I-8", "I-9")
def test_a_short_day_breaks_nothing(profile):
    result = run_day(DayPlan(seed=3, profile=profile, until=EARLY))

    assert [violation.line() for violation in result.violations] == []
    assert result.requests > 0
    assert result.looks > result.requests, "the oracle looks after every event"


@pytest.mark.row("OPS-32")
@pytest.mark.invariant("X5")
def test_the_same_seed_gives_the_same_hash_and_another_seed_another():
    plan = DayPlan(seed=5, until=EARLY)

    first, again, other = run_day(plan), run_day(plan), run_day(DayPlan(seed=6, until=EARLY))

    assert first.decision_hash == again.decision_hash
    assert (first.requests, first.commits, first.faults) == (again.requests, again.commits, again.faults)
    assert first.decision_hash != other.decision_hash


@pytest.mark.invariant("X4")
def test_looking_does_not_change_the_day():
    """The story of a verbose run is the same day: a replay shows the event that broke."""
    told: list[str] = []

    quiet = run_day(DayPlan(seed=5, until=EARLY))
    verbose = run_day(DayPlan(seed=5, until=EARLY, verbose=True), on_line=told.append)

    assert quiet.decision_hash == verbose.decision_hash
    assert any(" sent " in line for line in told)
    assert any(" exchange " in line for line in told)


def test_a_day_that_cannot_be_run_is_that_seeds_verdict_and_not_the_end(monkeypatch):
    import tui.simulation.days as days

    def run(plan):
        if plan.seed == 1:
            raise RuntimeError("a bug of the simulator")
        return run_day(plan)

    monkeypatch.setattr(days, "run_day", run)
    plans = [DayPlan(seed=seed, profile=Profile.CALM, until=time(9, 17)) for seed in (1, 2)]

    broken, whole = list(run_days(plans, 1))

    assert broken.broken == {"DAY": 1}
    assert "a bug of the simulator" in broken.violations[0].text
    assert whole.is_clean
