"""A desk with 100 open positions and 5,000 journalled orders comes back: how much of it is our own time (OPS-17, R7).

A whole day is traded first, in virtual time, into a journal file: rounds of 100 legs entered, protected by a stop and a
target each, and left by key, until the journal holds its orders; then 100 positions are opened and the desk is dropped.
While nobody runs, ten targets fill at the exchange. What is timed is the next start: the file opened and verified, what
it knows loaded, the desk built and restored, and the course of recovery up to protection and entries. The venue answers
at once and the clock is virtual, so that no wait of the desk is in it, only work. The judge is the exchange: the same
orders afterwards, every position held by the journal and by the exchange alike, and nothing sent but the cancels of the
ten other exits.

Run: python bench/recovery.py [--positions 100] [--orders 5000] [--quick]
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import time as clock_time
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import NamedTuple

from desks import ACCOUNT, DAY, contracts, make_desk
from machine import machine

from brokers.paper.account import Latency, PaperAccount
from brokers.paper.exchange import PaperExchange
from brokers.paper.rules import PaperRules
from engine.bracket_state import BracketTerms
from engine.clock import LoopClock
from engine.desk import Desk
from engine.gateway import GatewayLimits
from engine.instant import NS_PER_MS, NS_PER_S, at_ist
from engine.instrument import Instrument
from engine.journal.store import Journal
from engine.journal.writer import InlineWriter
from engine.operator import Enter, ExitLeg
from engine.order import Side
from engine.tick import Tick
from engine.virtual_time import run_virtual

START_NS = at_ist(DAY, clock_time(9, 30))
PRICE, TARGET = 15_000, 15_500
TERMS = BracketTerms(stop_offset_paise=500, target_offset_paise=500, max_tick_age_ns=3_600 * NS_PER_S)
UNLIMITED = GatewayLimits(orders_per_s=100_000, orders_per_min=1_000_000, exit_reserve_per_s=1_000)
GOAL_MS = 1_000
FILLED_WHILE_DOWN = 10
_REPEATS = 5
_PATIENCE_S = 60


class Spent(NamedTuple):
    """Milliseconds of one restart, part by part."""

    opened: float
    built: float
    """What the journal knows loaded, and the desk made of it."""
    recovered: float

    @property
    def total(self) -> float:
        return sum(self)


class Venue:
    """The exchange of the bench, and every desk that trades at it in turn."""

    def __init__(self, legs: Sequence[Instrument], clock: LoopClock) -> None:
        self.legs = list(legs)
        self.clock = clock
        self.exchange = PaperExchange(self.legs, PaperRules(funds_paise=10**14), lambda *_: True)

    def desk(self, journal: Journal) -> Desk:
        at_once = Latency(request_ms=(0, 0), push_ms=(0, 0), overtake_pct=0)
        port = PaperAccount(ACCOUNT, self.exchange, self.clock, Random(1), latency=at_once, orders_per_s_max=10**6)
        writer = InlineWriter(journal, asyncio.get_running_loop(), lambda _error: None)
        return make_desk(self.legs, self.clock, port, journal, writer, bracket=TERMS, limits=UNLIMITED)

    def price(self, desk: Desk | None, paise: int, legs: Sequence[Instrument]) -> None:
        for leg in legs:
            tick = Tick(leg.symbol, self.clock.now_ns(), paise, paise, 100_000, paise, 100_000)
            self.exchange.on_tick(tick)
            if desk is not None:
                desk.on_tick(tick)

    async def until(self, desk: Desk, true: Callable[[], bool]) -> None:
        """Second by second, with prices: an old book fills nobody."""
        for _ in range(_PATIENCE_S):
            self.price(desk, PRICE, self.legs)
            await self.clock.sleep_until(self.clock.now_ns() + NS_PER_S)
            if true():
                return
        raise SystemExit(f"the day before the restart does not come about: {list(desk.failures)}")


async def trade_until(venue: Venue, desk: Desk, orders: int) -> None:
    """Rounds of entries and exits of all legs, and then every leg open and protected."""
    request = 0
    while len(venue.exchange.orders(ACCOUNT)) < orders - 3 * len(venue.legs):
        request += 1
        venue.price(desk, PRICE, venue.legs)
        desk.submit(Enter(request_id=f"enter{request}", side=Side.BUY))
        await venue.until(desk, lambda: all_protected(venue, desk))
        for leg in venue.legs:
            desk.submit(ExitLeg(request_id=f"exit{request}-{leg.symbol}", symbol=leg.symbol))
        await venue.until(desk, lambda: not desk.any_active)
    venue.price(desk, PRICE, venue.legs)
    desk.submit(Enter(request_id="last", side=Side.BUY))
    await venue.until(desk, lambda: all_protected(venue, desk))


def all_protected(venue: Venue, desk: Desk) -> bool:
    held = desk.open_brackets()
    return len(held) == len(venue.legs) and all(b.open_qty > 0 and b.covered_qty == b.open_qty for b in held)


async def drop(desk: Desk) -> None:
    """As a crash leaves it: the tasks are gone, the file is what it is."""
    desk.timer.disarm()
    desk.main.reader.close()
    for task in list(desk._tasks):
        task.cancel()
    await asyncio.gather(*desk._tasks, return_exceptions=True)


async def restart(venue: Venue, path: Path) -> tuple[Spent, Desk, Journal]:
    """The next start on that file, timed."""
    stamps = [time.perf_counter_ns()]
    journal = Journal.open(path, now_ns=venue.clock.now_ns())
    stamps.append(time.perf_counter_ns())
    desk = venue.desk(journal)
    stamps.append(time.perf_counter_ns())
    await desk.start()
    stamps.append(time.perf_counter_ns())
    opened, built, recovered = ((b - a) / NS_PER_MS for a, b in pairwise(stamps))
    return Spent(opened, built, recovered), desk, journal


async def measure(positions: int, orders: int, folder: Path) -> list[Spent]:
    clock = LoopClock(asyncio.get_running_loop(), START_NS)
    venue = Venue(contracts(positions), clock)
    path = folder / "day.db"
    journal = Journal.open(path, synchronous="NORMAL", now_ns=clock.now_ns())
    desk = venue.desk(journal)
    await desk.start()
    await trade_until(venue, desk, orders)
    await drop(desk)
    journal.close()
    venue.price(None, TARGET, venue.legs[:FILLED_WHILE_DOWN])
    rows = len(venue.exchange.orders(ACCOUNT))
    spent: list[Spent] = []
    for number in range(_REPEATS):
        one, desk, journal = await restart(venue, copy_of(folder, number))
        spent.append(one)
        judge(venue, desk, rows, positions)
        await drop(desk)
        journal.close()
    summary = desk.main.reader.recovery.summary
    print(f"recovery of {positions} positions and {rows} orders of the day, {FILLED_WHILE_DOWN} filled while down")
    if summary is not None:
        print(f"  {summary.matched} orders matched, {len(summary.held)} positions held")
    return spent


def copy_of(folder: Path, number: int) -> Path:
    """The journal as the crash left it, with everything that lies beside it."""
    copy = folder / f"restart{number}"
    copy.mkdir()
    for file in folder.glob("day.db*"):
        shutil.copy(file, copy / file.name)
    return copy / "day.db"


def judge(venue: Venue, desk: Desk, rows: int, positions: int) -> None:
    """By the exchange's own books."""
    held = sum(1 for report in venue.exchange.positions(ACCOUNT) if report.net_qty)
    covered = sum(1 for b in desk.open_brackets() if b.open_qty > 0 and b.covered_qty == b.open_qty)
    if len(venue.exchange.orders(ACCOUNT)) != rows or held != covered or held != positions - FILLED_WHILE_DOWN:
        raise SystemExit(f"not recovered: {held} held, {covered} protected, {desk.failures}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--positions", type=int, default=100)
    parser.add_argument("--orders", type=int, default=5_000)
    parser.add_argument("--quick", action="store_true", help="20 positions, 500 orders")
    options = parser.parse_args()
    positions, orders = (20, 500) if options.quick else (options.positions, options.orders)
    with tempfile.TemporaryDirectory() as name:
        spent = run_virtual(measure(positions, orders, Path(name)))
    ordered = sorted(spent, key=lambda one: one.total)
    for word, one in (("median", ordered[len(ordered) // 2]), ("worst", ordered[-1])):
        print(
            f"  {word} of {len(spent)}: {one.total:.0f} ms = open and verify {one.opened:.0f} + load and build "
            f"{one.built:.0f} + recover {one.recovered:.0f}; goal {GOAL_MS} ms"
        )
    print(machine())


if __name__ == "__main__":
    main()
