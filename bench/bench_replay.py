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
from datetime import date
from datetime import time as clock_time

from machine import machine

from brokers.paper.account import PaperAccount
from brokers.paper.demo_market import demo_symbol
from brokers.paper.exchange import PaperExchange
from brokers.paper.rules import PaperRules
from engine.bracket_state import BracketTerms
from engine.clock import LoopClock
from engine.desk import Desk
from engine.desk_parts import DeskLabels, DeskParts, DeskTimes
from engine.entry_trigger import TriggerSettings
from engine.gateway import GatewayLimits
from engine.instant import NS_PER_S, at_ist
from engine.instrument import Instrument, OptionType, Segment
from engine.journal.store import Journal
from engine.journal.writer import InlineWriter
from engine.legs import LegsTerms, PairPolicy
from engine.log import LogBook
from engine.port import ReadFailed
from engine.risk import RiskLimits
from engine.secrets import Redactions
from engine.session import Calendar
from engine.tick import Tick
from engine.tick_feed import feed_ticks
from engine.trailing import LockFraction
from engine.virtual_time import VirtualLoop, run_virtual

DAY = date(2026, 11, 25)
TICKS_PER_S = 250


def instruments() -> list[Instrument]:
    return [
        Instrument(
            symbol=demo_symbol(date(2026, 12, 1), 24_500_00, kind),
            exchange="NFO",
            segment=Segment.INDEX_OPTION,
            lot_size=65,
            tick_paise=5,
            freeze_qty=1800,
            underlying="NIFTY",
            expiry=date(2026, 12, 1),
            strike_paise=24_500_00,
            option_type=kind,
        )
        for kind in OptionType
    ]


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


class NoMarket:
    def listen(self, on_tick) -> None: ...

    async def connect(self) -> None: ...

    async def close(self) -> None: ...

    async def subscribe(self, symbols) -> None: ...

    async def instruments(self):
        return []

    async def quote(self, symbol: str) -> Tick:
        raise ReadFailed("ticks are played, not asked for")


async def replay(ticks: list[Tick], contracts: list[Instrument], start_ns: int) -> tuple[float, Desk]:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    clock = LoopClock(loop, start_ns)
    exchange = PaperExchange(contracts, PaperRules(), lambda *_: True)
    port = PaperAccount("bench", exchange, clock, random.Random(1))
    journal = Journal.in_memory()
    run_no = journal.start_run(started_ns=start_ns, version="bench", mode="bench", account="bench")
    desk = Desk(
        DeskParts(
            clock=clock,
            port=port,
            market=NoMarket(),
            instruments={c.symbol: c for c in contracts},
            calendar=Calendar.load(),
            writer=InlineWriter(journal, loop, lambda error: None),
            log=LogBook(Redactions()),
            run_no=run_no,
            terms=LegsTerms(
                bot="bench",
                account="bench",
                exchange="NFO",
                product="MIS",
                lots=1,
                pair_policy=PairPolicy.INDEPENDENT,
                bracket=BracketTerms(trail=LockFraction()),
                limits=RiskLimits(),
            ),
            trigger=TriggerSettings(interval_ns=300 * NS_PER_S),
            times=DeskTimes(),
            labels=DeskLabels(mode="BENCH", broker="paper", is_live=False),
            limits=GatewayLimits(),
            restored=journal.load("bench", trading_day=DAY.isoformat()),
            charges_of=lambda orders, now: 0,
            legs=tuple(c.symbol for c in contracts),
        )
    )
    await desk.start()
    began = time.perf_counter()
    await feed_ticks(ticks, loop, clock, exchange.on_tick, desk.on_tick)
    return time.perf_counter() - began, desk


def read_only(ticks: list[Tick]) -> float:
    began = time.perf_counter()
    newest = 0
    for tick in ticks:
        newest = max(newest, tick.at_ns) if tick.ltp_paise else newest
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ticks", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    contracts = instruments()
    start_ns = at_ist(DAY, clock_time(9, 15))
    ticks = walk([c.symbol for c in contracts], arguments.ticks, start_ns)
    gc.collect()
    gc.freeze()
    print(machine())
    results = []
    for _ in range(arguments.rounds):
        bare = read_only(ticks)
        took, desk = run_virtual(replay(ticks, contracts, start_ns))
        results.append((took, bare, desk))
    took, bare, desk = sorted(results, key=lambda r: r[0])[len(results) // 2]
    count = len(ticks)
    trips = len(desk.trips)
    print(
        f"replay: {count / took:,.0f} ticks/s (median of {arguments.rounds}; goal 1,000,000)   "
        f"{took / count * 1e9:.0f} ns a tick, {count:,} ticks, {trips} round trips, {desk.decisions.count} commands, "
        f"{desk.parts.writer.stats().batches} journal batches"
    )
    print(f"beside it, reading the ticks only: {count / bare:,.0f} ticks/s ({took / bare:.1f}x)")


if __name__ == "__main__":
    main()
