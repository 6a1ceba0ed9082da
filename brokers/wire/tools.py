"""What the shell hands to a broker's session: clock, randomness, a place for the day's files, a voice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

import msgspec

from engine.port import Clock


def _silent(_text: str) -> None:
    pass


class SessionTools(msgspec.Struct, frozen=True, kw_only=True):
    clock: Clock
    """Exchange time."""
    random: Random
    note: Callable[[str], None] = _silent
    """Hears one sentence about anything that a person should know; it goes through the log's redaction."""
    cache: Path | None = None
    """Folder of the day's instrument masters; None = keep none."""
    deadline_s: float = 7.0
    """Real seconds for one whole call, whatever happens in it."""
    time_scale: float = 1.0
    """Exchange seconds in one real second: above 1 only in a hurried rehearsal."""
