"""The crash matrix: one scripted day, killed at every commit and around every request, one run for each point.

The day is short and has everything in it that the legs do: entries by bar and by key, partial fills, targets, stops,
trails, a modify, an exit by key, a square-off of all. Faults are off, so that a run that goes wrong went wrong by the
crash alone. Nested runs kill the next desk as well, at one of its first points, while it recovers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import time as time_of_day
from typing import Final

import msgspec

from brokers.paper.account import Latency
from brokers.paper.demo_market import DEMO_DAY
from brokers.paper.index_path import PathModel
from brokers.paper.rules import PaperRules
from engine.bracket_state import BracketTerms, EntryRest
from engine.entry_trigger import TriggerSettings
from engine.exit_rules.breakeven import Breakeven
from engine.exit_rules.lock_fraction import LockFraction
from engine.exit_rules.registry import encode_rules
from engine.instant import NS_PER_MS, NS_PER_S, at_ist
from engine.legs import PairPolicy
from engine.view import ExitStyle
from tui.simulation.crashes import Crash
from tui.simulation.day import DayPlan, DayResult, run_day
from tui.simulation.seed_terms import Key, Press, Profile, SeedTerms

SEED: Final = 11
LAST_TRADE: Final = time_of_day(9, 24)
UNTIL: Final = time_of_day(9, 28)
"""Four quiet minutes: longer than the ambiguity window and a recovery after the last crash."""
NESTED_POINTS: Final = 12
"""How far into a recovery the second crash may fall, counted in points."""
_DOWN_NS: Final = 3 * NS_PER_S


def scripted_terms(style: ExitStyle = ExitStyle.RESTING) -> SeedTerms:
    """The day's bot and the trader's keys, the same every time."""
    rules = tuple(encode_rules((LockFraction(activation_bps=3_000, lock_bps=5_000), Breakeven(gain_paise=60))))
    return SeedTerms(
        seed=SEED,
        profile=Profile.CALM,
        bracket=BracketTerms(
            style=style,
            target_offset_paise=150,
            stop_offset_paise=120,
            rules=rules,
            entry_rest=EntryRest.GROW,
            chase_ns=500 * NS_PER_MS,
        ),
        lots=2,
        pair_policy=PairPolicy.INDEPENDENT,
        trigger=TriggerSettings(interval_ns=60 * NS_PER_S, every_n_bars=2),
        latency=Latency(request_ms=(5, 60), push_ms=(2, 80), overtake_pct=30),
        rules=PaperRules(displayed_size=True, second_exit_margin=False, funds_paise=500_000_000),
        path=PathModel(jumps_per_day=20.0),
        presses=(
            _press(time_of_day(9, 16, 10), Key.ENTER),
            _press(time_of_day(9, 18, 20), Key.EXIT_LEG),
            _press(time_of_day(9, 20, 40), Key.ENTER),
            _press(time_of_day(9, 22, 30), Key.ENTER),
            _press(LAST_TRADE, Key.ZERO_OUT),
        ),
    )


def _press(at: time_of_day, key: Key) -> Press:
    return Press(at_ist(DEMO_DAY, at), key, 0)


def scripted_day(*crashes: Crash, style: ExitStyle = ExitStyle.RESTING) -> DayPlan:
    """The day, with these crashes in it."""
    return DayPlan(
        seed=SEED,
        profile=Profile.CALM,
        terms=scripted_terms(style),
        crashes=crashes,
        until=UNTIL,
        closes=True,
        faults_end=LAST_TRADE,
    )


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """One run of the matrix: where it was killed, and again where (-1: not again)."""

    style: ExitStyle
    point: int
    nested: int = -1

    def plan(self) -> DayPlan:
        crashes = [Crash(at_point=self.point, down_ns=_DOWN_NS)]
        if self.nested >= 0:
            crashes.append(Crash(at_point=self.point + 1 + self.nested, down_ns=_DOWN_NS))
        return scripted_day(*crashes, style=self.style)


def cells(style: ExitStyle, points: int, *, nested_every: int = 0) -> Iterator[Cell]:
    """Every point of a day that has so many; each `nested_every`-th one again with every nested point (0: none)."""
    for point in range(points):
        yield Cell(style=style, point=point)
        if nested_every and point % nested_every == 0:
            yield from (Cell(style=style, point=point, nested=number) for number in range(NESTED_POINTS))


def all_cells(*, nested: bool = False) -> list[Cell]:
    """Every point of the day in every style; nested: also the recoveries after every fifth of them."""
    found: list[Cell] = []
    for style in ExitStyle:
        points = run_day(scripted_day(style=style)).points
        found.extend(cells(style, points, nested_every=5 if nested else 0))
    return found


def matrix_text(killed: Sequence[Cell], results: Sequence[DayResult]) -> str:
    """A table: what was killed, at which of its points, how often, and how often everything was found again."""
    rows: dict[tuple[str, str, str], list[bool]] = {}
    broken: list[str] = []
    for cell, result in zip(killed, results, strict=True):
        for number, death in enumerate(result.deaths):
            when = "recovery" if number else cell.style.value
            rows.setdefault((when, death.work, death.point.value), []).append(result.is_clean)
        if not result.is_clean:
            at = f"point {cell.point}" + (f", then {cell.nested} of the recovery" if cell.nested >= 0 else "")
            broken += [f"- {cell.style.value}, {at}: {violation.line()}" for violation in result.violations]
    lines = ["| day | killed at | point | runs | recovered |", "|---|---|---|---:|---:|"]
    for (when, work, point), clean in sorted(rows.items()):
        lines.append(f"| {when} | {work} | {point} | {len(clean)} | {sum(clean)} |")
    runs, good = len(results), sum(result.is_clean for result in results)
    lines += ["", f"{good} of {runs} runs recovered.", *broken]
    return "\n".join(lines)
