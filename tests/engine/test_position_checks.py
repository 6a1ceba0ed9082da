"""The pass over all open positions: batches of five, never more of them waiting than allowed, nobody left out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.position_checks import CheckLimits, PositionChecks


class Bot:
    def __init__(self, name: str, count: int, looked: list[tuple[str, ...]]) -> None:
        self.name = name
        self.ids = [f"{name}{number}" for number in range(count)]
        self.looked = looked

    def open_brackets(self) -> list[Any]:
        return [SimpleNamespace(body=SimpleNamespace(bracket_id=key)) for key in self.ids]

    def on_wake(self, now_ns: int, out: object, *, only: Collection[str] | None = None) -> None:
        self.looked.append(tuple(key for key in self.ids if only is None or key in only))


class World:
    """A desk that steps at once, and a loop whose turns are taken by hand."""

    def __init__(self, counts: dict[str, int], **limits: int) -> None:
        self.looked: list[tuple[str, ...]] = []
        self.turn: deque[Callable[[], None]] = deque()
        self.bots = {name: Bot(name, count, self.looked) for name, count in counts.items()}
        self.most_waiting = 0
        desk: Any = SimpleNamespace(
            bots=self.bots,
            out=object(),
            decide=lambda name, work: work(self.bots[name]),
            step=lambda work: work(0),
        )
        self.checks = PositionChecks(desk, CheckLimits(**limits), self.soon)

    def soon(self, job: Callable[[], None]) -> None:
        self.turn.append(job)
        self.most_waiting = max(self.most_waiting, len(self.turn))

    def take_turn(self) -> None:
        """One turn of the loop: what waits now, not what comes meanwhile."""
        for _ in range(len(self.turn)):
            self.turn.popleft()()

    def finish(self) -> None:
        while self.turn:
            self.take_turn()


@pytest.mark.row("RTP-37")
def test_23_positions_are_looked_at_in_batches_of_5_5_5_5_3() -> None:
    world = World({"a": 23})

    world.checks.begin(0)
    assert [len(batch) for batch in world.looked] == [5], "the rest lets the loop turn first"
    world.finish()

    assert [len(batch) for batch in world.looked] == [5, 5, 5, 5, 3]
    assert [key for batch in world.looked for key in batch] == world.bots["a"].ids
    assert world.most_waiting == 4


@pytest.mark.row("RTP-37")
def test_never_more_batches_wait_than_allowed() -> None:
    world = World({"a": 200})

    world.checks.begin(0)
    world.finish()

    assert world.most_waiting == 10
    assert [key for batch in world.looked for key in batch] == world.bots["a"].ids


def test_up_to_one_batch_is_one_plain_call_per_bot_in_the_same_step() -> None:
    world = World({"a": 3, "b": 0, "c": 2})

    world.checks.begin(0)

    assert world.looked == [("a0", "a1", "a2"), (), ("c0", "c1")]
    assert not world.turn


def test_a_bot_without_positions_is_woken_once_beside_a_long_list() -> None:
    world = World({"a": 6, "b": 0})

    world.checks.begin(0)
    world.finish()

    assert world.looked.count(()) == 1


def test_one_batch_may_hold_positions_of_several_bots() -> None:
    world = World({"a": 3, "b": 4})

    world.checks.begin(0)
    world.finish()

    assert world.looked == [("a0", "a1", "a2"), ("b0", "b1"), ("b2", "b3")]


@pytest.mark.row("RTP-37", "RTP-11")
def test_a_timer_that_rings_at_every_turn_still_reaches_the_last_position() -> None:
    world = World({"a": 60}, batches_waiting=2)

    for _ in range(8):
        world.checks.begin(0)
        world.take_turn()

    assert {key for batch in world.looked for key in batch} == set(world.bots["a"].ids)
    assert world.most_waiting <= 2


def test_a_position_that_closed_meanwhile_is_not_waited_for() -> None:
    world = World({"a": 12})
    world.checks.begin(0)

    world.bots["a"].ids = world.bots["a"].ids[:2]
    world.checks.begin(1)
    world.finish()

    assert world.looked[0] == ("a0", "a1", "a2", "a3", "a4")
    assert world.looked[1] == ("a0", "a1")
    assert all(batch == () for batch in world.looked[2:])


@given(st.lists(st.integers(0, 40), min_size=1, max_size=4), st.integers(1, 9), st.integers(1, 6))
def test_every_position_is_looked_at_once_in_one_pass(counts: list[int], size: int, waiting: int) -> None:
    world = World({chr(97 + n): count for n, count in enumerate(counts)}, batch_size=size, batches_waiting=waiting)

    world.checks.begin(0)
    world.finish()

    looked = [key for batch in world.looked for key in batch]
    assert sorted(looked) == sorted(key for bot in world.bots.values() for key in bot.ids)
    assert world.most_waiting <= waiting
    assert world.checks.batches_waiting == 0
