"""Which orders of the server's book are ours: by id once it is known, before that by what was sent. Pure.

An OpenAlgo server carries no client id in live mode and accepts identical orders (facts/openalgo.md §0.1, §3.3; faults
ORD-13). So every place is remembered with its terms and with how much of the book was known before it; an unanswered
one adopts the only new row with those terms, and while it is unanswered no second order with the same terms leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from brokers.openalgo.orders import STRATEGY_TAG, OrderRow, Terms, Wire, terms_of
from engine.instant import NS_PER_S, ist_date
from engine.port_reads import KnownOrder

CLOCKS_APART_NS: Final = 30 * NS_PER_S
"""A row whose own time is earlier than the send by more than this was there before; clocks of two machines differ."""
_UTC_AS_IST_NS: Final = 19_800 * NS_PER_S
"""A plugin may pass on UTC without saying so; the row then looks this much older than it is (facts §5)."""


class Placement(msgspec.Struct, kw_only=True):
    """One place call of ours."""

    tag: str
    terms: Terms
    """As it is now: a change that was accepted is in it."""
    sent_ns: int
    after_read: int
    """How many reads of the book had been begun before it left; rows that those showed are not this order."""
    broker_id: str = ""
    is_frozen: bool = False
    """Several rows could be it: a person has been told."""


class Placements:
    """The day's orders of one account. Times are exchange time."""

    def __init__(self, window_ns: int) -> None:
        """`window_ns`: how long an unanswered order may still appear, and so blocks others with its terms."""
        self._window_ns = window_ns
        self._by_tag: dict[str, Placement] = {}
        self._by_id: dict[str, Placement] = {}
        self._seen: dict[str, int] = {}
        """Id of every row of the book -> the read that showed it first."""
        self._rows: dict[str, Terms] = {}
        """Terms of every row of the newest book, ours or not."""
        self._reads = 0

    # --- writing ------------------------------------------------------------------------------------------------------

    def begin(self, tag: str, terms: Terms, now_ns: int, *, serial: bool) -> str:
        """Before a place call leaves; returns why it must not. `serial`: the book will not carry the tag."""
        self._forget_before(now_ns)
        if tag in self._by_tag:
            return f"tag {tag} has been sent before"
        if serial:
            for other in self._open():
                if other.terms == terms and now_ns - other.sent_ns <= self._window_ns:
                    return f"an identical order ({other.tag}) is unresolved"
        self._by_tag[tag] = Placement(tag=tag, terms=terms, sent_ns=now_ns, after_read=self._reads)
        return ""

    def drop(self, tag: str) -> None:
        """It was certainly not placed."""
        placement = self._by_tag.pop(tag, None)
        if placement is not None:
            self._by_id.pop(placement.broker_id, None)

    def adopt(self, tag: str, broker_id: str) -> None:
        """The id that the broker itself gave for this tag; what a look at the book had guessed gives way to it."""
        placement, other = self._by_tag.get(tag), self._by_id.get(broker_id)
        if placement is None or other is placement:
            return
        if other is not None:
            other.broker_id = ""
        self._by_id.pop(placement.broker_id, None)
        placement.broker_id = broker_id
        self._by_id[broker_id] = placement

    def change(self, broker_id: str, terms: Terms) -> None:
        """A change was accepted."""
        placement = self._by_id.get(broker_id)
        if placement is not None:
            placement.terms = terms

    def recall(self, known: Iterable[KnownOrder], wire_of: Callable[[str, str], Wire | None]) -> None:
        """Orders of an earlier run, from its journal. `wire_of` takes (symbol, exchange)."""
        for order in known:
            wire = wire_of(order.request.symbol, order.request.exchange)
            if wire is None or order.tag in self._by_tag:
                continue
            terms = terms_of(order.request, wire)
            self._by_tag[order.tag] = Placement(tag=order.tag, terms=terms, sent_ns=order.sent_ns, after_read=0)
            if order.broker_id:
                self.adopt(order.tag, order.broker_id)

    # --- looking ------------------------------------------------------------------------------------------------------

    @property
    def has_open(self) -> bool:
        """Some place call of ours has no id yet: a row nobody knows may be it."""
        return any(True for _ in self._open())

    def tag_of(self, broker_id: str) -> str:
        placement = self._by_id.get(broker_id)
        return placement.tag if placement is not None else ""

    def placement_of(self, broker_id: str) -> Placement | None:
        return self._by_id.get(broker_id)

    def terms_of(self, broker_id: str) -> Terms | None:
        """Of an order of ours, or of any in the newest book."""
        placement = self._by_id.get(broker_id)
        return placement.terms if placement is not None else self._rows.get(broker_id)

    def ids_of_day(self, now_ns: int) -> frozenset[str]:
        """Ids of ours of this IST day: what the book must show."""
        day = ist_date(now_ns)
        return frozenset(i for i, placement in self._by_id.items() if ist_date(placement.sent_ns) == day)

    # --- the book -----------------------------------------------------------------------------------------------------

    def begin_read(self) -> int:
        """Before a read of the book is sent; the number goes to `seen`."""
        self._reads += 1
        return self._reads

    def seen(self, rows: Sequence[OrderRow], read: int) -> list[str]:
        """Take a whole book; returns what a person should know about orders that could not be told apart."""
        self._rows = {row.broker_id: row.terms for row in rows}
        for row in rows:
            placement = self._by_tag.get(row.strategy)  # analyze mode: the tag itself came back
            if placement is not None and not placement.broker_id:
                self.adopt(row.strategy, row.broker_id)
        notes = [note for placement in list(self._open()) if (note := self._match(placement, rows))]
        for row in rows:
            self._seen.setdefault(row.broker_id, read)
        return notes

    def _match(self, placement: Placement, rows: Sequence[OrderRow]) -> str:
        """Adopt the only row that can be it. Returns what to tell when there are several, once."""
        candidates = [row for row in rows if self._could_be(placement, row)]
        rivals = [other for other in self._open() if other.terms == placement.terms]
        if len(candidates) == 1 and len(rivals) == 1:
            self.adopt(placement.tag, candidates[0].broker_id)
            return ""
        if not candidates or placement.is_frozen:
            return ""
        placement.is_frozen = True
        ids = ", ".join(row.broker_id for row in candidates)
        return f"order {placement.tag} has no answer and could be any of {ids}: look at the broker and attribute it"

    def _could_be(self, placement: Placement, row: OrderRow) -> bool:
        if row.broker_id in self._by_id or row.terms != placement.terms:
            return False
        if STRATEGY_TAG.fullmatch(row.strategy):
            return False  # its tag came back, and it is another's
        if self._seen.get(row.broker_id, placement.after_read + 1) <= placement.after_read:
            return False
        newest_ns = row.at_ns + _UTC_AS_IST_NS
        return not row.at_ns or newest_ns >= placement.sent_ns - CLOCKS_APART_NS

    def _open(self) -> Iterable[Placement]:
        return (placement for placement in self._by_tag.values() if not placement.broker_id)

    def _forget_before(self, now_ns: int) -> None:
        """Yesterday's orders are not in today's book."""
        day = ist_date(now_ns)
        for placement in [p for p in self._by_tag.values() if ist_date(p.sent_ns) < day]:
            self.drop(placement.tag)
