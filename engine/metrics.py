"""How long the desk's own work takes, against the targets of the requirements (OPS-28). Pure: it is told durations.

Every figure is a ring of the newest durations; nothing is kept per position once it has closed. A *work* figure is
processor time between two lines of code, a *wait* figure is exchange time between two events, venue included: in
virtual time only waits at the venue and for the rate limit count there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import StrEnum
from typing import Final, NamedTuple

from engine.instant import NS_PER_MS, NS_PER_S
from engine.order import Order, Role
from engine.outbox import Op
from engine.tick import Tick
from engine.view import CountView, MetricView

RING: Final = 1_000
"""Newest durations of one figure; its percentiles and its worst are theirs."""
_TICK_SAMPLE: Final = 64
"""One tick in so many is timed: the stopwatch must not be what makes ticks dear."""
_OPEN_KEPT: Final = 256
"""Exits under way that are timed; an older one is forgotten (X3)."""


class Span(StrEnum):
    """What is timed, in the order shown."""

    TICK = "tick that touches nothing"
    CHECK = "check on a touching tick"
    SIGNAL = "tick to exit signal"
    HANDED = "exit signal to order sent"
    PROVEN = "order sent to flat, proven"
    LEAVE = "wish to leave to flat"
    ENTRY = "entry to its fill"
    PLACED = "first fill to a working stop"
    STATUS = "status pass"
    RECONCILE = "reconcile"


class Target(NamedTuple):
    """A figure of the requirements' table (spec, "Metrics and performance targets")."""

    limit_ns: int
    row: str


TARGETS: Final[dict[Span, Target]] = {
    Span.TICK: Target(NS_PER_MS // 10, "RTP-07"),
    Span.CHECK: Target(NS_PER_MS, "RTP-07"),
    Span.SIGNAL: Target(10 * NS_PER_MS, "RTP-42"),
    Span.HANDED: Target(100 * NS_PER_MS, "RTP-42"),
    Span.PROVEN: Target(500 * NS_PER_MS, "RTP-42"),
    Span.LEAVE: Target(5 * NS_PER_S, "LEG-51"),
    Span.ENTRY: Target(2 * NS_PER_S, "LEG-67"),
    Span.PLACED: Target(2 * NS_PER_S, "LEG-67"),
    Span.STATUS: Target(2 * NS_PER_S, "LEG-22"),
    Span.RECONCILE: Target(2 * NS_PER_S, "LEG-36"),
}


class Ring:
    """The newest durations of one figure, in nanoseconds."""

    def __init__(self, size: int = RING) -> None:
        self._values: deque[int] = deque(maxlen=size)
        self._sorted: list[int] = []
        self._sorted_at = 0
        self.count = 0
        """Ever noted."""

    def note(self, ns: int) -> None:
        self._values.append(max(0, ns))
        self.count += 1

    def at_percent(self, percent: int) -> int:
        """The smallest kept duration that at least this share of them does not exceed; 0 while there is none."""
        if self._sorted_at != self.count:
            self._sorted, self._sorted_at = sorted(self._values), self.count
        kept = self._sorted
        return kept[max(0, -(-len(kept) * percent // 100) - 1)] if kept else 0


class _Exit(NamedTuple):
    signal_ns: int
    sent_ns: int = 0


class Metrics:
    """Filled by the shell, read by the console and the summary of a run."""

    def __init__(self, timer_ns: Callable[[], int] | None = None) -> None:
        """`timer_ns` is the stopwatch of work figures and decides nothing; without one they stay empty, as in virtual
        time, where every run shall tell the same."""
        self._has_timer = timer_ns is not None
        self.timer_ns: Callable[[], int] = timer_ns or _no_time
        self.rings: dict[Span, Ring] = {span: Ring() for span in Span}
        self.steps = 0
        """Ticks that touched something."""
        self._exits: dict[str, _Exit] = {}
        """By bracket: an exit between its signal and its proof."""
        self._timed: deque[str] = deque(maxlen=_OPEN_KEPT)
        """Brackets whose entry has been timed."""
        self.exits = 0
        """Positions closed by an exit order of ours."""
        self.clean_exits = 0
        """Of them, without a single refused exit order."""
        self.closed = 0
        """Positions that had units and are over."""
        self.proven_at_once = 0
        """Of them, the broker's position said flat at the first look."""

    def note(self, span: Span, ns: int) -> None:
        self.rings[span].note(ns)

    def timed(self, on_tick: Callable[[Tick], None]) -> Callable[[Tick], None]:
        """A listener that times some of the ticks it hands on."""
        if not self._has_timer:
            return on_tick
        ring, timer_ns, count = self.rings[Span.TICK], self.timer_ns, 0

        def heard(tick: Tick) -> None:
            nonlocal count
            count += 1
            if count % _TICK_SAMPLE:
                on_tick(tick)
                return
            began_ns, steps = timer_ns(), self.steps
            on_tick(tick)
            if self.steps == steps:  # one that touches a level is another figure
                ring.note(timer_ns() - began_ns)

        return heard

    def ticked(self, began_ns: int, *, signalled: bool) -> None:
        """A touching tick that came at `began_ns` of the stopwatch was decided on."""
        if not self._has_timer:
            return
        self.steps += 1
        spent_ns = self.timer_ns() - began_ns
        self.note(Span.CHECK, spent_ns)
        if signalled:
            self.note(Span.SIGNAL, spent_ns)

    # --- one position -------------------------------------------------------------------------------------------------

    def protected(self, bracket_id: str, *, opened_ns: int, filled_ns: int, protected_ns: int) -> None:
        """A position is covered for the first time; told as often as one likes, timed once."""
        if not protected_ns or bracket_id in self._timed:
            return
        self._timed.append(bracket_id)
        self.note(Span.ENTRY, filled_ns - opened_ns)
        self.note(Span.PLACED, protected_ns - filled_ns)

    def signalled(self, bracket_id: str, now_ns: int) -> None:
        """A position is to be left."""
        self._exits[bracket_id] = _Exit(now_ns)
        while len(self._exits) > _OPEN_KEPT:
            del self._exits[next(iter(self._exits))]

    def sending(self, order: Order, op: Op, now_ns: int) -> None:
        """A request goes to the broker; the first exit order after the signal counts."""
        known = self._exits.get(order.bracket_id)
        if known is not None and not known.sent_ns and op == "place" and order.role is Role.EXIT:
            self.note(Span.HANDED, now_ns - known.signal_ns)
            self._exits[order.bracket_id] = known._replace(sent_ns=now_ns)

    def closed_out(self, bracket_id: str, now_ns: int, *, rejects: int, looks: int, asked_ns: int) -> None:
        """A position is over, proven by its broker: `rejects` refused exits, `looks` looks that still saw it open."""
        known = self._exits.pop(bracket_id, None)
        self.closed += 1
        self.proven_at_once += looks == 0
        if known is not None and known.sent_ns:
            self.note(Span.PROVEN, now_ns - known.sent_ns)
            self.exits += 1
            self.clean_exits += rejects == 0
        if asked_ns:
            self.note(Span.LEAVE, now_ns - asked_ns)

    # --- read -----------------------------------------------------------------------------------------------------

    def views(self) -> tuple[MetricView, ...]:
        """Every figure that has a target, measured or not yet."""
        return tuple(self._view(span, target) for span, target in TARGETS.items())

    def _view(self, span: Span, target: Target) -> MetricView:
        ring = self.rings[span]
        return MetricView(
            name=span.value,
            row=target.row,
            limit_ns=target.limit_ns,
            count=ring.count,
            p50_ns=ring.at_percent(50),
            p99_ns=ring.at_percent(99),
            worst_ns=ring.at_percent(100),
        )

    def counts(self, *, requests: int, throttled: int) -> tuple[CountView, ...]:
        """What is counted instead of timed; `throttled` of the requests were refused for their rate (LEG-66)."""
        rows = (
            ("exits without a refusal", "RTP-43", self.clean_exits, self.exits, 99),
            ("closures proven at first look", "RTP-43", self.proven_at_once, self.closed, 99),
            ("requests not rate-refused", "LEG-66", requests - throttled, requests, 100),
        )
        return tuple(
            CountView(name=name, row=row, good=good, total=total, least_percent=least)
            for name, row, good, total, least in rows
        )


def _no_time() -> int:
    return 0
