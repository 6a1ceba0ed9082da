"""A seeded path of two shares that move together, except in spells in which the second one stops following. Pure.

Each minute of a trading day has a common shock and a shock of each share's own; a spell of decoupling takes the common
part out of token B for some minutes, now and then, as the seed has it. Inside a minute a Brownian bridge seeded by that
minute alone gives the steps, so that any process may enter at any instant and finds the same prices. Levels are floats
in rupees: model numbers, rounded to the tick by whoever publishes them.
"""

from __future__ import annotations

import math
from datetime import date
from itertools import accumulate
from random import Random
from typing import Final

import msgspec

from brokers.paper.index_path import STEP_NS, STEPS_PER_MINUTE, NextTradingDay, Session

TRADING_DAYS_PER_YEAR: Final = 252
_MINUTE_NS: Final = STEP_NS * STEPS_PER_MINUTE
_MINUTES_OF_A_DAY: Final = 360
"""Continuous trading of a cash share with derivatives, 09:15 to 15:15 (facts/market.md §1): scales volatility."""


class ShareModel(msgspec.Struct, frozen=True, kw_only=True):
    """One share. Fractions of the price unless said."""

    start_rupees: float
    vol_per_year: float = 0.35
    home_pull_per_day: float = 2.0
    """How strongly the price returns to where it started, in e-foldings a day: a demo grid is to be watched for weeks
    without walking out of its ladder. 0 = a free walk."""


class PairModel(msgspec.Struct, frozen=True, kw_only=True):
    """Two shares and what ties them. The prices are demo prices, not those of the market."""

    a: ShareModel = ShareModel(start_rupees=50.00)
    b: ShareModel = ShareModel(start_rupees=120.50)
    correlation: float = 0.8
    """Of their minute returns while they are coupled, -1 to 1."""
    spells_per_day: float = 2.0
    """Decoupling spells; 0 = they always follow each other."""
    spell_minutes: float = 20.0
    """Mean length of a spell."""

    def __post_init__(self) -> None:
        if not -1.0 <= self.correlation <= 1.0:
            raise ValueError(f"correlation = {self.correlation}: allowed are -1 to 1")
        if self.spells_per_day < 0 or self.spell_minutes < 1:
            raise ValueError("spells_per_day must be 0 or more, spell_minutes 1 or more")
        for name, share in (("a", self.a), ("b", self.b)):
            if share.start_rupees <= 0 or share.vol_per_year < 0 or share.home_pull_per_day < 0:
                raise ValueError(f"{name}: start_rupees must be above 0, vol_per_year and home_pull_per_day 0 or more")


class _Minute(msgspec.Struct, frozen=True, gc=False):
    """Log price of each share at the start, and its move over the minute."""

    log_a: float
    log_b: float
    move_a: float
    move_b: float
    is_coupled: bool


class PairDay:
    """One day of the pair, drawn to the minute; steps are found on demand."""

    def __init__(
        self, model: PairModel, seed: int, day: date, session: tuple[int, int], logs: tuple[float, float], spell: int
    ) -> None:
        """`logs` are the log prices at the open, `spell` the minutes of a spell that reach over from the day before."""
        self.day = day
        self.open_ns, self.close_ns = session
        self.steps = -(-(self.close_ns - self.open_ns) // STEP_NS)
        self.log_open = logs
        self._model = model
        self._seed = seed
        self._minutes: list[_Minute] = []
        self._bridge_minute = -1
        self._bridge: tuple[list[float], list[float]] = ([], [])
        self._draw(Random(f"{seed}/pair/{day.isoformat()}"), spell)

    def _draw(self, random: Random, spell: int) -> None:
        model, (log_a, log_b) = self._model, self.log_open
        count = max(1, -(-(self.close_ns - self.open_ns) // _MINUTE_NS))
        tie = model.correlation
        apart = math.sqrt(1.0 - tie * tie)
        for _ in range(count):
            shock_a, own_b = random.gauss(0.0, 1.0), random.gauss(0.0, 1.0)
            begins, length = random.random(), random.expovariate(1.0 / model.spell_minutes)
            if spell == 0 and begins < model.spells_per_day / count:
                spell = max(1, round(length))
            # A decoupled share is as lively as before; only its shocks are its own.
            shock_b = own_b if spell else tie * shock_a + apart * own_b
            move_a, move_b = _move(model.a, log_a, shock_a), _move(model.b, log_b, shock_b)
            self._minutes.append(_Minute(log_a, log_b, move_a, move_b, spell == 0))
            log_a, log_b, spell = log_a + move_a, log_b + move_b, max(0, spell - 1)
        self.log_close = (log_a, log_b)
        self.spell_left = spell

    def is_coupled(self, step: int) -> bool:
        """Whether token B follows token A in this step's minute."""
        return self._minutes[step // STEPS_PER_MINUTE].is_coupled

    def prices(self, step: int) -> tuple[float, float]:
        """Rupees of both shares at a step from the open."""
        minute, inside = divmod(step, STEPS_PER_MINUTE)
        if minute != self._bridge_minute:
            self._bridge, self._bridge_minute = self._bridged(minute), minute
        return math.exp(self._bridge[0][inside]), math.exp(self._bridge[1][inside])

    def _bridged(self, minute: int) -> tuple[list[float], list[float]]:
        facts, model = self._minutes[minute], self._model
        random = Random(f"{self._seed}/pair/{self.day.isoformat()}/{minute}")
        tie = model.correlation if facts.is_coupled else 0.0
        apart = math.sqrt(1.0 - tie * tie)
        shocks = [(random.gauss(0.0, 1.0), random.gauss(0.0, 1.0)) for _ in range(STEPS_PER_MINUTE)]
        shocks_b = [tie * shock + apart * own for shock, own in shocks]
        return (
            _walk(facts.log_a, facts.move_a, model.a, [shock for shock, _ in shocks]),
            _walk(facts.log_b, facts.move_b, model.b, shocks_b),
        )


class PairPath:
    """The days of the path, in order, from its first; the next one begins where the last one closed, plus a gap."""

    def __init__(
        self,
        seed: int,
        first_day: date,
        session: Session,
        next_trading_day: NextTradingDay,
        model: PairModel | None = None,
    ) -> None:
        self.model = model or PairModel()
        self._seed = seed
        self._session = session
        self._next_trading_day = next_trading_day
        start = (math.log(self.model.a.start_rupees), math.log(self.model.b.start_rupees))
        self.days = [self._drawn(first_day, start, 0)]

    def day_open_at(self, at_ns: int) -> PairDay:
        """The trading day that an instant belongs to, or the next one when the market is closed."""
        while self.days[-1].close_ns <= at_ns:
            last = self.days[-1]
            day = self._next_trading_day(last.day)
            random = Random(f"{self._seed}/pair/{day.isoformat()}/gap")
            shock_a, own_b = random.gauss(0.0, 1.0), random.gauss(0.0, 1.0)
            tie = self.model.correlation
            shock_b = tie * shock_a + math.sqrt(1.0 - tie * tie) * own_b
            log_a, log_b = last.log_close
            opened = (log_a + _gap(self.model.a, shock_a), log_b + _gap(self.model.b, shock_b))
            self.days.append(self._drawn(day, opened, last.spell_left))
        return next(day for day in self.days if day.close_ns > at_ns)

    def last_close_before(self, day: PairDay) -> tuple[float, float]:
        """Rupees of both shares at the close before a day; where the path starts for the first one."""
        index = self.days.index(day)
        logs = self.days[index - 1].log_close if index else day.log_open
        return math.exp(logs[0]), math.exp(logs[1])

    def _drawn(self, day: date, logs: tuple[float, float], spell_left: int) -> PairDay:
        return PairDay(self.model, self._seed, day, self._session(day), logs, spell_left)


def _minute_size(share: ShareModel) -> float:
    """Standard deviation of one minute's log return."""
    return share.vol_per_year / math.sqrt(TRADING_DAYS_PER_YEAR * _MINUTES_OF_A_DAY)


def _move(share: ShareModel, log_price: float, shock: float) -> float:
    home = math.log(share.start_rupees)
    return shock * _minute_size(share) + share.home_pull_per_day / _MINUTES_OF_A_DAY * (home - log_price)


def _gap(share: ShareModel, shock: float) -> float:
    """Overnight: as much as twenty minutes of trading."""
    return shock * _minute_size(share) * math.sqrt(20.0)


def _walk(start: float, move: float, share: ShareModel, shocks: list[float]) -> list[float]:
    """Log prices of a minute's steps: a bridge from the start that arrives at `start + move`."""
    size = _minute_size(share) / math.sqrt(STEPS_PER_MINUTE)
    walk = list(accumulate((shock * size for shock in shocks), initial=0.0))
    tilt = (move - walk[-1]) / STEPS_PER_MINUTE
    return [start + walk[step] + tilt * step for step in range(STEPS_PER_MINUTE)]
