"""The scripted day of docs/faults/lost-stop.toml, followed from the panels alone: one picture of every step, kept.

The day runs once in virtual time on the real desk, the real paper exchange and the fault layer; its pictures are taken
from the real console at the moment a step is first true, and each is then shown by the real screen at a size.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.order import OrderState, Role
from engine.view import DeskView, OrderView, ProtectionWord
from tui.figures import table_lines
from tui.lines import text_of

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "docs" / "faults" / "lost-stop.toml"
pytestmark = pytest.mark.xdist_group("lost stop day")
SMALL, MEDIUM, LARGE = (80, 24), (120, 40), (200, 60)


def stops(view: DeskView, name: str) -> list[OrderView]:
    """Oldest first."""
    return [order for order in reversed(view.orders) if order.role is Role.STOP and order.name == name]


def words(view: DeskView) -> dict[str, ProtectionWord]:
    return {leg.name: leg.protection for leg in view.legs}


PE, CE = "24500PE", "24500CE"
STEPS: dict[str, Callable[[DeskView], bool]] = {
    "stop_sent": lambda view: words(view)[PE] is ProtectionWord.PLACING,
    "no_reply": lambda view: words(view)[PE] is ProtectionWord.NAKED,
    "unknown": lambda view: words(view)[PE] is ProtectionWord.UNKNOWN and bool(stops(view, PE)[0].doubt),
    "looked_up": lambda view: any((order.doubt and order.doubt.looks >= 5) for order in stops(view, PE)[:1]),
    "found": lambda view: words(view) == {PE: ProtectionWord.PROTECTED, CE: ProtectionWord.UNKNOWN},
    "still_lost": lambda view: any((order.doubt and order.doubt.looks >= 12) for order in stops(view, CE)[:1]),
    "never_placed": lambda view: bool(stops(view, CE)) and stops(view, CE)[0].state is OrderState.REJECTED,
    "placed_again": lambda view: len(stops(view, CE)) == 2,
    "protected": lambda view: len(stops(view, CE)) == 2 and words(view)[CE] is ProtectionWord.PROTECTED,
}


@pytest.fixture(scope="module")
def day(take_pictures: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    return take_pictures(ROOT / "config.toml", 7, STEPS, faults=SCRIPT)


LOOKS: list[tuple[str, tuple[int, int], tuple[str, ...], dict[str, Any]]] = [
    *((step, SMALL, ("3",), {}) for step in STEPS),
    *((step, MEDIUM, (), {}) for step in STEPS),
    ("looked_up", LARGE, (), {}),
    ("protected", LARGE, ("3",), {}),
    ("looked_up", SMALL, (), {}),
    ("looked_up", MEDIUM, ("3", "enter"), {}),
    ("protected", MEDIUM, ("3", "j", "enter"), {}),
    ("protected", SMALL, ("w",), {}),
    ("protected", SMALL, ("l",), {}),
    ("looked_up", MEDIUM, ("3",), {"theme": "desk-light"}),
    ("looked_up", MEDIUM, ("3",), {"no_color": True}),
]


def look_id(look: tuple[str, tuple[int, int], tuple[str, ...], dict[str, Any]]) -> str:
    step, size, keys, options = look
    return "-".join([step, str(size[0]), *keys, *(str(value) for value in options.values())])


@pytest.mark.parametrize("look", LOOKS, ids=look_id)
def test_every_step_of_a_lost_stop_is_on_the_screen(
    snap_compare: Callable[..., bool], make_app: Callable[..., Any], day: dict[str, Any], look: Any
) -> None:
    step, size, keys, options = look

    assert snap_compare(make_app(day[step], **options), press=list(keys), terminal_size=size)


def test_the_day_comes_to_every_step_in_its_order(day: dict[str, Any]) -> None:
    instants = [day[step].picture.status.now_ns for step in STEPS]

    assert instants == sorted(instants)
    assert len(stops(day["protected"].picture, PE)) == 1, "found: not placed twice"


@pytest.mark.row("OPS-28")
def test_the_figures_of_the_day_stand_beside_their_targets(day: dict[str, Any]) -> None:
    picture = day["protected"]
    rows = [text_of(row) for row in table_lines(picture.metrics(), picture.counts())]

    placed = next(row for row in rows if row.startswith("first fill to a working stop"))
    assert "LEG-67   2.00 s" in placed and "s!" in placed, "over its target, and marked so without colour"
    assert all(len(row) <= 76 for row in rows), "the smallest screen shows all of it"
