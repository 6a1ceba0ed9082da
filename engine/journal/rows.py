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


def _table(name: str, struct: type[msgspec.Struct], *, without: frozenset[str] = frozenset()) -> Table:
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


INTENTS = _table("intents", IntentRow)
FILLS = _table("fills", FillRow)
EVENTS = _table("events", EventRow)
ORDERS = _table("orders", Order, without=frozenset({"trade_ids"}))
"""`trade_ids` is derived from `fills` on load."""
BRACKETS = _table("brackets", BracketRow)
TRADES = _table("trades", TradeRow)
POSITIONS = _table("positions", PositionRow)
ALARMS = _table("alarms", AlarmRow)
BOTS = _table("bots", BotRow)
EXPOSURES = _table("exposures", Exposure)
TICKS = _table("ticks", Tick)

CHAINED = (INTENTS, FILLS, EVENTS)
"""Tables that are only added to, each with its own hash chain."""

_ANSWER = attrgetter("answer", "code", "text", "at_ns", "tag", "op")
_ANSWER_SQL = (
    "UPDATE intents SET answer = ?, answer_code = ?, answer_text = ?, answer_ns = ?"
    " WHERE seq = (SELECT seq FROM intents WHERE tag = ? AND op = ? ORDER BY seq DESC LIMIT 1)"
)
_TAG_COUNTER_SQL = (
    "INSERT INTO meta (key, value_int) VALUES ('tag_counter', ?)"
    " ON CONFLICT (key) DO UPDATE SET value_int = max(value_int, excluded.value_int)"
)
_REPLACED = (
    ("orders", ORDERS, ORDERS.upsert("tag")),
    ("brackets", BRACKETS, BRACKETS.upsert("bracket_id")),
    ("positions", POSITIONS, POSITIONS.upsert("account", "symbol", "product", "trading_day")),
    ("trades", TRADES, TRADES.upsert("trade_id")),
    ("bots", BOTS, BOTS.upsert("account", "bot")),
    ("alarms", ALARMS, ALARMS.upsert("alarm_id")),
    ("exposures", EXPOSURES, EXPOSURES.upsert("bracket_id", "began_ns")),
    ("ticks", TICKS, TICKS.insert),
)
"""Batch field, table, SQL."""


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
        (sql, [table.values(row) for row in rows]) for field, table, sql in _REPLACED if (rows := getattr(batch, field))
    ]
    if batch.answers:
        plain.append((_ANSWER_SQL, [_answer_values(row) for row in batch.answers]))
    if batch.tag_counter:
        plain.append((_TAG_COUNTER_SQL, [(batch.tag_counter,)]))
    return Rows(tuple(chained), tuple(plain))


def _answer_values(row: AnswerRow) -> Values:
    return _ANSWER(row)


_encode = msgspec.msgpack.Encoder().encode


def next_link(link: int, values: Values) -> int:
    """The hash chain: a digest of the row and of the link before it, as a signed 64-bit integer (J1)."""
    digest = hashlib.blake2b(_encode((link, values)), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def order_of(row: Values, trade_ids: list[str]) -> Order:
    return Order(**ORDERS.fields(row), trade_ids=trade_ids)
