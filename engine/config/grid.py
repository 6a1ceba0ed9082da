"""`[[grid]]`: one table for each grid, in the names of seed 003 §20 and of the rows that add to it.

Rupees, seconds, percent and times of day stand here; `Grid.terms` gives the engine's `GridTerms` (paise, nanoseconds,
basis points). No credential: `accounts` names sections of [accounts], and those name their secrets.
"""

from __future__ import annotations

from datetime import time
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

import msgspec

from engine.config.key import Key
from engine.grid.check import STEPS_MAX
from engine.grid.terms import (
    GridAccounts,
    GridKind,
    GridTerms,
    HedgeOrderType,
    OnTerminate,
    QuantityScope,
    RacePolicy,
    TradeType,
)
from engine.instant import NS_PER_S
from engine.money import paise_from_rupees
from engine.order import Side

_SYMBOL: Final = Key("GRD-05", pattern=r"\s*[A-Za-z0-9][A-Za-z0-9&._-]{0,39}\s*", form="an instrument's symbol")
_BOT: Final = r"[A-Za-z0-9]([A-Za-z0-9 ._-]{0,38}[A-Za-z0-9._-])?"
_ACCOUNT: Final = Key("GRD-38 GRD-39", pattern=r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}", form="the name of an account")
_PRICE_MAX: Final = 1_000_000
_QTY_MAX: Final = 10_000_000
_CENT: Final = Decimal("0.01")
_BPS_PER_PERCENT: Final = 100


class Roles(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which account does what: names of [accounts.NAME]. Two roles may name one account and share its session."""

    trade: Annotated[str, _ACCOUNT] = ""
    """Entries and targets on token A; left out, the account of [legs]."""
    upside_oco: Annotated[str, _ACCOUNT] = ""
    """Hedges of SELL entries: BUY orders on token B."""
    downside_oco: Annotated[str, _ACCOUNT] = ""
    """Hedges of BUY entries: SELL orders on token B."""


class Grid(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One grid: entries and targets on token A, each fill hedged by a stop on token B."""

    bot_name: Annotated[str, Key("GRD-62", pattern=_BOT, form="1 to 40 letters, digits, space . _ -")] = ""
    """Required: its name in the journal, the log and `{bot_name}_state.json`."""
    grid_kind: Annotated[GridKind, Key("GRD-64 GRD-70")] = GridKind.LINEAR
    """`linear`: levels one spread apart; `geometric`: distances that double, with defaults of its own (below)."""
    trade_type: Annotated[TradeType, Key("GRD-04")] = TradeType.GRID_OCO
    """`gridocots` BUY and SELL levels, `buyocots` BUY, `sellocots` SELL, all hedged; `buyts` BUY, `sellts` SELL,
    `gridts` both, without a hedge."""
    accounts: Roles = Roles()
    token_a_symbol: Annotated[str, _SYMBOL] = ""
    """Required: carries entries and targets."""
    token_b_symbol: Annotated[str, _SYMBOL] = ""
    """Carries the hedges; required by the types that hedge."""
    exchange: Annotated[Literal["NSE", "BSE", "NFO", "BFO"], Key("GRD-59")] = "NSE"
    """Where both tokens trade."""
    product_type: Annotated[Literal["MIS", "NRML", "CNC"], Key("GRD-59")] = "MIS"
    """Product of every order. A hedge that sells shares short needs MIS."""

    entry_price: Annotated[Decimal, Key("GRD-01 OPS-08", "₹", 0, _PRICE_MAX)] = Decimal("0.0")
    """Centre of the grid; 0 = the first price of token A."""
    steps: Annotated[int, Key("GRD-01", "levels", 1, STEPS_MAX)] = 5
    """Levels on each side (linear)."""
    spread: Annotated[Decimal, Key("GRD-01", "₹", _CENT, _PRICE_MAX)] = Decimal("1.0")
    """Between two levels (linear)."""
    target_spread: Annotated[Decimal, Key("GRD-01 GRD-09 CON-16", "₹", _CENT, _PRICE_MAX)] = Decimal("1.0")
    """From entry to target (linear). Targets of the two sides must not share a price: below spread they never do."""
    oco_spread: Annotated[Decimal, Key("GRD-06 GRD-10", "₹", 0, _PRICE_MAX)] = Decimal("0.0")
    """From the price of token B at the fill to the hedge's trigger; above zero for the types that hedge."""
    token_a_quantity: Annotated[int, Key("GRD-03", "units", 0, _QTY_MAX)] = 0
    """Of each level; required."""
    token_b_quantity: Annotated[int, Key("GRD-41", "units", 0, _QTY_MAX)] = 0
    """Of each hedge; required by the types that hedge."""
    base_space: Annotated[Decimal, Key("GRD-64", "₹", _CENT, _PRICE_MAX)] = Decimal("0.01")
    """Spacing of the first level (geometric), doubled from one level to the next."""
    base_target: Annotated[Decimal, Key("GRD-64 GRD-65", "₹", _CENT, _PRICE_MAX)] = Decimal("0.02")
    """Target of the first level (geometric), doubled likewise; twice base_space makes all targets meet."""
    total_quantity: Annotated[int, Key("GRD-66", "units", 0, _QTY_MAX)] = 0
    """Of all levels of one side (geometric), split into levels of token_a_quantity."""

    auto_reenter: Annotated[bool, Key("GRD-22")] = True
    """After its target a level is ready again; false: it is done."""
    max_resting_entries_per_side: Annotated[int, Key("GRD-25", "orders", 0, STEPS_MAX)] = 1
    """Entries that rest at a time, nearest first; 0 = all of them."""
    seed_cadence: Annotated[bool, Key("GRD-25 CON-15")] = False
    """One more entry in every cycle until all rest, as the seed has it."""
    max_quantity_scope: Annotated[QuantityScope, Key("GRD-28 CON-18")] = QuantityScope.GLOBAL
    """Whose new entries pause at token_a_quantity x steps: `global` both sides', `side` its own."""
    allow_crossing: Annotated[bool, Key("GRD-09")] = False
    """Trade although targets of the two sides meet at one price."""
    poll_interval: Annotated[Decimal, Key("GRD-48", "s", Decimal("0.1"), 60)] = Decimal("1.0")
    """Cycle of the grid; fills that are pushed do not wait for it."""
    partial_wait: Annotated[Decimal, Key("GRD-21", "s", 0, 300)] = Decimal("5.0")
    """A part-filled entry has its target and hedge after this at the latest."""
    protection_pct: Annotated[Decimal, Key("CON-05", "%", Decimal("0.1"), 40)] = Decimal("3.0")
    """How far the limit of a marketable order lies through the touch: due hedges, square-off."""

    hedge_order_type: Annotated[HedgeOrderType, Key("GRD-06 CON-11")] = HedgeOrderType.STOP
    """`limit` is the seed's code, for comparison only: it fills at once."""
    hedge_protection_pct: Annotated[Decimal, Key("GRD-06", "%", 0, 40)] = Decimal("0.5")
    """Limit of a hedge stop behind its trigger, at least one tick."""
    hedge_sign: Annotated[int, Key("GRD-06", low=-1, high=1)] = 1
    """-1 where the two tokens move against each other."""
    confirm_with_token_a: Annotated[bool, Key("GRD-06")] = False
    """A due hedge waits while token A stands on the good side of its level."""
    oco_bracket_depth: Annotated[int, Key("GRD-36", "orders", 1, 10)] = 1
    """Pending hedges that rest in each direction, nearest first."""
    min_hold: Annotated[Decimal, Key("GRD-37", "s", 0, 300)] = Decimal("1.0")
    """A resting hedge moves to another level no sooner."""
    max_tick_age: Annotated[Decimal, Key("GRD-07", "s", Decimal("0.5"), 300)] = Decimal("5.0")
    """No hedge is priced from an older tick of token B."""
    race_policy: Annotated[RacePolicy, Key("GRD-18")] = RacePolicy.CLOSE
    """Hedge units that filled although the target had: close them, or keep them."""

    oco_stop_count: Annotated[int, Key("GRD-44", "hedges", 1, 1000)] = 3
    """So many overdue hedges of one side end the grid."""
    untriggered_grace: Annotated[Decimal, Key("GRD-45 CON-13", "s", 0, 300)] = Decimal("5.0")
    """A due hedge that is unfilled for longer is overdue."""
    literal_termination: Annotated[bool, Key("GRD-45 CON-13")] = False
    """Count every unfilled hedge past its price, sent or not, at once: the seed's rule."""
    on_terminate: Annotated[OnTerminate, Key("GRD-46")] = OnTerminate.KEEP
    """Open positions of a grid that ended itself: keep them, or close them."""
    cancel_on_stop: Annotated[bool, Key("GRD-57")] = False
    """Cancel the resting orders when the desk stops; else they stay, and no hedge is paired meanwhile."""
    no_new_entries_after: Annotated[time, Key("GRD-58")] = time(15, 5)
    """No entry from here on (IST); 00:00 = never."""
    square_off: Annotated[time, Key("GRD-58")] = time(15, 10)
    """MIS positions are closed from here on (IST); 00:00 = never."""

    @property
    def accounts_used(self) -> tuple[str, ...]:
        """Names of the accounts that its kind of trade needs, the trade account first."""
        sides = self.trade_type.sides if self.trade_type.is_hedged else ()
        hedges = (self.accounts.downside_oco if side is Side.BUY else self.accounts.upside_oco for side in sides)
        return (self.accounts.trade, *hedges)

    def terms(self, accounts: GridAccounts) -> GridTerms:
        """In the engine's units."""
        return GridTerms(
            bot=self.bot_name,
            accounts=accounts,
            token_a=self.token_a_symbol,
            token_b=self.token_b_symbol,
            exchange=self.exchange,
            product=self.product_type,
            kind=self.grid_kind,
            trade_type=self.trade_type,
            entry_paise=paise_from_rupees(self.entry_price),
            steps=self.steps,
            spread_paise=paise_from_rupees(self.spread),
            target_spread_paise=paise_from_rupees(self.target_spread),
            oco_spread_paise=paise_from_rupees(self.oco_spread),
            qty_a=self.token_a_quantity,
            qty_b=self.token_b_quantity,
            base_space_paise=paise_from_rupees(self.base_space),
            base_target_paise=paise_from_rupees(self.base_target),
            total_qty=self.total_quantity,
            auto_reenter=self.auto_reenter,
            max_resting_entries_per_side=self.max_resting_entries_per_side,
            seed_cadence=self.seed_cadence,
            max_quantity_scope=self.max_quantity_scope,
            hedge_order_type=self.hedge_order_type,
            hedge_protection_bps=int(self.hedge_protection_pct * _BPS_PER_PERCENT),
            hedge_sign=self.hedge_sign,
            confirm_with_token_a=self.confirm_with_token_a,
            oco_bracket_depth=self.oco_bracket_depth,
            oco_stop_count=self.oco_stop_count,
            untriggered_grace_ns=_ns(self.untriggered_grace),
            literal_termination=self.literal_termination,
            min_hold_ns=_ns(self.min_hold),
            partial_wait_ns=_ns(self.partial_wait),
            cycle_ns=_ns(self.poll_interval),
            max_tick_age_ns=_ns(self.max_tick_age),
            race_policy=self.race_policy,
            on_terminate=self.on_terminate,
            cancel_on_stop=self.cancel_on_stop,
            allow_crossing=self.allow_crossing,
            protection_bps=int(self.protection_pct * _BPS_PER_PERCENT),
            no_new_entries_ns=_since_midnight_ns(self.no_new_entries_after),
            square_off_ns=_since_midnight_ns(self.square_off),
        )


GEOMETRIC_DEFAULTS: Final[dict[str, Any]] = {
    "trade_type": TradeType.GRID,
    "product_type": "NRML",
    "token_a_quantity": 300,
    "total_quantity": 1000,
    "max_resting_entries_per_side": 0,
    "poll_interval": Decimal("2.0"),
    "no_new_entries_after": time(0),
    "square_off": time(0),
}
"""What `grid_kind = "geometric"` leaves out has these defaults: the older bot's ways (GRD-66, GRD-67, F-47)."""

_SECRETS: Final = "a credential never stands in this file: accounts names an [accounts.NAME], which names its secrets"
ELSEWHERE: Final = {
    **dict.fromkeys(("trade_key", "trade_secret", "upside_oco_key", "upside_oco_secret"), _SECRETS),
    **dict.fromkeys(("downside_oco_key", "downside_oco_secret"), _SECRETS),
    "zerodha_user": "belongs to the account that gives prices: user in an [accounts.NAME] of kind kite",
    "xts_root": "belongs to the account: root in an [accounts.NAME] of kind xts",
}
"""The seed's keys that have another place here, and which."""


def _ns(seconds: Decimal) -> int:
    return int(seconds * NS_PER_S)


def _since_midnight_ns(clock: time) -> int:
    return (clock.hour * 3600 + clock.minute * 60 + clock.second) * NS_PER_S
