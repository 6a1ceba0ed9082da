"""Arm, then send: the two-stroke machine between a dangerous key and the desk, and the one line that shows it.

Pure: it is told the time (monotonic nanoseconds) and knows no Textual. Only `press` with the armed action's own send
key inside the window answers `SEND`; everything else keeps. The keyboard, not the bar, submits the request.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final, NamedTuple

from engine.instant import NS_PER_S
from engine.operator import Request
from tui.lines import Line, line, spread, width_of

ARM_WINDOW_NS: Final = 3 * NS_PER_S


class Arming(NamedTuple):
    """What would be sent, as the trader sees it."""

    action_id: str
    label: str
    """`exit 24500PE`."""
    arm_key: str
    send_key: str
    request: Request | None
    """None for an action of the screen itself (stop the engine)."""
    text: str
    """The numbers, in the desk's words; refreshed while armed."""
    quantity: tuple[object, ...]
    """What the numbers depend on; when it changes the bar says so."""
    mode: str
    is_live: bool = False
    named_keys: frozenset[str] = frozenset()
    """Keys that adjust the scope instead of disarming (Tab, p)."""
    hint: str = ""
    """What those keys do."""


class Verdict(Enum):
    """What a key press did to the bar."""

    NOT_ARMED = auto()
    SEND = auto()
    NO_EFFECT = auto()
    """The arming key again: neither sends nor extends the time."""
    NAMED = auto()
    """A key the bar names: the caller recomputes the numbers."""
    KEPT = auto()
    """Disarmed, nothing sent."""


class ArmBar:
    """idle -> armed -> sent, or back to idle with "kept, nothing sent". One thing is armed at a time."""

    def __init__(self, window_ns: int = ARM_WINDOW_NS) -> None:
        self._window_ns = window_ns
        self._armed: Arming | None = None
        self._deadline_ns = 0
        self._was_restarted = False
        self._has_changed = False

    @property
    def armed(self) -> Arming | None:
        return self._armed

    @property
    def has_changed(self) -> bool:
        """The quantity is no longer the one that was armed."""
        return self._has_changed

    def left_ns(self, now_ns: int) -> int:
        return max(0, self._deadline_ns - now_ns) if self._armed else 0

    def arm(self, arming: Arming, now_ns: int) -> None:
        """Arm; whatever was armed before is disarmed by it."""
        self._armed = arming
        self._deadline_ns = now_ns + self._window_ns
        self._was_restarted = False
        self._has_changed = False

    def rescope(self, arming: Arming, now_ns: int) -> None:
        """Replace the armed numbers after a named key; the time starts again once, never twice."""
        if self._armed is None:
            return
        self._armed = arming
        self._has_changed = False
        if not self._was_restarted:
            self._was_restarted = True
            self._deadline_ns = now_ns + self._window_ns

    def refresh(self, text: str, quantity: tuple[object, ...]) -> None:
        """New numbers while armed. A changed quantity is marked and stays marked."""
        if self._armed is None or (text == self._armed.text and quantity == self._armed.quantity):
            return
        self._has_changed = self._has_changed or quantity != self._armed.quantity
        self._armed = self._armed._replace(text=text, quantity=quantity)

    def press(self, key: str, now_ns: int) -> Verdict:
        """Offer a key. A late send key keeps: the window is the window."""
        armed = self._armed
        if armed is None:
            return Verdict.NOT_ARMED
        if now_ns >= self._deadline_ns:
            self._armed = None
            return Verdict.KEPT if key == armed.send_key else Verdict.NOT_ARMED
        if key == armed.send_key:
            self._armed = None
            return Verdict.SEND
        if key == armed.arm_key:
            return Verdict.NO_EFFECT
        if key in armed.named_keys:
            return Verdict.NAMED
        self._armed = None
        return Verdict.KEPT

    def expire(self, now_ns: int) -> Arming | None:
        """Disarm when the time is up; what was armed, or None."""
        if self._armed is None or now_ns < self._deadline_ns:
            return None
        return self.disarm()

    def disarm(self) -> Arming | None:
        armed, self._armed = self._armed, None
        return armed


def shifted(key: str) -> str:
    """How to type a send key: `shift+e`, `shift+-`."""
    return "shift+-" if key == "_" else f"shift+{key.lower()}"


def armed_lines(bar: ArmBar, now_ns: int, width: int) -> list[Line]:
    """The armed bar: one line when it fits, else two (the footer's keys would only disarm)."""
    armed = bar.armed
    assert armed is not None
    style = "live" if armed.is_live else "paper"
    mark = " (changed)" if bar.has_changed else ""
    left_s = bar.left_ns(now_ns) / NS_PER_S
    body = f"ARMED {armed.label}: {armed.text}" if armed.text else f"ARMED {armed.label}"
    what = line("> ", (f" {body} ", style), (mark, "warn"))
    hints = [f"{armed.send_key} ({shifted(armed.send_key)}) sends"]
    hints += [armed.hint] if armed.hint else []
    hints += ["Esc keeps", f"{left_s:.1f} s"]
    told = line((" | ".join(hints), "key"), " | ", (f" {armed.mode} ", style))
    if width_of(what) + width_of(told) + 3 <= width:
        return [spread(what, told, width)]
    return [what, line("  ", *told)]
