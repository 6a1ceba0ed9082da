"""A venue of Kite's protocol on the demo market, and what its clients need to find it."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from brokers.kite.session import KiteSession
from brokers.kite.venue import KiteVenue
from brokers.venue.site import VenueTerms
from brokers.wire.tools import SessionTools
from engine.config.accounts import KiteAccount, PaperAccount
from tui.paper_floor import PaperFloor

FIXTURES = Path(__file__).resolve().parents[3].parent / "shared" / "fixtures" / "kite"
KEY, TOKEN = "rehearsal-kite-api-key", "rehearsal-kite-access-token"
SPEED = 20.0


@pytest.fixture
def fixtures() -> Path:
    """The broker's own sample replies; absent on most machines."""
    if not FIXTURES.is_dir():
        pytest.skip("the reference folder 'shared' is not beside the project")
    return FIXTURES


@pytest.fixture
async def floor() -> AsyncIterator[PaperFloor]:
    arguments = argparse.Namespace(seed=7, speed=SPEED, books=None, faults=None)
    made = PaperFloor(arguments, PaperAccount(latency_ms=20))
    await made.open()
    market = [asyncio.get_running_loop().create_task(job()) for job in made.jobs]  # type: ignore[arg-type]
    yield made
    for task in market:
        task.cancel()
    await asyncio.gather(*market, return_exceptions=True)
    made.close()


@pytest.fixture
async def venue(floor: PaperFloor) -> AsyncIterator[KiteVenue]:
    made = KiteVenue(floor, Random(3), VenueTerms(writes_per_s=1_000))
    await made.start()
    yield made
    await made.close()


@pytest.fixture
async def make_session(floor: PaperFloor, venue: KiteVenue) -> AsyncIterator[Any]:
    """`make_session(reveal=..., notes=...)`: a session at the venue, closed at the end."""
    made: list[KiteSession] = []

    def make(reveal: Any = None, notes: list[str] | None = None) -> KiteSession:
        address = f"127.0.0.1:{venue.port}"
        terms = KiteAccount(kind="kite", api_url=f"http://{address}", ws_url=f"ws://{address}")
        kept = notes if notes is not None else []
        tools = SessionTools(clock=floor.clock, random=Random(1), note=kept.append, time_scale=SPEED)
        secrets = {"KITE_API_KEY": KEY, "KITE_ACCESS_TOKEN": TOKEN}
        session = KiteSession(terms, reveal or secrets.__getitem__, tools)
        made.append(session)
        return session

    yield make
    for session in made:
        await session.close()


@pytest.fixture
def until() -> Any:
    """`await until(lambda: ...)`: look again and again, until it is so."""

    async def wait(is_so: Any, within_s: float = 6.0) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + within_s
        while not is_so():
            assert loop.time() < end, "never"
            await asyncio.sleep(0.01)

    return wait
