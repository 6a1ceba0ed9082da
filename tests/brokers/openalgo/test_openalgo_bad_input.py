"""Messages of a server that is wrong, old or hostile: nothing raises, nothing that may be money is guessed."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.openalgo import frames
from brokers.openalgo.frames import Control, Quote, Update
from brokers.openalgo.history import candle_of, chain_legs, interval_of, quote_tick
from brokers.openalgo.master import Master, contracts, decode_rows, expiry_of, freeze_of
from brokers.openalgo.orders import Wire, order_row, position_row, stamp_ns, state_of
from brokers.openalgo.rules import Mode
from brokers.openalgo.standing import PROBE_S, SessionStanding
from brokers.wire.oddities import Oddities
from engine.instant import at_ist
from engine.instrument import Segment
from engine.order import OrderState

pytestmark = [pytest.mark.row("OPS-05", "HRD-02"), pytest.mark.fault("UPD-10")]
S = OrderState
ROW: dict[str, Any] = {
    "action": "BUY", "exchange": "NFO", "order_status": "open", "orderid": "26112144683068", "price": 100.05,
    "pricetype": "LIMIT", "product": "MIS", "quantity": 65, "symbol": "NIFTY01DEC2624500PE",
    "timestamp": "2026-11-21 08:31:00", "trigger_price": 0.0,
}  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def oddities() -> Oddities:
    return Oddities("test", lambda _text: None)


@given(st.dictionaries(st.sampled_from(sorted({*ROW, "filled_quantity", "average_price", "strategy"})), JSON))
def test_any_value_in_any_field_makes_a_row_or_none(changes: dict[str, Any]) -> None:
    row = order_row(ROW | changes)
    position_row(ROW | changes)

    if row is not None:
        assert row.terms.qty > 0 and 0 <= (row.filled_qty or 0) <= row.terms.qty and row.average_paise >= 0


@pytest.mark.parametrize(
    "changes",
    [
        {"quantity": -5}, {"quantity": 0}, {"quantity": "many"}, {"quantity": 1.5}, {"quantity": float("inf")},
        {"action": "HOLD"}, {"action": None}, {"pricetype": "ICEBERG"}, {"orderid": None}, {"orderid": ""},
        {"symbol": ""}, {"exchange": 5}, {"price": "NaN"}, {"price": "ten"}, {"product": None},
        {"filled_quantity": 66}, {"filled_quantity": -1}, {"filled_quantity": "x"},
    ],
)  # fmt: skip
def test_a_row_that_makes_no_sense_is_none(changes: dict[str, Any]) -> None:
    assert order_row(ROW) is not None and order_row(ROW | changes) is None


@pytest.mark.parametrize("changes", [{"quantity": "65"}, {"quantity": "65.0"}, {"price": "1,00.05"}, {"action": "buy"}])
def test_numbers_as_text_are_numbers(changes: dict[str, Any]) -> None:
    assert order_row(ROW | changes) == order_row(ROW)


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("open", S.WORKING), ("OPEN", S.WORKING), ("complete", S.FILLED), ("cancelled", S.CANCELLED),
        ("rejected", S.REJECTED), ("trigger pending", S.TRIGGER_PENDING), ("Trigger Pending", S.TRIGGER_PENDING),
        ("TRIGGER_PENDING", S.TRIGGER_PENDING), ("trigger-pending", S.TRIGGER_PENDING),
        ("PartiallyFilled", S.PART_FILLED), ("PART_TRADED", S.PART_FILLED), ("PendingNew", S.WORKING),
        ("Replaced", S.WORKING), ("PendingReplace", S.WORKING), ("PendingCancel", S.WORKING), ("TRANSIT", S.WORKING),
        ("EXPIRED", S.EXPIRED), ("put order req received", S.WORKING), ("validation pending", S.WORKING),
        ("open pending", S.WORKING), ("modify pending", S.WORKING), ("not modified", S.WORKING),
        ("cancel pending", S.WORKING), ("not cancelled", S.WORKING), ("modified", S.WORKING),
        ("after market order req received", S.WORKING), ("unknown", S.UNKNOWN), ("", S.UNKNOWN), (None, S.UNKNOWN),
        ("[red]filled[/red]", S.UNKNOWN), (7, S.UNKNOWN),
    ],
)  # fmt: skip
def test_every_word_that_leaks_through_has_its_state(word: Any, state: OrderState) -> None:
    assert state_of(word, None, 65) is state


def test_an_open_order_with_a_part_filled_is_part_filled() -> None:
    assert state_of("open", 10, 65) is S.PART_FILLED and state_of("open", 0, 65) is S.WORKING


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-21 08:31:00", "2026-11-21T08:31:00.000", "21-11-2026 08:31:00", "21-Nov-2026 08:31:00",
        "2026-11-21T03:01:00+00:00", "2026-11-21T03:01:00Z",
    ],
)  # fmt: skip
def test_times_are_ist_unless_they_say_otherwise(text: str) -> None:
    assert stamp_ns(text) == stamp_ns("2026-11-21 08:31:00") == 1_795_230_060 * 10**9


@pytest.mark.parametrize("value", [None, 5, "", "yesterday", "0001-01-01 00:00:00", "9" * 500, "2026-13-45 99:99:99"])
def test_a_time_that_cannot_be_read_is_none(value: Any) -> None:
    assert stamp_ns(value) == 0


# --- frames -----------------------------------------------------------------------------------------------------------


@given(st.text(max_size=60) | st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value)))
def test_no_frame_raises(frame: str | bytes) -> None:
    frames.read_frame(frame)
    frames.is_silent(frame)


@given(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["market_data", "order_update", "auth", "subscribe"])},
        optional={"symbol": JSON, "exchange": JSON, "data": JSON, "mode": JSON, "status": JSON, "subscriptions": JSON},
    )
)
def test_a_frame_with_anything_in_it_is_read_or_left(body: dict[str, Any]) -> None:
    read = frames.read_frame(json.dumps(body))

    assert read is None or isinstance(read, Quote | Update | Control)
    if isinstance(read, Quote):
        assert read.ltp_paise > 0
    if isinstance(read, Control):
        frames.refused_symbols(read.body)


def tick(**data: Any) -> str:
    return json.dumps({"type": "market_data", "symbol": "X", "exchange": "NFO", "mode": 3, "data": data})


@given(st.integers(1, 10**9), st.integers(1, 10**9), st.integers(0, 10**6))
def test_the_fast_and_the_tolerant_way_read_the_same_prices(ltp: int, bid: int, qty: int) -> None:
    numbers = {"ltp": ltp / 100, "depth": {"buy": [{"price": bid / 100, "quantity": qty}], "sell": []}}
    texts = {"ltp": str(ltp / 100), "depth": {"buy": [{"price": str(bid / 100), "quantity": str(qty)}], "sell": []}}
    fast, slow = frames.read_frame(tick(**numbers)), frames.read_frame(tick(**texts))

    assert fast == slow == Quote(Wire("NFO", "X"), 0, ltp, bid, qty, 0, 0)


@pytest.mark.parametrize("ltp", [0, -5, 1e300, "0", "NaN", None, "x", []])
def test_no_price_is_no_tick(ltp: Any) -> None:
    assert frames.read_frame(tick(ltp=ltp)) is None


def test_a_time_in_another_unit_is_none() -> None:
    for stamp in (0, 1_479_716_988, 1_795_229_988_532_000):
        read = frames.read_frame(tick(ltp=5, timestamp=stamp))
        assert isinstance(read, Quote) and read.at_ns == 0


def test_subscriptions_are_sent_in_batches_of_a_hundred() -> None:
    texts = frames.subscribe([Wire("NFO", f"S{n}") for n in range(250)], frames.DEPTH)

    assert [len(json.loads(text)["symbols"]) for text in texts] == [100, 100, 50]


# --- contracts and data -----------------------------------------------------------------------------------------------

OPTION: dict[str, Any] = {
    "exchange": "NFO", "expiry": "01-DEC-26", "instrumenttype": "PE", "lotsize": 65, "name": "NIFTY",
    "strike": 24500.0, "symbol": "NIFTY01DEC2624500PE", "tick_size": 0.05, "token": "1",
}  # fmt: skip


def read_master(*rows: Any) -> tuple[Master, Oddities]:
    odd = oddities()
    body = json.dumps({"status": "success", "data": rows}).encode()
    return Master(contracts(decode_rows(body, odd), date(2026, 11, 25), odd)), odd


@pytest.mark.parametrize(
    "broken",
    [
        5, None, "row", {"symbol": 5, "exchange": "NFO"}, {}, OPTION | {"lotsize": 0}, OPTION | {"lotsize": -65},
        OPTION | {"lotsize": 10**12}, OPTION | {"tick_size": 0}, OPTION | {"expiry": "31-FEB-26"},
        OPTION | {"expiry": None}, OPTION | {"strike": 24550}, OPTION | {"strike": "x"}, OPTION | {"symbol": "NIFTYXX"},
        OPTION | {"name": {}}, OPTION | {"symbol": "NIFTY08DEC2624500PE"},
    ],
)  # fmt: skip
def test_a_broken_instrument_is_counted_and_skipped(broken: Any) -> None:
    master, odd = read_master(broken, OPTION | {"symbol": "NIFTY01DEC2624500CE", "instrumenttype": "CE"})

    assert [i.symbol for i in master.instruments] == ["NIFTY01DEC2624500CE"] and odd.total == 1


def test_expired_contracts_and_foreign_segments_are_left_out_silently() -> None:
    old = OPTION | {"expiry": "24-NOV-26", "symbol": "NIFTY24NOV2624500PE"}
    master, odd = read_master(old, OPTION | {"exchange": "MCX"}, OPTION)

    assert [i.symbol for i in master.instruments] == ["NIFTY01DEC2624500PE"] and odd.total == 0


def test_names_are_this_desks_whatever_the_server_writes() -> None:
    stock = {"exchange": "NFO", "expiry": "28-JAN-27", "name": "VEDL", "tick_size": 0.05, "lotsize": 1150}
    master, _ = read_master(
        stock | {"symbol": "VEDL28JAN27292.50CE", "strike": 292.5, "instrumenttype": "CE"},
        {"symbol": "RELIANCE", "exchange": "NSE", "lotsize": 1, "tick_size": 0.1, "name": "RELIANCE INDUSTRIES"},
        {"symbol": "RELIANCE", "exchange": "BSE", "lotsize": 1, "tick_size": 0.05, "name": "RELIANCE"},
        {"symbol": "NIFTY", "exchange": "NSE_INDEX", "lotsize": 1, "tick_size": 0, "name": "NIFTY 50"},
    )

    assert master.wire_of("VEDL28JAN27292.5CE") == Wire("NFO", "VEDL28JAN27292.50CE")
    assert master.name_of(Wire("NFO", "VEDL28JAN27292.50CE")) == "VEDL28JAN27292.5CE"
    assert master.wire_of("RELIANCE") == Wire("NSE", "RELIANCE"), "the first exchange has the name"
    segments = {i.symbol: i.segment for i in master.instruments}
    assert (segments["VEDL28JAN27292.5CE"], segments["NIFTY"]) == (Segment.STOCK_OPTION, Segment.INDEX)
    assert master.name_of(Wire("MCX", "GOLD")) == "GOLD" and master.symbol_of(Wire("MCX", "GOLD")) is None


def test_a_master_that_is_no_list_is_refused() -> None:
    for body in (b"", b"<html>", b"{}", b'{"status":"error","data":[]}', b'{"status":"success","data":{}}'):
        with pytest.raises(ValueError, match="instruments"):
            decode_rows(body, oddities())


def test_freeze_quantities_of_none_and_one_are_unknown() -> None:
    assert [freeze_of(d) for d in (None, {}, {"freeze_qty": 1}, {"freeze_qty": "1800"}, {"freeze_qty": -5})] == [
        0, 0, 0, 1800, 0,
    ]  # fmt: skip
    assert expiry_of("24-nov-2026") == date(2026, 11, 24) and expiry_of("24NOV26") is None


@given(JSON)
def test_no_data_reply_raises(value: Any) -> None:
    quote_tick("X", value, 1)
    candle_of(value)
    chain_legs(value)
    interval_of(1, value)
    interval_of(1, {"minutes": value, "hours": value})


# --- how the session stands -------------------------------------------------------------------------------------------


@pytest.mark.fault("NET-12", "NET-13")
def test_a_dead_session_is_asked_again_by_a_read_now_and_then_and_never_by_an_order() -> None:
    standing = SessionStanding(Mode.LIVE)
    assert standing.why_no_read(0.0) and standing.why_no_write()
    standing.is_open = True
    assert not standing.why_no_read(0.0) and not standing.why_no_write()

    standing.died("dead", 100.0)
    assert standing.why_no_write() == "dead" and not standing.state.is_live
    assert standing.why_no_read(100.0 + PROBE_S - 1) == "dead"
    assert standing.why_no_read(100.0 + PROBE_S) == ""
    assert standing.why_no_read(100.0 + PROBE_S + 1) == "dead", "one read asks, the others wait"
    assert standing.lives() and standing.state.is_live


@pytest.mark.fault("CFG-05")
def test_the_other_mode_stops_orders_until_it_is_back() -> None:
    standing = SessionStanding(Mode.ANALYZE)
    standing.is_open = True
    assert standing.answered_in(Mode.ANALYZE) == ""
    assert "live" in standing.answered_in(Mode.LIVE)
    state = standing.state
    assert not state.is_live and state.may_trade is False and "live mode" in state.reason
    assert standing.why_no_write() and standing.answered_in(Mode.LIVE) == "", "told once"

    assert standing.answered_in(Mode.ANALYZE)
    assert standing.state.is_live and standing.state.may_trade is None


def test_the_exchange_clock_is_ist() -> None:
    from datetime import time

    assert stamp_ns("2026-11-21 08:31:00") == at_ist(date(2026, 11, 21), time(8, 31))
