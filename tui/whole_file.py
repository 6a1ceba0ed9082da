"""Writes a small file whole or not at all: beside it first, made durable, then given its name."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path


def write_whole(target: Path, text: str, mode: int, *, replace: bool) -> None:
    """Raises OSError; FileExistsError when somebody made the file meanwhile and `replace` is not wanted."""
    draft = ""
    try:
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=target.parent, delete=False) as file:
            draft = file.name
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(draft, mode)
        if replace:
            os.replace(draft, target)
        else:
            os.link(draft, target)  # unlike a rename it fails when somebody made the file meanwhile
    finally:
        if draft:
            with suppress(OSError):
                os.unlink(draft)
