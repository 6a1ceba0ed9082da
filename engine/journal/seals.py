"""What a journal says about itself in its table `heads`: how many rows each table has, and a digest of them (J1).

A table that is only added to has its newest row number and link: a cut-off end no longer passes for a journal that
never had it. A table whose rows are replaced has the sum of its rows' digests, kept up with every write, so that a
changed, a missing or an older row is found. Both are written in the transaction they speak of. They find damage and
careless hands; they are no signature against somebody who can compute them. Pure.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from operator import itemgetter
from typing import Any, Final, NamedTuple

import msgspec

from engine.journal.records import RunRow
from engine.journal.rows import REPLACED, Table, Values, table_of

_encode = msgspec.msgpack.Encoder().encode
_WRAP: Final = 1 << 64
_HALF: Final = 1 << 63

GENERATION: Final = "generation"
"""Head: state of the file, and the number drawn when a desk opened it."""
GENERATION_BEFORE: Final = "generation_before"
"""Head: the number of the opening before; a crash may leave it in the main file."""
BATCHES: Final = "batches"
"""Head: batches written since the file was made."""
SEALED_VERSION: Final = "sealed_version"
"""Head: the schema version whose columns the digests are made of."""
ANSWERS: Final = "answers"
"""Head: the answers kept in the rows of `intents`, which the chain does not cover."""

CLOSED: Final = 0
OPEN: Final = 1
COPY: Final = 2
"""States of a file: given back in order; in use, or left by a crash; a backup that nobody has opened yet."""

RUNS: Final = table_of("runs", RunRow)
RUN_SQL: Final = RUNS.upsert("run_no")

ANSWER_COLUMNS: Final = ("seq", "answer", "answer_code", "answer_text", "answer_ns")


class Head(NamedTuple):
    """Of one table, in the one row of `heads`."""

    rows: int = 0
    digest: int = 0


class Sealed(NamedTuple):
    """How the rows of a replaced table are told apart and digested."""

    table: Table
    key_of: Callable[[Values], Any]
    """The key of a row: its value, or a tuple of them."""
    flags: tuple[int, ...]
    """Places of booleans, which SQLite gives back as 0 and 1."""
    places: tuple[int, ...]
    """Of the key columns."""
    insert_new: str
    """Writes a row whose key is not there yet, else nothing."""
    select_one: str
    """The row of a key, to be bound to `bind` of any row with that key."""

    def bind(self, row: Values) -> Values:
        return tuple(row[place] for place in self.places)

    def digest(self, row: Values) -> int:
        if self.flags:
            plain = list(row)
            for place in self.flags:
                plain[place] = int(row[place])
            row = tuple(plain)
        return row_digest(row)


def _sealed(table: Table, *key: str) -> Sealed:
    where = " AND ".join(f"{column} = ?" for column in key)
    places = tuple(table.columns.index(column) for column in key)
    return Sealed(
        table=table,
        key_of=itemgetter(*places),
        places=places,
        insert_new=f"{table.insert} ON CONFLICT DO NOTHING",
        flags=tuple(place for place, convert in enumerate(table.converters) if convert is bool),
        select_one=f"{table.select} WHERE {where}",
    )


SEALED: Final = {table.upsert(*key): _sealed(table, *key) for _, table, key in REPLACED if key} | {
    RUN_SQL: _sealed(RUNS, "run_no")
}
"""By the statement that writes them. Ticks are not among them: nothing is decided from stored ticks."""


def row_digest(row: Values) -> int:
    """64 bits, signed, of one row as SQLite holds it."""
    return int.from_bytes(hashlib.blake2b(_encode(row), digest_size=8).digest(), "big", signed=True)


def wrapped(total: int) -> int:
    """A sum of digests, kept within SQLite's signed 64 bits."""
    return (total + _HALF) % _WRAP - _HALF
