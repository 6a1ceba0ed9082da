"""The details page: one order or one leg in full, broker text and all, printed literally."""

from __future__ import annotations

from textwrap import wrap

from engine.instant import clock_text
from engine.view import BracketView, DeskView, ExitView, LegView, OrderView
from tui.actions import Panel
from tui.format import (
    clean,
    doubt_words,
    exit_home,
    exit_price,
    money,
    order_price,
    order_state,
    price,
    protection,
    quantity,
    rule_words,
    since,
)
from tui.grid_rows import level_facts
from tui.lines import BLANK, Line, Span, line
from tui.panels.base import Scene
from tui.panels.log import LEVEL_STYLE
from tui.selection import log_matches

_LABEL_WIDTH = 14
LOG_LINES_IN_FULL = 60


def _fact(label: str, *spans: Span | str) -> Line:
    return line((f"{label:<{_LABEL_WIDTH}}", "dim"), *spans)


def _paragraph(label: str, text: str, width: int, style: str = "") -> list[Line]:
    """A long outside text, wrapped, never interpreted."""
    rows = wrap(clean(text), max(20, width - _LABEL_WIDTH)) or ["-"]
    return [_fact(label if index == 0 else "", (row, style)) for index, row in enumerate(rows)]


def order_lines(order: OrderView, now_ns: int, width: int) -> list[Line]:
    state = order_state(order.state, order.pending)
    stamp = clock_text(order.state_ns, decimals=3) if order.state_ns else "-"
    lines = [
        _fact("tag", (clean(order.tag), "title")),
        _fact("broker id", clean(order.broker_id) or "- (not acknowledged)"),
        _fact("instrument", f"{clean(order.name)}  ({clean(order.symbol)})"),
        _fact("order", f"{order.side.value} {order.qty} {order.type.value} at {order_price(order)}"),
        _fact("role", order.role.value),
        _fact("why", clean(order.why) or "-"),
        _fact("state", (state.text, state.style), f"  since {stamp} ({since(order.state_ns, now_ns)})"),
        _fact("filled", f"{order.filled_qty} of {order.qty}, average {price(order.average_paise)}"),
    ]
    if order.doubt is not None:
        lines += _paragraph(
            "unanswered", doubt_words(order.doubt, now_ns), width, "" if order.doubt.outcome else "warn"
        )
    if order.reject_text:
        lines += _paragraph("broker says", order.reject_text, width, "loss")
    return lines


def exit_lines(label: str, exit_: ExitView | None, now_ns: int) -> Line:
    if exit_ is None:
        return _fact(label, ("none", "dim"))
    return _fact(label, f"{exit_price(exit_)} x{exit_.qty}  ", exit_home(exit_, now_ns))


def leg_lines(leg: LegView, now_ns: int, width: int) -> list[Line]:
    word = protection(leg, now_ns)
    return [
        _fact("leg", (clean(leg.title) or clean(leg.name), "title"), f"  ({clean(leg.symbol)})"),
        _fact("bot", f"{clean(leg.bot)}, exits {leg.style.value}, bracket {leg.state.value}"),
        _fact("protection", (word.text, word.style)),
        _fact("position", quantity(leg.open_qty, leg.lots) if leg.open_qty else "flat", f"  lot {leg.lot_size}"),
        _fact("entry", price(leg.entry_paise)),
        _fact("unrealised", money(leg.unrealised_paise)),
        _fact("realised", money(leg.realised_paise), "  today"),
        exit_lines("stop", leg.stop, now_ns),
        exit_lines("target", leg.target, now_ns),
        *([exit_lines("leaving", leg.leaving, now_ns)] if leg.leaving else []),
        _fact("trail", clean(leg.trail) or "off"),
        *rule_lines(leg, now_ns, width),
        *(
            [_fact("unexpected", (f"{leg.unexpected_qty:+d} at the broker, not ours; n adopts", "alarm"))]
            if leg.unexpected_qty
            else []
        ),
        *_paragraph("next", leg.next_step or "-", width),
        *_paragraph("note", leg.note or "-", width),
    ]


def rule_lines(leg: LegView, now_ns: int, width: int) -> list[Line]:
    """Every exit rule of the position: level, distance, age of its newest candle, and what it looks at."""
    lines: list[Line] = []
    for rule in leg.rules:
        style = "warn" if rule.trouble else ""
        lines += _paragraph("rule" if not lines else "", rule_words(rule, leg.ltp_paise, now_ns), width, style)
    return lines


def timeline(view: DeskView, bracket_id: str, now_ns: int, width: int) -> list[Line]:
    """Every order of a bracket, oldest first, with its state and what became of it."""
    lines: list[Line] = []
    for order in reversed([order for order in view.orders if order.bracket_id == bracket_id]):
        state = order_state(order.state, order.pending)
        stamp = clock_text(order.state_ns, decimals=1) if order.state_ns else "-"
        filled = f" filled {order.filled_qty}" if order.filled_qty else ""
        head = f"{stamp} {order.role.value:<6} {clean(order.tag)} {order.qty} at {order_price(order)} "
        lines.append(_fact("orders" if not lines else "", head, (state.text, state.style), filled))
        if order.doubt is not None:
            lines += _paragraph("", "           " + doubt_words(order.doubt, now_ns), width, "warn")
    return lines


def bracket_lines(bracket: BracketView, view: DeskView, width: int) -> list[Line]:
    now_ns = view.status.now_ns
    return [
        _fact("bracket", (clean(bracket.bracket_id), "title"), f"  {clean(bracket.name)}, bot {clean(bracket.bot)}"),
        _fact("state", f"{bracket.state.value}, exits {bracket.style.value}"),
        _fact("open", f"{bracket.open_qty}, covered {bracket.covered_qty}, working exits {bracket.working_exit_qty}"),
        exit_lines("stop", bracket.stop, now_ns),
        exit_lines("target", bracket.target, now_ns),
        _fact("trail", clean(bracket.trail) or "off"),
        *(_paragraph("alarm", bracket.alarm, width, "warn") if bracket.alarm else []),
        *timeline(view, bracket.bracket_id, now_ns, width),
    ]


def log_lines(scene: Scene, width: int) -> list[Line]:
    """The log lines around the reader's place, newest first, in full."""
    wanted = scene.state.filter_of(Panel.LOG)
    newest = scene.view.log_seq - scene.state.log_back
    entries = [e for e in scene.console.log_since(max(0, newest - LOG_LINES_IN_FULL)) if e.seq <= newest]
    lines: list[Line] = []
    for entry in reversed([entry for entry in entries if log_matches(entry, wanted)]):
        lines.append(
            _fact(clock_text(entry.at_ns, decimals=3), (clean(entry.level), LEVEL_STYLE.get(entry.level, "dim")))
        )
        lines += _paragraph("  " + clean(entry.source)[:10], entry.text, width)
    return lines or [line(("nothing to show", "dim"))]


def details_lines(scene: Scene, width: int) -> list[Line]:
    """Details of what the cursor of the focused panel means, with its leg below an order or a bracket."""
    view, state, now_ns = scene.view, scene.state, scene.now_ns
    lines: list[Line] = []
    if state.panel is Panel.ORDERS and (order := state.order(view)) is not None:
        lines += [*order_lines(order, now_ns, width), BLANK]
    elif state.panel is Panel.OCO and (bracket := state.bracket(view)) is not None:
        lines += [*bracket_lines(bracket, view, width), BLANK]
    elif state.panel is Panel.LOG:
        return log_lines(scene, width)
    pick = state.level(view)
    if pick is not None:
        return [*lines, *(_fact(label, *told) for label, told in level_facts(pick.grid, pick.level))]
    leg = state.leg(view)
    if leg is not None:
        lines += leg_lines(leg, now_ns, width)
    return lines or [line(("nothing under the cursor", "dim"))]
