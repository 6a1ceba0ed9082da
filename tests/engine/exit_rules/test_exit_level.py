"""Stop and target as percent of the entry, in rupees, or as a price (RTP-23)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.exit_rules.level import (
    level_from_price,
    stop_from_offset,
    stop_from_percent,
    target_from_offset,
    target_from_percent,
)
from engine.order import Side


@pytest.mark.row("RTP-23")
def test_the_seeds_example_in_percent() -> None:
    assert stop_from_percent(100_00, 650, 5, Side.BUY) == 93_50
    assert target_from_percent(100_00, 800, 5, Side.BUY) == 108_00


@pytest.mark.row("RTP-23")
def test_a_short_position_has_them_on_the_other_sides() -> None:
    assert stop_from_percent(100_00, 650, 5, Side.SELL) == 106_50
    assert target_from_percent(100_00, 800, 5, Side.SELL) == 92_00


@pytest.mark.row("RTP-23")
def test_rupees_and_a_price_are_put_on_the_tick() -> None:
    assert (stop_from_offset(100_03, 1_00, 5, Side.BUY), target_from_offset(100_03, 2_00, 5, Side.BUY)) == (
        99_05,
        102_05,
    )
    assert (stop_from_offset(100_03, 1_00, 5, Side.SELL), target_from_offset(100_03, 2_00, 5, Side.SELL)) == (
        101_05,
        98_05,
    )
    assert level_from_price(93_48, 5) == 93_50


def test_no_level_lies_under_one_tick() -> None:
    assert stop_from_percent(5, 9_900, 5, Side.BUY) == 5
    assert stop_from_offset(1_00, 5_00, 5, Side.BUY) == 5


@pytest.mark.row("RTP-23")
@given(st.integers(5, 10_000_00), st.integers(0, 9_900), st.sampled_from([1, 5, 10]), st.sampled_from(list(Side)))
def test_a_percent_level_is_the_tick_nearest_to_its_exact_place(entry: int, bps: int, tick: int, side: Side) -> None:
    for level, factor in (
        (stop_from_percent(entry, bps, tick, side), 10_000 - side.sign * bps),
        (target_from_percent(entry, bps, tick, side), 10_000 + side.sign * bps),
    ):
        assert level % tick == 0
        assert level == tick or abs(10_000 * level - entry * factor) <= 5_000 * tick
