"""Rows of the grid panel as plain text: nothing a trader needs falls away with the width, nothing is said by colour."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.grid.view import GridLevelView, GridView, HedgeWord, LevelWord
from engine.instant import NS_PER_S
from engine.order import Side
from tui.actions import Panel
from tui.controls import Controls
from tui.format import AgeLimits, net_is_stale
from tui.frames import FramePump
from tui.grid_rows import (
    columns_for,
    hedge_cell,
    info_lines,
    level_row,
    limit_lines,
    price_row,
    state_cell,
    status_words,
)
from tui.lines import text_of, width_of
from tui.panels.base import Scene
from tui.panels.grid import GridPanel
from tui.panels.oco import columns_for as oco_columns
from tui.panels.oco import hedge_lines, proof_line
from tui.panels.status import protection_words, too_small_line
from tui.screens.quit import quit_lines
from tui.selection import level_near_price, shown_brackets, sorted_levels
from tui.state import ScreenState
from tui.themes import Palette

LIMITS = AgeLimits()
WIDTHS = [40, 57, 62, 76, 100, 130]


def by_label(grid: GridView, label: str) -> GridLevelView:
    return next(level for level in grid.levels if level.label == label)


def panel_lines(console: Any, width: int, height: int, keys: str = "") -> list[str]:
    """The panel as it is drawn after some keys, as text."""
    controls = Controls(console, ScreenState("desk-dark"), lambda: "K1")
    controls.state.go(Panel.GRID)
    panel = GridPanel(Palette("desk-dark"), id="grid")
    drawn: list[str] = []
    for key in ["", *keys]:
        if key:
            controls.press(key, NS_PER_S)
        scene = Scene(console.view(), console, controls, LIMITS, True, NS_PER_S)
        drawn = [text_of(row) for row in panel.build(scene, width, height)]
    return drawn


@pytest.mark.parametrize("width", WIDTHS)
def test_every_width_keeps_level_price_wanted_working_filled_and_state(
    grid_of: Callable[..., GridView], width: int
) -> None:
    columns = columns_for(width, is_hedged=True)
    row = level_row(by_label(grid_of(), "B2"), columns)

    assert {"lvl", "price", "want", "work", "state"} <= {column.title for column in columns}
    assert {"fill", "filled"} & {column.title for column in columns}
    assert width_of(row) <= width
    assert text_of(row).split()[:2] == ["B2", "48.00"]
    assert "40S" in text_of(row) and "_PLACED" in text_of(row)


@pytest.mark.parametrize("width", WIDTHS)
def test_a_level_without_its_hedge_is_named_in_words_at_every_width(
    grid_of: Callable[..., GridView], width: int
) -> None:
    bare = msgspec.structs.replace(by_label(grid_of(), "B1"), hedge_state=HedgeWord.UNHEDGED, hedge_covered_qty=0)
    row = level_row(bare, columns_for(width, is_hedged=True))

    assert "!! UNHEDGED" in text_of(row)
    assert any("UNHEDGED" in text and style == "naked" for text, style in row)


def test_every_state_of_a_level_and_of_its_hedge_differs_as_text(grid_of: Callable[..., GridView]) -> None:
    level = by_label(grid_of(), "B3")
    for is_narrow in (False, True):
        states = [msgspec.structs.replace(level, state=word) for word in LevelWord]
        assert len({state_cell(one, is_narrow=is_narrow)[0] for one in states}) == len(LevelWord)
        assert all(len(state_cell(one, is_narrow=is_narrow)[0]) <= (12 if is_narrow else 13) for one in states)
    hedges = [msgspec.structs.replace(level, hedge_state=word) for word in HedgeWord]
    assert len({hedge_cell(one, 24)[0] for one in hedges}) == len(HedgeWord)


@pytest.mark.parametrize("word", [LevelWord.OCO_FILLED, LevelWord.DONE])
def test_a_level_that_is_closed_for_good_wants_nothing(grid_of: Callable[..., GridView], word: LevelWord) -> None:
    closed = msgspec.structs.replace(by_label(grid_of(), "B3"), state=word, wanted_qty=100, working_qty=0)

    assert text_of(level_row(closed, columns_for(40, is_hedged=True))).split() == ["B3", "47.00", "-", "-", "-", word]


def test_a_part_filled_entry_says_so_and_a_paused_level_says_why(grid_of: Callable[..., GridView]) -> None:
    part = msgspec.structs.replace(by_label(grid_of(), "B3"), filled_qty=60, working_qty=40)
    paused = text_of(level_row(by_label(grid_of(), "S3"), columns_for(76, is_hedged=True)))

    assert state_cell(part)[0] == "PART_FILLED"
    assert "PAUSED !" in paused and "refused 3x: [b]m" in paused
    assert "\x1b" not in text_of(level_row(by_label(grid_of(), "S3"), columns_for(130, is_hedged=True)))


@pytest.mark.parametrize(("ltp_paise", "below"), [(4862, "B1"), (4900, "S1"), (5600, ""), (4400, "B5"), (0, "S1")])
def test_the_last_price_stands_in_its_place_between_the_levels(
    grid_console: Callable[[str], Any], ltp_paise: int, below: str
) -> None:
    """The row above it is `below`; without a price the centre divides the ladder."""
    console = grid_console("grid")
    grid = console.view().grids[0]
    token = msgspec.structs.replace(grid.token_a, ltp_paise=ltp_paise)
    console.change(grids=(msgspec.structs.replace(grid, token_a=token),))
    told = panel_lines(console, 80, 30)

    at = next(index for index, row in enumerate(told) if row[2:].startswith("-------"))
    assert ("centre 50.00" if not ltp_paise else f"{ltp_paise / 100:.2f} v  age 0.2s") in told[at]
    assert told[at - 1][2:].startswith(below or "lvl")


def test_a_price_that_is_no_longer_believed_carries_a_tilde(grid_console: Callable[[str], Any]) -> None:
    console = grid_console("grid")
    grid = console.view().grids[0]
    status = msgspec.structs.replace(console.view().status, feed_ns=console.view().status.now_ns - 9 * NS_PER_S)
    old = msgspec.structs.replace(grid.token_a, tick_ns=status.feed_ns)

    row = text_of(price_row(msgspec.structs.replace(grid, token_a=old), status, LIMITS, 76))

    assert "LTP ~48.62" in row and "9.0s STALE" in row


@pytest.mark.row("GRD-43", "GRD-44", "GRD-28")
def test_the_panel_says_how_much_is_used_and_what_ends_the_grid(grid_of: Callable[..., GridView]) -> None:
    said = [text_of(row) for row in limit_lines(grid_of(), 76, is_brief=True)]
    full = [text_of(row) for row in limit_lines(grid_of(used_qty=500, max_reached=True), 76, is_brief=False)]
    near = text_of(limit_lines(grid_of(imbalance=4, overdue=2), 40, is_brief=True)[1])

    assert said == ["used 140 of max 500 28%   ends at OCO imbalance 1 of 5, overdue 0 of 3"]
    assert full[0] == "used 500 of max 500 100%  ! MAX REACHED, entries pause"
    assert near == "ends: imbalance 4 of 5 !, overdue 2 of 3 !"


@pytest.mark.row("GRD-31", "GRD-34", "GRD-42", "GRD-38")
def test_the_figures_have_counters_money_the_open_pair_and_the_accounts_by_role(
    grid_of: Callable[..., GridView], grid_console: Callable[[str], Any]
) -> None:
    status = grid_console("grid").view().status
    told = [text_of(row) for row in info_lines(grid_of(), status, LIMITS, 130)]

    assert "hedge SELL SBIN 118.50/117.90 x50  50/50 resting 41s  B1 DEMO3" in told
    assert "hedge SELL SBIN 117.60 x20  0/20 held back, watched here  B2 DEMO3" in told
    assert ("net +40 @ 48.71  SBIN +50 @ 122.55   cycles 3   P&L +251.68 (real +150.00 open +105.80 chg -4.12)") in told
    assert "upside 0 oco 1   downside 140 oco 0" in told
    assert "trade DEMO1  up DEMO2  down DEMO3" in told


def test_many_hedges_held_back_are_one_line_and_none_is_lost(grid_of: Callable[..., GridView]) -> None:
    waiting = grid_of().hedges[1]
    many = tuple(msgspec.structs.replace(waiting, levels=f"B{number}") for number in range(2, 9))
    status_ns = grid_of().token_a.tick_ns
    grid = grid_of(hedges=(*many, grid_of().hedges[0]))
    told = [text_of(row) for row in info_lines(grid, _status(status_ns), LIMITS, 76) if "hedge" in text_of(row)]

    assert told[0].startswith("hedge SELL SBIN 118.50")
    assert told[1] == "7 hedges held back, 140 units, watched here  B2 B3 B4 B5 B6 B7 B8"


def _status(now_ns: int) -> Any:
    from engine.view import StatusView

    return StatusView(mode="PAPER", broker="paper", account="DEMO1", is_live=False, now_ns=now_ns, feed_ns=now_ns)


@pytest.mark.parametrize(
    ("fields", "words", "style"),
    [
        ({}, "Active", ""),
        ({"entries": "PAUSED"}, "entries PAUSED", "warn"),
        ({"status": "Stopped"}, "Stopped", "warn"),
        ({"status": "Terminated: OCO imbalance"}, "Terminated: OCO imbalance", "alarm"),
    ],
)
def test_the_title_says_how_the_grid_stands(
    grid_of: Callable[..., GridView], fields: dict[str, Any], words: str, style: str
) -> None:
    assert status_words(grid_of(**fields)) == (words, style)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(min_value=0, max_value=60),
    st.integers(min_value=4000, max_value=6000),
    st.text(alphabet="jkgG", max_size=12),
    st.sampled_from([(44, 7), (44, 17), (66, 24), (80, 9), (80, 16), (120, 18), (134, 24)]),
)
def test_price_and_cursor_are_always_in_sight_and_no_line_leaves_the_panel(
    fresh_grid_console: Callable[[], Any], count: int, ltp_paise: int, keys: str, size: tuple[int, int]
) -> None:
    console = fresh_grid_console()
    grid = console.view().grids[0]
    ladder = tuple(
        GridLevelView(
            level_id=f"{side}{number}", index=number, side=side, price_paise=5000 - side.sign * 20 * number,
            target_paise=5000, state=LevelWord.FRESH, wanted_qty=100,
        )
        for side in Side
        for number in range(1, count + 1)
    )  # fmt: skip
    token = msgspec.structs.replace(grid.token_a, ltp_paise=ltp_paise)
    console.change(grids=(msgspec.structs.replace(grid, levels=ladder, token_a=token),))
    width, height = size

    told = panel_lines(console, width, height, keys)

    assert len(told) == height and {len(row) for row in told} == {width}
    assert sum("LTP" in row for row in told) == 1
    assert sum(row[1] == ">" for row in told) == (1 if count else 0)
    prices = [row[2:].split()[1] for row in told if row[2:3] in "BS" and row[3:4].isdigit()]
    assert prices == sorted(prices, reverse=True) and len(prices) == len(set(prices))


def test_the_cursor_begins_under_the_last_price_and_stays_on_its_level_while_rows_change(
    grid_console: Callable[[str], Any],
) -> None:
    console = grid_console("grid")
    state = ScreenState("desk-dark")
    state.adapt(console.view())
    pick = state.selected_level(console.view())
    assert pick is not None and pick.level is level_near_price(pick.grid) and pick.level.label == "B2"

    again = tuple(
        msgspec.structs.replace(level, level_id="new", state=LevelWord.FRESH) for level in reversed(pick.grid.levels)
    )
    console.change(grids=(msgspec.structs.replace(pick.grid, levels=again),))
    later = state.selected_level(console.view())

    assert later is not None and (later.level.label, later.level.level_id) == ("B2", "new")


def test_levels_stand_highest_first_and_the_cursor_walks_from_one_grid_into_the_next(
    grid_console: Callable[[str], Any],
) -> None:
    labels = [level.label for level in sorted_levels(grid_console("grid").view().grids[0])]

    assert labels == ["S5", "S4", "S3", "S2", "S1", "B1", "B2", "B3", "B4", "B5"]
    console = grid_console("two")
    assert "irfc-sbin  1 of 2 grids" in panel_lines(console, 80, 24, "jjj")[0]
    assert "second  2 of 2 grids" in panel_lines(console, 80, 24, "jjjj")[0]


# ---- the other panels


def test_hedges_stand_among_the_brackets_the_urgent_ones_first(grid_console: Callable[[str], Any]) -> None:
    view = grid_console("grid").view()
    told = [text_of(row) for row in hedge_lines(view, oco_columns(132))]

    assert told[0].split()[:6] == ["H-downside", "SBIN", "irfc-sbin", "DEMO3", "resting", "50"]
    assert "50/50" in told[0] and "118.50/117.90 resting" in told[0] and "SELL x50" in told[0]
    assert "held back" in told[1] and "0/20 !" in told[1] and "117.60 watched" in told[1]
    narrow = [text_of(row) for row in hedge_lines(grid_console("bare").view(), oco_columns(72))]
    assert narrow[0].split()[:3] == ["H-down", "SBIN", "UNHEDGED"] and "0/70 !" in narrow[0]


def test_brackets_of_levels_stay_in_the_grid_panel_unless_they_alarm_and_are_proven_all_the_same(
    grid_console: Callable[[str], Any],
) -> None:
    console = grid_console("both")
    view = console.view()
    assert {bracket.bot for bracket in shown_brackets(view)} == {"scalper-1"}
    assert "irfc-sbin 140/140" in text_of(proof_line(view.brackets, view.grids))

    loud = msgspec.structs.replace(view.brackets[-1], alarm="exit refused", working_exit_qty=41)
    console.change(brackets=(*view.brackets[:-1], loud))

    assert shown_brackets(console.view())[0] is loud
    assert proof_line(console.view().brackets, console.view().grids)[0][1] == "alarm"


def test_the_top_line_never_says_that_nothing_is_open_while_a_grid_holds_something(
    grid_console: Callable[[str], Any],
) -> None:
    assert text_of(protection_words(grid_console("grid").view())) == "grid irfc-sbin IRFC +40, SBIN +50"
    assert "2 UNHEDGED !!" in text_of(protection_words(grid_console("bare").view()))
    assert text_of(protection_words(grid_console("waiting").view())) == "no open position"
    assert "2 positions: 2 PROTECTED  grid irfc-sbin" in text_of(protection_words(grid_console("both").view()))
    assert "2 NAKED" in text_of(too_small_line(grid_console("bare").view(), 60, 20))
    assert text_of(quit_lines(grid_console("grid").view())[0]).startswith("open: IRFC +40, SBIN +50;")


def test_a_grid_that_holds_units_gets_every_frame_and_marks_a_net_that_is_not_believed(
    grid_console: Callable[[str], Any],
) -> None:
    held, flat = grid_console("grid").view(), grid_console("waiting").view()
    pump = FramePump(10, lambda cost: pytest.fail("no frame was asked for"), lambda: 0)
    assert not any(pump.may_rest(held) for _ in range(5))
    assert any(pump.may_rest(flat) for _ in range(5))

    quiet = held.status.now_ns - 9 * NS_PER_S
    old = msgspec.structs.replace(held.grids[0].token_a, tick_ns=quiet)
    grid = msgspec.structs.replace(held.grids[0], token_a=old)
    status = msgspec.structs.replace(held.status, feed_ns=quiet)
    assert not net_is_stale(held, LIMITS)
    assert net_is_stale(msgspec.structs.replace(held, grids=(grid,), status=status), LIMITS)
