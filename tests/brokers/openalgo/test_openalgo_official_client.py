"""The official Python client works against the venue, and reads the frames as we do (real sockets, a thread)."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from brokers.openalgo import frames
from brokers.openalgo.frames import Quote
from engine.instrument import Segment

pytestmark = pytest.mark.row("OPS-05")
openalgo = pytest.importorskip("openalgo")
KEY = "rehearsal-official"


@pytest.fixture
def client(server: Any) -> Any:
    return openalgo.api(api_key=KEY, host=f"http://{server.address}", ws_url=f"ws://{server.address}/ws")


async def option_of(server: Any) -> Any:
    rows = await server.floor.market.instruments()
    return next(r for r in rows if r.segment is Segment.INDEX_OPTION and r.short_name == "24500PE")


def until(is_so: Callable[[], Any]) -> Any:
    """In the client's thread."""
    ended = threading.Event()
    for _ in range(400):
        if found := is_so():
            return found
        ended.wait(0.02)
    raise AssertionError("never")


@pytest.mark.parametrize("mode", ["analyze", "live"])
async def test_it_places_modifies_lists_and_cancels(server: Any, client: Any, mode: str) -> None:
    server.venue.mode = mode
    option = await option_of(server)
    ltp = (await server.floor.market.quote(option.symbol)).ltp_paise
    low = max(5, (ltp - 3000) // 5 * 5) / 100
    names = {"symbol": option.symbol, "exchange": "NFO", "action": "BUY", "product": "MIS"}

    def trade() -> None:
        assert client.analyzerstatus()["data"]["mode"] == mode
        placed = client.placeorder(strategy="Python", price_type="LIMIT", quantity=65, price=low, **names)
        assert placed["status"] == "success" and placed.get("mode") == (None if mode == "live" else "analyze")
        order_id = str(placed["orderid"])
        again = client.placeorder(strategy="Python", price_type="LIMIT", quantity=65, price=low, **names)
        assert again["status"] == "success" and str(again["orderid"]) != order_id, "identical orders are both taken"

        status = client.orderstatus(order_id=order_id, strategy="Python")["data"]
        assert (status["order_status"], status["quantity"]) == ("open", 65)
        changed = client.modifyorder(
            order_id=order_id, strategy="Python", price_type="LIMIT", quantity=130, price=low - 1, **names
        )
        assert changed["status"] == "success"
        book = {row["orderid"]: row for row in client.orderbook()["data"]["orders"]}
        assert (book[order_id]["quantity"], book[order_id]["price"]) == (130, pytest.approx(low - 1))
        assert ("strategy" in book[order_id]) == ("filled_quantity" in book[order_id]) == (mode == "analyze")
        assert client.cancelorder(order_id=order_id, strategy="Python")["status"] == "success"
        second = client.cancelorder(order_id=order_id, strategy="Python")
        assert second["status"] == "error" and second["code"] == 400

        bought = client.placeorder(strategy="Python", price_type="MARKET", quantity=65, **names)
        assert bought["status"] == "success"
        status = until(
            lambda: [
                row
                for row in client.orderbook()["data"]["orders"]
                if row["orderid"] == str(bought["orderid"]) and row["order_status"] == "complete"
            ]
        )
        (fill,) = [row for row in client.tradebook()["data"] if row["orderid"] == str(bought["orderid"])]
        assert fill["quantity"] == 65 and ("tradeid" in fill) == (mode == "analyze")
        held = client.positionbook()["data"][0]["quantity"]
        assert held == ("65" if mode == "live" else 65)
        assert (
            client.openposition(strategy="Python", symbol=option.symbol, exchange="NFO", product="MIS")["quantity"]
            == held
        )
        assert float(client.funds()["data"]["availablecash"]) < 500_000

    await asyncio.to_thread(trade)


async def test_it_reads_prices_contracts_and_chains(server: Any, client: Any) -> None:
    option = await option_of(server)
    await server.floor.market.subscribe([option.symbol])
    await server.until(lambda: option.symbol in server.venue._market.ticks)
    name = {"symbol": option.symbol, "exchange": "NFO"}

    def read() -> None:
        quote = client.quotes(**name)["data"]
        assert 0 < quote["bid"] <= quote["ltp"] <= quote["ask"]
        assert client.depth(**name)["data"]["bids"][0]["quantity"] > 0
        assert client.symbol(**name)["data"]["lotsize"] == 65
        assert client.symbol(symbol="NOPE", exchange="NFO")["code"] == 404
        assert option.symbol in set(client.instruments(exchange="NFO")["symbol"])
        dates = client.expiry(symbol="NIFTY", exchange="NFO", instrumenttype="options")["data"]
        chain = client.optionchain(
            underlying="NIFTY", exchange="NSE_INDEX", expiry_date=dates[0].replace("-", ""), strike_count=3
        )
        assert len(chain["chain"]) == 7 and chain["chain"][3]["strike"] == chain["atm_strike"]
        day = "2026-11-25"
        bars = client.history(**name, interval="1m", start_date=day, end_date=day)
        assert (bars["high"] >= bars["low"]).all() and len(bars) >= 1
        assert client.quotes(symbol="NOPE", exchange="NFO")["code"] == 400
        both = client.multiquotes(symbols=[name, {"symbol": "NOPE", "exchange": "NFO"}])["results"]
        assert "error" in both[0] and both[1]["data"]["ltp"] > 0

    await asyncio.to_thread(read)


async def test_it_streams_and_reads_every_frame_as_we_do(server: Any, client: Any) -> None:
    option = await option_of(server)
    told: list[str] = []
    heard: list[Any] = []
    process = client._process_message

    def both(text: str) -> None:
        told.append(text)
        process(text)

    client._process_message = both

    def stream() -> None:
        assert client.connect()
        client.subscribe_depth([{"exchange": "NFO", "symbol": option.symbol}], on_data_received=heard.append)
        client.subscribe_ltp([{"exchange": "NFO", "symbol": option.symbol}])
        until(lambda: len(heard) > 20)
        until(lambda: client.ltp_data)
        client.disconnect()

    await asyncio.to_thread(stream)
    depth = [text for text in told if json.loads(text).get("mode") == 3]
    assert len(depth) >= len(heard) > 20
    for text, theirs in zip(depth, heard, strict=False):
        ours = frames.read_frame(text)
        level = theirs["data"]["depth"]["buy"][0]
        assert isinstance(ours, Quote)
        assert (ours.ltp_paise, ours.bid_paise, ours.bid_qty, ours.at_ns) == (
            round(theirs["data"]["ltp"] * 100), round(level["price"] * 100), level["quantity"],
            theirs["data"]["timestamp"] * 10**6,
        )  # fmt: skip


async def test_strangers_are_sent_away_as_the_server_sends_them(server: Any) -> None:
    stranger = openalgo.api(api_key="nobody", host=f"http://{server.address}", ws_url=f"ws://{server.address}/ws")

    def knock() -> None:
        assert stranger.funds()["code"] == 403 and "Invalid openalgo apikey" in stranger.funds()["message"]
        assert stranger.placeorder(symbol="X", action="BUY", exchange="NFO")["code"] == 403

    await asyncio.to_thread(knock)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"client_order_id": "x"}, "{'client_order_id': ['Unknown field.']}"),
        ({"strategy": None}, "{'strategy': ['Missing data for required field.']}"),
        ({"action": "Buy"}, "{'action': ['Must be one of: BUY, SELL, buy, sell.']}"),
        ({"quantity": 0}, "{'quantity': ['Quantity must be a positive number.']}"),
        ({"price_type": "LIMIT"}, "{'price_type': ['Unknown field.']}"),
        ({"symbol": "NOPE"}, "Symbol NOPE not found on NFO"),
        ({"quantity": 50}, "Quantity must be in multiples of lot size 65"),
        ({"price": 0}, "LIMIT orders require price"),
    ],
)
async def test_the_venue_refuses_in_the_servers_words(server: Any, change: dict[str, Any], told: str) -> None:
    option = await option_of(server)
    body = {
        "apikey": KEY, "strategy": "s", "symbol": option.symbol, "exchange": "NFO", "action": "BUY", "quantity": 65,
        "pricetype": "LIMIT", "product": "MIS", "price": 100,
    } | change  # fmt: skip
    sent = {name: value for name, value in body.items() if value is not None}
    async with httpx.AsyncClient(base_url=f"http://{server.address}/api/v1") as http:
        reply = await http.post("/placeorder", json=sent)
        nothing = await http.post("/nosuch", json=sent)
        form = await http.post("/placeorder", data={"a": "1"})
        malformed = await http.post("/placeorder", content=b"{bad json", headers={"Content-Type": "application/json"})

    assert (reply.status_code, reply.json()["message"]) == (400, told)
    assert (nothing.status_code, nothing.json()["message"]) == (404, "Not found")
    assert form.status_code == 500 and "status" not in malformed.json() and malformed.status_code == 400
