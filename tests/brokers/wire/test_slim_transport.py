"""The transport under httpx against servers that write bytes by hand: how a reply ends, which connection is kept."""

from __future__ import annotations

import asyncio
import shutil
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest

from brokers.wire.slim_transport import SlimTransport, before_first_byte

pytestmark = pytest.mark.row("OPS-05")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Handler = Callable[["Peer"], Awaitable[None]]


class Peer:
    """One connection as the server has it."""

    def __init__(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.number, self.reader, self.writer = number, reader, writer

    async def request(self) -> bytes:
        """Its head; all requests here are without a body."""
        return await self.reader.readuntil(b"\r\n\r\n")

    async def say(self, raw: bytes) -> None:
        self.writer.write(raw)
        await self.writer.drain()


class Server:
    """Each connection is given to `handler`; closed when that returns."""

    def __init__(self) -> None:
        self.connections = 0
        self.port = 0
        self.handler: Handler

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await self.handler(Peer(self.connections, reader, writer))
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass
        finally:
            writer.close()


@pytest.fixture
async def server():
    made = Server()
    listening = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = listening.sockets[0].getsockname()[1]
    yield made
    listening.close()


@pytest.fixture
async def client():
    transport = SlimTransport(connections_max=2, keep_s=600)
    async with httpx.AsyncClient(transport=transport, trust_env=False, timeout=None) as made:
        yield made


async def get(client: httpx.AsyncClient, server: Server, **options: object) -> httpx.Response:
    async with asyncio.timeout(5):
        return await client.get(f"http://127.0.0.1:{server.port}/x", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("raw", "body"),
    [
        (OK, b"ok"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n", b"abcde"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, b"ok"),
        (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK, b"ok"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", b"until the end"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b""),
    ],
)
async def test_a_whole_reply_is_read_to_its_end_however_it_says_where_that_is(
    client: httpx.AsyncClient, server: Server, raw: bytes, body: bytes
) -> None:
    async def answer(peer: Peer) -> None:
        await peer.request()
        for at in range(0, len(raw), 7):  # in pieces that fall anywhere
            await peer.say(raw[at : at + 7])
            await asyncio.sleep(0)

    server.handler = answer
    assert (await get(client, server)).content == body


@pytest.mark.fault("ORD-07", "ORD-11")
@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"no http at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    ],
)
async def test_a_reply_that_is_not_whole_is_an_error_after_the_first_byte(
    client: httpx.AsyncClient, server: Server, raw: bytes
) -> None:
    async def answer(peer: Peer) -> None:
        await peer.request()
        await peer.say(raw)

    server.handler = answer
    began: list[bool] = []
    with pytest.raises(httpx.TransportError):
        await get(client, server, extensions=before_first_byte(lambda: began.append(True)))
    assert began == [True]


@pytest.mark.fault("ORD-04")
async def test_an_idle_connection_that_the_server_closed_is_not_written_to(
    client: httpx.AsyncClient, server: Server
) -> None:
    """Its end may not have been seen by the loop yet: a request on it would be a question without an answer."""
    heads: list[int] = []

    async def once(peer: Peer) -> None:
        await peer.request()
        heads.append(peer.number)
        await peer.say(OK)

    server.handler = once
    for _ in range(5):
        assert (await get(client, server)).content == b"ok"
    assert heads == [1, 2, 3, 4, 5], "each request arrived once, on a connection that stood"


@pytest.mark.parametrize("pause_s", [0, 0.01])
@pytest.mark.parametrize("last", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother"], ids=["quiet", "unasked"])
async def test_a_connection_is_kept_unless_something_came_that_nobody_asked_for(
    client: httpx.AsyncClient, server: Server, last: bytes, pause_s: float
) -> None:
    async def answer(peer: Peer) -> None:
        while True:
            await peer.request()
            if pause_s:
                await peer.say(OK)
                await asyncio.sleep(pause_s)
                await peer.say(last)
            else:
                await peer.say(OK + last)

    server.handler = answer
    for _ in range(3):
        assert (await get(client, server)).content == b"ok", "an answer to nothing answers nothing"
        await asyncio.sleep(0.03)
    assert server.connections == (3 if last else 1)


async def test_a_server_that_says_close_is_believed_and_one_that_is_idle_too_long_is_left(server: Server) -> None:
    async def answer(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.say(OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") if peer.number == 1 else OK)

    server.handler = answer
    async with httpx.AsyncClient(transport=SlimTransport(connections_max=2, keep_s=0.05), trust_env=False) as client:
        for pause_s in (0, 0, 0.1, 0):
            await get(client, server)
            await asyncio.sleep(pause_s)
    assert server.connections == 3


async def test_a_body_that_nobody_takes_is_not_read_into_memory(client: httpx.AsyncClient, server: Server) -> None:
    sent = 0

    async def answer(peer: Peer) -> None:
        nonlocal sent
        await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 268435456\r\n\r\n")
        while True:
            await peer.say(bytes(65536))
            sent += 65536

    server.handler = answer
    async with client.stream("GET", f"http://127.0.0.1:{server.port}/x") as response:
        await asyncio.sleep(0.3)
        held = sent
        assert held < 32 * 1024 * 1024
        taken = 0
        async for chunk in response.aiter_bytes():
            taken += len(chunk)
            if taken > held + 1024 * 1024:
                break
    assert taken > held


@pytest.mark.parametrize("value", ["a\r\nX-Other: b", "a\nb", "a\0b"])
async def test_a_header_cannot_become_another_request(client: httpx.AsyncClient, server: Server, value: str) -> None:
    began: list[bool] = []
    with pytest.raises(httpx.LocalProtocolError):
        await get(client, server, headers={"X-Token": value}, extensions=before_first_byte(lambda: began.append(True)))
    assert (began, server.connections) == ([], 0)


async def test_no_more_connections_than_allowed_and_a_given_up_wait_takes_none(
    client: httpx.AsyncClient, server: Server
) -> None:
    go = asyncio.Event()

    async def answer(peer: Peer) -> None:
        while True:
            await peer.request()
            await go.wait()
            await peer.say(OK)

    server.handler = answer
    asked = [asyncio.create_task(get(client, server)) for _ in range(5)]
    await asyncio.sleep(0.05)
    asked[4].cancel()
    await asyncio.sleep(0.05)
    assert server.connections == 2
    go.set()
    done = await asyncio.gather(*asked, return_exceptions=True)
    assert [reply.status_code for reply in done[:4] if isinstance(reply, httpx.Response)] == [200] * 4
    assert isinstance(done[4], asyncio.CancelledError) and server.connections == 2


async def test_a_reply_that_comes_after_the_pool_was_closed_leaves_no_connection_behind(server: Server) -> None:
    go, ended = asyncio.Event(), asyncio.Event()

    async def answer(peer: Peer) -> None:
        await peer.request()
        await go.wait()
        await peer.say(OK)
        await peer.reader.read()
        ended.set()

    server.handler = answer
    transport = SlimTransport(connections_max=2, keep_s=600)
    request = httpx.Request("GET", f"http://127.0.0.1:{server.port}/x")
    asked = asyncio.create_task(transport.handle_async_request(request))
    await asyncio.sleep(0.05)
    await transport.aclose()
    go.set()
    reply = await asked
    assert await reply.aread() == b"ok"
    async with asyncio.timeout(2):
        await ended.wait()


async def test_it_speaks_tls_and_proves_whom_it_speaks_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl to make a certificate with")
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    words = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    made_by = await asyncio.create_subprocess_exec(
        openssl, *words, *names, "-keyout", str(key), "-out", str(certificate), stderr=asyncio.subprocess.DEVNULL
    )
    assert await made_by.wait() == 0
    made = Server()

    async def answer(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.say(OK)

    made.handler = answer
    theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    theirs.load_cert_chain(certificate, key)
    listening = await asyncio.start_server(made.serve, "localhost", 0, ssl=theirs)
    address = f"https://localhost:{listening.sockets[0].getsockname()[1]}/x"
    began: list[bool] = []
    async with httpx.AsyncClient(transport=SlimTransport(connections_max=2, keep_s=60), trust_env=False) as stranger:
        with pytest.raises(httpx.ConnectError):
            await stranger.get(address, extensions=before_first_byte(lambda: began.append(True)))
    assert began == []

    trusting = ssl.create_default_context(cafile=str(certificate))
    monkeypatch.setattr(httpx, "create_ssl_context", lambda **_options: trusting)
    before = made.connections
    async with httpx.AsyncClient(transport=SlimTransport(connections_max=2, keep_s=60), trust_env=False) as friend:
        for _ in range(3):
            assert (await friend.get(address)).content == b"ok"
    assert made.connections == before + 1
    listening.close()
