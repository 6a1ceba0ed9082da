"""What `strikedesk grid --dry-run` shows: the levels, who hedges them where, and what they can come to (GRD-08).

A table on a terminal, plain columns anywhere else. Nothing is asked of anybody: prices are rounded to the smallest tick
of the exchange, for the instrument's own stands in the day's master.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Final

from engine.config.check import smallest_tick_paise
from engine.grid.geometry import Rung, ladder, level_count
from engine.grid.hedge import hedge_side
from engine.grid.terms import GridKind, GridTerms, TradeSide
from engine.money import rupees_text
from engine.order import Side

_COLUMNS: Final = ("level", "side", "role", "entry", "target", "qty", "hedge", "hedge account")
_RIGHT: Final = frozenset({"level", "entry", "target", "qty"})


def show_layout(terms: GridTerms, notes: list[str]) -> None:
    """To stdout."""
    rungs = laid_out(terms)
    facts, rows = list(_facts(terms, rungs)), [_row(terms, rung) for rung in rungs]
    if sys.stdout.isatty():
        _show_table(facts, rows, notes)
    else:
        print("\n".join(plain_lines(facts, rows, notes)))  # noqa: T201 - requested data goes to stdout


def laid_out(terms: GridTerms) -> list[Rung]:
    """Every level, highest price first; round zero while the centre is not known."""
    rungs = ladder(terms, terms.entry_paise, smallest_tick_paise(terms.exchange))
    return sorted(rungs, key=lambda rung: (-rung.entry_paise, rung.side is Side.BUY))


def plain_lines(facts: list[tuple[str, str]], rows: list[tuple[str, ...]], notes: list[str]) -> Iterator[str]:
    for name, text in facts:
        yield f"{name:<12} : {text}"
    yield ""
    widths = [max(len(row[place]) for row in [_COLUMNS, *rows]) for place in range(len(_COLUMNS))]
    for row in [_COLUMNS, *rows]:
        cells = (
            cell.rjust(width) if name in _RIGHT else cell.ljust(width)
            for name, cell, width in zip(_COLUMNS, row, widths, strict=True)
        )
        yield "  ".join(cells).rstrip()
    yield from ("", *(f"note: {note}" for note in notes)) if notes else ()


def _show_table(facts: list[tuple[str, str]], rows: list[tuple[str, ...]], notes: list[str]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    for name, text in facts:
        console.print(Text(f"{name:<12} : {text}"), soft_wrap=True)
    table = Table()
    for name in _COLUMNS:
        table.add_column(name, justify="right" if name in _RIGHT else "left")
    for row in rows:
        style = "red" if row[1] == Side.SELL else "green"
        table.add_row(
            *(Text(cell, style=style if name == "side" else "") for name, cell in zip(_COLUMNS, row, strict=True))
        )
    console.print(table)
    for note in notes:
        console.print(Text(f"note: {note}", style="yellow"), soft_wrap=True)


def _facts(terms: GridTerms, rungs: list[Rung]) -> Iterator[tuple[str, str]]:
    tick = rupees_text(smallest_tick_paise(terms.exchange))
    sides = terms.trade_type.sides
    yield "Grid", f"{terms.bot}, {terms.kind.value}, {terms.trade_type.value}"
    yield (
        "Token A",
        f"{terms.token_a}, {terms.exchange}, {terms.product}, {terms.qty_a} units a level, tick at least {tick}",
    )
    if terms.is_hedged:
        form = terms.hedge_order_type.value
        yield "Token B", f"{terms.token_b}, {terms.qty_b} units a hedge"
        beyond = "below" if terms.hedge_sign > 0 else "above"
        other = "above" if terms.hedge_sign > 0 else "below"
        spread = rupees_text(terms.oco_spread_paise)
        where = f"{beyond} (BUY entries) or {other} (SELL entries) its price when the entry fills"
        yield "Hedge", f"a {form} order {spread} {where}"
    centre = rupees_text(terms.entry_paise) if terms.entry_paise else f"the first price of {terms.token_a}"
    yield "Centre", centre if terms.entry_paise else f"{centre}: only known when it runs; prices below are from there"
    yield "Levels", f"{len(rungs)}: {' + '.join(f'{level_count(terms)} {side.value}' for side in sides)}"
    yield "Max Quantity", str(terms.max_quantity) if terms.kind is GridKind.LINEAR else "none (geometric)"
    yield "Trade", terms.accounts.trade
    if terms.is_hedged:
        for side in (TradeSide.UPSIDE, TradeSide.DOWNSIDE):
            if side.entry_side in sides:
                yield f"{side.value.capitalize()} OCO", terms.accounts.hedge(side) or "(no account yet)"
        yield "Same account", "yes: both hedges share one" if terms.accounts.is_same_oco else "no"
    if terms.entry_paise:
        for side in sides:
            own = [rung for rung in rungs if rung.side is side]
            value, qty = sum(rung.entry_paise * rung.qty for rung in own), sum(rung.qty for rung in own)
            gain = sum(abs(rung.target_paise - rung.entry_paise) * rung.qty for rung in own)
            shown = f"{qty} units for {rupees_text(value, grouped=True)} rupees"
            yield f"All {side.value}", f"{shown}; every target once: {rupees_text(gain, grouped=True)} before charges"


def _row(terms: GridTerms, rung: Rung) -> tuple[str, ...]:
    is_known = bool(terms.entry_paise)
    hedge, account = "-", "-"
    if terms.is_hedged:
        hedge = f"{hedge_side(rung.side, terms.hedge_sign).value} {terms.qty_b} {terms.token_b}"
        account = terms.accounts.hedge(rung.trade_side) or "-"
    return (
        str(rung.index),
        rung.side.value,
        rung.trade_side.value,
        rupees_text(rung.entry_paise, signed=not is_known),
        rupees_text(rung.target_paise, signed=not is_known),
        str(rung.qty),
        hedge,
        account,
    )
