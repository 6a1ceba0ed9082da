"""What one reply of an XTS server proves: the table (status, code, body) -> verdict -> the four answers. Pure.

Success is judged by `type == "success"` alone; codes and statuses differ by install (facts/xts.md §0.6, §2). An error
object is an explicit no. Everything else, and anything from a broken server, proves nothing (faults §3).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

import msgspec

from brokers.order_ids import accepted
from brokers.wire.oddities import sample_of
from engine import refusals
from engine.port import Acked, Refused, Unknown


class Success(msgspec.Struct, frozen=True):
    """A valid reply; `result` is untrusted JSON."""

    result: Any
    data: Any = None
    """The whole envelope."""


class Empty(msgspec.Struct, frozen=True):
    """The error by which some installs say that a book has no rows."""

    doubtful: str = ""
    """The code, where only one client has seen it mean that."""


class Dead(msgspec.Struct, frozen=True):
    """The token is not taken: nothing was done, and nothing will be before a new login."""

    reason: str
    proven: bool = True
    """By the broker's own error object; False: a bare 401, which a proxy may have made."""


class Throttled(msgspec.Struct, frozen=True):
    """Over the limit; the token is good, for the limiter stands behind it (facts §1)."""

    wait_s: float
    text: str


class Refusal(msgspec.Struct, frozen=True):
    """The broker's explicit no. `code` of `engine.refusals`, `own` is the broker's."""

    code: str
    text: str
    own: str = ""
    forbids: bool = False
    """It takes no orders from this address or user at all."""


class Unclear(msgspec.Struct, frozen=True):
    reason: str


Verdict = Success | Empty | Dead | Throttled | Refusal | Unclear

THROTTLE: Final = "e-apirl-0004"
ALREADY_SUBSCRIBED: Final = "e-session-0002"
_WAIT_S: Final = 1.0
_EMPTY: Final = frozenset(
    {"e-orders-0005", "e-tradebook-0005", "e-portfolio-0005", "e-holdings-0005", "e-balance-0005"}
)
_MAYBE_EMPTY: Final = "e-property-validation-failed"
_NO_DATA: Final = "data not available"
_DEAD_CODES: Final = frozenset({"e-session-0007", "e-token-0002"})
_DEAD_WORDS: Final = (
    "invalid token", "token to authenticate", "token expired", "token is expired", "session expired", "invalid session",
    "token/authorization not valid",
)  # fmt: skip
"""Wordings of a gateway that sends no code, lower-case (facts §1, "dead session forms")."""
_CODES: Final = {"e-orders-0001": refusals.NO_SUCH_ORDER}
_FIELDS: Final = {
    "exchangeinstrumentid": refusals.UNKNOWN_SYMBOL,
    "exchangesegment": refusals.UNKNOWN_SYMBOL,
    "orderquantity": refusals.LOT_SIZE,
    "modifiedorderquantity": refusals.LOT_SIZE,
    "limitprice": refusals.PRICE_BAND,
    "modifiedlimitprice": refusals.PRICE_BAND,
    "stopprice": refusals.PRICE_BAND,
    "modifiedstopprice": refusals.PRICE_BAND,
    "ordertype": refusals.ORDER_TYPE,
    "modifiedordertype": refusals.ORDER_TYPE,
    "producttype": refusals.NOT_ALLOWED,
    "orderuniqueidentifier": refusals.TAG,
    "apporderid": refusals.NO_SUCH_ORDER,
    "clientid": refusals.NOT_ALLOWED,
}
"""By the field that a "Bad Request" names."""
_WORDS: Final = (
    ("margin exceeds", refusals.MARGIN),
    ("rms:margin", refusals.MARGIN),
    ("static ip", refusals.NOT_ALLOWED),
    ("ip address", refusals.NOT_ALLOWED),
    ("not allowed", refusals.NOT_ALLOWED),
)
"""Where the broker gives the same code to everything; the first that stands in the description (faults REJ-03)."""


def judge(
    status: int, data: object, *, is_json: bool, retry_after_s: float = 0.0, shape: str = "", is_book: bool = False
) -> Verdict:
    """The verdict on one reply. `shape` describes it without its content; `is_book`: an empty set has an error here."""
    body = _error_body(data) if is_json else None
    if status == 429 or (body is not None and body.get("code") == THROTTLE):
        return Throttled(max(retry_after_s, _WAIT_S), _text(body))
    if not 200 <= status < 300 and not 400 <= status < 500:
        return Unclear(shape or f"HTTP {status}")
    if status < 300 and isinstance(data, dict) and cast("dict[str, Any]", data).get("type") == "success":
        envelope = cast("dict[str, Any]", data)
        return Success(envelope.get("result"), envelope)
    if body is None:
        if status == 401:
            return Dead("the server answered HTTP 401", proven=False)
        return Unclear(shape or f"HTTP {status} without the broker's own words")
    return _judge_error(status, body, is_book=is_book)


def _judge_error(status: int, body: Mapping[str, Any], *, is_book: bool) -> Verdict:
    code, text = _code(body), _text(body)
    lower = text.lower()
    if status == 408:
        return Unclear(f"HTTP 408: {text}")
    if code in _DEAD_CODES or status == 401 or any(words in lower for words in _DEAD_WORDS):
        return Dead(f"the broker says: {text or code}")
    if is_book and (code in _EMPTY or _NO_DATA in lower):
        return Empty()
    if is_book and code == _MAYBE_EMPTY:
        return Empty(doubtful=code)
    if not code and status < 400:
        return Unclear(f"an error without a code: {text}")
    known = _CODES.get(code) or _by_field(body) or next((kind for words, kind in _WORDS if words in lower), "")
    forbids = status == 403 or (known == refusals.NOT_ALLOWED and (" ip" in f" {lower}"))
    return Refusal(
        known or (refusals.NOT_ALLOWED if status == 403 else refusals.OTHER), text or code, code, forbids=forbids
    )


def answer_of(verdict: Verdict) -> Acked | Refused | Unknown:
    """The answer to an order write; the request had left."""
    match verdict:
        case Success(data=data):
            return accepted(data)
        case Throttled(wait_s=wait_s, text=text):
            return Refused(refusals.THROTTLED, text, retry_after_s=wait_s)
        case Refusal(code=code, text=text):
            return Refused(code, text)
        case Dead(reason=reason, proven=True):
            return Refused(refusals.NOT_ALLOWED, f"the session is dead: {reason}")
        case Dead(reason=reason):
            return Unknown(reason)
        case Empty():
            return Unknown("an answer that belongs to a book, to an order")
        case Unclear(reason=reason):
            return Unknown(reason)


def _error_body(data: object) -> Mapping[str, Any] | None:
    """The broker's error object: itself, or wrapped once in `data` (facts §2)."""
    for _ in range(2):
        if not isinstance(data, dict):
            return None
        body = cast("dict[str, Any]", data)
        if body.get("type") == "error" or (isinstance(body.get("code"), str) and body["code"].startswith("e-")):
            return body
        data = body.get("data")
    return None


def _code(body: Mapping[str, Any]) -> str:
    code = body.get("code")
    return sample_of(code)[:40].lower() if isinstance(code, str) else ""


def _text(body: Mapping[str, Any] | None) -> str:
    """The broker's words, printable and cut; of a "Bad Request" the field and its message too."""
    if body is None:
        return "too many requests"
    described = body.get("description")
    text = described if isinstance(described, str) else ""
    for name, message in _complaints(body)[:2]:
        text += f"; {name}: {message}"
    return sample_of(text or body.get("code") or "an error without words")


def _by_field(body: Mapping[str, Any]) -> str:
    return next((_FIELDS[name.lower()] for name, _ in _complaints(body) if name.lower() in _FIELDS), "")


def _complaints(body: Mapping[str, Any]) -> list[tuple[str, str]]:
    result = body.get("result")
    errors = cast("dict[str, Any]", result).get("errors") if isinstance(result, dict) else None
    found: list[tuple[str, str]] = []
    for error in cast("list[Any]", errors)[:8] if isinstance(errors, list) else []:
        if not isinstance(error, dict):
            continue
        name = _first(cast("dict[str, Any]", error).get("field"))
        message = _first(cast("dict[str, Any]", error).get("messages"))
        if isinstance(name, str):
            found.append((name, message if isinstance(message, str) else ""))
    return found


def _first(value: object) -> object:
    if not isinstance(value, list):
        return value
    items = cast("list[object]", value)
    return items[0] if items else None
