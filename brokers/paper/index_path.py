"""A seeded index path that any process can enter at any instant and find the same: the market behind the demo.

Each day is drawn minute by minute (volatility that wanders and comes back, a few small jumps, an overnight gap from the
day before); inside a minute a Brownian bridge, seeded by that minute alone, gives the steps. So finding a place costs
one pass over the minutes since the first day (1.3 ms a day on the 2-core box, 2026-11), not over its steps.
Levels are floats in rupees: model numbers, rounded to the tick by whoever publishes them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import date
from itertools import accumulate
from random import Random
from typing import Final

import msgspec

from engine.instant import NS_PER_MS, NS_PER_S

STEP_NS: Final = 250 * NS_PER_MS
_MINUTE_NS: Final = 60 * NS_PER_S
STEPS_PER_MINUTE: Final = _MINUTE_NS // STEP_NS
_TRADING_DAYS_PER_YEAR: Final = 252

Session = Callable[[date], tuple[int, int]]
"""Open and close instants of a trading day."""
NextTradingDay = Callable[[date], date]
"""The first trading day after a date."""


class PathModel(msgspec.Struct, frozen=True, kw_only=True):
    """What the index does. Fractions of the level, unless said."""

    start_rupees: float = 24_500.0
    vol_per_year: float = 0.13
    vol_wander: float = 0.3
    """Standard deviation of log-volatility in the long run."""
    vol_half_life_min: float = 60.0
    jumps_per_day: float = 6.0
    jump_size: float = 0.0004
    """Standard deviation: about 10 points."""
    gap_size: float = 0.003
    """Overnight, standard deviation."""


class _Minute(msgspec.Struct, frozen=True, gc=False):
    """Log level at the start, drift of the diffusion over the minute, and one jump (step -1: none)."""

    log_start: float
    log_move: float
    log_vol: float
    """Of the model's volatility: 0 = as usual."""
    step_size: float
    """Standard deviation of one step."""
    jump_step: int
    jump: float


class DayPath:
    """One trading day of the index."""

    def __init__(
        self, model: PathModel, seed: int, day: date, session: tuple[int, int], log_open: float, log_vol: float
    ) -> None:
        self.day = day
        self.open_ns, self.close_ns = session
        self.steps = -(-(self.close_ns - self.open_ns) // STEP_NS)
        self._seed = seed
        self._minutes: list[_Minute] = []
        self._bridge_minute = -1
        self._bridge: list[float] = []
        self._draw_minutes(model, Random(f"{seed}/{day.isoformat()}"), log_open, log_vol)

    def _draw_minutes(self, model: PathModel, random: Random, log_level: float, log_vol: float) -> None:
        count = max(1, -(-(self.close_ns - self.open_ns) // _MINUTE_NS))
        pull = 1.0 - 0.5 ** (1.0 / model.vol_half_life_min)
        shake = model.vol_wander * math.sqrt(2.0 * pull)
        usual = model.vol_per_year / math.sqrt(_TRADING_DAYS_PER_YEAR * count)
        for _ in range(count):
            # The mean of the squared volatility stays the model's: E exp(2(v - s^2)) = 1 for v of deviation s.
            size = usual * math.exp(log_vol - model.vol_wander**2)
            move = random.gauss(0.0, size)
            jumps = random.random() < model.jumps_per_day / count
            jump_step = random.randrange(STEPS_PER_MINUTE) if jumps else -1
            jump = random.gauss(0.0, model.jump_size) if jumps else 0.0
            step_size = size / math.sqrt(STEPS_PER_MINUTE)
            self._minutes.append(_Minute(log_level, move, log_vol, step_size, jump_step, jump))
            log_level += move + jump
            log_vol += -pull * log_vol + random.gauss(0.0, shake)
        self.log_close, self.log_vol_close = log_level, log_vol

    def level(self, step: int) -> float:
        """Index in rupees at a step from the open."""
        minute, inside = divmod(step, STEPS_PER_MINUTE)
        if minute != self._bridge_minute:
            self._bridge = self._bridged(minute)
            self._bridge_minute = minute
        return math.exp(self._bridge[inside])

    def vol_factor(self, step: int) -> float:
        """How lively this minute is: 1 = as usual. Option volatility follows it at a distance."""
        return math.exp(self._minutes[step // STEPS_PER_MINUTE].log_vol)

    def _bridged(self, minute: int) -> list[float]:
        """The log levels of a minute's steps."""
        facts = self._minutes[minute]
        random = Random(f"{self._seed}/{self.day.isoformat()}/{minute}")
        moves = [random.gauss(0.0, facts.step_size) for _ in range(STEPS_PER_MINUTE)]
        walk = list(accumulate(moves, initial=0.0))
        tilt = (facts.log_move - walk[-1]) / STEPS_PER_MINUTE
        jump_from = facts.jump_step if facts.jump_step >= 0 else STEPS_PER_MINUTE
        return [
            facts.log_start + walk[step] + tilt * step + (facts.jump if step >= jump_from else 0.0)
            for step in range(STEPS_PER_MINUTE)
        ]


class IndexPath:
    """The days of the path, in order, from its first."""

    def __init__(
        self,
        seed: int,
        first_day: date,
        session: Session,
        next_trading_day: NextTradingDay,
        model: PathModel | None = None,
    ) -> None:
        self.model = model or PathModel()
        self._seed = seed
        self._session = session
        self._next_trading_day = next_trading_day
        start = math.log(self.model.start_rupees)
        self.days = [DayPath(self.model, seed, first_day, session(first_day), start, 0.0)]

    def day(self, day: date) -> DayPath:
        """A trading day of the path. Raises ValueError for a day before its first or on which nothing trades."""
        while self.days[-1].day < day:
            self._append()
        for path in reversed(self.days):
            if path.day == day:
                return path
        raise ValueError(f"{day.isoformat()}: not a trading day on or after {self.days[0].day.isoformat()}")

    def day_open_at(self, at_ns: int) -> DayPath:
        """The trading day that an instant belongs to, or the next one when the market is closed."""
        while self.days[-1].close_ns <= at_ns:
            self._append()
        return next(path for path in self.days if path.close_ns > at_ns)

    def _append(self) -> None:
        last = self.days[-1]
        day = self._next_trading_day(last.day)
        random = Random(f"{self._seed}/{day.isoformat()}/gap")
        log_open = last.log_close + random.gauss(0.0, self.model.gap_size)
        log_vol = 0.5 * last.log_vol_close + random.gauss(0.0, self.model.vol_wander / 2)
        self.days.append(DayPath(self.model, self._seed, day, self._session(day), log_open, log_vol))
