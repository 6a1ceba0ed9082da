"""`strikedesk simulate`: demo days in virtual time, one per seed, judged against the invariants at every event.

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
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tui.simulation.day import DayPlan, DayResult
    from tui.simulation.faults import FaultChoice

EXIT_BROKEN: Final = 1
EXIT_WRONG: Final = 2
_SEEDS_MAX: Final = 1_000_000
_EXAMPLES: Final = """examples:
  strikedesk simulate --seeds 1..200                         200 days with faults and crashes
  strikedesk simulate --seeds 1..50 --profile hostile        nastier ones
  strikedesk simulate exits --seeds 7 --faults ORD-01,NET-07 only two kinds of fault, no crashes
  strikedesk simulate drills --seeds 1..400 --first-break    short ones, until one fails
  strikedesk simulate grid --seeds 1..200                    a grid on two shares, with faults and crashes
  strikedesk simulate crashes                                kill one morning at each of its points
"""
_INTERRUPTED: Final = 130
"""What a shell expects of a program that Ctrl-C ended."""


def add_simulate(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The command's own options; kept here so that the command line stays a table of commands."""
    simulate = commands.add_parser(
        "simulate",
        help="run whole demo days in virtual time, with faults and crashes, and check every invariant",
        description="One seed is one day: market, faults, crashes, bot terms and the trader's keys. "
        "Nothing is written to disk.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    simulate.add_argument(
        "what",
        nargs="?",
        choices=("days", "exits", "drills", "grid", "crashes"),
        default="days",
        help="days: faults, keys and crashes (default); exits: without crashes; drills: short and as nasty as can be; "
        "grid: days of a grid with its hedges on two shares (as --bots grid); "
        "crashes: the crash matrix of one scripted morning, killed at every commit and around every request",
    )
    simulate.add_argument("--seeds", type=seeds, default=(1, 20), metavar="A..B", help="first and last seed (1..20)")
    simulate.add_argument("--jobs", type=_jobs, default=0, metavar="N", help="worker processes (as many as cores)")
    simulate.add_argument(
        "--profile", choices=("calm", "swarm", "hostile"), default="swarm", help="how nasty the days are (swarm)"
    )
    simulate.add_argument(
        "--faults",
        type=_faults,
        metavar="PLAN",
        help="a script file, or of the seed's faults only these: ids and knobs with commas, or none",
    )
    simulate.add_argument("--bots", choices=("legs", "grid"), default="legs", help="which bots trade (legs)")
    simulate.add_argument("--keys", type=_picked, metavar="N,N", help="of the trader's keys only these, or none")
    simulate.add_argument("--kills", type=_picked, metavar="N,N", help="of the seed's crashes only these, or none")
    simulate.add_argument("--first-break", action="store_true", help="end with the first day that breaks an invariant")
    simulate.add_argument("--no-shrink", action="store_true", help="do not look for a smaller day that fails as well")
    simulate.add_argument("--nested", action="store_true", help="crashes: kill the recovery too, at its first points")
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


def _picked(text: str) -> tuple[int, ...]:
    if text == "none":
        return ()
    if not re.fullmatch(r"\d{1,6}(,\d{1,6})*", text):
        raise argparse.ArgumentTypeError(f"{text!r}: numbers with commas like 0,3,7, or none")
    return tuple(map(int, text.split(",")))


def _faults(text: str) -> FaultChoice:
    """Raises ArgumentTypeError for what is neither a file nor a list of known faults."""
    from brokers.paper.faults.catalogue import FAULTS, KNOBS
    from brokers.paper.faults.script import FaultScriptError, load_script
    from tui.simulation.faults import FaultChoice

    if text == "none":
        return FaultChoice(only=())
    names = tuple(text.split(","))
    if all(name in KNOBS or name in FAULTS for name in names):
        return FaultChoice(only=names)
    try:
        load_script(Path(text))
    except FaultScriptError as error:
        if Path(text).exists():
            raise argparse.ArgumentTypeError(str(error).splitlines()[0]) from None
        unknown = ", ".join(name for name in names if name not in KNOBS and name not in FAULTS)
        raise argparse.ArgumentTypeError(
            f"{unknown!r}: neither a script file nor a fault or knob of docs/faults.md, like ORD-01,NET-07"
        ) from None
    return FaultChoice(script=text)


def run_simulate(arguments: argparse.Namespace) -> int:
    """Simulate the seeds; returns 0 only with no violation on any day."""
    jobs = 1 if arguments.verbose else arguments.jobs or os.cpu_count() or 1
    if arguments.what == "crashes":
        return _run_matrix(jobs, nested=arguments.nested)
    from tui.simulation.day import NoSuchPick

    plans = _plans(arguments)
    started = time.perf_counter()
    results: list[DayResult] = []
    _print(_header())
    try:
        with _progress(len(plans), "days") as advance, contextlib.closing(_results(plans, jobs)) as days:
            for plan, result in zip(plans, days, strict=True):
                results.append(result)
                _tell_day(plan, result, shrinks=not (arguments.no_shrink or arguments.verbose or arguments.until))
                advance()
                if result.violations and arguments.first_break:
                    break
    except NoSuchPick as error:
        print(f"strikedesk simulate: {error}", file=sys.stderr)  # noqa: T201
        return EXIT_WRONG
    except KeyboardInterrupt:
        print(f"strikedesk: stopped after {len(results)} of {len(plans)} days", file=sys.stderr)  # noqa: T201
        return _INTERRUPTED
    _print(_summary(arguments, results, time.perf_counter() - started))
    return EXIT_BROKEN if any(result.violations for result in results) else 0


def _plans(arguments: argparse.Namespace) -> list[DayPlan]:
    from msgspec.structs import replace

    from tui.simulation.day import DayPlan, Play
    from tui.simulation.drill import drill
    from tui.simulation.seed_terms import Profile

    def plan(seed: int) -> DayPlan:
        if arguments.what == "drills":
            return drill(seed, Play(arguments.bots))
        play = Play.GRID if arguments.what == "grid" else Play(arguments.bots)
        crashes = () if arguments.what == "exits" else None
        return DayPlan(seed=seed, play=play, profile=Profile(arguments.profile), crashes=crashes)

    first, last = arguments.seeds
    asked: dict[str, Any] = {"until": arguments.until, "closes": False} if arguments.until else {}
    if arguments.faults:
        asked["faults"] = arguments.faults
    return [
        replace(plan(seed), keys=arguments.keys, kills=arguments.kills, verbose=bool(arguments.verbose), **asked)
        for seed in range(first, last + 1)
    ]


def _header() -> str:
    from tui.simulation.report import HEADER

    return HEADER


def _tell_day(plan: DayPlan, result: DayResult, *, shrinks: bool) -> None:
    """The day's line; of a broken one what broke, and the smallest day that breaks as well."""
    from tui.simulation.report import seed_line, shrunk_text, violation_text
    from tui.simulation.shrink import RUNS_MAX, Shrinker

    _print(seed_line(result))
    if not result.violations:
        return
    _print(violation_text(result, plan))
    if shrinks and result.violations[0].invariant != "DAY":
        with _progress(RUNS_MAX, "shrinking, runs") as advance:
            _print(shrunk_text(Shrinker(result, plan, advance).run()))


def _summary(arguments: argparse.Namespace, results: list[DayResult], spent_s: float) -> str:
    from tui.simulation.crashes import CRASH_FAULTS
    from tui.simulation.faults import KNOWN_FAULTS, NOT_HERE
    from tui.simulation.report import summary_text

    known = KNOWN_FAULTS if arguments.profile != "calm" else {}
    if arguments.what == "exits":
        known = {fault: says for fault, says in known.items() if fault not in CRASH_FAULTS}
    return summary_text(results, known, spent_s, NOT_HERE if known else {})


def _run_matrix(jobs: int, *, nested: bool) -> int:
    """The crash matrix as a table; 0 only when every point was recovered from."""
    from tui.simulation.crash_matrix import all_cells, matrix_text
    from tui.simulation.days import run_days

    started = time.perf_counter()
    cells = all_cells(nested=nested)
    results: list[DayResult] = []
    try:
        with (
            _progress(len(cells), "kills") as advance,
            contextlib.closing(run_days([cell.plan() for cell in cells], jobs)) as days,
        ):
            for result in days:
                results.append(result)
                advance()
    except KeyboardInterrupt:
        print(f"strikedesk: stopped after {len(results)} of {len(cells)} kills", file=sys.stderr)  # noqa: T201
        return _INTERRUPTED
    _print(matrix_text(cells, results))
    print(f"{len(cells)} runs in {time.perf_counter() - started:.0f} s", file=sys.stderr)  # noqa: T201
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
def _progress(total: int, what: str) -> Generator[Callable[[], None]]:
    """A bar on a terminal; nothing when stderr is no terminal: the lines on stdout are progress enough."""
    if not sys.stderr.isatty() or total < 2:
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=sys.stdout.isatty()) as bar:
        task = bar.add_task(what, total=total)
        yield lambda: bar.advance(task)


def _print(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - requested data goes to stdout
