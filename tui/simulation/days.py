"""Many days at once: seeds are handed to worker processes one at a time, results come back in the order of the seeds.

Workers are spawned, not forked, so that a day depends on nothing but its seed. A day that cannot be simulated at all
(our own bug) is reported as a violation of that seed and does not end the others.
"""

from __future__ import annotations

import multiprocessing
import signal
import traceback
from collections.abc import Generator, Iterator, Sequence
from multiprocessing.pool import Pool

from tui.simulation.day import DayPlan, DayResult, NoSuchPick, run_day
from tui.simulation.oracle import Violation


def run_days(plans: Sequence[DayPlan], jobs: int) -> Generator[DayResult]:
    """Results in the order of the plans; with one job in this process. Closing the iterator ends the workers."""
    if jobs <= 1 or len(plans) <= 1:
        yield from map(_run_safely, plans)
        return
    pool = multiprocessing.get_context("spawn").Pool(min(jobs, len(plans)), initializer=_leave_interrupts_alone)
    yield from _collect(pool, plans)


def _collect(pool: Pool, plans: Sequence[DayPlan]) -> Iterator[DayResult]:
    try:
        yield from pool.imap(_run_safely, plans)
        pool.close()
    finally:
        pool.terminate()
        pool.join()


def _leave_interrupts_alone() -> None:
    """Ctrl-C is for the parent, which ends the workers in its own order."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _run_safely(plan: DayPlan) -> DayResult:
    try:
        return run_day(plan)
    except NoSuchPick:
        raise
    except Exception as error:  # noqa: BLE001 - one day's crash is that seed's verdict, not the end of the run
        where = traceback.format_exc().splitlines()
        broken = Violation(
            invariant="DAY", at_ns=0, subject="simulation", text=f"{type(error).__name__}: {error}", tail=tuple(where)
        )
        return DayResult(
            seed=plan.seed,
            profile=plan.profile,
            round_trips=0,
            exits=0,
            exits_first_try=0,
            faults={},
            naked_worst_ns=0,
            requests=0,
            commits=0,
            looks=0,
            decision_hash="",
            violations=(broken,),
            broken={"DAY": 1},
            spent_s=0.0,
        )
