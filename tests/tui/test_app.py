"""The app around the controls: real key events, frames, the engine watcher, crashes, and what Textual must not do."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from textual import events

from engine.operator import ExitLeg, ZeroOut
from tui.app import StrikedeskApp, key_of, new_request_id
from tui.driver import RELIED_UPON, FrameDroppingDriver
from tui.lines import text_of
from tui.outcome import ScreenOutcome

MEDIUM = (120, 40)
MakeApp = Callable[..., StrikedeskApp]


def shown(app: StrikedeskApp) -> str:
    """The text on the terminal."""
    return "\n".join("".join(segment.text for segment in strip) for strip in app.screen._compositor.render_strips())


@pytest.mark.row("OPS-03")
async def test_two_strokes_reach_the_desk_as_one_request(make_app: MakeApp, console: Any) -> None:
    app = make_app(console)
    async with app.run_test(size=MEDIUM) as pilot:
        await pilot.press("e")
        assert "ARMED exit 24500CE: SELL 150" in shown(app)
        await pilot.press("E")

    assert [type(request) for request in console.requests] == [ExitLeg]


async def test_named_keys_arrive_under_the_names_of_the_table(make_app: MakeApp, console: Any) -> None:
    app = make_app(console)
    async with app.run_test(size=MEDIUM) as pilot:
        await pilot.press("4", "minus", "slash", "p", "e", "enter", "ctrl+x", "Z")
        assert "SD000100011E" in {getattr(request, "tag", "") for request in console.requests}
        assert app.controls.state.filters[app.controls.state.panel] == "pe"

    assert isinstance(console.requests[-1], ZeroOut)


@pytest.mark.parametrize(
    ("event", "key"),
    [
        (events.Key("e", "e"), "e"),
        (events.Key("E", "E"), "E"),
        (events.Key("upper_e", "E"), "E"),
        (events.Key("minus", "-"), "-"),
        (events.Key("question_mark", "?"), "?"),
        (events.Key("space", " "), "space"),
        (events.Key("alt+e", "e"), "alt+e"),
        (events.Key("ctrl+e", "\x05"), "ctrl+e"),
        (events.Key("shift+e", "E"), "E"),
        (events.Key("escape", "\x1b"), "escape"),
        (events.Key("tab", "\t"), "tab"),
    ],
)
def test_a_key_counts_as_its_character_only_without_alt_and_control(event: events.Key, key: str) -> None:
    assert key_of(event) == key


async def test_the_terminal_losing_focus_disarms(make_app: MakeApp, console: Any) -> None:
    app = make_app(console)
    async with app.run_test(size=MEDIUM) as pilot:
        await pilot.press("z")
        app.post_message(events.AppBlur())
        await pilot.pause()
        await pilot.press("Z")

    assert console.requests == []
    assert any("lost the focus" in note for note in console.notes)


@pytest.mark.row("OPS-02")
async def test_each_panel_shows_a_change_with_the_next_frame(make_app: MakeApp, console: Any) -> None:
    app = make_app(console)
    async with app.run_test(size=(200, 60)) as pilot:
        await pilot.pause()
        console.change_leg(0, ltp_paise=12345, note="", trail="active, stop 101.50")
        console.change_status(entries="BLOCKED: day loss", index_paise=2460000)
        app.frame()
        await pilot.pause()
        told = shown(app)

    assert "LTP 123.45" in told and "trail active, stop 101.50" in told
    assert "24600.00" in told and "BLOCKED: day loss" in told


async def test_a_frame_without_a_change_repaints_nothing(make_app: MakeApp, console: Any) -> None:
    app = make_app(console)
    async with app.run_test(size=MEDIUM) as pilot:
        await pilot.pause()
        app.frame()
        await pilot.pause()

        assert app.pump.frame(app._main.grids, None) == 0

        console.change_leg(1, ltp_paise=9500)
        # One line of the leg's box; the legs stand side by side, so it is one row of the panel.
        assert app.pump.frame(app._main.grids, None) <= 2


async def test_hidden_panels_build_nothing(make_app: MakeApp, console: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    app = make_app(console)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        hidden = [grid for grid in app._main.grids if not grid.display]
        for grid in hidden:
            monkeypatch.setattr(grid, "build", lambda *_: pytest.fail("a hidden panel was built"))
        app.frame()

    assert {grid.id for grid in hidden} >= {"oco", "ladder", "health", "page"}


@pytest.mark.fault("SEC-01", "PRC-04")
@pytest.mark.invariant("C2")
async def test_broker_text_is_shown_literally(make_app: MakeApp, console_in: Callable[[str], Any]) -> None:
    app = make_app(console_in("rejected"))
    async with app.run_test(size=MEDIUM) as pilot:
        await pilot.press("4", "G", "home", "slash", *"rejected", "enter", "enter")
        await pilot.pause()
        told = shown(app)

    assert "RMS: [b]Margin[/b] exceeds" in told
    assert "\x1b" not in told


async def test_the_engine_ending_ends_the_screen(make_app: MakeApp, console: Any) -> None:
    finished = asyncio.Event()
    engine = asyncio.create_task(finished.wait())
    app = StrikedeskApp(console, engine, theme="desk-dark", frame_hz=0)
    async with app.run_test(size=MEDIUM) as pilot:
        finished.set()
        await pilot.pause()

    assert app.return_value is ScreenOutcome.ENGINE_ENDED


async def test_a_broken_engine_owns_the_top_line_and_the_screen_stays(make_app: MakeApp, console: Any) -> None:
    fail = asyncio.Event()

    async def broken() -> None:
        await fail.wait()
        raise RuntimeError("journal: disk full")

    engine = asyncio.create_task(broken())
    app = StrikedeskApp(console, engine, theme="desk-dark", frame_hz=0)
    async with app.run_test(size=MEDIUM) as pilot:
        fail.set()
        for _ in range(3):
            await pilot.pause()
        assert "ENGINE DOWN 10:42:07 RuntimeError: journal: disk full" in shown(app)
        await pilot.press("b")
        assert "engine down" in shown(app)

    assert app.return_value is None


@pytest.mark.invariant("X4")
async def test_closing_the_screen_leaves_the_engine_running(make_app: MakeApp, console: Any) -> None:
    engine = asyncio.create_task(asyncio.Event().wait())
    app = StrikedeskApp(console, engine, theme="desk-dark", frame_hz=0)
    async with app.run_test(size=MEDIUM) as pilot:
        await pilot.press("q", "d")

    assert app.return_value is ScreenOutcome.DETACHED
    assert not engine.done() and not engine.cancelling()
    engine.cancel()


@pytest.mark.fault("PRC-04")
@pytest.mark.invariant("X4")
async def test_a_screen_bug_is_kept_as_text_and_does_not_reach_the_engine(console: Any) -> None:
    engine = asyncio.create_task(asyncio.Event().wait())
    app = StrikedeskApp(console, engine, theme="desk-dark", frame_hz=0)
    with pytest.raises(RuntimeError, match="the picture broke"):
        async with app.run_test(size=MEDIUM) as pilot:
            await pilot.pause()
            console.broken = True
            await pilot.press("1")
            await pilot.pause()

    assert "RuntimeError: the picture broke" in app.crash_text
    assert not engine.done()
    engine.cancel()


async def test_no_key_of_textual_is_left(make_app: MakeApp, console: Any) -> None:
    """Ctrl+Q would quit without a question, Ctrl+Z would stop the process, Ctrl+C copies: none is Textual's here."""
    app = make_app(console)
    async with app.run_test(size=MEDIUM) as pilot:
        await pilot.press("ctrl+q", "ctrl+z", "ctrl+c")
        assert app.is_running
        assert "keep the engine" in shown(app)

    assert console.requests == []


@pytest.mark.fault("SEC-15")
async def test_nothing_is_put_on_the_clipboard_of_the_terminal(
    make_app: MakeApp, console: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Textual would copy what is selected by OSC 52; a terminal hands that to whatever runs beside it."""
    app = make_app(console)
    copied: list[str] = []
    monkeypatch.setattr(app, "copy_to_clipboard", copied.append)
    async with app.run_test(size=MEDIUM) as pilot:
        monkeypatch.setattr(app.screen, "get_selected_text", lambda: "an account")
        await pilot.press("ctrl+c", "escape", "super+c", "ctrl+shift+c")
        await pilot.pause()

    assert copied == []


async def test_the_bell_rings_once_for_a_new_alarm(
    make_app: MakeApp, console_in: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    console = console_in("normal")
    app = make_app(console)
    rung: list[int] = []
    monkeypatch.setattr(app, "bell", lambda: rung.append(1))
    async with app.run_test(size=MEDIUM):
        console.current = console_in("naked").view()
        app.frame()
        app.frame()

    assert rung == [1]


async def test_resizing_goes_through_all_layouts_and_back(make_app: MakeApp, console: Any) -> None:
    app = make_app(console)
    async with app.run_test(size=MEDIUM) as pilot:
        for size in ((60, 20), (80, 24), (200, 60), (110, 30), (179, 25), (20, 3), (80, 24)):
            await pilot.resize_terminal(*size)
            await pilot.pause()
            assert all(len(text) <= size[0] for text in shown(app).splitlines())
        assert "[1 Legs]" in shown(app)


async def test_every_theme_can_be_chosen_while_running(make_app: MakeApp, console: Any) -> None:
    app = make_app(console)
    async with app.run_test(size=MEDIUM) as pilot:
        seen = {app.theme}
        for _ in range(3):
            await pilot.press("T")
            seen.add(app.theme)

    assert seen == {"desk-dark", "desk-light", "desk-cvd-dark", "desk-cvd-light"}


async def test_a_reader_scrolled_back_in_the_log_is_not_moved(make_app: MakeApp, console: Any) -> None:
    from engine.view import LogLine

    console.log = [LogLine(seq=i, at_ns=i, level="INFO", source="desk", text=f"line {i}") for i in range(1, 101)]
    console.change(log_seq=100)
    app = make_app(console)
    async with app.run_test(size=MEDIUM) as pilot:
        await pilot.press("5", "k", "k", "k")
        panel = app.screen.query_one("#log")
        before = [text_of(row) for row in panel.lines if "line " in text_of(row)]
        console.log += [LogLine(seq=i, at_ns=i, level="INFO", source="desk", text=f"line {i}") for i in range(101, 111)]
        console.change(log_seq=110)
        app.frame()
        after = [text_of(row) for row in panel.lines if "line " in text_of(row)]
        assert "13 newer" in text_of(panel.lines[0])
        await pilot.press("f")
        newest = text_of(panel.lines[1])

    assert "line 97 " in before[0] and before == after
    assert "line 110 " in newest


@pytest.mark.parametrize("owner", RELIED_UPON, ids=lambda owner: owner.__name__)
def test_the_names_of_textual_that_the_driver_relies_on_still_exist(owner: type) -> None:
    """A new Textual that renames one of these would silently give the frozen terminal back its power."""
    import inspect

    source = inspect.getsource(owner)

    assert [name for name in RELIED_UPON[owner] if not hasattr(owner, name) and f"self.{name}" not in source] == []


def test_the_driver_leans_on_what_the_stock_driver_really_has() -> None:
    import inspect

    from textual.drivers._writer_thread import WriterThread
    from textual.drivers.linux_driver import LinuxDriver

    stock = inspect.getsource(LinuxDriver)
    for name in ("_writer_thread", "_key_thread", "exit_event", "_file", "fileno"):
        assert f"self.{name}" in stock
    assert "self._queue" in inspect.getsource(WriterThread)
    assert issubclass(FrameDroppingDriver, LinuxDriver)


def test_importing_the_package_and_the_pure_modules_loads_no_textual() -> None:
    code = (
        "import sys, tui, tui.actions, tui.armbar, tui.controls, tui.format, tui.layout, tui.lines, tui.outcome, "
        "tui.selection, tui.state, tui.entryline; "
        "print([name for name in sys.modules if name.partition('.')[0] in ('textual', 'rich')])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert told.stdout.strip() == "[]"


def test_request_ids_are_unique_and_short() -> None:
    ids = {new_request_id() for _ in range(1000)}

    assert len(ids) == 1000
    assert all(len(one) == 16 and one.isalnum() for one in ids)


async def test_log_lines_are_readable_in_full(make_app: MakeApp, console: Any) -> None:
    from engine.view import LogLine

    words = "a sentence that is far too long for one row of any panel " * 4
    console.log = [LogLine(seq=1, at_ns=1, level="WARN", source="desk", text=words + "END")]
    console.change(log_seq=1)
    app = make_app(console)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("5")
        assert "END" not in shown(app)
        await pilot.press("enter")
        assert "END" in shown(app)


async def test_the_ladder_keeps_stop_and_target_in_sight(make_app: MakeApp, console: Any) -> None:
    app = make_app(console)
    async with app.run_test(size=MEDIUM) as pilot:
        await pilot.pause()
        rows = [text_of(row) for row in app.screen.query_one("#ladder").lines]

    pinned = [row for row in rows if row[2] in "^v"]
    assert [row.split()[2] for row in pinned] == ["130.00", "117.00", "116.50", "98.00"]
