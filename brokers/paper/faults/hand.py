"""People at the exchange: the trader in the broker's own app, a stranger on the account, the broker's risk desk.

They act directly on the account, under tags that are none of ours; the desk learns of it as of any broker's news. A
deed whose time has come waits for something to be done to, and is given up when its patience ends.
"""

from __future__ import annotations

from contextlib import suppress
from itertools import count
from typing import Final

from brokers.paper.exchange import PaperExchange
from brokers.paper.faults.knob import Door, Effect
from brokers.paper.faults.plan import FaultPlan, Rule
from brokers.paper.faults.venue import FaultyVenue
from brokers.paper.ledger import STOPS, RecordFailed
from engine.instant import NS_PER_MS, NS_PER_S, clock_text
from engine.money import ceil_to_tick, floor_to_tick
from engine.order import OrderType, Role, Side
from engine.port import Acked, Clock, OrderChange, OrderRequest
from engine.tags import role_of
from engine.tick import NO_TICK

_LOOK_AGAIN_NS: Final = 500 * NS_PER_MS
_FOREIGN_LIFE_NS: Final = 60 * NS_PER_S
"""A stranger takes his far-away order back after a minute."""
_PROTECTION_PERCENT: Final = 10
"""How far a hand lets a market order run; the exchange's own limits may be nearer."""
_OTHER_PRODUCT: Final = {"MIS": "NRML", "NRML": "MIS"}


class Hand:
    """Everybody but the desk. `start` sets the timers of the plan's deeds; each can also be called directly.

    Every deed returns what was done in words, or nothing when there was nothing to do it to.
    """

    def __init__(self, exchange: PaperExchange, account_id: str, clock: Clock, plan: FaultPlan) -> None:
        self._exchange = exchange
        self._account_id = account_id
        self._clock = clock
        self._plan = plan
        self._venue = FaultyVenue(exchange, account_id, clock, plan)
        self._numbers = count(1)

    def start(self) -> None:
        for rule in self._plan.timed(Door.HAND):
            self._clock.call_at(max(rule.from_ns, self._clock.now_ns()), lambda rule=rule: self._try(rule))

    def _try(self, rule: Rule) -> None:
        now_ns = self._clock.now_ns()
        if now_ns >= self._plan.until(rule.until_ns):
            return
        what = ""
        with suppress(RecordFailed):  # the account's file is busy: nothing was told to anybody, look again
            what = self.do(rule)
        if what:
            self._plan.note(rule.knob, now_ns, what)
        else:
            self._clock.call_at(now_ns + _LOOK_AGAIN_NS, lambda: self._try(rule))

    def do(self, rule: Rule) -> str:
        """One deed, now."""
        symbol, amount = rule.symbol, rule.amount
        match rule.knob.effect:
            case Effect.CLOSE | Effect.OPPOSE:
                return self.close(symbol)
            case Effect.REDUCE:
                return self.trade_lots(-amount, symbol)
            case Effect.ADD:
                return self.trade_lots(amount, symbol)
            case Effect.CANCEL_STOP:
                return self.cancel(Role.STOP, symbol)
            case Effect.MODIFY_ORDER:
                return self.modify(amount, symbol, rule.role)
            case Effect.FOREIGN:
                return self.place_foreign(amount, symbol)
            case Effect.CONVERT:
                return self.convert(symbol)
            case Effect.SQUARE_ALL:
                return self.square_off(symbol)
            case Effect.SQUARE_PART:
                return self.square_part(amount, symbol)
            case Effect.SQUARE_NOT:
                return f"no square-off at {clock_text(self._clock.now_ns())}"
            case Effect.KILL:
                return f"{self.cancel_all()} orders cancelled"
            case Effect.BUST:
                return self.bust(symbol)
            case Effect.FILL_BOTH_EXITS:
                return self.fill_both_exits(symbol)
            case Effect.FILL_PART_TARGET:
                return self.fill_part_of_target(amount, symbol)
            case effect:
                raise ValueError(f"fault {rule.knob.knob}: {effect.value} is no deed")

    # --- positions ------------------------------------------------------------------------------------------------

    def close(self, symbol: str = "") -> str:
        """The whole position, at market; our own orders are left where they are."""
        held = self._position(symbol)
        return self._trade(*held, -held[2]) if held else ""

    def trade_lots(self, lots: int, symbol: str = "") -> str:
        """Add lots to a position, or (negative) take them off; never the last ones, that is `close`."""
        held = self._position(symbol)
        if held is None:
            return ""
        units = lots * self._lot(held[0])
        if units < 0 and -units >= abs(held[2]):
            return ""
        return self._trade(*held, units if held[2] > 0 else -units)

    def square_off(self, symbol: str = "") -> str:
        """The risk desk: every order of the account cancelled, then every position closed."""
        if self._position(symbol) is None:
            return ""
        cancelled = self.cancel_all(symbol)
        done: list[str] = []
        while (held := self._position(symbol)) is not None and (what := self._trade(*held, -held[2])):
            done.append(what)
        return f"{cancelled} orders cancelled; {'; '.join(done)}" if done else ""

    def square_part(self, percent: int, symbol: str = "") -> str:
        """The risk desk sells this share of a position, at least one lot; our orders stay."""
        held = self._position(symbol)
        if held is None:
            return ""
        lot = self._lot(held[0])
        units = max(lot, abs(held[2]) * percent // 100 // lot * lot)
        units = min(units, abs(held[2]))
        return self._trade(*held, -units if held[2] > 0 else units)

    def convert(self, symbol: str = "") -> str:
        held = self._position(symbol)
        if held is None or held[1] not in _OTHER_PRODUCT:
            return ""
        other = _OTHER_PRODUCT[held[1]]
        self._venue.ledger.convert((held[0], held[1]), other)
        return f"{held[0]} {held[2]:+d} {held[1]} to {other}"

    def bust(self, symbol: str = "") -> str:
        """Take back the newest trade of ours."""
        ledger = self._venue.ledger
        for trade in reversed(ledger.trades):
            order = ledger.orders.get(trade.broker_id)
            if order is not None and role_of(trade.tag) is not None and symbol in ("", trade.symbol):
                ledger.bust(trade, order.product)
                return f"{trade.trade_id} {trade.symbol} {trade.side.value} {trade.qty} taken back"
        return ""

    # --- orders ---------------------------------------------------------------------------------------------------

    def cancel(self, role: Role = Role.STOP, symbol: str = "") -> str:
        for order in self._venue.ours(role, symbol=symbol):
            self._exchange.cancel(self._account_id, order.broker_id, self._clock.now_ns())
            return f"{order.tag} {order.symbol} {role.value} cancelled"
        return ""

    def cancel_all(self, symbol: str = "") -> int:
        orders = [order for order in self._venue.ledger.live.values() if symbol in ("", order.symbol)]
        for order in orders:
            self._exchange.cancel(self._account_id, order.broker_id, self._clock.now_ns())
        return len(orders)

    def modify(self, ticks: int, symbol: str = "", role: Role | None = None) -> str:
        """Move a stop or a target of ours so many ticks away from the market."""
        for order in self._venue.ours(*([role] if role else [Role.STOP, Role.TARGET]), symbol=symbol):
            book = self._exchange.book(order.symbol)
            is_stop = order.type in STOPS
            step = ticks * (book.instrument.tick_paise if book else 1) * order.side.sign * (1 if is_stop else -1)
            change = OrderChange(
                tag=order.tag,
                broker_id=order.broker_id,
                type=order.type,
                qty=order.qty,
                limit_paise=order.limit_paise + step if order.limit_paise else 0,
                trigger_paise=order.trigger_paise + step if is_stop else 0,
            )
            if isinstance(self._exchange.modify(self._account_id, change, self._clock.now_ns()), Acked):
                return f"{order.tag} {order.symbol} moved by {step} paise"
        return ""

    def place_foreign(self, lots: int, symbol: str = "") -> str:
        """A buy order so far away that it never trades; taken back after a minute."""
        books = [book for book in self._exchange.books() if book.tick is not NO_TICK]
        book = next((book for book in books if symbol in ("", book.instrument.symbol)), None)
        if book is None:
            return ""
        facts = book.instrument
        answer = self._place(facts.symbol, "NRML", Side.BUY, lots * facts.lot_size, facts.tick_paise, OrderType.LIMIT)
        if answer is None:
            return ""
        now_ns = self._clock.now_ns()
        take_back_ns = self._plan.until(now_ns + _FOREIGN_LIFE_NS)
        self._clock.call_at(
            take_back_ns, lambda: (self._exchange.cancel(self._account_id, answer.broker_id, take_back_ns), None)[1]
        )
        return f"foreign order {answer.broker_id} {facts.symbol} BUY {lots * facts.lot_size}"

    def fill_both_exits(self, symbol: str = "") -> str:
        """Target and stop of one contract fill in the same instant: no cancel can come between."""
        for target in self._venue.ours(Role.TARGET, symbol=symbol):
            stops = [order for order in self._venue.ours(Role.STOP, symbol=target.symbol) if order.side is target.side]
            if stops:
                units = self._venue.fill(target), self._venue.fill(stops[0])
                return f"{target.symbol} target {units[0]} and stop {units[1]} both filled"
        return ""

    def fill_part_of_target(self, lots: int, symbol: str = "") -> str:
        for target in self._venue.ours(Role.TARGET, symbol=symbol):
            units = lots * self._lot(target.symbol)
            if units < target.remaining_qty and self._venue.fill(target, units):
                return f"{target.tag} {target.symbol} {units} of {target.qty} filled"
        return ""

    # --- acting ---------------------------------------------------------------------------------------------------

    def _position(self, symbol: str) -> tuple[str, str, int] | None:
        """The first open position: symbol, product and signed units."""
        for (name, product), holding in sorted(self._venue.ledger.holdings.items()):
            if holding.net_qty and symbol in ("", name):
                return name, product, holding.net_qty
        return None

    def _trade(self, symbol: str, product: str, held: int, units: int) -> str:
        """Buy (or, negative, sell) at market by hand; what the touch does not take, a counterparty takes at once."""
        book = self._exchange.book(symbol)
        if book is None or not book.tick.ltp_paise or not units:
            return ""
        side, qty = (Side.BUY if units > 0 else Side.SELL), abs(units)
        last, tick_paise = book.tick.ltp_paise, book.instrument.tick_paise
        away = last * (100 + side.sign * _PROTECTION_PERCENT) // 100
        limit = ceil_to_tick(away, tick_paise) if side is Side.BUY else max(tick_paise, floor_to_tick(away, tick_paise))
        answer = self._place(symbol, product, side, qty, limit, OrderType.MARKET)
        if answer is None:
            return ""
        order = self._venue.order(answer.broker_id)
        if order is not None:
            self._venue.fill(order)
        return f"{symbol} {side.value} {qty} of {held:+d} by hand"

    def _place(
        self, symbol: str, product: str, side: Side, qty: int, limit_paise: int, kind: OrderType
    ) -> Acked | None:
        book = self._exchange.book(symbol)
        ledger = self._venue.ledger
        tag = next(tag for number in self._numbers if (tag := f"HAND{number:05d}") not in ledger.tags)
        request = OrderRequest(
            tag=tag,
            symbol=symbol,
            exchange=book.instrument.exchange if book else "",
            product=product,
            side=side,
            type=kind,
            qty=qty,
            limit_paise=limit_paise,
            trigger_paise=0,
        )
        answer = self._exchange.place(self._account_id, request, self._clock.now_ns())
        return answer if isinstance(answer, Acked) else None

    def _lot(self, symbol: str) -> int:
        book = self._exchange.book(symbol)
        return book.instrument.lot_size if book else 1
