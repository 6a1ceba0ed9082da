"""Bars from a file to ticks: what is refused and how it is said, the assumed path, holes, and the recorded days."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from datetime import date, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.paper.bar_file import Bar, BarFileError, load_bars
from brokers.paper.bar_replay import BarReplay, path_of
from engine.clock import LoopClock
from engine.instant import NS_PER_S, at_ist
from engine.instrument import Instrument, Segment
from engine.port import ReadFailed
from engine.virtual_time import run_virtual

HEADER = "time,symbol,open,high,low,close\n"
PUT = "NIFTY2631724000PE"
NINE = at_ist(date(2026, 3, 11), time(9, 15))


def instrument_of(symbol: str) -> Instrument:
    segment = Segment.INDEX if symbol.startswith("NIFTY ") else Segment.INDEX_OPTION
    return Instrument(symbol=symbol, exchange="NFO", segment=segment, lot_size=65, tick_paise=5)


def row(clock: str = "09:15:00", symbol: str = PUT, prices: str = "100.00,101.00,99.50,100.50") -> str:
    return f"2026-03-11T{clock},{symbol},{prices}\n"


@pytest.fixture
def tape_of(tmp_path):
    def load(*rows: str, header: str = HEADER, symbols=None):
        path = tmp_path / "bars.csv"
        path.write_text(header + "".join(rows), encoding="utf-8")
        return load_bars(path, symbols)

    return load


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (
            ["time,symbol,open,high,close\n"],
            "line 1, header 'time,symbol,open,high,close': missing low; the columns are",
        ),
        ([""], "line 1, header '': missing time, symbol"),
        ([HEADER], "no bars after the header line"),
        ([HEADER, row(), row("09:16:00", prices="100,abc,99,100")], "line 3, high 'abc': rupees above zero"),
        ([HEADER, row(prices="nan,101,99,100")], "line 2, open 'nan': rupees above zero"),
        ([HEADER, row(prices="1e2,101,99,100")], "line 2, open '1e2'"),
        ([HEADER, row(prices="100,101,-99,100")], "line 2, low '-99'"),
        ([HEADER, row(prices="100,101,0,100")], "line 2, low '0'"),
        ([HEADER, row(prices="0.001,101,0.001,100")], "line 2, open '0.001'"),
        ([HEADER, row(prices="100,,99,100")], "line 2, high ''"),
        ([HEADER, row(prices="100,98,99,100")], "line 2, high '98': the highest of"),
        ([HEADER, row(prices="100,101,100.5,100.7")], "line 2, low '100.5': the lowest of"),
        (
            [HEADER, row(prices="100,101,99")],
            r"line 2, row '2026-03-11T09:15:00,NIFTY2631724000PE,10\.\.\.': 6 fields",
        ),
        ([HEADER, row(prices="100,101,99,100,7")], "line 2, row .*: 6 fields"),
        ([HEADER, row("25:15:00")], "line 2, time '2026-03-11T25:15:00': an ISO time"),
        ([HEADER, row("yesterday")], "line 2, time '2026-03-11Tyesterday'"),
        ([HEADER, row("09:16:00"), row("09:15:00")], f"line 3, time .*: not before the last row of {PUT}"),
        ([HEADER, row(symbol="")], "line 2, symbol '': letters"),
        ([HEADER, row(symbol="A\x1b[31mB")], r"line 2, symbol 'A\\x1b\[31mB'"),
        ([HEADER, '2026-03-11T09:15:00,"NIFTY,100,101,99,100\n'], "line 2: not CSV"),
        ([HEADER, row("09:15:00"), row("09:15:01")], "bars 1 s apart; bars of 60 s were expected"),
        ([HEADER, *(row(f"10:{5 * n:02d}:00") for n in range(11))], "bars 300 s apart; bars of 60 s were expected"),
    ],
)
def test_a_bad_file_is_refused_in_one_line_that_names_the_place(tmp_path, rows, says) -> None:
    path = tmp_path / "bars.csv"
    path.write_text("".join(rows), encoding="utf-8")

    with pytest.raises(BarFileError, match=says) as caught:
        load_bars(path)

    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value) and "\x1b" not in str(caught.value)


def test_files_that_cannot_be_read_at_all(tmp_path) -> None:
    (tmp_path / "noise.csv").write_bytes(HEADER.encode() + b"\xff\xfe\x00")

    with pytest.raises(BarFileError, match="No such file"):
        load_bars(tmp_path / "absent.csv")
    with pytest.raises(BarFileError, match="Is a directory"):
        load_bars(tmp_path)
    with pytest.raises(BarFileError, match="not UTF-8 text"):
        load_bars(tmp_path / "noise.csv")


def test_a_wanted_symbol_that_the_file_lacks_is_named(tape_of) -> None:
    with pytest.raises(BarFileError, match=f"no bars of 'SENSEX'; the file has {PUT}"):
        tape_of(row(), symbols=["SENSEX"])


def test_only_wanted_symbols_are_kept_and_other_columns_are_left_alone(tape_of) -> None:
    tape = tape_of(
        "9,2026-03-11T09:15:00,A,1,1,1,1\n",
        "9,2026-03-11T09:15:00+05:30,B,2,2,2,2\n\n",
        header="volume,Time,symbol,open,high,low,close\n",
        symbols=["B"],
    )

    assert tape.bars == [Bar("B", NINE, 200, 200, 200, 200)]


def test_longer_bars_are_taken_when_they_are_announced(tmp_path) -> None:
    path = tmp_path / "bars.csv"
    path.write_text(HEADER + "".join(row(f"10:{5 * number:02d}:00") for number in range(12)), encoding="utf-8")

    ticks = list(BarReplay(load_bars(path, bar_s=300), instrument_of).ticks())

    assert [tick.at_ns - ticks[0].at_ns for tick in ticks] == [second * NS_PER_S for second in range(3600)]


def test_a_minute_told_twice_counts_once_with_its_last_row(tape_of) -> None:
    tape = tape_of(row(prices="100,101,99,100"), row(prices="100,102,99,101"), row("09:16:00"))

    assert [bar.high_paise for bar in tape.bars] == [10_200, 10_100]
    assert (tape.retold_count, tape.bar_s) == (1, 60)


@pytest.mark.parametrize(
    ("prices", "order"),
    [
        ((10_000, 10_500, 9_900, 10_400), [9_900, 10_500]),  # the low is nearer
        ((10_000, 10_100, 9_500, 9_600), [10_100, 9_500]),
        ((10_000, 10_500, 9_500, 10_400), [9_500, 10_500]),  # equally near: against the direction first
        ((10_000, 10_500, 9_500, 9_600), [10_500, 9_500]),
    ],
)
def test_the_path_visits_the_nearer_extreme_first(prices, order) -> None:
    path = path_of(Bar(PUT, NINE, *prices), 5, 60)

    assert (path[0], path[-1], len(path)) == (prices[0], prices[3], 60)
    assert [path.index(extreme) for extreme in order] == sorted(path.index(extreme) for extreme in order)


PRICES = st.lists(st.integers(1, 20_000), min_size=4, max_size=4)


@given(PRICES, st.sampled_from([1, 5, 10]), st.integers(5, 300))
def test_the_path_stays_inside_its_bar_on_the_tick_and_reaches_both_extremes(prices, tick_paise, bar_s) -> None:
    low, a, b, high = (price * tick_paise for price in sorted(prices))

    path = path_of(Bar(PUT, NINE, a, high, low, b), tick_paise, bar_s)

    assert len(path) == bar_s
    assert (path[0], path[-1], min(path), max(path)) == (a, b, low, high)
    assert all(price % tick_paise == 0 for price in path)


def test_an_off_tick_bar_is_snapped(tape_of) -> None:
    tape = tape_of(row(prices="100.02,100.03,100.01,100.02"))

    assert {tick.ltp_paise for tick in BarReplay(tape, instrument_of).ticks()} == {10_000, 10_005}


@pytest.mark.row("OPS-32")
def test_ticks_come_by_time_with_a_touch_for_options_none_for_the_index_and_none_in_holes(tape_of) -> None:
    tape = tape_of(
        row("09:15:00", "NIFTY 50"), row("09:15:00"), row("09:16:00", "NIFTY 50"), row("09:17:00"), row("09:20:00")
    )

    ticks = list(BarReplay(tape, instrument_of, displayed_lots=4).ticks())

    assert [tick.at_ns for tick in ticks] == sorted(tick.at_ns for tick in ticks)
    assert [tick.symbol for tick in ticks[:4]] == ["NIFTY 50", PUT] * 2
    first = ticks[1]
    assert (first.bid_paise, first.ask_paise, first.bid_qty, first.ask_qty) == (9_995, 10_005, 260, 260)
    assert (ticks[0].bid_paise, ticks[0].ask_paise) == (0, 0)
    minutes = {(tick.at_ns - NINE) // (60 * NS_PER_S) for tick in ticks if tick.symbol == PUT}
    assert minutes == {0, 2, 5}


def test_a_replay_can_start_in_the_middle(tape_of) -> None:
    tape = tape_of(row("09:15:00"), row("09:16:00"))

    ticks = list(BarReplay(tape, instrument_of, start_ns=NINE + 90 * NS_PER_S).ticks())

    assert (len(ticks), ticks[0].at_ns) == (30, NINE + 90 * NS_PER_S)


def test_the_port_plays_subscribed_symbols_on_the_clock_in_listener_order(tape_of) -> None:
    tape = tape_of(row("09:15:00", "NIFTY 50"), row("09:15:00"), row("09:18:00"))

    async def scene() -> None:
        clock = LoopClock(asyncio.get_running_loop(), NINE - NS_PER_S)
        replay = BarReplay(tape, instrument_of, clock)
        heard: list[tuple[str, int, int]] = []
        replay.listen(lambda tick: heard.append(("exchange", tick.at_ns, clock.now_ns())))
        replay.listen(lambda tick: heard.append(("desk", tick.at_ns, clock.now_ns())))
        await replay.subscribe([PUT, "NOSUCH"])
        with pytest.raises(ReadFailed):
            await replay.quote(PUT)

        await replay.run()

        assert [who for who, _, _ in heard] == ["exchange", "desk"] * 120
        assert all(abs(at_ns - now_ns) < 1000 for _, at_ns, now_ns in heard)
        assert (await replay.quote(PUT)).at_ns == NINE + 239 * NS_PER_S
        assert (await replay.quote("NIFTY 50")).ltp_paise == 10_050
        assert [instrument.symbol for instrument in await replay.instruments()] == ["NIFTY 50", PUT]

    run_virtual(scene())


@pytest.mark.row("OPS-32")
@pytest.mark.parametrize(("day", "symbols", "bars"), [("2026-03-11", 21, 2516), ("2026-03-12", 15, 2023)])
def test_a_recorded_day_replays_to_the_same_ticks_twice_with_its_holes(shared, day, symbols, bars) -> None:
    tape = load_bars(shared / "data" / f"nifty-options-1min-{day}.csv")
    assert (len(tape.symbols), len(tape.bars), tape.bar_s) == (symbols, bars, 60)
    assert tape.retold_count > 0

    once = list(BarReplay(tape, instrument_of).ticks())
    assert once == list(BarReplay(tape, instrument_of).ticks())

    told = defaultdict(set)
    for bar in tape.bars:
        told[bar.symbol].add(bar.at_ns)
    ticked = defaultdict(set)
    for tick in once:
        ticked[tick.symbol].add(tick.at_ns // (60 * NS_PER_S) * 60 * NS_PER_S)
    assert ticked == told
    holes = sum(max(minutes) - min(minutes) >= len(minutes) * 60 * NS_PER_S for minutes in told.values())
    assert holes > 0


def test_the_index_days_load_too(shared) -> None:
    tape = load_bars(shared / "data" / "nifty50-1min-2024.csv")

    assert (len(tape.bars), tape.retold_count, tape.symbols) == (3480, 0, ["NIFTY 50"])
