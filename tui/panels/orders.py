"""Panel 4: the orders. Every order has a state and an age in it; an unknown one is never dropped from view."""

from __future__ import annotations

from collections.abc import Sequence

from engine.order import OrderState
from engine.view import OrderView
from tui.actions import Panel
from tui.format import ORDER_TYPE, clean, doubt_words, order_price, order_state, price, since, tail
from tui.lines import BLANK, Column, Line, Panelled, Span, box, cells, header, line, rest_column
from tui.panels.base import RowGrid, Scene
from tui.selection import shown_orders, top_for_cursor

NARROW_COLUMNS = (
    Column("tag", 10),
    Column("leg", 8),
    Column("side", 4),
    Column("type", 4),
    Column("price", 8, True),
    Column("qty", 5, True),
    Column("fill", 5, True),
    Column("state", 12),
    Column("age", 5, True),
)
"""69 cells: the least that carries state and age."""


def columns_for(width: int) -> tuple[Column, ...]:
    """Wider panels add the limit price, the average, the broker's id and the reason; none of the narrow ones goes."""
    wide = list(NARROW_COLUMNS)
    if width < 76:
        return NARROW_COLUMNS
    if width >= 92:
        wide[7] = Column("state", 22)
    if width >= 126:
        wide[0] = Column("tag", 12)
        wide[1] = Column("leg", 10)
        wide[4] = Column("price", 15, True)
        wide.insert(7, Column("average", 8, True))
        wide.append(Column("broker id", 10))
    return (*wide, rest_column("why", wide, width))


def order_row(order: OrderView, columns: Sequence[Column], now_ns: int) -> Line:
    narrow = next(c for c in columns if c.title == "state").width <= 12
    wide_price = next(c for c in columns if c.title == "price").width >= 15
    state = order_state(order.state, order.pending, is_narrow=narrow)
    values: dict[str, Span | str] = {
        "tag": tail(order.tag, next(c for c in columns if c.title == "tag").width),
        "leg": clean(order.name),
        "side": order.side.value,
        "type": ORDER_TYPE[order.type],
        "price": order_price(order, is_narrow=not wide_price),
        "qty": str(order.qty),
        "fill": str(order.filled_qty),
        "average": price(order.average_paise),
        "state": (state.text, state.style),
        "age": since(order.state_ns, now_ns),
        "broker id": tail(order.broker_id, 8) or "-",
        "why": why_cell(order, now_ns),
    }
    row = cells(columns, [values[column.title] for column in columns])
    return row if order.is_open or order.state is OrderState.REJECTED else tuple((text, "dim") for text, _ in row)


def _ages(order: OrderView, now_ns: int) -> tuple[str, ...]:
    """What on the row moves with time alone."""
    doubt = doubt_words(order.doubt, now_ns) if order.doubt is not None else ""
    return since(order.state_ns, now_ns), doubt


def why_cell(order: OrderView, now_ns: int) -> Span | str:
    """The broker's refusal before a doubt, a doubt before our own reason."""
    if order.doubt is not None and order.doubt.outcome == "never placed":
        return (doubt_words(order.doubt, now_ns), "loss")
    if order.state is OrderState.REJECTED and order.reject_text:
        return (clean(order.reject_text), "loss")
    if order.doubt is not None:
        is_open = order.state is OrderState.UNKNOWN
        return (doubt_words(order.doubt, now_ns), "warn" if is_open else "")
    return clean(order.why) or order.role.value


class OrdersPanel(RowGrid):
    """Orders as a table: unknown first, then working, then today's ended ones."""

    panel = Panel.ORDERS

    def build(self, scene: Scene, width: int, height: int) -> list[Line]:
        view, wanted = scene.view, scene.state.filter_of(Panel.ORDERS)
        orders = shown_orders(view, wanted)
        columns = columns_for(width - 4)
        room = max(1, height - 3)
        selected = scene.state.order(view)
        index = orders.index(selected) if selected is not None else -1
        is_focused = scene.state.panel is Panel.ORDERS
        self._top = top_for_cursor(self._top, index if is_focused else 0, room, len(orders))
        body = [header(columns)]
        for order in orders[self._top : self._top + room]:

            def build(order: OrderView = order) -> list[Line]:
                return [order_row(order, columns, scene.now_ns)]

            body += self._memo.lines(order.tag, order, (width, *_ages(order, scene.now_ns)), build)
        if not orders:
            body = [empty_line(len(view.orders), wanted)]
        self._memo.keep_only({order.tag for order in orders})
        cursor_row = index - self._top + 1 if is_focused and index >= 0 else -1
        said = Panelled(
            line(("4 Orders", "title"), (f"  (filter {wanted!r})" if wanted else "", "warn")),
            counts(view.orders),
            footnote(orders, self._top, room, len(view.orders)),
            cursor_row,
        )
        return box(self.frame(scene, width, height), said, body)


def counts(orders: Sequence[OrderView]) -> Line:
    """`7 working, 1 unknown, 0 rejected today`."""
    unknown = sum(1 for o in orders if o.state is OrderState.UNKNOWN)
    rejected = sum(1 for o in orders if o.state is OrderState.REJECTED)
    working = sum(1 for o in orders if o.is_open) - unknown
    spans: list[Span | str] = [(f"{working} working", "dim")]
    spans.append((f", {unknown} unknown", "warn" if unknown else "dim"))
    spans.append((f", {rejected} rejected", "loss" if rejected else "dim"))
    return line(*spans)


def footnote(orders: Sequence[OrderView], top: int, room: int, total: int) -> Line:
    """How many rows are not on screen, and why."""
    parts: list[str] = []
    below = len(orders) - top - room
    if top > 0:
        parts.append(f"{top} above")
    if below > 0:
        parts.append(f"{below} more (End)")
    if len(orders) < total:
        parts.append(f"{total - len(orders)} hidden by the filter")
    return line((", ".join(parts), "dim")) if parts else BLANK


def empty_line(total: int, wanted: str) -> Line:
    if wanted:
        return line((f"0 of {total} shown (filter {wanted!r}), Esc clears", "warn"))
    return line(("no orders today", "dim"))
