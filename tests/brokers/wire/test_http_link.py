"""What one HTTP call is certain of afterwards, for every way in which a connection breaks (faults §3)."""

from __future__ import annotations

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import web

from brokers.wire.http import HttpLink, NoReply, NotWritten

TOKEN = "s3cr3t-t0k3n"


class Server:
    """Counts what arrives."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.heads: list[Any] = []
        self.peers: list[Any] = []
        self.port = 0

    async def order(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.read())
        self.heads.append(request)
        assert request.transport is not None
        self.peers.append(request.transport.get_extra_info("peername"))
        return web.json_response({"data": {"order_id": "1"}, "pad": "x" * 200})

    async def huge(self, _request: web.Request) -> web.Response:
        packed = gzip.compress(b"0" * 3_000_000)
        return web.Response(body=packed, headers={"Content-Encoding": "gzip", "Content-Type": "application/json"})

    async def odd(self, request: web.Request) -> web.Response:
        body = {"empty": b"", "text": b"Too many", "half": b'{"a": ', "deep": b"[" * 100_000}[request.query["kind"]]
        return web.Response(status=429, body=body, headers={"Content-Type": "application/json", "Retry-After": "3"})


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    app = web.Application()
    app.router.add_route("*", "/order", made.order)
    app.router.add_get("/huge", made.huge)
    app.router.add_get("/odd", made.odd)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.port = runner.addresses[0][1]
    yield made
    await runner.cleanup()


def link_to(port: int, deadline_s: float = 0.6, **options: Any) -> HttpLink:
    return HttpLink(f"http://127.0.0.1:{port}", lambda: {"X-Token": TOKEN}, deadline_s=deadline_s, **options)


async def test_a_reply_is_read_whole_and_its_headers_went_along(server: Server) -> None:
    link = link_to(server.port)
    form = await link.call("POST", "/order", form={"symbol": "M&M"}, query=[("i", "A"), ("i", "B")])
    json = await link.call("PUT", "/order", json={"qty": 65})
    await link.close()

    assert form.data["data"]["order_id"] == "1" and form.status == json.status == 200
    assert server.bodies == [b"symbol=M%26M", b'{"qty":65}']
    assert server.heads[0].query_string == "i=A&i=B" and server.heads[1].headers["X-Token"] == TOKEN


@pytest.mark.fault("ORD-05", "ORD-06", "ORD-07", "ORD-08", "ORD-11")
async def test_a_call_that_broke_after_it_began_is_never_called_unsent(
    server: Server, proxy_to: Any, mode: str, is_done_in: Callable[[str], bool]
) -> None:
    proxy, port = await proxy_to(server.port)
    proxy.mode = mode
    link = link_to(port)
    if mode in ("html_502", "html_200", "redirect_307"):
        reply = await link.call("POST", "/order", json={"qty": 65})
        assert not reply.is_json and reply.status in (502, 200, 307)
    else:
        with pytest.raises(NoReply) as lost:
            await link.call("POST", "/order", json={"qty": 65})
        assert TOKEN not in str(lost.value)
    await link.close()

    assert proxy.struck == 1, "asked once: nothing is retried here"
    assert len(server.bodies) == (1 if is_done_in(mode) else 0)


@pytest.mark.fault("ORD-04")
async def test_what_fails_before_the_first_byte_was_not_sent(server: Server) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = taken.getsockname()[1]
        refused = link_to(nobody)
        with pytest.raises(NotWritten):
            await refused.call("POST", "/order", json={})
    nowhere = HttpLink("http://no.such.host.invalid", dict, deadline_s=2)
    with pytest.raises(NotWritten):
        await nowhere.call("POST", "/order", json={})
    mute = await asyncio.start_server(lambda _r, _w: asyncio.sleep(3600), "127.0.0.1", 0)
    handshake = HttpLink(f"https://127.0.0.1:{mute.sockets[0].getsockname()[1]}", dict, deadline_s=0.3)
    with pytest.raises(NotWritten):
        await handshake.call("POST", "/order", json={})
    mute.close()
    wrong = link_to(server.port)
    with pytest.raises(NotWritten):
        await wrong.call("POST", "http://[half", json={})
    for link in (refused, nowhere, handshake, wrong):
        await link.close()
    assert server.bodies == []


async def test_a_call_that_waits_for_a_connection_was_not_sent(server: Server, proxy_to: Any) -> None:
    proxy, port = await proxy_to(server.port)
    proxy.mode = "black_hole"
    link = link_to(port, connections_max=1)
    first = asyncio.get_running_loop().create_task(link.call("POST", "/order", json={}, deadline_s=2))
    await asyncio.sleep(0.1)
    with pytest.raises(NotWritten):
        await link.call("POST", "/order", json={}, deadline_s=0.2)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    await link.close()
    assert proxy.struck == 1


async def test_a_body_without_end_is_given_up(server: Server) -> None:
    link = link_to(server.port, body_max=1_000_000)
    with pytest.raises(NoReply, match="more than 1000000 bytes"):
        await link.call("GET", "/huge")
    await link.close()


@pytest.mark.parametrize("kind", ["empty", "text", "half", "deep"])
async def test_a_body_that_is_no_json_is_said_to_be_none(server: Server, kind: str) -> None:
    link = link_to(server.port)
    reply = await link.call("GET", "/odd", query={"kind": kind})
    await link.close()

    assert (reply.is_json, reply.data, reply.status, reply.retry_after_s) == (False, None, 429, 3.0)


async def test_an_idle_connection_is_used_again(server: Server) -> None:
    link = link_to(server.port)
    for _ in range(3):
        await link.call("POST", "/order", json={})
    await link.close()

    assert len(server.peers) == 3 and len(set(server.peers)) == 1
