"""Prices that the broker tells otherwise than the trade records do: told once, and taken where ours was assumed. Pure.

The trade book is the truth about money (UPD-11, HRD-16). Every method runs inside a step of the desk.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from engine.bracket import Bracket
from engine.messages import Msg
from engine.money import rupees_text
from engine.order import OPENING_ROLES, Order
from engine.port import OrderReport
from engine.reconcile import Key, OwnRow, Verdict

if TYPE_CHECKING:
    from engine.desk import Desk
    from engine.desk_account import DeskAccount


class AverageCheck:
    """Remembers what was told."""

    def __init__(self, desk: Desk, account: DeskAccount) -> None:
        self._desk = desk
        self._account = account
        self._priced: set[tuple[Key, int]] = set()
        self._odd: set[str] = set()

    def take_position(self, verdict: Verdict, own: OwnRow, brackets: Sequence[Bracket]) -> None:
        """A price of ours that rests on trade records stays; an assumed one becomes theirs (HRD-16)."""
        name = (verdict.key, verdict.average_paise)
        if name in self._priced:
            return
        self._priced.add(name)
        desk = self._desk
        ours, theirs = rupees_text(own.average_paise), rupees_text(verdict.average_paise)
        self._account.say(Msg.PRICE_MISMATCH, symbol=verdict.symbol, ours=ours, theirs=theirs)
        if own.is_price_proven:
            return
        for bracket in brackets:
            for order in assumed_entries(bracket):
                order.provisional_paise = verdict.average_paise
                desk.note_changed([order])
                bracket.on_order(order, desk.clock.now_ns(), desk.out)

    def check_reports(self, reports: Sequence[OrderReport]) -> None:
        """A report that says otherwise than its order's trades is told once (UPD-11)."""
        for report in reports:
            order = self._desk.blotter.find(self._account.account_id, report)
            if order is None or order.is_provisional or order.filled_qty != report.filled_qty or not order.filled_qty:
                continue
            off = abs(order.average_paise - report.average_paise) if report.average_paise else 0
            if off > 1 and order.tag not in self._odd:
                self._odd.add(order.tag)
                ours, theirs = rupees_text(order.average_paise), rupees_text(report.average_paise)
                self._account.say(Msg.ODD_AVERAGE, symbol=order.symbol, tag=order.tag, trades=ours, report=theirs)


def assumed_entries(bracket: Bracket) -> list[Order]:
    """Orders that opened it whose price is not proven by trade records yet."""
    return [order for order in bracket.mine if order.role in OPENING_ROLES and order.is_provisional]
