"""What an exit rule is: a small pure class that looks at one position and proposes a stop, a reason to leave, or both.

A rule never sends anything and never lowers protection: the bracket takes the best of all proposed stops and keeps it
when a later proposal is worse (I-4, RTP-21). A new rule is one module in this package and one line of configuration.
"""

from __future__ import annotations

from functools import cache
from typing import Any, ClassVar

import msgspec

from engine.exit_rules.parameter import ParamValue, Unit, params_of
from engine.money import ceil_to_tick, divide_half_up, floor_to_tick, round_to_tick
from engine.order import Side
from engine.reading import IndicatorSpec, Readings

NO_LOW = 0
NO_HIGH = 1 << 60
FULL_BPS = 10_000


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
        """Per unit, at the last price; 0 before there is one."""
        return self.sign * (self.ltp_paise - self.entry_paise) if self.ltp_paise > 0 else 0

    @property
    def best_gain_paise(self) -> int:
        """Per unit, at the best price; 0 before there is one."""
        return self.sign * (self.best_paise - self.entry_paise) if self.best_paise > 0 else 0

    def stop_at_gain(self, gain_paise: int) -> int:
        """The stop that locks this gain per unit (negative: risks it), on the tick, never under one tick."""
        return max(round_to_tick(self.entry_paise + self.sign * gain_paise, self.tick_paise), self.tick_paise)

    def stop_at_least_gain(self, gain_paise: int) -> int:
        """As `stop_at_gain`, rounded so that it never locks less than this gain."""
        to_tick = ceil_to_tick if self.side is Side.BUY else floor_to_tick
        return max(to_tick(self.price_at_gain(gain_paise), self.tick_paise), self.tick_paise)

    def stop_behind_best(self, bps: int) -> int:
        """The stop that lies this share of the best price behind it, on the tick, never under one tick."""
        behind = (self.best_paise or self.entry_paise) * (FULL_BPS - self.sign * bps)
        return max(divide_half_up(behind, FULL_BPS * self.tick_paise), 1) * self.tick_paise

    def price_at_gain(self, gain_paise: int) -> int:
        """The last price at which the position is this much in front."""
        return self.entry_paise + self.sign * gain_paise

    def is_better_stop(self, paise: int, than_paise: int) -> bool:
        """Tighter for this side; any stop is better than none (0)."""
        return not than_paise or self.sign * (paise - than_paise) > 0

    def gain_of_share(self, bps: int) -> int:
        """The least gain per unit that is at least this share of the entry: `entry x (1 + share)` or better."""
        return -(-self.entry_paise * bps // FULL_BPS)

    def band_of_gains(self, worse_paise: int | None, better_paise: int | None) -> tuple[int, int]:
        """The band of last prices strictly between two gains per unit; None = open on that side."""
        worse = None if worse_paise is None else self.price_at_gain(worse_paise)
        better = None if better_paise is None else self.price_at_gain(better_paise)
        low, high = (worse, better) if self.side is Side.BUY else (better, worse)
        return NO_LOW if low is None else low, NO_HIGH if high is None else high


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


def arm(facts: RuleFacts, memory: RuleMemory) -> None:
    """The rule begins to propose."""
    memory.active = True
    memory.since_ns = facts.now_ns


def hold_best(facts: RuleFacts, memory: RuleMemory, stop_paise: int) -> Proposal:
    """Propose the best stop of this rule so far, this one included: its level never loosens (I-4)."""
    if facts.is_better_stop(stop_paise, memory.level_paise):
        memory.level_paise = stop_paise
    return Proposal(stop_paise=memory.level_paise)


class ExitRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all rules: parameters are fields, memory is passed in. Subclasses override what they need.

    A parameter is a field `Annotated[type, percent(...)]` (`engine.exit_rules.parameter`) with a docstring below it.
    Making a rule with a value out of bounds raises ValueError. Asked once when the position opens, then as said below.
    """

    name: ClassVar[str] = ""
    """The word in the configuration; equals the module's name."""
    is_stop: ClassVar[bool] = False
    """True for a rule that may be a position's only stop: it is then refused when it cannot arm."""
    either: ClassVar[tuple[str, ...]] = ()
    """Fields of which a configuration gives at most one; giving one sets the others to 0."""

    def __post_init__(self) -> None:
        for field, param in params_of(type(self)).items():
            value: ParamValue = getattr(self, field)
            if not param.holds(value) and not (field in self.either and value == 0):
                raise ValueError(f"{self.name}: {param.key} must be {param.allowed}")
        conflict = self.conflict()
        if conflict:
            raise ValueError(f"{self.name}: {conflict}")

    @property
    def label(self) -> str:
        """The rule as configured, for the screen and the log: `supertrend(10, 2.0)`; unused parameters left out."""
        return f"{self.name}({', '.join(self._shown())})"

    def words(self) -> str:
        """What it does, in a trader's words with its figures (`strikedesk check`)."""
        return self.label

    def conflict(self) -> str:
        """What is wrong between its own parameters, each in bounds; empty when nothing."""
        return ""

    def _shown(self) -> list[str]:
        defaults = _defaults_of(type(self))
        texts: list[str] = []
        for field, param in params_of(type(self)).items():
            value: ParamValue = getattr(self, field)
            is_quiet = param.unit in (Unit.WORD, Unit.WORDS) and value == defaults[field]
            if not is_quiet and value != 0:
                texts.append(param.text(value))
        return texts

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

    def arms_at(self, facts: RuleFacts) -> int:
        """The last price at which it would arm or leave; 0 = it does not wait for a price."""
        return 0

    def inputs(self, facts: RuleFacts, memory: RuleMemory, readings: Readings) -> str:
        """What it looks at, in a few words with figures."""
        return ""

    def story(self, facts: RuleFacts, memory: RuleMemory, readings: Readings) -> Story:
        """For the screen and the log; the age is that of the oldest of the indicators it needs."""
        found = [reading for spec in self.needs() if (reading := readings.reading(spec)) is not None]
        return Story(
            rule=self.label,
            is_active=memory.active,
            level_paise=memory.level_paise or self.arms_at(facts),
            inputs=self.inputs(facts, memory, readings),
            age_ns=max((facts.now_ns - reading.bar_end_ns for reading in found), default=0),
        )


@cache
def _defaults_of(rule: type[ExitRule]) -> dict[str, Any]:
    """A label is drawn many times a second; reading a class's annotations costs a millisecond."""
    return {field.name: field.default for field in msgspec.structs.fields(rule)}
