"""How one grid trades: its shape, its hedge, its accounts and its limits. Frozen; checked by `engine.grid.check`.

Prices and spreads in paise, quantities in units, spans in nanoseconds. Names follow seed 003 §20; the defaults are its
own unless a row of the requirements says otherwise.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from engine.instant import NS_PER_S
from engine.order import Side


class GridKind(StrEnum):
    LINEAR = "linear"
    """Levels one spread apart (GRD-01)."""
    GEOMETRIC = "geometric"
    """Distances that double (GRD-64)."""


class TradeType(StrEnum):
    """Which sides are built, and whether each fill is hedged on token B (GRD-04)."""

    GRID_OCO = "gridocots"
    BUY_OCO = "buyocots"
    SELL_OCO = "sellocots"
    BUY = "buyts"
    SELL = "sellts"
    GRID = "gridts"
    """Both sides without a hedge: the older geometric bot's only way (GRD-67), not one of the seed's five."""

    @property
    def is_hedged(self) -> bool:
        return self in _HEDGED

    @property
    def sides(self) -> tuple[Side, ...]:
        """Entry sides, BUY first."""
        return _SIDES[self]


_HEDGED: Final = frozenset({TradeType.GRID_OCO, TradeType.BUY_OCO, TradeType.SELL_OCO})
_SIDES: Final[dict[TradeType, tuple[Side, ...]]] = {
    TradeType.GRID_OCO: (Side.BUY, Side.SELL),
    TradeType.BUY_OCO: (Side.BUY,),
    TradeType.SELL_OCO: (Side.SELL,),
    TradeType.BUY: (Side.BUY,),
    TradeType.SELL: (Side.SELL,),
    TradeType.GRID: (Side.BUY, Side.SELL),
}


class TradeSide(StrEnum):
    """Of a level; it decides the hedge account (GRD-05)."""

    UPSIDE = "upside"
    """SELL entries, above the centre."""
    DOWNSIDE = "downside"
    """BUY entries, below the centre."""

    @property
    def entry_side(self) -> Side:
        return Side.SELL if self is TradeSide.UPSIDE else Side.BUY


def trade_side_of(entry_side: Side) -> TradeSide:
    return TradeSide.DOWNSIDE if entry_side is Side.BUY else TradeSide.UPSIDE


class HedgeOrderType(StrEnum):
    STOP = "stop"
    LIMIT = "limit"
    """As the seed's code has it: fills at once; for comparison runs only (CON-11)."""


class RacePolicy(StrEnum):
    """What becomes of hedge units that filled although the target had (GRD-18)."""

    CLOSE = "close"
    KEEP = "keep"


class QuantityScope(StrEnum):
    """Whose entries pause when MaxQuantity is reached (GRD-28, CON-18)."""

    GLOBAL = "global"
    SIDE = "side"


class OnTerminate(StrEnum):
    """What becomes of open positions when the grid ends itself (GRD-46)."""

    KEEP = "keep"
    FLATTEN = "flatten"


class GridAccounts(msgspec.Struct, frozen=True, kw_only=True):
    """Account ids by role (GRD-38); roles with the same credentials have the same id and share a session (GRD-39)."""

    trade: str
    upside_oco: str = ""
    downside_oco: str = ""

    def hedge(self, side: TradeSide) -> str:
        return self.upside_oco if side is TradeSide.UPSIDE else self.downside_oco

    @property
    def is_same_oco(self) -> bool:
        """Both hedge roles are one account: imbalance is judged by their difference (GRD-43)."""
        return self.upside_oco == self.downside_oco

    @property
    def all(self) -> tuple[str, ...]:
        """Each once, the trade account first."""
        return tuple(dict.fromkeys(a for a in (self.trade, self.upside_oco, self.downside_oco) if a))


class GridTerms(msgspec.Struct, frozen=True, kw_only=True):
    """One grid. `engine.grid.check.violations` says what of it is wrong before anything is sent."""

    bot: str
    accounts: GridAccounts
    token_a: str
    token_b: str = ""
    exchange: str = "NSE"
    product: str = "MIS"
    kind: GridKind = GridKind.LINEAR
    trade_type: TradeType = TradeType.GRID_OCO
    entry_paise: int = 0
    """The centre; 0 = the first price of token A (`--auto-entry`, OPS-08)."""
    steps: int = 5
    spread_paise: int = 100
    target_spread_paise: int = 100
    oco_spread_paise: int = 0
    qty_a: int = 0
    """Units of one level."""
    qty_b: int = 0
    """Hedge units of one level (GRD-41)."""
    base_space_paise: int = 1
    """Geometric only: spacing of subset 0, doubled from one to the next (GRD-64)."""
    base_target_paise: int = 2
    total_qty: int = 0
    """Geometric only: split in levels of `qty_a` (GRD-66)."""
    auto_reenter: bool = True
    max_resting_entries_per_side: int = 1
    """Entries that rest on one side at a time; 0 = all of them (GRD-25)."""
    seed_cadence: bool = False
    """One more entry a cycle until all rest, as the seed has it (CON-15)."""
    max_quantity_scope: QuantityScope = QuantityScope.GLOBAL
    hedge_order_type: HedgeOrderType = HedgeOrderType.STOP
    hedge_protection_bps: int = 50
    """Limit of a hedge stop behind its trigger, at least one tick."""
    hedge_sign: int = 1
    """-1 where the two tokens move against each other."""
    confirm_with_token_a: bool = False
    """A due hedge waits while token A stands on the good side of the level's entry."""
    oco_bracket_depth: int = 1
    """Pending hedge triggers that rest per direction, nearest first (GRD-36)."""
    oco_stop_count: int = 3
    """Overdue hedges of one side that end the grid (GRD-44)."""
    untriggered_grace_ns: int = 5 * NS_PER_S
    """A due hedge that is unfilled for longer is overdue (GRD-45)."""
    literal_termination: bool = False
    """Count every unfilled hedge past its price, sent or not, at once (the seed's rule)."""
    min_hold_ns: int = NS_PER_S
    """A resting hedge is moved to another level no sooner than this (GRD-37)."""
    partial_wait_ns: int = 5 * NS_PER_S
    """A part-filled entry gets its target and hedge after this at the latest (GRD-21)."""
    cycle_ns: int = NS_PER_S
    """`poll_interval` (GRD-48)."""
    max_tick_age_ns: int = 5 * NS_PER_S
    """No hedge is priced from an older tick of token B (H-12)."""
    race_policy: RacePolicy = RacePolicy.CLOSE
    on_terminate: OnTerminate = OnTerminate.KEEP
    cancel_on_stop: bool = False
    allow_crossing: bool = False
    """Trade although its own resting orders can meet each other (GRD-09)."""
    protection_bps: int = 300
    """Band of marketable orders: square-off, due hedges."""
    no_new_entries_ns: int = (15 * 3600 + 5 * 60) * NS_PER_S
    """Since IST midnight; 0 = never (GRD-58)."""
    square_off_ns: int = (15 * 3600 + 10 * 60) * NS_PER_S
    """MIS positions are closed; 0 = never. Shares that have derivatives stop trading at 15:15 (facts/market.md §1)."""

    @property
    def is_hedged(self) -> bool:
        return self.trade_type.is_hedged

    @property
    def max_quantity(self) -> int:
        """Units of token A on one side at which new entries pause; 0 = no such limit (GRD-03, GRD-67)."""
        return self.qty_a * self.steps if self.kind is GridKind.LINEAR else 0
