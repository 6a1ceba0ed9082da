"""Checks on positions: exits never exceed them, never reverse them, and protection stands or an alarm does.

Invariants E1, E2, I-4, P1, P3, P4, Q1 and Q2, all on the exchange's truth. The windows are those of faults §2, each
widened only by what the desk provably could not know: a fill that no message has shown, a request without an answer.
"""

from __future__ import annotations

from typing import Final

from engine.instant import NS_PER_S, clock_text
from engine.order import EXIT_ROLES, Role
from tui.simulation.oracle import Timers, Verdicts
from tui.simulation.request_checks import SentReader
from tui.simulation.truth import BY_HAND_NS, Group, Sent, Truth

T_CR_NS: Final = 2 * NS_PER_S
T_SLOW_NS: Final = 10 * NS_PER_S
T_REPAIR_NS: Final = 5 * NS_PER_S
T_BUDGET_NS: Final = 60 * NS_PER_S
"""After an outage a position's minute of requests may be spent on refusals (O4)."""
T_STUCK_NS: Final = 13 * NS_PER_S
"""By then a cancel without effect has been asked again and is an alarm."""
T_PROTECT_NS: Final = 2 * NS_PER_S
WIRE_NS: Final = 3 * NS_PER_S // 2
"""One request and its answer at the slowest simulated wire, and the desk's one-second net."""


def window_ns(truth: Truth, group: Group, clean_ns: int) -> int:
    """How long a state may last: longer while the desk cannot know (faults §2)."""
    if truth.moved_by_hand(group):
        return BY_HAND_NS + T_SLOW_NS
    if truth.outage_ns and truth.now_ns < truth.outage_ns + T_BUDGET_NS:
        return truth.now_ns - truth.outage_ns + 2 * T_BUDGET_NS
    if truth.has_ghost(group) or group.bracket_id in truth.cancel_doubts:
        return truth.ambiguity_ns + T_SLOW_NS + WIRE_NS
    if truth.unseen_fill(group) or truth.disturbed(truth.now_ns - T_SLOW_NS):
        return T_SLOW_NS + WIRE_NS
    return clean_ns + WIRE_NS


def lost_orders_ns(truth: Truth, group: Group) -> int:
    """A lost closing order is waited for, each for its whole ambiguity window (faults §4.2)."""
    closing = (tag for tag in group.tags if truth.intents[tag].role in (Role.EXIT, Role.REPAIR))
    lost = sum(tag in truth.ghosts or tag in truth.doubts for tag in closing)
    return lost * (truth.ambiguity_ns + T_SLOW_NS)


class ExitQty:
    """E1, I-1: what working exits could still close never exceeds the open quantity outside one window."""

    reads_positions = True

    def __init__(self) -> None:
        self.over = Timers()

    def look(self, truth: Truth, verdicts: Verdicts) -> None:
        for key, group in truth.open_groups.items():
            if truth.is_muddled(key):
                continue
            could = _at_work(truth, group)
            held = max(0, group.held_qty)
            age_ns = self.over.age(key, could > held, truth.now_ns)
            if not age_ns:
                continue
            if key in truth.stuck and (age_ns < T_STUCK_NS or _alarm_stands(truth, group)):
                continue  # the broker took the cancel and does nothing: an alarm is all there is (ORD-25)
            is_silent = truth.path_failed_ns > truth.read_ok_ns or truth.is_reading_in_vain
            if truth.now_ns < truth.path_failed_ns + T_CR_NS or is_silent:
                continue  # nothing reaches the broker: it is asked again and again
            if age_ns > window_ns(truth, group, T_CR_NS):
                text = f"{group.symbol}: exits of {could} over {held} open for {age_ns / NS_PER_S:.1f} s"
                verdicts.broken("E1", key, text)


class ExitSize(SentReader):
    """E1, I-1 at the door: no exit leaves the desk that could, with those at work, close more than is open.

    Judged only where the desk knew everything: no fill unseen, no request unanswered, nobody else trading.
    """

    def look(self, truth: Truth, verdicts: Verdicts) -> None:
        for sent in self.new(truth):
            intent = truth.intents.get(sent.tag)
            if intent is None or intent.role not in EXIT_ROLES or sent.op == "cancel":
                continue
            group = truth.groups[intent.bracket_id]
            if not _is_known(truth, group, sent.tag) or not _grows(truth, sent):
                continue
            could = _could_close(truth, group, sent, intent.role)
            if could > max(group.held_qty, _at_work(truth, group)):
                text = (
                    f"{group.symbol}: {sent.op} {intent.role.value} makes exits of {could} over {group.held_qty} open"
                )
                verdicts.broken("E1", f"{group.bracket_id} {sent.tag}", text)


def _grows(truth: Truth, sent: Sent) -> bool:
    """A new order, or a change to more units: a new price alone makes no exit larger."""
    order = truth.orders.get(sent.broker_id)
    return sent.change is None or order is None or sent.change.qty > order.qty


def _is_known(truth: Truth, group: Group, tag: str) -> bool:
    if truth.moved_by_hand(group) or group.bracket_id in truth.touched or group.bracket_id in truth.cancel_doubts:
        return False
    in_doubt = [other for other in truth.in_doubt(group) if other != tag]
    lied_to = (truth.ghosts | truth.false_ends) & set(group.tags)
    return not in_doubt and not lied_to and not truth.unseen_fill(group)


def _at_work(truth: Truth, group: Group) -> int:
    """Units that the exits at work could close before this request: one that makes nothing larger is not to blame."""
    of_role = dict.fromkeys(EXIT_ROLES, 0)
    for report in truth.live_of(group, *EXIT_ROLES):
        of_role[truth.intents[report.tag].role] += report.qty - report.filled_qty
    return max(of_role[Role.STOP], of_role[Role.TARGET]) + of_role[Role.EXIT]


def _could_close(truth: Truth, group: Group, sent: Sent, role: Role) -> int:
    """Units that the exits at work and this request could close; target and stop count once, by the larger."""
    terms = sent.request or sent.change
    assert terms is not None
    done = truth.orders[sent.broker_id].filled_qty if sent.broker_id in truth.orders else 0
    of_role = dict.fromkeys(EXIT_ROLES, 0)
    for report in truth.live_of(group, *EXIT_ROLES):
        if report.tag != sent.tag:
            of_role[truth.intents[report.tag].role] += report.qty - report.filled_qty
    of_role[role] += terms.qty - done
    return max(of_role[Role.STOP], of_role[Role.TARGET]) + of_role[Role.EXIT]


class NoReverse:
    """E2: our exits never flip a position, but for a named cause, and then it is repaired in time."""

    reads_positions = True

    def __init__(self) -> None:
        self.reversed = Timers()

    def look(self, truth: Truth, verdicts: Verdicts) -> None:
        for key, group in truth.open_groups.items():
            age_ns = self.reversed.age(key, group.held_qty < 0, truth.now_ns)
            if group.held_qty >= 0 or truth.is_muddled(key):
                continue
            cause = reversal_cause(truth, group)
            if not cause:
                verdicts.broken("E2", key, f"{group.symbol}: {group.held_qty} without a cause, {group.filled_of}")
            elif _alarm_stands(truth, group) and (
                cause == "external fill"  # whose units they are a person must say, and is asked
                or _is_refused(truth, group)
                or truth.remaining(group, Role.REPAIR) >= -group.held_qty  # taken, and held by the broker (ORD-25)
            ):
                continue
            elif age_ns > window_ns(truth, group, T_REPAIR_NS) + lost_orders_ns(truth, group):
                text = f"{group.symbol}: {group.held_qty} after {cause}, not repaired in {age_ns / NS_PER_S:.1f} s"
                verdicts.broken("E2", key, text)


def reversal_cause(truth: Truth, group: Group) -> str:
    """Why a position went too far, by faults §6 E2; empty when nothing explains it."""
    filled = group.filled_of
    if filled.get(Role.STOP) and filled.get(Role.TARGET):
        return "OCO double fill"
    if truth.has_ghost(group) or group.bracket_id in truth.cancel_doubts:
        return "ghost"
    if any(tag in truth.late for tag in group.tags):
        return "late order"
    if group.bracket_id in truth.touched:
        return "external fill"
    return ""


class StopOnlyTightens:
    """I-4: the effective stop of a bracket never loosens."""

    is_of_the_wire = True

    def look(self, truth: Truth, verdicts: Verdicts) -> None:
        for text in truth.loosened:
            verdicts.broken("I-4", text.split(":")[0], text)
        truth.loosened.clear()


class Protected:
    """P1, P4: a filled unit is covered by a working stop or is being closed within its window, or an alarm stands."""

    reads_positions = True
    LONGEST_NS: Final = 90 * NS_PER_S
    """An alarm does not protect: naked for longer than this is a violation whatever sounds."""

    def __init__(self) -> None:
        self.naked = Timers()

    def look(self, truth: Truth, verdicts: Verdicts) -> None:
        for key, group in truth.open_groups.items():
            held = group.held_qty
            covered = truth.remaining(group, Role.STOP, Role.EXIT)
            is_naked = held > covered and group.style != "monitored"
            age_ns = self.naked.age(key, is_naked, truth.now_ns)
            if not age_ns:
                continue
            text = f"{group.symbol}: {held - covered} of {held} without a working exit for {age_ns / NS_PER_S:.1f} s"
            if age_ns > window_ns(truth, group, T_PROTECT_NS) and not _alarm_stands(truth, group):
                verdicts.broken("P1", key, f"{text}, no alarm")
            elif age_ns > self.LONGEST_NS + lost_orders_ns(truth, group) and not truth.disturbed(
                truth.now_ns - T_SLOW_NS
            ):
                verdicts.broken("P1", key, text)
            elif age_ns > T_SLOW_NS and not _has_cause(truth, group, age_ns):
                verdicts.broken("P1", key, f"{text}, an alarm but no cause")


def _has_cause(truth: Truth, group: Group, age_ns: int) -> bool:
    """Something outside the desk may have kept it from protecting: an alarm alone excuses nothing."""
    if truth.moved_by_hand(group) or truth.has_ghost(group) or group.bracket_id in truth.cancel_doubts:
        return True
    return truth.disturbed(truth.now_ns - age_ns - T_SLOW_NS)


def _is_refused(truth: Truth, group: Group) -> bool:
    """The broker takes no order that would close it; the desk asks again every 5 s, until its minute is used up."""
    at_ns = truth.close_refused_ns.get(group.bracket_id, 0)
    return bool(at_ns) and truth.now_ns - at_ns < T_BUDGET_NS


def _alarm_stands(truth: Truth, group: Group) -> bool:
    return any(group.bracket_id in name or group.symbol in name or name in _GENERAL for name in truth.alarms)


_GENERAL: Final = frozenset({"internal", "mismatch", "journal"})


class Flat:
    """Q1, I-5: a bracket that the journal calls closed has no unit and no order left at the exchange."""

    reads_positions = True

    def __init__(self) -> None:
        self.left = Timers()

    def look(self, truth: Truth, verdicts: Verdicts) -> None:
        done: list[str] = []
        for key, group in truth.open_groups.items():
            if not group.closed_ns:
                continue
            live = truth.live_of(group)
            is_left = bool(live) or (group.held_qty != 0 and not truth.is_muddled(key))
            age_ns = self.left.age(key, is_left, truth.now_ns)
            if not is_left and not truth.in_doubt(group):
                done.append(key)
            if is_left and group.bracket_id in truth.touched and _alarm_stands(truth, group):
                continue
            knew = not truth.has_ghost(group) and group.bracket_id not in truth.touched and not truth.unseen_fill(group)
            if is_left and (knew or age_ns > window_ns(truth, group, T_SLOW_NS)):
                orders = ", ".join(report.tag for report in live) or "no order"
                verdicts.broken("Q1", key, f"{group.symbol}: called flat with {group.held_qty} open and {orders}")
        for key in done:
            del truth.open_groups[key]


class InTime:
    """Q2: after the square-off, everything of ours is flat before the broker's own cut-off."""

    reads_positions = True

    def __init__(self, square_off_ns: int, cut_off_ns: int) -> None:
        self._square_off_ns = square_off_ns
        self._cut_off_ns = cut_off_ns

    def look(self, truth: Truth, verdicts: Verdicts) -> None:
        if truth.now_ns < self._cut_off_ns:
            return
        for key, group in truth.open_groups.items():
            if group.held_qty and not truth.is_muddled(key):
                text = f"{group.symbol}: {group.held_qty} open at {clock_text(self._cut_off_ns)}"
                verdicts.broken("Q2", key, text)
