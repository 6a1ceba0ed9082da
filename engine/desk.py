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
from contextlib import suppress
from typing import Any, TypeVar

from engine import desk_rows
from engine.alarm_board import AlarmBoard
from engine.blotter import Blotter
from engine.bot import REASON_EOD, Bot
from engine.bracket import Bracket
from engine.candle_feed import CandleFeed
from engine.decision_hash import DecisionHash
from engine.desk_account import DeskAccount
from engine.desk_commit import DeskCommit
from engine.desk_disk import DeskDisk
from engine.desk_events import HubVoice
from engine.desk_parts import BotParts, BotTools, DeskParts
from engine.desk_requests import TraderRequests
from engine.desk_restore import restore_desk
from engine.desk_stop import DeskStop
from engine.desk_timer import DeskTimer
from engine.entry_schedule import EntrySchedule
from engine.event_hub import EventHub
from engine.exposure import ExposureClock
from engine.instant import NS_PER_DAY, NS_PER_S, ist_date, ist_time_ns
from engine.instrument import Instrument
from engine.journal.errors import JournalBacklogFull, JournalError
from engine.local_check import refuse_locally
from engine.messages import Msg
from engine.metrics import Metrics
from engine.operator import Request
from engine.order import Order, OrderState, Side
from engine.order_doubts import OrderDoubts
from engine.outbox import ModifyOrder, Op, Outbox, PlaceOrder, RoundTrip
from engine.port import Answer
from engine.position_checks import PositionChecks
from engine.positions import PositionBook
from engine.price_book import PriceBook
from engine.price_watch import PriceWatch
from engine.protect_only import ProtectOnly
from engine.risk import DeskFacts, RiskLimits, desk_block
from engine.seat import Seat
from engine.session import session_class
from engine.tags import TagMaker
from engine.tick import Tick
from engine.tick_doubts import AHEAD_NS, TickDoubts
from engine.view import AlarmView

_T = TypeVar("_T")

_DRAIN_S = 5.0
"""How long a stopping desk waits for its journal."""


class Desk:
    """Build, `await start()`, feed, `await stop()`. All methods run on the loop's thread."""

    def __init__(self, parts: DeskParts) -> None:
        self.parts = parts
        self.clock = parts.clock
        self.log = parts.log
        self.prices = {symbol: PriceBook(instrument) for symbol, instrument in parts.instruments.items()}
        self.blotter = Blotter(self.prices)
        self.positions = PositionBook()
        self.decisions = DecisionHash()
        self.risk: RiskLimits = parts.risk
        """Caps over all bots together; each has its own besides."""
        self.bots: dict[str, Bot] = {}
        """By name, in the order of the configuration; one whose code failed stands here as `ProtectOnly`."""
        self.seats: dict[str, Seat] = {}
        self.deciding = ""
        """Whose code is running at this moment; empty between decisions (PRC-10)."""
        self.decisions_begun = 0
        """Tells two short decisions from a long one (`engine.stall_guard`)."""
        self.candles = CandleFeed(self)
        self._seat_all()
        self.doubts = OrderDoubts()
        self.metrics = Metrics(parts.stopwatch_ns)
        self.accounts = {port.account_id: DeskAccount(self, port) for port in parts.ports}
        """By id, in the order of the configuration."""
        self.main = next(iter(self.accounts.values()))
        """The first: its name stands on the status line."""
        self.requests = TraderRequests(self)
        self.ending = DeskStop(self)
        self.out = Outbox()
        self.exposure = ExposureClock()
        self.commit = DeskCommit(self)
        self.timer = DeskTimer(self)
        self.checks = PositionChecks(self, parts.checks, _after_the_step)
        self.price_watch = PriceWatch(self)
        self.tick_doubts = TickDoubts(self)
        self.day_ns = self.day_end_ns = 0
        """Today in IST: a tick of another day is none (MKT-13)."""
        self.trips: dict[str, RoundTrip] = {}
        """Round trips of today by trade row."""
        self.alarms: dict[str, AlarmView] = {}
        self.alarm_board = AlarmBoard(self)
        self.hub = EventHub(_after_the_step, HubVoice(self))
        """Whoever wants to hear what the desk does subscribes here; nothing in the desk waits for them."""
        self.version = 0
        self._has_started = False
        self.is_paused = False
        self.stopping = ""
        self.disk = DeskDisk(self)
        self.engine_error = ""
        self._tasks: set[asyncio.Task[None]] = set()
        self.failures: deque[str] = deque(maxlen=20)

    def _seat_all(self) -> None:
        """Every bot takes its place. Raises ValueError for one whose account this desk does not have."""
        rules = {port.account_id: port.rules for port in self.parts.ports}
        tools = BotTools(
            prices=self.prices,
            rules=rules,
            tags=TagMaker(self.parts.run_no),
            orders=self.blotter.orders,
            readings=self.candles.readings,
            entry_block=self.entry_block,
        )
        for part in self.parts.bots:
            self._seat(part, part.build(tools))

    def _seat(self, part: BotParts, bot: Bot) -> None:
        strangers = bot.places.keys() - {port.account_id for port in self.parts.ports}
        if strangers:
            raise ValueError(f"bot {bot.name}: this desk has no account {', '.join(sorted(strangers))}")
        first = next(iter(bot.instruments.values()))
        self.bots[bot.name] = bot
        schedule = EntrySchedule(part.trigger, self.parts.calendar, first, bot.name)
        self.seats[bot.name] = Seat(bot, schedule, part.trend)

    # --- life ---------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Journal first, then the broker's books, then prices, then entries (design §6). A second start is none."""
        if self._has_started:
            return
        self._has_started = True
        restore_desk(self)
        for account in self.accounts.values():
            account.port.listen(account.on_report, account.on_trade)
        self.parts.market.listen(self.metrics.timed(self.on_tick))
        for account in self.accounts.values():
            await account.port.connect()
        await self.parts.market.connect()
        await self.parts.market.subscribe(list(self.prices))
        for account in self.accounts.values():  # exits need it whatever broke
            self.spawn(account.words("gateway"), account.gateway.run_exits, restarts=True)
            self.spawn(account.words("gateway of entries"), account.gateway.run_entries, restarts=True)
        await self._recover()
        self.step(self._begin)

    async def _recover(self) -> None:
        """Every account on its own: one whose books cannot be read does not keep the others' positions waiting."""
        main, *others = self.accounts.values()
        tasks = [self.spawn(account.words("recovery"), account.reader.recover) for account in others]
        await main.reader.recover()
        await asyncio.gather(*tasks)

    def _begin(self, now_ns: int) -> None:
        self.timer.begin()
        self.candles.settle(now_ns)

    async def stop(self, reason: str, *, flatten: bool | None = None) -> int:
        """End by each bot's own policy, or by `flatten` for all (OPS-21). Returns the exit code (OPS-22)."""
        code = await self.ending.run(reason, flatten=flatten)
        self.timer.end()
        with suppress(TimeoutError):  # a disk that stays away: closing the journal tells what it did not take
            async with asyncio.timeout(_DRAIN_S):
                await self.parts.writer.drain()
        for account in self.accounts.values():
            account.reader.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.parts.market.close()
        for account in self.accounts.values():
            await account.port.close()
        return code

    def spawn(
        self, name: str, job: Callable[[], Coroutine[Any, Any, None]], *, restarts: bool = False
    ) -> asyncio.Task[None]:
        """Run a task under the desk's eyes: it is named, kept, and its death is an alarm (PRC-07, PRC-08)."""
        task = asyncio.get_running_loop().create_task(self._supervised(name, job, restarts), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

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
        if book is None:
            self.tick_doubts.unknown(tick)
            return
        is_near = 0 <= tick.at_ns - book.at_ns < AHEAD_NS and tick.at_ns >= self.day_ns
        if not (is_near or self.tick_doubts.is_timely(book, tick)):
            return
        if book.low < tick.ltp_paise < book.high:
            if book.is_charted:
                self.candles.on_tick(tick)
            book.tick = tick
            book.at_ns = tick.at_ns
            if self.hub.wants_ticks:
                self.hub.tick(tick)
            return
        self._price_touched(book, tick)

    def _price_touched(self, book: PriceBook, tick: Tick) -> None:
        if not self.tick_doubts.is_believed(book, tick):
            return
        if not tick.ltp_paise:  # a quote without a trade yet
            last = book.tick.ltp_paise
            book.tick = Tick(tick.symbol, tick.at_ns, last, tick.bid_paise, tick.bid_qty, tick.ask_paise, tick.ask_qty)
            book.at_ns = tick.at_ns
            return
        if book.is_charted:
            self.candles.on_tick(tick)
        book.tick = tick
        book.at_ns = tick.at_ns
        if self.hub.wants_ticks:
            self.hub.tick(tick)
        if book.centre(tick.ltp_paise):
            return
        began_ns = self.metrics.timer_ns()
        self.step(lambda now: self._tick_bots(book, now, began_ns))

    def _tick_bots(self, book: PriceBook, now_ns: int, began_ns: int) -> None:
        """A tick that comes too late tells what was; nobody decides on it (I-7)."""
        symbol = book.instrument.symbol
        for name, bot in list(self.bots.items()):
            if book.is_fresh(now_ns, bot.max_tick_age_ns):
                self.decide(name, lambda bot: bot.on_tick(symbol, now_ns, self.out))
        self.metrics.ticked(began_ns, signalled=bool(self.out.signals))

    # --- events: orders -----------------------------------------------------------------------------------------

    def on_answer(self, tag: str, op: Op, answer: Answer) -> None:
        """The gateway's answer to one of our calls."""
        self.step(lambda now: self._take_answer(tag, op, answer, now))

    def on_withdrawn(self, tag: str) -> None:
        """The gateway took an unsent order back."""
        self.step(lambda now: self.settle([self.blotter.withdraw(tag, now)], now))

    def prove_absent(self, tag: str) -> None:
        """Clean reads do not show an unanswered order: it was not placed."""
        self.step(lambda now: self._take_absence(tag, now))

    def note_changed(self, orders: Sequence[Order]) -> None:
        """Orders that were settled outside a merge belong in the next commit."""
        self.commit.note_orders(orders)

    def _take_absence(self, tag: str, now_ns: int) -> None:
        order = self.blotter.prove_absent(tag, now_ns)
        self.say_order(Msg.RESOLVED_ORDER, order, outcome="not placed")
        self.settle([order], now_ns)

    def _take_answer(self, tag: str, op: Op, answer: Answer, now_ns: int) -> None:
        apply = {
            "place": self.blotter.apply_place_answer,
            "modify": self.blotter.apply_modify_answer,
            "cancel": self.blotter.apply_cancel_answer,
        }[op]
        order = apply(tag, answer, now_ns)
        self.commit.note_answer(tag, op, answer, now_ns)
        if order.state is OrderState.UNKNOWN and order.state_ns == now_ns:
            reason = getattr(answer, "reason", "")
            self.say_order(Msg.UNKNOWN_ORDER, order, reason=reason)
        self.settle([order], now_ns)

    def settle(self, orders: Sequence[Order], now_ns: int, *, recovered: bool = False) -> None:
        """Orders that changed, with the fills that came of it: into the commit, the positions, and to their bots."""
        for order, trade in self.blotter.take_booked():
            self.commit.note_fill(order, trade)
            self.positions.add(order.account, order.product, trade)
        self.commit.note_orders(orders)
        self.route(orders, now_ns, recovered=recovered)

    def route(self, orders: Sequence[Order], now_ns: int, *, recovered: bool = False) -> None:
        """Hand changed orders to the bots whose brackets they belong to, and to nobody else (HRD-41)."""
        for name in dict.fromkeys(order.bot for order in orders if order.bot in self.bots):
            mine = [order for order in orders if order.bot == name]
            self.decide(name, lambda bot, mine=mine: bot.on_orders(mine, now_ns, self.out, recovered=recovered))

    # --- events: time and requests ------------------------------------------------------------------------------

    def submit(self, request: Request) -> None:
        """A trader's request, on the same queue as everything else."""
        asyncio.get_running_loop().call_soon(self.requests.handle, request)

    def on_time(self) -> None:
        """The timer has rung."""
        self.step(self._on_time)

    def _on_time(self, now_ns: int) -> None:
        if not self.day_ns <= now_ns < self.day_end_ns:
            self.roll_day(now_ns)
        self.price_watch.look(now_ns)
        self.candles.settle(now_ns)
        self.candles.on_time(now_ns)
        self.checks.begin(now_ns)
        for seat in self.seats.values():
            self._square_off_if_due(seat, now_ns)
            self._look_at_schedule(seat, now_ns)
        if self.timer.status_is_due(now_ns):
            for account in self.accounts.values():
                account.reader.status_pass()

    def _look_at_schedule(self, seat: Seat, now_ns: int) -> None:
        bot = seat.bot
        if not seat.schedule.is_due(now_ns):
            return
        block = self.entry_block(now_ns, bot.name)
        if not block and seat.trend is not None:
            block = seat.trend.reason(now_ns)
        if not seat.schedule.on_time(now_ns, in_position=self.is_active(bot.name), block=block, out=self.out):
            return
        if block:
            self.say(Msg.SKIP, source=bot.name, reason=block)
        else:
            self.decide(bot.name, lambda bot: bot.enter(list(bot.legs), Side.BUY, bot.lots, now_ns, self.out))

    def _square_off_if_due(self, seat: Seat, now_ns: int) -> None:
        """At the time, or at once when it was missed and the market is still open (LEG-49, LEG-52)."""
        if seat.square_off_passed(now_ns) and seat.bot.books_known and self.is_active(seat.bot.name):
            self.decide(seat.bot.name, lambda bot: bot.square_off(REASON_EOD, now_ns, self.out))

    def roll_day(self, now_ns: int) -> None:
        day = desk_rows.trading_day(now_ns)
        self.day_ns = now_ns - ist_time_ns(now_ns)
        self.day_end_ns = self.day_ns + NS_PER_DAY
        rolled = [seat for name, seat in self.seats.items() if self.decide(name, lambda bot: bot.roll_day(day))]
        if not rolled:
            return
        self.positions.roll_day()
        self.tick_doubts.begin_day()
        for account in self.accounts.values():
            account.reader.reconciler.roll_day()
        self.trips.clear()
        for seat in rolled:
            seat.charges.clear()
            seat.schedule.begin(seat.bot.body.trigger, now_ns, self.out)
        self.candles.begin_day(now_ns)
        closed = self.parts.calendar.why_closed(ist_date(now_ns))
        if closed:
            self.say(Msg.HOLIDAY, day=day, name=closed)

    # --- the bots -------------------------------------------------------------------------------------------------

    def decide(self, name: str, work: Callable[[Bot], _T]) -> _T:
        """Let one bot's code decide. When it fails, that bot alone is protect-only from here, and the same work is
        done over its brackets without it (PRC-10)."""
        self.decisions_begun += 1
        self.deciding = name
        try:
            return work(self.bots[name])
        except Exception as error:
            if self.seats[name].broken:
                raise
            self._quarantine(name, error)
            return work(self.bots[name])
        finally:
            self.deciding = ""

    def _quarantine(self, name: str, error: Exception) -> None:
        seat = self.seats[name]
        text = f"{type(error).__name__}: {error}"
        seat.broken = f"error in its code: {text}"
        stand_in = ProtectOnly(seat.bot, seat.broken)
        seat.bot = self.bots[name] = stand_in
        seat.watcher = None
        self.failures.append(f"bot {name}: {text}")
        self.say(Msg.INTERNAL, source=name, where=f"bot {name}", error=text)
        self.out.raise_alarm(f"internal:{name}", f"bot {name} is protect-only: {text}")
        stand_in.take_back_entries(self.clock.now_ns(), self.out)

    def book(self, trip: RoundTrip, previous: RoundTrip | None) -> None:
        """Enter a round trip in its bot's day, once: what a failing bot had counted already is not counted again."""
        bot = self.bots[trip.bot]
        before_paise = bot.body.day_net_paise
        try:
            bot.book(trip, previous, self.out)
        except Exception as error:  # noqa: BLE001 - as in `decide`
            self._quarantine(trip.bot, error)
            if bot.body.day_net_paise == before_paise:
                self.bots[trip.bot].book(trip, previous, self.out)

    def check_status(self, now_ns: int, account: str = "") -> list[str]:
        """One status pass of every bot, or of those that trade in one account; returns the symbols looked at."""
        names = [name for name, bot in self.bots.items() if not account or account in bot.places]
        checked = [self.decide(name, lambda bot: bot.check_status(now_ns, self.out)) for name in names]
        return list(dict.fromkeys(symbol for symbols in checked for symbol in symbols))

    def square_off(self, reason: str, now_ns: int) -> int:
        """Leave every position of every bot; returns how many exits were started."""
        return sum(self.decide(name, lambda bot: bot.square_off(reason, now_ns, self.out)) for name in self.bots)

    @property
    def any_active(self) -> bool:
        return any(self.is_active(name) for name in self.bots)

    def is_active(self, name: str) -> bool:
        return self.decide(name, lambda bot: bot.any_active)

    def open_brackets(self) -> list[Bracket]:
        """Of all bots, bot by bot, oldest first."""
        return [bracket for name in self.bots for bracket in self.decide(name, lambda bot: bot.open_brackets())]

    def fits(self, order: Order, command: PlaceOrder | ModifyOrder) -> bool:
        """Whether a decided request still fits what is open; asked in the moment of sending."""
        bracket = self.bracket(order.bracket_id)
        return bracket is None or bracket.fits(order, command)

    def bracket(self, bracket_id: str) -> Bracket | None:
        """Whoever's it is; None when it is none of today's."""
        return next((bot.brackets[bracket_id] for bot in self.bots.values() if bracket_id in bot.brackets), None)

    @property
    def instruments(self) -> dict[str, Instrument]:
        """What any bot may trade, by symbol."""
        return {symbol: found for bot in self.bots.values() for symbol, found in bot.instruments.items()}

    def accounts_of(self, bot: str) -> list[DeskAccount]:
        """Where one bot trades; of all bots without a name."""
        return [self.accounts[name] for name in self.bots[bot].places] if bot else list(self.accounts.values())

    @property
    def recovered(self) -> bool:
        """The first reconciliation of every account is done (R4)."""
        return all(account.recovered for account in self.accounts.values())

    @property
    def mismatch(self) -> str:
        """Positions that differ from a broker's, in any account."""
        return "; ".join(account.words(account.mismatch) for account in self.accounts.values() if account.mismatch)

    # --- what may be entered --------------------------------------------------------------------------------------

    def session_reason(self, now_ns: int, bot: str = "") -> str:
        """Why the market of a bot (of all of them together) is closed at this instant; empty while it trades."""
        day = ist_date(now_ns)
        session = self.parts.calendar.trading_day(day)
        if session is None:
            return self.parts.calendar.why_closed(day)
        for instrument in (self.bots[bot].instruments if bot else self.instruments).values():
            close_ns = self.parts.calendar.close_ns(instrument, day) or 0
            if not session.is_open(session_class(instrument), now_ns) or now_ns >= close_ns:
                return "market closed"
        return ""

    def square_off_at_ns(self, now_ns: int) -> int:
        """Today's first square-off instant of any bot; 0 when all are switched off."""
        times = [seat.square_off_at_ns(now_ns) for seat in self.seats.values()]
        return min((at_ns for at_ns in times if at_ns), default=0)

    def entry_block(self, now_ns: int, bot: str = "") -> str:
        """Why this bot may not enter now, or empty (O10). Without a name: why none may."""
        if not bot:
            blocks = [self.entry_block(now_ns, name) for name in self.bots]
            return blocks[0] if all(blocks) else ""
        seat, accounts = self.seats[bot], self.accounts_of(bot)
        fenced = next((account.words(account.fenced) for account in accounts if account.fenced), "")
        down = next((account.words(account.gateway.path_error) for account in accounts if account.path_is_down), "")
        places = seat.bot.places
        facts = DeskFacts(
            recovered=self.recovered,
            is_paused=self.is_paused or seat.is_paused,
            journal_error=self.disk.reason,
            session_reason=self.session_reason(now_ns, bot),
            order_path_error=down,
            square_off_passed=seat.square_off_passed(now_ns),
            stopping=bool(self.stopping),
            day_net_paise=self.day_net_paise,
            unknown_orders=sum(
                1 for o in self.blotter.live_orders() if o.state is OrderState.UNKNOWN and o.account in places
            ),
            mismatch=self.mismatch,
            bot_broken=seat.broken,
            bot_day_net_paise=seat.day_net_paise,
        )
        block = self.engine_error or fenced or desk_block(facts, self.risk, seat.bot.limits)
        return block or self.price_watch.stale_feed(seat.bot.instruments)

    @property
    def day_net_paise(self) -> int:
        """Realised today by all bots, after estimated charges."""
        return sum(seat.day_net_paise for seat in self.seats.values())

    @property
    def charges(self) -> dict[str, int]:
        """Estimated charges per trade row of today, of all bots, in paise."""
        return {row_id: paise for seat in self.seats.values() for row_id, paise in seat.charges.items()}

    # --- one step -------------------------------------------------------------------------------------------------

    def step(self, work: Callable[[int], object]) -> None:
        """Run one piece of core work and flush it. An error of ours stops entries, never the desk (faults §4.9)."""
        now_ns = self.clock.now_ns()
        try:
            work(now_ns)
            refuse_locally(self, now_ns)
        except Exception as error:  # noqa: BLE001 - the top of every event: whatever it was, exits must go on
            self._note_failure("decision", error)
        self.commit.flush()
        self._arm_timer()

    def _arm_timer(self) -> None:
        """Rules are asked for their bands and instants here: their code may hang here as well."""
        self.decisions_begun += 1
        self.deciding = "an exit rule"
        try:
            self.timer.arm()
        finally:
            self.deciding = ""
        if not self.out.is_empty:  # a bot failed while it was asked when to look again
            self.commit.flush()
        for account in self.accounts.values():
            account.reader.follow()

    # --- words ----------------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """How it signs its own sentences: as its bot, while there is only one."""
        return next(iter(self.bots)) if len(self.bots) == 1 else "desk"

    def say(self, msg: Msg, *, source: str = "", symbol: str = "", tag: str = "", **fields: object) -> None:
        """A sentence of the desk itself; committed with the step it belongs to."""
        self.out.say(msg, source=source or self.name, symbol=symbol, tag=tag, **fields)

    def say_order(self, msg: Msg, order: Order, **fields: object) -> None:
        self.say(msg, source=order.bot, symbol=order.symbol, tag=order.tag, role=order.role.value, **fields)

    def on_journal_error(self, error: JournalError) -> None:
        """The disk does not take our facts: see `engine.desk_disk`."""
        self.disk.note(str(error) if isinstance(error, JournalBacklogFull) else "")

    def _note_failure(self, where: str, error: Exception) -> None:
        """Our own bug: record it, alarm, take no more entries; exits and protection go on."""
        text = f"{type(error).__name__}: {error}"
        self.failures.append(f"{where}: {text}")
        if not self.engine_error:
            self.say(Msg.INTERNAL, where=where, error=text)
            self.out.raise_alarm("internal", f"{where}: {text}")
        self.engine_error = f"internal error in {where}"


def _after_the_step(job: Callable[[], None]) -> None:
    asyncio.get_running_loop().call_soon(job)
