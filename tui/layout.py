"""Where each panel stands at a given terminal size. Pure: a size, a preset and a focus in, rectangles out.

The two top lines and the two bottom lines never move. Rows are dropped from the bottom of a panel, never columns that
carry protection, state or age; below 80x24 there is one line of text instead.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from tui.actions import Panel

MIN_WIDTH: Final = 80
MIN_HEIGHT: Final = 24
MEDIUM_WIDTH: Final = 110
LARGE_WIDTH: Final = 180
TOP_ROWS: Final = 2
BOTTOM_ROWS: Final = 2
LADDER_WIDTH: Final = 44
LARGE_SIDE_WIDTH: Final = 66
MEDIUM_HEIGHT: Final = 34
LARGE_HEIGHT: Final = 46
"""A wide but flat terminal gets the arrangement of a narrower one: panels of two rows help nobody."""
SMALL_BOX_ROWS: Final = 5
LARGE_BOX_ROWS: Final = 9
PRESETS: Final[tuple[str, ...]] = ("desk", "orders", "ladder")
"""`desk`: everything; `orders`: orders and log take the room; `ladder`: a tall ladder beside the legs."""


class Place(NamedTuple):
    """A rectangle in cells."""

    x: int
    y: int
    width: int
    height: int


class Arrangement(NamedTuple):
    """The whole screen: fixed lines and the panels that are visible."""

    is_too_small: bool
    has_tabs: bool
    """The small layout names hidden panels on a line of its own."""
    body: Place
    panels: dict[Panel, Place]


class Trades(NamedTuple):
    """What the desk trades: without legs the grid stands in their place, with both it stands beside them."""

    legs: bool = True
    grid: bool = False


def arrange(
    width: int, height: int, focus: Panel, preset: str, *, is_zoomed: bool, trades: Trades | None = None
) -> Arrangement:
    """Place the panels; a panel that is not in the answer is hidden and does no work."""
    trades = trades or Trades()
    has_grid = trades.grid or focus is Panel.GRID
    is_grid_alone = has_grid and not trades.legs and focus not in (Panel.LEGS, Panel.LADDER)
    if width < MIN_WIDTH or height < MIN_HEIGHT:
        return Arrangement(True, False, Place(0, 0, width, height), {})
    is_small = width < MEDIUM_WIDTH or height < MEDIUM_HEIGHT
    top = TOP_ROWS + is_small
    body = Place(0, top, width, height - top - BOTTOM_ROWS)
    if is_zoomed:
        panels = {focus: body}
    elif is_grid_alone:
        panels = _grid_alone(body, focus, preset, is_small=is_small)
    elif is_small:
        panels = _small(body, focus, preset)
    elif width < LARGE_WIDTH or height < LARGE_HEIGHT:
        panels = _medium(body, focus, preset)
        if has_grid and focus is not Panel.LADDER:
            panels = _in_place_of_ladder(panels, focus)
    else:
        panels = _large(body, preset)
        if has_grid:
            panels = _above_ladder(panels)
    return Arrangement(False, is_small, body, panels)


def _small(body: Place, focus: Panel, preset: str) -> dict[Panel, Place]:
    """Legs above, always; below them orders and log, or the focused panel. A grid needs more rows than a list."""
    legs_rows = SMALL_BOX_ROWS if focus is Panel.GRID else min(2 * SMALL_BOX_ROWS, body.height // 2 + 1)
    legs = Place(0, body.y, body.width, legs_rows)
    lower = Place(0, body.y + legs_rows, body.width, body.height - legs_rows)
    if focus in (Panel.LEGS, Panel.ORDERS) and preset == "desk":
        log_rows = 3 if lower.height < 14 else lower.height // 3
        orders, log = _stack(lower, lower.height - log_rows)
        return {Panel.LEGS: legs, Panel.ORDERS: orders, Panel.LOG: log}
    shown = focus if focus is not Panel.LEGS else (Panel.LADDER if preset == "ladder" else Panel.ORDERS)
    return {Panel.LEGS: legs, shown: lower}


def _grid_alone(body: Place, focus: Panel, preset: str, *, is_small: bool) -> dict[Panel, Place]:
    """The grid where the legs would be, across the screen; what it owns and what it did below it."""
    if is_small:
        grid, lower = _stack(body, body.height - 3 if focus is Panel.GRID else max(10, body.height // 2))
        return {Panel.GRID: grid, Panel.LOG if focus is Panel.GRID else focus: lower}
    last = Panel.HEALTH if focus is Panel.HEALTH else Panel.LOG
    if body.width >= LARGE_WIDTH and body.height >= LARGE_HEIGHT - TOP_ROWS - BOTTOM_ROWS:
        upper, rest = _stack(body, max(24, body.height * 9 // 20))
        grid, health = _beside(upper, body.width - LARGE_SIDE_WIDTH)
        lists, log = _stack(rest, rest.height * (2 if preset == "orders" else 1) // (3 if preset == "orders" else 2))
        oco, orders = _beside(lists, body.width // 2)
        return {Panel.GRID: grid, Panel.HEALTH: health, Panel.OCO: oco, Panel.ORDERS: orders, Panel.LOG: log}
    grid, rest = _stack(body, max(11, body.height // 2 - (4 if preset == "orders" else 0)))
    bottom_rows = min(11, rest.height - 9) if last is Panel.HEALTH else max(4, rest.height // 4)
    lists, bottom = _stack(rest, rest.height - bottom_rows)
    oco, orders = _stack(lists, max(4, lists.height * 2 // 5))
    return {Panel.GRID: grid, Panel.OCO: oco, Panel.ORDERS: orders, last: bottom}


def _in_place_of_ladder(panels: dict[Panel, Place], focus: Panel) -> dict[Panel, Place]:
    """The grid is a ladder of its own: it takes that place, or that of a list where a preset shows no ladder."""
    given = Panel.LADDER if Panel.LADDER in panels else Panel.ORDERS if focus is Panel.OCO else Panel.OCO
    return {Panel.GRID if panel is given else panel: place for panel, place in panels.items()}


def _above_ladder(panels: dict[Panel, Place]) -> dict[Panel, Place]:
    """The wide layout keeps both: the grid takes the upper part of the ladder's column."""
    grid, ladder = _stack(panels[Panel.LADDER], panels[Panel.LADDER].height * 3 // 5)
    return {**panels, Panel.GRID: grid, Panel.LADDER: ladder}


def _medium(body: Place, focus: Panel, preset: str) -> dict[Panel, Place]:
    """Legs across, ladder on the left, brackets and orders on the right, log below; health takes the log's room."""
    legs, rest = _stack(body, LARGE_BOX_ROWS)
    last = Panel.HEALTH if focus is Panel.HEALTH else Panel.LOG
    last_rows = 11 if last is Panel.HEALTH else max(8, rest.height // 3)
    middle, bottom = _stack(rest, rest.height - last_rows)
    if preset == "orders":
        oco, orders = _stack(middle, 6)
        panels = {Panel.LEGS: legs, Panel.OCO: oco, Panel.ORDERS: orders, last: bottom}
        return {Panel.LEGS: legs, Panel.LADDER: middle, last: bottom} if focus is Panel.LADDER else panels
    if preset == "ladder":
        ladder, right = _beside(rest, LADDER_WIDTH)
        upper, log = _stack(right, right.height - last_rows)
        oco, orders = _stack(upper, _oco_rows(upper))
        return {Panel.LEGS: legs, Panel.LADDER: ladder, Panel.OCO: oco, Panel.ORDERS: orders, last: log}
    ladder, right = _beside(middle, LADDER_WIDTH)
    oco, orders = _stack(right, _oco_rows(right))
    return {Panel.LEGS: legs, Panel.LADDER: ladder, Panel.OCO: oco, Panel.ORDERS: orders, last: bottom}


def _large(body: Place, preset: str) -> dict[Panel, Place]:
    """Two columns: legs, brackets, orders and log on the left; a tall ladder and health on the right."""
    left, right = _beside(body, body.width - LARGE_SIDE_WIDTH)
    legs, rest = _stack(left, LARGE_BOX_ROWS)
    oco, rest = _stack(rest, 8)
    orders_rows = max(6, rest.height * (2 if preset == "orders" else 1) // (3 if preset == "orders" else 2))
    orders, log = _stack(rest, orders_rows)
    health_rows = min(20, right.height // 2) if preset != "ladder" else min(12, right.height // 3)
    ladder, health = _stack(right, right.height - health_rows)
    return {
        Panel.LEGS: legs,
        Panel.OCO: oco,
        Panel.ORDERS: orders,
        Panel.LOG: log,
        Panel.LADDER: ladder,
        Panel.HEALTH: health,
    }


def _oco_rows(right: Place) -> int:
    return max(5, min(8, right.height * 2 // 5))


def _stack(place: Place, upper_rows: int) -> tuple[Place, Place]:
    upper_rows = max(0, min(upper_rows, place.height))
    upper = place._replace(height=upper_rows)
    return upper, place._replace(y=place.y + upper_rows, height=place.height - upper_rows)


def _beside(place: Place, left_width: int) -> tuple[Place, Place]:
    left = place._replace(width=left_width)
    return left, place._replace(x=place.x + left_width, width=place.width - left_width)
