"""The envelopes of the rehearsal venue: successes, and errors as real servers send them (facts/xts.md §1, §2)."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from aiohttp import web

from brokers.xts.answers import ALREADY_SUBSCRIBED, THROTTLE


def success(code: str, description: str, result: object) -> web.Response:
    return _json(200, {"type": "success", "code": code, "description": description, "result": result})


def error(status: int, code: str, description: str, result: object = None) -> web.Response:
    body: dict[str, Any] = {"type": "error", "code": code, "description": description}
    return _json(status, body if result is None else {**body, "result": result})


def bad_request(field: str, message: str) -> web.Response:
    complaint = {"field": [field], "location": "body", "messages": [message], "types": ["any.base"]}
    result = {"status": 400, "statusText": "Bad Request", "errors": [complaint]}
    return error(400, "e-response-0007", "Bad Request", result)


def rows_or_empty(code: str, empty_code: str, rows: list[dict[str, Any]]) -> web.Response:
    """A book without rows is an error here."""
    return success(code, "Success", rows) if rows else error(400, empty_code, "Data Not Available")


def no_token() -> web.Response:
    return error(401, "e-token-0002", "Please Provide token to Authenticate")


def invalid_token() -> web.Response:
    return error(400, "e-session-0007", "Invalid Token")


def throttled() -> web.Response:
    return error(429, THROTTLE, "Rate Limit reached")


def already_subscribed() -> web.Response:
    return error(400, ALREADY_SUBSCRIBED, "Instrument Already Subscribed !")


def address_not_allowed() -> web.Response:
    """No capture of this refusal exists; it says what the exchange's rule says (facts/market.md §2)."""
    return error(
        403, "e-user-0403", "Order requests are not allowed from this IP address: not your registered static IP"
    )


def no_such_order(number: object) -> web.Response:
    return error(400, "e-orders-0001", f"Order history not found for AppOrderID [{number}] given.")


def login_refused() -> web.Response:
    return error(400, "e-user-0001", "Invalid AppKey or SecretKey")


_ENCODER: Final = msgspec.json.Encoder()


def _json(status: int, body: dict[str, Any]) -> web.Response:
    return web.Response(status=status, body=_ENCODER.encode(body), content_type="application/json", charset="utf-8")
