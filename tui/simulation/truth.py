"""What really happened on a simulated day: the exchange's own log, the requests on the wire and the rows on disk.

Written by the witnesses (`tui.simulation.witness`), read by the oracle's checks. It is kept from events alone and never
asks the desk what it believes. Prices in paise, quantities in units, instants in nanoseconds of the exchange clock.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import msgspec
from msgspec.structs import replace

from engine.instant import NS_PER_S
from engine.instrument import Instrument
from engine.order import EXIT_ROLES, TERMINAL, OrderState, OrderType, Role, Side, Trade
from engine.outbox import Op
from engine.port import Acked, Answer, NotSent, OrderChange, OrderReport, OrderRequest, Refused, Unknown
from engine.tick import Tick

HANGS_NS: Final = 2 * NS_PER_S
"""A read that is under way for longer will fail, more often than not."""
BY_HAND_NS: Final = 45 * NS_PER_S
"""A position changed by somebody else is found by the reconciliation of every 30 s, then acted on."""
PATIENCE_NS: Final = 2 * NS_PER_S
"""An order without proof holds an exit back so long: a naked loss is unbounded, a surplus is not (design §5.10)."""
TAIL: Final = 40
"""Events shown with a violation."""


class Intent(msgspec.Struct, frozen=True, kw_only=True):
    """An order of ours, as its committed intent row names it."""

    tag: str
    bracket_id: str
    role: Role
    symbol: str
    side: Side
    at_ns: int


class Sent(msgspec.Struct, kw_only=True):
    """One request that left the desk, and how it was answered."""

    op: Op
    tag: str
    at_ns: int
    broker_id: str = ""
    request: OrderRequest | None = None
    change: OrderChange | None = None
    answer: Answer | None = None
    answered_ns: int = 0

    @property
    def is_certain(self) -> bool:
        """The desk knows what became of it."""
        return isinstance(self.answer, Acked | Refused | NotSent)


class Doubt(msgspec.Struct, kw_only=True):
    """A place request without a proven outcome, as far as the desk can know."""

    since_ns: int
    clean_reads: int = 0
    declared_absent_ns: int = 0
    """Enough clean reads did not show it: from here on a ghost (faults §1)."""


class Group(msgspec.Struct, kw_only=True):
    """The orders of one bracket and what they have filled at the exchange."""

    bracket_id: str
    symbol: str
    side: Side
    """Of the entry."""
    tags: list[str] = []
    entered_qty: int = 0
    left_qty: int = 0
    """Exit fills."""
    taken_qty: int = 0
    """Units that somebody else closed, or that the exchange took back."""
    filled_of: dict[Role, int] = {}
    state: str = "entering"
    style: str = ""
    stop_paise: int = 0
    closed_ns: int = 0
    cash_paise: int = 0
    """Money moved by its fills: sold minus bought."""

    @property
    def held_qty(self) -> int:
        """Units open in the entry's direction; below zero when exits went too far and are not yet repaired."""
        return self.entered_qty - self.left_qty - self.taken_qty


class Trace(msgspec.Struct, frozen=True):
    """One line of the day's story; made to text only when somebody reads it."""

    at_ns: int
    what: str
    about: object


@dataclass
class Truth:
    """The day's facts. One writer: the witnesses, in the order of events."""

    account: str
    instruments: dict[str, Instrument]
    ambiguity_ns: int
    now_ns: int = 0
    tail: deque[Trace] = field(default_factory=lambda: deque(maxlen=TAIL))
    on_trace: list[object] = field(default_factory=list)
    # the exchange
    orders: dict[str, OrderReport] = field(default_factory=dict)
    live: dict[str, OrderReport] = field(default_factory=dict)
    trades: list[Trade] = field(default_factory=list)
    net: Counter[str] = field(default_factory=Counter)
    busted: set[str] = field(default_factory=set)
    """Trade ids that the exchange took back."""
    broker_ids: dict[str, list[str]] = field(default_factory=dict)
    """Tag -> broker ids that carry it."""
    price_ns: dict[str, int] = field(default_factory=dict)
    """Symbol -> exchange time of the newest price that the desk was given."""
    # the disk
    intents: dict[str, Intent] = field(default_factory=dict)
    intended: Counter[tuple[str, Op]] = field(default_factory=Counter)
    fill_rows: dict[tuple[str, str], tuple[str, int, int]] = field(default_factory=dict)
    """(trade id, tag) -> side, qty, price as committed."""
    trade_rows: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Trade row -> bracket id and gross paise."""
    alarms: dict[str, int] = field(default_factory=dict)
    """Alarm id -> since, while it stands."""
    to_be_heard: list[tuple[int, str, str]] = field(default_factory=list)
    """CRITICAL rows and new alarms on disk: instant, symbol, text."""
    fills_repeated: list[str] = field(default_factory=list)
    regressions: list[str] = field(default_factory=list)
    loosened: list[str] = field(default_factory=list)
    merged: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Tag -> state and filled quantity of the newest order row."""
    # the wire
    sent: list[Sent] = field(default_factory=list)
    sent_of: Counter[tuple[str, Op]] = field(default_factory=Counter)
    doubts: dict[str, Doubt] = field(default_factory=dict)
    ghosts: set[str] = field(default_factory=set)
    late: set[str] = field(default_factory=set)
    """Tags of orders that turned up within their window, but after an exit would have stopped waiting for them."""
    cancel_doubts: set[str] = field(default_factory=set)
    outage_ns: int = 0
    """When a read last failed in a spell without any answer: the session or the path was gone (NET-12, NET-13)."""
    close_refused_ns: dict[str, int] = field(default_factory=dict)
    """Bracket -> when the broker last refused an order that was to close or repair it."""
    stuck: set[str] = field(default_factory=set)
    """Brackets with a cancel that the broker accepted and did not carry out at once (ORD-25)."""
    """Brackets of which some change or cancel was never answered: nobody could know what became of it."""
    decided_on: dict[str, int] = field(default_factory=dict)
    """Tag -> instant of the newest price the desk had when it committed the intent."""
    told_filled: Counter[str] = field(default_factory=Counter)
    """Tag -> the most filled units any message to the desk has shown."""
    told_state: dict[str, OrderState] = field(default_factory=dict)
    named: set[str] = field(default_factory=set)
    """Tags that some message to the desk has named: it knows that the order was placed."""
    false_ends: set[str] = field(default_factory=set)
    """Tags of orders that the broker called finished with fewer fills than they had (ORD-18): ghosts by its word."""
    path_failed_ns: int = 0
    """Newest answer that was not a plain yes, or a read that failed."""
    read_ok_ns: int = 0
    """Begin of the newest successful read of the order book."""
    reading_ns: dict[str, int] = field(default_factory=dict)
    """Book -> since when the desk waits for its newest read; what hangs fails when its deadline comes."""
    # the screen
    heard: deque[tuple[int, str, str]] = field(default_factory=lambda: deque(maxlen=500))
    """Alerts that went out: instant, symbol, text."""
    groups: dict[str, Group] = field(default_factory=dict)
    open_groups: dict[str, Group] = field(default_factory=dict)
    faults: Counter[str] = field(default_factory=Counter)
    fault_ns: int = 0
    """Newest strike of a fault."""
    spells: list[tuple[int, int]] = field(default_factory=list)
    """Spans of time in which something is out of order, by their beginning."""
    tag_of: Callable[[str], str] = field(default=lambda tag: tag)
    """Tag at the exchange -> ours: a broker may book one request twice."""
    twins: set[str] = field(default_factory=set)
    """Brackets of which the broker booked some request twice."""
    hand_ns: dict[str, int] = field(default_factory=dict)
    """Symbol -> when somebody else traded it last."""
    touched: set[str] = field(default_factory=set)
    """Brackets that were open when somebody else traded their contract."""
    shares_symbols: bool = False
    """Several brackets may hold one contract, some long and some short: nobody knows whose a hand took."""
    writes: int = 0
    # the desk's lives
    born_ns: int = 0
    """When the desk was last started."""
    dead_ns: int = 0
    """When it was killed; 0 while it lives."""
    recovered_ns: int = 0
    """When the desk last said that it knows the books; 0 while it recovers."""
    lives: int = 0
    reads_of_life: set[str] = field(default_factory=set)
    """Books that were read with success since the desk was last started."""

    # --- story

    def note(self, what: str, about: object) -> None:
        """One line of the story."""
        trace = Trace(self.now_ns, what, about)
        self.tail.append(trace)
        for hear in self.on_trace:
            hear(trace)  # type: ignore[operator]

    # --- the exchange

    def on_exchange(self, event: OrderReport | Trade) -> None:
        """An order changed, or a trade happened, at the exchange."""
        if isinstance(event, Trade):
            self._on_trade(event)
        else:
            self._on_order(event)

    def _on_order(self, report: OrderReport) -> None:
        self.note("exchange", report)
        tag = self.tag_of(report.tag)
        if tag != report.tag:
            if tag in self.intents:
                self.twins.add(self.intents[tag].bracket_id)
            report = replace(report, tag=tag)
        elif report.broker_id not in self.orders and tag:
            self.broker_ids.setdefault(tag, []).append(report.broker_id)
        self.orders[report.broker_id] = report
        if report.state in TERMINAL:
            self.live.pop(report.broker_id, None)
        else:
            self.live[report.broker_id] = report

    def _on_trade(self, trade: Trade) -> None:
        self.note("trade", trade)
        tag = self.tag_of(trade.tag)
        trade = trade if tag == trade.tag else replace(trade, tag=tag)
        self.trades.append(trade)
        if self.told_state.get(trade.tag) in (OrderState.CANCELLED, OrderState.REJECTED, OrderState.EXPIRED):
            self.false_ends.add(trade.tag)
        self._count(trade, 1)

    def _count(self, trade: Trade, times: int) -> None:
        """Add a trade to position and bracket, or (times -1) take it out again."""
        units = times * trade.qty
        self.net[trade.symbol] += trade.side.sign * units
        intent = self.intents.get(trade.tag)
        if intent is None:
            self._by_hand(trade.symbol)
            return
        group = self.groups[intent.bracket_id]
        group.cash_paise -= trade.side.sign * units * trade.price_paise
        group.filled_of[intent.role] = group.filled_of.get(intent.role, 0) + units
        if intent.role in EXIT_ROLES:
            group.left_qty += units
        else:
            group.entered_qty += units
        self.open_groups[group.bracket_id] = group

    def _by_hand(self, symbol: str) -> None:
        """Somebody else traded: what the broker no longer has of ours was taken from us."""
        self.hand_ns[symbol] = self.now_ns
        for group in self.open_groups.values():
            if group.symbol != symbol:
                continue
            self.touched.add(group.bracket_id)
            left = max(0, self.net[symbol] * group.side.sign)
            short = max(0, -self.net[symbol] * group.side.sign)
            if group.held_qty > left:
                group.taken_qty += group.held_qty - left
            elif group.held_qty < -short:  # and bought back by the same hand, after our own exit had sold them too
                group.taken_qty -= -group.held_qty - short

    def is_muddled(self, key: str) -> bool:
        """Somebody else traded the contract while several brackets shared it: its share of that is anybody's guess."""
        return self.shares_symbols and self.groups[key].symbol in self.hand_ns

    def moved_by_hand(self, group: Group) -> bool:
        """Somebody else traded its contract lately: the desk may not have found it yet."""
        at_ns = self.hand_ns.get(group.symbol, 0)
        return bool(at_ns) and self.now_ns - at_ns < BY_HAND_NS

    def on_busts(self, left: set[str]) -> None:
        """The exchange took trades back: all but those `left` never happened (UPD-13)."""
        for trade in [trade for trade in self.trades if trade.trade_id not in left]:
            self.trades.remove(trade)
            self._count(trade, -1)
            self._by_hand(trade.symbol)
            self.busted.add(trade.trade_id)

    def on_fault(self, fault: str, text: str) -> None:
        self.faults[fault] += 1
        self.fault_ns = self.now_ns
        self.note("fault", f"{fault} {text}")

    def on_tick(self, tick: Tick) -> None:
        """What the desk is given; a tick without a price is no news, an older one neither (M2)."""
        if tick.ltp_paise > 0 and tick.at_ns > self.price_ns.get(tick.symbol, 0):
            self.price_ns[tick.symbol] = tick.at_ns

    # --- the disk

    def on_intent(self, intent: Intent, op: Op) -> None:
        self.intended[intent.tag, op] += 1
        if op != "place":
            return
        self.intents[intent.tag] = intent
        self.decided_on[intent.tag] = self.price_ns.get(intent.symbol, 0)
        group = self.groups.get(intent.bracket_id)
        if group is None:
            side = intent.side if intent.role not in EXIT_ROLES else intent.side.opposite
            group = Group(bracket_id=intent.bracket_id, symbol=intent.symbol, side=side)
            self.groups[intent.bracket_id] = self.open_groups[intent.bracket_id] = group
        group.tags.append(intent.tag)

    def on_fill_row(self, trade_id: str, tag: str, side: str, qty: int, price_paise: int) -> None:
        key = (trade_id, tag)
        if key in self.fill_rows:
            self.fills_repeated.append(trade_id)
        self.fill_rows[key] = (side, qty, price_paise)

    def on_alarm_row(self, alarm_id: str, since_ns: int, ended_ns: int, text: str) -> None:
        if ended_ns:
            self.alarms.pop(alarm_id, None)
        else:
            if alarm_id not in self.alarms:
                about = next((symbol for symbol in self.instruments if symbol in text), "")
                self.to_be_heard.append((self.now_ns, about, text))
            self.alarms[alarm_id] = since_ns

    def on_order_row(self, tag: str, state: str, filled_qty: int) -> None:
        before = self.merged.get(tag)
        if before is not None and (filled_qty < before[1] or _regresses(before[0], state)):
            self.regressions.append(f"{tag}: {before[0]} {before[1]} became {state} {filled_qty}")
        self.merged[tag] = (state, filled_qty)

    def on_bracket_row(self, bracket_id: str, state: str, style: str, stop_paise: int, closed_ns: int) -> None:
        group = self.groups.get(bracket_id)
        if group is None:
            return
        if group.stop_paise and stop_paise and (stop_paise - group.stop_paise) * group.side.sign < 0:
            self.loosened.append(f"{group.symbol}: stop {group.stop_paise} became {stop_paise}")
        group.state, group.style, group.closed_ns = state, style, closed_ns
        group.stop_paise = stop_paise or group.stop_paise

    # --- the wire

    def on_sent(self, sent: Sent) -> None:
        self.note("sent", sent)
        self.sent.append(sent)
        self.sent_of[sent.tag, sent.op] += 1
        if sent.op == "place":
            self.doubts.setdefault(sent.tag, Doubt(since_ns=self.now_ns))

    def on_answer(self, sent: Sent, answer: Answer) -> None:
        sent.answer, sent.answered_ns = answer, self.now_ns
        self.note("answer", (sent.op, sent.tag, answer))
        if not isinstance(answer, Acked):
            self.path_failed_ns = self.now_ns
        if isinstance(answer, Refused | NotSent):
            self.sent_of[sent.tag, sent.op] -= 1  # provably not done: the same intent may go again
        if sent.op == "place" and isinstance(answer, Refused) and sent.tag in self.intents:
            intent = self.intents[sent.tag]
            if intent.role in (Role.EXIT, Role.REPAIR):
                self.close_refused_ns[intent.bracket_id] = self.now_ns
        if sent.op != "place":
            if isinstance(answer, Unknown) and sent.tag in self.intents:
                self.cancel_doubts.add(self.intents[sent.tag].bracket_id)
            if sent.op == "cancel" and isinstance(answer, Acked) and sent.tag in self.intents and self._lives(sent.tag):
                self.stuck.add(self.intents[sent.tag].bracket_id)
            return
        if isinstance(answer, Unknown) and sent.tag not in self.named:
            # The window runs from the end of our wait (faults §2): until then the request may still be on its way.
            self.doubts[sent.tag] = Doubt(since_ns=self.now_ns)
        else:
            self.doubts.pop(sent.tag, None)

    def _lives(self, tag: str) -> bool:
        orders = [self.orders[broker_id] for broker_id in self.broker_ids.get(tag, ())]
        return any(order.state not in TERMINAL for order in orders)

    def on_told(self, news: OrderReport | Trade, *, pushed: bool) -> None:
        """The desk was shown something about an order."""
        if pushed:
            self.note("told", news)
        tag = news.tag
        if not tag:
            return
        self.named.add(tag)
        if isinstance(news, OrderReport):
            if 0 <= news.filled_qty <= news.qty:  # else it cannot be right, and tells nothing
                self.told_filled[tag] = max(self.told_filled[tag], news.filled_qty)
            self.told_state[tag] = news.state
            order = self.orders.get(news.broker_id)
            if news.state in TERMINAL and order is not None and order.filled_qty > self.told_filled[tag]:
                self.false_ends.add(tag)
        if tag in self.doubts:
            if self.now_ns > self.doubts[tag].since_ns + PATIENCE_NS:
                self.late.add(tag)
            del self.doubts[tag]

    def on_book_read(self, began_ns: int, reports: list[OrderReport]) -> None:
        """A successful read of the order book came back to the desk."""
        self.read_ok_ns = began_ns
        listed = {report.tag for report in reports} if self.doubts else ()
        for tag, doubt in list(self.doubts.items()):
            if tag in listed or began_ns < doubt.since_ns + self.ambiguity_ns:
                continue
            doubt.clean_reads += 1
            if doubt.clean_reads >= 2:
                del self.doubts[tag]
                self.ghosts.add(tag)
        told_state, told_filled = self.told_state, self.told_filled
        for report in reports:  # mostly tells what was told before
            tag = report.tag
            is_known = tag in told_state and told_state[tag] is report.state
            if not is_known or told_filled[tag] != report.filled_qty:
                self.on_told(report, pushed=False)

    # --- lives of the desk

    def on_birth(self) -> None:
        """The desk starts, the first time or again."""
        self.lives += 1
        died_ns = self.dead_ns or self.now_ns
        self.born_ns, self.dead_ns, self.recovered_ns = self.now_ns, 0, 0
        self.reads_of_life.clear()
        self.reading_ns.clear()
        for symbol, at_ns in self.hand_ns.items():
            if at_ns > died_ns - BY_HAND_NS:
                self.hand_ns[symbol] = self.now_ns  # nobody was there to find it
        if self.lives > 1:
            self.fault_ns = self.now_ns
            self.note("desk", f"starts again, life {self.lives}")

    def on_recovered(self) -> None:
        self.recovered_ns = self.now_ns
        if self.lives > 1:
            self.fault_ns = self.now_ns
            self.note("desk", "recovered")

    def on_death(self, fault: str, what: str) -> None:
        """Killed. What it had not written down it has never heard; what it asked for it will not hear answered."""
        self.dead_ns = self.now_ns
        self.on_fault(fault, f"killed {what}")
        for sent in reversed(self.sent):
            if sent.at_ns < self.born_ns:
                break
            if sent.answer is None:
                self.on_answer(sent, Unknown("the desk was killed"))
        for tag in self.intents:
            if not self.sent_of[tag, "place"] and self.merged.get(tag, ("intended", 0))[0] in _UNSETTLED:
                self.doubts.setdefault(tag, Doubt(since_ns=self.now_ns))  # written, and whether it left nobody knows
        self.told_filled = Counter({tag: filled for tag, (_, filled) in self.merged.items()})
        self.told_state = {tag: OrderState(state) for tag, (state, _) in self.merged.items()}
        self.to_be_heard.clear()

    def on_read(self, what: str) -> None:
        """One of the broker's books came back whole."""
        self.reads_of_life.add(what)

    @property
    def is_reading_in_vain(self) -> bool:
        """A read of the order book hangs: what it would tell cannot be known before its deadline."""
        since_ns = self.reading_ns.get("orders", 0)
        return bool(since_ns) and self.now_ns > since_ns + HANGS_NS

    @property
    def is_recovering(self) -> bool:
        """Nobody is there, or the desk does not yet know what it holds."""
        return bool(self.dead_ns) or (self.lives > 1 and not self.recovered_ns)

    # --- derived

    def live_of(self, group: Group, *roles: Role) -> list[OrderReport]:
        """Orders of a bracket that can still fill at the exchange."""
        intents, bracket_id = self.intents, group.bracket_id
        return [
            report
            for report in self.live.values()
            if report.tag in intents
            and (intent := intents[report.tag]).bracket_id == bracket_id
            and (not roles or intent.role in roles)
        ]

    def remaining(self, group: Group, *roles: Role) -> int:
        return sum([report.qty - report.filled_qty for report in self.live_of(group, *roles)])

    def in_doubt(self, group: Group, *roles: Role) -> list[str]:
        """Tags of a bracket whose place request has no proven outcome."""
        return [tag for tag in group.tags if tag in self.doubts and (not roles or self.intents[tag].role in roles)]

    def has_ghost(self, group: Group) -> bool:
        """Some order of it was, or is, at the exchange without the desk being able to know."""
        if group.bracket_id in self.twins:
            return True
        return any(tag in self.ghosts or tag in self.doubts or tag in self.false_ends for tag in group.tags)

    def unseen_fill(self, group: Group) -> bool:
        """Some fill of the bracket has not been shown to the desk by any message yet."""
        for tag in group.tags:
            for broker_id in self.broker_ids.get(tag, ()):
                if self.orders[broker_id].filled_qty > self.told_filled[tag]:
                    return True
        return False

    def disturbed(self, since_ns: int) -> bool:
        """A fault struck, a request or a read failed, or something was out of order at or after an instant."""
        if max(self.fault_ns, self.path_failed_ns) >= since_ns:
            return True
        while self.spells and self.spells[0][1] < since_ns:
            self.spells.pop(0)
        return any(begin <= self.now_ns and end >= since_ns for begin, end in self.spells)

    def is_triggered_stop(self, report: OrderReport) -> bool:
        """A stop that became a limit order: the exchange shows it as working."""
        return report.type in (OrderType.SL, OrderType.SL_M) and report.state is not OrderState.TRIGGER_PENDING


_UNSETTLED: Final = frozenset({"intended", "sent", "unknown"})
_FINAL: Final = frozenset(state.value for state in TERMINAL)
_SEEN: Final = frozenset({"working", "trigger-pending", "part-filled", *_FINAL})


def _regresses(before: str, after: str) -> bool:
    """A merged order went back: from an end to life, or from the broker's book to "on its way" (O6).

    A rejected order may come back to life: that is how a ghost looks when it appears (ORD-03).
    """
    if before == after:
        return False
    if before in _FINAL:
        return after != "filled" and not (before == "rejected" and after in _SEEN)
    return before in _SEEN and after not in _SEEN
