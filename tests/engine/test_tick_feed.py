"""The replay's feed: ticks and timers in their order, and the time that anybody who asks is told."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.clock import LoopClock
from engine.tick import Tick
from engine.tick_feed import feed_ticks
from engine.virtual_time import VirtualLoop, run_virtual

START_NS = 1_790_000_000_000_000_000


def played(instants: list[int], timers: list[int], *, asks: bool = True, soon_at: int = -1) -> list[tuple[str, int]]:
    """What happened in order: `tick` and `timer` with the offset in ns that the clock showed."""
    happened: list[tuple[str, int]] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        clock = LoopClock(loop, START_NS)
        for at in timers:
            clock.call_at(START_NS + at, lambda: happened.append(("timer", clock.now_ns() - START_NS)))

        def hear(tick: Tick) -> None:
            offset = tick.at_ns - START_NS
            happened.append(("tick", clock.now_ns() - START_NS if asks else offset))
            if offset == soon_at:
                loop.call_soon(lambda: happened.append(("soon", clock.now_ns() - START_NS)))

        ticks = [Tick("X", START_NS + at, 100) for at in instants]
        count = await feed_ticks(ticks, loop, clock, lambda tick: None, hear)
        assert count == len(ticks)
        happened.append(("end", clock.now_ns() - START_NS))

    run_virtual(main())
    return happened


def test_ticks_and_timers_come_in_the_order_of_their_instants() -> None:
    happened = played([1_000, 2_000, 5_000], [1_500, 4_000])

    assert happened == [
        ("tick", 1_000),
        ("timer", 1_500),
        ("tick", 2_000),
        ("timer", 4_000),
        ("tick", 5_000),
        ("end", 5_000),
    ]


def test_a_timer_at_the_instant_of_a_tick_comes_before_it() -> None:
    assert played([1_000], [1_000])[:2] == [("timer", 1_000), ("tick", 1_000)]


def test_what_a_tick_causes_happens_at_its_instant_and_before_the_next_tick() -> None:
    happened = played([1_000, 2_000, 3_000], [], asks=False, soon_at=2_000)

    assert happened == [("tick", 1_000), ("tick", 2_000), ("soon", 2_000), ("tick", 3_000), ("end", 3_000)]


def test_a_timer_that_a_tick_sets_is_kept() -> None:
    happened: list[str] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        clock = LoopClock(loop, START_NS)

        def hear(tick: Tick) -> None:
            happened.append(f"tick {tick.at_ns - START_NS}")
            if tick.at_ns == START_NS + 10:
                clock.call_at(START_NS + 25, lambda: happened.append(f"timer {clock.now_ns() - START_NS}"))

        await feed_ticks([Tick("X", START_NS + at, 1) for at in (10, 20, 30)], loop, clock, hear, lambda tick: None)

    run_virtual(main())

    assert happened == ["tick 10", "tick 20", "timer 25", "tick 30"]


def test_a_listener_that_fails_leaves_the_loop_with_a_clock_of_its_own() -> None:
    async def main() -> int:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        clock = LoopClock(loop, START_NS)

        def fail(tick: Tick) -> None:
            raise ValueError("no")

        with pytest.raises(ValueError, match="no"):
            await feed_ticks([Tick("X", START_NS + 1_000, 1)], loop, clock, fail, fail)
        await clock.sleep_until(START_NS + 9_000)
        return clock.now_ns() - START_NS

    assert run_virtual(main()) == 9_000


@given(
    st.lists(st.integers(0, 10**12), max_size=20),
    st.lists(st.integers(1, 10**12), max_size=8),
    st.booleans(),
)
@pytest.mark.fault("TIM-09")
def test_the_clock_never_goes_back_and_no_timer_is_early_or_lost(
    instants: list[int], timers: list[int], in_order: bool
) -> None:
    happened = played(sorted(instants) if in_order else instants, timers)

    times = [at for _, at in happened]
    assert times == sorted(times)
    reached = [at for what, at in happened if what == "timer"]
    assert reached == sorted(at for at in timers)[: len(reached)]
    assert len(reached) == sum(at <= max(instants, default=-1) for at in timers)
