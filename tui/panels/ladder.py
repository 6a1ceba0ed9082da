"""Panel 2: the price ladder of the selected leg, with its own orders and bracket prices on the rungs."""

from __future__ import annotations

from collections.abc import Sequence

from engine.order import OrderType
from engine.view import LadderRow, LegView, OrderView
from tui.actions import Panel
from tui.format import clean, move_mark, plain_qty, price, since
from tui.lines import BLANK, Column, Line, Panelled, Span, box, cells, header, line, rest_column
from tui.panels.base import RowGrid, Scene
from tui.selection import is_order_of
from tui.themes import Palette

MARK_STYLE = {"SL": "loss", "TP": "gain", "TRAIL": "warn", "ENTRY": "title", "LTP": "key"}
MAX_SHIFT = 500
MAX_PINNED = 3
MIN_RUNGS_TO_PIN = 5


def ladder_columns(width: int) -> tuple[Column, ...]:
    fixed = (Column("", 1), Column("bid q", 6, True), Column("price", 8, True), Column("ask q", 6, True))
    return (*fixed, rest_column("own, marks", fixed, width))


def own_prices(leg: LegView, orders: Sequence[OrderView]) -> list[LadderRow]:
    """Every price that matters to the leg, highest first: its entry, exits and own open orders."""
    marks: dict[int, list[str]] = {}
    mine: dict[int, list[str]] = {}
    if leg.open_qty and leg.entry_paise:
        marks.setdefault(leg.entry_paise, []).append("ENTRY")
    for word, exit_ in (("SL", leg.stop), ("TP", leg.target)):
        if exit_ is not None:
            marks.setdefault(exit_.price_paise, []).append(word)
    for order in orders:
        # A marketable order's limit is its protection, not a place where it waits.
        if order.is_open and is_order_of(order, leg) and order.type is not OrderType.MARKET:
            at = order.trigger_paise or order.limit_paise
            mine.setdefault(at, []).append(f"{order.side.value[0]} {order.qty - order.filled_qty} {order.role.value}")
    return [
        LadderRow(price_paise=at, mine=", ".join(mine.get(at, ())), marks=" ".join(marks.get(at, ())))
        for at in sorted({*marks, *mine}, reverse=True)
    ]


def out_of_sight(
    own: Sequence[LadderRow], rungs: Sequence[LadderRow], most: int
) -> tuple[list[LadderRow], list[LadderRow]]:
    """Own prices above and below the window, `most` on each side; stop and target before orders, the entry last."""

    def chosen(rows: list[LadderRow]) -> list[LadderRow]:
        weighty = sorted(rows, key=lambda r: 0 if {"SL", "TP"} & set(r.marks.split()) else 1 if r.mine else 2)
        return sorted(weighty[:most], key=lambda r: -r.price_paise)

    above = [rung for rung in own if rung.price_paise > rungs[0].price_paise]
    below = [rung for rung in own if rung.price_paise < rungs[-1].price_paise]
    return chosen(above), chosen(below)


def pinned_row(rung: LadderRow, columns: tuple[Column, ...], arrow: str) -> Line:
    """A price outside the window, kept in sight at its edge."""
    row = rung_row(rung, columns, 0)
    return line((arrow, "warn"), *row[1:]) if row[0][0] == " " else line((arrow, "warn"), " ", *row)


def rung_row(rung: LadderRow, columns: tuple[Column, ...], move: int) -> Line:
    """One rung; the last price carries a `>` and its direction, so it is found without colour."""
    marks = clean(rung.marks).split()
    is_last = "LTP" in marks
    style = next((MARK_STYLE[mark] for mark in marks if mark in MARK_STYLE and mark != "LTP"), "")
    words = " ".join(part for part in (clean(rung.mine), " ".join(marks)) if part)
    last_mark: Span = (">" if is_last else "", "key")
    return cells(
        columns,
        [
            last_mark,
            plain_qty(rung.bid_qty) if rung.bid_qty else "",
            (price(rung.price_paise), "key" if is_last else style),
            plain_qty(rung.ask_qty) if rung.ask_qty else "",
            (f"{words} {move_mark(move)}" if is_last else words, "key" if is_last and not style else style),
        ],
    )


class LadderPanel(RowGrid):
    """The rungs around the last price; `j`/`k` look further, Home and End come back."""

    panel = Panel.LADDER

    def __init__(self, palette: Palette, *, id: str) -> None:
        super().__init__(palette, id=id)
        self._known: dict[LadderRow, Line] = {}
        self._columns: tuple[Column, ...] = ()

    def build(self, scene: Scene, width: int, height: int) -> list[Line]:
        leg = scene.state.selected_leg(scene.view)
        frame = self.frame(scene, width, height)
        if leg is None:
            return box(frame, Panelled(line(("2 Ladder", "title"))), [line(("no leg selected", "dim"))])
        columns = ladder_columns(width - 4)
        if columns != self._columns:
            self._columns = columns
            self._known.clear()
        above, rungs, below = self._window(scene, leg, height - 3)
        body = [header(columns), *(pinned_row(rung, columns, "^") for rung in above)]
        known: dict[LadderRow, Line] = {}
        for rung in rungs:
            known[rung] = self._known.get(rung) or rung_row(rung, columns, leg.ltp_move)
        self._known = known
        body += [rung_row(r, columns, leg.ltp_move) if "LTP" in r.marks else known[r] for r in rungs]
        body += [pinned_row(rung, columns, "v") for rung in below]
        if not rungs:
            body = [line(("no price yet", "dim"))]
        title = line(("2 Ladder  ", "title"), (clean(leg.name), "title"))
        right = line((f"step {price(leg.tick_paise)}  age {since(leg.tick_ns, scene.now_ns)}", "dim"))
        return box(frame, Panelled(title, right, self._foot(leg, scene)), body)

    def _rungs(self, scene: Scene, leg: LegView, room: int) -> list[LadderRow]:
        """Enough rungs to look `ladder_shift` away from the middle."""
        state = scene.state
        state.ladder_shift = max(-MAX_SHIFT, min(MAX_SHIFT, state.ladder_shift))
        wide = list(scene.console.ladder(leg.symbol, room + 2 * abs(state.ladder_shift), leg.bot))
        start = max(0, (len(wide) - room) // 2 - state.ladder_shift)
        return wide[start : start + room]

    def _window(
        self, scene: Scene, leg: LegView, room: int
    ) -> tuple[list[LadderRow], list[LadderRow], list[LadderRow]]:
        """Rungs in the middle, and above and below them the own prices that would be out of sight."""
        rungs = self._rungs(scene, leg, room)
        if len(rungs) < MIN_RUNGS_TO_PIN:
            return [], rungs, []
        own = own_prices(leg, scene.view.orders)
        most = min(MAX_PINNED, room // 4)
        above, below = out_of_sight(own, rungs, most)
        if above or below:
            # The pins take rows from the window, which moves its edges: what is out of sight is found again.
            rungs = self._rungs(scene, leg, room - len(above) - len(below))
            above, below = out_of_sight(own, rungs, most)
        return above, rungs[: max(1, room - len(above) - len(below))], below

    @staticmethod
    def _foot(leg: LegView, scene: Scene) -> Line:
        if scene.state.ladder_shift:
            return line((f"{scene.state.ladder_shift:+d} rungs from the middle", "warn"))
        return line((f"entry {price(leg.entry_paise)}", "dim")) if leg.open_qty else BLANK
