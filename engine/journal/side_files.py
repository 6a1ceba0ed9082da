"""Small files beside a journal in use: the head file that remembers how far it was durable, and the ballast.

Both are there only while a desk has the journal, or after one has crashed. Neither is needed to read it.
"""

from __future__ import annotations

import contextlib
import os
import struct
import zlib
from pathlib import Path
from typing import Final, NamedTuple

BALLAST_BYTES: Final = 1 << 20
"""Room that a full disk still has for exits (STO-08): 1,626 steps of one entry each, measured on a full tmpfs."""
_ROOM_AGAIN: Final = 4 * BALLAST_BYTES
"""Free space at which the ballast is laid down again; well above its size, so that it does not come and go."""

_NOTE: Final = struct.Struct("<8sqQI")
_MARK: Final = b"SDHEAD1\n"


class HeadNote(NamedTuple):
    """How far a file was durable when this was last written."""

    generation: int
    """Of the opening, as in the file's own heads."""
    batches: int


class HeadFile:
    """`NAME.head`: written after every durable commit, without waiting for the disk.

    It can be older than the journal and never newer, except by damage to the journal: a kill leaves both in the
    system's memory, a power cut what was synced, and only the journal is. So a journal that knows less has lost its
    end.
    """

    def __init__(self, journal: Path) -> None:
        self._path = self.path_of(journal)
        self._fd = -1
        with contextlib.suppress(OSError):  # a journal works without; only a lost end is then not seen
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)

    @staticmethod
    def path_of(journal: Path) -> Path:
        return journal.with_name(f"{journal.name}.head")

    @classmethod
    def read(cls, journal: Path) -> HeadNote | None:
        """What the last desk left; None without a readable file."""
        try:
            raw = cls.path_of(journal).read_bytes()
        except OSError:
            return None
        if len(raw) != _NOTE.size:
            return None
        mark, generation, batches, check = _NOTE.unpack(raw)
        if mark != _MARK or check != zlib.crc32(raw[:-4]):
            return None
        return HeadNote(generation, batches)

    def write(self, note: HeadNote) -> None:
        """A few microseconds, in place; an error changes nothing but what a later start can see."""
        if self._fd < 0:
            return
        body = _NOTE.pack(_MARK, note.generation, note.batches, 0)[:-4]
        with contextlib.suppress(OSError):
            os.pwrite(self._fd, body + zlib.crc32(body).to_bytes(4, "little"), 0)

    def close(self, *, remove: bool) -> None:
        """`remove` after the journal was given back in order."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        if remove:
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)


class Ballast:
    """`NAME.ballast`: space that is given up when the disk is full, so that exits can still be recorded (STO-08)."""

    def __init__(self, journal: Path) -> None:
        self._path = journal.with_name(f"{journal.name}.ballast")

    @property
    def is_there(self) -> bool:
        return self._path.exists()

    def release(self) -> bool:
        """Give the space up; False when there was none to give."""
        try:
            self._path.unlink()
        except OSError:
            return False
        return True

    def lay(self) -> bool:
        """Take the space, when the disk has several times as much to spare; True when it is there."""
        if self.is_there:
            return True
        try:
            disk = os.statvfs(self._path.parent)
            if disk.f_bavail * disk.f_frsize < _ROOM_AGAIN:
                return False
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError:
            return False
        try:
            os.posix_fallocate(fd, 0, BALLAST_BYTES)
        except OSError:
            self.release()
            return False
        finally:
            os.close(fd)
        return True


def has_log(path: Path) -> bool:
    """A write-ahead log with something in it lies beside the file."""
    try:
        return os.stat(f"{path}-wal").st_size > 0
    except FileNotFoundError:
        return False
