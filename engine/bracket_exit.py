"""The exit executor all bots share: one way out of a position, single flight, chased, and proven by the broker.

Resting exits are cancelled and their end awaited, then one marketable order (in slices above the freeze quantity)
closes what fills say is open. Refused, it goes again, soon at first and slower for ever; unanswered, it is looked up
and never sent twice. A position is over only when the broker's own position says so (I-5, RTP-28..31).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from engine.bracket_orders import WRITES_PER_MIN, WRITES_PER_MIN_CHASE
from engine.bracket_protection import BracketProtection
from engine.bracket_state import ExitBy
from engine.instant import NS_PER_S
from engine.messages import Msg
from engine.order import Order, OrderState, OrderType, Pending, Role
from engine.outbox import LookUp, Outbox, ProveFlat
from engine.view import ExitStyle

REASON_OWNED: Final = "Not Closed At Broker"
REASON_AWAY: Final = "Closed Externally"
REASON_TRIM: Final = "Surplus Hedge"
_PROOF_NS: Final = 2 * NS_PER_S
"""How long an order without proof holds back the exit."""
_EXIT_SLOW_RETRY_NS: Final = 5 * NS_PER_S
_CONTRADICTION_NS: Final = 30 * NS_PER_S
"""Trade records say flat and the broker's position does not: believed after this long, both read again meanwhile."""
_SHARED_NS: Final = 120 * NS_PER_S
"""The same where several positions share a row of the broker's: an old row contradicts whichever has just changed."""


class BracketExit(BracketProtection):
    """Adds the way out to the protected bracket."""

    # --- what closes what is open --------------------------------------------------------------------------------

    def plan_exit(self, open_qty: int, now_ns: int, out: Outbox) -> None:
        """Cancel the target, then the stop, each to its proven end; then one marketable order for what is open."""
        body = self.body
        if self._exits_by_stop(open_qty, now_ns):
            self._turn_stop_into_exit(open_qty, now_ns, out)
            return
        self._cancel_for(self.live(Role.TARGET), f"{body.exit_context}_tp", now_ns, out)
        stuck = any(self._blocks_exit(target, now_ns) for target in self.live(Role.TARGET))
        stops_left = [stop for stop in self.live(Role.STOP) if stop.state is not OrderState.INTENDED]
        if stuck and stops_left and not self.live(Role.EXIT):
            # A cancel can be accepted and never carried out (ORD-25): until the target has ended, the stop protects.
            self.resize_stops(open_qty, now_ns, out)
            return
        self._cancel_for(self.live(Role.STOP), f"{body.exit_context}_sl", now_ns, out)
        # One closing order at a time, and an unanswered one is waited for: it can fill at once (E3).
        blocked = bool(self.live(Role.REPAIR))
        blocked = blocked or any(self._blocks_exit(order, now_ns) for order in self.live(Role.TARGET, Role.STOP))
        self._close_out(Role.EXIT, open_qty, body.exit_reason, now_ns, out, may_place=not blocked)

    def _exits_by_stop(self, open_qty: int, now_ns: int) -> bool:
        """The stop rests, is surely ours to change, and covers what is open: it can become the exit itself."""
        body, stops = self.body, self.live(Role.STOP)
        auto = ExitBy.MODIFY if body.style is ExitStyle.HYBRID else ExitBy.REPLACE
        wanted = auto if body.terms.exit_by is ExitBy.AUTO else body.terms.exit_by
        if wanted is ExitBy.REPLACE or not stops or self.live(Role.EXIT, Role.REPAIR):
            return False
        return sum(stop.remaining_qty for stop in stops) >= open_qty and all(
            stop.is_at_broker
            and self.is_modifiable(stop)
            and stop.tag not in self.change_refused_ns
            and stop.pending in (Pending.NONE, Pending.MODIFY, Pending.MODIFY_UNKNOWN)
            and (stop.pending is not Pending.MODIFY_UNKNOWN or now_ns < self.patience_ends_ns(stop))
            for stop in stops
        )

    def _turn_stop_into_exit(self, open_qty: int, now_ns: int, out: Outbox) -> None:
        """Target first, confirmed, so that never two orders sell at the market; then the stop is re-priced to it."""
        body = self.body
        for target in self.live(Role.TARGET):
            self.cancel(target, f"{body.symbol}_{body.exit_context}_tp", now_ns, out)
        if any(self._blocks_exit(target, now_ns) for target in self.live(Role.TARGET)):
            self.resize_stops(open_qty, now_ns, out)
            return
        is_due = now_ns >= body.repriced_ns + body.terms.chase_ns
        for stop, share in self.allot(self.live(Role.STOP), open_qty)[0]:
            if stop.pending:
                continue
            if share <= 0:
                self.cancel(stop, f"{body.symbol}_{body.exit_context}_sl", now_ns, out)
                continue
            limit = self.marketable(stop.side, now_ns)
            rests = stop.type is not OrderType.LIMIT or stop.remaining_qty != share
            moves = is_due and stop.limit_paise != limit
            if limit > 0 and (rests or moves) and self.may_write(now_ns, out, limit=self.follow_limit):
                body.stop_is_exit = True
                body.repriced_ns = now_ns
                context = f"{body.symbol}_{body.exit_context}_exit"
                self.modify(stop, OrderType.LIMIT, stop.filled_qty + share, limit, 0, context, now_ns, out)
            elif limit > 0 and rests:
                # An order of its own leaves then.
                self.cancel(stop, f"{body.symbol}_{body.exit_context}_sl", now_ns, out)

    def plan_surplus(self, surplus_qty: int, now_ns: int, out: Outbox) -> None:
        """Both exits filled: trade back exactly what was closed too much, once, at once (design §5.5, CON-04)."""
        body = self.body
        if not body.surplus_told:
            body.surplus_told = True
            out.say(Msg.OCO_FAILURE, source=body.bot, symbol=body.symbol)
            text = f"{body.symbol}: closed {surplus_qty} too many, trading them back"
            out.raise_alarm(f"surplus:{body.bracket_id}", text)
        self.cancel_exits("ensure_exits", now_ns, out)
        self.cancel_entries(now_ns, out)
        alone = not self.live(Role.EXIT)  # one closing order at a time (E3)
        self._close_out(Role.REPAIR, surplus_qty, "OCO surplus", now_ns, out, may_place=alone)

    def plan_trim(self, now_ns: int, out: Outbox) -> None:
        """Close the units that are too many, and keep the others (GRD-18)."""
        left = self.body.trim_qty - self.filled(Role.EXIT)
        self._close_out(Role.EXIT, max(left, 0), REASON_TRIM, now_ns, out, may_place=True)

    def _close_out(self, role: Role, qty: int, reason: str, now_ns: int, out: Outbox, *, may_place: bool) -> None:
        """Keep marketable orders of `role` for `qty` units at the broker: chase what works, add what is missing."""
        body = self.body
        shares, rest = self.allot(self.live(role), qty)
        self._chase(shares, now_ns, out)
        resolved = all(order.is_at_broker and not order.pending for order, _ in shares)
        if not may_place or rest <= 0 or not resolved or now_ns < body.retry_at_ns:
            return
        side = body.side if role is Role.REPAIR else body.side.opposite
        limit = self.marketable(side, now_ns)
        if limit > 0 and self.may_write(now_ns, out, limit=WRITES_PER_MIN):
            self.place_sliced(role, OrderType.MARKET, rest, limit, reason, now_ns, out)
            body.repriced_ns = now_ns

    def _blocks_exit(self, order: Order, now_ns: int) -> bool:
        """An unproven order holds the exit back for 2 s only: a naked loss is unbounded, a surplus is not (§5.10)."""
        unproven = order.state is OrderState.UNKNOWN or order.pending is Pending.CANCEL_UNKNOWN
        return not (unproven and now_ns >= self.patience_ends_ns(order))

    def patience_ends_ns(self, order: Order) -> int:
        return max(self.body.exit_asked_ns, order.state_ns, order.pending_since_ns) + _PROOF_NS

    def _chase(self, shares: Sequence[tuple[Order, int]], now_ns: int, out: Outbox) -> None:
        """Re-price working marketable orders to the touch until they fill (CON-05)."""
        body = self.body
        is_due = now_ns >= body.repriced_ns + body.terms.chase_ns
        others_rest = bool(self.live(Role.TARGET, Role.STOP))
        limit_of_writes = WRITES_PER_MIN_CHASE if others_rest else self.follow_limit
        for order, share in shares:
            if not order.is_at_broker or order.pending or self.change_waits(order, now_ns):
                continue
            resized = order.remaining_qty != share  # never waits: it would close too much, or too little
            if not resized and not is_due:
                continue
            limit = self.marketable(order.side, now_ns)
            if share <= 0:
                self.cancel(order, f"{body.symbol}_chase", now_ns, out)
            elif limit <= 0 or (order.limit_paise == limit and not resized):
                body.repriced_ns = now_ns
            elif not self.is_modifiable(order):
                self.cancel(order, f"{body.symbol}_chase", now_ns, out)
            elif self.may_write(now_ns, out, limit=limit_of_writes):
                body.repriced_ns = now_ns
                self.modify(order, OrderType.LIMIT, order.filled_qty + share, limit, 0, "chase", now_ns, out)
            elif order.remaining_qty > share:
                self.cancel(order, f"{body.symbol}_chase", now_ns, out)

    def escalate(self, now_ns: int, out: Outbox) -> int:
        """Cancel the hanging exit, so that its fill is learned before the rest is sent once more (HRD-27, BUG-23).

        Returns how many orders were asked to be cancelled; an unanswered exit is looked up instead.
        """
        asked = 0
        for order in self.live(Role.EXIT):
            asked += self.cancel(order, f"{self.body.symbol}_escalate", now_ns, out)
            self.look_up(order, now_ns, out)
        return asked

    def takes_exit_back(self, now_ns: int, out: Outbox) -> bool:
        """Nobody wants to leave any more: True until the exit that was out has ended, so that no stop joins it (E1)."""
        self.cancel_all(Role.EXIT, "stay", now_ns, out)
        return bool(self.live(Role.EXIT))

    # --- refusals ------------------------------------------------------------------------------------------------

    def note_close_refusal(self, order: Order, now_ns: int, out: Outbox) -> None:
        """The exit was refused: again after a moment, after some tries slower with an alert, and never given up."""
        body, terms = self.body, self.body.terms
        body.exit_rejects += 1
        text = order.reject_text or order.reject_code
        fields = {"source": body.bot, "symbol": body.symbol, "tag": order.tag}
        out.say(Msg.PLACE_FAILED, **fields, reason=text)
        out.say(Msg.EXIT_NOT_PLACED, **fields)
        out.say(Msg.EXIT_NOT_PLACED_WHY, **fields, error=text)
        fast = body.exit_rejects < terms.exit_tries
        body.retry_at_ns = now_ns + (terms.exit_retry_ns if fast else _EXIT_SLOW_RETRY_NS)
        if fast:
            return
        if body.exit_rejects == terms.exit_tries:
            out.say(Msg.EXIT_FAILED, **fields, tries=terms.exit_tries)
            out.alert("exit_failed", body.symbol, f"Failed to exit {body.symbol} after {terms.exit_tries} attempts")
        out.raise_alarm(f"exit:{body.bracket_id}", f"{body.symbol}: exit refused {body.exit_rejects} times: {text}")

    @property
    def has_failed_to_exit(self) -> bool:
        """The exit was refused as often as its tries; slower tries go on (RTP-28)."""
        body = self.body
        return bool(body.exit_reason) and self.open_qty > 0 and body.exit_rejects >= body.terms.exit_tries

    def tell_exit_placed(self, order: Order, out: Outbox) -> None:
        """Once per exit order, when the broker has given it an id (RTP-33)."""
        if order.role is Role.EXIT and order.broker_id and order.tag not in self.told_placed:
            self.told_placed.add(order.tag)
            body = self.body
            out.say(Msg.EXIT_PLACED, source=body.bot, symbol=body.symbol, tag=order.tag, id=order.broker_id)

    # --- the proof -----------------------------------------------------------------------------------------------

    def awaits_proof(self, now_ns: int, out: Outbox) -> bool:
        """True until a read of the broker's positions, begun after every order had ended, shows nothing of ours."""
        if self.proven_flat:
            return False
        if not self.proof_since_ns:
            self.proof_since_ns = now_ns
            out.commands.append(ProveFlat(account=self.body.account, bracket_id=self.body.bracket_id))
        return True

    def reset_proof(self) -> None:
        """Something is open or alive again: what was proven is old."""
        self.proof_since_ns = 0
        self.proven_flat = False

    def note_position(self, held_qty: int, read_began_ns: int, now_ns: int, out: Outbox) -> None:
        """What the broker still holds of this position, in its own direction (RTP-30). An older read proves nothing."""
        body, terms = self.body, self.body.terms
        if not self.proof_since_ns or read_began_ns < self.proof_since_ns or self.proven_flat:
            return
        fields = {"source": body.bot, "symbol": body.symbol}
        out.touched_brackets.add(body.bracket_id)
        if held_qty == 0:
            self.proven_flat = True
            out.say(Msg.PROVEN_FLAT, **fields)
            out.end_alarm(f"proof:{body.bracket_id}")
            return
        body.proof_looks += 1
        looks, tries = body.proof_looks, terms.proof_tries
        if looks <= tries:
            out.say(Msg.STILL_OPEN, **fields, n=looks, m=tries)
        if looks == tries:
            text = f"Position validation timeout for {body.symbol}: fills say flat, the broker says {held_qty:+d}"
            out.say(Msg.NOT_PROVEN, **fields, m=tries)
            out.raise_alarm(f"proof:{body.bracket_id}", text)
            out.alert("not_closed", body.symbol, text)
        out.commands.append(LookUp(account=body.account, tag=""))
        recorded = not any(order.is_provisional for order in self.mine)
        patience_ns = (_SHARED_NS if terms.covered_elsewhere else _CONTRADICTION_NS) if recorded else 0
        if looks >= tries and held_qty > 0 and now_ns >= self.proof_since_ns + patience_ns:
            self.put_back(held_qty, now_ns, out)

    # --- units that move without our orders ------------------------------------------------------------------------

    def take_away(self, qty: int, value_paise: int, now_ns: int, out: Outbox) -> None:
        """Units that left without an order of ours: by hand, or by the broker's risk desk (LEG-40, HUM-01, HUM-08).

        `value_paise` is what they were traded for; 0 = not known yet, the newest price is booked for them (LEG-48), and
        the entry's where there is none yet.
        """
        del now_ns
        body = self.body
        body.away_qty += qty
        assumed_paise = self.tick.ltp_paise or body.entry_paise
        if not value_paise and not self.tick.ltp_paise:  # after a night there is none: a loss is not invented
            text = f"{body.symbol}: no price of the {qty} units closed without us: booked at the entry, look it up"
            out.say(Msg.DESK_WARN, source=body.bot, symbol=body.symbol, text=text)
        body.away_value_paise += value_paise or qty * assumed_paise
        body.away_unpriced_qty += 0 if value_paise else qty
        out.touched_brackets.add(body.bracket_id)

    def put_back(self, qty: int, now_ns: int, out: Outbox) -> None:
        """The broker still holds units of ours that our books call closed: exit exactly those (RTP-51)."""
        body = self.body
        out.say(Msg.OWNED_NOT_CLOSED, source=body.bot, symbol=body.symbol, qty=qty)
        body.away_qty -= qty
        body.proof_looks = 0
        self.reset_proof()
        self.leave(REASON_OWNED, "square_off", now_ns, out)
        out.touched_brackets.add(body.bracket_id)

    def convert(self, product: str, now_ns: int, out: Outbox) -> None:
        """The units stand under another product now: an exit of the old one would open a position there (EXI-15)."""
        self.body.product = product
        self._cancel_for(self.live(Role.TARGET, Role.STOP, Role.EXIT), "ensure_exits", now_ns, out)
        out.touched_brackets.add(self.body.bracket_id)

    def follow_hand(self, order: Order, out: Outbox) -> None:
        """The trader changed an order of ours at the broker: a target stays where he put it and a tighter stop counts;
        a looser one is put back by the plan, because a stop never loosens (HUM-04, I-4)."""
        body = self.body
        if order.role is Role.TARGET:
            body.target_paise = order.limit_paise
        elif order.role is Role.STOP and self.is_tighter(order.trigger_paise, body.stop_paise):
            body.stop_paise = order.trigger_paise
        out.touched_brackets.add(body.bracket_id)

    # --- taking orders away ------------------------------------------------------------------------------------------

    def cancel_entries(self, now_ns: int, out: Outbox) -> None:
        """Whatever would still open something."""
        self._cancel_for(self.live_entries(), "entry_rest", now_ns, out)

    def cancel_all(self, role: Role, context: str, now_ns: int, out: Outbox) -> None:
        self._cancel_for(self.live(role), context, now_ns, out)

    def _cancel_for(self, orders: Sequence[Order], context: str, now_ns: int, out: Outbox) -> None:
        for order in orders:
            self.cancel(order, f"{self.body.symbol}_{context}", now_ns, out)

    def cancel_exits(self, context: str, now_ns: int, out: Outbox) -> None:
        for order in self.live(Role.TARGET, Role.STOP, Role.EXIT):
            cleanup = "tp_cleanup" if order.role is Role.TARGET else "sl_cleanup"
            asked = self.cancel(order, f"{self.body.symbol}_{context or cleanup}", now_ns, out)
            if asked and not context:
                out.say(Msg.CLEANUP, source=self.body.bot, symbol=self.body.symbol, tag=order.tag)
