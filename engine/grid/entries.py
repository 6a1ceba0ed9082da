"""Which levels' entries rest: the nearest to the market first, so many a side, while the grid may enter. Pure."""

from __future__ import annotations

from engine.grid.hedges import GridHedges
from engine.grid.level import Level
from engine.grid.terms import GridKind, QuantityScope, TradeSide, trade_side_of
from engine.grid.view import LevelWord
from engine.instant import ist_time_ns
from engine.messages import Msg
from engine.outbox import Outbox


class GridEntries(GridHedges):
    """Places, replaces and withdraws the entries of levels."""

    def plan_entries(self, now_ns: int, out: Outbox) -> None:
        self._look_at_quantity(out)
        is_late = self._is_late(now_ns)
        block = "" if not is_late else "no new entries"
        block = block or self._entry_block(now_ns)
        for entry_side in self.terms.trade_type.sides:
            side = trade_side_of(entry_side)
            self._plan_entries_of(side, block or self._pause_reason(side), now_ns, out, withdraw=is_late)

    def used_qty(self, side: TradeSide) -> int:
        """Units that count against MaxQuantity: levels that a hedge has closed do not hold it up for ever (BUG-48)."""
        return self.net_qty(side, closed=False)

    def _look_at_quantity(self, out: Outbox) -> None:
        """Recomputed from what is held at every look (GRD-28)."""
        most = self.terms.max_quantity
        reached = bool(most) and any(self.used_qty(side) >= most for side in TradeSide)
        if reached is self.body.max_reached:
            return
        self.body.max_reached = reached
        out.say(
            Msg.GRID_MAX if reached else Msg.GRID_MAX_OVER, source=self.name, bot=self.name, symbol=self.terms.token_a
        )

    def _pause_reason(self, side: TradeSide) -> str:
        if not self.body.max_reached:
            return ""
        is_mine = self.used_qty(side) >= self.terms.max_quantity
        return "max quantity" if self.terms.max_quantity_scope is QuantityScope.GLOBAL or is_mine else ""

    def _is_late(self, now_ns: int) -> bool:
        """Past the time of day up to which entries rest (GRD-58)."""
        limit_ns = self.terms.no_new_entries_ns
        return bool(limit_ns) and ist_time_ns(now_ns) >= limit_ns

    def _plan_entries_of(self, side: TradeSide, block: str, now_ns: int, out: Outbox, *, withdraw: bool) -> None:
        levels = self.levels_of(side)
        out_now = [level for level in levels if level.cycle and self._has_live_entry(level)]
        most = self._resting_max()
        free: list[Level] = []
        keep: set[int] = set()
        for level in levels:  # nearest first, and no further than there is room
            if len(keep) == most:
                break
            if level in out_now:
                keep.add(level.index)
            elif not block and self._may_place(level, now_ns):
                keep.add(level.index)
                free.append(level)
        for level in out_now:
            bracket = self.cycle_of(level)
            unfilled = bracket is not None and not bracket.entered_qty
            is_unwanted = withdraw or level.index not in keep
            if bracket is not None and unfilled and is_unwanted and not bracket.body.entry_cancelled_by_us:
                bracket.withdraw()
                out.touched_brackets.add(bracket.body.bracket_id)
                bracket.plan(now_ns, out)
        room = most - len(out_now)
        if self.terms.seed_cadence and room > 0:
            room = 1 if now_ns >= self._next_rung_ns.get(side, 0) else 0
        for level in free:
            if room > 0:
                room -= 1
                self._next_rung_ns[side] = now_ns + self.terms.cycle_ns
                price = self.price_b.tick.ltp_paise if self.price_b is not None and self.is_fresh_b(now_ns) else 0
                level.place(self.open_cycle(level, now_ns, out).body.bracket_id, price)

    def _resting_max(self) -> int:
        """Entries of one side that may rest at a time (GRD-25); a geometric grid places all (GRD-67)."""
        most = self.terms.max_resting_entries_per_side
        is_all = self.terms.kind is GridKind.GEOMETRIC or self.terms.seed_cadence or not most
        return len(self.body.levels) if is_all else most

    def _has_live_entry(self, level: Level) -> bool:
        bracket = self.cycle_of(level)
        return bracket is not None and bool(bracket.live_entries())

    def _may_place(self, level: Level, now_ns: int) -> bool:
        """It waits for a place, and would not trade at once (GRD-09, BUG-53)."""
        if level.state is not LevelWord.FRESH or level.settling or now_ns < level.retry_ns:
            return False
        if not self.is_fresh_a(now_ns) or (self.terms.is_hedged and not self.is_fresh_b(now_ns)):
            return False
        return level.side.sign * (self.price_a.tick.ltp_paise - level.entry_paise) > 0
