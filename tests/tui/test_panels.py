"""Row builders: what a panel says in each state, as plain text; and where the panels stand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.order import OrderState, OrderType, Pending
from engine.view import BracketState, DeskView
from tui.actions import Panel
from tui.format import AgeLimits, order_state
from tui.layout import PRESETS, Place, arrange
from tui.lines import (
    BLANK,
    Column,
    Frame,
    Line,
    Memo,
    Panelled,
    box,
    cells,
    cut,
    fit,
    line,
    spread,
    text_of,
    width_of,
)
from tui.panels.health import health_lines
from tui.panels.ladder import ladder_columns, own_prices, pinned_row, rung_row
from tui.panels.log import log_row
from tui.panels.oco import bracket_row, columns_for, proof_line
from tui.panels.orders import columns_for as order_columns
from tui.panels.orders import order_row
from tui.panels.status import orders_down_line, protection_words, second_line, top_line
from tui.screens.details import order_lines
from tui.screens.quit import quit_lines
from tui.selection import shown_orders
from tui.themes import MIN_CONTRAST, THEMES, Palette, choose_theme, contrast

LIMITS = AgeLimits()
WIDTHS = [80, 120, 200]


def view_in(console_in: Callable[[str], Any], name: str) -> DeskView:
    return console_in(name).view()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("state", ["normal", "naked", "stale", "empty"])
def test_the_top_lines_fit_and_say_mode_first(console_in: Callable[[str], Any], state: str, width: int) -> None:
    view = view_in(console_in, state)
    first, second = top_line(view, LIMITS, width), second_line(view, LIMITS, width)

    assert text_of(first).startswith(" PAPER DEMO")
    assert "orders ok 41ms" in text_of(first)
    assert "entries ON" in text_of(second)
    assert width_of(first) <= width and width_of(second) <= width


def test_a_stale_net_carries_a_tilde(console_in: Callable[[str], Any]) -> None:
    assert "net ~+1,134" in text_of(second_line(view_in(console_in, "stale"), LIMITS, 120))
    assert "FEED DOWN 9.0s" in text_of(top_line(view_in(console_in, "stale"), LIMITS, 80))


def test_live_is_said_in_its_own_colours_and_word(console: Any) -> None:
    console.change_status(mode="LIVE", broker="kite", account="DU1234", is_live=True)
    spans = top_line(console.view(), LIMITS, 120)

    assert (" LIVE kite DU1234 ", "live") in spans


def test_positions_are_counted_by_protection_most_severe_first(console_in: Callable[[str], Any]) -> None:
    assert text_of(protection_words(view_in(console_in, "naked"))).startswith("2 positions:  1 NAKED 3.4s !!")
    assert text_of(protection_words(view_in(console_in, "empty"))) == "no open position"


@pytest.mark.row("OPS-12")
def test_the_top_line_names_a_login_that_ends_and_shows_no_markup_of_a_broker(console: Any) -> None:
    view = console.view()
    told = msgspec.structs.replace(view.status, login="live: login ends 06:00 [bold]\x1b[2J")
    words = text_of(top_line(msgspec.structs.replace(view, status=told), LIMITS, 120))

    assert "live: login ends 06:00" in words and "\x1b" not in words
    assert "login" not in text_of(top_line(view, LIMITS, 120))


def test_a_dead_order_path_owns_the_top_line(console: Any) -> None:
    console.change_status(order_path_down="session token expired")
    shown = orders_down_line(console.view(), 120)

    assert len(shown) == 1 and shown[0][1] == "alarm"
    assert "ORDERS DOWN, last proof 3.0s ago: session token expired" in text_of(shown)


@pytest.mark.parametrize("width", [66, 72, 76, 90, 92, 116, 128, 192])
def test_order_rows_keep_state_and_age_at_every_width(console_in: Callable[[str], Any], width: int) -> None:
    view = view_in(console_in, "unknown")
    columns = order_columns(width)
    unknown = shown_orders(view, "")[0]
    row = order_row(unknown, columns, view.status.now_ns)

    assert {"tag", "leg", "state", "age"} <= {column.title for column in columns}
    assert "unknown (!)" in text_of(row) and "3.4s" in text_of(row)
    assert ("unknown (!)", "unknown") in row
    assert width < 70 or width_of(row) <= width


def test_a_pending_cancel_is_shown_beside_the_state(console: Any) -> None:
    order = msgspec.structs.replace(console.view().orders[0], pending=Pending.CANCEL)

    assert "working>cancel" in text_of(order_row(order, order_columns(116), console.view().status.now_ns))
    assert "work>cancel" in text_of(order_row(order, order_columns(76), console.view().status.now_ns))


def test_reject_text_is_shown_in_full_and_literally_on_the_details_page(console_in: Callable[[str], Any]) -> None:
    view = view_in(console_in, "rejected")
    told = "\n".join(text_of(row) for row in order_lines(view.orders[0], view.status.now_ns, 76))

    assert "[b]Margin[/b] exceeds" in told
    assert "98,120.55" in told
    assert "\x1b" not in told


def test_the_proof_line_turns_into_an_alarm_when_exits_exceed_open(console: Any) -> None:
    brackets = list(console.view().brackets)
    assert text_of(proof_line(brackets)) == "working exits / open:  24500CE 150/150  24500PE 75/75"

    broken = msgspec.structs.replace(brackets[0], working_exit_qty=300)

    assert proof_line([broken])[0][1] == "alarm"


def test_a_bracket_row_shows_covered_against_open_and_both_exits(console_in: Callable[[str], Any]) -> None:
    view = view_in(console_in, "naked")
    told = text_of(bracket_row(view.brackets[1], columns_for(72), view.status.now_ns))

    assert "0/75 !" in told and "82.00 unknown (!)" in told and "115.00 watched" in told


def test_the_last_price_is_found_on_the_ladder_without_colour(console: Any) -> None:
    rungs = console.ladder(console.view().legs[0].symbol, 9)
    told = [text_of(rung_row(rung, ladder_columns(40), 1)) for rung in rungs]

    assert [row.startswith(">") for row in told].count(True) == 1
    assert "LTP ^" in next(row for row in told if row.startswith(">"))


def test_own_orders_stand_on_their_rungs(console: Any) -> None:
    leg = console.view().legs[0]
    rungs = {rung.price_paise: rung for rung in console.ladder(leg.symbol, 900)}

    assert "B 75 entry" in text_of(rung_row(rungs[11700], ladder_columns(40), 0))
    assert "S 150 stop SL" in text_of(rung_row(rungs[9800], ladder_columns(40), 0))
    assert rung_row(rungs[13000], ladder_columns(40), 0)[-2][1] == "gain"


def test_log_rows_give_time_level_and_text(console: Any) -> None:
    warned = console.log[4]

    assert text_of(log_row(warned, is_wide=False)) == "10:41:53 WARN  order stream lost (heartbeat missing 3.0 s)"
    assert text_of(log_row(warned, is_wide=True)).startswith("10:41:53.318 WARN  link           order")


def test_health_and_the_quit_question_name_what_survives_and_what_dies(console: Any) -> None:
    from tui.panels.base import FrameCost

    told = "\n".join(text_of(row) for row in quit_lines(console.view()))

    assert "24500CE stop 98.00 x150" in told.split("watched here")[0]
    assert "24500PE target 115.00" in told.split("watched here")[1]
    assert any("312 ticks/s" in text_of(row) for row in health_lines(console.view(), FrameCost()))


def test_an_exit_without_a_stop_says_none(console: Any) -> None:
    from tui.panels.legs import LegClock, stop_line

    console.change_leg(0, stop=None, state=BracketState.PROTECTING)
    leg = console.view().legs[0]

    assert text_of(stop_line(leg, LegClock(0, 0, LIMITS))) == "SL  none"


# ---- lines


ANY_LINE = st.lists(
    st.tuples(st.text(alphabet="abc 1.", max_size=12), st.sampled_from(["", "gain", "dim"])), max_size=6
).map(tuple)


@given(ANY_LINE, st.integers(min_value=0, max_value=60))
def test_a_fitted_line_is_exactly_as_wide_as_asked(source: Line, width: int) -> None:
    assert width_of(fit(source, width)) == width
    assert width_of(cut(source, width)) <= width


@given(ANY_LINE, ANY_LINE, st.integers(min_value=4, max_value=60))
def test_two_ends_fill_the_width_and_the_right_end_wins(left: Line, right: Line, width: int) -> None:
    told = text_of(spread(left, right, width))

    assert len(told) == width
    assert told.endswith(text_of(cut(right, width)))


@given(
    st.lists(ANY_LINE, max_size=8),
    st.integers(min_value=20, max_value=70),
    st.integers(min_value=2, max_value=12),
    st.booleans(),
)
def test_a_box_is_a_rectangle_whatever_it_holds(body: list[Line], width: int, height: int, is_ascii: bool) -> None:
    said = Panelled(line("title"), line("right hand note"), line("foot"), cursor_row=0)
    rows = box(Frame(width, height, is_ascii=is_ascii), said, body)

    assert [width_of(row) for row in rows] == [width] * height
    assert not is_ascii or all(text_of(row).isascii() for row in rows)


def test_table_cells_are_aligned_and_cut_visibly() -> None:
    columns = (Column("a", 4), Column("b", 6, is_right=True))

    assert text_of(cells(columns, ["longer", "1.50"])) == "lo..   1.50"


def test_an_unchanged_row_is_the_same_object_again() -> None:
    memo, row = Memo(), object()
    first = memo.lines("k", row, (1,), lambda: [line("x")])

    assert memo.lines("k", row, (1,), lambda: [line("y")]) is first
    assert memo.lines("k", row, (2,), lambda: [line("y")]) is not first
    assert memo.lines("k", object(), (2,), lambda: [BLANK]) == [BLANK]


# ---- places


@given(
    st.integers(min_value=80, max_value=260),
    st.integers(min_value=24, max_value=90),
    st.sampled_from(list(Panel)),
    st.sampled_from(PRESETS),
    st.booleans(),
)
def test_panels_never_overlap_never_leave_the_body_and_the_focused_one_is_visible(
    width: int, height: int, focus: Panel, preset: str, is_zoomed: bool
) -> None:
    arranged = arrange(width, height, focus, preset, is_zoomed=is_zoomed)
    taken: set[tuple[int, int]] = set()
    for place in arranged.panels.values():
        assert place.height >= 3 and place.width >= 40
        at = {(x, y) for x in (place.x, place.x + place.width - 1) for y in range(place.y, place.y + place.height)}
        assert not at & taken
        taken |= at
        assert place.y >= arranged.body.y and place.y + place.height <= arranged.body.y + arranged.body.height
        assert place.x + place.width <= width
    assert focus in arranged.panels
    assert is_zoomed or Panel.LEGS in arranged.panels


def test_the_whole_body_is_used_at_the_three_sizes() -> None:
    for width, height in ((80, 24), (120, 40), (200, 60)):
        arranged = arrange(width, height, Panel.LEGS, "desk", is_zoomed=False)
        area = sum(place.width * place.height for place in arranged.panels.values())
        assert area == arranged.body.width * arranged.body.height


def test_below_the_least_size_nothing_but_one_line_is_placed() -> None:
    assert arrange(79, 24, Panel.LEGS, "desk", is_zoomed=False).panels == {}
    assert arrange(80, 23, Panel.LEGS, "desk", is_zoomed=False).body == Place(0, 0, 80, 23)


# ---- colours


@pytest.mark.parametrize("theme", list(THEMES))
def test_every_palette_name_of_every_theme_is_readable(theme: str) -> None:
    """4.5:1 on the surface it stands on, also under the cursor; frames are not text."""
    palette = Palette(theme)
    for name in palette.names - {"frame"}:
        for style in (palette.style(name), palette.style("@" + name)):
            surface = style.bgcolor.name if style.bgcolor else palette.colours.background
            assert style.color is not None
            assert contrast(style.color.name, surface) >= MIN_CONTRAST, (theme, name, style)


@pytest.mark.parametrize("theme", list(THEMES))
def test_without_colour_no_style_has_any_and_alarms_are_reversed(theme: str) -> None:
    palette = Palette(theme, has_colour=False)

    assert all(palette.style(name).color is None and palette.style(name).bgcolor is None for name in palette.names)
    assert all(palette.style(name).reverse for name in ("naked", "unknown", "alarm", "live"))


def test_contrast_agrees_with_the_published_extremes() -> None:
    assert round(contrast("#000000", "#FFFFFF"), 1) == 21.0
    assert round(contrast("#121212", "#4ADE80"), 1) == 10.8


@pytest.mark.parametrize(
    ("wanted", "environ", "theme"),
    [
        ("desk-cvd-light", {}, "desk-cvd-light"),
        (None, {}, "desk-dark"),
        (None, {"COLORFGBG": "0;15"}, "desk-light"),
        ("no-such-theme", {"COLORFGBG": "15;0"}, "desk-dark"),
    ],
)
def test_the_theme_is_the_configured_one_else_follows_the_terminal(
    wanted: str | None, environ: dict[str, str], theme: str
) -> None:
    assert choose_theme(wanted, environ) == theme


def test_states_of_orders_do_not_rely_on_colour() -> None:
    """Every state differs from every other as text, in the narrow form too."""
    words = {order_state(state, Pending.NONE, is_narrow=True).text for state in OrderState}

    assert len(words) == len(OrderState)


def test_own_prices_outside_the_window_stay_in_sight_at_the_ladders_edges(console: Any) -> None:
    told = [text_of(pinned_row(rung, ladder_columns(40), "^")) for rung in own_prices(*leg_and_orders(console))]

    assert [row.split()[1] for row in told] == ["130.00", "117.00", "116.50", "112.40", "98.00"]
    assert all(row.startswith("^") for row in told)
    assert "S 150 stop SL" in told[-1] and "B 75 entry" in told[1] and "ENTRY" in told[3]


def leg_and_orders(console: Any) -> tuple[Any, Any]:
    return console.view().legs[0], console.view().orders


def test_a_marketable_order_is_not_drawn_where_it_does_not_wait(console: Any) -> None:
    leg, orders = leg_and_orders(console)
    market = msgspec.structs.replace(orders[0], type=OrderType.MARKET, limit_paise=12_000)

    assert 12_000 not in [rung.price_paise for rung in own_prices(leg, [market])]
