"""The bracket: one position and its protection, as a state machine without I/O (design §5).

`flat -> entering -> protecting -> protected -> exiting -> flat`. It plans instead of following a script: after every
event it compares what should exist at the broker with what exists or is unknown, and asks for the difference. Exits are
sized from fills, a stop only tightens, an unanswered order is never replaced by a second one, and the position is
finished only when every order of it is proven finished. Long positions; prices in paise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from engine import refusals
from engine.blotter import NOT_SENT, OVERTAKEN, WITHDRAWN
from engine.bracket_close import round_trips
from engine.bracket_exit import REASON_AWAY, REASON_TRIM, BracketExit
from engine.bracket_protection import REASON_UNPROTECTED
from engine.bracket_rules import REASON_STOP
from engine.bracket_state import BracketBody, EntryKind
from engine.instant import NS_PER_S
from engine.messages import Msg
from engine.money import divide_half_up, rupees_text
from engine.order import OPENING_ROLES, Order, OrderState, Pending, Role
from engine.outbox import Outbox, RoundTrip
from engine.price_book import NO_HIGH, NO_LOW, PriceBook
from engine.reading import Readings
from engine.tags import TagMaker
from engine.venue_rules import VenueRules
from engine.view import BracketState, ExitStyle

REASON_TARGET: Final = "Target Hit"
REASON_GHOST: Final = "Late Fill"

_POLL_AFTER_NS: Final = tuple(ns * NS_PER_S // 10 for ns in (3, 9, 18, 30, 45))
"""Entry status reads 0.3, 0.6, 0.9, 1.2, 1.5 s apart, 4.5 s in all; a push makes them needless (LEG-13, F-21)."""
_JUMP_GRACE_NS: Final = 3 * NS_PER_S // 10
"""A stop whose limit is out of the market may have filled already: its report gets this long to arrive (HRD-13)."""
_RECORDS_NS: Final = 2 * NS_PER_S
_CANCEL_AGAIN_NS: Final = {Pending.CANCEL_UNKNOWN: 3 * NS_PER_S, Pending.CANCEL: 10 * NS_PER_S}
"""Age of an unanswered cancel, and of an accepted one that has shown no end, before it is asked again (T_CR)."""


class Bracket(BracketExit):
    """Drives one `BracketBody`. Every public method is one event; commands and sentences go to the outbox."""

    def __init__(
        self,
        body: BracketBody,
        price: PriceBook,
        rules: VenueRules,
        tags: TagMaker,
        orders: Mapping[str, Order],
        readings: Readings | None = None,
    ) -> None:
        super().__init__(body, price, rules, tags, orders, readings)
        self._closed_signature = self._signature()

    # --- events -------------------------------------------------------------------------------------------------

    def adopt(self, price_paise: int, now_ns: int, out: Outbox, exits: Sequence[Order] = ()) -> None:
        """Take over `body.qty` units found at the broker without an entry order of ours, and protect them (LEG-39).

        `exits` are live orders of ours that close them; they are kept instead of new ones.
        """
        body = self.body
        body.state = BracketState.PROTECTING
        body.opened_ns = body.first_fill_ns = body.naked_since_ns = now_ns
        body.adopted_qty, body.adopted_value_paise = body.qty, body.qty * price_paise
        body.entry_paise = price_paise
        self.derive_levels(now_ns, out)
        self.take_catastrophe_stop(out)
        self.take_over(exits, out)
        for order in exits:
            self.follow_hand(order, out)
        self.say_state(out)
        out.touched_brackets.add(body.bracket_id)
        self.plan(now_ns, out)

    def on_tick(self, now_ns: int, out: Outbox) -> None:
        """A price outside the armed band: stop first, then target, then the trail (design §5.7)."""
        body = self.body
        if self.awaits_entry:
            self.plan(now_ns, out)
        if self.open_qty <= 0 or body.exit_reason or not body.entry_paise:
            return
        ltp = self.tick.ltp_paise
        if ltp <= 0:
            return
        if body.stop_paise and self.is_through(ltp, body.stop_paise):
            self._stop_touched(now_ns, out)
        elif body.target_paise and self.sign * (ltp - body.target_paise) >= 0:
            self._target_touched(now_ns, out)
        self.note_best(ltp, out)
        self._ask_rules(now_ns, out)
        self.plan(now_ns, out)

    def on_candle(self, now_ns: int, out: Outbox) -> None:
        """A candle of this instrument has closed and its indicators are up to date (RTP-18)."""
        body = self.body
        if self.exit_rules and self.open_qty > 0 and not body.exit_reason and body.entry_paise:
            self._ask_rules(now_ns, out, candle=True)
            self.plan(now_ns, out)

    def _ask_rules(self, now_ns: int, out: Outbox, *, candle: bool = False) -> None:
        """A rule may put the stop where the price already is: then it is hit."""
        body = self.body
        before = body.stop_paise
        self.ask_rules(now_ns, out, candle=candle)
        if body.stop_paise != before and not body.exit_reason and self.is_through(self.tick.ltp_paise, body.stop_paise):
            self._stop_touched(now_ns, out)

    def on_position(self, held_qty: int, read_began_ns: int, now_ns: int, out: Outbox) -> None:
        """A read of the broker's positions: units of this position it still shows, in the position's direction."""
        self.note_position(held_qty, read_began_ns, now_ns, out)
        self.plan(now_ns, out)

    def on_order(self, order: Order, now_ns: int, out: Outbox, *, recovered: bool = False) -> None:
        """An order of this bracket changed: fills, answers, reports are already merged into it."""
        self.absorb(order, now_ns, out)
        self.plan(now_ns, out, recovered=recovered)

    def absorb(self, order: Order, now_ns: int, out: Outbox) -> None:
        """Take in one changed order without planning yet: a whole book is read before anything is decided (R4)."""
        out.touched_brackets.add(self.body.bracket_id)
        self._book_fills(order, now_ns, out)
        self._note_refusal(order, now_ns, out)
        self.tell_exit_placed(order, out)

    def on_wake(self, now_ns: int, out: Outbox) -> None:
        """A deadline asked for through `wake_ns` has come, or the one-second net looks (RTP-11)."""
        body = self.body
        if self.exit_rules and self.open_qty > 0 and body.entry_paise and not body.exit_reason:
            self._ask_rules(now_ns, out)
        self.plan(now_ns, out)

    def exit(self, reason: str, now_ns: int, out: Outbox, *, context: str = "square_off", level_paise: int = 0) -> bool:
        """Leave the position, whatever it holds. False when it is already leaving or over (I-2, RTP-24).

        `level_paise` is the stop or target that was touched, for the slippage; 0 = none.
        """
        body = self.body
        if body.state is BracketState.FLAT:
            return False
        if not self.leave(reason, context, now_ns, out, level_paise=level_paise):
            if reason != body.exit_reason:  # the same wish is repeated until it is fulfilled
                out.say(Msg.EXIT_DUPLICATE, source=body.bot, symbol=body.symbol)
            return False
        if self.open_qty > 0:  # the fourth order of a round trip has a line that says why
            ltp = rupees_text(self.tick.ltp_paise)
            out.say(Msg.LEAVE, source=body.bot, symbol=body.symbol, reason=reason, qty=self.open_qty, ltp=ltp)
        out.touched_brackets.add(body.bracket_id)
        self.plan(now_ns, out)
        return True

    def stay(self, now_ns: int, out: Outbox) -> bool:
        """Take the decision to leave back: the desk goes, and a stop shall rest at the broker (HRD-31).

        False when nobody had decided to leave, or nothing is open any more.
        """
        body = self.body
        if not body.exit_reason or self.open_qty <= 0:
            return False
        body.exit_reason = body.exit_context = ""
        body.exit_asked_ns = body.retry_at_ns = 0
        body.writes.clear()  # the trader's word begins a new budget: going without a stop is no thrift (O4)
        out.touched_brackets.add(body.bracket_id)
        self.plan(now_ns, out)
        return True

    def drop_target(self, out: Outbox) -> None:
        """It shall not be left at its target any more; the next plan cancels the resting one (GRD-17)."""
        body = self.body
        body.target_dropped = True
        body.target_paise = body.level_target_paise = 0
        out.touched_brackets.add(body.bracket_id)

    def retake_target(self, target_paise: int, out: Outbox) -> None:
        """A target that was taken back for a stop shall rest again."""
        body = self.body
        body.target_dropped = False
        body.target_paise = body.level_target_paise = target_paise
        out.touched_brackets.add(body.bracket_id)

    def cancel_entry(self, now_ns: int, out: Outbox) -> int:
        """Take back what has not entered yet; returns the orders asked to be cancelled."""
        asked = 0
        for order in self.live_entries():
            self.body.entry_cancelled_by_us = True
            asked += self.cancel(order, f"{self.body.symbol}_cancel_all", now_ns, out)
        return asked

    def watch_here(self, now_ns: int, out: Outbox) -> int:
        """Cancel the resting exits on the trader's word and watch both levels here from now on."""
        body = self.body
        body.style = ExitStyle.MONITORED
        out.touched_brackets.add(body.bracket_id)
        out.raise_alarm(f"watched:{body.bracket_id}", f"{body.symbol}: no stop at the broker, watched here only")
        asked = 0
        for order in self.live(Role.TARGET, Role.STOP):
            asked += self.cancel(order, f"{self.body.symbol}_cancel_all", now_ns, out)
        return asked

    def ensure_exits(self, now_ns: int, out: Outbox) -> None:
        """The status pass looks at this leg: say when exits are in flight, else plan (LEG-18, LEG-19)."""
        if any(order.state is OrderState.INTENDED for order in self.live(Role.TARGET, Role.STOP)):
            out.say(Msg.EXITS_IN_FLIGHT, source=self.body.bot, symbol=self.body.symbol)
            return
        self.plan(now_ns, out)

    # --- the plan -----------------------------------------------------------------------------------------------

    def plan(self, now_ns: int, out: Outbox, *, recovered: bool = False) -> None:
        """What should exist at the broker minus what exists or is unknown. Safe to call at any time, any number."""
        body = self.body
        open_qty = self.open_qty
        self.write_waits = False
        if self.is_held_back:
            return
        if body.state is BracketState.FLAT:
            self._plan_after_close(open_qty, now_ns, out)
            return
        self._look_up_silent(now_ns, out)
        body.ended_away = body.ended_away or (recovered and open_qty <= 0 < self.entered_qty)
        self._plan_entry(open_qty, now_ns, out)
        if open_qty:
            body.flat_ns = 0
        if open_qty or any(order.is_live for order in self.mine):
            self.reset_proof()
        if open_qty >= 0:
            self.cancel_all(Role.REPAIR, "ensure_exits", now_ns, out)
        if open_qty < 0:
            self.plan_surplus(-open_qty, now_ns, out)
        elif open_qty == 0 and self.awaits_entry:
            body.state = BracketState.ENTERING
        elif open_qty == 0:
            self._plan_flat(now_ns, out)
        else:
            if body.surplus_told:
                self.leave(
                    REASON_GHOST, "square_off", now_ns, out
                )  # the trade is over: a late fill opens nothing again
            if body.trim_qty and not body.exit_reason:
                self.plan_trim(now_ns, out)
            elif not body.exit_reason and not self.takes_exit_back(now_ns, out):
                self.plan_protection(open_qty, now_ns, out)
            if not body.exit_reason and self.exhausted:
                self.leave(REASON_UNPROTECTED, "ensure_exits", now_ns, out)
            if body.exit_reason:
                self.plan_exit(open_qty, now_ns, out)
        self.update_state(now_ns, out)

    def _plan_entry(self, open_qty: int, now_ns: int, out: Outbox) -> None:
        body = self.body
        if body.terms.entry_kind is EntryKind.STOP:
            self.plan_stop_entry(now_ns, out)
            return
        rests = body.terms.entry_kind is EntryKind.LIMIT
        for order in self.live_entries():
            due = now_ns >= body.opened_ns + body.terms.entry_fill_timeout_ns
            rest_unwanted = body.entry_cancelled_by_us if rests else due and body.terms.entry_rest == "cancel"
            if (rest_unwanted or body.exit_reason) and order.state is not OrderState.UNKNOWN:
                body.entry_cancelled_by_us = True
                self.cancel(order, f"{body.symbol}_entry_rest", now_ns, out)
            while not rests and body.polls_done < len(_POLL_AFTER_NS) and now_ns >= self._poll_ns():
                body.polls_done += 1
                self.look_up(order, now_ns, out)

    def _poll_ns(self) -> int:
        return self.body.opened_ns + _POLL_AFTER_NS[self.body.polls_done]

    def _plan_flat(self, now_ns: int, out: Outbox) -> None:
        """Nothing is open by fills: cancel what is left, and close once every order is proven finished (I-5)."""
        target_done = any(order.state is OrderState.FILLED for order in self.orders_of(Role.TARGET))
        stop_done = any(order.state is OrderState.FILLED for order in self.orders_of(Role.STOP))
        context = "tp_complete" if target_done else "sl_complete" if stop_done else ""
        self.cancel_exits(context, now_ns, out)
        entered = self.entered_qty
        if entered:
            self.cancel_entries(now_ns, out)
            self.body.flat_ns = self.body.flat_ns or now_ns
            self.body.state = BracketState.EXITING  # until the broker says flat as well (I-5)
        if any(order.is_live for order in self.mine):
            return
        records_come = self._awaits_records(now_ns, out)
        proof_comes = bool(entered) and self.awaits_proof(now_ns, out)  # asked for at once, beside the records
        if records_come or proof_comes:
            return
        if entered:
            self._close(now_ns, out)
        else:
            self._give_up_entry(now_ns, out)

    def _awaits_records(self, now_ns: int, out: Outbox) -> bool:
        """Trade records travel apart from order updates; give them a moment before a price is booked as provisional."""
        late = [order for order in self.mine if order.is_provisional]
        if not late or now_ns >= self.body.flat_ns + _RECORDS_NS:
            return False
        if now_ns >= self.body.flat_ns + _RECORDS_NS // 4:
            for order in late:
                if now_ns >= self.look_up_due_ns(order, self.body.flat_ns):
                    self.look_up(order, now_ns, out)
        return True

    # --- the end ------------------------------------------------------------------------------------------------

    def _close(self, now_ns: int, out: Outbox) -> None:
        body = self.body
        body.state = BracketState.FLAT
        body.closed_ns = now_ns
        body.closed_reason = self._closing_reason()
        body.naked_since_ns = 0
        out.touched_brackets.add(body.bracket_id)
        self._closed_signature = self._signature()
        trips = round_trips(body, self.mine, body.closed_reason)
        out.round_trips.extend(trips)
        self._tell_executed(trips[0], out)
        for trip in trips:
            if trip.is_provisional:
                exit_price = rupees_text(trip.exit_value_paise // trip.qty)
                out.say(Msg.PROVISIONAL, source=body.bot, symbol=body.symbol, price=exit_price)
        repairs = [order for order in self.orders_of(Role.REPAIR) if order.filled_qty]
        for order in repairs:
            price = rupees_text(order.average_paise)
            out.say(Msg.SURPLUS_CLOSED, source=body.bot, symbol=body.symbol, qty=order.filled_qty, price=price)
        for kind in ("surplus", "naked", "exit", "budget", "target", "ghost", "watched", "proof", "stuck"):
            out.end_alarm(f"{kind}:{body.bracket_id}")
        out.say(Msg.STATE_FLAT, source=body.bot, symbol=body.symbol)

    def _tell_executed(self, trade: RoundTrip, out: Outbox) -> None:
        """The real average against the level it was for; too far past it is an alert (RTP-33, RTP-34, RTP-45)."""
        body = self.body
        fields = {"source": body.bot, "symbol": body.symbol, "reason": trade.reason}
        price = rupees_text(divide_half_up(trade.exit_value_paise, trade.qty))
        out.say(Msg.EXIT_EXECUTED, **fields, price=price)
        limit_bps = body.terms.slippage_alert_bps
        if limit_bps and trade.slippage_paise * 10_000 >= trade.level_paise * limit_bps > 0:
            level, trigger = rupees_text(trade.level_paise), rupees_text(trade.trigger_paise)
            slip = rupees_text(trade.slippage_paise)
            out.say(Msg.SLIPPAGE, **fields, level=level, trigger=trigger, price=price, slip=slip)
            out.alert("slippage", body.symbol, f"{body.symbol} {trade.reason}: filled {price}, {slip} past {level}")

    def _closing_reason(self) -> str:
        target = self.filled(Role.TARGET)
        stop = self.filled(Role.STOP)
        if self.body.away_qty > 0 and not (target or stop or self.filled(Role.EXIT)):
            return REASON_AWAY
        if self.filled(Role.REPAIR) and target:
            return "Target Hit (recovered - OCO race)" if self.body.ended_away else "Target Hit (OCO Race)"
        if self.body.exit_reason and (self.filled(Role.EXIT) or (self.body.stop_is_exit and stop)):
            return self.body.exit_reason
        closing = [order for order in self.mine if order.role not in OPENING_ROLES and order.filled_qty]
        last = max(closing, key=lambda order: order.state_ns)
        if last.role is Role.EXIT and self.body.trim_qty:
            return REASON_TRIM
        reason = REASON_TARGET if last.role is Role.TARGET or (target and not stop) else REASON_STOP
        return f"{reason} (recovered)" if self.body.ended_away else reason

    def _give_up_entry(self, now_ns: int, out: Outbox) -> None:
        """The entry ended without a fill."""
        body = self.body
        entry = next(reversed(self.entry_orders()), None)
        if entry is None or (body.terms.entry_kind is not EntryKind.MARKET and body.entry_cancelled_by_us):
            self._end_unentered("withdrawn", now_ns, out)
            return
        if entry.state is OrderState.REJECTED:
            reason = entry.reject_text or entry.reject_code
        elif entry.reject_code == WITHDRAWN or body.exit_reason:
            reason = "taken back"
        else:
            reason = f"no fill, {entry.state.value}"
        out.say(Msg.PLACE_FAILED, source=body.bot, symbol=body.symbol, tag=entry.tag, reason=reason)
        self._end_unentered(f"not entered: {reason}", now_ns, out)

    def _end_unentered(self, reason: str, now_ns: int, out: Outbox) -> None:
        body = self.body
        body.state = BracketState.FLAT
        body.closed_ns = now_ns
        body.closed_reason = reason
        self._closed_signature = self._signature()
        out.touched_brackets.add(body.bracket_id)
        out.end_alarm(f"hedge:{body.bracket_id}")

    def _signature(self) -> int:
        """Changes whenever a fill or a trade record is added; tells late news from old."""
        orders = sum(order.filled_qty + order.traded_qty + order.traded_value_paise for order in self.mine)
        return orders + self.body.away_qty + self.body.away_value_paise

    @property
    def has_late_news(self) -> bool:
        """It is over, and something came after: a fill, a trade record, or an order that lives after all."""
        is_over = self.body.state is BracketState.FLAT and bool(self.body.closed_ns)
        return is_over and self._is_haunted

    @property
    def _is_haunted(self) -> bool:
        """Units that are open although it is over may have been written down by a desk that was killed before it could
        act: what is new is not enough."""
        is_news = self._signature() != self._closed_signature
        return is_news or self.open_qty != 0 or any(order.is_live for order in self.mine)

    @property
    def is_moving(self) -> bool:
        """An order that can fill at any moment, or whose fate is unknown; an entry that rests at its level is none."""
        rests = self.body.terms.entry_kind is not EntryKind.MARKET and not self.body.entry_due_ns
        opening = () if rests else OPENING_ROLES
        return bool(self.live(*opening, Role.EXIT, Role.REPAIR)) or any(
            order.state in (OrderState.UNKNOWN, OrderState.SENT, OrderState.INTENDED) for order in self.mine
        )

    def _plan_after_close(self, open_qty: int, now_ns: int, out: Outbox) -> None:
        """Watched to the end of the day: a ghost fill reopens it, a late trade record corrects its price (UPD-12)."""
        body = self.body
        haunted = any(order.is_live for order in self.mine)
        if not body.closed_ns or not self._is_haunted:
            return
        if open_qty == 0 and not haunted:
            self._closed_signature = self._signature()
            out.round_trips.extend(round_trips(body, self.mine, body.closed_reason))
            return
        what = f"a late fill reopened {open_qty:+d} units" if open_qty else "an order thought absent is at the broker"
        out.raise_alarm(f"ghost:{body.bracket_id}", f"{body.symbol}: {what}")
        body.state = BracketState.EXITING
        body.closed_ns = 0  # open again, in the journal too
        body.exit_reason = body.exit_reason or REASON_GHOST
        body.exit_asked_ns = now_ns
        self.plan(now_ns, out)

    # --- news about orders --------------------------------------------------------------------------------------

    def _note_refusal(self, order: Order, now_ns: int, out: Outbox) -> None:
        if order.state is OrderState.REJECTED and order.tag not in self.refusals_seen:
            self.refusals_seen.add(order.tag)
            if order.reject_code == NOT_SENT:
                self.uncount_write()
            if order.role in (Role.TARGET, Role.STOP):
                self.note_exit_refusal(order, now_ns, out)
            elif order.role in (Role.EXIT, Role.REPAIR):
                self.note_close_refusal(order, now_ns, out)
            elif order.role is Role.HEDGE:
                self.note_hedge_refusal(order, now_ns, out)
            elif len(self.orders_of(Role.ENTRY)) > 1:  # a slice; a lone entry says it when it is given up
                reason, body = order.reject_text or order.reject_code, self.body
                out.say(Msg.PLACE_FAILED, source=body.bot, symbol=body.symbol, tag=order.tag, reason=reason)
        elif order.reject_code and order.is_live and order.pending is Pending.NONE:
            self._note_change_refusal(order, now_ns, out)

    def _note_change_refusal(self, order: Order, now_ns: int, out: Outbox) -> None:
        """A refused modify or cancel: the old order stays the truth until a look-up says more (ORD-17, ORD-19)."""
        code, order.reject_code = order.reject_code, ""
        if code == NOT_SENT:
            self.uncount_write()
        if order.reject_text == OVERTAKEN:
            order.reject_text = ""
            return  # a fill came first: the next plan has the right size
        self.change_refused_ns[order.tag] = now_ns
        if code == refusals.TOO_MANY_CHANGES:
            self.unmodifiable.add(order.tag)
        if order.role is Role.STOP and (self.body.stop_escalated or code == refusals.TRIGGER_CROSSED):
            level = self.body.stop_paise  # it cannot become what it must be: close without it
            self.leave(self.stop_reason, "square_off", now_ns, out, level_paise=level)
        self.look_up(order, now_ns, out)

    def _book_fills(self, order: Order, now_ns: int, out: Outbox) -> None:
        if order.role in OPENING_ROLES:
            self.book_entry(order, now_ns, out)
        elif order.filled_qty and order.role in (Role.TARGET, Role.STOP):
            self._book_exit(order, out)

    def _book_exit(self, order: Order, out: Outbox) -> None:
        """One sync line per partial exit fill, not one per poll (HRD-15, BUG-20)."""
        body = self.body
        exits = self.filled(Role.TARGET) + self.filled(Role.STOP)
        if exits <= body.booked_exit_qty:
            return
        body.booked_exit_qty = exits
        remaining = self.open_qty
        if remaining > 0 and not body.exit_reason:
            fields = {"source": body.bot, "symbol": body.symbol}
            out.say(Msg.PARTIAL, **fields, role=order.role.value, filled=order.filled_qty, qty=order.qty)
            out.say(Msg.SYNC_NEEDED, **fields, exits=exits, remaining=remaining)
            out.say(Msg.SYNC, **fields, remaining=remaining)
            self.say_state(out)

    # --- prices -------------------------------------------------------------------------------------------------

    def _stop_touched(self, now_ns: int, out: Outbox) -> None:
        body, ltp = self.body, self.tick.ltp_paise
        resting = self.working_stops()
        acts = bool(resting) and all(
            body.stop_escalated or self.is_through(ltp, stop.trigger_paise) for stop in resting
        )
        changeable = all(stop.pending in (Pending.NONE, Pending.MODIFY) for stop in resting)
        if acts and changeable and self.covered_qty >= self.open_qty:
            body.stop_touched_ns = body.stop_touched_ns or now_ns
            return  # the broker's own trigger acts; the plan watches that it does
        self.exit(self.stop_reason, now_ns, out, level_paise=body.stop_paise)

    def _target_touched(self, now_ns: int, out: Outbox) -> None:
        body = self.body
        resting = self.live(Role.TARGET)
        if not resting:
            self.exit(REASON_TARGET, now_ns, out, level_paise=body.target_paise)
        elif body.terms.market_on_target and resting[-1].is_at_broker:
            ltp, target = rupees_text(self.tick.ltp_paise), rupees_text(body.target_paise)
            out.say(Msg.MARKET_ON_TARGET, source=body.bot, symbol=body.symbol, ltp=ltp, target=target)
            self.exit(REASON_TARGET, now_ns, out, level_paise=body.target_paise)

    # --- what the desk asks back --------------------------------------------------------------------------------

    def band(self) -> tuple[int, int]:
        """(low, high): a last price strictly between them changes nothing here."""
        body = self.body
        if self.awaits_entry:
            if body.entry_due_ns:
                return NO_HIGH, NO_HIGH  # every tick counts while a passed stop is not filled
            return (NO_LOW, body.level_paise) if self.sign > 0 else (body.level_paise, NO_HIGH)
        if self.open_qty <= 0 or body.exit_reason or not body.entry_paise:
            return NO_LOW, NO_HIGH
        if body.stop_touched_ns:
            return NO_HIGH, NO_HIGH  # every tick counts while a touched stop is not filled
        low, high = self.rules_band(self.price.at_ns)
        if self.sign > 0:
            return max(low, body.stop_paise), min(high, body.target_paise or NO_HIGH)
        return max(low, body.target_paise), min(high, body.stop_paise or NO_HIGH)

    def is_touched(self) -> bool:
        """The newest price lies outside this bracket's own band; another's may have been what let the tick in."""
        low, high = self.band()
        return not low < self.tick.ltp_paise < high

    def wake_ns(self, now_ns: int) -> int:
        """The next instant after `now_ns` at which `on_wake` must be called; 0 = none."""
        body = self.body
        if body.state is BracketState.FLAT:
            return 0
        wakes = self.entry_wakes()
        if self.live(Role.ENTRY) and body.terms.entry_kind is EntryKind.MARKET:
            if body.polls_done < len(_POLL_AFTER_NS):
                wakes.append(self._poll_ns())
            if body.terms.entry_rest == "cancel" and not body.entry_cancelled_by_us:
                wakes.append(body.opened_ns + body.terms.entry_fill_timeout_ns)
        if body.flat_ns:
            wakes += [body.flat_ns + _RECORDS_NS // 4, body.flat_ns + _RECORDS_NS // 2, body.flat_ns + _RECORDS_NS]
        if body.retry_at_ns:
            wakes.append(body.retry_at_ns)
        if self.live(Role.EXIT, Role.REPAIR):
            wakes.append(body.repriced_ns + body.terms.chase_ns)
        if body.exit_reason:
            wakes += [self.patience_ends_ns(order) for order in self.live(Role.TARGET, Role.STOP)]
        if body.stop_is_exit:
            wakes.append(body.repriced_ns + body.terms.chase_ns)
        wakes.extend(self.protection_wakes(_JUMP_GRACE_NS))
        wakes.extend(self.rules_wakes(now_ns))
        if self.write_waits:
            wakes.append(self.budget_wake_ns)
        return min((wake for wake in wakes if wake > now_ns), default=0)

    def _look_up_silent(self, now_ns: int, out: Outbox) -> None:
        """Ask about orders that nobody answered for, and about changes that stay unconfirmed."""
        for order in self.mine:
            since = order.state_ns if order.state is OrderState.UNKNOWN else order.pending_since_ns
            if order.is_live and since and now_ns >= self.look_up_due_ns(order, since):
                self.look_up(order, now_ns, out)
            if order.pending in _CANCEL_AGAIN_NS and now_ns >= order.pending_since_ns + _CANCEL_AGAIN_NS[order.pending]:
                if order.pending is Pending.CANCEL:
                    text = f"{self.body.symbol}: {order.role.value} still at the broker, its cancel accepted 10 s ago"
                    out.raise_alarm(f"stuck:{self.body.bracket_id}", text)
                order.clear_pending()  # asking again is safe: a second cancel cannot hurt (ORD-16)
