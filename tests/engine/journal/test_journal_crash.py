"""kill -9 in a loop of commits: what was reported durable is in the file, whole, and the file opens (J2, STO-05)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

# One interpreter imports everything once and forks a victim per kill; so twenty kills take a second or two.
_KILLER = r"""
import asyncio, os, random, signal, sys
from pathlib import Path
from engine.journal.records import Batch, EventRow, IntentRow
from engine.journal.store import Journal
from engine.journal.writer import JournalWriter
from engine.order import OrderType, Role, Side

path, kills = Path(sys.argv[1]), int(sys.argv[2])
rng = random.Random(20261123)

def batch(number):
    tag = f"T{number:09d}"
    intent = IntentRow(tag=tag, op="place", account="AB1234", bracket_id="B1", role=Role.ENTRY, symbol="S",
        side=Side.BUY, type=OrderType.LIMIT, qty=75, limit_paise=1, trigger_paise=0, reason="entry", at_ns=number)
    return Batch(intents=[intent], events=[EventRow(at_ns=number, level="INFO", event=tag, source="test")],
        tag_counter=number)

async def victim(first, out):
    journal = Journal.open(path, now_ns=1)
    writer = JournalWriter(journal, asyncio.get_running_loop(), sys.exit)
    for number in range(first, first + 100_000):
        writer.submit(batch(number), lambda n=number: os.write(out, b"%d\n" % n))
        if number % 3 == 0:
            await asyncio.sleep(0.0005)

reported, first, most = set(), 1, 0
for _ in range(kills):
    out_read, out_write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(out_read)
        asyncio.run(victim(first, out_write))
        os._exit(9)
    os.close(out_write)
    data = b""
    wanted = rng.randint(0, 300)
    while len(data) < wanted:
        got = os.read(out_read, 4096)
        if not got:
            break
        data += got
    os.kill(pid, signal.SIGKILL)
    while got := os.read(out_read, 65536):
        data += got
    os.close(out_read)
    os.waitpid(pid, 0)
    lines = data.split(b"\n")
    now = [int(line) for line in lines[:-1]]
    assert now == list(range(first, first + len(now))), "reported out of order"
    reported.update(now)
    with Journal.open(path, now_ns=1) as journal:
        restored = journal.load("AB1234", trading_day="2026-11-23")
        events = {r[0] for r in journal._conn.execute("SELECT at_ns FROM events")}
    intents = {row.at_ns for row in restored.unanswered}
    assert reported <= intents, f"lost {sorted(reported - intents)[:5]}"
    assert intents == events, "half a batch"
    assert restored.tag_counter == max(intents, default=0)
    first = restored.tag_counter + 1
print(len(reported))
"""


@pytest.mark.row("OPS-15", "OPS-20")
@pytest.mark.fault("STO-05")
@pytest.mark.invariant("J2")
def test_no_reported_batch_is_lost_and_none_is_half_written_over_twenty_kills(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _KILLER, str(tmp_path / "desk.db"), "20"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) > 20
