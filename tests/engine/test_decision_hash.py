"""One number for all decisions: it knows what was decided, not in which run."""

from __future__ import annotations

import msgspec
import pytest

from engine.decision_hash import DecisionHash
from engine.order import Order, OrderType, Role, Side
from engine.outbox import CancelOrder, ModifyOrder, OrderCommand, PlaceOrder

ORDER = Order(
    tag="SD000100001E",
    account="A",
    bracket_id="B1",
    bot="legs",
    role=Role.ENTRY,
    symbol="X",
    exchange="NFO",
    product="MIS",
    side=Side.BUY,
    type=OrderType.MARKET,
    qty=75,
    limit_paise=154_55,
    reason="entry",
)
PLACE = PlaceOrder(tag=ORDER.tag)
MODIFY = ModifyOrder(tag=ORDER.tag, type=OrderType.LIMIT, qty=75, limit_paise=1, trigger_paise=0, context="chase")
CANCEL = CancelOrder(tag=ORDER.tag, context="rest")
Decision = tuple[OrderCommand, Order, int]


def digest(*decisions: Decision) -> str:
    hashed = DecisionHash()
    for command, order, at_ns in decisions:
        hashed.add(command, order, at_ns)
    return hashed.text()


def test_the_same_decisions_give_the_same_hash() -> None:
    day: list[Decision] = [(PLACE, ORDER, 1), (MODIFY, ORDER, 2), (CANCEL, ORDER, 3)]

    assert digest(*day) == digest(*day)
    assert len(digest(*day)) == 64


def test_another_run_of_the_same_day_gives_the_same_hash() -> None:
    """Tags, broker ids and bracket ids name a run, not a decision."""
    other = msgspec.structs.replace(ORDER, tag="SD000900001E", broker_id="77", bracket_id="B9")

    assert digest((PLACE, ORDER, 1)) == digest((PlaceOrder(tag=other.tag), other, 1))


@pytest.mark.parametrize(
    "other",
    [
        (PLACE, ORDER, 2),
        (PLACE, msgspec.structs.replace(ORDER, qty=150), 1),
        (PLACE, msgspec.structs.replace(ORDER, limit_paise=154_60), 1),
        (PLACE, msgspec.structs.replace(ORDER, trigger_paise=5), 1),
        (PLACE, msgspec.structs.replace(ORDER, side=Side.SELL), 1),
        (PLACE, msgspec.structs.replace(ORDER, role=Role.EXIT), 1),
        (PLACE, msgspec.structs.replace(ORDER, type=OrderType.LIMIT), 1),
        (PLACE, msgspec.structs.replace(ORDER, symbol="Y"), 1),
        (PLACE, msgspec.structs.replace(ORDER, reason="EOD"), 1),
        (CANCEL, ORDER, 1),
        (MODIFY, ORDER, 1),
    ],
)
def test_any_other_decision_gives_another_hash(other: Decision) -> None:
    assert digest((PLACE, ORDER, 1)) != digest(other)


@pytest.mark.parametrize(
    "change", [{"qty": 50}, {"limit_paise": 2}, {"trigger_paise": 5}, {"type": OrderType.SL}, {"context": "resize"}]
)
def test_the_terms_of_a_change_count(change: dict[str, object]) -> None:
    assert digest((MODIFY, ORDER, 1)) != digest((msgspec.structs.replace(MODIFY, **change), ORDER, 1))


def test_order_counts() -> None:
    assert digest((PLACE, ORDER, 1), (CANCEL, ORDER, 1)) != digest((CANCEL, ORDER, 1), (PLACE, ORDER, 1))
