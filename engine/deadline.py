"""One overall deadline around a call to the outside world, in the desk's own time (ORD-11, NET-01).

The call is cancelled when its time is over. What that means is the caller's affair: a write without an answer is
unknown, a read without one proves nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from engine.instant import ns_from_s
from engine.port import Clock

_T = TypeVar("_T")


class NoAnswer(Exception):
    """The call did not come back in time."""


async def within(clock: Clock, asked: Awaitable[_T], limit_s: float) -> _T:
    """The answer, or NoAnswer after `limit_s` seconds of the clock. A cancelled caller stays cancelled."""
    call = asyncio.ensure_future(asked)
    timer = clock.call_at(clock.now_ns() + ns_from_s(limit_s), lambda: _give_up(call))
    try:
        return await call
    except asyncio.CancelledError:
        if call.cancelled() and not _is_cancelling():
            raise NoAnswer(f"no answer in {limit_s:g} s") from None
        call.cancel()
        raise
    finally:
        timer.cancel()


def _give_up(call: asyncio.Future[_T]) -> None:
    call.cancel()


def _is_cancelling() -> bool:
    """True when the caller itself is being ended, not just the call it waits for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
