"""What the desk reads back from its broker: look-ups of silent orders, the status pass, reconciliation.

One read of the books at a time serves everybody; a request that comes while one runs is remembered and done right after
(LEG-23). A failed read proves nothing and changes nothing (faults §4.7). What a difference means is decided in
`engine.reconcile`, what is done about it in `engine.desk_reconcile`; here is only when and what is read. The first read
of all is `engine.desk_recovery`'s, made of the same parts; until it is done nothing else is read.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING, Final, TypeVar

from engine.blotter import ABSENT, order_terms
from engine.book_check import BookCheck, is_listed, lacking
from engine.deadline import NoAnswer, within
from engine.desk_reconcile import Reconciler
from engine.desk_recovery import Books, Recovery
from engine.instant import NS_PER_S, ns_from_s
from engine.messages import Msg
from engine.metrics import Span
from engine.order import TERMINAL, Order, OrderState, Pending, Role, Trade
from engine.port import OrderReport, PositionReport, ReadFailed, TimerHandle
from engine.position_rows import PositionRows
from engine.view import BracketState

if TYPE_CHECKING:
    from engine.desk import Desk
    from engine.desk_account import DeskAccount

_T = TypeVar("_T")

_SLOW_PASS_NS: Final = 4 * NS_PER_S
"""A status pass above this is worth a line (LEG-22)."""
_SLOW_RECONCILE_NS: Final = 2 * NS_PER_S
"""So is a reconciliation (LEG-36)."""
_POSITION_RETRY_NS: Final = NS_PER_S
_POSITION_AGAIN_NS: Final = NS_PER_S // 5
"""After the first sighting of a difference: an exit that rests for nothing should not rest long (HUM-01)."""
_PATH_AGAIN_NS: Final = 5 * NS_PER_S
_BOOK_FLAT_NS: Final = 30 * NS_PER_S
"""T_BOOK while nothing is open or unresolved (faults §2)."""
_PROOF_SLOW_NS: Final = 5 * NS_PER_S
"""Looks for the proof of flat: at RTP-30's interval, slower after its last try, for ever."""
_PUSH_SETTLES_NS: Final = NS_PER_S // 4
"""After a push that ends an order: its siblings' news comes in the same burst, one read serves all (HRD-44)."""
_READ_LIMIT_S: Final = 15.0
"""One read of one book; a broker that says nothing at all must not end every look there is (ORD-11)."""
_MISSING_AGAIN_NS: Final = NS_PER_S
"""Between two looks at an order book that lacks a live order of ours."""
_RECORDS_AGAIN_NS: Final = NS_PER_S
_RECORDS_SLOW_NS: Final = 30 * NS_PER_S
"""Between two looks for trade records that a fill still lacks; doubled up to the second (LEG-48)."""
_ABSENT_READS: Final = 2
"""Clean reads, begun after the ambiguity window, that prove an order was never placed (faults §4.2)."""
_CLOSED_SLACK: Final = 100
_UPDATES_KEPT: Final = 50
"""Pushed order updates kept for inspection (HRD-44, F-30)."""


class BookReader:
    """One per account. Owns no order; hands what it reads to the desk's step."""

    def __init__(self, desk: Desk, account: DeskAccount) -> None:
        self._desk = desk
        self._account = account
        self._port = account.port
        self._clock = desk.clock
        self.reconciler = Reconciler(desk, account)
        self.rows = PositionRows(desk, account)
        self.book = BookCheck()
        self.recovery = Recovery(desk, account, self)
        self._listed: frozenset[str] = frozenset()
        """Tags and broker ids of the newest order book."""
        self._listed_ns = 0
        self._lacks: int | None = 0
        """Orders of ours that it should show and does not; None = not counted yet."""
        self._missing_again: TimerHandle | None = None
        self._running = False
        self._asked = False
        self._want_status = False
        self._want_positions = False
        self._again: TimerHandle | None = None
        """The next read of positions that something waits for, before the schedule's own."""
        self._again_ns = 0
        self._due: TimerHandle | None = None
        """The schedule's next reconciliation."""
        self._records: TimerHandle | None = None
        """The next look for missing trade records."""
        self._records_after_ns = _RECORDS_AGAIN_NS
        self._was_active = False
        self._path_was_down = False
        self._reads_failed = False
        self._proving: set[str] = set()
        """Brackets whose fills say flat and whose broker has not said so yet."""
        self._absent: dict[str, int] = {}
        self._closed_rows: dict[str, OrderReport] = {}
        """By broker id: rows of the order book that are merged in full and tell nothing while they stay the same."""
        self.updates: deque[tuple[int, OrderReport]] = deque(maxlen=_UPDATES_KEPT)
        """The newest pushed order updates, ours and others', with the instant they came; oldest first (HRD-44)."""
        self.reconciled_ns = 0
        self.passes: dict[str, int] = {}
        """Status passes per symbol, so that a stalled check is visible (LEG-21)."""
        self.reads = 0
        self.position_reads = 0

    @property
    def differences(self) -> int:
        """Rows of the broker's position book that differ from ours and are not explained."""
        return len(self.reconciler.standing)

    # --- asking -------------------------------------------------------------------------------------------------

    def look_up(self, tag: str) -> None:
        """Something about this order must be known."""
        del tag  # one read of the books answers for every order
        self._ask()

    def status_pass(self) -> None:
        """The fallback look at every active leg; dropped into the running read when there is one."""
        self._want_status = True
        self._ask()

    def verify_flat(self) -> None:
        """A bracket closed: compare with the broker's own position (I-5)."""
        self._want_positions = True
        self._ask()

    def prove_flat(self, bracket_id: str) -> None:
        """A bracket's fills say flat: its broker's position is read until it says so too (RTP-30)."""
        self._proving.add(bracket_id)
        self.verify_flat()

    def reconcile(self) -> None:
        """Everything, now."""
        self._want_status = self._want_positions = True
        self._ask()

    def adopt(self, symbol: str) -> None:
        """The trader wants what is open in this symbol, and is not ours, to be the bot's (CON-08)."""
        self.reconciler.consent(symbol)
        self.reconcile()

    def note_update(self, report: OrderReport) -> None:
        """A pushed update, merged already. One that ends an order, or fills one of somebody else's, moved a position:
        the broker's book is read as soon as its burst is over, at no cost to what the push itself decided (HRD-44)."""
        self.updates.append((self._clock.now_ns(), report))
        ours = self._find(report) is not None
        moved = report.state in TERMINAL if ours else report.symbol in self._account.symbols and _is_over(report)
        if moved:
            self._read_positions_by(self._clock.now_ns() + _PUSH_SETTLES_NS)

    def _find(self, report: OrderReport) -> Order | None:
        return self._desk.blotter.find(self._account.account_id, report)

    def close(self) -> None:
        """The desk is over: nothing is read any more."""
        for timer in (self._again, self._due, self._records, self._missing_again):
            if timer is not None:
                timer.cancel()
        self._again = self._due = self._records = self._missing_again = None

    def _ask(self) -> None:
        self._asked = True
        if not self._running and self.recovery.is_done:
            self._running = True
            self._desk.spawn(self._account.words("books"), self._read_until_quiet)

    def _read_positions_by(self, at_ns: int) -> None:
        if self._again is not None:
            if self._again_ns <= at_ns:
                return
            self._again.cancel()
        self._again_ns = at_ns
        self._again = self._clock.call_at(at_ns, self._on_again)

    def _on_again(self) -> None:
        self._again = None
        self.verify_flat()

    # --- the schedule -------------------------------------------------------------------------------------------

    def follow(self) -> None:
        """After every step: seldom while all is flat, often from the moment an entry is decided (LEG-36, LEG-45)."""
        is_down = self._account.path_is_down
        if self._path_was_down and not is_down:
            self.reconcile()
        elif is_down and not self._path_was_down:
            self._try_path_later()
        self._path_was_down = is_down
        active = self._account.any_active
        if active == self._was_active:
            return
        self._was_active = active
        self._schedule()
        if not active and self._account.recovered:
            self._clock.call_at(self._clock.now_ns(), self._tell_all_flat)

    def _try_path_later(self) -> None:
        """While the order path is silent, ask for the books now and then: only an answer proves that it is back."""
        self._clock.call_at(self._clock.now_ns() + _PATH_AGAIN_NS, self._try_path)

    def _try_path(self) -> None:
        if self._account.path_is_down and not self._desk.stopping:
            self._ask()
            self._try_path_later()

    def _tell_all_flat(self) -> None:
        flat_ns = self._desk.parts.times.reconcile_flat_ns
        if not self._account.any_active:
            self._desk.step(lambda _now: self._account.say(Msg.ALL_FLAT, minutes=f"{flat_ns / 60 / NS_PER_S:g}"))

    def _schedule(self) -> None:
        if self._due is not None:
            self._due.cancel()
        times = self._desk.parts.times
        every_ns = times.reconcile_active_ns if self._was_active else times.reconcile_flat_ns
        self._due = self._clock.call_at(self._clock.now_ns() + every_ns, self._on_due)

    def _on_due(self) -> None:
        self._schedule()
        self.reconcile()

    def _look_while_flat(self) -> None:
        """The order book every 30 s although nothing is open: a request thought absent may still turn up (ORD-03)."""
        if self._desk.stopping:
            return
        self._clock.call_at(self._clock.now_ns() + _BOOK_FLAT_NS, self._look_while_flat)
        if not self._was_active:
            self._ask()

    # --- reading ------------------------------------------------------------------------------------------------

    async def _read_until_quiet(self) -> None:
        try:
            while self._asked:
                self._asked = False
                await self._read_once()
        finally:
            self._running = False

    async def _read_once(self) -> None:
        want_status, self._want_status = self._want_status, False
        want_positions, self._want_positions = self._want_positions, False
        began_ns = self._clock.now_ns()
        self.reads += 1
        try:
            orders = await self.read_orders()
            closed = self._closed_rows
            news = [row for row in orders if row.broker_id not in closed or closed[row.broker_id] != row]
            trades = await self._read_records(news, began_ns)
            self._account.gateway.note_books_read(began_ns)
            self._desk.step(lambda now: self._take_books(orders, news, trades, now, began_ns))
            self._note_closed(news, len(orders))
            self.note_book(orders, began_ns)
            positions = await self.read_positions() if want_positions else None
        except ReadFailed as error:
            self._note_failure(str(error))
            if want_positions:  # still to be proven
                self._read_positions_by(self._clock.now_ns() + _POSITION_RETRY_NS)
            return
        self._reads_succeed(want_positions)
        self._settle_absent(began_ns)
        self._seek_records()
        if positions is not None:
            self.compare(positions, began_ns)
        if want_status:
            self._check_legs(began_ns)

    async def _read_records(self, news: Sequence[OrderReport], began_ns: int) -> Sequence[Trade] | None:
        """The trade book when a fill has no record yet; None = not needed. What the orders say is decided on first: a
        fill does not wait for its price. Raises ReadFailed."""
        if not self._lacks_records(news):
            return None
        self._desk.step(lambda now: self._account.merge(news, (), now, read_ns=began_ns))
        return await self._read(self._port.read_trades())

    async def _read(self, asked: Awaitable[_T]) -> _T:
        """One read, under one deadline. Raises ReadFailed."""
        try:
            return await within(self._clock, asked, _READ_LIMIT_S)
        except NoAnswer as error:
            raise ReadFailed(str(error)) from None

    async def read_orders(self) -> Sequence[OrderReport]:
        """The day's order book."""
        return await self._read(self._port.read_orders())

    async def read_books(self) -> Books:
        """Orders, trades and positions, all or nothing. Raises ReadFailed."""
        began_ns = self._clock.now_ns()
        orders = await self.read_orders()
        trades = await self._read(self._port.read_trades())
        positions = self.rows.readable(await self._read(self._port.read_positions()))
        return Books(began_ns, orders, trades, positions)

    async def read_positions(self) -> Sequence[PositionReport]:
        """One read of the position book; when it differs from ours, the trade book may explain it (NET-07)."""
        self.position_reads += 1
        positions = self.rows.readable(await self._read(self._port.read_positions()))
        if not self.reconciler.is_equal(positions):
            trades = await self._read(self._port.read_trades())
            self._desk.step(lambda now: self._take_books((), (), trades, now, 0))
        return positions

    def _take_books(
        self,
        orders: Sequence[OrderReport],
        news: Sequence[OrderReport],
        trades: Sequence[Trade] | None,
        now_ns: int,
        read_ns: int,
    ) -> None:
        self._account.merge(news, trades or (), now_ns, read_ns=read_ns)
        self._note_books(orders, news, trades)
        self._follow_hand(now_ns)

    def _follow_hand(self, now_ns: int) -> None:
        """Orders of ours that the trader changed at the broker; all are taken in before any plan (HUM-04)."""
        desk = self._desk
        changed: list[Order] = []
        for order, was in desk.blotter.take_hand_changes():
            now = order_terms(order)
            desk.say(Msg.HAND_CHANGE, symbol=order.symbol, tag=order.tag, role=order.role.value, was=was, now=now)
            bracket = desk.bracket(order.bracket_id)
            if bracket is not None:
                bracket.follow_hand(order, desk.out)
            changed.append(order)
        desk.note_changed(changed)
        desk.route(changed, now_ns)

    def _note_closed(self, merged: Sequence[OrderReport], listed: int) -> None:
        """A busy day's book is mostly orders that ended long ago; merging them at every read would hold up the loop
        (6 us a row), and with it every tick and exit."""
        if len(self._closed_rows) > 2 * listed + _CLOSED_SLACK:
            self._closed_rows.clear()  # another day's book
        for row in merged:
            if row.broker_id and row.state in TERMINAL and self._is_taken_in(row):
                self._closed_rows[row.broker_id] = row

    def _is_taken_in(self, row: OrderReport) -> bool:
        """Nothing of this row is open with us; one that contradicts what we hold is looked at every time."""
        order = self._find(row)
        if order is None:
            return True
        settled = order.state is row.state and order.pending is Pending.NONE
        return settled and order.filled_qty == order.traded_qty == row.filled_qty

    def _note_books(
        self, orders: Sequence[OrderReport], news: Sequence[OrderReport], trades: Sequence[Trade] | None
    ) -> None:
        self.reconciler.note_orders(news)
        if trades is not None:
            self.reconciler.note_trades(trades)
            self.reconciler.averages.check_reports(orders)

    def _reads_succeed(self, positions_were_read: bool) -> None:
        """The books answer again after they did not: everything is compared before anything else (LEG-45, UPD-06)."""
        if self._reads_failed:
            self._reads_failed = False
            if not positions_were_read:
                self.reconcile()

    def _lacks_records(self, reports: Sequence[OrderReport]) -> bool:
        """Some fill of ours has no trade record yet: the trade book is worth a read."""
        for report in reports:
            order = self._find(report)
            if order is not None and report.filled_qty > order.traded_qty:
                return True
        return False

    def _seek_records(self) -> None:
        """A price that was only assumed is put right by its trade record, however late that comes (LEG-48)."""
        if not self._desk.blotter.lacks_records(self._account.account_id):
            self._records_after_ns = _RECORDS_AGAIN_NS
        elif self._records is None:
            self._records = self._clock.call_at(self._clock.now_ns() + self._records_after_ns, self._on_records)
            self._records_after_ns = min(2 * self._records_after_ns, _RECORDS_SLOW_NS)

    def _on_records(self) -> None:
        self._records = None
        self._ask()

    def _check_legs(self, began_ns: int) -> None:
        took_ns = self._clock.now_ns() - began_ns
        self._desk.metrics.note(Span.STATUS, took_ns)
        if took_ns > _SLOW_PASS_NS:
            self._account.say(Msg.PERF, seconds=f"{took_ns / NS_PER_S:.1f}")

        def check(now_ns: int) -> None:
            symbols = self._desk.check_status(now_ns, self._account.account_id)
            for symbol in symbols:
                self.passes[symbol] = self.passes.get(symbol, 0) + 1
            if symbols:
                self._account.say(Msg.STATUS_PASS, symbols=" ".join(symbols))

        self._desk.step(check)

    def _note_failure(self, reason: str) -> None:
        self._reads_failed = True
        for order in self._account.live_orders():
            if order.state is OrderState.UNKNOWN:
                self._desk.doubts.looked(order, failed=True)

        def tell(_now_ns: int) -> None:
            for bracket in self._account.open_brackets():
                whose, symbol = bracket.body.bot, bracket.body.symbol
                if bracket.live(Role.TARGET):
                    self._desk.say(Msg.STATUS_FAILED_TP, source=whose, symbol=symbol, reason=reason)
                if bracket.live(Role.STOP):
                    self._desk.say(Msg.STATUS_FAILED_SL, source=whose, symbol=symbol, reason=reason)

        self._desk.step(tell)

    def _settle_absent(self, began_ns: int) -> None:
        """An unanswered order that clean reads do not show, after its window, was not placed (ORD-02)."""
        window_ns = ns_from_s(self._port.ambiguity_s)
        for order in self._account.live_orders():
            if order.state is not OrderState.UNKNOWN or order.tag in self._listed:
                self._absent.pop(order.tag, None)
                continue
            if began_ns > order.state_ns:
                self._desk.doubts.looked(order)
            if began_ns < order.state_ns + window_ns:
                continue
            self._absent[order.tag] = self._absent.get(order.tag, 0) + 1
            if self._absent[order.tag] >= _ABSENT_READS:
                del self._absent[order.tag]
                self._desk.prove_absent(order.tag)
            else:
                self._asked = True

    # --- what a book does not show ------------------------------------------------------------------------------

    def note_book(self, orders: Sequence[OrderReport], began_ns: int) -> int:
        """Look for what this book should show of ours. Live orders that it lacks are over when that is proven, never at
        first sight; returns how many of an earlier day have expired."""
        live = self._account.live_orders()
        self._listed = _names(orders)
        self._listed_ns, self._lacks = began_ns, None
        now_ns = self._clock.now_ns()
        missing = self.book.look(live, self._listed, began_ns=began_ns, ended_ns=now_ns, day_ns=self._desk.day_ns)
        if missing.expired or missing.gone or self.book.is_waiting or self._book_alarm in self._desk.alarms:
            self._desk.step(lambda now: self._end_missing(missing.expired, missing.gone, now))
        if self.book.is_waiting and self._missing_again is None and self.recovery.is_done:
            self._missing_again = self._clock.call_at(now_ns + _MISSING_AGAIN_NS, self._on_missing)
        return len(missing.expired)

    def book_lacks(self) -> int:
        """How many orders that ended at this broker today its newest book does not show: above 0 it proves nothing by
        what it leaves out."""
        if self._lacks is None:
            orders = self._account.orders()
            self._lacks = lacking(orders, self._listed, began_ns=self._listed_ns, day_ns=self._desk.day_ns)
        return self._lacks

    @property
    def _book_alarm(self) -> str:
        return self._account.alarm_id("books")

    def _on_missing(self) -> None:
        self._missing_again = None
        self._ask()

    def _end_missing(self, expired: Sequence[Order], gone: Sequence[Order], now_ns: int) -> None:
        desk, lacks = self._desk, self.book_lacks()
        if lacks and self._book_alarm not in desk.alarms:
            effect = "nothing is concluded from what it does not show"
            text = f"the broker's order book lacks {lacks} order(s) of ours: {effect}"
            self._account.say(Msg.BOOK_LACKS, count=lacks, effect=effect)
            desk.out.raise_alarm(self._book_alarm, self._account.words(text))
        elif not lacks and self._book_alarm in desk.alarms:
            desk.out.end_alarm(self._book_alarm)
        for order in expired:
            order.move(OrderState.EXPIRED, now_ns)
        believed = gone if not lacks else ()
        for order in believed:
            self.book.settled(order)
            order.reject_code, order.reject_text = ABSENT, "no longer in the broker's order book"
            order.move(OrderState.REJECTED, now_ns)
            desk.say_order(Msg.RESOLVED_ORDER, order, outcome="gone from the order book")
        ended = [*expired, *believed]
        desk.note_changed(ended)
        desk.route(ended, now_ns)
        self.recovery.review(now_ns)

    def has_unlisted(self, orders: Sequence[OrderReport], began_ns: int) -> bool:
        """The journal knows live orders, older than this read, that it does not show (NET-07)."""
        return bool(self._unlisted(orders, began_ns))

    def _unlisted(self, orders: Sequence[OrderReport], began_ns: int) -> list[Order]:
        listed = _names(orders)
        live = self._account.live_orders()
        return [order for order in live if order.intended_ns < began_ns and not is_listed(order, listed)]

    def settle_never_placed(self, orders: Sequence[OrderReport], began_ns: int, now_ns: int) -> None:
        """At a broker where nothing can arrive late, what two reads do not show was never placed (STO-02)."""
        if self._port.ambiguity_s > 0:
            return
        desk = self._desk
        never = [order for order in self._unlisted(orders, began_ns) if order.state is OrderState.UNKNOWN]
        for order in never:
            desk.blotter.prove_absent(order.tag, now_ns)
            desk.say_order(Msg.RESOLVED_ORDER, order, outcome="not placed")
        desk.note_changed(never)
        desk.route(never, now_ns, recovered=True)

    # --- recovery -----------------------------------------------------------------------------------------------

    async def recover(self) -> None:
        """The first read of all, and what follows from it (`engine.desk_recovery`)."""
        await self.recovery.run()

    def begin(
        self, orders: Sequence[OrderReport], trades: Sequence[Trade], positions: Sequence[PositionReport], now_ns: int
    ) -> str:
        """Who held what before the first read; returns what is ours and in no journal, in words."""
        self.reconciler.trades.learn_products(orders)
        self.reconciler.note_trades(trades)
        lost = self.reconciler.begin(orders, positions, now_ns)
        self._note_books(orders, orders, trades)
        return lost

    def begin_schedule(self) -> None:
        """The first read is taken in: from here on the schedule's."""
        self._was_active = self._account.any_active
        self._schedule()
        self._clock.call_at(self._clock.now_ns() + _BOOK_FLAT_NS, self._look_while_flat)
        if self._asked or self.book.is_waiting:
            self._ask()

    # --- positions ----------------------------------------------------------------------------------------------

    def compare(self, positions: Sequence[PositionReport], began_ns: int) -> bool:
        """Hold a read against ours; look again soon until nothing differs and every flat is proven."""
        first = not self.reconciler.standing
        quiet = [False]

        def compare(now_ns: int) -> None:
            quiet[0] = self.reconciler.compare(positions, began_ns, now_ns)
            self._answer_proofs(positions, began_ns, now_ns)
            self.recovery.review(now_ns)

        self._desk.step(compare)
        now_ns = self._clock.now_ns()
        self._desk.metrics.note(Span.RECONCILE, now_ns - began_ns)
        if now_ns - began_ns > _SLOW_RECONCILE_NS:
            seconds = f"{(now_ns - began_ns) / NS_PER_S:.1f}"
            self._desk.step(lambda _now: self._account.say(Msg.PERF_RECONCILE, seconds=seconds))
        if quiet[0] and not self.reconciler.lost.is_waiting:
            self.reconciled_ns = now_ns
        else:
            self._read_positions_by(now_ns + (_POSITION_AGAIN_NS if first else _POSITION_RETRY_NS))
        return quiet[0]

    def _answer_proofs(self, positions: Sequence[PositionReport], began_ns: int, now_ns: int) -> None:
        """Tell each bracket that waits for it what the broker still shows of its position (RTP-30, I-5)."""
        desk = self._desk
        for bracket_id in sorted(self._proving):
            bracket = desk.bracket(bracket_id)
            if bracket is None or bracket.body.state is BracketState.FLAT or bracket.open_qty:
                self._proving.discard(bracket_id)  # over, or open again: then it asks again
                continue
            held_qty = self.reconciler.held_of(bracket, positions)
            desk.decide(
                bracket.body.bot,
                lambda _bot, bracket=bracket, held_qty=held_qty: bracket.on_position(
                    held_qty, began_ns, now_ns, desk.out
                ),
            )
            if held_qty == 0 and bracket.proven_flat:
                self._proving.discard(bracket_id)
                continue
            slow = bracket.body.proof_looks >= bracket.body.terms.proof_tries
            again_ns = desk.parts.times.proof_again_ns
            self._read_positions_by(now_ns + (max(_PROOF_SLOW_NS, again_ns) if slow else again_ns))

    async def held_by_broker(self) -> str:
        """What the broker says is open in the legs' symbols, in words; empty when flat. A failed read is not flat."""
        try:
            reports = await self._read(self._port.read_positions())
        except ReadFailed as error:
            return f"positions could not be read: {error}"
        symbols = {symbol.upper() for symbol in self._account.symbols}
        open_rows = [report for report in reports if report.symbol.upper() in symbols and report.net_qty]
        return ", ".join(f"{report.symbol} {report.net_qty:+d} {report.product}" for report in open_rows)


def _names(orders: Sequence[OrderReport]) -> frozenset[str]:
    """Tags and broker ids of a book."""
    return frozenset({report.tag for report in orders} | {report.broker_id for report in orders})


def _is_over(report: OrderReport) -> bool:
    """An update that ends its order, or fills part of it: the kind that moves positions (HRD-44)."""
    return report.state in TERMINAL or report.filled_qty > 0
