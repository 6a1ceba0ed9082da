"""The journal file: opened whole or refused untouched, written one transaction at a time, read back at start.

One connection owns the file for the life of the process: `flock` beside it says who we are, SQLite's exclusive locking
mode keeps every other program out (STO-10, STO-14). Nothing here decides anything. After `open`, all methods must be
called from one thread at a time; `engine.journal.writer` keeps that promise in live mode.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Literal

from engine.instant import NS_PER_S
from engine.journal import schema
from engine.journal.errors import JournalError, JournalLocked, JournalUnreadable, JournalWriteFailed
from engine.journal.file import back_up, check_file, create_file, fill_wal
from engine.journal.records import Batch, Restored, RunRow
from engine.journal.restore import newest_run, restore, verify_chain
from engine.journal.rows import CHAINED, FILLS, Rows, Table, Values, insert_sql, next_link, rows_of
from engine.single_instance import AlreadyRunning, InstanceLock, LockUnusable, journal_lock_path

Synchronous = Literal["FULL", "NORMAL"]
"""FULL survives a power cut; NORMAL a crash of this program only (architecture §11)."""

_FIRST_RUN_EPOCH_S = 1_577_836_800
"""2020-01-01 UTC."""

_CHAINED_SQL = {table.name: table.chained() for table in CHAINED}
_FILL_SQL = f"{FILLS.chained()} ON CONFLICT DO NOTHING"


class _Head:
    """Where one chain ends."""

    __slots__ = ("link", "seq")

    def __init__(self, seq: int, link: int) -> None:
        self.seq = seq
        self.link = link


class Journal:
    """The one writer of a journal file. Made by `open` or `in_memory`."""

    def __init__(self, conn: sqlite3.Connection, path: Path | None, lock: InstanceLock | None) -> None:
        self._conn = conn
        self._path = path
        self._lock = lock
        self._run_no = 0
        self._heads = {table.name: self._read_head(table) for table in CHAINED}

    @classmethod
    def open(cls, path: Path, *, synchronous: Synchronous = "FULL", now_ns: int) -> Journal:
        """Take the file, creating it (mode 0600) when missing and upgrading it after a backup copy when older.

        Raises JournalNewer, JournalCorrupt, JournalUnreadable or JournalLocked; the file is then as it was.
        """
        lock = _lock(path)
        try:
            old = check_file(path)
            if old is None:
                create_file(path)
            conn = _connect(path, synchronous)
            try:
                _upgrade(conn, path, old, now_ns)
                verify_chain(conn, path)
                fill_wal(conn, path)
                return cls(conn, path, lock)
            except BaseException:
                conn.close()
                raise
        except BaseException:
            lock.release()
            raise

    @classmethod
    def in_memory(cls, image: bytes = b"") -> Journal:
        """A journal without a file, for simulation: new, or as `image()` of an earlier one left it."""
        conn = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        if image:
            conn.deserialize(image)
        schema.upgrade(conn)
        return cls(conn, None, None)

    @property
    def path(self) -> Path | None:
        """None for a journal in memory."""
        return self._path

    @property
    def run_no(self) -> int:
        """Of the run begun by `start_run`; 0 before."""
        return self._run_no

    def image(self) -> bytes:
        """The committed content as bytes: what a crash now would leave behind."""
        return self._conn.serialize()

    def commit(self, batch: Batch) -> None:
        """Write one batch in one transaction; durable on return. Raises JournalWriteFailed: nothing is written."""
        self.write([rows_of(batch)])

    def write(self, group: Sequence[Rows]) -> None:
        """Write several batches, in order, in one transaction: one wait for the disk for all of them."""
        try:
            self._write(group)
        except UnicodeEncodeError:
            # Half a surrogate pair in some text from outside. A mark in its place beats a journal that stands still.
            self.write([_encodable(rows) for rows in group])

    def start_run(self, *, started_ns: int, version: str, mode: str, account: str, seed: int = 0) -> int:
        """Record that the program starts; returns the run's number, larger than any before.

        A new file starts at the seconds since 2020, not at 1: tags are built on this number, and a journal that was
        deleted must not hand out again the tags that today's orders at the broker already carry (STO-17, STO-18).
        """
        last = int(self._conn.execute("SELECT coalesce(max(run_no), 0) FROM runs").fetchone()[0])
        run_no = last + 1 if last else max(1, started_ns // NS_PER_S - _FIRST_RUN_EPOCH_S)
        run = (run_no, started_ns, version, mode, account, seed, sqlite3.sqlite_version)
        columns = ("run_no", "started_ns", "version", "mode", "account", "seed", "sqlite_version")
        with self._transaction():
            self._conn.execute(insert_sql("runs", columns), run)
        self._run_no = run_no
        return run_no

    def end_run(self, code: int, *, at_ns: int) -> None:
        """Record the exit code (OPS-22). A run without one was killed."""
        with self._transaction():
            self._conn.execute(
                "UPDATE runs SET ended_ns = ?, exit_code = ? WHERE run_no = ?", (at_ns, code, self._run_no)
            )

    def last_run(self) -> RunRow | None:
        """The newest run in the file, ours included; None when there was none."""
        return newest_run(self._conn)

    def load(self, account: str, *, trading_day: str) -> Restored:
        """What the desk of `account` has to know again; `trading_day` (`YYYY-MM-DD`, IST) is today."""
        return restore(self._conn, account, trading_day)

    def wal_bytes(self) -> int:
        """Size of the write-ahead log, for the health panel (STO-13)."""
        if self._path is None:
            return 0
        with contextlib.suppress(FileNotFoundError):
            return os.stat(f"{self._path}-wal").st_size
        return 0

    def checkpoint(self) -> None:
        """Move the log into the main file: for a quiet moment; SQLite does it by itself every 1,000 pages."""
        self._conn.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def close(self) -> None:
        """Give the file back; a second call does nothing."""
        self._conn.close()
        if self._lock is not None:
            self._lock.release()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write(self, group: Sequence[Rows]) -> None:
        before = {name: (head.seq, head.link) for name, head in self._heads.items()}
        try:
            with self._transaction():
                for rows in group:
                    for table, added in rows.chained:
                        if table is FILLS:
                            self._append_fills(added)
                        else:
                            self._append(table, added)
                    for sql, replaced in rows.plain:
                        self._conn.executemany(sql, replaced)
        except BaseException:
            self._heads = {name: _Head(seq, link) for name, (seq, link) in before.items()}
            raise

    def _append(self, table: Table, rows: list[Values]) -> None:
        head = self._heads[table.name]
        linked: list[Values] = []
        for row in rows:
            head.seq += 1
            head.link = next_link(head.link, row)
            linked.append((*row, head.seq, head.link))
        self._conn.executemany(_CHAINED_SQL[table.name], linked)

    def _append_fills(self, rows: list[Values]) -> None:
        """A fill that is there already adds neither a row nor a link (A2)."""
        head = self._heads[FILLS.name]
        for row in rows:
            link = next_link(head.link, row)
            if self._conn.execute(_FILL_SQL, (*row, head.seq + 1, link)).rowcount == 1:
                head.seq += 1
                head.link = link

    @contextlib.contextmanager
    def _transaction(self) -> Generator[None]:
        try:
            self._conn.execute("BEGIN IMMEDIATE")
            yield
            self._conn.execute("COMMIT")
        except BaseException as exc:
            with contextlib.suppress(sqlite3.Error):
                self._conn.rollback()
            if isinstance(exc, sqlite3.Error):
                raise JournalWriteFailed(f"journal {self._path or 'in memory'}: {exc}; nothing was written") from exc
            raise

    def _read_head(self, table: Table) -> _Head:
        newest = f"SELECT seq, link FROM {table.name} WHERE seq = (SELECT max(seq) FROM {table.name})"
        seq, link = self._conn.execute(newest).fetchone() or (0, 0)
        return _Head(seq, link)


def _encodable(rows: Rows) -> Rows:
    def clean(row: Values) -> Values:
        return tuple(v.encode("utf-8", "replace").decode() if isinstance(v, str) else v for v in row)

    return Rows(
        tuple((table, [clean(row) for row in added]) for table, added in rows.chained),
        tuple((sql, [clean(row) for row in replaced]) for sql, replaced in rows.plain),
    )


def _lock(path: Path) -> InstanceLock:
    if not path.parent.is_dir():
        raise JournalUnreadable(f"journal {path}: folder {path.parent} does not exist")
    try:
        return InstanceLock.acquire(journal_lock_path(path), f"journal {path}")
    except AlreadyRunning as exc:
        raise JournalLocked(str(exc), exc) from None
    except LockUnusable as exc:
        raise JournalUnreadable(f"journal {path}: {exc}") from None


def _connect(path: Path, synchronous: Synchronous) -> sqlite3.Connection:
    """The connection that owns the file from here on."""
    conn = sqlite3.connect(path, isolation_level=None, timeout=0, check_same_thread=False)
    try:
        conn.execute("PRAGMA locking_mode = EXCLUSIVE")
        conn.execute("PRAGMA journal_mode = WAL")
        conn.execute(f"PRAGMA synchronous = {synchronous}")
        conn.execute("BEGIN EXCLUSIVE")
        conn.execute("COMMIT")
    except sqlite3.OperationalError as exc:
        conn.close()
        if "locked" in str(exc):
            raise JournalLocked(f"journal {path}: another program has the database open; close it first") from None
        raise JournalUnreadable(f"journal {path}: {exc}") from None
    return conn


def _upgrade(conn: sqlite3.Connection, path: Path, old: int | None, now_ns: int) -> None:
    if old == schema.VERSION:
        return
    if old:
        back_up(conn, path, old, now_ns)
    try:
        schema.upgrade(conn)
        # So that the version stands in the main file's header, where the next start looks before it opens anything.
        conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error as exc:
        reached = schema.stored_version(conn)  # every step is whole or was not begun
        stays = "it stays as it was" if reached == (old or 0) else f"it stays at version {reached}"
        raise JournalError(f"journal {path}: upgrade from version {old or 0} failed: {exc}; {stays}") from exc
