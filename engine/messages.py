"""Every sentence an operator greps for, in one table (OPS-24). Nothing else in the program spells these phrases.

A message has a stable event name (the JSON twin's `event`, OPS-25), a level and a template. Levels mean actions: INFO a
fact of the day's story, WARN something is being handled, ERROR a person should look, CRITICAL a person must (I-9).
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Text(NamedTuple):
    level: str
    template: str


class Msg(Enum):
    """`Msg.X.value.template` is filled by name; amounts arrive as finished text in rupees."""

    INIT_DUAL = Text("INFO", "[INIT] Dual-symbol mode: {primary} + {secondary}")
    INIT_SINGLE = Text("INFO", "[INIT] Single-symbol mode: {symbol}")
    INIT_GROUP = Text("INFO", "[INIT] Group of {count} symbols: {symbols}")
    LOTS = Text("INFO", "[INIT] {symbol} lot {lot} x {lots} = {qty} units")
    LOTS_DIFFER = Text("WARN", "[WARN] lot sizes differ: {detail}; each leg trades its own quantity")
    BANNER = Text("INFO", "🔁 OpenAlgo Python Bot is running.")
    CONFIG = Text("INFO", "[{strategy}] Starting with config: {config}")
    FATAL_SYMBOL = Text("CRITICAL", "[FATAL] Symbol validation failed for {symbol}")
    FATAL_API_KEY = Text("CRITICAL", "[FATAL] Please set OPENALGO_API_KEY")
    SKIP_ACTIVE = Text("INFO", "[SKIP] Position already active")
    SKIP = Text("INFO", "[SKIP] entry refused: {reason}")
    ENTRY_UNPROTECTED = Text("CRITICAL", "[CRITICAL] entry refused before it was sent: {reason}")
    CATASTROPHE_STOP = Text(
        "CRITICAL", "[CRITICAL] {symbol} is held without a stop of its own: the catastrophe stop {stop} protects it"
    )
    ENTRY_BATCH = Text("INFO", "[ENTRY] BUY {count} symbols x {qty}")
    ENTRY = Text("INFO", "[ENTRY] BUY {symbol} x {qty}")
    SHORT_BATCH = Text("INFO", "[ENTRY] SELL {count} symbols x {qty}")
    SHORT = Text("INFO", "[ENTRY] SELL {symbol} x {qty}")
    HINT_MISSING = Text("WARN", "[WARN] no quote for {symbol}, entry sent without a price hint")
    ORDER_FILLED = Text("INFO", "[ORDER] {side} {symbol} qty={qty} @₹{price}")
    EXITS = Text("INFO", "[EXITS] TP oid={target_id} @₹{target} | SL oid={stop_id} @₹{stop}")
    EXITS_IN_FLIGHT = Text("INFO", "[INFO] Exit legs already placed, waiting for order IDs to populate...")
    REARM = Text("CRITICAL", "[CRITICAL] Position detected without exits! Re-arming protection...")
    TP_REJECTED = Text("CRITICAL", "[CRITICAL] TP rejected - position UNPROTECTED on upside!")
    SL_REJECTED = Text("CRITICAL", "[CRITICAL] SL rejected - position UNPROTECTED on downside!")
    EXITS_EXHAUSTED = Text("CRITICAL", "[CRITICAL] Max exit legs retries reached - position is UNPROTECTED!")
    OCO_FAILURE = Text("CRITICAL", "[CRITICAL] {symbol} Both TP and SL filled! OCO failure")
    SURPLUS_CLOSED = Text("WARN", "[REPAIR] {symbol} surplus {qty} closed @₹{price}")
    TRAIL_ACTIVE = Text("INFO", "[TRAIL] {symbol} ✅ ACTIVATED! Profit ₹{profit}")
    TRAIL_MOVE = Text("INFO", "[TRAIL] {symbol} 📈 Moving SL: ₹{old} → ₹{new}")
    PARTIAL_FILL = Text("WARN", "[PARTIAL_FILL] Entry filled {filled}/{qty} @ ₹{price}")
    PARTIAL = Text("INFO", "[PARTIAL] {symbol} {role} filled {filled}/{qty}")
    SYNC_NEEDED = Text("INFO", "[SYNC_NEEDED] Total exits {exits}, remaining {remaining}")
    SYNC = Text("INFO", "[SYNC] Adjusting exits for remaining qty {remaining}")
    SL_BREACHED = Text("WARN", "[WARN] SL trigger {trigger} >= LTP {ltp}, adjusting")
    SL_BREACHED_EXIT = Text("WARN", "[WARN] SL trigger {trigger} >= LTP {ltp}: stop already hit, exiting now")
    STOP_DECISION = Text("INFO", "[STOP] {symbol} {reason}: {type} trigger {trigger} limit {limit} qty {qty} LTP {ltp}")
    FALLBACK = Text("WARN", "[FALLBACK] {symbol} SL-M refused, using SL trigger {trigger} limit {limit}")
    GRID_BUILT = Text("INFO", "[GRID] {bot}: {count} levels round {centre}: {layout}")
    GRID_ENTRY = Text("INFO", "[{side}] ENTRY {direction} placed: {symbol} {qty} @ {price} -> ID={id}")
    GRID_FILLED = Text(
        "INFO",
        "[{side}] ENTRY FILLED: {direction} {symbol} @ {price} (filled {filled}) | Target: {back} @ {target}{hedge}",
    )
    GRID_TARGET = Text("INFO", "[{side}] TARGET FILLED: {direction} @ {price} (filled {filled})")
    GRID_RESET = Text("INFO", "[{side}] Level reset for re-entry: {direction} @ {price}")
    GRID_OCO = Text("INFO", "[{side}] OCO FILLED: {direction} @ {price} (filled {filled})")
    GRID_PAIR = Text("WARN", "[{side}] pair stays open: {legs}; it is closed by square-off or by hand")
    GRID_ENTRY_OVER = Text("INFO", "[{side}] {direction} @ {price}: entry ended without a fill ({reason})")
    GRID_LEVEL_PAUSED = Text("WARN", "[{side}] level {direction} @ {price} paused: {reason}")
    GRID_UNHEDGED = Text("CRITICAL", "[{side}] UNHEDGED: {direction} {symbol} @ {price}: {reason}")
    GRID_HEDGED = Text("INFO", "[{side}] hedge priced late: {direction} @ {price}, TokenB {token_b}")
    GRID_SURPLUS = Text("CRITICAL", "[{side}] hedge filled {qty} units too many after its target: {policy}")
    GRID_MAX = Text("WARN", "MAX QUANTITY REACHED — pausing new entries")
    GRID_MAX_OVER = Text("INFO", "[GRID] {bot}: below max quantity again, entries resume")
    GRID_IMBALANCE = Text("CRITICAL", "TERMINATING: {reason} — upside_oco={up} downside_oco={down} steps={steps}")
    GRID_TERMINATED = Text("CRITICAL", "[GRID] {bot} Terminated: {reason}; {open}")
    GRID_HEARTBEAT = Text(
        "INFO",
        "[GRID] {bot}: net up {up} down {down}, oco up {up_oco} down {down_oco}, cycles {cycles}, "
        "day {day}, TokenB {token_b}",
    )
    GRID_KEPT = Text("WARN", "[GRID] {bot}: {orders} remain active: {detail}; to cancel them: {how}")
    GRID_UNPAIRED = Text("WARN", "[GRID] {bot}: hedge pairing is not enforced while stopped: {detail}")
    GRID_WITHDRAWN = Text("WARN", "[GRID] {bot}: no orders remain active; kept open: {held}")
    GRID_DIES = Text("CRITICAL", "[GRID] {bot}: hedges that do not rest end with this program: {detail}")
    HEDGE_WATCHED = Text(
        "WARN", "[FALLBACK] {symbol} venue takes no stop ({reason}): hedge at {trigger} is watched here"
    )
    STOP_JUMPED = Text("WARN", "[WARN] {symbol} stop {trigger} not filled at LTP {ltp}: re-pricing to {limit}")
    HYBRID = Text("WARN", "[WARN] {symbol} second exit refused for margin: SL kept, TP watched here (hybrid)")
    MARKET_ON_TARGET = Text("INFO", "[TARGET] {symbol} LTP {ltp} >= TP {target}: converting to market")
    CANCEL = Text("INFO", "[CANCEL] {symbol} {role} {tag} ({context})")
    LEAVE = Text("INFO", "[LEAVE] {symbol} {reason}: closing {qty} at market, LTP {ltp}")
    RULE = Text("INFO", "[RULE] {symbol} {rule}: {text}")
    EXIT_PLACED = Text("INFO", "Market exit order placed: {symbol} - Order ID: {id}")
    EXIT_EXECUTED = Text("INFO", "✅ Exit executed: {symbol} - {reason} @ {price}")
    EXIT_NOT_PLACED = Text("ERROR", "❌ Failed to place exit order for {symbol}")
    EXIT_NOT_PLACED_WHY = Text("ERROR", "Failed to place market order for {symbol}: {error}")
    EXIT_FAILED = Text("CRITICAL", "[CRITICAL] Failed to exit {symbol} after {tries} attempts")
    EXIT_DUPLICATE = Text("INFO", "Exit already in progress for {symbol}, skipping duplicate")
    NO_TRADE = Text("WARN", "No active trade found for {symbol}")
    PROVEN_FLAT = Text("INFO", "✅ Position validated closed: {symbol}")
    STILL_OPEN = Text("WARN", "Position still open for {symbol}, attempt {n}/{m}")
    NOT_PROVEN = Text("ERROR", "⚠️ Position validation timeout for {symbol} after {m} attempts")
    OWNED_NOT_CLOSED = Text("CRITICAL", "[CRITICAL] {symbol} the broker still holds {qty} units of ours: exiting them")
    SLIPPAGE = Text(
        "WARN", "[SLIPPAGE] {symbol} {reason}: level {level}, trigger {trigger}, filled {price}, {slip} a unit"
    )
    EXIT = Text("INFO", "{mark} [EXIT] {symbol} {reason} | Entry ₹{entry} → Exit ₹{exit} | Net ₹{net} | Day ₹{day}")
    EXIT_CORRECTED = Text("WARN", "[EXIT] {symbol} corrected by trade book: exit ₹{exit} net ₹{net} (was ₹{was})")
    PROVISIONAL = Text("WARN", "[WARN] {symbol} average price missing, booked provisionally at ₹{price}")
    EOD = Text("INFO", "[EOD] Squaring off {symbol}")
    STATE = Text("INFO", "STATE={state} qty={qty} entry={entry} tp={target} sl={stop} symbol={symbol}")
    STATE_FLAT = Text("INFO", "STATE=FLAT symbol={symbol}")
    PLACE_FAILED = Text("ERROR", "[ERROR] placeorder failed for {symbol}: {reason}")
    PAIR_UNWIND = Text("WARN", "[PAIR] {symbol} did not enter: unwinding {others} (both_or_none)")
    STATUS_FAILED_TP = Text("WARN", "[WARN] TP status check failed {symbol}: {reason}")
    STATUS_FAILED_SL = Text("WARN", "[WARN] SL status check failed {symbol}: {reason}")
    STATUS_PASS = Text("DEBUG", "[CHECK] {symbols}")
    PERF = Text("WARN", "[PERF] check_order_status took {seconds}s")
    CLEANUP = Text("INFO", "[CLEANUP] {symbol} Removing stale orders")
    ENSURE_EXITS = Text("WARN", "[ENSURE_EXITS] {symbol} Re-arming protection")
    MISMATCH = Text("ERROR", "[RECONCILE] {symbol} State mismatch! Expected: {expected}, Actual: {actual}")
    ADOPTING = Text("WARN", "[RECONCILE] {symbol} Unexpected position detected, adopting")
    FLATTENING = Text("CRITICAL", "[RECONCILE] {symbol} Unexpected position of {qty} units: leaving it (flatten)")
    CLOSED_EXTERNALLY = Text("WARN", "[RECONCILE] {symbol} Position closed externally")
    REDUCED_EXTERNALLY = Text("WARN", "[RECONCILE] {symbol} {qty} units closed externally: exits resized to {left}")
    CHECKING_EXITS = Text("INFO", "[RECONCILE] Position detected, checking exits...")
    CONVERTED = Text("WARN", "[RECONCILE] {symbol} product converted from {old} to {new}: exits follow it")
    PRICE_MISMATCH = Text("WARN", "[RECONCILE] {symbol} price mismatch: ours ₹{ours}, broker ₹{theirs}")
    ODD_POSITION = Text("WARN", "[RECONCILE] position of {symbol}: {detail}: not acted on")
    HAND_CHANGE = Text("WARN", "[RECONCILE] {symbol} {role} {tag} was changed by hand: {was}, now {now}")
    ODD_AVERAGE = Text(
        "WARN", "[RECONCILE] {symbol} {tag}: trades say ₹{trades}, the order says ₹{report}; trades count"
    )
    FOREIGN_ORDER = Text("INFO", "[FOREIGN] {symbol} {text}: not ours, left alone")
    ALL_FLAT = Text("INFO", "[INFO] All positions flat. Reconciliation reduced to {minutes} minutes.")
    PERF_RECONCILE = Text("WARN", "[PERF] reconcile took {seconds}s")
    RECOVERED = Text("INFO", "[RECOVER] {text}")
    RECOVERY_SUMMARY = Text("INFO", "[RECOVER] {headline}")
    LOST_ORDER = Text("CRITICAL", "[RECOVER] not in this journal, ours by its tag: {text}: taken over")
    BOOK_LACKS = Text("ERROR", "[RECONCILE] the order book lacks {count} order(s) of ours that ended today: {effect}")
    DISBELIEVED = Text(
        "CRITICAL", "[CRITICAL] {symbol} {role} {tag}: the broker says {detail}; not believed, books read"
    )
    UNKNOWN_ORDER = Text("ERROR", "[UNKNOWN] {symbol} {role} {tag}: no answer ({reason}); looking it up")
    RESOLVED_ORDER = Text("INFO", "[UNKNOWN] {symbol} {role} {tag}: {outcome}")
    LOCAL_REFUSAL = Text("ERROR", "[RULES] {symbol} {role} refused before sending: {reason}")
    SIGNAL = Text("INFO", "[SIGNAL] bar {bar} closed: LONG queued for {at}")
    NO_SIGNAL = Text("INFO", "[SIGNAL] bar {bar} closed: no signal, {reason}")
    SIGNAL_EXPIRED = Text("WARN", "[SIGNAL] expired: {reason}")
    BLIND = Text("ERROR", "[BLIND] {symbol} last price is {age}s old: no decision is taken on it")
    ON_QUOTES = Text("ERROR", "[BLIND] {symbol} no tick for {age}s: prices by request, once a second")
    NO_QUOTE = Text("WARN", "[BLIND] {symbol} no quote: {reason}")
    BLIND_OVER = Text("INFO", "[BLIND] {symbol} prices are back")
    FEED_DOWN = Text("ERROR", "[FEED] no tick of any of {count} instrument(s) for {age}s: subscribing again")
    FEED_UP = Text("INFO", "[FEED] ticks are back")
    BLIND_EXIT = Text("CRITICAL", "[CRITICAL] {symbol} no price for {age}s: exiting blind")
    PAUSED = Text("INFO", "[DESK] entries paused ({why})")
    RESUMED = Text("INFO", "[DESK] entries on")
    OPERATOR = Text("INFO", "[YOU] {text}")
    REFUSED_REQUEST = Text("WARN", "[YOU] {text}: refused, {reason}")
    DESK = Text("INFO", "[DESK] {text}")
    DESK_WARN = Text("WARN", "[DESK] {text}")
    HOLIDAY = Text("WARN", "[SESSION] {day} is no trading day ({name}): no entries")
    CONFIG_RELOADED = Text("INFO", "[CONFIG] applied {applied}; restart needed for {restart}")
    CONFIG_REFUSED = Text("ERROR", "[CONFIG] reload refused, old values stay: {reason}")
    BUDGET = Text("CRITICAL", "[CRITICAL] {symbol} order budget used up ({detail}): watching here, look at it now")
    INTERNAL = Text("CRITICAL", "[CRITICAL] {where}: {error}; this leg is protect-only from here")
    JOURNAL = Text("CRITICAL", "[CRITICAL] journal write failed: {error}; entries stop, exits go on from memory")
    WATCH_STARTED = Text("INFO", "RealTimePositionManager started")
    WATCH_STOPPED = Text("INFO", "RealTimePositionManager stopped")
    BAD_TICK = Text("WARN", "[TICK] {symbol} {detail}: not acted on")
    GAP = Text("WARN", "Gap detected for {symbol}: {change}% change")
    ALERT = Text("ERROR", "[ALERT] {what}: {text}")
    ALARM = Text("ERROR", "[ALARM] {text}")
    ALARM_OVER = Text("INFO", "[ALARM] over: {text}")
    ACKNOWLEDGED = Text("INFO", "[ALARM] {count} seen and acknowledged")
    OVERFLOW = Text("ERROR", "[EVENTS] queue full: {count} event(s) merged or dropped, exits delivered; {detail}")
    OBSERVER_FAILED = Text("ERROR", "[EVENTS] observer {observer} failed on {event} ({more} more held back): {error}")
    CHANNEL_DOWN = Text("WARN", "[ALERT] channel {channel} does not deliver: {reason}; {waiting} waiting")
    CHANNEL_LOST = Text("WARN", "[ALERT] channel {channel}: {count} alert(s) given up, read them in this log")
    CHANNEL_UP = Text("INFO", "[ALERT] channel {channel} delivers again")
    LINK_LOST = Text("ERROR", "[LINK] lost: {reason}; entries wait, resting orders go on resting")
    LINK_BACK = Text("INFO", "[LINK] restored: books are read before anything else")
    HEARTBEAT = Text("INFO", "[HEARTBEAT] {text}")
    ESCALATE = Text("ERROR", "[ESCALATE] Exit not confirmed after 5s, retrying MARKET order...")
    STALL = Text("CRITICAL", "[CRITICAL] the desk stood still for {ms} ms at {stack}: prices are stale until they move")
    FENCED = Text(
        "CRITICAL",
        "[CRITICAL] another process has taken over this account: {detail}; hands off: nothing is sent any more, "
        "neither entry nor exit. Look at the broker",
    )
    GUARDIAN = Text("INFO", "[GUARDIAN] {text}")
    GUARDIAN_WARN = Text("WARN", "[GUARDIAN] {text}")
    GUARDIAN_SILENT = Text("CRITICAL", "[GUARDIAN] the desk does not beat any more: {text}")
    GUARDIAN_TAKES = Text("CRITICAL", "[GUARDIAN] now: {text}")
    GUARDIAN_STUCK = Text("CRITICAL", "[GUARDIAN] not flat yet: {text}")
    GUARDIAN_FLAT = Text("CRITICAL", "[GUARDIAN] flat: {text}")
    GUARDIAN_LOST = Text("CRITICAL", "[CRITICAL] nobody watches this desk from outside: {reason}")
    STILL_IN_POSITION = Text("CRITICAL", "[CRITICAL] STILL IN POSITION AFTER PAUSE ATTEMPTS! {detail}")
    MANUAL = Text("CRITICAL", "Manual intervention may be required")

    @property
    def level(self) -> str:
        return self.value.level

    def text(self, **fields: object) -> str:
        """The finished sentence. A field nobody gave stays as its `{name}`: a poor line must not stop a step."""
        return self.value.template.format_map(_Blank(fields))


class _Blank(dict[str, object]):
    def __missing__(self, key: str) -> str:
        return f"{{{key}}}"
