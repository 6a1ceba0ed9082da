"""The server's side of one Socket.IO websocket, in both dialects, for the rehearsal venue (facts/xts.md §6)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

import msgspec
from aiohttp import WSMsgType, web

from brokers.xts import socketio

PING_S: Final = 20.0
"""Real seconds, as the open packet says."""
_WAITING_MAX: Final = 20_000
"""Frames; a client that reads nothing for so long loses its connection."""
_NAMESPACE_S: Final = 10.0


class VenueSocket:
    """`serve` one upgraded request; `emit` at any time."""

    def __init__(self, request: web.Request, sid: str) -> None:
        self._request = request
        self._sid = sid
        self._dialect = 4 if request.query.get("EIO") == "4" else 3
        self._socket = web.WebSocketResponse(heartbeat=None, max_msg_size=64 * 1024)
        self._waiting: asyncio.Queue[str | None] = asyncio.Queue(_WAITING_MAX)
        self._is_joined = False

    @property
    def response(self) -> web.WebSocketResponse:
        return self._socket

    def emit(self, name: str, payload: object) -> None:
        """A payload travels as a JSON text inside the event."""
        if self._is_joined:
            text = payload if isinstance(payload, str) else msgspec.json.encode(payload).decode()
            self.emit_frame(socketio.event_frame(name, text))

    def emit_frame(self, frame: str) -> None:
        """An event that was encoded before, for many sockets."""
        if not self._is_joined:
            return
        try:
            self._waiting.put_nowait(frame)
        except asyncio.QueueFull:
            self.abort()

    def end(self) -> None:
        """Close after what waits."""
        if self._waiting.full():
            self.abort()
        else:
            self._waiting.put_nowait(None)

    def abort(self) -> None:
        if self._request.transport is not None:
            self._request.transport.abort()

    async def serve(self, *, is_welcome: bool, on_joined: Callable[[], None]) -> web.WebSocketResponse:
        """Until the client goes. One whose token is not taken is let in and sent away without a greeting."""
        await self._socket.prepare(self._request)
        opened: dict[str, Any] = {
            "sid": self._sid,
            "upgrades": [],
            "pingInterval": int(PING_S * 1000),
            "pingTimeout": 60000,
        }
        if self._dialect == 4:
            opened["maxPayload"] = 1_000_000
        await self._socket.send_str(f"0{msgspec.json.encode(opened).decode()}")
        if not await self._connect_namespace() or not is_welcome:
            await self._socket.close()
            return self._socket
        self._is_joined = True
        joined = {"type": "success", "code": "s-socket-0001", "description": "Socket joined successfully!"}
        self.emit("joined", {**joined, "description": f"Socket joined successfully! SocketId={self._sid}"})
        on_joined()
        jobs = [asyncio.get_running_loop().create_task(job) for job in (self._write(), self._ping())]
        try:
            await self._read()
        finally:
            self._is_joined = False
            for job in jobs:
                job.cancel()
            await asyncio.gather(*jobs, return_exceptions=True)
        return self._socket

    async def _connect_namespace(self) -> bool:
        """The older dialect connects by itself, the newer one waits to be asked."""
        if self._dialect == 3:
            await self._socket.send_str("40")
            return True
        try:
            async with asyncio.timeout(_NAMESPACE_S):
                while (message := await self._socket.receive()).type is WSMsgType.TEXT:
                    if message.data.startswith("40"):
                        await self._socket.send_str(f'40{{"sid":"{self._sid}"}}')
                        return True
        except TimeoutError:
            pass
        return False

    async def _read(self) -> None:
        async for message in self._socket:
            if message.type is WSMsgType.TEXT and message.data[:1] == "2":
                self.emit_frame(f"3{message.data[1:16]}")
            elif message.type is WSMsgType.TEXT and message.data[:2] in ("1", "41"):
                return

    async def _write(self) -> None:
        while (frame := await self._waiting.get()) is not None:
            await self._socket.send_str(frame)
        await self._socket.close()

    async def _ping(self) -> None:
        while self._dialect == 4:
            await asyncio.sleep(PING_S)
            self.emit_frame("2")
