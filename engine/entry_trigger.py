"""Decides when the legs enter: counts closed bars and queues an entry for the next open at every Nth (LEG-58, F-19).

A bar closes, for counting, 5 s before its boundary; the entry goes 1 s after the boundary. Pure: the caller passes the
time, the day's hours and what the desk knows, and wakes this up at `next_wake_ns`.

Rules where the sources leave room:
* Bars run from the exchange's open (09:15), so 1h bars end at 10:15, 11:15 and so on, as Indian charts have them.
* A bar is counted when it closes inside the session and was watched from its open: the first, partial bar after a
  start is not (BUG-22), nor are bars slept through by a suspended machine or an ended process.
* Bars are counted while in position too; only the signal is dropped. The rhythm stays that of the clock.
* Intraday the count begins anew each day. `D` counts on over days: its bar is the session itself, its entry goes 1 s
  after the next session's start, and starting late in a day does not lose it, since there is only one close to see.
* A late signal is sent up to 10 s after its time; with `ignore_entry_delta` as long as the bar it was meant for runs.
  Never from the session's end or the square-off on.
"""

from __future__ import annotations

from datetime import date, time
from typing import Final

import msgspec

from engine.bars import DAILY, SHORTEST_INTERVAL_NS
from engine.instant import NS_PER_MS, NS_PER_S, at_ist, clock_text, ist_date

CLOSE_LEAD_NS: Final = 5 * NS_PER_S
OPEN_LAG_NS: Final = 1 * NS_PER_S
ENTRY_WINDOW_NS: Final = 10 * NS_PER_S
IN_POSITION: Final = "in position"


class BarCounted(msgspec.Struct, frozen=True):
    """A bar closed and counts as number `number` (of the day; of the run for `D`)."""

    boundary_ns: int
    number: int


class BarsMissed(msgspec.Struct, frozen=True):
    """Bars closed while nobody looked; they are not counted."""

    count: int


class SignalQueued(msgspec.Struct, frozen=True):
    """An entry is to be sent at `at_ns`."""

    at_ns: int


class EntryDue(msgspec.Struct, frozen=True):
    """Send the entry now. Given once per signal; the signal is already cleared (LEG-60)."""

    planned_ns: int


class SignalDropped(msgspec.Struct, frozen=True):
    """No entry, and why."""

    reason: str


TriggerResult = BarCounted | BarsMissed | SignalQueued | EntryDue | SignalDropped


class TriggerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """From config; times are IST."""

    interval_ns: int
    """Bar length, or DAILY."""
    every_n_bars: int = 1
    session_start: time = time(9, 20)
    session_end: time = time(15, 15)
    square_off: time | None = time(15, 15)
    """None: positions are not squared off, so it bounds nothing."""
    ignore_entry_delta: bool = True

    def __post_init__(self) -> None:
        """Raises ValueError naming the value and what is allowed."""
        if self.interval_ns != DAILY and self.interval_ns < SHORTEST_INTERVAL_NS:
            raise ValueError(f"interval of {self.interval_ns / NS_PER_S:g} s: at least 10 s, or D")
        if self.every_n_bars < 1:
            raise ValueError(f"trade_every_n_bars {self.every_n_bars}: at least 1")
        if self.session_start >= self.session_end:
            raise ValueError(f"session_start {self.session_start}: must be before session_end {self.session_end}")


class TriggerHours(msgspec.Struct, frozen=True, kw_only=True):
    """One trading day, as instants."""

    day: date
    open_ns: int
    """The exchange's open: where bars are counted from."""
    start_ns: int
    """Bars and entries from here ..."""
    end_ns: int
    """... up to but not including here. At or before `start_ns`: no entries today."""
    square_off_ns: int | None
    next_start_ns: int | None
    """Session start of the next trading day, for `D`; None when that day is not known."""


def hours_on(
    settings: TriggerSettings,
    day: date,
    open_ns: int,
    close_ns: int,
    next_day: date | None = None,
    next_open_ns: int = 0,
) -> TriggerHours:
    """The configured session within the exchange's hours of `day` (open to close of continuous trading)."""
    return TriggerHours(
        day=day,
        open_ns=open_ns,
        start_ns=max(open_ns, at_ist(day, settings.session_start)),
        end_ns=min(close_ns, at_ist(day, settings.session_end)),
        square_off_ns=None if settings.square_off is None else at_ist(day, settings.square_off),
        next_start_ns=None if next_day is None else max(next_open_ns, at_ist(next_day, settings.session_start)),
    )


class TriggerState(msgspec.Struct, kw_only=True):
    """What the journal keeps, so that a restart neither loses nor repeats a signal."""

    day: date | None = None
    bars_counted: int = 0
    handled_boundary_ns: int = 0
    """The last bar boundary that was counted or given up."""
    pending_planned_ns: int = 0
    """When the queued entry is to be sent; 0: none queued."""
    pending_until_ns: int = 0
    """Last instant at which it may still be sent."""


class EntryTrigger:
    """One group's trigger. Its `state` may be stored after every call that returned something."""

    def __init__(self, settings: TriggerSettings, state: TriggerState | None = None) -> None:
        self._settings = settings
        self._hours: TriggerHours | None = None
        self._watching_since_ns = 0
        self.state = state or TriggerState()

    @property
    def has_pending(self) -> bool:
        """An entry is queued."""
        return self.state.pending_planned_ns > 0

    def begin_day(self, hours: TriggerHours, now_ns: int) -> list[TriggerResult]:
        """Watch this day from `now_ns` on; also after a restart in mid-day. A valid queued entry lives on."""
        self._hours = hours
        self._watching_since_ns = now_ns
        self._fit_pending(hours)
        if self.state.day != hours.day:
            self.state.day = hours.day
            if self._settings.interval_ns != DAILY:
                self.state.bars_counted = 0
        return self._expire(now_ns)

    def next_wake_ns(self) -> int | None:
        """When `on_time` has something to do next; an instant in the past means at once. None: nothing more today."""
        if self._hours is None:
            return None
        wakes = [self.state.pending_planned_ns] if self.has_pending else []
        boundary_ns = self._next_boundary_ns()
        if boundary_ns is not None:
            wakes.append(boundary_ns - CLOSE_LEAD_NS)
        return min(wakes, default=None)

    def on_time(
        self, now_ns: int, *, in_position: bool, gate_ok: bool = True, gate_reason: str = ""
    ) -> list[TriggerResult]:
        """What happened up to now, in order. Called late, early or twice it neither repeats nor invents an entry."""
        if self._hours is None:
            return []
        results = self._expire(now_ns)
        results += self._close_bars(now_ns, in_position, "" if gate_ok else gate_reason or "gate closed")
        if self.has_pending and now_ns >= self.state.pending_planned_ns:
            planned_ns = self.state.pending_planned_ns
            if now_ns >= self._hours.end_ns:  # an entry of the next day, and nobody began that day
                results += self.clear_pending(f"entry of {clock_text(planned_ns)}: its trading day was not begun")
            else:
                self._clear()
                results.append(SignalDropped(IN_POSITION) if in_position else EntryDue(planned_ns))
        return results

    def clear_pending(self, reason: str) -> list[TriggerResult]:
        """Give up the queued entry, as when entries are blocked by the operator or a guard (LEG-60)."""
        if not self.has_pending:
            return []
        self._clear()
        return [SignalDropped(reason)]

    def _expire(self, now_ns: int) -> list[TriggerResult]:
        planned_ns = self.state.pending_planned_ns
        is_valid = max(now_ns, planned_ns) <= self.state.pending_until_ns
        if not planned_ns or is_valid:
            return []
        if now_ns < planned_ns:
            return self.clear_pending(f"entry of {clock_text(planned_ns)} does not fit into today's session")
        return self.clear_pending(
            f"entry of {clock_text(planned_ns)} expired, {(now_ns - planned_ns) // NS_PER_MS} ms late"
        )

    def _fit_pending(self, hours: TriggerHours) -> None:
        """A daily entry was planned by the clock times of the day before; this day's may differ."""
        state = self.state
        if ist_date(state.pending_planned_ns) != hours.day:
            return
        delay_ns = max(0, hours.start_ns + OPEN_LAG_NS - state.pending_planned_ns)
        state.pending_planned_ns += delay_ns
        state.pending_until_ns = min(state.pending_until_ns + delay_ns, _last_entry_ns(hours))

    def _clear(self) -> None:
        self.state.pending_planned_ns = self.state.pending_until_ns = 0

    def _close_bars(self, now_ns: int, in_position: bool, gate_reason: str) -> list[TriggerResult]:
        boundary_ns = self._next_boundary_ns()
        if boundary_ns is None or now_ns < boundary_ns - CLOSE_LEAD_NS:
            return []
        if now_ns > self._counts_until_ns(boundary_ns):
            return [self._give_up(boundary_ns, now_ns)]
        self.state.handled_boundary_ns = boundary_ns
        self.state.bars_counted += 1
        number = self.state.bars_counted
        results: list[TriggerResult] = [BarCounted(boundary_ns, number)]
        if number % self._settings.every_n_bars == 0:
            results.append(self._queue(boundary_ns, in_position, gate_reason))
        return results

    def _counts_until_ns(self, boundary_ns: int) -> int:
        """A close noticed later than its entry could go, or than the next close, was not watched."""
        late_ns = boundary_ns + OPEN_LAG_NS + ENTRY_WINDOW_NS
        if self._settings.interval_ns == DAILY:
            return late_ns
        return min(late_ns, boundary_ns + self._settings.interval_ns - CLOSE_LEAD_NS - 1)

    def _give_up(self, boundary_ns: int, now_ns: int) -> BarsMissed:
        """Nobody looked when this bar closed: it and every later one that is over by now are not counted."""
        missed = 0
        following: int | None = boundary_ns
        while following is not None and following - CLOSE_LEAD_NS <= now_ns:
            self.state.handled_boundary_ns = following
            missed += 1
            following = self._next_boundary_ns()
        self._watching_since_ns = now_ns
        return BarsMissed(missed)

    def _queue(self, boundary_ns: int, in_position: bool, gate_reason: str) -> SignalQueued | SignalDropped:
        planned = self._planned(boundary_ns)
        if in_position:
            return SignalDropped(IN_POSITION)
        if gate_reason:
            return SignalDropped(gate_reason)
        if isinstance(planned, SignalDropped):
            return planned
        self.state.pending_planned_ns, self.state.pending_until_ns = planned
        return SignalQueued(planned[0])

    def _planned(self, boundary_ns: int) -> tuple[int, int] | SignalDropped:
        """(when to enter, last instant to enter), or why there is no such time."""
        hours = self._hours
        assert hours is not None  # only bars of a day are closed
        settings = self._settings
        if settings.interval_ns == DAILY:
            if hours.next_start_ns is None:
                return SignalDropped("the next trading day is not known")
            planned_ns = hours.next_start_ns + OPEN_LAG_NS
            # By the clock times of today; `begin_day` applies the next day's own end.
            until_ns = hours.next_start_ns + _last_entry_ns(hours) - hours.start_ns
        else:
            planned_ns = boundary_ns + OPEN_LAG_NS
            until_ns = min(_last_entry_ns(hours), boundary_ns + settings.interval_ns - CLOSE_LEAD_NS - 1)
        if planned_ns > until_ns:
            return SignalDropped(f"next open {clock_text(planned_ns)} is not before {_end_text(hours)}")
        if not settings.ignore_entry_delta:
            until_ns = min(until_ns, planned_ns + ENTRY_WINDOW_NS)
        return planned_ns, until_ns

    def _next_boundary_ns(self) -> int | None:
        """End of the next bar of the day that is neither handled nor only partly watched."""
        hours, interval_ns = self._hours, self._settings.interval_ns
        if hours is None or hours.end_ns <= hours.start_ns:
            return None
        if interval_ns == DAILY:
            is_over = self._watching_since_ns >= hours.end_ns or self.state.handled_boundary_ns >= hours.end_ns
            return None if is_over else hours.end_ns
        closes_in_session_ns = hours.start_ns + CLOSE_LEAD_NS - interval_ns
        first_open_ns = max(
            hours.open_ns, closes_in_session_ns, self._watching_since_ns, self.state.handled_boundary_ns
        )
        bars_before = -(-(first_open_ns - hours.open_ns) // interval_ns)
        boundary_ns = hours.open_ns + (bars_before + 1) * interval_ns
        return boundary_ns if boundary_ns - CLOSE_LEAD_NS < hours.end_ns else None


def _last_entry_ns(hours: TriggerHours) -> int:
    """The last instant of the day at which an entry may go: before the session's end and before the square-off."""
    return (hours.end_ns if hours.square_off_ns is None else min(hours.end_ns, hours.square_off_ns)) - 1


def _end_text(hours: TriggerHours) -> str:
    if hours.square_off_ns is not None and hours.square_off_ns <= hours.end_ns:
        return f"the square-off {clock_text(hours.square_off_ns)}"
    return f"the session's end {clock_text(hours.end_ns)}"
