"""Holds new orders against the venue's rules before they are intended: what it would refuse is refused here first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.messages import Msg
from engine.order import EXIT_ROLES
from engine.outbox import PlaceOrder
from engine.port import Refused
from engine.venue_rules import RequestFacts, check_request

if TYPE_CHECKING:
    from engine.desk import Desk

_ROUNDS: Final = 8
"""Times a step may answer its own locally refused orders before it is our bug."""


def refuse_locally(desk: Desk, now_ns: int) -> None:
    """A violation is an immediate refusal, which the order's bracket answers in the same step.

    Raises ValueError when it answers with the same mistake over and over.
    """
    for _ in range(_ROUNDS):
        places = [command for command in desk.out.commands if isinstance(command, PlaceOrder)]
        refused = [command.tag for command in places if _violates(desk, command, now_ns)]
        if not refused:
            return
        kept = [c for c in desk.out.commands if not (isinstance(c, PlaceOrder) and c.tag in refused)]
        desk.out.commands = kept
        desk.settle([desk.blotter.orders[tag] for tag in refused], now_ns)
    raise ValueError("locally refused orders are placed again and again")


def _violates(desk: Desk, command: PlaceOrder, now_ns: int) -> bool:
    desk.commit.register_new_orders()
    order = desk.blotter.orders[command.tag]
    facts = RequestFacts(
        tag=order.tag,
        type=order.type,
        qty=order.qty,
        limit_paise=order.limit_paise,
        trigger_paise=order.trigger_paise,
        product=order.product,
    )
    violation = check_request(facts, desk.prices[order.symbol].instrument, desk.accounts[order.account].port.rules)
    # An odd lot that is held must be sold whatever the lot says: exits are never refused here for their quantity.
    if violation is None or (order.role in EXIT_ROLES and violation.code == "lot_size"):
        return False
    desk.say_order(Msg.LOCAL_REFUSAL, order, reason=violation.text)
    desk.blotter.apply_place_answer(order.tag, Refused(violation.code, violation.text), now_ns)
    return True
