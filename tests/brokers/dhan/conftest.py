"""A Dhan venue on the demo market, sessions at it, and the recorded replies of the reference folder."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from brokers.dhan.session import DhanSession
from brokers.dhan.venue import DhanVenue
from brokers.venue.site import VenueTerms
from brokers.wire.tools import SessionTools
from engine.config.accounts import DhanAccount as Terms
from engine.config.accounts import PaperAccount as PaperConfig
from tui.paper_floor import PaperFloor
from tui.rehearsal import rehearsal_secret, rehearsed

SPEED = 20.0


@pytest.fixture
def fixtures() -> Path:
    folder = Path(__file__).resolve().parents[3].parent / "shared" / "fixtures" / "dhan"
    if not folder.is_dir():
        pytest.skip("the recorded replies of the reference folder are not beside the project")
    return folder


@pytest.fixture
async def floor() -> AsyncIterator[PaperFloor]:
    """The paper floor, its market running."""
    made = PaperFloor(argparse.Namespace(seed=11, speed=SPEED, books=None, faults=None), PaperConfig(latency_ms=10))
    await made.open()
    jobs: list[Any] = [asyncio.get_running_loop().create_task(job()) for job in made.jobs]  # type: ignore[arg-type]
    yield made
    for job in jobs:
        job.cancel()
    await asyncio.gather(*jobs, return_exceptions=True)
    made.close()


@pytest.fixture
async def venue(floor: PaperFloor) -> AsyncIterator[DhanVenue]:
    made = DhanVenue(floor, Random(5), VenueTerms(writes_per_s=1_000))
    await made.start()
    yield made
    await made.close()


@pytest.fixture
async def make_session(floor: PaperFloor) -> AsyncIterator[Callable[..., DhanSession]]:
    """`make_session(port, client_id=..., deadline_s=..., reveal=...)`: not opened yet; `notes` hears its notes."""
    made: list[DhanSession] = []

    def make(
        port: int,
        *,
        client_id: str = "1000000001",
        deadline_s: float = 7.0,
        notes: list[str] | None = None,
        reveal: Callable[[str], str] = rehearsal_secret,
        cache: Path | None = None,
    ) -> DhanSession:
        heard: list[str] = [] if notes is None else notes
        tools = SessionTools(
            clock=floor.clock,
            random=Random(1),
            note=heard.append,
            cache=cache,
            deadline_s=deadline_s,
            time_scale=SPEED,
        )
        terms = rehearsed(Terms(kind="dhan", client_id=client_id), f"127.0.0.1:{port}")
        assert isinstance(terms, Terms)
        made.append(DhanSession(terms, reveal, tools))
        return made[-1]

    yield make
    for session in made:
        await session.close()


@pytest.fixture
def until() -> Callable[..., Any]:
    """`await until(is_so)`: looks again and again, until it is so."""

    async def look(is_so: Callable[[], Any], within_s: float = 8.0) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + within_s
        while True:
            answer = is_so()
            if await answer if asyncio.iscoroutine(answer) else answer:
                return
            assert loop.time() < end, "never"
            await asyncio.sleep(0.02)

    return look
