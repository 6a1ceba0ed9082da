"""Drives a made market: one sleep a step, day after day, and noise that is a function of its input alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol, TypeVar

from brokers.paper.index_path import STEP_NS
from engine.instant import NS_PER_S
from engine.port import Clock

_LATE_NS: Final = NS_PER_S
"""A loop that was away longer than this (a suspended machine) takes up the newest step instead of every missed one."""
_MASK: Final = (1 << 64) - 1


class SteppedDay(Protocol):
    """A trading day cut into steps of `STEP_NS`."""

    open_ns: int
    close_ns: int
    steps: int


Day = TypeVar("Day", bound=SteppedDay)


async def play(
    clock: Clock,
    start_ns: int,
    day_open_at: Callable[[int], Day],
    begin: Callable[[Day], None],
    show: Callable[[Day, int], None],
) -> None:
    """Show every step from `start_ns` for ever; `begin` hears each day before its first. Ends only by cancellation."""
    day = day_open_at(start_ns)
    step = max(0, -(-(start_ns - day.open_ns) // STEP_NS))
    while True:
        begin(day)
        while step < day.steps:
            await clock.sleep_until(day.open_ns + step * STEP_NS)
            late_ns = clock.now_ns() - (day.open_ns + step * STEP_NS)
            if late_ns > _LATE_NS:
                step = min(day.steps - 1, step + late_ns // STEP_NS)
            show(day, step)
            step += 1
        day, step = day_open_at(day.close_ns), 0


def mixed(value: int) -> int:
    """SplitMix64's finaliser (Steele, Lea, Flood 2014): neighbouring inputs give unrelated 64-bit numbers."""
    value = (value + 0x9E3779B97F4A7C15) & _MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)
