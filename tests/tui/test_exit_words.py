"""The ways out on the screen: failed, proving, surplus, short, unanswered, unexpected; the keys that go with them.

Every word is found without colour, and no text from outside becomes markup or a second line.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from engine.instant import NS_PER_MS, NS_PER_S
from engine.operator import Adopt
from engine.order import OrderState, OrderType, Role, Side
from engine.view import (
    BracketState,
    DoubtView,
    ExitView,
    MetricView,
    ProtectionWord,
    RuleView,
    UpdateView,
)
from tui import format as f
from tui.controls import Controls
from tui.figures import metric_row, short_span
from tui.lines import text_of
from tui.panels.legs import LegClock, leg_box, next_line, rule_line, small_body, wide_body
from tui.panels.oco import doubt_lines
from tui.screens.updates import updates_lines
from tui.state import Page, ScreenState

SHORT = {
    "open_qty": -150,
    "lots": -2,
    "entry_paise": 11240,
    "unrealised_paise": -89250,
    "stop": ExitView(
        price_paise=12800, limit_paise=13050, qty=150, resting=True, state=OrderState.TRIGGER_PENDING, since_ns=1
    ),
    "target": ExitView(price_paise=10000, qty=150),
}
EXIT = ExitView(price_paise=9140, qty=75, state=OrderState.WORKING, resting=True)
FAILED = {
    "protection": ProtectionWord.EXIT_FAILED,
    "state": BracketState.EXITING,
    "exit_tries": 4,
    "covered_qty": 0,
    "stop": None,
    "target": None,
    "next_step": "closing: Stoploss Hit, refused 4x, tries go on",
}
PROVING = {
    "protection": ProtectionWord.PROVING,
    "state": BracketState.EXITING,
    "open_qty": 0,
    "lots": 0,
    "covered_qty": 0,
    "proof_looks": 2,
    "stop": None,
    "target": None,
    "next_step": "fills say flat, asking the broker; 2x still open there",
}
FLAT = {
    "protection": ProtectionWord.FLAT,
    "state": BracketState.FLAT,
    "open_qty": 0,
    "lots": 0,
    "covered_qty": 0,
    "entry_paise": 0,
    "unrealised_paise": 0,
    "stop": None,
    "target": None,
    "trail": "off",
}
RULES = (
    RuleView(rule="breakeven(10 %)", is_active=True, level_paise=11240, inputs="best +9.10"),
    RuleView(rule="supertrend(10, 2.0)", is_active=True, level_paise=11450, inputs="up since 10:31"),
    RuleView(rule="time_exit(15:10)", is_active=False),
)


def clock_of(console: Any) -> LegClock:
    status = console.view().status
    return LegClock(status.now_ns, status.feed_ns, f.AgeLimits())


def shown(lines: list[Any]) -> str:
    return "\n".join(text_of(row) for row in lines)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        (FAILED, "!! EXIT FAILED 4x  75 left !!"),
        (PROVING, "> PROVING FLAT, 2x still open"),
        ({"protection": ProtectionWord.SURPLUS, "open_qty": -75}, "!! SURPLUS -75 !!"),
    ],
)
@pytest.mark.row("RTP-28")
def test_the_words_of_the_way_out_carry_their_numbers(console: Any, fields: dict[str, Any], text: str) -> None:
    console.change_leg(1, **fields)
    leg = console.view().legs[1]

    assert f.protection(leg, console.view().status.now_ns).text == text


def test_failed_and_surplus_are_more_severe_than_unknown_and_proving_than_nothing() -> None:
    ranks = [
        f.SEVERITY[ProtectionWord(word)] for word in ("NAKED", "EXIT FAILED", "SURPLUS", "UNKNOWN", "PROVING FLAT")
    ]

    assert ranks == sorted(ranks)
    assert set(f.PROTECTION_STYLE) == set(ProtectionWord)


@pytest.mark.parametrize("body", [small_body, wide_body])
def test_a_short_is_named_short_and_signed(console: Any, body: Any) -> None:
    console.change_leg(0, **SHORT)
    text = shown(body(console.view().legs[0], clock_of(console), 76))

    assert "-150 (2 lots) SHORT" in text
    assert "-892.50" in text and "SL  128.00/130.50 x150" in text


@pytest.mark.parametrize("body", [small_body, wide_body])
def test_the_order_that_closes_is_shown_with_its_state(console: Any, body: Any) -> None:
    console.change_leg(1, **(FAILED | {"protection": ProtectionWord.EXITING, "leaving": EXIT}))
    text = shown(body(console.view().legs[1], clock_of(console), 76))

    assert "EXIT 91.40 x75  resting working" in text


@pytest.mark.row("RTP-21")
def test_the_rule_whose_stop_counts_is_told_and_the_others_are_counted(console: Any) -> None:
    stop = msgspec.structs.replace(console.view().legs[0].stop, price_paise=11450)
    console.change_leg(0, rules=RULES, stop=stop)
    text = text_of(rule_line(console.view().legs[0], clock_of(console)))

    assert text == "supertrend(10, 2.0) active 114.50, dist 3.75 (3.2%), up since 10:31 (+2)"


def test_a_rule_that_looks_at_candles_tells_the_age_of_the_newest(console: Any) -> None:
    now_ns = console.view().status.now_ns
    rule = RuleView(rule="ma_cross(9, 21)", is_active=False, input_ns=now_ns - 12 * NS_PER_S)

    assert f.rule_words(rule, 11825, now_ns) == "ma_cross(9, 21) waits, candle 12s old"


def test_a_rule_that_failed_says_so_and_its_text_is_cleaned() -> None:
    rule = RuleView(rule="mine", is_active=True, level_paise=100, trouble="cannot tell (ValueError: \x1b[31m[b]\n)")
    words = f.rule_words(rule, 11825, 0)

    assert words.startswith("mine: cannot tell") and "\x1b" not in words and "\n" not in words


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "0 look-ups"),
        ({"looks": 1, "next_ns": 8 * NS_PER_S}, "1 look-up, next 3.0s"),
        ({"looks": 4, "failed_looks": 2, "next_ns": 5 * NS_PER_S}, "4 look-ups, 2 failed"),
        ({"looks": 4, "fate_ns": 24 * NS_PER_S}, "4 look-ups; not placed if absent in 19s"),
        ({"looks": 9, "fate_ns": 4 * NS_PER_S}, "9 look-ups; absent once more: not placed"),
        ({"looks": 9, "ended_ns": 21 * NS_PER_S, "outcome": "never placed"}, "never placed (20s, 9 look-ups)"),
    ],
)
def test_an_unanswered_order_says_what_is_being_done(fields: dict[str, Any], text: str) -> None:
    assert f.doubt_words(DoubtView(since_ns=NS_PER_S, **fields), 5 * NS_PER_S) == text


def test_the_bracket_panel_tells_open_doubts_first_and_what_took_their_place(console: Any) -> None:
    view, now_ns = console.view(), console.view().status.now_ns
    stop = next(order for order in view.orders if order.role is Role.STOP)
    gone = msgspec.structs.replace(
        stop,
        tag="SD000100000020S",
        bracket_id="B1",
        state=OrderState.REJECTED,
        doubt=DoubtView(
            since_ns=now_ns - 30 * NS_PER_S, looks=3, ended_ns=now_ns - 9 * NS_PER_S, outcome="never placed"
        ),
    )
    again = msgspec.structs.replace(stop, tag="SD000100000021S", bracket_id="B1")
    asked = msgspec.structs.replace(
        stop, tag="SD000100000022S", state=OrderState.UNKNOWN, doubt=DoubtView(since_ns=now_ns - NS_PER_S)
    )
    long_ago = msgspec.structs.replace(
        gone, tag="SD000100000001S", doubt=msgspec.structs.replace(gone.doubt, ended_ns=now_ns - 900 * NS_PER_S)
    )
    console.change(orders=(again, gone, asked, long_ago))
    lines = [text_of(row) for row in doubt_lines(console.view(), now_ns)]

    assert lines == [
        "24500PE stop 1.0s: 0 look-ups",
        "24500PE stop never placed (21s, 3 look-ups); now ..0021S trigger-pending",
    ]


def test_the_strike_is_never_cut_from_the_title_for_the_style_of_the_exits(console: Any) -> None:
    from tui.lines import Frame

    console.change_leg(1, protection=ProtectionWord.UNKNOWN, covered_qty=0, naked_since_ns=1)
    top = text_of(leg_box(console.view().legs[1], clock_of(console), Frame(60, 9), is_cursor=True)[0])

    assert "24500" in top and "UNKNOWN" in top


def test_an_unexpected_position_stands_on_its_leg_with_its_key(console: Any) -> None:
    console.change_leg(1, **FLAT, unexpected_qty=150)
    leg = console.view().legs[1]

    assert text_of(next_line(leg, clock_of(console))) == " UNEXPECTED +150 at the broker, not ours   n: adopt"


# --- keys


@pytest.fixture
def keyboard(console: Any, new_id: Callable[[], str]) -> Controls:
    return Controls(console, ScreenState("desk-dark"), new_id)


@pytest.mark.row("LEG-39")
def test_adopting_takes_two_strokes_and_only_the_second_asks_the_desk(console: Any, keyboard: Controls) -> None:
    console.change_leg(1, **FLAT, unexpected_qty=150)
    keyboard.press("n", 0)
    assert keyboard.bar.armed is not None and keyboard.bar.armed.label == "adopt 24500PE"
    assert console.requests == []
    keyboard.press("N", NS_PER_S)

    assert [type(request) for request in console.requests] == [Adopt]
    assert console.requests[0].symbol == console.view().legs[1].symbol


@pytest.mark.parametrize("keys", [["n", "escape"], ["n", "n"], ["N"], ["n", "E"]])
def test_nothing_but_the_second_stroke_adopts(console: Any, keyboard: Controls, keys: list[str]) -> None:
    console.change_leg(1, **FLAT, unexpected_qty=150)
    for key in keys:
        keyboard.press(key, 0)

    assert console.requests == []


def test_without_anything_unexpected_the_key_says_why_it_does_nothing(console: Any, keyboard: Controls) -> None:
    keyboard.press("n", 0)

    assert keyboard.bar.armed is None
    assert "nothing unexpected" in keyboard.state.flash_text(0)


def test_units_that_change_while_armed_are_marked(console: Any, keyboard: Controls) -> None:
    console.change_leg(1, **FLAT, unexpected_qty=150)
    keyboard.press("n", 0)
    console.change_leg(1, unexpected_qty=75)
    keyboard.tick(console.view(), NS_PER_MS)

    assert keyboard.bar.has_changed


@pytest.mark.parametrize(("key", "page"), [("l", Page.METRICS), ("w", Page.UPDATES)])
def test_the_figures_and_the_updates_open_and_close_on_their_keys(keyboard: Controls, key: str, page: Page) -> None:
    keyboard.press(key, 0)
    assert keyboard.state.page is page
    keyboard.press(key, 0)
    assert keyboard.state.page is None


# --- pages


def update(**fields: Any) -> UpdateView:
    base: dict[str, Any] = {
        "at_ns": 1, "tag": "SD0001000001S", "broker_id": "1", "name": "24500CE", "side": Side.SELL,
        "type": OrderType.SL, "qty": 75, "filled_qty": 0, "average_paise": 0, "state": OrderState.REJECTED,
        "is_ours": True,
    }  # fmt: skip
    return UpdateView(**(base | fields))


@pytest.mark.row("HRD-44")
@pytest.mark.parametrize("width", [76, 116])
def test_updates_keep_to_their_width_and_print_outside_text_literally(width: int) -> None:
    rows = updates_lines([update(text="[b]RMS\x1b[31m\nlimit[/b]"), update(is_ours=False, tag="")], width)
    texts = [text_of(row) for row in rows]

    assert all(len(text) <= width and text.isprintable() for text in texts)
    assert ("[b]RMS" in texts[1]) == (width == 116)
    assert ("not ours" in texts[2]) == (width == 116)


def test_no_update_yet_is_said() -> None:
    assert text_of(updates_lines([], 76)[0]) == "the broker has pushed no order update yet"


@pytest.mark.parametrize(
    ("ns", "text"),
    [(0, "0.00 ms"), (43_000, "0.04 ms"), (12_340_000, "12.3 ms"), (312_900_000, "312 ms"), (4_567_000_000, "4.56 s")],
)
def test_a_span_is_told_in_seven_letters(ns: int, text: str) -> None:
    assert short_span(ns) == text


def test_a_figure_over_its_target_is_marked_without_colour_and_an_unmeasured_one_has_dashes() -> None:
    over = MetricView(name="x", row="R-1", limit_ns=NS_PER_MS, count=4, p50_ns=1, p99_ns=2 * NS_PER_MS, worst_ns=3)
    never = MetricView(name="x", row="R-1", limit_ns=NS_PER_MS)

    assert "2.00 ms!" in text_of(metric_row(over))
    assert text_of(metric_row(never)).split() == ["x", "R-1", "1.00", "ms", "-", "-", "-", "0"]


# --- looks


def exits_look(console: Any, name: str) -> None:
    """Each of the ways out on the put, the call beside it a short with rules."""
    stop = msgspec.structs.replace(SHORT["stop"], since_ns=console.view().status.now_ns - 41 * NS_PER_S)
    console.change_leg(0, **(SHORT | {"stop": stop, "rules": RULES}))
    if name == "unexpected":
        console.change_leg(1, **FLAT, unexpected_qty=150)
    elif name == "exit_failed":
        console.change_leg(1, **FAILED)
    elif name == "exiting":
        leaving = msgspec.structs.replace(EXIT, since_ns=console.view().status.now_ns - 400 * NS_PER_MS, parts=2)
        console.change_leg(1, **(FAILED | {"protection": ProtectionWord.EXITING, "leaving": leaving}))
    else:
        console.change_leg(1, **PROVING)
    call, put = console.view().legs
    short, other = console.view().brackets
    console.change(
        brackets=(
            msgspec.structs.replace(
                short,
                open_qty=call.open_qty,
                stop=call.stop,
                target=call.target,
                trail=call.trail,
                word=call.protection,
            ),
            msgspec.structs.replace(
                other,
                covered_qty=put.covered_qty,
                working_exit_qty=abs(put.open_qty),
                open_qty=put.open_qty,
                stop=put.stop,
                target=put.target,
                state=put.state,
                word=put.protection,
            ),
        )
    )


@pytest.mark.parametrize("name", ["exit_failed", "exiting", "proving", "unexpected"])
@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["small", "medium"])
@pytest.mark.parametrize(("theme", "no_color"), [("desk-dark", False), ("desk-light", True)], ids=["dark", "plain"])
def test_the_ways_out_look_as_they_did(
    snap_compare: Callable[..., bool],
    make_app: Callable[..., Any],
    console: Any,
    name: str,
    size: tuple[int, int],
    theme: str,
    no_color: bool,
) -> None:
    exits_look(console, name)

    assert snap_compare(make_app(console, theme=theme, no_color=no_color), press=["3"], terminal_size=size)
