"""HRD-32, "exits for quantity". Ours: `engine.slices.slices` and `BracketOrders.place_sliced`: any quantity becomes
orders the exchange takes, both exits are for what is held, and the pair's cover is counted once."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.bracket_state import BracketTerms
from engine.instrument import Instrument, Segment
from engine.order import OrderState, OrderType, Role, Side
from engine.slices import entry_qty_max, slices

TERMS = BracketTerms(target_offset_paise=5_00, stop_offset_paise=5_00)


@pytest.mark.row("HRD-32", "HRD-10")
@given(qty=st.integers(0, 20_000), lots=st.integers(1, 40), lot=st.integers(1, 75))
def test_slices_add_up_and_none_is_above_the_freeze_quantity(qty: int, lots: int, lot: int) -> None:
    freeze = lots * lot
    option = Instrument(
        symbol="X", exchange="NFO", segment=Segment.INDEX_OPTION, lot_size=lot, tick_paise=5, freeze_qty=freeze
    )
    parts = slices(qty, option)

    most = option.max_order_qty
    assert sum(parts) == qty
    assert all(0 < part <= most for part in parts)
    assert len(parts) == -(-qty // most), "no more orders than it takes"
    assert all(part == most for part in parts[:-1])


def index_option(freeze_qty: int) -> Instrument:
    return Instrument(
        symbol="X", exchange="NFO", segment=Segment.INDEX_OPTION, lot_size=25, tick_paise=5, freeze_qty=freeze_qty
    )


@pytest.mark.row("HRD-10")
@pytest.mark.parametrize(("qty", "parts"), [(5_000, [5_000]), (1, [1]), (0, []), (-25, [])])
def test_without_a_known_freeze_quantity_everything_is_one_order(qty: int, parts: list[int]) -> None:
    assert slices(qty, index_option(0)) == parts


@pytest.mark.row("HRD-10")
@pytest.mark.parametrize(("freeze", "most"), [(0, 0), (1_800, 18_000), (1_810, 18_000)])
def test_an_entry_is_at_most_ten_orders_large(freeze: int, most: int) -> None:
    assert entry_qty_max(index_option(freeze)) == most
    assert isinstance(entry_qty_max(index_option(freeze)), int)


@pytest.mark.row("HRD-32", "HRD-01", "LEG-64")
@pytest.mark.parametrize("filled", [1, 40, 74, 75])
def test_both_exits_are_for_what_filled(bench: Any, filled: int) -> None:
    world = bench(TERMS).filled_entry(150_00, filled)

    (stop,), (target,) = world.orders(Role.STOP), world.orders(Role.TARGET)
    assert (stop.qty, target.qty) == (filled, filled)
    assert (stop.side, stop.type, stop.trigger_paise) == (Side.SELL, OrderType.SL, 145_00)
    assert (target.side, target.type, target.limit_paise) == (Side.SELL, OrderType.LIMIT, 155_00)


@pytest.mark.row("HRD-32", "HRD-18")
def test_the_pair_counts_once_as_cover_and_as_what_could_still_close(bench: Any) -> None:
    world = bench(TERMS).filled_entry()

    assert (world.bracket.open_qty, world.bracket.covered_qty, world.bracket.working_exit_qty) == (75, 75, 75)


@pytest.mark.row("HRD-32", "HRD-10")
def test_above_the_freeze_quantity_each_exit_is_several_orders_and_one_quantity(bench: Any) -> None:
    world = bench(TERMS, instrument=bench.frozen)  # at most 50 in one order
    world.enter()
    world.settle()
    for entry in world.orders(Role.ENTRY):
        world.fill(entry, price_paise=150_00)
    world.settle()
    for role in (Role.STOP, Role.TARGET):
        assert [order.qty for order in world.orders(role)] == [50, 25]
    world.exit()
    world.settle()

    assert [order.qty for order in world.orders(Role.EXIT)] == [50, 25]
    world.match_market()
    world.settle()
    assert (world.venue.position, world.is_flat) == (0, True)


@pytest.mark.row("HRD-32", "HRD-30")
def test_an_exit_is_for_what_is_left_whatever_was_asked_for(bench: Any) -> None:
    """Asked 75, entered 60, target sold 35: the exit sells 25."""
    world = bench(msgspec.structs.replace(TERMS, entry_fill_timeout_ns=1)).filled_entry(150_00, 60)
    world.advance(2)
    world.settle()
    world.fill(world.orders(Role.TARGET)[0], 35)
    world.settle()
    world.exit()
    world.settle()

    assert world.orders(Role.ENTRY)[0].state is OrderState.CANCELLED
    assert [order.qty for order in world.orders(Role.EXIT)] == [25]
