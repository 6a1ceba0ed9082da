"""Reading the journal back: what a desk has to know after a start.

Every read goes through the open connection of `engine.journal.store`. Sums that can be derived from fills are derived
and compared; what differs is reported, never repaired here.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from datetime import date, time, timedelta
from itertools import pairwise
from typing import TypeVar

import msgspec

from engine.exposure import Exposure
from engine.instant import NS_PER_S, at_ist
from engine.journal.records import (
    AlarmRow,
    BotRow,
    BracketRow,
    IntentRow,
    PositionRow,
    Restored,
    RunRow,
    TradeRow,
)
from engine.journal.rows import (
    ALARMS,
    BOTS,
    BRACKETS,
    EXPOSURES,
    INTENTS,
    ORDERS,
    POSITIONS,
    TRADES,
    Table,
    order_of,
)
from engine.order import TERMINAL, Order

_FAST_NS = 60 * NS_PER_S
_FINISHED = ", ".join(f"'{state.value}'" for state in sorted(TERMINAL))

S = TypeVar("S", bound=msgspec.Struct)


def restore(conn: sqlite3.Connection, accounts: tuple[str, ...], trading_day: str) -> Restored:
    """Everything of these accounts, the main one first; see `Restored` for what each field holds."""
    ours = _in(accounts)
    trade_ids, sums = _fills_by_tag(conn, accounts)
    open_brackets = f"SELECT bracket_id FROM brackets WHERE {ours} AND closed_ns = 0"
    needed = f"{ours} AND (state NOT IN ({_FINISHED}) OR bracket_id IN ({open_brackets}))"
    orders = _orders(conn, needed, (*accounts, *accounts), trade_ids)
    day_start = at_ist(date.fromisoformat(trading_day), time())
    day_end = at_ist(date.fromisoformat(trading_day) + timedelta(days=1), time())
    today = f"{ours} AND intended_ns >= ? AND intended_ns < ? AND NOT ({needed})"
    finished_today = _orders(conn, today, (*accounts, day_start, day_end, *accounts, *accounts), trade_ids)
    return Restored(
        accounts=accounts,
        last_run_no=int(_one(conn, "SELECT max(run_no) FROM runs")),
        tag_counter=int(_one(conn, "SELECT value_int FROM meta WHERE key = 'tag_counter'")),
        brackets=_read(
            conn, BRACKETS, BracketRow, f"{ours} AND closed_ns = 0 ORDER BY opened_ns, bracket_id", *accounts
        ),
        elsewhere=_read(
            conn, BRACKETS, BracketRow, f"NOT ({ours}) AND closed_ns = 0 ORDER BY opened_ns, bracket_id", *accounts
        ),
        closed_today=_closed_between(conn, accounts, day_start, day_end),
        orders=orders,
        finished_today=finished_today,
        unanswered=_read(conn, INTENTS, IntentRow, f"{ours} AND answer = '' ORDER BY seq", *accounts),
        trades_today=_read(
            conn, TRADES, TradeRow, f"{ours} AND trading_day = ? ORDER BY closed_ns, trade_id", *accounts, trading_day
        ),
        exposures_today=_read(
            conn, EXPOSURES, Exposure, f"{ours} AND trading_day = ? ORDER BY ended_ns", *accounts, trading_day
        ),
        positions=_positions(conn, accounts, trading_day),
        alarms=_read(conn, ALARMS, AlarmRow, "ended_ns = 0 ORDER BY since_ns, alarm_id"),
        bots=_read(conn, BOTS, BotRow, f"{ours} ORDER BY bot", *accounts),
        fast_crashes=_fast_crashes(conn, accounts[0]),
        differences=tuple(_differences((*orders, *finished_today), sums)),
    )


def _in(accounts: tuple[str, ...]) -> str:
    return f"account IN ({', '.join('?' * len(accounts))})"


def _closed_between(
    conn: sqlite3.Connection, accounts: tuple[str, ...], from_ns: int, until_ns: int
) -> tuple[BracketRow, ...]:
    where = f"{_in(accounts)} AND closed_ns >= ? AND closed_ns < ? ORDER BY opened_ns, bracket_id"
    return _read(conn, BRACKETS, BracketRow, where, *accounts, from_ns, until_ns)


def _fast_crashes(conn: sqlite3.Connection, account: str) -> int:
    """Runs before the newest, which is the one that asks: how many crashed within a minute, up to one that did not. A
    run stands under the main account."""
    newest = "SELECT started_ns, ended_ns FROM runs WHERE account = ? ORDER BY run_no DESC LIMIT 20"
    runs: list[tuple[int, int]] = conn.execute(newest, (account,)).fetchall()
    crashes = 0
    for (next_ns, _), (started_ns, ended_ns) in pairwise(runs):
        if ended_ns or not 0 <= next_ns - started_ns < _FAST_NS:
            break
        crashes += 1
    return crashes


def newest_run(conn: sqlite3.Connection) -> RunRow | None:
    columns = RunRow.__struct_fields__
    row = conn.execute(f"SELECT {', '.join(columns)} FROM runs ORDER BY run_no DESC LIMIT 1").fetchone()
    return None if row is None else RunRow(**dict(zip(columns, row, strict=True)))


def _fills_by_tag(
    conn: sqlite3.Connection, accounts: tuple[str, ...]
) -> tuple[dict[str, list[str]], dict[str, tuple[int, int]]]:
    """Trade ids of each tag in the order they were booked, and their quantity and value (paise)."""
    trade_ids: dict[str, list[str]] = defaultdict(list)
    sums: dict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
    booked = f"SELECT tag, trade_id, qty, qty * price_paise FROM fills WHERE {_in(accounts)} ORDER BY seq"
    for tag, trade_id, qty, value in conn.execute(booked, accounts):
        trade_ids[tag].append(trade_id)
        sums[tag] = (sums[tag][0] + qty, sums[tag][1] + value)
    return trade_ids, sums


def _orders(
    conn: sqlite3.Connection, where: str, values: tuple[str | int, ...], trade_ids: dict[str, list[str]]
) -> tuple[Order, ...]:
    rows = conn.execute(f"{ORDERS.select} WHERE {where} ORDER BY intended_ns, tag", values)
    return tuple(order_of(row, trade_ids.get(row[0], [])) for row in rows)


def _read(conn: sqlite3.Connection, table: Table, struct: type[S], where: str, *values: str | int) -> tuple[S, ...]:
    rows = conn.execute(f"{table.select} WHERE {where}", values)
    return tuple(struct(**table.fields(row)) for row in rows)


def _positions(conn: sqlite3.Connection, accounts: tuple[str, ...], trading_day: str) -> tuple[PositionRow, ...]:
    newest = (
        f"{_in(accounts)} AND trading_day = "
        "(SELECT max(p.trading_day) FROM positions p WHERE p.account = positions.account"
        " AND p.symbol = positions.symbol AND p.product = positions.product)"
        " AND (trading_day = ? OR net_qty <> 0) ORDER BY symbol, product"
    )
    return _read(conn, POSITIONS, PositionRow, newest, *accounts, trading_day)


def _differences(orders: tuple[Order, ...], sums: dict[str, tuple[int, int]]) -> list[str]:
    found: list[str] = []
    for order in orders:
        qty, value = sums.get(order.tag, (0, 0))
        if (order.traded_qty, order.traded_value_paise) != (qty, value):
            found.append(
                f"order {order.tag}: {order.traded_qty} units for {order.traded_value_paise} paise on its row, "
                f"{qty} units for {value} paise in its fills"
            )
    return found


def _one(conn: sqlite3.Connection, query: str) -> int:
    row = conn.execute(query).fetchone()
    return 0 if row is None or row[0] is None else row[0]
