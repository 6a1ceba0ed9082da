"""An asyncio loop whose clock jumps: a day passes as fast as the processor allows, the same way every time (design §7).

Nothing sleeps, nothing selects. When no callback is ready the clock jumps exactly to the next timer; when there is no
timer either, the program waits for something that cannot happen and `Deadlock` is raised. Threads are refused, because
a thread would bring real time back in. Leans on private names of BaseEventLoop, pinned by a test.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context
from heapq import heapify, heappop, heappush
from typing import Any, Final, NoReturn, TypeVar

_T = TypeVar("_T")


class Deadlock(RuntimeError):
    """Every task waits and no timer is set."""


_RESOLUTION_S: Final = 1e-9
"""Timers due within it ring together, as on the real loop's clock."""
_CANCELLED_KEPT: Final = 100


class VirtualLoop(asyncio.BaseEventLoop):
    """Loop time starts at 0 and moves only by jumping to timers, or with a producer that is `ahead` between them."""

    def __init__(self) -> None:
        super().__init__()
        self._handles: deque[asyncio.Handle] = vars(self)["_ready"]
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        """A heap. The number tells timers of one instant apart: they ring in the order in which they were set."""
        self._timers_set = self._timers_cancelled = 0
        self.now_s = 0.0
        """The newest loop time that anybody has seen."""
        self.ahead: Callable[[], float] | None = None
        """Loop time of a producer that plays inside the horizon while the loop itself stands still; asked for only
        when somebody wants the time, never obeyed backwards."""
        self.horizon_s = math.inf
        """Never later than `horizon()`: lowered by every new timer and callback, set again by a producer after it
        let the loop run. One attribute to compare with, so that a tick which causes nothing costs next to nothing."""

    def time(self) -> float:
        if self.ahead is not None:
            self.now_s = max(self.now_s, self.ahead())
        return self.now_s

    def _run_once(self) -> None:
        """One turn, as BaseEventLoop's: what is due becomes ready, and what is ready now runs. With nothing ready the
        clock jumps to the next timer exactly."""
        handles, timers = self._handles, self._timers
        while timers and timers[0][2]._cancelled:  # pyright: ignore[reportPrivateUsage]
            heappop(timers)
        if not handles and not vars(self)["_stopping"]:
            if not timers:
                raise Deadlock("every task waits and no timer is set")
            if timers[0][0] > self.now_s:
                self.now_s = timers[0][0]
        if timers and timers[0][0] < (due_s := self.time() + _RESOLUTION_S):
            while timers and timers[0][0] < due_s:
                handles.append(heappop(timers)[2])
        for _ in range(len(handles)):
            handle = handles.popleft()
            if not handle._cancelled:  # pyright: ignore[reportPrivateUsage]
                handle._run()  # pyright: ignore[reportPrivateUsage]

    @property
    def timers_waiting(self) -> int:
        """Timers that are still to ring."""
        return sum(1 for timer in self._timers if not timer[2].cancelled())

    def horizon(self) -> float:
        """Loop time up to which a synchronous producer may go before the loop must run; now when work is ready."""
        if self._handles:
            return self.now_s
        return self._timers[0][0] if self._timers else math.inf

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> asyncio.Handle:
        self.horizon_s = -math.inf
        handle = asyncio.Handle(callback, args, self, context)
        self._handles.append(handle)
        return handle

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        if when < self.horizon_s:
            self.horizon_s = when
        self._timers_set += 1
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        heappush(self._timers, (when, self._timers_set, handle))
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """It stays in the heap until it is the first there, or until half of the heap is such."""
        self._timers_cancelled += 1
        if self._timers_cancelled > max(_CANCELLED_KEPT, len(self._timers) // 2):
            self._timers_cancelled = 0
            self._timers[:] = [timer for timer in self._timers if not timer[2].cancelled()]
            heapify(self._timers)

    def call_soon_threadsafe(
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        return self.call_soon(callback, *args, context=context)

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> NoReturn:
        raise RuntimeError("no threads in virtual time")

    def _process_events(self, event_list: list[Any]) -> None:
        """There is no selector, so there are no events."""


def run_virtual(main: Coroutine[Any, Any, _T]) -> _T:
    """`asyncio.run` on a fresh VirtualLoop."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
