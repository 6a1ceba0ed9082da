"""Demo market, venue, account and books put together as the command line does it, with and without a restart."""

from __future__ import annotations

import asyncio
from datetime import date, time, timedelta
from pathlib import Path
from random import Random

import pytest

from brokers.paper.account import PaperAccount
from brokers.paper.books_file import BooksFile
from brokers.paper.demo_market import DEMO_DAY, DemoMarket
from brokers.paper.exchange import PaperExchange
from brokers.paper.rules import PaperRules
from engine.clock import LoopClock
from engine.instant import NS_PER_S, at_ist
from engine.order import OrderState, OrderType, Side
from engine.port import Acked, OrderRequest
from engine.virtual_time import run_virtual

PUT = "NIFTY01DEC2624450PE"
OPEN_NS = at_ist(DEMO_DAY, time(9, 15))


def session(day: date) -> tuple[int, int]:
    return at_ist(day, time(9, 15)), at_ist(day, time(15, 40))


def is_open(symbol: str, now_ns: int) -> bool:
    return True


def next_trading_day(day: date) -> date:
    return day + timedelta(3 if day.weekday() == 4 else 1)


class Run:
    """One life of the program: from the clock in the books until it is stopped, without a farewell."""

    def __init__(self, path: Path, seed: int) -> None:
        self.books = BooksFile.open(path, funds_paise=50_000_000, start_ns=OPEN_NS)
        start_ns = self.books.clock_ns
        self.clock = LoopClock(asyncio.get_running_loop(), start_ns)
        self.exchange = PaperExchange([], PaperRules(), is_open)
        self.market = DemoMarket(
            seed, start_ns, self.clock, session, next_trading_day, on_instruments=self.exchange.list_instruments
        )
        self.account = PaperAccount(
            self.books.account_id, self.exchange, self.clock, Random(seed), recorder=self.books.record
        )
        self.market.listen(self.exchange.on_tick)
        self.pushed: list[object] = []
        self.account.listen(self.pushed.append, self.pushed.append)

    async def start(self) -> None:
        self.exchange.list_instruments(await self.market.instruments())
        self.exchange.restore(self.books.state(), self.clock.now_ns())
        await self.account.connect()
        await self.market.connect()
        await self.market.subscribe([PUT])
        self._running = asyncio.ensure_future(self.market.run())

    async def until(self, at_ns: int) -> None:
        await self.clock.sleep_until(at_ns)

    def kill(self) -> None:
        self._running.cancel()

    async def send(self, tag: str, side: Side, limit: int, trigger: int = 0) -> None:
        request = OrderRequest(
            tag=tag,
            symbol=PUT,
            exchange="NFO",
            product="NRML",
            side=side,
            type=OrderType.SL if trigger else OrderType.LIMIT,
            qty=65,
            limit_paise=limit,
            trigger_paise=trigger,
        )
        assert isinstance(await self.account.place(request), Acked)


async def enter_with_both_exits(run: Run) -> None:
    await run.until(OPEN_NS + 5 * NS_PER_S)
    quote = await run.market.quote(PUT)
    await run.send("E1", Side.BUY, quote.ask_paise + 50)
    (entry,) = await run.account.read_trades()
    await run.send("T1", Side.SELL, entry.price_paise + 1_500)
    await run.send("S1", Side.SELL, entry.price_paise - 1_200, entry.price_paise - 1_000)


@pytest.mark.row("OPS-05", "OPS-32")
def test_a_killed_and_restarted_run_ends_as_an_undisturbed_one(tmp_path) -> None:
    async def day(path: Path, kill_at_s: int) -> list[tuple[str, int, int, int]]:
        run = Run(path, seed=3)
        await run.start()
        await enter_with_both_exits(run)
        if kill_at_s:
            await run.until(OPEN_NS + kill_at_s * NS_PER_S)
            run.books.save_clock(run.clock.now_ns())
            run.kill()
            run = Run(path, seed=3)
            assert run.clock.now_ns() >= OPEN_NS + kill_at_s * NS_PER_S
            await run.start()
            states = {row.tag: row.state for row in await run.account.read_orders()}
            assert states == {"E1": OrderState.FILLED, "T1": OrderState.WORKING, "S1": OrderState.TRIGGER_PENDING}
        await run.until(OPEN_NS + 3600 * NS_PER_S)
        trades = [(t.tag, t.qty, t.price_paise, t.at_ns) for t in await run.account.read_trades()]
        run.kill()
        return trades

    whole = run_virtual(day(tmp_path / "whole.db", 0))
    broken = run_virtual(day(tmp_path / "broken.db", 20))

    assert len(whole) >= 2  # entered, and at least one exit filled within the hour
    assert broken == whole
