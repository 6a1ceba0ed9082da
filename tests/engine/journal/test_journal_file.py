"""Opening: a sound journal opens, an older one is upgraded after a copy, and anything else is refused untouched."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlite_utils import Migrations
from sqlite_utils.db import Database

from engine.journal import migrations, rows, schema
from engine.journal.errors import (
    JournalCorrupt,
    JournalError,
    JournalLocked,
    JournalNewer,
    JournalUnreadable,
    JournalWriteFailed,
)
from engine.journal.integrity import differences
from engine.journal.records import Batch, BracketRow, EventRow, FillRow, IntentRow
from engine.journal.store import Journal
from engine.order import Order

GOLDEN_V1 = Path(__file__).parent / "golden" / "schema_v1.sql"
STAMP_NS = 1_795_405_500_000_000_000


def content(folder: Path) -> dict[str, bytes]:
    """Everything but the lock, and the index that a reader may lay beside a log that a crash left."""
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.suffix not in (".lock", ".db-shm")}


def refusal(path: Path, kind: type[JournalError]) -> str:
    """The one line of a refusal; everything in the folder must be as it was."""
    before = content(path.parent) if path.parent.is_dir() else {}

    with pytest.raises(kind) as caught:
        Journal.open(path, now_ns=STAMP_NS)

    assert (content(path.parent) if path.parent.is_dir() else {}) == before
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    return str(caught.value)


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder of its own, so that what is in it can be compared."""
    folder = tmp_path / "state"
    folder.mkdir()
    return folder / "desk.db"


@pytest.fixture
def golden(desk: Path) -> Path:
    with sqlite3.connect(desk) as conn:
        conn.executescript(GOLDEN_V1.read_text())
    conn.close()
    return desk


@pytest.fixture
def next_version(monkeypatch: pytest.MonkeyPatch) -> Iterator[Migrations]:
    """This program one version on: the steps of today and one more, which a test may break."""
    later = Migrations("strikedesk")
    for step in migrations.MIGRATIONS._migrations:
        later(name=step.name)(step.fn)
    monkeypatch.setattr(migrations, "MIGRATIONS", later)
    monkeypatch.setattr(schema, "VERSION", schema.VERSION + 1)
    yield later


def add_note_column(db: Database) -> None:
    db.conn.execute("ALTER TABLE orders ADD COLUMN note TEXT NOT NULL DEFAULT ''")
    db.conn.execute(f"PRAGMA user_version = {schema.VERSION}")


def test_a_new_journal_is_opened_again_without_a_backup(desk: Path) -> None:
    Journal.open(desk, now_ns=1).close()
    Journal.open(desk, now_ns=2).close()

    assert sorted(content(desk.parent)) == ["desk.db"]


def test_an_empty_file_becomes_a_private_journal(desk: Path) -> None:
    desk.touch(mode=0o644)

    Journal.open(desk, now_ns=1).close()

    assert stat.S_IMODE(desk.stat().st_mode) == 0o600


@pytest.mark.fault("STO-11")
@pytest.mark.invariant("J1")
def test_a_file_that_is_not_sqlite_is_refused(desk: Path) -> None:
    desk.write_bytes(b"symbol,qty\nNIFTY,75\n" * 50)

    assert "is not a SQLite file" in refusal(desk, JournalCorrupt)


def test_another_programs_database_is_refused(desk: Path) -> None:
    with sqlite3.connect(desk) as conn:
        conn.execute("CREATE TABLE notes (x)")
    conn.close()

    assert "another program" in refusal(desk, JournalCorrupt)


@pytest.mark.fault("STO-15")
@pytest.mark.invariant("R6")
def test_a_newer_schema_is_refused_with_both_versions(desk: Path) -> None:
    Journal.open(desk, now_ns=1).close()
    with sqlite3.connect(desk) as conn:
        conn.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    conn.close()

    text = refusal(desk, JournalNewer)

    assert f"schema version {schema.VERSION + 1}" in text
    assert f"up to {schema.VERSION}" in text


@pytest.mark.fault("STO-15")
@pytest.mark.invariant("R6")
def test_a_newer_schema_that_stands_only_in_the_log_of_a_crash_is_refused(desk: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "crashed.db"
    Journal.open(elsewhere, now_ns=1).close()
    newer = sqlite3.connect(elsewhere, isolation_level=None)
    newer.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    for name in ("crashed.db", "crashed.db-wal"):  # as they are before any checkpoint
        desk.with_name(name.replace("crashed", "desk")).write_bytes((tmp_path / name).read_bytes())
    newer.close()
    assert int.from_bytes(desk.read_bytes()[60:64], "big") == schema.VERSION

    refusal(desk, JournalNewer)


@pytest.mark.fault("STO-11")
@pytest.mark.invariant("J1")
def test_a_damaged_page_is_refused(desk: Path, make_order: Callable[..., Order]) -> None:
    with Journal.open(desk, now_ns=1) as journal:
        journal.commit(Batch(orders=[make_order(f"R1T{i:04d}") for i in range(300)]))
    image = bytearray(desk.read_bytes())
    for page in range(2, len(image) // 4096):
        image[page * 4096 : page * 4096 + 64] = b"\xff" * 64
    desk.write_bytes(image)

    assert "damaged" in refusal(desk, JournalCorrupt)


@pytest.mark.fault("STO-11")
@pytest.mark.invariant("J1")
def test_a_truncated_file_is_refused(desk: Path, make_order: Callable[..., Order]) -> None:
    with Journal.open(desk, now_ns=1) as journal:
        journal.commit(Batch(orders=[make_order(f"R1T{i:04d}") for i in range(300)]))
    with desk.open("r+b") as file:
        file.truncate(8192)

    refusal(desk, JournalCorrupt)


def test_a_missing_folder_and_a_folder_in_its_place_are_unreadable(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "nowhere" / "desk.db", JournalUnreadable)
    place = tmp_path / "desk.db"
    place.mkdir()
    with pytest.raises(JournalUnreadable, match="cannot be read"):
        Journal.open(place, now_ns=1)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
@pytest.mark.fault("STO-09")
def test_a_read_only_file_is_unreadable(desk: Path) -> None:
    Journal.open(desk, now_ns=1).close()
    desk.chmod(0o400)

    assert "cannot be written" in refusal(desk, JournalUnreadable)


def test_a_file_the_user_may_not_write_is_unreadable(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for root, to whom the system never says no."""
    Journal.open(desk, now_ns=1).close()
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)

    assert "cannot be written" in refusal(desk, JournalUnreadable)


@pytest.mark.row("OPS-20")
@pytest.mark.fault("STO-10", "PRC-12")
@pytest.mark.invariant("R5")
def test_a_second_opener_is_told_who_has_the_journal(desk: Path) -> None:
    with Journal.open(desk, now_ns=1) as first:
        with pytest.raises(JournalLocked) as caught:
            Journal.open(desk, now_ns=2)

        assert caught.value.holder is not None
        assert os.getpid() == caught.value.holder.pid
        assert f"process {os.getpid()}" in str(caught.value)
        first.commit(Batch(events=[EventRow(at_ns=1, level="INFO", event="still mine", source="test")]))


@pytest.mark.fault("STO-10")
def test_a_database_held_by_another_program_is_locked(desk: Path) -> None:
    Journal.open(desk, now_ns=1).close()
    other = sqlite3.connect(desk, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(JournalLocked, match="another program") as caught:
        Journal.open(desk, now_ns=2)

    assert caught.value.holder is None
    other.close()
    Journal.open(desk, now_ns=3).close()


@pytest.mark.fault("STO-10", "STO-13", "STO-14")
@pytest.mark.invariant("R5")
def test_no_other_program_can_write_or_read_while_the_desk_runs(desk: Path) -> None:
    with Journal.open(desk, now_ns=1):
        other = sqlite3.connect(desk, timeout=0)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("SELECT * FROM orders").fetchall()
        other.close()


def test_a_failed_open_gives_the_lock_back(desk: Path) -> None:
    desk.write_bytes(b"not a database" * 20)
    with pytest.raises(JournalCorrupt):
        Journal.open(desk, now_ns=1)
    desk.unlink()

    Journal.open(desk, now_ns=2).close()


# --- schema and migrations ---


def test_every_struct_field_has_its_column_and_every_table_its_struct(desk: Path) -> None:
    added = {
        "intents": {"seq", "link", "answer", "answer_code", "answer_text", "answer_ns"},
        "fills": {"seq", "link"},
        "events": {"seq", "link"},
    }
    tables = (
        rows.INTENTS, rows.FILLS, rows.EVENTS, rows.ORDERS, rows.BRACKETS, rows.TRADES, rows.POSITIONS, rows.ALARMS,
        rows.BOTS, rows.TICKS, rows.EXPOSURES,
    )  # fmt: skip
    with Journal.open(desk, now_ns=1) as journal:
        names = {r[0] for r in journal._conn.execute("SELECT name FROM pragma_table_list WHERE type = 'table'")}
        for table in tables:
            columns = {r[0] for r in journal._conn.execute("SELECT name FROM pragma_table_info(?)", (table.name,))}
            assert columns == set(table.columns) | added.get(table.name, set()), table.name

    ours = {name for name in names if "sqlite" not in name}
    assert ours == {table.name for table in tables} | {"meta", "runs", "heads"}


def test_the_version_counts_the_steps() -> None:
    assert len(migrations.MIGRATIONS._migrations) == schema.VERSION


@pytest.mark.fault("STO-16")
def test_applying_the_steps_twice_changes_nothing(desk: Path) -> None:
    with Journal.open(desk, now_ns=1) as journal:
        before = list(journal._conn.iterdump())
        schema.upgrade(journal._conn)

        assert list(journal._conn.iterdump()) == before


def test_the_first_step_is_frozen(desk: Path, golden: Path) -> None:
    """A released step is never edited: what it makes equals the golden text for ever."""
    masters = "SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE '%sqlite%' ORDER BY type, name"
    made = sqlite3.connect(":memory:", isolation_level=None)
    first = migrations.MIGRATIONS._migrations[0]
    first.fn(Database(made, execute_plugins=False))
    with sqlite3.connect(golden) as kept:
        assert made.execute(masters).fetchall() == kept.execute(masters).fetchall()


@pytest.mark.row("OPS-15")
@pytest.mark.fault("STO-15")
@pytest.mark.invariant("R6")
def test_the_golden_v1_journal_opens_with_the_same_state(
    golden: Path,
    make_order: Callable[..., Order],
    make_bracket: Callable[..., BracketRow],
    make_intent: Callable[..., IntentRow],
) -> None:
    with Journal.open(golden, now_ns=STAMP_NS) as journal:
        restored = journal.load("AB1234", trading_day="2026-11-23")

    assert [order.tag for order in restored.orders] == ["R1T1", "R1T2"]
    assert restored.orders[0].trade_ids == ["X1"]
    assert restored.brackets == (make_bracket(open_qty=75, entry_paise=10_005, state="protected"),)
    assert restored.unanswered == (make_intent("R1T2"),)
    assert restored.tag_counter == 2
    assert restored.differences == ()


@pytest.mark.fault("STO-15")
@pytest.mark.invariant("R6")
def test_an_older_journal_is_copied_then_upgraded(golden: Path, next_version: Migrations) -> None:
    next_version(name="later_note")(add_note_column)

    with Journal.open(golden, now_ns=STAMP_NS) as journal:
        assert journal._conn.execute("SELECT count(*) FROM orders WHERE note = ''").fetchone() == (2,)
        assert schema.stored_version(journal._conn) == schema.VERSION

    backup = golden.with_name("desk.db.backup-v1-20261123T034500Z")
    assert backup.exists()
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    with sqlite3.connect(backup) as copy:
        assert schema.stored_version(copy) == 1
        assert copy.execute("SELECT count(*) FROM orders").fetchone() == (2,)


@pytest.mark.fault("STO-16")
@pytest.mark.invariant("R6")
def test_a_step_that_fails_leaves_the_version_before_and_can_be_run_again(
    golden: Path, next_version: Migrations, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = [True]

    def half_way(db: Database) -> None:
        add_note_column(db)
        if broken[0]:
            db.conn.execute("INSERT INTO no_such_table VALUES (1)")

    next_version(name="later_note")(half_way)
    reached = schema.VERSION - 1
    with pytest.raises(JournalError, match=f"upgrade from version 1 failed.*stays at version {reached}"):
        Journal.open(golden, now_ns=STAMP_NS)
    with sqlite3.connect(golden) as conn:
        assert schema.stored_version(conn) == reached
        assert "note" not in {r[0] for r in conn.execute("SELECT name FROM pragma_table_info('orders')")}
    conn.close()

    broken[0] = False
    with Journal.open(golden, now_ns=STAMP_NS) as journal:
        assert schema.stored_version(journal._conn) == schema.VERSION
    assert len([name for name in content(golden.parent) if "backup" in name]) == 2


# --- the hash chain ---


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE fills SET price_paise = price_paise + 1 WHERE seq = 2",
        "DELETE FROM fills WHERE seq = 2",
        "UPDATE intents SET qty = 750 WHERE seq = 1",
        "UPDATE events SET text = 'nothing happened' WHERE seq = 3",
        "UPDATE fills SET seq = 9 - seq WHERE seq IN (2, 3)",
        "UPDATE events SET seq = 9 WHERE seq = 4",
    ],
)
@pytest.mark.fault("STO-11")
@pytest.mark.invariant("J1")
def test_an_altered_missing_or_exchanged_row_is_found_on_open(
    desk: Path,
    damage: str,
    make_intent: Callable[..., IntentRow],
    make_fill: Callable[..., FillRow],
    numbered_batch: Callable[[int], Batch],
) -> None:
    with Journal.open(desk, now_ns=1) as journal:
        journal.commit(Batch(intents=[make_intent(f"R1T{i}") for i in range(4)]))
        journal.commit(Batch(fills=[make_fill(f"X{i}") for i in range(4)]))
        for number in range(4):
            journal.commit(numbered_batch(number))
    with sqlite3.connect(desk) as conn:
        conn.execute(damage)
    conn.close()

    assert "was altered" in refusal(desk, JournalCorrupt)


def test_only_the_newest_rows_of_a_long_history_are_verified(
    desk: Path, numbered_batch: Callable[[int], Batch]
) -> None:
    with Journal.open(desk, now_ns=1) as journal:
        for number in range(20):
            journal.commit(numbered_batch(number))
        conn = journal._conn
        assert list(differences(conn, desk, 5)) == []
        conn.execute("UPDATE events SET text = 'x' WHERE seq = 3")
        assert list(differences(conn, desk, 5)) == []
        assert list(differences(conn, desk, 0)) == ["events row 3 is missing or not as it was written"]
        conn.execute("UPDATE events SET text = 'x' WHERE seq = 17")

        assert list(differences(conn, desk, 5)) == ["events row 17 is missing or not as it was written"]


def test_the_chain_goes_on_after_a_failed_commit(
    desk: Path, numbered_batch: Callable[[int], Batch], make_order: Callable[..., Order]
) -> None:
    with Journal.open(desk, now_ns=1) as journal:
        journal.commit(numbered_batch(1))
        failing = numbered_batch(2)
        failing.orders = [make_order(qty="no number")]
        with pytest.raises(JournalWriteFailed):
            journal.commit(failing)
        journal.commit(numbered_batch(3))

    Journal.open(desk, now_ns=2).close()


def test_the_records_load_no_sqlite() -> None:
    """The core imports the records; the drivers come only with the store."""
    check = "import sys, engine.journal.records; sys.exit(any(m in sys.modules for m in ('sqlite3', 'sqlite_utils')))"

    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
