"""Dhan's own Python client against the venue, over real sockets: it logs in, trades, lists and streams.

The client is synchronous and has no option for its addresses: its constants are pointed at the venue.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from dhanhq import DhanContext, MarketFeed, OrderUpdate, dhanhq
from dhanhq.auth import DhanLogin
from dhanhq.dhan_http import DhanHTTP

from brokers.dhan.venue import DhanVenue
from brokers.dhan.venue_catalogue import Contract
from brokers.venue.site import VenueTerms
from engine.instrument import Segment
from tui.paper_floor import PaperFloor

CLIENT, TOKEN = "1000000001", "rehearsal-token"


@pytest.fixture
def official(venue: DhanVenue, monkeypatch: pytest.MonkeyPatch) -> DhanContext:
    root = f"127.0.0.1:{venue.port}"
    monkeypatch.setattr(DhanHTTP, "API_BASE_URL", f"http://{root}/v2")
    monkeypatch.setattr(DhanLogin, "API_BASE_URL", f"http://{root}/v2")
    monkeypatch.setattr(DhanLogin, "AUTH_BASE_URL", f"http://{root}")
    monkeypatch.setattr(MarketFeed, "market_feed_wss", f"ws://{root}/feed")
    return DhanContext(CLIENT, TOKEN)


async def call(act: Callable[..., Any], *given: Any, **named: Any) -> Any:
    """In a thread, within a limit."""
    async with asyncio.timeout(10):
        return await asyncio.to_thread(act, *given, **named)


async def an_option(venue: DhanVenue) -> Contract:
    await venue.market.refresh()
    rows = venue.market.catalogue.by_symbol.values()
    return next(row for row in rows if row.instrument.short_name == "24500PE")


async def price(floor: PaperFloor, contract: Contract) -> float:
    """Once the exchange has seen one too."""
    ticked = asyncio.Event()
    floor.market.listen(lambda tick: ticked.set() if tick.symbol == contract.instrument.symbol else None)
    await floor.market.subscribe([contract.instrument.symbol])
    async with asyncio.timeout(5):
        await ticked.wait()
    return (await floor.market.quote(contract.instrument.symbol)).ltp_paise / 100


def terms(contract: Contract, **fields: Any) -> dict[str, Any]:
    return {
        "security_id": str(contract.security_id), "exchange_segment": "NSE_FNO", "transaction_type": "BUY",
        "quantity": contract.instrument.lot_size, "order_type": "LIMIT", "product_type": "INTRADAY", "price": 0.05,
    } | fields  # fmt: skip


async def rows_until(client: Any, order_id: str, *states: str) -> dict[str, Any]:
    for _ in range(200):
        (row,) = (await call(client.get_order_by_id, order_id))["data"]
        if row["orderStatus"] in states:
            return row
        await asyncio.sleep(0.02)
    raise AssertionError(row)


@pytest.mark.row("OPS-05")
async def test_it_places_modifies_finds_and_cancels(venue: DhanVenue, official: DhanContext, floor: PaperFloor) -> None:
    client, option = dhanhq(official), await an_option(venue)
    ltp = await price(floor, option)
    away = round((ltp - 20) * 20) / 20
    placed = await call(client.place_order, **terms(option, price=away, tag="my-label_1"))
    assert placed["status"] == "success" and placed["data"]["orderStatus"] == "TRANSIT"
    order_id = placed["data"]["orderId"]

    row = await rows_until(client, order_id, "PENDING")
    assert (row["correlationId"], row["price"], row["tradingSymbol"]) == ("my-label_1", away, option.trading_symbol)
    found = (await call(client.get_order_by_correlationID, "my-label_1"))["data"]
    assert (found if isinstance(found, dict) else found[0])["orderId"] == order_id
    missing = await call(client.get_order_by_correlationID, "other")
    assert not missing["data"]

    lots = 2 * option.instrument.lot_size
    changed = await call(client.modify_order, order_id, "LIMIT", "NA", lots, away - 1, 0, 0, "DAY")
    assert changed["status"] == "success"
    row = await rows_until(client, order_id, "PENDING")
    assert (row["quantity"], row["price"]) == (lots, away - 1)

    gone = await call(client.cancel_order, order_id)
    assert (gone["status"], gone["data"]["orderStatus"]) == ("success", "CANCELLED")
    await rows_until(client, order_id, "CANCELLED")
    again = await call(client.cancel_order, order_id)
    assert (again["status"], again["remarks"]["error_code"]) == ("failure", "DH-906")
    assert [row["orderId"] for row in (await call(client.get_order_list))["data"]] == [order_id]


async def test_a_market_order_becomes_a_limit_that_fills_and_makes_a_position(
    venue: DhanVenue, official: DhanContext, floor: PaperFloor
) -> None:
    client, option = dhanhq(official), await an_option(venue)
    await price(floor, option)
    placed = await call(client.place_order, **terms(option, order_type="MARKET", price=0))
    row = await rows_until(client, placed["data"]["orderId"], "TRADED")

    assert (row["orderType"], row["correlationId"]) == ("LIMIT", "NA")
    assert 0 < row["averageTradedPrice"] <= row["price"] and row["filledQty"] == option.instrument.lot_size
    trades = (await call(client.get_trade_book))["data"]
    assert sum(trade["tradedQuantity"] for trade in trades) == option.instrument.lot_size
    assert (await call(client.get_trade_book, row["orderId"]))["data"] == trades
    (position,) = (await call(client.get_positions))["data"]
    assert (position["netQty"], position["positionType"]) == (option.instrument.lot_size, "LONG")
    funds = (await call(client.get_fund_limits))["data"]
    spent = sum(trade["tradedQuantity"] * trade["tradedPrice"] for trade in trades)
    assert funds["availabelBalance"] == pytest.approx(funds["sodLimit"] - spent)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"quantity": 1}, "DH-905"),
        ({"price": 100.03}, "DH-905"),
        ({"security_id": "1"}, "DH-905"),
        ({"exchange_segment": "NSE_EQ"}, "DH-905"),
        ({"tag": "x" * 26}, "DH-905"),
        ({"tag": "a.b"}, "DH-905"),
        ({"product_type": "MTF"}, "DH-905"),
        ({"order_type": "STOP_LOSS_MARKET", "trigger_price": 90}, "DH-906"),
    ],
)
async def test_bad_input_is_refused_at_once(
    venue: DhanVenue, official: DhanContext, fields: dict[str, Any], code: str
) -> None:
    option = await an_option(venue)
    answer = await call(dhanhq(official).place_order, **terms(option, **fields))

    assert (answer["status"], answer["remarks"]["error_code"]) == ("failure", code)


async def test_what_the_exchange_refuses_is_accepted_and_rejected_later(
    venue: DhanVenue, official: DhanContext, floor: PaperFloor
) -> None:
    client, option = dhanhq(official), await an_option(venue)
    ltp = await price(floor, option)
    stop = terms(option, transaction_type="SELL", order_type="STOP_LOSS", price=ltp + 99, trigger_price=ltp + 100)
    stop |= {"price": round((ltp + 99) * 20) / 20, "trigger_price": round((ltp + 100) * 20) / 20}
    placed = await call(client.place_order, **stop)

    assert placed["status"] == "success"
    row = await rows_until(client, placed["data"]["orderId"], "REJECTED")
    assert row["omsErrorDescription"].startswith("RMS: ") and row["filledQty"] == 0


async def test_refusals_of_the_session_and_of_the_address(venue: DhanVenue, official: DhanContext) -> None:
    option = await an_option(venue)
    venue.terms = VenueTerms(trading_allowed=False, writes_per_s=1_000)
    refused = await call(dhanhq(official).place_order, **terms(option))
    assert refused["remarks"]["error_message"] == "Invalid IP"
    assert (await call(dhanhq(official).get_order_list))["status"] == "success", "reads are allowed"

    venue.terms = VenueTerms(writes_per_s=0)
    throttled = await call(dhanhq(official).place_order, **terms(option))
    assert throttled["remarks"]["error_code"] == "DH-904"

    stranger = dhanhq(DhanContext(CLIENT, "not-a-token"))
    assert (await call(stranger.get_order_list))["remarks"]["error_code"] == "DH-901"
    chart = await call(stranger.intraday_minute_data, "13", "IDX_I", "INDEX", "2026-11-25", "2026-11-26")
    assert chart["remarks"] == {
        "error_code": "DH-906", "error_type": "Order_Error", "error_message": "Invalid Token"
    }  # fmt: skip


async def test_quotes_bars_and_chains(
    venue: DhanVenue, official: DhanContext, floor: PaperFloor, until: Callable[..., Any]
) -> None:
    client, option = dhanhq(official), await an_option(venue)
    ltp = await price(floor, option)
    await until(lambda: option.instrument.symbol in venue.market.days)

    quote = await call(client.quote_data, {"NSE_FNO": [option.security_id], "NSE_EQ": [1]})
    inner = quote["data"]["data"]
    assert inner["NSE_EQ"] == {} and inner["NSE_FNO"][str(option.security_id)]["last_price"] == pytest.approx(
        ltp, rel=0.3
    )

    expiry = str(option.instrument.expiry)
    assert expiry in (await call(client.expiry_list, 13, "IDX_I"))["data"]["data"]
    await asyncio.sleep(0.2)  # one request in three seconds of the exchange clock
    chain = (await call(client.option_chain, 13, "IDX_I", expiry))["data"]["data"]["oc"]
    assert {"ce", "pe"} == set(chain["24500.000000"])

    bars = await call(client.intraday_minute_data, "13", "IDX_I", "INDEX", "2026-11-25", "2026-11-26")
    assert len(bars["data"]["timestamp"]) == len(bars["data"]["close"]) > 0
    none = await call(client.intraday_minute_data, "13", "IDX_I", "INDEX", "2020-01-01", "2020-01-02")
    assert none["status"] == "failure"
    assert (await call(client.get_holdings))["remarks"]["error_code"] == "DH-1111"


@pytest.mark.row("OPS-12")
async def test_all_three_logins_and_one_living_token_per_client(venue: DhanVenue, official: DhanContext) -> None:
    login = official.get_dhan_login()
    first = await call(login.generate_token, "rehearsal-pin", "123456")
    assert first["dhanClientId"] == CLIENT
    assert (await call(login.user_profile, first["accessToken"]))["dhanClientId"] == CLIENT

    renewed = await call(login.renew_token, first["accessToken"])
    assert (await call(dhanhq(DhanContext(CLIENT, renewed["accessToken"])).get_order_list))["status"] == "success"
    assert (await call(dhanhq(DhanContext(CLIENT, first["accessToken"])).get_order_list))["status"] == "failure"

    second = await call(login.generate_token, "rehearsal-pin", "123457")
    assert (await call(dhanhq(DhanContext(CLIENT, renewed["accessToken"])).get_order_list))["status"] == "failure"
    assert (await call(dhanhq(DhanContext(CLIENT, second["accessToken"])).get_order_list))["status"] == "success"
    assert (await call(login.generate_token, "1234", "123456"))["status"] == "error", "with HTTP 200"
    assert (await call(login.get_ip, second["accessToken"]))["data"]["ordersAllowed"] is True


@pytest.mark.row("GRD-50")
async def test_its_feed_hears_the_markets_prices(venue: DhanVenue, official: DhanContext, floor: PaperFloor) -> None:
    option = await an_option(venue)
    truth: set[str] = set()
    floor.market.listen(lambda tick: truth.add(f"{tick.ltp_paise / 100:.2f}"))

    def listen() -> list[dict[str, Any]]:
        contract = (MarketFeed.NSE_FNO, str(option.security_id), MarketFeed.Full)
        wanted = [contract, (MarketFeed.IDX, "13", MarketFeed.Ticker)]
        feed = MarketFeed(official, wanted)
        feed.run_forever()
        heard = [feed.get_data() for _ in range(30)]
        feed.close_connection()
        feed.loop.close()
        return [row for row in heard if isinstance(row, dict)]

    heard = await call(listen)
    full = [row for row in heard if row["type"] == "Full Data"]
    index = [row for row in heard if row["type"] == "Ticker Data"]
    assert full and index
    assert {row["LTP"] for row in full} <= truth and {row["LTP"] for row in index} <= truth
    assert all(row["security_id"] == option.security_id and row["depth"][0]["bid_quantity"] >= 0 for row in full)


@pytest.mark.row("HRD-44")
async def test_its_order_socket_hears_fills(
    venue: DhanVenue, official: DhanContext, floor: PaperFloor, until: Callable[..., Any]
) -> None:
    option = await an_option(venue)
    await price(floor, option)
    heard: list[dict[str, Any]] = []
    updates = OrderUpdate(official)
    updates.order_feed_wss = f"ws://127.0.0.1:{venue.port}/orders"
    updates.on_update = lambda frame: heard.append(json.loads(json.dumps(frame)))
    listening = asyncio.get_running_loop().create_task(updates.connect_order_update())
    await until(lambda: venue._order_sockets)

    await call(dhanhq(official).place_order, **terms(option, order_type="MARKET", price=0, tag="SOCKET"))
    await until(lambda: any({k.lower(): v for k, v in f["Data"].items()}["status"] == "Traded" for f in heard))
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    last = {key.lower(): value for key, value in heard[-1]["Data"].items()}
    assert (last["correlationid"], last["tradedqty"]) == ("SOCKET", option.instrument.lot_size)


async def test_two_clients_are_two_accounts_and_a_label_may_be_used_twice(
    venue: DhanVenue, official: DhanContext, floor: PaperFloor
) -> None:
    option = await an_option(venue)
    away = round((await price(floor, option) - 20) * 20) / 20
    mine, other = dhanhq(official), dhanhq(DhanContext("1000000002", TOKEN))
    for _ in range(2):
        placed = await call(mine.place_order, **terms(option, price=away, tag="TWICE"))
        assert placed["status"] == "success"

    labels = [row["correlationId"] for row in (await call(mine.get_order_list))["data"]]
    assert labels == ["TWICE", "TWICE"]
    assert (await call(other.get_order_list))["data"] == []
    assert option.instrument.segment is Segment.INDEX_OPTION
