"""Puts one desk together on a running loop: exchange, account, market, journal, log. Only `tui` knows all three.

Three kinds of station, one way of building them: the paper demo in real (or scaled) time with its account in a file,
the demo day in virtual time, and a replay in virtual time. In virtual time the paper account lives in memory.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final

import msgspec

from brokers.paper.account import Latency, PaperAccount
from brokers.paper.books_file import BooksFile
from brokers.paper.exchange import PaperExchange
from brokers.paper.ledger import RecordFailed
from brokers.paper.remote_account import RemotePaperAccount
from brokers.paper.remote_link import VenueLink
from brokers.paper.rules import PaperRules
from engine.alerts import AlertBook
from engine.charges import ChargeBook, read_charge_tables
from engine.clock import LoopClock
from engine.config.accounts import Account
from engine.config.accounts import PaperAccount as PaperConfig
from engine.config.errors import ConfigError
from engine.config.explain import as_json_masked
from engine.config.load import Loaded
from engine.config.model import Config
from engine.config.reload import safe_changes
from engine.desk import Desk
from engine.desk_parts import DeskLabels, DeskParts, DeskTimes, Reloaded
from engine.desk_view import DeskConsole
from engine.gap_watch import GapWatch
from engine.gateway import GatewayLimits
from engine.heartbeat import Heartbeat, start_heartbeat
from engine.instant import NS_PER_S, ist_date
from engine.instrument import Instrument, Segment
from engine.journal.records import Restored
from engine.journal.store import Journal
from engine.journal.writer import InlineWriter, JournalWriter, Writer
from engine.lease import Lease
from engine.log import JsonStream, LogBook, RotatingFile, Sink, TextStream
from engine.messages import Msg
from engine.option_symbol import parse_option_symbol
from engine.order_charges import OrderCharges
from engine.port import BrokerPort, MarketPort
from engine.port_reads import BrokerSession
from engine.position_checks import CheckLimits
from engine.secrets import Redactions, Secrets
from engine.session import Calendar
from engine.single_instance import InstanceLock, account_lock_path
from tui.cli import VERSION
from tui.demo_floor import hours_of
from tui.demo_hours import DemoHours
from tui.faults_option import DemoFaults, FaultsOption
from tui.files import DeskFiles
from tui.grids import NO_BANDS, GridSeating, grid_parts, tokens
from tui.groups import group_parts, orphans, say_groups, terms_by_bot
from tui.guardian_link import GuardianLink, take_lease
from tui.health_command import HealthFile, health_of, health_path
from tui.journal_place import shelter_of, spill_folders, start_words
from tui.start_failure import StartFailed

if TYPE_CHECKING:
    from engine.alert_relay import AlertRelay
    from engine.desk_account import DeskAccount
    from engine.grid.state_file import GridRecord

_LOOP_GAP_S: Final = 0.05


class StationPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line decided."""

    loaded: Loaded
    files: DeskFiles
    seed: int
    speed: float
    """Infinity = virtual time."""
    fresh: bool = False
    log_to: str = "text"
    """stderr gets `text`, `json` or `nothing` (a screen is up)."""
    mode_words: str = "PAPER DEMO"
    faults: FaultsOption | None = None
    """How the paper venue misbehaves."""
    use_journal_file: bool = True
    book_life_ns: int = 5 * NS_PER_S
    reload: Callable[[], Config] | None = None
    guardian_command: tuple[str, ...] = ()
    """Starts this desk's guardian."""
    imported: GridRecord | None = None
    """A grid goes on from this state, when the journal does not know it yet (OPS-16)."""
    resumes_terminated: bool = False
    """Grids that had ended themselves go on (GRD-47)."""

    @property
    def is_virtual(self) -> bool:
        return self.speed == float("inf")


class Station:
    """A desk with everything around it. `open` first; `close` gives every file and lock back."""

    def __init__(self, plan: StationPlan) -> None:
        self.plan = plan
        self.config = plan.loaded.config
        self.calendar = Calendar.load(plan.files.calendar if plan.files.calendar.exists() else None)
        self.hours = DemoHours(self.calendar, hours_of(self.config))
        self.redactions = Redactions()
        self.alerts = AlertBook()
        self.held = ExitStack()
        self.clock: LoopClock
        self.journal: Journal
        self.writer: Writer
        self.exchange: PaperExchange
        self.desk: Desk
        self.console: DeskConsole
        self.seating: GridSeating
        self.log: LogBook
        self.heartbeat: Heartbeat
        self.relay: AlertRelay | None = None
        self.faults: DemoFaults | None = None
        self.links: dict[str, VenueLink] = {}
        """To the paper venue of another process, which then has the exchange and the books; by account name."""
        self.sessions: dict[str, BrokerSession] = {}
        """At real brokers or their venues, by the name of the account that trades there."""
        self.held_sessions: list[BrokerSession] = []
        """All that were opened, those that only give prices among them."""
        self._books: dict[str, BooksFile] = {}
        """By account name; none in virtual time."""
        self._leases: dict[str, Lease] = {}
        """By account name; none in virtual time: nobody else can send there."""
        self._health: HealthFile | None = None
        self._guarded: list[GuardianLink] = []
        self._tasks: list[asyncio.Task[None]] = []

    # --- building -------------------------------------------------------------------------------------------------

    def open_books(self, first_start_ns: int) -> int:
        """Take the paper accounts; returns the exchange time at which this run begins."""
        funds = {name: self._paper_config(name).funds_paise for name in self.account_names}
        if self.plan.is_virtual:
            return first_start_ns
        for name, paise in funds.items():
            path = self.plan.files.books[name]
            _make_folder(path.parent)
            self._hold(name, _account_lock(path))
            books = BooksFile.open(path, funds_paise=paise, start_ns=first_start_ns, fresh=self.plan.fresh)
            self._books[name] = books
            self.held.callback(books.close)
        return self.hours.resumed(max(books.clock_ns for books in self._books.values()))

    def start_clock(self, start_ns: int) -> LoopClock:
        speed = 1.0 if self.plan.is_virtual else self.plan.speed
        return self.use_clock(LoopClock(asyncio.get_running_loop(), start_ns, speed))

    def use_clock(self, clock: LoopClock) -> LoopClock:
        self.clock = clock
        self.log = self._open_log()
        return self.clock

    @property
    def account_names(self) -> tuple[str, ...]:
        """As the configuration calls the accounts that this desk trades, the main one first."""
        return self.config.account_names

    def lock_account(self, name: str, lock_name: str, what: str = "paper account") -> None:
        """One desk per account, whatever its journal. Raises AlreadyRunning."""
        folder = self.plan.files.state_dir
        _make_folder(folder)
        self._hold(name, InstanceLock.acquire(account_lock_path(folder, lock_name), f"{what} {lock_name}"))

    def _hold(self, name: str, lock: InstanceLock) -> None:
        """The account's lock, and the lease under which this desk sends. Raises LeaseHeld after a guardian."""
        self.held.enter_context(lock)
        lease = self._leases[name] = take_lease(lock.path)
        self.held.callback(lease.close)

    def know(self, master: Sequence[Instrument]) -> None:
        """A day's contracts, before its first tick."""
        self.hours.know(master)
        self.exchange.list_instruments(master)

    async def build(
        self,
        market: MarketPort,
        instruments: Sequence[Instrument],
        exchange_hears: bool = True,
        bands: Mapping[str, tuple[int, int]] = NO_BANDS,
    ) -> Desk:
        """Validate legs and grids, open the journal, restore, and make the desk; the market is connected by the desk.

        `bands`: lowest and highest price of the day in paise, by symbol, where they are known.
        """
        config = self.config
        known = {instrument.symbol: instrument for instrument in instruments}
        index = known.get(config.index)
        rows = self._traded(known, index)
        if hasattr(self, "exchange"):
            self.exchange.list_instruments(instruments)
            if exchange_hears:
                market.listen(self.exchange.on_tick)
        now_ns = self.clock.now_ns()
        self.journal = self._open_journal(now_ns)
        ports = {name: self._open_port(name) for name in self.account_names}
        account_ids = {name: port.account_id for name, port in ports.items()}
        main, mode, seed = account_ids[self.account_names[0]], self.plan.mode_words, self.plan.seed
        run_no = self.journal.start_run(started_ns=now_ns, version=VERSION, mode=mode, account=main, seed=seed)
        self.seating = GridSeating(config, account_ids, rows, bands, self.plan.imported)
        restored = self.seating.remembered(self._restored(account_ids, now_ns, known))
        charges = ChargeBook(read_charge_tables(), config.charges.brokerage_per_order_paise)
        groups = group_parts(config, account_ids, rows, self.calendar)
        for group in groups:
            if group.trend is not None:
                market.listen(group.trend.on_tick)
        self.desk = Desk(
            DeskParts(
                clock=self.clock,
                ports=tuple(ports.values()),
                market=market,
                instruments=rows,
                calendar=self.calendar,
                writer=self._make_writer(),
                log=self.log,
                alerts=self.alerts,
                run_no=run_no,
                bots=(*groups, *grid_parts(config, account_ids)),
                risk=config.risk_limits,
                labels=self._labels(index),
                limits=_limits(config),
                times=_times(config),
                checks=_checks(config),
                restored=restored,
                charges_of=OrderCharges(charges, rows).paise,
                reload_terms=self._reload_terms(account_ids),
                stopwatch_ns=None if self.plan.is_virtual else time.perf_counter_ns,
            )
        )
        self.console = DeskConsole(self.desk, self.alerts)
        for name, link in {**self.links, **{name: one.account for name, one in self.sessions.items()}}.items():
            link.on_link(partial(self._on_link, self.desk.accounts[account_ids[name]]))
        self._open_voices(rows)
        return self.desk

    def _labels(self, index: Instrument | None) -> DeskLabels:
        broker, symbol = self.config.trading_account.kind, index.symbol if index is not None else ""
        return DeskLabels(mode=self.plan.mode_words, broker=broker, is_live=self.config.is_live, index_symbol=symbol)

    def _traded(self, known: Mapping[str, Instrument], index: Instrument | None) -> dict[str, Instrument]:
        """All that any bot trades, and the index. Raises StartFailed for what is not of today."""
        legs = (symbol for group in self.config.all_groups for symbol in group.symbols)
        rows = {symbol: self._validated(symbol, known) for symbol in dict.fromkeys((*legs, *tokens(self.config)))}
        return rows if index is None else {**rows, index.symbol: index}

    def _open_voices(self, rows: Mapping[str, Instrument]) -> None:
        """The start lines, pulse and minute's line, and the channels of alerts; a simulated day calls nobody."""
        self._say_start(rows)
        if self._leases:
            self._open_watch()
        self.heartbeat = start_heartbeat(self.desk, self.console.view)
        if bps := self.config.position_management.gap_bps:
            soon = asyncio.get_running_loop().call_soon
            self.desk.parts.market.listen(GapWatch(self.desk, bps, soon).on_tick)
        if self.plan.is_virtual or not self.config.alerts.channel_words:
            return
        from tui.alert_outlets import open_channels, open_relay  # httpx is loaded only when something is to be sent

        secrets = Secrets(self.plan.loaded.env, self.plan.files.secrets, self.redactions)
        channels = open_channels(self.config, secrets, self.redactions, self.plan.loaded.env)
        accounts = [self.config.accounts[name] for name in self.account_names]
        self.relay = open_relay(self.desk, channels, accounts)
        self.keep(self.relay.run, "alerts")

    def _open_watch(self) -> None:
        """A pulse and a guardian for every account, and one file that says how the desk is."""
        for (name, lease), account in zip(self._leases.items(), self.desk.accounts.values(), strict=True):
            command = self.plan.guardian_command if self.config.guardian.enabled else ()
            if command and not account.is_main:
                command = (*command, "--account", name)
            guarded = GuardianLink(self.desk, account, lease, command or None)
            self._guarded.append(guarded)
            self.keep(guarded.run, account.words("pulse"))
        main = next(iter(self._leases.values()))
        self._health = HealthFile(health_path(main.path), lambda: health_of(self.desk, self.console))
        self.keep(self._health.run, "health")

    # --- running --------------------------------------------------------------------------------------------------

    def keep(self, job: Callable[[], object], name: str) -> asyncio.Task[None]:
        """Run a task of the station until it closes."""
        task = asyncio.get_running_loop().create_task(job(), name=name)  # type: ignore[arg-type]
        self._tasks.append(task)
        return task

    async def keep_clock(self) -> None:
        """Remember once a second how far the demo day has come."""
        while self._books:
            await asyncio.sleep(1.0)
            self._save_clock()

    def _save_clock(self) -> None:
        """A file that is held by another tool for the moment costs a second of the demo day, nothing else."""
        for books in self._books.values():
            with suppress(RecordFailed):
                books.save_clock(self.clock.now_ns())

    async def watch_loop(self) -> None:
        """Measure how late the loop wakes up: the health panel's lag, real milliseconds (X1)."""
        loop = asyncio.get_running_loop()
        ring: list[float] = []
        while True:
            due = loop.time() + _LOOP_GAP_S
            await asyncio.sleep(_LOOP_GAP_S)
            lag_ms = max(0.0, (loop.time() - due) * 1000)
            ring = [*ring[-1199:], lag_ms]
            self.console.lag_ms_worst = max(self.console.lag_ms_worst, lag_ms)
            ordered = sorted(ring)
            self.console.lag_ms_p50 = ordered[len(ring) // 2]
            self.console.lag_ms_p99 = ordered[(len(ring) - 1) * 99 // 100]

    def tell(self, text: str) -> None:
        """A remark of the program about itself, in the log and the journal."""
        self.desk.step(lambda _now: self.desk.say(Msg.DESK_WARN, text=text))

    async def close(self, code: int) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if hasattr(self, "heartbeat"):
            self.heartbeat.stop()
        for guarded in self._guarded:
            guarded.end(code)
        if self._health is not None:
            self._health.end()
        if self.relay is not None:
            await self.relay.close()
        if hasattr(self, "clock"):
            self._save_clock()
        if hasattr(self, "writer"):
            await self.writer.close()
        if hasattr(self, "journal"):
            self.journal.end_run(code, at_ns=self.clock.now_ns())
        for link in (*self.links.values(), *self.held_sessions):
            await link.close()
        if hasattr(self, "log"):
            self.log.flush()
        self.held.close()

    # --- parts ----------------------------------------------------------------------------------------------------

    def make_exchange(self) -> PaperExchange:
        rules = paper_rules(self._paper_config(self.account_names[0]), self.plan.book_life_ns)
        self.exchange = PaperExchange([], rules, self.hours.is_open)
        return self.exchange

    def make_faults(self, market: MarketPort, start_ns: int) -> MarketPort:
        """The feed that the desk sees: the market itself, or what the asked-for faults make of it."""
        if self.plan.faults is None:
            return market
        plan = self.plan.faults.plan(self.plan.seed, self.hours.of_day(ist_date(start_ns))[0])
        self.faults = DemoFaults(plan, self.exchange, self.clock)
        return self.faults.market(market)

    def _paper_config(self, name: str) -> PaperConfig:
        account = self.config.accounts[name]
        if not isinstance(account, PaperConfig):
            self._require_secrets(account)
            where = "legs.account" if name == self.account_names[0] else "account"
            raise ConfigError([f"{where} = {name!r}: kind {account.kind} cannot trade yet, only paper can"])
        return account

    def _require_secrets(self, account: Account) -> None:
        """Raises SecretMissing with the operators' line for the first credential that no place has (LEG-54)."""
        secrets = Secrets(self.plan.loaded.env, self.plan.files.secrets, self.redactions)
        for name in account.secret_names:
            secrets.require(name)

    def _on_link(self, account: DeskAccount, why: str) -> None:
        """The venue's connection was lost (and why), or is back: then everything is compared before any entry."""
        desk, alarm_id = self.desk, account.alarm_id("link")

        def tell(_now_ns: int) -> None:
            if why:
                account.gateway.note_link_lost(why)
                account.say(Msg.LINK_LOST, reason=why)
                desk.out.raise_alarm(alarm_id, account.words(f"no link to the venue: {why}"))
            else:
                account.say(Msg.LINK_BACK)
                desk.out.end_alarm(alarm_id)

        desk.step(tell)
        if not why and account.recovered:
            account.reader.reconcile()

    def _open_port(self, name: str) -> BrokerPort:
        """One trading account, at the venue of another process or in this one. The faults that were asked for strike
        the main one; every other stays honest."""
        if self.links:
            return RemotePaperAccount(self.links[name])
        if self.sessions:
            return self.sessions[name].account
        account = self._open_account(name)
        if self.faults is None or name != self.account_names[0]:
            return account
        return self.faults.account(account)

    def _open_account(self, name: str) -> PaperAccount:
        config = self._paper_config(name)
        latency, is_main = latency_of(config), name == self.account_names[0]
        random = Random(self.plan.seed if is_main else f"{self.plan.seed} {name}")
        books = self._books.get(name)
        if books is None:
            # In memory every run is a new account: its journal rows must not be taken for an earlier run's (CFG-05).
            last = self.journal.last_run()
            run = f"SIM{self.plan.seed}N{last.run_no + 1 if last else 1}"
            account_id = run if is_main else f"{run}-{name}"
            return PaperAccount(account_id, self.exchange, self.clock, random, latency=latency)
        account_id, recorder = books.account_id, books.record
        port = PaperAccount(account_id, self.exchange, self.clock, random, latency=latency, recorder=recorder)
        self.exchange.restore(books.state(), self.clock.now_ns())
        return port

    def _open_journal(self, now_ns: int) -> Journal:
        if not self.plan.use_journal_file:
            journal = Journal.in_memory()
        else:
            path = self.plan.files.journal
            self._make_own_folder(path.parent)
            journal = Journal.open(
                path,
                synchronous=self.config.desk.journal_synchronous,
                now_ns=now_ns,
                spill_folders=spill_folders(path, os.environ),
            )
        self.held.callback(journal.close)
        return journal

    def _make_own_folder(self, folder: Path) -> None:
        """The desk makes its own state folder; a folder that was typed must be there, or it is a slip."""
        if folder.exists() or folder == self.plan.files.state_dir:
            _make_folder(folder)
        else:
            raise StartFailed(f"{folder}: no such folder for the journal")

    def _make_writer(self) -> Writer:
        kind = InlineWriter if self.plan.is_virtual else JournalWriter
        loop = asyncio.get_running_loop()
        shelter = None if self.plan.is_virtual else shelter_of(self.journal, os.environ)
        self.writer = kind(self.journal, loop, lambda error: self.desk.on_journal_error(error), shelter=shelter)
        return self.writer

    def _open_log(self) -> LogBook:
        strategy = self.config.name
        sinks: list[Sink] = []
        if self.plan.log_to == "text":
            sinks.append(TextStream(sys.stderr))
        elif self.plan.log_to == "json":
            sinks.append(JsonStream(sys.stderr, strategy))
        for path, json_strategy in ((self.plan.files.log, ""), (self.plan.files.json_log, strategy)):
            if path is not None and not self.plan.is_virtual:  # a simulated day is no part of the live log
                sinks.append(self._log_file(path, json_strategy))
        clock = None if self.plan.is_virtual else self.clock
        level = self.config.desk.log_level
        return LogBook(self.redactions, sinks=sinks, level=level, clock=clock, alerts=self.alerts)

    def _log_file(self, path: Path, json_strategy: str) -> RotatingFile:
        try:
            file = RotatingFile(path, json_strategy=json_strategy)
        except OSError as error:
            raise StartFailed(f"log file {path}: {error.strerror or error}") from None
        self.held.callback(file.close)
        return file

    def _validated(self, symbol: str, known: Mapping[str, Instrument]) -> Instrument:
        """In the day's master and tradable, or the desk does not start; never fail-open (LEG-53, BUG-98)."""
        instrument = known.get(symbol)
        if instrument is None or instrument.segment is Segment.INDEX:
            at = self.clock.now_ns()
            self.log.say(Msg.FATAL_SYMBOL, {"symbol": symbol}, at, self._owner_of(symbol), symbol)
            raise StartFailed(f"{symbol} is not a tradable contract of today's instrument master{_expired(symbol, at)}")
        return instrument

    def _owner_of(self, symbol: str) -> str:
        return tokens(self.config).get(symbol, self.config.name)

    def _restored(self, account_ids: Mapping[str, str], now_ns: int, tradable: Mapping[str, Instrument]) -> Restored:
        """What the journal knows of the accounts. A position it still holds is never left alone by a changed symbol;
        only an expired one cannot be traded any more, and stands in the way of nothing."""
        restored = self.journal.load(*account_ids.values(), trading_day=ist_date(now_ns).isoformat())
        left = orphans(self.config, account_ids, restored.brackets, tradable)
        if left:
            raise StartFailed(left)
        return restored

    def _reload_terms(self, account_ids: Mapping[str, str]) -> Callable[[], Reloaded] | None:
        read = self.plan.reload
        if read is None:
            return None

        def reload_terms() -> Reloaded:
            changes = safe_changes(self.config, read())
            self.config = changes.config
            return Reloaded(
                terms=terms_by_bot(self.config, account_ids),
                risk=self.config.risk_limits,
                applied=", ".join(changes.applied),
                restart_needed=", ".join(changes.restart_needed),
            )

        return reload_terms

    def _say_start(self, instruments: Mapping[str, Instrument]) -> None:
        """The operators' start lines (LEG-03, LEG-55, LEG-56)."""
        desk, config = self.desk, self.config
        desk.say(Msg.BANNER)
        desk.say(Msg.CONFIG, strategy=config.name, config=as_json_masked(config))
        say_groups(desk, config, instruments)
        self.seating.say(desk)
        for words in start_words(self.journal, config.desk.journal_synchronous):
            desk.say(Msg.DESK_WARN, text=words)


def paper_rules(account: PaperConfig, book_life_ns: int) -> PaperRules:
    """The exchange's rules as the configuration of the account says them."""
    return PaperRules(
        second_exit_margin=account.second_exit_margin,
        funds_paise=account.funds_paise,
        displayed_size=account.partial_fills,
        book_life_ns=book_life_ns,
    )


def latency_of(account: PaperConfig) -> Latency:
    """Delays spread around what the configuration says of them."""
    one_way = account.latency_ms / 2
    return Latency(
        request_ms=(round(one_way * 0.5), round(one_way * 1.5)),
        push_ms=(round(one_way * 0.2), round(one_way * 1.5)),
    )


def _account_lock(books: Path) -> InstanceLock:
    """One desk per account: the paper account is its file, wherever the journal lies (OPS-20)."""
    return InstanceLock.acquire(account_lock_path(books.parent, books.stem), f"paper account {books.name}")


def _expired(symbol: str, now_ns: int) -> str:
    """The demo day moves on while the configuration stays: say so, and what to do."""
    parsed = parse_option_symbol(symbol)
    if parsed is None or parsed.expiry >= ist_date(now_ns):
        return ""
    return (
        f": it expired on {parsed.expiry} and this account has come to {ist_date(now_ns)}; "
        "name a later contract in [legs] symbol, or begin a new paper account with --fresh"
    )


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise StartFailed(f"folder {folder}: {error.strerror or error}") from None


def _times(config: Config) -> DeskTimes:
    return DeskTimes(
        reconcile_active_ns=config.desk.reconcile_active_ns,
        reconcile_flat_ns=config.desk.reconcile_flat_ns,
        check_interval_ns=config.position_management.check_interval_ns,
        proof_again_ns=config.position_management.proof_again_ns,
        restart_loop_starts=config.desk.restart_loop_starts,
    )


def _checks(config: Config) -> CheckLimits:
    performance = config.position_management.performance
    return CheckLimits(batch_size=performance.batch_size, batches_waiting=performance.max_concurrent_checks)


def _limits(config: Config) -> GatewayLimits:
    gateway = config.gateway
    return GatewayLimits(
        orders_per_s=gateway.orders_per_s,
        exit_reserve_per_s=gateway.exit_reserve,
        order_gap_ns=gateway.order_gap_ns,
        api_timeout_s=float(gateway.api_timeout_seconds),
        exit_timeout_s=float(gateway.exit_timeout_seconds),
        entry_tries=gateway.max_order_retries,
    )
