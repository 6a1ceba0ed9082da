"""A simulated day of a grid: the pair market, one grid on it, a trader at its keys, and what a grid must keep.

Everything else is the day of the legs (`tui.simulation.day`): exchange, wire, faults, crashes, journal and judge. All
roles trade one account here; that commands go to the account of their role is proven by `tests/system`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import time as time_of_day
from functools import cached_property
from typing import Final

from msgspec.structs import replace

from brokers.paper.pair_market import PairMarket
from engine.desk_parts import BotParts
from engine.grid.bot import GridBot
from engine.grid.parts import GridParts
from engine.instrument import Instrument
from engine.session import SessionClass
from engine.tick import Tick
from tui.simulation.day import Day, DayPlan
from tui.simulation.grid_checks import CountersAgree, HedgeInTime, HedgesAtWork, NotOverHedged
from tui.simulation.grid_terms import BOT, GridPress, drawn_grid, drawn_keys, drawn_pair
from tui.simulation.grid_trader import GridTrader
from tui.simulation.oracle import Check
from tui.simulation.pair_day import PairDayMarket

GRID_FAULTS_END: Final = time_of_day(14, 52)


class GridDay(Day):
    """The world of one day, and a grid in it."""

    SESSION = SessionClass.CASH_WITH_DERIVATIVES
    SQUARE_OFF = time_of_day(15, 2)
    CUT_OFF = time_of_day(15, 8)
    FAULTS_END = GRID_FAULTS_END

    def __init__(self, plan: DayPlan, on_line: Callable[[str], None] | None) -> None:
        super().__init__(plan, on_line)
        rules = replace(self.terms.rules, second_exit_margin=False)  # shares are sold short with the day's margin
        self.terms = replace(self.terms, rules=rules)

    async def _open_market(self) -> Mapping[str, Instrument]:
        seed = self.terms.seed
        model = drawn_pair(seed, self.plan.profile)
        pair = PairMarket(seed, self.open_ns, self.clock, self._session_of, self._next_day, model=model)
        self.pair_market = PairDayMarket(pair)
        self.day_market = self.pair_market
        return {instrument.symbol: instrument for instrument in await pair.instruments()}

    def ticks(self, until_ns: int) -> Iterator[Tick]:
        return self.pair_market.ticks(self.open_ns, until_ns)

    def bots(self, account_id: str) -> tuple[BotParts, ...]:
        self.truth.shares_symbols = True
        return (GridParts(terms=drawn_grid(self.terms.seed, account_id)),)

    def _trader(self) -> GridTrader:
        return GridTrader(self.desk, self.clock, self.truth)

    @cached_property
    def presses(self) -> tuple[GridPress, ...]:
        return drawn_keys(self.terms.seed, self.plan.profile, self.open_ns, self.quiet_ns)

    def grid(self) -> GridBot | None:
        """Of the living desk; None while nobody is there, or its code has failed."""
        desk = self.desk()
        bot = desk.bots.get(BOT) if desk is not None else None
        return bot if isinstance(bot, GridBot) else None

    def _own_checks(self) -> list[Check]:
        return [CountersAgree(self.grid), HedgeInTime(self.grid), HedgesAtWork(self.grid), NotOverHedged(self.grid)]
