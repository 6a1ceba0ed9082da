"""Copies of a journal beside it: when one is due, how it is made and checked, and which of them are kept.

A copy is made by SQLite itself, so it is whole whatever was in the log (STO-12, STO-19), is read back before it counts,
and carries the mark of a copy: restored, its desk takes a run number that no run after the copy can have had.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from engine.instant import ist_date
from engine.journal import schema
from engine.journal.errors import JournalError
from engine.journal.file import sync
from engine.journal.integrity import read_heads, write_heads
from engine.journal.seals import COPY, GENERATION, OPEN, Head

KEPT: Final = 7
"""Copies of the present version that stay; those made before an upgrade are never deleted."""


def is_due(conn: sqlite3.Connection, heads: dict[str, Head], now_ns: int) -> bool:
    """After an unclean end, and at the first opening of a day that a file with a history sees."""
    if heads.get(GENERATION, Head()).rows == OPEN:
        return True
    last_ns = conn.execute("SELECT started_ns FROM runs ORDER BY run_no DESC LIMIT 1").fetchone()
    return last_ns is not None and ist_date(last_ns[0]) < ist_date(now_ns)


def back_up(conn: sqlite3.Connection, path: Path, version: int, now_ns: int) -> Path:
    """A checked copy beside the file, `NAME.backup-v1-20261123T034500Z`; returns its path (R6, STO-19).

    Raises JournalError; the journal itself is untouched.
    """
    stamp = datetime.fromtimestamp(now_ns // 1_000_000_000, UTC).strftime("%Y%m%dT%H%M%SZ")
    target = _new_private_file(path, f"{path.name}.backup-v{version}-{stamp}")
    try:
        conn.execute("VACUUM INTO ?", (str(target),))
        with contextlib.closing(sqlite3.connect(target, isolation_level=None)) as copy:
            copy.execute("PRAGMA synchronous = OFF")  # synced below, once
            found = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
            if heads := read_heads(copy):
                write_heads(copy, heads | {GENERATION: Head(COPY, new_generation())})
        if found != "ok":
            raise JournalError(f"journal {path}: its backup {target} is damaged ({found})")
        sync(target)
        sync(target.parent)
    except (sqlite3.Error, OSError) as exc:
        target.unlink(missing_ok=True)
        raise JournalError(f"journal {path}: no backup could be made ({exc})") from exc
    return target


def prune(path: Path) -> None:
    """Delete the oldest copies of the present version beyond the newest KEPT."""
    copies = path.parent.glob(f"{path.name}.backup-v{schema.VERSION}-*")
    for old in sorted(copies, key=lambda file: file.stat().st_mtime_ns)[:-KEPT]:
        with contextlib.suppress(OSError):
            old.unlink()


def new_generation() -> int:
    """A number that no other opening has, and not 0."""
    return secrets.randbits(62) + 1


def _new_private_file(beside: Path, name: str) -> Path:
    """An empty file of that name that did not exist before; numbered when a crash left one of the same second."""
    for attempt in range(1, 100):
        target = beside.with_name(name if attempt == 1 else f"{name}-{attempt}")
        try:
            os.close(os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except FileExistsError:
            continue
        except OSError as exc:
            raise JournalError(f"backup {target}: {exc.strerror}") from None
        return target
    raise JournalError(f"backup {beside.with_name(name)}: a hundred copies of this second exist")
