"""Every reply of Dhan to a write has one of the four answers, by status, code and message (faults §3)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from brokers.dhan import answers
from engine import refusals
from engine.port import Acked, Refused, Unknown

OK = {"orderId": "112111182198", "orderStatus": "PENDING"}


def error(code: str, message: str = "words", kind: str = "Order_Error") -> dict[str, str]:
    return {"errorType": kind, "errorCode": code, "errorMessage": message}


UNKNOWN = "unknown"
ACKED = "acked"
TABLE: list[tuple[int, Any, str]] = [
    (200, OK, ACKED),
    (201, OK, ACKED),
    (202, {"orderId": "112111182198", "orderStatus": "CANCELLED"}, ACKED),
    (200, {"orderId": 112111182198, "orderStatus": "TRANSIT"}, ACKED),
    (200, [OK], ACKED),
    (200, {"orderId": "112111182198", "orderStatus": "REJECTED"}, ACKED),  # the book says why
    # A 2xx without an order id, or with an error in it, proves nothing.
    (200, None, UNKNOWN),
    (200, {}, UNKNOWN),
    (200, [], UNKNOWN),
    (200, [OK, OK | {"orderId": "112111182199"}], UNKNOWN),
    (200, {"orderId": None, "orderStatus": "PENDING"}, UNKNOWN),
    (200, {"orderId": "", "orderStatus": "PENDING"}, UNKNOWN),
    (200, {"orderId": {"a": 1}}, UNKNOWN),
    (200, "112", UNKNOWN),
    (200, OK | {"errorCode": "DH-905"}, UNKNOWN),
    (200, {"status": "failed", "data": {"805": "words"}}, UNKNOWN),
    (204, None, UNKNOWN),
    (301, OK, UNKNOWN),
    (307, None, UNKNOWN),
    # Explicit refusals.
    (401, error("DH-901", kind="Invalid_Authentication"), refusals.NOT_ALLOWED),
    (400, error("DH-902"), refusals.NOT_ALLOWED),
    (403, error("DH-903"), refusals.NOT_ALLOWED),
    (429, error("DH-904", kind="Rate_Limit"), refusals.THROTTLED),
    (429, error("DH-904", kind="Input_Exception"), refusals.THROTTLED),
    (429, {"status": "failed", "data": {"805": "Too many requests."}}, refusals.THROTTLED),
    (429, {"status": "failure", "errorType": "RATE_LIMIT_ERROR", "errorCode": "RL001"}, refusals.THROTTLED),
    (400, error("DH-905"), refusals.OTHER),
    (400, error("DH-905", "Invalid IP"), refusals.NOT_ALLOWED),
    (400, error("DH-905", "invalid ip"), refusals.OTHER),  # another message is another message
    (400, error("DH-906"), refusals.OTHER),
    (400, error("DH-906", "Invalid Token"), refusals.NOT_ALLOWED),
    (400, error("DH-906", "Market is Closed! You cannot modify/cancel an order now."), refusals.SESSION_CLOSED),
    (400, error("DH-907"), refusals.OTHER),
    (403, error("DH-911"), refusals.NOT_ALLOWED),
    # May have been carried out.
    (500, error("DH-908"), UNKNOWN),
    (400, error("DH-908"), UNKNOWN),
    (503, error("DH-909"), UNKNOWN),
    (400, error("DH-909"), UNKNOWN),
    (400, error("DH-910"), UNKNOWN),
    (400, error("DH-999"), UNKNOWN),
    (502, None, UNKNOWN),
    (500, error("DH-905"), UNKNOWN),
    (500, OK, UNKNOWN),
    (400, None, UNKNOWN),
    (403, None, UNKNOWN),
    (429, None, UNKNOWN),
    (404, {"timestamp": 1, "status": 404, "error": "Not Found", "path": "/v2/orders"}, UNKNOWN),
    (400, {"errorCode": "NONE", "httpStatus": "BAD_REQUEST", "internalErrorCode": "RS-9005"}, UNKNOWN),
    (400, {"errorCode": ["DH-905"]}, UNKNOWN),
    (400, {"errorCode": True}, UNKNOWN),
]


@pytest.mark.row("OPS-05", "HRD-09")
@pytest.mark.parametrize(("status", "body", "expected"), TABLE)
def test_a_reply_to_a_write_has_one_answer(status: int, body: Any, expected: str) -> None:
    answer = answers.write_answer(status, body)

    match answer:
        case Acked(broker_id=order_id):
            assert (expected, order_id) == (ACKED, "112111182198")
        case Refused(code=code):
            assert expected == code
        case Unknown():
            assert expected == UNKNOWN
        case _:
            raise AssertionError(answer)


def test_a_change_is_acknowledged_only_for_the_order_that_was_meant() -> None:
    assert answers.write_answer(200, OK, order_id="112111182198") == Acked("112111182198")
    assert isinstance(answers.write_answer(200, OK, order_id="112111182199"), Unknown)


@pytest.mark.row("LEG-66")
def test_a_throttled_write_says_how_long_to_wait() -> None:
    assert isinstance(answer := answers.write_answer(429, error("DH-904")), Refused) and answer.retry_after_s == 1.0
    answer = answers.write_answer(429, error("DH-904"), retry_after_s=7.0)
    assert isinstance(answer, Refused) and answer.retry_after_s == 7.0


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, error("DH-901")),
        (400, error("DH-906", "Invalid Token")),
        (200, {"status": "failed", "data": {"807": "expired"}}),
        (401, {"errorCode": 808, "errorMessage": "words"}),
        (400, {"errorCode": 809}),
        (400, {"status": "failed", "data": {"810": "words"}}),
    ],
)
def test_a_dead_token_is_seen_in_every_form(status: int, body: Any) -> None:
    assert "log in again" in answers.dead_credentials(status, body)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, OK),
        (401, None),
        (400, error("DH-906")),
        (400, error("DH-905", "Invalid Token")),
        (400, error("DH-905", "Invalid IP")),
        (500, error("DH-901")),
        (403, None),
    ],
)
def test_nothing_else_ends_a_session(status: int, body: Any) -> None:
    assert answers.dead_credentials(status, body) == ""


def test_an_address_that_may_not_trade_is_told_from_bad_input() -> None:
    assert answers.forbidden_address(400, error("DH-905", "Invalid IP"))
    assert answers.forbidden_address(403, error("DH-911"))
    assert not answers.forbidden_address(400, error("DH-905"))
    assert not answers.forbidden_address(500, error("DH-911"))


def test_an_empty_range_is_told_from_a_failure() -> None:
    nothing = {"errorCode": "NONE", "internalErrorCode": "RS-9005", "internalErrorMessage": "Data not available"}
    broken = {"internalErrorCode": "RS-9005", "internalErrorMessage": 'For input string: "invalid_id"'}

    assert answers.is_no_data(400, nothing) and answers.is_no_data(400, error("DH-1111"))
    assert not answers.is_no_data(500, nothing) and not answers.is_no_data(400, broken)
    assert not answers.is_no_data(400, error("DH-905"))


def test_data_805_holds_reads_for_a_minute_and_others_for_a_second() -> None:
    assert answers.hold_s({"status": "failed", "data": {"805": "words"}}, 0.0) == 60.0
    assert answers.hold_s(error("DH-904"), 0.0) == 1.0
    assert answers.hold_s(None, 3.0) == 3.0


def test_broker_text_is_made_printable_and_short() -> None:
    answer = answers.write_answer(400, error("DH-905", "[red]\x1b[31m" + "x" * 10_000))

    assert isinstance(answer, Refused) and answer.text.isprintable() and len(answer.text) < 200


RECORDED = {
    "error_data_805_nested": refusals.THROTTLED,
    "error_data_806_int_code": UNKNOWN,
    "error_input_400_dh905": refusals.OTHER,
    "error_internal_500_rs9005": UNKNOWN,
    "error_ip_400_dh905": refusals.NOT_ALLOWED,
    "error_nodata_400_rs9005": UNKNOWN,
    "error_order_400_dh906_market_closed": refusals.SESSION_CLOSED,
    "error_portal_doc_only_rl001": refusals.THROTTLED,
    "error_rate_429_dh904": refusals.THROTTLED,
    "error_token_400_dh906": refusals.NOT_ALLOWED,
    "error_token_401_dh901": refusals.NOT_ALLOWED,
    "error_unknown_path_404": UNKNOWN,
}


def test_every_recorded_error_has_its_answer(fixtures: Path) -> None:
    found = {}
    for path in sorted((fixtures / "rest").glob("error_*.json")):
        sample = json.loads(path.read_text())
        answer = answers.write_answer(sample["http_status"], sample["body"])
        assert not isinstance(answer, Acked)
        found[path.stem] = answer.code if isinstance(answer, Refused) else UNKNOWN

    assert found == RECORDED
