"""What a person must hear of: kinds of alert, which sentence of the log is one, and the book that holds repeats back.

Pure. The log is the one door: an alert that is no line of the log does not exist, so screen, file and channel tell the
same story (I-9, RTP-45, OPS-26). Time arrives with the line.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Mapping
from enum import StrEnum
from typing import Final

import msgspec

from engine.instant import NS_PER_S
from engine.messages import Msg

REPEAT_NS: Final = 60 * NS_PER_S
"""The same alert is not told twice within this span (RTP-45)."""
_UNREAD_MAX: Final = 50
"""Alerts kept for the screen until somebody has seen them; older ones are in the log."""
_KEYS_MAX: Final = 1_000


class AlertKind(StrEnum):
    """Words that channels filter by; the first six are RTP-45's."""

    EXIT_FAILED = "exit_failed"
    NOT_CLOSED = "not_closed"
    GAP = "gap"
    SLIPPAGE = "slippage"
    TICKS_STOPPED = "ticks_stopped"
    QUEUE_OVERFLOW = "queue_overflow"
    NAKED = "naked_exposure"
    SURPLUS = "surplus"
    ENTRY_FAILED = "entry_failed"
    BUDGET = "order_budget"
    MISMATCH = "reconcile_mismatch"
    CIRCUIT = "circuit"
    TERMINATION = "termination"
    FEED_DOWN = "feed_down"
    SESSION_EXPIRED = "session_expired"
    STATE_WRITE = "state_write_failure"
    INTERNAL = "internal_error"
    CHANNEL_DOWN = "alert_channel_down"
    CRITICAL = "critical"
    """Any other CRITICAL line."""
    ALARM = "alarm"
    """Any other standing alarm."""
    TEST = "test"


class RaisedAlert(msgspec.Struct, frozen=True, kw_only=True):
    """One alert that goes out. The text is a finished line of the log: printable, without a credential."""

    number: int
    """Counts from 1 in this run; a receiver tells a repeated delivery by it."""
    kind: AlertKind
    symbol: str
    """Empty when it is about no one instrument."""
    text: str
    at_ns: int
    held_back: int = 0
    """Repeats since the one before that were not told."""

    @property
    def words(self) -> str:
        """The whole alert on one line, as a person reads it."""
        more = f" (and {self.held_back} more like it before)" if self.held_back else ""
        return f"{self.text}{more}"


_OF_LINE: Final[dict[Msg, AlertKind]] = {
    Msg.MISMATCH: AlertKind.MISMATCH,
    Msg.BLIND: AlertKind.TICKS_STOPPED,
    Msg.ON_QUOTES: AlertKind.TICKS_STOPPED,
    Msg.FEED_DOWN: AlertKind.FEED_DOWN,
    Msg.OCO_FAILURE: AlertKind.SURPLUS,
    Msg.BUDGET: AlertKind.BUDGET,
    Msg.INTERNAL: AlertKind.INTERNAL,
    Msg.JOURNAL: AlertKind.STATE_WRITE,
    Msg.OVERFLOW: AlertKind.QUEUE_OVERFLOW,
    Msg.EXIT_FAILED: AlertKind.EXIT_FAILED,
    Msg.NOT_PROVEN: AlertKind.NOT_CLOSED,
}
"""Lines with a kind of their own. Every other CRITICAL line is an alert too, each sentence one of its own."""

_OF_ALARM: Final[dict[str, AlertKind]] = {
    "naked": AlertKind.NAKED,
    "exit": AlertKind.EXIT_FAILED,
    "surplus": AlertKind.SURPLUS,
    "entry": AlertKind.ENTRY_FAILED,
    "budget": AlertKind.BUDGET,
    "mismatch": AlertKind.MISMATCH,
    "blind": AlertKind.TICKS_STOPPED,
    "proof": AlertKind.NOT_CLOSED,
    "internal": AlertKind.INTERNAL,
    "journal": AlertKind.STATE_WRITE,
    "channel": AlertKind.CHANNEL_DOWN,
}
"""By the word before the colon of an alarm's id."""

_KINDS: Final[dict[str, AlertKind]] = {
    **{msg.name: AlertKind.CRITICAL for msg in Msg if msg.level == "CRITICAL"},
    **{msg.name: kind for msg, kind in _OF_LINE.items()},
}
"""Every sentence that is an alert, by name: nearly every line of the log is none, and one look must say so."""

_CARRIERS: Final = (Msg.ALERT.name, Msg.ALARM.name)
"""Their kind stands in their fields: they carry what a core step handed over by `Outbox.alert` and `raise_alarm`."""


def kind_of_alarm(alarm_id: str) -> AlertKind:
    """The kind of a standing alarm."""
    return _OF_ALARM.get(alarm_id.partition(":")[0], AlertKind.ALARM)


def kind_of_line(msg: Msg, fields: Mapping[str, object]) -> AlertKind | None:
    """The kind of alert that a line of the log is; None for a line that is none."""
    name = msg.name
    if name in _CARRIERS:
        return _kind_of_word(str(fields.get("kind", "")))
    return _KINDS.get(name)


def _kind_of_word(word: str) -> AlertKind:
    """A word that is no kind is an alert all the same."""
    try:
        return AlertKind(word)
    except ValueError:
        return AlertKind.ALARM


class Damper:
    """Lets the first of its kind through, holds repeats back for a span, and says with the next how many there were."""

    def __init__(self, span_ns: int) -> None:
        self._span_ns = span_ns
        self._told: dict[Hashable, tuple[int, int]] = {}
        """Key -> (instant it was last let through, repeats held back since)."""

    def admit(self, key: Hashable, at_ns: int) -> int | None:
        """None: hold it back. Else let it through; the number says how many were held back since the last one."""
        told_ns, held = self._told.get(key, (None, 0))
        # A clock that was set back must not silence an alert.
        if told_ns is not None and 0 <= at_ns - told_ns < self._span_ns:
            self._told[key] = (told_ns, held + 1)
            return None
        if len(self._told) >= _KEYS_MAX:
            self._told = {known: row for known, row in self._told.items() if at_ns - row[0] < self._span_ns}
        self._told[key] = (at_ns, 0)
        return held


class AlertBook:
    """Hears every line that is an alert, holds repeats back, tells the listeners and keeps what nobody has seen yet.

    The key of a repeat is kind and symbol; of the kinds that stand for several causes, also the sentence.
    """

    def __init__(self, repeat_ns: int = REPEAT_NS) -> None:
        self._damper = Damper(repeat_ns)
        self._listeners: list[Callable[[RaisedAlert], None]] = []
        self._unread: deque[RaisedAlert] = deque(maxlen=_UNREAD_MAX)
        self.raised = 0
        self.held_back = 0

    def listen(self, listener: Callable[[RaisedAlert], None]) -> None:
        """Every alert that goes out, at once; the listener returns at once and never raises."""
        self._listeners.append(listener)

    @property
    def unread(self) -> tuple[RaisedAlert, ...]:
        """Newest first. A standing alarm is not here: it stands on the desk until its cause is over."""
        return tuple(reversed(self._unread))

    def acknowledge(self) -> int:
        """Somebody has seen them; returns how many there were."""
        count = len(self._unread)
        self._unread.clear()
        return count

    def hear(self, msg: Msg, fields: Mapping[str, object], symbol: str, text: str, at_ns: int) -> None:
        """A line of the log. `text` is its finished sentence."""
        kind = kind_of_line(msg, fields)
        if kind is None:
            return
        held = self._damper.admit((kind, symbol, _sentence(kind, msg, fields)), at_ns)
        if held is None:
            self.held_back += 1
            return
        self.raised += 1
        alert = RaisedAlert(number=self.raised, kind=kind, symbol=symbol, text=text, at_ns=at_ns, held_back=held)
        if msg is Msg.ALERT or msg.level == "CRITICAL":
            self._unread.append(alert)
        for listener in self._listeners:
            listener(alert)


def _sentence(kind: AlertKind, msg: Msg, fields: Mapping[str, object]) -> str:
    """What else makes two alerts different, where the kind alone would let a small one silence a grave one."""
    if kind is AlertKind.CRITICAL:
        return msg.name
    return str(fields.get("what", "")) if kind in (AlertKind.ALARM, AlertKind.NAKED) else ""
