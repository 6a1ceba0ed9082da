"""Which fault strikes when: a list of rules, scripted or drawn from a seed, asked at every passage through a door.

Pure: time arrives with each question, and every rule has a generator of its own, so that a fault added or taken away
changes no other's draws. The same seed and the same passages give the same log. Nothing strikes at or after `end_ns`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from enum import StrEnum
from random import Random
from typing import Final

import msgspec

from brokers.paper.faults.catalogue import KNOBS
from brokers.paper.faults.knob import Door, Effect, Knob, Shape
from engine.instant import NS_PER_MS, NS_PER_S, clock_text
from engine.order import Role

AMBIGUITY_S: Final = 45.0
"""T_AMB of a direct broker (faults §2): an unanswered order may arrive this late, and some arrive later still."""
_FOR_EVER: Final = 1 << 62
_STORMS_MAX: Final = 4
_STORM_S: Final = (20, 120)
_STORM_FACTOR: Final = 10
_RATE_MAX_BPS: Final = 5_000
_HOSTILE_FACTOR: Final = 3
_EMPHASIS_BPS: Final = 2_500
_EMPHASIS_SPELLS: Final = 6


class Profile(StrEnum):
    CALM = "calm"
    """What is ordinary at any broker: updates doubled and out of order, a slow reply, a throttle."""
    SWARM = "swarm"
    """Each fault off with probability 1/2, else at a rate up to its ceiling: singles and rare pairs (faults §7.3)."""
    HOSTILE = "hostile"
    """As swarm with three times the ceilings and more storms."""


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One fault that may strike: a scripted entry, or what a seed drew."""

    knob: Knob
    from_ns: int = 0
    until_ns: int = _FOR_EVER
    """ONCE: armed until. SPAN: in force until. DEED: waits until then for something to do it to."""
    symbol: str = ""
    role: Role | None = None
    door: Door | None = None
    """One of the knob's doors; none = all of them."""
    nth: int = 1
    """Scripted ONCE: the first opportunity it strikes, counted from 1 while armed."""
    times: int = 1
    """Scripted ONCE: how many opportunities in a row."""
    bps: int = 0
    """Seeded ONCE: share of opportunities struck, instead of `nth`."""
    delay_ns: tuple[int, int] = (0, 0)
    amount: int = 0
    code: str = ""
    text: str = ""

    @property
    def roles(self) -> frozenset[Role]:
        """Whose orders it concerns; empty = all."""
        return frozenset({self.role}) if self.role is not None else self.knob.roles


class Strike(msgspec.Struct, frozen=True, kw_only=True):
    """A fault that strikes now, with everything drawn."""

    knob: Knob
    delay_ns: int
    amount: int
    code: str
    text: str
    from_ns: int = 0
    """Where its span began."""

    @property
    def effect(self) -> Effect:
        return self.knob.effect


class Fired(msgspec.Struct, frozen=True):
    """One line of the log."""

    at_ns: int
    fault: str
    knob: str
    what: str

    def __str__(self) -> str:
        return f"{clock_text(self.at_ns, decimals=3)} {self.fault} {self.knob}: {self.what}"


class _Armed:
    """A rule with its generator and its counters; asked at every tick, so what never changes is laid out once."""

    __slots__ = (
        *("from_ns", "is_rate", "is_span", "random", "roles", "rule"),
        *("seen", "storm_share", "struck", "symbol", "until_ns"),
    )

    def __init__(self, rule: Rule, random: Random) -> None:
        self.rule = rule
        self.random = random
        self.from_ns, self.until_ns = rule.from_ns, rule.until_ns
        self.roles, self.symbol = rule.roles, rule.symbol
        self.is_span = rule.knob.shape is Shape.SPAN
        self.is_rate = bool(rule.bps) and not self.is_span
        self.storm_share = min(rule.bps * _STORM_FACTOR, _RATE_MAX_BPS)
        self.seen = 0
        self.struck = 0


def _always(effect: Effect, amount: int) -> bool:
    del effect, amount
    return True


class FaultPlan:
    """Asked by every part of the layer; keeps what fired. One plan serves one account and one market."""

    def __init__(
        self,
        rules: Iterable[Rule],
        *,
        seed: int = 0,
        start_ns: int = 0,
        end_ns: int = _FOR_EVER,
        storms: Sequence[tuple[int, int]] = (),
        ambiguity_s: float = AMBIGUITY_S,
        is_scripted: bool = False,
    ) -> None:
        """Rules of a script draw by their place in it, those of a seed by their knob: one left out moves no other."""
        self.start_ns = start_ns
        self.end_ns = end_ns
        self.storms = tuple(storms)
        self.ambiguity_s = ambiguity_s
        self._weather = (0, 0, False)
        """From, until, and whether a storm blows: the spell that was last asked about."""
        self.rules = tuple(rules)
        self.fired: Counter[str] = Counter()
        """Fault id -> how often it struck; a span counts once."""
        self.log: list[Fired] = []
        self._armed: dict[Door, list[_Armed]] = {door: [] for door in Door}
        seen: Counter[str] = Counter()
        for index, rule in enumerate(self.rules):
            knob = rule.knob.knob
            name = f"{seed}/{index}/{knob}" if is_scripted else f"{seed}/{knob}/{seen[knob]}"
            armed = _Armed(rule, Random(name))
            seen[knob] += 1
            for door in (rule.door,) if rule.door else rule.knob.doors:
                self._armed[door].append(armed)
        for rules_of_door in self._armed.values():  # a span is the weather in which single faults strike
            rules_of_door.sort(key=lambda armed: armed.rule.knob.shape is not Shape.SPAN)

    @classmethod
    def scripted(
        cls,
        rules: Iterable[Rule],
        *,
        start_ns: int = 0,
        end_ns: int = _FOR_EVER,
        ambiguity_s: float = AMBIGUITY_S,
        seed: int = 0,
    ) -> FaultPlan:
        """Exactly these faults (`faults.script` reads them from a file)."""
        return cls(rules, seed=seed, start_ns=start_ns, end_ns=end_ns, ambiguity_s=ambiguity_s, is_scripted=True)

    @classmethod
    def of_seed(
        cls,
        seed: int,
        *,
        profile: Profile | str,
        start_ns: int,
        end_ns: int,
        only: Collection[str] = (),
        without: Collection[str] = (),
        emphasis: Collection[str] = (),
    ) -> FaultPlan:
        """A session's faults, drawn. `only` and `without` name knobs or fault ids; `emphasis` names knobs that strike
        all session long, one opportunity in four or six spells. Raises ValueError."""
        if end_ns <= start_ns:
            raise ValueError(f"a fault plan from {start_ns} to {end_ns} has no time in it")
        profile = Profile(profile)
        wanted = [
            knob
            for knob in KNOBS.values()
            if (not only or {knob.knob, knob.fault} & set(only)) and not {knob.knob, knob.fault} & set(without)
        ]
        rules = [
            rule
            for knob in wanted
            for rule in (_emphasised if knob.knob in emphasis else _drawn)(knob, seed, profile, start_ns, end_ns)
        ]
        storms = () if profile is Profile.CALM else _storms(seed, profile, start_ns, end_ns)
        return cls(rules, seed=seed, start_ns=start_ns, end_ns=end_ns, storms=storms)

    # --- asking ---------------------------------------------------------------------------------------------------

    def strike(
        self,
        door: Door,
        at_ns: int,
        *,
        role: Role | None = None,
        symbol: str = "",
        what: str = "",
        can: Callable[[Effect, int], bool] = _always,
    ) -> Strike | None:
        """The fault of this passage, or None. `can(effect, amount)` is false for what has nothing to act on here.

        `what` names the passage in the log; the door and the symbol are added.
        """
        if not self.start_ns <= at_ns < self.end_ns:
            return None
        storms: bool | None = None
        for armed in self._armed[door]:
            if not armed.from_ns <= at_ns < armed.until_ns:
                continue
            if (armed.roles and role not in armed.roles) or (armed.symbol and armed.symbol != symbol):
                continue
            rule = armed.rule
            if can is not _always and not can(rule.knob.effect, rule.amount):
                continue
            if armed.is_rate:  # most of what is asked, and mostly nothing
                storms = self._storms_at(at_ns) if storms is None else storms
                if armed.random.random() * 10_000 >= (armed.storm_share if storms else rule.bps):
                    continue
            elif not self._hits(armed):
                continue
            if not armed.is_span or armed.struck == 1:
                self.note(rule.knob, at_ns, " ".join(word for word in (door.value, symbol, what) if word))
            return self._struck(armed, at_ns)
        return None

    def is_idle(self, door: Door) -> bool:
        """No rule will ever strike here: a busy caller need not ask."""
        return not self._armed[door]

    def timed(self, *doors: Door) -> list[Rule]:
        """The spans and deeds of some doors, by their beginning: for whoever sets timers instead of asking."""
        rules = [
            rule
            for rule in self.rules
            if rule.knob.shape is not Shape.ONCE and rule.knob.doors & set(doors) and rule.from_ns < self.end_ns
        ]
        return sorted(rules, key=lambda rule: rule.from_ns)

    def until(self, at_ns: int) -> int:
        """No later than the plan's end: what is held back or late comes by then."""
        return min(at_ns, self.end_ns)

    def note(self, knob: Knob, at_ns: int, what: str) -> None:
        """Write down that a fault struck."""
        self.fired[knob.fault] += 1
        self.log.append(Fired(at_ns, knob.fault, knob.knob, what))

    def _hits(self, armed: _Armed) -> bool:
        """A span always does, a counted rule at its turns."""
        if armed.is_span:
            armed.struck += 1
            return True
        rule = armed.rule
        armed.seen += 1
        return rule.nth <= armed.seen < rule.nth + rule.times

    def _storms_at(self, at_ns: int) -> bool:
        if not self._weather[0] <= at_ns < self._weather[1]:
            edges = sorted({0, _FOR_EVER, *(edge for storm in self.storms for edge in storm)})
            later = next(index for index, edge in enumerate(edges) if edge > at_ns)
            storms = any(low <= at_ns < high for low, high in self.storms)
            self._weather = (edges[later - 1], edges[later], storms)
        return self._weather[2]

    def _struck(self, armed: _Armed, at_ns: int) -> Strike:
        rule, random = armed.rule, armed.random
        low_ns, high_ns = rule.delay_ns
        delay_ns = random.randint(low_ns, high_ns) if high_ns else 0
        amount, code = rule.amount, rule.code or rule.knob.code
        if rule.bps:
            amount = random.choice(rule.knob.seeded_amounts) if rule.knob.seeded_amounts else amount
            code = random.choice(rule.knob.seeded_codes) if rule.knob.seeded_codes else code
        return Strike(
            knob=rule.knob,
            delay_ns=min(delay_ns, self.end_ns - at_ns),
            amount=amount,
            code=code,
            text=rule.text or rule.knob.text,
            from_ns=rule.from_ns,
        )


def _drawn(knob: Knob, seed: int, profile: Profile, start_ns: int, end_ns: int) -> list[Rule]:
    """What one seed makes of one knob: nothing, a rate, or instants."""
    random = Random(f"{seed}/{profile.value}/{knob.knob}")
    if profile is Profile.CALM and not knob.is_daily_bread:
        return []
    if random.randrange(2):
        return []
    factor = _HOSTILE_FACTOR if profile is Profile.HOSTILE else 1
    low_ns, high_ns = (ms * NS_PER_MS for ms in knob.span_ms)
    if knob.shape is Shape.ONCE:
        if not knob.ceiling_bps:
            return []
        bps = random.randint(1, min(knob.ceiling_bps * factor, _RATE_MAX_BPS))
        return [Rule(knob=knob, bps=bps, delay_ns=(low_ns, high_ns), amount=knob.amount)]
    rules: list[Rule] = []
    for _ in range(random.randint(1, knob.per_day * factor) if knob.per_day else 0):
        from_ns = random.randrange(start_ns, end_ns)
        until_ns = min(from_ns + random.randint(low_ns, high_ns), end_ns)
        amount = random.choice(knob.seeded_amounts) if knob.seeded_amounts else knob.amount
        rules.append(Rule(knob=knob, from_ns=from_ns, until_ns=until_ns, amount=amount))
    return rules


def _emphasised(knob: Knob, seed: int, profile: Profile, start_ns: int, end_ns: int) -> list[Rule]:
    """The theme of a session: what one knob can do, again and again."""
    random = Random(f"{seed}/{profile.value}/{knob.knob}/emphasis")
    low_ns, high_ns = (ms * NS_PER_MS for ms in knob.span_ms)
    if knob.shape is Shape.ONCE:
        return [Rule(knob=knob, bps=_EMPHASIS_BPS, delay_ns=(low_ns, high_ns), amount=knob.amount)]
    rules: list[Rule] = []
    for _ in range(_EMPHASIS_SPELLS):
        from_ns = random.randrange(start_ns, end_ns)
        until_ns = min(from_ns + random.randint(low_ns, high_ns), end_ns)
        amount = random.choice(knob.seeded_amounts) if knob.seeded_amounts else knob.amount
        rules.append(Rule(knob=knob, from_ns=from_ns, until_ns=until_ns, amount=amount))
    return rules


def _storms(seed: int, profile: Profile, start_ns: int, end_ns: int) -> list[tuple[int, int]]:
    """Short spells in which every rate is ten times as high: faults of one kind seldom come alone."""
    random = Random(f"{seed}/{profile.value}/storms")
    most = _STORMS_MAX * (2 if profile is Profile.HOSTILE else 1)
    begins = sorted(random.randrange(start_ns, end_ns) for _ in range(random.randint(0, most)))
    return [(begin, begin + random.randint(*_STORM_S) * NS_PER_S) for begin in begins]
