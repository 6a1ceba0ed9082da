"""From fills to levels: entries that fill, targets that close a cycle, hedges that close a level for good. Pure.

Everything is read off the brackets' fills, at every event anew: what was missed while the program was away is found in
the same way as what has just come (GRD-52), and no counter can drift from the fills it counts (GRD-31).
"""

from __future__ import annotations

from engine.bracket import REASON_TARGET, Bracket
from engine.grid.brackets import GridBrackets
from engine.grid.hedge import HedgeGroup, hedge_side, hedge_trigger, scaled
from engine.grid.level import Level
from engine.grid.terms import RacePolicy, TradeSide
from engine.grid.view import LevelWord
from engine.instant import NS_PER_S
from engine.messages import Msg
from engine.money import divide_half_up, rupees_text
from engine.order import Order, Role, Side
from engine.outbox import Outbox
from engine.view import BracketState

_REJECTS_MAX = 3
"""Refused entries of one level in a row before it is paused (GRD-19, BUG-82)."""
_RETRY_NS = NS_PER_S
_EXITING = frozenset({LevelWord.TARGET_READY, LevelWord.TARGET_PLACED})


class GridCycles(GridBrackets):
    """Moves levels along, by what their brackets have come to."""

    def net_qty(self, side: TradeSide, *, closed: bool = True) -> int:
        """Units of token A that a side holds (GRD-31); `closed`: those of levels that a hedge has closed as well."""
        total = 0
        for level in self.levels_of(side):
            bracket = self.cycle_of(level)
            if bracket is not None and (closed or not level.is_closed):
                total += max(bracket.open_qty, 0)
        return total

    def oco_count(self, side: TradeSide) -> int:
        return self.body.upside_oco if side is TradeSide.UPSIDE else self.body.downside_oco

    def hedge_need(self, level: Level) -> int:
        """Units of token B that this level's open units ask for, filled ones included."""
        bracket, price = self.cycle_of(level), self.price_b
        if bracket is None or price is None:
            return 0
        return scaled(self.terms.qty_b, bracket.open_qty, level.qty, price.instrument.lot_size)

    # --- one look at everything ----------------------------------------------------------------------------------

    def book_fills(self, now_ns: int, out: Outbox) -> None:
        """Take in what the brackets have come to: hedges first, so that a race is seen as one (GRD-18)."""
        for group in list(self.body.groups):
            self._book_group(group, out)
        for level in self.body.levels:
            if level.settling and self._is_settled(level.settling):
                level.settling = ""
            bracket = self.cycle_of(level)
            if level.cycle and bracket is None:
                self._forget_cycle(level, out)  # of a day that the broker's book does not hold any more (GRD-53)
            elif bracket is not None:
                self._book_level(level, bracket, now_ns, out)

    def _is_settled(self, bracket_id: str) -> bool:
        """Every surplus unit of a hedge is closed again, or nobody means to close it."""
        bracket = self.brackets.get(bracket_id)
        return bracket is None or bracket.open_qty <= 0 or bracket.filled(Role.EXIT) >= bracket.body.trim_qty

    def _book_group(self, group: HedgeGroup, out: Outbox) -> None:
        bracket = self.bracket_of(group)
        if bracket is None:
            self.body.groups.remove(group)
            return
        was_surplus = group.surplus_qty
        for uuid, qty in group.share_out(bracket.entered_qty):
            level = self.level(uuid)
            if level is not None:
                level.hedged_qty += qty
                level.group = group.bracket_id
        if group.surplus_qty > was_surplus:
            self.unwind(group, bracket, group.surplus_qty - was_surplus, out)
        if bracket.body.state is BracketState.FLAT:
            self.body.groups.remove(group)

    def unwind(self, group: HedgeGroup, bracket: Bracket, qty: int, out: Outbox) -> None:
        """Hedge units that nobody needs: closed, or kept and told (H-08)."""
        side, policy = group.trade_side.value, self.terms.race_policy
        closes = policy is RacePolicy.CLOSE
        word = "closing them" if closes else "kept by race_policy"
        out.say(Msg.GRID_SURPLUS, source=self.name, symbol=bracket.body.symbol, side=side, qty=qty, policy=word)
        out.alert("surplus_hedge", bracket.body.symbol, f"{self.name}: {qty} hedge units too many, {word}")
        if closes:
            bracket.body.trim_qty += qty
            out.touched_brackets.add(group.bracket_id)

    def _book_level(self, level: Level, bracket: Bracket, now_ns: int, out: Outbox) -> None:
        entered, is_over = bracket.entered_qty, bracket.body.state is BracketState.FLAT
        if level.state is LevelWord.ENTRY_PLACED:
            self._tell_placed(level, bracket, out)
            if entered:
                self._entry_filled(level, bracket, now_ns, out)
            elif is_over:
                self._entry_over(level, bracket, now_ns, out)
        if level.state in _EXITING:
            works = any(order.is_at_broker for order in bracket.live(Role.TARGET))
            level.move(LevelWord.TARGET_PLACED if works else LevelWord.TARGET_READY)
            need = self.hedge_need(level)
            if need and level.hedged_qty - level.trimmed_qty >= need:
                self._hedge_filled(level, bracket, out)
            self._trim_excess(level, need, bracket, out)
        elif level.state is LevelWord.OCO_FILLED:
            self._trim_excess(level, self.hedge_need(level), bracket, out)
        if level.state in _EXITING and is_over:
            self._cycle_over(level, bracket, out)

    # --- entries -------------------------------------------------------------------------------------------------

    def _tell_placed(self, level: Level, bracket: Bracket, out: Outbox) -> None:
        placed = next((order for order in bracket.orders_of(Role.ENTRY) if order.broker_id), None)
        if level.is_told or placed is None:
            return
        level.is_told = True
        fields = {"qty": level.qty, "price": rupees_text(level.entry_paise), "id": placed.broker_id}
        self._say(Msg.GRID_ENTRY, level, level.side, out, tag=placed.tag, **fields)

    def _entry_filled(self, level: Level, bracket: Bracket, now_ns: int, out: Outbox) -> None:
        """Price the hedge by token B at this moment (GRD-07, GRD-14)."""
        level.move(LevelWord.TARGET_READY)
        level.rejects = level.retry_ns = 0
        hedge = ""
        if self.terms.is_hedged:
            self.price_hedge(level, now_ns, fallback_paise=level.placed_b_paise)
            side = hedge_side(level.side, self.terms.hedge_sign)
            if level.hedge_paise:
                token_b, price = rupees_text(level.token_b_paise), rupees_text(level.hedge_paise)
                stale = " (stale)" if level.is_stale else ""
                hedge = f" | OCO: {side.value} @ {price} | TokenB: {token_b}{stale}"
            else:
                self._unhedged(level, out)
        fields = {"price": rupees_text(level.entry_paise), "filled": rupees_text(bracket.body.entry_paise)}
        back, target = level.side.opposite.value, rupees_text(level.target_paise)
        self._say(Msg.GRID_FILLED, level, level.side, out, back=back, target=target, hedge=hedge, **fields)

    def price_hedge(self, level: Level, now_ns: int, *, fallback_paise: int = 0) -> bool:
        """Give the level its trigger; False when no price of token B allows one. On a stale feed `fallback_paise`."""
        price = self.price_b
        if price is None:
            return False
        is_fresh = self.is_fresh_b(now_ns)
        token_b = price.tick.ltp_paise if is_fresh else fallback_paise
        if token_b <= 0:
            return False
        side = hedge_side(level.side, self.terms.hedge_sign)
        level.token_b_paise, level.is_stale = token_b, not is_fresh
        level.hedge_paise = hedge_trigger(side, token_b, self.terms.oco_spread_paise, price.instrument.tick_paise)
        return level.hedge_paise > 0

    def _unhedged(self, level: Level, out: Outbox) -> None:
        symbol = self.terms.token_b
        reason = (
            f"{symbol} has no price"
            if not level.token_b_paise
            else f"{symbol} {rupees_text(level.token_b_paise)} leaves no price for its hedge"
        )
        level.note = f"UNHEDGED: {reason}"
        self._say(Msg.GRID_UNHEDGED, level, level.side, out, price=rupees_text(level.entry_paise), reason=reason)
        out.raise_alarm(f"unhedged:{level.uuid}", f"{self.name} {level.label} UNHEDGED: {reason}")

    def _entry_over(self, level: Level, bracket: Bracket, now_ns: int, out: Outbox) -> None:
        """It ended without a fill: as before, unless it was refused too often or taken back by the trader (GRD-20)."""
        reason, left = bracket.body.closed_reason, bracket.body.exit_reason
        was_refused = not left and not bracket.body.entry_cancelled_by_us
        level.take_back()
        self._say(Msg.GRID_ENTRY_OVER, level, level.side, out, price=rupees_text(level.entry_paise), reason=reason)
        if was_refused:
            level.rejects += 1
            level.retry_ns = now_ns + _RETRY_NS * level.rejects
        if left or level.rejects >= _REJECTS_MAX:
            self.pause_level(level, left or f"refused {level.rejects} times: {reason}", out)
            if not left:
                text = f"{self.name} {level.label}: {level.note}"
                out.alert("level_paused", self.terms.token_a, text)

    def _forget_cycle(self, level: Level, out: Outbox) -> None:
        """Its bracket is nowhere: an order of another day that has expired. What is held is in other brackets."""
        if level.state is LevelWord.OCO_FILLED:
            level.cycle = ""
            return
        if level.state is LevelWord.ENTRY_PLACED:
            level.take_back()
        elif level.state in _EXITING:
            level.begin_again(self.next_uuid(), reenters=True)
        reason = "expired with its day"
        self._say(Msg.GRID_ENTRY_OVER, level, level.side, out, price=rupees_text(level.entry_paise), reason=reason)

    def pause_level(self, level: Level, reason: str, out: Outbox) -> None:
        """Nothing is placed for it until it is resumed (GRD-19)."""
        level.move(LevelWord.PAUSED)
        level.note = reason
        self._say(Msg.GRID_LEVEL_PAUSED, level, level.side, out, price=rupees_text(level.entry_paise), reason=reason)

    # --- the ends of a cycle -------------------------------------------------------------------------------------

    def _cycle_over(self, level: Level, bracket: Bracket, out: Outbox) -> None:
        """The broker says that the level holds nothing: a new cycle, or none when somebody else ended it (GRD-16)."""
        body = bracket.body
        is_target = bool(bracket.filled(Role.TARGET)) or body.exit_reason == REASON_TARGET
        if is_target:
            self.body.cycles += 1
            fields = {"price": rupees_text(level.target_paise), "filled": rupees_text(_average_out(bracket))}
            self._say(Msg.GRID_TARGET, level, level.side.opposite, out, **fields)
        out.end_alarm(f"unhedged:{level.uuid}")
        level.begin_again(self.next_uuid(), reenters=self.terms.auto_reenter or not is_target)
        if not is_target:
            self.pause_level(level, body.closed_reason, out)
        elif level.state is LevelWord.FRESH:
            self._say(Msg.GRID_RESET, level, level.side, out, price=rupees_text(level.entry_paise))

    def _hedge_filled(self, level: Level, bracket: Bracket, out: Outbox) -> None:
        """The pair is complete: the target goes, the level is closed for good, the side counts one more (GRD-17)."""
        level.move(LevelWord.OCO_FILLED)
        if level.trade_side is TradeSide.UPSIDE:
            self.body.upside_oco += 1
        else:
            self.body.downside_oco += 1
        side = hedge_side(level.side, self.terms.hedge_sign)
        hedge = self.brackets.get(level.group)
        filled = rupees_text(hedge.body.entry_paise) if hedge is not None else "?"
        self._say(Msg.GRID_OCO, level, side, out, price=rupees_text(level.hedge_paise), filled=filled)
        sign_a, sign_b = level.side.sign, side.sign
        held_a, held_b = sign_a * bracket.open_qty, sign_b * level.hedged_qty
        legs = f"{held_a:+d} {self.terms.token_a} / {held_b:+d} {self.terms.token_b}"
        level.note = f"pair {legs}"
        self._say(Msg.GRID_PAIR, level, level.side, out, legs=legs)
        bracket.withdraw()
        bracket.drop_target(out)

    def _trim_excess(self, level: Level, need: int, bracket: Bracket, out: Outbox) -> None:
        """Hedge units that filled for what the level does not hold any more (GRD-18)."""
        excess = level.hedged_qty - level.trimmed_qty - need
        group = next((group for group in self.body.groups if group.bracket_id == level.group), None)
        hedge = self.bracket_of(group) if group is not None else None
        if excess <= 0 or group is None or hedge is None:
            return
        level.trimmed_qty += excess
        if bracket.body.exit_reason and bracket.body.exit_reason != REASON_TARGET:
            if not hedge.body.exit_reason:  # the level was left: its hedge goes with it, whatever the policy
                hedge.body.trim_qty += excess
                out.touched_brackets.add(group.bracket_id)
        else:
            self.unwind(group, hedge, excess, out)

    # --- words ---------------------------------------------------------------------------------------------------

    def _say(self, msg: Msg, level: Level, direction: Side, out: Outbox, *, tag: str = "", **fields: object) -> None:
        """A line of one level; `direction` of the order that it tells of."""
        side = level.trade_side.value
        symbol = self.terms.token_a
        out.say(msg, source=self.name, symbol=symbol, tag=tag, side=side, direction=direction.value, **fields)


def _average_out(bracket: Bracket) -> int:
    """What the position was left at, on average, in paise."""
    closing: list[Order] = [o for o in bracket.orders_of(Role.TARGET) + bracket.orders_of(Role.EXIT) if o.filled_qty]
    qty = sum(order.filled_qty for order in closing)
    return divide_half_up(sum(order.value_paise for order in closing), qty) if qty else 0
