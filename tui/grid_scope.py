"""How much of a grid a dangerous key means: a level, its side, the whole grid; in numbers and words. Pure.

Tab walks through the scopes while a key is armed. The requests are intents; the numbers beside them come from the
picture and only tell the trader what the desk would do now.
"""

from __future__ import annotations

from typing import NamedTuple

from engine.grid.view import GridLevelView, GridView
from engine.grid.words import exit_words, levels_in
from engine.operator import CancelAll, ExitBot, ExitLevel, ExitSide, Request
from engine.view import DeskView
from tui.format import clean
from tui.selection import LevelPick

GridExit = ExitLevel | ExitSide | ExitBot
SCOPE_HINT = "Tab scope"


class Meant(NamedTuple):
    """The part of a grid that a request names."""

    grid: GridView
    levels: tuple[GridLevelView, ...]


def meant(request: Request | None, view: DeskView) -> Meant | None:
    """None when the request names no grid of this desk."""
    if not isinstance(request, ExitLevel | ExitSide | ExitBot | CancelAll):
        return None
    grid = next((grid for grid in view.grids if grid.bot == request.bot), None)
    if grid is None:
        return None
    match request:
        case ExitLevel(level_id=level_id):
            return Meant(grid, levels_in(grid, level_id=level_id))
        case ExitSide(side=side):
            return Meant(grid, levels_in(grid, side))
        case ExitBot():
            return Meant(grid, grid.levels)
        case CancelAll(side=side, level_id=level_id):
            return Meant(grid, levels_in(grid, side, level_id))


def exit_level(pick: LevelPick, request_id: str) -> ExitLevel:
    return ExitLevel(request_id=request_id, bot=pick.grid.bot, level_id=pick.level.level_id)


def widened(request: GridExit, pick: LevelPick, request_id: str) -> GridExit:
    """The next scope of an exit: level, side, grid, and the level again."""
    match request:
        case ExitLevel():
            return ExitSide(request_id=request_id, bot=pick.grid.bot, side=pick.level.trade_side)
        case ExitSide():
            return ExitBot(request_id=request_id, bot=pick.grid.bot)
        case ExitBot():
            return exit_level(pick, request_id)


def next_cancel(request: CancelAll, pick: LevelPick, request_id: str) -> CancelAll:
    """The next scope of a cancel on the grid panel: grid, side, level, desk, and the grid again."""
    bot, side, level_id = pick.grid.bot, pick.level.trade_side, pick.level.level_id
    if not request.bot:
        return CancelAll(request_id=request_id, scope=request.scope, bot=bot)
    if request.level_id:
        return CancelAll(request_id=request_id, scope=request.scope)
    if request.side is not None:
        return CancelAll(request_id=request_id, scope=request.scope, bot=bot, level_id=level_id)
    return CancelAll(request_id=request_id, scope=request.scope, bot=bot, side=side)


def place_words(request: Request, view: DeskView) -> str:
    """`level B1 of irfc-sbin`, `downside of irfc-sbin, 5 levels`, `grid of irfc-sbin, 10 levels`; else empty."""
    found = meant(request, view)
    if found is None:
        return ""
    bot, count = clean(found.grid.bot), len(found.levels)
    levels = f"{count} level{'' if count == 1 else 's'}"
    if isinstance(request, ExitLevel) or (isinstance(request, CancelAll) and request.level_id):
        return f"level {found.levels[0].label if found.levels else 'gone'} of {bot}"
    side = request.side if isinstance(request, ExitSide | CancelAll) else None
    return f"{side.value if side is not None else 'grid'} of {bot}, {levels}"


def numbers(request: Request | None, view: DeskView) -> str:
    """What an exit would do now; empty for anything else."""
    found = meant(request, view)
    return exit_words(*found) if found is not None and not isinstance(request, CancelAll) else ""


def quantity(request: GridExit, view: DeskView) -> tuple[object, ...]:
    """What those numbers depend on."""
    found = meant(request, view)
    if found is None:
        return ()
    return tuple((level.level_id, level.open_qty, level.hedge_open_qty, level.state) for level in found.levels)
