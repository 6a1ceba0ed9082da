"""The health panel's line about bare units: today's times when all is covered, running seconds in red when not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from engine.instant import NS_PER_MS, NS_PER_S
from engine.view import DeskView
from tui.format import seconds
from tui.lines import text_of
from tui.panels.base import FrameCost
from tui.panels.health import health_lines, naked_line


def with_health(view: DeskView, **figures: int) -> DeskView:
    return msgspec.structs.replace(view, health=msgspec.structs.replace(view.health, **figures))


@pytest.fixture
def view(console_in: Callable[[str], Any]) -> DeskView:
    return console_in("normal").view()


@pytest.mark.row("I-4")
def test_a_day_of_short_gaps_is_one_quiet_line(view: DeskView) -> None:
    figures = {"naked_count": 3, "naked_p50_ns": 210 * NS_PER_MS, "naked_worst_ns": 1_900 * NS_PER_MS}
    shown = naked_line(with_health(view, **figures))

    assert text_of(shown) == "naked    today 3x  p50 0.21 s  worst 1.90 s  now 0"
    assert {span[1] for span in shown[1:]} == {""}
    assert shown in health_lines(with_health(view, **figures), FrameCost())


@pytest.mark.row("I-4")
def test_bare_units_are_red_with_their_running_seconds(view: DeskView) -> None:
    since_ns = view.status.now_ns - 3 * NS_PER_S - 456 * NS_PER_MS
    shown = naked_line(with_health(view, naked_count=0, naked_qty=75, naked_since_ns=since_ns))

    assert text_of(shown) == "naked    today 0x  now 75 for 3.45 s"
    assert shown[-1][1] == "alarm"


@pytest.mark.parametrize(
    ("ns", "text"), [(0, "0.00 s"), (9_999_999, "0.00 s"), (75 * NS_PER_S, "75.00 s"), (-5, "0.00 s")]
)
def test_seconds_have_hundredths_and_are_never_rounded_up(ns: int, text: str) -> None:
    assert seconds(ns) == text
