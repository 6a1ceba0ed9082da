"""The order updates page: the newest 50 that the broker pushed, ours and others', as they came (HRD-44)."""

from __future__ import annotations

from collections.abc import Sequence

from engine.instant import clock_text
from engine.order import Pending
from engine.view import UpdateView
from tui.format import ORDER_TYPE, clean, order_state, price, tail
from tui.lines import Column, Line, Span, cells, header, line, rest_column

_COLUMNS = (
    Column("came", 12),
    Column("tag", 10),
    Column("leg", 8),
    Column("side", 4),
    Column("type", 4),
    Column("qty", 5, True),
    Column("fill", 5, True),
    Column("average", 8, True),
    Column("state", 12),
)


def updates_lines(updates: Sequence[UpdateView], width: int) -> list[Line]:
    """Newest first; somebody else's orders are named as such and never touched (UPD-07)."""
    if not updates:
        return [line(("the broker has pushed no order update yet", "dim"))]
    columns = (*_COLUMNS, rest_column("whose", _COLUMNS, width)) if width >= 86 else _COLUMNS
    return [header(columns), *(_row(update, columns) for update in updates)]


def _row(update: UpdateView, columns: Sequence[Column]) -> Line:
    state = order_state(update.state, Pending.NONE, is_narrow=True)
    whose = "ours" if update.is_ours else "not ours"
    text = clean(update.text)
    values: list[Span | str] = [
        clock_text(update.at_ns, decimals=3),
        tail(update.tag, 10) or "-",
        clean(update.name),
        update.side.value,
        ORDER_TYPE[update.type],
        str(update.qty),
        str(update.filled_qty),
        price(update.average_paise),
        (state.text, state.style),
    ]
    if len(columns) > len(_COLUMNS):
        values.append((f"{whose}{': ' + text if text else ''}", "" if update.is_ours else "warn"))
    row = cells(columns, values)
    return row if update.is_ours else tuple((part, style or "dim") for part, style in row)
