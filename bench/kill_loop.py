"""`kill -9` of a real desk that trades legs at speed, again and again, against a venue in a process of its own.

A round is one venue, one journal, a number of kills at seeded instants (in the start, in the recovery, while trading),
and an orderly stop at the end. Judged by the venue's records: no order twice, by tag or by purpose; nothing bare for
longer than the limit once a desk has recovered; flat at the end, journal and venue equal to the paisa, and `strikedesk
verify` content. The seed gives the instants; what the machine does meanwhile is its own, so a replay meets the same
plan, not the same race.

Run: python bench/kill_loop.py [--kills 24] [--seed 1] [--speed 30] [--round-kills 20] [--keep FOLDER]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

from crash_desk import Rehearsal
from crash_judge import differences, read_journal, twice_for_one_purpose, watched
from machine import machine

from brokers.paper import wire
from brokers.paper.server import ARRIVED_S
from engine.instant import NS_PER_S

KILLS_OF_A_ROUND = 20
SPEED = 30.0
UP_S = 2.5
"""Real seconds that a recovered desk trades at most before it is killed: 75 s of the exchange, several entries."""
BUSY_WAIT_S = 4.0
"""Real seconds that a recovered desk has to put an order to work, before its own time begins."""
BUSY_MIN = 0.5
"""Share of the kills that must hit a desk with orders at work; the others hit a start or a moment between trades."""
BARE_BEYOND_DOUBT_S = 10.0
"""Exchange seconds a unit may be bare beside a recovered desk, beyond the window in which a stop without an answer may
still appear (T_PROTECT, faults §2); its level is watched meanwhile ..."""
BARE_MAX_REAL_S = 2.0
"""... but so many real ones at least: a hurried clock hurries no process."""


class Round(NamedTuple):
    """What one round came to."""

    number: int
    kills: int
    orders: int
    trades: int
    busy: int
    """Kills in whose instant orders were at work at the venue."""
    at_work: int
    """Those orders, summed over the kills."""
    worst_bare_s: float
    """Exchange seconds beside a recovered desk."""
    oversold: int
    """Times more was sold than held: both exits of a position filled, and it was bought back."""
    recovery_s: tuple[float, ...]
    failures: tuple[str, ...]


def bare_max_s(speed: float) -> float:
    """In exchange seconds."""
    doubt_s = wire.deadline_ns(speed) / NS_PER_S + ARRIVED_S
    return max(doubt_s + BARE_BEYOND_DOUBT_S, BARE_MAX_REAL_S * speed)


async def run_round(
    folder: Path,
    number: int,
    seed: int,
    kills: int,
    *,
    speed: float = SPEED,
    advance: Callable[[], None] = lambda: None,
) -> Round:
    """One round in a folder of its own; never raises for what the desk does wrong, that is its result."""
    plan = Random(f"{seed} round {number}")
    rehearsal = Rehearsal(folder, plan.randrange(1_000_000), speed=speed)
    at_work: list[int] = []
    failures: list[str] = []
    try:
        await rehearsal.open()
        for _ in range(kills):
            await rehearsal.start_desk()
            if plan.random() < 0.25:
                await asyncio.sleep(plan.uniform(0.0, 1.5))  # in the start, or in the recovery
            else:
                await rehearsal.until_recovered()
                await rehearsal.until_busy(BUSY_WAIT_S)
                await asyncio.sleep(plan.uniform(0.0, UP_S))
            at_work.append(len(rehearsal.book.at_work))
            await rehearsal.kill_desk()
            advance()
        await rehearsal.start_desk()
        await rehearsal.until_recovered()
        await asyncio.sleep(1.0)
        code = await rehearsal.stop_desk()
        failures += [] if code == 0 else [f"the orderly stop ended with {code}\n{rehearsal.desk.tail()}"]
        return await _judged(rehearsal, number, kills, at_work, failures)
    except AssertionError as failure:
        return _broken(number, kills, str(failure))
    except Exception as error:  # noqa: BLE001 - a round that cannot be run is a failed one, with its reason
        return _broken(number, kills, f"{type(error).__name__}: {error}")
    finally:
        await rehearsal.close()


async def _judged(rehearsal: Rehearsal, number: int, kills: int, at_work: list[int], failures: list[str]) -> Round:
    (ledger,) = (await rehearsal.ledger()).accounts
    journal = read_journal(rehearsal.journal, ledger.account_id)
    book = rehearsal.book
    bare = watched(book.spans, rehearsal.watches)
    limit_s = bare_max_s(rehearsal.speed)
    failures += [span.words() for span in bare if span.seconds > limit_s]
    failures += twice_for_one_purpose(book, journal.purposes)
    failures += [f"{journal.refused_tags} orders were sent twice"] if journal.refused_tags else []
    failures += [f"not flat: {row.symbol} {row.net_qty}" for row in ledger.positions if row.net_qty]
    failures += differences(ledger, journal)
    failures += [found] if (found := await rehearsal.verified()) else []
    busy = sum(count > 0 for count in at_work)
    failures += [f"idle at {kills - busy} of {kills} kills: proves too little"] if busy < BUSY_MIN * kills else []
    return Round(
        number=number,
        kills=kills,
        orders=len(ledger.orders),
        trades=len(ledger.trades),
        busy=busy,
        at_work=sum(at_work),
        worst_bare_s=max((span.seconds for span in bare), default=0.0),
        oversold=sum(span.qty < 0 for span in book.spans),
        recovery_s=tuple(rehearsal.recovery_s),
        failures=tuple(failures),
    )


def _broken(number: int, kills: int, why: str) -> Round:
    return Round(number, kills, 0, 0, 0, 0, 0.0, 0, (), (why,))


def table(rounds: list[Round]) -> str:
    """One line per round and the sums."""
    head = ("round", "kills", "busy", "orders", "fills", "at work", "bare s", "oversold", "recovery s")
    rows = [
        (
            *(
                row.number,
                row.kills,
                row.busy,
                row.orders,
                row.trades,
                row.at_work,
                f"{row.worst_bare_s:.1f}",
                row.oversold,
            ),
            *(f"{max(row.recovery_s, default=0.0):.2f}", f"{len(row.failures)} FAILED" if row.failures else "ok"),
        )
        for row in rounds
    ]
    starts = sorted(seconds for row in rounds for seconds in row.recovery_s) or [0.0]
    sums = [sum(one) for one in zip(*((r.kills, r.busy, r.orders, r.trades, r.at_work) for r in rounds), strict=True)]
    worst_s = max((row.worst_bare_s for row in rounds), default=0.0)
    oversold = sum(row.oversold for row in rounds)
    rows.append(("all", *sums, f"{worst_s:.1f}", oversold, f"{starts[-1]:.2f}", f"p50 {starts[len(starts) // 2]:.2f}"))
    lines = ["  ".join(f"{word:>9}" for word in head)]
    return "\n".join([*lines, *("  ".join(f"{word!s:>9}" for word in row) for row in rows)])


@contextlib.contextmanager
def _progress(total: int) -> Iterator[Callable[[], None]]:
    """A bar on a terminal; nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("kills"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("kills", total=total)
        yield lambda: bar.advance(task)


def run_rounds(options: argparse.Namespace, base: Path, advance: Callable[[], None]) -> Iterator[Round]:
    sizes = [options.round_kills] * (options.kills // options.round_kills)
    sizes += [rest] if (rest := options.kills % options.round_kills) else []
    for number, kills in enumerate(sizes, 1):
        if options.round and number != options.round:
            continue
        folder = base / f"round{number}"
        found = asyncio.run(run_round(folder, number, options.seed, kills, speed=options.speed, advance=advance))
        if not found.failures and options.keep is None:
            shutil.rmtree(folder, ignore_errors=True)
        yield found


def main() -> int:
    parser = argparse.ArgumentParser(description="kill -9 of a desk that trades, judged by the venue's records.")
    parser.add_argument("--kills", type=int, default=24)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--speed", type=float, default=SPEED, help="exchange time runs N times faster")
    parser.add_argument("--round-kills", type=int, default=KILLS_OF_A_ROUND, help="kills before the orderly stop")
    parser.add_argument("--round", type=int, default=0, help="only this round of the plan")
    parser.add_argument("--keep", type=Path, default=None, metavar="FOLDER", help="keep journals and logs there")
    parser.add_argument("--quick", action="store_true", help="six kills")
    options = parser.parse_args()
    options.kills = 6 if options.quick else options.kills
    print(machine())
    base = options.keep or Path(tempfile.mkdtemp(prefix="strikedesk-kills-"))
    began_s = time.perf_counter()
    rounds: list[Round] = []
    with _progress(options.kills) as advance:
        for found in run_rounds(options, base, advance):
            rounds.append(found)
            for failure in found.failures:
                print(f"round {found.number}: {failure}", flush=True)
    took_s = time.perf_counter() - began_s
    print(table(rounds))
    broken = [found.number for found in rounds if found.failures]
    print(
        f"seed {options.seed}, speed {options.speed:g}, {took_s:.0f} s of real time: "
        f"{len(rounds) - len(broken)} of {len(rounds)} rounds without a failure"
    )
    if broken:
        print(
            f"again: python bench/kill_loop.py --seed {options.seed} --speed {options.speed:g} --kills {options.kills} "
            f"--round-kills {options.round_kills} --round {broken[0]} --keep DIR; files of the failed rounds: {base}"
        )
        return 1
    if options.keep is None:
        shutil.rmtree(base, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
