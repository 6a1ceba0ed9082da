"""Lays the entry trigger over the exchange's days and tells its results in the operators' words (LEG-58, LEG-60)."""

from __future__ import annotations

from typing import Final

from engine.entry_trigger import (
    IN_POSITION,
    BarCounted,
    BarsMissed,
    EntryDue,
    EntryTrigger,
    SignalDropped,
    SignalQueued,
    TriggerResult,
    TriggerSettings,
    TriggerState,
    hours_on,
)
from engine.instant import clock_text, ist_date
from engine.instrument import Instrument
from engine.messages import Msg
from engine.outbox import Outbox
from engine.session import Calendar, session_class

_ONE_NS: Final = 1


class EntrySchedule:
    """Without settings there are no timed entries; keys still enter."""

    def __init__(self, settings: TriggerSettings | None, calendar: Calendar, primary: Instrument, source: str) -> None:
        self._settings = settings
        self._calendar = calendar
        self._primary = primary
        self._source = source
        self._trigger: EntryTrigger | None = None

    def begin(self, state: TriggerState, now_ns: int, out: Outbox) -> None:
        """Watch the current day; called at start, after a restart, and when a new day begins."""
        if self._settings is None:
            return
        self._trigger = EntryTrigger(self._settings, state)
        day = ist_date(now_ns)
        session = self._calendar.trading_day(day)
        if session is None:
            return
        kind = session_class(self._primary)
        close_ns = self._calendar.close_ns(self._primary, day) or session.close_ns(kind)
        following = self._calendar.next_trading_day(day)
        following_session = self._calendar.trading_day(following) if following else None
        next_open_ns = following_session.open_ns(kind) if following_session else 0
        hours = hours_on(self._settings, day, session.open_ns(kind), close_ns, following, next_open_ns)
        self._tell(self._trigger.begin_day(hours, now_ns), 0, out)

    def next_wake_ns(self, now_ns: int) -> int:
        """When `on_time` must be called next; 0 = not today."""
        wake_ns = self._trigger.next_wake_ns() if self._trigger else None
        return 0 if wake_ns is None else max(wake_ns, now_ns + _ONE_NS)

    def is_due(self, now_ns: int) -> bool:
        """Something is to be counted, queued or entered now."""
        wake_ns = self._trigger.next_wake_ns() if self._trigger else None
        return wake_ns is not None and wake_ns <= now_ns

    def on_time(self, now_ns: int, *, in_position: bool, block: str, out: Outbox) -> bool:
        """True when an entry is due now."""
        if self._trigger is None:
            return False
        results = self._trigger.on_time(now_ns, in_position=in_position, gate_ok=not block, gate_reason=block)
        return self._tell(results, now_ns, out)

    def _tell(self, results: list[TriggerResult], now_ns: int, out: Outbox) -> bool:
        due = False
        bar = self._trigger.state.bars_counted if self._trigger else 0
        for result in results:
            match result:
                case EntryDue():
                    due = True
                case SignalQueued(at_ns=at_ns):
                    out.say(Msg.SIGNAL, source=self._source, bar=bar, at=clock_text(at_ns))
                case SignalDropped(reason=reason) if reason == IN_POSITION:
                    out.say(Msg.NO_SIGNAL, source=self._source, bar=bar, reason=reason)
                case SignalDropped(reason=reason):
                    out.say(Msg.SIGNAL_EXPIRED, source=self._source, reason=reason)
                case BarsMissed(count=count):
                    out.say(Msg.NO_SIGNAL, source=self._source, bar=bar, reason=f"{count} bar(s) not watched")
                case BarCounted():
                    pass
        return due
