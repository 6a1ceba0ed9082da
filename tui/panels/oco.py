"""Panel 3: brackets and the hedges of grids. Open against covered, both exits with where they live, the proof line."""

from __future__ import annotations

from collections.abc import Sequence

from engine.grid.view import GridHedgeView, GridView, HedgeWord
from engine.instant import NS_PER_S
from engine.view import BracketView, DeskView, ExitView, OrderView, ProtectionWord
from tui.actions import Panel
from tui.format import clean, doubt_words, exit_home, exit_price, price, since, tail
from tui.grid_rows import hedge_price, hedge_urgency, hedge_word
from tui.lines import Column, Line, Panelled, Span, box, cells, header, line, rest_column
from tui.panels.base import RowGrid, Scene
from tui.selection import shown_brackets, top_for_cursor

NARROW_COLUMNS = (
    Column("bracket", 7),
    Column("leg", 8),
    Column("state", 12),
    Column("cov/open", 9),
    Column("SL", 17),
    Column("TP", 14),
)
WIDE_WIDTH = 108
FULL_WIDTH = 122
_LOUD = (ProtectionWord.EXIT_FAILED, ProtectionWord.SURPLUS, ProtectionWord.PROVING, ProtectionWord.UNKNOWN)
"""Words that say more than the bracket's state does."""
_TOLD_NS = 300 * NS_PER_S
"""How long the end of a doubt stays told."""
_NOTES_MAX = 4
WIDE_COLUMNS = (
    Column("bracket", 12),
    Column("leg", 10),
    Column("bot", 12),
    Column("style", 9),
    Column("state", 12),
    Column("open", 5, True),
    Column("cov/open", 9),
    Column("SL", 24),
    Column("TP", 16),
)
_WITHOUT_BOT = tuple(column for column in WIDE_COLUMNS if column.title != "bot")


def columns_for(width: int) -> tuple[Column, ...]:
    """The trail takes what a wide panel has left; without room for everything the bot goes first."""
    if width < WIDE_WIDTH:
        return NARROW_COLUMNS
    most = WIDE_COLUMNS if width >= FULL_WIDTH else _WITHOUT_BOT
    return (*most, rest_column("trail", most, width))


def covered_text(bracket: BracketView) -> Span:
    open_qty = abs(bracket.open_qty)
    if not open_qty:
        return ("-", "dim")
    short = bracket.covered_qty < open_qty
    return (f"{bracket.covered_qty}/{open_qty}{' !' if short else ''}", "warn" if short else "gain")


def exit_cell(exit_: ExitView | None, now_ns: int, *, is_wide: bool) -> Span:
    if exit_ is None:
        return ("-", "dim")
    home = exit_home(exit_, now_ns, is_narrow=True)
    return (f"{exit_price(exit_) if is_wide else price(exit_.price_paise)} {home.text}", home.style)


def bracket_row(bracket: BracketView, columns: tuple[Column, ...], now_ns: int) -> Line:
    is_wide = columns is not NARROW_COLUMNS
    head: list[Span | str] = [tail(bracket.bracket_id, 12 if is_wide else 7), clean(bracket.name)]
    loud = bracket.word in _LOUD
    state = (bracket.word.value if loud else bracket.state.value, "warn" if bracket.alarm or loud else "")
    head += [clean(bracket.bot)] if any(column.title == "bot" for column in columns) else []
    head += [bracket.style.value, state, str(bracket.open_qty)] if is_wide else [state]
    body: list[Span | str] = [
        covered_text(bracket),
        exit_cell(bracket.stop, now_ns, is_wide=is_wide),
        exit_cell(bracket.target, now_ns, is_wide=is_wide),
    ]
    if is_wide:
        body.append(clean(bracket.trail) or "off")
    return cells(columns, head + body)


def doubt_lines(view: DeskView, now_ns: int) -> list[Line]:
    """Every unanswered order with what is being done, then how the newest doubts ended; newest first."""
    open_ones: list[Line] = []
    ended: list[Line] = []
    for order in view.orders:
        doubt = order.doubt
        if doubt is None:
            continue
        name = f"{clean(order.name)} {order.role.value}"
        if not doubt.outcome:
            age = since(doubt.since_ns, now_ns)
            open_ones.append(line((f"{name} {age}: ", "warn"), doubt_words(doubt, now_ns)))
        elif now_ns - doubt.ended_ns < _TOLD_NS:
            ended.append(line((f"{name} ", "dim"), doubt_words(doubt, now_ns), (successor(order, view), "title")))
    return open_ones + ended


def successor(order: OrderView, view: DeskView) -> str:
    """The order that took the place of one that was never placed."""
    if order.is_open:
        return ""
    same = [o for o in view.orders if o.bracket_id == order.bracket_id and o.role is order.role]
    newer = same[: same.index(order)]
    return f"; now {tail(newer[-1].tag, 7)} {newer[-1].state.value}" if newer else ""


def hedge_row(hedge: GridHedgeView, grid: GridView, columns: tuple[Column, ...], now_ns: int) -> Line:
    """A hedge under the brackets' columns: its trigger stands where a stop does, its account where a style does."""
    is_wide = columns is not NARROW_COLUMNS
    word = hedge_word(hedge, now_ns)
    short = hedge.covered_qty < hedge.needed_qty
    at = hedge_price(hedge) if is_wide or not hedge.trigger_paise else price(hedge.trigger_paise)
    home = "resting" if hedge.is_resting else "watched" if hedge.state is HedgeWord.HELD_BACK else ""
    token = clean(grid.token_b.symbol) if grid.token_b is not None else "-"
    name = f"H-{hedge.trade_side.value if is_wide else hedge.trade_side.value.removesuffix('side')}"
    head: list[Span | str] = [name, token]
    state = (hedge.state.value, word.style)
    head += [clean(grid.bot)] if any(column.title == "bot" for column in columns) else []
    head += [clean(hedge.account), state, str(hedge.qty)] if is_wide else [state]
    covered = (f"{hedge.covered_qty}/{hedge.needed_qty}{' !' if short else ''}", "warn" if short else "gain")
    body: list[Span | str] = [covered, f"{at} {home}".strip(), f"{hedge.direction.value} x{hedge.qty}"]
    return cells(columns, [*head, *body, clean(hedge.levels)] if is_wide else [*head, *body])


def hedge_lines(view: DeskView, columns: tuple[Column, ...]) -> list[Line]:
    """Every hedge of every grid, those that need a trader first."""
    rows = [(hedge, grid) for grid in view.grids for hedge in grid.hedges]
    rows.sort(key=lambda row: hedge_urgency(row[0]))
    return [hedge_row(hedge, grid, columns, view.status.now_ns) for hedge, grid in rows]


def proof_line(brackets: Sequence[BracketView], grids: Sequence[GridView] = ()) -> Line:
    """Working exits against open quantity: per bracket, those of a grid added up; says only what the numbers show."""
    held = [b for b in brackets if b.open_qty or b.working_exit_qty]
    if not held:
        return line(("no exits working, nothing open", "dim"))
    broken = [b for b in held if b.working_exit_qty > abs(b.open_qty)]
    bots = {grid.bot for grid in grids}
    sums = [(b.name, b.working_exit_qty, abs(b.open_qty)) for b in held if b.bot not in bots]
    for bot in sorted({b.bot for b in held} & bots):
        own = [b for b in held if b.bot == bot]
        sums.append((bot, sum(b.working_exit_qty for b in own), sum(abs(b.open_qty) for b in own)))
    numbers = "  ".join(f"{clean(name)} {working}/{open_qty}" for name, working, open_qty in sums)
    if broken:
        return line((f"!! working exits EXCEED open: {numbers}", "alarm"))
    return line(("working exits / open:  ", "dim"), numbers)


class OcoPanel(RowGrid):
    """Brackets as a table, alarms first."""

    panel = Panel.OCO

    def build(self, scene: Scene, width: int, height: int) -> list[Line]:
        brackets = shown_brackets(scene.view)
        columns = columns_for(width - 4)
        alarms = [bracket for bracket in brackets if bracket.alarm]
        hedges = hedge_lines(scene.view, columns)
        count = f"{sum(1 for b in brackets if b.open_qty)} open"
        count += f", {len(hedges)} hedge{'' if len(hedges) == 1 else 's'}" if scene.view.grids else ""
        alarmed = len(alarms) + sum(hedge.state is HedgeWord.UNHEDGED for g in scene.view.grids for hedge in g.hedges)
        right = line(
            (f"{count}, ", "dim"), (f"{alarmed} alarm{'' if alarmed == 1 else 's'}", "warn" if alarmed else "dim")
        )
        title = line(("3 OCO brackets", "title"))
        if not brackets and not hedges:
            said = Panelled(title, right)
            told = doubt_lines(scene.view, scene.now_ns)
            word = (
                "no hedge yet: a filled entry makes one" if scene.view.grids else "no open bracket: an entry makes one"
            )
            empty = line((word, "dim"))
            return box(self.frame(scene, width, height), said, [empty, *told])
        notes = doubt_lines(scene.view, scene.now_ns)
        notes += [line((f"alarm {clean(b.name)}: {clean(b.alarm)}", "warn")) for b in alarms]
        notes = notes[: max(0, min(_NOTES_MAX, height - 5))]
        room = max(1, height - 3 - len(notes))
        hedges = hedges[: room - min(len(brackets), max(1, room // 2))]
        room -= len(hedges)
        selected = scene.state.bracket(scene.view)
        index = brackets.index(selected) if selected is not None else -1
        self._top = top_for_cursor(self._top, index, room, len(brackets))
        body = [header(columns)]
        for bracket in brackets[self._top : self._top + room]:
            ages = tuple(since(e.since_ns, scene.now_ns) if e else "" for e in (bracket.stop, bracket.target))

            def build(bracket: BracketView = bracket) -> list[Line]:
                return [bracket_row(bracket, columns, scene.now_ns)]

            body += self._memo.lines(bracket.bracket_id, bracket, (width, ages), build)
        body += hedges
        everything = sorted(scene.view.brackets, key=lambda bracket: not bracket.alarm)
        cursor_row = index - self._top + 1 if scene.state.panel is Panel.OCO and index >= 0 else -1
        said = Panelled(title, right, proof_line(everything, scene.view.grids), cursor_row)
        return box(self.frame(scene, width, height), said, body + notes)
