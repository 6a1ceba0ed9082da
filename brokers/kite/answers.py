"""What a reply of Kite means: the one table from (status, error type, body) to the four answers (faults §3).

`error_type` decides, never the message and never the status alone: a 403 may be a dead token or a missing permission
(facts/kite.md §1, §6). Every 5xx is unknown, whatever its body says: the order system may have taken the request before
it failed. An error type that nobody knows is unknown too. Pure.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Any, Final, Protocol, cast

import msgspec

from brokers.order_ids import accepted
from brokers.wire.oddities import sample_of
from engine import refusals
from engine.port import Acked, Answer, Refused, Unknown


class WireReply(Protocol):
    """What is looked at in a `brokers.wire.http.Reply`."""

    @property
    def status(self) -> int: ...

    @property
    def data(self) -> Any: ...

    @property
    def shape(self) -> str: ...

    @property
    def retry_after_s(self) -> float: ...


class Verdict(Enum):
    """What is true of the request after this reply."""

    DONE = "done"
    """The envelope says success; `data` is what it holds."""
    REFUSED = "refused"
    THROTTLED = "throttled"
    DEAD = "dead"
    """Refused, and nothing works until a new login."""
    FORBIDDEN = "forbidden"
    """Refused: no permission; for an order, from this address (static IP)."""
    UNKNOWN = "unknown"


class Ruling(msgspec.Struct, frozen=True):
    """A reply, understood."""

    verdict: Verdict
    code: str = ""
    """Of `engine.refusals`, for the refusing verdicts."""
    text: str = ""
    """The broker's own words made printable, or ours about a reply that is none."""
    data: Any = None
    retry_after_s: float = 0.0


_BY_TYPE: Final[dict[str, tuple[Verdict, str]]] = {
    "TokenException": (Verdict.DEAD, refusals.NOT_ALLOWED),
    "PermissionException": (Verdict.FORBIDDEN, refusals.NOT_ALLOWED),
    "PermissionError": (Verdict.FORBIDDEN, refusals.NOT_ALLOWED),
    "UserException": (Verdict.REFUSED, refusals.NOT_ALLOWED),
    "TwoFAException": (Verdict.REFUSED, refusals.NOT_ALLOWED),
    "InputException": (Verdict.REFUSED, refusals.OTHER),
    "OrderException": (Verdict.REFUSED, refusals.OTHER),
    "MarginException": (Verdict.REFUSED, refusals.MARGIN),
    "HoldingException": (Verdict.REFUSED, refusals.NOT_ALLOWED),
}
"""Explicit refusals. NetworkException, DataException and GeneralException are none (facts/kite.md §6)."""
_THROTTLED: Final = 429
_TIMED_OUT: Final = 408
_THROTTLE_WAIT_S: Final = 1.0
"""The second's limit is the usual one; a longer wait is told by Retry-After."""
_TYPE: Final = re.compile(r"[A-Za-z]{1,40}", re.ASCII)


def fields_of(value: object) -> dict[str, Any]:
    """An object of a reply; empty for anything else."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def ruling_of(reply: WireReply) -> Ruling:
    """Never raises; whatever is not understood is UNKNOWN."""
    if reply.status == _THROTTLED:
        wait_s = reply.retry_after_s or _THROTTLE_WAIT_S
        return Ruling(Verdict.THROTTLED, refusals.THROTTLED, "HTTP 429: too many requests", retry_after_s=wait_s)
    body = fields_of(reply.data)
    status = body.get("status")
    if 200 <= reply.status < 300:
        if status == "success" and "data" in body and "error_type" not in body:
            return Ruling(Verdict.DONE, data=body["data"])
        return Ruling(Verdict.UNKNOWN, text=f"{reply.shape}: no success and no refusal")
    error_type, message = body.get("error_type"), body.get("message")
    if status != "error" or not isinstance(error_type, str) or not isinstance(message, str):
        return Ruling(Verdict.UNKNOWN, text=f"{reply.shape}: no error object")
    words = f"{error_type if _TYPE.fullmatch(error_type) else 'error'}: {sample_of(message)}"
    known = _BY_TYPE.get(error_type) if 400 <= reply.status < 500 and reply.status != _TIMED_OUT else None
    if known is None:
        return Ruling(Verdict.UNKNOWN, text=f"HTTP {reply.status} {words}")
    return Ruling(known[0], known[1], words)


def answer_of(ruling: Ruling, broker_id: str = "") -> Answer:
    """For an order write. `broker_id`: the order that was to be changed; a success about another proves nothing."""
    match ruling.verdict:
        case Verdict.DONE:
            answer = accepted(fields_of(ruling.data))
            if broker_id and isinstance(answer, Acked) and answer.broker_id != broker_id:
                return Unknown("the reply is about another order")
            return answer
        case Verdict.UNKNOWN:
            return Unknown(ruling.text)
        case _:
            return Refused(ruling.code, ruling.text, retry_after_s=ruling.retry_after_s)
