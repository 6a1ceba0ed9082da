"""Opens a journal for `strikedesk verify`, without a lock on it and without changing a byte, and reads all of it.

A file with a log, or of an older version, is copied first and read there: a desk that starts meanwhile is not held up.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from engine.journal import schema
from engine.journal.audit import Audit, Books, Check, audit, check_of
from engine.journal.errors import JournalCorrupt, JournalError, JournalLocked, JournalUnreadable
from engine.journal.file import read_version, refuse_newer
from engine.journal.integrity import Progress, differences, refuse_foreign_log, unheard
from engine.journal.records import BotRow, BracketRow, FillRow, IntentRow, PositionRow, RunRow, TradeRow
from engine.journal.rows import (
    BOTS,
    BRACKETS,
    EVENTS,
    FILLS,
    INTENTS,
    ORDERS,
    POSITIONS,
    TRADES,
    Table,
    Values,
    order_of,
)
from engine.journal.seals import RUNS, SEALED
from engine.journal.side_files import has_log
from engine.single_instance import AlreadyRunning, InstanceLock, LockUnusable, journal_lock_path

_BLOCK: Final = 2_000
"""Rows between two words to whoever watches."""

S = TypeVar("S", bound=msgspec.Struct)


class Examination(msgspec.Struct, frozen=True, kw_only=True):
    """What was found in one file."""

    version: int
    checks: tuple[Check, ...]
    audit: Audit

    @property
    def differences(self) -> int:
        return self.audit.differences + sum(len(check.differences) + check.more for check in self.checks)


def examine(path: Path, progress: Progress, begin: Callable[[int], None]) -> Examination:
    """Read a whole journal. `begin` hears how many rows there are, `progress` how many more have been read.

    Raises JournalUnreadable, JournalCorrupt, JournalNewer, or JournalLocked while a desk has the file.
    """
    _refuse_in_use(path)
    version = read_version(path)
    before = _stamp(path)
    try:
        with _readable(path, version) as conn:
            found = _read(conn, path, version, progress, begin)
    except (sqlite3.Error, ValueError, OverflowError, msgspec.MsgspecError) as exc:
        raise JournalCorrupt(f"journal {path} is damaged ({' '.join(str(exc).split())})") from None
    if _stamp(path) != before:
        raise JournalLocked(f"journal {path} was written to while it was read: stop the desk first")
    return found


def _read(
    conn: sqlite3.Connection, path: Path, version: int, progress: Progress, begin: Callable[[int], None]
) -> Examination:
    tables = [INTENTS, FILLS, EVENTS, *(sealed.table for sealed in SEALED.values())]
    begin(2 * sum(conn.execute(f"SELECT count(*) FROM {table.name}").fetchone()[0] for table in tables))
    pages = conn.execute("PRAGMA integrity_check(20)").fetchall()
    sound = [row[0] for row in pages if row[0] != "ok"]
    checks = [check_of("pages of the file", conn.execute("PRAGMA page_count").fetchone()[0], sound)]
    if sound:  # rows of damaged pages would only repeat it
        return Examination(version=version, checks=tuple(checks), audit=Audit(checks=(), days=()))
    chained = list(differences(conn, path, 0, progress))
    rows = sum(conn.execute(f"SELECT count(*) FROM {table.name}").fetchone()[0] for table in tables)
    checks.append(check_of("chains and sums", rows, chained))
    return Examination(version=version, checks=tuple(checks), audit=audit(read_books(conn, progress)))


def read_books(conn: sqlite3.Connection, progress: Progress = unheard) -> Books:
    """Every row that the audit needs."""

    def read(table: Table, struct: type[S], order: str) -> list[S]:
        rows = conn.execute(f"{table.select} ORDER BY {order}")
        return [struct(**table.fields(row)) for row in _watched(rows, progress)]

    answered = f"SELECT {', '.join(INTENTS.columns)}, answer FROM intents ORDER BY seq"
    return Books(
        orders={row[0]: order_of(row, []) for row in _watched(conn.execute(ORDERS.select), progress)},
        fills=read(FILLS, FillRow, "seq"),
        intents=[
            (IntentRow(**INTENTS.fields(row[:-1])), row[-1]) for row in _watched(conn.execute(answered), progress)
        ],
        positions=read(POSITIONS, PositionRow, "trading_day"),
        trades=read(TRADES, TradeRow, "closed_ns, trade_id"),
        brackets=read(BRACKETS, BracketRow, "opened_ns, bracket_id"),
        bots=read(BOTS, BotRow, "bot"),
        runs=read(RUNS, RunRow, "run_no"),
    )


def books_of(path: Path) -> Books:
    """Every row, for an export. Raises JournalError."""
    _refuse_in_use(path)
    try:
        with _readable(path, read_version(path)) as conn:
            return read_books(conn)
    except (sqlite3.Error, ValueError, OverflowError, msgspec.MsgspecError) as exc:
        raise JournalCorrupt(f"journal {path} is damaged ({' '.join(str(exc).split())})") from None


def bots_of_orders(path: Path) -> dict[str, str]:
    """Tag to bot of every order that the journal knows, for `--cancel-all`. Raises JournalError."""
    _refuse_in_use(path)
    try:
        with _readable(path, read_version(path)) as conn:
            return {order.tag: order.bot for order in (order_of(row, []) for row in conn.execute(ORDERS.select))}
    except (sqlite3.Error, ValueError, msgspec.MsgspecError) as exc:
        raise JournalCorrupt(f"journal {path} is damaged ({' '.join(str(exc).split())})") from None


def _watched(rows: Iterator[Values], progress: Progress) -> Iterator[Values]:
    count = 0
    for row in rows:
        count += 1
        if count % _BLOCK == 0:
            progress(_BLOCK)
        yield row
    progress(count % _BLOCK)


@contextlib.contextmanager
def _readable(path: Path, version: int) -> Generator[sqlite3.Connection]:
    if version == schema.VERSION and not has_log(path):
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as conn:
            yield conn
        return
    with tempfile.TemporaryDirectory(prefix="strikedesk-verify-") as folder:
        copy = Path(folder) / path.name
        try:
            shutil.copyfile(path, copy)
            if has_log(path):
                shutil.copyfile(f"{path}-wal", f"{copy}-wal")
        except OSError as exc:
            raise JournalUnreadable(f"journal {path}: cannot be copied to {folder}: {exc.strerror}") from None
        with contextlib.closing(sqlite3.connect(copy, isolation_level=None)) as conn:
            refuse_foreign_log(path, conn)
            refuse_newer(path, schema.stored_version(conn))
            schema.upgrade(conn)
            yield conn


def _refuse_in_use(path: Path) -> None:
    """A running desk keeps every reader out, and what it holds in memory is newer than its file anyway."""
    lock = journal_lock_path(path)
    if not lock.exists():
        return
    try:
        InstanceLock.acquire(lock, f"journal {path}").release()
    except AlreadyRunning as exc:
        raise JournalLocked(
            f"journal {path} is in use by a running desk (process {exc.pid}): stop that desk first, or verify one of "
            "its backups",
            exc,
        ) from None
    except LockUnusable as exc:
        raise JournalError(f"journal {path}: {exc}") from None


def _stamp(path: Path) -> tuple[tuple[int, int], ...]:
    """Changes when somebody writes."""
    files = (path, Path(f"{path}-wal"))
    return tuple((file.stat().st_size, file.stat().st_mtime_ns) for file in files if file.exists())
