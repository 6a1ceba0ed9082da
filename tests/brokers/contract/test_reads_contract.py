"""What every adapter promises about prices, links and reads, over real sockets (OPS-05, GRD-50, OPT-10)."""

from __future__ import annotations

from typing import Any

import pytest

from engine.instant import NS_PER_S, ist_date
from engine.instrument import OptionType, Segment
from engine.port import ReadFailed
from engine.port_reads import SessionRefused

pytestmark = pytest.mark.row("OPS-05")


@pytest.fixture(params=("kite", "dhan", "openalgo", "xts"))
def kind(request: pytest.FixtureRequest) -> str:
    """A gateway's two modes read alike."""
    return request.param


async def test_the_master_names_contracts_as_this_desk_does(rig: Any) -> None:
    here = {row.symbol: row for row in await rig.session.feed.instruments()}
    there = {row.symbol: row for row in await rig.floor.market.instruments()}

    tradable = {s: row for s, row in there.items() if row.segment in (Segment.INDEX_OPTION, Segment.EQUITY)}
    assert set(tradable) <= set(here)
    for symbol, row in tradable.items():
        mine = here[symbol]
        assert (mine.lot_size, mine.tick_paise, mine.expiry, mine.strike_paise, mine.option_type, mine.exchange) == (
            row.lot_size, row.tick_paise, row.expiry, row.strike_paise, row.option_type, row.exchange
        )  # fmt: skip
        assert mine.freeze_qty in (0, row.freeze_qty), "not every broker's master has it"


async def test_ticks_are_the_markets_own(rig: Any) -> None:
    truth: list[Any] = []
    rig.floor.market.listen(truth.append)
    instrument = await rig.option()
    await rig.session.feed.subscribe([instrument.symbol])
    await rig.until(lambda: sum(tick.symbol == instrument.symbol for tick in rig.ticks) >= 10)

    told = {(tick.ltp_paise, tick.bid_paise, tick.ask_paise) for tick in truth if tick.symbol == instrument.symbol}
    heard = [tick for tick in rig.ticks if tick.symbol == instrument.symbol][2:]
    assert all(tick.ltp_paise in {ltp for ltp, _, _ in told} for tick in heard)
    assert all(abs(tick.at_ns - rig.floor.clock.now_ns()) < 120 * NS_PER_S for tick in heard), "exchange time, in IST"
    if any(tick.bid_paise for tick in heard):
        assert all((t.ltp_paise, t.bid_paise, t.ask_paise) in told for t in heard if t.bid_paise)


async def test_an_index_has_prices_too(rig: Any) -> None:
    index = next(row for row in await rig.session.feed.instruments() if row.segment is Segment.INDEX)
    await rig.session.feed.subscribe([index.symbol])
    await rig.until(lambda: any(tick.symbol == index.symbol and tick.ltp_paise > 1_000_000 for tick in rig.ticks))


@pytest.mark.row("GRD-50", "OPT-10", "RTP-40")
async def test_a_lost_feed_says_so_comes_back_and_is_subscribed_again(rig: Any) -> None:
    instrument = await rig.option()
    await rig.session.feed.subscribe([instrument.symbol])
    await rig.until(lambda: rig.ticks and rig.feed_links[-1:] == [""])

    rig.venue.cut_streams()
    await rig.until(lambda: rig.feed_links[-1:] != [""] or len(rig.feed_links) > 1)
    await rig.until(lambda: rig.feed_links[-1:] == [""] and len(rig.feed_links) >= 3)
    rig.ticks.clear()
    await rig.until(lambda: any(tick.symbol == instrument.symbol for tick in rig.ticks))
    assert rig.feed_links[0] == "" and rig.feed_links[1] and rig.feed_links[2] == ""


async def test_quote_candles_and_chain(rig: Any) -> None:
    instrument, quote = await rig.option(), await rig.quote()
    assert quote.symbol == instrument.symbol and quote.ltp_paise > 0
    with pytest.raises(ReadFailed):
        await rig.session.feed.quote("NOSUCH01DEC2624500PE")

    now_ns = rig.floor.clock.now_ns()
    candles = await rig.session.feed.candles(instrument.symbol, 1, now_ns - 1800 * NS_PER_S, now_ns)
    assert all(c.low_paise <= min(c.open_paise, c.close_paise) <= c.high_paise for c in candles)
    assert [c.start_ns for c in candles] == sorted({c.start_ns for c in candles})
    assert all(ist_date(c.start_ns) == ist_date(now_ns) for c in candles)

    assert instrument.expiry is not None
    expiries = await rig.session.feed.expiries(instrument.underlying)
    assert instrument.expiry in expiries and list(expiries) == sorted(expiries)
    chain = await rig.session.feed.chain(instrument.underlying, instrument.expiry)
    row = next(row for row in chain if row.symbol == instrument.symbol)
    assert row.ltp_paise > 0 and {OptionType.CE.value, OptionType.PE.value} == {r.symbol[-2:] for r in chain}


async def test_funds_are_read(rig: Any) -> None:
    funds = await rig.session.account.read_funds()

    assert funds.available_paise == 50_000_000


async def test_an_open_session_is_live_and_dead_credentials_are_refused(rig: Any) -> None:
    assert rig.session.state.is_live and rig.session.state.may_trade is not False
    assert rig.account_links[-1:] == [""] or not rig.session.account.rules.pushes_orders

    stranger = rig.make_session(reveal=lambda _name: "wrong")
    with pytest.raises(SessionRefused) as refused:
        await stranger.open()
    assert "wrong" not in str(refused.value) and not stranger.state.is_live


async def test_a_session_that_dies_in_the_day_fails_reads_and_says_so(rig: Any) -> None:
    assert await rig.session.account.read_orders() == []
    rig.venue.end_sessions()

    with pytest.raises(ReadFailed):
        await rig.session.account.read_orders()
    await rig.until(lambda: not rig.session.state.is_live)
    assert rig.session.state.reason


async def test_everybody_who_listens_hears_every_tick(rig: Any) -> None:
    second: list[Any] = []
    rig.session.feed.listen(second.append)
    rig.ticks.clear()
    await rig.session.feed.subscribe([(await rig.option()).symbol])
    await rig.until(lambda: min(len(second), len(rig.ticks)) >= 5)

    assert second == rig.ticks[: len(second)] or rig.ticks == second[: len(rig.ticks)]
