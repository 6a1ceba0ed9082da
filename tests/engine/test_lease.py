"""The fencing lease on real files: the epoch only rises, a takeover is seen at once, the dead free nothing."""

from __future__ import annotations

import fcntl
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.lease import Lease, LeaseHeld, LeaseUnusable, lease_path, read_lease, release
from engine.lease_record import Holder, LeaseRecord, Proof
from engine.private_file import RECORD_BYTES, decode_record, encode_record

ROOT = Path(__file__).resolve().parents[2]
AT = 1_800_000_000_000_000_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return lease_path(tmp_path / "account-AB1234-00.lock")


def desk(path: Path, pid: int = 11) -> Lease:
    return Lease.take(path, Holder.DESK, pid=pid, at_ns=AT)


def guardian(path: Path, pid: int = 22) -> Lease:
    return Lease.take(path, Holder.GUARDIAN, pid=pid, at_ns=AT + 1)


def test_the_first_desk_has_epoch_one_and_may_send(path: Path) -> None:
    lease = desk(path)

    assert (lease.epoch, lease.is_mine()) == (1, True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.name == "account-AB1234-00.lease"


@pytest.mark.invariant("R5")
def test_every_desk_takes_the_next_epoch_and_the_one_before_may_not_send_any_more(path: Path) -> None:
    leases = [desk(path, pid) for pid in (11, 12, 13)]

    assert [lease.epoch for lease in leases] == [1, 2, 3]
    assert [lease.is_mine() for lease in leases] == [False, False, True]


def test_the_guardian_takes_the_account_from_a_living_desk(path: Path) -> None:
    lease = desk(path)
    taken = guardian(path)

    assert (lease.is_mine(), taken.is_mine(), taken.epoch) == (False, True, 2)
    assert lease.holder_now() == LeaseRecord(epoch=2, holder=Holder.GUARDIAN, pid=22, at_ns=AT + 1, proof=Proof.OPEN)


def test_no_desk_starts_after_a_guardian_before_it_is_released(path: Path) -> None:
    taken = guardian(path)
    with pytest.raises(LeaseHeld, match=r"process 22.*NOT proven flat.*strikedesk guardian --release"):
        desk(path)
    assert taken.note_proof(Proof.FLAT)
    with pytest.raises(LeaseHeld, match="the broker said flat"):
        desk(path)
    assert taken.is_mine(), "a refused start changes nothing, and a proof keeps the epoch"

    release(path, pid=33, at_ns=AT + 2)

    assert not taken.is_mine()
    assert desk(path).epoch == 3


def test_a_guardian_that_lost_its_lease_proves_nothing(path: Path) -> None:
    first = guardian(path)
    guardian(path, pid=23)

    assert not first.note_proof(Proof.FLAT)
    found = read_lease(path)
    assert found is not None
    assert (found.pid, found.proof) == (23, Proof.OPEN)


@pytest.mark.parametrize("what", ["removed", "replaced", "emptied", "cut short", "one byte", "longer", "closed"])
def test_whatever_happens_to_the_file_only_our_own_record_lets_us_send(path: Path, what: str) -> None:
    lease = desk(path)
    match what:
        case "removed":
            path.unlink()
        case "replaced":
            other = path.with_suffix(".new")
            other.write_bytes(path.read_bytes())
            other.replace(path)
        case "emptied":
            os.truncate(path, 0)
        case "cut short":
            os.truncate(path, 40)
        case "one byte":
            with path.open("r+b") as file:
                file.write(b"[")
        case "longer":
            with path.open("ab") as file:
                file.write(b"\n")
        case _:
            lease.close()

    assert not lease.is_mine()


@pytest.mark.parametrize("data", [b"x", b"{}", b" " * RECORD_BYTES, b"\xff" * RECORD_BYTES])
def test_a_damaged_file_starts_no_desk_until_a_person_releases_it(path: Path, data: bytes) -> None:
    path.write_bytes(data)

    with pytest.raises(LeaseUnusable, match=r"damaged.*Look at the broker.*--release"):
        desk(path)
    assert path.read_bytes() == data
    with pytest.raises(LeaseUnusable, match="damaged"):
        read_lease(path)

    freed = release(path, pid=33, at_ns=AT)

    assert freed.epoch == AT + 1, "above whatever stood there"
    assert desk(path).epoch == AT + 2


@pytest.mark.fault("SEC-14")
@pytest.mark.invariant("C4")
def test_a_link_in_its_place_is_refused(path: Path) -> None:
    target = path.with_name("elsewhere")
    target.write_text("")
    path.symlink_to(target)

    for act in (desk, guardian, read_lease, lambda at: release(at, pid=1, at_ns=AT)):
        with pytest.raises(LeaseUnusable, match="symbolic link"):
            act(path)
    assert target.read_text() == ""


def test_nobody_waits_for_a_process_that_was_stopped_while_it_wrote(path: Path) -> None:
    lease = desk(path)
    with path.open("r+b") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(LeaseUnusable, match="try again"):
            guardian(path)
        assert lease.is_mine()

    assert guardian(path).is_mine()


def test_a_lease_nobody_took_is_read_as_none(path: Path) -> None:
    assert read_lease(path) is None
    assert not path.exists()


@given(
    epoch=st.integers(1, 2**62),
    holder=st.sampled_from(Holder),
    pid=st.integers(0, 2**31),
    proof=st.sampled_from(Proof),
    at=st.integers(0, RECORD_BYTES - 1),
    flip=st.integers(1, 255),
)
def test_a_record_comes_back_whole_and_never_with_a_byte_changed(epoch, holder, pid, proof, at, flip) -> None:
    record = LeaseRecord(epoch=epoch, holder=holder, pid=pid, at_ns=AT, proof=proof)
    data = encode_record(record)

    assert (len(data), decode_record(data, LeaseRecord)) == (RECORD_BYTES, record)
    damaged = bytearray(data)
    damaged[at] ^= flip
    assert decode_record(bytes(damaged), LeaseRecord) in (None, record), "only padding may differ"


HOLD = """
import os, sys
from pathlib import Path
from engine.lease import Lease
from engine.lease_record import Holder
lease = Lease.take(Path(sys.argv[1]), Holder.DESK, pid=os.getpid(), at_ns=1)
print(lease.is_mine(), flush=True)
for _ in sys.stdin:
    print(lease.is_mine(), flush=True)
"""


@pytest.fixture
def holder(path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process of its own that holds the lease as a desk, and says for each line whether it still does."""
    command = [sys.executable, "-c", HOLD, str(path)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == "True\n"
    yield process
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


@pytest.mark.row("OPS-20")
def test_a_desk_that_was_stopped_finds_the_account_taken_when_it_wakes_up(path: Path, holder) -> None:
    holder.send_signal(signal.SIGSTOP)
    taken = guardian(path)
    holder.send_signal(signal.SIGCONT)
    holder.stdin.write("ask\n")
    holder.stdin.flush()

    assert holder.stdout.readline() == "False\n"
    assert taken.is_mine()


def test_a_killed_holder_leaves_its_record_and_the_next_desk_rises_above_it(path: Path, holder) -> None:
    holder.kill()
    holder.wait()

    found = read_lease(path)
    assert found is not None
    assert (found.holder, found.pid, found.epoch) == (Holder.DESK, holder.pid, 1)
    assert desk(path).epoch == 2


def test_asking_costs_far_less_than_any_request(path: Path) -> None:
    """3.7 µs on the busy 2-core box; the bound only catches a flush or a parse that crept in."""
    lease = desk(path)
    began = time.perf_counter()
    for _ in range(2_000):
        lease.is_mine()

    assert (time.perf_counter() - began) / 2_000 < 200e-6
