"""What a screen may know: immutable pictures of the desk, built on demand. No reference into the engine's state.

A row whose content did not change is the *same object* as in the picture before, so "changed" is an identity test.
Prices in paise, quantities in units, instants in exchange-clock nanoseconds; 0 means "does not apply" unless said.
All text from outside is already sanitised (no control characters), but is still data, never markup.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from engine.order import OrderState, OrderType, Pending, Role, Side


class ProtectionWord(StrEnum):
    """Most severe first (style/tui.md §7.1)."""

    NAKED = "NAKED"
    UNKNOWN = "UNKNOWN"
    PARTIAL = "PARTIAL"
    PLACING = "PLACING"
    LOCAL = "LOCAL"
    PROTECTED = "PROTECTED"
    EXITING = "EXITING"
    FLAT = "FLAT"


class ExitStyle(StrEnum):
    """Which exits rest at the broker (design §5)."""

    RESTING = "resting"
    MONITORED = "monitored"
    HYBRID = "hybrid"


class BracketState(StrEnum):
    FLAT = "flat"
    ENTERING = "entering"
    PROTECTING = "protecting"
    PROTECTED = "protected"
    EXITING = "exiting"


class ExitView(msgspec.Struct, frozen=True, kw_only=True):
    """One exit of a leg: where it lives and in what state."""

    price_paise: int
    """Target price or stop trigger."""
    limit_paise: int = 0
    qty: int = 0
    resting: bool = False
    """True: at the broker. False: watched here, dies with this program."""
    state: OrderState | None = None
    """State of the resting order; None when nothing rests."""
    since_ns: int = 0


class LegView(msgspec.Struct, frozen=True, kw_only=True):
    """One leg of the pair, flat or not."""

    symbol: str
    name: str
    """`24500PE`."""
    option_type: str
    """`CE`, `PE` or empty."""
    title: str
    """`PE NIFTY 01DEC 24500`."""
    bot: str
    style: ExitStyle
    state: BracketState
    protection: ProtectionWord
    open_qty: int = 0
    """Signed."""
    lots: int = 0
    lot_size: int = 0
    covered_qty: int = 0
    """Units whose stop is acknowledged by the broker."""
    naked_since_ns: int = 0
    entry_paise: int = 0
    ltp_paise: int = 0
    ltp_move: int = 0
    """-1, 0, +1 against the price before."""
    tick_ns: int = 0
    """Exchange time of the newest tick; 0 = never."""
    bid_paise: int = 0
    bid_qty: int = 0
    ask_paise: int = 0
    ask_qty: int = 0
    tick_paise: int = 5
    unrealised_paise: int = 0
    realised_paise: int = 0
    """Of this leg, today."""
    stop: ExitView | None = None
    target: ExitView | None = None
    trail: str = ""
    """`off`, `arms at 102.00`, `active, stop 101.50, next at 102.07`."""
    protected_since_ns: int = 0
    next_step: str = ""
    """What happens next and when, in words."""
    note: str = ""
    """Newest remark: last exit, refusal, alarm."""

    @property
    def key(self) -> str:
        """Names the leg among all: two bots may hold the same symbol."""
        return f"{self.bot}/{self.symbol}"


class BracketView(msgspec.Struct, frozen=True, kw_only=True):
    bracket_id: str
    name: str
    bot: str
    style: ExitStyle
    state: BracketState
    open_qty: int
    covered_qty: int
    working_exit_qty: int
    """What working exits could still sell, the OCO pair counted once; never above open_qty."""
    stop: ExitView | None
    target: ExitView | None
    trail: str
    alarm: str = ""


class OrderView(msgspec.Struct, frozen=True, kw_only=True):
    tag: str
    broker_id: str
    symbol: str
    name: str
    role: Role
    side: Side
    type: OrderType
    limit_paise: int
    trigger_paise: int
    qty: int
    filled_qty: int
    average_paise: int
    state: OrderState
    pending: Pending
    state_ns: int
    why: str
    reject_text: str = ""
    bot: str = ""

    @property
    def is_open(self) -> bool:
        return self.state not in (
            OrderState.FILLED,
            OrderState.CANCELLED,
            OrderState.REJECTED,
            OrderState.EXPIRED,
        )


class LogLine(msgspec.Struct, frozen=True, kw_only=True):
    seq: int
    at_ns: int
    level: str
    """INFO, WARN, ERROR or CRITICAL."""
    source: str
    text: str


class AlarmView(msgspec.Struct, frozen=True, kw_only=True):
    alarm_id: str
    since_ns: int
    text: str
    acknowledged_ns: int = 0
    """When somebody said they had seen it; it stands until its cause is over all the same."""


class LadderRow(msgspec.Struct, frozen=True, kw_only=True):
    """One price rung of the selected leg."""

    price_paise: int
    bid_qty: int = 0
    ask_qty: int = 0
    mine: str = ""
    """Own orders on the rung: `S 75 target`, `S 75 stop`, `B 75 entry`."""
    marks: str = ""
    """`LTP`, `ENTRY`, `SL`, `TP`, `TRAIL`, joined by spaces."""


class HealthView(msgspec.Struct, frozen=True, kw_only=True):
    ticks_per_s: int = 0
    commit_ms: float = 0.0
    loop_lag_ms_p99: float = 0.0
    loop_lag_ms_worst: float = 0.0
    orders_last_s: int = 0
    orders_per_s: int = 0
    survives_us: tuple[str, ...] = ()
    """What rests at the broker."""
    dies_with_us: tuple[str, ...] = ()
    """What is only watched here."""
    on_stop: tuple[str, ...] = ()
    """What a stop would do now, bot by bot (OPS-21)."""
    naked_qty: int = 0
    """Units without working protection at this moment, of all positions."""
    naked_since_ns: int = 0
    """Of the one that has waited longest; 0 = none is bare."""
    naked_count: int = 0
    """Finished intervals of the trading day, and how long they lasted."""
    naked_p50_ns: int = 0
    naked_p99_ns: int = 0
    naked_worst_ns: int = 0


class StatusView(msgspec.Struct, frozen=True, kw_only=True):
    """The two top lines."""

    mode: str
    """`PAPER DEMO`, `PAPER REPLAY`, `PAPER`, `LIVE`."""
    broker: str
    account: str
    is_live: bool
    now_ns: int
    index_name: str = ""
    index_paise: int = 0
    index_move: int = 0
    feed_ns: int = 0
    """Exchange time of the newest tick of any instrument; 0 = none yet."""
    order_path_ms: float = 0.0
    """Last answer time of the order path."""
    order_path_ns: int = 0
    """When the order path was last proven; 0 = never."""
    order_path_down: str = ""
    reconciled_ns: int = 0
    reconcile_diffs: int = 0
    realised_paise: int = 0
    unrealised_paise: int = 0
    charges_paise: int = 0
    day_limit_paise: int = 0
    entries: str = "ON"
    """`ON`, `ON, except NAME: reason`, `PAUSED` or `BLOCKED: reason`."""
    square_off_ns: int = 0
    session_text: str = ""
    engine_down: str = ""

    @property
    def net_paise(self) -> int:
        return self.realised_paise + self.unrealised_paise - self.charges_paise


class ActionView(msgspec.Struct, frozen=True, kw_only=True):
    """Progress of one trader request."""

    request_id: str
    text: str
    sent_ns: int
    done: int = 0
    total: int = 0
    finished: bool = False
    failed: str = ""
    """Why not; stays until dismissed."""


class DeskView(msgspec.Struct, frozen=True, kw_only=True):
    version: int
    status: StatusView
    legs: tuple[LegView, ...] = ()
    brackets: tuple[BracketView, ...] = ()
    orders: tuple[OrderView, ...] = ()
    """Newest first; unknown orders are never left out."""
    alarms: tuple[AlarmView, ...] = ()
    """Newest first, not ended."""
    actions: tuple[ActionView, ...] = ()
    health: HealthView = HealthView()
    log_seq: int = 0
    """Sequence number of the newest log line."""
