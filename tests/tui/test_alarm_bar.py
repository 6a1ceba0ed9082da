"""Alarms above the footer: the newest unseen one stands there until `a` says that somebody has seen it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from engine.operator import Acknowledge
from engine.view import AlarmView
from tui.app import StrikedeskApp
from tui.lines import text_of, width_of
from tui.panels.bottom import alarm_words

SIZE = (120, 40)
MakeApp = Callable[..., StrikedeskApp]


def shown(app: StrikedeskApp) -> str:
    return "\n".join("".join(part.text for part in strip) for strip in app.screen._compositor.render_strips())


def alarms(*texts: str) -> list[AlarmView]:
    return [AlarmView(alarm_id=text, since_ns=1, text=text) for text in texts]


@pytest.mark.row("OPS-26")
async def test_an_unseen_alarm_stands_above_the_footer_and_a_says_it_was_seen(
    make_app: MakeApp, console_in: Callable[[str], Any]
) -> None:
    console = console_in("naked")
    app = make_app(console)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        app.frame()
        await pilot.pause()
        assert "ALARM: 24500PE naked" in shown(app)

        await pilot.press("a")
        assert [type(request) for request in console.requests] == [Acknowledge]

        seen = AlarmView(alarm_id="A1", since_ns=1, text="24500PE naked", acknowledged_ns=2)
        console.change(alarms=(seen,))
        app.frame()
        await pilot.pause()
        assert "ALARM:" not in shown(app)


async def test_without_an_alarm_the_key_says_so_and_sends_nothing(make_app: MakeApp, console: Any) -> None:
    app = make_app(console)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("a")

        assert console.requests == [] and "no alarm is waiting" in shown(app)


@pytest.mark.parametrize("width", [80, 110, 200])
def test_a_long_alarm_is_cut_and_the_rest_of_the_line_stays(width: int) -> None:
    words = alarm_words(alarms("x" * 300, "second", "third\x1b[31m"), width)

    assert width_of(words) <= width
    assert text_of(words).endswith(" and 2 more  a: seen")


@pytest.mark.fault("SEC-01")
@pytest.mark.invariant("C2")
def test_an_alarms_text_is_never_printed_raw() -> None:
    assert "\x1b" not in text_of(alarm_words(alarms("bad \x1b]52;c;AAAA\x07"), 80))
