"""Recovery at the start: the broker's books over the restored journal, then protection, then entries (design §6).

Nothing is sent before the first complete read of orders, trades and positions (R4); what the desk wants meanwhile, an
exit too, is kept and done right after. That wait is bounded (R7): when the books stay unreadable, what the journal
knows is protected by it, entries stay off, an alarm says so, and the books are asked for on and on. A position that the
broker's book contradicts is left alone for a few seconds more, until reads that agree say which of the two is true: an
exit order for units that are gone would open a new position. Run twice it changes nothing (R1). What runs after a
reconnect and on the timer is the same reading, matching and comparing, by `engine.desk_reads`.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from engine.blotter import ABSENT
from engine.bracket import Bracket
from engine.instant import NS_PER_MS, NS_PER_S
from engine.messages import Msg
from engine.order import Order, OrderState, Role, Trade
from engine.outbox import Said
from engine.port import OrderReport, PositionReport, ReadFailed
from engine.reconcile import key_of
from engine.recovery_summary import (
    SHOWN_NS,
    BookedTrip,
    HeldPosition,
    RecoverySummary,
    headline,
    lines,
    protection_words,
)
from engine.view import BracketState, ExitStyle

if TYPE_CHECKING:
    from engine.desk import Desk
    from engine.desk_account import DeskAccount
    from engine.desk_reads import BookReader

_PATIENCE_NS: Final = 30 * NS_PER_S
"""So long nothing at all is sent while the books cannot be read; then exits go by the journal alone (R7)."""
_RETRY_NS: Final = NS_PER_S
_RETRY_MAX_NS: Final = 30 * NS_PER_S
_SECOND_LOOK_NS: Final = 100 * NS_PER_MS
_HOLD_NS: Final = 4 * NS_PER_S
"""A contradicted position waits so long at most: four reads a second apart prove a difference."""
_TELL_NS: Final = 3 * NS_PER_S
"""The summary waits so long for positions that ended while down to be proven flat and booked."""

LOST_JOURNAL: Final = "lost-journal"
"""Alarm: the broker shows orders of ours that this journal does not know (STO-18). It ends when entries are resumed."""
RESTART_LOOP: Final = "restart-loop"
"""Alarm: the newest starts all ended in a crash within a minute (PRC-14). It ends when entries are resumed."""
_UNTIL_RESUMED: Final = (LOST_JOURNAL, RESTART_LOOP)
BLIND_START: Final = "recovery"
"""Alarm: the books could not be read since the start."""


class Books(NamedTuple):
    """One complete read."""

    began_ns: int
    orders: Sequence[OrderReport]
    trades: Sequence[Trade]
    positions: Sequence[PositionReport]


class _Before(NamedTuple):
    """What the journal knew of one order."""

    is_unknown: bool
    trades: int
    traded_qty: int


class Recovery:
    """One per account; owns the order of things at the start and what is told of it."""

    def __init__(self, desk: Desk, account: DeskAccount, reader: BookReader) -> None:
        self._desk = desk
        self._account = account
        self._reader = reader
        self._clock = desk.clock
        self.is_done = False
        """The books were taken in once; from here on every read may decide."""
        self.is_known = False
        """What is held here is known, by journal and books or, after so long, by the journal alone."""
        self._is_holding = False
        """All wait for the read that is under way."""
        self.summary: RecoverySummary | None = None
        """Of the newest recovery, when it was told."""
        self._told_ns = 0
        self._is_seen = False
        self._began_ns = 0
        self._tries = 0
        self._before: dict[str, _Before] = {}
        self._held: dict[str, int] = {}
        """Brackets that send nothing yet, and until when at most; 0 = until the books are known."""
        self._was_open: set[str] = set()
        self._ended: set[str] = set()
        """Brackets whose last units were closed while the program was not running."""
        self._expired = 0

    # --- the course of it -----------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Returns when entries may go, or when protection goes by the journal while the books are still asked for."""
        self._began_ns = self._clock.now_ns()
        self._remember()
        self.hold_all()
        books = await self._books_within(_PATIENCE_NS)
        if books is None:
            self._desk.step(self._go_blind)
            self._desk.spawn(self._account.words("recovery"), self._go_on, restarts=True)
            return
        await self._recover(books)

    async def _go_on(self) -> None:
        """The books stayed unreadable: ask for them until they come, however long that takes (NET-14)."""
        while not self.is_done:
            books = await self._books_within(0)
            if books is not None:
                self.hold_all()
                await self._recover(books)
                self._desk.step(lambda _now: self._desk.out.end_alarm(self._account.alarm_id(BLIND_START)))

    async def _books_within(self, patience_ns: int) -> Books | None:
        """A complete read, tried again and again for so long; 0 = one try, after the longest pause."""
        until_ns = self._clock.now_ns() + patience_ns
        wait_ns = _RETRY_NS if patience_ns else _RETRY_MAX_NS
        while True:
            if not patience_ns:
                await self._clock.sleep_until(self._clock.now_ns() + wait_ns)
            self._tries += 1
            try:
                return await self._reader.read_books()
            except ReadFailed as error:
                reason = str(error)
            left_ns = until_ns - self._clock.now_ns()
            again = f"; again in {min(wait_ns, max(left_ns, 0)) // NS_PER_S} s" if left_ns > 0 else ""
            text = f"recovery waits: {reason}{again}"
            self._desk.step(lambda _now, text=text: self._account.say(Msg.DESK_WARN, text=text))
            if left_ns <= 0:
                return None
            await self._clock.sleep_until(self._clock.now_ns() + min(wait_ns, left_ns))
            wait_ns = min(wait_ns * 2, _RETRY_MAX_NS)

    async def _recover(self, books: Books) -> None:
        """Merge, settle, compare, protect, in this order; each is a step of its own and may be the last before a
        crash."""
        desk, reader = self._desk, self._reader
        desk.step(lambda now: self._merge(books, now))
        reader.note_book(books.orders, books.began_ns)
        await self._look_twice(books)
        desk.step(lambda now: self._begin(books, now))
        if not reader.compare(books.positions, books.began_ns):
            await self._clock.sleep_until(self._clock.now_ns() + _SECOND_LOOK_NS)
            with suppress(ReadFailed):  # asked for again by the comparison above
                again_ns = self._clock.now_ns()
                reader.compare(await reader.read_positions(), again_ns)
        self.is_done = True
        desk.step(self._protect)
        self._account.recovered = True
        reader.begin_schedule()
        if self._ended or self._held:
            self._clock.call_at(self._clock.now_ns() + _TELL_NS, lambda: desk.step(lambda _now: self._tell(books)))
        else:
            desk.step(lambda _now: self._tell(books))

    def _merge(self, books: Books, now_ns: int) -> None:
        """Everything that happened while down, before anything is decided on it."""
        self._account.merge(books.orders, books.trades, now_ns, read_ns=books.began_ns, recovered=True)
        self._note_ended()

    async def _look_twice(self, books: Books) -> None:
        """What the journal knows and the book does not show is read twice: no absence is believed at first sight."""
        desk, reader = self._desk, self._reader
        if not reader.has_unlisted(books.orders, books.began_ns):
            return
        await self._clock.sleep_until(self._clock.now_ns() + _SECOND_LOOK_NS)
        with suppress(ReadFailed):
            began_ns = self._clock.now_ns()
            orders = await reader.read_orders()
            desk.step(lambda now: self._merge(Books(began_ns, orders, (), ()), now))
            self._expired += reader.note_book(orders, began_ns)
            desk.step(lambda now: reader.settle_never_placed([*books.orders, *orders], books.began_ns, now))

    def _note_ended(self) -> None:
        """Their reason says that nobody watched (OPS-18); kept with the position, whatever happens to us next."""
        for bracket in self._account.open_brackets():
            body = bracket.body
            if body.bracket_id in self._was_open and bracket.open_qty <= 0:
                body.ended_away = True
                self._ended.add(body.bracket_id)
                self._desk.out.touched_brackets.add(body.bracket_id)

    def _begin(self, books: Books, now_ns: int) -> None:
        desk, account, reader = self._desk, self._account, self._reader
        lost = reader.begin(books.orders, books.trades, books.positions, now_ns)
        reader.reconciler.trades.remember_start(books.began_ns)
        if lost:
            text = f"the broker shows {lost} that this journal does not know: was it deleted, or is it an old copy?"
            text = f"{text} They are taken over; entries stay off until you resume them"
            desk.out.raise_alarm(account.alarm_id(LOST_JOURNAL), account.words(text))
        if account.is_main and desk.parts.restored.fast_crashes >= desk.parts.times.restart_loop_starts > 0:
            crashes = desk.parts.restored.fast_crashes
            text = f"the last {crashes} starts crashed within a minute: protecting only, until you resume entries"
            desk.out.raise_alarm(RESTART_LOOP, text)
        if any(alarm_id in desk.alarms or alarm_id in desk.out.alarms for alarm_id in self._until_resumed()):
            desk.is_paused = True  # also after one more restart: the alarm is a row of the journal

    def _go_blind(self, now_ns: int) -> None:
        """Bounded patience: from here on exits go by what the journal knows, and nothing is entered (R7)."""
        desk = self._desk
        text = (
            f"the broker's books cannot be read since the start ({self._tries} tries): positions are protected by the "
            "journal alone, entries stay off; compare with the broker's own screen"
        )
        desk.out.raise_alarm(self._account.alarm_id(BLIND_START), self._account.words(text))
        self._know_books()
        self._held = dict.fromkeys(self._held, 1)
        self._review(now_ns, is_contested=False)
        self._tell_others(now_ns)

    def _until_resumed(self) -> list[str]:
        return [self._account.alarm_id(alarm_id) for alarm_id in _UNTIL_RESUMED]

    # --- who may send -----------------------------------------------------------------------------------------------

    def hold_all(self) -> None:
        """No position sends anything until the books are known."""
        self._is_holding = True
        for bracket in self._account.open_brackets():
            bracket.is_held_back = True
            self._held[bracket.body.bracket_id] = 0

    def _know_books(self) -> None:
        """A bot goes on when all accounts that it trades in are known: what it holds in one may hedge the other."""
        self.is_known, self._is_holding = True, False
        for bot in self._account.bots:
            accounts = self._desk.accounts_of(bot.name)
            bot.books_known = all(account.reader.recovery.is_known for account in accounts)

    def _tell_others(self, now_ns: int) -> None:
        """Positions in other accounts may have waited for this one."""
        for account in self._desk.accounts.values():
            recovery = account.reader.recovery
            if recovery is not self and recovery.is_known and not recovery._is_holding:
                recovery._review(now_ns, is_contested=recovery.is_done)

    def _protect(self, now_ns: int) -> None:
        """Protection is re-armed, wherever broker and journal agree."""
        self._know_books()
        self._desk.route(self._late_news(), now_ns)
        self._held = dict.fromkeys(self._held, now_ns + _HOLD_NS)
        self._review(now_ns, is_contested=True)
        if self._held:
            self._clock.call_at(now_ns + _HOLD_NS, lambda: self._desk.step(self.review))
        self._tell_others(now_ns)

    def _late_news(self) -> list[Order]:
        """Orders of positions that were over, where something came in while nobody was there (UPD-12, ORD-03)."""
        known = [bot for bot in self._account.bots if bot.books_known]
        over = (bracket for bot in known for bracket in bot.brackets.values())
        return [order for bracket in over if bracket.has_late_news for order in bracket.mine]

    def review(self, now_ns: int) -> None:
        """After every comparison: a position that is contradicted no more, or has waited long enough, goes on."""
        if self.is_done and self._held:
            self._review(now_ns, is_contested=True)

    def _review(self, now_ns: int, *, is_contested: bool) -> None:
        desk = self._desk
        for bracket_id, until_ns in list(self._held.items()):
            bracket = desk.bracket(bracket_id)
            if bracket is not None and not desk.bots[bracket.body.bot].books_known:
                continue  # another account of its bot is not known yet
            if bracket is not None and is_contested and now_ns < until_ns and self._is_contested(bracket):
                continue
            del self._held[bracket_id]
            if bracket is not None:
                bracket.is_held_back = False
                self._reader.reconciler.replan(bracket, now_ns)

    def _is_contested(self, bracket: Bracket) -> bool:
        missing = self._reader.book.missing
        if any(order.tag in missing for order in bracket.mine):
            return True
        return key_of(bracket.body.symbol, bracket.body.product) in self._reader.reconciler.contested

    # --- what is told -----------------------------------------------------------------------------------------------

    def _remember(self) -> None:
        self._before = {
            tag: _Before(order.state is OrderState.UNKNOWN, len(order.trade_ids), order.traded_qty)
            for tag, order in self._orders().items()
        }
        self._was_open = {b.body.bracket_id for b in self._account.open_brackets() if b.open_qty > 0}
        self._expired, self._ended = 0, set()

    def _orders(self) -> dict[str, Order]:
        return {order.tag: order for order in self._account.orders()}

    def _tell(self, books: Books) -> None:
        """Into the log line by line, into the journal as one event with all facts, and onto the screen."""
        desk = self._desk
        self.summary = summary = self._summarise(books)
        self._told_ns = self._clock.now_ns()
        self._is_seen = not summary.is_news
        for text in lines(summary):
            self._account.say(Msg.RECOVERED, text=self._account.words(text))
        fields: dict[str, object] = {"headline": self._account.words(headline(summary))}
        body = msgspec.json.encode(summary)
        desk.out.said.append(
            Said(msg=Msg.RECOVERY_SUMMARY, source=desk.name, symbol="", tag="", fields=fields, body=body)
        )

    def _summarise(self, books: Books) -> RecoverySummary:
        desk = self._desk
        orders = self._orders()
        doubted = [orders[tag] for tag, before in self._before.items() if before.is_unknown and tag in orders]
        never = sum(1 for order in doubted if order.reject_code == ABSENT)
        unknown = tuple(order.tag for order in self._account.live_orders() if order.state is OrderState.UNKNOWN)
        none = _Before(False, 0, 0)
        gains = [(order, self._before.get(tag, none)) for tag, order in orders.items()]
        ours = orders.keys() | desk.blotter.forgotten
        return RecoverySummary(
            began_ns=self._began_ns,
            took_ns=self._clock.now_ns() - self._began_ns,
            tries=self._tries,
            held=tuple(_held(bracket) for bracket in self._account.open_brackets() if bracket.open_qty > 0),
            listed=len(books.orders),
            matched=sum(1 for report in books.orders if report.tag in ours),
            found=sum(1 for order in doubted if order.state is not OrderState.UNKNOWN) - never,
            never_placed=never,
            unknown=unknown,
            fills=sum(len(order.trade_ids) - before.trades for order, before in gains),
            fill_qty=sum(order.traded_qty - before.traded_qty for order, before in gains),
            trips=tuple(
                BookedTrip(symbol=trip.symbol, reason=trip.reason, net_paise=trip.net_paise)
                for trip in desk.trips.values()
                if trip.bracket_id in self._ended
            ),
            expired=self._expired,
            differences=tuple(self._reader.reconciler.standing.values()),
            done=tuple(self._reader.reconciler.acted),
            decide=tuple(self._to_decide(unknown)),
        )

    def _to_decide(self, unknown: Sequence[str]) -> list[str]:
        desk = self._desk
        texts = [desk.alarms[alarm_id].text for alarm_id in self._until_resumed() if alarm_id in desk.alarms]
        texts += [
            f"{text}: adopt what is unexpected, or put it right at the broker"
            for text in self._reader.reconciler.standing.values()
        ]
        texts += [f"journal: {text}" for text in (desk.parts.restored.differences if self._account.is_main else ())]
        if unknown:
            texts.append(f"{len(unknown)} order(s) without an answer: looked for until the broker's window has passed")
        for bracket in self._account.open_brackets():
            if bracket.body.bracket_id in self._ended:
                texts.append(f"{bracket.body.symbol}: closed by its fills, not yet proven flat by the broker")
        return texts

    def headline(self, now_ns: int) -> str:
        """For the screen, until somebody acknowledges it or it is old; empty then."""
        if self.summary is None or self._is_seen or now_ns >= self._told_ns + SHOWN_NS:
            return ""
        return self._account.words(headline(self.summary))

    def resume(self) -> None:
        """The trader wants entries again: what kept them off at the start is answered by that."""
        for alarm_id in self._until_resumed():
            if alarm_id in self._desk.alarms:
                self._desk.out.end_alarm(alarm_id)

    def acknowledge(self) -> None:
        """The trader has seen it."""
        self._is_seen = True


def _held(bracket: Bracket) -> HeldPosition:
    body = bracket.body
    watched = body.style is not ExitStyle.RESTING and body.style is not ExitStyle.HYBRID
    words = protection_words(
        bracket.open_qty,
        bracket.covered_qty,
        has_target=any(order.is_at_broker for order in bracket.live(Role.TARGET)),
        is_watched=watched,
    )
    if body.terms.covered_elsewhere:
        target = "target at the broker" if bracket.live(Role.TARGET) else "no target"
        is_hedged = bracket.covered_qty >= bracket.open_qty
        words = "part of a pair" if body.is_hedge else f"{'hedged' if is_hedged else 'hedge not known yet'}, {target}"
    if body.state is BracketState.EXITING:
        words = "leaving"
    return HeldPosition(
        symbol=body.symbol,
        bot=body.bot,
        net_qty=bracket.net_qty,
        covered_qty=bracket.covered_qty,
        protection=words,
    )
