"""Puts one desk together for a simulated day: the real desk with journal, gateway and log, behind a life's doors."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from brokers.paper.demo_market import DEMO_DAY
from engine.alerts import AlertBook
from engine.charges import ChargeBook, read_charge_tables
from engine.desk_parts import BotParts, DeskLabels, DeskParts, DeskTimes
from engine.desk_view import DeskConsole
from engine.gateway import GatewayLimits
from engine.instrument import Instrument
from engine.journal.store import Journal
from engine.journal.writer import InlineWriter
from engine.log import LogBook
from engine.order_charges import OrderCharges
from engine.port import BrokerPort, MarketPort
from engine.secrets import Redactions
from engine.session import Calendar
from tui.simulation.life import Life, LifeClock, LifeMarket
from tui.simulation.seed_terms import SeedTerms
from tui.simulation.truth import Truth
from tui.simulation.witness import WatchedDesk, WitnessPort, WitnessStore

COMMIT_S: Final = 0.0005
"""Time from a batch to its commit, exchange time: about what a disk takes (design/performance.md, G6).
What the desk sends without waiting for it is on the wire before, and the oracle sees it (O1)."""


class World(Protocol):
    """What a desk finds outside."""

    terms: SeedTerms
    truth: Truth
    port: BrokerPort
    market: MarketPort
    instruments: Mapping[str, Instrument]
    calendar: Calendar

    def bots(self, account_id: str) -> tuple[BotParts, ...]:
        """What sits at the desk."""
        ...

    def on_step(self) -> None: ...


class DeskLife:
    """A desk and everything that dies with it."""

    def __init__(self, life: Life, world: World, image: bytes) -> None:
        """`image` is the journal as the desk before left it; empty for the first."""
        self.life = life
        self.world = world
        self.clock = LifeClock(life)
        self.market = LifeMarket(life, world.market)
        self.journal = Journal.in_memory(image)
        self.desk = WatchedDesk(self._parts(), self._look, life)
        self.console = DeskConsole(self.desk)
        self.starting: asyncio.Future[None] | None = None

    def bury(self) -> None:
        """End what a killed process would have ended at once."""
        if self.starting is not None:
            self.starting.cancel()
        self.desk.bury()
        self.journal.close()

    def _look(self) -> None:
        if not self.life.is_over:
            self.world.on_step()

    def _on_alert(self, heard: Callable[[], None]) -> None:
        if not self.life.is_over:
            heard()

    def _parts(self) -> DeskParts:
        world, clock, port = self.world, self.clock, self.world.port
        account = port.account_id
        run_no = self.journal.start_run(
            started_ns=clock.now_ns(), version="simulation", mode="SIMULATION", account=account, seed=world.terms.seed
        )
        alerts = AlertBook()
        truth = world.truth
        alerts.listen(lambda a: self._on_alert(lambda: truth.heard.append((a.at_ns, a.symbol, a.text))))
        store = WitnessStore(self.journal, truth, self.life)
        charges = OrderCharges(ChargeBook(read_charge_tables(), 2000), world.instruments)
        writer = InlineWriter(store, asyncio.get_running_loop(), lambda error: self.desk.on_journal_error(error))
        writer.commit_s = COMMIT_S
        return DeskParts(
            clock=clock,
            ports=(WitnessPort(port, truth, self._look, self.life),),
            market=self.market,
            instruments=world.instruments,
            calendar=world.calendar,
            writer=writer,
            # Only the words: what a file would get besides is not made. The ring and the alerts are the real ones.
            log=LogBook(Redactions(), level="CRITICAL", alerts=alerts, ring_max=50),
            alerts=alerts,
            run_no=run_no,
            bots=world.bots(account),
            times=DeskTimes(restart_loop_starts=0),  # its pause would make quiet days of nasty ones
            labels=DeskLabels(mode="SIMULATION", broker="paper", is_live=False),
            limits=GatewayLimits(),
            restored=self.journal.load(account, trading_day=DEMO_DAY.isoformat()),
            charges_of=charges.paise,
        )
