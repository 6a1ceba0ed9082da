"""`strikedesk verify`: a day that adds up, every kind of row that does not, and files that cannot be used."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from engine.journal.audit import Books, audit
from engine.journal.examine import examine, read_books
from engine.order import OrderState, Role, Side

DAY = ("--no-ui", "--seed", "7", "--speed", "max", "--duration", "15m", "--db")


@pytest.fixture(scope="module")
def day_file(shared_home) -> Path:
    """A quarter of an hour of the demo, closed in order."""
    path = shared_home.folder / "verified.db"
    assert shared_home.run(*DAY, path.name).code == 0
    return path


@pytest.fixture
def copy(day_file, home) -> Path:
    path = home.folder / "desk.db"
    shutil.copy(day_file, path)
    return path


@pytest.fixture
def books(day_file) -> Books:
    conn = sqlite3.connect(f"{day_file.as_uri()}?mode=ro", uri=True)
    found = read_books(conn)
    conn.close()
    return found


def edit(path: Path, *statements: str) -> None:
    conn = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        conn.execute(statement)
    conn.close()


# --- the command ---


@pytest.mark.row("OPS-15", "OPS-19")
@pytest.mark.invariant("A1")
def test_a_day_of_trading_adds_up_to_the_paisa(home, copy) -> None:
    before = copy.read_bytes()
    ended = home.run("verify", "--journal", copy.name)

    assert (ended.code, ended.err) == (0, "")
    assert ended.out.rstrip().endswith("all adds up")
    assert copy.read_bytes() == before
    assert {path.name for path in home.folder.iterdir() if path.name.startswith("desk.db")} == {"desk.db"}


def test_the_report_as_json_says_the_same(home, copy, query) -> None:
    ended = home.run("verify", "--journal", copy.name, "--json")

    report = json.loads(ended.out)
    gross = query(copy, "SELECT sum(gross_paise), count(*) FROM trades")
    assert ended.code == 0 and report["differences"] == 0
    assert [(sum(day["fills_paise"] for day in report["days"]), sum(day["trips"] for day in report["days"]))] == gross
    assert gross[0][1] > 0, "a day without a trade would prove nothing"


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("UPDATE fills SET price_paise = price_paise + 5 WHERE seq = 3", "fills row 3 is missing or not as it was"),
        ("DELETE FROM fills WHERE seq = (SELECT max(seq) FROM fills)", "fills ends at row"),
        ("UPDATE trades SET net_paise = net_paise + 1", "some row of trades is not as it was written"),
        ("UPDATE positions SET net_qty = 75", "net +75 stored, +0 by fills"),
        ("DELETE FROM orders WHERE role = 'stop'", "orders has"),
    ],
)
@pytest.mark.invariant("J1")
def test_an_altered_journal_is_told_row_by_row(home, copy, damage, told) -> None:
    edit(copy, damage)

    ended = home.run("verify", "--journal", copy.name)

    assert ended.code == 1
    assert told in ended.out and "difference(s)" in ended.out


@pytest.mark.fault("SEC-02")
@pytest.mark.invariant("C2")
def test_text_of_a_tampered_file_cannot_speak_to_the_terminal(home, copy) -> None:
    first = "(SELECT min(symbol) FROM positions)"
    edit(copy, f"UPDATE positions SET symbol = char(27) || '[2J[red]NIFTY', net_qty = 1 WHERE symbol = {first}")

    ended = home.run("verify", "--journal", copy.name)

    assert ended.code == 1
    assert "\x1b[2J" not in ended.out and "[red]NIFTY" in ended.out


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda path: path.unlink(), "no such file"),
        (lambda path: path.write_bytes(b""), "no such file, or an empty one"),
        (lambda path: path.write_text("symbol,qty\n" * 50), "is not a SQLite file"),
        (lambda path: edit(path, "PRAGMA user_version = 99"), "has schema version 99"),
        (lambda path: edit(path, "PRAGMA application_id = 7"), "is a database of another program"),
        (lambda path: path.write_bytes(path.read_bytes()[:20_000]), "is damaged"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_line_and_exit_code_2(home, copy, make: Callable, told) -> None:
    make(copy)

    ended = home.run("verify", "--journal", copy.name)

    assert ended.code == 2, ended.out
    assert told in ended.err and len(ended.err.splitlines()) == 1 and "Traceback" not in ended.err


@pytest.mark.fault("STO-19")
def test_a_running_desk_is_named_and_its_backup_can_be_verified_meanwhile(home, far_exits) -> None:
    live = ("--no-ui", "--seed", "11", "--speed", "60", "--db", "live.db")
    killed = home.start(*live, env=far_exits)
    killed.wait_for("[EXITS]", times=2)
    assert killed.end(signal.SIGKILL).code == -signal.SIGKILL
    crashed = home.run("verify", "--journal", "live.db")
    assert crashed.code == 0, crashed.out

    desk = home.start(*live, env=far_exits)
    desk.wait_for("the journal was not closed in order: copied to live.db.backup-")
    busy = home.run("verify", "--journal", "live.db")
    (backup,) = home.folder.glob("live.db.backup-*")
    copied = home.run("verify", "--journal", backup.name)
    desk.end(signal.SIGTERM)

    assert busy.code == 2 and f"in use by a running desk (process {desk.pid})" in busy.err
    assert copied.code == 0, copied.out
    assert home.run("verify", "--journal", "live.db").code == 0


@pytest.mark.fault("STO-15")
def test_a_journal_of_an_older_release_is_verified_in_a_copy(home) -> None:
    golden = Path(__file__).parents[1] / "engine" / "journal" / "golden" / "schema_v1.sql"
    path = home.folder / "old.db"
    conn = sqlite3.connect(path)
    conn.executescript(golden.read_text())
    conn.close()
    before = path.read_bytes()

    ended = home.run("verify", "--journal", path.name)

    assert ended.code == 1, "its one position has no row"
    assert "NIFTY24500PE NRML on 2026-11-23: 75 bought and 0 sold by fills, no position row" in ended.out
    assert path.read_bytes() == before


def test_a_long_file_tells_how_far_it_is(day_file) -> None:
    total, done = [], []
    examine(day_file, done.append, total.append)

    assert 0 < sum(done) <= total[0]


# --- the judgement ---


def found(books: Books) -> str:
    return "\n".join(text for check in audit(books).checks for text in check.differences)


def test_the_day_as_it_is_has_no_difference(books) -> None:
    assert found(books) == ""
    assert sum(row.trips for row in audit(books).days) == len(books.trades)


def replaced(rows, number, **changes):
    rows = list(rows)
    rows[number] = msgspec.structs.replace(rows[number], **changes)
    return rows


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda b: {"fills": b.fills[:-1]}, "in its fills"),
        (lambda b: {"fills": [*b.fills, msgspec.structs.replace(b.fills[0], trade_id="again")]}, "in its fills"),
        (lambda b: {"fills": replaced(b.fills, 0, tag="SD0")}, "no order SD0"),
        (lambda b: {"fills": replaced(b.fills, 0, side=Side.SELL)}, "its order"),
        (lambda b: {"fills": replaced(b.fills, 0, bracket_id="B9")}, "of bracket B9"),
        (lambda b: {"fills": replaced(b.fills, 0, price_paise=1)}, "by fills"),
        (lambda b: {"intents": [*b.intents, b.intents[0]]}, "was intended 2 times"),
        (
            lambda b: {"intents": [(msgspec.structs.replace(b.intents[0][0], tag="SD9"), "acked"), *b.intents[1:]]},
            "no such order",
        ),
        (lambda b: {"positions": replaced(b.positions, 0, sell_qty=1)}, "bought"),
        (lambda b: {"positions": replaced(b.positions, 0, net_qty=75)}, "net +75 stored, +0 by fills"),
        (lambda b: {"positions": b.positions[1:]}, "no position row"),
        (lambda b: {"trades": replaced(b.trades, 0, qty=1)}, "1 units, gross"),
        (lambda b: {"trades": b.trades[1:]}, "by fills, no row"),
        (lambda b: {"trades": replaced(b.trades, 0, net_paise=b.trades[0].net_paise + 1)}, "is not gross less costs"),
        (
            lambda b: {
                "trades": replaced(
                    b.trades, 0, exit_value_paise=b.trades[0].exit_value_paise + 1,
                    gross_paise=b.trades[0].gross_paise + 1, net_paise=b.trades[0].net_paise + 1,
                )
            },
            "by fills",
        ),
        (lambda b: {"trades": replaced(b.trades, 0, trading_day="2026-11-24")}, "remembered"),
        (lambda b: {"brackets": replaced(b.brackets, 0, closed_ns=0, open_qty=75)}, "+75 units stored, +0 by fills"),
        (lambda b: {"bots": replaced(b.bots, 0, body=b"{}")}, "remembered"),
        (lambda b: {"bots": replaced(b.bots, 0, body=b"nonsense")}, "cannot be read"),
        (lambda b: {"runs": [*b.runs, b.runs[0]]}, "stands 2 times"),
    ],
)  # fmt: skip
def test_every_row_that_cannot_be_is_told(books, change, told) -> None:
    fields = change(books)
    if "bots" in fields and fields["bots"][0].body == b"{}":
        day = books.trades[0].trading_day
        fields["bots"] = replaced(books.bots, 0, body=json.dumps({"trading_day": day, "day_net_paise": 1}).encode())

    assert told in found(msgspec.structs.replace(books, **fields))


def test_a_closed_bracket_with_units_left_is_told(books) -> None:
    exits = [o for o in books.orders.values() if o.role in (Role.TARGET, Role.STOP, Role.EXIT) and o.filled_qty]
    fewer = msgspec.structs.replace(exits[0], filled_qty=0, state=OrderState.CANCELLED)

    assert "closed, with +65 units open by fills" in found(
        msgspec.structs.replace(books, orders={**books.orders, fewer.tag: fewer})
    )


def test_a_long_list_of_differences_is_cut_and_counted(books) -> None:
    many = [msgspec.structs.replace(books.fills[0], trade_id=f"X{n}", tag=f"SD{n}") for n in range(500)]

    result = audit(msgspec.structs.replace(books, fills=[*books.fills, *many]))

    assert result.differences >= 500
    assert max(len(check.differences) for check in result.checks) == 100


def test_an_assumed_price_is_a_note_and_no_difference(books) -> None:
    trades = replaced(books.trades, 0, provisional=True)
    notes = [note for check in audit(msgspec.structs.replace(books, trades=trades)).checks for note in check.notes]

    assert any("with an assumed price" in note for note in notes)
