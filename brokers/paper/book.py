"""One instrument's order book on the paper venue: resting orders against the displayed market, decided tick by tick.

Paper orders trade with the market that the ticks show, never with one another. A taker takes the displayed touch at
the touch's price; an order that has rested trades at its own limit, when the opposite touch reaches it or when a new
last price goes through it. A last price counts as a new trade only when it differs from the tick before: a quote update
repeats the old one.

The armed band is the hot path (performance.md §3 advice 2): while `lo < ltp < hi`, `bid < hi` and `ask > lo`, no
resting order can be touched. It is empty while an order is still crossing: such an order is looked at every tick.
"""

from __future__ import annotations

from typing import Final

from brokers.paper.ledger import Ledger, PaperOrder
from engine.instrument import Instrument
from engine.order import Side
from engine.tick import NO_TICK, Tick

NO_LIMIT: Final = 1 << 62
"""Above every price and every quantity."""


class Book:
    """Resting orders of one instrument, of all accounts, with the last tick and the armed band around it."""

    __slots__ = (
        *("_ask_taken", "_bid_taken", "_taken_of", "displayed_size", "hi", "instrument", "lo", "resting", "tick"),
        *("held", "locked", "part_qty"),
    )

    def __init__(self, instrument: Instrument, displayed_size: bool) -> None:
        self.instrument = instrument
        self.displayed_size = displayed_size
        self.tick: Tick = NO_TICK
        self.lo = -1
        self.hi = NO_LIMIT
        self.resting: list[tuple[Ledger, PaperOrder]] = []
        self._taken_of: Tick = NO_TICK
        self._bid_taken = 0
        self._ask_taken = 0
        self.held: set[str] = set()
        """Tags of accepted orders that have not come into the book yet: they neither trigger nor trade."""
        self.locked: set[Side] = set()
        """Sides of ours that find no counterparty: a circuit lock."""
        self.part_qty = 0
        """Most units that one order trades on one tick; 0 = whatever is shown."""

    def show(self, tick: Tick) -> None:
        """A new tick displays its sizes afresh."""
        self.tick = self._taken_of = tick
        self._bid_taken = self._ask_taken = 0

    def add(self, ledger: Ledger, order: PaperOrder) -> None:
        self.resting.append((ledger, order))

    def rearm(self) -> None:
        """Drop finished orders and set the band from what is left."""
        self.resting = [entry for entry in self.resting if entry[1].is_live]
        lo, hi = -1, NO_LIMIT
        for _, order in self.resting:
            if order.is_pending_stop:
                if order.side is Side.BUY:
                    hi = min(hi, order.trigger_paise)
                else:
                    lo = max(lo, order.trigger_paise)
            elif order.aggressive:
                lo, hi = NO_LIMIT, -1
                break
            elif order.side is Side.BUY:
                lo = max(lo, order.limit_paise)
            else:
                hi = min(hi, order.limit_paise)
        self.lo, self.hi = lo, hi

    def reached_stops(self) -> list[tuple[Ledger, PaperOrder]]:
        """Stops whose trigger the last price has reached, in time priority."""
        ltp = self.tick.ltp_paise
        if not ltp:
            return []
        reached = [
            entry
            for entry in self.resting
            if entry[1].is_pending_stop
            and (entry[1].trigger_paise - ltp) * entry[1].side.sign <= 0
            and entry[1].tag not in self.held
        ]
        return sorted(reached, key=lambda entry: entry[1].rank)

    def in_priority(self) -> list[tuple[Ledger, PaperOrder]]:
        """Limit orders at work, best price first, then time."""
        at_work = [entry for entry in self.resting if entry[1].is_live and not entry[1].is_pending_stop]
        return sorted(at_work, key=lambda entry: (-entry[1].side.sign * entry[1].limit_paise, entry[1].rank))

    def take(self, order: PaperOrder, printed: bool) -> list[tuple[int, int]]:
        """What `order` trades against the present tick: (qty, price) pairs. Marks it as resting once it stops crossing.

        `printed` says that the tick carries a trade made while the order was already resting.
        """
        if order.tag in self.held or order.side in self.locked:
            return []
        touch, shown = self._opposite_touch(order.side)
        reached = touch > 0 and (order.limit_paise - touch) * order.side.sign >= 0
        fills: list[tuple[int, int]] = []
        left = min(order.remaining_qty, self.part_qty or NO_LIMIT)
        if reached and (qty := min(left, shown)) > 0:
            fills.append((qty, touch if order.aggressive else order.limit_paise))
            left -= qty
            self._consume(order.side, qty)
        if not reached:
            order.aggressive = False
        through = printed and (order.limit_paise - self.tick.ltp_paise) * order.side.sign > 0
        if left and through and not order.aggressive:
            # Somebody traded at a worse price than ours while we stood in the book: we were served first, in full.
            fills.append((left, order.limit_paise))
        return fills

    def _opposite_touch(self, side: Side) -> tuple[int, int]:
        """Price and quantity that an order of `side` can take; a tick without any touch trades at its last price."""
        tick = self.tick
        if not tick.bid_paise and not tick.ask_paise:
            return tick.ltp_paise, NO_LIMIT
        if self._taken_of is not tick:
            self._taken_of = tick
            self._bid_taken = self._ask_taken = 0
        if side is Side.BUY:
            price, qty, taken = tick.ask_paise, tick.ask_qty, self._ask_taken
        else:
            price, qty, taken = tick.bid_paise, tick.bid_qty, self._bid_taken
        unlimited = not qty or not self.displayed_size
        return price, NO_LIMIT if unlimited else qty - taken

    def _consume(self, side: Side, qty: int) -> None:
        if side is Side.BUY:
            self._ask_taken += qty
        else:
            self._bid_taken += qty
