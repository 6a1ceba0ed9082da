"""The tables of the journal and the steps that lead to them: small named functions, forward only (R6).

sqlite-utils `Migrations` runs each step in one transaction with the record that it ran, so a crash in the middle leaves
the version before (STO-16) and running them again does nothing. A released step is never edited: add the next one.
Every table is STRICT; money is `_paise`, instants are `_ns` since the epoch (UTC). Rows that are only ever added
(`intents`, `fills`, `events`) carry a `seq` and a `link`, the hash chain of J1. Views give rupees and IST text.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from sqlite_utils import Migrations
from sqlite_utils.db import Database

from engine.journal.schema import APPLICATION_ID

MIGRATIONS = Migrations("strikedesk")

# Where a table is WITHOUT ROWID its key columns come first: SQLite 3.40 otherwise reports sound rows as damaged
# ("NULL value in positions.net_qty") when `quick_check` reads it.
_V1_TABLES = (
    """CREATE TABLE meta (key TEXT PRIMARY KEY, value_int INTEGER NOT NULL) STRICT, WITHOUT ROWID""",
    """CREATE TABLE runs (
        run_no INTEGER PRIMARY KEY, started_ns INTEGER NOT NULL, version TEXT NOT NULL, mode TEXT NOT NULL,
        account TEXT NOT NULL, seed INTEGER NOT NULL, sqlite_version TEXT NOT NULL,
        ended_ns INTEGER NOT NULL DEFAULT 0, exit_code INTEGER NOT NULL DEFAULT -1
    ) STRICT""",
    # No index on tag: an answer belongs to one of the newest intents, which a walk from the end finds at once, and an
    # index would be paid for by every intent before it may be sent. The checks are spelled with OR because `IN` builds
    # a table for every row it tests (15 us a row instead of 10, measured 2026-11).
    """CREATE TABLE intents (
        seq INTEGER PRIMARY KEY, tag TEXT NOT NULL,
        op TEXT NOT NULL CHECK (op = 'place' OR op = 'modify' OR op = 'cancel'),
        account TEXT NOT NULL, bracket_id TEXT NOT NULL, role TEXT NOT NULL, symbol TEXT NOT NULL,
        side TEXT NOT NULL, type TEXT NOT NULL, qty INTEGER NOT NULL, limit_paise INTEGER NOT NULL,
        trigger_paise INTEGER NOT NULL, reason TEXT NOT NULL, at_ns INTEGER NOT NULL,
        link INTEGER NOT NULL,
        answer TEXT NOT NULL DEFAULT '' CHECK (
            answer = '' OR answer = 'acked' OR answer = 'refused' OR answer = 'not_sent' OR answer = 'unknown'),
        answer_code TEXT NOT NULL DEFAULT '', answer_text TEXT NOT NULL DEFAULT '',
        answer_ns INTEGER NOT NULL DEFAULT 0
    ) STRICT""",
    """CREATE TABLE orders (
        tag TEXT PRIMARY KEY, account TEXT NOT NULL, bracket_id TEXT NOT NULL, bot TEXT NOT NULL, role TEXT NOT NULL,
        symbol TEXT NOT NULL, exchange TEXT NOT NULL, product TEXT NOT NULL, side TEXT NOT NULL, type TEXT NOT NULL,
        qty INTEGER NOT NULL, limit_paise INTEGER NOT NULL, trigger_paise INTEGER NOT NULL, reason TEXT NOT NULL,
        state TEXT NOT NULL, pending TEXT NOT NULL, pending_since_ns INTEGER NOT NULL, asked_qty INTEGER NOT NULL,
        asked_limit_paise INTEGER NOT NULL, asked_trigger_paise INTEGER NOT NULL, asked_type TEXT NOT NULL,
        broker_id TEXT NOT NULL, reject_code TEXT NOT NULL, reject_text TEXT NOT NULL, modify_count INTEGER NOT NULL,
        intended_ns INTEGER NOT NULL, state_ns INTEGER NOT NULL, filled_qty INTEGER NOT NULL,
        traded_qty INTEGER NOT NULL, traded_value_paise INTEGER NOT NULL, provisional_paise INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID""",
    # A trade number alone is not unique (it repeats across days and exchanges, and two orders of ours can meet each
    # other in one trade); with our tag it is, and that pair is also what Order.apply_trade merges by.
    """CREATE TABLE fills (
        account TEXT NOT NULL, trade_id TEXT NOT NULL, tag TEXT NOT NULL, broker_id TEXT NOT NULL,
        bracket_id TEXT NOT NULL, symbol TEXT NOT NULL, side TEXT NOT NULL, qty INTEGER NOT NULL,
        price_paise INTEGER NOT NULL, at_ns INTEGER NOT NULL, seq INTEGER NOT NULL, link INTEGER NOT NULL,
        PRIMARY KEY (account, trade_id, tag)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE positions (
        account TEXT NOT NULL, symbol TEXT NOT NULL, product TEXT NOT NULL, trading_day TEXT NOT NULL,
        net_qty INTEGER NOT NULL, buy_qty INTEGER NOT NULL, buy_value_paise INTEGER NOT NULL,
        sell_qty INTEGER NOT NULL, sell_value_paise INTEGER NOT NULL,
        PRIMARY KEY (account, symbol, product, trading_day)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE brackets (
        bracket_id TEXT PRIMARY KEY, account TEXT NOT NULL, bot TEXT NOT NULL, symbol TEXT NOT NULL,
        style TEXT NOT NULL, state TEXT NOT NULL, open_qty INTEGER NOT NULL, entry_paise INTEGER NOT NULL,
        stop_paise INTEGER NOT NULL, target_paise INTEGER NOT NULL, opened_ns INTEGER NOT NULL,
        closed_ns INTEGER NOT NULL, body TEXT NOT NULL
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE trades (
        trade_id TEXT PRIMARY KEY, bracket_id TEXT NOT NULL, account TEXT NOT NULL, bot TEXT NOT NULL,
        symbol TEXT NOT NULL, side TEXT NOT NULL, qty INTEGER NOT NULL, entry_paise INTEGER NOT NULL,
        exit_paise INTEGER NOT NULL, entry_value_paise INTEGER NOT NULL, exit_value_paise INTEGER NOT NULL,
        gross_paise INTEGER NOT NULL, brokerage_paise INTEGER NOT NULL, charges_paise INTEGER NOT NULL,
        net_paise INTEGER NOT NULL, reason TEXT NOT NULL, provisional INTEGER NOT NULL, opened_ns INTEGER NOT NULL,
        closed_ns INTEGER NOT NULL, trading_day TEXT NOT NULL, order_count INTEGER NOT NULL,
        surplus_qty INTEGER NOT NULL, surplus_paise INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID""",
    """CREATE INDEX trades_by_day ON trades (account, trading_day)""",
    """CREATE TABLE events (
        seq INTEGER PRIMARY KEY, at_ns INTEGER NOT NULL, level TEXT NOT NULL, event TEXT NOT NULL,
        source TEXT NOT NULL, symbol TEXT NOT NULL, tag TEXT NOT NULL, text TEXT NOT NULL, body TEXT NOT NULL,
        link INTEGER NOT NULL
    ) STRICT""",
    """CREATE TABLE alarms (
        alarm_id TEXT PRIMARY KEY, since_ns INTEGER NOT NULL, text TEXT NOT NULL, ended_ns INTEGER NOT NULL,
        acknowledged_ns INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE bots (
        account TEXT NOT NULL, bot TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (account, bot)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE ticks (
        symbol TEXT NOT NULL, at_ns INTEGER NOT NULL, ltp_paise INTEGER NOT NULL, bid_paise INTEGER NOT NULL,
        bid_qty INTEGER NOT NULL, ask_paise INTEGER NOT NULL, ask_qty INTEGER NOT NULL
    ) STRICT""",
)


def _ist(column: str) -> str:
    """SQL for `2026-11-23 10:42:07.318` in IST, empty for 0. India keeps UTC+5:30 all year (OPS-30)."""
    seconds = f"{column} / 1000000000 + 19800"
    return (
        f"CASE {column} WHEN 0 THEN '' ELSE strftime('%Y-%m-%d %H:%M:%S', {seconds}, 'unixepoch')"
        f" || printf('.%03d', {column} / 1000000 % 1000) END"
    )


def _rupees(column: str) -> str:
    """SQL for rupees. A REAL, for reading and rough sums: exact sums are made over the paise."""
    return f"{column} / 100.0"


_NET: Final = "(gross_paise - brokerage_paise - charges_paise)"
"""What a trade leaves after everything."""

_V1_VIEWS = (
    f"""CREATE VIEW fills_view AS SELECT {_ist("at_ns")} AS at_ist, account, symbol, side, qty,
        {_rupees("price_paise")} AS price_rupees, {_rupees("qty * price_paise")} AS value_rupees,
        tag, bracket_id, broker_id, trade_id FROM fills ORDER BY seq""",
    f"""CREATE VIEW orders_view AS SELECT {_ist("intended_ns")} AS intended_ist, {_ist("state_ns")} AS state_ist,
        account, bot, symbol, role, side, type, qty, filled_qty, {_rupees("limit_paise")} AS limit_rupees,
        {_rupees("trigger_paise")} AS trigger_rupees,
        CASE traded_qty WHEN 0 THEN NULL ELSE round({_rupees("traded_value_paise")} / traded_qty, 2) END
        AS average_rupees, state, pending, reason, reject_code, reject_text, tag, bracket_id, broker_id
        FROM orders ORDER BY intended_ns, tag""",
    f"""CREATE VIEW trades_view AS SELECT trading_day, {_ist("opened_ns")} AS opened_ist,
        {_ist("closed_ns")} AS closed_ist, account, bot, symbol, side, qty, {_rupees("entry_paise")} AS entry_rupees,
        {_rupees("exit_paise")} AS exit_rupees, {_rupees("gross_paise")} AS gross_rupees,
        {_rupees("(brokerage_paise + charges_paise)")} AS charges_rupees, {_rupees(_NET)} AS net_rupees,
        reason, provisional, order_count, surplus_qty, {_rupees("surplus_paise")} AS surplus_rupees,
        trade_id, bracket_id FROM trades ORDER BY closed_ns, trade_id""",
    f"""CREATE VIEW days_view AS SELECT trading_day, account, bot, count(*) AS trades,
        sum({_NET} > 0) AS winners, {_rupees("sum(gross_paise)")} AS gross_rupees,
        {_rupees("sum(brokerage_paise + charges_paise)")} AS charges_rupees,
        {_rupees(f"sum{_NET}")} AS net_rupees, sum(provisional) AS provisional_trades
        FROM trades GROUP BY trading_day, account, bot ORDER BY trading_day, account, bot""",
    f"""CREATE VIEW events_view AS SELECT {_ist("at_ns")} AS at_ist, level, event, source, symbol, tag, text
        FROM events ORDER BY seq""",
)


@MIGRATIONS(name="0001_first_tables")
def _first_tables(db: Database) -> None:
    """Version 1."""
    for statement in (*_V1_TABLES, *_V1_VIEWS):
        db.conn.execute(statement)
    db.conn.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.conn.execute("PRAGMA user_version = 1")


_V2_TABLES = (
    *(
        f"ALTER TABLE trades ADD COLUMN {column} INTEGER NOT NULL DEFAULT 0"
        for column in ("level_paise", "trigger_paise", "slippage_paise")
    ),
    """CREATE TABLE exposures (
        bracket_id TEXT NOT NULL, began_ns INTEGER NOT NULL, account TEXT NOT NULL, bot TEXT NOT NULL,
        symbol TEXT NOT NULL, ended_ns INTEGER NOT NULL, qty INTEGER NOT NULL, unit_ns INTEGER NOT NULL,
        cause TEXT NOT NULL, trading_day TEXT NOT NULL, PRIMARY KEY (bracket_id, began_ns)
    ) STRICT, WITHOUT ROWID""",
    """CREATE INDEX exposures_by_day ON exposures (account, trading_day)""",
)

_SECONDS: Final = "(ended_ns - began_ns) / 1000000000.0"
_BUCKETS_MS: Final = (100, 500, 1_000, 2_000, 5_000, 10_000, 60_000)
"""Ends of the histogram's buckets, the last one open: the spans of P1 and the limits the desk acts by (2 s, 60 s)."""


def _bucket_name(ms: int) -> str:
    return f"{ms}ms" if ms < 1_000 else f"{ms // 1_000}s"


def _buckets() -> str:
    """SQL for one column per bucket; each interval counts in exactly one."""
    span, low, columns = "(ended_ns - began_ns)", 0, list[str]()
    for ms in _BUCKETS_MS:
        high = ms * 1_000_000
        columns.append(f"sum({span} >= {low} AND {span} < {high}) AS under_{_bucket_name(ms)}")
        low = high
    return ", ".join([*columns, f"sum({span} >= {low}) AS from_{_bucket_name(_BUCKETS_MS[-1])}"])


def _percentile(percent: int) -> str:
    """SQL for a nearest-rank percentile, in seconds, over rows that carry `place` and `places`."""
    return f"max(CASE place WHEN (places * {percent} + 99) / 100 THEN {_SECONDS} END) AS p{percent}_seconds"


def _distribution(view: str, *keys: str) -> str:
    """SQL of a view with one row per group: how many, how much, how long, and the histogram."""
    by = ", ".join(keys)
    percentiles = ", ".join(_percentile(percent) for percent in (50, 90, 99))
    return f"""CREATE VIEW {view} AS SELECT {by}, count(*) AS exposures,
        sum(unit_ns / 1000000000.0) AS unit_seconds, {percentiles}, max({_SECONDS}) AS worst_seconds, {_buckets()}
        FROM (SELECT *, row_number() OVER (PARTITION BY {by} ORDER BY ended_ns - began_ns) AS place,
            count(*) OVER (PARTITION BY {by}) AS places FROM exposures)
        GROUP BY {by} ORDER BY {by}"""


_V2_VIEWS = (
    "DROP VIEW trades_view",
    f"""CREATE VIEW trades_view AS SELECT trading_day, {_ist("opened_ns")} AS opened_ist,
        {_ist("closed_ns")} AS closed_ist, account, bot, symbol,
        CASE side WHEN 'SELL' THEN 'SHORT' ELSE 'LONG' END AS side, qty, {_rupees("entry_paise")} AS entry_rupees,
        {_rupees("exit_paise")} AS exit_rupees, {_rupees("gross_paise")} AS gross_rupees,
        {_rupees("(brokerage_paise + charges_paise)")} AS charges_rupees, {_rupees(_NET)} AS net_rupees,
        reason, provisional, order_count, surplus_qty, {_rupees("surplus_paise")} AS surplus_rupees,
        {_rupees("level_paise")} AS level_rupees, {_rupees("trigger_paise")} AS trigger_rupees,
        {_rupees("slippage_paise")} AS slippage_rupees, trade_id, bracket_id
        FROM trades ORDER BY closed_ns, trade_id""",
    f"""CREATE VIEW exposures_view AS SELECT trading_day, {_ist("began_ns")} AS began_ist,
        {_ist("ended_ns")} AS ended_ist, {_SECONDS} AS seconds, account, bot, symbol, qty,
        unit_ns / 1000000000.0 AS unit_seconds, cause, bracket_id FROM exposures ORDER BY began_ns, bracket_id""",
    _distribution("exposures_by_day_view", "trading_day", "account"),
    _distribution("exposures_by_cause_view", "trading_day", "account", "cause"),
)


@MIGRATIONS(name="0002_exposures_and_slippage")
def _exposures_and_slippage(db: Database) -> None:
    """Version 2: what an exit was aimed at and how far past it the fill was; how long units were bare."""
    for statement in (*_V2_TABLES, *_V2_VIEWS):
        db.conn.execute(statement)
    db.conn.execute("PRAGMA user_version = 2")


@MIGRATIONS(name="0003_heads")
def _heads(db: Database) -> None:
    """Version 3: what the file says about itself, filled by `engine.journal.integrity.seal` (J1, STO-11, STO-12)."""
    # One row for all of them: it is written with every commit, and one write is all that may cost.
    db.conn.execute("CREATE TABLE heads (id INTEGER PRIMARY KEY CHECK (id = 1), body TEXT NOT NULL) STRICT")
    db.conn.execute("PRAGMA user_version = 3")


def apply(conn: sqlite3.Connection) -> None:
    """Run the steps that this database has not had yet."""
    MIGRATIONS.apply(Database(conn, execute_plugins=False))
