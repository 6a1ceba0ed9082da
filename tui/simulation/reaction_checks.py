"""Checks that the desk does something: a refused stop is tried again or left, a jumped one is chased. P1 and P3.

Doing nothing breaks no size and no order of things, and an alarm that stands is no answer to either.
"""

from __future__ import annotations

from typing import Final

from engine.instant import NS_PER_S
from engine.order import EXIT_ROLES, OrderType, Role
from engine.port import Refused
from tui.simulation.exit_checks import T_BUDGET_NS, T_SLOW_NS, WIRE_NS
from tui.simulation.oracle import Timers, Verdicts
from tui.simulation.truth import Group, Truth

T_AGAIN_NS: Final = 4 * NS_PER_S
"""The longest wait after a refusal is 0.9 s; then it is the turn of the next position's request, and of the wire."""
T_JUMP_NS: Final = 3 * NS_PER_S
_BUSY: Final = 8
"""Requests of one position in a minute from which on its budget may hold the next one back."""


def _acted_since(truth: Truth, group: Group, at_ns: int) -> bool:
    """The desk asked for something that protects or closes after that instant, or waits for an answer."""
    for sent in reversed(truth.sent):
        if sent.at_ns < at_ns:
            break
        intent = truth.intents.get(sent.tag)
        if intent is not None and intent.bracket_id == group.bracket_id and intent.role in EXIT_ROLES:
            return True
    return bool(truth.in_doubt(group))


def _is_held_up(truth: Truth, group: Group) -> bool:
    """Nothing reaches the broker, or the position's minute is nearly used up."""
    if truth.path_failed_ns > truth.read_ok_ns or truth.disturbed(truth.now_ns - T_AGAIN_NS):
        return True
    recent = 0
    for sent in reversed(truth.sent):
        if sent.at_ns < truth.now_ns - T_BUDGET_NS:
            break
        intent = truth.intents.get(sent.tag)
        recent += intent is not None and intent.bracket_id == group.bracket_id
    return recent >= _BUSY


class RefusedStop:
    """P1: a stop that the broker refused is placed again, or the position is left; it is never given up."""

    def __init__(self) -> None:
        self.given_up = Timers()
        self._read = 0
        self._refused_ns: dict[str, int] = {}

    def look(self, truth: Truth, verdicts: Verdicts) -> None:
        while self._read < len(truth.sent) and truth.sent[self._read].answer is not None:
            sent = truth.sent[self._read]
            self._read += 1
            intent = truth.intents.get(sent.tag)
            if (
                intent is not None
                and intent.role is Role.STOP
                and sent.op == "place"
                and isinstance(sent.answer, Refused)
            ):
                self._refused_ns[intent.bracket_id] = sent.answered_ns
        for key, at_ns in list(self._refused_ns.items()):
            group = truth.open_groups.get(key)
            if group is None or group.held_qty <= 0 or truth.remaining(group, Role.STOP, Role.EXIT):
                del self._refused_ns[key]
                continue
            idle = not _acted_since(truth, group, at_ns + 1) and not _is_held_up(truth, group)
            age_ns = self.given_up.age(key, idle, truth.now_ns)
            if age_ns > T_AGAIN_NS + WIRE_NS:
                text = f"{group.symbol}: {group.held_qty} open, its stop was refused {age_ns / NS_PER_S:.1f} s ago"
                verdicts.broken("P1", key, f"{text}, and nothing was sent since")


class JumpedStop:
    """P3: a stop that triggered and does not fill is re-priced or replaced in time."""

    def __init__(self) -> None:
        self.jumped = Timers()

    def look(self, truth: Truth, verdicts: Verdicts) -> None:
        for key, group in truth.open_groups.items():
            stuck = [
                report
                for report in truth.live_of(group, Role.STOP)
                if report.type is OrderType.SL and truth.is_triggered_stop(report)
            ]
            since_ns = self.jumped.since(key, bool(stuck) and group.held_qty > 0, truth.now_ns)
            if not since_ns:
                continue
            age_ns = truth.now_ns - since_ns
            if age_ns <= T_JUMP_NS + T_SLOW_NS or _acted_since(truth, group, since_ns) or _is_held_up(truth, group):
                continue
            text = f"{group.symbol}: a stop triggered {age_ns / NS_PER_S:.1f} s ago rests unfilled, nothing was sent"
            verdicts.broken("P3", key, text)
