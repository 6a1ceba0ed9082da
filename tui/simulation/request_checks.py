"""Checks on what the desk sends: written first, never twice, never blindly again, within its budgets, well-formed.

Invariants O1..O7, E3, M1 and I-8. Every check reads the list of sent requests from where it last stopped.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from typing import Final

from engine import refusals
from engine.instant import NS_PER_S
from engine.order import EXIT_ROLES, OrderType, Role
from engine.port import Answer, NotSent, Refused
from engine.venue_rules import takes_sl_m
from tui.simulation.oracle import Verdicts
from tui.simulation.truth import Sent, Truth

_MINUTE_NS: Final = 60 * NS_PER_S
_TAG: Final = re.compile(r"[A-Za-z0-9]{1,20}")
CLOSING: Final = (Role.EXIT, Role.REPAIR)


class SentReader:
    """The requests sent since the last look."""

    is_of_the_wire = True
    reads_requests = True

    def __init__(self) -> None:
        self._read = 0

    def new(self, truth: Truth) -> Iterator[Sent]:
        while self._read < len(truth.sent):
            self._read += 1
            yield truth.sent[self._read - 1]


class IntentBeforeSend(SentReader):
    """O1, I-3: a request leaves only after the commit of an intent of its own."""

    def look(self, truth: Truth, verdicts: Verdicts) -> None:
        for sent in self.new(truth):
            if truth.intended[sent.tag, sent.op] < truth.sent_of[sent.tag, sent.op]:
                verdicts.broken("O1", sent.tag, f"{sent.op} left without a committed intent")


class NoDuplicate:
    """O2: at most one order at the broker per intent."""

    is_of_the_wire = True

    def __init__(self) -> None:
        self._counted = 0

    def look(self, truth: Truth, verdicts: Verdicts) -> None:
        if len(truth.broker_ids) == len(truth.orders) or len(truth.orders) == self._counted:
            return
        self._counted = len(truth.orders)
        for tag, ids in truth.broker_ids.items():
            if len(ids) > 1:
                verdicts.broken("O2", tag, f"{len(ids)} orders at the broker: {', '.join(ids)}")


class NoBlindResend(SentReader):
    """O3: while a request is unanswered, nothing of the same purpose (bracket, role) is sent."""

    def look(self, truth: Truth, verdicts: Verdicts) -> None:
        for sent in self.new(truth):
            intent = truth.intents.get(sent.tag)
            if sent.op != "place" or intent is None:
                continue
            for tag in truth.groups[intent.bracket_id].tags:
                other = truth.intents[tag]
                if (
                    tag != sent.tag
                    and other.role is intent.role
                    and tag in truth.doubts
                    and not _is_slice(truth, intent.tag, tag)
                ):
                    age_s = (sent.at_ns - truth.doubts[tag].since_ns) / NS_PER_S
                    verdicts.broken(
                        "O3", sent.tag, f"second {intent.role.value} while {tag} is unanswered ({age_s:.1f} s)"
                    )


def _is_slice(truth: Truth, tag: str, other: str) -> bool:
    """Slices of one decision are intended at one instant; together they are one order (HRD-16)."""
    return truth.intents[tag].at_ns == truth.intents[other].at_ns


class OneMarketExit:
    """E3, I-2: at most one unresolved marketable exit or repair per position."""

    is_of_the_wire = True
    reads_positions = True

    def look(self, truth: Truth, verdicts: Verdicts) -> None:
        for group in truth.open_groups.values():
            tags = dict.fromkeys(report.tag for report in truth.live_of(group, *CLOSING))
            tags |= dict.fromkeys(truth.in_doubt(group, *CLOSING))
            # One that turns up after its window was proven absent: nobody could know (ORD-03).
            decisions = {truth.intents[tag].at_ns for tag in tags if tag not in truth.ghosts}
            if len(decisions) > 1:
                verdicts.broken("E3", group.bracket_id, f"{group.symbol}: closing orders at once: {', '.join(tags)}")


class Budget(SentReader):
    """O4: at most 8 requests a second, 180 a minute, 12 a minute and 40 orders a day for one position."""

    PER_S: Final = 8
    PER_MIN: Final = 180
    GROUP_PER_MIN: Final = 12
    GROUP_ORDERS: Final = 40

    def __init__(self) -> None:
        super().__init__()
        self._all: deque[int] = deque()
        self._of: dict[str, deque[Sent]] = {}

    def look(self, truth: Truth, verdicts: Verdicts) -> None:
        for sent in self.new(truth):
            self._all.append(sent.at_ns)
            while self._all[0] <= sent.at_ns - _MINUTE_NS:
                self._all.popleft()
            if len(self._all) > self.PER_MIN:
                verdicts.broken("O4", "desk", f"{len(self._all)} requests in a minute")
            if len(self._all) > self.PER_S and self._all[-self.PER_S - 1] > sent.at_ns - NS_PER_S:
                verdicts.broken("O4", "desk", f"more than {self.PER_S} requests in a second")
            intent = truth.intents.get(sent.tag)
            if intent is not None:
                self._of_group(intent.bracket_id, sent, truth, verdicts)

    def _of_group(self, bracket_id: str, sent: Sent, truth: Truth, verdicts: Verdicts) -> None:
        recent = self._of.setdefault(bracket_id, deque())
        recent.append(sent)
        while recent[0].at_ns <= sent.at_ns - _MINUTE_NS:
            recent.popleft()
        group = truth.groups[bracket_id]
        # What never left, or was turned away for its rate and repeated by the gateway, is on no broker's books.
        arrived = sum(not _was_turned_away(one.answer) for one in recent)
        if arrived > self.GROUP_PER_MIN + 1:
            verdicts.broken("O4", bracket_id, f"{group.symbol}: {arrived} requests in a minute")
        if len(group.tags) > self.GROUP_ORDERS:
            verdicts.broken("O4", bracket_id, f"{group.symbol}: {len(group.tags)} orders on one position")


def _was_turned_away(answer: Answer | None) -> bool:
    return isinstance(answer, NotSent) or (isinstance(answer, Refused) and answer.code == refusals.THROTTLED)


class ModifyCap(SentReader):
    """O5: an order is modified at most as often as the broker's cap minus its margin."""

    def __init__(self, cap: int) -> None:
        super().__init__()
        self._cap = cap

    def look(self, truth: Truth, verdicts: Verdicts) -> None:
        for sent in self.new(truth):
            if sent.op == "modify" and truth.sent_of[sent.tag, "modify"] > self._cap:
                verdicts.broken("O5", sent.tag, f"modified {truth.sent_of[sent.tag, 'modify']} times, cap {self._cap}")


class Monotone:
    """O6: the merged state of an order never goes back."""

    is_of_the_wire = True

    def look(self, truth: Truth, verdicts: Verdicts) -> None:
        for text in truth.regressions:
            verdicts.broken("O6", text.split(":")[0], text)
        truth.regressions.clear()


class WellFormed(SentReader):
    """O7: whole lots (odd units may leave), inside the freeze quantity, on the tick, of a type the venue takes."""

    def look(self, truth: Truth, verdicts: Verdicts) -> None:
        for sent in self.new(truth):
            wrong = _malformed(sent, truth)
            if wrong:
                verdicts.broken("O7", sent.tag, f"{sent.op}: {wrong}")


def _malformed(sent: Sent, truth: Truth) -> str:
    """What is wrong with a request; empty when it is in order."""
    terms = sent.request or sent.change
    intent = truth.intents.get(sent.tag)
    if terms is None or intent is None:
        return ""
    instrument = truth.instruments[intent.symbol]
    prices = [terms.limit_paise] if terms.type is not OrderType.SL_M else []
    prices += [terms.trigger_paise] if terms.type in (OrderType.SL, OrderType.SL_M) else []
    closes = intent.role in EXIT_ROLES or intent.role is Role.REPAIR
    if not _TAG.fullmatch(sent.tag):
        return f"tag {sent.tag!r}"
    if terms.qty <= 0 or (terms.qty % instrument.lot_size and not closes):
        return f"quantity {terms.qty} is not a positive multiple of {instrument.lot_size}"
    if instrument.max_order_qty and terms.qty > instrument.max_order_qty:
        return f"quantity {terms.qty} above {instrument.max_order_qty}"
    if any(paise <= 0 or paise % instrument.tick_paise for paise in prices):
        return f"prices {prices} are not positive multiples of {instrument.tick_paise}"
    if terms.type is OrderType.SL_M and not takes_sl_m(instrument):
        return "SL-M is not taken here"
    if sent.request is not None and sent.request.side is not intent.side:
        return f"{sent.request.side.value} was sent, {intent.side.value} intended"
    return ""


class ForeignUntouched(SentReader):
    """I-8: a change or cancel names an order of ours and nothing else."""

    def look(self, truth: Truth, verdicts: Verdicts) -> None:
        for sent in self.new(truth):
            if sent.op == "place":
                continue
            order = truth.orders.get(sent.broker_id)
            if order is not None and order.tag != sent.tag:
                verdicts.broken("I-8", sent.broker_id, f"{sent.op} of an order that carries {order.tag or 'no tag'}")


class NotBlind(SentReader):
    """R4, O10: after a start no entry leaves before orders, trades and positions were read whole; an exit may leave
    earlier only when the books stayed unreadable for the bounded time of a recovery (R7)."""

    BOOKS: Final = frozenset({"orders", "trades", "positions"})
    PATIENCE_NS: Final = 20 * NS_PER_S

    def look(self, truth: Truth, verdicts: Verdicts) -> None:
        for sent in self.new(truth):
            intent = truth.intents.get(sent.tag)
            if sent.at_ns < truth.born_ns or truth.reads_of_life >= self.BOOKS:
                continue
            if sent.op == "cancel":
                continue  # the trader's own word; it opens and closes nothing
            is_exit = intent is None or intent.role is not Role.ENTRY
            if is_exit and sent.at_ns - truth.born_ns > self.PATIENCE_NS:
                continue
            missing = ", ".join(sorted(self.BOOKS - truth.reads_of_life))
            verdicts.broken("R4", sent.tag, f"{sent.op} left before {missing} had been read after the start")


class FreshPrice(SentReader):
    """M1, I-7: no entry on a price older than its limit; no exit by price on one without saying that it is old."""

    def __init__(self, age_max_ns: int) -> None:
        super().__init__()
        self._age_max_ns = age_max_ns

    def look(self, truth: Truth, verdicts: Verdicts) -> None:
        for sent in self.new(truth):
            intent = truth.intents.get(sent.tag)
            if sent.op != "place" or intent is None or intent.role is not Role.ENTRY:
                continue
            seen_ns = truth.decided_on.get(sent.tag, intent.at_ns)
            age_ns = intent.at_ns - seen_ns
            if age_ns > self._age_max_ns:
                verdicts.broken("M1", sent.tag, f"{intent.symbol} entered on a price {age_ns / NS_PER_S:.1f} s old")
