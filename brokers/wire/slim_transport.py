"""The transport under httpx: one write per request, straight on asyncio's protocol, replies parsed by httptools.

httpx's own transport costs a broker call about a millisecond before its first byte leaves (goal G5); here that is one
`transport.write`. What is certain when a call breaks stays the whole point: `before_first_byte` in the request's
extensions is called at the last moment at which nothing has left. HTTP/1.1 only; nothing is retried, and a connection
that the server may have closed meanwhile is looked at before it is used again.
"""

from __future__ import annotations

import asyncio
import select
import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any, Final, cast

import httptools
import httpx

_HEADERS_MAX: Final = 64 * 1024
_WAITING_MAX: Final = 1024 * 1024
"""Bytes of a body that nobody has taken yet: above it the socket is not read."""
_NOT_IN_A_HEAD: Final = frozenset(b"\r\n\0")
_INFORMATIONAL: Final = range(100, 200)

Origin = tuple[str, str, int]


class SlimTransport(httpx.AsyncBaseTransport):
    """A pool of kept connections. Raises httpx's own errors, ConnectError only when nothing has left."""

    def __init__(self, *, connections_max: int, keep_s: float) -> None:
        """`keep_s`: an idle connection is used again for so long, in seconds of the loop."""
        self._keep_s = keep_s
        self._free = asyncio.Semaphore(connections_max)
        self._idle: dict[Origin, list[Connection]] = {}
        self._tls: ssl.SSLContext | None = None
        self._is_closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        head = _head_of(request)
        body = await request.aread()
        url = request.url
        origin = (url.scheme, url.host, url.port or (443 if url.scheme == "https" else 80))
        await self._free.acquire()
        connection: Connection | None = None
        try:
            connection = self._kept(origin) or await self._connected(origin)
            before_first_byte = cast("Callable[[], None] | None", request.extensions.get("before_first_byte"))
            if before_first_byte is not None:
                before_first_byte()
            status, headers = await connection.ask(head + body)
        except BaseException:
            self._give_back(origin, connection, reusable=False)
            raise
        taken = connection

        def done() -> None:
            self._give_back(origin, taken, reusable=taken.is_reusable)

        return httpx.Response(status, headers=headers, stream=_Body(taken, done), request=request)

    async def aclose(self) -> None:
        """What is under way goes on to its end; its connection is not kept."""
        self._is_closed = True
        for connections in self._idle.values():
            for connection in connections:
                connection.abort()
        self._idle.clear()

    def _kept(self, origin: Origin) -> Connection | None:
        """The one used last, if it still stands."""
        kept = self._idle.get(origin, [])
        oldest = asyncio.get_running_loop().time() - self._keep_s
        while kept:
            connection = kept.pop()
            if connection.idle_since >= oldest and connection.still_stands():
                return connection
            connection.abort()
        return None

    async def _connected(self, origin: Origin) -> Connection:
        scheme, host, port = origin
        if scheme == "https" and self._tls is None:
            self._tls = httpx.create_ssl_context(trust_env=False)
        try:
            _transport, connection = await asyncio.get_running_loop().create_connection(
                Connection, host, port, ssl=self._tls if scheme == "https" else None
            )
        except (OSError, UnicodeError, ValueError) as error:
            raise httpx.ConnectError(type(error).__name__) from None
        return connection

    def _give_back(self, origin: Origin, connection: Connection | None, *, reusable: bool) -> None:
        self._free.release()
        if connection is None:
            return
        if reusable and not self._is_closed:
            connection.idle_since = asyncio.get_running_loop().time()
            self._idle.setdefault(origin, []).append(connection)
        else:
            connection.abort()


class Connection(asyncio.Protocol):
    """One socket, and the reply that is being read from it."""

    def __init__(self) -> None:
        self.idle_since = 0.0
        self.is_reusable = False
        """The last reply is whole, and the server keeps the connection."""
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._answered: asyncio.Future[tuple[int, list[tuple[bytes, bytes]]]] | None = None
        self._more: asyncio.Event = asyncio.Event()
        self._chunks: deque[bytes] = deque()
        self._waiting = 0
        self._headers: list[tuple[bytes, bytes]] = []
        self._headers_size = 0
        self._is_whole = False
        self._until_close = False
        """Its body has no stated end: the end of the connection is the end of the body."""
        self._failure: httpx.TransportError | None = None

    async def ask(self, request: bytes) -> tuple[int, list[tuple[bytes, bytes]]]:
        """Write it; status and headers of the reply, whose body follows in `chunks`. Raises httpx.TransportError."""
        assert self._transport is not None, "made by create_connection"
        self.is_reusable = self._is_whole = False
        self._answered = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        if self._failure is not None:
            raise self._failure
        return await self._answered

    async def chunks(self) -> AsyncIterator[bytes]:
        """Raises httpx.TransportError when the body breaks off."""
        while True:
            while self._chunks:
                chunk = self._chunks.popleft()
                self._waiting -= len(chunk)
                if self._waiting <= _WAITING_MAX and self._transport is not None:
                    self._transport.resume_reading()
                yield chunk
            if self._is_whole:
                return
            if self._failure is not None:
                raise self._failure
            self._more.clear()
            await self._more.wait()

    def still_stands(self) -> bool:
        """Nothing has come on it since: neither an end nor bytes that no request asked for."""
        if self._failure is not None or self._transport is None or self._transport.is_closing():
            return False
        poll = select.poll()
        poll.register(self._transport.get_extra_info("socket"), select.POLLIN)
        return not poll.poll(0)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # --- asyncio's calls ----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self._failure is not None:
            return
        if self._answered is None or self._is_whole:
            self._fail(httpx.RemoteProtocolError("bytes that answer nothing"))
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail(httpx.RemoteProtocolError("no HTTP"))

    def eof_received(self) -> bool:
        self._end(None)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc)

    def _end(self, exc: Exception | None) -> None:
        if self._until_close and exc is None and not self._is_whole:
            self._is_whole = True
            self._more.set()
        elif not self._is_whole and self._answered is not None:
            self._fail(httpx.ReadError("lost") if exc is not None else httpx.RemoteProtocolError("ended"))
        elif self._failure is None:
            self._failure = httpx.ReadError("closed while idle")

    def _fail(self, failure: httpx.TransportError) -> None:
        self.is_reusable = False
        if self._failure is None:
            self._failure = failure
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(self._failure)
        self._more.set()
        self.abort()

    # --- httptools' calls ---------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self._is_whole:
            raise ValueError("a second reply behind the first answers nothing")
        self._headers, self._headers_size = [], 0
        self._until_close = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers_size += len(name) + len(value)
        if self._headers_size > _HEADERS_MAX:
            raise ValueError("a head of this size is no broker's")
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status in _INFORMATIONAL or self._answered is None or self._answered.done():
            return
        named = {name.lower() for name, _value in self._headers}
        has_no_body = status in (204, 304)
        self._until_close = not has_no_body and not named & {b"content-length", b"transfer-encoding"}
        self._answered.set_result((status, self._headers))

    def on_body(self, body: bytes) -> None:
        self._chunks.append(body)
        self._waiting += len(body)
        if self._waiting > _WAITING_MAX and self._transport is not None:
            self._transport.pause_reading()
        self._more.set()

    def on_message_complete(self) -> None:
        if self._answered is None or not self._answered.done():
            return  # an informational one: the reply itself follows
        self._is_whole = True
        self.is_reusable = self._parser.should_keep_alive() and not self._until_close
        self._more.set()


class _Body(httpx.AsyncByteStream):
    """The body of one reply; closed early, its connection is given up."""

    def __init__(self, connection: Connection, done: Callable[[], None]) -> None:
        self._connection = connection
        self._done: Callable[[], None] | None = done

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._connection.chunks():
            yield chunk

    async def aclose(self) -> None:
        done, self._done = self._done, None
        if done is not None:
            done()


def _head_of(request: httpx.Request) -> bytes:
    """Raises httpx.LocalProtocolError for what would be another request than was meant."""
    parts = [request.method.encode("ascii"), b" ", request.url.raw_path, b" HTTP/1.1\r\n"]
    for name, value in request.headers.raw:
        if not _NOT_IN_A_HEAD.isdisjoint(name + value):
            raise httpx.LocalProtocolError("a header that no head can carry")
        parts += [name, b": ", value, b"\r\n"]
    parts.append(b"\r\n")
    return b"".join(parts)


def before_first_byte(heard: Callable[[], None]) -> dict[str, Any]:
    """The extensions of a request whose last unsent moment `heard` wants to know."""
    return {"before_first_byte": heard}
