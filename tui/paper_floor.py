"""What stands behind `strikedesk venue paper`: exchange, demo market, accounts by name, and their books in files.

Its clock is one line over the machine's monotonic clock. With a folder for its books it writes that line down: started
again within the session and the same boot it goes on as if it had never stopped, so that desks which waited meanwhile
still read the same time. Without a folder it forgets, and a desk that comes back finds another account and says so.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import secrets
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from random import Random
from typing import Final

import msgspec

from brokers.paper import wire
from brokers.paper.account import PaperAccount
from brokers.paper.books_file import BooksFile
from brokers.paper.demo_market import DEMO_DAY
from brokers.paper.exchange import PaperExchange
from brokers.paper.ledger import RecordFailed
from brokers.paper.server import UnknownAccount
from engine.clock import LoopClock
from engine.config.accounts import PaperAccount as PaperConfig
from engine.instant import NS_PER_S, clock_text, ist_date
from engine.instrument import Instrument
from engine.paths import places
from engine.port import BrokerPort, MarketPort
from engine.session import Calendar
from engine.single_instance import InstanceLock
from tui.demo_floor import DemoFloor, open_floor
from tui.demo_hours import DemoHours
from tui.faults_option import DemoFaults, read_faults_option
from tui.start_failure import StartFailed
from tui.station import latency_of, paper_rules

_BOOK_LIFE_NS: Final = 5 * NS_PER_S
_ACCOUNTS_MAX: Final = 16
_SUFFIX: Final = ".account.db"
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
"""Linux only; elsewhere the clock is taken up from the books."""


class Anchor(msgspec.Struct, frozen=True, kw_only=True):
    """The clock's line as it is kept beside the books."""

    boot: str
    seed: int
    clock: wire.VenueClock


class PaperFloor:
    """Implements `brokers.paper.server.Floor`. `open` first; `close` gives files and locks back."""

    def __init__(self, arguments: argparse.Namespace, terms: PaperConfig) -> None:
        self._terms = terms
        self._seed: int = arguments.seed if arguments.seed is not None else terms.seed
        self._speed: float = arguments.speed
        self._folder: Path | None = arguments.books
        self._faults_option = read_faults_option(arguments)
        trader_rows = places(os.environ).config_dir / "calendar.toml"
        self._hours = DemoHours(Calendar.load(trader_rows if trader_rows.exists() else None))
        self._run_id = secrets.token_hex(3).upper()
        self._held = ExitStack()
        self._books: dict[str, BooksFile] = {}
        self._ports: dict[str, BrokerPort] = {}
        self._faults: DemoFaults | None = None
        self.clock: LoopClock
        self.anchor: wire.VenueClock
        self.market: MarketPort
        self._demo: DemoFloor
        self._exchange: PaperExchange

    async def open(self) -> None:
        """Books, clock, market, exchange, and the accounts that the books know. Raises StartFailed and BooksError."""
        names = self._open_folder()
        self._start_clock()
        self._exchange = PaperExchange([], paper_rules(self._terms, _BOOK_LIFE_NS), self._hours.is_open)
        now_ns = self.clock.now_ns()
        self._demo = open_floor(
            self._seed, now_ns, self.clock, self._hours, self._list, options=True, shares=True
        )  # whatever kind of desk comes
        self.market = self._faulty(self._demo)
        self._list(await self._demo.instruments())
        if self.market is self._demo:
            self._demo.listen(self._exchange.on_tick)
        await self.market.connect()
        for name in names:
            await self.account(name)

    def close(self) -> None:
        self._save_clocks()
        self._held.close()

    def words(self) -> str:
        now_ns = self.clock.now_ns()
        books = f"books in {self._folder}" if self._folder is not None else "books in memory"
        return f"{ist_date(now_ns)} {clock_text(now_ns)}, speed {self._speed:g}, seed {self._seed}, {books}"

    def close_ns(self) -> int:
        """The end of this day's session."""
        return self._hours.of_day(ist_date(self.clock.now_ns()))[1]

    @property
    def seed(self) -> int:
        return self._seed

    @property
    def jobs(self) -> list[Callable[[], object]]:
        """Ticks, and once a real second how far the day has come; they end only by cancellation."""
        return [*self._demo.jobs, self.keep_clock]

    async def keep_clock(self) -> None:
        """Remember once a real second how far the day has come; ends only by cancellation."""
        while True:
            await asyncio.sleep(1.0)
            self._save_clocks()

    # --- the server's questions ---------------------------------------------------------------------------------------

    async def account(self, name: str) -> BrokerPort:
        """Raises UnknownAccount when the venue holds as many as it takes."""
        if name not in self._ports:
            if len(self._ports) >= _ACCOUNTS_MAX:
                raise UnknownAccount(f"account {name}: this venue holds {_ACCOUNTS_MAX} accounts already")
            port = await self._open_account(name)
            await port.connect()
            self._ports[name] = port
        return self._ports[name]

    def ledger(self) -> wire.VenueLedger:
        return wire.VenueLedger(
            venue_ns=self.clock.now_ns(),
            accounts=[self._account_ledger(name, port.account_id) for name, port in self._ports.items()],
        )

    def _account_ledger(self, name: str, account_id: str) -> wire.AccountLedger:
        kept = self._exchange.ledger(account_id)
        return wire.AccountLedger(
            name=name,
            account_id=account_id,
            opening_paise=self._terms.funds_paise,
            cash_paise=kept.cash_paise,
            orders=list(kept.orders.values()),
            trades=list(kept.trades),
            positions=kept.position_reports(),
        )

    # --- building -----------------------------------------------------------------------------------------------------

    def _open_folder(self) -> list[str]:
        """Lock the folder and open its books; returns the names of their accounts."""
        folder = self._folder
        if folder is None:
            return []
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise StartFailed(f"--books {folder}: {error.strerror or error}") from None
        self._held.enter_context(InstanceLock.acquire(folder / "venue.lock", f"paper venue with the books in {folder}"))
        names = sorted(path.name.removesuffix(_SUFFIX) for path in folder.glob(f"*{_SUFFIX}"))
        names = [name for name in names if re.fullmatch(wire.ACCOUNT_PATTERN, name)]
        for name in names:
            self._open_books(folder, name, 0)
        return names

    def _open_books(self, folder: Path, name: str, start_ns: int) -> BooksFile:
        books = BooksFile.open(folder / f"{name}{_SUFFIX}", funds_paise=self._terms.funds_paise, start_ns=start_ns)
        self._held.callback(books.close)
        self._books[name] = books
        return books

    def _start_clock(self) -> None:
        loop = asyncio.get_running_loop()
        kept = self._kept_anchor()
        if kept is None:
            begun = max((books.clock_ns for books in self._books.values()), default=0)
            start_ns = self._hours.resumed(begun) if begun else self._hours.of_day(DEMO_DAY)[0]
            kept = wire.VenueClock(venue_ns=start_ns, monotonic_ns=round(loop.time() * NS_PER_S), speed=self._speed)
        self.anchor = kept
        self.clock = LoopClock.anchored(loop, kept.venue_ns, kept.monotonic_ns, kept.speed)
        if self._folder is not None:
            anchor = Anchor(boot=_boot_id(), seed=self._seed, clock=kept)
            _replace(self._folder / "clock.json", msgspec.json.encode(anchor))

    def _kept_anchor(self) -> wire.VenueClock | None:
        """The clock's line of the run before, when it still holds: same boot, speed and market, within the session."""
        if self._folder is None or not self._books:
            return None
        try:
            anchor = msgspec.json.decode((self._folder / "clock.json").read_bytes(), type=Anchor)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return None
        if not anchor.boot or (anchor.boot, anchor.seed, anchor.clock.speed) != (_boot_id(), self._seed, self._speed):
            return None
        loop = asyncio.get_running_loop()
        line = LoopClock.anchored(loop, anchor.clock.venue_ns, anchor.clock.monotonic_ns, anchor.clock.speed)
        now_ns = line.now_ns()
        return anchor.clock if self._hours.resumed(now_ns) == now_ns else None

    def _faulty(self, market: DemoFloor) -> MarketPort:
        """The feed as the desks see it; the exchange goes on seeing the truth."""
        if self._faults_option is None:
            return market
        plan = self._faults_option.plan(self._seed, self._hours.of_day(ist_date(self.clock.now_ns()))[0])
        self._faults = DemoFaults(plan, self._exchange, self.clock)
        return self._faults.market(market)

    async def _open_account(self, name: str) -> BrokerPort:
        """The first account is the one that faults strike; every other stays honest."""
        books = self._books.get(name)
        if books is None and self._folder is not None:
            books = self._open_books(self._folder, name, self.clock.now_ns())
        account = PaperAccount(
            books.account_id if books is not None else f"{name}-{self._run_id}",
            self._exchange,
            self.clock,
            Random(f"{self._seed} {name}"),
            latency=latency_of(self._terms),
            recorder=books.record if books is not None else None,
        )
        if books is not None:
            state = books.state()
            self._exchange.restore(state, self.clock.now_ns())
            held = {key[0] for key, holding in state.positions if holding.net_qty}
            # Orders that rest must see prices although no desk asks for them yet.
            await self._demo.subscribe(sorted(held | {order.symbol for order in state.orders if order.is_live}))
        if self._faults is None or self._ports:
            return account
        port = self._faults.account(account)
        self._faults.start()
        return port

    def _list(self, instruments: Sequence[Instrument]) -> None:
        self._hours.know(instruments)
        self._exchange.list_instruments(instruments)

    def _save_clocks(self) -> None:
        for books in self._books.values():
            with suppress(RecordFailed):
                books.save_clock(self.clock.now_ns())


def write_ledger(path: Path, ledger: wire.VenueLedger) -> None:
    """All of it or nothing. Raises StartFailed, for the person who named the file."""
    try:
        _replace(path, msgspec.json.format(msgspec.json.encode(ledger), indent=1) + b"\n")
    except OSError as error:
        raise StartFailed(f"--ledger {path}: {error.strerror or error}") from None


def _replace(path: Path, content: bytes) -> None:
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_bytes(content)
    fresh.replace(path)


def _boot_id() -> str:
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""
