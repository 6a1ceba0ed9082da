"""What the venue writes: order, trade and position rows, order-update frames and error bodies in Dhan's form. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from brokers.dhan.venue_catalogue import Contract
from brokers.dhan.vocabulary import DHAN_PRODUCT, wire_time
from engine import refusals
from engine.instrument import OptionType
from engine.order import OrderState, OrderType, Side, Trade
from engine.port import OrderReport, PositionReport, Refused

S = OrderState
_STATUS: Final = {
    S.WORKING: "PENDING",
    S.TRIGGER_PENDING: "PENDING",
    S.PART_FILLED: "PART_TRADED",
    S.FILLED: "TRADED",
    S.CANCELLED: "CANCELLED",
    S.REJECTED: "REJECTED",
    S.EXPIRED: "EXPIRED",
}
_PUSHED_STATUS: Final = {**_STATUS, S.PART_FILLED: "PENDING"}
"""The order-update socket has no word for a part."""
_TYPE: Final = {OrderType.SL: "STOP_LOSS", OrderType.SL_M: "STOP_LOSS_MARKET"}
_PUSHED_TYPE: Final = {OrderType.SL: "SL", OrderType.SL_M: "SLM"}

DEAD_TOKEN: Final = (
    401,
    "Invalid_Authentication",
    "DH-901",
    "Client ID or user generated access token is invalid or expired.",
)
DEAD_TOKEN_OF_DATA: Final = (400, "Order_Error", "DH-906", "Invalid Token")
FORBIDDEN_ADDRESS: Final = (400, "Input_Exception", "DH-905", "Invalid IP")
BAD_INPUT: Final = (400, "Input_Exception", "DH-905", "Missing required fields, bad values for parameters etc.")
TOO_MANY: Final = (
    *(429, "Rate_Limit", "DH-904"),
    "Too many requests on server from single user breaching rate limits. Try throttling API calls.",
)
NO_ACCOUNT: Final = (400, "User_Account", "DH-903", "This venue opens no more accounts.")
MARKET_CLOSED: Final = (400, "Order_Error", "DH-906", "Market is Closed! You cannot modify/cancel an order now.")
INTERNAL: Final = (500, "Internal_Server_Error", "DH-908", "Server is unable to process the request.")
NO_HOLDINGS: Final = (400, "Holding_Error", "DH-1111", "No holdings available")

Error = tuple[int, str, str, str]
"""HTTP status, errorType, errorCode, errorMessage."""

_AT_ONCE: Final = frozenset(
    {refusals.LOT_SIZE, refusals.TICK_SIZE, refusals.UNKNOWN_SYMBOL, refusals.TAG, refusals.FREEZE_QTY}
)
"""Refused by the gate; what the exchange refuses comes as a REJECTED order after an acceptance."""


class Labels(msgspec.Struct):
    """What the venue remembers of an order beside the exchange's own record."""

    correlation_id: str = "NA"
    created_ns: int = 0


def error_body(error: Error) -> dict[str, str]:
    _, kind, code, message = error
    return {"errorType": kind, "errorCode": code, "errorMessage": message}


def place_error(refused: Refused) -> Error | None:
    """How Dhan refuses a new order at once; None: it accepts it, and rejects it later."""
    if refused.code == refusals.THROTTLED:
        return TOO_MANY
    if refused.code == refusals.SESSION_CLOSED:
        return (400, "Order_Error", "DH-906", "Market is Closed! Want to place an offline order?")
    return BAD_INPUT if refused.code in _AT_ONCE else None


def change_error(refused: Refused) -> Error:
    """How Dhan refuses a modify or a cancel."""
    if refused.code == refusals.THROTTLED:
        return TOO_MANY
    if refused.code == refusals.SESSION_CLOSED:
        return MARKET_CLOSED
    if refused.code in _AT_ONCE or refused.code == refusals.NO_SUCH_ORDER:
        return BAD_INPUT
    return (400, "Order_Error", "DH-906", refused.text)


def order_row(report: OrderReport, contract: Contract, labels: Labels, client_id: str) -> dict[str, Any]:
    live = report.state in (S.WORKING, S.TRIGGER_PENDING, S.PART_FILLED)
    return {
        "dhanClientId": client_id,
        "orderId": report.broker_id,
        "exchangeOrderId": f"11{report.broker_id}" if report.state is not S.REJECTED else "0",
        "correlationId": labels.correlation_id,
        "orderStatus": _STATUS.get(report.state, "TRANSIT"),
        "transactionType": report.side.value,
        "exchangeSegment": contract.segment,
        "productType": DHAN_PRODUCT.get(report.product, report.product),
        "orderType": _TYPE.get(report.type, "LIMIT"),
        "validity": "DAY",
        "tradingSymbol": contract.trading_symbol,
        "securityId": str(contract.security_id),
        "quantity": report.qty,
        "disclosedQuantity": 0,
        "price": report.limit_paise / 100,
        "triggerPrice": report.trigger_paise / 100,
        "afterMarketOrder": False,
        "boProfitValue": 0.0,
        "boStopLossValue": 0.0,
        "legName": "NA",
        "createTime": wire_time(labels.created_ns or report.at_ns),
        "updateTime": wire_time(report.at_ns),
        "exchangeTime": wire_time(report.at_ns) if report.state is not S.REJECTED else "0001-01-01 00:00:00",
        **_derivative(contract),
        "omsErrorCode": "16388" if report.state is S.REJECTED else "0",
        "omsErrorDescription": report.reject_text if report.state is S.REJECTED else "",
        "algoId": "0",
        "remainingQuantity": report.qty - report.filled_qty if live else 0,
        "averageTradedPrice": report.average_paise / 100,
        "filledQty": report.filled_qty,
    }


def trade_row(trade: Trade, contract: Contract, order: OrderReport, labels: Labels, client_id: str) -> dict[str, Any]:
    return {
        "dhanClientId": client_id,
        "orderId": trade.broker_id,
        "exchangeOrderId": f"11{trade.broker_id}",
        "exchangeTradeId": trade.trade_id.removeprefix("T"),
        "transactionType": trade.side.value,
        "exchangeSegment": contract.segment,
        "productType": DHAN_PRODUCT.get(order.product, order.product),
        "orderType": _TYPE.get(order.type, "LIMIT"),
        "tradingSymbol": contract.trading_symbol,
        "customSymbol": None,
        "securityId": str(contract.security_id),
        "tradedQuantity": trade.qty,
        "tradedPrice": trade.price_paise / 100,
        "createTime": wire_time(labels.created_ns or trade.at_ns),
        "updateTime": wire_time(trade.at_ns),
        "exchangeTime": wire_time(trade.at_ns),
        **_derivative(contract),
    }


def position_row(
    position: PositionReport, contract: Contract, trades: Sequence[Trade], client_id: str
) -> dict[str, Any]:
    """`trades` are the day's own of this contract and product."""
    (bought, bought_paise), (sold, sold_paise) = _sums(trades, Side.BUY), _sums(trades, Side.SELL)
    buy_average, sell_average = _average(bought, bought_paise), _average(sold, sold_paise)
    net = position.net_qty
    return {
        "dhanClientId": client_id,
        "tradingSymbol": contract.trading_symbol,
        "securityId": str(contract.security_id),
        "positionType": "LONG" if net > 0 else "SHORT" if net < 0 else "CLOSED",
        "exchangeSegment": contract.segment,
        "productType": DHAN_PRODUCT.get(position.product, position.product),
        "buyAvg": position.average_paise / 100 if net > 0 else buy_average,
        "buyQty": bought,
        "costPrice": position.average_paise / 100,
        "sellAvg": position.average_paise / 100 if net < 0 else sell_average,
        "sellQty": sold,
        "netQty": net,
        "realizedProfit": round((sell_average - buy_average) * min(bought, sold), 2),
        "unrealizedProfit": 0.0,
        "rbiReferenceRate": 1.0,
        "multiplier": 1,
        "carryForwardBuyQty": max(net - bought + sold, 0),
        "carryForwardSellQty": max(bought - sold - net, 0),
        "carryForwardBuyValue": 0.0,
        "carryForwardSellValue": 0.0,
        "dayBuyQty": bought,
        "daySellQty": sold,
        "dayBuyValue": bought_paise / 100,
        "daySellValue": sold_paise / 100,
        **_derivative(contract),
        "crossCurrency": False,
    }


def order_frame(
    report: OrderReport, contract: Contract, labels: Labels, client_id: str, *, camel: bool
) -> dict[str, Any]:
    """One update of the socket; live clients were seen with `orderNo`, the documents have `OrderNo`."""
    instrument = contract.instrument
    data = {
        "Exchange": {"NFO": "NSE", "BFO": "BSE"}.get(instrument.exchange, instrument.exchange),
        "Segment": "D" if instrument.is_option else "E",
        "Source": "P",
        "SecurityId": str(contract.security_id),
        "ClientId": client_id,
        "ExchOrderNo": f"11{report.broker_id}",
        "OrderNo": report.broker_id,
        "Product": DHAN_PRODUCT.get(report.product, report.product)[:1],
        "TxnType": report.side.value[:1],
        "OrderType": _PUSHED_TYPE.get(report.type, "LMT"),
        "Validity": "DAY",
        "DiscQuantity": 0,
        "DiscQtyRem": 0,
        "RemainingQuantity": report.qty - report.filled_qty,
        "Quantity": report.qty,
        "TradedQty": report.filled_qty,
        "Price": report.limit_paise / 100,
        "TriggerPrice": report.trigger_paise / 100,
        "TradedPrice": report.average_paise / 100,
        "AvgTradedPrice": report.average_paise / 100,
        "AlgoOrdNo": "",
        "OffMktFlag": "0",
        "OrderDateTime": wire_time(labels.created_ns or report.at_ns),
        "ExchOrderTime": wire_time(report.at_ns),
        "LastUpdatedTime": wire_time(report.at_ns),
        "Remarks": "NR",
        "MktType": "NL",
        "ReasonDescription": report.reject_text if report.state is S.REJECTED else "CONFIRMED",
        "LegNo": 1,
        "Instrument": contract.kind,
        "Symbol": contract.trading_symbol,
        "ProductName": DHAN_PRODUCT.get(report.product, report.product),
        "Status": _PUSHED_STATUS.get(report.state, "TRANSIT").title(),
        "LotSize": instrument.lot_size,
        "StrikePrice": instrument.strike_paise / 100,
        "ExpiryDate": f"{instrument.expiry} 14:30:00" if instrument.expiry else "0001-01-01 00:00:00",
        "OptType": instrument.option_type.value if instrument.option_type else "XX",
        "DisplayName": contract.trading_symbol,
        "TickSize": instrument.tick_paise / 100,
        "AlgoId": "0",
        "Multiplier": 1,
        "CorrelationId": labels.correlation_id,
    }
    if camel:
        data = {key[:1].lower() + key[1:]: value for key, value in data.items()}
    return {"Data": data, "Type": "order_alert"}


def trades_of_position(
    position: PositionReport, trades: Sequence[Trade], product_of: Mapping[str, str]
) -> Sequence[Trade]:
    return [
        trade
        for trade in trades
        if trade.symbol == position.symbol and product_of.get(trade.broker_id) == position.product
    ]


def _derivative(contract: Contract) -> dict[str, Any]:
    instrument = contract.instrument
    if instrument.expiry is None:
        return {"drvExpiryDate": "0001-01-01", "drvOptionType": "NA", "drvStrikePrice": 0.0}
    return {
        "drvExpiryDate": instrument.expiry.isoformat(),
        "drvOptionType": "CALL" if instrument.option_type is OptionType.CE else "PUT",
        "drvStrikePrice": instrument.strike_paise / 100,
    }


def _sums(trades: Sequence[Trade], side: Side) -> tuple[int, int]:
    same = [trade for trade in trades if trade.side is side]
    return sum(trade.qty for trade in same), sum(trade.qty * trade.price_paise for trade in same)


def _average(qty: int, value_paise: int) -> float:
    return round(value_paise / qty / 100, 4) if qty else 0.0
