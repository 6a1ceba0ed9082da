"""The legs bot: a PE and a CE (or any number of legs) bought together, each with a bracket of its own. Pure.

The configured symbol is the primary leg and comes first in every list and every send (LEG-02, LEG-07). Legs leave
independently: nothing one leg does touches another, unless the pair policy is both-or-none (LEG-27, LEG-62).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from enum import StrEnum
from typing import Final

import msgspec

from engine.arming import is_unprotected, unarmed_reason
from engine.bot import REASON_EOD, BotBody, BotTimes, book_trip
from engine.bracket import Bracket
from engine.bracket_state import BracketBody, BracketTerms
from engine.exit_rules.registry import decode_rules
from engine.instrument import Instrument
from engine.leg import Leg, LegFacts
from engine.messages import Msg
from engine.order import Order, Role, Side
from engine.outbox import Outbox, RoundTrip
from engine.price_book import PriceBook
from engine.reading import IndicatorSpec, NoReadings, Readings
from engine.reconcile import OnUnexpected
from engine.risk import EntryFacts, RiskLimits, entry_block
from engine.slices import entry_qty_max
from engine.stop_plan import OnStop
from engine.tags import TagMaker
from engine.venue_rules import VenueRules
from engine.view import BracketState, ExitStyle

REASON_UNWIND: Final = "Pair Unwind"


class PairPolicy(StrEnum):
    INDEPENDENT = "independent"
    BOTH_OR_NONE = "both_or_none"


class LegsTerms(msgspec.Struct, frozen=True, kw_only=True):
    """How this bot trades; new positions take the newest terms, open ones keep theirs."""

    bot: str
    account: str
    exchange: str
    product: str
    lots: int
    pair_policy: PairPolicy
    bracket: BracketTerms
    limits: RiskLimits
    """Of this group alone; the desk has limits over all of its bots."""
    times: BotTimes = BotTimes()
    on_stop: OnStop = OnStop.FLATTEN
    allow_short: bool = False
    on_unexpected: OnUnexpected = OnUnexpected.ADOPT
    """What becomes of units found at the broker that are this bot's to decide about (CON-08)."""
    reserved_symbols: bool = False
    """Nobody else trades these symbols in this account, so whatever is found in them is this bot's."""


class LegsBody(BotBody, kw_only=True):
    """What a group of legs remembers on top."""

    sl_m_refused: list[str] = []
    """Symbols whose SL-M the broker refused today: not tried again this session (HRD-12, F-28)."""


ReadingsOf = Callable[[str], Readings]
"""The window on one symbol's indicators."""


def _no_readings(symbol: str) -> Readings:
    del symbol
    return NoReadings()


class LegsBot:
    """Owns the legs and their brackets; every public method is one event."""

    def __init__(
        self,
        terms: LegsTerms,
        prices: Sequence[PriceBook],
        rules: VenueRules,
        tags: TagMaker,
        orders: Mapping[str, Order],
        readings: ReadingsOf = _no_readings,
    ) -> None:
        self.terms = terms
        self._needs_of: Sequence[dict[str, object]] | None = None
        self._needs: tuple[IndicatorSpec, ...] = ()
        """Indicators of the rules `_needs_of`, the newest terms' own."""
        self.legs: dict[str, Leg] = {price.instrument.symbol: Leg(price) for price in prices}
        self.body = LegsBody()
        self.brackets: dict[str, Bracket] = {}
        """Of the day, closed ones too: a late fill or record still finds its bracket."""
        self._unclosed: dict[str, Bracket] = {}
        self.books_known = True
        """False from a restart to the first complete read of the broker's books: nothing is sent before it (R4)."""
        self._rules = rules
        self._tags = tags
        self._orders = orders
        self._readings = readings

    @property
    def name(self) -> str:
        return self.terms.bot

    @property
    def product(self) -> str:
        return self.terms.product

    @property
    def places(self) -> dict[str, Collection[str]]:
        return {self.terms.account: self.legs.keys()}

    @property
    def lots(self) -> int:
        return self.terms.lots

    @property
    def style(self) -> ExitStyle:
        return self.terms.bracket.style

    @property
    def limits(self) -> RiskLimits:
        return self.terms.limits

    @property
    def times(self) -> BotTimes:
        return self.terms.times

    @property
    def max_tick_age_ns(self) -> int:
        return self.terms.bracket.max_tick_age_ns

    @property
    def on_stop(self) -> OnStop:
        return self.terms.on_stop

    @property
    def instruments(self) -> dict[str, Instrument]:
        return {symbol: leg.instrument for symbol, leg in self.legs.items()}

    @property
    def any_active(self) -> bool:
        return any(leg.is_active for leg in self.legs.values())

    @property
    def any_leg_active(self) -> bool:
        """The seed's word (LEG-05)."""
        return self.any_active

    @property
    def all_legs_flat(self) -> bool:
        return not self.any_active

    def primary_summary(self) -> LegFacts:
        """The primary leg in the seed's legacy attributes, for display and export only (LEG-69)."""
        return next(iter(self.legs.values())).facts()

    # --- entering -----------------------------------------------------------------------------------------------

    def indicators(self) -> dict[str, tuple[IndicatorSpec, ...]]:
        """Of every leg: its rules need their candles before there is a position (RTP-50)."""
        rules = self.terms.bracket.rules
        if rules is not self._needs_of:
            needs = [spec for rule in decode_rules(rules).rules for spec in rule.needs()]
            self._needs_of, self._needs = rules, tuple(dict.fromkeys(needs))
        return dict.fromkeys(self.legs, self._needs)

    def entry_reason(self, symbols: Sequence[str], side: Side, lots: int, now_ns: int) -> str:
        """Why these legs may not be entered now, leaving the desk's own reasons aside; empty when they may."""
        if side is Side.SELL and not self.terms.allow_short:
            return "short legs are switched off (allow_short=false)"
        if self.any_active:
            return "a position is already active"
        for symbol in symbols:
            leg = self.legs[symbol]
            facts = EntryFacts(
                symbol=symbol,
                lots=lots,
                qty=lots * leg.instrument.lot_size,
                qty_max=entry_qty_max(leg.instrument),
                price_age_ns=leg.price.age_ns(now_ns),
                price_age_max_ns=self.terms.bracket.max_tick_age_ns,
                has_price=self._has_price(leg),
                entries_today=self.body.entries_today,
            )
            reason = entry_block(facts, self.terms.limits) or unarmed_reason(
                self.terms.bracket, side, leg.price, self._readings(symbol), now_ns
            )
            if reason:
                return reason
        return ""

    def enter(self, symbols: Sequence[str], side: Side, lots: int, now_ns: int, out: Outbox) -> str:
        """Send one entry per leg, primary first. Returns why nothing was sent, or empty (LEG-08..12)."""
        if self.any_active:
            out.say(Msg.SKIP_ACTIVE, source=self.name)
            return "a position is already active"
        reason = self.entry_reason(symbols, side, lots, now_ns)
        if reason:
            out.say(Msg.SKIP, source=self.name, reason=reason)
            if is_unprotected(reason):
                out.say(Msg.ENTRY_UNPROTECTED, source=self.name, reason=reason)
            return reason
        quantities = [lots * self.legs[symbol].instrument.lot_size for symbol in symbols]
        batch_qty = "/".join(str(qty) for qty in dict.fromkeys(quantities))
        batch, one = (Msg.ENTRY_BATCH, Msg.ENTRY) if side is Side.BUY else (Msg.SHORT_BATCH, Msg.SHORT)
        out.say(batch, source=self.name, count=len(symbols), qty=batch_qty)
        for symbol, qty in zip(symbols, quantities, strict=True):
            out.say(one, source=self.name, symbol=symbol, qty=qty)
            self._open(self.legs[symbol], side, qty, now_ns, out)
        self.body.entries_today += 1
        return ""

    def _open(self, leg: Leg, side: Side, qty: int, now_ns: int, out: Outbox) -> None:
        if leg.price.tick.ltp_paise <= 0:
            out.say(Msg.HINT_MISSING, source=self.name, symbol=leg.symbol)
        self._new_bracket(leg, side, qty, out).enter(now_ns, out)

    def _new_bracket(self, leg: Leg, side: Side, qty: int, out: Outbox) -> Bracket:
        body = BracketBody(
            bracket_id=self._tags.next_bracket_id(),
            account=self.terms.account,
            bot=self.name,
            symbol=leg.symbol,
            exchange=leg.instrument.exchange,
            product=self.terms.product,
            side=side,
            qty=qty,
            terms=self.terms.bracket,
            style=self.terms.bracket.style,
            hint_paise=max(leg.price.tick.ltp_paise, 0),
            sl_m_refused=leg.symbol in self.body.sl_m_refused,
        )
        leg.note = ""
        if leg.bracket is not None:
            out.end_alarm(f"entry:{leg.bracket.body.bracket_id}")  # the new entry is the answer to a failed one
        leg.bracket = self._bracket(body, leg)
        self.brackets[body.bracket_id] = self._unclosed[body.bracket_id] = leg.bracket
        return leg.bracket

    @property
    def on_unexpected(self) -> OnUnexpected:
        return self.terms.on_unexpected

    @property
    def reserved_symbols(self) -> bool:
        return self.terms.reserved_symbols

    def adopt(
        self, symbol: str, net_qty: int, price_paise: int, now_ns: int, out: Outbox, exits: Sequence[Order] = ()
    ) -> Bracket | None:
        """Take over units found at the broker: a short gets BUY exits (LEG-39, BUG-03). None while the leg is active.

        Without the broker's average the levels stand on the newest price (F-22).
        """
        leg = self.legs[symbol]
        price = price_paise or leg.price.tick.ltp_paise
        if leg.is_active or price <= 0:
            return None
        side = Side.BUY if net_qty > 0 else Side.SELL
        bracket = self._new_bracket(leg, side, abs(net_qty), out)
        out.say(Msg.CHECKING_EXITS, source=self.name, symbol=symbol)
        bracket.adopt(price, now_ns, out, exits)
        return bracket

    def _bracket(self, body: BracketBody, leg: Leg) -> Bracket:
        readings = self._readings(leg.symbol)
        return Bracket(body, leg.price, self._rules, self._tags, self._orders, readings)

    def _has_price(self, leg: Leg) -> bool:
        tick = leg.price.tick
        return tick.ltp_paise > 0 or tick.ask_paise > 0

    # --- running ------------------------------------------------------------------------------------------------

    def on_orders(self, orders: Sequence[Order], now_ns: int, out: Outbox, *, recovered: bool = False) -> None:
        """Hand changed orders to their brackets, all before any plan; then look whether the pair still is one."""
        changed: dict[str, Bracket] = {}
        for order in orders:
            bracket = self.brackets.get(order.bracket_id)
            if bracket is not None:
                bracket.absorb(order, now_ns, out)
                changed[order.bracket_id] = bracket
        for bracket in changed.values():
            was_active = bracket.body.state is not BracketState.FLAT
            if not self.books_known:
                continue
            bracket.plan(now_ns, out, recovered=recovered)
            if bracket.body.sl_m_refused and bracket.body.symbol not in self.body.sl_m_refused:
                self.body.sl_m_refused.append(bracket.body.symbol)
            if bracket.body.state is not BracketState.FLAT:
                self._unclosed[bracket.body.bracket_id] = bracket  # a late fill may have reopened it
            if was_active and bracket.body.state is BracketState.FLAT and not bracket.filled(Role.ENTRY):
                self._entry_failed(bracket, now_ns, out)
            self._show_open(bracket.body.symbol)

    def _show_open(self, symbol: str) -> None:
        """A leg stands for what is open in its symbol, also when that is an older position which a late fill reopened:
        it is not flat, its exit key works, and nothing is entered beside it (U1)."""
        leg = self.legs[symbol]
        if leg.bracket is not None and not leg.is_active:
            mine = (bracket for bracket in self.open_brackets() if bracket.body.symbol == symbol)
            leg.bracket = next(mine, leg.bracket)

    def _entry_failed(self, failed: Bracket, now_ns: int, out: Outbox) -> None:
        leg = self.legs[failed.body.symbol]
        leg.note = failed.body.closed_reason
        if failed.body.exit_reason:
            return  # it was taken back on purpose
        out.raise_alarm(f"entry:{failed.body.bracket_id}", f"{leg.symbol} {failed.body.closed_reason}")
        if self.terms.pair_policy is not PairPolicy.BOTH_OR_NONE:
            return
        others = [other for other in self.legs.values() if other is not leg and other.bracket and other.is_active]
        if others:
            names = " ".join(other.symbol for other in others)
            out.say(Msg.PAIR_UNWIND, source=self.name, symbol=leg.symbol, others=names)
        for other in others:
            if other.bracket is not None:
                other.bracket.exit(REASON_UNWIND, now_ns, out)

    def on_tick(self, symbol: str, now_ns: int, out: Outbox) -> None:
        for bracket in self.open_brackets() if self.books_known else ():
            if bracket.body.symbol == symbol and bracket.is_touched():
                bracket.on_tick(now_ns, out)

    def on_candle(self, symbol: str, now_ns: int, out: Outbox) -> None:
        for bracket in self.open_brackets() if self.books_known else ():
            if bracket.body.symbol == symbol:
                bracket.on_candle(now_ns, out)

    def on_wake(self, now_ns: int, out: Outbox, *, only: Collection[str] | None = None) -> None:
        for bracket in self.open_brackets() if self.books_known else ():
            if only is None or bracket.body.bracket_id in only:
                bracket.on_wake(now_ns, out)
                self._show_open(bracket.body.symbol)

    def open_brackets(self) -> list[Bracket]:
        """Brackets that are not over, oldest first; its cost does not grow with the day's history."""
        for bracket_id in [key for key, bracket in self._unclosed.items() if bracket.body.state is BracketState.FLAT]:
            del self._unclosed[bracket_id]
        return list(self._unclosed.values())

    def wake_ns(self, now_ns: int) -> int:
        """Earliest deadline of any bracket after `now_ns`; 0 = none."""
        wakes = [wake for bracket in self.open_brackets() if (wake := bracket.wake_ns(now_ns))]
        return min(wakes, default=0)

    def check_status(self, now_ns: int, out: Outbox) -> list[str]:
        """One status pass: each active leg on its own; returns the symbols looked at (LEG-21)."""
        checked: list[str] = []
        for leg in self.legs.values():
            if leg.bracket is not None and leg.is_active:
                checked.append(leg.symbol)
                leg.bracket.ensure_exits(now_ns, out)
        return checked

    def exit_leg(self, symbol: str, reason: str, now_ns: int, out: Outbox) -> bool:
        """Square off one leg; False when it has nothing open, which is said (RTP-27), or is leaving already."""
        leg = self.legs[symbol]
        if leg.bracket is None or not leg.is_active:
            out.say(Msg.NO_TRADE, source=self.name, symbol=symbol)
            return False
        return leg.bracket.exit(reason, now_ns, out)

    def square_off(self, reason: str, now_ns: int, out: Outbox) -> int:
        """Square off every leg; returns how many exits were started (LEG-49, LEG-50)."""
        started = 0
        for leg in self.legs.values():
            if reason == REASON_EOD and leg.is_staying:
                out.say(Msg.EOD, source=self.name, symbol=leg.symbol)
            if leg.is_active:
                started += self.exit_leg(leg.symbol, reason, now_ns, out)
        return started

    # --- money --------------------------------------------------------------------------------------------------

    def book(self, trip: RoundTrip, previous: RoundTrip | None, out: Outbox) -> None:
        book_trip(self, trip, previous, out)

    def roll_day(self, trading_day: str) -> bool:
        if not self.body.begin_day(trading_day):
            return False
        self.body.sl_m_refused = []
        for leg in self.legs.values():
            leg.realised_paise = 0
        self.brackets = {bracket.body.bracket_id: bracket for bracket in self.open_brackets()}
        return True

    # --- recovery -----------------------------------------------------------------------------------------------

    def restore_body(self, image: bytes) -> None:
        """Totals of the same trading day only: Monday does not start with Friday's loss (BUG-94)."""
        body = msgspec.json.decode(image, type=LegsBody)
        if body.trading_day == self.body.trading_day:
            self.body = body

    def restore(self, bodies: Sequence[BracketBody]) -> None:
        """Take back the brackets that were open when the desk ended (LEG-72)."""
        for body in bodies:
            leg = self.legs.get(body.symbol)
            if leg is None:
                continue
            bracket = self._bracket(body, leg)
            self.brackets[body.bracket_id] = self._unclosed[body.bracket_id] = bracket
            leg.bracket = bracket

    def remember(self, bodies: Sequence[BracketBody]) -> None:
        """Positions of today that are over: a fill that comes late still finds its own (UPD-12, faults §4.2)."""
        for body in bodies:
            leg = self.legs.get(body.symbol)
            if leg is None:
                continue
            self.brackets[body.bracket_id] = bracket = self._bracket(body, leg)
            if body.state is not BracketState.FLAT:  # one had reopened it already
                self._unclosed[body.bracket_id] = bracket
