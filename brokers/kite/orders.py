"""Reads rows of orders, trades and positions as Kite writes them (facts/kite.md §3, §4). Pure; never raises.

What a row must have to be one is few; a row without it is told as a sentence, and the caller decides what that costs.
Doubt about money becomes the state *unknown*: a status or a filled quantity that nobody understands is no fill, no
cancellation and no rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from brokers.kite.master import Master
from brokers.kite.times import ns_of
from brokers.order_ids import order_id_of
from brokers.refusal_words import refusal_code
from brokers.wire.numbers import paise_of, whole_of
from brokers.wire.oddities import sample_of
from engine.order import OrderState, OrderType, Side, Trade
from engine.port import OrderReport, PositionReport
from engine.tags import is_tag

_S: Final = OrderState
_IN_TRANSIT: Final = frozenset(
    ("PUT ORDER REQ RECEIVED", "PUT ORDER REQUEST RECEIVED", "VALIDATION PENDING", "OPEN PENDING",
     "AMO REQ RECEIVED", "MODIFY AMO REQ RECEIVED", "MODIFY VALIDATION PENDING", "MODIFY PENDING", "MODIFIED",
     "CANCEL PENDING", "UPDATE")
)  # fmt: skip
"""Found, therefore existing and not finished; where it stands is not said."""
_STATES: Final[dict[str, OrderState]] = {
    "OPEN": _S.WORKING,
    "TRIGGER PENDING": _S.TRIGGER_PENDING,
    "COMPLETE": _S.FILLED,
    "CANCELLED": _S.CANCELLED,
    "REJECTED": _S.REJECTED,
}
_TYPES: Final[dict[str, OrderType]] = {kind.value: kind for kind in OrderType}
_SIDES: Final[dict[str, Side]] = {side.value: side for side in Side}
_STOPS: Final = (OrderType.SL, OrderType.SL_M)
_LABELS: Final = frozenset({"mktp", "autoslice"})
"""Tags that the broker itself adds (facts/kite.md §2)."""
_TAG_MAX: Final = 40
_NAME_MAX: Final = 64


class NotRead(str):
    """Why a row is none, in a few words."""


def report_of(row: object, master: Master) -> OrderReport | NotRead:
    """One row of GET /orders, or the data of one order frame: the fields are the same."""
    if not isinstance(row, dict):
        return NotRead("a row that is no object")
    fields = cast("dict[str, Any]", row)
    broker_id, side = (
        order_id_of({"order_id": fields.get("order_id")}),
        _SIDES.get(_text(fields, "transaction_type")),
    )
    symbol, qty = _symbol(fields, master), whole_of(fields.get("quantity"))
    if not broker_id or side is None or not symbol or qty is None or qty <= 0:
        return NotRead("an order without id, side, symbol or quantity")
    kind = _TYPES.get(_text(fields, "order_type"), OrderType.LIMIT)
    state, filled = _state_and_filled(fields, kind, qty)
    return OrderReport(
        tag=tag_of(fields),
        broker_id=broker_id,
        symbol=symbol,
        side=side,
        type=kind,
        product=_word(fields.get("product")),
        qty=qty,
        limit_paise=paise_of(fields.get("price")) or 0,
        trigger_paise=paise_of(fields.get("trigger_price")) or 0,
        state=state,
        filled_qty=filled,
        average_paise=paise_of(fields.get("average_price")) or 0,
        reject_text=_reason(fields) if state in (_S.REJECTED, _S.CANCELLED) else "",
        reject_code=refusal_code(_reason(fields)) if state is _S.REJECTED else "",
        at_ns=ns_of(fields.get("exchange_update_timestamp")) or ns_of(fields.get("order_timestamp")),
    )


def _state_and_filled(fields: Mapping[str, Any], kind: OrderType, qty: int) -> tuple[OrderState, int]:
    """(state, cumulative units). A stop whose status is in transit is *unknown*: it may not rest yet, or be triggered.

    Were it called working, it would pass for one that has triggered.
    """
    status, filled = fields.get("status"), whole_of(fields.get("filled_quantity", 0))
    word = status.strip().upper() if isinstance(status, str) else ""
    if filled is None or not 0 <= filled <= qty:
        return _S.UNKNOWN, 0
    state = _STATES.get(word)
    if state is None:
        state = _S.WORKING if word in _IN_TRANSIT and kind not in _STOPS else _S.UNKNOWN
    if state is _S.FILLED and filled != qty:
        # Complete and nothing filled contradicts itself; the trade records will say.
        return _S.UNKNOWN, filled
    if 0 < filled < qty and (state is _S.WORKING or word in _IN_TRANSIT):
        state = _S.PART_FILLED
    return state, filled


def tag_of(fields: Mapping[str, Any]) -> str:
    """Ours if there is one, else the first label that a person or a program gave; empty without."""
    given = _tags(fields)
    ours = [tag for tag in given if is_tag(tag)]
    return next(iter(ours or [tag for tag in given if tag.partition(":")[0] not in _LABELS]), "")


def may_be_ours(row: object) -> bool:
    """False only when the row itself says that it bears no tag of a desk like this one."""
    if not isinstance(row, dict):
        return True
    fields = cast("dict[str, Any]", row)
    tag: object = fields.get("tag")
    tags: object = fields.get("tags")
    if not isinstance(tags, list | None):
        return True
    given = [*([] if tag is None else [tag]), *cast("list[object]", tags or [])]
    return any(not isinstance(each, str) or is_tag(each) for each in given)


def trade_of(row: object, master: Master, tags: Mapping[str, str]) -> Trade | NotRead:
    """One row of GET /trades. `tags`: our tag by order id, for trade rows bear none.

    A trade id is one only together with its order: both sides of one match have it (facts/kite.md §3).
    """
    if not isinstance(row, dict):
        return NotRead("a row that is no object")
    fields = cast("dict[str, Any]", row)
    broker_id = order_id_of({"order_id": fields.get("order_id")})
    trade_id = order_id_of({"order_id": fields.get("trade_id")})
    side, symbol = _SIDES.get(_text(fields, "transaction_type")), _symbol(fields, master)
    qty, price = whole_of(fields.get("quantity")), paise_of(fields.get("average_price"))
    if not broker_id or not trade_id or side is None or not symbol:
        return NotRead("a trade without id, order, side or symbol")
    if qty is None or qty <= 0 or price is None or price <= 0:
        return NotRead("a trade without quantity or price")
    return Trade(
        trade_id=f"{trade_id}:{broker_id}",
        broker_id=broker_id,
        tag=tags.get(broker_id, ""),
        symbol=symbol,
        side=side,
        qty=qty,
        price_paise=price,
        at_ns=ns_of(fields.get("fill_timestamp")) or ns_of(fields.get("exchange_timestamp")),
    )


def position_of(row: object, master: Master) -> PositionReport | NotRead:
    """One row of `net` of GET /portfolio/positions."""
    if not isinstance(row, dict):
        return NotRead("a row that is no object")
    fields = cast("dict[str, Any]", row)
    symbol, product, net = _symbol(fields, master), _word(fields.get("product")), whole_of(fields.get("quantity"))
    if not symbol or not product or net is None:
        return NotRead("a position without symbol, product or quantity")
    return PositionReport(
        symbol=symbol, product=product, net_qty=net, average_paise=paise_of(fields.get("average_price")) or 0
    )


def _symbol(fields: Mapping[str, Any], master: Master) -> str:
    exchange, name = fields.get("exchange"), fields.get("tradingsymbol")
    if not isinstance(exchange, str) or not isinstance(name, str) or not 0 < len(name) <= _NAME_MAX:
        return ""
    return master.symbol_of(exchange, name) if name.isprintable() and name.isascii() else ""


def _tags(fields: Mapping[str, Any]) -> list[str]:
    tags: object = fields.get("tags")
    found = [fields.get("tag"), *(cast("list[object]", tags)[:32] if isinstance(tags, list) else [])]
    texts = [tag.strip() for tag in found if isinstance(tag, str) and len(tag) <= _TAG_MAX and tag.isprintable()]
    return [text for text in texts if text]


def _text(fields: Mapping[str, Any], name: str) -> str:
    """A text to look up in a table: anything else is in none."""
    value = fields.get(name)
    return value if isinstance(value, str) else ""


def _word(value: object) -> str:
    return value if isinstance(value, str) and len(value) <= _NAME_MAX and value.isprintable() else ""


def _reason(fields: Mapping[str, Any]) -> str:
    for name in ("status_message", "status_message_raw"):
        text = fields.get(name)
        if isinstance(text, str) and text.strip():
            return sample_of(text.strip())
    return ""
