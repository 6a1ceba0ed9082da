"""What damage does to a journal: it is refused with one line that says what to do, or it changes nothing (J1)."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.journal import schema
from engine.journal.backups import KEPT
from engine.journal.errors import JournalCorrupt, JournalError, JournalNewer
from engine.journal.integrity import differences
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
from engine.journal.store import Journal
from engine.order import Order, OrderState, Side

GOLDEN_V2 = Path(__file__).parent / "golden" / "schema_v2.sql"
TODAY = "2026-11-23"
DAY_NS = 86_400 * 1_000_000_000
CRASH_FILES = ("desk.db", "desk.db-wal", "desk.db.head")

Fill = Callable[[Journal, int], None]


@pytest.fixture
def day(
    make_order: Callable[..., Order],
    make_intent: Callable[..., IntentRow],
    make_fill: Callable[..., FillRow],
    make_bracket: Callable[..., BracketRow],
    start_ns: int,
) -> Fill:
    """Writes `steps` commits with a row in every table that is covered."""

    def write(journal: Journal, steps: int) -> None:
        for n in range(steps):
            tag = f"R1T{n:04d}"
            filled = make_order(tag, state=OrderState.FILLED, filled_qty=75, traded_qty=75, traded_value_paise=750_375)
            journal.commit(Batch(intents=[make_intent(tag)], orders=[make_order(tag)]))
            journal.commit(
                Batch(
                    answers=[AnswerRow(tag=tag, op="place", answer="acked", code=f"B{n}", at_ns=start_ns)],
                    orders=[filled],
                    fills=[make_fill(f"X{n}", tag)],
                    brackets=[make_bracket(open_qty=75 * n)],
                    positions=[
                        PositionRow(
                            account="AB1234", symbol="NIFTY24500PE", product="NRML", trading_day=TODAY,
                            net_qty=75 * n, buy_qty=75 * n, buy_value_paise=750_375 * n, sell_qty=0, sell_value_paise=0,
                        )
                    ],
                    events=[EventRow(at_ns=start_ns + n, level="INFO", event="order_buy", source="pair", text=tag)],
                    bots=[BotRow(bot="pair", account="AB1234", body=b'{"n":%d}' % n)],
                    alarms=[AlarmRow(alarm_id="naked:B1", since_ns=start_ns, text=f"bare {n}")],
                    trades=[_trade(f"T{n}", start_ns, provisional=n % 2 == 0)],
                )
            )  # fmt: skip

    return write


def _trade(trade_id: str, at_ns: int, *, provisional: bool) -> TradeRow:
    return TradeRow(
        trade_id=trade_id, bracket_id="B0", account="AB1234", bot="pair", symbol="NIFTY24500PE", side=Side.BUY, qty=75,
        entry_paise=10_005, exit_paise=10_505, entry_value_paise=750_375, exit_value_paise=787_875,
        gross_paise=37_500, brokerage_paise=4_000, charges_paise=1_234, net_paise=32_266, reason="Target Hit",
        provisional=provisional, opened_ns=at_ns, closed_ns=at_ns, trading_day=TODAY,
    )  # fmt: skip


@pytest.fixture
def written(tmp_path: Path, day: Fill, start_ns: int) -> Path:
    """A journal that was closed in order."""
    path = tmp_path / "desk.db"
    with Journal.open(path, now_ns=start_ns) as journal:
        journal.start_run(started_ns=start_ns, version="test", mode="PAPER", account="AB1234")
        day(journal, 6)
    return path


@pytest.fixture
def crashed(tmp_path: Path, day: Fill, start_ns: int) -> Path:
    """A folder with the files of a desk that was killed after commits that only its log holds."""
    folder = tmp_path / "crashed"
    folder.mkdir()
    path = tmp_path / "desk.db"
    with Journal.open(path, now_ns=start_ns) as journal:
        journal.start_run(started_ns=start_ns, version="test", mode="PAPER", account="AB1234")
        day(journal, 6)
        for name in CRASH_FILES:
            shutil.copy(tmp_path / name, folder / name)
    return folder / "desk.db"


def edit(path: Path, *statements: str) -> None:
    conn = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        conn.execute(statement)
    conn.close()


def refused(path: Path) -> str:
    with pytest.raises(JournalCorrupt) as caught:
        Journal.open(path, now_ns=1)
    text = str(caught.value)
    assert "\n" not in text
    assert str(path) in text
    return text


def tags_of(path: Path, now_ns: int) -> tuple[list[str], list[str]]:
    """Tags of the intents and trade ids of the fills that a desk would read back, in order."""
    with Journal.open(path, now_ns=now_ns) as journal:
        intents = [row[0] for row in journal._conn.execute("SELECT tag FROM intents ORDER BY seq")]
        fills = [row[0] for row in journal._conn.execute("SELECT trade_id FROM fills ORDER BY seq")]
        journal.load("AB1234", trading_day=TODAY)
    return intents, fills


# --- rows that somebody changed ---


@pytest.mark.row("OPS-15")
@pytest.mark.parametrize("table", ["intents", "fills", "events"])
@pytest.mark.invariant("J1")
def test_a_chain_whose_end_was_cut_off_is_refused(written: Path, table: str) -> None:
    edit(written, f"DELETE FROM {table} WHERE seq = (SELECT max(seq) FROM {table})")

    assert f"{table} ends at row 5, it was written up to row 6" in refused(written)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("UPDATE orders SET state = 'working' WHERE tag = 'R1T0003'", "some row of orders"),
        ("UPDATE brackets SET stop_paise = 1", "some row of brackets"),
        ("UPDATE positions SET net_qty = 0", "some row of positions"),
        ("UPDATE trades SET net_paise = net_paise + 1 WHERE trade_id = 'T3'", "some row of trades"),
        ("UPDATE trades SET provisional = 1 - provisional WHERE trade_id = 'T3'", "some row of trades"),
        ("UPDATE bots SET body = '{}'", "some row of bots"),
        ("UPDATE alarms SET ended_ns = 5", "some row of alarms"),
        ("UPDATE runs SET run_no = 7", "some row of runs"),
        ("UPDATE intents SET answer = 'refused' WHERE seq = 2", "some row of answers in intents"),
        ("DELETE FROM orders WHERE tag = 'R1T0003'", "orders has 5 row(s), 6 were written"),
        ("DELETE FROM brackets", "brackets has 0 row(s), 1 were written"),
        ("DELETE FROM runs", "runs has 0 row(s), 1 were written"),
        ("UPDATE intents SET answer = '' WHERE seq = 2", "answers in intents has 5 row(s), 6 were written"),
        ("INSERT INTO bots VALUES ('AB1234', 'other', '{}')", "bots has 2 row(s), 1 were written"),
    ],
)
@pytest.mark.fault("STO-11")
@pytest.mark.invariant("J1")
def test_a_changed_missing_or_added_row_of_any_table_is_refused(written: Path, damage: str, told: str) -> None:
    edit(written, damage)

    assert told in refused(written)


@pytest.mark.invariant("J1")
def test_rows_swapped_back_to_an_older_state_are_refused(written: Path) -> None:
    """The older row is one that was really written: only the sum over the table can tell."""
    edit(written, "UPDATE brackets SET open_qty = 300")  # as it was one step before the last

    refused(written)


def test_what_was_written_is_found_as_it_was_also_after_rows_were_replaced_often(
    tmp_path: Path, day: Fill, start_ns: int
) -> None:
    path = tmp_path / "desk.db"
    for run in range(3):
        with Journal.open(path, now_ns=start_ns) as journal:
            journal.start_run(started_ns=start_ns + run, version="test", mode="PAPER", account="AB1234")
            day(journal, 5)
            assert list(differences(journal._conn, path, 0)) == []
            journal.end_run(0, at_ns=start_ns)

    with Journal.open(path, now_ns=start_ns) as journal:
        assert list(differences(journal._conn, path, 0)) == []


@pytest.mark.fault("STO-09")
def test_a_commit_that_fails_leaves_the_heads_as_they_were(
    tmp_path: Path, make_order: Callable[..., Order], day: Fill
) -> None:
    path = tmp_path / "desk.db"
    with Journal.open(path, now_ns=1) as journal:
        day(journal, 2)
        for bad in ("no number", 2.5):
            with pytest.raises(JournalError):
                journal.commit(Batch(orders=[make_order("R1T0001", limit_paise=1), make_order("R1T9", qty=bad)]))
            assert list(differences(journal._conn, path, 0)) == []
        day(journal, 3)
        assert list(differences(journal._conn, path, 0)) == []


# --- the log ---


@pytest.mark.fault("STO-05")
@pytest.mark.invariant("J2")
def test_a_killed_desks_files_open_whole(crashed: Path, start_ns: int) -> None:
    intents, fills = tags_of(crashed, start_ns)

    assert intents == [f"R1T{n:04d}" for n in range(6)]
    assert fills == [f"X{n}" for n in range(6)]


@pytest.mark.parametrize("with_head", [True, False])
@pytest.mark.fault("STO-06", "STO-11")
@pytest.mark.invariant("J1")
def test_a_missing_log_is_refused(crashed: Path, *, with_head: bool) -> None:
    Path(f"{crashed}-wal").unlink()
    if not with_head:
        crashed.with_name("desk.db.head").unlink()

    assert "missing" in refused(crashed)


@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5, 0.9])
@pytest.mark.fault("STO-06")
@pytest.mark.invariant("J1")
def test_a_log_cut_short_is_refused_and_can_be_gone_on_without_on_purpose(
    crashed: Path, kept: float, start_ns: int
) -> None:
    log = Path(f"{crashed}-wal")
    used = _used_bytes(log)
    with log.open("r+b") as file:
        file.truncate(int(used * kept))

    text = refused(crashed)

    assert "commit(s) are missing" in text
    assert "delete desk.db.head" in text
    if kept:
        crashed.with_name("desk.db.head").unlink()
        intents, _ = tags_of(crashed, start_ns)
        assert intents == [f"R1T{n:04d}" for n in range(6)][: len(intents)]


def _used_bytes(log: Path) -> int:
    """Up to the last frame that ends a commit: the rest is what was laid out beforehand."""
    raw, frame = log.read_bytes(), 24 + 4096
    starts = range(32, len(raw) - frame + 1, frame)
    commits = [at for at in starts if any(raw[at + 4 : at + 8]) and raw[at + 8 : at + 16] == raw[16:24]]
    return commits[-1] + frame


@pytest.mark.fault("STO-12")
@pytest.mark.invariant("J1")
def test_an_old_log_beside_a_restored_backup_is_refused(
    tmp_path: Path, crashed: Path, day: Fill, start_ns: int
) -> None:
    with Journal.open(crashed, now_ns=start_ns) as journal:  # after a crash: this makes a copy
        day(journal, 8)
        log = Path(f"{crashed}-wal").read_bytes()
    (backup,) = crashed.parent.glob("desk.db.backup-*")
    restored = tmp_path / "restored" / "desk.db"
    restored.parent.mkdir()
    shutil.copy(backup, restored)
    Path(f"{restored}-wal").write_bytes(log)

    assert "belongs to another file" in refused(restored)


@pytest.mark.fault("STO-12")
@pytest.mark.invariant("J1")
def test_the_log_of_another_journal_is_refused(tmp_path: Path, crashed: Path, start_ns: int) -> None:
    other = tmp_path / "other.db"
    Journal.open(other, now_ns=start_ns).close()
    shutil.copy(f"{crashed}-wal", f"{other}-wal")

    refused(other)


# --- the fuzz ---


def _opens_right_or_refuses(path: Path, start_ns: int, whole: tuple[list[str], list[str]]) -> str:
    try:
        found = tags_of(path, start_ns)
    except JournalError as refusal:
        assert "\n" not in str(refusal)
        return "refused"
    assert found == whole
    return "whole"


def _again(source: Path, folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name in CRASH_FILES:
        if (source.parent / name).exists():
            shutil.copy(source.parent / name, folder / name)
    return folder / source.name


@pytest.mark.parametrize("victim", ["desk.db", "desk.db-wal"])
@pytest.mark.parametrize("kind", ["cut", "flip"])
@pytest.mark.fault("STO-06", "STO-11")
@pytest.mark.invariant("J1")
def test_a_file_cut_at_any_byte_or_with_a_flipped_one_is_refused_or_whole(
    crashed: Path, tmp_path: Path, start_ns: int, victim: str, kind: str
) -> None:
    whole = ([f"R1T{n:04d}" for n in range(6)], [f"X{n}" for n in range(6)])
    rng = random.Random(f"{victim}{kind}")
    outcomes: dict[str, int] = {"refused": 0, "whole": 0}
    used = _used_bytes(Path(f"{crashed}-wal")) if victim.endswith("-wal") else crashed.stat().st_size
    spots = [*range(0, 100, 13), *(rng.randrange(used) for _ in range(20))]
    for spot in spots:
        path = _again(crashed, tmp_path / "fuzz")
        file = path.with_name(victim)
        raw = bytearray(file.read_bytes())
        if kind == "cut":
            del raw[spot:]
        else:
            raw[spot] ^= 1 << rng.randrange(8)
        file.write_bytes(raw)
        outcomes[_opens_right_or_refuses(path, start_ns, whole)] += 1

    assert outcomes["refused"] > 5, outcomes


@pytest.mark.fault("STO-11")
@pytest.mark.invariant("J1")
def test_a_flipped_byte_in_a_closed_file_is_refused_or_harmless(written: Path, tmp_path: Path, start_ns: int) -> None:
    whole = ([f"R1T{n:04d}" for n in range(6)], [f"X{n}" for n in range(6)])
    rng = random.Random(20261123)
    raw = written.read_bytes()
    used = [n for n, byte in enumerate(raw) if byte]  # most of a small file is empty pages
    outcomes: dict[str, int] = {"refused": 0, "whole": 0}
    for _ in range(40):
        path = _again(written, tmp_path / "fuzz")
        image = bytearray(raw)
        image[rng.choice(used)] ^= 1 << rng.randrange(8)
        path.write_bytes(image)
        outcomes[_opens_right_or_refuses(path, start_ns, whole)] += 1

    assert outcomes["refused"] > 5, outcomes


@pytest.mark.fault("STO-15")
@pytest.mark.invariant("R6")
def test_rows_of_a_future_version_are_refused_and_untouched(written: Path) -> None:
    edit(
        written,
        "ALTER TABLE orders ADD COLUMN venue TEXT NOT NULL DEFAULT 'NSE'",
        f"PRAGMA user_version = {schema.VERSION + 1}",
    )
    before = written.read_bytes()

    with pytest.raises(JournalNewer):
        Journal.open(written, now_ns=1)
    assert written.read_bytes() == before


# --- versions ---


@pytest.mark.row("OPS-15")
@pytest.mark.fault("STO-15")
@pytest.mark.invariant("R6")
def test_the_golden_v2_journal_opens_with_the_same_state_and_is_sealed(
    tmp_path: Path, make_intent: Callable[..., IntentRow], start_ns: int
) -> None:
    path = tmp_path / "desk.db"
    with sqlite3.connect(path) as conn:
        conn.executescript(GOLDEN_V2.read_text())
    conn.close()

    with Journal.open(path, now_ns=start_ns) as journal:
        restored = journal.load("AB1234", trading_day=TODAY)
        assert list(differences(journal._conn, path, 0)) == []

    assert [order.tag for order in restored.orders] == ["R1T1", "R1T2"]
    assert [row.tag for row in restored.unanswered] == ["R1T2"]
    assert restored.brackets[0].open_qty == 75
    assert [row.net_paise for row in restored.trades_today] == [32_266]
    assert [row.qty for row in restored.exposures_today] == [75]
    assert restored.positions[0].net_qty == 75
    assert restored.differences == ()
    assert list(tmp_path.glob("desk.db.backup-v2-*"))
    edit(path, "UPDATE brackets SET stop_paise = 1")
    refused(path)


def test_an_altered_chain_of_an_older_version_is_refused_when_it_is_upgraded(tmp_path: Path) -> None:
    path = tmp_path / "desk.db"
    with sqlite3.connect(path) as conn:
        conn.executescript(GOLDEN_V2.read_text())
        conn.execute("UPDATE fills SET price_paise = 1")
    conn.close()

    assert "fills row 1" in refused(path)


# --- backups ---


def backups(path: Path) -> list[Path]:
    return sorted(path.parent.glob(f"{path.name}.backup-*"))


@pytest.mark.fault("STO-19")
def test_an_unclean_end_makes_a_backup_at_the_next_start_and_a_clean_one_of_the_same_day_does_not(
    crashed: Path, start_ns: int
) -> None:
    Journal.open(crashed, now_ns=start_ns).close()
    assert len(backups(crashed)) == 1

    Journal.open(crashed, now_ns=start_ns).close()
    assert len(backups(crashed)) == 1


def test_the_first_start_of_a_day_makes_a_backup_and_the_newest_ones_are_kept(written: Path, start_ns: int) -> None:
    for number in range(1, KEPT + 4):
        now_ns = start_ns + number * DAY_NS
        for _ in range(2):
            with Journal.open(written, now_ns=now_ns) as journal:
                journal.start_run(started_ns=now_ns, version="test", mode="PAPER", account="AB1234")

    kept = backups(written)
    assert len(kept) == KEPT
    assert kept[-1].name.startswith(f"desk.db.backup-v{schema.VERSION}-20261203T")


@pytest.mark.fault("STO-12", "STO-17", "STO-19")
def test_a_restored_backup_opens_and_never_hands_out_a_run_number_again(
    crashed: Path, day: Fill, start_ns: int
) -> None:
    """Tags are made of it: orders that were sent after the backup carry tags of runs that the backup has not seen."""
    later_ns = start_ns + 60_000_000_000
    runs = []
    for _ in range(3):
        with Journal.open(crashed, now_ns=start_ns) as journal:
            runs.append(journal.start_run(started_ns=later_ns, version="test", mode="PAPER", account="AB1234"))
            day(journal, 1)
    shutil.copy(backups(crashed)[0], crashed)

    with Journal.open(crashed, now_ns=later_ns) as journal:
        again = journal.start_run(started_ns=later_ns, version="test", mode="PAPER", account="AB1234")
        assert [row.tag for row in journal.load("AB1234", trading_day=TODAY).orders][:1] == ["R1T0000"]

    assert again > max(runs)


@pytest.mark.fault("STO-11")
def test_a_damaged_file_names_the_newest_backup(crashed: Path, start_ns: int) -> None:
    Journal.open(crashed, now_ns=start_ns).close()
    edit(crashed, "UPDATE brackets SET stop_paise = 1")

    assert f"restore {backups(crashed)[-1].name}" in refused(crashed)
