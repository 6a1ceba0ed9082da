"""The whole keyboard against a fake desk, without a terminal: what each key asks of the desk, and what none may."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.instant import NS_PER_S
from engine.operator import CancelAll, CancelOrder, CancelScope, Enter, ExitLeg, PauseEntries, ReconcileNow, ZeroOut
from engine.order import Role, Side
from engine.view import ActionView
from tui.actions import BINDINGS, SEND_KEYS, Panel
from tui.armbar import ARM_WINDOW_NS
from tui.controls import Controls
from tui.entryline import EntryLine
from tui.outcome import ScreenOutcome
from tui.state import Page, ScreenState

CE, PE = "NIFTY24NOV24500CE", "NIFTY24NOV24500PE"


class Keyboard:
    """Presses keys at a time that the test moves."""

    def __init__(self, console: Any, new_id: Callable[[], str]) -> None:
        self.console = console
        self.controls = Controls(console, ScreenState("desk-dark"), new_id)
        self.now_ns = 1_000 * NS_PER_S

    def press(self, *keys: str) -> None:
        for key in keys:
            self.controls.press(key, self.now_ns)

    def wait(self, seconds: float) -> None:
        self.now_ns += round(seconds * NS_PER_S)
        self.controls.tick(self.console.view(), self.now_ns)

    @property
    def said(self) -> str:
        return self.controls.state.flash_text(self.now_ns)

    @property
    def requests(self) -> list[Any]:
        return [msgspec.structs.replace(request, request_id="") for request in self.console.requests]


@pytest.fixture
def keys(console: Any, new_id: Callable[[], str]) -> Keyboard:
    return Keyboard(console, new_id)


@pytest.mark.row("OPS-03")
@pytest.mark.parametrize(
    ("pressed", "request_sent"),
    [
        (["e", "E"], ExitLeg(request_id="", symbol=CE)),
        (["j", "e", "E"], ExitLeg(request_id="", symbol=PE)),
        (["c", "C"], CancelAll(request_id="")),
        (["c", "p", "C"], CancelAll(request_id="", scope=CancelScope.ALL)),
        (["c", "p", "p", "C"], CancelAll(request_id="")),
        (["c", "tab", "C"], CancelAll(request_id="", symbols=(CE,))),
        (["c", "tab", "tab", "C"], CancelAll(request_id="")),
        (["z", "Z"], ZeroOut(request_id="")),
        (["ctrl+x", "Z"], ZeroOut(request_id="")),
        (["/", "ctrl+x", "Z"], ZeroOut(request_id="")),
        (["4", "/", "c", "e", "ctrl+x", "Z"], ZeroOut(request_id="")),
        (["b", "enter", "B"], Enter(request_id="", side=Side.BUY)),
        (["b", "tab", "3", "enter", "B"], Enter(request_id="", side=Side.BUY, symbols=(CE,), lots=3)),
        (
            ["s", "tab", "tab", "1", "2", "backspace", "enter", "S"],
            Enter(request_id="", side=Side.SELL, symbols=(PE,), lots=1),
        ),
        (["b", "e", "E"], ExitLeg(request_id="", symbol=CE)),
        (["p"], PauseEntries(request_id="", paused=True)),
        (["r"], ReconcileNow(request_id="")),
        (["4", "-"], CancelOrder(request_id="", tag="SD000100011E")),
        (["4", "j", "j", "-", "_"], CancelOrder(request_id="", tag="SD000100007S")),
        (["4", "j", "j", "e", "E"], ExitLeg(request_id="", symbol=PE)),
        (["3", "j", "e", "E"], ExitLeg(request_id="", symbol=PE)),
        ([":", *"zero", "enter", "Z"], ZeroOut(request_id="")),
        (["?", "e", "E"], ExitLeg(request_id="", symbol=CE)),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, list) else "",
)
def test_keys_send_exactly_this_request(keys: Keyboard, pressed: list[str], request_sent: Any) -> None:
    keys.press(*pressed)

    assert [request_sent] == keys.requests


@pytest.mark.row("OPS-03")
@pytest.mark.parametrize(
    "pressed",
    [
        ["E"],
        ["e"],
        ["e", "e", "e"],
        ["e", "escape", "E"],
        ["e", "x", "E"],
        ["e", "enter"],
        ["e", "C"],
        ["e", "c", "E"],
        ["4", "j", "j", "-", "-"],
        ["4", "j", "j", "_"],
        ["b", "B"],
        ["b", "enter"],
        ["b", "enter", "enter"],
        ["b", "enter", "S"],
        ["z", "1", "Z"],
        [":", *"zero", "enter", "enter"],
        ["4", "/", "e", "E", "z", "Z"],
        ["d"],
    ],
    ids="+".join,
)
def test_a_mistyped_key_sends_nothing(keys: Keyboard, pressed: list[str]) -> None:
    keys.press(*pressed)

    assert keys.requests == []
    assert keys.controls.outcome is None


def test_an_armed_action_expires_and_says_that_nothing_was_sent(keys: Keyboard) -> None:
    keys.press("e")
    keys.wait(3.0)

    assert keys.said == "time is up: exit 24500CE kept, nothing sent"
    keys.press("E")
    assert keys.requests == []


def test_upper_case_without_arming_says_which_key_comes_first(keys: Keyboard) -> None:
    keys.press("E")

    assert keys.said == "press e first: e arms, E sends"


def test_losing_the_focus_disarms(keys: Keyboard) -> None:
    keys.press("z")
    keys.controls.blur(keys.now_ns)
    keys.press("Z")

    assert keys.requests == []


def test_a_changed_mode_disarms(keys: Keyboard) -> None:
    keys.press("z")
    keys.console.change_status(mode="LIVE", is_live=True)
    keys.wait(0.1)
    keys.press("Z")

    assert keys.requests == []


def test_the_armed_numbers_follow_the_position_and_the_change_is_marked(keys: Keyboard) -> None:
    keys.press("e")
    keys.console.change_leg(0, bid_paise=11800)
    keys.wait(0.1)
    assert not keys.controls.bar.has_changed

    keys.console.change_leg(0, open_qty=75)
    keys.wait(0.1)

    assert keys.controls.bar.has_changed
    assert keys.controls.bar.armed is not None and "SELL 75" in keys.controls.bar.armed.text


@pytest.mark.fault("HUM-06")
def test_the_same_request_in_flight_is_answered_not_sent_again(keys: Keyboard) -> None:
    keys.press("z", "Z")
    keys.console.change(
        actions=(
            ActionView(request_id=keys.console.requests[0].request_id, text="zero out", sent_ns=1, done=2, total=4),
        )
    )

    keys.press("z")
    assert "2 of 4 done" in keys.said

    keys.press("Z")

    assert len(keys.requests) == 1


def test_a_finished_request_may_be_sent_again(keys: Keyboard) -> None:
    keys.press("z", "Z")
    done = ActionView(request_id=keys.console.requests[0].request_id, text="zero out", sent_ns=1, finished=True)
    keys.console.change(actions=(done,))

    keys.press("z", "Z")

    assert len(keys.requests) == 2
    assert keys.console.requests[0].request_id != keys.console.requests[1].request_id


def test_what_the_desk_would_refuse_is_said_and_not_armed(keys: Keyboard) -> None:
    keys.console.refusals[ExitLeg] = "24500CE is flat"
    keys.press("e")

    assert keys.said == "exit 24500CE: 24500CE is flat"
    assert keys.controls.bar.armed is None


def test_shorts_that_are_off_are_answered_with_the_reason(keys: Keyboard) -> None:
    keys.console.refusals[Enter] = "shorts are off (allow_short = false)"
    keys.press("s")

    assert keys.said == "sell: shorts are off (allow_short = false)"
    assert keys.controls.line is None


def test_resuming_after_a_tripped_limit_takes_two_strokes(keys: Keyboard) -> None:
    keys.console.change_status(entries="BLOCKED: day loss 15,000 reached")
    keys.press("p")
    assert keys.requests == []

    keys.press("P")

    assert [PauseEntries(request_id="", paused=False)] == keys.requests


def test_resuming_a_plain_pause_takes_one(keys: Keyboard) -> None:
    keys.console.change_status(entries="PAUSED")
    keys.press("p")

    assert [PauseEntries(request_id="", paused=False)] == keys.requests


def test_arming_sending_and_keeping_are_notes_for_the_journal(keys: Keyboard) -> None:
    keys.press("e", "E", "z", "escape")

    assert [note.split(":")[0] for note in keys.console.notes] == [
        "armed exit 24500CE",
        "sent exit 24500CE",
        "armed zero out",
        "disarmed zero out",
    ]
    assert "SELL 150" in keys.console.notes[0]


def test_the_entry_line_shows_its_legs_and_refuses_to_send_before_the_preview(keys: Keyboard) -> None:
    keys.press("b")
    line = keys.controls.line

    assert isinstance(line, EntryLine)
    assert line.targets == ["both", "CE", "PE"]
    keys.press("B")
    assert keys.said == "Enter shows the preview first"
    keys.press("x")
    assert "digits set lots" in keys.said


def test_engine_down_switches_entries_off_and_leaves_exits(keys: Keyboard) -> None:
    keys.controls.state.engine_down = "10:42:09 RuntimeError: boom"
    keys.press("b")
    assert "engine down" in keys.said

    keys.press("e", "E")

    assert [ExitLeg(request_id="", symbol=CE)] == keys.requests


@pytest.mark.parametrize(
    ("pressed", "outcome"),
    [
        (["q"], None),
        (["q", "Q"], ScreenOutcome.QUIT_STOP_ENGINE),
        (["q", "d"], ScreenOutcome.DETACHED),
        (["q", "j", "q", "Q"], ScreenOutcome.QUIT_STOP_ENGINE),
        (["q", "j", "d"], ScreenOutcome.DETACHED),
        (["q", "j", "Q"], None),
        (["q", "escape", "escape", "d"], None),
        (["ctrl+c"], None),
        (["ctrl+c", "Q"], None),
        (["ctrl+c", "d"], ScreenOutcome.DETACHED),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, list) else "",
)
def test_quitting_with_something_open_asks(keys: Keyboard, pressed: list[str], outcome: ScreenOutcome | None) -> None:
    keys.press(*pressed)

    assert outcome is keys.controls.outcome
    assert keys.requests == []


def test_quitting_with_nothing_open_just_quits(console_in: Callable[[str], Any], new_id: Callable[[], str]) -> None:
    keys = Keyboard(console_in("empty"), new_id)
    keys.press("q")

    assert ScreenOutcome.QUIT_STOP_ENGINE is keys.controls.outcome


def test_escape_closes_one_thing_at_a_time(keys: Keyboard) -> None:
    state = keys.controls.state
    keys.press("4", "o", "/", *"stop", "enter", "?", "z")

    keys.press("escape")
    assert keys.controls.bar.armed is None and state.page is Page.HELP
    keys.press("escape")
    assert state.page is None and state.filter_of(Panel.ORDERS) == "stop"
    keys.press("escape")
    assert state.filter_of(Panel.ORDERS) == "" and state.is_zoomed
    keys.press("escape")
    assert not state.is_zoomed


def test_the_cursor_stays_on_the_same_order_when_rows_are_sorted_anew(keys: Keyboard) -> None:
    keys.press("4", "j")
    before = keys.controls.state.order(keys.console.view())
    keys.console.change(orders=tuple(reversed(keys.console.view().orders)))

    after = keys.controls.state.order(keys.console.view())

    assert before is not None and after is not None and before.tag == after.tag


def test_u_goes_to_the_naked_leg(console_in: Callable[[str], Any], new_id: Callable[[], str]) -> None:
    keys = Keyboard(console_in("naked"), new_id)
    keys.press("6", "u")

    leg = keys.controls.state.selected_leg(keys.console.view())
    assert Panel.LEGS is keys.controls.state.panel
    assert leg is not None and leg.symbol == PE


def test_an_unknown_order_is_never_filtered_away(console_in: Callable[[str], Any], new_id: Callable[[], str]) -> None:
    keys = Keyboard(console_in("unknown"), new_id)
    keys.press("4", "/", *"nothing matches this")

    order = keys.controls.state.order(keys.console.view())
    assert order is not None and order.state.value == "unknown"


def test_every_key_of_the_table_is_answered_in_every_panel(console: Any, new_id: Callable[[], str]) -> None:
    """No key may raise, and a disabled one has to say why."""
    for panel in Panel:
        for key, action in BINDINGS.items():
            keys = Keyboard(console, new_id)
            keys.press(str(panel.value))
            reason = action.why_disabled(keys.controls.situation())
            keys.press(key)
            assert not reason or keys.said


ANY_KEY = st.sampled_from(
    sorted({*BINDINGS, *SEND_KEYS, "x", "enter", "space", "backspace", "escape", "0", "7", "tab", "E", "Z", "C"})
)
STROKES = st.lists(st.tuples(ANY_KEY, st.sampled_from([0.0, 0.1, 1.0, 2.9, 3.0, 3.1])), max_size=14)


def is_dangerous(request: Any, console: Any) -> bool:
    """Can lose money or protection: everything that must take two strokes."""
    match request:
        case Enter() | ExitLeg() | CancelAll() | ZeroOut():
            return True
        case CancelOrder(tag=tag):
            return next(order for order in console.view().orders if order.tag == tag).role is not Role.ENTRY
        case PauseEntries(paused=False):
            return console.view().status.entries.startswith("BLOCKED")
        case _:
            return False


SENT_BY = {Enter: "BS", ExitLeg: "E", CancelAll: "C", ZeroOut: "Z", CancelOrder: "_", PauseEntries: "P"}
ARMED_BY: dict[type, set[str]] = {
    Enter: {"enter"},
    ExitLeg: {"e", "enter"},
    CancelAll: {"c", "enter"},
    ZeroOut: {"z", "ctrl+x", "enter"},
    CancelOrder: {"-", "enter"},
    PauseEntries: {"p", "enter"},
}
"""`enter` accepts the command line or the entry line, which arms and never sends."""


@pytest.mark.row("OPS-03")
@settings(max_examples=500, deadline=None)
@given(strokes=STROKES, entries=st.sampled_from(["ON", "PAUSED", "BLOCKED: day loss"]))
def test_nothing_dangerous_leaves_without_an_arm_and_its_own_send_key(
    fresh_console: Callable[[], Any],
    fresh_ids: Callable[[], Callable[[], str]],
    strokes: list[tuple[str, float]],
    entries: str,
) -> None:
    """Over all key sequences: at most one request a key, and a dangerous one only on its own send key, after a key
    that arms it, inside the window (restarted once at most), with no Escape in between.
    """
    console = fresh_console()
    console.change_status(entries=entries)
    keys = Keyboard(console, fresh_ids())
    history: list[tuple[str, int]] = []
    sent_ids: list[str] = []
    for key, pause_s in strokes:
        keys.wait(pause_s)
        known = len(console.requests)
        keys.press(key)
        new = console.requests[known:]
        assert len(new) <= 1
        for request in new:
            assert request.request_id not in sent_ids
            sent_ids.append(request.request_id)
            if is_dangerous(request, console):
                assert key in SENT_BY[type(request)]
                since_escape = history[max((i for i, (k, _) in enumerate(history) if k == "escape"), default=-1) + 1 :]
                arming = [at for k, at in since_escape if k in ARMED_BY[type(request)]]
                assert arming and keys.now_ns - arming[-1] < 2 * ARM_WINDOW_NS
        history.append((key, keys.now_ns))


@settings(max_examples=150, deadline=None)
@given(key=ANY_KEY, repeats=st.integers(min_value=1, max_value=30))
def test_no_single_key_however_often_repeated_is_dangerous(
    fresh_console: Callable[[], Any], fresh_ids: Callable[[], Callable[[], str]], key: str, repeats: int
) -> None:
    console = fresh_console()
    keys = Keyboard(console, fresh_ids())
    keys.press(*[key] * repeats)

    assert not any(is_dangerous(request, console) for request in console.requests)


def test_the_property_above_can_fail(fresh_console: Callable[[], Any]) -> None:
    """What it calls dangerous is what the two strokes really send."""
    console = fresh_console()
    console.change_status(entries="BLOCKED: day loss")
    sent = [ZeroOut(request_id="1"), ExitLeg(request_id="2", symbol=CE), PauseEntries(request_id="3", paused=False)]

    assert all(is_dangerous(request, console) for request in sent)
    assert is_dangerous(CancelOrder(request_id="4", tag="SD000100007S"), console)
    assert not is_dangerous(CancelOrder(request_id="5", tag="SD000100011E"), console)
