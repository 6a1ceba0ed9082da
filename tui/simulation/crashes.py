"""Where the desk of a simulated day is killed: at a commit, or around a request, at instants that a seed draws.

A point is something the desk is about to do or has just done; a crash falls on the n-th point of its kind after its
instant, so that it always meets work and never an idle moment. Pure.
"""

from __future__ import annotations

from enum import StrEnum
from random import Random
from typing import Final

import msgspec

from engine.instant import NS_PER_S
from tui.simulation.seed_terms import Profile


class CrashPoint(StrEnum):
    """What was just about to happen, or had just happened."""

    BEFORE_COMMIT = "before commit"
    """The decision is lost, nothing was sent (STO-01)."""
    AFTER_COMMIT = "after commit"
    """The intent is on disk, nothing was sent (STO-02)."""
    BEFORE_SEND = "before send"
    """The gateway holds the request in its hand (STO-02)."""
    IN_FLIGHT = "in flight"
    """The request is on the wire (STO-03)."""
    ANSWERED = "answered"
    """The answer has come and was not looked at (STO-03)."""


FAULT_OF: Final = {
    CrashPoint.BEFORE_COMMIT: "STO-01",
    CrashPoint.AFTER_COMMIT: "STO-02",
    CrashPoint.BEFORE_SEND: "STO-02",
    CrashPoint.IN_FLIGHT: "STO-03",
    CrashPoint.ANSWERED: "STO-03",
}
IN_RECOVERY: Final = "STO-04"
RECOVERING_NS: Final = 10 * NS_PER_S
"""So long after its start a desk still counts as recovering."""
CRASH_FAULTS: Final = {
    "STO-01": "killed before a commit",
    "STO-02": "killed after a commit, before the request left",
    "STO-03": "killed with a request on the wire or an answer unread",
    "STO-04": "killed while it recovered",
}


class Crash(msgspec.Struct, frozen=True, kw_only=True):
    """One kill. With `at_point` it falls on that point of the day, counted from 0; else on the `nth` from `at_ns`."""

    at_ns: int = 0
    point: CrashPoint | None = None
    """None: whichever point comes first."""
    nth: int = 1
    at_point: int = -1
    down_ns: int = 3 * NS_PER_S
    """How long nobody is there."""


class Death(msgspec.Struct, frozen=True, kw_only=True):
    """One kill that happened."""

    point: CrashPoint
    at_ns: int
    work: str
    """What was sent or written: `place stop`, `intent of place entry`, `state`."""
    is_recovering: bool


class Crasher:
    """Asked at every point; each crash strikes once, in order."""

    def __init__(self, crashes: tuple[Crash, ...]) -> None:
        self._crashes = list(crashes)
        self._met = 0
        self._is_over = False
        self.points = 0
        """Points of the whole day so far: the size of a crash matrix."""

    def end(self) -> None:
        """The day was judged: nobody is killed any more, and what is still done is no point of it."""
        self._is_over = True

    def strikes(self, point: CrashPoint, now_ns: int) -> Crash | None:
        if self._is_over:
            return None
        number, self.points = self.points, self.points + 1
        if not self._crashes:
            return None
        crash = self._crashes[0]
        if crash.at_point >= 0:
            if number < crash.at_point:
                return None
        elif now_ns < crash.at_ns or (crash.point is not None and point is not crash.point):
            return None
        else:
            self._met += 1
            if self._met < crash.nth:
                return None
        self._met = 0
        return self._crashes.pop(0)


def drawn_crashes(seed: int, profile: Profile, from_ns: int, until_ns: int) -> tuple[Crash, ...]:
    """A seed's kills of one day: none on most swarm days, several on hostile ones; every third also in its recovery."""
    random = Random(f"{seed}/{profile.value}/crashes")
    if profile is Profile.CALM or (profile is Profile.SWARM and random.random() < 0.4):
        return ()
    most = 8 if profile.is_nasty else 4
    crashes: list[Crash] = []
    for at_ns in sorted(random.randrange(from_ns, until_ns) for _ in range(random.randint(1, most))):
        down_s = random.choice((1, 2, 3, 5, 10, 60))
        point = random.choice((None, *CrashPoint))
        crashes.append(Crash(at_ns=at_ns, point=point, nth=random.randint(1, 3), down_ns=down_s * NS_PER_S))
        if random.random() < 0.33:
            again_ns = at_ns + down_s * NS_PER_S
            crashes.append(Crash(at_ns=again_ns, nth=random.randint(1, 5), down_ns=random.choice((1, 2, 5)) * NS_PER_S))
    return tuple(crashes)
