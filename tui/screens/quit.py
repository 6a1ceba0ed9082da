"""The quit question: what survives at the broker, what dies with this program, and the three answers."""

from __future__ import annotations

from textwrap import wrap
from typing import Final

from engine.view import DeskView
from tui.format import clean
from tui.lines import BLANK, Line, line
from tui.panels.health import survival_lines
from tui.selection import grid_holdings, names_of, open_grids, open_legs, working_orders

_WIDTH: Final = 76
"""Fits the smallest screen."""


def _wrapped(text: str) -> list[str]:
    return wrap(text, _WIDTH, subsequent_indent="  ", break_on_hyphens=False)


def quit_lines(view: DeskView) -> list[Line]:
    working = working_orders(view)
    held = [*([names_of(legs)] if (legs := open_legs(view)) else []), *(grid_holdings(g) for g in open_grids(view))]
    stands = f"open: {', '.join(held)}" if held else "no open position"
    told = " as told above" if view.health.on_stop else "; what is listed as dying dies"
    lines: list[Line] = [
        line((f"{stands}; {len(working)} working orders.", "title")),
        BLANK,
        *(line((part, "")) for words in view.health.on_stop for part in _wrapped(f"A stop: {clean(words)}.")),
        line(("If the engine dies instead:" if view.health.on_stop else "If the engine stops:", "title")),
        *survival_lines(view.health.survives_us, view.health.dies_with_us),
        BLANK,
        line(("d", "key"), "          leave the screen, keep the engine: it goes on protecting"),
        line(("q then Q", "key"), f"   stop the engine{told}"),
        line(("Esc", "key"), "        stay"),
    ]
    return lines
