"""From a tick to its exit order (G4 inside the core), and what a tick costs that touches nothing (G8, G8b).

A real desk on a virtual loop; every position is a monitored bracket entered through the desk's own trade path. In each
turn one bracket has its stop near, the tick that touches it is handed to `Desk.on_tick`, and the instants are taken at
which the exit's PlaceOrder is decided, its batch is handed to the journal, and `on_tick` returns. The venue fills the
exit, and a new bracket takes the place of the closed one, so the number of open brackets stays the same.

Brackets on one instrument are restored onto one leg, which the legs bot itself never does: the case is built for the
figure. Run: python bench/bench_decision.py [--exits 2000]
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import time as clock_time
from pathlib import Path
from typing import NamedTuple

from desks import ACCOUNT, DAY, LOT, contracts, make_desk
from machine import machine

from brokers.paper.rules import PaperRules
from engine.bracket_state import BracketBody, BracketTerms
from engine.clock import LoopClock
from engine.desk import Desk
from engine.gateway import GatewayLimits
from engine.instant import NS_PER_MS, at_ist
from engine.instrument import Instrument
from engine.journal.store import Journal
from engine.journal.writer import InlineWriter
from engine.order import Order, OrderState, OrderType, Role, Side, Trade
from engine.outbox import Outbox
from engine.port import Acked, Answer, OrderReport, OrderRequest, PositionReport
from engine.price_book import PriceBook
from engine.tick import Tick
from engine.view import BracketState, ExitStyle
from engine.virtual_time import run_virtual

START_NS = at_ist(DAY, clock_time(10, 0))
PRICE = 15_000
NEAR = BracketTerms(style=ExitStyle.MONITORED, stop_offset_paise=100, target_offset_paise=5_000)
FAR = BracketTerms(style=ExitStyle.MONITORED, stop_offset_paise=5_000, target_offset_paise=5_000)
GOAL_MS = 10
"""The documents' tick to exit signal."""


class FillingVenue:
    """A broker that fills every order at its limit in the same instant."""

    account_id = ACCOUNT
    rules = PaperRules().venue()
    ambiguity_s = 0.0

    def __init__(self) -> None:
        self.net: dict[str, int] = {}
        self._count = 0

    def listen(self, on_order, on_trade) -> None:
        self._on_order, self._on_trade = on_order, on_trade

    async def connect(self) -> None: ...

    async def close(self) -> None: ...

    async def place(self, request: OrderRequest) -> Answer:
        self._count += 1
        broker_id = f"X{self._count}"
        trade = self.trade(request.tag, broker_id, request.symbol, request.side, request.limit_paise)
        report = OrderReport(
            tag=request.tag,
            broker_id=broker_id,
            symbol=request.symbol,
            side=request.side,
            type=request.type,
            product=request.product,
            qty=request.qty,
            limit_paise=request.limit_paise,
            trigger_paise=0,
            state=OrderState.FILLED,
            filled_qty=request.qty,
            average_paise=request.limit_paise,
        )
        loop = asyncio.get_running_loop()
        loop.call_soon(self._on_trade, trade)
        loop.call_soon(self._on_order, report)
        return Acked(broker_id)

    def trade(self, tag: str, broker_id: str, symbol: str, side: Side, price: int) -> Trade:
        self.net[symbol] = self.net.get(symbol, 0) + side.sign * LOT
        return Trade(
            trade_id=f"T{broker_id}",
            broker_id=broker_id,
            tag=tag,
            symbol=symbol,
            side=side,
            qty=LOT,
            price_paise=price,
            at_ns=START_NS,
        )

    async def modify(self, change) -> Answer:
        raise AssertionError("a monitored bracket changes no order")

    async def cancel(self, tag: str, broker_id: str) -> Answer:
        raise AssertionError("a monitored bracket cancels no order")

    async def read_orders(self):
        return []

    async def read_trades(self):
        return []

    async def read_positions(self):
        return [
            PositionReport(symbol=symbol, product="MIS", net_qty=qty, average_paise=PRICE)
            for symbol, qty in self.net.items()
            if qty
        ]


class TimedOutbox(Outbox):
    """Remembers when the newest PlaceOrder was decided."""

    placed_ns = 0

    def place(self, order: Order) -> None:
        super().place(order)
        self.placed_ns = time.perf_counter_ns()


class TimedWriter:
    """Remembers when the newest batch was handed over."""

    def __init__(self, writer: InlineWriter) -> None:
        self._writer = writer
        self.submit_ns = 0
        self.stats, self.drain, self.close = writer.stats, writer.drain, writer.close
        self.trouble = writer.trouble

    def submit(self, batch, on_durable: Callable[[], None], on_late: Callable[[], None]) -> None:
        self.submit_ns = time.perf_counter_ns()
        self._writer.submit(batch, on_durable, on_late)


class Figures(NamedTuple):
    """Microseconds from the tick, one of each per exit."""

    decided: list[float]
    handed_over: list[float]
    returned: list[float]


class Floor:
    """One desk with a constant number of open brackets over its instruments."""

    def __init__(self, instruments: list[Instrument], journal: Journal) -> None:
        self.clock = LoopClock(asyncio.get_running_loop(), START_NS)
        self.venue = FillingVenue()
        self.writer = TimedWriter(InlineWriter(journal, asyncio.get_running_loop(), _fail))
        limits = GatewayLimits(orders_per_s=100_000, orders_per_min=1_000_000, exit_reserve_per_s=0)
        self.desk: Desk = make_desk(
            instruments, self.clock, self.venue, journal, self.writer, bracket=FAR, limits=limits
        )
        self.symbols = [instrument.symbol for instrument in instruments]
        self._made = 0

    def tick(self, symbol: str, price: int) -> Tick:
        return Tick(symbol, self.clock.now_ns(), price, price - 5, 6500, price + 5, 6500)

    def open(self, symbol: str, terms: BracketTerms) -> None:
        """A position as after an entry fill: the order is known, its trade record comes, the bracket takes it."""
        self._made += 1
        tag, bracket_id = f"E{self._made:08d}", f"B{self._made:08d}"
        now_ns = self.clock.now_ns()
        order = Order(
            tag=tag,
            account=ACCOUNT,
            bracket_id=bracket_id,
            bot="bench",
            role=Role.ENTRY,
            symbol=symbol,
            exchange="NFO",
            product="MIS",
            side=Side.BUY,
            type=OrderType.MARKET,
            qty=LOT,
            limit_paise=PRICE,
            state=OrderState.WORKING,
            broker_id=f"N{self._made}",
            intended_ns=now_ns,
            state_ns=now_ns,
        )
        body = BracketBody(
            bracket_id=bracket_id,
            account=ACCOUNT,
            bot="bench",
            symbol=symbol,
            exchange="NFO",
            product="MIS",
            side=Side.BUY,
            qty=LOT,
            terms=terms,
            style=terms.style,
            state=BracketState.ENTERING,
            opened_ns=now_ns,
            tags=[tag],
        )
        self.desk.blotter.add(order)
        self.desk.bots[body.bot].restore([body])
        self.desk.main.on_trade(self.venue.trade(tag, order.broker_id, symbol, Side.BUY, PRICE))

    async def settle(self) -> None:
        await self.clock.sleep_until(self.clock.now_ns() + 20 * NS_PER_MS)

    async def fill(self, count: int) -> None:
        """`count` brackets spread over the instruments, far from every level."""
        await self.desk.start()
        for symbol in self.symbols:
            self.desk.on_tick(self.tick(symbol, PRICE))
        for number in range(count):
            self.open(self.symbols[number % len(self.symbols)], FAR)
        await self.settle()


def _fail(error: Exception) -> None:
    raise error


async def exits(brackets: int, instruments: int, count: int, journal: Journal) -> Figures:
    floor = Floor(contracts(instruments), journal)
    await floor.fill(brackets - 1)
    desk = floor.desk
    desk.out = TimedOutbox()
    figures = Figures([], [], [])
    for number in range(count + 50):
        symbol = floor.symbols[number % instruments]
        desk.on_tick(floor.tick(symbol, PRICE))
        floor.open(symbol, NEAR)
        await floor.settle()
        touch = floor.tick(symbol, PRICE - 100)
        began_ns = time.perf_counter_ns()
        desk.on_tick(touch)
        ended_ns = time.perf_counter_ns()
        if desk.out.placed_ns < began_ns or desk.failures:
            raise SystemExit(f"exit {number} was not decided: {list(desk.failures)}")
        if number >= 50:  # the first ones warm the interpreter and the journal's statements
            figures.decided.append((desk.out.placed_ns - began_ns) / 1_000)
            figures.handed_over.append((floor.writer.submit_ns - began_ns) / 1_000)
            figures.returned.append((ended_ns - began_ns) / 1_000)
        await floor.settle()
    open_now = len(desk.open_brackets())
    if open_now != brackets - 1:
        raise SystemExit(f"{open_now} brackets are open, {brackets - 1} expected")
    return figures


def _p50_p99(values: list[float]) -> str:
    ordered = sorted(values)
    return f"{statistics.median(ordered):6.0f} /{ordered[(len(ordered) - 1) * 99 // 100]:6.0f}"


def show_exits(count: int, folder: Path) -> None:
    print(f"G4   tick to exit inside the core, us p50 / p99 over {count} exits (goal: under {GOAL_MS} ms)")
    print("     open brackets           journal      decided        handed over    on_tick returns")
    for brackets, instruments in ((2, 1), (2, 2), (100, 1), (100, 100)):
        with Journal.in_memory() as journal:
            _show_row(brackets, instruments, "memory", run_virtual(exits(brackets, instruments, count, journal)))
    for brackets, instruments in ((2, 2), (100, 1)):
        path = folder / f"{brackets}on{instruments}.db"
        with Journal.open(path, synchronous="FULL", now_ns=START_NS) as journal:
            figures = run_virtual(exits(brackets, instruments, count // 8, journal))
            _show_row(brackets, instruments, "file FULL", figures)
    print(
        f"     memory and file ({count // 8} exits) commit inside on_tick, on the loop; a live desk hands over to a"
        " thread and returns"
    )


def _show_row(brackets: int, instruments: int, journal: str, figures: Figures) -> None:
    where = f"{brackets} on {instruments} instrument{'s' if instruments > 1 else ''}"
    print(f"     {where:22s}  {journal:10s} " + "  ".join(_p50_p99(column) for column in figures), flush=True)


# --- a tick that touches nothing ------------------------------------------------------------------------------------


async def quiet_desk(brackets: int, instruments: int) -> tuple[Desk, list[Tick]]:
    floor = Floor(contracts(instruments), Journal.in_memory())
    await floor.fill(brackets)
    bands = [(book.low, book.high) for book in floor.desk.prices.values()]
    assert all(low == PRICE - 5_000 and high == PRICE + 5_000 for low, high in bands), bands
    now_ns = floor.clock.now_ns()
    ticks = [
        Tick(floor.symbols[number % instruments], now_ns + number, PRICE + 5 * (number % 7 - 3), 14_900, 65, 15_100, 65)
        for number in range(7_000)
    ]
    return floor.desk, ticks


def ns_per_call(call: Callable[[Tick], None], ticks: list[Tick]) -> float:
    """CPU time of one pass; the time of an empty loop is left in, on both sides of every ratio."""
    began = time.process_time_ns()
    for tick in ticks:
        call(tick)
    return (time.process_time_ns() - began) / len(ticks)


def interpreter_floor(books: dict[str, PriceBook]) -> Callable[[Tick], None]:
    """The least a tick can cost in Python: one call, one dictionary look-up, one slot stored."""

    def store(tick: Tick) -> None:
        books[tick.symbol].tick = tick

    return store


def show_quiet(rounds: int) -> None:
    desks = {(b, i): run_virtual(quiet_desk(b, i)) for b, i in ((1, 1), (100, 1), (100, 100))}
    spent: dict[tuple[int, int], list[float]] = {key: [] for key in desks}
    floors: list[float] = []
    flat: list[float] = []
    to_floor: list[float] = []
    for _ in range(rounds):
        for key, (desk, ticks) in desks.items():
            for book in desk.prices.values():
                book.at_ns = 0
            spent[key].append(ns_per_call(desk.on_tick, ticks))
        desk, ticks = desks[1, 1]
        floors.append(ns_per_call(interpreter_floor(desk.prices), ticks))
        flat.append(spent[100, 1][-1] / spent[1, 1][-1])
        to_floor.append(spent[100, 1][-1] / floors[-1])
    one, many, spread = (statistics.median(spent[key]) for key in ((1, 1), (100, 1), (100, 100)))
    print(
        f"G8   tick that touches nothing: 1 armed bracket {one:.0f} ns, 100 on one instrument {many:.0f} ns:"
        f" {statistics.median(flat):.2f}x (goal 1.25x); 100 on 100 instruments {spread:.0f} ns"
    )
    print(
        f"G8b  against call + look-up + slot store {statistics.median(floors):.0f} ns:"
        f" {statistics.median(to_floor):.1f}x (goal 15x, stretch 5x); CPU time, medians of {rounds} rounds in turns"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Tick to exit decision, and the cost of a tick that touches nothing.")
    parser.add_argument("--exits", type=int, default=2_000, help="exits per row (default 2000)")
    parser.add_argument("--rounds", type=int, default=101, help="rounds of the quiet tick (default 101)")
    parser.add_argument("--folder", type=Path, help="where the journal file is written (default: temporary)")
    options = parser.parse_args()
    print(machine())
    gc.collect()
    gc.freeze()
    show_quiet(options.rounds)
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        show_exits(options.exits, Path(name))
    print(f"load at the end {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
