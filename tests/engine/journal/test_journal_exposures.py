"""Version 2 of the journal: an older file keeps its state and gains the new tables, whose views say what they hold."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from statistics import median

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlite_utils.db import Database

from engine.exposure import Cause, Exposure, percentile
from engine.instant import NS_PER_MS, NS_PER_S
from engine.journal import migrations, schema
from engine.journal.records import Batch, BracketRow, FillRow, IntentRow, TradeRow
from engine.journal.rows import TRADES
from engine.journal.store import Journal
from engine.order import Order, Side

TODAY = "2026-11-23"
V1_TRADE = {
    "trade_id": "T1", "bracket_id": "B0", "account": "AB1234", "bot": "pair", "symbol": "NIFTY24500PE", "side": "BUY",
    "qty": 75, "entry_paise": 10_005, "exit_paise": 9_420, "entry_value_paise": 750_375, "exit_value_paise": 706_500,
    "gross_paise": -43_875, "brokerage_paise": 4_000, "charges_paise": 1_234, "net_paise": -47_875,
    "reason": "Stoploss Hit", "provisional": 0, "opened_ns": 1, "closed_ns": 2, "trading_day": TODAY,
    "order_count": 3, "surplus_qty": 0, "surplus_paise": 0,
}  # fmt: skip


def row_of(began_ns: int, span_ns: int, **changes: object) -> Exposure:
    fields: dict[str, object] = {
        "bracket_id": "B1",
        "account": "AB1234",
        "bot": "pair",
        "symbol": "NIFTY24500PE",
        "began_ns": began_ns,
        "ended_ns": began_ns + span_ns,
        "qty": 75,
        "unit_ns": 75 * span_ns,
        "cause": Cause.PLACING,
        "trading_day": TODAY,
    }
    return Exposure(**{**fields, **changes})  # type: ignore[arg-type]


def asked(journal: Journal, sql: str) -> list[dict[str, object]]:
    cursor = journal._conn.execute(sql)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]


@pytest.fixture
def v1(tmp_path: Path, make_order: Callable[..., Order], make_bracket: Callable[..., BracketRow]) -> Path:
    """A file as the first version made and filled it: its one step, and rows of an open position and a trade."""
    path = tmp_path / "desk.db"
    conn = sqlite3.connect(path, isolation_level=None)
    first = migrations.MIGRATIONS._migrations[0]
    migrations.Migrations.apply(_only(first.name, first.fn), Database(conn, execute_plugins=False))
    conn.execute(f"INSERT INTO trades ({', '.join(V1_TRADE)}) VALUES ({', '.join('?' * len(V1_TRADE))})",
                 tuple(V1_TRADE.values()))  # fmt: skip
    for struct, table in ((make_order(), "orders"), (make_bracket(open_qty=75, state="protected"), "brackets")):
        plain = {k: v for k, v in msgspec.structs.asdict(struct).items() if k != "trade_ids"}
        values = [value.decode() if isinstance(value, bytes) else value for value in plain.values()]
        conn.execute(f"INSERT INTO {table} ({', '.join(plain)}) VALUES ({', '.join('?' * len(plain))})", values)
    conn.close()
    return path


def _only(name: str, step: Callable[[Database], None]) -> migrations.Migrations:
    steps = migrations.Migrations("strikedesk")
    steps(name=name)(step)
    return steps


@pytest.mark.row("OPS-15", "RTP-33")
@pytest.mark.fault("STO-15")
@pytest.mark.invariant("R6")
def test_a_version_1_file_is_copied_and_upgraded_with_the_same_state(
    v1: Path, make_order: Callable[..., Order], make_bracket: Callable[..., BracketRow], start_ns: int
) -> None:
    with Journal.open(v1, now_ns=start_ns) as journal:
        restored = journal.load("AB1234", trading_day=TODAY)
        version = schema.stored_version(journal._conn)

    assert version == schema.VERSION >= 2
    assert restored.orders == (make_order(),)
    assert restored.brackets == (make_bracket(open_qty=75, state="protected"),)
    (trade,) = restored.trades_today
    assert (trade.net_paise, trade.side, trade.reason) == (-47_875, Side.BUY, "Stoploss Hit")
    assert (trade.level_paise, trade.trigger_paise, trade.slippage_paise) == (0, 0, 0)
    assert (restored.exposures_today, restored.differences) == ((), ())
    with sqlite3.connect(v1.with_name("desk.db.backup-v1-20261123T034500Z")) as copy:
        assert schema.stored_version(copy) == 1
        assert copy.execute("SELECT trade_id FROM trades").fetchall() == [("T1",)]


def test_an_upgraded_file_and_a_new_one_have_the_same_tables(v1: Path, tmp_path: Path) -> None:
    columns = (
        'SELECT m.name, t.name, t.type, t."notnull", t.dflt_value FROM sqlite_master m, pragma_table_info(m.name) t'
        " WHERE m.name NOT LIKE '%sqlite%' ORDER BY m.name, t.name"
    )
    with Journal.open(v1, now_ns=1) as old, Journal.open(tmp_path / "new.db", now_ns=1) as new:
        assert asked(old, columns) == asked(new, columns)


def test_an_upgraded_file_takes_rows_of_today(
    v1: Path, make_intent: Callable[..., IntentRow], make_fill: Callable[..., FillRow], start_ns: int
) -> None:
    late = row_of(start_ns, 2 * NS_PER_S, cause=Cause.BY_HAND)
    with Journal.open(v1, now_ns=start_ns) as journal:
        journal.commit(Batch(intents=[make_intent()], fills=[make_fill()], exposures=[late]))
    with Journal.open(v1, now_ns=start_ns) as again:
        assert again.load("AB1234", trading_day=TODAY).exposures_today == (late,)
        assert again.load("AB1234", trading_day="2026-11-24").exposures_today == ()
        assert again.load("ZZ9999", trading_day=TODAY).exposures_today == ()
    assert len(list(v1.parent.glob("*.backup-*"))) == 1


@pytest.mark.row("RTP-33", "RTP-44")
def test_a_trade_shows_its_side_level_trigger_and_slippage(journal: Journal, start_ns: int) -> None:
    short = TradeRow(
        **{**V1_TRADE, "side": Side.SELL, "provisional": False, "closed_ns": start_ns},  # type: ignore[arg-type]
        level_paise=9_500,
        trigger_paise=9_450,
        slippage_paise=80,
    )
    journal.commit(Batch(trades=[short]))

    assert journal.load("AB1234", trading_day=TODAY).trades_today == (short,)
    (shown,) = asked(
        journal, "SELECT side, level_rupees, trigger_rupees, exit_rupees, slippage_rupees FROM trades_view"
    )
    assert shown == {
        "side": "SHORT", "level_rupees": 95.0, "trigger_rupees": 94.5, "exit_rupees": 94.2, "slippage_rupees": 0.8,
    }  # fmt: skip
    assert TRADES.columns[-3:] == ("level_paise", "trigger_paise", "slippage_paise")


def test_the_exposures_view_speaks_ist_and_seconds(journal: Journal, start_ns: int) -> None:
    journal.commit(Batch(exposures=[row_of(start_ns, 1_900 * NS_PER_MS, cause=Cause.UNKNOWN)]))

    assert asked(journal, "SELECT * FROM exposures_view") == [
        {
            "trading_day": TODAY, "began_ist": "2026-11-23 09:15:00.000", "ended_ist": "2026-11-23 09:15:01.900",
            "seconds": 1.9, "account": "AB1234", "bot": "pair", "symbol": "NIFTY24500PE", "qty": 75,
            "unit_seconds": 142.5, "cause": "unknown", "bracket_id": "B1",
        }
    ]  # fmt: skip


def test_an_interval_counts_in_exactly_one_bucket_of_its_day(journal: Journal, start_ns: int) -> None:
    edges_ms = (0.001, 99, 100, 499, 500, 999, 1_000, 1_999, 2_000, 4_999, 5_000, 9_999, 10_000, 59_999, 60_000, 90_000)
    exposures = [row_of(start_ns + n, round(ms * NS_PER_MS), bracket_id=f"B{n}") for n, ms in enumerate(edges_ms)]
    journal.commit(Batch(exposures=[*exposures, row_of(start_ns, 1, bracket_id="BX", trading_day="2026-11-20")]))

    before, day = asked(journal, "SELECT * FROM exposures_by_day_view")

    assert before["exposures"] == 1
    buckets = [value for name, value in day.items() if name.startswith(("under_", "from_"))]
    assert buckets == [2] * 8
    assert [name for name in day if name.startswith(("under_", "from_"))] == [
        "under_100ms", "under_500ms", "under_1s", "under_2s", "under_5s", "under_10s", "under_60s", "from_60s",
    ]  # fmt: skip


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 70_000), min_size=1, max_size=25))
def test_the_day_s_percentiles_are_those_of_the_screen(spans_ms: list[int]) -> None:
    journal = Journal.in_memory()
    spans = [ms * NS_PER_MS for ms in spans_ms]
    journal.commit(Batch(exposures=[row_of(1_795_405_500_000_000_000 + n, span) for n, span in enumerate(spans)]))
    (day,) = asked(journal, "SELECT * FROM exposures_by_day_view")
    journal.close()

    assert day["exposures"] == len(spans)
    assert day["unit_seconds"] == pytest.approx(75 * sum(spans) / NS_PER_S)
    for percent in (50, 90, 99):
        assert day[f"p{percent}_seconds"] == percentile(sorted(spans), percent) / NS_PER_S
    assert day["worst_seconds"] == max(spans) / NS_PER_S
    if len(spans) % 2:
        assert day["p50_seconds"] == median(spans) / NS_PER_S


def test_causes_are_told_apart(journal: Journal, start_ns: int) -> None:
    causes = [Cause.PLACING, Cause.REFUSED, Cause.PLACING]
    journal.commit(Batch(exposures=[row_of(start_ns + n, NS_PER_S, cause=cause) for n, cause in enumerate(causes)]))

    told = asked(journal, "SELECT cause, exposures, under_2s FROM exposures_by_cause_view")

    assert told == [
        {"cause": "placing", "exposures": 2, "under_2s": 2},
        {"cause": "refused", "exposures": 1, "under_2s": 1},
    ]
