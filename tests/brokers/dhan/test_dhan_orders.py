"""Dhan's rows become the desk's reports; what cannot be read is unknown or fails the read, and never vanishes."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.dhan.orders import (
    BrokenRow,
    frame_of,
    modify_body,
    order_of,
    place_body,
    position_of,
    read_book,
    rows_in,
    trade_of,
)
from brokers.dhan.rules import RULES
from brokers.dhan.vocabulary import instant_of, wire_time
from brokers.wire.oddities import Oddities
from engine.instant import NS_PER_S, clock_text
from engine.order import OrderState, OrderType, Side
from engine.port import OrderChange, OrderRequest, ReadFailed

S = OrderState
NAMES = {("NSE_EQ", "1333"): "HDFCBANK", ("NSE_FNO", "49081"): "NIFTY28JUL2625000CE"}
ROW: dict[str, Any] = {
    "orderId": "112607250001", "correlationId": "SD0001000001E", "orderStatus": "PENDING", "transactionType": "BUY",
    "exchangeSegment": "NSE_EQ", "productType": "INTRADAY", "orderType": "LIMIT", "securityId": "1333", "quantity": 100,
    "price": 1650.5, "triggerPrice": 0.0, "filledQty": 0, "averageTradedPrice": 0.0, "tradingSymbol": "HDFCBANK",
    "updateTime": "2026-07-24 10:15:01",
}  # fmt: skip


def symbol_of(segment: str, security_id: str) -> str:
    return NAMES.get((segment, security_id), "")


def frame_symbol(exchange: str, letter: str, security_id: str) -> str:
    return NAMES.get((f"{exchange}_{'EQ' if letter == 'E' else 'FNO'}", security_id), "")


def oddities() -> Oddities:
    return Oddities("dhan", lambda _note: None)


def read(rows: object, odd: Oddities | None = None) -> Any:
    return read_book(rows, "order book", partial(order_of, symbol_of=symbol_of), odd or oddities())


@pytest.mark.row("HRD-02")
@pytest.mark.parametrize(
    ("fields", "state", "filled"),
    [
        ({"orderStatus": "TRANSIT"}, S.WORKING, 0),
        ({"orderStatus": "PENDING"}, S.WORKING, 0),
        ({"orderStatus": "pending"}, S.WORKING, 0),
        ({"orderStatus": "PENDING", "orderType": "STOP_LOSS", "triggerPrice": 1640}, S.TRIGGER_PENDING, 0),
        ({"orderStatus": "PENDING", "orderType": "STOP_LOSS_MARKET", "triggerPrice": 1640}, S.TRIGGER_PENDING, 0),
        ({"orderStatus": "TRANSIT", "orderType": "STOP_LOSS", "triggerPrice": 1640}, S.WORKING, 0),
        ({"orderStatus": "PENDING", "filledQty": 40}, S.PART_FILLED, 40),
        ({"orderStatus": "PENDING", "orderType": "STOP_LOSS", "filledQty": "40"}, S.PART_FILLED, 40),
        ({"orderStatus": "PART_TRADED", "filledQty": 40}, S.PART_FILLED, 40),
        ({"orderStatus": "PART_TRADED", "filledQty": 0}, S.UNKNOWN, 0),
        ({"orderStatus": "TRADED", "filledQty": 100}, S.FILLED, 100),
        ({"orderStatus": "TRADED", "filledQty": None}, S.FILLED, 100),
        ({"orderStatus": "TRADED", "filledQty": ""}, S.FILLED, 100),
        ({"orderStatus": "TRADED", "filledQty": 40}, S.PART_FILLED, 40),
        ({"orderStatus": "CANCELLED", "filledQty": 40}, S.CANCELLED, 40),
        ({"orderStatus": "REJECTED"}, S.REJECTED, 0),
        ({"orderStatus": "EXPIRED", "filledQty": "40.0"}, S.EXPIRED, 40),
        ({"orderStatus": "TRIGGERED"}, S.WORKING, 0),
        ({"orderStatus": "CLOSED"}, S.FILLED, 100),
        ({"orderStatus": "CONFIRM"}, S.TRIGGER_PENDING, 0),
        ({"orderStatus": "MODIFIED"}, S.WORKING, 0),
        ({"orderStatus": "INACTIVE"}, S.WORKING, 0),
        ({"orderStatus": "SOMETHING NEW"}, S.UNKNOWN, 0),
        ({"orderStatus": None}, S.UNKNOWN, 0),
        ({"orderStatus": 7}, S.UNKNOWN, 0),
        ({"orderType": "ICEBERG"}, S.UNKNOWN, 0),
        ({"quantity": "many"}, S.UNKNOWN, 0),
        ({"quantity": 0}, S.UNKNOWN, 0),
        ({"price": {"rupees": 1}}, S.UNKNOWN, 0),
        ({"price": -5}, S.UNKNOWN, 0),
        ({"filledQty": "some"}, S.UNKNOWN, 0),
        ({"price": "1,650.50", "quantity": "100"}, S.WORKING, 0),
        ({"price": "NA", "triggerPrice": ""}, S.WORKING, 0),
    ],
)
def test_a_row_has_one_state_and_one_filled_quantity(fields: dict[str, Any], state: S, filled: int) -> None:
    report = order_of(ROW | fields, symbol_of)

    assert (report.state, report.filled_qty) == (state, filled)


def test_a_row_in_full() -> None:
    report = order_of(ROW | {"filledQty": 40, "averageTradedPrice": 1650.35}, symbol_of)

    assert (report.tag, report.broker_id, report.symbol) == ("SD0001000001E", "112607250001", "HDFCBANK")
    assert (report.side, report.type, report.product, report.qty) == (Side.BUY, OrderType.LIMIT, "MIS", 100)
    assert (report.limit_paise, report.average_paise) == (165_050, 165_035)
    assert clock_text(report.at_ns) == "10:15:01", "naive times are IST"


@pytest.mark.parametrize("label", ["NA", "", "0", None, " "])
def test_no_label_is_no_tag(label: object) -> None:
    assert order_of(ROW | {"correlationId": label}, symbol_of).tag == ""


def test_a_contract_that_our_master_lacks_keeps_a_name() -> None:
    assert order_of(ROW | {"securityId": "7", "tradingSymbol": None}, symbol_of).symbol == "NSE_EQ:7"
    assert order_of(ROW | {"securityId": "7", "tradingSymbol": "GOLD\x1b[2J"}, symbol_of).symbol == "GOLD?[2J"
    assert order_of(ROW | {"exchangeSegment": "BSE_EQ"}, symbol_of).symbol == "HDFCBANK", "by Dhan's own name"


@pytest.mark.parametrize(
    "broken",
    [
        {"orderId": None}, {"orderId": "../cancel"}, {"orderId": "1" * 65}, {"transactionType": "HOLD"},
        {"filledQty": 101}, {"filledQty": -1}, {"quantity": None, "filledQty": 40},
        {"quantity": 10**40, "filledQty": 5},
    ],
)  # fmt: skip
def test_a_broken_row_that_could_be_ours_fails_the_read_and_a_strangers_is_counted(broken: dict[str, Any]) -> None:
    with pytest.raises(ReadFailed):
        read([ROW, ROW | broken])
    for label in (None, 7, {}):
        with pytest.raises(ReadFailed):
            read([ROW | broken | {"correlationId": label}])

    odd = oddities()
    assert [report.broker_id for report in read([ROW, ROW | broken | {"correlationId": "another desk"}], odd)] == [
        ROW["orderId"]
    ]
    assert odd.total == 1


@pytest.mark.parametrize("body", [None, {}, {"data": []}, "[]", 7, [None], ["row"], [[]]])
def test_what_is_no_book_is_not_an_empty_book(body: object) -> None:
    with pytest.raises(ReadFailed):
        read(body)
    assert read([]) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(sorted(ROW)), JSON))
def test_no_row_raises_anything_but_that_it_is_broken(fields: dict[str, Any]) -> None:
    for parse in (
        partial(order_of, symbol_of=symbol_of),
        partial(trade_of, symbol_of=symbol_of, tag_of={}),
        partial(position_of, symbol_of=symbol_of),
    ):
        try:
            report = parse(ROW | fields)  # type: ignore[operator]
        except BrokenRow:
            continue
        assert report.symbol.isprintable() and len(report.symbol) < 200


@given(JSON)
def test_no_frame_raises_anything_but_that_it_is_broken(frame: object) -> None:
    for body in (frame, {"Type": "order_alert", "Data": frame}):
        try:
            frame_of(body, frame_symbol)
        except BrokenRow:
            continue


# --- requests ---------------------------------------------------------------------------------------------------------


def request(**fields: Any) -> OrderRequest:
    base: dict[str, Any] = {
        "tag": "SD0001000001E", "symbol": "HDFCBANK", "exchange": "NSE", "product": "MIS", "side": Side.BUY,
        "type": OrderType.LIMIT, "qty": 100, "limit_paise": 165_050, "trigger_paise": 0,
    }  # fmt: skip
    return OrderRequest(**(base | fields))


@pytest.mark.row("OPS-35")
def test_a_market_intent_leaves_as_a_limit_at_its_protection() -> None:
    body = place_body(request(type=OrderType.MARKET), "1000000001", "NSE_EQ", "1333")

    assert (body["orderType"], body["price"]) == ("LIMIT", 1650.5)
    assert "triggerPrice" not in body


def test_a_stop_leaves_with_its_limit_and_a_bare_stop_market_does_not_leave() -> None:
    stop = request(type=OrderType.SL, side=Side.SELL, limit_paise=163_000, trigger_paise=164_000)
    body = place_body(stop, "1000000001", "NSE_EQ", "1333")

    assert (body["orderType"], body["price"], body["triggerPrice"]) == ("STOP_LOSS", 1630.0, 1640.0)
    with pytest.raises(KeyError):
        place_body(request(type=OrderType.SL_M), "1000000001", "NSE_EQ", "1333")


def test_bodies_have_the_types_of_the_recorded_requests(fixtures: Path) -> None:
    place = json.loads((fixtures / "rest/place_order_request.json").read_text())
    body = place_body(request(tag=place["correlationId"]), "1000000001", "NSE_EQ", "1333")
    assert body == {name: value for name, value in place.items() if name != "triggerPrice"}

    modify = json.loads((fixtures / "rest/modify_order_request.json").read_text())
    change = OrderChange(
        tag="", broker_id="112607250001", type=OrderType.LIMIT, qty=120, limit_paise=165_100, trigger_paise=0
    )
    assert modify_body(change, "1000000001") == {n: v for n, v in modify.items() if n != "legName"}


@pytest.mark.row("OPS-35", "GRD-30", "OPT-57")
def test_the_desks_tags_fit_and_a_26th_character_does_not() -> None:
    import re

    assert RULES.tag_max == 25
    assert re.fullmatch(RULES.tag_pattern, "SD0001000001E") and not re.fullmatch(RULES.tag_pattern, "a.b")


# --- recorded replies -------------------------------------------------------------------------------------------------


def test_the_recorded_order_book_has_every_state(fixtures: Path) -> None:
    reports = {row.broker_id[-1]: row for row in read(json.loads((fixtures / "rest/orders_list.json").read_text()))}
    raw = {row["orderId"][-1]: row for row in json.loads((fixtures / "rest/orders_list.json").read_text())}

    assert {raw[key]["orderStatus"] for key in raw} >= {"TRANSIT", "PENDING", "PART_TRADED", "TRADED", "CANCELLED"}
    expected = {
        "TRANSIT": S.WORKING, "PART_TRADED": S.PART_FILLED, "TRADED": S.FILLED, "CANCELLED": S.CANCELLED,
        "REJECTED": S.REJECTED, "EXPIRED": S.EXPIRED,
    }  # fmt: skip
    for key, row in raw.items():
        if row["orderStatus"] == "PENDING":
            stop = row["orderType"].startswith("STOP")
            assert reports[key].state is (S.TRIGGER_PENDING if stop else S.WORKING)
        elif row["orderStatus"] in expected:
            assert reports[key].state is expected[row["orderStatus"]]
        assert reports[key].filled_qty == row["filledQty"]
        assert bool(reports[key].reject_text) is (row["orderStatus"] == "REJECTED")


@pytest.mark.parametrize("name", ["order_by_id_as_object", "order_by_id_as_list", "order_by_correlation_id_as_list"])
def test_one_order_is_an_object_or_a_list_of_one(fixtures: Path, name: str) -> None:
    (row,) = rows_in(json.loads((fixtures / f"rest/{name}.json").read_text()))
    report = order_of(row, symbol_of)

    assert (report.tag[:8], report.symbol, report.filled_qty > 0) == ("sd-7f3a-", "HDFCBANK", True)


def test_no_order_is_an_empty_list_or_an_error(fixtures: Path) -> None:
    assert rows_in(json.loads((fixtures / "rest/order_by_id_not_found_empty_list.json").read_text())) == []
    assert rows_in({"errorCode": "DH-905"}) == rows_in(None) == rows_in("x") == []


def test_recorded_trades_and_positions(fixtures: Path) -> None:
    rows = json.loads((fixtures / "rest/trades_list.json").read_text())
    tags = {"112607250003": "SD0001000003E"}
    trades = read_book(rows, "trades", partial(trade_of, symbol_of=symbol_of, tag_of=tags), oddities())
    assert [(t.trade_id, t.qty, t.price_paise, t.tag) for t in trades][:2] == [
        ("200000001", 40, 165_035, "SD0001000003E"),
        ("200000002", 60, 165_045, "SD0001000003E"),
    ]
    one = json.loads((fixtures / "rest/trades_of_order_as_object.json").read_text())
    assert trade_of(one, symbol_of, {}) == trade_of(rows[0], symbol_of, {})

    rows = json.loads((fixtures / "rest/positions.json").read_text())
    positions = read_book(rows, "positions", partial(position_of, symbol_of=symbol_of), oddities())
    assert [(p.symbol, p.product, p.net_qty, p.average_paise) for p in positions][:2] == [
        ("HDFCBANK", "MIS", 100, 165_041),
        ("NIFTY28JUL2625000CE", "NRML", -75, 12_505),
    ]


def test_a_position_without_a_quantity_fails_the_read() -> None:
    with pytest.raises(ReadFailed):
        read_book([{"securityId": "1333", "netQty": None}], "p", partial(position_of, symbol_of=symbol_of), oddities())


@pytest.mark.row("HRD-44")
def test_recorded_frames_of_one_order_in_either_casing(fixtures: Path) -> None:
    lines = (fixtures / "order_update_ws/lifecycle_camel_case.jsonl").read_text().splitlines()
    reports = [frame_of(json.loads(line), frame_symbol) for line in lines]
    assert [(r.state, r.filled_qty) for r in reports if r is not None] == [
        (S.WORKING, 0), (S.WORKING, 0), (S.PART_FILLED, reports[2].filled_qty), (S.FILLED, 100),  # type: ignore[union-attr]
    ]  # fmt: skip

    documented = frame_of(
        json.loads((fixtures / "order_update_ws/single_pascal_case_documented.json").read_text()), frame_symbol
    )
    assert documented is not None
    assert (documented.state, documented.filled_qty, documented.average_paise) == (S.CANCELLED, 30, 165_020)
    assert (documented.tag, documented.symbol, documented.product) == ("sd-7f3a-0003", "HDFCBANK", "MIS")

    both = frame_of(json.loads((fixtures / "order_update_ws/single_both_casings.json").read_text()), frame_symbol)
    assert both is not None and (both.state, both.limit_paise) == (S.WORKING, 165_050)

    refused = frame_of(json.loads((fixtures / "order_update_ws/rejected_camel_case.json").read_text()), frame_symbol)
    assert refused is not None and (refused.state, refused.reject_text) == (S.REJECTED, "RMS: insufficient funds")


def test_instants_are_read_in_ist_and_placeholders_are_none() -> None:
    at_ns = instant_of("2026-07-24 10:15:01")

    assert (clock_text(at_ns), wire_time(at_ns)) == ("10:15:01", "2026-07-24 10:15:01")
    assert at_ns % NS_PER_S == 0
    for text in ("NA", "", None, "0001-01-01", "0001-01-01 00:00:00", "01/01/1980 00:00:00", "x" * 99, 5.0, {}):
        assert instant_of(text) == 0
