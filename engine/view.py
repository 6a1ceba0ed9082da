"""What a screen may know: immutable pictures of the desk, built on demand. No reference into the engine's state.

A row whose content did not change is the *same object* as in the picture before, so "changed" is an identity test.
Prices in paise, quantities in units, instants in exchange-clock nanoseconds; 0 means "does not apply" unless said.
All text from outside is already sanitised (no control characters), but is still data, never markup.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from engine.grid.view import GridView
from engine.order import OrderState, OrderType, Pending, Role, Side


class ProtectionWord(StrEnum):
    """Most severe first (style/tui.md §7.1, and three that only exits need)."""

    NAKED = "NAKED"
    EXIT_FAILED = "EXIT FAILED"
    """The exit was refused as often as its tries; slower tries go on (RTP-28)."""
    SURPLUS = "SURPLUS"
    """Both exits filled: units the other way round, being traded back."""
    UNKNOWN = "UNKNOWN"
    PARTIAL = "PARTIAL"
    PLACING = "PLACING"
    LOCAL = "LOCAL"
    PROTECTED = "PROTECTED"
    EXITING = "EXITING"
    PROVING = "PROVING FLAT"
    """Fills say flat, the broker is asked (I-5)."""
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
    """State of the resting order; None when nothing rests. With several slices, of the least certain one."""
    since_ns: int = 0
    parts: int = 1
    """Orders it stands in: a position above the freeze quantity is protected in slices (HRD-10)."""
    doubt: DoubtView | None = None
    """While nobody has answered for it."""


class DoubtView(msgspec.Struct, frozen=True, kw_only=True):
    """An order that nobody answered for, and what has been done about it."""

    since_ns: int
    looks: int = 0
    """Clean reads of the broker's book that did not show it."""
    failed_looks: int = 0
    """Reads without an answer; they prove nothing."""
    next_ns: int = 0
    """When it is looked for again; 0 = nobody waits for it."""
    fate_ns: int = 0
    """From when on a clean read without it proves that it was never placed."""
    ended_ns: int = 0
    outcome: str = ""
    """`found, trigger-pending`, `never placed`; empty while the doubt stands."""


class RuleView(msgspec.Struct, frozen=True, kw_only=True):
    """What one exit rule would do (RTP-21)."""

    rule: str
    """As configured: `supertrend(10, 2.0)`."""
    is_active: bool
    level_paise: int = 0
    """The stop it proposes, or the price at which it arms or leaves; 0 = none."""
    input_ns: int = 0
    """End of the newest candle it looks at; 0 = lives by ticks."""
    inputs: str = ""
    trouble: str = ""
    """It failed and is set aside, or this build does not know it; its last stop stays."""


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
    rules: tuple[RuleView, ...] = ()
    """The exit rules of the open position, in the order they are asked."""
    leaving: ExitView | None = None
    """The order that closes the position, while there is one: exit, or the repair of a surplus."""
    exit_tries: int = 0
    """Refused exit orders of this position."""
    proof_looks: int = 0
    """Times the broker still showed units after our fills had said flat."""
    unexpected_qty: int = 0
    """Signed units the broker shows in this symbol that are not ours; the trader may let the bot take them."""

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
    word: ProtectionWord = ProtectionWord.FLAT
    """As on its leg."""


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
    bracket_id: str = ""
    doubt: DoubtView | None = None
    """Nobody answered for it once: what was done, and how it ended."""

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
    """Of the newest commit; the others over the newest 1,024."""
    commit_ms_p99: float = 0.0
    commit_ms_worst: float = 0.0
    loop_lag_ms_p50: float = 0.0
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


class AccountView(msgspec.Struct, frozen=True, kw_only=True):
    """One trading account: is it reached, and does its broker's book agree with ours."""

    account: str
    is_recovered: bool
    """Its books were taken in since the start."""
    path_ms: float = 0.0
    path_ns: int = 0
    path_down: str = ""
    reconciled_ns: int = 0
    differences: int = 0
    mismatch: str = ""
    recovered: str = ""
    """What its last recovery found and did, until it is acknowledged or some minutes old."""


class StatusView(msgspec.Struct, frozen=True, kw_only=True):
    """The two top lines. With several accounts the worst of them counts, and `accounts` has each."""

    mode: str
    """`PAPER DEMO`, `PAPER REPLAY`, `PAPER`, `LIVE`."""
    broker: str
    account: str
    """The main one."""
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
    login: str = ""
    """What a trader must know of a login: that it ends soon, has ended, or may not trade; empty while all is well."""
    recovered: str = ""
    """What the last recovery found and did, until it is acknowledged or some minutes old."""
    accounts: tuple[AccountView, ...] = ()

    @property
    def net_paise(self) -> int:
        return self.realised_paise + self.unrealised_paise - self.charges_paise

    @property
    def path_words(self) -> str:
        """`ok`, `not proven`, or of how many of several accounts the order path is proven."""
        if self.order_path_ns:
            return "ok"
        proven = sum(1 for account in self.accounts if account.path_ns)
        return f"{proven} of {len(self.accounts)} proven" if proven else "not proven"


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


class UpdateView(msgspec.Struct, frozen=True, kw_only=True):
    """One order update that the broker pushed (HRD-44)."""

    at_ns: int
    """When it came."""
    tag: str
    """Of our order; empty for somebody else's."""
    broker_id: str
    name: str
    side: Side
    type: OrderType
    qty: int
    filled_qty: int
    average_paise: int
    state: OrderState
    is_ours: bool
    text: str = ""


class MetricView(msgspec.Struct, frozen=True, kw_only=True):
    """One timed figure against its target (OPS-28)."""

    name: str
    row: str
    """Requirement row of the target."""
    limit_ns: int
    count: int = 0
    p50_ns: int = 0
    p99_ns: int = 0
    worst_ns: int = 0


class CountView(msgspec.Struct, frozen=True, kw_only=True):
    """One counted figure against its target (OPS-28)."""

    name: str
    row: str
    good: int
    total: int
    least_percent: int
    """The share that must be good."""


class DeskView(msgspec.Struct, frozen=True, kw_only=True):
    version: int
    status: StatusView
    legs: tuple[LegView, ...] = ()
    brackets: tuple[BracketView, ...] = ()
    grids: tuple[GridView, ...] = ()
    orders: tuple[OrderView, ...] = ()
    """Newest first; unknown orders are never left out."""
    alarms: tuple[AlarmView, ...] = ()
    """Newest first, not ended."""
    actions: tuple[ActionView, ...] = ()
    health: HealthView = HealthView()
    log_seq: int = 0
    """Sequence number of the newest log line."""
