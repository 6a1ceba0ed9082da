"""MKT, REF and TIM: what the feed makes of the market, with the exchange seeing the truth."""

from __future__ import annotations

import pytest

from engine import refusals
from engine.instant import NS_PER_DAY
from engine.port import Acked, ReadFailed, Refused
from engine.tick import Tick

PUT = "NIFTY01DEC2624500PE"
CALL = "NIFTY01DEC2624500CE"


def _prices(ticks: list[Tick]) -> list[tuple[int, int, int]]:
    return [(tick.ltp_paise, tick.bid_paise, tick.ask_paise) for tick in ticks]


async def _one_more(venue, bid: int = 9_995, ask: int = 10_005) -> list[Tick]:
    """What the desk sees of one more tick, a second later."""
    await venue.wait(1)
    venue.ticks.clear()
    venue.show(bid, ask)
    assert venue.exchange.book(PUT).tick.bid_paise == bid, "the exchange sees the truth"
    return list(venue.ticks)


def test_mkt_01_ticks_stop_and_quotes_still_answer(play) -> None:
    async def act(venue) -> None:
        assert await _one_more(venue) == []
        assert (await venue.market.quote(PUT)).bid_paise == 9_995
        await venue.wait(30)
        assert len(await _one_more(venue)) == 1

    assert play(act, {"knob": "feed.stall", "at": "10:00:01", "for_s": 20}).fired == {"MKT-01": 1}


def test_mkt_01_a_stall_of_one_contract_leaves_the_others(play) -> None:
    async def act(venue) -> None:
        assert await _one_more(venue) == []
        venue.show(symbol=CALL)
        assert [tick.symbol for tick in venue.ticks] == [CALL]

    play(act, {"knob": "feed.stall", "symbol": PUT})


def test_mkt_03_subscriptions_are_gone_until_asked_for_again(play) -> None:
    async def act(venue) -> None:
        await venue.market.subscribe([PUT])
        await venue.wait(2)
        assert await _one_more(venue) == []
        await venue.market.subscribe([PUT])
        assert len(await _one_more(venue)) == 1

    play(act, {"knob": "feed.reconnect_no_resub", "at": "10:00:01"})


def test_mkt_04_neither_ticks_nor_quotes(play) -> None:
    async def act(venue) -> None:
        assert await _one_more(venue) == []
        with pytest.raises(ReadFailed):
            await venue.market.quote(PUT)

    play(act, {"knob": "feed.mute"})


def test_mkt_05_older_ticks_come_again(play) -> None:
    async def act(venue) -> None:
        await _one_more(venue, 9_900, 9_910)
        await venue.wait(1)
        venue.show(9_800, 9_810)
        assert [tick.bid_paise for tick in venue.ticks] == [9_900, 9_800, 9_995, 9_900]
        assert venue.ticks[1].at_ns > venue.ticks[2].at_ns

    play(act, {"knob": "feed.replay", "nth": 3})


@pytest.mark.parametrize(("knob", "paise"), [("tick=0", 0), ("tick=-1", -1), ("tick=1e12", 10**14)])
def test_mkt_06_a_price_that_cannot_be_comes_just_before_the_true_tick(play, knob, paise) -> None:
    async def act(venue) -> None:
        bad, true = await _one_more(venue)
        assert (bad.ltp_paise, true.ltp_paise) == (paise, 9_995)
        assert true.at_ns - bad.at_ns == 1

    play(act, {"knob": knob, "nth": 2})


def test_mkt_06_prices_between_two_ticks(play) -> None:
    async def act(venue) -> None:
        assert _prices(await _one_more(venue)) == [(9_997, 9_997, 10_007), (9_995, 9_995, 10_005)]

    play(act, {"knob": "tick=OFF_TICK", "nth": 2})


def test_mkt_06_what_is_no_number_never_becomes_a_tick(play) -> None:
    async def act(venue) -> None:
        assert await _one_more(venue) == []
        assert len(await _one_more(venue)) == 1

    play(act, {"knob": "tick=NaN", "nth": 2})


def test_mkt_07_a_price_in_the_wrong_unit(play) -> None:
    async def act(venue) -> None:
        assert _prices(await _one_more(venue))[0] == (999_500, 999_500, 1_000_500)

    play(act, {"knob": "tick.scale=x100", "nth": 2})


def test_mkt_08_a_crossed_book_and_a_missing_bid(play) -> None:
    async def act(venue) -> None:
        (crossed,) = await _one_more(venue)
        assert crossed.bid_paise > crossed.ask_paise
        (one_sided,) = await _one_more(venue)
        assert (one_sided.bid_paise, one_sided.bid_qty, one_sided.ask_paise) == (0, 0, 10_005)

    play(act, {"knob": "book.crossed", "nth": 2}, {"knob": "bid=0", "nth": 2})


def test_mkt_09_the_last_price_stands_still_while_the_touch_moves(play) -> None:
    async def act(venue) -> None:
        assert _prices(await _one_more(venue, 9_800, 9_810)) == [(9_995, 9_800, 9_810)]

    play(act, {"knob": "tick.ltp_old", "at": "10:00:01"})


def test_mkt_10_another_contracts_prices_under_this_name(play) -> None:
    async def act(venue) -> None:
        venue.show(4_000, 4_010, symbol=CALL)
        assert _prices(await _one_more(venue)) == [(4_000, 4_000, 4_010)]
        assert venue.ticks[-1].symbol == PUT

    play(act, {"knob": "ref.token_swap", "symbol": PUT, "at": "10:00:01"})


def test_mkt_11_every_tick_comes_ten_times_each_newer_than_the_one_before(play) -> None:
    async def act(venue) -> None:
        ticks = await _one_more(venue)
        assert len(ticks) == 10
        assert len({tick.at_ns for tick in ticks}) == 10

    play(act, {"knob": "feed.burst"})


def test_mkt_12_the_feeds_clock_is_off(play) -> None:
    async def act(venue) -> None:
        (tick,) = await _one_more(venue)
        assert venue.clock.now_ns() - tick.at_ns == 3_000_000_000

    play(act, {"knob": "tick.skew"})


def test_mkt_13_another_days_ticks(play) -> None:
    async def act(venue) -> None:
        (tick,) = await _one_more(venue)
        assert venue.clock.now_ns() - tick.at_ns == NS_PER_DAY

    play(act, {"knob": "feed.yesterday"})


def test_tim_07_trading_is_halted(play) -> None:
    async def act(venue) -> None:
        order = await venue.entry(limit=9_000)
        await venue.wait(61)
        venue.ticks.clear()
        venue.show(8_900, 8_910)
        assert venue.ticks == [] and venue.row(order).filled_qty == 0
        answer = await venue.entry()
        assert isinstance(answer, Refused) and answer.code == refusals.SESSION_CLOSED
        with pytest.raises(ReadFailed):
            await venue.market.quote(PUT)

    play(act, {"knob": "session.halt", "at": "10:01"})


def _misread(play, knob: str, field: str, value: int) -> None:
    async def act(venue) -> None:
        facts = {instrument.symbol: instrument for instrument in await venue.market.instruments()}
        assert getattr(facts[PUT], field) == value
        assert getattr(facts[CALL], field) != value

    play(act, {"knob": knob, "symbol": PUT})


def test_ref_01_another_lot_size(play) -> None:
    _misread(play, "ref.lot", "lot_size", 75)


def test_ref_04_fresh_positions_are_blocked_near_expiry(play) -> None:
    async def act(venue) -> None:
        answer = await venue.entry()
        assert isinstance(answer, Refused) and answer.code == refusals.NOT_ALLOWED
        assert isinstance(await venue.stop(), Acked)

    play(act, {"knob": "rms.expiry_block"})


def test_ref_07_a_wrong_freeze_quantity(play) -> None:
    _misread(play, "ref.freeze=1", "freeze_qty", 1)


def test_ref_08_another_tick_size(play) -> None:
    _misread(play, "ref.tick", "tick_paise", 10)
