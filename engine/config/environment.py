"""Which environment variables set which keys (OPS-11): STRIKEDESK_<TABLE>_<KEY>, and the seed's own names on request.

Order of precedence, strongest first: STRIKEDESK_ variables, the seed's names in the environment (only with
`[desk] seed_env = true`), the file given by --env-file (where the seed's names always count), config.toml, defaults.
TEST_MODE=true forces the paper demo whatever the rest says (LEG-61).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from engine.config.accounts import ACCOUNT_KINDS
from engine.config.grid import Grid
from engine.config.key import keys_of, tables_of
from engine.config.model import Config, Legs

Path = tuple[str, ...]
PREFIX: Final = "STRIKEDESK_"

SEED_KEYS: Final[dict[str, Path]] = {
    "SYMBOL": ("legs", "symbol"),
    "EXCHANGE": ("legs", "exchange"),
    "PRODUCT": ("legs", "product"),
    "LOTS": ("legs", "lots"),
    "ENABLE_TRAILING_SL": ("legs", "enable_trailing_sl"),
    "TRAIL_ACTIVATION_PERCENT": ("legs", "trail_activation_percent"),
    "TRAIL_LOCK_PERCENT": ("legs", "trail_lock_percent"),
    "PROFIT_TARGET_RUPEES": ("legs", "profit_target_rupees"),
    "STOP_LOSS_RUPEES": ("legs", "stop_loss_rupees"),
    "BROKERAGE_PER_TRADE_RUPEES": ("legs", "brokerage_per_trade_rupees"),
    "SLIPPAGE_RUPEES": ("legs", "slippage_rupees"),
    "INTERVAL": ("legs", "interval"),
    "TRADE_EVERY_N_BARS": ("legs", "trade_every_n_bars"),
    "IGNORE_ENTRY_DELTA": ("legs", "ignore_entry_delta"),
    "SESSION_START": ("legs", "session_start"),
    "SESSION_END": ("legs", "session_end"),
    "SQUARE_OFF_TIME": ("legs", "square_off"),
    "ENABLE_EOD_SQUARE_OFF": ("legs", "enable_eod_square_off"),
    "ENABLE_MARKET_ON_TARGET": ("legs", "enable_market_on_target"),
    "SL_ORDER_TYPE": ("legs", "sl_order_type"),
    "API_TIMEOUT_SECONDS": ("gateway", "api_timeout_seconds"),
    "MAX_ORDER_RETRIES": ("gateway", "max_order_retries"),
}
"""The leg scalper's variables that are keys here under another name."""

TEST_MODE: Final = "TEST_MODE"
LOG_TO_FILE: Final = "LOG_TO_FILE"
OPENALGO_KEYS: Final = {"OPENALGO_API_HOST": "host", "OPENALGO_WS_URL": "ws_url"}
"""Set the addresses of every account of kind openalgo; without one, of a new account `openalgo`."""
NO_KEY_HERE: Final = {
    "PERSIST_STATE": "the journal is always kept",
    "USE_HISTORY": "history is not read for entries; see [legs.trend_gate]",
    "HISTORY_START_DATE": "history is not read for entries; see [legs.trend_gate]",
    "HISTORY_END_DATE": "history is not read for entries; see [legs.trend_gate]",
}
"""Seed variables without an effect here, and why."""


def variable_of(path: Path) -> str:
    """The variable that sets a key: ("legs", "trend_gate", "ema_fast") -> STRIKEDESK_LEGS_TREND_GATE_EMA_FAST."""
    return PREFIX + "_".join(path).upper().replace("-", "_")


def key_variables(account_kinds: Mapping[str, str], groups: Iterable[str] = (), grids: int = 0) -> dict[str, Path]:
    """Every STRIKEDESK_ variable there is, with its key, for accounts of these names and kinds, these groups, and so
    many grids, which are told apart by their number in the file."""
    known = dict(_table_variables(Config, ()))
    for name, kind in account_kinds.items():
        if kind in ACCOUNT_KINDS:
            known |= dict(_table_variables(ACCOUNT_KINDS[kind], ("accounts", name)))
    for name in groups:
        known |= dict(_table_variables(Legs, ("groups", name)))
    for number in range(1, grids + 1):
        known |= dict(_table_variables(Grid, ("grid", str(number))))
    return known


def unknown_variables(env: Mapping[str, str], known: Mapping[str, Path]) -> list[str]:
    """One fault for each STRIKEDESK_<TABLE>_ variable that is no key; other STRIKEDESK_ variables are left alone."""
    tables = tuple(f"{PREFIX}{table.upper()}_" for table in (*tables_of(Config), "accounts", "groups", "grid"))
    faults: list[str] = []
    for name in env:
        if name.startswith(tables) and name not in known:
            close = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
            hint = f"; did you mean {close[0]}?" if close else ""
            faults.append(f"environment: {name}: no such key{hint}")
    return faults


def _table_variables(table: type[msgspec.Struct], path: Path) -> list[tuple[str, Path]]:
    here = [(variable_of((*path, key)), (*path, key)) for key in keys_of(table)]
    for name, inner in tables_of(table).items():
        here += _table_variables(inner, (*path, name))
    return here
