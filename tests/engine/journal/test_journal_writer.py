"""Both writers: batches reach the disk in order, callbacks follow in that order and never before, nothing is lost."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.journal.errors import JournalBacklogFull, JournalError, JournalWriteFailed
from engine.journal.records import Batch, EventRow
from engine.journal.rows import Rows
from engine.journal.store import Journal
from engine.journal.writer import InlineWriter, JournalWriter, Writer
from engine.order import Order, OrderState

MakeWriter = type[JournalWriter] | type[InlineWriter]
BOTH = pytest.mark.parametrize("kind", [JournalWriter, InlineWriter])


class Disk:
    """A journal in a list, whose disk can go away and whose commits can be held up."""

    def __init__(self) -> None:
        self.stored: list[str] = []
        self.groups: list[int] = []
        self.is_away = False
        self.attempts = 0
        self.failures_planned = 0
        self.gate = threading.Event()
        self.gate.set()

    def write(self, group: Sequence[Rows]) -> None:
        self.gate.wait(timeout=5)
        self.attempts += 1
        if self.failures_planned:
            self.failures_planned -= 1
            raise JournalWriteFailed("disk I/O error")
        if self.is_away:
            raise JournalWriteFailed("disk I/O error")
        self.groups.append(len(group))
        for rows in group:
            self.stored.extend(row[2] for _, added in rows.chained for row in added)


def batch(number: int) -> Batch:
    return Batch(events=[EventRow(at_ns=number, level="INFO", event=str(number), source="test")])


def ignore(_: JournalError) -> None:
    """For tests whose subject is not the error."""


def raise_it(error: JournalError) -> None:
    raise error


@BOTH
@pytest.mark.fault("STO-02")
@pytest.mark.invariant("O1")
async def test_callbacks_come_in_order_and_each_after_its_batch_is_on_disk(kind: MakeWriter) -> None:
    disk = Disk()
    writer = kind(disk, asyncio.get_running_loop(), raise_it)
    called: list[int] = []

    def on_durable(number: int) -> None:
        assert str(number) in disk.stored
        called.append(number)

    for number in range(300):
        writer.submit(batch(number), lambda n=number: on_durable(n))
        if number % 37 == 0:
            await asyncio.sleep(0)
    await asyncio.wait_for(writer.drain(), 5)

    assert called == list(range(300))
    assert disk.stored == [str(n) for n in range(300)]
    await writer.close()


@BOTH
async def test_a_callback_never_runs_inside_submit(kind: MakeWriter) -> None:
    writer = kind(Disk(), asyncio.get_running_loop(), raise_it)
    called: list[int] = []

    writer.submit(batch(1), lambda: called.append(1))

    assert called == []
    await asyncio.wait_for(writer.drain(), 5)
    assert called == [1]
    await writer.close()


@BOTH
async def test_a_callback_may_submit_the_next_batch(kind: MakeWriter) -> None:
    disk = Disk()
    writer = kind(disk, asyncio.get_running_loop(), raise_it)
    finished = asyncio.Event()

    def chain(number: int) -> None:
        if number == 5:
            finished.set()
        else:
            writer.submit(batch(number), lambda: chain(number + 1))

    chain(0)
    await asyncio.wait_for(finished.wait(), 5)

    assert disk.stored == ["0", "1", "2", "3", "4"]
    await writer.close()


@BOTH
async def test_an_order_that_changes_after_submit_is_written_as_it_was(
    kind: MakeWriter, tmp_path: Path, make_order: Callable[..., Order]
) -> None:
    with Journal.open(tmp_path / "desk.db", now_ns=1) as journal:
        writer = kind(journal, asyncio.get_running_loop(), raise_it)
        order = make_order()
        writer.submit(Batch(orders=[order]), lambda: None)
        order.move(OrderState.SENT, 1)
        await writer.close()

        restored = journal.load("AB1234", trading_day="2026-11-23")

    assert [o.state for o in restored.orders] == [OrderState.INTENDED]


async def test_what_waits_goes_into_one_transaction() -> None:
    disk = Disk()
    disk.gate.clear()
    writer = JournalWriter(disk, asyncio.get_running_loop(), raise_it)

    for number in range(40):
        writer.submit(batch(number), lambda: None)
    disk.gate.set()
    await asyncio.wait_for(writer.drain(), 5)

    assert sum(disk.groups) == 40
    assert len(disk.groups) <= 2  # the first one alone, perhaps, then all that gathered meanwhile
    assert writer.stats().transactions == len(disk.groups)
    await writer.close()


@BOTH
@pytest.mark.fault("STO-09")
@pytest.mark.invariant("J3")
async def test_a_failed_write_is_reported_kept_and_written_in_order_when_the_disk_returns(kind: MakeWriter) -> None:
    disk = Disk()
    disk.failures_planned = 3
    errors: list[JournalError] = []
    called: list[int] = []
    writer = kind(disk, asyncio.get_running_loop(), errors.append, retry_s=0.001)

    for number in range(10):
        writer.submit(batch(number), lambda n=number: called.append(n))
    await asyncio.wait_for(writer.drain(), 5)

    assert disk.stored == [str(n) for n in range(10)]
    assert called == list(range(10))
    assert len(errors) == 3
    assert "disk I/O error" in str(errors[0])
    assert not writer.stats().failing
    await writer.close()


@BOTH
async def test_while_the_disk_is_away_nothing_is_called_durable(kind: MakeWriter) -> None:
    disk = Disk()
    disk.is_away = True
    told = asyncio.Event()
    called: list[int] = []
    writer = kind(disk, asyncio.get_running_loop(), lambda _: told.set(), retry_s=0.001)

    writer.submit(batch(1), lambda: called.append(1))
    writer.submit(batch(2), lambda: called.append(2))
    await asyncio.wait_for(told.wait(), 5)

    assert called == []
    assert writer.stats().failing
    assert writer.stats().waiting == 2
    disk.is_away = False
    await asyncio.wait_for(writer.drain(), 5)
    assert called == [1, 2]
    await writer.close()


@BOTH
async def test_a_fault_that_is_no_journal_error_is_reported_as_one(kind: MakeWriter) -> None:
    class Broken(Disk):
        def write(self, group: Sequence[Rows]) -> None:
            if not self.attempts:
                self.attempts += 1
                raise OverflowError("Python int too large to convert to SQLite INTEGER")
            super().write(group)

    errors: list[JournalError] = []
    writer = kind(Broken(), asyncio.get_running_loop(), errors.append, retry_s=0.001)
    writer.submit(batch(1), lambda: None)
    await asyncio.wait_for(writer.drain(), 5)

    assert [str(e) for e in errors] == ["journal: OverflowError: Python int too large to convert to SQLite INTEGER"]
    await writer.close()


@BOTH
@pytest.mark.invariant("X3")
async def test_the_backlog_is_bounded_and_says_so(kind: MakeWriter) -> None:
    disk = Disk()
    disk.is_away = True
    writer = kind(disk, asyncio.get_running_loop(), ignore, retry_s=0.001, waiting_max=3)
    for number in range(3):
        writer.submit(batch(number), lambda: None)

    with pytest.raises(JournalBacklogFull, match="3 batches wait"):
        writer.submit(batch(3), lambda: None)

    disk.is_away = False
    await asyncio.wait_for(writer.drain(), 5)
    writer.submit(batch(4), lambda: None)
    await writer.close()
    assert disk.stored == ["0", "1", "2", "4"]


@BOTH
async def test_close_writes_what_waits_and_takes_no_more(kind: MakeWriter) -> None:
    disk = Disk()
    writer = kind(disk, asyncio.get_running_loop(), raise_it)
    called: list[int] = []
    writer.submit(batch(1), lambda: called.append(1))

    await writer.close()
    await writer.close()

    assert called == [1]
    assert disk.stored == ["1"]
    with pytest.raises(JournalError, match="closed"):
        writer.submit(batch(2), lambda: None)


@BOTH
async def test_close_with_the_disk_away_says_how_much_is_lost(kind: MakeWriter) -> None:
    disk = Disk()
    disk.is_away = True
    writer = kind(disk, asyncio.get_running_loop(), ignore, retry_s=0.001)
    for number in range(2):
        writer.submit(batch(number), lambda: None)

    with pytest.raises(JournalError, match="2 batches are lost"):
        await writer.close(deadline_s=0.02)

    seen = disk.attempts
    await asyncio.sleep(0)
    assert disk.attempts == seen  # the writer has really stopped


async def test_a_callback_that_raises_holds_up_nobody() -> None:
    reported: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: reported.append(context["exception"]))
    disk = Disk()
    disk.gate.clear()
    writer = JournalWriter(disk, loop, raise_it)
    called: list[int] = []

    def broken() -> None:
        raise ValueError("a bug in a callback")

    writer.submit(batch(0), lambda: called.append(0))
    writer.submit(batch(1), broken)
    writer.submit(batch(2), lambda: called.append(2))
    disk.gate.set()
    await asyncio.wait_for(writer.drain(), 5)

    assert called == [0, 2]
    assert [str(exc) for exc in reported] == ["a bug in a callback"]
    await writer.close()


@BOTH
async def test_the_figures_of_the_health_panel(kind: MakeWriter) -> None:
    ticks = iter(range(0, 10**12, 2_000_000))
    writer = kind(Disk(), asyncio.get_running_loop(), raise_it, timer_ns=lambda: next(ticks))
    assert writer.stats().batches == 0

    for number in range(5):
        writer.submit(batch(number), lambda: None)
        await writer.drain()
    stats = writer.stats()

    assert (stats.transactions, stats.batches, stats.waiting) == (5, 5, 0)
    assert (stats.last_ms, stats.p99_ms, stats.worst_ms) == (2.0, 2.0, 2.0)
    await writer.close()


async def test_the_p99_sees_the_slow_commits_of_the_ring() -> None:
    spent_ms = [1] * 980 + [40] * 20
    now = [0]
    halves = iter([ms for ms in spent_ms for ms in (0, ms)])

    def timer_ns() -> int:
        now[0] += next(halves) * 1_000_000
        return now[0]

    writer = InlineWriter(Disk(), asyncio.get_running_loop(), raise_it, timer_ns=timer_ns)
    for number in range(1_000):
        writer.submit(batch(number), lambda: None)

    assert writer.stats().p99_ms == 40.0
    assert writer.stats().worst_ms == 40.0
    await asyncio.wait_for(writer.drain(), 5)


@settings(deadline=None, max_examples=60)
@given(
    steps=st.lists(st.sampled_from(["submit", "turn", "fail", "away", "back"]), max_size=40),
    threaded=st.booleans(),
)
def test_whatever_the_interleaving_order_and_durability_hold(steps: list[str], threaded: bool) -> None:
    """on_durable of n comes after n is on disk and before that of n+1; at the end everything is there once."""

    async def run() -> None:
        disk = Disk()
        called: list[str] = []
        writer: Writer
        make = JournalWriter if threaded else InlineWriter
        writer = make(disk, asyncio.get_running_loop(), ignore, retry_s=0.0005)
        submitted: list[str] = []

        def on_durable(name: str) -> None:
            assert name in disk.stored
            called.append(name)

        for step in steps:
            if step == "submit":
                name = str(len(submitted))
                submitted.append(name)
                writer.submit(batch(int(name)), lambda n=name: on_durable(n))
            elif step == "turn":
                await asyncio.sleep(0)
            elif step == "fail":
                disk.failures_planned += 1
            else:
                disk.is_away = step == "away"
            assert called == submitted[: len(called)]
        disk.is_away = False
        await asyncio.wait_for(writer.close(), 5)
        assert called == submitted == disk.stored

    asyncio.run(run())


async def test_two_runs_inline_call_back_in_the_same_turns() -> None:
    async def run() -> list[str]:
        story: list[str] = []
        loop = asyncio.get_running_loop()
        writer = InlineWriter(Disk(), loop, raise_it)
        for number in range(4):
            loop.call_soon(story.append, f"before {number}")
            writer.submit(batch(number), lambda n=number: story.append(f"durable {n}"))
        await writer.close()
        return story

    assert await run() == await run()


async def test_real_batches_through_the_thread_are_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "desk.db"
    with Journal.open(path, now_ns=1) as journal:
        writer = JournalWriter(journal, asyncio.get_running_loop(), raise_it)
        for number in range(100):
            writer.submit(batch(number), lambda: None)
        await writer.close()

    with sqlite3.connect(path) as reader:
        stored = [row[0] for row in reader.execute("SELECT event FROM events ORDER BY seq")]
    assert stored == [str(number) for number in range(100)]
