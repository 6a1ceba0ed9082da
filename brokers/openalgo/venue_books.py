"""The venue's rows: orders, trades and positions of the paper account, as the server writes them in either mode. Pure.

Source: facts/openalgo.md §4, §5 and the fixtures. Live mode is that of the plugin our facts were taken through: no
filled quantity, no average, no label and no trade id, positions as text, the whole order quantity on every fill row.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from brokers.wire.numbers import rupees_of
from engine import refusals
from engine.instant import clock_text, ist_date
from engine.order import OrderState, Trade
from engine.port import OrderReport, PositionReport, Refused

_WORDS: Final = {
    OrderState.TRIGGER_PENDING: "trigger pending",
    OrderState.FILLED: "complete",
    OrderState.CANCELLED: "cancelled",
    OrderState.EXPIRED: "cancelled",
    OrderState.REJECTED: "rejected",
}
_PARTIAL_LIVE: Final = "PartiallyFilled"


def stamp(at_ns: int) -> str:
    """Analyze mode writes IST without saying so."""
    return f"{ist_date(at_ns)} {clock_text(at_ns)}"


def word(state: OrderState, *, live: bool) -> str:
    if live and state is OrderState.PART_FILLED:
        return _PARTIAL_LIVE
    return _WORDS.get(state, "open")


def order_row(report: OrderReport, exchange: str, strategy: str, placed_ns: int, *, live: bool) -> dict[str, Any]:
    row: dict[str, Any] = {
        "action": report.side.value,
        "exchange": exchange,
        "order_status": word(report.state, live=live),
        "orderid": report.broker_id,
        "price": rupees_of(report.limit_paise),
        "pricetype": report.type.value,
        "product": report.product,
        "quantity": report.qty,
        "symbol": report.symbol,
        "timestamp": stamp(placed_ns).replace(" ", "T") + ".000" if live else stamp(placed_ns),
        "trigger_price": rupees_of(report.trigger_paise),
    }
    if live:
        return row
    return row | {
        "average_price": rupees_of(report.average_paise),
        "filled_quantity": report.filled_qty,
        "pending_quantity": pending_qty(report),
        "rejection_reason": report.reject_text,
        "strategy": strategy,
    }


def pending_qty(report: OrderReport) -> int:
    is_over = report.state in _WORDS and report.state is not OrderState.TRIGGER_PENDING
    return 0 if is_over else report.qty - report.filled_qty


def status_row(row: Mapping[str, Any], average_paise: int) -> dict[str, Any]:
    """Of an `orderstatus` reply: analyze mode has another key for the type, live mode an average once complete."""
    if "filled_quantity" in row:
        return {("price_type" if name == "pricetype" else name): value for name, value in row.items()}
    return {**row, "average_price": rupees_of(average_paise) if row["order_status"] == "complete" else 0.0}


def order_book(rows: list[dict[str, Any]], *, live: bool) -> dict[str, Any]:
    """Newest first."""
    states = [row["order_status"] for row in rows]
    statistics = {
        "total_buy_orders": sum(row["action"] == "BUY" for row in rows),
        "total_completed_orders": states.count("complete"),
        "total_open_orders": states.count("open"),
        "total_rejected_orders": states.count("rejected"),
        "total_sell_orders": sum(row["action"] == "SELL" for row in rows),
    }
    if not live:
        statistics["total_trigger_pending_orders"] = states.count("trigger pending")
    return {"orders": rows[::-1], "statistics": statistics}


def trade_row(
    trade: Trade, exchange: str, product: str, strategy: str, order_qty: int, *, live: bool
) -> dict[str, Any]:
    qty = order_qty if live else trade.qty
    row: dict[str, Any] = {
        "action": trade.side.value,
        "average_price": rupees_of(trade.price_paise),
        "exchange": exchange,
        "orderid": trade.broker_id,
        "product": product,
        "quantity": qty,
        "symbol": trade.symbol,
        "timestamp": stamp(trade.at_ns).replace(" ", "T") + ".000" if live else stamp(trade.at_ns),
        "trade_value": rupees_of(trade.price_paise * qty),
    }
    if live:
        return row
    number = int("".join(filter(str.isdigit, trade.trade_id)) or "0") & 0xFFFFFFFF
    day, clock = f"{ist_date(trade.at_ns):%Y%m%d}", clock_text(trade.at_ns).replace(":", "")
    return row | {
        "price": rupees_of(trade.price_paise),
        "strategy": strategy,
        "tradeid": f"TRADE-{day}-{clock}-{number:08x}",
    }


def position_row(report: PositionReport, exchange: str, ltp_paise: int, *, live: bool) -> dict[str, Any]:
    if live:
        return {
            "average_price": f"{rupees_of(report.average_paise):.2f}",
            "exchange": exchange,
            "ltp": 0.0,
            "pnl": 0.0,
            "product": report.product,
            "quantity": str(report.net_qty),
            "symbol": report.symbol,
        }
    gain = rupees_of((ltp_paise - report.average_paise) * report.net_qty) if report.net_qty and ltp_paise else 0.0
    return {
        "average_price": rupees_of(report.average_paise) if report.net_qty else 0.0,
        "exchange": exchange,
        "lot_size": 1.0,
        "ltp": rupees_of(ltp_paise),
        "pnl": gain,
        "pnlpercent": 0.0,
        "product": report.product,
        "quantity": report.net_qty,
        "symbol": report.symbol,
        "today_realized_pnl": 0.0,
        "total_pnl_today": gain,
        "unrealized_pnl": gain,
    }


def update_frame(report: OrderReport, exchange: str, account: str) -> dict[str, Any]:
    """An `order_update` of analyze mode: no time, no label; a finished one has the fill's price as its price."""
    is_done = report.state is OrderState.FILLED
    return {
        "type": "order_update",
        "user_id": account,
        "mode": "analyze",
        "broker": "sandbox",
        "orderid": report.broker_id,
        "symbol": report.symbol,
        "exchange": exchange,
        "action": report.side.value,
        "quantity": report.qty,
        "price": rupees_of(report.average_paise if is_done else report.limit_paise),
        "trigger_price": rupees_of(report.trigger_paise),
        "pricetype": report.type.value,
        "product": report.product,
        "order_status": word(report.state, live=False),
        "filled_quantity": report.filled_qty,
        "pending_quantity": 0,
        "average_price": rupees_of(report.average_paise),
        "rejection_reason": report.reject_text,
    }


def refusal_text(refused: Refused, order_id: str, lot: int) -> str:
    """The floor's no in the analyzer's words."""
    match refused.code:
        case refusals.MARGIN:
            return f"Insufficient funds. {refused.text}"
        case refusals.LOT_SIZE:
            return f"Quantity must be in multiples of lot size {lot}"
        case refusals.NO_SUCH_ORDER:
            return f"Order {order_id} not found"
        case _:
            return refused.text
