"""Rows and events of orders, trades and positions: recorded ones to their documented values, broken ones to doubt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.wire.oddities import Oddities
from brokers.xts.event_order import EventOrder
from brokers.xts.master import Contract, Master
from brokers.xts.orders import (
    OrderTerms,
    RowUnreadable,
    modify_body,
    order_report,
    orders_in,
    place_body,
    position_of,
    positions_in,
    sequence_of,
    trade_of,
)
from engine.instant import clock_text, ist_date
from engine.instrument import Instrument, Segment
from engine.order import OrderState, OrderType, Side
from engine.port import OrderChange, OrderReport, OrderRequest

S = OrderState
NAMES = Master(by_symbol={}, by_key={}).symbol_of
Fixture = Callable[[str], Any]


def odd() -> tuple[Oddities, list[str]]:
    notes: list[str] = []
    return Oddities("xts", notes.append), notes


def row(**fields: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "AppOrderID": 1110000100, "OrderUniqueIdentifier": "SDTEST1", "ExchangeSegment": "NSEFO",
        "ExchangeInstrumentID": 48117, "TradingSymbol": "NIFTY 30JAN2025 PE 23250", "OrderSide": "Buy",
        "OrderType": "Limit", "ProductType": "NRML", "TimeInForce": "DAY", "OrderPrice": 137.9, "OrderQuantity": 225,
        "OrderStopPrice": 0, "OrderStatus": "New", "CumulativeQuantity": 0, "LeavesQuantity": 225,
        "OrderAverageTradedPrice": "", "OrderAverageTradedPriceAPI": "NaN", "CancelRejectReason": "",
    }  # fmt: skip
    return base | fields


@pytest.mark.row("HRD-02")
def test_a_cancelled_order_keeps_its_fills_and_its_reason(fixture_of: Fixture) -> None:
    report = order_report(fixture_of("stream/order_cancelled_after_partial_selftrade.json"), NAMES)

    assert (report.state, report.qty, report.filled_qty, report.average_paise) == (S.CANCELLED, 225, 75, 13405)
    assert (report.broker_id, report.tag, report.product, report.side) == ("1240092665", "4867", "NRML", Side.BUY)
    assert report.symbol == "NIFTY30JAN2523250PE" and "self trade" in report.reject_text
    assert str(ist_date(report.at_ns)) == "2025-01-30" and clock_text(report.at_ns, decimals=3) == "14:08:02.123"


def test_recorded_orders_and_trades_read_to_their_documented_values(fixture_of: Fixture) -> None:
    rejected = order_report(fixture_of("stream/order_rejected_rms_margin.json"), NAMES)
    pending = order_report(fixture_of("stream/order_pendingnew_stopmarket.json"), NAMES)
    old = fixture_of("stream/order_2020_negative_sequence.json")
    trade = trade_of(fixture_of("stream/trade_filled_thousands_comma.json"), NAMES)
    shape_2019 = trade_of(fixture_of("stream/trade_2019_old_shape.json"), NAMES)

    assert rejected.state is S.REJECTED and rejected.tag == "" and "Margin Exceeds" in rejected.reject_text
    assert (pending.state, pending.type, pending.trigger_paise) == (S.TRIGGER_PENDING, OrderType.SL_M, 214835)
    assert sequence_of(old) == 0 and order_report(old, NAMES).state is S.UNKNOWN, "side and quantity are left out there"
    assert (trade.trade_id, trade.qty, trade.price_paise) == ("NSECM:2177829:SELL", 3, 285350)
    assert (trade.side, trade.tag, clock_text(trade.at_ns)) == (Side.SELL, "9NcLerkS", "11:22:47")
    assert (shape_2019.trade_id, shape_2019.price_paise) == ("NSECM:1320599196383056:BUY", 4400)


def test_positions_of_book_and_stream_read_alike(fixture_of: Fixture) -> None:
    book = position_of(fixture_of("stream/position_rest_style_2019.json"), NAMES)
    stream = position_of(fixture_of("stream/position_daywise.json"), NAMES)

    assert (book.symbol, book.product, book.net_qty, book.average_paise) == ("ACC", "CNC", 40, 4178)
    assert (stream.symbol, stream.net_qty, stream.average_paise) == ("JUBLFOOD", 0, 0)


def test_a_recorded_day_ends_with_three_fills_told_once_each(fixture_of: Fixture) -> None:
    events = [line for line in fixture_of("stream/lifecycle_2025-01-09_reconstructed.jsonl") if line["kind"] == "event"]
    order, reports, trades = EventOrder(), [], []
    for line in events + events:  # a replay of all of it tells nothing new
        if line["event"] == "order":
            report = order_report(line["payload"], NAMES)
            if order.accept(report, sequence_of(line["payload"])):
                reports.append(report)
        elif line["event"] == "trade":
            trades.append(trade_of(line["payload"], NAMES))

    assert [(r.broker_id[-3:], r.state.value, r.filled_qty) for r in reports] == [
        ("100", "working", 0), ("100", "working", 0), ("100", "filled", 75),
        ("101", "working", 0), ("101", "working", 0),
        ("102", "working", 0), ("102", "working", 0), ("102", "filled", 75),
        ("101", "working", 0), ("101", "cancelled", 0),
    ]  # fmt: skip
    assert {(t.trade_id, t.qty, t.price_paise) for t in trades} == {
        ("NSEFO:2026158:BUY", 75, 255), ("NSEFO:2030891:SELL", 75, 250)
    }  # fmt: skip
    assert reports[2].average_paise == 255, "the text is empty on that event, the number beside it is not"


@pytest.mark.row("HRD-02")
@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({"OrderStatus": "PendingNew"}, S.WORKING),
        ({"OrderStatus": "NEW"}, S.WORKING),
        ({"OrderStatus": "Replaced"}, S.WORKING),
        ({"OrderStatus": "PendingReplace"}, S.WORKING),
        ({"OrderStatus": "PendingCancel"}, S.WORKING),
        ({"OrderStatus": "PartiallyFilled", "CumulativeQuantity": "75"}, S.PART_FILLED),
        ({"OrderStatus": "New", "CumulativeQuantity": 75}, S.PART_FILLED),
        ({"OrderStatus": "New", "OrderType": "StopLimit", "OrderStopPrice": 140}, S.TRIGGER_PENDING),
        ({"OrderStatus": "PendingNew", "OrderType": "StopLimit", "OrderStopPrice": 140}, S.TRIGGER_PENDING),
        ({"OrderStatus": "TriggerPending", "OrderType": "StopLimit"}, S.TRIGGER_PENDING),
        ({"OrderStatus": "Trigger Pending", "OrderType": "StopMarket"}, S.TRIGGER_PENDING),
        ({"OrderStatus": "New", "OrderType": "Limit", "OrderStopPrice": 140}, S.WORKING),
        ({"OrderStatus": "Filled", "CumulativeQuantity": 225, "LeavesQuantity": 0}, S.FILLED),
        ({"OrderStatus": "Cancelled"}, S.CANCELLED),
        ({"OrderStatus": "Rejected"}, S.REJECTED),
        ({"OrderStatus": "Expired", "LeavesQuantity": 0}, S.EXPIRED),
        ({"OrderStatus": "Expired"}, S.UNKNOWN),
        ({"OrderStatus": "NotObtained"}, S.UNKNOWN),
        ({"OrderStatus": 7}, S.UNKNOWN),
        ({"OrderStatus": None}, S.UNKNOWN),
        ({"OrderSide": "Up"}, S.UNKNOWN),
        ({"OrderQuantity": "many"}, S.UNKNOWN),
        ({"OrderQuantity": 10**40}, S.UNKNOWN),
        ({"CumulativeQuantity": -75}, S.UNKNOWN),
        ({"CumulativeQuantity": "NaN"}, S.UNKNOWN),
        ({"OrderType": "Iceberg"}, S.UNKNOWN),
    ],
)
def test_every_status_has_its_state_and_doubt_is_unknown(fields: dict[str, Any], state: OrderState) -> None:
    assert order_report(row(**fields), NAMES).state is state


def test_a_triggered_stop_is_still_a_stop_that_works() -> None:
    report = order_report(row(OrderType="Limit", OrderStopPrice=140.0, OrderStatus="New"), NAMES)

    assert (report.type, report.state, report.trigger_paise, report.limit_paise) == (
        OrderType.SL, S.WORKING, 14000, 13790
    )  # fmt: skip


def test_a_row_without_an_id_or_a_book_that_is_no_list_is_no_book() -> None:
    counted, _ = odd()
    for broken in ([{**row(), "AppOrderID": None}], [17], {"orders": []}, "", None, [None]):
        with pytest.raises(RowUnreadable):
            list(orders_in(broken, NAMES, counted))
    for broken in ([{}], [{"Quantity": "1.5"}], [{"Quantity": None}], {"positionList": None}, {"x": []}, 5):
        with pytest.raises(RowUnreadable):
            list(positions_in(broken, NAMES))


def test_an_unreadable_row_of_ours_stays_as_unknown_and_one_of_nobodys_is_counted_out() -> None:
    counted, notes = odd()
    ours, nobodys = row(OrderQuantity=None), row(OrderQuantity=None, OrderUniqueIdentifier="")

    reports = list(orders_in([ours, nobodys, row(AppOrderID="5")], NAMES, counted))

    assert [(r.broker_id, r.state) for r in reports] == [("1110000100", S.UNKNOWN), ("5", S.WORKING)]
    assert counted.total == 2 and all("skipped" in note for note in notes)


@pytest.mark.parametrize("field", ["ExecutionID", "AppOrderID", "LastTradedQuantity", "LastTradedPrice", "OrderSide"])
@pytest.mark.parametrize("value", [None, "", "NaN", -1, [], 10**40, True])
def test_a_trade_is_never_guessed(field: str, value: Any) -> None:
    good = row(ExecutionID="2026158", LastTradedQuantity=75, LastTradedPrice=2.55)
    assert trade_of(good, NAMES).price_paise == 255

    with pytest.raises(RowUnreadable):
        trade_of(good | {field: value}, NAMES)


@pytest.mark.row("GRD-30")
def test_requests_say_what_the_server_wants() -> None:
    instrument = Instrument(
        symbol="X", exchange="NFO", segment=Segment.INDEX_OPTION, lot_size=65, tick_paise=5, underlying="NIFTY"
    )
    contract = Contract(segment="NSEFO", number=48117, instrument=instrument)
    request = OrderRequest(
        tag="SD000000000000000001", symbol="X", exchange="NFO", product="MIS", side=Side.SELL, type=OrderType.MARKET,
        qty=65, limit_paise=12345, trigger_paise=0,
    )  # fmt: skip
    body = place_body(request, contract, "")
    change = OrderChange(tag="T", broker_id="77", type=OrderType.SL, qty=130, limit_paise=12340, trigger_paise=12350)
    changed = modify_body(change, OrderTerms(product="MIS", disclosed_qty=5), "PRO01")

    assert body == {
        "exchangeSegment": "NSEFO", "exchangeInstrumentID": 48117, "productType": "MIS", "orderType": "LIMIT",
        "orderSide": "SELL", "timeInForce": "DAY", "disclosedQuantity": 0, "orderQuantity": 65, "limitPrice": 123.45,
        "stopPrice": 0.0, "orderUniqueIdentifier": "SD000000000000000001", "apiOrderSource": "WebAPI",
    }, "a marketable intent never leaves as MARKET, and an investor names no client"  # fmt: skip
    assert changed == {
        "appOrderID": 77, "modifiedProductType": "MIS", "modifiedOrderType": "STOPLIMIT",
        "modifiedOrderQuantity": 130, "modifiedDisclosedQuantity": 5, "modifiedLimitPrice": 123.4,
        "modifiedStopPrice": 123.5, "modifiedTimeInForce": "DAY", "orderUniqueIdentifier": "T", "clientID": "PRO01",
    }  # fmt: skip


def report(filled: int, state: OrderState) -> OrderReport:
    return order_report(row(CumulativeQuantity=filled, OrderStatus={S.FILLED: "Filled"}.get(state, "New")), NAMES)


@pytest.mark.row("HRD-44")
def test_events_apply_by_sequence_and_never_take_a_fill_back() -> None:
    order = EventOrder()

    assert order.accept(report(0, S.WORKING), 10)
    assert not order.accept(report(0, S.WORKING), 10), "the same one again"
    assert not order.accept(report(0, S.WORKING), 9), "an older one"
    assert order.accept(report(225, S.FILLED), 12)
    assert not order.accept(report(75, S.WORKING), 13), "fewer units than were heard of"
    assert not order.accept(report(225, S.FILLED), 14), "an end is final"
    order.forget()
    assert order.accept(report(0, S.WORKING), 1), "after a reconnect numbers may count anew"


def test_events_without_a_usable_sequence_are_applied_by_what_they_tell() -> None:
    order = EventOrder()

    assert order.accept(report(0, S.WORKING), 0) and order.accept(report(75, S.WORKING), 0)
    assert not order.accept(report(0, S.WORKING), 0)


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30) | st.lists(st.integers())


@given(st.dictionaries(st.sampled_from(sorted(row())), VALUES))
def test_no_row_raises_anything_but_its_own_error(fields: dict[str, Any]) -> None:
    for read in (order_report, trade_of, position_of):
        try:
            read(row(**fields), NAMES)
        except RowUnreadable as broken:
            assert str(broken)
