"""`make soak MINUTES=60`: simulates fresh seeds of every profile until the time is over; ends with 1 when one breaks.

Seeds go on where the last soak ended: `--first` is printed at the end. One round is 4 swarm days, 1 hostile day and 10
drills, so that a short soak sees all of them.
"""

from __future__ import annotations

import argparse
import os
import sys
import time

from tui.simulation.day import DayPlan, DayResult
from tui.simulation.days import run_days
from tui.simulation.drill import drill
from tui.simulation.faults import KNOWN_FAULTS, NOT_HERE
from tui.simulation.report import HEADER, seed_line, summary_text, violation_text
from tui.simulation.seed_terms import Profile


def a_round(number: int) -> list[DayPlan]:
    """The days of one round; no seed comes twice."""
    swarm = [DayPlan(seed=4 * number + index) for index in range(4)]
    return [*swarm, DayPlan(seed=number, profile=Profile.HOSTILE), *(drill(10 * number + i) for i in range(10))]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0, help="how long (60); the last round is ended")
    parser.add_argument("--first", type=int, default=1_000, metavar="N", help="number of the first round (1000)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="worker processes")
    parser.add_argument("--quick", action="store_true", help="two drills, to see that it runs")
    arguments = parser.parse_args()
    until, started, number = time.monotonic() + arguments.minutes * 60, time.monotonic(), arguments.first
    results: list[DayResult] = []
    broken = 0
    print(HEADER)
    while time.monotonic() < until:
        plans = [drill(1), drill(2)] if arguments.quick else a_round(number)
        number += 1
        for plan, result in zip(plans, run_days(plans, arguments.jobs), strict=True):
            results.append(result)
            if result.violations:
                broken += 1
                print(seed_line(result), violation_text(result, plan), sep="\n", flush=True)
        left = max(0.0, until - time.monotonic()) / 60
        print(f"{len(results)} days, {broken} broken, {left:.1f} minutes left", file=sys.stderr, flush=True)
        if arguments.quick:
            break
    print(summary_text(results, KNOWN_FAULTS, time.monotonic() - started, NOT_HERE))
    print(f"go on with --first {number}")
    return 1 if broken else 0


if __name__ == "__main__":
    raise SystemExit(main())
