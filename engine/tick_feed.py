"""Plays recorded ticks into a virtual loop as fast as the processor allows, with the loop's timers in their places.

A tick that touches nothing is handled without the loop: asyncio runs only when a timer is due before the next tick, or
when a tick caused something. The same desk, exchange and gateway as live; the same order of events every time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from engine.clock import LoopClock
from engine.tick import NO_TICK, Tick
from engine.virtual_time import VirtualLoop

Hear = Callable[[Tick], None]


async def feed_ticks(ticks: Iterable[Tick], loop: VirtualLoop, clock: LoopClock, first: Hear, then: Hear) -> int:
    """Hand each tick to `first` (the exchange) and `then` (the desk) at its instant; returns how many were played.

    Ticks come in time order; one of the past is handed over at once. The loop asks what time it is only when somebody
    wants to know: most ticks touch nothing, and nobody does.
    """
    count = 0
    horizon_s, horizon_ns = loop.horizon_s, _NOW
    tick = NO_TICK

    def playing_s() -> float:
        return clock.loop_time(tick.at_ns)

    try:
        for tick in ticks:
            if tick.at_ns >= horizon_ns:
                loop.ahead = None
                await clock.sleep_until(tick.at_ns)
                horizon_s = loop.horizon_s = loop.horizon()
                horizon_ns = _instant(clock, horizon_s)
                loop.ahead = playing_s
            first(tick)
            then(tick)
            count += 1
            if loop.horizon_s is not horizon_s:
                loop.time()
                horizon_s = loop.horizon_s
                horizon_ns = _instant(clock, horizon_s)
    finally:
        if loop.ahead is not None:
            loop.time()
            loop.ahead = None
    return count


_NOW = -1
"""Before every tick: the loop must run first."""
_NEVER = 1 << 62


def _instant(clock: LoopClock, loop_s: float) -> int:
    if math.isinf(loop_s):
        return _NEVER if loop_s > 0 else _NOW
    return clock.instant_of(loop_s)
