"""The action table: every key of the console, as data. Bindings, footer, help, palette and documentation come from it.

A key is named by the character it types (`e`, `-`, `?`) or by its name (`tab`, `escape`, `ctrl+x`). Danger classes
(style/tui.md §8): 0 no question, 1 acts at once, 2 two strokes. Class 3 (typed word) does not exist on this screen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import IntEnum
from typing import Final, NamedTuple

from engine.view import AlarmView, DeskView


class Panel(IntEnum):
    """Panels by their digit key."""

    LEGS = 1
    LADDER = 2
    OCO = 3
    ORDERS = 4
    LOG = 5
    HEALTH = 6
    GRID = 7


PANEL_NAMES: Final[dict[Panel, str]] = {
    Panel.LEGS: "Legs",
    Panel.LADDER: "Ladder",
    Panel.OCO: "OCO",
    Panel.ORDERS: "Orders",
    Panel.LOG: "Log",
    Panel.HEALTH: "Health",
    Panel.GRID: "Grid",
}


def panels_of(view: DeskView) -> tuple[Panel, ...]:
    """The panels that this desk has something for, in the order of their keys; a desk that starts has legs."""
    missing = set() if view.grids else {Panel.GRID}
    if view.grids and not view.legs:
        missing |= {Panel.LEGS, Panel.LADDER}
    return tuple(panel for panel in Panel if panel not in missing)


class Danger(IntEnum):
    HARMLESS = 0
    SMALL = 1
    """Acts at once: reversible or risk-reducing, and small."""
    TWO_STROKE = 2
    """The key arms, the send key sends."""


class Situation(NamedTuple):
    """What decides whether an action is available now."""

    panel: Panel
    view: DeskView
    has_order: bool
    """An order is under the cursor."""
    engine_down: str
    is_quitting: bool
    """The quit question is open."""
    has_level: bool = False
    """A level of a grid is under the cursor, or the bracket or order of one."""


def _always(_: Situation) -> str:
    return ""


def _needs_leg(now: Situation) -> str:
    if now.view.grids and not now.view.legs:
        return "this desk runs a grid, which enters by itself: there is no leg"
    return "" if now.view.legs else "there is no leg on the desk yet"


def _needs_position(now: Situation) -> str:
    if now.has_level:
        return ""
    if now.panel is Panel.GRID or (now.view.grids and not now.view.legs):
        return "no level of the grid under the cursor: go to Grid (7)"
    return _needs_leg(now)


def _needs_entries(now: Situation) -> str:
    if now.engine_down:
        return f"engine down: {now.engine_down}"
    return _needs_leg(now)


def _needs_order(now: Situation) -> str:
    if now.panel is not Panel.ORDERS:
        return "go to Orders (4) first: it cancels the order under the cursor"
    return "" if now.has_order else "there is no order under the cursor"


def _needs_list(now: Situation) -> str:
    return "" if now.panel in (Panel.ORDERS, Panel.LOG) else "only Orders (4) and Log (5) can be filtered"


def _needs_log(now: Situation) -> str:
    return "" if now.panel is Panel.LOG else "only the Log (5) follows"


def _needs_details(now: Situation) -> str:
    if now.panel is Panel.ORDERS:
        return _needs_order(now)
    if now.panel is Panel.LOG or now.has_level:
        return ""
    if now.panel is Panel.GRID:
        return _needs_position(now)
    return _needs_leg(now) if now.panel in _WITH_DETAILS else "Health has no details: o zooms it"


def _needs_alarm(now: Situation) -> str:
    return "" if unseen_alarms(now.view) or now.view.status.recovered else "no alarm is waiting to be seen"


def _needs_unexpected(now: Situation) -> str:
    found = any(leg.unexpected_qty for leg in now.view.legs)
    return "" if found else "the broker shows nothing unexpected in the legs' symbols"


def unseen_alarms(view: DeskView) -> list[AlarmView]:
    """Alarms that nobody has acknowledged, newest first."""
    return [alarm for alarm in view.alarms if not alarm.acknowledged_ns]


def _needs_question(now: Situation) -> str:
    return "" if now.is_quitting else "press q first: d leaves the screen and keeps the engine"


class Action(NamedTuple):
    """One row of the table."""

    id: str
    keys: tuple[str, ...]
    """The first is the one shown; the others are second spellings."""
    danger: Danger
    scope: str
    """Where it works, in words."""
    description: str
    handler: str
    """Method of `tui.controls.Controls`."""
    send_key: str = ""
    label: str = ""
    """Footer text; empty means not in the footer."""
    footer_panels: frozenset[Panel] = frozenset(Panel)
    why_disabled: Callable[[Situation], str] = _always

    @property
    def key(self) -> str:
        return self.keys[0]


_HARMLESS, _SMALL, _TWO = Danger.HARMLESS, Danger.SMALL, Danger.TWO_STROKE
_LISTS = frozenset({Panel.ORDERS, Panel.LOG})
_WITH_DETAILS = frozenset(Panel) - {Panel.HEALTH}

ACTIONS: Final[tuple[Action, ...]] = (
    Action(
        "exit_leg", ("e",), _TWO, "everywhere",
        "square off the leg or grid level under the cursor (in Orders: that of the order); Tab widens a level to its "
        "side, then to the grid",
        "arm_exit", "E", "Exit", why_disabled=_needs_position,
    ),
    Action(
        "cancel_all", ("c",), _TWO, "everywhere",
        "cancel all working entry orders; while armed p adds the protective ones, Tab narrows to one leg (in Grid: "
        "grid, side, level, desk)",
        "arm_cancel_all", "C", "Cancel all",
    ),
    Action(
        "zero_out", ("z", "ctrl+x"), _TWO, "everywhere",
        "kill switch: no entries until resumed, cancel all orders, square off every leg of every bot",
        "arm_zero_out", "Z", "Zero out",
    ),
    Action(
        "pause", ("p",), _HARMLESS, "everywhere",
        "pause or resume entries, in Grid those of that grid (P sends a resume after a tripped limit)",
        "toggle_entries", "P", "Pause",
    ),
    Action(
        "cancel_order", ("-",), _SMALL, "Orders",
        "cancel the order under the cursor; one that protects needs the second stroke _",
        "cancel_order", "_", "Cancel", frozenset({Panel.ORDERS}), _needs_order,
    ),
    Action(
        "buy", ("b",), _TWO, "everywhere", "entry line to buy: Tab legs, digits lots, Enter previews and arms",
        "open_buy", "B", "Buy", frozenset({Panel.LEGS, Panel.LADDER}), _needs_entries,
    ),
    Action(
        "sell", ("s",), _TWO, "everywhere", "entry line to sell: Tab legs, digits lots, Enter previews and arms",
        "open_sell", "S", "Sell", frozenset({Panel.LEGS, Panel.LADDER}), _needs_entries,
    ),
    Action("panel", ("1", "2", "3", "4", "5", "6", "7"), _HARMLESS, "everywhere", "go to panel", "go_panel"),
    Action("next_panel", ("tab",), _HARMLESS, "everywhere", "next panel", "next_panel"),
    Action("previous_panel", ("shift+tab",), _HARMLESS, "everywhere", "previous panel", "previous_panel"),
    Action("up", ("up", "k"), _HARMLESS, "everywhere", "row up", "move_up"),
    Action("down", ("down", "j"), _HARMLESS, "everywhere", "row down", "move_down"),
    Action("page_up", ("pageup",), _HARMLESS, "everywhere", "ten rows up", "page_up"),
    Action("page_down", ("pagedown",), _HARMLESS, "everywhere", "ten rows down", "page_down"),
    Action("first", ("home", "g"), _HARMLESS, "everywhere", "first row", "move_first"),
    Action("last", ("end", "G"), _HARMLESS, "everywhere", "last row (in the Log: newest, and follow)", "move_last"),
    Action(
        "details", ("enter",), _HARMLESS, "Legs, Ladder, OCO, Orders, Log, Grid",
        "details in full; never sends an order", "open_details",
        label="Details", footer_panels=_WITH_DETAILS, why_disabled=_needs_details,
    ),
    Action("back", ("escape",), _HARMLESS, "everywhere", "disarm, close, dismiss or clear, in that order", "back"),
    Action(
        "filter", ("/",), _HARMLESS, "Orders, Log", "filter this panel", "open_filter",
        label="Filter", footer_panels=_LISTS, why_disabled=_needs_list,
    ),
    Action("zoom", ("o",), _HARMLESS, "everywhere", "zoom this panel, again to restore", "toggle_zoom", label="Zoom"),
    Action("severe", ("u",), _HARMLESS, "everywhere", "jump to the most severe unproven item", "go_severe"),
    Action(
        "follow", ("f",), _HARMLESS, "Log", "follow the newest line, on or off", "toggle_follow",
        label="Follow", footer_panels=frozenset({Panel.LOG}), why_disabled=_needs_log,
    ),
    Action("layout", ("t",), _HARMLESS, "everywhere", "next layout preset", "next_layout"),
    Action("theme", ("T",), _HARMLESS, "everywhere", "next theme (dark, light, two colour-blind ones)", "next_theme"),
    Action(
        "acknowledge", ("a",), _HARMLESS, "everywhere",
        "say that you have seen every alarm; one whose cause goes on stays in its panel", "acknowledge",
        why_disabled=_needs_alarm,
    ),
    Action(
        "adopt", ("n",), _TWO, "everywhere",
        "take over an unexpected position (of the leg under the cursor first): the bot gives it levels and exits",
        "arm_adopt", "N", why_disabled=_needs_unexpected,
    ),
    Action("metrics", ("l",), _HARMLESS, "everywhere", "how long things take, against their targets", "open_metrics"),
    Action(
        "updates", ("w",), _HARMLESS, "everywhere", "the newest 50 order updates the broker pushed", "open_updates",
    ),
    Action("reconcile", ("r",), _HARMLESS, "everywhere", "compare with the broker now", "reconcile"),
    Action(
        "reload_config", ("R",), _HARMLESS, "everywhere",
        "read config.toml again: safe keys count for the next entry, the others are named", "reload_config",
    ),
    Action(
        "palette", (":", "ctrl+p"), _HARMLESS, "everywhere", "command line; a dangerous action only arms",
        "open_palette", label="Command",
    ),
    Action("help", ("?", "f1"), _HARMLESS, "everywhere", "help", "open_help", label="Help"),
    Action(
        "quit", ("q",), _TWO, "everywhere",
        "quit; with anything open it asks: d keeps the engine, q then Q stops it, Esc stays",
        "quit", "Q", "Quit",
    ),
    Action(
        "interrupt", ("ctrl+c",), _HARMLESS, "everywhere", "the quit question; it never stops the engine by itself",
        "ask_quit",
    ),
    Action(
        "detach", ("d",), _HARMLESS, "quit question", "leave the screen and keep the engine", "detach",
        why_disabled=_needs_question,
    ),
)  # fmt: skip

ACTION_BY_ID: Final[dict[str, Action]] = {action.id: action for action in ACTIONS}
BINDINGS: Final[dict[str, Action]] = {key: action for action in ACTIONS for key in action.keys}
"""Key to action; what the keyboard dispatches on."""
SEND_KEYS: Final[dict[str, Action]] = {action.send_key: action for action in ACTIONS if action.send_key}

FORBIDDEN_KEYS: Final[frozenset[str]] = frozenset(
    {f"ctrl+{letter}" for letter in "hijmabsqz"}
    | {"ctrl+left_square_bracket", "backspace", "delete", "shift+enter", "ctrl+enter", "`", "~"}
)
"""Keys that other programs take or terminals confuse (style/tui.md §9); never bound at all."""

_KEY_NAMES: Final[dict[str, str]] = {
    "tab": "Tab",
    "shift+tab": "Shift+Tab",
    "up": "Up",
    "down": "Down",
    "pageup": "PgUp",
    "pagedown": "PgDn",
    "home": "Home",
    "end": "End",
    "enter": "Enter",
    "escape": "Esc",
    "ctrl+x": "Ctrl+X",
    "ctrl+p": "Ctrl+P",
    "ctrl+c": "Ctrl+C",
    "f1": "F1",
}


def key_name(key: str) -> str:
    """A key as a person reads it."""
    return _KEY_NAMES.get(key, key)


def keys_text(action: Action) -> str:
    """`e then E`, `1-7`, `Up or k`."""
    if action.id == "panel":
        return "1-7"
    first = " or ".join(key_name(key) for key in action.keys)
    return f"{first} then {action.send_key}" if action.danger is Danger.TWO_STROKE else first


class FooterItem(NamedTuple):
    key: str
    label: str
    is_enabled: bool


def footer_items(now: Situation) -> list[FooterItem]:
    """What matters for the focused panel; the dangerous three stand first and keep their place always."""
    return [
        FooterItem(key_name(action.key), action.label, not action.why_disabled(now))
        for action in ACTIONS
        if action.label and now.panel in action.footer_panels
    ]


_NOT_BY_NAME: Final = frozenset({"panel", "detach", "back", "palette", "interrupt"})


def find_actions(text: str) -> list[Action]:
    """Actions for the command line: id or label starting with the words first, then any mention."""
    wanted = text.strip().casefold().replace(" ", "_")
    if not wanted:
        return []
    callable_ones = [action for action in ACTIONS if action.id not in _NOT_BY_NAME]
    starting = [action for action in callable_ones if action.id.startswith(wanted)]
    spoken = text.strip().casefold()
    mentioned = [
        action for action in callable_ones if action not in starting and spoken in action.description.casefold()
    ]
    return starting + mentioned


def key_table_markdown(actions: Iterable[Action] = ACTIONS) -> str:
    """The key table for README, generated so that it cannot drift."""
    rows = ["| key | action | class | where |", "|---|---|---|---|"]
    for action in actions:
        keys = " or ".join(f"`{key_name(key)}`" for key in action.keys) if action.id != "panel" else "`1` to `7`"
        if action.danger is Danger.TWO_STROKE:
            keys += f" then `{action.send_key}`"
        klass = str(int(action.danger))
        if action.send_key and action.danger is not Danger.TWO_STROKE:
            klass += f" or 2 (`{action.send_key}`)"
        rows.append(f"| {keys} | {action.description} | {klass} | {action.scope} |")
    return "\n".join(rows) + "\n"
