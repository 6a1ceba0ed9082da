"""Which rows a panel shows and which of them the cursor is on; pure, from a picture of the desk.

A cursor remembers the *thing* (a symbol, a tag), so that re-sorted rows do not move it to a neighbour.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from engine.grid.view import GridLevelView, GridView
from engine.order import OrderState, Role
from engine.view import BracketView, DeskView, LegView, LogLine, OrderView, ProtectionWord
from tui.format import SEVERITY, clean


class Cursor:
    """A position in a list that stays on the same thing; when the thing is gone, on what took its place."""

    def __init__(self) -> None:
        self._key = ""
        self._index = 0

    def locate(self, keys: Sequence[str]) -> int:
        """Index of the thing in `keys`, -1 when there is none."""
        if not keys:
            return -1
        if self._key not in keys:
            self._index = min(self._index, len(keys) - 1)
            self._key = keys[self._index]
        else:
            self._index = keys.index(self._key)
        return self._index

    def move(self, keys: Sequence[str], by: int) -> None:
        index = self.locate(keys)
        if index >= 0:
            self._index = max(0, min(len(keys) - 1, index + by))
            self._key = keys[self._index]

    def put(self, key: str) -> None:
        self._key = key

    @property
    def is_set(self) -> bool:
        """It has been on something."""
        return bool(self._key)


def top_for_cursor(top: int, index: int, height: int, count: int) -> int:
    """First visible row so that row `index` is inside `height` rows and no row is wasted below the end."""
    if height <= 0:
        return 0
    if index >= 0:
        top = min(top, index)
        top = max(top, index - height + 1)
    return max(0, min(top, count - height))


def shown_orders(view: DeskView, wanted: str) -> list[OrderView]:
    """Orders that match the filter: unknown, working, rejected, other ended; newest first in each group.

    An unknown order is never filtered away (style/tui.md §7).
    """
    spoken = wanted.casefold()
    matching = [
        order
        for order in view.orders
        if not spoken or order.state is OrderState.UNKNOWN or spoken in order_words(order).casefold()
    ]
    return sorted(matching, key=_order_rank)


def _order_rank(order: OrderView) -> int:
    if order.state is OrderState.UNKNOWN:
        return 0
    if order.is_open:
        return 1
    return 2 if order.state is OrderState.REJECTED else 3


def order_words(order: OrderView) -> str:
    """What a filter looks at."""
    return f"{order.tag} {order.name} {order.side} {order.role} {order.state} {order.why} {order.broker_id}"


def log_matches(entry: LogLine, wanted: str) -> bool:
    spoken = wanted.casefold()
    return not spoken or spoken in f"{entry.level} {entry.source} {entry.text}".casefold()


def shown_brackets(view: DeskView) -> list[BracketView]:
    """Brackets with an alarm first; those of a grid's levels stand in its panel, and here only with an alarm."""
    grids = {grid.bot for grid in view.grids}
    shown = [bracket for bracket in view.brackets if bracket.alarm or bracket.bot not in grids]
    return sorted(shown, key=lambda bracket: not bracket.alarm)


class LevelPick(NamedTuple):
    """One level with its grid."""

    grid: GridView
    level: GridLevelView

    @property
    def key(self) -> str:
        return self.grid.level_key(self.level)


def sorted_levels(grid: GridView) -> list[GridLevelView]:
    """Highest price first; at one price the SELL entry stands above."""
    return sorted(grid.levels, key=lambda level: (-level.price_paise, level.side.sign, level.index))


def level_picks(view: DeskView) -> list[LevelPick]:
    """Every level of every grid, in the order of the screen: one grid after the other."""
    return [LevelPick(grid, level) for grid in view.grids for level in sorted_levels(grid)]


def rows_above_price(grid: GridView, levels: Sequence[GridLevelView]) -> int:
    """How many of these rows stand above the last price, or above the centre while there is none."""
    price_paise = grid.token_a.ltp_paise or grid.centre_paise
    return sum(1 for level in levels if level.price_paise > price_paise)


def level_near_price(grid: GridView) -> GridLevelView | None:
    """The first level under the last price: where the cursor begins."""
    levels = sorted_levels(grid)
    return levels[min(rows_above_price(grid, levels), len(levels) - 1)] if levels else None


def level_of(view: DeskView, bracket_id: str) -> LevelPick | None:
    """Whose cycle or hedge a bracket is."""
    if not bracket_id:
        return None
    return next((pick for pick in level_picks(view) if bracket_id in _brackets_of(pick.level)), None)


def _brackets_of(level: GridLevelView) -> tuple[str, str]:
    return level.bracket_id, level.hedge_bracket_id


def unhedged_level(view: DeskView) -> LevelPick | None:
    return next((LevelPick(grid, level) for grid in view.grids for level in grid.unhedged), None)


def is_order_of(order: OrderView, leg: LegView) -> bool:
    """Two bots may hold one symbol: an order belongs to one of them."""
    return order.symbol == leg.symbol and order.bot in ("", leg.bot)


def leg_of(view: DeskView, order: OrderView) -> LegView | None:
    return next((leg for leg in view.legs if is_order_of(order, leg)), None)


def leg_named(view: DeskView, name: str, bot: str = "") -> LegView | None:
    return next((leg for leg in view.legs if leg.name == name and bot in ("", leg.bot)), None)


def bot_of(view: DeskView, leg: LegView) -> str:
    """Whose leg a request means; empty while the desk runs only one bot, because then the symbol says it all."""
    return leg.bot if any(other.bot != leg.bot for other in view.legs) else ""


def most_severe_leg(view: DeskView) -> LegView | None:
    """The leg that needs a trader most: unproven or missing protection, the longest naked first."""
    worrying = [leg for leg in view.legs if SEVERITY[leg.protection] < SEVERITY[ProtectionWord.PLACING]]
    return min(worrying, key=lambda leg: (SEVERITY[leg.protection], leg.naked_since_ns), default=None)


def unknown_order(view: DeskView) -> OrderView | None:
    return next((order for order in view.orders if order.state is OrderState.UNKNOWN), None)


def is_protective(order: OrderView) -> bool:
    """Its loss would leave something bare: targets, stops, exits, and the hedges of a grid."""
    return order.role not in (Role.ENTRY, Role.REPAIR)


def open_legs(view: DeskView) -> list[LegView]:
    return [leg for leg in view.legs if leg.open_qty]


def open_grids(view: DeskView) -> list[GridView]:
    return [grid for grid in view.grids if grid.is_open]


def grid_holdings(grid: GridView) -> str:
    """`IRFC +300, SBIN -50`."""
    tokens = [grid.token_a, *([grid.token_b] if grid.token_b is not None else [])]
    return ", ".join(f"{clean(token.symbol)} {token.net_qty:+d}" for token in tokens if token.net_qty)


def working_orders(view: DeskView) -> list[OrderView]:
    return [order for order in view.orders if order.is_open]


def names_of(legs: Sequence[LegView]) -> str:
    return ", ".join(f"{clean(leg.name)} {abs(leg.open_qty)}" for leg in legs)
