"""Sends one account's commands in order, exits first, inside the rate limit; decides nothing.

Writes follow one another (LEG-07), in two lanes: entries, and everything else. An entry leaves only while nothing of
the other lane waits or is under way. What protects or closes gives an entry under way one write's time to be answered
and then goes past it: an entry that hangs until its deadline must not keep a stop from its position.

A command arrives here only after the commit that says it will be sent. Each is answered by exactly one of the four
answers. The queue is never held while a fill is awaited: an answer is about the request, not about the trade (LEG-07).
"""

from __future__ import annotations

import asyncio
from bisect import insort
from collections.abc import Callable, Mapping
from typing import Final, Protocol

import msgspec

from engine import refusals
from engine.blotter import OVERTAKEN
from engine.deadline import NoAnswer, within
from engine.instant import NS_PER_MS, ns_from_s
from engine.order import Order, Pending, Role
from engine.outbox import CancelOrder, ModifyOrder, Op, OrderCommand, PlaceOrder, op_of
from engine.port import (
    Acked,
    Answer,
    BrokerPort,
    Clock,
    NotSent,
    OrderChange,
    OrderRequest,
    Refused,
    TimerHandle,
    Unknown,
)
from engine.rate_window import RateWindow

_ENTRY: Final = 2
"""Priority of a request that opens; everything less closes, protects or takes back."""
_ENTRY_SLOT_NS: Final = 250 * NS_PER_MS
"""How long an exit waits for the answer to an entry: a write takes 200 ms in LEG-07, most brokers less."""
_THROTTLE_TRIES: Final = 5
"""A throttled exit is explicitly refused, so the same request may go again; not for ever."""
_THROTTLE_WAIT_S: Final = 1.0
_THROTTLE_WAIT_MAX_S: Final = 5.0
"""However long the broker asks us to be quiet: an exit is tried again this soon."""
_NOT_SENT_WAIT_NS: Final = 300 * NS_PER_MS
"""Before the second try of an entry that never left; before the n-th, n - 1 times as long (HRD-04)."""


class Answered(Protocol):
    """How the desk hears an answer."""

    def __call__(self, tag: str, op: Op, answer: Answer) -> None: ...


class GatewayLimits(msgspec.Struct, frozen=True, kw_only=True):
    orders_per_s: int = 8
    orders_per_min: int = 180
    exit_reserve_per_s: int = 3
    order_gap_ns: int = 0
    api_timeout_s: float = 10.0
    """HRD-07; in exchange time of the desk's clock."""
    exit_timeout_s: float = 3.0
    entry_tries: int = 2
    """Of an entry that certainly was not sent; exits are tried again by their bracket, for ever (HRD-04, RTP-28)."""


class _Lane:
    """What waits for one worker, most urgent first, and what it has under way."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, int, OrderCommand]] = []
        self.wake = asyncio.Event()
        self.in_flight = ""
        self.began_ns = 0

    @property
    def is_idle(self) -> bool:
        return not self.rows and not self.in_flight


class Gateway:
    """One per account. Priority 0: cancels, exits, stops, repairs; 1: targets; 2: entries."""

    def __init__(
        self,
        port: BrokerPort,
        clock: Clock,
        limits: GatewayLimits,
        orders: Mapping[str, Order],
        answered: Answered,
        withdrawn: Callable[[str], None],
    ) -> None:
        self._port = port
        self._clock = clock
        self._limits = limits
        self._orders = orders
        self._answered = answered
        self._withdrawn = withdrawn
        self._exits, self._entries = _Lane(), _Lane()
        self._count = 0
        self._not_sent: dict[str, TimerHandle] = {}
        """Entries that wait for their next try, by tag; the queue goes on without them."""
        self._tries: dict[str, int] = {}
        self.window = RateWindow(
            per_s=limits.orders_per_s,
            per_min=limits.orders_per_min,
            exit_reserve_per_s=limits.exit_reserve_per_s,
            gap_ns=limits.order_gap_ns,
        )
        self.answer_ms = 0.0
        """Time of the newest answer; with `proven_ns` it is the order path's proof on screen."""
        self.proven_ns = 0
        self.path_error = ""
        self._failed_ns = 0
        """When the newest request got no answer."""
        self.writes = 0
        self.throttled = 0
        """Requests that the broker refused for their rate (LEG-66)."""
        self.sending: Callable[[Order, Op, int], None] = _unheard
        """Hears of every request in the moment it leaves; for measuring only."""
        self.fits: Callable[[Order, PlaceOrder | ModifyOrder], bool] = _always
        """Asked in the moment of sending: a fill may have come since the request was decided."""
        self.may_send: Callable[[], bool] = _may
        """Asked immediately before a request leaves: another process may have taken the account over (`engine.lease`).
        After the first no nothing leaves any more, neither entry nor exit; what is queued waits, unanswered."""
        self.is_fenced = False

    @property
    def depth(self) -> int:
        """Commands that wait, those in flight not counted."""
        return len(self._exits.rows) + len(self._entries.rows) + len(self._not_sent)

    @property
    def is_idle(self) -> bool:
        return self._exits.is_idle and self._entries.is_idle and not self._not_sent

    def submit(self, command: OrderCommand) -> None:
        """Queue a committed command; returns at once."""
        if isinstance(command, CancelOrder):
            if self._take_back(command.tag):
                return
            self._drop_unsent_change(command.tag)
        self._queue(command)

    def _queue(self, command: OrderCommand) -> None:
        self._count += 1
        priority = self._priority(command)
        lane = self._exits if priority < _ENTRY else self._entries
        insort(lane.rows, (priority, self._count, command))
        lane.wake.set()

    async def run_exits(self) -> None:
        """The worker of everything but entries; ends only by cancellation, or when it breaks. Each worker is a task of
        its own: one that breaks must not end the request that the other has under way, whose answer would be lost."""
        await self._work(self._exits)

    async def run_entries(self) -> None:
        """The worker of entries."""
        await self._work(self._entries)

    async def _work(self, lane: _Lane) -> None:
        while True:
            row = self._head(lane)
            if row is None:
                lane.wake.clear()
                await lane.wake.wait()
                continue
            if await self._wait_for_slot(lane, row):
                continue
            lane.rows.remove(row)
            lane.in_flight, lane.began_ns = row[2].tag, self._clock.now_ns()
            try:
                await self._send(row[2])
            except _Fenced:
                self._queue(row[2])  # not sent and not counted: a restart finds its intent and looks it up
            finally:
                lane.in_flight = ""
                (self._entries if lane is self._exits else self._exits).wake.set()

    def _head(self, lane: _Lane) -> tuple[int, int, OrderCommand] | None:
        """What may leave next in this lane, or None while there is nothing, or it has to wait for the other lane."""
        if self.is_fenced:
            return None
        if lane is self._entries:
            return lane.rows[0] if lane.rows and self._exits.is_idle else None
        placing = self._entries.in_flight  # a change of that order follows its answer
        return next((row for row in lane.rows if row[2].tag != placing), None)

    def _drop_unsent_change(self, tag: str) -> None:
        """A modify that has not left when its order is to be cancelled would only make the order larger meanwhile."""
        rows = self._exits.rows
        kept = [row for row in rows if not (isinstance(row[2], ModifyOrder) and row[2].tag == tag)]
        if len(kept) != len(rows):
            rows[:] = kept
            self._answered(tag, "modify", NotSent("its order is to be cancelled"))

    def _take_back(self, tag: str) -> bool:
        """A cancel of an order that has not left yet: drop both, nothing reaches the broker."""
        if (next_try := self._not_sent.pop(tag, None)) is not None:
            next_try.cancel()
            self._tries.pop(tag, None)
            self._withdrawn(tag)
            return True
        for lane in (self._entries, self._exits):
            for row in lane.rows:
                if isinstance(row[2], PlaceOrder) and row[2].tag == tag:
                    lane.rows.remove(row)
                    self._withdrawn(tag)
                    return True
        return False

    def _priority(self, command: OrderCommand) -> int:
        order = self._orders.get(command.tag)
        if not isinstance(command, PlaceOrder) or order is None:
            return 0
        if order.role is Role.ENTRY:
            return _ENTRY
        return 1 if order.role is Role.TARGET else 0

    async def _wait_for_slot(self, lane: _Lane, head: tuple[int, int, OrderCommand]) -> bool:
        """Wait until the head may leave. True when something changed meanwhile and the head must be read again."""
        now_ns = self._clock.now_ns()
        slot_ns = self.window.next_slot_ns(now_ns, is_exit=head[0] < _ENTRY)
        if self._entries.in_flight:
            slot_ns = max(slot_ns, self._entries.began_ns + _ENTRY_SLOT_NS)
        if slot_ns <= now_ns:
            return False
        lane.wake.clear()
        timer = self._clock.call_at(slot_ns, lane.wake.set)
        try:
            await lane.wake.wait()
        finally:
            timer.cancel()
        return True

    async def _send(self, command: OrderCommand) -> None:
        order = self._orders.get(command.tag)
        op = op_of(command)
        if order is None or (op != "place" and (order.is_terminal or not order.broker_id)):
            self._answered(command.tag, op, NotSent("the order is finished or was never acknowledged"))
            return
        if self._is_overtaken(command, order):
            return
        answer = await self._call_paced(command, order)
        for _ in range(_THROTTLE_TRIES - 1):
            if not (isinstance(answer, Refused) and answer.code == refusals.THROTTLED):
                break
            now_ns, wait_s = self._clock.now_ns(), answer.retry_after_s or _THROTTLE_WAIT_S
            self.window.pause_entries(now_ns + ns_from_s(wait_s))
            if order.role is Role.ENTRY and op == "place":
                break
            again_ns = now_ns + ns_from_s(min(wait_s, _THROTTLE_WAIT_MAX_S))
            await self._clock.sleep_until(self.window.next_slot_ns(again_ns, is_exit=True))
            if self._is_overtaken(command, order):
                return
            answer = await self._call_paced(command, order)
        if isinstance(answer, NotSent) and isinstance(command, PlaceOrder) and order.role is Role.ENTRY:
            tries = self._tries.pop(command.tag, 1)
            if tries < self._limits.entry_tries:
                self._try_later(command, tries)
                return
            answer = NotSent(f"failed after {tries} attempts: {answer.reason}" if tries > 1 else answer.reason)
        self._answered(command.tag, op, answer)

    def _is_overtaken(self, command: OrderCommand, order: Order) -> bool:
        """A fill or a cancel came since it was decided, or since the broker asked us to wait: it stays here, and that
        is told."""
        is_being_cancelled = order.pending in (Pending.CANCEL, Pending.CANCEL_UNKNOWN)
        if isinstance(command, CancelOrder) or (self.fits(order, command) and not is_being_cancelled):
            return False
        if isinstance(command, PlaceOrder):
            self._withdrawn(command.tag)
        else:
            self._answered(command.tag, "modify", NotSent(OVERTAKEN))
        return True

    def _try_later(self, command: PlaceOrder, tries: int) -> None:
        """Nothing left this machine, so the same order may go again (HRD-04); meanwhile others go first."""

        def again() -> None:
            del self._not_sent[command.tag]
            self._queue(command)

        self._tries[command.tag] = tries + 1
        at_ns = self._clock.now_ns() + _NOT_SENT_WAIT_NS * tries
        self._not_sent[command.tag] = self._clock.call_at(at_ns, again)

    async def _call_paced(self, command: OrderCommand, order: Order) -> Answer:
        started_ns = self._clock.now_ns()
        self.window.note_sent(started_ns)  # before anything is awaited: the other lane counts it too
        answer = await self._call(command, order)
        self._note_path(answer, started_ns)
        return answer

    async def _call(self, command: OrderCommand, order: Order) -> Answer:
        """One call under one deadline. No answer in time is *unknown*, never *refused* (faults §3)."""
        is_exit = self._priority(command) < _ENTRY
        limit_s = self._limits.exit_timeout_s if is_exit else self._limits.api_timeout_s
        try:
            return await within(self._clock, self._ask(command, order), limit_s)
        except NoAnswer as error:
            return Unknown(str(error))
        except _Fenced:
            raise
        except Exception as error:  # noqa: BLE001 - whatever an adapter raises, the order may exist
            return Unknown(f"{type(error).__name__}: {error}")

    async def _ask(self, command: OrderCommand, order: Order) -> Answer:
        if not self.may_send():
            self.is_fenced = True
            raise _Fenced
        self.writes += 1
        self.sending(order, op_of(command), self._clock.now_ns())
        match command:
            case PlaceOrder():
                return await self._port.place(_request(order))
            case ModifyOrder():
                return await self._port.modify(
                    OrderChange(
                        tag=order.tag,
                        broker_id=order.broker_id,
                        type=command.type,
                        qty=command.qty,
                        limit_paise=command.limit_paise,
                        trigger_paise=command.trigger_paise,
                    )
                )
            case _:
                return await self._port.cancel(order.tag, order.broker_id)

    def _note_path(self, answer: Answer, started_ns: int) -> None:
        now_ns = self._clock.now_ns()
        if isinstance(answer, Acked | Refused):
            self.throttled += isinstance(answer, Refused) and answer.code == refusals.THROTTLED
            self.answer_ms = (now_ns - started_ns) / NS_PER_MS
            self.proven_ns = now_ns
            self.path_error = ""
        else:
            self.path_error = answer.reason
            self._failed_ns = now_ns

    def note_link_lost(self, reason: str) -> None:
        """The adapter has lost its connection: the path is down before a request has to find it out."""
        self.path_error = reason
        self._failed_ns = self._clock.now_ns()

    def note_books_read(self, began_ns: int) -> None:
        """A clean read of the order book that began after the last silence: the broker answers again.

        Without it a desk that is flat would wait for ever: no entry while the path is down, no proof without an entry.
        """
        if self.path_error and began_ns > self._failed_ns:
            self.path_error = ""
            self.proven_ns = self._clock.now_ns()


class _Fenced(Exception):
    """The account belongs to another process now."""


def _may() -> bool:
    """Nobody else can send: no lease."""
    return True


def _unheard(_order: Order, _op: Op, _now_ns: int) -> None:
    """Nobody measures."""


def _always(_order: Order, _command: PlaceOrder | ModifyOrder) -> bool:
    return True


def _request(order: Order) -> OrderRequest:
    return OrderRequest(
        tag=order.tag,
        symbol=order.symbol,
        exchange=order.exchange,
        product=order.product,
        side=order.side,
        type=order.type,
        qty=order.qty,
        limit_paise=order.limit_paise,
        trigger_paise=order.trigger_paise,
    )
