"""The board: exact candles from ticks, indicators on closed candles only, history, wishes, ticks not to take."""

from __future__ import annotations

from datetime import date, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.bars import Bar
from engine.indicator_board import CANDLES_KEPT, Candle, IndicatorBoard
from engine.indicators.kinds import make_indicator, trusted_bars
from engine.instant import NS_PER_DAY, NS_PER_S, at_ist
from engine.reading import MINUTE_NS, IndicatorSpec, Readings

DAY = date(2026, 11, 20)
OPEN, CLOSE = at_ist(DAY, time(9, 15)), at_ist(DAY, time(15, 30))
FIVE = 5 * MINUTE_NS
PE, CE = "NIFTY01DEC2624500PE", "NIFTY01DEC2624500CE"
SMA2 = IndicatorSpec("sma", (2,))
TREND = IndicatorSpec("supertrend", (10, 2.0))


def bar(start_ns: int, *ohlc: int) -> Bar:
    opened, high, low, closed = ohlc
    return Bar(start_ns=start_ns, open_paise=opened, high_paise=high, low_paise=low, close_paise=closed)


def candle(interval_ns: int, shape: Bar, symbol: str = PE) -> Candle:
    return Candle(symbol=symbol, interval_ns=interval_ns, bar=shape, end_ns=shape.start_ns + interval_ns)


def board_with(*specs: IndicatorSpec, since_ns: int = OPEN) -> IndicatorBoard:
    board = IndicatorBoard()
    for spec in specs:
        board.want(PE, spec)
    board.begin_day(PE, OPEN, CLOSE, since_ns)
    return board


def at(minute: float) -> int:
    """The instant this many minutes after the open."""
    return OPEN + round(minute * MINUTE_NS)


def past(count: int, close_paise: int = 100_00, before_ns: int = OPEN) -> list[Bar]:
    """`count` one-minute candles that end at `before_ns`."""
    return [
        bar(before_ns - (count - n) * MINUTE_NS, close_paise, close_paise + 50, close_paise - 50, close_paise + n % 20)
        for n in range(count)
    ]


# --- candles from ticks (RTP-50) ----------------------------------------------------------------------------------


@pytest.mark.row("RTP-50")
def test_three_minutes_of_ticks_give_three_exact_candles_and_the_indicators_of_those_candles() -> None:
    specs = [SMA2, IndicatorSpec("ema", (2,)), IndicatorSpec("atr", (1,)), IndicatorSpec("supertrend", (1, 1.0))]
    board = board_with(*specs)
    ticks = [
        *[(0, 100_00), (0.2, 103_00), (0.5, 98_50), (0.999, 101_00)],
        *[(1, 101_50), (1.4, 101_00), (1.9, 104_05)],
        *[(2, 104_00), (2.3, 99_95), (2.999, 100_05)],
    ]

    closed = [ended for minute, paise in ticks for ended in board.on_tick(PE, at(minute), paise)]
    closed += board.close_until(at(3))

    candles = [
        bar(at(0), 100_00, 103_00, 98_50, 101_00),
        bar(at(1), 101_50, 104_05, 101_00, 104_05),
        bar(at(2), 104_00, 104_00, 99_95, 100_05),
    ]
    assert closed == [candle(MINUTE_NS, shape) for shape in candles]
    assert board.candles(PE, MINUTE_NS) == tuple(candles)
    readings = board.readings(PE)
    assert [readings.reading(spec).value for spec in specs] == [
        (104_05 + 100_05) / 2,
        pytest.approx((101_00 + 104_05) / 2 / 3 + 100_05 * 2 / 3),
        104_05 - 99_95,
        (101_00 + 104_05) / 2 + (104_05 - 101_00),  # the second bar's upper band, carried over
    ]
    for spec in specs:
        reference = make_indicator(spec)
        values = [reference.update(shape) for shape in candles]
        reading = readings.reading(spec)
        assert (reading.value, reading.previous) == (values[2], values[1])
        assert (reading.bar, reading.bar_end_ns) == (candles[2], at(3))


@pytest.mark.row("RTP-50")
def test_five_minute_candles_are_built_beside_them_and_told_after_the_minute_that_ends_with_them() -> None:
    board = board_with(SMA2)
    for minute in range(5):
        board.on_tick(PE, at(minute), 100_00 + minute)

    closed = board.on_tick(PE, at(5), 99_00)

    assert closed == (
        candle(MINUTE_NS, bar(at(4), *[100_04] * 4)),
        candle(FIVE, bar(at(0), 100_00, 100_04, 100_00, 100_04)),
    )
    assert board.forming(PE, FIVE) == bar(at(5), *[99_00] * 4)


def test_candles_of_two_instruments_do_not_mix_and_end_in_order() -> None:
    board = board_with(SMA2)
    board.want(CE, SMA2)
    board.begin_day(CE, OPEN, CLOSE, OPEN)
    board.on_tick(CE, at(1), 70_00)
    board.on_tick(PE, at(0), 100_00)

    closed = board.close_until(at(5))

    assert [(c.symbol, c.interval_ns, c.end_ns) for c in closed] == [
        (PE, MINUTE_NS, at(1)),
        (CE, MINUTE_NS, at(2)),
        (PE, FIVE, at(5)),
        (CE, FIVE, at(5)),
    ]
    assert board.close_until(at(6)) == ()


def test_any_other_interval_a_spec_asks_for_is_built_as_long_as_it_is_wanted() -> None:
    three = IndicatorSpec("sma", (1,), 3 * MINUTE_NS)
    board = board_with(SMA2, three)
    board.on_tick(PE, at(0.5), 100_00)
    board.on_tick(PE, at(2.5), 101_00)
    board.on_tick(PE, at(3), 102_00)

    assert board.candles(PE, 3 * MINUTE_NS) == (bar(at(0), 100_00, 101_00, 100_00, 101_00),)
    assert board.readings(PE).reading(three).value == 101_00
    board.drop(PE, three)
    assert board.candles(PE, 3 * MINUTE_NS) == ()
    assert len(board.candles(PE, MINUTE_NS)) == 2


def test_a_hole_has_no_candle_and_the_next_one_is_simply_the_next() -> None:
    board = board_with(SMA2)
    for minute in (0, 40, 41):
        board.on_tick(PE, at(minute), 100_00 + minute)

    assert [shape.start_ns for shape in board.candles(PE, MINUTE_NS)] == [at(0), at(40)]
    assert board.readings(PE).reading(SMA2).value == 100_20


def test_the_clock_ends_a_candle_and_says_when_it_will_have_one_to_end() -> None:
    board = board_with(SMA2)
    assert board.next_end_ns() == 0
    board.on_tick(PE, at(4.5), 100_00)

    assert board.next_end_ns() == at(5)
    assert board.close_until(at(5) - 1) == ()
    assert [ended.interval_ns for ended in board.close_until(at(5))] == [MINUTE_NS, FIVE]
    assert board.next_end_ns() == 0


def test_the_last_candles_of_a_day_end_at_the_close_or_when_the_next_day_begins() -> None:
    hour = IndicatorSpec("sma", (1,), 60 * MINUTE_NS)
    board = board_with(hour)
    board.on_tick(PE, CLOSE - 1, 100_00)

    closed = board.begin_day(PE, OPEN + NS_PER_DAY, CLOSE + NS_PER_DAY, OPEN + NS_PER_DAY)

    assert [ended.end_ns for ended in closed] == [CLOSE, CLOSE, CLOSE]
    assert board.readings(PE).reading(hour).bar_end_ns == CLOSE
    assert board.on_tick(PE, OPEN + NS_PER_DAY, 101_00) == ()


# --- never in the middle of a candle (RTP-18) ---------------------------------------------------------------------


@pytest.mark.row("RTP-18", "RTP-50")
def test_a_reading_changes_with_a_closed_candle_and_never_inside_one() -> None:
    fast, slow = IndicatorSpec("sma", (1,)), SMA2
    board = board_with(fast, slow)
    readings = board.readings(PE)
    for minute, paise in enumerate((100_00, 102_00, 101_00)):
        board.on_tick(PE, at(minute), paise)
    before = readings.reading(fast), readings.reading(slow)

    for second in range(59):
        board.on_tick(PE, at(2) + second * NS_PER_S, 1_00 + second)
        assert (readings.reading(fast), readings.reading(slow)) == before

    assert board.on_tick(PE, at(3), 1_00) != ()
    assert readings.reading(fast).previous == before[0].value
    assert readings.reading(fast).bar == readings.reading(slow).bar


@pytest.mark.row("RTP-18")
def test_a_moving_average_cross_is_seen_with_the_values_of_both_candles() -> None:
    """RTP-18's figures: fast over slow, then fast under slow, on two closed candles."""
    fast, slow = IndicatorSpec("sma", (1,)), SMA2
    board = board_with(fast, slow)
    readings = board.readings(PE)
    for minute, paise in enumerate((99_00, 101_00, 99_00)):
        board.on_tick(PE, at(minute), paise)
    board.close_until(at(3))

    assert (readings.reading(fast).previous, readings.reading(slow).previous) == (101_00, 100_00)
    assert (readings.reading(fast).value, readings.reading(slow).value) == (99_00, 100_00)


@pytest.mark.row("RTP-20")
def test_supertrend_tells_its_direction_now_and_one_candle_ago() -> None:
    board = board_with(TREND)
    reading = board.readings(PE).reading
    for minute in range(11):
        board.on_tick(PE, at(minute), 100_00 + minute % 2 * 100)
        assert reading(TREND) is None
    board.on_tick(PE, at(11), 100_00)
    assert (reading(TREND).direction, reading(TREND).previous, reading(TREND).previous_direction) == (-1, None, 0)

    board.on_tick(PE, at(12), 120_00)
    board.on_tick(PE, at(13), 121_00)

    assert (reading(TREND).direction, reading(TREND).previous_direction) == (1, -1)
    assert reading(TREND).value < 120_00
    assert reading(SMA2) is None


# --- ticks that are not taken -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at_ns", "ltp_paise"),
    [(at(1.5), 0), (at(1.5), -5), (at(0.9), 99_00), (at(1.4) - 1, 99_00), (OPEN - 1, 99_00), (CLOSE, 99_00)],
    ids=["zero", "negative", "a minute ago", "a nanosecond ago", "before the open", "at the close"],
)
def test_a_tick_that_cannot_be_is_dropped(at_ns: int, ltp_paise: int) -> None:
    board = board_with(SMA2)
    board.on_tick(PE, at(0), 100_00)
    board.on_tick(PE, at(1.4), 101_00)
    forming = board.forming(PE, MINUTE_NS)

    assert board.on_tick(PE, at_ns, ltp_paise) == ()
    assert board.forming(PE, MINUTE_NS) == forming
    assert board.on_tick(PE, at(2), 102_00)[0].bar == forming


def test_a_tick_of_a_candle_that_the_clock_has_ended_does_not_open_it_again() -> None:
    board = board_with(SMA2)
    board.on_tick(PE, at(0.5), 100_00)
    board.close_until(at(1))

    assert board.on_tick(PE, at(0.9), 50_00) == ()
    assert board.forming(PE, MINUTE_NS) is None
    assert board.forming(PE, FIVE) == bar(at(0), 100_00, 100_00, 50_00, 50_00), "its five minutes still run"


def test_a_tick_a_little_behind_the_clock_still_counts_in_its_candle() -> None:
    board = board_with(SMA2)
    board.on_tick(PE, at(1.1), 100_00)
    board.close_until(at(1.5))

    board.on_tick(PE, at(1.4), 101_00)

    assert board.forming(PE, MINUTE_NS) == bar(at(1), 100_00, 101_00, 100_00, 101_00)


def test_nothing_is_built_before_the_day_begins() -> None:
    board = IndicatorBoard()
    board.want(PE, SMA2)

    assert board.on_tick(PE, at(1), 100_00) == ()
    assert board.forming(PE, MINUTE_NS) is None


def test_a_candle_that_was_not_seen_from_its_open_is_never_given_out() -> None:
    board = board_with(SMA2, since_ns=at(1.5))
    for minute in (1.6, 2, 3):
        board.on_tick(PE, at(minute), 100_00)

    assert [shape.start_ns for shape in board.candles(PE, MINUTE_NS)] == [at(2)]
    assert [ended.bar.start_ns for ended in board.close_until(at(10)) if ended.interval_ns == FIVE] == []


def test_a_new_interval_wanted_during_the_day_starts_with_the_first_candle_it_sees_whole() -> None:
    board = board_with(SMA2)
    board.on_tick(PE, at(1), 100_00)
    three = IndicatorSpec("sma", (1,), 3 * MINUTE_NS)
    board.want(PE, three)
    for minute in (2, 3, 6):
        board.on_tick(PE, at(minute), 100_00 + minute)

    assert board.candles(PE, 3 * MINUTE_NS) == (bar(at(3), *[100_03] * 4),)


def test_beginning_the_running_day_again_changes_nothing() -> None:
    board = board_with(SMA2)
    board.on_tick(PE, at(0.5), 100_00)

    assert board.begin_day(PE, OPEN, CLOSE, at(0.7)) == ()
    assert board.on_tick(PE, at(1), 101_00) == (candle(MINUTE_NS, bar(at(0), *[100_00] * 4)),)


# --- what is wanted -----------------------------------------------------------------------------------------------


def test_what_nobody_wants_is_not_kept() -> None:
    board = board_with(SMA2)

    assert board.on_tick(CE, at(0), 70_00) == board.begin_day(CE, OPEN, CLOSE, OPEN) == ()
    assert not board.is_wanted(CE)
    assert board.candles(CE, MINUTE_NS) == ()
    assert board.forming(CE, MINUTE_NS) is None
    assert board.readings(CE).reading(SMA2) is None
    assert board.readings(PE).reading(TREND) is None


def test_two_wishes_make_one_indicator_and_need_two_drops() -> None:
    board = board_with(SMA2, SMA2)
    for minute in range(3):
        board.on_tick(PE, at(minute), 100_00)
    assert board.readings(PE).reading(SMA2).value == 100_00

    board.drop(PE, SMA2)
    assert board.readings(PE).reading(SMA2) is not None
    board.drop(PE, SMA2)
    assert not board.is_wanted(PE)
    assert board.readings(PE).reading(SMA2) is None
    board.drop(PE, SMA2)


def test_dropping_one_indicator_leaves_the_others() -> None:
    board = board_with(SMA2, TREND)
    board.drop(PE, TREND)
    for minute in range(3):
        board.on_tick(PE, at(minute), 100_00)

    assert board.readings(PE).reading(SMA2) is not None
    assert board.readings(PE).reading(TREND) is None


def test_an_indicator_wanted_later_counts_the_candles_that_are_kept() -> None:
    board = board_with(SMA2)
    for minute in range(4):
        board.on_tick(PE, at(minute), 100_00 + minute)
    board.want(PE, IndicatorSpec("sma", (3,)))

    assert board.readings(PE).reading(IndicatorSpec("sma", (3,))).value == 100_01


def test_a_window_taken_before_the_wish_shows_what_comes_later() -> None:
    board = IndicatorBoard()
    readings: Readings = board.readings(PE)
    assert readings.reading(SMA2) is None
    board.want(PE, SMA2)
    board.begin_day(PE, OPEN, CLOSE, OPEN)
    for minute in range(3):
        board.on_tick(PE, at(minute), 100_00)

    assert readings.reading(SMA2) is not None


def test_an_impossible_wish_is_refused_and_leaves_nothing_behind() -> None:
    board = IndicatorBoard()

    with pytest.raises(ValueError, match="one of adx"):
        board.want(PE, IndicatorSpec("rsi", (14,)))
    assert not board.is_wanted(PE)


# --- history ------------------------------------------------------------------------------------------------------


@pytest.mark.row("RTP-50")
def test_history_warms_an_indicator_up_before_the_first_tick() -> None:
    board = board_with(TREND)
    assert board.missing_bars(PE, TREND) == trusted_bars(TREND)
    history = past(35)

    assert board.seed(PE, MINUTE_NS, history) == ()

    reference = make_indicator(TREND)
    assert board.readings(PE).reading(TREND).value == [reference.update(shape) for shape in history][-1]
    assert board.readings(PE).reading(TREND).bar_end_ns == OPEN
    assert board.missing_bars(PE, TREND) == trusted_bars(TREND) - 35


@pytest.mark.row("RTP-50")
def test_history_that_comes_late_is_put_before_what_was_built_here() -> None:
    board = board_with(SMA2, TREND, since_ns=at(30.5))
    for minute in (30.6, 31, 32, 33):
        board.on_tick(PE, at(minute), 101_00)
    own = board.candles(PE, MINUTE_NS)

    board.seed(PE, MINUTE_NS, past(31, before_ns=at(31)))

    assert board.candles(PE, MINUTE_NS) == (*past(31, before_ns=at(31)), *own)
    assert board.readings(PE).reading(TREND).bar == own[-1]
    reference = make_indicator(TREND)
    assert board.readings(PE).reading(TREND).value == [*map(reference.update, board.candles(PE, MINUTE_NS))][-1]
    assert board.missing_bars(PE, TREND) == trusted_bars(TREND) - 33


def test_the_running_minute_at_the_end_of_a_history_is_not_taken() -> None:
    board = board_with(SMA2, since_ns=at(2.5))
    history = past(3, before_ns=at(3))

    assert board.seed(PE, MINUTE_NS, history) == (history[-1],)
    assert board.candles(PE, MINUTE_NS) == tuple(history[:-1])
    board.close_until(at(3))
    assert board.seed(PE, MINUTE_NS, history) == ()
    assert board.candles(PE, MINUTE_NS) == tuple(history)


def test_own_candles_stay_and_history_fills_the_holes_between_them() -> None:
    board = board_with(SMA2)
    for minute in (0, 2, 3):
        board.on_tick(PE, at(minute), 100_00)

    board.seed(PE, MINUTE_NS, [bar(at(n), *[90_00] * 4) for n in range(3)])

    assert [shape.close_paise for shape in board.candles(PE, MINUTE_NS)] == [100_00, 90_00, 100_00]
    assert board.readings(PE).reading(SMA2).value == 95_00
    assert board.readings(PE).reading(SMA2).previous == 95_00


def test_seeding_twice_changes_nothing() -> None:
    board = board_with(SMA2, TREND)
    board.seed(PE, MINUTE_NS, past(50))
    before = board.readings(PE).reading(TREND)
    board.seed(PE, MINUTE_NS, reversed(past(50)))

    assert board.readings(PE).reading(TREND) is before


@pytest.mark.parametrize(
    "broken",
    [
        bar(at(-5), 0, 0, 0, 0),
        bar(at(-5), -1, 100_00, -1, 50_00),
        bar(at(-5), 100_00, 99_00, 101_00, 100_00),
        bar(at(-5), 100_00, 101_00, 99_00, 102_00),
        bar(at(0.5), *[100_00] * 4),
        bar(at(60), *[100_00] * 4),
        bar(CLOSE, *[100_00] * 4),
    ],
    ids=["zero", "negative", "high under low", "close over high", "off the grid", "of the future", "after the close"],
)
def test_a_bar_of_history_that_cannot_be_is_handed_back(broken: Bar) -> None:
    board = board_with(SMA2, since_ns=at(2))

    assert board.seed(PE, MINUTE_NS, [*past(3), broken]) == (broken,)
    assert board.candles(PE, MINUTE_NS) == tuple(past(3))


def test_history_nobody_asked_for_is_handed_back() -> None:
    board = board_with(SMA2)

    assert board.seed(CE, MINUTE_NS, past(3)) == tuple(past(3))
    assert board.seed(PE, 3 * MINUTE_NS, past(3)) == tuple(past(3))


def test_the_candles_kept_are_bounded_but_all_of_a_history_counts() -> None:
    ema = IndicatorSpec("ema", (100,))
    board = board_with(ema)
    history = past(CANDLES_KEPT + 200)
    board.seed(PE, MINUTE_NS, history)

    assert board.candles(PE, MINUTE_NS) == tuple(history[-CANDLES_KEPT:])
    reference = make_indicator(ema)
    assert board.readings(PE).reading(ema).value == [reference.update(shape) for shape in history][-1]
    assert board.missing_bars(PE, ema) == 0


# --- whatever comes -----------------------------------------------------------------------------------------------

moments = st.one_of(
    st.tuples(st.just("tick"), st.integers(-120, 24_000), st.integers(-100, 500_00)),
    st.tuples(st.just("clock"), st.integers(0, 24_000), st.just(0)),
)


@given(st.lists(moments, max_size=80))
def test_whatever_ticks_and_clocks_come_candles_follow_each_other_and_indicators_are_theirs(
    events: list[tuple[str, int, int]],
) -> None:
    board = board_with(SMA2, IndicatorSpec("atr", (3,)), IndicatorSpec("supertrend", (2, 1.0), FIVE))
    closed: list[Candle] = []
    for kind, second, paise in events:
        at_ns = OPEN + second * NS_PER_S
        closed += board.on_tick(PE, at_ns, paise) if kind == "tick" else board.close_until(at_ns)

    for interval_ns in (MINUTE_NS, FIVE):
        told = [ended.bar for ended in closed if ended.interval_ns == interval_ns]
        assert tuple(told) == board.candles(PE, interval_ns)
        starts = [shape.start_ns for shape in told]
        assert starts == sorted(set(starts))
        assert all((start - OPEN) % interval_ns == 0 and OPEN <= start < CLOSE for start in starts)
        assert all(0 < s.low_paise <= s.open_paise <= s.high_paise and s.low_paise <= s.close_paise for s in told)
    for spec in (SMA2, IndicatorSpec("atr", (3,)), IndicatorSpec("supertrend", (2, 1.0), FIVE)):
        reference = make_indicator(spec)
        values = [reference.update(shape) for shape in board.candles(PE, spec.interval_ns)]
        reading = board.readings(PE).reading(spec)
        assert (reading.value if reading else None) == (values[-1] if values else None)
