"""What one seed decides about its day, apart from market and faults: the bot's terms, the wire, and the trader's keys.

Every draw comes from a generator of its own name, so that a new draw in one place does not move those of another.
Prices in paise, spans in nanoseconds.
"""

from __future__ import annotations

from enum import StrEnum
from random import Random
from typing import Final

import msgspec

from brokers.paper.account import Latency
from brokers.paper.index_path import PathModel
from brokers.paper.rules import PaperRules
from engine.bracket_state import BracketTerms, BreachedStop, EntryRest, Exhausted
from engine.entry_trigger import TriggerSettings
from engine.exit_rules.breakeven import Breakeven
from engine.exit_rules.lock_fraction import LockFraction
from engine.exit_rules.ma_cross import MaCross
from engine.exit_rules.min_lock import MinLock
from engine.exit_rules.pct_below_hwm import PctBelowHwm
from engine.exit_rules.registry import encode_rules
from engine.exit_rules.supertrend import Supertrend
from engine.instant import NS_PER_MS, NS_PER_S
from engine.instrument import Instrument
from engine.legs import LegsTerms, PairPolicy
from engine.risk import RiskLimits
from engine.view import ExitStyle

BOT: Final = "legs"
_MINUTE_NS: Final = 60 * NS_PER_S


class Profile(StrEnum):
    """How nasty a day is (faults §7.3)."""

    CALM = "calm"
    """No faults and nobody at the keys: what must hold when nothing goes wrong."""
    SWARM = "swarm"
    """Each fault off with probability one half, else at a rate of its own; a trader at the keys."""
    HOSTILE = "hostile"
    """The same with more price jumps, more entries and more keys."""
    DRILL = "drill"
    """Three quarters of an hour with the troubles of a hostile day: keys every few seconds, jumps, crashes."""

    @property
    def faults(self) -> str:
        """The fault layer's word for it."""
        return Profile.HOSTILE.value if self is Profile.DRILL else self.value

    @property
    def is_nasty(self) -> bool:
        return self in (Profile.HOSTILE, Profile.DRILL)


class Key(StrEnum):
    """What the trader may press."""

    ENTER = "enter"
    EXIT_LEG = "exit_leg"
    ZERO_OUT = "zero_out"
    CANCEL_ENTRIES = "cancel_entries"
    CANCEL_ALL = "cancel_all"
    CANCEL_ORDER = "cancel_order"
    PAUSE = "pause"
    RESUME = "resume"
    RECONCILE = "reconcile"


class Press(msgspec.Struct, frozen=True):
    """One key at one instant; `pick` chooses the leg or order it is about."""

    at_ns: int
    key: Key
    pick: int
    twice: bool = False
    """The same stroke arrives twice (HUM-06)."""


class SeedTerms(msgspec.Struct, frozen=True, kw_only=True):
    """One seed's day."""

    seed: int
    profile: Profile
    bracket: BracketTerms
    lots: int
    pair_policy: PairPolicy
    trigger: TriggerSettings
    latency: Latency
    rules: PaperRules
    path: PathModel
    presses: tuple[Press, ...]

    def legs_terms(self, account: str) -> LegsTerms:
        return LegsTerms(
            bot=BOT,
            account=account,
            exchange="NFO",
            product="MIS",
            lots=self.lots,
            pair_policy=self.pair_policy,
            bracket=self.bracket,
            limits=RiskLimits(),
        )


def seed_terms(seed: int, profile: Profile, open_ns: int, quiet_ns: int) -> SeedTerms:
    """The day of a seed whose market opens at `open_ns`; keys are pressed until `quiet_ns`."""
    random = Random(f"{seed}/terms")
    return SeedTerms(
        seed=seed,
        profile=profile,
        bracket=_bracket(random, profile),
        lots=random.choice((1, 1, 2, 4)),
        pair_policy=random.choice(tuple(PairPolicy)),
        trigger=_trigger(random, profile),
        latency=_latency(random, profile),
        rules=_rules(random, profile),
        path=_path(random, profile),
        presses=_presses(Random(f"{seed}/keys"), profile, open_ns, quiet_ns),
    )


def _bracket(random: Random, profile: Profile) -> BracketTerms:
    target = random.choice((150, 250, 400, 800))
    return BracketTerms(
        style=random.choice(tuple(ExitStyle)),
        target_offset_paise=target,
        stop_offset_paise=random.choice((120, 200, 300, 500)),
        rules=_rules_of_exit(random),
        market_on_target=random.random() < 0.3,
        breached_stop=random.choice(tuple(BreachedStop)),
        entry_rest=random.choice(tuple(EntryRest)),
        stop_fill_timeout_ns=random.choice((1, 2, 3)) * NS_PER_S,
        chase_ns=random.choice((500, 1000, 2000)) * NS_PER_MS,
        on_exhausted=Exhausted.FLATTEN,
    )


_EXIT_RULES: Final = (
    LockFraction(activation_bps=3_000, lock_bps=5_000),
    LockFraction(),
    Breakeven(gain_paise=100),
    PctBelowHwm(after_bps=50, drop_bps=100),
    MinLock(gain_paise=5_000, lock_paise=2_000),
    Supertrend(period=7, interval="1m"),
    MaCross(after_bps=50),
)


def _rules_of_exit(random: Random) -> tuple[dict[str, object], ...]:
    """None on every second day, else up to three."""
    if random.random() < 0.5:
        return ()
    return tuple(encode_rules(random.sample(_EXIT_RULES, random.randint(1, 3))))


def _trigger(random: Random, profile: Profile) -> TriggerSettings:
    bars = (1, 2, 3) if profile.is_nasty else (5, 10, 15)
    return TriggerSettings(interval_ns=_MINUTE_NS, every_n_bars=random.choice(bars))


def _latency(random: Random, profile: Profile) -> Latency:
    slow = random.choice((40, 80, 200)) if profile is not Profile.CALM else 80
    return Latency(request_ms=(5, slow), push_ms=(2, slow), overtake_pct=random.choice((0, 30, 60)))


def _rules(random: Random, profile: Profile) -> PaperRules:
    return PaperRules(
        displayed_size=random.random() < 0.6,
        second_exit_margin=profile is not Profile.CALM and random.random() < 0.15,
        funds_paise=500_000_000,
    )


def _path(random: Random, profile: Profile) -> PathModel:
    if profile is Profile.DRILL:
        return PathModel(vol_per_year=0.3, jumps_per_day=700.0, jump_size=0.0009)
    if profile is Profile.HOSTILE:
        return PathModel(vol_per_year=0.22, jumps_per_day=80.0, jump_size=0.0009)
    return PathModel(jumps_per_day=random.choice((6.0, 20.0)))


_KEYS: Final = (
    *((Key.ENTER,) * 6),
    *((Key.EXIT_LEG,) * 5),
    *((Key.ZERO_OUT, Key.CANCEL_ENTRIES) * 2),
    *(Key.CANCEL_ALL, Key.CANCEL_ORDER, Key.PAUSE, Key.RECONCILE, Key.RECONCILE),
)
_RESUME_AFTER_NS: Final = 90 * NS_PER_S
"""The trader never forgets to resume for long: a paused day would prove nothing."""


def _presses(random: Random, profile: Profile, open_ns: int, quiet_ns: int) -> tuple[Press, ...]:
    if profile is Profile.CALM:
        return ()
    count = random.randint(60, 150) if profile.is_nasty else random.randint(10, 60)
    presses: list[Press] = []
    for _ in range(count):
        at_ns = random.randrange(open_ns + _MINUTE_NS, quiet_ns)
        press = Press(at_ns, random.choice(_KEYS), random.randrange(1 << 16), random.random() < 0.1)
        presses.append(press)
        if press.key in (Key.PAUSE, Key.ZERO_OUT):
            resume_ns = min(at_ns + random.randrange(_RESUME_AFTER_NS), quiet_ns)
            presses.append(Press(resume_ns, Key.RESUME, 0))
    if profile is Profile.DRILL:  # it ends flat, and stays so
        presses += [Press(quiet_ns + gap_s * NS_PER_S, key, 0) for gap_s, key in ((90, Key.PAUSE), (120, Key.ZERO_OUT))]
    return tuple(sorted(presses, key=lambda press: press.at_ns))


def contracts_at_the_money(master: list[Instrument], index_paise: int) -> tuple[Instrument, Instrument]:
    """Put and call of the strike nearest to the index, the put first: it is the primary leg."""
    options = [instrument for instrument in master if instrument.is_option]
    strike = min((option.strike_paise for option in options), key=lambda paise: abs(paise - index_paise))
    put, call = sorted((o for o in options if o.strike_paise == strike), key=lambda o: o.option_type != "PE")
    return put, call
