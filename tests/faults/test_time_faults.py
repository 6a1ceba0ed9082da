"""Clocks that lie and machines that stand still: the orders of a day do not depend on the wall (T1, TIM-01..03)."""

from __future__ import annotations

import itertools
import time as real_time
from datetime import date, time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.event_hub import EventKind
from engine.instant import NS_PER_MS, NS_PER_S, at_ist
from engine.order import Role
from engine.tick import Tick

PE = "NIFTY01DEC2624500PE"
CE = "NIFTY01DEC2624500CE"
DAY = date(2026, 11, 25)
SQUARE_OFF = at_ist(DAY, time(15, 15))


async def a_day(rig) -> list[tuple[int, str]]:
    """Entry, a trailed stop, a target on one leg, the square-off of the other: every write with its instant."""
    await rig.enter(100.0)
    for price in (100.5, 101.5, 102.5, 102.0):
        await rig.quiet(20.0, price)
    await rig.quiet(5.0, {PE: 106.0, CE: 102.0})
    await rig.quiet(30.0, 102.0)
    return list(zip([began for began, _ in rig.venue.spans], rig.venue.story(), strict=True))


@pytest.mark.fault("TIM-01")
@pytest.mark.invariant("T1")
@pytest.mark.parametrize("step_s", [-7 * 86_400, -3, 3_600])
def test_a_wall_clock_that_steps_all_day_changes_no_order_and_no_instant_of_one(
    run_desk, seed_setup, monkeypatch, step_s
) -> None:
    """Metamorphic: the same day once more, and each look at the wall clock shows another step."""
    setup = {"start_ns": SQUARE_OFF - 100 * NS_PER_S, "trail": {}}
    steady = run_desk(a_day, seed_setup(**setup))
    wall = (1_700_000_000 + step_s * n for n in itertools.count())
    monkeypatch.setattr(real_time, "time", lambda: next(wall))
    monkeypatch.setattr(real_time, "time_ns", lambda: next(wall) * NS_PER_S)

    stepping = run_desk(a_day, seed_setup(**setup))

    assert stepping == steady
    assert {"place entry", "place exit"} <= {" ".join(text.split()[:2]) for _, text in steady}


@pytest.mark.fault("TIM-03")
@pytest.mark.invariant("Q2")
@pytest.mark.parametrize("asleep_s", [60, 600])
def test_a_square_off_that_was_slept_through_runs_as_soon_as_the_machine_wakes(run_desk, seed_setup, asleep_s) -> None:
    """A stopped process: the clock has gone on, and no callback ran meanwhile."""

    async def scenario(rig):
        await rig.enter(100.0)
        await rig.quiet(2.0, 100.0)

        rig.clock._loop.now_s += asleep_s
        woke_ns = rig.clock.now_ns()
        await rig.quiet(5.0, 100.0)

        began = [span[0] for span, (op, _) in zip(rig.venue.spans, rig.venue.calls, strict=True) if op == "cancel"]
        assert woke_ns > SQUARE_OFF and 0 <= began[0] - woke_ns < 2 * NS_PER_S
        assert rig.net(PE) == rig.net(CE) == 0 and not rig.working()
        assert {reason for _, _, reason in rig.trades()} == {"EOD Square-Off"}
        assert len(rig.venue.placed(Role.EXIT)) == 2, "once, however late"

    run_desk(scenario, seed_setup(start_ns=SQUARE_OFF - 10 * NS_PER_S))


@pytest.mark.fault("MKT-05", "TIM-09")
@pytest.mark.invariant("M2")
@given(st.lists(st.tuples(st.integers(-3_000, 400), st.integers(90, 110)), min_size=1, max_size=40))
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_tick_that_is_older_than_the_newest_is_never_a_price(run_desk, seed_setup, steps) -> None:
    """Replayed, doubled and re-ordered ticks: what observers are shown as a price only ever gets newer."""

    async def scenario(rig):
        accepted: list[Tick] = []
        rig.desk.hub.subscribe(EventKind.TICK_UPDATE, lambda event: accepted.append(rig.desk.prices[PE].tick))
        rig.tick(PE, 100.0)
        for offset_ms, rupees in steps:
            await rig.pass_s(0.1)
            paise = rupees * 100
            at_ns = rig.clock.now_ns() + offset_ms * NS_PER_MS
            before = rig.desk.prices[PE].at_ns
            rig.desk.on_tick(Tick(PE, at_ns, paise, paise, 650, paise, 650))
            assert rig.desk.prices[PE].at_ns >= before
            assert rig.desk.prices[PE].tick.at_ns in (at_ns, before) or at_ns < before
        instants = [tick.at_ns for tick in accepted]
        assert instants == sorted(instants)

    run_desk(scenario, seed_setup(symbols=(PE,)))
