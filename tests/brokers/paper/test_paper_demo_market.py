"""The demo market: the same instant shows the same tick, whatever else is going on, and legs move as legs do."""

from __future__ import annotations

import asyncio
import math
import statistics
from datetime import date, time, timedelta

import pytest

from brokers.paper.demo_market import DEMO_DAY, DemoMarket
from brokers.paper.index_path import STEP_NS, IndexPath
from engine.clock import LoopClock
from engine.instant import NS_PER_S, at_ist, ist_date
from engine.instrument import Instrument, OptionType, Segment
from engine.option_symbol import parse_option_symbol
from engine.port import ReadFailed
from engine.tick import Tick
from engine.virtual_time import run_virtual

PUT, CALL = "NIFTY01DEC2624450PE", "NIFTY01DEC2624550CE"
OPEN_NS = at_ist(DEMO_DAY, time(9, 15))
HOLIDAYS = {date(2026, 11, 24), date(2026, 12, 25)}


def session(day: date) -> tuple[int, int]:
    return at_ist(day, time(9, 15)), at_ist(day, time(15, 40))


def next_trading_day(day: date) -> date:
    day += timedelta(1)
    while day.weekday() > 4 or day in HOLIDAYS:
        day += timedelta(1)
    return day


def played(
    symbols: list[str], start_ns: int = OPEN_NS, until_ns: int = OPEN_NS + 60 * NS_PER_S, seed: int = 7
) -> list[Tick]:
    """Every tick that a run from `start_ns` pushes before `until_ns`."""

    async def scene() -> list[Tick]:
        clock = LoopClock(asyncio.get_running_loop(), start_ns)
        market = DemoMarket(seed, start_ns, clock, session, next_trading_day)
        heard: list[Tick] = []
        market.listen(heard.append)
        await market.connect()
        await market.subscribe(symbols)
        running = asyncio.ensure_future(market.run())
        await clock.sleep_until(until_ns - STEP_NS // 2)
        running.cancel()
        return heard

    return run_virtual(scene())


def market_at(now_ns: int, seed: int = 7) -> DemoMarket:
    class Still:
        def now_ns(self) -> int:
            return now_ns

    return DemoMarket(seed, now_ns, Still(), session, next_trading_day)  # type: ignore[arg-type]


def of(ticks: list[Tick], symbol: str) -> list[Tick]:
    return [tick for tick in ticks if tick.symbol == symbol]


def test_the_first_tick_is_the_open_and_the_index_ticks_every_step() -> None:
    ticks = played([PUT])

    assert ticks[0] == Tick("NIFTY", OPEN_NS, 2_450_000)
    assert ticks[1].symbol == PUT and ticks[1].at_ns == OPEN_NS
    assert [tick.at_ns for tick in of(ticks, "NIFTY")] == [OPEN_NS + step * STEP_NS for step in range(240)]
    assert 140 <= len(of(ticks, PUT)) <= 220  # about three a second


@pytest.mark.row("OPS-32")
def test_a_tick_does_not_depend_on_what_else_is_subscribed() -> None:
    alone = of(played([PUT]), PUT)

    assert alone == of(played([CALL, PUT, "NIFTY01DEC2624500PE"]), PUT)
    assert alone != of(played([PUT], seed=8), PUT)


@pytest.mark.parametrize("after_s", [0.25, 17.0, 59.75, 3_600.5, 23_000.0])
def test_a_restart_in_the_middle_goes_on_with_the_same_ticks(after_s) -> None:
    restart_ns = OPEN_NS + round(after_s * NS_PER_S)
    whole = [market_at(OPEN_NS).tick_at(PUT, restart_ns + step * STEP_NS) for step in range(100)]

    resumed = of(played([PUT], restart_ns, restart_ns + 100 * STEP_NS), PUT)

    assert resumed == [tick for tick in whole if tick is not None]
    assert len(resumed) > 50


def test_a_restart_on_a_later_day_finds_the_same_market() -> None:
    day = date(2026, 12, 3)
    at_ns = at_ist(day, time(11, 0))
    marched = market_at(OPEN_NS)
    for earlier in (date(2026, 11, 25), date(2026, 11, 30), date(2026, 12, 2)):
        marched.tick_at("NIFTY", at_ist(earlier, time(10, 0)))

    assert marched.tick_at("NIFTY", at_ns) == market_at(at_ns).tick_at("NIFTY", at_ns)


def test_the_path_goes_on_with_the_next_trading_day_and_not_before_its_open() -> None:
    close_ns = session(DEMO_DAY)[1]
    masters: list[int] = []

    async def scene() -> list[Tick]:
        clock = LoopClock(asyncio.get_running_loop(), close_ns - NS_PER_S)
        market = DemoMarket(
            7,
            close_ns - NS_PER_S,
            clock,
            session,
            next_trading_day,
            on_instruments=lambda instruments: masters.append(len(instruments)),
        )
        heard: list[Tick] = []
        market.listen(heard.append)
        running = asyncio.ensure_future(market.run())
        await clock.sleep_until(session(date(2026, 11, 26))[0] + NS_PER_S // 10)
        running.cancel()
        return heard

    ticks = run_virtual(scene())

    assert [tick.at_ns for tick in ticks] == [
        *(close_ns - NS_PER_S + step * STEP_NS for step in range(4)),
        at_ist(date(2026, 11, 26), time(9, 15)),
    ]
    assert len(masters) == 2


def test_a_machine_that_was_suspended_takes_up_the_newest_step() -> None:
    class Suspended:
        """A clock that can leap, as the wall clock does over a suspended night."""

        leap_ns = 0

        def now_ns(self) -> int:
            return OPEN_NS + round(asyncio.get_running_loop().time() * NS_PER_S) + self.leap_ns

        async def sleep_until(self, at_ns: int) -> None:
            if self.now_ns() < at_ns:
                await asyncio.sleep((at_ns - self.now_ns()) / NS_PER_S)  # virtual time

    async def scene() -> None:
        clock = Suspended()
        market = DemoMarket(7, OPEN_NS, clock, session, next_trading_day)  # type: ignore[arg-type]
        heard: list[int] = []
        market.listen(lambda tick: heard.append(tick.at_ns - OPEN_NS))
        running = asyncio.ensure_future(market.run())
        await clock.sleep_until(OPEN_NS + STEP_NS // 2)
        clock.leap_ns = 600 * NS_PER_S
        await clock.sleep_until(OPEN_NS + 601 * NS_PER_S + STEP_NS // 2)
        running.cancel()
        assert heard == [0, *(600 * NS_PER_S + step * STEP_NS for step in range(1, 5))]

    run_virtual(scene())


def test_the_master_holds_strikes_around_the_money_in_openalgo_form() -> None:
    async def scene() -> list[Instrument]:
        return list(await market_at(OPEN_NS).instruments())

    index, *options = asyncio.run(scene())

    assert (index.symbol, index.segment) == ("NIFTY", Segment.INDEX)
    assert len(options) == 42
    assert {option.strike_paise for option in options} == set(range(2_400_000, 2_500_001, 5_000))
    put = next(option for option in options if option.symbol == PUT)
    assert put == Instrument(
        symbol=PUT,
        exchange="NFO",
        segment=Segment.INDEX_OPTION,
        lot_size=65,
        tick_paise=5,
        freeze_qty=1800,
        underlying="NIFTY",
        expiry=date(2026, 12, 1),
        strike_paise=2_445_000,
        option_type=OptionType.PE,
    )


def test_symbols_are_those_the_engine_reads() -> None:
    parsed = parse_option_symbol(PUT)

    assert (parsed.underlying, parsed.strike_paise, parsed.option_type) == ("NIFTY", 2_445_000, OptionType.PE)


def test_the_contract_rolls_to_the_next_week_and_before_a_holiday_tuesday() -> None:
    async def expiries(day: date) -> set[date | None]:
        return {row.expiry for row in await market_at(at_ist(day, time(10, 0))).instruments() if row.expiry}

    assert asyncio.run(expiries(date(2026, 12, 1))) == {date(2026, 12, 1)}
    assert asyncio.run(expiries(date(2026, 12, 2))) == {date(2026, 12, 8)}


def test_strikes_of_an_earlier_day_stay_listed_until_their_expiry() -> None:
    async def strikes(day: date) -> set[int]:
        rows = await market_at(at_ist(day, time(10, 0))).instruments()
        return {row.strike_paise for row in rows if row.is_option}

    assert asyncio.run(strikes(date(2026, 11, 25))) <= asyncio.run(strikes(date(2026, 12, 1)))


def test_every_quote_is_a_legal_two_sided_market() -> None:
    market = market_at(OPEN_NS)
    symbols = [row.symbol for row in asyncio.run(_instruments(market)) if row.is_option]

    for symbol in symbols:
        for step in range(0, 92_400, 1_111):
            tick = market.tick_at(symbol, OPEN_NS + step * STEP_NS)
            if tick is None:
                continue
            assert 0 < tick.bid_paise < tick.ask_paise
            assert tick.ltp_paise in (tick.bid_paise, tick.ask_paise)
            assert tick.bid_paise % 5 == tick.ask_paise % 5 == 0
            assert tick.bid_qty % 65 == tick.ask_qty % 65 == 0 and tick.bid_qty > 0 and tick.ask_qty > 0


def test_every_contract_ticks_at_the_open() -> None:
    market = market_at(OPEN_NS)

    for row in asyncio.run(_instruments(market)):
        assert market.tick_at(row.symbol, OPEN_NS) is not None


async def _instruments(market: DemoMarket) -> list[Instrument]:
    return list(await market.instruments())


def test_quote_gives_the_newest_tick_and_refuses_the_unknown_and_the_unborn() -> None:
    at_ns = OPEN_NS + 100 * NS_PER_S + 1
    market = market_at(at_ns)
    quoted = asyncio.run(market.quote(PUT))

    assert at_ns - 2 * NS_PER_S < quoted.at_ns <= at_ns
    assert quoted == market.tick_at(PUT, quoted.at_ns)
    night = asyncio.run(market_at(session(DEMO_DAY)[1] + 3_600 * NS_PER_S).quote(PUT))
    assert session(DEMO_DAY)[1] - 2 * NS_PER_S < night.at_ns < session(DEMO_DAY)[1]
    for symbol, now_ns in (("NIFTY01DEC2699999PE", at_ns), (PUT, OPEN_NS - 1)):
        with pytest.raises(ReadFailed):
            asyncio.run(market_at(now_ns).quote(symbol))


def test_the_index_moves_with_about_the_models_volatility() -> None:
    path = IndexPath(11, DEMO_DAY, session, next_trading_day)
    days = [path.day(next_trading_day(date(2026, 12, 1) + timedelta(7 * week))) for week in range(30)]
    moves = [math.log(day.level(day.steps - 1) / day.level(0)) for day in days]
    inside = [
        math.log(day.level(step + 4) / day.level(step)) for day in days[:3] for step in range(0, day.steps - 4, 4)
    ]

    assert 0.09 < statistics.pstdev(moves) * math.sqrt(252) < 0.18
    assert 0.10 < statistics.pstdev(inside) * math.sqrt(252 * 23_100) < 0.18


def test_a_bracket_of_two_up_one_down_resolves_in_seconds_to_minutes_and_both_ways() -> None:
    market = market_at(OPEN_NS)
    ticks = [
        tick for step in range(14_400) if (tick := market.tick_at(PUT, OPEN_NS + step * STEP_NS)) is not None
    ]  # the first hour
    ends: list[tuple[bool, float]] = []
    for start in range(0, len(ticks) - 3_000, 250):
        entry = ticks[start]
        for tick in ticks[start + 1 :]:
            stopped, won = tick.ltp_paise <= entry.ask_paise - 100, tick.bid_paise >= entry.ask_paise + 200
            if stopped or won:
                ends.append((won, (tick.at_ns - entry.at_ns) / NS_PER_S))
                break

    assert 10_000 < ticks[0].ltp_paise < 16_000
    assert {won for won, _ in ends} == {True, False}
    assert 2 < statistics.median(seconds for _, seconds in ends) < 180


def test_time_takes_its_share_of_the_premium() -> None:
    """Same index level, later in the week: a straddle is worth less (theta)."""
    market = market_at(OPEN_NS)
    straddles: dict[date, float] = {}
    for day in (date(2026, 11, 25), date(2026, 11, 30)):
        at_ns = at_ist(day, time(9, 15))
        strike = round(market.tick_at("NIFTY", at_ns).ltp_paise / 5_000) * 50  # type: ignore[union-attr]
        legs = [market.tick_at(f"NIFTY01DEC26{strike}{kind}", at_ns) for kind in ("PE", "CE")]
        straddles[ist_date(at_ns)] = sum(leg.ltp_paise for leg in legs if leg)

    assert straddles[date(2026, 11, 30)] < 0.75 * straddles[date(2026, 11, 25)]
