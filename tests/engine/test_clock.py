"""The desk's clock: exchange time at any speed, on a loop whose time is virtual here."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.clock import LoopClock
from engine.instant import NS_PER_DAY, NS_PER_S
from engine.virtual_time import VirtualLoop, run_virtual

START = 1_795_578_300 * NS_PER_S
SPEEDS = st.sampled_from([0.5, 1.0, 2.0, 10.0, 60.0])


def on_clock(scenario: Callable[[LoopClock], Awaitable[None]], *, speed: float = 1.0) -> None:
    async def main() -> None:
        await scenario(LoopClock(asyncio.get_running_loop(), START, speed))

    run_virtual(main())


@given(st.integers(0, NS_PER_DAY), SPEEDS)
def test_sleeping_until_an_instant_wakes_at_it_and_never_before(span_ns: int, speed: float) -> None:
    async def scenario(clock: LoopClock) -> None:
        await clock.sleep_until(START + span_ns)
        assert 0 <= clock.now_ns() - (START + span_ns) <= 1_000 * speed

    on_clock(scenario, speed=speed)


@pytest.mark.parametrize("speed", [1.0, 10.0])
def test_exchange_time_runs_speed_times_as_fast_as_the_loop(speed: float) -> None:
    async def scenario(clock: LoopClock) -> None:
        await asyncio.sleep(30)
        assert clock.now_ns() == START + round(30 * speed) * NS_PER_S
        assert clock.speed == speed

    on_clock(scenario, speed=speed)


def test_a_past_instant_means_soon() -> None:
    async def scenario(clock: LoopClock) -> None:
        called: list[int] = []
        await clock.sleep_until(START - NS_PER_S)
        clock.call_at(START - NS_PER_S, lambda: called.append(clock.now_ns()))
        assert called == []
        await asyncio.sleep(0.001)
        assert called == [START]

    on_clock(scenario)


def test_a_cancelled_timer_does_not_fire() -> None:
    async def scenario(clock: LoopClock) -> None:
        called: list[int] = []
        keep = clock.call_at(START + NS_PER_S, lambda: called.append(1))
        drop = clock.call_at(START + NS_PER_S, lambda: called.append(2))
        drop.cancel()
        await clock.sleep_until(START + 2 * NS_PER_S)
        assert called == [1]
        assert not keep.cancelled()

    on_clock(scenario)


def test_a_cancelled_sleep_leaves_no_timer_behind() -> None:
    async def scenario(clock: LoopClock) -> None:
        sleeper = asyncio.ensure_future(clock.sleep_until(START + 3600 * NS_PER_S))
        await asyncio.sleep(0)
        sleeper.cancel()
        await asyncio.gather(sleeper, return_exceptions=True)
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        assert loop.timers_waiting == 0

    on_clock(scenario)


@pytest.mark.parametrize("speed", [0, -1.0])
def test_time_must_run_forward(speed: float) -> None:
    with pytest.raises(ValueError, match="must be above zero"):
        on_clock(_nothing, speed=speed)


async def _nothing(clock: LoopClock) -> None: ...


@pytest.mark.row("OPS-30")
@pytest.mark.fault("TIM-01")
@pytest.mark.invariant("T1")
def test_a_step_of_the_wall_clock_changes_no_duration(monkeypatch: pytest.MonkeyPatch) -> None:
    """T1: the wall is read once; afterwards the loop's monotonic clock carries the time."""

    async def main() -> None:
        monkeypatch.setattr(time, "time_ns", lambda: START)
        clock = LoopClock.wall(asyncio.get_running_loop())
        monkeypatch.setattr(time, "time_ns", lambda: START - 3600 * NS_PER_S)
        await clock.sleep_until(START + 5 * NS_PER_S)
        assert clock.now_ns() == START + 5 * NS_PER_S

    run_virtual(main())


@given(st.integers(0, NS_PER_DAY), st.integers(0, NS_PER_DAY), SPEEDS)
def test_two_clocks_from_the_same_line_show_the_same_time_whenever_they_are_made(
    anchor_ns: int, later_ns: int, speed: float
) -> None:
    """Two processes of one machine build their clocks at different instants (brokers/paper/wire.py, VenueClock)."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        first = LoopClock.anchored(loop, START, anchor_ns, speed)
        await asyncio.sleep(later_ns / NS_PER_S)
        second = LoopClock.anchored(loop, START, anchor_ns, speed)
        assert first.now_ns() == second.now_ns()
        elapsed_ns = round(loop.time() * NS_PER_S) - anchor_ns
        assert abs(first.now_ns() - START - elapsed_ns * speed) <= 1_000 * speed

    run_virtual(main())
