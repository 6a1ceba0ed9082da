"""The kinds of indicators an `IndicatorSpec` can name: what arguments they take and how many bars they want.

An average that goes on for ever (all but SMA) remembers where it began: its first value is a guess made from few bars.
Each further bar takes the same share of that guess away, Wilder's smoothing 1 / length and EMA 2 / (length + 1). It is
called trusted here when 9 such shares have passed, e^-9 = 0.012 % of the guess being left, and never before 35 bars
(RTP-50; F-35 fills that many from history):

    kind                first value with bar    trusted from bar (min. 35)      default
    sma(n)              n                       n                               sma(7): 35
    ema(n)              n                       n + 4.5 (n + 1)                 ema(20): 115
    atr(n)              n + 1                   10 n + 1                        atr(14): 141
    supertrend(n, f)    n + 1                   10 n + 1                        supertrend(10, 2): 101
    adx(n)              2 n                     11 n                            adx(14): 154

A SuperTrend also carries its first direction and bands on until the trend turns for the first time. Begun anew at some
1,100 places of recorded one-minute bars, supertrend(10, 2) pointed the wrong way at 49 % of them after 12 bars, at 6 %
after 35, at 1 % after 60 and at none after 101, where all lines but one were back within 0.05.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

import msgspec

from engine.bars import SHORTEST_INTERVAL_NS, Bar
from engine.indicators.adx import Adx
from engine.indicators.atr import Atr
from engine.indicators.ema import Ema
from engine.indicators.sma import Sma
from engine.indicators.supertrend import SuperTrend
from engine.instant import NS_PER_DAY
from engine.reading import IndicatorSpec

WARM_UP_BARS: Final = 35
"""The least history before any indicator is trusted (RTP-50)."""
LONGEST: Final = 200
"""Bars an indicator may look over: more than half a session of one-minute bars says nothing about an exit."""
FACTOR_MAX: Final = 20


class Indicator(Protocol):
    """One indicator of one instrument, fed with closed bars in order."""

    @property
    def value(self) -> float | None: ...

    def update(self, bar: Bar) -> float | None: ...


class OnClose:
    """A moving average of the closes."""

    def __init__(self, average: Ema | Sma) -> None:
        self._average = average

    @property
    def value(self) -> float | None:
        return self._average.value

    def update(self, bar: Bar) -> float | None:
        return self._average.update(bar.close_paise)


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """One row of KINDS. `first` and `trusted` turn a length into a number of bars."""

    usage: str
    shortest: int = 1
    takes_factor: bool = False
    make: Callable[[int, float], Indicator]
    first: Callable[[int], int]
    trusted: Callable[[int], int]


KINDS: Final[dict[str, Kind]] = {
    "adx": Kind(
        usage="adx(length)",
        shortest=2,
        make=lambda length, _: Adx(length),
        first=lambda length: 2 * length,
        trusted=lambda length: 11 * length,
    ),
    "atr": Kind(
        usage="atr(length)",
        make=lambda length, _: Atr(length),
        first=lambda length: length + 1,
        trusted=lambda length: 10 * length + 1,
    ),
    "ema": Kind(
        usage="ema(length)",
        make=lambda length, _: OnClose(Ema(length)),
        first=lambda length: length,
        trusted=lambda length: length + (9 * (length + 1) + 1) // 2,
    ),
    "sma": Kind(
        usage="sma(length)",
        make=lambda length, _: OnClose(Sma(length)),
        first=lambda length: length,
        trusted=lambda length: length,
    ),
    "supertrend": Kind(
        usage="supertrend(period, factor)",
        takes_factor=True,
        make=lambda length, factor: SuperTrend(length, factor),
        first=lambda length: length + 1,
        trusted=lambda length: 10 * length + 1,
    ),
}


def make_indicator(spec: IndicatorSpec) -> Indicator:
    """A fresh indicator. Raises ValueError with what is allowed."""
    kind, length, factor = _checked(spec)
    return kind.make(length, factor)


def first_value_bars(spec: IndicatorSpec) -> int:
    """The number of the bar that brings the first value. Raises ValueError with what is allowed."""
    kind, length, _ = _checked(spec)
    return kind.first(length)


def trusted_bars(spec: IndicatorSpec) -> int:
    """After how many bars the start can no longer be felt. Raises ValueError with what is allowed."""
    kind, length, _ = _checked(spec)
    return max(kind.trusted(length), WARM_UP_BARS)


def _checked(spec: IndicatorSpec) -> tuple[Kind, int, float]:
    """The kind, its length and its factor (0 for a kind without one)."""
    kind = KINDS.get(spec.kind)
    if kind is None:
        raise ValueError(f"indicator {spec.kind!r}: one of {', '.join(k.usage for k in KINDS.values())}")
    if len(spec.args) != 1 + kind.takes_factor:
        raise ValueError(f"indicator {spec}: takes {kind.usage}")
    length, factor = spec.args[0], spec.args[-1] if kind.takes_factor else 0
    if isinstance(length, bool) or length != length // 1 or not kind.shortest <= length <= LONGEST:
        raise ValueError(f"indicator {spec}: a whole number of bars from {kind.shortest} to {LONGEST} comes first")
    if kind.takes_factor and (isinstance(factor, bool) or not 0 < factor <= FACTOR_MAX):
        raise ValueError(f"indicator {spec}: the factor is a number above 0, at most {FACTOR_MAX}")
    if not SHORTEST_INTERVAL_NS <= spec.interval_ns <= NS_PER_DAY:
        raise ValueError(f"indicator {spec}: candles of {spec.interval_ns} ns; from 10 seconds to 24 hours")
    return kind, int(length), 1.0 * factor
