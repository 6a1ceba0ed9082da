"""Writes the rows and envelopes of Kite's replies (facts/kite.md §1, §3, §4). Pure; the reader is `orders.py`."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Final

from brokers.kite.master import Listing
from brokers.kite.times import candle_stamp_of, stamp_of
from brokers.kite.venue_prices import DayPrices, VenueBar
from brokers.wire.numbers import rupees_of
from engine.order import OrderState, Trade
from engine.port import OrderReport, PositionReport
from engine.tick import Tick

_WORDS: Final[dict[OrderState, str]] = {
    OrderState.WORKING: "OPEN",
    OrderState.PART_FILLED: "OPEN",
    OrderState.TRIGGER_PENDING: "TRIGGER PENDING",
    OrderState.FILLED: "COMPLETE",
    OrderState.CANCELLED: "CANCELLED",
    OrderState.EXPIRED: "CANCELLED",
    OrderState.REJECTED: "REJECTED",
}
INTERIM: Final = ("PUT ORDER REQ RECEIVED", "VALIDATION PENDING", "OPEN PENDING")
"""What an order passes through before it rests; one that the risk system refuses gets no further than the first two."""


class KiteError(Exception):
    """A refusal in the broker's own words."""

    def __init__(self, status: int, error_type: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.error_type = error_type

    @property
    def body(self) -> dict[str, Any]:
        return {"status": "error", "message": str(self), "data": None, "error_type": self.error_type}


def success(data: object) -> dict[str, Any]:
    return {"status": "success", "data": data}


def order_row(
    report: OrderReport, listing: Listing, user: str, tag: str, *, labels: Sequence[str] = (), word: str = ""
) -> dict[str, Any]:
    """One row of the order book. `word`: an interim status; `labels`: tags of the broker's own."""
    is_over = report.state in (OrderState.FILLED, OrderState.CANCELLED, OrderState.EXPIRED, OrderState.REJECTED)
    left = 0 if is_over else report.qty - report.filled_qty
    gone = report.qty - report.filled_qty if report.state in (OrderState.CANCELLED, OrderState.EXPIRED) else 0
    stamp = stamp_of(report.at_ns)
    at_exchange = None if word or report.state is OrderState.REJECTED else stamp
    tags = [*([tag] if tag else []), *labels]
    return {
        "account_id": user, "placed_by": user, "order_id": report.broker_id,
        "exchange_order_id": f"1{report.broker_id}"[:16] if at_exchange else None, "parent_order_id": None,
        "status": word or _WORDS.get(report.state, INTERIM[0]),
        "status_message": report.reject_text or None, "status_message_raw": report.reject_text or None,
        "order_timestamp": stamp, "exchange_update_timestamp": at_exchange, "exchange_timestamp": at_exchange,
        "variety": "regular", "modified": False, "exchange": listing.exchange,
        "tradingsymbol": listing.tradingsymbol, "instrument_token": listing.token, "order_type": report.type.value,
        "transaction_type": report.side.value, "validity": "DAY", "validity_ttl": 0, "product": report.product,
        "quantity": report.qty, "disclosed_quantity": 0, "price": rupees_of(report.limit_paise),
        "trigger_price": rupees_of(report.trigger_paise), "average_price": rupees_of(report.average_paise),
        "filled_quantity": report.filled_qty, "pending_quantity": left, "cancelled_quantity": gone,
        "auction_number": None, "market_protection": 0, "meta": {}, "tag": tag or None,
        **({"tags": tags} if tags else {}), "guid": None,
    }  # fmt: skip


def order_frame(row: dict[str, Any], api_key: str, secret: str) -> dict[str, Any]:
    """The text message that tells of a row: the postback's fields."""
    signed = f"{row['order_id']}{row['order_timestamp']}{secret}"
    more = {
        "user_id": row["placed_by"],
        "app_id": 1,
        "unfilled_quantity": row["pending_quantity"],
        "checksum": hashlib.sha256(signed.encode()).hexdigest(),
    }
    return {"type": "order", "id": "", "data": row | more}


def trade_row(trade: Trade, listing: Listing, product: str) -> dict[str, Any]:
    stamp = stamp_of(trade.at_ns)
    return {
        "trade_id": trade.trade_id.removeprefix("T"), "order_id": trade.broker_id,
        "exchange_order_id": f"1{trade.broker_id}"[:16], "exchange": listing.exchange,
        "tradingsymbol": listing.tradingsymbol, "instrument_token": listing.token, "product": product,
        "transaction_type": trade.side.value, "average_price": rupees_of(trade.price_paise), "quantity": trade.qty,
        "fill_timestamp": stamp, "exchange_timestamp": stamp, "order_timestamp": stamp[11:],
    }  # fmt: skip


def position_row(report: PositionReport, listing: Listing, trades: Sequence[Trade], ltp_paise: int) -> dict[str, Any]:
    """One row of the net book, its day's figures from the trades of the same symbol."""
    sums = {side: [0, 0] for side in ("buy", "sell")}
    for trade in trades:
        side = sums["buy" if trade.side.sign > 0 else "sell"]
        side[0] += trade.qty
        side[1] += trade.qty * trade.price_paise
    value = sums["sell"][1] - sums["buy"][1]
    pnl = rupees_of(value + report.net_qty * ltp_paise)
    row: dict[str, Any] = {
        "tradingsymbol": listing.tradingsymbol, "exchange": listing.exchange, "instrument_token": listing.token,
        "product": report.product, "quantity": report.net_qty, "overnight_quantity": 0, "multiplier": 1,
        "average_price": rupees_of(report.average_paise) if report.net_qty else 0, "close_price": 0,
        "last_price": rupees_of(ltp_paise), "value": rupees_of(value), "pnl": pnl, "m2m": pnl, "unrealised": pnl,
        "realised": 0,
    }  # fmt: skip
    for side, (qty, worth) in sums.items():
        price = rupees_of(worth) / qty if qty else 0
        row |= {
            f"{side}_quantity": qty, f"{side}_price": price, f"{side}_value": rupees_of(worth),
            f"{side}_m2m": rupees_of(worth), f"day_{side}_quantity": qty, f"day_{side}_price": price,
            f"day_{side}_value": rupees_of(worth),
        }  # fmt: skip
    return row


def quote_item(token: int, tick: Tick, prices: DayPrices) -> dict[str, Any]:
    """One item of GET /quote; the smaller calls are parts of it."""
    stamp, day = stamp_of(tick.at_ns), prices.day
    no_level = {"price": 0, "quantity": 0, "orders": 0}

    def side(paise: int, qty: int) -> list[dict[str, Any]]:
        best = {"price": rupees_of(paise), "quantity": qty, "orders": 1} if qty else no_level
        return [best, *([no_level] * 4)]

    return {
        "instrument_token": token, "timestamp": stamp, "last_trade_time": stamp,
        "last_price": rupees_of(tick.ltp_paise), "last_quantity": 0, "buy_quantity": tick.bid_qty,
        "sell_quantity": tick.ask_qty, "volume": 0, "average_price": rupees_of(tick.ltp_paise), "oi": 0,
        "oi_day_high": 0, "oi_day_low": 0, "net_change": 0, "lower_circuit_limit": 0.05,
        "upper_circuit_limit": rupees_of(tick.ltp_paise * 20),
        "ohlc": {
            "open": rupees_of(day.open_paise), "high": rupees_of(day.high_paise), "low": rupees_of(day.low_paise),
            "close": rupees_of(day.open_paise),
        },
        "depth": {"buy": side(tick.bid_paise, tick.bid_qty), "sell": side(tick.ask_paise, tick.ask_qty)},
    }  # fmt: skip


def candle_row(bar: VenueBar, *, with_oi: bool) -> list[Any]:
    prices = [rupees_of(p) for p in (bar.open_paise, bar.high_paise, bar.low_paise, bar.close_paise)]
    return [candle_stamp_of(bar.start_ns), *prices, bar.ticks, *([0] if with_oi else [])]


def margins(cash_paise: int) -> dict[str, Any]:
    """One segment of GET /user/margins."""
    cash = rupees_of(cash_paise)
    free = ("adhoc_margin", "collateral", "intraday_payin")
    used = (
        "debits", "exposure", "m2m_realised", "m2m_unrealised", "option_premium", "payout", "span", "holding_sales",
        "turnover", "liquid_collateral", "stock_collateral", "delivery",
    )  # fmt: skip
    return {
        "enabled": True,
        "net": cash,
        "available": dict.fromkeys(free, 0) | {"cash": cash, "opening_balance": cash, "live_balance": cash},
        "utilised": dict.fromkeys(used, 0),
    }
