"""The widgets under every live panel: lines in, strips out, and only the rows that changed are repainted.

`RowGrid` keeps one strip per row and asks for a repaint of exactly the rows whose line is another object with another
text; `RingLog` holds the newest log lines; `Bar` is a panel of fixed lines. No business rule lives here.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from collections.abc import Sequence
from typing import ClassVar, Final, NamedTuple

from rich.segment import Segment
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from engine.console import Console
from engine.view import DeskView, LogLine
from tui.actions import Panel
from tui.armbar import ArmBar
from tui.controls import Controls
from tui.format import AgeLimits
from tui.lines import BLANK, Frame, Line, Memo, fit
from tui.state import ScreenState
from tui.themes import Palette

RING_LINES: Final = 2000


class FrameCost(NamedTuple):
    """What the screen itself costs, for the health panel."""

    frame_hz: int = 0
    frames: int = 0
    dropped: int = 0
    frame_ms: float = 0.0
    keys: int = 0
    """Pressed so far; the times are from a key to the frame that answers it."""
    key_p50_ns: int = 0
    key_p99_ns: int = 0
    key_worst_ns: int = 0


class Scene(NamedTuple):
    """Everything a panel may look at while it builds its lines."""

    view: DeskView
    console: Console
    controls: Controls
    limits: AgeLimits
    is_ascii: bool
    mono_ns: int
    cost: FrameCost = FrameCost()

    @property
    def state(self) -> ScreenState:
        return self.controls.state

    @property
    def bar(self) -> ArmBar:
        return self.controls.bar

    @property
    def now_ns(self) -> int:
        """Exchange time."""
        return self.view.status.now_ns


def strip_of(row: Line, palette: Palette, width: int) -> Strip:
    """A line as Textual draws it, exactly `width` cells."""
    return Strip([Segment(text, palette.style(style)) for text, style in fit(row, width)], width)


class RowGrid(Widget, can_focus=False):
    """A widget of `Line`s. Subclasses build them; this class finds out which ones changed."""

    panel: ClassVar[Panel | None] = None

    def __init__(self, palette: Palette, *, id: str) -> None:
        super().__init__(id=id)
        self._palette = palette
        self._rows: list[Line] = []
        self._strips: dict[int, Strip] = {}
        self._width = 0
        self._memo = Memo()
        self._top = 0
        """First row shown, for panels that scroll."""

    @property
    def lines(self) -> Sequence[Line]:
        """What is on screen, for tests and copying."""
        return self._rows

    @abstractmethod
    def build(self, scene: Scene, width: int, height: int) -> list[Line]:
        """The lines to show now; the same object again for a row that shows the same."""

    def paint(self, scene: Scene) -> int:
        """Build, compare, and ask for a repaint of the dirty rows. Returns how many were dirty."""
        width, height = self.size
        if not width or not height:
            return 0
        rows = self.build(scene, width, height)[:height]
        rows += [BLANK] * (height - len(rows))
        if width != self._width or len(rows) != len(self._rows):
            self._width, self._rows = width, rows
            self._strips.clear()
            self.refresh()
            return len(rows)
        dirty = [y for y, (new, old) in enumerate(zip(rows, self._rows, strict=True)) if new is not old and new != old]
        self._rows = rows
        for y in dirty:
            self._strips.pop(y, None)
        if dirty:
            self.refresh(*(Region(0, y, width, 1) for y in dirty))
        return len(dirty)

    def repaint(self, palette: Palette) -> None:
        """Forget every strip: another theme, or a terminal that missed frames."""
        self._palette = palette
        self._strips.clear()
        self.refresh()

    def render_lines(self, crop: Region) -> list[Strip]:
        """The strips as they are kept: a grid has no border, padding or opacity, so Textual's styling of every line of
        every frame would add nothing to them (it was 40 % of a frame).
        """
        width = self.size.width
        strips = [self._strip(y, width) for y in crop.line_range]
        if crop.column_span == (0, width):
            return strips
        return [strip.crop(*crop.column_span) for strip in strips]

    def render_line(self, y: int) -> Strip:
        return self._strip(y, self.size.width)

    def _strip(self, y: int, width: int) -> Strip:
        strip = self._strips.get(y)
        if strip is None or strip.cell_length != width:
            row = self._rows[y] if y < len(self._rows) else BLANK
            strip = strip_of(row, self._palette, width)
            for line_filter in self.get_line_filters():
                strip = strip.apply_filter(line_filter, self.background_colors[1])
            self._strips[y] = strip
        return strip

    def frame(self, scene: Scene, width: int, height: int) -> Frame:
        return Frame(width, height, scene.state.panel is self.panel, scene.is_ascii)


class Bar(RowGrid):
    """Lines at a fixed edge of the screen: no cursor, no scrolling, never hidden."""


class RingLog:
    """The newest log lines, bounded; asks the desk only for what is new."""

    def __init__(self, capacity: int = RING_LINES) -> None:
        self._lines: deque[LogLine] = deque(maxlen=capacity)
        self._seq = 0

    def pull(self, console: Console, newest_seq: int) -> None:
        if newest_seq > self._seq:
            for entry in console.log_since(self._seq):
                if entry.seq > self._seq:
                    self._lines.append(entry)
                    self._seq = entry.seq

    @property
    def lines(self) -> Sequence[LogLine]:
        """Oldest first."""
        return self._lines
