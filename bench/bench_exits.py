"""A thousand exits of a whole desk: tick to exit signal, signal to order at the port, order to proven flat (RTP-42).

Real clock, journal file with its thread and synchronous=FULL, real gateway; the paper exchange answers a write or a
read in 4 to 6 ms and pushes fills. Ticks come from another process, 500 a second over five legs, and every exit is
caused by one single tick of it at an instant the desk does not choose. Measured once without a screen and once with
the console on a 120x40 pseudo-terminal. All instants are CLOCK_MONOTONIC:

    the tick is sent -> the desk says it leaves -> the port is called with the exit -> the broker's positions say flat

`watched` positions have nothing resting: the exit is one order. `hybrid` ones leave by their target while the stop
rests at the broker: it is turned into the exit. `five at once` are five watched positions left by the same burst; one
account's orders leave one at a time. Beside each pass the same thread commits one append + fdatasync of 4 KiB an exit:
the least a safe order can wait for here and now. Run: python bench/bench_exits.py [--quick]
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
from feed import Feed, FeedPlan
from live_desk import LiveDesk
from machine import machine
from terminal import run_in_terminal

from brokers.paper.account import PaperAccount
from engine.bracket_state import BracketTerms
from engine.journal.records import Batch
from engine.journal.writer import JournalWriter
from engine.messages import Msg
from engine.order import Role
from engine.outbox import Outbox
from engine.port import Answer, OrderChange, OrderRequest
from engine.tags import role_of
from engine.view import ExitStyle

LEGS = 5
TICKS_PER_S = 500
GOALS_MS = (1, 10, 50)
"""A tenth of the documents' 10, 100 and 500 ms."""
_WATCHED = BracketTerms(style=ExitStyle.MONITORED, stop_offset_paise=300, target_offset_paise=300)
_HYBRID = BracketTerms(style=ExitStyle.HYBRID, stop_offset_paise=300, target_offset_paise=300)
_WARM = 20
_PATIENCE_S = 20.0


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds of each exit, part by part."""

    name: str
    signal: list[float]
    handed: list[float]
    flat: list[float]
    late: list[float]
    """Of every tick: how long it waited for the desk."""
    ended_by: dict[str, int]
    writes: int
    reads: int
    """From the exit's tick to proven flat."""
    floor: list[float]
    """A bare durable write through the same kind of thread, one after each exit."""


class Stamps:
    """Instants of the exits that are under way, by symbol."""

    def __init__(self) -> None:
        self.sent: dict[str, int] = {}
        self.signal: dict[str, int] = {}
        self.handed: dict[str, int] = {}
        self.flat: dict[str, int] = {}
        self.writes = self.reads = 0
        self.counts = False
        self.changed = asyncio.Event()

    def clear(self) -> None:
        for each in (self.sent, self.signal, self.handed, self.flat):
            each.clear()


class StampingOutbox(Outbox):
    """Notes when the desk says that it leaves, and when the broker's position has proved flat."""

    stamps: Stamps

    def say(self, msg: Msg, *, source: str, symbol: str = "", tag: str = "", **fields: object) -> None:
        if msg is Msg.LEAVE:
            self.stamps.signal.setdefault(symbol, time.monotonic_ns())
        elif msg is Msg.PROVEN_FLAT:
            self.stamps.flat[symbol] = time.monotonic_ns()
            self.stamps.changed.set()
        super().say(msg, source=source, symbol=symbol, tag=tag, **fields)


class StampingPort:
    """The account as the gateway sees it, with the instant at which an exit order arrives here."""

    def __init__(self, inner: PaperAccount, stamps: Stamps) -> None:
        self._inner = inner
        self._stamps = stamps
        self._symbols: dict[str, str] = {}
        self.account_id, self.rules, self.ambiguity_s = inner.account_id, inner.rules, inner.ambiguity_s
        self.listen, self.connect, self.close = inner.listen, inner.connect, inner.close

    async def place(self, request: OrderRequest) -> Answer:
        self._symbols[request.tag] = request.symbol
        if role_of(request.tag) is Role.EXIT:
            self._stamps.handed.setdefault(request.symbol, time.monotonic_ns())
        self._stamps.writes += self._stamps.counts
        return await self._inner.place(request)

    async def modify(self, change: OrderChange) -> Answer:
        if role_of(change.tag) is Role.STOP and not change.trigger_paise:  # the stop becomes the exit
            self._stamps.handed.setdefault(self._symbols[change.tag], time.monotonic_ns())
        self._stamps.writes += self._stamps.counts
        return await self._inner.modify(change)

    async def cancel(self, tag: str, broker_id: str) -> Answer:
        self._stamps.writes += self._stamps.counts
        return await self._inner.cancel(tag, broker_id)

    async def read_orders(self):
        self._stamps.reads += self._stamps.counts
        return await self._inner.read_orders()

    async def read_trades(self):
        self._stamps.reads += self._stamps.counts
        return await self._inner.read_trades()

    async def read_positions(self):
        self._stamps.reads += self._stamps.counts
        return await self._inner.read_positions()


class StampedDesk(LiveDesk):
    """The live desk with the stamps at its outbox, its port and its feed."""

    def __init__(self, folder: Path, feed: Feed, terms: BracketTerms) -> None:
        self.stamps = Stamps()
        super().__init__(folder, feed, LEGS, terms)
        self.desk.out = out = StampingOutbox()
        out.stamps = self.stamps
        assert self.market is not None
        self.market.on_extreme = lambda tick: self.stamps.sent.setdefault(tick.symbol, self.market.sent_ns)

    def port_of(self, account: PaperAccount) -> StampingPort:
        return StampingPort(account, self.stamps)

    async def leave(self, legs: Sequence[int], *, spike: bool) -> None:
        """Have the feed send each leg the one tick it leaves by, and wait until all are proven flat."""
        stamps = self.stamps
        stamps.clear()
        stamps.counts = True
        for leg in legs:
            self.market.ask(leg, spike=spike)
        async with asyncio.timeout(_PATIENCE_S):
            while len(stamps.flat) < len(legs):
                stamps.changed.clear()
                await stamps.changed.wait()
        stamps.counts = False


class BareFile:
    """A store that only appends and syncs: the floor under every durable step."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, group) -> None:
        os.write(self._file, bytes(4096))
        os.fdatasync(self._file)


class Floor:
    """The journal's own writer thread over a bare file."""

    def __init__(self, folder: Path) -> None:
        self._writer = JournalWriter(BareFile(folder / "floor"), asyncio.get_running_loop(), _fail)

    async def ms(self) -> float:
        began, done = time.monotonic_ns(), asyncio.Event()
        self._writer.submit(Batch(), done.set)
        await done.wait()
        return (time.monotonic_ns() - began) / 1e6

    async def close(self) -> None:
        await self._writer.close()


def _fail(error: Exception) -> None:
    raise error


async def measure(name: str, folder: Path, feed: Feed, count: int, console_slot: asyncio.Future | None) -> Way:
    """`count` exits of one kind; `console_slot` takes the console of the desk for a screen."""
    terms, spike = (_HYBRID, True) if name == "hybrid" else (_WATCHED, False)
    live = StampedDesk(folder, feed, terms)
    await live.start()
    if console_slot is not None:
        console_slot.set_result(live.console)
        await asyncio.sleep(2.5)  # first paint, and the frozen collector one second later
    stamps, late = live.stamps, live.market.late_ns
    floor = Floor(folder)
    way = Way(name=name, signal=[], handed=[], flat=[], late=[], ended_by={}, writes=0, reads=0, floor=[])
    rounds = [[number % LEGS] for number in range(count + _WARM)]
    if name == "five at once":
        rounds = [list(range(LEGS)) for _ in range(-(-(count + _WARM) // LEGS))]
    done = 0
    for legs in rounds:
        for leg in legs:
            await live.enter(leg)
        if done >= _WARM and not way.signal:
            del late[:]
            stamps.writes = stamps.reads = 0
        await live.leave(legs, spike=spike)
        done += len(legs)
        if done <= _WARM:
            continue
        for symbol in list(stamps.flat):
            sent, signal, handed = stamps.sent[symbol], stamps.signal[symbol], stamps.handed[symbol]
            way.signal.append((signal - sent) / 1e6)
            way.handed.append((handed - signal) / 1e6)
            way.flat.append((stamps.flat[symbol] - handed) / 1e6)
            way.floor.append(await floor.ms())
    reasons: dict[str, int] = {}
    for trip in live.desk.trips.values():
        reasons[trip.reason] = reasons.get(trip.reason, 0) + 1
    way = msgspec.structs.replace(
        way, late=[one / 1e6 for one in late], ended_by=reasons, writes=stamps.writes, reads=stamps.reads
    )
    await floor.close()
    await live.stop()
    return way


async def child(report: Path, name: str, count: int, feed: Feed, *, has_screen: bool) -> None:
    if not has_screen:
        way = await measure(name, report.parent, feed, count, None)
    else:
        from tui.screen import run_screen

        slot: asyncio.Future = asyncio.get_running_loop().create_future()
        engine = asyncio.create_task(measure(name, report.parent, feed, count, slot), name="engine")
        await asyncio.wait([engine, slot], return_when=asyncio.FIRST_COMPLETED)
        if slot.done():
            await run_screen(slot.result(), engine, theme="desk-dark", frame_hz=10)
        way = await engine
    report.write_bytes(msgspec.json.encode(way))  # noqa: ASYNC240 - the measurement is over


# --- the parent -------------------------------------------------------------------------------------------------------


def run_child(folder: Path, number: int, name: str, count: int, *, has_screen: bool) -> Way:
    own = folder / str(number)
    own.mkdir()
    report = own / "report.json"
    mode = "screen" if has_screen else "headless"
    output = run_in_terminal([sys.executable, __file__, "--child", mode, str(report), name, str(count)], own)
    if not report.exists():
        raise SystemExit(output)
    return msgspec.json.decode(report.read_bytes(), type=Way)


def _figures(values: Sequence[float]) -> str:
    ordered = sorted(values)
    last = len(ordered) - 1
    p50, p99 = ordered[last // 2], ordered[last * 99 // 100]
    return f"{p50:7.2f} /{p99:7.2f} /{ordered[-1]:7.2f}"


def show(title: str, way: Way) -> None:
    count = len(way.signal)
    print(
        f"     {title:26s} {_figures(way.signal)}   {_figures(way.handed)}   {_figures(way.flat)}"
        f"   {count:5d} {way.writes / count:5.2f} {way.reads / count:5.2f}"
    )
    print(f"{'':32s} beside it: ticks wait {_figures(way.late)}; bare durable write {_figures(way.floor)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="A thousand exits of a whole desk, screen off and on.")
    parser.add_argument(
        "--exits", type=int, default=1_000, help="watched exits without and with a screen, tenths of the others"
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of them")
    parser.add_argument("--child", nargs=4, metavar=("MODE", "REPORT", "NAME", "COUNT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        mode, report, name, count = options.child
        feed = Feed(FeedPlan(LEGS, TICKS_PER_S))  # forked before the loop and its threads
        asyncio.run(child(Path(report), name, int(count), feed, has_screen=mode == "screen"))
        feed.end()
        return
    if not sys.platform.startswith("linux"):
        print("bench_exits: needs a Linux pseudo-terminal")
        return
    print(machine())
    count = options.exits // 10 if options.quick else options.exits
    print(f"RTP-42 ms, p50 / p99 / worst; goals at p99: {' '.join(map(str, GOALS_MS))} ms (seed: 10, 100, 500)")
    print(
        f"     {'way, screen':26s} {'tick to signal':26s}   {'signal to port':26s}   {'port to proven flat':26s}"
        "  exits writes reads an exit"
    )
    number = itertools.count()
    with tempfile.TemporaryDirectory() as folder:
        for name, share in (("watched", 1), ("hybrid", 10), ("five at once", 10)):
            for has_screen in (False, True):
                way = run_child(Path(folder), next(number), name, max(count // share, LEGS), has_screen=has_screen)
                show(f"{name}, screen {'on' if has_screen else 'off'}", way)
    print(f"load at the end {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
