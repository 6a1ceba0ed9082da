"""`strikedesk health`: how the running desk is, from a small private file that it writes every two seconds (OPS-27).

The command starts nothing and asks the desk nothing, so it can be run by a watchdog every few seconds. A desk that
stands still stops writing: a file that is too old, of another start of the machine, or of a desk that has said good-bye
is told as "not running", never as its last good news. Money is in paise, instants in exchange-clock nanoseconds.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from engine.config.load import load
from engine.instant import NS_PER_S, clock_text
from engine.money import rupees_text
from engine.order import OrderState
from engine.paths import places
from tui.files import DeskFiles
from tui.guardian_files import GuardianFiles, boot_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.desk import Desk
    from engine.desk_view import DeskConsole
    from engine.view import AccountView

_EVERY_S: Final = 2.0
_SILENT_NS: Final = 10 * NS_PER_S
"""A desk that has not written for so long does not run, or stands still."""
EXIT_RUNNING: Final = 0
EXIT_NOT_RUNNING: Final = 1


class AccountHealth(msgspec.Struct, frozen=True, kw_only=True):
    """One trading account of the desk."""

    account: str
    recovered: bool
    order_path: str
    """`ok`, `not proven`, `1 of 3 proven`, or what is wrong."""
    order_path_age_ns: int
    reconciled_age_ns: int
    differences: int


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """One look at a desk; the names are those of the JSON output."""

    pid: int
    boot: str
    """Which start of the machine: monotonic instants mean nothing across two."""
    mono_ns: int
    ended: bool = False
    now_ns: int = 0
    mode: str = ""
    account: str = ""
    """The main one."""
    accounts: list[AccountHealth] = []
    """All of them, the main one first."""
    recovered: bool = False
    watchlist_count: int = 0
    """Instruments whose prices it follows."""
    active_positions: int = 0
    open_units: int = 0
    covered_units: int = 0
    working_orders: int = 0
    unknown_orders: int = 0
    scheduler: str = ""
    """When it reconciles: `every 30 s` with a position, `every 300 s` flat."""
    entries: str = ""
    """`ON`, `PAUSED` or `BLOCKED: reason`: the circuit."""
    feed_age_ns: int = -1
    """Of the newest tick; -1 = none yet."""
    order_path: str = ""
    """`ok`, `not proven`, or what is wrong."""
    order_path_age_ns: int = -1
    tick_cache: int = 0
    """Instruments of which a price is known."""
    index_name: str = ""
    index_paise: int = 0
    loop_lag_ms_p50: float = 0.0
    loop_lag_ms_p99: float = 0.0
    loop_lag_ms_worst: float = 0.0
    reconciled_age_ns: int = -1
    differences: int = 0
    journal: str = ""
    """`ok`, or the newest failure."""
    commit_ms_p99: float = 0.0
    alarms: int = 0
    net_paise: int = 0


def health_of(desk: Desk, console: DeskConsole) -> Health:
    """The facts of this instant, from the picture that a screen would get."""
    view = console.view()
    status, times = view.status, desk.parts.times
    every_ns = times.reconcile_active_ns if desk.any_active else times.reconcile_flat_ns
    held = [leg for leg in view.legs if leg.open_qty]
    return Health(
        pid=os.getpid(),
        boot=boot_id(),
        mono_ns=time.monotonic_ns(),
        now_ns=status.now_ns,
        mode=status.mode,
        account=status.account,
        accounts=[_account_health(account, status.now_ns) for account in status.accounts],
        recovered=desk.recovered,
        watchlist_count=len(desk.prices),
        active_positions=len(held),
        open_units=sum(abs(leg.open_qty) for leg in held),
        covered_units=sum(leg.covered_qty for leg in held),
        working_orders=sum(1 for order in view.orders if order.is_open),
        unknown_orders=sum(1 for order in view.orders if order.state is OrderState.UNKNOWN),
        scheduler=f"every {every_ns // NS_PER_S} s" if desk.recovered else "start-up",
        entries=status.entries,
        feed_age_ns=_age_ns(status.feed_ns, status.now_ns),
        order_path=status.order_path_down or status.path_words,
        order_path_age_ns=_age_ns(status.order_path_ns, status.now_ns),
        tick_cache=sum(1 for book in desk.prices.values() if book.at_ns),
        index_name=status.index_name,
        index_paise=status.index_paise,
        loop_lag_ms_p50=view.health.loop_lag_ms_p50,
        loop_lag_ms_p99=view.health.loop_lag_ms_p99,
        loop_lag_ms_worst=view.health.loop_lag_ms_worst,
        reconciled_age_ns=_age_ns(status.reconciled_ns, status.now_ns),
        differences=status.reconcile_diffs,
        journal=desk.disk.reason or "ok",
        commit_ms_p99=view.health.commit_ms_p99,
        alarms=len(view.alarms),
        net_paise=status.net_paise,
    )


def _account_health(account: AccountView, now_ns: int) -> AccountHealth:
    return AccountHealth(
        account=account.account,
        recovered=account.is_recovered,
        order_path=account.path_down or ("ok" if account.path_ns else "not proven"),
        order_path_age_ns=_age_ns(account.path_ns, now_ns),
        reconciled_age_ns=_age_ns(account.reconciled_ns, now_ns),
        differences=account.differences,
    )


def _age_ns(at_ns: int, now_ns: int) -> int:
    return max(0, now_ns - at_ns) if at_ns else -1


def health_path(account_lock: Path) -> Path:
    """Beside the account's lock."""
    return account_lock.with_suffix(".health")


class HealthFile:
    """The desk's side: one JSON record, replaced whole, for its owner's eyes only."""

    def __init__(self, path: Path, look: Callable[[], Health]) -> None:
        self._path = path
        self._look = look
        self._newest: Health | None = None

    async def run(self) -> None:
        """Write until cancelled. A disk that takes no file is told by the age of the last one."""
        while True:
            with suppress(OSError):
                self.write(self._look())
            await asyncio.sleep(_EVERY_S)

    def write(self, health: Health) -> None:
        """Raises OSError."""
        self._newest = health
        fresh = self._path.with_suffix(".health-new")
        with suppress(FileNotFoundError):
            fresh.unlink()
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            os.write(fd, msgspec.json.encode(health))
        finally:
            os.close(fd)
        fresh.replace(self._path)

    def end(self) -> None:
        """The desk says good-bye."""
        if self._newest is not None:
            with suppress(OSError):
                self.write(msgspec.structs.replace(self._newest, ended=True))


def read_health(path: Path, now_mono_ns: int, boot: str) -> tuple[Health | None, str]:
    """(the newest record, why its desk counts as not running; empty when it runs)."""
    try:
        health = msgspec.json.decode(path.read_bytes(), type=Health)
    except FileNotFoundError:
        return None, "no desk has run with these files"
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        return None, f"{path} cannot be read: {error}"
    if health.boot != boot:
        return health, "the machine was started again since the desk last wrote"
    if health.ended:
        return health, "the desk has ended"
    silent_ns = now_mono_ns - health.mono_ns
    if silent_ns > _SILENT_NS:
        silent = f"silent for {silent_ns // NS_PER_S} s"
        return health, f"the desk (pid {health.pid}) has been {silent}: dead, or standing still"
    return health, ""


def run_health(arguments: argparse.Namespace) -> int:
    """Exit code 0 when the desk of this configuration runs, 1 when it does not."""
    loaded = load(arguments.config, os.environ, env_file=arguments.env_file)
    files = DeskFiles.of(loaded.config, places(os.environ), arguments.db)
    path = health_path(GuardianFiles.of(loaded.config, files).account_lock)
    health, down = read_health(path, time.monotonic_ns(), boot_id())
    if arguments.json:
        facts = msgspec.to_builtins(health) if health is not None else {}
        print(msgspec.json.encode({"running": not down, "why_not": down, **facts}).decode())  # noqa: T201
    else:
        for row in [f"not running: {down}"] if down else []:
            print(row)  # noqa: T201
        for name, words in _rows(health) if health is not None else []:
            print(f"{name:14} {words}")  # noqa: T201
    return EXIT_NOT_RUNNING if down else EXIT_RUNNING


def _rows(health: Health) -> list[tuple[str, str]]:
    recovered = "" if health.recovered else ", NOT RECOVERED"
    prices = f"{health.tick_cache} of {health.watchlist_count} instruments"
    last = f"last {_age(health.reconciled_age_ns)} ago, {health.differences} differences"
    several = health.accounts if len(health.accounts) > 1 else []
    index = f"{health.index_name} {rupees_text(health.index_paise)}" if health.index_paise else "no price"
    return [
        ("mode", f"{health.mode}, account {health.account}{recovered}"),
        *((f"  {one.account}"[:14], _account_words(one)) for one in several),
        ("written", f"{clock_text(health.now_ns)} by pid {health.pid}"),
        ("positions", f"{health.active_positions}, {health.covered_units} of {health.open_units} units protected"),
        ("orders", f"{health.working_orders} working, {health.unknown_orders} unknown; path {health.order_path}"),
        ("entries", health.entries),
        ("feed", f"{_age(health.feed_age_ns)} old, {prices}; {index}"),
        ("reconcile", f"{health.scheduler}, {last}"),
        ("loop lag", f"p50 {health.loop_lag_ms_p50:.1f} ms, p99 {health.loop_lag_ms_p99:.1f} ms"),
        ("journal", f"{health.journal}, commit p99 {health.commit_ms_p99:.1f} ms"),
        ("alarms", str(health.alarms)),
        ("net today", rupees_text(health.net_paise, signed=True)),
    ]


def _account_words(one: AccountHealth) -> str:
    recovered = "" if one.recovered else ", NOT RECOVERED"
    return f"path {one.order_path}; read {_age(one.reconciled_age_ns)} ago, {one.differences} differences{recovered}"


def _age(ns: int) -> str:
    return f"{ns / NS_PER_S:.1f} s" if ns >= 0 else "never"
