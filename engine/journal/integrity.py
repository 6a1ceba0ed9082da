"""Whether a journal is still as it was written: its chains, sums and log, and what its head file remembers (J1).

Everything here reads; only `seal` writes, when a file has come to a new schema. What is found is told in words, and
`verify` makes a refusal of the first of them.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from engine.journal import schema
from engine.journal.errors import JournalCorrupt
from engine.journal.rows import CHAINED, Table, next_link
from engine.journal.seals import (
    ANSWER_COLUMNS,
    ANSWERS,
    BATCHES,
    COPY,
    GENERATION,
    GENERATION_BEFORE,
    OPEN,
    SEALED,
    SEALED_VERSION,
    Head,
    Sealed,
    row_digest,
    wrapped,
)
from engine.journal.side_files import HeadFile, HeadNote, has_log

VERIFIED_ROWS = 100_000
"""Newest rows of each chain that are verified on open, and the size up to which a table's sum is; 3 us a row bounds the
start to about a second. `strikedesk verify` reads everything."""

_SELECT_ANSWERS: Final = f"SELECT {', '.join(ANSWER_COLUMNS)} FROM intents WHERE answer <> ''"

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Head]).decode

Progress = Callable[[int], None]
"""Hears how many rows have been read since it was last called."""


def unheard(_rows: int) -> None:
    """Nobody watches."""


def verify(conn: sqlite3.Connection, path: Path) -> None:
    """Check an up-to-date file as far as a start has time for; raises JournalCorrupt with the first thing found."""
    for found in differences(conn, path, VERIFIED_ROWS):
        raise JournalCorrupt(f"journal {path} was altered: {found}; {advice(path)}")


def advice(path: Path) -> str:
    """What a person can do about a damaged file."""
    newest = max(path.parent.glob(f"{path.name}.backup-*"), default=None, key=lambda file: file.stat().st_mtime_ns)
    restore = f"restore {newest.name}" if newest is not None else "restore a backup"
    return f"{restore} in its place, or move the file away: then a new one begins from the broker's books"


def differences(conn: sqlite3.Connection, path: Path, rows_max: int, progress: Progress = unheard) -> Iterator[str]:
    """Everything that is not as it was written, in words. At most `rows_max` rows of a table are read (0 = all)."""
    heads = read_heads(conn)
    if heads.get(SEALED_VERSION, Head()).rows != schema.VERSION:
        for table in CHAINED:  # just upgraded: the heads come with the first opening
            yield from _chain(conn, table, heads.get(table.name), rows_max, progress)
        return
    yield from _lost_end(path, heads)
    for table in CHAINED:
        yield from _chain(conn, table, heads.get(table.name, Head()), rows_max, progress)
    for sealed in SEALED.values():
        head = heads.get(sealed.table.name, Head())
        if rows_max and head.rows > rows_max:
            continue
        yield from _sum(sealed.table.name, head, _sum_of(conn, sealed), progress)
    answers = heads.get(ANSWERS, Head())
    if not rows_max or answers.rows <= rows_max:
        yield from _sum("answers in intents", answers, _sum_of_answers(conn), progress)


def read_heads(conn: sqlite3.Connection) -> dict[str, Head]:
    """By name; empty in a file of an older version."""
    if not conn.execute("SELECT 1 FROM sqlite_master WHERE name = 'heads'").fetchone():
        return {}
    row = conn.execute("SELECT body FROM heads").fetchone()
    if row is None:
        return {}
    try:
        return _decode(row[0])
    except (msgspec.MsgspecError, TypeError) as exc:
        raise sqlite3.DatabaseError(f"heads: {exc}") from None


def write_heads(conn: sqlite3.Connection, heads: dict[str, Head]) -> None:
    """All of them, inside the caller's transaction."""
    conn.execute("INSERT OR REPLACE INTO heads (id, body) VALUES (1, ?)", (_encode(heads).decode(),))


def seal(conn: sqlite3.Connection) -> None:
    """Make the digests of a file that has none for this schema; inside the caller's transaction.

    The chains keep the heads they have: only a file of before version 3 has none.
    """
    heads = read_heads(conn)
    fresh = {table.name: heads.get(table.name) or newest_link(conn, table) for table in CHAINED}
    fresh |= {sealed.table.name: _sum_of(conn, sealed) for sealed in SEALED.values()}
    fresh |= {ANSWERS: _sum_of_answers(conn), SEALED_VERSION: Head(schema.VERSION)}
    fresh |= {name: heads.get(name, Head()) for name in (BATCHES, GENERATION, GENERATION_BEFORE)}
    write_heads(conn, fresh)


def newest_link(conn: sqlite3.Connection, table: Table) -> Head:
    """Where a chain ends by its own rows."""
    newest = f"SELECT seq, link FROM {table.name} WHERE seq = (SELECT max(seq) FROM {table.name})"
    return Head(*(conn.execute(newest).fetchone() or (0, 0)))


def refuse_foreign_log(path: Path, conn: sqlite3.Connection) -> None:
    """A log beside a file that it does not belong to is laid over it by SQLite all the same (STO-12).

    Every commit writes the head of its generation, so the log, through `conn`, tells whose it is; the main file is read
    without it. Two files mixed up may make no sense at all: then only a copy, which never has a log, is certain.
    """
    alone = _heads_without_log(path)
    if alone is None or GENERATION not in alone:
        return
    try:
        mixed = read_heads(conn)
    except sqlite3.DatabaseError:
        if alone[GENERATION].rows != COPY:
            return  # damaged: told as such by the check that follows
        mixed = {}
    known = {mixed.get(name, Head()).digest for name in (GENERATION, GENERATION_BEFORE)}
    if alone[GENERATION].digest not in known:
        raise JournalCorrupt(
            f"journal {path}: the log {path.name}-wal beside it belongs to another file: move the log away if this "
            "file was restored from a backup, else put back the file that belongs to it"
        )


def _heads_without_log(path: Path) -> dict[str, Head] | None:
    """None where the main file alone cannot be read: new, older, or a checkpoint was under way."""
    with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as conn:
        try:
            return read_heads(conn)
        except sqlite3.DatabaseError:
            return None


def _lost_end(path: Path, heads: dict[str, Head]) -> Iterator[str]:
    """Commits that were reported durable and are not there: the log was cut off, damaged or left behind."""
    generation, batches = heads.get(GENERATION, Head()), heads.get(BATCHES, Head()).rows
    note = HeadFile.read(path)
    is_current = note is not None and note.generation == generation.digest
    if note is not None and is_current and note.batches > batches:
        yield (
            f"its newest {note.batches - batches} commit(s) are missing: {path.name}-wal is damaged, cut short or "
            f"was left behind; to go on without them, delete {HeadFile.path_of(path).name} (the broker's books are "
            "then compared at the start)"
        )
    if generation.rows == OPEN and not has_log(path) and not is_current:
        yield (
            f"it was in use and {path.name}-wal is missing, with the newest commits in it; put it back beside the file"
        )


def note_of(heads: dict[str, Head]) -> HeadNote:
    """What the head file is to remember of these heads."""
    return HeadNote(heads.get(GENERATION, Head()).digest, heads.get(BATCHES, Head()).rows)


def _chain(
    conn: sqlite3.Connection, table: Table, head: Head | None, rows_max: int, progress: Progress
) -> Iterator[str]:
    """Recompute the newest links. Finds an altered, exchanged or missing row, and by the head a missing end."""
    newest = newest_link(conn, table).rows
    seq = max(0, newest - rows_max) if rows_max else 0
    link = _link_at(conn, table, seq)
    columns = ", ".join(table.columns)
    counted = 0
    for *row, row_seq, row_link in conn.execute(
        f"SELECT {columns}, seq, link FROM {table.name} WHERE seq > ? ORDER BY seq", (seq,)
    ):
        seq += 1
        link = next_link(link, tuple(row))
        if (row_seq, row_link) != (seq, link):
            yield f"{table.name} row {seq} is missing or not as it was written"
            return
        counted += 1
        if counted % 1_000 == 0:
            progress(1_000)
    progress(counted % 1_000)
    if head is not None and head != (seq, link):
        yield f"{table.name} ends at row {seq}, it was written up to row {head.rows}"


def _link_at(conn: sqlite3.Connection, table: Table, seq: int) -> int:
    row = conn.execute(f"SELECT link FROM {table.name} WHERE seq = ?", (seq,)).fetchone()
    return row[0] if row else 0


def _sum(name: str, head: Head, found: Head, progress: Progress) -> Iterator[str]:
    progress(found.rows)
    if found.rows != head.rows:
        yield f"{name} has {found.rows} row(s), {head.rows} were written"
    elif found.digest != head.digest:
        yield f"some row of {name} is not as it was written"


def _sum_of(conn: sqlite3.Connection, sealed: Sealed) -> Head:
    rows = total = 0
    for row in conn.execute(sealed.table.select):
        rows += 1
        total += row_digest(row)
    return Head(rows, wrapped(total))


def _sum_of_answers(conn: sqlite3.Connection) -> Head:
    rows = total = 0
    for row in conn.execute(_SELECT_ANSWERS):
        rows += 1
        total += row_digest(row)
    return Head(rows, wrapped(total))
