"""Orders, trades and positions as Dhan writes them: bodies of requests, tolerant readers of rows.

Pure (facts/dhan.md §2, §3). A row that cannot be read raises `BrokenRow`; `read_book` decides whether it may be left
out: a row that is legibly somebody else's is counted, one that could be ours makes the whole read fail.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar, cast

from brokers.dhan.vocabulary import (
    DESK_PRODUCT,
    DESK_SIDE,
    DESK_TYPE,
    DHAN_PRODUCT,
    DHAN_TYPE,
    NO_VALUE,
    instant_of,
    object_in,
    state_of,
    text_of,
)
from brokers.refusal_words import refusal_code
from brokers.wire.numbers import paise_of, rupees_of, whole_of
from brokers.wire.oddities import Oddities, sample_of
from engine.order import OrderState, OrderType, Side, Trade
from engine.port import OrderChange, OrderReport, OrderRequest, PositionReport, ReadFailed
from engine.tags import is_tag

T = TypeVar("T")
Row = Mapping[str, Any]
SymbolOf = Callable[[str, str], str]
"""(segment, security id) -> this desk's name; empty when today's master does not have it."""
_ID_MAX: Final = 64


class BrokenRow(Exception):
    """A row without what makes it one. The text is one sentence."""


# --- requests ---------------------------------------------------------------------------------------------------------


def place_body(request: OrderRequest, client_id: str, segment: str, security_id: str) -> dict[str, object]:
    """Of `POST /orders`. A MARKET request leaves as the LIMIT at its protection price (`vocabulary.DHAN_TYPE`).

    Raises KeyError for a product or type that Dhan does not take from us.
    """
    body: dict[str, object] = {
        "dhanClientId": client_id,
        "correlationId": request.tag,
        "transactionType": request.side.value,
        "exchangeSegment": segment,
        "productType": DHAN_PRODUCT[request.product],
        "orderType": DHAN_TYPE[request.type],
        "validity": "DAY",
        "securityId": security_id,
        "quantity": request.qty,
        "disclosedQuantity": 0,
        "price": rupees_of(request.limit_paise),
        "afterMarketOrder": False,
    }
    if request.type is OrderType.SL:
        body["triggerPrice"] = rupees_of(request.trigger_paise)
    return body


def modify_body(change: OrderChange, client_id: str) -> dict[str, object]:
    """Of `PUT /orders/{id}`. The quantity is the new total, filled part included. Raises KeyError as `place_body`."""
    return {
        "dhanClientId": client_id,
        "orderId": change.broker_id,
        "orderType": DHAN_TYPE[change.type],
        "quantity": change.qty,
        "price": rupees_of(change.limit_paise),
        "disclosedQuantity": 0,
        "triggerPrice": rupees_of(change.trigger_paise) if change.type is OrderType.SL else 0,
        "validity": "DAY",
    }


# --- books ------------------------------------------------------------------------------------------------------------


def read_book(data: object, name: str, parse: Callable[[Row], T], oddities: Oddities) -> list[T]:
    """Every row of a bare list. Raises ReadFailed: not a list, or a row that cannot be read and could be ours."""
    if not isinstance(data, list):
        raise ReadFailed(f"Dhan's {name}: not a list")
    found: list[T] = []
    for row in cast("list[object]", data):
        try:
            found.append(parse(object_in(row)))
        except BrokenRow as broken:
            if not _is_foreign(object_in(row)):
                raise ReadFailed(f"Dhan's {name}: a row that cannot be read: {broken}") from None
            oddities.add(f"{name}: {broken}", sample_of(row))
    return found


def _is_foreign(row: Row) -> bool:
    """Carries a legible label that is not of our making. Without the field it could be anybody's: then it is not."""
    label = row.get("correlationId")
    return isinstance(label, str) and not is_tag(label.strip())


def order_of(row: Row, symbol_of: SymbolOf) -> OrderReport:
    """One row of the order book. Raises BrokenRow; a status, type or quantity nobody understands is UNKNOWN."""
    order_id, side = order_id_in(row.get("orderId")), DESK_SIDE.get(text_of(row.get("transactionType")).upper())
    if not order_id or side is None:
        raise BrokenRow("no order id or no side")
    return _report(
        row,
        order_id,
        side,
        symbol=_symbol(row, symbol_of),
        tag=text_of(row.get("correlationId")),
        filled=row.get("filledQty", row.get("filled_qty")),
        average=row.get("averageTradedPrice"),
        refusal=row.get("omsErrorDescription"),
        at_ns=instant_of(row.get("updateTime")) or instant_of(row.get("createTime")),
    )


def frame_of(frame: object, symbol_of: Callable[[str, str, str], str]) -> OrderReport | None:
    """One frame of the order-update socket; None for a frame of another type. Raises BrokenRow.

    Keys come as `OrderNo` and as `orderNo`, in one sample as both: they are compared in small letters.
    `symbol_of` is given (exchange, segment letter, security id).
    """
    if not isinstance(frame, dict):
        raise BrokenRow("no object")
    outer = {str(key).lower(): value for key, value in cast("dict[object, Any]", frame).items()}
    data = outer.get("data")
    if str(outer.get("type")).lower() != "order_alert":
        return None
    if not isinstance(data, dict):
        raise BrokenRow("no data in it")
    row = {str(key).lower(): value for key, value in cast("dict[object, Any]", data).items()}
    order_id, side = order_id_in(row.get("orderno")), DESK_SIDE.get(text_of(row.get("txntype")).upper())
    if not order_id or side is None:
        raise BrokenRow("no order id or no side")
    exchange, letter, security_id = (text_of(row.get(name)) for name in ("exchange", "segment", "securityid"))
    plain = {
        "orderStatus": row.get("status"),
        "orderType": row.get("ordertype"),
        "quantity": row.get("quantity"),
        "price": row.get("price"),
        "triggerPrice": row.get("triggerprice"),
        "productType": row.get("productname") or row.get("product"),
    }
    return _report(
        plain,
        order_id,
        side,
        symbol=symbol_of(exchange, letter, security_id) or sample_of(text_of(row.get("symbol")) or security_id),
        tag=text_of(row.get("correlationid")),
        filled=row.get("tradedqty"),
        average=row.get("avgtradedprice"),
        refusal=row.get("reasondescription"),
        at_ns=instant_of(row.get("lastupdatedtime")) or instant_of(row.get("orderdatetime")),
    )


def _report(
    row: Row,
    order_id: str,
    side: Side,
    *,
    symbol: str,
    tag: str,
    filled: object,
    average: object,
    refusal: object,
    at_ns: int,
) -> OrderReport:
    """Fills come from the quantities; an order that is TRADED and does not say how far is traded whole (HRD-02)."""
    order_type = DESK_TYPE.get(text_of(row.get("orderType")).upper())
    qty, limit, trigger = whole_of(row.get("quantity")), _price(row.get("price")), _price(row.get("triggerPrice"))
    filled_qty = 0 if filled is None or filled == "" else whole_of(filled)
    state = OrderState.UNKNOWN
    if qty is not None and qty > 0 and filled_qty is not None:
        if not 0 <= filled_qty <= qty:
            raise BrokenRow("filled more than ordered, or less than nothing")
        state = state_of(row.get("orderStatus"), order_type, qty, filled_qty)
        if state is OrderState.FILLED:
            filled_qty = qty
    elif filled_qty:
        raise BrokenRow("filled, and no quantity")
    if order_type is None or limit is None or trigger is None:
        state = state if filled_qty else OrderState.UNKNOWN
    return OrderReport(
        tag=tag[:_ID_MAX],
        broker_id=order_id,
        symbol=symbol,
        side=side,
        type=order_type or OrderType.LIMIT,
        product=product_in(row.get("productType")),
        qty=max(qty or 0, 0),
        limit_paise=limit or 0,
        trigger_paise=trigger or 0,
        state=state,
        filled_qty=filled_qty or 0,
        average_paise=max(paise_of(average) or 0, 0),
        reject_text=sample_of(text_of(refusal)) if state is OrderState.REJECTED else "",
        reject_code=refusal_code(text_of(refusal)) if state is OrderState.REJECTED else "",
        at_ns=at_ns,
    )


def trade_of(row: Row, symbol_of: SymbolOf, tag_of: Mapping[str, str]) -> Trade:
    """One row of the trade book; `tag_of` gives our tag by order id. Raises BrokenRow."""
    order_id, trade_id = order_id_in(row.get("orderId")), order_id_in(row.get("exchangeTradeId"))
    side = DESK_SIDE.get(text_of(row.get("transactionType")).upper())
    qty, price = whole_of(row.get("tradedQuantity")), paise_of(row.get("tradedPrice"))
    if not order_id or not trade_id or side is None or not qty or qty < 0 or price is None or price <= 0:
        raise BrokenRow("a trade without id, side, quantity or price")
    return Trade(
        trade_id=trade_id,
        broker_id=order_id,
        tag=tag_of.get(order_id, ""),
        symbol=_symbol(row, symbol_of),
        side=side,
        qty=qty,
        price_paise=price,
        at_ns=instant_of(row.get("exchangeTime")) or instant_of(row.get("updateTime")),
    )


def position_of(row: Row, symbol_of: SymbolOf) -> PositionReport:
    """One row of the positions; the average is that of the side that is open. Raises BrokenRow."""
    net_qty = whole_of(row.get("netQty"))
    symbol = _symbol(row, symbol_of)
    if net_qty is None or not symbol:
        raise BrokenRow("a position without quantity or contract")
    average = paise_of(row.get("buyAvg" if net_qty > 0 else "sellAvg")) or paise_of(row.get("costPrice")) or 0
    return PositionReport(
        symbol=symbol,
        product=product_in(row.get("productType")),
        net_qty=net_qty,
        average_paise=max(average, 0) if net_qty else 0,
    )


def order_id_in(value: object) -> str:
    """A broker's id as text: letters and digits and dashes, since it goes into the path of a request; else empty."""
    text = text_of(value)
    legible = text.isascii() and text.replace("-", "").replace("_", "").isalnum() and len(text) <= _ID_MAX
    return text if legible else ""


def product_in(value: object) -> str:
    """MIS, NRML or CNC; Dhan's own word for a product that this desk does not use (MTF, CO, BO)."""
    word = text_of(value).upper()
    return DESK_PRODUCT.get(word, sample_of(word))


def rows_in(data: object) -> list[Row]:
    """A single order is documented as an object and recorded as a list of one; no order as `[]` and as an error."""
    given = cast("list[object]", data) if isinstance(data, list) else [data]
    return [row for row in map(object_in, given) if "orderId" in row]


def _price(value: object) -> int | None:
    """Paise; where a row leaves the price out, 0. None: there is something else in its place."""
    if value is None or (isinstance(value, str) and value.strip() in NO_VALUE):
        return 0
    paise = paise_of(value)
    return paise if paise is not None and paise >= 0 else None


def _symbol(row: Row, symbol_of: SymbolOf) -> str:
    """Our name of a contract; for one that is not in our master, Dhan's name or its number in its segment."""
    segment, security_id = text_of(row.get("exchangeSegment")), text_of(row.get("securityId"))
    known = symbol_of(segment, security_id)
    if known:
        return known
    return sample_of(text_of(row.get("tradingSymbol")) or (f"{segment}:{security_id}" if security_id else ""))
