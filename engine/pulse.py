"""The desk's pulse: a fixed record, written in place once a second from the loop, that a guardian reads from outside.

It is not the minute's line of the log (`engine.heartbeat`). It says when the loop last ran, and what is at stake: units
open, units without a working stop, orders that may still fill. A stalled loop writes nothing, which is the point. The
last record of an orderly end says so, with the exit code. Instants are CLOCK_MONOTONIC of one boot: every process of
the machine sees the same one, nobody can set it, and it stands still while the machine sleeps.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import msgspec

from engine.private_file import FileUnusable, encode_record, open_private, read_record

_WHAT: Final = "pulse file"
ORDERLY: Final = (0, 3, 5)
"""Exit codes that the desk itself decided on and told: clean, terminated, still in position (OPS-22)."""


class Stakes(msgspec.Struct, frozen=True, kw_only=True):
    """What would be left behind if this were the last beat."""

    open_qty: int = 0
    """Units of all positions, long and short alike."""
    bare_qty: int = 0
    """Of them, units without an acknowledged stop at the broker."""
    live_orders: int = 0
    """Orders that may still fill, unanswered ones included."""

    @property
    def is_flat(self) -> bool:
        return not (self.open_qty or self.live_orders)

    @property
    def words(self) -> str:
        if self.is_flat:
            return "nothing open"
        orders = f"{self.live_orders} order(s) that may fill"
        return f"{self.open_qty} units open, {self.bare_qty} of them without a resting stop, {orders}"


class Pulse(msgspec.Struct, frozen=True, kw_only=True):
    """One beat."""

    run_no: int
    pid: int
    epoch: int
    """Of the lease under which the desk sends."""
    boot: str
    """Which start of the machine `at_ns` belongs to; empty where the system does not tell."""
    at_ns: int
    """CLOCK_MONOTONIC."""
    stakes: Stakes = Stakes()
    exit_code: int | None = None
    """None while the desk runs."""

    @property
    def is_orderly_end(self) -> bool:
        return self.exit_code in ORDERLY


class PulseUnusable(Exception):
    """The pulse file cannot be made or opened."""


class PulseWriter:
    """The desk's side: one record, written over and over."""

    def __init__(self, fd: int, *, run_no: int, pid: int, epoch: int, boot: str) -> None:
        self._fd = fd
        self._pulse = Pulse(run_no=run_no, pid=pid, epoch=epoch, boot=boot, at_ns=0)

    @classmethod
    def open(cls, path: Path, *, run_no: int, pid: int, epoch: int, boot: str) -> PulseWriter:
        """Raises PulseUnusable."""
        return cls(_open(path), run_no=run_no, pid=pid, epoch=epoch, boot=boot)

    def beat(self, at_ns: int, stakes: Stakes) -> None:
        """Write one beat, without a flush: a machine that died took the guardian with it. Raises OSError."""
        self._pulse = msgspec.structs.replace(self._pulse, at_ns=at_ns, stakes=stakes)
        self._write()

    def end(self, at_ns: int, exit_code: int) -> None:
        """The desk is over, with the stakes of its last beat. Raises OSError."""
        self._pulse = msgspec.structs.replace(self._pulse, at_ns=at_ns, exit_code=exit_code)
        self._write()

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _write(self) -> None:
        os.pwrite(self._fd, encode_record(self._pulse), 0)


def pulse_path(account_lock: Path) -> Path:
    """Beside the account's lock."""
    return account_lock.with_suffix(".pulse")


def read_pulse(path: Path) -> Pulse | None:
    """The newest beat; None when there is none that can be read: no file yet, or not a whole record of ours."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        return read_record(fd, Pulse)
    except OSError:
        return None
    finally:
        os.close(fd)


def _open(path: Path) -> int:
    try:
        return open_private(path, _WHAT)
    except FileUnusable as exc:
        raise PulseUnusable(str(exc)) from None
