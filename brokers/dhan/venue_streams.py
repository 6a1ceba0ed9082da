"""The venue's two sockets: the feed of binary packets, and the order updates (facts/dhan.md §5)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import msgspec
from aiohttp import WSMsgType, web

from brokers.dhan.venue_catalogue import Contract
from brokers.dhan.venue_market import VenueMarket
from brokers.dhan.venue_packets import (
    FULL_MODE,
    QUOTE_MODE,
    TICKER_MODE,
    disconnection,
    market_status,
    packet_of,
    previous_close,
)
from brokers.dhan.vocabulary import list_in, object_in, text_of

CONNECTIONS_MAX: Final = 5
"""Of one user; one more ends the oldest."""
_INSTRUMENTS_MAX: Final = 5000
_BATCH_MAX: Final = 100
_MESSAGE_MAX: Final = 64 * 1024
_WAITING_MAX: Final = 4096
"""Packets that wait for a client; above it the oldest are left out."""
_STACKED_FROM: Final = 8
"""Waiting packets that leave in one frame."""
_PING_S: Final = 10.0
_LOGIN_S: Final = 5.0
_MODES: Final = (TICKER_MODE, QUOTE_MODE, FULL_MODE)
TOO_MANY_INSTRUMENTS, TOO_MANY_CONNECTIONS, EXPIRED, REFUSED = 804, 805, 807, 808


class FeedSocket:
    """One connection to the feed."""

    def __init__(self, socket: web.WebSocketResponse, client_id: str, token: str) -> None:
        self.client_id = client_id
        self.token = token
        self._socket = socket
        self._modes: dict[str, int] = {}
        self._contracts: dict[str, Contract] = {}
        self._waiting: dict[tuple[str, int], bytes] = {}
        self._ready = asyncio.Event()
        self._is_over = False

    async def serve(self, market: VenueMarket, subscribe: Callable[[list[str]], Any]) -> None:
        writer = asyncio.get_running_loop().create_task(self._write())
        try:
            async for message in self._socket:
                if message.type is WSMsgType.TEXT and not await self._take(message.data, market, subscribe):
                    break
        finally:
            self._is_over = True
            self._ready.set()
            with suppress(ConnectionError):
                await writer

    async def _take(self, text: str, market: VenueMarket, subscribe: Callable[[list[str]], Any]) -> bool:
        """One request. What is not understood has no answer here; False ends the connection."""
        try:
            asked = object_in(msgspec.json.decode(text))
        except msgspec.DecodeError:
            return True
        code, rows = asked.get("RequestCode"), list_in(asked.get("InstrumentList"))
        if code == 12:
            return False
        if not isinstance(code, int) or len(rows) > _BATCH_MAX:
            return True
        found = [market.contract(row.get("ExchangeSegment"), row.get("SecurityId")) for row in map(object_in, rows)]
        contracts = [contract for contract in found if contract is not None]
        if code in _MODES:
            if len(self._modes) + len(contracts) > _INSTRUMENTS_MAX:
                self.cut(TOO_MANY_INSTRUMENTS)
                return True
            for contract in contracts:
                symbol = contract.instrument.symbol
                self._modes[symbol], self._contracts[symbol] = code, contract
                if contract.segment == "IDX_I" and symbol in market.days:
                    self._send(symbol, 6, previous_close(contract, market.days[symbol].open_paise))
            for segment in {contract.code for contract in contracts}:
                self._send(str(segment), 7, market_status(segment))
            await subscribe([contract.instrument.symbol for contract in contracts])
        elif code - 1 in _MODES:
            for contract in contracts:
                self._modes.pop(contract.instrument.symbol, None)
        return True

    def show(self, symbol: str, market: VenueMarket) -> None:
        mode = self._modes.get(symbol)
        if mode is not None:
            self._send(symbol, mode, packet_of(self._contracts[symbol], mode, market.days[symbol]))

    def cut(self, reason: int) -> None:
        """Say why, and end the connection."""
        self._send("", 50, disconnection(reason))
        self._is_over = True
        self._ready.set()

    def _send(self, symbol: str, code: int, packet: bytes) -> None:
        """A newer packet of one contract takes the place of one that still waits."""
        if self._is_over or not packet:
            return
        self._waiting.pop((symbol, code), None)
        while len(self._waiting) >= _WAITING_MAX:
            self._waiting.pop(next(iter(self._waiting)))
        self._waiting[symbol, code] = packet
        self._ready.set()

    async def _write(self) -> None:
        """One packet in a frame, as Dhan's own client expects it; stacked when many wait for a slow reader."""
        while not self._is_over or self._waiting:
            await self._ready.wait()
            self._ready.clear()
            packets, self._waiting = list(self._waiting.values()), {}
            for frame in packets if len(packets) < _STACKED_FROM else (b"".join(packets),):
                if not self._socket.closed:
                    await self._socket.send_bytes(frame)
        if not self._socket.closed:
            await self._socket.close()


async def feed_socket(
    request: web.Request,
    sockets: list[FeedSocket],
    is_alive: Callable[[str], bool],
    market: VenueMarket,
    subscribe: Callable[[list[str]], Any],
) -> web.WebSocketResponse:
    """Serves one connection to its end. A bad token is taken too, told with a packet, and dropped."""
    socket = web.WebSocketResponse(heartbeat=_PING_S, max_msg_size=_MESSAGE_MAX, compress=False)
    await socket.prepare(request)
    client_id, token = request.query.get("clientId", ""), request.query.get("token", "")
    if not is_alive(token) or request.query.get("authType") != "2":
        await socket.send_bytes(disconnection(EXPIRED if token else REFUSED))
        await socket.close()
        return socket
    feed = FeedSocket(socket, client_id, token)
    same = [other for other in sockets if other.client_id == client_id]
    if len(same) >= CONNECTIONS_MAX:
        same[0].cut(TOO_MANY_CONNECTIONS)
    sockets.append(feed)
    try:
        await feed.serve(market, subscribe)
    finally:
        sockets.remove(feed)
    return socket


async def order_login(socket: web.WebSocketResponse) -> tuple[str, str]:
    """(client id, token) of the first message; empty when it is none. A login is never acknowledged."""
    with suppress(TimeoutError):
        message = await socket.receive(timeout=_LOGIN_S)
        if message.type is WSMsgType.TEXT:
            with suppress(msgspec.DecodeError):
                asked = object_in(msgspec.json.decode(message.data))
                login = object_in(asked.get("LoginReq"))
                if asked.get("UserType") == "SELF" and login.get("MsgCode") == 42:
                    return text_of(login.get("ClientId")), text_of(login.get("Token"))
    return "", ""
