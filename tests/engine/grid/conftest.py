"""One grid against three accounts of a venue made of plain dicts: what rests fills when a test's price reaches it.

The bench does what desk, gateways and book readers do around a bot, without asyncio and with nothing hidden: commands
are carried out at once, fills come back at once unless a test holds them, positions prove flat at once. Paise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import pytest

from engine import refusals
from engine.blotter import Blotter
from engine.grid.bot import GridBot
from engine.grid.level import Level
from engine.grid.terms import GridAccounts, GridTerms, TradeSide
from engine.instant import NS_PER_S, at_ist
from engine.instrument import Instrument, Segment
from engine.order import Order, OrderState, OrderType, Role, Side, Trade
from engine.outbox import CancelOrder, Command, LookUp, ModifyOrder, Outbox, PlaceOrder, ProveFlat
from engine.port import Acked, OrderReport, Refused
from engine.price_book import PriceBook
from engine.tags import TagMaker
from engine.tick import Tick
from engine.venue_rules import VenueRules
from engine.view import BracketState

IRFC = Instrument(symbol="IRFC", exchange="NSE", segment=Segment.EQUITY, lot_size=1, tick_paise=5)
SBIN = Instrument(symbol="SBIN", exchange="NSE", segment=Segment.EQUITY, lot_size=1, tick_paise=5)
ACCOUNTS = GridAccounts(trade="T", upside_oco="U", downside_oco="D")
SEED_TERMS = GridTerms(
    bot="IRFC-SBIN Grid",
    accounts=ACCOUNTS,
    token_a="IRFC",
    token_b="SBIN",
    entry_paise=50_00,
    steps=5,
    spread_paise=1_00,
    target_spread_paise=50,
    oco_spread_paise=2_00,
    qty_a=100,
    qty_b=50,
)
"""The seed's worked example (GRD-60)."""


@dataclass
class VenueOrder:
    order: Order
    broker_id: str
    type: OrderType
    qty: int
    limit: int
    trigger: int
    filled: int = 0
    is_live: bool = True

    @property
    def remaining(self) -> int:
        return self.qty - self.filled if self.is_live else 0


class GridBench:
    """A grid bot, its blotter, three accounts, and a clock moved by hand."""

    def __init__(self, terms: GridTerms = SEED_TERMS, *, a: int = 50_00, b: int = 120_50, **changes: object) -> None:
        from datetime import date, time

        self.terms = msgspec.structs.replace(terms, **changes)
        self.now_ns = at_ist(date(2026, 11, 20), time(9, 30))
        self.prices = {"IRFC": PriceBook(IRFC), "SBIN": PriceBook(SBIN)}
        self.out = Outbox()
        self.blotter = Blotter(self.prices)
        self.tags = TagMaker(1)
        self.venue: dict[str, VenueOrder] = {}
        self.trades: list[tuple[str, Trade]] = []
        self.block = ""
        self.holds: set[str] = set()
        """Accounts that match nothing for now."""
        self.refuse: Callable[[Order], str] = lambda order: ""
        """A refusal code for a new order, or empty."""
        self.wrote: list[tuple[int, Command]] = []
        self.lines: list[str] = []
        self.alarms: dict[str, str] = {}
        self.alerts: list[str] = []
        self.trips: list[object] = []
        self.most_live: dict[tuple[str, str], int] = {}
        self.bot = self.new_bot()
        self.price("IRFC", a)
        self.price("SBIN", b)

    def new_bot(self) -> GridBot:
        rules = {account: VenueRules(name="fake") for account in self.terms.accounts.all}
        bot = GridBot(self.terms, self.prices, rules, self.tags, self.blotter.orders, lambda _now: self.block)
        bot.roll_day("2026-11-20")
        return bot

    # --- time and prices -----------------------------------------------------------------------------------------

    def price(self, symbol: str, ltp: int) -> None:
        """A new price, unheard by the bot."""
        book = self.prices[symbol]
        book.tick = Tick(symbol, self.now_ns, ltp, ltp - 5, 1000, ltp + 5, 1000)
        book.at_ns = self.now_ns

    def tick(self, symbol: str, ltp: int) -> None:
        """A price of both the venue and the bot."""
        self.price(symbol, ltp)
        self.match()
        self.bot.on_tick(symbol, self.now_ns, self.out)
        self.settle()

    def a(self, *prices: int) -> None:
        for ltp in prices:
            self.tick("IRFC", ltp)

    def b(self, *prices: int) -> None:
        for ltp in prices:
            self.tick("SBIN", ltp)

    def cycle(self, count: int = 1, *, quiet: bool = False) -> None:
        """Seconds pass, each with a look of the timer; the feed repeats its prices unless it is quiet."""
        for _ in range(count):
            self.now_ns += NS_PER_S
            if not quiet:
                for symbol, book in self.prices.items():
                    self.price(symbol, book.tick.ltp_paise)
            self.match()
            self.bot.on_wake(self.now_ns, self.out)
            self.settle()

    # --- the desk's and the gateways' part -----------------------------------------------------------------------

    def settle(self) -> None:
        """Carry everything out, and everything that comes of it, until nothing is left."""
        for _ in range(200):
            if not self._carry_out():
                return
        raise AssertionError("the grid never comes to rest")

    def _carry_out(self) -> bool:
        out = self.out
        for order in out.new_orders:
            self.blotter.add(order)
        commands, changed = out.commands, dict[str, Order]()
        for said in out.said:
            self.lines.append(said.msg.text(**{"symbol": said.symbol, "tag": said.tag, **said.fields}))
            assert "{" not in self.lines[-1] and "None" not in self.lines[-1], self.lines[-1]
        for alarm_id, text in out.alarms.items():
            self.alarms.pop(alarm_id, None)
            if text:
                self.alarms[alarm_id] = text
        self.alerts += [alert.text for alert in out.alerts]
        for trip in out.round_trips:
            self.trips.append(trip)
        trips = out.round_trips
        out.clear()
        for trip in trips:
            self.bot.book(trip, None, out)
        proofs: list[str] = []
        for command in commands:
            match command:
                case LookUp():
                    continue
                case ProveFlat():
                    proofs.append(command.bracket_id)
                case _:
                    self.wrote.append((self.now_ns, command))
                    order = self._do(command)
                    changed[order.tag] = order
        for report_account, report in self._reports():
            known = self.blotter.orders[report.tag].fingerprint()
            order = self.blotter.apply_report(report_account, report, self.now_ns)
            if order is not None and order.fingerprint() != known:
                changed[order.tag] = order
        for account, trade in self._new_trades():
            order, _ = self.blotter.apply_trade(account, trade, self.now_ns)
            if order is not None:
                changed[order.tag] = order
        if changed:
            self.bot.on_orders(list(changed.values()), self.now_ns, out)
        for bracket_id in proofs:
            self.now_ns += 1
            self.bot.brackets[bracket_id].on_position(0, self.now_ns, self.now_ns, out)
            self.bot.plan(self.now_ns, out)
        self._count_live()
        return bool(changed or proofs or out.commands or out.new_orders or out.said)

    def _do(self, command: Command) -> Order:
        order = self.blotter.orders[command.tag]
        match command:
            case PlaceOrder():
                code = self.refuse(order)
                if code:
                    return self.blotter.apply_place_answer(order.tag, Refused(code, code), self.now_ns)
                placed = VenueOrder(
                    order, f"V{len(self.venue) + 1}", order.type, order.qty, order.limit_paise, order.trigger_paise
                )
                self.venue[order.tag] = placed
                done = self.blotter.apply_place_answer(order.tag, Acked(placed.broker_id), self.now_ns)
            case ModifyOrder():
                placed = self.venue[order.tag]
                if not placed.is_live:
                    refused = Refused(refusals.ALREADY_FINISHED, "complete")
                    return self.blotter.apply_modify_answer(order.tag, refused, self.now_ns)
                placed.type, placed.qty = command.type, command.qty
                placed.limit, placed.trigger = command.limit_paise, command.trigger_paise
                done = self.blotter.apply_modify_answer(order.tag, Acked(placed.broker_id), self.now_ns)
            case CancelOrder():
                placed = self.venue.get(order.tag)
                if placed is None:
                    return self.blotter.withdraw(order.tag, self.now_ns)
                if not placed.is_live:
                    refused = Refused(refusals.ALREADY_FINISHED, "complete")
                    return self.blotter.apply_cancel_answer(order.tag, refused, self.now_ns)
                placed.is_live = False
                done = self.blotter.apply_cancel_answer(order.tag, Acked(placed.broker_id), self.now_ns)
            case _:
                raise AssertionError(command)
        self.match()
        return done

    def _reports(self) -> list[tuple[str, OrderReport]]:
        return [(placed.order.account, self.report(placed)) for placed in self.venue.values()]

    def report(self, placed: VenueOrder) -> OrderReport:
        order = placed.order
        if placed.is_live:
            state = (
                OrderState.PART_FILLED
                if placed.filled
                else OrderState.TRIGGER_PENDING
                if placed.trigger
                else OrderState.WORKING
            )
        else:
            state = OrderState.FILLED if placed.filled == placed.qty else OrderState.CANCELLED
        return OrderReport(
            tag=order.tag,
            broker_id=placed.broker_id,
            symbol=order.symbol,
            side=order.side,
            type=placed.type,
            product=order.product,
            qty=placed.qty,
            limit_paise=placed.limit,
            trigger_paise=placed.trigger,
            state=state,
            filled_qty=placed.filled,
            average_paise=0,
        )

    def _new_trades(self) -> list[tuple[str, Trade]]:
        new, self._unheard = self._unheard, []
        return new

    _unheard: list[tuple[str, Trade]] = []

    def _count_live(self) -> None:
        live: dict[tuple[str, str], int] = {}
        for placed in self.venue.values():
            if placed.is_live and placed.order.role is Role.HEDGE:
                key = (placed.order.account, placed.order.side.value)
                live[key] = live.get(key, 0) + 1
        for key, count in live.items():
            self.most_live[key] = max(count, self.most_live.get(key, 0))

    # --- the venue -----------------------------------------------------------------------------------------------

    def match(self) -> None:
        """Fill what the newest prices reach, at the order's own price or better."""
        for placed in list(self.venue.values()):
            order = placed.order
            if not placed.is_live or order.account in self.holds:
                continue
            ltp, sign = self.prices[order.symbol].tick.ltp_paise, order.side.sign
            if placed.trigger and sign * (ltp - placed.trigger) >= 0:
                placed.trigger = 0  # triggered: now a limit
            if not placed.trigger and sign * (placed.limit - ltp) >= 0:
                rests = placed.type is OrderType.LIMIT and order.type is not OrderType.MARKET
                self.fill(
                    placed,
                    placed.remaining,
                    placed.limit if rests and placed.limit and order.role is not Role.HEDGE else ltp,
                )

    def fill(self, placed: VenueOrder, qty: int, price: int) -> None:
        placed.filled += qty
        if placed.filled == placed.qty:
            placed.is_live = False
        order = placed.order
        trade = Trade(
            trade_id=f"X{len(self.trades) + 1}",
            broker_id=placed.broker_id,
            tag=order.tag,
            symbol=order.symbol,
            side=order.side,
            qty=qty,
            price_paise=price,
            at_ns=self.now_ns,
        )
        self.trades.append((order.account, trade))
        self._unheard = [*self._unheard, (order.account, trade)]

    def hear(self) -> None:
        """The bot hears what the venue has done."""
        self._carry_out()
        self.settle()

    # --- looking -------------------------------------------------------------------------------------------------

    def live(self, role: Role | None = None, account: str = "") -> list[str]:
        """`BUY LIMIT 100 @ 49.00 T` of what rests; stops show their trigger."""
        rows: list[str] = []
        for placed in self.venue.values():
            order = placed.order
            if placed.is_live and role in (None, order.role) and account in ("", order.account):
                at = placed.trigger or placed.limit
                rows.append(
                    f"{order.side.value} {placed.type.value} {placed.remaining} @ {at / 100:.2f} {order.account}"
                )
        return sorted(rows)

    def level(self, label: str) -> Level:
        return next(level for level in self.bot.body.levels if level.label == label)

    def net(self, symbol: str, account: str = "") -> int:
        mine = [t for where, t in self.trades if t.symbol == symbol and account in ("", where)]
        return sum(trade.side.sign * trade.qty for trade in mine)

    def said(self, start: str) -> list[str]:
        return [line for line in self.lines if start in line]

    @property
    def counters(self) -> tuple[int, int, int, int]:
        """upside net, downside net, upside oco, downside oco (GRD-31)."""
        bot = self.bot
        nets = (bot.net_qty(TradeSide.UPSIDE), bot.net_qty(TradeSide.DOWNSIDE))
        return (*nets, bot.body.upside_oco, bot.body.downside_oco)

    def is_flat(self) -> bool:
        return all(bracket.body.state is BracketState.FLAT for bracket in self.bot.brackets.values())


@pytest.fixture
def bench() -> GridBench:
    """The seed's worked example at 50.00 / 120.50, its first entries resting."""
    made = GridBench()
    made.cycle()
    return made


@pytest.fixture
def grid() -> type[GridBench]:
    return GridBench


SELL, BUY = Side.SELL, Side.BUY
