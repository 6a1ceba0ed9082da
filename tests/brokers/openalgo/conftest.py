"""A paper floor, an OpenAlgo venue on it, and sessions at the venue, in the mode that a test asks for."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import AsyncIterator
from random import Random
from typing import Any

import pytest
from msgspec.structs import replace

from brokers.openalgo.rules import Mode
from brokers.openalgo.session import OpenAlgoSession
from brokers.openalgo.venue import OpenAlgoVenue
from brokers.venue.site import VenueTerms
from brokers.wire.tools import SessionTools
from engine.config.accounts import OpenAlgoAccount
from engine.config.accounts import PaperAccount as PaperConfig
from engine.instrument import Segment
from engine.order import OrderType, Side
from engine.port import OrderReport, OrderRequest
from tui.paper_floor import PaperFloor
from tui.rehearsal import rehearsal_secret, rehearsed

SPEED = 20.0


class Server:
    """The venue, its floor, and what was heard from it."""

    def __init__(self, floor: PaperFloor, venue: OpenAlgoVenue) -> None:
        self.floor = floor
        self.venue = venue
        self.notes: list[str] = []
        self.reports: list[OrderReport] = []
        self.links: list[str] = []
        self.sessions: list[OpenAlgoSession] = []
        self._tags = 0

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.venue.port}"

    def session(self, mode: str = "", cache: Any = None) -> OpenAlgoSession:
        """Not opened."""
        terms = rehearsed(OpenAlgoAccount(kind="openalgo"), self.address)
        assert isinstance(terms, OpenAlgoAccount)
        terms = replace(terms, mode_expected=mode or self.venue.mode.value)
        tools = SessionTools(
            clock=self.floor.clock, random=Random(1), note=self.notes.append, time_scale=SPEED, cache=cache
        )
        made = OpenAlgoSession(terms, rehearsal_secret, tools)
        made.account.listen(self.reports.append, lambda _trade: None)
        made.account.on_link(self.links.append)
        self.sessions.append(made)
        return made

    async def opened(self, mode: str = "") -> OpenAlgoSession:
        made = self.session(mode)
        await made.open()
        await made.account.connect()
        return made

    async def request(self, session: OpenAlgoSession, away_paise: int = 3000, **fields: Any) -> OrderRequest:
        """A LIMIT to buy one lot of the 24500 PE, so far below the last price."""
        rows = await session.feed.instruments()
        option = next(r for r in rows if r.segment is Segment.INDEX_OPTION and r.short_name == "24500PE")
        ltp = (await session.feed.quote(option.symbol)).ltp_paise
        self._tags += 1
        base: dict[str, Any] = {
            "tag": f"SDOWN{self._tags:06d}E", "symbol": option.symbol, "exchange": option.exchange, "product": "MIS",
            "side": Side.BUY, "type": OrderType.LIMIT, "qty": option.lot_size,
            "limit_paise": max(5, (ltp - away_paise) // 5 * 5), "trigger_paise": 0,
        }  # fmt: skip
        return OrderRequest(**(base | fields))

    async def until(self, is_so: Any, within_s: float = 8.0) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + within_s
        while True:
            answer = is_so()
            if await answer if asyncio.iscoroutine(answer) else answer:
                return
            assert loop.time() < end, f"never; notes: {self.notes[-5:]}"
            await asyncio.sleep(0.02)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """In analyze mode; set `server.venue.mode` before a session is opened."""
    floor = PaperFloor(argparse.Namespace(seed=7, speed=SPEED, books=None, faults=None), PaperConfig(latency_ms=20))
    await floor.open()
    jobs = [asyncio.get_running_loop().create_task(job()) for job in floor.jobs]
    venue = OpenAlgoVenue(floor, Random(3), VenueTerms(writes_per_s=1_000))
    await venue.start()
    made = Server(floor, venue)
    yield made
    for session in made.sessions:
        await session.close()
    await venue.close()
    for job in jobs:
        job.cancel()
    await asyncio.gather(*jobs, return_exceptions=True)
    floor.close()


@pytest.fixture
async def live_server(server: Server) -> Server:
    """In live mode, as the XTS plugin writes it."""
    server.venue.mode = Mode.LIVE
    return server
