"""The form of the session tables: what `engine/data/sessions.toml` and a user's own file may hold, read and checked.

Only reading and checking; what a day *means* is decided in `engine.session`. Times are IST wall-clock times.
"""

from __future__ import annotations

from datetime import date, time
from enum import StrEnum
from itertools import pairwise
from pathlib import Path

import msgspec

from engine.contracts import Confidence
from engine.dated_rows import DataFileError, read_packaged, read_table

PACKAGED = "sessions.toml"


class SessionClass(StrEnum):
    """Kinds of instrument that keep different hours (facts/market.md §1.1)."""

    OPTIONS = "options"
    FUTURES = "futures"
    CASH = "cash"
    """Stocks without derivatives, ETFs, index values."""
    CASH_WITH_DERIVATIVES = "cash_with_derivatives"
    """Stocks with live derivatives: closing auction since 2026-08-03."""


class PhaseName(StrEnum):
    PRE_OPEN_ENTRY = "pre_open_entry"
    PRE_OPEN_LIMIT_ONLY = "pre_open_limit_only"
    PRE_OPEN_MATCH = "pre_open_match"
    PRE_OPEN_BUFFER = "pre_open_buffer"
    CONTINUOUS = "continuous"
    CAS_TRANSITION = "cas_transition"
    """Closing auction: no order entry."""
    CAS_ENTRY = "cas_entry"
    CAS_LIMIT_ONLY = "cas_limit_only"
    CAS_MATCH = "cas_match"
    POST_CLOSE = "post_close"


class PhaseRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: PhaseName
    start: time
    end: time


class SessionRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The hours of one class from one day on."""

    effective_from: date
    session_class: SessionClass = msgspec.field(name="class")
    phases: tuple[PhaseRow, ...]
    expiring_index_close: time | None = None
    """Index contracts stop here on their expiry day; None: with all others."""
    close_price_window: tuple[time, time] | None = None
    """Whose VWAP is the derivative's close price; None: not a derivative."""
    final_settlement: str = ""
    """What the index settles to at expiry, in words."""
    conf: Confidence = "H"
    confirmed: bool = True
    """False: rests on a source that the operator should check; the doctor warns."""


class HolidayRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    date: date
    name: str


class SpecialRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A weekend or holiday that is traded: all day, in `windows`, or (neither given) at hours nobody knows yet."""

    date: date
    name: str
    full_day: bool = False
    windows: tuple[tuple[time, time], ...] = ()


class SquareOffRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a broker squares off MIS positions of one class, from one day on (facts/market.md §1.3)."""

    effective_from: date
    broker: str
    """Adapter name; `*` is any broker without rows of its own."""
    session_class: SessionClass = msgspec.field(name="class")
    at: time
    conf: Confidence = "L"
    note: str = ""


class SessionTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file."""

    years: tuple[int, ...] = ()
    """Years whose holidays are listed completely in this file."""
    session: tuple[SessionRow, ...] = ()
    holiday: tuple[HolidayRow, ...] = ()
    special: tuple[SpecialRow, ...] = ()
    square_off: tuple[SquareOffRow, ...] = ()


def read_session_tables(extra: Path | None) -> list[SessionTable]:
    """The packaged table and, when given, the user's own after it. Raises DataFileError naming file and key."""
    tables = [_checked(read_packaged(PACKAGED, SessionTable), PACKAGED)]
    if extra is not None:
        tables.append(_checked(read_table(extra, SessionTable), str(extra)))
    return tables


def _checked(table: SessionTable, source: str) -> SessionTable:
    for number, row in enumerate(table.session):
        _check_phases(row, f"{source}: session[{number}]")
    for number, special in enumerate(table.special):
        _check_special(special, f"{source}: special[{number}] ({special.date})")
    for number, year in enumerate(table.years):
        if not any(holiday.date.year == year for holiday in table.holiday):
            raise DataFileError(f"{source}: years[{number}]: {year} has no [[holiday]] row in this file")
    return table


def _check_phases(row: SessionRow, where: str) -> None:
    for number, phase in enumerate(row.phases):
        if phase.start >= phase.end:
            raise DataFileError(f"{where}.phases[{number}]: {phase.start} to {phase.end}: the start must come first")
    for earlier, later in pairwise(row.phases):
        if later.start < earlier.end:
            raise DataFileError(f"{where}.phases: {later.name.value} starts before {earlier.name.value} ends")
    if all(phase.name is not PhaseName.CONTINUOUS for phase in row.phases):
        raise DataFileError(f"{where}.phases: one phase must be continuous")


def _check_special(row: SpecialRow, where: str) -> None:
    if row.full_day and row.windows:
        raise DataFileError(f"{where}: either full_day or windows, not both")
    edges = [edge for window in row.windows for edge in window]
    if any(later <= earlier for earlier, later in pairwise(edges)):
        raise DataFileError(f"{where}.windows: times must rise, without overlap")
