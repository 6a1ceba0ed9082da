"""Plays recorded ticks into a virtual loop as fast as the processor allows, with the loop's timers in their places.

A tick that touches nothing is handled without the loop: asyncio runs only when a timer is due before the next tick, or
when a tick caused something. The same desk, exchange and gateway as live; the same order of events every time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from engine.clock import LoopClock
from engine.tick import Tick
from engine.virtual_time import VirtualLoop

Hear = Callable[[Tick], None]


async def feed_ticks(ticks: Iterable[Tick], loop: VirtualLoop, clock: LoopClock, first: Hear, then: Hear) -> int:
    """Hand each tick to `first` (the exchange) and `then` (the desk) at its instant; returns how many were played.

    Ticks come in time order; one of the past is handed over at once.
    """
    count = 0
    start_ns, loop_start, per_ns = clock.loop_line()
    for tick in ticks:
        due = loop_start + (tick.at_ns - start_ns) * per_ns
        if due >= loop.horizon_s:
            await clock.sleep_until(tick.at_ns)
            loop.horizon_s = loop.horizon()
        if due > loop.now_s:
            loop.now_s = due
        first(tick)
        then(tick)
        count += 1
    return count
