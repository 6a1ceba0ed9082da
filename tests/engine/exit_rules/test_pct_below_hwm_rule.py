"""`pct_below_hwm`: the seed's numbers on the last price, and the two other readings of it (CON-22, CON-23)."""

from __future__ import annotations

from typing import Any

import pytest

from engine.exit_rules.pct_below_hwm import PctBelowHwm
from engine.order import Side

Open = Any


@pytest.mark.row("OPT-66", "CON-22", "BUG-56")
def test_it_follows_the_high_water_mark_and_stays_armed_below_ten_percent(open_position: Open) -> None:
    position = open_position(PctBelowHwm())

    assert [position.stop_at(price) for price in (109_95, 110_00, 120_00, 116_45)] == [0, 106_70, 116_40, 116_40]


@pytest.mark.row("OPT-66")
def test_a_gap_down_leaves_the_stop_of_the_mark_far_above_the_price(open_position: Open) -> None:
    position = open_position(PctBelowHwm())
    position.at(112_00)

    assert position.stop_at(105_00) == 108_65  # 108.64 on the tick


@pytest.mark.row("CON-22")
def test_on_the_basis_of_pnl_it_keeps_a_share_of_the_gain(open_position: Open) -> None:
    assert open_position(PctBelowHwm(basis="pnl")).stop_at(120_00) == 119_40


@pytest.mark.row("OPT-79", "CON-23")
def test_armed_by_the_rupees_of_the_whole_position_it_keeps_its_share_of_the_peak(open_position: Open) -> None:
    rule = PctBelowHwm(after_bps=0, after_paise=1_000_00, drop_bps=500, basis="pnl")
    position = open_position(rule, qty=100)

    assert position.stop_at(109_95) == 0
    assert position.stop_at(110_00) > 0
    position.at(114_00)  # +1,400
    assert (position.ask().stop_paise - position.entry) * position.qty == 1_330_00


def test_rupees_are_judged_on_the_price_of_now_when_the_position_has_grown(open_position: Open) -> None:
    position = open_position(PctBelowHwm(after_bps=0, after_paise=1_000_00), qty=25)
    position.at(120_00)
    position.qty = 75

    assert position.stop_at(101_00) == 0
    assert position.stop_at(113_35) > 0


@pytest.mark.row("OPT-66")
def test_a_short_position_has_its_stop_above_the_lowest_price(open_position: Open) -> None:
    position = open_position(PctBelowHwm(), side=Side.SELL, first_stop=107_00)

    assert [position.stop_at(price) for price in (90_05, 90_00, 50_00, 60_00)] == [0, 92_70, 51_50, 51_50]


def test_the_story_tells_the_mark(open_position: Open) -> None:
    position = open_position(PctBelowHwm())

    assert position.story().inputs == "best 100.00 of 110.00"
    position.at(120_00)
    assert position.story().inputs == "3 % behind best 120.00"
