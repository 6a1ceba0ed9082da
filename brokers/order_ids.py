"""Reads the broker's order id from an accepted reply, whatever its shape (HRD-09, BUG-33).

One broker answers with bare text, the next with a number, the others with an object that holds the id under a name of
its own, inside an envelope or not. An adapter that has seen an acceptance hands in the decoded body. A shape nobody
knows is no refusal: without an id the answer is *unknown*, and the order is looked up by its client tag. Pure; every
look is bounded, whatever the size of the reply.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import Final, cast

from engine.port import Acked, Unknown

_NAMES: Final = (
    "order_id", "orderid", "orderId", "orderID", "OrderId", "OrderID",
    "AppOrderID", "appOrderID", "AppOrderId", "appOrderId", "app_order_id",
)  # fmt: skip
"""Kite, OpenAlgo, Dhan, XTS (shared facts of each), and their spellings by gateways. The exchange's own number, the
parent's and the client's are other ids: they are not among them."""
_ENVELOPES: Final = ("data", "result", "response")
_DEPTH_MAX: Final = 3
"""Envelopes inside envelopes."""
_ID_MAX: Final = 64
"""Characters; the longest known is a UUID's 36."""
_ID: Final = re.compile(rf"(?=[^0-9]*[0-9])(?=.*[1-9A-Za-z])[A-Za-z0-9][A-Za-z0-9_-]{{0,{_ID_MAX - 1}}}", re.ASCII)
"""With a digit in it, and not only zeros: `success`, `null` and `string` are words."""
_BARE: Final = re.compile(r"(?:[^0-9]*[0-9]){6}")
"""Six digits at least where no name says that it is an order's: `502` and `DH-906` are none."""
_EXACT_MAX: Final = 1 << 53
"""Up to here a number that was decoded with a fraction is still the number that was sent."""
_SHOWN: Final = 80
_KEYS_SHOWN: Final = 8


def order_id_of(reply: object) -> str:
    """The one order id in a decoded reply, or empty: none, not an id, or several that differ. Never raises.

    It says nothing about acceptance: a refusal may name an order too.
    """
    found = set(_ids(reply, _DEPTH_MAX))
    return found.pop() if len(found) == 1 else ""


def accepted(reply: object) -> Acked | Unknown:
    """The answer to a reply that accepts an order. Without an id it may be live: it is looked up, never sent again."""
    order_id = order_id_of(reply)
    return Acked(order_id) if order_id else Unknown(f"accepted without an order id: {_shape(reply)}")


def _ids(value: object, depth: int) -> list[str]:
    if isinstance(value, list | dict):
        return _ids_inside(cast("list[object] | dict[str, object]", value), depth)
    return _bare_id(value)


def _ids_inside(value: list[object] | dict[str, object], depth: int) -> list[str]:
    """A list of one object is that object; several are several orders. A list inside anything else is no id."""
    if isinstance(value, list):
        only = value[0] if len(value) == 1 else None
        return _ids_inside(cast("dict[str, object]", only), depth - 1) if isinstance(only, dict) else []
    found = [order_id for name in _NAMES if (order_id := _as_id(value.get(name)))]
    if depth > 0:
        for name in _ENVELOPES:
            found += _ids(value.get(name), depth - 1)
    return found


def _bare_id(value: object) -> list[str]:
    found = _as_id(value)
    return [found] if _BARE.match(found) else []


def _as_id(value: object) -> str:
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT_MAX:
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if 0 < value < 10**_ID_MAX else ""
    if not isinstance(value, str) or len(value) > 2 * _ID_MAX:
        return ""
    text = value.strip()
    return text if _ID.fullmatch(text) else ""


def _shape(reply: object) -> str:
    """What came, short enough for a line of the log; values stay out of it, they may be anything."""
    if isinstance(reply, str):
        more = f"... ({len(reply)} characters)" if len(reply) > _SHOWN else ""
        return f"{reply[:_SHOWN]!r}{more}"
    if isinstance(reply, dict):
        keys = [str(key)[:_SHOWN] for key in islice(cast("dict[object, object]", reply), _KEYS_SHOWN)]
        return f"an object with {', '.join(map(repr, keys)) or 'nothing in it'}"
    if isinstance(reply, list):
        return f"a list of {len(cast('list[object]', reply))}"
    return "nothing" if reply is None else f"a {type(reply).__name__}"
