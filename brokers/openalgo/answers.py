"""What a reply of an OpenAlgo server means: (call, status, body) to one of the four answers. Pure; one table.

Sources: facts/openalgo.md §2, §3.2, §6 and the shared faults §3: through a gateway an error is a refusal only when the
gateway's own validation or limiter wrote it, or when it passes on a refusal of its broker; everything else is unknown.
A gateway has no error codes, so the codes of `engine.refusals` are read from the texts of its own source.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum, StrEnum, auto
from typing import Any, Final, cast

import msgspec

from brokers.openalgo.rules import Mode
from brokers.order_ids import order_id_of
from brokers.refusal_words import refusal_code
from brokers.wire.oddities import sample_of
from engine import refusals
from engine.port import Acked, Answer, ReadFailed, Refused, Unknown


class Call(StrEnum):
    """The order calls that are used."""

    PLACE = "placeorder"
    MODIFY = "modifyorder"
    CANCEL = "cancelorder"


class Standing(Enum):
    """What a reply says about the session, besides its own outcome."""

    SAME = auto()
    DEAD = auto()
    """The key, or the login at the broker behind it, is no longer taken."""
    MAY_NOT_TRADE = auto()
    """Logged in, but order calls are refused for good: the broker's address check, or a semi-automatic key."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    answer: Answer
    standing: Standing = Standing.SAME
    mode: Mode | None = None
    """Which world answered; None when the reply does not tell."""


_REFUSING: Final = frozenset({400, 401, 403, 404, 405, 413, 415, 422})
"""Statuses that say no when the body is the server's own error object. 408 and 425 are no answers."""
_LIMITER: Final = re.compile(r"\d+ per \d+ [a-z]+")
_LIMITER_S: Final = 1.0
"""The limiter's windows move, and are one second long for orders; it sends no Retry-After."""
_BAD_KEY: Final = re.compile(r"api ?key", re.IGNORECASE)
_SEMI_AUTO: Final = re.compile(r"semi-auto", re.IGNORECASE)
_CODES: Final = tuple(
    (re.compile(pattern, re.IGNORECASE), code)
    for pattern, code in (
        (r"cannot (cancel|modify) order in", refusals.ALREADY_FINISHED),
        (r"order \S+ not found", refusals.NO_SUCH_ORDER),
        (r"symbol .*not found", refusals.UNKNOWN_SYMBOL),
        (r"semi-auto|api ?key", refusals.NOT_ALLOWED),
    )
)


def verdict(call: Call, status: int, data: object, expected: Mode) -> Verdict:
    """`data` is the decoded body, None when it is no JSON. Never raises."""
    body = _object(data)
    if body is None:
        return Verdict(answer=Unknown(f"HTTP {status} without an object of the server's"))
    if status == 200:
        return _accepted(body, expected)
    text = _text_of(body)
    if status == 429:
        return Verdict(answer=_throttled(body, text))
    if status not in _REFUSING or not text:
        return Verdict(answer=Unknown(f"HTTP {status}: {sample_of(text) or 'no message'}"))
    return _refused(call, status, text, expected)


def _accepted(body: Mapping[str, Any], expected: Mode) -> Verdict:
    """Success with an order id, or one of its three impostors: queued for a person, null, nothing (facts §10.13)."""
    if body.get("status") != "success":
        return Verdict(answer=Unknown(f"HTTP 200 with the status {sample_of(body.get('status'))}"))
    if body.get("mode") == "semi_auto" or "pending_order_id" in body:
        text = "queued in the server's Action Center: a person may still approve it"
        return Verdict(answer=Unknown(text), standing=Standing.MAY_NOT_TRADE)
    mode = mode_of(body)
    order_id = order_id_of({"orderid": body.get("orderid")})
    if not order_id:
        return Verdict(answer=Unknown("success without an order id"), mode=mode)
    if mode is not expected and mode is not Mode.LIVE:
        return Verdict(answer=Unknown(f"order {order_id} was taken in {mode} mode, not in {expected}"), mode=mode)
    return Verdict(answer=Acked(order_id), mode=mode)  # a live order is a fact, also where nobody expected one


def _throttled(body: Mapping[str, Any], text: str) -> Answer:
    """Not executed when the server's own limiter wrote it; a broker's 429 is passed on and proves nothing."""
    if "status" not in body and _LIMITER.fullmatch(text):
        return Refused(refusals.THROTTLED, sample_of(text), retry_after_s=_LIMITER_S)
    return Unknown(f"HTTP 429 of the broker: {sample_of(text) or 'no message'}")


def _refused(call: Call, status: int, text: str, expected: Mode) -> Verdict:
    if status == 404 and call is not Call.PLACE and expected is Mode.LIVE:
        # A broker link that is down finds no order either (facts §6).
        return Verdict(answer=Unknown(f"HTTP 404: {sample_of(text)}"))
    if status in (401, 403):
        answer = Refused(refusals.NOT_ALLOWED, sample_of(text))
        dead = status == 401 or (_BAD_KEY.search(text) and not _SEMI_AUTO.search(text))
        return Verdict(answer=answer, standing=Standing.DEAD if dead else Standing.MAY_NOT_TRADE)
    return Verdict(answer=Refused(_code_of(text), sample_of(text)))


def _code_of(text: str) -> str:
    own = next((code for pattern, code in _CODES if pattern.search(text)), "")
    return own or refusal_code(text) or refusals.OTHER


# --- reads ------------------------------------------------------------------------------------------------------------


def mode_of(body: Mapping[str, Any]) -> Mode:
    """Of a successful order or account reply: analyze says so, live says nothing."""
    return Mode.ANALYZE if body.get("mode") == Mode.ANALYZE else Mode.LIVE


def is_session_dead(status: int, data: object) -> bool:
    """A read that is answered with 401 or 403: the key or the broker's login is dead (facts §1)."""
    return status in (401, 403) and _object(data) is not None


def read_body(status: int, data: object) -> Mapping[str, Any]:
    """The object of a successful read. Raises ReadFailed: an error is not an empty book."""
    body = _object(data)
    if body is None:
        raise ReadFailed(f"HTTP {status} without an object of the server's")
    if status != 200 or body.get("status") != "success":
        raise ReadFailed(f"HTTP {status}: {sample_of(_text_of(body)) or 'no message'}")
    return body


def is_limited(status: int) -> bool:
    return status == 429


def _object(data: object) -> Mapping[str, Any] | None:
    return cast("Mapping[str, Any]", data) if isinstance(data, dict) else None


def _text_of(body: Mapping[str, Any]) -> str:
    """`message` is a text, or an object keyed by field at the data calls."""
    message = body.get("message")
    return message if isinstance(message, str) else "" if message is None else str(message)
