"""Dhan's replies as the four answers: one table of error codes, read together with status and message (faults §3).

The HTTP status alone is not enough (400 carries dead tokens) and the code alone is not enough (DH-906 carries them
too), so a reply is judged by (status, code, message) as facts/dhan.md §1 and §6 list them. Where Dhan gives nothing but
a message, that message is compared whole, exactly as it was seen. Everything else of a write is unknown.
"""

from __future__ import annotations

from typing import Any, Final, cast

import msgspec

from brokers.order_ids import accepted
from brokers.wire.oddities import sample_of
from engine import refusals
from engine.port import Acked, Answer, Refused, Unknown

_REFUSALS: Final = {
    "DH-901": refusals.NOT_ALLOWED,  # credentials; the session says so as well
    "DH-902": refusals.NOT_ALLOWED,  # trading API not subscribed
    "DH-903": refusals.NOT_ALLOWED,  # segment not active
    "DH-904": refusals.THROTTLED,
    "DH-905": refusals.OTHER,  # missing fields, bad values; it never says which
    "DH-906": refusals.OTHER,
    "DH-907": refusals.OTHER,
    "DH-911": refusals.NOT_ALLOWED,  # address not registered
    "RL001": refusals.THROTTLED,
    "805": refusals.THROTTLED,
    "807": refusals.NOT_ALLOWED,
    "808": refusals.NOT_ALLOWED,
    "809": refusals.NOT_ALLOWED,
    "810": refusals.NOT_ALLOWED,
}
"""Codes that say no. DH-908, DH-909, DH-910 and whatever is not here may have been carried out."""
_BY_MESSAGE: Final = {
    ("DH-906", "Invalid Token"): refusals.NOT_ALLOWED,
    ("DH-905", "Invalid IP"): refusals.NOT_ALLOWED,
    ("DH-906", "Market is Closed! You cannot modify/cancel an order now."): refusals.SESSION_CLOSED,
}
"""Codes of two meanings: here the message is all there is."""
_DEAD: Final = frozenset({"DH-901", "807", "808", "809", "810"})
_NO_DATA: Final = frozenset({"DH-907", "DH-1111"})
_THROTTLE_S: Final = 1.0
"""Order writes are counted by the second."""
DATA_COOL_OFF_S: Final = 60.0
"""After 805: going on may have the user blocked."""


class Failure(msgspec.Struct, frozen=True):
    """What an error body says, whichever of its seven forms it has (facts/dhan.md §6, A to G). Empty = none."""

    code: str = ""
    message: str = ""

    @property
    def text(self) -> str:
        """For a person; printable, but the broker's own words."""
        return sample_of(f"{self.code} {self.message}".strip())


NO_FAILURE: Final = Failure()


def failure_of(data: object) -> Failure:
    """Reads the error of a decoded body, if it is one. Never raises."""
    if not isinstance(data, dict):
        return NO_FAILURE
    body = cast("dict[str, Any]", data)
    code = body.get("internalErrorCode") or body.get("errorCode")
    if isinstance(code, str | int) and not isinstance(code, bool) and code:
        message = body.get("internalErrorMessage") or body.get("errorMessage")
        return Failure(str(code)[:40], _words(message))
    if body.get("status") in ("failed", "failure", "error"):
        inner = body.get("data")
        if isinstance(inner, dict) and len(cast("dict[str, Any]", inner)) == 1:
            ((number, words),) = cast("dict[str, Any]", inner).items()
            return Failure(str(number)[:40], _words(words))
        return Failure("error", _words(body.get("message") or body.get("remarks")))
    if isinstance(body.get("status"), int) and "path" in body:
        return Failure(f"HTTP {body['status']}", _words(body.get("error")))
    return NO_FAILURE


def dead_credentials(status: int, data: object) -> str:
    """Why the token is no good, in one sentence; empty while nothing says so."""
    failure = failure_of(data)
    is_dead = failure.code in _DEAD or (failure.code, failure.message) == ("DH-906", "Invalid Token")
    if not is_dead or not 200 <= status < 500:
        return ""
    return f"Dhan takes the access token no longer ({failure.code}): log in again"


def forbidden_address(status: int, data: object) -> str:
    """Why orders from this machine's address are refused; empty while nothing says so."""
    failure = failure_of(data)
    is_refused = failure.code == "DH-911" or (failure.code, failure.message) == ("DH-905", "Invalid IP")
    if not is_refused or not 400 <= status < 500:
        return ""
    return f"Dhan takes no orders from this address ({failure.code}): register it as static IP at Dhan"


def write_answer(status: int, data: object, *, order_id: str = "", retry_after_s: float = 0.0) -> Answer:
    """The answer to a place, or with `order_id` to a modify or cancel of that order.

    Acked needs a 2xx with an order id (the asked one) and no error in it; Refused needs a 4xx with an error that is in
    the table. A cancel that says CANCELLED means no more than that the request was taken.
    """
    failure = failure_of(data)
    if 200 <= status < 300 and failure is NO_FAILURE:
        answer = accepted(data)
        if order_id and isinstance(answer, Acked) and answer.broker_id != order_id:
            return Unknown("the reply names another order")
        return answer
    if 400 <= status < 500 and failure.code in _REFUSALS:
        code = _BY_MESSAGE.get((failure.code, failure.message), _REFUSALS[failure.code])
        wait_s = max(retry_after_s, _THROTTLE_S) if code == refusals.THROTTLED else 0.0
        return Refused(code, failure.text, retry_after_s=wait_s)
    return Unknown(f"HTTP {status} {failure.text}".strip())


def is_throttled(status: int, data: object) -> bool:
    """The call came too soon after others."""
    code = failure_of(data).code
    return status == 429 or (status < 500 and _REFUSALS.get(code) == refusals.THROTTLED)


def hold_s(data: object, retry_after_s: float) -> float:
    """How long reads of a throttled kind wait, in real seconds."""
    return max(retry_after_s, DATA_COOL_OFF_S if failure_of(data).code == "805" else _THROTTLE_S)


def is_no_data(status: int, data: object) -> bool:
    """The range or book that was asked for is empty: some routes say it as an error (facts/dhan.md §4)."""
    failure = failure_of(data)
    if status >= 500:
        return False
    return failure.code in _NO_DATA or (failure.code, failure.message) == ("RS-9005", "Data not available")


def _words(value: object) -> str:
    return value.strip()[:400] if isinstance(value, str) else ""
