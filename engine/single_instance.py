"""One desk per journal and one per broker account on a host: a lock the kernel frees however the holder ends (R5).

The lock is `flock` on a small file that names its holder. The file stays behind when the lock is given back: removing
it would let two processes lock two different files of the same name. Exit code 4 belongs to `AlreadyRunning` (OPS-20).
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import socket
import time
from pathlib import Path
from types import TracebackType

import msgspec

from engine.instant import iso_utc
from engine.private_file import FileUnusable, open_private

_HOLDER_BYTES_MAX = 4096
_ATTEMPTS_MAX = 10
"""How often a lock file may vanish under our hands before we stop trying."""


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """What the lock file says about the process that holds it."""

    pid: int = 0
    host: str = ""
    what: str = ""
    since: str = ""
    """ISO 8601, UTC."""


class AlreadyRunning(Exception):
    """Another process holds the lock; it was not disturbed."""

    def __init__(self, pid: int, host: str, what: str, since: str) -> None:
        who = f"process {pid} on {host} since {since}" if pid else "another process that left no name"
        super().__init__(
            f"{what} is already in use by {who}: nothing was started. "
            "End that process first, or give this desk another account and journal."
        )
        self.pid = pid
        self.host = host
        self.what = what
        self.since = since


class LockUnusable(Exception):
    """The lock file cannot be made or opened: a missing folder, a permission, a link in its place."""


class InstanceLock:
    """A held lock. Give it back with `release` or a `with` block; a crash gives it back by itself."""

    def __init__(self, path: Path, fd: int) -> None:
        self._path = path
        self._fd = fd
        _held.add(self)

    @classmethod
    def acquire(cls, path: Path, what: str, *, now_ns: int | None = None) -> InstanceLock:
        """Take the lock at `path` for `what` (`account AB1234`), or raise AlreadyRunning or LockUnusable at once.

        `now_ns` is the start time to write down; the wall clock when not given.
        """
        for _ in range(_ATTEMPTS_MAX):
            fd = _open(path)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if not _is_still_at(fd, path):
                    os.close(fd)
                    continue  # removed by hand between open and lock: what we hold is a file nobody else will find
                _write_holder(fd, what, time.time_ns() if now_ns is None else now_ns)
            except BlockingIOError:
                holder = _read_holder(fd)
                os.close(fd)
                raise AlreadyRunning(holder.pid, holder.host, holder.what or what, holder.since) from None
            except OSError as exc:
                os.close(fd)
                raise LockUnusable(f"lock file {path}: {exc.strerror}") from None
            return cls(path, fd)
        raise LockUnusable(f"lock file {path}: is removed again and again by somebody else")

    @property
    def path(self) -> Path:
        return self._path

    @property
    def is_held(self) -> bool:
        return self._fd >= 0

    def release(self) -> None:
        """Give the lock back; a second call does nothing."""
        if self._fd < 0:
            return
        fd, self._fd = self._fd, -1
        _held.discard(self)
        os.ftruncate(fd, 0)
        os.close(fd)

    def drop_in_child(self) -> None:
        """After a fork: let go of the copy, so that the lock ends with the parent. The parent still holds it."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> InstanceLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def is_locked(path: Path) -> bool:
    """Whether some process holds this lock. Asking takes it for microseconds, so do not ask all the time."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(fd)
    return False


def journal_lock_path(journal: Path) -> Path:
    """The lock of one journal file. It stands beside the file, so that two state folders cannot miss each other."""
    return journal.with_name(journal.name + ".lock")


def account_lock_path(state_dir: Path, account: str) -> Path:
    """The lock of one broker account, whatever journal or config its desk uses.

    The name keeps the readable part of the account; a digest keeps two accounts apart that differ in odd characters.
    """
    readable = re.sub(r"[^A-Za-z0-9]+", "-", account)[:40]
    digest = hashlib.blake2b(account.encode(), digest_size=4).hexdigest()
    return state_dir / f"account-{readable}-{digest}.lock"


def _open(path: Path) -> int:
    try:
        return open_private(path, "lock file")
    except FileUnusable as exc:
        raise LockUnusable(str(exc)) from None


def _is_still_at(fd: int, path: Path) -> bool:
    try:
        there = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    ours = os.fstat(fd)
    return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)


def _write_holder(fd: int, what: str, now_ns: int) -> None:
    holder = Holder(pid=os.getpid(), host=socket.gethostname(), what=what, since=iso_utc(now_ns))
    os.ftruncate(fd, 0)
    os.pwrite(fd, msgspec.json.encode(holder) + b"\n", 0)


def _read_holder(fd: int) -> Holder:
    """Whoever wrote the file may be anybody: an unreadable one names nobody, and control characters are dropped."""
    try:
        holder = msgspec.json.decode(os.pread(fd, _HOLDER_BYTES_MAX, 0), type=Holder)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Holder()
    return Holder(
        pid=holder.pid, host=_printable(holder.host), what=_printable(holder.what), since=_printable(holder.since)
    )


def _printable(text: str) -> str:
    return "".join(c for c in text if c.isprintable())[:200]


_held: set[InstanceLock] = set()


def _drop_all_in_child() -> None:
    for lock in list(_held):
        lock.drop_in_child()
    _held.clear()


os.register_at_fork(after_in_child=_drop_all_in_child)
