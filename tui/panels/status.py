"""The two top lines: mode, time, links, net, protection, entries. They never scroll, never move, never summarise."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from engine.grid.view import GridView
from engine.instant import clock_text
from engine.view import DeskView, ProtectionWord, StatusView
from tui.controls import mode_text
from tui.format import (
    PROTECTION_STYLE,
    SEVERITY,
    AgeLimits,
    clean,
    countdown,
    feed_is_stale,
    hour_minute,
    money_style,
    move_mark,
    net_is_stale,
    percent_used,
    price,
    rupees_text,
    since,
    span,
    whole_money,
)
from tui.layout import LARGE_WIDTH, MEDIUM_WIDTH, MIN_HEIGHT, MIN_WIDTH
from tui.lines import Line, cut, fit, line, width_of
from tui.panels.base import Bar, Scene
from tui.selection import grid_holdings

ESSENTIAL_RANK = 2
"""Pieces up to this rank are never dropped; the line is cut at its end instead."""


class Part(NamedTuple):
    """One piece of a top line; pieces of the highest `rank` are dropped first when the line is too long."""

    rank: int
    words: Line


def assembled(parts: list[Part], width: int, lead: str = " ") -> Line:
    """Pieces joined by ` | `; the least important fall away until the rest fits."""
    kept = [part for part in parts if part.words]
    while (
        max(part.rank for part in kept) > ESSENTIAL_RANK
        and sum(width_of(part.words) + 3 for part in kept) - 3 + len(lead) > width
    ):
        kept.remove(max(kept, key=lambda part: part.rank))
    joined: Line = line(lead)
    for index, part in enumerate(kept):
        joined = (*joined, *(line((" | ", "frame")) if index else ()), *part.words)
    return cut(joined, width)


def mode_words(view: DeskView, *, is_short: bool) -> Line:
    """Mode in words, then broker and account; the short form leaves the account out."""
    words = mode_text(view)
    if is_short and view.status.account:
        words = words.removesuffix(clean(view.status.account)).strip()
    return line((f" {clean(words)} ", "live" if view.status.is_live else "paper"))


def index_words(status: StatusView) -> Line:
    if not status.index_paise:
        return ()
    return line(
        f"{clean(status.index_name)} ", (price(status.index_paise), "title"), f" {move_mark(status.index_move)}"
    )


def feed_words(status: StatusView, limits: AgeLimits) -> Line:
    if not status.feed_ns:
        return line(("feed: no tick yet", "stale"))
    age_ns = status.now_ns - status.feed_ns
    if feed_is_stale(status, limits):
        return line((f"FEED DOWN {span(age_ns)}", "unknown"))
    return line(("feed ", "dim"), (span(age_ns), "warn" if age_ns >= limits.old_ns else ""))


def order_path_words(status: StatusView, *, is_wide: bool) -> Line:
    """Separate from the feed: a feed that ticks does not prove that orders are allowed."""
    if not status.order_path_ns:
        return line(("orders ", "dim"), (status.path_words, "warn"))
    age = f" {since(status.order_path_ns, status.now_ns)} ago" if is_wide else ""
    return line(("orders ", "dim"), f"ok {status.order_path_ms:.0f}ms{age}")


def reconcile_words(status: StatusView, *, is_large: bool) -> Line:
    if not status.reconciled_ns:
        return line(("not reconciled yet", "warn"))
    diffs = status.reconcile_diffs
    age = since(status.reconciled_ns, status.now_ns)
    return line(
        ("reconciled " if is_large else "recon ", "dim"),
        f"{age} ago, " if is_large else f"{age}, ",
        (f"{diffs} diff{'' if diffs == 1 else 's'}", "warn" if diffs else ""),
    )


def net_words(view: DeskView, limits: AgeLimits, *, is_split: bool) -> Line:
    status = view.status
    doubt = "~" if net_is_stale(view, limits) else ""
    total = line(("net ", "dim"), (doubt + whole_money(status.net_paise), money_style(status.net_paise)))
    if not is_split:
        return total
    return line(
        *total,
        (
            f" (real {whole_money(status.realised_paise)} unreal {doubt}{whole_money(status.unrealised_paise)}"
            f" chg {whole_money(-status.charges_paise)})",
            "dim",
        ),
    )


def top_line(view: DeskView, limits: AgeLimits, width: int) -> Line:
    """Mode, broker, exchange time, index, feed age, order path, reconcile; an engine that is down owns the line."""
    status = view.status
    is_wide = width >= MEDIUM_WIDTH
    stamp = clock_text(status.now_ns, decimals=1 if width >= LARGE_WIDTH else 0) + (" IST" if is_wide else "")
    return assembled(
        [
            Part(0, mode_words(view, is_short=not is_wide)),
            Part(1, line((stamp, "title"))),
            Part(5, index_words(status) if is_wide else ()),
            Part(2, feed_words(status, limits)),
            Part(3, order_path_words(status, is_wide=is_wide)),
            Part(2, line((clean(status.login), "warn")) if status.login else ()),
            Part(6, reconcile_words(status, is_large=width >= LARGE_WIDTH) if is_wide else ()),
            Part(7, line((clean(status.session_text), "dim")) if is_wide else ()),
            Part(4, () if is_wide else net_words(view, limits, is_split=False)),
        ],
        width,
        lead="",
    )


def protection_words(view: DeskView) -> Line:
    """`4 positions: 1 NAKED 3.4s !!  3 PROTECTED`, most severe first."""
    held = [leg for leg in view.legs if leg.open_qty or leg.protection is ProtectionWord.PROVING]
    grids = [span for grid in view.grids if grid.is_open or grid.unhedged for span in grid_words(grid)]
    if not held:
        return line(*grids[1:]) if grids else line(("no open position", "dim"))
    spans: list[tuple[str, str] | str] = [f"{len(held)} position{'' if len(held) == 1 else 's'}: "]
    counted = Counter(leg.protection for leg in held)
    for word in sorted(counted, key=lambda w: SEVERITY[w]):
        text = f"{counted[word]} {word.value}"
        if word is ProtectionWord.NAKED:
            longest = min(leg.naked_since_ns for leg in held if leg.protection is word)
            text = f" {text} {since(longest, view.status.now_ns)} !! "
        elif PROTECTION_STYLE[word] == "naked":
            text = f" {text} !! "
        elif word is ProtectionWord.UNKNOWN:
            text = f" {text} ?! "
        spans += [(text, PROTECTION_STYLE[word]), " "]
    return line(*spans[:-1], *grids)


def grid_words(grid: GridView) -> list[tuple[str, str] | str]:
    """`grid irfc-sbin IRFC +300, SBIN -50  2 UNHEDGED !!`, with two spaces in front."""
    bare = len(grid.unhedged)
    spans: list[tuple[str, str] | str] = ["  ", f"grid {clean(grid.bot)} {grid_holdings(grid) or 'flat'}"]
    return [*spans, " ", (f" {bare} UNHEDGED !! ", "naked")] if bare else spans


def entries_words(status: StatusView) -> Line:
    return line(("entries ", "dim"), (clean(status.entries), "" if status.entries == "ON" else "warn"))


def day_limit_words(status: StatusView, *, is_wide: bool) -> Line:
    if not status.day_limit_paise:
        return ()
    used = percent_used(-status.net_paise, status.day_limit_paise)
    limit = f" of {rupees_text(status.day_limit_paise, grouped=True)[:-3]}" if is_wide else ""
    style = "loss" if used >= 100 else "warn" if used >= 75 else ""
    return line(("day limit ", "dim"), (f"{used}%{limit}", style))


def square_off_words(status: StatusView, *, is_large: bool) -> Line:
    if not status.square_off_ns:
        return ()
    left_ns = status.square_off_ns - status.now_ns
    when = hour_minute(status.square_off_ns)
    if left_ns <= 0:
        return line((f"EOD {when} passed", "warn"))
    left = f"in {countdown(left_ns, seconds=True)}" if is_large else f"-{countdown(left_ns)}"
    return line(("EOD ", "dim"), f"{when} {left}")


def second_line(view: DeskView, limits: AgeLimits, width: int) -> Line:
    """Net split into its parts, positions by protection word, day limit, entries, time to square-off."""
    status = view.status
    is_wide, is_large = width >= MEDIUM_WIDTH, width >= LARGE_WIDTH
    health = view.health
    pace = line(("orders/s ", "dim"), f"{health.orders_last_s} of {health.orders_per_s}") if is_large else ()
    return assembled(
        [
            Part(2, net_words(view, limits, is_split=True) if is_wide else ()),
            Part(0, protection_words(view)),
            Part(1, entries_words(status)),
            Part(4, day_limit_words(status, is_wide=is_large)),
            Part(5, pace or (() if is_wide else index_words(status))),
            Part(3, square_off_words(status, is_large=is_large) if is_wide else ()),
        ],
        width,
    )


def engine_down_line(reason: str, width: int) -> Line:
    return ((fit(line(f" ENGINE DOWN {reason}"), width)[0][0].ljust(width)[:width], "alarm"),)


def orders_down_line(view: DeskView, width: int) -> Line:
    """The order path is dead: the line says what still rests and what cannot act."""
    status, health = view.status, view.health
    since_text = since(status.order_path_ns, status.now_ns)
    rests = f"{len(health.survives_us)} rest at the broker, {len(health.dies_with_us)} watched here cannot act"
    text = (
        f" {mode_text(view)} | {clock_text(status.now_ns)} | ORDERS DOWN, last proof {since_text} ago: "
        f"{clean(status.order_path_down)} | {rests}"
    )
    return ((cut(line(text), width)[0][0].ljust(width), "alarm"),)


def too_small_line(view: DeskView, width: int, height: int) -> Line:
    """Below 80x24: the size it needs, the net, how many are naked, and that keys work."""
    naked = sum(1 for leg in view.legs if leg.protection is ProtectionWord.NAKED)
    naked += sum(len(grid.unhedged) for grid in view.grids)
    text = (
        f"needs {MIN_WIDTH}x{MIN_HEIGHT} (now {width}x{height}) | net {whole_money(view.status.net_paise)} | "
        f"{naked} NAKED | keys work"
    )
    return line((text, "naked" if naked else ""))


class StatusBar(Bar):
    """The two top lines."""

    def build(self, scene: Scene, width: int, height: int) -> list[Line]:
        down = scene.state.engine_down or clean(scene.view.status.engine_down)
        if width < MIN_WIDTH or self.app.size.height < MIN_HEIGHT:
            return [too_small_line(scene.view, width, self.app.size.height)]
        if down:
            first = engine_down_line(down, width)
        elif scene.view.status.order_path_down:
            first = orders_down_line(scene.view, width)
        else:
            first = top_line(scene.view, scene.limits, width)
        return [first, second_line(scene.view, scene.limits, width)]
