"""The judge of a simulated day: runs every check on the truth after each event and keeps what was broken.

A check is one small class with the id of its invariant (`spec/faults.md` §6). It reads the `Truth`, never the desk, and
speaks through `Verdicts.broken`. A second breach of the same invariant by the same subject adds nothing and is counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import product
from typing import Protocol

import msgspec

from engine.instant import clock_text
from tui.simulation.truth import Trace, Truth


class Violation(msgspec.Struct, frozen=True, kw_only=True):
    """One broken invariant, with the day's story just before it."""

    invariant: str
    at_ns: int
    subject: str
    text: str
    tail: tuple[str, ...]
    is_final: bool = False
    """Found when the day was over: no single event shows it."""

    def line(self) -> str:
        return f"{self.invariant} at {clock_text(self.at_ns, decimals=3)} {self.subject}: {self.text}"


class Verdicts:
    """Collects what the checks say."""

    def __init__(self, truth: Truth, describe: Callable[[Trace], str]) -> None:
        self._truth = truth
        self._describe = describe
        self.violations: list[Violation] = []
        self.counts: Counter[str] = Counter()
        self._seen: set[tuple[str, str]] = set()
        self.is_over = False

    def broken(self, invariant: str, subject: str, text: str) -> None:
        self.counts[invariant] += 1
        if (invariant, subject) in self._seen:
            return
        self._seen.add((invariant, subject))
        tail = tuple(self._describe(trace) for trace in self._truth.tail)
        self.violations.append(
            Violation(
                invariant=invariant,
                at_ns=self._truth.now_ns,
                subject=subject,
                text=text,
                tail=tail,
                is_final=self.is_over,
            )
        )


class Check(Protocol):
    """One invariant. What a class says of itself spares it looks at which it would see nothing:

    `is_of_the_wire`: holds in every instant, also while the desk recovers: nothing is excused on the wire.
    `reads_requests`: looks at requests since its last look, and at nothing else.
    `reads_positions`: looks at open positions, and at nothing else.
    """

    def look(self, truth: Truth, verdicts: Verdicts) -> None:
        """After an event. Cheap: it is called some ten thousand times a day."""
        ...


class FinalCheck(Protocol):
    """What must hold when the day is over."""

    def finish(self, truth: Truth, verdicts: Verdicts) -> None: ...


def _due(checks: Sequence[Check], is_recovering: bool, has_requests: bool, has_positions: bool) -> tuple[Check, ...]:
    """Those that can see something."""
    return tuple(
        check
        for check in checks
        if (getattr(check, "is_of_the_wire", False) or not is_recovering)
        and (has_requests or not getattr(check, "reads_requests", False))
        and (has_positions or not getattr(check, "reads_positions", False))
    )


class Oracle:
    """Asks every check, in a fixed order."""

    def __init__(
        self, truth: Truth, verdicts: Verdicts, checks: Sequence[Check], final: Sequence[FinalCheck] = ()
    ) -> None:
        self._truth = truth
        self._checks = tuple(checks)
        self._due = {key: _due(self._checks, *key) for key in product((False, True), repeat=3)}
        self._final = tuple(final)
        self.verdicts = verdicts
        self.looks = 0
        self._sent = 0

    def look(self) -> None:
        self.looks += 1
        truth = self._truth
        sent, self._sent = self._sent, len(truth.sent)
        for check in self._due[truth.is_recovering, sent < self._sent, bool(truth.open_groups)]:
            check.look(truth, self.verdicts)

    def begin_anew(self) -> None:
        """The desk has recovered: what it found is not counted against it, only how long it leaves it so."""
        for check in self._checks:
            timers = [value for value in vars(check).values() if isinstance(value, Timers)]
            for timer in timers:
                timer.begin_anew()

    def finish(self) -> None:
        self.verdicts.is_over = True
        for check in self._final:
            check.finish(self._truth, self.verdicts)


class Timers:
    """How long each of several claims has held without a break, in simulated time."""

    def __init__(self) -> None:
        self._since: dict[str, int] = {}
        self.worst_ns = 0

    def begin_anew(self) -> None:
        self._since.clear()

    def since(self, key: str, holds: bool, now_ns: int) -> int:
        """Instant from which the claim has held; 0 while it does not."""
        if not holds:
            self._since.pop(key, None)
            return 0
        return self._since.setdefault(key, now_ns)

    def age(self, key: str, holds: bool, now_ns: int) -> int:
        """Age of the claim in nanoseconds; 0 while it does not hold."""
        if not holds:
            self._since.pop(key, None)
            return 0
        age = now_ns - self._since.setdefault(key, now_ns)
        if age > self.worst_ns:
            self.worst_ns = age
        return age
