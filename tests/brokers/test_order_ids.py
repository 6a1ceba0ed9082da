"""An accepted order is known by its id in whatever shape the reply brings it; without one it is looked up (HRD-09)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.order_ids import accepted, order_id_of
from engine.port import Acked, Unknown

FIXTURES = Path(__file__).resolve().parents[3] / "shared" / "fixtures"
ID = "250415000123456"


@pytest.mark.row("HRD-09")
@pytest.mark.parametrize(
    "reply",
    [
        ID,
        f"  {ID}\n",
        int(ID),
        float(ID),
        {"order_id": ID},
        {"orderid": int(ID), "status": "success"},
        {"orderId": ID, "orderStatus": "TRANSIT"},
        {"status": "success", "data": {"order_id": ID}},
        {"data": {"orderid": ID}},
        {"data": ID},
        {"data": [{"orderId": ID}]},
        [{"orderId": ID}],
        {"type": "success", "result": {"AppOrderID": int(ID), "ClientID": "AA", "OrderUniqueIdentifier": "GvcqR8Ay"}},
        {"response": {"data": {"OrderID": ID}}},
        {"order_id": ID, "data": {"orderid": int(ID)}},
        {"order_id": None, "orderid": "", "data": {"order_id": ID}},
        {"order_id": ID, "exchange_order_id": "1100000000000002", "parent_order_id": "9"},
    ],
)
def test_every_shape_of_one_acceptance_gives_the_same_id(reply: object) -> None:
    assert order_id_of(reply) == ID
    assert accepted(reply) == Acked(ID)


@pytest.mark.row("HRD-09")
@pytest.mark.parametrize(
    "reply",
    [
        None, True, False, 0, -250415000123456, 502, 7.5, float("nan"), float("inf"), 10**400, "", " ", "0000000",
        "success", "null", "DH-906", "Order placed 250415000123456", "<html>250415000123456</html>", "٢٥٠٤١٥٠٠٠١٢٣٤٥٦",
        "25041500\x0012345", {}, [], [[{"order_id": ID}]], [{"order_id": ID}, {"order_id": "250415000123457"}],
        {"order_id": True}, {"order_id": -1}, {"order_id": "-1"}, {"order_id": [ID]}, {"order_id": {"order_id": ID}},
        {"orderid": None, "status": "success"}, {"data": None}, {"data": [[ID]]}, {"data": [ID]}, {"order_id": "0"},
        {"order_id": "string"}, {"order_id": ID, "data": {"order_id": "250415000123457"}},
        {"message": "Order queued for approval in Action Center", "pending_order_id": 1, "status": "success"},
        {"exchange_order_id": ID, "parent_order_id": ID, "client_order_id": ID},
        {"data": {"data": {"data": {"data": {"order_id": ID}}}}},
        b"250415000123456", object(),
    ],
)  # fmt: skip
@pytest.mark.fault("ORD-07", "ORD-10")
def test_what_holds_no_single_id_is_unknown_and_never_a_failure(reply: object) -> None:
    assert order_id_of(reply) == ""
    assert isinstance(accepted(reply), Unknown)


@pytest.mark.fault("SEC-03")
@pytest.mark.invariant("C6")
def test_ten_megabytes_of_text_are_not_looked_through_and_not_told() -> None:
    for reply in ("9" * 10_000_000, {"order_id": "9" * 10_000_000}, {"x" * 10_000_000: 1}):
        answer = accepted(reply)
        assert isinstance(answer, Unknown)
        assert len(answer.reason) < 1_000


def test_the_reason_names_the_keys_but_no_value() -> None:
    answer = accepted({"status": "success", "token": "s3cr3t", "note\x1b[31m": 1})

    assert answer == Unknown("accepted without an order id: an object with 'status', 'token', 'note\\x1b[31m'")


@pytest.mark.fault("SEC-04")
@pytest.mark.invariant("C6")
def test_a_nest_of_ten_thousand_envelopes_is_left_alone() -> None:
    for wrap in (lambda inner: {"data": inner}, lambda inner: {"data": [inner]}, lambda inner: [inner]):
        reply: object = {"order_id": ID}
        for _ in range(10_000):
            reply = wrap(reply)

        assert order_id_of(reply) == ""


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["order_id", "orderid", "data", "result", "AppOrderID", "status"]) | st.text(), inner
        )
    ),
    max_leaves=20,
)


@pytest.mark.row("HRD-09")
@given(json_like)
@pytest.mark.invariant("C6")
def test_no_reply_whatever_raises_and_every_id_is_short_plain_text(reply: object) -> None:
    order_id = order_id_of(reply)

    assert len(order_id) <= 64 and order_id.isascii()
    assert not order_id or order_id.replace("-", "").replace("_", "").isalnum()
    assert (accepted(reply) == Acked(order_id)) is bool(order_id)


@given(st.integers(min_value=100_000, max_value=10**20), st.sampled_from(["order_id", "orderId", "AppOrderID"]))
def test_a_number_and_its_text_are_the_same_id(number: int, name: str) -> None:
    assert str(number) == order_id_of(number) == order_id_of(str(number)) == order_id_of({"data": {name: number}})


@pytest.mark.row("HRD-09")
@pytest.mark.skipif(not FIXTURES.is_dir(), reason="the recorded replies of the brokers are not here")
@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("kite/order_response.json", "151220000000000"),
        ("kite/order_modify.json", "151220000000000"),
        ("kite/mf_order_response.json", "3bb085d1-5038-450e-a807-6543fef6c9ae"),
        ("kite/gtt_place_order.json", ""),
        ("dhan/rest/place_order_response.json", "112607250001"),
        ("dhan/rest/order_by_correlation_id_as_list.json", "112607250003"),
        ("dhan/rest/order_by_id_as_object.json", "112607250002"),
        ("dhan/rest/order_by_id_not_found_empty_list.json", ""),
        ("dhan/rest/slice_order_response.json", ""),
        ("dhan/sdk_envelope/place_order.json", ""),
        ("xts/rest/place_ok_pro.json", "1110000100"),
        ("xts/stream/order_rejected_rms_margin.json", "1200026157"),
        ("openalgo/live_xts/live_place_limit.json", "1110000002"),
        ("openalgo/analyze/place_sl_pending.json", "26112193912278"),
        ("openalgo/live_xts_fault/live_badtoken200_place.json", ""),
        ("openalgo/session/semi_auto_live_place.json", ""),
        ("openalgo/analyze/smart_matched.json", ""),
    ],
)
def test_recorded_replies_of_each_broker(path: str, expected: str) -> None:
    body = json.loads((FIXTURES / path).read_text("utf-8"))
    reply = body["response"]["json"] if path.startswith("openalgo/") else body

    assert order_id_of(reply) == expected


@pytest.mark.skipif(not FIXTURES.is_dir(), reason="the recorded replies of the brokers are not here")
def test_every_recorded_openalgo_acceptance_that_names_an_order_is_read() -> None:
    named = 0
    for path in sorted((FIXTURES / "openalgo").rglob("*place*.json")):
        record = json.loads(path.read_text("utf-8"))
        reply = record.get("response", {}).get("json") if isinstance(record, dict) else None
        if isinstance(reply, dict) and reply.get("orderid"):
            assert order_id_of(reply) == str(reply["orderid"]), path.name
            named += 1
    assert named >= 10
