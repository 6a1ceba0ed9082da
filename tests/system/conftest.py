"""A whole desk on virtual time: real core, journal in memory, real gateway, real paper exchange, prices by hand.

`bench` runs one async scenario; the port is wrapped in a `Venue` that records every call and can be told to refuse,
lose an answer, or stay silent.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, time
from random import Random
from typing import get_type_hints

import msgspec
import pytest

from brokers.paper.account import Latency, PaperAccount
from brokers.paper.exchange import PaperExchange
from brokers.paper.rules import PaperRules
from engine.alerts import AlertBook
from engine.bot import BotTimes
from engine.bracket_state import BracketTerms
from engine.charges import ChargeBook, read_charge_tables
from engine.clock import LoopClock
from engine.desk import Desk
from engine.desk_parts import DeskLabels, DeskParts, DeskTimes, GroupParts
from engine.desk_view import DeskConsole
from engine.entry_trigger import TriggerSettings
from engine.exit_rules.lock_fraction import LockFraction
from engine.exit_rules.registry import encode_rules
from engine.gateway import GatewayLimits
from engine.grid.parts import GridParts
from engine.grid.terms import GridTerms
from engine.instant import NS_PER_S, at_ist, ist_date, ns_from_s
from engine.instrument import Instrument, OptionType, Segment
from engine.journal.store import Journal
from engine.journal.writer import InlineWriter
from engine.legs import LegsTerms, PairPolicy
from engine.log import LogBook
from engine.money import rupees_text
from engine.operator import Enter
from engine.order import Role, Side, Trade
from engine.order_charges import OrderCharges
from engine.port import Answer, OrderChange, OrderReport, OrderRequest, PositionReport, ReadFailed, Unknown
from engine.risk import RiskLimits
from engine.secrets import Redactions
from engine.session import Calendar
from engine.tick import Tick
from engine.virtual_time import run_virtual

DAY = date(2026, 11, 25)
PE = "NIFTY01DEC2624500PE"
CE = "NIFTY01DEC2624500CE"
START = at_ist(DAY, time(10, 0))
LOT = 65


def option(symbol: str, *, lot: int = LOT) -> Instrument:
    kind = OptionType(symbol[-2:])
    return Instrument(
        symbol=symbol,
        exchange="NFO",
        segment=Segment.INDEX_OPTION,
        lot_size=lot,
        tick_paise=5,
        freeze_qty=1800,
        underlying="NIFTY",
        expiry=date(2026, 12, 1),
        strike_paise=24_500_00,
        option_type=kind,
    )


_ROLES = {"E": Role.ENTRY, "H": Role.HEDGE, "T": Role.TARGET, "S": Role.STOP, "X": Role.EXIT, "R": Role.REPAIR}


def _role_of(tag: str) -> Role:
    return _ROLES[tag[-1]]


class Venue:
    """The paper account as the desk sees it, with a record of every call and scripted trouble."""

    def __init__(self, account: PaperAccount, clock: LoopClock) -> None:
        self.inner = account
        self.clock = clock
        self.calls: list[tuple[str, OrderRequest | OrderChange | str]] = []
        self.spans: list[tuple[int, int]] = []
        self.script: Callable[[str, object], Answer | None] = lambda op, request: None
        """Return an answer to give it instead of asking the exchange."""
        self.lose_answers = False
        """The exchange does it, the reply is lost."""
        self.reads_fail = False
        self.read_delay_s = 0.0
        self.write_delay_s = 0.0
        self.reads = 0
        self.logins = 0
        self.mute_pushes = False
        self.hide_trades = False
        """Trade records neither come by push nor stand in the book."""
        self.hide_averages = False
        """Order reports come without an average price (LEG-48)."""

    @property
    def account_id(self) -> str:
        return self.inner.account_id

    @property
    def rules(self):
        return self.inner.rules

    @property
    def ambiguity_s(self) -> float:
        return 0.0

    def listen(self, on_order, on_trade) -> None:
        self.inner.listen(
            lambda report: None if self.mute_pushes else on_order(self._shown(report)),
            lambda trade: None if self.mute_pushes or self.hide_trades else on_trade(trade),
        )

    def _shown(self, report: OrderReport) -> OrderReport:
        return msgspec.structs.replace(report, average_paise=0) if self.hide_averages else report

    async def connect(self) -> None:
        self.logins += 1
        await self.inner.connect()

    async def close(self) -> None:
        await self.inner.close()

    async def _write(self, op: str, request, call: Callable[[], Awaitable[Answer]]) -> Answer:
        began = self.clock.now_ns()
        self.calls.append((op, request))
        if self.write_delay_s:
            await self.clock.sleep_until(began + ns_from_s(self.write_delay_s))
        scripted = self.script(op, request)
        answer = scripted if scripted is not None else await call()
        self.spans.append((began, self.clock.now_ns()))
        return Unknown("the reply was lost") if self.lose_answers and scripted is None else answer

    async def place(self, request: OrderRequest) -> Answer:
        return await self._write("place", request, lambda: self.inner.place(request))

    async def modify(self, change: OrderChange) -> Answer:
        return await self._write("modify", change, lambda: self.inner.modify(change))

    async def cancel(self, tag: str, broker_id: str) -> Answer:
        return await self._write("cancel", tag, lambda: self.inner.cancel(tag, broker_id))

    async def _read(self, call):
        self.reads += 1
        if self.read_delay_s:
            await self.clock.sleep_until(self.clock.now_ns() + ns_from_s(self.read_delay_s))
        if self.reads_fail:
            raise ReadFailed("scripted: the books cannot be read")
        return await call()

    async def read_orders(self) -> Sequence[OrderReport]:
        return [self._shown(report) for report in await self._read(self.inner.read_orders)]

    async def read_trades(self) -> Sequence[Trade]:
        trades = await self._read(self.inner.read_trades)
        return [] if self.hide_trades else trades

    async def read_positions(self) -> Sequence[PositionReport]:
        return await self._read(self.inner.read_positions)

    def placed(self, role: Role | None = None, symbol: str = "") -> list[OrderRequest]:
        requests = [request for op, request in self.calls if op == "place"]
        return [r for r in requests if (role is None or _role_of(r.tag) is role) and (not symbol or r.symbol == symbol)]

    def story(self, symbol: str = "") -> list[str]:
        """Every write in order, in words: `place stop SELL SL 75 144.00/145.00`, `modify stop 25`, `cancel target`."""
        symbols = {r.tag: r.symbol for r in self.placed()}
        lines: list[str] = []
        for op, request in self.calls:
            tag = request if isinstance(request, str) else request.tag
            if symbol and symbols.get(tag, symbol) != symbol:
                continue
            words = [op, _role_of(tag).value]
            if isinstance(request, OrderRequest):
                words.append(request.side.value)
            if not isinstance(request, str):
                prices = f"{rupees_text(request.limit_paise)}/{rupees_text(request.trigger_paise)}"
                words += [request.type.value, str(request.qty), prices]
            lines.append(" ".join(words))
        return lines


class HandMarket:
    """A market port whose ticks are pushed by the test."""

    def __init__(self) -> None:
        self.listeners: list[Callable[[Tick], None]] = []

    def listen(self, on_tick) -> None:
        self.listeners.append(on_tick)

    async def connect(self) -> None: ...

    async def close(self) -> None: ...

    async def subscribe(self, symbols) -> None: ...

    async def instruments(self):
        return []

    async def quote(self, symbol: str) -> Tick:
        raise ReadFailed("no quotes by hand")


@dataclass
class Group:
    """One more group of legs in the same desk; what is left out is as in the first."""

    name: str
    symbols: tuple[str, ...]
    lots: int = 1
    bracket: BracketTerms | None = None
    limits: RiskLimits = field(default_factory=RiskLimits)
    bot_times: BotTimes | None = None
    trigger: TriggerSettings | None = None
    account: str = "paper"


@dataclass
class Setup:
    """What a scenario may change before the desk is built."""

    bracket: BracketTerms = field(default_factory=BracketTerms)
    symbols: tuple[str, ...] = (PE, CE)
    """Empty: no legs trade, only the grids."""
    lots: int = 1
    pair_policy: PairPolicy = PairPolicy.INDEPENDENT
    limits: RiskLimits = field(default_factory=RiskLimits)
    trigger: TriggerSettings | None = None
    times: DeskTimes = field(default_factory=DeskTimes)
    bot_times: BotTimes = field(default_factory=BotTimes)
    rules: PaperRules = field(default_factory=PaperRules)
    gateway: GatewayLimits = field(default_factory=GatewayLimits)
    latency: Latency = field(default_factory=lambda: Latency(request_ms=(10, 10), push_ms=(5, 5), overtake_pct=0))
    start_ns: int = START
    seed: int = 1
    lot_of: dict[str, int] = field(default_factory=dict)
    instruments: dict[str, Instrument] = field(default_factory=dict)
    product: str = "MIS"
    groups: tuple[Group, ...] = ()
    grids: tuple[GridTerms, ...] = ()
    accounts: tuple[str, ...] = ("paper",)
    """All at one exchange; the first group trades the first."""

    @property
    def all_symbols(self) -> tuple[str, ...]:
        legs = [*self.symbols, *(symbol for group in self.groups for symbol in group.symbols)]
        tokens = [symbol for grid in self.grids for symbol in (grid.token_a, grid.token_b) if symbol]
        return tuple(dict.fromkeys([*legs, *tokens]))


class Rig:
    """One desk and its venue."""

    def __init__(
        self,
        setup: Setup,
        journal: Journal | None = None,
        exchange: PaperExchange | None = None,
        clock: LoopClock | None = None,
        market: HandMarket | None = None,
    ) -> None:
        self.setup = setup
        self.clock = clock or LoopClock(asyncio.get_running_loop(), setup.start_ns)
        self.instruments = {
            symbol: setup.instruments.get(symbol) or option(symbol, lot=setup.lot_of.get(symbol, LOT))
            for symbol in setup.all_symbols
        }
        self.calendar = Calendar.load()
        self.market = market or HandMarket()
        self.feed = self.market
        """Where the desk has its prices from."""
        self.exchange = exchange or PaperExchange(list(self.instruments.values()), setup.rules, lambda *_: True)
        if market is None:  # a market of the caller's own has its exchange already
            self.market.listen(self.exchange.on_tick)
        self.venues = {name: self._venue(name) for name in setup.accounts}
        self.venue = next(iter(self.venues.values()))
        self.journal = journal or Journal.in_memory()
        self.twins: list[dict[str, object]] = []
        """Every written line as its JSON record."""
        self.alerts = AlertBook()
        self.log = LogBook(Redactions(), sinks=[self], alerts=self.alerts)
        self.alarms: list[str] = []
        self.desk = self.build()
        self.console = DeskConsole(self.desk, self.alerts)
        self.sequence = 0

    def _venue(self, account: str) -> Venue:
        random = Random(self.setup.seed)
        return Venue(PaperAccount(account, self.exchange, self.clock, random, latency=self.setup.latency), self.clock)

    def build(self) -> Desk:
        setup = self.setup
        now = self.clock.now_ns()
        run_no = self.journal.start_run(started_ns=now, version="test", mode="paper", account="paper")
        charges = OrderCharges(ChargeBook(read_charge_tables(), 2000), self.instruments)
        terms = LegsTerms(
            bot="random_scalp_live",
            account="paper",
            exchange="NFO",
            product=setup.product,
            lots=setup.lots,
            pair_policy=setup.pair_policy,
            bracket=setup.bracket,
            limits=setup.limits,
            times=setup.bot_times,
        )
        return Desk(
            DeskParts(
                clock=self.clock,
                ports=tuple(self.venues.values()),
                market=self.feed,
                instruments=self.instruments,
                calendar=self.calendar,
                writer=InlineWriter(self.journal, asyncio.get_running_loop(), self._on_journal_error),
                log=self.log,
                alerts=self.alerts,
                run_no=run_no,
                bots=(
                    *([GroupParts(terms=terms, legs=setup.symbols, trigger=setup.trigger)] if setup.symbols else []),
                    *(self._more(group, terms) for group in setup.groups),
                    *(GridParts(terms=grid) for grid in setup.grids),
                ),
                risk=setup.limits,
                times=setup.times,
                labels=DeskLabels(mode="PAPER TEST", broker="paper", is_live=False),
                limits=setup.gateway,
                restored=self.journal.load(*setup.accounts, trading_day=ist_date(now).isoformat()),
                charges_of=charges.paise,
                on_alarm=self.alarms.append,
            )
        )

    def _more(self, group: Group, first: LegsTerms) -> GroupParts:
        terms = msgspec.structs.replace(
            first,
            bot=group.name,
            account=group.account,
            lots=group.lots,
            bracket=group.bracket or first.bracket,
            limits=group.limits,
            times=group.bot_times or first.times,
        )
        return GroupParts(terms=terms, legs=group.symbols, trigger=group.trigger)

    def _on_journal_error(self, error) -> None:
        self.desk.on_journal_error(error)

    def write(self, entries) -> None:
        """The rig is a sink of its own log."""
        self.twins += [json.loads(entry.as_json("random_scalp_live")) for entry in entries]

    async def kill(self) -> bytes:
        """End the desk as `kill -9` does: what is on the wire still arrives. Returns the image of its journal."""
        desk = self.desk
        desk.timer.disarm()
        for account in desk.accounts.values():
            account.reader.close()
        self.market.listeners.clear()
        for venue in self.venues.values():
            venue.mute_pushes = True
        for task in list(desk._tasks):
            task.cancel()
        await asyncio.gather(*desk._tasks, return_exceptions=True)
        return self.journal.image()

    async def revived(self, image: bytes, **changes: object) -> Rig:
        """A second desk on what the first one left: its journal, the living exchange, the same clock."""
        setup = dataclasses.replace(self.setup, **changes)
        again = Rig(setup, Journal.in_memory(image), self.exchange, self.clock)
        await again.desk.start()
        return again

    # --- the test's hands

    def tick(self, symbol: str, ltp: float, *, bid: float = 0, ask: float = 0, size: int = 100_000) -> None:
        paise = round(ltp * 100)
        low, high = round(bid * 100) or paise, round(ask * 100) or paise
        made = Tick(symbol, self.clock.now_ns(), paise, low, size, high, size)
        for listener in list(self.market.listeners):
            listener(made)

    def ticks(self, ltp: float = 100.0) -> None:
        for symbol in self.setup.all_symbols:
            self.tick(symbol, ltp)

    async def pass_s(self, seconds: float) -> None:
        await self.clock.sleep_until(self.clock.now_ns() + ns_from_s(seconds))

    async def quiet(self, seconds: float, price: dict[str, float] | float = 100.0, step: float = 1.0) -> None:
        """Let time pass with prices coming in, so that nothing goes blind."""
        until = self.clock.now_ns() + ns_from_s(seconds)
        while self.clock.now_ns() < until:
            prices = price if isinstance(price, dict) else dict.fromkeys(self.setup.all_symbols, price)
            for symbol, ltp in prices.items():
                self.tick(symbol, ltp)
            await self.pass_s(min(step, (until - self.clock.now_ns()) / NS_PER_S) or step)

    def request(self, kind, **fields) -> None:
        self.sequence += 1
        self.desk.submit(kind(request_id=f"r{self.sequence}", **fields))

    async def enter(self, price: float = 100.0) -> None:
        """Both legs bought and protected at `price`."""
        self.ticks(price)
        self.request(Enter, side=Side.BUY)
        await self.pass_s(0.5)

    async def wait_until(self, true: Callable[[], bool], limit_s: float = 60.0, step: float = 0.001) -> float:
        """Seconds until something holds, looked at every `step`; fails after `limit_s`."""
        began = self.clock.now_ns()
        while not true():
            assert self.clock.now_ns() - began < ns_from_s(limit_s), "it never came true"
            await self.pass_s(step)
        return (self.clock.now_ns() - began) / NS_PER_S

    def drain(self) -> None:
        """Every bracket plans once more: nothing must come of it when nothing changed."""
        self.desk.step(self.desk.check_status)

    def facts(self, symbol: str):
        return self.leg(symbol).facts()

    def trades(self) -> list[tuple[str, int, str]]:
        """(symbol, net paise, reason) of the day's trade rows, as the journal has them."""
        rows = self.journal.load("paper", trading_day=ist_date(self.clock.now_ns()).isoformat()).trades_today
        return [(row.symbol, row.net_paise, row.reason) for row in rows]

    @property
    def bot(self):
        """The only bot, or the first of several."""
        return next(iter(self.desk.bots.values()))

    def leg(self, symbol: str, bot: str = ""):
        return (self.desk.bots[bot] if bot else self.bot).legs[symbol]

    def texts(self) -> list[str]:
        return [line.text for line in self.log.lines_since(0)]

    def said(self, part: str) -> list[str]:
        return [text for text in self.texts() if part in text]

    def net(self, symbol: str, account: str = "paper") -> int:
        held = [p.net_qty for p in self.exchange.positions(account) if p.symbol == symbol]
        return sum(held)

    def working(self, symbol: str | None = None, account: str = "paper") -> list[OrderReport]:
        live = {"working", "trigger-pending", "part-filled"}
        orders = self.exchange.orders(account)
        return [o for o in orders if o.state.value in live and (symbol is None or o.symbol == symbol)]


@pytest.fixture
def run_desk():
    """`run_desk(scenario, setup)`: start a desk, run the scenario on it, stop it; returns what the scenario returns."""

    def run(scenario: Callable[[Rig], Awaitable[object]], setup: Setup | None = None, **parts):
        async def main():
            rig = Rig(setup or Setup(), **parts)
            await rig.desk.start()
            result = await scenario(rig)
            assert not rig.desk.failures, list(rig.desk.failures)
            return result

        return run_virtual(main())

    return run


@pytest.fixture
def seed_setup():
    """The seed's own terms: lot 75, target and stop offsets in rupees; other words are fields of `Setup` or terms."""

    def build(target: float = 5, stop: float = 5, lot: int = 75, **changes: object) -> Setup:
        fields = {name: changes.pop(name) for name in list(changes) if name in Setup.__dataclass_fields__}
        setup = Setup(**fields)
        terms = {"target_offset_paise": round(target * 100), "stop_offset_paise": round(stop * 100), **changes}
        if "trail" in terms:
            terms["rules"] = encode_rules([LockFraction(**terms.pop("trail"))])
        hints = get_type_hints(BracketTerms)
        typed = {name: msgspec.convert(value, hints[name]) for name, value in terms.items()}
        setup.bracket = msgspec.structs.replace(setup.bracket, **typed)
        setup.lot_of = dict.fromkeys(setup.all_symbols, lot) | setup.lot_of
        return setup

    return build


@pytest.fixture
def group():
    """`group(name, symbols, **terms)`: one more group in the desk of a `Setup`."""
    return Group


@pytest.fixture
def equity() -> Instrument:
    """A share: the one kind of contract here for which the exchange takes an SL-M."""
    return Instrument(symbol="ACME", exchange="NSE", segment=Segment.EQUITY, lot_size=1, tick_paise=5)
