"""What became of unanswered orders: looks are counted while the doubt stands, its end is kept, memory is bounded."""

from __future__ import annotations

import pytest

from engine.blotter import ABSENT
from engine.order import Order, OrderState, OrderType, Role, Side
from engine.order_doubts import OrderDoubts


def unknown(tag: str = "T1", at_ns: int = 100) -> Order:
    return Order(
        tag=tag, account="A", bracket_id="B1", bot="legs", role=Role.STOP, symbol="X", exchange="NFO", product="MIS",
        side=Side.SELL, type=OrderType.SL, qty=75, state=OrderState.UNKNOWN, state_ns=at_ns,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("state", "code", "outcome"),
    [(OrderState.TRIGGER_PENDING, "", "found, trigger-pending"), (OrderState.REJECTED, ABSENT, "never placed")],
)
def test_a_doubt_counts_its_looks_and_keeps_its_end(state: OrderState, code: str, outcome: str) -> None:
    doubts, order = OrderDoubts(), unknown()
    doubts.note(order, 100)
    doubts.looked(order)
    doubts.looked(order)
    doubts.looked(order, failed=True)
    order.reject_code = code
    order.move(state, 900)
    doubts.note(order, 900)
    doubts.note(order, 950)
    doubt = doubts.of("T1")

    assert doubt is not None
    assert (doubt.since_ns, doubt.looks, doubt.failed_looks, doubt.ended_ns) == (100, 2, 1, 900)
    assert doubt.outcome == outcome


def test_an_order_that_was_always_answered_has_no_doubt() -> None:
    doubts, order = OrderDoubts(), unknown()
    order.move(OrderState.WORKING, 5)
    doubts.note(order, 5)

    assert doubts.of("T1") is None


def test_a_doubt_from_before_a_restart_begins_with_the_first_look() -> None:
    doubts = OrderDoubts()
    doubts.looked(unknown(at_ns=42))

    assert doubts.of("T1") is not None and doubts.of("T1").since_ns == 42  # type: ignore[union-attr]


def test_every_change_has_another_version() -> None:
    doubts, order = OrderDoubts(), unknown()
    versions = [doubts.version]
    doubts.note(order, 1)
    versions.append(doubts.version)
    doubts.looked(order)
    versions.append(doubts.version)
    order.move(OrderState.WORKING, 5)
    doubts.note(order, 5)
    versions.append(doubts.version)

    assert versions == sorted(set(versions))


def test_ended_doubts_are_forgotten_in_the_end_and_open_ones_never() -> None:
    doubts, standing = OrderDoubts(), unknown("OPEN")
    doubts.note(standing, 1)
    for number in range(1_000):
        order = unknown(f"T{number}")
        doubts.note(order, number)
        order.move(OrderState.WORKING, number)
        doubts.note(order, number)

    assert doubts.of("OPEN") is not None
    assert doubts.of("T0") is None and doubts.of("T999") is not None
    assert len(doubts._doubts) <= 201
