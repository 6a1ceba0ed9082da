"""How an OpenAlgo login stands: what each reply says about it, and when a dead one may be asked again. Pure.

A revoked broker session and a wrong key look the same: HTTP 403 on every endpoint (facts/openalgo.md §1). The person
logs in on the server's own page, with the same key as before, so a dead session is asked again now and then by a read,
never by an order.
"""

from __future__ import annotations

from typing import Final

from brokers.openalgo.rules import Mode
from engine.port_reads import SessionState

PROBE_S: Final = 15.0
"""Real seconds between two reads that ask whether a dead session lives again: no hammering."""
NOT_OPEN: Final = "the OpenAlgo session is not open"


class SessionStanding:
    """Mutable; written by the calls, read by everybody."""

    def __init__(self, expected: Mode) -> None:
        self.expected = expected
        self.is_open = False
        self._dead = ""
        self._wrong_mode = ""
        self._no_orders = ""
        self._probed_s = 0.0

    @property
    def state(self) -> SessionState:
        reason = "" if self.is_open else NOT_OPEN
        reason = reason or self._dead or self._wrong_mode
        return SessionState(
            is_live=not reason,
            may_trade=False if self._no_orders or self._wrong_mode else None,
            reason=reason or self._no_orders,
        )

    @property
    def is_dead(self) -> bool:
        return bool(self._dead)

    def why_no_write(self) -> str:
        """Why no order call may leave now; empty = it may."""
        return self.state.reason if not self.state.is_live else ""

    def why_no_read(self, now_s: float) -> str:
        """Why no read may leave now. `now_s`: real seconds that never go back."""
        if not self.is_open:
            return NOT_OPEN
        if self._dead and now_s - self._probed_s < PROBE_S:
            return self._dead
        self._probed_s = now_s
        return ""

    def died(self, reason: str, now_s: float) -> None:
        self._dead, self._probed_s = reason, now_s

    def refuses_orders(self, reason: str) -> None:
        self._no_orders = reason

    def takes_orders(self) -> None:
        """An order was placed: whatever refused them is over."""
        self._no_orders = ""

    def lives(self) -> bool:
        """A reply that only a live session gives. True when it was dead before."""
        was_dead, self._dead = bool(self._dead), ""
        return was_dead

    def answered_in(self, mode: Mode) -> str:
        """The mode of a reply; returns what to tell a person when that is news."""
        wrong = "" if mode is self.expected else f"the OpenAlgo server is in {mode} mode, not in {self.expected}"
        is_news = wrong != self._wrong_mode
        self._wrong_mode = wrong
        return (wrong or f"the OpenAlgo server is in {mode} mode again") if is_news else ""
