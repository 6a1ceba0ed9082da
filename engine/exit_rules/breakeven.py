"""`breakeven`: after a gain, the stop moves to the entry (seed 004 G1, whose flag moved no stop: BUG-56)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from engine.exit_rules.parameter import percent, percent_text, rupees
from engine.exit_rules.rule import NOTHING, ExitRule, Proposal, RuleFacts, RuleMemory, arm, hold_best
from engine.money import rupees_text
from engine.reading import Readings


class Breakeven(ExitRule, frozen=True, kw_only=True):
    """After a gain per unit, in percent of the entry or in rupees, the stop moves to the entry (OPT-66)."""

    name: ClassVar[str] = "breakeven"
    either: ClassVar[tuple[str, ...]] = ("gain_bps", "gain_paise")

    gain_bps: Annotated[int, percent("gain_pct", low=1, high=100_000)] = 1_000
    """Gain in percent of the entry that arms it."""
    gain_paise: Annotated[int, rupees("gain_rupees", low=1, high=10_000_000)] = 0
    """Gain in rupees per unit that arms it, instead of gain_pct."""
    offset_paise: Annotated[int, rupees("offset_rupees", low=0, high=10_000_000)] = 0
    """The stop lies this far on the winning side of the entry, per unit."""

    def conflict(self) -> str:
        if not self.gain_paise and not self.gain_bps:
            return "gain_pct or gain_rupees is missing"
        if self.gain_paise and self.offset_paise >= self.gain_paise:
            return "offset_rupees must be below gain_rupees"
        return ""

    def on_price(self, facts: RuleFacts, memory: RuleMemory, readings: Readings) -> Proposal:
        if not memory.active:
            if facts.best_gain_paise < self._needed_paise(facts):
                return NOTHING
            arm(facts, memory)
        return hold_best(facts, memory, facts.stop_at_gain(self.offset_paise))

    def band(self, facts: RuleFacts, memory: RuleMemory) -> tuple[int, int]:
        return facts.band_of_gains(None, None if memory.active else self._needed_paise(facts))

    def arms_at(self, facts: RuleFacts) -> int:
        return facts.price_at_gain(self._needed_paise(facts))

    def inputs(self, facts: RuleFacts, memory: RuleMemory, readings: Readings) -> str:
        best = rupees_text(facts.best_gain_paise, signed=True)
        return f"best {best} of {rupees_text(self._needed_paise(facts))}"

    def words(self) -> str:
        gain = f"₹{rupees_text(self.gain_paise)} per unit" if self.gain_paise else percent_text(self.gain_bps)
        place = f"₹{rupees_text(self.offset_paise)} beyond the entry" if self.offset_paise else "to the entry"
        return f"after a gain of {gain} the stop moves {place}"

    def _needed_paise(self, facts: RuleFacts) -> int:
        """Never so near that the stop would be armed at the price or through it."""
        needed = self.gain_paise or facts.gain_of_share(self.gain_bps)
        return max(needed, self.offset_paise + facts.tick_paise)
