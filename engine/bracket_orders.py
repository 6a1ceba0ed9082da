"""The orders of one bracket: what is live, what has filled, and the only way to ask for a write.

Counts every write against the position's order budget (faults §2, O4) so that repair logic can never become a storm.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from engine.bracket_state import BracketBody
from engine.instant import NS_PER_S
from engine.messages import Msg
from engine.order import EXIT_ROLES, OPENING_ROLES, Order, OrderState, OrderType, Pending, Role, Side
from engine.order_pricing import marketable_limit
from engine.outbox import CancelOrder, LookUp, ModifyOrder, Outbox, PlaceOrder
from engine.price_book import PriceBook
from engine.reading import NoReadings, Readings
from engine.slices import slices
from engine.tags import TagMaker
from engine.tick import Tick
from engine.venue_rules import VenueRules

_MINUTE_NS: Final = 60 * NS_PER_S
WRITES_PER_MIN: Final = 12
"""The last of them are for what closes the position: exits and repairs."""
WRITES_PER_MIN_CANCEL: Final = 11
WRITES_PER_MIN_CHASE: Final = 8
"""Re-pricing what closes the position: it must leave room to cancel the other exit, else that one closes too much."""
WRITES_PER_MIN_ROUTINE: Final = 8
"""Protection placed or enlarged; what is left makes it smaller, takes it away and closes."""
WRITES_PER_MIN_OPTIONAL: Final = 6
"""Trailing may use half the minute's budget."""
WRITES_PER_DAY: Final = 40
"""Of one position (O4), shared out as the minute is. Beyond it only what closes the position, once a minute."""
_LOOK_UP_NS: Final = 3 * NS_PER_S
"""T_BOOK while something is unresolved (faults §2)."""
_CONFIRM_NS: Final = NS_PER_S // 5
"""First re-read of an unconfirmed cancel; the n-th comes n times later (F-29)."""
CHANGE_RETRY_NS: Final = NS_PER_S
"""After a refused modify or cancel: look-up first, then once more."""


class BracketOrders:
    """Holds the bracket's own orders, oldest first."""

    def __init__(
        self,
        body: BracketBody,
        price: PriceBook,
        rules: VenueRules,
        tags: TagMaker,
        orders: Mapping[str, Order],
        readings: Readings | None = None,
    ) -> None:
        self.body = body
        self.price = price
        self.readings: Readings = readings or NoReadings()
        self.sign = body.side.sign
        """+1 for a long position: `sign * (price - level)` is how far a price is in front of a level."""
        self.instrument = price.instrument
        self.rules = rules
        self.mine: list[Order] = [orders[tag] for tag in body.tags if tag in orders]
        self.unmodifiable: set[str] = set()
        self.change_refused_ns: dict[str, int] = {}
        """Tag -> when its newest modify or cancel was refused or could not be sent."""
        self.cancelled_by_us: set[str] = set()
        self.is_held_back = False
        """Nothing is sent while the broker's books are not known, or say that the units are gone (R4, faults §4.7)."""
        self.write_waits = False
        """A write of the newest plan waits for the minute's window."""
        self.budget_told = False
        self.refusals_seen: set[str] = {order.tag for order in self.mine if order.state is OrderState.REJECTED}
        self.told_placed: set[str] = {order.tag for order in self.mine if order.broker_id}
        """Exit orders whose broker id was told."""
        self.proof_since_ns = 0
        """When the broker's positions were asked for after every order had ended; 0 = not asked."""
        self.proven_flat = False
        self._slices = max(len(slices(body.qty, price.instrument)), 1)
        """Orders that one logical order is cut into: the budget is per logical order (O4)."""
        self._tags = tags
        self._looked_up: dict[str, tuple[int, int]] = {}

    @property
    def tick(self) -> Tick:
        """The newest tick, whether or not it had to be looked at."""
        return self.price.tick

    def marketable(self, side: Side, now_ns: int) -> int:
        """Limit of an order that must fill now; on a stale price the band is three times as wide. 0 = no price."""
        protection = self.body.terms.protection_bps
        if not self.price.is_fresh(now_ns, self.body.terms.max_tick_age_ns):
            protection *= 3
        return marketable_limit(side, self.tick, self.instrument, protection)

    # --- what is there ------------------------------------------------------------------------------------------

    def orders_of(self, role: Role) -> list[Order]:
        return [order for order in self.mine if order.role is role]

    def live(self, *roles: Role) -> list[Order]:
        return [order for order in self.mine if order.role in roles and order.is_live]

    def filled(self, role: Role) -> int:
        return sum(order.filled_qty for order in self.mine if order.role is role)

    @property
    def open_qty(self) -> int:
        """Units held in the position's own direction, by fills alone (I-6); below zero when exits closed too much."""
        total = self.body.adopted_qty - self.body.away_qty
        for order in self.mine:
            if order.filled_qty:
                total += -order.filled_qty if order.role in EXIT_ROLES else order.filled_qty
        return total

    @property
    def net_qty(self) -> int:
        """Signed as the broker signs it: a short position is negative."""
        return self.sign * self.open_qty

    @property
    def entered_qty(self) -> int:
        """Units that ever came into the position."""
        return sum(order.filled_qty for order in self.mine if order.role in OPENING_ROLES) + self.body.adopted_qty

    @property
    def working_exit_qty(self) -> int:
        """What working exits could still close; the target/stop pair counts once, by its larger part (E1)."""
        pair = max(self._remaining(Role.TARGET), self._remaining(Role.STOP))
        return pair + self._remaining(Role.EXIT)

    def _remaining(self, role: Role) -> int:
        return sum(order.remaining_qty for order in self.live(role))

    def is_through(self, price_paise: int, level_paise: int) -> bool:
        """The price stands at the level or on its losing side."""
        return self.sign * (price_paise - level_paise) <= 0

    def is_tighter(self, paise: int, than_paise: int) -> bool:
        """As a stop: nearer to the market."""
        return self.sign * (paise - than_paise) > 0

    def allot(self, orders: Sequence[Order], qty: int) -> tuple[list[tuple[Order, int]], int]:
        """What each working order of a role should still hold so that together they hold `qty`, and what is left over
        for new ones. An order keeps within the freeze quantity; a newer one is kept before an older (HRD-10, ORD-03).
        """
        newest_first = list(reversed(orders))
        ending = (Pending.CANCEL, Pending.CANCEL_UNKNOWN)  # counted last: what stays is not given up for what goes
        newest_first.sort(key=lambda order: (order.pending in ending, -order.remaining_qty))
        shares: list[tuple[Order, int]] = []
        left, most = qty, self.instrument.max_order_qty
        for order in newest_first:
            shares.append((order, min(left, order.remaining_qty)))
            left -= shares[-1][1]
        for index, (order, share) in enumerate(shares):  # something is left: so none of them shrinks meanwhile
            room = most - order.filled_qty - share if most > 0 else left
            grown = max(0, min(left, room))
            shares[index] = (order, share + grown)
            left -= grown
        return shares, left

    def fits(self, order: Order, command: PlaceOrder | ModifyOrder) -> bool:
        """At the moment of sending: it closes no more than is open now, whatever was open when it was decided (E1).

        A change that makes an order no larger always fits: held back, it would only be decided again, for ever.
        """
        if order.role in OPENING_ROLES or (isinstance(command, ModifyOrder) and command.qty <= order.qty):
            return True
        size = order.qty if isinstance(command, PlaceOrder) else command.qty - order.filled_qty
        others = sum(other.remaining_qty for other in self.live(order.role) if other is not order)
        open_qty = -self.open_qty if order.role is Role.REPAIR else self.open_qty
        return size + others <= max(open_qty, 0)

    def take_over(self, exits: Sequence[Order], out: Outbox) -> None:
        """Orders of ours that were found at the broker without a bracket are this one's (STO-18). What they have filled
        already was counted out of the units that were found."""
        for order in exits:
            order.bracket_id = self.body.bracket_id
            self.mine.append(order)
            self.body.tags.append(order.tag)
            self.told_placed.add(order.tag)
            self.body.adopted_qty += order.filled_qty
            self.body.adopted_value_paise += order.filled_qty * self.body.entry_paise
        out.new_orders.extend(exits)

    # --- asking for writes --------------------------------------------------------------------------------------

    def place(
        self,
        role: Role,
        order_type: OrderType,
        qty: int,
        limit_paise: int,
        trigger_paise: int,
        reason: str,
        now_ns: int,
        out: Outbox,
        *,
        counts: bool = True,
    ) -> Order:
        """Ask for one order; a further slice of a logical order does not count against its budget (O4)."""
        body = self.body
        order = Order(
            tag=self._tags.next_tag(role),
            account=body.account,
            bracket_id=body.bracket_id,
            bot=body.bot,
            role=role,
            symbol=body.symbol,
            exchange=body.exchange,
            product=body.product,
            side=body.side.opposite if role in EXIT_ROLES else body.side,
            type=order_type,
            qty=qty,
            limit_paise=limit_paise,
            trigger_paise=trigger_paise,
            reason=reason,
            intended_ns=now_ns,
            state_ns=now_ns,
        )
        self.mine.append(order)
        body.tags.append(order.tag)
        if counts:
            self._count_write(now_ns)
        out.place(order)
        out.touched_brackets.add(body.bracket_id)
        return order

    def place_sliced(
        self, role: Role, order_type: OrderType, qty: int, limit_paise: int, reason: str, now_ns: int, out: Outbox
    ) -> None:
        """A marketable order of any size: one logical order, cut at the freeze quantity (HRD-10)."""
        for index, part in enumerate(slices(qty, self.instrument)):
            self.place(role, order_type, part, limit_paise, 0, reason, now_ns, out, counts=index == 0)

    def modify(
        self,
        order: Order,
        order_type: OrderType,
        qty: int,
        limit_paise: int,
        trigger_paise: int,
        context: str,
        now_ns: int,
        out: Outbox,
    ) -> None:
        """Ask for new terms; `qty` is the total, filled part included (ORD-20)."""
        order.pending = Pending.MODIFY
        order.pending_since_ns = now_ns
        order.asked_qty, order.asked_limit_paise, order.asked_trigger_paise = qty, limit_paise, trigger_paise
        order.asked_type = order_type
        self._count_write(now_ns)
        out.touched_brackets.add(self.body.bracket_id)
        out.commands.append(
            ModifyOrder(
                tag=order.tag,
                type=order_type,
                qty=qty,
                limit_paise=limit_paise,
                trigger_paise=trigger_paise,
                context=context,
            )
        )

    def cancel(self, order: Order, context: str, now_ns: int, out: Outbox) -> int:
        """Ask once; returns 1 when a request went out. An order nobody answered for is looked up, not cancelled."""
        if order.is_terminal or order.state in (OrderState.UNKNOWN, OrderState.SENT):
            return 0
        if order.pending in (Pending.CANCEL, Pending.CANCEL_UNKNOWN):
            return 0
        if order.tag in self.cancelled_by_us and self.change_waits(order, now_ns):
            return 0  # a refused cancel may mean "filled": look first; a refused modify left the order as it was
        if not self.may_write(now_ns, out, limit=WRITES_PER_MIN_CANCEL):
            return 0
        self.cancelled_by_us.add(order.tag)
        order.pending = Pending.CANCEL
        order.pending_since_ns = now_ns
        self._count_write(now_ns)
        body = self.body
        out.touched_brackets.add(body.bracket_id)
        out.commands.append(CancelOrder(tag=order.tag, context=context))
        out.say(Msg.CANCEL, source=body.bot, symbol=body.symbol, tag=order.tag, role=order.role.value, context=context)
        return 1

    def change_waits(self, order: Order, now_ns: int) -> bool:
        """A change of this order was just refused: the look-up comes first, then the next try (ORD-17, ORD-19)."""
        refused_ns = self.change_refused_ns.get(order.tag, 0)
        return bool(refused_ns) and now_ns < refused_ns + CHANGE_RETRY_NS

    def is_modifiable(self, order: Order) -> bool:
        """False when the broker's modify cap is near, or was met (O5)."""
        return order.modify_count < self.rules.modify_cap and order.tag not in self.unmodifiable

    def look_up(self, order: Order, now_ns: int, out: Outbox) -> None:
        times = self._looked_up.get(order.tag, (0, 0))[0]
        self._looked_up[order.tag] = (times + 1, now_ns)
        out.commands.append(LookUp(account=order.account, tag=order.tag))

    def look_up_due_ns(self, order: Order, since_ns: int) -> int:
        """When an order that is silent since `since_ns` is read again: soon at first, then every T_BOOK."""
        times, last_ns = self._looked_up.get(order.tag, (0, 0))
        if last_ns < since_ns:
            return since_ns + _CONFIRM_NS
        return last_ns + min(_CONFIRM_NS * (times + 1), _LOOK_UP_NS)

    # --- the order budget ---------------------------------------------------------------------------------------

    def may_write(self, now_ns: int, out: Outbox, *, limit: int = WRITES_PER_MIN_ROUTINE) -> bool:
        """False when the minute's or the day's budget for this kind is used up; the caller waits for the next plan."""
        used = self._recent_writes(now_ns) // self._slices
        used_today = self.body.writes_today // self._slices
        if used < limit and used_today < WRITES_PER_DAY * limit // WRITES_PER_MIN:
            self.budget_told = self.budget_told and used >= WRITES_PER_MIN_OPTIONAL
            return True
        if limit >= WRITES_PER_MIN_CANCEL and not used:
            return True  # the day's budget is spent and the position still open: once a minute, for ever
        self.write_waits = True
        if limit > WRITES_PER_MIN_OPTIONAL and not self.budget_told:
            self.budget_told = True
            span = f"{WRITES_PER_MIN} writes a minute" if used >= limit else f"{WRITES_PER_DAY} writes a day"
            out.raise_alarm(f"budget:{self.body.bracket_id}", f"{self.body.symbol}: order budget used up, {span}")
            out.say(Msg.BUDGET, source=self.body.bot, symbol=self.body.symbol, detail=span)
        return False

    @property
    def follow_limit(self) -> int:
        """For what makes a resting exit smaller or moves it after the market: each one that rests must still be
        cancelled within the minute, for the position may be closed from elsewhere at any moment (E1)."""
        resting = len(self.live(Role.STOP, Role.TARGET, Role.EXIT))
        return WRITES_PER_MIN_CANCEL - -(-resting // self._slices)

    @property
    def budget_wake_ns(self) -> int:
        """When the oldest counted write leaves the window; 0 when nothing is counted."""
        return self.body.writes[0] + _MINUTE_NS if self.body.writes else 0

    def _recent_writes(self, now_ns: int) -> int:
        writes = self.body.writes
        while writes and writes[0] <= now_ns - _MINUTE_NS:
            writes.pop(0)
        return len(writes)

    def uncount_write(self) -> None:
        """The newest request never left: the broker has not counted it either."""
        if self.body.writes:
            self.body.writes.pop()
            self.body.writes_today -= 1

    def _count_write(self, now_ns: int) -> None:
        self._recent_writes(now_ns)
        self.body.writes.append(now_ns)
        self.body.writes_today += 1
