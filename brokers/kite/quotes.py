"""Quotes by request, gathered: Kite takes one call a second with up to 500 instruments in it (facts/kite.md §6)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from engine.port import ReadFailed

Fetch = Callable[[Sequence[str]], Awaitable[Mapping[str, Any]]]
"""One call for these keys, which waits its turn before it looks at them; raises ReadFailed."""


class Quotes:
    """Whoever asks while a call waits for its turn is answered by that call."""

    def __init__(self, turn: Callable[[], Awaitable[None]], fetch: Fetch, most: int) -> None:
        self._turn = turn
        self._fetch = fetch
        self._most = most
        self._waiting: dict[str, asyncio.Future[object]] = {}
        self._task: asyncio.Task[None] | None = None

    async def ask(self, key: str) -> object:
        """The item of this key; None when the broker leaves it out. Raises ReadFailed."""
        loop = asyncio.get_running_loop()
        if key not in self._waiting:
            self._waiting[key] = loop.create_future()
        future = self._waiting[key]
        if self._task is None:
            self._task = loop.create_task(self._serve(), name="kite quotes")
        item = await asyncio.shield(future)
        if isinstance(item, ReadFailed):
            raise ReadFailed(str(item))
        return item

    async def close(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        self._answer(self._take(), ReadFailed("the session is closed"))

    async def _serve(self) -> None:
        while self._waiting:
            await self._turn()
            asked = self._take()
            try:
                items = await self._fetch(list(asked))
            except ReadFailed as failure:
                self._answer(asked, failure)
            except asyncio.CancelledError:
                self._answer(asked, ReadFailed("the session is closed"))
                raise
            else:
                for key, future in asked.items():
                    future.set_result(items.get(key))
        self._task = None

    def _take(self) -> dict[str, asyncio.Future[object]]:
        keys = list(self._waiting)[: self._most]
        return {key: self._waiting.pop(key) for key in keys}

    def _answer(self, asked: Mapping[str, asyncio.Future[object]], failure: ReadFailed) -> None:
        for future in asked.values():
            future.set_result(failure)
