"""What one seed decides about its grid, and the keys that its trader presses. Draws have generators of their own."""

from __future__ import annotations

from enum import StrEnum
from random import Random
from typing import Final

import msgspec

from brokers.paper.pair_market import TOKEN_A, TOKEN_B
from brokers.paper.pair_path import PairModel, ShareModel
from engine.grid.terms import GridAccounts, GridTerms, OnTerminate, QuantityScope, RacePolicy, TradeType
from engine.instant import NS_PER_S
from tui.simulation.seed_terms import Profile

BOT: Final = "grid"
_MINUTE_NS: Final = 60 * NS_PER_S
_NO_ENTRIES_NS: Final = (14 * 3600 + 58 * 60) * NS_PER_S
_SQUARE_OFF_NS: Final = (15 * 3600 + 2 * 60) * NS_PER_S


_LIVELINESS: Final = {Profile.HOSTILE: 1.5, Profile.DRILL: 3.0}


class GridKey(StrEnum):
    """What the trader of a grid may press."""

    EXIT_LEVEL = "exit_level"
    EXIT_SIDE = "exit_side"
    EXIT_BOT = "exit_bot"
    CANCEL_ENTRIES = "cancel_entries"
    CANCEL_ORDER = "cancel_order"
    ZERO_OUT = "zero_out"
    PAUSE = "pause"
    RESUME = "resume"
    RECONCILE = "reconcile"


_KEYS: Final = (
    *((GridKey.EXIT_LEVEL,) * 4),
    *((GridKey.EXIT_SIDE, GridKey.CANCEL_ENTRIES, GridKey.CANCEL_ORDER, GridKey.RECONCILE) * 2),
    *(GridKey.EXIT_BOT, GridKey.ZERO_OUT, GridKey.PAUSE),
)
_ENDING: Final = frozenset({GridKey.EXIT_LEVEL, GridKey.EXIT_SIDE, GridKey.EXIT_BOT, GridKey.ZERO_OUT, GridKey.PAUSE})
"""After these something stays paused until it is resumed."""


class GridPress(msgspec.Struct, frozen=True):
    """One key at one instant; `pick` chooses the level, side or order it is about."""

    at_ns: int
    key: GridKey
    pick: int
    twice: bool = False


def drawn_grid(seed: int, account: str) -> GridTerms:
    """A ladder that the seed's market crosses several times a day."""
    random = Random(f"{seed}/grid")
    spread = random.choice((4, 6, 10, 15))
    kinds = (TradeType.GRID_OCO,) * 4 + tuple(TradeType)
    return GridTerms(
        bot=BOT,
        accounts=GridAccounts(trade=account, upside_oco=account, downside_oco=account),
        token_a=TOKEN_A,
        token_b=TOKEN_B,
        trade_type=random.choice(kinds),
        steps=random.randint(2, 6),
        spread_paise=spread,
        target_spread_paise=random.choice((spread // 2, spread - 1, max(2, spread // 3))),
        oco_spread_paise=random.choice((10, 20, 35, 60)),
        qty_a=random.choice((50, 100, 300)),
        qty_b=random.choice((20, 50)),
        max_resting_entries_per_side=random.choice((1, 1, 2, 0)),
        seed_cadence=random.random() < 0.1,
        max_quantity_scope=random.choice(tuple(QuantityScope)),
        oco_bracket_depth=random.choice((1, 1, 2)),
        oco_stop_count=3,
        race_policy=RacePolicy.CLOSE,
        on_terminate=random.choice(tuple(OnTerminate)),
        confirm_with_token_a=random.random() < 0.15,
        hedge_protection_bps=Random(f"{seed}/protection").choice((2, 50)),  # the narrow one is jumped over
        no_new_entries_ns=_NO_ENTRIES_NS,
        square_off_ns=_SQUARE_OFF_NS,
    )


def drawn_pair(seed: int, profile: Profile) -> PairModel:
    """Livelier than the demo, and with more spells in which token B goes its own way."""
    random = Random(f"{seed}/pair")
    vol = random.choice((0.3, 0.5, 0.8)) * _LIVELINESS.get(profile, 1.0)
    return PairModel(
        a=ShareModel(start_rupees=50.0, vol_per_year=vol, home_pull_per_day=8.0),
        b=ShareModel(start_rupees=120.5, vol_per_year=vol, home_pull_per_day=8.0),
        correlation=random.choice((0.5, 0.8, 0.95)),
        spells_per_day=random.choice((1.0, 4.0, 10.0)),
    )


def drawn_keys(seed: int, profile: Profile, open_ns: int, quiet_ns: int) -> tuple[GridPress, ...]:
    if profile is Profile.CALM:
        return ()
    random = Random(f"{seed}/grid keys")
    count = random.randint(40, 100) if profile.is_nasty else random.randint(5, 30)
    presses: list[GridPress] = []
    for _ in range(count):
        at_ns = random.randrange(open_ns + _MINUTE_NS, quiet_ns)
        key = random.choice(_KEYS)
        presses.append(GridPress(at_ns, key, random.randrange(1 << 16), random.random() < 0.1))
        if key in _ENDING:
            presses.append(GridPress(min(at_ns + random.randrange(120) * NS_PER_S, quiet_ns), GridKey.RESUME, 0))
    if profile is Profile.DRILL:  # it ends flat, and stays so
        presses += [
            GridPress(quiet_ns + s * NS_PER_S, key, 0) for s, key in ((90, GridKey.PAUSE), (120, GridKey.ZERO_OUT))
        ]
    return tuple(sorted(presses, key=lambda press: press.at_ns))
