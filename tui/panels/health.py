"""Panel 6: health. Limits with their use, the links, the desk's own pace, what survives us and what dies with us."""

from __future__ import annotations

from collections.abc import Sequence

from engine.view import DeskView
from tui.actions import Panel
from tui.format import clean, percent_used, rupees_text, seconds, since
from tui.lines import BLANK, Line, Panelled, Span, box, fit, line
from tui.panels.base import FrameCost, RowGrid, Scene

GAUGE_CELLS = 20
LABEL_WIDTH = 9


def gauge(percent: int) -> str:
    filled = min(GAUGE_CELLS, percent * GAUGE_CELLS // 100)
    return f"[{'#' * filled}{'.' * (GAUGE_CELLS - filled)}]"


def labelled(label: str, *spans: Span | str) -> Line:
    return line((f"{label:<{LABEL_WIDTH}}", "dim"), *spans)


def day_loss_line(view: DeskView) -> Line:
    status = view.status
    if not status.day_limit_paise:
        return labelled("day loss", ("no day limit configured", "warn"))
    loss = max(0, -status.net_paise)
    percent = percent_used(loss, status.day_limit_paise)
    words = f"{rupees_text(loss, grouped=True)[:-3]} of {rupees_text(status.day_limit_paise, grouped=True)[:-3]}"
    style = "loss" if percent >= 100 else "warn" if percent >= 75 else ""
    return labelled("day loss", f"{words:<18} ", (f"{gauge(percent)} {percent:>3}%", style))


def naked_line(view: DeskView) -> Line:
    """How long units stood without working protection: today's finished times, and what runs now."""
    health = view.health
    today = f"today {health.naked_count}x"
    if health.naked_count:
        today += f"  p50 {seconds(health.naked_p50_ns)}  worst {seconds(health.naked_worst_ns)}"
    if not health.naked_qty:
        return labelled("naked", f"{today}  now 0")
    running_ns = max(0, view.status.now_ns - health.naked_since_ns)
    return labelled("naked", f"{today}  ", (f"now {health.naked_qty} for {seconds(running_ns)}", "alarm"))


def health_lines(view: DeskView, cost: FrameCost) -> list[Line]:
    status, health, now_ns = view.status, view.health, view.status.now_ns
    proven = f"{status.order_path_ms:.0f} ms, proven {since(status.order_path_ns, now_ns)} ago"
    orders: Span = (proven, "") if status.order_path_ns else (status.path_words, "warn")
    if status.order_path_down:
        orders = (f"DOWN: {clean(status.order_path_down)}", "alarm")
    diffs = status.reconcile_diffs
    return [
        day_loss_line(view),
        labelled("entries", (clean(status.entries), "" if status.entries == "ON" else "warn")),
        labelled("orders/s", f"{health.orders_last_s} of {health.orders_per_s}"),
        labelled("feed", f"{since(status.feed_ns, now_ns)}   {health.ticks_per_s} ticks/s"),
        labelled("orders", orders),
        labelled(
            "compared", f"{since(status.reconciled_ns, now_ns)} ago, ", (f"{diffs} diffs", "warn" if diffs else "")
        ),
        naked_line(view),
        labelled("journal", f"{health.commit_ms:.1f} ms/commit"),
        labelled("loop", f"lag p99 {health.loop_lag_ms_p99:.0f} ms   worst {health.loop_lag_ms_worst:.0f} ms"),
        labelled("screen", f"{cost.frame_hz} fps   {cost.frame_ms:.1f} ms/frame   {cost.dropped} dropped"),
    ]


def survival_lines(survives: Sequence[str], dies: Sequence[str]) -> list[Line]:
    """What rests at the broker, and what is only watched here."""
    lines = [line(("rests at the broker, survives us:", "dim"))]
    lines += [line("  ", clean(text)) for text in survives] or [line("  nothing")]
    lines.append(line(("watched here, dies with us:", "dim")))
    lines += [line("  ", (clean(text), "warn")) for text in dies] or [line("  nothing")]
    return lines


class HealthPanel(RowGrid):
    """Numbers about the machine; on wide and flat places what survives stands beside them."""

    panel = Panel.HEALTH

    def build(self, scene: Scene, width: int, height: int) -> list[Line]:
        health = scene.view.health
        left = health_lines(scene.view, scene.cost)
        right = survival_lines(health.survives_us, health.dies_with_us)
        inner = width - 4
        if inner >= 110 and height - 2 < len(left) + len(right):
            body = _beside(left, right, inner)
        else:
            body = [*left, *right]
        hidden = len(body) - (height - 2)
        foot = line((f"{hidden} more lines: o zooms", "dim")) if hidden > 0 else ()
        return box(self.frame(scene, width, height), Panelled(line(("6 Health", "title")), foot=foot), body)


def _beside(left: list[Line], right: list[Line], width: int) -> list[Line]:
    half = width // 2
    count = max(len(left), len(right))
    left = left + [BLANK] * (count - len(left))
    right = right + [BLANK] * (count - len(right))
    return [(*fit(a, half), *b) for a, b in zip(left, right, strict=True)]
