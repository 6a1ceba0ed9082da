"""Black-76: the price of a European option on a forward, and the smile of its volatility. Model numbers, so floats.

No price of this module is money: the demo market rounds to the tick before anything leaves it. F. Black, "The pricing
of commodity contracts", 1976.
"""

from __future__ import annotations

import math

import msgspec

from engine.instrument import OptionType

_SQRT_2 = math.sqrt(2.0)


def normal_cdf(x: float) -> float:
    """Standard normal distribution function; erfc keeps the left tail exact where erf would cancel."""
    return 0.5 * math.erfc(-x / _SQRT_2)


def price(kind: OptionType, forward: float, strike: float, years: float, vol: float, rate: float = 0.0) -> float:
    """Present value, in the unit of `forward` and `strike`. `vol` and `rate` per year as fractions (0.13 = 13 %).

    At expiry or without volatility it is the discounted intrinsic value.
    """
    sign = 1.0 if kind is OptionType.CE else -1.0
    discount = math.exp(-rate * years) if years > 0.0 else 1.0
    if years <= 0.0 or vol <= 0.0:
        return discount * max(sign * (forward - strike), 0.0)
    spread = vol * math.sqrt(years)
    d1 = math.log(forward / strike) / spread + 0.5 * spread
    d2 = d1 - spread
    return discount * sign * (forward * normal_cdf(sign * d1) - strike * normal_cdf(sign * d2))


class Smile(msgspec.Struct, frozen=True, kw_only=True):
    """Volatility by moneyness, as index options show it: dearer puts below, dearer wings on both sides."""

    skew: float = -0.06
    """Relative change of volatility per standard deviation of log-moneyness; negative lifts the lower strikes."""
    curvature: float = 0.02
    """Relative change per squared standard deviation."""
    floor: float = 0.6
    ceiling: float = 2.0
    """Bounds of the factor, so that a far wing stays a price."""

    def vol(self, base_vol: float, forward: float, strike: float, years: float) -> float:
        """Volatility of one strike; `base_vol` is that of the strike at the forward."""
        spread = base_vol * math.sqrt(years if years > 1 / 365 else 1 / 365)
        away = math.log(strike / forward) / spread
        factor = 1.0 + self.skew * away + self.curvature * away * away
        if factor < self.floor:
            return base_vol * self.floor
        return base_vol * (factor if factor < self.ceiling else self.ceiling)
