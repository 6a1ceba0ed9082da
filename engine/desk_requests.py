"""Carries out the trader's requests on the desk, once each, and keeps their progress for the arm bar."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from engine.config.errors import ConfigError
from engine.instrument import Instrument
from engine.legs import REASON_MANUAL, REASON_ZERO
from engine.messages import Msg
from engine.money import rupees_text
from engine.operator import (
    Acknowledge,
    CancelAll,
    CancelOrder,
    CancelScope,
    Enter,
    ExitLeg,
    Note,
    PauseEntries,
    ReconcileNow,
    ReloadConfig,
    Request,
    ZeroOut,
)
from engine.order import Order, Role, Side
from engine.view import ActionView

if TYPE_CHECKING:
    from engine.desk import Desk

_ACTIONS_KEPT = 6
_IDS_KEPT = 500


class Action(msgspec.Struct, kw_only=True):
    """One request under way; its progress is derived from the legs and orders it named."""

    request_id: str
    text: str
    sent_ns: int
    symbols: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    until_flat: bool = False
    failed: str = ""


class TraderRequests:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._seen: deque[str] = deque(maxlen=_IDS_KEPT)
        self.actions: deque[Action] = deque(maxlen=_ACTIONS_KEPT)

    def handle(self, request: Request) -> None:
        """Do it; a request id that was seen before does nothing (HUM-06)."""
        if request.request_id in self._seen:
            return
        self._seen.append(request.request_id)
        self._desk.step(lambda now: self._do(request, now))

    def why_not(self, request: Request, now_ns: int) -> str:
        """Why the engine would refuse it now; empty when it would act. Exits are refused only when there is nothing."""
        desk = self._desk
        if stranger := self._stranger(request):
            return stranger
        match request:
            case Enter(side=Side.SELL):
                return "short legs are switched off (allow_short=false)"
            case Enter(symbols=symbols, lots=lots):
                names = symbols or tuple(desk.bot.legs)
                block = desk.entry_block(now_ns)
                return block or desk.bot.entry_reason(names, lots or desk.bot.terms.lots, now_ns)
            case ExitLeg(symbol=symbol):
                leg = desk.bot.legs.get(symbol)
                if leg is None or not leg.is_active:
                    return "this leg is flat"
                return "an exit is under way" if leg.bracket is not None and leg.bracket.body.exit_reason else ""
            case ZeroOut():
                return "" if desk.bot.any_leg_active else "nothing is open and nothing is working"
            case CancelAll():
                return "" if self._in_scope(request) else "no working order in scope"
            case CancelOrder(tag=tag):
                order = desk.blotter.orders.get(tag)
                return "" if order is not None and order.is_live else "this order is finished"
            case ReloadConfig():
                return "" if desk.parts.reload_terms is not None else "started without a config file"
            case Acknowledge():
                return "" if desk.alarm_board.awaits_acknowledgement else "no alarm is waiting"
            case _:
                return ""

    def describe(self, request: Request) -> str:
        """What it would do now, in numbers, for the arm bar."""
        desk = self._desk
        if stranger := self._stranger(request):
            return stranger
        match request:
            case Enter(side=side, symbols=symbols, lots=lots):
                names = symbols or tuple(desk.bot.legs)
                parts = [self._entry_text(desk.prices[name].instrument, lots or desk.bot.terms.lots) for name in names]
                return f"{side.value} " + " + ".join(parts)
            case ExitLeg(symbol=symbol):
                return self._exit_text(symbol)
            case ZeroOut():
                orders = len(desk.blotter.live_orders())
                legs = [leg for leg in desk.bot.legs.values() if leg.bracket and leg.bracket.open_qty > 0]
                held = ", ".join(f"{leg.instrument.short_name} {leg.bracket.open_qty}" for leg in legs if leg.bracket)
                return f"cancel {orders} orders, then exit {len(legs)} legs" + (f" ({held})" if held else "")
            case CancelAll(scope=scope):
                return self._cancel_text(request, scope)
            case CancelOrder(tag=tag):
                order = desk.blotter.orders.get(tag)
                return f"cancel {_order_text(order)}" if order else "no such order"
            case PauseEntries(paused=paused):
                return "pause entries" if paused else "resume entries"
            case ReconcileNow():
                return "read orders, trades and positions now"
            case ReloadConfig():
                return "read the config file again"
            case Acknowledge():
                return "acknowledge alarms"
            case Note(text=text):
                return text

    def _stranger(self, request: Request) -> str:
        """A request for a symbol that is no leg of this desk, in words; empty when there is none."""
        match request:
            case Enter(symbols=symbols) | CancelAll(symbols=symbols):
                names = symbols
            case ExitLeg(symbol=symbol):
                names = (symbol,)
            case _:
                names = ()
        return next((f"{name} is no leg of this desk" for name in names if name not in self._desk.bot.legs), "")

    def views(self, now_ns: int) -> tuple[ActionView, ...]:
        """Newest first; done counts legs that are flat and orders that are finished."""
        del now_ns
        return tuple(self._view(action) for action in reversed(self.actions))

    # --- doing --------------------------------------------------------------------------------------------------

    def _do(self, request: Request, now_ns: int) -> None:
        text = f"{_title(request)}{self.describe(request)}"
        reason = self.why_not(request, now_ns)
        if isinstance(request, Note):
            self._desk.say(Msg.OPERATOR, text=text)
            return
        action = Action(request_id=request.request_id, text=text, sent_ns=now_ns)
        self.actions.append(action)
        if reason:
            action.failed = reason
            self._desk.say(Msg.REFUSED_REQUEST, text=text, reason=reason)
            return
        self._desk.say(Msg.OPERATOR, text=text)
        self._act(request, action, now_ns)

    def _act(self, request: Request, action: Action, now_ns: int) -> None:
        desk, bot, out = self._desk, self._desk.bot, self._desk.out
        match request:
            case Enter(side=side, symbols=symbols, lots=lots):
                action.symbols = symbols or tuple(bot.legs)
                action.failed = bot.enter(action.symbols, side, lots or bot.terms.lots, now_ns, out)
            case ExitLeg(symbol=symbol):
                action.symbols, action.until_flat = (symbol,), True
                bot.exit_leg(symbol, REASON_MANUAL, now_ns, out)
            case ZeroOut():
                action.symbols, action.until_flat = tuple(bot.legs), True
                self._pause(True, "zero out")
                bot.square_off(REASON_ZERO, now_ns, out)
            case CancelAll():
                action.tags = tuple(order.tag for order in self._in_scope(request))
                self._cancel_all(request, now_ns)
            case CancelOrder(tag=tag):
                action.tags = (tag,)
                self._cancel_one(desk.blotter.orders[tag], now_ns)
            case PauseEntries(paused=paused):
                self._pause(paused, "key")
            case ReconcileNow():
                desk.reader.reconcile()
            case ReloadConfig():
                self._reload(action)
            case Acknowledge():
                desk.alarm_board.acknowledge(now_ns)
            case Note():
                pass

    def _pause(self, paused: bool, why: str) -> None:
        self._desk.is_paused = paused
        if paused:
            self._desk.say(Msg.PAUSED, why=why)
        else:
            self._desk.say(Msg.RESUMED)

    def _cancel_all(self, request: CancelAll, now_ns: int) -> None:
        for leg in self._desk.bot.legs.values():
            if leg.bracket is None or (request.symbols and leg.symbol not in request.symbols):
                continue
            leg.bracket.cancel_entry(now_ns, self._desk.out)
            if request.scope is CancelScope.ALL and leg.bracket.open_qty > 0:
                leg.bracket.watch_here(now_ns, self._desk.out)

    def _cancel_one(self, order: Order, now_ns: int) -> None:
        """One order: an entry is taken back; a protective one means the leg is watched here from now on."""
        bracket = self._desk.bot.brackets.get(order.bracket_id)
        if bracket is None:
            return
        if order.role is Role.ENTRY:
            bracket.cancel_entry(now_ns, self._desk.out)
        elif order.role in (Role.TARGET, Role.STOP):
            bracket.watch_here(now_ns, self._desk.out)

    def _in_scope(self, request: CancelAll) -> list[Order]:
        roles = {Role.ENTRY} if request.scope is CancelScope.ENTRIES else {Role.ENTRY, Role.TARGET, Role.STOP}
        return [
            order
            for order in self._desk.blotter.live_orders()
            if order.role in roles and (not request.symbols or order.symbol in request.symbols)
        ]

    def _reload(self, action: Action) -> None:
        """New terms count for the next position; open ones keep theirs. A bad file changes nothing (OPS-13, CFG-01)."""
        reload_terms: Callable[[], tuple[object, str, str]] | None = self._desk.parts.reload_terms
        if reload_terms is None or self._desk.parts.reload_terms is None:
            return
        try:
            terms, applied, restart = self._desk.parts.reload_terms()
        except ConfigError as error:
            action.failed = str(error).splitlines()[0]
            self._desk.say(Msg.CONFIG_REFUSED, reason=action.failed)
            return
        self._desk.bot.terms = terms
        self._desk.say(Msg.CONFIG_RELOADED, applied=applied or "nothing", restart=restart or "nothing")

    # --- words --------------------------------------------------------------------------------------------------

    def _entry_text(self, instrument: Instrument, lots: int) -> str:
        tick = self._desk.prices[instrument.symbol].tick
        ask = rupees_text(tick.ask_paise or tick.ltp_paise)
        return f"{instrument.short_name} {lots * instrument.lot_size} ({lots} lot) ask {ask}"

    def _exit_text(self, symbol: str) -> str:
        leg = self._desk.bot.legs[symbol]
        name = leg.instrument.short_name
        if leg.bracket is None or not leg.is_active:
            return "flat"
        if leg.bracket.open_qty <= 0:
            return "take back the entry"
        now_ns = self._desk.clock.now_ns()
        limit = leg.bracket.marketable(Side.SELL, now_ns)
        tick = leg.price.tick
        stale = not leg.price.is_fresh(now_ns, leg.bracket.body.terms.max_tick_age_ns)
        age = f", price {leg.price.age_ns(now_ns) / 1e9:.0f}s old, band wider" if stale else ""
        bid = rupees_text(tick.bid_paise or tick.ltp_paise)
        return f"SELL {leg.bracket.open_qty} {name}, limit {rupees_text(limit)} (bid {bid}{age})"

    def _cancel_text(self, request: CancelAll, scope: CancelScope) -> str:
        orders = self._in_scope(request)
        entries = sum(1 for order in orders if order.role is Role.ENTRY)
        if scope is CancelScope.ENTRIES:
            kept = sum(1 for order in self._desk.blotter.live_orders() if order.role in (Role.STOP, Role.TARGET))
            return f"cancel {entries} entry order(s), KEEPS {kept} protective"
        naked = sorted({order.symbol for order in orders if order.role is Role.STOP})
        names = " ".join(self._desk.prices[symbol].instrument.short_name for symbol in naked)
        return f"cancel {len(orders)} orders, protective too" + (f": {names} watched here only" if names else "")

    def _view(self, action: Action) -> ActionView:
        desk = self._desk
        done = total = 0
        if action.until_flat:
            total = len(action.symbols)
            done = sum(1 for symbol in action.symbols if not desk.bot.legs[symbol].is_active)
        elif action.symbols:
            total = len(action.symbols)
            legs = [desk.bot.legs[symbol] for symbol in action.symbols]
            done = sum(1 for leg in legs if leg.bracket is not None and leg.bracket.filled(Role.ENTRY))
        elif action.tags:
            total = len(action.tags)
            orders = desk.blotter.orders
            done = sum(1 for tag in action.tags if tag not in orders or orders[tag].is_terminal)
        return ActionView(
            request_id=action.request_id,
            text=action.text,
            sent_ns=action.sent_ns,
            done=done,
            total=total,
            finished=done >= total,
            failed=action.failed,
        )


def _title(request: Request) -> str:
    """What the log puts before the numbers; the arm bar has titles of its own."""
    match request:
        case ExitLeg():
            return "exit: "
        case ZeroOut():
            return "zero out: "
        case _:
            return ""


def _order_text(order: Order) -> str:
    price = rupees_text(order.trigger_paise or order.limit_paise)
    return f"{order.side.value} {order.remaining_qty} {order.symbol} {order.role.value} {price}"
