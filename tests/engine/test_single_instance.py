"""One desk per account and per journal: the second is refused, the first undisturbed, and a crash frees the lock."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from engine.single_instance import (
    AlreadyRunning,
    InstanceLock,
    LockUnusable,
    account_lock_path,
    journal_lock_path,
)

STARTED_NS = 1_795_405_500_000_000_000  # 2026-11-23 03:45 UTC

_HOLD = """
import sys, time
from pathlib import Path
from engine.single_instance import InstanceLock
lock = InstanceLock.acquire(Path(sys.argv[1]), "account AB1234")
print("held", flush=True)
time.sleep(60)
"""


@pytest.mark.row("OPS-20")
@pytest.mark.fault("PRC-12")
@pytest.mark.invariant("R5")
def test_the_second_desk_is_told_who_runs_where_and_since_when(tmp_path: Path) -> None:
    path = tmp_path / "account.lock"
    with InstanceLock.acquire(path, "account AB1234", now_ns=STARTED_NS) as first:
        before = path.read_bytes()
        with pytest.raises(AlreadyRunning) as caught:
            InstanceLock.acquire(path, "account AB1234")

        refusal = caught.value
        assert (refusal.pid, refusal.host, refusal.what) == (os.getpid(), socket.gethostname(), "account AB1234")
        assert refusal.since == "2026-11-23T03:45:00.000000+00:00"
        assert "account AB1234 is already in use" in str(refusal)
        assert str(os.getpid()) in str(refusal)
        assert "nothing was started" in str(refusal)
        assert "\n" not in str(refusal)
        assert first.is_held
        assert path.read_bytes() == before


def test_a_released_lock_is_free_and_its_file_stays_private(tmp_path: Path) -> None:
    path = tmp_path / "account.lock"
    first = InstanceLock.acquire(path, "account A")
    first.release()
    first.release()

    with InstanceLock.acquire(path, "account A") as second:
        assert second.is_held
        assert not first.is_held
    assert path.exists()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.row("OPS-20")
@pytest.mark.fault("PRC-12", "STO-05")
@pytest.mark.invariant("R5")
def test_kill_minus_nine_frees_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "account.lock"
    with subprocess.Popen([sys.executable, "-c", _HOLD, str(path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(AlreadyRunning) as caught:
            InstanceLock.acquire(path, "account AB1234")
        assert caught.value.pid == holder.pid

        holder.send_signal(signal.SIGKILL)
        holder.wait()

    InstanceLock.acquire(path, "account AB1234").release()


@pytest.mark.fault("PRC-12")
@pytest.mark.invariant("R5")
def test_a_forked_child_does_not_keep_the_lock_alive_nor_take_it_away(tmp_path: Path) -> None:
    """A helper process that outlives a crashed desk must not lock it out (PRC-12)."""
    path = tmp_path / "account.lock"
    lock = InstanceLock.acquire(path, "account A")
    end_child_read, end_child_write = os.pipe()
    answer_read, answer_write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(end_child_write)
        os.write(answer_write, b"1" if lock.is_held else b"0")
        os.read(end_child_read, 1)  # live until the parent is done
        os._exit(0)
    try:
        assert os.read(answer_read, 1) == b"0"
        with pytest.raises(AlreadyRunning):
            InstanceLock.acquire(path, "account A")

        lock.release()
        InstanceLock.acquire(path, "account A").release()
    finally:
        for fd in (end_child_read, end_child_write, answer_read, answer_write):
            os.close(fd)
        os.waitpid(pid, 0)


@pytest.mark.fault("PRC-12")
@pytest.mark.invariant("R5")
def test_a_lock_file_removed_by_hand_does_not_let_two_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file vanishes between our open and our lock: we must lock the one others will find."""
    path = tmp_path / "account.lock"
    real_open, removed = os.open, list[bool]()

    def open_then_remove(*args: object, **more: object) -> int:
        fd = real_open(*args, **more)  # type: ignore[arg-type]
        if not removed:
            removed.append(True)
            path.unlink()
        return fd

    monkeypatch.setattr(os, "open", open_then_remove)
    with InstanceLock.acquire(path, "account A"):
        assert path.exists()
        with pytest.raises(AlreadyRunning):
            InstanceLock.acquire(path, "account A")


@pytest.mark.fault("SEC-14")
@pytest.mark.invariant("C4")
def test_a_symbolic_link_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_text("data")
    link = tmp_path / "account.lock"
    link.symlink_to(target)

    with pytest.raises(LockUnusable, match="symbolic link"):
        InstanceLock.acquire(link, "account A")
    assert target.read_text() == "data"


def test_a_missing_folder_and_an_odd_file_are_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(LockUnusable, match="No such file or directory"):
        InstanceLock.acquire(tmp_path / "nowhere" / "a.lock", "account A")
    os.mkfifo(tmp_path / "fifo.lock")
    with pytest.raises(LockUnusable, match="not a regular file"):
        InstanceLock.acquire(tmp_path / "fifo.lock", "account A")


@pytest.mark.parametrize(
    "content", [b"", b"garbage", b'{"pid": "x"}', b'{"pid":7,"host":"a\\u001b[31m","what":"w\\n\\u202e","since":"s"}']
)
def test_whatever_the_file_says_the_refusal_is_one_clean_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "account.lock"
    with InstanceLock.acquire(path, "account A"):
        path.write_bytes(content)

        with pytest.raises(AlreadyRunning) as caught:
            InstanceLock.acquire(path, "account A")

    assert str(caught.value).isprintable()


def test_each_account_and_each_journal_has_its_own_lock(tmp_path: Path) -> None:
    accounts = ["AB1234", "ab1234", "AB/1234", "AB 1234", "../../etc", "ख" * 80, ""]
    paths = {account_lock_path(tmp_path, account) for account in accounts}

    assert len(paths) == len(accounts)
    assert all(path.parent == tmp_path and len(path.name) < 100 for path in paths)
    assert account_lock_path(tmp_path, "AB1234") in paths
    assert journal_lock_path(tmp_path / "desk.db") == tmp_path / "desk.db.lock"
    for path in sorted(paths):
        InstanceLock.acquire(path, "account").release()
