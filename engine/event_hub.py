"""Lets observers hear what the desk does: it publishes and never waits, they are called after its step is over.

Pure: `soon` puts the delivery behind the step (a loop's `call_soon`). Three promises (RTP-25, RTP-38, BUG-37): an
EXIT_SIGNAL is delivered before anything that waits and is never dropped; what waits is bounded, and reaching the bound
is told; one observer's error stops nobody else. Without an observer, publishing costs one look at an attribute.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import StrEnum
from typing import Final, Protocol

import msgspec

from engine.alerts import Damper
from engine.instant import NS_PER_S
from engine.tick import Tick

WAITING_MAX: Final = 20_000
"""Ticks that may wait: 8 seconds at 2,500 a second. After that each symbol keeps its newest only."""
FACTS_MAX: Final = 20_000
"""Other events that may wait; a day makes fewer."""
_PER_PASS: Final = 256
"""Deliveries before the loop may do something else: the desk's own work never waits for observers."""
_REPEAT_NS: Final = 60 * NS_PER_S


class EventKind(StrEnum):
    """F-32's words."""

    TICK_UPDATE = "tick_update"
    EXIT_SIGNAL = "exit_signal"
    CANDLE_FORMED = "candle_formed"
    INDICATOR_UPDATE = "indicator_update"
    ENTRY_SIGNAL = "entry_signal"
    TRADE_EXECUTED = "trade_executed"
    USER_COMMAND = "user_command"
    CONFIG_UPDATE = "config_update"
    ERROR = "error"


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened. `body` is immutable: a Tick, a Bar, an ExitSignal, a Trade, a Said."""

    kind: EventKind
    symbol: str
    at_ns: int
    body: object


Observer = Callable[[Event], None]


class HubReport(Protocol):
    """How the hub tells of its own trouble, outside any step of the desk."""

    def overflowed(self, count: int, detail: str) -> None:
        """So many events were merged or dropped since the last call; at most once a minute."""
        ...

    def observer_failed(self, observer: str, event: EventKind, held_back: int, error: str) -> None:
        """One observer raised; the same one is told of once a minute."""
        ...


class _Waiting:
    """A tick's place in the queue; while the queue is full a newer price of its symbol takes the same place."""

    __slots__ = ("tick",)

    def __init__(self, tick: Tick) -> None:
        self.tick = tick


class HubCounts(msgspec.Struct, kw_only=True):
    """Of one run."""

    published: int = 0
    delivered: int = 0
    merged: int = 0
    """Ticks whose place was taken by a newer one of their symbol."""
    dropped: int = 0
    """Other events for which there was no room; never an exit."""
    failed: int = 0
    peak: int = 0


class EventHub:
    """For one thread. Observers return at once: a slow one takes the loop's time, which the health panel shows."""

    def __init__(self, soon: Callable[[Callable[[], None]], object], report: HubReport | None = None) -> None:
        self._soon = soon
        self.report = report
        self._observers: dict[EventKind, tuple[Observer, ...]] = {}
        self._exits: deque[Event] = deque()
        self._queue: deque[_Waiting | Event] = deque()
        self._newest: dict[str, _Waiting] = {}
        """The last place of each symbol that is still waiting."""
        self._ticks = 0
        self._is_due = False
        self._lost = 0
        self._lost_kinds: dict[str, int] = {}
        self._told = Damper(_REPEAT_NS)
        self._now_ns = 0
        self.is_heard = False
        """Somebody observes something; look here before making an event."""
        self.wants_ticks = False
        self.counts = HubCounts()

    @property
    def depth(self) -> int:
        """Events that wait."""
        return len(self._exits) + len(self._queue)

    def subscribe(self, kind: EventKind, observer: Observer) -> Callable[[], None]:
        """Call `observer` for every event of a kind, in the order of subscription; the answer ends it."""
        self._observers[kind] = (*self._observers.get(kind, ()), observer)
        self._look()

        def unsubscribe() -> None:
            known = list(self._observers.get(kind, ()))
            if observer in known:
                known.remove(observer)
            self._observers[kind] = tuple(known)
            self._look()

        return unsubscribe

    # --- publishing -----------------------------------------------------------------------------------------------

    def tick(self, tick: Tick) -> None:
        """A price. Asked only when `wants_ticks`."""
        self._note(tick.at_ns)
        if self._ticks >= WAITING_MAX:
            known = self._newest.get(tick.symbol)
            if known is not None:
                self._count_lost(EventKind.TICK_UPDATE)
                self.counts.merged += 1
                known.tick = tick
                return
        place = _Waiting(tick)
        self._newest[tick.symbol] = place
        self._queue.append(place)
        self._ticks += 1
        self._deliver_soon()

    def publish(self, kind: EventKind, symbol: str, at_ns: int, body: object) -> None:
        """Anything that is no tick. Nothing happens when nobody observes the kind."""
        if not self._observers.get(kind):
            return
        self._note(at_ns)
        event = Event(kind=kind, symbol=symbol, at_ns=at_ns, body=body)
        if kind is EventKind.EXIT_SIGNAL:
            self._exits.append(event)
        elif len(self._queue) - self._ticks >= FACTS_MAX:
            self.counts.dropped += 1
            self._count_lost(kind)
        else:
            self._queue.append(event)
        self._deliver_soon()

    def _note(self, at_ns: int) -> None:
        self._now_ns = max(self._now_ns, at_ns)
        self.counts.published += 1

    def _count_lost(self, kind: EventKind) -> None:
        self._lost += 1
        self._lost_kinds[kind.value] = self._lost_kinds.get(kind.value, 0) + 1

    def _deliver_soon(self) -> None:
        self.counts.peak = max(self.counts.peak, self.depth)
        if not self._is_due:
            self._is_due = True
            self._soon(self.deliver)

    # --- delivering -----------------------------------------------------------------------------------------------

    def deliver(self) -> None:
        """One pass, run by the loop: exits first, whenever they came; then the rest in order of arrival."""
        self._is_due = False
        for _ in range(_PER_PASS):
            if self._exits:
                self._tell(self._exits.popleft())
            elif self._queue:
                self._tell(self._next())
            else:
                break
        if self.depth:
            self._deliver_soon()
        self._tell_overflow()

    def _next(self) -> Event:
        waiting = self._queue.popleft()
        if isinstance(waiting, Event):
            return waiting
        self._ticks -= 1
        tick = waiting.tick
        if self._newest.get(tick.symbol) is waiting:
            del self._newest[tick.symbol]
        return Event(kind=EventKind.TICK_UPDATE, symbol=tick.symbol, at_ns=tick.at_ns, body=tick)

    def _tell(self, event: Event) -> None:
        for observer in self._observers.get(event.kind, ()):
            try:
                observer(event)
            except Exception as error:  # noqa: BLE001 - an observer's bug is its own: the others are still told
                self._failed(observer, event, error)
        self.counts.delivered += 1

    def _failed(self, observer: Observer, event: Event, error: Exception) -> None:
        self.counts.failed += 1
        name = getattr(observer, "__qualname__", type(observer).__name__)
        held = self._told.admit((observer, event.kind), self._now_ns)
        text = f"{type(error).__name__}: {error}"
        if held is not None and self.report is not None:
            self.report.observer_failed(name, event.kind, held, text)
        if event.kind is not EventKind.ERROR:  # an observer of errors that fails must not feed itself
            self.publish(EventKind.ERROR, event.symbol, event.at_ns, f"observer {name}: {text}")

    def _tell_overflow(self) -> None:
        if not self._lost or self._told.admit("overflow", self._now_ns) is None:
            return
        count, kinds = self._lost, self._lost_kinds
        self._lost, self._lost_kinds = 0, {}
        if self.report is not None:
            self.report.overflowed(count, ", ".join(f"{kind} {lost}" for kind, lost in sorted(kinds.items())))

    def _look(self) -> None:
        self.is_heard = any(self._observers.values())
        self.wants_ticks = bool(self._observers.get(EventKind.TICK_UPDATE))
