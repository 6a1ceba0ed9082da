"""`ma_cross`: far enough in front, drop the fixed target and leave when the fast average crosses the slow one (002).

Judged on closed candles only, after both averages know them, never in the middle of one (RTP-18).
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from engine.exit_rules.candle_interval import INTERVAL_NS, INTERVALS
from engine.exit_rules.parameter import count, percent, percent_text, some_of, word
from engine.exit_rules.rule import NOTHING, ExitRule, Proposal, RuleFacts, RuleMemory, arm
from engine.money import rupees_text
from engine.reading import IndicatorSpec, Readings

REASON_CROSS = "MA_TRAILING_EXIT"


class MaCross(ExitRule, frozen=True, kw_only=True):
    """Once the best price is far enough in front, the fixed target no longer counts and the position is left when the
    fast average crosses the slow one against it; stops keep working (RTP-18, RTP-19)."""

    name: ClassVar[str] = "ma_cross"

    fast: Annotated[int, count("fast", low=1, high=200)] = 4
    """Candles of the fast average; below slow."""
    slow: Annotated[int, count("slow", low=2, high=200)] = 7
    """Candles of the slow average."""
    average: Annotated[str, word("average", "sma", "ema")] = "sma"
    """Simple or exponential."""
    after_bps: Annotated[int, percent("after_pct", low=0, high=100_000)] = 700
    """Best gain in percent of the entry that arms it."""
    interval: Annotated[str, word("interval", *INTERVALS)] = "1m"
    """Candles it is made of."""
    trade_types: Annotated[tuple[str, ...], some_of("trade_types", "Entry2", "Entry3", "Manual")] = ("Entry2", "Manual")
    """Entries it works for."""

    def conflict(self) -> str:
        return "" if self.fast < self.slow else "fast must be below slow"

    def needs(self) -> tuple[IndicatorSpec, ...]:
        interval_ns = INTERVAL_NS[self.interval]
        return tuple(IndicatorSpec(self.average, (length,), interval_ns) for length in (self.fast, self.slow))

    def on_price(self, facts: RuleFacts, memory: RuleMemory, readings: Readings) -> Proposal:
        if not memory.active:
            if facts.trade_type not in self.trade_types or facts.best_gain_paise < self._needed_paise(facts):
                return NOTHING
            arm(facts, memory)
        return Proposal(drops_target=True)

    def on_candle(self, facts: RuleFacts, memory: RuleMemory, readings: Readings) -> Proposal:
        held = self.on_price(facts, memory, readings)
        if memory.active and self._has_crossed(facts, memory, readings):
            return Proposal(drops_target=True, leave=REASON_CROSS)
        return held

    def band(self, facts: RuleFacts, memory: RuleMemory) -> tuple[int, int]:
        waits = not memory.active and facts.trade_type in self.trade_types
        return facts.band_of_gains(None, self._needed_paise(facts) if waits else None)

    def arms_at(self, facts: RuleFacts) -> int:
        return facts.price_at_gain(self._needed_paise(facts)) if facts.trade_type in self.trade_types else 0

    def inputs(self, facts: RuleFacts, memory: RuleMemory, readings: Readings) -> str:
        if facts.trade_type not in self.trade_types:
            return f"not for {facts.trade_type} entries"
        fast, slow = (readings.reading(spec) for spec in self.needs())
        if fast is None or slow is None:
            return "no averages" if memory.active else "no averages yet"
        return f"fast {fast.value / 100:.2f}, slow {slow.value / 100:.2f}, best {rupees_text(facts.best_paise)}"

    def words(self) -> str:
        pair = f"{self.average}({self.fast}) crosses {self.average}({self.slow})"
        gain, kinds = percent_text(self.after_bps), ", ".join(self.trade_types)
        return (
            f"after a gain of {gain} the fixed target is dropped, and the position is left when {pair} against it "
            f"on {self.interval} candles ({kinds} entries)"
        )

    def _has_crossed(self, facts: RuleFacts, memory: RuleMemory, readings: Readings) -> bool:
        fast, slow = (readings.reading(spec) for spec in self.needs())
        if fast is None or slow is None or fast.previous is None or slow.previous is None:
            return False
        if fast.bar_end_ns != slow.bar_end_ns or fast.bar_end_ns < memory.since_ns:
            return False  # of different candles, or a cross from before it armed
        was, now = fast.previous - slow.previous, fast.value - slow.value
        return facts.sign * was >= 0 > facts.sign * now

    def _needed_paise(self, facts: RuleFacts) -> int:
        return facts.gain_of_share(self.after_bps)
