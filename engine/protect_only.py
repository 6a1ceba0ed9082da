"""Stands in for a bot whose code has failed: its brackets go on, nothing is entered again (PRC-10, faults §4.9). Pure.

The brackets are shared code and hold all that protects a position, so they need no bot to plan, trail or leave. Each of
them is guarded on its own: one that fails does not keep the next from being protected.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final

from engine.bot import Bot, BotBody, BotTimes, book_trip
from engine.bracket import Bracket
from engine.bracket_state import BracketBody
from engine.instrument import Instrument
from engine.leg import Leg
from engine.messages import Msg
from engine.order import Order, Side
from engine.outbox import Outbox, RoundTrip
from engine.reading import IndicatorSpec
from engine.risk import RiskLimits
from engine.view import BracketState

PROTECT_ONLY: Final = "protect-only"


class ProtectOnly:
    """Implements `engine.bot.Bot` over the brackets, legs and totals of the bot it replaces."""

    def __init__(self, bot: Bot, why: str) -> None:
        self.why = why
        self.books_known = bot.books_known
        self.name = bot.name
        self.product = bot.product
        self.places: Mapping[str, Collection[str]] = bot.places
        self.lots = bot.lots
        self.style = bot.style
        self.instruments: Mapping[str, Instrument] = bot.instruments
        self.legs: Mapping[str, Leg] = bot.legs
        self.brackets: Mapping[str, Bracket] = bot.brackets
        self.body: BotBody = bot.body
        self.limits: RiskLimits = bot.limits
        self.times: BotTimes = bot.times
        self.max_tick_age_ns = bot.max_tick_age_ns
        self.on_stop = bot.on_stop
        self._told: set[str] = set()

    @property
    def any_active(self) -> bool:
        return bool(self.open_brackets())

    def open_brackets(self) -> list[Bracket]:
        return [bracket for bracket in self.brackets.values() if bracket.body.state is not BracketState.FLAT]

    # --- nothing is entered ---------------------------------------------------------------------------------------

    def indicators(self) -> Mapping[str, tuple[IndicatorSpec, ...]]:
        return {}  # its open brackets are asked on their own

    def entry_reason(self, symbols: Sequence[str], side: Side, lots: int, now_ns: int) -> str:
        del symbols, side, lots, now_ns
        return f"{self.name} is {PROTECT_ONLY}: {self.why}"

    def enter(self, symbols: Sequence[str], side: Side, lots: int, now_ns: int, out: Outbox) -> str:
        reason = self.entry_reason(symbols, side, lots, now_ns)
        out.say(Msg.SKIP, source=self.name, reason=reason)
        return reason

    def take_back_entries(self, now_ns: int, out: Outbox) -> None:
        """What has not filled yet was asked for by code that has failed."""
        self._each(self.open_brackets(), out, lambda bracket: bracket.cancel_entry(now_ns, out))

    # --- everything is protected ------------------------------------------------------------------------------------

    def on_tick(self, symbol: str, now_ns: int, out: Outbox) -> None:
        def look(bracket: Bracket) -> None:
            if bracket.is_touched():
                bracket.on_tick(now_ns, out)

        self._each([b for b in self._planning() if b.body.symbol == symbol], out, look)

    def on_candle(self, symbol: str, now_ns: int, out: Outbox) -> None:
        mine = [bracket for bracket in self._planning() if bracket.body.symbol == symbol]
        self._each(mine, out, lambda bracket: bracket.on_candle(now_ns, out))

    def on_orders(self, orders: Sequence[Order], now_ns: int, out: Outbox, *, recovered: bool = False) -> None:
        changed: dict[str, Bracket] = {}
        for order in orders:
            bracket = self.brackets.get(order.bracket_id)
            if bracket is not None:
                changed[order.bracket_id] = bracket
                self._each([bracket], out, lambda bracket, order=order: bracket.absorb(order, now_ns, out))
        if self.books_known:
            self._each(changed.values(), out, lambda bracket: bracket.plan(now_ns, out, recovered=recovered))

    def on_wake(self, now_ns: int, out: Outbox, *, only: Collection[str] | None = None) -> None:
        asked = [bracket for bracket in self._planning() if only is None or bracket.body.bracket_id in only]
        self._each(asked, out, lambda bracket: bracket.on_wake(now_ns, out))

    def wake_ns(self, now_ns: int) -> int:
        """A bracket that cannot say when is looked at by the desk's one-second net."""
        wakes: list[int] = []
        for bracket in self.open_brackets():
            try:
                wakes.append(bracket.wake_ns(now_ns))
            except Exception:  # noqa: BLE001 - as in `_each`; the next plan says what is wrong
                wakes.append(0)
        return min((wake for wake in wakes if wake), default=0)

    def check_status(self, now_ns: int, out: Outbox) -> list[str]:
        active = self.open_brackets()
        self._each(active, out, lambda bracket: bracket.ensure_exits(now_ns, out))
        return [bracket.body.symbol for bracket in active]

    def exit_leg(self, symbol: str, reason: str, now_ns: int, out: Outbox) -> bool:
        return self._leave([b for b in self.open_brackets() if b.body.symbol == symbol], reason, now_ns, out) > 0

    def square_off(self, reason: str, now_ns: int, out: Outbox) -> int:
        return self._leave(self.open_brackets(), reason, now_ns, out)

    def _leave(self, brackets: list[Bracket], reason: str, now_ns: int, out: Outbox) -> int:
        started: list[str] = []

        def leave(bracket: Bracket) -> None:
            if bracket.exit(reason, now_ns, out):
                started.append(bracket.body.bracket_id)

        self._each(brackets, out, leave)
        return len(started)

    def _planning(self) -> list[Bracket]:
        return self.open_brackets() if self.books_known else []

    def _each(self, brackets: Iterable[Bracket], out: Outbox, work: Callable[[Bracket], object]) -> None:
        for bracket in brackets:
            try:
                work(bracket)
            except Exception as error:  # noqa: BLE001 - the last line: whatever it is, the next position is protected
                self._note(bracket.body, f"{type(error).__name__}: {error}", out)

    def _note(self, body: BracketBody, error: str, out: Outbox) -> None:
        """One line per position; its alarm stays until somebody has looked."""
        if body.bracket_id in self._told:
            return
        self._told.add(body.bracket_id)
        out.say(Msg.INTERNAL, source=self.name, symbol=body.symbol, where=body.symbol, error=error)
        out.raise_alarm(f"broken:{body.bracket_id}", f"{body.symbol}: its protection cannot be planned: {error}")

    # --- money and memory -------------------------------------------------------------------------------------------

    def book(self, trip: RoundTrip, previous: RoundTrip | None, out: Outbox) -> None:
        book_trip(self, trip, previous, out)

    def roll_day(self, trading_day: str) -> bool:
        if not self.body.begin_day(trading_day):
            return False
        for leg in self.legs.values():
            leg.realised_paise = 0
        self.brackets = {bracket.body.bracket_id: bracket for bracket in self.open_brackets()}
        return True

    def restore_body(self, image: bytes) -> None:
        """It replaces a running bot: there is nothing to take back."""

    def restore(self, bodies: Sequence[BracketBody]) -> None:
        """It replaces a running bot: there is nothing to take back."""

    def remember(self, bodies: Sequence[BracketBody]) -> None:
        """It replaces a running bot: there is nothing to take back."""
