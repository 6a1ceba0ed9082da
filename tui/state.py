"""Where the trader is on the screen: panel, cursors, filters, zoom, page, theme. No desk state and no Textual."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from engine.instant import NS_PER_S
from engine.view import BracketView, DeskView, LegView, OrderView
from tui.actions import Panel, panels_of
from tui.layout import PRESETS
from tui.selection import (
    Cursor,
    LevelPick,
    leg_named,
    leg_of,
    level_near_price,
    level_of,
    level_picks,
    shown_brackets,
    shown_orders,
)

FLASH_NS: Final = 5 * NS_PER_S


class Page(StrEnum):
    """What lies over the panels; the top lines and the arm bar stay visible."""

    HELP = "help"
    DETAILS = "details"
    QUIT = "quit"
    METRICS = "metrics"
    UPDATES = "updates"


class ScreenState:
    """Read by the panels, written by `Controls`."""

    def __init__(self, theme: str) -> None:
        self.theme = theme
        self.preset = PRESETS[0]
        self.panel = Panel.LEGS
        self.is_zoomed = False
        self.page: Page | None = None
        self.page_scroll = 0
        self.leg_cursor = Cursor()
        self.bracket_cursor = Cursor()
        self.level_cursor = Cursor()
        self.panels: tuple[Panel, ...] = tuple(panel for panel in Panel if panel is not Panel.GRID)
        """What this desk has something for."""
        self.order_cursor = Cursor()
        self.log_back = 0
        """Lines scrolled back from the newest; 0 while following."""
        self.ladder_shift = 0
        """Rungs scrolled away from the last price; positive is up."""
        self.filters: dict[Panel, str] = {Panel.ORDERS: "", Panel.LOG: ""}
        self.engine_down = ""
        self._flash = ""
        self._flash_until_ns = 0

    def flash(self, text: str, now_ns: int) -> None:
        """One notice on the bottom line; a newer one replaces it."""
        self._flash = text
        self._flash_until_ns = now_ns + FLASH_NS

    def flash_text(self, now_ns: int) -> str:
        return self._flash if now_ns < self._flash_until_ns else ""

    def clear_flash(self) -> None:
        self._flash = ""

    def filter_of(self, panel: Panel) -> str:
        return self.filters.get(panel, "")

    def adapt(self, view: DeskView) -> None:
        """Know what the desk trades: without legs the grid takes their place."""
        self.panels = panels_of(view)
        if self.panel not in self.panels:
            self.panel = Panel.GRID if Panel.GRID in self.panels else Panel.LEGS

    def level(self, view: DeskView) -> LevelPick | None:
        """The level the cursor means in the focused panel: in Orders and OCO the one whose bracket it is."""
        match self.panel:
            case Panel.GRID:
                return self.selected_level(view)
            case Panel.ORDERS:
                order = self.order(view)
                return level_of(view, order.bracket_id) if order is not None else None
            case Panel.OCO:
                bracket = self.bracket(view)
                return level_of(view, bracket.bracket_id) if bracket is not None else None
            case _:
                return None

    def selected_level(self, view: DeskView) -> LevelPick | None:
        """The level under the cursor of the grid panel; at first the one under the last price."""
        picks = level_picks(view)
        if not self.level_cursor.is_set and picks:
            near = level_near_price(picks[0].grid)
            self.level_cursor.put(picks[0].grid.level_key(near) if near is not None else picks[0].key)
        index = self.level_cursor.locate([pick.key for pick in picks])
        return picks[index] if index >= 0 else None

    def leg(self, view: DeskView) -> LegView | None:
        """The leg the cursor means in the focused panel: in Orders the leg of that order, in OCO the bracket's."""
        if self.panel is Panel.ORDERS and (order := self.order(view)) is not None:
            return leg_of(view, order)
        if self.panel is Panel.OCO and (bracket := self.bracket(view)) is not None:
            return leg_named(view, bracket.name, bracket.bot)
        return self.selected_leg(view)

    def selected_leg(self, view: DeskView) -> LegView | None:
        """The leg under the cursor of the legs panel; the ladder shows it."""
        index = self.leg_cursor.locate([leg.key for leg in view.legs])
        return view.legs[index] if index >= 0 else None

    def bracket(self, view: DeskView) -> BracketView | None:
        brackets = shown_brackets(view)
        index = self.bracket_cursor.locate([bracket.bracket_id for bracket in brackets])
        return brackets[index] if index >= 0 else None

    def order(self, view: DeskView) -> OrderView | None:
        orders = shown_orders(view, self.filter_of(Panel.ORDERS))
        index = self.order_cursor.locate([order.tag for order in orders])
        return orders[index] if index >= 0 else None

    def move(self, view: DeskView, by: int) -> None:
        """Move the cursor of the focused panel, or scroll what has no cursor. Down is positive."""
        if self.page is not None:
            self.page_scroll = max(0, self.page_scroll + by)
            return
        match self.panel:
            case Panel.LEGS:
                self.leg_cursor.move([leg.key for leg in view.legs], by)
                self.ladder_shift = 0
            case Panel.GRID:
                self.selected_level(view)
                self.level_cursor.move([pick.key for pick in level_picks(view)], by)
            case Panel.OCO:
                self.bracket_cursor.move([bracket.bracket_id for bracket in shown_brackets(view)], by)
            case Panel.ORDERS:
                orders = shown_orders(view, self.filter_of(Panel.ORDERS))
                self.order_cursor.move([order.tag for order in orders], by)
            case Panel.LOG:
                self.log_back = max(0, self.log_back - by)
            case Panel.LADDER:
                self.ladder_shift -= by
            case Panel.HEALTH:
                pass

    def go(self, panel: Panel) -> None:
        self.page = None
        self.panel = panel

    def open_page(self, page: Page) -> None:
        self.page = page
        self.page_scroll = 0

    def situation_order(self, view: DeskView) -> bool:
        return self.panel is Panel.ORDERS and self.order(view) is not None
