"""XTS's side of a kept-up websocket: which dialect, the greeting, the heartbeat, and events handed on (facts §6).

A stream is live only after the server's `joined`. The dialect is found by trying: engine.io 3 first, the other one
after each connection that did not get as far as the namespace; the one that did is kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import urlencode

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from brokers.wire.oddities import Oddities
from brokers.wire.stream import Address, CredentialsDead
from brokers.xts import socketio
from brokers.xts.login import Login, Token

_NAMESPACE_S: Final = 5.0
"""From the upgrade to the namespace; longer, and it is the wrong dialect."""
LOGGED_OUT: Final = "the broker ended the session (logout event)"


class NotJoined(OSError):
    """The server took the connection and did not greet."""


class SocketIoWords:
    """Implements `brokers.wire.stream.StreamWords`."""

    def __init__(
        self,
        url: str,
        query: dict[str, str],
        login: Login,
        *,
        on_event: Callable[[str, object], None],
        on_joined: Callable[[], Awaitable[None]],
        on_doubt: Callable[[], None],
        odd: Oddities,
    ) -> None:
        """`on_joined` subscribes; the stream is back when it returns. `on_doubt` hears that nobody greeted: the token
        may be dead, which only a request can tell."""
        self._url = url
        self._query = query
        self._login = login
        self._on_event = on_event
        self._on_joined = on_joined
        self._on_doubt = on_doubt
        self._odd = odd
        self._dialect_at = 0
        self._is_proven = False
        self._was_tried = False
        self._socketio = socketio.SocketIo(socketio.DIALECTS[0])
        self._socket: ClientConnection | None = None
        self._token: Token | None = None
        """Of the newest connection."""
        self._jobs: set[asyncio.Task[bool]] = set()
        self._beat: asyncio.Task[None] | None = None

    @property
    def dialect(self) -> int:
        return self._socketio.dialect

    def address(self) -> Address:
        """Raises CredentialsDead while there is no token: there is nothing to hammer with."""
        token = self._login.token
        if token is None or not self._login.is_live:
            raise CredentialsDead(f"{self._login.name}: {self._login.reason}")
        if self._was_tried and not self._is_proven:
            self._dialect_at = (self._dialect_at + 1) % len(socketio.DIALECTS)
        self._was_tried, self._token = True, token
        self._socketio = socketio.SocketIo(socketio.DIALECTS[self._dialect_at])
        query = {"token": token.text, "userID": token.user_id, **self._query, "transport": "websocket"}
        return Address(f"{self._url}/?{urlencode({**query, 'EIO': str(self.dialect)})}")

    async def greet(self, socket: ClientConnection) -> None:
        self._socket = socket
        try:
            async with asyncio.timeout(_NAMESPACE_S):
                await self._until(socket, socketio.Connected)
            self._is_proven = True
            await self._until_joined(socket)
        except (ConnectionClosed, TimeoutError) as lost:
            if self._is_proven:
                self._on_doubt()
            raise NotJoined(f"not greeted: {type(lost).__name__}") from None
        await self._on_joined()

    def hear(self, frame: str | bytes) -> None:
        """Raises CredentialsDead for a logout."""
        self._tell(self._heard(frame), frame)

    def drop_stale(self) -> None:
        """End a connection that was made with another token than the newest."""
        if self._socket is not None and self._token is not self._login.token:
            self._socket.transport.abort()

    def close(self) -> None:
        for job in (*self._jobs, *([self._beat] if self._beat is not None else [])):
            job.cancel()

    def _tell(self, heard: socketio.Heard, frame: str | bytes) -> None:
        match heard:
            case socketio.Event(name="logout"):
                self._login.died(self._login.token, LOGGED_OUT, displaced=True)
                raise CredentialsDead(LOGGED_OUT)
            case socketio.Event(name=name, payload=payload):
                self._on_event(name, payload)
            case socketio.Ended(reason=reason):
                self._odd.add(reason, frame)
                if self._socket is not None:
                    self._socket.transport.abort()
            case socketio.Odd(kind=kind, sample=sample):
                self._odd.add(kind, sample)
            case _:
                pass

    async def _until(self, socket: ClientConnection, kind: type[socketio.Heard]) -> None:
        while not isinstance(heard := self._heard(await socket.recv()), kind):
            if isinstance(heard, socketio.Ended):
                raise NotJoined(heard.reason)

    async def _until_joined(self, socket: ClientConnection) -> None:
        """Events that overtake the greeting are not lost."""
        while True:
            frame = await socket.recv()
            heard = self._heard(frame)
            if isinstance(heard, socketio.Event) and heard.name == "joined":
                return
            if isinstance(heard, socketio.Ended):
                raise NotJoined(heard.reason)
            self._tell(heard, frame)

    def _heard(self, frame: str | bytes) -> socketio.Heard:
        heard, reply = self._socketio.hear(frame)
        if reply:
            self._send(reply)
        if isinstance(heard, socketio.Opened) and heard.beat_s and self._socket is not None:
            if self._beat is not None:
                self._beat.cancel()
            self._beat = asyncio.get_running_loop().create_task(self._keep(self._socket, heard.beat_s), name="xts beat")
        return heard

    def _send(self, text: str) -> None:
        socket = self._socket
        if socket is not None:
            job = asyncio.get_running_loop().create_task(_send(socket, text), name="xts frame")
            self._jobs.add(job)
            job.add_done_callback(self._jobs.discard)

    async def _keep(self, socket: ClientConnection, beat_s: float) -> None:
        while socket is self._socket:
            await asyncio.sleep(beat_s)
            if not await _send(socket, self._socketio.beat):
                return


async def _send(socket: ClientConnection, text: str) -> bool:
    try:
        await socket.send(text)
    except ConnectionClosed:
        return False
    return True
