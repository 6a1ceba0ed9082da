"""`supertrend`: the stop is the SuperTrend line, on closed candles (seed 002 §3).

The line counts only while it runs with the position (bullish for a long) and only upward; a missing or turned line
keeps the last good stop (BUG-28, BUG-29). A turn against the position is a reason of its own to leave, and only when
the candle that turned has also reached the last good line.
"""

from __future__ import annotations

from math import isfinite
from typing import Annotated, ClassVar

from engine.exit_rules.candle_interval import INTERVAL_NS, INTERVALS
from engine.exit_rules.parameter import count, factor, some_of, word
from engine.exit_rules.rule import ExitRule, Proposal, RuleFacts, RuleMemory, arm, hold_best
from engine.money import PAISE_PER_RUPEE, paise_from_rupees, round_to_tick, rupees_text
from engine.order import Side
from engine.reading import IndicatorSpec, Reading, Readings

REASON_FLIPBACK = "ST_SL_FLIPBACK"
_FROM_NEXT_CANDLE = "Entry2"


class Supertrend(ExitRule, frozen=True, kw_only=True):
    """The stop is the SuperTrend line while it runs with the position and is better than the fixed stop (RTP-20..22).

    Entry3 and Manual use it from the entry when it runs with them then; Entry2 starts on the fixed stop and changes
    with the first candle closed after the entry that runs with it.
    """

    name: ClassVar[str] = "supertrend"
    is_stop: ClassVar[bool] = True

    period: Annotated[int, count("period", low=1, high=200)] = 10
    """Candles of its average true range."""
    factor_hundredths: Annotated[int, factor("factor", low=10, high=2_000)] = 200
    """Ranges between price and line."""
    interval: Annotated[str, word("interval", *INTERVALS)] = "1m"
    """Candles it is made of."""
    trade_types: Annotated[tuple[str, ...], some_of("trade_types", "Entry2", "Entry3", "Manual")] = (
        "Entry2",
        "Entry3",
        "Manual",
    )
    """Entries it works for."""

    @property
    def spec(self) -> IndicatorSpec:
        return IndicatorSpec("supertrend", (self.period, self.factor_hundredths / 100), INTERVAL_NS[self.interval])

    def needs(self) -> tuple[IndicatorSpec, ...]:
        return (self.spec,)

    def on_price(self, facts: RuleFacts, memory: RuleMemory, readings: Readings) -> Proposal:
        reading = readings.reading(self.spec)
        line = 0 if reading is None else _line_paise(facts, reading)
        if line and reading is not None and not memory.active and self._may_arm(facts, reading, line):
            arm(facts, memory)
        if line and memory.active:
            memory.mark_paise = line
            return hold_best(facts, memory, line)
        return Proposal(stop_paise=memory.level_paise)

    def on_candle(self, facts: RuleFacts, memory: RuleMemory, readings: Readings) -> Proposal:
        held = self.on_price(facts, memory, readings)
        reading = readings.reading(self.spec)
        if reading is None or not memory.mark_paise or not _has_turned(facts, reading):
            return held
        worst = reading.bar.low_paise if facts.side is Side.BUY else reading.bar.high_paise
        if facts.is_better_stop(worst, memory.mark_paise):
            return held  # the candle stayed on the good side of the last line
        return Proposal(stop_paise=held.stop_paise, leave=REASON_FLIPBACK)

    def cannot_arm(self, facts: RuleFacts, readings: Readings) -> str:
        if facts.first_stop_paise:
            return ""
        if facts.trade_type not in self.trade_types:
            return f"{self.label} does not work for {facts.trade_type} entries"
        if facts.trade_type == _FROM_NEXT_CANDLE:
            return f"{self.label} starts on a fixed stop for {facts.trade_type} entries, and there is none"
        reading = readings.reading(self.spec)
        if reading is None:
            return f"{self.label} has no value yet: it has not seen enough {self.interval} candles"
        if reading.missing_bars:
            return f"{self.label} needs {reading.missing_bars} more {self.interval} candles to be trusted"
        line = _line_paise(facts, reading)
        if not line:
            return f"{self.label} runs against the position"
        if not facts.is_better_stop(facts.ltp_paise, line):
            return f"{self.label} stands at {rupees_text(line)}, through the price {rupees_text(facts.ltp_paise)}"
        return ""

    def inputs(self, facts: RuleFacts, memory: RuleMemory, readings: Readings) -> str:
        if facts.trade_type not in self.trade_types:
            return f"not for {facts.trade_type} entries"
        reading = readings.reading(self.spec)
        if reading is None or not isfinite(reading.value):
            return "no value" if memory.active else "no value yet"
        if reading.missing_bars:
            return f"{reading.missing_bars} candles until it is trusted"
        trend = {1: "bullish", -1: "bearish"}.get(reading.direction, "undecided")
        return f"{trend} {rupees_text(_to_paise(reading.value))}, fixed stop {rupees_text(facts.first_stop_paise)}"

    def words(self) -> str:
        kinds = "" if len(self.trade_types) == 3 else f" ({', '.join(self.trade_types)} entries)"
        return f"while {self.label} on {self.interval} candles runs with the position, the stop follows its line{kinds}"

    def _may_arm(self, facts: RuleFacts, reading: Reading, line: int) -> bool:
        if reading.missing_bars or facts.trade_type not in self.trade_types:
            return False
        if not facts.is_better_stop(line, facts.first_stop_paise):
            return False
        return facts.trade_type != _FROM_NEXT_CANDLE or reading.bar_end_ns > facts.opened_ns


def _line_paise(facts: RuleFacts, reading: Reading) -> int:
    """The line as a stop, on the tick; 0 while it does not run with the position or makes no sense."""
    if reading.direction != facts.sign or not isfinite(reading.value) or reading.value <= 0:
        return 0
    return max(round_to_tick(_to_paise(reading.value), facts.tick_paise), facts.tick_paise)


def _has_turned(facts: RuleFacts, reading: Reading) -> bool:
    return reading.previous_direction == facts.sign and reading.direction == -facts.sign


def _to_paise(value: float) -> int:
    return paise_from_rupees(value / PAISE_PER_RUPEE)
