"""Between the structs and the rows: which columns a table has, the SQL that writes it, and how a row is read back.

Pure: a batch becomes lists of plain tuples here, on the caller's thread, so that an `Order` which changes a moment
later cannot change what is being written. The column names are the struct's field names; a test holds them to
the schema.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from enum import Enum
from operator import attrgetter
from typing import Any, NamedTuple, TypeVar, get_type_hints

import msgspec

from engine.exposure import Exposure
from engine.journal.records import (
    AlarmRow,
    AnswerRow,
    Batch,
    BotRow,
    BracketRow,
    EventRow,
    FillRow,
    IntentRow,
    PositionRow,
    TradeRow,
)
from engine.order import Order
from engine.tick import Tick

Values = tuple[Any, ...]
"""One row as SQLite takes and gives it: integers and texts only."""

T = TypeVar("T")


class Table(NamedTuple):
    """How one struct lies in one table."""

    name: str
    columns: tuple[str, ...]
    values: Callable[[Any], Values]
    """The column values of a struct, ready to bind."""
    converters: tuple[Callable[[Any], Any] | None, ...]
    """Per column, how the stored value becomes the field's value again; None leaves it."""
    insert: str
    """Plain INSERT of the columns."""
    select: str
    """`SELECT columns FROM table`, to be completed by a WHERE."""

    def upsert(self, *key: str) -> str:
        """INSERT that replaces the row with the same key."""
        rest = ", ".join(f"{c} = excluded.{c}" for c in self.columns if c not in key)
        return f"{self.insert} ON CONFLICT ({', '.join(key)}) DO UPDATE SET {rest}"

    def chained(self) -> str:
        """INSERT with the two chain columns last."""
        return insert_sql(self.name, (*self.columns, "seq", "link"))

    def fields(self, row: Values) -> dict[str, Any]:
        """A row of `select` as the struct's field values."""
        return {
            column: value if convert is None else convert(value)
            for column, convert, value in zip(self.columns, self.converters, row, strict=True)
        }


def insert_sql(table: str, columns: Sequence[str]) -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"


def table_of(name: str, struct: type[msgspec.Struct], *, without: frozenset[str] = frozenset()) -> Table:
    """The table that holds a struct, column by field."""
    hints = get_type_hints(struct)
    columns = tuple(c for c in struct.__struct_fields__ if c not in without)
    bodies = tuple(c for c in columns if hints[c] is bytes)
    # `_value_` is the text inside a StrEnum: binding that costs half of binding the member (measured, 31 columns).
    paths = [f"{c}._value_" if _is_enum(hints[c]) else c for c in columns]
    return Table(
        name=name,
        columns=columns,
        values=_with_texts(attrgetter(*paths), columns, bodies),
        converters=tuple(_converter(hints[c]) for c in columns),
        insert=insert_sql(name, columns),
        select=f"SELECT {', '.join(columns)} FROM {name}",
    )


def _is_enum(hint: object) -> bool:
    return isinstance(hint, type) and issubclass(hint, Enum)


def _converter(hint: object) -> Callable[[Any], Any] | None:
    if hint is bytes:
        return str.encode
    if isinstance(hint, type) and (hint is bool or _is_enum(hint)):
        return hint
    return None


def _with_texts(
    values: Callable[[Any], Values], columns: tuple[str, ...], bodies: tuple[str, ...]
) -> Callable[[Any], Values]:
    """Bodies are JSON bytes in the structs and TEXT in the tables, where SQL can read into them."""
    if not bodies:
        return values
    at = columns.index(bodies[0])

    def decoded(struct: Any) -> Values:
        row = values(struct)
        return (*row[:at], row[at].decode(), *row[at + 1 :])

    return decoded


INTENTS = table_of("intents", IntentRow)
FILLS = table_of("fills", FillRow)
EVENTS = table_of("events", EventRow)
ORDERS = table_of("orders", Order, without=frozenset({"trade_ids"}))
"""`trade_ids` is derived from `fills` on load."""
BRACKETS = table_of("brackets", BracketRow)
TRADES = table_of("trades", TradeRow)
POSITIONS = table_of("positions", PositionRow)
ALARMS = table_of("alarms", AlarmRow)
BOTS = table_of("bots", BotRow)
EXPOSURES = table_of("exposures", Exposure)
TICKS = table_of("ticks", Tick)

CHAINED = (INTENTS, FILLS, EVENTS)
"""Tables that are only added to, each with its own hash chain."""

ANSWER_FIND = (
    "SELECT seq, answer, answer_code, answer_text, answer_ns FROM intents"
    " WHERE tag = ? AND op = ? ORDER BY seq DESC LIMIT 1"
)
"""The newest intent of a tag and op: the one that an answer belongs to."""
_ANSWER = attrgetter("answer", "code", "text", "at_ns", "tag", "op")
ANSWER_SQL = "UPDATE intents SET answer = ?, answer_code = ?, answer_text = ?, answer_ns = ? WHERE seq = ?"
"""Its rows carry tag and op after the four values: the store finds the intent first (`ANSWER_FIND`)."""
TAG_COUNTER_SQL = (
    "INSERT INTO meta (key, value_int) VALUES ('tag_counter', ?)"
    " ON CONFLICT (key) DO UPDATE SET value_int = max(value_int, excluded.value_int)"
)
REPLACED = (
    ("orders", ORDERS, ("tag",)),
    ("brackets", BRACKETS, ("bracket_id",)),
    ("positions", POSITIONS, ("account", "symbol", "product", "trading_day")),
    ("trades", TRADES, ("trade_id",)),
    ("bots", BOTS, ("account", "bot")),
    ("alarms", ALARMS, ("alarm_id",)),
    ("exposures", EXPOSURES, ("bracket_id", "began_ns")),
    ("ticks", TICKS, ()),
)
"""Batch field, table, and the key whose row is replaced; without a key rows are only added."""


def written_by(table: Table, key: tuple[str, ...]) -> str:
    """The statement for a row of REPLACED."""
    return table.upsert(*key) if key else table.insert


_WRITES = tuple((field, table, written_by(table, key)) for field, table, key in REPLACED)


class Rows(NamedTuple):
    """One batch, ready to write: nothing in it can change any more."""

    chained: tuple[tuple[Table, list[Values]], ...]
    plain: tuple[tuple[str, list[Values]], ...]
    """SQL and its rows, written after the chained ones: an answer needs its intent."""


def rows_of(batch: Batch) -> Rows:
    """The batch as it is now."""
    chained = [
        (table, [table.values(row) for row in rows])
        for table, rows in ((INTENTS, batch.intents), (FILLS, batch.fills), (EVENTS, batch.events))
        if rows
    ]
    plain = [
        (sql, [table.values(row) for row in rows]) for field, table, sql in _WRITES if (rows := getattr(batch, field))
    ]
    if batch.answers:
        plain.append((ANSWER_SQL, [_answer_values(row) for row in batch.answers]))
    if batch.tag_counter:
        plain.append((TAG_COUNTER_SQL, [(batch.tag_counter,)]))
    return Rows(tuple(chained), tuple(plain))


def encodable(rows: Rows) -> Rows:
    """The same with half surrogate pairs in texts from outside replaced by a mark: nothing can store them."""

    def clean(row: Values) -> Values:
        return tuple(v.encode("utf-8", "replace").decode() if isinstance(v, str) else v for v in row)

    return Rows(
        tuple((table, [clean(row) for row in added]) for table, added in rows.chained),
        tuple((sql, [clean(row) for row in replaced]) for sql, replaced in rows.plain),
    )


def _answer_values(row: AnswerRow) -> Values:
    return _ANSWER(row)


_encode = msgspec.msgpack.Encoder().encode


def next_link(link: int, values: Values) -> int:
    """The hash chain: a digest of the row and of the link before it, as a signed 64-bit integer (J1)."""
    digest = hashlib.blake2b(_encode((link, values)), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def order_of(row: Values, trade_ids: list[str]) -> Order:
    return Order(**ORDERS.fields(row), trade_ids=trade_ids)
