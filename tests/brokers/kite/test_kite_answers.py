"""What a reply of Kite means: the table of faults §3 for this broker, every row of it, and what is not in it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.kite.answers import Verdict, answer_of, ruling_of
from brokers.kite.standing import Standing
from brokers.wire.http import Reply
from engine import refusals
from engine.port import Acked, Refused, Unknown

pytestmark = pytest.mark.row("OPS-05", "HRD-09")


def reply(status: int, body: object = None, *, kind: str = "application/json", raw: bytes | None = None) -> Reply:
    content = msgspec.json.encode(body) if raw is None else raw
    is_json = "json" in kind and raw is None
    return Reply(status, kind, content, body if is_json else None, is_json)


def error(error_type: object, message: object = "why", data: object = None) -> dict[str, Any]:
    return {"status": "error", "message": message, "error_type": error_type, "data": data}


REFUSALS = [
    (400, "InputException", refusals.OTHER),
    (400, "OrderException", refusals.OTHER),
    (400, "MarginException", refusals.MARGIN),
    (400, "HoldingException", refusals.NOT_ALLOWED),
    (428, "HoldingException", refusals.NOT_ALLOWED),
    (403, "UserException", refusals.NOT_ALLOWED),
    (403, "TwoFAException", refusals.NOT_ALLOWED),
    (403, "TokenException", refusals.NOT_ALLOWED),
    (403, "PermissionException", refusals.NOT_ALLOWED),
    (403, "PermissionError", refusals.NOT_ALLOWED),
]
AMBIGUOUS = [
    *((400, kind) for kind in ("NetworkException", "DataException", "GeneralException", "NeverHeardOf", "")),
    *((403, kind) for kind in ("GeneralException", "NeverHeardOf")),
    *((408, kind) for kind in ("InputException",)),
    *((500, kind) for kind in ("OrderException", "InputException", "MarginException", "GeneralException")),
    *((502, kind) for kind in ("DataException", "NetworkException", "OrderException", "TokenException")),
    *((503, kind) for kind in ("NetworkException", "PermissionException")),
    *((504, kind) for kind in ("NetworkException", "DataException")),
    *((302, kind) for kind in ("InputException",)),
    *((200, kind) for kind in ("InputException", "TokenException")),
]


@pytest.mark.parametrize(("status", "error_type", "code"), REFUSALS)
def test_an_explicit_error_object_is_a_refusal(status: int, error_type: str, code: str) -> None:
    answer = answer_of(ruling_of(reply(status, error(error_type, "not so"))))

    assert answer == Refused(code, f"{error_type}: not so")


@pytest.mark.fault("ORD-06", "ORD-07", "ORD-08")
@pytest.mark.parametrize(("status", "error_type"), AMBIGUOUS)
def test_whatever_may_have_been_taken_is_unknown(status: int, error_type: str) -> None:
    assert isinstance(answer_of(ruling_of(reply(status, error(error_type)))), Unknown)


def test_too_many_requests_are_refused_with_the_time_to_wait() -> None:
    bodies = (
        reply(429, error("NetworkException", "Too many requests")),
        reply(429, raw=b"<html>", kind="text/html"),
        msgspec.structs.replace(reply(429, error("NetworkException")), retry_after_s=30.0),
    )
    answers = [answer_of(ruling_of(body)) for body in bodies]

    assert [(a.code, a.retry_after_s) for a in answers if isinstance(a, Refused)] == [
        (refusals.THROTTLED, 1.0),
        (refusals.THROTTLED, 1.0),
        (refusals.THROTTLED, 30.0),
    ]


@pytest.mark.parametrize(
    "body",
    [
        {"status": "success", "data": {"order_id": "151220000000000"}},
        {"status": "success", "data": {"order_id": 151220000000000}},
        {"status": "success", "data": {"order_id": "151220000000000", "children": [{"order_id": "2"}]}},
    ],
)
def test_a_success_with_an_order_id_is_acknowledged(body: Any) -> None:
    assert answer_of(ruling_of(reply(200, body))) == Acked("151220000000000")


@pytest.mark.fault("ORD-07")
@pytest.mark.parametrize(
    "answered",
    [
        reply(200, {"status": "success", "data": None}),
        reply(200, {"status": "success", "data": {}}),
        reply(200, {"status": "success", "data": {"order_id": None}}),
        reply(200, {"status": "success", "data": {"order_id": ""}}),
        reply(200, {"status": "success", "data": {"order_id": True}}),
        reply(200, {"status": "success", "data": {"order_id": ["151220000000000"]}}),
        reply(200, {"status": "success", "data": [{"order_id": "1512200000001"}, {"order_id": "1512200000002"}]}),
        reply(200, {"status": "success"}),
        reply(200, {"data": {"order_id": "151220000000000"}}),
        reply(200, {"status": "success", "data": {"order_id": "151220000000000"}, "error_type": "InputException"}),
        reply(200, raw=b"", kind="application/json"),
        reply(200, raw=b'{"status": "succ', kind="application/json"),
        reply(200, raw=b"<html>down</html>", kind="text/html"),
        reply(502, raw=b"<html>Bad Gateway</html>", kind="text/html"),
        reply(400, raw=b"<html>Bad Request</html>", kind="text/html"),
        reply(400, {"status": "error", "message": "no type"}),
        reply(400, {"status": "error", "error_type": "InputException"}),
        reply(400, {"message": "x", "error_type": "InputException"}),
        reply(403, ["TokenException"]),
        reply(204, None),
        reply(301, None),
    ],
)
def test_a_reply_that_says_neither_yes_nor_no_is_unknown(answered: Reply) -> None:
    assert isinstance(answer_of(ruling_of(answered)), Unknown)


def test_a_change_that_is_acknowledged_for_another_order_is_unknown() -> None:
    ruling = ruling_of(reply(200, {"status": "success", "data": {"order_id": "151220000000000"}}))

    assert answer_of(ruling, "151220000000000") == Acked("151220000000000")
    assert isinstance(answer_of(ruling, "151220000000001"), Unknown)


def test_the_message_steers_nothing_and_is_made_printable() -> None:
    text = "Token is invalid \x1b]52;c;aGk=\x07 [@click=app.quit]insufficient funds[/]" + "x" * 10_000
    answer = answer_of(ruling_of(reply(400, error("InputException", text))))

    assert isinstance(answer, Refused) and answer.code == refusals.OTHER
    assert answer.text.isprintable() and "\x1b" not in answer.text and len(answer.text) < 300


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(
    status=st.integers(100, 599),
    body=JSON
    | st.fixed_dictionaries(
        {"status": st.sampled_from(["success", "error"]) | JSON},
        optional={"data": JSON, "message": JSON, "error_type": JSON | st.sampled_from([r[1] for r in REFUSALS])},
    ),
)
def test_no_reply_breaks_the_table_and_only_4xx_errors_refuse(status: int, body: Any) -> None:
    answer = answer_of(ruling_of(reply(status, body)))

    if isinstance(answer, Acked):
        assert 200 <= status < 300 and body["status"] == "success"
    if isinstance(answer, Refused):
        assert status == 429 or (400 <= status < 500 and body["status"] == "error")


def test_only_a_token_error_ends_a_session() -> None:
    standing = Standing()
    standing.open(expires_ns=5)
    for status, kind in [(403, "PermissionException"), (403, "UserException"), (400, "InputException"), (500, "x")]:
        standing.learn(ruling_of(reply(status, error(kind))))
        assert standing.is_live, kind
    assert standing.state.may_trade is None, "a missing data plan says nothing about orders"

    standing.learn(ruling_of(reply(403, error("TokenException"))))
    assert not standing.is_live and "log in again" in standing.state.reason


def test_a_permission_error_of_an_order_is_remembered_until_an_order_is_taken() -> None:
    standing = Standing()
    standing.open(expires_ns=5)
    standing.learn(ruling_of(reply(403, error("PermissionException", "IP not allowed"))), of_order=True)
    assert standing.is_live and standing.state.may_trade is False and "IP not allowed" in standing.state.reason

    standing.learn(ruling_of(reply(200, {"status": "success", "data": {"order_id": "1512200000"}})), of_order=True)
    assert standing.state.may_trade is True and not standing.state.reason
    assert ruling_of(reply(200, {"status": "success", "data": None})).verdict is Verdict.DONE
