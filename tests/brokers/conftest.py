"""A proxy between a client and a venue that breaks a connection in the ways connections break (simulation §7)."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import suppress
from typing import Any

import pytest

FORWARDED = frozenset({
    "response_dropped", "rst_before_response", "fin_before_response", "truncated", "html_502", "html_200",
    "redirect_307", "slow", "drip",
})  # fmt: skip
"""Modes in which the broker has the request."""
LOST = frozenset({"rst_on_accept", "black_hole", "rst_mid_request"})
HTML = b"<html><body>Bad Gateway</body></html>"


class FaultProxy:
    """Forwards whole HTTP/1.1 requests; what does not look like one (a websocket) is passed through byte by byte."""

    def __init__(self, host: str, port: int) -> None:
        self._upstream = (host, port)
        self._server: asyncio.Server | None = None
        self._visits: set[asyncio.StreamWriter] = set()
        self.mode = "pass"
        self.strikes: Callable[[bytes], bool] = lambda _head: True
        """Which requests the mode is for, by their head; the others pass."""
        self.struck = 0

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._visit, "127.0.0.1", 0)
        return self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self.hang_up()
        await asyncio.sleep(0.02)  # the sockets end with the loop's next turn; until then a client may still write

    def hang_up(self) -> None:
        """End every connection, so that the next request needs a new one."""
        for writer in tuple(self._visits):
            writer.transport.abort()

    async def _visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._visits.add(writer)
        try:
            if self.mode == "rst_on_accept":
                self.struck += 1
                reset(writer)
                return
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                while await self._one(reader, writer):
                    pass
        finally:
            self._visits.discard(writer)
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and what becomes of it; False when the connection is over."""
        head = await reader.readuntil(b"\r\n\r\n")
        if b"upgrade: websocket" in head.lower():
            await self._tunnel(head, reader, writer)
            return False
        mode = self.mode if self.mode != "pass" and self.strikes(head) else "pass"
        if mode != "pass":
            self.struck += 1
        if mode == "rst_mid_request":
            reset(writer)
            return False
        request = head + await reader.readexactly(length_of(head))
        if mode == "black_hole":
            await asyncio.sleep(3600)
        reply = await self._forward(request)
        return await self._answer(mode, reply, writer)

    async def _answer(self, mode: str, reply: bytes, writer: asyncio.StreamWriter) -> bool:
        match mode:
            case "response_dropped" | "slow":
                await asyncio.sleep(3600 if mode == "response_dropped" else 5)
            case "rst_before_response":
                reset(writer)
                return False
            case "fin_before_response":
                return False
            case "truncated":
                writer.write(reply[: len(reply) - max(1, len(reply.partition(b"\r\n\r\n")[2]) // 2)])
                await writer.drain()
                return False
            case "html_502" | "html_200":
                status = b"502 Bad Gateway" if mode == "html_502" else b"200 OK"
                reply = b"HTTP/1.1 %b\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n%b" % (
                    status, len(HTML), HTML,
                )  # fmt: skip
            case "redirect_307":
                reply = b"HTTP/1.1 307 Temporary Redirect\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"
            case "drip":
                for byte in reply:
                    writer.write(bytes([byte]))
                    await writer.drain()
                    await asyncio.sleep(0.05)
                return True
            case _:
                pass
        writer.write(reply)
        await writer.drain()
        return True

    async def _forward(self, request: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(*self._upstream)
        try:
            head, _, body = request.partition(b"\r\n\r\n")
            writer.write(head + b"\r\nConnection: close\r\n\r\n" + body)
            return (await reader.read(-1)).replace(b"Connection: close\r\n", b"", 1)
        finally:
            writer.close()

    async def _tunnel(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(*self._upstream)
        back.write(head)
        await asyncio.gather(pump(reader, back), pump(there, writer), return_exceptions=True)


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
    finally:
        writer.transport.abort()


def length_of(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return int(value)
    return 0


def reset(writer: asyncio.StreamWriter) -> None:
    """RST instead of FIN."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@pytest.fixture
async def proxy_to() -> AsyncIterator[Callable[[int], Coroutine[Any, Any, tuple[FaultProxy, int]]]]:
    """`await proxy_to(port)`: a proxy in front of it, and the port where the proxy listens."""
    made: list[FaultProxy] = []

    async def make(port: int) -> tuple[FaultProxy, int]:
        proxy = FaultProxy("127.0.0.1", port)
        made.append(proxy)
        return proxy, await proxy.start()

    yield make
    for proxy in made:
        await proxy.close()


@pytest.fixture(params=sorted(FORWARDED | LOST))
def mode(request: pytest.FixtureRequest) -> str:
    """One way in which a connection breaks after it was made."""
    return request.param


@pytest.fixture
def is_done_in() -> Callable[[str], bool]:
    """Whether the broker has the request, whatever its caller is told."""
    return lambda mode: mode in FORWARDED
