"""A paper account at a broker that misbehaves: `engine.port.BrokerPort` around the honest one.

What a fault does to a request is done at the exchange as a broker would do it, so the exchange's books stay the truth
and only the answer lies or is missing. A caller that gives up does not stop a request that is on its way. All delays
are on the given clock. Finding orders by their shape when a broker drops the tag is an adapter's task, not done here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from itertools import count
from typing import Final

from msgspec.structs import replace

from brokers.paper.account import PaperAccount
from brokers.paper.faults.book_reads import FaultyReads
from brokers.paper.faults.knob import Door, Effect
from brokers.paper.faults.plan import FaultPlan, Strike
from brokers.paper.faults.updates import FaultyUpdates, Update
from brokers.paper.faults.venue import FaultyVenue
from engine import refusals
from engine.instant import NS_PER_MS, NS_PER_S, ist_date
from engine.money import ceil_to_tick, floor_to_tick
from engine.order import EXIT_ROLES, TERMINAL, OrderState, OrderType, Side, Trade
from engine.port import (
    Acked,
    Answer,
    Clock,
    NotSent,
    OrderChange,
    OrderReport,
    OrderRequest,
    PositionReport,
    Refused,
    Unknown,
)
from engine.tags import role_of
from engine.venue_rules import VenueRules

Send = Callable[[], Coroutine[None, None, Answer]]

_SILENCE_NS: Final = 150 * NS_PER_S
"""After so long even a reply that never comes ends as unknown: a caller without a deadline is not kept for ever."""
_TRAVEL_NS: Final = 60 * NS_PER_MS
"""There and back, for what never reaches the exchange."""
_CAPS: Final = frozenset({Effect.CAP_MODIFIES, Effect.CAP_PER_SECOND, Effect.CAP_PER_DAY})
_REFUSALS: Final = frozenset({Effect.REFUSE, Effect.SECOND_EXIT, Effect.KILL, *_CAPS})


class FaultyAccount:
    """One desk's account. The exchange behind it, and every other account there, stay honest."""

    def __init__(self, inner: PaperAccount, clock: Clock, plan: FaultPlan) -> None:
        self._inner = inner
        self._clock = clock
        self._plan = plan
        self._venue = FaultyVenue(inner.exchange, inner.account_id, clock, plan)
        self._updates = FaultyUpdates(clock, plan)
        self._reads = FaultyReads(clock, plan)
        self._tasks: set[asyncio.Task[Answer]] = set()
        self._second = -1
        self._day = 0
        self._second_count = self._day_count = 0
        self._twins: dict[str, str] = {}
        """Tag at the exchange -> tag it is shown under: the second order of a request that was booked twice."""
        self._twin_no = count(1)
        self._shown_cancelled: set[str] = set()
        self._shown_ended: dict[str, OrderReport] = {}
        """By broker id: ended rows that need no paint, as they were last shown; most of a day's book."""
        """Broker ids of orders that this broker calls cancelled and has forgotten to cancel."""
        inner.listen(self._hear, self._hear)

    @property
    def account_id(self) -> str:
        return self._inner.account_id

    @property
    def rules(self) -> VenueRules:
        return self._inner.rules

    @property
    def ambiguity_s(self) -> float:
        return self._plan.ambiguity_s

    @property
    def plan(self) -> FaultPlan:
        return self._plan

    def listen(self, on_order: Callable[[OrderReport], None], on_trade: Callable[[Trade], None]) -> None:
        self._updates.listen(on_order, on_trade)

    async def connect(self) -> None:
        self._venue.start()
        self._updates.is_open = True
        await self._inner.connect()

    async def close(self) -> None:
        """Stops hearing and asking; what is on its way arrives all the same."""
        self._updates.is_open = False
        await self._inner.close()

    # --- writes ---------------------------------------------------------------------------------------------------

    async def place(self, request: OrderRequest) -> Answer:
        strike = self._strike(Door.PLACE, request.tag, request.symbol, lambda effect: self._can_place(effect, request))
        if strike is None:
            return await self._inner.place(request)
        match strike.effect:
            case Effect.STUCK | Effect.REJECT_LATER:
                return await self._place_held(request, strike)
            case Effect.CLIP:
                return await self._inner.place(self._clipped(request, strike.amount))
            case Effect.TWICE:
                answer = await self._inner.place(request)
                twin = f"TWIN{next(self._twin_no)}"
                self._twins[twin] = request.tag
                await self._inner.place(replace(request, tag=twin))
                return answer
            case _:
                return await self._struck(strike, lambda: self._inner.place(request))

    async def modify(self, change: OrderChange) -> Answer:
        symbol = self._symbol_of(change.broker_id)
        strike = self._strike(
            Door.MODIFY, change.tag, symbol, lambda effect: self._can_change(effect, change.broker_id)
        )
        if strike is None:
            return await self._inner.modify(change)
        if strike.effect is Effect.FILL_PART_FIRST:
            self._fill_part(change.broker_id)
            return await self._inner.modify(change)
        return await self._struck(strike, lambda: self._inner.modify(change))

    async def cancel(self, tag: str, broker_id: str) -> Answer:
        symbol = self._symbol_of(broker_id)
        strike = self._strike(Door.CANCEL, tag, symbol, lambda effect: self._can_change(effect, broker_id))
        if strike is None:
            return await self._inner.cancel(tag, broker_id)
        match strike.effect:
            case Effect.FILL_FIRST:
                self._fill_all(broker_id)
                return await self._inner.cancel(tag, broker_id)
            case Effect.FILL_PART_FIRST:
                self._fill_part(broker_id)
                return await self._inner.cancel(tag, broker_id)
            case Effect.FILL_AFTER:
                return await self._cancelled_then_filled(broker_id, strike)
            case Effect.FILL_LATE:
                return await self._forgotten(broker_id, strike)
            case Effect.STUCK:
                self._later(strike.delay_ns, lambda: self._inner.cancel(tag, broker_id))
                await self._travel()
                return Acked(broker_id)
            case _:
                return await self._struck(strike, lambda: self._inner.cancel(tag, broker_id))

    def _strike(self, door: Door, tag: str, symbol: str, can: Callable[[Effect], bool]) -> Strike | None:
        now_ns = self._clock.now_ns()
        self._count(now_ns, door)
        return self._plan.strike(
            door,
            now_ns,
            role=role_of(tag),
            symbol=symbol,
            what=tag,
            can=lambda effect, amount: can(effect) and (effect not in _CAPS or self._is_over(effect, amount, tag)),
        )

    async def _struck(self, strike: Strike, send: Send) -> Answer:
        """The effects that are the same for every kind of request."""
        match strike.effect:
            case Effect.NOT_SENT:
                return NotSent(strike.text)
            case Effect.LOST_REQUEST:
                return await self._silence()
            case Effect.LOST_REPLY:
                self._go(send())
                return await self._silence()
            case Effect.LATE_REQUEST:
                self._later(strike.delay_ns, send)
                return await self._silence()
            case Effect.UNKNOWN_DONE:
                await send()
                return Unknown(strike.text)
            case Effect.UNKNOWN_UNDONE:
                await self._travel()
                return Unknown(strike.text)
            case Effect.UNKNOWN_LATE:
                self._later(strike.delay_ns, send)
                await self._travel()
                return Unknown(strike.text)
            case Effect.SLOW_REPLY:
                answer = await send()
                await self._clock.sleep_until(self._plan.until(self._clock.now_ns() + strike.delay_ns))
                return answer
            case _:
                await self._travel()
                return self._refusal(strike)

    def _refusal(self, strike: Strike) -> Refused:
        match strike.effect:
            case Effect.THROTTLE:
                return Refused(refusals.THROTTLED, strike.text, retry_after_s=strike.delay_ns / NS_PER_S)
            case Effect.CAP_PER_SECOND:
                wait_ns = NS_PER_S - self._clock.now_ns() % NS_PER_S
                return Refused(refusals.THROTTLED, strike.text, retry_after_s=wait_ns / NS_PER_S)
            case Effect.HALT:
                return Refused(refusals.SESSION_CLOSED, "trading is halted")
            case effect if effect in _REFUSALS:
                return Refused(strike.code, strike.text)
            case effect:
                raise ValueError(f"fault {strike.knob.knob}: {effect.value} is no way to answer a request")

    # --- what can be done to this one ----------------------------------------------------------------------------

    def _can_place(self, effect: Effect, request: OrderRequest) -> bool:
        match effect:
            case Effect.CLIP:
                return request.type is OrderType.MARKET and self._last_paise(request.symbol) > 0
            case Effect.SECOND_EXIT:
                return any(order.side is request.side for order in self._venue.ours(*EXIT_ROLES, symbol=request.symbol))
            case _:
                return True

    def _can_change(self, effect: Effect, broker_id: str) -> bool:
        order = self._venue.order(broker_id)
        match effect:
            case Effect.FILL_FIRST | Effect.FILL_AFTER | Effect.FILL_LATE | Effect.STUCK:
                return order is not None and not self._venue.is_held(order.symbol, order.tag)
            case Effect.FILL_PART_FIRST:
                return order is not None and self._venue.part_of(order) > 0
            case _:
                return True

    def _is_over(self, effect: Effect, amount: int, tag: str) -> bool:
        match effect:
            case Effect.CAP_MODIFIES:
                return any(order.modify_count >= amount for order in self._venue.ours() if order.tag == tag)
            case Effect.CAP_PER_SECOND:
                return self._second_count > amount
            case _:
                return self._day_count > amount

    def _count(self, now_ns: int, door: Door) -> None:
        """Requests of this calendar second, and orders placed today; this one included."""
        if now_ns // NS_PER_S != self._second:
            self._second, self._second_count = now_ns // NS_PER_S, 0
        if ist_date(now_ns).toordinal() != self._day:
            self._day, self._day_count = ist_date(now_ns).toordinal(), 0
        self._second_count += 1
        self._day_count += door is Door.PLACE

    # --- effects of one kind of request ---------------------------------------------------------------------------

    async def _place_held(self, request: OrderRequest, strike: Strike) -> Answer:
        """Accepted, but kept on its way; later it comes into the book, or is rejected."""
        self._venue.hold(request.symbol, request.tag)
        answer = await self._inner.place(request)

        def settle() -> None:
            if strike.effect is Effect.REJECT_LATER and isinstance(answer, Acked):
                self._venue.end(answer.broker_id, OrderState.REJECTED, strike.text)
            self._venue.release(request.symbol, request.tag)

        self._clock.call_at(self._plan.until(self._clock.now_ns() + strike.delay_ns), settle)
        return answer

    def _clipped(self, request: OrderRequest, percent: int) -> OrderRequest:
        """A market order that became a limit far on the passive side (REJ-08)."""
        book = self._inner.exchange.book(request.symbol)
        assert book is not None, "asked for in _can_place"
        last, tick_paise = book.tick.ltp_paise, book.instrument.tick_paise
        away = last * (100 - request.side.sign * percent) // 100
        limit = floor_to_tick(away, tick_paise) if request.side is Side.BUY else ceil_to_tick(away, tick_paise)
        return replace(request, type=OrderType.LIMIT, limit_paise=max(tick_paise, limit))

    def _fill_all(self, broker_id: str) -> None:
        order = self._venue.order(broker_id)
        if order is not None:
            self._venue.fill(order)

    def _fill_part(self, broker_id: str) -> None:
        order = self._venue.order(broker_id)
        if order is not None:
            self._venue.fill(order, self._venue.part_of(order))

    async def _cancelled_then_filled(self, broker_id: str, strike: Strike) -> Answer:
        """ORD-18: it filled before the cancel came; the ack and the cancelled row are told first, then the fill."""
        order = self._venue.order(broker_id)
        assert order is not None, "asked for in _can_change"
        cancelled = replace(order.report(), state=OrderState.CANCELLED, at_ns=self._clock.now_ns())
        self._updates.keep_back(broker_id)
        self._venue.fill(order)
        await self._travel()
        self._updates.tell(cancelled)
        self._clock.call_at(
            self._plan.until(self._clock.now_ns() + strike.delay_ns), lambda: self._updates.let_go(broker_id)
        )
        return Acked(broker_id)

    async def _forgotten(self, broker_id: str, strike: Strike) -> Answer:
        """UPD-12: cancelled in every book the broker shows, alive at the exchange, filled when nobody looks."""
        order = self._venue.order(broker_id)
        assert order is not None, "asked for in _can_change"
        self._venue.hold(order.symbol, order.tag)
        self._shown_cancelled.add(broker_id)
        self._shown_ended.pop(broker_id, None)

        def remember() -> None:
            self._shown_cancelled.discard(broker_id)
            self._venue.release(order.symbol, order.tag)
            self._venue.fill(order)

        await self._travel()
        now_ns = self._clock.now_ns()
        self._updates.hear(self._seen(replace(order.report(), at_ns=now_ns)))
        self._clock.call_at(self._plan.until(now_ns + strike.delay_ns), remember)
        return Acked(broker_id)

    def _symbol_of(self, broker_id: str) -> str:
        order = self._venue.order(broker_id)
        return order.symbol if order is not None else ""

    def _last_paise(self, symbol: str) -> int:
        book = self._inner.exchange.book(symbol)
        return book.tick.ltp_paise if book is not None else 0

    # --- the way --------------------------------------------------------------------------------------------------

    def _go(self, call: Coroutine[None, None, Answer]) -> None:
        task = asyncio.get_running_loop().create_task(call)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _later(self, delay_ns: int, send: Send) -> None:
        at_ns = self._plan.until(self._clock.now_ns() + delay_ns)
        self._clock.call_at(at_ns, lambda: self._go(send()))

    async def _silence(self) -> Answer:
        await self._clock.sleep_until(self._clock.now_ns() + _SILENCE_NS)
        return Unknown(f"no reply in {_SILENCE_NS // NS_PER_S} s")

    def _travel(self) -> Awaitable[None]:
        return self._clock.sleep_until(self._clock.now_ns() + _TRAVEL_NS)

    # --- what the broker shows ------------------------------------------------------------------------------------

    async def read_orders(self) -> Sequence[OrderReport]:
        return await self._reads.read(Door.READ_ORDERS, self._seen_orders)

    async def read_trades(self) -> Sequence[Trade]:
        return await self._reads.read(Door.READ_TRADES, self._seen_trades)

    async def read_positions(self) -> Sequence[PositionReport]:
        return await self._reads.read(Door.READ_POSITIONS, self._inner.read_positions)

    async def _seen_orders(self) -> Sequence[OrderReport]:
        shown = self._shown_ended
        return [
            row if row.broker_id in shown and shown[row.broker_id] is row else self._seen_in_book(row)
            for row in await self._inner.read_orders()
        ]

    def _seen_in_book(self, row: OrderReport) -> OrderReport:
        seen = self._seen(row)
        if seen is row and row.state in TERMINAL:
            self._shown_ended[row.broker_id] = row
        return seen

    async def _seen_trades(self) -> Sequence[Trade]:
        return [self._seen_trade(trade) for trade in await self._inner.read_trades()]

    def _seen_trade(self, trade: Trade) -> Trade:
        tag = self.shown_tag(trade.tag)
        return trade if tag == trade.tag else replace(trade, tag=tag)

    def _hear(self, update: Update) -> None:
        if isinstance(update, Trade):
            self._updates.hear(replace(update, tag=self.shown_tag(update.tag)))
        else:
            self._updates.hear(self._seen(update))

    def _seen(self, row: OrderReport) -> OrderReport:
        """A row as this broker shows it: somebody else's order has no tag of ours, a held one is still on its way."""
        if row.broker_id in self._shown_cancelled:
            return replace(row, tag=self.shown_tag(row.tag), state=OrderState.CANCELLED)
        if row.state is OrderState.TRIGGER_PENDING and self._venue.is_held(row.symbol, row.tag):
            return replace(row, tag=self.shown_tag(row.tag), state=OrderState.WORKING)
        tag = self.shown_tag(row.tag)
        return row if tag == row.tag else replace(row, tag=tag)

    def shown_tag(self, tag: str) -> str:
        """Under which tag the desk sees an order that carries this one at the exchange; empty when it is not ours."""
        return tag if role_of(tag) is not None else self._twins.get(tag, "")
