"""Where a desk's journal lies and what is said of it at the start: the second file's folders, and what was found."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from engine.journal.spill import SpillFile
from engine.journal.store import Journal, Synchronous

_NORMAL_RISK: Final = (
    'desk.journal_synchronous = "NORMAL": a power cut or a crash of the system may lose the newest commits, with '
    "orders that were sent already; those are then known only by their tags in the broker's books. A crash of this "
    'program alone loses nothing. "FULL" waits for the disk before anything is sent'
)


def spill_folders(journal: Path, env: Mapping[str, str]) -> list[Path]:
    """Folders for what the journal's disk does not take (STO-09): those on other disks first."""
    runtime = env.get("XDG_RUNTIME_DIR", "")
    found = [Path(name) for name in (runtime, tempfile.gettempdir()) if name and Path(name).is_absolute()]
    there = [folder for folder in found if folder.is_dir()]
    own_disk = journal.parent.stat().st_dev if journal.parent.is_dir() else -1
    return sorted(there, key=lambda folder: folder.stat().st_dev == own_disk)


def shelter_of(journal: Journal, env: Mapping[str, str]) -> SpillFile | None:
    """The second file of an open journal; None for one in memory."""
    if journal.path is None:
        return None
    folders = spill_folders(journal.path, env)
    return SpillFile(journal.path, folders, generation=journal.generation, batches=journal.batches)


def start_words(journal: Journal, synchronous: Synchronous) -> list[str]:
    """What a person should know of the journal before trading begins."""
    words: list[str] = []
    if journal.path is not None and synchronous == "NORMAL":
        words.append(_NORMAL_RISK)
    if journal.taken_in:
        words.append(
            f"{journal.taken_in} commit(s) that the disk had not taken before the crash are in the journal now"
        )
    if journal.copied_to is not None:
        words.append(f"the journal was not closed in order: copied to {journal.copied_to.name} before going on")
    return words
