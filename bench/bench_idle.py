"""What the engine costs while it only listens: three index feeds, two legs known, nothing open, no screen (RTP-12).

The ticks come through a socket from another process, ten a second for each index: twice to ten times what brokers
send. A bare loop that reads the same feed and does nothing with it is measured in turns with the desk, so the
difference is the engine's own. CPU is user and system time of this process.
Run: python bench/bench_idle.py [--seconds 20] [--passes 2] [--quick]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from pathlib import Path

from feed import Feed, FeedMarket, FeedPlan
from live_desk import START_NS, LiveDesk, cpu_s, index
from machine import machine

from engine.bracket_state import BracketTerms
from engine.clock import LoopClock

INDICES = ("NIFTY", "BANKNIFTY", "SENSEX")
_PLAN = FeedPlan(len(INDICES), 10 * len(INDICES))
GOAL_PCT = 1.0


async def _share(seconds: float) -> float:
    """Percent of one core over the next `seconds`."""
    cpu, began = cpu_s(), time.monotonic()
    await asyncio.sleep(seconds)
    return 100 * (cpu_s() - cpu) / (time.monotonic() - began)


async def listening(folder: Path, feed: Feed, seconds: float) -> tuple[float, int]:
    live = LiveDesk(folder, feed, 2, BracketTerms(), indices=INDICES)
    await live.start()
    await asyncio.sleep(0.5)
    assert live.market is not None
    del live.market.late_ns[:]
    share = await _share(seconds)
    ticks = len(live.market.late_ns)
    await live.stop()
    return share, ticks


async def bare(feed: Feed, seconds: float) -> float:
    market = FeedMarket(LoopClock(asyncio.get_running_loop(), START_NS), [index(name) for name in INDICES], feed)
    await market.connect()
    await asyncio.sleep(0.5)
    share = await _share(seconds)
    await market.close()
    return share


def main() -> None:
    parser = argparse.ArgumentParser(description="The engine's CPU while nothing is open.")
    parser.add_argument("--seconds", type=float, default=20, help="of each pass")
    parser.add_argument("--passes", type=int, default=2, help="with the desk, and as many without")
    parser.add_argument("--quick", action="store_true", help="one pass of 5 s each")
    options = parser.parse_args()
    seconds, passes = (5.0, 1) if options.quick else (options.seconds, options.passes)
    print(machine())
    with_desk: list[float] = []
    without: list[float] = []
    ticks = 0
    for _ in range(passes):
        feed = Feed(_PLAN)
        with tempfile.TemporaryDirectory() as name:
            share, ticks = asyncio.run(listening(Path(name), feed, seconds))
        feed.end()
        with_desk.append(share)
        feed = Feed(_PLAN)
        without.append(asyncio.run(bare(feed, seconds)))
        feed.end()
    print(
        f"RTP-12 {ticks / seconds:.0f} index ticks/s, nothing open, no screen: {statistics.median(with_desk):.2f} % of"
        f" one core (goal under {GOAL_PCT:g} %); a bare loop on the same feed {statistics.median(without):.2f} %"
    )
    print(f"load at the end {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
