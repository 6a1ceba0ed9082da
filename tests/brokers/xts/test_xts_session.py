"""Logins that never fight over a key, reads tried once more, streams that come back: over real sockets (GRD-54)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from brokers.venue.site import VenueTerms
from brokers.wire.http import HttpLink
from brokers.xts.login import Login, Token, ask_token, read_token
from brokers.xts.rules import SessionLimits
from engine.order import OrderType, Side
from engine.port import Acked, NotSent, OrderRequest, ReadFailed, Refused
from engine.port_reads import SessionRefused
from engine.secrets import SecretMissing
from tui.rehearsal import rehearsal_secret

QUICK = SessionLimits(relogin_gap_s=0.0)
TRADE_SECRETS = ("XTS_TRADE_KEY", "XTS_TRADE_SECRET")
MARKET_SECRETS = ("XTS_MARKET_KEY", "XTS_MARKET_SECRET")


def only(*names: str) -> Any:
    def reveal(name: str) -> str:
        if name not in names:
            raise SecretMissing([f"secret {name} is nowhere"])
        return rehearsal_secret(name)

    return reveal


def request(contract: Any, tag: str = "SDTEST000001E") -> OrderRequest:
    return OrderRequest(
        tag=tag, symbol=contract.symbol, exchange=contract.exchange, product="MIS", side=Side.BUY,
        type=OrderType.LIMIT, qty=contract.lot_size, limit_paise=500, trigger_paise=0,
    )  # fmt: skip


@pytest.mark.row("GRD-54", "LEG-06")
@pytest.mark.fault("NET-13")
async def test_a_dead_token_is_one_new_login_and_each_waiting_read_goes_once_more(site: Any) -> None:
    session = site.session(QUICK)
    await session.open()
    site.venue.end_sessions()

    books = await asyncio.gather(
        session.account.read_orders(), session.account.read_trades(), session.account.read_positions()
    )

    assert [list(book) for book in books] == [[], [], []]
    assert (session.trade.logins, session.market.logins) == (2, 1) and session.state.is_live


@pytest.mark.row("GRD-54")
async def test_two_logins_of_a_key_are_apart_and_until_then_nothing_is_sent(site: Any) -> None:
    session = site.session()
    await session.open()
    contract = site.option(session)
    site.venue.end_sessions()
    with pytest.raises(ReadFailed):
        await session.account.read_orders()
    with pytest.raises(ReadFailed):
        await session.account.read_orders()

    assert session.trade.logins == 1 and not session.state.is_live
    assert isinstance(await session.account.place(request(contract)), NotSent), "a dead token is not hammered with"


@pytest.mark.row("GRD-54", "OPT-12")
@pytest.mark.fault("MKT-04", "NET-12")
async def test_a_feed_whose_token_died_comes_back_by_itself(site: Any) -> None:
    session = site.session(SessionLimits(relogin_gap_s=0.5))
    links: list[str] = []
    seen: list[Any] = []
    session.feed.on_link(links.append)
    session.feed.listen(seen.append)
    await session.open()
    await session.feed.connect()
    await session.feed.subscribe([site.option(session).symbol])
    site.venue.end_sessions()
    await site.until(lambda: len(links) >= 3 and links[-1] == "")
    seen.clear()

    await site.until(lambda: seen)
    assert session.market.logins == 2 and session.state.is_live


@pytest.mark.row("GRD-54")
async def test_refused_logins_are_further_and_further_apart(site: Any) -> None:
    answers = [Token(text="t", user_id="u", since_ns=site.floor.clock.now_ns())]

    async def ask() -> Token:
        if not answers:
            raise SessionRefused("no")
        return answers.pop()

    login = Login("interactive", ask, SessionLimits(relogin_gap_s=0.0), site.floor.clock, lambda: None)
    await login.open()
    login.died(login.token, "gone")
    assert login.wait_s() == 0
    assert await login.use() is None and 1.5 < login.wait_s() <= 2
    assert await login.use() is None and login.reason == "no"
    login.close()
    assert login.wait_s() == float("inf")


@pytest.mark.row("GRD-54")
@pytest.mark.fault("NET-12")
async def test_a_write_with_a_dead_token_is_refused_and_not_sent_again(site: Any) -> None:
    session = site.session(QUICK)
    await session.open()
    contract = site.option(session)
    site.venue.end_sessions()

    first = await session.account.place(request(contract))
    second = await session.account.place(request(contract))

    assert isinstance(first, Refused) and "dead" in first.text
    assert isinstance(second, Acked), "after the one new login"
    assert session.trade.logins == 2


@pytest.mark.row("GRD-54")
async def test_a_token_is_used_for_eight_hours_and_not_longer(site: Any) -> None:
    session = site.session(SessionLimits(relogin_gap_s=0.0, token_life_ns=1))
    await session.open()
    await session.account.read_orders()
    kept = site.session()
    await kept.open()
    await kept.open()

    assert session.trade.logins == 2 and kept.trade.logins == 1


@pytest.mark.row("GRD-54", "GRD-38")
async def test_a_second_login_of_the_key_ends_the_first_which_does_not_fight(site: Any) -> None:
    first = site.session(QUICK)
    links: list[str] = []
    first.account.on_link(links.append)
    await first.open()
    await first.account.connect()
    for turn in (1, 2):
        rival = site.session(market_key_name="XTS_OTHER_KEY")
        await rival.open(market=False)
        await site.until(lambda turn=turn: len(links) >= 2 * turn)
        if turn == 1:
            await first.account.read_orders()
            await site.until(lambda: links[-1] == "")

    assert links[0] == "" and "logout" in links[1]
    assert first.trade.logins == 2, "one new login; when the key is taken again it is left alone"
    with pytest.raises(ReadFailed, match="another program"):
        await first.account.read_orders()
    assert list(await rival.account.read_orders()) == []


@pytest.mark.row("GRD-38", "GRD-39")
async def test_three_sessions_are_three_accounts(site: Any) -> None:
    sessions = [
        site.session(trade_key_name=f"XTS_{role}_KEY", trade_secret_name=f"XTS_{role}_SECRET")
        for role in ("TRADE", "UPSIDE", "DOWNSIDE")
    ]
    for session in sessions:
        await session.open(market=False)
    contract = site.option(sessions[0])
    assert isinstance(await sessions[1].account.place(request(contract)), Acked)

    assert len({session.account.account_id for session in sessions}) == 3
    assert [len(await session.account.read_orders()) for session in sessions] == [0, 1, 0]
    assert all(session.state.is_live for session in sessions)


async def test_a_feed_alone_needs_no_trading_keys_and_an_account_alone_no_market_keys(site: Any) -> None:
    feed = site.session(reveal=only(*MARKET_SECRETS))
    await feed.open()
    account = site.session(reveal=only(*TRADE_SECRETS))
    await account.open()
    contract = site.option(account)

    assert feed.state.is_live and (await feed.feed.quote(contract.symbol)).ltp_paise > 0
    assert isinstance(await feed.account.place(request(contract)), NotSent)
    assert account.state.is_live and isinstance(await account.account.place(request(contract)), Acked)
    assert account.market.logins == 0, "the master needed no login here"
    nothing = site.session(reveal=only())
    with pytest.raises(SessionRefused, match="XTS_TRADE_KEY"):
        await nothing.open()


@pytest.mark.row("OPS-12")
async def test_no_secret_stands_in_anything_that_is_said(site: Any) -> None:
    session = site.session(QUICK)
    await session.open()
    await session.account.connect()
    tokens = [session.trade.token.text, session.market.token.text]
    site.venue.end_sessions()
    with pytest.raises(SessionRefused) as refused:
        await site.session(reveal=lambda _name: "hunter2secret").open()
    said = [str(refused.value), repr(session.trade.token), *site.notes, session.state.reason]

    assert not [text for text in said for secret in (*tokens, "hunter2secret", "rehearsal-xts") if secret in text]


@pytest.mark.parametrize("dialects", [("3",), ("4",)])
async def test_both_dialects_of_the_stream_are_found(site: Any, dialects: tuple[str, ...]) -> None:
    site.venue.dialects = dialects
    session = site.session()
    seen: list[Any] = []
    session.feed.listen(seen.append)
    await session.open()
    await session.feed.connect()
    await session.account.connect()
    contract = site.option(session)
    await session.feed.subscribe([contract.symbol])

    await site.until(lambda: len(seen) >= 3)
    assert {tick.symbol for tick in seen} == {contract.symbol}


@pytest.mark.row("OPT-09", "OPT-12", "GRD-50")
@pytest.mark.fault("MKT-03", "NET-02")
async def test_after_a_cut_the_stream_is_back_and_what_was_added_meanwhile_is_subscribed(site: Any) -> None:
    session = site.session()
    seen: set[str] = set()
    links: list[str] = []
    session.feed.listen(lambda tick: seen.add(tick.symbol))
    session.feed.on_link(links.append)
    await session.open()
    await session.feed.connect()
    symbols = [s for s, row in session.known_master.by_symbol.items() if row.instrument.is_option]
    await session.feed.subscribe(symbols[:2])
    site.venue.cut_streams()
    await site.until(lambda: len(links) == 2)
    await session.feed.subscribe(symbols[2:4])
    await site.until(lambda: links[-1] == "")
    seen.clear()

    await site.until(lambda: seen == set(symbols[:4]))


async def test_instruments_that_are_subscribed_already_are_no_failure(site: Any) -> None:
    session = site.session()
    seen: set[str] = set()
    session.feed.listen(lambda tick: seen.add(tick.symbol))
    await session.open()
    await session.feed.connect()
    rows = [row for row in session.known_master.by_symbol.values() if row.instrument.is_option][:3]
    await site.link.call(
        "POST", "/apimarketdata/instruments/subscription",
        json={"instruments": [{"exchangeSegment": 2, "exchangeInstrumentID": rows[1].number}], "xtsMessageCode": 1501},
        headers={"Authorization": session.market.token.text},
    )  # fmt: skip

    await session.feed.subscribe([row.instrument.symbol for row in rows])
    await site.until(lambda: seen == {row.instrument.symbol for row in rows})
    assert not [note for note in site.notes if "failed" in note]


async def test_subscriptions_leave_in_batches_below_the_brokers_cap(site: Any) -> None:
    session = site.session(SessionLimits(subscription_batch=10, quote_batch=10))
    await session.open()
    await session.feed.connect()
    symbols = [s for s, row in session.known_master.by_symbol.items() if row.instrument.is_option][:25]
    seen: set[str] = set()
    session.feed.listen(lambda tick: seen.add(tick.symbol))
    await session.feed.subscribe(symbols)

    assert seen == set(symbols), "the snapshot of each batch is a tick"
    row = next(row.instrument for row in session.known_master.by_symbol.values() if row.instrument.symbol == symbols[0])
    assert len(await session.feed.chain(row.underlying, row.expiry)) >= 25


async def test_an_order_that_is_acknowledged_and_then_rejected_says_so(site: Any) -> None:
    session = site.session()
    reports: list[Any] = []
    session.account.listen(reports.append, lambda _trade: None)
    await session.open()
    await session.account.connect()
    contract = site.option(session)
    huge = OrderRequest(
        tag="SDHUGE", symbol=contract.symbol, exchange=contract.exchange, product="MIS", side=Side.BUY,
        type=OrderType.LIMIT, qty=contract.lot_size, limit_paise=9_999_995, trigger_paise=0,
    )  # fmt: skip

    assert isinstance(await session.account.place(huge), Acked), "queued is not accepted"
    await site.until(lambda: any(report.reject_text for report in reports))
    row = next(row for row in await session.account.read_orders() if row.tag == "SDHUGE")
    assert row.state.value == "rejected" and row.reject_text.startswith("OEMS:RMS")


async def test_one_address_may_be_forbidden_and_nothing_else(site: Any) -> None:
    site.venue.terms = VenueTerms(trading_allowed=False)
    session = site.session()
    await session.open()
    assert session.state.may_trade is None
    await session.account.place(request(site.option(session)))

    assert session.state.may_trade is False and session.state.is_live
    assert list(await session.account.read_orders()) == []


@pytest.mark.parametrize(
    "result", [None, "", [], {}, {"token": ""}, {"token": 7}, {"token": "a\nb"}, {"token": "x" * 9000}, {"token": "é"}]
)
def test_a_login_without_a_token_that_can_be_used_is_none(result: Any) -> None:
    assert read_token(result, 0) is None


def test_a_recorded_login_is_read(fixture_of: Any) -> None:
    token = read_token(fixture_of("rest/login_interactive.json")["result"], 5)

    assert token is not None and (token.user_id, token.client_codes, token.is_investor) == ("CLI01", ("CLI01",), True)
    assert token.text not in repr(token)


async def test_a_refused_login_never_shows_what_was_sent(site: Any) -> None:
    link = HttpLink(f"http://127.0.0.1:{site.venue.port}", dict, deadline_s=3)
    with pytest.raises(SessionRefused) as refused:
        await ask_token(
            link, "/interactive/user/session", "bad-key", "bad-secret", name="interactive", now_ns=0, deadline_s=3
        )
    await link.close()

    assert "interactive" in str(refused.value) and "bad-" not in str(refused.value)


async def test_logins_at_once_are_one_login(site: Any) -> None:
    asked = 0

    async def ask() -> Token:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0.01)
        return Token(text="t", user_id="u", since_ns=site.floor.clock.now_ns())

    login = Login("interactive", ask, QUICK, site.floor.clock, lambda: None)
    await login.open()
    login.died(login.token, "gone")
    used = await asyncio.gather(*(login.use() for _ in range(5)))

    assert asked == 2 and all(token is login.token for token in used)


async def test_a_balance_is_found_by_its_name_and_may_be_owed(fixture_of: Any) -> None:
    from brokers.xts.account import funds_of

    whole = funds_of(fixture_of("rest/balance.json")["result"])
    segments = funds_of(fixture_of("rest/balance_multi_segment_excerpt.json")["result"])

    assert whole.available_paise == 26720
    assert segments.available_paise == 958700, "of ALL|ALL|ALL, though another segment comes first"
    for broken in (None, {}, {"BalanceList": [{"limitHeader": "CASH|NSE|MTF"}]}, {"BalanceList": [7]}):
        with pytest.raises(ReadFailed):
            funds_of(broken)
