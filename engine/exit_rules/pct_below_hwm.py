"""`pct_below_hwm`: after a gain, the stop follows the high-water mark at a share of it (seed 004 G1, CON-22, CON-23).

Measured on the last price by default, as the seed's rules say; `basis = "pnl"` measures on the gain per unit, as its
implementation did (far tighter: 119.40 instead of 116.40 after 100 -> 120). Once armed it stays armed (BUG-56).
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from engine.exit_rules.parameter import percent, percent_text, rupees, word
from engine.exit_rules.rule import FULL_BPS, NOTHING, ExitRule, Proposal, RuleFacts, RuleMemory, arm, hold_best
from engine.money import divide_half_up, rupees_text
from engine.reading import Readings

_PRICE = "price"
_PNL = "pnl"


class PctBelowHwm(ExitRule, frozen=True, kw_only=True):
    """After a gain, the stop follows the best price at a share of it: below a long, above a short (OPT-66, OPT-79)."""

    name: ClassVar[str] = "pct_below_hwm"
    either: ClassVar[tuple[str, ...]] = ("after_bps", "after_paise")

    after_bps: Annotated[int, percent("after_pct", low=0, high=100_000)] = 1_000
    """Gain in percent of the entry that arms it."""
    after_paise: Annotated[int, rupees("after_rupees", low=1, high=1_000_000_000)] = 0
    """Gain in rupees of the whole position that arms it, instead of after_pct."""
    drop_bps: Annotated[int, percent("drop_pct", low=1, high=9_900)] = 300
    """How far the stop lies behind the best price, or behind the best gain."""
    basis: Annotated[str, word("basis", _PRICE, _PNL)] = _PRICE
    """`price`: a share of the best price; `pnl`: a share of the best gain."""

    def on_price(self, facts: RuleFacts, memory: RuleMemory, readings: Readings) -> Proposal:
        if not memory.active:
            if not self._is_reached(facts):
                return NOTHING
            arm(facts, memory)
        return hold_best(facts, memory, self._stop_paise(facts))

    def band(self, facts: RuleFacts, memory: RuleMemory) -> tuple[int, int]:
        return facts.band_of_gains(None, facts.best_gain_paise + 1 if memory.active else self._needed_paise(facts))

    def arms_at(self, facts: RuleFacts) -> int:
        return facts.price_at_gain(self._needed_paise(facts))

    def inputs(self, facts: RuleFacts, memory: RuleMemory, readings: Readings) -> str:
        mark = rupees_text(facts.best_paise)
        if memory.active:
            return f"{percent_text(self.drop_bps)} behind best {mark}"
        return f"best {mark} of {rupees_text(self.arms_at(facts))}"

    def words(self) -> str:
        gain = f"₹{rupees_text(self.after_paise)} in all" if self.after_paise else percent_text(self.after_bps)
        mark = "gain" if self.basis == _PNL else "price"
        return f"after a gain of {gain} the stop stays {percent_text(self.drop_bps)} behind the best {mark}"

    def _is_reached(self, facts: RuleFacts) -> bool:
        # A position that grew never had its best price with its units of now: rupees are judged on the price of now.
        gain = facts.gain_paise if self.after_paise else facts.best_gain_paise
        return gain >= self._needed_paise(facts)

    def _needed_paise(self, facts: RuleFacts) -> int:
        """Gain per unit that arms it."""
        if self.after_paise:
            return -(-self.after_paise // max(facts.open_qty, 1))
        return facts.gain_of_share(self.after_bps)

    def _stop_paise(self, facts: RuleFacts) -> int:
        if self.basis == _PNL:
            kept = divide_half_up(max(facts.best_gain_paise, 0) * (FULL_BPS - self.drop_bps), FULL_BPS)
            return facts.stop_at_gain(kept)
        return facts.stop_behind_best(self.drop_bps)
