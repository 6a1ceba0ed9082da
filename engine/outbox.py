"""What a core step wants done: order commands, sentences, alarms and closed trades, until the desk commits them.

The core writes here and nowhere else. Commands are imperative and carry no live reference: the desk turns each into an
intent row, commits, and only then hands it to the gateway.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from engine.messages import Msg
from engine.money import divide_half_up
from engine.order import Order, OrderType

Op = Literal["place", "modify", "cancel"]
"""What a request asks of the broker."""


class PlaceOrder(msgspec.Struct, frozen=True, kw_only=True):
    tag: str


class ModifyOrder(msgspec.Struct, frozen=True, kw_only=True):
    """Total quantity (filled part included) and the new prices."""

    tag: str
    type: OrderType
    qty: int
    limit_paise: int
    trigger_paise: int
    context: str


class CancelOrder(msgspec.Struct, frozen=True, kw_only=True):
    tag: str
    context: str
    """For the log: `{symbol}_tp_complete` and its like (LEG-30)."""


class LookUp(msgspec.Struct, frozen=True, kw_only=True):
    """Read this account's books: something about an order must be known."""

    account: str
    tag: str


class ProveFlat(msgspec.Struct, frozen=True, kw_only=True):
    """Our fills say flat: read the broker's own positions until they say it too (I-5, RTP-30)."""

    account: str
    bracket_id: str


Command = PlaceOrder | ModifyOrder | CancelOrder | LookUp | ProveFlat
OrderCommand = PlaceOrder | ModifyOrder | CancelOrder
"""What becomes an intent and a request to the broker; the others are reads."""


def op_of(command: OrderCommand) -> Op:
    """What a command asks of the broker, as the journal spells it."""
    match command:
        case PlaceOrder():
            return "place"
        case ModifyOrder():
            return "modify"
        case _:
            return "cancel"


class Said(msgspec.Struct, frozen=True, kw_only=True):
    msg: Msg
    source: str
    symbol: str
    tag: str
    fields: dict[str, object]
    body: bytes = b""
    """All its facts, for the journal alone: JSON of the struct that its owner reads again."""


class ExitSignal(msgspec.Struct, frozen=True, kw_only=True):
    """A position is to be left (RTP-16, RTP-17). Prices in paise; levels are 0 when the position has none."""

    bracket_id: str
    bot: str
    symbol: str
    exit_reason: str
    trigger_paise: int
    """The last price that decided it."""
    stop_paise: int
    target_paise: int
    order_type: str = "MARKET"
    priority: str = "MEDIUM"
    """`HIGH` for a stop."""


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """Something a human must hear of, by every channel there is (RTP-45, OPS-26)."""

    kind: str
    symbol: str
    text: str


class RoundTrip(msgspec.Struct, frozen=True, kw_only=True):
    """One closed bracket, or its surplus, from fills alone (I-6). Money in paise."""

    bracket_id: str
    account: str
    bot: str
    symbol: str
    side: str
    kind: str
    """`trade`, or `surplus` for what a second exit sold too much and the repair bought back (CON-04)."""
    qty: int
    entry_value_paise: int
    exit_value_paise: int
    gross_paise: int
    costs_paise: int
    """Brokerage and slippage by the leg formula (LEG-46)."""
    reason: str
    order_count: int
    is_provisional: bool
    opened_ns: int
    closed_ns: int
    level_paise: int = 0
    """The stop, target or price the exit was for; 0 for a surplus."""
    trigger_paise: int = 0
    """The last price that decided it (RTP-33)."""

    @property
    def slippage_paise(self) -> int:
        """Per unit, the real average against the level; positive = worse for us."""
        if not self.level_paise or not self.qty:
            return 0
        behind = self.level_paise * self.qty - self.exit_value_paise
        return divide_half_up(behind if self.side == "LONG" else -behind, self.qty)

    @property
    def net_paise(self) -> int:
        return self.gross_paise - self.costs_paise


class Outbox:
    """Filled by one step, emptied by the desk."""

    def __init__(self) -> None:
        self.commands: list[Command] = []
        self.said: list[Said] = []
        self.alarms: dict[str, str] = {}
        """Alarm id -> text to raise; an empty text ends the alarm."""
        self.round_trips: list[RoundTrip] = []
        self.signals: list[ExitSignal] = []
        self.alerts: list[Alert] = []
        self.new_orders: list[Order] = []
        self.touched_brackets: set[str] = set()

    def place(self, order: Order) -> None:
        self.new_orders.append(order)
        self.commands.append(PlaceOrder(tag=order.tag))

    def say(self, msg: Msg, *, source: str, symbol: str = "", tag: str = "", **fields: object) -> None:
        self.said.append(Said(msg=msg, source=source, symbol=symbol, tag=tag, fields=fields))

    def raise_alarm(self, alarm_id: str, text: str) -> None:
        self.alarms[alarm_id] = text

    def end_alarm(self, alarm_id: str) -> None:
        self.alarms[alarm_id] = ""

    def alert(self, kind: str, symbol: str, text: str) -> None:
        self.alerts.append(Alert(kind=kind, symbol=symbol, text=text))

    @property
    def is_empty(self) -> bool:
        events = self.commands or self.said or self.alarms or self.round_trips or self.signals or self.alerts
        return not (events or self.touched_brackets)

    def clear(self) -> None:
        self.commands = []
        self.said = []
        self.alarms = {}
        self.round_trips = []
        self.signals = []
        self.alerts = []
        self.new_orders = []
        self.touched_brackets = set()
