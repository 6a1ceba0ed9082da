"""One trading account of a desk: its port, its gateway, its books, and what of the desk's bots happens in it.

A desk has one loop, one journal and one commit per step for all of its accounts. What a broker knows, accepts and
answers is kept apart here: the rate limit, the path's health, the reads and what follows from them. A push or a book of
one account is never held against orders of another.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from engine.desk_reads import BookReader
from engine.gateway import Gateway
from engine.messages import Msg
from engine.order import Order, OrderState, Trade
from engine.port import BrokerPort, OrderReport

if TYPE_CHECKING:
    from engine.bot import Bot
    from engine.bracket import Bracket
    from engine.desk import Desk


class DeskAccount:
    """Built by the desk, one for each of its ports."""

    def __init__(self, desk: Desk, port: BrokerPort) -> None:
        self._desk = desk
        self.account_id = port.account_id
        self.port = port
        self.gateway = Gateway(
            port, desk.clock, desk.parts.limits, desk.blotter.orders, desk.on_answer, desk.on_withdrawn
        )
        self.gateway.sending = desk.metrics.sending
        self.gateway.fits = desk.fits
        self.reader = BookReader(desk, self)
        self.recovered = False
        """Its first reconciliation is done (R4)."""
        self.mismatch = ""
        """Its position differences, in words."""
        self.fenced = ""
        """Another process has taken it over: in words, for good (`engine.fence`)."""

    @property
    def is_main(self) -> bool:
        return self._desk.main is self

    @property
    def path_is_down(self) -> bool:
        """The broker does not answer our requests."""
        return bool(self.gateway.path_error)

    # --- what the broker tells ------------------------------------------------------------------------------------

    def on_report(self, report: OrderReport) -> None:
        """A pushed order update."""
        self._desk.step(lambda now: self.merge([report], [], now))
        self.reader.note_update(report)

    def on_trade(self, trade: Trade) -> None:
        """A pushed trade record."""
        self._desk.step(lambda now: self._take_trade(trade, now))

    def _take_trade(self, trade: Trade, now_ns: int) -> None:
        self.merge([], [trade], now_ns)
        self.reader.reconciler.hear_trade(trade)

    def merge(
        self,
        reports: Sequence[OrderReport],
        trades: Sequence[Trade],
        now_ns: int,
        *,
        read_ns: int = 0,
        recovered: bool = False,
    ) -> None:
        """Take in pushes, or whole books whose read began at `read_ns`: all is merged before anything is decided."""
        desk, blotter = self._desk, self._desk.blotter
        changed: dict[str, Order] = {}
        for report in reports:
            known = blotter.find(self.account_id, report)
            before = known.fingerprint() if known is not None else None
            order = blotter.apply_report(self.account_id, report, now_ns, read_ns=read_ns)
            if order is None or order.fingerprint() == before:
                continue  # a book that is read every few seconds mostly tells what we know
            changed[order.tag] = order
            if before is not None and before[0] is OrderState.UNKNOWN and order.state is not OrderState.UNKNOWN:
                desk.say_order(Msg.RESOLVED_ORDER, order, outcome=f"found, {order.state.value}")
        for trade in trades:
            order, is_new = blotter.apply_trade(self.account_id, trade, now_ns)
            if order is not None and is_new:
                changed[order.tag] = order
        for order, detail in blotter.take_disbelieved():
            desk.say_order(Msg.DISBELIEVED, order, detail=detail)
            if not read_ns:  # a book that says so is read again soon enough
                desk.accounts[order.account].reader.look_up(order.tag)
        desk.settle(list(changed.values()), now_ns, recovered=recovered)

    # --- what of ours is here ---------------------------------------------------------------------------------------

    @property
    def bots(self) -> list[Bot]:
        """Those that trade here, in the order of the configuration."""
        return [bot for bot in self._desk.bots.values() if self.account_id in bot.places]

    @property
    def symbols(self) -> list[str]:
        """All that any bot may hold here, each once."""
        return list(dict.fromkeys(symbol for bot in self.bots for symbol in bot.places[self.account_id]))

    @property
    def holdings(self) -> list[tuple[str, str]]:
        """(symbol, product) of every position that may be ours: the broker nets these over all bots (CON-43)."""
        places = ((bot.places[self.account_id], bot.product) for bot in self.bots)
        return list(dict.fromkeys((symbol, product) for symbols, product in places for symbol in symbols))

    def brackets(self) -> Iterator[Bracket]:
        """Of the day, closed ones too."""
        for bot in self._desk.bots.values():
            yield from (bracket for bracket in bot.brackets.values() if bracket.body.account == self.account_id)

    def open_brackets(self) -> list[Bracket]:
        """Of all bots, bot by bot, oldest first."""
        return [bracket for bracket in self._desk.open_brackets() if bracket.body.account == self.account_id]

    def orders(self) -> list[Order]:
        """All that are in memory, oldest first."""
        return [order for order in self._desk.blotter.orders.values() if order.account == self.account_id]

    def live_orders(self) -> list[Order]:
        return [order for order in self._desk.blotter.live_orders() if order.account == self.account_id]

    @property
    def any_active(self) -> bool:
        """Some bot has something open, entering, or not yet proven flat here."""
        desk = self._desk
        names = [name for name, bot in desk.bots.items() if self.account_id in bot.places]
        return any(desk.decide(name, self._is_active_here) for name in names)

    def _is_active_here(self, bot: Bot) -> bool:
        if len(bot.places) == 1:
            return bot.any_active
        return any(bracket.body.account == self.account_id for bracket in bot.open_brackets())

    # --- words ------------------------------------------------------------------------------------------------------

    def words(self, text: str) -> str:
        """The text, with the account's name before it when there are several; an empty one stays empty."""
        return f"{self.account_id}: {text}" if text and len(self._desk.accounts) > 1 else text

    def alarm_id(self, kind: str) -> str:
        """Each account's alarms stand for themselves; the main one's have the plain name."""
        return kind if self.is_main else f"{kind}:{self.account_id}"

    def say(self, msg: Msg, *, symbol: str = "", tag: str = "", **fields: object) -> None:
        """A sentence about this account: signed by it when there are several, else by the desk."""
        source = self.account_id if len(self._desk.accounts) > 1 else ""
        self._desk.say(msg, source=source, symbol=symbol, tag=tag, **fields)
