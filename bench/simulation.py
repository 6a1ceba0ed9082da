"""Simulated days a minute: `strikedesk simulate exits` with its oracle, as many workers as cores (target: 30).

Whole days of the swarm profile with a fresh seed each; the figure includes the start of the worker processes.
"""

from __future__ import annotations

import argparse
import os
import time

from machine import machine

from tui.simulation.day import DayPlan
from tui.simulation.days import run_days
from tui.simulation.seed_terms import Profile

TARGET_PER_MIN = 30


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=12)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    print(machine())
    for profile in Profile:
        plans = [DayPlan(seed=seed, profile=profile) for seed in range(1, arguments.days + 1)]
        began = time.perf_counter()
        results = list(run_days(plans, arguments.jobs))
        spent_s = time.perf_counter() - began
        each_s = sum(result.spent_s for result in results) / len(results)
        looks = sum(result.looks for result in results)
        commits = sum(result.commits for result in results)
        print(
            f"{profile.value:<8} {len(results) * 60 / spent_s:6.1f} days a minute (target {TARGET_PER_MIN}), "
            f"{arguments.jobs} jobs, {each_s:.1f} s a day, {looks // len(results)} looks and "
            f"{commits // len(results)} commits a day"
        )


if __name__ == "__main__":
    main()
