"""The protecting half of a bracket: levels from fills, the stop and the target at the broker, and the protection word.

SL is sent before TP (BUG-96). Exits shrink and move by modify; cancel-and-replace is the fallback when the broker's
modify cap is near (design §5.2). A stop whose trigger is through the market already is an exit, not an order (HRD-11).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from engine import refusals
from engine.blotter import WITHDRAWN
from engine.bracket_orders import (
    CHANGE_RETRY_NS,
    WRITES_PER_MIN_CHASE,
    WRITES_PER_MIN_OPTIONAL,
    WRITES_PER_MIN_ROUTINE,
)
from engine.bracket_rules import BracketRules
from engine.bracket_state import BreachedStop, Exhausted, StopType
from engine.exit_rules.level import stop_from_offset, stop_from_percent, target_from_offset, target_from_percent
from engine.instant import NS_PER_MS, NS_PER_S
from engine.messages import Msg
from engine.money import divide_half_up, rupees_text
from engine.order import TERMINAL, Order, OrderState, OrderType, Pending, Role
from engine.order_pricing import stop_limit
from engine.outbox import Outbox
from engine.slices import slices
from engine.venue_rules import takes_sl_m
from engine.view import BracketState, ExitStyle, ProtectionWord

REASON_UNPROTECTED: Final = "Unprotected"
PROTECT_NS: Final = 2 * NS_PER_S
"""T_PROTECT, clean case: longer without a working stop is an alarm (P1)."""
_CATASTROPHE_BPS: Final = 2_000
"""Our own number: a fifth of the entry price, far from what an exit rule would allow, near enough to be a limit."""
_RETRY_NS: Final = 300 * NS_PER_MS
"""First wait after a refused exit; the n-th is n times as long (HRD-04)."""


class BracketProtection(BracketRules):
    """Adds levels and protection to the bracket's orders."""

    # --- entry fills ---------------------------------------------------------------------------------------------

    def book_entry(self, order: Order, now_ns: int, out: Outbox) -> None:
        """New entry fills: average, levels, and the lines operators grep for. Levels come from fills alone (HRD-01)."""
        body = self.body
        entries = self.entry_orders()
        filled = sum(entry.filled_qty for entry in entries)
        if not filled:
            return
        value = sum(entry.value_paise for entry in entries) + body.adopted_value_paise
        body.entry_paise = divide_half_up(value, self.entered_qty)
        self.derive_levels(now_ns, out)
        if not body.first_fill_ns:
            body.first_fill_ns = body.naked_since_ns = now_ns
            body.state = BracketState.PROTECTING if body.state is BracketState.ENTERING else body.state
        ended = order.is_terminal
        if body.entry_logged_qty == filled or not (ended or body.entry_logged_qty < filled):
            return
        fields = {"source": body.bot, "symbol": body.symbol, "tag": order.tag}
        price = rupees_text(body.entry_paise)
        body.entry_logged_qty = filled
        if filled < body.qty:
            out.say(Msg.PARTIAL_FILL, **fields, filled=filled, qty=body.qty, price=price)
        else:
            out.say(Msg.ORDER_FILLED, **fields, side=body.side.value, qty=filled, price=price)
        self.say_state(out)

    def derive_levels(self, now_ns: int, out: Outbox) -> None:
        """Target and fixed stop from the entry average, on the tick; then the rules' own stops (LEG-14, RTP-23)."""
        body = self.body
        target, stop = self._fixed_target(), self._fixed_stop()
        if not body.target_dropped:
            body.target_paise = target
        if stop:
            first = body.original_stop_paise
            if not body.trail_active and (not first or self.is_tighter(stop, first)):
                body.original_stop_paise = stop
            if not body.stop_paise or self.is_tighter(stop, body.stop_paise):
                body.stop_paise = stop  # only ever tighter (I-4)
        self.note_best(body.entry_paise, out)
        self.ask_rules(now_ns, out)

    def take_catastrophe_stop(self, out: Outbox) -> None:
        """Units that are held already cannot be refused: without a stop of its own a far one protects them (RTP-03)."""
        body, tick = self.body, self.instrument.tick_paise
        if body.stop_paise:
            return
        stop = stop_from_percent(body.entry_paise, _CATASTROPHE_BPS, tick, body.side)
        body.stop_paise = body.original_stop_paise = stop
        out.say(Msg.CATASTROPHE_STOP, source=body.bot, symbol=body.symbol, stop=rupees_text(stop))

    def _fixed_target(self) -> int:
        """By the terms, as a share of the entry or a distance from it; 0 = none."""
        body, terms, tick = self.body, self.body.terms, self.instrument.tick_paise
        if body.level_target_paise:
            return body.level_target_paise
        if terms.target_bps:
            return target_from_percent(body.entry_paise, terms.target_bps, tick, body.side)
        offset = terms.target_offset_paise
        return target_from_offset(body.entry_paise, offset, tick, body.side) if offset else 0

    def _fixed_stop(self) -> int:
        body, terms, tick = self.body, self.body.terms, self.instrument.tick_paise
        if terms.stop_bps:
            return stop_from_percent(body.entry_paise, terms.stop_bps, tick, body.side)
        offset = terms.stop_offset_paise
        return stop_from_offset(body.entry_paise, offset, tick, body.side) if offset else 0

    # --- the plan for both exits -----------------------------------------------------------------------------------

    def plan_protection(self, open_qty: int, now_ns: int, out: Outbox) -> None:
        """Stop first, then target; each sized to what is open now. What this style watches here must not rest."""
        style = self.body.style
        if self.body.terms.covered_elsewhere:
            self._plan_targets(open_qty, now_ns, out)
            return
        if not self.body.stop_paise:
            self.leave(REASON_UNPROTECTED, "ensure_exits", now_ns, out)  # no rule gave it a stop (RTP-03)
            return
        if style is ExitStyle.MONITORED:
            self._unrest(self.live(Role.STOP, Role.TARGET), now_ns, out)
            return
        self._plan_stops(open_qty, now_ns, out)
        if style is ExitStyle.RESTING and not self.body.exit_reason:
            self._plan_targets(open_qty, now_ns, out)
        elif style is ExitStyle.HYBRID:
            self._unrest(self.live(Role.TARGET), now_ns, out)
        self._tell_exits(out)

    def _unrest(self, orders: Sequence[Order], now_ns: int, out: Outbox) -> None:
        for order in orders:
            self.cancel(order, f"{self.body.symbol}_ensure_exits", now_ns, out)

    @property
    def exhausted(self) -> bool:
        """The stop was refused or lost as often as allowed and the terms say flatten (LEG-29)."""
        return self._stop_tries_used and self.body.terms.on_exhausted is Exhausted.FLATTEN

    @property
    def _stop_tries_used(self) -> bool:
        return self.body.stop_rejects + self._lost(Role.STOP) >= self.body.terms.exit_retries

    def _lost(self, role: Role) -> int:
        """Orders of this role that ended unfilled without our asking: by hand, or by the exchange (HUM-03, EXI-04)."""
        gone = (OrderState.CANCELLED, OrderState.EXPIRED)
        return sum(
            order.state in gone and order.tag not in self.cancelled_by_us and order.reject_code != WITHDRAWN
            for order in self.orders_of(role)
        )

    def _plan_stops(self, open_qty: int, now_ns: int, out: Outbox) -> None:
        """One stop, or one per slice of a position above the freeze quantity (HRD-10)."""
        shares, rest = self.allot(self.live(Role.STOP), open_qty)
        for stop, share in shares:
            if share <= 0:
                self._unrest([stop], now_ns, out)  # a ghost, or a slice no longer needed (ORD-03)
            elif not self.body.exit_reason:
                self._tend_stop(stop, share, now_ns, out)
        if rest > 0 and not self.body.exit_reason:
            self._place_stop(rest, now_ns, out)

    def resize_stops(self, open_qty: int, now_ns: int, out: Outbox) -> None:
        """While the position leaves: what rests must not close more than is open (E1)."""
        for stop, share in self.allot(self.live(Role.STOP), open_qty)[0]:
            if share <= 0:
                self._unrest([stop], now_ns, out)
            elif stop.remaining_qty == share or not stop.is_at_broker or stop.pending:
                continue
            elif stop.type is not OrderType.LIMIT:
                self._change_stop(stop, share, stop.trigger_paise, now_ns, out, optional=False)
            elif self.is_modifiable(stop) and self.may_write(now_ns, out, limit=self.follow_limit):
                context = f"{self.body.symbol}_resize"
                self.modify(stop, stop.type, stop.filled_qty + share, stop.limit_paise, 0, context, now_ns, out)
            elif stop.remaining_qty > share:
                self.cancel(stop, f"{self.body.symbol}_resize", now_ns, out)

    def _tend_stop(self, stop: Order, share: int, now_ns: int, out: Outbox) -> None:
        body = self.body
        if not stop.is_at_broker or stop.pending is not Pending.NONE or self.change_waits(stop, now_ns):
            return
        if body.stop_escalated or self._is_jumped(stop, now_ns):
            self._escalate_stop(stop, share, now_ns, out)
            return
        if stop.type is OrderType.LIMIT:  # it had become the exit, and that was taken back
            self._unrest([stop], now_ns, out)
            return
        trigger = body.adjusted_stop_paise or body.stop_paise
        resized = stop.remaining_qty != share
        moved = self.is_tighter(trigger, stop.trigger_paise)
        if resized or moved:
            self._change_stop(stop, share, trigger if moved else stop.trigger_paise, now_ns, out, optional=not resized)

    def _place_stop(self, qty: int, now_ns: int, out: Outbox) -> None:
        body = self.body
        if self._stop_tries_used or now_ns < body.retry_at_ns:
            return
        trigger, ltp, tick = body.stop_paise, self.tick.ltp_paise, self.instrument.tick_paise
        body.adjusted_stop_paise = 0
        if ltp > 0 and self.is_through(ltp, trigger):
            fields = {"source": body.bot, "symbol": body.symbol}
            if body.terms.breached_stop is BreachedStop.EXIT_NOW:
                out.say(Msg.SL_BREACHED_EXIT, **fields, trigger=rupees_text(trigger), ltp=rupees_text(ltp))
                self.leave(self.stop_reason, "square_off", now_ns, out, level_paise=trigger)
                return
            out.say(Msg.SL_BREACHED, **fields, trigger=rupees_text(trigger), ltp=rupees_text(ltp))
            trigger = body.adjusted_stop_paise = max(ltp - self.sign * tick, tick)
        if not self.may_write(now_ns, out):
            return
        if self.orders_of(Role.STOP) and self._lost_stop():
            out.say(Msg.REARM, source=body.bot, symbol=body.symbol)
            out.say(Msg.ENSURE_EXITS, source=body.bot, symbol=body.symbol)
        order_type, limit = self.stop_shape(trigger)
        for index, part in enumerate(slices(qty, self.instrument)):
            order = self.place(Role.STOP, order_type, part, limit, trigger, "stop", now_ns, out, counts=index == 0)
            self._tell_stop(order, "placed", out)

    def _lost_stop(self) -> bool:
        """The last stop ended without filling and without us asking: cancelled by hand, or refused after acceptance."""
        last = self.orders_of(Role.STOP)[-1]
        if not last.is_terminal or last.tag in self.cancelled_by_us or last.filled_qty:
            return False
        if last.reject_code == WITHDRAWN:
            return False
        return last.state in (OrderState.CANCELLED, OrderState.EXPIRED) or bool(last.broker_id)

    def stop_shape(self, trigger: int) -> tuple[OrderType, int]:
        """(type, limit) of a stop at this trigger, by the venue's rules and the terms (HRD-12). SL-M has limit 0."""
        body = self.body
        wanted = body.terms.stop_type
        sl_m = wanted is not StopType.SL and not body.sl_m_refused and takes_sl_m(self.instrument)
        if sl_m:
            return OrderType.SL_M, 0
        return OrderType.SL, stop_limit(body.side.opposite, trigger, self.instrument, body.terms.stop_gap_bps)

    def _change_stop(
        self, stop: Order, open_qty: int, trigger: int, now_ns: int, out: Outbox, *, optional: bool
    ) -> None:
        """Resize or raise the resting stop: modify, or cancel and place again when its modifies are used up. One that
        is too large and may not be changed any more is cancelled: closing too much is worse than watching here."""
        grows = WRITES_PER_MIN_OPTIONAL if optional else WRITES_PER_MIN_ROUTINE
        shrinks = open_qty < stop.remaining_qty
        if not self.may_write(now_ns, out, limit=self.follow_limit if shrinks else grows):
            if shrinks:
                self.cancel(stop, f"{self.body.symbol}_resize", now_ns, out)
            return
        if not self.is_modifiable(stop):
            context = "trail_adjust" if optional else "ensure_exits"
            self.cancel(stop, f"{self.body.symbol}_{context}", now_ns, out)
            return
        _, limit = (stop.type, 0) if stop.type is OrderType.SL_M else self.stop_shape_sl(trigger)
        context = f"{self.body.symbol}_{'trail_adjust' if optional else 'resize'}"
        self.modify(stop, stop.type, stop.filled_qty + open_qty, limit, trigger, context, now_ns, out)
        self._tell_stop(stop, "moved" if optional else "resized", out, trigger=trigger, limit=limit, qty=open_qty)

    def stop_shape_sl(self, trigger: int) -> tuple[OrderType, int]:
        gap = self.body.terms.stop_gap_bps
        return OrderType.SL, stop_limit(self.body.side.opposite, trigger, self.instrument, gap)

    # --- a stop that was jumped ------------------------------------------------------------------------------------

    def _is_jumped(self, stop: Order, now_ns: int) -> bool:
        """Triggered by price but not filled in time, or not at all because its limit is out of the market (HRD-13)."""
        body, ltp = self.body, self.tick.ltp_paise
        if not body.stop_touched_ns or stop.type is OrderType.SL_M:
            return False
        waited = now_ns - body.stop_touched_ns
        out_of_market = ltp > 0 and self.sign * (ltp - stop.limit_paise) < 0
        return waited >= (300 * NS_PER_MS if out_of_market else body.terms.stop_fill_timeout_ns)

    @property
    def _chase_limit(self) -> int:
        return WRITES_PER_MIN_CHASE if self.live(Role.TARGET) else self.follow_limit

    def _escalate_stop(self, stop: Order, open_qty: int, now_ns: int, out: Outbox) -> None:
        """Turn the stop itself into a marketable limit: one order exists instead of two (faults §4.6)."""
        body = self.body
        limit = self.marketable(stop.side, now_ns)
        resized = stop.remaining_qty != open_qty
        due = resized or now_ns >= body.repriced_ns + body.terms.chase_ns
        same = stop.type is OrderType.LIMIT and stop.limit_paise == limit and not resized
        if limit <= 0 or not due or same:
            return
        if not self.may_write(now_ns, out, limit=self._chase_limit):
            if stop.remaining_qty > open_qty:
                self.cancel(stop, f"{body.symbol}_resize", now_ns, out)
            return
        if not self.is_modifiable(stop):
            self.leave(self.stop_reason, "square_off", now_ns, out, level_paise=body.stop_paise)
            return
        if not body.stop_escalated:
            trigger, ltp = rupees_text(stop.trigger_paise), rupees_text(self.tick.ltp_paise)
            out.say(
                Msg.STOP_JUMPED,
                source=body.bot,
                symbol=body.symbol,
                tag=stop.tag,
                trigger=trigger,
                ltp=ltp,
                limit=rupees_text(limit),
            )
        body.stop_escalated = True
        body.repriced_ns = now_ns
        self.modify(stop, OrderType.LIMIT, stop.filled_qty + open_qty, limit, 0, "stop_jumped", now_ns, out)

    # --- target ----------------------------------------------------------------------------------------------------

    def _plan_targets(self, open_qty: int, now_ns: int, out: Outbox) -> None:
        body = self.body
        if not body.target_paise or body.target_given_up:
            self._unrest(self.live(Role.TARGET), now_ns, out)
            return
        targets = self.live(Role.TARGET)
        shares, rest = self.allot(targets, open_qty)
        for target, share in shares:
            if share <= 0:
                self._unrest([target], now_ns, out)
            else:
                self._tend_target(target, share, now_ns, out)
        if rest <= 0:
            return
        if not targets and self._lost(Role.TARGET) >= body.terms.exit_retries:
            self._give_up_target(f"ended {body.terms.exit_retries} times without a fill", out)
        elif now_ns >= body.retry_at_ns and self._may_rest_target and self.may_write(now_ns, out):
            self._place_targets(rest, now_ns, out)

    @property
    def _may_rest_target(self) -> bool:
        """Not before a stop does, where there is one (BUG-96)."""
        return bool(self.live(Role.STOP)) or self.body.terms.covered_elsewhere

    def _place_targets(self, qty: int, now_ns: int, out: Outbox) -> None:
        limit = self.body.target_paise
        for index, part in enumerate(slices(qty, self.instrument)):
            first = index == 0
            self.place(Role.TARGET, OrderType.LIMIT, part, limit, 0, "target", now_ns, out, counts=first)

    def _tend_target(self, target: Order, share: int, now_ns: int, out: Outbox) -> None:
        body = self.body
        if not target.is_at_broker or target.pending is not Pending.NONE or self.change_waits(target, now_ns):
            return
        wrong = target.remaining_qty != share or target.limit_paise != body.target_paise
        # Closing too much is the danger, not closing too little: the stop protects what the target does not cover.
        shrinks = target.remaining_qty > share
        limit_of_writes = self.follow_limit if shrinks else WRITES_PER_MIN_OPTIONAL
        if wrong and self.may_write(now_ns, out, limit=limit_of_writes):
            if not self.is_modifiable(target):
                self.cancel(target, f"{body.symbol}_ensure_exits", now_ns, out)
                return
            qty = target.filled_qty + share
            context = f"{body.symbol}_resize"
            self.modify(target, OrderType.LIMIT, qty, body.target_paise, 0, context, now_ns, out)
        elif shrinks:
            self.cancel(target, f"{body.symbol}_ensure_exits", now_ns, out)

    # --- refusals of exits -------------------------------------------------------------------------------------------

    def note_exit_refusal(self, order: Order, now_ns: int, out: Outbox) -> None:
        """A stop or target the broker said no to, at once or after accepting it (LEG-29, HRD-12, CON-01)."""
        body = self.body
        fields = {"source": body.bot, "symbol": body.symbol, "tag": order.tag}
        if order.role is Role.STOP and order.type is OrderType.SL_M and order.reject_code == refusals.ORDER_TYPE:
            body.sl_m_refused = True
            trigger = rupees_text(order.trigger_paise)
            limit = rupees_text(self.stop_shape_sl(order.trigger_paise)[1])
            out.say(Msg.FALLBACK, **fields, trigger=trigger, limit=limit)
            return
        if order.role is Role.TARGET and order.reject_code == refusals.MARGIN and body.style is ExitStyle.RESTING:
            body.style = ExitStyle.HYBRID
            out.say(Msg.HYBRID, **fields)
            return
        if order.role is Role.STOP and order.reject_code == refusals.TRIGGER_CROSSED:
            out.say(
                Msg.SL_BREACHED_EXIT,
                **fields,
                trigger=rupees_text(order.trigger_paise),
                ltp=rupees_text(self.tick.ltp_paise),
            )
            self.leave(self.stop_reason, "square_off", now_ns, out, level_paise=order.trigger_paise)
            return
        out.say(Msg.SL_REJECTED if order.role is Role.STOP else Msg.TP_REJECTED, **fields)
        self._count_refusal(order, now_ns, out)

    def _count_refusal(self, order: Order, now_ns: int, out: Outbox) -> None:
        body = self.body
        if order.role is Role.STOP:
            body.stop_rejects += 1
            tries = body.stop_rejects
        else:
            body.target_rejects += 1
            tries = body.target_rejects
        body.retry_at_ns = now_ns + _RETRY_NS * tries
        if tries < body.terms.exit_retries:
            return
        out.say(Msg.EXITS_EXHAUSTED, source=body.bot, symbol=body.symbol, tag=order.tag)
        text = f"refused {tries} times: {order.reject_text or order.reject_code}"
        if order.role is Role.TARGET:
            self._give_up_target(text, out)
        else:
            out.raise_alarm(f"target:{body.bracket_id}", f"{body.symbol}: stop {text}")

    def _give_up_target(self, text: str, out: Outbox) -> None:
        """The stop protects; the target is watched here from now on."""
        body = self.body
        body.target_given_up = True
        if body.style is ExitStyle.RESTING:
            body.style = ExitStyle.HYBRID
        out.raise_alarm(f"target:{body.bracket_id}", f"{body.symbol}: target {text}")

    # --- words -------------------------------------------------------------------------------------------------------

    def working_stops(self) -> list[Order]:
        """The stops that the broker has acknowledged."""
        return [order for order in self.live(Role.STOP) if order.is_at_broker]

    @property
    def covered_qty(self) -> int:
        """Units whose stop is working at the broker, or whose loss another position limits."""
        if self.body.terms.covered_elsewhere:
            return max(0, min(self.body.hedged_qty, self.open_qty))
        return min(sum(stop.sure_qty for stop in self.working_stops()), max(self.open_qty, 0))

    def protection(self, now_ns: int) -> ProtectionWord:
        """Exactly one word, most severe that is true (style/tui.md §7.1)."""
        body, open_qty = self.body, self.open_qty
        if open_qty <= 0:
            return ProtectionWord.FLAT
        if body.exit_reason:
            return ProtectionWord.EXITING
        stops = self.live(Role.STOP)
        covered = self.covered_qty
        if covered >= open_qty:
            is_sure = body.is_hedge_sure or not body.terms.covered_elsewhere
            return ProtectionWord.PROTECTED if is_sure else ProtectionWord.LOCAL
        if any(order.state is OrderState.UNKNOWN for order in stops):
            return ProtectionWord.UNKNOWN
        if body.style is ExitStyle.MONITORED:
            return ProtectionWord.LOCAL
        if covered:
            return ProtectionWord.PARTIAL
        if stops and now_ns < body.naked_since_ns + PROTECT_NS:
            return ProtectionWord.PLACING
        return ProtectionWord.NAKED

    def update_state(self, now_ns: int, out: Outbox) -> None:
        """Derive the state from the facts; keep the naked clock and its alarm (P4, I-4)."""
        body, open_qty = self.body, self.open_qty
        if body.state is BracketState.FLAT or open_qty <= 0:
            return
        covered = self.covered_qty >= open_qty or body.style is ExitStyle.MONITORED
        if body.exit_reason:
            state = BracketState.EXITING
        else:
            state = BracketState.PROTECTED if covered else BracketState.PROTECTING
        if covered and (body.naked_since_ns or not body.protected_ns):
            body.naked_since_ns = 0
            body.protected_ns = body.protected_ns or now_ns
            out.end_alarm(f"naked:{body.bracket_id}")
        elif covered:
            pass
        elif not body.naked_since_ns:
            body.naked_since_ns = now_ns
        elif now_ns >= body.naked_since_ns + PROTECT_NS:
            out.raise_alarm(f"naked:{body.bracket_id}", f"{body.symbol}: {open_qty} units open without a working stop")
        if not body.exit_reason and self._is_naked_too_long(now_ns):
            text = f"{body.symbol}: {open_qty} units too long without a stop, leaving"
            out.alert("naked_exposure", body.symbol, text)
            self.leave(REASON_UNPROTECTED, "ensure_exits", now_ns, out)
            state = BracketState.EXITING
        if state is not body.state:
            body.state = state
            out.touched_brackets.add(body.bracket_id)

    def _is_naked_too_long(self, now_ns: int) -> bool:
        """The naked clock's limit: an alarm came at once, now the position goes (I-4)."""
        body, limit_ns = self.body, self.body.terms.naked_limit_ns
        if self._stop_tries_used and body.terms.on_exhausted is Exhausted.ALERT:
            return False  # the trader chose an alarm instead
        return bool(limit_ns and body.naked_since_ns) and now_ns >= body.naked_since_ns + limit_ns

    def protection_wakes(self, jump_grace_ns: int) -> list[int]:
        """Deadlines of the protecting half."""
        body = self.body
        wakes: list[int] = []
        if body.naked_since_ns and self.open_qty > 0:
            wakes += [body.naked_since_ns + PROTECT_NS, body.naked_since_ns + body.terms.naked_limit_ns]
        if body.stop_touched_ns and not body.exit_reason:
            wakes.append(body.stop_touched_ns + jump_grace_ns)
            wakes.append(body.stop_touched_ns + body.terms.stop_fill_timeout_ns)
            wakes.append(body.repriced_ns + body.terms.chase_ns)
        for order in self.mine:
            if order.state in TERMINAL:
                continue
            if refused_ns := self.change_refused_ns.get(order.tag, 0):
                wakes.append(refused_ns + CHANGE_RETRY_NS)
            since = order.state_ns if order.state is OrderState.UNKNOWN else order.pending_since_ns
            if since:
                wakes.append(self.look_up_due_ns(order, since))
        return wakes

    def _tell_exits(self, out: Outbox) -> None:
        """The operators' [EXITS] line, once both exits carry a broker id (LEG-20)."""
        body = self.body
        if body.exits_told:
            return
        targets = [order for order in self.live(Role.TARGET) if order.broker_id]
        stops = [order for order in self.live(Role.STOP) if order.broker_id]
        if targets and stops:
            body.exits_told = True
            out.say(
                Msg.EXITS,
                source=body.bot,
                symbol=body.symbol,
                target_id=targets[-1].broker_id,
                target=rupees_text(targets[-1].limit_paise),
                stop_id=stops[-1].broker_id,
                stop=rupees_text(stops[-1].trigger_paise),
            )

    def _tell_stop(
        self, order: Order, why: str, out: Outbox, *, trigger: int = 0, limit: int = 0, qty: int = 0
    ) -> None:
        out.say(
            Msg.STOP_DECISION,
            source=self.body.bot,
            symbol=self.body.symbol,
            tag=order.tag,
            reason=why,
            type=order.type.value,
            trigger=rupees_text(trigger or order.trigger_paise),
            limit=rupees_text(limit or order.limit_paise),
            qty=qty or order.qty,
            ltp=rupees_text(self.tick.ltp_paise),
        )
