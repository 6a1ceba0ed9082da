"""`strikedesk --no-ui`: the desk on the paper demo without a screen, in real, scaled or virtual time."""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from brokers.paper.demo_market import DEMO_DAY
from engine.config.errors import ConfigError
from engine.config.load import Loaded, load
from engine.config.model import Config
from engine.desk_stop import stop_words
from engine.instant import NS_PER_S, ist_date
from engine.messages import Msg
from engine.paths import places
from engine.port import MarketPort
from engine.virtual_time import run_virtual
from tui.demo_floor import DemoFloor, open_floor
from tui.desk_guard import DeskGuard
from tui.faults_option import demo_mode, read_faults_option
from tui.files import DeskFiles
from tui.grid_plan import NO_GRID, GridPlan
from tui.grid_watch import GridWatch
from tui.guardian_link import guardian_command
from tui.remote_station import open_remote, venue_of
from tui.signals import Signals
from tui.station import Station, StationPlan
from tui.summary import measured, summary

_AFTER_CLOSE_NS: Final = NS_PER_S


def run_desk(arguments: argparse.Namespace) -> int:
    """Start, run, stop; returns the exit code (OPS-22)."""
    loaded = load(arguments.config, os.environ, env_file=arguments.env_file)
    plan = plan_of(arguments, loaded)
    for note in loaded.notes:
        print(f"strikedesk: note: {note}", file=sys.stderr)  # noqa: T201
    return run_headless(plan, arguments)


def run_headless(plan: StationPlan, arguments: argparse.Namespace) -> int:
    """Without a screen, in the time that the plan says."""
    if plan.is_virtual:
        return run_virtual(_headless(plan, arguments.duration))
    return asyncio.run(_headless(plan, arguments.duration))


def plan_of(arguments: argparse.Namespace, loaded: Loaded, more: GridPlan = NO_GRID) -> StationPlan:
    """What the command line and the configuration say about the station. Raises ConfigError."""
    config = loaded.config
    account = config.trading_account
    if config.desk.market == "replay":
        raise ConfigError(["desk.market = 'replay': a recorded day is played by: strikedesk replay"])
    seed = arguments.seed if arguments.seed is not None else getattr(account, "seed", 1)
    path = loaded.path
    faults = read_faults_option(arguments)
    is_virtual = arguments.speed == float("inf")
    return StationPlan(
        loaded=loaded,
        files=DeskFiles.of(config, places(os.environ), arguments.db),
        seed=seed,
        speed=arguments.speed,
        fresh=arguments.fresh,
        log_to=("json" if arguments.json_log else "text") if arguments.no_ui else "nothing",
        mode_words=demo_mode(loaded, faults),
        faults=faults,
        use_journal_file=not is_virtual or arguments.db is not None,
        reload=None if path is None or more.is_alone else _reload(path, arguments.env_file),
        imported=more.imported,
        resumes_terminated=more.resumes_terminated,
        guardian_command=() if more.is_alone else guardian_command(path, arguments.env_file, arguments.db),
    )


def _reload(path: Path, env_file: Path | None) -> Callable[[], Config]:
    return lambda: load(path, os.environ, env_file=env_file).config


async def open_demo(plan: StationPlan) -> tuple[Station, MarketPort]:
    """A desk on the demo market, opened and restored but not started; gives everything back when that fails."""
    if venue_of(plan):
        return await open_remote(plan)
    if plan.loaded.config.hangs_on_brokers:
        from tui.broker_station import open_brokers  # httpx and what it loads, only when there is somebody to call

        return await open_brokers(plan)
    station = Station(plan)
    try:
        start_ns = station.open_books(station.hours.of_day(DEMO_DAY)[0])
        clock = station.start_clock(start_ns)
        station.make_exchange()
        config = station.config
        market = open_floor(
            plan.seed, start_ns, clock, station.hours, station.know, options=config.has_legs, shares=bool(config.grids)
        )
        feed = station.make_faults(market, start_ns)
        instruments = await feed.instruments()
        station.hours.know(instruments)
        await station.build(feed, instruments, exchange_hears=feed is market, bands=market.price_bands())
    except BaseException:
        await station.close(1)
        raise
    return station, market


async def run_engine(
    station: Station, market: MarketPort, duration_ns: int | None, signals: Signals, *, has_screen: bool = True
) -> int:
    """The desk's own task: owned by main, watched by a screen when there is one."""
    desk, clock, stop = station.desk, station.clock, signals.stop
    began_ns = clock.now_ns()
    if not station.plan.is_virtual:
        station.keep(DeskGuard(station).run, "stall guard")
    await desk.start()
    signals.attach(desk)
    desk.step(lambda _now: desk.say(Msg.DESK, text=f"when it is told to stop: {'; '.join(stop_words(desk))}"))
    for job in market.jobs if isinstance(market, DemoFloor) else ():  # that of a venue in another process runs there
        station.keep(job, "market")
    if station.faults is not None:
        station.faults.start()
    if not station.plan.is_virtual:
        station.keep(station.keep_clock, "demo clock")
        station.keep(station.watch_loop, "loop lag")
        gc.collect()
        gc.freeze()
    grids = GridWatch(station, signals, has_screen=has_screen)
    grids.resume()
    if grids.is_wanted:
        station.keep(grids.run, "grids")
    until_ns = 0
    if duration_ns is not None:
        close_ns = station.hours.of_day(ist_date(began_ns))[1]
        until_ns = close_ns - _AFTER_CLOSE_NS if duration_ns == 0 else began_ns + duration_ns
        clock.call_at(until_ns, stop.set)
    await stop.wait()
    # A planned run ends flat; a desk that is told to stop does what each bot's on_stop says (OPS-21).
    is_over = duration_ns is not None and clock.now_ns() >= until_ns
    why = "the run is over" if is_over else grids.why_over or "asked to"
    code = await desk.stop(why, flatten=True if is_over else None)
    return grids.exit_code(code)


async def _headless(plan: StationPlan, duration_ns: int | None) -> int:
    station, market = await open_demo(plan)
    signals = Signals()
    signals.listen()
    code = 1
    try:
        code = await run_engine(station, market, duration_ns, signals, has_screen=False)
    finally:
        await station.close(code)
    decisions = station.desk.decisions
    with suppress(BrokenPipeError):  # the exit code tells of positions, whoever reads the table
        print(summary(station.desk))  # noqa: T201 - requested data goes to stdout
        print(measured(station.desk))  # noqa: T201
        if station.faults is not None:
            print(station.faults.summary())  # noqa: T201
        print(f"decision hash {decisions.text()} ({decisions.count} commands)")  # noqa: T201
    return code
