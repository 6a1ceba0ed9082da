"""The log: every sentence of the desk to the screen's ring, to a text stream and to its JSON twin (OPS-24, OPS-25).

`LogBook.say` finishes a sentence, makes it safe (one line, nothing unprintable, no credential) and remembers it; sinks
get lines in batches, shortly after or at once from WARN on. No order of the desk ever waits for a disk or a terminal
longer than one write of one batch, and a sink that fails is told of once and does not stop the desk.
"""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple, Protocol, TextIO

import msgspec

from engine.alerts import AlertBook
from engine.config.errors import printable
from engine.instant import NS_PER_MS, clock_text, iso_utc, ist_date
from engine.messages import Msg
from engine.port import Clock
from engine.secrets import Redactions
from engine.view import LogLine

LEVELS: Final = {"DEBUG": 10, "INFO": 20, "WARN": 30, "ERROR": 40, "CRITICAL": 50}
RING_MAX: Final = 5_000
"""Lines kept for the screen: a busy day writes about 2,000."""
FLUSH_NS: Final = 200 * NS_PER_MS
_BATCH_MAX: Final = 100
"""Lines held back at most: about 4 ms of writing (2-core box, 2026-11-21); then they are written at once."""
_TEXT_MAX: Final = 4_000
"""Characters of one sentence (SEC-03); the start line with the whole configuration is about 2,500."""
FILE_MAX_BYTES: Final = 10 * 1024 * 1024
FILES_KEPT: Final = 5


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One finished, safe sentence with its key values."""

    seq: int
    at_ns: int
    level: str
    event: str
    """Name of the message, lower case: `init_dual`."""
    source: str
    symbol: str
    tag: str
    text: str
    fields: dict[str, object]

    def as_text(self) -> str:
        """`2026-11-20 10:42:07.318 WARN  [WARN] ...`, time in IST."""
        return f"{ist_date(self.at_ns)} {clock_text(self.at_ns, decimals=3)} {self.level:<8} {self.text}"

    def as_json(self, strategy: str) -> str:
        """The JSON twin, time in UTC with offset (OPS-30)."""
        record = {
            "time": iso_utc(self.at_ns),
            "level": self.level,
            "event": self.event,
            "strategy": strategy,
            "source": self.source,
            "symbol": self.symbol,
            "tag": self.tag,
            "text": self.text,
            "fields": self.fields,
        }
        return json.dumps(record, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


class _Said(NamedTuple):
    """What an entry is made from. `text` is safe already; the rest is not."""

    seq: int
    at_ns: int
    msg: Msg
    source: str
    symbol: str
    tag: str
    text: str
    fields: Mapping[str, object]


class Sink(Protocol):
    """Where finished lines go."""

    def write(self, entries: Sequence[Entry]) -> None:
        """Raises OSError when they cannot be written; the log then goes on without them."""
        ...


class LogBook:
    """Takes sentences from the desk, keeps the newest for the screen, hands all to the sinks. For one thread."""

    def __init__(
        self,
        redactions: Redactions,
        *,
        sinks: Sequence[Sink] = (),
        level: str = "INFO",
        clock: Clock | None = None,
        alerts: AlertBook | None = None,
        ring_max: int = RING_MAX,
    ) -> None:
        """Without a `clock` every line is written at once. `alerts` hears every line: it knows which is an alert."""
        self._redactions = redactions
        self._sinks = list(sinks)
        self._clock = clock
        self._alerts = alerts
        self._ring: deque[LogLine] = deque(maxlen=ring_max)
        self._unwritten: list[_Said] = []
        self._seq = 0
        self._flush_is_due = False
        self._failed: set[int] = set()
        self.level = level

    @property
    def level(self) -> str:
        """Lowest level that reaches the sinks; the screen always has INFO and above."""
        return self._level

    @level.setter
    def level(self, level: str) -> None:
        if level not in LEVELS:
            raise ValueError(f"log level {level!r}: one of {', '.join(LEVELS)}")
        self._level = level

    @property
    def seq(self) -> int:
        """Sequence number of the newest line on the ring."""
        return self._ring[-1].seq if self._ring else 0

    def say(
        self, msg: Msg, fields: Mapping[str, object], at_ns: int, source: str, symbol: str = "", tag: str = ""
    ) -> str:
        """Record one sentence; returns its finished, sanitised text."""
        level = msg.level
        text = self._safe(msg.text(**fields))
        is_written = LEVELS[level] >= LEVELS[self._level]
        if is_written or LEVELS[level] >= LEVELS["INFO"]:
            self._seq += 1
        if LEVELS[level] >= LEVELS["INFO"]:
            self._ring.append(LogLine(seq=self._seq, at_ns=at_ns, level=level, source=source, text=text))
            if self._alerts is not None:
                self._alerts.hear(msg, fields, self._safe(symbol), text, at_ns)
        if is_written:
            self._unwritten.append(_Said(self._seq, at_ns, msg, source, symbol, tag, text, fields))
            self._write_soon(at_once=LEVELS[level] >= LEVELS["WARN"])
        return text

    def lines_since(self, seq: int) -> list[LogLine]:
        """Lines of the ring newer than `seq`, oldest first."""
        return list(reversed(list(_newer_than(seq, self._ring))))

    def flush(self) -> None:
        """Hand everything held back to the sinks. Called at the end of the program."""
        said, self._unwritten = self._unwritten, []
        if not said:
            return
        entries = [self._entry(one) for one in said]
        for index, sink in enumerate(self._sinks):
            try:
                sink.write(entries)
            except (OSError, ValueError) as error:  # ValueError: the stream was closed
                self._tell_failure(index, error, entries[-1].at_ns)
            else:
                self._failed.discard(index)

    def _entry(self, said: _Said) -> Entry:
        """Made when it is written, not when it is said: the desk's step pays for the text alone."""
        return Entry(
            seq=said.seq,
            at_ns=said.at_ns,
            level=said.msg.level,
            event=said.msg.name.lower(),
            source=said.source,
            symbol=self._safe(said.symbol),
            tag=self._safe(said.tag),
            text=said.text,
            fields={name: self._safe_value(value) for name, value in said.fields.items()},
        )

    def _write_soon(self, *, at_once: bool) -> None:
        if at_once or self._clock is None or len(self._unwritten) >= _BATCH_MAX:
            self.flush()
        elif not self._flush_is_due:
            self._flush_is_due = True
            self._clock.call_at(self._clock.now_ns() + FLUSH_NS, self._flush_now)

    def _flush_now(self) -> None:
        self._flush_is_due = False
        self.flush()

    def _tell_failure(self, index: int, error: Exception, at_ns: int) -> None:
        """On the screen, once for each breakdown: the sink itself cannot be told."""
        if index in self._failed:
            return
        self._failed.add(index)
        text = self._safe(Msg.DESK_WARN.text(text=f"the log cannot be written: {error}"))
        self._seq += 1
        self._ring.append(LogLine(seq=self._seq, at_ns=at_ns, level="WARN", source="log", text=text))

    def _safe(self, text: str) -> str:
        """On one line, printable, short enough, without a credential; cut last, so that no half secret stays."""
        if not text:
            return text
        struck = self._redactions.strike(text)
        clean = struck if struck.isprintable() else printable(struck)
        return clean if len(clean) <= _TEXT_MAX else f"{clean[:_TEXT_MAX]}… ({len(clean)} characters)"

    def _safe_value(self, value: object) -> object:
        if value is None or isinstance(value, bool | int):
            return value
        return self._safe(str(value))


class TextStream:
    """Lines of text to a stream, usually stderr."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, entries: Sequence[Entry]) -> None:
        self._stream.write("".join(f"{entry.as_text()}\n" for entry in entries))
        self._stream.flush()


class JsonStream:
    """JSON lines to a stream."""

    def __init__(self, stream: TextIO, strategy: str) -> None:
        self._stream = stream
        self._strategy = strategy

    def write(self, entries: Sequence[Entry]) -> None:
        self._stream.write("".join(f"{entry.as_json(self._strategy)}\n" for entry in entries))
        self._stream.flush()


class RotatingFile:
    """Lines to a file that only its owner may read; when full it becomes `name.1`, and the oldest of the kept goes."""

    def __init__(
        self,
        path: Path,
        *,
        json_strategy: str = "",
        max_bytes: int = FILE_MAX_BYTES,
        kept: int = FILES_KEPT,
    ) -> None:
        """With `json_strategy` JSON lines are written, else text. Raises OSError when it cannot be opened."""
        self._path = path
        self._strategy = json_strategy
        self._max_bytes = max_bytes
        self._kept = kept
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._handle = self._open()

    def write(self, entries: Sequence[Entry]) -> None:
        lines = [entry.as_json(self._strategy) if self._strategy else entry.as_text() for entry in entries]
        data = "".join(f"{line}\n" for line in lines).encode("utf-8", errors="replace")
        size = os.fstat(self._handle).st_size
        if size and size + len(data) > self._max_bytes:
            self._rotate()
        view = memoryview(data)
        while view:
            view = view[os.write(self._handle, view) :]

    def close(self) -> None:
        os.close(self._handle)

    def _open(self) -> int:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
        return os.open(self._path, flags, 0o600)

    def _rotate(self) -> None:
        for number in range(self._kept - 1, 0, -1):
            older = self._numbered(number)
            if older.exists():
                older.replace(self._numbered(number + 1))
        if self._kept:
            self._path.replace(self._numbered(1))
        else:
            self._path.unlink()
        os.close(self._handle)
        self._handle = self._open()

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")


def _newer_than(seq: int, ring: deque[LogLine]) -> Iterator[LogLine]:
    for line in reversed(ring):
        if line.seq <= seq:
            return
        yield line
