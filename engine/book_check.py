"""Holds the broker's order book against the orders we know it took: which are missing, and is it whole at all (NET-08).

Pure. An order that a book does not show is not over for that: the page may be half, stale, or another account's. A book
that also lacks orders which ended today is not believed, and nothing is concluded from what it does not show (faults
§4.7). Instants in nanoseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import Final, NamedTuple

from engine.instant import NS_PER_S
from engine.order import Order, OrderState, OrderType, Role
from engine.reconcile import SIGHTINGS_EXPLAINED, SIGHTINGS_UNEXPLAINED

MISSING_NS: Final = 3 * NS_PER_S
"""A gateway may serve an old book for a second or two (NET-06): an order is gone after this, and not before."""
_RESTING_NS: Final = 30 * NS_PER_S
"""Nothing hangs on an entry that rests: an old book is given the time to become a new one."""
_SHOWN_BY_ALL: Final = frozenset({OrderState.FILLED, OrderState.CANCELLED})
"""Ends that every broker keeps in the day's book; refusals are left out by some."""


class Missing(NamedTuple):
    """Live orders of ours that stand in no book any more."""

    expired: list[Order]
    """Of an earlier day: today's book cannot show them (GRD-53)."""
    gone: list[Order]
    """Of today: watched as ghosts to the end of the day (ORD-03)."""


class _Sighting(NamedTuple):
    looks: int
    first_ns: int
    ended_ns: int


class BookCheck:
    """Remembers what was missing in the books read so far."""

    def __init__(self) -> None:
        self._missing: dict[str, _Sighting] = {}

    @property
    def is_waiting(self) -> bool:
        """Something is missing and not decided: the book should be read again soon."""
        return bool(self._missing)

    @property
    def missing(self) -> AbstractSet[str]:
        """Tags of those."""
        return self._missing.keys()

    def look(
        self, live: Sequence[Order], listed: AbstractSet[str], *, began_ns: int, ended_ns: int, day_ns: int
    ) -> Missing:
        """Count one read of the book. `listed` holds its tags and broker ids, `day_ns` is when today began."""
        seen, self._missing = self._missing, {}
        found = Missing([], [])
        for order in live:
            if not order.is_at_broker or max(order.intended_ns, order.state_ns) >= began_ns or is_listed(order, listed):
                continue
            known = seen.get(order.tag, _Sighting(0, began_ns, 0))
            fresh = began_ns >= known.ended_ns
            sighting = _Sighting(known.looks + fresh, known.first_ns, ended_ns if fresh else known.ended_ns)
            if order.intended_ns < day_ns and sighting.looks >= SIGHTINGS_EXPLAINED:
                found.expired.append(order)
                continue
            self._missing[order.tag] = sighting
            rests = order.role is Role.ENTRY and order.type is OrderType.LIMIT
            patience_ns = _RESTING_NS if rests else MISSING_NS
            if sighting.looks >= SIGHTINGS_UNEXPLAINED and began_ns >= sighting.first_ns + patience_ns:
                found.gone.append(order)
        return found

    def settled(self, order: Order) -> None:
        """It was decided on: a book that is not whole keeps it missing."""
        self._missing.pop(order.tag, None)


def lacking(orders: Iterable[Order], listed: AbstractSet[str], *, began_ns: int, day_ns: int) -> int:
    """How many orders that certainly ended at this broker today the book does not show; above 0 it is not whole."""
    return sum(
        1
        for order in orders
        if order.state in _SHOWN_BY_ALL
        and order.broker_id
        and order.intended_ns >= day_ns
        and order.state_ns < began_ns - MISSING_NS
        and not is_listed(order, listed)
    )


def is_listed(order: Order, listed: AbstractSet[str]) -> bool:
    return order.tag in listed or (bool(order.broker_id) and order.broker_id in listed)
