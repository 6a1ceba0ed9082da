"""Cancelling a grid's orders at any broker port: by tag, proven by the book, a few times, never by hand's orders."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import refusals
from engine.clock import LoopClock
from engine.grid.open_orders import ours
from engine.instant import NS_PER_S
from engine.order import TERMINAL, OrderState, OrderType, Role, Side
from engine.port import Acked, Answer, OrderReport, ReadFailed, Refused, Unknown
from engine.tags import TagMaker
from engine.venue_rules import VenueRules
from engine.virtual_time import run_virtual
from tui.grid_cancel import Cancelled, cancel_ours

START = 1_800_000_000 * NS_PER_S
Script = Callable[[int, OrderReport], Answer | None]
"""(number of the cancel, order) -> its answer; None never answers. Only Acked ends the order."""


def report(tag: str, symbol: str = "IRFC", state: OrderState = OrderState.WORKING) -> OrderReport:
    return OrderReport(
        tag=tag,
        broker_id=f"id-{tag}",
        symbol=symbol,
        side=Side.BUY,
        type=OrderType.LIMIT,
        product="MIS",
        qty=10,
        limit_paise=4900,
        trigger_paise=0,
        state=state,
        filled_qty=0,
        average_paise=0,
    )


def tags(count: int, run_no: int = 7) -> list[str]:
    maker = TagMaker(run_no)
    return [maker.next_tag(Role.ENTRY) for _ in range(count)]


class Broker:
    """An order book that answers cancels as scripted."""

    rules = VenueRules(name="fake", orders_per_s=8)

    def __init__(self, orders: list[OrderReport], script: Script, failing_reads: int = 0) -> None:
        self.orders = {order.broker_id: order for order in orders}
        self.script = script
        self.failing_reads = failing_reads
        self.cancels: list[str] = []

    async def read_orders(self) -> Sequence[OrderReport]:
        if self.failing_reads:
            self.failing_reads -= 1
            raise ReadFailed("no book\x1b[2J")
        return list(self.orders.values())

    async def cancel(self, tag: str, broker_id: str) -> Answer:
        self.cancels.append(tag)
        answer = self.script(len(self.cancels), self.orders[broker_id])
        if answer is None:
            await asyncio.get_running_loop().create_future()
        if isinstance(answer, Acked):
            order = self.orders[broker_id]
            self.orders[broker_id] = msgspec.structs.replace(order, state=OrderState.CANCELLED)
        assert answer is not None
        return answer


def cancelled(broker: Broker) -> Cancelled:
    async def main() -> Cancelled:
        clock = LoopClock(asyncio.get_running_loop(), START, 1.0)
        return await cancel_ours(broker, clock, "acc", lambda book: ours(book, "G"))  # type: ignore[arg-type]

    return run_virtual(main())


def taken(_number: int, order: OrderReport) -> Answer:
    return Acked(order.broker_id)


@pytest.mark.row("OPS-09")
def test_every_order_of_ours_is_cancelled_in_paced_rounds_and_hand_orders_stay() -> None:
    broker = Broker([*(report(tag) for tag in tags(30)), report("HAND"), report("")], taken)

    result = cancelled(broker)

    assert (result.found, result.ended, result.left) == (30, 30, ())
    assert len(broker.cancels) == 30
    assert "30 of 30 open orders ended" in result.words


@pytest.mark.row("OPS-09", "GRD-46")
def test_an_order_that_will_not_end_is_tried_three_times_and_told() -> None:
    broker = Broker([report(tag) for tag in tags(2)], lambda *_: Refused(refusals.THROTTLED, "later"))

    result = cancelled(broker)

    assert len(broker.cancels) == 6
    assert (result.found, result.ended, len(result.left)) == (2, 0, 2)
    assert not result.is_done
    assert "still open: BUY 10 IRFC (working" in result.words


@pytest.mark.row("OPS-09")
@pytest.mark.parametrize("answer", [Unknown("nobody answered"), Refused(refusals.THROTTLED, "later"), None])
def test_what_the_first_cancel_did_not_end_the_second_does(answer: Answer | None) -> None:
    broker = Broker([report(tag) for tag in tags(1)], lambda number, o: answer if number == 1 else taken(number, o))

    result = cancelled(broker)

    assert (result.found, result.ended, len(broker.cancels)) == (1, 1, 2)


@pytest.mark.row("OPS-09")
def test_an_accepted_cancel_proves_nothing_until_the_book_shows_it() -> None:
    broker = Broker([report(tag) for tag in tags(1)], taken)
    shown = dict(broker.orders)
    broker.cancel = lambda tag, _id: asyncio.sleep(0, broker.cancels.append(tag) or Acked("x"))  # type: ignore[method-assign]

    assert cancelled(broker).left
    assert broker.orders == shown
    assert len(broker.cancels) == 3


@pytest.mark.row("OPS-09")
def test_a_book_that_cannot_be_read_is_no_empty_book() -> None:
    broker = Broker([report(tag) for tag in tags(1)], taken, failing_reads=2)
    assert cancelled(broker).ended == 1

    silent = cancelled(Broker([report(tag) for tag in tags(1)], taken, failing_reads=3))
    assert not silent.is_done
    assert "could not be read" in silent.words
    assert silent.words.isprintable()


@pytest.mark.row("OPS-09")
def test_which_orders_are_ours() -> None:
    mine, other, late = tags(3)
    book = [
        report(mine),
        report(other),
        report(late, "SBIN"),
        report("HAND"),
        report(""),
        report("20260101000001"),
        report(tags(4)[3], state=OrderState.FILLED),
    ]

    def picked(**terms: object) -> list[str]:
        return [order.tag for order in ours(book, "G", **terms)]

    assert picked() == [mine, other, late]
    assert picked(symbols={"IRFC"}) == [mine, other]
    assert picked(owners={other: "H", mine: "G"}) == [mine, late]


@given(
    tag=st.one_of(st.text(max_size=20), st.just(tags(1)[0])),
    state=st.sampled_from(list(OrderState)),
)
def test_nothing_ended_and_nothing_without_a_tag_is_ever_picked(tag: str, state: OrderState) -> None:
    picked = ours([report(tag, state=state)], "G")

    assert not (picked and (state in TERMINAL or not tag.startswith("SD")))
