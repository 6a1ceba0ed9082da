"""The journal after a power cut (STO-06, J2), its log that stays small (STO-13), and a link in its place (SEC-14)."""

from __future__ import annotations

import random
import shutil
import sqlite3
from itertools import pairwise
from pathlib import Path

import pytest

from engine.journal.errors import JournalError
from engine.journal.records import Batch, EventRow
from engine.journal.store import Journal

START_NS = 1_795_405_500_000_000_000  # 2026-11-23 09:15 IST
FILES = ("desk.db", "desk.db-wal", "desk.db.head")
SECTOR = 512
"""A disk writes this much or nothing."""


def batch(number: int) -> Batch:
    row = EventRow(at_ns=START_NS + number, level="INFO", event=f"n{number}", source="test", text=f"{number:08d}" * 800)
    return Batch(events=[row])


def events_of(path: Path) -> list[str]:
    """What the next start reads back; the file is opened as a start opens it. Raises JournalError."""
    with Journal.open(path, now_ns=START_NS + 10**9) as journal:
        rows = journal._conn.execute("SELECT event FROM events WHERE source = 'test' ORDER BY at_ns").fetchall()
    return [event for (event,) in rows]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The journal's files as they are on disk after each of six acknowledged commits."""
    home = tmp_path_factory.mktemp("home")
    kept: list[Path] = []
    with Journal.open(home / "desk.db", now_ns=START_NS) as journal:
        for number in range(6):
            journal.commit(batch(number))
            kept.append(copied(home, tmp_path_factory.mktemp(f"after{number}")))
    return kept


def copied(image: Path, folder: Path) -> Path:
    for name in FILES:
        shutil.copy(image / name, folder / name)
    return folder


def tear(folder: Path, other: Path, draw: random.Random) -> int:
    """Put about half of the sectors in which the image `other` differs into the files of `folder`; how many."""
    count = 0
    for name in ("desk.db", "desk.db-wal"):
        theirs = (other / name).read_bytes()
        with (folder / name).open("r+b") as file:
            ours = file.read()
            for page in range(0, len(theirs), 128 * SECTOR):
                if ours[page : page + 128 * SECTOR] == theirs[page : page + 128 * SECTOR]:
                    continue
                for at in range(page, min(page + 128 * SECTOR, len(theirs)), SECTOR):
                    sector = theirs[at : at + SECTOR]
                    if ours[at : at + SECTOR] != sector and draw.random() < 0.5:
                        file.seek(at)
                        file.write(sector)
                        count += 1
    return count


@pytest.mark.fault("STO-06")
@pytest.mark.invariant("J2")
@pytest.mark.parametrize("seed", range(5))
def test_a_power_cut_inside_a_commit_loses_none_that_was_acknowledged(
    images: list[Path], tmp_path: Path, seed: int
) -> None:
    """Of the sectors of the commit that was cut some reached the disk, in no order; the head file comes after them.

    What was acknowledged is there, in order and whole; of the other, all or nothing.
    """
    draw = random.Random(seed)
    torn = 0
    for number, (before, after) in enumerate(pairwise(images)):
        folder = tmp_path / f"torn{number}"
        folder.mkdir()
        torn += tear(copied(before, folder), after, draw)

        found = events_of(folder / "desk.db")

        acknowledged = [f"n{n}" for n in range(number + 1)]
        assert found in (acknowledged, [*acknowledged, f"n{number + 1}"])
    assert torn > 20


@pytest.mark.fault("STO-06")
@pytest.mark.invariant("J1")
def test_a_disk_that_lost_what_it_had_acknowledged_is_told_at_the_start(images: list[Path], tmp_path: Path) -> None:
    """The same tearing, of commits that were called durable: a sync that lied. Never a shorter day without a word."""
    tear(copied(images[5], tmp_path), images[1], random.Random(1))

    with pytest.raises(JournalError, match=r"commit\(s\) are missing"):
        events_of(tmp_path / "desk.db")


@pytest.mark.fault("STO-13")
@pytest.mark.invariant("X3")
def test_the_log_stays_at_its_size_over_many_times_its_own_length(tmp_path: Path) -> None:
    path = tmp_path / "desk.db"
    with Journal.open(path, now_ns=START_NS, synchronous="NORMAL") as journal:  # as FULL does, and without the waiting
        first = journal.wal_bytes()
        text = "x" * 20_000
        written = largest = 0
        while written < 4 * first:
            row = EventRow(at_ns=START_NS + written, level="INFO", event="e", source="test", text=text)
            journal.commit(Batch(events=[row]))
            written += len(text)
            largest = max(largest, journal.wal_bytes())

    assert largest <= 2 * first


@pytest.mark.fault("STO-14", "PRC-18")
def test_the_version_of_sqlite_and_of_the_program_stand_with_every_run(tmp_path: Path) -> None:
    path = tmp_path / "desk.db"
    with Journal.open(path, now_ns=START_NS) as journal:
        journal.start_run(started_ns=START_NS, version="0.1.0+abc", mode="paper", account="paper")

    rows = sqlite3.connect(path).execute("SELECT version, sqlite_version FROM runs").fetchall()
    assert rows == [("0.1.0+abc", sqlite3.sqlite_version)]


@pytest.mark.fault("SEC-14")
@pytest.mark.invariant("C4")
def test_a_link_in_place_of_the_journal_is_not_followed(tmp_path: Path) -> None:
    """Somebody who may write into the folder must not choose which file the desk writes over."""
    victim = tmp_path / "victim.db"
    victim.write_bytes(b"")
    link = tmp_path / "desk.db"
    link.symlink_to(victim)

    with pytest.raises(JournalError):
        Journal.open(link, now_ns=START_NS)

    assert victim.read_bytes() == b""
