"""The table of replies: status, code and body in, one of the four answers out (faults §3, facts/xts.md §1, §2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.xts.answers import Dead, Empty, Refusal, Success, Throttled, Unclear, answer_of, judge
from engine import refusals
from engine.port import Acked, NotSent, Refused, Unknown

OK = {"type": "success", "code": "s-orders-0001", "description": "Request sent"}


def error(code: str, text: str = "", **more: Any) -> dict[str, Any]:
    return {"type": "error", "code": code, "description": text, **more}


def bad(field: str) -> dict[str, Any]:
    complaint = {"field": [field], "location": "body", "messages": [f'"{field}" is wrong']}
    return error("e-response-0007", "Bad Request", result={"status": 400, "errors": [complaint]})


# status, body (None = no JSON), the answer to a write
TABLE: list[tuple[int, Any, Acked | type[Unknown] | str]] = [
    (200, {**OK, "result": {"AppOrderID": 1110000100, "OrderUniqueIdentifier": "T1"}}, Acked("1110000100")),
    (200, {**OK, "result": {"AppOrderID": "1110000100"}}, Acked("1110000100")),
    (201, {**OK, "result": {"AppOrderID": 7}}, Acked("7")),
    (200, {**OK, "result": {"AppOrderID": None}}, Unknown),
    (200, {**OK, "result": {"AppOrderID": 0}}, Unknown),
    (200, {**OK, "result": None}, Unknown),
    (200, {**OK, "result": {"AppOrderID": [1, 2]}}, Unknown),
    (200, {}, Unknown),
    (200, [], Unknown),
    (200, None, Unknown),
    (204, None, Unknown),
    (200, {"type": "success"}, Unknown),
    (200, "1110000100", Unknown),
    (200, error("", "something else"), Unknown),
    (200, error("", "Invalid Token"), refusals.NOT_ALLOWED),
    (200, error("e-orders-0099", "no"), refusals.OTHER),
    (302, {**OK, "result": {"AppOrderID": 1}}, Unknown),
    (307, None, Unknown),
    (400, error("e-session-0007", "Invalid Token"), refusals.NOT_ALLOWED),
    (400, error("e-orders-0001", "Order history not found for AppOrderID [9] given."), refusals.NO_SUCH_ORDER),
    (400, error("e-orders-0042", "RMS : Margin Exceeds : Shortfall[8087.5]"), refusals.MARGIN),
    (400, bad("orderQuantity"), refusals.LOT_SIZE),
    (400, bad("exchangeInstrumentID"), refusals.UNKNOWN_SYMBOL),
    (400, bad("limitPrice"), refusals.PRICE_BAND),
    (400, bad("orderUniqueIdentifier"), refusals.TAG),
    (400, bad("orderType"), refusals.ORDER_TYPE),
    (400, bad("somethingNew"), refusals.OTHER),
    (400, error("e-property-validation-failed", "x"), refusals.OTHER),
    (400, None, Unknown),
    (400, {"message": "no"}, Unknown),
    (401, error("e-token-0002", "Please Provide token to Authenticate"), refusals.NOT_ALLOWED),
    (401, None, Unknown),
    (403, error("e-user-0403", "not your registered static IP"), refusals.NOT_ALLOWED),
    (403, None, Unknown),
    (404, None, Unknown),
    (408, error("e-x-1", "timeout"), Unknown),
    (429, None, refusals.THROTTLED),
    (429, error("e-apirl-0004", "Rate Limit reached"), refusals.THROTTLED),
    (400, {"data": error("e-apirl-0004", "Rate limit exceeded")}, refusals.THROTTLED),
    (500, error("e-x-1", "broken"), Unknown),
    (502, None, Unknown),
    (503, {**OK, "result": {"AppOrderID": 1}}, Unknown),
    (504, None, Unknown),
]


@pytest.mark.row("OPS-05", "HRD-09")
@pytest.mark.parametrize(("status", "body", "expected"), TABLE)
def test_a_reply_to_a_write_is_one_of_the_answers(
    status: int, body: Any, expected: Acked | type[Unknown] | str
) -> None:
    answer = answer_of(judge(status, body, is_json=body is not None))

    if isinstance(expected, Acked):
        assert answer == expected
    elif isinstance(expected, str):
        assert isinstance(answer, Refused) and answer.code == expected and answer.text
    else:
        assert isinstance(answer, Unknown)


@pytest.mark.parametrize("code", ["e-orders-0005", "e-tradebook-0005", "e-portfolio-0005", "e-holdings-0005"])
def test_an_empty_book_is_an_error_that_only_a_read_of_a_book_takes_for_empty(code: str) -> None:
    body = error(code, "Data Not Available")

    assert judge(400, body, is_json=True, is_book=True) == Empty()
    assert isinstance(judge(400, body, is_json=True), Refusal)
    assert judge(400, error("e-property-validation-failed"), is_json=True, is_book=True) == Empty(
        "e-property-validation-failed"
    )


@pytest.mark.parametrize(
    ("status", "body"),
    [(429, None), (500, None), (400, error("e-session-0002", "Instrument Already Subscribed !")), (200, None)],
)
def test_what_does_not_prove_a_dead_token_is_never_taken_for_one(status: int, body: Any) -> None:
    assert not isinstance(judge(status, body, is_json=body is not None), Dead)


def test_an_address_that_may_not_trade_forbids_all_orders_and_a_bad_product_does_not() -> None:
    forbidden = judge(403, error("e-user-0403", "not your registered static IP"), is_json=True)
    product = judge(400, bad("productType"), is_json=True)

    assert isinstance(forbidden, Refusal) and forbidden.forbids
    assert isinstance(product, Refusal) and product.code == refusals.NOT_ALLOWED and not product.forbids


def test_a_broken_servers_word_about_tokens_proves_nothing() -> None:
    assert isinstance(judge(503, error("e-session-0007", "Invalid Token"), is_json=True), Unclear)
    assert judge(401, None, is_json=False) == Dead("the server answered HTTP 401", proven=False)


def test_a_throttled_reply_says_how_long_to_wait() -> None:
    verdict = judge(429, None, is_json=False, retry_after_s=3.0)

    assert isinstance(verdict, Throttled) and verdict.wait_s == 3.0
    answer = answer_of(verdict)
    assert isinstance(answer, Refused) and answer.retry_after_s == 3.0


def test_all_known_errors_mean_what_is_documented(fixture_of: Callable[[str], Any]) -> None:
    kinds = [
        type(judge(entry["http"], entry["body"], is_json=True, is_book=True))
        for entry in fixture_of("rest/errors_known.json")
    ]

    assert kinds == [Dead, Dead, Dead, Throttled, Empty, Empty, Empty, Empty, Refusal, Refusal, Refusal]


def test_recorded_successes_are_successes(fixture_of: Callable[[str], Any]) -> None:
    placed, cancelled = fixture_of("rest/place_ok_pro.json"), fixture_of("rest/cancel_ok.json")

    assert answer_of(judge(200, placed, is_json=True)) == Acked("1110000100")
    assert answer_of(judge(200, cancelled, is_json=True)) == Acked("1110000101")
    assert isinstance(judge(200, fixture_of("rest/logout_interactive.json"), is_json=True), Success)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.integers(100, 599),
    st.one_of(JSON, st.fixed_dictionaries({"type": JSON, "code": JSON, "description": JSON, "result": JSON})),
)
def test_no_reply_breaks_the_table_and_none_is_called_unsent(status: int, body: Any) -> None:
    answer = answer_of(judge(status, body, is_json=True))

    assert not isinstance(answer, NotSent)
    if isinstance(answer, Acked):
        assert 200 <= status < 300 and body["type"] == "success"


def test_the_brokers_words_are_made_printable_and_short() -> None:
    verdict = judge(400, error("e-x-1", "[red]\x1b[2J" + "x" * 5000), is_json=True)

    assert isinstance(verdict, Refusal) and verdict.text.isprintable() and len(verdict.text) < 200
