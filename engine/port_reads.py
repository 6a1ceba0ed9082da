"""What a broker answers besides orders: its session, funds, margins, candles and option chains (OPS-05).

Each is a small protocol of its own, so that a source that has only prices implements only what it has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Protocol, runtime_checkable

import msgspec

from engine.port import BrokerPort, MarketPort, OrderRequest


class SessionRefused(Exception):
    """The broker opens no session, or it has ended. The text is one sentence for the user and names no secret."""


class SessionState(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one login."""

    is_live: bool
    """The broker took our credentials, and nothing since then said that they are dead."""
    may_trade: bool | None = None
    """False: the broker said that it takes no orders from here (IP, permission). None: nothing proves either."""
    expires_ns: int = 0
    """Exchange time; 0 = not known."""
    reason: str = ""
    """Why not, in one sentence."""


class Funds(msgspec.Struct, frozen=True, kw_only=True):
    """In paise; may be negative."""

    available_paise: int
    """What new orders may use."""
    used_paise: int = 0
    collateral_paise: int = 0


class Candle(msgspec.Struct, frozen=True, kw_only=True):
    """One bar of the broker's history."""

    start_ns: int
    open_paise: int
    high_paise: int
    low_paise: int
    close_paise: int
    volume: int = 0
    open_interest: int = 0


class ChainRow(msgspec.Struct, frozen=True, kw_only=True):
    """One contract of an option chain. 0 = the broker gave none."""

    symbol: str
    ltp_paise: int = 0
    bid_paise: int = 0
    ask_paise: int = 0
    volume: int = 0
    open_interest: int = 0


class KnownOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order of this account as the journal has it, for a broker that carries no tag of ours."""

    tag: str
    broker_id: str
    """Empty when nobody answered its place call."""
    request: OrderRequest
    """As it was sent; for an order that was changed since, with the newest accepted quantity, prices and type."""
    sent_ns: int


class LinkedPort(Protocol):
    """A port over a connection that may break."""

    def on_link(self, heard: Callable[[str], None]) -> None:
        """Listeners add up. `heard` is told why the stream is lost, once per loss, and an empty text when it is back
        and subscribed.

        What happened in between was not pushed: whoever listens reads the books again.
        """
        ...


@runtime_checkable
class RecallingPort(Protocol):
    """A port that cannot read our tags from the broker's book (`VenueRules.carries_tag` False)."""

    def recall(self, known: Sequence[KnownOrder]) -> None:
        """Orders of an earlier run of this day; called after a restart, before the first read of the books."""
        ...


class FundsPort(Protocol):
    async def read_funds(self) -> Funds:
        """Raises ReadFailed."""
        ...

    async def read_margin(self, request: OrderRequest) -> int:
        """Paise that this order would ask for. Raises ReadFailed, also where the broker has no such call."""
        ...


class HistoryPort(Protocol):
    async def candles(self, symbol: str, minutes: int, from_ns: int, to_ns: int) -> Sequence[Candle]:
        """Oldest first; bars that start within [from, to). Raises ReadFailed, also for an interval it does not have."""
        ...


class ChainPort(Protocol):
    async def expiries(self, underlying: str) -> Sequence[date]:
        """Nearest first. Raises ReadFailed."""
        ...

    async def chain(self, underlying: str, expiry: date) -> Sequence[ChainRow]:
        """By strike, CE before PE. Raises ReadFailed."""
        ...


class TradingPort(BrokerPort, LinkedPort, FundsPort, Protocol):
    """One trading account at a real broker."""


class FeedPort(MarketPort, LinkedPort, HistoryPort, ChainPort, Protocol):
    """The prices of a real broker."""


class BrokerSession(Protocol):
    """One login: the account and the feed that hang on it share its connection pool and its fate (LEG-06, GRD-54)."""

    async def open(self, *, trade: bool = True, market: bool = True) -> None:
        """Log in or prove the token, and fetch the day's instruments. Raises SessionRefused.

        `trade`, `market`: what it is wanted for; a broker that logs in apart for each (XTS) opens only that.
        """
        ...

    async def close(self) -> None:
        """Orders go on resting at the broker."""
        ...

    @property
    def state(self) -> SessionState: ...

    @property
    def account(self) -> TradingPort: ...

    @property
    def feed(self) -> FeedPort: ...
