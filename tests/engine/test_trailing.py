"""The lock-fraction trail: exact numbers, and what holds for all of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.trailing import LockFraction

SEED = LockFraction()
PRICES = st.integers(5, 500_00)


@pytest.mark.row("LEG-32")
@pytest.mark.parametrize(
    ("entry", "target", "activation_bps", "first"),
    [
        (100_00, 400, 5_000, 102_00),  # 101.95 no, 102.00 yes
        (100_00, 400, 10_000, 104_00),
        (100_00, 400, 0, 100_00),
        (100_00, 5, 5_000, 100_03),  # a half paisa is not yet half of the target
    ],
)
def test_the_trail_activates_at_its_share_of_the_target(
    entry: int, target: int, activation_bps: int, first: int
) -> None:
    assert LockFraction(activation_bps=activation_bps).activates_at(entry, target) == first


@pytest.mark.row("LEG-33")
@pytest.mark.parametrize(
    ("high", "lock_bps", "stop"),
    [
        (102_00, 7_500, 101_50),
        (103_00, 7_500, 102_25),
        (103_00, 8_000, 102_40),
        (110_00, 7_500, 107_50),
        (100_00, 7_500, 100_00),
        (100_05, 7_500, 100_05),  # 100.0375 is nearer to 100.05
        (103_00, 0, 100_00),
        (103_00, 10_000, 103_00),
    ],
)
def test_the_stop_locks_its_share_of_the_best_profit(high: int, lock_bps: int, stop: int) -> None:
    assert LockFraction(lock_bps=lock_bps).stop_at(100_00, high, 5) == stop


@pytest.mark.row("I-4", "LEG-33")
@given(PRICES, st.integers(0, 100_00), st.integers(0, 100_00), st.integers(0, 10_000), st.sampled_from([1, 5, 10]))
def test_a_better_best_never_proposes_a_lower_stop(entry: int, up: int, more: int, lock: int, tick: int) -> None:
    trail = LockFraction(lock_bps=lock)
    low, high = trail.stop_at(entry, entry + up, tick), trail.stop_at(entry, entry + up + more, tick)

    assert low <= high
    assert low % tick == high % tick == 0
    assert 2 * (high - (entry + up + more)) <= tick  # above the best price by rounding only
