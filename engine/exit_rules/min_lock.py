"""`min_lock`: once the whole position has gained so many rupees, the stop keeps at least so many of them (CON-23).

The stop is set once, when it arms: recomputed for a position that shrinks, the same rupees from fewer units would need
a better price than there is and throw the rest out at once.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from engine.exit_rules.parameter import rupees
from engine.exit_rules.rule import NOTHING, ExitRule, Proposal, RuleFacts, RuleMemory, arm, hold_best
from engine.money import rupees_text
from engine.reading import Readings


class MinLock(ExitRule, frozen=True, kw_only=True):
    """Once the whole position has gained gain_rupees, the stop keeps at least lock_rupees of it (OPT-79)."""

    name: ClassVar[str] = "min_lock"

    gain_paise: Annotated[int, rupees("gain_rupees", low=1, high=1_000_000_000)] = 100_000
    """Gain of the whole position that arms it."""
    lock_paise: Annotated[int, rupees("lock_rupees", low=1, high=1_000_000_000)]
    """Part of it that the stop keeps, before charges and slippage; below gain_rupees."""

    def conflict(self) -> str:
        return "" if self.lock_paise < self.gain_paise else "lock_rupees must be below gain_rupees"

    def on_price(self, facts: RuleFacts, memory: RuleMemory, readings: Readings) -> Proposal:
        if not memory.active:
            if not facts.open_qty or facts.gain_paise < self._needed_paise(facts):
                return NOTHING
            arm(facts, memory)
            return hold_best(facts, memory, facts.stop_at_least_gain(self._locked_paise(facts)))
        return Proposal(stop_paise=memory.level_paise)

    def band(self, facts: RuleFacts, memory: RuleMemory) -> tuple[int, int]:
        return facts.band_of_gains(None, None if memory.active else self._needed_paise(facts))

    def arms_at(self, facts: RuleFacts) -> int:
        return facts.price_at_gain(self._needed_paise(facts))

    def inputs(self, facts: RuleFacts, memory: RuleMemory, readings: Readings) -> str:
        gain = rupees_text(facts.gain_paise * facts.open_qty, signed=True)
        return f"gain {gain} of {rupees_text(self.gain_paise)}, {facts.open_qty} units"

    def words(self) -> str:
        gain, lock = rupees_text(self.gain_paise, grouped=True), rupees_text(self.lock_paise, grouped=True)
        return f"once the position has gained ₹{gain}, the stop keeps at least ₹{lock} of it"

    def _locked_paise(self, facts: RuleFacts) -> int:
        """Per unit, never less in all than asked for."""
        return -(-self.lock_paise // max(facts.open_qty, 1))

    def _needed_paise(self, facts: RuleFacts) -> int:
        """Per unit; never so near that the stop would be armed at the price or through it."""
        needed = -(-self.gain_paise // max(facts.open_qty, 1))
        return max(needed, self._locked_paise(facts) + facts.tick_paise)
