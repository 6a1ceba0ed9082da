"""The desk: one loop, one writer. Takes every event to its end, commits what it decided, then lets the commands go.

    tick | order report | trade | answer | timer | trader's request
        -> core (blotter, bots, brackets: pure) -> one commit -> gateway

Nothing is sent before its intent is durable (O1); ticks go on being handled while the disk works. The desk holds no
trading rule: those are in `engine.legs` and `engine.bracket`. What it reads from the broker is in `engine.desk_reads`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from engine import desk_rows
from engine.alarm_board import AlarmBoard
from engine.blotter import Blotter
from engine.decision_hash import DecisionHash
from engine.desk_parts import DeskParts
from engine.desk_reads import BookReader
from engine.desk_requests import TraderRequests
from engine.desk_restore import restore_desk
from engine.desk_stop import close_positions, final_code, leave_protected
from engine.entry_schedule import EntrySchedule
from engine.gateway import Gateway
from engine.instant import NS_PER_DAY, NS_PER_S, ist_date, ist_time_ns
from engine.journal.errors import JournalError
from engine.journal.records import AnswerRow, Batch, BotRow, FillRow, PositionRow, TradeRow
from engine.legs import REASON_EOD, LegsBot
from engine.messages import Msg
from engine.operator import Request
from engine.order import EXIT_ROLES, Order, OrderState, Side, Trade
from engine.outbox import Command, LookUp, Op, Outbox, PlaceOrder, ProveFlat, RoundTrip, Said
from engine.port import Answer, OrderReport, Refused, TimerHandle
from engine.positions import PositionBook
from engine.price_book import NO_HIGH, NO_LOW, PriceBook
from engine.price_watch import PriceWatch
from engine.risk import DeskFacts, desk_block
from engine.session import session_class
from engine.tags import TagMaker
from engine.tick import Tick
from engine.venue_rules import RequestFacts, check_request, lpp_gap_paise
from engine.view import AlarmView

_NET_NS = NS_PER_S
"""With a position open every bracket is looked at once a second, ticks or not."""
_FINISHED_KEPT = 2_000
_LOCAL_ROUNDS = 8
"""Times a step may answer its own locally refused orders before it is our bug."""


class Desk:
    """Build, `await start()`, feed, `await stop()`. All methods run on the loop's thread."""

    def __init__(self, parts: DeskParts) -> None:
        self.parts = parts
        self.clock = parts.clock
        self.log = parts.log
        self.blotter = Blotter()
        self.positions = PositionBook()
        self.decisions = DecisionHash()
        self.prices = {symbol: PriceBook(instrument) for symbol, instrument in parts.instruments.items()}
        legs = [self.prices[symbol] for symbol in parts.legs]
        self.bot = LegsBot(
            parts.terms, legs, parts.port.rules, TagMaker(parts.run_no), self.blotter.orders, parts.run_no
        )
        self.account = parts.port.account_id
        self.gateway = Gateway(
            parts.port, parts.clock, parts.limits, self.blotter.orders, self.on_answer, self.on_withdrawn
        )
        self.reader = BookReader(self)
        self.requests = TraderRequests(self)
        self.schedule = EntrySchedule(parts.trigger, parts.calendar, legs[0].instrument, parts.terms.bot)
        self.out = Outbox()
        self.price_watch = PriceWatch(self)
        self.trips: dict[str, RoundTrip] = {}
        self.charges: dict[str, int] = {}
        """Estimated charges per trade row of today."""
        self.alarms: dict[str, AlarmView] = {}
        self.alarm_board = AlarmBoard(self)
        self.version = 0
        self.is_paused = False
        self.stopping = ""
        self.recovered = False
        self.journal_error = ""
        self.mismatch = ""
        self.engine_error = ""
        self._dirty_orders: dict[str, Order] = {}
        self._fills: list[FillRow] = []
        self._answers: list[AnswerRow] = []
        self._trades: dict[str, TradeRow] = {}
        self._bot_image = b""
        self._timer: TimerHandle | None = None
        self._timer_ns = 0
        self._net_ns = 0
        self._status_ns = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self.failures: deque[str] = deque(maxlen=20)

    # --- life ---------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Journal first, then the broker's books, then prices, then entries (design §6)."""
        restore_desk(self)
        self.parts.port.listen(self.on_report, self.on_trade)
        self.parts.market.listen(self.on_tick)
        await self.parts.port.connect()
        await self.parts.market.connect()
        await self.parts.market.subscribe(list(self.prices))
        self.spawn("gateway", self.gateway.run, restarts=True)  # exits need it whatever broke
        await self.reader.recover()
        self.recovered = True
        self.step(lambda _now: None)

    async def stop(self, reason: str, *, flatten: bool = True) -> int:
        """Entries stop; with `flatten` every leg is closed first, else resting protection is left at the broker and
        nothing is closed by surprise (PRC-02). Returns the exit code (OPS-22)."""
        if not self.stopping:
            self.stopping = reason
            self.step(lambda _now: self.say(Msg.DESK, text=f"stopping: {reason}"))
        if flatten and self.bot.any_leg_active:
            await close_positions(self)
        elif not flatten:
            await leave_protected(self)
        code = await final_code(self, flatten=flatten)
        await self.parts.writer.drain()
        self._disarm()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.parts.market.close()
        await self.parts.port.close()
        return code

    def spawn(self, name: str, job: Callable[[], Coroutine[Any, Any, None]], *, restarts: bool = False) -> None:
        """Run a task under the desk's eyes: it is named, kept, and its death is an alarm (PRC-07, PRC-08)."""
        task = asyncio.get_running_loop().create_task(self._supervised(name, job, restarts), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _supervised(self, name: str, job: Callable[[], Coroutine[Any, Any, None]], restarts: bool) -> None:
        while True:
            try:
                await job()
                return
            except Exception as error:  # noqa: BLE001 - the one place where a task's death is decided on
                self._note_failure(f"task {name}", error)
            if not restarts:
                return
            await self.clock.sleep_until(self.clock.now_ns() + NS_PER_S // 10)

    # --- events: prices -----------------------------------------------------------------------------------------

    def on_tick(self, tick: Tick) -> None:
        """The hot path: one look-up, an age test, two comparisons; everything else is for prices that touch."""
        book = self.prices.get(tick.symbol)
        if book is None or tick.at_ns < book.at_ns:
            return
        if book.low < tick.ltp_paise < book.high:
            book.tick = tick
            book.at_ns = tick.at_ns
            return
        self._price_touched(book, tick)

    def _price_touched(self, book: PriceBook, tick: Tick) -> None:
        if tick.ltp_paise <= 0:
            if tick.bid_paise > 0 or tick.ask_paise > 0:  # a quote without a trade yet
                last = book.tick.ltp_paise
                book.tick = Tick(
                    tick.symbol, tick.at_ns, last, tick.bid_paise, tick.bid_qty, tick.ask_paise, tick.ask_qty
                )
                book.at_ns = tick.at_ns
            return
        if _is_outlier(tick):
            return
        book.tick = tick
        book.at_ns = tick.at_ns
        self.step(lambda now: self._tick_brackets(tick.symbol, now))

    def _tick_brackets(self, symbol: str, now_ns: int) -> None:
        for bracket in self.bot.open_brackets() if self.bot.books_known else ():
            if bracket.body.symbol == symbol and bracket.is_touched():
                bracket.on_tick(now_ns, self.out)

    # --- events: orders -----------------------------------------------------------------------------------------

    def on_report(self, report: OrderReport) -> None:
        """A pushed order update."""
        self.step(lambda now: self.merge([report], [], now))

    def on_trade(self, trade: Trade) -> None:
        """A pushed trade record."""
        self.step(lambda now: self.merge([], [trade], now))

    def on_answer(self, tag: str, op: Op, answer: Answer) -> None:
        """The gateway's answer to one of our calls."""
        self.step(lambda now: self._take_answer(tag, op, answer, now))

    def on_withdrawn(self, tag: str) -> None:
        """The gateway took an unsent order back."""
        self.step(lambda now: self._changed([self.blotter.withdraw(tag, now)], now))

    def prove_absent(self, tag: str) -> None:
        """Clean reads do not show an unanswered order: it was not placed."""
        self.step(lambda now: self._take_absence(tag, now))

    def note_changed(self, orders: Sequence[Order]) -> None:
        """Orders that were settled outside a merge belong in the next commit."""
        for order in orders:
            self._dirty_orders[order.tag] = order

    def _take_absence(self, tag: str, now_ns: int) -> None:
        order = self.blotter.prove_absent(tag, now_ns)
        self._say_order(Msg.RESOLVED_ORDER, order, outcome="not placed")
        self._changed([order], now_ns)

    def _take_answer(self, tag: str, op: Op, answer: Answer, now_ns: int) -> None:
        apply = {
            "place": self.blotter.apply_place_answer,
            "modify": self.blotter.apply_modify_answer,
            "cancel": self.blotter.apply_cancel_answer,
        }[op]
        order = apply(tag, answer, now_ns)
        self._answers.append(desk_rows.answer_row(tag, op, answer, now_ns))
        if order.state is OrderState.UNKNOWN and order.state_ns == now_ns:
            reason = getattr(answer, "reason", "")
            self._say_order(Msg.UNKNOWN_ORDER, order, reason=reason)
        self._changed([order], now_ns)

    def merge(
        self,
        reports: Sequence[OrderReport],
        trades: Sequence[Trade],
        now_ns: int,
        *,
        read_ns: int = 0,
        recovered: bool = False,
    ) -> None:
        """Take in pushes, or whole books whose read began at `read_ns`: all is merged before anything is decided."""
        changed: dict[str, Order] = {}
        for report in reports:
            known = self.blotter.find(self.account, report)
            before = known.fingerprint() if known is not None else None
            order = self.blotter.apply_report(self.account, report, now_ns, read_ns=read_ns)
            if order is None or order.fingerprint() == before:
                continue  # a book that is read every few seconds mostly tells what we know
            changed[order.tag] = order
            if before is not None and before[0] is OrderState.UNKNOWN and order.state is not OrderState.UNKNOWN:
                self._say_order(Msg.RESOLVED_ORDER, order, outcome=f"found, {order.state.value}")
        for trade in trades:
            order, is_new = self.blotter.apply_trade(self.account, trade, now_ns)
            if order is not None and is_new:
                changed[order.tag] = order
        self._changed(list(changed.values()), now_ns, recovered=recovered)

    def _changed(self, orders: Sequence[Order], now_ns: int, *, recovered: bool = False) -> None:
        for order, trade in self.blotter.take_booked():
            self._fills.append(FillRow.of(trade, account=self.account, bracket_id=order.bracket_id))
            self.positions.add(self.account, order.product, trade)
        for order in orders:
            self._dirty_orders[order.tag] = order
        self.bot.on_orders(orders, now_ns, self.out, recovered=recovered)

    # --- events: time and requests ------------------------------------------------------------------------------

    def submit(self, request: Request) -> None:
        """A trader's request, on the same queue as everything else."""
        asyncio.get_running_loop().call_soon(self.requests.handle, request)

    def _on_timer(self) -> None:
        self._timer = None
        self.step(self._on_time)

    def _on_time(self, now_ns: int) -> None:
        self.roll_day(now_ns)
        self.price_watch.look(now_ns)
        self.bot.on_wake(now_ns, self.out)
        self._square_off_if_due(now_ns)
        self._look_at_schedule(now_ns)
        if not self.bot.any_leg_active:
            self._status_ns = 0
        elif now_ns >= self._status_ns:
            self._status_ns = now_ns + self.parts.times.status_poll_ns
            self.reader.status_pass()

    def _look_at_schedule(self, now_ns: int) -> None:
        if not self.schedule.is_due(now_ns):
            return
        block = self.entry_block(now_ns)
        if not block and self.parts.trend is not None:
            block = self.parts.trend.reason(now_ns)
        if not self.schedule.on_time(now_ns, in_position=self.bot.any_leg_active, block=block, out=self.out):
            return
        if block:
            self.say(Msg.SKIP, reason=block)
        else:
            self.bot.enter(list(self.bot.legs), Side.BUY, self.bot.terms.lots, now_ns, self.out)

    def _square_off_if_due(self, now_ns: int) -> None:
        """At the time, or at once when it was missed and the market is still open (LEG-49, LEG-52)."""
        if self.square_off_passed(now_ns) and self.recovered and self.bot.any_leg_active:
            self.bot.square_off(REASON_EOD, now_ns, self.out)

    def roll_day(self, now_ns: int) -> None:
        if self.bot.roll_day(desk_rows.trading_day(now_ns)):
            self.positions.roll_day()
            self.trips.clear()
            self.charges.clear()
            self.schedule.begin(self.bot.body.trigger, now_ns, self.out)
            closed = self.parts.calendar.why_closed(ist_date(now_ns))
            if closed:
                self.say(Msg.HOLIDAY, day=desk_rows.trading_day(now_ns), name=closed)

    # --- what may be entered --------------------------------------------------------------------------------------

    def session_reason(self, now_ns: int) -> str:
        """Why the legs' market is closed at this instant; empty while it trades."""
        day = ist_date(now_ns)
        session = self.parts.calendar.trading_day(day)
        if session is None:
            return self.parts.calendar.why_closed(day)
        for leg in self.bot.legs.values():
            kind = session_class(leg.instrument)
            close_ns = self.parts.calendar.close_ns(leg.instrument, day) or 0
            if not session.is_open(kind, now_ns) or now_ns >= close_ns:
                return "market closed"
        return ""

    def square_off_at_ns(self, now_ns: int) -> int:
        """Today's square-off instant; 0 when it is switched off."""
        span = self.parts.times.square_off_ns
        return now_ns - ist_time_ns(now_ns) + span if span else 0

    def square_off_passed(self, now_ns: int) -> bool:
        at_ns = self.square_off_at_ns(now_ns)
        return bool(at_ns) and now_ns >= at_ns

    def entry_block(self, now_ns: int) -> str:
        """Why the desk takes no entries now, or empty (O10)."""
        facts = DeskFacts(
            recovered=self.recovered,
            is_paused=self.is_paused,
            journal_error=self.journal_error,
            session_reason=self.session_reason(now_ns),
            order_path_error=self.gateway.path_error,
            square_off_passed=self.square_off_passed(now_ns),
            stopping=bool(self.stopping),
            day_net_paise=self.day_net_paise,
            unknown_orders=sum(1 for order in self.blotter.live_orders() if order.state is OrderState.UNKNOWN),
            mismatch=self.mismatch,
        )
        return self.engine_error or desk_block(facts, self.bot.terms.limits)

    @property
    def day_net_paise(self) -> int:
        """Realised today, after estimated charges."""
        return self.bot.body.day_net_paise - sum(self.charges.values())

    # --- one step -------------------------------------------------------------------------------------------------

    def step(self, work: Callable[[int], object]) -> None:
        """Run one piece of core work and flush it. An error of ours stops entries, never the desk (faults §4.9)."""
        now_ns = self.clock.now_ns()
        try:
            work(now_ns)
            self._check_locally(now_ns)
        except Exception as error:  # noqa: BLE001 - the top of every event: whatever it was, exits must go on
            self._note_failure("decision", error)
        self._flush()

    def _check_locally(self, now_ns: int) -> None:
        """Hold new orders against the venue's rules before they are intended; a violation is an immediate refusal."""
        for _ in range(_LOCAL_ROUNDS):
            places = [command for command in self.out.commands if isinstance(command, PlaceOrder)]
            refused = [command.tag for command in places if self._violates(command, now_ns)]
            if not refused:
                return
            kept = [c for c in self.out.commands if not (isinstance(c, PlaceOrder) and c.tag in refused)]
            self.out.commands = kept
            self._changed([self.blotter.orders[tag] for tag in refused], now_ns)
        raise ValueError("locally refused orders are placed again and again")

    def _violates(self, command: PlaceOrder, now_ns: int) -> bool:
        self._register_new_orders()
        order = self.blotter.orders[command.tag]
        facts = RequestFacts(
            tag=order.tag,
            type=order.type,
            qty=order.qty,
            limit_paise=order.limit_paise,
            trigger_paise=order.trigger_paise,
            product=order.product,
        )
        violation = check_request(facts, self.prices[order.symbol].instrument, self.parts.port.rules)
        # An odd lot that is held must be sold whatever the lot says: exits are never refused here for their quantity.
        if violation is None or (order.role in EXIT_ROLES and violation.code == "lot_size"):
            return False
        self._say_order(Msg.LOCAL_REFUSAL, order, reason=violation.text)
        self.blotter.apply_place_answer(order.tag, Refused(violation.code, violation.text), now_ns)
        return True

    def _register_new_orders(self) -> None:
        for order in self.out.new_orders:
            self.blotter.add(order)
            self._dirty_orders[order.tag] = order
        self.out.new_orders = []

    def _flush(self) -> None:
        """Commit what this step decided, then release its commands when that is durable."""
        out, now_ns = self.out, self.clock.now_ns()
        self._register_new_orders()
        if out.is_empty and not self._dirty_orders and not self._answers:
            self._arm()
            return
        self._book_round_trips(now_ns)
        commands = out.commands
        for command in commands:
            if not isinstance(command, LookUp | ProveFlat):
                order = self.blotter.orders[command.tag]
                self._dirty_orders[command.tag] = order
                self.decisions.add(command, order, now_ns)
        batch = self._batch(now_ns)
        out.clear()
        self.version += 1
        try:
            self.parts.writer.submit(batch, lambda: self._release(commands))
        except JournalError as error:
            self.on_journal_error(error)
        self._arm()

    def _batch(self, now_ns: int) -> Batch:
        out = self.out
        self.alarm_board.settle(now_ns)
        intents = [
            desk_rows.intent_row(command, self.blotter.orders[command.tag], now_ns)
            for command in out.commands
            if not isinstance(command, LookUp | ProveFlat)
        ]
        events = [desk_rows.event_row(said, self._tell(said, now_ns), now_ns) for said in out.said]
        batch = Batch(
            intents=intents,
            answers=self._answers,
            orders=list(self._dirty_orders.values()),
            fills=self._fills,
            brackets=[
                desk_rows.bracket_row(self.bot.brackets[key])
                for key in sorted(out.touched_brackets & self.bot.brackets.keys())
            ],
            trades=list(self._trades.values()),
            positions=self._position_rows(now_ns),
            events=[event for event in events if event.level != "DEBUG"],
            alarms=self.alarm_board.take_rows(),
            bots=self._bot_rows(),
        )
        self._answers, self._fills, self._trades = [], [], {}
        self._dirty_orders = {}
        return batch

    def _tell(self, said: Said, now_ns: int) -> str:
        fields = {"symbol": said.symbol, "tag": said.tag, **said.fields}
        return self.log.say(said.msg, fields, now_ns, said.source, said.symbol, said.tag)

    def _release(self, commands: Sequence[Command]) -> None:
        self.journal_error = ""  # what was waiting is on disk now
        for command in commands:
            if isinstance(command, LookUp):
                self.reader.look_up(command.tag)
            elif isinstance(command, ProveFlat):
                self.reader.prove_flat(command.bracket_id)
            else:
                self.gateway.submit(command)

    def _book_round_trips(self, now_ns: int) -> None:
        closed = False
        for trip in self.out.round_trips:
            row_id = f"{trip.bracket_id}-{trip.kind}"
            self.bot.book(trip, self.trips.get(row_id), self.out)
            self.trips[row_id] = trip
            charges = 0
            if trip.kind == "trade":
                orders = self.bot.brackets[trip.bracket_id].mine
                charges = self.parts.charges_of(orders, now_ns)
            self.charges[row_id] = charges
            self._trades[row_id] = desk_rows.trade_row(trip, charges)
            closed = True
        if closed:
            self.reader.verify_flat()
            self.blotter.forget_finished(_FINISHED_KEPT)

    def _position_rows(self, now_ns: int) -> list[PositionRow]:
        keys = dict.fromkeys((fill.account, fill.symbol, self._product_of(fill.tag)) for fill in self._fills)
        return [desk_rows.position_row(self.positions.of(*key), now_ns) for key in keys]

    def _product_of(self, tag: str) -> str:
        return self.blotter.orders[tag].product

    def _bot_rows(self) -> list[BotRow]:
        image = desk_rows.encode_body(self.bot.body)
        if image == self._bot_image:
            return []
        self._bot_image = image
        return [BotRow(bot=self.bot.name, account=self.account, body=image)]

    # --- timers and bands -----------------------------------------------------------------------------------------

    def _arm(self) -> None:
        """Recompute the armed bands and the one timer. Called after every step, never on an idle tick."""
        open_brackets = self.bot.open_brackets()
        bands: dict[str, tuple[int, int]] = {}
        for bracket in open_brackets:
            low, high = bracket.band()
            known = bands.get(bracket.body.symbol, (NO_LOW, NO_HIGH))
            bands[bracket.body.symbol] = (max(low, known[0]), min(high, known[1]))
        for symbol, leg in self.bot.legs.items():
            leg.price.low, leg.price.high = bands.get(symbol, (NO_LOW, NO_HIGH))
        self._arm_timer(bool(open_brackets))

    def _arm_timer(self, has_open: bool) -> None:
        now_ns = self.clock.now_ns()
        wakes = [self.schedule.next_wake_ns(now_ns)]
        if has_open:
            if self._net_ns <= now_ns:
                self._net_ns = now_ns + _NET_NS
            self._status_ns = self._status_ns or now_ns + self.parts.times.status_poll_ns
            wakes += [self.bot.wake_ns(now_ns), self._net_ns, self._status_ns]
        square_off_ns = self.square_off_at_ns(now_ns)
        if square_off_ns > now_ns:
            wakes.append(square_off_ns)
        wakes.append(now_ns - ist_time_ns(now_ns) + NS_PER_DAY)
        wake_ns = min(wake for wake in wakes if wake > now_ns)
        if self._timer is not None and self._timer_ns == wake_ns:
            return
        self._disarm()
        self._timer_ns = wake_ns
        self._timer = self.clock.call_at(wake_ns, self._on_timer)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # --- words ----------------------------------------------------------------------------------------------------

    def say(self, msg: Msg, *, symbol: str = "", tag: str = "", **fields: object) -> None:
        """A sentence of the desk itself; committed with the step it belongs to."""
        self.out.say(msg, source=self.bot.name, symbol=symbol, tag=tag, **fields)

    def _say_order(self, msg: Msg, order: Order, **fields: object) -> None:
        self.say(msg, symbol=order.symbol, tag=order.tag, role=order.role.value, **fields)

    def on_journal_error(self, error: JournalError) -> None:
        """The disk does not take our facts: entries stop, what waits is kept and tried again (J3)."""
        if not self.journal_error:
            self.log.say(Msg.JOURNAL, {"error": str(error)}, self.clock.now_ns(), self.bot.name)
            if self.parts.on_alarm is not None:
                self.parts.on_alarm(f"journal: {error}")
        self.journal_error = str(error)

    def _note_failure(self, where: str, error: Exception) -> None:
        """Our own bug: record it, alarm, take no more entries; exits and protection go on."""
        text = f"{type(error).__name__}: {error}"
        self.failures.append(f"{where}: {text}")
        if not self.engine_error:
            self.say(Msg.INTERNAL, where=where, error=text)
            self.out.raise_alarm("internal", f"{where}: {text}")
        self.engine_error = f"internal error in {where}"


def _is_outlier(tick: Tick) -> bool:
    """A last price far outside its own touch is one bad tick, not a market (M3, MKT-06)."""
    bid, ask, ltp = tick.bid_paise, tick.ask_paise, tick.ltp_paise
    if bid <= 0 or ask < bid:
        return False
    return ltp > ask + lpp_gap_paise(ask) or ltp < bid - lpp_gap_paise(bid)
