"""HRD-32, "sync exit quantities". Ours: `BracketOrders.allot` shares the open quantity out over the working orders of a
role, and the plan modifies, places or cancels the difference: shrinking never waits, and nothing is sent twice."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.bracket_state import BracketTerms
from engine.messages import Msg
from engine.order import Order, OrderState, OrderType, Role, Side
from engine.outbox import CancelOrder, ModifyOrder, PlaceOrder

TERMS = BracketTerms(target_offset_paise=5_00, stop_offset_paise=5_00)


def resting(index: int, qty: int, filled: int) -> Order:
    return Order(
        tag=f"T{index}", account="A", bracket_id="B", bot="b", role=Role.STOP, symbol="X", exchange="NFO",
        product="MIS", side=Side.SELL, type=OrderType.SL, qty=qty, filled_qty=filled, state=OrderState.TRIGGER_PENDING,
    )  # fmt: skip


ORDERS = st.lists(st.tuples(st.integers(1, 50), st.integers(0, 49)).filter(lambda pair: pair[1] < pair[0]), max_size=6)


@pytest.mark.row("HRD-32", "HRD-15", "HRD-18")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pairs=ORDERS, open_qty=st.integers(0, 400))
def test_shares_never_exceed_what_is_open_and_nothing_grows_while_another_shrinks(
    bench: Any, pairs: list[tuple[int, int]], open_qty: int
) -> None:
    bracket = bench(TERMS, instrument=bench.frozen).bracket  # at most 50 units in one order
    orders = [resting(index, qty, filled) for index, (qty, filled) in enumerate(pairs)]
    shares, rest = bracket.allot(orders, open_qty)

    assert sum(share for _, share in shares) + rest == open_qty
    assert rest >= 0 and all(share >= 0 for _, share in shares)
    assert sorted(order.tag for order, _ in shares) == sorted(order.tag for order in orders)
    grown = [order for order, share in shares if share > order.remaining_qty]
    shrunk = [order for order, share in shares if share < order.remaining_qty]
    assert not (grown and shrunk)
    assert all(order.filled_qty + share <= 50 for order, share in shares)


@pytest.mark.row("HRD-32", "HRD-15")
def test_one_partial_is_one_modify_of_the_sibling_and_none_of_itself(bench: Any) -> None:
    world = bench(TERMS).filled_entry()
    (target,) = world.orders(Role.TARGET)
    for part in (30, 20):
        world.fill(target, part)
        world.settle()

    resizes = [command.qty for _, command in world.wrote if isinstance(command, ModifyOrder)]
    assert resizes == [45, 25], "the stop, once for each part"
    assert (world.count(CancelOrder), target.remaining_qty) == (0, 25)
    assert world.phrases(Msg.SYNC) == [f"[SYNC] Adjusting exits for remaining qty {left}" for left in (45, 25)]


@pytest.mark.row("HRD-15", "BUG-19", "HRD-32")
def test_the_fills_of_a_replaced_order_count_from_its_own_zero(bench: Any) -> None:
    """The stop's modifies are used up, so it is cancelled and placed again; 10 of the new one count as 10."""
    world = bench(TERMS).filled_entry()
    (target,), (stop,) = world.orders(Role.TARGET), world.orders(Role.STOP)
    stop.modify_count = world.rules.modify_cap
    world.fill(target, 50)
    world.settle()
    second = world.orders(Role.STOP)[1]
    assert (stop.state, second.qty) == (OrderState.CANCELLED, 25)
    world.fill(second, 10)
    world.settle()

    assert (world.bracket.filled(Role.STOP), world.bracket.open_qty, target.remaining_qty) == (10, 15, 15)


@pytest.mark.row("HRD-17", "HRD-32")
def test_nothing_remaining_cancels_what_is_left_and_books_the_weighted_price(bench: Any) -> None:
    """Target 50 at 155.00, stop 25 at 145.00: (50 x 155 + 25 x 145) / 75, and no order after them."""
    world = bench(TERMS).filled_entry()
    (target,), (stop,) = world.orders(Role.TARGET), world.orders(Role.STOP)
    world.fill(target, 50)
    world.settle()
    placed = world.count(PlaceOrder)
    world.fill(stop, price_paise=145_00)
    world.settle()

    assert world.is_flat and world.venue.live() == []
    assert world.count(PlaceOrder) == placed == 3
    assert world.trips["trade"].exit_value_paise == 50 * 155_00 + 25 * 145_00
    assert target.state is OrderState.CANCELLED


@pytest.mark.row("HRD-18", "HRD-32")
@pytest.mark.parametrize("both", [False, True], ids=["in-order", "both-at-once"])
def test_two_exits_that_fill_more_than_is_held_are_traded_back_once(bench: Any, both: bool) -> None:
    world = bench(msgspec.structs.replace(TERMS)).filled_entry()
    (target,), (stop,) = world.orders(Role.TARGET), world.orders(Role.STOP)
    world.fill(target)
    if not both:
        world.deliver_news()
    world.fill(stop)
    world.settle()
    world.match_market()
    world.settle()

    assert [order.filled_qty for order in world.orders(Role.REPAIR)] == [75]
    assert (world.venue.position, world.is_flat) == (0, True)
    assert len(world.phrases(Msg.OCO_FAILURE)) == 1
