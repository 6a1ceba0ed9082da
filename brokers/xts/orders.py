"""Order requests in XTS's words, and its rows of orders, trades and positions in ours (facts/xts.md §3, §4, §5). Pure.

A row that cannot be read and may be ours never vanishes: where it has an id its order's state is *unknown*, else the
whole book is unreadable (`RowUnreadable`), which is a failed read. Rows of nobody's tag are counted and left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, cast

import msgspec

from brokers.order_words import state_of
from brokers.refusal_words import refusal_code
from brokers.wire.numbers import paise_of, rupees_of, whole_of
from brokers.wire.oddities import Oddities, sample_of
from brokers.xts import times
from brokers.xts.master import Contract
from engine.order import OrderState, OrderType, Side, Trade
from engine.port import OrderChange, OrderReport, OrderRequest, PositionReport

SymbolOf = Callable[[object, object, object], str]
"""(ExchangeSegment, ExchangeInstrumentID, TradingSymbol) of a row -> how this desk names it. Never raises."""

SOURCE: Final = "WebAPI"
"""`apiOrderSource`; older servers ignore it."""
_SENT_TYPES: Final = {
    OrderType.LIMIT: "LIMIT",
    OrderType.MARKET: "LIMIT",
    OrderType.SL: "STOPLIMIT",
    OrderType.SL_M: "STOPMARKET",
}
_READ_TYPES: Final = {
    "LIMIT": OrderType.LIMIT,
    "MARKET": OrderType.MARKET,
    "STOPLIMIT": OrderType.SL,
    "STOPMARKET": OrderType.SL_M,
}
_TRIGGERED: Final = {OrderType.LIMIT: OrderType.SL, OrderType.MARKET: OrderType.SL_M}
"""A plain order that has a stop price was a stop, and its price is through."""
_STOPS: Final = (OrderType.SL, OrderType.SL_M)
_LARGEST: Final = 10**9
"""Units; above it a quantity is no quantity."""


_ID_DIGITS: Final = 24
_EXACT_MAX: Final = 1 << 53


class RowUnreadable(Exception):
    """The sentence says what is missing, without the row."""


class OrderTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What a change must say again of the order it changes: the server takes all fields or none (facts §3)."""

    product: str
    validity: str = "DAY"
    disclosed_qty: int = 0
    tag: str = ""


# --- requests ---------------------------------------------------------------------------------------------------------


def place_body(request: OrderRequest, contract: Contract, client_id: str) -> dict[str, Any]:
    """POST /orders. A marketable intent is a LIMIT at its protection limit: MARKET has no protection here, and bare
    market orders of programs are refused (facts/market.md §3). `client_id` empty = an investor's own login."""
    limit_paise = 0 if request.type is OrderType.SL_M else request.limit_paise
    trigger_paise = request.trigger_paise if request.type in _STOPS else 0
    body: dict[str, Any] = {
        "exchangeSegment": contract.segment,
        "exchangeInstrumentID": contract.number,
        "productType": request.product,
        "orderType": _SENT_TYPES[request.type],
        "orderSide": request.side.value,
        "timeInForce": "DAY",
        "disclosedQuantity": 0,
        "orderQuantity": request.qty,
        "limitPrice": rupees_of(limit_paise),
        "stopPrice": rupees_of(trigger_paise),
        "orderUniqueIdentifier": request.tag,
        "apiOrderSource": SOURCE,
    }
    return {**body, "clientID": client_id} if client_id else body


def modify_body(change: OrderChange, terms: OrderTerms, client_id: str) -> dict[str, Any]:
    """PUT /orders: every field, the quantity being the new total (facts §3). The id must be a number."""
    body: dict[str, Any] = {
        "appOrderID": int(change.broker_id),
        "modifiedProductType": terms.product,
        "modifiedOrderType": _SENT_TYPES[change.type],
        "modifiedOrderQuantity": change.qty,
        "modifiedDisclosedQuantity": terms.disclosed_qty,
        "modifiedLimitPrice": rupees_of(0 if change.type is OrderType.SL_M else change.limit_paise),
        "modifiedStopPrice": rupees_of(change.trigger_paise if change.type in _STOPS else 0),
        "modifiedTimeInForce": terms.validity,
        "orderUniqueIdentifier": change.tag or terms.tag,
    }
    return {**body, "clientID": client_id} if client_id else body


def cancel_query(tag: str, broker_id: str, client_id: str) -> list[tuple[str, str]]:
    """DELETE /orders."""
    query = [("appOrderID", broker_id), ("orderUniqueIdentifier", tag), ("clientID", client_id)]
    return [(name, value) for name, value in query if value]


# --- order rows -------------------------------------------------------------------------------------------------------


def order_report(row: object, symbol_of: SymbolOf) -> OrderReport:
    """One row of the order book, or one `order` event. Raises RowUnreadable when not even the order's id is there."""
    fields = _fields(row)
    broker_id = id_of(fields.get("AppOrderID"))
    if not broker_id:
        raise RowUnreadable("an order row without AppOrderID")
    side = side_of(fields)
    qty = _units(fields.get("OrderQuantity"))
    filled = _units(fields.get("CumulativeQuantity"))
    trigger_paise = paise_of(fields.get("OrderStopPrice")) or 0
    order_type = _READ_TYPES.get(_word(fields.get("OrderType")))
    if order_type is not None and order_type in _TRIGGERED and trigger_paise > 0:
        order_type, state = _TRIGGERED[order_type], _state(fields, OrderType.LIMIT, qty, filled)
    else:
        state = _state(fields, order_type, qty, filled)
    if side is None or not qty or filled is None or order_type is None:
        state = OrderState.UNKNOWN
    return OrderReport(
        tag=_text(fields.get("OrderUniqueIdentifier")),
        broker_id=broker_id,
        symbol=_symbol(fields, symbol_of),
        side=side or Side.BUY,
        type=order_type or OrderType.LIMIT,
        product=_text(fields.get("ProductType")),
        qty=qty or 0,
        limit_paise=max(paise_of(fields.get("OrderPrice")) or 0, 0),
        trigger_paise=max(trigger_paise, 0) if order_type in _STOPS else 0,
        state=state,
        filled_qty=filled or 0,
        average_paise=_average(fields),
        reject_text=sample_of(_text(fields.get("CancelRejectReason"))) if state in _REASONED else "",
        reject_code=refusal_code(_text(fields.get("CancelRejectReason"))) if state is OrderState.REJECTED else "",
        at_ns=times.from_text(fields.get("LastUpdateDateTime")) or times.from_text(fields.get("LastUpdateDateTimeAPI")),
    )


_REASONED: Final = (OrderState.REJECTED, OrderState.CANCELLED, OrderState.EXPIRED)


def order_terms(row: object) -> OrderTerms:
    """What a later change of this order repeats. Raises RowUnreadable."""
    fields = _fields(row)
    product = _text(fields.get("ProductType"))
    if not product:
        raise RowUnreadable("an order row without ProductType")
    return OrderTerms(
        product=product,
        validity=_text(fields.get("TimeInForce")) or "DAY",
        disclosed_qty=_units(fields.get("OrderDisclosedQuantity")) or 0,
        tag=_text(fields.get("OrderUniqueIdentifier")),
    )


def order_id_in(row: object) -> str:
    """The AppOrderID of a row, or empty. Raises RowUnreadable."""
    return id_of(_fields(row).get("AppOrderID"))


def sequence_of(row: object) -> int:
    """An event's place in the server's own order; 0 = it has none that can be used (older servers send negatives)."""
    number = id_of(_fields(row).get("SequenceNumber"))
    return int(number) if number else 0


def _state(fields: Mapping[str, Any], order_type: OrderType | None, qty: int | None, filled: int | None) -> OrderState:
    word = _word(fields.get("OrderStatus"))
    if word in ("TRIGGERPENDING", "TRIGGER PENDING"):
        return OrderState.TRIGGER_PENDING
    state = state_of(word)
    if state is OrderState.EXPIRED and _units(fields.get("LeavesQuantity")) != 0:
        return OrderState.UNKNOWN  # a word that was never captured; what is left may still work (facts §4)
    if state is not OrderState.WORKING:
        return state
    if filled and qty and filled < qty:
        return OrderState.PART_FILLED
    return OrderState.TRIGGER_PENDING if order_type in _STOPS else OrderState.WORKING


def _average(fields: Mapping[str, Any]) -> int:
    """The number beside the text first: a filled order's event has an empty text (facts §0.7)."""
    for name in ("OrderAverageTradedPriceAPI", "OrderAverageTradedPrice"):
        paise = paise_of(fields.get(name))
        if paise is not None and paise > 0:
            return paise
    return 0


# --- trades and positions ---------------------------------------------------------------------------------------------


def trade_of(row: object, symbol_of: SymbolOf) -> Trade:
    """One execution, keyed by (segment, ExecutionID, side) (facts §4). Raises RowUnreadable."""
    fields = _fields(row)
    execution, broker_id, side = id_of(fields.get("ExecutionID")), id_of(fields.get("AppOrderID")), side_of(fields)
    qty, paise = _units(fields.get("LastTradedQuantity")), paise_of(fields.get("LastTradedPrice"))
    if not execution or not broker_id or side is None or not qty or paise is None or paise <= 0:
        raise RowUnreadable("a trade row without its id, order, side, quantity or price")
    at_ns = 0
    for name in ("LastExecutionTransactTime", "ExchangeTransactTime", "LastUpdateDateTime"):
        at_ns = at_ns or times.from_text(fields.get(name)) or times.from_text(fields.get(f"{name}API"))
    return Trade(
        trade_id=f"{_text(fields.get('ExchangeSegment'))}:{execution}:{side.value}",
        broker_id=broker_id,
        tag=_text(fields.get("OrderUniqueIdentifier")),
        symbol=_symbol(fields, symbol_of),
        side=side,
        qty=qty,
        price_paise=paise,
        at_ns=at_ns,
    )


def position_of(row: object, symbol_of: SymbolOf) -> PositionReport:
    """One net row, of the book or of the stream. Raises RowUnreadable: a position is never guessed."""
    fields = _fields(row)
    net = fields.get("Quantity", fields.get("NetPosition"))
    net_qty = whole_of(net)
    if net_qty is None or abs(net_qty) > _LARGEST:
        raise RowUnreadable("a position row without its quantity")
    average = fields.get("BuyAveragePrice" if net_qty > 0 else "SellAveragePrice")
    return PositionReport(
        symbol=_symbol(fields, symbol_of),
        product=_text(fields.get("ProductType")),
        net_qty=net_qty,
        average_paise=max(paise_of(average) or 0, 0) if net_qty else 0,
    )


def orders_in(result: object, symbol_of: SymbolOf, odd: Oddities) -> Iterator[OrderReport]:
    """The order book. Raises RowUnreadable."""
    for row in rows_in(result):
        report = order_report(row, symbol_of)
        if report.state is OrderState.UNKNOWN:
            if not report.tag and not report.qty:
                odd.add("an order row of nobody's tag that cannot be read", row)
                continue
            odd.add("an order row that cannot be read whole, its state is unknown", row)
        yield report


def trades_in(result: object, symbol_of: SymbolOf) -> Iterator[Trade]:
    """The trade book. Raises RowUnreadable."""
    return (trade_of(row, symbol_of) for row in rows_in(result))


def positions_in(result: object, symbol_of: SymbolOf) -> Iterator[PositionReport]:
    """The net positions. Raises RowUnreadable."""
    rows = cast("dict[str, Any]", result).get("positionList") if isinstance(result, dict) else result
    return (position_of(row, symbol_of) for row in rows_in(rows))


def rows_in(result: object) -> list[Any]:
    """Raises RowUnreadable for anything but a list: it is no empty book."""
    if not isinstance(result, list):
        raise RowUnreadable("a book that is no list")
    return cast("list[Any]", result)


# --- fields -----------------------------------------------------------------------------------------------------------


def id_of(value: object) -> str:
    """A positive whole number as a number or as digits; empty when it is neither. Ids have 16 digits and more."""
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT_MAX:
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if 0 < value < 10**_ID_DIGITS else ""
    if isinstance(value, str) and value.isdecimal() and value.isascii() and len(value) <= _ID_DIGITS:
        return value.lstrip("0")
    return ""


def side_of(fields: Mapping[str, Any]) -> Side | None:
    for name in ("OrderSideAPI", "OrderSide"):
        word = _word(fields.get(name))
        if word in ("BUY", "SELL"):
            return Side(word)
    return None


def _fields(row: object) -> Mapping[str, Any]:
    if not isinstance(row, dict):
        raise RowUnreadable("a row that is no object")
    return cast("dict[str, Any]", row)


def _symbol(fields: Mapping[str, Any], symbol_of: SymbolOf) -> str:
    number = fields.get("ExchangeInstrumentID", fields.get("ExchangeInstrumentId"))
    return symbol_of(fields.get("ExchangeSegment"), number, fields.get("TradingSymbol"))


def _units(value: object) -> int | None:
    number = whole_of(value)
    return number if number is not None and 0 <= number <= _LARGEST else None


def _word(value: object) -> str:
    return value.strip().upper() if isinstance(value, str) else ""


def _text(value: object) -> str:
    """Untrusted text, cut: whatever else it holds is shown only through the screen's own escaping."""
    return value[:200] if isinstance(value, str) else ""
