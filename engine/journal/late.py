"""Batches that the disk keeps waiting: who is told, and where they are kept meanwhile (J3, STO-07, STO-09).

A batch is late when it is not durable `LATE_S` after it was handed over, or at once when the disk is known to fail.
Whoever asked for it is told once, in the order of the batches, after they were put aside in a second file
(`engine.journal.spill`) or that file has not answered in time either. Everything here runs on the loop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from engine.journal.rows import Rows

LATE_S: Final = 0.25
"""The budget of faults STO-07: what a naked position may be made to wait for its record."""
SPILL_S: Final = 0.05
"""How long the second file may hold up what could not wait for the first."""

Record = tuple[int, Rows]
"""A batch with its number: how many were handed over before it."""


class Shelter(Protocol):
    """Keeps batches until the journal has them."""

    def put(self, records: Sequence[Record], done: Callable[[], None]) -> None:
        """Append in order; `done` is called, from any thread, when the records are there or cannot be."""
        ...

    def clear(self) -> None:
        """The journal has everything that was put."""
        ...


class _Pending:
    """One batch that is not known to be durable."""

    __slots__ = ("is_durable", "is_late", "on_late", "record", "since_s")

    def __init__(self, record: Record, since_s: float, on_late: Callable[[], None] | None) -> None:
        self.record = record
        self.since_s = since_s
        self.on_late = on_late
        self.is_late = False
        self.is_durable = False


class LateWatch:
    """One per writer."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        is_failing: Callable[[], bool],
        *,
        shelter: Shelter | None,
        has_timer: bool,
    ) -> None:
        """Without a timer only a failing disk makes batches late: in virtual time a commit takes none."""
        self._loop = loop
        self._is_failing = is_failing
        self._shelter = shelter
        self._has_timer = has_timer
        self._pending: deque[_Pending] = deque()
        self._count = 0
        self._is_armed = False
        self._has_put = False
        self._is_asked = False

    @property
    def is_late(self) -> bool:
        """Batches go past the journal at this moment."""
        return bool(self._pending) and self._pending[0].is_late

    @property
    def oldest_ms(self) -> int:
        """How long the oldest batch has waited."""
        return int((self._loop.time() - self._pending[0].since_s) * 1_000) if self._pending else 0

    @property
    def put_aside(self) -> int:
        """Batches that wait and are late; with a shelter they are in it."""
        return sum(1 for pending in self._pending if pending.is_late)

    def add(self, rows: Rows, on_late: Callable[[], None] | None) -> None:
        """A batch was handed over."""
        self._pending.append(_Pending((self._count, rows), self._loop.time(), on_late))
        self._count += 1
        if self.is_late or self._is_failing():
            self._ask()
        elif self._has_timer and not self._is_armed:
            self._arm(LATE_S)

    def durable(self) -> None:
        """The oldest batch has reached the journal."""
        self._pending.popleft().is_durable = True
        if not self._pending and self._has_put and self._shelter is not None:
            self._has_put = False
            self._shelter.clear()

    def look(self) -> None:
        """Make late whatever is; called after a failed attempt as well."""
        self._is_asked = False
        if self._pending and (self._is_failing() or self.is_late or self.oldest_ms >= LATE_S * 1_000):
            self._make_late([pending for pending in self._pending if not pending.is_late])

    def _ask(self) -> None:
        """Soon, so that nobody is told from inside his own call."""
        if not self._is_asked:
            self._is_asked = True
            self._loop.call_soon(self.look)

    def _arm(self, after_s: float) -> None:
        self._is_armed = True
        self._loop.call_later(after_s, self._on_timer)

    def _on_timer(self) -> None:
        self._is_armed = False
        self.look()
        if self._pending and not self.is_late:
            self._arm(max(0.001, self._pending[0].since_s + LATE_S - self._loop.time()))

    def _make_late(self, group: list[_Pending]) -> None:
        for pending in group:
            pending.is_late = True
        if not group:
            return
        if self._shelter is None:
            _tell(group)
            return
        is_told = False

        def tell() -> None:
            nonlocal is_told
            if not is_told:
                is_told = True
                _tell(group)

        self._has_put = True
        self._shelter.put([pending.record for pending in group], lambda: self._from_any_thread(tell))
        self._loop.call_later(SPILL_S, tell)

    def _from_any_thread(self, tell: Callable[[], None]) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(tell)


def _tell(group: Sequence[_Pending]) -> None:
    for pending in group:
        if pending.on_late is not None and not pending.is_durable:
            pending.on_late()
