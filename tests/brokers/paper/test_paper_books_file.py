"""The paper account's file: what an ack or a fill promised survives `kill -9`, and a bad file says so in one line."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from brokers.paper import books_file
from brokers.paper.books_file import BooksFile, BooksTooNew, BooksUnreadable, BooksWriteFailed
from brokers.paper.exchange import PaperExchange
from brokers.paper.ledger import Holding, PaperOrder
from brokers.paper.rules import PaperRules
from engine.order import OrderState, OrderType, Side, Trade
from engine.port import Acked, OrderRequest, Refused
from engine.tick import Tick

PUT = "NIFTY01DEC2624500PE"
FUNDS = 50_000_000
DAY_NS = 86_400 * 10**9


class Desk:
    """Books, exchange and account of one run of the program on one file."""

    def __init__(self, path: Path, instruments, now_ns: int, fresh: bool = False) -> None:
        self.books = BooksFile.open(path, funds_paise=FUNDS, start_ns=now_ns, fresh=fresh)
        self.now_ns = max(now_ns, self.books.clock_ns)
        self.exchange = PaperExchange(instruments, PaperRules(), lambda symbol, at_ns: True)
        self.account_id = self.books.account_id
        self.exchange.open_account(self.account_id, recorder=self.books.record)
        self.exchange.restore(self.books.state(), self.now_ns)

    def tick(self, bid: int, ask: int, qty: int = 65) -> None:
        self.exchange.on_tick(Tick(PUT, self.now_ns, bid, bid, qty, ask, qty))

    def place(self, tag: str, side: Side, qty: int, limit: int, trigger: int = 0) -> Acked | Refused:
        request = OrderRequest(
            tag=tag,
            symbol=PUT,
            exchange="NFO",
            product="NRML",
            side=side,
            type=OrderType.SL if trigger else OrderType.LIMIT,
            qty=qty,
            limit_paise=limit,
            trigger_paise=trigger,
        )
        return self.exchange.place(self.account_id, request, self.now_ns)

    def picture(self) -> tuple[object, ...]:
        return (
            self.exchange.orders(self.account_id),
            list(self.exchange.trades(self.account_id)),
            self.exchange.positions(self.account_id),
            self.exchange.funds(self.account_id),
        )


def busy_desk(path: Path, instruments, now_ns: int) -> Desk:
    """A position with both exits resting, a part-filled entry and a cancelled order."""
    desk = Desk(path, instruments, now_ns)
    desk.tick(10_000, 10_010)
    desk.place("E1", Side.BUY, 65, 10_010)
    desk.place("T1", Side.SELL, 65, 10_200)
    desk.place("S1", Side.SELL, 65, 9_800, trigger=9_900)
    desk.tick(10_000, 10_010, qty=30)
    desk.place("E2", Side.BUY, 65, 10_010)
    gone = desk.place("C1", Side.BUY, 65, 9_000)
    assert isinstance(gone, Acked)
    desk.exchange.cancel(desk.account_id, gone.broker_id, desk.now_ns)
    return desk


@pytest.mark.row("OPS-05")
def test_a_restart_finds_the_same_orders_trades_positions_and_funds(tmp_path, instruments, open_ns) -> None:
    before = busy_desk(tmp_path / "paper.db", instruments, open_ns)

    after = Desk(tmp_path / "paper.db", instruments, open_ns)

    assert after.picture() == before.picture()
    assert after.account_id == before.account_id


def test_restored_orders_work_on_and_numbers_and_tags_go_on(tmp_path, instruments, open_ns) -> None:
    busy_desk(tmp_path / "paper.db", instruments, open_ns)
    desk = Desk(tmp_path / "paper.db", instruments, open_ns)
    numbers = {row.broker_id for row in desk.exchange.orders(desk.account_id)}

    desk.tick(9_900, 9_905)
    again = desk.place("E1", Side.BUY, 65, 9_000)
    new = desk.place("N1", Side.BUY, 65, 9_000)

    states = {row.tag: row.state for row in desk.exchange.orders(desk.account_id)}
    assert (states["S1"], states["T1"], states["E2"]) == (OrderState.FILLED, OrderState.WORKING, OrderState.FILLED)
    assert isinstance(again, Refused) and again.code == "duplicate_tag"
    assert isinstance(new, Acked) and new.broker_id not in numbers
    assert Desk(tmp_path / "paper.db", instruments, open_ns).picture() == desk.picture()


def test_day_orders_of_an_earlier_day_expire_on_restore_and_the_position_stays(tmp_path, instruments, open_ns) -> None:
    busy_desk(tmp_path / "paper.db", instruments, open_ns)

    next_day = Desk(tmp_path / "paper.db", instruments, open_ns + DAY_NS)

    states = {row.tag: row.state for row in next_day.exchange.orders(next_day.account_id)}
    assert states == dict.fromkeys(("T1", "S1", "E2"), OrderState.EXPIRED)
    assert [row.net_qty for row in next_day.exchange.positions(next_day.account_id)] == [95]
    assert next_day.exchange.trades(next_day.account_id) == []
    next_day.tick(10_300, 10_310)
    assert [row.net_qty for row in next_day.exchange.positions(next_day.account_id)] == [95]
    with sqlite3.connect(tmp_path / "paper.db") as reader:
        assert reader.execute("SELECT count(*) FROM orders WHERE state = 'expired'").fetchone() == (3,)


def test_the_clock_is_remembered_and_never_goes_back(tmp_path, instruments, open_ns) -> None:
    books = BooksFile.open(tmp_path / "paper.db", funds_paise=FUNDS, start_ns=open_ns)
    books.save_clock(open_ns + 500)
    books.save_clock(open_ns + 100)
    books.close()

    again = BooksFile.open(tmp_path / "paper.db", funds_paise=FUNDS, start_ns=open_ns)

    assert again.clock_ns == open_ns + 500


def test_fresh_begins_a_new_account_and_keeps_the_old_file_whole(tmp_path, instruments, open_ns) -> None:
    path = tmp_path / "paper.db"
    old = busy_desk(path, instruments, open_ns)
    picture, old_id = old.picture(), old.account_id

    new = Desk(path, instruments, open_ns, fresh=True)
    newer = Desk(path, instruments, open_ns, fresh=True)

    assert len({old_id, new.account_id, newer.account_id}) == 3
    assert newer.picture()[:3] == ([], [], [])
    assert newer.exchange.funds(newer.account_id).cash_paise == FUNDS
    kept = Desk(tmp_path / "paper.db.1", instruments, open_ns)
    assert (kept.account_id, kept.picture()) == (old_id, picture)
    assert (tmp_path / "paper.db.2").exists()


_VICTIM = """
import os, sys
from pathlib import Path
from datetime import date
from brokers.paper.books_file import BooksFile
from brokers.paper.exchange import PaperExchange
from brokers.paper.rules import PaperRules
from engine.instrument import Instrument, Segment
from engine.order import OrderType, Side
from engine.port import OrderRequest
from engine.tick import Tick

put, now_ns = sys.argv[2], int(sys.argv[3])
books = BooksFile.open(Path(sys.argv[1]), funds_paise=50_000_000, start_ns=now_ns)
instrument = Instrument(symbol=put, exchange="NFO", segment=Segment.INDEX_OPTION, lot_size=65, tick_paise=5)
exchange = PaperExchange([instrument], PaperRules(), lambda symbol, at_ns: True)
exchange.restore(books.state(), now_ns)
exchange.open_account(books.account_id, recorder=books.record)
exchange.on_tick(Tick(put, now_ns, 10_000, 9_995, 65, 10_005, 65))
number = 0
while True:
    number += 1
    request = OrderRequest(tag=f"K{number}", symbol=put, exchange="NFO", product="NRML", side=Side.BUY,
                           type=OrderType.LIMIT, qty=65, limit_paise=10_005 if number == 1 else 5, trigger_paise=0)
    answer = exchange.place(books.account_id, request, now_ns)
    os.write(1, f"{request.tag} {answer.broker_id}\\n".encode())
"""


def test_every_order_acked_before_kill_9_is_in_the_file(tmp_path, instruments, open_ns) -> None:
    path = tmp_path / "paper.db"
    victim = subprocess.Popen(
        [sys.executable, "-c", _VICTIM, str(path), PUT, str(open_ns)], stdout=subprocess.PIPE, text=True
    )
    assert victim.stdout is not None
    acked = [victim.stdout.readline().split() for _ in range(5)]
    os.kill(victim.pid, signal.SIGKILL)
    acked += [line.split() for line in victim.stdout.read().splitlines() if len(line.split()) == 2]
    assert victim.wait() == -signal.SIGKILL

    desk = Desk(path, instruments, open_ns)

    found = {row.tag: row.broker_id for row in desk.exchange.orders(desk.account_id)}
    assert all(found[tag] == broker_id for tag, broker_id in acked)
    assert len(found) - len(acked) in (0, 1)  # at most one recorded and not yet told
    assert [trade.tag for trade in desk.exchange.trades(desk.account_id)] == ["K1"]
    assert [row.net_qty for row in desk.exchange.positions(desk.account_id)] == [65]


def test_a_fill_is_in_the_file_before_it_is_pushed(tmp_path, instruments, open_ns) -> None:
    path = tmp_path / "paper.db"
    desk = Desk(path, instruments, open_ns)
    stored: list[int] = []

    def sink(account_id: str, event: object) -> None:
        with sqlite3.connect(path) as reader:
            if isinstance(event, Trade):
                stored.append(reader.execute("SELECT count(*) FROM trades").fetchone()[0])
            else:
                tag = event.tag  # type: ignore[attr-defined]
                stored.append(reader.execute("SELECT count(*) FROM orders WHERE tag = ?", (tag,)).fetchone()[0])

    desk.exchange.open_account(desk.account_id, sink)
    desk.tick(10_000, 10_010)
    desk.place("E1", Side.BUY, 65, 9_990)
    desk.tick(9_980, 9_985)

    assert stored == [1, 1, 1]


def test_a_failed_commit_leaves_nothing_in_the_file_and_is_retried_whole(tmp_path, instruments, open_ns) -> None:
    path = tmp_path / "paper.db"
    desk = Desk(path, instruments, open_ns)
    desk.tick(10_000, 10_010)
    locker = sqlite3.connect(path, isolation_level=None)
    locker.execute("BEGIN IMMEDIATE")

    with pytest.raises(BooksWriteFailed, match=r"paper\.db: not written \(database is locked\)"):
        desk.place("E1", Side.BUY, 65, 10_010)
    locker.execute("ROLLBACK")
    assert Desk(path, instruments, open_ns).picture()[0] == []

    desk.exchange.settle(desk.account_id, desk.now_ns)
    assert Desk(path, instruments, open_ns).picture() == desk.picture()


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        (b"this is no database at all, only some text that is long enough" * 20, BooksUnreadable, "cannot be read"),
        (b"SQLite format 3\x00" + b"\x00" * 84, BooksUnreadable, "not a Strikedesk paper account|cannot be read"),
        (b"\xa5" * 8192, BooksUnreadable, "cannot be read"),
    ],
    ids=["text", "an empty header", "noise"],
)
def test_a_file_that_is_no_books_is_named_in_one_sentence(tmp_path, open_ns, content, error, words) -> None:
    path = tmp_path / "paper.db"
    path.write_bytes(content)

    with pytest.raises(error, match=words) as caught:
        BooksFile.open(path, funds_paise=FUNDS, start_ns=open_ns)

    assert "\n" not in str(caught.value) and str(path) in str(caught.value)
    assert path.read_bytes() == content


def test_a_torn_page_is_found_at_the_door(tmp_path, instruments, open_ns) -> None:
    path = tmp_path / "paper.db"
    desk = busy_desk(path, instruments, open_ns)
    desk.books.close()
    content = bytearray(path.read_bytes())
    content[4096 * 2 : 4096 * 3] = b"\xa5" * 4096
    path.write_bytes(content)

    with pytest.raises(BooksUnreadable, match=r"(damaged|cannot be read)"):
        Desk(path, instruments, open_ns)


def test_another_programs_database_and_a_newer_one_are_refused(tmp_path, open_ns) -> None:
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as db:
        db.execute("CREATE TABLE header (schema_version)")
    with pytest.raises(BooksUnreadable, match="not a Strikedesk paper account"):
        BooksFile.open(other, funds_paise=FUNDS, start_ns=open_ns)

    path = tmp_path / "paper.db"
    BooksFile.open(path, funds_paise=FUNDS, start_ns=open_ns).close()
    with sqlite3.connect(path) as db:
        db.execute("UPDATE header SET schema_version = 2")
    with pytest.raises(BooksTooNew, match="schema 2, this program knows up to 1"):
        BooksFile.open(path, funds_paise=FUNDS, start_ns=open_ns)


def test_a_row_that_makes_no_sense_is_damage_not_a_traceback(tmp_path, instruments, open_ns) -> None:
    path = tmp_path / "paper.db"
    busy_desk(path, instruments, open_ns).books.close()
    with sqlite3.connect(path) as db:
        db.execute("UPDATE orders SET side = 'HOLD' WHERE tag = 'T1'")

    with pytest.raises(BooksUnreadable, match="HOLD"):
        BooksFile.open(path, funds_paise=FUNDS, start_ns=open_ns).state()


def test_a_path_that_cannot_be_a_file_is_named(tmp_path, open_ns) -> None:
    with pytest.raises(BooksUnreadable, match="cannot be opened"):
        BooksFile.open(tmp_path, funds_paise=FUNDS, start_ns=open_ns)


def test_the_tables_hold_exactly_the_fields_of_the_records(tmp_path, open_ns) -> None:
    path = tmp_path / "paper.db"
    BooksFile.open(path, funds_paise=FUNDS, start_ns=open_ns).close()
    with sqlite3.connect(path) as db:
        columns = {
            table: {row[1] for row in db.execute(f"PRAGMA table_info({table})")}
            for table in ("orders", "trades", "positions")
        }

    assert columns["orders"] == set(PaperOrder.__struct_fields__)
    assert columns["trades"] == set(Trade.__struct_fields__)
    assert columns["positions"] == {"symbol", "product", *Holding.__struct_fields__}
    assert books_file.SCHEMA_VERSION == 1
