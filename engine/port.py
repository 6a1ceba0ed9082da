"""The one door to a broker. Adapters in `brokers/` implement it; nothing else of theirs is known to the engine.

Every write is answered by exactly one of four answers (design §4). An adapter never turns *unknown* into *refused*.
Reports are what the broker says is true now; they may come late, doubled and out of order, and before the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from engine.instrument import Instrument
from engine.order import OrderState, OrderType, Side, Trade
from engine.tick import Tick
from engine.venue_rules import VenueRules


class NotSent(msgspec.Struct, frozen=True):
    """Failed before a byte could leave: the same intent may be sent again."""

    reason: str


class Acked(msgspec.Struct, frozen=True):
    """A valid reply that accepts the request."""

    broker_id: str


class Refused(msgspec.Struct, frozen=True):
    """A valid, explicit no. `code` is the vocabulary of `engine.refusals`; `text` is the broker's own, untrusted."""

    code: str
    text: str
    retry_after_s: float = 0.0
    """For throttling: when the broker will listen again."""


class Unknown(msgspec.Struct, frozen=True):
    """May have been done. Look it up by tag; never send it again on this ground."""

    reason: str


Answer = NotSent | Acked | Refused | Unknown


class OrderRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a place call carries. A MARKET order's `limit_paise` is its protection limit (CON-05)."""

    tag: str
    symbol: str
    exchange: str
    product: str
    side: Side
    type: OrderType
    qty: int
    limit_paise: int
    trigger_paise: int


class OrderChange(msgspec.Struct, frozen=True, kw_only=True):
    """What a modify call carries: the *total* quantity (filled part included) and the new prices and type."""

    tag: str
    broker_id: str
    type: OrderType
    qty: int
    limit_paise: int
    trigger_paise: int


class OrderReport(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the broker's order book, or one pushed update."""

    tag: str
    """Empty when the broker does not carry ours."""
    broker_id: str
    symbol: str
    side: Side
    type: OrderType
    product: str
    qty: int
    limit_paise: int
    trigger_paise: int
    state: OrderState
    filled_qty: int
    """Cumulative."""
    average_paise: int
    """Average of the filled part; 0 when the broker omits it."""
    reject_text: str = ""
    reject_code: str = ""
    """Why it was refused, in the words of `engine.refusals`; empty when it was not, or nobody can tell."""
    at_ns: int = 0


class PositionReport(msgspec.Struct, frozen=True, kw_only=True):
    """Net position of one symbol and product; signed units."""

    symbol: str
    product: str
    net_qty: int
    average_paise: int


class ReadFailed(Exception):
    """A read gave no valid answer. It proves nothing: an error is not an empty book (faults §4.7)."""


class BrokerPort(Protocol):
    """One trading account at one broker. Writes are called strictly one at a time by the gateway (LEG-07)."""

    @property
    def account_id(self) -> str:
        """Stable id of the account, also the name of its lock and its journal rows."""
        ...

    @property
    def rules(self) -> VenueRules: ...

    @property
    def ambiguity_s(self) -> float:
        """T_AMB: how long an unanswered order may still appear (faults §2). 0 when a clean read is proof at once."""
        ...

    def listen(self, on_order: Callable[[OrderReport], None], on_trade: Callable[[Trade], None]) -> None:
        """Where pushed updates go; called before `connect`. The callbacks return at once and never raise."""
        ...

    async def connect(self) -> None: ...

    async def close(self) -> None: ...

    async def place(self, request: OrderRequest) -> Answer: ...

    async def modify(self, change: OrderChange) -> Answer: ...

    async def cancel(self, tag: str, broker_id: str) -> Answer: ...

    async def read_orders(self) -> Sequence[OrderReport]:
        """The day's order book. Raises ReadFailed."""
        ...

    async def read_trades(self) -> Sequence[Trade]:
        """The day's trade book. Raises ReadFailed."""
        ...

    async def read_positions(self) -> Sequence[PositionReport]:
        """Raises ReadFailed."""
        ...


class MarketPort(Protocol):
    """A source of ticks and of instrument facts; chosen apart from the trading account."""

    def listen(self, on_tick: Callable[[Tick], None]) -> None:
        """Listeners add up: each hears every tick, in the order in which they came to listen."""
        ...

    async def connect(self) -> None: ...

    async def close(self) -> None: ...

    async def instruments(self) -> Sequence[Instrument]:
        """Today's instrument master. Raises ReadFailed."""
        ...

    async def subscribe(self, symbols: Sequence[str]) -> None: ...

    async def quote(self, symbol: str) -> Tick:
        """The newest price by request, for validation and as a fallback. Raises ReadFailed."""
        ...


class TimerHandle(Protocol):
    def cancel(self) -> None: ...


class Clock(Protocol):
    """Time is given, never imported: exchange time of this desk, real, scaled or virtual."""

    def now_ns(self) -> int: ...

    def call_at(self, at_ns: int, callback: Callable[[], None]) -> TimerHandle:
        """Call back at an instant of this clock; cancel through the handle. A past instant means "soon"."""
        ...

    async def sleep_until(self, at_ns: int) -> None: ...
