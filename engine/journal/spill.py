"""The second file: batches that the journal's disk does not take, kept elsewhere until it does (STO-09).

One file per journal in another folder (the runtime directory, in memory on most systems, or the temporary one), written
by a thread of its own because that disk may hang as well. A start that finds it gives its batches to the journal before
anything else, in their order: what was decided and sent while the disk was away is then known, with its tags. A power
cut may take the file with it; then the broker's books tell, by the tags.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final

import msgspec

from engine.journal.late import Record
from engine.journal.rows import ANSWER_SQL, CHAINED, REPLACED, TAG_COUNTER_SQL, Rows, encodable, written_by

_FRAME: Final = 8
"""Bytes of length and checksum before every record."""
_RECORD_MAX: Final = 16 << 20

_CHAINED: Final = {table.name: table for table in CHAINED}
_NAME_OF_SQL: Final = {written_by(table, key): name for name, table, key in REPLACED} | {
    ANSWER_SQL: "answers",
    TAG_COUNTER_SQL: "tag_counter",
}
_SQL_OF_NAME: Final = {name: sql for sql, name in _NAME_OF_SQL.items()}

_Stored = tuple[int, int, list[tuple[str, list[list[Any]]]], list[tuple[str, list[list[Any]]]]]
"""Generation, number of the batch in the file, and the two parts of `Rows` by name."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Stored).decode


def spill_path(journal: Path, folder: Path) -> Path:
    """One name per journal, the same at every start."""
    digest = hashlib.blake2b(str(journal.absolute()).encode(), digest_size=6).hexdigest()
    return folder / f"strikedesk-{digest}.spill"


class SpillFile:
    """Where late batches of one opening of a journal go."""

    def __init__(self, journal: Path, folders: Sequence[Path], *, generation: int, batches: int) -> None:
        """`batches` are in the journal already; the first folder that takes the file is used."""
        self._paths = [spill_path(journal, folder) for folder in folders]
        self._generation = generation
        self._batches = batches
        self._fd = -1
        self._jobs: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def put(self, records: Sequence[Record], done: Callable[[], None]) -> None:
        """See `engine.journal.late.Shelter`."""
        frames = b"".join(self._frame(record) for record in records)

        def job() -> None:
            self._append(frames)
            done()

        self._do(job)

    def clear(self) -> None:
        """See `engine.journal.late.Shelter`."""
        self._do(self._empty)

    def _do(self, job: Callable[[], None]) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="journal-spill", daemon=True)
            self._thread.start()
        self._jobs.put(job)

    def _run(self) -> None:
        while True:
            self._jobs.get()()

    def _frame(self, record: Record) -> bytes:
        number, rows = record
        try:
            body = _encode(self._stored(number, rows))
        except UnicodeEncodeError:
            body = _encode(self._stored(number, encodable(rows)))
        return len(body).to_bytes(4, "little") + zlib.crc32(body).to_bytes(4, "little") + body

    def _stored(self, number: int, rows: Rows) -> tuple[object, ...]:
        chained = [(table.name, added) for table, added in rows.chained]
        return self._generation, self._batches + number, chained, [(_NAME_OF_SQL[s], over) for s, over in rows.plain]

    def _append(self, frames: bytes) -> None:
        for path in self._paths if self._fd < 0 else ():
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)  # of an earlier opening: a start has taken it, or could not use it
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_APPEND | os.O_CLOEXEC
                self._fd = os.open(path, flags, 0o600)
                break
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                os.write(self._fd, frames)
                os.fdatasync(self._fd)

    def _empty(self) -> None:
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, 0)


def left_behind(journal: Path, folders: Sequence[Path], generation: int, batches: int) -> list[Rows]:
    """Batches that a crashed desk put aside and its journal never got, in order and without a gap."""
    for folder in folders:
        path = spill_path(journal, folder)
        found: list[Rows] = []
        for of_generation, number, chained, plain in _records(path):
            if of_generation == generation and number == batches + len(found):
                found.append(
                    Rows(
                        tuple((_CHAINED[name], [tuple(row) for row in added]) for name, added in chained),
                        tuple((_SQL_OF_NAME[name], [tuple(row) for row in replaced]) for name, replaced in plain),
                    )
                )
        if found:
            return found
    return []


def forget(journal: Path, folders: Sequence[Path]) -> None:
    """Delete what was put aside: the journal has it."""
    for folder in folders:
        with contextlib.suppress(OSError):
            spill_path(journal, folder).unlink(missing_ok=True)


def _records(path: Path) -> Iterator[_Stored]:
    """Up to the first frame that is cut short or damaged; a file that is not our own is none."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return
    with os.fdopen(fd, "rb") as file:
        about = os.fstat(fd)
        if not stat.S_ISREG(about.st_mode) or about.st_uid != os.geteuid():
            return
        while len(head := file.read(_FRAME)) == _FRAME:
            length = int.from_bytes(head[:4], "little")
            body = file.read(length) if length <= _RECORD_MAX else b""
            if len(body) != length or zlib.crc32(body) != int.from_bytes(head[4:], "little"):
                return
            try:
                yield _decode(body)
            except msgspec.DecodeError:
                return
