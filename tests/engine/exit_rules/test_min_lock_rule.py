"""`min_lock`: rupees of the whole position, so it must know how many units there are."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.exit_rules.min_lock import MinLock
from engine.exit_rules.rule import NOTHING, RuleFacts, RuleMemory
from engine.order import Side
from engine.reading import NoReadings

Open = Any
RULE = MinLock(gain_paise=1_000_00, lock_paise=600_00)


@pytest.mark.row("CON-23", "OPT-79")
def test_at_a_thousand_rupees_in_all_the_stop_keeps_six_hundred(open_position: Open) -> None:
    position = open_position(RULE, qty=100)

    assert [position.stop_at(price) for price in (109_95, 110_00, 107_00)] == [0, 106_00, 106_00]


@pytest.mark.row("CON-23")
def test_a_short_position_keeps_the_same_rupees(open_position: Open) -> None:
    position = open_position(RULE, qty=100, side=Side.SELL, first_stop=107_00)

    assert [position.stop_at(price) for price in (90_05, 90_00)] == [0, 94_00]


def test_when_half_is_sold_the_rest_is_not_thrown_out_for_the_sake_of_the_same_rupees(open_position: Open) -> None:
    position = open_position(RULE, qty=100)
    position.at(110_00)
    position.qty = 25

    assert position.stop_at(110_00) == 106_00


def test_units_that_came_later_do_not_count_for_a_price_they_never_saw(open_position: Open) -> None:
    position = open_position(RULE, qty=10)
    position.at(110_00)
    position.qty = 100

    assert position.at(105_00) == NOTHING


@given(st.integers(1, 5_000), st.integers(1, 100_00), st.integers(1, 100_00), st.sampled_from(list(Side)))
def test_whatever_the_units_the_stop_keeps_at_least_what_was_asked(qty: int, lock: int, more: int, side: Side) -> None:
    rule = MinLock(gain_paise=lock + more, lock_paise=lock)
    entry = 10_000_00
    facts = RuleFacts(
        now_ns=1,
        symbol="X",
        side=side,
        open_qty=qty,
        entry_paise=entry,
        target_offset_paise=0,
        first_stop_paise=0,
        stop_paise=0,
        best_paise=entry,
        ltp_paise=entry,
        tick_paise=5,
        opened_ns=1,
    )
    arming = rule.arms_at(facts)

    stop = rule.on_price(msgspec.structs.replace(facts, ltp_paise=arming), RuleMemory(), NoReadings()).stop_paise

    assert side.sign * (stop - entry) * qty >= lock
    assert stop % 5 == 0
    assert side.sign * (arming - stop) >= 0, "armed at its own stop or behind the price, never through it"


@pytest.mark.parametrize("lock", [1_000_00, 2_000_00])
def test_it_cannot_keep_all_of_what_arms_it(lock: int) -> None:
    with pytest.raises(ValueError, match="lock_rupees must be below gain_rupees"):
        MinLock(gain_paise=1_000_00, lock_paise=lock)


def test_the_story_tells_the_rupees_and_the_units(open_position: Open) -> None:
    position = open_position(RULE, qty=100)
    position.at(104_00)

    assert position.story().inputs == "gain +400.00 of 1000.00, 100 units"
    assert position.story().level_paise == 110_00
