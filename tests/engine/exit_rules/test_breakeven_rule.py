"""`breakeven`: the stop really moves to the entry, which in the seed it did not (BUG-56)."""

from __future__ import annotations

from typing import Any

import pytest

from engine.exit_rules.breakeven import Breakeven
from engine.exit_rules.rule import NOTHING
from engine.order import Side

Open = Any


@pytest.mark.row("OPT-66", "BUG-56")
def test_at_ten_percent_the_stop_moves_to_the_entry_and_stays_when_the_gain_is_lost(open_position: Open) -> None:
    position = open_position(Breakeven())

    assert [position.stop_at(price) for price in (109_95, 110_00, 104_00)] == [0, 100_00, 100_00]


def test_the_gain_may_be_given_in_rupees_per_unit(open_position: Open) -> None:
    position = open_position(Breakeven(gain_paise=5_00, offset_paise=50))

    assert [position.stop_at(price) for price in (104_95, 105_00)] == [0, 100_50]


def test_a_short_position_moves_its_stop_down_to_the_entry(open_position: Open) -> None:
    position = open_position(Breakeven(offset_paise=20), side=Side.SELL, first_stop=107_00)

    assert [position.stop_at(price) for price in (90_05, 90_00)] == [0, 99_80]


def test_it_is_never_armed_at_a_price_that_its_own_stop_is_through(open_position: Open) -> None:
    position = open_position(Breakeven(gain_bps=100, offset_paise=3_00))

    assert position.at(101_00) == NOTHING
    assert position.at(103_00) == NOTHING
    assert position.stop_at(103_05) == 103_00


def test_an_average_entry_off_the_tick_gives_a_stop_on_it(open_position: Open) -> None:
    assert open_position(Breakeven(), entry=100_03).stop_at(111_00) == 100_05


@pytest.mark.parametrize("fields", [{"gain_paise": 100, "offset_paise": 100}, {"gain_bps": 0}, {"gain_bps": -1}])
def test_parameters_that_make_no_sense_together_are_refused(fields: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="breakeven: "):
        Breakeven(**fields)


def test_the_story_tells_how_far_it_is_from_arming(open_position: Open) -> None:
    position = open_position(Breakeven())
    position.at(104_00)

    assert position.story().inputs == "best +4.00 of 10.00"
    assert (position.story().rule, position.story().level_paise) == ("breakeven(10 %)", 110_00)
