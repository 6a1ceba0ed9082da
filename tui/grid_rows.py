"""What the grid panel says, line by line: levels, the last price between them, hedges, what ends it. Pure."""

from __future__ import annotations

from typing import Final

from engine.grid.terms import GridKind, TradeSide
from engine.grid.view import GridHedgeView, GridLevelView, GridView, HedgeWord, LevelWord, TokenView
from engine.money import rupees_text
from engine.view import StatusView
from tui.format import (
    AgeLimits,
    Toned,
    clean,
    freshness,
    money,
    money_style,
    move_mark,
    percent_used,
    plain_qty,
    price,
    since,
    tail,
)
from tui.lines import Column, Line, Span, cells, line, rest_column, width_of
from tui.selection import grid_holdings

HEDGE_WIDTH: Final = 52
TARGET_WIDTH: Final = 72
FULL_WIDTH: Final = 100
_BAR_CELLS: Final = 10
_NARROW = (
    Column("lvl", 3),
    Column("price", 7, True),
    Column("want", 5, True),
    Column("work", 4, True),
    Column("fill", 4, True),
    Column("state", 12),
)
_MEDIUM = (
    Column("lvl", 3),
    Column("price", 8, True),
    Column("target", 8, True),
    Column("want", 6, True),
    Column("work", 5, True),
    Column("filled", 6, True),
    Column("state", 13),
)
_FULL = (*_MEDIUM, Column("hedge", 24), Column("cyc", 3, True), Column("order", 6))

_LEVEL_STYLE: Final[dict[LevelWord, str]] = {
    LevelWord.FRESH: "dim",
    LevelWord.TARGET_READY: "warn",
    LevelWord.OCO_FILLED: "loss",
    LevelWord.PAUSED: "warn",
    LevelWord.DONE: "dim",
}
_NARROW_WORD: Final[dict[LevelWord, str]] = {
    LevelWord.TARGET_READY: "TGT_READY",
    LevelWord.TARGET_PLACED: "TGT_PLACED",
    LevelWord.PAUSED: "PAUSED !",
}
_HEDGE_STYLE: Final[dict[HedgeWord, str]] = {
    HedgeWord.NONE: "dim",
    HedgeWord.HELD_BACK: "",
    HedgeWord.RESTING: "gain",
    HedgeWord.DUE: "warn",
    HedgeWord.EXECUTING: "warn",
    HedgeWord.FILLED: "loss",
    HedgeWord.UNHEDGED: "naked",
}
_HEDGE_MARK: Final[dict[HedgeWord, str]] = {
    HedgeWord.DUE: " !",
    HedgeWord.EXECUTING: " >",
}


def columns_for(width: int, *, is_hedged: bool) -> tuple[Column, ...]:
    """Level, price, wanted, working, filled and state at every width; the hedge and the target as there is room."""
    if width >= FULL_WIDTH:
        return (*_FULL, rest_column("note", _FULL, width))
    if width >= TARGET_WIDTH:
        return (*_MEDIUM, rest_column("hedge" if is_hedged else "note", _MEDIUM, width))
    if width >= HEDGE_WIDTH:
        return (*_NARROW, rest_column("hedge" if is_hedged else "note", _NARROW, width))
    return _NARROW


def wanted_text(level: GridLevelView) -> str:
    """`100B`: what is wanted next, and on which side; nothing of a level that is closed for good."""
    is_closed = level.state in (LevelWord.OCO_FILLED, LevelWord.DONE)
    return f"{level.wanted_qty}{level.wanted_side.value[0]}" if level.wanted_qty and not is_closed else "-"


def state_cell(level: GridLevelView, *, is_narrow: bool = False, has_hedge: bool = True) -> Span:
    """The state in words; where there is no column for the hedge, a missing one stands here instead."""
    if not has_hedge and level.hedge_state is HedgeWord.UNHEDGED:
        return ("!! UNHEDGED", "naked")
    if level.state is LevelWord.PAUSED:
        return ("PAUSED !", "warn")
    part = level.state is LevelWord.ENTRY_PLACED and level.filled_qty > 0
    word = "PART_FILLED" if part else (_NARROW_WORD if is_narrow else {}).get(level.state, level.state.value)
    return (word, "warn" if part else _LEVEL_STYLE.get(level.state, ""))


def hedge_cell(level: GridLevelView, width: int) -> Span:
    """`118.50 resting 50/50`: where its hedge stands, in what state, covered of needed; the word is never cut.

    A level without one has room for its remark: why it was not placed.
    """
    if level.hedge_state is HedgeWord.NONE:
        return note_cell(level)
    word = level.hedge_state.value + _HEDGE_MARK.get(level.hedge_state, "")
    style = _HEDGE_STYLE[level.hedge_state]
    if level.hedge_state is HedgeWord.UNHEDGED:
        word = "!! UNHEDGED"
    counted = f"{level.hedge_covered_qty}/{level.hedge_needed_qty}" if level.hedge_needed_qty else ""
    at = price(level.hedge_trigger_paise) if level.hedge_trigger_paise else ""
    for parts in ((at, word, counted), (word, counted), (word,)):
        text = " ".join(part for part in parts if part)
        if len(text) <= width:
            return (text, style)
    return (word, style)


def note_cell(level: GridLevelView) -> Span:
    return (clean(level.note) or "-", "warn" if level.note and level.state is LevelWord.PAUSED else "dim")


def level_row(level: GridLevelView, columns: tuple[Column, ...]) -> Line:
    values: list[Span | str] = []
    is_narrow = columns[1].width == _NARROW[1].width
    has_hedge = any(column.title == "hedge" for column in columns)
    for column in columns:
        match column.title:
            case "lvl":
                values.append((level.label, "title" if level.open_qty else ""))
            case "price":
                values.append((price(level.price_paise), "" if level.state is not LevelWord.FRESH else "dim"))
            case "target":
                values.append((price(level.target_paise), "title" if level.works_target else "dim"))
            case "want":
                values.append(wanted_text(level))
            case "work":
                values.append(plain_qty(level.working_qty))
            case "fill" | "filled":
                values.append(plain_qty(level.filled_qty))
            case "state":
                values.append(state_cell(level, is_narrow=is_narrow, has_hedge=has_hedge))
            case "hedge":
                has_note = columns[-1].title == "note"
                values.append(
                    ("-", "dim")
                    if has_note and level.hedge_state is HedgeWord.NONE
                    else hedge_cell(level, column.width)
                )
            case "cyc":
                values.append(str(level.cycles))
            case "order":
                values.append(tail(level.order_tag, column.width) or "-")
            case _:
                values.append(note_cell(level))
    return cells(columns, values)


def price_row(grid: GridView, status: StatusView, limits: AgeLimits, width: int, arrow: str = "-") -> Line:
    """The last price in its place between the levels; `^` or `v` at the edge when its place is out of sight."""
    token = grid.token_a
    if not token.ltp_paise:
        where = f"centre {price(grid.centre_paise)}" if grid.centre_paise else "the first price is the centre"
        middle = line((f" no {clean(token.symbol)} price yet, {where} ", "stale"))
    else:
        middle = line(" ", *token_words(token, status, limits, with_name=False), " ")
    left = line((arrow * 7, "frame"))
    return (*left, *middle, (arrow * max(0, width - width_of(left) - width_of(middle)), "frame"))


def token_words(token: TokenView, status: StatusView, limits: AgeLimits, *, with_name: bool = True) -> Line:
    """`SBIN 120.45 ^ age 0.2s`, `~` in front of a price that is no longer believed."""
    fresh = freshness(token.tick_ns, status.feed_ns, status.now_ns, limits)
    name = f"{clean(token.symbol)} " if with_name else "LTP "
    if not token.ltp_paise:
        return line(name, ("no price", "stale"))
    mark = "~" if fresh.is_stale else ""
    return line(
        name,
        (f"{mark}{price(token.ltp_paise)} {move_mark(token.ltp_move)}", "stale" if fresh.is_stale else "title"),
        "  age ",
        (fresh.text, fresh.style),
    )


def status_words(grid: GridView) -> Toned:
    """How the grid stands, for the title: its status, else what holds entries back."""
    if not grid.is_active:
        return Toned(clean(grid.status), "alarm" if grid.status.startswith("Terminated") else "warn")
    return Toned("Active" if grid.entries == "ON" else f"entries {clean(grid.entries)}", _tone(grid.entries != "ON"))


def position_lines(grid: GridView, width: int, *, is_brief: bool) -> list[Line]:
    """What it holds and what it has earned; one line where both fit. Only the parts of the P&L may be left out."""
    net, token = grid.token_a.net_qty, grid.token_a
    held = line(f"net {net:+d} @ {price(token.average_paise)}" if net else "net 0")
    if grid.token_b is not None and grid.token_b.net_qty:
        other = grid.token_b
        held = line(*held, f"  {clean(other.symbol)} {other.net_qty:+d} @ {price(other.average_paise)}")
    total = line(("P&L ", "dim"), (money(grid.total_paise), money_style(grid.total_paise)))
    parts = f"real {money(grid.realised_paise)} open {money(grid.open_paise)} chg {money(-grid.charges_paise)}"
    cycles = line((f"   cycles {grid.cycles}", "dim"))
    full = line(*total, (f" ({parts})", "dim"))
    if not is_brief and width_of(full) <= width:
        earned = full
        held = line(*held, *cycles)
    else:
        earned = line(*total, *cycles)
    together = line(*held, "   ", *earned)
    return [together] if width_of(together) <= width else [held, earned]


def used_line(grid: GridView, *, is_brief: bool) -> Line:
    """Units against MaxQuantity, and what reaching it means (GRD-28)."""
    if not grid.max_qty:
        return line(f"used {grid.used_qty}", (" of no maximum", "dim"))
    percent = percent_used(grid.used_qty, grid.max_qty)
    filled = min(_BAR_CELLS, percent * _BAR_CELLS // 100)
    bar = "" if is_brief or grid.max_reached else f"[{'#' * filled}{'.' * (_BAR_CELLS - filled)}] "
    said = line(f"used {grid.used_qty} of max {grid.max_qty} ", (f"{bar}{percent}%", _tone(percent >= 80)))
    if grid.max_reached:
        return line(*said, ("  ! MAX REACHED, entries pause", "warn"))
    return said


def unhedged_line(grid: GridView) -> Line:
    """Levels whose hedge stands nowhere: never left out, whatever else is."""
    bare = grid.unhedged
    if not bare:
        return ()
    units = sum(level.hedge_needed_qty - level.hedge_covered_qty for level in bare)
    names = " ".join(level.label for level in bare)
    token = clean(grid.token_b.symbol) if grid.token_b is not None else "units"
    return line((f" !! UNHEDGED {names}: {units} {token} without a hedge ", "naked"))


def hedge_line(hedge: GridHedgeView, grid: GridView, now_ns: int, width: int) -> Line:
    """`hedge SELL SBIN 118.50/117.90 x50  50/50 resting 41s  B1 DEMO3`: covered of needed before the state."""
    token = clean(grid.token_b.symbol) if grid.token_b is not None else ""
    is_narrow = width < HEDGE_WIDTH
    head = f"{hedge.direction.value} " if is_narrow else f"hedge {hedge.direction.value} {token} "
    qty = f"x{hedge.qty} " if hedge.qty else ""
    word = hedge_word(hedge, now_ns, is_narrow=is_narrow)
    short = hedge.covered_qty < hedge.needed_qty
    covered = (f" {hedge.covered_qty}/{hedge.needed_qty} ", "warn" if short else "gain")
    said = line(head, f"{hedge_price(hedge, is_narrow=is_narrow)} {qty}", covered, word)
    where = f"  {clean(hedge.levels)} {clean(hedge.account)}".rstrip()
    return (*said, *line((where, "dim"))) if width_of(said) + len(where) <= width else said


def hedge_price(hedge: GridHedgeView, *, is_narrow: bool = False) -> str:
    """`118.50/117.90`, the trigger alone where it is narrow; `market` once it is due without one."""
    if not hedge.trigger_paise:
        return "market" if hedge.state in (HedgeWord.DUE, HedgeWord.EXECUTING) else "-"
    trigger = price(hedge.trigger_paise)
    return f"{trigger}/{price(hedge.limit_paise)}" if hedge.limit_paise and not is_narrow else trigger


def hedge_word(hedge: GridHedgeView, now_ns: int, *, is_narrow: bool = False) -> Toned:
    """The state, its age, and that a trigger is only watched here, which dies with this program."""
    word = "!! UNHEDGED" if hedge.state is HedgeWord.UNHEDGED else hedge.state.value + _HEDGE_MARK.get(hedge.state, "")
    age = f" {since(hedge.since_ns, now_ns)}" if hedge.since_ns else ""
    if hedge.state is HedgeWord.HELD_BACK and not hedge.is_resting:
        age = ", watched" if is_narrow else ", watched here"
    return Toned(f"{word}{age}", _HEDGE_STYLE[hedge.state])


def limit_lines(grid: GridView, width: int, *, is_brief: bool) -> list[Line]:
    used, ends = used_line(grid, is_brief=is_brief), ends_line(grid, is_short=width < HEDGE_WIDTH)
    return [line(*used, "   ", *ends)] if is_brief and width_of(used) + 3 + width_of(ends) <= width else [used, ends]


def hedge_lines(grid: GridView, now_ns: int, width: int) -> list[Line]:
    """Every hedge that works or is due, each on a line; those held back on one. What is missing has its own line."""
    told_elsewhere = (HedgeWord.HELD_BACK, HedgeWord.UNHEDGED) if grid.unhedged else (HedgeWord.HELD_BACK,)
    urgent = sorted((h for h in grid.hedges if h.state not in told_elsewhere), key=hedge_urgency)
    lines = [hedge_line(hedge, grid, now_ns, width) for hedge in urgent]
    waiting = [hedge for hedge in grid.hedges if hedge.state is HedgeWord.HELD_BACK]
    if len(waiting) == 1:
        return [*lines, hedge_line(waiting[0], grid, now_ns, width)]
    if waiting:
        units, names = sum(hedge.qty for hedge in waiting), " ".join(hedge.levels for hedge in waiting)
        lines.append(line(f"{len(waiting)} hedges held back, {units} units, watched here  ", (clean(names), "dim")))
    return lines


_URGENCY: Final = (
    HedgeWord.UNHEDGED,
    HedgeWord.DUE,
    HedgeWord.EXECUTING,
    HedgeWord.RESTING,
    HedgeWord.HELD_BACK,
    HedgeWord.FILLED,
    HedgeWord.NONE,
)


def hedge_urgency(hedge: GridHedgeView) -> int:
    """0 = needs a trader most."""
    return _URGENCY.index(hedge.state)


def ends_line(grid: GridView, *, is_short: bool = False) -> Line:
    """What would end the grid, and how far it is from it (GRD-43, GRD-44)."""
    if not grid.is_hedged:
        return line(("ends only by hand: no hedge", "dim"))
    spans: list[Span | str] = ["ends: " if is_short else "ends at "]
    for name, count, limit in (
        ("imbalance" if is_short else "OCO imbalance", grid.imbalance, grid.imbalance_limit),
        ("overdue", grid.overdue, grid.overdue_limit),
    ):
        close = bool(limit) and (count >= limit - 1) and count > 0
        spans += [", " if len(spans) > 1 else "", (f"{name} {count} of {limit}{' !' if close else ''}", _tone(close))]
    return line(*spans)


def counters_line(grid: GridView) -> Line:
    """Units and hedge fills of each side (GRD-31)."""
    return line(
        f"upside {grid.upside_net_qty}",
        (f" oco {grid.upside_oco_count}", _tone(bool(grid.upside_oco_count))),
        f"   downside {grid.downside_net_qty}",
        (f" oco {grid.downside_oco_count}", _tone(bool(grid.downside_oco_count))),
    )


def shape_line(grid: GridView) -> Line:
    kind = "" if grid.kind is GridKind.LINEAR else f"{grid.kind.value} "
    entries = f", entries {clean(grid.entries)}" if grid.is_active else ""
    return line((f"{kind}{grid.trade_type.value}, centre {price(grid.centre_paise)}{entries}", "dim"))


def accounts_line(grid: GridView) -> Line:
    """Which account does what; a shared one is named once (GRD-38, GRD-39)."""
    accounts = grid.accounts
    if not grid.is_hedged:
        return line(("account ", "dim"), clean(accounts.trade))
    if accounts.is_same_oco:
        return line(("trade ", "dim"), clean(accounts.trade), ("  oco ", "dim"), clean(accounts.upside_oco))
    return line(
        ("trade ", "dim"),
        clean(accounts.trade),
        ("  up ", "dim"),
        clean(accounts.hedge(TradeSide.UPSIDE)),
        ("  down ", "dim"),
        clean(accounts.hedge(TradeSide.DOWNSIDE)),
    )


def info_lines(
    grid: GridView, status: StatusView, limits: AgeLimits, width: int, *, is_brief: bool = False
) -> list[Line]:
    """Everything but the levels, the most needed first: a small panel shows the head of it, in fewer words."""
    lines: list[Line] = [unhedged_line(grid)]
    lines += [line((clean(grid.note), "warn"))] if grid.note else []
    lines += limit_lines(grid, width, is_brief=is_brief) if is_brief else []
    lines += hedge_lines(grid, status.now_ns, width)
    lines += position_lines(grid, width, is_brief=is_brief)
    lines += [] if is_brief else limit_lines(grid, width, is_brief=is_brief)
    lines += [token_words(grid.token_b, status, limits)] if grid.token_b is not None else []
    lines += [counters_line(grid), shape_line(grid), accounts_line(grid)]
    return [told for told in lines if told]


def level_facts(grid: GridView, level: GridLevelView) -> list[tuple[str, Line]]:
    """One level in full, for the details page."""
    limit = rupees_text(level.target_paise) if level.target_paise else "-"
    hedge = hedge_cell(level, 60)
    needed = f"  covered {level.hedge_covered_qty} of {level.hedge_needed_qty}" if level.hedge_needed_qty else ""
    return [
        (
            "level",
            line((level.label, "title"), f"  {level.trade_side.value} of {clean(grid.bot)}, id {level.level_id}"),
        ),
        ("state", line(state_cell(level))),
        ("entry", line(f"{level.side.value} at {price(level.price_paise)}, filled {level.filled_qty}")),
        ("target", line(f"{level.side.opposite.value} at {limit}")),
        ("working", line(f"{level.working_qty} of {wanted_text(level)}  order {clean(level.order_tag) or '-'}")),
        ("hedge", line(hedge, needed)),
        ("holds", line(level_holdings(grid, level))),
        ("unrealised", line(money(level.open_paise))),
        ("cycles", line(str(level.cycles))),
        ("note", line(clean(level.note) or "-")),
        ("grid", line(grid_holdings(grid) or "flat", f"  {clean(grid.status)}")),
    ]


def level_holdings(grid: GridView, level: GridLevelView) -> str:
    """`IRFC +100, SBIN -50`: the open pair of a level (GRD-42)."""
    held = [f"{clean(grid.token_a.symbol)} {level.open_qty:+d}"] if level.open_qty else []
    if level.hedge_open_qty and grid.token_b is not None:
        held.append(f"{clean(grid.token_b.symbol)} {level.hedge_open_qty:+d}")
    return ", ".join(held) or "nothing"


def _tone(is_notable: bool) -> str:
    return "warn" if is_notable else ""
