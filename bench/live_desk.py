"""A whole desk in real time for the measurements: real clock, journal file with its writer thread and synchronous=FULL,
real gateway, log file and heartbeat, on the paper exchange with 5 ms write time and pushed fills; ticks from `feed.py`.
"""

from __future__ import annotations

import asyncio
import gc
import resource
from collections.abc import Sequence
from datetime import time as clock_time
from pathlib import Path
from random import Random

from desks import ACCOUNT, DAY, contracts, make_desk
from feed import Feed, FeedMarket

from brokers.paper.account import Latency, PaperAccount
from brokers.paper.exchange import PaperExchange
from brokers.paper.rules import PaperRules
from engine.alerts import AlertBook
from engine.bracket import Bracket
from engine.bracket_state import BracketTerms
from engine.clock import LoopClock
from engine.desk_view import DeskConsole
from engine.gateway import GatewayLimits
from engine.heartbeat import start_heartbeat
from engine.instant import at_ist
from engine.instrument import Instrument, Segment
from engine.journal.store import Journal
from engine.journal.writer import JournalWriter
from engine.log import LogBook, RotatingFile
from engine.operator import Enter
from engine.order import Side
from engine.port import BrokerPort
from engine.secrets import Redactions
from engine.view import ExitStyle

START_NS = at_ist(DAY, clock_time(10, 0))
FIVE_MS = Latency(request_ms=(2, 3), push_ms=(0, 2), overtake_pct=30)
"""4 to 6 ms there and back, writes and reads alike; updates are pushed before the reply or up to 2 ms after it."""
_NO_PACE = 1_000_000
_ENTER_AGAIN_S = 0.25
_PATIENCE_S = 20.0


def cpu_s() -> float:
    """User and system time of this process, all threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def index(name: str) -> Instrument:
    return Instrument(symbol=name, exchange="NSE", segment=Segment.INDEX, lot_size=1, tick_paise=5)


class LiveDesk:
    """Build on the running loop, `start`, measure, `stop`. Each leg is a bot of its own, named after its symbol."""

    def __init__(
        self, folder: Path, feed: Feed | None, legs: int, terms: BracketTerms, indices: Sequence[str] = ()
    ) -> None:
        loop = asyncio.get_running_loop()
        self.instruments = contracts(legs)
        self.symbols = [instrument.symbol for instrument in self.instruments]
        rows = [index(name) for name in indices]
        self.clock = LoopClock(loop, START_NS)
        rules = PaperRules(funds_paise=10**13)
        self.exchange = PaperExchange(self.instruments, rules, lambda *_: True)
        # What is measured is the engine, not the waiting for a rate that brokers allow: 2,000 orders in a minute.
        account = PaperAccount(
            ACCOUNT, self.exchange, self.clock, Random(1), latency=FIVE_MS, orders_per_s_max=_NO_PACE
        )
        self.market = FeedMarket(self.clock, rows or self.instruments, feed) if feed is not None else None
        if self.market is not None:
            self.market.listen(self.exchange.on_tick)
        self.journal = Journal.open(folder / "desk.db", synchronous="FULL", now_ns=START_NS)
        self.writer = JournalWriter(self.journal, loop, lambda error: self.desk.on_journal_error(error))
        alerts = AlertBook()
        self.log_file = RotatingFile(folder / "desk.log")
        self.log = LogBook(Redactions(), sinks=[self.log_file], clock=self.clock, alerts=alerts)
        self.desk = make_desk(
            self.instruments,
            self.clock,
            self.port_of(account),
            self.journal,
            self.writer,
            bracket=terms,
            limits=GatewayLimits(orders_per_s=_NO_PACE, orders_per_min=_NO_PACE, exit_reserve_per_s=0),
            market=self.market,
            log=self.log,
            indices=rows,
            apart=True,
        )
        self.console = DeskConsole(self.desk, alerts)
        self._requests = 0

    def port_of(self, account: PaperAccount) -> BrokerPort:
        """What stands between desk and account; nothing here."""
        return account

    async def start(self) -> None:
        """Running, with the first prices seen, collected and frozen as a started station is."""
        await self.desk.start()
        self.heartbeat = start_heartbeat(self.desk, self.console.view)
        await asyncio.sleep(0.3)
        gc.collect()
        gc.freeze()

    async def stop(self) -> None:
        self.heartbeat.stop()
        failures = list(self.desk.failures)
        await self.desk.stop("measured", flatten=True)
        await self.writer.close()
        self.journal.close()
        self.log.flush()
        self.log_file.close()
        if failures:
            raise SystemExit(f"the desk noted failures of its own: {failures}")

    # --- hands ----------------------------------------------------------------------------------------------------

    def bracket(self, leg: int) -> Bracket | None:
        symbol = self.symbols[leg]
        return self.desk.bots[symbol].legs[symbol].bracket

    def is_open(self, leg: int) -> bool:
        """Held, and nobody has decided to leave."""
        bracket = self.bracket(leg)
        return bracket is not None and bracket.body.entry_paise > 0 and bracket.open_qty > 0 and not self._leaves(leg)

    def is_settled(self, leg: int) -> bool:
        """Held, filled in full, and whatever shall rest at the broker is working there."""
        bracket = self.bracket(leg)
        if bracket is None or not self.is_open(leg) or bracket.open_qty < bracket.body.qty:
            return False
        if bracket.body.style is not ExitStyle.MONITORED and not bracket.working_stops():
            return False
        return all(order.is_at_broker for order in bracket.mine if order.is_live)

    def _leaves(self, leg: int) -> bool:
        bracket = self.bracket(leg)
        return bracket is not None and bool(bracket.body.exit_reason)

    async def enter(self, leg: int) -> None:
        """Buy one lot by the trader's key; a refusal (books being compared) is answered by asking again."""
        loop = asyncio.get_running_loop()
        end = loop.time() + _PATIENCE_S
        asked = 0.0
        while not self.is_settled(leg):
            if loop.time() > end:
                raise SystemExit(
                    f"{self.symbols[leg]} did not enter: {[line.text for line in self.log.lines_since(0)][-5:]}"
                )
            bracket = self.bracket(leg)
            if loop.time() > asked + _ENTER_AGAIN_S and (bracket is None or bracket.body.closed_ns):
                asked = loop.time()
                self._requests += 1
                self.desk.submit(Enter(request_id=f"e{self._requests}", side=Side.BUY, bot=self.symbols[leg]))
            await asyncio.sleep(0.002)
