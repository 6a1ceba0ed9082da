"""How one login stands: alive or dead, and whether orders are taken from here. Every reply may change it. Pure.

Once dead nothing more is sent until a new login: a dead token that is used on and on burns the rate limit and may get
the app blocked (facts/kite.md §7). A missing permission is no dead token (§1).
"""

from __future__ import annotations

from typing import Final

from brokers.kite.answers import Ruling, Verdict
from engine.port_reads import SessionState

NOT_OPEN: Final = "not logged in at Kite"
TOKEN_DEAD: Final = "Kite no longer takes the access token: log in again"


class Standing:
    """One per session."""

    def __init__(self) -> None:
        self.state = SessionState(is_live=False, reason=NOT_OPEN)

    @property
    def is_live(self) -> bool:
        return self.state.is_live

    @property
    def why_not(self) -> str:
        """Why nothing is sent; empty while it lives."""
        return "" if self.state.is_live else self.state.reason or NOT_OPEN

    def open(self, expires_ns: int) -> None:
        """The broker took the token."""
        self.state = SessionState(is_live=True, expires_ns=expires_ns)

    def end(self, reason: str = NOT_OPEN) -> None:
        self.state = SessionState(is_live=False, may_trade=self.state.may_trade, reason=reason)

    def learn(self, ruling: Ruling, *, of_order: bool = False) -> None:
        """What a reply tells. Permission counts only where it is about orders: another may lack a data plan."""
        if ruling.verdict is Verdict.DEAD:
            self.end(TOKEN_DEAD)
        elif of_order and self.is_live:
            expires_ns = self.state.expires_ns
            if ruling.verdict is Verdict.FORBIDDEN:
                reason = f"Kite takes no orders from here: {ruling.text}"
                self.state = SessionState(is_live=True, may_trade=False, expires_ns=expires_ns, reason=reason)
            elif ruling.verdict is Verdict.DONE:
                self.state = SessionState(is_live=True, may_trade=True, expires_ns=expires_ns)
