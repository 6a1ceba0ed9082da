"""What a step of the desk tells its observers (RTP-38): read off the outbox and the booked fills, behind the decision.

Pure. Nothing here may change what the desk does; observers are called after the step (`engine.event_hub`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from engine.event_hub import EventHub, EventKind
from engine.journal.records import FillRow
from engine.messages import Msg
from engine.outbox import Outbox

if TYPE_CHECKING:
    from engine.desk import Desk

_OF_LINE: Final[dict[Msg, EventKind]] = {
    Msg.SIGNAL: EventKind.ENTRY_SIGNAL,
    Msg.OPERATOR: EventKind.USER_COMMAND,
    Msg.REFUSED_REQUEST: EventKind.USER_COMMAND,
    Msg.CONFIG_RELOADED: EventKind.CONFIG_UPDATE,
    Msg.CONFIG_REFUSED: EventKind.CONFIG_UPDATE,
}
_ERROR_LEVELS: Final = ("ERROR", "CRITICAL")


def publish_step(hub: EventHub, out: Outbox, fills: Sequence[FillRow], now_ns: int) -> None:
    """Exits first, then trades, then what was said; called only while somebody observes."""
    for signal in out.signals:
        hub.publish(EventKind.EXIT_SIGNAL, signal.symbol, now_ns, signal)
    for fill in fills:
        hub.publish(EventKind.TRADE_EXECUTED, fill.symbol, fill.at_ns, fill)
    for said in out.said:
        kind = _OF_LINE.get(said.msg)
        if kind is None and said.msg.level in _ERROR_LEVELS:
            kind = EventKind.ERROR
        if kind is not None:
            hub.publish(kind, said.symbol, now_ns, said)


class HubVoice:
    """The hub's own trouble becomes lines of the desk; they are said in a step of their own."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def overflowed(self, count: int, detail: str) -> None:
        self._desk.step(lambda _now: self._desk.say(Msg.OVERFLOW, count=count, detail=detail))

    def observer_failed(self, observer: str, event: EventKind, held_back: int, error: str) -> None:
        def tell(_now_ns: int) -> None:
            self._desk.say(
                Msg.OBSERVER_FAILED, observer=observer, event=event.value.upper(), more=held_back, error=error
            )

        self._desk.step(tell)
