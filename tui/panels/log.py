"""Panel 5: the log. It never scrolls under a reader and never loses a line silently."""

from __future__ import annotations

from engine.instant import clock_text
from engine.view import LogLine
from tui.actions import Panel
from tui.format import clean
from tui.lines import Line, Panelled, box, line
from tui.panels.base import RingLog, RowGrid, Scene
from tui.selection import log_matches
from tui.themes import Palette

LEVEL_STYLE = {"WARN": "warn", "ERROR": "loss", "CRITICAL": "alarm"}
SOURCE_WIDTH = 14


def log_row(entry: LogLine, *, is_wide: bool) -> Line:
    """`10:42:04.118 WARN  bracket        text`; narrow panels drop milliseconds and source."""
    level = clean(entry.level)
    shown = "CRIT " if level == "CRITICAL" else f"{level:<5}"
    stamp = (clock_text(entry.at_ns, decimals=3 if is_wide else 0) + " ", "dim")
    source = (f"{clean(entry.source)[:SOURCE_WIDTH]:<{SOURCE_WIDTH}} " if is_wide else "", "dim")
    return line(stamp, (shown, LEVEL_STYLE.get(level, "dim")), " ", source, clean(entry.text))


class LogPanel(RowGrid):
    """The newest lines at the top, newest first, or the place the reader scrolled to."""

    panel = Panel.LOG

    def __init__(self, palette: Palette, *, id: str) -> None:
        super().__init__(palette, id=id)
        self._ring = RingLog()
        self._anchor_seq = 0
        self._wanted_back = 0

    def build(self, scene: Scene, width: int, height: int) -> list[Line]:
        self._ring.pull(scene.console, scene.view.log_seq)
        wanted = scene.state.filter_of(Panel.LOG)
        entries = [entry for entry in self._ring.lines if log_matches(entry, wanted)]
        is_bare = height <= 3
        room = height if is_bare else height - 2
        held = self._hold_still(scene, entries, room)
        end = len(entries) - scene.state.log_back
        window = entries[max(0, end - room) : end]
        window.reverse()
        is_wide = width >= 100
        body: list[Line] = []
        for entry in window:

            def build(entry: LogLine = entry) -> list[Line]:
                row = log_row(entry, is_wide=is_wide)
                return [line(" ", *row) if is_bare else row]

            body += self._memo.lines(entry.seq, entry, (is_wide, is_bare), build)
        self._memo.keep_only({entry.seq for entry in window})
        if is_bare:
            return body
        hidden = len(self._ring.lines) - len(entries)
        follow = f"held, {held} newer (f follows)" if scene.state.log_back else "follow ON"
        said = Panelled(
            line(("5 Log", "title"), (f"  (filter {wanted!r})" if wanted else "", "warn")),
            line((follow, "warn" if scene.state.log_back else "dim"), (f", {hidden} hidden" if hidden else "", "warn")),
        )
        if not body:
            body = [line((f"0 of {hidden} shown (filter {wanted!r}), Esc clears" if hidden else "nothing yet", "dim"))]
        return box(self.frame(scene, width, height), said, body)

    def _hold_still(self, scene: Scene, entries: list[LogLine], room: int) -> int:
        """Keep the reader's place while new lines arrive; returns how many lines are newer than the place."""
        state = scene.state
        if not state.log_back:
            self._anchor_seq = 0
            return 0
        newer_now = sum(1 for entry in entries if entry.seq > self._anchor_seq) if self._anchor_seq else 0
        if self._anchor_seq and self._wanted_back == state.log_back:
            state.log_back = newer_now
        state.log_back = max(0, min(state.log_back, len(entries) - room))
        self._wanted_back = state.log_back
        if state.log_back:
            self._anchor_seq = entries[len(entries) - state.log_back - 1].seq
        return state.log_back
