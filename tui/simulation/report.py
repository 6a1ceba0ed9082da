"""The words of `strikedesk simulate`: one line per seed, what was broken and how to see it again, and the summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from engine.instant import clock_text
from tui.simulation.day import DayResult
from tui.simulation.oracle import Violation

HEADER: Final = " seed  trips  exits  1st try  faults  naked max  hash          verdict"
_HASH: Final = 12
_SHOWN: Final = 3
"""Violations of one seed that are shown with their story; the rest only counted."""


def seed_line(result: DayResult) -> str:
    faults = sum(result.faults.values())
    first = f"{result.exits_first_try * 100 / result.exits:.0f} %" if result.exits else "-"
    naked = f"{result.naked_worst_ns / 1e9:.1f} s"
    verdict = "ok" if result.is_clean else "BROKEN " + ", ".join(f"{key} x{n}" for key, n in result.broken.items())
    return (
        f"{result.seed:>5}  {result.round_trips:>5}  {result.exits:>5}  {first:>7}  {faults:>6}  {naked:>9}  "
        f"{result.decision_hash[:_HASH]:<{_HASH}}  {verdict}"
    )


def violation_text(result: DayResult) -> str:
    """What was broken, the story before it, and the command that replays it to the same event."""
    lines: list[str] = []
    for violation in result.violations[:_SHOWN]:
        lines.append(f"seed {result.seed}: {violation.line()}")
        lines += [f"    {line}" for line in violation.tail]
        lines.append(f"    replay: {replay_command(result, violation)}")
    more = len(result.violations) - _SHOWN
    if more > 0:
        lines.append(f"seed {result.seed}: {more} more broken")
    return "\n".join(lines)


def replay_command(result: DayResult, violation: Violation) -> str:
    """Ends at the event that broke; a verdict of the whole day needs the whole day."""
    seeds = f"--seeds {result.seed}..{result.seed} --profile {result.profile.value}"
    until = f" --until {clock_text(violation.at_ns, decimals=3)}" if violation.at_ns and not violation.is_final else ""
    return f"strikedesk simulate exits {seeds}{until} --verbose"


def summary_text(results: Sequence[DayResult], known_faults: Mapping[str, str], spent_s: float) -> str:
    """Totals, faults that struck and those that never did, and the verdict."""
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
    lines = [
        f"{len(results)} days, {trips} round trips, {exits} marketable exits, first try {rate}, "
        f"worst naked {naked / 1e9:.1f} s, {days_min:.0f} days a minute",
        *_fault_lines(faults, known_faults),
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
