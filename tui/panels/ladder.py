"""Panel 2: the price ladder of the selected leg, with its own orders and bracket prices on the rungs."""

from __future__ import annotations

from engine.view import LadderRow, LegView
from tui.actions import Panel
from tui.format import clean, move_mark, plain_qty, price, since
from tui.lines import BLANK, Column, Line, Panelled, Span, box, cells, header, line, rest_column
from tui.panels.base import RowGrid, Scene

MARK_STYLE = {"SL": "loss", "TP": "gain", "TRAIL": "warn", "ENTRY": "title", "LTP": "key"}
MAX_SHIFT = 500


def ladder_columns(width: int) -> tuple[Column, ...]:
    fixed = (Column("", 1), Column("bid q", 6, True), Column("price", 8, True), Column("ask q", 6, True))
    return (*fixed, rest_column("own, marks", fixed, width))


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

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self._rows: list[Line] = []
        self._known: dict[LadderRow, Line] = {}
        self._columns: tuple[Column, ...] = ()

    def build(self, scene: Scene, width: int, height: int) -> list[Line]:
        leg = scene.state.selected_leg(scene.view)
        frame = self.frame(scene, width, height)
        if leg is None:
            return box(frame, Panelled(line(("2 Ladder", "title"))), [line(("no leg selected", "dim"))])
        room = height - 3
        columns = ladder_columns(width - 4)
        if columns != self._columns:
            self._columns = columns
            self._known.clear()
        rungs = self._rungs(scene, leg, room)
        body = [header(columns)]
        known: dict[LadderRow, Line] = {}
        for rung in rungs:
            known[rung] = self._known.get(rung) or rung_row(rung, columns, leg.ltp_move)
        self._known = known
        body += [rung_row(r, columns, leg.ltp_move) if "LTP" in r.marks else known[r] for r in rungs]
        if not rungs:
            body = [line(("no price yet", "dim"))]
        title = line(("2 Ladder  ", "title"), (clean(leg.name), "title"))
        right = line((f"step {price(leg.tick_paise)}  age {since(leg.tick_ns, scene.now_ns)}", "dim"))
        return box(frame, Panelled(title, right, self._foot(leg, scene)), body)

    def _rungs(self, scene: Scene, leg: LegView, room: int) -> list[LadderRow]:
        """Enough rungs to look `ladder_shift` away from the middle."""
        state = scene.state
        state.ladder_shift = max(-MAX_SHIFT, min(MAX_SHIFT, state.ladder_shift))
        wide = list(scene.console.ladder(leg.symbol, room + 2 * abs(state.ladder_shift)))
        start = max(0, (len(wide) - room) // 2 - state.ladder_shift)
        return wide[start : start + room]

    @staticmethod
    def _foot(leg: LegView, scene: Scene) -> Line:
        if scene.state.ladder_shift:
            return line((f"{scene.state.ladder_shift:+d} rungs from the middle", "warn"))
        return line((f"entry {price(leg.entry_paise)}", "dim")) if leg.open_qty else BLANK
