"""The table of replies: (call, status, body) to the four answers, and what each says about the session."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.openalgo.answers import Call, Standing, read_body, verdict
from brokers.openalgo.rules import Mode
from engine import refusals
from engine.port import Acked, ReadFailed, Refused, Unknown

pytestmark = pytest.mark.row("OPS-05", "HRD-09")
LIVE, ANALYZE = Mode.LIVE, Mode.ANALYZE
PLACE, MODIFY, CANCEL = Call.PLACE, Call.MODIFY, Call.CANCEL


def error(text: Any, **more: Any) -> dict[str, Any]:
    return {"status": "error", "message": text, **more}


def done(**more: Any) -> dict[str, Any]:
    return {"status": "success", **more}


@pytest.mark.parametrize(
    ("call", "status", "body", "expected", "answer"),
    [
        (PLACE, 200, done(orderid=1110000002), LIVE, Acked("1110000002")),
        (PLACE, 200, done(orderid="26112144683068", mode="analyze"), ANALYZE, Acked("26112144683068")),
        (CANCEL, 200, done(orderid="26112144683068", mode="analyze"), ANALYZE, Acked("26112144683068")),
        (PLACE, 200, done(orderid=7, mode=None), ANALYZE, Acked("7")),  # live money is a fact, expected or not
        (PLACE, 200, done(orderid=None), LIVE, Unknown),
        (PLACE, 200, done(), LIVE, Unknown),
        (PLACE, 200, done(orderid=""), LIVE, Unknown),
        (PLACE, 200, done(orderid=True), LIVE, Unknown),
        (PLACE, 200, done(orderid={"id": 5}), LIVE, Unknown),
        (PLACE, 200, done(orderid="26112144683068", mode="analyze"), LIVE, Unknown),
        (PLACE, 200, done(mode="semi_auto", pending_order_id=1), ANALYZE, Unknown),
        (PLACE, 200, done(mode="semi_auto", pending_order_id=1, orderid=5), LIVE, Unknown),
        (PLACE, 200, error("no"), LIVE, Unknown),
        (PLACE, 200, {}, LIVE, Unknown),
        (PLACE, 200, None, LIVE, Unknown),
        (PLACE, 200, [1], LIVE, Unknown),
        (PLACE, 202, done(orderid=1), LIVE, Unknown),
        (PLACE, 302, error("elsewhere"), LIVE, Unknown),
        (PLACE, 400, error("{'strategy': ['Missing data for required field.']}"), LIVE, refusals.OTHER),
        (PLACE, 400, {"message": "The browser (or proxy) sent ..."}, LIVE, refusals.OTHER),
        (PLACE, 400, error("Failed to place order"), LIVE, refusals.OTHER),
        (PLACE, 400, error("Quantity must be in multiples of lot size 65"), ANALYZE, refusals.LOT_SIZE),
        (PLACE, 400, error("Insufficient funds. Required: 14"), ANALYZE, refusals.MARGIN),
        (PLACE, 400, error("Symbol NOPE not found on NSE"), ANALYZE, refusals.UNKNOWN_SYMBOL),
        (PLACE, 400, error("MIS orders cannot be placed after square-off time"), ANALYZE, refusals.SESSION_CLOSED),
        (PLACE, 400, error("Cannot sell SBIN in CNC.", orderid="2611"), ANALYZE, refusals.NOT_ALLOWED),
        (PLACE, 400, None, LIVE, Unknown),
        (PLACE, 400, {}, LIVE, Unknown),
        (PLACE, 403, error("Invalid openalgo apikey"), LIVE, refusals.NOT_ALLOWED),
        (PLACE, 403, None, LIVE, Unknown),
        (PLACE, 404, error("Not found", path="/api/v1/placeorder"), LIVE, refusals.OTHER),
        (CANCEL, 404, error("Order 123 not found"), ANALYZE, refusals.NO_SUCH_ORDER),
        (CANCEL, 404, error("Order 123 not found"), LIVE, Unknown),  # a link that is down finds nothing either
        (CANCEL, 400, error("Cannot cancel order in complete status"), ANALYZE, refusals.ALREADY_FINISHED),
        (MODIFY, 400, error("SL-M orders do not accept a price"), ANALYZE, refusals.OTHER),
        (PLACE, 408, error("timeout"), LIVE, Unknown),
        (PLACE, 429, {"message": "10 per 1 second"}, LIVE, refusals.THROTTLED),
        (PLACE, 429, error("10 per 1 second"), LIVE, Unknown),
        (CANCEL, 429, error("Failed to cancel order"), LIVE, Unknown),
        (PLACE, 429, {"message": "slow down"}, LIVE, Unknown),
        (PLACE, 429, None, LIVE, Unknown),
        (PLACE, 500, error("Failed to place order due to internal error"), LIVE, Unknown),
        (PLACE, 501, error("not supported"), LIVE, Unknown),
        (PLACE, 502, error("Failed to place order"), LIVE, Unknown),
        (PLACE, 504, None, LIVE, Unknown),
    ],
)
def test_each_reply_has_one_answer(call: Call, status: int, body: Any, expected: Mode, answer: Any) -> None:
    got = verdict(call, status, body, expected).answer

    if isinstance(answer, Acked):
        assert got == answer
    elif answer is Unknown:
        assert isinstance(got, Unknown) and got.reason
    else:
        assert isinstance(got, Refused) and got.code == answer


@pytest.mark.parametrize(
    ("status", "body", "standing"),
    [
        (403, error("Invalid openalgo apikey"), Standing.DEAD),
        (401, error("whatever"), Standing.DEAD),
        (403, error("Cancel order operation is not allowed in Semi-Auto mode."), Standing.MAY_NOT_TRADE),
        (403, error("the address is not registered"), Standing.MAY_NOT_TRADE),
        (200, done(mode="semi_auto", pending_order_id=4), Standing.MAY_NOT_TRADE),
        (400, error("Failed to place order"), Standing.SAME),
        (200, done(orderid=4), Standing.SAME),
        (403, None, Standing.SAME),
    ],
)
def test_a_reply_says_what_it_means_for_the_session(status: int, body: Any, standing: Standing) -> None:
    assert verdict(PLACE, status, body, LIVE).standing is standing


def test_only_a_success_tells_the_mode() -> None:
    assert verdict(PLACE, 200, done(orderid=4), ANALYZE).mode is LIVE
    assert verdict(PLACE, 200, done(orderid=4, mode="analyze"), LIVE).mode is ANALYZE
    assert verdict(PLACE, 400, error("{'x': ['Unknown field.']}"), ANALYZE).mode is None


def test_untrusted_text_is_printable_and_short() -> None:
    got = verdict(PLACE, 400, error("\x1b[2Jboo [red]" + "x" * 5000), LIVE).answer

    assert isinstance(got, Refused) and got.text.isprintable() and len(got.text) < 200


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
BODIES = JSON | st.fixed_dictionaries(
    {}, optional={"status": JSON | st.just("success"), "orderid": JSON, "mode": JSON, "message": JSON}
)


@given(st.sampled_from(Call), st.integers(100, 599), BODIES, st.sampled_from(Mode))
def test_nothing_else_than_a_success_with_an_id_is_taken_for_an_acceptance(
    call: Call, status: int, body: Any, expected: Mode
) -> None:
    answer = verdict(call, status, body, expected).answer

    if isinstance(answer, Acked):
        assert status == 200 and body["status"] == "success" and answer.broker_id == str(body["orderid"]).strip()
    if isinstance(answer, Refused):
        assert 400 <= status < 500 and isinstance(body, dict)


@given(st.integers(100, 599), BODIES)
def test_a_read_that_is_no_success_is_a_failure(status: int, body: Any) -> None:
    if status == 200 and isinstance(body, dict) and body.get("status") == "success":
        assert read_body(status, body) == body
    else:
        with pytest.raises(ReadFailed):
            read_body(status, body)
