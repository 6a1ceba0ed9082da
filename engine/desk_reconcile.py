"""Holds each position book that was read against the desk's brackets, and acts on what has been seen often enough.

`engine.reconcile` says what differs; this module keeps what it needs between two reads (what the trader's own hands
held at the start, which trades have been told to the brackets) and turns a proven difference into calls of brackets and
bots. `engine.desk_reads` brings the books. Orders that are not ours are listed, never touched (UPD-07, I-8).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from engine.average_check import AverageCheck, assumed_entries
from engine.bot import Adopter, Bot
from engine.bracket import Bracket
from engine.instant import NS_PER_S, ist_time_ns
from engine.lost_orders import LostOrders
from engine.messages import Msg
from engine.order import Order, Trade
from engine.port import OrderReport, PositionReport
from engine.reconcile import (
    Difference,
    Event,
    EventKind,
    Key,
    OnUnexpected,
    OwnRow,
    Sightings,
    Tape,
    Verdict,
    converted,
    judge,
    key_of,
    overlap_qty,
    replay,
    rows_by_key,
)
from engine.tags import is_tag, run_prefix
from engine.trade_rows import TradeRows
from engine.view import BracketState

if TYPE_CHECKING:
    from engine.desk import Desk
    from engine.desk_account import DeskAccount

REASON_WATCHDOG: Final = "Risk Watchdog"
REASON_UNEXPECTED: Final = "Unexpected Position"
_TOLD_AT: Final = 2
"""A difference is said, and stops entries, from its second sighting on."""
_FOREIGN_KEPT: Final = 200
_ACTED_KEPT: Final = 20
_EMPTY_NS: Final = 30 * NS_PER_S
"""A position book without any row is an error more often than a flat account: brokers list the day's flat positions
too. It has to stand so long before units of ours are believed gone on its word (NET-07, faults §4.7)."""

_OUT_OF_OURS: Final = frozenset({Difference.CLOSED, Difference.REDUCED, Difference.REVERSED, Difference.OVERSOLD})
_CONTESTED: Final = _OUT_OF_OURS | {Difference.CONVERTED}
_ENDS_WHEN_EQUAL: Final = ("reversed", "oversold", "converted")
"""Alarms of a symbol that its first equal row ends."""
_FOUND: Final = frozenset({Difference.UNEXPECTED, Difference.OURS_UNKNOWN, Difference.STILL_OPEN})


class Reconciler:
    """Every method runs inside a step of the desk."""

    def __init__(self, desk: Desk, account: DeskAccount) -> None:
        self._desk = desk
        self._account = account
        self.averages = AverageCheck(desk, account)
        self.lost = LostOrders(desk, account)
        self.trades = TradeRows(desk, account)
        self._prefix = run_prefix(desk.parts.run_no)
        """Of this run's tags: ours, even when the order is forgotten already."""
        self._start: dict[Key, tuple[int, int]] = {}
        """Units of ours and of the trader's before the first trade of the day's book."""
        self._missing: dict[Key, int] = {}
        """Signed units that the first position book lacked and that no trade of the book's accounted for."""
        self._corrections: dict[Key, list[Event]] = {}
        self._told_taken: dict[Key, int] = {}
        self._base: dict[Key, int] = {}
        """What the trader was seen to hold at the start, and no more than he still has."""
        self._nets: dict[Key, int] = {}
        """The newest position book without a difference, all rows."""
        self._tapes: dict[Key, tuple[tuple[int, ...], Tape]] = {}
        """The newest tape of a row, with the state it was made from."""
        self._has_foreign: set[Key] = set()
        """Rows in which somebody else traded today."""
        self._own_tags: set[str] = set()
        self._lost_trades: set[tuple[str, str]] = set()
        """Trades (tag, id) with tags of ours in the first book that the journal does not know (STO-18)."""
        self._sightings = Sightings()
        self._consented: set[str] = set()
        self._second_desk: dict[str, str] = {}
        """By symbol, in words; entries stay blocked to the end of the day (PRC-13)."""
        self.contested: set[Key] = set()
        """Rows in which the newest book shows less of ours than we hold, not proven yet: nothing is armed there."""
        self.acted: deque[str] = deque(maxlen=_ACTED_KEPT)
        """Differences that were acted on, in words, newest last."""
        self._empty_since_ns = 0
        """Since when the position book has had no row at all; 0 = it has some."""
        self.standing: dict[Key, str] = {}
        """Differences that stand, in words."""
        self._unowned: dict[Key, int] = {}
        """Signed units that stand in a row and are not ours, while nothing of ours does (CON-08)."""
        self.foreign_orders: dict[str, OrderReport] = {}
        """Working or finished today, by broker id; newest state."""

    # --- the books come in --------------------------------------------------------------------------------------

    def note_orders(self, reports: Sequence[OrderReport]) -> None:
        """Remember what each order's product is, and which are not ours (R3)."""
        self.trades.learn_products(reports)
        for report in reports:
            if self._is_own_report(report):
                continue
            known = self.foreign_orders.get(report.broker_id)
            self.foreign_orders[report.broker_id] = report
            if known is None or (known.state, known.filled_qty) != (report.state, report.filled_qty):
                self._tell_foreign(report)
        while len(self.foreign_orders) > _FOREIGN_KEPT:
            del self.foreign_orders[next(iter(self.foreign_orders))]

    def note_trades(self, trades: Sequence[Trade]) -> None:
        """The day's trade book, whole."""
        self.trades.note(trades, [trade for trade in trades if not self._is_own(trade)])
        self._has_foreign = {self.trades.key_of(trade) for trade in self.trades.others}
        for trade in self.trades.take_late():  # counted as held before: it is on the tape now
            if not self._is_own(trade):
                own_before, before = self._start.get(key := self.trades.key_of(trade), (0, 0))
                qty, missing = trade.side.sign * trade.qty, self._missing.get(key, 0)
                found = overlap_qty(qty, missing)  # this is where the missing units went
                self._missing[key] = missing - found
                self._start[key] = (own_before, before - (qty - found))

    def hear_trade(self, trade: Trade) -> None:
        """A pushed record of another's, where nothing of ours is open: beside us the books tell both in their order."""
        key, held = self.trades.key_of(trade), (bracket.body for bracket in self._account.open_brackets())
        if not self._is_own(trade) and all(key_of(body.symbol, body.product) != key for body in held):
            self.trades.hear(trade)
            self._has_foreign.add(key)

    def _is_own_report(self, report: OrderReport) -> bool:
        blotter, tag = self._desk.blotter, report.tag
        known = tag in self._own_tags or tag in blotter.forgotten
        return known or blotter.find(self._account.account_id, report) is not None

    def _tell_foreign(self, report: OrderReport) -> None:
        if report.symbol.upper() not in self._symbols():
            return
        filled = f" filled {report.filled_qty}" if report.filled_qty else ""
        text = f"{report.side.value} {report.qty} {report.product} {report.state.value}{filled}"
        self._account.say(Msg.FOREIGN_ORDER, symbol=report.symbol, text=text)
        is_told = report.symbol in self._second_desk or report.tag in self._own_tags
        if is_tag(report.tag) and self._start and not is_told:
            text = f"{report.symbol}: an order with a tag like ours that is not ours: a second desk on this account?"
            self.freeze(report.symbol, text)

    def freeze(self, symbol: str, text: str) -> None:
        """No entries until the day is over: somebody else, or nobody, looks after an order here (PRC-13)."""
        self._second_desk[symbol] = text
        self._desk.out.raise_alarm(self._account.alarm_id(f"second-desk:{symbol}"), self._account.words(text))

    # --- start-up -----------------------------------------------------------------------------------------------

    def begin(self, orders: Sequence[OrderReport], positions: Sequence[PositionReport], now_ns: int) -> str:
        """Say who held what before today's trades. Orders, trades and the journal have been merged (R3). Returns in
        words what is ours by its tag and not in the journal; empty when nothing is."""
        rows = rows_by_key(positions)
        lost = [trade for trade in self.trades.all if is_tag(trade.tag) and not self._is_own(trade)]
        self._lost_trades = {(trade.tag, trade.trade_id) for trade in lost}
        self._own_tags = {order.tag for order in self._account.orders()} | {trade.tag for trade in lost}
        live = self.lost.begin(orders, now_ns)
        self._corrections.clear()
        self._told_taken.clear()
        filled = self.trades.filled_orders()
        # A position that a fill reopened while nobody was there is closed until its bot plans: its units are ours.
        late = [b for b in self._account.brackets() if b.body.state is BracketState.FLAT and b.open_qty]
        for key, own in self.own_rows(late).items():
            row = rows.get(key)
            self._begin_row(key, own, row.net_qty if row else 0, filled.get(key, ()))
        self._nets = {key: row.net_qty for key, row in rows.items()}
        words = [f"{live} live order(s)"] if live else []
        words += [f"{len(lost)} trade(s) of ours"] if lost else []
        return " and ".join(words)

    def _begin_row(self, key: Key, own: OwnRow, net_qty: int, filled: Sequence[Order]) -> None:
        events = self._events(key, filled)
        own_traded = sum(event.qty for event in events if event.kind is EventKind.OWN)
        traded = sum(event.qty for event in events)
        for own_before in (0, own.net_qty + own.away_qty - own_traded):
            before = net_qty - traded - own_before - own.lost_qty
            tape = replay(own_before, before, events)
            news = tape.own_qty - own.net_qty  # what was taken while nobody watched
            if news * own.net_qty <= 0 and abs(news) <= (tape.taken_long_qty if news < 0 else tape.taken_short_qty):
                break
        side = own.net_qty
        self._missing[key] = before if before * side < 0 <= net_qty * side else 0
        before -= self._missing[key]  # nobody is known to be short here: ours are missing, and two reads shall prove it
        self._start[key] = (own_before, before)
        self._told_taken[key] = tape.taken_qty + news
        self._base[key] = replay(own_before, before, events).foreign_qty

    def roll_day(self) -> None:
        """The broker's trade book starts empty: what is held now is what was held before it."""
        for key, own in self.own_rows().items():
            self._start[key] = (own.net_qty, self.tape(key).foreign_qty)
        for of_the_day in (self._corrections, self._told_taken, self._has_foreign, self._missing):
            of_the_day.clear()
        for symbol in self._second_desk:
            self._desk.out.end_alarm(self._account.alarm_id(f"second-desk:{symbol}"))
        self._second_desk.clear()
        self.foreign_orders.clear()
        self.trades.clear()

    # --- what is ours -------------------------------------------------------------------------------------------

    def _open_in(self, key: Key) -> list[Bracket]:
        """Oldest first."""
        return [b for b in self._account.open_brackets() if key_of(b.body.symbol, b.body.product) == key]

    def _symbols(self) -> set[str]:
        return {symbol.upper() for symbol in self._account.symbols}

    def own_rows(self, late: Sequence[Bracket] = ()) -> dict[Key, OwnRow]:
        """By row: every symbol and product that a bot may hold, or does, or will when `late` are open again."""
        names = {key_of(*name): name for name in self._account.holdings}
        held: dict[Key, list[Bracket]] = {}
        for bracket in (*self._account.open_brackets(), *late):
            key = key_of(bracket.body.symbol, bracket.body.product)
            names.setdefault(key, (bracket.body.symbol, bracket.body.product))
            held.setdefault(key, []).append(bracket)
        return {key: self._own_row(key, name, held.get(key, [])) for key, name in names.items()}

    def _own_row(self, key: Key, name: tuple[str, str], brackets: Sequence[Bracket]) -> OwnRow:
        holding = [b for b in brackets if b.open_qty]
        single = holding[0] if len(holding) == 1 else None
        return OwnRow(
            symbol=name[0],
            product=name[1],
            net_qty=sum(b.net_qty for b in brackets),
            away_qty=sum(b.sign * b.body.away_qty for b in brackets),
            average_paise=single.body.entry_paise if single else 0,
            is_shared=len(holding) > 1,
            is_price_proven=bool(single) and not assumed_entries(single),
            lost_qty=self._lost_qty(key),
            is_settled=not any(b.is_moving for b in brackets),
        )

    def _closed_qty(self, key: Key) -> int:
        """Signed units of today's positions that are over here; asked only when something was found (RTP-51)."""
        over = [b for b in self._account.brackets() if b.body.state is BracketState.FLAT]
        return sum(b.sign * b.entered_qty for b in over if key_of(b.body.symbol, b.body.product) == key)

    def _is_own(self, trade: Trade) -> bool:
        return (
            self.trades.order_of(trade) is not None or trade.tag in self._own_tags or trade.tag.startswith(self._prefix)
        )

    def _lost_qty(self, key: Key) -> int:
        if not self._lost_trades and not self.lost.has_been_needed:
            return 0
        lost = [trade for trade in self.trades.of(key) if self._is_lost(trade)]
        found = sum(event.qty for event in self._corrections.get(key, ()) if event.kind is EventKind.OWN)
        total = sum(trade.side.sign * trade.qty for trade in lost)
        return total - found if total * found > 0 else total

    def _is_lost(self, trade: Trade) -> bool:
        """Ours by its tag, and in no bracket's books: what was found at the start, or came of an order found there."""
        if (trade.tag, trade.trade_id) in self._lost_trades:
            return True
        order = self.trades.order_of(trade) if self.lost.has_been_needed else None
        return order is not None and not order.bracket_id

    # --- the tape -----------------------------------------------------------------------------------------------

    def tape(self, key: Key) -> Tape:
        """Who holds what. Nothing is walked where nobody else has traded: busy days have many fills."""
        own_before, foreign_before = self._start.get(key, (0, 0))
        corrections = self._corrections.get(key, ())
        if key not in self._has_foreign and not corrections:
            return Tape(foreign_qty=foreign_before, is_mixed=foreign_before != 0)
        # Asked several times in one comparison: walked again only when something was heard or decided since.
        state = (self._desk.version, self.trades.heard, len(corrections), len(self._lost_trades), own_before)
        known = self._tapes.get(key)
        if known is None or known[0] != state:
            known = self._tapes[key] = (
                state,
                replay(
                    own_before,
                    foreign_before,
                    [*self._events(key, self.trades.filled_orders().get(key, ())), *corrections],
                ),
            )
        return known[1]

    def _filled_ns(self, key: Key) -> int:
        """When an order of ours that has traded in this row changed last; a book older than that may lack its fill."""
        return max((order.state_ns for order in self.trades.filled_orders().get(key, ())), default=0)

    def _events(self, key: Key, filled: Sequence[Order]) -> list[Event]:
        events: list[Event] = []
        booked: dict[str, int] = {}
        for trade in self.trades.of(key):
            order = self.trades.order_of(trade)
            if order is not None:
                booked[order.tag] = booked.get(order.tag, 0) + trade.qty
            if self._is_lost(trade):
                continue
            kind = EventKind.OWN if order is not None or self._is_own(trade) else EventKind.FOREIGN
            qty = trade.side.sign * trade.qty
            events.append(Event(at_ns=trade.at_ns, kind=kind, qty=qty, price_paise=trade.price_paise))
        return events + self._unrecorded(filled, booked)

    def _unrecorded(self, filled: Sequence[Order], booked: dict[str, int]) -> list[Event]:
        """Fills of ours that a report told and the trade book does not hold yet."""
        now_ns = self._desk.clock.now_ns()
        today_ns = now_ns - ist_time_ns(now_ns)
        events: list[Event] = []
        for order in filled:
            known = booked.get(order.tag, 0) if order.intended_ns >= today_ns else order.traded_qty
            if order.filled_qty > known:
                qty = order.side.sign * (order.filled_qty - known)
                events.append(Event(at_ns=order.state_ns, kind=EventKind.OWN, qty=qty))
        return events

    def _correct(self, key: Key, kind: EventKind, qty: int, now_ns: int) -> None:
        self._corrections.setdefault(key, []).append(Event(at_ns=now_ns, kind=kind, qty=qty))

    # --- comparing ----------------------------------------------------------------------------------------------

    def is_equal(self, positions: Sequence[PositionReport]) -> bool:
        """By what is known already, without a look at the trade book."""
        return all(v.difference in (Difference.EQUAL, Difference.PRICE) for v in self._judge(positions))

    def _judge(self, positions: Sequence[PositionReport]) -> list[Verdict]:
        rows = rows_by_key(positions)
        verdicts: list[Verdict] = []
        for key, own in self.own_rows().items():
            row = rows.get(key)
            actual, average = (row.net_qty, row.average_paise) if row else (0, 0)
            tape, told = self.tape(key), self._told_taken.get(key, 0)
            verdict = judge(own, actual, average, tape, told)
            if verdict.difference is Difference.UNEXPECTED:
                own = msgspec.structs.replace(own, closed_qty=self._closed_qty(key))
                verdict = judge(own, actual, average, tape, told)
            verdicts.append(verdict)
        return converted(verdicts, self._nets, rows)

    def compare(self, positions: Sequence[PositionReport], began_ns: int, now_ns: int) -> bool:
        """Judge every row, act on what is proven. True when nothing is left to be looked at again soon."""
        own = self.own_rows()
        self._unowned.clear()
        self.contested.clear()
        self._empty_since_ns = 0 if positions else (self._empty_since_ns or began_ns)
        standing: dict[Key, str] = {}
        quiet = True
        for verdict in self._judge(positions):
            text, settled = self._take(verdict, own[verdict.key], began_ns, now_ns)
            quiet = quiet and settled
            if text:
                standing[verdict.key] = text
        self._stand(standing)
        self.lost.settle(now_ns, compared=True)
        if quiet and not standing:
            self._nets = {key: row.net_qty for key, row in rows_by_key(positions).items()}
        return quiet and not standing

    def _take(self, verdict: Verdict, own: OwnRow, began_ns: int, now_ns: int) -> tuple[str, bool]:
        """(what stands, in words or empty; whether it needs no second look)."""
        key, kind = verdict.key, verdict.difference
        if kind is Difference.PRICE:
            self.averages.take_position(verdict, own, self._open_in(key))
        if kind in (Difference.EQUAL, Difference.PRICE):
            return self._strangers(verdict, began_ns, now_ns)
        if kind in _CONTESTED:
            self.contested.add(key)
        if not own.is_settled and not verdict.explained:
            return self.standing.get(key, ""), False  # fills under way explain it first
        proven = self._sightings.is_proven(verdict, began_ns, now_ns, self._filled_ns(key))
        if proven and self._act(verdict, now_ns):
            self._sightings.forget(key)
            self.contested.discard(key)
            self.acted.append(f"{verdict.symbol} {kind.value}: {verdict.qty:+d} of {verdict.expected_qty:+d} units")
            return "", False  # the next look proves that it was enough
        if self._sightings.count(key) < _TOLD_AT:
            return self.standing.get(key, ""), False
        if kind in _FOUND:
            self._note_unowned(key, verdict.qty)
        return self._words(verdict), False

    def _note_unowned(self, key: Key, qty: int) -> None:
        """What grows beside a position of ours stays the trader's: it cannot be adopted (HUM-02)."""
        if qty and not self._open_in(key):
            self._unowned[key] = qty

    def unexpected_qty(self, symbol: str, product: str) -> int:
        """Signed units of this row that the trader may let the bot take; 0 = none."""
        return self._unowned.get(key_of(symbol, product), 0)

    def _strangers(self, verdict: Verdict, began_ns: int, now_ns: int) -> tuple[str, bool]:
        """Units that the trader's hands brought in since the start: named until they are gone (HUM-02, O10)."""
        key = verdict.key
        self._sightings.forget(key)
        for kind in _ENDS_WHEN_EQUAL:
            if (alarm_id := self._account.alarm_id(f"{kind}:{verdict.symbol}")) in self._desk.alarms:
                self._desk.out.end_alarm(alarm_id)
        foreign, base = self.tape(key).foreign_qty, self._base.get(key, 0)
        if foreign * base >= 0 and abs(foreign) <= abs(base):
            self._base[key] = foreign
            return "", True
        if self._may_own(verdict.symbol, verdict.product) and self._find(verdict, foreign - base, now_ns):
            self._correct(key, EventKind.SHIFT, base - foreign, now_ns)
            return "", False
        self._note_unowned(key, foreign - base)
        return self._words(verdict), False

    def _words(self, verdict: Verdict) -> str:
        """`SYMBOL ours +75, broker +225 (by hand +150)`."""
        foreign = self.tape(verdict.key).foreign_qty
        ours = verdict.expected_qty - foreign
        by_hand = f" (by hand {foreign:+d})" if foreign else ""
        return f"{verdict.symbol} ours {ours:+d}, broker {verdict.actual_qty:+d}{by_hand}"

    def _stand(self, standing: dict[Key, str]) -> None:
        """Entries stay blocked and the alarm stays up until the last difference is gone."""
        desk, account = self._desk, self._account
        alarm_id = account.alarm_id("mismatch")
        for key, text in standing.items():
            if self.standing.get(key) != text:
                expected, actual = text.split(" ours ")[1].split(" (")[0].split(", broker ")
                account.say(Msg.MISMATCH, symbol=text.split(" ours ")[0], expected=expected, actual=actual)
        text = "; ".join([*standing.values(), *self._second_desk.values()])
        if text and text != account.mismatch:
            desk.out.raise_alarm(alarm_id, account.words(text))
        elif not text and (account.mismatch or alarm_id in desk.alarms):
            desk.out.end_alarm(alarm_id)
        account.mismatch = text
        self.standing = standing

    # --- acting -------------------------------------------------------------------------------------------------

    def _act(self, verdict: Verdict, now_ns: int) -> bool:
        """Do what the difference asks for; False when it must stand."""
        kind = verdict.difference
        if not verdict.explained and self._is_unbelieved(verdict, now_ns):
            return False
        if kind in _OUT_OF_OURS:
            self._take_out(verdict, now_ns)
        elif kind is Difference.CONVERTED:
            self._convert(verdict, now_ns)
        elif kind is Difference.FOREIGN_GONE:
            self._correct(verdict.key, EventKind.SHIFT, verdict.qty, now_ns)
        elif kind in _FOUND:
            return self._find(verdict, verdict.qty, now_ns)
        else:
            return False
        return True

    def _is_unbelieved(self, verdict: Verdict, now_ns: int) -> bool:
        """No trade explains it, and the books that show it are not to be trusted with it (faults §4.7): a row that
        nobody can read may hold the units, the order book is not whole, or there is no row of anything at all."""
        reader = self._account.reader
        if reader.rows.may_hide(verdict.symbol, verdict.qty):
            return True
        if verdict.difference not in _CONTESTED:
            return False
        is_empty = bool(self._empty_since_ns) and now_ns < self._empty_since_ns + _EMPTY_NS
        return is_empty or reader.book_lacks() > 0

    def is_in_doubt(self, key: Key) -> bool:
        """The newest book differs from ours in this row, and what it means is not decided."""
        return key in self.standing or self._sightings.count(key) > 0

    def _take_out(self, verdict: Verdict, now_ns: int) -> None:
        """Units of ours left without an order of ours: exits shrink to what the broker still shows (LEG-40, LEG-41)."""
        desk, key = self._desk, verdict.key
        expected, actual = f"{verdict.expected_qty:+d}", f"{verdict.actual_qty:+d}"
        self._account.say(Msg.MISMATCH, symbol=verdict.symbol, expected=expected, actual=actual)
        left, value = abs(verdict.qty), verdict.value_paise
        holders = [b for b in self._holders(key) if b.sign * verdict.qty > 0]
        newest = max(holders, key=lambda b: b.body.opened_ns, default=None)
        if verdict.difference is Difference.OVERSOLD and newest is not None:
            # What was closed by hand and then by an order of ours as well is a surplus of the newest position.
            holders = [b for b in holders if b is not newest and b.open_qty > 0] + [newest]
        for bracket in holders:
            over = verdict.difference is Difference.OVERSOLD and bracket is newest
            qty = left if over else min(left, max(bracket.open_qty, 0))
            if qty:
                share = value * qty // left
                left, value = left - qty, value - share
                self._take_from(bracket, qty, share, now_ns)
        if verdict.explained:
            self._told_taken[key] = self._told_taken.get(key, 0) + verdict.qty
        else:
            self._correct(key, EventKind.OWN, -verdict.qty, now_ns)
        if verdict.difference is Difference.REVERSED:
            text = f"{verdict.symbol}: broker {verdict.actual_qty:+d}, the other way round from ours, not by our orders"
            desk.out.raise_alarm(self._account.alarm_id(f"reversed:{verdict.symbol}"), self._account.words(text))

    def _holders(self, key: Key) -> list[Bracket]:
        """Positions of this row, open ones first, newest first; today's finished ones after them."""
        mine = [b for b in self._account.brackets() if key_of(b.body.symbol, b.body.product) == key and b.entered_qty]
        return sorted(mine, key=lambda b: (b.body.state is BracketState.FLAT, -b.body.opened_ns))

    def _take_from(self, bracket: Bracket, qty: int, value_paise: int, now_ns: int) -> None:
        symbol, left = bracket.body.symbol, bracket.open_qty - qty
        if left > 0:
            self._account.say(Msg.REDUCED_EXTERNALLY, symbol=symbol, qty=qty, left=left)
        else:
            self._account.say(Msg.CLOSED_EXTERNALLY, symbol=symbol)
        bracket.take_away(qty, value_paise, now_ns, self._desk.out)
        self.replan(bracket, now_ns)

    def replan(self, bracket: Bracket, now_ns: int) -> None:
        """Through its bot, which watches a position again that was over."""
        if bracket.mine:
            self._desk.route([bracket.mine[-1]], now_ns)
        else:
            bracket.plan(now_ns, self._desk.out)

    def _find(self, verdict: Verdict, qty: int, now_ns: int) -> bool:
        """Units that our books do not hold: ours to exit, to adopt, or only to name (LEG-39, RTP-51, CON-08)."""
        bot = self.bot_for(verdict.symbol, verdict.product)
        if not isinstance(bot, Adopter) or self._open_in(verdict.key):
            return False  # growth of what we hold is never taken for ours (HUM-02)
        consented = verdict.symbol.upper() in self._consented
        ours = verdict.difference in (Difference.OURS_UNKNOWN, Difference.STILL_OPEN)
        if not (ours or consented or bot.reserved_symbols):
            return False
        policy = OnUnexpected.ADOPT if consented else bot.on_unexpected
        if policy is OnUnexpected.ADOPT and self._desk.stopping:
            return False  # a desk that is leaving takes nothing over and arms nothing (BUG-24)
        if policy is OnUnexpected.ALERT:
            return False
        if verdict.difference is Difference.STILL_OPEN:
            reason = REASON_WATCHDOG
            self._account.say(Msg.OWNED_NOT_CLOSED, symbol=verdict.symbol, qty=abs(qty))
        elif policy is OnUnexpected.FLATTEN:
            reason = REASON_UNEXPECTED
            self._account.say(Msg.FLATTENING, symbol=verdict.symbol, qty=f"{qty:+d}")
        else:
            reason = ""
            self._account.say(Msg.ADOPTING, symbol=verdict.symbol)
        if not self._open(bot, verdict, qty, reason, now_ns):
            return False
        self._consented.discard(verdict.symbol.upper())
        self._correct(verdict.key, EventKind.OWN, qty, now_ns)
        return True

    def _open(self, bot: Adopter, verdict: Verdict, qty: int, reason: str, now_ns: int) -> bool:
        """Let the bot take the units over, and leave at once when there is a reason."""
        out = self._desk.out
        bracket = bot.adopt(
            verdict.symbol, qty, verdict.average_paise, now_ns, out, self.lost.closing(verdict.key, qty)
        )
        if bracket is not None and reason:
            bracket.exit(reason, now_ns, out)
        return bracket is not None

    def bot_for(self, symbol: str, product: str) -> Bot | None:
        for bot in self._account.bots:
            if symbol in bot.places[self._account.account_id] and bot.product == product:
                return bot
        return None

    def _may_own(self, symbol: str, product: str) -> bool:
        bot = self.bot_for(symbol, product)
        return isinstance(bot, Adopter) and (bot.reserved_symbols or symbol.upper() in self._consented)

    def consent(self, symbol: str) -> None:
        """The trader says: what is open in this symbol and not ours, take it (CON-08)."""
        self._consented.add(symbol.upper())

    def _convert(self, verdict: Verdict, now_ns: int) -> None:
        """The units stand under another product now: the exits follow them (EXI-15)."""
        desk, left = self._desk, abs(verdict.qty)
        to = key_of(verdict.symbol, verdict.product_to)
        for bracket in reversed(self._open_in(verdict.key)):
            if 0 < bracket.open_qty <= left:
                left -= bracket.open_qty
                self._correct(verdict.key, EventKind.OWN, -bracket.net_qty, now_ns)
                self._correct(to, EventKind.OWN, bracket.net_qty, now_ns)
                self._account.say(Msg.CONVERTED, symbol=verdict.symbol, old=verdict.product, new=verdict.product_to)
                bracket.convert(verdict.product_to, now_ns, desk.out)
        if left:
            alarm = f"{verdict.symbol}: {left} units changed from {verdict.product} to {verdict.product_to}, only part"
            desk.out.raise_alarm(self._account.alarm_id(f"converted:{verdict.symbol}"), self._account.words(alarm))

    # --- for the proof of flat ----------------------------------------------------------------------------------

    def held_of(self, bracket: Bracket, positions: Sequence[PositionReport]) -> int:
        """Units of this bracket's own position that the broker still shows in its direction; 0 proves flat (I-5)."""
        key = key_of(bracket.body.symbol, bracket.body.product)
        row = rows_by_key(positions).get(key)
        others = sum(b.net_qty for b in self._open_in(key) if b is not bracket)
        net = (row.net_qty if row else 0) - others - self.tape(key).foreign_qty
        return max(0, bracket.sign * net)
