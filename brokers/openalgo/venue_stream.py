"""The venue's WebSocket proxy: authentication, subscriptions, ticks and order updates (facts/openalgo.md §7)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from aiohttp import WSMsgType, web

from brokers.openalgo.shapes import object_of, rows_of
from brokers.openalgo.venue_market import tick_frame
from engine.tick import Tick

_AUTH_S: Final = 15.0
"""Real seconds a client has to authenticate."""
_TOO_LATE: Final = 4401
_WAITING_MAX: Final = 1024
"""Frames that wait for one client; more are left out, ticks first."""
_MODES: Final[dict[object, int]] = {1: 1, 2: 2, 3: 3, "ltp": 1, "quote": 2, "depth": 3}
_MODE_NAMES: Final = {1: "LTP", 2: "Quote", 3: "Depth"}
_JSON: Final = msgspec.json.Encoder()


class Client:
    """One connection: who it is and what it wants to hear."""

    def __init__(self) -> None:
        self.account = ""
        """Empty until it has authenticated."""
        self.modes: dict[str, set[int]] = {}
        """By symbol; each mode is a frame of its own."""
        self.wants_orders = False
        self.queue: asyncio.Queue[str] = asyncio.Queue()

    def tell(self, frame: Mapping[str, Any]) -> None:
        if self.queue.qsize() < 2 * _WAITING_MAX:
            self.queue.put_nowait(_JSON.encode(frame).decode())

    def tell_tick(self, text: str) -> None:
        if self.queue.qsize() < _WAITING_MAX:
            self.queue.put_nowait(text)


class Desk:
    """What the proxy asks of the venue."""

    def __init__(
        self,
        account_of: Callable[[object], str],
        exchange_of: Callable[[str], str],
        want: Callable[[str], None],
        broker: Callable[[], str],
        now_ms: Callable[[], int],
    ) -> None:
        """`account_of` answers empty for a key that is not taken, `exchange_of` for a symbol that is not known."""
        self.account_of = account_of
        self.exchange_of = exchange_of
        self.want = want
        self.broker = broker
        self.now_ms = now_ms


class Proxy:
    """All connections. `has_order_updates` False: an older server, which knows no `subscribe_orders`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._clients: set[Client] = set()
        self.has_order_updates = True

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(heartbeat=20.0, compress=False)
        await socket.prepare(request)
        client = Client()
        self._clients.add(client)
        sender = asyncio.get_running_loop().create_task(_send(socket, client))
        late = asyncio.get_running_loop().call_later(_AUTH_S, lambda: self._hurry(socket, client))
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    self._hear(client, message.data)
        finally:
            late.cancel()
            self._clients.discard(client)
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)
        return socket

    def _hurry(self, socket: web.WebSocketResponse, client: Client) -> None:
        if not client.account:
            self._closing = asyncio.get_running_loop().create_task(
                socket.close(code=_TOO_LATE, message=b"auth timeout")
            )

    def on_tick(self, tick: Tick) -> None:
        frames: dict[int, str] = {}
        for client in self._clients:
            for mode in client.modes.get(tick.symbol, ()):
                if mode not in frames:
                    frame = tick_frame(tick, self._desk.exchange_of(tick.symbol), mode, self._desk.broker())
                    frames[mode] = _JSON.encode(frame).decode()
                client.tell_tick(frames[mode])

    def on_update(self, account: str, frame: Mapping[str, Any]) -> None:
        for client in self._clients:
            if client.account == account and client.wants_orders:
                client.tell(frame)

    # --- what clients send --------------------------------------------------------------------------------------------

    def _hear(self, client: Client, text: str) -> None:
        try:
            body = object_of(msgspec.json.decode(text))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            client.tell(_error("INVALID_JSON", "Invalid JSON message"))
            return
        action = body.get("action") or body.get("type")
        if action in ("authenticate", "auth"):
            self._authenticate(client, body)
        elif not client.account:
            client.tell(_error("NOT_AUTHENTICATED", "You must authenticate first"))
        else:
            self._act(client, str(action)[:40], body)

    def _authenticate(self, client: Client, body: Mapping[str, Any]) -> None:
        account = self._desk.account_of(body.get("api_key") or body.get("apikey"))
        if not account:
            client.tell(_error("AUTHENTICATION_ERROR", "Invalid API key"))
            return
        client.account = account
        client.tell({
            "type": "auth", "status": "success", "message": "Authentication successful", "broker": self._desk.broker(),
            "user_id": account, "supported_features": {"ltp": True, "quote": True, "depth": True},
        })  # fmt: skip

    def _act(self, client: Client, action: str, body: Mapping[str, Any]) -> None:
        match action:
            case "subscribe":
                self._subscribe(client, body)
            case "unsubscribe":
                gone = [str(row.get("symbol")) for row in _symbols(body)]
                for symbol in gone:
                    client.modes.pop(symbol, None)
                client.tell({
                    "type": "unsubscribe", "status": "success", "message": "Unsubscription processing complete",
                    "successful": [{"symbol": symbol, "status": "success"} for symbol in gone], "failed": [],
                    **_echo(body),
                })  # fmt: skip
            case "subscribe_orders" | "unsubscribe_orders" if self.has_order_updates:
                client.wants_orders = action == "subscribe_orders"
                verb = "Subscribed to" if client.wants_orders else "Unsubscribed from"
                client.tell({"type": action, "status": "success", "message": f"{verb} order updates", **_echo(body)})
            case "ping":
                client.tell({
                    "type": "pong", "status": "success", "server_timestamp": self._desk.now_ms(),
                    "client_timestamp": body.get("timestamp"), "_pingId": body.get("_pingId"),
                })  # fmt: skip
            case "get_broker_info":
                client.tell({
                    "type": "broker_info", "status": "success", "broker": self._desk.broker(),
                    "adapter_status": "connected", "user_id": client.account,
                })  # fmt: skip
            case _:
                client.tell(_error("INVALID_ACTION", f"Invalid action: {action}"))

    def _subscribe(self, client: Client, body: Mapping[str, Any]) -> None:
        word = body.get("mode", "Quote")
        mode = _MODES.get(word.lower() if isinstance(word, str) else word)
        if mode is None:
            text = f"Invalid mode '{word}'; expected 'LTP', 'Quote', or 'Depth' (case-insensitive)"
            client.tell(_error("INVALID_MODE", text))
            return
        rows: list[dict[str, Any]] = []
        for row in _symbols(body):
            symbol, exchange = str(row.get("symbol")), row.get("exchange")
            known = self._desk.exchange_of(symbol) == exchange and bool(exchange)
            entry = {"symbol": symbol, "exchange": exchange, "status": "success", "mode": _MODE_NAMES[mode], "depth": 5}
            if known:
                client.modes.setdefault(symbol, set()).add(mode)
                self._desk.want(symbol)
            else:
                text = f"Symbol {symbol} not found for exchange {exchange}"
                entry = {"symbol": symbol, "exchange": exchange, "status": "error", "message": text}
            rows.append({**entry, "broker": self._desk.broker()})
        is_whole = all(row["status"] == "success" for row in rows)
        client.tell({
            "type": "subscribe", "status": "success" if is_whole else "partial", "subscriptions": rows,
            "message": "Subscription processing complete", "broker": self._desk.broker(), **_echo(body),
        })  # fmt: skip


async def _send(socket: web.WebSocketResponse, client: Client) -> None:
    while True:
        await socket.send_str(await client.queue.get())


def _symbols(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The list, or the one contract that older clients send."""
    rows = rows_of(body.get("symbols"))
    return [object_of(row) for row in rows] if rows is not None else [body]


def _echo(body: Mapping[str, Any]) -> dict[str, Any]:
    return {"request_id": body["request_id"]} if "request_id" in body else {}


def _error(code: str, message: str) -> dict[str, Any]:
    return {"status": "error", "code": code, "message": message}
