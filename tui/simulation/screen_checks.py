"""Checks on what the screen says (U1) and on how the day comes to rest (L1). These look at the desk's own words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from engine.desk import Desk
from engine.instant import NS_PER_S
from engine.order import OrderState, OrderType, Role
from engine.view import LegView, ProtectionWord
from tui.simulation.exit_checks import window_ns
from tui.simulation.oracle import Timers, Verdicts
from tui.simulation.truth import Group, Truth

T_TRUTH_NS: Final = 5 * NS_PER_S


class TruthfulScreen:
    """U1: the view says PROTECTED only of what a stop covers at the exchange, FLAT only of what is flat there.

    A deviation may be as old as the newest confirmation may be, and as old as news that no message has brought.
    """

    def __init__(self, legs: Callable[[], Sequence[LegView]], every_ns: int = 10 * NS_PER_S) -> None:
        self._legs = legs
        self._every_ns = every_ns
        self._next_ns = 0
        self.lies = Timers()

    def look(self, truth: Truth, verdicts: Verdicts) -> None:
        if truth.now_ns < self._next_ns or not (truth.open_groups or self._next_ns == 0):
            return
        self._next_ns = truth.now_ns + self._every_ns
        words = {leg.symbol: leg.protection for leg in self._legs()}
        for key, group in truth.open_groups.items():
            if group.closed_ns and group.held_qty == 0:
                continue
            word = words.get(group.symbol)
            lie = _lie(truth, group, word)
            age_ns = self.lies.age(key, bool(lie), truth.now_ns)
            if lie and age_ns > window_ns(truth, group, T_TRUTH_NS):
                verdicts.broken("U1", key, f"{group.symbol}: {lie} for {age_ns / NS_PER_S:.0f} s")


def _lie(truth: Truth, group: Group, word: ProtectionWord | None) -> str:
    """What is wrong with a word; empty when it is true."""
    held = group.held_qty
    covered = truth.remaining(group, Role.STOP)
    if word is ProtectionWord.PROTECTED and held > 0 and covered < held:
        return f"PROTECTED with {covered} of {held} covered"
    if word is ProtectionWord.FLAT and held != 0 and not group.closed_ns:
        return f"FLAT with {held} open"
    return ""


class Recovers:
    """R7: a desk that starts knows its books within two minutes, unless something keeps it from reading them."""

    is_of_the_wire = True
    LIMIT_NS: Final = 120 * NS_PER_S

    def look(self, truth: Truth, verdicts: Verdicts) -> None:
        if truth.recovered_ns or truth.dead_ns or not truth.lives:
            return
        age_ns = truth.now_ns - truth.born_ns
        if age_ns > self.LIMIT_NS and not truth.disturbed(truth.now_ns - self.LIMIT_NS // 2):
            verdicts.broken("R7", f"life {truth.lives}", f"still recovering after {age_ns / NS_PER_S:.0f} s")


class Converged:
    """L1: after the faults and the square-off nothing is open, nothing works, nothing is unanswered."""

    def __init__(self, desk: Callable[[], Desk]) -> None:
        self._desk = desk

    def finish(self, truth: Truth, verdicts: Verdicts) -> None:
        desk = self._desk()
        for key, group in truth.open_groups.items():
            live = truth.live_of(group)
            if live or (group.held_qty and not truth.is_muddled(key)):
                verdicts.broken("L1", key, f"{group.symbol}: {group.held_qty} open, {len(live)} orders working")
        for order in desk.blotter.live_orders():
            word = "unanswered" if order.state is OrderState.UNKNOWN else order.state.value
            verdicts.broken("L1", order.tag, f"{order.role.value} is {word} at the end")
        for gateway in (account.gateway for account in desk.accounts.values()):
            if not gateway.is_idle:
                verdicts.broken("L1", "gateway", f"{gateway.depth} requests wait at the end")
        for text in desk.failures:
            verdicts.broken("L1", "desk", f"internal error: {text}")
        for gateway in (account.gateway for account in desk.accounts.values()):
            if gateway.path_error:
                verdicts.broken("L1", "order path", f"still called down at the end: {gateway.path_error}")
        for key, group in truth.groups.items():
            if group.entered_qty and not group.closed_ns:
                verdicts.broken("L1", key, f"{group.symbol}: never called closed, state {group.state}")
        theirs = any(truth.net.values())  # somebody else's units are a difference that a person must explain
        for name in truth.alarms:
            if name.startswith("naked:") or (name == "mismatch" and not theirs):
                verdicts.broken("L1", name, "the alarm still stands at the end")


class Undisturbed:
    """O8: on a day without faults a bracket that nobody touched takes three orders and one cancel, nothing else."""

    def finish(self, truth: Truth, verdicts: Verdicts) -> None:
        ops: dict[str, list[str]] = {}
        jumped: set[str] = set()
        """Their stop triggered and found nobody: the market disturbed them."""
        for sent in truth.sent:
            intent = truth.intents.get(sent.tag)
            if intent is None:
                continue
            ops.setdefault(intent.bracket_id, []).append(f"{sent.op} {intent.role.value}")
            if sent.change is not None and intent.role is Role.STOP and sent.change.type is OrderType.LIMIT:
                jumped.add(intent.bracket_id)
        for key, group in truth.groups.items():
            if group.style != "resting" or not group.closed_ns or key in jumped or self._is_touched(truth, group):
                continue
            done = ops.get(key, [])
            placed = sorted(op for op in done if op.startswith("place"))
            cancels = sum(op.startswith("cancel") for op in done)
            if placed != ["place entry", "place stop", "place target"] or cancels != 1 or len(done) != 4:
                verdicts.broken("O8", key, f"{group.symbol}: {', '.join(done)}")

    def _is_touched(self, truth: Truth, group: Group) -> bool:
        """Partial fills, a marketable exit of any reason, a trail: no longer undisturbed."""
        if group.filled_of.get(Role.EXIT) or group.filled_of.get(Role.REPAIR):
            return True
        fills = [trade for trade in truth.trades if trade.tag in group.tags]
        return len(fills) != 2 or not group.entered_qty
