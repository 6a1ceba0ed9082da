"""An asyncio loop whose clock jumps: a day passes as fast as the processor allows, the same way every time (design §7).

Nothing sleeps, nothing selects. When no callback is ready the clock jumps exactly to the next timer; when there is no
timer either, the program waits for something that cannot happen and `Deadlock` is raised. Threads are refused, because
a thread would bring real time back in. Leans on private names of BaseEventLoop, pinned by a test.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Collection, Coroutine
from contextvars import Context
from typing import Any, NoReturn, TypeVar

_T = TypeVar("_T")


class Deadlock(RuntimeError):
    """Every task waits and no timer is set."""


class _Jump:
    """Stands where a selector would: instead of waiting it moves the loop's clock."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            raise Deadlock("every task waits and no timer is set")
        if timeout > 0:
            self._loop.jump(timeout)
        return []

    def close(self) -> None:
        """Nothing is open."""


class VirtualLoop(asyncio.BaseEventLoop):
    """Loop time starts at 0 and moves only by jumping to timers, or with a producer that is `ahead` between them."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        """The newest loop time that anybody has seen."""
        self.ahead: Callable[[], float] | None = None
        """Loop time of a producer that plays inside the horizon while the loop itself stands still; asked for only
        when somebody wants the time, never obeyed backwards."""
        self._selector = _Jump(self)
        self._clock_resolution = 1e-9
        self.horizon_s = math.inf
        """Never later than `horizon()`: lowered by every new timer and callback, set again by a producer after it
        let the loop run. One attribute to compare with, so that a tick which causes nothing costs next to nothing."""

    def time(self) -> float:
        if self.ahead is not None:
            self.now_s = max(self.now_s, self.ahead())
        return self.now_s

    def jump(self, timeout: float) -> None:
        """Called when nothing is ready: to the next timer exactly, not to now + timeout, which would round."""
        scheduled = self._timers()
        self.now_s = min(scheduled[0].when(), self.now_s + timeout) if scheduled else self.now_s + timeout

    def horizon(self) -> float:
        """Loop time up to which a synchronous producer may go before the loop must run; now when work is ready."""
        if self._ready_handles():
            return self.now_s
        scheduled = self._timers()
        return scheduled[0].when() if scheduled else math.inf

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> asyncio.Handle:
        self.horizon_s = -math.inf
        return super().call_soon(callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        self.horizon_s = min(self.horizon_s, when)
        return super().call_at(when, callback, *args, context=context)

    def _timers(self) -> list[asyncio.TimerHandle]:
        return vars(self)["_scheduled"]

    def _ready_handles(self) -> Collection[asyncio.Handle]:
        return vars(self)["_ready"]

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
