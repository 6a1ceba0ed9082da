"""One table of the words that brokers use for an order's state and filled quantity."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.order_words import status_and_filled, units
from engine.order import OrderState as S


@pytest.mark.row("HRD-02")
@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"status": "COMPLETE", "filled_quantity": 75, "quantity": 75}, (S.FILLED, 75)),
        ({"status": "completed", "filled_qty": "75"}, (S.FILLED, 75)),
        ({"order_status": "complete", "quantity": "75", "filled_quantity": ""}, (S.FILLED, 75)),
        ({"orderStatus": "Traded", "filledQuantity": "65.0"}, (S.FILLED, 65)),
        ({"status": "EXECUTED", "filled_qty": "1,800", "qty": "1800"}, (S.FILLED, 1800)),
        ({"status": "REJECTED", "filled_quantity": None}, (S.REJECTED, 0)),
        ({"status": "rejected by RMS", "filled_quantity": ""}, (S.REJECTED, 0)),
        ({"status": "CANCELLED", "filled_quantity": 50, "quantity": 75}, (S.CANCELLED, 50)),
        ({"status": "OPEN", "filled_quantity": 0, "quantity": 75}, (S.WORKING, 0)),
        ({"status": "OPEN", "filled_quantity": 40, "quantity": 75}, (S.PART_FILLED, 40)),
        ({"orderStatus": "PartiallyFilled", "tradedQuantity": "25", "orderQuantity": 75}, (S.PART_FILLED, 25)),
        ({"status": "TRIGGER PENDING", "filled_quantity": "0"}, (S.TRIGGER_PENDING, 0)),
        ({"orderStatus": "PendingCancel", "filledQuantity": 0}, (S.WORKING, 0)),
        ({"status": "VALIDATION PENDING"}, (S.WORKING, 0)),
        ({"status": "something new", "filled_quantity": 10}, (S.UNKNOWN, 10)),
        ({}, (S.UNKNOWN, 0)),
    ],
)
def test_each_payload_gives_the_right_pair(row: dict[str, object], expected: tuple[S, int]) -> None:
    assert expected == status_and_filled(row)


@given(
    st.dictionaries(
        st.sampled_from(["status", "filled_qty", "quantity", "orderStatus"]),
        st.none() | st.text() | st.integers() | st.booleans() | st.floats(),
    )
)
@pytest.mark.invariant("C6")
def test_no_row_whatever_raises_or_gives_a_negative_quantity(row: dict[str, object]) -> None:
    _, filled = status_and_filled(row)

    assert filled >= 0


@pytest.mark.parametrize("garbage", ["-5", "abc", "7.5", "1e3", "٣", 7.5, True, [], "9" * 40])
def test_what_is_no_quantity_is_zero(garbage: object) -> None:
    assert units(garbage) == 0
