"""Panel 7: a grid. Its levels by price with the last price in place, its hedges, and what would end it.

Where the desk has no legs it stands in their place. Several grids share the panel: the cursor walks on into the next.
"""

from __future__ import annotations

from typing import Final

from engine.grid.view import GridLevelView, GridView
from tui.actions import Panel
from tui.format import clean
from tui.grid_rows import columns_for, info_lines, level_row, price_row, status_words
from tui.lines import BLANK, Column, Line, Panelled, box, fit, header, line
from tui.panels.base import RowGrid, Scene
from tui.selection import LevelPick, rows_above_price, sorted_levels, top_for_cursor
from tui.themes import Palette

BESIDE_WIDTH: Final = 112
"""From this inner width on, levels and figures stand side by side when they do not fit below each other."""
_INFO_WIDTH: Final = 56
_GAP: Final = 3
_ROWS_OF_FIGURES: Final = 12
"""Header, last price and figures: where all of them fit below the levels, these get the whole width."""
_BRIEF_BELOW: Final = 20
"""Inner rows below which figures under the levels use fewer words."""
_LEAST_ROWS: Final = 5
"""Level rows, the header not counted, that figures below the levels may not take."""


class GridPanel(RowGrid):
    """The ladder of one grid; `j` and `k` walk over its levels."""

    panel = Panel.GRID

    def __init__(self, palette: Palette, *, id: str) -> None:
        super().__init__(palette, id=id)
        self._shown_bot = ""

    def build(self, scene: Scene, width: int, height: int) -> list[Line]:
        frame = self.frame(scene, width, height)
        grids = scene.view.grids
        if not grids:
            return box(frame, Panelled(line(("7 Grid", "title"))), [line(("this desk runs no grid", "dim"))])
        pick = scene.state.selected_level(scene.view)
        grid = pick.grid if pick is not None else grids[0]
        inner, rows = width - 4, height - 2
        is_beside = inner >= BESIDE_WIDTH and rows < len(grid.levels) + _ROWS_OF_FIGURES
        table_width = inner - _INFO_WIDTH - _GAP if is_beside else inner
        told = info_lines(
            grid,
            scene.view.status,
            scene.limits,
            _INFO_WIDTH if is_beside else inner,
            is_brief=not is_beside and rows < _BRIEF_BELOW,
        )
        room = rows - 1 if is_beside else self._table_room(grid, rows, len(told))
        columns = columns_for(table_width, is_hedged=grid.is_hedged)
        table, cursor_row, hidden = self._table(scene, grid, pick, columns, table_width, max(1, room))
        title = self._title(grid, grids.index(grid), len(grids))
        right, foot = self._right(grid), line((hidden, "warn")) if hidden else BLANK
        cursor = cursor_row if scene.state.panel is Panel.GRID else -1
        body = _beside(table, told, table_width, rows) if is_beside else table + told
        return box(frame, Panelled(title, right, foot, cursor), body)

    @staticmethod
    def _table_room(grid: GridView, rows: int, told: int) -> int:
        """Rows for levels and last price when the figures stand below: the table first, then as many as fit."""
        wanted = len(grid.levels) + 1
        least = min(wanted, _LEAST_ROWS)
        return min(rows - 1, max(least, min(wanted, rows - 1 - min(told, max(2, rows // 3)))))

    def _table(
        self, scene: Scene, grid: GridView, pick: LevelPick | None, columns: tuple[Column, ...], width: int, room: int
    ) -> tuple[list[Line], int, str]:
        """Header and rows, the row of the cursor in them, and what is hidden."""
        levels = sorted_levels(grid)
        above = rows_above_price(grid, levels)
        index = levels.index(pick.level) if pick is not None and levels else -1
        at = index + (index >= above) if index >= 0 else above
        count = len(levels) + 1
        if grid.bot != self._shown_bot:
            self._shown_bot, self._top = grid.bot, max(0, above - room // 2)
        self._top = top_for_cursor(self._top, at, room, count)
        # The last price keeps a row at the edge when its place is out of sight.
        is_pinned = not self._top <= above < self._top + room and room > 1
        if is_pinned:
            self._top = top_for_cursor(self._top + (above < self._top), at, room - 1, count)
        shown = range(self._top, min(count, self._top + room - is_pinned))
        status = scene.view.status
        rows: list[Line] = []
        for row in shown:
            if row == above:
                rows.append(price_row(grid, status, scene.limits, width))
            else:
                rows += self._level_lines(grid, levels[row - (row > above)], columns)
        cursor_row = at - self._top + 1 if index >= 0 else -1
        if is_pinned and above < self._top:
            rows.insert(0, price_row(grid, status, scene.limits, width, "^"))
            cursor_row += index >= 0
        elif is_pinned:
            rows.append(price_row(grid, status, scene.limits, width, "v"))
        return [header(columns), *rows], cursor_row, _hidden_words(shown, count, above)

    def _level_lines(self, grid: GridView, level: GridLevelView, columns: tuple[Column, ...]) -> list[Line]:
        return self._memo.lines(grid.level_key(level), level, columns, lambda: [level_row(level, columns)])

    @staticmethod
    def _title(grid: GridView, number: int, count: int) -> Line:
        token_b = f"/{clean(grid.token_b.symbol)}" if grid.token_b is not None else ""
        several = f"  {number + 1} of {count} grids" if count > 1 else ""
        return line(
            ("7 Grid  ", "title"),
            (f"{clean(grid.token_a.symbol)}{token_b}", "title"),
            (f"  {clean(grid.bot)}{several}", "dim"),
        )

    @staticmethod
    def _right(grid: GridView) -> Line:
        word = status_words(grid)
        bare = len(grid.unhedged)
        return line((f" {bare} UNHEDGED !! " if bare else "", "naked"), ("  " if bare else "", ""), word)


def _hidden_words(shown: range, count: int, above: int) -> str:
    """`3 levels above, 5 below`; the row of the last price is no level."""
    before = sum(1 for row in range(shown.start) if row != above)
    after = sum(1 for row in range(shown.stop, count) if row != above)
    parts = [f"{number} {word}" for number, word in ((before, "above"), (after, "below")) if number]
    return f"{' and '.join(parts)} hidden: j and k" if parts else ""


def _beside(table: list[Line], told: list[Line], width: int, rows: int) -> list[Line]:
    """Levels on the left, figures on the right."""
    count = min(rows, max(len(table), len(told)))
    left = [*table, *[BLANK] * (count - len(table))]
    right = [*told, *[BLANK] * (count - len(told))]
    return [(*fit(a, width), (" | ", "frame"), *b) for a, b in zip(left[:count], right[:count], strict=True)]
