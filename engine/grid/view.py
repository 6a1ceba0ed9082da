"""What a screen may know of a grid: immutable pictures in the manner of `engine.view`, built by the desk on demand.

Prices in paise, quantities in units, instants in exchange-clock nanoseconds; 0 means "does not apply" unless said. Rows
that did not change are the same objects as before. Text from outside is sanitised already, but is never markup.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from engine.grid.terms import GridAccounts, GridKind, TradeSide, TradeType, trade_side_of
from engine.order import Side


class LevelWord(StrEnum):
    """Where a level stands: the states of GRD-12, and two in which nothing is placed for it."""

    FRESH = "FRESH"
    ENTRY_PLACED = "ENTRY_PLACED"
    TARGET_READY = "TARGET_READY"
    TARGET_PLACED = "TARGET_PLACED"
    OCO_FILLED = "OCO_FILLED"
    """The hedge has filled: closed for good (GRD-17)."""
    PAUSED = "PAUSED"
    """Refused as often as its budget, or left by the trader (GRD-19)."""
    DONE = "DONE"
    """Closed after its target, without re-entry (GRD-22)."""


class HedgeWord(StrEnum):
    """What stands for the hedge of a level, or of one direction."""

    NONE = "none"
    HELD_BACK = "held back"
    """Further away than the bracketing lets rest (GRD-35)."""
    RESTING = "resting"
    DUE = "due"
    """Its price is reached and it has not filled."""
    EXECUTING = "executing"
    FILLED = "filled"
    UNHEDGED = "UNHEDGED"
    """Wanted, and nothing stands for it: no price, or refused (GRD-07, GRD-10)."""


class TokenView(msgspec.Struct, frozen=True, kw_only=True):
    """One of the two instruments of a grid."""

    symbol: str
    ltp_paise: int = 0
    ltp_move: int = 0
    """-1, 0, +1 against the price before."""
    tick_ns: int = 0
    """Exchange time of the newest tick; 0 = never."""
    net_qty: int = 0
    """Signed units that this grid holds."""
    average_paise: int = 0


class GridLevelView(msgspec.Struct, frozen=True, kw_only=True):
    """One level. `price_paise` is where its entry stands, so that rows keep their place while it is worked."""

    level_id: str
    """A new one after every cycle (GRD-16)."""
    index: int
    """1 = nearest to the centre."""
    side: Side
    """Of its entry."""
    price_paise: int
    target_paise: int
    state: LevelWord
    wanted_qty: int
    """Units of its next or working order: the entry, then the target."""
    working_qty: int = 0
    """Units of it that the broker has acknowledged and that have not filled."""
    filled_qty: int = 0
    """Units of the entry that have filled in this cycle."""
    open_qty: int = 0
    """Signed units of token A that it holds."""
    hedge_open_qty: int = 0
    """Signed units of token B that it holds: with `open_qty` an open pair (GRD-42)."""
    open_paise: int = 0
    """Unrealised, both tokens together."""
    order_tag: str = ""
    bracket_id: str = ""
    """Of this cycle's bracket on token A."""
    hedge_bracket_id: str = ""
    hedge_state: HedgeWord = HedgeWord.NONE
    hedge_trigger_paise: int = 0
    hedge_covered_qty: int = 0
    """Units of token B that rest, execute or have filled for this level."""
    hedge_needed_qty: int = 0
    cycles: int = 0
    note: str = ""
    """Newest remark: the refusal, a stale hedge price."""

    @property
    def trade_side(self) -> TradeSide:
        return trade_side_of(self.side)

    @property
    def label(self) -> str:
        """`B1`, `S3`: names the place in the ladder, over all its cycles."""
        return f"{self.side.value[0]}{self.index}"

    @property
    def works_target(self) -> bool:
        """What is wanted now is the target, on the other side."""
        return self.state in (LevelWord.TARGET_READY, LevelWord.TARGET_PLACED)

    @property
    def wanted_side(self) -> Side:
        return self.side.opposite if self.works_target else self.side


class GridHedgeView(msgspec.Struct, frozen=True, kw_only=True):
    """One hedge order, or what waits together in one direction."""

    direction: Side
    trade_side: TradeSide
    """Whose levels it hedges; decides the account."""
    account: str
    state: HedgeWord
    trigger_paise: int = 0
    limit_paise: int = 0
    qty: int = 0
    """Units of the order, or that wait."""
    covered_qty: int = 0
    """Units needed by these levels for which something rests, executes or has filled."""
    needed_qty: int = 0
    levels: str = ""
    """`B1`, `B1 B2`: whose hedges it stands for."""
    order_tag: str = ""
    since_ns: int = 0
    """In this state since."""
    is_resting: bool = False
    """True: at the broker. False: watched here, dies with this program."""


class GridView(msgspec.Struct, frozen=True, kw_only=True):
    """One grid, whole."""

    bot: str
    trade_type: TradeType
    kind: GridKind
    accounts: GridAccounts
    token_a: TokenView
    token_b: TokenView | None = None
    """None for a grid without hedges."""
    centre_paise: int = 0
    """0 = waits for the first price (OPS-08)."""
    status: str = "Active"
    """`Active`, `Stopped`, `Terminated: reason` (GRD-55)."""
    entries: str = "ON"
    """`ON`, `PAUSED` or why it does not enter."""
    realised_paise: int = 0
    open_paise: int = 0
    charges_paise: int = 0
    cycles: int = 0
    upside_net_qty: int = 0
    downside_net_qty: int = 0
    upside_oco_count: int = 0
    downside_oco_count: int = 0
    used_qty: int = 0
    """Units that count against `max_qty`: of the fuller side."""
    max_qty: int = 0
    """0 = no such limit."""
    max_reached: bool = False
    imbalance: int = 0
    """Hedge fills that count towards the end of the grid (GRD-43)."""
    imbalance_limit: int = 0
    overdue: int = 0
    """Overdue hedges of the worse side (GRD-44)."""
    overdue_limit: int = 0
    levels: tuple[GridLevelView, ...] = ()
    hedges: tuple[GridHedgeView, ...] = ()
    note: str = ""
    """What needs the trader, in words."""

    @property
    def total_paise(self) -> int:
        return self.realised_paise + self.open_paise - self.charges_paise

    @property
    def is_hedged(self) -> bool:
        return self.trade_type.is_hedged

    @property
    def is_open(self) -> bool:
        """It holds units of either token."""
        return self.token_a.net_qty != 0 or (self.token_b is not None and self.token_b.net_qty != 0)

    @property
    def is_active(self) -> bool:
        return self.status == "Active"

    @property
    def is_paused(self) -> bool:
        """The trader has said so; nothing else that holds entries back counts."""
        return self.entries.startswith("PAUSED")

    @property
    def unhedged(self) -> tuple[GridLevelView, ...]:
        return tuple(level for level in self.levels if level.hedge_state is HedgeWord.UNHEDGED)

    def level_key(self, level: GridLevelView) -> str:
        """Names a level's place among all grids of the desk."""
        return f"{self.bot}/{level.label}"
