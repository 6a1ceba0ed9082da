"""The dead-man guardian's judgement of one desk from outside: is it alive, what is at stake, and who must hear of it.

Pure: looks come in (the newest beat, whether the desk's process holds its account), verdicts go out. It knows nothing
of brackets, bots or journals; the desk's own word for its stakes is its last beat. What it does about positions is in
`engine.guardian_flatten`, and only when the configuration says `act = "flatten"`.
"""

from __future__ import annotations

from enum import Enum, StrEnum, auto
from typing import Final

import msgspec

from engine.instant import NS_PER_S
from engine.pulse import Pulse

REPEAT_NS: Final = 60 * NS_PER_S
_REPEAT_MAX_NS: Final = 600 * NS_PER_S


class OnSilence(StrEnum):
    """What the guardian does besides the alarm."""

    ALARM = "alarm"
    FLATTEN = "flatten"


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What can be seen of the desk at one instant."""

    now_ns: int
    """CLOCK_MONOTONIC, as the beats."""
    boot: str
    pulse: Pulse | None
    is_held: bool
    """Some process holds the account's lock: a desk runs, or stands still. False: its process is gone."""


class Phase(Enum):
    WAITING = auto()
    """No desk has been seen alive yet."""
    WATCHING = auto()
    SILENT = auto()
    OVER = auto()


class Word(Enum):
    """What a verdict is about, for the sentence it becomes."""

    SEEN = auto()
    SILENT = auto()
    BACK = auto()
    ENDED = auto()


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What follows from a look."""

    word: Word
    text: str
    is_grave: bool = False
    """Positions are, or may be, without anybody: a person must hear it."""
    flattens: bool = False
    """Read the broker's books; take the account over and leave its positions, unless the desk was flat and they agree.
    """
    ends: bool = False
    """Nothing is left to watch; after the books were read, when `flattens` says so too."""


class Guardian:
    """One desk after the other on one account."""

    def __init__(self, *, silence_ns: int, act: OnSilence, desk_pid: int = 0) -> None:
        """`desk_pid`: the process that started this guardian; its end is the guardian's, and its successor has one of
        its own. 0: watches whatever desk comes."""
        self._silence_ns = silence_ns
        self._act = act
        self._desk_pid = desk_pid
        self.phase = Phase.WAITING
        self.pulse: Pulse | None = None
        """The newest beat that counts."""
        self._began_ns: int | None = None
        self._is_told = False
        self._repeat_ns = REPEAT_NS
        self._told_ns = 0

    def look(self, seen: Look) -> list[Verdict]:
        """Judge one look; looks come about once a second."""
        if self._began_ns is None:
            self._began_ns = seen.now_ns
        pulse = seen.pulse
        if self.phase is Phase.OVER or (pulse is None and self.pulse is None):
            return []
        if pulse is None:  # the file is being replaced, or damaged: the last good beat only gets older
            pulse = self.pulse
        assert pulse is not None
        if pulse.is_orderly_end:
            return self._ended(pulse)
        is_alive = self._silence_of(seen, pulse) < self._silence_ns
        if self._desk_pid and is_alive and pulse.pid != self._desk_pid:
            self.phase = Phase.OVER
            return [Verdict(word=Word.ENDED, text=f"the next desk (process {pulse.pid}) watches itself", ends=True)]
        is_old = not is_alive or pulse.boot != seen.boot
        if self.phase is Phase.WAITING and is_old and pulse.stakes.is_flat and not seen.is_held:
            return []  # left behind by a desk of long ago
        self.pulse = pulse
        return self._alive(pulse) if is_alive else self._silent(seen, pulse)

    def _silence_of(self, seen: Look, pulse: Pulse) -> int:
        """Since the newest beat. One of another start of the machine was never heard by us: the span begins with us."""
        if pulse.exit_code is not None:
            return self._silence_ns
        since_ns = pulse.at_ns if pulse.boot == seen.boot else self._began_ns or 0
        return max(0, seen.now_ns - since_ns)

    def _ended(self, pulse: Pulse) -> list[Verdict]:
        was, self.phase = self.phase, Phase.WAITING
        if was is Phase.WAITING and pulse.pid != self._desk_pid:
            return []  # an end from before: a desk may still come
        self.phase = Phase.OVER
        left = "" if pulse.stakes.is_flat else f", leaving {pulse.stakes.words}"
        text = f"the desk (process {pulse.pid}) has ended with exit code {pulse.exit_code}{left}"
        return [Verdict(word=Word.ENDED, text=text, is_grave=pulse.stakes.bare_qty > 0, ends=True)]

    def _alive(self, pulse: Pulse) -> list[Verdict]:
        was, self.phase = self.phase, Phase.WATCHING
        self._is_told = False
        self._repeat_ns = REPEAT_NS
        if was is Phase.WAITING:
            return [Verdict(word=Word.SEEN, text=f"watching the desk of process {pulse.pid}: {pulse.stakes.words}")]
        if was is Phase.SILENT:
            return [Verdict(word=Word.BACK, text=f"the desk (process {pulse.pid}) beats again: {pulse.stakes.words}")]
        return []

    def _silent(self, seen: Look, pulse: Pulse) -> list[Verdict]:
        self.phase = Phase.SILENT
        if self._is_told and (pulse.stakes.is_flat or seen.now_ns - self._told_ns < self._repeat_ns):
            return []
        if self._is_told:
            self._repeat_ns = min(self._repeat_ns * 2, _REPEAT_MAX_NS)
        is_first, self._is_told, self._told_ns = not self._is_told, True, seen.now_ns
        is_over = pulse.stakes.is_flat and not seen.is_held
        if is_over:
            self.phase = Phase.OVER
        return [
            Verdict(
                word=Word.SILENT,
                text=self._silent_words(seen, pulse),
                is_grave=not pulse.stakes.is_flat,
                flattens=self._act is OnSilence.FLATTEN and is_first,
                ends=is_over,
            )
        ]

    def _silent_words(self, seen: Look, pulse: Pulse) -> str:
        how = "stands still" if seen.is_held else "is gone"
        if pulse.exit_code is not None:
            since = f"it ended with exit code {pulse.exit_code}"
        elif pulse.boot != seen.boot:
            since = "its last beat is from before the machine started"
        else:
            since = f"no beat for {(seen.now_ns - pulse.at_ns) // NS_PER_S} s"
        return f"process {pulse.pid} {how}, {since}; in its last beat {pulse.stakes.words}"
