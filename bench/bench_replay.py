"""Replay speed: one leg pair with brackets and trailing, gateway, paper exchange and journal included (goal G7).

Synthetic ticks in memory, 250 a second and leg (the documents say 100-500 for a busy option), a random walk on the tick
size around 150 rupees. Beside it, in the same run, the loop that only reads the ticks.

Run: python bench/bench_replay.py [--ticks 2000000]
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import random
import time
from datetime import time as clock_time

from desks import ACCOUNT, DAY, contracts, make_desk
from machine import machine

from brokers.paper.account import PaperAccount
from brokers.paper.exchange import PaperExchange
from brokers.paper.rules import PaperRules
from engine.bracket_state import BracketTerms
from engine.clock import LoopClock
from engine.desk import Desk
from engine.entry_trigger import TriggerSettings
from engine.exit_rules.lock_fraction import LockFraction
from engine.exit_rules.registry import encode_rules
from engine.instant import NS_PER_S, at_ist
from engine.instrument import Instrument
from engine.journal.store import Journal
from engine.journal.writer import InlineWriter
from engine.tick import Tick
from engine.tick_feed import feed_ticks
from engine.virtual_time import VirtualLoop, run_virtual

TICKS_PER_S = 250


def walk(symbols: list[str], count: int, start_ns: int, seed: int = 7) -> list[Tick]:
    """Each symbol moves one tick size up or down on one tick in 50."""
    rng = random.Random(seed)
    gap_ns = NS_PER_S // (TICKS_PER_S * len(symbols))
    prices = dict.fromkeys(symbols, 15_000)
    ticks: list[Tick] = []
    for number in range(count):
        symbol = symbols[number % len(symbols)]
        price = prices[symbol]
        draw = rng.random()
        if draw < 0.01:
            price += 5
        elif draw < 0.02:
            price = max(2_000, price - 5)
        prices[symbol] = price
        ticks.append(Tick(symbol, start_ns + number * gap_ns, price, price - 5, 6500, price + 5, 6500))
    return ticks


async def replay(ticks: list[Tick], legs: list[Instrument], start_ns: int) -> tuple[float, float, Desk]:
    """Wall and CPU seconds of the ticks alone, and the desk as it is after them."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    clock = LoopClock(loop, start_ns)
    exchange = PaperExchange(legs, PaperRules(), lambda *_: True)
    port = PaperAccount(ACCOUNT, exchange, clock, random.Random(1))
    journal = Journal.in_memory()
    writer = InlineWriter(journal, loop, lambda error: None)
    terms = BracketTerms(rules=encode_rules([LockFraction()]))
    trigger = TriggerSettings(interval_ns=300 * NS_PER_S)
    desk = make_desk(legs, clock, port, journal, writer, bracket=terms, trigger=trigger)
    await desk.start()
    began, cpu_began = time.perf_counter(), time.process_time()
    await feed_ticks(ticks, loop, clock, exchange.on_tick, desk.on_tick)
    return time.perf_counter() - began, time.process_time() - cpu_began, desk


def read_only(ticks: list[Tick]) -> float:
    """CPU seconds of the loop that does nothing with the ticks."""
    began = time.process_time()
    newest = 0
    for tick in ticks:
        newest = max(newest, tick.at_ns) if tick.ltp_paise else newest
    return time.process_time() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ticks", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    legs = contracts(2)
    start_ns = at_ist(DAY, clock_time(9, 15))
    ticks = walk([leg.symbol for leg in legs], arguments.ticks, start_ns)
    gc.collect()
    gc.freeze()
    print(machine())
    results: list[tuple[float, float, float, Desk]] = []
    for _ in range(arguments.rounds):
        bare = read_only(ticks)
        took, cpu, desk = run_virtual(replay(ticks, legs, start_ns))
        results.append((cpu, took, bare, desk))
    cpu, took, bare, desk = sorted(results, key=lambda result: result[0])[len(results) // 2]
    count = len(ticks)
    print(
        f"G7   replay: {count / cpu:,.0f} ticks per CPU second ({count / took:,.0f}/s by the wall; median of"
        f" {arguments.rounds}; goal 1,000,000), {cpu / count * 1e9:.0f} ns a tick"
    )
    print(
        f"     {count:,} ticks, {len(desk.trips)} round trips, {desk.decisions.count} commands,"
        f" {desk.parts.writer.stats().batches} journal batches; decision hash {desk.decisions.text()}"
    )
    print(f"     beside it, reading the ticks only: {count / bare:,.0f} per CPU second ({cpu / bare:.1f}x)")


if __name__ == "__main__":
    main()
