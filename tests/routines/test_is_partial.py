"""HRD-32, "is partial". Ours: the state `part-filled` of `engine.order`, entered by a fill and by nothing else, and
`brokers.order_words`, which reads it from whatever a broker calls it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.order_words import status_and_filled
from engine.messages import Msg
from engine.order import AT_BROKER, IllegalTransition, Order, OrderState, OrderType, Role, Side


def order(qty: int = 75) -> Order:
    return Order(
        tag="T", account="A", bracket_id="B", bot="b", role=Role.EXIT, symbol="X", exchange="NFO", product="MIS",
        side=Side.SELL, type=OrderType.LIMIT, qty=qty, state=OrderState.WORKING,
    )  # fmt: skip


@pytest.mark.row("HRD-32")
@given(qty=st.integers(1, 500), filled=st.integers(0, 500))
def test_an_order_is_partial_exactly_between_nothing_and_all(qty: int, filled: int) -> None:
    held = order(qty)
    held.apply_filled(min(filled, qty), 100_00, 1)

    assert (held.state is OrderState.PART_FILLED) is (0 < filled < qty)
    assert held.is_at_broker is (filled < qty)
    assert held.remaining_qty == qty - min(filled, qty)


@pytest.mark.row("HRD-32", "HRD-02")
@pytest.mark.parametrize("word", ["OPEN", "open", "PARTIALLY FILLED", "PartiallyFilled", "PARTIAL"])
def test_every_brokers_word_for_it_is_the_same_state(word: str) -> None:
    assert status_and_filled({"status": word, "filled_quantity": "50", "quantity": 75}) == (OrderState.PART_FILLED, 50)


@pytest.mark.row("HRD-32")
def test_what_is_partial_never_goes_back_to_nothing_filled() -> None:
    held = order()
    held.apply_filled(50, 100_00, 1)

    for earlier in AT_BROKER - {OrderState.PART_FILLED}:
        with pytest.raises(IllegalTransition):
            held.move(earlier, 2)
    assert (held.state, held.filled_qty) == (OrderState.PART_FILLED, 50)


@pytest.mark.row("HRD-32", "LEG-65")
def test_a_partial_exit_is_told_once_however_often_it_is_read(bench: Any) -> None:
    world = bench().filled_entry()
    world.fill(world.orders(Role.TARGET)[0], 50)
    world.settle()
    for _ in range(10):
        world.read_books()
        world.deliver_books()

    assert world.phrases(Msg.PARTIAL) == [f"[PARTIAL] {world.body.symbol} target filled 50/75"]
