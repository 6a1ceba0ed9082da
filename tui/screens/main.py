"""The one screen: two top lines, panels, a page over them when asked, two bottom lines. It places, it does not draw."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.screen import Screen
from textual.widget import Widget

from tui.actions import PANEL_NAMES, Panel
from tui.layout import BOTTOM_ROWS, TOP_ROWS, Arrangement, Place, Trades, arrange
from tui.lines import Line, Panelled, box, line
from tui.panels.base import Bar, RowGrid, Scene
from tui.panels.bottom import BottomBar, TabsBar
from tui.panels.grid import GridPanel
from tui.panels.health import HealthPanel
from tui.panels.ladder import LadderPanel
from tui.panels.legs import LegsPanel
from tui.panels.log import LogPanel
from tui.panels.oco import OcoPanel
from tui.panels.orders import OrdersPanel
from tui.panels.status import StatusBar
from tui.screens.details import details_lines
from tui.screens.help import help_lines
from tui.screens.metrics import metrics_lines
from tui.screens.quit import quit_lines
from tui.screens.updates import updates_lines
from tui.state import Page, ScreenState
from tui.themes import Palette

_TITLES = {Page.HELP: "Help", Page.DETAILS: "Details", Page.QUIT: "Quit?", Page.METRICS: "Metrics"}
_TITLES |= {Page.UPDATES: "Order updates, the newest 50 pushed"}


class PageBox(RowGrid):
    """A page over the panels, the quit question too; both top lines and the arm bar stay visible."""

    def build(self, scene: Scene, width: int, height: int) -> list[Line]:
        state = scene.state
        match state.page:
            case Page.HELP:
                body = help_lines(PANEL_NAMES[state.panel], width - 4)
            case Page.QUIT:
                body = quit_lines(scene.view)
            case Page.METRICS:
                body = metrics_lines(scene)
            case Page.UPDATES:
                body = updates_lines(scene.console.order_updates(), width - 4)
            case _:
                body = details_lines(scene, width - 4)
        room = height - 2
        state.page_scroll = max(0, min(state.page_scroll, len(body) - room))
        shown = body[state.page_scroll : state.page_scroll + room]
        below = len(body) - state.page_scroll - room
        foot = line((f"{below} more lines: j or PgDn", "warn")) if below > 0 else line(("Esc closes", "dim"))
        title = line((_TITLES[state.page] if state.page else "", "title"))
        frame = self.frame(scene, width, height)._replace(is_focused=True)
        return box(frame, Panelled(title, foot=foot), shown)


class MainScreen(Screen[None]):
    """Owns the widgets and puts them where `tui.layout` says."""

    def __init__(self, palette: Palette) -> None:
        super().__init__()
        self.status = StatusBar(palette, id="status")
        self.tabs = TabsBar(palette, id="tabs")
        self.bottom = BottomBar(palette, id="bottom")
        self.page_box = PageBox(palette, id="page")
        self.panels: dict[Panel, RowGrid] = {
            Panel.LEGS: LegsPanel(palette, id="legs"),
            Panel.LADDER: LadderPanel(palette, id="ladder"),
            Panel.OCO: OcoPanel(palette, id="oco"),
            Panel.ORDERS: OrdersPanel(palette, id="orders"),
            Panel.LOG: LogPanel(palette, id="log"),
            Panel.HEALTH: HealthPanel(palette, id="health"),
            Panel.GRID: GridPanel(palette, id="grid"),
        }
        self._placed: object = None

    def compose(self) -> ComposeResult:
        yield self.status
        yield self.tabs
        yield from self.panels.values()
        yield self.page_box
        yield self.bottom

    @property
    def bars(self) -> Sequence[Bar]:
        return (self.status, self.tabs, self.bottom)

    @property
    def grids(self) -> Sequence[RowGrid]:
        return (*self.bars, *self.panels.values(), self.page_box)

    def place(self, state: ScreenState, width: int, height: int) -> bool:
        """Put every widget in its place; True when anything moved."""
        trades = Trades(Panel.LEGS in state.panels, Panel.GRID in state.panels)
        asked = (width, height, state.panel, state.preset, state.is_zoomed, state.page, trades)
        if asked == self._placed:
            return False
        self._placed = asked
        arranged = arrange(width, height, state.panel, state.preset, is_zoomed=state.is_zoomed, trades=trades)
        top = 1 if arranged.is_too_small else TOP_ROWS
        _put(self.status, Place(0, 0, width, top))
        _put(self.tabs, Place(0, TOP_ROWS, width, 1) if arranged.has_tabs else None)
        _put(self.bottom, None if height < 4 else Place(0, height - BOTTOM_ROWS, width, BOTTOM_ROWS))
        self._place_body(arranged, state)
        return True

    def _place_body(self, arranged: Arrangement, state: ScreenState) -> None:
        is_covered = state.page is not None and not arranged.is_too_small
        _put(self.page_box, arranged.body if is_covered else None)
        for panel, grid in self.panels.items():
            _put(grid, None if is_covered else arranged.panels.get(panel))


def _put(widget: Widget, place: Place | None) -> None:
    """Absolute place in cells; None hides the widget, and a hidden one builds nothing."""
    if place is None or place.width < 1 or place.height < 1:
        widget.display = False
        return
    widget.display = True
    widget.styles.offset = (place.x, place.y)
    widget.styles.width = place.width
    widget.styles.height = place.height
