"""config.toml as types: every key, its meaning, unit, bounds, default and requirement row.

Money is in rupees, spans in seconds or milliseconds and shares in percent here, because a person writes them; the
properties below each table give the engine's units (paise, nanoseconds, basis points). Decimal throughout: no float.
"""

from __future__ import annotations

from datetime import time
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Final, Literal

import msgspec

from engine.bot import BotTimes
from engine.bracket_state import BracketTerms, BreachedStop, EntryRest, Exhausted, ExitBy, StopType
from engine.config.accounts import Account, PaperAccount, RealAccount, session_of
from engine.config.alerts import Alerts
from engine.config.grid import Grid
from engine.config.guardian import GuardianTable
from engine.config.key import Key
from engine.config.position_management import PositionManagement
from engine.exit_rules.lock_fraction import LockFraction
from engine.exit_rules.registry import encode_rules
from engine.exit_rules.rule import ExitRule
from engine.grid.terms import GridAccounts, GridTerms
from engine.instant import NS_PER_MS, NS_PER_S
from engine.legs import LegsTerms, PairPolicy
from engine.money import paise_from_rupees
from engine.option_symbol import leg_symbols, parse_option_symbol
from engine.order_pricing import AUTO_GAP_BPS, ONE_TICK_GAP
from engine.reconcile import OnUnexpected
from engine.risk import RiskLimits
from engine.stop_plan import OnStop
from engine.view import ExitStyle

_SYMBOL: Final = r"\s*[A-Za-z0-9][A-Za-z0-9&._-]{0,39}\s*"
_NAME: Final = r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}"
_NAME_FORM: Final = "1 to 40 letters, digits, _ -"
_RULES_FORM: Final = 'a list of rules, as { rule = "breakeven", gain_pct = 10 }'
_INTERVAL: Final = r"[1-9]\d{0,3}[smh]|D"
_NS_PER_UNIT: Final = {"s": NS_PER_S, "m": 60 * NS_PER_S, "h": 3600 * NS_PER_S}
_BPS_PER_PERCENT: Final = 100


MADE_MARKETS: Final = ("demo", "replay")


class Mode(StrEnum):
    PAPER = "paper"
    REHEARSAL = "rehearsal"
    LIVE = "live"


class TriggerKind(StrEnum):
    BARS = "bars"
    KEY = "key"
    OFF = "off"


class Desk(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The desk as a whole: paper or live, where prices come from, where facts and logs go."""

    mode: Annotated[Mode, Key("HRD-43")] = Mode.PAPER
    """`paper` calls no broker's order address; `rehearsal` trades the same accounts at loopback venues (`strikedesk
    venue kite`), with no money and no credentials; `live` trades the account of [legs] and asks for limits first."""
    max_lots: Annotated[int, Key("HRD-43", "lots", 0, 1000)] = 0
    """Most lots of one leg in one entry, from the file or by key; 0 = no cap, which `live` refuses."""
    market: Annotated[str, Key("OPS-32", pattern=_NAME, form=_NAME_FORM)] = "demo"
    """Where prices come from: `demo` (made up here), `replay` (the paper account's file) or the name of an account."""
    index: Annotated[str, Key("OPS-02", pattern=r"[A-Z0-9]{0,20}", form="up to 20 capitals and digits")] = ""
    """Index on the status line and behind the demo market; empty = the underlying of the symbol."""
    reconcile_active: Annotated[Decimal, Key("LEG-36 CON-02", "s", 1, 300)] = Decimal(30)
    """Own positions are compared with the broker's at least this often while something is open."""
    reconcile_flat: Annotated[Decimal, Key("LEG-36 CON-02", "s", 1, 3600)] = Decimal(300)
    """And this often while all is flat."""
    restart_loop_starts: Annotated[int, Key("OPS-17", low=0, high=100)] = 3
    """After so many starts in a row that crashed within a minute only protection runs, until entries are resumed by
    hand; 0 = never."""
    db: Annotated[str, Key("OPS-15")] = "strikedesk.db"
    """Journal file; a bare name lies in the state directory."""
    journal_synchronous: Annotated[Literal["FULL", "NORMAL"], Key("OPS-15")] = "FULL"
    """SQLite's `synchronous`. FULL: nothing is sent before its record would survive a power cut. NORMAL: a power cut or
    a crash of the system may lose the newest commits with orders already sent, which are then known only by their tags
    in the broker's books; a crash of this program alone loses nothing. It is said at every start."""
    log_level: Annotated[Literal["DEBUG", "INFO", "WARN", "ERROR"], Key("OPS-24", is_live=True)] = "INFO"
    """Lowest level that is written to the log."""
    log_file: Annotated[str, Key("OPS-24")] = "random_scalp_live.log"
    """Log file; a bare name lies in the state directory; empty = none (LOG_TO_FILE=false)."""
    log_json: Annotated[bool, Key("OPS-25")] = True
    """Write the JSON twin of every line beside the log file, with the ending .jsonl."""
    secrets_file: Annotated[str, Key("OPS-12")] = ""
    """File of NAME=value lines that only you can read; empty = secrets.env in the configuration directory."""
    seed_env: Annotated[bool, Key("OPS-11")] = False
    """Honour the leg scalper's own variable names (SYMBOL, LOTS, ...) in the environment."""

    @property
    def reconcile_active_ns(self) -> int:
        return _ns(self.reconcile_active)

    @property
    def reconcile_flat_ns(self) -> int:
        return _ns(self.reconcile_flat)


class TrendGate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Optional filter of bar signals: fast EMA above slow, enough range, a new high (LEG-59)."""

    enabled: Annotated[bool, Key("LEG-59")] = False
    """Ask the gate before a bar queues an entry."""
    ema_fast: Annotated[int, Key("LEG-59", "bars", 1, 500)] = 5
    """Length of the fast average."""
    ema_slow: Annotated[int, Key("LEG-59", "bars", 2, 500)] = 20
    """Length of the slow average; above ema_fast."""
    atr_min: Annotated[Decimal, Key("LEG-59", "points", 0, 100_000)] = Decimal("2.0")
    """Least average true range of 14 bars."""
    warmup_days: Annotated[int, Key("LEG-59", "days", 0, 60)] = 5
    """Trading days of bars read before the gate may say yes."""

    @property
    def atr_min_paise(self) -> int:
        return paise_from_rupees(self.atr_min)


class Legs(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The leg scalper: which contracts, when it enters, how it protects and leaves."""

    strategy: Annotated[str, Key("LEG-55", pattern=_NAME, form=_NAME_FORM)] = "random_scalp_live"
    """Name of the bot in the journal, the log and at the broker."""
    symbol: Annotated[str, Key("LEG-01 LEG-57", pattern=_SYMBOL, form="a contract's symbol")] = "NIFTY01DEC2624500PE"
    """Primary leg. An option brings its complement (PE and CE) as second leg; anything else is traded alone."""
    extra_symbols: Annotated[tuple[str, ...], Key("LEG-71", pattern=_SYMBOL, form="contract symbols")] = ()
    """More legs of the group, traded as listed: their complements are not added."""
    exchange: Annotated[Literal["NFO", "BFO", "NSE", "BSE"], Key("LEG-57")] = "NFO"
    """Where all legs trade."""
    product: Annotated[Literal["MIS", "NRML", "CNC"], Key("LEG-57")] = "MIS"
    """Product of entries and exits."""
    lots: Annotated[int, Key("LEG-56 LEG-57", "lots", 1, 1000)] = 1
    """Bought per leg and entry; units = lots x the lot size from the instrument master."""
    account: Annotated[str, Key("OPS-05", pattern=_NAME, form=_NAME_FORM)] = "paper"
    """Account that trades, a name of [accounts]."""

    exit_by: Annotated[ExitBy, Key("RTP-26")] = ExitBy.AUTO
    """How a position with a resting stop is left: `modify` makes the stop itself the exit, `replace` cancels both exits
    and closes at market; `auto`: modify where only the stop rests."""
    exit_style: Annotated[ExitStyle, Key("CON-01")] = ExitStyle.RESTING
    """`resting`: target and stop at the broker; `hybrid`: only the stop; `monitored`: both watched here."""
    pair_policy: Annotated[PairPolicy, Key("LEG-62")] = PairPolicy.INDEPENDENT
    """When one leg fails to enter: keep the others, or leave them too."""
    allow_short: Annotated[bool, Key("LEG-10")] = False
    """Take SHORT requests, with mirrored exits."""
    on_unexpected: Annotated[OnUnexpected, Key("CON-08 LEG-39")] = OnUnexpected.ADOPT
    """Units found at the broker that are this group's by tag or reserve: protect them, leave them, or only say so."""
    reserved_symbols: Annotated[bool, Key("CON-08 BUG-12")] = False
    """Nobody else trades these contracts in this account: whatever is found in them is this group's."""

    entry_trigger: Annotated[TriggerKind, Key("LEG-58")] = TriggerKind.BARS
    """`bars`: by closed bars; `key`: only when you ask; `off`: never."""
    interval: Annotated[str, Key("LEG-58", pattern=_INTERVAL, form="a bar length: 30s, 5m, 1h or D")] = "5m"
    """Bar length; D is one open and one close a day."""
    trade_every_n_bars: Annotated[int, Key("LEG-58", "bars", 1, 1000)] = 1
    """Every Nth closed bar queues one entry."""
    ignore_entry_delta: Annotated[bool, Key("LEG-58")] = True
    """Send a queued entry even when it is late; else only within 10 s of its planned time."""
    session_start: Annotated[time, Key("LEG-58")] = time(9, 20)
    """First instant at which a bar may queue an entry (IST)."""
    session_end: Annotated[time, Key("LEG-58")] = time(15, 15)
    """No entry from here on (IST)."""
    square_off: Annotated[time, Key("LEG-49")] = time(15, 15)
    """All legs are closed from here on (IST)."""
    enable_eod_square_off: Annotated[bool, Key("LEG-49")] = True
    """Close all legs at square_off."""

    profit_target_rupees: Annotated[Decimal, Key("LEG-14", "₹", 0, 100_000, is_live=True)] = Decimal("2.0")
    """Target above the average entry, per unit."""
    stop_loss_rupees: Annotated[Decimal, Key("LEG-14", "₹", 0, 100_000, is_live=True)] = Decimal("1.0")
    """Stop trigger below the average entry, per unit."""
    profit_target_percent: Annotated[
        Decimal, Key("RTP-23", "%", 0, 1000, is_live=True, instead_of="profit_target_rupees")
    ] = Decimal(0)
    """Target in percent of the average entry instead of rupees; 0 = by profit_target_rupees."""
    stop_loss_percent: Annotated[Decimal, Key("RTP-23", "%", 0, 95, is_live=True, instead_of="stop_loss_rupees")] = (
        Decimal(0)
    )
    """Stop trigger in percent of the average entry instead of rupees; 0 = by stop_loss_rupees."""
    enable_trailing_sl: Annotated[bool, Key("LEG-31", is_live=True)] = False
    """Trail the stop behind the best price: a lock_fraction rule in front of exit_rules."""
    trail_activation_percent: Annotated[Decimal, Key("LEG-32", "%", 0, 100, is_live=True)] = Decimal("50.0")
    """Share of the target that must be reached before trailing starts."""
    trail_lock_percent: Annotated[Decimal, Key("LEG-33", "%", 0, 100, is_live=True)] = Decimal("75.0")
    """Share of the best profit that the trailed stop locks."""
    exit_rules: Annotated[tuple[ExitRule, ...], Key("RTP-41 CON-06", form=_RULES_FORM, is_live=True)] = ()
    """Rules that tighten the stop or leave, several at once; the best stop counts and it never falls. See below."""
    trade_type: Annotated[Literal["Entry2", "Entry3", "Manual"], Key("RTP-01 RTP-22", is_live=True)] = "Manual"
    """Kind of entry: some exit rules work from the entry for one and later for another."""
    enable_market_on_target: Annotated[bool, Key("LEG-28 HRD-33", is_live=True)] = False
    """Turn an unfilled target into a marketable order when the price is there."""
    brokerage_per_trade_rupees: Annotated[Decimal, Key("LEG-46", "₹", 0, 10_000, is_live=True)] = Decimal("0.0")
    """Taken twice in the legs' own net P&L."""
    slippage_rupees: Annotated[Decimal, Key("LEG-46", "₹", 0, 100_000, is_live=True)] = Decimal("0.0")
    """Modelled cost per round trip, in the legs' own net P&L."""
    slippage_on_live: Annotated[bool, Key("LEG-46", is_live=True)] = False
    """Take slippage_rupees off live trades too, whose fills already hold it."""

    sl_order_type: Annotated[StopType, Key("HRD-12")] = StopType.AUTO
    """`auto`: SL-M where the venue takes it, else SL."""
    stop_limit_gap: Annotated[Literal["auto", "one_tick"] | Decimal, Key("HRD-12", "% of the trigger", 0, 40)] = "auto"
    """Limit below the trigger of a stop-limit; auto = 2 %; at least one tick."""
    stop_already_breached: Annotated[BreachedStop, Key("HRD-11", is_live=True)] = BreachedStop.EXIT_NOW
    """When the price is already through a stop that is to be placed: leave, or park it one tick under the price."""
    entry_fill_timeout: Annotated[Decimal, Key("LEG-13", "s", Decimal("0.1"), 300, is_live=True)] = Decimal("4.5")
    """Wait for an entry to fill before its rest is treated by entry_rest."""
    entry_rest: Annotated[EntryRest, Key("HRD-03")] = EntryRest.CANCEL
    """Unfilled rest of an entry: cancel it, or let it work and grow the exits."""
    stop_fill_timeout: Annotated[Decimal, Key("HRD-13", "s", Decimal("0.1"), 60, is_live=True)] = Decimal("2.0")
    """A triggered stop that is not filled for so long is re-priced."""
    status_poll: Annotated[Decimal, Key("LEG-22", "s", Decimal("0.5"), 300, is_live=True)] = Decimal("5.0")
    """Order status is read at least this often while a leg is active."""
    max_tick_age: Annotated[Decimal, Key("I-7", "s", Decimal("0.5"), 300, is_live=True)] = Decimal("5.0")
    """No decision is taken on an older price."""
    blind_exit_after: Annotated[Decimal, Key("I-7", "s", 0, 3600, is_live=True)] = Decimal("30.0")
    """A leg without a price for so long is left at the last known touch; 0 = only an alarm."""
    protection_pct: Annotated[Decimal, Key("CON-05", "%", Decimal("0.1"), 40, is_live=True)] = Decimal("3.0")
    """How far a marketable order's limit lies through the touch."""
    chase_ms: Annotated[int, Key("CON-05", "ms", 100, 60_000, is_live=True)] = 1000
    """An unfilled marketable order is re-priced this often."""
    exit_retries: Annotated[int, Key("LEG-29", low=0, high=10, is_live=True)] = 3
    """Tries to place a refused exit."""
    naked_limit_seconds: Annotated[Decimal, Key("I-4", "s", 0, 3600, is_live=True)] = Decimal(60)
    """A position open for so long without a working stop is left (the alarm comes after 2 s); 0 = only the alarm."""
    on_exits_exhausted: Annotated[Exhausted, Key("HRD-38", is_live=True)] = Exhausted.FLATTEN
    """After the last try: leave the position, or only raise the alarm."""
    on_stop: Annotated[Literal["flatten", "leave"], Key("OPS-21", is_live=True)] = "flatten"
    """When the desk is told to stop: close the position, or leave it under its resting stop (closed without one)."""
    max_day_loss_rupees: Annotated[Decimal, Key("OPT-68 CON-43", "₹", 0, 1_000_000_000, is_live=True)] = Decimal(0)
    """Entries of this group stop when its own day's net loss reaches it; 0 = only the desk's limit, [risk]."""
    trend_gate: TrendGate = TrendGate()

    @property
    def max_day_loss_paise(self) -> int:
        return paise_from_rupees(self.max_day_loss_rupees)

    @property
    def symbols(self) -> tuple[str, ...]:
        """Every leg in trading order: primary, its complement, then the extra ones (LEG-02, LEG-71)."""
        return (*(leg_symbols(self.symbol) or (self.symbol,)), *self.extra_symbols)

    @property
    def underlying(self) -> str:
        parsed = parse_option_symbol(self.symbol)
        return self.symbol if parsed is None else parsed.underlying

    @property
    def interval_ns(self) -> int:
        """Bar length; 0 for D."""
        return 0 if self.interval == "D" else int(self.interval[:-1]) * _NS_PER_UNIT[self.interval[-1]]

    @property
    def entries_from_ns(self) -> int:
        """Since IST midnight, as the two below."""
        return _since_midnight_ns(self.session_start)

    @property
    def entries_until_ns(self) -> int:
        return _since_midnight_ns(self.session_end)

    @property
    def square_off_ns(self) -> int:
        """0 when the square-off is switched off."""
        return _since_midnight_ns(self.square_off) if self.enable_eod_square_off else 0

    @property
    def profit_target_paise(self) -> int:
        return paise_from_rupees(self.profit_target_rupees)

    @property
    def stop_loss_paise(self) -> int:
        return paise_from_rupees(self.stop_loss_rupees)

    @property
    def brokerage_per_trade_paise(self) -> int:
        return paise_from_rupees(self.brokerage_per_trade_rupees)

    @property
    def slippage_paise(self) -> int:
        return paise_from_rupees(self.slippage_rupees)

    @property
    def stop_gap_bps(self) -> int:
        """As engine.order_pricing takes it: basis points of the trigger, or its mark for one tick."""
        match self.stop_limit_gap:
            case "auto":
                return AUTO_GAP_BPS
            case "one_tick":
                return ONE_TICK_GAP
            case percent:
                return _bps(percent)

    @property
    def protection_bps(self) -> int:
        return _bps(self.protection_pct)

    @property
    def trail(self) -> LockFraction | None:
        """None while trailing is off."""
        if not self.enable_trailing_sl:
            return None
        return LockFraction(activation_bps=_bps(self.trail_activation_percent), lock_bps=_bps(self.trail_lock_percent))

    @property
    def rules(self) -> tuple[ExitRule, ...]:
        """Every exit rule of a position, in the order they are asked."""
        return (*((self.trail,) if self.trail else ()), *self.exit_rules)

    @property
    def status_poll_ns(self) -> int:
        return _ns(self.status_poll)

    @property
    def max_tick_age_ns(self) -> int:
        return _ns(self.max_tick_age)

    @property
    def blind_exit_after_ns(self) -> int:
        return _ns(self.blind_exit_after)

    @property
    def bot_times(self) -> BotTimes:
        return BotTimes(
            status_poll_ns=self.status_poll_ns,
            blind_exit_after_ns=self.blind_exit_after_ns,
            square_off_ns=self.square_off_ns,
        )

    def bracket_terms(self, management: PositionManagement, *, is_live: bool) -> BracketTerms:
        """The terms a position is opened with now; modelled slippage counts on paper, live only when asked for."""
        return BracketTerms(
            style=self.exit_style,
            exit_by=self.exit_by,
            target_offset_paise=self.profit_target_paise,
            stop_offset_paise=self.stop_loss_paise,
            rules=encode_rules(self.rules),
            trade_type=self.trade_type,
            target_bps=_bps(self.profit_target_percent),
            stop_bps=_bps(self.stop_loss_percent),
            market_on_target=self.enable_market_on_target,
            stop_type=self.sl_order_type,
            stop_gap_bps=self.stop_gap_bps,
            breached_stop=self.stop_already_breached,
            entry_fill_timeout_ns=_ns(self.entry_fill_timeout),
            entry_rest=self.entry_rest,
            stop_fill_timeout_ns=_ns(self.stop_fill_timeout),
            protection_bps=self.protection_bps,
            chase_ns=self.chase_ms * NS_PER_MS,
            exit_retries=self.exit_retries,
            max_tick_age_ns=self.max_tick_age_ns,
            on_exhausted=self.on_exits_exhausted,
            brokerage_paise=self.brokerage_per_trade_paise,
            slippage_paise=self.slippage_paise if self.slippage_on_live or not is_live else 0,
            exit_tries=management.exit_execution.max_retries,
            exit_retry_ns=management.exit_retry_ns,
            proof_tries=management.validation.max_retries,
            slippage_alert_bps=management.slippage_alert_bps,
            naked_limit_ns=_ns(self.naked_limit_seconds),
        )


class Risk(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may refuse an entry; never an exit."""

    max_day_loss_rupees: Annotated[Decimal, Key("OPT-68", "₹", 0, 1_000_000_000, is_live=True)] = Decimal(0)
    """Entries stop when the day's net loss reaches it; 0 = no limit, which `live` refuses."""
    max_entries_per_day: Annotated[int, Key("OPT-54", "entries", 0, 100_000, is_live=True)] = 0
    """Most entries of the group in one trading day; 0 = no limit."""

    @property
    def max_day_loss_paise(self) -> int:
        return paise_from_rupees(self.max_day_loss_rupees)


class Gateway(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The order path of each account: pace, deadlines, repeats."""

    orders_per_s: Annotated[int, Key("LEG-66", "orders", 1, 10)] = 8
    """Most writes in any second; venues count 10 (F-40)."""
    exit_reserve: Annotated[int, Key("LEG-66", "orders", 0, 9)] = 3
    """Of orders_per_s, kept free for exits and cancels."""
    order_gap_seconds: Annotated[Decimal, Key("LEG-66", "s", 0, 60)] = Decimal("0.0")
    """Least time between two writes."""
    api_timeout_seconds: Annotated[Decimal, Key("HRD-33", "s", Decimal("0.5"), 120)] = Decimal(10)
    """Deadline of a broker call."""
    exit_timeout_seconds: Annotated[Decimal, Key("HRD-07", "s", Decimal("0.5"), 120)] = Decimal(3)
    """Deadline of a write that leaves or protects a position."""
    max_order_retries: Annotated[int, Key("HRD-33", low=0, high=5)] = 2
    """Tries of an entry that certainly was not sent; anything else is looked up first. Exits never stop trying."""

    @property
    def order_gap_ns(self) -> int:
        return _ns(self.order_gap_seconds)

    @property
    def api_timeout_ns(self) -> int:
        return _ns(self.api_timeout_seconds)

    @property
    def exit_timeout_ns(self) -> int:
        return _ns(self.exit_timeout_seconds)


class Charges(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the broker takes; taxes and exchange fees are dated data of the engine (OPS-34)."""

    brokerage_per_order_rupees: Annotated[Decimal, Key("OPS-34", "₹", 0, 10_000, is_live=True)] = Decimal("20.0")
    """Per executed order."""

    @property
    def brokerage_per_order_paise(self) -> int:
        return paise_from_rupees(self.brokerage_per_order_rupees)


class Screen(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """First look of the console; nothing here changes what is traded."""

    theme: Annotated[str, Key("OPS-02", pattern=r"[a-z0-9-]{0,40}", form="a theme's name")] = ""
    """Colour theme; empty = the one chosen last."""
    frame_hz: Annotated[int, Key("OPS-02", "frames/s", 1, 30)] = 10
    """Most redraws in a second."""
    ascii: Annotated[bool, Key("OPS-02")] = False
    """Draw with plain characters only."""


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file. Built-in defaults are the paper demo."""

    desk: Desk = Desk()
    accounts: dict[str, Account] = msgspec.field(default_factory=lambda: {"paper": PaperAccount()})
    """By name; `paper` is always there."""
    legs: Legs = Legs()
    has_legs: bool = True
    """False in a file with a [[grid]] and neither [legs] nor [groups]: its grids trade alone, and `legs` says no more
    than their main account."""
    grids: tuple[Grid, ...] = ()
    """Each table [[grid]], in the order of the file; each is a bot of its own."""
    groups: dict[str, Legs] = {}
    """More groups beside [legs], by the name of their table [groups.NAME]; two may hold the same contract (CON-43)."""
    risk: Risk = Risk()
    gateway: Gateway = Gateway()
    charges: Charges = Charges()
    alerts: Alerts = Alerts()
    guardian: GuardianTable = GuardianTable()
    position_management: PositionManagement = PositionManagement()
    screen: Screen = Screen()

    @property
    def all_groups(self) -> tuple[Legs, ...]:
        """Every group that trades, [legs] first; none where grids trade alone."""
        return (self.legs, *self.groups.values()) if self.has_legs else ()

    @property
    def name(self) -> str:
        """Of the desk, in its log and its alerts: that of its first bot."""
        return self.legs.strategy if self.has_legs else self.grids[0].bot_name

    def alone(self, grid: Grid) -> Config:
        """The same desk with this grid and nothing else."""
        legs = msgspec.structs.replace(self.legs, account=grid.accounts.trade)
        return msgspec.structs.replace(self, legs=legs, has_legs=False, groups={}, grids=(grid,))

    @property
    def is_live(self) -> bool:
        return self.desk.mode is Mode.LIVE

    @property
    def is_rehearsal(self) -> bool:
        return self.desk.mode is Mode.REHEARSAL

    @property
    def feed_account(self) -> str:
        """The name of the real account whose prices are used; empty for made or recorded ones."""
        return self.desk.market if self.desk.market not in MADE_MARKETS else ""

    @property
    def hangs_on_brokers(self) -> bool:
        """Something of this desk is at a real broker or its rehearsal venue."""
        return bool(self.feed_account) or any(
            isinstance(self.accounts[name], RealAccount) for name in self.account_names
        )

    @property
    def trading_account(self) -> Account:
        return self.accounts[self.legs.account]

    @property
    def account_names(self) -> tuple[str, ...]:
        """Every account that this desk trades, the main one first; two with one login are one session (GRD-39)."""
        roles = (role for grid in self.grids for role in grid.accounts_used)
        names = (self.legs.account, *(legs.account for legs in self.all_groups), *roles)
        return tuple(dict.fromkeys(session_of(self.accounts, name) for name in names))

    @property
    def index(self) -> str:
        """The index to show and to make the demo market from; grids alone have none unless it is named."""
        return self.desk.index or (self.legs.underlying if self.has_legs else "")

    @property
    def risk_limits(self) -> RiskLimits:
        """Of the desk: the loss is that of all groups together, lots and entries count in each."""
        return RiskLimits(
            day_loss_paise=self.risk.max_day_loss_paise,
            lots_max=self.desk.max_lots,
            entries_per_day=self.risk.max_entries_per_day,
            unmanaged=not self.position_management.enabled,
        )

    def grid_terms(self, grid: Grid) -> GridTerms:
        """How one grid trades; roles with the same login get one account id and so one session (GRD-39)."""
        trade, up, down = (
            session_of(self.accounts, name)
            for name in (grid.accounts.trade, grid.accounts.upside_oco, grid.accounts.downside_oco)
        )
        return grid.terms(GridAccounts(trade=trade, upside_oco=up, downside_oco=down))

    def legs_terms(self) -> LegsTerms:
        """Of [legs], the first group."""
        return self.terms_of(self.legs)

    def terms_of(self, legs: Legs) -> LegsTerms:
        """How one group trades from now on; open positions keep the terms they were opened with (CFG-01)."""
        limits = msgspec.structs.replace(self.risk_limits, day_loss_paise=legs.max_day_loss_paise)
        return LegsTerms(
            bot=legs.strategy,
            account=session_of(self.accounts, legs.account),
            exchange=legs.exchange,
            product=legs.product,
            lots=legs.lots,
            pair_policy=legs.pair_policy,
            bracket=legs.bracket_terms(self.position_management, is_live=self.is_live),
            limits=limits,
            times=legs.bot_times,
            on_stop=OnStop(legs.on_stop),
            allow_short=legs.allow_short,
            on_unexpected=legs.on_unexpected,
            reserved_symbols=legs.reserved_symbols,
        )


def _ns(seconds: Decimal) -> int:
    return int(seconds * NS_PER_S)


def _since_midnight_ns(clock: time) -> int:
    return (clock.hour * 3600 + clock.minute * 60 + clock.second) * NS_PER_S


def _bps(percent: Decimal) -> int:
    return int(percent * _BPS_PER_PERCENT)
