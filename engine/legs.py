"""The legs bot: a PE and a CE (or any number of legs) bought together, each with a bracket of its own. Pure.

The configured symbol is the primary leg and comes first in every list and every send (LEG-02, LEG-07). Legs leave
independently: nothing one leg does touches another, unless the pair policy is both-or-none (LEG-27, LEG-62).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final

import msgspec

from engine.bracket import Bracket
from engine.bracket_state import BracketBody, BracketTerms
from engine.entry_trigger import TriggerState
from engine.instrument import Instrument
from engine.messages import Msg
from engine.money import divide_half_up, rupees_text
from engine.order import Order, Role, Side
from engine.outbox import Outbox, RoundTrip
from engine.price_book import PriceBook
from engine.risk import EntryFacts, RiskLimits, entry_block
from engine.tags import TagMaker, base36
from engine.venue_rules import VenueRules
from engine.view import BracketState

REASON_EOD: Final = "EOD Square-Off"
REASON_MANUAL: Final = "Square-Off"
REASON_ZERO: Final = "Zero Out"
REASON_STOP_DESK: Final = "Strategy Paused"
REASON_UNWIND: Final = "Pair Unwind"
REASON_BLIND: Final = "No Price"


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
    allow_short: bool = False


class LegFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The state of one leg in the seed's own words (LEG-04); derived, never stored. Prices in paise, None = none."""

    in_position: bool = False
    side: str | None = None
    entry_price: int | None = None
    entry_price_hint: int | None = None
    actual_filled_qty: int = 0
    tp_level: int | None = None
    sl_level: int | None = None
    entry_order_id: str | None = None
    tp_order_id: str | None = None
    sl_order_id: str | None = None
    tp_filled_qty: int = 0
    sl_filled_qty: int = 0
    highest_favorable_price: int | None = None
    sl_trail_active: bool = False
    original_sl_level: int | None = None
    exit_legs_placed: bool = False
    exit_retry_count: int = 0
    lifecycle: str = BracketState.FLAT.value
    owner: str = ""


class BotBody(msgspec.Struct, kw_only=True):
    """What the bot itself remembers across a restart; positions are in their brackets."""

    trading_day: str = ""
    """ISO date in IST; a new day starts the totals at zero (LEG-72, BUG-94)."""
    day_net_paise: int = 0
    entries_today: int = 0
    brackets_made: int = 0
    sl_m_refused: list[str] = []
    """Symbols whose SL-M the broker refused today: not tried again this session (HRD-12, F-28)."""
    trigger: TriggerState = msgspec.field(default_factory=TriggerState)
    """Bars counted and the queued entry, so that a restart neither loses nor repeats a signal (LEG-60)."""


class Leg:
    """One symbol of the group and its current bracket, if any."""

    def __init__(self, price: PriceBook) -> None:
        self.price = price
        self.instrument: Instrument = price.instrument
        self.symbol = price.instrument.symbol
        self.bracket: Bracket | None = None
        self.realised_paise = 0
        self.note = ""

    @property
    def is_active(self) -> bool:
        """In position, entering, or not yet proven flat."""
        return self.bracket is not None and self.bracket.body.state is not BracketState.FLAT

    @property
    def is_staying(self) -> bool:
        """Active, and nobody has asked it to leave yet."""
        return self.is_active and self.bracket is not None and not self.bracket.body.exit_reason

    def facts(self) -> LegFacts:
        """The seed's field names over the bracket's facts."""
        if self.bracket is None or not self.is_active:
            return LegFacts()
        bracket, body = self.bracket, self.bracket.body
        return LegFacts(
            in_position=bracket.open_qty != 0,
            side="LONG" if body.side is Side.BUY else "SHORT",
            entry_price=body.entry_paise or None,
            entry_price_hint=body.hint_paise or None,
            actual_filled_qty=bracket.filled(Role.ENTRY),
            tp_level=body.target_paise or None,
            sl_level=body.stop_paise or None,
            entry_order_id=_newest_id(bracket, Role.ENTRY),
            tp_order_id=_newest_id(bracket, Role.TARGET),
            sl_order_id=_newest_id(bracket, Role.STOP),
            tp_filled_qty=bracket.filled(Role.TARGET),
            sl_filled_qty=bracket.filled(Role.STOP),
            highest_favorable_price=body.high_paise or None,
            sl_trail_active=body.trail_active,
            original_sl_level=body.original_stop_paise or None,
            exit_legs_placed=bool(bracket.live(Role.STOP)),
            exit_retry_count=body.stop_rejects + body.target_rejects,
            lifecycle=body.state.value,
            owner=body.bot,
        )


class LegsBot:
    """Owns the legs and their brackets; every public method is one event."""

    def __init__(
        self,
        terms: LegsTerms,
        prices: Sequence[PriceBook],
        rules: VenueRules,
        tags: TagMaker,
        orders: Mapping[str, Order],
        run_no: int,
    ) -> None:
        self.terms = terms
        self.legs: dict[str, Leg] = {price.instrument.symbol: Leg(price) for price in prices}
        self.body = BotBody()
        self.brackets: dict[str, Bracket] = {}
        """Of the day, closed ones too: a late fill or record still finds its bracket."""
        self._unclosed: dict[str, Bracket] = {}
        self.books_known = True
        """False from a restart to the first complete read of the broker's books: nothing is sent before it (R4)."""
        self._rules = rules
        self._tags = tags
        self._orders = orders
        self._run = base36(run_no, 4)

    @property
    def name(self) -> str:
        return self.terms.bot

    @property
    def any_leg_active(self) -> bool:
        return any(leg.is_active for leg in self.legs.values())

    @property
    def all_legs_flat(self) -> bool:
        return not self.any_leg_active

    def primary_summary(self) -> LegFacts:
        """The primary leg in the seed's legacy attributes, for display and export only (LEG-69)."""
        return next(iter(self.legs.values())).facts()

    # --- entering -----------------------------------------------------------------------------------------------

    def entry_reason(self, symbols: Sequence[str], lots: int, now_ns: int) -> str:
        """Why these legs may not be entered now, leaving the desk's own reasons aside; empty when they may."""
        if self.any_leg_active:
            return "a position is already active"
        for symbol in symbols:
            leg = self.legs[symbol]
            facts = EntryFacts(
                symbol=symbol,
                lots=lots,
                qty=lots * leg.instrument.lot_size,
                qty_max=leg.instrument.max_order_qty,
                price_age_ns=leg.price.age_ns(now_ns),
                price_age_max_ns=self.terms.bracket.max_tick_age_ns,
                has_price=self._has_price(leg),
                entries_today=self.body.entries_today,
            )
            reason = entry_block(facts, self.terms.limits)
            if reason:
                return reason
        return ""

    def enter(self, symbols: Sequence[str], side: Side, lots: int, now_ns: int, out: Outbox) -> str:
        """Send one entry per leg, primary first. Returns why nothing was sent, or empty (LEG-08..12)."""
        if side is Side.SELL:
            out.say(Msg.SKIP, source=self.name, reason="short legs are switched off (allow_short=false)")
            return "short legs are switched off"
        if self.any_leg_active:
            out.say(Msg.SKIP_ACTIVE, source=self.name)
            return "a position is already active"
        reason = self.entry_reason(symbols, lots, now_ns)
        if reason:
            out.say(Msg.SKIP, source=self.name, reason=reason)
            return reason
        quantities = [lots * self.legs[symbol].instrument.lot_size for symbol in symbols]
        batch_qty = "/".join(str(qty) for qty in dict.fromkeys(quantities))
        out.say(Msg.ENTRY_BATCH, source=self.name, count=len(symbols), qty=batch_qty)
        for symbol, qty in zip(symbols, quantities, strict=True):
            out.say(Msg.ENTRY, source=self.name, symbol=symbol, qty=qty)
            self._open(self.legs[symbol], side, qty, now_ns, out)
        self.body.entries_today += 1
        return ""

    def _open(self, leg: Leg, side: Side, qty: int, now_ns: int, out: Outbox) -> None:
        self.body.brackets_made += 1
        hint = leg.price.tick.ltp_paise
        if hint <= 0:
            out.say(Msg.HINT_MISSING, source=self.name, symbol=leg.symbol)
        body = BracketBody(
            bracket_id=f"B{self._run}{base36(self.body.brackets_made, 4)}",
            account=self.terms.account,
            bot=self.name,
            symbol=leg.symbol,
            exchange=leg.instrument.exchange,
            product=self.terms.product,
            side=side,
            qty=qty,
            terms=self.terms.bracket,
            style=self.terms.bracket.style,
            hint_paise=max(hint, 0),
            sl_m_refused=leg.symbol in self.body.sl_m_refused,
        )
        leg.note = ""
        if leg.bracket is not None:
            out.end_alarm(f"entry:{leg.bracket.body.bracket_id}")  # the new entry is the answer to a failed one
        leg.bracket = Bracket(body, leg.price, self._rules, self._tags, self._orders)
        self.brackets[body.bracket_id] = self._unclosed[body.bracket_id] = leg.bracket
        leg.bracket.enter(now_ns, out)

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

    def on_wake(self, now_ns: int, out: Outbox) -> None:
        for bracket in self.open_brackets() if self.books_known else ():
            bracket.on_wake(now_ns, out)

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
        """Square off one leg; False when it has nothing open or is leaving already."""
        leg = self.legs[symbol]
        return leg.bracket is not None and leg.bracket.exit(reason, now_ns, out)

    def square_off(self, reason: str, now_ns: int, out: Outbox) -> int:
        """Square off every leg; returns how many exits were started (LEG-49, LEG-50)."""
        started = 0
        for leg in self.legs.values():
            if reason == REASON_EOD and leg.is_staying:
                out.say(Msg.EOD, source=self.name, symbol=leg.symbol)
            started += self.exit_leg(leg.symbol, reason, now_ns, out)
        return started

    # --- money --------------------------------------------------------------------------------------------------

    def book(self, trip: RoundTrip, previous: RoundTrip | None, out: Outbox) -> None:
        """Add a closed round trip to the day; a corrected one replaces what was booked (LEG-47, LEG-48)."""
        leg = self.legs.get(trip.symbol)
        change = trip.net_paise - (previous.net_paise if previous else 0)
        self.body.day_net_paise += change
        if leg is not None:
            leg.realised_paise += change
        exit_text = rupees_text(divide_half_up(trip.exit_value_paise, trip.qty))
        net = rupees_text(trip.net_paise, signed=True)
        if previous is not None:
            if change:
                was = rupees_text(previous.net_paise, signed=True)
                out.say(Msg.EXIT_CORRECTED, source=self.name, symbol=trip.symbol, exit=exit_text, net=net, was=was)
            return
        if leg is not None:
            leg.note = f"{trip.reason} {net}"
        out.say(
            Msg.EXIT,
            source=self.name,
            symbol=trip.symbol,
            reason=trip.reason if trip.kind == "trade" else f"{trip.reason}, surplus",
            entry=rupees_text(divide_half_up(trip.entry_value_paise, trip.qty)),
            exit=exit_text,
            net=net,
            day=rupees_text(self.body.day_net_paise, signed=True),
            mark="💰" if trip.net_paise > 0 else "💸",
        )

    def roll_day(self, trading_day: str) -> bool:
        """Start a trading day: totals to zero, history stays in the journal (OPS-19). False when it is the same day."""
        if self.body.trading_day == trading_day:
            return False
        self.body.trading_day = trading_day
        self.body.day_net_paise = 0
        self.body.entries_today = 0
        self.body.sl_m_refused = []
        for leg in self.legs.values():
            leg.realised_paise = 0
        self.brackets = {bracket.body.bracket_id: bracket for bracket in self.open_brackets()}
        return True

    # --- recovery -----------------------------------------------------------------------------------------------

    def restore(self, bodies: Sequence[BracketBody]) -> None:
        """Take back the brackets that were open when the desk ended (LEG-72)."""
        for body in bodies:
            leg = self.legs.get(body.symbol)
            if leg is None:
                continue
            bracket = Bracket(body, leg.price, self._rules, self._tags, self._orders)
            self.brackets[body.bracket_id] = self._unclosed[body.bracket_id] = bracket
            leg.bracket = bracket


def _newest_id(bracket: Bracket, role: Role) -> str | None:
    ids = [order.broker_id for order in bracket.orders_of(role) if order.broker_id and order.is_live]
    return ids[-1] if ids else None
