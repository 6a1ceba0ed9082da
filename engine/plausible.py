"""Holds news about an order of ours against what it can be at all, before anything is booked by it (UPD-10, C6).

Pure. A record that cannot be right is not acted on: its units are no fills, its prices no money. The books are read
instead, and the raw figures are told once.
"""

from __future__ import annotations

from engine.order import Order, Trade
from engine.port import OrderReport


def implausible_report(report: OrderReport) -> str:
    """What cannot be right in a row of the order book, with the raw figure; empty when it may be true.

    Quantities may exceed what we asked for: somebody may have changed the order by hand (HUM-04).
    """
    if report.qty <= 0:
        return f"an order of {report.qty} units"
    if not 0 <= report.filled_qty <= report.qty:
        return f"{report.filled_qty} of {report.qty} units filled"
    prices = (report.average_paise, report.limit_paise, report.trigger_paise)
    return f"a price of {min(prices)} paise" if min(prices) < 0 else ""


def implausible_trade(trade: Trade, order: Order, ever_asked_qty: int = 0) -> str:
    """What cannot be right in a trade record of an order, with the raw figure; empty when it may be true.

    `ever_asked_qty`: the largest quantity the order ever had; it may have traded before it was made smaller.
    """
    most = max(order.qty, order.asked_qty_if_pending, order.filled_qty, ever_asked_qty)
    if not 0 < trade.qty <= most:
        return f"a trade of {trade.qty} units on an order of {most}"
    if trade.price_paise <= 0:
        return f"a trade at {trade.price_paise} paise"
    return "" if trade.side is order.side else f"a {trade.side.value} trade of a {order.side.value} order"
