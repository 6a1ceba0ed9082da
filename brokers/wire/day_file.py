"""A day's instrument master, fetched once and kept in a file: a second start of the day reads it from there."""

from __future__ import annotations

import asyncio
import gzip
import re
import zlib
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Final

_FOLDER_MODE: Final = 0o700


async def day_bytes(folder: Path | None, name: str, day: date, fetch: Callable[[], Awaitable[bytes]]) -> bytes:
    """The kept bytes of this day, or what `fetch` brings, which is then kept; older days of the name are removed.

    `folder` None keeps nothing. A file that cannot be read is fetched anew; one that cannot be written costs only that.
    Raises what `fetch` raises, and ValueError for a name that is no file's.
    """
    if not re.fullmatch(r"[a-z0-9_-]{1,40}", name):
        raise ValueError(f"{name!r}: small letters, digits, - and _")
    if folder is None:
        return await fetch()
    path = folder / f"{name}-{day.isoformat()}.gz"
    kept = await asyncio.to_thread(_kept, path)
    if kept is not None:
        return kept
    content = await fetch()
    await asyncio.to_thread(_keep, path, name, content)
    return content


def _kept(path: Path) -> bytes | None:
    with suppress(OSError, EOFError, zlib.error):
        return gzip.decompress(path.read_bytes())
    return None


def _keep(path: Path, name: str, content: bytes) -> None:
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=_FOLDER_MODE)
        fresh = path.with_suffix(".new")
        fresh.write_bytes(gzip.compress(content, compresslevel=1))
        fresh.replace(path)
        for old in path.parent.glob(f"{name}-????-??-??.gz"):
            if old != path:
                old.unlink()
