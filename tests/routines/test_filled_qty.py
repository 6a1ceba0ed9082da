"""HRD-32, "get filled quantity". Ours: `Order.filled_qty` out of trade records and reports (`apply_trade`,
`apply_filled`), summed by `BracketOrders.filled`; late, doubled and reordered news changes nothing twice."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.blotter import Blotter
from engine.order import Order, OrderState, OrderType, Role, Side, Trade
from engine.outbox import CancelOrder


def blotter_with(qty: int = 75) -> tuple[Blotter, Order]:
    order = Order(
        tag="T", account="A", bracket_id="B", bot="b", role=Role.EXIT, symbol="X", exchange="NFO", product="MIS",
        side=Side.SELL, type=OrderType.LIMIT, qty=qty, state=OrderState.WORKING, broker_id="V1",
    )  # fmt: skip
    blotter = Blotter()
    blotter.add(order)
    return blotter, order


def record(number: int, qty: int, price_paise: int = 100_00) -> Trade:
    return Trade(
        trade_id=f"N{number}", broker_id="V1", tag="T", symbol="X", side=Side.SELL, qty=qty, price_paise=price_paise,
        at_ns=number,
    )  # fmt: skip


@pytest.mark.row("HRD-32", "I-6")
def test_a_record_that_comes_again_is_counted_once() -> None:
    blotter, order = blotter_with()
    assert [blotter.apply_trade("A", record(1, 30), 1)[1] for _ in range(3)] == [True, False, False]
    assert order.apply_trade(record(1, 30), 2) == 0

    assert (order.filled_qty, order.traded_value_paise) == (30, 30 * 100_00)
    assert len(blotter.take_booked()) == 1, "what moves the position book"


@pytest.mark.row("HRD-32", "I-6")
@given(
    parts=st.lists(st.integers(1, 20), min_size=1, max_size=8),
    order_of_news=st.randoms(use_true_random=False),
)
def test_in_any_order_and_any_number_the_records_add_up(parts: list[int], order_of_news: Any) -> None:
    blotter, order = blotter_with(sum(parts))
    news = [record(number, qty, 100_00 + number) for number, qty in enumerate(parts)] * 2
    order_of_news.shuffle(news)
    for trade in news:
        blotter.apply_trade("A", trade, 1)

    assert (order.filled_qty, order.state) == (sum(parts), OrderState.FILLED)
    assert order.value_paise == sum(qty * (100_00 + number) for number, qty in enumerate(parts))


@pytest.mark.row("HRD-32", "HRD-02")
def test_an_older_report_takes_no_fill_back_and_a_blank_one_is_no_news() -> None:
    _, order = blotter_with()
    assert [order.apply_filled(filled, 100_00, 1) for filled in (50, 30, 0, 50, 60)] == [50, 0, 0, 0, 10]
    assert order.filled_qty == 60


@pytest.mark.row("HRD-32", "HRD-20")
def test_a_fill_that_comes_after_the_confirmed_cancel_counts(bench: Any) -> None:
    """The push of the end overtook the push of the fill: 50 of the target are sold, so 25 are left to sell."""
    world = bench().filled_entry()
    world.exit()
    while any(isinstance(command, CancelOrder) for command in world.queue):
        world.send()
        world.deliver_answer()
        while world.venue.news:
            world.deliver_news()
    (target,) = world.orders(Role.TARGET)
    held = world.venue.orders[target.tag]
    assert target.state is OrderState.CANCELLED
    (first,) = world.orders(Role.EXIT)
    held.filled, held.value_paise = 50, 50 * held.limit_paise
    world.venue.trades.append(late_record(held, world.now_ns))
    world.merge([], [world.venue.trades[-1]])

    assert (target.filled_qty, world.bracket.filled(Role.TARGET), world.bracket.open_qty) == (50, 50, 25)
    world.settle()
    assert first.tag not in world.venue.orders, "made for 75, overtaken by the fill before it left"
    assert world.orders(Role.EXIT)[-1].qty == 25
    world.match_market()
    world.settle()
    assert (world.venue.position, world.is_flat) == (0, True)


def late_record(held: Any, at_ns: int) -> Trade:
    """The late record of 50 units."""
    return Trade(
        trade_id="LATE", broker_id=held.broker_id, tag=held.tag, symbol="NIFTY01DEC2624500PE", side=held.side, qty=50,
        price_paise=held.limit_paise, at_ns=at_ns,
    )  # fmt: skip


@pytest.mark.row("HRD-32", "HRD-34")
def test_the_filled_quantities_of_a_position_come_back_after_a_restart(run_desk, seed_setup) -> None:
    """Target 50 of 75, then `kill -9`: the second desk knows 50 and the stop stays at 25."""
    symbol = "NIFTY01DEC2624500PE"

    async def scenario(rig):
        await rig.enter(100.0)
        rig.tick(symbol, 105.0, size=50)
        await rig.pass_s(0.2)
        before = rig.facts(symbol)
        assert (before.actual_filled_qty, before.tp_filled_qty, before.sl_filled_qty) == (75, 50, 0)
        image = await rig.kill()

        again = await rig.revived(image)
        after = again.facts(symbol)
        assert (after.actual_filled_qty, after.tp_filled_qty, after.sl_filled_qty) == (75, 50, 0)
        assert all(type(qty) is int for qty in (after.actual_filled_qty, after.tp_filled_qty, after.sl_filled_qty))
        assert again.leg(symbol).bracket.open_qty == 25
        assert {o.type.value: o.qty - o.filled_qty for o in again.working()} == {"LIMIT": 25, "SL": 25}
        assert again.venue.calls == [], "nothing needed to be sent"

    run_desk(scenario, seed_setup(symbols=(symbol,)))
