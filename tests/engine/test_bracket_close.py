"""Round trips from fills alone: the numbers of the requirement rows, and exact sums for everything else."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.bracket_close import leg_costs_paise, round_trips
from engine.bracket_state import BracketBody, BracketTerms
from engine.order import Order, OrderType, Role, Side

Fill = tuple[Role, int, int]
"""(role, units, price in paise)."""


def body(**terms: Any) -> BracketBody:
    return BracketBody(
        bracket_id="B1",
        account="A",
        bot="legs",
        symbol="X",
        exchange="NFO",
        product="MIS",
        side=Side.BUY,
        qty=150,
        terms=BracketTerms(**terms),
        opened_ns=1,
        closed_ns=2,
    )


def filled(role: Role, qty: int, price: int, *, recorded: bool = True, broker_id: str = "1") -> Order:
    order = Order(
        tag=f"T{role.value}{qty}{price}",
        account="A",
        bracket_id="B1",
        bot="legs",
        role=role,
        symbol="X",
        exchange="NFO",
        product="MIS",
        side=Side.BUY if role in (Role.ENTRY, Role.REPAIR) else Side.SELL,
        type=OrderType.LIMIT,
        qty=qty,
        broker_id=broker_id,
    )
    order.filled_qty = qty
    if recorded:
        order.traded_qty, order.traded_value_paise = qty, qty * price
    else:
        order.provisional_paise = price
    return order


@pytest.mark.row("LEG-46")
def test_profit_is_of_what_was_exited_less_brokerage_on_both_sides() -> None:
    """Asked 150, filled 75: gross 150.00, net 110.00; the seed's formula would book 260.00."""
    orders = [filled(Role.ENTRY, 75, 100_50), filled(Role.TARGET, 75, 102_50)]
    (trade,) = round_trips(body(brokerage_paise=20_00), orders, "Target Hit")

    assert (trade.qty, trade.gross_paise, trade.costs_paise, trade.net_paise) == (75, 150_00, 40_00, 110_00)


@pytest.mark.row("LEG-46")
def test_slippage_is_counted_once_and_both_default_to_nothing() -> None:
    assert leg_costs_paise(body(brokerage_paise=20_00, slippage_paise=5_00)) == 45_00
    assert leg_costs_paise(body()) == 0


@pytest.mark.row("LEG-26")
def test_both_exits_filled_is_a_trade_at_the_target_and_a_surplus_of_its_own() -> None:
    orders = [
        filled(Role.ENTRY, 75, 150_00),
        filled(Role.STOP, 75, 145_00),
        filled(Role.TARGET, 75, 155_00),
        filled(Role.REPAIR, 75, 146_00),
    ]
    trade, surplus = round_trips(body(brokerage_paise=20_00), orders, "Target Hit (OCO Race)")

    assert (trade.kind, trade.gross_paise, trade.net_paise, trade.order_count) == ("trade", 375_00, 335_00, 4)
    assert (surplus.kind, surplus.qty, surplus.gross_paise, surplus.costs_paise) == ("surplus", 75, -75_00, 0)
    assert (surplus.entry_value_paise, surplus.exit_value_paise) == (75 * 146_00, 75 * 145_00)


def test_a_partial_race_closes_the_rest_by_the_stop_and_the_surplus_by_what_is_over() -> None:
    orders = [
        filled(Role.ENTRY, 75, 150_00),
        filled(Role.STOP, 75, 145_00),
        filled(Role.TARGET, 50, 155_00),
        filled(Role.REPAIR, 50, 146_00),
    ]
    trade, surplus = round_trips(body(), orders, "x")

    assert trade.exit_value_paise == 50 * 155_00 + 25 * 145_00
    assert (surplus.qty, surplus.gross_paise) == (50, 50 * (145_00 - 146_00))


@pytest.mark.row("LEG-48")
def test_a_price_without_a_record_makes_the_whole_trade_provisional() -> None:
    orders = [filled(Role.ENTRY, 75, 150_00), filled(Role.TARGET, 75, 155_00, recorded=False)]
    (trade,) = round_trips(body(), orders, "x")

    assert (trade.is_provisional, trade.gross_paise) == (True, 375_00)


@pytest.mark.row("LEG-48", "LEG-40")
@pytest.mark.parametrize(
    ("away", "unpriced", "provisional"), [(0, 0, False), (75, 0, False), (75, 75, True), (75, 1, True), (-25, 0, True)]
)
def test_units_that_left_without_a_known_price_make_it_provisional(away: int, unpriced: int, provisional: bool) -> None:
    """Below zero: units that the broker still held were put back, and their own exit is not in yet."""
    held = body()
    held.away_qty, held.away_value_paise, held.away_unpriced_qty = away, abs(away) * 151_00, unpriced
    orders = [filled(Role.ENTRY, 75, 150_00)] + ([] if away > 0 else [filled(Role.EXIT, 75, 149_00)])

    assert round_trips(held, orders, "x")[0].is_provisional is provisional


@pytest.mark.row("RTP-33")
def test_a_trade_names_the_level_that_the_broker_acted_on() -> None:
    held = body()
    held.target_paise, held.stop_paise = 155_00, 145_00
    entry, target, stop = (filled(role, 75, 1) for role in (Role.ENTRY, Role.TARGET, Role.STOP))
    target.state_ns, stop.state_ns = 5, 6

    def aimed(*orders: Order) -> tuple[int, int]:
        trade = round_trips(held, [entry, *orders], "x")[0]
        return trade.level_paise, trade.trigger_paise

    assert (aimed(target), aimed(stop), aimed(filled(Role.EXIT, 75, 1))) == ((155_00,) * 2, (145_00,) * 2, (0, 0))
    assert aimed(target, stop) == (145_00, 145_00), "the one that ended last"
    held.exit_trigger_paise = 144_00
    assert aimed(stop) == (144_00, 144_00)
    held.exit_level_paise = 145_00
    assert aimed(stop) == (145_00, 144_00), "what was decided here outranks it"


@pytest.mark.parametrize(("side", "word"), [(Side.BUY, "LONG"), (Side.SELL, "SHORT")])
def test_a_trade_says_whose_it_was_when_and_in_which_direction(side: Side, word: str) -> None:
    held = body()
    held.side = side
    held.exit_trigger_paise = 144_00
    trade, surplus = round_trips(
        held, [filled(Role.ENTRY, 75, 150_00), filled(Role.EXIT, 80, 149_00), filled(Role.REPAIR, 5, 148_00)], "x"
    )

    for row in (trade, surplus):
        assert (row.side, row.bracket_id, row.account, row.bot, row.symbol) == (word, "B1", "A", "legs", "X")
        assert (row.opened_ns, row.closed_ns, row.reason) == (1, 2, "x")
    assert (surplus.level_paise, surplus.trigger_paise, surplus.order_count, surplus.costs_paise) == (0, 0, 0, 0)


def test_orders_that_never_reached_the_broker_are_not_counted() -> None:
    orders = [filled(Role.ENTRY, 75, 150_00), filled(Role.TARGET, 75, 155_00)]
    withdrawn = msgspec.structs.replace(filled(Role.EXIT, 0, 0), broker_id="")

    assert round_trips(body(), [*orders, withdrawn], "x")[0].order_count == 2


@st.composite
def closed_books(draw: st.DrawFn) -> list[Fill]:
    """Entries and exits of any sizes and prices; repairs buy back exactly what was sold too much."""
    price = st.integers(5, 300_00)
    size = st.integers(1, 200)
    entries = draw(st.lists(st.tuples(st.just(Role.ENTRY), size, price), min_size=1, max_size=3))
    exit_role = st.sampled_from([Role.TARGET, Role.STOP, Role.EXIT])
    exits = draw(st.lists(st.tuples(exit_role, size, price), max_size=5))
    over = sum(qty for _, qty, _ in exits) - sum(qty for _, qty, _ in entries)
    if over < 0:
        exits.append((draw(exit_role), -over, draw(price)))
    repairs: list[Fill] = []
    while over > 0:
        part = draw(st.integers(1, over))
        repairs.append((Role.REPAIR, part, draw(price)))
        over -= part
    return draw(st.permutations([*entries, *exits, *repairs]))


@pytest.mark.row("I-6", "LEG-46")
@given(closed_books())
def test_the_sums_are_the_ledger_to_the_paisa(fills: list[Fill]) -> None:
    """A1: whatever filled, trade and surplus together are exactly what was taken in minus what was paid."""
    trips = round_trips(body(), [filled(*fill) for fill in fills], "x")
    sign = {Role.ENTRY: -1, Role.REPAIR: -1}

    assert sum(trip.gross_paise for trip in trips) == sum(sign.get(role, 1) * qty * price for role, qty, price in fills)
    assert trips[0].qty == sum(qty for role, qty, _ in fills if role is Role.ENTRY)
    assert sum(trip.qty for trip in trips[1:]) == sum(qty for role, qty, _ in fills if role is Role.REPAIR)
    for trip in trips:
        assert trip.gross_paise == trip.exit_value_paise - trip.entry_value_paise
