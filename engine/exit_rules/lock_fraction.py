"""`lock_fraction`: once a share of the target is reached, the stop locks a share of the best gain (seed 000 §4)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from engine.exit_rules.parameter import percent, percent_text
from engine.exit_rules.rule import FULL_BPS, NOTHING, ExitRule, Proposal, RuleFacts, RuleMemory, arm, hold_best
from engine.money import divide_half_up, rupees_text
from engine.reading import Readings


class LockFraction(ExitRule, frozen=True, kw_only=True):
    """Once a share of the target is reached, the stop locks a share of the best gain (LEG-31..33)."""

    name: ClassVar[str] = "lock_fraction"

    activation_bps: Annotated[int, percent("activation_pct", low=0, high=10_000)] = 5_000
    """Share of the target that must have been reached."""
    lock_bps: Annotated[int, percent("lock_pct", low=0, high=10_000)] = 7_500
    """Share of the best gain that the stop locks."""

    def on_price(self, facts: RuleFacts, memory: RuleMemory, readings: Readings) -> Proposal:
        if not memory.active:
            if not facts.target_offset_paise or facts.best_gain_paise < self._needed_paise(facts):
                return NOTHING  # without a target there is nothing to take a share of
            arm(facts, memory)
        locked = divide_half_up(max(facts.best_gain_paise, 0) * self.lock_bps, FULL_BPS)
        return hold_best(facts, memory, facts.stop_at_gain(locked))

    def band(self, facts: RuleFacts, memory: RuleMemory) -> tuple[int, int]:
        if memory.active:
            return facts.band_of_gains(None, facts.best_gain_paise + 1)
        return facts.band_of_gains(None, self._needed_paise(facts) if facts.target_offset_paise else None)

    def arms_at(self, facts: RuleFacts) -> int:
        return facts.price_at_gain(self._needed_paise(facts)) if facts.target_offset_paise else 0

    def inputs(self, facts: RuleFacts, memory: RuleMemory, readings: Readings) -> str:
        if not facts.target_offset_paise:
            return "no target to take a share of"
        best = rupees_text(facts.best_gain_paise, signed=True)
        return f"best {best}" if memory.active else f"best {best} of {rupees_text(self._needed_paise(facts))}"

    def words(self) -> str:
        activation, lock = percent_text(self.activation_bps), percent_text(self.lock_bps)
        return f"from {activation} of the target on, the stop locks {lock} of the best gain"

    def _needed_paise(self, facts: RuleFacts) -> int:
        return -(-facts.target_offset_paise * self.activation_bps // FULL_BPS)
