"""A disk that hangs, fails or is full: who is told, what is put aside, and a start that takes it in (STO-07..09)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.journal import late, side_files
from engine.journal.errors import JournalError, JournalWriteFailed
from engine.journal.integrity import differences
from engine.journal.records import AnswerRow, Batch, BotRow, EventRow, FillRow, IntentRow
from engine.journal.rows import Rows, rows_of
from engine.journal.spill import SpillFile, left_behind, spill_path
from engine.journal.store import Journal
from engine.journal.writer import InlineWriter, JournalWriter
from engine.order import Order, OrderState


class Disk:
    """A journal in a list, whose commits can hang or fail."""

    def __init__(self) -> None:
        self.stored: list[str] = []
        self.is_away = False
        self.gate = threading.Event()
        self.gate.set()

    def write(self, group: Sequence[Rows]) -> None:
        self.gate.wait(timeout=5)
        if self.is_away:
            raise JournalWriteFailed("disk I/O error")
        for rows in group:
            self.stored.extend(row[2] for _, added in rows.chained for row in added)


def batch(number: int) -> Batch:
    return Batch(events=[EventRow(at_ns=number, level="INFO", event=str(number), source="test")])


def ignore(_: JournalError) -> None:
    """For tests whose subject is not the error."""


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110 - what is waited for happens in a thread
            await asyncio.sleep(0.001)


def files_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same budgets, ten times as short."""
    monkeypatch.setattr(late, "LATE_S", 0.025)
    monkeypatch.setattr(late, "SPILL_S", 0.02)


# --- who is told ---


@pytest.mark.usefixtures("quick")
@pytest.mark.fault("STO-07")
@pytest.mark.invariant("J3")
async def test_a_hung_commit_makes_its_batch_late_and_the_next_one_at_once() -> None:
    disk, heard = Disk(), list[str]()
    writer = JournalWriter(disk, asyncio.get_running_loop(), ignore)
    disk.gate.clear()

    for number in range(3):
        writer.submit(
            batch(number), lambda n=number: heard.append(f"durable {n}"), lambda n=number: heard.append(f"late {n}")
        )
    assert writer.trouble() == ""
    await until(lambda: len(heard) == 3)
    assert heard == ["late 0", "late 1", "late 2"]
    assert "has been waiting" in writer.trouble()
    writer.submit(batch(3), lambda: heard.append("durable 3"), lambda: heard.append("late 3"))
    await until(lambda: len(heard) == 4)

    disk.gate.set()
    await writer.drain()
    assert heard == [*(f"late {n}" for n in range(4)), *(f"durable {n}" for n in range(4))]
    assert writer.trouble() == ""
    await writer.close()


async def test_a_disk_in_time_makes_nothing_late() -> None:
    disk, late_ones = Disk(), list[int]()
    writer = JournalWriter(disk, asyncio.get_running_loop(), ignore)
    for number in range(200):
        writer.submit(batch(number), lambda: None, lambda n=number: late_ones.append(n))
    await writer.drain()

    assert late_ones == [] and writer.trouble() == ""
    await writer.close()


@pytest.mark.parametrize("kind", [JournalWriter, InlineWriter])
async def test_a_failing_disk_makes_its_batches_late_once_each_and_in_order(
    kind: type[JournalWriter] | type[InlineWriter],
) -> None:
    disk, heard = Disk(), list[str]()
    writer = kind(disk, asyncio.get_running_loop(), ignore, retry_s=0.01)
    disk.is_away = True
    for number in range(5):
        writer.submit(
            batch(number), lambda n=number: heard.append(f"durable {n}"), lambda n=number: heard.append(f"late {n}")
        )
    await until(lambda: len(heard) == 5)
    assert "disk I/O error" in writer.trouble()

    disk.is_away = False
    await asyncio.wait_for(writer.drain(), 5)
    assert heard == [*(f"late {n}" for n in range(5)), *(f"durable {n}" for n in range(5))]
    assert disk.stored == [str(n) for n in range(5)] and writer.trouble() == ""
    await writer.close()


@pytest.mark.parametrize(
    ("slow", "fast", "is_trouble"), [(1, 3, False), (2, 3, True), (2, 100, False), (6, 100, True), (0, 5, False)]
)
@pytest.mark.fault("STO-07")
@pytest.mark.invariant("J3")
async def test_slow_commits_stop_entries_when_they_are_more_than_one_in_twenty_and_not_just_one(
    slow: int, fast: int, is_trouble: bool
) -> None:
    now_ns = [0]
    spans_ms = iter([*[300] * slow, *[2] * fast])

    def timer_ns() -> int:
        return now_ns[0]

    class Timed:
        def write(self, group: Sequence[Rows]) -> None:
            now_ns[0] += next(spans_ms) * 1_000_000

    writer = InlineWriter(Timed(), asyncio.get_running_loop(), ignore, timer_ns=timer_ns)
    for number in range(slow + fast):
        writer.submit(batch(number), lambda: None)

    assert ("more than 250 ms" in writer.trouble()) is is_trouble
    now_ns[0] += 61_000_000_000
    assert writer.trouble() == "", "a minute later it is history"
    await writer.close()


# --- the second file ---


@pytest.fixture
def aside(tmp_path: Path) -> Path:
    folder = tmp_path / "aside"
    folder.mkdir()
    return folder


def full_batch(
    n: int, make_order: Callable[..., Order], make_intent: Callable[..., IntentRow], make_fill: Callable[..., FillRow]
) -> Batch:
    tag = f"R1T{n}"
    return Batch(
        intents=[make_intent(tag)],
        answers=[AnswerRow(tag=tag, op="place", answer="acked", code=f"B{n}", at_ns=n)],
        orders=[make_order(tag, state=OrderState.FILLED, filled_qty=75, traded_qty=75, traded_value_paise=750_375)],
        fills=[make_fill(f"X{n}", tag)],
        events=[EventRow(at_ns=n, level="INFO", event="half \ud800 a pair" if n == 2 else "x", source="test")],
        bots=[BotRow(bot="pair", account="AB1234", body=b"{}")],
        tag_counter=n,
    )


@pytest.mark.usefixtures("quick")
@pytest.mark.row("OPS-15")
@pytest.mark.fault("STO-09")
@pytest.mark.invariant("J2")
async def test_what_was_put_aside_while_the_disk_hung_is_taken_in_by_the_next_start(
    tmp_path: Path,
    aside: Path,
    make_order: Callable[..., Order],
    make_intent: Callable[..., IntentRow],
    make_fill: Callable[..., FillRow],
) -> None:
    path = tmp_path / "desk.db"
    journal = Journal.open(path, now_ns=1)
    journal.commit(full_batch(0, make_order, make_intent, make_fill))
    spill = SpillFile(path, [aside], generation=journal.generation, batches=journal.batches)
    gate, write = threading.Event(), journal.write

    def hung(group: Sequence[Rows]) -> None:
        gate.wait(5)
        raise JournalWriteFailed("gone")

    journal.write = hung  # type: ignore[method-assign]
    writer = JournalWriter(journal, asyncio.get_running_loop(), ignore, shelter=spill, retry_s=9)
    told: list[int] = []
    for n in (1, 2, 3):
        writer.submit(full_batch(n, make_order, make_intent, make_fill), lambda: None, lambda n=n: told.append(n))
    await until(lambda: told == [1, 2, 3])
    records = left_behind(path, [aside], journal.generation, journal.batches)
    assert len(records) == 3
    image = {name: (tmp_path / name).read_bytes() for name in ("desk.db", "desk.db-wal", "desk.db.head")}
    gate.set()
    with pytest.raises(JournalError, match="3 batches are put aside for the next start"):
        await writer.close(deadline_s=0.05)
    journal.write = write  # type: ignore[method-assign]
    journal.close()
    for name, raw in image.items():  # as the crash left them
        (tmp_path / name).write_bytes(raw)

    for opening in range(2):
        with Journal.open(path, now_ns=1, spill_folders=[tmp_path / "nowhere", aside]) as again:
            restored = again.load("AB1234", trading_day="2026-11-23")
            assert again.taken_in == (3 if opening == 0 else 0)
            assert [order.tag for order in restored.finished_today] == ["R1T0", "R1T1", "R1T2", "R1T3"]
            assert restored.unanswered == () and restored.differences == () and restored.tag_counter == 3
            assert list(differences(again._conn, path, 0)) == []
    assert files_in(aside) == []


@pytest.mark.usefixtures("quick")
async def test_the_second_file_is_emptied_when_the_disk_returns(tmp_path: Path, aside: Path) -> None:
    disk = Disk()
    spill = SpillFile(tmp_path / "desk.db", [aside], generation=7, batches=0)
    writer = JournalWriter(disk, asyncio.get_running_loop(), ignore, shelter=spill, retry_s=0.01)
    disk.is_away = True
    told: list[int] = []
    writer.submit(batch(1), lambda: None, lambda: told.append(1))
    await until(lambda: told == [1])
    (file,) = files_in(aside)
    assert file.stat().st_size > 0 and file.stat().st_mode & 0o777 == 0o600

    disk.is_away = False
    await asyncio.wait_for(writer.drain(), 5)
    await until(lambda: file.stat().st_size == 0)
    await writer.close()


@pytest.mark.usefixtures("quick")
async def test_a_second_disk_that_hangs_as_well_holds_nobody_up(tmp_path: Path) -> None:
    class Hung:
        def put(self, records: Sequence[late.Record], done: Callable[[], None]) -> None:
            """Never done."""

        def clear(self) -> None: ...

    disk, told = Disk(), list[int]()
    writer = JournalWriter(disk, asyncio.get_running_loop(), ignore, shelter=Hung())
    disk.gate.clear()
    writer.submit(batch(1), lambda: None, lambda: told.append(1))
    await until(lambda: told == [1])
    disk.gate.set()
    await writer.close()


async def test_no_folder_for_a_second_file_is_no_reason_to_wait(tmp_path: Path) -> None:
    disk, told = Disk(), list[int]()
    spill = SpillFile(tmp_path / "desk.db", [tmp_path / "nowhere"], generation=1, batches=0)
    writer = JournalWriter(disk, asyncio.get_running_loop(), ignore, shelter=spill, retry_s=0.01)
    disk.is_away = True
    writer.submit(batch(1), lambda: None, lambda: told.append(1))
    await until(lambda: told == [1])
    disk.is_away = False
    await writer.close()


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(0, 2_000), flip=st.integers(0, 2_000), kind=st.sampled_from(["cut", "flip", "none"]))
@pytest.mark.fault("STO-11")
def test_a_damaged_second_file_gives_its_whole_beginning_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, cut: int, flip: int, kind: str
) -> None:
    folder = tmp_path_factory.mktemp("aside")
    journal = folder / "desk.db"
    spill = SpillFile(journal, [folder], generation=7, batches=10)
    done = threading.Event()
    spill.put([(n, rows_of(batch(n))) for n in range(8)], done.set)
    assert done.wait(5)
    file = spill_path(journal, folder)
    raw = bytearray(file.read_bytes())
    if kind == "cut":
        del raw[cut % len(raw) :]
    elif kind == "flip":
        raw[flip % len(raw)] ^= 0x10
    file.write_bytes(raw)

    found = [rows.chained[0][1][0][2] for rows in left_behind(journal, [folder], 7, 10)]

    assert found == [str(n) for n in range(len(found))]
    assert kind != "none" or len(found) == 8
    assert left_behind(journal, [folder], 8, 10) == [], "of another opening"
    assert left_behind(journal, [folder], 7, 9) == [], "a gap"
    if kind == "none":
        assert len(left_behind(journal, [folder], 7, 13)) == 5, "the first three are in the journal already"


@pytest.mark.fault("SEC-14")
@pytest.mark.invariant("C4")
def test_a_link_in_place_of_the_second_file_is_not_followed(tmp_path: Path, aside: Path) -> None:
    journal, prey = tmp_path / "desk.db", tmp_path / "prey"
    prey.write_text("keep")
    spill_path(journal, aside).symlink_to(prey)
    done = threading.Event()

    SpillFile(journal, [aside], generation=1, batches=0).put([(0, rows_of(batch(0)))], done.set)

    assert done.wait(5) and prey.read_text() == "keep"


# --- a full disk ---


def fill_up(journal: Journal) -> None:
    """From here on SQLite says that the disk is full."""
    pages = journal._conn.execute("PRAGMA page_count").fetchone()[0]
    journal._conn.execute(f"PRAGMA max_page_count = {pages}")


@pytest.mark.row("OPS-15")
@pytest.mark.fault("STO-08")
@pytest.mark.invariant("J3")
async def test_a_full_disk_gives_up_its_ballast_says_so_and_takes_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_order: Callable[..., Order]
) -> None:
    path = tmp_path / "desk.db"
    ballast = tmp_path / "desk.db.ballast"
    with Journal.open(path, now_ns=1) as journal:
        assert ballast.stat().st_size == side_files.BALLAST_BYTES
        assert ballast.stat().st_blocks * 512 >= side_files.BALLAST_BYTES, "the space is really taken"
        errors: list[str] = []
        writer = InlineWriter(
            journal, asyncio.get_running_loop(), lambda error: errors.append(str(error)), retry_s=0.01
        )
        fill_up(journal)
        released = side_files.Ballast.release

        def room_again(self: side_files.Ballast) -> bool:
            journal._conn.execute("PRAGMA max_page_count = 100000")
            return released(self)

        monkeypatch.setattr(side_files.Ballast, "release", room_again)
        monkeypatch.setattr(side_files, "_ROOM_AGAIN", 1 << 62)
        for n in range(200):  # more than the free rest of the last pages takes
            writer.submit(Batch(orders=[make_order(f"R1T{n:04d}")]), lambda: None)

        assert errors == [] and not ballast.exists()
        assert "the disk is full" in writer.trouble()
        monkeypatch.setattr(side_files, "_ROOM_AGAIN", 0)
        monkeypatch.setattr(side_files.Ballast, "release", released)
        writer.submit(Batch(orders=[make_order("R1T9999")]), lambda: None)
        assert writer.trouble() == "" and ballast.exists()
        await writer.close()
        assert list(differences(journal._conn, path, 0)) == []
    assert not ballast.exists(), "it is there only while a desk runs"


async def test_an_idle_writer_takes_the_ballast_back_as_well(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "desk.db", now_ns=1) as journal:
        writer = JournalWriter(journal, asyncio.get_running_loop(), ignore, retry_s=0.01)
        assert journal._ballast is not None
        journal._ballast.release()
        journal._shortage = "the disk was full"
        writer.submit(batch(1), lambda: None)
        await until(lambda: not writer.trouble())
        assert journal._ballast.is_there
        await writer.close()


@pytest.mark.fault("STO-08")
@pytest.mark.invariant("J3")
async def test_a_full_disk_without_ballast_fails_and_goes_on_when_there_is_room(
    tmp_path: Path, make_order: Callable[..., Order]
) -> None:
    with Journal.open(tmp_path / "desk.db", now_ns=1) as journal:
        assert journal._ballast is not None
        journal._ballast.release()
        fill_up(journal)
        errors: list[str] = []
        writer = InlineWriter(
            journal, asyncio.get_running_loop(), lambda error: errors.append(str(error)), retry_s=0.01
        )
        for n in range(200):
            writer.submit(Batch(orders=[make_order(f"R1T{n:04d}")]), lambda: None)
        await asyncio.sleep(0)
        assert "full" in writer.trouble() and "full" in errors[0]

        journal._conn.execute("PRAGMA max_page_count = 100000")
        await asyncio.wait_for(writer.drain(), 5)
        assert writer.trouble() == ""
        assert journal._conn.execute("SELECT count(*) FROM orders").fetchone() == (200,)
        await writer.close()


@pytest.mark.fault("STO-09")
@pytest.mark.invariant("J3")
async def test_a_journal_that_became_read_only_fails_and_goes_on_when_it_is_not(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "desk.db", now_ns=1) as journal:
        journal._conn.execute("PRAGMA query_only = 1")
        writer = InlineWriter(journal, asyncio.get_running_loop(), ignore, retry_s=0.01)
        writer.submit(batch(1), lambda: None)
        assert "readonly" in writer.trouble()
        journal._conn.execute("PRAGMA query_only = 0")
        await asyncio.wait_for(writer.drain(), 5)
        assert writer.trouble() == ""
        await writer.close()
