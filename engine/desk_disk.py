"""What the desk does while its journal is not written: entries stop, exits and protection go on, a person is told (J3).

Faults J3 and O1 would send nothing at all. Here an exit, a stop, a repair, a cancel or a read outranks its own record
once that has been waited for (`engine.journal.late`): a naked loss has no bound, and each of these orders carries its
tag, in the second file and in the broker's book. Pure but for the desk it acts on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.instant import NS_PER_S
from engine.messages import Msg
from engine.order import Order, Role
from engine.outbox import CancelOrder, Command, ModifyOrder, PlaceOrder

if TYPE_CHECKING:
    from engine.desk import Desk

ALARM: Final = "journal"
_LOOK_NS: Final = NS_PER_S
"""Between two looks while the alarm stands."""
ENTRY_LIFE_NS: Final = NS_PER_S
"""An entry whose record came late is sent if it came within this span of the decision; an older price is gone."""


def may_go_unwritten(command: Command, order: Order | None) -> bool:
    """Whether a command only protects, closes or looks. `order` is the command's own, None for a read."""
    match command:
        case PlaceOrder():
            return order is not None and order.role is not Role.ENTRY
        case ModifyOrder():
            return order is not None and (order.role is not Role.ENTRY or command.qty < order.qty)
        case CancelOrder():
            return True
        case _:
            return True


class DeskDisk:
    """One per desk. The writer says what is wrong; here it becomes a reason on screen, a line, and an alarm."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._refused = ""
        """The writer took a batch no more: too many wait."""
        self._is_looking = False
        self.sent_unwritten = 0
        """Commands that left before their intent was durable."""
        self.withdrawn = 0
        """Entries that were not sent because their record came too late."""

    @property
    def reason(self) -> str:
        """Why nothing may be entered; empty while the journal is written in time."""
        return self._refused or self._desk.parts.writer.trouble()

    def note(self, refused: str = "") -> None:
        """Something is wrong with the disk, or has just gone well: look, after the step that is running."""
        self._refused = refused or self._refused
        if not self._is_looking:
            self._is_looking = True
            self._look_at(self._desk.clock.now_ns())

    def note_durable(self) -> None:
        """A batch has reached the journal."""
        self._refused = ""
        if not self._is_looking and self._desk.parts.writer.trouble():
            self.note()

    def _look_at(self, at_ns: int) -> None:
        self._desk.clock.call_at(at_ns, self._look)

    def _look(self) -> None:
        """Raise or end the alarm, and come back while it stands."""
        desk, reason = self._desk, self.reason
        stands = ALARM in desk.alarms
        if reason and not stands:
            desk.step(lambda _now: self._raise(reason))
        elif stands and not reason:
            desk.step(lambda _now: self._end())
        self._is_looking = bool(reason)
        if reason:
            self._look_at(desk.clock.now_ns() + _LOOK_NS)

    def _raise(self, reason: str) -> None:
        self._desk.say(Msg.JOURNAL, error=reason)
        self._desk.out.raise_alarm(ALARM, reason)

    def _end(self) -> None:
        desk = self._desk
        desk.out.end_alarm(ALARM)
        desk.say(
            Msg.DESK,
            text=f"the journal is written again, with everything decided meanwhile: {self.sent_unwritten} command(s) "
            f"left before their record, {self.withdrawn} entr{'y was' if self.withdrawn == 1 else 'ies were'} not sent",
        )
        self.sent_unwritten = self.withdrawn = 0
