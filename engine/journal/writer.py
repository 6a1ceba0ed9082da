"""The order in which batches reach the disk, and who is told when they are there.

Both writers keep one promise: batches become durable in the order they were submitted, and `on_durable` of batch n is
called on the loop after n is on disk, before that of n+1, and never from inside `submit`. A failed write loses nothing:
the queue stays as it is, `on_error` is told, and the oldest batch is tried again until the disk returns (J3).

`JournalWriter` commits in a thread of its own, everything that waits in one transaction; it is for real time.
`InlineWriter` commits on the loop, inside `submit`, and calls back on the loop's next turn in the same order: no
thread, so a run in virtual time is the same every time.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import ClassVar, NamedTuple, Protocol, runtime_checkable

import msgspec

from engine.instant import NS_PER_MS, NS_PER_S
from engine.journal.errors import JournalBacklogFull, JournalError
from engine.journal.late import LateWatch, Shelter
from engine.journal.records import Batch
from engine.journal.rows import Rows, rows_of

_GROUP_MAX = 256
"""Batches of one transaction: bounds how long the first of them waits for the last."""
_RING = 1_024
"""Commits the p99 is taken over."""
SLOW_NS = 250 * NS_PER_MS
"""A commit above this is slow; when the 95th percentile is, nothing new is entered (STO-07)."""
_SLOW_SPAN_NS = 60 * NS_PER_S


class CommitStats(msgspec.Struct, frozen=True, kw_only=True):
    """How the disk does, for the health panel and the entry gate (STO-07)."""

    last_ms: float = 0.0
    p99_ms: float = 0.0
    """Over the newest 1,024 transactions."""
    worst_ms: float = 0.0
    """Of the same ones."""
    transactions: int = 0
    batches: int = 0
    """Durable so far."""
    waiting: int = 0
    """Submitted and not yet durable."""
    failing: bool = False
    """The newest attempt failed and the batches are being kept."""


class GroupStore(Protocol):
    """What a writer needs of a journal."""

    def write(self, group: Sequence[Rows]) -> None:
        """All of the group in one transaction, durable on return. Raises JournalError: none of it is."""
        ...


@runtime_checkable
class KeepsRoom(Protocol):
    """A journal that has space of its own to give up when the disk is full."""

    @property
    def shortage(self) -> str:
        """Why only what cannot wait should be written; empty while there is room."""
        ...

    def regain(self) -> None:
        """Take the space back when there is room again."""
        ...


class Writer(Protocol):
    """What the desk knows of either writer."""

    def submit(self, batch: Batch, on_durable: Callable[[], None], on_late: Callable[[], None] | None = None) -> None:
        """Queue a batch, taken as it is now. Raises JournalBacklogFull when too many wait; it is then not queued.

        `on_late` is called once, before `on_durable`, when the disk keeps the batch waiting (`engine.journal.late`).
        """
        ...

    def stats(self) -> CommitStats: ...

    def trouble(self) -> str:
        """Why nothing new should be begun: the disk fails, is slow or full. Empty when all is well."""
        ...

    async def drain(self) -> None:
        """Return when everything submitted so far is durable and its callbacks were called."""
        ...

    async def close(self, *, deadline_s: float = 5.0) -> None:
        """Drain and stop; raises JournalError naming how many batches are lost when the disk stays away."""
        ...


class _Waiting(NamedTuple):
    rows: Rows | None
    """None is a marker that writes nothing and only reports that its turn has come."""
    on_durable: Callable[[], None]


class _Durations:
    """A ring of commit times. Written by one thread, read by another: plain list stores only."""

    def __init__(self) -> None:
        self._ring_ns: list[int] = []
        self._recent_ns: deque[int] = deque()
        self._slow_ns: deque[int] = deque()
        """Ends of the last minute's transactions, and of the slow ones among them."""
        self.transactions = 0
        self.batches = 0
        self.failing = False

    def add(self, spent_ns: int, batches: int, now_ns: int) -> None:
        self._recent_ns.append(now_ns)
        if spent_ns > SLOW_NS:
            self._slow_ns.append(now_ns)
        for stamps in (self._recent_ns, self._slow_ns):
            while stamps and stamps[0] < now_ns - _SLOW_SPAN_NS:
                stamps.popleft()
        if len(self._ring_ns) < _RING:
            self._ring_ns.append(spent_ns)
        else:
            self._ring_ns[self.transactions % _RING] = spent_ns
        self.transactions += 1
        self.batches += batches
        self.failing = False

    def slow(self, now_ns: int) -> int:
        """Slow commits of the last minute when they are more than one in twenty, and not just one; else 0."""
        if not self._slow_ns:
            return 0
        slow = sum(1 for stamp in list(self._slow_ns) if stamp >= now_ns - _SLOW_SPAN_NS)
        return slow if slow > 1 and slow * 20 > len(self._recent_ns) else 0

    def stats(self, waiting: int) -> CommitStats:
        ring, transactions = list(self._ring_ns), self.transactions
        if not ring:
            return CommitStats(waiting=waiting, failing=self.failing)
        ordered = sorted(ring)
        return CommitStats(
            last_ms=ring[(transactions - 1) % _RING] / NS_PER_MS,
            p99_ms=ordered[(len(ordered) - 1) * 99 // 100] / NS_PER_MS,
            worst_ms=ordered[-1] / NS_PER_MS,
            transactions=transactions,
            batches=self.batches,
            waiting=waiting,
            failing=self.failing,
        )


class _Base:
    """What both writers share: the bound on the backlog, one measured attempt, and the drain."""

    in_real_time: ClassVar[bool]
    """The disk's own time passes while it works."""

    def __init__(
        self,
        journal: GroupStore,
        loop: asyncio.AbstractEventLoop,
        on_error: Callable[[JournalError], None],
        *,
        retry_s: float = 1.0,
        waiting_max: int = 10_000,
        timer_ns: Callable[[], int] | None = None,
        shelter: Shelter | None = None,
    ) -> None:
        """`on_error` is called on the loop for every failed attempt; `retry_s` is the wait until the next.

        `waiting_max` batches are kept at the most. `timer_ns` times the commits; without one the loop's own writer only
        shows the figures and never calls the disk slow, so that a run in virtual time repeats. `shelter` keeps late
        batches meanwhile.
        """
        self._journal = journal
        self._loop = loop
        self._on_error = on_error
        self._retry_s = retry_s
        self._waiting_max = waiting_max
        self._judges_speed = timer_ns is not None or self.in_real_time
        self._timer_ns = timer_ns or time.perf_counter_ns
        self._keeps_late = shelter is not None
        self._room = journal if isinstance(journal, KeepsRoom) else None
        self._error = ""
        self._late = LateWatch(loop, self._is_failing, shelter=shelter, has_timer=self.in_real_time)
        self._durations = _Durations()
        self._submitted = 0
        self._closed = False
        self._start()

    def submit(self, batch: Batch, on_durable: Callable[[], None], on_late: Callable[[], None] | None = None) -> None:
        """See `Writer.submit`. Called on the loop."""
        if self._closed:
            raise JournalError("journal writer is closed: the batch was not taken")
        if self._waiting >= self._waiting_max:
            raise JournalBacklogFull(
                f"journal: {self._waiting} batches wait for the disk, the most that are kept: this one was not taken"
            )
        rows = rows_of(batch)

        def durable() -> None:
            self._late.durable()
            on_durable()

        self._submitted += 1
        self._late.add(rows, on_late)
        self._enqueue(_Waiting(rows, durable))

    def stats(self) -> CommitStats:
        return self._durations.stats(self._waiting)

    def trouble(self) -> str:
        """See `Writer.trouble`."""
        if self._durations.failing:
            return self._error
        if self._late.is_late:
            return f"journal: a commit has been waiting for {self._late.oldest_ms} ms"
        if self._judges_speed and (slow := self._durations.slow(self._timer_ns())):
            return f"journal: {slow} commits of the last minute took more than {SLOW_NS // NS_PER_MS} ms"
        return self._room.shortage if self._room is not None else ""

    async def drain(self) -> None:
        """See `Writer.drain`."""
        done = asyncio.Event()
        self._enqueue(_Waiting(None, done.set))
        await done.wait()

    @property
    def _waiting(self) -> int:
        return self._submitted - self._durations.batches

    def _is_failing(self) -> bool:
        return self._durations.failing

    def _note_error(self, error: JournalError) -> None:
        """On the loop: an attempt has failed."""
        self._error = str(error)
        self._on_error(error)
        self._late.look()

    def _start(self) -> None:
        """Make what the particular writer needs; called once, at the end of construction."""
        raise NotImplementedError

    def _enqueue(self, waiting: _Waiting) -> None:
        raise NotImplementedError

    def _attempt(self, group: Sequence[_Waiting]) -> JournalError | None:
        """Commit the group in one transaction, on whatever thread this is; the error when nothing was written."""
        rows = [waiting.rows for waiting in group if waiting.rows is not None]
        if not rows:
            return None
        started_ns = self._timer_ns()
        try:
            self._journal.write(rows)
        except Exception as exc:  # noqa: BLE001  whatever it was, the batches are kept, it is reported and tried again
            error = exc if isinstance(exc, JournalError) else JournalError(f"journal: {type(exc).__name__}: {exc}")
            self._error = str(error)
            self._durations.failing = True
            return error
        now_ns = self._timer_ns()
        self._durations.add(now_ns - started_ns, len(rows), now_ns)
        if self._room is not None and self._room.shortage:
            self._room.regain()
        return None

    async def _drain_by(self, deadline_s: float) -> None:
        try:
            async with asyncio.timeout(deadline_s):
                await self.drain()
        except TimeoutError:
            fate = "put aside for the next start" if self._keeps_late else "lost"
            raise JournalError(
                f"journal: closed while the disk did not answer, {self._waiting} batches are {fate}"
            ) from None


class JournalWriter(_Base):
    """Commits in a thread that owns the connection; the loop never waits for the disk.

    The journal must not be used by anyone else between construction and the end of `close`.
    """

    in_real_time = True

    def _start(self) -> None:
        self._inbox: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._due: deque[Callable[[], None]] = deque()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="journal-writer", daemon=True)
        self._thread.start()

    async def close(self, *, deadline_s: float = 5.0) -> None:
        """See `Writer.close`. The journal itself stays open."""
        if self._closed:
            return
        self._closed = True
        try:
            await self._drain_by(deadline_s)
        finally:
            self._stop.set()
            self._inbox.put(None)
            # At most one attempt that is already under way; the connection must be free when this returns.
            await self._loop.run_in_executor(None, self._thread.join)

    def _enqueue(self, waiting: _Waiting) -> None:
        self._inbox.put(waiting)

    def _run(self) -> None:
        """The thread: take what waits, commit it together, report, repeat."""
        while not self._stop.is_set():
            try:
                first = self._inbox.get(timeout=self._retry_s if self._is_short else None)
            except Empty:
                if self._room is not None:
                    self._room.regain()
                continue
            if first is None:
                return
            group = [first]
            while len(group) < _GROUP_MAX:
                try:
                    more = self._inbox.get_nowait()
                except Empty:
                    break
                if more is None:
                    self._stop.set()
                    break
                group.append(more)
            self._store(group)

    @property
    def _is_short(self) -> bool:
        return self._room is not None and bool(self._room.shortage)

    def _store(self, group: list[_Waiting]) -> None:
        """Commit the group; after a failure one batch at a time, so that one that cannot be written holds up no other
        before it, and a nearly full disk is asked for little."""
        if self._commit(group):
            return
        for waiting in group:
            while not self._commit([waiting]):
                if self._stop.wait(self._retry_s):
                    return

    def _commit(self, group: list[_Waiting]) -> bool:
        error = self._attempt(group)
        if error is not None:
            self._tell(self._note_error, error)
            return False
        self._due.extend(waiting.on_durable for waiting in group)
        self._tell(self._deliver)
        return True

    def _tell(self, callback: Callable[..., None], *args: object) -> None:
        try:
            self._loop.call_soon_threadsafe(callback, *args)
        except RuntimeError:  # the loop is closed: the program is ending and nobody is left to tell
            self._stop.set()

    def _deliver(self) -> None:
        """On the loop: every callback that is due, in order. One that raises is reported by the loop, after which the
        rest go out; they wait in one queue, so those of a later commit cannot overtake them."""
        try:
            while self._due:
                self._due.popleft()()
        finally:
            if self._due:
                self._loop.call_soon(self._deliver)


class InlineWriter(_Base):
    """Commits inside `submit`, on the loop; callbacks follow through `call_soon`, which keeps their order."""

    in_real_time = False
    commit_s: float = 0.0
    """Loop time from a batch to its commit, for a simulated disk: what is submitted meanwhile shares the commit, and
    what should have waited for it and did not is seen to leave first. 0: inside `submit`."""

    def _start(self) -> None:
        self._kept: deque[_Waiting] = deque()
        self._retry: asyncio.TimerHandle | None = None

    async def close(self, *, deadline_s: float = 5.0) -> None:
        """See `Writer.close`; the deadline is loop time. The journal itself stays open."""
        if self._closed:
            return
        self._closed = True
        try:
            await self._drain_by(deadline_s)
        finally:
            if self._retry is not None:
                self._retry.cancel()

    def _enqueue(self, waiting: _Waiting) -> None:
        self._kept.append(waiting)
        if self._retry is not None:
            return
        if self.commit_s:
            self._retry = self._loop.call_later(self.commit_s, self._store)
        else:
            self._store()

    def _store(self) -> None:
        """Write what waits until nothing is left or an attempt fails; then come back after `retry_s`."""
        self._retry = None
        while self._kept:
            group = list(self._kept) if self.commit_s else [self._kept[0]]
            error = self._attempt(group)
            if error is not None:
                self._loop.call_soon(self._note_error, error)
                self._retry = self._loop.call_later(self._retry_s, self._store)
                return
            for _ in group:
                self._loop.call_soon(self._kept.popleft().on_durable)
