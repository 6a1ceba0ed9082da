"""The table of figures against their targets (OPS-28), for the metrics page and for the end of a run. No Textual here.

A figure whose p99 is over its target carries a `!`; one that was never measured has dashes, and its target stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from engine.instant import NS_PER_MS, NS_PER_S
from engine.view import CountView, MetricView
from tui.format import clean
from tui.lines import Column, Line, Span, cells, header, line

_COLUMNS: Final = (
    Column("figure", 29),
    Column("row", 7),
    Column("target", 7, True),
    Column("p50", 7, True),
    Column("p99", 8, True),
    Column("worst", 7, True),
    Column("count", 5, True),
)
"""76 cells: the page of the smallest screen."""
UNCOUNTED: Final = -1
"""Count of a figure that is measured all the time and whose samples nobody counts."""


def short_span(ns: int) -> str:
    """At most seven characters: `0.04 ms`, `12.3 ms`, `312 ms`, `4.56 s`."""
    if ns < 10 * NS_PER_MS:
        return f"{ns // (NS_PER_MS // 100) / 100:.2f} ms"
    if ns < 100 * NS_PER_MS:
        return f"{ns // (NS_PER_MS // 10) / 10:.1f} ms"
    if ns < NS_PER_S:
        return f"{ns // NS_PER_MS} ms"
    return f"{ns // (NS_PER_S // 100) / 100:.2f} s"


def metric_row(metric: MetricView) -> Line:
    """A figure that was never measured says so with dashes; its target stands all the same."""
    is_over = bool(metric.limit_ns) and metric.p99_ns > metric.limit_ns
    target = short_span(metric.limit_ns) if metric.limit_ns else "-"
    p50, p99, worst = (
        short_span(ns) if metric.count else "-" for ns in (metric.p50_ns, metric.p99_ns, metric.worst_ns)
    )
    style = "" if metric.count else "dim"
    mark: Span = (p99 + ("!" if is_over else ""), "warn" if is_over else style)
    count = str(min(metric.count, 99_999)) if metric.count >= 0 else "-"
    return cells(
        _COLUMNS, [clean(metric.name), (metric.row, "dim"), (target, "dim"), (p50, style), mark, (worst, style), count]
    )


def count_row(counted: CountView) -> Line:
    """`12 of 12` beside the share that must be good."""
    is_under = counted.good * 100 < counted.total * counted.least_percent
    said = f"{counted.good} of {counted.total}{'!' if is_under else ''}" if counted.total else "none yet"
    style = "warn" if is_under else "" if counted.total else "dim"
    head = cells(_COLUMNS[:3], [clean(counted.name), (counted.row, "dim"), (f"{counted.least_percent} %", "dim")])
    return line(*head, "  ", (said, style))


def table_lines(metrics: Sequence[MetricView], counts: Sequence[CountView]) -> list[Line]:
    """The table of the requirements, for the page and for the summary of a run."""
    return [header(_COLUMNS), *(metric_row(metric) for metric in metrics), *(count_row(row) for row in counts)]
