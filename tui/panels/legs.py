"""Panel 1: the legs. What is held, what it is worth, what protects it and what happens next."""

from __future__ import annotations

from engine.instant import clock_text
from engine.order import OrderState
from engine.view import DoubtView, LegView, ProtectionWord, RuleView
from tui.actions import Panel
from tui.format import (
    AgeLimits,
    Toned,
    clean,
    crop,
    distance,
    doubt_words,
    exit_home,
    exit_price,
    feed_is_stale,
    freshness,
    money,
    money_style,
    move_mark,
    price,
    protection,
    quantity,
    rule_words,
    rupees_text,
    since,
)
from tui.layout import LARGE_BOX_ROWS, SMALL_BOX_ROWS
from tui.lines import BLANK, Frame, Line, Panelled, box, line, spread, width_of
from tui.panels.base import RowGrid, Scene
from tui.selection import top_for_cursor

UNANSWERED = (OrderState.INTENDED, OrderState.SENT, OrderState.UNKNOWN)
TWO_COLUMNS_WIDTH = 100
"""From this width on, two legs stand side by side."""


class LegClock:
    """The instants a leg's lines depend on, so that an unchanged leg is rebuilt only when an age on it changes."""

    def __init__(self, now_ns: int, feed_ns: int, limits: AgeLimits) -> None:
        self.now_ns = now_ns
        self.feed_ns = feed_ns
        self.limits = limits

    def texts(self, leg: LegView) -> tuple[str, ...]:
        """Every text on the leg that moves with time alone."""
        return (
            self.price_age(leg).text,
            protection(leg, self.now_ns).text,
            exit_home(leg.stop, self.now_ns).text if leg.stop else "",
            exit_home(leg.target, self.now_ns).text if leg.target else "",
            exit_home(leg.leaving, self.now_ns).text if leg.leaving else "",
            doubt_words(doubt, self.now_ns) if (doubt := doubt_of(leg)) else "",
            *(since(rule.input_ns, self.now_ns) for rule in leg.rules),
        )

    def price_age(self, leg: LegView) -> Toned:
        fresh = freshness(leg.tick_ns, self.feed_ns, self.now_ns, self.limits)
        return Toned(fresh.text, fresh.style)

    def is_stale(self, leg: LegView) -> bool:
        return freshness(leg.tick_ns, self.feed_ns, self.now_ns, self.limits).is_stale


def ltp_spans(leg: LegView, clock: LegClock) -> Line:
    """`LTP 118.25 ^ +5.85`: the change is against the entry while a position is open."""
    if not leg.ltp_paise:
        return line("LTP ", ("-", "stale"))
    stale = clock.is_stale(leg)
    mark = "~" if stale else ""
    text = f"{mark}{price(leg.ltp_paise)} {move_mark(leg.ltp_move)}"
    change = ""
    if leg.open_qty and leg.entry_paise:
        change = " " + rupees_text(leg.ltp_paise - leg.entry_paise, signed=True)
    return line("LTP ", (text, "stale" if stale else "title"), (change, "stale" if stale else ""))


def profit_spans(word: str, paise: int, *, is_doubtful: bool = False) -> Line:
    """A P&L with its sign; `~` in front when the price behind it is not believed."""
    text = ("~" if is_doubtful else "") + money(paise)
    return line(f"{word} ", (f"{text:>11}", "stale" if is_doubtful else money_style(paise)))


def depth_text(leg: LegView) -> str:
    return f"bid {price(leg.bid_paise)}x{leg.bid_qty}   ask {price(leg.ask_paise)}x{leg.ask_qty}"


def spread_text(leg: LegView) -> str:
    if not leg.bid_paise or not leg.ask_paise or leg.ask_paise < leg.bid_paise:
        return "spread -"
    ticks = (leg.ask_paise - leg.bid_paise) // max(1, leg.tick_paise)
    return f"spread {ticks} tick{'' if ticks == 1 else 's'}"


def doubt_of(leg: LegView) -> DoubtView | None:
    """Of the order that matters most while nobody has answered for it: what closes, then the stop, then the target."""
    exits = (leg.leaving, leg.stop, leg.target)
    return next((exit_.doubt for exit_ in exits if exit_ is not None and exit_.doubt is not None), None)


def leading_rule(leg: LegView) -> RuleView | None:
    """The rule to show where there is room for one: the active one whose stop counts, else the nearest to arming."""
    told = [rule for rule in leg.rules if rule.level_paise or rule.trouble]
    if not told:
        return leg.rules[0] if leg.rules else None
    stop = leg.stop.price_paise if leg.stop else 0
    return min(
        told, key=lambda rule: (not rule.is_active, abs(rule.level_paise - (stop if rule.is_active else leg.ltp_paise)))
    )


def rule_line(leg: LegView, clock: LegClock) -> Line:
    """The leading exit rule, and how many more there are; without rules, that there is none."""
    rule = leading_rule(leg)
    if rule is None:
        return line("trail ", clean(leg.trail) or "off")
    more = f" (+{len(leg.rules) - 1})" if len(leg.rules) > 1 else ""
    words = rule_words(rule, leg.ltp_paise, clock.now_ns)
    return line((words, "warn" if rule.trouble else ""), (more, "dim"))


def leaving_line(leg: LegView, clock: LegClock) -> Line:
    """The order that is on its way out."""
    assert leg.leaving is not None
    home = exit_home(leg.leaving, clock.now_ns)
    word = "BUYBACK" if leg.protection is ProtectionWord.SURPLUS else "EXIT"
    return line((f"{word} ", "title"), f"{price(leg.leaving.price_paise)} x{leg.leaving.qty}  ", home)


def unexpected_line(leg: LegView) -> Line:
    """Units at the broker that nobody here has bought, and the key that takes them."""
    return line((f" UNEXPECTED {leg.unexpected_qty:+d} at the broker, not ours ", "alarm"), ("  n: adopt", "key"))


def stop_line(leg: LegView, clock: LegClock) -> Line:
    if leg.stop is None:
        return line(("SL  none", "loss" if leg.open_qty else "dim"))
    home = exit_home(leg.stop, clock.now_ns)
    return line(f"SL  {exit_price(leg.stop)} x{leg.stop.qty}  ", home)


def target_line(leg: LegView, clock: LegClock, *, with_distance: bool) -> Line:
    if leg.target is None:
        return line(("TP  none", "dim"))
    is_answered = leg.target.state not in UNANSWERED
    far = distance(leg.target.price_paise, leg.ltp_paise) if with_distance and is_answered else ""
    return line(f"TP  {exit_price(leg.target)} x{leg.target.qty}  ", exit_home(leg.target, clock.now_ns), f"  {far}")


def guard_line(leg: LegView) -> Line:
    """While an order is unanswered the desk watches the level itself; the words are the desk's own."""
    return line((clean(leg.next_step), "title"))


def next_line(leg: LegView, clock: LegClock) -> Line:
    """What is being done about an unanswered order, what happens next, or the newest remark."""
    if leg.unexpected_qty:
        return unexpected_line(leg)
    if doubt := doubt_of(leg):
        return line((doubt_words(doubt, clock.now_ns), "warn"))
    if leg.next_step:
        return line(("now: ", "dim"), clean(leg.next_step))
    return line((clean(leg.note), "dim")) if leg.note else BLANK


def small_body(leg: LegView, clock: LegClock, width: int) -> list[Line]:
    """Three lines, for the 80-column layout."""
    age = line("age ", clock.price_age(leg))
    doubtful = clock.is_stale(leg)
    if not leg.open_qty:
        working = next_line(leg, clock) or line(("no position: b buys, s sells", "dim"))
        return [
            spread(
                line(("flat", "dim"), "        ", *ltp_spans(leg, clock), "  ", *age),
                profit_spans("today", leg.realised_paise),
                width,
            ),
            spread(line(depth_text(leg)), line((f"bot {clean(leg.bot)}", "dim")), width),
            working,
        ]
    gap = " " if leg.open_qty < 0 else "  "  # the word SHORT needs the room
    held = line(
        f"{quantity(leg.open_qty, leg.lots)} avg {price(leg.entry_paise)} {gap}", *ltp_spans(leg, clock), gap, *age
    )
    right = leaving_line(leg, clock) if leg.leaving else target_short(leg, clock)
    exits = spread(stop_line(leg, clock), right, width)
    trail = line("trail ", crop(clean(leg.trail) or "off", 40))
    if leg.unexpected_qty:
        last = next_line(leg, clock)
    elif doubt_of(leg):
        guarded = f"{price(leg.stop.price_paise)} guarded here" if leg.stop and not leg.leaving else ""
        last = spread(next_line(leg, clock), line((guarded, "title")), width)
    elif leg.next_step:
        last = spread(next_line(leg, clock), line("  ", *trail), width)
    else:
        last = spread(trail, line((f"bot {clean(leg.bot)}", "dim")), width)
    return [spread(held, profit_spans("uPnL", leg.unrealised_paise, is_doubtful=doubtful), width), exits, last]


def target_short(leg: LegView, clock: LegClock) -> Line:
    if leg.target is None:
        return line(("TP none", "dim"))
    home = exit_home(leg.target, clock.now_ns, is_narrow=leg.target.state is not None)
    return line(f"TP {price(leg.target.price_paise)} ", home)


def wide_body(leg: LegView, clock: LegClock, width: int) -> list[Line]:
    """Seven lines, for 110 columns and more."""
    age = clock.price_age(leg)
    doubtful = clock.is_stale(leg)
    if leg.open_qty:
        held = line(f"qty {quantity(leg.open_qty, leg.lots)}   avg {price(leg.entry_paise)}")
        first = spread(held, profit_spans("uPnL", leg.unrealised_paise, is_doubtful=doubtful), width)
    else:
        first = spread(line(("flat", "dim")), profit_spans("today", leg.realised_paise), width)
    quote = spread(ltp_spans(leg, clock), line(depth_text(leg)), width)
    about = spread(
        line("age ", age, f"   {spread_text(leg)}"), line((f"lot {leg.lot_size}  bot {clean(leg.bot)}", "dim")), width
    )
    if not leg.open_qty and leg.stop is None and leg.target is None:
        return [
            first,
            quote,
            about,
            line(("no position: b buys, s sells", "dim")),
            next_line(leg, clock),
        ]
    held_since = ""
    if leg.protected_since_ns and leg.protection is ProtectionWord.PROTECTED:
        held_since = f"protected since {clock_text(leg.protected_since_ns)}"
    return [
        first,
        quote,
        about,
        stop_line(leg, clock),
        leaving_line(leg, clock) if leg.leaving else target_line(leg, clock, with_distance=True),
        guard_line(leg) if doubt_of(leg) else rule_line(leg, clock),
        next_line(leg, clock) or line((held_since, "dim")),
    ]


def leg_box(leg: LegView, clock: LegClock, frame: Frame, *, is_cursor: bool) -> list[Line]:
    """One leg with its protection word on the title bar, where it is visible however small the box is."""
    title = line(("> " if is_cursor else "", "key"), (clean(leg.title) or clean(leg.name), "title"))
    word = protection(leg, clock.now_ns)
    said = line((f" {word.text} " if word.style in ("naked", "unknown") else word.text, word.style))
    styled = line((f"{leg.style.value} ", "dim"), *said)
    # The strike is worth more than the style of the exits when both do not fit.
    right = styled if width_of(title) + width_of(styled) + 4 <= frame.width - 4 else said
    body = small_body if frame.height <= SMALL_BOX_ROWS else wide_body
    return box(frame, Panelled(title, right), body(leg, clock, frame.width - 4))


class LegsPanel(RowGrid):
    """Boxes of legs, one or two abreast; the box under the cursor is always visible."""

    panel = Panel.LEGS

    def build(self, scene: Scene, width: int, height: int) -> list[Line]:
        legs = scene.view.legs
        frame = self.frame(scene, width, height)
        if not legs:
            return box(frame, Panelled(line(("1 Legs", "title"))), [line(("no legs yet: the desk is starting", "dim"))])
        columns = 2 if width >= TWO_COLUMNS_WIDTH and len(legs) > 1 else 1
        box_rows = self._box_rows(height, width, len(legs), columns)
        shown = max(1, height // box_rows)
        selected = scene.state.selected_leg(scene.view)
        index = legs.index(selected) if selected is not None else 0
        rows_of_boxes = -(-len(legs) // columns)
        self._top = top_for_cursor(self._top, index // columns, shown, rows_of_boxes)
        status = scene.view.status
        clock = LegClock(scene.now_ns, status.feed_ns, scene.limits)
        lines: list[Line] = []
        for row in range(self._top, min(rows_of_boxes, self._top + shown)):
            lines += self._row_of_boxes(scene, clock, row, columns, width, box_rows)
        hidden = len(legs) - min(len(legs), shown * columns)
        if hidden and len(lines) < height:
            lines.append(line((f" {hidden} more legs: j and k move", "warn")))
        return lines

    @staticmethod
    def _box_rows(height: int, width: int, legs: int, columns: int) -> int:
        rows_of_boxes = -(-legs // columns)
        roomy = height >= LARGE_BOX_ROWS and (columns == 2 or height >= LARGE_BOX_ROWS * rows_of_boxes)
        return min(height, LARGE_BOX_ROWS if roomy and width >= 56 else SMALL_BOX_ROWS)

    def _row_of_boxes(
        self, scene: Scene, clock: LegClock, row: int, columns: int, width: int, box_rows: int
    ) -> list[Line]:
        """One or two boxes side by side; the joined lines are memoised with both legs."""
        legs = scene.view.legs[row * columns : (row + 1) * columns]
        selected = scene.state.selected_leg(scene.view)
        parts: list[list[Line]] = []
        widths = [width // columns] * (columns - 1) + [width - width // columns * (columns - 1)]
        for leg, leg_width in zip(legs, widths, strict=False):
            is_cursor = leg is selected
            is_focused = is_cursor and scene.state.panel is Panel.LEGS
            frame = Frame(leg_width, box_rows, is_focused, scene.is_ascii)
            extra = (frame, is_cursor, feed_is_stale(scene.view.status, scene.limits), *clock.texts(leg))

            def build(leg: LegView = leg, frame: Frame = frame, is_cursor: bool = is_cursor) -> list[Line]:
                return leg_box(leg, clock, frame, is_cursor=is_cursor and len(scene.view.legs) > 1)

            parts.append(self._memo.lines(leg.key, leg, extra, build))
        if len(parts) == 1:
            return parts[0]
        return [left + right for left, right in zip(*parts, strict=True)]
