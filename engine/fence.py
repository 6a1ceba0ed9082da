"""What a desk does when its lease is gone: one standing alarm, hands off, and never a send again in this run.

The gateway asks `may_send` immediately before every request; the desk's own pulse asks `look` once a second, so that a
desk that wakes up says what happened before anybody wants something of it. Nothing here undoes it: whoever lost the
account has no way of knowing what the other one did, so a person starts the desk again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from engine.messages import Msg

if TYPE_CHECKING:
    from engine.desk import Desk
    from engine.desk_account import DeskAccount

HANDS_OFF: Final = "hands off: another process has taken over this account"


class Fence:
    """One per account that a desk holds the lease of; the desk's other accounts go on."""

    def __init__(
        self, desk: Desk, account: DeskAccount, is_mine: Callable[[], bool], holder: Callable[[], str]
    ) -> None:
        """`holder()` says in words who has the account now."""
        self._desk = desk
        self._account = account
        self._is_mine = is_mine
        self._holder = holder
        account.gateway.may_send = self.may_send

    def may_send(self) -> bool:
        if self._account.gateway.is_fenced:
            return False
        if self._is_mine():
            return True
        self._close()
        return False

    def look(self) -> None:
        """Without a request at hand."""
        self.may_send()

    def _close(self) -> None:
        desk, account = self._desk, self._account
        account.gateway.is_fenced = True
        detail = self._holder()

        def tell(_now_ns: int) -> None:
            account.fenced = f"{HANDS_OFF} ({detail})"
            account.say(Msg.FENCED, detail=detail)
            desk.out.raise_alarm(account.alarm_id("lease"), account.words(f"{HANDS_OFF}: {detail}"))

        desk.step(tell)
