"""Where the pulse lies: a private file of fixed size beside the account's lock, written in place, never renamed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import msgspec

from engine.private_file import FileUnusable, encode_record, open_private, read_record
from engine.pulse import Pulse, Stakes

_WHAT: Final = "pulse file"


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
