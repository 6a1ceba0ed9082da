"""Order requests as the server wants them, and rows of its order and position books as they come. Pure, tolerant.

Sources: facts/openalgo.md §3.1 (fields), §4 (words), §5 (rows). A marketable intent leaves as a LIMIT at its protection
limit: what MARKET becomes depends on the plugin and the exchange (a bare MARKET, or one with a band of the broker's),
and the analyzer ignores a change of the type; a limit is the same promise everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import msgspec

from brokers import order_words
from brokers.openalgo.shapes import object_of
from brokers.order_ids import order_id_of
from brokers.wire.numbers import paise_of, rupees_of, whole_of
from engine.instant import IST, ns_from_datetime
from engine.order import OrderState, OrderType, Side
from engine.port import OrderChange, OrderRequest

STRATEGY_TAG: Final = re.compile(r"[A-Za-z0-9]{1,20}", re.ASCII)
"""A `strategy` that may be a tag of ours; the server's own labels have underscores, or are free text."""
_STOPS: Final = (OrderType.SL, OrderType.SL_M)
_STAMP_MAX: Final = 40
_STAMPS: Final = ("%d-%m-%Y %H:%M:%S", "%d-%b-%Y %H:%M:%S", "%d/%m/%Y %H:%M:%S")
_EARLIEST: Final = datetime(2020, 1, 1, tzinfo=UTC)
_WORDS: Final[dict[str, OrderState]] = {
    **dict.fromkeys(("trigger pending",), OrderState.TRIGGER_PENDING),
    **dict.fromkeys(("part traded", "part filled"), OrderState.PART_FILLED),
    **dict.fromkeys(
        ("transit", "not modified", "not cancelled", "after market order req received", "validation pending"),
        OrderState.WORKING,
    ),
}
"""Words that leak from plugins and that no other broker of ours uses (facts §4.2), lower case, `_` and `-` as spaces.
Those on their way are working: found, therefore existing."""


class Wire(NamedTuple):
    """A contract as the server names it."""

    exchange: str
    symbol: str


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What tells one order from another where the server returns no tag: everything that was sent but the tag."""

    wire: Wire
    product: str
    side: Side
    type: OrderType
    qty: int
    limit_paise: int
    trigger_paise: int


def terms_of(request: OrderRequest, wire: Wire) -> Terms:
    """As it goes on the wire: no MARKET, no price with SL-M, no trigger without a stop."""
    return Terms(
        wire=wire,
        product=request.product,
        side=request.side,
        type=_sent_type(request.type),
        qty=request.qty,
        limit_paise=0 if request.type is OrderType.SL_M else request.limit_paise,
        trigger_paise=request.trigger_paise if request.type in _STOPS else 0,
    )


def changed(terms: Terms, change: OrderChange) -> Terms:
    """The same order after a change."""
    return Terms(
        wire=terms.wire,
        product=terms.product,
        side=terms.side,
        type=_sent_type(change.type),
        qty=change.qty,
        limit_paise=0 if change.type is OrderType.SL_M else change.limit_paise,
        trigger_paise=change.trigger_paise if change.type in _STOPS else 0,
    )


def order_body(tag: str, terms: Terms) -> dict[str, object]:
    """Of a place call; a modify call has the order's id besides. The key is added where it is sent."""
    return {
        "strategy": tag,
        "exchange": terms.wire.exchange,
        "symbol": terms.wire.symbol,
        "action": terms.side.value,
        "quantity": terms.qty,
        "pricetype": terms.type.value,
        "product": terms.product,
        "price": rupees_of(terms.limit_paise),
        "trigger_price": rupees_of(terms.trigger_paise),
        "disclosed_quantity": 0,
    }


def _sent_type(kind: OrderType) -> OrderType:
    return OrderType.LIMIT if kind is OrderType.MARKET else kind


# --- rows -------------------------------------------------------------------------------------------------------------


class OrderRow(msgspec.Struct, frozen=True, kw_only=True):
    """One order of the book, or of an `order_update` frame."""

    broker_id: str
    terms: Terms
    state: OrderState
    filled_qty: int | None
    """None where the book has no such field: live mode."""
    average_paise: int
    strategy: str
    text: str
    at_ns: int
    """0 when the row has no time that can be read."""


class PositionRow(msgspec.Struct, frozen=True, kw_only=True):
    wire: Wire
    product: str
    net_qty: int
    average_paise: int


def broker_id_of(raw: object) -> str:
    """The id of a row, whatever else is wrong with it; empty when it has none."""
    return order_id_of({"orderid": object_of(raw).get("orderid")})


def order_row(raw: object) -> OrderRow | None:
    """None for a row that cannot be understood: not an object, no id, no contract, no side, no quantity."""
    row = object_of(raw)
    broker_id, wire, side = broker_id_of(row), wire_of(row), side_of(row)
    kind, qty = _type_of(row), whole_of(row.get("quantity"))
    limit, trigger = _paise(row, "price"), _paise(row, "trigger_price")
    filled = _filled_of(row)
    product = row.get("product")
    if not broker_id or wire is None or side is None or kind is None or not isinstance(product, str):
        return None
    if qty is None or qty <= 0 or limit is None or trigger is None:
        return None
    if filled is not None and not 0 <= filled <= qty:
        return None
    terms = Terms(wire=wire, product=product, side=side, type=kind, qty=qty, limit_paise=limit, trigger_paise=trigger)
    return OrderRow(
        broker_id=broker_id,
        terms=terms,
        state=state_of(row.get("order_status"), filled, qty),
        filled_qty=filled,
        average_paise=max(0, _paise(row, "average_price") or 0),
        strategy=_text(row, "strategy"),
        text=_text(row, "rejection_reason"),
        at_ns=stamp_ns(row.get("timestamp")),
    )


def position_row(raw: object) -> PositionRow | None:
    """None for a row that cannot be understood. Live quantities and averages are strings (facts §5)."""
    row = object_of(raw)
    wire, qty, product = wire_of(row), whole_of(row.get("quantity")), row.get("product")
    if wire is None or qty is None or not isinstance(product, str):
        return None
    return PositionRow(wire=wire, product=product, net_qty=qty, average_paise=max(0, _paise(row, "average_price") or 0))


def state_of(word: object, filled: int | None, qty: int) -> OrderState:
    """The status word in the engine's vocabulary; a word nobody knows is UNKNOWN."""
    text = " ".join(word.replace("_", " ").replace("-", " ").lower().split()) if isinstance(word, str) else ""
    state = _WORDS.get(text) or order_words.state_of(text)
    if state is OrderState.WORKING and filled and filled < qty:
        return OrderState.PART_FILLED
    return state


def wire_of(row: Mapping[str, Any]) -> Wire | None:
    exchange, symbol = row.get("exchange"), row.get("symbol")
    if not isinstance(exchange, str) or not isinstance(symbol, str) or not exchange or not symbol:
        return None
    return Wire(exchange, symbol)


def side_of(row: Mapping[str, Any]) -> Side | None:
    action = row.get("action")
    word = action.upper() if isinstance(action, str) else ""
    return Side(word) if word in Side.__members__ else None


def stamp_ns(value: object) -> int:
    """Whatever the broker wrote, read as IST unless it names an offset; 0 when it cannot be read (facts §5).

    Not a thing to sort by: a plugin may pass on UTC without saying so.
    """
    if not isinstance(value, str) or not 10 < len(value) <= _STAMP_MAX:
        return 0
    stamp = _iso(value.strip()) or _other(value.strip())
    if stamp is None:
        return 0
    aware = stamp if stamp.tzinfo is not None else stamp.replace(tzinfo=IST)
    return ns_from_datetime(aware) if aware > _EARLIEST else 0


def _iso(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _other(text: str) -> datetime | None:
    for form in _STAMPS:
        try:
            return datetime.strptime(text, form)  # noqa: DTZ007 - the zone is added by the caller
        except ValueError:
            continue
    return None


def _type_of(row: Mapping[str, Any]) -> OrderType | None:
    word = row.get("pricetype", row.get("price_type"))
    text = word.upper() if isinstance(word, str) else ""
    return next((kind for kind in OrderType if kind.value == text), None)


def _filled_of(row: Mapping[str, Any]) -> int | None:
    """The cumulative quantity, None where the book has none, -1 where it has something that is no quantity."""
    if row.get("filled_quantity") in (None, ""):
        return None
    filled = whole_of(row["filled_quantity"])
    return -1 if filled is None else filled


def _paise(row: Mapping[str, Any], name: str) -> int | None:
    """0 where the field is missing or empty; None where it is no number."""
    value = row.get(name)
    return 0 if value in (None, "") else paise_of(value)


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    return value if isinstance(value, str) else ""
