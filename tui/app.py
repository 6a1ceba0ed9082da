"""The Textual app: it turns terminal events into key names, frames into strips, and watches the engine's task.

Everything the trader can do is in `tui.controls`; everything that is drawn is in `tui.panels`. This module only wires
them to Textual. It binds no key of Textual's own (no suspend, no palette, no quit).
"""

from __future__ import annotations

import asyncio
import gc
import time
import traceback
import uuid
from collections.abc import Callable
from typing import Any, ClassVar

from textual import events
from textual.app import App
from textual.binding import BindingType
from textual.driver import Driver
from textual.filter import NoColor
from textual.screen import Screen

from engine.console import Console
from engine.instant import clock_text
from engine.view import DeskView
from tui.controls import Controls
from tui.driver import FrameDroppingDriver
from tui.format import AgeLimits, clean
from tui.frames import FramePump
from tui.outcome import ScreenOutcome
from tui.panels.base import FrameCost, Scene
from tui.screens.main import MainScreen
from tui.state import ScreenState
from tui.themes import THEMES, Palette, textual_theme

FREEZE_AFTER_S = 1.0
"""The garbage collector is frozen this long after the first paint, when everything long-lived exists."""


def new_request_id() -> str:
    return f"K{uuid.uuid4().hex[:15]}"


def key_of(event: events.Key) -> str:
    """The table's name for a key: the character it types, else its name. Alt and Ctrl never count as the letter."""
    if event.character is not None and len(event.character) == 1 and event.character.isprintable():
        prefix = event.key.rpartition("+")[0]
        if prefix in ("", "shift"):
            return "space" if event.character == " " else event.character
    return event.key


class StrikedeskApp(App[ScreenOutcome]):
    """One screen on one console."""

    TITLE = "Strikedesk"
    CSS_PATH = "strikedesk.tcss"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = []
    AUTO_FOCUS = None

    def __init__(
        self,
        console: Console,
        engine_task: asyncio.Task[object] | None = None,
        *,
        theme: str,
        frame_hz: int = 10,
        limits: AgeLimits | None = None,
        is_ascii: bool = False,
        has_bell: bool = True,
        mono_ns: Callable[[], int] = time.monotonic_ns,
        new_id: Callable[[], str] = new_request_id,
        driver_class: type[Driver] | None = FrameDroppingDriver,
        on_painted: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(driver_class=driver_class)
        if self.no_color:
            # Textual's own answer to NO_COLOR is shades of grey; a terminal's default colours are what was asked for.
            self._filters[:] = [NoColor()]
        self._desk = console
        self._engine_task = engine_task
        self._frame_hz = frame_hz
        self._limits = limits or AgeLimits()
        self._is_ascii = is_ascii
        self._has_bell = has_bell
        self._on_painted = on_painted
        self._mono_ns = mono_ns
        self.controls = Controls(console, ScreenState(theme), new_id)
        self.pump = FramePump(frame_hz, self._scene, mono_ns)
        self.crash_text = ""
        self._shown_theme = theme
        self._view = console.view()
        self._fresh: DeskView | None = None
        """The picture that the timer has taken for this very frame."""
        self._known_alarms: frozenset[str] = frozenset(alarm.alarm_id for alarm in self._view.alarms)
        self._palette = Palette(theme, has_colour=not self.no_color)
        self._main = MainScreen(self._palette)
        self._task_factory: Any = None

    # ---- life

    def get_default_screen(self) -> Screen[Any]:
        return self._main

    def on_load(self) -> None:
        for name in THEMES:
            self.register_theme(textual_theme(name))
        self.theme = self._shown_theme

    def on_mount(self) -> None:
        driver = self._driver
        if isinstance(driver, FrameDroppingDriver):
            driver.on_stop_request = lambda: self.leave(ScreenOutcome.DETACHED)
        if self._engine_task is not None:
            self.run_worker(self._watch_engine(self._engine_task), group="engine", exit_on_error=False)
        if self._frame_hz:
            self.set_interval(1 / self._frame_hz, self._beat)
        self.call_after_refresh(self.frame)
        self.set_timer(FREEZE_AFTER_S, freeze_garbage)

    def leave(self, outcome: ScreenOutcome) -> None:
        """Close the screen; the engine is not touched."""
        if self.controls.outcome is None:
            self.controls.outcome = outcome
        self.exit(self.controls.outcome)

    async def _watch_engine(self, task: asyncio.Task[object]) -> None:
        """Wait for the engine without owning it: cancelling this worker does not cancel the engine."""
        await asyncio.wait({task})
        reason = "the task was cancelled" if task.cancelled() else ""
        error = None if task.cancelled() else task.exception()
        if error is not None:
            reason = f"{type(error).__name__}: {error}"
        if not reason:
            self.leave(ScreenOutcome.ENGINE_ENDED)
            return
        at = clock_text(self._view.status.now_ns)
        self.controls.state.engine_down = clean(f"{at} {reason}")
        self.frame()

    # ---- errors: the screen may die, quietly and with its traceback in the log

    def _fatal_error(self) -> None:
        self.crash_text = traceback.format_exc()
        self._close_messages_no_wait()

    def panic(self, *renderables: Any) -> None:
        self.crash_text = self.crash_text or "\n".join(str(part) for part in renderables)
        self._close_messages_no_wait()

    # ---- events

    async def on_event(self, event: events.Event) -> None:
        """Keys go to the controls before any widget; everything else is Textual's."""
        if isinstance(event, events.Key) and not event.is_forwarded:
            event.stop()
            self._press(key_of(event))
            return
        await super().on_event(event)

    def _press(self, key: str) -> None:
        came_ns = self._mono_ns()
        self.controls.press(key, came_ns)
        if self.controls.outcome is not None:
            self.leave(self.controls.outcome)
            return
        self.frame()
        self.pump.note_key(self._mono_ns() - came_ns)

    def interrupt(self) -> None:
        """SIGINT from outside: the quit question, never the end of the engine."""
        self.controls.ask_quit()
        self.frame()

    def on_app_blur(self) -> None:
        self.controls.blur(self._mono_ns())
        self.frame()

    def on_resize(self) -> None:
        self.call_after_refresh(self.frame)

    # ---- frames

    def _beat(self) -> None:
        """The timer's frame, left out while nothing moves."""
        view = self._desk.view()
        if self.controls.bar.armed is None and self.pump.may_rest(view):
            return
        self._fresh = view
        self.frame()
        self._fresh = None

    def _scene(self, cost: FrameCost) -> Scene:
        now_ns = self._mono_ns()
        view = self._view = self._fresh or self._desk.view()
        self.controls.tick(view, now_ns)
        return Scene(view, self._desk, self.controls, self._limits, self._is_ascii, now_ns, cost)

    def frame(self) -> None:
        """Show what changed: places first, then dirty rows."""
        driver = self._driver if isinstance(self._driver, FrameDroppingDriver) else None
        if driver is not None and driver.is_hung_up():
            self.leave(ScreenOutcome.LOST_TERMINAL)
            return
        if driver is not None and driver.take_recovery():
            self._repaint_all()
        state = self.controls.state
        if state.theme != self._shown_theme:
            self._change_theme(state.theme)
        if self._main.place(state, *self.size):
            # Sizes are known after the layout; the frame that fills them follows it.
            self.call_after_refresh(self.frame)
            return
        self.pump.frame(self._main.grids, driver)
        self._ring_for_new_alarms()
        if self._on_painted is not None:
            self.call_after_refresh(self._on_painted)
            self._on_painted = None

    def _ring_for_new_alarms(self) -> None:
        """The bell once per alarm."""
        alarms = frozenset(alarm.alarm_id for alarm in self._view.alarms)
        if self._has_bell and alarms - self._known_alarms:
            self.bell()
        self._known_alarms = alarms

    def _change_theme(self, theme: str) -> None:
        self._shown_theme = theme
        self.theme = theme
        self._palette = Palette(theme, has_colour=not self.no_color)
        for grid in self._main.grids:
            grid.repaint(self._palette)

    def _repaint_all(self) -> None:
        for grid in self._main.grids:
            grid.repaint(self._palette)
        self._main.refresh(layout=True)


def freeze_garbage() -> None:
    """Take what exists now out of the collector's sight: its worst pause fell from 40-61 to 15 ms (style/tui.md §4)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
