"""The exchange calendar: which days are traded, from when to when per kind of instrument, and why a day is not.

Built from dated rows (`engine/data/sessions.toml`, then the user's own file), because hours and holidays change by
circular (OPS-31). All times are IST whatever the machine's zone says (OPS-30). A day of a year without a holiday list
is not traded: an unknown day must not be taken for an open one (BUG-90).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, time, timedelta
from pathlib import Path
from typing import Final

import msgspec

from engine.dated_rows import in_force
from engine.instant import NS_PER_S, at_ist, ist_date
from engine.instrument import Instrument, Segment
from engine.option_symbol import is_index_name
from engine.session_table import (
    HolidayRow,
    PhaseName,
    SessionClass,
    SessionRow,
    SessionTable,
    SpecialRow,
    SquareOffRow,
    read_session_tables,
)

__all__ = [
    "Calendar",
    "Phase",
    "PhaseName",
    "SessionClass",
    "SessionDay",
    "SquareOffRow",
    "own_exit_margin_s",
    "session_class",
    "trading_date",
]

_ANY_BROKER: Final = "*"
_WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
# Longest run of closed days that a search crosses; an exchange closed for longer is a gap in the table.
_SEARCH_DAYS: Final = 30


class Phase(msgspec.Struct, frozen=True):
    """One stretch of the day, from `start_ns` up to but not including `end_ns`."""

    name: PhaseName
    start_ns: int
    end_ns: int


class SessionDay(msgspec.Struct, frozen=True, kw_only=True):
    """One trading day's hours, as instants."""

    date: date
    name: str
    """Of a special session; empty on an ordinary day."""
    phases: dict[SessionClass, tuple[Phase, ...]]
    expiring_close_ns: dict[SessionClass, int]
    """Where index contracts that expire today stop earlier than their class."""
    unconfirmed: tuple[str, ...]
    """Hours of today that rest on an unconfirmed row, one sentence each; the doctor warns."""

    def continuous(self, kind: SessionClass) -> tuple[Phase, ...]:
        """The continuous-trading windows; mostly one."""
        return tuple(phase for phase in self.phases[kind] if phase.name is PhaseName.CONTINUOUS)

    def open_ns(self, kind: SessionClass) -> int:
        """Start of continuous trading."""
        return self.continuous(kind)[0].start_ns

    def close_ns(self, kind: SessionClass) -> int:
        """End of continuous trading (a closing auction may follow)."""
        return self.continuous(kind)[-1].end_ns

    def phase_at(self, kind: SessionClass, at_ns: int) -> Phase | None:
        """The phase at an instant; None when the market does nothing then."""
        return next((phase for phase in self.phases[kind] if phase.start_ns <= at_ns < phase.end_ns), None)

    def is_open(self, kind: SessionClass, at_ns: int) -> bool:
        """Continuous trading at this instant: 09:15:00 is open, 15:30:00 is not (OPT-29)."""
        phase = self.phase_at(kind, at_ns)
        return phase is not None and phase.name is PhaseName.CONTINUOUS


class Calendar:
    """Answers for any date; holds no clock."""

    def __init__(self, tables: Sequence[SessionTable]) -> None:
        """Later tables add rows and replace those of the same key (class and date, date, broker and class and date)."""
        self._sessions = [row for table in tables for row in table.session]
        self._square_offs = [row for table in tables for row in table.square_off]
        self._years = frozenset(year for table in tables for year in table.years)
        self._holidays: dict[date, HolidayRow] = {}
        self._specials: dict[date, SpecialRow] = {}
        for table in tables:
            for holiday in table.holiday:
                self._holidays[holiday.date] = holiday
                self._specials.pop(holiday.date, None)
            self._specials.update({special.date: special for special in table.special})
        self._days: dict[date, SessionDay | None] = {}

    @classmethod
    def load(cls, extra: Path | None = None) -> Calendar:
        """The packaged calendar with the user's own file over it. Raises DataFileError naming file and key."""
        return cls(read_session_tables(extra))

    @property
    def years_covered(self) -> frozenset[int]:
        """Years with a complete holiday list; no day of any other year is traded."""
        return self._years

    def trading_day(self, day: date) -> SessionDay | None:
        """The day's hours, or None when it is not traded; `why_closed` says why."""
        if day not in self._days:
            self._days[day] = None if self.why_closed(day) else self._build(day)
        return self._days[day]

    def why_closed(self, day: date) -> str:
        """One sentence, or an empty text when the day is traded (OPS-31)."""
        if day.year not in self._years:
            return f"{day}: no holiday list for {day.year}; add the year and its holidays to the calendar file"
        special, holiday = self._specials.get(day), self._holidays.get(day)
        if special is not None:
            if special.full_day or special.windows:
                return "" if self._has_hours(day) else f"{day}: no session row covers this date"
            name = _printable(special.name)
            return f"{day}: {name}, hours not known; add a [[special]] row with windows to the calendar file"
        if holiday is not None:
            return f"{day} is a holiday: {_printable(holiday.name)}"
        if day.weekday() >= 5:
            return f"{day} is a {_WEEKDAYS[day.weekday()]}"
        return "" if self._has_hours(day) else f"{day}: no session row covers this date"

    def next_trading_day(self, day: date) -> date | None:
        """The first trading day after `day`; None when it would lie in a year without a holiday list."""
        return self._search(day, 1)

    def previous_trading_day(self, day: date) -> date | None:
        """The last trading day before `day`; None when it would lie in a year without a holiday list."""
        return self._search(day, -1)

    def close_ns(self, instrument: Instrument, day: date, *, has_derivatives: bool = True) -> int | None:
        """When continuous trading of `instrument` ends on `day`; None when the day is not traded.

        An expiring index contract may stop earlier than its class (15:30 from 2026-12-07). For equity,
        `has_derivatives` tells which hours apply; unknown counts as yes, the earlier close.
        """
        session = self.trading_day(day)
        if session is None:
            return None
        kind = session_class(instrument, has_derivatives=has_derivatives)
        close_ns = session.close_ns(kind)
        if _expires_as_index_contract(instrument, day):
            close_ns = min(close_ns, session.expiring_close_ns.get(kind, close_ns))
        return close_ns

    def expiry_ns(self, instrument: Instrument) -> int | None:
        """When a contract stops trading for good, the end of its time value; None when it never does.

        The instrument master vouches that its expiry is a trading day: years without a holiday list are answered too.
        """
        if instrument.expiry is None:
            return None
        kind = session_class(instrument)
        row = self._row(kind, instrument.expiry)
        if row is None:
            return None
        day_close_ns = self.close_ns(instrument, instrument.expiry)
        if day_close_ns is not None:
            return day_close_ns
        early = row.expiring_index_close if _expires_as_index_contract(instrument, instrument.expiry) else None
        return at_ist(instrument.expiry, early or _continuous_end(row))

    def broker_square_off(self, broker: str, kind: SessionClass, day: date) -> SquareOffRow | None:
        """The broker's own MIS cut-off in force on `day`; None: no row, so a live session must not start on MIS."""
        rows = [row for row in self._square_offs if row.session_class is kind]
        own = in_force([row for row in rows if row.broker == broker], day)
        return own or in_force([row for row in rows if row.broker == _ANY_BROKER], day)

    def own_exit_ns(
        self, instrument: Instrument, day: date, broker: str, *, is_mis: bool = True, has_derivatives: bool = True
    ) -> int | None:
        """Latest instant to begin our own square-off: min(broker's cut-off, close - margin) (facts/market.md §1.3).

        Positions that the broker does not square off (not MIS) have only the close. A cut-off outside the day's hours,
        as on an evening session, does not count. None when the day is not traded.
        """
        session, close_ns = self.trading_day(day), self.close_ns(instrument, day, has_derivatives=has_derivatives)
        if session is None or close_ns is None:
            return None
        kind = session_class(instrument, has_derivatives=has_derivatives)
        exit_ns = close_ns - own_exit_margin_s(kind) * NS_PER_S
        cutoff = self.broker_square_off(broker, kind, day) if is_mis else None
        if cutoff is not None and at_ist(day, cutoff.at) > session.open_ns(kind):
            exit_ns = min(exit_ns, at_ist(day, cutoff.at))
        return exit_ns

    def _build(self, day: date) -> SessionDay:
        special = self._specials.get(day)
        rows = {kind: row for kind in SessionClass if (row := self._row(kind, day)) is not None}
        if special is not None and special.windows:
            windows = tuple(
                Phase(PhaseName.CONTINUOUS, at_ist(day, start), at_ist(day, end)) for start, end in special.windows
            )
            phases = dict.fromkeys(rows, windows)
        else:
            phases = {
                kind: tuple(Phase(p.name, at_ist(day, p.start), at_ist(day, p.end)) for p in row.phases)
                for kind, row in rows.items()
            }
        return SessionDay(
            date=day,
            name="" if special is None else _printable(special.name),
            phases=phases,
            expiring_close_ns={
                kind: at_ist(day, row.expiring_index_close)
                for kind, row in rows.items()
                if row.expiring_index_close is not None
            },
            unconfirmed=tuple(
                f"hours of {kind.value} from {row.effective_from} are not confirmed (confidence {row.conf})"
                for kind, row in rows.items()
                if not row.confirmed
            ),
        )

    def _has_hours(self, day: date) -> bool:
        return all(self._row(kind, day) is not None for kind in SessionClass)

    def _row(self, kind: SessionClass, day: date) -> SessionRow | None:
        return in_force([row for row in self._sessions if row.session_class is kind], day)

    def _search(self, day: date, step: int) -> date | None:
        for distance in range(1, _SEARCH_DAYS + 1):
            candidate = day + timedelta(days=step * distance)
            if candidate.year not in self._years:
                return None
            if self.trading_day(candidate) is not None:
                return candidate
        return None


def trading_date(at_ns: int) -> date:
    """The IST date that books an instant: day P&L, counters and guards roll when it changes (OPS-19, OPS-30)."""
    return ist_date(at_ns)


def session_class(instrument: Instrument, *, has_derivatives: bool = True) -> SessionClass:
    """Whose hours an instrument keeps. `has_derivatives` matters for equity only."""
    match instrument.segment:
        case Segment.INDEX_OPTION | Segment.STOCK_OPTION:
            return SessionClass.OPTIONS
        case Segment.FUTURE:
            return SessionClass.FUTURES
        case Segment.EQUITY:
            return SessionClass.CASH_WITH_DERIVATIVES if has_derivatives else SessionClass.CASH
        case Segment.INDEX:
            return SessionClass.CASH


def own_exit_margin_s(kind: SessionClass) -> int:
    """Seconds before the close at which our own square-off begins: 10 min for auction stocks, else 5 min."""
    return 600 if kind is SessionClass.CASH_WITH_DERIVATIVES else 300


def _expires_as_index_contract(instrument: Instrument, day: date) -> bool:
    is_index_contract = instrument.segment is Segment.INDEX_OPTION or (
        instrument.segment is Segment.FUTURE and is_index_name(instrument.underlying)
    )
    return is_index_contract and instrument.expiry == day


def _continuous_end(row: SessionRow) -> time:
    return max(phase.end for phase in row.phases if phase.name is PhaseName.CONTINUOUS)


def _printable(text: str) -> str:
    """Names come from a file: no control characters reach a screen or a log."""
    return "".join(character for character in text if character.isprintable())
