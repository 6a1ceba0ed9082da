"""Reads tables of dated facts (TOML) and picks the row in force on a day.

Sessions, charges and contract parameters change by circular, so they are rows with `effective_from`, never constants.
The packaged tables lie in `engine/data`; a user's own file has the same form. Every mistake in a file is one line that
names the file, the key and what was expected.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from importlib import resources
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec

T = TypeVar("T")


class DataFileError(ValueError):
    """A table of dated facts cannot be used; the text names the file and the key."""


class DatedRow(Protocol):
    @property
    def effective_from(self) -> date: ...


R = TypeVar("R", bound=DatedRow)


def read_packaged(name: str, table: type[T]) -> T:
    """A table of `engine/data`. Raises DataFileError."""
    return decode_table(resources.files("engine").joinpath("data", name).read_bytes(), name, table)


def read_table(path: Path, table: type[T]) -> T:
    """A user's own table. Raises DataFileError, also when the file cannot be read."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataFileError(f"{path}: cannot be read ({error.strerror})") from None
    return decode_table(raw, str(path), table)


def decode_table(raw: bytes, source: str, table: type[T]) -> T:
    """`raw` TOML as `table`; `source` is the name that a mistake is reported under. Raises DataFileError."""
    try:
        return msgspec.toml.decode(raw, type=table)
    except UnicodeDecodeError:
        raise DataFileError(f"{source}: is not UTF-8 text") from None
    except msgspec.ValidationError as error:
        text, _, where = str(error).partition(" - at `$.")
        key = where.rstrip("`") or "the whole file"
        raise DataFileError(f"{source}: {key}: {text[:1].lower()}{text[1:]}") from None
    except msgspec.DecodeError as error:
        raise DataFileError(f"{source}: {error}") from None


def in_force(rows: Iterable[R], on: date) -> R | None:
    """The row with the latest `effective_from` not after `on`; of two with the same date, the one that comes last."""
    best: R | None = None
    for row in rows:
        if row.effective_from <= on and (best is None or row.effective_from >= best.effective_from):
            best = row
    return best
