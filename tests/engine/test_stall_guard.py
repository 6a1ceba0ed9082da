"""The watchdog: a decision that hangs is ended inside itself, a stuck loop is told, and a slow machine is neither.

Hangs here are real, bounded by their own deadline, and end as soon as the guard acts.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from engine.stall_guard import HUNG_LOOKS, LOOK_MS, BotHung, Running, Stall, StallGuard

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the guard interrupts by a POSIX signal")
PATIENCE_S = 20.0


class Loop:
    """What a desk is to the guard: a name, a count, and a record of what it heard."""

    def __init__(self) -> None:
        self.name = ""
        self.number = 0
        self.stuck: list[Stall] = []
        self.guard = StallGuard(lambda: Running(self.name, self.number), self.stuck.append)

    def decide(self, name: str, work: Callable[[], object]) -> object:
        self.number += 1
        self.name = name
        try:
            return work()
        finally:
            self.name = ""


def spin() -> None:
    """Never returns by itself in any time a test would wait."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        pass


@pytest.fixture
def loop() -> Iterator[Loop]:
    made = Loop()
    made.guard.start()
    yield made
    made.guard.stop()


@pytest.mark.row("OPS-23")
@pytest.mark.fault("PRC-10", "PRC-09")
@pytest.mark.invariant("X1")
def test_a_decision_that_loops_for_ever_is_ended_inside_itself(loop: Loop) -> None:
    began = time.monotonic()

    with pytest.raises(BotHung, match="rule x did not come to a decision within 250 ms"):
        loop.decide("rule x", spin)

    assert HUNG_LOOKS * LOOK_MS == 250
    assert time.monotonic() - began < PATIENCE_S / 2


def test_code_that_swallows_it_gets_it_again(loop: Loop) -> None:
    swallowed: list[str] = []

    def stubborn() -> None:
        try:
            spin()
        except BotHung as hung:
            swallowed.append(hung.name)
        spin()

    with pytest.raises(BotHung):
        loop.decide("stubborn", stubborn)

    assert swallowed == ["stubborn"]


def test_a_decision_that_sleeps_is_ended_too(loop: Loop) -> None:
    began = time.monotonic()

    with pytest.raises(BotHung):
        loop.decide("sleeper", lambda: time.sleep(PATIENCE_S))

    assert time.monotonic() - began < PATIENCE_S / 2


def test_many_short_decisions_of_one_bot_are_not_a_long_one(loop: Loop) -> None:
    until = time.monotonic() + 0.6
    decisions = 0
    while time.monotonic() < until:
        loop.decide("busy", lambda: sum(range(2_000)))
        decisions += 1

    assert decisions > 100


def test_work_outside_any_decision_is_never_interrupted(loop: Loop) -> None:
    until = time.monotonic() + 0.6
    while time.monotonic() < until:
        pass


class HandClock(StallGuard):
    """A guard whose looks, processor time and thread state are given by the test; its thread is not started."""

    def __init__(self, loop: Loop) -> None:
        super().__init__(lambda: Running(loop.name, loop.number), loop.stuck.append)
        self.cpu_ms = 0
        self.state = "R"
        self.fired: list[str] = []

    def _cpu_ns(self) -> int:
        return self.cpu_ms * 1_000_000

    def _thread_state(self) -> str:
        return self.state

    def _fire(self, running: Running) -> None:
        self.fired.append(running.name)

    def looks(self, count: int, cpu_ms_each: int) -> None:
        for _ in range(count):
            self.cpu_ms += cpu_ms_each
            self.look()


@pytest.fixture
def hand(loop: Loop) -> HandClock:
    loop.name, loop.number = "bot", 1
    made = HandClock(loop)
    made.look()
    return made


def test_the_fifth_look_at_the_same_busy_decision_fires(hand: HandClock) -> None:
    hand.looks(4, LOOK_MS)
    assert hand.fired == []

    hand.looks(1, LOOK_MS)

    assert hand.fired == ["bot"]


def test_a_decision_starved_of_the_processor_is_not_hung(hand: HandClock) -> None:
    """Everybody's compiler runs: the thread wants to run (state R) and gets a tenth of a processor."""
    hand.looks(19, LOOK_MS // 10)

    assert hand.fired == []


def test_a_process_that_was_stopped_makes_no_looks_and_so_no_hang(hand: HandClock) -> None:
    """After a night's sleep there is one look, however late the clock on the wall is."""
    hand.looks(1, 0)

    assert hand.fired == []


def test_a_decision_that_waits_for_something_has_a_second(hand: HandClock) -> None:
    hand.state = "S"
    hand.looks(19, 0)
    assert hand.fired == []

    hand.looks(1, 0)

    assert hand.fired == ["bot"]


def test_where_the_system_does_not_say_waiting_has_five_seconds(hand: HandClock) -> None:
    hand.state = ""
    hand.looks(99, 0)
    assert hand.fired == []

    hand.looks(1, 0)

    assert hand.fired == ["bot"]


@pytest.mark.fault("PRC-09", "MKT-14")
@pytest.mark.invariant("X1")
def test_a_loop_that_stands_still_for_two_seconds_is_told_once_with_its_stack(loop: Loop) -> None:
    hand = HandClock(loop)
    hand.beat()
    hand.look()

    hand.looks(39, 0)
    assert loop.stuck == []
    hand.looks(20, 0)

    (stall,) = loop.stuck
    assert stall.ms == 2_000
    assert "test_stall_guard.py" in stall.stack
    assert "/" not in stall.stack, "no folder of the machine"
    ended = hand.beat()
    assert ended is not None
    assert ended.ms == 59 * LOOK_MS
    assert hand.beat() is None, "told once"


def test_a_loop_that_has_not_begun_yet_is_not_stuck(loop: Loop) -> None:
    HandClock(loop).looks(100, 0)

    assert loop.stuck == []


def test_a_signal_that_comes_late_hits_nothing(loop: Loop) -> None:
    loop.guard._aim = 7
    loop.name, loop.number = "next", 8

    loop.guard._interrupt(0, None)


def test_stopping_gives_the_signal_and_the_thread_back() -> None:
    import signal

    before = signal.getsignal(signal.SIGUSR2)
    loop = Loop()
    loop.guard.start()
    loop.guard.stop()

    assert signal.getsignal(signal.SIGUSR2) == before
    assert "stall guard" not in {thread.name for thread in threading.enumerate()}
