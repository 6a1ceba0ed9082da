"""One order's life, the same for every broker: the states, the legal moves between them, and how fills are merged.

`intended -> sent -> working | trigger-pending -> part-filled -> filled | cancelled | rejected | expired`, and
`unknown` for "sent, nobody answered". Only `Order.move` and the `apply_*` methods write an order. Fill beats status
(faults §4.4): a fill is applied whatever the status says, and merged state never regresses (O6).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from engine.money import divide_half_up


class Side(StrEnum):
    BUY = "BUY"
    SELL = "SELL"

    @property
    def opposite(self) -> Side:
        return Side.SELL if self is Side.BUY else Side.BUY

    @property
    def sign(self) -> int:
        return 1 if self is Side.BUY else -1


class OrderType(StrEnum):
    LIMIT = "LIMIT"
    MARKET = "MARKET"
    """A *marketable* intent with a protection limit; an adapter sends MARKET with protection, or that limit."""
    SL = "SL"
    """Stop-limit: `trigger_paise` and `limit_paise`."""
    SL_M = "SL-M"
    """Stop-market: `trigger_paise` only. Refused by NSE options and by all of BSE (facts/market.md §3)."""


class Role(StrEnum):
    """Why an order exists inside its bracket (faults §1: legs E, T, S, X, R)."""

    ENTRY = "entry"
    TARGET = "target"
    STOP = "stop"
    EXIT = "exit"
    REPAIR = "repair"
    """Buys back a surplus after both exits filled."""
    HEDGE = "hedge"
    """Opens a position that limits the loss of another one: it protects, so it is never held back as an entry is."""


EXIT_ROLES: Final = frozenset({Role.TARGET, Role.STOP, Role.EXIT})
OPENING_ROLES: Final = frozenset({Role.ENTRY, Role.HEDGE})


class OrderState(StrEnum):
    INTENDED = "intended"
    SENT = "sent"
    WORKING = "working"
    TRIGGER_PENDING = "trigger-pending"
    PART_FILLED = "part-filled"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    EXPIRED = "expired"
    UNKNOWN = "unknown"


class Pending(StrEnum):
    """A change that was asked for and not yet answered."""

    NONE = ""
    MODIFY = "modify"
    CANCEL = "cancel"
    MODIFY_UNKNOWN = "modify?"
    CANCEL_UNKNOWN = "cancel?"


S = OrderState
TERMINAL: Final = frozenset({S.FILLED, S.CANCELLED, S.REJECTED, S.EXPIRED})
AT_BROKER: Final = frozenset({S.WORKING, S.TRIGGER_PENDING, S.PART_FILLED})

_LIVE_NEXT: Final = frozenset({S.WORKING, S.TRIGGER_PENDING, S.PART_FILLED, *TERMINAL})
TRANSITIONS: Final[dict[OrderState, frozenset[OrderState]]] = {
    # Reports may overtake our own bookkeeping: an update can arrive before the reply to the place call (UPD-01).
    S.INTENDED: frozenset({S.SENT, S.UNKNOWN, *_LIVE_NEXT}),
    S.SENT: frozenset({S.INTENDED, S.UNKNOWN, *_LIVE_NEXT}),  # back to intended: provably not sent, may go again
    S.UNKNOWN: _LIVE_NEXT,
    S.WORKING: _LIVE_NEXT - {S.WORKING},
    S.TRIGGER_PENDING: _LIVE_NEXT - {S.TRIGGER_PENDING},
    S.PART_FILLED: frozenset({S.FILLED, S.CANCELLED, S.REJECTED, S.EXPIRED}),
    # A fill that was on its way when the order ended; nothing else leaves an end (ORD-18).
    S.CANCELLED: frozenset({S.FILLED}),
    S.REJECTED: frozenset({S.FILLED, *AT_BROKER, S.CANCELLED}),  # a ghost: declared absent, seen later (ORD-03)
    S.EXPIRED: frozenset({S.FILLED}),
    S.FILLED: frozenset(),
}


class IllegalTransition(Exception):
    """Our bug: a move that the table does not hold. The order is left as it was."""


class Trade(msgspec.Struct, frozen=True, kw_only=True):
    """One execution, as the broker's trade record has it; applied exactly once by `trade_id` (A2)."""

    trade_id: str
    broker_id: str
    tag: str
    symbol: str
    side: Side
    qty: int
    price_paise: int
    at_ns: int


class Order(msgspec.Struct, kw_only=True):
    """One order of ours. Mutable, but only through its methods."""

    tag: str
    """Our id, unique for ever, 20 letters and digits at most; made before the commit that intends the order."""
    account: str
    bracket_id: str
    bot: str
    role: Role
    symbol: str
    exchange: str
    product: str
    side: Side
    type: OrderType
    qty: int
    limit_paise: int = 0
    trigger_paise: int = 0
    reason: str = ""
    """Why it was sent, in words: `entry`, `Target Hit`, `EOD Square-Off` ..."""

    state: OrderState = OrderState.INTENDED
    pending: Pending = Pending.NONE
    pending_since_ns: int = 0
    asked_qty: int = 0
    """What an unanswered modify asks for (total quantity, limit, trigger, type); 0 when there is none. It outlives a
    cancel that is asked for meanwhile: whether the modify was done is as open as before."""
    asked_limit_paise: int = 0
    asked_trigger_paise: int = 0
    asked_type: OrderType = OrderType.LIMIT
    broker_id: str = ""
    reject_code: str = ""
    reject_text: str = ""
    modify_count: int = 0
    intended_ns: int = 0
    state_ns: int = 0
    """When `state` was entered; its age is shown on screen."""

    filled_qty: int = 0
    """The most the broker has told us, by trade records or by a report's cumulative figure."""
    traded_qty: int = 0
    """Covered by trade records."""
    traded_value_paise: int = 0
    """Sum of qty x price over trade records."""
    provisional_paise: int = 0
    """Price assumed for filled_qty - traded_qty until their trade records arrive (LEG-48)."""
    trade_ids: list[str] = []

    @property
    def is_terminal(self) -> bool:
        return self.state in TERMINAL

    @property
    def is_at_broker(self) -> bool:
        """Acknowledged by the broker and not finished."""
        return self.state in AT_BROKER

    @property
    def is_live(self) -> bool:
        """May still fill: anything not finished, unknown included."""
        return self.state not in TERMINAL

    @property
    def remaining_qty(self) -> int:
        """What could still fill; 0 when finished."""
        return 0 if self.state in TERMINAL else max(0, max(self.qty, self.asked_qty) - self.filled_qty)

    @property
    def sure_qty(self) -> int:
        """What is certain to be working, whatever becomes of an unanswered change; protection is judged by it (U1)."""
        if self.state not in AT_BROKER:
            return 0
        return max(0, min(self.qty, self.asked_qty or self.qty) - self.filled_qty)

    @property
    def is_provisional(self) -> bool:
        """Some filled quantity has no trade record yet."""
        return self.filled_qty > self.traded_qty

    @property
    def value_paise(self) -> int:
        """Sum of qty x price of everything filled, provisional part included."""
        return self.traded_value_paise + (self.filled_qty - self.traded_qty) * self.provisional_paise

    @property
    def average_paise(self) -> int:
        """Average fill price to the nearest paisa; 0 when nothing filled."""
        return divide_half_up(self.value_paise, self.filled_qty) if self.filled_qty else 0

    def move(self, state: OrderState, at_ns: int) -> bool:
        """Enter `state`. False when already there; raises IllegalTransition and changes nothing when not allowed."""
        if state is self.state:
            return False
        if state not in TRANSITIONS[self.state]:
            raise IllegalTransition(f"order {self.tag}: {self.state.value} -> {state.value} is not a legal move")
        self.state = state
        self.state_ns = at_ns
        if state in TERMINAL:
            self.clear_pending()
        return True

    def fingerprint(self) -> tuple[OrderState, Pending, int, int, int, str]:
        """Changes whenever a report or trade record told something new."""
        return self.state, self.pending, self.filled_qty, self.traded_qty, self.qty, self.broker_id

    def doubt(self, at_ns: int) -> None:
        """After a restart: what was intended, or asked for and not answered, may or may not have happened (STO-02)."""
        if self.state in (OrderState.INTENDED, OrderState.SENT):
            self.move(OrderState.UNKNOWN, at_ns)
        if self.pending is Pending.MODIFY:
            self.pending = Pending.MODIFY_UNKNOWN
        elif self.pending is Pending.CANCEL:
            self.pending = Pending.CANCEL_UNKNOWN

    def clear_pending(self) -> None:
        self.pending = Pending.NONE
        self.pending_since_ns = 0
        self.drop_asked()

    def drop_asked(self) -> None:
        """No modify is open any more: it was answered."""
        self.asked_qty = self.asked_limit_paise = self.asked_trigger_paise = 0

    def apply_trade(self, trade: Trade, at_ns: int) -> int:
        """Book one trade record; returns newly *filled* units (0 for a duplicate or one already counted)."""
        if trade.trade_id in self.trade_ids or trade.qty <= 0:
            return 0
        self.trade_ids.append(trade.trade_id)
        self.traded_qty += trade.qty
        self.traded_value_paise += trade.qty * trade.price_paise
        return self._raise_filled(self.traded_qty, at_ns)

    def apply_filled(self, filled_qty: int, provisional_paise: int, at_ns: int) -> int:
        """Book a report's cumulative filled quantity; an older or equal figure changes nothing. Returns new units."""
        if filled_qty > self.traded_qty and provisional_paise > 0:
            self.provisional_paise = provisional_paise
        return self._raise_filled(filled_qty, at_ns)

    def _raise_filled(self, filled_qty: int, at_ns: int) -> int:
        new = filled_qty - self.filled_qty
        if new <= 0:
            return 0
        self.filled_qty = filled_qty
        if filled_qty >= max(self.qty, self.asked_qty):
            self.move(OrderState.FILLED, at_ns)
        elif not self.is_terminal and self.state is not OrderState.PART_FILLED:
            self.move(OrderState.PART_FILLED, at_ns)
        return new
