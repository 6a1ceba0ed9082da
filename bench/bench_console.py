"""The console at 1,000 ticks a second beside the same desk without a screen (style/tui.md §17, G9, G10).

Each pass is a child process: a whole station (demo configuration, paper account and journal in files) whose market
gives 1,000 ticks a second on the two legs and the index, with both legs entered. Passes without a screen and passes
with one on a 120x40 pseudo-terminal take turns. A beat every 20 ms tells how late the loop wakes; the parent types
keys and the child notes when the request reaches `Console.submit`. CPU is user and system time of the whole child.

Run: python bench/bench_console.py [--seconds 4] [--passes 2]
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
from machine import machine
from terminal import COLUMNS, ROOT, ROWS, Terminal

from engine.instrument import Instrument
from engine.port import Clock
from engine.tick import Tick

TICKS_PER_S = 1_000
BEAT_S = 0.02
WARM_S = 2.5
"""Before anything is measured: first paint, the frozen collector one second later, both legs entered."""
SETTLE_S = 9.0
"""An idle screen is measured when its ages have left the tenths of a second behind."""
KEYS = (b"p", b"c", b"C", b"\x1b[B")
"""Pause or resume (submits at once), arm and send cancel-all (submits on the second), row down (submits nothing)."""
SUBMITTING = (b"p", b"C")
KEY_GAP_S = 0.067


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a child measured about itself."""

    cpu_pct: float
    lag_ms: list[float]
    submitted_ns: list[tuple[int, str]]
    """Monotonic instant and kind of each request."""
    ticks: int
    open_legs: int


# --- the child --------------------------------------------------------------------------------------------------------


class PacedMarket:
    """A market port that gives `ticks_per_s` ticks, one at a time, evenly over its symbols."""

    def __init__(self, clock: Clock, master: Sequence[Instrument], symbols: Sequence[str], ticks_per_s: int) -> None:
        self._clock, self._master, self._symbols, self._ticks_per_s = clock, master, symbols, ticks_per_s
        self._listeners: list[Callable[[Tick], None]] = []
        self.count = 0

    def listen(self, on_tick: Callable[[Tick], None]) -> None:
        self._listeners.append(on_tick)

    async def connect(self) -> None: ...

    async def close(self) -> None:
        self._listeners.clear()

    async def subscribe(self, symbols: Sequence[str]) -> None: ...

    async def instruments(self) -> Sequence[Instrument]:
        return self._master

    async def quote(self, symbol: str) -> Tick:
        return self._tick(symbol, 0)

    def _tick(self, symbol: str, number: int) -> Tick:
        # A saw of 41 steps: every row of the screen moves, and no level of a position is touched.
        price = 15_000 + 5 * abs(number // len(self._symbols) % 82 - 41)
        return Tick(symbol, self._clock.now_ns(), price, price - 5, 6500, price + 5, 6500)

    async def run(self) -> None:
        began = time.monotonic()
        for number in itertools.count():
            due = began + number / self._ticks_per_s
            if (wait := due - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            tick = self._tick(self._symbols[number % len(self._symbols)], number)
            self.count += 1
            for listener in list(self._listeners):
                listener(tick)


async def child(report: Path, seconds: float, ticks_per_s: int, *, has_screen: bool) -> None:
    from brokers.paper.demo_market import DEMO_DAY, INDEX, DemoMarket
    from engine.config.load import load
    from engine.instant import NS_PER_S
    from engine.operator import Enter
    from engine.order import Side
    from engine.paths import places
    from tui.files import DeskFiles
    from tui.station import Station, StationPlan

    loaded = load(report.with_name("config.toml"), os.environ)
    files = DeskFiles.of(loaded.config, places(os.environ), report.with_suffix(".db"))
    station = Station(StationPlan(loaded=loaded, files=files, seed=1, speed=1.0, fresh=True, log_to="nothing"))
    start_ns = station.open_books(station.session_hours(DEMO_DAY)[0]) + 3600 * NS_PER_S
    clock = station.start_clock(start_ns)
    station.make_exchange()
    master = await DemoMarket(1, start_ns, clock, station.session_hours, station.next_day).instruments()
    station.know(master)
    legs = loaded.config.legs.symbols
    market = PacedMarket(clock, master, [*legs, INDEX], ticks_per_s)
    await station.build(market, master)
    station.console.count_ticks()
    desk = station.desk
    submitted: list[tuple[int, str]] = []
    submit = station.console.submit

    def noted_submit(request) -> None:
        submitted.append((time.monotonic_ns(), type(request).__name__))
        submit(request)

    station.console.submit = noted_submit  # type: ignore[method-assign]
    await desk.start()
    if ticks_per_s:
        station.keep(market.run, "market")
    station.keep(station.watch_loop, "loop lag")

    async def measured() -> None:
        await asyncio.sleep(0.3)
        if ticks_per_s:
            desk.submit(Enter(request_id="bench", side=Side.BUY))
        await asyncio.sleep(WARM_S if ticks_per_s or not has_screen else SETTLE_S)
        if not has_screen:
            gc.collect()
            gc.freeze()
        lags: list[float] = []
        before, ticks, began = resource.getrusage(resource.RUSAGE_SELF), market.count, time.monotonic()
        while time.monotonic() < began + seconds:
            due = time.monotonic() + BEAT_S
            await asyncio.sleep(BEAT_S)
            lags.append(max(0.0, time.monotonic() - due) * 1_000)
        after, took = resource.getrusage(resource.RUSAGE_SELF), time.monotonic() - began
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        if desk.failures:
            raise AssertionError(list(desk.failures))
        facts = Report(
            cpu_pct=100 * cpu / took,
            lag_ms=lags,
            submitted_ns=submitted,
            ticks=market.count - ticks,
            open_legs=sum(bracket.open_qty > 0 for bracket in desk.open_brackets()),
        )
        report.write_bytes(msgspec.json.encode(facts))  # noqa: ASYNC240 - the measurement is over

    engine = asyncio.create_task(measured(), name="engine")
    if has_screen:
        from tui.screen import run_screen

        await run_screen(station.console, engine, theme="desk-dark", frame_hz=loaded.config.screen.frame_hz)
    await engine
    await station.close(0)


# --- the parent -------------------------------------------------------------------------------------------------------


class Pass(NamedTuple):
    report: Report
    key_ms: list[float]


def run_pass(folder: Path, number: int, seconds: float, ticks_per_s: int, *, has_screen: bool, types: bool) -> Pass:
    """One child from start to end; raises SystemExit with its last words when it left no report."""
    report = folder / f"pass{number}.json"
    (folder / "config.toml").write_text((ROOT / "config.toml").read_text())
    mode = "screen" if has_screen else "headless"
    terminal = Terminal(
        [sys.executable, __file__, "--child", mode, str(report), str(seconds), str(ticks_per_s)], folder
    )
    typed: list[tuple[int, bytes]] = []
    if types:
        time.sleep(WARM_S + 1.5)
        for key in itertools.cycle(KEYS):
            if report.exists() or not terminal.is_alive:
                break
            typed.append((time.monotonic_ns(), key))
            os.write(terminal.master, key)
            time.sleep(KEY_GAP_S)
    last_words = terminal.wait()
    if not report.exists():
        raise SystemExit(last_words)
    facts = msgspec.json.decode(report.read_bytes(), type=Report)
    return Pass(facts, _key_ms(typed, facts.submitted_ns))


def _key_ms(typed: list[tuple[int, bytes]], submitted: list[tuple[int, str]]) -> list[float]:
    """Key written to the terminal -> request at the desk; notes about arming are no requests."""
    requests = [at_ns for at_ns, kind in submitted if kind in ("PauseEntries", "CancelAll")]
    waits: list[float] = []
    for at_ns, key in typed:
        if key in SUBMITTING:
            after = [request_ns for request_ns in requests if 0 <= request_ns - at_ns < KEY_GAP_S * 1e9]
            waits += [(after[0] - at_ns) / 1e6] if after else []
    return waits


def _percentile(values: Sequence[float], percent: int) -> float:
    return sorted(values)[(len(values) - 1) * percent // 100] if values else float("nan")


def show(folder: Path, seconds: float, passes: int) -> None:
    number = itertools.count()
    bare: list[Pass] = []
    drawn: list[Pass] = []
    for _ in range(passes):
        bare.append(run_pass(folder, next(number), seconds, TICKS_PER_S, has_screen=False, types=False))
        drawn.append(run_pass(folder, next(number), seconds, TICKS_PER_S, has_screen=True, types=False))
    typing = run_pass(folder, next(number), 2 * seconds, TICKS_PER_S, has_screen=True, types=True)
    still = run_pass(folder, next(number), min(seconds, 4), 0, has_screen=False, types=False)
    idle = run_pass(folder, next(number), min(seconds, 4), 0, has_screen=True, types=False)
    without, with_screen = (statistics.median(one.report.cpu_pct for one in some) for some in (bare, drawn))
    lag_without, lag_with = ([lag for one in some for lag in one.report.lag_ms] for some in (bare, drawn))
    rates = [one.report.ticks / seconds for one in (*bare, *drawn)]
    open_legs = {one.report.open_legs for one in (*bare, *drawn)}
    print(
        f"     {min(rates):.0f}-{max(rates):.0f} ticks/s, open legs {open_legs}, {passes} passes each of {seconds:g} s,"
        f" {COLUMNS}x{ROWS}, 10 frames/s; CPU of one core"
    )
    print(
        f"     desk without a screen {without:.1f} %, with the screen {with_screen:.1f} %:"
        f" screen {with_screen - without:.1f} % (goal 8 %)"
    )
    print(
        f"     engine lag p99: without {_percentile(lag_without, 99):.1f} ms, with {_percentile(lag_with, 99):.1f} ms"
        f" (goal 15 ms); median {_percentile(lag_without, 50):.2f} and {_percentile(lag_with, 50):.2f} ms"
    )
    print(
        f"     key to request at the desk: p50 {_percentile(typing.key_ms, 50):.1f} ms,"
        f" p95 {_percentile(typing.key_ms, 95):.1f} ms (goal 10 ms) over {len(typing.key_ms)} keys"
    )
    print(
        f"     nothing ticks, nothing open: without {still.report.cpu_pct:.1f} %, with the screen"
        f" {idle.report.cpu_pct:.1f} %: screen {idle.report.cpu_pct - still.report.cpu_pct:.1f} % (goal 0.5 %)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="The console at 1,000 ticks a second, beside no screen.")
    parser.add_argument("--seconds", type=float, default=4, help="measured per pass (default 5)")
    parser.add_argument("--passes", type=int, default=2, help="passes with and without a screen (default 2 each)")
    parser.add_argument("--child", nargs=4, metavar=("MODE", "REPORT", "SECONDS", "RATE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        mode, report, seconds, rate = options.child
        asyncio.run(child(Path(report), float(seconds), int(rate), has_screen=mode == "screen"))
        return
    if not sys.platform.startswith("linux"):
        print("bench_console: needs a Linux pseudo-terminal")
        return
    print(machine())
    with tempfile.TemporaryDirectory() as name:
        show(Path(name), options.seconds, options.passes)
    print(f"load at the end {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
