"""The journal as a file: is it ours, whole and not newer; made private; its log laid out.

Every check reads without writing: the header as bytes, the content through a read-only connection, so that a refused
file stays as it was.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path
from typing import NamedTuple

from engine.journal import schema
from engine.journal.errors import JournalCorrupt, JournalLocked, JournalNewer, JournalUnreadable
from engine.journal.integrity import advice, refuse_foreign_log, verify
from engine.journal.side_files import has_log

_HEADER_BYTES = 100
_MAGIC = b"SQLite format 3\x00"
_WAL_PAGES = 1_050
"""A little more than the 1,000 pages after which SQLite checkpoints by itself."""


class _Header(NamedTuple):
    """The two numbers of ours in a SQLite header (fileformat2 §1.3: offsets 60 and 68)."""

    version: int
    application_id: int


def check_file(path: Path) -> int | None:
    """The schema version of a sound journal; None when there is nothing yet (no file, or an empty one).

    Raises JournalNewer, JournalCorrupt, JournalUnreadable or JournalLocked.
    """
    header = _read_header(path)
    if header is None:
        return None
    _refuse_foreign(path, header)
    uri = f"{path.absolute().as_uri()}?mode=ro"
    if not has_log(path):
        uri += "&immutable=1"  # nothing to recover, so not even a lock file is made beside it
    with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=0)) as conn:
        try:
            return _check_content(conn, path)
        except (sqlite3.Error, ValueError, OverflowError) as exc:  # whatever damaged bytes make of themselves
            if "locked" in str(exc):
                raise JournalLocked(f"journal {path}: another program has the database open; close it first") from None
            raise damaged(path, str(exc)) from None


def read_version(path: Path) -> int:
    """The schema version in the header of a journal that is only to be read.

    Raises JournalUnreadable, JournalCorrupt or JournalNewer.
    """
    header = _read_header(path, for_writing=False)
    if header is None:
        raise JournalUnreadable(f"journal {path}: no such file, or an empty one")
    _refuse_foreign(path, header)
    if not header.version and not has_log(path):
        raise JournalCorrupt(f"journal {path} holds no tables: the program that made it ended before it was ready")
    return header.version


def _check_content(conn: sqlite3.Connection, path: Path) -> int:
    if has_log(path):
        refuse_foreign_log(path, conn)
    found = conn.execute("PRAGMA quick_check(1)").fetchone()[0]
    version = schema.stored_version(conn)
    if found != "ok":
        raise damaged(path, found)
    if version == 0 and _has_foreign_tables(conn):
        raise _foreign(path)
    refuse_newer(path, version)
    if version == schema.VERSION:
        verify(conn, path)
    return version


def damaged(path: Path, found: str) -> JournalCorrupt:
    """The refusal of a file whose bytes make no sense."""
    return JournalCorrupt(f"journal {path} is damaged ({' '.join(found.split())}): {advice(path)}")


def create_file(path: Path) -> None:
    """An empty private file, or the empty one that is there made private."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
        path.chmod(0o600)
    except OSError as exc:
        raise JournalUnreadable(f"journal {path}: cannot be created: {exc.strerror}") from None


def fill_wal(conn: sqlite3.Connection, path: Path) -> None:
    """Lay the log out at its full size, so that commits overwrite allocated blocks (performance.md advice 7).

    A large transaction spills its pages into the log and is rolled back: the log keeps its size, the database its
    content.
    """
    conn.execute("PRAGMA wal_checkpoint(RESTART)")
    cache = conn.execute("PRAGMA cache_size").fetchone()[0]
    conn.execute("PRAGMA cache_size = 16")
    conn.execute("BEGIN IMMEDIATE")
    try:
        conn.execute("CREATE TABLE wal_fill (page BLOB)")
        conn.executemany("INSERT INTO wal_fill VALUES (zeroblob(4000))", [()] * _WAL_PAGES)
    except sqlite3.OperationalError:
        pass  # a full disk: the journal still opens, and its first commit will say so
    finally:
        conn.rollback()
        conn.execute(f"PRAGMA cache_size = {cache}")
    with contextlib.suppress(OSError):
        sync(Path(f"{path}-wal"))


def _read_header(path: Path, *, for_writing: bool = True) -> _Header | None:
    try:
        with path.open("rb") as file:
            head = file.read(_HEADER_BYTES)
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise JournalUnreadable(f"journal {path}: cannot be read: {exc.strerror}") from None
    if for_writing and not os.access(path, os.W_OK):
        raise JournalUnreadable(f"journal {path}: cannot be written: it is read-only for this user")
    if not head and not has_log(path):
        return None
    if len(head) < _HEADER_BYTES or not head.startswith(_MAGIC):
        raise JournalCorrupt(f"journal {path} is not a SQLite file: move it away, or name another journal")
    return _Header(int.from_bytes(head[60:64], "big"), int.from_bytes(head[68:72], "big"))


def _refuse_foreign(path: Path, header: _Header) -> None:
    # A crash before the first migration leaves a header without our mark and without tables; that one has version 0.
    if header.application_id not in (schema.APPLICATION_ID, 0) or (header.version and not header.application_id):
        raise _foreign(path)
    refuse_newer(path, header.version)


def _has_foreign_tables(conn: sqlite3.Connection) -> bool:
    ours = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_sqlite\\_%' ESCAPE '\\'"
    return conn.execute(ours).fetchone()[0] > 0


def _foreign(path: Path) -> JournalCorrupt:
    return JournalCorrupt(f"journal {path} is a database of another program: name another journal")


def refuse_newer(path: Path, version: int) -> None:
    """Raises JournalNewer for a schema that this program does not know."""
    if version > schema.VERSION:
        raise JournalNewer(
            f"journal {path} has schema version {version}, this program knows up to {schema.VERSION}: "
            "start the newer program, or name another journal"
        )


def sync(path: Path) -> None:
    """Wait until a file, or the entries of a folder, are on the disk."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
