"""Filled quantities where the book has none: from trade rows that can be trusted, from the position, or unknown."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.openalgo.fills import (
    Fill,
    TradeRow,
    average_of,
    book_fills,
    by_order,
    fill_of,
    settled_by_positions,
    trade_row,
    writes_whole_quantity,
)
from brokers.openalgo.orders import OrderRow, PositionRow, Terms, Wire
from engine.order import OrderState, OrderType, Side

pytestmark = [pytest.mark.row("OPS-05", "HRD-02"), pytest.mark.fault("ORD-27")]
WIRE = Wire("NFO", "NIFTY01DEC2624500PE")
S = OrderState


def order(
    state: OrderState, broker_id: str = "1", qty: int = 10, product: str = "MIS", side: Side = Side.BUY
) -> OrderRow:
    terms = Terms(
        wire=WIRE, product=product, side=side, type=OrderType.LIMIT, qty=qty, limit_paise=10_000, trigger_paise=0
    )
    return OrderRow(
        broker_id=broker_id, terms=terms, state=state, filled_qty=None, average_paise=0, strategy="", text="", at_ns=0
    )


def trade(qty: int, price: int = 10_000, broker_id: str = "1", stamp: str = "a", trade_id: str = "") -> TradeRow:
    return TradeRow(
        trade_id=trade_id, broker_id=broker_id, wire=WIRE, side=Side.BUY, qty=qty, price_paise=price, at_ns=1,
        strategy="", stamp=stamp,
    )  # fmt: skip


def position(net: int, product: str = "MIS") -> PositionRow:
    return PositionRow(wire=WIRE, product=product, net_qty=net, average_paise=10_000)


@pytest.mark.parametrize(
    ("state", "trades", "whole", "fill"),
    [
        (S.FILLED, [trade(10)], False, Fill(state=S.FILLED, qty=10, average_paise=10_000)),
        (S.FILLED, [trade(10), trade(10, 10_100)], True, Fill(state=S.FILLED, qty=10, average_paise=10_050)),
        (S.FILLED, [trade(4), trade(6, 10_100)], False, Fill(state=S.FILLED, qty=10, average_paise=10_060)),
        (S.FILLED, [], False, Fill(state=S.FILLED, qty=None)),  # the status may be another order's (ORD-26)
        (S.WORKING, [], False, Fill(state=S.WORKING, qty=0)),
        (S.WORKING, [trade(4)], False, Fill(state=S.PART_FILLED, qty=4, average_paise=10_000)),
        (S.WORKING, [trade(4)], True, Fill(state=S.WORKING, qty=None, average_paise=10_000)),
        (S.PART_FILLED, [], False, Fill(state=S.PART_FILLED, qty=None)),
        (S.PART_FILLED, [trade(10)], False, Fill(state=S.PART_FILLED, qty=None, average_paise=10_000)),
        (S.CANCELLED, [trade(4)], False, Fill(state=S.CANCELLED, qty=4, average_paise=10_000)),
        (S.CANCELLED, [trade(10)], False, Fill(state=S.CANCELLED, qty=None, average_paise=10_000)),
        (S.REJECTED, [], False, Fill(state=S.REJECTED, qty=0)),
        (S.UNKNOWN, [], False, Fill(state=S.UNKNOWN, qty=None)),
    ],
)
def test_a_fill_needs_rows_that_can_be_trusted(state: OrderState, trades: Any, whole: bool, fill: Fill) -> None:
    assert fill_of(order(state), trades, whole=whole) == fill


@pytest.mark.parametrize(
    ("state", "net", "expected"),
    [
        (S.PART_FILLED, 4, (S.PART_FILLED, 4)),
        (S.FILLED, 10, (S.FILLED, 10)),
        (S.FILLED, 4, None),  # the status says more than the position: believe neither
        (S.CANCELLED, 4, (S.CANCELLED, 4)),
        (S.PART_FILLED, 11, None),
        (S.PART_FILLED, -1, None),
        (S.UNKNOWN, 4, None),
    ],
)
def test_the_position_settles_one_doubt(state: OrderState, net: int, expected: Any) -> None:
    row = order(state)
    settled = settled_by_positions([row], {"1": Fill(state=state, qty=None)}, [position(net)])

    assert {i: (fill.state, fill.qty) for i, fill in settled.items()} == ({"1": expected} if expected else {})


def test_what_other_orders_filled_is_taken_off_first() -> None:
    rows = [order(S.PART_FILLED), order(S.FILLED, "2", qty=20), order(S.FILLED, "3", qty=5, side=Side.SELL)]
    fills = {
        "1": Fill(state=S.PART_FILLED, qty=None),
        "2": Fill(state=S.FILLED, qty=20),
        "3": Fill(state=S.FILLED, qty=5),
    }

    assert settled_by_positions(rows, fills, [position(22)])["1"].qty == 7


def test_two_doubts_in_one_contract_and_carried_products_stay_doubts() -> None:
    two = [order(S.PART_FILLED), order(S.PART_FILLED, "2")]
    doubts = {i: Fill(state=S.PART_FILLED, qty=None) for i in ("1", "2")}
    carried = [order(S.PART_FILLED, product="NRML")]

    assert settled_by_positions(two, doubts, [position(4)]) == {}
    assert settled_by_positions(carried, doubts, [position(4, "NRML")]) == {}


def test_rows_that_sum_to_more_than_was_ordered_are_no_fill_quantities() -> None:
    assert writes_whole_quantity([order(S.FILLED)], {"1": [trade(10), trade(10)]})
    assert not writes_whole_quantity([order(S.FILLED)], {"1": [trade(4), trade(6)]})


@pytest.mark.fault("UPD-02", "UPD-04")
@given(st.lists(st.tuples(st.integers(1, 50), st.integers(1, 10**6)), min_size=1, max_size=8), st.data())
def test_true_fill_rows_are_booked_once_each_whatever_is_added(
    fills: list[tuple[int, int]], data: st.DataObject
) -> None:
    rows = [trade(qty, price, stamp="same") for qty, price in fills]
    total = sum(qty for qty, _ in fills)
    shown = data.draw(st.integers(1, len(rows)))
    part = order(S.WORKING, qty=total + 1)
    before = {fill.trade_id: fill.qty for fill in book_fills(part, rows[:shown], whole=False)}
    after = {fill.trade_id: fill.qty for fill in book_fills(part, rows, whole=False)}

    assert before.items() <= after.items() and sum(after.values()) == total and len(after) == len(rows)


def test_rows_of_whole_quantities_are_booked_as_one_when_the_order_is_complete() -> None:
    assert book_fills(order(S.PART_FILLED), [trade(10)], whole=True) == []
    (first,) = book_fills(order(S.FILLED), [trade(10)], whole=False)
    (again,) = book_fills(order(S.FILLED), [trade(10), trade(10, 10_100)], whole=True)

    assert first.trade_id == again.trade_id, "the second row came later: not a second fill"
    assert (again.qty, again.price_paise) == (10, 10_050)


def test_the_servers_own_trade_ids_are_kept() -> None:
    rows = [trade(4, trade_id="TRADE-1"), trade(6, trade_id="TRADE-2")]

    assert [fill.trade_id for fill in book_fills(None, rows, whole=False)] == ["TRADE-1", "TRADE-2"]


def test_an_average_without_rows_is_none() -> None:
    assert average_of([]) == 0 and by_order([]) == {}


@pytest.mark.parametrize(
    "raw",
    [
        None, 7, [], {}, {"orderid": "1"},
        {"orderid": "1", "exchange": "NFO", "symbol": "X", "action": "BUY", "quantity": 0, "average_price": 1},
        {"orderid": "1", "exchange": "NFO", "symbol": "X", "action": "BUY", "quantity": "1e9999", "average_price": 1},
        {"orderid": "1", "exchange": "NFO", "symbol": "X", "action": "BUY", "quantity": 5, "average_price": 0},
        {"orderid": "1", "exchange": "NFO", "symbol": "X", "action": "HOLD", "quantity": 5, "average_price": 1},
        {"orderid": [], "exchange": "NFO", "symbol": "X", "action": "BUY", "quantity": 5, "average_price": 1},
    ],
)  # fmt: skip
def test_a_broken_trade_row_is_none(raw: Any) -> None:
    assert trade_row(raw) is None
