"""The pair demo market: two shares that follow each other as asked, on tick, and the same for a seed at any instant."""

from __future__ import annotations

import asyncio
import math
import statistics
from datetime import date, time, timedelta
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brokers.paper.account import PaperAccount
from brokers.paper.demo_market import DEMO_DAY
from brokers.paper.exchange import PaperExchange
from brokers.paper.index_path import STEP_NS, STEPS_PER_MINUTE
from brokers.paper.pair_market import SYMBOLS, TICK_PAISE, TOKEN_A, TOKEN_B, PairMarket
from brokers.paper.pair_path import PairDay, PairModel, PairPath, ShareModel
from brokers.paper.rules import PaperRules
from engine.clock import LoopClock
from engine.instant import NS_PER_S, at_ist
from engine.instrument import Segment
from engine.order import OrderType, Side, Trade
from engine.port import Acked, OrderRequest, ReadFailed
from engine.tick import Tick
from engine.virtual_time import run_virtual

OPEN_NS = at_ist(DEMO_DAY, time(9, 15))
CLOSE_NS = at_ist(DEMO_DAY, time(15, 15))
MINUTE_NS = 60 * NS_PER_S


def session(day: date) -> tuple[int, int]:
    return at_ist(day, time(9, 15)), at_ist(day, time(15, 15))


def next_trading_day(day: date) -> date:
    day += timedelta(1)
    while day.weekday() > 4:
        day += timedelta(1)
    return day


def days_of(count: int, seed: int = 7, model: PairModel | None = None) -> list[PairDay]:
    path = PairPath(seed, DEMO_DAY, session, next_trading_day, model)
    while len(path.days) < count:
        path.day_open_at(path.days[-1].close_ns)
    return path.days


def market_at(now_ns: int, seed: int = 7, model: PairModel | None = None) -> PairMarket:
    class Still:
        def now_ns(self) -> int:
            return now_ns

    return PairMarket(seed, now_ns, Still(), session, next_trading_day, model=model)  # type: ignore[arg-type]


def played(start_ns: int, until_ns: int, symbols: tuple[str, ...] = SYMBOLS) -> list[Tick]:
    async def scene() -> list[Tick]:
        clock = LoopClock(asyncio.get_running_loop(), start_ns)
        market = PairMarket(7, start_ns, clock, session, next_trading_day)
        heard: list[Tick] = []
        market.listen(heard.append)
        await market.connect()
        await market.subscribe(symbols)
        running = asyncio.ensure_future(market.run())
        await clock.sleep_until(until_ns - STEP_NS // 2)
        running.cancel()
        return heard

    return run_virtual(scene())


def minute_returns(days: list[PairDay], *, coupled: bool | None = None) -> tuple[list[float], list[float]]:
    """Log returns of both shares, minute by minute, inside days; only of minutes that are (not) coupled when asked."""
    moves_a: list[float] = []
    moves_b: list[float] = []
    for day in days:
        starts = range(0, day.steps - STEPS_PER_MINUTE, STEPS_PER_MINUTE)
        for step in starts:
            if coupled is None or day.is_coupled(step) is coupled:
                before, after = day.prices(step), day.prices(step + STEPS_PER_MINUTE)
                moves_a.append(math.log(after[0] / before[0]))
                moves_b.append(math.log(after[1] / before[1]))
    return moves_a, moves_b


def test_the_pair_opens_at_the_demo_prices_and_ticks_three_times_a_second() -> None:
    ticks = played(OPEN_NS, OPEN_NS + 60 * NS_PER_S)

    assert [tick.symbol for tick in ticks[:2]] == [TOKEN_A, TOKEN_B]
    assert abs(ticks[0].ltp_paise - 5_000) <= 3 and abs(ticks[1].ltp_paise - 12_050) <= 3
    assert all(140 <= sum(tick.symbol == symbol for tick in ticks) <= 220 for symbol in SYMBOLS)


def test_the_same_seed_shows_the_same_ticks_whatever_is_subscribed_and_another_seed_others() -> None:
    both = played(OPEN_NS, OPEN_NS + 20 * NS_PER_S)
    alone = played(OPEN_NS, OPEN_NS + 20 * NS_PER_S, (TOKEN_B, "RELIANCE"))
    later = OPEN_NS + 3_600 * NS_PER_S

    assert alone == [tick for tick in both if tick.symbol == TOKEN_B] != []
    assert market_at(later).tick_at(TOKEN_A, OPEN_NS) == market_at(OPEN_NS).tick_at(TOKEN_A, OPEN_NS)
    instants = [later + step * STEP_NS for step in range(40)]
    assert [market_at(later).tick_at(TOKEN_A, at) for at in instants] != [
        market_at(later, seed=8).tick_at(TOKEN_A, at) for at in instants
    ]


@pytest.mark.parametrize("day_number", [0, 3])
@pytest.mark.parametrize("after_s", [17.0, 3_600.5, 21_000.0])
def test_a_restart_at_any_instant_of_any_day_goes_on_with_the_same_ticks(after_s: float, day_number: int) -> None:
    opens = days_of(4)[day_number].open_ns
    restart_ns = opens + round(after_s * NS_PER_S)
    marched = market_at(OPEN_NS)
    expected = [
        tick
        for step in range(40)
        for symbol in SYMBOLS
        if (tick := marched.tick_at(symbol, restart_ns + step * STEP_NS)) is not None
    ]

    assert played(restart_ns, restart_ns + 40 * STEP_NS) == expected
    assert len(expected) > 40


def test_the_next_day_begins_near_the_close_of_the_day_before() -> None:
    days = days_of(20)

    for before, after in pairwise(days):
        for closed, opened in zip(before.log_close, after.log_open, strict=True):
            assert 0 < abs(opened - closed) < 0.05
    ticks = played(CLOSE_NS - NS_PER_S, at_ist(date(2026, 11, 26), time(9, 15)) + NS_PER_S)
    assert {tick.at_ns >= CLOSE_NS for tick in ticks} == {False, True}
    assert not any(CLOSE_NS <= tick.at_ns < at_ist(date(2026, 11, 26), time(9, 15)) for tick in ticks)


@pytest.mark.parametrize("asked", [0.9, 0.5, 0.0, -0.7])
def test_the_measured_correlation_is_the_asked_one_while_the_pair_is_coupled(asked: float) -> None:
    moves = minute_returns(days_of(4, model=PairModel(correlation=asked)), coupled=True)

    assert abs(statistics.correlation(*moves) - asked) < 0.08


def test_in_a_decoupled_spell_token_b_is_as_lively_and_no_longer_follows() -> None:
    days = days_of(10, model=PairModel(correlation=0.95, spells_per_day=5.0, spell_minutes=30.0))
    apart_a, apart_b = minute_returns(days, coupled=False)
    _, together_b = minute_returns(days, coupled=True)

    assert len(apart_a) > 500
    assert abs(statistics.correlation(apart_a, apart_b)) < 0.12
    assert 0.9 < statistics.stdev(apart_b) / statistics.stdev(together_b) < 1.1


@pytest.mark.parametrize(("spells", "minutes"), [(0.0, 20.0), (2.0, 20.0), (4.0, 10.0)])
def test_decoupled_spells_happen_as_often_and_as_long_as_asked(spells: float, minutes: float) -> None:
    days = days_of(150, model=PairModel(spells_per_day=spells, spell_minutes=minutes))
    flags = [day.is_coupled(step) for day in days for step in range(0, day.steps, STEPS_PER_MINUTE)]
    begun = sum(before and not after for before, after in pairwise(flags))

    if not spells:
        assert all(flags)
        return
    # A spell cannot begin inside another one, so a busy day has a little fewer than were asked for.
    assert 0.75 * spells < begun / len(days) < 1.15 * spells
    assert 0.8 * minutes < flags.count(False) / begun < 1.25 * minutes


@given(
    st.integers(min_value=0, max_value=2**32),
    st.floats(min_value=-1.0, max_value=1.0),
    st.floats(min_value=0.0, max_value=2.0),
    st.integers(min_value=0, max_value=86_399),
)
@settings(max_examples=25, deadline=None)
def test_every_quote_is_on_tick_positive_uncrossed_and_has_a_size(
    seed: int, correlation: float, vol: float, step: int
) -> None:
    penny = ShareModel(start_rupees=0.05, vol_per_year=vol)
    model = PairModel(a=penny, b=ShareModel(start_rupees=120.5, vol_per_year=vol), correlation=correlation)
    market = market_at(OPEN_NS, seed, model)

    for at_ns in (OPEN_NS, OPEN_NS + step * STEP_NS):
        for symbol in SYMBOLS:
            tick = market.tick_at(symbol, at_ns)
            if tick is None:
                continue
            assert 0 < tick.bid_paise < tick.ask_paise
            assert tick.ltp_paise in (tick.bid_paise, tick.ask_paise)
            assert not any(paise % TICK_PAISE for paise in (tick.bid_paise, tick.ask_paise))
            assert tick.bid_qty > 0 and tick.ask_qty > 0


def test_on_the_paper_exchange_a_level_fills_on_both_sides_and_its_target_after_it() -> None:
    """Ten paise away from the open and five paise back, within a day of seed 7, through the venue's own rules."""

    async def scene() -> list[Trade]:
        clock = LoopClock(asyncio.get_running_loop(), OPEN_NS)
        exchange = PaperExchange([], PaperRules(price_bands=market_at(OPEN_NS).price_bands()), lambda *_: True)
        market = PairMarket(7, OPEN_NS, clock, session, next_trading_day, on_instruments=exchange.list_instruments)
        account = PaperAccount("DEMO1", exchange, clock, Random(7))
        trades: list[Trade] = []
        account.listen(lambda report: None, trades.append)
        market.listen(exchange.on_tick)
        await account.connect()
        await market.subscribe(SYMBOLS)
        running = asyncio.ensure_future(market.run())
        for number, (side, limit) in enumerate(((Side.BUY, 4_990), (Side.SELL, 5_010))):
            await clock.sleep_until(OPEN_NS + NS_PER_S)
            for tag, order_side, paise in (
                (f"E{number}", side, limit),
                (f"T{number}", side.opposite, limit + side.sign * 5),
            ):
                request = OrderRequest(
                    tag=f"SD00000{tag}", symbol=TOKEN_A, exchange="NSE", product="MIS", side=order_side,
                    type=OrderType.LIMIT, qty=10, limit_paise=paise, trigger_paise=0,
                )  # fmt: skip
                assert isinstance(await account.place(request), Acked)
                while tag not in {trade.tag.removeprefix("SD00000") for trade in trades}:
                    assert clock.now_ns() < CLOSE_NS, f"{tag} has not filled"
                    await clock.sleep_until(clock.now_ns() + NS_PER_S)
        running.cancel()
        return trades

    trades = run_virtual(scene())

    assert {trade.tag.removeprefix("SD00000") for trade in trades} == {"E0", "T0", "E1", "T1"}
    assert {trade.symbol for trade in trades} == {TOKEN_A}


def test_a_grid_of_twenty_levels_ten_paise_apart_is_crossed_many_times_a_day() -> None:
    """A level and its target five paise back make a cycle when both are crossed.

    Measured 2026-11 on ten days of the seeds 7, 8 and 9: 53 cycles on the quietest of 30 days, 94 on the median one.
    """
    assert min(cycles_of(day) for seed in (7, 8) for day in days_of(2, seed)) >= 40


def cycles_of(day: PairDay) -> int:
    """Completed cycles of twenty levels round the open, looked at once a second: entry at the level, target behind."""
    centre = day.prices(0)[0]
    levels = [(side, centre - side * 0.10 * number) for side in (1, -1) for number in range(1, 11)]
    held = dict.fromkeys(levels, False)
    done = 0
    for step in range(0, day.steps, 4):
        price = day.prices(step)[0]
        for side, level in levels:
            if not held[side, level] and side * (level - price) >= 0:
                held[side, level] = True
            elif held[side, level] and side * (price - (level + side * 0.05)) >= 0:
                held[side, level] = False
                done += 1
    return done


async def test_the_master_has_both_shares_and_a_quote_for_nothing_else() -> None:
    market = market_at(OPEN_NS + 100 * STEP_NS)
    shares = list(await market.instruments())

    assert [(share.symbol, share.exchange, share.lot_size) for share in shares] == [
        ("IRFC", "NSE", 1),
        ("SBIN", "NSE", 1),
    ]
    assert all(share.segment is Segment.EQUITY and share.tick_paise == TICK_PAISE for share in shares)
    assert all(share.max_order_qty > 0 for share in shares)
    assert (await market.quote(TOKEN_A)).at_ns <= OPEN_NS + 100 * STEP_NS
    with pytest.raises(ReadFailed):
        await market.quote("NIFTY")
    with pytest.raises(ReadFailed):
        await market_at(OPEN_NS - 1).quote(TOKEN_A)


def test_the_days_price_bands_stand_ten_percent_round_the_close_before() -> None:
    assert market_at(OPEN_NS).price_bands() == {TOKEN_A: (4_500, 5_500), TOKEN_B: (10_845, 13_255)}
    second = days_of(2)[1]
    low, high = market_at(second.open_ns).price_bands()[TOKEN_A]
    closed = math.exp(days_of(1)[0].log_close[0]) * 100
    assert abs(low - 0.9 * closed) <= 1.5 and abs(high - 1.1 * closed) <= 1.5


@pytest.mark.parametrize(
    "wrong",
    [{"correlation": 1.1}, {"spells_per_day": -1.0}, {"spell_minutes": 0.0}, {"a": ShareModel(start_rupees=0.0)}],
)
def test_a_model_that_makes_no_sense_is_refused_with_its_key(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        PairModel(**wrong)  # type: ignore[arg-type]
