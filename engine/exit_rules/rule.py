"""What an exit rule is: a small pure class that looks at one position and proposes a stop, a reason to leave, or both.

A rule never sends anything and never lowers protection: the bracket takes the best of all proposed stops and keeps it
when a later proposal is worse (I-4, RTP-21). A new rule is one module in this package and one line of configuration.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from engine.money import round_to_tick
from engine.order import Side
from engine.reading import IndicatorSpec, Readings

NO_LOW = 0
NO_HIGH = 1 << 60


class RuleFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One open position at one instant. Prices in paise; `best` is the highest price seen for a long, the lowest for a
    short."""

    now_ns: int
    symbol: str
    side: Side
    """Of the entry: BUY is long."""
    trade_type: str = "Manual"
    """`Entry2`, `Entry3` or `Manual` (RTP-01)."""
    open_qty: int
    """Units, never negative."""
    entry_paise: int
    target_offset_paise: int
    """Distance of the configured target from the entry; 0 = none."""
    first_stop_paise: int
    """The fixed stop the position was opened with."""
    stop_paise: int
    """The effective stop now: the best of all proposals so far."""
    best_paise: int
    ltp_paise: int
    tick_paise: int
    opened_ns: int

    @property
    def sign(self) -> int:
        """+1 for a long position, -1 for a short one: `sign * (price - entry)` is the gain per unit."""
        return self.side.sign

    @property
    def gain_paise(self) -> int:
        return self.sign * (self.ltp_paise - self.entry_paise)

    @property
    def best_gain_paise(self) -> int:
        return self.sign * (self.best_paise - self.entry_paise)

    def stop_at_gain(self, gain_paise: int) -> int:
        """The stop that locks this gain per unit (negative: risks it), on the tick, never under one tick."""
        return max(round_to_tick(self.entry_paise + self.sign * gain_paise, self.tick_paise), self.tick_paise)

    def price_at_gain(self, gain_paise: int) -> int:
        """The last price at which the position is this much in front."""
        return self.entry_paise + self.sign * gain_paise

    def is_better_stop(self, paise: int, than_paise: int) -> bool:
        """Tighter for this side."""
        return self.sign * (paise - than_paise) > 0


class RuleMemory(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What a rule remembers of a position; stored with the bracket, so that a restart forgets nothing (LEG-72)."""

    active: bool = False
    """Armed: it has begun to propose."""
    since_ns: int = 0
    level_paise: int = 0
    """Its last good stop; kept when an indicator goes missing (BUG-28)."""
    mark_paise: int = 0
    """A second figure a rule may need."""


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """A rule's answer. The default proposes nothing."""

    stop_paise: int = 0
    """0 = no stop of its own."""
    leave: str = ""
    """Reason to close the position now; empty = stay."""
    drops_target: bool = False
    """The fixed target no longer counts (RTP-19)."""


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule would do, for the screen and the log (never for a decision)."""

    rule: str
    """As configured: `supertrend(10, 2.0)`."""
    is_active: bool
    level_paise: int = 0
    """The stop it proposes, or the price at which it arms or leaves; 0 = none yet."""
    inputs: str = ""
    """What it looks at, in a few words with figures."""
    age_ns: int = 0
    """Age of its newest input; 0 = lives by ticks."""


NOTHING = Proposal()


class ExitRule(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all rules: parameters are fields, memory is passed in. Subclasses override what they need."""

    name: ClassVar[str] = ""
    """The word in the configuration; equals the module's name."""
    is_stop: ClassVar[bool] = False
    """True for a rule that may be a position's only stop: it is then refused when it cannot arm."""

    def needs(self) -> tuple[IndicatorSpec, ...]:
        """Indicators whose candles must be kept for it."""
        return ()

    def cannot_arm(self, facts: RuleFacts, readings: Readings) -> str:
        """Why it could not protect a position opened now, in words; empty when it can."""
        return ""

    def on_price(self, facts: RuleFacts, memory: RuleMemory, readings: Readings) -> Proposal:
        """A price outside the band it asked for, a closed candle, or its instant has come. Writes only `memory`."""
        return NOTHING

    def on_candle(self, facts: RuleFacts, memory: RuleMemory, readings: Readings) -> Proposal:
        """A candle has closed and every indicator knows it: the only moment for rules that judge closed candles."""
        return self.on_price(facts, memory, readings)

    def band(self, facts: RuleFacts, memory: RuleMemory) -> tuple[int, int]:
        """(low, high): a last price strictly between them cannot change its answer."""
        return NO_LOW, NO_HIGH

    def wake_ns(self, facts: RuleFacts, memory: RuleMemory) -> int:
        """The instant at which it must be asked whatever the price does; 0 = none."""
        return 0

    def story(self, facts: RuleFacts, memory: RuleMemory, readings: Readings) -> Story:
        return Story(rule=self.name, is_active=memory.active, level_paise=memory.level_paise)
