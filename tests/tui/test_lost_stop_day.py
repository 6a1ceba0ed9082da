"""The scripted day of docs/faults/lost-stop.toml, followed from the panels alone: one picture of every step, kept.

The day runs once in virtual time on the real desk, the real paper exchange and the fault layer; its pictures are taken
from the real console at the moment a step is first true, and each is then shown by the real screen at a size.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from engine.config.load import load
from engine.instant import NS_PER_MS
from engine.operator import Request
from engine.order import OrderState, Role
from engine.view import CountView, DeskView, LadderRow, LogLine, MetricView, OrderView, ProtectionWord, UpdateView
from engine.virtual_time import run_virtual
from tui.desk_command import open_demo, plan_of, run_engine
from tui.figures import table_lines
from tui.lines import text_of
from tui.signals import Signals

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "docs" / "faults" / "lost-stop.toml"
LOOK_NS = 50 * NS_PER_MS
"""How often the day is looked at; a screen draws ten frames a second."""
LADDER_RUNGS = 120
SMALL, MEDIUM, LARGE = (80, 24), (120, 40), (200, 60)


class Picture(NamedTuple):
    """What the real console answered at one instant. Implements `engine.console.Console`."""

    picture: DeskView
    log: Sequence[LogLine]
    ladders: dict[str, Sequence[LadderRow]]
    updates: Sequence[UpdateView]
    figures: Sequence[MetricView]
    counted: Sequence[CountView]

    def view(self) -> DeskView:
        return self.picture

    def log_since(self, seq: int) -> Sequence[LogLine]:
        return [entry for entry in self.log if entry.seq > seq]

    def ladder(self, symbol: str, rungs: int, bot: str = "") -> Sequence[LadderRow]:
        rows = self.ladders.get(symbol, ())
        start = max(0, (len(rows) - rungs) // 2)
        return rows[start : start + rungs]

    def order_updates(self) -> Sequence[UpdateView]:
        return self.updates

    def metrics(self) -> Sequence[MetricView]:
        return self.figures

    def counts(self) -> Sequence[CountView]:
        return self.counted

    def submit(self, request: Request) -> None:
        """A picture of the past takes no request."""

    def why_not(self, request: Request) -> str:
        return "a picture"

    def describe(self, request: Request) -> str:
        return "a picture"


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


async def play() -> dict[str, Picture]:
    """Run the day until its last step, and take each picture when its step is first true."""
    arguments = argparse.Namespace(
        config=ROOT / "config.toml", env_file=None, seed=7, speed=float("inf"), faults=str(SCRIPT), fresh=False,
        db=None, no_ui=False, json_log=False,
    )  # fmt: skip
    plan = plan_of(arguments, load(arguments.config, {}))
    station, market = await open_demo(plan)
    signals, taken = Signals(), dict[str, Picture]()
    engine = asyncio.get_running_loop().create_task(run_engine(station, market, 15 * 60 * 1_000 * NS_PER_MS, signals))
    clock, console = station.clock, station.console
    while len(taken) < len(STEPS) and not engine.done():
        await clock.sleep_until(clock.now_ns() + LOOK_NS)
        view = console.view()
        if not any(leg.open_qty for leg in view.legs):
            continue
        for step, is_true in STEPS.items():
            if step not in taken and is_true(view):
                ladders = {leg.symbol: tuple(console.ladder(leg.symbol, LADDER_RUNGS)) for leg in view.legs}
                view = msgspec.structs.replace(
                    view, status=msgspec.structs.replace(view.status, account="SIM"), health=without_wall_time(view)
                )
                taken[step] = Picture(
                    view, tuple(console.log_since(0)), ladders, tuple(console.order_updates()),
                    tuple(console.metrics()), tuple(console.counts()),
                )  # fmt: skip
    signals.stop.set()
    await engine
    await station.close(0)
    return taken


def without_wall_time(view: DeskView) -> Any:
    """The disk and the loop are measured in real time, which is never twice the same."""
    quiet = {"commit_ms": 0.0, "commit_ms_p99": 0.0, "commit_ms_worst": 0.0}
    return msgspec.structs.replace(view.health, **quiet)


@pytest.fixture(scope="module")
def day() -> dict[str, Picture]:
    return run_virtual(play())


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
    snap_compare: Callable[..., bool], make_app: Callable[..., Any], day: dict[str, Picture], look: Any
) -> None:
    step, size, keys, options = look

    assert snap_compare(make_app(day[step], **options), press=list(keys), terminal_size=size)


def test_the_day_comes_to_every_step_in_its_order(day: dict[str, Picture]) -> None:
    instants = [day[step].picture.status.now_ns for step in STEPS]

    assert instants == sorted(instants)
    assert len(stops(day["protected"].picture, PE)) == 1, "found: not placed twice"


@pytest.mark.row("OPS-28")
def test_the_figures_of_the_day_stand_beside_their_targets(day: dict[str, Picture]) -> None:
    picture = day["protected"]
    rows = [text_of(row) for row in table_lines(picture.metrics(), picture.counts())]

    placed = next(row for row in rows if row.startswith("first fill to a working stop"))
    assert "LEG-67   2.00 s" in placed and "s!" in placed, "over its target, and marked so without colour"
    assert all(len(row) <= 76 for row in rows), "the smallest screen shows all of it"
