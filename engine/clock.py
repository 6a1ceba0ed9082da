"""The desk's clock on an asyncio loop: exchange time that runs `speed` times as fast as the loop's own time.

The loop is real when a screen or a broker is there, and virtual (`engine.virtual_time`) in replay and simulation; this
class is the same in both. A timer may fire early by the loop's resolution, so `sleep_until` looks again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from engine.instant import NS_PER_S


class LoopClock:
    """Exchange time = `start_ns` + loop time since construction x `speed`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, start_ns: int, speed: float = 1.0) -> None:
        if speed <= 0:
            raise ValueError(f"speed {speed}: must be above zero")
        self._loop = loop
        self._start_ns = start_ns
        self._loop_start = loop.time()
        self._speed = speed

    @classmethod
    def wall(cls, loop: asyncio.AbstractEventLoop) -> LoopClock:
        """Real time: the wall clock is read once, then the loop's monotonic clock carries it (T1)."""
        return cls(loop, time.time_ns())

    @classmethod
    def anchored(cls, loop: asyncio.AbstractEventLoop, at_ns: int, monotonic_ns: int, speed: float = 1.0) -> LoopClock:
        """A clock that shows `at_ns` at an instant of the machine's monotonic clock, which a real loop's time is.

        Two processes of one machine that build it from the same figures read the same time.
        """
        clock = cls(loop, at_ns, speed)
        clock._loop_start = monotonic_ns / NS_PER_S
        return clock

    def loop_time(self, at_ns: int) -> float:
        """The loop's own time of an instant of this clock, in seconds."""
        return self._loop_start + (at_ns - self._start_ns) / (NS_PER_S * self._speed)

    def instant_of(self, loop_time: float) -> int:
        """The instant of this clock at a loop time: the other way round."""
        return self._start_ns + round((loop_time - self._loop_start) * self._speed * NS_PER_S)

    @property
    def speed(self) -> float:
        return self._speed

    def now_ns(self) -> int:
        return self._start_ns + round((self._loop.time() - self._loop_start) * self._speed * NS_PER_S)

    def call_at(self, at_ns: int, callback: Callable[[], None]) -> asyncio.TimerHandle:
        return self._loop.call_at(self.loop_time(at_ns), callback)

    async def sleep_until(self, at_ns: int) -> None:
        while self.now_ns() < at_ns:
            reached = self._loop.create_future()
            handle = self._loop.call_at(self.loop_time(at_ns), _wake, reached)
            try:
                await reached
            finally:
                handle.cancel()


def _wake(reached: asyncio.Future[None]) -> None:
    if not reached.done():
        reached.set_result(None)
