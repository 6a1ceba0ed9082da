"""What the trader asks of the desk, by key or command line. Intents, never snapshots: the engine sizes them.

Every request carries an id, so a doubled key cannot double an order (HUM-06). They travel on the desk's one queue.
Where a request names a symbol, `bot` says whose: two bots may hold the same one. Empty means every bot that has it.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from engine.grid.terms import TradeSide
from engine.order import Side


class Enter(msgspec.Struct, frozen=True, kw_only=True):
    """Buy (or sell, when shorts are allowed) legs now; empty `symbols` means every leg of the group."""

    request_id: str
    side: Side
    symbols: tuple[str, ...] = ()
    lots: int = 0
    """0 means the configured lots."""
    bot: str = ""


class ExitLeg(msgspec.Struct, frozen=True, kw_only=True):
    """Square off one leg: cancel its exits, confirmed, and close what is open at market."""

    request_id: str
    symbol: str
    bot: str = ""


class ExitLevel(msgspec.Struct, frozen=True, kw_only=True):
    """Leave one level of a grid: its working orders cancelled, confirmed, what is open closed at market on both tokens.

    `level_id` is that of one cycle: a level that was reset since has another, and is left alone.
    """

    request_id: str
    bot: str
    level_id: str


class ExitSide(msgspec.Struct, frozen=True, kw_only=True):
    """The same for every level of one side of a grid."""

    request_id: str
    bot: str
    side: TradeSide


class ExitBot(msgspec.Struct, frozen=True, kw_only=True):
    """Square off everything that one bot holds, its working orders cancelled; it enters nothing until resumed."""

    request_id: str
    bot: str


class CancelScope(StrEnum):
    ENTRIES = "entries"
    """Working entry orders only; protection stays."""
    ALL = "all"
    """Protection too: legs become watched here, with an alarm."""


class CancelAll(msgspec.Struct, frozen=True, kw_only=True):
    request_id: str
    scope: CancelScope = CancelScope.ENTRIES
    symbols: tuple[str, ...] = ()
    bot: str = ""
    side: TradeSide | None = None
    """Of a grid: only the levels of this side."""
    level_id: str = ""
    """Of a grid: only this level."""


class CancelOrder(msgspec.Struct, frozen=True, kw_only=True):
    """Cancel the one order under the cursor."""

    request_id: str
    tag: str


class ZeroOut(msgspec.Struct, frozen=True, kw_only=True):
    """The kill switch, by key or by SIGUSR1: no entries of any bot until resumed, working ones cancelled, everything of
    ours closed. Asked twice it is still one exit for each position (OPS-23, EXI-17)."""

    request_id: str


class PauseEntries(msgspec.Struct, frozen=True, kw_only=True):
    """No entries until resumed, of one bot or of the whole desk."""

    request_id: str
    paused: bool
    bot: str = ""


class ReconcileNow(msgspec.Struct, frozen=True, kw_only=True):
    request_id: str


class ReloadConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Read the config file again; only keys that are safe while running are applied (OPS-13, CFG-01)."""

    request_id: str


class Adopt(msgspec.Struct, frozen=True, kw_only=True):
    """Let the bot take over what the broker shows in this symbol and nobody here has bought: the consent of CON-08.

    It becomes a position with levels of its own and exits like any other (LEG-39).
    """

    request_id: str
    symbol: str
    bot: str = ""


class Acknowledge(msgspec.Struct, frozen=True, kw_only=True):
    """The trader has seen every alarm and alert that there is now (faults §4.10)."""

    request_id: str


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """Something the trader did on screen that the journal keeps: armed, disarmed, expired, with the numbers shown."""

    request_id: str
    text: str


Request = (
    Enter
    | ExitLeg
    | ExitLevel
    | ExitSide
    | ExitBot
    | CancelAll
    | CancelOrder
    | ZeroOut
    | PauseEntries
    | ReconcileNow
    | ReloadConfig
    | Acknowledge
    | Adopt
    | Note
)
