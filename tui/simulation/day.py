"""One simulated day: market, exchange, desk, trader, faults and oracle from one seed, run in virtual time to the close.

The desk is the real one, with the real journal (SQLite in memory), gateway and log; only the clock is virtual. The
faults end before the square-off, so that the rest of the day is quiet and must come to rest (faults §7.4).
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections import Counter
from collections.abc import Callable
from datetime import time as time_of_day
from random import Random
from typing import Final

import msgspec

from brokers.paper.account import PaperAccount
from brokers.paper.demo_market import DEMO_DAY, INDEX, DemoMarket
from brokers.paper.index_path import IndexPath
from engine.alerts import AlertBook
from engine.charges import ChargeBook, read_charge_tables
from engine.clock import LoopClock
from engine.desk_parts import DeskLabels, DeskParts, DeskTimes, GroupParts
from engine.desk_view import DeskConsole
from engine.gateway import GatewayLimits
from engine.instant import NS_PER_S, at_ist
from engine.journal.store import Journal
from engine.journal.writer import InlineWriter
from engine.log import LogBook
from engine.order import Role
from engine.order_charges import OrderCharges
from engine.port import BrokerPort
from engine.secrets import Redactions
from engine.session import Calendar, SessionClass
from engine.tick import Tick
from engine.tick_feed import feed_ticks
from engine.virtual_time import VirtualLoop, run_virtual
from tui.simulation.day_market import DayMarket
from tui.simulation.exit_checks import ExitQty, ExitSize, Flat, InTime, NoReverse, Protected, StopOnlyTightens
from tui.simulation.faults import FaultLayer
from tui.simulation.money_checks import CriticalIsHeard, FillOnce, LedgerAgrees, ProfitIsExact
from tui.simulation.oracle import Check, FinalCheck, Oracle, Verdicts, Violation
from tui.simulation.request_checks import (
    Budget,
    ForeignUntouched,
    FreshPrice,
    IntentBeforeSend,
    ModifyCap,
    Monotone,
    NoBlindResend,
    NoDuplicate,
    OneMarketExit,
    WellFormed,
)
from tui.simulation.screen_checks import Converged, TruthfulScreen, Undisturbed
from tui.simulation.seed_terms import Profile, SeedTerms, contracts_at_the_money, seed_terms
from tui.simulation.story import story_line
from tui.simulation.trader import Trader
from tui.simulation.truth import Trace, Truth
from tui.simulation.witness import WatchedDesk, WatchedExchange, WitnessPort, WitnessStore

FAULTS_END: Final = time_of_day(15, 5)
SQUARE_OFF: Final = time_of_day(15, 15)
CUT_OFF: Final = time_of_day(15, 20)
"""When a broker begins to square off intraday positions itself (facts/market.md)."""
_REST_NS: Final = 5 * NS_PER_S


class DayPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What to simulate."""

    seed: int
    profile: Profile = Profile.SWARM
    until: time_of_day | None = None
    """Stop at this instant of the day, for a replay to one event; None = the whole day."""
    faults_end: time_of_day = FAULTS_END
    verbose: bool = False


class DayResult(msgspec.Struct, frozen=True, kw_only=True):
    """What one seed's day came to."""

    seed: int
    profile: Profile
    round_trips: int
    exits: int
    """Positions that were left by a marketable exit."""
    exits_first_try: int
    """Of these, left by one closing order that was never re-priced or sent again."""
    faults: dict[str, int]
    naked_worst_ns: int
    """Longest time that a filled unit stood without a working exit, styles that rest a stop."""
    requests: int
    commits: int
    looks: int
    decision_hash: str
    violations: tuple[Violation, ...]
    broken: dict[str, int]
    spent_s: float
    """Real seconds."""

    @property
    def is_clean(self) -> bool:
        return not self.violations


def run_day(plan: DayPlan, on_line: Callable[[str], None] | None = None) -> DayResult:
    """Simulate one day; `on_line` hears the story as it happens when the plan is verbose."""
    started = time.perf_counter()
    was_enabled = gc.isenabled()
    gc.disable()  # a day makes little garbage in cycles; collecting it all the time costs a tenth of the day
    try:
        result = run_virtual(_Day(plan, on_line).run())
    finally:
        if was_enabled:
            gc.enable()
    gc.collect()
    return msgspec.structs.replace(result, spent_s=time.perf_counter() - started)


class _Day:
    """Puts the world together and runs it."""

    def __init__(self, plan: DayPlan, on_line: Callable[[str], None] | None) -> None:
        self.plan = plan
        self._on_line = on_line if plan.verbose else None
        self.calendar = Calendar.load()
        session = self.calendar.trading_day(DEMO_DAY)
        assert session is not None
        self.open_ns = session.open_ns(SessionClass.OPTIONS)
        self.close_ns = session.close_ns(SessionClass.OPTIONS)
        self.quiet_ns = at_ist(DEMO_DAY, plan.faults_end)
        self.terms: SeedTerms = seed_terms(plan.seed, plan.profile, self.open_ns, self.quiet_ns)

    async def run(self) -> DayResult:
        await self._build()
        await self.desk.start()
        self.trader.sit_down(self.terms.presses)
        self.faults.hand.start()
        end_ns = self.close_ns - _REST_NS
        if self.plan.until is not None:
            # The event itself belongs to the replay: it ends a millisecond after the instant shown.
            end_ns = min(end_ns, at_ist(DEMO_DAY, self.plan.until) + 1_000_000)
        ticks = self.day_market.ticks(self.path_day, end_ns)
        await feed_ticks(ticks, self.loop, self.clock, self.day_market.push, _nobody)
        await self.clock.sleep_until(end_ns)
        self._look()
        if self.plan.until is None:
            await self._close()
        return self._result()

    async def _close(self) -> None:
        """The last look: everything must have come to rest; then the desk is stopped as at any day's end."""
        self.oracle.finish()
        await self.desk.stop("the day is over", flatten=True)

    # --- building

    async def _build(self) -> None:
        terms = self.terms
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        self.loop = loop
        self.clock = LoopClock(loop, self.open_ns)
        demo = self._demo()
        self.day_market = DayMarket(demo)
        master = list(await demo.instruments())
        index = await demo.quote(INDEX)
        put, call = contracts_at_the_money(master, index.ltp_paise)
        instruments = {put.symbol: put, call.symbol: call}
        account_id = f"SIM{terms.seed}"
        self.exchange = WatchedExchange(instruments.values(), terms.rules, self._is_open)
        account = PaperAccount(
            account_id, self.exchange, self.clock, Random(f"{terms.seed}/wire"), latency=terms.latency
        )
        self.faults = FaultLayer(
            terms.seed,
            terms.profile,
            (self.open_ns, self.quiet_ns),
            account,
            self.exchange,
            self.day_market,
            self.clock,
        )
        port = self.faults.account
        self.market = self.faults.market
        self.market.listen_truth(self.exchange.on_tick)
        self.truth = Truth(account_id, instruments, round(port.ambiguity_s * NS_PER_S))
        if self._on_line is not None:
            self.truth.on_trace.append(lambda trace: self._tell(trace))
        self.truth.spells, self.truth.tag_of = self.faults.spells(), self.faults.tag_of
        self.market.listen(self.truth.on_tick)
        self.exchange.watch(self.truth, self._look, self.clock.now_ns)
        self.journal = Journal.in_memory()
        self.desk = WatchedDesk(self._parts(port, instruments), self._look)
        self.console = DeskConsole(self.desk)
        self.trader = Trader(self.desk, self.clock, self.truth, tuple(instruments))
        self._judge(account_id)

    def _demo(self) -> DemoMarket:
        def session(day):
            found = self.calendar.trading_day(day)
            assert found is not None
            return found.open_ns(SessionClass.OPTIONS), found.close_ns(SessionClass.OPTIONS)

        def next_day(day):
            following = self.calendar.next_trading_day(day)
            assert following is not None
            return following

        seed = self.terms.seed
        self.path_day = IndexPath(seed, DEMO_DAY, session, next_day, self.terms.path).day(DEMO_DAY)
        return DemoMarket(seed, self.open_ns, self.clock, session, next_day, model=self.terms.path)

    def _parts(self, port: BrokerPort, instruments) -> DeskParts:
        now_ns = self.clock.now_ns()
        account = port.account_id
        run_no = self.journal.start_run(
            started_ns=now_ns, version="simulation", mode="SIMULATION", account=account, seed=self.terms.seed
        )
        alerts = AlertBook()
        alerts.listen(lambda alert: self.truth.heard.append((alert.at_ns, alert.symbol, alert.text)))
        store = WitnessStore(self.journal, self.truth, self.clock.now_ns)
        charges = OrderCharges(ChargeBook(read_charge_tables(), 2000), instruments)
        return DeskParts(
            clock=self.clock,
            port=WitnessPort(port, self.truth, self._look, self.clock.now_ns),
            market=self.market,
            instruments=instruments,
            calendar=self.calendar,
            writer=InlineWriter(store, self.loop, lambda error: self.desk.on_journal_error(error)),
            # Only the words: what a file would get besides is not made. The ring and the alerts are the real ones.
            log=LogBook(Redactions(), level="CRITICAL", alerts=alerts, ring_max=50),
            alerts=alerts,
            run_no=run_no,
            groups=(
                GroupParts(terms=self.terms.legs_terms(account), legs=tuple(instruments), trigger=self.terms.trigger),
            ),
            times=DeskTimes(),
            labels=DeskLabels(mode="SIMULATION", broker="paper", is_live=False),
            limits=GatewayLimits(),
            restored=self.journal.load(account, trading_day=DEMO_DAY.isoformat()),
            charges_of=charges.paise,
        )

    def _judge(self, account_id: str) -> None:
        truth = self.truth
        self.protected, fills = Protected(), FillOnce()
        checks: list[Check] = [
            *(IntentBeforeSend(), NoDuplicate(), NoBlindResend(), OneMarketExit(), Budget(), WellFormed()),
            *(ModifyCap(self.exchange.venue.modify_cap), Monotone(), ForeignUntouched()),
            FreshPrice(self.terms.bracket.max_tick_age_ns),
            *(ExitQty(), ExitSize(), NoReverse(), StopOnlyTightens(), self.protected, Flat(), fills, CriticalIsHeard()),
            InTime(at_ist(DEMO_DAY, SQUARE_OFF), at_ist(DEMO_DAY, CUT_OFF)),
            TruthfulScreen(self.console),
        ]
        final: list[FinalCheck] = [fills, ProfitIsExact(), Converged(self.desk)]
        final.append(
            LedgerAgrees(
                self.terms.rules.funds_paise,
                lambda: self.exchange.funds(account_id).cash_paise,
                lambda: self.exchange.positions(account_id),
            )
        )
        if self.plan.profile is Profile.CALM and not self.terms.bracket.rules:
            final.append(Undisturbed())
        self.oracle = Oracle(truth, Verdicts(truth, story_line), checks, final)

    # --- running

    def _is_open(self, _symbol: str, now_ns: int) -> bool:
        return self.open_ns <= now_ns < self.close_ns

    def _look(self) -> None:
        if not hasattr(self, "oracle"):
            return
        self.truth.now_ns = self.clock.now_ns()
        self.faults.tell(self.truth)
        self.oracle.look()

    def _tell(self, trace: Trace) -> None:
        if self._on_line is not None:
            self._on_line(story_line(trace))

    # --- the result

    def _result(self) -> DayResult:
        truth = self.truth
        left = [group for group in truth.groups.values() if group.filled_of.get(Role.EXIT)]
        verdicts = self.oracle.verdicts
        return DayResult(
            seed=self.plan.seed,
            profile=self.plan.profile,
            round_trips=sum(1 for group in truth.groups.values() if group.entered_qty and not group.held_qty),
            exits=len(left),
            exits_first_try=sum(1 for group in left if self._at_first_try(group.tags)),
            faults=dict(sorted(Counter(truth.faults).items())),
            naked_worst_ns=self.protected.naked.worst_ns,
            requests=len(truth.sent),
            commits=truth.writes,
            looks=self.oracle.looks,
            decision_hash=self.desk.decisions.text(),
            violations=tuple(verdicts.violations),
            broken=dict(verdicts.counts),
            spent_s=0.0,
        )

    def _at_first_try(self, tags: list[str]) -> bool:
        closing = [tag for tag in tags if self.truth.intents[tag].role is Role.EXIT]
        return len(closing) == 1 and not self.truth.intended[closing[0], "modify"]


def _nobody(_tick: Tick) -> None:
    """The feed's second listener: exchange and desk both hear through the market."""
