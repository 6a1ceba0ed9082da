"""The desk's alarms: raised and ended by the core, said in the log, kept as journal rows until their cause is over.

An alarm is a row with a start, a reason, an acknowledgement and an end (faults §4.10). Three things come together here:
standing alarms of the outbox, alerts that are over as soon as they are told, and the trader's "I have seen them".
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

import msgspec

from engine.alerts import kind_of_alarm
from engine.journal.records import AlarmRow
from engine.messages import Msg
from engine.view import AlarmView

if TYPE_CHECKING:
    from engine.desk import Desk

_TOLD_MAX: Final = 50
"""Alerts whose acknowledgement is still awaited; an older one is in the journal without."""


class AlarmBoard:
    """Writes into the desk's own `alarms`; every change becomes a row of the step's commit and a line of the log."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._rows: list[AlarmRow] = []
        self._told: deque[AlarmRow] = deque(maxlen=_TOLD_MAX)
        self._count = 0

    def settle(self, now_ns: int) -> None:
        """Take what the step raised, ended and told. Called before the step's sentences are said."""
        out = self._desk.out
        for alert in out.alerts:
            what = alert.kind.replace("_", " ")
            self._desk.say(Msg.ALERT, symbol=alert.symbol, kind=str(alert.kind), what=what, text=alert.text)
            self._count += 1
            alarm_id = f"alert:{self._desk.parts.run_no}-{self._count}"
            row = AlarmRow(alarm_id=alarm_id, since_ns=now_ns, text=f"{what}: {alert.text}", ended_ns=now_ns)
            self._told.append(row)
            self._rows.append(row)
        for alarm_id, text in out.alarms.items():
            known = self._desk.alarms.get(alarm_id)
            if text and known is None:
                self._raise(alarm_id, text, now_ns)
            elif not text and known is not None:
                self._end(known, now_ns)

    def take_rows(self) -> list[AlarmRow]:
        """The rows of this step's commit."""
        rows, self._rows = self._rows, []
        return rows

    def acknowledge(self, now_ns: int) -> None:
        """The trader has seen every alarm and alert there is now; standing ones stay until their cause is over."""
        desk = self._desk
        unread = desk.parts.alerts.acknowledge()
        fresh = [alarm for alarm in desk.alarms.values() if not alarm.acknowledged_ns]
        for alarm in fresh:
            seen = msgspec.structs.replace(alarm, acknowledged_ns=now_ns)
            desk.alarms[alarm.alarm_id] = seen
            self._rows.append(_row(seen))
        self._rows += [msgspec.structs.replace(row, acknowledged_ns=now_ns) for row in self._told]
        self._told.clear()
        desk.say(Msg.ACKNOWLEDGED, count=unread + len(fresh))

    @property
    def awaits_acknowledgement(self) -> bool:
        desk = self._desk
        return bool(desk.parts.alerts.unread) or any(not alarm.acknowledged_ns for alarm in desk.alarms.values())

    def _raise(self, alarm_id: str, text: str, now_ns: int) -> None:
        desk = self._desk
        alarm = AlarmView(alarm_id=alarm_id, since_ns=now_ns, text=text)
        desk.alarms[alarm_id] = alarm
        self._rows.append(_row(alarm))
        kind, what = kind_of_alarm(alarm_id), alarm_id.partition(":")[0]
        desk.say(Msg.ALARM, symbol=self._symbol_of(text), kind=kind.value, what=what, text=text)
        if desk.parts.on_alarm is not None:
            desk.parts.on_alarm(text)

    def _end(self, alarm: AlarmView, now_ns: int) -> None:
        del self._desk.alarms[alarm.alarm_id]
        self._rows.append(msgspec.structs.replace(_row(alarm), ended_ns=now_ns))
        self._desk.say(Msg.ALARM_OVER, symbol=self._symbol_of(alarm.text), text=alarm.text)

    def _symbol_of(self, text: str) -> str:
        """An alarm about an instrument names it; the first that is named counts."""
        return next((word for part in text.split() if (word := part.strip(":,;")) in self._desk.prices), "")


def _row(alarm: AlarmView) -> AlarmRow:
    return AlarmRow(
        alarm_id=alarm.alarm_id,
        since_ns=alarm.since_ns,
        text=alarm.text,
        acknowledged_ns=alarm.acknowledged_ns,
    )
