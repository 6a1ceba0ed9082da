"""The official Python client logs in, places, modifies, cancels, lists and streams against the venue, on real sockets.

It is synchronous: every call runs in a thread, while the venue lives on this loop. Its ticker runs Twisted's reactor,
of which a process has one and only once: that part has a process of its own.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from kiteconnect import KiteConnect, exceptions

from brokers.venue.site import VenueTerms
from engine.instant import IST, NS_PER_S

pytestmark = pytest.mark.row("OPS-05")
KEY, TOKEN = "rehearsal-kite-api-key", "rehearsal-kite-access-token"


@pytest.fixture
def kite(venue: Any) -> KiteConnect:
    return KiteConnect(KEY, TOKEN, root=f"http://127.0.0.1:{venue.port}")


async def ask(call: Callable[..., Any], *values: Any, **fields: Any) -> Any:
    return await asyncio.to_thread(call, *values, **fields)


async def option(kite: KiteConnect) -> dict[str, Any]:
    rows = await ask(kite.instruments, "NFO")
    return next(row for row in rows if row["strike"] == 24500 and row["instrument_type"] == "PE")


def terms(row: dict[str, Any], price: float | None, **fields: Any) -> dict[str, Any]:
    base = {
        "variety": "regular", "exchange": row["exchange"], "tradingsymbol": row["tradingsymbol"],
        "transaction_type": "BUY", "quantity": row["lot_size"], "product": "MIS", "order_type": "LIMIT", "price": price,
        "validity": "DAY", "tag": "byhand1",
    }  # fmt: skip
    return base | fields


async def ltp_of(kite: KiteConnect, row: dict[str, Any]) -> float:
    name = f"{row['exchange']}:{row['tradingsymbol']}"
    return (await ask(kite.ltp, name))[name]["last_price"]


async def until_status(kite: KiteConnect, order_id: str, *words: str) -> dict[str, Any]:
    for _ in range(100):
        last = (await ask(kite.order_history, order_id))[-1]
        if last["status"] in words:
            return last
        await asyncio.sleep(0.02)
    raise AssertionError(f"never {words}: {last}")


async def test_it_logs_in_and_out_by_the_flow_of_the_browser(venue: Any) -> None:
    kite = KiteConnect(KEY, root=f"http://127.0.0.1:{venue.port}")
    data = await ask(kite.generate_session, "rehearsal-request", api_secret="rehearsal")
    assert kite.access_token == data["access_token"] and isinstance(data["login_time"], datetime)
    assert (await ask(kite.profile))["user_id"] == data["user_id"]

    with pytest.raises(exceptions.TokenException):
        await ask(kite.generate_session, "rehearsal-request", api_secret="rehearsal")
    with pytest.raises(exceptions.TokenException):
        await ask(kite.generate_session, "rehearsal-other", api_secret="a real secret")
    assert await ask(kite.invalidate_access_token) is True
    with pytest.raises(exceptions.TokenException):
        await ask(kite.profile)


async def test_it_places_modifies_and_cancels(kite: KiteConnect) -> None:
    row = await option(kite)
    price = round(await ltp_of(kite, row) - 20, 1)
    order_id = await ask(kite.place_order, **terms(row, price))
    assert (await until_status(kite, order_id, "OPEN"))["pending_quantity"] == row["lot_size"]

    more = row["lot_size"] * 2
    assert await ask(kite.modify_order, "regular", order_id, quantity=more, price=price - 1) == order_id
    (listed,) = [each for each in await ask(kite.orders) if each["order_id"] == order_id]
    assert (listed["quantity"], listed["price"], listed["tag"], listed["tags"]) == (
        more,
        price - 1,
        "byhand1",
        ["byhand1"],
    )
    assert isinstance(listed["order_timestamp"], datetime)

    assert await ask(kite.cancel_order, "regular", order_id) == order_id
    assert (await until_status(kite, order_id, "CANCELLED"))["cancelled_quantity"] == more
    walked = [each["status"] for each in await ask(kite.order_history, order_id)]
    assert walked[:4] == ["PUT ORDER REQ RECEIVED", "VALIDATION PENDING", "OPEN PENDING", "OPEN"]
    with pytest.raises(exceptions.OrderException):
        await ask(kite.cancel_order, "regular", order_id)


async def test_a_filled_order_makes_trades_positions_and_less_cash(kite: KiteConnect) -> None:
    row = await option(kite)
    ltp = await ltp_of(kite, row)
    order_id = await ask(kite.place_order, **terms(row, None, order_type="MARKET", market_protection=-1, tag=None))
    done = await until_status(kite, order_id, "COMPLETE")
    assert (done["order_type"], done["tag"], done["tags"][0]) == ("LIMIT", None, "mktp") and done["price"] > ltp

    trades = await ask(kite.order_trades, order_id)
    assert sum(trade["quantity"] for trade in trades) == row["lot_size"] and len(await ask(kite.trades)) == len(trades)
    (net,) = (await ask(kite.positions))["net"]
    assert (net["quantity"], net["tradingsymbol"]) == (row["lot_size"], row["tradingsymbol"])
    assert abs(net["pnl"] - (net["sell_value"] - net["buy_value"] + net["quantity"] * net["last_price"])) < 0.01
    spent = sum(trade["quantity"] * trade["average_price"] for trade in trades)
    assert (await ask(kite.margins, "equity"))["net"] == pytest.approx(500_000 - spent)
    assert (await ask(kite.order_margins, [terms(row, 10.0)]))[0]["total"] == 10.0 * row["lot_size"]


async def test_it_is_refused_in_its_own_exceptions(kite: KiteConnect, venue: Any) -> None:
    row = await option(kite)
    price = round(await ltp_of(kite, row) - 20, 1)
    for wrong, kind in [
        (terms(row, price, quantity=1), exceptions.InputException),
        (terms(row, price, tradingsymbol="NOSUCH"), exceptions.InputException),
        (terms(row, price, tag="a-b"), exceptions.InputException),
        (terms(row, price, product="BO"), exceptions.InputException),
        (terms(row, price, variety="amo"), exceptions.InputException),
        (terms(row, None), exceptions.InputException),
        (terms(row, None, order_type="MARKET"), exceptions.InputException),
        (terms(row, None, order_type="MARKET", market_protection=True), exceptions.InputException),
    ]:
        with pytest.raises(kind):
            await ask(kite.place_order, **wrong)

    rejected = await ask(kite.place_order, **terms(row, 9_000.0, quantity=row["lot_size"] * 27))
    assert (await until_status(kite, rejected, "REJECTED"))["status_message"].startswith("RMS:")
    venue.terms = VenueTerms(writes_per_s=0)
    with pytest.raises(exceptions.NetworkException) as throttled:
        await ask(kite.place_order, **terms(row, price))
    assert throttled.value.code == 429
    venue.terms = VenueTerms(trading_allowed=False, writes_per_s=1_000)
    with pytest.raises(exceptions.PermissionException) as barred:
        await ask(kite.place_order, **terms(row, price))
    assert barred.value.code == 403 and "not allowed" in str(barred.value)
    assert await ask(kite.orders), "reads go on"
    venue.end_sessions()
    with pytest.raises(exceptions.TokenException) as dead:
        await ask(kite.orders)
    assert dead.value.code == 403


async def test_a_tag_is_only_a_label_and_may_repeat_or_be_missing(kite: KiteConnect) -> None:
    row = await option(kite)
    price = round(await ltp_of(kite, row) - 20, 1)
    tags = ["twice", "twice", "two words", None]
    placed = [await ask(kite.place_order, **terms(row, price, tag=tag)) for tag in tags]

    found = {each["order_id"]: each["tag"] for each in await ask(kite.orders)}
    assert [found[order_id] for order_id in placed] == tags


async def test_a_stop_market_order_of_an_option_is_accepted_and_then_rejected(kite: KiteConnect) -> None:
    row = await option(kite)
    stop = terms(row, None, order_type="SL-M", transaction_type="SELL", trigger_price=50.0, market_protection=-1)
    order_id = await ask(kite.place_order, **stop)

    assert "SL-M" in (await until_status(kite, order_id, "REJECTED"))["status_message"]
    with pytest.raises(exceptions.InputException):
        await ask(kite.place_order, **(stop | {"market_protection": None}))


async def test_quotes_and_candles_have_the_brokers_shape(kite: KiteConnect, floor: Any) -> None:
    row = await option(kite)
    name = f"{row['exchange']}:{row['tradingsymbol']}"
    quote = await ask(kite.quote, [name, "NFO:NOSUCH", "NSE:NIFTY 50"])
    assert set(quote) == {name, "NSE:NIFTY 50"} and len(quote[name]["depth"]["buy"]) == 5
    assert quote[name]["instrument_token"] == row["instrument_token"]
    assert set((await ask(kite.ohlc, name))[name]) == {"instrument_token", "last_price", "ohlc"}

    await asyncio.sleep(0.3)
    now = datetime.fromtimestamp(floor.clock.now_ns() // NS_PER_S, IST)
    since = now.replace(hour=0, minute=0)
    candles = await ask(kite.historical_data, row["instrument_token"], since, now.replace(hour=23), "minute", oi=True)
    assert candles and all(c["low"] <= c["open"] <= c["high"] and c["oi"] == 0 for c in candles)


TICKER = """
import json, sys, threading
from kiteconnect import KiteTicker
root, key, token, instrument, index = sys.argv[1:]
ticker = KiteTicker(key, token, root=root, reconnect=False)
ticks, orders = [], []

def on_connect(ws, response):
    ws.subscribe([int(instrument), int(index)])
    ws.set_mode(ws.MODE_FULL, [int(instrument), int(index)])

def on_ticks(ws, some):
    if not ticks:
        print("up", flush=True)
    for tick in some:
        ticks.append({k: tick.get(k) for k in ("instrument_token", "mode", "last_price", "tradable")}
                     | {"bid": tick.get("depth", {}).get("buy", [{}])[0].get("price")})
    done()

def on_order(ws, data):
    orders.append([data["status"], data["order_id"], data["tag"]])
    done()

def done():
    if len(ticks) > 8 and any(status == "OPEN" for status, *_ in orders):
        print(json.dumps({"ticks": ticks, "orders": orders}), flush=True)
        ticker.close(); ticker.stop()

ticker.on_connect, ticker.on_ticks, ticker.on_order_update = on_connect, on_ticks, on_order
threading.Timer(20, ticker.stop).start()
ticker.connect()
"""


@pytest.mark.row("GRD-50", "HRD-44")
async def test_its_ticker_hears_ticks_and_order_updates(kite: KiteConnect, venue: Any) -> None:
    row = await option(kite)
    index = next(each for each in await ask(kite.instruments, "NSE") if each["tradingsymbol"] == "NIFTY 50")
    price = round(await ltp_of(kite, row) - 20, 1)
    words = [f"ws://127.0.0.1:{venue.port}", KEY, TOKEN, row["instrument_token"], index["instrument_token"]]
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", TICKER, *map(str, words), stdout=asyncio.subprocess.PIPE
    )
    assert child.stdout is not None
    try:
        async with asyncio.timeout(15):
            assert await child.stdout.readline() == b"up\n"
            order_id = await ask(kite.place_order, **terms(row, price))
            heard = json.loads(await child.stdout.readline())
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()

    mine = [tick for tick in heard["ticks"] if tick["instrument_token"] == row["instrument_token"]]
    assert mine and all(tick["last_price"] > 0 and tick["tradable"] for tick in mine)
    assert all(tick["mode"] == "full" and 0 < tick["bid"] <= tick["last_price"] for tick in mine[1:])
    assert any(tick["last_price"] > 10_000 and not tick["tradable"] for tick in heard["ticks"])
    assert [status for status, *_ in heard["orders"]][:2] == ["PUT ORDER REQ RECEIVED", "VALIDATION PENDING"]
    assert {(order, tag) for _, order, tag in heard["orders"]} == {(order_id, "byhand1")}
