"""Holds news about an order of ours against what it can be at all, before anything is booked by it (UPD-10, C6).

Pure. A record that cannot be right is not acted on: its units are no fills, its prices no money. The books are read
instead, and the raw figures are told once.
"""

from __future__ import annotations

from collections.abc import Set
from typing import Final

from engine.order import Order, Trade
from engine.outlier import HIGHEST_PAISE
from engine.port import OrderReport, PositionReport

_BY_HAND_MAX: Final = 100
"""How many times as large as we asked a hand may make an order; the exchange's freeze quantity is below 30 lots."""
POSITION_MAX: Final = 10**8
"""Units of one contract that no account here holds."""
_LAST_NS: Final = 2**63 - 1
"""In 2262: the journal keeps no later instant."""
_SHOWN: Final = 20
"""Characters of a word that nobody knows."""


def implausible_report(report: OrderReport, order: Order | None = None) -> str:
    """What cannot be right in a row of the order book, with the raw figure; empty when it may be true.

    Quantities may exceed what we asked for: somebody may have changed the order by hand (HUM-04). `order` is the one
    of ours that the row names.
    """
    if report.qty <= 0:
        return f"an order of {report.qty} units"
    if not 0 <= report.filled_qty <= report.qty:
        return f"{report.filled_qty} of {report.qty} units filled"
    prices = (report.average_paise, report.limit_paise, report.trigger_paise)
    if min(prices) < 0 or max(prices) > HIGHEST_PAISE:
        return f"a price of {min(prices) if min(prices) < 0 else max(prices)} paise"
    return _other_order(report, order) if order is not None else ""


def _other_order(report: OrderReport, order: Order) -> str:
    """A row with our name on it that is about something else."""
    symbol = report.symbol.strip()
    if symbol and symbol.upper() != order.symbol.upper():
        return f"an order of {symbol[:_SHOWN]!r}"
    if report.side is not order.side:
        return f"a {report.side.value} order, ours is {order.side.value}"
    most = max(order.qty, order.asked_qty, order.filled_qty)
    return f"an order of {report.qty} units, ours was {most}" if report.qty > _BY_HAND_MAX * most else ""


def implausible_position(row: PositionReport, products: Set[str]) -> str:
    """What cannot be right in a row of the position book, with the raw value; empty when it may be true."""
    if not row.symbol.strip() or not row.symbol.isprintable():
        return f"symbol {row.symbol[:_SHOWN]!r}"
    if row.product.strip().upper() not in products:
        return f"product {row.product[:_SHOWN]!r}, {row.net_qty:+d} units"
    if abs(row.net_qty) > POSITION_MAX:
        return f"{row.net_qty:+d} units"
    return ""


def implausible_average(row: PositionReport) -> str:
    """Its units may be right all the same."""
    return "" if 0 <= row.average_paise <= HIGHEST_PAISE else f"an average price of {row.average_paise} paise"


def implausible_trade(trade: Trade, order: Order, ever_asked_qty: int = 0, elsewhere_qty: int = 0) -> str:
    """What cannot be right in a trade record of an order, with the raw figure; empty when it may be true.

    `ever_asked_qty`: the largest quantity the order ever had; it may have traded before it was made smaller.
    `elsewhere_qty`: what orders of other broker ids have traded under the same tag (ORD-15): units that are there.
    """
    most = max(order.qty, order.asked_qty, order.filled_qty, ever_asked_qty)
    if not 0 < trade.qty <= most:
        return f"a trade of {trade.qty} units on an order of {most}"
    if not 0 < trade.price_paise <= HIGHEST_PAISE:
        return f"a trade at {trade.price_paise} paise"
    if not 0 <= trade.at_ns <= _LAST_NS:
        return f"a trade at the instant {trade.at_ns}"
    in_all = order.traded_qty - elsewhere_qty + trade.qty
    if trade.broker_id in ("", order.broker_id) and in_all > most:  # one trade under two ids is one trade
        return f"trades of {in_all} units on an order of {most}"
    return "" if trade.side is order.side else f"a {trade.side.value} trade of a {order.side.value} order"
