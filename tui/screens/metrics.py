"""The metrics page: every figure of the requirements that this build has, against its target, and our own (OPS-28)."""

from __future__ import annotations

from typing import Final

from engine.instant import NS_PER_MS
from engine.view import HealthView, MetricView
from tui.figures import UNCOUNTED, metric_row, table_lines
from tui.lines import BLANK, Line, line
from tui.panels.base import FrameCost, Scene

_OWN: Final = "desk"
"""Row of a figure that the requirements do not have."""
_LAG_LIMIT_NS: Final = 15 * NS_PER_MS
_KEY_LIMIT_NS: Final = 10 * NS_PER_MS


def own_figures(health: HealthView, cost: FrameCost) -> list[MetricView]:
    """What the desk and the screen measure beside the requirements' table."""
    commits = MetricView(
        name="commit of one step, newest", row=_OWN, limit_ns=0, count=UNCOUNTED, p50_ns=_ns(health.commit_ms),
        p99_ns=_ns(health.commit_ms_p99), worst_ns=_ns(health.commit_ms_worst),
    )  # fmt: skip
    lag = MetricView(
        name="loop lag", row=_OWN, limit_ns=_LAG_LIMIT_NS, count=UNCOUNTED, p50_ns=_ns(health.loop_lag_ms_p50),
        p99_ns=_ns(health.loop_lag_ms_p99), worst_ns=_ns(health.loop_lag_ms_worst),
    )  # fmt: skip
    keys = MetricView(
        name="key to its answer on screen", row="screen", limit_ns=_KEY_LIMIT_NS, count=cost.keys,
        p50_ns=cost.key_p50_ns, p99_ns=cost.key_p99_ns, worst_ns=cost.key_worst_ns,
    )  # fmt: skip
    return [commits, lag, keys]


def _ns(ms: float) -> int:
    return round(ms * NS_PER_MS)


def metrics_lines(scene: Scene) -> list[Line]:
    console = scene.console
    return [
        *table_lines(console.metrics(), console.counts()),
        BLANK,
        *(metric_row(metric) for metric in own_figures(scene.view.health, scene.cost)),
        BLANK,
        line(("Over the newest 1,000 of each. Ticks and checks are processor time, the others exchange time,", "dim")),
        line(("venue included. ! = p99 over its target. Names end with the row of the requirements.", "dim")),
    ]
