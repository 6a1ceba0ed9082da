"""What the desk does when it learns that it stood still: old prices are stale, the books are read, people hear it.

Whatever came in while nobody looked is judged as old until a new tick is there (M1, X1, PRC-09).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.messages import Msg

if TYPE_CHECKING:
    from engine.desk import Desk


def note_stall(desk: Desk, ms: int, stack: str) -> None:
    """Called once, when the loop moves again; `stack` says where it stood."""

    def note(now_ns: int) -> None:
        desk.say(Msg.STALL, ms=ms, stack=stack)
        # Just past fresh, and not older: the clock of blindness counts from the last real price on its own.
        stale_ns = now_ns - max(bot.max_tick_age_ns for bot in desk.bots.values()) - 1
        for book in desk.prices.values():
            book.at_ns = min(book.at_ns, stale_ns)

    desk.step(note)
    for account in desk.accounts.values():
        account.reader.reconcile()
