"""NET, HUM and SEC: channels that fail, people who act by themselves, texts that bite."""

from __future__ import annotations

import pytest

from engine import refusals
from engine.order import OrderState
from engine.port import Acked, NotSent, ReadFailed, Refused, Unknown

PUT = "NIFTY01DEC2624500PE"


async def _no_reads(venue) -> str:
    """Every book fails to read; the last reason."""
    reason = ""
    for read in (venue.account.read_orders, venue.account.read_trades, venue.account.read_positions):
        with pytest.raises(ReadFailed) as failure:
            await read()
        reason = str(failure.value)
    return reason


def test_net_01_a_half_open_connection_swallows_everything(play) -> None:
    async def act(venue) -> None:
        await venue.wait(1)
        venue.ticks.clear()
        assert isinstance(await venue.entry(), Unknown)
        venue.show()
        await _no_reads(venue)
        with pytest.raises(ReadFailed):
            await venue.market.quote(PUT)
        assert (venue.rows(), venue.ticks, venue.orders) == ([], [], [])
        await venue.wait(60)
        assert isinstance(await venue.entry(), Acked)

    play(act, {"knob": "tcp=BLACKHOLE", "at": "10:00:01", "for_s": 60})


def test_net_02_the_update_stream_flaps(play) -> None:
    async def act(venue) -> None:
        for _ in range(20):
            await venue.entry(limit=9_000, qty=65)
            await venue.wait(1)
        assert 5 < len(venue.orders) < 15

    play(act, {"knob": "ws.flap"})


def test_net_05_requests_fail_while_the_streams_work(play) -> None:
    async def act(venue) -> None:
        order = await venue.entry(limit=9_000)
        await venue.wait(61)
        assert isinstance(await venue.entry(), NotSent)
        assert await _no_reads(venue) == "connection refused"
        venue.show(8_900, 8_910)
        await venue.wait(1)
        assert venue.row(order).state is OrderState.FILLED and venue.trades and venue.ticks

    play(act, {"knob": "rest.down", "at": "10:01"})


def test_net_05_streams_fail_while_requests_work(play) -> None:
    async def act(venue) -> None:
        venue.ticks.clear()
        assert isinstance(await venue.entry(), Acked)
        await venue.wait(1)
        venue.show()
        assert (venue.orders, venue.trades, venue.ticks) == ([], [], [])
        assert len(await venue.account.read_orders()) == 1

    play(act, {"knob": "ws.down"})


def test_net_06_a_read_answers_what_it_said_before(play) -> None:
    async def act(venue) -> None:
        assert await venue.account.read_orders() == []
        await venue.entry()
        assert await venue.account.read_orders() == []
        assert len(await venue.account.read_orders()) == 1

    play(act, {"knob": "get.stale"})


def test_net_07_an_empty_list_is_not_flat(play) -> None:
    async def act(venue) -> None:
        await venue.entry()
        assert await venue.account.read_positions() == []
        with pytest.raises(ReadFailed, match="empty list"):
            await venue.account.read_positions()
        assert len(await venue.account.read_positions()) == 1

    play(act, {"knob": "get=[]"}, {"knob": "get=ERROR_WITH_EMPTY"})


def test_net_08_the_older_half_of_the_list_is_missing(play) -> None:
    async def act(venue) -> None:
        for _ in range(4):
            await venue.entry(limit=9_000, qty=65)
        assert await venue.account.read_orders() == venue.rows()[2:]

    play(act, {"knob": "get.truncate"})


def test_net_09_a_portal_answers_a_read(play) -> None:
    async def act(venue) -> None:
        with pytest.raises(ReadFailed, match="HTML"):
            await venue.account.read_orders()

    play(act, {"knob": "get=200_HTML"})


def _cannot_connect(play, knob: str, words: str) -> None:
    async def act(venue) -> None:
        answer = await venue.entry()
        assert isinstance(answer, NotSent) and words in answer.reason
        assert words in await _no_reads(venue)

    play(act, {"knob": knob})


def test_net_10_the_certificate_has_expired(play) -> None:
    _cannot_connect(play, "tls.expired", "expired")


def test_net_11_names_cannot_be_resolved(play) -> None:
    _cannot_connect(play, "dns.servfail", "name resolution")


def test_net_12_the_token_has_expired(play) -> None:
    async def act(venue) -> None:
        answer = await venue.entry()
        assert isinstance(answer, Refused) and answer.code == refusals.NOT_ALLOWED
        assert await _no_reads(venue) == "token expired"

    play(act, {"knob": "auth.expire"})


def test_net_13_another_login_ended_the_session(play) -> None:
    async def act(venue) -> None:
        order = await venue.entry(limit=9_000)
        await venue.wait(61)
        told = len(venue.orders)
        assert isinstance(await venue.cancel(order), Refused)
        venue.show(8_900, 8_910)
        await venue.wait(1)
        assert venue.row(order).state is OrderState.FILLED
        assert (len(venue.orders), venue.trades) == (told, [])

    play(act, {"knob": "auth.kill", "at": "10:01"})


def test_net_14_the_broker_is_under_maintenance(play) -> None:
    async def act(venue) -> None:
        assert isinstance(await venue.entry(), Unknown)
        assert "503" in await _no_reads(venue)
        assert venue.rows() == []

    play(act, {"knob": "broker.503"})


# --- hands ------------------------------------------------------------------------------------------------------------


async def _protected(venue) -> None:
    assert isinstance(await venue.entry(), Acked)
    assert isinstance(await venue.stop(), Acked)
    await venue.wait(61)


def test_hum_01_the_trader_closes_the_position_and_our_stop_stays(play) -> None:
    async def act(venue) -> None:
        await _protected(venue)
        assert venue.net() == 0
        assert [row.state for row in venue.rows()][1] is OrderState.TRIGGER_PENDING
        assert venue.orders[-1].tag == "" and venue.trades[-1].tag == ""

    play(act, {"knob": "manual.close", "at": "10:01"})


def test_hum_01_waits_for_a_position_and_gives_up_with_its_patience(play) -> None:
    async def act(venue) -> None:
        await venue.wait(30)
        await venue.entry()
        await venue.wait(1)
        assert venue.net() == 0
        await venue.wait(200)

    assert play(act, {"knob": "manual.close", "at": "10:00", "for_s": 60}).fired == {"HUM-01": 1}
    assert play(_only_late, {"knob": "manual.close", "at": "10:00", "for_s": 60}).fired == {}


async def _only_late(venue) -> None:
    await venue.wait(61)
    await venue.entry()
    await venue.wait(5)
    assert venue.net() == 130


@pytest.mark.parametrize(("knob", "net"), [("manual.partial", 65), ("manual.add", 195)])
def test_hum_02_the_trader_takes_off_or_adds(play, knob, net) -> None:
    async def act(venue) -> None:
        await _protected(venue)
        assert venue.net() == net

    play(act, {"knob": knob, "at": "10:01"})


def test_hum_03_the_trader_cancels_our_stop(play) -> None:
    async def act(venue) -> None:
        await _protected(venue)
        assert venue.orders[-1].state is OrderState.CANCELLED and venue.net() == 130

    play(act, {"knob": "manual.cancel_sl", "at": "10:01"})


def test_hum_04_the_trader_moves_our_stop_away_from_the_market(play) -> None:
    async def act(venue) -> None:
        await _protected(venue)
        stop = venue.orders[-1]
        assert (stop.trigger_paise, stop.limit_paise) == (8_990, 8_890)

    play(act, {"knob": "manual.modify", "at": "10:01"})


def test_hum_05_an_opposite_order_makes_the_account_flat(play) -> None:
    async def act(venue) -> None:
        await _protected(venue)
        assert venue.net() == 0 and len(venue.rows()) == 3

    play(act, {"knob": "manual.net", "at": "10:01"})


def test_hum_08_the_risk_desk_sells_a_part(play) -> None:
    async def act(venue) -> None:
        await _protected(venue)
        assert venue.net() == 65

    play(act, {"knob": "rms.square", "at": "10:01", "amount": 50})


def test_hum_09_the_accounts_kill_switch(play) -> None:
    async def act(venue) -> None:
        await _protected(venue)
        assert venue.orders[-1].state is OrderState.CANCELLED
        answer = await venue.exit()
        assert isinstance(answer, Refused) and answer.text == "kill switch is on"

    play(act, {"knob": "broker.kill", "at": "10:01", "for_s": 60})


# --- texts ------------------------------------------------------------------------------------------------------------


async def _said(venue) -> str:
    answer = await venue.entry()
    assert isinstance(answer, Refused)
    return answer.text


def test_sec_01_a_refusal_carries_markup(play) -> None:
    async def act(venue) -> None:
        assert "[@click=app.quit]" in await _said(venue)

    play(act, {"knob": "broker.text=MARKUP"})


def test_sec_02_a_refusal_carries_terminal_sequences(play) -> None:
    async def act(venue) -> None:
        assert {"\x1b", "\x9b", "\u202e"} <= set(await _said(venue))

    play(act, {"knob": "broker.text=ANSI"})


def test_sec_03_a_refusal_carries_a_very_long_text(play) -> None:
    async def act(venue) -> None:
        assert len(await _said(venue)) > 10_000

    play(act, {"knob": "broker.text=LONG"})


def test_sec_13_a_refusal_carries_a_forged_line(play) -> None:
    async def act(venue) -> None:
        assert "\n" in await _said(venue)

    play(act, {"knob": "broker.text=LINES"})
