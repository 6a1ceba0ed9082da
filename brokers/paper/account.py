"""One paper account behind the engine's broker port: the wire between desk and venue, with its delays and its throttle.

A request reaches the exchange after one delay, whatever becomes of the caller; the reply needs another. Order updates
and trades are two separate streams, each in order but with delays of their own, so an update may overtake the reply to
the place call that caused it (UPD-01). All delays are exchange time on the given clock, drawn from a seeded generator.
In-process: a reply is never lost, so a clean read is proof at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from random import Random
from typing import Final, TypeVar

import msgspec

from brokers.paper.exchange import PaperExchange
from brokers.paper.ledger import Recorder, RecordFailed
from engine import refusals
from engine.instant import NS_PER_MS, NS_PER_S
from engine.order import Trade
from engine.port import (
    Acked,
    Answer,
    Clock,
    NotSent,
    OrderChange,
    OrderReport,
    OrderRequest,
    PositionReport,
    ReadFailed,
    Refused,
    Unknown,
)
from engine.venue_rules import VenueRules

T = TypeVar("T")
_STREAM_GAP_NS: Final = 1000
"""Two pushes of one stream never share an instant: a timer heap keeps no order among equals."""


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Delays in milliseconds of exchange time, drawn evenly between low and high."""

    request_ms: tuple[int, int] = (20, 80)
    """One way; a reply takes another of the same kind."""
    push_ms: tuple[int, int] = (5, 60)
    """From the exchange to the listener, for updates and trades that no request of ours caused."""
    overtake_pct: int = 30
    """How often the pushes of a request leave for the listener early enough to arrive before its reply."""


class PaperAccount:
    """Implements `engine.port.BrokerPort`. Several accounts may share one exchange."""

    def __init__(
        self,
        account_id: str,
        exchange: PaperExchange,
        clock: Clock,
        random: Random,
        *,
        latency: Latency | None = None,
        orders_per_s_max: int = 10,
        recorder: Recorder | None = None,
    ) -> None:
        """`orders_per_s_max`: order requests taken per calendar second of the exchange clock (facts/market.md §2)."""
        self._account_id = account_id
        self._exchange = exchange
        self._clock = clock
        self._random = random
        self._latency = latency or Latency()
        self._orders_per_s_max = orders_per_s_max
        self._on_order: Callable[[OrderReport], None] | None = None
        self._on_trade: Callable[[Trade], None] | None = None
        self._is_open = False
        self._second = 0
        self._second_count = 0
        self._push_within: tuple[int, int] | None = None
        self._order_due_ns = 0
        self._trade_due_ns = 0
        exchange.open_account(account_id, self._push, recorder)

    @property
    def account_id(self) -> str:
        return self._account_id

    @property
    def exchange(self) -> PaperExchange:
        """Where this account trades; for the fault layer, which acts there too."""
        return self._exchange

    @property
    def rules(self) -> VenueRules:
        return self._exchange.venue

    @property
    def ambiguity_s(self) -> float:
        return 0.0

    def listen(self, on_order: Callable[[OrderReport], None], on_trade: Callable[[Trade], None]) -> None:
        self._on_order = on_order
        self._on_trade = on_trade

    async def connect(self) -> None:
        self._is_open = True

    async def close(self) -> None:
        """Stops hearing and asking; orders go on resting at the exchange, as at any broker."""
        self._is_open = False

    # Writes

    async def place(self, request: OrderRequest) -> Answer:
        return await self._write(lambda now_ns: self._exchange.place(self._account_id, request, now_ns))

    async def modify(self, change: OrderChange) -> Answer:
        return await self._write(lambda now_ns: self._exchange.modify(self._account_id, change, now_ns))

    async def cancel(self, tag: str, broker_id: str) -> Answer:
        return await self._write(lambda now_ns: self._exchange.cancel(self._account_id, broker_id, now_ns))

    async def _write(self, act: Callable[[int], Acked | Refused]) -> Answer:
        if not self._is_open:
            return NotSent("the paper account is not connected")

        def at_the_exchange(now_ns: int, back_ns: int) -> Answer:
            if (throttled := self._throttled(now_ns)) is not None:
                return throttled
            self._push_within = self._push_window(back_ns)
            try:
                return act(now_ns)
            except RecordFailed as failure:
                return Unknown(str(failure))
            finally:
                self._push_within = None

        return await self._round_trip(at_the_exchange)

    def _throttled(self, now_ns: int) -> Refused | None:
        """Counts order requests per calendar second on the exchange's clock, refused ones included."""
        second = now_ns // NS_PER_S
        if second != self._second:
            self._second, self._second_count = second, 0
        self._second_count += 1
        if self._second_count <= self._orders_per_s_max:
            return None
        wait_s = ((second + 1) * NS_PER_S - now_ns) / NS_PER_S
        text = f"more than {self._orders_per_s_max} order requests in one second"
        return Refused(refusals.THROTTLED, text, retry_after_s=wait_s)

    def _push_window(self, back_ns: int) -> tuple[int, int]:
        """Delays from which the pushes of this request are drawn: before its reply, or after it."""
        if self._random.randrange(100) < self._latency.overtake_pct:
            return 0, back_ns * 9 // 10
        low_ms, high_ms = self._latency.push_ms
        return back_ns + low_ms * NS_PER_MS, back_ns + high_ms * NS_PER_MS

    # Reads

    async def read_orders(self) -> Sequence[OrderReport]:
        return await self._read(self._exchange.orders)

    async def read_trades(self) -> Sequence[Trade]:
        return await self._read(self._exchange.trades)

    async def read_positions(self) -> Sequence[PositionReport]:
        return await self._read(self._exchange.positions)

    async def _read(self, books_of: Callable[[str], Sequence[T]]) -> Sequence[T]:
        if not self._is_open:
            raise ReadFailed("the paper account is not connected")

        def at_the_exchange(now_ns: int, back_ns: int) -> Sequence[T]:
            self._exchange.settle(self._account_id, now_ns)
            return books_of(self._account_id)

        try:
            return await self._round_trip(at_the_exchange)
        except RecordFailed as failure:
            raise ReadFailed(str(failure)) from failure

    # The wire

    async def _round_trip(self, at_the_exchange: Callable[[int, int], T]) -> T:
        """Do something at the exchange one delay from now, and have its answer another delay later.

        A caller that gives up does not stop a request that is on its way.
        """
        out_ns, back_ns = self._one_way_ns(), self._one_way_ns()
        reply: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        def arrive() -> None:
            now_ns = self._clock.now_ns()
            try:
                answer = at_the_exchange(now_ns, back_ns)
            except RecordFailed as failure:
                self._clock.call_at(now_ns + back_ns, lambda failure=failure: _fail(reply, failure))
                return
            self._clock.call_at(now_ns + back_ns, lambda: _resolve(reply, answer))

        self._clock.call_at(self._clock.now_ns() + out_ns, arrive)
        return await reply

    def _one_way_ns(self) -> int:
        low_ms, high_ms = self._latency.request_ms
        return self._random.randint(low_ms * NS_PER_MS, high_ms * NS_PER_MS)

    def _push(self, account_id: str, event: OrderReport | Trade) -> None:
        """Sink of the exchange: schedule one update or one trade for the listener, in order within its stream."""
        low_ms, high_ms = self._latency.push_ms
        low_ns, high_ns = self._push_within or (low_ms * NS_PER_MS, high_ms * NS_PER_MS)
        due_ns = self._clock.now_ns() + self._random.randint(low_ns, high_ns)
        if isinstance(event, Trade):
            due_ns = self._trade_due_ns = max(due_ns, self._trade_due_ns + _STREAM_GAP_NS)
            self._clock.call_at(due_ns, lambda: self._tell_trade(event))
        else:
            due_ns = self._order_due_ns = max(due_ns, self._order_due_ns + _STREAM_GAP_NS)
            self._clock.call_at(due_ns, lambda: self._tell_order(event))

    def _tell_order(self, report: OrderReport) -> None:
        if self._is_open and self._on_order is not None:
            self._on_order(report)

    def _tell_trade(self, trade: Trade) -> None:
        if self._is_open and self._on_trade is not None:
            self._on_trade(trade)


def _resolve(reply: asyncio.Future[T], answer: T) -> None:
    if not reply.done():
        reply.set_result(answer)


def _fail(reply: asyncio.Future[T], failure: RecordFailed) -> None:
    if not reply.done():
        reply.set_exception(failure)
