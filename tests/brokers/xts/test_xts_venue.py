"""The rehearsal venue to outside clients: requests of a real OpenAlgo server, loose types, one session a key."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from websockets.asyncio.client import connect

ORDER: dict[str, Any] = {
    "exchangeSegment": "NSECM", "productType": "MIS", "orderType": "MARKET", "orderSide": "BUY", "timeInForce": "DAY",
    "disclosedQuantity": 0, "orderQuantity": 10, "limitPrice": 0.0, "stopPrice": 0.0,
    "orderUniqueIdentifier": "openalgo",
}  # fmt: skip


def known(text: str) -> str:
    """A recorded request names RELIANCE, which the demo has not: SBIN, and a price at which its order rests."""
    return text.replace("2885", "3045").replace("1400.0", "100.0").replace("1401.0", "101.0")


async def test_each_request_of_a_real_openalgo_server_is_answered_sensibly(
    site: Any, fixture_of: Callable[[str], Any]
) -> None:
    lines = [
        line for line in fixture_of("openalgo_plugin_requests.jsonl") if not line["method"].endswith("(websocket)")
    ]
    trade, market = await site.login(), await site.login("market")
    app_id = 0
    for line in lines:
        if isinstance(line["json"], str):
            continue  # cut by the log that recorded it
        path, body = known(line["path"]), json.loads(known(json.dumps(line["json"])))
        if path.endswith("/auth/login"):
            body = {"appKey": "rehearsal-plugin", "secretKey": "rehearsal", "source": "WebAPI"}
        path = path.replace("1110000002", str(app_id))
        if body and "appOrderID" in body:
            body["appOrderID"] = str(app_id)
        token = trade if path.startswith("/interactive") else market
        reply = await site.link.call(line["method"], path, json=body, headers={"Authorization": token})

        assert reply.is_json and reply.data["type"] in ("success", "error"), line
        is_unknown = bool(body) and body.get("exchangeInstrumentID", "") is None
        if is_unknown or path.startswith("/interactive/portfolio/holdings"):
            assert reply.status == 400 and reply.data["type"] == "error"
        elif line["method"] == "DELETE" or (body and body.get("modifiedLimitPrice")):
            assert reply.data["type"] == "success", (line, reply.data)
        else:
            assert reply.status == 200 and reply.data["type"] == "success", (line, reply.data)
        if body and body.get("productType") == "CNC" and reply.status == 200:
            app_id = reply.data["result"]["AppOrderID"]
    assert app_id


async def test_one_identifier_may_name_many_orders_as_at_a_real_server(site: Any) -> None:
    token = await site.login()
    for _ in range(3):
        body = {**ORDER, "exchangeInstrumentID": "3045", "orderType": "LIMIT", "limitPrice": "1"}
        reply = await site.link.call("POST", "/interactive/orders", json=body, headers={"Authorization": token})
        assert reply.data["result"]["OrderUniqueIdentifier"] == "openalgo"
    book = await site.link.call("GET", "/interactive/orders", headers={"Authorization": token})

    assert [row["OrderUniqueIdentifier"] for row in book.data["result"]] == ["openalgo"] * 3
    assert len({row["AppOrderID"] for row in book.data["result"]}) == 3


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("exchangeSegment", "NYSE"), ("exchangeInstrumentID", None), ("exchangeInstrumentID", 1), ("orderSide", "HOLD"),
        ("orderType", 7), ("orderQuantity", "ten"), ("orderQuantity", -1), ("limitPrice", "x"), ("productType", "BO"),
        ("orderUniqueIdentifier", "x" * 21),
    ],
)  # fmt: skip
async def test_a_wrong_request_is_told_which_field(site: Any, field: str, value: Any) -> None:
    token = await site.login()
    body = {**ORDER, "exchangeInstrumentID": 3045, field: value}
    reply = await site.link.call("POST", "/interactive/orders", json=body, headers={"Authorization": token})

    assert (reply.status, reply.data["description"]) == (400, "Bad Request")
    assert reply.data["result"]["errors"][0]["field"] == [field]


async def test_tokens_are_checked_as_the_broker_checks_them(site: Any) -> None:
    none = await site.link.call("GET", "/interactive/orders")
    wrong = await site.link.call("GET", "/interactive/orders", headers={"Authorization": "x"})
    market = await site.login("market")
    mixed = await site.link.call("GET", "/interactive/orders", headers={"Authorization": market})
    first = await site.login()
    second = await site.login()
    older = await site.link.call("GET", "/interactive/orders", headers={"Authorization": first})
    newer = await site.link.call("GET", "/interactive/orders", headers={"Authorization": second})
    stranger = await site.link.call(
        "POST", "/interactive/user/session", json={"appKey": "real", "secretKey": "rehearsal"}
    )

    assert (none.status, none.data["code"]) == (401, "e-token-0002")
    assert {(r.status, r.data["code"]) for r in (wrong, mixed, older)} == {(400, "e-session-0007")}
    assert (newer.status, newer.data["code"]) == (400, "e-orders-0005"), "an empty book is an error here"
    assert stranger.status == 400 and stranger.data["type"] == "error"


@pytest.mark.parametrize("dialect", ["3", "4"])
async def test_the_stream_greets_in_both_dialects_and_sends_a_dead_token_away(site: Any, dialect: str) -> None:
    root = f"ws://127.0.0.1:{site.venue.port}/apimarketdata/socket.io"
    query = f"userID=X&publishFormat=JSON&broadcastMode=FULL&transport=websocket&EIO={dialect}"
    async with connect(f"{root}/?token={await site.login('market')}&{query}", proxy=None) as socket:
        assert json.loads((await socket.recv())[1:])["pingInterval"] == 20000
        if dialect == "4":
            await socket.send("40")
        assert str(await socket.recv()).startswith("40")
        assert str(await socket.recv()).startswith('42["joined"')
        if dialect == "3":
            await socket.send("2")
            assert await socket.recv() == "3"
    async with connect(f"{root}?token=dead&{query}", proxy=None) as socket:
        if dialect == "4":
            await socket.send("40")
        frames = [str(frame) async for frame in socket]
    assert not [frame for frame in frames if "joined" in frame]


async def test_an_order_day_is_pushed_as_recorded_days_were(site: Any, fixture_of: Callable[[str], Any]) -> None:
    """Same events, same fields; our encoder leaves out nothing that a client could look for."""
    recorded: dict[str, set[str]] = {}
    for line in fixture_of("stream/lifecycle_2025-01-09_reconstructed.jsonl"):
        if line["kind"] == "event":
            recorded.setdefault(line["event"], set()).update(line["payload"])
    token = await site.login()
    root = f"ws://127.0.0.1:{site.venue.port}/interactive/socket.io/"
    heard: dict[str, dict[str, Any]] = {}
    async with connect(f"{root}?token={token}&transport=websocket&EIO=3&apiType=INTERACTIVE", proxy=None) as socket:
        body = {**ORDER, "exchangeInstrumentID": 3045}
        await site.link.call("POST", "/interactive/orders", json=body, headers={"Authorization": token})
        statuses: list[str] = []
        while "Filled" not in statuses or "trade" not in heard:
            frame = str(await socket.recv())
            if frame.startswith('42["') and "joined" not in frame:
                name, text = json.loads(frame[2:])
                heard[name] = json.loads(text)
                if name == "order":
                    statuses.append(heard[name]["OrderStatus"])

    assert statuses[0] == "PendingNew" and set(heard) == {"order", "trade", "position"}
    for name in ("order", "trade"):
        assert recorded[name] - set(heard[name]) == set(), name
    assert {"NetPosition", "LongPosition", "ShortPosition", "IsDayWiseNetWise"} <= set(heard["position"])
    assert heard["order"]["OrderAverageTradedPrice"] == "" and heard["order"]["OrderAverageTradedPriceAPI"] > 0
