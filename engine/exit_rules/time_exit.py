"""`time_exit`: leave at a time of day (RTP-41, OPT-67)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from engine.exit_rules.parameter import clock_time
from engine.exit_rules.rule import NOTHING, ExitRule, Proposal, RuleFacts, RuleMemory
from engine.instant import NS_PER_S, ist_time_ns
from engine.reading import Readings


class TimeExit(ExitRule, frozen=True, kw_only=True):
    """Leave at a time of day, IST. A position that is older than that, or was opened later, is left at once."""

    name: ClassVar[str] = "time_exit"

    at_s: Annotated[int, clock_time("at")] = 15 * 3600 + 20 * 60
    """Leave from here on (IST), on the day the position was opened."""

    @property
    def reason(self) -> str:
        """`time-based exit (3:20 PM)`."""
        minutes, s = divmod(self.at_s, 60)
        hour, minute = divmod(minutes, 60)
        seconds = f":{s:02d}" if s else ""
        return f"time-based exit ({hour % 12 or 12}:{minute:02d}{seconds} {'PM' if hour >= 12 else 'AM'})"

    def on_price(self, facts: RuleFacts, memory: RuleMemory, readings: Readings) -> Proposal:
        if facts.now_ns < self.wake_ns(facts, memory):
            return NOTHING
        return Proposal(leave=self.reason)

    def wake_ns(self, facts: RuleFacts, memory: RuleMemory) -> int:
        opened_ns = facts.opened_ns or facts.now_ns
        return opened_ns - ist_time_ns(opened_ns) + self.at_s * NS_PER_S

    def inputs(self, facts: RuleFacts, memory: RuleMemory, readings: Readings) -> str:
        left_s = max(self.wake_ns(facts, memory) - facts.now_ns, 0) // NS_PER_S
        hours, rest = divmod(left_s, 3600)
        return f"leaves in {hours}:{rest // 60:02d}:{rest % 60:02d}"

    def words(self) -> str:
        return f"{self.reason}: whatever is open is left from then on"
