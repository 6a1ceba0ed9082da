"""One simulated day: market, exchange, desk, trader, faults and oracle from one seed, run in virtual time to the close.

The desk is the real one, with the real journal (SQLite in memory), gateway and log; only the clock is virtual. The
faults end before the square-off, so that the rest of the day is quiet and must come to rest (faults §7.4).
"""

from __future__ import annotations

import asyncio
import gc
import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from datetime import time as time_of_day
from enum import StrEnum
from random import Random
from typing import Any, Final, TypeVar

import msgspec

from brokers.paper.account import PaperAccount
from brokers.paper.demo_market import DEMO_DAY, INDEX, DemoMarket
from brokers.paper.index_path import IndexPath
from engine.clock import LoopClock
from engine.desk_parts import BotParts, GroupParts
from engine.instant import NS_PER_S, at_ist
from engine.instrument import Instrument
from engine.order import Role
from engine.port import BrokerPort, MarketPort
from engine.session import Calendar, SessionClass
from engine.tick import Tick
from engine.tick_feed import feed_ticks
from engine.view import LegView
from engine.virtual_time import VirtualLoop, run_virtual
from tui.simulation.crashes import (
    FAULT_OF,
    IN_RECOVERY,
    RECOVERING_NS,
    Crash,
    Crasher,
    CrashPoint,
    Death,
    drawn_crashes,
)
from tui.simulation.day_market import DayMarket
from tui.simulation.desk_life import DeskLife
from tui.simulation.exit_checks import ExitQty, ExitSize, Flat, InTime, NoReverse, Protected, StopOnlyTightens
from tui.simulation.faults import FaultChoice, FaultLayer
from tui.simulation.life import Life
from tui.simulation.money_checks import CriticalIsHeard, FillOnce, LedgerAgrees, ProfitIsExact
from tui.simulation.oracle import Check, FinalCheck, Oracle, Verdicts, Violation
from tui.simulation.reaction_checks import JumpedStop, RefusedStop
from tui.simulation.request_checks import (
    Budget,
    ForeignUntouched,
    FreshPrice,
    IntentBeforeSend,
    ModifyCap,
    Monotone,
    NoBlindResend,
    NoDuplicate,
    NotBlind,
    OneMarketExit,
    WellFormed,
)
from tui.simulation.screen_checks import Converged, Recovers, TruthfulScreen, Undisturbed
from tui.simulation.seed_terms import Profile, SeedTerms, contracts_at_the_money, seed_terms
from tui.simulation.story import story_line, work_text
from tui.simulation.trader import Trader
from tui.simulation.truth import Trace, Truth
from tui.simulation.witness import WatchedDesk, WatchedExchange

FAULTS_END: Final = time_of_day(15, 5)
SQUARE_OFF: Final = time_of_day(15, 15)
CUT_OFF: Final = time_of_day(15, 20)
"""When a broker begins to square off intraday positions itself (facts/market.md)."""
_REST_NS: Final = 5 * NS_PER_S
_COME_BACK_S: Final = 60
_FIRST_CRASH_NS: Final = 60 * NS_PER_S


_T = TypeVar("_T")


class NoSuchPick(ValueError):
    """A key or a kill was asked for that the seed does not draw: the caller's slip, no verdict on the day."""


class Play(StrEnum):
    """What is traded on a simulated day."""

    LEGS = "legs"
    GRID = "grid"


class DayPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What to simulate."""

    seed: int
    play: Play = Play.LEGS
    profile: Profile = Profile.SWARM
    until: time_of_day | None = None
    """Stop at this instant of the day, for a replay to one event; None = the whole day."""
    closes: bool = False
    """Judge the end of the day at `until` as well: for a short scripted day that has come to rest by then."""
    faults: FaultChoice = FaultChoice()
    keys: tuple[int, ...] | None = None
    """Of the trader's keys only these, by their number in the day; None = all."""
    kills: tuple[int, ...] | None = None
    """Of the seed's crashes only these; None = all, () = none."""
    terms: SeedTerms | None = None
    """None: as the seed draws them."""
    crashes: tuple[Crash, ...] | None = None
    """None: as the seed draws them."""
    faults_end: time_of_day | None = None
    """None: as the play has it."""
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
    crashes: int = 0
    """How often the desk was killed and started again."""
    keys: int = 0
    """Keys that the seed's trader presses."""
    kills: int = 0
    """Crashes that the seed drew; a day that is quiet at that time may have fewer."""
    points: int = 0
    """Commits, before and after, and requests, before, during and after: where it could have been killed."""
    deaths: tuple[Death, ...] = ()
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
        result = run_virtual(_day_of(plan, on_line).run())
    finally:
        if was_enabled:
            gc.enable()
    gc.collect(1)  # what the day has made is young; a whole collection would walk everything the program holds
    return msgspec.structs.replace(result, spent_s=time.perf_counter() - started)


def _day_of(plan: DayPlan, on_line: Callable[[str], None] | None) -> Day:
    if plan.play is Play.LEGS:
        return Day(plan, on_line)
    from tui.simulation.grid_day import GridDay  # it is made of this one

    return GridDay(plan, on_line)


class Day:
    """The world of one day, and two legs in it: it outlives every desk that trades in it."""

    SESSION = SessionClass.OPTIONS
    SQUARE_OFF = SQUARE_OFF
    CUT_OFF = CUT_OFF
    FAULTS_END = FAULTS_END

    def __init__(self, plan: DayPlan, on_line: Callable[[str], None] | None) -> None:
        self.plan = plan
        self._on_line = on_line if plan.verbose else None
        self.calendar = Calendar.load()
        session = self.calendar.trading_day(DEMO_DAY)
        assert session is not None
        self.open_ns = session.open_ns(self.SESSION)
        self.close_ns = session.close_ns(self.SESSION)
        self.quiet_ns = at_ist(DEMO_DAY, plan.faults_end or self.FAULTS_END)
        self.terms: SeedTerms = plan.terms or seed_terms(plan.seed, plan.profile, self.open_ns, self.quiet_ns)
        crashes = plan.crashes
        if crashes is None:
            first_ns = self.open_ns + _FIRST_CRASH_NS
            crashes = drawn_crashes(plan.seed, plan.profile, first_ns, self.quiet_ns - 120 * NS_PER_S)
            crashes = _picked(crashes, plan.kills, "kills")
        self.kills = len(crashes)
        self.crasher = Crasher(crashes)
        self.now: DeskLife | None = None
        """None while nobody is there."""
        self.image = b""
        """What the last desk left on disk."""
        self.hashes: list[str] = []
        self.deaths: list[Death] = []

    async def run(self) -> DayResult:
        await self._build()
        await self._be_born()
        self.trader.sit_down(_picked(self.presses, self.plan.keys, "keys"))
        self.faults.hand.start()
        end_ns = self.close_ns - _REST_NS
        if self.plan.until is not None:
            # The event itself belongs to the replay: it ends a millisecond after the instant shown.
            end_ns = min(end_ns, at_ist(DEMO_DAY, self.plan.until) + 1_000_000)
        await feed_ticks(self.ticks(end_ns), self.loop, self.clock, self.day_market.push, _nobody)
        await self.clock.sleep_until(end_ns)
        await self._come_back()
        self._look()
        if self.plan.until is None or self.plan.closes:
            await self._close()
        return self._result()

    async def _come_back(self) -> None:
        """A desk that was killed in the last seconds of a short day is judged when it is there again."""
        for _ in range(_COME_BACK_S):
            if self.now is not None and self.now.desk.recovered:
                return
            await self.clock.sleep_until(self.clock.now_ns() + NS_PER_S)

    async def _close(self) -> None:
        """The last look: everything must have come to rest; then the desk is stopped as at any day's end."""
        self.oracle.finish()
        self.crasher.end()
        if self.now is not None:
            await self.now.desk.stop("the day is over", flatten=True)

    # --- lives of the desk

    async def _be_born(self) -> None:
        self.truth.now_ns = self.clock.now_ns()
        self.truth.on_birth()
        life = Life(self.clock, self.crasher, self._die)
        self.now = here = DeskLife(life, self, self.image)
        here.starting = asyncio.ensure_future(here.desk.start())
        await asyncio.wait({here.starting})
        if not here.starting.cancelled() and (error := here.starting.exception()) is not None:
            raise error

    def _die(self, point: CrashPoint, crash: Crash, about: object) -> None:
        """The disk is taken as it is; the desk is gone at once, and buried when its last lines have run."""
        here, self.now = self.now, None
        assert here is not None
        self.image = here.journal.image()
        self.hashes.append(here.desk.decisions.text())
        self.truth.now_ns = now_ns = self.clock.now_ns()
        is_recovering = self.truth.lives > 1 and now_ns < self.truth.born_ns + RECOVERING_NS
        fault = IN_RECOVERY if is_recovering else FAULT_OF[point]
        what = work_text(about)
        self.deaths.append(Death(point=point, at_ns=now_ns, work=what, is_recovering=is_recovering))
        self.truth.on_death(fault, f"{point.value} of {what}, down {crash.down_ns / NS_PER_S:g} s")
        self.loop.call_soon(here.bury)
        self.clock.call_at(now_ns + crash.down_ns, self._rise)

    def _rise(self) -> None:
        self._rising = asyncio.ensure_future(self._be_born())
        self._rising.add_done_callback(self._risen)

    def _risen(self, rising: asyncio.Future[None]) -> None:
        if not rising.cancelled() and (error := rising.exception()) is not None:
            text = f"{type(error).__name__}: {error}"
            self.oracle.verdicts.broken("R7", f"life {self.truth.lives}", f"the desk did not start: {text}")

    def desk(self) -> WatchedDesk | None:
        """The living one."""
        return self.now.desk if self.now is not None else None

    def on_step(self) -> None:
        """After every step of the living desk."""
        if self.now is not None and self.now.desk.recovered and not self.truth.recovered_ns:
            self.truth.now_ns = self.clock.now_ns()
            self.truth.on_recovered()
            if hasattr(self, "oracle"):
                self.oracle.begin_anew()
        self._look()

    # --- building

    async def _build(self) -> None:
        terms, plan = self.terms, self.plan
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        self.loop = loop
        self.clock = LoopClock(loop, self.open_ns)
        self.instruments: Mapping[str, Instrument] = await self._open_market()
        account_id = f"SIM{terms.seed}"
        self.exchange = WatchedExchange(self.instruments.values(), terms.rules, self._is_open)
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
            plan.faults,
        )
        self.port: BrokerPort = self.faults.account
        self.faults.market.listen_truth(self.exchange.on_tick)
        self.market: MarketPort = self.faults.market
        self.truth = Truth(account_id, dict(self.instruments), round(self.port.ambiguity_s * NS_PER_S))
        if self._on_line is not None:
            self.truth.on_trace.append(lambda trace: self._tell(trace))
        self.truth.spells, self.truth.tag_of = self.faults.spells(), self.faults.tag_of
        self.market.listen(self.truth.on_tick)
        self.market.listen(self._hear)
        self.exchange.watch(self.truth, self._look, self.clock.now_ns)
        self.trader = self._trader()
        await self.market.connect()
        await self.port.connect()
        self._judge(account_id)

    def _hear(self, tick: Tick) -> None:
        if self.now is not None:
            self.now.market.hear(tick)

    async def _open_market(self) -> Mapping[str, Instrument]:
        """Make the market and say what of it is traded."""
        seed = self.terms.seed
        path = IndexPath(seed, DEMO_DAY, self._session_of, self._next_day, self.terms.path)
        self.path_day = path.day(DEMO_DAY)
        demo = DemoMarket(seed, self.open_ns, self.clock, self._session_of, self._next_day, model=self.terms.path)
        self.day_market = DayMarket(demo)
        index = await demo.quote(INDEX)
        put, call = contracts_at_the_money(list(await demo.instruments()), index.ltp_paise)
        return {put.symbol: put, call.symbol: call}

    def ticks(self, until_ns: int) -> Iterator[Tick]:
        """The day's ticks up to an instant, in time order."""
        return self.day_market.ticks(self.path_day, until_ns)

    def bots(self, account_id: str) -> tuple[BotParts, ...]:
        legs = self.terms.legs_terms(account_id)
        return (GroupParts(terms=legs, legs=tuple(self.instruments), trigger=self.terms.trigger),)

    @property
    def presses(self) -> tuple[Any, ...]:
        """The trader's keys, of the play's own kind, in the order of time."""
        return self.terms.presses

    def _trader(self) -> Any:
        """Who presses them: `sit_down(presses)`."""
        return Trader(self.desk, self.clock, self.truth, tuple(self.instruments))

    def _session_of(self, day: date) -> tuple[int, int]:
        found = self.calendar.trading_day(day)
        assert found is not None
        return found.open_ns(self.SESSION), found.close_ns(self.SESSION)

    def _next_day(self, day: date) -> date:
        following = self.calendar.next_trading_day(day)
        assert following is not None
        return following

    def _judge(self, account_id: str) -> None:
        truth = self.truth
        self.protected, fills = Protected(), FillOnce()
        checks: list[Check] = [
            *(IntentBeforeSend(), NoDuplicate(), NoBlindResend(), OneMarketExit(), Budget(), WellFormed()),
            *(ModifyCap(self.exchange.venue.modify_cap), Monotone(), ForeignUntouched()),
            *self._own_checks(),
            *(ExitQty(), ExitSize(), NoReverse(), Flat(), fills, CriticalIsHeard(), Recovers()),
            InTime(at_ist(DEMO_DAY, self.SQUARE_OFF), at_ist(DEMO_DAY, self.CUT_OFF)),
        ]
        final: list[FinalCheck] = [fills, ProfitIsExact(), Converged(self._living)]
        final.append(
            LedgerAgrees(
                self.terms.rules.funds_paise,
                lambda: self.exchange.funds(account_id).cash_paise,
                lambda: self.exchange.positions(account_id),
            )
        )
        if self.plan.play is Play.LEGS and self.plan.profile is Profile.CALM and not self.terms.bracket.rules:
            final.append(Undisturbed())
        self.oracle = Oracle(truth, Verdicts(truth, story_line), checks, final)

    def _own_checks(self) -> list[Check]:
        """What only this play must keep, beside what every bot must."""
        return [
            FreshPrice(self.terms.bracket.max_tick_age_ns),
            *(StopOnlyTightens(), self.protected, NotBlind(), RefusedStop(), JumpedStop()),
            TruthfulScreen(self._legs),
        ]

    def _living(self) -> WatchedDesk:
        assert self.now is not None, "the day ended without a desk"
        return self.now.desk

    def _legs(self) -> Sequence[LegView]:
        """As the screen shows them."""
        assert self.now is not None
        return self.now.console.legs(self.clock.now_ns())

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
            decision_hash=self._hash(),
            crashes=truth.lives - 1 if truth.lives else 0,
            points=self.crasher.points,
            deaths=tuple(self.deaths),
            keys=len(self.presses),
            kills=self.kills,
            violations=tuple(verdicts.violations),
            broken=dict(verdicts.counts),
            spent_s=0.0,
        )

    def _hash(self) -> str:
        """Of all lives together."""
        last = self.now.desk.decisions.text() if self.now is not None else ""
        if not self.hashes:
            return last
        return hashlib.sha256(" ".join([*self.hashes, last]).encode()).hexdigest()

    def _at_first_try(self, tags: list[str]) -> bool:
        closing = [tag for tag in tags if self.truth.intents[tag].role is Role.EXIT]
        return len(closing) == 1 and not self.truth.intended[closing[0], "modify"]


def _picked(drawn: tuple[_T, ...], numbers: tuple[int, ...] | None, what: str) -> tuple[_T, ...]:
    """Those that were asked for; None = all. Raises NoSuchPick."""
    if numbers is None:
        return drawn
    unknown = [number for number in numbers if number >= len(drawn)]
    if unknown:
        known = f"0 to {len(drawn) - 1}" if drawn else "none"
        raise NoSuchPick(f"--{what} {unknown[0]}: this seed has {len(drawn)} ({known})")
    return tuple(drawn[number] for number in numbers)


def _nobody(_tick: Tick) -> None:
    """The feed's second listener: exchange and desk both hear through the market."""
