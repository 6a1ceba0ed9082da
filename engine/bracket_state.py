"""What a bracket remembers: the terms it was opened with and the facts that fills and ticks have made since.

Both are stored as the `body` of its journal row and restored after a crash. Positions keep their opening terms when the
config changes (CFG-01). Prices in paise, quantities in units, percentages in basis points, spans in nanoseconds.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from engine.exit_rules.rule import RuleMemory
from engine.instant import NS_PER_MS, NS_PER_S
from engine.order import Side
from engine.order_pricing import AUTO_GAP_BPS
from engine.view import BracketState, ExitStyle


class StopType(StrEnum):
    AUTO = "auto"
    """SL-M where the venue takes it, else SL (HRD-12)."""
    SL = "SL"
    SL_M = "SL-M"


class BreachedStop(StrEnum):
    """What to do with a stop whose trigger is already through the market (HRD-11)."""

    EXIT_NOW = "exit_now"
    ADJUST = "adjust"


class EntryRest(StrEnum):
    """What becomes of the unfilled rest of an entry (HRD-03)."""

    CANCEL = "cancel"
    GROW = "grow"


class Exhausted(StrEnum):
    """What to do when exit placement has failed for good (LEG-29, HRD-38)."""

    FLATTEN = "flatten"
    ALERT = "alert"


class ExitBy(StrEnum):
    """How a position with a resting stop is left (faults §4.6)."""

    AUTO = "auto"
    """`modify` where only the stop rests (hybrid), else `replace`."""
    MODIFY = "modify"
    """The stop itself becomes the exit: one order, and never a moment without one."""
    REPLACE = "replace"
    """Both exits are cancelled, confirmed, and one order at market closes what is open (LEG-49)."""


class EntryKind(StrEnum):
    """How a position is opened."""

    MARKET = "market"
    """A marketable limit through the touch, taken back when it does not fill (LEG-12)."""
    LIMIT = "limit"
    """Rests at its level until it fills or is taken back (GRD-13)."""
    STOP = "stop"
    """Rests as a stop; once its level is passed it is re-priced until it fills (H-01, H-10)."""


class BracketTerms(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """How one position is entered, protected and left.

    Stored in full and by place, not by name (LEG-68): a new term goes to the end, with the default that a position
    opened before it shall have; none is moved or taken out.
    """

    style: ExitStyle = ExitStyle.RESTING
    target_offset_paise: int = 200
    """Distance of the target from the entry average; 0 = no target."""
    stop_offset_paise: int = 100
    market_on_target: bool = False
    stop_type: StopType = StopType.AUTO
    stop_gap_bps: int = AUTO_GAP_BPS
    breached_stop: BreachedStop = BreachedStop.EXIT_NOW
    entry_fill_timeout_ns: int = 4_500 * NS_PER_MS
    entry_rest: EntryRest = EntryRest.CANCEL
    stop_fill_timeout_ns: int = 2 * NS_PER_S
    protection_bps: int = 300
    chase_ns: int = NS_PER_S
    exit_retries: int = 3
    on_exhausted: Exhausted = Exhausted.FLATTEN
    max_tick_age_ns: int = 5 * NS_PER_S
    """Older than this, a price is stale: exits are still sent, through a wider band (I-7)."""
    brokerage_paise: int = 0
    """Per trade side, as the legs' own P&L formula takes it (LEG-46)."""
    slippage_paise: int = 0
    rules: tuple[dict[str, object], ...] = ()
    """Exit rules as plain values, in the order they are asked (`engine.exit_rules`)."""
    trade_type: str = "Manual"
    """`Entry2`, `Entry3` or `Manual` (RTP-01)."""
    target_bps: int = 0
    """Target and stop as shares of the entry; 0 = by the offsets above (RTP-23)."""
    stop_bps: int = 0
    exit_tries: int = 3
    """Refused exits before the alarm; slower tries go on for ever (RTP-28)."""
    exit_retry_ns: int = 500 * NS_PER_MS
    proof_tries: int = 5
    """Looks at the broker's position before "not closed" is an alert; slower looks go on (RTP-30)."""
    slippage_alert_bps: int = 200
    """Exit fill this far past the level it was for: an alert (RTP-45); 0 = never."""
    naked_limit_ns: int = 60 * NS_PER_S
    """Open without working protection for this long: leave the position; 0 = never."""
    exit_by: ExitBy = ExitBy.AUTO
    entry_kind: EntryKind = EntryKind.MARKET
    covered_elsewhere: bool = False
    """No stop of its own: what limits its loss is another position of its bot, which says how much of it that covers
    (`BracketBody.hedged_qty`)."""


class BracketBody(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The facts of one position. Written only by `engine.bracket`.

    Stored without the facts that are still empty (LEG-68); the terms are stored in full, because their defaults may
    change with a release while this position must keep its own.
    """

    bracket_id: str
    account: str
    bot: str
    symbol: str
    exchange: str
    product: str
    side: Side
    """Of the entry: BUY opens long."""
    qty: int
    """Asked for."""
    terms: BracketTerms
    state: BracketState = BracketState.FLAT
    hint_paise: int = 0
    """Last price when the entry was decided (LEG-11); 0 = none."""
    style: ExitStyle = ExitStyle.RESTING
    """Starts as the terms' style; becomes hybrid when the broker asks margin for the second exit (CON-01)."""

    entry_paise: int = 0
    """Average of the entry fills."""
    target_paise: int = 0
    original_stop_paise: int = 0
    stop_paise: int = 0
    """The effective stop: it only tightens (I-4)."""
    best_paise: int = msgspec.field(default=0, name="high_paise")
    """Highest price seen since entry; for a short position the lowest. Stored under its first name."""
    trail_active: bool = False
    """Some exit rule has begun to move the stop."""
    memories: list[RuleMemory] = []
    """Of the exit rules, in their order."""
    target_dropped: bool = False
    """A rule said that the fixed target no longer counts (RTP-19)."""

    adopted_qty: int = 0
    """Units found at the broker without an entry order of ours (LEG-39)."""
    adopted_value_paise: int = 0
    away_qty: int = 0
    """Units that left without an order of ours: closed by hand, or by the broker's risk desk (LEG-40, HUM-08)."""
    away_value_paise: int = 0
    away_unpriced_qty: int = 0
    """Part of them whose trade has not been found yet."""

    exit_reason: str = ""
    """Set once when the desk decides to leave; the position is then closed whatever comes."""
    exit_context: str = ""
    exit_trigger_paise: int = 0
    """The last price that decided to leave, and the level it was held against (RTP-33, RTP-34)."""
    exit_level_paise: int = 0
    stop_escalated: bool = False
    """The resting stop was triggered and jumped; it is being turned into a marketable limit."""
    adjusted_stop_paise: int = 0
    """Trigger parked under the market by `adjust`; 0 = the effective stop is used."""
    stop_is_exit: bool = False
    """The resting stop was turned into the exit (`ExitBy.MODIFY`)."""
    sl_m_refused: bool = False
    entry_cancelled_by_us: bool = False
    target_given_up: bool = False
    surplus_told: bool = False
    ended_away: bool = False
    """Its exits filled while this program was not running; its reason says so (OPS-18)."""
    closed_reason: str = ""

    stop_rejects: int = 0
    target_rejects: int = 0
    exit_rejects: int = 0
    retry_at_ns: int = 0
    """No exit is placed again before this instant, after a refusal."""
    polls_done: int = 0
    booked_exit_qty: int = 0
    """Exit fills whose resize has been logged (one sync per partial fill, BUG-20)."""
    entry_logged_qty: int = 0
    exits_told: bool = False

    opened_ns: int = 0
    """When the entry was decided; its polls and its timeout count from here."""
    first_fill_ns: int = 0
    protected_ns: int = 0
    naked_since_ns: int = 0
    stop_touched_ns: int = 0
    repriced_ns: int = 0
    exit_asked_ns: int = 0
    flat_ns: int = 0
    """When fills first said that nothing is open."""
    closed_ns: int = 0
    proof_looks: int = 0
    """Times the broker's own position was seen open after our fills said flat."""
    writes: list[int] = []
    """Instants of the last minute's writes, for the order budget (O4)."""
    writes_today: int = 0
    is_hedge: bool = False
    """It limits the loss of another position of its bot (GRD-06)."""
    level_paise: int = 0
    """Where its entry rests: the limit, or the trigger of a stop entry; 0 = at the market."""
    level_target_paise: int = 0
    """A target that stands at its own price, whatever the entry filled at (GRD-14); 0 = by the terms."""
    entry_due_ns: int = 0
    """When the level of a stop entry was passed: from here on it is at the market (H-07)."""
    entry_is_watched: bool = False
    """The venue takes no stop for it: nothing rests until its level is passed (H-09)."""
    entry_rejects: int = 0
    hedged_qty: int = 0
    """Units whose loss another position limits; kept by the bot."""
    is_hedge_sure: bool = False
    """What limits it rests at the broker or has filled; otherwise it is only watched here, or meant to be bare."""
    trim_qty: int = 0
    """Units to close while the rest stays (GRD-18)."""
    tags: list[str] = []
