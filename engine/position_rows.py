"""Keeps rows of the broker's position book that cannot be read from deciding anything; each is told once.

Pure. A row without a symbol, of a product that this venue does not have, or with figures that no position has, is left
out. If it stands in a symbol of ours, units missing there may be those it hides: nothing is concluded from their
absence until the row is gone or the day's trades explain it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from engine.messages import Msg
from engine.plausible import POSITION_MAX, implausible_average, implausible_position
from engine.port import PositionReport

if TYPE_CHECKING:
    from engine.desk import Desk
    from engine.desk_account import DeskAccount

_TOLD_MAX: Final = 200
"""Rows told; a book gone mad does not fill the log."""
_SHOWN: Final = 40
"""Characters of a name that nobody knows."""


class PositionRows:
    """One per account."""

    def __init__(self, desk: Desk, account: DeskAccount) -> None:
        self._desk = desk
        self._account = account
        self._told: set[tuple[str, str]] = set()
        self._hidden: dict[str, set[int]] = {}
        """Symbol in capitals -> which sides the unreadable rows of the newest book are on; 0 = who knows."""

    def readable(self, rows: Sequence[PositionReport]) -> list[PositionReport]:
        """The rows of a book that was just read, without those that cannot be right."""
        products = self._account.port.rules.products
        self._hidden = {}
        kept: list[PositionReport] = []
        for row in rows:
            reason = implausible_position(row, products)
            if not reason:
                kept.append(self._with_average(row))
                continue
            self._tell(row, reason)
            if row.net_qty:
                side = 0 if abs(row.net_qty) > POSITION_MAX else (1 if row.net_qty > 0 else -1)
                self._hidden.setdefault(row.symbol.strip().upper(), set()).add(side)
        return kept

    def _with_average(self, row: PositionReport) -> PositionReport:
        """An average that cannot be is none; the units beside it count."""
        reason = implausible_average(row)
        if not reason:
            return row
        self._tell(row, reason)
        return msgspec.structs.replace(row, average_paise=0)

    def may_hide(self, symbol: str, qty: int) -> bool:
        """True when these signed units, missing from the book, may stand in one of its unreadable rows."""
        sides = self._hidden.get(symbol.strip().upper(), set())
        return 0 in sides or (1 if qty > 0 else -1) in sides

    def _tell(self, row: PositionReport, reason: str) -> None:
        key = (row.symbol[:_SHOWN], reason)
        if key in self._told or len(self._told) >= _TOLD_MAX:
            return
        self._told.add(key)
        self._desk.step(lambda _now: self._account.say(Msg.ODD_POSITION, symbol=row.symbol[:_SHOWN], detail=reason))
