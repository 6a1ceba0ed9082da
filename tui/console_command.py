"""`strikedesk` with a screen: paints first, then opens the desk behind it, and outlives its own screen.

`main` owns the loop and the engine's task; the screen only watches it. Whatever keeps the desk from opening ends the
screen and is said in one line afterwards. The engine's modules are imported behind the first paint.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING, Final

from engine.config.errors import ConfigError
from engine.config.load import Loaded, load
from tui.console_slot import ConsoleSlot
from tui.grid_plan import NO_GRID, GridPlan
from tui.outcome import ScreenOutcome
from tui.signals import Signals

if TYPE_CHECKING:
    from tui.station import Station

_SCREENS_MAX: Final = 3
"""A screen that crashes is opened again; after the third the desk stays without one (style/tui.md §5)."""


def run_console(arguments: argparse.Namespace) -> int:
    """Returns the exit code; raises what kept the desk from opening, after the screen is gone."""
    loaded = load(arguments.config, os.environ, env_file=arguments.env_file)
    for note in loaded.notes:
        print(f"strikedesk: note: {note}", file=sys.stderr)  # noqa: T201
    return show_console(arguments, loaded)


def show_console(arguments: argparse.Namespace, loaded: Loaded, more: GridPlan = NO_GRID) -> int:
    """The screen with the desk of this configuration behind it. Raises ConfigError where no screen can be."""
    if arguments.speed == float("inf"):
        raise ConfigError(["--speed max is virtual time and shows no screen: add --no-ui"])
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise ConfigError(["the console needs a terminal on stdin and stderr; without one start with --no-ui"])
    return asyncio.run(_Console(arguments, loaded, more).run())


class _Console:
    """One run: the engine's task, the screens before it, and what is left when both are over."""

    def __init__(self, arguments: argparse.Namespace, loaded: Loaded, more: GridPlan) -> None:
        self._arguments = arguments
        self._more = more
        self._loaded = loaded
        self._slot = ConsoleSlot(_mode(arguments, loaded), loaded.config.trading_account.kind)
        self._painted = asyncio.Event()
        self._signals = Signals()
        self._station: Station | None = None
        self._failure: Exception | None = None

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        self._signals.listen_behind_a_screen()
        engine = loop.create_task(self._engine(), name="engine")
        code = 1
        try:
            outcome = await self._show(engine)
            self._painted.set()
            if outcome is ScreenOutcome.QUIT_STOP_ENGINE:
                self._signals.stop.set()
            elif outcome is not ScreenOutcome.ENGINE_ENDED:
                self._say(f"screen left ({outcome.value}): the engine goes on, pid {os.getpid()}")
                self._signals.hear({signal.SIGINT: self._signals.ask_to_stop})
            code = await engine
        finally:
            engine.cancel()
            await asyncio.gather(engine, return_exceptions=True)
            if self._station is not None:
                await self._station.close(code)
        if self._failure is not None:
            raise self._failure
        return code

    async def _show(self, engine: asyncio.Task[int]) -> ScreenOutcome:
        from tui.screen import run_screen

        screen = self._loaded.config.screen
        outcome = ScreenOutcome.CRASHED
        for _ in range(_SCREENS_MAX):
            outcome = await run_screen(
                self._slot,
                engine,
                theme=self._arguments.theme or screen.theme or None,
                frame_hz=screen.frame_hz,
                is_ascii=screen.ascii,
                on_crash=lambda text: self._say(f"screen crashed: {text}"),
                on_painted=self._painted.set,
            )
            if outcome is not ScreenOutcome.CRASHED:
                break
        return outcome

    async def _engine(self) -> int:
        """Opens the desk once the first frame is out, then runs it to its end."""
        await self._painted.wait()
        from tui.desk_command import open_demo, plan_of, run_engine

        try:
            station, market = await open_demo(plan_of(self._arguments, self._loaded, self._more))
        except Exception as error:  # noqa: BLE001 - told in one line when the screen is gone
            self._failure = error
            return 1
        self._station = station
        station.console.count_ticks()
        self._slot.attach(station.console)
        return await run_engine(station, market, self._arguments.duration, self._signals)

    def _say(self, text: str) -> None:
        if self._station is not None:
            self._station.tell(text)


def _mode(arguments: argparse.Namespace, loaded: Loaded) -> str:
    """The mode in words before the desk is open. Raises ConfigError for a fault script that cannot be used."""
    config = loaded.config
    if arguments.faults is None and not (config.is_rehearsal or config.feed_account):
        return "LIVE" if config.is_live else "PAPER DEMO"  # the common case loads nothing of the venue before the paint
    from tui.faults_option import demo_mode, read_faults_option

    return demo_mode(loaded, read_faults_option(arguments))
