"""What a desk is put together from. The command line builds these; the desk uses them and builds none itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from engine.alerts import AlertBook
from engine.bot import Bot
from engine.entry_trigger import TriggerSettings
from engine.gateway import GatewayLimits
from engine.instant import NS_PER_S
from engine.instrument import Instrument
from engine.journal.records import Restored
from engine.journal.writer import Writer
from engine.legs import LegsBot, LegsTerms, ReadingsOf
from engine.messages import Msg
from engine.order import Order
from engine.port import BrokerPort, Clock, MarketPort
from engine.position_checks import CheckLimits
from engine.price_book import PriceBook
from engine.risk import RiskLimits
from engine.session import Calendar
from engine.tags import TagMaker
from engine.trend_watch import TrendWatch
from engine.venue_rules import VenueRules
from engine.view import LogLine


class LogSink(Protocol):
    """Where sentences go: screen ring, text and JSON files."""

    def say(
        self, msg: Msg, fields: Mapping[str, object], at_ns: int, source: str, symbol: str = "", tag: str = ""
    ) -> str:
        """Record one sentence; returns its finished, sanitised text."""
        ...

    def lines_since(self, seq: int) -> list[LogLine]: ...

    @property
    def seq(self) -> int: ...


class DeskTimes(msgspec.Struct, frozen=True, kw_only=True):
    """Spans the desk itself lives by; each bot has its own besides."""

    stop_patience_ns: int = 35 * NS_PER_S
    """How long a stopping desk waits for flat (HRD-26..29)."""
    reconcile_active_ns: int = 30 * NS_PER_S
    """Between two reconciliations while something is open (LEG-36, F-21)."""
    reconcile_flat_ns: int = 300 * NS_PER_S
    """And while all is flat."""
    check_interval_ns: int = NS_PER_S
    """With a position open every bracket is looked at so often, ticks or not (RTP-11)."""
    proof_again_ns: int = NS_PER_S // 2
    """Between two looks for the proof of flat (RTP-30)."""
    restart_loop_starts: int = 3
    """So many starts in a row that crashed within a minute: entries stay off until resumed (PRC-14); 0 = never."""


class DeskLabels(msgspec.Struct, frozen=True, kw_only=True):
    """Words on the status line."""

    mode: str
    broker: str
    is_live: bool
    index_symbol: str = ""


class BotTools(msgspec.Struct, frozen=True, kw_only=True):
    """What the desk lends to a bot that is being built."""

    prices: Mapping[str, PriceBook]
    """By symbol."""
    rules: Mapping[str, VenueRules]
    """Of each account's venue, by account id."""
    tags: TagMaker
    """One for all bots: no order id exists twice."""
    orders: Mapping[str, Order]
    """All of the desk's, by tag."""
    readings: ReadingsOf
    entry_block: Callable[[int, str], str]
    """(now, bot): why the desk takes no entry of this bot at this instant, or empty (O10). A bot that enters by itself
    asks before each; the desk asks for the others."""


class BotParts(Protocol):
    """One bot that is to sit at the desk, of whatever kind."""

    @property
    def trigger(self) -> TriggerSettings | None:
        """None: it is entered only by key, or decides on its own."""
        ...

    @property
    def trend(self) -> TrendWatch | None: ...

    def build(self, tools: BotTools) -> Bot:
        """Called once. Every account and symbol that it names is the desk's."""
        ...


@dataclass(slots=True, kw_only=True)
class GroupParts:
    """One group of legs: a bot of its own beside the others."""

    terms: LegsTerms
    legs: tuple[str, ...]
    """Symbols, primary first."""
    trigger: TriggerSettings | None = None
    """None: entries only by key."""
    trend: TrendWatch | None = None

    def build(self, tools: BotTools) -> Bot:
        prices = [tools.prices[symbol] for symbol in self.legs]
        rules = tools.rules[self.terms.account]
        return LegsBot(self.terms, prices, rules, tools.tags, tools.orders, tools.readings)


class Reloaded(msgspec.Struct, frozen=True, kw_only=True):
    """What a configuration that was read again changes while the desk runs."""

    terms: dict[str, LegsTerms]
    """By bot; they count for its next position."""
    risk: RiskLimits
    applied: str
    """Keys, for the log."""
    restart_needed: str


@dataclass(slots=True, kw_only=True)
class DeskParts:
    clock: Clock
    ports: tuple[BrokerPort, ...]
    """One for each trading account, the main one first; at least one."""
    market: MarketPort
    instruments: Mapping[str, Instrument]
    """By symbol: all that any bot trades, and the index when there is one."""
    calendar: Calendar
    writer: Writer
    log: LogSink
    run_no: int
    bots: tuple[BotParts, ...]
    """At least one; no two of one name."""
    risk: RiskLimits = field(default_factory=RiskLimits)
    """Caps over all bots together."""
    times: DeskTimes = field(default_factory=DeskTimes)
    checks: CheckLimits = field(default_factory=CheckLimits)
    labels: DeskLabels
    limits: GatewayLimits
    restored: Restored
    charges_of: Callable[[list[Order], int], int]
    """Estimated charges of a finished bracket's orders, in paise (OPS-34)."""
    reload_terms: Callable[[], Reloaded] | None = None
    """Reads the config again. Raises ConfigError."""
    on_alarm: Callable[[str], None] | None = None
    """Hears the text of every standing alarm when it is raised."""
    alerts: AlertBook = field(default_factory=AlertBook)
    """What goes out to people; it hears the log."""
    stopwatch_ns: Callable[[], int] | None = None
    """Times the desk's own work for the metrics, and decides nothing; None = not timed."""
