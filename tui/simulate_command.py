"""`strikedesk simulate exits`: demo days in virtual time, one per seed, judged against the invariants at every event.

Results go to stdout, one line per seed; the progress bar and the replayed story go to stderr. Exit code 0 only when no
invariant was broken on any day.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import sys
import time
from collections.abc import Callable, Generator
from datetime import time as time_of_day
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tui.simulation.day import DayPlan, DayResult

EXIT_BROKEN: Final = 1
_SEEDS_MAX: Final = 1_000_000
_INTERRUPTED: Final = 130
"""What a shell expects of a program that Ctrl-C ended."""


def add_simulate(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The command's own options; kept here so that the command line stays a table of commands."""
    simulate = commands.add_parser(
        "simulate",
        help="run whole demo days in virtual time and check that every exit happened",
        description="One seed is one day: market, faults, bot terms and the trader's keys. Nothing is written to disk.",
    )
    simulate.add_argument("what", choices=("exits",), help="exits: the legs bot under the fault layer")
    simulate.add_argument("--seeds", type=seeds, default=(1, 20), metavar="A..B", help="first and last seed (1..20)")
    simulate.add_argument("--jobs", type=_jobs, default=0, metavar="N", help="worker processes (as many as cores)")
    simulate.add_argument(
        "--profile", choices=("calm", "swarm", "hostile"), default="swarm", help="how nasty the days are (swarm)"
    )
    simulate.add_argument(
        "--until", type=_until, metavar="HH:MM:SS.mmm", help="end each day at this instant (IST), to look at one event"
    )
    simulate.add_argument("--verbose", action="store_true", help="tell each day's story, event by event, on stderr")


def seeds(text: str) -> tuple[int, int]:
    """`1..200` or `7`, both ends included."""
    found = re.fullmatch(r"(\d{1,9})(?:\.\.(\d{1,9}))?", text)
    first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
    if not first <= last < first + _SEEDS_MAX:
        raise argparse.ArgumentTypeError(f"{text!r}: two whole numbers like 1..200, at most {_SEEDS_MAX} seeds")
    return first, last


def _jobs(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 256:
        raise argparse.ArgumentTypeError(f"{text!r}: a whole number from 1 to 256")
    return int(text)


def _until(text: str) -> time_of_day:
    found = re.fullmatch(r"\d\d:\d\d(:\d\d(\.\d{3})?)?", text)
    with contextlib.suppress(ValueError):
        if found:
            return time_of_day.fromisoformat(text)
    raise argparse.ArgumentTypeError(f"{text!r}: a time of day like 10:42:07.318")


def run_simulate(arguments: argparse.Namespace) -> int:
    """Simulate the seeds; returns 0 only with no violation on any day."""
    from tui.simulation.day import DayPlan
    from tui.simulation.faults import KNOWN_FAULTS
    from tui.simulation.report import HEADER, seed_line, summary_text, violation_text
    from tui.simulation.seed_terms import Profile

    first, last = arguments.seeds
    plans = [
        DayPlan(seed=seed, profile=Profile(arguments.profile), until=arguments.until, verbose=bool(arguments.verbose))
        for seed in range(first, last + 1)
    ]
    jobs = 1 if arguments.verbose else arguments.jobs or os.cpu_count() or 1
    started = time.perf_counter()
    results: list[DayResult] = []
    _print(HEADER)
    try:
        with _progress(len(plans)) as advance, contextlib.closing(_results(plans, jobs)) as days:
            for result in days:
                results.append(result)
                _print(seed_line(result))
                if result.violations:
                    _print(violation_text(result))
                advance()
    except KeyboardInterrupt:
        print(f"strikedesk: stopped after {len(results)} of {len(plans)} days", file=sys.stderr)  # noqa: T201
        return _INTERRUPTED
    known = KNOWN_FAULTS if arguments.profile != "calm" else {}
    _print(summary_text(results, known, time.perf_counter() - started))
    return EXIT_BROKEN if any(result.violations for result in results) else 0


def _results(plans: list[DayPlan], jobs: int) -> Generator[DayResult]:
    from tui.simulation.day import run_day
    from tui.simulation.days import run_days

    if plans[0].verbose:
        for plan in plans:
            yield run_day(plan, on_line=lambda line: print(line, file=sys.stderr))  # noqa: T201
        return
    yield from run_days(plans, jobs)


@contextlib.contextmanager
def _progress(total: int) -> Generator[Callable[[], None]]:
    """A bar on a terminal; nothing when stderr is no terminal: the lines on stdout are progress enough."""
    if not sys.stderr.isatty() or total < 2:
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("days"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=sys.stdout.isatty()) as bar:
        task = bar.add_task("days", total=total)
        yield lambda: bar.advance(task)


def _print(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - requested data goes to stdout
