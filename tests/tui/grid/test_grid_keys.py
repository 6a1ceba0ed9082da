"""The keyboard on a grid: what each key asks of the desk for a level, a side and the whole grid, and what none may."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.grid.terms import TradeSide
from engine.instant import NS_PER_S
from engine.operator import CancelAll, CancelScope, ExitBot, ExitLeg, ExitLevel, ExitSide, PauseEntries, ZeroOut
from tui.actions import BINDINGS, SEND_KEYS, Panel, panels_of
from tui.controls import Controls
from tui.layout import PRESETS, Trades, arrange
from tui.outcome import ScreenOutcome
from tui.state import Page, ScreenState

BOT, B1, B2 = "irfc-sbin", "b1c0ffee0001", "b2c0ffee0001"
DOWN, UP = TradeSide.DOWNSIDE, TradeSide.UPSIDE


class Keyboard:
    """Presses keys on a desk in a named state."""

    def __init__(self, console: Any) -> None:
        self.console = console
        self.controls = Controls(console, ScreenState("desk-dark"), iter(f"K{n}" for n in range(10_000)).__next__)
        self.now_ns = 1_000 * NS_PER_S

    def press(self, *keys: str) -> None:
        for key in keys:
            self.controls.press(key, self.now_ns)

    @property
    def said(self) -> str:
        return self.controls.state.flash_text(self.now_ns)

    @property
    def armed(self) -> str:
        arming = self.controls.bar.armed
        return f"{arming.label}: {arming.text}" if arming is not None else ""

    @property
    def requests(self) -> list[Any]:
        return [msgspec.structs.replace(request, request_id="") for request in self.console.requests]


@pytest.fixture
def keyboard(grid_console: Callable[[str], Any]) -> Callable[[str], Keyboard]:
    return lambda state: Keyboard(grid_console(state))


def exit_level(level_id: str) -> ExitLevel:
    return ExitLevel(request_id="", bot=BOT, level_id=level_id)


@pytest.mark.parametrize(
    ("state", "pressed", "asked"),
    [
        ("grid", ["e", "E"], exit_level(B2)),
        ("grid", ["k", "e", "E"], exit_level(B1)),
        ("grid", ["e", "tab", "E"], ExitSide(request_id="", bot=BOT, side=DOWN)),
        ("grid", ["k", "k", "e", "tab", "E"], ExitSide(request_id="", bot=BOT, side=UP)),
        ("grid", ["e", "tab", "tab", "E"], ExitBot(request_id="", bot=BOT)),
        ("grid", ["e", "tab", "tab", "tab", "E"], exit_level(B2)),
        ("grid", ["c", "C"], CancelAll(request_id="", bot=BOT)),
        ("grid", ["c", "tab", "C"], CancelAll(request_id="", bot=BOT, side=DOWN)),
        ("grid", ["c", "tab", "tab", "C"], CancelAll(request_id="", bot=BOT, level_id=B2)),
        ("grid", ["c", "tab", "tab", "tab", "C"], CancelAll(request_id="")),
        ("grid", ["c", "tab", "tab", "tab", "tab", "C"], CancelAll(request_id="", bot=BOT)),
        ("grid", ["c", "tab", "p", "C"], CancelAll(request_id="", bot=BOT, side=DOWN, scope=CancelScope.ALL)),
        ("grid", ["p"], PauseEntries(request_id="", paused=True, bot=BOT)),
        ("grid", ["5", "p"], PauseEntries(request_id="", paused=True)),
        ("grid", ["5", "c", "C"], CancelAll(request_id="")),
        ("grid", ["z", "Z"], ZeroOut(request_id="")),
        ("both", ["e", "E"], ExitLeg(request_id="", symbol="NIFTY24NOV24500CE")),
        ("both", ["7", "e", "E"], exit_level(B2)),
        ("both", ["7", "c", "C"], CancelAll(request_id="", bot=BOT)),
        ("both", ["c", "C"], CancelAll(request_id="")),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, list) else "",
)
def test_keys_ask_exactly_this_of_the_desk(
    keyboard: Callable[[str], Keyboard], state: str, pressed: list[str], asked: Any
) -> None:
    keys = keyboard(state)
    keys.press(*pressed)

    assert keys.requests == [asked]


@pytest.mark.parametrize(
    ("pressed", "armed"),
    [
        (["e"], "exit level B2 of irfc-sbin: SELL 40 IRFC; cancel 1 order (1 target)"),
        (["k", "e"], "exit level B1 of irfc-sbin: SELL 100 IRFC; cancel 2 orders (1 target, 1 hedge)"),
        (["k", "k", "e"], "exit level S1 of irfc-sbin: BUY 100 IRFC, SELL 50 SBIN"),
        (["g", "e"], "exit level S5 of irfc-sbin: nothing open, nothing working"),
        (
            ["e", "tab"],
            "exit downside of irfc-sbin, 5 levels: SELL 140 IRFC; cancel 4 orders (1 entry, 2 target, 1 hedge)",
        ),
        (
            ["e", "tab", "tab"],
            "exit grid of irfc-sbin, 10 levels: SELL 140 IRFC, BUY 100 IRFC, SELL 50 SBIN; "
            "cancel 5 orders (2 entry, 2 target, 1 hedge)",
        ),
        (["c"], "cancel entry orders (grid of irfc-sbin, 10 levels): cancel 2 orders (2 entry), KEEPS 2 protective"),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, list) else "",
)
def test_the_arm_bar_says_in_numbers_what_would_be_left(
    keyboard: Callable[[str], Keyboard], pressed: list[str], armed: str
) -> None:
    keys = keyboard("grid")
    keys.press(*pressed)

    assert keys.armed == armed and not keys.requests


def test_the_desks_own_words_come_first(keyboard: Callable[[str], Keyboard]) -> None:
    keys = keyboard("grid")
    keys.console.describe = lambda request: "SELL 40 IRFC, limit 48.60"
    keys.press("e")

    assert keys.armed == "exit level B2 of irfc-sbin: SELL 40 IRFC, limit 48.60"


def test_a_level_that_fills_while_armed_is_marked_and_one_that_was_reset_keeps_its_old_id(
    keyboard: Callable[[str], Keyboard],
) -> None:
    keys = keyboard("grid")
    keys.press("e")
    grid = keys.console.view().grids[0]
    fresh = tuple(
        msgspec.structs.replace(level, level_id="new", open_qty=0) if level.label == "B2" else level
        for level in grid.levels
    )
    keys.console.change(grids=(msgspec.structs.replace(grid, levels=fresh),))
    keys.controls.tick(keys.console.view(), keys.now_ns)

    assert keys.controls.bar.has_changed
    keys.press("E")
    assert keys.requests == [exit_level(B2)]


def test_the_same_exit_is_not_sent_twice_while_it_is_under_way_and_another_scope_is(
    keyboard: Callable[[str], Keyboard],
) -> None:
    keys = keyboard("grid")
    keys.press("e", "E", "e")
    assert keys.armed == "exit level B2 of irfc-sbin: already sent 10:42:07"
    keys.press("E")
    assert keys.said.startswith("already sent") and keys.said.endswith("kept, nothing sent")
    keys.press("e", "tab", "E")
    keys.press("k", "e", "E")

    assert keys.requests == [exit_level(B2), ExitSide(request_id="", bot=BOT, side=DOWN), exit_level(B1)]


def test_a_level_with_nothing_to_leave_sends_nothing_and_can_still_be_widened(
    keyboard: Callable[[str], Keyboard],
) -> None:
    keys = keyboard("grid")
    keys.console.refusals[ExitLevel] = "nothing is open or working on this level"
    keys.press("e", "E")
    assert not keys.requests and "nothing is open or working on this level" in keys.said

    keys.press("e", "tab", "E")
    assert keys.requests == [ExitSide(request_id="", bot=BOT, side=DOWN)]


def test_an_order_of_a_level_leads_to_its_level_from_the_orders_panel(keyboard: Callable[[str], Keyboard]) -> None:
    keys = keyboard("grid")
    orders = keys.console.view().orders
    keys.console.change(orders=(msgspec.structs.replace(orders[0], bracket_id="B00010043"), *orders[1:]))
    keys.press("4", "e", "E")

    assert keys.requests == [exit_level(B1)]


def test_entries_of_a_paused_grid_are_resumed_and_of_a_blocked_desk_only_by_two_strokes(
    keyboard: Callable[[str], Keyboard], grid_of: Callable[..., Any]
) -> None:
    keys = keyboard("grid")
    keys.console.change(grids=(grid_of(entries="PAUSED by the trader"),))
    keys.press("p")
    assert keys.requests == [PauseEntries(request_id="", paused=False, bot=BOT)]

    keys.console.submitted.clear()
    keys.console.change_status(entries="BLOCKED: day loss 15,000 reached 11:02")
    keys.press("p")
    assert not keys.requests and keys.armed.startswith("resume entries")


@pytest.mark.parametrize(
    ("state", "pressed", "said"),
    [
        ("waiting", ["e"], "e: no level of the grid under the cursor"),
        ("grid", ["5", "e"], "e: no level of the grid under the cursor: go to Grid (7)"),
        ("grid", ["b"], "b: this desk runs a grid, which enters by itself"),
        ("grid", ["2"], "2: this desk has no leg to show a ladder of"),
        ("grid", ["E"], "press e first: e arms, E sends"),
        ("waiting", ["enter"], "Enter: no level of the grid under the cursor"),
    ],
)
def test_a_key_that_cannot_act_says_why(
    keyboard: Callable[[str], Keyboard], state: str, pressed: list[str], said: str
) -> None:
    keys = keyboard(state)
    keys.press(*pressed)

    assert keys.said.startswith(said) and not keys.requests


def test_without_legs_the_grid_stands_in_their_place_and_with_both_each_has_its_key(
    keyboard: Callable[[str], Keyboard], console: Any
) -> None:
    alone, both = keyboard("grid"), keyboard("both")
    assert alone.controls.state.panel is Panel.GRID and both.controls.state.panel is Panel.LEGS
    alone.press("3", "1")
    both.press("7")
    assert alone.controls.state.panel is Panel.GRID is both.controls.state.panel
    assert set(panels_of(both.console.view())) == set(Panel)
    assert Panel.GRID not in panels_of(console.view())

    walked: list[Panel] = []
    for _ in range(5):
        walked.append(alone.controls.state.panel)
        alone.press("tab")
    assert walked == [Panel.GRID, Panel.OCO, Panel.ORDERS, Panel.LOG, Panel.HEALTH]
    assert alone.controls.state.panel is Panel.GRID


def test_u_goes_to_the_level_without_a_hedge_and_enter_shows_it_in_full(
    keyboard: Callable[[str], Keyboard],
) -> None:
    keys = keyboard("bare")
    keys.press("5", "u", "enter")
    pick = keys.controls.state.level(keys.console.view())

    assert keys.controls.state.panel is Panel.GRID and keys.controls.state.page is Page.DETAILS
    assert pick is not None and pick.level.label == "B1"


def test_quitting_asks_while_a_grid_holds_units_even_when_no_order_works(
    keyboard: Callable[[str], Keyboard],
) -> None:
    keys = keyboard("grid")
    keys.console.change(orders=())
    keys.press("q")
    assert keys.controls.outcome is None and keys.controls.state.page is Page.QUIT

    idle = keyboard("waiting")
    idle.console.change(orders=())
    idle.press("q")
    assert idle.controls.outcome is ScreenOutcome.QUIT_STOP_ENGINE


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(sorted({*BINDINGS, *SEND_KEYS} - {"q", "d", "ctrl+c"})), max_size=14))
def test_no_keys_without_an_arm_and_its_own_send_key_leave_anything(
    fresh_grid_console: Callable[[], Any], pressed: list[str]
) -> None:
    keys = Keyboard(fresh_grid_console())
    keys.press(*pressed)
    sent = sum(key in ("E", "C", "Z", "P", "_") for key in pressed)
    dangerous = [r for r in keys.requests if isinstance(r, ExitLevel | ExitSide | ExitBot | CancelAll | ZeroOut)]

    assert len(dangerous) <= sent
    for number, key in enumerate(pressed):
        if key in ("E", "C", "Z") and not set(pressed[:number]) & {key.lower(), ":", "ctrl+p", "ctrl+x"}:
            kinds = {"E": ExitLevel | ExitSide | ExitBot, "C": CancelAll, "Z": ZeroOut}
            assert not any(isinstance(r, kinds[key]) for r in dangerous if key not in pressed[number + 1 :])


@settings(max_examples=200, deadline=None)
@given(
    st.integers(min_value=80, max_value=260),
    st.integers(min_value=24, max_value=90),
    st.sampled_from(list(Panel)),
    st.sampled_from(PRESETS),
    st.sampled_from([Trades(False, True), Trades(True, True)]),
)
def test_with_a_grid_panels_never_overlap_and_grid_legs_and_the_focused_one_are_visible(
    width: int, height: int, focus: Panel, preset: str, trades: Trades
) -> None:
    if not trades.legs and focus in (Panel.LEGS, Panel.LADDER):
        return  # the keyboard never goes there
    arranged = arrange(width, height, focus, preset, is_zoomed=False, trades=trades)
    taken: set[tuple[int, int]] = set()
    for place in arranged.panels.values():
        assert place.height >= 3 and place.width >= 40
        at = {(x, y) for x in (place.x, place.x + place.width - 1) for y in range(place.y, place.y + place.height)}
        assert not at & taken
        taken |= at
        assert place.x + place.width <= width
        assert arranged.body.y <= place.y and place.y + place.height <= arranged.body.y + arranged.body.height
    assert focus in arranged.panels
    assert (Panel.LEGS in arranged.panels) == trades.legs
    assert trades.legs or Panel.GRID in arranged.panels
    is_roomy = width >= 110 and height >= 34 and focus is not Panel.LADDER
    assert not is_roomy or Panel.GRID in arranged.panels
