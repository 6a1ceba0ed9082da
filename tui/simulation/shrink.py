"""Makes a failing day smaller: fewer faults, keys and crashes that still break the same invariant, and no more day than
needed.

Every rate has a generator of its own, so that leaving one fault out moves no other's draws; the day still changes with
everything that does not happen in it, so the result is a smaller failing day, not a proof that no smaller one exists.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import time as time_of_day
from typing import Final, TypeVar

import msgspec
from msgspec.structs import replace

from engine.instant import NS_PER_MS, NS_PER_S, clock_text
from tui.simulation.day import DayPlan, DayResult, run_day
from tui.simulation.faults import FaultChoice
from tui.simulation.oracle import Violation

_T = TypeVar("_T")
RUNS_MAX: Final = 60
_SLACK_NS: Final = 60 * NS_PER_S
"""A smaller day may break a little later."""


class Shrunk(msgspec.Struct, frozen=True, kw_only=True):
    """The smallest failing day that was found."""

    plan: DayPlan
    violation: Violation
    runs: int


class Shrinker:
    """Runs days until nothing more can be left out, or the budget is spent."""

    def __init__(self, result: DayResult, plan: DayPlan, on_run: Callable[[], None] = lambda: None) -> None:
        """`result` is what `plan` came to; its first violation is the one that is kept."""
        self._on_run = on_run
        self.runs = 0
        self.violation = result.violations[0]
        self._goal = self.violation.invariant
        self.plan = plan
        self._fired = tuple(fault for fault in result.faults if not fault.startswith("STO-"))
        self._keys, self._kills = result.keys, result.kills

    def run(self) -> Shrunk:
        """Whole kinds first, then halves, then one by one; the day's end last of all."""
        if self.plan.faults.script == "":
            self._reduce(self.plan.faults.only or self._fired, lambda kept: replace(self.plan, faults=_only(kept)))
        self._reduce(
            self.plan.kills if self.plan.kills is not None else tuple(range(self._kills)),
            lambda kept: replace(self.plan, kills=kept),
        )
        self._reduce(
            self.plan.keys if self.plan.keys is not None else tuple(range(self._keys)),
            lambda kept: replace(self.plan, keys=kept),
        )
        if not self.violation.is_final:
            self.plan = replace(self.plan, until=_time_of(self.violation.at_ns + NS_PER_MS))
        return Shrunk(plan=self.plan, violation=self.violation, runs=self.runs)

    def _reduce(self, items: Sequence[_T], with_only: Callable[[tuple[_T, ...]], DayPlan]) -> None:
        kept = tuple(items)
        if not kept:
            return
        if self._fails(with_only(())):
            return
        size = max(1, len(kept) // 2)
        while self.runs < RUNS_MAX:
            parts = [kept[start : start + size] for start in range(0, len(kept), size)]
            for part in parts:
                fewer = tuple(item for item in kept if item not in part)
                if fewer and self._fails(with_only(fewer)):
                    kept = fewer
                    break
            else:
                if size == 1:
                    return
                size = max(1, size // 2)

    def _fails(self, plan: DayPlan) -> bool:
        """True: the smaller day breaks the same invariant; it is the plan from here on."""
        if self.runs >= RUNS_MAX:
            return False
        self.runs += 1
        self._on_run()
        if not self.violation.is_final:
            plan = replace(plan, until=_time_of(self.violation.at_ns + _SLACK_NS))
        found = next((v for v in run_day(plan).violations if v.invariant == self._goal), None)
        if found is None:
            return False
        self.plan, self.violation = plan, found
        return True


def _time_of(at_ns: int) -> time_of_day:
    return time_of_day.fromisoformat(clock_text(at_ns, decimals=3))


def _only(kept: tuple[str, ...]) -> FaultChoice:
    return FaultChoice(only=kept)
