"""Counts what a broker sends and nobody understands: each kind is told once with a sample, then only counted.

Nothing of it stops a stream (issue text "Bad input"). Samples are cut and made printable here; secrets are struck out
by the log, which every note passes through.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final

SAMPLE_MAX: Final = 160
_KINDS_MAX: Final = 64
"""Kinds that are told apart; a sender that invents new ones is summed up as the last."""


class Oddities:
    """`note` hears one printable sentence per kind."""

    def __init__(self, source: str, note: Callable[[str], None]) -> None:
        self._source = source
        self._note = note
        self.counts: Counter[str] = Counter()

    def add(self, kind: str, sample: object) -> None:
        if kind not in self.counts and len(self.counts) >= _KINDS_MAX:
            kind = "more kinds of oddities"
        self.counts[kind] += 1
        if self.counts[kind] == 1:
            self._note(f"{self._source}: {kind}, skipped: {sample_of(sample)}")

    @property
    def total(self) -> int:
        return self.counts.total()


def sample_of(value: object) -> str:
    """The beginning of anything in printable ASCII."""
    raw = value[:SAMPLE_MAX].hex(" ") if isinstance(value, bytes) else str(value)[: SAMPLE_MAX + 1]
    text = "".join(c if c.isascii() and c.isprintable() else "?" for c in raw)
    return text if len(text) <= SAMPLE_MAX else f"{text[:SAMPLE_MAX]}..."
