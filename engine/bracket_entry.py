"""How a position is opened: at the market, at a level that rests, or on a stop that must fill once it is passed.

The first is taken back when it does not fill; the other two rest until they fill or are withdrawn. A stop entry is a
hedge (seed 003): what it opens limits the loss of another position, so nothing holds it up. Its level passed, it is at
the market and stays there: re-priced until it fills, sent at once when nothing rests, and an unanswered order is looked
up before another one goes (H-06, H-07, H-10).
"""

from __future__ import annotations

from typing import Final

from engine import refusals
from engine.bracket_orders import WRITES_PER_MIN_CANCEL, WRITES_PER_MIN_ROUTINE, BracketOrders
from engine.bracket_state import EntryKind, StopType
from engine.instant import NS_PER_MS, NS_PER_S
from engine.messages import Msg
from engine.money import rupees_text
from engine.order import OPENING_ROLES, Order, OrderType, Role
from engine.order_pricing import stop_limit
from engine.outbox import Outbox
from engine.venue_rules import takes_sl_m
from engine.view import BracketState

_JUMPED_NS: Final = 300 * NS_PER_MS
"""A stop whose limit is out of the market may have filled already: its report gets this long to arrive (HRD-13)."""
_RETRY_NS: Final = 300 * NS_PER_MS
_RETRY_SLOW_NS: Final = 5 * NS_PER_S


class BracketEntry(BracketOrders):
    """Adds the way in to the bracket's orders."""

    @property
    def opening_role(self) -> Role:
        return Role.HEDGE if self.body.is_hedge else Role.ENTRY

    def entry_orders(self) -> list[Order]:
        """Everything that was sent to open it, oldest first."""
        return [order for order in self.mine if order.role in OPENING_ROLES]

    def live_entries(self) -> list[Order]:
        return [order for order in self.mine if order.role in OPENING_ROLES and order.is_live]

    @property
    def awaits_entry(self) -> bool:
        """A stop entry that is neither full nor withdrawn: it is not over, even with nothing at the broker."""
        body = self.body
        is_wanted = not body.exit_reason and not body.entry_cancelled_by_us
        return body.terms.entry_kind is EntryKind.STOP and is_wanted and self.entered_qty < body.qty

    def enter(self, now_ns: int, out: Outbox) -> None:
        """Send the entry. The caller has seen a fresh price (LEG-12)."""
        body = self.body
        body.state = BracketState.ENTERING
        body.opened_ns = now_ns
        out.touched_brackets.add(body.bracket_id)
        match body.terms.entry_kind:
            case EntryKind.MARKET:
                limit = self.marketable(body.side, now_ns)
                self.place_sliced(self.opening_role, OrderType.MARKET, body.qty, limit, "entry", now_ns, out)
            case EntryKind.LIMIT:
                level = body.level_paise
                self.place_sliced(self.opening_role, OrderType.LIMIT, body.qty, level, "entry", now_ns, out)
            case EntryKind.STOP:
                self.plan_stop_entry(now_ns, out)

    def withdraw(self) -> None:
        """Nothing more of it shall enter; the next plan cancels what rests, and says so again until that has ended."""
        self.body.entry_cancelled_by_us = True

    def retarget(self, level_paise: int, qty: int) -> bool:
        """Another level, or another size, for a stop entry; False when nothing changes. The next plan modifies it.

        Once its level was passed only its size may change: it is at the market (H-11).
        """
        body = self.body
        level = body.level_paise if body.entry_due_ns else level_paise
        if (level, qty) == (body.level_paise, body.qty):
            return False
        body.level_paise, body.qty = level, qty
        return True

    def note_passed(self, now_ns: int) -> bool:
        """True when the newest price has reached the level of a stop entry for the first time, on a fresh tick."""
        body, ltp = self.body, self.tick.ltp_paise
        if not self.awaits_entry or body.entry_due_ns or ltp <= 0:
            return False
        if self.sign * (ltp - body.level_paise) < 0 or not self.price.is_fresh(now_ns, body.terms.max_tick_age_ns):
            return False
        body.entry_due_ns = now_ns
        return True

    # --- the stop entry ------------------------------------------------------------------------------------------

    def plan_stop_entry(self, now_ns: int, out: Outbox) -> None:
        """What should be out to open the rest of it, minus what is out or unknown."""
        body = self.body
        self.note_passed(now_ns)
        wanted = body.qty - self.entered_qty if self.awaits_entry else 0
        shares, rest = self.allot(self.live(Role.HEDGE), max(wanted, 0))
        for order, share in shares:
            self._tend_entry(order, share, now_ns, out)
        is_resolved = all(order.is_at_broker and not order.pending for order, _ in shares)
        if rest > 0 and is_resolved and now_ns >= body.retry_at_ns:
            self._place_stop_entry(rest, now_ns, out)

    def _tend_entry(self, order: Order, share: int, now_ns: int, out: Outbox) -> None:
        body = self.body
        if share <= 0:
            self.cancel(order, f"{body.symbol}_hedge_withdrawn", now_ns, out)
            return
        if not order.is_at_broker or order.pending or self.change_waits(order, now_ns):
            return
        resized = order.remaining_qty != share
        is_stop = order.type in (OrderType.SL, OrderType.SL_M)
        if body.entry_due_ns and (not is_stop or self._entry_is_jumped(order, now_ns)):
            self._chase_entry(order, share, now_ns, out, is_due=is_stop or resized)
        elif is_stop and (resized or order.trigger_paise != body.level_paise):
            self._move_entry(order, share, now_ns, out)

    def _entry_is_jumped(self, order: Order, now_ns: int) -> bool:
        """Its trigger is passed and it does not fill: out of the market by its limit, or for too long (H-10)."""
        body, ltp = self.body, self.tick.ltp_paise
        out_of_market = bool(order.limit_paise) and ltp > 0 and self.sign * (ltp - order.limit_paise) > 0
        patience_ns = _JUMPED_NS if out_of_market else body.terms.stop_fill_timeout_ns
        return now_ns >= body.entry_due_ns + patience_ns

    def _move_entry(self, order: Order, share: int, now_ns: int, out: Outbox) -> None:
        """Another trigger or size by one modify, so that there is no moment without it."""
        body = self.body
        shrinks = share < order.remaining_qty and order.trigger_paise == body.level_paise
        if not self.is_modifiable(order):
            self.cancel(order, f"{body.symbol}_hedge_moved", now_ns, out)
        elif self.may_write(now_ns, out, limit=WRITES_PER_MIN_CANCEL if shrinks else WRITES_PER_MIN_ROUTINE):
            limit = 0 if order.type is OrderType.SL_M else self._stop_limit()
            qty, context = order.filled_qty + share, f"{body.symbol}_hedge_moved"
            self.modify(order, order.type, qty, limit, body.level_paise, context, now_ns, out)

    def _chase_entry(self, order: Order, share: int, now_ns: int, out: Outbox, *, is_due: bool) -> None:
        """At the market: the stop itself becomes a marketable limit, and is re-priced until it fills."""
        body = self.body
        limit = self.marketable(order.side, now_ns)
        if limit <= 0 or not (is_due or now_ns >= body.repriced_ns + body.terms.chase_ns):
            return
        if order.type is OrderType.LIMIT and order.limit_paise == limit and order.remaining_qty == share:
            body.repriced_ns = now_ns
        elif not self.is_modifiable(order):
            self.cancel(order, f"{body.symbol}_hedge_chase", now_ns, out)
        elif self.may_write(now_ns, out, limit=WRITES_PER_MIN_CANCEL):
            body.repriced_ns = now_ns
            self.modify(order, OrderType.LIMIT, order.filled_qty + share, limit, 0, "hedge_chase", now_ns, out)

    def _place_stop_entry(self, qty: int, now_ns: int, out: Outbox) -> None:
        body = self.body
        if body.entry_due_ns:
            limit = self.marketable(body.side, now_ns)
            if limit > 0 and self.may_write(now_ns, out, limit=WRITES_PER_MIN_CANCEL):
                self.place_sliced(Role.HEDGE, OrderType.MARKET, qty, limit, "hedge due", now_ns, out)
                body.repriced_ns = now_ns
        elif not body.entry_is_watched and self.may_write(now_ns, out):
            sl_m = body.terms.stop_type is StopType.SL_M and not body.sl_m_refused and takes_sl_m(self.instrument)
            order_type, limit = (OrderType.SL_M, 0) if sl_m else (OrderType.SL, self._stop_limit())
            self.place(Role.HEDGE, order_type, qty, limit, body.level_paise, "hedge", now_ns, out)

    def _stop_limit(self) -> int:
        body = self.body
        return stop_limit(body.side, body.level_paise, self.instrument, body.terms.stop_gap_bps)

    def note_hedge_refusal(self, order: Order, now_ns: int, out: Outbox) -> None:
        """A refused hedge: another form of it where the form was refused, else again, slower, with an alarm (H-09)."""
        body = self.body
        fields = {"source": body.bot, "symbol": body.symbol, "tag": order.tag}
        text = order.reject_text or order.reject_code
        level = rupees_text(order.trigger_paise)
        if order.reject_code == refusals.ORDER_TYPE and order.type is OrderType.SL_M:
            body.sl_m_refused = True
            out.say(Msg.FALLBACK, **fields, trigger=level, limit=rupees_text(self._stop_limit()))
        elif order.reject_code == refusals.ORDER_TYPE and order.type is OrderType.SL:
            body.entry_is_watched = True
            out.say(Msg.HEDGE_WATCHED, **fields, trigger=level, reason=text)
        elif order.reject_code == refusals.TRIGGER_CROSSED:
            body.entry_due_ns = body.entry_due_ns or now_ns
        else:
            body.entry_rejects += 1
            tries = body.entry_rejects
            is_slow = tries >= body.terms.exit_tries
            body.retry_at_ns = now_ns + (_RETRY_SLOW_NS if is_slow else _RETRY_NS * tries)
            out.say(Msg.PLACE_FAILED, **fields, reason=text)
            if is_slow:
                body.entry_is_watched = True  # it is asked for again when it is due, not before
                alarm = f"{body.symbol}: hedge of {body.qty} at {level} refused {tries} times: {text}"
                out.raise_alarm(f"hedge:{body.bracket_id}", alarm)

    def entry_wakes(self) -> list[int]:
        """Instants at which a stop entry must be looked at."""
        body = self.body
        if not body.entry_due_ns or not self.awaits_entry:
            return []
        due, timeout = body.entry_due_ns, body.terms.stop_fill_timeout_ns
        return [due + _JUMPED_NS, due + timeout, body.repriced_ns + body.terms.chase_ns]
