"""What a durable journal commit costs (performance goals G6, G6b, G6c), against its floor in the same process.

One realistic desk step - an order, its intent, its bracket, one event - is committed by the journal and, in turns with
it, appended as bytes to a file that already has its blocks, followed by fdatasync. Ratios of medians are the result;
absolute times only tell the machine. Run it as `python bench/bench_commit.py [--rounds N] [--folder DIR]`.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import selectors
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from engine.journal.errors import JournalError
from engine.journal.records import Batch, BracketRow, EventRow, IntentRow
from engine.journal.store import Journal, Synchronous
from engine.journal.writer import InlineWriter, JournalWriter
from engine.order import Order, OrderType, Role, Side

START_NS = 1_795_405_500_000_000_000  # 2026-11-23 09:15 IST
PER_ROUND = 200
BODY = msgspec.json.encode({"trail": {"armed": True, "best_paise": 10_450}, "attempts": [0] * 20, "note": "x" * 300})


def step(number: int) -> Batch:
    """What one entry writes."""
    at_ns = START_NS + number * 1_000_000
    order = Order(
        tag=f"R3F7K1B{number:08d}",
        account="AB1234",
        bracket_id=f"B{number // 3:06d}",
        bot="nifty-pair",
        role=Role.ENTRY,
        symbol="NIFTY01DEC2624500PE",
        exchange="NFO",
        product="NRML",
        side=Side.BUY,
        type=OrderType.LIMIT,
        qty=75,
        limit_paise=10_005 + number % 100,
        reason="entry",
        intended_ns=at_ns,
        state_ns=at_ns,
    )
    intent = IntentRow(
        tag=order.tag,
        op="place",
        account=order.account,
        bracket_id=order.bracket_id,
        role=order.role,
        symbol=order.symbol,
        side=order.side,
        type=order.type,
        qty=order.qty,
        limit_paise=order.limit_paise,
        trigger_paise=0,
        reason=order.reason,
        at_ns=at_ns,
    )
    bracket = BracketRow(
        bracket_id=order.bracket_id,
        account=order.account,
        bot=order.bot,
        symbol=order.symbol,
        style="resting",
        state="entering",
        open_qty=0,
        entry_paise=0,
        stop_paise=9_505,
        target_paise=10_505,
        opened_ns=at_ns,
        body=BODY,
    )
    event = EventRow(
        at_ns=at_ns,
        level="INFO",
        event="order_buy",
        source=order.bot,
        symbol=order.symbol,
        tag=order.tag,
        text=f"[ORDER] BUY {order.symbol} qty=75 @₹100.05",
    )
    return Batch(intents=[intent], orders=[order], brackets=[bracket], events=[event])


class Appender:
    """The floor: the same step as JSON bytes, appended to blocks that are there, and fdatasync."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.write(self._fd, bytes(16 << 20))
        os.fsync(self._fd)
        os.lseek(self._fd, 0, os.SEEK_SET)
        self._end = 0

    def commit(self, batch: Batch) -> None:
        line = msgspec.json.encode(batch) + b"\n"
        if self._end + len(line) > 16 << 20:
            os.lseek(self._fd, 0, os.SEEK_SET)
            self._end = 0
        self._end += os.write(self._fd, line)
        os.fdatasync(self._fd)


def median_us(commit: Callable[[Batch], None], batches: list[Batch]) -> float:
    spent: list[int] = []
    for batch in batches:
        started_ns = time.perf_counter_ns()
        commit(batch)
        spent.append(time.perf_counter_ns() - started_ns)
    return statistics.median(spent) / 1_000


def single_commit(folder: Path, rounds: int) -> None:
    """G6: the journal against append+fdatasync, FULL and NORMAL, in turns."""
    journals = {mode: _journal(folder, mode) for mode in ("FULL", "NORMAL")}
    floor = Appender(folder / "floor.bin")
    figures: dict[str, list[float]] = {"floor": [], "FULL": [], "NORMAL": []}
    number = 0
    for _ in range(rounds):
        for name, commit in (("floor", floor.commit), *((m, j.commit) for m, j in journals.items())):
            batches = [step(number + i) for i in range(PER_ROUND)]
            number += PER_ROUND
            figures[name].append(median_us(commit, batches))
    for journal in journals.values():
        journal.close()
    floor_us = statistics.median(figures["floor"])
    print(f"G6   append+fdatasync {floor_us:.0f} us ({_span(figures['floor'])})")
    for mode in ("FULL", "NORMAL"):
        ratios = [mine / bare for mine, bare in zip(figures[mode], figures["floor"], strict=True)]
        us = statistics.median(figures[mode])
        print(
            f"G6   journal {mode} {us:.0f} us ({_span(figures[mode])}), {us / floor_us:.2f}x the floor"
            f" (per round {min(ratios):.2f}-{max(ratios):.2f})"
        )


def intent_alone(number: int) -> Batch:
    """The least a place call needs on disk."""
    return Batch(intents=step(number).intents)


async def group_commit(folder: Path, rounds: int, what: str, make: Callable[[int], Batch]) -> None:
    """G6b: the wait until the last of n batches submitted at once is durable, in the writer thread."""
    loop = asyncio.get_running_loop()
    journal = _journal(folder, "FULL", what)
    writer = JournalWriter(journal, loop, _fail)
    waits: dict[int, list[float]] = {1: [], 10: [], 100: []}
    number = 0
    for _ in range(rounds):
        for size in waits:
            spent: list[float] = []
            for _ in range(30):
                batches = [make(number + i) for i in range(size)]
                number += size
                done = asyncio.Event()
                started_ns = time.perf_counter_ns()
                for batch in batches[:-1]:
                    writer.submit(batch, _pass)
                writer.submit(batches[-1], done.set)
                await done.wait()
                spent.append((time.perf_counter_ns() - started_ns) / 1_000)
            waits[size].append(statistics.median(spent))
    await writer.close()
    journal.close()
    one = statistics.median(waits[1])
    for size, spent in waits.items():
        us = statistics.median(spent)
        print(f"G6b  {size:3d} {what}s at once: {us:.0f} us until all are durable, {us / one:.2f}x one")


class TurnTimer(selectors.DefaultSelector):
    """A selector that knows how long the loop was busy between two waits for input: while it is, nothing else runs."""

    def __init__(self) -> None:
        super().__init__()
        self.worst_ns = 0
        self._woken_ns = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if self._woken_ns:
            self.worst_ns = max(self.worst_ns, time.perf_counter_ns() - self._woken_ns)
        ready = super().select(timeout)
        self._woken_ns = time.perf_counter_ns()
        return ready


async def standstill(folder: Path, rounds: int, turns: TurnTimer) -> None:
    """G6c: the longest busy turn of the loop around each commit, p99 over commits 2 ms apart."""
    loop = asyncio.get_running_loop()
    stalls: dict[str, list[float]] = {"thread": [], "loop": []}
    journals = {name: _journal(folder, "FULL", name) for name in stalls}
    writers = {
        "thread": JournalWriter(journals["thread"], loop, _fail),
        "loop": InlineWriter(journals["loop"], loop, _fail),
    }
    number = 0
    for _ in range(rounds):
        for name, writer in writers.items():
            worst_ns: list[int] = []
            for _ in range(PER_ROUND):
                number += 1
                batch, done = step(number), asyncio.Event()
                await asyncio.sleep(0.002)
                turns.worst_ns = 0
                writer.submit(batch, done.set)
                await done.wait()
                await asyncio.sleep(0)
                worst_ns.append(turns.worst_ns)
            worst_ns.sort()
            stalls[name].append(worst_ns[(len(worst_ns) - 1) * 99 // 100] / 1_000)
    for name, writer in writers.items():
        await writer.close()
        journals[name].close()
    on_loop, in_thread = (statistics.median(stalls[name]) for name in ("loop", "thread"))
    print(f"G6c  standstill p99: loop {on_loop:.0f} us, thread {in_thread:.0f} us, {in_thread / on_loop:.2f}x")


def _journal(folder: Path, mode: Synchronous, name: str = "") -> Journal:
    return Journal.open(folder / f"{name or mode}.db", synchronous=mode, now_ns=START_NS)


def _span(medians: list[float]) -> str:
    return f"{min(medians):.0f}-{max(medians):.0f}"


def _pass() -> None:
    """A batch nobody waits for."""


def _fail(error: JournalError) -> None:
    raise error


def main() -> None:
    parser = argparse.ArgumentParser(description="Cost of a durable journal commit against append+fdatasync.")
    parser.add_argument("--rounds", type=int, default=7, help="interleaved repeats (default 7)")
    parser.add_argument("--folder", type=Path, help="where to write: the disk that is measured (default: temporary)")
    options = parser.parse_args()
    print(
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cpus, Python {platform.python_version()},"
        f" SQLite {sqlite3.sqlite_version}; medians of {options.rounds} rounds of {PER_ROUND}"
    )
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        single_commit(folder, options.rounds)
        asyncio.run(group_commit(folder, options.rounds, "intent", intent_alone))
        asyncio.run(group_commit(folder, options.rounds, "step", step))
        turns = TurnTimer()
        with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(turns)) as runner:
            runner.run(standstill(folder, options.rounds, turns))


if __name__ == "__main__":
    main()
