"""What a grid must keep, beside what every bot must: counters that are the exchange's, and hedges in time.

The counters and levels are the bot's own words; what they are held against is the exchange's truth.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from engine.grid.bot import GridBot
from engine.grid.hedge import hedge_side, scaled
from engine.grid.terms import TradeSide
from engine.instant import NS_PER_S
from engine.order import Role
from tui.simulation.exit_checks import T_SLOW_NS, window_ns
from tui.simulation.oracle import Timers, Verdicts
from tui.simulation.truth import Group, Truth

GridNow = Callable[[], GridBot | None]
_EVERY_NS: Final = 5 * NS_PER_S
_HEDGE_NS: Final = 20 * NS_PER_S
"""A hedge whose trigger the market has passed has filled by then, but for what the desk could not help."""


class CountersAgree:
    """GRD-31: the units of token A that each side holds, and of token B, are those of the exchange's fills."""

    def __init__(self, grid: GridNow) -> None:
        self._grid = grid
        self._next_ns = 0
        self.apart = Timers()

    def look(self, truth: Truth, verdicts: Verdicts) -> None:
        bot = self._grid()
        if truth.now_ns < self._next_ns or bot is None or not bot.body.levels:
            return
        self._next_ns = truth.now_ns + _EVERY_NS
        groups = list(truth.groups.values())
        for side in TradeSide:
            mine = [g for g in groups if g.symbol == bot.terms.token_a and g.side is side.entry_side]
            held = sum(max(group.held_qty, 0) for group in mine)
            self._compare(side.value, bot.net_qty(side), held, mine, truth, verdicts)
        hedges = [g for g in groups if g.symbol == bot.terms.token_b and g.filled_of.get(Role.HEDGE)]
        held = sum(group.held_qty for group in hedges)
        ours = sum(bracket.open_qty for bracket in bot.open_brackets() if bracket.body.is_hedge)
        self._compare("hedge", ours, held, hedges, truth, verdicts)

    def _compare(
        self, what: str, ours: int, theirs: int, groups: list[Group], truth: Truth, verdicts: Verdicts
    ) -> None:
        age_ns = self.apart.age(what, ours != theirs, truth.now_ns)
        if not age_ns:
            return
        allowed_ns = max((window_ns(truth, group, T_SLOW_NS) for group in groups), default=T_SLOW_NS)
        excused = any(group.bracket_id in truth.touched or truth.has_ghost(group) for group in groups)
        if age_ns > allowed_ns and not excused:
            text = f"the grid counts {ours}, the exchange {theirs} for {age_ns / NS_PER_S:.0f} s"
            verdicts.broken("GRD-31", what, text)


class HedgeInTime:
    """H-01..H-10: once token B has passed the trigger of an open level, its hedge fills, or something kept it."""

    def __init__(self, grid: GridNow) -> None:
        self._grid = grid
        self._next_ns = 0
        self.due = Timers()

    def look(self, truth: Truth, verdicts: Verdicts) -> None:
        bot = self._grid()
        if truth.now_ns < self._next_ns or bot is None or bot.body.is_terminated:
            return
        self._next_ns = truth.now_ns + NS_PER_S
        for level in bot.body.levels:
            need = bot.hedge_need(level) if level.is_filled else 0
            is_due = bool(level.due_ns) and need > level.hedged_qty - level.trimmed_qty
            cycle = bot.cycle_of(level)
            leaving = cycle is not None and bool(cycle.body.exit_reason)
            age_ns = self.due.age(level.uuid, is_due and not leaving, truth.now_ns)
            if age_ns > _HEDGE_NS and not truth.disturbed(truth.now_ns - age_ns - T_SLOW_NS):
                text = f"{level.label}: hedge due for {age_ns / NS_PER_S:.0f} s and not filled"
                verdicts.broken("GRD-35", level.uuid, text)


class NotOverHedged:
    """GRD-16, GRD-18: no hedge works, or is held, for units of token A that are not open any more."""

    def __init__(self, grid: GridNow) -> None:
        self._grid = grid
        self._next_ns = 0
        self.over = Timers()

    def look(self, truth: Truth, verdicts: Verdicts) -> None:
        bot = self._grid()
        if truth.now_ns < self._next_ns or bot is None or bot.price_b is None:
            return
        self._next_ns = truth.now_ns + NS_PER_S
        terms, lot = bot.terms, bot.price_b.instrument.lot_size
        for entry_side in terms.trade_type.sides:
            needed = hedged = 0
            muddled = False
            for key, group in truth.groups.items():
                if group.symbol == terms.token_a and group.side is entry_side:
                    needed += scaled(terms.qty_b, max(group.held_qty, 0), terms.qty_a, lot)
                elif group.symbol == terms.token_b and group.side is hedge_side(entry_side, terms.hedge_sign):
                    hedged += max(group.held_qty, 0) + truth.remaining(group, Role.HEDGE)
                else:
                    continue
                muddled = muddled or truth.is_muddled(key) or truth.has_ghost(group)
            age_ns = self.over.age(entry_side.value, hedged > needed and not muddled, truth.now_ns)
            if age_ns > _HEDGE_NS and not truth.disturbed(truth.now_ns - age_ns - T_SLOW_NS):
                text = f"{hedged} hedge units for {needed} needed, for {age_ns / NS_PER_S:.0f} s"
                verdicts.broken("GRD-18", entry_side.value, text)


class HedgesAtWork:
    """GRD-36: per direction no more hedge orders live than rest by the depth, and one that executes."""

    def __init__(self, grid: GridNow) -> None:
        self._grid = grid
        self.too_many = Timers()

    def look(self, truth: Truth, verdicts: Verdicts) -> None:
        bot = self._grid()
        if bot is None:
            return
        live: dict[str, int] = {}
        for report in truth.live.values():
            intent = truth.intents.get(report.tag)
            if intent is not None and intent.role is Role.HEDGE:
                live[intent.side.value] = live.get(intent.side.value, 0) + 1
        for side, count in live.items():
            is_over = count > bot.terms.oco_bracket_depth + 1
            age_ns = self.too_many.age(side, is_over, truth.now_ns)
            if age_ns > T_SLOW_NS and not truth.disturbed(truth.now_ns - 2 * T_SLOW_NS):
                verdicts.broken("GRD-36", side, f"{count} {side} hedges live for {age_ns / NS_PER_S:.0f} s")
