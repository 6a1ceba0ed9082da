"""Several exit rules on one position: the effective stop is the best of them, in whatever order they are asked."""

from __future__ import annotations

from typing import Any

import pytest

from engine.bracket_state import BracketTerms
from engine.exit_rules.breakeven import Breakeven
from engine.exit_rules.lock_fraction import LockFraction
from engine.exit_rules.registry import encode_rules
from engine.view import ExitStyle

RULES = (LockFraction(activation_bps=5_000, lock_bps=7_500), Breakeven(gain_paise=5_00))


@pytest.mark.row("RTP-21", "I-4")
@pytest.mark.parametrize("rules", [RULES, RULES[::-1]], ids=["best-first", "best-last"])
def test_the_best_rule_sets_the_stop_and_not_the_last_one_asked(bench: Any, rules: tuple[Any, ...]) -> None:
    """Bought at 150.00, best 160.00: the lock says 157.50, breakeven 150.00; a fall moves neither back."""
    terms = BracketTerms(
        style=ExitStyle.MONITORED, target_offset_paise=20_00, stop_offset_paise=5_00, rules=encode_rules(list(rules))
    )
    world = bench(terms).filled_entry(150_00)
    stops: list[int] = []
    for price in (154_00, 160_00, 159_00, 158_00):
        world.tick(price)
        stops.append(world.body.stop_paise)

    assert stops == [145_00, 157_50, 157_50, 157_50]
