"""Virtual time: exact, repeatable, without threads; and the private names it leans on are still there."""

from __future__ import annotations

import asyncio
import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.virtual_time import Deadlock, VirtualLoop, run_virtual


def test_the_private_names_of_the_standard_loop_are_still_there() -> None:
    """A Python that renames them must fail here, not in a replay."""
    loop = VirtualLoop()
    try:
        assert len(vars(loop)["_ready"]) == 0
        assert vars(loop)["_stopping"] is False
        handle = loop.call_later(5, _nothing)
        loop.call_soon(_nothing)
        assert len(vars(loop)["_ready"]) == 1
        assert handle._cancelled is False
        assert callable(handle._run)
        assert callable(asyncio.BaseEventLoop._process_events)
        assert callable(asyncio.BaseEventLoop._run_once)
        assert callable(asyncio.BaseEventLoop._timer_handle_cancelled)
    finally:
        loop.close()


@given(st.lists(st.integers(0, 10**8).map(lambda ms: ms / 1000), min_size=1, max_size=20))
def test_every_timer_fires_exactly_at_its_time_and_in_order(whens: list[float]) -> None:
    fired: list[tuple[float, float]] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        for when in whens:
            loop.call_at(when, lambda when=when: fired.append((when, loop.time())))
        loop.call_at(max(whens), done.set_result, None)
        await done

    run_virtual(main())

    assert [when for when, _ in fired] == sorted(whens)
    assert all(at == when for when, at in fired)


def test_a_day_takes_no_time_and_callbacks_of_one_instant_keep_their_order() -> None:
    order: list[str] = []

    async def sleeper(name: str) -> None:
        await asyncio.sleep(86_400)
        order.append(name)

    async def main() -> float:
        await asyncio.gather(*(sleeper(name) for name in "abc"))
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == 86_400
    assert order == ["a", "b", "c"]


def test_waiting_for_what_cannot_happen_is_a_deadlock_not_a_hang() -> None:
    async def main() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(Deadlock, match="no timer is set"):
        run_virtual(main())


@pytest.mark.fault("PRC-16")
@pytest.mark.invariant("X5")
def test_threads_are_refused() -> None:
    async def main() -> None:
        await asyncio.to_thread(print)

    with pytest.raises(RuntimeError, match="no threads in virtual time"):
        run_virtual(main())


def test_the_horizon_is_the_next_timer_and_now_when_work_is_ready() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        assert loop.horizon() == math.inf
        loop.call_at(7.5, _nothing)
        assert loop.horizon() == 7.5
        assert loop.horizon_s <= 7.5
        loop.call_soon(_nothing)
        assert loop.horizon() == loop.time() == 0.0

    run_virtual(main())


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1000)), max_size=20))
def test_the_cheap_horizon_is_never_later_than_the_true_one(steps: list[tuple[bool, float]]) -> None:
    """A producer compares with `horizon_s` alone: were it later, a tick could overtake a timer."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        loop.horizon_s = loop.horizon()
        for soon, when in steps:
            if soon:
                loop.call_soon(lambda: None)
            else:
                loop.call_later(when, lambda: None)
            assert loop.horizon_s <= loop.horizon()

    run_virtual(main())


@pytest.mark.invariant("X5")
def test_the_same_program_runs_the_same_way_every_time() -> None:
    """X5: racing tasks with seeded delays interleave identically."""

    def trace(seed: int) -> list[tuple[int, float]]:
        random, seen = Random(seed), list[tuple[int, float]]()

        async def racer(number: int) -> None:
            for _ in range(5):
                await asyncio.sleep(random.choice([0, 0.1, 0.2, 1]))
                seen.append((number, asyncio.get_running_loop().time()))

        async def main() -> None:
            await asyncio.gather(*(racer(number) for number in range(5)))

        run_virtual(main())
        return seen

    assert trace(7) == trace(7)
    assert trace(7) != trace(8)


def _nothing() -> None: ...


async def _cancelled_by_timeout() -> float:
    try:
        async with asyncio.timeout(2.5):
            await asyncio.sleep(60)
    except TimeoutError:
        pass
    return asyncio.get_running_loop().time()


def test_deadlines_of_the_standard_library_work_in_virtual_time() -> None:
    assert run_virtual(_cancelled_by_timeout()) == 2.5


@given(st.lists(st.sampled_from([1.0, 2.0, 3.0]), min_size=2, max_size=30), st.sets(st.integers(0, 29)))
def test_timers_of_one_instant_ring_in_the_order_in_which_they_were_set(whens: list[float], taken: set[int]) -> None:
    rung: list[tuple[float, int]] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        timers = [loop.call_at(when, rung.append, (when, number)) for number, when in enumerate(whens)]
        for number in taken & set(range(len(timers))):
            timers[number].cancel()
        await asyncio.sleep(4)

    run_virtual(main())

    assert rung == sorted((when, number) for number, when in enumerate(whens) if number not in taken)


def test_timers_that_were_taken_back_do_not_pile_up() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        kept = [loop.call_at(90_000 + number, _nothing) for number in range(3)]
        for _ in range(5_000):
            loop.call_at(86_400, _nothing).cancel()
        assert loop.timers_waiting == len(kept)
        assert len(vars(loop)["_timers"]) < 300

    run_virtual(main())
