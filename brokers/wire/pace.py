"""Spreads reads so that a broker's limit per second is never reached; each kind of read has its own line."""

from __future__ import annotations

import asyncio
from collections import deque


class Pace:
    """At most `most` calls in any `span_s` real seconds; callers wait their turn, in order."""

    def __init__(self, most: int, span_s: float = 1.0) -> None:
        self._most = most
        self._span_s = span_s
        self._times: deque[float] = deque(maxlen=most)
        self._line = asyncio.Lock()

    async def turn(self) -> None:
        """Returns when the call may leave."""
        loop = asyncio.get_running_loop()
        async with self._line:
            if len(self._times) == self._most:
                await asyncio.sleep(max(0.0, self._times[0] + self._span_s - loop.time()))
            self._times.append(loop.time())

    def hold(self, seconds: float) -> None:
        """The broker said 429: nothing leaves for so long."""
        later = asyncio.get_running_loop().time() + seconds
        self._times.clear()
        self._times.extend([later - self._span_s] * self._most)
