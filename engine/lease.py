"""The fencing lease of one account: a small file that says who may send orders now, desk or guardian.

Whoever takes the account over writes a record with a higher epoch; the epoch only ever rises. The gateway asks
`Lease.is_mine` immediately before every send: anything but our own record, byte for byte, in a file that still has its
name, means no. An unreadable record is no proof either.

What a lease can not do: the broker does not know it. A process that is stopped between the answer of `is_mine` and the
send delivers that one request when it wakes up, however late (the gateway has one request under way at a time). So
whoever takes over reads the broker's books again after a while, and again, for as long as the other process lives; the
guardian does (`engine.guardian_flatten`). On a network file system without coherent reads a lease proves nothing.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final

import msgspec

from engine.lease_record import RELEASE, Holder, LeaseRecord, Proof
from engine.private_file import FileUnusable, encode_record, open_private, read_record

_WHAT: Final = "lease file"


class LeaseHeld(Exception):
    """The guardian has taken this account over; no desk starts on it before a person releases it (exit code 4)."""

    def __init__(self, record: LeaseRecord) -> None:
        flat = "the broker said flat" if record.proof is Proof.FLAT else "its positions are NOT proven flat"
        super().__init__(
            f"the guardian has taken over this account ({record.words}); {flat}. Nothing was started. "
            f"Look at the broker, end the guardian, then: {RELEASE}"
        )
        self.record = record


class LeaseUnusable(Exception):
    """The lease file cannot be used: a permission, a link in its place, damage, or a process that holds its lock."""


class Lease:
    """A lease that was taken. `close` gives the descriptor back, not the lease: the next epoch ends it."""

    def __init__(self, path: Path, fd: int, record: LeaseRecord) -> None:
        self.path = path
        self.record = record
        self._fd = fd
        self._mine = encode_record(record)

    @classmethod
    def take(cls, path: Path, holder: Holder, *, pid: int, at_ns: int) -> Lease:
        """Write the next epoch. Raises LeaseHeld (a desk, after a guardian) or LeaseUnusable.

        A desk that asks holds the account's lock: the desk before it is gone, and needs no release.
        """
        fd = _open(path)
        try:
            known = _locked_record(fd, path)
            if holder is Holder.DESK and known is not None and known.holder is Holder.GUARDIAN:
                raise LeaseHeld(known)
            proof = Proof.OPEN if holder is Holder.GUARDIAN else Proof.NONE
            record = _next(known, holder, pid, at_ns, proof)
            _write(fd, record)
        except OSError as exc:
            os.close(fd)
            raise LeaseUnusable(f"{_WHAT} {path}: {exc.strerror}") from None
        except BaseException:
            os.close(fd)
            raise
        fcntl.flock(fd, fcntl.LOCK_UN)
        return cls(path, fd, record)

    @property
    def epoch(self) -> int:
        return self.record.epoch

    def is_mine(self) -> bool:
        """True while the file still has its name and says exactly what we wrote: two system calls, no parsing."""
        try:
            return os.fstat(self._fd).st_nlink > 0 and os.pread(self._fd, len(self._mine) + 1, 0) == self._mine
        except OSError:
            return False

    def holder_now(self) -> LeaseRecord | None:
        """Who holds it now; None when nobody can tell."""
        try:
            return read_record(self._fd, LeaseRecord) if os.fstat(self._fd).st_nlink else None
        except OSError:
            return None

    def note_proof(self, proof: Proof) -> bool:
        """Write down what has been proven, under the same epoch. False when the lease is not ours any more."""
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        try:
            if not self.is_mine():
                return False
            self.record = msgspec.structs.replace(self.record, proof=proof)
            self._mine = _write(self._fd, self.record)
            return True
        except OSError:
            return False
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)

    def close(self) -> None:
        """A second call does nothing; from here on `is_mine` says no."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def lease_path(account_lock: Path) -> Path:
    """The lease stands beside the account's lock, which is the same for every desk on it."""
    return account_lock.with_suffix(".lease")


def read_lease(path: Path) -> LeaseRecord | None:
    """Who holds the account; None when nobody ever took it. Raises LeaseUnusable."""
    if not path.exists() and not path.is_symlink():
        return None
    fd = _open(path)
    try:
        return _record(fd, path)
    except OSError as exc:
        raise LeaseUnusable(f"{_WHAT} {path}: {exc.strerror}") from None
    finally:
        os.close(fd)


def release(path: Path, *, pid: int, at_ns: int) -> LeaseRecord:
    """A person gives the account back to the next desk; whoever held it may not send any more. Raises LeaseUnusable.

    A damaged file is made whole by it: its epoch is lost, so the instant itself becomes the next one, which is higher
    than any count of starts.
    """
    fd = _open(path)
    try:
        _lock(fd, path)
        known = read_record(fd, LeaseRecord)
        if known is None and os.fstat(fd).st_size:
            known = LeaseRecord(epoch=at_ns, holder=Holder.NOBODY, pid=0, at_ns=at_ns)
        record = _next(known, Holder.NOBODY, pid, at_ns, Proof.NONE)
        _write(fd, record)
        return record
    except OSError as exc:
        raise LeaseUnusable(f"{_WHAT} {path}: {exc.strerror}") from None
    finally:
        os.close(fd)


def _next(known: LeaseRecord | None, holder: Holder, pid: int, at_ns: int, proof: Proof) -> LeaseRecord:
    epoch = known.epoch + 1 if known is not None else 1
    return LeaseRecord(epoch=epoch, holder=holder, pid=pid, at_ns=at_ns, proof=proof)


def _open(path: Path) -> int:
    try:
        return open_private(path, _WHAT)
    except FileUnusable as exc:
        raise LeaseUnusable(str(exc)) from None


def _lock(fd: int, path: Path) -> None:
    """Never waits: its holder may be a process that was stopped in the middle. The caller tries again."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise LeaseUnusable(f"{_WHAT} {path}: another process is writing it; try again") from None


def _locked_record(fd: int, path: Path) -> LeaseRecord | None:
    _lock(fd, path)
    return _record(fd, path)


def _record(fd: int, path: Path) -> LeaseRecord | None:
    record = read_record(fd, LeaseRecord)
    if record is None and os.fstat(fd).st_size:
        raise LeaseUnusable(
            f"{_WHAT} {path}: damaged, so nobody can tell who may send orders. Look at the broker, then: {RELEASE}"
        )
    return record


def _write(fd: int, record: LeaseRecord) -> bytes:
    """In place and durable before anybody acts on it; returns what stands there now."""
    data = encode_record(record)
    os.pwrite(fd, data, 0)
    os.ftruncate(fd, len(data))
    os.fsync(fd)
    return data
