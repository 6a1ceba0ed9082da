"""Every adapter over a real socket, against its own venue on the paper exchange: one rig, whatever the broker."""

from __future__ import annotations

import argparse
import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from itertools import count
from random import Random
from typing import Any

import msgspec
import pytest

from brokers.paper.server import Floor
from brokers.venue.site import Site, VenueTerms
from brokers.wire.tools import SessionTools
from engine.config.accounts import ACCOUNT_KINDS
from engine.config.accounts import PaperAccount as PaperConfig
from engine.instrument import Instrument, Segment
from engine.order import OrderState, OrderType, Side, Trade
from engine.port import Answer, BrokerPort, OrderChange, OrderReport, OrderRequest, Unknown
from engine.port_reads import BrokerSession
from engine.tick import Tick
from tui.broker_sessions import make_session
from tui.paper_floor import PaperFloor
from tui.rehearsal import make_venue, rehearsal_secret, rehearsed

PATIENCE_S = 8.0
"""Real seconds for anything to become true; nothing here waits so long unless it fails."""
SPEED = 20.0


class ScriptedPort:
    """The venue's account as the floor has it, with the next writes scripted: `after` = done and not answered, `before`
    = lost on the way."""

    def __init__(self, inner: BrokerPort) -> None:
        self._inner = inner
        self.script: deque[str] = deque()
        self.placed: list[OrderRequest] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def place(self, request: OrderRequest) -> Answer:
        return await self._write(lambda: self._placed(request))

    async def modify(self, change: OrderChange) -> Answer:
        return await self._write(lambda: self._inner.modify(change))

    async def cancel(self, tag: str, broker_id: str) -> Answer:
        return await self._write(lambda: self._inner.cancel(tag, broker_id))

    async def _placed(self, request: OrderRequest) -> Answer:
        self.placed.append(request)
        return await self._inner.place(request)

    async def _write(self, act: Callable[[], Any]) -> Answer:
        how = self.script.popleft() if self.script else ""
        if how == "before":
            return Unknown("scripted: lost on the way")
        answer = await act()
        return Unknown("scripted: the reply is lost") if how == "after" else answer


class ScriptedFloor:
    """The paper floor with scripted accounts. Implements `brokers.paper.server.Floor`."""

    def __init__(self, inner: PaperFloor) -> None:
        self._inner = inner
        self.ports: dict[str, ScriptedPort] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def account(self, name: str) -> Any:
        if name not in self.ports:
            self.ports[name] = ScriptedPort(await self._inner.account(name))
        return self.ports[name]


class Rig:
    """One floor, one venue, and sessions at it."""

    def __init__(self, kind: str, floor: ScriptedFloor, venue: Site) -> None:
        self.kind, _, self.mode = kind.partition("/")
        self.floor = floor
        self.venue = venue
        self.notes: list[str] = []
        self.reports: list[OrderReport] = []
        self.trades: list[Trade] = []
        self.ticks: list[Tick] = []
        self.account_links: list[str] = []
        self.feed_links: list[str] = []
        self.sessions: list[BrokerSession] = []
        self.session: BrokerSession
        self.port = venue.port
        """Where sessions find the venue; a proxy may stand before it."""
        self.deadline_s = 7.0
        self._tags = count(1)

    def make_session(self, random: Random | None = None, reveal: Callable[[str], str] = rehearsal_secret) -> Any:
        terms = rehearsed(ACCOUNT_KINDS[self.kind](kind=self.kind), f"127.0.0.1:{self.port}")  # type: ignore[call-arg]
        terms = msgspec.structs.replace(terms, mode_expected=self.mode) if self.mode else terms
        clock = self.floor.clock
        tools = SessionTools(
            clock=clock, random=random or Random(1), note=self.notes.append, time_scale=SPEED,
            deadline_s=self.deadline_s,
        )  # fmt: skip
        session = make_session(terms, reveal, tools)
        self.sessions.append(session)
        return session

    async def open(self) -> None:
        self.session = self.make_session()
        self.session.account.listen(self.reports.append, self.trades.append)
        self.session.account.on_link(self.account_links.append)
        self.session.feed.listen(self.ticks.append)
        self.session.feed.on_link(self.feed_links.append)
        await self.session.open()
        await self.session.account.connect()
        await self.session.feed.connect()

    @property
    def scripted(self) -> ScriptedPort:
        """The venue's side of the account that traded first."""
        return next(iter(self.floor.ports.values()))

    async def option(self) -> Instrument:
        """The 24500 PE of the demo market."""
        rows = await self.session.feed.instruments()
        return next(row for row in rows if row.segment is Segment.INDEX_OPTION and row.short_name == "24500PE")

    async def quote(self) -> Tick:
        instrument = await self.option()
        await self.session.feed.subscribe([instrument.symbol])
        await self.until(lambda: any(tick.symbol == instrument.symbol for tick in self.ticks))
        return await self.session.feed.quote(instrument.symbol)

    async def request(self, side: Side = Side.BUY, away_paise: int = 0, **fields: Any) -> OrderRequest:
        """A LIMIT of one lot, `away_paise` from the last price on the side where it rests; negative = it fills."""
        instrument = await self.option()
        if "limit_paise" not in fields:
            ltp = (await self.quote()).ltp_paise
            fields["limit_paise"] = max(5, (ltp - side.sign * away_paise) // 5 * 5)
        base: dict[str, Any] = {
            "tag": f"SDTEST{next(self._tags):06d}E",
            "symbol": instrument.symbol,
            "exchange": instrument.exchange,
            "product": "MIS",
            "side": side,
            "type": OrderType.LIMIT,
            "qty": instrument.lot_size,
            "trigger_paise": 0,
        }
        return OrderRequest(**(base | fields))

    async def row(self, tag: str) -> OrderReport | None:
        """The order with this tag as the broker's book has it now."""
        rows = [row for row in await self.session.account.read_orders() if row.tag == tag]
        assert len(rows) <= 1, "one order, one row"
        return rows[0] if rows else None

    async def until_state(self, tag: str, *states: OrderState) -> OrderReport:
        found: list[OrderReport] = []

        async def look() -> bool:
            row = await self.row(tag)
            found[:] = [row] if row is not None else []
            return row is not None and row.state in states

        await self.until(look)
        return found[0]

    async def until(self, is_so: Callable[[], Any], within_s: float = PATIENCE_S) -> None:
        """Look again and again, until it is so."""
        loop = asyncio.get_running_loop()
        end = loop.time() + within_s
        while True:
            answer = is_so()
            if await answer if asyncio.iscoroutine(answer) else answer:
                return
            assert loop.time() < end, f"never: {is_so}; notes: {self.notes[-5:]}"
            await asyncio.sleep(0.02)

    async def close(self) -> None:
        for session in self.sessions:
            await session.close()
        await self.venue.close()


KINDS = ("kite", "dhan", "openalgo", pytest.param("openalgo/live", marks=pytest.mark.slow), "xts")
"""A word after the slash is the mode that the venue is in; only OpenAlgo's has one."""


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def venue_terms() -> VenueTerms:
    """Parametrise to have another venue."""
    return VenueTerms()


@pytest.fixture
async def made_rig(kind: str, venue_terms: VenueTerms) -> AsyncIterator[Rig]:
    """A venue that is up, and nobody has logged in."""
    arguments = argparse.Namespace(seed=7, speed=SPEED, books=None, faults=None)
    inner = PaperFloor(arguments, PaperConfig(latency_ms=20))
    await inner.open()
    floor = ScriptedFloor(inner)
    market = [asyncio.get_running_loop().create_task(job()) for job in inner.jobs]
    name, _, mode = kind.partition("/")
    venue: Any = make_venue(name, as_floor(floor), Random(3), venue_terms, lambda _text: None)
    if mode:
        venue.mode = mode
    await venue.start()
    rig = Rig(kind, floor, venue)
    yield rig
    await rig.close()
    for task in market:
        task.cancel()
    await asyncio.gather(*market, return_exceptions=True)
    inner.close()


@pytest.fixture
async def rig(made_rig: Rig) -> Rig:
    """Logged in, account and feed connected."""
    await made_rig.open()
    return made_rig


def as_floor(floor: Any) -> Floor:
    return floor
