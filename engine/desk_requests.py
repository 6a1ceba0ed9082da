"""Carries out the trader's requests on the desk, once each, and keeps their progress for the arm bar."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from engine.arming import is_unprotected
from engine.bot import REASON_MANUAL, REASON_ZERO, Bot
from engine.config.errors import ConfigError
from engine.fence import HANDS_OFF
from engine.grid_requests import GridRequests
from engine.instrument import Instrument
from engine.leg import Leg
from engine.legs import LegsBot
from engine.messages import Msg
from engine.money import rupees_text
from engine.operator import (
    Acknowledge,
    Adopt,
    CancelAll,
    CancelOrder,
    CancelScope,
    Enter,
    ExitBot,
    ExitLeg,
    ExitLevel,
    ExitSide,
    Note,
    PauseEntries,
    ReconcileNow,
    ReloadConfig,
    Request,
    ZeroOut,
)
from engine.order import Order, Role, Side
from engine.order_pricing import touch_paise
from engine.view import ActionView

if TYPE_CHECKING:
    from engine.desk import Desk
    from engine.desk_account import DeskAccount

_ACTIONS_KEPT = 6
_IDS_KEPT = 500
_SENDING = (Enter, ExitLeg, ExitLevel, ExitSide, ExitBot, ZeroOut, CancelAll, CancelOrder, Adopt)


class Action(msgspec.Struct, kw_only=True):
    """One request under way; its progress is derived from the legs and orders it named."""

    request_id: str
    text: str
    sent_ns: int
    legs: tuple[tuple[str, str], ...] = ()
    """(bot, symbol)."""
    tags: tuple[str, ...] = ()
    brackets: tuple[str, ...] = ()
    """Of a grid: those that shall be over."""
    until_flat: bool = False
    failed: str = ""


class Target(NamedTuple):
    """What a request means at one bot."""

    bot: Bot
    symbols: tuple[str, ...]

    @property
    def legs(self) -> list[Leg]:
        return [self.bot.legs[symbol] for symbol in self.symbols]


class TraderRequests:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.grids = GridRequests(desk)
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
        if isinstance(request, _SENDING) and self._is_fenced(request):
            return HANDS_OFF
        match request:
            case Enter():
                return self._why_not_enter(request, now_ns)
            case ExitLeg():
                active = [leg for leg in self._legs(request) if leg.is_active]
                if not active:
                    return "this leg is flat"
                return "" if any(leg.is_staying for leg in active) else "an exit is under way"
            case ZeroOut():
                return ""  # the kill switch acts whatever we believe to hold: entries stop in any case (OPS-23)
            case CancelAll():
                return "" if self._in_scope(request) else "no working order in scope"
            case CancelOrder(tag=tag):
                order = desk.blotter.orders.get(tag)
                if order is None or not order.is_live:
                    return "this order is finished"
                return self.grids.why_not_cancel(order)
            case ReloadConfig():
                return "" if desk.parts.reload_terms is not None else "started without a config file"
            case Acknowledge():
                told = any(account.reader.recovery.headline(now_ns) for account in desk.accounts.values())
                return "" if told or desk.alarm_board.awaits_acknowledgement else "no alarm is waiting"
            case ExitLevel() | ExitSide() | ExitBot():
                return self.grids.why_not_exit(request)
            case Adopt():
                return "" if self._unowned(request) else "the broker shows nothing unexpected in this symbol"
            case _:
                return ""

    def describe(self, request: Request) -> str:
        """What it would do now, in numbers, for the arm bar."""
        desk = self._desk
        if stranger := self._stranger(request):
            return stranger
        match request:
            case Enter(side=side, lots=lots):
                return f"{side.value} " + " + ".join(
                    self._entry_text(leg.instrument, side, lots or target.bot.lots)
                    for target in self._willing(request)
                    for leg in target.legs
                )
            case ExitLeg():
                texts = [self._exit_text(leg) for leg in self._legs(request) if leg.is_active]
                return "; ".join(texts) or "flat"
            case ZeroOut():
                orders = len(desk.blotter.live_orders())
                open_now = [bracket for bracket in desk.open_brackets() if bracket.open_qty > 0]
                held = ", ".join(f"{bracket.instrument.short_name} {bracket.net_qty:+d}" for bracket in open_now)
                return f"cancel {orders} orders, then exit {len(open_now)} legs" + (f" ({held})" if held else "")
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
            case ExitLevel() | ExitSide() | ExitBot():
                return self.grids.describe_exit(request)
            case Adopt():
                return self._adopt_text(request)
            case Note(text=text):
                return text

    def _stranger(self, request: Request) -> str:
        """A request for a bot or a symbol that this desk does not have, in words; empty when there is none."""
        match request:
            case Enter(symbols=symbols, bot=bot) | CancelAll(symbols=symbols, bot=bot):
                names = symbols
            case ExitLeg(symbol=symbol, bot=bot) | Adopt(symbol=symbol, bot=bot):
                names = (symbol,)
            case PauseEntries(bot=bot) | ExitLevel(bot=bot) | ExitSide(bot=bot) | ExitBot(bot=bot):
                names = ()
            case _:
                return ""
        bots = self._desk.bots
        if bot and bot not in bots:
            return f"{bot} is no bot of this desk"
        known = bots[bot].instruments if bot else self._desk.instruments
        whose = bot or "this desk"
        return next((f"{name} is no leg of {whose}" for name in names if name not in known), "")

    def _is_fenced(self, request: Request) -> bool:
        """Nothing of it could be sent: every account that it concerns is another process's now."""
        bot = (
            request.bot
            if isinstance(request, Enter | ExitLeg | ExitLevel | ExitSide | ExitBot | CancelAll | Adopt)
            else ""
        )
        return all(account.gateway.is_fenced for account in self._desk.accounts_of(bot))

    # --- whom it concerns -----------------------------------------------------------------------------------------

    def _targets(self, bot: str, symbols: Sequence[str]) -> list[Target]:
        """The named bot, or every bot that has one of the symbols; without symbols, all legs of each."""
        bots = [self._desk.bots[bot]] if bot else list(self._desk.bots.values())
        targets = [Target(one, tuple(s for s in symbols or one.legs if s in one.legs)) for one in bots]
        return [target for target in targets if target.symbols]

    def _legs(self, request: ExitLeg) -> list[Leg]:
        return [leg for target in self._targets(request.bot, (request.symbol,)) for leg in target.legs]

    def _entry_reason(self, target: Target, request: Enter, now_ns: int) -> str:
        block = self._desk.entry_block(now_ns, target.bot.name)
        lots, side = request.lots or target.bot.lots, request.side
        return block or self._desk.decide(
            target.bot.name, lambda bot: bot.entry_reason(target.symbols, side, lots, now_ns)
        )

    def _why_not_enter(self, request: Enter, now_ns: int) -> str:
        """Refused when nobody would enter; with several bots one may go where another may not."""
        targets = self._targets(request.bot, request.symbols)
        reasons = [self._entry_reason(target, request, now_ns) for target in targets]
        return "; ".join(dict.fromkeys(reasons)) if all(reasons) else ""

    def _willing(self, request: Enter) -> list[Target]:
        """The bots that would enter now; all of them when none would, for the words of the refusal."""
        targets, now_ns = self._targets(request.bot, request.symbols), self._desk.clock.now_ns()
        return [target for target in targets if not self._entry_reason(target, request, now_ns)] or targets

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
            if is_unprotected(reason):
                self._desk.say(Msg.ENTRY_UNPROTECTED, reason=reason)
            return
        self._desk.say(Msg.OPERATOR, text=text)
        self._act(request, action, now_ns)

    def _act(self, request: Request, action: Action, now_ns: int) -> None:
        desk, out = self._desk, self._desk.out
        match request:
            case Enter():
                self._enter(request, action, now_ns)
            case ExitLeg(symbol=symbol):
                action.until_flat = True
                for target in self._targets(request.bot, (symbol,)):
                    action.legs += ((target.bot.name, symbol),)
                    desk.decide(target.bot.name, lambda bot: bot.exit_leg(symbol, REASON_MANUAL, now_ns, out))
            case ZeroOut():
                action.until_flat = True
                action.legs = tuple((t.bot.name, symbol) for t in self._targets("", ()) for symbol in t.symbols)
                action.brackets = tuple(b.body.bracket_id for grid in self.grids.grids() for b in grid.open_brackets())
                self._pause(True, "zero out")
                desk.square_off(REASON_ZERO, now_ns)
            case ExitLevel() | ExitSide() | ExitBot():
                action.brackets = tuple(bracket.body.bracket_id for bracket in self.grids.brackets(request))
                self.grids.exit(request, now_ns)
            case CancelAll():
                action.tags = tuple(order.tag for order in self._in_scope(request))
                self._cancel_all(request, now_ns)
            case CancelOrder(tag=tag):
                action.tags = (tag,)
                self._cancel_one(desk.blotter.orders[tag], now_ns)
            case PauseEntries(paused=paused, bot=bot):
                self._pause(paused, "key", bot)
            case ReconcileNow():
                for account in desk.accounts.values():
                    account.reader.reconcile()
            case ReloadConfig():
                self._reload(action)
            case Acknowledge():
                desk.alarm_board.acknowledge(now_ns)
                for account in desk.accounts.values():
                    account.reader.recovery.acknowledge()
            case Adopt(symbol=symbol):
                _, account, _ = self._unowned(request)[0]
                account.reader.adopt(symbol)
            case Note():
                pass

    def _enter(self, request: Enter, action: Action, now_ns: int) -> None:
        refused: list[str] = []
        for target in self._willing(request):
            lots = request.lots or target.bot.lots
            reason = self._desk.decide(
                target.bot.name,
                lambda bot, t=target, lots=lots: bot.enter(t.symbols, request.side, lots, now_ns, self._desk.out),
            )
            if reason:
                refused.append(reason)
            else:
                action.legs += tuple((target.bot.name, symbol) for symbol in target.symbols)
        action.failed = "; ".join(dict.fromkeys(refused))

    def _pause(self, paused: bool, why: str, bot: str = "") -> None:
        desk = self._desk
        if bot:
            desk.seats[bot].is_paused = paused
        else:
            desk.is_paused = paused
        if not bot and not paused:
            for account in desk.accounts.values():
                account.reader.recovery.resume()
            for seat in desk.seats.values():
                seat.is_paused = False  # the whole desk resumes
        if paused:
            desk.say(Msg.PAUSED, source=bot, why=why)
        else:
            self.grids.resume(bot)
            desk.say(Msg.RESUMED, source=bot)

    def _cancel_all(self, request: CancelAll, now_ns: int) -> None:
        self.grids.cancel_all(request, now_ns)
        for bracket in self._desk.open_brackets():
            whose = bracket.body.bot
            if self.grids.grid(whose) is not None or not _concerns(request, whose, bracket.body.symbol):
                continue
            bracket.cancel_entry(now_ns, self._desk.out)
            if request.scope is CancelScope.ALL and bracket.open_qty > 0:
                bracket.watch_here(now_ns, self._desk.out)

    def _cancel_one(self, order: Order, now_ns: int) -> None:
        """One order: an entry is taken back; a protective one means the leg is watched here from now on."""
        bracket = self._desk.bracket(order.bracket_id)
        if bracket is None or self.grids.cancel_one(order, now_ns):
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
            if order.role in roles
            and _concerns(request, order.bot, order.symbol)
            and self.grids.in_scope(request, order)
        ]

    def _reload(self, action: Action) -> None:
        """New terms count for the next position; open ones keep theirs. A bad file changes nothing (OPS-13, CFG-01)."""
        desk = self._desk
        if desk.parts.reload_terms is None:
            return
        try:
            changes = desk.parts.reload_terms()
        except ConfigError as error:
            action.failed = str(error).splitlines()[0]
            desk.say(Msg.CONFIG_REFUSED, reason=action.failed)
            return
        desk.risk = changes.risk
        for name, terms in changes.terms.items():
            bot = desk.bots.get(name)
            if isinstance(bot, LegsBot):
                bot.terms = terms
        desk.candles.settle(desk.clock.now_ns())
        restart = changes.restart_needed or "nothing"
        desk.say(Msg.CONFIG_RELOADED, applied=changes.applied or "nothing", restart=restart)

    # --- words --------------------------------------------------------------------------------------------------

    def _entry_text(self, instrument: Instrument, side: Side, lots: int) -> str:
        touch = rupees_text(touch_paise(side, self._desk.prices[instrument.symbol].tick))
        word = "ask" if side is Side.BUY else "bid"
        return f"{instrument.short_name} {lots * instrument.lot_size} ({lots} lot) {word} {touch}"

    def _unowned(self, request: Adopt) -> list[tuple[Target, DeskAccount, int]]:
        """The bots that would take units over, where, and how many, signed."""
        return [
            (target, account, qty)
            for target in self._targets(request.bot, (request.symbol,))
            for account in self._desk.accounts_of(target.bot.name)
            if (qty := account.reader.reconciler.unexpected_qty(request.symbol, target.bot.product))
        ]

    def _adopt_text(self, request: Adopt) -> str:
        """The bot that has the symbol first takes it, as reconciliation finds its bot."""
        found = self._unowned(request)
        if not found:
            return "nothing unexpected"
        target, _, qty = found[0]
        name = target.legs[0].instrument.short_name
        how = "LONG, its exits sell" if qty > 0 else "SHORT, its exits buy"
        return f"{qty:+d} {name} goes to {target.bot.name}: {how}, levels from the broker's average"

    def _exit_text(self, leg: Leg) -> str:
        name = leg.instrument.short_name
        if leg.bracket is None or not leg.is_active:
            return "flat"
        bracket = leg.bracket
        if bracket.open_qty < 0:
            return f"{-bracket.open_qty} too many closed, being traded back"
        if bracket.open_qty == 0:
            return "waiting for the proof of flat" if bracket.entered_qty else "take back the entry"
        now_ns = self._desk.clock.now_ns()
        side = bracket.body.side.opposite
        limit = bracket.marketable(side, now_ns)
        tick = leg.price.tick
        stale = not leg.price.is_fresh(now_ns, leg.bracket.body.terms.max_tick_age_ns)
        age = f", price {leg.price.age_ns(now_ns) / 1e9:.0f}s old, band wider" if stale else ""
        word, touch = ("bid", tick.bid_paise) if side is Side.SELL else ("ask", tick.ask_paise)
        worst = f"{bracket.body.terms.protection_bps / 100:g} % through it at worst"
        at = f"{word} {rupees_text(touch or tick.ltp_paise)}, {worst}"
        return f"{side.value} {bracket.open_qty} {name}, limit {rupees_text(limit)} ({at}{age})"

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
        legs = [desk.bots[name].legs[symbol] for name, symbol in action.legs]
        if action.until_flat:
            total = len(legs) + len(action.brackets)
            done = sum(1 for leg in legs if not leg.is_active) + self.grids.count_flat(action.brackets)
        elif legs:
            total = len(legs)
            done = sum(1 for leg in legs if leg.bracket is not None and leg.bracket.filled(Role.ENTRY))
        elif action.brackets:
            total, done = len(action.brackets), self.grids.count_flat(action.brackets)
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


def _concerns(request: CancelAll, bot: str, symbol: str) -> bool:
    return request.bot in ("", bot) and (not request.symbols or symbol in request.symbols)


def _title(request: Request) -> str:
    """What the log puts before the numbers; the arm bar has titles of its own."""
    match request:
        case ExitLeg() | ExitLevel() | ExitSide() | ExitBot():
            return "exit: "
        case ZeroOut():
            return "zero out: "
        case Adopt():
            return "adopt: "
        case _:
            return ""


def _order_text(order: Order) -> str:
    price = rupees_text(order.trigger_paise or order.limit_paise)
    return f"{order.side.value} {order.remaining_qty} {order.symbol} {order.role.value} {price}"
