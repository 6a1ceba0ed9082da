"""What of the hedges is at the broker: per direction one stop that rests, and one order that executes. Pure.

A plan, not a script: after every event the levels' needs are held against the groups that stand for them. A group that
rests is moved to a nearer trigger by modify, so that there is no moment without it; what is due and rests nowhere goes
out at once, all together (GRD-35..40, "Bracketing in stop mode").
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from engine.bracket import Bracket
from engine.grid.cycles import GridCycles
from engine.grid.hedge import (
    HedgeGroup,
    Rest,
    Want,
    bracketed,
    crossing_order,
    hedge_side,
    is_passed,
    to_rest,
)
from engine.grid.level import Level
from engine.grid.terms import HedgeOrderType, TradeSide, trade_side_of
from engine.messages import Msg
from engine.money import rupees_text
from engine.order import Side
from engine.outbox import Outbox
from engine.price_book import NO_HIGH, NO_LOW

_CHANGES_KEPT: Final = 8
"""Of the broker's cap on changes of one order."""
_WRITES_MAX: Final = 30
"""Of one resting hedge a day, before another order takes its place: ten are left to execute it (O4)."""


class GridHedges(GridCycles):
    """Keeps the hedge groups in step with the levels."""

    def plan_hedges(self, now_ns: int, out: Outbox) -> None:
        if not self.terms.is_hedged:
            self.mark_covered(now_ns, out)
            return
        self._price_late(now_ns, out)
        for entry_side in self.terms.trade_type.sides:
            self._plan_side(trade_side_of(entry_side), now_ns, out)
        self.mark_covered(now_ns, out)

    def due_times(self, side: TradeSide) -> list[int]:
        """Of each hedge of a side that is due and not filled: since when (GRD-44)."""
        return [want_level.due_ns for want_level in self._needy(side) if want_level.due_ns]

    def band_b(self) -> tuple[int, int]:
        """(low, high): between them no price of token B makes a hedge due that rests nowhere."""
        low, high = NO_LOW, NO_HIGH
        for side in TradeSide:
            direction = hedge_side(side.entry_side, self.terms.hedge_sign)
            for level in self._needy(side):
                if level.due_ns:
                    continue
                if direction.sign > 0:
                    high = min(high, level.hedge_paise)
                else:
                    low = max(low, level.hedge_paise)
        return low, high

    # --- what is wanted ------------------------------------------------------------------------------------------

    def _price_late(self, now_ns: int, out: Outbox) -> None:
        """A level that could not be priced at its fill gets its hedge with the first price there is (BUG-49)."""
        if not self.is_fresh_b(now_ns):
            return
        for level in self.body.levels:
            if level.is_filled and not level.hedge_paise and self.price_hedge(level, now_ns):
                level.note = ""
                price, token_b = rupees_text(level.hedge_paise), rupees_text(level.token_b_paise)
                direction = hedge_side(level.side, self.terms.hedge_sign)
                self._say(Msg.GRID_HEDGED, level, direction, out, price=price, token_b=token_b)
                out.end_alarm(f"unhedged:{level.uuid}")

    def _needy(self, side: TradeSide) -> Iterable[Level]:
        """Levels whose hedge is priced and has not filled in full."""
        for level in self.levels_of(side):
            if not level.is_filled or not level.hedge_paise or self._is_being_left(level):
                continue
            if self.hedge_need(level) > level.hedged_qty - level.trimmed_qty:
                yield level

    def _is_being_left(self, level: Level) -> bool:
        """Its units are on their way out: a new hedge would open what square-off has just closed."""
        bracket = self.cycle_of(level)
        return bracket is not None and bool(bracket.body.exit_reason)

    def _wants(self, side: TradeSide, now_ns: int) -> dict[str, Want]:
        direction = hedge_side(side.entry_side, self.terms.hedge_sign)
        ltp = self.price_b.tick.ltp_paise if self.price_b is not None and self.is_fresh_b(now_ns) else 0
        wants: dict[str, Want] = {}
        for level in self._needy(side):
            if not level.due_ns and is_passed(direction, level.hedge_paise, ltp) and self._is_confirmed(level, now_ns):
                level.due_ns = now_ns
            qty = self.hedge_need(level) - (level.hedged_qty - level.trimmed_qty)
            wants[level.uuid] = Want(level.uuid, level.hedge_paise, qty, bool(level.due_ns))
        return wants

    def _is_confirmed(self, level: Level, now_ns: int) -> bool:
        """By option, token A must have gone against the level's entry too (consequence c of the hedge's section)."""
        if not self.terms.confirm_with_token_a or not self.is_fresh_a(now_ns):
            return True
        return level.side.sign * (self.price_a.tick.ltp_paise - level.entry_paise) < 0

    # --- one direction -------------------------------------------------------------------------------------------

    def _plan_side(self, side: TradeSide, now_ns: int, out: Outbox) -> None:
        left = self._wants(side, now_ns)
        groups = self._working(side, now_ns)
        if self.terms.hedge_order_type is HedgeOrderType.LIMIT:
            self._plan_limits(side, groups, left, now_ns, out)
            return
        executing = [group for group, bracket in groups.items() if bracket.body.entry_due_ns]
        for group in executing:
            self._execute(group, groups[group], left, now_ns, out)
        resting = {group: bracket for group, bracket in groups.items() if group not in executing}
        due = [want for want in left.values() if want.is_due]
        if due:
            for want in due:
                del left[want.uuid]
            self._open_market(side, due, now_ns, out)
        depth = 0 if self.terms.confirm_with_token_a else self.terms.oco_bracket_depth
        self._rest(side, resting, to_rest(self._direction(side), left.values(), depth), left, now_ns, out)

    def _direction(self, side: TradeSide) -> Side:
        return hedge_side(side.entry_side, self.terms.hedge_sign)

    def _working(self, side: TradeSide, now_ns: int) -> dict[HedgeGroup, Bracket]:
        """Groups of a side that may still fill, in the order of their making."""
        working: dict[HedgeGroup, Bracket] = {}
        for group in self.body.groups:
            bracket = self.bracket_of(group)
            if group.trade_side is side and bracket is not None and self._may_fill(group, bracket):
                bracket.note_passed(now_ns)
                working[group] = bracket
        return working

    def _may_fill(self, group: HedgeGroup, bracket: Bracket) -> bool:
        is_limit = self.terms.hedge_order_type is HedgeOrderType.LIMIT
        wants_more = bool(bracket.live_entries()) if is_limit else bracket.awaits_entry
        return wants_more and not group.is_withdrawn and not bracket.body.exit_reason

    def _execute(self, group: HedgeGroup, bracket: Bracket, left: dict[str, Want], now_ns: int, out: Outbox) -> None:
        """It is at the market: for its own members, and one that was made at the market for all that are due since."""
        mine = [left.pop(uuid) for uuid in list(group.members) if uuid in left]
        if group.is_market:
            mine += [left.pop(want.uuid) for want in list(left.values()) if want.is_due]
        self._work_for(group, bracket, mine, bracket.body.level_paise, now_ns, out)

    def _open_market(self, side: TradeSide, due: Sequence[Want], now_ns: int, out: Outbox) -> None:
        direction = self._direction(side)
        ordered = crossing_order(direction, due)
        self._open_group(side, ordered, ordered[0].trigger_paise, now_ns, out, is_market=True)

    def _rest(
        self,
        side: TradeSide,
        resting: Mapping[HedgeGroup, Bracket],
        rests: Sequence[Rest],
        left: Mapping[str, Want],
        now_ns: int,
        out: Outbox,
    ) -> None:
        """Bring the orders that rest to the triggers that shall, by modify before anything else."""
        missing = {rest.trigger_paise: rest for rest in rests}
        spare: list[HedgeGroup] = []
        for group, bracket in resting.items():
            rest = missing.get(bracket.body.level_paise)
            if rest is None or self._is_spent(bracket):
                spare.append(group)
            else:
                del missing[rest.trigger_paise]
                self._work_for(group, bracket, rest.wants, rest.trigger_paise, now_ns, out)
        for group in spare:
            bracket = resting[group]
            here = [want for want in left.values() if want.trigger_paise == bracket.body.level_paise]
            is_held = bool(here) and now_ns < group.moved_ns + self.terms.min_hold_ns
            is_spent = self._is_spent(bracket)
            rest = next(iter(missing.values()), None)
            if is_held and not is_spent:
                self._work_for(group, bracket, here, bracket.body.level_paise, now_ns, out)
                if rest is not None:
                    del missing[rest.trigger_paise]  # it moves there when its hold is over
            elif rest is not None and not is_spent:
                del missing[rest.trigger_paise]
                group.moved_ns = now_ns
                self._work_for(group, bracket, rest.wants, rest.trigger_paise, now_ns, out)
            else:
                self._withdraw(group, bracket, now_ns, out)
        if missing and not self._is_leaving(side):
            for rest in missing.values():
                self._open_group(side, rest.wants, rest.trigger_paise, now_ns, out)

    def _is_spent(self, bracket: Bracket) -> bool:
        """It was moved so often that what is left of its changes is for executing it (O4, O5)."""
        cap = self._rules[bracket.body.account].modify_cap - _CHANGES_KEPT
        moved = max((order.modify_count for order in bracket.live_entries()), default=0)
        return bracket.body.writes_today >= _WRITES_MAX or moved >= cap

    def _is_leaving(self, side: TradeSide) -> bool:
        """A withdrawn order of this side may still rest: another would be one too many (GRD-37)."""
        for group in self.body.groups:
            bracket = self.bracket_of(group)
            if group.is_withdrawn and group.trade_side is side and bracket is not None and bracket.live_entries():
                return True
        return False

    def _plan_limits(
        self,
        side: TradeSide,
        groups: Mapping[HedgeGroup, Bracket],
        left: Mapping[str, Want],
        now_ns: int,
        out: Outbox,
    ) -> None:
        """The seed's literal way: limits at the two prices next to token B, everything else cancelled (CON-11)."""
        ltp = self.price_b.tick.ltp_paise if self.price_b is not None else 0
        chosen = bracketed([want.trigger_paise for want in left.values()], ltp) if ltp else ()
        open_at = {bracket.body.level_paise: group for group, bracket in groups.items()}
        for price, group in open_at.items():
            here = [want for want in left.values() if want.trigger_paise == price]
            if price in chosen and here:
                continue
            self._withdraw(group, groups[group], now_ns, out)
        for price in chosen:
            if price not in open_at and not self._is_leaving(side):
                here = [want for want in left.values() if want.trigger_paise == price]
                self._open_group(side, here, price, now_ns, out)

    # --- groups --------------------------------------------------------------------------------------------------

    def _open_group(
        self,
        side: TradeSide,
        wants: Sequence[Want],
        level_paise: int,
        now_ns: int,
        out: Outbox,
        *,
        is_market: bool = False,
    ) -> None:
        group = HedgeGroup(
            bracket_id="",
            side=self._direction(side),
            entry_side=side.entry_side,
            is_market=is_market,
            moved_ns=now_ns,
        )
        group.want(wants)
        group.bracket_id = self.open_hedge(group, level_paise, now_ns, out).body.bracket_id
        self.body.groups.append(group)
        self._note_members(group)

    def _work_for(
        self,
        group: HedgeGroup,
        bracket: Bracket,
        wants: Sequence[Want],
        level_paise: int,
        now_ns: int,
        out: Outbox,
    ) -> None:
        group.want(wants)
        self._note_members(group)
        if not group.missing_qty:
            self._withdraw(group, bracket, now_ns, out)
        elif bracket.retarget(level_paise, group.wanted_qty):
            out.touched_brackets.add(group.bracket_id)
            bracket.plan(now_ns, out)

    def _note_members(self, group: HedgeGroup) -> None:
        for uuid in group.members:
            level = self.level(uuid)
            if level is not None and group.missing_of(uuid):
                level.group = group.bracket_id

    def _withdraw(self, group: HedgeGroup, bracket: Bracket, now_ns: int, out: Outbox) -> None:
        """Nobody wants more of it; what has filled stays."""
        group.is_withdrawn = True
        group.want(())
        bracket.withdraw()
        out.touched_brackets.add(group.bracket_id)
        bracket.plan(now_ns, out)

    # --- what that covers ----------------------------------------------------------------------------------------

    def covered_b(self, level: Level) -> int:
        """Units of token B that rest, execute or have filled for this level."""
        working = 0
        for group in self.body.groups:
            bracket = self.bracket_of(group)
            if bracket is not None and group.missing_of(level.uuid):
                sure = sum(order.sure_qty for order in bracket.live_entries())
                working += min(group.missing_of(level.uuid), sure)
        return level.hedged_qty - level.trimmed_qty + working

    def mark_covered(self, now_ns: int, out: Outbox) -> None:
        """Tell each position on token A how much of it a hedge limits: by what rests, or by a watch on fresh prices."""
        body = self.body
        is_watched = self.is_fresh_b(now_ns) and not (body.is_terminated or body.is_withdrawn)
        for level in self.body.levels:
            bracket = self.cycle_of(level)
            if bracket is None or bracket.open_qty <= 0:
                continue
            need, open_qty = self.hedge_need(level), bracket.open_qty
            is_sure = 0 < need <= self.covered_b(level)
            stands = not need or is_sure or (level.hedge_paise > 0 and is_watched and not self.is_refused(level))
            self._set_hedged(bracket, open_qty if stands else 0, now_ns, out, is_sure=is_sure)
        for group in self.body.groups:
            bracket = self.bracket_of(group)
            if bracket is not None and bracket.open_qty > 0:
                self._set_hedged(bracket, bracket.open_qty, now_ns, out, is_sure=True)

    def is_refused(self, level: Level) -> bool:
        """The broker takes no hedge for it: to watch its trigger would promise what nobody can do."""
        hedge = self.brackets.get(level.group)
        return hedge is not None and hedge.awaits_entry and hedge.body.entry_rejects >= hedge.body.terms.exit_tries

    def _set_hedged(self, bracket: Bracket, qty: int, now_ns: int, out: Outbox, *, is_sure: bool) -> None:
        if (bracket.body.hedged_qty, bracket.body.is_hedge_sure) != (qty, is_sure):
            bracket.body.hedged_qty, bracket.body.is_hedge_sure = qty, is_sure
            out.touched_brackets.add(bracket.body.bracket_id)
            bracket.update_state(now_ns, out)
