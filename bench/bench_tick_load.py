"""2,500 ticks a second over five positions for a minute: how long a tick waits, and whether one is missed (RTP-08).

A whole desk in real time without a screen; the ticks come through a socket from another process, each with the instant
it was sent, so a desk that falls behind is measured and not waited for. One tick in fifty is a new highest price that
only that tick shows: the position must know it at once. Every second one position gets a single tick at its stop: it
must leave by that very price; it is entered again. Between them a bare reader of the same feed shows what the machine
itself makes a tick wait. Run: python bench/bench_tick_load.py [--seconds 60] [--quick]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from array import array
from collections.abc import Sequence
from pathlib import Path

from desks import contracts
from feed import DIP, Feed, FeedMarket, FeedPlan
from live_desk import START_NS, LiveDesk, cpu_s
from machine import machine

from engine.bracket_state import BracketTerms
from engine.clock import LoopClock
from engine.exit_rules.lock_fraction import LockFraction
from engine.exit_rules.registry import encode_rules
from engine.tick import Tick
from engine.view import ExitStyle

LEGS = 5
TICKS_PER_S = 2_500
HIGHS_EVERY = 50
DIP_EVERY_S = 1.0
GOAL_MS = 50
_PLAN = FeedPlan(LEGS, TICKS_PER_S, highs_every=HIGHS_EVERY)
_TERMS = BracketTerms(
    style=ExitStyle.MONITORED,
    stop_offset_paise=300,
    target_offset_paise=1_000_000,
    rules=encode_rules([LockFraction(activation_bps=10_000)]),
)
"""A trailing rule that never arms: it asks to see every new best price and moves nothing."""


class Witness:
    """Holds every extreme tick against what the position has made of it, right after the desk was done with it."""

    def __init__(self, live: LiveDesk) -> None:
        self._live = live
        self._legs = {symbol: number for number, symbol in enumerate(live.symbols)}
        self.highs = self.highs_missed = self.dips = self.dips_missed = 0

    def on_extreme(self, tick: Tick) -> None:
        bracket = self._live.bracket(self._legs[tick.symbol])
        if bracket is None or bracket.open_qty <= 0 or not bracket.body.entry_paise:
            return
        body = bracket.body
        if tick.ltp_paise == DIP:
            self.dips += 1
            self.dips_missed += not body.exit_reason or body.exit_trigger_paise != DIP
        elif not body.exit_reason:
            self.highs += 1
            self.highs_missed += body.best_paise < tick.ltp_paise


async def loaded(folder: Path, feed: Feed, seconds: float) -> tuple[LiveDesk, Witness, array[int], float, int]:
    live = LiveDesk(folder, feed, LEGS, _TERMS)
    witness = Witness(live)
    await live.start()
    market = live.market
    assert market is not None
    for leg in range(LEGS):
        await live.enter(leg)
    market.on_extreme = witness.on_extreme
    del market.late_ns[:]
    cpu, began, turn = cpu_s(), time.monotonic(), 0
    while time.monotonic() < began + seconds:
        leg = turn % LEGS
        turn += 1
        next_at = time.monotonic() + DIP_EVERY_S
        market.ask(leg)
        await asyncio.sleep(DIP_EVERY_S / 2)
        await live.enter(leg)
        await asyncio.sleep(max(0.0, next_at - time.monotonic()))
    late = market.late_ns[:]
    cpu_pct = 100 * (cpu_s() - cpu) / (time.monotonic() - began)
    trips = len(live.desk.trips)
    await live.stop()
    return live, witness, late, cpu_pct, trips


async def bare(feed: Feed, seconds: float) -> array[int]:
    """The same feed read by a loop that does nothing with it."""
    market = FeedMarket(LoopClock(asyncio.get_running_loop(), START_NS), contracts(LEGS), feed)
    await market.connect()
    await asyncio.sleep(0.5)
    del market.late_ns[:]
    await asyncio.sleep(seconds)
    late = market.late_ns[:]
    await market.close()
    return late


def _figures(late: Sequence[int]) -> str:
    ordered = sorted(late)
    last = len(ordered) - 1
    p50, p99, p999 = ordered[last // 2], ordered[last * 99 // 100], ordered[last * 999 // 1000]
    over = sum(one > GOAL_MS * 1e6 for one in ordered)
    return (
        f"p50 {p50 / 1e6:.3f}, p99 {p99 / 1e6:.2f}, p99.9 {p999 / 1e6:.1f}, worst {ordered[-1] / 1e6:.1f} ms;"
        f" {over} of {len(ordered):,} over {GOAL_MS} ms"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="2,500 ticks a second over five positions.")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--quick", action="store_true", help="a sixth of it")
    options = parser.parse_args()
    seconds = options.seconds / 6 if options.quick else options.seconds
    print(machine())
    feed = Feed(_PLAN)
    before = asyncio.run(bare(feed, seconds / 6))
    feed.end()
    feed = Feed(_PLAN)
    with tempfile.TemporaryDirectory() as name:
        _, witness, late, cpu_pct, trips = asyncio.run(loaded(Path(name), feed, seconds))
    feed.end()
    feed = Feed(_PLAN)
    after = asyncio.run(bare(feed, seconds / 6))
    feed.end()
    print(
        f"RTP-08 {len(late) / seconds:,.0f} ticks/s over {LEGS} positions for {seconds:g} s, {cpu_pct:.0f} % of a core;"
        f" {trips} positions left and entered again"
    )
    print(f"     a tick waits for the desk: {_figures(late)} (goal: none)")
    print(f"     for a bare reader, before: {_figures(before)}")
    print(f"     for a bare reader, after:  {_figures(after)}")
    print(
        f"     single-tick extremes of open positions: {witness.highs:,} highs, {witness.highs_missed} unseen;"
        f" {witness.dips} stops, {witness.dips_missed} not left by (goal: none unseen)"
    )
    print(f"load at the end {os.getloadavg()[0]:.1f}")
    if witness.highs_missed or witness.dips_missed or not witness.dips:
        raise SystemExit("an extreme of an open position was not seen")


if __name__ == "__main__":
    main()
