"""Rows of orders, trades and positions: what they say, what they may leave out, and what is doubt."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.kite.market_reads import candles_of, chain_row_of, funds_of, margin_of, spans_of, tick_of
from brokers.kite.master import Listing, Master
from brokers.kite.orders import NotRead, may_be_ours, position_of, report_of, trade_of
from brokers.kite.requests import margin_order, modify_form, order_path, place_form
from brokers.kite.rules import KITE_RULES
from brokers.kite.times import ns_of, stamp_of, token_end_ns
from brokers.wire.oddities import Oddities
from engine import refusals
from engine.instant import NS_PER_DAY, NS_PER_S, iso_utc
from engine.instrument import Instrument, OptionType, Segment
from engine.order import OrderState, OrderType, Side
from engine.port import OrderChange, OrderReport, OrderRequest
from engine.venue_rules import RequestFacts, check_request

S = OrderState
MASTER = Master()
TAG = "SD00010000AE"


def row(**fields: Any) -> dict[str, Any]:
    base = {
        "order_id": "2611250000012", "exchange": "NFO", "tradingsymbol": "NIFTY26D0124500PE", "order_type": "LIMIT",
        "transaction_type": "BUY", "product": "MIS", "quantity": 75, "filled_quantity": 0, "price": 150.05,
        "trigger_price": 0, "average_price": 0, "status": "OPEN", "tag": TAG, "order_timestamp": "2026-11-25 09:20:00",
    }  # fmt: skip
    return base | fields


def report(**fields: Any) -> OrderReport:
    read = report_of(row(**fields), MASTER)
    assert isinstance(read, OrderReport)
    return read


STATUSES = [
    ("PUT ORDER REQ RECEIVED", 0, S.WORKING), ("PUT ORDER REQUEST RECEIVED", 0, S.WORKING),
    ("VALIDATION PENDING", 0, S.WORKING), ("OPEN PENDING", 0, S.WORKING), ("AMO REQ RECEIVED", 0, S.WORKING),
    ("MODIFY AMO REQ RECEIVED", 0, S.WORKING), ("OPEN", 0, S.WORKING), ("OPEN", 25, S.PART_FILLED),
    ("MODIFY VALIDATION PENDING", 0, S.WORKING), ("MODIFY PENDING", 25, S.PART_FILLED), ("MODIFIED", 0, S.WORKING),
    ("CANCEL PENDING", 0, S.WORKING), ("CANCEL PENDING", 25, S.PART_FILLED), ("UPDATE", 0, S.WORKING),
    ("UPDATE", 25, S.PART_FILLED), ("COMPLETE", 75, S.FILLED), ("CANCELLED", 0, S.CANCELLED),
    ("CANCELLED", 25, S.CANCELLED), ("REJECTED", 0, S.REJECTED), ("open", 0, S.WORKING),
    ("SOMETHING NEW", 0, S.UNKNOWN), ("", 0, S.UNKNOWN), (None, 0, S.UNKNOWN), (7, 0, S.UNKNOWN),
]  # fmt: skip


@pytest.mark.row("HRD-02")
@pytest.mark.fault("ORD-25")
@pytest.mark.parametrize(("status", "filled", "state"), STATUSES)
def test_every_documented_status_is_read_and_no_other(status: object, filled: int, state: OrderState) -> None:
    read = report(status=status, filled_quantity=filled)

    assert (read.state, read.filled_qty) == (state, filled)


@pytest.mark.parametrize(
    "status", ["PUT ORDER REQ RECEIVED", "OPEN PENDING", "MODIFY PENDING", "CANCEL PENDING", "UPDATE"]
)
def test_a_stop_in_transit_passes_for_neither_resting_nor_triggered(status: str) -> None:
    stop = {"order_type": "SL", "trigger_price": 149}

    assert report(status=status, **stop).state is S.UNKNOWN
    assert report(status=status, filled_quantity=25, **stop).state is S.PART_FILLED
    assert report(status="TRIGGER PENDING", **stop).state is S.TRIGGER_PENDING
    assert report(status="OPEN", **stop).state is S.WORKING, "it has triggered"


@pytest.mark.fault("UPD-10")
@pytest.mark.parametrize("filled", [-1, 76, "many", 1.5, True, [], 1e300])
def test_a_filled_quantity_that_cannot_be_is_doubt(filled: object) -> None:
    read = report(status="COMPLETE", filled_quantity=filled)

    assert (read.state, read.filled_qty) == (S.UNKNOWN, 0)


def test_complete_with_less_than_all_filled_is_doubt() -> None:
    assert report(status="COMPLETE", filled_quantity=25).state is S.UNKNOWN


def test_prices_come_in_paise_and_a_market_order_may_come_back_as_a_limit() -> None:
    read = report(price="1,50.05", average_price=149.999, order_type="LIMIT", tags=["mktp", "mktp:2.00", TAG], tag=None)

    assert (read.limit_paise, read.average_paise, read.tag) == (15005, 15000, TAG)
    assert report(order_type="ICEBERG?").type is OrderType.LIMIT


@pytest.mark.parametrize(
    ("fields", "tag"),
    [
        ({}, TAG),
        ({"tag": None}, ""),
        ({"tag": None, "tags": ["autoslice", "autoslice:26", "mktp:2.00"]}, ""),
        ({"tag": "by hand", "tags": ["by hand", TAG]}, TAG),
        ({"tag": "by hand"}, "by hand"),
        ({"tag": 5, "tags": [None, 7, {}]}, ""),
        ({"tag": "x" * 300, "tags": "no list"}, ""),
        ({"tag": "\x1b[2J"}, ""),
    ],
)
def test_our_tag_is_found_wherever_the_broker_puts_it(fields: dict[str, Any], tag: str) -> None:
    assert report(**fields).tag == tag


@pytest.mark.parametrize(
    "fields",
    [{"order_id": None}, {"order_id": "../x"}, {"transaction_type": "HOLD"}, {"transaction_type": []}, {"quantity": 0},
     {"quantity": "x"}, {"quantity": -75}, {"tradingsymbol": ""}, {"tradingsymbol": None}, {"tradingsymbol": "a\x1b"},
     {"exchange": 5}],
)  # fmt: skip
def test_a_row_that_is_no_order_is_said_to_be_none_and_may_be_ours(fields: dict[str, Any]) -> None:
    assert isinstance(report_of(row(**fields), MASTER), NotRead)
    assert may_be_ours(row(**fields)) and not may_be_ours(row(**fields) | {"tag": "by hand"})
    assert not may_be_ours(row(**fields) | {"tag": None, "tags": []}), "ours always bears a tag"
    assert may_be_ours(row(**fields) | {"tag": 7}) and may_be_ours(None)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(sorted(row())), JSON, max_size=6), JSON)
def test_no_row_breaks_the_readers(fields: dict[str, Any], other: Any) -> None:
    for value in (row(**fields), other):
        for read in (report_of(value, MASTER), trade_of(value, MASTER, {}), position_of(value, MASTER)):
            assert isinstance(read, NotRead) or read.symbol
        may_be_ours(value)
        for reader in (funds_of, margin_of):
            reader(value)
        tick_of("S", value, 0)
        chain_row_of("S", value)
        candles_of({"candles": value}, Oddities("kite", lambda _text: None))


@pytest.mark.row("OPS-05")
def test_the_sample_order_book_is_read_whole(fixtures: Path) -> None:
    rows = json.loads((fixtures / "orders.json").read_text())["data"]
    reads = [report_of(each, MASTER) for each in rows]

    assert not [read for read in reads if isinstance(read, NotRead)]
    for given_row, read in zip(rows, reads, strict=True):
        assert isinstance(read, OrderReport)
        assert read.broker_id == given_row["order_id"] and read.filled_qty == given_row["filled_quantity"]
        assert read.limit_paise == round(given_row["price"] * 100)
        assert read.state.value == {"COMPLETE": "filled", "OPEN": "working"}.get(
            given_row["status"], given_row["status"].lower()
        )
        assert stamp_of(read.at_ns) in (given_row["exchange_update_timestamp"], given_row["order_timestamp"])
    rejected = next(read for read in reads if isinstance(read, OrderReport) and read.state is S.REJECTED)
    assert rejected.reject_text.startswith("Insufficient funds") and rejected.tag == "icebergord"


@pytest.mark.row("OPS-05")
def test_the_sample_trades_and_positions_are_read_whole(fixtures: Path) -> None:
    trades = json.loads((fixtures / "trades.json").read_text())["data"]
    for given_row in trades:
        read = trade_of(given_row, MASTER, {given_row["order_id"]: TAG})
        assert not isinstance(read, NotRead)
        assert (read.qty, read.tag, read.trade_id) == (
            given_row["quantity"], TAG, f"{given_row['trade_id']}:{given_row['order_id']}",
        )  # fmt: skip
        assert stamp_of(read.at_ns) == given_row["fill_timestamp"]
    net = json.loads((fixtures / "positions.json").read_text())["data"]["net"]
    reads = [position_of(each, MASTER) for each in net]
    assert [(read.net_qty, read.average_paise) for read in reads if not isinstance(read, NotRead)] == [
        (1, 16105), (0, 0), (0, 0),
    ]  # fmt: skip


@pytest.mark.row("OPS-05")
def test_the_sample_funds_margins_quotes_and_candles_are_read(fixtures: Path) -> None:
    def data(name: str) -> Any:
        return json.loads((fixtures / name).read_text())["data"]

    funds = funds_of(data("margins.json")["equity"])
    assert funds is not None and (funds.available_paise, funds.used_paise) == (9972505, 14570655)
    assert funds_of(data("margin_commodity.json")) is not None
    assert margin_of(data("order_margins.json")) == 149800
    quote = tick_of("INFY", data("quote.json")["NSE:INFY"], 0)
    assert quote is not None and (quote.ltp_paise, quote.bid_paise, quote.ask_paise, quote.ask_qty) == (
        141295, 0, 141295, 5191,
    )  # fmt: skip
    assert iso_utc(quote.at_ns).startswith("2021-06-08T10:15:56"), "IST on the wire"
    candles = candles_of(data("historical_minute.json"), Oddities("kite", lambda _text: None))
    assert candles is not None and len(candles) == 6
    assert iso_utc(candles[0].start_ns).startswith("2017-12-15T03:45:00") and candles[0].open_paise == 170450
    ltp = tick_of("INFY", data("ltp.json")["NSE:INFY"], 5)
    assert ltp is not None and (ltp.ltp_paise, ltp.at_ns) == (107435, 5)


def test_a_candle_that_contradicts_itself_is_counted_and_left_out() -> None:
    odd = Oddities("kite", lambda _text: None)
    good = ["2026-11-25T09:15:00+0530", 10, 12, 9, 11, 5]
    rows = [good, [*good[:2], 8, *good[3:]], good[:3], None, [*good[:1], "x", 12, 9, 11, 5], [*good, 7]]
    candles = candles_of({"candles": rows}, odd)

    assert candles is not None and [(c.close_paise, c.open_interest) for c in candles] == [(1100, 7)]
    assert odd.total == 4 and candles_of({"candles": None}, odd) is None and candles_of(None, odd) is None


def test_long_spans_are_asked_for_in_pieces() -> None:
    assert spans_of(0, 130 * NS_PER_DAY, 60) == [
        (0, 60 * NS_PER_DAY), (60 * NS_PER_DAY, 120 * NS_PER_DAY), (120 * NS_PER_DAY, 130 * NS_PER_DAY),
    ]  # fmt: skip


def request(**fields: Any) -> OrderRequest:
    base: dict[str, Any] = {
        "tag": TAG, "symbol": "S", "exchange": "NFO", "product": "NRML", "side": Side.SELL, "type": OrderType.LIMIT,
        "qty": 75, "limit_paise": 15005, "trigger_paise": 15100,
    }  # fmt: skip
    return OrderRequest(**(base | fields))


LISTING = Listing(5, "NSE", "M&M")


def test_forms_carry_what_each_type_needs_and_nothing_else() -> None:
    limit = place_form(request(), LISTING)
    assert limit == {
        "exchange": "NSE", "tradingsymbol": "M&M", "transaction_type": "SELL", "product": "NRML", "tag": TAG,
        "order_type": "LIMIT", "quantity": "75", "validity": "DAY", "price": "150.05",
    }  # fmt: skip
    assert place_form(request(type=OrderType.MARKET), LISTING) == limit, "a marketable intent is a limit at its limit"
    stop = place_form(request(type=OrderType.SL), LISTING)
    assert (stop["order_type"], stop["price"], stop["trigger_price"]) == ("SL", "150.05", "151.00")
    bare = place_form(request(type=OrderType.SL_M), LISTING)
    assert bare["market_protection"] == "-1" and "price" not in bare and bare["trigger_price"] == "151.00"
    assert margin_order(request(), LISTING)[0]["price"] == 150.05
    change = OrderChange(tag=TAG, broker_id="1", type=OrderType.LIMIT, qty=150, limit_paise=5, trigger_paise=0)
    assert modify_form(change) == {"order_type": "LIMIT", "quantity": "150", "validity": "DAY", "price": "0.05"}


@pytest.mark.parametrize("order_id", ["", "../../session/token", "1?x=2", "1/2", "1 2", "x" * 65, "\u0661\u0662"])
def test_an_order_id_that_is_none_never_reaches_an_address(order_id: str) -> None:
    assert order_path(order_id) == ""


@pytest.mark.row("OPS-35")
def test_kites_limits_catch_what_it_would_refuse() -> None:
    option = Instrument(
        symbol="S", exchange="NFO", segment=Segment.INDEX_OPTION, lot_size=75, tick_paise=5, underlying="NIFTY",
        option_type=OptionType.PE,
    )  # fmt: skip
    good: dict[str, Any] = {
        "tag": TAG, "type": OrderType.LIMIT, "qty": 75, "limit_paise": 15005, "trigger_paise": 0, "product": "MIS",
    }  # fmt: skip
    cases = [
        ({}, None), ({"tag": "T" * 21}, refusals.TAG), ({"tag": "a-b"}, refusals.TAG),
        ({"product": "BO"}, refusals.NOT_ALLOWED), ({"type": OrderType.SL_M}, refusals.ORDER_TYPE),
        ({"limit_paise": 15004}, refusals.TICK_SIZE),
    ]  # fmt: skip
    for fields, code in cases:
        violation = check_request(RequestFacts(**(good | fields)), option, KITE_RULES)
        assert (violation.code if violation else None) == code
    assert (KITE_RULES.orders_per_s, KITE_RULES.modify_cap) == (8, 20)


def test_times_are_ist_and_nothing_else_is_a_time() -> None:
    at_ns = ns_of("2026-11-25 09:15:00")
    assert iso_utc(at_ns).startswith("2026-11-25T03:45:00") and stamp_of(at_ns + 999_999_999) == "2026-11-25 09:15:00"
    assert ns_of("2026-11-25T09:15:00+0530") == at_ns
    for odd in (
        "",
        None,
        5,
        "2026-13-25 09:15:00",
        "09:16:39",
        "2026-11-25 09:15:00+0000",
        "2026-11-25 09:15",
        "x" * 99,
    ):
        assert ns_of(odd) == 0


def test_a_token_ends_at_six_in_the_morning() -> None:
    def end(stamp: str) -> str:
        return stamp_of(token_end_ns(ns_of(stamp)))

    assert end("2026-11-25 09:15:00") == "2026-11-26 06:00:00"
    assert end("2026-11-25 05:59:59") == "2026-11-25 06:00:00" and end("2026-11-25 06:00:00") == "2026-11-26 06:00:00"
    assert token_end_ns(ns_of("2026-11-30 23:00:00")) - ns_of("2026-11-30 23:00:00") == 7 * 3600 * NS_PER_S
