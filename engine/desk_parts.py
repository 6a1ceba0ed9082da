"""What a desk is put together from. The command line builds these; the desk uses them and builds none itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from engine.alerts import AlertBook
from engine.entry_trigger import TriggerSettings
from engine.gateway import GatewayLimits
from engine.instant import NS_PER_S
from engine.instrument import Instrument
from engine.journal.records import Restored
from engine.journal.writer import Writer
from engine.legs import LegsTerms
from engine.messages import Msg
from engine.order import Order
from engine.port import BrokerPort, Clock, MarketPort
from engine.session import Calendar
from engine.trend_watch import TrendWatch
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
    """Spans and times of day the desk itself lives by."""

    status_poll_ns: int = 5 * NS_PER_S
    """Fallback status pass while a leg is active (LEG-22)."""
    blind_exit_after_ns: int = 30 * NS_PER_S
    """No price for this long with a position open: leave it (RTP-14)."""
    square_off_ns: int = (15 * 3600 + 15 * 60) * NS_PER_S
    """Since IST midnight; 0 = no square-off."""
    stop_patience_ns: int = 35 * NS_PER_S
    """How long a stopping desk waits for flat (HRD-26..29)."""


class DeskLabels(msgspec.Struct, frozen=True, kw_only=True):
    """Words on the status line."""

    mode: str
    broker: str
    is_live: bool
    index_symbol: str = ""


@dataclass(slots=True, kw_only=True)
class DeskParts:
    clock: Clock
    port: BrokerPort
    market: MarketPort
    instruments: Mapping[str, Instrument]
    """By symbol: the legs, primary first, and the index when there is one."""
    calendar: Calendar
    writer: Writer
    log: LogSink
    run_no: int
    terms: LegsTerms
    trigger: TriggerSettings | None
    """None: entries only by key."""
    trend: TrendWatch | None = None
    times: DeskTimes
    labels: DeskLabels
    limits: GatewayLimits
    restored: Restored
    charges_of: Callable[[list[Order], int], int]
    """Estimated charges of a finished bracket's orders, in paise (OPS-34)."""
    reload_terms: Callable[[], tuple[LegsTerms, str, str]] | None = None
    """Reads the config again: new terms, keys applied, keys that need a restart. Raises ConfigError."""
    on_alarm: Callable[[str], None] | None = None
    """Hears the text of every standing alarm when it is raised."""
    alerts: AlertBook = field(default_factory=AlertBook)
    """What goes out to people; it hears the log."""
    legs: tuple[str, ...] = field(default=())
