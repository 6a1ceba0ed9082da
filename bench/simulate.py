"""Simulated days a minute: `strikedesk simulate exits` with its oracle, on two processes (target: 30 whole swarm days).

Whole days of the swarm and of the hostile profile, and drills, which are three quarters of an hour made to hurt; always
the same seeds, so that two runs do the same work. The figure includes the start of the worker processes; beside it the
processor time of a day, which does not suffer from what else runs. A day that is not clean is named: its speed counts
for nothing.

Run: python bench/simulate.py [--days 12] [--jobs 2] [--quick]
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from machine import machine

from tui.simulation.day import DayPlan
from tui.simulation.days import run_days
from tui.simulation.drill import drill
from tui.simulation.seed_terms import Profile

TARGET_PER_MIN: Final = 30
KINDS: Final[dict[str, Callable[[int], DayPlan]]] = {
    "swarm": lambda seed: DayPlan(seed=seed, profile=Profile.SWARM),
    "hostile": lambda seed: DayPlan(seed=seed, profile=Profile.HOSTILE),
    "drills": drill,
}
_QUICK_SEEDS: Final = {"swarm": (2, 8), "drills": (1, 2)}
"""Light ones: they show that the bench works, and measure little."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=12, help="of each kind, seeds from 1 on")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="two days and two drills")
    arguments = parser.parse_args()
    print(machine())
    seeds = _QUICK_SEEDS if arguments.quick else dict.fromkeys(KINDS, tuple(range(1, arguments.days + 1)))
    for kind, chosen in seeds.items():
        print(_measured(kind, [KINDS[kind](seed) for seed in chosen], arguments.jobs))


def _measured(kind: str, plans: Sequence[DayPlan], jobs: int) -> str:
    began_s, before_s = time.perf_counter(), _children_s()
    results = list(run_days(plans, jobs))
    spent_s, used_s = time.perf_counter() - began_s, _children_s() - before_s
    target = f" (target {TARGET_PER_MIN})" if kind == "swarm" else ""
    unclean = [str(result.seed) for result in results if not result.is_clean]
    words = f"{kind:<8} {len(results) * 60 / spent_s:6.1f} a minute{target} on {jobs} processes, "
    words += f"{used_s / len(results):.1f} s of processor each; "
    words += f"of each {_mean(result.requests for result in results)} requests, "
    words += f"{_mean(result.commits for result in results)} commits, {_mean(r.looks for r in results)} looks"
    return f"{words}; NOT CLEAN: seeds {', '.join(unclean)}" if unclean else words


def _children_s() -> float:
    """Processor seconds of this process and its ended children."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _mean(figures: Iterable[int]) -> int:
    counted = list(figures)
    return sum(counted) // len(counted)


if __name__ == "__main__":
    main()
