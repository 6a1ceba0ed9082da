"""What leaving a part of a grid would do now, in numbers, for the arm bar and the command line. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from engine.grid.terms import TradeSide
from engine.grid.view import GridLevelView, GridView, HedgeWord, LevelWord
from engine.order import Side


def levels_in(grid: GridView, side: TradeSide | None = None, level_id: str = "") -> tuple[GridLevelView, ...]:
    """The levels of a scope: one, those of a side, or all of them."""
    return tuple(
        level
        for level in grid.levels
        if (not level_id or level.level_id == level_id) and side in (None, level.trade_side)
    )


def exit_words(grid: GridView, levels: Sequence[GridLevelView]) -> str:
    """`SELL 200 IRFC, BUY 100 IRFC; cancel 3 orders (2 target, 1 hedge)`; what does not apply is left out.

    Every level is left by orders of its own, so units of both directions are told, not their net.
    """
    held_a = [level.open_qty for level in levels]
    held_b = [level.hedge_open_qty for level in levels]
    parts = _closing(held_a, grid.token_a.symbol) + _closing(held_b, grid.token_b.symbol if grid.token_b else "")
    told = [part for part in (", ".join(parts), cancel_words(levels)) if part]
    return "; ".join(told) or "nothing open, nothing working"


def _closing(held: Sequence[int], symbol: str) -> list[str]:
    longs, shorts = sum(qty for qty in held if qty > 0), -sum(qty for qty in held if qty < 0)
    sides = ((Side.SELL, longs), (Side.BUY, shorts))
    return [f"{side.value} {units} {symbol}" for side, units in sides if units]


def cancel_words(levels: Sequence[GridLevelView], *, entries_only: bool = False) -> str:
    """`cancel 3 orders (1 entry, 1 target, 1 hedge)`; empty when nothing works. Hedge orders that several levels share
    are counted once for each of them.
    """
    counts = {
        "entry": sum(level.state is LevelWord.ENTRY_PLACED for level in levels),
        "target": sum(level.state is LevelWord.TARGET_PLACED for level in levels),
        "hedge": sum(level.hedge_state in (HedgeWord.RESTING, HedgeWord.EXECUTING) for level in levels),
    }
    if entries_only:
        counts = {"entry": counts["entry"]}
    total = sum(counts.values())
    told = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    return f"cancel {total} order{'' if total == 1 else 's'} ({told})" if total else ""
