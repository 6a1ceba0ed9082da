"""A stream that is kept up: it greets, says when it is lost and back, notices silence, and stops when refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from random import Random
from typing import Any

import pytest
from aiohttp import WSMsgType, web

from brokers.wire.backoff import Backoff
from brokers.wire.stream import Address, CredentialsDead, Stream, StreamRules

QUICK = Backoff(first_s=0.01, most_s=0.05, cool_off_s=0.4)


class Feed:
    """Takes `hello`, then ticks ten times a second until told to be mute."""

    def __init__(self) -> None:
        self.hellos: list[float] = []
        self.refuse_with = 0
        self.is_mute = False
        self.sockets: list[web.WebSocketResponse] = []
        self.port = 0

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.hellos.append(asyncio.get_running_loop().time())
        if self.refuse_with:
            return web.Response(status=self.refuse_with)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets.append(socket)
        message = await socket.receive()
        assert message.type is WSMsgType.TEXT
        while not socket.closed:
            if not self.is_mute:
                await socket.send_str("tick")
            await asyncio.sleep(0.02)
        return socket

    def cut(self) -> None:
        for socket in self.sockets:
            transport: Any = socket._req.transport  # type: ignore[union-attr]
            if transport is not None:
                transport.abort()


class Words:
    def __init__(self, port: int) -> None:
        self.port = port
        self.frames = 0
        self.dies_at = 0
        self.breaks_at = 0

    def address(self) -> Address:
        return Address(f"ws://127.0.0.1:{self.port}/feed?token=hidden")

    async def greet(self, socket: Any) -> None:
        await socket.send("subscribe A B")

    def hear(self, frame: str | bytes) -> None:
        self.frames += 1
        if self.frames == self.dies_at:
            raise CredentialsDead("the token has expired")
        if self.frames == self.breaks_at:
            raise KeyError("a bug")


class Rig:
    def __init__(self, feed: Feed, rules: StreamRules | None = None) -> None:
        self.words = Words(feed.port)
        self.states: list[str] = []
        self.stream = Stream(
            "feed", self.words, Random(1), self.states.append, rules or StreamRules(silence_s=0.4, backoff=QUICK)
        )

    async def until(self, is_so: Any, within_s: float = 5.0) -> None:
        async with asyncio.timeout(within_s):
            while not is_so():  # noqa: ASYNC110
                await asyncio.sleep(0.005)


@pytest.fixture
async def feed() -> AsyncIterator[Feed]:
    made = Feed()
    app = web.Application()
    app.router.add_get("/feed", made.serve)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.port = runner.addresses[0][1]
    yield made
    made.cut()
    await runner.cleanup()


@pytest.mark.row("GRD-50", "OPT-12")
async def test_it_is_live_after_its_greeting_and_comes_back_after_a_cut(feed: Feed) -> None:
    rig = Rig(feed)
    rig.stream.start()
    assert await rig.stream.wait_live(5) and rig.states == [""]
    await rig.until(lambda: rig.words.frames > 3)

    feed.cut()
    await rig.until(lambda: len(rig.states) >= 3)
    await rig.stream.close()

    assert rig.states == ["", "the connection ended", ""]
    assert len(feed.sockets) == 2, "greeted, and so subscribed, again"


@pytest.mark.row("RTP-40", "OPT-12")
async def test_a_stream_that_is_connected_and_mute_is_lost(feed: Feed) -> None:
    rig = Rig(feed)
    rig.stream.start()
    await rig.until(lambda: rig.words.frames > 3)
    feed.is_mute = True
    began = asyncio.get_running_loop().time()
    await rig.until(lambda: len(rig.states) > 1)
    took = asyncio.get_running_loop().time() - began
    await rig.stream.close()

    assert rig.states[1] == "nothing heard for 0.4 s" and took < 2


async def test_a_loss_is_told_once_however_many_tries_fail(feed: Feed) -> None:
    rig = Rig(feed)
    rig.stream.start()
    await rig.stream.wait_live(5)
    feed.refuse_with = 503
    feed.cut()
    await rig.until(lambda: len(feed.hellos) >= 4)
    feed.refuse_with = 0
    await rig.until(lambda: len(rig.states) == 3)
    await rig.stream.close()

    assert rig.states[0] == rig.states[2] == "" and rig.states[1]


@pytest.mark.parametrize("status", [401, 403])
async def test_refused_credentials_end_the_tries_until_a_new_login(feed: Feed, status: int) -> None:
    feed.refuse_with = status
    rig = Rig(feed)
    rig.stream.start()
    await rig.until(lambda: rig.stream.is_dead)
    await asyncio.sleep(0.2)
    assert len(feed.hellos) == 1 and rig.states == [f"the upgrade was answered with HTTP {status}"]
    assert "hidden" not in rig.stream.down

    feed.refuse_with = 0
    rig.stream.revive()
    assert await rig.stream.wait_live(5)
    await rig.stream.close()


async def test_a_word_of_the_broker_ends_the_tries_too(feed: Feed) -> None:
    rig = Rig(feed)
    rig.words.dies_at = 3
    rig.stream.start()
    await rig.until(lambda: rig.stream.is_dead)
    await rig.stream.close()

    assert rig.states == ["", "the token has expired"]


async def test_a_bug_in_the_handling_of_a_frame_is_a_loss_that_is_told_and_mended(feed: Feed) -> None:
    rig = Rig(feed)
    rig.words.breaks_at = 3
    rig.stream.start()
    await rig.until(lambda: len(rig.states) >= 3 and rig.words.frames > 5)
    await rig.stream.close()

    assert rig.states == ["", "a frame could not be handled: KeyError", ""]


@pytest.mark.row("OPT-10")
async def test_after_429_it_cools_off(feed: Feed) -> None:
    feed.refuse_with = 429
    rig = Rig(feed)
    rig.stream.start()
    await rig.until(lambda: len(feed.hellos) >= 2)
    await rig.stream.close()

    assert feed.hellos[1] - feed.hellos[0] >= 0.4


async def test_nothing_is_sent_while_it_is_lost(feed: Feed) -> None:
    rig = Rig(feed)
    assert not await rig.stream.send("subscribe C")
    rig.stream.start()
    await rig.stream.wait_live(5)
    assert await rig.stream.send("subscribe C")
    await rig.stream.close()
