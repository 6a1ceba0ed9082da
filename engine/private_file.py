"""Small files of ours that only their owner may read: opened without following links, and records written in place.

A record is one line of JSON with a checksum, padded to a fixed size and written by one `pwrite`: a reader sees the old
one or the new one, and a torn or foreign one is told by its checksum.
"""

from __future__ import annotations

import errno
import os
import stat
import zlib
from pathlib import Path
from typing import Final, TypeVar

import msgspec

RECORD_BYTES: Final = 512
"""Far inside one page, and well above what any record of ours takes."""

T = TypeVar("T")


class FileUnusable(Exception):
    """The file cannot be made or opened: a missing folder, a permission, a link in its place."""


def open_private(path: Path, what: str) -> int:
    """A descriptor for reading and writing, made with mode 0600 when absent; `what` names the file in the error.

    Raises FileUnusable.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        fd = os.open(path, flags, 0o600)
    except OSError as exc:
        why = "is a symbolic link, which is not followed" if exc.errno == errno.ELOOP else exc.strerror
        raise FileUnusable(f"{what} {path}: {why}") from None
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise FileUnusable(f"{what} {path}: is not a regular file")
    return fd


def encode_record(record: msgspec.Struct) -> bytes:
    """Exactly RECORD_BYTES. Raises ValueError when it does not fit."""
    body = msgspec.json.encode(record)
    line = body + b" %08x" % zlib.crc32(body)
    if len(line) >= RECORD_BYTES:
        raise ValueError(f"record of {len(line)} bytes: at most {RECORD_BYTES - 1}")
    return line.ljust(RECORD_BYTES - 1) + b"\n"


def decode_record(data: bytes, kind: type[T]) -> T | None:
    """None for anything but a whole record of this kind."""
    body, _, checksum = data.rstrip().rpartition(b" ")
    if len(data) != RECORD_BYTES or checksum != b"%08x" % zlib.crc32(body):
        return None
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def read_record(fd: int, kind: type[T]) -> T | None:
    """The record that stands in the file now. Raises OSError."""
    return decode_record(os.pread(fd, RECORD_BYTES + 1, 0), kind)
