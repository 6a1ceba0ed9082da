"""A loopback web server in front of the paper exchange: what the venues of all brokers share.

The floor (exchange, market, accounts, clock) is given. A venue adds routes that speak its broker's protocol. There is
only paper money here, and only loopback is listened on; credentials are checked because a broker checks them.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import contextmanager
from random import Random
from typing import Any, Final

import msgspec
from aiohttp import web

from brokers.paper.server import Floor
from engine.instant import NS_PER_S
from engine.port import ReadFailed

REHEARSAL: Final = "rehearsal"
"""Key, secret and token that every venue takes: a rehearsal needs no real credential."""
_BODY_MAX: Final = 256 * 1024
_CLOCK_PATH: Final = "/strikedesk/clock"


class VenueTerms(msgspec.Struct, frozen=True, kw_only=True):
    """How a venue behaves where its broker leaves a choice, and which of the broker's bad manners it shows."""

    lost_reply: str = "drop"
    """What becomes of a write whose outcome the floor leaves unknown: `drop` (connection closed), `html` (502 page),
    `silence` (never answered), or `any` of them by the seed."""
    trading_allowed: bool = True
    """False: order writes are refused as from an unregistered address."""
    writes_per_s: int = 10
    """Order writes taken in one second of the exchange clock; more are answered as the broker answers them."""
    token_expires: bool = True
    """Sessions end when the broker's do, on the exchange clock."""


@web.middleware
async def _failed_reads(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """A read that the floor cannot answer is a page of the gateway, whatever the broker."""
    try:
        return await handler(request)
    except ReadFailed:
        return web.Response(status=502, content_type="text/html", text="<html><body>502 Bad Gateway</body></html>")


class Site:
    """`start` it and `close` it. Subclasses add their routes to `app` and their jobs."""

    def __init__(
        self,
        floor: Floor,
        random: Random,
        terms: VenueTerms | None = None,
        on_note: Callable[[str], None] = lambda _text: None,
    ) -> None:
        self.floor = floor
        self.random = random
        self.terms = terms or VenueTerms()
        self.on_note = on_note
        self.app = web.Application(client_max_size=_BODY_MAX, middlewares=[_failed_reads])
        self.app.router.add_get(_CLOCK_PATH, self._clock)
        self._runner: web.AppRunner | None = None
        self._port = 0
        self._second = 0
        self._writes: Counter[str] = Counter()
        self._streams: set[asyncio.Transport] = set()

    @property
    def jobs(self) -> list[Callable[[], Coroutine[Any, Any, None]]]:
        """What has to run while it serves; they end only by cancellation."""
        return []

    @property
    def port(self) -> int:
        """0 before the start."""
        return self._port

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Raises ValueError for an address that is not loopback, and OSError when it cannot be listened on."""
        if not ipaddress.ip_address(host).is_loopback:
            raise ValueError(f"{host}: a venue listens on loopback only (127.0.0.1 or ::1)")
        self._runner = web.AppRunner(self.app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def cut_streams(self) -> None:
        """Break every stream of every client, without a word."""
        for transport in tuple(self._streams):
            transport.abort()

    def end_sessions(self) -> None:
        """Every token that was given or taken so far is dead from now on."""
        raise NotImplementedError

    @contextmanager
    def streaming(self, request: web.Request) -> Generator[None]:
        """While a websocket is served."""
        transport = request.transport
        assert transport is not None, "aiohttp gives every live request its transport"
        self._streams.add(transport)
        try:
            yield
        finally:
            self._streams.discard(transport)

    def is_throttled(self, account: str) -> bool:
        """Counts one order write of this account in the running second of the exchange clock."""
        second = self.floor.clock.now_ns() // NS_PER_S
        if second != self._second:
            self._second = second
            self._writes.clear()
        self._writes[account] += 1
        return self._writes[account] > self.terms.writes_per_s

    async def lose_reply(self, request: web.Request) -> web.Response:
        """The request was carried out, or may have been; its caller is not told."""
        how = self.terms.lost_reply
        if how == "any":
            how = self.random.choice(("drop", "html", "silence"))
        if how == "html":
            return web.Response(status=502, content_type="text/html", text="<html><body>502 Bad Gateway</body></html>")
        if how == "silence":
            await asyncio.sleep(3600)
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=500)

    async def _clock(self, _request: web.Request) -> web.Response:
        """The venue's own clock, for a desk that rehearses: no broker has this."""
        return web.json_response(msgspec.to_builtins(self.floor.anchor))
