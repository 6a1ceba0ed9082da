"""What can be traded: the contract's facts for one trading day, taken from a broker's instrument master."""

from __future__ import annotations

from datetime import date
from enum import StrEnum

import msgspec


class Segment(StrEnum):
    """Kind of contract; decides order types, sessions and charges."""

    INDEX_OPTION = "index_option"
    STOCK_OPTION = "stock_option"
    FUTURE = "future"
    EQUITY = "equity"
    INDEX = "index"
    """A value, not tradable."""


class OptionType(StrEnum):
    PE = "PE"
    CE = "CE"

    @property
    def other(self) -> OptionType:
        return OptionType.CE if self is OptionType.PE else OptionType.PE


class Instrument(msgspec.Struct, frozen=True, kw_only=True):
    """One contract. Identity is (exchange, underlying, expiry, strike, type); `symbol` is how this desk names it."""

    symbol: str
    """The name used in config, journal and on screen; unique within a desk."""
    exchange: str
    """NSE, BSE, NFO or BFO."""
    segment: Segment
    lot_size: int
    """Units per lot."""
    tick_paise: int
    freeze_qty: int = 0
    """Largest units of one order; 0 means the exchange gave none."""
    underlying: str = ""
    expiry: date | None = None
    strike_paise: int = 0
    option_type: OptionType | None = None

    @property
    def is_option(self) -> bool:
        return self.option_type is not None

    @property
    def short_name(self) -> str:
        """`24500PE` for an option, else the symbol."""
        if self.option_type is None:
            return self.symbol
        strike = self.strike_paise / 100
        return f"{strike:g}{self.option_type.value}"

    @property
    def max_order_qty(self) -> int:
        """Largest legal units in one order: whole lots inside the freeze quantity (facts/market.md §4)."""
        if self.freeze_qty <= 0:
            return 0
        return self.freeze_qty // self.lot_size * self.lot_size
