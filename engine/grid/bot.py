"""The grid bot: a ladder of entries on token A, its targets, its hedges on token B, and when it ends itself. Pure.

One bot beside the legs, over the same brackets: `engine.grid.brackets` makes them, `cycles` reads the levels off their
fills, `hedges` and `entries` plan what should rest, here are the events and the end. Every event comes down to one look
at everything, so that an event that was missed changes nothing (seed 003; GRD-48 asks for the order: fills first).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from typing import Final

import msgspec

from engine.bot import REASON_EOD, REASON_STOP_DESK, BotTimes, book_trip
from engine.bracket import Bracket
from engine.grid.entries import GridEntries
from engine.grid.geometry import ladder
from engine.grid.level import Level, fresh_level
from engine.grid.memory import ACTIVE, STOPPED, TERMINATED, GridBody
from engine.grid.termination import IMBALANCE, ending_reason, overdue_of
from engine.grid.terms import OnTerminate, TradeSide
from engine.grid.view import LevelWord
from engine.instant import NS_PER_S
from engine.leg import Leg
from engine.messages import Msg
from engine.money import rupees_text
from engine.order import Order, Side
from engine.outbox import Outbox, RoundTrip
from engine.reading import IndicatorSpec
from engine.risk import RiskLimits
from engine.stop_plan import OnStop
from engine.view import BracketState, ExitStyle

REASON_TERMINATED: Final = "Grid Terminated"
REASON_CANCELLED: Final = "Cancelled"
REASON_LEVEL: Final = "Level Square-Off"
_HEARTBEAT_NS: Final = 60 * NS_PER_S
_INTRADAY: Final = "MIS"


class GridBot(GridEntries):
    """Implements `engine.bot.Bot`; every public method is one event."""

    legs: Mapping[str, Leg] = {}
    lots = 1
    style = ExitStyle.RESTING
    limits = RiskLimits()

    _heartbeat_ns = 0
    _is_leaving_desk = False
    """Since `withdraw_all`, to the end of this program."""

    @property
    def on_stop(self) -> OnStop:
        """What rests stays, or is taken back; a grid's positions are never closed by a stop (GRD-57)."""
        return OnStop.WITHDRAW if self.terms.cancel_on_stop else OnStop.KEEP

    @property
    def product(self) -> str:
        return self.terms.product

    @property
    def places(self) -> Mapping[str, Collection[str]]:
        return self._places

    @cached_property
    def _places(self) -> dict[str, Collection[str]]:
        """Token A in the trade account, token B where it is hedged; one account may be several roles."""
        accounts, held = self.terms.accounts, dict[str, list[str]]()
        held[accounts.trade] = [self.terms.token_a]
        for entry_side in self.terms.trade_type.sides if self.terms.is_hedged else ():
            account = accounts.upside_oco if entry_side is Side.SELL else accounts.downside_oco
            symbols = held.setdefault(account, [])
            if self.terms.token_b not in symbols:
                symbols.append(self.terms.token_b)
        return dict(held)

    @property
    def times(self) -> BotTimes:
        """A feed that stops leaves no position here: the hedge rests (H-12). CNC and NRML stay overnight (GRD-58)."""
        square_off_ns = self.terms.square_off_ns if self.terms.product == _INTRADAY else 0
        return BotTimes(blind_exit_after_ns=0, square_off_ns=square_off_ns)

    @property
    def max_tick_age_ns(self) -> int:
        return self.terms.max_tick_age_ns

    @property
    def any_active(self) -> bool:
        return bool(self.open_brackets())

    def indicators(self) -> Mapping[str, tuple[IndicatorSpec, ...]]:
        return {}

    # --- entering is its own affair --------------------------------------------------------------------------------

    def entry_reason(self, symbols: Sequence[str], side: Side, lots: int, now_ns: int) -> str:
        del symbols, side, lots, now_ns
        return f"{self.name} is a grid: it enters by itself"

    def enter(self, symbols: Sequence[str], side: Side, lots: int, now_ns: int, out: Outbox) -> str:
        reason = self.entry_reason(symbols, side, lots, now_ns)
        out.say(Msg.SKIP, source=self.name, reason=reason)
        return reason

    # --- events ----------------------------------------------------------------------------------------------------

    def on_orders(self, orders: Sequence[Order], now_ns: int, out: Outbox, *, recovered: bool = False) -> None:
        """All are absorbed before anything is decided: a target and a hedge may have filled in one book (GRD-18)."""
        changed: dict[str, Bracket] = {}
        for order in orders:
            bracket = self.brackets.get(order.bracket_id)
            if bracket is not None:
                bracket.absorb(order, now_ns, out)
                changed[order.bracket_id] = bracket
        if not self.books_known:
            return
        for bracket in changed.values():
            bracket.plan(now_ns, out, recovered=recovered)
            if bracket.body.state is not BracketState.FLAT:
                self._unclosed[bracket.body.bracket_id] = bracket  # a late fill may have reopened it
        self.plan(now_ns, out)

    def on_tick(self, symbol: str, now_ns: int, out: Outbox) -> None:
        if not self.books_known:
            return
        for bracket in self.open_brackets():
            if bracket.body.symbol == symbol and bracket.is_touched():
                bracket.on_tick(now_ns, out)
        self.plan(now_ns, out)

    def on_candle(self, symbol: str, now_ns: int, out: Outbox) -> None:
        """No rule of it asks for candles."""

    def on_wake(self, now_ns: int, out: Outbox, *, only: Collection[str] | None = None) -> None:
        if not self.books_known:
            return
        brackets = self.open_brackets()
        for bracket in brackets:
            if only is None or bracket.body.bracket_id in only:
                bracket.on_wake(now_ns, out)
        if only is None or brackets[0].body.bracket_id in only:  # once for a list that is looked at in parts
            self.plan(now_ns, out)
            self._beat(now_ns, out)

    def wake_ns(self, now_ns: int) -> int:
        """The next cycle while it is alive, or an earlier deadline of a bracket."""
        brackets = self.open_brackets()
        wakes = [wake for bracket in brackets if (wake := bracket.wake_ns(now_ns))]
        if not brackets and self.body.is_active and self.books_known:  # else the desk's one-second net comes
            cycle_ns = self.terms.cycle_ns
            wakes.append((now_ns // cycle_ns + 1) * cycle_ns)
        return min(wakes, default=0)

    def band(self, symbol: str) -> tuple[int, int] | None:
        """Prices of token B between which nothing becomes due; None for any other symbol."""
        is_b = self.terms.is_hedged and symbol == self.terms.token_b and not self.body.is_terminated
        return self.band_b() if is_b else None

    def check_status(self, now_ns: int, out: Outbox) -> list[str]:
        checked = [bracket for bracket in self.open_brackets() if bracket.open_qty]
        for bracket in checked:
            bracket.ensure_exits(now_ns, out)
        return list(dict.fromkeys(bracket.body.symbol for bracket in checked))

    # --- one look at everything ------------------------------------------------------------------------------------

    def plan(self, now_ns: int, out: Outbox) -> None:
        """Fills first, then the end, then protection, then entries. Safe to call at any time, any number."""
        if not self.body.levels and self.body.is_active:
            self._build(out)
        before = self._shape()
        if self.body.is_withdrawn and not self._is_leaving_desk:  # the first plan after that stop
            self.body.is_withdrawn = False
            if not self.body.is_terminated:
                self._retake_targets(out)
        self.book_fills(now_ns, out)
        if self.body.is_active:
            self._look_at_end(now_ns, out)
        works = not self.body.is_withdrawn
        if works and not self.body.is_terminated:
            self.plan_hedges(now_ns, out)
        else:
            self.mark_covered(now_ns, out)
        if works and self.body.is_active:
            self.plan_entries(now_ns, out)
        if self._shape() != before:  # a level moved: its brackets are asked again, now that both sides know
            for bracket in self.open_brackets():
                bracket.plan(now_ns, out)

    def _shape(self) -> list[tuple[LevelWord, int]]:
        return [(level.state, level.trimmed_qty) for level in self.body.levels]

    def _build(self, out: Outbox) -> None:
        """Lay the levels out, round the given centre or the first price of token A (GRD-51, OPS-08)."""
        centre = self.terms.entry_paise or self.price_a.tick.ltp_paise
        if centre <= 0:
            return
        self.body.centre_paise = centre
        tick = self.price_a.instrument.tick_paise
        self.body.levels = [fresh_level(rung, self.next_uuid()) for rung in ladder(self.terms, centre, tick)]
        layout = ", ".join(f"{level.side.value} {rupees_text(level.entry_paise)}" for level in self.body.levels[:20])
        count = len(self.body.levels)
        out.say(Msg.GRID_BUILT, source=self.name, bot=self.name, count=count, centre=rupees_text(centre), layout=layout)

    def _beat(self, now_ns: int, out: Outbox) -> None:
        """One line a minute with its figures (OPS-29)."""
        if now_ns < self._heartbeat_ns:
            return
        is_first, self._heartbeat_ns = not self._heartbeat_ns, now_ns + _HEARTBEAT_NS
        if is_first:
            return
        token_b = rupees_text(self.price_b.tick.ltp_paise) if self.price_b is not None else "-"
        out.say(
            Msg.GRID_HEARTBEAT,
            source=self.name,
            bot=self.name,
            up=self.net_qty(TradeSide.UPSIDE),
            down=self.net_qty(TradeSide.DOWNSIDE),
            up_oco=self.body.upside_oco,
            down_oco=self.body.downside_oco,
            cycles=self.body.cycles,
            day=rupees_text(self.body.day_net_paise, signed=True),
            token_b=token_b,
        )

    # --- the end ---------------------------------------------------------------------------------------------------

    def overdue(self, now_ns: int) -> dict[TradeSide, int]:
        """Hedges of each side that are due, unfilled, and past the grace (GRD-45)."""
        return {side: overdue_of(self.terms, self.due_times(side), now_ns) for side in TradeSide}

    @property
    def judged_oco(self) -> tuple[int, int]:
        """Hedge fills up and down that count towards its end: since the trader last resumed it after one."""
        body = self.body
        return body.upside_oco - body.pardoned_upside, body.downside_oco - body.pardoned_downside

    def _look_at_end(self, now_ns: int, out: Outbox) -> None:
        (up, down), is_fresh = self.judged_oco, self.is_fresh_b(now_ns)
        reason = ending_reason(self.terms, up, down, self.overdue(now_ns), is_fresh=is_fresh)
        if reason:
            self.terminate(reason, now_ns, out)

    def terminate(self, reason: str, now_ns: int, out: Outbox) -> None:
        """Cancel everything of it in all accounts, keep or close what is open, and stay ended (GRD-46, GRD-47)."""
        body = self.body
        if body.is_terminated:
            return
        body.status = f"{TERMINATED}{reason}"
        if reason == IMBALANCE:
            up, down = body.upside_oco, body.downside_oco
            out.say(Msg.GRID_IMBALANCE, source=self.name, reason=reason, up=up, down=down, steps=self.terms.steps)
        held = ", ".join(
            f"{bracket.net_qty:+d} {bracket.body.symbol} in {bracket.body.account}"
            for bracket in self.open_brackets()
            if bracket.open_qty
        )
        words = f"still open: {held}" if held else "nothing is open"
        out.say(Msg.GRID_TERMINATED, source=self.name, bot=self.name, reason=reason, open=words)
        out.alert("grid_terminated", self.terms.token_a, f"{self.name} terminated: {reason}; {words}")
        out.raise_alarm(f"grid:{self.name}", f"{self.name} {body.status}; {words}")
        self._cancel_everything(now_ns, out)
        if self.terms.on_terminate is OnTerminate.FLATTEN:
            self._exit_all(self.open_brackets(), REASON_TERMINATED, now_ns, out)

    def _cancel_everything(self, now_ns: int, out: Outbox) -> None:
        for group in self.body.groups:
            group.is_withdrawn = True
        for bracket in self.open_brackets():
            bracket.withdraw()
            bracket.drop_target(out)
            bracket.plan(now_ns, out)

    def resume(self, out: Outbox, *, ended: bool = True) -> None:
        """The trader's word: paused levels are free again, and a grid that has `ended` goes on (GRD-47)."""
        body = self.body
        if body.is_terminated and not ended:
            return
        if body.is_terminated:  # what ended it is forgiven, or the next look would end it again
            body.pardoned_upside, body.pardoned_downside = body.upside_oco, body.downside_oco
            for level in body.levels:
                level.due_ns = 0
            self._retake_targets(out)
        body.status = ACTIVE
        out.end_alarm(f"grid:{self.name}")
        for level in self.body.levels:
            if level.state is LevelWord.PAUSED:
                self._free(level)

    def _retake_targets(self, out: Outbox) -> None:
        """Levels that hold units get back the target that was cancelled with everything else."""
        for level in self.body.levels:
            bracket = self.cycle_of(level)
            if level.is_filled and bracket is not None and bracket.body.target_dropped:
                bracket.retake_target(level.target_paise, out)

    def withdraw_all(self, now_ns: int, out: Outbox) -> None:
        """Take back what rests, because the desk stops; positions are kept, the next start goes on (GRD-57)."""
        self.body.is_withdrawn = self._is_leaving_desk = True
        self._cancel_everything(now_ns, out)

    def halt(self) -> None:
        """Nothing new is placed until it is resumed; hedges and targets of what is open stay."""
        if self.body.is_active:
            self.body.status = STOPPED

    def _free(self, level: Level) -> None:
        level.move(LevelWord.FRESH)
        level.note = ""
        level.rejects = level.retry_ns = 0

    # --- leaving ---------------------------------------------------------------------------------------------------

    def exit_leg(self, symbol: str, reason: str, now_ns: int, out: Outbox) -> bool:
        """Leave what it holds or waits for in one symbol."""
        mine = [bracket for bracket in self.open_brackets() if bracket.body.symbol == symbol]
        if not mine:
            out.say(Msg.NO_TRADE, source=self.name, symbol=symbol)
        return bool(self._exit_all(mine, reason, now_ns, out))

    def square_off(self, reason: str, now_ns: int, out: Outbox) -> int:
        """Leave both tokens and take back what rests; levels stay paused until they are resumed (GRD-42, GRD-58)."""
        if reason == REASON_EOD and any(bracket.open_qty for bracket in self.open_brackets()):
            out.say(Msg.EOD, source=self.name, symbol=self.terms.token_a)
        return self._exit_all(self.open_brackets(), reason, now_ns, out)

    def exit_levels(self, uuids: Collection[str], reason: str, now_ns: int, out: Outbox) -> int:
        """Leave some levels: their units of token A at the market, and their share of the hedges with them."""
        started = 0
        for level in self.body.levels:
            bracket = self.cycle_of(level)
            if level.uuid not in uuids:
                continue
            if bracket is not None and bracket.body.state is not BracketState.FLAT:
                started += bracket.exit(reason, now_ns, out)
            elif level.state is LevelWord.FRESH:
                self.pause_level(level, reason, out)
        self.plan(now_ns, out)
        return started

    def cancel_levels(self, uuids: Collection[str], now_ns: int, out: Outbox, *, protective: bool) -> None:
        """Take back the entries of some levels, and their targets where `protective`: they pause until resumed, and
        what has filled stays with its hedge."""
        for level in self.body.levels:
            bracket = self.cycle_of(level)
            if level.uuid not in uuids:
                continue
            if level.state is LevelWord.FRESH:
                self.pause_level(level, REASON_CANCELLED, out)
            elif bracket is not None and not bracket.entered_qty:
                bracket.exit(REASON_CANCELLED, now_ns, out)
            elif bracket is not None:
                bracket.withdraw()
                if protective:
                    bracket.drop_target(out)
                bracket.plan(now_ns, out)
        self.plan(now_ns, out)

    def _exit_all(self, brackets: Sequence[Bracket], reason: str, now_ns: int, out: Outbox) -> int:
        return sum(bracket.exit(reason, now_ns, out) for bracket in brackets)

    # --- days and restarts -----------------------------------------------------------------------------------------

    def book(self, trip: RoundTrip, previous: RoundTrip | None, out: Outbox) -> None:
        book_trip(self, trip, previous, out)

    def roll_day(self, trading_day: str) -> bool:
        """A new day: totals at zero, yesterday's square-off forgotten; closed levels stay closed (GRD-17)."""
        if not self.body.begin_day(trading_day):
            return False
        for level in self.body.levels:
            if level.state is LevelWord.PAUSED and level.note == REASON_EOD:
                self._free(level)
        self.brackets = {bracket.body.bracket_id: bracket for bracket in self.open_brackets()}
        return True

    def restore_body(self, image: bytes) -> None:
        """Its levels as they were, of whatever day; the day's totals of today only (GRD-52, BUG-94)."""
        today = self.body.trading_day
        self.body = msgspec.json.decode(image, type=GridBody)
        for level in self.body.levels:
            if level.state is LevelWord.PAUSED and level.note == REASON_STOP_DESK:
                self._free(level)  # left because the desk stopped: now it runs
        self.roll_day(today)
