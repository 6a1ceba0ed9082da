"""The exchange calendar: hours of each class by date, holidays, special sessions, cut-offs (OPS-30, OPS-31, OPS-19)."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from datetime import date, time, timedelta
from pathlib import Path

import exchange_calendars
import holidays
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.dated_rows import DataFileError
from engine.instant import NS_PER_S, at_ist, clock_text
from engine.instrument import Instrument, OptionType, Segment
from engine.session import Calendar, PhaseName, SessionClass, own_exit_margin_s, session_class, trading_date
from engine.session_table import read_session_tables

SHARED = Path(__file__).resolve().parents[3] / "shared"
CALENDAR = Calendar.load()
OPTIONS, FUTURES = SessionClass.OPTIONS, SessionClass.FUTURES
CASH, CAS = SessionClass.CASH, SessionClass.CASH_WITH_DERIVATIVES


def option(expiry: date, segment: Segment = Segment.INDEX_OPTION) -> Instrument:
    return Instrument(
        symbol="NIFTY25300PE",
        exchange="NFO",
        segment=segment,
        lot_size=65,
        tick_paise=5,
        underlying="NIFTY" if segment is Segment.INDEX_OPTION else "RELIANCE",
        expiry=expiry,
        strike_paise=2_530_000,
        option_type=OptionType.PE,
    )


def future(underlying: str, expiry: date) -> Instrument:
    return Instrument(
        symbol=f"{underlying}FUT",
        exchange="NFO",
        segment=Segment.FUTURE,
        lot_size=65,
        tick_paise=5,
        underlying=underlying,
        expiry=expiry,
    )


def stock() -> Instrument:
    return Instrument(symbol="RELIANCE", exchange="NSE", segment=Segment.EQUITY, lot_size=1, tick_paise=10)


def phase_texts(day: date, kind: SessionClass) -> list[str]:
    session = CALENDAR.trading_day(day)
    assert session is not None
    return [
        f"{phase.name.value} {clock_text(phase.start_ns)[:5]}-{clock_text(phase.end_ns)[:5]}"
        for phase in session.phases[kind]
    ]


def clock_of(at_ns: int | None) -> str:
    assert at_ns is not None
    return clock_text(at_ns)


OLD_PRE_OPEN = ["pre_open_entry 09:00-09:08", "pre_open_match 09:08-09:12", "pre_open_buffer 09:12-09:15"]
NEW_PRE_OPEN = [
    "pre_open_entry 09:00-09:05",
    "pre_open_limit_only 09:05-09:10",
    "pre_open_match 09:10-09:12",
    "pre_open_buffer 09:12-09:15",
]
CAS_TODAY = [
    "continuous 09:15-15:15",
    "cas_transition 15:15-15:20",
    "cas_entry 15:20-15:25",
    "cas_limit_only 15:25-15:30",
    "cas_match 15:30-15:35",
    "post_close 15:50-16:00",
]
CAS_DECEMBER = [
    "continuous 09:15-15:30",
    "cas_transition 15:30-15:31",
    "cas_entry 15:31-15:36",
    "cas_limit_only 15:36-15:40",
    "post_close 15:50-16:00",
]
PLAIN_OLD = ["continuous 09:15-15:30", "post_close 15:40-16:00"]
PLAIN_NEW = ["continuous 09:15-15:30", "post_close 15:50-16:00"]


@pytest.mark.row("OPS-31")
@pytest.mark.parametrize(
    ("kind", "day", "phases"),
    [
        (OPTIONS, date(2025, 12, 5), ["continuous 09:15-15:30"]),
        (OPTIONS, date(2026, 7, 31), ["continuous 09:15-15:30"]),
        (OPTIONS, date(2026, 8, 3), ["continuous 09:15-15:40"]),
        (OPTIONS, date(2026, 12, 4), ["continuous 09:15-15:40"]),
        (OPTIONS, date(2026, 12, 7), ["continuous 09:15-15:45"]),
        (FUTURES, date(2025, 12, 5), ["continuous 09:15-15:30"]),
        (FUTURES, date(2025, 12, 8), [*OLD_PRE_OPEN, "continuous 09:15-15:30"]),
        (FUTURES, date(2026, 8, 3), [*OLD_PRE_OPEN, "continuous 09:15-15:40"]),
        (FUTURES, date(2026, 9, 4), [*OLD_PRE_OPEN, "continuous 09:15-15:40"]),
        (FUTURES, date(2026, 9, 7), [*NEW_PRE_OPEN, "continuous 09:15-15:40"]),
        (FUTURES, date(2026, 12, 7), [*NEW_PRE_OPEN, "continuous 09:15-15:45"]),
        (CASH, date(2026, 7, 31), [*OLD_PRE_OPEN, *PLAIN_OLD]),
        (CASH, date(2026, 8, 3), [*OLD_PRE_OPEN, *PLAIN_NEW]),
        (CASH, date(2026, 9, 7), [*NEW_PRE_OPEN, *PLAIN_NEW]),
        (CASH, date(2026, 12, 7), [*NEW_PRE_OPEN, *PLAIN_NEW]),
        (CAS, date(2026, 7, 31), [*OLD_PRE_OPEN, *PLAIN_OLD]),
        (CAS, date(2026, 8, 3), [*OLD_PRE_OPEN, *CAS_TODAY]),
        (CAS, date(2026, 9, 7), [*NEW_PRE_OPEN, *CAS_TODAY]),
        (CAS, date(2026, 12, 4), [*NEW_PRE_OPEN, *CAS_TODAY]),
        (CAS, date(2026, 12, 7), [*NEW_PRE_OPEN, *CAS_DECEMBER]),
    ],
)
def test_each_class_keeps_the_hours_of_its_date(kind: SessionClass, day: date, phases: list[str]) -> None:
    """facts/market.md §1.1, row by row."""
    assert phase_texts(day, kind) == phases


@pytest.mark.parametrize("kind", [OPTIONS, FUTURES])
@pytest.mark.parametrize(
    ("day", "window", "settlement"),
    [
        (date(2026, 8, 2), (time(15, 0), time(15, 30)), "last-30-min VWAP of the constituents"),
        (date(2026, 8, 3), (time(15, 10), time(15, 40)), "closing prices of the closing auction"),
        (
            date(2026, 12, 7),
            (time(15, 15), time(15, 45)),
            "last-30-min VWAP of the constituents in continuous trading",
        ),
    ],
)
def test_derivative_close_price_and_settlement_change_with_the_hours(
    kind: SessionClass, day: date, window: tuple[time, time], settlement: str
) -> None:
    rows = [row for row in read_session_tables(None)[0].session if row.session_class is kind]
    row = max((row for row in rows if row.effective_from <= day), key=lambda row: row.effective_from)

    assert (row.close_price_window, row.final_settlement) == (window, settlement)


@pytest.mark.row("LEG-49")
@pytest.mark.parametrize(
    ("instrument", "day", "close"),
    [
        (option(date(2026, 12, 1)), date(2026, 12, 1), "15:40:00"),
        (option(date(2026, 12, 8)), date(2026, 12, 8), "15:30:00"),
        (option(date(2026, 12, 8)), date(2026, 12, 7), "15:45:00"),
        (option(date(2026, 12, 15)), date(2026, 12, 8), "15:45:00"),
        (option(date(2026, 12, 29), Segment.STOCK_OPTION), date(2026, 12, 29), "15:45:00"),
        (future("NIFTY", date(2026, 12, 29)), date(2026, 12, 29), "15:30:00"),
        (future("RELIANCE", date(2026, 12, 29)), date(2026, 12, 29), "15:45:00"),
        (stock(), date(2026, 11, 20), "15:15:00"),
        (stock(), date(2026, 12, 7), "15:30:00"),
    ],
)
def test_an_expiring_index_contract_stops_at_1530_from_7_december(
    instrument: Instrument, day: date, close: str
) -> None:
    assert clock_of(CALENDAR.close_ns(instrument, day)) == close


def test_a_stock_without_derivatives_trades_to_1530() -> None:
    assert clock_of(CALENDAR.close_ns(stock(), date(2026, 11, 20), has_derivatives=False)) == "15:30:00"


def test_a_closed_day_has_no_close() -> None:
    assert CALENDAR.close_ns(stock(), date(2026, 11, 24)) is None
    assert CALENDAR.own_exit_ns(stock(), date(2026, 11, 24), "kite") is None


@pytest.mark.parametrize(
    ("expiry", "at"),
    [
        (date(2026, 11, 23), at_ist(date(2026, 11, 23), time(15, 40))),
        (date(2026, 12, 8), at_ist(date(2026, 12, 8), time(15, 30))),
        (date(2027, 1, 26), at_ist(date(2027, 1, 26), time(15, 30))),
        (date(2031, 6, 24), at_ist(date(2031, 6, 24), time(15, 30))),
    ],
)
def test_time_to_expiry_ends_with_the_contracts_last_trade_even_in_an_unlisted_year(expiry: date, at: int) -> None:
    assert CALENDAR.expiry_ns(option(expiry)) == at


def test_a_stock_never_expires_and_a_day_before_all_rows_is_not_answered() -> None:
    assert CALENDAR.expiry_ns(stock()) is None
    assert CALENDAR.expiry_ns(option(date(2019, 1, 3))) is None


@pytest.mark.parametrize(
    ("at", "is_open"), [(time(9, 14, 59), False), (time(9, 15), True), (time(15, 29, 59), True), (time(15, 30), False)]
)
def test_the_open_counts_and_the_close_does_not(at: time, is_open: bool) -> None:
    day = date(2026, 3, 11)
    session = CALENDAR.trading_day(day)

    assert session is not None
    assert session.is_open(OPTIONS, at_ist(day, at)) is is_open


def test_an_auction_phase_is_not_open_trading() -> None:
    day = date(2026, 11, 20)
    session = CALENDAR.trading_day(day)

    assert session is not None
    assert not session.is_open(CAS, at_ist(day, time(15, 22)))
    phase = session.phase_at(CAS, at_ist(day, time(15, 22)))
    assert phase is not None
    assert phase.name is PhaseName.CAS_ENTRY
    assert session.phase_at(CAS, at_ist(day, time(15, 40))) is None


# --- holidays and special sessions ------------------------------------------------------------------------------------

LISTED = {
    2025: "02-26 03-14 03-31 04-10 04-14 04-18 05-01 08-15 08-27 10-02 10-21 10-22 11-05 12-25",
    2026: "01-15 01-26 03-03 03-26 03-31 04-03 04-14 05-01 05-28 06-26 09-14 10-02 10-20 11-10 11-24 12-25",
}


def weekdays(year: int) -> list[date]:
    days = (date(year, 1, 1) + timedelta(days=n) for n in range(366))
    return [day for day in days if day.year == year and day.weekday() < 5]


@pytest.mark.row("OPS-31")
@pytest.mark.parametrize("year", [2025, 2026])
def test_the_closed_weekdays_are_the_exchange_list(year: int) -> None:
    closed = {day for day in weekdays(year) if CALENDAR.trading_day(day) is None}
    muhurat = {date(2025, 10, 21)}  # a holiday with an hour of trading

    listed = {date.fromisoformat(f"{year}-{text}") for text in LISTED[year].split()}
    assert closed == listed - muhurat


@pytest.mark.row("OPS-31")
@pytest.mark.parametrize("year", [2024, 2025, 2026])
def test_weekdays_agree_with_exchange_calendars_xbom(year: int) -> None:
    xbom = exchange_calendars.get_calendar("XBOM", start=f"{year}-01-01", end=f"{year}-12-31")
    differing = {day for day in weekdays(year) if xbom.is_session(str(day)) != (CALENDAR.trading_day(day) is not None)}

    # XBOM knows no special sessions: it closes on the day of the Muhurat hour, 21 Oct 2025.
    assert differing == ({date(2025, 10, 21)} if year == 2025 else set())


@pytest.mark.row("OPS-31")
@pytest.mark.parametrize("year", [2024, 2025, 2026])
@pytest.mark.fault("TIM-05")
def test_holidays_agree_with_the_holidays_package(year: int) -> None:
    theirs = {day for day in holidays.financial_holidays("XNSE", years=year) if day.weekday() < 5 and day.year == year}
    ours = {row.date for row in read_session_tables(None)[0].holiday if row.date.year == year}

    # Holidays declared days ahead, which the package never learnt: elections and the day of Ayodhya.
    missing = {
        2024: {date(2024, 1, 22), date(2024, 5, 20), date(2024, 11, 20)},
        2025: set[date](),
        2026: {date(2026, 1, 15)},
    }
    assert ours - theirs == missing[year]
    assert theirs - ours == set()


@pytest.mark.row("OPS-31")
@pytest.mark.parametrize(
    ("day", "why"),
    [
        (date(2026, 11, 22), "2026-11-22 is a Sunday"),
        (date(2026, 11, 21), "2026-11-21 is a Saturday"),
        (date(2026, 11, 24), "2026-11-24 is a holiday: Guru Nanak Jayanti"),
        (date(2026, 1, 15), "2026-01-15 is a holiday: Maharashtra municipal elections"),
        (
            date(2026, 11, 8),
            "2026-11-08: Muhurat, hours not known; add a [[special]] row with windows to the calendar file",
        ),
        (
            date(2027, 1, 4),
            "2027-01-04: no holiday list for 2027; add the year and its holidays to the calendar file",
        ),
    ],
)
def test_a_closed_day_says_why(day: date, why: str) -> None:
    assert CALENDAR.trading_day(day) is None
    assert CALENDAR.why_closed(day) == why


@pytest.mark.parametrize("day", [date(2026, 2, 19), date(2026, 4, 1), date(2026, 8, 26)])
def test_a_settlement_holiday_is_traded(day: date) -> None:
    assert CALENDAR.why_closed(day) == ""
    assert CALENDAR.trading_day(day) is not None


@pytest.mark.parametrize("day", [date(2025, 2, 1), date(2026, 2, 1)])
def test_a_budget_weekend_day_is_a_full_day(day: date) -> None:
    session = CALENDAR.trading_day(day)

    assert session is not None
    assert "Budget" in session.name
    assert (clock_text(session.open_ns(OPTIONS)), clock_text(session.close_ns(OPTIONS))) == ("09:15:00", "15:30:00")


@pytest.mark.fault("TIM-06")
@pytest.mark.invariant("Q2")
def test_muhurat_2025_is_one_hour_on_a_holiday() -> None:
    day = date(2025, 10, 21)
    session = CALENDAR.trading_day(day)

    assert session is not None
    for kind in SessionClass:
        assert phase_texts(day, kind) == ["continuous 13:45-14:45"]
    # The broker's 15:25 lies after the close: our own exit still comes before it.
    exit_ns = CALENDAR.own_exit_ns(option(date(2025, 10, 28)), day, "kite")
    assert clock_of(exit_ns) == "14:40:00"


def test_a_day_of_two_windows_is_closed_between_them() -> None:
    day = date(2024, 3, 2)
    session = CALENDAR.trading_day(day)

    assert session is not None
    assert [
        session.is_open(OPTIONS, at_ist(day, time(hour, minute))) for hour, minute in ((9, 59), (10, 0), (11, 30))
    ] == [
        True,
        False,
        True,
    ]
    assert clock_text(session.close_ns(OPTIONS)) == "12:30:00"


@pytest.mark.skipif(not (SHARED / "data").is_dir(), reason="recorded market data is not beside the project")
@pytest.mark.parametrize("name", ["nifty50-1min-2024.csv", "nifty-options-1min-2026-03-11.csv"])
def test_every_recorded_minute_lies_in_continuous_trading(name: str) -> None:
    with (SHARED / "data" / name).open(newline="") as lines:
        minutes = {row["time"] for row in csv.DictReader(lines)}
    for minute in minutes:
        day, at = date.fromisoformat(minute[:10]), time.fromisoformat(minute[11:])
        session = CALENDAR.trading_day(day)

        assert session is not None, minute
        assert session.is_open(CASH, at_ist(day, at)), minute


@pytest.mark.parametrize(
    ("day", "following", "previous"),
    [
        (date(2026, 11, 20), date(2026, 11, 23), date(2026, 11, 19)),
        (date(2026, 11, 23), date(2026, 11, 25), date(2026, 11, 20)),
        (date(2026, 1, 30), date(2026, 2, 1), date(2026, 1, 29)),
        (date(2026, 11, 6), date(2026, 11, 9), date(2026, 11, 5)),
        (date(2026, 4, 12), date(2026, 4, 13), date(2026, 4, 10)),
    ],
)
def test_the_neighbouring_trading_days_step_over_closed_ones(day: date, following: date, previous: date) -> None:
    assert (CALENDAR.next_trading_day(day), CALENDAR.previous_trading_day(day)) == (following, previous)


@pytest.mark.row("OPS-31")
@pytest.mark.fault("TIM-05")
def test_beyond_the_listed_years_no_day_is_named() -> None:
    assert CALENDAR.years_covered == {2024, 2025, 2026}
    assert CALENDAR.next_trading_day(date(2026, 12, 31)) is None
    assert CALENDAR.previous_trading_day(date(2024, 1, 1)) is None


@given(st.dates(date(2024, 1, 1), date(2026, 12, 31)))
def test_a_day_is_either_traded_or_has_a_reason(day: date) -> None:
    session = CALENDAR.trading_day(day)

    assert (session is None) == bool(CALENDAR.why_closed(day))
    if session is not None:
        following = CALENDAR.next_trading_day(day)
        assert following is None or CALENDAR.previous_trading_day(following) == day
        for kind in SessionClass:
            assert session.open_ns(kind) < session.close_ns(kind)
            assert trading_date(session.open_ns(kind)) == day == trading_date(session.close_ns(kind))


# --- the day boundary and the machine's zone --------------------------------------------------------------------------


@pytest.mark.row("OPS-19")
@pytest.mark.fault("TIM-08")
def test_the_trading_date_rolls_at_ist_midnight() -> None:
    midnight = at_ist(date(2026, 11, 21), time(0))

    assert trading_date(midnight - 1) == date(2026, 11, 20)
    assert trading_date(midnight) == date(2026, 11, 21)


@pytest.mark.row("OPS-30")
@pytest.mark.fault("TIM-04")
def test_the_machines_zone_changes_nothing() -> None:
    program = (
        "from datetime import date\n"
        "from engine.session import Calendar, SessionClass, trading_date\n"
        "calendar = Calendar.load()\n"
        "for day in (date(2026, 3, 11), date(2025, 10, 21), date(2026, 12, 8), date(2026, 2, 1)):\n"
        "    session = calendar.trading_day(day)\n"
        "    phases = [(kind.value, session.phases[kind]) for kind in SessionClass]\n"
        "    print(phases, trading_date(session.close_ns(SessionClass.CASH)))\n"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "TZ": zone},
            cwd=Path(__file__).resolve().parents[2],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for zone in ("UTC", "America/New_York", "Asia/Kolkata")
    }

    assert len(outputs) == 1
    assert str(at_ist(date(2026, 3, 11), time(9, 15))) in outputs.pop()


# --- square-off -------------------------------------------------------------------------------------------------------


@pytest.mark.row("LEG-49")
@pytest.mark.parametrize(
    ("broker", "kind", "day", "at"),
    [
        ("kite", OPTIONS, date(2026, 11, 20), time(15, 25)),
        ("kite", FUTURES, date(2026, 11, 20), time(15, 25)),
        ("kite", CASH, date(2026, 11, 20), time(15, 20)),
        ("kite", CAS, date(2026, 7, 31), time(15, 20)),
        ("kite", CAS, date(2026, 8, 3), time(15, 0)),
        ("dhan", OPTIONS, date(2026, 11, 20), time(15, 20)),
        ("xts", OPTIONS, date(2026, 11, 20), time(15, 10)),
        ("openalgo", CASH, date(2026, 11, 20), time(15, 15)),
        ("openalgo", CAS, date(2026, 11, 20), time(15, 0)),
    ],
)
def test_each_broker_has_its_cut_off_or_the_earliest_known(
    broker: str, kind: SessionClass, day: date, at: time
) -> None:
    row = CALENDAR.broker_square_off(broker, kind, day)

    assert row is not None
    assert (row.at, row.conf) == (at, "L")


def test_a_day_before_every_cut_off_row_has_none() -> None:
    assert CALENDAR.broker_square_off("kite", OPTIONS, date(2023, 12, 29)) is None


@pytest.mark.row("LEG-49")
@pytest.mark.parametrize(
    ("instrument", "day", "broker", "is_mis", "at"),
    [
        (option(date(2026, 12, 1)), date(2026, 11, 20), "kite", True, "15:25:00"),
        (option(date(2026, 12, 1)), date(2026, 11, 20), "kite", False, "15:35:00"),
        (option(date(2026, 12, 8)), date(2026, 12, 8), "kite", True, "15:25:00"),
        (option(date(2026, 12, 8)), date(2026, 12, 8), "kite", False, "15:25:00"),
        (option(date(2026, 12, 15)), date(2026, 12, 8), "kite", False, "15:40:00"),
        (stock(), date(2026, 11, 20), "kite", True, "15:00:00"),
        (stock(), date(2026, 11, 20), "kite", False, "15:05:00"),
    ],
)
@pytest.mark.invariant("Q2")
def test_our_own_exit_comes_before_the_brokers_and_before_the_close(
    instrument: Instrument, day: date, broker: str, is_mis: bool, at: str
) -> None:
    assert clock_of(CALENDAR.own_exit_ns(instrument, day, broker, is_mis=is_mis)) == at


def test_margins_are_ten_minutes_for_auction_stocks_and_five_otherwise() -> None:
    assert [own_exit_margin_s(kind) for kind in SessionClass] == [300, 300, 300, 600]
    session = CALENDAR.trading_day(date(2026, 11, 20))
    assert session is not None
    exit_ns = CALENDAR.own_exit_ns(stock(), date(2026, 11, 20), "kite", is_mis=False)
    assert session.close_ns(CAS) - 600 * NS_PER_S == exit_ns


@pytest.mark.parametrize(
    ("segment", "kind"),
    [
        (Segment.INDEX_OPTION, OPTIONS),
        (Segment.STOCK_OPTION, OPTIONS),
        (Segment.FUTURE, FUTURES),
        (Segment.EQUITY, CAS),
        (Segment.INDEX, CASH),
    ],
)
def test_every_segment_has_its_class(segment: Segment, kind: SessionClass) -> None:
    instrument = Instrument(symbol="X", exchange="NSE", segment=segment, lot_size=1, tick_paise=5)

    assert session_class(instrument) is kind


# --- the user's own file ----------------------------------------------------------------------------------------------


def own_calendar(tmp_path: Path, text: str) -> Calendar:
    path = tmp_path / "calendar.toml"
    path.write_text(text)
    return Calendar.load(path)


@pytest.mark.row("OPS-31")
def test_a_holiday_of_the_users_own_closes_the_day(tmp_path: Path) -> None:
    calendar = own_calendar(tmp_path, '[[holiday]]\ndate = 2026-11-25\nname = "Declared\\u001b[31m today"\n')

    assert calendar.trading_day(date(2026, 11, 25)) is None
    assert calendar.why_closed(date(2026, 11, 25)) == "2026-11-25 is a holiday: Declared[31m today"
    assert calendar.next_trading_day(date(2026, 11, 23)) == date(2026, 11, 26)
    assert calendar.trading_day(date(2026, 11, 24)) is None  # the packaged list still holds


@pytest.mark.fault("TIM-06")
def test_the_user_gives_the_muhurat_hours(tmp_path: Path) -> None:
    calendar = own_calendar(
        tmp_path, '[[special]]\ndate = 2026-11-08\nname = "Muhurat"\nwindows = [[18:00:00, 19:00:00]]\n'
    )
    day = date(2026, 11, 8)
    session = calendar.trading_day(day)

    assert session is not None
    assert (clock_text(session.open_ns(OPTIONS)), clock_text(session.close_ns(OPTIONS))) == ("18:00:00", "19:00:00")
    # The broker's 15:25 cut-off of ordinary days lies before this session: it does not count.
    assert clock_of(calendar.own_exit_ns(option(date(2026, 11, 23)), day, "kite")) == "18:55:00"


def test_the_user_closes_a_packaged_special_session_and_opens_a_packaged_holiday(tmp_path: Path) -> None:
    calendar = own_calendar(
        tmp_path,
        '[[holiday]]\ndate = 2026-02-01\nname = "Off"\n'
        '[[special]]\ndate = 2026-11-24\nname = "Moved"\nfull_day = true\n',
    )

    assert calendar.trading_day(date(2026, 2, 1)) is None
    session = calendar.trading_day(date(2026, 11, 24))
    assert session is not None
    assert clock_text(session.close_ns(OPTIONS)) == "15:40:00"


def test_a_year_is_covered_once_the_user_lists_it(tmp_path: Path) -> None:
    calendar = own_calendar(tmp_path, 'years = [2027]\n[[holiday]]\ndate = 2027-01-26\nname = "Republic Day"\n')

    assert calendar.next_trading_day(date(2026, 12, 31)) == date(2027, 1, 1)
    assert calendar.why_closed(date(2027, 1, 26)) == "2027-01-26 is a holiday: Republic Day"


def test_one_holiday_alone_does_not_make_a_year_known(tmp_path: Path) -> None:
    calendar = own_calendar(tmp_path, '[[holiday]]\ndate = 2027-01-26\nname = "Republic Day"\n')

    assert calendar.trading_day(date(2027, 1, 4)) is None


def test_unconfirmed_hours_are_named_until_the_user_confirms_the_row(tmp_path: Path) -> None:
    day = date(2026, 12, 8)
    before = CALENDAR.trading_day(day)
    assert before is not None
    assert before.unconfirmed[0] == "hours of options from 2026-12-07 are not confirmed (confidence M)"
    assert len(before.unconfirmed) == 3

    calendar = own_calendar(
        tmp_path,
        '[[session]]\neffective_from = 2026-12-07\nclass = "options"\nexpiring_index_close = 15:30:00\n'
        'phases = [{ name = "continuous", start = 09:15:00, end = 15:50:00 }]\n',
    )
    after = calendar.trading_day(day)

    assert after is not None
    assert len(after.unconfirmed) == 2
    assert clock_text(after.close_ns(OPTIONS)) == "15:50:00"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[holiday]]\ndate = 2026-11-25\n", "holiday[0]: object missing required field `name`"),
        ('[[holiday]]\ndate = "soon"\nname = "x"\n', "holiday[0].date: "),
        ("[[hollyday]]\n", "the whole file: object contains unknown field `hollyday`"),
        ("years = [2027]\n", "years[0]: 2027 has no [[holiday]] row in this file"),
        (
            '[[session]]\neffective_from = 2026-12-07\nclass = "option"\nphases = []\n',
            "session[0].class: invalid enum value 'option'",
        ),
        (
            '[[session]]\neffective_from = 2026-12-07\nclass = "options"\nphases = []\n',
            "session[0].phases: one phase must be continuous",
        ),
        (
            '[[session]]\neffective_from = 2026-12-07\nclass = "options"\n'
            'phases = [{ name = "continuous", start = 15:30:00, end = 09:15:00 }]\n',
            "session[0].phases[0]: 15:30:00 to 09:15:00: the start must come first",
        ),
        (
            '[[session]]\neffective_from = 2026-12-07\nclass = "options"\n'
            'phases = [{ name = "pre_open_entry", start = 09:00:00, end = 09:20:00 },'
            ' { name = "continuous", start = 09:15:00, end = 15:30:00 }]\n',
            "session[0].phases: continuous starts before pre_open_entry ends",
        ),
        (
            '[[special]]\ndate = 2026-11-08\nname = "M"\nfull_day = true\nwindows = [[18:00:00, 19:00:00]]\n',
            "special[0] (2026-11-08): either full_day or windows, not both",
        ),
        (
            '[[special]]\ndate = 2026-11-08\nname = "M"\nwindows = [[19:00:00, 18:00:00]]\n',
            "special[0] (2026-11-08).windows: times must rise, without overlap",
        ),
        ('[[special]]\ndate = 2026-11-08\nname = "M"\nwindows = [[25:00:00, 18:00:00]]\n', ""),
    ],
)
def test_a_mistake_in_the_users_file_is_one_line_with_file_and_key(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataFileError) as caught:
        own_calendar(tmp_path, text)

    assert str(caught.value).startswith(f"{tmp_path / 'calendar.toml'}: {message}")
    assert "\n" not in str(caught.value)


def test_a_missing_calendar_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match=r"calendar\.toml: cannot be read"):
        Calendar.load(tmp_path / "calendar.toml")
