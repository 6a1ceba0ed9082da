"""A rehearsal venue of XTS on the paper exchange, and sessions at it over real sockets."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from brokers.wire.http import HttpLink
from brokers.wire.tools import SessionTools
from brokers.xts.rules import SessionLimits
from brokers.xts.session import XtsSession
from brokers.xts.venue import XtsVenue
from engine.config.accounts import PaperAccount as PaperConfig
from engine.config.accounts import XtsAccount
from engine.instrument import Segment
from tui.paper_floor import PaperFloor
from tui.rehearsal import rehearsal_secret

SPEED = 20.0
FIXTURES = Path(__file__).resolve().parents[3].parent / "shared" / "fixtures" / "xts"


class Site:
    """One venue, and what was made at it."""

    def __init__(self, floor: PaperFloor, venue: XtsVenue) -> None:
        self.floor = floor
        self.venue = venue
        self.notes: list[str] = []
        self.sessions: list[XtsSession] = []
        self.link = HttpLink(f"http://127.0.0.1:{venue.port}", dict, deadline_s=5)

    def session(
        self,
        limits: SessionLimits | None = None,
        reveal: Callable[[str], str] = rehearsal_secret,
        **terms: Any,
    ) -> XtsSession:
        tools = SessionTools(clock=self.floor.clock, random=Random(1), note=self.notes.append, time_scale=SPEED)
        made = XtsSession(
            XtsAccount(kind="xts", root=f"http://127.0.0.1:{self.venue.port}", **terms), reveal, tools, limits
        )
        self.sessions.append(made)
        return made

    def option(self, session: XtsSession) -> Any:
        rows = [row.instrument for row in session.known_master.by_symbol.values()]
        return next(row for row in rows if row.segment is Segment.INDEX_OPTION and row.short_name == "24500PE")

    async def login(self, side: str = "trade") -> str:
        """A token, as a plain client gets one."""
        path = "/interactive/user/session" if side == "trade" else "/apimarketdata/auth/login"
        body = {"appKey": f"rehearsal-{side}", "secretKey": "rehearsal", "source": "WEBAPI"}
        reply = await self.link.call("POST", path, json=body)
        return reply.data["result"]["token"]

    async def until(self, is_so: Callable[[], Any], within_s: float = 6.0) -> None:
        end = asyncio.get_running_loop().time() + within_s
        while not is_so():
            assert asyncio.get_running_loop().time() < end, f"never; notes: {self.notes[-5:]}"
            await asyncio.sleep(0.02)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    floor = PaperFloor(argparse.Namespace(seed=7, speed=SPEED, books=None, faults=None), PaperConfig(latency_ms=20))
    await floor.open()
    jobs = [asyncio.get_running_loop().create_task(job()) for job in floor.jobs]  # type: ignore[arg-type]
    venue = XtsVenue(floor, Random(3))
    await venue.start()
    made = Site(floor, venue)
    yield made
    for session in made.sessions:
        await session.close()
    await made.link.close()
    await venue.close()
    for job in jobs:
        job.cancel()
    await asyncio.gather(*jobs, return_exceptions=True)
    floor.close()


@pytest.fixture
def fixture_of() -> Callable[[str], Any]:
    """A real reply by its file name; lines of a .jsonl as a list. Skips where the fixtures are not at hand."""

    def read(name: str) -> Any:
        path = FIXTURES / name
        if not path.exists():
            pytest.skip("the recorded replies are not beside this checkout (shared/fixtures/xts)")
        text = path.read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()] if name.endswith(".jsonl") else json.loads(text)

    return read
