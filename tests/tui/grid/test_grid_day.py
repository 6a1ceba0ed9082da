"""A cycle of the grid and its other ending, followed from the panels alone: the pair demo as it runs, pictures kept.

The day runs once in virtual time on the real desk with three paper accounts; its pictures are taken from the real
console at the moment a step is first true, and each is then shown by the real screen at a size (CON-10..19).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from engine.grid.view import GridLevelView, HedgeWord, LevelWord
from engine.view import DeskView

CONFIG = """
[accounts.up]
kind = "paper"
[accounts.down]
kind = "paper"


[[grid]]
bot_name = "irfc-sbin"
trade_type = "gridocots"
token_a_symbol = "IRFC"
token_b_symbol = "SBIN"
steps = 5
spread = 0.10
target_spread = 0.05
oco_spread = 0.05
token_a_quantity = 100
token_b_quantity = 50
entry_price = 50.00
accounts = { upside_oco = "up", downside_oco = "down" }
"""
SEED = 6
"""A pair demo in which one level earns, and another is closed by its hedge, within five minutes."""
pytestmark = pytest.mark.xdist_group("grid day")
SMALL, MEDIUM, LARGE = (80, 24), (120, 40), (200, 60)
W, H = LevelWord, HedgeWord


def levels(view: DeskView) -> Iterable[GridLevelView]:
    return view.grids[0].levels if view.grids else ()


def is_any(is_so: Callable[[GridLevelView], bool]) -> Callable[[DeskView], bool]:
    return lambda view: any(is_so(level) for level in levels(view))


STEPS: dict[str, Callable[[DeskView], bool]] = {
    "entries_rest": lambda view: (
        sum(level.state is W.ENTRY_PLACED and level.working_qty > 0 for level in levels(view)) >= 2
    ),
    "entry_filled": is_any(lambda level: level.state is W.TARGET_READY and level.filled_qty > 0),
    "target_placed": is_any(lambda level: level.state is W.TARGET_PLACED and level.working_qty > 0),
    "hedge_bracketed": is_any(lambda level: level.state is W.TARGET_PLACED and level.hedge_state is H.RESTING),
    "target_filled": is_any(lambda level: level.state is W.FRESH and level.cycles > 0),
    "level_reset": is_any(lambda level: level.state is W.ENTRY_PLACED and level.cycles > 0 and level.working_qty > 0),
    "hedge_filled": is_any(lambda level: level.state is W.OCO_FILLED),
}
LOOKS = [(step, size, keys) for step in STEPS for size, keys in ((SMALL, ()), (MEDIUM, ()))] + [
    ("hedge_bracketed", LARGE, ()),
    ("hedge_filled", LARGE, ()),
    ("hedge_bracketed", SMALL, ("3",)),
    ("hedge_filled", MEDIUM, ("l",)),
]


@pytest.fixture(scope="module")
def day(take_pictures: Callable[..., dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path: Path = tmp_path_factory.mktemp("pair") / "config.toml"
    path.write_text(CONFIG)
    return take_pictures(path, SEED, STEPS)


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: "-".join([look[0], str(look[1][0]), *look[2]]))
def test_every_step_of_a_cycle_is_on_the_screen(
    snap_compare: Callable[..., bool], make_app: Callable[..., Any], day: dict[str, Any], look: Any
) -> None:
    step, size, keys = look

    assert snap_compare(make_app(day[step]), press=list(keys), terminal_size=size)


@pytest.mark.row("GRD-12", "GRD-16", "GRD-17", "GRD-35")
def test_the_pair_demo_comes_to_every_step(day: dict[str, Any]) -> None:
    assert list(day) == list(STEPS)
    (cycled,) = [level for level in levels(day["level_reset"].picture) if level.cycles]
    before = next(level for level in levels(day["target_placed"].picture) if level.label == cycled.label)
    assert cycled.level_id != before.level_id, "a new uuid for every cycle"
    assert day["level_reset"].picture.grids[0].realised_paise > 0
