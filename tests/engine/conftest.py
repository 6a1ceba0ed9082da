"""One bracket against a venue made of plain lists and dicts: every answer, push and fill happens when a test says so.

The bench does what desk, gateway and book reader do around a bracket (merge, queue with exits first, take back unsent
orders, two clean reads prove absence), without asyncio and with nothing hidden. Prices in paise, time in nanoseconds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date

import msgspec
import pytest

from engine import refusals
from engine.blotter import OVERTAKEN, Blotter
from engine.bracket import Bracket
from engine.bracket_state import BracketBody, BracketTerms
from engine.instant import NS_PER_S
from engine.instrument import Instrument, OptionType, Segment
from engine.messages import Msg
from engine.order import Order, OrderState, OrderType, Role, Side, Trade
from engine.outbox import CancelOrder, Command, LookUp, ModifyOrder, Outbox, PlaceOrder, ProveFlat, RoundTrip, Said
from engine.port import Acked, Answer, NotSent, OrderReport, Refused, Unknown
from engine.price_book import PriceBook
from engine.tags import TagMaker
from engine.tick import Tick
from engine.venue_rules import VenueRules
from engine.view import BracketState

START_NS = 1_800_000_000 * NS_PER_S
SYMBOL = "NIFTY01DEC2624500PE"
ACCOUNT = "FAKE"

OPTION = Instrument(
    symbol=SYMBOL,
    exchange="NFO",
    segment=Segment.INDEX_OPTION,
    lot_size=25,
    tick_paise=5,
    freeze_qty=1800,
    underlying="NIFTY",
    expiry=date(2026, 12, 1),
    strike_paise=24_500_00,
    option_type=OptionType.PE,
)


@dataclass
class VenueOrder:
    """The exchange's truth of one order."""

    tag: str
    broker_id: str
    side: Side
    type: OrderType
    qty: int
    limit_paise: int
    trigger_paise: int
    state: OrderState
    filled: int = 0
    value_paise: int = 0
    cancel_due: bool = False
    """A cancel was accepted and has not taken effect yet."""

    @property
    def is_live(self) -> bool:
        return self.state in (OrderState.WORKING, OrderState.TRIGGER_PENDING, OrderState.PART_FILLED)

    @property
    def remaining(self) -> int:
        return self.qty - self.filled if self.is_live else 0


@dataclass
class FakeVenue:
    symbol: str = SYMBOL
    orders: dict[str, VenueOrder] = field(default_factory=dict)
    trades: list[Trade] = field(default_factory=list)
    news: list[OrderReport | Trade] = field(default_factory=list)
    """Pushes that have not reached the desk."""

    @property
    def position(self) -> int:
        return sum(trade.side.sign * trade.qty for trade in self.trades)

    @property
    def gross_paise(self) -> int:
        """What was taken in minus what was paid."""
        return -sum(trade.side.sign * trade.qty * trade.price_paise for trade in self.trades)

    def live(self) -> list[VenueOrder]:
        return [order for order in self.orders.values() if order.is_live]

    def report(self, order: VenueOrder, text: str = "") -> OrderReport:
        return OrderReport(
            tag=order.tag,
            broker_id=order.broker_id,
            symbol=self.symbol,
            side=order.side,
            type=order.type,
            product="MIS",
            qty=order.qty,
            limit_paise=order.limit_paise,
            trigger_paise=order.trigger_paise,
            state=order.state,
            filled_qty=order.filled,
            average_paise=order.value_paise // order.filled if order.filled else 0,
            reject_text=text,
        )

    def push(self, order: VenueOrder, text: str = "") -> None:
        self.news.append(self.report(order, text))

    def place(self, order: Order) -> VenueOrder:
        """Take the order into the book."""
        assert order.tag not in self.orders, "the same tag was sent twice"
        resting = OrderState.TRIGGER_PENDING if order.trigger_paise else OrderState.WORKING
        placed = VenueOrder(
            tag=order.tag,
            broker_id=f"V{len(self.orders) + 1}",
            side=order.side,
            type=order.type,
            qty=order.qty,
            limit_paise=order.limit_paise,
            trigger_paise=order.trigger_paise,
            state=resting,
        )
        self.orders[order.tag] = placed
        self.push(placed)
        return placed

    def modify(self, change: ModifyOrder) -> Answer:
        order = self.orders[change.tag]
        if not order.is_live:
            return Refused(refusals.ALREADY_FINISHED, "the order is complete")
        if change.qty <= order.filled:
            return Refused(refusals.OTHER, "quantity is below the traded quantity")
        order.type, order.qty = change.type, change.qty
        order.limit_paise, order.trigger_paise = change.limit_paise, change.trigger_paise
        if order.state is OrderState.TRIGGER_PENDING and not change.trigger_paise:
            order.state = OrderState.WORKING
        self.push(order)
        return Acked(order.broker_id)

    def cancel(self, tag: str, *, at_once: bool = True) -> Answer:
        order = self.orders[tag]
        if not order.is_live:
            return Refused(refusals.ALREADY_FINISHED, "the order is complete")
        order.cancel_due = True
        if at_once:
            self.end(order, OrderState.CANCELLED)
        return Acked(order.broker_id)

    def end(self, order: VenueOrder, state: OrderState, text: str = "") -> None:
        order.state = state
        self.push(order, text)

    def trigger(self, order: VenueOrder) -> None:
        order.state = OrderState.WORKING
        self.push(order)

    def fill(self, order: VenueOrder, qty: int, price_paise: int, at_ns: int) -> None:
        assert 0 < qty <= order.remaining
        order.filled += qty
        order.value_paise += qty * price_paise
        order.state = OrderState.FILLED if order.filled == order.qty else OrderState.PART_FILLED
        trade = Trade(
            trade_id=f"T{len(self.trades) + 1}",
            broker_id=order.broker_id,
            tag=order.tag,
            symbol=self.symbol,
            side=order.side,
            qty=qty,
            price_paise=price_paise,
            at_ns=at_ns,
        )
        self.trades.append(trade)
        self.push(order)
        self.news.append(trade)


class BracketBench:
    """A bracket, its blotter, the queue to the venue, and a clock moved by hand."""

    option = OPTION
    frozen = msgspec.structs.replace(OPTION, freeze_qty=50)
    """The exchange takes at most 50 units in one order: 75 are two slices."""

    def __init__(
        self,
        terms: BracketTerms | None = None,
        *,
        qty: int = 75,
        side: Side = Side.BUY,
        rules: VenueRules | None = None,
        instrument: Instrument = OPTION,
        ltp_paise: int = 150_00,
    ) -> None:
        self.now_ns = START_NS
        self.terms = terms or BracketTerms()
        self.blotter = Blotter()
        self.venue = FakeVenue(instrument.symbol)
        self.price = PriceBook(instrument)
        self.rules = rules or VenueRules(name="fake")
        self.out = Outbox()
        self.queue: list[Command] = []
        self.in_flight: tuple[Command, Answer] | None = None
        self.late: list[Command] = []
        """Sent, answered *unknown*, and still on their way to the exchange."""
        self.books: list[tuple[list[OrderReport], list[Trade], int, int]] = []
        """Books read and not yet merged, with the step and the instant in which the read began."""
        self.step = 0
        self.unknown_step: dict[str, int] = {}
        self.absent: dict[str, int] = {}
        self.look_ups = 0
        self.proofs: list[int] = []
        """When the broker's positions were asked for and not yet read."""
        self.wrote: list[tuple[int, Command]] = []
        self.sent_ns: list[int] = []
        """When requests left this machine."""
        self.said: list[Said] = []
        self.alarms: dict[str, str] = {}
        self.alerts: list[str] = []
        self.trips: dict[str, RoundTrip] = {}
        self.judge: Callable[[Command, Order], None] = lambda command, order: None
        """Sees every write at the moment it is decided."""
        body = BracketBody(
            bracket_id="B1",
            account=ACCOUNT,
            bot="legs",
            symbol=instrument.symbol,
            exchange=instrument.exchange,
            product="MIS",
            side=side,
            qty=qty,
            terms=self.terms,
            style=self.terms.style,
        )
        self.bracket = Bracket(body, self.price, self.rules, TagMaker(1), self.blotter.orders)
        self.set_price(ltp_paise)

    # --- the desk's part ------------------------------------------------------------------------------------------

    @property
    def body(self) -> BracketBody:
        return self.bracket.body

    @property
    def is_flat(self) -> bool:
        return self.body.state is BracketState.FLAT

    def set_price(self, ltp_paise: int) -> None:
        self.price.tick = Tick(SYMBOL, self.now_ns, ltp_paise, ltp_paise - 5, 100, ltp_paise + 5, 100)
        self.price.at_ns = self.now_ns

    def collect(self) -> None:
        """Take what the last event decided."""
        self.step += 1
        for order in self.out.new_orders:
            self.blotter.add(order)
        for command in self.out.commands:
            if isinstance(command, LookUp):
                self.look_ups += 1
                continue
            if isinstance(command, ProveFlat):
                self.proofs.append(self.now_ns)
                continue
            self.wrote.append((self.now_ns, command))
            self.judge(command, self.blotter.orders[command.tag])
            if isinstance(command, CancelOrder) and self._take_back(command.tag):
                continue
            self.queue.append(command)
        self._insist_on_whole_words()
        self.said += self.out.said
        self.alerts += [alert.text for alert in self.out.alerts]
        for alarm_id, text in self.out.alarms.items():
            if text:
                self.alarms[alarm_id] = text
            else:
                self.alarms.pop(alarm_id, None)
        for trip in self.out.round_trips:
            self.trips[trip.kind] = trip
        self.out.clear()

    def _insist_on_whole_words(self) -> None:
        """Everything says whose it is and has all its facts; a broken sentence would only look poor in the log."""
        body, texts = self.body, list(self.out.alarms.values())
        for said in self.out.said:
            texts.append(said.msg.text(**{"symbol": said.symbol, "tag": said.tag, **said.fields}))
            assert (said.source, said.symbol) == (body.bot, body.symbol), texts[-1]
        for alert in self.out.alerts:
            texts.append(alert.text)
            assert (alert.symbol, bool(alert.kind)) == (body.symbol, True), alert.text
        assert [text for text in texts if "{" in text or "None" in text] == []
        asked = [command for command in self.out.commands if isinstance(command, LookUp | ProveFlat)]
        assert {command.account for command in asked} <= {ACCOUNT}
        assert self.out.touched_brackets <= {body.bracket_id}

    def _take_back(self, tag: str) -> bool:
        for queued in self.queue:
            if isinstance(queued, PlaceOrder) and queued.tag == tag:
                self.queue.remove(queued)
                order = self.blotter.withdraw(tag, self.now_ns)
                self.bracket.absorb(order, self.now_ns, self.out)
                return True
        return False

    def enter(self) -> Order:
        self.bracket.enter(self.now_ns, self.out)
        self.collect()
        return self.orders(Role.ENTRY)[0]

    def tick(self, ltp_paise: int) -> None:
        self.set_price(ltp_paise)
        self.bracket.on_tick(self.now_ns, self.out)
        self.collect()

    def wake(self) -> None:
        self.bracket.on_wake(self.now_ns, self.out)
        self.collect()

    def exit(self, reason: str = "Square-Off") -> bool:
        started = self.bracket.exit(reason, self.now_ns, self.out)
        self.collect()
        return started

    def advance(self, span_ns: int) -> None:
        """Let time pass, waking the bracket at every instant it asked for."""
        until_ns = self.now_ns + span_ns
        while True:
            wake_ns = self.bracket.wake_ns(self.now_ns)
            if not wake_ns or wake_ns > until_ns:
                break
            self.now_ns = wake_ns
            self.wake()
        self.now_ns = until_ns

    def merge(self, reports: list[OrderReport], trades: list[Trade], read_ns: int = 0) -> None:
        changed: dict[str, Order] = {}
        for report in reports:
            order = self.blotter.apply_report(ACCOUNT, report, self.now_ns, read_ns=read_ns)
            if order is not None:
                changed[order.tag] = order
        for trade in trades:
            order, is_new = self.blotter.apply_trade(ACCOUNT, trade, self.now_ns)
            if order is not None and is_new:
                changed[order.tag] = order
        for order in changed.values():
            self.bracket.absorb(order, self.now_ns, self.out)
        if changed:
            self.bracket.plan(self.now_ns, self.out)
        self.collect()

    # --- the gateway's part ----------------------------------------------------------------------------------------

    def _priority(self, command: Command) -> int:
        if not isinstance(command, PlaceOrder):
            return 0
        return {Role.ENTRY: 2, Role.TARGET: 1}.get(self.blotter.orders[command.tag].role, 0)

    def next_command(self) -> Command:
        """The head of the queue: exits first, else in the order they were decided."""
        return min(self.queue, key=self._priority)

    def send(self, outcome: str = "ack") -> Command | None:
        """Send the head of the queue. Outcomes: ack, slow_cancel, lost_cancel, not_sent, lost, late, swallowed,
        or a refusal code. The answer stays in flight until `deliver_answer`."""
        if self.in_flight is not None or not self.queue:
            return None
        command = self.next_command()
        self.queue.remove(command)
        order = self.blotter.orders[command.tag]
        if not isinstance(command, CancelOrder) and not order.is_terminal and not self.bracket.fits(order, command):
            self._overtaken(command, order)
            return command
        if outcome != "not_sent":
            self.sent_ns.append(self.now_ns)
        self.in_flight = (command, self._answer(command, outcome))
        return command

    def _overtaken(self, command: Command, order: Order) -> None:
        """A fill came after the decision: the request stays here, as in the gateway."""
        if isinstance(command, PlaceOrder):
            self.bracket.on_order(self.blotter.withdraw(command.tag, self.now_ns), self.now_ns, self.out)
        else:
            self.blotter.apply_modify_answer(command.tag, NotSent(OVERTAKEN), self.now_ns)
            self.bracket.on_order(order, self.now_ns, self.out)
        self.collect()

    def _answer(self, command: Command, outcome: str) -> Answer:
        order = self.blotter.orders[command.tag]
        if not isinstance(command, PlaceOrder) and (order.is_terminal or not order.broker_id):
            return NotSent("the order is finished or was never acknowledged")
        match outcome:
            case "not_sent":
                return NotSent("connection refused")
            case "swallowed":
                return Unknown("nothing reached the exchange")
            case "late":
                self.late.append(command)
                return Unknown("no answer yet")
            case "ack" | "lost":
                answer = self.execute(command)
                return answer if outcome == "ack" else Unknown("the reply was lost")
            case "slow_cancel" | "lost_cancel":
                if not isinstance(command, CancelOrder):
                    return self.execute(command)
                answer = self.venue.cancel(command.tag, at_once=False)
                if outcome == "lost_cancel":
                    self.venue.orders[command.tag].cancel_due = False
                return answer
            case code:
                return Refused(code, code)

    def execute(self, command: Command) -> Answer:
        """What the exchange does with it."""
        match command:
            case PlaceOrder():
                return Acked(self.venue.place(self.blotter.orders[command.tag]).broker_id)
            case ModifyOrder():
                return self.venue.modify(command)
            case _:
                return self.venue.cancel(command.tag)

    def deliver_answer(self) -> None:
        assert self.in_flight is not None
        command, answer = self.in_flight
        self.in_flight = None
        match command:
            case PlaceOrder():
                order = self.blotter.apply_place_answer(command.tag, answer, self.now_ns)
            case ModifyOrder():
                order = self.blotter.apply_modify_answer(command.tag, answer, self.now_ns)
            case _:
                order = self.blotter.apply_cancel_answer(command.tag, answer, self.now_ns)
        self.bracket.on_order(order, self.now_ns, self.out)
        self.collect()
        self.unknown_step[command.tag] = self.step

    # --- the book reader's part --------------------------------------------------------------------------------------

    def read_books(self) -> None:
        """Take a picture of the venue's books; it is merged by `deliver_books`."""
        for command in self.late:
            self.unknown_step[command.tag] = self.step + 1  # the window is still open: this picture proves nothing
        reports = [self.venue.report(order) for order in self.venue.orders.values()]
        self.books.append((reports, list(self.venue.trades), self.step, self.now_ns))

    def deliver_books(self, index: int = 0) -> None:
        reports, trades, began, read_ns = self.books.pop(index)
        self.merge(reports, trades, read_ns)
        self._settle_absent({report.tag for report in reports}, began)

    def _settle_absent(self, listed: set[str], began: int) -> None:
        """Two clean reads that began after the answer, with nothing on its way any more, prove absence (ORD-02)."""
        for order in self.blotter.live_orders():
            if order.state is not OrderState.UNKNOWN or order.tag in listed:
                self.absent.pop(order.tag, None)
            elif began >= self.unknown_step.get(order.tag, 0):
                self.absent[order.tag] = self.absent.get(order.tag, 0) + 1
                if self.absent[order.tag] >= 2:
                    self.prove_absent(order)

    def prove_absent(self, order: Order) -> None:
        self.blotter.prove_absent(order.tag, self.now_ns)
        self.bracket.on_order(order, self.now_ns, self.out)
        self.collect()

    def read_position(self, held_qty: int | None = None) -> None:
        """A read of the broker's positions, begun and answered now; `held_qty` is another answer than the truth."""
        self.proofs.clear()
        held = self.bracket.sign * self.venue.position if held_qty is None else held_qty
        self.bracket.on_position(held, self.now_ns, self.now_ns, self.out)
        if held:
            self.proofs.append(self.now_ns)
        self.collect()

    def deliver_news(self, index: int = 0, *, keep: bool = False) -> None:
        """One push reaches the desk; with `keep` it will come again."""
        news = self.venue.news[index] if keep else self.venue.news.pop(index)
        if isinstance(news, Trade):
            self.merge([], [news])
        else:
            self.merge([news], [])

    # --- an honest world ----------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Everything asked is accepted, every push arrives in order, until nothing moves."""
        for _ in range(500):
            if self.in_flight is not None:
                self.deliver_answer()
            elif self.queue:
                self.send()
            elif self.venue.news:
                self.deliver_news()
            elif self.proofs and not self.venue.position:
                self.read_position()
            else:
                return
        raise AssertionError("the bench does not come to rest")

    def fill(self, order: Order, qty: int = 0, price_paise: int = 0) -> None:
        """Fill at the venue, by default all that remains at its limit; the news still has to be delivered."""
        held = self.venue.orders[order.tag]
        if held.state is OrderState.TRIGGER_PENDING:
            self.venue.trigger(held)
        self.venue.fill(held, qty or held.remaining, price_paise or held.limit_paise or held.trigger_paise, self.now_ns)

    def close_by_hand(self, qty: int) -> Callable[[], None]:
        """The trader closes units in the broker's own terminal; call the answer when reconciliation has found it."""
        price = self.price.tick.ltp_paise
        side = self.body.side.opposite
        made = Trade(
            trade_id=f"H{len(self.venue.trades) + 1}",
            broker_id="HAND",
            tag="",
            symbol=SYMBOL,
            side=side,
            qty=qty,
            price_paise=price,
            at_ns=self.now_ns,
        )
        self.venue.trades.append(made)

        def found() -> None:
            self.bracket.take_away(qty, qty * price, self.now_ns, self.out)
            self.bracket.plan(self.now_ns, self.out)
            self.collect()

        return found

    def match_market(self) -> None:
        """What an exchange with a counterparty does at the present price."""
        ltp = self.price.tick.ltp_paise
        for order in self.venue.live():
            if order.cancel_due:
                self.venue.end(order, OrderState.CANCELLED)
                continue
            reached = ltp <= order.trigger_paise if order.side is Side.SELL else ltp >= order.trigger_paise
            if order.state is OrderState.TRIGGER_PENDING and reached:
                self.venue.trigger(order)
            if order.state is OrderState.TRIGGER_PENDING:
                continue
            touch = ltp + 5 if order.side is Side.BUY else ltp - 5
            through = order.limit_paise >= touch if order.side is Side.BUY else order.limit_paise <= touch
            if through or order.type is OrderType.SL_M:
                self.venue.fill(order, order.remaining, touch, self.now_ns)

    # --- looking --------------------------------------------------------------------------------------------------

    def orders(self, *roles: Role) -> list[Order]:
        return [order for order in self.bracket.mine if order.role in roles]

    def count(self, kind: type[PlaceOrder] | type[ModifyOrder] | type[CancelOrder]) -> int:
        return sum(isinstance(command, kind) for _, command in self.wrote)

    def phrases(self, msg: Msg) -> list[str]:
        return [
            said.msg.text(**{"symbol": said.symbol, "tag": said.tag, **said.fields})
            for said in self.said
            if said.msg is msg
        ]

    def filled_entry(self, price_paise: int = 150_00, qty: int = 0) -> BracketBench:
        """Enter, fill, and let both exits come to rest."""
        entry = self.enter()
        self.settle()
        self.fill(entry, qty, price_paise)
        self.settle()
        return self

    def with_terms(self, **changes: object) -> BracketBench:
        """A fresh bench whose terms differ in some fields."""
        return BracketBench(msgspec.structs.replace(self.terms, **changes), rules=self.rules)


@pytest.fixture(scope="session")
def bench() -> type[BracketBench]:
    """Build one with `bench()` or `bench(BracketTerms(...))`."""
    return BracketBench


@pytest.fixture(scope="session")
def option() -> Instrument:
    """An index option: lot 25, tick 0.05, freeze 1800."""
    return OPTION
