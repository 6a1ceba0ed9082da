"""Ticks go to the books, frames go to the screen: ten times a second the pump shows what changed, and nothing else.

It pulls one picture of the desk, lets the visible panels rebuild their lines and repaints dirty rows only. While the
terminal does not take what was written, no frame is built at all; one full repaint follows when it does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, Protocol

from engine.instant import NS_PER_MS
from engine.metrics import Ring
from engine.view import DeskView
from tui.panels.base import FrameCost, RowGrid, Scene

RESTING_HZ: Final = 2
"""Frames a second while nothing happens and nothing is open: clocks and ages still move."""


class Terminal(Protocol):
    """What the pump asks the driver."""

    def is_behind(self) -> bool:
        """Writes wait that the terminal has not taken."""
        ...

    def take_recovery(self) -> bool:
        """True once after writes were dropped and the queue has emptied."""
        ...


class FramePump:
    """Builds one frame when told; counts what it costs."""

    def __init__(self, frame_hz: int, scene: Callable[[FrameCost], Scene], mono_ns: Callable[[], int]) -> None:
        self._scene = scene
        self._mono_ns = mono_ns
        self._frame_hz = frame_hz
        self._frames = 0
        self._dropped = 0
        self._frame_ms = 0.0
        self._shown: tuple[int, int, int] | None = None
        self._skipped = 0
        self._keys = Ring()

    def note_key(self, spent_ns: int) -> None:
        """A key was answered by a frame this long after it came."""
        self._keys.note(spent_ns)

    def may_rest(self, view: DeskView) -> bool:
        """Whether the timer may leave this frame out: no tick, no step of the desk and no log line since the last one
        that was built, nothing open, and a frame was built less than half a second ago (idle cost, style/tui.md §17).
        """
        news = (view.version, view.status.feed_ns, view.log_seq)
        is_open = any(leg.open_qty for leg in view.legs) or any(grid.is_open for grid in view.grids)
        is_still = news == self._shown and not is_open
        if is_still and self._skipped < self._frame_hz // RESTING_HZ - 1:
            self._skipped += 1
            return True
        self._shown, self._skipped = news, 0
        return False

    @property
    def cost(self) -> FrameCost:
        keys = self._keys
        percentiles = (keys.at_percent(50), keys.at_percent(99), keys.at_percent(100))
        return FrameCost(self._frame_hz, self._frames, self._dropped, self._frame_ms, keys.count, *percentiles)

    def frame(self, grids: Iterable[RowGrid], terminal: Terminal | None) -> int:
        """Build and show one frame; returns the number of dirty rows, -1 when the terminal is behind."""
        if terminal is not None and terminal.is_behind():
            self._dropped += 1
            return -1
        started_ns = self._mono_ns()
        scene = self._scene(self.cost)
        dirty = sum(grid.paint(scene) for grid in grids if grid.display)
        self._frames += 1
        # A moving average: one slow frame must not be read as the cost of every frame.
        self._frame_ms += ((self._mono_ns() - started_ns) / NS_PER_MS - self._frame_ms) * 0.1
        return dirty
