"""Live orders at the broker that carry a tag of ours and stand in no journal of ours: never ignored (R3, STO-18).

The journal was deleted, is an old copy, or its disk had failed. An entry is cancelled at once: nobody would protect
what it buys. An exit rests on: when its position turns out to be ours it joins the bracket that takes the units over,
so that they are never without it; when there is no such position it is cancelled, because it would open one. Where the
policy is to alert only, nothing is touched and the trader is told. Pure; every method runs inside a step of the desk.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from engine.bot import Adopter, Bot
from engine.instant import NS_PER_S
from engine.messages import Msg
from engine.order import EXIT_ROLES, TERMINAL, Order, OrderState, Pending, Role
from engine.outbox import CancelOrder
from engine.plausible import implausible_report
from engine.port import OrderReport
from engine.reconcile import Key, OnUnexpected, key_of
from engine.tags import is_tag, role_of

if TYPE_CHECKING:
    from engine.desk import Desk
    from engine.desk_account import DeskAccount

REASON_LOST: Final = "found at the broker"
_LOOKS: Final = 2
"""Comparisons without a position of ours before an exit that waits for one is cancelled."""
_AGAIN_NS: Final = 3 * NS_PER_S


class LostOrders:
    """Orders that were found and belong to no bracket yet."""

    def __init__(self, desk: Desk, account: DeskAccount) -> None:
        self._desk = desk
        self._account = account
        self._waiting: dict[str, Order] = {}
        self.has_been_needed = False
        self._looks: dict[str, int] = {}
        self._asked_ns: dict[str, int] = {}

    @property
    def is_waiting(self) -> bool:
        """Some of them are live: the position book is to be read again soon."""
        return any(order.is_live and not order.bracket_id for order in self._waiting.values())

    def begin(self, reports: Sequence[OrderReport], now_ns: int) -> int:
        """Take in the first book; returns how many were found that are ours to manage."""
        desk, account_id, found = self._desk, self._account.account_id, 0
        reconciler = self._account.reader.reconciler
        for report in reports:
            is_ours = desk.blotter.find(account_id, report) is not None or report.tag in desk.blotter.forgotten
            if not is_tag(report.tag) or is_ours or report.state in TERMINAL or implausible_report(report):
                continue
            bot = reconciler.bot_for(report.symbol, report.product)
            if isinstance(bot, Adopter) and bot.on_unexpected is not OnUnexpected.ALERT:
                self._take(bot, report, now_ns)
                found += 1
            elif report.symbol in self._account.symbols:
                reconciler.freeze(report.symbol, f"{_words(report)} has a tag of ours: cancel or keep it")
        self.settle(now_ns)
        return found

    def _take(self, bot: Bot, report: OrderReport, now_ns: int) -> None:
        desk = self._desk
        order = Order(
            tag=report.tag,
            account=self._account.account_id,
            bracket_id="",
            bot=bot.name,
            role=role_of(report.tag) or Role.EXIT,
            symbol=report.symbol,
            exchange=bot.instruments[report.symbol].exchange,
            product=report.product,
            side=report.side,
            type=report.type,
            qty=report.qty,
            limit_paise=report.limit_paise,
            trigger_paise=report.trigger_paise,
            reason=REASON_LOST,
            state=OrderState.UNKNOWN,
            intended_ns=now_ns,
            state_ns=now_ns,
        )
        desk.blotter.add(order)
        desk.blotter.apply_report(self._account.account_id, report, now_ns)
        self._waiting[order.tag] = order
        self.has_been_needed = True
        desk.say(Msg.LOST_ORDER, symbol=order.symbol, tag=order.tag, source=bot.name, text=_words(report))
        desk.settle([order], now_ns)

    def closing(self, key: Key, net_qty: int) -> list[Order]:
        """Exits that close a position of these signed units: the bracket that takes the units over takes them too."""
        return [
            order
            for order in self._waiting.values()
            if order.is_live
            and order.role in EXIT_ROLES
            and order.side.sign * net_qty < 0
            and key_of(order.symbol, order.product) == key
        ]

    def settle(self, now_ns: int, *, compared: bool = False) -> None:
        """Cancel what nothing can come of any more. `compared`: the position book was just held against ours."""
        for order in list(self._waiting.values()):
            if order.is_terminal or order.bracket_id:
                del self._waiting[order.tag]
            elif order.role not in EXIT_ROLES or self._has_no_position(order, compared=compared):
                self._cancel(order, now_ns)

    def _has_no_position(self, order: Order, *, compared: bool) -> bool:
        reconciler = self._account.reader.reconciler
        if compared:
            in_doubt = reconciler.is_in_doubt(key_of(order.symbol, order.product))
            self._looks[order.tag] = 0 if in_doubt else self._looks.get(order.tag, 0) + 1
        return self._looks.get(order.tag, 0) >= _LOOKS

    def _cancel(self, order: Order, now_ns: int) -> None:
        desk = self._desk
        is_early = now_ns < self._asked_ns.get(order.tag, -_AGAIN_NS) + _AGAIN_NS
        if order.pending is not Pending.NONE or not order.broker_id or is_early:
            return
        self._asked_ns[order.tag] = now_ns
        order.pending, order.pending_since_ns = Pending.CANCEL, now_ns
        context = f"{order.symbol}_lost"
        desk.out.commands.append(CancelOrder(tag=order.tag, context=context))
        desk.say(
            Msg.CANCEL, source=order.bot, symbol=order.symbol, tag=order.tag, role=order.role.value, context=context
        )


def _words(report: OrderReport) -> str:
    role = role_of(report.tag)
    what = f"{role.value} " if role else ""
    return f"{what}{report.side.value} {report.qty} {report.symbol} {report.state.value}, {report.tag}"
