"""The watch over open positions begins once, outlives an error in one look, and ends with the desk (RTP-13)."""

from __future__ import annotations

import asyncio

import pytest

from engine.legs import LegsBot
from engine.messages import Msg
from engine.order import Role

PE, CE = "NIFTY01DEC2624500PE", "NIFTY01DEC2624500CE"
STARTED, STOPPED = "RealTimePositionManager started", "RealTimePositionManager stopped"


def told(rig) -> list[str]:
    return rig.said("RealTimePositionManager")


@pytest.mark.row("RTP-13")
def test_the_watch_starts_once_when_the_books_are_known_and_stops_once_with_the_desk(run_desk, seed_setup) -> None:
    async def scenario(rig):
        assert told(rig) == [STARTED]
        tasks = set(rig.desk._tasks)
        await rig.desk.start()
        await rig.pass_s(2.0)

        assert told(rig) == [STARTED]
        assert rig.desk._tasks <= tasks and len([t for t in tasks if t.get_name() == "gateway"]) == 1
        assert await rig.desk.stop("asked to") == 0
        assert told(rig) == [STARTED, STOPPED]
        assert all(task.done() for task in tasks)

    run_desk(scenario, seed_setup())


@pytest.mark.row("RTP-13")
def test_two_starts_at_once_are_one(run_desk, seed_setup) -> None:
    async def scenario(rig):
        again = rig.build()
        await asyncio.gather(again.start(), again.start())
        await rig.pass_s(1.0)

        assert told(rig) == [STARTED, STARTED], "one of the rig's own desk, one of this"
        assert rig.venue.logins == 2

    run_desk(scenario, seed_setup())


@pytest.mark.row("RTP-13", "RTP-11")
def test_an_error_in_the_check_of_one_position_is_logged_and_the_next_pass_runs(
    run_desk, seed_setup, group, monkeypatch
) -> None:
    looks: list[tuple[int, str]] = []
    inner = LegsBot.on_wake

    def on_wake(self, now_ns, out, *, only=None):
        looks.append((now_ns, self.name))
        if broken and self.name == broken[0]:
            raise ZeroDivisionError("a look at a position failed")
        inner(self, now_ns, out, only=only)

    broken: list[str] = []
    monkeypatch.setattr(LegsBot, "on_wake", on_wake)

    async def scenario(rig):
        await rig.enter(100.0)
        await rig.quiet(1.0)
        broken.append("random_scalp_live")
        looks.clear()
        await rig.quiet(3.0)

        assert len(rig.said("a look at a position failed")) >= 1
        assert len({now_ns for now_ns, name in looks if name == "other"}) >= 3, "a pass every second, as before"
        rig.tick(PE, 90.0)
        await rig.quiet(2.0, {PE: 90.0, CE: 100.0})
        assert rig.net(PE) == 0, "the broken bot's position is still protected"
        rig.desk.failures.clear()

    run_desk(scenario, seed_setup(symbols=(PE,), groups=(group("other", (CE,)),)))


@pytest.mark.row("RTP-13", "RTP-11")
def test_an_error_of_the_pass_itself_is_logged_and_the_next_pass_runs_one_interval_later(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(100.0)
        await rig.quiet(1.0)
        begin, passes = rig.desk.checks.begin, []

        def fail_once(now_ns):
            passes.append(now_ns)
            if len(passes) == 1:
                raise RuntimeError("the pass failed")
            begin(now_ns)

        rig.desk.checks.begin = fail_once
        await rig.quiet(3.1)

        assert len(passes) >= 3
        assert passes[1] - passes[0] <= 1_000_000_000
        assert len(rig.said("RuntimeError: the pass failed")) == 2, "the line, and its alarm"
        rig.desk.checks.begin = begin
        rig.tick(PE, 90.0)
        await rig.quiet(2.0, 90.0)
        assert rig.net(PE) == 0
        assert len(rig.venue.placed(Role.ENTRY)) == 2
        rig.desk.failures.clear()

    run_desk(scenario, seed_setup())


@pytest.mark.row("RTP-13")
def test_what_comes_after_the_stop_arms_nothing_again(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(100.0)
        assert await rig.desk.stop("asked to", flatten=False) == 5
        lines, looks = len(rig.texts()), []
        rig.desk.checks.begin = looks.append
        rig.desk.on_tick(rig.desk.prices[PE].tick)
        rig.tick(PE, 90.0)
        await rig.pass_s(30.0)

        assert looks == []
        assert not [text for text in rig.texts()[lines:] if Msg.INTERNAL.value.template[:10] in text]

    run_desk(scenario, seed_setup())
