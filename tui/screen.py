"""Runs one screen inside the loop that already runs the engine, and reports how the screen ended.

This is the only module of `tui/` that the command line imports when a screen is wanted; importing it loads Textual.
The engine's task is watched, never owned: no way of leaving this function cancels it. Terminal signals are handled here
for as long as the screen is up; afterwards a stop request stays ignored, because the engine lives in this process.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable

from engine.console import Console
from tui.app import StrikedeskApp
from tui.driver import FrameDroppingDriver
from tui.format import AgeLimits
from tui.outcome import ScreenOutcome
from tui.themes import choose_theme

__all__ = ["ScreenOutcome", "run_screen"]


async def run_screen(
    console: Console,
    engine_task: asyncio.Task[object] | None,
    *,
    theme: str | None = None,
    frame_hz: int = 10,
    limits: AgeLimits | None = None,
    is_ascii: bool = False,
    has_bell: bool = True,
    on_crash: Callable[[str], None] = lambda text: None,
    on_painted: Callable[[], None] = lambda: None,
) -> ScreenOutcome:
    """Show the console until the trader, the terminal or the engine ends it.

    `on_crash` gets the traceback of a screen that broke (the caller may open another one), `on_painted` is called when
    the first frame is out. Never raises for a screen error, never cancels `engine_task`.
    """
    loop = asyncio.get_running_loop()
    no_color = os.environ.get("NO_COLOR")
    factory = loop.get_task_factory()
    app = StrikedeskApp(
        console,
        engine_task,
        theme=choose_theme(theme, os.environ),
        frame_hz=frame_hz,
        limits=limits,
        is_ascii=is_ascii,
        has_bell=has_bell,
        on_painted=on_painted,
    )
    if no_color is not None:
        os.environ["NO_COLOR"] = no_color  # Textual takes it away; a second screen and child processes need it
    interrupted = signal.getsignal(signal.SIGINT)
    loop.add_signal_handler(signal.SIGHUP, app.leave, ScreenOutcome.LOST_TERMINAL)
    loop.add_signal_handler(signal.SIGINT, app.interrupt)
    try:
        outcome = await app.run_async(mouse=False)
    except OSError as error:
        # The terminal went away while Textual was still talking to it.
        on_crash(f"terminal: {error}")
        outcome = ScreenOutcome.LOST_TERMINAL
    finally:
        await _tidy_up(app, loop)
        # The loop's runner cancels its main task on Ctrl+C; a bare KeyboardInterrupt could hit the engine in mid-step.
        signal.signal(signal.SIGINT, interrupted)
        loop.set_task_factory(factory)
    if app.crash_text:
        on_crash(app.crash_text)
        return ScreenOutcome.CRASHED
    return app.controls.outcome or outcome or ScreenOutcome.CRASHED


async def _tidy_up(app: StrikedeskApp, loop: asyncio.AbstractEventLoop) -> None:
    """Wait off the loop for the terminal's threads, and hand the signals back without letting any stop the engine."""
    driver = app._driver
    if isinstance(driver, FrameDroppingDriver):
        await asyncio.to_thread(driver.wait_closed)
    loop.remove_signal_handler(signal.SIGINT)
    loop.remove_signal_handler(signal.SIGHUP)
    # A terminal that closes now must not kill the engine, and Ctrl+Z must not freeze it.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTSTP, signal.SIG_IGN)
