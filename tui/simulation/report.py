"""The words of `strikedesk simulate`: one line per seed, what was broken and how to see it again, and the summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from engine.instant import clock_text
from tui.simulation.day import DayPlan, DayResult, Play
from tui.simulation.oracle import Violation
from tui.simulation.seed_terms import Profile
from tui.simulation.shrink import Shrunk

HEADER: Final = " seed  trips  exits  1st try  faults  kills  naked max  hash          verdict"
_HASH: Final = 12
_SHOWN: Final = 3
"""Violations of one seed that are shown with their story; the rest only counted."""


def seed_line(result: DayResult) -> str:
    faults = sum(result.faults.values())
    first = f"{result.exits_first_try * 100 / result.exits:.0f} %" if result.exits else "-"
    naked = f"{result.naked_worst_ns / 1e9:.1f} s"
    verdict = "ok" if result.is_clean else "BROKEN " + ", ".join(f"{key} x{n}" for key, n in result.broken.items())
    return (
        f"{result.seed:>5}  {result.round_trips:>5}  {result.exits:>5}  {first:>7}  {faults:>6}  {result.crashes:>5}  "
        f"{naked:>9}  {result.decision_hash[:_HASH]:<{_HASH}}  {verdict}"
    )


def violation_text(result: DayResult, plan: DayPlan) -> str:
    """What was broken, the story before it, and the command that replays it to the same event."""
    lines: list[str] = []
    for violation in result.violations[:_SHOWN]:
        lines.append(f"seed {result.seed}: {violation.line()}")
        lines += [f"    {line}" for line in violation.tail]
        lines.append(f"    replay: {replay_command(plan, violation)}")
    more = len(result.violations) - _SHOWN
    if more > 0:
        lines.append(f"seed {result.seed}: {more} more broken")
    return "\n".join(lines)


def replay_command(plan: DayPlan, violation: Violation) -> str:
    """Ends at the event that broke; a verdict of the whole day needs the whole day."""
    is_grid = plan.play is Play.GRID
    word = "grid" if is_grid else "exits" if plan.crashes == () else "days"
    words = [f"strikedesk simulate {word} --seeds {plan.seed}..{plan.seed} --profile {plan.profile.value}"]
    if plan.profile is Profile.DRILL:
        words = [f"strikedesk simulate drills --seeds {plan.seed}..{plan.seed}"] + ["--bots grid"] * is_grid
    if plan.faults.script or plan.faults.only is not None:
        words.append(f"--faults {plan.faults.script or ','.join(plan.faults.only or ('none',))}")
    if plan.keys is not None:
        words.append(f"--keys {_numbers(plan.keys)}")
    if plan.kills is not None:
        words.append(f"--kills {_numbers(plan.kills)}")
    if violation.at_ns and not violation.is_final:
        words.append(f"--until {clock_text(violation.at_ns, decimals=3)}")
    return " ".join([*words, "--verbose"])


def _numbers(picked: tuple[int, ...]) -> str:
    return ",".join(map(str, picked)) or "none"


def shrunk_text(shrunk: Shrunk) -> str:
    """The smallest day that still breaks it, its story, and how to see it."""
    plan, violation = shrunk.plan, shrunk.violation
    left = [
        f"faults {', '.join(plan.faults.only) or 'none'}" if plan.faults.only is not None else "the same faults",
        f"keys {_numbers(plan.keys)}" if plan.keys is not None else "all keys",
        f"kills {_numbers(plan.kills)}" if plan.kills is not None else "all kills",
    ]
    return "\n".join(
        [
            f"seed {plan.seed}, smallest day of {shrunk.runs} runs that still breaks {violation.invariant}: "
            f"{'; '.join(left)}",
            f"    {violation.line()}",
            *(f"    {line}" for line in violation.tail),
            f"    replay: {replay_command(plan, violation)}",
        ]
    )


def summary_text(
    results: Sequence[DayResult],
    known_faults: Mapping[str, str],
    spent_s: float,
    not_here: Mapping[str, str] | None = None,
) -> str:
    """Totals, faults that struck, those that never did, those that cannot (with the reason), and the verdict."""
    trips = sum(result.round_trips for result in results)
    exits = sum(result.exits for result in results)
    first = sum(result.exits_first_try for result in results)
    naked = max((result.naked_worst_ns for result in results), default=0)
    broken: Counter[str] = Counter()
    faults: Counter[str] = Counter()
    for result in results:
        broken.update({violation.invariant for violation in result.violations})
        faults.update(result.faults)
    rate = f"{first * 100 / exits:.2f} %" if exits else "-"
    days_min = len(results) * 60 / spent_s if spent_s else 0.0
    kills = sum(result.crashes for result in results)
    lines = [
        f"{len(results)} days, {trips} round trips, {exits} marketable exits, first try {rate}, {kills} kills, "
        f"worst naked {naked / 1e9:.1f} s, {days_min:.1f} days a minute",
        *_fault_lines(faults, known_faults),
        *_not_here_lines(not_here or {}),
    ]
    failed = [result.seed for result in results if not result.is_clean]
    if failed:
        kinds = ", ".join(f"{name} in {count}" for name, count in broken.most_common())
        lines.append(f"BROKEN: {len(failed)} of {len(results)} days ({kinds}); seeds {', '.join(map(str, failed))}")
    else:
        lines.append("0 violations")
    return "\n".join(lines)


def _fault_lines(faults: Counter[str], known: Mapping[str, str]) -> list[str]:
    if not faults and not known:
        return []
    fired = ", ".join(f"{name} {count}" for name, count in sorted(faults.items())) or "none"
    never = ", ".join(name for name in known if not faults[name]) or "none"
    return [f"faults fired: {fired}", f"faults never fired: {never}"]


def _not_here_lines(not_here: Mapping[str, str]) -> list[str]:
    """One line for each reason."""
    reasons: dict[str, list[str]] = {}
    for fault, reason in not_here.items():
        reasons.setdefault(reason, []).append(fault)
    return [f"not made here, {len(faults)} faults ({reason}): {' '.join(faults)}" for reason, faults in reasons.items()]
