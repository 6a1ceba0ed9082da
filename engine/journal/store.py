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

import msgspec

from engine.instant import NS_PER_S
from engine.journal import schema
from engine.journal.backups import back_up, is_due, new_generation, prune
from engine.journal.errors import (
    JournalCorrupt,
    JournalError,
    JournalLocked,
    JournalUnreadable,
    JournalWriteFailed,
)
from engine.journal.file import check_file, create_file, damaged, fill_wal
from engine.journal.integrity import note_of, read_heads, seal, verify, write_heads
from engine.journal.records import Batch, Restored, RunRow
from engine.journal.restore import newest_run, restore
from engine.journal.rows import (
    ANSWER_FIND,
    ANSWER_SQL,
    CHAINED,
    FILLS,
    Rows,
    Table,
    Values,
    encodable,
    next_link,
    rows_of,
)
from engine.journal.seals import (
    ANSWERS,
    BATCHES,
    CLOSED,
    COPY,
    GENERATION,
    GENERATION_BEFORE,
    OPEN,
    RUN_SQL,
    RUNS,
    SEALED,
    SEALED_VERSION,
    Head,
    Sealed,
    row_digest,
    wrapped,
)
from engine.journal.side_files import Ballast, HeadFile
from engine.journal.spill import forget, left_behind
from engine.single_instance import AlreadyRunning, InstanceLock, LockUnusable, journal_lock_path

Synchronous = Literal["FULL", "NORMAL"]
"""FULL survives a power cut; NORMAL a crash of this program only (architecture §11)."""

_FIRST_RUN_EPOCH_S = 1_577_836_800
"""2020-01-01 UTC."""

_CHAINED_SQL = {table.name: table.chained() for table in CHAINED}
_FILL_SQL = f"{FILLS.chained()} ON CONFLICT DO NOTHING"


_DIGESTS_KEPT = 20_000
"""Digests of rows kept in memory, so that replacing a row needs no look at the one before."""


class Journal:
    """The one writer of a journal file. Made by `open` or `in_memory`."""

    def __init__(self, conn: sqlite3.Connection, path: Path | None, lock: InstanceLock | None) -> None:
        self._conn = conn
        self._path = path
        self._lock = lock
        self._run_no = 0
        self._heads: dict[str, Head] = {}
        self._moved: dict[str, Head] = {}
        """Heads that the running transaction has changed."""
        self._digests: dict[tuple[str, object], int] = {}
        self._touched: list[tuple[str, object]] = []
        """Keys whose digests the running transaction has changed."""
        self._head_file: HeadFile | None = None
        self._ballast = Ballast(path) if path is not None else None
        self.copied_to: Path | None = None
        """The backup made because the file had not been closed in order."""
        self.taken_in = 0
        """Batches that this opening found put aside by a crashed desk, and wrote (STO-09)."""
        self._shortage = ""
        self._was_copy = False

    @classmethod
    def open(
        cls, path: Path, *, synchronous: Synchronous = "FULL", now_ns: int, spill_folders: Sequence[Path] = ()
    ) -> Journal:
        """Take the file, creating it (mode 0600) when missing, after a backup when one is due, upgrading an older one.

        What a crashed desk put aside in one of `spill_folders` is written first.
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
                journal = cls(conn, path, lock)
                journal._begin(now_ns, spill_folders, is_upgrade=old not in (None, schema.VERSION))
                return journal
            except sqlite3.Error as exc:  # damage that no check has seen shows when the file is first written
                conn.close()
                raise damaged(path, str(exc)) from None
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
        journal = cls(conn, None, None)
        journal._seal()
        journal._heads = read_heads(conn)
        return journal

    @property
    def path(self) -> Path | None:
        """None for a journal in memory."""
        return self._path

    @property
    def run_no(self) -> int:
        """Of the run begun by `start_run`; 0 before."""
        return self._run_no

    @property
    def generation(self) -> int:
        """Of this opening; 0 in memory."""
        return self._head(GENERATION).digest

    @property
    def batches(self) -> int:
        """Written since the file was made."""
        return self._head(BATCHES).rows

    def image(self) -> bytes:
        """The committed content as bytes: what a crash now would leave behind."""
        return self._conn.serialize()

    def commit(self, batch: Batch) -> None:
        """Write one batch in one transaction; durable on return. Raises JournalWriteFailed: nothing is written."""
        self.write([rows_of(batch)])

    def write(self, group: Sequence[Rows]) -> None:
        """Write several batches, in order, in one transaction: one wait for the disk for all of them."""
        try:
            self._write_in_room(group)
        except UnicodeEncodeError:
            # Half a surrogate pair in some text from outside. A mark in its place beats a journal that stands still.
            self.write([encodable(rows) for rows in group])

    def start_run(self, *, started_ns: int, version: str, mode: str, account: str, seed: int = 0) -> int:
        """Record that the program starts; returns the run's number, larger than any before.

        A new file starts at the seconds since 2020, not at 1: tags are built on this number, and a journal that was
        deleted must not hand out again the tags that today's orders at the broker already carry (STO-17, STO-18).
        """
        last = int(self._conn.execute("SELECT coalesce(max(run_no), 0) FROM runs").fetchone()[0])
        run_no = last + 1
        if not last or self._was_copy:  # a copy does not know the runs after it
            run_no = max(run_no, started_ns // NS_PER_S - _FIRST_RUN_EPOCH_S)
        run = RunRow(
            run_no=run_no,
            started_ns=started_ns,
            version=version,
            mode=mode,
            account=account,
            seed=seed,
            sqlite_version=sqlite3.sqlite_version,
        )
        with self._transaction():
            self._replace(RUN_SQL, SEALED[RUN_SQL], [RUNS.values(run)])
        self._run_no = run_no
        return run_no

    def end_run(self, code: int, *, at_ns: int) -> None:
        """Record the exit code (OPS-22). A run without one was killed."""
        run = newest_run(self._conn)
        if run is None or run.run_no != self._run_no:
            return
        ended = msgspec.structs.replace(run, ended_ns=at_ns, exit_code=code)
        with self._transaction():
            self._replace(RUN_SQL, SEALED[RUN_SQL], [RUNS.values(ended)])

    def last_run(self) -> RunRow | None:
        """The newest run in the file, ours included; None when there was none."""
        return newest_run(self._conn)

    def load(self, *accounts: str, trading_day: str) -> Restored:
        """What the desk of these accounts, the main one first, has to know again; `trading_day` (`YYYY-MM-DD`, IST) is
        today."""
        return restore(self._conn, accounts, trading_day)

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
        """Give the file back, marked as closed in order; a second call does nothing."""
        was_marked = self._mark_closed()
        self._conn.close()
        if self._head_file is not None:
            self._head_file.close(remove=was_marked)
            self._head_file = None
        if self._ballast is not None:
            self._ballast.release()
        if self._lock is not None:
            self._lock.release()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- opening and closing --------------------------------------------------------------------------------------

    def _begin(self, now_ns: int, spill_folders: Sequence[Path], *, is_upgrade: bool) -> None:
        """From a sound file to one in use: copied if that is due, sealed, marked, its log laid out."""
        assert self._path is not None  # only `open` begins
        conn, heads = self._conn, read_heads(self._conn)
        if is_upgrade:
            verify(conn, self._path)
        elif is_due(conn, heads, now_ns):
            copied_to = back_up(conn, self._path, schema.VERSION, now_ns)
            self.copied_to = copied_to if heads.get(GENERATION, Head()).rows == OPEN else None
            prune(self._path)
        self._seal()
        self._heads = read_heads(conn)
        self._head_file = HeadFile(self._path)
        was = self._heads[GENERATION]
        self._was_copy = was.rows == COPY
        if was.rows == OPEN:
            self._take_in(self._path, spill_folders)
        with self._transaction():
            self._moved[GENERATION_BEFORE] = Head(0, was.digest)
            self._moved[GENERATION] = Head(OPEN, new_generation())
        fill_wal(conn, self._path)
        if self._ballast is not None:
            self._ballast.lay()

    def _take_in(self, path: Path, folders: Sequence[Path]) -> None:
        batches = left_behind(path, folders, self.generation, self.batches)
        if batches:
            self.write(batches)
            self.taken_in = len(batches)
            forget(path, folders)

    def _seal(self) -> None:
        if read_heads(self._conn).get(SEALED_VERSION, Head()).rows != schema.VERSION:
            with self._transaction():
                seal(self._conn)

    def _mark_closed(self) -> bool:
        if self._path is None or self._head_file is None:
            return False
        try:
            with self._transaction():
                self._moved[GENERATION] = Head(CLOSED, self._heads[GENERATION].digest)
        except (JournalError, sqlite3.Error):
            return False  # the next start finds a file in use and its head file, and looks closer
        return True

    # --- room ------------------------------------------------------------------------------------------------------

    @property
    def shortage(self) -> str:
        """Why only what cannot wait should be written: the disk was full, and what was kept back for it is given up."""
        return self._shortage

    def regain(self) -> None:
        """Take the ballast back when the disk has room again."""
        if self._ballast is not None and self._ballast.lay():
            self._shortage = ""

    def _write_in_room(self, group: Sequence[Rows]) -> None:
        try:
            self._write(group)
        except JournalWriteFailed as failed:
            if not (_is_full(failed) and self._ballast is not None and self._ballast.release()):
                raise
            self._shortage = f"journal {self._path}: the disk is full: its last reserve is kept for exits"
            self._write(group)

    # --- writing --------------------------------------------------------------------------------------------------

    def _write(self, group: Sequence[Rows]) -> None:
        with self._transaction():
            for rows in group:
                for table, added in rows.chained:
                    if table is FILLS:
                        self._append_fills(added)
                    else:
                        self._append(table, added)
                for sql, replaced in rows.plain:
                    if sql == ANSWER_SQL:
                        self._answer(replaced)
                    elif (sealed := SEALED.get(sql)) is not None:
                        self._replace(sql, sealed, replaced)
                    else:
                        self._conn.executemany(sql, replaced)
            self._moved[BATCHES] = Head(self._head(BATCHES).rows + len(group))

    def _head(self, name: str) -> Head:
        return self._moved.get(name) or self._heads.get(name) or Head()

    def _append(self, table: Table, rows: list[Values]) -> None:
        seq, link = self._head(table.name)
        linked: list[Values] = []
        for row in rows:
            seq += 1
            link = next_link(link, row)
            linked.append((*row, seq, link))
        self._conn.executemany(_CHAINED_SQL[table.name], linked)
        self._moved[table.name] = Head(seq, link)

    def _append_fills(self, rows: list[Values]) -> None:
        """A fill that is there already adds neither a row nor a link (A2)."""
        seq, link = self._head(FILLS.name)
        for row in rows:
            after = next_link(link, row)
            if self._conn.execute(_FILL_SQL, (*row, seq + 1, after)).rowcount == 1:
                seq, link = seq + 1, after
        self._moved[FILLS.name] = Head(seq, link)

    def _replace(self, sql: str, sealed: Sealed, rows: list[Values]) -> None:
        """Write rows over those of the same keys, and keep the table's sum of digests."""
        name = sealed.table.name
        count, total = self._head(name)
        over: list[Values] = []
        for row in rows:
            key = (name, sealed.key_of(row))
            digest = sealed.digest(row)
            before = self._digests.get(key)
            if before is not None:
                over.append(row)
            elif self._conn.execute(sealed.insert_new, row).rowcount == 1:
                count += 1
                before = 0
            else:
                over.append(row)
                before = row_digest(self._conn.execute(sealed.select_one, sealed.bind(row)).fetchone())
            total += digest - before
            self._touched.append(key)
            self._digests[key] = digest
        if over:
            self._conn.executemany(sql, over)
        self._moved[name] = Head(count, wrapped(total))

    def _answer(self, rows: list[Values]) -> None:
        """Into the newest intent of each tag and op; an answer that is already there is replaced."""
        count, total = self._head(ANSWERS)
        for *answer, tag, op in rows:
            stored = self._conn.execute(ANSWER_FIND, (tag, op)).fetchone()
            if stored is None:
                continue
            if stored[1]:
                count -= 1
                total -= row_digest(stored)
            if answer[0]:
                count += 1
                total += row_digest((stored[0], *answer))
            self._conn.execute(ANSWER_SQL, (*answer, stored[0]))
        self._moved[ANSWERS] = Head(count, wrapped(total))

    @contextlib.contextmanager
    def _transaction(self) -> Generator[None]:
        """All of it or nothing, the heads included; after the commit the head file may say so."""
        self._moved, self._touched = {}, []
        try:
            self._conn.execute("BEGIN IMMEDIATE")
            yield
            if self._moved:
                write_heads(self._conn, self._heads | self._moved)
            self._conn.execute("COMMIT")
        except BaseException as exc:
            for key in self._touched:
                self._digests.pop(key, None)
            with contextlib.suppress(sqlite3.Error):
                self._conn.rollback()
            if isinstance(exc, sqlite3.Error):
                raise JournalWriteFailed(f"journal {self._path or 'in memory'}: {exc}; nothing was written") from exc
            raise
        self._heads |= self._moved
        if len(self._digests) > _DIGESTS_KEPT:
            self._digests.clear()
        if self._head_file is not None:
            self._head_file.write(note_of(self._heads))


def _is_full(failed: JournalWriteFailed) -> bool:
    cause = failed.__cause__
    return isinstance(cause, sqlite3.Error) and getattr(cause, "sqlite_errorcode", 0) == sqlite3.SQLITE_FULL


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
        back_up(conn, path, old, now_ns)  # raises before anything is changed
    try:
        schema.upgrade(conn)
        # So that the version stands in the main file's header, where the next start looks before it opens anything.
        conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error as exc:
        reached = schema.stored_version(conn)  # every step is whole or was not begun
        stays = "it stays as it was" if reached == (old or 0) else f"it stays at version {reached}"
        raise JournalError(f"journal {path}: upgrade from version {old or 0} failed: {exc}; {stays}") from exc
    if schema.stored_version(conn) != schema.VERSION:
        raise JournalCorrupt(f"journal {path} says it has version {old}, and its own record of upgrades says otherwise")
